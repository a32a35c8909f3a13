/* Each allocation fails once: the call says so, nothing is left, and the next one works. */
#include "s3_bed.h"

static char text[3500];

static enum lx_status visit(void *context, const char *key, const struct lx_object *object,
                            struct lx_err *err)
{
    (void)object;
    (void)err;
    assert_string_equal(key, "a");
    ++*(int *)context;
    return LX_OK;
}

static enum lx_status upload(size_t size, struct lx_err *err)
{
    const struct lx_put how = {.data = true, .content_type = "text/plain"};
    struct lx_upload *upload = NULL;
    struct lx_object object = {0};
    LX_TRY(lx_store_upload_begin(bed.store, "a", &how, &upload, err));
    enum lx_status status = lx_store_upload_write(upload, text, size, err);
    if (status != LX_OK) {
        lx_store_upload_abort(upload);
        return status;
    }
    LX_TRY(lx_store_upload_finish(upload, &object, err));
    assert_int_equal(object.size, size);
    return LX_OK;
}

static enum lx_status put_and_read(struct lx_err *err)
{
    const struct lx_put how = {.if_absent = true};
    struct lx_buf bytes = LX_BUF(100);
    struct lx_object object;
    char part[2];
    LX_TRY(lx_store_put(bed.store, "a", "text", 4, &how, &object, err));
    LX_TRY(lx_store_read(bed.store, "a", 1, part, 2, err));
    assert_memory_equal(part, "ex", 2);
    enum lx_status status = lx_store_get(bed.store, "a", &bytes, &object, err);
    if (status == LX_OK)
        assert_true(lx_str_is(lx_buf_view(&bytes), "text"));
    lx_buf_free(&bytes);
    LX_TRY(status);
    LX_TRY(lx_store_head(bed.store, "a", &object, err));
    assert_int_equal(object.size, 4);
    return lx_store_delete(bed.store, "a", err);
}

static enum lx_status list(struct lx_err *err)
{
    int seen = 0;
    rule(
        (struct rule){"GET", "list-type", 200, "",
                      "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t"
                      "</NextContinuationToken><Contents><Key>root/a</Key><Size>1</Size></Contents>"
                      "</ListBucketResult>"});
    rule((struct rule){"GET", "list-type", 200, "",
                       "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"});
    enum lx_status status = lx_store_list(bed.store, "", "0", visit, &seen, err);
    pthread_mutex_lock(&bed.lock);
    bed.rule_count = bed.next_rule = 0;
    pthread_mutex_unlock(&bed.lock);
    if (status == LX_OK)
        assert_int_equal(seen, 1);
    return status;
}

static enum lx_status small(struct lx_err *err)
{
    return upload(500, err);
}

static enum lx_status large(struct lx_err *err)
{
    return upload(sizeof text, err);
}

static enum lx_status located(struct lx_err *err)
{
    struct lx_buf name = LX_BUF(100);
    (void)err;
    enum lx_status status = lx_store_location(bed.store, "a", &name);
    if (status == LX_OK)
        assert_true(lx_str_is(lx_buf_view(&name), "s3://bucket/root/a"));
    lx_buf_free(&name);
    return status;
}

/* Opens a store of its own for each try, so that its opening fails too. */
static void fail_each(enum lx_status (*scene)(struct lx_err *err))
{
    lx_store_close(bed.store);
    bed.store = NULL;
    size_t before = lx_alloc_used();
    for (uint64_t n = 1;; n++) {
        struct lx_err err = LX_ERR_INIT;
        lx_alloc_fail_at(n);
        enum lx_status status = bed_open((struct lx_s3_options){.storage_class = "STANDARD_IA",
                                                                .sse = "AES256",
                                                                .session_token = "token"},
                                         &err);
        if (status == LX_OK)
            status = scene(&err);
        bool failed = lx_alloc_count() >= n;
        lx_alloc_fail_at(0);
        if (failed && status != LX_E_MEMORY)
            fail_msg("allocation %llu: %s: %s", (unsigned long long)n, lx_status_name(status),
                     err.text);
        if (status == LX_OK || bed.store != NULL) {
            struct lx_err again = LX_ERR_INIT;
            if (scene(&again) != LX_OK)
                fail_msg("after allocation %llu: %s", (unsigned long long)n, again.text);
        }
        lx_store_close(bed.store);
        bed.store = NULL;
        assert_int_equal(lx_alloc_used(), before);
        if (!failed)
            break;
        assert_true(n < 2000);
    }
}

static void test_small_calls(void **state)
{
    (void)state;
    fail_each(put_and_read);
    fail_each(located);
}

static void test_list(void **state)
{
    (void)state;
    fail_each(list);
}

static void test_uploads(void **state)
{
    (void)state;
    fail_each(small);
    fail_each(large);
}

#define WITH_BED(test) cmocka_unit_test_setup_teardown(test, bed_start, bed_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BED(test_small_calls),
        WITH_BED(test_list),
        WITH_BED(test_uploads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
