/* ch_http.c: statements to ClickHouse's HTTP interface.
 *
 * The SQL is the body of a POST, settings are parameters of its URL, user and password headers.
 * Answers are compressed as the options say:
 *   lz4   compress=1: frames with checksums of their own (ch_decompress.h)
 *   zstd  Accept-Encoding: zstd, at level 1; an answer that came plain nevertheless is read plain
 *   none  no such header, so that the server's enable_http_compression has no effect
 * The answer to success is Native; what an error looks like is read by ch_http_error.c. */
#include "clickhouse/ch_http.h"

#include "base/alloc.h"
#include "clickhouse/ch_error.h"

#include <stdio.h>

#define CONNECT_BACKOFF_MS 200 /* doubled after each try */
#define KEEP_SECONDS 2         /* old servers close an idle connection after 3 */
#define DEFAULT_PORT 8123
#define DEFAULT_TLS_PORT 8443

/* -- opening ------------------------------------------------------------------------------- */

static enum lx_status copy_text(char **to, const char *text)
{
    *to = text != NULL && text[0] != 0 ? lx_strdup(text) : NULL;
    return text != NULL && text[0] != 0 && *to == NULL ? LX_E_MEMORY : LX_OK;
}

/* "http://host:8123/path?", ready for parameters; `where` is the same up to the port. */
static enum lx_status make_urls(struct lx_ch_http *http, const struct lx_url *url,
                                struct lx_err *err)
{
    bool tls = lx_url_scheme_is(url, "https");
    struct lx_buf text = LX_BUF(LX_URL_MAX);
    enum lx_status status = lx_url_origin(url, &text);
    if (status == LX_OK && url->port == 0)
        status = lx_buf_printf(&text, ":%d", tls ? DEFAULT_TLS_PORT : DEFAULT_PORT);
    if (status == LX_OK) {
        http->where = lx_strdup(lx_buf_cstr(&text));
        status = http->where != NULL ? lx_buf_str(&text, url->path) : LX_E_MEMORY;
    }
    if (status == LX_OK)
        status = lx_buf_text(&text, url->path.len == 0 ? "/?" : "?");
    if (status == LX_OK) {
        http->base = lx_strdup(lx_buf_cstr(&text));
        status = http->base != NULL ? LX_OK : LX_E_MEMORY;
    }
    lx_buf_free(&text);
    return status == LX_OK ? LX_OK : lx_err_set(err, status, "CLICKHOUSE_URL is too long");
}

static enum lx_status open_client(struct lx_ch_http *http, const struct lx_ch_options *options,
                                  struct lx_err *err)
{
    struct lx_http_options net = {
        .ca_bundle = options->ca_bundle,
        .ca_setting = "CLICKHOUSE_CA",
        .connect_timeout_ms =
            options->connect_timeout_ms > 0 ? options->connect_timeout_ms : LX_CH_CONNECT_MS,
        .idle_timeout_ms = http->idle_ms,
        .keep_seconds = KEEP_SECONDS,
        .clock = options->clock,
        .cancel = options->cancel,
    };
    return lx_http_open(&net, &http->net, err);
}

enum lx_status lx_ch_http_open(const struct lx_ch_options *options, void **self, const char **where,
                               struct lx_err *err)
{
    struct lx_url url;
    LX_TRY(lx_url_parse(lx_str_of(options->url), &url, err));
    if (url.host.len == 0 || url.query.len != 0) {
        return lx_err_set(err, LX_E_ARGUMENT, "CLICKHOUSE_URL %s: %s", options->url,
                          url.host.len == 0 ? "no host" : "settings in the URL are not taken");
    }
    struct lx_ch_http *http = lx_calloc(1, sizeof *http);
    if (http == NULL)
        return lx_err_memory(err);
    http->clock = options->clock;
    http->cancel = options->cancel;
    http->idle_ms = options->idle_timeout_ms > 0 ? options->idle_timeout_ms : LX_CH_IDLE_MS;
    http->compression = options->compression;
    if (http->compression == LX_CH_COMPRESS_AUTO)
        http->compression = lx_url_is_loopback(&url) ? LX_CH_COMPRESS_NONE : LX_CH_COMPRESS_LZ4;
    enum lx_status status = make_urls(http, &url, err);
    if (status == LX_OK && (copy_text(&http->user, options->user) != LX_OK ||
                            copy_text(&http->password, options->password) != LX_OK ||
                            copy_text(&http->database, options->database) != LX_OK))
        status = lx_err_memory(err);
    if (status == LX_OK)
        status = open_client(http, options, err);
    if (status != LX_OK) {
        lx_ch_http_driver.close(http);
        return status;
    }
    *self = http;
    *where = http->where;
    return LX_OK;
}

