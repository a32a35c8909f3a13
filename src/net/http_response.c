/* http_response.c: one exchange, driven within the caller's thread.
 *
 * What must not change: a body counts as whole only if curl saw its declared end, and a request
 * that may have been done is never sent a second time without the caller's word. */
#include "net/http_private.h"

#include "base/alloc.h"

#include <stdio.h>

/* curl hands out pieces of at most CURL_MAX_WRITE_SIZE, so an empty stash takes any of them. */
#define STASH_MAX ((size_t)256 * 1024)
_Static_assert(STASH_MAX >= CURL_MAX_WRITE_SIZE, "a piece must fit into an empty stash");

/* -- callbacks ----------------------------------------------------------------------------- */

int lx_http_on_ready(void *context, char *remote_ip, char *local_ip, int remote_port,
                     int local_port)
{
    struct lx_http_response *r = context;
    (void)remote_ip, (void)local_ip, (void)remote_port, (void)local_port;
    /* 417 is the one answer after which curl itself repeats: the body was not sent. */
    if (r->attempts > 0 && !r->repeatable && r->status != 417) {
        r->refused_repeat = true;
        return CURL_PREREQFUNC_ABORT;
    }
    r->attempts++;
    r->activity++;
    r->trace->sent = true;
    long fresh = 0;
    if (curl_easy_getinfo(r->lane->easy, CURLINFO_NUM_CONNECTS, &fresh) == CURLE_OK)
        r->trace->reused = fresh == 0;
    return CURL_PREREQFUNC_OK;
}

size_t lx_http_on_send(char *buffer, size_t size, size_t count, void *context)
{
    struct lx_http_response *r = context;
    size_t capacity = size * count, got = 0;
    r->activity++;
    if (r->source == NULL) {
        got = r->body_size - r->body_at < capacity ? r->body_size - r->body_at : capacity;
        if (got != 0)
            memcpy(buffer, r->body + r->body_at, got);
        r->body_at += got;
        return got;
    }
    enum lx_status status =
        r->source(r->source_context, buffer, capacity, &got, &r->source_failure);
    if (status != LX_OK || got > capacity) {
        r->source_failure.status = status != LX_OK ? status : LX_E_BUG;
        return CURL_READFUNC_ABORT;
    }
    return got;
}

