/* lynex archive: one run of the main job, told as users know it: the marks and words of the log
 * lines are what they search for, so they stay as they are. */
#include "archive/pending.h"

#include "cmd/cmd.h"

#include "base/alloc.h"
#include "base/civil.h"
#include "cmd/cmd_archive.h"
#include "cmd/terminal.h"

#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LOGGER "lynex.archiver"
#define PROGRESS_MS 200
/* Files that are stored and proven at once: they wait for the store more than they work. */
#define BACKGROUND_THREADS 4
#define FLIGHT 3 /* batches under way: one is read, one proven, one committed */

/* -- events -------------------------------------------------------------------------------- */

static void clear_progress(struct lx_telling *t)
{
    if (t->drawn)
        fputs("\r\x1b[K", stdout);
    t->drawn = false;
}

static void say(struct lx_telling *t, enum lx_log_level level, const char *text)
{
    if (!t->cmd->terminal) {
        lx_log_write(&t->cmd->log, level, LOGGER, "%s", text);
        return;
    }
    clear_progress(t);
    const char *color = lx_color(t->cmd->color, level == LX_LOG_ERROR     ? LX_COLOR_RED
                                                : level == LX_LOG_WARNING ? LX_COLOR_YELLOW
                                                                          : LX_COLOR_NONE);
    printf("%s%s%s\n", color, text, lx_color(t->cmd->color, LX_COLOR_NONE));
    fflush(stdout);
}

static void draw_progress(struct lx_telling *t, int64_t rows)
{
    enum { WIDTH = 30 };
    char done[LX_SHORT_TEXT], total[LX_SHORT_TEXT], bar[WIDTH * 3 + 1];
    int64_t now = lx_clock_monotonic(&t->cmd->clock);
    t->done += rows;
    if (!t->cmd->terminal || now - t->last_ms < PROGRESS_MS || t->total <= 0)
        return;
    t->last_ms = now;
    int64_t shown = t->done < t->total ? t->done : t->total;
    size_t filled = (size_t)(shown * WIDTH / t->total), at = 0;
    for (size_t i = 0; i < WIDTH; i++) {
        memcpy(bar + at, i < filled ? "█" : "░", 3);
        at += 3;
    }
    bar[at] = 0;
    lx_text_count(shown, done);
    lx_text_count(t->total, total);
    printf("\r\x1b[K   %s %s of %s events read", bar, done, total);
    fflush(stdout);
    t->drawn = true;
}

