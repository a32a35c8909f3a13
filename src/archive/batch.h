/* batch.h: one batch in the making: shared by batch.c (rows), batch_file.c (files being written),
 * batch_store.c (files being stored and proven), commit.c.
 *
 * While a file is stored and proven in the background, the next one is read and encoded, of the
 * same batch or of the next. All that is written here belongs to the run's thread, but for a file
 * between lx_files_hand_over and lx_files_take_in, which is its task's.
 *
 * Private to src/archive. */
#ifndef LX_ARCHIVE_BATCH_H
#define LX_ARCHIVE_BATCH_H

#include "archive/run.h"
#include "base/task.h"

#include <stdatomic.h>

/* Of the run's memory, for files that are stored and proven: one part of so many. One file that
 * takes more is waited for. */
#define LX_BACKGROUND_SHARE 2

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

/* Rows [first, first + rows) of a file that belong to one segment. */
struct lx_file_range {
    uint32_t segment;
    int64_t first, rows;
};

struct lx_batch;
struct lx_batch_file {
    struct lx_batch *batch;
    size_t number; /* within the batch */
    int64_t month;
    struct lx_upload *upload;
    struct lx_parquet_writer *writer;
    char *stats, *tags; /* for the ledger, once it is written */
    char key[LX_MAX_NAME];
    uint64_t *hashes;     /* by ClickHouse, one a row */
    uint32_t *segment_of; /* index of each row's segment; kept where any has a side object */
    size_t rows, cap;
    struct lx_file_range *ranges; /* of segments without a side object */
    size_t range_count, range_cap;

    /* Being stored and proven. */
    struct lx_task task;
    size_t memory;       /* that it takes until it is taken in, about */
    size_t shares, scan; /* of its row groups, read back side by side; of `memory`, for each */
    bool taken;          /* another writer has the name: it is to be given another */
    bool won;            /* the store said that the name is ours: no answer was lost */
    bool unproven;       /* the proof failed, nothing else */
    bool given_up;       /* nothing was tried: its batch, or the run, had failed */
    char side_path[128]; /* of its side object */
    struct lx_object object;
    struct lx_proof *proof;
    struct lx_differs differs;
    struct lx_err err;
    int64_t upload_ms, prove_ms;
    struct lx_batch_file *next; /* of all that are under way */
};

struct lx_batch {
    struct lx_run *run;
    const struct lx_plan *plan;
    const struct lx_batch_plan *what;
    const struct lx_row_schema *schema;
    int table_number; /* the run's, when it was opened */
    char id[LX_LEDGER_ID];
    struct lx_to_file *to_file;
    struct lx_parquet_field *fields; /* schema->field_count + 1 */
    struct lx_batch_segment *segments;
    size_t segment_count;
    size_t *first_segment; /* of each slice; slice_count + 1 */
    bool any_side;
    bool complete;              /* all its rows were read, and its files handed over */
    struct lx_batch_file *file; /* that is being written; NULL: none */
    size_t file_number;         /* of the next one */
    int64_t rows;               /* in its files so far */
    size_t under_way;           /* files handed over, not taken in yet */
    atomic_bool lost; /* one of them failed, as its task found: the later ones are not stored */
    struct lx_ledger_file *files; /* stored and proven */
    size_t file_count, file_cap;
    int64_t aside_ms;      /* of the last wait for rows: spent on what was under way */
    struct lx_err failure; /* the first of its files' failures; status LX_OK: none */
    struct lx_buf schema_json;
};

/* -- batch_file.c -------------------------------------------------------------------------- */

/* Appends rows [from, from + rows) of converted columns; `segment_of`: of each of them. Starts and
 * ends files as their limits say. */
LX_MUST_CHECK enum lx_status lx_batch_append(struct lx_batch *batch,
                                             const struct lx_column *const *columns, int64_t from,
                                             int64_t rows, const uint64_t *hashes,
                                             const uint32_t *segment_of, struct lx_err *err);
/* Ends the file that is open, if any, and hands it over. */
LX_MUST_CHECK enum lx_status lx_batch_end_file(struct lx_batch *batch, struct lx_err *err);
/* Another name for a file whose name another writer has taken. */
LX_MUST_CHECK enum lx_status lx_batch_rename_file(struct lx_batch_file *file, struct lx_err *err);
void lx_batch_file_free(struct lx_batch_file *file);
/* In how many shares the last file of a plan may be proven. Before it other work fills the cores;
 * at the end a proof in one share would leave a core idle. */
struct lx_proof_room {
    size_t threads, row_groups;
    size_t hashes, scan; /* bytes: of its rows' hashes, of one scan */
    size_t most;         /* bytes for all of it */
};
size_t lx_batch_proof_shares(const struct lx_proof_room *room);

/* -- batch_store.c ------------------------------------------------------------------------- */

/* From here on the file is stored and proven in the background. Waits until there is memory. */
void lx_files_hand_over(struct lx_batch_file *file);
/* Takes in what is done, in the order it was handed over, and with `wait` at least the first. What
 * failed is its batch's failure. */
void lx_files_take_in(struct lx_run *run, bool wait);
/* Ends the open file, waits until every file of the batch is stored and proven. */
LX_MUST_CHECK enum lx_status lx_batch_finish_files(struct lx_batch *batch, struct lx_err *err);
/* Until none of its files is under way, whatever became of them. */
void lx_batch_wait(struct lx_batch *batch);
/* The batch's failure so far. */
LX_MUST_CHECK enum lx_status lx_batch_failure(const struct lx_batch *batch, struct lx_err *err);
void lx_batch_free_files(struct lx_batch *batch);

/* -- batch.c ------------------------------------------------------------------------------- */

/* Prepares an empty batch over a schema; free with lx_batch_close. The segments are the caller's to
 * add. */
LX_MUST_CHECK enum lx_status lx_batch_open(struct lx_run *run, const struct lx_plan *plan,
                                           const struct lx_batch_plan *what, struct lx_batch *batch,
                                           struct lx_err *err);
void lx_batch_close(struct lx_batch *batch);
/* Reads the rows of an open batch and hands its files over. LX_E_AGAIN: the table moved. */
LX_MUST_CHECK enum lx_status lx_batch_read(struct lx_batch *batch, struct lx_err *err);
/* Waits for its files and commits. LX_E_AGAIN: the table moved, or another writer was faster;
 * nothing was committed, plan again. */
LX_MUST_CHECK enum lx_status lx_batch_land(struct lx_batch *batch, struct lx_err *err);

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