/* Back to the start, before a repeatable request goes out again. */
int lx_http_on_seek(void *context, curl_off_t offset, int origin)
{
    struct lx_http_response *r = context;
    if (r->source != NULL || origin != SEEK_SET || offset < 0 ||
        (uint64_t)offset > (uint64_t)r->body_size)
        return CURL_SEEKFUNC_FAIL;
    r->body_at = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

static void begin_head(struct lx_http_response *r, struct lx_str line)
{
    lx_buf_clear(&r->head);
    r->field_count = 0;
    r->head_complete = false;
    r->status = 0;
    size_t at = 0;
    while (at < line.len && line.ptr[at] != ' ')
        at++;
    for (size_t i = at + 1; i < line.len && i < at + 4; i++) {
        if (line.ptr[i] < '0' || line.ptr[i] > '9')
            return;
        r->status = r->status * 10 + (line.ptr[i] - '0');
    }
}

static bool keep_field(struct lx_http_response *r, struct lx_str line)
{
    const char *colon = memchr(line.ptr, ':', line.len);
    if (colon == NULL)
        return true; /* not a header: no use to anybody */
    if (r->field_count == LX_HTTP_MAX_HEADERS) {
        r->head_overflow = true;
        return false;
    }
    struct lx_str name = {line.ptr, (size_t)(colon - line.ptr)};
    struct lx_str value = {colon + 1, line.len - name.len - 1};
    name = lx_str_trim(name);
    value = lx_str_trim(value);
    struct lx_http_field *field = &r->fields[r->field_count];
    field->name = (uint32_t)r->head.len;
    field->name_len = (uint32_t)name.len;
    enum lx_status status = lx_buf_append(&r->head, name.ptr, name.len);
    field->value = (uint32_t)r->head.len;
    field->value_len = (uint32_t)value.len;
    if (status == LX_OK)
        status = lx_buf_append(&r->head, value.ptr, value.len);
    r->head_memory = status == LX_E_MEMORY;
    r->head_overflow = status == LX_E_LIMIT;
    if (status == LX_OK)
        r->field_count++;
    return status == LX_OK;
}

size_t lx_http_on_head(char *bytes, size_t size, size_t count, void *context)
{
    struct lx_http_response *r = context;
    size_t all = size * count;
    struct lx_str line = lx_str_trim((struct lx_str){bytes, all});
    r->activity++;
    if (!r->head_complete && lx_str_starts(line, LX_STR("HTTP/"))) {
        begin_head(r, line);
    } else if (line.len != 0) {
        return keep_field(r, line) ? all : 0;
    } else if (r->status >= 200 && !(r->status == 417 && r->expect && r->attempts == 1)) {
        r->head_complete = true;
    }
    return all;
}

size_t lx_http_on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct lx_http_response *r = context;
    size_t all = size * count;
    size_t direct = r->into_capacity - r->into_len;
    if (direct > all)
        direct = all;
    size_t rest = all - direct;
    if (rest > STASH_MAX - r->stash.len) {
        r->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (rest != 0 && lx_buf_append(&r->stash, bytes + direct, rest) != LX_OK) {
        r->head_memory = true;
        return 0;
    }
    if (direct != 0) {
        memcpy(r->into + r->into_len, bytes, direct);
        r->into_len += direct;
    }
    r->activity++;
    r->received += (int64_t)all;
    return all;
}

/* -- errors -------------------------------------------------------------------------------- */

static const char *reason_of(const struct lx_http_response *r)
{
    return r->curl_said[0] != 0 ? r->curl_said : curl_easy_strerror(r->result);
}

static enum lx_status fail_tls(struct lx_http_response *r, struct lx_err *err)
{
    const char *setting = r->client->ca_setting;
    if (r->result == CURLE_PEER_FAILED_VERIFICATION) {
        lx_err_set(err, LX_E_AUTH, "%s: the server's certificate is not trusted: %s", r->where,
                   reason_of(r));
        lx_err_hint(err,
                    "if the server uses a certificate authority of your own, name its PEM file in "
                    "%s; verification cannot be switched off",
                    setting);
        return LX_E_AUTH;
    }
    if (r->result == CURLE_SSL_CACERT_BADFILE) {
        lx_err_set(err, LX_E_ARGUMENT, "%s: the CA file \"%s\" cannot be used: %s", r->where,
                   r->client->ca_bundle != NULL ? r->client->ca_bundle : "(system)", reason_of(r));
        lx_err_hint(err, "%s must name a readable PEM file of certificates", setting);
        return LX_E_ARGUMENT;
    }
    lx_err_set(err, LX_E_NETWORK, "%s: TLS could not be set up: %s", r->where, reason_of(r));
    lx_err_hint(err, "does the server speak TLS on this port? (https:// against http://)");
    return LX_E_NETWORK;
}

static enum lx_status fail_curl(struct lx_http_response *r, struct lx_err *err)
{
    if (r->refused_repeat)
        return lx_err_set(err, LX_E_NETWORK,
                          "%s: the connection broke before the answer; the server may have done it",
                          r->where);
    if (r->head_memory)
        return lx_err_memory(err);
    if (r->head_overflow)
        return lx_err_set(err, LX_E_LIMIT, "%s: the answer has too many or too long headers",
                          r->where);
    switch (r->result) {
    case CURLE_OUT_OF_MEMORY: return lx_err_memory(err);
    case CURLE_OPERATION_TIMEDOUT:
        return lx_err_set(err, LX_E_TIMEOUT, "%s: timed out: %s", r->where, reason_of(r));
    case CURLE_URL_MALFORMAT:
    case CURLE_BAD_FUNCTION_ARGUMENT:
        return lx_err_set(err, LX_E_ARGUMENT, "%s: %s", r->where, reason_of(r));
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR: return fail_tls(r, err);
    case CURLE_PARTIAL_FILE:
        return lx_err_set(err, LX_E_NETWORK, "%s: the answer was cut after %lld bytes: %s",
                          r->where, (long long)r->received, reason_of(r));
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
        lx_err_set(err, LX_E_NETWORK, "%s: the answer is not HTTP: %s", r->where, reason_of(r));
        lx_err_hint(err, "does an HTTP server listen on this port, and without TLS?");
        return LX_E_NETWORK;
    default: return lx_err_set(err, LX_E_NETWORK, "%s: %s", r->where, reason_of(r));
    }
}

static bool is_same_word(struct lx_str text, const char *word)
{
    size_t len = strlen(word);
    return text.len >= len && strncasecmp(text.ptr + text.len - len, word, len) == 0;
}

/* Has the body a declared end? Only then "closed" and "complete" can be told apart. */
static bool is_framed(const struct lx_http_response *r)
{
    if (r->head_only || r->status == 204 || r->status == 205 || r->status == 304)
        return true;
    if (lx_http_length(r) >= 0)
        return true;
    return is_same_word(lx_http_header(r, "transfer-encoding"), "chunked");
}

/* curl says that all went well; is it so? */
static enum lx_status judge_end(struct lx_http_response *r, struct lx_err *err)
{
    if (r->status < 100)
        return lx_err_set(err, LX_E_NETWORK, "%s: the answer has no status", r->where);
    if (r->status >= 300)
        return LX_OK;
    if (!is_framed(r))
        return lx_err_set(err, LX_E_NETWORK,
                          "%s: the answer has neither a length nor chunks: whether it is whole "
                          "cannot be known",
                          r->where);
    if (r->sends_body && r->body_total >= 0 && r->trace->body_sent != r->body_total)
        return lx_err_set(
            err, LX_E_NETWORK, "%s: the server answered %d after %lld of %lld bytes of the body",
            r->where, r->status, (long long)r->trace->body_sent, (long long)r->body_total);
    return LX_OK;
}

static enum lx_status judge(struct lx_http_response *r, struct lx_err *err)
{
    if (r->source_failure.status != LX_OK) {
        if (err != NULL)
            *err = r->source_failure;
        return r->source_failure.status;
    }
    if (r->result != CURLE_OK)
        return fail_curl(r, err);
    LX_TRY(judge_end(r, err));
    r->head_complete = true; /* also a 417 that curl took as the last word */
    r->body_ended = true;
    return LX_OK;
}

/* -- driving ------------------------------------------------------------------------------- */

static void look_for_end(struct lx_http_response *r)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(r->lane->multi, &left)) != NULL) {
        if (message->msg == CURLMSG_DONE) {
            r->done = true;
            r->result = message->data.result;
        }
    }
}

