/* delta.h: DELTA_BINARY_PACKED (parquet-format Encodings.md, "Delta Encoding"): differences in
 * blocks of 128, packed in 4 miniblocks of 32. The arithmetic wraps at the type's width.
 *
 * Private to the module. Not thread-safe. */
#ifndef LX_PARQUET_DELTA_H
#define LX_PARQUET_DELTA_H

#include "base/buf.h"
#include "base/cursor.h"

/* Appends the encoded values. LX_E_MEMORY, LX_E_LIMIT. */
LX_MUST_CHECK enum lx_status lx_pq_delta_encode32(const int32_t *values, size_t count,
                                                  struct lx_buf *out);
LX_MUST_CHECK enum lx_status lx_pq_delta_encode64(const int64_t *values, size_t count,
                                                  struct lx_buf *out);

#define LX_PQ_DELTA_MINIBLOCKS 256      /* most of one block that are read */
#define LX_PQ_DELTA_BLOCK_MAX (1 << 20) /* most values of one block that are read */

struct lx_pq_delta {
    struct lx_cursor cursor;
    uint64_t left;  /* values still to come */
    uint64_t value; /* the one before */
    uint64_t min_delta;
    uint32_t miniblocks, per_miniblock; /* of a block; values of a miniblock */
    uint32_t miniblock;                 /* the current one */
    uint32_t miniblock_left;            /* its values that are not unpacked yet */
    bool first;                         /* the first value is still to come */
    uint8_t widths[LX_PQ_DELTA_MINIBLOCKS];
    uint64_t ready[32]; /* differences unpacked and not yet taken */
    unsigned ready_at, ready_end;
};

/* False: malformed. The bytes must stay where they are. */
bool lx_pq_delta_open(struct lx_pq_delta *delta, const void *bytes, size_t size);
/* The next values; false: malformed, or fewer than `count` are left. */
bool lx_pq_delta_read32(struct lx_pq_delta *delta, int32_t *values, size_t count);
bool lx_pq_delta_read64(struct lx_pq_delta *delta, int64_t *values, size_t count);
/* Where the encoded values end: for a freshly opened decoder, which is left as it is. Cost: one
 * step a miniblock. False: malformed. */
bool lx_pq_delta_end(const struct lx_pq_delta *delta, const uint8_t **end);

#endif
