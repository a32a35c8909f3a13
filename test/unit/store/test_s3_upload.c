/* Uploads in parts, against a server that counts: how many parts are on their way at once, their
 * sizes and sums, and what a store is like that refuses sums or asks for less. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "fake_http.h"
#include "store/s3.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_SEEN 64
#define PART (5 * LX_MIB)
#define GATHER_MS 5000

struct seen {
    unsigned number;
    size_t size;
    char sum[64];
    uint8_t first;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all that follows */
static struct {
    struct fake_http *server;
    struct lx_store *store;
    int busy, busiest;
    struct seen parts[MAX_SEEN];
    size_t part_count;
    char complete[8192], create_sum[32];
    bool knows_sums, refuses_sums; /* says the sums again; says NotImplemented to them */
    bool refuses_class;            /* does not know the storage class */
    bool elsewhere;                /* the bucket lies in another region than it is asked in */
    int slow;                      /* so many requests are told to slow down */
    int gathers;                   /* parts wait until so many are on their way, once */
    int fails_part;                /* this one is refused for good */
    char said[4096];
    struct lx_object object;
    size_t total;
} bed;

static void say(void *context, const char *text)
{
    (void)context;
    pthread_mutex_lock(&lock);
    size_t at = strlen(bed.said);
    snprintf(bed.said + at, sizeof bed.said - at, "%s\n", text);
    pthread_mutex_unlock(&lock);
}

static bool gathering(void)
{
    pthread_mutex_lock(&lock);
    bool more = bed.busiest < bed.gathers;
    pthread_mutex_unlock(&lock);
    return more;
}

static void answer_part(struct fake_exchange *e, unsigned number, const char *sum)
{
    char headers[256];
    for (int i = 0; i < GATHER_MS && gathering(); i++)
        usleep(1000);
    usleep(20000); /* would a further one come? */
    pthread_mutex_lock(&lock);
    struct seen *seen = &bed.parts[bed.part_count++ % MAX_SEEN];
    *seen = (struct seen){.number = number, .size = e->body_len, .first = e->body[0]};
    snprintf(seen->sum, sizeof seen->sum, "%s", sum);
    bed.total += e->body_len;
    pthread_mutex_unlock(&lock);
    snprintf(headers, sizeof headers, "ETag: \"etag-%u\"\r\n%s%s%s", number,
             bed.knows_sums && sum[0] != 0 ? "x-amz-checksum-sha256: " : "",
             bed.knows_sums ? sum : "", bed.knows_sums && sum[0] != 0 ? "\r\n" : "");
    fake_reply_text(e, 200, headers, "");
}

/* What the store does not take, it says to all who are on their way at once. */
static bool refuses(struct fake_exchange *e, const char *sum, const char *algorithm)
{
    char class[64] = "", signature[256] = "";
    fake_header(e, "x-amz-storage-class", class, sizeof class);
    fake_header(e, "authorization", signature, sizeof signature);
    bool sums = bed.refuses_sums && (sum[0] != 0 || algorithm[0] != 0);
    bool elsewhere = bed.elsewhere && strstr(signature, "/eu-west-9/") == NULL;
    if (!sums && !elsewhere && !(bed.refuses_class && class[0] != 0))
        return false;
    for (int i = 0; i < GATHER_MS && gathering(); i++)
        usleep(1000);
    if (elsewhere)
        fake_reply_text(e, 301, "x-amz-bucket-region: eu-west-9\r\n",
                        "<Error><Code>PermanentRedirect</Code></Error>");
    else if (sums)
        fake_reply_text(e, 501, "", "<Error><Code>NotImplemented</Code></Error>");
    else
        fake_reply_text(e, 400, "", "<Error><Code>InvalidStorageClass</Code></Error>");
    return true;
}

