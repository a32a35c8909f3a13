#include "parquet/stats.h"

#include "base/alloc.h"
#include "base/utf8.h"

#include <math.h>

/* -- extremes ------------------------------------------------------------------------------ */

static struct lx_str fixed_at(const struct lx_column *column, int64_t row)
{
    return (struct lx_str){(const char *)column->values + (size_t)row * column->width,
                           column->width};
}

#define NUMBERS(type)                                                                              \
    static void numbers_##type(const struct lx_column *column, int64_t count,                      \
                               struct lx_pq_extremes *extremes)                                    \
    {                                                                                              \
        const type *values = (const type *)(const void *)column->values;                           \
        type least = values[0], most = values[0];                                                  \
        for (int64_t i = 1; i < count; i++) {                                                      \
            least = values[i] < least ? values[i] : least;                                         \
            most = values[i] > most ? values[i] : most;                                            \
        }                                                                                          \
        int64_t at_least = 0, at_most = 0; /* found again, so that the fast loop stays simple */   \
        while (values[at_least] != least)                                                          \
            at_least++;                                                                            \
        while (values[at_most] != most)                                                            \
            at_most++;                                                                             \
        extremes->min = fixed_at(column, at_least);                                                \
        extremes->max = fixed_at(column, at_most);                                                 \
        extremes->found = true;                                                                    \
    }

NUMBERS(uint8_t)
NUMBERS(int32_t)
NUMBERS(uint32_t)
NUMBERS(int64_t)
NUMBERS(uint64_t)

#define FLOATS(type)                                                                               \
    static void floats_##type(const struct lx_column *column, int64_t count,                       \
                              struct lx_pq_extremes *extremes)                                     \
    {                                                                                              \
        const type *values = (const type *)(const void *)column->values;                           \
        int64_t at_least = -1, at_most = -1, nans = 0;                                             \
        type least = 0, most = 0;                                                                  \
        for (int64_t i = 0; i < count; i++) {                                                      \
            if (isnan(values[i])) {                                                                \
                nans++;                                                                            \
                continue;                                                                          \
            }                                                                                      \
            if (at_least < 0 || values[i] < least)                                                 \
                least = values[i], at_least = i;                                                   \
            if (at_most < 0 || values[i] > most)                                                   \
                most = values[i], at_most = i;                                                     \
        }                                                                                          \
        extremes->nan_count = nans;                                                                \
        extremes->found = at_least >= 0;                                                           \
        if (extremes->found) {                                                                     \
            extremes->min = fixed_at(column, at_least);                                            \
            extremes->max = fixed_at(column, at_most);                                             \
        }                                                                                          \
    }

FLOATS(float)
FLOATS(double)

/* The first 16 bytes as two numbers that compare like them; a shorter text is filled with zeros.
 * Eight are too few: JSON texts of one kind begin alike. */
struct text_key {
    uint64_t first, second;
};

static inline struct text_key text_key(struct lx_str text)
{
    struct text_key key = {0, 0};
    uint8_t bytes[16] = {0};
    const void *from = text.ptr;
    if (text.len < sizeof bytes) {
        if (text.len != 0)
            memcpy(bytes, text.ptr, text.len);
        from = bytes;
    }
    memcpy(&key, from, sizeof key);
    key.first = __builtin_bswap64(key.first);
    key.second = __builtin_bswap64(key.second);
    return key;
}

#define AHEAD 16 /* texts, whose beginnings are fetched before they are asked for */

static inline bool key_below(struct text_key a, struct text_key b)
{
    return a.first != b.first ? a.first < b.first : a.second < b.second;
}

static void others(enum lx_pq_order order, const struct lx_column *column, int64_t count,
                   struct lx_pq_extremes *extremes)
{
    struct lx_str min = lx_column_value(column, 0), max = min;
    bool keyed = order == LX_PQ_ORDER_BYTES;
    struct text_key min_key = text_key(min), max_key = min_key;
    for (int64_t i = 1; i < count; i++) {
        if (column->values != NULL && column->shape == LX_COLUMN_BYTES && i + AHEAD < count)
            __builtin_prefetch(column->values + column->offsets[i + AHEAD]);
        struct lx_str value = lx_column_value(column, i);
        struct text_key key = text_key(value);
        if (keyed && key_below(min_key, key) && key_below(key, max_key))
            continue;
        if (lx_pq_compare(order, value, min) < 0) {
            min = value;
            min_key = key;
        } else if (lx_pq_compare(order, value, max) > 0) {
            max = value;
            max_key = key;
        }
    }
    extremes->found = true;
    extremes->min = min;
    extremes->max = max;
}

