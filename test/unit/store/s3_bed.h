/* s3_bed.h: a store of one object on a server that answers as it is told: the rules of a test come
 * first, else it behaves as a bucket does. Its clock runs only while somebody sleeps. */
#ifndef LX_TEST_S3_BED_H
#define LX_TEST_S3_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "fake_http.h"
#include "store/s3.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_RULES 32
#define ETAG "ETag: \"small\"\r\n"
#define ERROR(code) "<Error><Code>" code "</Code></Error>"

struct rule {
    const char *method, *target; /* target: what it holds */
    int status;
    const char *headers, *body;
    int times;    /* 0: once */
    bool cut;     /* the headers as they are, then the connection ends */
    bool lost;    /* the connection is reset: what was written stays */
    bool owner;   /* says whose the reservation is */
    bool cancels; /* asks the test's flag meanwhile */
};

static struct {
    struct fake_http *server;
    struct lx_store *store;
    struct lx_cancel *cancel;
    pthread_mutex_t lock;
    struct rule rules[MAX_RULES];
    int rule_count, next_rule;
    /* The object, and parts that are not completed yet. */
    uint8_t object[16384];
    size_t size, part_bytes;
    char owner[64];
    /* Of the last request; `deleted`: the target of the last DELETE. */
    char target[8192], deleted[8192], range[64], condition[16], sse[32], signature[512];
    char said[4096], log[8192]; /* log: "METHOD " of each */
    _Atomic int64_t slept, now;
} bed;

/* Rules are used up in their order; one waits until a request fits it. */
static inline void rule(struct rule rule)
{
    rule.times += rule.times == 0;
    pthread_mutex_lock(&bed.lock);
    if (bed.next_rule == bed.rule_count)
        bed.next_rule = bed.rule_count = 0;
    assert_true(bed.rule_count < MAX_RULES);
    bed.rules[bed.rule_count++] = rule;
    pthread_mutex_unlock(&bed.lock);
}

static inline void says(const char *text, const char *words)
{
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", text, words);
}

static inline void bed_say(void *context, const char *text)
{
    (void)context;
    size_t at = strlen(bed.said);
    snprintf(bed.said + at, sizeof bed.said - at, "%s\n", text);
}

static inline bool bed_use_rule(struct fake_exchange *e)
{
    struct rule *r = &bed.rules[bed.next_rule];
    if (bed.next_rule == bed.rule_count || strcmp(r->method, e->method) != 0 ||
        strstr(e->target, r->target) == NULL)
        return false;
    bed.next_rule += --r->times == 0;
    if (r->cancels)
        lx_cancel_ask(bed.cancel);
    if (r->lost) {
        fake_reset(e);
    } else if (r->cut) {
        char head[512];
        snprintf(head, sizeof head, "HTTP/1.1 %d X\r\n%s\r\n", r->status, r->headers);
        fake_send_text(e, head);
        fake_send_text(e, r->body);
        e->close = true;
    } else if (r->owner) {
        char head[128];
        snprintf(head, sizeof head, ETAG "x-amz-meta-lynex-upload: %s\r\n", bed.owner);
        fake_reply_text(e, r->status, head, r->body);
    } else {
        fake_reply_text(e, r->status, r->headers, r->body);
    }
    return true;
}

static inline void bed_keep(struct fake_exchange *e, size_t at)
{
    if (at + e->body_len <= sizeof bed.object && e->body_len != 0)
        memcpy(bed.object + at, e->body, e->body_len);
}

static inline void bed_get(struct fake_exchange *e)
{
    unsigned long long from = 0, to = 0;
    char headers[128] = ETAG;
    bool part = sscanf(bed.range, "bytes=%llu-%llu", &from, &to) == 2 && to < bed.size;
    if (part)
        snprintf(headers, sizeof headers, ETAG "Content-Range: bytes %llu-%llu/%zu\r\n", from, to,
                 bed.size);
    fake_reply(e, part ? 206 : 200, headers, bed.object + from,
               part ? (size_t)(to - from + 1) : bed.size);
}

