/* ch_embedded.h: the embedded driver's own structs: private to ch_embedded.c. */
#ifndef LX_CLICKHOUSE_CH_EMBEDDED_H
#define LX_CLICKHOUSE_CH_EMBEDDED_H

#include "clickhouse/ch_driver.h"
#include "clickhouse/ch_libchdb.h"

#include <pthread.h>

#define LX_CH_MAX_CONNECTIONS 64 /* queries at once of one engine */
#define LX_CH_MAX_DIRECTORY 4000
#define LX_CH_MAX_SET (64 * LX_KIB)
#define LAST_SIGNAL 31 /* of the classic ones, whose handlers are put back */
#define WATCH_MS 50
#define CODE_TIMEOUT 159
#define CODE_CANCELLED 394

struct lx_ch_connection {
    struct chdb_connection **handle;
    struct lx_buf settings; /* the SET that it has; empty: not known */
    struct lx_buf stale;    /* the SET that undoes settings of the last statement alone */
};

struct lx_ch_embedded {
    struct lx_ch_libchdb lib;
    char *directory, *where;
    char *use_sql; /* "USE database"; NULL: none */
    const struct lx_cancel *cancel;
    pthread_mutex_t lock; /* of what follows */
    struct lx_ch_connection *idle[LX_CH_MAX_CONNECTIONS];
    size_t idle_count, busy;
    /* The thread that ends queries when the cancel flag is set. */
    pthread_t watcher;
    pthread_cond_t wake;
    struct lx_ch_connection *watcher_connection;
    bool watching, closing;
};

struct lx_ch_embedded_stream {
    struct lx_ch_embedded *engine;
    struct lx_ch_connection *connection;
    struct chdb_result *source; /* of a streamed answer; NULL: it came whole, as one chunk */
    struct chdb_result *chunk;
    const struct lx_cancel *cancel; /* besides the engine's */
    size_t pos;                     /* within the chunk */
    bool ended;
    char query_id[LX_CH_MAX_QUERY_ID];
};

#endif