static void close_http(void *self)
{
    struct lx_ch_http *http = self;
    lx_http_close(http->net);
    if (http->password != NULL)
        explicit_bzero(http->password, strlen(http->password));
    lx_free(http->where);
    lx_free(http->base);
    lx_free(http->user);
    lx_free(http->password);
    lx_free(http->database);
    lx_free(http);
}

/* -- sending ------------------------------------------------------------------------------- */

static enum lx_status add_parameter(struct lx_buf *url, const char *name, const char *value)
{
    LX_TRY(lx_buf_byte(url, '&'));
    LX_TRY(lx_url_escape(url, lx_str_of(name), false));
    LX_TRY(lx_buf_byte(url, '='));
    LX_TRY(lx_url_escape(url, lx_str_of(value), false));
    return lx_buf_text(url, "");
}

static enum lx_status make_url(const struct lx_ch_http *http, const struct lx_ch_call *call,
                               struct lx_buf *url)
{
    LX_TRY(lx_buf_text(url, http->base));
    LX_TRY(lx_buf_text(url, "default_format=Native"));
    LX_TRY(add_parameter(url, "query_id", call->query_id));
    if (http->compression == LX_CH_COMPRESS_LZ4)
        LX_TRY(add_parameter(url, "compress", "1"));
    if (http->compression == LX_CH_COMPRESS_ZSTD) {
        LX_TRY(add_parameter(url, "enable_http_compression", "1"));
        LX_TRY(add_parameter(url, "http_zlib_compression_level", "1"));
    }
    bool said = false;
    for (size_t i = 0; i < call->setting_count; i++) {
        LX_TRY(add_parameter(url, call->settings[i].name, call->settings[i].value));
        said = said || strcmp(call->settings[i].name, "readonly") == 0;
    }
    /* A question changes nothing; and only of such ones the server notices that nobody waits. */
    return call->select && !said ? add_parameter(url, "readonly", "2") : LX_OK;
}

static size_t make_headers(const struct lx_ch_http *http, struct lx_http_header list[6])
{
    size_t count = 0;
    list[count++] = (struct lx_http_header){"Content-Type", "text/plain; charset=UTF-8"};
    if (http->user != NULL)
        list[count++] = (struct lx_http_header){"X-ClickHouse-User", http->user};
    if (http->password != NULL)
        list[count++] = (struct lx_http_header){"X-ClickHouse-Key", http->password};
    if (http->database != NULL)
        list[count++] = (struct lx_http_header){"X-ClickHouse-Database", http->database};
    if (http->compression == LX_CH_COMPRESS_ZSTD)
        list[count++] = (struct lx_http_header){"Accept-Encoding", "zstd"};
    return count;
}

/* Connecting may be tried again: nothing was sent. */
static enum lx_status send_request(struct lx_ch_http *http, struct lx_http_request *request,
                                   struct lx_http_response **response, struct lx_err *err)
{
    int64_t wait = CONNECT_BACKOFF_MS;
    for (unsigned try = 1;; try++, wait *= 2) {
        enum lx_status status = lx_http_begin(http->net, request, response, err);
        bool again = (status == LX_E_NETWORK || status == LX_E_TIMEOUT) && !request->trace->sent &&
                     try < LX_CH_CONNECT_TRIES && !lx_cancel_asked(http->cancel) &&
                     !lx_cancel_asked(request->cancel);
        if (!again)
            return status;
        lx_err_clear(err);
        lx_clock_sleep(&http->clock, wait);
    }
}

