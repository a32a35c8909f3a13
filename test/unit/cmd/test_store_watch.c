/* Failed uploads are told once each; all else passes through. */
#include "cmd/store_watch.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "mem_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct lx_mem_bucket *bucket;
static struct lx_store *store;
static int told;
static enum lx_status last;
static enum lx_status refuse_with; /* LX_OK: not */

static void failed(void *context, enum lx_status status)
{
    assert_ptr_equal(context, &told);
    told++;
    last = status;
}

static struct lx_mem_verdict hook(void *context, const struct lx_mem_call *call)
{
    (void)context;
    if (refuse_with != LX_OK && call->op == LX_MEM_PUT)
        return (struct lx_mem_verdict){LX_MEM_REFUSED, refuse_with};
    return (struct lx_mem_verdict){LX_MEM_DONE, LX_OK};
}

static int set_up(void **state)
{
    (void)state;
    told = 0;
    refuse_with = LX_OK;
    bucket = lx_mem_bucket_create();
    assert_non_null(bucket);
    lx_mem_bucket_hook(bucket, hook, NULL);
    assert_int_equal(lx_mem_store_open(bucket, 0, &store, NULL), LX_OK);
    assert_int_equal(lx_store_watch(&store, failed, &told, NULL), LX_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lx_store_close(store);
    lx_mem_bucket_destroy(bucket);
    return 0;
}

static enum lx_status put(const char *key)
{
    const struct lx_put how = {.if_absent = true};
    struct lx_object object;
    return lx_store_put(store, key, "abc", 3, &how, &object, NULL);
}

static enum lx_status upload(const char *key)
{
    const struct lx_put how = {.if_absent = true};
    struct lx_object object;
    struct lx_upload *begun;
    assert_int_equal(lx_store_upload_begin(store, key, &how, &begun, NULL), LX_OK);
    assert_int_equal(lx_store_upload_write(begun, "defg", 4, NULL), LX_OK);
    enum lx_status status = lx_store_upload_finish(begun, &object, NULL);
    if (status == LX_E_EXISTS)
        lx_store_upload_abort(begun);
    return status;
}

static void test_passes_through(void **state)
{
    (void)state;
    char bytes[4];
    struct lx_object object;
    struct lx_buf whole = LX_BUF(LX_KIB);
    struct lx_store_counts counts;
    assert_int_equal(put("a"), LX_OK);
    assert_int_equal(upload("b"), LX_OK);
    assert_int_equal(lx_store_read(store, "b", 1, bytes, 3, NULL), LX_OK);
    assert_memory_equal(bytes, "efg", 3);
    assert_int_equal(lx_store_get(store, "a", &whole, &object, NULL), LX_OK);
    assert_int_equal(whole.len, 3);
    lx_buf_free(&whole);
    assert_int_equal(lx_store_delete(store, "a", NULL), LX_OK);
    assert_int_equal(lx_store_head(store, "a", &object, NULL), LX_E_NOTFOUND);
    lx_store_counts(store, &counts);
    assert_int_equal(counts.puts, 2);
    assert_int_equal(told, 0);
}

static void test_failures_are_told(void **state)
{
    (void)state;
    refuse_with = LX_E_ACCESS;
    assert_int_equal(put("a"), LX_E_ACCESS);
    assert_int_equal(told, 1);
    assert_int_equal(last, LX_E_ACCESS);
    refuse_with = LX_E_NOSPACE;
    assert_int_equal(upload("b"), LX_E_NOSPACE);
    assert_int_equal(told, 2);
    assert_int_equal(last, LX_E_NOSPACE);
}

static void test_these_are_none(void **state)
{
    (void)state;
    assert_int_equal(put("a"), LX_OK);
    assert_int_equal(put("a"), LX_E_EXISTS);
    assert_int_equal(upload("a"), LX_E_EXISTS);
    refuse_with = LX_E_CANCELLED;
    assert_int_equal(put("b"), LX_E_CANCELLED);
    struct lx_object object;
    assert_int_equal(lx_store_head(store, "c", &object, NULL), LX_E_NOTFOUND);
    assert_int_equal(told, 0);
}

/* Whatever allocation fails, nothing leaks and no half store is left. */
static void test_no_memory(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 2; n++) {
        struct lx_store *other;
        assert_int_equal(lx_mem_store_open(bucket, 1, &other, NULL), LX_OK);
        lx_alloc_fail_at(n);
        assert_int_equal(lx_store_watch(&other, failed, &told, NULL), LX_E_MEMORY);
        lx_alloc_fail_at(0);
        assert_null(other);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_passes_through, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failures_are_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_these_are_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_memory, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
