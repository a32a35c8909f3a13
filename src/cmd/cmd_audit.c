/* lynex audit: who deleted what, when, on which guard's answer. All of it stands in the log: each
 * delete is a version, and its commitInfo is the record. */
#include "cmd/cmd.h"

#include "base/civil.h"
#include "cmd/terminal.h"

#include <stdio.h>

struct auditing {
    int64_t since_ms;
    struct lx_table table;
    json_t *list;
    int64_t deletes, rows;
    /* Of the version that is being walked: removes stand behind its commitInfo. */
    json_t *commit;
    int64_t commit_version, removed;
};

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

static int64_t number_of(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

/* Of a delete: when ClickHouse said that the rows were gone; else when the version was written. */
static int64_t time_of(const json_t *info)
{
    int64_t at = number_of(json_object_get(info, "lynex"), "at");
    return at > 0 ? at * 1000 : number_of(info, "timestamp");
}

static void add_line(struct auditing *a, const json_t *info, const char *part, const char *before,
                     int64_t rows, const char *sum, const char *xor_)
{
    const json_t *own = json_object_get(info, "lynex");
    char time[LX_TIME_TEXT], count[LX_SHORT_TEXT];
    lx_time_plain(time_of(info), time);
    lx_text_count(rows, count);
    lx_table_add(&a->table, "%lld", (long long)a->commit_version);
    lx_table_add(&a->table, "%s", time);
    lx_table_add(&a->table, "%s", text_of(info, "operation"));
    lx_table_add(&a->table, "%s", text_of(own, "by"));
    lx_table_add(&a->table, "%s", text_of(own, "way"));
    lx_table_add(&a->table, "%s", part);
    lx_table_add(&a->table, "%s", before);
    lx_table_add(&a->table, "%s", count);
    lx_table_add(&a->table, "%s", sum);
    lx_table_add(&a->table, "%s", xor_);
    lx_table_add(&a->table, "%s", text_of(own, "query_id"));
}

static void add_part(struct auditing *a, const json_t *info, const json_t *part)
{
    char before[LX_TIME_TEXT] = "-";
    const json_t *to = json_object_get(part, "before");
    if (json_is_integer(to) && json_integer_value(to) < INT64_MAX / 1000)
        lx_time_plain(json_integer_value(to) * 1000, before);
    add_line(a, info, text_of(part, "name"), before, number_of(part, "rows"), text_of(part, "sum"),
             text_of(part, "xor"));
}

/* The version that was walked last is complete: does it delete anything? */
static void take_commit(struct auditing *a)
{
    const json_t *info = a->commit, *own = json_object_get(info, "lynex");
    const json_t *guard = json_object_get(own, "guard"), *part;
    char files[48] = "-";
    size_t i;
    bool deletes = guard != NULL || strcmp(text_of(info, "operation"), "DELETE") == 0;
    if (info == NULL || (!deletes && a->removed == 0) || time_of(info) < a->since_ms)
        return;
    int64_t rows = deletes ? number_of(own, "rows") : 0;
    a->deletes++;
    a->rows += rows;
    if (a->removed > 0)
        snprintf(files, sizeof files, "%lld file%s of the archive", (long long)a->removed,
                 lx_text_s(a->removed));
    if (json_array_size(guard) == 0)
        add_line(a, info, files, "-", rows, "", "");
    json_array_foreach(guard, i, part) add_part(a, info, part);
    char time[LX_TIME_TEXT];
    lx_time_iso(time_of(info), time);
    json_array_append_new(
        a->list, json_pack("{s:I,s:s,s:s,s:s,s:I,s:O*}", "version", (json_int_t)a->commit_version,
                           "time", time, "operation", text_of(info, "operation"), "engine",
                           text_of(info, "engineInfo"), "removed_files", (json_int_t)a->removed,
                           "lynex", json_object_get(info, "lynex")));
}

static void next_commit(struct auditing *a, int64_t version)
{
    take_commit(a);
    json_decref(a->commit);
    a->commit = NULL;
    a->commit_version = version;
    a->removed = 0;
}

static enum lx_status visit(void *context, int64_t version, const json_t *action,
                            struct lx_err *err)
{
    struct auditing *a = context;
    (void)err;
    if (version != a->commit_version)
        next_commit(a, version);
    json_t *info = json_object_get(action, "commitInfo");
    if (info != NULL && a->commit == NULL)
        a->commit = json_incref(info);
    a->removed += json_object_get(action, "remove") != NULL;
    return LX_OK;
}

static int report(struct lx_cmd *cmd, struct auditing *a)
{
    struct lx_buf text = LX_BUF(256 * LX_MIB);
    char rows[LX_SHORT_TEXT];
    if (cmd->json)
        return lx_cmd_print_json(cmd, json_pack("{s:I,s:I,s:O}", "deletes", (json_int_t)a->deletes,
                                                "rows", (json_int_t)a->rows, "commits", a->list));
    if (a->deletes > 0 && lx_table_print(&a->table, 0, cmd->color, &text) == LX_OK)
        lx_print(&text);
    lx_buf_free(&text);
    lx_text_count(a->rows, rows);
    printf("%s%lld delete%s, %s row%s left ClickHouse%s\n", lx_color(cmd->color, LX_COLOR_BOLD),
           (long long)a->deletes, lx_text_s(a->deletes), rows, lx_text_s(a->rows),
           lx_color(cmd->color, LX_COLOR_NONE));
    return LX_EXIT_DONE;
}

int lx_cmd_audit(struct lx_cmd *cmd)
{
    static const char *const heads[] = {"VERSION", "TIME (UTC)", "WHAT", "BY",   "HOW",  "PART",
                                        "BEFORE",  ">ROWS",      ">SUM", ">XOR", "QUERY"};
    struct lx_err err = LX_ERR_INIT;
    struct auditing a = {.since_ms = INT64_MIN, .commit_version = -1};
    const char *since = lx_cmd_option(cmd, "--since");
    if (!lx_cmd_args_done(cmd, 0))
        return LX_EXIT_USAGE;
    if (since != NULL && !lx_time_parse(lx_str_of(since), &a.since_ms)) {
        return lx_cmd_usage(cmd, "lynex audit --since 2026-01-31, or 2026-01-31T12:00:00",
                            "--since %s is no date", since);
    }
    if (lx_cmd_open_ledger(cmd, &err) != LX_OK || lx_cmd_warn_of_lost_log(cmd, &err) != LX_OK)
        return lx_cmd_fail(cmd, &err);
    a.list = json_array();
    lx_table_init(&a.table, sizeof heads / sizeof heads[0]);
    a.table.width = lx_terminal_width();
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        lx_table_add(&a.table, "%s", heads[i]);
    int64_t newest = lx_ledger_state(cmd->ledger)->version;
    enum lx_status status = lx_ledger_walk(cmd->ledger, 0, newest, visit, &a, &err);
    next_commit(&a, -1);
    int code = status == LX_OK ? report(cmd, &a) : lx_cmd_fail(cmd, &err);
    json_decref(a.list);
    lx_table_free(&a.table);
    return code;
}
