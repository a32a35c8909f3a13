#include "parquet/dictionary.h"

#include "base/alloc.h"

#include <assert.h>
#include <xxhash.h>

/* Open addressing, linear probing, at most half full. The hash beside the number keeps most wrong
 * candidates from touching the values. */
struct lx_pq_slot {
    uint32_t hash;
    uint32_t id; /* number + 1; 0: empty */
};

#define SLOTS_MIN ((size_t)1024)

void lx_pq_dictionary_init(struct lx_pq_dictionary *dictionary, uint32_t width, size_t max_bytes)
{
    *dictionary = (struct lx_pq_dictionary){.max_bytes = max_bytes};
    lx_column_init(&dictionary->values, width != 0 ? LX_COLUMN_FIXED : LX_COLUMN_BYTES, width);
}

void lx_pq_dictionary_free(struct lx_pq_dictionary *dictionary)
{
    lx_column_free(&dictionary->values);
    lx_free(dictionary->slots);
    dictionary->slots = NULL;
    dictionary->slot_count = dictionary->bytes = 0;
}

void lx_pq_dictionary_clear(struct lx_pq_dictionary *dictionary)
{
    lx_column_clear(&dictionary->values);
    if (dictionary->slots != NULL)
        memset(dictionary->slots, 0, dictionary->slot_count * sizeof *dictionary->slots);
    dictionary->bytes = 0;
}

void lx_pq_dictionary_truncate(struct lx_pq_dictionary *dictionary, int64_t count)
{
    struct lx_column *values = &dictionary->values;
    assert(count <= values->rows);
    values->rows = count;
    dictionary->bytes = values->shape == LX_COLUMN_FIXED
                            ? (size_t)count * values->width
                            : (count != 0 ? values->offsets[count] : 0) + (size_t)count * 4;
}

/* Two rounds of multiply and shift: enough mixing for numbers, a few cycles. */
static inline uint32_t hash_number(uint64_t value)
{
    value = (value ^ value >> 32) * 0x9e3779b97f4a7c15;
    value = (value ^ value >> 29) * 0xbf58476d1ce4e5b9;
    return (uint32_t)(value >> 32);
}

static inline uint32_t hash_text(const void *bytes, size_t size)
{
    uint64_t hash = XXH3_64bits(bytes, size);
    return (uint32_t)(hash ^ hash >> 32);
}

static enum lx_status grow(struct lx_pq_dictionary *dictionary)
{
    size_t count = dictionary->slot_count != 0 ? dictionary->slot_count * 4 : SLOTS_MIN;
    struct lx_pq_slot *slots = lx_calloc(count, sizeof *slots);
    if (slots == NULL)
        return LX_E_MEMORY;
    for (size_t i = 0; i < dictionary->slot_count; i++) {
        struct lx_pq_slot slot = dictionary->slots[i];
        size_t at = slot.hash & (count - 1);
        if (slot.id == 0)
            continue;
        while (slots[at].id != 0)
            at = (at + 1) & (count - 1);
        slots[at] = slot;
    }
    lx_free(dictionary->slots);
    dictionary->slots = slots;
    dictionary->slot_count = count;
    return LX_OK;
}

/* A new value behind the others. false in *fits: it would pass max_bytes. */
static enum lx_status take_in(struct lx_pq_dictionary *dictionary, struct lx_pq_slot *slot,
                              uint32_t hash, const void *value, size_t size, bool *fits)
{
    size_t bytes = size + (dictionary->values.shape == LX_COLUMN_BYTES ? 4 : 0);
    *fits = bytes <= dictionary->max_bytes - dictionary->bytes;
    if (!*fits)
        return LX_OK;
    LX_TRY(lx_column_append(&dictionary->values, value, size));
    dictionary->bytes += bytes;
    *slot = (struct lx_pq_slot){hash, (uint32_t)dictionary->values.rows};
    return LX_OK;
}

static inline bool is_crowded(const struct lx_pq_dictionary *dictionary)
{
    return (size_t)dictionary->values.rows * 2 >= dictionary->slot_count;
}

/* The loop for numbers of 4 or 8 bytes: `width` is a constant where it is inlined. */
static inline __attribute__((always_inline)) enum lx_status
add_numbers(struct lx_pq_dictionary *dictionary, const uint8_t *values, size_t width, int64_t rows,
            uint32_t *ids, int64_t *done)
{
    uint64_t last = 0;
    uint32_t last_id = UINT32_MAX;
    for (int64_t i = 0; i < rows; i++) {
        uint64_t value = 0;
        memcpy(&value, values + (size_t)i * width, width);
        if (value == last && last_id != UINT32_MAX) {
            ids[i] = last_id;
            continue;
        }
        if (is_crowded(dictionary))
            LX_TRY(grow(dictionary));
        uint32_t hash = hash_number(value);
        size_t mask = dictionary->slot_count - 1, at = hash & mask;
        for (;; at = (at + 1) & mask) {
            struct lx_pq_slot *slot = &dictionary->slots[at];
            if (slot->id == 0) {
                bool fits;
                LX_TRY(take_in(dictionary, slot, hash, &value, width, &fits));
                if (!fits) {
                    *done = i;
                    return LX_OK;
                }
            } else if (slot->hash != hash ||
                       memcmp(dictionary->values.values + (size_t)(slot->id - 1) * width, &value,
                              width) != 0) {
                continue;
            }
            last = value;
            last_id = ids[i] = slot->id - 1;
            break;
        }
    }
    *done = rows;
    return LX_OK;
}

static enum lx_status add_texts(struct lx_pq_dictionary *dictionary, const struct lx_column *column,
                                int64_t from, int64_t rows, uint32_t *ids, int64_t *done)
{
    struct lx_str last = {"", 0};
    uint32_t last_id = UINT32_MAX;
    for (int64_t i = 0; i < rows; i++) {
        struct lx_str value = lx_column_value(column, from + i);
        if (last_id != UINT32_MAX && lx_str_equal(value, last)) {
            ids[i] = last_id;
            continue;
        }
        if (is_crowded(dictionary))
            LX_TRY(grow(dictionary));
        uint32_t hash = hash_text(value.ptr, value.len);
        size_t mask = dictionary->slot_count - 1, at = hash & mask;
        for (;; at = (at + 1) & mask) {
            struct lx_pq_slot *slot = &dictionary->slots[at];
            if (slot->id == 0) {
                bool fits;
                LX_TRY(take_in(dictionary, slot, hash, value.ptr, value.len, &fits));
                if (!fits) {
                    *done = i;
                    return LX_OK;
                }
            } else if (slot->hash != hash ||
                       !lx_str_equal(lx_column_value(&dictionary->values, slot->id - 1), value)) {
                continue;
            }
            last = value;
            last_id = ids[i] = slot->id - 1;
            break;
        }
    }
    *done = rows;
    return LX_OK;
}

enum lx_status lx_pq_dictionary_add(struct lx_pq_dictionary *dictionary,
                                    const struct lx_column *column, int64_t from, int64_t rows,
                                    uint32_t *ids, int64_t *done)
{
    const struct lx_column *own = &dictionary->values;
    assert(column->shape == own->shape && column->width == own->width);
    if (own->shape == LX_COLUMN_FIXED) {
        const uint8_t *values = column->values + (size_t)from * column->width;
        if (own->width == 4)
            return add_numbers(dictionary, values, 4, rows, ids, done);
        if (own->width == 8)
            return add_numbers(dictionary, values, 8, rows, ids, done);
    }
    return add_texts(dictionary, column, from, rows, ids, done);
}
