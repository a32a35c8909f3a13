/* Every version of a log, looked at by itself and, as far as the chain is whole, against the state
 * before it. */
#include "ledger/ledger_private.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <stdio.h>

struct examining {
    struct lx_ledger *ledger;
    lx_ledger_found found;
    void *context;
    struct lx_ledger_examined *examined;
    bool whole; /* every version so far was taken in */
    struct lx_err *err;
};

static enum lx_status tell(struct examining *e, enum lx_ledger_flaw flaw, int64_t version,
                           int64_t last, const struct lx_err *why)
{
    const struct lx_ledger_finding finding = {flaw, version, last, why->text, why->hint};
    struct lx_ledger_examined *x = e->examined;
    int64_t *counts[] = {&x->missing, &x->broken, &x->unsupported, &x->foreign};
    *counts[flaw] += last - version + 1;
    return e->found(e->context, &finding, e->err);
}

/* -- one version --------------------------------------------------------------------------- */

static enum lx_status take_engine(void *context, size_t line, const json_t *action,
                                  struct lx_err *err)
{
    char *engine = context; /* LX_ERR_TEXT bytes */
    const char *text =
        json_string_value(json_object_get(json_object_get(action, "commitInfo"), "engineInfo"));
    (void)line;
    (void)err;
    if (text != NULL)
        snprintf(engine, LX_ERR_TEXT, "%.200s", text);
    return LX_OK;
}

static enum lx_status tell_foreign(struct examining *e, int64_t number, struct lx_str bytes)
{
    struct lx_err why = LX_ERR_INIT;
    char engine[LX_ERR_TEXT] = "";
    enum lx_status status = lx_version_lines(bytes, "", take_engine, engine, &why);
    if (status == LX_E_MEMORY)
        return lx_err_memory(e->err);
    if (status != LX_OK || strncmp(engine, "lynex/", 6) == 0)
        return LX_OK;
    lx_err_set(&why, LX_OK, "written by %s",
               engine[0] != 0 ? engine : "a program that is not named");
    return tell(e, LX_FLAW_FOREIGN, number, number, &why);
}

/* Ours to give up for: not the version's fault. */
static bool is_ours(enum lx_status status)
{
    return lx_status_class(status) != LX_CLASS_corrupt && status != LX_E_UNSUPPORTED &&
           status != LX_E_LIMIT && status != LX_E_NOTFOUND;
}

static enum lx_status take_version(struct examining *e, int64_t number, struct lx_str bytes,
                                   struct lx_err *why)
{
    struct lx_version *version = NULL;
    char where[LX_LEDGER_WHERE];
    if (e->whole) {
        LX_TRY(lx_ledger_take_in(e->ledger, number, bytes, false, &version, why));
        lx_ledger_apply(e->ledger, version);
        return LX_OK;
    }
    lx_ledger_where(e->ledger, number, where);
    LX_TRY(lx_version_parse(number, bytes, where, &version, why));
    lx_version_free(version);
    return LX_OK;
}

static enum lx_status examine_version(struct examining *e, int64_t number)
{
    struct lx_err why = LX_ERR_INIT;
    enum lx_status status = lx_ledger_read(e->ledger, number, &why);
    if (status == LX_OK) {
        struct lx_str bytes = lx_buf_view(&e->ledger->body);
        status = take_version(e, number, bytes, &why);
        if (status == LX_OK)
            return tell_foreign(e, number, bytes);
    }
    e->whole = false;
    if (is_ours(status)) {
        *e->err = why;
        return status;
    }
    return tell(e, status == LX_E_UNSUPPORTED ? LX_FLAW_UNSUPPORTED : LX_FLAW_BROKEN, number,
                number, &why);
}

/* -- all of them --------------------------------------------------------------------------- */

static enum lx_status tell_missing(struct examining *e, int64_t first, int64_t last)
{
    struct lx_err why = LX_ERR_INIT;
    e->whole = false;
    lx_err_set(&why, LX_E_FORMAT, "not there, though version %" PRId64 " is", last + 1);
    return tell(e, LX_FLAW_MISSING, first, last, &why);
}

static enum lx_status visit(void *context, const char *key, const struct lx_object *object,
                            struct lx_err *err)
{
    struct examining *e = context;
    int64_t version;
    (void)object;
    switch (lx_ledger_log_file_of(key, &version)) {
    case LX_LOG_CHECKPOINT:
    case LX_LOG_CHECKPOINT_OTHER:
        if (version > e->examined->checkpoint)
            e->examined->checkpoint = version;
        return LX_OK;
    case LX_LOG_OTHER: return LX_OK;
    case LX_LOG_COMMIT: break;
    }
    if (lx_cancel_asked(e->ledger->options.cancel))
        return lx_err_set(err, LX_E_CANCELLED, "interrupted while reading the log");
    int64_t next = e->examined->newest + 1;
    if (version > next)
        LX_TRY(tell_missing(e, next, version - 1));
    e->examined->newest = version;
    e->examined->versions++;
    return examine_version(e, version);
}

enum lx_status lx_ledger_examine(const struct lx_ledger_options *options, lx_ledger_found found,
                                 void *context, struct lx_ledger_examined *examined,
                                 struct lx_err *err)
{
    struct lx_err why = LX_ERR_INIT;
    struct lx_ledger *ledger = lx_calloc(1, sizeof *ledger);
    if (ledger == NULL)
        return lx_err_memory(err);
    ledger->options = *options;
    ledger->body.max = LX_LEDGER_MAX_COMMIT_BYTES;
    ledger->body_version = ledger->tables.version = ledger->state.version = -1;
    struct examining e = {ledger, found, context, examined, true, err};
    *examined = (struct lx_ledger_examined){.newest = -1, .checkpoint = -1};
    enum lx_status status = lx_store_list(options->store, LX_LEDGER_LOG, NULL, visit, &e, err);
    if (status == LX_OK && e.whole && examined->newest >= 0 &&
        lx_tables_writable(&ledger->tables, &why) != LX_OK)
        status = tell(&e, LX_FLAW_UNSUPPORTED, examined->newest, examined->newest, &why);
    lx_ledger_close(ledger);
    return status;
}
