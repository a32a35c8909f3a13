/* The parts below pages by themselves: runs, differences, checksums as text, Bloom filters,
 * budgets, bounds, and the structs of page headers and indexes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/column.h"
#include "parquet/bloom.h"
#include "parquet/budget.h"
#include "parquet/delta.h"
#include "parquet/metadata.h"
#include "parquet/rle.h"
#include "parquet/stats.h"
#include "parquet/sums.h"
#include "parquet/thrift.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SIZED(text) (text), (sizeof(text) - 1)

/* -- runs ---------------------------------------------------------------------------------- */

/* Reads `count` values in pieces of `piece`: they must be `expected`; NULL: they cannot be read. */
static void check_runs(const void *bytes, size_t size, unsigned width, size_t count,
                       const uint32_t *expected)
{
    for (size_t piece = 1; piece <= count; piece++) {
        struct lx_pq_rle rle, rle_bytes;
        uint32_t values[64];
        uint8_t small[64];
        bool ok = lx_pq_rle_open(&rle, bytes, size, width);
        bool ok_bytes = lx_pq_rle_open(&rle_bytes, bytes, size, width);
        for (size_t at = 0; at < count; at += piece) {
            size_t n = count - at < piece ? count - at : piece;
            ok = ok && lx_pq_rle_read(&rle, values + at, n);
            ok_bytes = ok_bytes && lx_pq_rle_read_bytes(&rle_bytes, small + at, n);
        }
        assert_int_equal(ok, expected != NULL);
        assert_int_equal(ok_bytes, expected != NULL);
        for (size_t i = 0; ok && i < count; i++) {
            assert_int_equal(values[i], expected[i]);
            assert_int_equal(small[i], expected[i] & 0xff);
        }
    }
}

static void test_runs(void **state)
{
    (void)state;
    static const uint32_t fives[20] = {5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 0, 1, 2, 3, 4, 5, 6, 7};
    static const uint32_t zeros[20] = {0};
    static const uint32_t wide[4] = {0xfffefdfc, 0xfffefdfc, 0xfffefdfc, 0xfffefdfc};
    check_runs(SIZED("\x14\5\3\x88\xc6\xfa"), 3, 18, fives);
    check_runs(SIZED("\x14\5\3\x88\xc6\xfa"), 3, 19, NULL);
    check_runs(SIZED("\x28"), 0, 20, zeros);
    check_runs(SIZED("\7"), 0, 20, zeros);
    check_runs(SIZED("\x8\xfc\xfd\xfe\xff"), 32, 4, wide);
    check_runs(SIZED("\x14\x8"), 3, 1, NULL);                /* wider than 3 bits */
    check_runs(SIZED("\x14"), 3, 1, NULL);                   /* no value */
    check_runs(SIZED("\x80"), 3, 1, NULL);                   /* half a number */
    check_runs(SIZED("\x80\x80\x80\x80\x20\1"), 1, 1, NULL); /* 2^32 times */
    check_runs("", 0, 3, 1, NULL);
    /* Two groups, of which the padding of the second is not there: 13 values. */
    check_runs(SIZED("\5\x88\xc6\xfa\x88\xc6"), 3, 13,
               (const uint32_t[]){0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4});
    check_runs(SIZED("\5\x88\xc6\xfa\x88\xc6"), 3, 14, NULL);
    struct lx_pq_rle rle;
    assert_true(lx_pq_rle_open(&rle, "", 0, 32));
    assert_false(lx_pq_rle_open(&rle, "", 0, 33));
}

static void test_runs_written(void **state)
{
    (void)state;
    struct lx_buf out = LX_BUF(1000), small = LX_BUF(1);
    const uint32_t value = 1;
    const uint8_t byte = 1;
    assert_int_equal(lx_pq_rle_encode(&value, 0, 1, &out), LX_OK);
    assert_int_equal(lx_pq_rle_encode_bytes(NULL, 1, 0, 1, &out), LX_OK);
    assert_int_equal(out.len, 0);
    assert_int_equal(lx_pq_rle_encode_bytes(NULL, 3, 1000, 2, &out), LX_OK);
    assert_int_equal(out.len, 3);
    assert_memory_equal(out.data, "\xd0\xf\3", 3);
    assert_int_equal(lx_pq_rle_encode(&value, SIZE_MAX / 4, 1, &out), LX_E_LIMIT);
    assert_int_equal(lx_pq_rle_encode_bytes(&byte, 0, SIZE_MAX / 4, 1, &out), LX_E_LIMIT);
    assert_int_equal(lx_pq_rle_encode_bytes(NULL, 3, 1000, 2, &small), LX_E_LIMIT);
    assert_int_equal(lx_pq_rle_encode(&value, 1, 1, &small), LX_E_LIMIT);
    lx_buf_free(&out);
    lx_buf_free(&small);
}