void lx_telling_say(struct lx_telling *t, enum lx_log_level level, const char *format, ...)
{
    char line[LX_ERR_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    say(t, level, line);
}

static void say_hinted(struct lx_telling *t, enum lx_log_level level, const char *text,
                       const char *hint)
{
    char line[LX_ERR_TEXT + LX_ERR_HINT + 8];
    if (hint == NULL || hint[0] == 0) {
        say(t, level, text);
        return;
    }
    snprintf(line, sizeof line, "%s: %s", text, hint);
    say(t, level, line);
}

/* On a terminal as in the tables; in a log plain, as programs and those who search know it. */
static void count_text(const struct lx_telling *t, int64_t count, char text[LX_SHORT_TEXT])
{
    if (t->cmd->terminal)
        lx_text_count(count, text);
    else
        snprintf(text, LX_SHORT_TEXT, "%lld", (long long)count);
}

static void tell(void *context, const struct lx_event *event)
{
    struct lx_telling *t = context;
    char line[LX_MAX_NAME * 4 + 64];
    char rows[LX_SHORT_TEXT], total[LX_SHORT_TEXT];
    count_text(t, event->rows, rows);
    if (t->watch != NULL)
        t->watch->look(t->watch->context, event, t->report);
    switch (event->kind) {
    case LX_EVENT_NOTE: say_hinted(t, LX_LOG_INFO, event->text, event->more); return;
    case LX_EVENT_WARNING:
        snprintf(line, sizeof line, "⚠️  %s", event->text);
        say_hinted(t, LX_LOG_WARNING, line, event->more);
        return;
    case LX_EVENT_PROGRESS: draw_progress(t, event->rows); return;
    case LX_EVENT_FOUND:
        t->total = event->rows;
        snprintf(line, sizeof line, "📦 Found %s events to archive", rows);
        break;
    case LX_EVENT_PART:
        count_text(t, event->total, total);
        snprintf(line, sizeof line, "   part %s: %s of %s rows, %s", event->text, rows, total,
                 event->more);
        break;
    case LX_EVENT_NOTHING: snprintf(line, sizeof line, "✅ No events to archive"); break;
    case LX_EVENT_UPLOADED: snprintf(line, sizeof line, "✅ Uploaded to %s", event->location); break;
    case LX_EVENT_DELETED:
        snprintf(line, sizeof line, "🗑️  Deleted %s events from ClickHouse", rows);
        break;
    case LX_EVENT_ARCHIVED:
        snprintf(line, sizeof line, "✅ Archived %s events to %s", rows, t->where);
        break;
    default: return;
    }
    say(t, LX_LOG_INFO, line);
}

/* -- reports ------------------------------------------------------------------------------- */

static void add_count(struct lx_table *table, const char *what, int64_t count)
{
    char text[LX_SHORT_TEXT];
    lx_text_count(count, text);
    lx_table_add(table, "%s", what);
    lx_table_add(table, "%s", text);
}

static void add_bytes(struct lx_table *table, const char *what, int64_t bytes)
{
    char text[LX_SHORT_TEXT];
    lx_text_bytes(bytes, text);
    lx_table_add(table, "%s", what);
    lx_table_add(table, "%s", text);
}

static void print_table(const struct lx_cmd *cmd, struct lx_table *table)
{
    struct lx_buf text = LX_BUF(64 * LX_KIB);
    if (lx_table_print(table, 3, cmd->color, &text) == LX_OK)
        lx_print(&text);
    lx_buf_free(&text);
    lx_table_free(table);
}

/* "read 41 %, encode 30 %, …": shares of the time of all stages. */
static void stages_text(const struct lx_archive_report *r, char *text, size_t size)
{
    const struct {
        const char *name;
        int64_t ms;
    } stages[] = {{"reading", r->read_ms},      {"encoding", r->encode_ms},
                  {"uploading", r->upload_ms},  {"proving", r->prove_ms},
                  {"committing", r->commit_ms}, {"deleting", r->delete_ms}};
    int64_t all = 0;
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++)
        all += stages[i].ms;
    for (size_t i = 0; all > 0 && i < sizeof stages / sizeof stages[0] && used < size; i++) {
        int more = snprintf(text + used, size - used, "%s%s %lld %%", i > 0 ? ", " : "",
                            stages[i].name, (long long)(stages[i].ms * 100 / all));
        used += more > 0 ? (size_t)more : 0;
    }
}

void lx_telling_say_speed(struct lx_telling *t, const struct lx_archive_report *r)
{
    char line[512], took[LX_SHORT_TEXT], stages[256];
    int64_t ms = r->last_ms - r->first_ms;
    if (r->archived_rows == 0 || ms <= 0)
        return;
    lx_text_duration(ms, took);
    stages_text(r, stages, sizeof stages);
    snprintf(line, sizeof line, "⏱️  %lld events a second in %s: %s",
             (long long)(r->archived_rows * 1000 / ms), took, stages);
    say(t, LX_LOG_INFO, line);
}

static void say_soak(struct lx_telling *t, const struct lx_archive_report *r)
{
    char line[256];
    snprintf(
        line, sizeof line,
        "🧪 Soak: nothing was deleted; live, %lld events would leave: %lld parts whole (%lld "
        "events), %lld parts by a mask (%lld events)",
        (long long)(r->would_drop.rows + r->would_mask.rows), (long long)r->would_drop.parts,
        (long long)r->would_drop.rows, (long long)r->would_mask.parts,
        (long long)r->would_mask.rows);
    say(t, LX_LOG_INFO, line);
}

