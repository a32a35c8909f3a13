/* Checkpoints: reading the newest one that is whole, writing one every so many versions. */
#include "ledger/ledger_checkpoint.h"

#include "base/alloc.h"
#include "ledger/ledger_json.h"
#include "ledger/ledger_rows.h"
#include "parquet/reader.h"

#include <inttypes.h>
#include <stdio.h>

#define MAX_HINT_BYTES ((size_t)1 << 20)

/* -- a file to a version ------------------------------------------------------------------- */

struct parsing {
    struct lx_version *version;
};

static enum lx_status read_memory(void *self, int64_t offset, void *bytes, size_t size,
                                  struct lx_err *err)
{
    const struct lx_str *file = self;
    if (offset < 0 || (size_t)offset > file->len || size > file->len - (size_t)offset)
        return lx_err_set(err, LX_E_FORMAT, "a part beyond the end of the file");
    memcpy(bytes, file->ptr + offset, size);
    return LX_OK;
}

/* Takes our own tag off the add; -1: there is none. */
static int64_t take_version(json_t *action)
{
    json_t *tags = json_object_get(json_object_get(action, "add"), "tags");
    const char *text = json_string_value(json_object_get(tags, LX_CHECKPOINT_VERSION_TAG));
    int64_t version = -1;
    if (text == NULL || !lx_str_to_i64(lx_str_of(text), &version))
        return -1;
    json_object_del(tags, LX_CHECKPOINT_VERSION_TAG);
    /* A file without tags has none again: an empty object would be another state. */
    if (json_object_size(tags) == 0)
        json_object_del(json_object_get(action, "add"), "tags");
    return version;
}

static enum lx_status take_action(void *context, int64_t row, json_t *action, struct lx_err *err)
{
    struct parsing *parsing = context;
    struct lx_version *version = parsing->version;
    int64_t added = take_version(action);
    if (row >= LX_LEDGER_MAX_CHECKPOINT_ACTIONS)
        return lx_err_set(err, LX_E_LIMIT, "more than %" PRId64 " actions",
                          (int64_t)LX_LEDGER_MAX_CHECKPOINT_ACTIONS);
    size_t files = version->files.count;
    LX_TRY(lx_version_take(version, action, err));
    if (added >= 0 && added <= version->number && version->files.count == files + 1)
        ((struct lx_file_node *)version->files.items[files])->file.version = added;
    return LX_OK;
}

enum lx_status lx_checkpoint_parse(int64_t number, struct lx_str file, const char *where,
                                   struct lx_version **version, struct lx_err *err)
{
    static const char *const kinds[] = {
        "txn", "add", "remove", "metaData", "protocol", "domainMetadata", NULL};
    const struct lx_parquet_source source = {read_memory, &file, (int64_t)file.len};
    const struct lx_parquet_reader_options options = {
        .page_bytes = 2 * LX_LEDGER_MAX_LINE_BYTES, .scan_bytes = LX_LEDGER_MAX_CHECKPOINT_MEMORY};
    struct lx_parquet_reader *reader = NULL;
    struct parsing parsing = {NULL};
    enum lx_status status = lx_version_create(number, &parsing.version, err);
    if (status == LX_OK)
        status = lx_parquet_reader_open(&source, &options, &reader, err);
    if (status == LX_OK)
        status = lx_rows_read(reader, kinds, take_action, &parsing, err);
    lx_parquet_reader_close(reader);
    if (status == LX_OK && (parsing.version->protocol == NULL || parsing.version->metadata == NULL))
        status = lx_err_set(err, LX_E_FORMAT, "it lacks its %s action",
                            parsing.version->protocol == NULL ? "protocol" : "metaData");
    if (status == LX_OK) {
        *version = parsing.version;
        return LX_OK;
    }
    lx_err_context(err, "%s", where);
    lx_version_free(parsing.version);
    return status;
}

/* -- reading ------------------------------------------------------------------------------- */