/* -- differences --------------------------------------------------------------------------- */

static void test_deltas_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } heads[] = {
        {SIZED("")},
        {SIZED("\x80")},
        {SIZED("\x80\1")},
        {SIZED("\x80\1\4")},
        {SIZED("\x80\1\4\1")},
        {SIZED("\0\4\1\0")},             /* blocks of nothing */
        {SIZED("\x80\x81\x40\4\1\0")},   /* of 2^20 + 128 values */
        {SIZED("\x7f\1\1\0")},           /* not of 128 */
        {SIZED("\x80\1\0\1\0")},         /* no miniblock */
        {SIZED("\x80\x80\4\x81\2\1\0")}, /* 257 miniblocks */
        {SIZED("\x80\1\3\1\0")},         /* 128 is not a multiple of 3 */
        {SIZED("\x80\1\x8\1\0")},        /* miniblocks of 16 */
        {SIZED("\x80\1\4\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\0")},
    };
    struct lx_pq_delta delta;
    const uint8_t *end;
    int64_t longs[4];
    int32_t ints[4];
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        assert_false(lx_pq_delta_open(&delta, heads[i].bytes, heads[i].size));
    static const struct {
        const char *bytes;
        size_t size;
    } bodies[] = {
        {SIZED("\x80\1\4\3\2")},              /* no block */
        {SIZED("\x80\1\4\3\2\x80")},          /* half a difference */
        {SIZED("\x80\1\4\3\2\2\1\1\1")},      /* three widths of four */
        {SIZED("\x80\1\4\3\2\2\x41\0\0\0")},  /* 65 bits */
        {SIZED("\x80\1\4\3\2\2\x8\0\0\0\1")}, /* a byte of two */
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        assert_true(lx_pq_delta_open(&delta, bodies[i].bytes, bodies[i].size));
        assert_false(lx_pq_delta_end(&delta, &end));
        assert_false(lx_pq_delta_read64(&delta, longs, 3));
        assert_true(lx_pq_delta_open(&delta, bodies[i].bytes, bodies[i].size));
        assert_false(lx_pq_delta_read32(&delta, ints, 3));
    }
}

static void test_deltas_read(void **state)
{
    (void)state;
    /* 1, then differences of at least 1, plus 1 and 2 in 8 bits, without padding. */
    static const char bytes[] = "\x80\1\4\3\2\2\x8\0\0\0\1\2";
    struct lx_pq_delta delta;
    int64_t longs[4] = {0};
    int32_t ints[4] = {0};
    assert_true(lx_pq_delta_open(&delta, SIZED(bytes)));
    assert_false(lx_pq_delta_read64(&delta, longs, 4));
    assert_true(lx_pq_delta_read64(&delta, longs, 0));
    assert_true(lx_pq_delta_read64(&delta, longs, 2));
    assert_false(lx_pq_delta_read64(&delta, longs + 2, 2));
    assert_true(lx_pq_delta_read64(&delta, longs + 2, 1));
    assert_true(longs[0] == 1 && longs[1] == 3 && longs[2] == 6);
    assert_true(lx_pq_delta_open(&delta, SIZED(bytes)));
    assert_false(lx_pq_delta_read32(&delta, ints, 4));
    assert_true(lx_pq_delta_read32(&delta, ints, 0));
    assert_true(lx_pq_delta_read32(&delta, ints, 3));
    assert_true(ints[0] == 1 && ints[1] == 3 && ints[2] == 6);
}

/* -- checksums as text --------------------------------------------------------------------- */