static void update_trace(struct lx_http_response *r)
{
    curl_off_t sent = 0;
    if (curl_easy_getinfo(r->lane->easy, CURLINFO_SIZE_UPLOAD_T, &sent) == CURLE_OK &&
        sent != r->trace->body_sent) {
        r->trace->body_sent = sent;
        r->activity++;
    }
    r->trace->body_received = r->received;
    r->trace->status = r->status;
}

static enum lx_status fail_silence(struct lx_http_response *r, struct lx_err *err)
{
    const char *then = r->received != 0 || r->head_complete ? "the answer stopped"
                       : r->body_total != 0 && r->trace->body_sent != r->body_total
                           ? "the server stopped taking the body"
                           : "no answer";
    return lx_err_set(err, LX_E_TIMEOUT, "%s: %s: nothing moved for %d ms", r->where, then,
                      r->idle_timeout_ms);
}

struct drive_watch {
    int64_t started, moved_at;
    uint64_t activity;
};

/* How long to wait for the network now; *wait_ms. Fails when it was long enough already. */
static enum lx_status check_limits(struct lx_http_response *r, struct drive_watch *watch,
                                   int64_t *wait_ms, struct lx_err *err)
{
    if (lx_cancel_asked(r->client->cancel) || lx_cancel_asked(r->cancel))
        return lx_err_set(err, LX_E_CANCELLED, "%s: interrupted", r->where);
    int64_t now = lx_clock_monotonic(&r->client->clock);
    *wait_ms = LX_CANCEL_POLL_MS;
    if (watch->activity != r->activity) {
        watch->activity = r->activity;
        watch->moved_at = now;
    }
    /* Before the request is on its way, the time limit for connecting counts. */
    if (r->idle_timeout_ms > 0 && r->attempts > 0) {
        int64_t left = r->idle_timeout_ms - (now - watch->moved_at);
        if (left <= 0)
            return fail_silence(r, err);
        *wait_ms = left < *wait_ms ? left : *wait_ms;
    }
    if (r->timeout_ms > 0) {
        int64_t left = r->timeout_ms - r->spent_ms - (now - watch->started);
        if (left <= 0)
            return lx_err_set(err, LX_E_TIMEOUT, "%s: not done within %d ms", r->where,
                              r->timeout_ms);
        *wait_ms = left < *wait_ms ? left : *wait_ms;
    }
    return LX_OK;
}

