/* page.h: a data page of the writer: rows that wait to be encoded, and what becomes of them.
 *
 * Private to the module. A page belongs to one thread at a time. */
#ifndef LX_PARQUET_PAGE_H
#define LX_PARQUET_PAGE_H

#include "parquet/codec.h"
#include "parquet/dictionary.h"
#include "parquet/metadata.h"
#include "parquet/stats.h"

#define LX_PQ_PAGE_MAX ((size_t)INT32_MAX - 1024) /* sizes in page headers are int32 */

/* Rows in memory. Only values that are there (no NULLs) have a place in `values` or `ids`. */
struct lx_pq_page {
    struct lx_column values; /* FIXED or BYTES */
    bool by_id;              /* the values are numbers of the column's dictionary, in `ids` */
    uint32_t *ids;
    uint8_t *definition, *repetition;               /* NULL: all at the maximum; all 0 */
    size_t ids_cap, definition_cap, repetition_cap; /* elements */
    int64_t count;                                  /* values */
    int64_t levels;                                 /* values and NULLs */
    int64_t rows, first_row;                        /* of the row group */
    size_t raw_bytes;                               /* as PLAIN; a NULL counts as an empty value */
    struct lx_pq_page *next;
};

LX_MUST_CHECK enum lx_status lx_pq_page_create(uint32_t width, struct lx_pq_page **page);
void lx_pq_page_free(struct lx_pq_page *page);
void lx_pq_page_clear(struct lx_pq_page *page); /* keeps the memory */

/* How many of `rows` rows from `from` on still belong to the page, at least one if it is empty:
 * the last of them makes it full, which *full says. Depends on the rows alone, not on slices. */
int64_t lx_pq_page_room(const struct lx_pq_page *page, const struct lx_column *column, int64_t from,
                        int64_t rows, size_t max_bytes, int64_t max_rows, bool *full);
/* Appends rows of a flat column: values to `values`. `optional`: NULLs are levels. */
LX_MUST_CHECK enum lx_status lx_pq_page_append(struct lx_pq_page *page,
                                               const struct lx_column *column, int64_t from,
                                               int64_t rows, bool optional);
/* The same of a DICT column, whose numbers are given for its dictionary's rows, to `ids`. */
LX_MUST_CHECK enum lx_status lx_pq_page_append_ids(struct lx_pq_page *page,
                                                   const struct lx_column *column, int64_t from,
                                                   int64_t rows, bool optional,
                                                   const uint32_t *numbers);
/* Levels [from, to) of whole rows, with values [value_from, value_to). */
LX_MUST_CHECK enum lx_status lx_pq_page_append_levels(struct lx_pq_page *page,
                                                      const struct lx_parquet_levels *levels,
                                                      int64_t from, int64_t to, int64_t value_from,
                                                      int64_t value_to, int64_t rows);
/* Makes room for so many more ids. */
LX_MUST_CHECK enum lx_status lx_pq_page_reserve_ids(struct lx_pq_page *page, size_t count);

/* -- encoding ------------------------------------------------------------------------------ */

/* Buffers of one encoding thread, used again and again. */
struct lx_pq_scratch {
    struct lx_pq_compressor *compressor;
    struct lx_buf body, packed, lengths, header;
    struct lx_column expanded;
    uint8_t *seen; /* a zero for each value of a dictionary */
    size_t seen_cap;
    struct lx_pq_scratch *next;
};

LX_MUST_CHECK enum lx_status lx_pq_scratch_create(struct lx_pq_scratch **scratch,
                                                  struct lx_err *err);
void lx_pq_scratch_free(struct lx_pq_scratch *scratch);

/* What the page is to become. */
struct lx_pq_page_plan {
    const struct lx_parquet_leaf *leaf;
    const struct lx_pq_dictionary *dictionary; /* of pages by id */
    enum lx_parquet_encoding encoding;
    struct lx_pq_compression compression;
    enum lx_pq_order order; /* NONE: no bounds */
    size_t bound_bytes;
    bool page_v2, no_crc, bloom;
};

/* A page as it goes into the file. Owns its memory. */
struct lx_pq_encoded {
    uint8_t *bytes;         /* header and body */
    size_t size, raw_bytes; /* raw: header and body before compression */
    uint32_t header_crc;
    enum lx_parquet_encoding encoding;
    int64_t count, levels, rows, first_row, nan_count, text_bytes;
    struct lx_pq_bounds bounds;
    uint64_t *hashes; /* of `count` values, where a Bloom filter needs them */
    int64_t *definition_histogram, *repetition_histogram; /* NULL where the maximum is 0 */
};

void lx_pq_encoded_free(struct lx_pq_encoded *encoded); /* what it owns */
/* May write into the room in front of the page's texts (lx_column_lead). */
LX_MUST_CHECK enum lx_status lx_pq_page_encode(struct lx_pq_page *page,
                                               const struct lx_pq_page_plan *plan,
                                               struct lx_pq_scratch *scratch,
                                               struct lx_pq_encoded *encoded, struct lx_err *err);
LX_MUST_CHECK enum lx_status lx_pq_dictionary_page_encode(const struct lx_pq_dictionary *dictionary,
                                                          const struct lx_pq_page_plan *plan,
                                                          struct lx_pq_scratch *scratch,
                                                          struct lx_pq_encoded *encoded,
                                                          struct lx_err *err);

/* Appends `count` dense values of a FIXED or BYTES column in this encoding (not a dictionary's). */
LX_MUST_CHECK enum lx_status lx_pq_values_encode(enum lx_parquet_encoding encoding,
                                                 enum lx_parquet_physical physical,
                                                 const struct lx_column *values, int64_t count,
                                                 struct lx_buf *lengths, struct lx_buf *out);
/* Appends width byte and runs of dictionary numbers. */
LX_MUST_CHECK enum lx_status lx_pq_ids_encode(const uint32_t *ids, int64_t count,
                                              struct lx_buf *out);

#endif
