/* Single requests to a bucket that answers as it is told: reads, writes, deletions, listings, what
 * is tried again, and what is said where it fails. Uploads in parts: test_s3_parts.c. */
#include "s3_bed.h"

static void is(enum lx_status got, enum lx_status want, const struct lx_err *err)
{
    if (got != want)
        fail_msg("%s, not %s: %s", lx_status_name(got), lx_status_name(want), err->text);
}

static enum lx_status put(const char *key, bool if_absent, struct lx_object *object,
                          struct lx_err *err)
{
    const struct lx_put how = {.if_absent = if_absent};
    lx_err_clear(err);
    return lx_store_put(bed.store, key, "text", 4, &how, object, err);
}

/* -- reading ------------------------------------------------------------------------------- */

static void test_read(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    char text[8] = "";
    is(put("a", false, NULL, &err), LX_OK, &err);
    is(lx_store_read(bed.store, "a", 1, text, 2, &err), LX_OK, &err);
    assert_string_equal(text, "ex");
    assert_string_equal(bed.range, "bytes=1-2");
    is(lx_store_read(bed.store, "a", 0, text, 0, &err), LX_OK, &err); /* asks nobody */
    is(lx_store_read(bed.store, "a", -1, text, 1, &err), LX_E_ARGUMENT, &err);
    says(err.text, "reading a from before its start");
    /* A store that does not know ranges answers with all: good from the start alone. */
    rule((struct rule){"GET", "", 200, ETAG, "text"});
    is(lx_store_read(bed.store, "a", 0, text, 3, &err), LX_OK, &err);
    rule((struct rule){"GET", "", 200, ETAG, "text", .times = 8});
    is(lx_store_read(bed.store, "a", 1, text, 3, &err), LX_E_NETWORK, &err);
    says(err.text, "s3://bucket/root/a: the store answered with other bytes than asked");
    rule((struct rule){"GET", "", 206, ETAG "Content-Range: bytes 0-2/4\r\n", "tex", .times = 8});
    is(lx_store_read(bed.store, "a", 1, text, 3, &err), LX_E_NETWORK, &err);
    rule((struct rule){"GET", "", 206, ETAG "Content-Range: bytes 1-3/4\r\n", "ex"});
    is(lx_store_read(bed.store, "a", 1, text, 3, &err), LX_E_FORMAT, &err);
    says(err.text, "s3://bucket/root/a ends 1 bytes before what was asked for");
    rule((struct rule){"GET", "", 416, "", ""});
    is(lx_store_read(bed.store, "a", 9, text, 3, &err), LX_E_FORMAT, &err);
    says(err.text, "InvalidRange, HTTP 416");
}

static void test_get(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    struct lx_object object;
    struct lx_buf bytes = LX_BUF(7);
    assert_int_equal(lx_buf_text(&bytes, "ab"), LX_OK);
    is(put("a", false, &object, &err), LX_OK, &err);
    assert_int_equal(object.size, 4);
    assert_string_equal(object.etag, "small");
    is(lx_store_get(bed.store, "a", &bytes, NULL, &err), LX_OK, &err);
    assert_true(lx_str_is(lx_buf_view(&bytes), "abtext"));
    rule((struct rule){"GET", "", 200, "ETag: bare\r\n", "x"});
    is(lx_store_get(bed.store, "a", &bytes, &object, &err), LX_OK, &err);
    assert_string_equal(object.etag, "bare");
    assert_int_equal(object.size, 1);
    is(lx_store_get(bed.store, "a", &bytes, &object, &err), LX_E_LIMIT, &err);
    says(err.text, "s3://bucket/root/a is larger than what may be read at once");
    lx_buf_free(&bytes);
    /* What came of a try that broke off is not kept. */
    bytes = (struct lx_buf)LX_BUF(100);
    rule((struct rule){"GET", "", 200, ETAG "Content-Length: 10\r\n", "half", .cut = true});
    is(lx_store_get(bed.store, "a", &bytes, &object, &err), LX_OK, &err);
    assert_true(lx_str_is(lx_buf_view(&bytes), "text"));
    lx_buf_free(&bytes);
}

