#include "base/column.h"

#include "base/alloc.h"
#include "base/limits.h"

#include <assert.h>

#define MAX_ROWS ((size_t)1 << 31)

void lx_column_init(struct lx_column *column, enum lx_column_shape shape, uint32_t width)
{
    *column = (struct lx_column){.shape = shape, .width = shape == LX_COLUMN_FIXED ? width : 0};
}

void lx_column_free(struct lx_column *column)
{
    if (column == NULL)
        return;
    lx_free(column->nulls);
    lx_free(column->values);
    lx_free(column->offsets);
    lx_free(column->indexes);
    if (column->dict != NULL) {
        lx_column_free(column->dict);
        lx_free(column->dict);
    }
    *column = (struct lx_column){.shape = column->shape, .width = column->width};
}

void lx_column_clear(struct lx_column *column)
{
    column->rows = 0;
    if (column->offsets != NULL)
        column->offsets[0] = 0;
    /* The flags are dropped, not kept: a column without NULLs is the common case and the fast one.
     */
    lx_free(column->nulls);
    column->nulls = NULL;
    column->nulls_cap = 0;
}

/* Grows an array of `size`-byte elements to at least `need`, by half at least. */
static enum lx_status grow(void *array, size_t *cap, size_t need, size_t size)
{
    if (need <= *cap)
        return LX_OK;
    size_t want = *cap + *cap / 2, bytes;
    if (want < need)
        want = need;
    if (want < 64)
        want = 64;
    if (__builtin_mul_overflow(want, size, &bytes))
        return LX_E_LIMIT;
    void *old, *fresh;
    memcpy(&old, array, sizeof old);
    fresh = lx_realloc(old, bytes);
    if (fresh == NULL)
        return LX_E_MEMORY;
    memcpy(array, &fresh, sizeof fresh);
    *cap = want;
    return LX_OK;
}

enum lx_status lx_column_reserve(struct lx_column *column, size_t rows)
{
    size_t need = (size_t)column->rows + rows;
    if (rows > MAX_ROWS || need > MAX_ROWS)
        return LX_E_LIMIT;
    if (column->nulls != NULL)
        LX_TRY(grow(&column->nulls, &column->nulls_cap, need, 1));
    switch (column->shape) {
    case LX_COLUMN_FIXED: {
        assert(column->width != 0);
        size_t bytes;
        if (__builtin_mul_overflow(need, (size_t)column->width, &bytes))
            return LX_E_LIMIT;
        return grow(&column->values, &column->values_cap, bytes, 1);
    }
    case LX_COLUMN_BYTES:
        if (column->offsets == NULL) {
            LX_TRY(grow(&column->offsets, &column->offsets_cap, need + 1, sizeof(uint32_t)));
            column->offsets[0] = 0;
        }
        return grow(&column->offsets, &column->offsets_cap, need + 1, sizeof(uint32_t));
    case LX_COLUMN_DICT:
        return grow(&column->indexes, &column->indexes_cap, need, sizeof(uint32_t));
    }
    return LX_E_BUG;
}

enum lx_status lx_column_reserve_bytes(struct lx_column *column, size_t bytes)
{
    assert(column->shape == LX_COLUMN_BYTES);
    size_t used = column->offsets != NULL ? column->offsets[column->rows] : 0;
    if (bytes > LX_MAX_COLUMN_HEAP || used + bytes > LX_MAX_COLUMN_HEAP)
        return LX_E_LIMIT;
    return grow(&column->values, &column->values_cap, used + bytes, 1);
}

enum lx_status lx_column_lead(struct lx_column *column, uint32_t bytes)
{
    assert(column->shape == LX_COLUMN_BYTES && column->rows == 0);
    LX_TRY(lx_column_reserve(column, 1));
    column->offsets[0] = bytes;
    return lx_column_reserve_bytes(column, 0);
}

enum lx_status lx_column_reserve_nulls(struct lx_column *column, size_t rows)
{
    if (rows > MAX_ROWS)
        return LX_E_LIMIT;
    bool fresh = column->nulls == NULL;
    LX_TRY(grow(&column->nulls, &column->nulls_cap, (size_t)column->rows + rows + 1, 1));
    if (fresh)
        memset(column->nulls, 0, (size_t)column->rows);
    return LX_OK;
}

enum lx_status lx_column_append(struct lx_column *column, const void *value, size_t size)
{
    if (column->shape == LX_COLUMN_DICT ||
        (column->shape == LX_COLUMN_FIXED && size != column->width))
        return LX_E_BUG;
    LX_TRY(lx_column_reserve(column, 1));
    size_t row = (size_t)column->rows;
    if (column->shape == LX_COLUMN_FIXED) {
        memcpy(column->values + row * size, value, size);
    } else {
        LX_TRY(lx_column_reserve_bytes(column, size));
        if (size != 0)
            memcpy(column->values + column->offsets[row], value, size);
        column->offsets[row + 1] = column->offsets[row] + (uint32_t)size;
    }
    if (column->nulls != NULL)
        column->nulls[row] = 0;
    column->rows++;
    return LX_OK;
}

enum lx_status lx_column_append_null(struct lx_column *column)
{
    LX_TRY(lx_column_reserve(column, 1));
    LX_TRY(lx_column_reserve_nulls(column, 1));
    size_t row = (size_t)column->rows;
    switch (column->shape) {
    case LX_COLUMN_FIXED: memset(column->values + row * column->width, 0, column->width); break;
    case LX_COLUMN_BYTES: column->offsets[row + 1] = column->offsets[row]; break;
    case LX_COLUMN_DICT: column->indexes[row] = 0; break;
    }
    column->nulls[row] = 1;
    column->rows++;
    return LX_OK;
}

