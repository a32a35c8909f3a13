/* run.h: what the files of a run share. Private to src/archive. */
#ifndef LX_ARCHIVE_RUN_H
#define LX_ARCHIVE_RUN_H

#include "archive/archive.h"

#include <assert.h>
#include <pthread.h>

/* -- limits -------------------------------------------------------------------------------- */

#define LX_RUN_MAX_PLANS 8        /* plans of one run, while the table moves under it */
#define LX_RUN_MAX_CLOCK_SKEW 300 /* seconds between the server's clock and ours */
#define LX_RUN_ENDED_SECONDS 3600 /* how long ended segments are remembered */
#define LX_RUN_START_JITTER 5     /* seconds: a start of the server is told as now - uptime */
#define LX_BATCH_ROWS 4000000     /* rows of one batch of several parts */
/* A part of more rows than one slice may have goes in about three to five slices, each a batch: a
 * run that is killed loses at most two of them. Each is a query of its own, which may have to read
 * over the rows of all the others: so there are no more, until they get too large. */
#define LX_SLICE_ROWS 2000000
#define LX_SLICES_LEAST 3
#define LX_SLICES_MOST 5
#define LX_SLICE_MOST_ROWS 20000000
#define LX_BATCH_PARTS 500      /* parts of one batch: their names stand in one query */
#define LX_GUARD_ROWS 2000000   /* rows that one guard reads: it must be fresh when we delete */
#define LX_MASK_PARTS 8         /* parts in one mask */
#define LX_MAX_NAMES_TRIED 1000 /* names of one second that others may have taken */
#define LX_FLIGHT_BATCHES 4     /* batches that are read and not yet committed, at most */

/* -- the run ------------------------------------------------------------------------------- */

/* Row schemas by id: the table's own and those that older segments name. */
struct lx_schema_cache {
    struct lx_row_schema **schemas;
    size_t count;
};

struct lx_run {
    const struct lx_archive_options *o;
    struct lx_archive_report *report;
    struct lx_hot_table *table;
    struct lx_row_schema *schema; /* of the table as it is now */
    struct lx_schema_cache cache;
    char *source;    /* shard/database.table/uuid */
    int64_t cutoff;  /* rows before it are archived; seconds, the start of a day */
    int64_t aged;    /* rows before it are old enough to leave */
    int64_t days_to; /* the last answer of lx_run_days_to */
    int64_t due;     /* rows before it do leave ClickHouse; LX_TIME_FIRST: none do */
    int64_t started_ms;
    char *word; /* the table's name as it stands in file names */
    /* Names used so far: one counter a month. */
    struct lx_month_name {
        int64_t month; /* year * 12 + month - 1 */
        int next;
    } * months;
    size_t month_count;
    /* Files whose objects were found as the ledger has them, once a run. */
    char **checked_files;
    size_t checked_count, checked_cap;
    /* What the last file's writer found out about its columns, for the next file of that schema. */
    struct lx_parquet_choices *choices;
    char choices_schema[LX_SCHEMA_ID];
    int64_t choices_rows; /* that were written by them */
    /* For max_read_bytes: what was read since when. */
    int64_t paced_bytes, paced_since_ms;
    int64_t revived_for; /* the start of the server up to which ended segments were looked for */
    bool probed;         /* the store honours put-if-absent */
    bool hot_refused;    /* the last answer of ClickHouse was a refusal */
    bool pending_said;   /* that a delete is waited for */
    int64_t pending_ms, pending_pause_ms; /* waited so far; the last pause */
    bool said_elsewhere;
    bool no_more_deletes; /* refused once: not asked again in this run */
    struct lx_err undone; /* why the last delete that left its rows did so; LX_OK: none did */
    int table_number;     /* grows when another table has the place, or its columns changed */

    /* Files that are stored and proven in the background, in the order they were handed over. */
    struct lx_tasks *tasks; /* NULL: each at once, by the run's own thread */
    struct lx_batch_file *under_way, **under_way_end;
    size_t under_way_memory;
    struct lx_flight *flight; /* batches of the plan that is worked off; NULL: none is */
    struct lx_cancel stop;    /* the run has failed: what is under way need not be finished */
    pthread_mutex_t step_lock;
};

void lx_run_free(struct lx_run *run); /* what it owns */
/* Tells an event; the struct needs no more than its kind and what the kind has. */
void lx_run_tell(const struct lx_run *run, const struct lx_event *event);
void lx_run_note(const struct lx_run *run, enum lx_event_kind kind, const char *more,
                 const char *format, ...) LX_PRINTF(4, 5);
