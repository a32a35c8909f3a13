/* Tables to the rows of a checkpoint. */
#include "base/alloc.h"
#include "base/limits.h"
#include "ledger/ledger_checkpoint.h"
#include "ledger/ledger_json.h"
#include "ledger/ledger_rows.h"
#include "parquet/writer.h"

#include <inttypes.h>
#include <stdlib.h>

/* -- the schema (PROTOCOL.md, "Checkpoint Schema") ----------------------------------------- */

/* Every member may be NULL: readers look at names and types only. Lists and maps as LogicalTypes.md
 * has them. deletionVector is there and always NULL: some readers miss it where it is absent. */
#define STRUCT(text, members)                                                                      \
    {                                                                                              \
        .name = (text), .repetition = LX_PARQUET_OPTIONAL, .children = (members)                   \
    }
#define VALUE(text, type)                                                                          \
    {                                                                                              \
        .name = (text), .repetition = LX_PARQUET_OPTIONAL, .physical = (type)                      \
    }
#define TEXT_OF(text, repeats)                                                                     \
    {                                                                                              \
        .name = (text), .repetition = (repeats), .physical = LX_PARQUET_BYTE_ARRAY, .logical = {   \
            .kind = LX_PARQUET_LOGICAL_STRING                                                      \
        }                                                                                          \
    }
#define TEXT(text) TEXT_OF(text, LX_PARQUET_OPTIONAL)
#define LONG(text) VALUE(text, LX_PARQUET_INT64)
#define SHORT(text) VALUE(text, LX_PARQUET_INT32)
#define TRUTH(text) VALUE(text, LX_PARQUET_BOOLEAN)
#define GROUP_OF(text, what)                                                                       \
    {                                                                                              \
        .name = (text), .repetition = LX_PARQUET_OPTIONAL, .children = 1, .logical = {             \
            .kind = (what)                                                                         \
        }                                                                                          \
    }
#define REPEATED(text, members)                                                                    \
    {                                                                                              \
        .name = (text), .repetition = LX_PARQUET_REPEATED, .children = (members)                   \
    }
#define MAP(text)                                                                                  \
    GROUP_OF(text, LX_PARQUET_LOGICAL_MAP), REPEATED("key_value", 2),                              \
        TEXT_OF("key", LX_PARQUET_REQUIRED), TEXT("value")
#define LIST(text) GROUP_OF(text, LX_PARQUET_LOGICAL_LIST), REPEATED("list", 1), TEXT("element")
#define VECTOR                                                                                     \
    STRUCT("deletionVector", 5), TEXT("storageType"), TEXT("pathOrInlineDv"), SHORT("offset"),     \
        SHORT("sizeInBytes"), LONG("cardinality")

static const struct lx_parquet_field checkpoint_fields[] = {
    STRUCT("txn", 3),
    TEXT("appId"),
    LONG("version"),
    LONG("lastUpdated"),
    STRUCT("add", 8),
    TEXT("path"),
    MAP("partitionValues"),
    LONG("size"),
    LONG("modificationTime"),
    TRUTH("dataChange"),
    MAP("tags"),
    VECTOR,
    TEXT("stats"),
    STRUCT("remove", 7),
    TEXT("path"),
    LONG("deletionTimestamp"),
    TRUTH("dataChange"),
    TRUTH("extendedFileMetadata"),
    MAP("partitionValues"),
    LONG("size"),
    VECTOR,
    STRUCT("metaData", 8),
    TEXT("id"),
    TEXT("name"),
    TEXT("description"),
    STRUCT("format", 2),
    TEXT("provider"),
    MAP("options"),
    TEXT("schemaString"),
    LIST("partitionColumns"),
    MAP("configuration"),
    LONG("createdTime"),
    STRUCT("protocol", 4),
    SHORT("minReaderVersion"),
    SHORT("minWriterVersion"),
    LIST("readerFeatures"),
    LIST("writerFeatures"),
    STRUCT("domainMetadata", 3),
    TEXT("domain"),
    TEXT("configuration"),
    TRUTH("removed"),
};

/* -- rows ---------------------------------------------------------------------------------- */

