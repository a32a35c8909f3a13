/* file_scan.c: a stored file gives its rows and their hashes again, however its bytes are read; how
 * many requests that takes, and what is said of bytes that are not there or not what they were. */
#include "scan_fixture.h"

static struct lx_err err;

/* All rows, compared with what was written; *rows: so many came. */
static size_t most_used; /* bytes, seen between two batches of the last scan */

static enum lx_status scan_file(size_t memory, struct lx_pool *pool, int64_t first, int64_t last,
                                int64_t *rows, struct lx_err *e)
{
    const struct lx_file_scan_options options = {.store = bed.store,
                                                 .key = KEY,
                                                 .size = (int64_t)bed.file_size,
                                                 .schema = bed.schema,
                                                 .pool = pool,
                                                 .memory_bytes = memory,
                                                 .first = first,
                                                 .last = last};
    struct lx_file_scan *scan = NULL;
    struct lx_file_rows found = {0};
    *rows = 0;
    most_used = 0;
    LX_TRY(lx_file_scan_open(&options, &scan, e));
    enum lx_status status = LX_OK;
    for (;;) {
        status = lx_file_scan_next(scan, &found, e);
        if (status != LX_OK || found.rows == 0)
            break;
        assert_int_equal(found.first, first + *rows);
        assert_in_range(found.first + found.rows, 1, ROWS);
        assert_memory_equal(found.hashes, bed.hashes + found.first,
                            (size_t)found.rows * sizeof *bed.hashes);
        *rows += found.rows;
        most_used = lx_alloc_used() > most_used ? lx_alloc_used() : most_used;
    }
    lx_file_scan_close(scan);
    return status;
}

static int gets_of(size_t memory, struct lx_pool *pool, int64_t first, int64_t last)
{
    int64_t rows;
    bed.gets = bed.fail_at = 0;
    lx_mem_bucket_hook(bed.bucket, scan_count_gets, NULL);
    assert_int_equal(scan_file(memory, pool, first, last, &rows, &err), LX_OK);
    assert_int_equal(rows, (last == 0 ? ROWS : last) - first);
    return bed.gets;
}

/* One request a row group, and three: the footer, the first bytes, the indexes. With less memory it
 * is one or more a column. */
static void test_requests(void **state)
{
    (void)state;
    assert_int_equal(gets_of(0, NULL, 0, 0), GROUPS + 3);
    assert_int_equal(gets_of(128 * LX_MIB, NULL, 0, 0), GROUPS + 3);
    assert_in_range(gets_of(16 * LX_MIB, NULL, 0, 0), GROUPS * COLUMNS + 3, 1000);
    /* A row is not worth a row group: the page index of a column, and its page. */
    assert_in_range(gets_of(128 * LX_MIB, NULL, 100, 101), COLUMNS, (COLUMNS + 1) * 3 + 1);
}

static void test_side_by_side(void **state)
{
    (void)state;
    struct lx_pool *pool;
    assert_int_equal(lx_pool_create(3, &pool, &err), LX_OK);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(gets_of(128 * LX_MIB, pool, 0, 0), GROUPS + 3);
        assert_in_range(gets_of(16 * LX_MIB, pool, 0, 0), GROUPS * COLUMNS + 3, 1000);
    }
    lx_pool_destroy(pool);
}

/* Once its columns have taken their bytes, a row group is not kept: between two batches there is no
 * more in memory than where each column reads for itself. */
static void test_is_not_kept(void **state)
{
    (void)state;
    gets_of(16 * LX_MIB, NULL, 0, 0);
    size_t alone = most_used;
    gets_of(128 * LX_MIB, NULL, 0, 0);
    assert_in_range(most_used, 1, alone + LX_MIB);
}

/* Each request fails once: the scan ends with what the store said, whoever waits for it. */
static void test_failures(void **state)
{
    (void)state;
    struct lx_pool *pool;
    int64_t rows;
    lx_mem_bucket_hook(bed.bucket, scan_count_gets, NULL);
    assert_int_equal(lx_pool_create(3, &pool, &err), LX_OK);
    for (int n = 1; n <= GROUPS + 3; n++) {
        struct lx_err e = LX_ERR_INIT;
        bed.gets = 0;
        bed.fail_at = n;
        assert_int_equal(scan_file(128 * LX_MIB, pool, 0, 0, &rows, &e), LX_E_ACCESS);
        assert_says(e.text, KEY);
        assert_int_equal(bed.gets, n);
        assert_true(rows < ROWS || n == GROUPS + 3);
    }
    lx_pool_destroy(pool);
}

static enum lx_status scan_all(struct lx_err *e)
{
    int64_t rows;
    return scan_file(128 * LX_MIB, NULL, 0, 0, &rows, e);
}

static void test_memory(void **state)
{
    (void)state;
    lx_mem_bucket_hook(bed.bucket, NULL, NULL);
    assert_in_range(fail_each(scan_all), 50, 2000);
}

/* A turned byte in each row group: the column and its page are named. */
static void test_damage(void **state)
{
    (void)state;
    size_t size;
    lx_mem_bucket_hook(bed.bucket, NULL, NULL);
    uint8_t *bytes = lx_mem_bucket_get(bed.bucket, KEY, &size);
    for (size_t i = 0; i < GROUPS; i++) {
        struct lx_err e = LX_ERR_INIT;
        int64_t rows;
        size_t at = size / GROUPS * i + size / (GROUPS * 2);
        bytes[at] ^= 16;
        assert_int_equal(scan_file(128 * LX_MIB, NULL, 0, 0, &rows, &e), LX_E_CORRUPT);
        assert_says(e.text, "column \"c");
        assert_says(e.text, "checksum differs");
        assert_true(rows <= (int64_t)(i + 1) * GROUP_ROWS);
        bytes[at] ^= 16;
    }
    int64_t rows;
    assert_int_equal(scan_file(128 * LX_MIB, NULL, 0, 0, &rows, &err), LX_OK);
    assert_int_equal(rows, ROWS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),    cmocka_unit_test(test_side_by_side),
        cmocka_unit_test(test_is_not_kept), cmocka_unit_test(test_failures),
        cmocka_unit_test(test_memory),      cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, scan_setup, scan_teardown);
}