static void test_sums(void **state)
{
    (void)state;
    uint32_t many[200];
    for (uint32_t i = 0; i < 200; i++)
        many[i] = i * 0x01234567;
    const struct lx_pq_chunk_sums chunks[] = {{NULL, 0, 1, 2}, {many, 200, 3, 4}, {many, 1, 5, 6}};
    struct lx_buf text = LX_BUF(1 << 16);
    struct lx_pq_arena arena = LX_PQ_ARENA(1 << 26);
    struct lx_pq_chunk_sums *read = NULL;
    assert_int_equal(lx_pq_sums_write(chunks, 3, &text), LX_OK);
    assert_int_equal(text.len % 4, 0);
    struct lx_str whole = {(const char *)text.data, text.len};
    assert_int_equal(lx_pq_sums_read(&arena, whole, 3, &read), LX_OK);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(read[i].count, chunks[i].count);
        assert_int_equal(read[i].column_index, chunks[i].column_index);
        assert_int_equal(read[i].offset_index, chunks[i].offset_index);
        if (read[i].count != 0)
            assert_memory_equal(read[i].headers, chunks[i].headers, read[i].count * 4);
    }
    assert_int_equal(lx_pq_sums_read(&arena, whole, 2, &read), LX_E_FORMAT);
    assert_int_equal(lx_pq_sums_read(&arena, whole, 4, &read), LX_E_FORMAT);
    for (size_t size = 0; size < whole.len; size++)
        assert_int_equal(lx_pq_sums_read(&arena, (struct lx_str){whole.ptr, size}, 3, &read),
                         LX_E_FORMAT);
    for (size_t i = 0; i < 4; i++) {
        static const char wrong[] = {'*', 0, '=', '\n'};
        char copy[8];
        memcpy(copy, whole.ptr, 8);
        copy[2] = wrong[i];
        assert_int_equal(lx_pq_sums_read(&arena, (struct lx_str){copy, 8}, 1, &read), LX_E_FORMAT);
    }
    lx_pq_arena_free(&arena);
    for (size_t max = 0; max < text.len + 500; max += 100) {
        struct lx_pq_arena small = LX_PQ_ARENA(max);
        assert_int_equal(lx_pq_sums_read(&small, whole, 3, &read), LX_E_LIMIT);
        lx_pq_arena_free(&small);
    }
    struct lx_buf full = LX_BUF(10);
    assert_int_equal(lx_pq_sums_write(chunks, 3, &full), LX_E_LIMIT);
    lx_buf_free(&full);
    lx_buf_free(&text);
}

/* -- Bloom filters ------------------------------------------------------------------------- */

static uint64_t hash_of(uint64_t n)
{
    return lx_pq_bloom_hash((struct lx_str){(const char *)&n, sizeof n});
}

static void test_bloom(void **state)
{
    (void)state;
    static uint64_t hashes[40000];
    for (uint64_t i = 0; i < 40000; i++)
        hashes[i] = hash_of(i);
    for (size_t n = 100; n <= 40000; n *= 20) {
        double estimate = lx_pq_bloom_distinct(hashes, n);
        assert_true(fabs(estimate - (double)n) < 0.08 * (double)n);
    }
    assert_true(lx_pq_bloom_distinct(NULL, 0) < 0.5);
    assert_int_equal(lx_pq_bloom_size(0, 10, 1 << 20), 32);
    assert_int_equal(lx_pq_bloom_size(1000, 10.5, 1 << 20), 1024);
    assert_int_equal(lx_pq_bloom_size(1e9, 10.5, 1 << 20), 1 << 20);
    assert_int_equal(lx_pq_bloom_size(1e9, 10.5, (1 << 20) - 1), 1 << 19);
    assert_int_equal(lx_pq_bloom_size(1e9, 10.5, SIZE_MAX), LX_PQ_BLOOM_MAX);
    static uint8_t filter[16384];
    size_t false_positives = 0;
    lx_pq_bloom_insert(filter, sizeof filter, hashes, 10000);
    for (size_t i = 0; i < 40000; i++) {
        size_t at = lx_pq_bloom_block(sizeof filter, hashes[i]);
        assert_true(at % 32 == 0 && at < sizeof filter);
        bool has = lx_pq_bloom_block_has(filter + at, hashes[i]);
        assert_true(has || i >= 10000);
        false_positives += has && i >= 10000;
    }
    assert_true(false_positives > 0 && false_positives < 600); /* 0.9 % of 30,000 are 270 */
}

static void check_bloom_header(const void *bytes, size_t size, enum lx_status status,
                               const char *text)
{
    struct lx_err err = LX_ERR_INIT;
    int32_t filter;
    size_t used;
    assert_int_equal(lx_pq_bloom_header_read(bytes, size, &filter, &used, &err), status);
    assert_string_equal(err.text, text);
}

