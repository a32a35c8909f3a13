/* lynex ledger: the log looked at version by version, or made anew where it was lost. */
#include "archive/rebuild.h"

#include "cmd/cmd.h"
#include "cmd/cmd_archive.h"
#include "cmd/terminal.h"

#include <stdio.h>

#define MAX_LEAVE 1000 /* --leave of one call */

/* -- check --------------------------------------------------------------------------------- */

struct checking {
    struct lx_cmd *cmd;
    json_t *findings;
    int64_t bad_objects;
};

static const char *flaw_text(enum lx_ledger_flaw flaw)
{
    static const char *const texts[] = {"missing", "broken", "unsupported", "foreign"};
    return texts[flaw];
}

static enum lx_status tell_finding(void *context, const struct lx_ledger_finding *f,
                                   struct lx_err *err)
{
    struct checking *c = context;
    bool color = c->cmd->color, harmless = f->flaw == LX_FLAW_FOREIGN;
    char versions[64];
    (void)err;
    json_array_append_new(c->findings,
                          json_pack("{s:s,s:I,s:I,s:s,s:s}", "flaw", flaw_text(f->flaw), "version",
                                    (json_int_t)f->version, "last", (json_int_t)f->last, "text",
                                    f->text, "hint", f->hint));
    if (c->cmd->json)
        return LX_OK;
    if (f->last > f->version)
        snprintf(versions, sizeof versions, "versions %lld to %lld", (long long)f->version,
                 (long long)f->last);
    else
        snprintf(versions, sizeof versions, "version %lld", (long long)f->version);
    printf("%s%s%s  %s: %s\n", lx_color(color, harmless ? LX_COLOR_YELLOW : LX_COLOR_RED),
           flaw_text(f->flaw), lx_color(color, LX_COLOR_NONE), versions, f->text);
    if (f->hint[0] != 0)
        printf("  what to do: %s\n", f->hint);
    return LX_OK;
}

/* An object that the log needs: there, and at least so large (exactly, where it is a file)? */
static enum lx_status check_object(struct checking *c, const char *path, int64_t size, bool exact,
                                   struct lx_err *err)
{
    struct lx_buf key = LX_BUF(LX_MAX_NAME * 4);
    struct lx_object object = {0};
    enum lx_status status = lx_ledger_path_key(path, &key, err);
    if (status == LX_OK)
        status = lx_store_head(c->cmd->store, lx_buf_cstr(&key), &object, err);
    lx_buf_free(&key);
    bool missing = status == LX_E_NOTFOUND;
    if (!missing && status != LX_OK)
        return status;
    if (!missing && (exact ? object.size == size : object.size >= size))
        return LX_OK;
    char text[LX_ERR_TEXT];
    if (missing)
        snprintf(text, sizeof text, "%s is not in the store", path);
    else
        snprintf(text, sizeof text, "%s has %lld bytes, the log says %lld", path,
                 (long long)object.size, (long long)size);
    lx_err_clear(err);
    c->bad_objects++;
    json_array_append_new(c->findings,
                          json_pack("{s:s,s:s,s:s}", "flaw", "object", "path", path, "text", text));
    if (!c->cmd->json)
        printf("%sobject%s  %s\n", lx_color(c->cmd->color, LX_COLOR_RED),
               lx_color(c->cmd->color, LX_COLOR_NONE), text);
    return LX_OK;
}

/* Files that are listed, and hashes that segments name. */
static enum lx_status check_objects(struct checking *c, struct lx_err *err)
{
    LX_TRY(lx_cmd_open_ledger(c->cmd, err));
    const struct lx_ledger_state *state = lx_ledger_state(c->cmd->ledger);
    for (size_t i = 0; i < state->file_count; i++) {
        if (lx_cancel_asked(c->cmd->cancel))
            return lx_err_set(err, LX_E_CANCELLED, "interrupted");
        LX_TRY(check_object(c, state->files[i].path, state->files[i].size, true, err));
    }
    for (size_t i = 0; i < state->live_count; i++) {
        for (size_t w = 0; w < state->live[i].where_count; w++) {
            const struct lx_where *where = &state->live[i].where[w];
            if (where->hashes)
                LX_TRY(
                    check_object(c, where->path, (where->first_row + where->rows) * 8, false, err));
        }
    }
    return LX_OK;
}

