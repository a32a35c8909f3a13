/* ClickHouse's exceptions, out of every form in which they arrive. */
#include "ch_test.h"

#include "clickhouse/ch_error.h"

#define VERSION " (version 26.7.2.1)"

static void test_parse(void **state)
{
    static const struct {
        const char *text;
        int code; /* 0: no exception */
        const char *name, *message;
    } cases[] = {
        {"Code: 60. DB::Exception: Table prod.e does not exist. (UNKNOWN_TABLE)" VERSION "\n", 60,
         "UNKNOWN_TABLE", "Table prod.e does not exist."},
        {"Code: 60. DB::Exception: No table. (UNKNOWN_TABLE) (version 24.8.1.1 (official build))",
         60, "UNKNOWN_TABLE", "No table."},
        {"Code: 210. DB::NetException: Code: 497. DB::Exception: no right. (ACCESS_DENIED)", 210,
         "ACCESS_DENIED", "no right."},
        {"Code: 76. DB::ErrnoException: Cannot open file /x, errno: 28. (CANNOT_OPEN_FILE)", 76,
         "CANNOT_OPEN_FILE", "Cannot open file /x, errno: 28."},
        {"Code: 999. Coordination::Exception: Session expired. (KEEPER_EXCEPTION)", 999,
         "KEEPER_EXCEPTION", "Session expired."},
        {"Code: 1. DB::Exception: Code: 2. DB::Exception: inner (X_1)", 1, "X_1", "inner"},
        {"Code: 241, e.displayText() = DB::Exception: Memory limit" VERSION, 241, "",
         "Memory limit"},
        {"Code: 3. DB::Exception: f(x)", 3, "", "f(x)"},
        {"Code: 3. DB::Exception: (A)", 3, "", "(A)"},
        {"Code: 3. DB::Exception: )", 3, "", ")"},
        {"Code: 3. DB::Exception: a)", 3, "", "a)"},
        {"Code: 3. DB::Exception: ()", 3, "", "()"},
        {"Code: 3. DB::Exception:", 0, NULL, NULL},
        {"Code: x. DB::Exception: y", 0, NULL, NULL},
        {"Code: 100001. DB::Exception: y", 0, NULL, NULL},
        {"Code: 7. something that is much longer in between DB::Exception: y", 0, NULL, NULL},
        {"<html>", 0, NULL, NULL},
        {"", 0, NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lx_ch_exception exception = {0};
        size_t size = strlen(cases[i].text);
        char *exact = lx_strndup(cases[i].text, size); /* a sanitizer sees a read beyond it */
        print_message("%s\n", cases[i].text);
        bool found = lx_ch_exception_parse((struct lx_str){exact, size}, &exception);
        assert_int_equal(found, cases[i].code != 0);
        if (found) {
            assert_int_equal(exception.code, cases[i].code);
            assert_string_equal(exception.name, cases[i].name);
            assert_true(lx_str_is(exception.message, cases[i].message));
        }
        lx_free(exact);
    }
}

static void test_trailer(void **state)
{
    (void)state;
    struct lx_str text, tag = LX_STR("tag45678tag45678");
    struct lx_str whole = LX_STR("values\r\n__exception__\r\ntag45678tag45678\r\nCode: 1. x\n"
                                 "10 tag45678tag45678\r\n__exception__\r\n");
    assert_true(lx_ch_exception_trailer(whole, tag, &text));
    assert_true(lx_str_is(text, "Code: 1. x"));
    /* Cut at any byte: the text that came, or nothing yet. */
    for (size_t size = 0; size < whole.len; size++) {
        if (lx_ch_exception_trailer((struct lx_str){whole.ptr, size}, tag, &text))
            assert_true(lx_str_starts(LX_STR("Code: 1. x\n10 tag45678tag4567"), text));
    }
    assert_false(lx_ch_exception_trailer(whole, LX_STR("another"), &text));
    assert_false(lx_ch_exception_trailer(whole, LX_STR(""), &text));
    char longest[200];
    memset(longest, 't', sizeof longest);
    assert_false(lx_ch_exception_trailer(whole, (struct lx_str){longest, sizeof longest}, &text));
}

static void test_bare(void **state)
{
    (void)state;
    struct lx_str text;
    assert_true(lx_ch_exception_bare(
        LX_STR("bytes Code: no Code: 5. DB::Exception: a Code: 6. DB::Exception: b"), &text));
    assert_true(lx_str_starts(text, LX_STR("Code: 6. DB::Exception: b"))); /* 5: a value's */
    assert_true(lx_ch_exception_bare(LX_STR("Code: 5. DB::Exception: value\1 Code: 6. "
                                            "DB::NetException: Code: 7. DB::Exception: b"),
                                     &text));
    assert_true(lx_str_starts(text, LX_STR("Code: 6. DB::NetException: Code: 7.")));
    assert_false(lx_ch_exception_bare(LX_STR("Code: 5. DB::Something: a"), &text));
}

static void test_whole(void **state)
{
    (void)state;
    const char *const yes[] = {"Code: 5. DB::Exception: a (X) (version 24.3.1.1)\n", "(version )",
                               "Code: 5. (a) (version 24.3 (official build))"};
    const char *const no[] = {"",
                              ")",
                              "(version 24.3",
                              "Code: 5. DB::Exception: a (X)",
                              "Code: 5. DB::Exception: a (X) (version 24.3.1.1)\n7",
                              "Code: 5. DB::Exception: a (version 24.3.1.1)(X)"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        if (!lx_ch_exception_is_whole(lx_str_of(yes[i])))
            fail_msg("not whole: %s", yes[i]);
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        if (lx_ch_exception_is_whole(lx_str_of(no[i])))
            fail_msg("whole: %s", no[i]);
}

/* Every code that has a word of advice, and one that has none. */
static void test_set(void **state)
{
    static const struct {
        int code;
        enum lx_status status;
        bool hint;
    } cases[] = {
        {60, LX_E_NOTFOUND, true},   {81, LX_E_NOTFOUND, true}, {192, LX_E_AUTH, true},
        {193, LX_E_AUTH, true},      {194, LX_E_AUTH, true},    {516, LX_E_AUTH, true},
        {497, LX_E_ACCESS, true},    {164, LX_E_ACCESS, true},  {452, LX_E_ACCESS, true},
        {243, LX_E_NOSPACE, true},   {202, LX_E_BUSY, false},   {241, LX_E_REMOTE, true},
        {99999, LX_E_REMOTE, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lx_err err = LX_ERR_INIT;
        struct lx_ch_exception exception = {.code = cases[i].code,
                                            .name = "NAME",
                                            .message = LX_STR("necessary to have the grant "
                                                              "ALTER DELETE ON a.b.")};
        print_message("%d\n", cases[i].code);
        assert_status(lx_ch_exception_set(&err, &exception, "http://h:1", "id"), cases[i].status,
                      &err);
        assert_int_equal(err.code, cases[i].code);
        assert_string_equal(err.name, "NAME");
        assert_non_null(strstr(err.text, "ALTER DELETE ON a.b"));
        assert_non_null(strstr(err.text, "http://h:1"));
        if (cases[i].hint)
            assert_int_not_equal(err.hint[0], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse), cmocka_unit_test(test_trailer), cmocka_unit_test(test_bare),
        cmocka_unit_test(test_whole), cmocka_unit_test(test_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