static void print_summary(const struct lx_cmd *cmd, const struct lx_archive_report *r)
{
    char took[LX_SHORT_TEXT], rate[LX_SHORT_TEXT];
    int64_t ms = r->last_ms - r->first_ms;
    struct lx_table table;
    lx_table_init(&table, 2);
    lx_table_add(&table, "Summary");
    lx_table_add(&table, ">");
    add_count(&table, "archived and proven", r->archived_rows);
    add_count(&table, "deleted from ClickHouse", r->deleted_rows);
    if (r->late_rows > 0)
        add_count(&table, "of them late", r->late_rows);
    if (r->gone_rows > 0)
        add_count(&table, "archived, gone by other hands", r->gone_rows);
    if (r->kept_rows > 0)
        add_count(&table, "archived, still hot", r->kept_rows);
    if (r->waiting_rows > 0)
        add_count(&table, "archived, kept hot as asked", r->waiting_rows);
    if (r->null_rows > 0)
        add_count(&table, "without a time, kept hot", r->null_rows);
    add_count(&table, "files", r->files);
    add_bytes(&table, "bytes in the archive", r->archived_bytes);
    lx_text_duration(ms, took);
    lx_table_add(&table, "time");
    lx_table_add(&table, "%s", took);
    if (ms > 0 && r->archived_rows > 0) {
        lx_text_count(r->archived_rows * 1000 / ms, rate);
        lx_table_add(&table, "events a second");
        lx_table_add(&table, "%s", rate);
    }
    char stages[256];
    stages_text(r, stages, sizeof stages);
    print_table(cmd, &table);
    if (r->archived_rows > 0)
        printf("  %s\n", stages);
}

/* What a run would learn only from its first delete. */
enum right { RIGHT_UNKNOWN, RIGHT_THERE, RIGHT_MISSING };

static enum right ask_right(struct lx_cmd *cmd)
{
    struct lx_pending_server server = {0};
    struct lx_err ignored = LX_ERR_INIT;
    enum right right = RIGHT_UNKNOWN;
    if (cmd->config->delete_after && cmd->config->mode != LX_SET_SOAK &&
        lx_pending_server_look(cmd->hot_sql, &server, &ignored) == LX_OK && server.asked_right)
        right = server.may_delete ? RIGHT_THERE : RIGHT_MISSING;
    lx_pending_server_free(&server);
    return right;
}

static void print_plan(const struct lx_cmd *cmd, const struct lx_archive_report *r,
                       enum right right)
{
    char cutoff[LX_TIME_TEXT];
    struct lx_table table;
    lx_time_plain(r->cutoff * 1000, cutoff);
    lx_table_init(&table, 2);
    lx_table_add(&table, "Dry run: nothing was written or deleted");
    lx_table_add(&table, ">");
    lx_table_add(&table, "rows before (UTC)");
    lx_table_add(&table, "%s", cutoff);
    add_count(&table, "rows to archive", r->planned_rows);
    add_bytes(&table, "their size in ClickHouse, about", r->planned_bytes);
    add_count(&table, "parts to read", r->planned_parts);
    add_count(&table, "files, at least", r->planned_files);
    add_count(&table, "parts that would leave whole (DROP PART)", r->would_drop.parts);
    add_count(&table, "… their rows", r->would_drop.rows);
    add_count(&table, "parts that would be masked (DELETE)", r->would_mask.parts);
    add_count(&table, "… their rows", r->would_mask.rows);
    if (r->null_rows > 0)
        add_count(&table, "rows without a time, which stay", r->null_rows);
    print_table(cmd, &table);
    if (right == RIGHT_MISSING)
        printf(
            "⚠️  the right ALTER DELETE is missing: all of it would be archived, and nothing "
            "deleted\n  what to do: lynex iam prints the GRANT\n");
}

