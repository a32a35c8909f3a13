/* column_writer.h: one leaf of a file being written: fills pages, keeps the encoded ones of the
 * current row group, sums up statistics.
 *
 * Work comes in three kinds, so that threads can share it: filling (one thread a column), preparing
 * (one thread a column: choice of encoding, dictionary numbers, in order), encoding (one thread a
 * page, any order). Pages that hold their values are encoded while their columns are filled on;
 * those by number need the dictionary, which grows meanwhile: they are encoded before. Private to
 * the module. */
#ifndef LX_PARQUET_COLUMN_WRITER_H
#define LX_PARQUET_COLUMN_WRITER_H

#include "parquet/choose.h"

/* A full page, and what became of it. */
struct lx_pq_job {
    struct lx_pq_job *next;
    uint64_t round; /* in which it was sent to be encoded */
    struct lx_pq_page *page;
    struct lx_pq_page_plan plan;
    struct lx_pq_encoded encoded;
};

/* Where a caller's levels have been read up to. */
struct lx_pq_level_cursor {
    int64_t level, value;
};

struct lx_pq_column_writer {
    const struct lx_parquet_leaf *leaf;
    const struct lx_parquet_writer_options *file;
    struct lx_parquet_column_options options;
    enum lx_pq_order order; /* NONE: no bounds wanted or possible */
    uint32_t width;
    size_t page_bytes;

    struct lx_pq_choice choice;
    bool chosen;
    bool chosen_roughly; /* on the first rows: to be chosen again in the next row group */
    double chosen_bytes; /* a value, in the row group that it was chosen for; 0: not known yet */
    enum { LX_PQ_DICT_UNUSED, LX_PQ_DICT_OPEN, LX_PQ_DICT_FULL } dictionary_state;
    struct lx_pq_dictionary dictionary; /* of this row group */
    uint32_t *numbers; /* numbers of the caller's dictionary's values; UINT32_MAX: not yet */
    size_t numbers_cap;
    size_t longest; /* bytes a row of the caller's DICT column may take */

    struct lx_pq_page *open;             /* being filled; NULL: none */
    struct lx_pq_page *spare;            /* list, for their memory */
    struct lx_pq_job *jobs, **last_job;  /* full pages, in order */
    struct lx_pq_job *sent, **last_sent; /* pages that are being encoded, in order */
    size_t pending_bytes;                /* raw, of `jobs` */
    int64_t group_rows;                  /* in pages of this row group */

    struct lx_pq_encoded *pages; /* of this row group */
    size_t page_count, page_cap;
    struct lx_pq_encoded dictionary_page;
    bool has_dictionary_page;
    uint8_t *bloom;
    size_t bloom_bytes;
    size_t encoded_bytes; /* of `pages` */
    size_t raw_bytes;     /* rows of this row group, as PLAIN */

    /* Over the whole file. */
    int64_t file_values, file_nulls, file_nans, file_raw_bytes, file_bytes, largest_page;
    struct lx_pq_bounds file_bounds;
    bool has_file_bounds; /* some value was there */
};

/* `file` and `leaf` must outlive it. */
void lx_pq_column_init(struct lx_pq_column_writer *column, const struct lx_parquet_leaf *leaf,
                       const struct lx_parquet_writer_options *file,
                       const struct lx_parquet_column_options *options, size_t page_bytes);
void lx_pq_column_free(struct lx_pq_column_writer *column);

/* Is this what the leaf's values look like? LX_E_ARGUMENT. `rows` values from `from` on. */
LX_MUST_CHECK enum lx_status lx_pq_column_check(const struct lx_pq_column_writer *column,
                                                const struct lx_column *values, int64_t from,
                                                int64_t rows, struct lx_err *err);
/* Before the rows of a new call: a dictionary may be another one. */
LX_MUST_CHECK enum lx_status lx_pq_column_begin(struct lx_pq_column_writer *column,
                                                const struct lx_column *values, struct lx_err *err);
/* PLAIN bytes of these rows, at most: monotonic in rows. After lx_pq_column_begin. */
size_t lx_pq_column_weight(const struct lx_pq_column_writer *column, const struct lx_column *values,
                           int64_t from, int64_t rows);
LX_MUST_CHECK enum lx_status lx_pq_column_append(struct lx_pq_column_writer *column,
                                                 const struct lx_column *values, int64_t from,
                                                 int64_t rows, struct lx_err *err);
LX_MUST_CHECK enum lx_status lx_pq_column_append_levels(struct lx_pq_column_writer *column,
                                                        const struct lx_parquet_levels *levels,
                                                        struct lx_pq_level_cursor *cursor,
                                                        int64_t rows, struct lx_err *err);
/* The open page becomes a job: the row group ends. */
LX_MUST_CHECK enum lx_status lx_pq_column_close_page(struct lx_pq_column_writer *column,
                                                     struct lx_err *err);

/* Makes plans for the jobs, of which there are some: they are sent with this round. `last`: the row
 * group ends with them. */
LX_MUST_CHECK enum lx_status lx_pq_column_prepare(struct lx_pq_column_writer *column, bool last,
                                                  uint64_t round, struct lx_pq_scratch *scratch,
                                                  struct lx_err *err);
LX_MUST_CHECK enum lx_status lx_pq_job_encode(struct lx_pq_job *job, struct lx_pq_scratch *scratch,
                                              struct lx_err *err);
/* Jobs of this round, the earliest that was not collected, are encoded: they become pages of the
 * row group. */
LX_MUST_CHECK enum lx_status lx_pq_column_collect(struct lx_pq_column_writer *column,
                                                  uint64_t round, struct lx_err *err);

/* Dictionary page and Bloom filter of the row group, all pages being there. */
LX_MUST_CHECK enum lx_status lx_pq_column_finish(struct lx_pq_column_writer *column,
                                                 struct lx_pq_scratch *scratch, struct lx_err *err);
/* Statistics of the row group's pages: *bounds is owned by the caller. */
LX_MUST_CHECK enum lx_status lx_pq_column_sum_up(struct lx_pq_column_writer *column,
                                                 struct lx_parquet_chunk *chunk,
                                                 struct lx_pq_bounds *bounds, struct lx_err *err);
/* Forgets the row group. */
void lx_pq_column_next_group(struct lx_pq_column_writer *column);

#endif
