/* Damaged files: every truncation and every changed byte gives an error or the right rows, never a
 * crash, never a wrong value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "pq_support.h"

#define ROWS 60

static const struct lx_parquet_field fields[] = {
    {.name = "id", .physical = LX_PARQUET_INT64},
    {.name = "flag", .physical = LX_PARQUET_BOOLEAN, .repetition = LX_PARQUET_OPTIONAL},
    {.name = "kind",
     .physical = LX_PARQUET_BYTE_ARRAY,
     .logical = {.kind = LX_PARQUET_LOGICAL_STRING}},
    {.name = "text",
     .physical = LX_PARQUET_BYTE_ARRAY,
     .repetition = LX_PARQUET_OPTIONAL,
     .logical = {.kind = LX_PARQUET_LOGICAL_STRING}},
    {.name = "path", .physical = LX_PARQUET_BYTE_ARRAY},
    {.name = "ratio", .physical = LX_PARQUET_DOUBLE},
    {.name = "small", .physical = LX_PARQUET_INT32, .repetition = LX_PARQUET_OPTIONAL},
    {.name = "uuid",
     .physical = LX_PARQUET_FIXED_LEN_BYTE_ARRAY,
     .length = 16,
     .logical = {.kind = LX_PARQUET_LOGICAL_UUID}},
};
#define COLUMNS (sizeof fields / sizeof fields[0])

static const struct lx_parquet_column_options as_new[COLUMNS] = {
    {.encoding = LX_PARQUET_DELTA_BINARY_PACKED, .bloom = true},
    {.encoding = LX_PARQUET_PLAIN},
    {.encoding = LX_PARQUET_RLE_DICTIONARY},
    {.encoding = LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY},
    {.encoding = LX_PARQUET_DELTA_BYTE_ARRAY},
    {.encoding = LX_PARQUET_BYTE_STREAM_SPLIT},
    {.encoding = LX_PARQUET_DELTA_BINARY_PACKED},
    {.encoding = LX_PARQUET_PLAIN},
};
static const struct lx_parquet_column_options as_old[COLUMNS] = {
    {.encoding = LX_PARQUET_PLAIN},          {.encoding = LX_PARQUET_PLAIN},
    {.encoding = LX_PARQUET_RLE_DICTIONARY}, {.encoding = LX_PARQUET_PLAIN},
    {.encoding = LX_PARQUET_PLAIN},          {.encoding = LX_PARQUET_PLAIN},
    {.encoding = LX_PARQUET_RLE_DICTIONARY}, {.encoding = LX_PARQUET_PLAIN},
};

struct sample {
    struct lx_column columns[COLUMNS];
    const struct lx_column *pointers[COLUMNS];
    struct memory_file file;
};

static void make_sample(struct sample *sample, const struct lx_parquet_column_options *columns,
                        enum lx_parquet_codec codec, bool page_v2)
{
    static const enum pattern patterns[COLUMNS] = {PATTERN_RISING, PATTERN_RANDOM, PATTERN_FEW,
                                                   PATTERN_RANDOM, PATTERN_RISING, PATTERN_FEW,
                                                   PATTERN_FEW,    PATTERN_RANDOM};
    struct rng rng = {7};
    struct lx_parquet_writer_options options = {.codec = codec,
                                                .page_v2 = page_v2,
                                                .row_group_rows = 40,
                                                .page_rows = 16,
                                                .columns = columns};
    memory_file_init(&sample->file);
    for (size_t i = 0; i < COLUMNS; i++) {
        make_column(&sample->columns[i], &fields[i], patterns[i],
                    fields[i].repetition == LX_PARQUET_OPTIONAL ? 40 : 0, ROWS, &rng);
        sample->pointers[i] = &sample->columns[i];
    }
    write_file(&sample->file, fields, COLUMNS, &options, NULL, sample->pointers, ROWS, ROWS);
}

static void free_sample(struct sample *sample)
{
    for (size_t i = 0; i < COLUMNS; i++)
        lx_column_free(&sample->columns[i]);
    memory_file_free(&sample->file);
}

/* True: refused, or every row is right. */
static bool is_safe(struct sample *sample, const char *what, size_t at, unsigned now)
{
    struct lx_err err = LX_ERR_INIT;
    if (check_file(&sample->file, sample->pointers, COLUMNS, ROWS, 25, false, NULL, &err))
        return true;
    if (err.status != LX_OK && err.text[0] != 0)
        return true;
    print_error("%s %zu (now %02x): wrong rows, no error\n", what, at, now);
    return false;
}

static void check_changes(const struct lx_parquet_column_options *columns,
                          enum lx_parquet_codec codec, bool page_v2, bool all)
{
    struct sample sample;
    size_t wrong = 0;
    make_sample(&sample, columns, codec, page_v2);
    assert_true(is_safe(&sample, "unchanged", 0, 0));
    for (size_t at = 0; at < sample.file.bytes.len; at++) {
        uint8_t *byte = &sample.file.bytes.data[at], was = *byte;
        for (unsigned change = 1; change < 256; change++) {
            /* Single bits, neighbours and the complement; or everything. */
            if (!all && (change & (change - 1)) != 0 && change != 255 &&
                (uint8_t)(was ^ change) != (uint8_t)(was + 1) &&
                (uint8_t)(was ^ change) != (uint8_t)(was - 1))
                continue;
            *byte = (uint8_t)(was ^ change);
            wrong += !is_safe(&sample, "byte", at, *byte);
        }
        *byte = was;
    }
    free_sample(&sample);
    assert_int_equal(wrong, 0);
}

static void check_cuts(const struct lx_parquet_column_options *columns, enum lx_parquet_codec codec,
                       bool page_v2)
{
    struct sample sample;
    size_t wrong = 0;
    make_sample(&sample, columns, codec, page_v2);
    for (size_t len = 0, whole = sample.file.bytes.len; len < whole; len++) {
        struct lx_err err = LX_ERR_INIT;
        sample.file.bytes.len = len;
        bool ok = check_file(&sample.file, sample.pointers, COLUMNS, ROWS, 25, false, NULL, &err);
        if (ok || err.status == LX_OK) {
            print_error("cut to %zu bytes: no error\n", len);
            wrong++;
        }
        sample.file.bytes.len = whole;
    }
    free_sample(&sample);
    assert_int_equal(wrong, 0);
}

static bool wants_all(void)
{
    return getenv("LYNEX_TEST_ALL") != NULL;
}

static void test_changes_new(void **state)
{
    (void)state;
    check_changes(as_new, LX_PARQUET_ZSTD, false, wants_all());
}

static void test_changes_v2(void **state)
{
    (void)state;
    check_changes(as_new, LX_PARQUET_UNCOMPRESSED, true, wants_all());
}

static void test_changes_old(void **state)
{
    (void)state;
    check_changes(as_old, LX_PARQUET_UNCOMPRESSED, false, wants_all());
}

static void test_changes_snappy(void **state)
{
    (void)state;
    check_changes(as_old, LX_PARQUET_SNAPPY, true, wants_all());
}

static void test_cuts(void **state)
{
    (void)state;
    check_cuts(as_new, LX_PARQUET_ZSTD, false);
    check_cuts(as_old, LX_PARQUET_UNCOMPRESSED, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cuts),           cmocka_unit_test(test_changes_new),
        cmocka_unit_test(test_changes_v2),     cmocka_unit_test(test_changes_old),
        cmocka_unit_test(test_changes_snappy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
