/* s3_call.c: one request to S3: its URL, signature, tries, and the answer's headers. */
#include "store/s3.h"

#include "base/civil.h"
#include "net/url.h"

#include <stdio.h>
#include <strings.h>

#define MAX_HEADERS (LX_S3_MAX_EXTRA + 8)

/* What a store may refuse of a request that it would take otherwise. */
struct went_with {
    bool class, sums;
    char region[64];
};

/* What stands ready for one try. */
struct attempt {
    struct lx_buf url, path, query, authorization;
    char host[512], time[32];
    struct went_with with;
    struct lx_http_header headers[MAX_HEADERS];
    size_t header_count;
};

void lx_s3_name(const struct lx_s3 *s3, const char *key, char *text, size_t size)
{
    bool has_root = s3->root[0] != 0, has_key = key != NULL && key[0] != 0;
    snprintf(text, size, "s3://%s%s%s%s%s", s3->bucket, has_root ? "/" : "", s3->root,
             has_key ? "/" : "", has_key ? key : "");
}

void lx_s3_add_header(struct lx_s3_call *call, const char *name, const char *value)
{
    if (call->header_count < LX_S3_MAX_EXTRA)
        call->headers[call->header_count++] = (struct lx_http_header){name, value};
}

/* -- making -------------------------------------------------------------------------------- */

static void make_host(struct lx_s3 *s3, struct attempt *a)
{
    const char *dot = s3->virtual_host ? "." : "";
    const char *bucket = s3->virtual_host ? s3->bucket : "";
    pthread_mutex_lock(&s3->lock);
    snprintf(a->with.region, sizeof a->with.region, "%s", s3->region);
    pthread_mutex_unlock(&s3->lock);
    if (s3->endpoint_host != NULL)
        snprintf(a->host, sizeof a->host, "%s%s%s", bucket, dot, s3->endpoint_host);
    else
        snprintf(a->host, sizeof a->host, "%s%ss3.%s.amazonaws.com%s", bucket, dot, a->with.region,
                 strncmp(a->with.region, "cn-", 3) == 0 ? ".cn" : "");
}

static enum lx_status make_url(struct lx_s3 *s3, const struct lx_s3_call *call, struct attempt *a)
{
    if (!s3->virtual_host) {
        LX_TRY(lx_buf_text(&a->path, "/"));
        LX_TRY(lx_url_escape(&a->path, lx_str_of(s3->bucket), false));
    }
    if (call->key != NULL) {
        if (s3->root[0] != 0) {
            LX_TRY(lx_buf_text(&a->path, "/"));
            LX_TRY(lx_url_escape(&a->path, lx_str_of(s3->root), true));
        }
        LX_TRY(lx_buf_text(&a->path, "/"));
        LX_TRY(lx_url_escape(&a->path, lx_str_of(call->key), true));
    } else if (s3->virtual_host) {
        LX_TRY(lx_buf_text(&a->path, "/"));
    }
    for (size_t i = 0; i < call->param_count; i++) {
        LX_TRY(lx_buf_text(&a->query, i > 0 ? "&" : ""));
        LX_TRY(lx_url_escape(&a->query, lx_str_of(call->params[i].name), false));
        LX_TRY(lx_buf_text(&a->query, "="));
        LX_TRY(lx_url_escape(&a->query, lx_str_of(call->params[i].value), false));
    }
    LX_TRY(lx_buf_printf(&a->url, "%s://%s", s3->scheme, a->host));
    LX_TRY(lx_buf_str(&a->url, lx_buf_view(&a->path)));
    if (a->query.len > 0) {
        LX_TRY(lx_buf_text(&a->url, "?"));
        LX_TRY(lx_buf_str(&a->url, lx_buf_view(&a->query)));
    }
    return lx_buf_text(&a->query, "");
}

static void put_header(struct attempt *a, const char *name, const char *value)
{
    size_t at = a->header_count++;
    for (; at > 0 && strcmp(a->headers[at - 1].name, name) > 0; at--)
        a->headers[at] = a->headers[at - 1];
    a->headers[at] = (struct lx_http_header){name, value};
}

