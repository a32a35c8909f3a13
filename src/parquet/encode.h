/* encode.h: values of a page to the bytes of their encoding (parquet-format Encodings.md).
 *
 * Numbers are `count` values of `width` bytes; texts are `offsets[count + 1]` into `values`. Every
 * function appends to `out`; LX_E_LIMIT where that passes its maximum. Private to the module. */
#ifndef LX_PARQUET_ENCODE_H
#define LX_PARQUET_ENCODE_H

#include "base/buf.h"

/* Texts: each behind its length as 4 bytes. */
LX_MUST_CHECK enum lx_status lx_pq_encode_plain(const uint8_t *values, const uint32_t *offsets,
                                                size_t count, struct lx_buf *out);
/* DELTA_LENGTH_BYTE_ARRAY: lengths, then all bytes. `scratch` is overwritten. */
LX_MUST_CHECK enum lx_status lx_pq_encode_delta_length(const uint8_t *values,
                                                       const uint32_t *offsets, size_t count,
                                                       struct lx_buf *scratch, struct lx_buf *out);
/* The lengths alone. */
LX_MUST_CHECK enum lx_status lx_pq_encode_lengths(const uint32_t *offsets, size_t count,
                                                  struct lx_buf *scratch, struct lx_buf *out);
/* DELTA_BYTE_ARRAY: lengths of the prefix shared with the value before, then the rest of each as
 * DELTA_LENGTH_BYTE_ARRAY. */
LX_MUST_CHECK enum lx_status lx_pq_encode_delta_bytes(const uint8_t *values,
                                                      const uint32_t *offsets, size_t count,
                                                      struct lx_buf *scratch, struct lx_buf *out);
/* BYTE_STREAM_SPLIT: first bytes of all values, second bytes, … Any width. */
LX_MUST_CHECK enum lx_status lx_pq_encode_split(const uint8_t *values, size_t width, size_t count,
                                                struct lx_buf *out);
/* The reverse, values [from, from + count) of `total`. */
void lx_pq_decode_split(const uint8_t *bytes, size_t width, size_t total, size_t from, size_t count,
                        uint8_t *values);

#endif
