/* lynex vacuum: what abandoned batches left in the store, looked at or deleted. */
#include "archive/vacuum.h"

#include "base/civil.h"
#include "cmd/cmd.h"
#include "cmd/cmd_archive.h"
#include "cmd/terminal.h"

#include <stdio.h>

#define DEFAULT_AGE_HOURS 24
#define MAX_AGE_HOURS 1000000
#define HOUR_MS ((int64_t)3600000)

/* "3 h", "12 days" */
static void age_text(int64_t ms, char text[LX_SHORT_TEXT])
{
    int64_t hours = ms / HOUR_MS;
    if (hours < 1)
        snprintf(text, LX_SHORT_TEXT, "< 1 h");
    else if (hours < 48)
        snprintf(text, LX_SHORT_TEXT, "%lld h", (long long)hours);
    else
        snprintf(text, LX_SHORT_TEXT, "%lld days", (long long)(hours / 24));
}

static void fate_text(const struct lx_vacuum_item *item, bool write, struct lx_buf *text)
{
    char rows[LX_SHORT_TEXT];
    enum lx_status status = LX_OK;
    lx_buf_clear(text);
    lx_text_count(item->alone_rows, rows);
    switch (item->fate) {
    case LX_VACUUM_TAKE:
        status = lx_buf_text(text, !write          ? "would be deleted"
                                   : item->deleted ? "deleted"
                                                   : "left: in use by now");
        break;
    case LX_VACUUM_YOUNG: status = lx_buf_text(text, "left: too young"); break;
    case LX_VACUUM_ROWS:
        status = lx_buf_printf(text, "left: %s of its rows are archived nowhere else", rows);
        break;
    case LX_VACUUM_UNREAD:
        status = lx_buf_printf(text, "left: %s", item->note != NULL ? item->note : "unreadable");
        break;
    case LX_VACUUM_NOT_ASKED:
        status = lx_buf_printf(text, "left: --%s would take it",
                               item->kind == LX_VACUUM_REMOVED ? "removed" : "quarantine");
        break;
    }
    if (status != LX_OK)
        lx_buf_clear(text);
}

static void print_items(const struct lx_cmd *cmd, const struct lx_vacuum_options *o,
                        const struct lx_vacuum_report *r)
{
    static const char *const heads[] = {"OBJECT", "KIND", ">BYTES", ">AGE", "WHAT BECOMES OF IT"};
    struct lx_table table;
    struct lx_buf text = LX_BUF(256 * LX_MIB), fate = LX_BUF(2 * LX_ERR_TEXT);
    int64_t now = lx_clock_now(&cmd->clock);
    if (r->count == 0)
        return;
    lx_table_init(&table, sizeof heads / sizeof heads[0]);
    table.width = lx_terminal_width();
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        lx_table_add(&table, "%s", heads[i]);
    for (size_t i = 0; i < r->count; i++) {
        const struct lx_vacuum_item *item = &r->items[i];
        char bytes[LX_SHORT_TEXT], age[LX_SHORT_TEXT];
        lx_text_bytes(item->size, bytes);
        age_text(now - item->modified_ms, age);
        fate_text(item, o->write, &fate);
        lx_table_add(&table, "%s", item->path);
        lx_table_add(&table, "%s", lx_vacuum_kind_text(item->kind));
        lx_table_add(&table, "%s", bytes);
        lx_table_add(&table, "%s", age);
        lx_table_add(&table, "%s", lx_buf_cstr(&fate));
    }
    if (lx_table_print(&table, 0, cmd->color, &text) == LX_OK)
        lx_print(&text);
    lx_buf_free(&text);
    lx_buf_free(&fate);
    lx_table_free(&table);
}

static void print_hints(const struct lx_vacuum_report *r)
{
    int64_t rows = 0, unread = 0;
    for (size_t i = 0; i < r->count; i++) {
        rows += r->items[i].fate == LX_VACUUM_ROWS;
        unread += r->items[i].fate == LX_VACUUM_UNREAD;
    }
    if (rows > 0)
        printf("%lld files hold rows that no listed file holds. Where a run was ended, the next "
               "lynex archive\narchives these rows again, and they can go; where the log lost "
               "versions, these files may be\ntheir only copy: lynex ledger check\n",
               (long long)rows);
    if (unread > 0)
        printf("%lld files could not be compared: look at them with lynex inspect\n",
               (long long)unread);
    if (r->strangers > 0)
        printf("%lld objects have names that lynex does not make: left\n", (long long)r->strangers);
}

