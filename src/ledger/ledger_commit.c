/* The loop of tries: make the change for the newest state, put it as the next version on the
 * condition that there is none, learn what became of it.
 *
 * What must not change: a version counts as written only if the object under its key carries our
 * id, and as lost only if it carries another. Everything else is "unknown", and the same bytes are
 * put under the same key again: since each key is written once, that cannot do harm, whenever an
 * earlier request still lands. */
#include "base/mutant.h"
#include "ledger/ledger_private.h"

#include <assert.h>
#include <inttypes.h>

/* One attempt at one version. */
struct attempt {
    struct lx_ledger *ledger;
    int64_t number;
    char key[LX_LEDGER_KEY];
    char txn_id[LX_LEDGER_ID];
    struct lx_buf body;
    bool pending; /* a request was sent whose answer is not known: it may land at any time */
};

enum outcome { WRITTEN, LOST };

/* -- what became of it --------------------------------------------------------------------- */

struct find_txn {
    const char *txn_id;
    bool found;
};

static enum lx_status find_txn(void *context, size_t line, const json_t *action, struct lx_err *err)
{
    (void)line;
    (void)err;
    struct find_txn *find = context;
    const char *id =
        json_string_value(json_object_get(json_object_get(action, "commitInfo"), "txnId"));
    if (id != NULL && strcmp(id, find->txn_id) == 0)
        find->found = true;
    return LX_OK;
}

/* Reads the version back. LX_E_NOTFOUND: nobody's so far. */
static enum lx_status look(struct attempt *attempt, enum outcome *outcome, struct lx_err *err)
{
    struct lx_ledger *ledger = attempt->ledger;
    struct find_txn find = {attempt->txn_id, false};
    lx_ledger_drop_body(ledger);
    LX_TRY(lx_ledger_read(ledger, attempt->number, err));
    struct lx_str bytes = lx_buf_view(&ledger->body);
    /* The same bytes are ours without a question; what is not JSON is not ours. */
    bool same = lx_str_equal(bytes, lx_buf_view(&attempt->body));
    enum lx_status status = same ? LX_OK : lx_version_lines(bytes, "", find_txn, &find, err);
    if (status == LX_E_MEMORY)
        return status;
    *outcome = same || find.found ? WRITTEN : LOST;
    return LX_OK;
}

/* Failures after which nothing can have been written. All others may have come too late. */
static bool surely_not_written(enum lx_status status)
{
    return status == LX_E_ACCESS || status == LX_E_AUTH || status == LX_E_NOTFOUND ||
           status == LX_E_NOSPACE || status == LX_E_ARGUMENT || status == LX_E_UNSUPPORTED ||
           status == LX_E_REFUSED;
}

static enum lx_status put(struct attempt *attempt, struct lx_err *err)
{
    struct lx_ledger *ledger = attempt->ledger;
    struct lx_store *store = ledger->options.store;
    struct lx_put how = {.if_absent = !lx_mutant("no-condition"),
                         .content_type = "application/json"};
    if (ledger->options.single_writer) {
        struct lx_object object;
        enum lx_status status = lx_store_head(store, attempt->key, &object, err);
        if (status == LX_OK)
            return lx_err_set(err, LX_E_EXISTS, "the version is there already");
        if (status != LX_E_NOTFOUND)
            return status;
        how.if_absent = false;
    }
    return lx_store_put(store, attempt->key, attempt->body.data, attempt->body.len, &how, NULL,
                        err);
}

static enum lx_status unknown(struct attempt *attempt, struct lx_err *err)
{
    char where[LX_LEDGER_WHERE];
    lx_ledger_where(attempt->ledger, attempt->number, where);
    lx_err_set(err, LX_E_UNKNOWN, "it is not known whether %s was written: %s", where,
               err->text[0] != 0 ? err->text : "no answer");
    lx_err_hint(err, "Nothing is deleted on an unknown outcome, and uploaded files stay. Run again "
                     "when the store answers: the log then says what holds.");
    return LX_E_UNKNOWN;
}

/* Puts the attempt's bytes until it is known who wrote the version. */
static enum lx_status try_version(struct attempt *attempt, enum outcome *outcome,
                                  struct lx_err *err)
{
    struct lx_ledger *ledger = attempt->ledger;
    for (size_t i = 0; i < LX_LEDGER_MAX_RESOLVES; i++) {
        struct lx_err later = LX_ERR_INIT;
        if (i > 0 && lx_ledger_sleep(ledger, i, &later) != LX_OK)
            return unknown(attempt, err); /* interrupted: err tells of the last failure */
        enum lx_status status = put(attempt, err);
        if (status == LX_OK || (status == LX_E_UNKNOWN && lx_mutant("unknown-is-done"))) {
            *outcome = WRITTEN;
            return LX_OK;
        }
        if (surely_not_written(status) && !attempt->pending)
            return status;
        /* "It exists" may mean our own first request, repeated within the store. */
        attempt->pending = true;
        enum lx_status seen = look(attempt, outcome, &later);
        if (seen == LX_OK)
            return LX_OK;
    }
    return unknown(attempt, err);
}