/* Counts bytes that were read, and waits as long as max_read_bytes asks. */
LX_MUST_CHECK enum lx_status lx_run_pace(struct lx_run *run, int64_t bytes, struct lx_err *err);
/* From any of the run's threads. */
LX_MUST_CHECK enum lx_status lx_run_step(struct lx_run *run, enum lx_step step, struct lx_err *err);
/* From any thread: is the run to end? */
bool lx_run_stopping(const struct lx_run *run);
/* Remembers whether ClickHouse refused, for settle; hands the status on. */
enum lx_status lx_run_asked(struct lx_run *run, enum lx_status status);
/* A segment that was archived from another replica of the table: this one may lag behind, so what
 * it lacks says nothing. */
bool lx_run_elsewhere(const struct lx_run *run, const struct lx_segment *segment);
/* Fills `why`: ARCHIVE_MAX_DELETE_ROWS does not allow so many rows. */
void lx_run_breaker(const struct lx_run *run, int64_t rows, struct lx_err *why);
int64_t lx_run_ms(const struct lx_run *run); /* monotonic */
/* While a guarded delete waits on the server, no row can be read: true after a pause, when the
 * question is to be asked again, for delete_wait_ms in all of a run. False: *status is what there
 * is to say; LX_E_CANCELLED where it was interrupted. */
bool lx_run_waits(struct lx_run *run, enum lx_status *status, struct lx_err *err);
/* What days of parts are asked for: those before this start of a day, as far as the run archives or
 * deletes, and any segment reaches that is live now or was when it was asked before. */
int64_t lx_run_days_to(struct lx_run *run);
/* The parts, with their days before `days_to`, as a rule lx_run_days_to; LX_TIME_LAST where what is
 * not there is to be recorded, so that no index of the server decides it. Waits as above, and for a
 * server with too many queries. */
LX_MUST_CHECK enum lx_status lx_run_parts(struct lx_run *run, int64_t days_to,
                                          struct lx_hot_parts *parts, struct lx_err *err);
/* The schema of this id, from the cache or the ledger; borrowed. LX_E_NOTFOUND. */
LX_MUST_CHECK enum lx_status lx_run_schema(struct lx_run *run, const char *id,
                                           const struct lx_row_schema **schema, struct lx_err *err);

/* Ids of segments, copied: those of a state are void as soon as a commit reads on. */
struct lx_ids {
    char (*texts)[LX_LEDGER_ID];
    const char **list; /* for lx_change */
    size_t count;
};
LX_MUST_CHECK enum lx_status lx_ids_make(struct lx_ids *ids, size_t most, struct lx_err *err);
void lx_ids_add(struct lx_ids *ids, const char *id);
void lx_ids_free(struct lx_ids *ids);

/* -- start.c ------------------------------------------------------------------------------- */

/* Describes the table, checks clocks, hashes, row policies, the ledger's table; sets cutoff and
 * due. Segments that ended shortly before the server started are looked for. */
LX_MUST_CHECK enum lx_status lx_start(struct lx_run *run, struct lx_err *err);
/* Describes the table again. *same = false: another table has its place now, or its columns
 * changed. */
LX_MUST_CHECK enum lx_status lx_start_again(struct lx_run *run, bool *same, struct lx_err *err);
/* Segments that ended shortly before the server last started, and have rows in these parts: live
 * again. Parts are asked for first, the table then: so no start of the server is missed. */
LX_MUST_CHECK enum lx_status lx_start_revive(struct lx_run *run, const struct lx_hot_parts *parts,
                                             bool *revived, struct lx_err *err);
/* Before the first write of a run: does the store honour put-if-absent? Asked once. */
LX_MUST_CHECK enum lx_status lx_start_writing(struct lx_run *run, struct lx_err *err);

/* The table's name as it stands in names of files; NULL: no memory. */
char *lx_table_word(const char *table);

/* -- plan.c -------------------------------------------------------------------------------- */

/* Rows of one part to be read: from <= time < to, in one month. */
struct lx_slice {
    const struct lx_hot_part *part; /* in the plan's parts */
    int64_t from, to;
    int64_t rows; /* as counted by the plan */
    bool alone;   /* one of several of a large part: a batch of its own */
};