static void print_state(const struct checking *c, const struct lx_ledger_examined *x)
{
    const struct lx_cmd *cmd = c->cmd;
    int64_t flaws = x->missing + x->broken + x->unsupported;
    if (x->newest < 0) {
        printf("there is no log at this root; where one was lost: lynex ledger rebuild\n");
        return;
    }
    printf("%s%lld versions, the newest is %lld; %lld missing, %lld broken, %lld not understood, "
           "%lld by other programs%s\n",
           lx_color(cmd->color, LX_COLOR_BOLD), (long long)x->versions, (long long)x->newest,
           (long long)x->missing, (long long)x->broken, (long long)x->unsupported,
           (long long)x->foreign, lx_color(cmd->color, LX_COLOR_NONE));
    if (cmd->ledger != NULL) {
        const struct lx_ledger_state *state = lx_ledger_state(cmd->ledger);
        printf("%zu file%s listed, %lld of them or of their hashes not as they should be; %zu "
               "segment%s still hot\n",
               state->file_count, lx_text_s((int64_t)state->file_count), (long long)c->bad_objects,
               state->live_count, lx_text_s((int64_t)state->live_count));
    }
    if (flaws == 0 && c->bad_objects == 0)
        printf("the log is whole; lynex verify re-proves the rows\n");
    else if (flaws > 0 && cmd->ledger != NULL)
        printf("the state of the archive is whole all the same: it comes from the checkpoint of "
               "version %lld. The history\nbefore it (lynex audit) is not: put the versions back "
               "where there are copies of them\n",
               (long long)x->checkpoint);
    else if (flaws > 0)
        printf(
            "nothing may be deleted on such a log, and lynex deletes nothing on it. Put the "
            "versions back as they were\nwritten (older versions of the objects in a versioned "
            "bucket, a backup, another copy). Where they are lost for\ngood, move _delta_log/ to "
            "another place and run lynex ledger rebuild\n");
}

static int check(struct lx_cmd *cmd)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_ledger_examined x;
    struct checking c = {.cmd = cmd};
    if (!lx_cmd_args_done(cmd, 1))
        return LX_EXIT_USAGE;
    if (lx_cmd_open_store(cmd, &err) != LX_OK)
        return lx_cmd_fail(cmd, &err);
    const struct lx_ledger_options options = {
        .store = cmd->store, .clock = cmd->clock, .random = cmd->random, .cancel = cmd->cancel};
    c.findings = json_array();
    enum lx_status status = lx_ledger_examine(&options, tell_finding, &c, &x, &err);
    int64_t flaws = x.missing + x.broken + x.unsupported;
    /* A flaw before the newest checkpoint costs history, not the state. */
    if (status == LX_OK && flaws > 0 && x.checkpoint >= 0 && lx_cmd_open_ledger(cmd, &err) != LX_OK)
        lx_err_clear(&err);
    if (status == LX_OK && x.newest >= 0 && (flaws == 0 || cmd->ledger != NULL))
        status = check_objects(&c, &err);
    int code = flaws > 0 || x.newest < 0 ? LX_EXIT_FAILED
               : c.bad_objects > 0       ? LX_EXIT_PROOF
                                         : LX_EXIT_DONE;
    if (status != LX_OK)
        code = lx_cmd_fail(cmd, &err);
    else if (cmd->json)
        lx_cmd_print_json(
            cmd, json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:O}", "newest", (json_int_t)x.newest,
                           "versions", (json_int_t)x.versions, "missing", (json_int_t)x.missing,
                           "broken", (json_int_t)x.broken, "unsupported", (json_int_t)x.unsupported,
                           "foreign", (json_int_t)x.foreign, "bad_objects",
                           (json_int_t)c.bad_objects, "findings", c.findings));
    else
        print_state(&c, &x);
    json_decref(c.findings);
    return code;
}

/* -- rebuild ------------------------------------------------------------------------------- */

static void tell_file(void *context, const struct lx_rebuild_file *file)
{
    const struct lx_cmd *cmd = context;
    char rows[LX_SHORT_TEXT];
    if (cmd->json)
        return;
    lx_text_count(file->account.rows, rows);
    if (file->verdict == LX_REBUILD_PROVEN)
        printf("%sproven%s    %s  %s rows\n", lx_color(cmd->color, LX_COLOR_GREEN),
               lx_color(cmd->color, LX_COLOR_NONE), file->path, rows);
    else if (file->verdict == LX_REBUILD_BAD)
        printf("%sbad%s       %s: %s\n", lx_color(cmd->color, LX_COLOR_RED),
               lx_color(cmd->color, LX_COLOR_NONE), file->path, file->note);
    else
        printf("%-9s %s\n", lx_rebuild_verdict_text(file->verdict), file->path);
    fflush(stdout);
}

static void print_rebuild(const struct lx_cmd *cmd, const struct lx_rebuild_report *r)
{
    char rows[LX_SHORT_TEXT], all[LX_SHORT_TEXT], bytes[LX_SHORT_TEXT];
    for (size_t i = 0; i < r->count; i++) {
        const struct lx_rebuild_file *file = &r->files[i];
        if (file->verdict != LX_REBUILD_SHARED)
            continue;
        lx_text_count(file->shared_rows, rows);
        lx_text_count(file->account.rows, all);
        printf("%sshared%s    %s: %s of its %s rows stand in other files too, for example in %s\n",
               lx_color(cmd->color, LX_COLOR_YELLOW), lx_color(cmd->color, LX_COLOR_NONE),
               file->path, rows, all, r->files[file->partner].path);
    }
    lx_text_count(r->rows, rows);
    lx_text_bytes(r->bytes, bytes);
    printf(
        "%s%lld file%s, %s row%s, %s proven; %lld bad, %lld with shared rows, %lld left out, %lld "
        "empty%s\n",
        lx_color(cmd->color, LX_COLOR_BOLD), (long long)r->listed, lx_text_s(r->listed), rows,
        lx_text_s(r->rows), bytes, (long long)r->bad, (long long)r->shared, (long long)r->left,
        (long long)r->empty, lx_color(cmd->color, LX_COLOR_NONE));
}