static enum lx_status make(struct lx_s3 *s3, const struct lx_s3_call *call, struct attempt *a,
                           struct lx_err *err)
{
    struct lx_civil now = lx_civil_of_ms(lx_clock_now(&s3->clock));
    snprintf(a->time, sizeof a->time, "%04d%02u%02uT%02u%02u%02uZ", (int)now.year, now.month,
             now.day, now.hour, now.minute, now.second);
    make_host(s3, a);
    if (make_url(s3, call, a) != LX_OK)
        return lx_err_memory(err);
    put_header(a, "host", a->host);
    put_header(a, "x-amz-content-sha256", call->payload);
    put_header(a, "x-amz-date", a->time);
    if (s3->session_token != NULL)
        put_header(a, "x-amz-security-token", s3->session_token);
    for (size_t i = 0; i < call->header_count; i++)
        put_header(a, call->headers[i].name, call->headers[i].value);
    a->with.class = call->has_class && s3->storage_class != NULL && !call->without_class &&
                    !atomic_load(&s3->no_class);
    a->with.sums = call->sum != LX_S3_NO_SUM && !call->without_sums && !atomic_load(&s3->no_sums);
    if (a->with.class)
        put_header(a, "x-amz-storage-class", s3->storage_class);
    if (a->with.sums && call->sum == LX_S3_SUM_OF_BODY)
        put_header(a, "x-amz-checksum-sha256", call->sum_text);
    if (a->with.sums && call->sum == LX_S3_SUMS_OF_PARTS)
        put_header(a, "x-amz-checksum-algorithm", "SHA256");
    const struct lx_s3_signing what = {
        .method = call->method,
        .path = lx_buf_cstr(&a->path),
        .query = lx_buf_cstr(&a->query),
        .headers = a->headers,
        .header_count = a->header_count,
        .payload = call->payload,
        .time = a->time,
        .region = a->with.region,
        .service = "s3",
        .access_key = s3->access_key,
        .secret_key = s3->secret_key,
    };
    if (lx_s3_sign(&what, &a->authorization) != LX_OK)
        return lx_err_memory(err);
    a->headers[a->header_count++] =
        (struct lx_http_header){"authorization", lx_buf_cstr(&a->authorization)};
    return LX_OK;
}

/* -- taking the answer --------------------------------------------------------------------- */

static void copy_header(const struct lx_http_response *r, const char *name, char *to, size_t size)
{
    struct lx_str value = lx_http_header(r, name);
    if (value.ptr == NULL)
        return;
    if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
        value = (struct lx_str){value.ptr + 1, value.len - 2};
    snprintf(to, size, "%.*s", LX_STR_ARG(value));
}

static unsigned digits(const char *text, size_t count)
{
    unsigned value = 0;
    for (size_t i = 0; i < count; i++)
        value = value * 10 + (unsigned)(text[i] - '0');
    return value;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7); 0 for anything else. */
static int64_t time_of(struct lx_str text)
{
    static const char shape[] = "aaa, 00 aaa 0000 00:00:00 GMT";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char month[4] = "";
    if (text.len != sizeof shape - 1)
        return 0;
    for (size_t i = 0; i < text.len; i++) {
        bool fits = shape[i] == '0'   ? text.ptr[i] >= '0' && text.ptr[i] <= '9'
                    : shape[i] == 'a' ? text.ptr[i] >= 'A' && text.ptr[i] <= 'z'
                                      : text.ptr[i] == shape[i];
        if (!fits)
            return 0;
    }
    memcpy(month, text.ptr + 8, 3);
    const char *found = strstr(months, month);
    if (found == NULL)
        return 0;
    const struct lx_civil civil = {.year = digits(text.ptr + 12, 4),
                                   .month = (unsigned)((found - months) / 3 + 1),
                                   .day = digits(text.ptr + 5, 2),
                                   .hour = digits(text.ptr + 17, 2),
                                   .minute = digits(text.ptr + 20, 2),
                                   .second = digits(text.ptr + 23, 2)};
    return lx_civil_to_ms(&civil);
}

static void take_headers(const struct lx_http_response *r, struct lx_s3_answer *answer)
{
    struct lx_object *object = &answer->object;
    answer->status = lx_http_status(r);
    object->size = lx_http_length(r);
    copy_header(r, "etag", object->etag, sizeof object->etag);
    copy_header(r, "x-amz-storage-class", object->storage_class, sizeof object->storage_class);
    copy_header(r, "x-amz-meta-lynex-upload", answer->owner, sizeof answer->owner);
    copy_header(r, "x-amz-checksum-sha256", answer->sum, sizeof answer->sum);
    struct lx_str modified = lx_http_header(r, "last-modified");
    object->modified_ms = modified.ptr != NULL ? time_of(modified) : 0;
    object->frozen = lx_s3_is_frozen(object->storage_class);
}

