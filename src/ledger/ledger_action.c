/* Actions of one version: from NDJSON to struct lx_version. */
#include "base/alloc.h"
#include "ledger/ledger_json.h"
#include "ledger/ledger_names.h"
#include "ledger/ledger_replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <xxhash.h>

/* -- arrays of pointers -------------------------------------------------------------------- */

enum lx_status lx_ptrs_reserve(struct lx_ptrs *ptrs, size_t more)
{
    size_t need;
    if (__builtin_add_overflow(ptrs->count, more, &need) || need > SIZE_MAX / sizeof(void *) / 2)
        return LX_E_MEMORY;
    if (need <= ptrs->capacity)
        return LX_OK;
    size_t capacity = ptrs->capacity * 2 > need ? ptrs->capacity * 2 : need;
    void **items = lx_realloc(ptrs->items, capacity * sizeof *items);
    if (items == NULL)
        return LX_E_MEMORY;
    ptrs->items = items;
    ptrs->capacity = capacity;
    return LX_OK;
}

enum lx_status lx_ptrs_push(struct lx_ptrs *ptrs, void *item)
{
    LX_TRY(lx_ptrs_reserve(ptrs, 1));
    ptrs->items[ptrs->count++] = item;
    return LX_OK;
}

void lx_ptrs_free(struct lx_ptrs *ptrs, void (*free_item)(void *item))
{
    for (size_t i = 0; free_item != NULL && i < ptrs->count; i++)
        free_item(ptrs->items[i]);
    lx_free(ptrs->items);
    *ptrs = (struct lx_ptrs){0};
}

/* -- freeing ------------------------------------------------------------------------------- */

void lx_file_node_free(void *item)
{
    struct lx_file_node *node = item;
    if (node == NULL)
        return;
    lx_free(node->file.path);
    lx_free(node->file.stats);
    lx_free(node->file.etag);
    lx_free(node->file.tags);
    lx_free(node);
}

void lx_removed_node_free(void *item)
{
    struct lx_removed_node *node = item;
    if (node != NULL)
        lx_free(node->path);
    lx_free(node);
}

void lx_txn_node_free(void *item)
{
    struct lx_txn_node *node = item;
    if (node != NULL)
        lx_free(node->app_id);
    lx_free(node);
}

static void free_domain(void *item)
{
    lx_domain_free(item);
}

void lx_version_free(struct lx_version *version)
{
    if (version == NULL)
        return;
    lx_ptrs_free(&version->files, lx_file_node_free);
    lx_ptrs_free(&version->removed, lx_removed_node_free);
    lx_ptrs_free(&version->domains, free_domain);
    lx_ptrs_free(&version->txns, lx_txn_node_free);
    lx_history_free(version->history);
    json_decref(version->protocol);
    json_decref(version->metadata);
    lx_free(version->txn_id);
    lx_free(version);
}

struct parsing {
    struct lx_version *version;
    size_t line;        /* of the action, from 1 */
    struct lx_str rest; /* behind the first line */
};

/* -- one action ---------------------------------------------------------------------------- */

static enum lx_status copy_text(const char *text, char **copy, struct lx_err *err)
{
    *copy = text != NULL ? lx_strdup(text) : NULL;
    return text == NULL || *copy != NULL ? LX_OK : lx_err_memory(err);
}

/* Into a fixed field; false where it does not fit. */
static bool copy_id(const char *text, char id[LX_LEDGER_ID])
{
    size_t size = strlen(text) + 1;
    if (size > LX_LEDGER_ID)
        return false;
    memcpy(id, text, size);
    return true;
}

static enum lx_status parse_sums(const char *text, struct lx_ledger_file *file, struct lx_err *err)
{
    json_t *json;
    const char *schema = "", *where = "add: lynex.sums";
    LX_TRY(lx_ledger_json_parse(lx_str_of(text), where, &json, err));
    enum lx_status status;
    LX_TRY_GOTO(lx_ledger_json_int(json, where, "rows", &file->rows, err), done);
    LX_TRY_GOTO(lx_ledger_json_u64(json, where, "sum", &file->sum, err), done);
    LX_TRY_GOTO(lx_ledger_json_u64(json, where, "xor", &file->xor, err), done);
    LX_TRY_GOTO(lx_ledger_json_text(json, where, "schema", &schema, err), done);
    if (file->rows < 0 || !lx_ledger_schema_id_ok(schema) || !copy_id(schema, file->schema))
        status = lx_err_set(err, LX_E_FORMAT, "%s: not the sums of a file", where);
done:
    json_decref(json);
    return status;
}