static json_t *report_json(const struct lx_archive_report *r, const struct lx_err *err, bool dry,
                           enum right right)
{
    char cutoff[LX_TIME_TEXT], first[LX_TIME_TEXT];
    lx_time_iso(r->cutoff * 1000, cutoff);
    lx_time_iso(r->first_ms, first);
    json_t *json = json_pack(
        "{s:s,s:s,s:b,s:I,s:I,s:I,s:I,s:I,s:{s:I,s:I},s:{s:I,s:I}}", "started", first, "cutoff",
        cutoff, "dry_run", dry, "planned_rows", (json_int_t)r->planned_rows, "planned_bytes",
        (json_int_t)r->planned_bytes, "planned_parts", (json_int_t)r->planned_parts,
        "planned_files", (json_int_t)r->planned_files, "rows_without_time",
        (json_int_t)r->null_rows, "would_drop", "parts", (json_int_t)r->would_drop.parts, "rows",
        (json_int_t)r->would_drop.rows, "would_mask", "parts", (json_int_t)r->would_mask.parts,
        "rows", (json_int_t)r->would_mask.rows);
    json_t *done =
        json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "archived_rows",
                  (json_int_t)r->archived_rows, "archived_bytes", (json_int_t)r->archived_bytes,
                  "files", (json_int_t)r->files, "batches", (json_int_t)r->batches, "deleted_rows",
                  (json_int_t)r->deleted_rows, "deleted_parts", (json_int_t)r->deleted_parts,
                  "delete_statements", (json_int_t)r->delete_statements, "late_rows",
                  (json_int_t)r->late_rows, "gone_rows", (json_int_t)r->gone_rows, "kept_rows",
                  (json_int_t)r->kept_rows, "waiting_rows", (json_int_t)r->waiting_rows,
                  "milliseconds", (json_int_t)(r->last_ms - r->first_ms));
    json_t *stages = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "read", (json_int_t)r->read_ms,
                               "encode", (json_int_t)r->encode_ms, "upload",
                               (json_int_t)r->upload_ms, "prove", (json_int_t)r->prove_ms, "commit",
                               (json_int_t)r->commit_ms, "delete", (json_int_t)r->delete_ms);
    if (json == NULL || done == NULL || stages == NULL || json_object_update(json, done) != 0) {
        json_decref(json);
        json = NULL;
    } else {
        json_object_set(json, "stage_milliseconds", stages);
        if (dry)
            json_object_set_new(json, "may_delete",
                                right == RIGHT_UNKNOWN ? json_null()
                                                       : json_boolean(right == RIGHT_THERE));
        if (r->cutoff == 0) /* it did not come so far */
            json_object_set_new(json, "cutoff", json_null());
        const struct lx_err *why = err->status != LX_OK ? err : &r->refusal;
        if (why->status != LX_OK)
            json_object_set_new(json, err->status != LX_OK ? "error" : "not_deleted",
                                json_pack("{s:s,s:s,s:s}", "status", lx_status_name(why->status),
                                          "text", why->text, "what_to_do", why->hint));
    }
    json_decref(done);
    json_decref(stages);
    return json;
}

/* -- the command --------------------------------------------------------------------------- */

static void who_am_i(char *text, size_t size)
{
    char host[256] = "", memory[4096];
    struct passwd entry, *found = NULL;
    gethostname(host, sizeof host - 1);
    if (getpwuid_r(geteuid(), &entry, memory, sizeof memory, &found) == 0 && found != NULL)
        snprintf(text, size, "%s@%s", found->pw_name, host);
    else
        snprintf(text, size, "uid %u@%s", (unsigned)geteuid(), host);
}

/* The columns of a list, split in place; none for "auto" and "none". */
static size_t bloom_columns(char *text, const char **columns, size_t most)
{
    size_t count = 0;
    if (strcmp(text, "none") == 0 || strcmp(text, "auto") == 0)
        return 0;
    for (char *pos = text; pos != NULL && count < most;) {
        char *comma = strchr(pos, ',');
        if (comma != NULL)
            *comma = 0;
        struct lx_str name = lx_str_trim(lx_str_of(pos));
        if (name.len != 0) {
            pos[(size_t)(name.ptr - pos) + name.len] = 0;
            columns[count++] = name.ptr;
        }
        pos = comma != NULL ? comma + 1 : NULL;
    }
    return count;
}

