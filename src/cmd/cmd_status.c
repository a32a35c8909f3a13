/* lynex status: what is archived, what of it is still hot and why, what the next run would do. */
#include "cmd/cmd.h"

#include "archive/pending.h"
#include "archive/rebuild.h"
#include "base/alloc.h"
#include "base/civil.h"
#include "cmd/cmd_archive.h"
#include "cmd/terminal.h"

#include <stdio.h>
#include <stdlib.h>

/* Segments of one partition that are hot for one reason. */
struct group {
    const char *source, *partition;
    enum lx_why why;
    int64_t segments, rows, from, to;
    int64_t leaves_at; /* the first of them; 0: not known */
};

struct report {
    struct lx_cmd *cmd;
    const struct lx_ledger_state *state;
    int64_t rows, bytes, newest_ms; /* of all files */
    int64_t hot_rows;
    char operation[64];   /* of the newest version; "" unknown */
    int64_t committed_ms; /* 0: unknown */
    struct lx_pending pending;
    struct lx_pending_server server;
    struct group *groups;
    size_t group_count;
    struct lx_err err; /* why ClickHouse could not be asked */
    json_t *warnings;  /* texts */
};

/* -- collecting ---------------------------------------------------------------------------- */

static enum lx_status see_action(void *context, int64_t version, const json_t *action,
                                 struct lx_err *err)
{
    struct report *r = context;
    const json_t *info = json_object_get(action, "commitInfo");
    const char *operation = json_string_value(json_object_get(info, "operation"));
    (void)version;
    (void)err;
    if (info == NULL)
        return LX_OK;
    r->committed_ms = json_integer_value(json_object_get(info, "timestamp"));
    snprintf(r->operation, sizeof r->operation, "%s", operation != NULL ? operation : "");
    return LX_OK;
}

static enum lx_status read_ledger(struct report *r, struct lx_err *err)
{
    LX_TRY(lx_cmd_open_ledger(r->cmd, err));
    r->state = lx_ledger_state(r->cmd->ledger);
    for (size_t i = 0; i < r->state->file_count; i++) {
        const struct lx_ledger_file *file = &r->state->files[i];
        r->rows += file->rows > 0 ? file->rows : 0;
        r->bytes += file->size;
        r->newest_ms = file->modified_ms > r->newest_ms ? file->modified_ms : r->newest_ms;
    }
    for (size_t i = 0; i < r->state->live_count; i++)
        r->hot_rows += r->state->live[i].rows;
    if (r->state->version < 0)
        return LX_OK;
    enum lx_status status =
        lx_ledger_walk(r->cmd->ledger, r->state->version, r->state->version, see_action, r, err);
    if (status == LX_E_NOTFOUND) { /* behind a checkpoint */
        lx_err_clear(err);
        return LX_OK;
    }
    return status;
}

static void hear(void *context, const struct lx_event *event)
{
    struct report *r = context;
    char text[LX_ERR_TEXT + LX_ERR_HINT + 8];
    if (event->kind != LX_EVENT_WARNING)
        return;
    snprintf(text, sizeof text, "%s%s%s", event->text, event->more != NULL ? ": " : "",
             event->more != NULL ? event->more : "");
    json_array_append_new(r->warnings, json_string(text));
}

/* What ClickHouse says of a delete overrides what the ledger would expect of the next run. */
static void judge_by_server(struct report *r)
{
    bool waits = strcmp(r->err.name, "PENDING_DELETE") == 0;
    bool refused = r->server.asked_right && !r->server.may_delete;
    for (size_t i = 0; i < r->pending.segment_count; i++) {
        enum lx_why *why = &r->pending.segments[i].why;
        if (waits && *why == LX_WHY_UNKNOWN)
            *why = LX_WHY_WAITING;
        else if (refused && *why == LX_WHY_DUE)
            *why = LX_WHY_NO_RIGHT;
    }
}

static enum lx_status group_segments(struct report *r)
{
    r->groups = lx_calloc(r->pending.segment_count + 1, sizeof *r->groups);
    if (r->groups == NULL)
        return LX_E_MEMORY;
    size_t first = 0; /* of the partition: segments come sorted by source and partition */
    for (size_t i = 0; i < r->pending.segment_count; i++) {
        const struct lx_pending_segment *p = &r->pending.segments[i];
        const struct lx_segment *segment = p->segment;
        if (first < r->group_count && (strcmp(r->groups[first].source, segment->source) != 0 ||
                                       strcmp(r->groups[first].partition, segment->partition) != 0))
            first = r->group_count;
        size_t at = first;
        while (at < r->group_count && r->groups[at].why != p->why)
            at++;
        struct group *g = &r->groups[at];
        if (at == r->group_count) {
            *g = (struct group){segment->source, segment->partition, p->why, .from = segment->from,
                                .to = segment->to};
            r->group_count++;
        }
        g->segments++;
        g->rows += segment->rows;
        g->from = segment->from < g->from ? segment->from : g->from;
        g->to = segment->to > g->to ? segment->to : g->to;
        if (p->leaves_at != 0 && (g->leaves_at == 0 || p->leaves_at < g->leaves_at))
            g->leaves_at = p->leaves_at;
    }
    return LX_OK;
}