void lx_pq_extremes_of(enum lx_pq_order order, const struct lx_column *column, int64_t count,
                       struct lx_pq_extremes *extremes)
{
    *extremes = (struct lx_pq_extremes){.found = false};
    if (count == 0)
        return;
    switch (order) {
    case LX_PQ_ORDER_NONE: return;
    case LX_PQ_ORDER_BOOL: numbers_uint8_t(column, count, extremes); return;
    case LX_PQ_ORDER_I32: numbers_int32_t(column, count, extremes); return;
    case LX_PQ_ORDER_U32: numbers_uint32_t(column, count, extremes); return;
    case LX_PQ_ORDER_I64: numbers_int64_t(column, count, extremes); return;
    case LX_PQ_ORDER_U64: numbers_uint64_t(column, count, extremes); return;
    case LX_PQ_ORDER_FLOAT: floats_float(column, count, extremes); return;
    case LX_PQ_ORDER_DOUBLE: floats_double(column, count, extremes); return;
    case LX_PQ_ORDER_BYTES:
    case LX_PQ_ORDER_DECIMAL: others(order, column, count, extremes); return;
    }
}

static bool is_nan(enum lx_pq_order order, struct lx_str value)
{
    float f;
    double d;
    if (order == LX_PQ_ORDER_FLOAT)
        return memcpy(&f, value.ptr, sizeof f), isnan(f);
    if (order == LX_PQ_ORDER_DOUBLE)
        return memcpy(&d, value.ptr, sizeof d), isnan(d);
    return false;
}

void lx_pq_extremes_of_ids(enum lx_pq_order order, const struct lx_column *dictionary,
                           const uint32_t *ids, int64_t count, uint8_t *seen,
                           struct lx_pq_extremes *extremes)
{
    *extremes = (struct lx_pq_extremes){.found = false};
    if (order == LX_PQ_ORDER_NONE)
        return;
    for (int64_t i = 0; i < count; i++) {
        if (seen[ids[i]] == 1)
            continue;
        if (seen[ids[i]] == 2) {
            extremes->nan_count++;
            continue;
        }
        struct lx_str value = lx_column_value(dictionary, ids[i]);
        if (is_nan(order, value)) {
            seen[ids[i]] = 2;
            extremes->nan_count++;
            continue;
        }
        seen[ids[i]] = 1;
        if (!extremes->found || lx_pq_compare(order, value, extremes->min) < 0)
            extremes->min = value;
        if (!extremes->found || lx_pq_compare(order, value, extremes->max) > 0)
            extremes->max = value;
        extremes->found = true;
    }
    for (int64_t i = 0; i < count; i++)
        seen[ids[i]] = 0;
}

/* -- bounds -------------------------------------------------------------------------------- */

/* Start of the last character of valid UTF-8. */
static size_t last_character(const uint8_t *text, size_t size)
{
    size_t at = size - 1;
    while (at > 0 && (text[at] & 0xc0) == 0x80)
        at--;
    return at;
}

/* The character behind this one in code point order, written over it; 0: there is none. */
static size_t next_character(uint8_t *at, size_t size)
{
    static const uint8_t head_bits[5] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    static const uint8_t heads[5] = {0, 0, 0xc0, 0xe0, 0xf0};
    uint32_t code = at[0] & head_bits[size];
    for (size_t i = 1; i < size; i++)
        code = code << 6 | (at[i] & 0x3f);
    code++;
    if (code == 0xd800)
        code = 0xe000; /* surrogates are no characters */
    if (code > 0x10ffff)
        return 0;
    size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length; i-- > 1; code >>= 6)
        at[i] = (uint8_t)(0x80 | (code & 0x3f));
    at[0] = (uint8_t)(heads[length] | code);
    return length;
}

/* Raises a cut text so that it lies above everything that starts with it; its new length, 0: it
 * cannot be. The buffer has 4 bytes of room. */
static size_t raise_text(uint8_t *text, size_t size, bool is_text)
{
    while (size > 0) {
        size_t at = is_text ? last_character(text, size) : size - 1;
        if (is_text) {
            size_t length = next_character(text + at, size - at);
            if (length != 0)
                return at + length;
        } else if (text[at] != 0xff) {
            text[at]++;
            return size;
        }
        size = at;
    }
    return 0;
}

