/* reader.h: opens a Parquet file by ranged reads and decodes it in batches of columns.
 *
 * Nothing in a file is trusted: every length, offset and level is checked against what was read,
 * every allocation against a limit of the options. A file that is not what it says gives
 * LX_E_FORMAT (or LX_E_CORRUPT for a page whose checksum differs), with file offset and column; one
 * that needs what is not here gives LX_E_UNSUPPORTED; one that needs too much memory LX_E_LIMIT.
 *
 * Reads: PLAIN, RLE_DICTIONARY, PLAIN_DICTIONARY, RLE booleans, DELTA_BINARY_PACKED,
 * DELTA_LENGTH_BYTE_ARRAY, DELTA_BYTE_ARRAY, BYTE_STREAM_SPLIT; pages version 1 and 2; zstd,
 * snappy, lz4_raw, gzip, none. Not read: INT96, BIT_PACKED levels, encryption, LZO, brotli, old
 * LZ4.
 *
 * Threads: an open reader is only read; many threads may scan it at once if its source allows
 * read_at from many threads. One scan, one thread at a time. */
#ifndef LX_PARQUET_READER_H
#define LX_PARQUET_READER_H

#include "base/pool.h"
#include "parquet/parquet.h"

struct lx_parquet_reader;
struct lx_parquet_scan;

/* A file of `size` bytes. read_at fills all of `bytes` or fails. */
struct lx_parquet_source {
    enum lx_status (*read_at)(void *self, int64_t offset, void *bytes, size_t size,
                              struct lx_err *err);
    void *self;
    int64_t size;
};

/* 0: the default. */
struct lx_parquet_reader_options {
    size_t tail_bytes;   /* first read, from the end; 64 KiB */
    size_t footer_bytes; /* largest footer; 64 MiB */
    size_t page_bytes;   /* largest page, compressed or not; 64 MiB */
    size_t scan_bytes;   /* all buffers of one scan together; 256 MiB */
    size_t piece_bytes;  /* of one ranged read within a column; 1 MiB; pages may need more */
    size_t batch_bytes;  /* a batch ends early where the texts of a column pass this; 32 MiB */
    bool no_crc;         /* do not check page checksums, where a file has them */
};

/* Reads the tail, and the rest of the footer where it is longer. Copies the source struct. */
LX_MUST_CHECK enum lx_status lx_parquet_reader_open(const struct lx_parquet_source *source,
                                                    const struct lx_parquet_reader_options *options,
                                                    struct lx_parquet_reader **reader,
                                                    struct lx_err *err);
void lx_parquet_reader_close(struct lx_parquet_reader *reader); /* NULL is fine */

/* What the footer says. Everything lives as long as the reader. */
struct lx_parquet_metadata {
    int32_t version;
    int64_t rows;
    struct lx_str created_by; /* empty: not told */
    struct lx_parquet_schema schema;
    const struct lx_parquet_row_group *row_groups;
    size_t row_group_count;
    const struct lx_parquet_key_value *key_values;
    size_t key_value_count;
    size_t footer_bytes;
    struct lx_str checksum; /* of the footer, in text, which holds: a file of this writer; empty:
                               it carries none */
};

const struct lx_parquet_metadata *
lx_parquet_reader_metadata(const struct lx_parquet_reader *reader);
/* Value of a key; false where the file has none. */
bool lx_parquet_reader_key_value(const struct lx_parquet_reader *reader, struct lx_str key,
                                 struct lx_str *value);
/* Number of the leaf with this path ("a" or "a.b.c"); LX_E_NOTFOUND. */
LX_MUST_CHECK enum lx_status lx_parquet_reader_leaf(const struct lx_parquet_reader *reader,
                                                    struct lx_str path, uint32_t *leaf,
                                                    struct lx_err *err);

/* -- scanning ------------------------------------------------------------------------------ */

/* Rows [from, to) of the file. */
struct lx_parquet_rows {
    int64_t from, to;
};