static void act(struct fake_exchange *e)
{
    char sum[64] = "", algorithm[32] = "", *number = strstr(e->target, "partNumber=");
    fake_header(e, "x-amz-checksum-sha256", sum, sizeof sum);
    fake_header(e, "x-amz-checksum-algorithm", algorithm, sizeof algorithm);
    if (bed.slow > 0) {
        bed.slow--;
        fake_reply_text(e, 503, "", "<Error><Code>SlowDown</Code></Error>");
    } else if (refuses(e, sum, algorithm)) {
        return;
    } else if (number != NULL && bed.fails_part == atoi(number + 11)) {
        fake_reply_text(e, 403, "", "<Error><Code>AccessDenied</Code></Error>");
    } else if (number != NULL) {
        answer_part(e, (unsigned)atoi(number + 11), sum);
    } else if (strstr(e->target, "?uploads") != NULL) {
        snprintf(bed.create_sum, sizeof bed.create_sum, "%s", algorithm);
        fake_reply_text(e, 200, "", "<X><UploadId>the-id</UploadId></X>");
    } else if (strcmp(e->method, "POST") == 0) {
        snprintf(bed.complete, sizeof bed.complete, "%.*s", (int)e->body_len, (char *)e->body);
        fake_reply_text(e, 200, "", "<X></X>");
    } else if (strcmp(e->method, "HEAD") == 0) {
        char length[64];
        snprintf(length, sizeof length, "Content-Length: %zu\r\n", bed.total);
        fake_send_text(e, "HTTP/1.1 200 OK\r\nETag: \"whole\"\r\n");
        fake_send_text(e, length);
        fake_send_text(e, "\r\n");
    } else {
        fake_reply_text(e, 200, "ETag: \"small\"\r\n", "");
    }
}

static void handle(struct fake_exchange *e)
{
    if (!fake_read_body(e))
        return;
    pthread_mutex_lock(&lock);
    if (++bed.busy > bed.busiest)
        bed.busiest = bed.busy;
    pthread_mutex_unlock(&lock);
    act(e);
    pthread_mutex_lock(&lock);
    bed.busy--;
    pthread_mutex_unlock(&lock);
}

static void open_store(size_t part, size_t memory)
{
    char endpoint[64];
    struct lx_err err = LX_ERR_INIT;
    pthread_mutex_lock(&lock);
    memset(&bed, 0, sizeof bed);
    pthread_mutex_unlock(&lock);
    bed.server = fake_http_start(handle, NULL);
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u", fake_http_port(bed.server));
    const struct lx_s3_options options = {.bucket = "bucket",
                                          .root = "",
                                          .endpoint = endpoint,
                                          .access_key = "key",
                                          .secret_key = "secret",
                                          .storage_class = "STANDARD_IA",
                                          .part_size = part,
                                          .upload_memory = memory,
                                          .clock = lx_clock_system(),
                                          .random = lx_random_system(),
                                          .say = say};
    if (lx_store_open_s3(&options, &bed.store, &err) != LX_OK)
        fail_msg("%s", err.text);
}

static void close_store(void)
{
    lx_store_close(bed.store);
    fake_http_stop(bed.server);
}

/* Bytes of the i-th part are all i. */
static enum lx_status upload(size_t size, struct lx_err *err)
{
    const struct lx_put how = {.data = true};
    struct lx_upload *upload = NULL;
    uint8_t *piece = lx_malloc(LX_MIB);
    enum lx_status status = lx_store_upload_begin(bed.store, "a/key", &how, &upload, err);
    for (size_t at = 0; status == LX_OK && at < size; at += LX_MIB) {
        size_t now = size - at < LX_MIB ? size - at : LX_MIB;
        memset(piece, (int)(at / PART + 1), now);
        status = lx_store_upload_write(upload, piece, now, err);
    }
    if (status == LX_OK)
        status = lx_store_upload_finish(upload, &bed.object, err);
    else
        lx_store_upload_abort(upload);
    lx_free(piece);
    return status;
}

static void uploads(size_t size)
{
    struct lx_err err = LX_ERR_INIT;
    if (upload(size, &err) != LX_OK)
        fail_msg("%s", err.text);
    assert_int_equal(bed.object.size, size);
}

