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

/* Every code and every bare status that is known: what it is, whether it is worth another try, and
 * what to do about it. */
static const struct {
    const char *code; /* NULL: none, as in the answer to a HEAD */
    int http;
    enum lx_status status;
    bool again;
    const char *hint; /* a word of it; "": none */
} known[] = {
    {"AccessDenied", 403, LX_E_ACCESS, false, "lacks s3:GetObject on cold"},
    {"AllAccessDisabled", 403, LX_E_ACCESS, false, "lacks s3:GetObject on cold"},
    {"InvalidAccessKeyId", 403, LX_E_AUTH, false, "check AWS_ACCESS_KEY_ID"},
    {"SignatureDoesNotMatch", 403, LX_E_AUTH, false, "check AWS_ACCESS_KEY_ID"},
    {"ExpiredToken", 400, LX_E_AUTH, false, "AWS_SESSION_TOKEN"},
    {"RequestTimeTooSkewed", 403, LX_E_AUTH, false, "set this machine's clock: the store says"},
    {"NoSuchBucket", 404, LX_E_NOTFOUND, false, "create it (aws s3 mb s3://cold)"},
    {"NoSuchKey", 404, LX_E_NOTFOUND, false, ""},
    {"NoSuchUpload", 404, LX_E_NOTFOUND, false, ""},
    {"PreconditionFailed", 412, LX_E_EXISTS, false, ""},
    {"ConditionalRequestConflict", 409, LX_E_BUSY, true, "asks for less load"},
    {"OperationAborted", 409, LX_E_BUSY, true, ""},
    {"QuotaExceeded", 403, LX_E_NOSPACE, false, "raise the quota"},
    {"XMinioStorageFull", 507, LX_E_NOSPACE, false, "raise the quota"},
    {"InvalidObjectState", 403, LX_E_REFUSED, false, "must be restored"},
    {"NotImplemented", 501, LX_E_UNSUPPORTED, false, "ARCHIVE_COMMIT=single-writer"},
    {"InternalError", 500, LX_E_BUSY, true, "the store is in trouble"},
    {"SlowDown", 503, LX_E_BUSY, true, "the store is in trouble"},
    {"RequestTimeout", 400, LX_E_TIMEOUT, true, ""},
    {"IncompleteBody", 400, LX_E_NETWORK, true, ""},
    {"BadDigest", 400, LX_E_CORRUPT, true, ""},
    {"XAmzContentSHA256Mismatch", 400, LX_E_CORRUPT, true, ""},
    {"InvalidRange", 416, LX_E_FORMAT, false, ""},
    {"NotHeardOf", 400, LX_E_REMOTE, false, ""},
    {"NotHeardOf", 403, LX_E_ACCESS, false, "lacks s3:GetObject on cold"},
    {"NotHeardOf", 500, LX_E_BUSY, true, "the store is in trouble"},
    {NULL, 401, LX_E_AUTH, false, "check AWS_ACCESS_KEY_ID"},
    {NULL, 403, LX_E_ACCESS, false, "the session token has expired"},
    {NULL, 404, LX_E_NOTFOUND, false, ""},
    {NULL, 408, LX_E_TIMEOUT, true, ""},
    {NULL, 409, LX_E_BUSY, true, ""},
    {NULL, 412, LX_E_EXISTS, false, ""},
    {NULL, 416, LX_E_FORMAT, false, ""},
    {NULL, 429, LX_E_BUSY, true, "asks for less load"},
    {NULL, 501, LX_E_UNSUPPORTED, false, "ARCHIVE_COMMIT=single-writer"},
    {NULL, 507, LX_E_NOSPACE, false, "raise the quota"},
    {NULL, 502, LX_E_BUSY, true, "the store is in trouble"},
    {NULL, 418, LX_E_REMOTE, false, ""},
};