/* Exactly the bytes that were asked for: from that offset, of that length. */
static enum lx_status take_range(struct lx_http_response *r, const struct lx_s3_call *call,
                                 const char *name, struct lx_err *err)
{
    struct lx_str range = lx_http_header(r, "content-range");
    char start[64];
    size_t done = 0, got;
    snprintf(start, sizeof start, "bytes %lld-", (long long)call->into_offset);
    bool whole = lx_http_status(r) == 200 && call->into_offset == 0;
    if (!whole && (range.ptr == NULL || !lx_str_starts(range, lx_str_of(start))))
        return lx_err_set(err, LX_E_NETWORK, "%s: the store answered with other bytes than asked",
                          name);
    while (done < call->into_size) {
        LX_TRY(lx_http_read(r, (char *)call->into + done, call->into_size - done, &got, err));
        if (got == 0)
            return lx_err_set(err, LX_E_FORMAT, "%s ends %zu bytes before what was asked for", name,
                              call->into_size - done);
        done += got;
    }
    return LX_OK;
}

static enum lx_status take_failure(struct lx_s3 *s3, struct lx_http_response *r,
                                   const struct lx_s3_call *call, struct lx_s3_failure *failure,
                                   struct lx_err *err)
{
    struct lx_buf body = LX_BUF(LX_S3_MAX_ERROR);
    struct lx_err ignored = LX_ERR_INIT;
    /* A body that breaks off still leaves a status. */
    if (strcmp(call->method, "HEAD") == 0 || lx_http_read_all(r, &body, &ignored) != LX_OK)
        lx_buf_clear(&body);
    failure->status = lx_http_status(r);
    failure->body = lx_buf_view(&body);
    failure->date = lx_http_header(r, "date");
    failure->region = lx_http_header(r, "x-amz-bucket-region");
    enum lx_status status = lx_s3_failed(s3, call, failure, err);
    lx_buf_free(&body);
    return status;
}

/* A 2xx that is not the store's: an error lies behind it, or it has no ETag. Whatever its words
 * are, they are told, and nothing is concluded from them: neither that an object is missing, nor
 * that a write was refused, nor where the bucket is. */
static enum lx_status strangers_answer(struct lx_s3 *s3, const struct lx_s3_call *call,
                                       const struct lx_s3_answer *answer, struct lx_str body,
                                       struct lx_s3_failure *failure, struct lx_err *err)
{
    char code[64], name[512];
    failure->status = answer->status;
    failure->body = body;
    if (lx_s3_xml_text(body, "Code", code, sizeof code)) {
        (void)lx_s3_failed(s3, call, failure, err);
        failure->code[0] = failure->right_region[0] = 0;
        if (err != NULL) {
            err->status = LX_E_BUSY;
            err->name[0] = 0;
        }
    } else {
        lx_s3_name(s3, call->key, name, sizeof name);
        lx_err_set(err, LX_E_BUSY, "%s (%s): HTTP %d without an ETag, which every S3 store sends",
                   name, call->action + 3, answer->status);
        lx_err_hint(err, "what answers there is not the store itself: look at what lies between "
                         "(a proxy, a gateway)");
    }
    failure->again = true;
    return LX_E_BUSY;
}

static bool reads_object(const struct lx_s3_call *call)
{
    return call->key != NULL &&
           (strcmp(call->method, "GET") == 0 || strcmp(call->method, "HEAD") == 0);
}

/* What an object is said to be is not believed from anybody but the store. */
static enum lx_status take_stranger(struct lx_s3 *s3, struct lx_http_response *r,
                                    const struct lx_s3_call *call,
                                    const struct lx_s3_answer *answer,
                                    struct lx_s3_failure *failure, struct lx_err *err)
{
    struct lx_buf body = LX_BUF(LX_S3_MAX_ERROR);
    enum lx_status status = LX_OK;
    if (strcmp(call->method, "HEAD") != 0)
        status = lx_http_read_all(r, &body, err);
    if (status != LX_E_MEMORY && status != LX_E_CANCELLED) { /* a body that breaks off is none */
        if (status != LX_OK)
            lx_buf_clear(&body);
        status = strangers_answer(s3, call, answer, lx_buf_view(&body), failure, err);
    }
    lx_buf_free(&body);
    return status;
}

/* A write is done when the store says so itself: with an ETag, and without an error behind its 200
 * (a gateway's or a proxy's, say). Else nobody knows. */
