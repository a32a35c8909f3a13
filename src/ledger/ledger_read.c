/* Versions from the store: listing, reading, going on to the newest. */
#include "base/alloc.h"
#include "ledger/ledger_private.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

/* -- listing ------------------------------------------------------------------------------- */

static enum lx_status visit_log(void *context, const char *key, const struct lx_object *object,
                                struct lx_err *err)
{
    (void)object;
    (void)err;
    struct lx_listing *listing = context;
    int64_t version;
    switch (lx_ledger_log_file_of(key, &version)) {
    case LX_LOG_CHECKPOINT:
        if (listing->whole_count == LX_LEDGER_MAX_CHECKPOINTS) {
            listing->whole_count--;
            memmove(&listing->whole[0], &listing->whole[1],
                    listing->whole_count * sizeof listing->whole[0]);
        }
        listing->whole[listing->whole_count++] = version; /* keys come in order */
        __attribute__((fallthrough));
    case LX_LOG_CHECKPOINT_OTHER:
        if (version > listing->checkpoint)
            listing->checkpoint = version;
        break;
    case LX_LOG_COMMIT:
        if (version > listing->newest + 1 && listing->missing < 0)
            listing->missing = listing->newest + 1;
        if (version > listing->newest)
            listing->newest = version;
        break;
    case LX_LOG_OTHER: break;
    }
    return LX_OK;
}

enum lx_status lx_ledger_list(struct lx_ledger *ledger, int64_t after, struct lx_listing *listing,
                              struct lx_err *err)
{
    char key[LX_LEDGER_KEY];
    struct lx_listing made = {.after = after, .newest = after, .missing = -1, .checkpoint = -1};
    if (after >= 0)
        lx_ledger_commit_key(after, key);
    enum lx_status status = lx_store_list(ledger->options.store, LX_LEDGER_LOG,
                                          after >= 0 ? key : NULL, visit_log, &made, err);
    if (status != LX_OK) {
        lx_err_context(err, "listing the log");
        return status;
    }
    *listing = made;
    return LX_OK;
}

/* -- reading ------------------------------------------------------------------------------- */

void lx_ledger_where(const struct lx_ledger *ledger, int64_t version, char text[LX_LEDGER_WHERE])
{
    char key[LX_LEDGER_KEY];
    lx_ledger_commit_key(version, key);
    struct lx_buf location = LX_BUF(LX_LEDGER_WHERE);
    if (lx_store_location(ledger->options.store, key, &location) != LX_OK)
        lx_buf_clear(&location); /* only for the eye: the key alone must do */
    snprintf(text, LX_LEDGER_WHERE, "version %" PRId64 " (%s)", version,
             location.len != 0 ? lx_buf_cstr(&location) : key);
    lx_buf_free(&location);
}

enum lx_status lx_ledger_read(struct lx_ledger *ledger, int64_t version, struct lx_err *err)
{
    char key[LX_LEDGER_KEY], where[LX_LEDGER_WHERE];
    if (ledger->body_version == version)
        return LX_OK; /* commit files never change */
    lx_ledger_commit_key(version, key);
    ledger->body_version = -1;
    lx_buf_clear(&ledger->body);
    enum lx_status status = lx_store_get(ledger->options.store, key, &ledger->body, NULL, err);
    if (status == LX_OK) {
        ledger->body_version = version;
        return LX_OK;
    }
    lx_buf_clear(&ledger->body);
    lx_ledger_where(ledger, version, where);
    lx_err_context(err, "reading %s", where);
    return status;
}

void lx_ledger_drop_body(struct lx_ledger *ledger)
{
    ledger->body_version = -1;
    if (ledger->body.cap > LX_LEDGER_KEEP_BYTES)
        lx_buf_free(&ledger->body);
    else
        lx_buf_clear(&ledger->body);
}

/* -- taking in ----------------------------------------------------------------------------- */

enum lx_status lx_ledger_take_in(struct lx_ledger *ledger, int64_t number, struct lx_str bytes,
                                 bool own, struct lx_version **version, struct lx_err *err)
{
    char where[LX_LEDGER_WHERE];
    struct lx_version *made;
    lx_ledger_where(ledger, number, where);
    LX_TRY(lx_version_parse(number, bytes, where, &made, err));
    enum lx_status status = lx_tables_prepare(&ledger->tables, made, ledger->opened, err);
    if (status != LX_OK)
        lx_err_context(err, "%s", where);
    if (status == LX_OK && (lx_ledger_view_reserve(ledger, made) != LX_OK ||
                            lx_ptrs_reserve(&ledger->history, 1) != LX_OK))
        status = lx_err_memory(err);
    if (status != LX_OK) {
        lx_version_free(made);
        return status;
    }
    if (made->history != NULL)
        made->history->own = own;
    *version = made;
    return LX_OK;
}

enum lx_status lx_ledger_start_from(struct lx_ledger *ledger, struct lx_version *version,
                                    struct lx_err *err)
{
    ledger->tables.version = version->number - 1;
    enum lx_status status = lx_tables_prepare(&ledger->tables, version, false, err);
    if (status == LX_OK && lx_ledger_view_reserve(ledger, version) != LX_OK)
        status = lx_err_memory(err);
    if (status == LX_OK)
        lx_tables_apply(&ledger->tables, version);
    else
        ledger->tables.version = -1;
    return status;
}

