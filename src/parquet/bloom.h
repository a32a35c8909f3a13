/* bloom.h: split block Bloom filters with XXH64 (parquet-format BloomFilter.md).
 *
 * Private to the module. Thread-safe: nothing is kept. */
#ifndef LX_PARQUET_BLOOM_H
#define LX_PARQUET_BLOOM_H

#include "base/column.h"

#define LX_PQ_BLOOM_BLOCK 32                        /* bytes */
#define LX_PQ_BLOOM_MAX ((size_t)128 * 1024 * 1024) /* more is refused by other readers */

/* Of a value's plain bytes, without a length in front. */
uint64_t lx_pq_bloom_hash(struct lx_str value);
/* Hashes of `count` dense values. */
void lx_pq_bloom_hashes(const struct lx_column *column, int64_t count, uint64_t *hashes);
/* Roughly how many distinct hashes there are (within some per cent). */
double lx_pq_bloom_distinct(const uint64_t *hashes, size_t count);
/* Size for so many values: the power of two that is nearest to bits_per_value, at most max_bytes.
 * Powers of two, because some readers take nothing else. */
size_t lx_pq_bloom_size(double distinct, double bits_per_value, size_t max_bytes);
void lx_pq_bloom_insert(uint8_t *filter, size_t bytes, const uint64_t *hashes, size_t count);
/* Where the hash's block is. */
size_t lx_pq_bloom_block(size_t bytes, uint64_t hash);
bool lx_pq_bloom_block_has(const uint8_t block[LX_PQ_BLOOM_BLOCK], uint64_t hash);

#endif
