/* ch_http.h: the HTTP driver's own structs: private to ch_http.c and ch_http_error.c. */
#ifndef LX_CLICKHOUSE_CH_HTTP_H
#define LX_CLICKHOUSE_CH_HTTP_H

#include "clickhouse/ch_decompress.h"
#include "clickhouse/ch_driver.h"
#include "net/http.h"
#include "net/url.h"

#define LX_CH_MAX_URL (64 * LX_KIB)
#define LX_CH_MAX_ERROR_BODY                                                                       \
    (4 * LX_MIB) /* with compress=1 up to 1 MiB of data stands before it                           \
                  */

struct lx_ch_http {
    struct lx_http *net;
    char *where, *base;
    char *user, *password, *database; /* NULL: not sent */
    enum lx_ch_compression compression;
    int idle_ms;
    struct lx_clock clock;
    const struct lx_cancel *cancel;
};

enum lx_ch_http_body { LX_CH_BODY_BARE, LX_CH_BODY_FRAMES, LX_CH_BODY_ZSTD };

struct lx_ch_http_stream {
    const struct lx_ch_http *http;
    struct lx_http_response *response;
    struct lx_http_trace trace;
    enum lx_ch_http_body form;
    struct lx_ch_frames frames;
    struct lx_ch_unzstd unzstd;
    char tag[64];
    size_t tag_len;
    char query_id[LX_CH_MAX_QUERY_ID];
};

/* Reads an answer that is no success and says why: never LX_OK. */
enum lx_status lx_ch_http_error(struct lx_ch_http_stream *stream, struct lx_err *err);

#endif
