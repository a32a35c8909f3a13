/* archive.h: the main job: rows older than a cutoff leave ClickHouse for the archive.
 *
 *   start -> settle -> plan -> each batch: read, encode, upload, prove, commit, drop whole parts
 *         -> at the end: mask partly old parts
 *
 * What is promised (docs/reliability.md): a row leaves ClickHouse only after its bytes were read
 * back from the store, decoded, and found equal to a hash that ClickHouse computed of that row,
 * after the ledger durably lists the file, and after ClickHouse was asked again, immediately
 * before, that the rows about to go are those rows. A run may be stopped anywhere; the next one
 * goes on.
 *
 * Files of this folder, in the order of the work:
 *   hot.h, hot_sql*.c     what is asked of the hot table; the SQL behind it
 *   rowschema*.c          columns and values between ClickHouse, Parquet and Delta
 *   start.c               checks before anything is done
 *   plan.c                what is to be read, in which batches
 *   flight.c              batches on their way, several at once
 *   batch*.c              reading, encoding, storing one batch
 *   prove.c               reading back; the only maker of proofs and warrants
 *   commit.c              what a batch makes true in the ledger
 *   settle.c, delete.c    which parts may go; guard and delete, which take a warrant
 *   reconcile*.c          comparing by content what names do not tell
 *   pending.c              for people: what is archived and still hot, and why
 *   vacuum*.c             what abandoned batches left in the store
 *   rebuild*.c            a new log out of the files, where it was lost
 *
 * Threads: a run belongs to one thread; its events are told from that thread. With
 * options.background it has others, which store and prove files; they ask ClickHouse and the ledger
 * nothing. Read-ahead is the hot side's (hot_sql.h). */
#ifndef LX_ARCHIVE_ARCHIVE_H
#define LX_ARCHIVE_ARCHIVE_H

#include "archive/hot.h"
#include "base/cancel.h"
#include "base/pool.h"
#include "ledger/ledger.h"
#include "parquet/writer.h"
#include "store/store.h"

/* The steps of the protocol. Each is announced before it is taken, so that tests can stop, kill or
 * let others act right there. */
#define LX_STEP_TABLE(X)                                                                           \
    X(START, "start")                                                                              \
    X(SETTLE, "settle")                                                                            \
    X(PLAN, "plan")                                                                                \
    X(READ, "read")                                                                                \
    X(UPLOAD, "upload")                                                                            \
    X(UPLOADED, "uploaded")                                                                        \
    X(PROVE, "prove")                                                                              \
    X(COMMIT, "commit")                                                                            \
    X(COMMITTED, "committed")                                                                      \
    X(GUARD, "guard")                                                                              \
    X(DELETE, "delete")                                                                            \
    X(DELETED, "deleted")                                                                          \
    X(RECORD, "record")                                                                            \
    X(RECORDED, "recorded")                                                                        \
    X(MASK, "mask")                                                                                \
    X(RECONCILE, "reconcile")                                                                      \
    X(DONE, "done")

enum lx_step {
#define X(name, text) LX_STEP_##name,
    LX_STEP_TABLE(X)
#undef X
        LX_STEP_COUNT
};
const char *lx_step_name(enum lx_step step);

/* What a run tells while it goes on. `text`: one line, without a mark. */
enum lx_event_kind {
    LX_EVENT_NOTE,     /* text */
    LX_EVENT_WARNING,  /* text; hint in `more`, may be NULL */
    LX_EVENT_FOUND,    /* rows, bytes: what the plan holds */
    LX_EVENT_NOTHING,  /* nothing is due */
    LX_EVENT_PART,     /* dry run: text: a part's name; rows of `total` would leave by `more` */
    LX_EVENT_PROGRESS, /* rows done so far, of `total` */
    LX_EVENT_UPLOADED, /* location, rows, bytes */
    LX_EVENT_PROVED,   /* location, rows */
    LX_EVENT_DELETED,  /* rows */
    LX_EVENT_ARCHIVED  /* rows: at the end */
};

struct lx_event {
    enum lx_event_kind kind;
    const char *text, *more;
    const char *location;
    int64_t rows, bytes, total;
};

struct lx_archive_options {
    struct lx_hot hot;
    struct lx_ledger *ledger;
    struct lx_store *store;
    const char *shard;  /* "0" */
    const char *prefix; /* "events" */
    const char *who;    /* "user@host", for the audit of deletes */