/* What was listed at the end is, in order, what came: of the right size and content. */
static void check_parts(size_t count, size_t last, bool listed_sums)
{
    assert_int_equal(bed.part_count, count);
    char *at = bed.complete;
    for (unsigned n = 1; n <= count; n++) {
        char want[128];
        struct seen *seen = bed.parts;
        while (seen < bed.parts + count && seen->number != n)
            seen++;
        assert_true(seen < bed.parts + count);
        assert_int_equal(seen->size, n < count ? PART : last);
        assert_int_equal(seen->first, n);
        snprintf(want, sizeof want, "<PartNumber>%u</PartNumber><ETag>\"etag-%u\"</ETag>%s%s", n, n,
                 listed_sums ? "<ChecksumSHA256>" : "</Part>", listed_sums ? seen->sum : "");
        char *found = strstr(at, want);
        if (found == NULL)
            fail_msg("no %s in %s", want, at);
        at = found;
    }
}

static void test_several_at_once(void **state)
{
    (void)state;
    open_store(PART, 0);
    bed.gathers = LX_S3_PARTS_AT_ONCE;
    uploads(8 * PART + 3);
    check_parts(9, 3, false);
    assert_int_equal(bed.busiest, LX_S3_PARTS_AT_ONCE);
    /* Kept connections: not one a part. */
    assert_in_range(fake_http_connections(bed.server), 1, LX_S3_PARTS_AT_ONCE + 1);
    close_store();
}

static void test_within_memory(void **state)
{
    (void)state;
    open_store(PART, 3 * PART); /* one is filled, two are on their way */
    bed.gathers = 2;
    size_t before = lx_alloc_used();
    lx_alloc_reset_peak();
    uploads(7 * PART);
    check_parts(7, PART, false);
    assert_int_equal(bed.busiest, 2);
    /* Buffers grow by doubling: at most twice their bytes. */
    assert_true(lx_alloc_peak() - before < 6 * PART + 4 * LX_MIB);
    close_store();
    open_store(PART, PART); /* too little for any: still one */
    uploads(3 * PART);
    assert_int_equal(bed.busiest, 1);
    close_store();
}

static void test_sums(void **state)
{
    (void)state;
    open_store(PART, 0);
    bed.knows_sums = true;
    uploads(2 * PART);
    check_parts(2, PART, true);
    assert_string_equal(bed.create_sum, "SHA256");
    /* SHA-256 of 5 MiB of the byte 1. */
    for (size_t i = 0; i < 2; i++)
        if (bed.parts[i].number == 1)
            assert_string_equal(bed.parts[i].sum, "woPhehuQo1LJHeLERbcRxcQSYnnv+IS4/8RIk1drGe8=");
    close_store();
}

static void test_store_without_sums(void **state)
{
    struct lx_object object;
    const struct lx_put how = {.if_absent = true};
    (void)state;
    open_store(PART, 0);
    bed.refuses_sums = true;
    assert_int_equal(lx_store_put(bed.store, "small", "x", 1, &how, &object, NULL), LX_OK);
    assert_non_null(strstr(bed.said, "x-amz-checksum-sha256: objects go without"));
    assert_int_equal(fake_http_requests(bed.server), 2);
    bed.said[0] = 0;
    uploads(2 * PART);
    check_parts(2, PART, false);
    assert_string_equal(bed.create_sum, "");
    assert_string_equal(bed.said, ""); /* once */
    close_store();
}

static void *put_one(void *context)
{
    const struct lx_put how = {.if_absent = true, .data = true};
    struct lx_object object;
    if (lx_store_put(bed.store, "small", "x", 1, &how, &object, context) != LX_OK)
        return context;
    return NULL;
}

/* Several meet with the same refusal before the first of them has learned of it: what one learns is
 * no reason for the others to fail. */
static void put_at_once(const char *word)
{
    enum { MANY = 4 };
    pthread_t threads[MANY];
    struct lx_err errs[MANY];
    bed.gathers = MANY;
    for (size_t i = 0; i < MANY; i++) {
        errs[i] = (struct lx_err)LX_ERR_INIT;
        assert_int_equal(pthread_create(&threads[i], NULL, put_one, &errs[i]), 0);
    }
    void *failed[MANY];
    for (size_t i = 0; i < MANY; i++)
        pthread_join(threads[i], &failed[i]);
    for (size_t i = 0; i < MANY; i++)
        if (failed[i] != NULL)
            fail_msg("%s", errs[i].text);
    char *said = strstr(bed.said, word);
    if (said == NULL || strchr(said, '\n')[1] != 0)
        fail_msg("not said, or not once: %s", bed.said);
}