static enum lx_status exchange(struct lx_ch_http *http, const struct lx_ch_call *call,
                               struct lx_ch_http_stream *stream, struct lx_err *err)
{
    struct lx_http_header headers[6];
    struct lx_buf url = LX_BUF(LX_CH_MAX_URL);
    enum lx_status status = make_url(http, call, &url);
    if (status != LX_OK) {
        lx_buf_free(&url);
        return lx_err_set(err, status, "%s: the query's settings do not fit into a URL",
                          http->where);
    }
    struct lx_http_request request = {
        .method = "POST",
        .url = lx_buf_cstr(&url),
        .headers = headers,
        .header_count = make_headers(http, headers),
        .body = call->sql,
        .body_size = strlen(call->sql),
        .repeatable = call->select,
        .timeout_ms = call->timeout_ms,
        /* A statement with a time limit of its own may be silent for that long. */
        .idle_timeout_ms = call->timeout_ms > http->idle_ms ? -1 : http->idle_ms,
        .cancel = call->cancel,
        .trace = &stream->trace,
    };
    status = send_request(http, &request, &stream->response, err);
    lx_buf_free(&url);
    if (status == LX_OK)
        return LX_OK;
    if (!stream->trace.sent && status == LX_E_NETWORK)
        lx_err_hint(err,
                    "Is ClickHouse's HTTP interface at %s? Check CLICKHOUSE_URL, or "
                    "CLICKHOUSE_HOST and CLICKHOUSE_HTTP_PORT.",
                    http->where);
    return status;
}

/* -- receiving ----------------------------------------------------------------------------- */

static enum lx_status read_plain(void *self, void *to, size_t capacity, size_t *got,
                                 struct lx_err *err)
{
    struct lx_ch_http_stream *stream = self;
    return lx_http_read(stream->response, to, capacity, got, err);
}

static enum lx_status choose_reading(struct lx_ch_http_stream *stream, struct lx_err *err)
{
    struct lx_ch_source plain = {read_plain, stream};
    struct lx_str encoding = lx_http_header(stream->response, "Content-Encoding");
    if (lx_str_is(encoding, "zstd")) {
        stream->form = LX_CH_BODY_ZSTD;
        if (lx_ch_unzstd_init(&stream->unzstd, plain) != LX_OK)
            return lx_err_memory(err);
    } else if (encoding.len != 0) {
        return lx_err_set(err, LX_E_FORMAT, "%s: the answer has the encoding %.*s, not asked for",
                          stream->http->where, LX_STR_ARG(encoding));
    } else if (stream->http->compression == LX_CH_COMPRESS_LZ4) {
        stream->form = LX_CH_BODY_FRAMES;
        lx_ch_frames_init(&stream->frames, plain);
    } else {
        stream->form = LX_CH_BODY_BARE;
    }
    return LX_OK;
}

/* Anything that speaks HTTP answers 200 to something: only ClickHouse says these. */
static bool is_clickhouse(const struct lx_http_response *response)
{
    return lx_http_header(response, "X-ClickHouse-Query-Id").ptr != NULL ||
           lx_http_header(response, "X-ClickHouse-Summary").ptr != NULL ||
           lx_http_header(response, "X-ClickHouse-Timezone").ptr != NULL ||
           lx_http_header(response, "X-ClickHouse-Server-Display-Name").ptr != NULL;
}