/* A look that came so far has said it itself. */
static void add_lost_log(struct report *r)
{
    struct lx_err found = LX_ERR_INIT, later = LX_ERR_INIT;
    for (size_t i = 0; i < json_array_size(r->warnings); i++)
        if (lx_str_starts(lx_str_of(json_string_value(json_array_get(r->warnings, i))),
                          LX_STR(LX_REBUILD_NO_LOG)))
            return;
    if (lx_cmd_find_lost_log(r->cmd, &found, &later) != LX_OK && r->err.status == LX_OK)
        r->err = later;
    if (found.status != LX_OK)
        hear(r,
             &(struct lx_event){.kind = LX_EVENT_WARNING, .text = found.text, .more = found.hint});
}

/* Both sides; what ClickHouse does not answer ends up in r->err. */
static enum lx_status collect(struct report *r, struct lx_err *err)
{
    struct lx_cmd *cmd = r->cmd;
    struct lx_telling telling;
    struct lx_archive_options options;
    struct lx_err later = LX_ERR_INIT;
    LX_TRY(read_ledger(r, err));
    enum lx_status opened = lx_cmd_open_clickhouse(cmd, &r->err);
    lx_telling_init(&telling, cmd, NULL);
    lx_archive_options_fill(cmd, &telling, &options);
    options.dry_run = true;
    options.tell = hear;
    options.context = r;
    options.at_step = NULL;
    if (opened != LX_OK)
        options.hot.ops = NULL;
    enum lx_status status =
        lx_pending_look(&options, &r->pending, opened == LX_OK ? &r->err : &later);
    if (opened == LX_OK && (status == LX_OK || strcmp(r->err.name, "PENDING_DELETE") == 0) &&
        lx_pending_server_look(cmd->hot_sql, &r->server, &later) != LX_OK && r->err.status == LX_OK)
        r->err = later;
    add_lost_log(r);
    judge_by_server(r);
    return group_segments(r) == LX_OK ? LX_OK : lx_err_memory(err);
}

static void free_report(struct report *r)
{
    lx_pending_free(&r->pending);
    lx_pending_server_free(&r->server);
    lx_free(r->groups);
    json_decref(r->warnings);
}

/* -- JSON ---------------------------------------------------------------------------------- */

static json_t *time_json(int64_t ms)
{
    char text[LX_TIME_TEXT];
    lx_time_iso(ms, text);
    return json_string(text);
}

static json_t *seconds_json(int64_t seconds)
{
    bool bound = seconds != LX_TIME_FIRST && seconds != LX_TIME_LAST && seconds != 0;
    return bound ? time_json(seconds * 1000) : json_null();
}

static json_t *groups_json(const struct report *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->group_count; i++) {
        const struct group *g = &r->groups[i];
        json_array_append_new(
            list, json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:o,s:o,s:o}", "source", g->source,
                            "partition", g->partition, "why", lx_why_word(g->why), "text",
                            lx_why_text(g->why), "segments", (json_int_t)g->segments, "rows",
                            (json_int_t)g->rows, "from", seconds_json(g->from), "to",
                            seconds_json(g->to), "leaves", seconds_json(g->leaves_at)));
    }
    return list;
}

static json_t *mutations_json(const struct lx_pending_server *server)
{
    if (!server->saw_mutations)
        return json_null();
    json_t *list = json_array();
    for (size_t i = 0; i < server->mutation_count; i++) {
        const struct lx_pending_mutation *m = &server->mutations[i];
        json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:I,s:s}", "id", m->id, "command",
                                              m->command, "created", m->created, "parts_to_do",
                                              (json_int_t)m->parts_to_do, "failure", m->failure));
    }
    return list;
}

static json_t *hot_json(const struct report *r)
{
    const struct lx_pending *p = &r->pending;
    if (!p->asked)
        return json_null();
    return json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:o,s:I,s:I,s:I,s:o,s:o}", "where",
                     lx_ch_where(r->cmd->client), "source", p->source, "host", p->host, "version",
                     p->version, "rows", (json_int_t)p->hot_rows, "rows_without_time",
                     (json_int_t)p->null_rows, "cutoff", time_json(p->cutoff * 1000), "due_rows",
                     (json_int_t)p->due_rows, "due_parts", (json_int_t)p->due_parts,
                     "parts_to_compare", (json_int_t)p->compare_parts, "may_delete",
                     r->server.asked_right ? json_boolean(r->server.may_delete) : json_null(),
                     "pending_mutations", mutations_json(&r->server));
}