static void test_head(void **state)
{
    (void)state;
    static const struct {
        const char *headers;
        int64_t modified_ms;
        const char *class;
        bool frozen;
    } cases[] = {
        {"Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 784111777000, "", false},
        {"Last-Modified: Sun, 06 Nov 1994 08:49:37 CET\r\n", 0, "", false},
        {"Last-Modified: Sun, 06 Xyz 1994 08:49:37 GMT\r\n", 0, "", false},
        {"Last-Modified: Sun, 0x Nov 1994 08:49:37 GMT\r\n", 0, "", false},
        {"Last-Modified: 5un, 06 Nov 1994 08:49:37 GMT\r\n", 0, "", false},
        {"Last-Modified: yesterday\r\n", 0, "", false},
        {"x-amz-storage-class: STANDARD_IA\r\n", 0, "STANDARD_IA", false},
        {"x-amz-storage-class: GLACIER\r\n", 0, "GLACIER", true},
    };
    struct lx_err err = LX_ERR_INIT;
    struct lx_object object;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char headers[128];
        snprintf(headers, sizeof headers, ETAG "Content-Length: 77\r\n%s", cases[i].headers);
        rule((struct rule){"HEAD", "", 200, headers, "", .cut = true});
        is(lx_store_head(bed.store, "a", &object, &err), LX_OK, &err);
        assert_int_equal(object.size, 77);
        assert_int_equal(object.modified_ms, cases[i].modified_ms);
        assert_string_equal(object.storage_class, cases[i].class);
        assert_int_equal(object.frozen, cases[i].frozen);
    }
    rule((struct rule){"HEAD", "", 200, ETAG, "", .cut = true});
    is(lx_store_head(bed.store, "a", &object, &err), LX_E_FORMAT, &err);
    says(err.text, "the store does not say how large a is");
    rule((struct rule){"HEAD", "", 404, "", ""});
    is(lx_store_head(bed.store, "a", &object, &err), LX_E_NOTFOUND, &err);
    assert_string_equal(err.name, "NoSuchKey");
}

/* Something between us and the store answers in its place, with a 200: what it says of an object is
 * not believed. */
static void test_stranger(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    struct lx_object object;
    struct lx_buf bytes = LX_BUF(100);
    char text[8] = "";
    is(put("a", false, NULL, &err), LX_OK, &err);
    rule((struct rule){"HEAD", "", 200, "Content-Length: 145\r\n", "", .cut = true});
    is(lx_store_head(bed.store, "a", &object, &err), LX_OK, &err);
    assert_int_equal(object.size, 4);
    rule((struct rule){"HEAD", "", 200, "Content-Length: 145\r\n", "", .cut = true, .times = 8});
    is(lx_store_head(bed.store, "a", &object, &err), LX_E_BUSY, &err);
    says(err.text, "s3://bucket/root/a (GetObject): HTTP 200 without an ETag");
    says(err.hint, "what answers there is not the store itself");
    rule((struct rule){"GET", "", 200, "", ERROR("InternalError")});
    is(lx_store_get(bed.store, "a", &bytes, &object, &err), LX_OK, &err);
    assert_true(lx_str_is(lx_buf_view(&bytes), "text"));
    static const char *const words[] = {ERROR("AccessDenied"), ERROR("NoSuchKey"),
                                        ERROR("InvalidObjectState"), ERROR("InvalidRange"),
                                        ERROR("NoSuchBucket")};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        rule((struct rule){"GET", "", 200, "", words[i], .times = 8});
        is(lx_store_get(bed.store, "a", &bytes, &object, &err), LX_E_BUSY, &err);
        assert_int_equal(err.status, LX_E_BUSY);
        assert_string_equal(err.name, "");
    }
    rule((struct rule){"GET", "", 200, "", /* where the bucket is, it does not know */
                       "<Error><Code>PermanentRedirect</Code><Region>eu-west-9</Region></Error>"});
    lx_buf_clear(&bytes);
    is(lx_store_get(bed.store, "a", &bytes, &object, &err), LX_OK, &err);
    assert_null(strstr(bed.signature, "eu-west-9"));
    rule((struct rule){"GET", "", 200, "", "<html>"});
    is(lx_store_read(bed.store, "a", 0, text, 3, &err), LX_OK, &err);
    assert_string_equal(text, "tex");
    rule((struct rule){"GET", "", 200, "", "<html>", .times = 8});
    is(lx_store_read(bed.store, "a", 0, text, 3, &err), LX_E_BUSY, &err);
    says(err.text, "HTTP 200 without an ETag");
    lx_buf_free(&bytes);
}

