#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/url.h"

static void check_str(const char *what, struct lx_str got, const char *want)
{
    if (!lx_str_is(got, want))
        fail_msg("%s: got \"%.*s\", want \"%s\"", what, LX_STR_ARG(got), want);
}

static void test_good(void **state)
{
    (void)state;
    static const struct {
        const char *text, *scheme, *host, *path, *query, *origin;
        uint16_t port, effective;
        bool ipv6, loopback;
    } cases[] = {
        {"http://localhost:8123", "http", "localhost", "", "", "http://localhost:8123", 8123, 8123,
         false, true},
        {"HTTPS://Example.COM/a/b%20c?x=1&y=/", "HTTPS", "Example.COM", "/a/b%20c", "x=1&y=/",
         "HTTPS://Example.COM", 0, 443, false, false},
        {"https://[2001:db8::1]:9443/", "https", "2001:db8::1", "/", "",
         "https://[2001:db8::1]:9443", 9443, 9443, true, false},
        {"http://[::1]", "http", "::1", "", "", "http://[::1]", 0, 80, true, true},
        {"file:///var/lib/x", "file", "", "/var/lib/x", "", "file://", 0, 0, false, false},
        {"s3://bucket/root/key", "s3", "bucket", "/root/key", "", "s3://bucket", 0, 0, false,
         false},
        {"http://127.0.0.1:1", "http", "127.0.0.1", "", "", "http://127.0.0.1:1", 1, 1, false,
         true},
        {"http://127.255.0.3", "http", "127.255.0.3", "", "", "http://127.255.0.3", 0, 80, false,
         true},
        {"http://127.evil.example", "http", "127.evil.example", "", "", "http://127.evil.example",
         0, 80, false, false},
        {"http://127.0.0.1.evil", "http", "127.0.0.1.evil", "", "", "http://127.0.0.1.evil", 0, 80,
         false, false},
        {"http://x.LOCALHOST?q", "http", "x.LOCALHOST", "", "q", "http://x.LOCALHOST", 0, 80, false,
         true},
        {"http://notlocalhost", "http", "notlocalhost", "", "", "http://notlocalhost", 0, 80, false,
         false},
        {"http://h:65535/?", "http", "h", "/", "", "http://h:65535", 65535, 65535, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct lx_url url;
        struct lx_err err = LX_ERR_INIT;
        if (lx_url_parse(lx_str_of(cases[i].text), &url, &err) != LX_OK)
            fail_msg("%s: %s", cases[i].text, err.text);
        check_str(cases[i].text, url.scheme, cases[i].scheme);
        check_str(cases[i].text, url.host, cases[i].host);
        check_str(cases[i].text, url.path, cases[i].path);
        check_str(cases[i].text, url.query, cases[i].query);
        assert_int_equal(url.port, cases[i].port);
        assert_int_equal(lx_url_port(&url), cases[i].effective);
        assert_int_equal(url.ipv6, cases[i].ipv6);
        if (lx_url_is_loopback(&url) != cases[i].loopback)
            fail_msg("%s: loopback is wrong", cases[i].text);
        struct lx_buf origin = LX_BUF(1000);
        assert_int_equal(lx_url_origin(&url, &origin), LX_OK);
        assert_string_equal(lx_buf_cstr(&origin), cases[i].origin);
        lx_buf_free(&origin);
    }
}

static void test_bad(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "localhost:8123",
        "//host",
        "http:/host",
        "http:host",
        "://host",
        "1http://h",
        "ht tp://h",
        "http://a b/",
        "http://h/a b",
        "http://h/\x01",
        "http://h/\xc3\xa9",
        "http://h/%",
        "http://h/%2",
        "http://h/%zz",
        "http://h/#f",
        "http://h#f",
        "http://h:0/",
        "http://h:65536/",
        "http://h:/",
        "http://h:-1/",
        "http://h:8x/",
        "http://h:99999999999/",
        "http://:80/",
        "http://[::1",
        "http://[]/",
        "http://[::1]x/",
        "http://[::1]:/",
        "http://[g::1]/",
        "http://user@h/",
        "http://user:pw@h/",
        "http://h,/",
        "http://h\\x/",
        "http://h/a\x7f",
        "http://a%20b/",
        "http://h\"/",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct lx_url url = {.port = 77};
        struct lx_err err = LX_ERR_INIT;
        enum lx_status status = lx_url_parse(lx_str_of(cases[i]), &url, &err);
        if (status != LX_E_ARGUMENT || err.text[0] == 0 || url.port != 77)
            fail_msg("\"%s\" gave %s \"%s\"", cases[i], lx_status_name(status), err.text);
    }
    struct lx_url url;
    assert_int_equal(lx_url_parse((struct lx_str){"http://h/\0x", 11}, &url, NULL), LX_E_ARGUMENT);
    assert_int_equal(lx_url_parse((struct lx_str){NULL, 0}, &url, NULL), LX_E_ARGUMENT);
    static char longer[LX_URL_MAX + 2];
    memset(longer, 'a', sizeof longer);
    memcpy(longer, "http://", 7);
    assert_int_equal(lx_url_parse((struct lx_str){longer, sizeof longer}, &url, NULL),
                     LX_E_ARGUMENT);
    memset(longer + 7 + LX_URL_MAX_HOST + 1, '/', 1);
    assert_int_equal(lx_url_parse((struct lx_str){longer, 300}, &url, NULL), LX_E_ARGUMENT);
}