static int print_json(const struct report *r)
{
    struct lx_cmd *cmd = r->cmd;
    const struct lx_ledger_state *s = r->state;
    json_t *ledger =
        json_pack("{s:I,s:o,s:s,s:I,s:I,s:I,s:o}", "version", (json_int_t)s->version, "committed",
                  r->committed_ms > 0 ? time_json(r->committed_ms) : json_null(), "operation",
                  r->operation, "files", (json_int_t)s->file_count, "rows", (json_int_t)r->rows,
                  "bytes", (json_int_t)r->bytes, "newest_file",
                  r->newest_ms > 0 ? time_json(r->newest_ms) : json_null());
    json_t *hot = json_pack("{s:I,s:I,s:o}", "segments", (json_int_t)s->live_count, "rows",
                            (json_int_t)r->hot_rows, "groups", groups_json(r));
    return lx_cmd_print_json(cmd, json_pack("{s:o,s:o,s:o,s:O,s:o}", "archive", ledger,
                                            "archived_and_hot", hot, "clickhouse", hot_json(r),
                                            "warnings", r->warnings, "error",
                                            lx_cmd_error_json(&r->err)));
}

/* -- text ---------------------------------------------------------------------------------- */

static void add(struct lx_table *table, const char *what, const char *format, ...) LX_PRINTF(3, 4);
static void add(struct lx_table *table, const char *what, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    lx_table_add(table, "%s", what);
    lx_table_add(table, "%s", text);
}

static void add_ledger(const struct report *r, struct lx_table *table)
{
    char when[LX_TIME_TEXT], files[LX_SHORT_TEXT], rows[LX_SHORT_TEXT], bytes[LX_SHORT_TEXT];
    struct lx_buf place = LX_BUF(4 * LX_MAX_NAME);
    if (lx_store_location(r->cmd->store, NULL, &place) == LX_OK)
        add(table, "archive", "%s", lx_buf_cstr(&place));
    lx_buf_free(&place);
    if (r->state->version < 0) {
        add(table, "ledger", "nothing is archived here yet");
        return;
    }
    lx_time_plain(r->committed_ms, when);
    if (r->committed_ms > 0)
        add(table, "ledger", "version %lld, %s UTC (%s)", (long long)r->state->version, when,
            r->operation);
    else
        add(table, "ledger", "version %lld", (long long)r->state->version);
    lx_text_count((int64_t)r->state->file_count, files);
    lx_text_count(r->rows, rows);
    lx_text_bytes(r->bytes, bytes);
    lx_time_plain(r->newest_ms, when);
    add(table, "archived", "%s row%s in %s file%s, %s%s%s%s", rows, lx_text_s(r->rows), files,
        lx_text_s((int64_t)r->state->file_count), bytes, r->newest_ms > 0 ? ", the newest of " : "",
        r->newest_ms > 0 ? when : "", r->newest_ms > 0 ? " UTC" : "");
    lx_text_count(r->hot_rows, rows);
    lx_text_count((int64_t)r->state->live_count, files);
    add(table, "of them still hot", "%s row%s in %s segment%s", rows, lx_text_s(r->hot_rows), files,
        lx_text_s((int64_t)r->state->live_count));
}

static void add_hot(const struct report *r, struct lx_table *table)
{
    const struct lx_pending *p = &r->pending;
    char rows[LX_SHORT_TEXT], day[LX_TIME_TEXT];
    if (!p->asked)
        return;
    lx_text_count(p->hot_rows, rows);
    add(table, "ClickHouse", "%s, %s (%s)", lx_ch_where(r->cmd->client), p->host, p->version);
    add(table, "rows there", "%s", rows);
    lx_text_count(p->due_rows, rows);
    lx_time_date(p->cutoff * 1000, day);
    if (p->due_rows > 0)
        add(table, "due now", "%s rows older than %s, in %lld parts: the next run archives them",
            rows, day, (long long)p->due_parts);
    else
        add(table, "due now", "nothing: all that is older than %s is archived", day);
    if (p->compare_parts > 0)
        add(table, "changed",
            "%lld parts hold archived rows and are not as they were: the next "
            "run compares them by content",
            (long long)p->compare_parts);
    lx_text_count(p->null_rows, rows);
    if (p->null_rows > 0)
        add(table, "without a time", "%s rows, which stay", rows);
    if (r->server.asked_right && !r->server.may_delete)
        add(table, "right", "ALTER DELETE is missing: lynex iam prints the GRANT");
}