static bool is_satisfied(const struct lx_http_response *r, bool want_body)
{
    return r->done || (want_body ? r->into_len > 0 : r->head_complete);
}

static enum lx_status step(struct lx_http_response *r, bool want_body, struct drive_watch *watch,
                           struct lx_err *err)
{
    int running = 0;
    CURLMcode code = CURLM_OK;
    if (r->paused) {
        r->paused = false;
        CURLcode resumed = curl_easy_pause(r->lane->easy, CURLPAUSE_CONT);
        if (resumed != CURLE_OK) {
            r->done = true;
            r->result = resumed;
            return LX_OK;
        }
        if (is_satisfied(r, want_body))
            return LX_OK;
    }
    code = curl_multi_perform(r->lane->multi, &running);
    look_for_end(r);
    update_trace(r);
    if (code == CURLM_OK && !is_satisfied(r, want_body)) {
        int64_t wait_ms = 0;
        LX_TRY(check_limits(r, watch, &wait_ms, err));
        code = curl_multi_poll(r->lane->multi, NULL, 0, (int)wait_ms, NULL);
    }
    if (code == CURLM_OUT_OF_MEMORY)
        return lx_err_memory(err);
    if (code != CURLM_OK)
        return lx_err_set(err, LX_E_IO, "%s: libcurl failed: %s", r->where,
                          curl_multi_strerror(code));
    return LX_OK;
}

static enum lx_status drive(struct lx_http_response *r, bool want_body, struct lx_err *err)
{
    enum lx_status status = LX_OK;
    int64_t now = lx_clock_monotonic(&r->client->clock);
    struct drive_watch watch = {now, now, r->activity};
    while (status == LX_OK && !is_satisfied(r, want_body))
        status = step(r, want_body, &watch, err);
    r->spent_ms += lx_clock_monotonic(&r->client->clock) - watch.started;
    if (status == LX_OK && r->done && !r->body_ended)
        status = judge(r, err);
    return status;
}

enum lx_status lx_http_drive_head(struct lx_http_response *r, struct lx_err *err)
{
    CURLMcode code = curl_multi_add_handle(r->lane->multi, r->lane->easy);
    if (code != CURLM_OK)
        return code == CURLM_OUT_OF_MEMORY
                   ? lx_err_memory(err)
                   : lx_err_set(err, LX_E_BUG, "%s: libcurl refused the request: %s", r->where,
                                curl_multi_strerror(code));
    r->attached = true;
    return drive(r, false, err);
}

/* -- the public half ----------------------------------------------------------------------- */

enum lx_status lx_http_begin(struct lx_http *client, const struct lx_http_request *request,
                             struct lx_http_response **out, struct lx_err *err)
{
    struct lx_err own = LX_ERR_INIT;
    if (request->trace != NULL)
        *request->trace = (struct lx_http_trace){0};
    struct lx_http_response *r = lx_calloc(1, sizeof *r);
    if (r == NULL)
        return lx_err_memory(err);
    r->client = client;
    r->trace = request->trace != NULL ? request->trace : &r->own_trace;
    r->head.max = LX_HTTP_MAX_HEAD;
    r->stash.max = STASH_MAX;
    enum lx_status status = lx_http_take_lane(client, &r->lane, &own);
    if (status == LX_OK)
        status = lx_http_prepare(r, request, &own);
    if (status == LX_OK)
        status = lx_http_drive_head(r, &own);
    /* Head, body and the break may come at once: what came may say why it broke. */
    if (status == LX_E_NETWORK && r->head_complete && !r->head_only &&
        r->source_failure.status == LX_OK) {
        r->failure = own;
        status = LX_OK;
    }
    if (status != LX_OK) {
        lx_http_end(r);
        if (err != NULL)
            *err = own;
        return status;
    }
    *out = r;
    return LX_OK;
}

static size_t take_stash(struct lx_http_response *r, void *buffer, size_t capacity)
{
    size_t left = r->stash.len - r->stash_at;
    size_t got = left < capacity ? left : capacity;
    if (got != 0)
        memcpy(buffer, r->stash.data + r->stash_at, got);
    r->stash_at += got;
    if (r->stash_at == r->stash.len) {
        lx_buf_clear(&r->stash);
        r->stash_at = 0;
    }
    return got;
}

