/* dictionary.h: the distinct values of a column, numbered in the order they came.
 *
 * Private to the module. Not thread-safe; one that nobody changes may be read by many. */
#ifndef LX_PARQUET_DICTIONARY_H
#define LX_PARQUET_DICTIONARY_H

#include "base/column.h"

struct lx_pq_slot;

struct lx_pq_dictionary {
    struct lx_column values; /* FIXED or BYTES; value of number i is row i */
    struct lx_pq_slot *slots;
    size_t slot_count; /* a power of two, or 0 */
    size_t bytes;      /* as a PLAIN dictionary page */
    size_t max_bytes;
};

/* width: 0 for BYTES. */
void lx_pq_dictionary_init(struct lx_pq_dictionary *dictionary, uint32_t width, size_t max_bytes);
void lx_pq_dictionary_free(struct lx_pq_dictionary *dictionary);
void lx_pq_dictionary_clear(struct lx_pq_dictionary *dictionary); /* keeps memory */

/* Numbers of the rows [from, from + rows) of a FIXED or BYTES column, new values taken in.
 * *done: rows numbered; fewer than asked where the next value would pass max_bytes.
 * LX_E_MEMORY, LX_E_LIMIT (2^31 values). */
LX_MUST_CHECK enum lx_status lx_pq_dictionary_add(struct lx_pq_dictionary *dictionary,
                                                  const struct lx_column *column, int64_t from,
                                                  int64_t rows, uint32_t *ids, int64_t *done);
/* Forgets all values from this number on; nothing may be added before the next clear. */
void lx_pq_dictionary_truncate(struct lx_pq_dictionary *dictionary, int64_t count);

static inline int64_t lx_pq_dictionary_count(const struct lx_pq_dictionary *dictionary)
{
    return dictionary->values.rows;
}

#endif
