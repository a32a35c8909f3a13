#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/civil.h"
#include "base/clock.h"
#include "base/column.h"
#include "base/cursor.h"
#include "base/err.h"
#include "base/pool.h"
#include "base/task.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

static void test_status_table(void **state)
{
    (void)state;
    assert_string_equal(lx_status_name(LX_E_MISMATCH), "LX_E_MISMATCH");
    assert_int_equal(lx_status_class(LX_E_MISMATCH), LX_CLASS_corrupt);
    assert_int_equal(lx_status_class(LX_E_NETWORK), LX_CLASS_retry);
    assert_string_equal(lx_status_name((enum lx_status)9999), "LX_?");
    assert_int_equal(lx_status_class((enum lx_status)9999), LX_CLASS_bug);
}

static void test_err(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    assert_int_equal(lx_err_set(&err, LX_E_IO, "a%s", "\x1b[31m\n"), LX_E_IO);
    assert_string_equal(err.text, "a?[31m ");
    lx_err_context(&err, "reading %d", 7);
    assert_string_equal(err.text, "reading 7: a?[31m ");
    lx_err_hint(&err, "first");
    lx_err_hint(&err, "second");
    assert_string_equal(err.hint, "first");
    assert_int_equal(lx_err_errno(&err, ENOSPC, "write"), LX_E_NOSPACE);
    assert_string_equal(err.text, "write: No space left on device");
    assert_int_equal(lx_err_set(&err, LX_E_IO, "again: %s", err.text), LX_E_IO);
    assert_string_equal(err.text, "again: write: No space left on device");
    assert_int_equal(lx_err_set(NULL, LX_E_IO, "nobody listens"), LX_E_IO);
}

static void test_buf(void **state)
{
    (void)state;
    struct lx_buf buf = LX_BUF(10);
    assert_int_equal(lx_buf_text(&buf, "12345"), LX_OK);
    assert_int_equal(lx_buf_text(&buf, "678901"), LX_E_LIMIT);
    assert_string_equal(lx_buf_cstr(&buf), "12345");
    assert_int_equal(lx_buf_printf(&buf, "%s", "67890"), LX_OK);
    assert_string_equal(lx_buf_cstr(&buf), "1234567890");
    assert_int_equal(lx_buf_byte(&buf, 'x'), LX_E_LIMIT);
    assert_int_equal(lx_buf_reserve(&buf, SIZE_MAX), LX_E_LIMIT);
    size_t len;
    uint8_t *data = lx_buf_take(&buf, &len);
    assert_int_equal(len, 10);
    lx_free(data);
    assert_string_equal(lx_buf_cstr(&buf), "");
}

static void test_numbers(void **state)
{
    (void)state;
    uint64_t u;
    int64_t i;
    assert_true(lx_str_to_u64(LX_STR("18446744073709551615"), &u));
    assert_true(u == UINT64_MAX);
    assert_false(lx_str_to_u64(LX_STR("18446744073709551616"), &u));
    assert_false(lx_str_to_u64(LX_STR("12a"), &u));
    assert_false(lx_str_to_u64(LX_STR(""), &u));
    assert_true(lx_str_to_i64(LX_STR("-9223372036854775808"), &i));
    assert_true(i == INT64_MIN);
    assert_false(lx_str_to_i64(LX_STR("-9223372036854775809"), &i));
    assert_false(lx_str_to_i64(LX_STR("9223372036854775808"), &i));
    assert_true(lx_str_to_hex64(LX_STR("ffFF"), &u));
    assert_int_equal(u, 65535);
    assert_false(lx_str_to_hex64(LX_STR("00000000000000000"), &u));
}

