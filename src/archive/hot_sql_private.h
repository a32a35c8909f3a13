/* hot_sql_private.h: what the files of the SQL driver share. */
#ifndef LX_ARCHIVE_HOT_SQL_PRIVATE_H
#define LX_ARCHIVE_HOT_SQL_PRIVATE_H

#include "archive/hot_sql.h"

#define LX_SQL_MAX_TEXT (240 * LX_KIB) /* under ClickHouse's max_query_size of 256 KiB */
#define LX_SQL_MAX_PART_ROWS 20000000  /* rows of the answer by part and day */
#define LX_SQL_SUMS_AT_ONCE 64         /* parts asked for in one question */

struct lx_hot_sql {
    struct lx_ch *client;
    char *database, *table, *time_column;
    struct lx_clock clock;
    struct lx_random random;
    const struct lx_cancel *cancel;
    struct lx_buf target;        /* `database`.`table` */
    struct lx_buf time;          /* `timestamp` */
    struct lx_ch_type time_type; /* known after table() */
    bool described;
    bool mutations; /* rows leave by ALTER TABLE … DELETE, where masks are not allowed or not wanted
                     */
    size_t read_ahead;      /* bytes of rows that wait for whoever reads them; 0: none do */
    size_t max_block_bytes; /* of rows; 0: as the client's */
    char *host;             /* of the replica that answered first: all must */
    /* The table's columns as last described: for the guard over columns added since. */
    struct lx_source_column *columns;
    size_t column_count;
    char *column_memory;
};

/* A stream of rows or of hashes. */
struct lx_read_ahead;
struct lx_hot_stream {
    struct lx_hot_sql *hot;
    struct lx_ch_result *result;
    const struct lx_row_schema *schema;
    char **parts;
    size_t part_count;
    struct lx_ch_type time_type;
    size_t time_field; /* SIZE_MAX in a stream of hashes */
    bool has_unreadable, has_compare;
    enum lx_status (*waiting)(void *context, struct lx_err *err); /* as of lx_hot_read */
    void *context;
    struct lx_cancel cancel;     /* asked when the stream ends: nobody waits for what still comes */
    struct lx_read_ahead *ahead; /* of rows: what was taken out of the result */
    /* For asking again (hot_sql_again.c): */
    const char *purpose; /* in query ids: "read" */
    const char *doing;   /* in messages: "reading" */
    char *sql;           /* the query, from the first row on */
    size_t from_at;      /* where its FROM stands */
    int64_t rows;        /* that were taken, with the sums of their hashes */
    uint64_t sum, xor;   /* … */
    int64_t began_at;    /* rows before the answer that is read */
    int64_t until;       /* the answer is of a stretch before this row; 0: of all that is left */
    int64_t stretch;     /* rows that the last stretch was to have; 0: there was none */
    int64_t small;       /* rows of a block there */
    int breaks;          /* answers that ended too early */
    bool broken;         /* the last of them did */
};

/* Begins with the first row: stream->sql, a query of rows or of hashes (hot_sql_again.c). */
LX_MUST_CHECK enum lx_status lx_hot_sql_start(struct lx_hot_stream *stream, struct lx_err *err);
/* The next block of rows; NULL after the last. Where a block is too large for memory, or the answer
 * ended too early, the rest is asked for again. What came must be told by lx_hot_sql_took. */
LX_MUST_CHECK enum lx_status lx_hot_sql_next_block(struct lx_hot_stream *stream,
                                                   struct lx_ch_block **block, struct lx_err *err);
void lx_hot_sql_took(struct lx_hot_stream *stream, const uint64_t *hashes, int64_t rows);

/* Rows of a stream (hot_sql_rows.c): asks stream->sql, or begins to read ahead, which does; frees
 * what was read. */
LX_MUST_CHECK enum lx_status
lx_hot_sql_start_rows(struct lx_hot_sql *hot, struct lx_hot_stream *stream, struct lx_err *err);
void lx_hot_sql_free_rows(struct lx_hot_stream *stream);

/* Wishes of questions that are asked a few times a run: what ClickHouse would compile for them
 * takes more time than it saves, and is no use the next day, with that day's dates. */
