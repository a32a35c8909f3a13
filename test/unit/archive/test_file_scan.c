/* file_scan.c: a stored file gives its rows and their hashes again, however its bytes are read; how
 * many requests that takes, and what is said of bytes that are not there or not what they were. */
#include "faults.h"

#include "../../lib/mem_store.h"
#include "archive/file_scan.h"
#include "parquet/writer.h"

#include <stdatomic.h>
#include <time.h>

#define COLUMNS 12
#define ROWS 92000
#define GROUP_ROWS 24000 /* four row groups of some 2.2 MiB, which no codec makes smaller */
#define GROUPS 4
#define KEY "events/one.parquet"

static struct lx_err err;
static struct lx_row_schema *schema;
static struct lx_mem_bucket *bucket;
static struct lx_store *store;
static uint64_t *hashes; /* of the rows that were written */
static size_t file_size;

static enum lx_status to_buffer(void *self, const void *bytes, size_t size, struct lx_err *e)
{
    return lx_buf_append(self, bytes, size) == LX_OK ? LX_OK : lx_err_memory(e);
}

static uint64_t next_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void write_file(void)
{
    struct lx_parquet_field fields[COLUMNS + 1];
    struct lx_parquet_writer *writer;
    struct lx_buf bytes = LX_BUF(64 * LX_MIB);
    struct lx_to_file *to;
    struct lx_column sent[COLUMNS];
    const struct lx_column *views[COLUMNS], *const *columns;
    uint64_t state = 1;
    for (size_t i = 0; i < COLUMNS; i++) {
        lx_column_init(&sent[i], LX_COLUMN_FIXED, 8);
        views[i] = &sent[i];
        for (int64_t row = 0; row < ROWS; row++) {
            uint64_t value = next_random(&state);
            assert_int_equal(lx_column_append(&sent[i], &value, sizeof value), LX_OK);
        }
    }
    hashes = lx_malloc(ROWS * sizeof *hashes);
    assert_non_null(hashes);
    assert_int_equal(lx_row_schema_hash_rows(schema, views, ROWS, hashes, &err), LX_OK);
    const struct lx_parquet_writer_options options = {.row_group_rows = GROUP_ROWS};
    const struct lx_parquet_sink sink = {to_buffer, &bytes};
    const struct lx_parquet_file_info *info;
    assert_int_equal(lx_row_schema_parquet(schema, fields, &err), LX_OK);
    assert_int_equal(
        lx_parquet_writer_create(fields, COLUMNS + 1, &options, &sink, NULL, &writer, &err), LX_OK);
    assert_int_equal(lx_to_file_create(schema, &to, &err), LX_OK);
    assert_int_equal(lx_to_file_convert(to, views, ROWS, &columns, &err), LX_OK);
    assert_int_equal(lx_parquet_writer_append(writer, columns, 0, ROWS, &err), LX_OK);
    assert_int_equal(lx_parquet_writer_finish(writer, &info, &err), LX_OK);
    assert_int_equal(info->row_group_count, GROUPS);
    assert_in_range(bytes.len, LX_FILE_SCAN_AT_ONCE + 1, 64 * LX_MIB);
    assert_true(lx_mem_bucket_put(bucket, KEY, bytes.data, bytes.len));
    file_size = bytes.len;
    lx_to_file_free(to);
    lx_parquet_writer_destroy(writer);
    for (size_t i = 0; i < COLUMNS; i++)
        lx_column_free(&sent[i]);
    lx_buf_free(&bytes);
}

static int setup(void **state)
{
    (void)state;
    struct lx_source_column columns[COLUMNS];
    static char names[COLUMNS][8];
    err = (struct lx_err)LX_ERR_INIT;
    for (size_t i = 0; i < COLUMNS; i++) {
        snprintf(names[i], sizeof names[i], "c%zu", i);
        columns[i] = (struct lx_source_column){lx_str_of(names[i]), LX_STR("UInt64"), LX_STR(""),
                                               LX_STR("")};
    }
    assert_int_equal(lx_row_schema_build(columns, COLUMNS, false, &schema, &err), LX_OK);
    bucket = lx_mem_bucket_create();
    assert_non_null(bucket);
    assert_int_equal(lx_mem_store_open(bucket, 1, &store, &err), LX_OK);
    write_file();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lx_free(hashes);
    lx_store_close(store);
    lx_mem_bucket_destroy(bucket);
    lx_row_schema_free(schema);
    return 0;
}

/* -- reading ------------------------------------------------------------------------------- */

static struct {
    atomic_int gets; /* so far */
    int fail_at;     /* 0: none */
} requests;

static struct lx_mem_verdict count_gets(void *context, const struct lx_mem_call *call)
{
    (void)context;
    if (call->op == LX_MEM_GET && atomic_fetch_add(&requests.gets, 1) + 1 == requests.fail_at) {
        const struct timespec while_others_come = {.tv_nsec = 20000000};
        nanosleep(&while_others_come, NULL);
        return (struct lx_mem_verdict){.fate = LX_MEM_REFUSED, .status = LX_E_ACCESS};
    }
    return (struct lx_mem_verdict){.fate = LX_MEM_DONE};
}

/* All rows, compared with what was written; *rows: so many came. */
static size_t most_used; /* bytes, seen between two batches of the last scan */

static enum lx_status scan_file(size_t memory, struct lx_pool *pool, int64_t first, int64_t last,
                                int64_t *rows, struct lx_err *e)
{
    const struct lx_file_scan_options options = {.store = store,
                                                 .key = KEY,
                                                 .size = (int64_t)file_size,
                                                 .schema = schema,
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
        assert_memory_equal(found.hashes, hashes + found.first,
                            (size_t)found.rows * sizeof *hashes);
        *rows += found.rows;
        most_used = lx_alloc_used() > most_used ? lx_alloc_used() : most_used;
    }
    lx_file_scan_close(scan);
    return status;
}

static int gets_of(size_t memory, struct lx_pool *pool, int64_t first, int64_t last)
{
    int64_t rows;
    requests.gets = requests.fail_at = 0;
    lx_mem_bucket_hook(bucket, count_gets, NULL);
    assert_int_equal(scan_file(memory, pool, first, last, &rows, &err), LX_OK);
    assert_int_equal(rows, (last == 0 ? ROWS : last) - first);
    return requests.gets;
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
    lx_mem_bucket_hook(bucket, count_gets, NULL);
    assert_int_equal(lx_pool_create(3, &pool, &err), LX_OK);
    for (int n = 1; n <= GROUPS + 3; n++) {
        struct lx_err e = LX_ERR_INIT;
        requests.gets = 0;
        requests.fail_at = n;
        assert_int_equal(scan_file(128 * LX_MIB, pool, 0, 0, &rows, &e), LX_E_ACCESS);
        assert_says(e.text, KEY);
        assert_int_equal(requests.gets, n);
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
    lx_mem_bucket_hook(bucket, NULL, NULL);
    assert_in_range(fail_each(scan_all), 50, 2000);
}

/* A turned byte in each row group: the column and its page are named. */
static void test_damage(void **state)
{
    (void)state;
    size_t size;
    lx_mem_bucket_hook(bucket, NULL, NULL);
    uint8_t *bytes = lx_mem_bucket_get(bucket, KEY, &size);
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
    return cmocka_run_group_tests(tests, setup, teardown);
}
