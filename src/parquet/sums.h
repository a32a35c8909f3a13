/* sums.h: checksums of what Parquet leaves without any: page headers and page indexes.
 *
 * The format knows a CRC of each page's body only. A header that was changed in one byte may turn a
 * page into another one. So files of this writer carry, as a key-value pair that other readers
 * skip, the CRC-32 of each page header and of each index: base64 over, for each row group and each
 * leaf, number of page headers (LEB128), their CRCs in file order (4 bytes each, little-endian),
 * CRC of the column index, CRC of the offset index (0 where there is none). The pair itself is
 * under the footer's checksum (metadata.h). Private to the module. */
#ifndef LX_PARQUET_SUMS_H
#define LX_PARQUET_SUMS_H

#include "parquet/arena.h"

#define LX_PQ_SUMS_KEY "lynex.pages.crc32"

struct lx_pq_chunk_sums {
    uint32_t *headers;
    size_t count;
    uint32_t column_index, offset_index;
};

/* Appends the text of `count` chunks. */
LX_MUST_CHECK enum lx_status lx_pq_sums_write(const struct lx_pq_chunk_sums *chunks, size_t count,
                                              struct lx_buf *text);
/* The reverse. LX_E_FORMAT: not the sums of so many chunks; LX_E_LIMIT: the arena is full;
 * LX_E_MEMORY. */
LX_MUST_CHECK enum lx_status lx_pq_sums_read(struct lx_pq_arena *arena, struct lx_str text,
                                             size_t count, struct lx_pq_chunk_sums **chunks);

#endif