/* The version that _last_checkpoint names; -1: none. It is a hint, and may be old, or nonsense. */
static int64_t read_hint(struct lx_ledger *ledger)
{
    struct lx_buf text = LX_BUF(MAX_HINT_BYTES);
    json_t *json = NULL;
    int64_t version = -1;
    if (lx_store_get(ledger->options.store, LX_LEDGER_CHECKPOINT_HINT, &text, NULL, NULL) ==
            LX_OK &&
        lx_ledger_json_parse(lx_buf_view(&text), "_last_checkpoint", &json, NULL) == LX_OK &&
        lx_ledger_json_int(json, "_last_checkpoint", "version", &version, NULL) != LX_OK)
        version = -1;
    json_decref(json);
    lx_buf_free(&text);
    return version >= 0 && version <= LX_LEDGER_MAX_VERSION ? version : -1;
}

static void where_of(const struct lx_ledger *ledger, int64_t version, char text[LX_LEDGER_WHERE])
{
    char key[LX_LEDGER_CHECKPOINT_KEY];
    lx_ledger_checkpoint_key(version, key);
    struct lx_buf location = LX_BUF(LX_LEDGER_WHERE);
    if (lx_store_location(ledger->options.store, key, &location) != LX_OK)
        lx_buf_clear(&location); /* only for the eye: the key alone must do */
    snprintf(text, LX_LEDGER_WHERE, "the checkpoint of version %" PRId64 " (%s)", version,
             location.len != 0 ? lx_buf_cstr(&location) : key);
    lx_buf_free(&location);
}

/* The tables, empty so far, become the checkpoint's; or stay empty. */
static enum lx_status load(struct lx_ledger *ledger, int64_t number, struct lx_err *err)
{
    char key[LX_LEDGER_CHECKPOINT_KEY], where[LX_LEDGER_WHERE];
    struct lx_buf file = LX_BUF(LX_LEDGER_MAX_CHECKPOINT_BYTES);
    struct lx_version *version = NULL;
    lx_ledger_checkpoint_key(number, key);
    where_of(ledger, number, where);
    enum lx_status status = lx_store_get(ledger->options.store, key, &file, NULL, err);
    if (status != LX_OK)
        lx_err_context(err, "reading %s", where);
    else
        status = lx_checkpoint_parse(number, lx_buf_view(&file), where, &version, err);
    lx_buf_free(&file);
    if (status != LX_OK)
        return status;
    status = lx_ledger_start_from(ledger, version, err);
    if (status != LX_OK)
        lx_err_context(err, "%s", where);
    lx_version_free(version);
    return status;
}

/* Failures that lie in the checkpoint itself: another, or the versions, may do. */
static bool may_be_passed_over(enum lx_status status)
{
    return status == LX_E_NOTFOUND || status == LX_E_UNSUPPORTED || status == LX_E_LIMIT ||
           lx_status_class(status) == LX_CLASS_corrupt;
}

static enum lx_status load_newest(struct lx_ledger *ledger, const struct lx_listing *listing,
                                  int64_t below, bool *loaded, struct lx_err *err)
{
    *loaded = false;
    for (size_t i = listing->whole_count; i-- > 0;) {
        int64_t number = listing->whole[i];
        if (below >= 0 && number >= below)
            continue; /* tried already */
        enum lx_status status = load(ledger, number, err);
        if (status == LX_OK) {
            *loaded = true;
            return LX_OK;
        }
        if (!may_be_passed_over(status))
            return status;
        if (ledger->options.log != NULL)
            lx_log_write(ledger->options.log, LX_LOG_WARNING, "lynex.ledger",
                         "passed over: %s. The state is had from an older one, or from the "
                         "versions; other readers may fail. Remove the object; a new one is "
                         "written every %d versions",
                         err->text, LX_LEDGER_CHECKPOINT_EVERY);
        lx_err_clear(err);
    }
    return LX_OK;
}

