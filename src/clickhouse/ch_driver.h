/* ch_driver.h: what a way to reach ClickHouse must do. Two are there: ch_http.c, ch_embedded.c. */
#ifndef LX_CLICKHOUSE_CH_DRIVER_H
#define LX_CLICKHOUSE_CH_DRIVER_H

#include "clickhouse/clickhouse.h"

/* A statement as it goes out: nothing is left to decide. All texts are borrowed for the call. */
struct lx_ch_call {
    const char *sql, *query_id;
    const struct lx_ch_setting *settings; /* pinned ones and wishes included */
    size_t setting_count;
    int timeout_ms;                 /* 0: none */
    const struct lx_cancel *cancel; /* besides the client's; outlives the stream; may be NULL */
    bool select; /* a question: harmless to send twice, and its answer is wanted */
};

struct lx_ch_driver {
    /* Sends the statement. LX_OK: it was accepted so far, its answer is read from *stream. */
    enum lx_status (*begin)(void *self, const struct lx_ch_call *call, void **stream,
                            struct lx_err *err);
    /* Bytes of the answer, Native where it has any; *got = 0 at a whole one's end. */
    enum lx_status (*read)(void *stream, void *to, size_t capacity, size_t *got,
                           struct lx_err *err);
    /* Looks at the last bytes that came: LX_OK where they hold no exception of the server, else
     * that exception. `failed`: reading or decoding went wrong; *err is left alone if this finds
     * nothing better. */
    enum lx_status (*judge)(void *stream, struct lx_str tail, bool failed, struct lx_err *err);
    void (*end)(void *stream); /* whether read to the end or not */
    void (*close)(void *self);
};

/* Both copy what they need of the options. `where` is "http://host:8123", for messages: owned by
 * the driver, valid until it is closed. */
LX_MUST_CHECK enum lx_status lx_ch_http_open(const struct lx_ch_options *options, void **self,
                                             const char **where, struct lx_err *err);
extern const struct lx_ch_driver lx_ch_http_driver;

LX_MUST_CHECK enum lx_status lx_ch_embedded_open(const struct lx_ch_options *options, void **self,
                                                 const char **where, struct lx_err *err);
extern const struct lx_ch_driver lx_ch_embedded_driver;

#endif