/* -- writing ------------------------------------------------------------------------------- */

/* Done is what the store says with an ETag and without an error behind its 200. */
static void test_done(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    rule((struct rule){"PUT", "", 200, "", "", .times = 8});
    is(put("a", false, NULL, &err), LX_E_BUSY, &err);
    says(err.text, "s3://bucket/root/a (PutObject): HTTP 200 without an ETag");
    says(err.hint, "what answers there is not the store itself");
    rule((struct rule){"PUT", "", 200, "", ""});
    is(put("a", false, NULL, &err), LX_OK, &err);
    /* Behind a 200 no refusal is sure: its words are told, and nothing follows from them. */
    rule((struct rule){"PUT", "", 200, ETAG, ERROR("AccessDenied"), .times = 8});
    is(put("a", false, NULL, &err), LX_E_BUSY, &err);
    says(err.text, "AccessDenied, HTTP 200");
    assert_int_equal(err.status, LX_E_BUSY);
    rule((struct rule){"PUT", "", 200, ETAG, ERROR("AccessDenied")});
    rule((struct rule){"PUT", "", 412, "", ERROR("PreconditionFailed")});
    is(put("a", true, NULL, &err), LX_E_UNKNOWN, &err);
    says(err.text, "it is not known whether the write was done");
    assert_int_equal(err.status, LX_E_UNKNOWN);
    rule((struct rule){"PUT", "", 412, "", ERROR("PreconditionFailed")});
    is(put("a", true, NULL, &err), LX_E_EXISTS, &err); /* nothing was lost: that is sure */
}

static void test_unconditional(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    reopen((struct lx_s3_options){.unconditional = true, .sse = "AES256"});
    rule((struct rule){"HEAD", "", 404, "", ""});
    is(put("a", true, NULL, &err), LX_OK, &err);
    assert_string_equal(bed.condition, "");
    assert_string_equal(bed.sse, "AES256");
    is(put("a", true, NULL, &err), LX_E_EXISTS, &err);
    assert_string_equal(err.text, "a exists already");
    rule((struct rule){"HEAD", "", 403, "", ""});
    is(put("a", true, NULL, &err), LX_E_ACCESS, &err);
    reopen((struct lx_s3_options){0});
    is(put("b", true, NULL, &err), LX_OK, &err);
    assert_string_equal(bed.condition, "*");
    assert_string_equal(bed.sse, "");
}

