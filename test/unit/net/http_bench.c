#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_bench.h"

#include <stdio.h>
#include <stdlib.h>

int64_t now_ms(void)
{
    struct lx_clock clock = lx_clock_system();
    return lx_clock_monotonic(&clock);
}

void open_client(struct bench *bench, const struct lx_http_options *wanted)
{
    struct lx_http_options options = wanted != NULL ? *wanted : (struct lx_http_options){0};
    struct lx_err err = LX_ERR_INIT;
    options.clock = lx_clock_system();
    if (lx_http_open(&options, &bench->client, &err) != LX_OK)
        fail_msg("%s", err.text);
}

void open_bench(struct bench *bench, fake_handler handler, const struct lx_http_options *options)
{
    *bench = (struct bench){0};
    bench->server = fake_http_start(handler, bench);
    snprintf(bench->url, sizeof bench->url, "http://127.0.0.1:%u/a/b?c=d",
             fake_http_port(bench->server));
    open_client(bench, options);
}

void close_bench(struct bench *bench)
{
    lx_http_close(bench->client);
    fake_http_stop(bench->server);
    free(bench->got_body);
}

void remember(struct bench *bench, struct fake_exchange *x)
{
    memcpy(bench->got_head, x->head, sizeof x->head);
    memcpy(bench->got_method, x->method, sizeof x->method);
    memcpy(bench->got_target, x->target, sizeof x->target);
    free(bench->got_body);
    bench->got_body = x->body;
    bench->got_len = x->body_len;
    x->body = NULL;
    atomic_fetch_add(&bench->seen, 1);
}

void echo(struct fake_exchange *x)
{
    struct bench *bench = x->context;
    if (!fake_read_body(x))
        return;
    remember(bench, x);
    fake_reply_text(x, 200, "X-Thing:  some value \r\nx-empty:\r\n", "hello");
}

void fetch_ok(struct bench *b, const struct lx_http_request *request, int want)
{
    struct lx_buf body = LX_BUF(LX_MIB);
    struct lx_http_response *r;
    struct lx_err err = LX_ERR_INIT;
    if (lx_http_fetch(b->client, request, &body, &r, &err) != LX_OK)
        fail_msg("%s: %s", request->method, err.text);
    assert_int_equal(lx_http_status(r), want);
    lx_http_end(r);
    lx_buf_free(&body);
}

/* Expects a failure; returns its status, checks that it speaks. */
enum lx_status fetch_bad(struct lx_http *client, const struct lx_http_request *request,
                         struct lx_err *err)
{
    struct lx_buf body = LX_BUF(LX_MIB);
    struct lx_http_response *r = NULL;
    lx_err_clear(err);
    enum lx_status status = lx_http_fetch(client, request, &body, &r, err);
    if (status == LX_OK) {
        print_error("%s %s: HTTP %d, %zu bytes\n", request->method, request->url, lx_http_status(r),
                    body.len);
        lx_http_end(r);
        lx_buf_free(&body);
        return LX_OK;
    }
    assert_null(r);
    assert_int_equal(err->status, status);
    assert_true(strlen(err->text) > 10);
    assert_int_equal(body.len, 0);
    lx_buf_free(&body);
    return status;
}
