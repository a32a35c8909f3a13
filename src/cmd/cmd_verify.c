/* lynex verify: every archived file read again, every row of it hashed, held against the ledger. */
#include "cmd/cmd.h"

#include "cmd/terminal.h"

#include <stdio.h>

struct verifying {
    struct lx_cmd *cmd;
    int64_t files, rows, bytes, bad;
    int64_t unread;    /* neither good nor bad: access, network */
    struct lx_err why; /* of the last of them */
    json_t *list;
};

/* Goes on after a bad file: the user wants to know them all. */
static void verify_one(struct verifying *v, const struct lx_ledger_file *file)
{
    struct lx_verified found;
    struct lx_err err = LX_ERR_INIT;
    char rows[LX_SHORT_TEXT];
    const struct lx_verify_how how = {v->cmd->store, v->cmd->ledger, v->cmd->pool,
                                      (size_t)v->cmd->config->memory};
    enum lx_status status = lx_archive_verify_file(&how, file, &found, &err);
    if (status == LX_E_CANCELLED)
        return; /* the end says how many were not looked at */
    v->files++;
    v->rows += found.rows;
    v->bytes += file->size;
    bool bad = status == LX_E_MISMATCH || status == LX_E_CORRUPT || status == LX_E_FORMAT ||
               status == LX_E_NOTFOUND;
    v->bad += bad;
    v->unread += status != LX_OK && !bad;
    if (status != LX_OK && !bad)
        v->why = err;
    json_array_append_new(v->list, json_pack("{s:s,s:b,s:I,s:s}", "path", file->path, "good",
                                             status == LX_OK, "rows", (json_int_t)found.rows,
                                             "error", err.text));
    if (v->cmd->json)
        return;
    lx_text_count(found.rows, rows);
    bool color = v->cmd->color;
    if (status == LX_OK)
        printf("%s✅ proven%s  %s  %s rows\n", lx_color(color, LX_COLOR_GREEN),
               lx_color(color, LX_COLOR_NONE), file->path, rows);
    else
        printf("%s❌ Archive verification failed%s: %s\n", lx_color(color, LX_COLOR_RED),
               lx_color(color, LX_COLOR_NONE), err.text);
    fflush(stdout);
}

/* To have verified nothing is no success: a wrong root or prefix would stay unseen for ever. */
static bool anything_to_verify(struct lx_cmd *cmd, const char *prefix)
{
    const struct lx_ledger_state *state = lx_ledger_state(cmd->ledger);
    struct lx_buf root = LX_BUF(LX_MIB);
    const char *where =
        lx_store_location(cmd->store, NULL, &root) == LX_OK ? lx_buf_cstr(&root) : "";
    bool any = false;
    for (size_t i = 0; i < state->file_count && !any; i++)
        any = prefix == NULL || lx_str_starts(lx_str_of(state->files[i].path), lx_str_of(prefix));
    struct lx_err err = LX_ERR_INIT;
    if (state->version < 0) {
        lx_err_set(&err, LX_E_NOTFOUND, "there is no log at %s", where);
        lx_err_hint(&err, "check ARCHIVE_URL or S3_ARCHIVE_ROOT; if a log was lost, lynex ledger "
                          "rebuild");
    } else if (!any && state->file_count > 0) {
        lx_err_set(&err, LX_E_NOTFOUND, "no file at %s begins with %s", where, prefix);
        lx_err_hint(&err, "lynex ls lists them");
    }
    lx_buf_free(&root);
    if (err.status != LX_OK)
        (void)lx_cmd_fail(cmd, &err);
    return err.status == LX_OK;
}

int lx_cmd_verify(struct lx_cmd *cmd)
{
    struct lx_err err = LX_ERR_INIT;
    struct verifying v = {.cmd = cmd};
    char rows[LX_SHORT_TEXT], bytes[LX_SHORT_TEXT];
    if (!lx_cmd_args_done(cmd, 1))
        return LX_EXIT_USAGE;
    const char *prefix = lx_cmd_operand(cmd, 0);
    if (lx_cmd_open_ledger(cmd, &err) != LX_OK || lx_cmd_open_pool(cmd, &err) != LX_OK)
        return lx_cmd_fail(cmd, &err);
    v.list = json_array();
    const struct lx_ledger_state *state = lx_ledger_state(cmd->ledger);
    if (!anything_to_verify(cmd, prefix))
        return LX_EXIT_FAILED;
    for (size_t i = 0; i < state->file_count && !lx_cancel_asked(cmd->cancel); i++)
        if (prefix == NULL || lx_str_starts(lx_str_of(state->files[i].path), lx_str_of(prefix)))
            verify_one(&v, &state->files[i]);
    int status = v.bad > 0 ? LX_EXIT_PROOF : v.unread > 0 ? LX_EXIT_FAILED : LX_EXIT_DONE;
    if (lx_cancel_asked(cmd->cancel))
        status = LX_EXIT_INTERRUPTED;
    if (cmd->json) {
        lx_cmd_print_json(cmd, json_pack("{s:I,s:I,s:I,s:I,s:I,s:O}", "files", (json_int_t)v.files,
                                         "rows", (json_int_t)v.rows, "bytes", (json_int_t)v.bytes,
                                         "bad", (json_int_t)v.bad, "unread", (json_int_t)v.unread,
                                         "results", v.list));
    } else {
        lx_text_count(v.rows, rows);
        lx_text_bytes(v.bytes, bytes);
        printf("%lld file%s, %s row%s, %s read back; %lld bad\n", (long long)v.files,
               lx_text_s(v.files), rows, lx_text_s(v.rows), bytes, (long long)v.bad);
        if (v.unread > 0)
            printf("%lld file%s could not be read, which says nothing about %s%s%s\n",
                   (long long)v.unread, lx_text_s(v.unread), v.unread == 1 ? "it" : "them",
                   v.why.hint[0] != 0 ? "; what to do: " : "", v.why.hint);
        if (v.bad > 0)
            printf(
                "  what to do: do not delete anything; restore the bad objects from a version or a "
                "backup of the bucket, then run lynex verify again\n");
    }
    json_decref(v.list);
    return status;
}
