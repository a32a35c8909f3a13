/* decode.h: values of one page out of the bytes of their encoding (parquet-format Encodings.md).
 *
 * A decoder reads forward in pieces of any size and may stop before a value that would make the
 * output too large. Private to the module. Not thread-safe. */
#ifndef LX_PARQUET_DECODE_H
#define LX_PARQUET_DECODE_H

#include "parquet/budget.h"
#include "parquet/delta.h"
#include "parquet/parquet.h"
#include "parquet/rle.h"

#define LX_PQ_DECODE_BLOCK 512 /* lengths or numbers read ahead */

struct lx_pq_decoder {
    enum lx_parquet_encoding encoding;
    enum lx_parquet_physical physical;
    uint32_t width; /* 0: BYTE_ARRAY */
    const struct lx_column *dictionary;
    struct lx_cursor bytes;       /* PLAIN; texts of DELTA_*; BYTE_STREAM_SPLIT */
    size_t bit, bits;             /* PLAIN booleans: the next one, how many */
    size_t split_at, split_total; /* BYTE_STREAM_SPLIT */
    struct lx_pq_rle rle;         /* booleans, numbers of a dictionary */
    struct lx_pq_delta numbers;   /* DELTA_BINARY_PACKED; lengths */
    struct lx_pq_delta prefixes;  /* DELTA_BYTE_ARRAY */
    struct lx_pq_area last;       /* its value before */
    size_t last_size;
    /* Read ahead and not yet used: lengths, prefixes, or numbers of a dictionary. */
    int32_t lengths[LX_PQ_DECODE_BLOCK], shared[LX_PQ_DECODE_BLOCK];
    uint32_t ids[LX_PQ_DECODE_BLOCK];
    size_t block_at, block_end;
    int64_t left; /* values that were promised and not yet read ahead */
};

/* The bytes and the dictionary must stay where they are. `values`: how many there are.
 * LX_E_FORMAT, LX_E_UNSUPPORTED; *why: static text. Budget: for `last`. */
LX_MUST_CHECK enum lx_status
lx_pq_decoder_open(struct lx_pq_decoder *decoder, enum lx_parquet_encoding encoding,
                   const struct lx_parquet_field *field, const void *bytes, size_t size,
                   int64_t values, const struct lx_column *dictionary, const char **why);

/* Exactly `count` values of FIXED width, dictionaries looked up. LX_E_FORMAT, LX_E_MEMORY, …. */
LX_MUST_CHECK enum lx_status lx_pq_decode_fixed(struct lx_pq_decoder *decoder, uint8_t *values,
                                                size_t count);
/* Numbers of a dictionary, each within it. Not after lx_pq_decode_texts. */
LX_MUST_CHECK enum lx_status lx_pq_decode_ids(struct lx_pq_decoder *decoder, uint32_t *ids,
                                              size_t count);
/* Appends texts to a BYTES column: `count`, or fewer where they would hold more than `soft` bytes
 * together (but one at least). *done: how many. */
LX_MUST_CHECK enum lx_status lx_pq_decode_texts(struct lx_pq_decoder *decoder,
                                                struct lx_pq_budget *budget,
                                                struct lx_column *column, size_t count, size_t soft,
                                                size_t *done);
/* Do the page's texts lie one behind the other, as a column has them? Then they need no copy: */
bool lx_pq_decoder_lends(const struct lx_pq_decoder *decoder);
/* lx_pq_decode_texts of offsets alone, which go on from the column's last one: the values begin at
 * what decoder->bytes.pos was before the first call for the column, and stay the page's. */
LX_MUST_CHECK enum lx_status lx_pq_lend_texts(struct lx_pq_decoder *decoder,
                                              struct lx_pq_budget *budget, struct lx_column *column,
                                              size_t count, size_t soft, size_t *done);
/* All values were read: is nothing left over? `strict`: also in encodings where some writers leave
 * something. */
bool lx_pq_decoder_is_spent(const struct lx_pq_decoder *decoder, bool strict);

#endif