void lx_telling_init(struct lx_telling *t, struct lx_cmd *cmd, const char *directory)
{
    *t = (struct lx_telling){.cmd = cmd, .where = "S3"};
    if (directory != NULL)
        snprintf(t->where, sizeof t->where, "%s", directory);
    who_am_i(t->who, sizeof t->who);
    snprintf(t->bloom_text, sizeof t->bloom_text, "%s", cmd->config->bloom_columns);
    t->bloom_count = bloom_columns(t->bloom_text, t->blooms, LX_TELLING_BLOOMS);
}

void lx_telling_end(struct lx_telling *t)
{
    clear_progress(t);
}

#ifdef LYNEX_MUTANTS
/* LYNEX_STEP=ACTION@STEP[#N]; see base/mutant.h. */
static enum lx_status at_step(void *context, enum lx_step step, struct lx_err *err)
{
    static const struct {
        const char *action;
        int signal;
    } actions[] = {{"stop@", 0}, {"kill@", SIGKILL}, {"pause@", SIGSTOP}};
    const char *wanted = getenv("LYNEX_STEP");
    struct lx_telling *t = context;
    for (size_t i = 0; wanted != NULL && i < sizeof actions / sizeof actions[0]; i++) {
        size_t skip = strlen(actions[i].action), size = strlen(lx_step_name(step));
        const char *name = wanted + skip;
        if (strncmp(wanted, actions[i].action, skip) != 0 ||
            strncmp(name, lx_step_name(step), size) != 0 || (name[size] != 0 && name[size] != '#'))
            continue;
        int64_t nth = 1;
        if (name[size] == '#' && !lx_str_to_i64(lx_str_of(name + size + 1), &nth))
            return lx_err_set(err, LX_E_ARGUMENT, "LYNEX_STEP=%s", wanted);
        if (++t->steps_seen != nth)
            return LX_OK;
        if (actions[i].signal == 0)
            return lx_err_set(err, LX_E_CANCELLED, "stopped before the step \"%s\"",
                              lx_step_name(step));
        raise(actions[i].signal);
    }
    return LX_OK;
}
#define AT_STEP at_step
#else
#define AT_STEP NULL
#endif

void lx_archive_options_fill(const struct lx_cmd *cmd, struct lx_telling *t,
                             struct lx_archive_options *options)
{
    const struct lx_config *c = cmd->config;
    *options = (struct lx_archive_options){
        .hot = cmd->hot,
        .ledger = cmd->ledger,
        .store = cmd->store,
        .shard = "0",
        .prefix = c->target.prefix,
        .after_days = c->after_days,
        .delete_after = c->delete_after,
        .soak = c->mode == LX_SET_SOAK,
        .max_delete_rows = c->max_delete_rows,
        .file_rows = c->batch_size,
        .file_bytes = c->file_size,
        .memory_bytes = c->memory,
        .max_read_bytes = c->max_mbps * 1000000,
        .temp_dir = c->temp_dir[0] != 0 ? c->temp_dir : NULL,
        .micros = c->timestamp_unit == LX_SET_UNIT_US,
        .masks = c->delete_mode != LX_SET_DELETE_PARTS,
        .delete_wait_ms = c->delete_wait * 1000,
        .ttl_margin_days = c->ttl_margin_days,
        .profile = c->parquet == LX_SET_PARQUET_COMPAT ? LX_PARQUET_COMPAT : LX_PARQUET_COMPACT,
        .effort = c->effort == LX_SET_EFFORT_FAST    ? LX_PARQUET_FAST
                  : c->effort == LX_SET_EFFORT_SMALL ? LX_PARQUET_SMALL
                                                     : LX_PARQUET_BALANCED,
        .pool = cmd->pool,
        .background = lx_cmd_threads(c) > 1 ? BACKGROUND_THREADS : 0,
        .flight = lx_cmd_threads(c) > 1 ? FLIGHT : 1,
        .clock = cmd->clock,
        .random = cmd->random,
        .cancel = cmd->cancel,
        .who = t->who,
        .bloom_columns = t->blooms,
        .bloom_count = t->bloom_count,
        .bloom_uuids = strcmp(c->bloom_columns, "auto") == 0,
        .tell = tell,
        .at_step = AT_STEP,
        .context = t,
    };
}

