/* file_scan.c: a stored file gives its rows and their hashes again, however its bytes are read, and
 * in however many shares they are read and proven (prove.c); how many requests that takes, and what
 * is said of bytes that are not there or not what they were. */
#include "faults.h"

#include "../../lib/mem_store.h"
#include "archive/run.h"

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
static size_t most_used;  /* bytes, seen between two batches of the last scan */
static int64_t first_row; /* of the last scan */

static size_t share, shares; /* of the next scans */

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
                                                 .last = last,
                                                 .share = share,
                                                 .shares = shares};
    struct lx_file_scan *scan = NULL;
    struct lx_file_rows found = {0};
    *rows = 0;
    most_used = 0;
    LX_TRY(lx_file_scan_open(&options, &scan, e));
    enum lx_status status = LX_OK;
    if (last == 0)
        first = lx_file_scan_first(scan);
    first_row = first;
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

/* -- shares -------------------------------------------------------------------------------- */

/* Shares follow upon each other and are the file, read once: each has a footer to read, the first
 * the first bytes, the last the indexes. */
static void test_shares(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 2, 3, GROUPS, GROUPS + 1, 9};
    lx_mem_bucket_hook(bucket, count_gets, NULL);
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        int64_t rows, at = 0;
        shares = counts[c];
        requests.gets = requests.fail_at = 0;
        for (share = 0; share < shares; share++) {
            assert_int_equal(scan_file(128 * LX_MIB, NULL, 0, 0, &rows, &err), LX_OK);
            assert_int_equal(first_row, at);
            at += rows;
            assert_true(shares > GROUPS || rows > 0);
        }
        assert_int_equal(at, ROWS);
        assert_int_equal(requests.gets, GROUPS + 2 + (int)shares);
    }
    share = shares = 0;
}

static struct lx_differs differs;

/* The proof of the file, of which `claimed` rows were written, in so many shares. */
static enum lx_status prove(size_t count, int64_t claimed, struct lx_pool *pool, struct lx_err *e)
{
    const struct lx_archive_options options = {
        .store = store, .pool = pool, .memory_bytes = (int64_t)(256 * LX_MIB)};
    const struct lx_run run = {.o = &options};
    const struct lx_prove_request request = {.key = KEY,
                                             .size = (int64_t)file_size,
                                             .schema = schema,
                                             .hashes = hashes,
                                             .rows = claimed,
                                             .shares = count};
    struct lx_proof *proof = NULL;
    differs = (struct lx_differs){0};
    enum lx_status status = lx_prove_file(&run, &request, &proof, &differs, e);
    assert_int_equal(status == LX_OK, proof != NULL);
    if (proof == NULL)
        return status;
    int64_t rows;
    uint64_t sum, xor, want_sum = 0, want_xor = 0;
    lx_proof_sums(proof, &rows, &sum, &xor);
    lx_proof_free(proof);
    for (int64_t i = 0; i < ROWS; i++) {
        want_sum += hashes[i];
        want_xor ^= hashes[i];
    }
    assert_int_equal(rows, ROWS);
    assert_true(sum == want_sum && xor == want_xor);
    return LX_OK;
}

/* In any number of shares, with workers and without: the same proof, and the same row is named
 * where one differs. */
static void prove_on(struct lx_pool *pool)
{
    static const int64_t wrong[] = {0, GROUP_ROWS - 1, 2 * GROUP_ROWS, ROWS - 1};
    for (size_t count = 0; count <= LX_PROOF_MAX_SHARES + 1; count++) {
        struct lx_err e = LX_ERR_INIT;
        assert_int_equal(prove(count, ROWS, pool, &e), LX_OK);
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
            char says[64];
            hashes[wrong[i]] ^= 1;
            assert_int_equal(prove(count, ROWS, pool, &e), LX_E_MISMATCH);
            hashes[wrong[i]] ^= 1;
            snprintf(says, sizeof says, "row %lld: the stored row", (long long)wrong[i]);
            assert_says(e.text, says);
            assert_true(differs.found);
            assert_int_equal(differs.row, wrong[i]);
        }
        assert_int_equal(prove(count, ROWS - 1, pool, &e), LX_E_MISMATCH);
        assert_says(e.text, "has rows that were not written");
        /* A whole share is too much. */
        assert_int_equal(prove(count, GROUP_ROWS, pool, &e), LX_E_MISMATCH);
        assert_says(e.text, "has rows that were not written");
        assert_int_equal(prove(count, ROWS + 1, pool, &e), LX_E_MISMATCH);
        assert_says(e.text, "holds 92000 rows, 92001 were written");
        assert_false(differs.found);
    }
}

