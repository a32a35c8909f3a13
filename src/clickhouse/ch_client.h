/* ch_client.h: the client behind lx_ch_*: private to the module. */
#ifndef LX_CLICKHOUSE_CH_CLIENT_H
#define LX_CLICKHOUSE_CH_CLIENT_H

#include "clickhouse/ch_driver.h"
#include "clickhouse/ch_native.h"
#include "clickhouse/ch_settings.h"

#include <pthread.h>
#include <stdatomic.h>

#define LX_CH_MAX_SQL (256 * LX_MIB)             /* INSERT … VALUES may be long */
#define LX_CH_MAX_STATEMENT_ANSWER (64 * LX_MIB) /* what lx_ch_execute reads and forgets */
#define LX_CH_MAX_TRAILER (1 * LX_MIB) /* read on after a malformed block, for its reason */

struct lx_ch {
    const struct lx_ch_driver *driver;
    void *self; /* of the driver */
    const char *where;
    size_t max_block_bytes;
    char *log_comment, *run;
    char max_threads[24], priority[24];
    struct lx_ch_setting usual[LX_CH_USUAL_WISHES]; /* wishes of every query; of the texts above */
    size_t usual_count;
    void (*say)(void *context, const char *text);
    void *say_context;
    atomic_ullong queries;
    pthread_mutex_t lock; /* of what follows */
    bool version_known;
    struct lx_ch_dialect dialect;
};

struct lx_ch_result {
    struct lx_ch *client;
    void *stream; /* NULL once it has ended */
    struct lx_ch_reader reader;
    struct lx_ch_native native;
    bool finished;
    struct lx_err failure; /* status LX_OK: none */
    char query_id[LX_CH_MAX_QUERY_ID];
};

/* Sends a statement with the settings that it needs and the server knows. */
LX_MUST_CHECK enum lx_status lx_ch_begin(struct lx_ch *client, const struct lx_ch_query *query,
                                         bool select, char query_id[LX_CH_MAX_QUERY_ID],
                                         void **stream, struct lx_err *err);

#endif
