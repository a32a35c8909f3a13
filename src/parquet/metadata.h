/* metadata.h: Parquet's Thrift structs as plain structs: footer, page headers, indexes, filters
 * (parquet-format, src/main/thrift/parquet.thrift).
 *
 * Private to the module. Not thread-safe. */
#ifndef LX_PARQUET_METADATA_H
#define LX_PARQUET_METADATA_H

#include "parquet/arena.h"
#include "parquet/parquet.h"

#define LX_PQ_MAGIC "PAR1"
#define LX_PQ_TAIL_BYTES 8 /* footer length, magic */

/* -- page headers -------------------------------------------------------------------------- */

enum lx_pq_page_type {
    LX_PQ_DATA_PAGE = 0,
    LX_PQ_INDEX_PAGE = 1,
    LX_PQ_DICTIONARY_PAGE = 2,
    LX_PQ_DATA_PAGE_V2 = 3
};

struct lx_pq_page_header {
    enum lx_pq_page_type type;
    int32_t raw_bytes, bytes; /* of the body, before and after compression */
    bool has_crc;
    uint32_t crc;
    int32_t values; /* levels: with NULLs */
    enum lx_parquet_encoding encoding;
    enum lx_parquet_encoding definition_encoding, repetition_encoding; /* version 1 */
    int32_t nulls, rows;                                               /* version 2 */
    int32_t definition_bytes, repetition_bytes;                        /* version 2 */
    bool is_compressed;                                                /* version 2 */
};

#define LX_PQ_PAGE_HEADER_MAX (1024 * 1024) /* a header may carry bounds of any length */

LX_MUST_CHECK enum lx_status lx_pq_page_header_write(const struct lx_pq_page_header *header,
                                                     struct lx_buf *out);
enum lx_pq_header_result { LX_PQ_HEADER_OK, LX_PQ_HEADER_SHORT, LX_PQ_HEADER_BROKEN };
/* SHORT: more bytes may help. *why: static text when broken. */
enum lx_pq_header_result lx_pq_page_header_read(const void *bytes, size_t size,
                                                struct lx_pq_page_header *header, size_t *used,
                                                const char **why);

/* -- footer -------------------------------------------------------------------------------- */

/* What a chunk is made of, beside its public struct. */
struct lx_pq_chunk_pages {
    int32_t data_pages[LX_PARQUET_BYTE_STREAM_SPLIT + 1]; /* by encoding */
    bool has_dictionary, page_v2;
    int64_t *definition_histogram, *repetition_histogram; /* maximum + 1 counts; NULL: left out */
};

struct lx_pq_footer {
    int32_t version;
    struct lx_parquet_schema schema;
    int64_t rows;
    struct lx_parquet_row_group *row_groups;
    size_t row_group_count;
    const struct lx_pq_chunk_pages *const *pages; /* writing: [row group][leaf] */
    struct lx_parquet_key_value *key_values;
    size_t key_value_count;
    struct lx_str created_by;
};

/* Appends FileMetaData, without length and magic. LX_E_MEMORY, LX_E_LIMIT. */
LX_MUST_CHECK enum lx_status lx_pq_footer_write(const struct lx_pq_footer *footer,
                                                struct lx_buf *out);
/* Everything comes from the arena or points into `bytes`. `data_end`: where the footer starts in
 * the file; nothing may lie behind it. */
LX_MUST_CHECK enum lx_status lx_pq_footer_read(struct lx_pq_arena *arena, const void *bytes,
                                               size_t size, int64_t data_end,
                                               struct lx_pq_footer *footer, struct lx_err *err);
/* Where the chunk's pages start; they take chunk->bytes. */
int64_t lx_pq_chunk_start(const struct lx_parquet_chunk *chunk);

/* A Parquet footer has no checksum of its own. lx_pq_footer_write adds one as the last key-value
 * pair: CRC-32 in 8 hexadecimal digits over the footer's bytes with these digits taken as zeros.
 * Other readers see one more pair. */
#define LX_PQ_FOOTER_CRC_KEY "lynex.footer.crc32"
#define LX_PQ_FOOTER_CRC_DIGITS 8
/* True: no such pair, or it is right. The pair's value must point into `footer`. */
bool lx_pq_footer_is_sound(const uint8_t *footer, size_t size,
                           const struct lx_parquet_key_value *pairs, size_t count);

/* -- page index ---------------------------------------------------------------------------- */

/* One page as the indexes tell it (PageIndex.md). */
struct lx_pq_index_page {
    int64_t offset, first_row; /* of the row group */
    int32_t bytes;
    bool all_null;
    int64_t null_count;
    struct lx_str min, max;
    int64_t text_bytes; /* -1: not a text */
};

struct lx_pq_index {
    struct lx_pq_index_page *pages;
    size_t count;
    enum lx_parquet_order order;
    bool has_null_counts, has_text_bytes;
};

LX_MUST_CHECK enum lx_status lx_pq_offset_index_write(const struct lx_pq_index *index,
                                                      struct lx_buf *out);
LX_MUST_CHECK enum lx_status lx_pq_column_index_write(const struct lx_pq_index *index,
                                                      struct lx_buf *out);
/* The offset index makes the pages; the column index fills in what it knows, and fails where the
 * number of pages differs. NULL *why: out of memory. */
LX_MUST_CHECK enum lx_status lx_pq_offset_index_read(struct lx_pq_arena *arena, const void *bytes,
                                                     size_t size, struct lx_pq_index *index,
                                                     const char **why);
LX_MUST_CHECK enum lx_status lx_pq_column_index_read(struct lx_pq_arena *arena, const void *bytes,
                                                     size_t size, struct lx_pq_index *index,
                                                     const char **why);

/* -- Bloom filter header ------------------------------------------------------------------- */

LX_MUST_CHECK enum lx_status lx_pq_bloom_header_write(int32_t bytes, struct lx_buf *out);
/* `used`: length of the header. LX_E_FORMAT; LX_E_UNSUPPORTED: another algorithm. */
LX_MUST_CHECK enum lx_status lx_pq_bloom_header_read(const void *bytes, size_t size,
                                                     int32_t *filter_bytes, size_t *used,
                                                     struct lx_err *err);

#endif
