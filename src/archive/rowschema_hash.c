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

enum lx_status lx_row_schema_hash_rows(const struct lx_row_schema *schema,
                                       const struct lx_column *const *sent, int64_t rows,
                                       uint64_t *hashes, struct lx_err *err)
{
    bool begun = false;
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct lx_field *field = &schema->fields[i];
        if (field->value != NULL) {
            LX_TRY(chain_values(field, sent[i], rows, begun, hashes, err));
        } else {
            const struct lx_ch_hash_input input = {&field->sent, sent[i], NULL};
            enum lx_status status = lx_ch_hash_chain(&input, 1, rows, begun, hashes);
            if (status != LX_OK)
                return lx_err_set(err, status, "column %s cannot be hashed: %s", field->name,
                                  lx_status_text(status));
        }
        begun = true;
    }
    return LX_OK;
}