/* numRecords of a foreign file, -1 where it is not told. Its statistics are others' work: what is
 * odd in them is only not used. */
static enum lx_status rows_of_stats(const char *stats, int64_t *rows, struct lx_err *err)
{
    json_t *json;
    *rows = -1;
    if (stats == NULL)
        return LX_OK;
    enum lx_status status = lx_ledger_json_parse(lx_str_of(stats), "add: stats", &json, err);
    if (status != LX_OK)
        return status == LX_E_MEMORY ? status : LX_OK;
    const json_t *records = json_object_get(json, "numRecords");
    if (json_is_integer(records) && json_integer_value(records) >= 0)
        *rows = json_integer_value(records);
    json_decref(json);
    return LX_OK;
}

static enum lx_status parse_tags(const json_t *tags, struct lx_ledger_file *file,
                                 struct lx_err *err)
{
    const char *batch, *sums, *etag, *where = "add: tags";
    LX_TRY(lx_ledger_json_text_or(tags, where, "lynex.batch", "", &batch, err));
    LX_TRY(lx_ledger_json_text_or(tags, where, "lynex.sums", NULL, &sums, err));
    LX_TRY(lx_ledger_json_text_or(tags, where, "lynex.etag", NULL, &etag, err));
    if (!copy_id(batch, file->batch))
        return lx_err_set(err, LX_E_FORMAT, "%s: \"lynex.batch\" is not an id", where);
    LX_TRY(copy_text(etag, &file->etag, err));
    if (sums != NULL)
        LX_TRY(parse_sums(sums, file, err));
    struct lx_buf text = LX_BUF(LX_LEDGER_MAX_LINE_BYTES);
    enum lx_status status = lx_ledger_json_dump(tags, &text, err);
    if (status == LX_OK)
        status = copy_text(lx_buf_cstr(&text), &file->tags, err);
    lx_buf_free(&text);
    return status;
}

/* The object must be one that can be read: below the root. */
static enum lx_status check_path(const char *path, struct lx_err *err)
{
    if (lx_ledger_path_ok(path))
        return LX_OK;
    struct lx_buf key = LX_BUF(LX_LEDGER_MAX_NAME);
    enum lx_status status = lx_ledger_path_key(path, &key, err);
    lx_buf_free(&key);
    if (status == LX_E_FORMAT)
        status =
            lx_err_set(err, LX_E_UNSUPPORTED, "add: file \"%s\" lies outside of the root", path);
    return status;
}

static enum lx_status parse_add(const json_t *add, struct lx_ledger_file *file, struct lx_err *err)
{
    const char *path, *stats, *where = "add";
    const json_t *tags, *values;
    bool data_change;
    LX_TRY(lx_ledger_json_text(add, where, "path", &path, err));
    LX_TRY(lx_ledger_json_int(add, where, "size", &file->size, err));
    LX_TRY(lx_ledger_json_int(add, where, "modificationTime", &file->modified_ms, err));
    LX_TRY(lx_ledger_json_bool_or(add, where, "dataChange", true, &data_change, err));
    LX_TRY(lx_ledger_json_text_or(add, where, "stats", NULL, &stats, err));
    LX_TRY(lx_ledger_json_object_or(add, where, "tags", &tags, err));
    LX_TRY(lx_ledger_json_object_or(add, where, "partitionValues", &values, err));
    const json_t *vector = json_object_get(add, "deletionVector");
    if (vector != NULL && !json_is_null(vector))
        return lx_err_set(err, LX_E_UNSUPPORTED, "add: \"%s\" has a deletion vector", path);
    if (file->size < 0)
        return lx_err_set(err, LX_E_FORMAT, "add: \"%s\" has a negative size", path);
    LX_TRY(check_path(path, err));
    LX_TRY(copy_text(path, &file->path, err));
    LX_TRY(copy_text(stats, &file->stats, err));
    file->rows = -1;
    if (tags != NULL)
        LX_TRY(parse_tags(tags, file, err));
    if (file->schema[0] == 0)
        LX_TRY(rows_of_stats(stats, &file->rows, err));
    return LX_OK;
}

