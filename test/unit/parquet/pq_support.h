/* pq_support.h: what the Parquet tests share: files in memory, random rows, comparing. */
#ifndef LX_TEST_PQ_SUPPORT_H
#define LX_TEST_PQ_SUPPORT_H

#include "parquet/reader.h"
#include "parquet/writer.h"

/* A file in memory, as sink and as source. */
struct memory_file {
    struct lx_buf bytes;
    size_t fail_after; /* sink: fails once more than so many bytes were written; 0: never */
    size_t reads;      /* source: how many ranges were read, and their bytes */
    size_t read_bytes;
};

void memory_file_init(struct memory_file *file);
void memory_file_free(struct memory_file *file);
struct lx_parquet_sink memory_sink(struct memory_file *file);
struct lx_parquet_source memory_source(struct memory_file *file);

/* splitmix64 */
struct rng {
    uint64_t state;
};
uint64_t rng_next(struct rng *rng);
uint64_t rng_below(struct rng *rng, uint64_t bound);

/* How the values of a column look. */
enum pattern {
    PATTERN_RANDOM,   /* all bits; texts of 0 to 40 bytes */
    PATTERN_CONSTANT, /* always the same */
    PATTERN_FEW,      /* one of 20 */
    PATTERN_RISING,   /* slowly growing numbers; texts with shared prefixes */
    PATTERN_LONG,     /* texts up to 5000 bytes; numbers as RANDOM */
    PATTERN_COUNT
};

/* Fills a column: `null_share` of 256 rows are NULL (0: no flags at all). */
void make_column(struct lx_column *column, const struct lx_parquet_field *field,
                 enum pattern pattern, unsigned null_share, int64_t rows, struct rng *rng);
/* The same rows in DICT shape. */
void make_dict(struct lx_column *dict, const struct lx_column *plain);

/* True if rows [from, from + rows) of `a` equal rows [0, rows) of `b`; else says what differs. */
bool same_rows(const char *what, const struct lx_column *a, int64_t from, const struct lx_column *b,
               int64_t rows);

/* Writes the columns in slices of `slice` rows; fails the test on an error. */
void write_file(struct memory_file *file, const struct lx_parquet_field *fields, size_t count,
                const struct lx_parquet_writer_options *options, struct lx_pool *pool,
                const struct lx_column *const *columns, int64_t rows, int64_t slice);
/* Reads everything in batches and compares; false with a message where it differs or fails. */
bool check_file(struct memory_file *file, const struct lx_column *const *columns, size_t count,
                int64_t rows, int64_t batch, bool dictionaries, struct lx_pool *pool,
                struct lx_err *err);

#endif
