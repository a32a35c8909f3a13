/* ledger.h: what is archived, and what of it is still hot: a Delta Lake log on an object store.
 *
 * The log is the only state: any machine goes on from it. It lies in ROOT/_delta_log/, one JSON
 * file a version, written once by a conditional PUT (delta-io/delta PROTOCOL.md). Beside the
 * standard actions it holds, as domainMetadata that other readers skip:
 *   lynex.hot.<source>.<partition>   the live segments of one partition, written whole
 *   lynex.ended.<source>             segments that ended within the last hour of the server's clock
 *   lynex.schema.<id>                a row schema: the columns and expressions that were hashed
 *   lynex.table                      which table this ledger belongs to
 *
 * A *segment* is archived rows that are still in ClickHouse: the rows with from <= time < to of the
 * part that holds these blocks. Sums are of row hashes, modulo 2^64, so segments add up.
 *
 * A *change* says what shall become true (files in, files out, segments in, segments ended). It is
 * committed as one version or not at all, and written against the newest state: when another
 * writer was faster, the change is held against what came in between, and either tried at the next
 * version or given up (LX_E_CONFLICT: plan again). See lx_ledger_commit.
 *
 * Segment ids are never used again: what an id stands for never changes. A segment whose rows
 * became fewer ends, and one with a new id takes its place.
 *
 * Ownership: a state owns everything reachable from it, until lx_ledger_refresh,
 * lx_ledger_commit and the like, or lx_ledger_close; a change borrows what its caller puts in.
 * Threads: one ledger, one thread at a time. Formats in full: docs/ledger.md. */
#ifndef LX_LEDGER_LEDGER_H
#define LX_LEDGER_LEDGER_H

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "store/store.h"

#include <jansson.h>

#define LX_LEDGER_ID 33 /* 32 hexadecimal characters and a NUL */

/* Limits; reaching one is LX_E_LIMIT unless said otherwise. */
#define LX_LEDGER_MAX_COMMIT_BYTES (128 * LX_MIB) /* of one version */
#define LX_LEDGER_MAX_LINE_BYTES (64 * LX_MIB)    /* of one action */
#define LX_LEDGER_MAX_ACTIONS 1000000             /* of one version */
#define LX_LEDGER_MAX_SEGMENTS 1000000            /* of one domain */
#define LX_LEDGER_MAX_WHERE 100000                /* of one segment */
#define LX_LEDGER_MAX_RACES 200                   /* lost to other writers, then LX_E_BUSY */
#define LX_LEDGER_MAX_RESOLVES 8 /* tries to learn what became of a PUT, then LX_E_UNKNOWN */
#define LX_LEDGER_MAX_CHECKPOINT_ACTIONS 100000000 /* of one checkpoint */
#define LX_LEDGER_MAX_HISTORY 10000 /* versions looked back on for conflicts; LX_E_CONFLICT */

/* Bounds of time are whole seconds since 1970, UTC. */
#define LX_TIME_FIRST INT64_MIN /* no lower bound */
#define LX_TIME_LAST INT64_MAX

/* Where a segment's rows (or their hashes) can be read again. */
struct lx_where {
    char *path;        /* relative to the root: a data file, or a side object under _lynex/ */
    bool hashes;       /* true: a side object of row hashes, little-endian u64s */
    int64_t first_row; /* of the file, or of the side object */
    int64_t rows;
};

struct lx_segment {
    char id[LX_LEDGER_ID];
    char *source;    /* shard/database.table/uuid: see lx_source_make */
    char *partition; /* ClickHouse's partition id: "202601", "all" */
    int64_t min_block, max_block;
    int64_t from, to; /* seconds; rows with from <= time < to */
    int64_t rows;
    uint64_t sum, xor;
    char schema[LX_LEDGER_ID]; /* which lynex.schema.<id> the hashes follow */
    char *host;                /* hostName() of the replica that it was read from */
    struct lx_where *where;
    size_t where_count;
    int64_t ended_at; /* seconds by ClickHouse's clock; 0 while live */
};