static enum lx_status take_add(struct parsing *parsing, json_t *add, struct lx_err *err)
{
    struct lx_version *version = parsing->version;
    struct lx_file_node *node = lx_calloc(1, sizeof *node);
    enum lx_status status = node != NULL ? LX_OK : lx_err_memory(err);
    if (status == LX_OK)
        status = parse_add(add, &node->file, err);
    if (status == LX_OK) {
        node->file.version = version->number;
        status = lx_ptrs_push(&version->files, node);
        if (status == LX_OK)
            return LX_OK;
        lx_err_memory(err);
    }
    lx_file_node_free(node);
    return status;
}

static enum lx_status parse_remove(const json_t *remove, struct lx_removed_node *node,
                                   struct lx_err *err)
{
    const char *path, *where = "remove";
    LX_TRY(lx_ledger_json_text(remove, where, "path", &path, err));
    LX_TRY(lx_ledger_json_int_or(remove, where, "deletionTimestamp", 0, &node->deleted_ms, err));
    LX_TRY(lx_ledger_json_int_or(remove, where, "size", -1, &node->size, err));
    LX_TRY(lx_ledger_json_bool_or(remove, where, "dataChange", true, &node->data_change, err));
    if (path[0] == 0)
        return lx_err_set(err, LX_E_FORMAT, "remove: \"path\" is empty");
    return copy_text(path, &node->path, err);
}

static enum lx_status take_remove(struct parsing *parsing, json_t *remove, struct lx_err *err)
{
    struct lx_version *version = parsing->version;
    struct lx_removed_node *node = lx_calloc(1, sizeof *node);
    enum lx_status status = node != NULL ? LX_OK : lx_err_memory(err);
    if (status == LX_OK)
        status = parse_remove(remove, node, err);
    if (status == LX_OK) {
        node->version = version->number;
        status = lx_ptrs_push(&version->removed, node);
        if (status == LX_OK)
            return LX_OK;
        lx_err_memory(err);
    }
    lx_removed_node_free(node);
    return status;
}

static enum lx_status take_domain(struct parsing *parsing, json_t *json, struct lx_err *err)
{
    struct lx_version *version = parsing->version;
    const char *name, *configuration, *where = "domainMetadata";
    bool removed;
    LX_TRY(lx_ledger_json_text(json, where, "domain", &name, err));
    LX_TRY(lx_ledger_json_bool_or(json, where, "removed", false, &removed, err));
    LX_TRY(lx_ledger_json_text_or(json, where, "configuration", "", &configuration, err));
    struct lx_domain *domain;
    LX_TRY(lx_domain_parse(name, configuration, removed, &domain, err));
    enum lx_status status = lx_ptrs_push(&version->domains, domain);
    if (status != LX_OK) {
        lx_domain_free(domain);
        lx_err_memory(err);
    }
    return status;
}

static enum lx_status take_txn(struct parsing *parsing, json_t *json, struct lx_err *err)
{
    struct lx_version *version = parsing->version;
    const char *app_id, *where = "txn";
    struct lx_txn_node *node = lx_calloc(1, sizeof *node);
    if (node == NULL)
        return lx_err_memory(err);
    enum lx_status status;
    LX_TRY_GOTO(lx_ledger_json_text(json, where, "appId", &app_id, err), failed);
    LX_TRY_GOTO(lx_ledger_json_int(json, where, "version", &node->version, err), failed);
    LX_TRY_GOTO(lx_ledger_json_int_or(json, where, "lastUpdated", -1, &node->updated_ms, err),
                failed);
    LX_TRY_GOTO(copy_text(app_id, &node->app_id, err), failed);
    status = lx_ptrs_push(&version->txns, node);
    if (status == LX_OK)
        return LX_OK;
    lx_err_memory(err);
failed:
    lx_txn_node_free(node);
    return status;
}

/* -- protocol and metaData ----------------------------------------------------------------- */

/* The first name of a list of features that is not `known`; NULL where all are. */
static const char *unknown_feature(const json_t *list, const char *known)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (name == NULL || known == NULL || strcmp(name, known) != 0)
            return name != NULL ? name : "?";
    }
    return NULL;
}