static json_t *rebuild_json(const struct lx_rebuild_report *r, const struct lx_err *err)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->count; i++) {
        const struct lx_rebuild_file *file = &r->files[i];
        json_array_append_new(
            list, json_pack("{s:s,s:s,s:I,s:I,s:s,s:I,s:s,s:s}", "path", file->path, "verdict",
                            lx_rebuild_verdict_text(file->verdict), "bytes",
                            (json_int_t)file->object.size, "rows", (json_int_t)file->account.rows,
                            "batch", file->account.batch, "shared_rows",
                            (json_int_t)file->shared_rows, "shared_with",
                            file->verdict == LX_REBUILD_SHARED ? r->files[file->partner].path : "",
                            "error", file->note != NULL ? file->note : ""));
    }
    return json_pack("{s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o,s:o}", "written", r->written, "files",
                     (json_int_t)r->listed, "rows", (json_int_t)r->rows, "bytes",
                     (json_int_t)r->bytes, "bad", (json_int_t)r->bad, "shared",
                     (json_int_t)r->shared, "left", (json_int_t)r->left, "empty",
                     (json_int_t)r->empty, "results", list, "error", lx_cmd_error_json(err));
}

static bool take_leave(struct lx_cmd *cmd, const char **leave, size_t *count)
{
    for (*count = 0;;) {
        const char *path = lx_cmd_option(cmd, "--leave");
        if (path == NULL)
            return true;
        if (*count == MAX_LEAVE) {
            (void)lx_cmd_usage(cmd, "move the files elsewhere instead",
                               "--leave more than %d times", MAX_LEAVE);
            return false;
        }
        leave[(*count)++] = path;
    }
}

static int rebuild_with(struct lx_cmd *cmd, struct lx_rebuild_options *options)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_telling telling;
    struct lx_rebuild_report report = {0};
    /* A log that is there may be too broken to be opened. */
    if (lx_cmd_open_store(cmd, &err) != LX_OK || lx_rebuild_may(cmd->store, &err) != LX_OK ||
        lx_cmd_open_ledger(cmd, &err) != LX_OK || lx_cmd_open_pool(cmd, &err) != LX_OK)
        return lx_cmd_fail(cmd, &err);
    lx_telling_init(&telling, cmd, NULL);
    if (lx_cmd_split_table(cmd, &err) != LX_OK)
        return lx_cmd_fail(cmd, &err);
    options->database = cmd->database[0] != 0 ? cmd->database : "default";
    options->table = cmd->table;
    options->ledger = cmd->ledger;
    options->store = cmd->store;
    options->pool = cmd->pool;
    options->who = telling.who;
    enum lx_status status = lx_rebuild(options, &report, &err);
    int code = LX_EXIT_DONE;
    if (cmd->json)
        code = lx_cmd_print_json(cmd, rebuild_json(&report, &err));
    else if (status == LX_OK || report.bad + report.shared > 0)
        print_rebuild(cmd, &report);
    if (status != LX_OK)
        code = lx_cmd_fail(cmd, &err);
    else if (!cmd->json && report.written)
        printf("version 0 of the log lists them. The next lynex archive compares all of the table "
               "with all of them by content;\nuntil then lynex ls and lynex status count all their "
               "rows as still in ClickHouse\n");
    else if (!cmd->json)
        printf("nothing was written: lynex ledger rebuild --write does it\n");
    if (report.bad > 0)
        code = LX_EXIT_PROOF;
    lx_rebuild_report_free(&report);
    return code;
}

static int rebuild(struct lx_cmd *cmd)
{
    const char *leave[MAX_LEAVE];
    struct lx_rebuild_options options = {
        .prefix = cmd->config->target.prefix,
        .time_column = cmd->config->time_column,
        .leave = leave,
        .keep_all = lx_cmd_flag(cmd, "--keep-all"),
        .write = lx_cmd_flag(cmd, "--write"),
        .memory_bytes = cmd->config->memory,
        .temp_dir = cmd->config->temp_dir[0] != 0 ? cmd->config->temp_dir : NULL,
        .clock = cmd->clock,
        .random = cmd->random,
        .cancel = cmd->cancel,
        .tell = tell_file,
        .context = cmd,
    };
    if (!take_leave(cmd, leave, &options.leave_count) || !lx_cmd_args_done(cmd, 1))
        return LX_EXIT_USAGE;
    return rebuild_with(cmd, &options);
}

int lx_cmd_ledger(struct lx_cmd *cmd)
{
    const char *what = lx_cmd_operand(cmd, 0);
    if (what != NULL && strcmp(what, "check") == 0)
        return check(cmd);
    for (size_t i = 0; i < cmd->arg_count; i++)
        if (strcmp(cmd->args[i], "rebuild") == 0)
            return rebuild(cmd);
    return lx_cmd_usage(cmd, "lynex help ledger", "ledger %s: say check or rebuild",
                        what != NULL ? what : "");
}