static void remember(struct lx_ledger *ledger, struct lx_history *history)
{
    struct lx_ptrs *all = &ledger->history;
    if (all->count >= LX_LEDGER_MAX_HISTORY) {
        struct lx_history *oldest = all->items[0];
        ledger->history_from = oldest->version;
        lx_history_free(oldest);
        all->count--;
        memmove(&all->items[0], &all->items[1], all->count * sizeof *all->items);
    }
    assert(all->count < all->capacity);
    all->items[all->count++] = history;
}

void lx_ledger_apply(struct lx_ledger *ledger, struct lx_version *version)
{
    lx_tables_apply(&ledger->tables, version);
    if (version->history != NULL)
        remember(ledger, version->history);
    version->history = NULL;
    lx_version_free(version);
}

#define LIST_TRIES 2 /* before a gap is believed */

static enum lx_status cut_off(const struct lx_ledger *ledger, int64_t missing, struct lx_err *err)
{
    char where[LX_LEDGER_WHERE];
    lx_ledger_where(ledger, missing, where);
    lx_err_set(err, LX_E_FORMAT, "%s of the log is missing, though later ones are there", where);
    lx_err_hint(err,
                "Nothing may be deleted on such a log, and nothing was. Put the object back "
                "(an older version of it in a versioned bucket, a backup, another copy); lynex "
                "ledger check lists all that is missing. Where it is lost for good, move "
                "_delta_log/ to another place and run lynex ledger rebuild.");
    return LX_E_FORMAT;
}

static void hint_broken(struct lx_err *err)
{
    lx_err_hint(err,
                "Nothing may be deleted on such a log, and nothing was. Put this version back as "
                "it was written (an older version of the object in a versioned bucket, a "
                "backup, another copy); lynex ledger check looks at all the others. Where it is "
                "lost for good, move _delta_log/ to another place and run lynex ledger "
                "rebuild.");
}

static enum lx_status advance(struct lx_ledger *ledger, int64_t at_least, bool *cut,
                              struct lx_err *err)
{
    struct lx_listing listing;
    LX_TRY(lx_ledger_list(ledger, ledger->tables.version, &listing, err));
    /* A directory that is read while two versions come may show the later one alone. */
    for (int tries = 0;
         tries < LIST_TRIES && (listing.missing >= 0 || listing.checkpoint > listing.newest);
         tries++)
        LX_TRY(lx_ledger_list(ledger, ledger->tables.version, &listing, err));
    /* A checkpoint without the commits up to it: they were cleaned away. */
    if (listing.missing < 0 && listing.checkpoint > listing.newest)
        listing.missing = listing.newest + 1;
    if (listing.missing >= 0) {
        *cut = true;
        if (listing.checkpoint >= listing.missing)
            return lx_ledger_cleaned(ledger, &listing, err);
        return cut_off(ledger, listing.missing, err);
    }
    int64_t target = listing.newest > at_least ? listing.newest : at_least;
    while (ledger->tables.version < target) {
        int64_t number = ledger->tables.version + 1;
        if (lx_cancel_asked(ledger->options.cancel))
            return lx_err_set(err, LX_E_CANCELLED, "interrupted while reading the log");
        enum lx_status status = lx_ledger_read(ledger, number, err);
        if (status == LX_E_NOTFOUND) { /* listed a moment ago, or read */
            *cut = true;
            return cut_off(ledger, number, err);
        }
        if (status != LX_OK)
            return status;
        struct lx_version *version;
        status =
            lx_ledger_take_in(ledger, number, lx_buf_view(&ledger->body), false, &version, err);
        if (lx_status_class(status) == LX_CLASS_corrupt)
            hint_broken(err);
        LX_TRY(status);
        lx_ledger_apply(ledger, version);
    }
    return LX_OK;
}

enum lx_status lx_ledger_advance(struct lx_ledger *ledger, int64_t at_least, bool *cut,
                                 struct lx_err *err)
{
    *cut = false;
    enum lx_status status = advance(ledger, at_least, cut, err);
    lx_ledger_view_update(ledger);
    lx_ledger_drop_body(ledger);
    return status;
}

/* -- waiting ------------------------------------------------------------------------------- */

enum lx_status lx_ledger_sleep(struct lx_ledger *ledger, size_t attempt, struct lx_err *err)
{
    const struct lx_ledger_options *options = &ledger->options;
    int64_t bound = LX_LEDGER_FIRST_SLEEP_MS;
    for (size_t i = 1; i < attempt && bound < LX_LEDGER_LAST_SLEEP_MS; i++)
        bound *= 2;
    if (bound > LX_LEDGER_LAST_SLEEP_MS)
        bound = LX_LEDGER_LAST_SLEEP_MS;
    int64_t left = (int64_t)(lx_random_u64(&options->random) % (uint64_t)(bound + 1));
    while (left > 0 && !lx_cancel_asked(options->cancel)) {
        int64_t piece = left < LX_CANCEL_POLL_MS ? left : LX_CANCEL_POLL_MS;
        lx_clock_sleep(&options->clock, piece);
        left -= piece;
    }
    if (lx_cancel_asked(options->cancel))
        return lx_err_set(err, LX_E_CANCELLED, "interrupted while waiting for the log");
    return LX_OK;
}
