/* Files of the format as it is: the writer makes the same bytes, and the reader finds the rows in
 * what earlier versions wrote. Compressed files are only read: their bytes are the libraries'.
 * LYNEX_WRITE_GOLDEN=1 writes them: a change of format keeps the old files under another name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pq_support.h"

#include <stdio.h>
#include <stdlib.h>

#define ROWS 96
#define COLUMNS 8

static const struct lx_parquet_field fields[COLUMNS] = {
    {.name = "flag", .physical = LX_PARQUET_BOOLEAN, .repetition = LX_PARQUET_OPTIONAL},
    {.name = "small", .physical = LX_PARQUET_INT32},
    {.name = "at",
     .physical = LX_PARQUET_INT64,
     .repetition = LX_PARQUET_OPTIONAL,
     .logical = {.kind = LX_PARQUET_LOGICAL_TIMESTAMP, .unit = LX_PARQUET_MILLIS, .utc = true}},
    {.name = "ratio", .physical = LX_PARQUET_FLOAT},
    {.name = "cost", .physical = LX_PARQUET_DOUBLE, .repetition = LX_PARQUET_OPTIONAL},
    {.name = "raw",
     .physical = LX_PARQUET_FIXED_LEN_BYTE_ARRAY,
     .length = 5,
     .repetition = LX_PARQUET_OPTIONAL},
    {.name = "name",
     .physical = LX_PARQUET_BYTE_ARRAY,
     .logical = {.kind = LX_PARQUET_LOGICAL_STRING}},
    {.name = "text",
     .physical = LX_PARQUET_BYTE_ARRAY,
     .repetition = LX_PARQUET_OPTIONAL,
     .logical = {.kind = LX_PARQUET_LOGICAL_STRING}},
};

static const enum pattern patterns[COLUMNS] = {PATTERN_RANDOM, PATTERN_RISING, PATTERN_RISING,
                                               PATTERN_FEW,    PATTERN_RISING, PATTERN_RANDOM,
                                               PATTERN_FEW,    PATTERN_RISING};

/* One file: how its columns are encoded, and whether its bytes must be the same. */
struct golden {
    const char *name;
    bool page_v2, same_bytes;
    enum lx_parquet_codec codec;
    enum lx_parquet_encoding flag, number, real, fixed, text;
};

static const struct golden files[] = {
    {"plain_v1", false, true, LX_PARQUET_UNCOMPRESSED, LX_PARQUET_PLAIN, LX_PARQUET_PLAIN,
     LX_PARQUET_PLAIN, LX_PARQUET_PLAIN, LX_PARQUET_PLAIN},
    {"dictionary_v1", false, true, LX_PARQUET_UNCOMPRESSED, LX_PARQUET_PLAIN,
     LX_PARQUET_RLE_DICTIONARY, LX_PARQUET_RLE_DICTIONARY, LX_PARQUET_RLE_DICTIONARY,
     LX_PARQUET_RLE_DICTIONARY},
    {"delta_v2", true, true, LX_PARQUET_UNCOMPRESSED, LX_PARQUET_RLE,
     LX_PARQUET_DELTA_BINARY_PACKED, LX_PARQUET_BYTE_STREAM_SPLIT, LX_PARQUET_PLAIN,
     LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY},
    {"prefixes_v1", false, true, LX_PARQUET_UNCOMPRESSED, LX_PARQUET_PLAIN,
     LX_PARQUET_DELTA_BINARY_PACKED, LX_PARQUET_BYTE_STREAM_SPLIT, LX_PARQUET_PLAIN,
     LX_PARQUET_DELTA_BYTE_ARRAY},
    {"zstd_v2", true, false, LX_PARQUET_ZSTD, LX_PARQUET_RLE, LX_PARQUET_DELTA_BINARY_PACKED,
     LX_PARQUET_BYTE_STREAM_SPLIT, LX_PARQUET_PLAIN, LX_PARQUET_DELTA_BYTE_ARRAY},
    {"snappy_v1", false, false, LX_PARQUET_SNAPPY, LX_PARQUET_PLAIN, LX_PARQUET_RLE_DICTIONARY,
     LX_PARQUET_PLAIN, LX_PARQUET_PLAIN, LX_PARQUET_RLE_DICTIONARY},
    {"lz4_v2", true, false, LX_PARQUET_LZ4_RAW, LX_PARQUET_RLE, LX_PARQUET_RLE_DICTIONARY,
     LX_PARQUET_BYTE_STREAM_SPLIT, LX_PARQUET_PLAIN, LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY},
};

