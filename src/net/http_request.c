/* http_request.c: from a request to a prepared easy handle.
 *
 * Nothing of curl's environment handling is left on but the proxies; everything else that could
 * change what is sent or accepted is set explicitly. */
#include "net/http_private.h"

#include "base/alloc.h"
#include "net/url.h"

#include <stdio.h>

/* Large enough that a read takes few system calls, small enough for a cache. */
#define RECEIVE_BUFFER (128L * 1024)
#define SEND_BUFFER (256L * 1024)
#define KEEPALIVE_SECONDS 30L

static bool is_token(const char *name)
{
    if (name == NULL || name[0] == 0)
        return false;
    for (const char *c = name; *c != 0; c++) {
        if (*c <= 0x20 || *c > 0x7e || strchr("\"(),/:;<=>?@[\\]{}", *c) != NULL)
            return false;
    }
    return true;
}

static bool is_header_value(const char *value)
{
    if (value == NULL)
        return false;
    for (const unsigned char *c = (const unsigned char *)value; *c != 0; c++) {
        if ((*c < 0x20 && *c != '\t') || *c == 0x7f)
            return false;
    }
    return true;
}

static enum lx_status add_line(struct lx_http_response *r, const char *line, struct lx_err *err)
{
    struct curl_slist *longer = curl_slist_append(r->header_list, line);
    if (longer == NULL)
        return lx_err_memory(err);
    r->header_list = longer;
    return LX_OK;
}

static enum lx_status add_header(struct lx_http_response *r, const struct lx_http_header *header,
                                 struct lx_err *err)
{
    if (!is_token(header->name) || !is_header_value(header->value))
        return lx_err_set(err, LX_E_ARGUMENT, "%s: the header \"%s\" is not one that can be sent",
                          r->where, header->name != NULL ? header->name : "");
    struct lx_buf line = LX_BUF(LX_HTTP_MAX_HEAD);
    /* curl's own syntax: "Name;" sends a header without a value. */
    enum lx_status status = header->value[0] == 0
                                ? lx_buf_printf(&line, "%s;", header->name)
                                : lx_buf_printf(&line, "%s: %s", header->name, header->value);
    if (status == LX_OK)
        status = add_line(r, lx_buf_cstr(&line), err);
    else
        lx_err_set(err, status, "%s: the header \"%s\" is too long", r->where, header->name);
    lx_buf_free(&line);
    return status;
}

static enum lx_status make_headers(struct lx_http_response *r,
                                   const struct lx_http_request *request, struct lx_err *err)
{
    if (request->header_count > LX_HTTP_MAX_HEADERS)
        return lx_err_set(err, LX_E_LIMIT, "%s: %zu headers are too many", r->where,
                          request->header_count);
    for (size_t i = 0; i < request->header_count; i++)
        LX_TRY(add_header(r, &request->headers[i], err));
    /* Where asking is wanted curl adds the header itself: only then it leaves it out after a 417.
     * An empty value keeps it from deciding so elsewhere. */
    return r->sends_body && !r->expect ? add_line(r, "Expect:", err) : LX_OK;
}

static enum lx_status check_url(struct lx_http_response *r, const struct lx_http_request *request,
                                struct lx_url *url, struct lx_err *err)
{
    LX_TRY(lx_url_parse(lx_str_of(request->url), url, err));
    r->tls = lx_url_scheme_is(url, "https");
    if ((!r->tls && !lx_url_scheme_is(url, "http")) || url->host.len == 0)
        return lx_err_set(err, LX_E_ARGUMENT,
                          "URL \"%.200s\": neither http:// nor https:// and a "
                          "host",
                          request->url);
    struct lx_buf origin = LX_BUF(LX_URL_MAX);
    enum lx_status status = lx_url_origin(url, &origin);
    if (status != LX_OK)
        lx_err_memory(err);
    else
        snprintf(r->where, sizeof r->where, "%s %s%.*s", request->method, lx_buf_cstr(&origin),
                 LX_STR_ARG(url->path));
    lx_buf_free(&origin);
    return status;
}

static void set_body(struct lx_http_response *r, const struct lx_http_request *request)
{
    r->body = request->body;
    r->body_size = request->body_size;
    r->source = request->source;
    r->source_context = request->source_context;
    r->body_total = r->source != NULL ? request->source_size : (int64_t)request->body_size;
    bool carries = strcmp(request->method, "PUT") == 0 || strcmp(request->method, "POST") == 0;
    r->sends_body = carries || r->source != NULL || r->body_size != 0;
    r->expect = request->expect && r->sends_body && r->body_total != 0;
}

/* curl_easy_setopt is a variadic macro with checks of its own: one failure ends the chain. */
#define SET(option, value)                                                                         \
    do {                                                                                           \
        if (code == CURLE_OK)                                                                      \
            code = curl_easy_setopt(easy, option, value);                                          \
    } while (0)