static enum lx_status append_nulls(struct lx_column *column, const struct lx_column *source,
                                   int64_t from, int64_t rows)
{
    if (source->nulls == NULL && column->nulls == NULL)
        return LX_OK;
    LX_TRY(lx_column_reserve_nulls(column, (size_t)rows));
    if (source->nulls != NULL)
        memcpy(column->nulls + column->rows, source->nulls + from, (size_t)rows);
    else
        memset(column->nulls + column->rows, 0, (size_t)rows);
    return LX_OK;
}

static enum lx_status append_bytes_range(struct lx_column *column, const struct lx_column *source,
                                         size_t from, size_t rows)
{
    uint32_t first = source->offsets[from];
    size_t bytes = source->offsets[from + rows] - first;
    LX_TRY(lx_column_reserve_bytes(column, bytes));
    uint32_t *offsets = column->offsets + column->rows;
    uint32_t base = offsets[0];
    if (bytes != 0)
        memcpy(column->values + base, source->values + first, bytes);
    for (size_t i = 1; i <= rows; i++)
        offsets[i] = base + (source->offsets[from + i] - first);
    return LX_OK;
}

static enum lx_status append_expanded(struct lx_column *column, const struct lx_column *dict,
                                      const uint32_t *indexes, size_t rows)
{
    if (column->shape == LX_COLUMN_FIXED) {
        uint8_t *to = column->values + (size_t)column->rows * column->width;
        for (size_t i = 0; i < rows; i++)
            memcpy(to + i * column->width, dict->values + (size_t)indexes[i] * column->width,
                   column->width);
        return LX_OK;
    }
    size_t bytes = 0;
    for (size_t i = 0; i < rows; i++)
        bytes += dict->offsets[indexes[i] + 1] - dict->offsets[indexes[i]];
    LX_TRY(lx_column_reserve_bytes(column, bytes));
    uint32_t *offsets = column->offsets + column->rows;
    for (size_t i = 0; i < rows; i++) {
        uint32_t start = dict->offsets[indexes[i]];
        uint32_t size = dict->offsets[indexes[i] + 1] - start;
        if (size != 0)
            memcpy(column->values + offsets[i], dict->values + start, size);
        offsets[i + 1] = offsets[i] + size;
    }
    return LX_OK;
}

static bool same_values(const struct lx_column *a, const struct lx_column *b)
{
    return a->shape == b->shape && a->width == b->width;
}

enum lx_status lx_column_append_range(struct lx_column *column, const struct lx_column *source,
                                      int64_t from, int64_t rows)
{
    if (from < 0 || rows < 0 || from + rows > source->rows || column->shape == LX_COLUMN_DICT)
        return LX_E_BUG;
    const struct lx_column *plain = source->shape == LX_COLUMN_DICT ? source->dict : source;
    if (rows == 0)
        return LX_OK;
    if (!same_values(column, plain))
        return LX_E_BUG;
    LX_TRY(lx_column_reserve(column, (size_t)rows));
    LX_TRY(append_nulls(column, source, from, rows));
    if (source->shape == LX_COLUMN_DICT)
        LX_TRY(append_expanded(column, plain, source->indexes + from, (size_t)rows));
    else if (source->shape == LX_COLUMN_BYTES)
        LX_TRY(append_bytes_range(column, source, (size_t)from, (size_t)rows));
    else
        memcpy(column->values + (size_t)column->rows * column->width,
               source->values + (size_t)from * column->width, (size_t)rows * column->width);
    column->rows += rows;
    return LX_OK;
}

enum lx_status lx_column_append_rows(struct lx_column *column, const struct lx_column *source,
                                     const uint32_t *which, size_t count)
{
    if (column->shape == LX_COLUMN_DICT)
        return LX_E_BUG;
    if (count == 0)
        return LX_OK;
    const struct lx_column *plain = source->shape == LX_COLUMN_DICT ? source->dict : source;
    if (!same_values(column, plain))
        return LX_E_BUG;
    LX_TRY(lx_column_reserve(column, count));
    if (source->nulls != NULL || column->nulls != NULL) {
        LX_TRY(lx_column_reserve_nulls(column, count));
        for (size_t i = 0; i < count; i++)
            column->nulls[(size_t)column->rows + i] =
                source->nulls != NULL ? source->nulls[which[i]] : 0;
    }
    if (source->shape == LX_COLUMN_DICT) {
        uint32_t *indexes = lx_malloc(count * sizeof *indexes);
        if (indexes == NULL)
            return LX_E_MEMORY;
        for (size_t i = 0; i < count; i++)
            indexes[i] = source->indexes[which[i]];
        enum lx_status status = append_expanded(column, plain, indexes, count);
        lx_free(indexes);
        LX_TRY(status);
    } else {
        LX_TRY(append_expanded(column, plain, which, count));
    }
    column->rows += (int64_t)count;
    return LX_OK;
}

size_t lx_column_bytes(const struct lx_column *column)
{
    size_t rows = (size_t)column->rows, bytes = column->nulls != NULL ? rows : 0;
    switch (column->shape) {
    case LX_COLUMN_FIXED: return bytes + rows * column->width;
    case LX_COLUMN_BYTES:
        return bytes + rows * sizeof(uint32_t) + (rows != 0 ? column->offsets[rows] : 0);
    case LX_COLUMN_DICT: return bytes + rows * sizeof(uint32_t) + lx_column_bytes(column->dict);
    }
    return bytes;
}