static void test_bloom_headers(void **state)
{
    (void)state;
    struct lx_buf header = LX_BUF(100);
    int32_t filter = 0;
    size_t used = 0;
    assert_int_equal(lx_pq_bloom_header_write(1024, &header), LX_OK);
    assert_int_equal(lx_buf_append(&header, "behind", 6), LX_OK);
    assert_int_equal(lx_pq_bloom_header_read(header.data, header.len, &filter, &used, NULL), LX_OK);
    assert_true(filter == 1024 && used == header.len - 6);
    static const char kinds[] = "\x1c\x1c\0\0\x1c\x1c\0\0\x1c\x1c\0\0\0";
    char other[64];
    check_bloom_header(SIZED("\x15\x40\x1c\x1c\0\0\x1c\x1c\0\0\0"), LX_E_UNSUPPORTED,
                       "a Bloom filter of an unknown kind");
    check_bloom_header(SIZED("\x15\x40\x1c\x2c\0\0\x1c\x1c\0\0\x1c\x1c\0\0\0"), LX_E_UNSUPPORTED,
                       "a Bloom filter of an unknown kind");
    memcpy(other, "\x15\x3e", 2);
    memcpy(other + 2, kinds, sizeof kinds - 1);
    check_bloom_header(other, sizeof kinds + 1, LX_E_FORMAT, "a Bloom filter of 31 bytes");
    other[1] = 0x42;
    check_bloom_header(other, sizeof kinds + 1, LX_E_FORMAT, "a Bloom filter of 33 bytes");
    other[1] = 0x3f;
    check_bloom_header(other, sizeof kinds + 1, LX_E_FORMAT, "a Bloom filter of -32 bytes");
    check_bloom_header(SIZED("\x15\x40\x15\x2\0"), LX_E_FORMAT,
                       "broken Bloom filter header: a field has the wrong type");
    check_bloom_header(SIZED("\x15"), LX_E_FORMAT,
                       "broken Bloom filter header: metadata ends early");
    memcpy(other, "\x15\x40\x1c\x1c\0\0\x1c\x1c\0\0\x1c\x1c\0\0\x15\2\0", 17); /* a field more */
    assert_int_equal(lx_pq_bloom_header_read(other, 17, &filter, &used, NULL), LX_OK);
    assert_true(filter == 32 && used == 17);
    lx_buf_free(&header);
}

/* -- budgets ------------------------------------------------------------------------------- */

static void test_areas(void **state)
{
    (void)state;
    struct lx_pq_budget budget = {.max = 1000};
    struct lx_pq_area area = {.budget = &budget}, none = {.budget = NULL};
    assert_int_equal(lx_pq_area_reserve(&area, 100, 0), LX_OK);
    memcpy(area.data, "kept", 4);
    assert_int_equal(atomic_load(&budget.used), area.cap);
    assert_int_equal(lx_pq_area_reserve(&area, 900, 4), LX_E_LIMIT); /* with room for more */
    assert_int_equal(lx_pq_area_reserve(&area, 500, 4), LX_OK);
    assert_memory_equal(area.data, "kept", 4);
    size_t used = atomic_load(&budget.used);
    lx_alloc_fail_at(1);
    assert_int_equal(lx_pq_area_reserve(&area, 700, 4), LX_E_MEMORY);
    assert_int_equal(atomic_load(&budget.used), used);
    budget.max = 10; /* below what is used */
    assert_int_equal(lx_pq_area_reserve(&area, 700, 4), LX_E_LIMIT);
    lx_pq_area_free(&area);
    lx_pq_area_free(&none);
    assert_int_equal(atomic_load(&budget.used), 0);
}

static void test_column_budgets(void **state)
{
    (void)state;
    struct lx_pq_budget budget = {.max = 20000};
    struct lx_column texts, numbers;
    lx_column_init(&texts, LX_COLUMN_BYTES, 0);
    lx_column_init(&numbers, LX_COLUMN_FIXED, 8);
    assert_int_equal(lx_pq_budget_rows(&budget, &texts, 100), LX_OK);
    assert_int_equal(lx_pq_budget_rows(&budget, &texts, 50), LX_OK); /* there is room */
    assert_int_equal(lx_pq_budget_rows(&budget, &texts, 100000), LX_E_LIMIT);
    assert_int_equal(lx_pq_budget_rows(&budget, &numbers, SIZE_MAX / 4), LX_E_LIMIT);
    assert_int_equal(lx_pq_budget_bytes(&budget, &texts, 1000), LX_OK);
    assert_int_equal(lx_pq_budget_bytes(&budget, &texts, 500), LX_OK);
    assert_int_equal(lx_pq_budget_bytes(&budget, &texts, 100000), LX_E_LIMIT);
    assert_int_equal(lx_pq_budget_nulls(&budget, &texts, 100), LX_OK);
    assert_int_equal(lx_pq_budget_nulls(&budget, &texts, 50), LX_OK);
    assert_int_equal(lx_pq_budget_nulls(&budget, &texts, 100000), LX_E_LIMIT);
    size_t used = atomic_load(&budget.used);
    assert_int_equal(used, texts.nulls_cap + texts.values_cap + texts.offsets_cap * 4);
    lx_alloc_fail_at(1);
    assert_int_equal(lx_pq_budget_rows(&budget, &numbers, 100), LX_E_MEMORY);
    assert_int_equal(atomic_load(&budget.used), used);
    lx_pq_budget_clear_column(&budget, &texts);
    assert_int_equal(atomic_load(&budget.used),
                     texts.nulls_cap + texts.values_cap + texts.offsets_cap * 4);
    lx_pq_budget_free_column(&budget, &texts);
    lx_pq_budget_free_column(&budget, &numbers);
    assert_int_equal(atomic_load(&budget.used), 0);
}