struct lx_parquet_scan_options {
    const uint32_t *leaves; /* in the order of the output; NULL: all, in schema order */
    size_t leaf_count;
    size_t row_group_from, row_group_to; /* to = 0: all up to the last */
    /* Only these rows, ascending, not touching each other; NULL: all. Pages that hold none are not
     * read where the file has an offset index. */
    const struct lx_parquet_rows *rows;
    size_t rows_count;
    bool dictionaries;    /* columns may come in DICT shape; default: expanded */
    struct lx_pool *pool; /* columns are decoded at the same time; NULL: one by one */
};

/* The options are copied. LX_E_ARGUMENT, LX_E_UNSUPPORTED (a column that cannot be decoded). */
LX_MUST_CHECK enum lx_status lx_parquet_reader_scan(const struct lx_parquet_reader *reader,
                                                    const struct lx_parquet_scan_options *options,
                                                    struct lx_parquet_scan **scan,
                                                    struct lx_err *err);
void lx_parquet_scan_free(struct lx_parquet_scan *scan); /* NULL is fine */

/* The next rows, at most max_rows (fewer where they are long, or where a page of texts ends), in
 * `columns[leaf_count]`: pointers into the scan, valid until the next call, not to be written to.
 * *rows = 0: the end. A batch never crosses row groups or gaps between ranges. Leaves with
 * max_repetition > 0 or max_definition > 1 hold only their values, without NULLs:
 * lx_parquet_scan_levels tells where they stand. After a failure the scan is of no more use. */
LX_MUST_CHECK enum lx_status lx_parquet_scan_next(struct lx_parquet_scan *scan, int64_t max_rows,
                                                  const struct lx_column **columns, int64_t *rows,
                                                  struct lx_err *err);
/* Number within the file of the first row of the last batch. */
int64_t lx_parquet_scan_first_row(const struct lx_parquet_scan *scan);
/* Levels of the last batch of output column `index`. For flat leaves: no level arrays. */
void lx_parquet_scan_levels(const struct lx_parquet_scan *scan, size_t index,
                            struct lx_parquet_levels *levels);

/* -- finding rows without decoding --------------------------------------------------------- */

/* The page index of one column chunk. */
struct lx_parquet_page_info {
    int64_t offset;
    int32_t bytes;     /* with header */
    int64_t first_row; /* of the file */
    int64_t rows;
    bool all_null;
    int64_t null_count; /* -1: not told */
    struct lx_parquet_bounds bounds;
};

struct lx_parquet_page_index {
    struct lx_parquet_page_info *pages;
    size_t page_count;
    bool has_bounds; /* the file has a column index beside the offset index */
    enum lx_parquet_order order;
    void *memory; /* private */
};

/* LX_E_NOTFOUND where the chunk has none. Free with lx_parquet_page_index_free. */
LX_MUST_CHECK enum lx_status lx_parquet_reader_page_index(const struct lx_parquet_reader *reader,
                                                          size_t row_group, uint32_t leaf,
                                                          struct lx_parquet_page_index *index,
                                                          struct lx_err *err);
void lx_parquet_page_index_free(struct lx_parquet_page_index *index);

/* A range of values of one leaf, both ends within; either may be absent. Values are plain bytes as
 * in the bounds. low = high: equality, for which Bloom filters are asked too. */
struct lx_parquet_predicate {
    uint32_t leaf;
    bool has_low, has_high;
    struct lx_str low, high;
};

/* Rows that may match, by statistics of row groups, Bloom filters and page index; never leaves out
 * a row that matches. *ranges: for lx_parquet_scan_options.rows; lx_free it. */
LX_MUST_CHECK enum lx_status lx_parquet_reader_find(const struct lx_parquet_reader *reader,
                                                    const struct lx_parquet_predicate *predicate,
                                                    struct lx_parquet_rows **ranges, size_t *count,
                                                    struct lx_err *err);

/* May the value (plain bytes) be in the filter at this offset of the source? Two small reads. No
 * footer is needed, so a filter whose place is kept elsewhere can be asked directly. *maybe = false
 * is certain. `bytes`: length of filter with header, or -1 where it is not known. */
LX_MUST_CHECK enum lx_status lx_parquet_bloom_probe(const struct lx_parquet_source *source,
                                                    int64_t offset, int32_t bytes,
                                                    struct lx_str value, bool *maybe,
                                                    struct lx_err *err);

#endif