static void test_no_secret_is_told(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "http://bob:hunter2@host/x",
        "http://bob:hunter2@host:bad/",
        "bob:hunter2@host",
        "http://bob:hun@hunter2@host/#",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct lx_url url;
        struct lx_err err = LX_ERR_INIT;
        assert_int_equal(lx_url_parse(lx_str_of(cases[i]), &url, &err), LX_E_ARGUMENT);
        if (strstr(err.text, "hunter2") != NULL || strstr(err.text, "bob") != NULL)
            fail_msg("told: %s", err.text);
    }
}

static void test_escape(void **state)
{
    (void)state;
    char all[256];
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (char)i;
    struct lx_str text = {all, sizeof all};
    struct lx_buf escaped = LX_BUF(4096), back = LX_BUF(4096);
    assert_int_equal(lx_url_escape(&escaped, text, false), LX_OK);
    assert_int_equal(lx_url_unescape(&back, lx_buf_view(&escaped)), LX_OK);
    assert_int_equal(back.len, sizeof all);
    assert_memory_equal(back.data, all, sizeof all);
    assert_int_equal(escaped.len, 66 + 190 * 3);

    lx_buf_clear(&escaped);
    assert_int_equal(lx_url_escape(&escaped, LX_STR("a/b c+~é"), true), LX_OK);
    assert_string_equal(lx_buf_cstr(&escaped), "a/b%20c%2B~%C3%A9");
    assert_int_equal(lx_url_escape(&escaped, LX_STR("/"), false), LX_OK);
    assert_string_equal(lx_buf_cstr(&escaped), "a/b%20c%2B~%C3%A9%2F");

    static const char *const broken[] = {"%", "a%2", "a%", "%g0", "%0g", "aa%zz"};
    lx_buf_clear(&back);
    assert_int_equal(lx_buf_text(&back, "kept"), LX_OK);
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        assert_int_equal(lx_url_unescape(&back, lx_str_of(broken[i])), LX_E_FORMAT);
        assert_int_equal(back.len, 4);
    }
    assert_int_equal(lx_url_unescape(&back, LX_STR("+%2f%00")), LX_OK);
    assert_int_equal(back.len, 7);
    assert_memory_equal(back.data, "kept+/\0", 7);
    lx_buf_free(&escaped);
    lx_buf_free(&back);

    struct lx_buf tiny = LX_BUF(4);
    assert_int_equal(lx_url_escape(&tiny, LX_STR("ab%%"), false), LX_E_LIMIT);
    assert_int_equal(tiny.len, 0);
    lx_buf_free(&tiny);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_no_secret_is_told),
        cmocka_unit_test(test_escape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