struct rows {
    struct lx_column columns[COLUMNS];
    const struct lx_column *pointers[COLUMNS];
};

static void make_rows(struct rows *rows)
{
    struct rng rng = {20260101};
    for (size_t i = 0; i < COLUMNS; i++) {
        bool optional = fields[i].repetition == LX_PARQUET_OPTIONAL;
        make_column(&rows->columns[i], &fields[i], patterns[i], optional ? 40 : 0, ROWS, &rng);
        rows->pointers[i] = &rows->columns[i];
    }
}

static void write_golden_file(const struct golden *golden, const struct rows *rows,
                              struct memory_file *file)
{
    const enum lx_parquet_encoding encodings[COLUMNS] = {
        golden->flag, golden->number, golden->number, golden->real,
        golden->real, golden->fixed,  golden->text,   golden->text};
    struct lx_parquet_column_options columns[COLUMNS] = {0};
    for (size_t i = 0; i < COLUMNS; i++)
        columns[i] =
            (struct lx_parquet_column_options){.encoding = encodings[i], .bloom = i == 2 || i == 6};
    const struct lx_parquet_writer_options options = {.codec = golden->codec,
                                                      .page_v2 = golden->page_v2,
                                                      .row_group_rows = 64,
                                                      .page_rows = 24,
                                                      .created_by = "lynex golden",
                                                      .columns = columns};
    memory_file_init(file);
    write_file(file, fields, COLUMNS, &options, NULL, rows->pointers, ROWS, ROWS);
}

static void read_golden(const char *path, struct memory_file *file)
{
    char bytes[4096];
    FILE *stream = fopen(path, "rb");
    if (stream == NULL)
        fail_msg("cannot open %s", path);
    memory_file_init(file);
    for (size_t got; (got = fread(bytes, 1, sizeof bytes, stream)) > 0;)
        assert_int_equal(lx_buf_append(&file->bytes, bytes, got), LX_OK);
    fclose(stream);
}

static void check_bytes(const char *path, const struct memory_file *golden,
                        const struct memory_file *now)
{
    size_t at = 0, size = golden->bytes.len < now->bytes.len ? golden->bytes.len : now->bytes.len;
    while (at < size && golden->bytes.data[at] == now->bytes.data[at])
        at++;
    if (at < size || golden->bytes.len != now->bytes.len)
        fail_msg("%s: the writer's %zu bytes differ from its %zu at %zu", path, now->bytes.len,
                 golden->bytes.len, at);
}

static void check_one(const struct golden *golden, const struct rows *rows)
{
    char path[512];
    struct lx_err err = LX_ERR_INIT;
    struct memory_file now, then;
    snprintf(path, sizeof path, "%s/%s.parquet", LYNEX_GOLDEN, golden->name);
    write_golden_file(golden, rows, &now);
    if (getenv("LYNEX_WRITE_GOLDEN") != NULL) {
        FILE *stream = fopen(path, "wb");
        assert_non_null(stream);
        assert_int_equal(fwrite(now.bytes.data, 1, now.bytes.len, stream), now.bytes.len);
        assert_int_equal(fclose(stream), 0);
    }
    read_golden(path, &then);
    if (golden->same_bytes)
        check_bytes(path, &then, &now);
    if (!check_file(&then, rows->pointers, COLUMNS, ROWS, 50, false, NULL, &err))
        fail_msg("%s is not read as it was written: %s", path, err.text);
    memory_file_free(&now);
    memory_file_free(&then);
}

static void test_golden(void **state)
{
    (void)state;
    struct rows rows = {0};
    make_rows(&rows);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        check_one(&files[i], &rows);
    for (size_t i = 0; i < COLUMNS; i++)
        lx_column_free(&rows.columns[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