static enum lx_status take_protocol(struct parsing *parsing, json_t *json, struct lx_err *err)
{
    struct lx_version *version = parsing->version;
    int64_t reader, writer;
    const json_t *features, *writer_features;
    const char *where = "protocol";
    LX_TRY(lx_ledger_json_int(json, where, "minReaderVersion", &reader, err));
    LX_TRY(lx_ledger_json_int(json, where, "minWriterVersion", &writer, err));
    LX_TRY(lx_ledger_json_array_or(json, where, "readerFeatures", &features, err));
    LX_TRY(lx_ledger_json_array_or(json, where, "writerFeatures", &writer_features, err));
    const char *strange = unknown_feature(features, NULL);
    if ((reader != 1 && reader != 3) || strange != NULL) {
        lx_err_set(err, LX_E_UNSUPPORTED,
                   "protocol: the log needs Delta reader version %" PRId64 "%s%s, lynex reads "
                   "version 1",
                   reader, strange != NULL ? " with " : "", strange != NULL ? strange : "");
        lx_err_hint(err, "Another program raised the table's protocol. Drop the feature there "
                         "(ALTER TABLE … DROP FEATURE), or use a lynex that knows it.");
        return LX_E_UNSUPPORTED;
    }
    if (version->protocol != NULL)
        return lx_err_set(err, LX_E_FORMAT, "two protocol actions in one version");
    version->protocol = json_incref(json);
    return LX_OK;
}

static enum lx_status take_metadata(struct parsing *parsing, json_t *json, struct lx_err *err)
{
    struct lx_version *version = parsing->version;
    const char *id, *schema, *where = "metaData";
    const json_t *configuration, *columns;
    LX_TRY(lx_ledger_json_text(json, where, "id", &id, err));
    LX_TRY(lx_ledger_json_text(json, where, "schemaString", &schema, err));
    LX_TRY(lx_ledger_json_object_or(json, where, "configuration", &configuration, err));
    LX_TRY(lx_ledger_json_array_or(json, where, "partitionColumns", &columns, err));
    const char *provider =
        json_string_value(json_object_get(json_object_get(json, "format"), "provider"));
    if (provider == NULL || strcmp(provider, "parquet") != 0)
        return lx_err_set(err, LX_E_UNSUPPORTED,
                          "metaData: the table's format is \"%s\", not "
                          "parquet",
                          provider != NULL ? provider : "");
    if (version->metadata != NULL)
        return lx_err_set(err, LX_E_FORMAT, "two metaData actions in one version");
    version->metadata = json_incref(json);
    return LX_OK;
}

enum lx_status lx_tables_writable(const struct lx_tables *tables, struct lx_err *err)
{
    const json_t *features = json_object_get(tables->protocol, "writerFeatures");
    const char *strange = unknown_feature(features, "domainMetadata");
    json_int_t writer = json_integer_value(json_object_get(tables->protocol, "minWriterVersion"));
    enum lx_status status = LX_OK;
    if (strange != NULL)
        status = lx_err_set(err, LX_E_UNSUPPORTED,
                            "the log needs Delta's writer feature \"%s\", "
                            "which this lynex does not know",
                            strange);
    else if (writer != 7 || json_array_size(features) == 0)
        status = lx_err_set(err, LX_E_UNSUPPORTED,
                            "the log has writer version %" JSON_INTEGER_FORMAT
                            " without domainMetadata: lynex did not make it",
                            writer);
    else if (json_array_size(json_object_get(tables->metadata, "partitionColumns")) != 0)
        status = lx_err_set(err, LX_E_UNSUPPORTED,
                            "the Delta table is partitioned, lynex's are "
                            "not");
    if (status != LX_OK)
        lx_err_hint(err, "Nothing was written. Use a root of its own for the archive, or undo what "
                         "another program changed in this table.");
    return status;
}

/* -- lines --------------------------------------------------------------------------------- */

void lx_version_digest(struct lx_str rest, char text[LX_LEDGER_DIGEST])
{
    snprintf(text, LX_LEDGER_DIGEST, "%016" PRIx64,
             (uint64_t)XXH3_64bits(rest.len != 0 ? rest.ptr : "", rest.len));
}

enum lx_status lx_version_lines(struct lx_str bytes, const char *where, lx_each_action each,
                                void *context, struct lx_err *err)
{
    size_t number = 0;
    while (bytes.len > 0) {
        const char *end = memchr(bytes.ptr, '\n', bytes.len);
        size_t size = end != NULL ? (size_t)(end - bytes.ptr) : bytes.len;
        struct lx_str line = lx_str_trim((struct lx_str){bytes.ptr, size});
        size_t step = end != NULL ? size + 1 : size;
        bytes = (struct lx_str){bytes.ptr + step, bytes.len - step};
        number++;
        if (line.len == 0)
            continue;
        if (number > LX_LEDGER_MAX_ACTIONS)
            return lx_err_set(err, LX_E_LIMIT, "%s: more than %d actions", where,
                              LX_LEDGER_MAX_ACTIONS);
        json_t *json;
        enum lx_status status = lx_ledger_json_parse(line, "action", &json, err);
        if (status == LX_OK) {
            status = each(context, number, json, err);
            json_decref(json);
        }
        if (status != LX_OK) {
            lx_err_context(err, "%s, line %zu", where, number);
            return status;
        }
    }
    return LX_OK;
}