/* -- bounds -------------------------------------------------------------------------------- */

/* The bounds of one text, cut to 8 bytes; NULL maximum: there is none. */
static void check_cut(const char *text, size_t size, bool is_text, const char *min, const char *max)
{
    const struct lx_pq_extremes one = {.found = true, .min = {text, size}, .max = {text, size}};
    struct lx_pq_bounds bounds;
    assert_int_equal(lx_pq_bounds_take(&bounds, LX_PQ_ORDER_BYTES, &one, 8, true, is_text), LX_OK);
    assert_true(bounds.view.has_min && bounds.view.min_exact == (size <= 8));
    assert_true(lx_str_equal(bounds.view.min, lx_str_of(min)));
    assert_int_equal(bounds.view.has_max, max != NULL);
    assert_int_equal(bounds.view.max_exact, size <= 8);
    if (max != NULL)
        assert_true(lx_str_equal(bounds.view.max, lx_str_of(max)));
    lx_pq_bounds_free(&bounds);
}

#define FFS "\xff\xff\xff\xff\xff\xff\xff\xff"
#define LAST "\xf4\x8f\xbf\xbf" /* U+10FFFF */

static void test_bounds_cut(void **state)
{
    (void)state;
    check_cut(SIZED("12345678"), true, "12345678", "12345678");
    check_cut(SIZED("123456789"), true, "12345678", "12345679");
    check_cut(SIZED("123456789"), false, "12345678", "12345679");
    check_cut(SIZED("1234567\x7f!"), true, "1234567\x7f", "1234567\xc2\x80");
    check_cut(SIZED("1234567\xc3\xa4"), true, "1234567", "1234568");
    check_cut(SIZED("123456\xc3\xbf!"), true, "123456\xc3\xbf", "123456\xc4\x80");
    check_cut(SIZED("12345\xed\x9f\xbf!"), true, "12345\xed\x9f\xbf", "12345\xee\x80\x80");
    check_cut(SIZED("1234" LAST "!"), true, "1234" LAST, "1235");
    check_cut(SIZED(LAST LAST "!"), true, LAST LAST, NULL);
    check_cut(SIZED("1234567\xff!"), true, "1234567", "1234568");
    check_cut(SIZED("\xff"
                    "12345678"),
              true,
              "\xff"
              "1234567",
              "\xff"
              "1234568");
    check_cut(SIZED("1234567\xff!"), false, "1234567\xff", "1234568");
    check_cut(SIZED(FFS "!"), false, FFS, NULL);
}

static void test_bounds_merge(void **state)
{
    (void)state;
    const struct lx_parquet_bounds low = {true, true, true, true, LX_STR("b"), LX_STR("c")};
    const struct lx_parquet_bounds wide = {true, true, false, false, LX_STR("a"), LX_STR("d")};
    const struct lx_parquet_bounds no_max = {true, false, true, false, LX_STR("b"), LX_STR("")};
    struct lx_pq_bounds bounds = {.memory = NULL};
    assert_int_equal(lx_pq_bounds_merge(&bounds, LX_PQ_ORDER_BYTES, &low, true), LX_OK);
    assert_int_equal(lx_pq_bounds_merge(&bounds, LX_PQ_ORDER_BYTES, &wide, false), LX_OK);
    assert_true(lx_str_equal(bounds.view.min, LX_STR("a")) && !bounds.view.min_exact);
    assert_true(lx_str_equal(bounds.view.max, LX_STR("d")) && !bounds.view.max_exact);
    assert_int_equal(lx_pq_bounds_merge(&bounds, LX_PQ_ORDER_BYTES, &low, false), LX_OK);
    assert_true(lx_str_equal(bounds.view.max, LX_STR("d")) && !bounds.view.max_exact);
    assert_int_equal(lx_pq_bounds_merge(&bounds, LX_PQ_ORDER_BYTES, &no_max, false), LX_OK);
    assert_true(bounds.view.has_min && !bounds.view.has_max);
    assert_int_equal(lx_pq_bounds_merge(&bounds, LX_PQ_ORDER_BYTES, &low, false), LX_OK);
    assert_false(bounds.view.has_max);
    const struct lx_parquet_bounds none = {.has_min = false};
    assert_int_equal(lx_pq_bounds_merge(&bounds, LX_PQ_ORDER_BYTES, &none, false), LX_OK);
    assert_false(bounds.view.has_min);
    lx_pq_bounds_free(&bounds);
    /* What may not be cut is left out. */
    const struct lx_pq_extremes extremes = {true, LX_STR("a"), LX_STR("123456789"), 0};
    assert_int_equal(lx_pq_bounds_take(&bounds, LX_PQ_ORDER_BYTES, &extremes, 8, false, false),
                     LX_OK);
    assert_false(bounds.view.has_min || bounds.view.has_max);
}