/* A data file that the log lists. */
struct lx_ledger_file {
    char *path;         /* as it stands in the log, relative to the root: lx_ledger_path_key */
    int64_t size, rows; /* rows: -1 where a foreign file does not say */
    int64_t modified_ms;
    char *stats;               /* Delta's statistics, JSON text; NULL where absent */
    char batch[LX_LEDGER_ID];  /* "" in a foreign file */
    uint64_t sum, xor;         /* of all its row hashes */
    char schema[LX_LEDGER_ID]; /* "" where the add carried no sums: a foreign file */
    char *etag;                /* as the store returned it; NULL where unknown */
    /* JSON text of an object of strings: all tags as they stand in the log; in a change: further
     * ones beside those that the members above make. NULL where none. Text, because a listed file
     * would cost a kilobyte more as a tree. */
    char *tags;
    int64_t version; /* that added it (read from another's checkpoint: the checkpoint's); not set in
                      * a change */
};

struct lx_ledger_state {
    int64_t version; /* newest; -1: no log yet */
    /* Of Delta's metaData; NULL before version 0. */
    const char *table_id, *schema_string;
    const json_t *configuration;
    const json_t *table; /* lynex.table: {"source":…,"database":…,"table":…,…}; NULL where absent */
    struct lx_ledger_file *files; /* sorted by path */
    size_t file_count;
    struct lx_segment *live; /* sorted by source, partition, min_block, from, id */
    size_t live_count;
    struct lx_segment *ended; /* within the hour */
    size_t ended_count;
};

struct lx_ledger;

struct lx_ledger_options {
    struct lx_store *store; /* borrowed; keys are relative to its root */
    struct lx_clock clock;
    struct lx_random random;
    const struct lx_cancel *cancel;
    const struct lx_log *log; /* for warnings; may be NULL */
    bool
        single_writer; /* ARCHIVE_COMMIT=single-writer: the store was not found to be conditional */
};

/* Reads the log: the newest checkpoint that is whole, and the versions behind it. A root without a
 * log is fine (version -1). LX_E_FORMAT: a log that is broken,
 * names version and line; LX_E_UNSUPPORTED: needs features that lynex does not know. */
LX_MUST_CHECK enum lx_status lx_ledger_open(const struct lx_ledger_options *options,
                                            struct lx_ledger **ledger, struct lx_err *err);
void lx_ledger_close(struct lx_ledger *ledger);

/* Reads what was added since. The old state's pointers are void afterwards. After a failure the
 * state is whole, of the version that it names. What the caller plans from here on counts as
 * planned on this state (lx_change.base_version). */
LX_MUST_CHECK enum lx_status lx_ledger_refresh(struct lx_ledger *ledger, struct lx_err *err);
/* The same struct for the whole life of the ledger; what it holds changes. */
const struct lx_ledger_state *lx_ledger_state(const struct lx_ledger *ledger);
/* lynex.schema.<id>; NULL where unknown. Borrowed. */
const json_t *lx_ledger_schema(const struct lx_ledger *ledger, const char *id);
const struct lx_ledger_file *lx_ledger_file(const struct lx_ledger *ledger, const char *path);
/* By id; NULL where no such segment is live, or ended within the hour. */
const struct lx_segment *lx_ledger_live(const struct lx_ledger *ledger, const char *id);
const struct lx_segment *lx_ledger_ended(const struct lx_ledger *ledger, const char *id);
/* Was this path ever removed? Then it may never be added again. */
bool lx_ledger_was_removed(const struct lx_ledger *ledger, const char *path);
/* By which remove, the last one; false where it never was. */
struct lx_removal {
    int64_t version, at_ms;
    bool listed; /* a version listed the file; false: a fence */
};
bool lx_ledger_removal(const struct lx_ledger *ledger, const char *path,
                       struct lx_removal *removal);
/* The object's key: `path` with its %XX decoded once (RFC 2396), appended. Paths that lynex writes
 * are their own keys. LX_E_FORMAT: no path within the root. */
LX_MUST_CHECK enum lx_status lx_ledger_path_key(const char *path, struct lx_buf *key,
                                                struct lx_err *err);

/* Finds out whether the store honours put-if-absent: two PUTs on a key of its own in the log's
 * folder (_lynex_probe_<id>, a new one each time, so that one which could not be deleted again is
 * never met). LX_E_REFUSED where it does not, with the way out. single_writer: asks nothing. */
LX_MUST_CHECK enum lx_status lx_ledger_probe(struct lx_ledger *ledger, struct lx_err *err);

/* One schema that segments and files of a change name and the log may not have yet. */
struct lx_ledger_schema_entry {
    const char *id;
    json_t *schema; /* borrowed */
};

struct lx_change {
    const char *operation; /* commitInfo.operation: "ARCHIVE", "DELETE", "VACUUM", … */
    json_t *info;          /* further members of commitInfo; borrowed, may be NULL */