/* Did the version become part of the log's present? A writer that slept while others committed,
 * made a checkpoint and cleaned the log up finds its key free, far behind: what it writes there is
 * read by nobody. So the version before ours must still be there, and no gap may lie between ours
 * and the newest checkpoint. */
static enum lx_status check_present(struct lx_ledger *ledger, int64_t number, struct lx_err *err)
{
    struct lx_listing listing;
    enum lx_status status = LX_E_UNKNOWN;
    for (size_t i = 0; i < LX_LEDGER_MAX_RESOLVES && status != LX_OK; i++) {
        if (i > 0 && lx_ledger_sleep(ledger, i, err) != LX_OK)
            break;
        status = lx_ledger_list(ledger, number >= 2 ? number - 2 : -1, &listing, err);
    }
    if (status != LX_OK) {
        lx_err_set(err, LX_E_UNKNOWN,
                   "version %" PRId64 " was written, but whether the log still ends there is not "
                   "known: %s",
                   number, err->text);
        return LX_E_UNKNOWN;
    }
    /* A listing that lags behind a PUT shows less, never a gap before ours. */
    int64_t gap = listing.missing;
    bool bridged = listing.checkpoint >= gap && listing.checkpoint <= number;
    bool void_commit = (gap >= 0 && (gap < number || listing.checkpoint > number) && !bridged) ||
                       (number > 0 && listing.newest < number - 1);
    if (!void_commit)
        return LX_OK;
    lx_err_set(err, LX_E_UNKNOWN,
               "version %" PRId64 " was written into the past: the log was cut off there, its last "
               "checkpoint is of version %" PRId64,
               number, listing.checkpoint);
    lx_err_hint(err, "Another program cleaned the log up meanwhile. Nothing was deleted; plan "
                     "again.");
    return LX_E_UNKNOWN;
}

/* -- one try ------------------------------------------------------------------------------- */

/* Makes the bytes, and the version that will be applied, before anything is written: what comes
 * after the PUT cannot fail. */
static enum lx_status prepare(struct attempt *attempt, const struct lx_change *change,
                              const struct lx_change_index *index, struct lx_version **version,
                              struct lx_err *err)
{
    struct lx_ledger *ledger = attempt->ledger;
    attempt->number = ledger->tables.version + 1;
    attempt->pending = false;
    lx_ledger_commit_key(attempt->number, attempt->key);
    lx_buf_clear(&attempt->body);
    LX_TRY(lx_change_render(ledger, change, index, attempt->txn_id, &attempt->body, err));
    enum lx_status status =
        lx_ledger_take_in(ledger, attempt->number, lx_buf_view(&attempt->body), true, version, err);
    if (status == LX_E_FORMAT || status == LX_E_CORRUPT || status == LX_E_UNSUPPORTED) {
        lx_err_context(err, "lynex would not read what it was about to write");
        status = err->status = LX_E_BUG;
    }
    return status;
}

static enum lx_status write_change(struct attempt *attempt, const struct lx_change *change,
                                   const struct lx_change_index *index, enum outcome *outcome,
                                   struct lx_err *err)
{
    struct lx_ledger *ledger = attempt->ledger;
    struct lx_version *version = NULL;
    LX_TRY(prepare(attempt, change, index, &version, err));
    enum lx_status status = try_version(attempt, outcome, err);
    if (status == LX_OK && *outcome == WRITTEN)
        status = check_present(ledger, attempt->number, err);
    if (status == LX_OK && *outcome == WRITTEN) {
        lx_ledger_apply(ledger, version);
        lx_ledger_view_update(ledger);
        lx_ledger_drop_body(ledger);
        lx_ledger_checkpoint_if_due(ledger);
        version = NULL;
    }
    lx_version_free(version);
    return status;
}

static enum lx_status begin(struct lx_ledger *ledger, struct attempt *attempt, struct lx_err *err)
{
    *attempt = (struct attempt){.ledger = ledger, .body = {.max = LX_LEDGER_MAX_COMMIT_BYTES}};
    if (lx_cancel_asked(ledger->options.cancel))
        return lx_err_set(err, LX_E_CANCELLED, "interrupted before a commit");
    return LX_OK;
}