static void test_known(void **state)
{
    (void)state;
    struct lx_s3 s3 = {.bucket = bucket, .root = root};
    const struct lx_s3_call call = {.method = "GET", .key = "a", .action = "s3:GetObject"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        char body[256] = "", http[16];
        struct lx_err err = LX_ERR_INIT;
        if (known[i].code != NULL)
            snprintf(body, sizeof body, "<Error><Code>%s</Code><Message>why</Message></Error>",
                     known[i].code);
        struct lx_s3_failure failure = {.status = known[i].http, .body = lx_str_of(body)};
        print_message("%s %d\n", known[i].code != NULL ? known[i].code : "-", known[i].http);
        assert_int_equal(lx_s3_failed(&s3, &call, &failure, &err), known[i].status);
        assert_int_equal(failure.again, known[i].again);
        assert_int_equal(err.code, known[i].http);
        snprintf(http, sizeof http, "HTTP %d", known[i].http);
        if (known[i].code != NULL) {
            assert_string_equal(err.name, known[i].code);
            assert_string_equal(failure.code, known[i].code);
            says(err.text, known[i].code);
        }
        if (strcmp(err.name, "NoSuchBucket") == 0)
            assert_string_equal(err.text, "NoSuchBucket: there is no bucket cold at Amazon S3");
        else
            says(err.text, http);
        if (known[i].hint[0] == 0)
            assert_string_equal(err.hint, "");
        says(err.hint, known[i].hint);
        failure = (struct lx_s3_failure){.status = known[i].http, .body = lx_str_of(body)};
        assert_int_equal(lx_s3_failed(&s3, &call, &failure, NULL), known[i].status);
    }
}

/* Ceph says so when a body broke off. */
static void test_put_of_no_key(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    assert_int_equal(refused("PUT", "<Error><Code>NoSuchKey</Code></Error>", &err), LX_E_NETWORK);
}

static void test_region(void **state)
{
    (void)state;
    static const struct {
        int http;
        const char *code, *header, *element, *right;
    } cases[] = {
        {301, "PermanentRedirect", "eu-west-9", "", "eu-west-9"},
        {307, "TemporaryRedirect", "eu-west-9", "", "eu-west-9"},
        {400, "AuthorizationHeaderMalformed", NULL, "eu-west-9", "eu-west-9"},
        {400, "IllegalLocationConstraintException", "eu-west-9", "", "eu-west-9"},
        {400, "PermanentRedirect", "eu-west-9", "", "eu-west-9"},
        {400, "", "eu-west-9", "", "eu-west-9"},
        {400, "InvalidArgument", "eu-west-9", "", ""}, /* another trouble */
        {403, "", "eu-west-9", "", ""},
        {301, "PermanentRedirect", NULL, "", ""},
        {301, "PermanentRedirect", "EU", "", ""},
        {301, "PermanentRedirect", "eu/west", "", ""},
        {301, "PermanentRedirect", "eu{west", "", ""},
        {301, "PermanentRedirect", "eu:west", "", ""},
        {301, "PermanentRedirect",
         "a-region-whose-name-is-longer-than-any-that-amazon-has-given-to-one", "eu-1", "eu-1"},
    };
    struct lx_s3 s3 = {.bucket = bucket, .root = root};
    const struct lx_s3_call call = {.method = "GET", .key = "a", .action = "s3:GetObject"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char body[256] = "";
        if (cases[i].code[0] != 0)
            snprintf(body, sizeof body, "<Error><Code>%s</Code><Region>%s</Region></Error>",
                     cases[i].code, cases[i].element);
        struct lx_s3_failure failure = {.status = cases[i].http, .body = lx_str_of(body)};
        if (cases[i].header != NULL)
            failure.region = lx_str_of(cases[i].header);
        assert_int_not_equal(lx_s3_failed(&s3, &call, &failure, NULL), LX_OK);
        assert_string_equal(failure.right_region, cases[i].right);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_untold), cmocka_unit_test(test_told),
        cmocka_unit_test(test_known),  cmocka_unit_test(test_put_of_no_key),
        cmocka_unit_test(test_region),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