enum lx_status lx_ledger_load_checkpoint(struct lx_ledger *ledger, struct lx_err *err)
{
    struct lx_err local = LX_ERR_INIT;
    struct lx_listing listing;
    bool loaded = false;
    int64_t hint = read_hint(ledger);
    if (err == NULL)
        err = &local;
    /* From the hint on first: a long log is not listed whole. */
    if (hint > 0) {
        LX_TRY(lx_ledger_list(ledger, hint - 1, &listing, err));
        LX_TRY(load_newest(ledger, &listing, -1, &loaded, err));
        if (loaded)
            return LX_OK;
    }
    LX_TRY(lx_ledger_list(ledger, -1, &listing, err));
    return load_newest(ledger, &listing, hint, &loaded, err);
}

enum lx_status lx_ledger_cleaned(struct lx_ledger *ledger, const struct lx_listing *listing,
                                 struct lx_err *err)
{
    char where[LX_LEDGER_WHERE];
    lx_ledger_where(ledger, listing->missing, where);
    lx_err_set(err, LX_E_FORMAT,
               "%s of the log is missing, and the state is not had from the checkpoint of version "
               "%" PRId64,
               where, listing->checkpoint);
    lx_err_hint(err, ledger->opened
                         ? "Another program cleaned the log up while this one worked. Nothing was "
                           "changed; run again."
                         : "Another program cleaned the log up, though the table's configuration "
                           "forbids it, and the checkpoint is broken or of a kind that lynex does "
                           "not read (see the warnings). Put the objects back (a versioned bucket "
                           "has them, or a backup). Nothing may be deleted meanwhile.");
    return LX_E_FORMAT;
}

/* -- writing ------------------------------------------------------------------------------- */

static enum lx_status put_hint(struct lx_ledger *ledger, int64_t actions, size_t bytes,
                               struct lx_err *err)
{
    char text[160];
    int size = snprintf(text, sizeof text,
                        "{\"version\":%" PRId64 ",\"size\":%" PRId64
                        ",\"sizeInBytes\":%zu,\"numOfAddFiles\":%zu}",
                        ledger->tables.version, actions, bytes, ledger->tables.files.count);
    const struct lx_put how = {.content_type = "application/json"};
    return lx_store_put(ledger->options.store, LX_LEDGER_CHECKPOINT_HINT, text, (size_t)size, &how,
                        NULL, err);
}

static enum lx_status write_checkpoint(struct lx_ledger *ledger, struct lx_err *err)
{
    char key[LX_LEDGER_CHECKPOINT_KEY];
    struct lx_buf file = LX_BUF(LX_LEDGER_MAX_CHECKPOINT_BYTES);
    const struct lx_put how = {.if_absent = !ledger->options.single_writer};
    int64_t actions = 0;
    lx_ledger_checkpoint_key(ledger->tables.version, key);
    enum lx_status status = lx_checkpoint_render(&ledger->tables, &file, &actions, err);
    if (status == LX_OK)
        status = lx_store_put(ledger->options.store, key, file.data, file.len, &how, NULL, err);
    /* Another's is there: of the same version, so it says the same. */
    if (status == LX_E_EXISTS)
        status = LX_OK;
    if (status == LX_OK)
        status = put_hint(ledger, actions, file.len, err);
    lx_buf_free(&file);
    return status;
}

void lx_ledger_checkpoint_if_due(struct lx_ledger *ledger)
{
    struct lx_err err = LX_ERR_INIT;
    int64_t version = ledger->tables.version;
    if (version <= 0 || version % LX_LEDGER_CHECKPOINT_EVERY != 0 ||
        lx_cancel_asked(ledger->options.cancel))
        return;
    if (write_checkpoint(ledger, &err) == LX_OK || ledger->options.log == NULL)
        return;
    lx_log_write(ledger->options.log, LX_LOG_WARNING, "lynex.ledger",
                 "no checkpoint of version %" PRId64 " was written: %s. The log is whole without "
                 "it; the next one is due in %d versions",
                 version, err.text, LX_LEDGER_CHECKPOINT_EVERY);
}