struct rendering {
    struct lx_parquet_writer *writer;
    struct lx_rows_builder *builder;
    struct lx_err *err;
};

static enum lx_status hand_over(struct rendering *r)
{
    int64_t rows = lx_rows_builder_rows(r->builder);
    if (rows == 0)
        return LX_OK;
    LX_TRY(lx_parquet_writer_append_levels(r->writer, lx_rows_builder_levels(r->builder), rows,
                                           r->err));
    lx_rows_builder_clear(r->builder);
    return LX_OK;
}

/* Takes `body` (NULL: memory ran out while it was made): a row of {"kind":body}. */
static enum lx_status put_row(struct rendering *r, const char *kind, json_t *body)
{
    json_t *row = json_object();
    enum lx_status status = LX_OK;
    if (row == NULL)
        json_decref(body);
    if (row == NULL || !lx_ledger_json_put(row, kind, body))
        status = lx_err_memory(r->err);
    if (status == LX_OK)
        status = lx_rows_builder_add(r->builder, row, r->err);
    json_decref(row);
    if (status == LX_OK && lx_rows_builder_bytes(r->builder) > LX_LEDGER_CHECKPOINT_STEP_BYTES)
        status = hand_over(r);
    return status;
}

/* The version that added it goes along as a tag, which only lynex looks for. */
static bool put_tags(json_t *add, const struct lx_ledger_file *file)
{
    char version[24];
    json_t *tags = NULL;
    snprintf(version, sizeof version, "%" PRId64, file->version);
    if (file->tags != NULL &&
        lx_ledger_json_parse(lx_str_of(file->tags), "tags", &tags, NULL) != LX_OK)
        return false;
    if (tags == NULL)
        tags = json_object();
    if (tags == NULL ||
        !lx_ledger_json_put(tags, LX_CHECKPOINT_VERSION_TAG, json_string(version))) {
        json_decref(tags);
        return false;
    }
    return lx_ledger_json_put(add, "tags", tags);
}

static enum lx_status put_file(struct rendering *r, const void *value)
{
    const struct lx_ledger_file *file = &((const struct lx_file_node *)value)->file;
    json_t *add = json_pack("{s:s,s:{},s:I,s:I,s:b}", "path", file->path, "partitionValues", "size",
                            (json_int_t)file->size, "modificationTime",
                            (json_int_t)file->modified_ms, "dataChange", 0);
    bool ok = add != NULL && put_tags(add, file);
    if (ok && file->stats != NULL)
        ok = lx_ledger_json_put(add, "stats", json_string(file->stats));
    if (!ok) {
        json_decref(add);
        add = NULL;
    }
    return put_row(r, "add", add);
}

static enum lx_status put_removed(struct rendering *r, const void *value)
{
    const struct lx_removed_node *node = value;
    json_t *remove = json_pack("{s:s,s:I,s:b}", "path", node->path, "deletionTimestamp",
                               (json_int_t)node->deleted_ms, "dataChange", node->data_change);
    if (remove != NULL && node->size >= 0 &&
        !lx_ledger_json_put(remove, "size", json_integer(node->size))) {
        json_decref(remove);
        remove = NULL;
    }
    return put_row(r, "remove", remove);
}

static enum lx_status segments_text(const struct lx_domain *domain, struct lx_buf *text,
                                    struct lx_err *err)
{
    struct lx_segment_ref *refs = lx_calloc(domain->segment_count + 1, sizeof *refs);
    if (refs == NULL)
        return lx_err_memory(err);
    for (size_t i = 0; i < domain->segment_count; i++)
        refs[i].segment = &domain->segments[i];
    enum lx_status status =
        lx_domain_write_segments(domain->kind, refs, domain->segment_count, text, err);
    lx_free(refs);
    return status;
}