static CURLcode set_callbacks(struct lx_http_response *r, CURL *easy)
{
    CURLcode code = CURLE_OK;
    SET(CURLOPT_HEADERFUNCTION, lx_http_on_head);
    SET(CURLOPT_HEADERDATA, r);
    SET(CURLOPT_WRITEFUNCTION, lx_http_on_body);
    SET(CURLOPT_WRITEDATA, r);
    SET(CURLOPT_READFUNCTION, lx_http_on_send);
    SET(CURLOPT_READDATA, r);
    SET(CURLOPT_SEEKFUNCTION, lx_http_on_seek);
    SET(CURLOPT_SEEKDATA, r);
    SET(CURLOPT_PREREQFUNCTION, lx_http_on_ready);
    SET(CURLOPT_PREREQDATA, r);
    SET(CURLOPT_ERRORBUFFER, r->curl_said);
    return code;
}

static CURLcode set_transport(struct lx_http_response *r, CURL *easy, const struct lx_url *url,
                              int connect_timeout_ms)
{
    const struct lx_http *client = r->client;
    CURLcode code = CURLE_OK;
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)connect_timeout_ms);
    SET(CURLOPT_MAXAGE_CONN, (long)client->keep_seconds);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_TCP_KEEPIDLE, KEEPALIVE_SECONDS);
    SET(CURLOPT_TCP_KEEPINTVL, KEEPALIVE_SECONDS);
    SET(CURLOPT_BUFFERSIZE, RECEIVE_BUFFER);
    SET(CURLOPT_UPLOAD_BUFFERSIZE, SEND_BUFFER);
#if LIBCURL_VERSION_NUM >= 0x075700
    SET(CURLOPT_QUICK_EXIT, 1L); /* a cancelled look-up of a name is not waited for */
#endif
    if (lx_url_is_loopback(url))
        SET(CURLOPT_NOPROXY, "*");
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (client->ca_bundle != NULL) {
        SET(CURLOPT_CAINFO, client->ca_bundle);
        SET(CURLOPT_CAPATH, NULL); /* that bundle and nothing else */
    }
    return code;
}

static CURLcode set_http(struct lx_http_response *r, CURL *easy,
                         const struct lx_http_request *request)
{
    CURLcode code = CURLE_OK;
#if LIBCURL_VERSION_NUM >= 0x075500
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
#else
    SET(CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    SET(CURLOPT_URL, request->url);
    SET(CURLOPT_PATH_AS_IS, 1L); /* a path that was signed must arrive as it was signed */
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_HTTP_CONTENT_DECODING, 0L);
    SET(CURLOPT_USERAGENT, r->client->user_agent);
    SET(CURLOPT_HTTPHEADER, r->header_list);
    if (r->sends_body) {
        SET(CURLOPT_UPLOAD, 1L);
        SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)r->body_total);
        SET(CURLOPT_EXPECT_100_TIMEOUT_MS, (long)LX_HTTP_EXPECT_MS);
    } else if (r->head_only) {
        SET(CURLOPT_NOBODY, 1L);
    } else {
        SET(CURLOPT_HTTPGET, 1L);
    }
    SET(CURLOPT_CUSTOMREQUEST, request->method);
    return code;
}

#undef SET

enum lx_status lx_http_prepare(struct lx_http_response *r, const struct lx_http_request *request,
                               struct lx_err *err)
{
    struct lx_http *client = r->client;
    struct lx_url url;
    if (!is_token(request->method))
        return lx_err_set(err, LX_E_BUG, "a request without a method");
    LX_TRY(check_url(r, request, &url, err));
    if (request->source != NULL && request->source_size < -1)
        return lx_err_set(err, LX_E_BUG, "%s: the size of the body is negative", r->where);
    set_body(r, request);
    r->head_only = strcmp(request->method, "HEAD") == 0;
    r->repeatable = request->repeatable;
    r->cancel = request->cancel;
    r->timeout_ms = request->timeout_ms;
    if (request->idle_timeout_ms != -1)
        r->idle_timeout_ms =
            request->idle_timeout_ms > 0 ? request->idle_timeout_ms : client->idle_timeout_ms;
    LX_TRY(make_headers(r, request, err));
    CURL *easy = r->lane->easy;
    int connect_timeout_ms =
        request->connect_timeout_ms > 0 ? request->connect_timeout_ms : client->connect_timeout_ms;
    CURLcode code = set_callbacks(r, easy);
    if (code == CURLE_OK)
        code = set_transport(r, easy, &url, connect_timeout_ms);
    if (code == CURLE_OK)
        code = set_http(r, easy, request);
    if (code == CURLE_OUT_OF_MEMORY)
        return lx_err_memory(err);
    if (code != CURLE_OK)
        return lx_err_set(err, LX_E_BUG, "%s: libcurl refused an option: %s", r->where,
                          curl_easy_strerror(code));
    return LX_OK;
}
