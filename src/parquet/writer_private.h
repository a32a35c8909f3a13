/* writer_private.h: the writer's struct, shared by the file that takes rows (writer.c) and the one
 * that lays them down (writer_file.c). */
#ifndef LX_PARQUET_WRITER_PRIVATE_H
#define LX_PARQUET_WRITER_PRIVATE_H

#include "parquet/column_writer.h"
#include "parquet/sums.h"

#include "base/pool.h"

#include <pthread.h>

/* Rows that the columns are to take now. */
struct lx_pq_slice {
    const struct lx_column *const *columns;
    const struct lx_parquet_levels *levels; /* in place of columns */
    struct lx_pq_level_cursor *cursors;
    int64_t from, rows;
};

/* Pages that were sent together: encoded in any order, and collected in the order of the rounds, so
 * that what is known of sizes does not depend on how fast threads are. */
struct lx_pq_round {
    struct lx_pq_round *next;
    struct lx_parquet_writer *writer;
    uint64_t number;
    size_t raw_bytes;
    struct lx_pq_job **jobs;  /* those by number first, which are encoded when they are sent */
    size_t job_count, by_id;  /* by_id: how many are by number */
    struct lx_pool_loop loop; /* encodes the others */
};

/* What is kept of a finished row group beside its public struct. */
struct lx_pq_group_details {
    struct lx_pq_chunk_pages *pages; /* one a leaf */
    struct lx_pq_index *indexes;     /* one a leaf */
    struct lx_pq_chunk_sums *sums;   /* one a leaf */
};

struct lx_parquet_writer {
    struct lx_pq_arena arena; /* schema, options, metadata of finished row groups */
    struct lx_parquet_schema schema;
    struct lx_parquet_writer_options options;
    struct lx_parquet_sink sink;
    struct lx_pool *pool;
    struct lx_pq_column_writer *columns;
    size_t column_count;
    struct lx_pq_column_writer **tasks;       /* room for all columns */
    struct lx_pq_round *rounds, **last_round; /* of pages that are being encoded, in order */
    uint64_t round_number;                    /* of the last one */
    size_t sent_bytes;                        /* raw, of their pages */
    struct lx_pq_slice slice;
    bool group_ends;

    pthread_mutex_t scratch_lock; /* guards the list */
    struct lx_pq_scratch *scratches;

    int64_t rows, group_rows, step_rows;
    size_t step_bytes;
    size_t encoded_raw_bytes;     /* raw bytes of all pages encoded so far */
    size_t group_start_raw;       /* the same when this row group began */
    size_t earlier_encoded_bytes; /* of pages of finished row groups */
    int64_t written;              /* given to the sink */

    struct lx_parquet_row_group *groups;
    struct lx_pq_group_details *group_details;
    size_t group_count, group_cap;
    struct lx_parquet_key_value *key_values;
    size_t key_value_count;

    enum lx_status broken;
    bool finished;
    struct lx_parquet_file_info info;
};

/* Remembers a failure; returns it. */
enum lx_status lx_pq_writer_break(struct lx_parquet_writer *writer, enum lx_status status);
/* The columns begin with what another writer found out; NULL: with nothing. */
LX_MUST_CHECK enum lx_status lx_pq_writer_recall(struct lx_parquet_writer *writer,
                                                 const struct lx_parquet_choices *choices,
                                                 struct lx_err *err);
/* Encodes and writes the row group, if it has rows. */
LX_MUST_CHECK enum lx_status lx_pq_writer_end_group(struct lx_parquet_writer *writer,
                                                    struct lx_err *err);
/* Writes pages and filters of the row group that the columns hold. */
LX_MUST_CHECK enum lx_status lx_pq_writer_write_group(struct lx_parquet_writer *writer,
                                                      struct lx_err *err);

#endif