struct lx_batch_plan {
    int64_t month;           /* year * 12 + month - 1, of all its rows */
    struct lx_slice *slices; /* sorted by from, to */
    size_t slice_count;
    int64_t rows;
};

/* Parts and segments that blocks tie together, to be compared by content. */
struct lx_group {
    const struct lx_hot_part **parts;
    int64_t *to; /* one a part: how far its rows are compared */
    size_t part_count;
    struct lx_segment **segments; /* copies, owned */
    size_t segment_count;
};

struct lx_plan {
    int64_t version; /* of the ledger that it was made on */
    struct lx_hot_parts parts;
    struct lx_batch_plan *batches;
    size_t batch_count;
    struct lx_group *groups;
    size_t group_count;
    bool strangers; /* live segments of a table that had this name before: groups[0] is all */
    int64_t rows, null_rows;
    int64_t part_count; /* with rows to read */
};

/* LX_E_AGAIN: the table moved meanwhile. Free the plan in every case. */
LX_MUST_CHECK enum lx_status lx_plan_make(struct lx_run *run, struct lx_plan *plan,
                                          struct lx_err *err);
void lx_plan_free(struct lx_plan *plan);

/* Live segments of this source and partition that touch the part's blocks: pointers into the state,
 * the array to be freed by lx_free; NULL where there are none. */
LX_MUST_CHECK enum lx_status lx_segments_of_part(const struct lx_ledger_state *state,
                                                 const char *source, const struct lx_hot_part *part,
                                                 const struct lx_segment ***segments,
                                                 size_t *count);
static inline bool lx_segment_within(const struct lx_segment *segment,
                                     const struct lx_hot_part *part)
{
    return part->min_block <= segment->min_block && segment->max_block <= part->max_block;
}

/* -- check.c ------------------------------------------------------------------------------- */

enum lx_held {
    LX_HELD_EXACTLY,   /* the part's rows up to `to` are those of the segments */
    LX_HELD_DIFFERENT, /* they are not */
    LX_HELD_GONE,      /* no such part any more */
    LX_HELD_UNKNOWN    /* cannot be asked by sums: blocks or columns do not match */
};

/* Are the rows of a part, up to the furthest `to` of these segments, exactly the segments' rows? */
struct lx_check {
    const struct lx_hot_part *part; /* its name and blocks count */
    const struct lx_segment *const *segments;
    size_t count;
    /* The answer, from the server, by content: */
    enum lx_held held;
    int64_t to;    /* the furthest of the segments */
    int64_t whole; /* rows of the whole part, where asked for */
    int64_t rows;  /* before `to` */
    uint64_t sum, xor;
    const struct lx_row_schema *schema; /* one for all segments; NULL: they have several */
};

LX_MUST_CHECK enum lx_status lx_check_parts(struct lx_run *run, struct lx_check *checks,
                                            size_t count, bool whole, struct lx_err *err);

/* -- prove.c ------------------------------------------------------------------------------- */

/* That a stored file was read back and every row of it found to be what ClickHouse hashed. Made by
 * lx_prove_file alone, while rows are archived. */
struct lx_proof;

#define LX_SCAN_SHARE 2 /* who reads a file back may take one part in so many of the memory */
#define LX_PROOF_MAX_SHARES 4

struct lx_prove_request {
    const char *key;
    const char *batch; /* that the file must carry */
    int64_t size;      /* bytes of the object */
    const struct lx_row_schema *schema;
    const uint64_t *hashes; /* by ClickHouse, in the file's row order */
    int64_t rows;
    size_t shares; /* of its row groups, read side by side; 0: one */
    const struct lx_batch_plan
        *plan; /* where the rows came from: to name the column that differs */
};

/* The first row that is not what ClickHouse hashed. */
struct lx_differs {
    bool found;
    int64_t row;
    uint64_t hash; /* of the stored row */
};

/* The values of a row's sorting key, appended for messages; best effort. */
void lx_row_text(const struct lx_run *run, const struct lx_row_schema *schema,
                 const struct lx_column *const *columns, int64_t row, struct lx_buf *text);

/* From any thread. Where a row differs, `differs` says which, and lx_prove_explain more. */
LX_MUST_CHECK enum lx_status lx_prove_file(const struct lx_run *run,
                                           const struct lx_prove_request *request,
                                           struct lx_proof **proof, struct lx_differs *differs,
                                           struct lx_err *err);
/* On the run's thread: reads the row again, in the store and in ClickHouse, and says in `err` which
 * column differs. */