static void test_delete(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    is(lx_store_delete(bed.store, "a", &err), LX_OK, &err);
    rule((struct rule){"DELETE", "", 404, "", ERROR("NoSuchKey"), .times = 2});
    is(lx_store_delete(bed.store, "a", &err), LX_OK, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(lx_store_delete(bed.store, "a", NULL), LX_OK);
    rule((struct rule){"DELETE", "", 404, "", ERROR("NoSuchBucket")});
    is(lx_store_delete(bed.store, "a", &err), LX_E_NOTFOUND, &err);
    assert_string_equal(err.name, "NoSuchBucket");
    /* Once it was sent it is not sent again: whom would it hit? But for "slow down". */
    unsigned before = fake_http_requests(bed.server);
    rule((struct rule){"DELETE", "", 500, "", ""});
    is(lx_store_delete(bed.store, "a", &err), LX_E_BUSY, &err);
    assert_int_equal(fake_http_requests(bed.server) - before, 1);
}

/* -- tried again --------------------------------------------------------------------------- */

static void test_retries(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    struct lx_store_counts counts;
    struct lx_object object;
    rule((struct rule){"HEAD", "", 500, "", "", .times = 7});
    is(lx_store_head(bed.store, "a", &object, &err), LX_OK, &err);
    lx_store_counts(bed.store, &counts);
    assert_int_equal(counts.retries, 7);
    assert_int_equal(counts.heads, 1);
    says(bed.said, "; trying again (3 of 8)");
    /* Twice as long each time, with jitter, up to the most. */
    assert_true(bed.slept >= (200 + 400 + 800 + 1600 + 3200 + 5000 + 5000) / 2);
    assert_true(bed.slept <= 200 + 400 + 800 + 1600 + 3200 + 5000 + 5000);
    rule((struct rule){"HEAD", "", 500, "", "", .times = 8});
    is(lx_store_head(bed.store, "a", &object, &err), LX_E_BUSY, &err);
    assert_int_equal(err.code, 500);
    /* One budget for all. */
    struct lx_s3_pace *pace = lx_s3_pace_process();
    int64_t tokens = pace->tokens;
    pace->refilled_ms = bed.now;
    pace->tokens = 4;
    rule((struct rule){"HEAD", "", 500, "", ""});
    is(lx_store_head(bed.store, "a", &object, &err), LX_E_BUSY, &err);
    says(err.text, "not tried again, since too much fails at this store");
    pace->refilled_ms = bed.now;
    pace->tokens = 9;
    rule((struct rule){"GET", "", 408, "", ""}); /* a time-out costs more */
    char byte;
    is(lx_store_read(bed.store, "a", 0, &byte, 1, &err), LX_E_TIMEOUT, &err);
    pace->tokens = tokens;
    /* Nobody is there to be told. */
    reopen((struct lx_s3_options){.say = NULL, .say_context = &bed});
    rule((struct rule){"HEAD", "", 500, "", "", .times = 4});
    assert_int_equal(lx_store_head(bed.store, "a", &object, NULL), LX_OK);
    assert_string_equal(bed.said, "");
}

static void test_cancelled(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    struct lx_cancel cancel = {0};
    struct lx_object object;
    reopen((struct lx_s3_options){.cancel = &cancel});
    bed.cancel = &cancel;
    rule((struct rule){"HEAD", "", 500, "", "", .cancels = true});
    is(lx_store_head(bed.store, "a", &object, &err), LX_E_CANCELLED, &err);
    assert_string_equal(err.text, "interrupted");
    lx_cancel_forget(&cancel);
    rule((struct rule){"PUT", "", 500, "", "", .cancels = true});
    is(put("a", true, NULL, &err), LX_E_UNKNOWN, &err);
    lx_cancel_forget(&cancel);
}

static void test_regions(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    struct lx_object object;
    reopen((struct lx_s3_options){.region = "us-east-1"});
    rule((struct rule){"HEAD", "", 400, "x-amz-bucket-region: eu-west-9\r\n", ""});
    is(lx_store_head(bed.store, "a", &object, &err), LX_OK, &err);
    says(bed.signature, "/eu-west-9/s3/");
    says(bed.said, "the bucket bucket lies in eu-west-9: AWS_REGION should say so");
    bed.said[0] = 0;
    rule((struct rule){"GET", "", 301, "",
                       "<Error><Code>PermanentRedirect</Code><Region>ap-1</Region></Error>"});
    char byte[4];
    is(put("a", false, NULL, &err), LX_OK, &err);
    is(lx_store_read(bed.store, "a", 0, byte, 4, &err), LX_OK, &err);
    says(bed.signature, "/ap-1/s3/");
    assert_string_equal(bed.said, ""); /* once */
    /* The region that it is in already, and then another one again and again. */
    rule((struct rule){"HEAD", "", 400, "x-amz-bucket-region: ap-1\r\n", ""});
    is(lx_store_head(bed.store, "a", &object, &err), LX_E_REMOTE, &err);
    rule((struct rule){"HEAD", "", 307, "x-amz-bucket-region: b-1\r\n", ""});
    rule((struct rule){"HEAD", "", 307, "x-amz-bucket-region: c-1\r\n", ""});
    is(lx_store_head(bed.store, "a", &object, &err), LX_E_REMOTE, &err);
    says(bed.signature, "/b-1/s3/");
    /* What is no region's name. */
    rule((struct rule){"HEAD", "", 400, "x-amz-bucket-region: http://x/\r\n", ""});
    is(lx_store_head(bed.store, "a", &object, &err), LX_E_REMOTE, &err);
    says(bed.signature, "/b-1/s3/");
}

/* -- listing ------------------------------------------------------------------------------- */

static enum lx_status list_key(void *context, const char *key, const struct lx_object *object,
                               struct lx_err *err)
{
    (void)object;
    (void)err;
    size_t used = strlen(context);
    snprintf((char *)context + used, 256 - used, "%s ", key);
    return strcmp(key, "stop") == 0 ? LX_E_CANCELLED : LX_OK;
}

static void lists(const char *prefix, const char *after, enum lx_status want, const char *keys,
                  struct lx_err *err)
{
    char seen[256] = "";
    lx_err_clear(err);
    is(lx_store_list(bed.store, prefix, after, list_key, seen, err), want, err);
    assert_string_equal(seen, keys);
}

#define KEY(key) "<Contents><Key>" key "</Key><Size>1</Size></Contents>"
#define PAGE(keys) "<ListBucketResult><IsTruncated>false</IsTruncated>" keys "</ListBucketResult>"
#define MORE(keys)                                                                                 \
    "<ListBucketResult><IsTruncated>true</IsTruncated>"                                            \
    "<NextContinuationToken>t/1</NextContinuationToken>" keys "</ListBucketResult>"

static void test_list(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    rule((struct rule){"GET", "list-type", 200, "", MORE(KEY("root/a") KEY("root/b"))});
    rule((struct rule){"GET", "list-type", 200, "", PAGE(KEY("root/c"))});
    lists("", "0", LX_OK, "a b c ", &err);
    says(bed.target, "?continuation-token=t%2F1&encoding-type=url&list-type=2&max-keys=1000"
                     "&prefix=root%2F");
    assert_null(strstr(bed.target, "start-after"));
    rule((struct rule){"GET", "list-type", 200, "", PAGE("")});
    lists("p/", "p/x", LX_OK, "", &err);
    says(bed.target, "&prefix=root%2Fp%2F&start-after=root%2Fp%2Fx");
    /* The root itself, and what others may have put there. */
    rule((struct rule){"GET", "list-type", 200, "",
                       PAGE(KEY("root/") KEY("root/a//b") KEY("root/c"))});
    lists(NULL, NULL, LX_OK, "c ", &err);
    rule((struct rule){"GET", "list-type", 200, "", PAGE(KEY("root/stop") KEY("root/t"))});
    lists("", NULL, LX_E_CANCELLED, "stop ", &err);
    rule((struct rule){"GET", "list-type", 200, "", PAGE(KEY("other/a"))});
    lists("", NULL, LX_E_FORMAT, "", &err);
    says(err.text, "the store listed a key that was not asked for: other/a");
    rule((struct rule){"GET", "list-type", 200, "", PAGE(KEY("root/b") KEY("root/a"))});
    lists("", NULL, LX_E_UNSUPPORTED, "b ", &err);
    says(err.text, "the store does not list keys in order: root/a after root/b");
    says(err.hint, "directory buckets");
    rule((struct rule){"GET", "list-type", 200, "", ERROR("InternalError")});
    lists("", NULL, LX_E_BUSY, "", &err);
    says(err.text, "listing bucket: the store answered 200 and an error: InternalError");
    rule((struct rule){"GET", "list-type", 404, "", ERROR("NoSuchBucket")});
    lists("", NULL, LX_E_NOTFOUND, "", &err);
    says(err.text, "NoSuchBucket: there is no bucket bucket at 127.0.0.1:");
    says(err.hint, "create it (aws --endpoint-url http://127.0.0.1:");
    rule((struct rule){"GET", "list-type", 200, "", MORE(""), .times = 100});
    lists("", NULL, LX_E_FORMAT, "", &err);
    says(err.text, "the store's listing does not end: 100 pages in a row without a key");
    reopen((struct lx_s3_options){.root = ""});
    rule((struct rule){"GET", "list-type", 200, "", PAGE(KEY("a"))});
    lists("", NULL, LX_OK, "a ", &err);
    says(bed.target, "&prefix=");
}

/* -- opening ------------------------------------------------------------------------------- */

static enum lx_status open_at(struct lx_s3_options options, struct lx_store **store,
                              struct lx_err *err)
{
    options.clock = lx_clock_system();
    options.random = lx_random_system();
    lx_err_clear(err);
    return lx_store_open_s3(&options, store, err);
}

static void test_open(void **state)
{
    (void)state;
    static const char *const good[] =
        {"http://127.0.0.1", "https://h:443/", "http://[::1]:9000", "https://h.example", "", NULL},
                             *const bad[] = {"ftp://h", "http://", "http://h/path", "http://h?a=b",
                                             "nonsense"};
    struct lx_err err = LX_ERR_INIT;
    struct lx_s3_options options = {
        .bucket = "a.b", .access_key = "k", .secret_key = "s", .virtual_host = true};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct lx_store *store = NULL;
        struct lx_buf text = LX_BUF(1000);
        options.endpoint = good[i];
        is(open_at(options, &store, &err), LX_OK, &err);
        assert_int_equal(lx_store_location(store, "x/y", &text), LX_OK);
        assert_true(lx_str_is(lx_buf_view(&text), "s3://a.b/x/y"));
        lx_buf_clear(&text);
        assert_int_equal(lx_store_location(store, NULL, &text), LX_OK);
        assert_true(lx_str_is(lx_buf_view(&text), "s3://a.b"));
        lx_buf_free(&text);
        lx_store_close(store);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct lx_store *store = NULL;
        options.endpoint = bad[i];
        is(open_at(options, &store, &err), LX_E_ARGUMENT, &err);
        says(err.text, "AWS_ENDPOINT_URL");
        says(err.hint, "for example https://minio.example.com:9000");
        assert_null(store);
    }
    options.endpoint = NULL;
    for (int missing = 0; missing < 3; missing++) {
        struct lx_store *store = NULL;
        struct lx_s3_options less = options;
        *(missing == 0 ? &less.bucket : missing == 1 ? &less.access_key : &less.secret_key) = "";
        is(open_at(less, &store, &err), LX_E_ARGUMENT, &err);
        assert_string_equal(err.text, "an S3 store needs a bucket and keys");
        assert_null(store);
    }
}

#define WITH_BED(test) cmocka_unit_test_setup_teardown(test, bed_start, bed_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BED(test_read),     WITH_BED(test_get),     WITH_BED(test_head),
        WITH_BED(test_stranger), WITH_BED(test_done),    WITH_BED(test_unconditional),
        WITH_BED(test_delete),   WITH_BED(test_retries), WITH_BED(test_cancelled),
        WITH_BED(test_regions),  WITH_BED(test_list),    WITH_BED(test_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
