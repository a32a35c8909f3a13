/* rle.h: the hybrid of run lengths and bit packing that holds levels, dictionary indexes and RLE
 * booleans (parquet-format Encodings.md, "Run Length Encoding / Bit-Packing Hybrid").
 *
 * Without the length in front and without the width byte: those belong to the callers. Private to
 * the module. Not thread-safe. */
#ifndef LX_PARQUET_RLE_H
#define LX_PARQUET_RLE_H

#include "base/buf.h"
#include "base/cursor.h"

/* Appends the runs of `count` values of at most `width` (0 to 32) bits. LX_E_MEMORY, LX_E_LIMIT. */
LX_MUST_CHECK enum lx_status lx_pq_rle_encode(const uint32_t *values, size_t count, unsigned width,
                                              struct lx_buf *out);
/* The same of bytes; NULL: `count` times `constant`. */
LX_MUST_CHECK enum lx_status lx_pq_rle_encode_bytes(const uint8_t *values, uint8_t constant,
                                                    size_t count, unsigned width,
                                                    struct lx_buf *out);

struct lx_pq_rle {
    struct lx_cursor cursor;
    unsigned width;
    size_t repeats; /* of `value`, still to come */
    uint32_t value;
    const uint8_t *packed; /* bit-packed values still to come, from a multiple of 8 on */
    size_t packed_bytes, packed_left;
    uint32_t group[8]; /* the rest of a group that was taken in part */
    unsigned group_at, group_end;
};

/* False: width above 32. The bytes must stay where they are. */
bool lx_pq_rle_open(struct lx_pq_rle *rle, const void *bytes, size_t size, unsigned width);
/* False: malformed, or fewer than `count` values are left. */
bool lx_pq_rle_read(struct lx_pq_rle *rle, uint32_t *values, size_t count);
/* Values of at most 8 bits. */
bool lx_pq_rle_read_bytes(struct lx_pq_rle *rle, uint8_t *values, size_t count);

#endif