static enum lx_status take_commit_info(struct parsing *parsing, json_t *info, struct lx_err *err)
{
    const char *txn_id, *digest, *where = "commitInfo";
    LX_TRY(lx_ledger_json_text_or(info, where, "txnId", NULL, &txn_id, err));
    LX_TRY(lx_ledger_json_text_or(info, where, "lynexDigest", NULL, &digest, err));
    if (parsing->line == 1 && digest != NULL) {
        char made[LX_LEDGER_DIGEST];
        lx_version_digest(parsing->rest, made);
        if (strcmp(digest, made) != 0)
            return lx_err_set(err, LX_E_CORRUPT,
                              "commitInfo: the lines behind it have digest %s, not %s: the object "
                              "is not what was written",
                              made, digest);
    }
    if (parsing->version->txn_id != NULL)
        return lx_err_set(err, LX_E_FORMAT, "two commitInfo actions with an id in one version");
    return copy_text(txn_id, &parsing->version->txn_id, err);
}

/* Actions that are not here (cdc, …) change nothing of what is kept. */
static const struct {
    const char *kind;
    enum lx_status (*take)(struct parsing *parsing, json_t *body, struct lx_err *err);
} action_kinds[] = {
    {"add", take_add},
    {"remove", take_remove},
    {"domainMetadata", take_domain},
    {"metaData", take_metadata},
    {"protocol", take_protocol},
    {"txn", take_txn},
    {"commitInfo", take_commit_info},
};

static enum lx_status take_action(void *context, size_t line, const json_t *action,
                                  struct lx_err *err)
{
    struct parsing *parsing = context;
    parsing->line = line;
    for (size_t i = 0; i < sizeof action_kinds / sizeof *action_kinds; i++) {
        json_t *body = json_object_get(action, action_kinds[i].kind);
        if (body == NULL || json_is_null(body))
            continue;
        if (!json_is_object(body))
            return lx_err_set(err, LX_E_FORMAT, "%s: not an object", action_kinds[i].kind);
        LX_TRY(action_kinds[i].take(parsing, body, err));
    }
    return LX_OK;
}

enum lx_status lx_version_create(int64_t number, struct lx_version **version, struct lx_err *err)
{
    struct lx_version *made = lx_calloc(1, sizeof *made);
    if (made == NULL)
        return lx_err_memory(err);
    made->number = number;
    *version = made;
    return LX_OK;
}

enum lx_status lx_version_take(struct lx_version *version, const json_t *action, struct lx_err *err)
{
    struct parsing parsing = {version, 0, {NULL, 0}};
    return take_action(&parsing, 1, action, err);
}

enum lx_status lx_version_parse(int64_t number, struct lx_str bytes, const char *where,
                                struct lx_version **version, struct lx_err *err)
{
    if (bytes.len > LX_LEDGER_MAX_COMMIT_BYTES)
        return lx_err_set(err, LX_E_LIMIT, "%s: %zu bytes, more than %zu", where, bytes.len,
                          LX_LEDGER_MAX_COMMIT_BYTES);
    struct lx_version *made;
    LX_TRY(lx_version_create(number, &made, err));
    struct parsing parsing = {made, 0, {bytes.ptr, 0}};
    const char *end = bytes.len != 0 ? memchr(bytes.ptr, '\n', bytes.len) : NULL;
    if (end != NULL) {
        size_t first = (size_t)(end - bytes.ptr) + 1;
        parsing.rest = (struct lx_str){bytes.ptr + first, bytes.len - first};
    }
    enum lx_status status = lx_version_lines(bytes, where, take_action, &parsing, err);
    if (status == LX_OK && parsing.line == 0) /* as a torn write or a reserved key would be */
        status = lx_err_set(err, LX_E_FORMAT, "%s: no action", where);
    if (status == LX_OK) {
        *version = made;
        return LX_OK;
    }
    lx_version_free(made);
    return status;
}