static void check_extremes(enum lx_pq_order order, const void *values, uint32_t width, int64_t rows,
                           int64_t min, int64_t max)
{
    struct lx_column column;
    struct lx_pq_extremes extremes;
    lx_column_init(&column, LX_COLUMN_FIXED, width);
    for (int64_t i = 0; i < rows; i++)
        assert_int_equal(lx_column_append(&column, (const char *)values + (size_t)i * width, width),
                         LX_OK);
    lx_pq_extremes_of(order, &column, rows, &extremes);
    assert_int_equal(extremes.found, min >= 0);
    if (min >= 0) {
        assert_memory_equal(extremes.min.ptr, (const char *)values + (size_t)min * width, width);
        assert_memory_equal(extremes.max.ptr, (const char *)values + (size_t)max * width, width);
    }
    lx_column_free(&column);
}

static void test_extremes(void **state)
{
    (void)state;
    static const int32_t ints[] = {5, -7, 9, 0};
    static const int64_t longs[] = {5, -7, 9, 0};
    static const float floats[] = {NAN, 2, -3, NAN};
    static const double doubles[] = {2, NAN, NAN, -3};
    static const uint8_t bools[] = {1, 1, 0, 1};
    check_extremes(LX_PQ_ORDER_I32, ints, 4, 4, 1, 2);
    check_extremes(LX_PQ_ORDER_U32, ints, 4, 4, 3, 1);
    check_extremes(LX_PQ_ORDER_I64, longs, 8, 4, 1, 2);
    check_extremes(LX_PQ_ORDER_U64, longs, 8, 4, 3, 1);
    check_extremes(LX_PQ_ORDER_FLOAT, floats, 4, 4, 2, 1);
    check_extremes(LX_PQ_ORDER_FLOAT, floats, 4, 1, -1, -1);
    check_extremes(LX_PQ_ORDER_DOUBLE, doubles, 8, 4, 3, 0);
    check_extremes(LX_PQ_ORDER_DOUBLE, doubles + 1, 8, 2, -1, -1);
    check_extremes(LX_PQ_ORDER_BOOL, bools, 1, 4, 2, 0);
    check_extremes(LX_PQ_ORDER_BOOL, bools, 1, 0, -1, -1);
    check_extremes(LX_PQ_ORDER_NONE, ints, 4, 4, -1, -1);
}

/* -- page headers and indexes -------------------------------------------------------------- */

static void test_page_headers(void **state)
{
    (void)state;
    static const struct lx_pq_page_header sound = {.type = LX_PQ_DATA_PAGE_V2,
                                                   .raw_bytes = 100,
                                                   .bytes = 80,
                                                   .values = 10,
                                                   .nulls = 3,
                                                   .rows = 10,
                                                   .encoding = LX_PARQUET_PLAIN,
                                                   .definition_bytes = 30,
                                                   .repetition_bytes = 20};
    static const char sizes[] = "a page has a negative size";
    static const char numbers[] = "the numbers of a page do not add up";
    struct {
        struct lx_pq_page_header header;
        const char *why;
    } cases[13];
    for (size_t i = 0; i < 13; i++) {
        cases[i].header = sound;
        cases[i].why = i < 4 && i > 0 ? sizes : i > 0 ? numbers : NULL;
    }
    cases[1].header.raw_bytes = -1;
    cases[2].header.bytes = -1;
    cases[3].header.values = -1;
    cases[4].header.nulls = -1;
    cases[5].header.nulls = 11;
    cases[6].header.rows = -1;
    cases[7].header.rows = 11;
    cases[8].header.definition_bytes = -1;
    cases[9].header.repetition_bytes = -1;
    cases[10].header.raw_bytes = 29;
    cases[11].header.raw_bytes = 49;
    cases[12].header.bytes = 49;
    for (size_t i = 0; i < 13; i++) {
        struct lx_buf bytes = LX_BUF(1000);
        struct lx_pq_page_header read;
        const char *why = NULL;
        size_t used;
        assert_int_equal(lx_pq_page_header_write(&cases[i].header, &bytes), LX_OK);
        assert_int_equal(lx_pq_page_header_read(bytes.data, bytes.len, &read, &used, &why),
                         cases[i].why != NULL ? LX_PQ_HEADER_BROKEN : LX_PQ_HEADER_OK);
        if (cases[i].why != NULL)
            assert_string_equal(why, cases[i].why);
        for (size_t size = 0; size < bytes.len; size++)
            assert_int_equal(lx_pq_page_header_read(bytes.data, size, &read, &used, &why),
                             LX_PQ_HEADER_SHORT);
        lx_buf_free(&bytes);
    }
}

