/* column.h: how rows pass between the modules: column by column.
 *
 * A column holds `rows` values in one of three shapes:
 *   FIXED  values[rows * width]: little-endian numbers or raw bytes of `width` (1 to 64 bytes)
 *   BYTES  offsets[rows + 1] into values: value i is values[offsets[i] .. offsets[i + 1])
 *   DICT   indexes[rows] into `dict`, a FIXED or BYTES column without NULLs that the column owns
 * NULL: nulls[i] = 1 where the column has any (else nulls == NULL). The slot of a NULL holds a
 * zero, an empty text, or any valid index.
 *
 * What the bytes mean (ClickHouse's DateTime64, Parquet's decimal, …) is known by the module that
 * made them; nothing here depends on it.
 *
 * Ownership: the struct owns its arrays, which grow and are kept by lx_column_clear for the next
 * block. Values are read directly by whoever holds the column. Not thread-safe; a column that
 * nobody changes may be read by many. */
#ifndef LX_BASE_COLUMN_H
#define LX_BASE_COLUMN_H

#include "base/buf.h"

enum lx_column_shape { LX_COLUMN_FIXED, LX_COLUMN_BYTES, LX_COLUMN_DICT };

#define LX_COLUMN_MAX_WIDTH 4096 /* FixedString(4096) is the widest FIXED; wider ones are BYTES */

struct lx_column {
    enum lx_column_shape shape;
    uint32_t width; /* FIXED only */
    int64_t rows;
    uint8_t *nulls;
    uint8_t *values;
    uint32_t *offsets;
    uint32_t *indexes;
    struct lx_column *dict;
    /* Capacities: rows of nulls / offsets - 1 / indexes, bytes of values. */
    size_t nulls_cap, values_cap, offsets_cap, indexes_cap;
};

/* Any struct may be initialised, also again: what it owned before must have been freed. */
void lx_column_init(struct lx_column *column, enum lx_column_shape shape, uint32_t width);
void lx_column_free(struct lx_column *column);  /* NULL is fine */
void lx_column_clear(struct lx_column *column); /* no rows, memory kept; a DICT keeps its dict */

/* Make room for `rows` further rows, or `bytes` further bytes of a BYTES column's values.
 * LX_E_LIMIT beyond LX_MAX_COLUMN_HEAP or 2^31 rows; LX_E_MEMORY. */
LX_MUST_CHECK enum lx_status lx_column_reserve(struct lx_column *column, size_t rows);
LX_MUST_CHECK enum lx_status lx_column_reserve_bytes(struct lx_column *column, size_t bytes);
/* An empty BYTES column's first value begins `bytes` behind the start of `values`: room for what
 * the holder puts in front. Until lx_column_clear. */
LX_MUST_CHECK enum lx_status lx_column_lead(struct lx_column *column, uint32_t bytes);
/* Gives the column NULL flags (all zero so far) if it has none, with room for `rows` more. */
LX_MUST_CHECK enum lx_status lx_column_reserve_nulls(struct lx_column *column, size_t rows);

/* One value more. FIXED: size must be width. DICT: not allowed. */
LX_MUST_CHECK enum lx_status lx_column_append(struct lx_column *column, const void *value,
                                              size_t size);
LX_MUST_CHECK enum lx_status lx_column_append_null(struct lx_column *column);
/* Rows [from, from + rows) of another column of the same width; a DICT source is expanded into a
 * FIXED or BYTES target. */
LX_MUST_CHECK enum lx_status lx_column_append_range(struct lx_column *column,
                                                    const struct lx_column *source, int64_t from,
                                                    int64_t rows);
/* The rows of `source` whose numbers `which[0 .. count)` lists, in that order. */
LX_MUST_CHECK enum lx_status lx_column_append_rows(struct lx_column *column,
                                                   const struct lx_column *source,
                                                   const uint32_t *which, size_t count);

static inline bool lx_column_is_null(const struct lx_column *column, int64_t row)
{
    return column->nulls != NULL && column->nulls[row] != 0;
}

/* The bytes of a value, dictionaries looked up. A NULL's is empty or zero: ask first. */
static inline struct lx_str lx_column_value(const struct lx_column *column, int64_t row)
{
    if (column->shape == LX_COLUMN_DICT) {
        row = column->indexes[row];
        column = column->dict;
    }
    if (column->shape == LX_COLUMN_FIXED)
        return (struct lx_str){(const char *)column->values + (size_t)row * column->width,
                               column->width};
    if (column->values == NULL) /* nothing but empty texts so far */
        return (struct lx_str){"", 0};
    return (struct lx_str){(const char *)column->values + column->offsets[row],
                           column->offsets[row + 1] - column->offsets[row]};
}

/* Bytes that the rows take in memory: for budgets and sizes of files. */
size_t lx_column_bytes(const struct lx_column *column);

#endif