void lx_prove_explain(const struct lx_run *run, const struct lx_prove_request *request,
                      const struct lx_differs *differs, struct lx_err *err);
void lx_proof_free(struct lx_proof *proof);
const char *lx_proof_key(const struct lx_proof *proof);
/* What the file's rows sum to, as found in the file. */
void lx_proof_sums(const struct lx_proof *proof, int64_t *rows, uint64_t *sum, uint64_t * xor);

/* That these segments are archived: live in the newest ledger, the objects that hold their rows in
 * the store as the ledger has them. Made by lx_warrant_make alone; delete.c takes nothing else. */
struct lx_warrant;

LX_MUST_CHECK enum lx_status lx_warrant_make(struct lx_run *run, const char *const *ids,
                                             size_t count, struct lx_warrant **warrant,
                                             struct lx_err *err);
void lx_warrant_free(struct lx_warrant *warrant);
size_t lx_warrant_count(const struct lx_warrant *warrant);
const struct lx_segment *lx_warrant_segment(const struct lx_warrant *warrant, size_t index);
/* Looks at the ledger once more: are exactly these still live? */
LX_MUST_CHECK enum lx_status lx_warrant_holds(struct lx_run *run, const struct lx_warrant *warrant,
                                              bool *holds, struct lx_err *err);

/* -- flight.c ------------------------------------------------------------------------------ */

/* Batches on their way: one is read while those before it are stored, proven and, in the plan's
 * order, committed. */
struct lx_flight;

/* Reads, stores, proves, commits and settles the plan's batches. *again: the table moved under some
 * of them, or another writer was faster: plan again. */
LX_MUST_CHECK enum lx_status lx_flight_run(struct lx_run *run, struct lx_plan *plan, bool *again,
                                           struct lx_err *err);
/* Between two blocks of rows, or while the next is waited for: commits what is ready. */
LX_MUST_CHECK enum lx_status lx_flight_poll(struct lx_flight *flight, struct lx_err *err);

/* A question that another archiver's guarded mask kept from an answer: the next plan asks again,
 * unless this run has waited for such as long as it may. */
enum lx_status lx_pending_is_again(const struct lx_run *run, enum lx_status status,
                                   const struct lx_err *err);

/* -- delete.c ------------------------------------------------------------------------------ */

/* A part whose segments may leave. */
struct lx_leave {
    const struct lx_hot_part *part;
    struct lx_warrant *warrant;
};

/* Guards, deletes, judges and records whole parts of one partition: one statement. Parts that the
 * guard does not find to be exactly their segments, or not old as a whole, stay, silently: they are
 * looked at again. Refusals of the server end up in the report (run->no_more_deletes). */
LX_MUST_CHECK enum lx_status lx_delete_whole(struct lx_run *run, const struct lx_leave *leaves,
                                             size_t count, struct lx_err *err);
/* The same for the old rows of partly old parts of one partition, at most LX_MASK_PARTS: a mask
 * that carries its guards. */
LX_MUST_CHECK enum lx_status lx_delete_masked(struct lx_run *run, const struct lx_leave *leaves,
                                              size_t count, struct lx_err *err);

/* -- record.c ------------------------------------------------------------------------------ */

/* Records that the rows of these segments left ClickHouse; `audit` becomes part of the commit. */
LX_MUST_CHECK enum lx_status lx_record(struct lx_run *run, const struct lx_segment *segments,
                                       size_t count, int64_t ended_at, json_t *audit,
                                       struct lx_err *err);

/* -- settle.c ------------------------------------------------------------------------------ */

/* Lets go what is archived and due: whole parts; with `masks` partly old parts too. Refusals end up
 * in the report, not here: LX_OK with report->delete_refused. */
LX_MUST_CHECK enum lx_status lx_settle(struct lx_run *run, bool masks, struct lx_err *err);
/* The same for the parts of one batch, as long as they have their names: whole parts only. */
LX_MUST_CHECK enum lx_status lx_settle_batch(struct lx_run *run, const struct lx_batch_plan *batch,
                                             struct lx_err *err);

/* -- reconcile.c --------------------------------------------------------------------------- */

/* Compares one group by content and commits what is true of it from now on; rows that are not
 * archived yet are archived. LX_E_AGAIN: plan again. */
LX_MUST_CHECK enum lx_status lx_reconcile(struct lx_run *run, const struct lx_plan *plan,
                                          const struct lx_group *group, struct lx_err *err);

#endif