static void check_header(const void *bytes, size_t size, const char *expected)
{
    struct lx_pq_page_header header;
    const char *why = NULL;
    size_t used;
    enum lx_pq_header_result result = lx_pq_page_header_read(bytes, size, &header, &used, &why);
    assert_int_equal(result, expected != NULL ? LX_PQ_HEADER_BROKEN : LX_PQ_HEADER_OK);
    if (expected != NULL)
        assert_string_equal(why, expected);
}

static void test_odd_headers(void **state)
{
    (void)state;
    check_header(SIZED("\x15\2\x15\0\x15\0\0"), NULL); /* an index page */
    check_header(SIZED("\x15\0\x15\0\x15\0\0"), "a page header does not fit its type");
    check_header(SIZED("\x15\x8\x15\0\x15\0\0"), "a page has an unknown type");
    check_header(SIZED("\x25\0\x15\0\0"), "a page has an unknown type");
    check_header(SIZED("\x15\0\x15\0\x15\0\x25\0\0"), "a field has the wrong type");
    check_header(SIZED("\x15\4\x15\0\x15\0\x45\0\0"), "a field has the wrong type");
    check_header(SIZED("\x15\6\x15\0\x15\0\x55\0\0"), "a field has the wrong type");
    check_header(SIZED("\x15\4\x15\0\x15\0\x4c\x15\6\x15\0\x35\2\0\0"), NULL);
    check_header(SIZED("\x15\0\x15\0\x15\0\x2c\x15\6\x15\x14\x15\6\x15\6\0\0"),
                 "a page has an unknown encoding");
    check_header(SIZED("\x15\0\x15\0\x15\0\x2c\x15\6\x15\1\x15\6\x15\6\0\0"),
                 "a page has an unknown encoding");
}

static enum lx_status read_indexes(const void *offsets, size_t size, const void *bounds,
                                   size_t bounds_size, size_t max, const char **why)
{
    struct lx_pq_arena arena = LX_PQ_ARENA(max);
    struct lx_pq_index index = {.pages = NULL};
    *why = NULL;
    enum lx_status status = lx_pq_offset_index_read(&arena, offsets, size, &index, why);
    if (status == LX_OK && bounds != NULL)
        status = lx_pq_column_index_read(&arena, bounds, bounds_size, &index, why);
    lx_pq_arena_free(&arena);
    return status;
}

/* Two pages: 100 bytes from 4 on, row 0; 50 from 104 on, row 10. */
#define OFFSETS "\x19\x2c\x16\x8\x15\xc8\1\x16\0\0\x16\xd0\1\x15\x64\x16\x14\0\0"
/* Neither all NULL, bounds "a" "b" and "c" "d", ascending, no NULLs and 3. */
#define BOUNDS "\x19\x22\2\2\x19\x28\1a\1b\x19\x28\1c\1d\x15\2\x19\x26\0\6\0"