static void say_error(struct lx_telling *t, const char *what, const struct lx_err *err)
{
    char line[LX_ERR_TEXT + 64];
    snprintf(line, sizeof line, "❌ %s: %s", what, err->text);
    say(t, LX_LOG_ERROR, line);
    if (err->hint[0] != 0) {
        snprintf(line, sizeof line, "   what to do: %s", err->hint);
        say(t, LX_LOG_ERROR, line);
    }
}

static enum lx_status open_all(const struct lx_telling *t, struct lx_err *err)
{
    struct lx_cmd *cmd = t->cmd;
    LX_TRY(lx_cmd_open_clickhouse(cmd, err));
    LX_TRY(lx_cmd_open_store(cmd, err));
    if (t->watch != NULL)
        LX_TRY(t->watch->opened(t->watch->context, &cmd->store, err));
    LX_TRY(lx_cmd_open_pool(cmd, err));
    return lx_cmd_open_ledger(cmd, err);
}

static void say_start(struct lx_telling *t)
{
    char line[128], day[LX_TIME_TEXT];
    int64_t now = lx_clock_now(&t->cmd->clock);
    lx_time_date(now - t->cmd->config->after_days * LX_DAY_SECONDS * 1000, day);
    snprintf(line, sizeof line, "🗄️  Archiving events older than %s", day);
    say(t, LX_LOG_INFO, line);
}

enum lx_status lx_archive_told(struct lx_telling *t, bool dry_run, struct lx_archive_report *report,
                               struct lx_err *err)
{
    struct lx_archive_options options;
    *report = (struct lx_archive_report){.first_ms = lx_clock_now(&t->cmd->clock)};
    t->report = report;
    say_start(t);
    enum lx_status status = open_all(t, err);
    if (status == LX_OK) {
        lx_archive_options_fill(t->cmd, t, &options);
        options.dry_run = dry_run;
        status = lx_archive_run(&options, report, err);
    } else {
        report->last_ms = lx_clock_now(&t->cmd->clock);
    }
    clear_progress(t);
    t->report = NULL;
    if (status == LX_OK && t->cmd->config->mode == LX_SET_SOAK && !dry_run)
        say_soak(t, report);
    if (status == LX_E_CANCELLED && lx_cancel_asked(t->cmd->cancel))
        say(t, LX_LOG_INFO,
            "⏹️  Archival interrupted: nothing is half done, the next run goes on from there");
    else if (status != LX_OK)
        say_error(t, "Archival job failed", err);
    else if (report->delete_refused)
        say_error(t, "ClickHouse DELETE failed", &report->refusal);
    return status;
}

int lx_cmd_archive(struct lx_cmd *cmd)
{
    struct lx_telling t;
    struct lx_archive_report report;
    struct lx_err err = LX_ERR_INIT;
    bool dry_run = lx_cmd_flag(cmd, "--dry-run");
    if (!lx_cmd_args_done(cmd, 0))
        return LX_EXIT_USAGE;
    lx_telling_init(&t, cmd,
                    cmd->config->target.is_directory ? cmd->config->target.directory : NULL);
    enum lx_status status = lx_archive_told(&t, dry_run, &report, &err);
    enum right right = dry_run && status == LX_OK ? ask_right(cmd) : RIGHT_UNKNOWN;
    if (cmd->json &&
        lx_cmd_print_json(cmd, report_json(&report, &err, dry_run, right)) != LX_EXIT_DONE)
        return LX_EXIT_FAILED;
    if (!cmd->json && status == LX_OK && dry_run)
        print_plan(cmd, &report, right);
    else if (cmd->terminal && status == LX_OK)
        print_summary(cmd, &report);
    else if (!cmd->json && status == LX_OK)
        lx_telling_say_speed(&t, &report);
    if (status == LX_E_UNKNOWN && lx_cancel_asked(cmd->cancel))
        return LX_EXIT_INTERRUPTED; /* in the middle of a commit, as the message says */
    if (status != LX_OK)
        return lx_cmd_exit_of(&err);
    return report.delete_refused ? LX_EXIT_NOT_DELETED : LX_EXIT_DONE;
}
