/* ch_http_error.c: why an answer is no success.
 *
 * The body may be ClickHouse's exception, bare, zstd, or within LZ4 frames behind data that was
 * ready already; a proxy's page; or the native port's "You must use port 8123 for HTTP". */
#include "clickhouse/ch_error.h"
#include "clickhouse/ch_http.h"

#define SHOWN 300 /* characters of a body that is nothing known */

/* What came, however it ended. */
static void read_body(struct lx_ch_http_stream *stream, struct lx_buf *body)
{
    struct lx_err quiet = LX_ERR_INIT;
    for (;;) {
        size_t got, room = 16 * LX_KIB;
        if (body->max - body->len < room || lx_buf_reserve(body, room) != LX_OK ||
            lx_http_read(stream->response, body->data + body->len, room, &got, &quiet) != LX_OK ||
            got == 0)
            return;
        body->len += got;
    }
}

static enum lx_status read_memory(void *self, void *to, size_t capacity, size_t *got,
                                  struct lx_err *err)
{
    struct lx_str *left = self;
    (void)err;
    *got = left->len < capacity ? left->len : capacity;
    if (*got != 0)
        memcpy(to, left->ptr, *got);
    left->ptr += *got;
    left->len -= *got;
    return LX_OK;
}

/* The last bytes of what `source` gives, into `plain`. A failure keeps what came before it. */
static void unpack_tail(struct lx_ch_source source, struct lx_buf *plain)
{
    struct lx_ch_reader reader;
    struct lx_err quiet = LX_ERR_INIT;
    if (lx_ch_reader_init(&reader, source) != LX_OK)
        return;
    (void)!lx_ch_reader_drain(&reader, (int64_t)LX_CH_MAX_ERROR_BODY, &quiet);
    struct lx_str tail = lx_ch_reader_tail(&reader);
    if (lx_buf_str(plain, tail) != LX_OK)
        lx_buf_clear(plain);
    lx_ch_reader_free(&reader);
}

static void unpack(struct lx_ch_http_stream *stream, const struct lx_buf *body,
                   struct lx_buf *plain)
{
    struct lx_str left = lx_buf_view(body);
    struct lx_ch_source memory = {read_memory, &left};
    if (stream->form == LX_CH_BODY_FRAMES && lx_ch_frames_look_like(left)) {
        struct lx_ch_frames frames;
        lx_ch_frames_init(&frames, memory);
        unpack_tail((struct lx_ch_source){lx_ch_frames_read, &frames}, plain);
        lx_ch_frames_free(&frames);
    } else if (stream->form == LX_CH_BODY_ZSTD) {
        struct lx_ch_unzstd unzstd;
        if (lx_ch_unzstd_init(&unzstd, memory) == LX_OK)
            unpack_tail((struct lx_ch_source){lx_ch_unzstd_read, &unzstd}, plain);
        lx_ch_unzstd_free(&unzstd);
    }
    if (plain->len == 0 && lx_buf_str(plain, lx_buf_view(body)) != LX_OK)
        lx_buf_clear(plain);
}

static bool contains(struct lx_str text, struct lx_str word)
{
    return text.len != 0 && memmem(text.ptr, text.len, word.ptr, word.len) != NULL;
}

static enum lx_status native_port(const struct lx_ch_http_stream *stream, struct lx_err *err)
{
    enum lx_status status = lx_err_set(
        err, LX_E_ARGUMENT, "%s: this port speaks ClickHouse's native protocol, not HTTP",
        stream->http->where);
    if (err != NULL) {
        err->code = lx_http_status(stream->response);
        memcpy(err->name, "NATIVE_PORT", sizeof "NATIVE_PORT");
    }
    lx_err_hint(err, "Set CLICKHOUSE_HTTP_PORT (or the port in CLICKHOUSE_URL) to the port of the "
                     "HTTP interface: 8123, or 8443 "
                     "with TLS, where nothing else is configured.");
    return status;
}

static enum lx_status status_of(int http)
{
    switch (http) {
    case 401:
    case 403: return LX_E_AUTH;
    case 408: return LX_E_TIMEOUT;
    case 429:
    case 503: return LX_E_BUSY;
    case 502:
    case 504: return LX_E_NETWORK;
    default: return LX_E_REMOTE;
    }
}

static enum lx_status not_clickhouse(const struct lx_ch_http_stream *stream, struct lx_str text,
                                     struct lx_err *err)
{
    int http = lx_http_status(stream->response);
    struct lx_str shown = lx_str_trim(text);
    if (shown.len > SHOWN)
        shown.len = SHOWN;
    enum lx_status status =
        lx_err_set(err, status_of(http), "%s, query %s: HTTP status %d: %.*s", stream->http->where,
                   stream->query_id, http, LX_STR_ARG(shown));
    if (err != NULL)
        err->code = http;
    lx_err_hint(err, "This answer is not ClickHouse's: look at what stands between (proxy, load "
                     "balancer), and at CLICKHOUSE_URL.");
    return status;
}

enum lx_status lx_ch_http_error(struct lx_ch_http_stream *stream, struct lx_err *err)
{
    struct lx_buf body = LX_BUF(LX_CH_MAX_ERROR_BODY), plain = LX_BUF(LX_CH_MAX_ERROR_BODY);
    struct lx_ch_exception exception = {0};
    enum lx_status status;
    read_body(stream, &body);
    unpack(stream, &body, &plain);
    struct lx_str text = lx_buf_view(&plain), found = text;
    uint64_t code;
    if (!lx_str_starts(text, LX_STR("Code: ")))
        (void)lx_ch_exception_bare(text, &found);
    if (lx_ch_exception_parse(found, &exception)) {
        status = lx_ch_exception_set(err, &exception, stream->http->where, stream->query_id);
    } else if (lx_str_to_u64(lx_http_header(stream->response, "X-ClickHouse-Exception-Code"),
                             &code) &&
               code <= 100000) {
        /* Behind data that was ready already the exception itself may be missing. */
        struct lx_str words = lx_str_trim(text);
        if (words.len > SHOWN)
            words = LX_STR("the server gave up in mid-answer without saying more");
        exception = (struct lx_ch_exception){.code = (int)code, .message = words};
        status = lx_ch_exception_set(err, &exception, stream->http->where, stream->query_id);
    } else if (contains(text, LX_STR("for clickhouse-client program"))) {
        status = native_port(stream, err);
    } else {
        status = not_clickhouse(stream, text, err);
    }
    lx_buf_free(&body);
    lx_buf_free(&plain);
    return status;
}
