/* ch_rowhash.c: ClickHouse's xxh3(tuple(…)) of rows, computed here (docs/rowhash.md).
 *
 * A value's hash is XXH3_64bits (xxHash 0.8, seed 0) of its bytes as Native has them; hashes are
 * chained by CityHash's Hash128to64. A column at a time: the width is decided once, and each value
 * of a dictionary is hashed once. What this file computes must never change: it is the proof. */
#include "base/alloc.h"
#include "clickhouse/clickhouse.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* The hash of no columns at all. */
#define HASH_OF_NOTHING 16324913028386710556u

static inline uint64_t combine(uint64_t first, uint64_t second)
{
    const uint64_t m = 0x9ddfea08eb382d69u;
    uint64_t a = (first ^ second) * m;
    a ^= a >> 47;
    uint64_t b = (second ^ a) * m;
    b ^= b >> 47;
    return b * m;
}

/* The first column begins the chain, later ones go on with it. */
static inline void chain(uint64_t *hashes, int64_t row, uint64_t hash, bool first)
{
    hashes[row] = first ? hash : combine(hashes[row], hash);
}

/* With a constant width the compiler leaves of XXH3 only what that width needs. */
static inline __attribute__((always_inline)) void chain_fixed(const struct lx_column *column,
                                                              size_t width, int64_t rows,
                                                              uint64_t *hashes, bool first)
{
    const uint8_t *value = column->values, *nulls = column->nulls;
    for (int64_t i = 0; i < rows; i++, value += width) {
        uint64_t hash =
            nulls != NULL && nulls[i] != 0 ? LX_CH_HASH_NULL : XXH3_64bits(value, width);
        chain(hashes, i, hash, first);
    }
}

static void hash_fixed(const struct lx_column *column, int64_t rows, uint64_t *hashes, bool first)
{
    switch (column->width) {
    case 1: chain_fixed(column, 1, rows, hashes, first); break;
    case 2: chain_fixed(column, 2, rows, hashes, first); break;
    case 4: chain_fixed(column, 4, rows, hashes, first); break;
    case 8: chain_fixed(column, 8, rows, hashes, first); break;
    case 16: chain_fixed(column, 16, rows, hashes, first); break;
    case 32: chain_fixed(column, 32, rows, hashes, first); break;
    default: chain_fixed(column, column->width, rows, hashes, first); break;
    }
}

static void hash_bytes(const struct lx_column *column, int64_t rows, uint64_t *hashes, bool first)
{
    const uint32_t *offsets = column->offsets;
    const uint8_t *nulls = column->nulls;
    for (int64_t i = 0; i < rows; i++) {
        uint64_t hash = nulls != NULL && nulls[i] != 0
                            ? LX_CH_HASH_NULL
                            : XXH3_64bits(column->values + offsets[i], offsets[i + 1] - offsets[i]);
        chain(hashes, i, hash, first);
    }
}

static void hash_plain(const struct lx_column *column, int64_t rows, uint64_t *hashes, bool first)
{
    if (column->shape == LX_COLUMN_FIXED)
        hash_fixed(column, rows, hashes, first);
    else
        hash_bytes(column, rows, hashes, first);
}

static enum lx_status hash_dict(const struct lx_column *column, int64_t rows, uint64_t *hashes,
                                bool first)
{
    const struct lx_column *dict = column->dict;
    uint64_t *of_entry = lx_malloc((size_t)dict->rows * sizeof *of_entry);
    if (of_entry == NULL)
        return LX_E_MEMORY;
    hash_plain(dict, dict->rows, of_entry, true);
    for (int64_t i = 0; i < rows; i++) {
        uint64_t hash =
            lx_column_is_null(column, i) ? LX_CH_HASH_NULL : of_entry[column->indexes[i]];
        chain(hashes, i, hash, first);
    }
    lx_free(of_entry);
    return LX_OK;
}

static enum lx_status hash_column(const struct lx_ch_hash_input *input, int64_t rows,
                                  uint64_t *hashes, bool first)
{
    if (input->ready != NULL) {
        for (int64_t i = 0; i < rows; i++)
            chain(hashes, i, input->ready[i], first);
        return LX_OK;
    }
    if (input->values == NULL || input->values->rows != rows)
        return LX_E_BUG;
    if (input->values->shape == LX_COLUMN_DICT && rows > 0)
        return hash_dict(input->values, rows, hashes, first);
    if (rows > 0)
        hash_plain(input->values, rows, hashes, first);
    return LX_OK;
}

enum lx_status lx_ch_hash_chain(const struct lx_ch_hash_input *columns, size_t count, int64_t rows,
                                bool begun, uint64_t *hashes)
{
    for (size_t i = 0; i < count; i++)
        LX_TRY(hash_column(&columns[i], rows, hashes, !begun && i == 0));
    return LX_OK;
}

enum lx_status lx_ch_hash_rows(const struct lx_ch_hash_input *columns, size_t count, int64_t rows,
                               uint64_t *hashes)
{
    for (int64_t i = 0; count == 0 && i < rows; i++)
        hashes[i] = HASH_OF_NOTHING;
    return lx_ch_hash_chain(columns, count, rows, false, hashes);
}

uint64_t lx_ch_hash_value(const void *bytes, size_t size)
{
    return XXH3_64bits(bytes, size);
}

uint64_t lx_ch_hash_combine(uint64_t first, uint64_t second)
{
    return combine(first, second);
}