static void test_cursor(void **state)
{
    (void)state;
    const uint8_t bytes[] = {0x80, 0x01, 0xff, 0xff, 0xff, 0xff,
                             0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
    struct lx_cursor cursor = lx_cursor_of(bytes, sizeof bytes);
    uint64_t value;
    assert_true(lx_cursor_varint(&cursor, &value));
    assert_int_equal(value, 128);
    assert_false(lx_cursor_varint(&cursor, &value)); /* above 64 bits */
    assert_int_equal(lx_cursor_left(&cursor), 10);
    cursor = lx_cursor_of(bytes, 1);
    assert_false(lx_cursor_varint(&cursor, &value)); /* cut */
}

static void test_civil(void **state)
{
    (void)state;
    char text[LX_TIME_TEXT];
    int64_t ms;
    assert_int_equal(lx_civil_days(1970, 1, 1), 0);
    assert_int_equal(lx_civil_days(2299, 12, 31), 120529);
    lx_time_iso(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999Z");
    for (int64_t day = -800000; day < 800000; day += 37) {
        struct lx_civil c = lx_civil_of_ms(day * 86400000 + 12345);
        assert_int_equal(lx_civil_days(c.year, c.month, c.day), day);
        assert_int_equal(lx_civil_to_ms(&c), day * 86400000 + 12345);
    }
    assert_true(lx_time_parse(LX_STR("1900-02-28 23:59:59.5"), &ms));
    lx_time_iso(ms, text);
    assert_string_equal(text, "1900-02-28T23:59:59.500Z");
    assert_false(lx_time_parse(LX_STR("1900-02-29"), &ms));
    assert_true(lx_time_parse(LX_STR("2000-02-29T00:00:00Z"), &ms));
    assert_false(lx_time_parse(LX_STR("2000-02-29T00:00:00Zx"), &ms));
    assert_false(lx_time_parse(LX_STR("2000-13-01"), &ms));
}

static void test_utf8(void **state)
{
    (void)state;
    assert_true(lx_utf8_is_valid("grüße \xf0\x9f\x97\x84", 12));
    assert_false(lx_utf8_is_valid("\xc0\x80", 2));
    assert_false(lx_utf8_is_valid("\xed\xa0\x80", 3)); /* a surrogate */
    assert_false(lx_utf8_is_valid("\xf4\x90\x80\x80", 4));
    assert_false(lx_utf8_is_valid("12345678\xe2\x82", 10));
    struct lx_buf out = LX_BUF(100);
    assert_int_equal(lx_utf8_repair(&out, "a\xff\xe2\x82z", 5), LX_OK);
    assert_int_equal(lx_buf_byte(&out, 0), LX_OK);
    assert_string_equal(lx_buf_cstr(&out), "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz");
    lx_buf_free(&out);
}

static void test_columns(void **state)
{
    (void)state;
    struct lx_column text, copy, dict;
    lx_column_init(&text, LX_COLUMN_BYTES, 0);
    lx_column_init(&copy, LX_COLUMN_BYTES, 0);
    lx_column_init(&dict, LX_COLUMN_DICT, 0);
    assert_int_equal(lx_column_append(&text, "ab", 2), LX_OK);
    assert_int_equal(lx_column_append(&text, "", 0), LX_OK);
    assert_int_equal(lx_column_append_null(&text), LX_OK);
    assert_int_equal(lx_column_append(&text, "cde", 3), LX_OK);
    assert_true(lx_column_is_null(&text, 2));
    assert_false(lx_column_is_null(&text, 1));
    assert_int_equal(lx_column_append_range(&copy, &text, 1, 3), LX_OK);
    assert_int_equal(lx_column_append_range(&copy, &text, 0, 1), LX_OK);
    assert_int_equal(copy.rows, 4);
    assert_true(lx_column_is_null(&copy, 1));
    assert_true(lx_str_is(lx_column_value(&copy, 2), "cde"));
    assert_true(lx_str_is(lx_column_value(&copy, 3), "ab"));
    assert_int_equal(lx_column_append_range(&copy, &text, 3, 2), LX_E_BUG);

    dict.dict = lx_calloc(1, sizeof *dict.dict);
    lx_column_init(dict.dict, LX_COLUMN_BYTES, 0);
    assert_int_equal(lx_column_append(dict.dict, "", 0), LX_OK);
    assert_int_equal(lx_column_append(dict.dict, "span", 4), LX_OK);
    assert_int_equal(lx_column_reserve(&dict, 2), LX_OK);
    dict.indexes[0] = 1;
    dict.indexes[1] = 0;
    dict.rows = 2;
    assert_int_equal(lx_column_append_range(&copy, &dict, 0, 2), LX_OK);
    assert_true(lx_str_is(lx_column_value(&copy, 4), "span"));
    const uint32_t which[] = {1, 0, 0};
    assert_int_equal(lx_column_append_rows(&copy, &dict, which, 3), LX_OK);
    assert_true(lx_str_is(lx_column_value(&copy, 7), "span"));
    assert_int_equal(copy.rows, 9);
    lx_column_free(&text);
    lx_column_free(&copy);
    lx_column_free(&dict);
}

static enum lx_status add(void *context, size_t index, struct lx_err *err)
{
    atomic_size_t *sums = context;
    atomic_fetch_add(&sums[index % 2], index);
    if (index == 500 && sums[1] == SIZE_MAX)
        return LX_E_BUG;
    return index == 700 ? lx_err_set(err, LX_E_IO, "step %zu", index) : LX_OK;
}

static void test_pool(void **state)
{
    (void)state;
    for (size_t workers = 0; workers < 4; workers++) {
        struct lx_pool *pool;
        struct lx_err err = LX_ERR_INIT;
        atomic_size_t sums[2] = {0, 0};
        assert_int_equal(lx_pool_create(workers, &pool, &err), LX_OK);
        assert_int_equal(lx_pool_threads(pool), workers + 1);
        assert_int_equal(lx_pool_for(pool, 600, add, sums, &err), LX_OK);
        assert_int_equal(sums[0] + sums[1], 599 * 600 / 2);
        assert_int_equal(lx_pool_for(pool, 2000, add, sums, &err), LX_E_IO);
        assert_string_equal(err.text, "step 700");
        /* Loops that go on while others do, and end in another order. */
        atomic_size_t others[3][2] = {{0, 0}, {0, 0}, {0, 0}};
        struct lx_pool_loop loops[3];
        for (size_t i = 0; i < 3; i++) {
            loops[i] = (struct lx_pool_loop){
                .step = add, .context = others[i], .count = i == 1 ? 2000 : 300 * i};
            lx_pool_start(pool, &loops[i]);
        }
        assert_int_equal(lx_pool_for(pool, 600, add, sums, &err), LX_OK);
        assert_int_equal(lx_pool_finish(pool, &loops[2], &err), LX_OK);
        assert_int_equal(others[2][0] + others[2][1], 599 * 600 / 2);
        assert_int_equal(lx_pool_finish(pool, &loops[0], &err), LX_OK);
        assert_int_equal(lx_pool_finish(pool, &loops[1], &err), LX_E_IO);
        assert_string_equal(err.text, "step 700");
        lx_pool_destroy(pool);
    }
}

struct number {
    struct lx_task task;
    int given, made;
};

static void double_it(void *context)
{
    struct number *number = context;
    number->made = number->given * 2;
}

static void test_tasks(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    static struct number numbers[COUNT];
    const size_t threads[] = {0, 1, 3, LX_TASKS_LAZY};
    for (size_t t = 0; t < 4; t++) {
        struct lx_tasks *tasks = NULL;
        struct lx_err err = LX_ERR_INIT;
        assert_int_equal(lx_tasks_create(threads[t], &tasks, &err), LX_OK);
        for (int i = 0; i < COUNT; i++) {
            numbers[i] = (struct number){.task = {double_it, &numbers[i]}, .given = i, .made = -1};
            lx_task_start(tasks, &numbers[i].task);
            if (threads[t] == 0) /* at once, by the caller */
                assert_int_equal(numbers[i].made, i * 2);
            if (threads[t] == LX_TASKS_LAZY)
                assert_int_equal(numbers[i].made, -1);
        }
        if (threads[t] == LX_TASKS_LAZY) { /* what is waited for, and what came before it */
            lx_task_wait(tasks, &numbers[9].task);
            assert_int_equal(numbers[0].made, 0);
            assert_false(lx_task_done(tasks, &numbers[10].task));
            assert_int_equal(numbers[10].made, -1);
        }
        for (int i = 0; i < COUNT; i++) {
            lx_task_wait(tasks, &numbers[i].task);
            assert_true(lx_task_done(tasks, &numbers[i].task));
            assert_int_equal(numbers[i].made, i * 2);
        }
        lx_tasks_destroy(tasks);
    }
    lx_tasks_destroy(NULL);
}

static void test_uuid(void **state)
{
    (void)state;
    char text[37];
    struct lx_random random = lx_random_system();
    lx_random_uuid(&random, text);
    assert_int_equal(strlen(text), 36);
    assert_int_equal(text[14], '4');
}

static void test_alloc_counts(void **state)
{
    (void)state;
    size_t before = lx_alloc_used();
    void *memory = lx_malloc(1000);
    assert_true(lx_alloc_used() >= before + 1000);
    memory = lx_realloc(memory, 5000);
    assert_true(lx_alloc_used() >= before + 5000);
    lx_alloc_fail_at(1);
    assert_null(lx_realloc(memory, 9000));
    lx_alloc_fail_at(0);
    lx_free(memory);
    assert_int_equal(lx_alloc_used(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_table), cmocka_unit_test(test_err),
        cmocka_unit_test(test_buf),          cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_cursor),       cmocka_unit_test(test_civil),
        cmocka_unit_test(test_utf8),         cmocka_unit_test(test_columns),
        cmocka_unit_test(test_pool),         cmocka_unit_test(test_uuid),
        cmocka_unit_test(test_alloc_counts), cmocka_unit_test(test_tasks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