static void test_proof_in_shares(void **state)
{
    (void)state;
    struct lx_pool *pool;
    hashes = lx_realloc(hashes, (ROWS + 1) * sizeof *hashes);
    assert_non_null(hashes);
    hashes[ROWS] = 0;
    lx_mem_bucket_hook(bucket, NULL, NULL);
    prove_on(NULL);
    assert_int_equal(lx_pool_create(3, &pool, &err), LX_OK);
    prove_on(pool);
    lx_pool_destroy(pool);
}

/* Rows differ in two shares: what is said and what `differs` says are of the same one. */
static void test_two_differ(void **state)
{
    (void)state;
    struct lx_pool *pool;
    lx_mem_bucket_hook(bucket, NULL, NULL);
    assert_int_equal(lx_pool_create(3, &pool, &err), LX_OK);
    hashes[20000] ^= 1;
    hashes[3 * GROUP_ROWS] ^= 1;
    for (int i = 0; i < 20; i++) {
        struct lx_err e = LX_ERR_INIT;
        char says[64];
        assert_int_equal(prove(4, ROWS, pool, &e), LX_E_MISMATCH);
        assert_true(differs.found);
        assert_true(differs.row == 20000 || differs.row == (int64_t)3 * GROUP_ROWS);
        snprintf(says, sizeof says, "row %lld: the stored row", (long long)differs.row);
        assert_says(e.text, says);
    }
    assert_int_equal(prove(4, ROWS, NULL, &err), LX_E_MISMATCH);
    assert_int_equal(differs.row, 20000);
    hashes[20000] ^= 1;
    hashes[3 * GROUP_ROWS] ^= 1;
    lx_pool_destroy(pool);
}

/* Each request fails once, in whichever share it is; a proof is made of none of it. */
static void test_failures_of_shares(void **state)
{
    (void)state;
    struct lx_pool *pool;
    assert_int_equal(lx_pool_create(3, &pool, &err), LX_OK);
    lx_mem_bucket_hook(bucket, count_gets, NULL);
    for (size_t count = 2; count <= LX_PROOF_MAX_SHARES; count++)
        for (int n = 1; n <= GROUPS + 2 + (int)count; n++) {
            struct lx_err e = LX_ERR_INIT;
            requests.gets = 0;
            requests.fail_at = n;
            assert_int_equal(prove(count, ROWS, pool, &e), LX_E_ACCESS);
            assert_says(e.text, KEY);
            assert_false(differs.found);
        }
    lx_mem_bucket_hook(bucket, NULL, NULL);
    lx_pool_destroy(pool);
}

/* A turned byte of each row group, of the first bytes, the indexes and the footer is seen. */
static void test_damage_of_shares(void **state)
{
    (void)state;
    size_t size;
    uint8_t *bytes = lx_mem_bucket_get(bucket, KEY, &size);
    lx_mem_bucket_hook(bucket, NULL, NULL);
    uint32_t footer;
    memcpy(&footer, bytes + size - 8, sizeof footer);
    for (size_t count = 1; count <= LX_PROOF_MAX_SHARES; count++) {
        /* The indexes end where the footer begins. */
        const size_t places[] = {0,
                                 size / 8,
                                 size / 8 * 3,
                                 size / 8 * 5,
                                 size / 8 * 7,
                                 size - 8 - footer - 1,
                                 size - 8 - footer / 2,
                                 size - 1};
        for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
            struct lx_err e = LX_ERR_INIT;
            bytes[places[i]] ^= 16;
            enum lx_status status = prove(count, ROWS, NULL, &e);
            bytes[places[i]] ^= 16;
            if (lx_status_class(status) != LX_CLASS_corrupt)
                print_error("byte %zu of %zu in %zu shares: %s\n", places[i], size, count,
                            lx_status_name(status));
            assert_int_equal(lx_status_class(status), LX_CLASS_corrupt);
        }
        assert_int_equal(prove(count, ROWS, NULL, &err), LX_OK);
    }
}

static enum lx_status prove_in_three(struct lx_err *e)
{
    return prove(3, ROWS, NULL, e);
}

static void test_memory_of_shares(void **state)
{
    (void)state;
    assert_in_range(fail_each(prove_in_three), 100, 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),         cmocka_unit_test(test_side_by_side),
        cmocka_unit_test(test_is_not_kept),      cmocka_unit_test(test_failures),
        cmocka_unit_test(test_memory),           cmocka_unit_test(test_damage),
        cmocka_unit_test(test_shares),           cmocka_unit_test(test_proof_in_shares),
        cmocka_unit_test(test_two_differ),       cmocka_unit_test(test_failures_of_shares),
        cmocka_unit_test(test_damage_of_shares), cmocka_unit_test(test_memory_of_shares),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