static enum lx_status check_done(struct lx_s3 *s3, const struct lx_s3_call *call,
                                 const struct lx_s3_answer *answer, const struct lx_buf *body,
                                 struct lx_s3_failure *failure, struct lx_err *err)
{
    char code[64];
    bool is_put = strcmp(call->method, "PUT") == 0;
    if (!is_put && strcmp(call->method, "DELETE") != 0)
        return LX_OK;
    bool failed = lx_s3_xml_text(lx_buf_view(body), "Code", code, sizeof code);
    return failed || (is_put && answer->object.etag[0] == 0)
               ? strangers_answer(s3, call, answer, lx_buf_view(body), failure, err)
               : LX_OK;
}

static enum lx_status take(struct lx_s3 *s3, struct lx_http_response *r,
                           const struct lx_s3_call *call, struct lx_s3_answer *answer,
                           struct lx_s3_failure *failure, struct lx_err *err)
{
    char name[512];
    struct lx_buf drained = LX_BUF(LX_S3_MAX_ERROR);
    int http = lx_http_status(r);
    take_headers(r, answer);
    if (http / 100 != 2)
        return take_failure(s3, r, call, failure, err);
    if (reads_object(call) && answer->object.etag[0] == 0)
        return take_stranger(s3, r, call, answer, failure, err);
    lx_s3_name(s3, call->key, name, sizeof name);
    if (call->into != NULL)
        return take_range(r, call, name, err);
    enum lx_status status = LX_OK;
    if (strcmp(call->method, "HEAD") != 0)
        status = lx_http_read_all(r, call->out != NULL ? call->out : &drained, err);
    if (status == LX_OK)
        status = check_done(s3, call, answer, &drained, failure, err);
    lx_buf_free(&drained);
    if (status == LX_E_LIMIT)
        lx_err_context(err, "%s is larger than what may be read at once", name);
    return status;
}

/* -- trying -------------------------------------------------------------------------------- */

/* What tidies up has so many milliseconds; 0: not sent any more. Many uploads may have begun when
 * the user interrupts, and a silent store must not take the time of each: they share what there is.
 */
static int cleaning_time(struct lx_s3 *s3)
{
    if (!lx_cancel_asked(s3->cancel)) {
        atomic_store(&s3->cleaning_until, 0);
        return LX_S3_CLEANING_MS;
    }
    long long now = lx_clock_monotonic(&s3->clock), until = 0;
    if (atomic_compare_exchange_strong(&s3->cleaning_until, &until, now + LX_S3_LAST_CLEANING_MS))
        until = now + LX_S3_LAST_CLEANING_MS;
    long long left = until - now;
    return left <= 0 ? 0 : left < LX_S3_CLEANING_MS ? (int)left : LX_S3_CLEANING_MS;
}

static enum lx_status attempt(struct lx_s3 *s3, const struct lx_s3_call *call,
                              struct lx_s3_answer *answer, struct lx_s3_failure *failure,
                              struct lx_http_trace *trace, struct went_with *with,
                              struct lx_err *err)
{
    struct attempt a = {.url = LX_BUF(LX_URL_MAX),
                        .path = LX_BUF(LX_URL_MAX),
                        .query = LX_BUF(LX_URL_MAX),
                        .authorization = LX_BUF(16 * LX_KIB)};
    struct lx_http_response *r = NULL;
    int timeout_ms = call->cleaning ? cleaning_time(s3) : 0;
    if (call->cleaning && timeout_ms == 0)
        return lx_err_set(err, LX_E_CANCELLED, "interrupted: %s (%s) was not sent any more",
                          call->key, call->action);
    enum lx_status status = make(s3, call, &a, err);
    *with = a.with;
    if (status == LX_OK) {
        const struct lx_http_request request = {
            .method = call->method,
            .url = lx_buf_cstr(&a.url),
            .headers = a.headers,
            .header_count = a.header_count,
            .body = call->body,
            .body_size = call->body_size,
            .repeatable = !call->once && !call->single,
            .timeout_ms = timeout_ms,
            .expect = call->body_size >= LX_MIB,
            .cancel = call->cleaning ? NULL : s3->cancel,
            .trace = trace,
        };
        status = lx_http_begin(s3->http, &request, &r, err);
    }
    if (status == LX_OK)
        status = take(s3, r, call, answer, failure, err);
    else
        failure->again = lx_status_class(status) == LX_CLASS_retry;
    if (status != LX_OK && failure->status == 0)
        failure->again = lx_status_class(status) == LX_CLASS_retry;
    lx_http_end(r);
    atomic_fetch_add(&s3->bytes_out, trace->body_sent);
    atomic_fetch_add(&s3->bytes_in, trace->body_received);
    lx_buf_free(&a.url);
    lx_buf_free(&a.path);
    lx_buf_free(&a.query);
    lx_buf_free(&a.authorization);
    return status;
}

