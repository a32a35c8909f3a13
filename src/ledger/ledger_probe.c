/* Does the store honour put-if-absent? Everything rests on it: two writers of one version, and only
 * one of them may believe that it wrote. */
#include "ledger/ledger_private.h"

#include <stdio.h>

#define PROBE_KEY 96
#define QUOTED 80 /* bytes of what else was read */
/* Of the second PUT, while its answers are lost; of reading what is there, while it is neither. */
#define PROBE_TRIES 3

static enum lx_status put_text(struct lx_ledger *ledger, const char *key, const char *text,
                               struct lx_err *err)
{
    const struct lx_put how = {.if_absent = true, .content_type = "text/plain"};
    return lx_store_put(ledger->options.store, key, text, strlen(text), &how, NULL, err);
}

static enum lx_status refuse(const struct lx_ledger *ledger, const char *what, struct lx_err *err)
{
    struct lx_buf root = LX_BUF(LX_ERR_TEXT);
    if (lx_store_location(ledger->options.store, NULL, &root) != LX_OK)
        lx_buf_clear(&root);
    lx_err_set(err, LX_E_REFUSED,
               "the store does not honour put-if-absent (If-None-Match: *) in "
               "%s: %s",
               lx_buf_cstr(&root), what);
    lx_buf_free(&root);
    lx_err_hint(err, "Two archivers could overwrite each other's records. Suspend versioning where "
                     "the bucket is a versioned one of Ceph, use a store that honours the "
                     "condition, or, if exactly one lynex ever writes here, set "
                     "ARCHIVE_COMMIT=single-writer.");
    return LX_E_REFUSED;
}

/* What the key holds now: `first`, or else `second`, which took its place. Anything else was
 * damaged, at rest or, if it is not seen again, on its way: of the condition it says nothing. */
static enum lx_status holds_first(struct lx_ledger *ledger, const char *key, const char *first,
                                  const char *second, struct lx_err *err)
{
    struct lx_buf bytes = LX_BUF(LX_KIB);
    bool same = false, replaced = false;
    enum lx_status status = LX_OK;
    for (int tries = 0; status == LX_OK && !same && !replaced && tries < PROBE_TRIES; tries++) {
        lx_buf_clear(&bytes);
        status = lx_store_get(ledger->options.store, key, &bytes, NULL, err);
        same = status == LX_OK && lx_str_is(lx_buf_view(&bytes), first);
        replaced = status == LX_OK && lx_str_is(lx_buf_view(&bytes), second);
    }
    if (replaced) {
        status = refuse(ledger, "a second PUT of one key replaced the first", err);
    } else if (status == LX_OK && !same) {
        struct lx_str shown = lx_buf_view(&bytes);
        shown.len = shown.len < QUOTED ? shown.len : QUOTED;
        status = lx_err_set(err, LX_E_CORRUPT,
                            "what was read back is not what was written, but \"%.*s\"",
                            LX_STR_ARG(shown));
        lx_err_hint(err, "the store, or what lies on the way to it, damages bytes: nothing was "
                         "archived and nothing deleted");
    }
    lx_buf_free(&bytes);
    return status;
}

/* `first` is there; a second PUT must be refused, and leave it. *again: there was no answer. */
static enum lx_status put_again(struct lx_ledger *ledger, const char *key, const char *first,
                                const char *second, bool *again, struct lx_err *err)
{
    struct lx_err found = LX_ERR_INIT; /* apart: where there was no answer, that is told */
    enum lx_status status = put_text(ledger, key, second, err);
    *again = false;
    if (status == LX_OK)
        return refuse(ledger, "a second PUT of one key was accepted", err);
    if (status != LX_E_EXISTS && lx_status_class(status) != LX_CLASS_retry)
        return status;
    /* Refused, or no answer: what the key holds decides. */
    enum lx_status held = holds_first(ledger, key, first, second, &found);
    if (held != LX_OK) {
        if (err != NULL)
            *err = found;
        return held;
    }
    *again = status != LX_E_EXISTS;
    if (*again)
        return status;
    lx_err_clear(err);
    return LX_OK;
}

enum lx_status lx_ledger_probe(struct lx_ledger *ledger, struct lx_err *err)
{
    char id[LX_LEDGER_ID], key[PROBE_KEY], first[PROBE_KEY], second[PROBE_KEY];
    if (ledger->options.single_writer)
        return LX_OK;
    lx_ledger_new_id(&ledger->options.random, id);
    snprintf(key, sizeof key, LX_LEDGER_LOG "_lynex_probe_%s", id);
    snprintf(first, sizeof first, "first %s\n", id);
    snprintf(second, sizeof second, "second %s\n", id);
    enum lx_status status = put_text(ledger, key, first, err);
    /* The key is random: whatever the answer was, what it holds is ours. */
    if (status == LX_E_EXISTS || lx_status_class(status) == LX_CLASS_retry) {
        if (holds_first(ledger, key, first, second, NULL) == LX_OK)
            status = LX_OK;
    }
    bool again = status == LX_OK;
    for (int tries = 0; again && tries < PROBE_TRIES; tries++)
        status = put_again(ledger, key, first, second, &again, err);
    if (status != LX_OK)
        lx_err_context(err, "trying put-if-absent on %s", key);
    /* Without the right to delete it stays: a few bytes under a name that nothing reads. */
    struct lx_err ignored = LX_ERR_INIT;
    (void)!lx_store_delete(ledger->options.store, key, &ignored);
    return status;
}
