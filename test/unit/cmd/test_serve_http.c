/* The pages over real sockets: what is answered, what is refused, what is bounded. */
#include "cmd/serve_http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static atomic_int made;

static enum lx_status make_hello(void *context, struct lx_buf *text, unsigned *code)
{
    (void)code;
    atomic_fetch_add(&made, 1);
    return lx_buf_printf(text, "hello %s\n", (const char *)context);
}

static enum lx_status make_ill(void *context, struct lx_buf *text, unsigned *code)
{
    (void)context;
    *code = 503;
    return lx_buf_text(text, "ill\n");
}

static enum lx_status make_nothing(void *context, struct lx_buf *text, unsigned *code)
{
    (void)context;
    (void)code;
    return lx_buf_text(text, "half a page") == LX_OK ? LX_E_MEMORY : LX_E_BUG;
}

static const struct lx_page list[] = {
    {"/hello", "text/x-hello", make_hello},
    {"/ill", "text/plain", make_ill},
    {"/broken", "text/plain", make_nothing},
};

static char name[] = "you";
static char address[64];
static uint16_t port;

static uint16_t free_port(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof any;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof any), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&any, &size), 0);
    close(fd);
    return ntohs(any.sin_port);
}

static enum lx_status start_at(const char *where, struct lx_pages **pages, struct lx_err *err)
{
    const struct lx_pages_options options = {.address = where,
                                             .setting = "LYNEX_HTTP",
                                             .pages = list,
                                             .page_count = sizeof list / sizeof list[0],
                                             .context = name};
    return lx_pages_start(&options, pages, err);
}

static struct lx_pages *start(void)
{
    struct lx_pages *pages = NULL;
    struct lx_err err = LX_ERR_INIT;
    for (int tries = 0; tries < 10; tries++) {
        port = free_port();
        snprintf(address, sizeof address, "127.0.0.1:%u", (unsigned)port);
        if (start_at(address, &pages, &err) == LX_OK)
            return pages;
    }
    fail_msg("%s", err.text);
    return NULL;
}

static int connect_to_it(void)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const struct timeval wait = {.tv_sec = 20};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* Sends a request and reads until the other side closes. */
static size_t exchange(const char *request, size_t size, char *answer, size_t room)
{
    size_t got = 0;
    ssize_t more;
    int fd = connect_to_it();
    for (size_t sent = 0; sent < size;) {
        ssize_t n = send(fd, request + sent, size - sent, MSG_NOSIGNAL);
        if (n <= 0)
            break; /* refused before it was read */
        sent += (size_t)n;
    }
    while (got + 1 < room && (more = recv(fd, answer + got, room - 1 - got, 0)) > 0)
        got += (size_t)more;
    answer[got] = 0;
    close(fd);
    return got;
}

static void asks(const char *method, const char *path, const char *status, const char *contains)
{
    char request[512], answer[8192];
    int size = snprintf(request, sizeof request,
                        "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", method, path);
    exchange(request, (size_t)size, answer, sizeof answer);
    if (strncmp(answer, "HTTP/1.1 ", 9) != 0 || strncmp(answer + 9, status, 3) != 0 ||
        strstr(answer, contains) == NULL)
        fail_msg("%s %s: not %s with \"%s\":\n%s", method, path, status, contains, answer);
}

static void test_answers(void **state)
{
    char answer[8192];
    static const char head[] = "HEAD /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    (void)state;
    struct lx_pages *pages = start();
    asks("GET", "/hello", "200", "\r\n\r\nhello you\n");
    asks("GET", "/hello", "200", "Content-Type: text/x-hello\r\n");
    asks("GET", "/hello?a=b", "200", "hello you");
    asks("GET", "/ill", "503", "ill");
    asks("GET", "/broken", "500", "Content-Length: 0\r\n");
    asks("GET", "/", "404", "there is: /hello /ill /broken");
    asks("GET", "/hello/", "404", "");
    asks("GET", "/HELLO", "404", "");
    asks("GET", "/../hello", "404", "");
    asks("GET", "/%68ello", "200", "hello you"); /* the same path */
    asks("POST", "/hello", "405", "Allow: GET, HEAD\r\n");
    asks("DELETE", "/nothing", "405", "");
    exchange(head, sizeof head - 1, answer, sizeof answer);
    assert_non_null(strstr(answer, "Content-Length: 10\r\n"));
    assert_null(strstr(answer, "hello you"));
    lx_pages_stop(pages);
}

