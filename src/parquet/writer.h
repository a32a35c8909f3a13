/* writer.h: makes a Parquet file from columns, front to back.
 *
 * The file goes to a sink that only ever appends, so that it can be uploaded while it is made.
 * Rows come in slices of any size; the writer cuts pages and row groups by itself. Same rows and
 * same options give the same bytes, however they are sliced and however many threads help.
 *
 * Memory: the compressed pages of one row group, one page that is being filled a column, and at
 * most options.pending_bytes of full pages that wait to be encoded. Nothing of an earlier row group
 * but its metadata.
 *
 * Encodings and codecs (options.profile):
 *   compact  RLE_DICTIONARY, DELTA_BINARY_PACKED, DELTA_LENGTH_BYTE_ARRAY, DELTA_BYTE_ARRAY and
 *            BYTE_STREAM_SPLIT (FLOAT and DOUBLE only), each where it is the cheapest
 *   compat   PLAIN and RLE_DICTIONARY only, for old readers
 * The first page of each column is tried with what fits its type, and the combination with the
 * lowest bytes + CPU time x price wins; CPU time comes from a fixed table, never from a clock, so
 * the choice depends on the data alone (docs/parquet.md).
 *
 * Errors: after a failure of a sink, or of memory, the writer is broken: every further call fails
 * with the same status; what the sink has is not a Parquet file. Wrong arguments (LX_E_ARGUMENT)
 * break it too, where rows may have been taken in half.
 * Threads: one writer, one thread at a time. The pool's threads work within calls only. */
#ifndef LX_PARQUET_WRITER_H
#define LX_PARQUET_WRITER_H

#include "base/pool.h"
#include "parquet/parquet.h"

struct lx_parquet_writer;
struct lx_parquet_choices;

/* Takes bytes in order. A failure is handed to whoever called the writer. */
struct lx_parquet_sink {
    enum lx_status (*write)(void *self, const void *bytes, size_t size, struct lx_err *err);
    void *self;
};

enum lx_parquet_profile { LX_PARQUET_COMPACT = 0, LX_PARQUET_COMPAT };
/* What a byte is worth: one CPU second must save at least so many bytes (docs/parquet.md). */
enum lx_parquet_effort { LX_PARQUET_BALANCED = 0, LX_PARQUET_FAST, LX_PARQUET_SMALL };

/* Of one leaf; all zero: decided by the data. */
struct lx_parquet_column_options {
    enum lx_parquet_encoding encoding; /* PLAIN, RLE (BOOLEAN), RLE_DICTIONARY, DELTA_*, BYTE_… */
    enum lx_parquet_codec codec;       /* AUTO: as options.codec */
    int level;                         /* zstd, 1 to 19; 0: by effort */
    /* A Bloom filter a row group; of integers, times, decimals, UUIDs, STRING, ENUM and JSON only:
     * on plain bytes DuckDB asks it for another text, on floats -0.0 = 0.0 would be missed. */
    bool bloom;
    bool no_bounds; /* no minimum and maximum: neither chunk nor pages */
    bool no_dictionary;
    /* Last column of a flat schema only: a file in which it holds nothing but NULLs is written
     * without it. (A few bytes that nothing points to remain in each row group.) */
    bool leave_out_empty;
    size_t page_bytes; /* 0: options.page_bytes */
};

struct lx_parquet_writer_options {
    enum lx_parquet_profile profile;
    enum lx_parquet_effort effort;
    enum lx_parquet_codec codec; /* of all columns; AUTO: zstd */
    int level;                   /* zstd, 1 to 19; 0: by effort and data */
    bool page_v2;                /* data pages version 2; default 1: every reader knows it */
    bool no_crc, no_page_index;
    /* A row group ends when the first of these is reached; 0: the default. */
    int64_t row_group_rows;      /* 1,048,576 */
    int64_t row_group_bytes;     /* in the file, as well as it is known; 128 MiB */
    int64_t row_group_raw_bytes; /* before encoding; 1 GiB */
    size_t page_bytes;           /* raw; 0: 8 MiB of text, 1 MiB of others (compat: 1 MiB) */
    int64_t page_rows;           /* 131,072 */
    size_t dictionary_bytes;     /* a dictionary grows to this, then its column goes on without;
                                    1 MiB */
    size_t pending_bytes;        /* full pages that wait to be encoded; 24 MiB */
    size_t open_bytes;           /* all pages being filled: wide tables get smaller ones; 96 MiB */
    size_t bound_bytes;          /* a longer text bound is cut, safely; 64 */
    double bloom_bits_per_value; /* 10.5: false positives about 1 % */
    size_t bloom_max_bytes;      /* of one filter; 4 MiB */
    const char *created_by;      /* NULL: "lynex version <version>" */
    const struct lx_parquet_column_options *columns; /* one a leaf, or NULL */
    const struct lx_parquet_sorting *sorting;        /* as the rows come: declared, not checked */
    size_t sorting_count;
    /* Of an earlier file of the same schema and columns' options: what was chosen there stays, as
     * from one row group to the next. NULL: the first pages are tried. */
    const struct lx_parquet_choices *choices;
};

