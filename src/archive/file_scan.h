/* file_scan.h: a stored data file, read back row by row: what the proof, `verify` and reconcile
 * stand on. Bytes come from the store by ranged reads, through the Parquet reader, back to
 * ClickHouse's bytes; nothing of the encoder's memory is used. */
#ifndef LX_ARCHIVE_FILE_SCAN_H
#define LX_ARCHIVE_FILE_SCAN_H

#include "archive/rowschema.h"
#include "base/pool.h"
#include "parquet/reader.h"
#include "store/store.h"

struct lx_file_scan;

#define LX_FILE_SCAN_AT_ONCE (8 * LX_MIB) /* a file up to this size is read by one request */

/* A row group of more bytes is read column by column, in pieces. By options.memory_bytes. */
size_t lx_file_scan_group_max(size_t memory_bytes);

struct lx_file_scan_options {
    struct lx_store *store;
    const char *key;
    int64_t size;                       /* of the object */
    const struct lx_row_schema *schema; /* that the rows were hashed by */
    struct lx_pool *pool;               /* may be NULL */
    size_t memory_bytes; /* of the reader's buffers, and those of all shares; 0: its default. A row
                            group that is read at once, or a small file, and hashes of columns are
                            beside them */
    const char *batch;   /* whose file it must be: LX_E_CONFLICT; NULL: any */
    /* Rows [first, last) of the file; last = 0: all. */
    int64_t first, last;
    /* Of all, the row groups of share number `share` of so many, for scans side by side: together
     * they read each row once. The first looks at the file's first bytes, the last at the indexes.
     * shares = 0: one. */
    size_t share, shares;
};

/* LX_E_CORRUPT where the file lacks a column of the schema, or, of a scan of row groups, its footer
 * the checksum of itself. Fields of `options` are borrowed. */
LX_MUST_CHECK enum lx_status lx_file_scan_open(const struct lx_file_scan_options *options,
                                               struct lx_file_scan **scan, struct lx_err *err);
void lx_file_scan_close(struct lx_file_scan *scan);
int64_t lx_file_scan_rows(const struct lx_file_scan *scan);  /* of the whole file */
int64_t lx_file_scan_first(const struct lx_file_scan *scan); /* just opened: its first row */
/* The checksum of the footer that it read, in text: scans of one file have the same. Lives as long
 * as the scan. */
struct lx_str lx_file_scan_footer(const struct lx_file_scan *scan);
/* The value of a key of the file's metadata; false where it has none. Lives as long as the scan. */
bool lx_file_scan_value(const struct lx_file_scan *scan, const char *key, struct lx_str *value);

struct lx_file_rows {
    const struct lx_column *const *columns; /* as ClickHouse sent them, by schema */
    const uint64_t *hashes;
    int64_t first; /* row number within the file */
    int64_t rows;  /* 0: the end */
};
/* Valid until the next call. */
LX_MUST_CHECK enum lx_status lx_file_scan_next(struct lx_file_scan *scan, struct lx_file_rows *rows,
                                               struct lx_err *err);

#endif