#define LX_SQL_WISHES 2
extern const struct lx_ch_setting lx_hot_sql_wishes[LX_SQL_WISHES];

/* -- texts (hot_sql_text.c): times, ranges and hashes are written here and nowhere else ---- */

/* The start of a second as a literal of the time column's type, with an explicit zone. */
LX_MUST_CHECK enum lx_status lx_hot_sql_instant(const struct lx_hot_sql *hot, int64_t seconds,
                                                struct lx_buf *sql);
/* "(`t` >= … AND `t` < …)", or "1" for no bounds. Never true for a NULL time. */
LX_MUST_CHECK enum lx_status lx_hot_sql_range(const struct lx_hot_sql *hot, int64_t from,
                                              int64_t to, struct lx_buf *sql);
/* "_part IN ('a', 'b')" */
LX_MUST_CHECK enum lx_status lx_hot_sql_parts_in(const char *const *parts, size_t count,
                                                 struct lx_buf *sql);
/* A condition that is true where a column outside the schema holds more than its default; "0"
 * where the schema has all. */
LX_MUST_CHECK enum lx_status lx_hot_sql_strange(const struct lx_hot_sql *hot,
                                                const struct lx_row_schema *schema,
                                                struct lx_buf *sql);
/* The time as whole seconds, an Int64 expression, rounded towards the past. */
LX_MUST_CHECK enum lx_status lx_hot_sql_seconds(const struct lx_hot_sql *hot, struct lx_buf *sql);

/* "lynex-<purpose>-<run>-<number>" */
void lx_hot_sql_query_id(const struct lx_hot_sql *hot, const char *purpose, char id[64]);
/* Turns the client's failure of a query on the table into what the user must know. */
enum lx_status lx_hot_sql_explain(const struct lx_hot_sql *hot, enum lx_status status,
                                  const char *doing, struct lx_err *err);

/* Why a statement over so many parts was not made: no memory, or it is too long. */
enum lx_status lx_hot_sql_too_long(enum lx_status status, const char *what, size_t count,
                                   struct lx_err *err);

/* -- the operations, one file a group ------------------------------------------------------ */
enum lx_status lx_hot_sql_table(void *self, struct lx_hot_table **table, struct lx_err *err);
enum lx_status lx_hot_sql_row_policy(void *self, struct lx_err *err);
enum lx_status lx_hot_sql_self_test(void *self, struct lx_err *err);
enum lx_status lx_hot_sql_parts(void *self, int64_t days_to, struct lx_hot_parts *parts,
                                struct lx_err *err);
enum lx_status lx_hot_sql_sums(void *self, struct lx_hot_sum *sums, size_t count, bool whole,
                               struct lx_err *err);
enum lx_status lx_hot_sql_stored(void *self, const char *const *parts, size_t count,
                                 struct lx_err *err);
enum lx_status lx_hot_sql_present(void *self, const char *const *parts, size_t count, bool *present,
                                  int64_t *now, struct lx_err *err);
enum lx_status lx_hot_sql_read(void *self, const struct lx_hot_read *read,
                               struct lx_hot_stream **stream, struct lx_err *err);
enum lx_status lx_hot_sql_next(void *self, struct lx_hot_stream *stream, struct lx_hot_rows *rows,
                               struct lx_err *err);
enum lx_status lx_hot_sql_hashes(void *self, const struct lx_hot_read *read,
                                 struct lx_hot_stream **stream, struct lx_err *err);
enum lx_status lx_hot_sql_next_hashes(void *self, struct lx_hot_stream *stream,
                                      struct lx_hot_hashes *hashes, struct lx_err *err);
void lx_hot_sql_end(void *self, struct lx_hot_stream *stream);
enum lx_status lx_hot_sql_drop_parts(void *self, const char *const *parts, size_t count,
                                     struct lx_buf *statement, char query_id[64],
                                     struct lx_err *err);
enum lx_status lx_hot_sql_mask(void *self, const char *partition, const struct lx_hot_mask *masks,
                               size_t count, int64_t wait_ms, struct lx_buf *statement,
                               char query_id[64], struct lx_err *err);
enum lx_status lx_hot_sql_apply_mask(void *self, const char *partition, int64_t wait_ms,
                                     struct lx_err *err);

#endif
