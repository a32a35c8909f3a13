/* ch_table.c: whole answers of small queries, value by value. */
#include "clickhouse/ch_client.h"

#include "base/alloc.h"

#include <assert.h>

/* Columns like the block's, without rows; dictionaries become plain. */
static enum lx_status make_columns(struct lx_ch_table *table, const struct lx_ch_block *block)
{
    table->block.columns = lx_calloc(block->column_count, sizeof *table->block.columns);
    if (table->block.columns == NULL)
        return LX_E_MEMORY;
    table->block.column_count = block->column_count;
    for (size_t i = 0; i < block->column_count; i++) {
        const struct lx_column *data = &block->columns[i].data;
        const struct lx_column *plain = data->shape == LX_COLUMN_DICT ? data->dict : data;
        table->block.columns[i].name = block->columns[i].name;
        table->block.columns[i].type = block->columns[i].type;
        lx_column_init(&table->block.columns[i].data, plain->shape, plain->width);
    }
    return LX_OK;
}

static enum lx_status append_block(struct lx_ch_table *table, const struct lx_ch_block *block)
{
    if (table->block.columns == NULL)
        LX_TRY(make_columns(table, block));
    for (size_t i = 0; i < block->column_count; i++)
        LX_TRY(lx_column_append_range(&table->block.columns[i].data, &block->columns[i].data, 0,
                                      block->rows));
    table->block.rows += block->rows;
    return LX_OK;
}

enum lx_status lx_ch_query_all(struct lx_ch *client, const struct lx_ch_query *query,
                               int64_t max_rows, struct lx_ch_table *table, struct lx_err *err)
{
    struct lx_ch_table fresh = {0};
    LX_TRY(lx_ch_select(client, query, &fresh.owner, err));
    enum lx_status status;
    for (;;) {
        struct lx_ch_block *block;
        LX_TRY_GOTO(lx_ch_next(fresh.owner, &block, err), end);
        if (block == NULL)
            break;
        if (block->rows > max_rows - fresh.block.rows) {
            status = lx_err_set(err, LX_E_LIMIT, "%s, query %s: more than %lld rows",
                                lx_ch_where(client), fresh.owner->query_id, (long long)max_rows);
            goto end;
        }
        status = append_block(&fresh, block);
        if (status != LX_OK) {
            lx_err_set(err, status, "%s, query %s: %s", lx_ch_where(client), fresh.owner->query_id,
                       lx_status_text(status));
            goto end;
        }
    }
    *table = fresh;
    return LX_OK;
end:
    lx_ch_table_free(&fresh);
    return status;
}

void lx_ch_table_free(struct lx_ch_table *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->block.column_count; i++)
        lx_column_free(&table->block.columns[i].data);
    lx_free(table->block.columns);
    lx_ch_result_free(table->owner);
    *table = (struct lx_ch_table){0};
}

/* -- values -------------------------------------------------------------------------------- */

static bool is_text(const struct lx_ch_type *type)
{
    return type->kind == LX_CH_STRING || type->kind == LX_CH_FIXED_STRING ||
           type->kind == LX_CH_JSON;
}

static bool is_signed(const struct lx_ch_type *type)
{
    switch (type->kind) {
    case LX_CH_INT8:
    case LX_CH_INT16:
    case LX_CH_INT32:
    case LX_CH_INT64:
    case LX_CH_DATE32:
    case LX_CH_DATETIME64:
    case LX_CH_ENUM8:
    case LX_CH_ENUM16: return true;
    default: return false;
    }
}

static bool is_integer(const struct lx_ch_type *type)
{
    switch (type->kind) {
    case LX_CH_UINT8:
    case LX_CH_UINT16:
    case LX_CH_UINT32:
    case LX_CH_UINT64:
    case LX_CH_BOOL:
    case LX_CH_DATE:
    case LX_CH_DATETIME: return true;
    default: return is_signed(type);
    }
}

enum lx_status lx_ch_table_check(const struct lx_ch_table *table, const char *letters,
                                 struct lx_err *err)
{
    size_t count = strlen(letters);
    if (table->block.rows == 0)
        return LX_OK;
    if (count != table->block.column_count)
        return lx_err_set(err, LX_E_FORMAT, "the answer has %zu columns, not %zu",
                          table->block.column_count, count);
    for (size_t i = 0; i < count; i++) {
        const struct lx_ch_column *column = &table->block.columns[i];
        bool fits = letters[i] == '*' || (letters[i] == 't' && is_text(column->type)) ||
                    ((letters[i] == 'u' || letters[i] == 'i') && is_integer(column->type));
        if (!fits)
            return lx_err_set(err, LX_E_FORMAT, "the answer's column %s has the type %s, not %s",
                              column->name, column->type->text,
                              letters[i] == 't' ? "a text" : "an integer");
    }
    return LX_OK;
}

static const struct lx_ch_column *column_of(const struct lx_ch_table *table, size_t column,
                                            int64_t row)
{
    assert(column < table->block.column_count);
    assert(row >= 0 && row < table->block.rows);
    return &table->block.columns[column];
}

struct lx_str lx_ch_text(const struct lx_ch_table *table, size_t column, int64_t row)
{
    const struct lx_ch_column *from = column_of(table, column, row);
    assert(is_text(from->type));
    if (lx_column_is_null(&from->data, row))
        return LX_STR("");
    return lx_column_value(&from->data, row);
}

int64_t lx_ch_i64(const struct lx_ch_table *table, size_t column, int64_t row)
{
    const struct lx_ch_column *from = column_of(table, column, row);
    assert(is_integer(from->type) && from->data.shape == LX_COLUMN_FIXED);
    if (lx_column_is_null(&from->data, row))
        return 0;
    struct lx_str bytes = lx_column_value(&from->data, row);
    uint64_t value = 0;
    memcpy(&value, bytes.ptr, bytes.len);
    unsigned unused = 64 - 8 * (unsigned)bytes.len;
    if (is_signed(from->type) && unused != 0)
        return (int64_t)(value << unused) >> unused; /* the sign spreads */
    return (int64_t)value;
}

uint64_t lx_ch_u64(const struct lx_ch_table *table, size_t column, int64_t row)
{
    return (uint64_t)lx_ch_i64(table, column, row);
}

bool lx_ch_is_null(const struct lx_ch_table *table, size_t column, int64_t row)
{
    return lx_column_is_null(&column_of(table, column, row)->data, row);
}