    /* The version of the state that this was planned on. Not set: the state as lx_ledger_open, the
     * last lx_ledger_refresh or the last LX_E_CONFLICT left it. So it must be set where several
     * changes are planned together, or the ledger is refreshed between plan and commit. */
    bool has_base;
    int64_t base_version;

    const struct lx_ledger_file *add_files; /* path, size, rows, stats, batch, sums, etag, tags */
    size_t add_file_count;
    const char *const *remove_paths; /* also of files that were never added (vacuum's fence) */
    size_t remove_path_count;
    bool moves_only; /* rows only move between files (compact): dataChange is false */

    const struct lx_segment *add_segments;
    size_t add_segment_count;
    /* Live segments that end: their rows left ClickHouse (ended_at > 0: kept for an hour) or are
     * replaced by add_segments (ended_at == 0). */
    const char *const *end_segments;
    size_t end_segment_count;
    int64_t ended_at;
    /* Live segments that add_segments replace, where end_segments are others that really end. */
    const char *const *replace_segments;
    size_t replace_segment_count;
    /* Ended segments that are live again after a restart of ClickHouse. */
    const char *const *revive_segments;
    size_t revive_segment_count;
    const char *const *forget_segments; /* ended ones that are dropped */
    size_t forget_segment_count;
    int64_t forget_ended_before; /* drops older ones of `source` from lynex.ended; 0: none */
    const char *source;          /* of forget_ended_before */

    const struct lx_ledger_schema_entry *schemas;
    size_t schema_count;
    const char *new_schema_string; /* a new metaData; NULL: as it is */
    json_t *new_table;             /* lynex.table; NULL: as it is; borrowed */

    /* The table was swapped for another: any segment added meanwhile is a conflict. */
    bool whole_table;
};

/* Commits the change as one version and brings the state up to it; `version` may be NULL. The first
 * version of a log needs new_schema_string and new_table.
 *
 * LX_E_CONFLICT: a version that another writer put in between (after base_version)
 *   - ended or replaced a segment that this change ends, replaces or revives,
 *   - added a segment of the same source and partition whose blocks touch those of one of ours,
 *     or one of the same table under another UUID (or any segment, where whole_table is set),
 *   - added or removed one of our paths, or removed a file that our segments name,
 *   - changed the table's schema where we change it,
 *   or what came in between is not known any more. Nothing was written; the state is the newest.
 * What this ledger itself committed since base_version is no conflict: its caller knows of it.
 * LX_E_REFUSED: the change contradicts the state that it was planned on (a path that is listed or
 * was ever removed, a removed file that a live segment still names, a segment that names a file
 * which is not listed, an unknown schema); LX_E_BUG: it contradicts itself (one path twice, a
 * segment without blocks); LX_E_UNSUPPORTED: the log needs features that lynex does not write.
 * Nothing was written.
 * An answer that was lost is resolved by reading the version back: ours by its unique id, or not.
 * LX_E_UNKNOWN: it could not be resolved (the store is away), or the log was cut off behind us; the
 * caller must not delete anything, and its data files must stay.
 * LX_E_BUSY: others were faster LX_LEDGER_MAX_RACES times; nothing was written. */
LX_MUST_CHECK enum lx_status lx_ledger_commit(struct lx_ledger *ledger,
                                              const struct lx_change *change, int64_t *version,
                                              struct lx_err *err);

/* Makes the change anew for each try, against the newest state, which is the one that the version
 * will follow; so there is nothing that could come in between, and base_version and whole_table do
 * not count. `change` comes zeroed; what it borrows must live until the next call of `build` or the
 * end of lx_ledger_commit_with. operation left NULL: nothing is to be done, LX_OK with the state's
 * version. A failure of `build` ends the commit. */
typedef enum lx_status (*lx_ledger_build)(void *context, const struct lx_ledger_state *state,
                                          struct lx_change *change, struct lx_err *err);
LX_MUST_CHECK enum lx_status lx_ledger_commit_with(struct lx_ledger *ledger, lx_ledger_build build,
                                                   void *context, int64_t *version,
                                                   struct lx_err *err);

/* What a delete took out of ClickHouse, to be recorded whatever other writers did meanwhile. */
struct lx_gone {
    const char *operation; /* "DELETE" */
    json_t *info;          /* the audit; borrowed, may be NULL */
    int64_t ended_at;      /* seconds by ClickHouse's clock, > 0 */
    /* The segments as they were when their rows were deleted. Those that are live still end. */
    const struct lx_segment *taken;
    size_t taken_count;