/* Where to cut a text of more than `max` bytes. */
static size_t cut_at(struct lx_str text, size_t max, bool *is_text)
{
    size_t whole = lx_utf8_valid_prefix((const uint8_t *)text.ptr, max);
    /* Not UTF-8 in its start: cut as bytes. A character that is split by the cut has at most 3
     * bytes here. */
    if (*is_text && whole + 3 >= max && whole > 0)
        return whole;
    *is_text = false;
    return max;
}

static struct lx_str widen_zero(enum lx_pq_order order, struct lx_str value, bool is_min)
{
    static const float float_zeros[2] = {0.0f, -0.0f};
    static const double double_zeros[2] = {0.0, -0.0};
    float f;
    double d;
    if (order == LX_PQ_ORDER_FLOAT && (memcpy(&f, value.ptr, sizeof f), f == 0.0f))
        return (struct lx_str){(const char *)&float_zeros[is_min], sizeof f};
    if (order == LX_PQ_ORDER_DOUBLE && (memcpy(&d, value.ptr, sizeof d), d == 0.0))
        return (struct lx_str){(const char *)&double_zeros[is_min], sizeof d};
    return value;
}

enum lx_status lx_pq_bounds_take(struct lx_pq_bounds *bounds, enum lx_pq_order order,
                                 const struct lx_pq_extremes *extremes, size_t max_bytes,
                                 bool can_cut, bool is_text)
{
    *bounds = (struct lx_pq_bounds){.memory = NULL};
    if (!extremes->found)
        return LX_OK;
    struct lx_str min = widen_zero(order, extremes->min, true);
    struct lx_str max = widen_zero(order, extremes->max, false);
    bool min_exact = min.len <= max_bytes, max_exact = max.len <= max_bytes;
    if (!can_cut && (!min_exact || !max_exact))
        return LX_OK;
    bool min_is_text = is_text, max_is_text = is_text;
    size_t min_len = min_exact ? min.len : cut_at(min, max_bytes, &min_is_text);
    size_t max_len = max_exact ? max.len : cut_at(max, max_bytes, &max_is_text);
    uint8_t *memory = lx_malloc(min_len + max_len + 4);
    if (memory == NULL)
        return LX_E_MEMORY;
    if (min_len != 0)
        memcpy(memory, min.ptr, min_len);
    if (max_len != 0)
        memcpy(memory + min_len, max.ptr, max_len);
    if (!max_exact)
        max_len = raise_text(memory + min_len, max_len, max_is_text);
    bounds->memory = memory;
    bounds->view = (struct lx_parquet_bounds){
        .has_min = true,
        .has_max = max_exact || max_len > 0,
        .min_exact = min_exact,
        .max_exact = max_exact,
        .min = {(const char *)memory, min_len},
        .max = {(const char *)memory + min_len, max_len},
    };
    return LX_OK;
}

enum lx_status lx_pq_bounds_merge(struct lx_pq_bounds *bounds, enum lx_pq_order order,
                                  const struct lx_parquet_bounds *other, bool first)
{
    struct lx_parquet_bounds merged = first ? *other : bounds->view;
    if (!first) {
        merged.has_min = merged.has_min && other->has_min;
        merged.has_max = merged.has_max && other->has_max;
        if (merged.has_min && lx_pq_compare(order, other->min, merged.min) < 0) {
            merged.min = other->min;
            merged.min_exact = other->min_exact;
        }
        if (merged.has_max && lx_pq_compare(order, other->max, merged.max) > 0) {
            merged.max = other->max;
            merged.max_exact = other->max_exact;
        }
    }
    size_t min_len = merged.has_min ? merged.min.len : 0;
    size_t max_len = merged.has_max ? merged.max.len : 0;
    uint8_t *memory = lx_malloc(min_len + max_len);
    if (memory == NULL)
        return LX_E_MEMORY;
    if (min_len != 0)
        memcpy(memory, merged.min.ptr, min_len);
    if (max_len != 0)
        memcpy(memory + min_len, merged.max.ptr, max_len);
    lx_free(bounds->memory);
    merged.min = (struct lx_str){(const char *)memory, min_len};
    merged.max = (struct lx_str){(const char *)memory + min_len, max_len};
    *bounds = (struct lx_pq_bounds){merged, memory};
    return LX_OK;
}

void lx_pq_bounds_free(struct lx_pq_bounds *bounds)
{
    lx_free(bounds->memory);
    *bounds = (struct lx_pq_bounds){.memory = NULL};
}