/* Copies schema and options. `options` may be NULL; `pool` is borrowed, NULL: the caller's thread
 * does all. Writes nothing yet. LX_E_ARGUMENT, LX_E_UNSUPPORTED, LX_E_MEMORY. */
LX_MUST_CHECK enum lx_status
lx_parquet_writer_create(const struct lx_parquet_field *fields, size_t field_count,
                         const struct lx_parquet_writer_options *options,
                         const struct lx_parquet_sink *sink, struct lx_pool *pool,
                         struct lx_parquet_writer **writer, struct lx_err *err);
/* Frees, at any time; writes nothing. NULL is fine. */
void lx_parquet_writer_destroy(struct lx_parquet_writer *writer);

/* Schema as the writer sees it: leaves with their numbers. Lives as long as the writer. */
const struct lx_parquet_schema *lx_parquet_writer_schema(const struct lx_parquet_writer *writer);

/* Rows [from, from + rows) of one column a leaf, all copied before it returns. Flat schemas only:
 * each leaf required or optional at the top. A NULL in a required column: LX_E_ARGUMENT. */
LX_MUST_CHECK enum lx_status lx_parquet_writer_append(struct lx_parquet_writer *writer,
                                                      const struct lx_column *const *columns,
                                                      int64_t from, int64_t rows,
                                                      struct lx_err *err);

/* The same for any schema: levels of `rows` whole rows, one struct a leaf. */
LX_MUST_CHECK enum lx_status lx_parquet_writer_append_levels(struct lx_parquet_writer *writer,
                                                             const struct lx_parquet_levels *leaves,
                                                             int64_t rows, struct lx_err *err);

/* What the writer chose for its columns, for the next file: trials cost more than a small file's
 * pages. After a flush or finish; owned by the caller. */
LX_MUST_CHECK enum lx_status lx_parquet_writer_choices(const struct lx_parquet_writer *writer,
                                                       struct lx_parquet_choices **choices,
                                                       struct lx_err *err);
void lx_parquet_choices_free(struct lx_parquet_choices *choices); /* NULL is fine */

/* Ends the row group, if it has rows. */
LX_MUST_CHECK enum lx_status lx_parquet_writer_flush(struct lx_parquet_writer *writer,
                                                     struct lx_err *err);

/* A pair for the file's metadata, copied; any time before finish. The same key again replaces. */
LX_MUST_CHECK enum lx_status lx_parquet_writer_metadata(struct lx_parquet_writer *writer,
                                                        struct lx_str key, struct lx_str value,
                                                        struct lx_err *err);

int64_t lx_parquet_writer_rows(const struct lx_parquet_writer *writer); /* appended so far */
/* Bytes given to the sink + bytes that the rows held back will take, as well as it is known (their
 * raw size times the ratio so far). For cutting files at a size. */
int64_t lx_parquet_writer_bytes(const struct lx_parquet_writer *writer);

/* One leaf over the whole file. */
struct lx_parquet_column_info {
    const char *path;
    int64_t values, null_count;
    int64_t nan_count; /* FLOAT, DOUBLE: NaNs are outside of the bounds */
    struct lx_parquet_bounds bounds;
    int64_t raw_bytes;    /* of the values in memory; 0: not known, of a file that is read */
    int64_t bytes;        /* in the file, Bloom filters and indexes not counted */
    int64_t largest_page; /* its bytes before compression; 0: not known, likewise */
};

struct lx_parquet_file_info {
    int64_t rows;
    int64_t bytes;         /* of the file */
    int64_t footer_offset; /* where its metadata starts */
    struct lx_parquet_column_info *columns;
    size_t column_count;
    /* Where everything is, Bloom filters too (chunks[leaf].bloom_offset). */
    struct lx_parquet_row_group *row_groups;
    size_t row_group_count;
};

/* Flushes, writes indexes, filters and footer. *info (may be NULL) points into the writer. Only
 * lx_parquet_writer_destroy may follow. A file without rows is fine. */
LX_MUST_CHECK enum lx_status lx_parquet_writer_finish(struct lx_parquet_writer *writer,
                                                      const struct lx_parquet_file_info **info,
                                                      struct lx_err *err);

#endif