static void test_indexes(void **state)
{
    (void)state;
    static const struct {
        const char *offsets;
        size_t size;
        const char *bounds;
        size_t bounds_size;
        const char *why;
    } cases[] = {
        {SIZED("\x15\2\0"), NULL, 0, "a field has the wrong type"},
        {SIZED("\0"), NULL, 0, "an offset index has no pages"},
        {SIZED("\x26\2\0"), NULL, 0, "an offset index has no pages"},
        {SIZED("\x19\x1c\x16\x8\x15\2\x16\1\0\0"), NULL, 0,
         "an offset index has a negative number"},
        {SIZED("\x19\x1c\x16\x7\x15\2\x16\0\0\0"), NULL, 0,
         "an offset index has a negative number"},
        {SIZED("\x19\x1c\x16\x8\x15\1\x16\0\0\0"), NULL, 0,
         "an offset index has a negative number"},
        {SIZED("\x19\x2c\x16\x8\x15\2\x16\4\0\x16\x8\x15\2\x16\2\0\0"), NULL, 0,
         "the rows of an offset index go backwards"},
        {SIZED("\x19\x15\2\0"), NULL, 0, "a list has elements of the wrong type"},
        {SIZED(OFFSETS), SIZED("\0"), "a column index has no bounds"},
        {SIZED(OFFSETS), SIZED("\x19\x22\2\2\x19\x28\1a\1b\0"), "a column index has no bounds"},
        {SIZED(OFFSETS), SIZED("\x19\x12\2\0"),
         "a column index has another number of pages than the offset index"},
        {SIZED(OFFSETS), SIZED("\x19\x22\3\2\0"), "a boolean is neither true nor false"},
        {SIZED(OFFSETS), SIZED("\x29\x18\1a\0"),
         "a column index has another number of pages than the offset index"},
        {SIZED(OFFSETS), SIZED("\x59\x26\0\3\0"), "a column index has a negative number of NULLs"},
        {SIZED(OFFSETS),
         SIZED("\x29\x28\1a\x70"
               "b\0"),
         "metadata ends early"},
        {SIZED(OFFSETS), SIZED("\x19\x22\2"), "metadata ends early"},
    };
    const char *why;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(read_indexes(cases[i].offsets, cases[i].size, cases[i].bounds,
                                      cases[i].bounds_size, 10000, &why),
                         LX_E_FORMAT);
        if (strcmp(why, cases[i].why) != 0)
            fail_msg("index %zu: \"%s\", not \"%s\"", i, why, cases[i].why);
    }
    assert_int_equal(read_indexes(SIZED(OFFSETS), NULL, 0, 10, &why), LX_E_FORMAT);
    assert_string_equal(why, "an offset index takes too much memory");
    assert_int_equal(read_indexes(SIZED(OFFSETS), SIZED(BOUNDS), 250, &why), LX_E_FORMAT);
    assert_string_equal(why, "a column index takes too much memory");
    assert_int_equal(read_indexes(SIZED(OFFSETS), SIZED(BOUNDS), 10000, &why), LX_OK);
}

static void test_index_values(void **state)
{
    (void)state;
    struct lx_pq_arena arena = LX_PQ_ARENA(10000);
    struct lx_pq_index index;
    const char *why;
    char bounds[] = BOUNDS;
    static const enum lx_parquet_order orders[] = {LX_PARQUET_UNORDERED, LX_PARQUET_ASCENDING,
                                                   LX_PARQUET_DESCENDING, LX_PARQUET_UNORDERED};
    for (int order = 0; order < 4; order++) {
        assert_int_equal(lx_pq_offset_index_read(&arena, SIZED(OFFSETS), &index, &why), LX_OK);
        char *at = strstr(bounds + 8, "d\x15");
        assert_non_null(at);
        at[2] = (char)(order * 2);
        assert_int_equal(lx_pq_column_index_read(&arena, bounds, sizeof bounds - 1, &index, &why),
                         LX_OK);
        assert_int_equal(index.order, orders[order]);
        assert_int_equal(index.count, 2);
        assert_true(index.pages[0].offset == 4 && index.pages[0].bytes == 100);
        assert_true(index.pages[1].offset == 104 && index.pages[1].bytes == 50);
        assert_true(index.pages[1].first_row == 10 && index.pages[1].null_count == 3);
        assert_true(lx_str_equal(index.pages[1].min, LX_STR("b")));
        assert_true(lx_str_equal(index.pages[1].max, LX_STR("d")));
        assert_false(index.pages[0].all_null);
    }
    lx_pq_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs),           cmocka_unit_test(test_runs_written),
        cmocka_unit_test(test_deltas_refused), cmocka_unit_test(test_deltas_read),
        cmocka_unit_test(test_sums),           cmocka_unit_test(test_bloom),
        cmocka_unit_test(test_bloom_headers),  cmocka_unit_test(test_areas),
        cmocka_unit_test(test_column_budgets), cmocka_unit_test(test_bounds_cut),
        cmocka_unit_test(test_bounds_merge),   cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_page_headers),   cmocka_unit_test(test_odd_headers),
        cmocka_unit_test(test_indexes),        cmocka_unit_test(test_index_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
