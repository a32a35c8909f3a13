/* rowschema_hash.c: the row hash over columns as ClickHouse sent them, or as they were read back.
 */
#include "archive/rowschema_map.h"
#include "base/alloc.h"

/* JSON text of an array, map or tuple: read, and its elements put into each row's chain. */
static enum lx_status chain_values(const struct lx_field *field, const struct lx_column *text,
                                   int64_t rows, bool begun, uint64_t *hashes, struct lx_err *err)
{
    struct lx_value_reader *reader = NULL;
    enum lx_status status = lx_value_reader_create(&reader);
    if (status != LX_OK)
        return lx_err_memory(err);
    for (int64_t i = 0; status == LX_OK && i < rows; i++) {
        size_t at = 0;
        if (lx_column_is_null(text, i)) {
            hashes[i] = begun ? lx_ch_hash_combine(hashes[i], LX_CH_HASH_NULL) : LX_CH_HASH_NULL;
            continue;
        }
        status =
            lx_value_chain(reader, field->value, lx_column_value(text, i), begun, &hashes[i], &at);
        if (status == LX_E_FORMAT)
            status = lx_err_set(err, LX_E_CORRUPT,
                                "column %s, row %lld of the batch: its JSON text is "
                                "no value of the type %.200s, from byte %zu on",
                                field->name, (long long)i, field->type.text, at);
        else if (status != LX_OK)
            lx_err_set(err, status, "column %s: its JSON text cannot be read: %s", field->name,
                       lx_status_text(status));
    }
    lx_value_reader_free(reader);
    return status;
}

static enum lx_status unhashable(const struct lx_field *field, enum lx_status status,
                                 struct lx_err *err)
{
    if (status == LX_OK)
        return LX_OK;
    return lx_err_set(err, status, "column %s cannot be hashed: %s", field->name,
                      lx_status_text(status));
}

/* `each`: the hashes of every column that has no JSON text, one behind the other; NULL: they are
 * computed here. */
static enum lx_status chain_columns(const struct lx_row_schema *schema,
                                    const struct lx_column *const *sent, int64_t rows,
                                    const uint64_t *each, uint64_t *hashes, struct lx_err *err)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct lx_field *field = &schema->fields[i];
        if (field->value != NULL) {
            LX_TRY(chain_values(field, sent[i], rows, i > 0, hashes, err));
            continue;
        }
        const struct lx_ch_hash_input input = {&field->sent, sent[i],
                                               each != NULL ? each + i * (size_t)rows : NULL};
        LX_TRY(unhashable(field, lx_ch_hash_chain(&input, 1, rows, i > 0, hashes), err));
    }
    return LX_OK;
}

enum lx_status lx_row_schema_hash_rows(const struct lx_row_schema *schema,
                                       const struct lx_column *const *sent, int64_t rows,
                                       uint64_t *hashes, struct lx_err *err)
{
    return chain_columns(schema, sent, rows, NULL, hashes, err);
}

/* -- columns side by side ------------------------------------------------------------------ */

struct spread {
    const struct lx_row_schema *schema;
    const struct lx_column *const *sent;
    int64_t rows;
    uint64_t *each;
};

static enum lx_status hash_field(void *context, size_t index, struct lx_err *err)
{
    const struct spread *s = context;
    const struct lx_field *field = &s->schema->fields[index];
    const struct lx_ch_hash_input input = {&field->sent, s->sent[index], NULL};
    if (field->value != NULL)
        return LX_OK;
    uint64_t *hashes = s->each + index * (size_t)s->rows;
    return unhashable(field, lx_ch_hash_chain(&input, 1, s->rows, false, hashes), err);
}

enum lx_status lx_row_schema_hash_rows_on(struct lx_pool *pool, const struct lx_row_schema *schema,
                                          const struct lx_column *const *sent, int64_t rows,
                                          uint64_t *each, uint64_t *hashes, struct lx_err *err)
{
    struct spread spread = {schema, sent, rows, each};
    LX_TRY(lx_pool_for(pool, schema->field_count, hash_field, &spread, err));
    return chain_columns(schema, sent, rows, each, hashes, err);
}
