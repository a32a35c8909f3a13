/* hot.h: the hot side: what the protocol asks of a ClickHouse table, and nothing else.
 *
 * One struct of functions. hot_sql.h makes the real one over a ClickHouse client; the simulation of
 * the tests makes another. The protocol (plan, settle, reconcile) sees parts, blocks, days, counts
 * and sums; every SQL text stands behind this line.
 *
 * Times are whole seconds since 1970, UTC; a range is from <= time < to, LX_TIME_FIRST and
 * LX_TIME_LAST for none. Rows whose time is NULL are in no range.
 *
 * Errors besides the client's: LX_E_BUSY with name "PENDING_DELETE": a guarded delete of the table
 * waits on the server, reads are not possible until it ran. */
#ifndef LX_ARCHIVE_HOT_H
#define LX_ARCHIVE_HOT_H

#include "archive/rowschema.h"
#include "base/err.h"

/* -- what is there ------------------------------------------------------------------------- */

/* The table as it is now. */
struct lx_hot_table {
    char *database, *name;
    char *uuid;                        /* or the Keeper path of a Replicated engine */
    char *engine;                      /* "MergeTree", … */
    char *create_sql;                  /* SHOW CREATE TABLE */
    char *partition_key, *sorting_key; /* SQL texts, "" where none */
    char *host;                        /* hostName() of the replica that answered */
    char *version;                     /* of the server */
    struct lx_source_column *columns;  /* texts owned by the table */
    size_t column_count;
    char *time_column;
    struct lx_ch_type time_type;
    int64_t now;        /* the server's clock, seconds */
    int64_t started_at; /* now - uptime */
    int64_t ttl_days; /* rows are deleted this many whole days after their time; -1: no such TTL */
    bool ttl_unclear; /* a rule of it deletes in a way that is not understood */
    char *ttl_sql;    /* the TTL clause, NULL where none */
    int64_t total_rows, total_bytes; /* on disk; -1 unknown */
};
void lx_hot_table_free(struct lx_hot_table *table); /* the struct too; NULL is fine */

struct lx_hot_day {
    int32_t day; /* since 1970-01-01, UTC */
    int64_t rows;
};

struct lx_hot_part {
    char *partition, *name;
    int64_t min_block, max_block, level, mutation;
    int64_t rows;            /* all of them */
    int64_t null_rows;       /* of them with a NULL time */
    struct lx_hot_day *days; /* those before days_to; sorted */
    size_t day_count;
    int64_t days_to; /* seconds, the start of a day; later days are not told */
};

struct lx_hot_parts {
    struct lx_hot_part *parts; /* sorted by partition, min_block */
    size_t count;
    int64_t days_to;
    int64_t now; /* the server's clock, no later than what is told is true */
};
void lx_hot_parts_free(struct lx_hot_parts *parts); /* what it owns */
/* Rows of the part with time < to, from its days; `to` must be the start of a day, and no later
 * than the part's days_to. */
int64_t lx_hot_part_rows_before(const struct lx_hot_part *part, int64_t to);
const struct lx_hot_part *lx_hot_parts_find(const struct lx_hot_parts *parts, const char *name);
/* Takes "202601_1_5_2_7" apart (the partition id may hold '_' itself). */
bool lx_hot_part_parse(struct lx_str name, const char *partition, struct lx_hot_part *part);

/* -- questions ----------------------------------------------------------------------------- */

/* "How many rows of this part lie in this range, and what are the sums of their hashes?" */
struct lx_hot_sum {
    const char *part;
    const struct lx_row_schema *schema;
    int64_t from, to;
    /* the answer: */
    bool found;    /* the part is there (a part without a row counts as not there) */
    int64_t whole; /* rows of the whole part; only where asked for, else -1 */
    int64_t rows;
    uint64_t sum, xor;
    int64_t strange; /* rows in range whose columns outside the schema hold more than defaults */
};

struct lx_hot_read {
    const char *const *parts;
    size_t part_count;
    const struct lx_row_schema *schema;
    int64_t from, to;
    /* Of hashes(): a second hash, over these columns; a row that holds more than defaults in
     * columns outside of them has its row hash there too, so that it is like no other. NULL: none.
     */
    const struct lx_row_schema *compare;
    /* Only rows with hash_from <= hash <= hash_to; 0 and UINT64_MAX: all. */
    uint64_t hash_from, hash_to;
    /* Called by `next` on its caller's thread, every LX_CANCEL_POLL_MS while it waits for rows that
     * are read ahead: anything but LX_OK ends the wait, and is what `next` says. NULL: none. */
    enum lx_status (*waiting)(void *context, struct lx_err *err);
    void *context;
};

