/* hot_sql.h: the hot side over a real ClickHouse. */
#ifndef LX_ARCHIVE_HOT_SQL_H
#define LX_ARCHIVE_HOT_SQL_H

#include "archive/hot.h"
#include "clickhouse/clickhouse.h"

struct lx_hot_sql;

/* One row may take so much of a run's memory, a block of rows too. To be proven, a row is held
 * three times within half of it: its page, compressed and not, and its values. */
#define LX_HOT_SQL_ROW_SHARE 7

struct lx_hot_sql_options {
    struct lx_ch *client; /* borrowed */
    const char *database; /* NULL: the user's default */
    const char *table;
    const char *time_column;
    bool mutations; /* ALTER TABLE … DELETE in place of masks; turned on by itself where the server
                       refuses masks (projections, old servers) */
    /* Rows are received and decoded by a thread of their own, so many bytes of them ahead of their
     * reader (and at least one block); 0: by the reader, as it asks for them. */
    size_t read_ahead;
    /* Memory of one block of rows; 0: what the client allows. Where rows take more, they are asked
     * for again, fewer at a time; one that takes more alone cannot be read. */
    size_t max_block_bytes;
    struct lx_clock clock;
    struct lx_random random;
    const struct lx_cancel *cancel;
};

/* Copies the texts. `hot` is valid until lx_hot_sql_free. One thread at a time, but streams that
 * read() opened may be drained by another thread than the one that asks further questions. */
LX_MUST_CHECK enum lx_status lx_hot_sql_create(const struct lx_hot_sql_options *options,
                                               struct lx_hot_sql **driver, struct lx_hot *hot,
                                               struct lx_err *err);
void lx_hot_sql_free(struct lx_hot_sql *driver);

/* TTL of rows out of a CREATE statement: the clause's text (NULL: none) and after how many whole
 * days the earliest plain deletion comes (-1: none). *unclear: a rule deletes in a way that is not
 * understood, be there others or not. Moves to disks and volumes
 * are no deletion. */
LX_MUST_CHECK enum lx_status lx_hot_ttl_parse(struct lx_str create_sql, char **ttl_sql,
                                              int64_t *days, bool *unclear);

#endif