static enum lx_status put_domain(struct rendering *r, const void *value)
{
    const struct lx_domain *domain = value;
    struct lx_buf text = LX_BUF(LX_LEDGER_MAX_LINE_BYTES);
    enum lx_status status = LX_OK;
    if (domain->configuration == NULL)
        status = segments_text(domain, &text, r->err);
    if (status == LX_OK)
        status = put_row(
            r, "domainMetadata",
            json_pack("{s:s,s:s,s:b}", "domain", domain->name, "configuration",
                      domain->configuration != NULL ? domain->configuration : lx_buf_cstr(&text),
                      "removed", 0));
    lx_buf_free(&text);
    return status;
}

static enum lx_status put_txn(struct rendering *r, const void *value)
{
    const struct lx_txn_node *node = value;
    json_t *txn =
        json_pack("{s:s,s:I}", "appId", node->app_id, "version", (json_int_t)node->version);
    if (txn != NULL && node->updated_ms >= 0 &&
        !lx_ledger_json_put(txn, "lastUpdated", json_integer(node->updated_ms))) {
        json_decref(txn);
        txn = NULL;
    }
    return put_row(r, "txn", txn);
}

static int by_key(const void *a, const void *b)
{
    const struct lx_str x = (*(struct lx_ledger_slot *const *)a)->key;
    const struct lx_str y = (*(struct lx_ledger_slot *const *)b)->key;
    int order = memcmp(x.ptr, y.ptr, x.len < y.len ? x.len : y.len);
    return order != 0 ? order : (x.len > y.len) - (x.len < y.len);
}

/* The order of a map's slots means nothing: rows come by their keys. */
static enum lx_status put_map(struct rendering *r, const struct lx_ledger_map *map,
                              enum lx_status (*put)(struct rendering *r, const void *value))
{
    size_t count = 0;
    const struct lx_ledger_slot **slots = lx_calloc(map->count + 1, sizeof(*slots));
    if (slots == NULL)
        return lx_err_memory(r->err);
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slots[i].value != NULL)
            slots[count++] = &map->slots[i];
    qsort(slots, count, sizeof(*slots), by_key);
    enum lx_status status = LX_OK;
    for (size_t i = 0; status == LX_OK && i < count; i++)
        status = put(r, slots[i]->value);
    lx_free(slots);
    return status;
}

static enum lx_status put_tables(struct rendering *r, const struct lx_tables *tables)
{
    LX_TRY(put_row(r, "protocol", json_incref(tables->protocol)));
    LX_TRY(put_row(r, "metaData", json_incref(tables->metadata)));
    LX_TRY(put_map(r, &tables->txns, put_txn));
    LX_TRY(put_map(r, &tables->domains, put_domain));
    LX_TRY(put_map(r, &tables->removed, put_removed));
    LX_TRY(put_map(r, &tables->files, put_file));
    return hand_over(r);
}

static enum lx_status sink_write(void *self, const void *bytes, size_t size, struct lx_err *err)
{
    enum lx_status status = lx_buf_append(self, bytes, size);
    return status == LX_OK ? LX_OK
                           : lx_err_set(err, status, "the checkpoint takes more than %zu bytes",
                                        ((struct lx_buf *)self)->max);
}

enum lx_status lx_checkpoint_render(const struct lx_tables *tables, struct lx_buf *file,
                                    int64_t *actions, struct lx_err *err)
{
    const struct lx_parquet_sink sink = {sink_write, file};
    /* What every reader of Delta knows; snappy and plain pages are what Spark itself writes. */
    const struct lx_parquet_writer_options options = {.profile = LX_PARQUET_COMPAT,
                                                      .codec = LX_PARQUET_SNAPPY};
    struct rendering r = {.err = err};
    enum lx_status status = lx_parquet_writer_create(
        checkpoint_fields, sizeof checkpoint_fields / sizeof checkpoint_fields[0], &options, &sink,
        NULL, &r.writer, err);
    if (status == LX_OK)
        status = lx_rows_builder_create(lx_parquet_writer_schema(r.writer), &r.builder, err);
    if (status == LX_OK)
        status = put_tables(&r, tables);
    if (status == LX_OK) {
        *actions = lx_parquet_writer_rows(r.writer);
        status = lx_parquet_writer_finish(r.writer, NULL, err);
    }
    lx_rows_builder_free(r.builder);
    lx_parquet_writer_destroy(r.writer);
    return status;
}
