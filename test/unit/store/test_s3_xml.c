/* Listings and error documents, as Amazon and Ceph write them, and as nobody should. */
#include "store/s3.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult xmlns=\"http://x/\">"

struct seen {
    char keys[10][64];
    int64_t sizes[10], times[10];
    char etag[40];
    bool frozen;
    size_t count;
};

static enum lx_status see(void *context, const struct lx_s3_entry *entry, struct lx_err *err)
{
    struct seen *seen = context;
    (void)err;
    assert_true(seen->count < 10);
    snprintf(seen->keys[seen->count], 64, "%s", entry->key);
    snprintf(seen->etag, sizeof seen->etag, "%s", entry->object.etag);
    seen->frozen = entry->object.frozen;
    seen->times[seen->count] = entry->object.modified_ms;
    seen->sizes[seen->count++] = entry->object.size;
    return LX_OK;
}

static enum lx_status parse(const char *xml, struct seen *seen, struct lx_buf *token)
{
    struct lx_err err = LX_ERR_INIT;
    *seen = (struct seen){0};
    return lx_s3_parse_page(lx_str_of(xml), see, seen, token, &err);
}

static void test_page(void **state)
{
    (void)state;
    struct seen seen;
    struct lx_buf token = LX_BUF(1000);
    assert_int_equal(
        parse(HEAD "<IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b</NextContinuation"
                   "Token><EncodingType>url</EncodingType>"
                   "<Contents><Key>x%2Fa%20b%25</Key><Size>12</Size><ETag>&quot;abc&quot;</ETag>"
                   "<LastModified>2026-11-22T01:02:03.004Z</LastModified><StorageClass>GLACIER"
                   "</StorageClass><Owner><ID>1</ID><Size>9</Size></Owner></Contents>"
                   "<Contents><Key>y</Key><Size>0</Size></Contents></ListBucketResult>",
              &seen, &token),
        LX_OK);
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.keys[0], "x/a b%");
    assert_int_equal(seen.sizes[0], 12);
    assert_int_equal(seen.times[0], 1795309323004);
    assert_string_equal(seen.keys[1], "y");
    assert_string_equal(lx_buf_cstr(&token), "a&b");
    /* Keys that are not encoded, and a last page. */
    assert_int_equal(parse(HEAD
                           "<Contents><Key>a%2Fb &lt;&amp;</Key><Size>1</Size><ETag>\"e\"</ETag>"
                           "<StorageClass>DEEP_ARCHIVE</StorageClass></Contents>"
                           "<IsTruncated>false</IsTruncated></ListBucketResult>",
                           &seen, &token),
                     LX_OK);
    assert_string_equal(seen.keys[0], "a%2Fb <&");
    assert_string_equal(seen.etag, "e");
    assert_true(seen.frozen);
    assert_int_equal(token.len, 0);
    lx_buf_free(&token);
}

static void test_malformed(void **state)
{
    static const char *const bad[] = {
        "",
        "no XML",
        HEAD,
        HEAD "<IsTruncated>true</IsTruncated></ListBucketResult>",
        HEAD "<Contents><Size>1</Size></Contents></ListBucketResult>",
        HEAD "<Contents><Key>a</Key></Contents></ListBucketResult>",
        HEAD "<Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>",
        HEAD "<Contents><Key>a</Key><Size>1e3</Size></Contents></ListBucketResult>",
        HEAD "<EncodingType>url</EncodingType><Contents><Key>a%0</Key><Size>1</Size></Contents>"
             "</ListBucketResult>",
        HEAD "<EncodingType>url</EncodingType><Contents><Key>a%00b</Key><Size>1</Size></Contents>"
             "</ListBucketResult>",
        "<Other></Other>",
        "<!DOCTYPE x [<!ENTITY a \"aaaa\">]><ListBucketResult><A>&a;</A></ListBucketResult>",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct seen seen;
        struct lx_buf token = LX_BUF(1000);
        if (parse(bad[i], &seen, &token) != LX_E_FORMAT)
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(seen.count, 0);
        lx_buf_free(&token);
    }
}

static void test_limits(void **state)
{
    (void)state;
    struct lx_buf xml = LX_BUF(LX_MIB * 8), token = LX_BUF(1000);
    struct seen seen;
    assert_int_equal(lx_buf_text(&xml, HEAD), LX_OK);
    for (int i = 0; i <= LX_S3_PAGE_KEYS; i++)
        assert_int_equal(lx_buf_printf(&xml, "<Contents><Key>%d</Key><Size>1</Size></Contents>", i),
                         LX_OK);
    assert_int_equal(lx_buf_text(&xml, "</ListBucketResult>"), LX_OK);
    assert_int_equal(parse(lx_buf_cstr(&xml), &seen, &token), LX_E_FORMAT);
    lx_buf_clear(&xml);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(lx_buf_text(&xml, "<a>"), LX_OK);
    assert_int_equal(parse(lx_buf_cstr(&xml), &seen, &token), LX_E_FORMAT);
    lx_buf_free(&xml);
    lx_buf_free(&token);
}

static void test_text(void **state)
{
    (void)state;
    char text[8];
    struct lx_str xml = LX_STR("<Error><Code>AccessDenied</Code><Message></Message></Error>");
    assert_true(lx_s3_xml_text(xml, "Code", text, sizeof text));
    assert_string_equal(text, "AccessD"); /* cut to size */
    assert_false(lx_s3_xml_text(xml, "Message", text, sizeof text));
    assert_false(lx_s3_xml_text(xml, "Other", text, sizeof text));
    assert_false(lx_s3_xml_text(LX_STR(""), "Code", text, sizeof text));
    assert_false(lx_s3_xml_text(LX_STR("<html><body>no"), "Code", text, sizeof text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