enum lx_status lx_http_read(struct lx_http_response *r, void *buffer, size_t capacity, size_t *got,
                            struct lx_err *err)
{
    if (capacity == 0)
        return lx_err_set(err, LX_E_BUG, "%s: a read of nothing", r->where);
    size_t taken = take_stash(r, buffer, capacity);
    if (taken != 0 || (r->body_ended && r->failure.status == LX_OK)) {
        *got = taken;
        return LX_OK;
    }
    if (r->failure.status != LX_OK) {
        if (err != NULL)
            *err = r->failure;
        return r->failure.status;
    }
    r->into = buffer;
    r->into_capacity = capacity;
    r->into_len = 0;
    enum lx_status status = drive(r, true, &r->failure);
    taken = r->into_len;
    r->into = NULL;
    r->into_capacity = r->into_len = 0;
    if (status != LX_OK)
        r->failure.status = status;
    /* What came before the break is handed out first. */
    if (status != LX_OK && taken == 0 && (taken = take_stash(r, buffer, capacity)) == 0) {
        if (err != NULL)
            *err = r->failure;
        return status;
    }
    *got = taken;
    return LX_OK;
}

enum lx_status lx_http_read_all(struct lx_http_response *r, struct lx_buf *body, struct lx_err *err)
{
    int64_t length = lx_http_length(r);
    size_t before = body->len;
    enum lx_status status = LX_OK;
    if (length > 0 && !r->head_only) {
        if ((uint64_t)length > body->max - body->len)
            status = LX_E_LIMIT;
        else
            status = lx_buf_reserve(body, (size_t)length);
    }
    for (size_t got = 1; status == LX_OK && got != 0;) {
        size_t room = body->cap - body->len;
        if (room <= 1) {
            status = lx_buf_reserve(body, body->max - body->len < 4 * LX_KIB ? body->max - body->len
                                                                             : 4 * LX_KIB);
            room = body->cap - body->len;
        }
        /* The last byte is the NUL's; with a full buffer one more read tells whether it ended. */
        uint8_t beyond;
        bool full = body->len == body->max;
        if (status == LX_OK)
            LX_TRY_GOTO(full ? lx_http_read(r, &beyond, 1, &got, err)
                             : lx_http_read(r, body->data + body->len, room - 1, &got, err),
                        failed);
        if (status == LX_OK && full && got != 0)
            status = LX_E_LIMIT;
        else if (status == LX_OK)
            body->len += got;
    }
    if (status == LX_OK)
        status = lx_buf_text(body, "");
    if (status == LX_E_MEMORY)
        lx_err_memory(err);
    else if (status == LX_E_LIMIT)
        lx_err_set(err, LX_E_LIMIT, "%s: the answer is larger than %zu bytes", r->where, body->max);
failed:
    if (status != LX_OK)
        body->len = before;
    return status;
}

void lx_http_end(struct lx_http_response *r)
{
    if (r == NULL)
        return;
    if (r->attached)
        curl_multi_remove_handle(r->lane->multi, r->lane->easy);
    if (r->lane != NULL)
        lx_http_return_lane(r->client, r->lane, r->body_ended);
    curl_slist_free_all(r->header_list);
    lx_buf_free(&r->head);
    lx_buf_free(&r->stash);
    lx_free(r);
}

enum lx_status lx_http_fetch(struct lx_http *client, const struct lx_http_request *request,
                             struct lx_buf *body, struct lx_http_response **out, struct lx_err *err)
{
    struct lx_http_response *r;
    LX_TRY(lx_http_begin(client, request, &r, err));
    enum lx_status status = lx_http_read_all(r, body, err);
    if (status != LX_OK) {
        lx_http_end(r);
        return status;
    }
    *out = r;
    return LX_OK;
}

int lx_http_status(const struct lx_http_response *r)
{
    return r->status;
}

struct lx_str lx_http_header(const struct lx_http_response *r, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < r->field_count; i++) {
        const struct lx_http_field *field = &r->fields[i];
        if (field->name_len == len &&
            strncasecmp((const char *)r->head.data + field->name, name, len) == 0)
            return (struct lx_str){(const char *)r->head.data + field->value, field->value_len};
    }
    return (struct lx_str){NULL, 0};
}

int64_t lx_http_length(const struct lx_http_response *r)
{
    int64_t length;
    struct lx_str text = lx_http_header(r, "content-length");
    return text.ptr != NULL && lx_str_to_i64(text, &length) && length >= 0 ? length : -1;
}
