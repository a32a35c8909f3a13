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
 * Ownership: a state owns everything reachable from it, until lx_ledger_refresh or
 * lx_ledger_close; a change borrows what its caller puts in.
 * Threads: one ledger, one thread at a time. */
#ifndef LX_LEDGER_LEDGER_H
#define LX_LEDGER_LEDGER_H

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "store/store.h"

#include <jansson.h>

#define LX_LEDGER_ID 33 /* 32 hexadecimal characters and a NUL */

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
    char *source;    /* shard/database.table/uuid */
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
    char *path; /* relative to the root */
    int64_t size, rows;
    int64_t modified_ms;
    char *stats; /* Delta's statistics, JSON text; NULL where absent */
    char batch[LX_LEDGER_ID];
    uint64_t sum, xor;         /* of all its row hashes */
    char schema[LX_LEDGER_ID]; /* "" where the add carried no sums: a foreign file */
    char *etag;                /* as the store returned it; NULL where unknown */
    json_t *tags;              /* all tags as they stand in the log; NULL where none */
    int64_t version;           /* that added it */
};

struct lx_ledger_state {
    int64_t version; /* newest; -1: no log yet */
    char *table_id;  /* Delta metaData.id */
    char *schema_string;
    json_t *configuration;
    json_t *table; /* lynex.table: {"source":…,"database":…,"table":…,…}; NULL where absent */
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
    bool
        single_writer; /* ARCHIVE_COMMIT=single-writer: the store was not found to be conditional */
};

/* Reads the log. A root without one is fine (version -1). LX_E_FORMAT: a log that is broken,
 * names version and line; LX_E_UNSUPPORTED: needs features that lynex does not know. */
LX_MUST_CHECK enum lx_status lx_ledger_open(const struct lx_ledger_options *options,
                                            struct lx_ledger **ledger, struct lx_err *err);
void lx_ledger_close(struct lx_ledger *ledger);

/* Reads what was added since. The old state's pointers are void afterwards. */
LX_MUST_CHECK enum lx_status lx_ledger_refresh(struct lx_ledger *ledger, struct lx_err *err);
const struct lx_ledger_state *lx_ledger_state(const struct lx_ledger *ledger);
/* lynex.schema.<id>; NULL where unknown. Borrowed. */
const json_t *lx_ledger_schema(const struct lx_ledger *ledger, const char *id);
const struct lx_ledger_file *lx_ledger_file(const struct lx_ledger *ledger, const char *path);
/* Was this path ever removed? Then it may never be added again. */
bool lx_ledger_was_removed(const struct lx_ledger *ledger, const char *path);

/* Finds out whether the store honours put-if-absent: two PUTs on a key of its own in the log's
 * folder, which is deleted again. LX_E_REFUSED where it does not, with the way out. */
LX_MUST_CHECK enum lx_status lx_ledger_probe(struct lx_ledger *ledger, struct lx_err *err);

/* One schema that segments and files of a change name and the log may not have yet. */
struct lx_ledger_schema_entry {
    const char *id;
    json_t *schema; /* borrowed */
};

struct lx_change {
    const char *operation; /* commitInfo.operation: "ARCHIVE", "DELETE", "VACUUM", … */
    json_t *info;          /* further members of commitInfo; borrowed, may be NULL */

    const struct lx_ledger_file *add_files; /* path, size, rows, stats, batch, sums, etag, tags */
    size_t add_file_count;
    const char *const *remove_paths; /* also of files that were never added (vacuum's fence) */
    size_t remove_path_count;

    const struct lx_segment *add_segments;
    size_t add_segment_count;
    /* Live segments that end: their rows left ClickHouse (ended_at > 0: kept for an hour) or are
     * replaced by add_segments (ended_at == 0). */
    const char *const *end_segments;
    size_t end_segment_count;
    int64_t ended_at;
    /* Ended segments that are live again after a restart of ClickHouse. */
    const char *const *revive_segments;
    size_t revive_segment_count;
    int64_t forget_ended_before; /* drops older ones of `source` from lynex.ended; 0: none */
    const char *source;          /* of forget_ended_before */

    const struct lx_ledger_schema_entry *schemas;
    size_t schema_count;
    const char *new_schema_string; /* a new metaData; NULL: as it is */
    json_t *new_table;             /* lynex.table; NULL: as it is; borrowed */

    /* The table was swapped for another: any segment added meanwhile is a conflict. */
    bool whole_table;
};

/* Commits the change as one version and brings the state up to it; `version` may be NULL.
 *
 * LX_E_CONFLICT: a version that came in between
 *   - ended or replaced a segment that this change ends,
 *   - added a segment of the same source and partition whose blocks touch those of one of ours
 *     (or any segment, where whole_table is set),
 *   - added or removed one of our paths, or removed a file that our segments name,
 *   - changed the table's schema where we change it,
 *   or the log in between is gone. Nothing was written; the state is the newest.
 * An answer that was lost is resolved by reading the version back: ours by its unique id, or not.
 * LX_E_UNKNOWN: it could not be resolved (the store is away); the caller must not delete anything,
 * and its data files must stay. */
LX_MUST_CHECK enum lx_status lx_ledger_commit(struct lx_ledger *ledger,
                                              const struct lx_change *change, int64_t *version,
                                              struct lx_err *err);

/* One version as it stands in the log: for `audit`, `ls`, `status`. `line` is borrowed. */
typedef enum lx_status (*lx_ledger_visit)(void *context, int64_t version, const json_t *action,
                                          struct lx_err *err);
LX_MUST_CHECK enum lx_status lx_ledger_walk(struct lx_ledger *ledger, int64_t from, int64_t to,
                                            lx_ledger_visit visit, void *context,
                                            struct lx_err *err);

/* Copies; free with lx_segment_free. */
LX_MUST_CHECK enum lx_status lx_segment_copy(const struct lx_segment *segment,
                                             struct lx_segment *copy);
void lx_segment_free(struct lx_segment *segment); /* what it owns, not the struct */
bool lx_segment_touches(const struct lx_segment *segment, const char *source, const char *partition,
                        int64_t min_block, int64_t max_block);
/* 32 hexadecimal characters. */
void lx_ledger_new_id(const struct lx_random *random, char id[LX_LEDGER_ID]);

#endif