static enum lx_status wait_ms(struct lx_s3 *s3, const struct lx_s3_call *call, int64_t left,
                              struct lx_err *err)
{
    const struct lx_cancel *cancel = call->cleaning ? NULL : s3->cancel;
    while (left > 0 && !lx_cancel_asked(cancel)) {
        int64_t slice = left < LX_CANCEL_POLL_MS ? left : LX_CANCEL_POLL_MS;
        lx_clock_sleep(&s3->clock, slice);
        left -= slice;
    }
    if (lx_cancel_asked(cancel))
        return lx_err_set(err, LX_E_CANCELLED, "interrupted");
    return LX_OK;
}

static enum lx_status back_off(struct lx_s3 *s3, const struct lx_s3_call *call, unsigned tries,
                               struct lx_err *err)
{
    int64_t most = (int64_t)LX_S3_BACKOFF_MS << (tries < 8 ? tries - 1 : 7);
    if (most > LX_S3_BACKOFF_MAX_MS)
        most = LX_S3_BACKOFF_MAX_MS;
    int64_t wait = most / 2 + (int64_t)(lx_random_u64(&s3->random) % (uint64_t)(most / 2 + 1));
    return wait_ms(s3, call, wait, err);
}

static void say(struct lx_s3 *s3, const char *text)
{
    if (s3->say != NULL)
        s3->say(s3->say_context, text);
}

/* What the last try of a call went with, and what was put right since the first. Other calls are on
 * their way meanwhile, which meet with the same refusal: each judges by what it sent itself. */
struct amended {
    struct went_with with;
    bool class, sums, region;
};

static bool amend_region(struct lx_s3 *s3, const struct lx_s3_failure *failure,
                         struct amended *amended)
{
    char text[256];
    if (amended->region || strcmp(amended->with.region, failure->right_region) == 0)
        return false;
    pthread_mutex_lock(&s3->lock);
    bool first = !s3->said_region;
    s3->said_region = true;
    snprintf(s3->region, sizeof s3->region, "%s", failure->right_region);
    pthread_mutex_unlock(&s3->lock);
    snprintf(text, sizeof text, "the bucket %s lies in %s: AWS_REGION should say so", s3->bucket,
             failure->right_region);
    if (first)
        say(s3, text);
    return amended->region = true;
}

/* What can be put right without asking anybody; true: try again at once. */
static bool amend(struct lx_s3 *s3, struct lx_s3_call *call, const struct lx_s3_failure *failure,
                  struct amended *amended)
{
    if (failure->right_region[0] != 0)
        return amend_region(s3, failure, amended);
    /* Which header is meant, these do not say. */
    bool vague = strcmp(failure->code, "InvalidArgument") == 0 ||
                 strcmp(failure->code, "InvalidRequest") == 0 ||
                 strcmp(failure->code, "NotImplemented") == 0;
    if (vague && amended->with.sums)
        return amended->sums = call->without_sums = true;
    if (amended->with.class && (vague || strcmp(failure->code, "InvalidStorageClass") == 0))
        return amended->class = call->without_class = true;
    return false;
}

/* Success tells which of the headers it was: the class where that had to go too, and then a store
 * that refuses sums as well says so once more. */
static void learn(struct lx_s3 *s3, const struct amended *amended)
{
    char text[256];
    if (!amended->class && !amended->sums)
        return;
    atomic_store(amended->class ? &s3->no_class : &s3->no_sums, true);
    bool *said = amended->class ? &s3->said_class : &s3->said_sums;
    pthread_mutex_lock(&s3->lock);
    bool first = !*said;
    *said = true;
    pthread_mutex_unlock(&s3->lock);
    if (amended->class)
        snprintf(text, sizeof text,
                 "the store does not know the storage class %s: files go without it "
                 "(S3_STORAGE_CLASS=none says so from the start)",
                 s3->storage_class);
    else
        snprintf(text, sizeof text,
                 "the store refuses x-amz-checksum-sha256: objects go without it "
                 "(AWS_REQUEST_CHECKSUM_CALCULATION=when_required says so from the start)");
    if (first)
        say(s3, text);
}