    int64_t after_days;
    bool delete_after;       /* DELETE_AFTER_ARCHIVE */
    bool soak;               /* archive and prove; report what would be deleted */
    bool dry_run;            /* plan only */
    int64_t max_delete_rows; /* a breaker; 0: none */
    int64_t file_rows;       /* most rows of a file; 0: by size */
    int64_t file_bytes;      /* about; > 0 */
    int64_t memory_bytes;    /* budget of the run */
    int64_t max_read_bytes;  /* a second, of rows as they lie in memory; 0: any */
    const char *temp_dir;    /* for sorted runs; NULL: TMPDIR, /tmp */
    bool micros;             /* timestamps in microseconds */
    bool masks;              /* partly old parts are masked; false: only whole parts leave */
    int64_t delete_wait_ms;  /* how long one delete is waited for */
    int64_t ttl_margin_days; /* archive so many days before the table's own TTL deletes */
    enum lx_parquet_profile profile;
    enum lx_parquet_effort effort;
    const char *const *bloom_columns;
    size_t bloom_count;
    bool bloom_uuids; /* besides: columns of type UUID, by which single rows are looked up */

    struct lx_pool *pool; /* may be NULL */
    /* Threads that store and prove files while the next rows are read and encoded; 0: the run's own
     * thread does each in turn; LX_TASKS_LAZY: it does each when it can wait no longer. */
    size_t background;
    /* Batches that may be under way at once: the next is read while those before it are not
     * committed yet; 0 and 1: one after the other. */
    size_t flight;
    struct lx_clock clock;
    struct lx_random random;
    const struct lx_cancel *cancel;
    void (*tell)(void *context, const struct lx_event *event); /* may be NULL */
    /* Called at each step, one at a time, from whichever of the run's threads takes it; a failure
     * stops the run there. May be NULL. */
    enum lx_status (*at_step)(void *context, enum lx_step step, struct lx_err *err);
    void *context;
};

struct lx_archive_way {
    int64_t rows, parts;
};

/* Counts are results, never intentions, but for `planned…` and `would…`. */
struct lx_archive_report {
    int64_t cutoff; /* seconds: rows before it were to be archived */
    int64_t planned_rows, planned_bytes, planned_parts, planned_files;
    struct lx_archive_way would_drop, would_mask; /* of dry run and soak */
    int64_t null_rows;                            /* stay hot: their time is NULL */
    int64_t archived_rows, archived_bytes, files, batches;
    int64_t deleted_rows, deleted_parts, delete_statements;
    int64_t late_rows, gone_rows;     /* found by reconcile */
    int64_t kept_rows, kept_segments; /* archived and still hot at the end, though they may go */
    int64_t waiting_rows;             /* archived, hot until they are old enough */
    int64_t first_ms, last_ms;        /* of the run */
    /* Of the stages, which overlap: reading is what the run waited for rows. */
    int64_t read_ms, encode_ms, upload_ms, prove_ms, commit_ms, delete_ms;
    bool delete_refused;   /* exit status 3: archived, but not deleted */
    struct lx_err refusal; /* why; status LX_OK where nothing was refused */
};

/* One run. LX_OK also where rows were archived but may not be deleted: then report->delete_refused
 * says so. LX_E_MISMATCH: a proof failed. The report is filled as far as the run came, in every
 * case. */
LX_MUST_CHECK enum lx_status lx_archive_run(const struct lx_archive_options *options,
                                            struct lx_archive_report *report, struct lx_err *err);

/* Reads every row of a listed file again and holds it against the ledger's sums. LX_E_MISMATCH and
 * LX_E_CORRUPT: the file is not what was proven. `rows` and the sums come from the file. */
struct lx_verified {
    int64_t rows;
    uint64_t sum, xor;
};
struct lx_verify_how {
    struct lx_store *store;
    struct lx_ledger *ledger;
    struct lx_pool *pool; /* may be NULL */
    size_t memory_bytes;  /* 256 MiB at least: a file may have been written with as much */
};
LX_MUST_CHECK enum lx_status lx_archive_verify_file(const struct lx_verify_how *how,
                                                    const struct lx_ledger_file *file,
                                                    struct lx_verified *verified,
                                                    struct lx_err *err);

#endif