static void print_report(const struct lx_cmd *cmd, const struct lx_vacuum_options *o,
                         const struct lx_vacuum_report *r)
{
    char bytes[LX_SHORT_TEXT], kept[LX_SHORT_TEXT];
    lx_text_bytes(r->taken_bytes, bytes);
    lx_text_bytes(r->kept_bytes, kept);
    print_items(cmd, o, r);
    print_hints(r);
    printf("%s%lld object%s, %s %s; %lld, %s left%s\n", lx_color(cmd->color, LX_COLOR_BOLD),
           (long long)r->taken, lx_text_s(r->taken), bytes,
           o->write ? "deleted" : "would be deleted", (long long)r->kept, kept,
           lx_color(cmd->color, LX_COLOR_NONE));
    if (!o->write && r->taken > 0)
        printf("nothing was deleted: the same command with --yes does it\n");
}

static json_t *items_json(const struct lx_vacuum_report *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->count; i++) {
        const struct lx_vacuum_item *item = &r->items[i];
        char time[LX_TIME_TEXT];
        lx_time_iso(item->modified_ms, time);
        json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:b,s:I,s:s,s:I,s:I,s:s}", "path",
                                              item->path, "kind", lx_vacuum_kind_text(item->kind),
                                              "fate", lx_vacuum_fate_text(item->fate), "deleted",
                                              item->deleted, "bytes", (json_int_t)item->size,
                                              "modified", time, "rows", (json_int_t)item->rows,
                                              "alone_rows", (json_int_t)item->alone_rows, "note",
                                              item->note != NULL ? item->note : ""));
    }
    return list;
}

static bool take_age(struct lx_cmd *cmd, int64_t *ms)
{
    const char *text = lx_cmd_option(cmd, "--min-age");
    int64_t hours = DEFAULT_AGE_HOURS;
    if (text != NULL &&
        (!lx_str_to_i64(lx_str_of(text), &hours) || hours < 0 || hours > MAX_AGE_HOURS)) {
        (void)lx_cmd_usage(cmd, "lynex vacuum --min-age 24",
                           "--min-age %s: a number of hours from 0 to %d", text, MAX_AGE_HOURS);
        return false;
    }
    *ms = hours * HOUR_MS;
    return true;
}

int lx_cmd_vacuum(struct lx_cmd *cmd)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_telling telling;
    struct lx_vacuum_report report = {0};
    struct lx_vacuum_options options = {
        .prefix = cmd->config->target.prefix,
        .removed = lx_cmd_flag(cmd, "--removed"),
        .quarantine = lx_cmd_flag(cmd, "--quarantine"),
        .unproven = lx_cmd_flag(cmd, "--unproven"),
        .write = lx_cmd_flag(cmd, "--yes"),
        .memory_bytes = cmd->config->memory,
        .clock = cmd->clock,
        .cancel = cmd->cancel,
    };
    if (!take_age(cmd, &options.min_age_ms) || !lx_cmd_args_done(cmd, 0))
        return LX_EXIT_USAGE;
    if (lx_cmd_open_ledger(cmd, &err) != LX_OK || lx_cmd_open_pool(cmd, &err) != LX_OK)
        return lx_cmd_fail(cmd, &err);
    lx_telling_init(&telling, cmd, NULL);
    options.ledger = cmd->ledger;
    options.store = cmd->store;
    options.pool = cmd->pool;
    options.who = telling.who;
    enum lx_status status = lx_vacuum(&options, &report, &err);
    int code = LX_EXIT_DONE;
    if (cmd->json)
        code = lx_cmd_print_json(
            cmd, json_pack("{s:b,s:I,s:I,s:I,s:I,s:I,s:o,s:o}", "written", options.write, "objects",
                           (json_int_t)report.taken, "bytes", (json_int_t)report.taken_bytes,
                           "left", (json_int_t)report.kept, "left_bytes",
                           (json_int_t)report.kept_bytes, "strangers", (json_int_t)report.strangers,
                           "items", items_json(&report), "error", lx_cmd_error_json(&err)));
    else if (status == LX_OK || report.taken > 0)
        print_report(cmd, &options, &report);
    if (status != LX_OK)
        code = lx_cmd_fail(cmd, &err);
    lx_vacuum_report_free(&report);
    return code;
}