static void test_refused_at_once(void **state)
{
    (void)state;
    open_store(PART, 0);
    bed.refuses_class = true;
    put_at_once("does not know the storage class STANDARD_IA");
    close_store();
    open_store(PART, 0);
    bed.refuses_sums = true;
    put_at_once("refuses x-amz-checksum-sha256");
    close_store();
    open_store(PART, 0);
    bed.elsewhere = true;
    put_at_once("lies in eu-west-9");
    close_store();
}

/* Both are refused, with an answer that does not say which; then all is known. */
static void test_refuses_both(void **state)
{
    struct lx_err err = LX_ERR_INIT;
    (void)state;
    open_store(PART, 0);
    bed.refuses_class = bed.refuses_sums = true;
    assert_null(put_one(&err));
    uint64_t before = fake_http_requests(bed.server);
    for (int i = 0; i < 2; i++)
        assert_null(put_one(&err));
    assert_in_range(fake_http_requests(bed.server) - before, 2, 3);
    close_store();
}

static void test_one_part_fails(void **state)
{
    struct lx_err err = LX_ERR_INIT;
    (void)state;
    open_store(PART, 0);
    bed.fails_part = 3;
    assert_int_equal(upload(12 * PART, &err), LX_E_ACCESS);
    assert_non_null(strstr(err.text, "AccessDenied"));
    assert_string_equal(bed.complete, "");
    assert_true(bed.part_count < 9); /* it did not go on for long */
    close_store();
}

static void test_part_sizes(void **state)
{
    struct lx_s3 s3 = {.part_size = LX_S3_LEAST_PART};
    unsigned long long total = 0;
    (void)state;
    for (unsigned n = 0; n < LX_S3_MAX_PARTS; n++) {
        size_t size = lx_s3_part_size(&s3, n);
        assert_in_range(size, LX_S3_LEAST_PART, LX_S3_LARGEST_PART);
        total += size;
    }
    assert_int_equal(lx_s3_part_size(&s3, 0), LX_S3_LEAST_PART);
    assert_int_equal(lx_s3_part_size(&s3, LX_S3_PARTS_OF_A_SIZE - 1), LX_S3_LEAST_PART);
    assert_int_equal(lx_s3_part_size(&s3, LX_S3_PARTS_OF_A_SIZE), 2 * LX_S3_LEAST_PART);
    assert_true(total > 180ull * LX_GIB); /* at the least size; a file is a few GiB */
    s3.part_size = LX_S3_LARGEST_PART;
    assert_int_equal(lx_s3_part_size(&s3, LX_S3_MAX_PARTS - 1), LX_S3_LARGEST_PART);
}

/* The last test: it slows the process down. */
static void test_slow_down(void **state)
{
    struct lx_store_counts counts;
    const struct lx_put how = {.if_absent = true};
    struct lx_object object;
    (void)state;
    open_store(PART, 0);
    for (int i = 0; i < 50; i++)
        assert_int_equal(lx_store_put(bed.store, "small", "x", 1, &how, &object, NULL), LX_OK);
    assert_string_equal(bed.said, "");
    bed.slow = 3;
    assert_int_equal(lx_store_put(bed.store, "small", "x", 1, &how, &object, NULL), LX_OK);
    lx_store_counts(bed.store, &counts);
    assert_int_equal(counts.retries, 3);
    char *word = strstr(bed.said, "the store asks for fewer requests (SlowDown, HTTP 503)");
    assert_non_null(word);
    if (strstr(word + 1, "the store asks") != NULL)
        fail_msg("said twice: %s", bed.said);
    close_store();
    /* Another store of this process is held back too. */
    assert_true(lx_s3_pace_process()->rate > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_several_at_once),
        cmocka_unit_test(test_within_memory),
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_store_without_sums),
        cmocka_unit_test(test_refused_at_once),
        cmocka_unit_test(test_refuses_both),
        cmocka_unit_test(test_one_part_fails),
        cmocka_unit_test(test_part_sizes),
        cmocka_unit_test(test_slow_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
