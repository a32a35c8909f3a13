/* batch.h: one batch in the making: shared by batch.c (rows), batch_file.c (files), commit.c.
 * Private to src/archive. */
#ifndef LX_ARCHIVE_BATCH_H
#define LX_ARCHIVE_BATCH_H

#include "archive/run.h"

/* A segment in the making: rows of one slice, of one stretch of time. */
struct lx_batch_segment {
    const struct lx_slice *slice;
    int64_t from, to;
    int64_t rows;
    uint64_t sum, xor;
    /* It stays hot beyond this run: its hashes go to a side object, so that no archived file need
     * be read to compare it later. */
    bool side;
    struct lx_where *where;
    size_t where_count, where_cap;
    int64_t file_rows; /* of the file that is being written; sums likewise */
    uint64_t file_sum, file_xor;
};

/* The file that is being written. */
struct lx_batch_file {
    struct lx_upload *upload;
    struct lx_parquet_writer *writer;
    char key[LX_MAX_NAME];
    uint64_t *hashes;     /* by ClickHouse, one a row */
    uint32_t *segment_of; /* index of each row's segment; kept where any has a side object */
    bool won;             /* the store said that the name is ours: no answer was lost */
    size_t rows, cap;
    int64_t raw_bytes;
};

struct lx_batch {
    struct lx_run *run;
    const struct lx_plan *plan;
    const struct lx_batch_plan *what;
    const struct lx_row_schema *schema;
    char id[LX_LEDGER_ID];
    struct lx_to_file *to_file;
    struct lx_parquet_field *fields; /* schema->field_count + 1 */
    struct lx_batch_segment *segments;
    size_t segment_count;
    size_t *first_segment; /* of each slice; slice_count + 1 */
    bool any_side;
    struct lx_batch_file file;
    struct lx_ledger_file *files; /* finished and proven */
    size_t file_count, file_cap;
    struct lx_buf schema_json;
};

/* -- batch_file.c -------------------------------------------------------------------------- */

/* Appends rows [from, from + rows) of converted columns; `segment_of`: of each of them. Starts and
 * ends files as their limits say. */
LX_MUST_CHECK enum lx_status lx_batch_append(struct lx_batch *batch,
                                             const struct lx_column *const *columns, int64_t from,
                                             int64_t rows, const uint64_t *hashes,
                                             const uint32_t *segment_of, struct lx_err *err);
/* Ends the file that is open, if any: footer, upload, proof. */
LX_MUST_CHECK enum lx_status lx_batch_end_file(struct lx_batch *batch, struct lx_err *err);
void lx_batch_free_files(struct lx_batch *batch);

/* Prepares an empty batch over a schema; free with lx_batch_close. The segments are the caller's to
 * add. */
LX_MUST_CHECK enum lx_status lx_batch_open(struct lx_run *run, const struct lx_plan *plan,
                                           const struct lx_batch_plan *what, struct lx_batch *batch,
                                           struct lx_err *err);
void lx_batch_close(struct lx_batch *batch);

/* -- commit.c ------------------------------------------------------------------------------ */

LX_MUST_CHECK enum lx_status lx_batch_commit(struct lx_batch *batch, struct lx_err *err);

/* What every change that archives says of table and schema: fills new_schema_string, new_table,
 * schemas, where the ledger does not have them yet. */
struct lx_table_change {
    struct lx_buf schema_string;
    json_t *table, *schema;
    struct lx_ledger_schema_entry entry;
};
LX_MUST_CHECK enum lx_status lx_table_change_make(struct lx_run *run, struct lx_table_change *made,
                                                  struct lx_change *change, struct lx_err *err);
void lx_table_change_free(struct lx_table_change *made);

#endif
