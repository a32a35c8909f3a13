/* http_bench.h: one server and one client, for tests of the HTTP client. */
#ifndef LX_TEST_HTTP_BENCH_H
#define LX_TEST_HTTP_BENCH_H

#include "fake_http.h"
#include "net/http.h"

#include <stdatomic.h>

/* One server and one client; `plan` tells the handler how to behave. What a handler reads may be
 * changed for the next request while its thread still closes the last one. */
struct bench {
    struct fake_http *server;
    struct lx_http *client;
    char url[128];
    atomic_int plan;
    atomic_size_t cut; /* bytes of the scripted answer that go out */
    atomic_bool reset;
    const char *_Atomic script;
    atomic_size_t script_len;
    atomic_uint seen;
    char got_head[FAKE_HEAD_MAX];
    char got_method[16], got_target[8192];
    uint8_t *got_body;
    size_t got_len;
};

int64_t now_ms(void);
/* NULL: the defaults. */
void open_client(struct bench *bench, const struct lx_http_options *wanted);
void open_bench(struct bench *bench, fake_handler handler, const struct lx_http_options *options);
void close_bench(struct bench *bench);
/* Keeps what came; the body becomes the bench's. */
void remember(struct bench *bench, struct fake_exchange *x);
/* A handler: remembers, and answers "hello". */
void echo(struct fake_exchange *x);
/* Expects an answer of this status. */
void fetch_ok(struct bench *b, const struct lx_http_request *request, int want);
/* Expects a failure; returns its status, checks that it speaks. */
enum lx_status fetch_bad(struct lx_http *client, const struct lx_http_request *request,
                         struct lx_err *err);

#endif