static void say_retry(struct lx_s3 *s3, unsigned tries, const struct lx_err *err)
{
    char text[LX_ERR_TEXT + 64];
    if (tries != 3 || err == NULL) /* a short trouble is no news */
        return;
    snprintf(text, sizeof text, "%s; trying again (%u of %d)", err->text, tries,
             LX_STORE_MAX_TRIES);
    say(s3, text);
}

/* Once a conditional PUT may have been done, no later refusal says that it was not. */
static enum lx_status unknown(struct lx_err *err)
{
    lx_err_context(err, "it is not known whether the write was done");
    if (err != NULL)
        err->status = LX_E_UNKNOWN;
    return LX_E_UNKNOWN;
}

/* Waits until the pace allows the request. What tidies up does not wait: it has little time. */
static enum lx_status keep_pace(struct lx_s3 *s3, const struct lx_s3_call *call, struct lx_err *err)
{
    int64_t wait = lx_s3_pace_take(s3->pace, lx_clock_monotonic(&s3->clock));
    return call->cleaning || wait == 0 ? LX_OK : wait_ms(s3, call, wait, err);
}

static void slow_down(struct lx_s3 *s3, const struct lx_s3_failure *failure)
{
    char text[256];
    if (failure->status != 503 && failure->status != 429)
        return;
    double rate = lx_s3_pace_slower(s3->pace, lx_clock_monotonic(&s3->clock));
    if (rate <= 0)
        return;
    snprintf(text, sizeof text,
             "the store asks for fewer requests (%s, HTTP %d): at most %.0f a second from now on, "
             "and more again as it takes them",
             failure->code, failure->status, rate);
    say(s3, text);
}

/* Is another try in the process's budget? It is paid for. */
static bool may_retry(struct lx_s3 *s3, enum lx_status status, int *paid, struct lx_err *err)
{
    *paid = status == LX_E_TIMEOUT ? LX_S3_RETRY_TIMEOUT_COST : LX_S3_RETRY_COST;
    if (lx_s3_pace_retry(s3->pace, lx_clock_monotonic(&s3->clock), *paid))
        return true;
    lx_err_context(err, "not tried again, since too much fails at this store");
    return false;
}

static enum lx_status hash_body(struct lx_s3_call *call, struct lx_err *err)
{
    bool sum = call->sum == LX_S3_SUM_OF_BODY;
    enum lx_status status =
        lx_s3_sha256(call->body, call->body_size, call->payload, sum ? call->sum_text : NULL);
    return status == LX_OK ? LX_OK : lx_err_memory(err);
}

enum lx_status lx_s3_do(struct lx_s3 *s3, struct lx_s3_call *call, struct lx_s3_answer *answer,
                        struct lx_err *err)
{
    size_t out_start = call->out != NULL ? call->out->len : 0;
    const unsigned most = !call->cleaning               ? LX_STORE_MAX_TRIES
                          : lx_cancel_asked(s3->cancel) ? 1
                                                        : LX_S3_CLEANING_TRIES;
    bool maybe_done = false;
    struct amended amended = {0};
    int paid = 0;
    struct lx_err own = LX_ERR_INIT;
    if (err == NULL)
        err = &own; /* the caller needs no text, but what is said of tries does */
    LX_TRY(hash_body(call, err));
    for (unsigned tries = 1;; tries++) {
        struct lx_s3_failure failure = {0};
        struct lx_http_trace trace = {0};
        *answer = (struct lx_s3_answer){0};
        if (call->out != NULL)
            call->out->len = out_start;
        lx_err_clear(err);
        enum lx_status status = keep_pace(s3, call, err);
        if (status == LX_OK)
            status = attempt(s3, call, answer, &failure, &trace, &amended.with, err);
        if (status == LX_OK) {
            lx_s3_pace_succeeded(s3->pace, paid);
            learn(s3, &amended);
            return LX_OK;
        }
        slow_down(s3, &failure);
        /* What failed behind the sending may have been written all the same. */
        if (call->once && trace.sent && (failure.again || status == LX_E_CANCELLED))
            maybe_done = true;
        if (tries < most && amend(s3, call, &failure, &amended))
            continue;
        /* SlowDown says that nothing was done. */
        bool spent = call->single && trace.sent && failure.status != 503 && failure.status != 429;
        if (!failure.again || tries >= most || spent || !may_retry(s3, status, &paid, err))
            return maybe_done ? unknown(err) : status;
        atomic_fetch_add(&s3->retries, 1);
        say_retry(s3, tries, err);
        status = back_off(s3, call, tries, err);
        if (status != LX_OK)
            return maybe_done ? unknown(err) : status;
    }
}