/* Rows as they stream in. Valid until the next call. */
struct lx_hot_rows {
    const struct lx_column *const *columns; /* schema->field_count, as sent */
    int64_t rows;
    const uint64_t *hashes;      /* of the rows, by the server */
    const uint32_t *part_of;     /* index into the read's parts */
    const int64_t *seconds;      /* the rows' time, floored to whole seconds */
    int64_t unreadable_row;      /* first row with a value that its text does not bring back; -1 */
    const char *unreadable_name; /* its column */
};

/* Hashes without rows, for comparing by content. */
struct lx_hot_hashes {
    const uint64_t *hashes;
    const uint64_t *keys; /* by read->compare; else the same */
    const int64_t *seconds;
    int64_t rows;
};

/* A mask's target: rows of one part before `to`, as the guard saw them. */
struct lx_hot_mask {
    const char *part;
    const struct lx_row_schema *schema;
    int64_t to;
    int64_t rows;
    uint64_t sum, xor;
};

struct lx_hot_stream; /* of a driver */

struct lx_hot_ops {
    enum lx_status (*table)(void *self, struct lx_hot_table **table, struct lx_err *err);
    /* Says LX_E_REFUSED where a row policy hides rows from this user. */
    enum lx_status (*row_policy)(void *self, struct lx_err *err);
    /* Golden rows hashed by the server, compared with our own: LX_E_MISMATCH. */
    enum lx_status (*self_test)(void *self, struct lx_err *err);
    /* All parts that have a row, and of their days those before `days_to`, the start of a day: a
     * server need not read what its indexes tell to be younger. LX_TIME_LAST: all days, as read.
     * LX_E_AGAIN: the parts changed each time they were asked for. */
    enum lx_status (*parts)(void *self, int64_t days_to, struct lx_hot_parts *parts,
                            struct lx_err *err);
    /* Answers all; with a fresh literal that must come back. `whole`: also count whole parts. */
    enum lx_status (*sums)(void *self, struct lx_hot_sum *sums, size_t count, bool whole,
                           struct lx_err *err);
    /* LX_E_REFUSED where a column of these parts has another value at each reading (a DEFAULT now()
     * of a column that they lack); LX_E_AGAIN where parts went meanwhile. May be NULL: never so. */
    enum lx_status (*stored)(void *self, const char *const *parts, size_t count,
                             struct lx_err *err);
    /* Which of these parts hold a row? *now: the server's clock, seconds. */
    enum lx_status (*present)(void *self, const char *const *parts, size_t count, bool *present,
                              int64_t *now, struct lx_err *err);
    enum lx_status (*read)(void *self, const struct lx_hot_read *read,
                           struct lx_hot_stream **stream, struct lx_err *err);
    /* rows->rows == 0 after the last, when the stream ended as it must. */
    enum lx_status (*next)(void *self, struct lx_hot_stream *stream, struct lx_hot_rows *rows,
                           struct lx_err *err);
    enum lx_status (*hashes)(void *self, const struct lx_hot_read *read,
                             struct lx_hot_stream **stream, struct lx_err *err);
    enum lx_status (*next_hashes)(void *self, struct lx_hot_stream *stream,
                                  struct lx_hot_hashes *hashes, struct lx_err *err);
    void (*end)(void *self, struct lx_hot_stream *stream);

    /* -- deleting: called by delete.c alone ---------------------------------------------------- */
    /* One statement; a part that is not there: LX_E_NOTFOUND (those before it are gone). */
    enum lx_status (*drop_parts)(void *self, const char *const *parts, size_t count,
                                 struct lx_buf *statement, char query_id[64], struct lx_err *err);
    /* One statement with its guards inside; waits up to wait_ms: LX_E_BUSY "PENDING_DELETE" when
     * it still waits, with err->code 0; with the server's code when it was not begun, since another
     * one waits. */
    enum lx_status (*mask)(void *self, const char *partition, const struct lx_hot_mask *masks,
                           size_t count, int64_t wait_ms, struct lx_buf *statement,
                           char query_id[64], struct lx_err *err);
    enum lx_status (*apply_mask)(void *self, const char *partition, int64_t wait_ms,
                                 struct lx_err *err);
};

struct lx_hot {
    const struct lx_hot_ops *ops;
    void *self;
};

#endif