static inline void bed_behave(struct fake_exchange *e)
{
    char headers[128];
    const char *number = strstr(e->target, "partNumber=");
    if (number != NULL) { /* parts of the tests are all of one size but for the last */
        size_t at = (size_t)(atoi(number + 11) - 1) * 1000;
        bed_keep(e, at);
        bed.part_bytes += e->body_len;
        snprintf(headers, sizeof headers, "ETag: \"etag-%d\"\r\n", atoi(number + 11));
        fake_reply_text(e, 200, headers, "");
    } else if (strcmp(e->method, "PUT") == 0) {
        bed_keep(e, 0);
        bed.size = e->body_len;
        fake_header(e, "x-amz-meta-lynex-upload", bed.owner, sizeof bed.owner);
        fake_reply_text(e, 200, ETAG, "");
    } else if (strstr(e->target, "?uploads") != NULL) {
        bed.part_bytes = 0;
        fake_reply_text(e, 200, "", "<X><UploadId>the-id</UploadId></X>");
    } else if (strcmp(e->method, "POST") == 0) {
        bed.size = bed.part_bytes;
        fake_reply_text(e, 200, "", "<X></X>");
    } else if (strcmp(e->method, "HEAD") == 0) {
        snprintf(headers, sizeof headers, "HTTP/1.1 200 OK\r\n" ETAG "Content-Length: %zu\r\n\r\n",
                 bed.size);
        fake_send_text(e, headers);
    } else if (strcmp(e->method, "GET") == 0) {
        bed_get(e);
    } else {
        fake_reply_text(e, 204, "", "");
    }
}

static inline void bed_handle(struct fake_exchange *e)
{
    if (!fake_read_body(e))
        return;
    pthread_mutex_lock(&bed.lock);
    size_t at = strlen(bed.log);
    snprintf(bed.log + at, sizeof bed.log - at, "%s ", e->method);
    snprintf(bed.target, sizeof bed.target, "%s", e->target);
    if (strcmp(e->method, "DELETE") == 0)
        snprintf(bed.deleted, sizeof bed.deleted, "%s", e->target);
    bed.range[0] = bed.condition[0] = bed.sse[0] = bed.signature[0] = 0;
    fake_header(e, "range", bed.range, sizeof bed.range);
    fake_header(e, "if-none-match", bed.condition, sizeof bed.condition);
    fake_header(e, "x-amz-server-side-encryption", bed.sse, sizeof bed.sse);
    fake_header(e, "authorization", bed.signature, sizeof bed.signature);
    if (strcmp(e->method, "PUT") == 0)
        fake_header(e, "x-amz-meta-lynex-upload", bed.owner, sizeof bed.owner);
    if (!bed_use_rule(e))
        bed_behave(e);
    pthread_mutex_unlock(&bed.lock);
}

static inline int64_t bed_now(void *self)
{
    (void)self;
    return atomic_load(&bed.now);
}

static inline void bed_sleep(void *self, int64_t ms)
{
    (void)self;
    atomic_fetch_add(&bed.slept, ms);
    atomic_fetch_add(&bed.now, ms);
}

static inline enum lx_status bed_open(struct lx_s3_options options, struct lx_err *err)
{
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u", fake_http_port(bed.server));
    options.bucket = "bucket";
    options.root = options.root != NULL ? options.root : "root";
    options.endpoint = endpoint;
    options.access_key = "key";
    options.secret_key = "secret";
    options.part_size = 1000;
    options.clock = (struct lx_clock){bed_now, bed_now, bed_sleep, NULL};
    options.random = lx_random_system();
    if (options.say_context == NULL) /* else nobody is told */
        options.say = bed_say;
    return lx_store_open_s3(&options, &bed.store, err);
}

static inline void reopen(struct lx_s3_options options)
{
    struct lx_err err = LX_ERR_INIT;
    lx_store_close(bed.store);
    bed.store = NULL;
    bed.said[0] = 0;
    if (bed_open(options, &err) != LX_OK)
        fail_msg("%s", err.text);
}

static inline int bed_start(void **state)
{
    (void)state;
    memset(&bed, 0, sizeof bed);
    pthread_mutex_init(&bed.lock, NULL);
    atomic_store(&bed.now, 1700000000000);
    bed.server = fake_http_start(bed_handle, NULL);
    reopen((struct lx_s3_options){0});
    return 0;
}

static inline int bed_stop(void **state)
{
    (void)state;
    lx_store_close(bed.store);
    fake_http_stop(bed.server);
    pthread_mutex_destroy(&bed.lock);
    return 0;
}

#endif
