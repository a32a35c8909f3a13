/* What a refusal of the store becomes in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/s3.h"

#include <stdio.h>

static char bucket[] = "cold", root[] = "";

static enum lx_status refused(const char *method, const char *body, struct lx_err *err)
{
    struct lx_s3 s3 = {.bucket = bucket, .root = root};
    const struct lx_s3_call call = {.method = method, .key = "a", .action = "s3:GetObject"};
    struct lx_s3_failure failure = {
        .status = 403, .body = lx_str_of(body), .date = LX_STR("Thu, 26 Nov 2026 04:00:00 GMT")};
    return lx_s3_failed(&s3, &call, &failure, err);
}

static void says(const char *text, const char *words)
{
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", text, words);
}

/* A HEAD has no body: every cause that it may be is named, none is claimed. */
static void test_untold(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    assert_int_equal(refused("HEAD", "", &err), LX_E_ACCESS);
    says(err.text, "AccessDenied, HTTP 403, or ExpiredToken or RequestTimeTooSkewed");
    says(err.hint, "lacks s3:GetObject on cold");
    says(err.hint, "session token has expired");
    says(err.hint, "the store says that it is Thu, 26 Nov 2026 04:00:00 GMT");
}

static void test_told(void **state)
{
    (void)state;
    static const char *const codes[] = {"AccessDenied", "NotHeardOf", "RequestTimeTooSkewed"};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        char body[256];
        struct lx_err err = LX_ERR_INIT;
        snprintf(body, sizeof body, "<Error><Code>%s</Code></Error>", codes[i]);
        assert_int_not_equal(refused("GET", body, &err), LX_OK);
        says(err.text, codes[i]);
        assert_null(strstr(err.text, "does not say"));
        assert_null(strstr(err.hint, "session token has expired"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_untold),
        cmocka_unit_test(test_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