    /* Others were replaced meanwhile: their rows are in segments that the versions which ended them
     * added in their blocks. Where those added none, the rows are recorded as gone already. */
    void *context;
    /* A new try begins: what earlier calls of `reduce` took off counts no more. May be NULL. */
    void (*restart)(void *context);
    /* `held` is live and may hold rows of `lost`, the taken segments that were replaced. If it
     * holds rows of theirs that no earlier call of this try found elsewhere: *took = true and
     * *reduced becomes what is left, a segment with a new id that is freed by lx_segment_free
     * afterwards (rows == 0: nothing is left; only `rows` counts then). */
    enum lx_status (*reduce)(void *context, const struct lx_segment *held,
                             const struct lx_segment *const *lost, size_t lost_count, bool *took,
                             struct lx_segment *reduced, struct lx_err *err);
};

/* Records it: ends the segments that are live, takes the rows of the others off those that replaced
 * them. Nothing to record: LX_OK, no version is written and *version is the state's.
 * Failures as lx_ledger_commit's, but for LX_E_CONFLICT. */
LX_MUST_CHECK enum lx_status lx_ledger_record_gone(struct lx_ledger *ledger,
                                                   const struct lx_gone *gone, int64_t *version,
                                                   struct lx_err *err);

/* One action as it stands in the log ({"add":{…}}): for `audit`, `ls`, `status`. Borrowed. */
typedef enum lx_status (*lx_ledger_visit)(void *context, int64_t version, const json_t *action,
                                          struct lx_err *err);
/* Versions from … to, both within, in order; `to` beyond the newest known is cut there.
 * LX_E_NOTFOUND: a version whose commit file is gone, behind a checkpoint. `visit` may end the walk
 * with any failure, which then is the result. */
LX_MUST_CHECK enum lx_status lx_ledger_walk(struct lx_ledger *ledger, int64_t from, int64_t to,
                                            lx_ledger_visit visit, void *context,
                                            struct lx_err *err);

/* -- a log that may be broken: `ledger check` ---------------------------------------------- */

enum lx_ledger_flaw {
    LX_FLAW_MISSING,     /* versions that are not there though a later one is */
    LX_FLAW_BROKEN,      /* not what was written: cut, flipped, contradicting what came before */
    LX_FLAW_UNSUPPORTED, /* it needs what this lynex does not know */
    LX_FLAW_FOREIGN      /* no flaw: another program wrote it; `text` is its engineInfo */
};
struct lx_ledger_finding {
    enum lx_ledger_flaw flaw;
    int64_t version, last; /* the range that is missing; else both the same */
    const char *text, *hint;
};
struct lx_ledger_examined {
    int64_t newest;     /* -1: there is no version */
    int64_t versions;   /* that are there */
    int64_t checkpoint; /* the newest; -1: none */
    int64_t missing, broken, unsupported, foreign;
};
/* Looks at every version, also behind those that are broken. What `found` fails with ends it. */
typedef enum lx_status (*lx_ledger_found)(void *context, const struct lx_ledger_finding *finding,
                                          struct lx_err *err);
LX_MUST_CHECK enum lx_status lx_ledger_examine(const struct lx_ledger_options *options,
                                               lx_ledger_found found, void *context,
                                               struct lx_ledger_examined *examined,
                                               struct lx_err *err);

/* Copies; free with lx_segment_free. */
LX_MUST_CHECK enum lx_status lx_segment_copy(const struct lx_segment *segment,
                                             struct lx_segment *copy);
void lx_segment_free(struct lx_segment *segment); /* what it owns, not the struct */
bool lx_segment_touches(const struct lx_segment *segment, const char *source, const char *partition,
                        int64_t min_block, int64_t max_block);
/* "shard/database.table/uuid", appended. In the first two names '%' and '/' become %25 and %2F, and
 * '.' in the database's becomes %2E; so the third, a UUID or a path in Keeper, may hold any. */
LX_MUST_CHECK enum lx_status lx_source_make(struct lx_buf *source, struct lx_str shard,
                                            struct lx_str database, struct lx_str table,
                                            struct lx_str uuid);
/* The same shard and table name, whatever the UUID. */
bool lx_source_same_table(const char *a, const char *b);
/* 32 hexadecimal characters. */
void lx_ledger_new_id(const struct lx_random *random, char id[LX_LEDGER_ID]);

#endif