static void day_text(int64_t seconds, char text[LX_TIME_TEXT])
{
    snprintf(text, LX_TIME_TEXT, "…");
    if (seconds != LX_TIME_FIRST && seconds != LX_TIME_LAST)
        lx_time_date(seconds * 1000, text);
}

static enum lx_status add_groups(const struct report *r, struct lx_buf *text)
{
    static const char *const heads[] = {"PARTITION", ">SEGMENTS", ">ROWS",
                                        "FROM",      "BEFORE",    "WHY THEY ARE STILL HOT"};
    struct lx_table table;
    if (r->group_count == 0)
        return LX_OK;
    lx_table_init(&table, sizeof heads / sizeof heads[0]);
    table.width = lx_terminal_width();
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        lx_table_add(&table, "%s", heads[i]);
    for (size_t i = 0; i < r->group_count; i++) {
        const struct group *g = &r->groups[i];
        char rows[LX_SHORT_TEXT], from[LX_TIME_TEXT], to[LX_TIME_TEXT], leaves[LX_TIME_TEXT];
        lx_text_count(g->rows, rows);
        day_text(g->from, from);
        day_text(g->to, to);
        day_text(g->leaves_at, leaves);
        lx_table_add(&table, "%s", g->partition);
        lx_table_add(&table, "%lld", (long long)g->segments);
        lx_table_add(&table, "%s", rows);
        lx_table_add(&table, "%s", from);
        lx_table_add(&table, "%s", to);
        lx_table_add(&table, "%s%s%s", lx_why_text(g->why),
                     g->leaves_at != 0 ? ": the first go on " : "",
                     g->leaves_at != 0 ? leaves : "");
    }
    enum lx_status status = lx_buf_text(text, "\n");
    if (status == LX_OK)
        status = lx_table_print(&table, 0, r->cmd->color, text);
    lx_table_free(&table);
    return status;
}

static enum lx_status add_mutations(const struct report *r, struct lx_buf *text)
{
    for (size_t i = 0; i < r->server.mutation_count; i++) {
        const struct lx_pending_mutation *m = &r->server.mutations[i];
        LX_TRY(lx_buf_printf(text, "%swaits on the server since %s UTC, %lld parts to do: %.300s\n",
                             i == 0 ? "\n" : "", m->created, (long long)m->parts_to_do,
                             m->command));
        if (m->failure[0] != 0)
            LX_TRY(lx_buf_printf(text, "  its last failure: %.300s\n", m->failure));
    }
    return LX_OK;
}

static enum lx_status build_text(const struct report *r, struct lx_buf *text)
{
    struct lx_table table;
    lx_table_init(&table, 2);
    table.width = lx_terminal_width();
    lx_table_add(&table, "Status");
    lx_table_add(&table, " ");
    add_ledger(r, &table);
    add_hot(r, &table);
    enum lx_status status = lx_table_print(&table, 0, r->cmd->color, text);
    lx_table_free(&table);
    if (status == LX_OK)
        status = add_groups(r, text);
    if (status == LX_OK)
        status = add_mutations(r, text);
    for (size_t i = 0; status == LX_OK && i < json_array_size(r->warnings); i++)
        status = lx_buf_printf(text, "\n⚠️  %s\n",
                               json_string_value(json_array_get(r->warnings, i)));
    return status;
}

static int print_text(const struct report *r)
{
    struct lx_buf text = LX_BUF(64 * LX_MIB);
    enum lx_status status = build_text(r, &text);
    if (status == LX_OK)
        lx_print(&text);
    lx_buf_free(&text);
    if (status != LX_OK) {
        fprintf(stderr, "lynex: the status could not be printed\n");
        return LX_EXIT_FAILED;
    }
    return LX_EXIT_DONE;
}

int lx_cmd_status(struct lx_cmd *cmd)
{
    struct report r = {.cmd = cmd, .warnings = json_array()};
    struct lx_err err = LX_ERR_INIT;
    if (!lx_cmd_args_done(cmd, 0)) {
        free_report(&r);
        return LX_EXIT_USAGE;
    }
    int status;
    if (collect(&r, &err) != LX_OK)
        status = lx_cmd_fail(cmd, &err);
    else
        status = cmd->json ? print_json(&r) : print_text(&r);
    if (status == LX_EXIT_DONE && r.err.status != LX_OK) {
        lx_err_context(&r.err, "what is in ClickHouse is not known");
        status = lx_cmd_fail(cmd, &r.err);
    }
    free_report(&r);
    return status;
}
