/* The examples of "Signature Calculations for the Authorization Header" (Amazon S3 API reference).
 */
#include "store/s3.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define WELCOME "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"

static void check(const char *method, const char *path, const char *query,
                  const struct lx_http_header *headers, size_t count, const char *payload,
                  const char *names, const char *signature)
{
    struct lx_buf value = LX_BUF(LX_MIB), want = LX_BUF(LX_MIB);
    const struct lx_s3_signing what = {
        .method = method,
        .path = path,
        .query = query,
        .headers = headers,
        .header_count = count,
        .payload = payload,
        .time = "20130524T000000Z",
        .region = "us-east-1",
        .service = "s3",
        .access_key = "AKIAIOSFODNN7EXAMPLE",
        .secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    };
    assert_int_equal(lx_s3_sign(&what, &value), LX_OK);
    assert_int_equal(
        lx_buf_printf(&want,
                      "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
                      "aws4_request,SignedHeaders=%s,Signature=%s",
                      names, signature),
        LX_OK);
    assert_string_equal(lx_buf_cstr(&value), lx_buf_cstr(&want));
    lx_buf_free(&value);
    lx_buf_free(&want);
}

static void test_get_object(void **state)
{
    (void)state;
    const struct lx_http_header headers[] = {{"host", "examplebucket.s3.amazonaws.com"},
                                             {"range", "bytes=0-9"},
                                             {"x-amz-content-sha256", EMPTY},
                                             {"x-amz-date", "20130524T000000Z"}};
    check("GET", "/test.txt", "", headers, 4, EMPTY, "host;range;x-amz-content-sha256;x-amz-date",
          "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

static void test_put_object(void **state)
{
    (void)state;
    const struct lx_http_header headers[] = {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
                                             {"host", "examplebucket.s3.amazonaws.com"},
                                             {"x-amz-content-sha256", WELCOME},
                                             {"x-amz-date", "20130524T000000Z"},
                                             {"x-amz-storage-class", "REDUCED_REDUNDANCY"}};
    char hex[65];
    assert_int_equal(lx_s3_sha256("Welcome to Amazon S3.", 21, hex, NULL), LX_OK);
    assert_string_equal(hex, WELCOME);
    check("PUT", "/test%24file.text", "", headers, 5, hex,
          "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
          "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

static void test_bucket(void **state)
{
    (void)state;
    const struct lx_http_header headers[] = {{"host", "examplebucket.s3.amazonaws.com"},
                                             {"x-amz-content-sha256", EMPTY},
                                             {"x-amz-date", "20130524T000000Z"}};
    check("GET", "/", "lifecycle=", headers, 3, EMPTY, "host;x-amz-content-sha256;x-amz-date",
          "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    check("GET", "/", "max-keys=2&prefix=J", headers, 3, EMPTY,
          "host;x-amz-content-sha256;x-amz-date",
          "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get_object),
        cmocka_unit_test(test_put_object),
        cmocka_unit_test(test_bucket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
