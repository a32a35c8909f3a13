#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "http_bench.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* Requests that are refused, proxies, TLS, memory that runs out. */

static void test_refusals(void **state)
{
    (void)state;
    struct bench b;
    open_bench(&b, echo, NULL);
    struct lx_err err = LX_ERR_INIT;
    static const char *const urls[] = {"",          "ftp://h/",       "file:///etc/passwd",
                                       "http:///x", "http://h/a b",   "http://u:p@127.0.0.1/",
                                       "https://",  "http://h/#frag", "gopher://h/"};
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct lx_http_request request = {.method = "GET", .url = urls[i]};
        if (fetch_bad(b.client, &request, &err) != LX_E_ARGUMENT)
            fail_msg("%s: %s", urls[i], err.text);
    }
    static const struct lx_http_header headers[] = {
        {"X", "a\r\nY: b"}, {"X", "a\nb"}, {"X\r\nY", "a"}, {"", "a"},   {"X Y", "a"},
        {"X:", "a"},        {"X", "\x01"}, {NULL, "a"},     {"X", NULL}, {"X;", "a"},
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        struct lx_http_request request = {
            .method = "GET", .url = b.url, .headers = &headers[i], .header_count = 1};
        if (fetch_bad(b.client, &request, &err) != LX_E_ARGUMENT)
            fail_msg("header %zu: %s", i, err.text);
    }
    static const char *const methods[] = {"", "GE T", "GET\r\nX: y"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        struct lx_http_request request = {.method = methods[i], .url = b.url};
        assert_int_equal(fetch_bad(b.client, &request, &err), LX_E_BUG);
    }
    assert_int_equal(fake_http_requests(b.server), 0);
    close_bench(&b);
}

static void test_proxy(void **state)
{
    (void)state;
    struct bench b;
    open_bench(&b, echo, NULL);
    char proxy[64];
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", fake_http_port(b.server));
    setenv("http_proxy", proxy, 1);
    struct lx_http_request request = {.method = "GET", .url = "http://far.example/x"};
    fetch_ok(&b, &request, 200);
    assert_string_equal(b.got_target, "http://far.example/x");
    request.url = b.url;
    fetch_ok(&b, &request, 200);
    assert_string_equal(b.got_target, "/a/b?c=d");
    unsetenv("http_proxy");
    close_bench(&b);
}

static void test_tls(void **state)
{
    (void)state;
    char pem[] = "/tmp/lynex-test-ca-XXXXXX";
    int fd = mkstemp(pem);
    assert_true(fd >= 0);
    close(fd);
    struct bench b = {0};
    b.server = fake_http_start_tls(echo, &b, pem);
    struct lx_err err = LX_ERR_INIT;
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(b.url, sizeof b.url, "https://%s:%u/a/b?c=d", hosts[i], fake_http_port(b.server));
        struct lx_http_request request = {.method = "GET", .url = b.url};
        open_client(&b, &(struct lx_http_options){.ca_bundle = pem});
        fetch_ok(&b, &request, 200);
        fetch_ok(&b, &request, 200);
        lx_http_close(b.client);
    }
    assert_int_equal(fake_http_connections(b.server), 2);

    struct lx_http_trace trace;
    struct lx_http_request request = {.method = "GET", .url = b.url, .trace = &trace};
    open_client(&b, &(struct lx_http_options){.ca_setting = "MY_CA"});
    assert_int_equal(fetch_bad(b.client, &request, &err), LX_E_AUTH);
    assert_non_null(strstr(err.hint, "MY_CA"));
    assert_false(trace.sent);
    char plain[128];
    snprintf(plain, sizeof plain, "http://127.0.0.1:%u/", fake_http_port(b.server));
    request.url = plain;
    assert_int_equal(fetch_bad(b.client, &request, &err), LX_E_NETWORK);
    lx_http_close(b.client);

    open_client(&b,
                &(struct lx_http_options){.ca_bundle = "/nowhere/ca.pem", .ca_setting = "MY_CA"});
    request.url = b.url;
    assert_int_equal(fetch_bad(b.client, &request, &err), LX_E_ARGUMENT);
    assert_non_null(strstr(err.hint, "MY_CA"));
    lx_http_close(b.client);
    fake_http_stop(b.server);
    free(b.got_body);

    /* TLS to a server that does not speak it. */
    open_bench(&b, echo, NULL);
    snprintf(plain, sizeof plain, "https://127.0.0.1:%u/", fake_http_port(b.server));
    request.url = plain;
    assert_int_equal(fetch_bad(b.client, &request, &err), LX_E_NETWORK);
    assert_false(trace.sent);
    close_bench(&b);
    unlink(pem);
}

static void test_memory_failures(void **state)
{
    (void)state;
    struct bench b;
    open_bench(&b, echo, NULL);
    const struct lx_http_header header = {"X-A", "1"};
    struct lx_http_request request = {.method = "PUT",
                                      .url = b.url,
                                      .headers = &header,
                                      .header_count = 1,
                                      .body = "abc",
                                      .body_size = 3};
    bool done = false;
    unsigned failures = 0;
    for (uint64_t n = 1; !done; n++) {
        size_t before = lx_alloc_used();
        struct lx_http *client = NULL;
        struct lx_http_response *r = NULL;
        struct lx_buf body = LX_BUF(100);
        struct lx_err err = LX_ERR_INIT;
        struct lx_http_options options = {.clock = lx_clock_system(), .ca_bundle = "/x"};
        lx_alloc_fail_at(n);
        enum lx_status status = lx_http_open(&options, &client, &err);
        if (status == LX_OK)
            status = lx_http_fetch(client, &request, &body, &r, &err);
        done = lx_alloc_count() < n;
        lx_alloc_fail_at(0);
        if (done)
            assert_int_equal(status, LX_OK);
        else if (status != LX_E_MEMORY || err.text[0] == 0)
            fail_msg("allocation %llu: %s %s", (unsigned long long)n, lx_status_name(status),
                     err.text);
        failures += status != LX_OK;
        lx_http_end(r);
        lx_http_close(client);
        lx_buf_free(&body);
        assert_int_equal(lx_alloc_used(), before);
    }
    assert_true(failures >= 8);
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_proxy),
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_memory_failures),
    };
    signal(SIGPIPE, SIG_IGN); /* as the program does: TLS writes without MSG_NOSIGNAL */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
