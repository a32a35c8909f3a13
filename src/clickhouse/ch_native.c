#include "clickhouse/ch_native.h"

#include "base/alloc.h"

#include <assert.h>

void lx_ch_native_init(struct lx_ch_native *native, struct lx_ch_reader *reader,
                       size_t max_block_bytes)
{
    *native = (struct lx_ch_native){
        .reader = reader,
        .max_block_bytes = max_block_bytes != 0 ? max_block_bytes : LX_CH_MAX_BLOCK_BYTES,
        .scratch = LX_BUF(SIZE_MAX - 1),
        .flags = LX_BUF(SIZE_MAX - 1),
    };
}

static void free_columns(struct lx_ch_native *native)
{
    for (size_t i = 0; i < native->block.column_count; i++) {
        char *name;
        memcpy(&name, &native->block.columns[i].name, sizeof name);
        lx_free(name);
        lx_column_free(&native->block.columns[i].data);
        lx_ch_type_free(&native->types[i]);
    }
    lx_free(native->block.columns);
    lx_free(native->types);
    lx_free(native->heaps);
    native->block = (struct lx_ch_block){0};
    native->types = NULL;
    native->heaps = NULL;
}

void lx_ch_native_free(struct lx_ch_native *native)
{
    free_columns(native);
    lx_buf_free(&native->scratch);
    lx_buf_free(&native->flags);
    native->started = false;
}

/* A text with its length in front, into the scratch buffer; a NUL behind it. */
static enum lx_status read_text(struct lx_ch_native *native, size_t most, const char *what,
                                struct lx_err *err)
{
    uint64_t size;
    LX_TRY(lx_ch_reader_varint(native->reader, &size, err));
    if (size > most)
        return lx_err_set(err, LX_E_FORMAT, "a %s of %llu bytes: this is not the Native format",
                          what, (unsigned long long)size);
    lx_buf_clear(&native->scratch);
    if (lx_buf_reserve(&native->scratch, size) != LX_OK)
        return lx_err_memory(err);
    LX_TRY(lx_ch_reader_bytes(native->reader, native->scratch.data, size, err));
    native->scratch.len = size;
    native->scratch.data[size] = 0;
    return LX_OK;
}

static enum lx_status make_columns(struct lx_ch_native *native, size_t count, struct lx_err *err)
{
    native->block.columns = lx_calloc(count, sizeof *native->block.columns);
    native->types = lx_calloc(count, sizeof *native->types);
    native->heaps = lx_calloc(count, sizeof *native->heaps);
    if (native->block.columns == NULL || native->types == NULL || native->heaps == NULL)
        return lx_err_memory(err);
    native->block.column_count = count;
    for (size_t i = 0; i < count; i++)
        native->block.columns[i].type = &native->types[i];
    return LX_OK;
}

static enum lx_status first_header(struct lx_ch_native *native, size_t index, struct lx_err *err)
{
    struct lx_ch_column *column = &native->block.columns[index];
    LX_TRY(read_text(native, LX_CH_MAX_COLUMN_NAME, "column name", err));
    column->name = lx_strndup((const char *)native->scratch.data, native->scratch.len);
    if (column->name == NULL)
        return lx_err_memory(err);
    LX_TRY(read_text(native, LX_CH_MAX_TYPE_TEXT, "type name", err));
    struct lx_ch_type *type = &native->types[index];
    enum lx_status status = lx_ch_type_parse(lx_buf_view(&native->scratch), type, err);
    if (status != LX_OK) {
        lx_err_context(err, "column %s", column->name);
        return status;
    }
    if (!lx_ch_native_can_read(type)) {
        lx_err_set(err, LX_E_UNSUPPORTED, "column %s: values of the type %s cannot be read",
                   column->name, type->text);
        lx_err_hint(err, "Ask for its text instead: toJSONString(%s).", column->name);
        return LX_E_UNSUPPORTED;
    }
    return LX_OK;
}

/* Later blocks repeat names and types; one that differs is no block of this result. */
static enum lx_status later_header(struct lx_ch_native *native, size_t index, struct lx_err *err)
{
    const struct lx_ch_column *column = &native->block.columns[index];
    LX_TRY(read_text(native, LX_CH_MAX_COLUMN_NAME, "column name", err));
    if (!lx_str_is(lx_buf_view(&native->scratch), column->name))
        return lx_err_set(err, LX_E_FORMAT, "after %lld rows column %s became %.64s",
                          (long long)native->rows_before, column->name,
                          lx_buf_cstr(&native->scratch));
    LX_TRY(read_text(native, LX_CH_MAX_TYPE_TEXT, "type name", err));
    if (!lx_str_is(lx_buf_view(&native->scratch), column->type->text))
        return lx_err_set(err, LX_E_FORMAT,
                          "after %lld rows column %s changed its type from %.64s to %.64s",
                          (long long)native->rows_before, column->name, column->type->text,
                          lx_buf_cstr(&native->scratch));
    return LX_OK;
}

static enum lx_status read_counts(struct lx_ch_native *native, size_t *columns, size_t *rows,
                                  struct lx_err *err)
{
    uint64_t column_count, row_count;
    LX_TRY(lx_ch_reader_varint(native->reader, &column_count, err));
    LX_TRY(lx_ch_reader_varint(native->reader, &row_count, err));
    if (column_count == 0 || column_count > LX_MAX_COLUMNS || row_count >= LX_CH_MAX_BLOCK_ROWS)
        return lx_err_set(err, LX_E_FORMAT,
                          "a block of %llu columns and %llu rows: this is not the Native format",
                          (unsigned long long)column_count, (unsigned long long)row_count);
    if (native->started && column_count != native->block.column_count)
        return lx_err_set(err, LX_E_FORMAT, "after %lld rows a block of %llu columns, not %zu",
                          (long long)native->rows_before, (unsigned long long)column_count,
                          native->block.column_count);
    *columns = (size_t)column_count;
    *rows = (size_t)row_count;
    return LX_OK;
}

static enum lx_status read_block(struct lx_ch_native *native, struct lx_err *err)
{
    size_t columns = 0, rows = 0;
    LX_TRY(read_counts(native, &columns, &rows, err));
    bool first = !native->started;
    if (first)
        LX_TRY(make_columns(native, columns, err));
    native->started = true;
    native->rows_before += native->block.rows;
    native->block.rows = 0;
    native->used = 0;
    native->rows_now = rows;
    for (size_t i = 0; i < columns; i++) {
        LX_TRY(first ? first_header(native, i, err) : later_header(native, i, err));
        if (rows == 0)
            continue; /* a block without rows has no data, nor any prefix of it */
        enum lx_status status = lx_ch_native_read_column(native, i, rows, err);
        if (status != LX_OK) {
            lx_err_context(err, "column %s, rows from %lld", native->block.columns[i].name,
                           (long long)native->rows_before);
            return status;
        }
        assert(native->block.columns[i].data.rows == (int64_t)rows);
    }
    native->block.rows = (int64_t)rows;
    return LX_OK;
}

enum lx_status lx_ch_native_next(struct lx_ch_native *native, struct lx_ch_block **block,
                                 struct lx_err *err)
{
    for (;;) {
        bool end;
        LX_TRY(lx_ch_reader_at_end(native->reader, &end, err));
        if (end) {
            *block = NULL;
            return LX_OK;
        }
        enum lx_status status = read_block(native, err);
        if (status == LX_E_FORMAT)
            lx_err_context(err, "the answer is corrupt");
        if (status != LX_OK)
            return status;
        if (native->block.rows != 0) {
            *block = &native->block;
            return LX_OK;
        }
    }
}