static enum lx_status check_success(struct lx_ch_http_stream *stream, bool select,
                                    struct lx_err *err)
{
    const char *where = stream->http->where;
    if (!is_clickhouse(stream->response)) {
        lx_err_set(err, LX_E_FORMAT, "%s: the answer is not ClickHouse's", where);
        lx_err_hint(err, "Something else answers there. Check CLICKHOUSE_URL, or CLICKHOUSE_HOST "
                         "and CLICKHOUSE_HTTP_PORT, and what stands between.");
        return LX_E_FORMAT;
    }
    struct lx_str format = lx_http_header(stream->response, "X-ClickHouse-Format");
    if (select && format.len != 0 && !lx_str_is(format, "Native"))
        return lx_err_set(err, LX_E_FORMAT, "%s, query %s: the answer comes in the format %.*s",
                          where, stream->query_id, LX_STR_ARG(format));
    struct lx_str tag = lx_http_header(stream->response, "X-ClickHouse-Exception-Tag");
    if (tag.len < sizeof stream->tag && tag.len != 0) {
        memcpy(stream->tag, tag.ptr, tag.len);
        stream->tag_len = tag.len;
    }
    return LX_OK;
}

static void end_http(void *self)
{
    struct lx_ch_http_stream *stream = self;
    if (stream->form == LX_CH_BODY_FRAMES)
        lx_ch_frames_free(&stream->frames);
    if (stream->form == LX_CH_BODY_ZSTD)
        lx_ch_unzstd_free(&stream->unzstd);
    lx_http_end(stream->response);
    lx_free(stream);
}

static enum lx_status begin_http(void *self, const struct lx_ch_call *call, void **stream,
                                 struct lx_err *err)
{
    struct lx_ch_http *http = self;
    struct lx_ch_http_stream *fresh = lx_calloc(1, sizeof *fresh);
    if (fresh == NULL)
        return lx_err_memory(err);
    fresh->http = http;
    snprintf(fresh->query_id, sizeof fresh->query_id, "%s", call->query_id);
    enum lx_status status = exchange(http, call, fresh, err);
    if (status == LX_OK)
        status = choose_reading(fresh, err);
    if (status == LX_OK) {
        bool failed = lx_http_status(fresh->response) != 200 ||
                      lx_http_header(fresh->response, "X-ClickHouse-Exception-Code").len != 0;
        status = failed ? lx_ch_http_error(fresh, err) : check_success(fresh, call->select, err);
    }
    if (status != LX_OK) {
        end_http(fresh);
        return status;
    }
    *stream = fresh;
    return LX_OK;
}

static enum lx_status read_http(void *self, void *to, size_t capacity, size_t *got,
                                struct lx_err *err)
{
    struct lx_ch_http_stream *stream = self;
    switch (stream->form) {
    case LX_CH_BODY_BARE: return read_plain(stream, to, capacity, got, err);
    case LX_CH_BODY_FRAMES: return lx_ch_frames_read(&stream->frames, to, capacity, got, err);
    case LX_CH_BODY_ZSTD: return lx_ch_unzstd_read(&stream->unzstd, to, capacity, got, err);
    }
    return LX_E_BUG;
}

static enum lx_status judge_http(void *self, struct lx_str tail, bool failed, struct lx_err *err)
{
    struct lx_ch_http_stream *stream = self;
    struct lx_str tag = {stream->tag, stream->tag_len}, text;
    struct lx_ch_exception exception;
    bool found = lx_ch_exception_trailer(tail, tag, &text);
    /* Servers before 25.11 name no tag. Then only a failure may be explained so, by what ends as an
     * exception does: values may hold any text. */
    if (!found && failed && tag.len == 0)
        found = lx_ch_exception_bare(tail, &text) && lx_ch_exception_is_whole(text);
    if (!found)
        return LX_OK;
    if (!lx_ch_exception_parse(text, &exception)) {
        exception = (struct lx_ch_exception){.message = text};
        if (text.len == 0)
            exception.message = LX_STR("the server broke the answer off, without a reason");
    }
    return lx_ch_exception_set(err, &exception, stream->http->where, stream->query_id);
}

const struct lx_ch_driver lx_ch_http_driver = {
    .begin = begin_http,
    .read = read_http,
    .judge = judge_http,
    .end = end_http,
    .close = close_http,
};