/* After a lost race: wait a little, then read what came in between. */
static enum lx_status catch_up(struct attempt *attempt, size_t races, struct lx_err *err)
{
    struct lx_ledger *ledger = attempt->ledger;
    bool cut;
    if (races >= LX_LEDGER_MAX_RACES) {
        lx_err_set(err, LX_E_BUSY, "other writers committed to the log first, %zu times in a row",
                   races);
        lx_err_hint(err, "Nothing was written. Run fewer archivers at once, or run again.");
        return LX_E_BUSY;
    }
    LX_TRY(lx_ledger_sleep(ledger, races < 4 ? races : 4, err));
    enum lx_status status = lx_ledger_advance(ledger, attempt->number, &cut, err);
    if (cut && (status == LX_E_FORMAT || status == LX_E_UNSUPPORTED)) {
        lx_err_context(err, "what came in between cannot be read");
        status = err->status = LX_E_CONFLICT;
    }
    return status;
}

/* -- a change that is made once ------------------------------------------------------------ */

static enum lx_status commit_tries(struct lx_ledger *ledger, const struct lx_change *change,
                                   const struct lx_change_index *index, int64_t base,
                                   struct lx_err *err)
{
    struct attempt attempt;
    enum outcome outcome = LOST;
    LX_TRY(begin(ledger, &attempt, err));
    lx_ledger_new_id(&ledger->options.random, attempt.txn_id);
    enum lx_status status = LX_OK;
    for (size_t races = 0; status == LX_OK; races++) {
        if (races > 0)
            status = catch_up(&attempt, races, err);
        if (status == LX_OK)
            status = lx_change_check_between(ledger, change, index, base, err);
        if (status == LX_OK)
            status = lx_change_check_state(&ledger->tables, change, index,
                                           ledger->tables.version != base, err);
        if (status == LX_OK)
            status = write_change(&attempt, change, index, &outcome, err);
        if (status == LX_OK && outcome == WRITTEN)
            break;
    }
    lx_buf_free(&attempt.body);
    return status;
}

enum lx_status lx_ledger_commit(struct lx_ledger *ledger, const struct lx_change *change,
                                int64_t *version, struct lx_err *err)
{
    struct lx_err local = LX_ERR_INIT;
    struct lx_change_index index;
    int64_t base = change->has_base ? change->base_version : ledger->planned_version;
    if (err == NULL)
        err = &local;
    if (base < -1 || base > ledger->state.version)
        return lx_err_set(err, LX_E_BUG,
                          "%s: planned on version %" PRId64 " of a log that is known "
                          "up to %" PRId64,
                          change->operation != NULL ? change->operation : "change", base,
                          ledger->state.version);
    LX_TRY(lx_change_check(change, &index, err));
    enum lx_status status = commit_tries(ledger, change, &index, base, err);
    lx_change_index_free(&index);
    if (status == LX_E_CONFLICT)
        ledger->planned_version = ledger->state.version; /* the caller plans on this one now */
    if (status == LX_OK)
        lx_err_clear(err); /* of a lost race */
    if (status == LX_OK && version != NULL)
        *version = ledger->state.version;
    return status;
}

/* -- a change that is made anew for each try ----------------------------------------------- */

static enum lx_status build_and_write(struct attempt *attempt, lx_ledger_build build, void *context,
                                      enum outcome *outcome, struct lx_err *err)
{
    struct lx_ledger *ledger = attempt->ledger;
    struct lx_change change = {0};
    struct lx_change_index index;
    LX_TRY(build(context, &ledger->state, &change, err));
    if (change.operation == NULL) {
        *outcome = WRITTEN; /* nothing is to be done: that is done */
        return LX_OK;
    }
    LX_TRY(lx_change_check(&change, &index, err));
    enum lx_status status = lx_change_check_state(&ledger->tables, &change, &index, false, err);
    if (status == LX_OK)
        status = write_change(attempt, &change, &index, outcome, err);
    lx_change_index_free(&index);
    return status;
}

enum lx_status lx_ledger_commit_with(struct lx_ledger *ledger, lx_ledger_build build, void *context,
                                     int64_t *version, struct lx_err *err)
{
    struct lx_err local = LX_ERR_INIT;
    struct attempt attempt;
    enum outcome outcome = LOST;
    if (err == NULL)
        err = &local;
    LX_TRY(begin(ledger, &attempt, err));
    lx_ledger_new_id(&ledger->options.random, attempt.txn_id);
    enum lx_status status = LX_OK;
    for (size_t races = 0; status == LX_OK; races++) {
        if (races > 0)
            status = catch_up(&attempt, races, err);
        if (status == LX_OK)
            status = build_and_write(&attempt, build, context, &outcome, err);
        if (status == LX_OK && outcome == WRITTEN)
            break;
    }
    lx_buf_free(&attempt.body);
    if (status == LX_OK)
        lx_err_clear(err); /* of a lost race */
    if (status == LX_OK && version != NULL)
        *version = ledger->state.version;
    return status;
}