static void test_bounds(void **state)
{
    (void)state;
    size_t size = 4 * 1024 * 1024;
    char answer[8192], *request = calloc(1, size + 1);
    struct lx_pages *pages = start();
    assert_non_null(request);
    int head = snprintf(request, size, "GET /hello HTTP/1.1\r\nHost: x\r\nX-Long: ");
    memset(request + head, 'x', 100000);
    exchange(request, (size_t)head + 100000, answer, sizeof answer);
    assert_null(strstr(answer, "200 OK"));
    head = snprintf(request, size, "POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
                    size);
    memset(request + head, 'x', size - (size_t)head);
    exchange(request, size, answer, sizeof answer); /* its body is not read */
    free(request);
    asks("GET", "/hello", "200", "hello you");
    lx_pages_stop(pages);
}

/* More idle connections than there may be: the next one waits until they are closed. */
static void test_connections(void **state)
{
    (void)state;
    int idle[LX_PAGE_MAX_CONNECTIONS + 8];
    size_t count = sizeof idle / sizeof idle[0];
    struct lx_pages *pages = start();
    for (size_t i = 0; i < count; i++)
        idle[i] = connect_to_it();
    int before = atomic_load(&made);
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    asks("GET", "/hello", "200", "hello you");
    clock_gettime(CLOCK_MONOTONIC, &to);
    assert_true(to.tv_sec - from.tv_sec >= LX_PAGE_IDLE_SECONDS / 2);
    assert_int_equal(atomic_load(&made), before + 1);
    for (size_t i = 0; i < count; i++)
        close(idle[i]);
    lx_pages_stop(pages);
}

static void test_stops_with_open_connections(void **state)
{
    (void)state;
    char byte;
    struct lx_pages *pages = start();
    int fd = connect_to_it();
    assert_int_equal(send(fd, "GET /hel", 8, MSG_NOSIGNAL), 8);
    lx_pages_stop(pages);
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    close(fd);
    struct lx_err err = LX_ERR_INIT;
    assert_int_equal(start_at(address, &pages, &err), LX_OK); /* the port is free at once */
    lx_pages_stop(pages);
    lx_pages_stop(NULL);
}

static void test_addresses(void **state)
{
    static const char *const bad[] = {
        "",
        "nonsense",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        ":9464",
        "127.0.0.1:9464/",
        "127.0.0.1:9464?x",
        "http://127.0.0.1:9464",
        "::1:9464",
        "[::1]",
        "[::1:9464",
        "127.0.0.1:94 64",
        "user@127.0.0.1:9464",
        "no-such-host.invalid:9464",
        "127.0.0.1:9464,127.0.0.1:9465",
    };
    (void)state;
    struct lx_pages *pages = NULL, *other = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct lx_err err = LX_ERR_INIT;
        if (start_at(bad[i], &pages, &err) != LX_E_ARGUMENT)
            fail_msg("taken: \"%s\" %s", bad[i], err.text);
        assert_non_null(strstr(err.text, "LYNEX_HTTP="));
        assert_non_null(strstr(err.hint, "127.0.0.1:9464"));
    }
    struct lx_err err = LX_ERR_INIT;
    pages = start();
    assert_int_equal(start_at(address, &other, &err), LX_E_BUSY);
    assert_non_null(strstr(err.text, "Address already in use"));
    assert_non_null(strstr(err.hint, "another port"));
    lx_pages_stop(pages);
    lx_err_clear(&err);
    assert_int_not_equal(start_at("192.0.2.1:9464", &other, &err), LX_OK);
    assert_non_null(strstr(err.hint, "no such address"));
    snprintf(address, sizeof address, "localhost:%u", (unsigned)free_port());
    assert_int_equal(start_at(address, &pages, &err), LX_OK);
    lx_pages_stop(pages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),     cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_addresses),   cmocka_unit_test(test_stops_with_open_connections),
        cmocka_unit_test(test_connections),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
