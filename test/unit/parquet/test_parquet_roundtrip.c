/* What is written is read again: types x NULLs x patterns x encodings x codecs x page versions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "pq_support.h"

#include <stdio.h>
#include <string.h>

static const struct lx_parquet_field types[] = {
    {.name = "bool", .physical = LX_PARQUET_BOOLEAN},
    {.name = "int32", .physical = LX_PARQUET_INT32},
    {.name = "int8",
     .physical = LX_PARQUET_INT32,
     .logical = {.kind = LX_PARQUET_LOGICAL_INTEGER, .bits = 8, .is_signed = true}},
    {.name = "date", .physical = LX_PARQUET_INT32, .logical = {.kind = LX_PARQUET_LOGICAL_DATE}},
    {.name = "int64", .physical = LX_PARQUET_INT64},
    {.name = "millis",
     .physical = LX_PARQUET_INT64,
     .logical = {.kind = LX_PARQUET_LOGICAL_TIMESTAMP, .unit = LX_PARQUET_MILLIS, .utc = true}},
    {.name = "float", .physical = LX_PARQUET_FLOAT},
    {.name = "double", .physical = LX_PARQUET_DOUBLE},
    {.name = "binary", .physical = LX_PARQUET_BYTE_ARRAY},
    {.name = "string",
     .physical = LX_PARQUET_BYTE_ARRAY,
     .logical = {.kind = LX_PARQUET_LOGICAL_STRING}},
    {.name = "uuid",
     .physical = LX_PARQUET_FIXED_LEN_BYTE_ARRAY,
     .length = 16,
     .logical = {.kind = LX_PARQUET_LOGICAL_UUID}},
    {.name = "fixed5", .physical = LX_PARQUET_FIXED_LEN_BYTE_ARRAY, .length = 5},
    {.name = "decimal",
     .physical = LX_PARQUET_FIXED_LEN_BYTE_ARRAY,
     .length = 9,
     .logical = {.kind = LX_PARQUET_LOGICAL_DECIMAL, .precision = 20, .scale = 0}},
};
#define TYPES (sizeof types / sizeof types[0])

static const enum lx_parquet_encoding encodings[] = {LX_PARQUET_ENCODING_AUTO,
                                                     LX_PARQUET_PLAIN,
                                                     LX_PARQUET_RLE,
                                                     LX_PARQUET_RLE_DICTIONARY,
                                                     LX_PARQUET_DELTA_BINARY_PACKED,
                                                     LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY,
                                                     LX_PARQUET_DELTA_BYTE_ARRAY,
                                                     LX_PARQUET_BYTE_STREAM_SPLIT};

static const enum lx_parquet_codec codecs[] = {LX_PARQUET_CODEC_AUTO, LX_PARQUET_UNCOMPRESSED,
                                               LX_PARQUET_SNAPPY, LX_PARQUET_ZSTD,
                                               LX_PARQUET_LZ4_RAW};

/* All columns of a file that can take an encoding. */
/* How the file is cut. */
static int64_t row_group_rows = 1000, page_rows = 300;

static void check_case(enum lx_parquet_encoding encoding, enum lx_parquet_codec codec, bool page_v2,
                       enum pattern pattern, unsigned null_share, int64_t rows, bool as_dict)
{
    struct rng rng = {(uint64_t)encoding * 1000 + codec * 100 + page_v2 * 10 + pattern};
    struct lx_parquet_field fields[TYPES];
    struct lx_parquet_column_options column_options[TYPES] = {{0}};
    struct lx_column columns[TYPES], dicts[TYPES];
    const struct lx_column *plain[TYPES], *given[TYPES];
    size_t count = 0;
    for (size_t i = 0; i < TYPES; i++) {
        struct lx_parquet_writer *probe;
        struct lx_parquet_column_options one = {.encoding = encoding};
        struct lx_parquet_writer_options options = {.page_v2 = page_v2, .columns = &one};
        struct memory_file nowhere;
        memory_file_init(&nowhere);
        struct lx_parquet_sink sink = memory_sink(&nowhere);
        if (lx_parquet_writer_create(&types[i], 1, &options, &sink, NULL, &probe, NULL) != LX_OK)
            continue; /* the encoding does not fit the type */
        lx_parquet_writer_destroy(probe);
        fields[count] = types[i];
        fields[count].repetition = null_share != 0 ? LX_PARQUET_OPTIONAL : LX_PARQUET_REQUIRED;
        column_options[count].encoding = encoding;
        column_options[count].bloom = types[i].physical != LX_PARQUET_BOOLEAN;
        make_column(&columns[count], &types[i], pattern, null_share, rows, &rng);
        if (as_dict)
            make_dict(&dicts[count], &columns[count]);
        plain[count] = &columns[count];
        given[count] = as_dict ? &dicts[count] : &columns[count];
        count++;
    }
    struct lx_parquet_writer_options options = {.codec = codec,
                                                .page_v2 = page_v2,
                                                .row_group_rows = row_group_rows,
                                                .page_rows = page_rows,
                                                .dictionary_bytes = 2000,
                                                .columns = column_options};
    struct memory_file file;
    struct lx_err err = LX_ERR_INIT;
    memory_file_init(&file);
    if (count > 0) {
        write_file(&file, fields, count, &options, NULL, given, rows, 317);
        for (int dictionaries = 0; dictionaries < 2; dictionaries++) {
            bool ok = check_file(&file, plain, count, rows, 217, dictionaries, NULL, &err);
            if (!ok)
                print_error("encoding %s, codec %s, version %d, pattern %d, NULLs %u, dict %d/%d: "
                            "%s\n",
                            lx_parquet_encoding_name(encoding), lx_parquet_codec_name(codec),
                            page_v2 + 1, (int)pattern, null_share, as_dict, dictionaries, err.text);
            assert_true(ok);
        }
    }
    memory_file_free(&file);
    for (size_t i = 0; i < count; i++) {
        lx_column_free(&columns[i]);
        if (as_dict)
            lx_column_free(&dicts[i]);
    }
}

static void test_matrix(void **state)
{
    (void)state;
    static const unsigned shares[] = {0, 1, 60, 256};
    for (size_t e = 0; e < sizeof encodings / sizeof encodings[0]; e++)
        for (size_t c = 0; c < sizeof codecs / sizeof codecs[0]; c++)
            for (int v2 = 0; v2 < 2; v2++)
                for (int p = 0; p < PATTERN_LONG; p++)
                    for (size_t s = 0; s < sizeof shares / sizeof shares[0]; s++)
                        check_case(encodings[e], codecs[c], v2, (enum pattern)p, shares[s], 2345,
                                   false);
}

static void test_dict_input(void **state)
{
    (void)state;
    static const unsigned shares[] = {0, 60, 256};
    for (size_t e = 0; e < sizeof encodings / sizeof encodings[0]; e++)
        for (int p = 0; p < PATTERN_LONG; p++)
            for (size_t s = 0; s < sizeof shares / sizeof shares[0]; s++)
                check_case(encodings[e], LX_PARQUET_CODEC_AUTO, false, (enum pattern)p, shares[s],
                           2345, true);
}

static void test_long_texts(void **state)
{
    (void)state;
    for (size_t e = 0; e < sizeof encodings / sizeof encodings[0]; e++)
        check_case(encodings[e], LX_PARQUET_CODEC_AUTO, false, PATTERN_LONG, 30, 1500, false);
}

static void test_few_rows(void **state)
{
    (void)state;
    for (int64_t rows = 0; rows < 12; rows++)
        for (size_t e = 0; e < sizeof encodings / sizeof encodings[0]; e++)
            for (unsigned share = 0; share < 200; share += 100)
                check_case(encodings[e], LX_PARQUET_CODEC_AUTO, rows % 2 == 0, PATTERN_RANDOM,
                           share, rows, false);
}

/* Levels of a page are packed piece by piece: many runs of NULLs, long and short, in one page. */
static void test_large_pages(void **state)
{
    (void)state;
    static const unsigned shares[] = {1, 20, 60, 128, 250};
    row_group_rows = page_rows = 100000;
    for (int v2 = 0; v2 < 2; v2++)
        for (size_t s = 0; s < sizeof shares / sizeof shares[0]; s++)
            check_case(LX_PARQUET_ENCODING_AUTO, LX_PARQUET_CODEC_AUTO, v2, PATTERN_RANDOM,
                       shares[s], 20000, false);
    row_group_rows = 1000;
    page_rows = 300;
}

/* Lengths of texts go in front of them where there is room for that, which depends on the slices:
 * the file does not. */
static void test_text_slices(void **state)
{
    (void)state;
    enum { ROWS = 20000 };
    static const int64_t slices[] = {1, 40, 700, 5000, ROWS};
    const struct lx_parquet_field *string = NULL;
    struct lx_err err = LX_ERR_INIT;
    for (size_t i = 0; i < TYPES; i++)
        string = strcmp(types[i].name, "string") == 0 ? &types[i] : string;
    for (unsigned share = 0; share <= 30; share += 30)
        for (int p = 0; p < PATTERN_LONG; p++)
            for (int v2 = 0; v2 < 2; v2++) {
                struct rng rng = {(uint64_t)p + share};
                struct lx_column column;
                const struct lx_column *given = &column;
                struct lx_parquet_field field = *string;
                struct lx_parquet_column_options how = {
                    .encoding = LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY, .bloom = true};
                struct lx_parquet_writer_options options = {
                    .page_v2 = v2, .page_bytes = 200000, .columns = &how};
                struct memory_file first;
                field.repetition = share != 0 ? LX_PARQUET_OPTIONAL : LX_PARQUET_REQUIRED;
                make_column(&column, &field, (enum pattern)p, share, ROWS, &rng);
                memory_file_init(&first);
                for (size_t i = 0; i < sizeof slices / sizeof slices[0]; i++) {
                    struct memory_file file;
                    memory_file_init(&file);
                    write_file(i == 0 ? &first : &file, &field, 1, &options, NULL, &given, ROWS,
                               slices[i]);
                    if (i != 0) {
                        assert_int_equal(file.bytes.len, first.bytes.len);
                        assert_memory_equal(file.bytes.data, first.bytes.data, first.bytes.len);
                    }
                    memory_file_free(&file);
                }
                assert_true(check_file(&first, &given, 1, ROWS, 217, false, NULL, &err));
                memory_file_free(&first);
                lx_column_free(&column);
            }
}

/* Pages are encoded in rounds while rows go on: the file is the same whatever the threads and the
 * slices, also where a column begins with pages of nothing but NULLs. */
static void test_threads(void **state)
{
    (void)state;
    enum { ROWS = 40000, NULLS = 20000 };
    static const int64_t slices[] = {317, 5000, ROWS};
    struct lx_column columns[TYPES];
    const struct lx_column *given[TYPES];
    struct lx_parquet_field fields[TYPES];
    struct rng rng = {5};
    struct lx_err err = LX_ERR_INIT;
    struct lx_parquet_writer_options options = {
        .page_bytes = 4096, .dictionary_bytes = 2000, .pending_bytes = 64 * 1024};
    for (size_t i = 0; i < TYPES; i++) {
        fields[i] = types[i];
        fields[i].repetition = LX_PARQUET_OPTIONAL;
        make_column(&columns[i], &types[i], i % 2 == 0 ? PATTERN_FEW : PATTERN_RANDOM, 30, ROWS,
                    &rng);
        if (i % 3 == 0)
            memset(columns[i].nulls, 1, NULLS);
        given[i] = &columns[i];
    }
    struct memory_file first;
    memory_file_init(&first);
    write_file(&first, fields, TYPES, &options, NULL, given, ROWS, ROWS);
    assert_true(check_file(&first, given, TYPES, ROWS, 217, false, NULL, &err));
    for (size_t workers = 0; workers < 4; workers++) {
        struct lx_pool *pool;
        assert_int_equal(lx_pool_create(workers, &pool, &err), LX_OK);
        for (size_t s = 0; s < sizeof slices / sizeof slices[0]; s++) {
            struct memory_file file;
            memory_file_init(&file);
            write_file(&file, fields, TYPES, &options, pool, given, ROWS, slices[s]);
            assert_int_equal(file.bytes.len, first.bytes.len);
            assert_memory_equal(file.bytes.data, first.bytes.data, first.bytes.len);
            memory_file_free(&file);
        }
        /* Pages may be on their way when the sink fails, or when nobody wants the file any more. */
        for (int full = 0; full < 2; full++) {
            struct lx_parquet_writer *writer;
            struct memory_file file;
            memory_file_init(&file);
            file.fail_after = full ? 100000 : 0;
            struct lx_parquet_sink sink = memory_sink(&file);
            options.row_group_rows = 9000;
            assert_int_equal(
                lx_parquet_writer_create(fields, TYPES, &options, &sink, pool, &writer, &err),
                LX_OK);
            assert_int_equal(lx_parquet_writer_append(writer, given, 0, 30000, &err),
                             full ? LX_E_NOSPACE : LX_OK);
            lx_parquet_writer_destroy(writer);
            memory_file_free(&file);
            options.row_group_rows = 0;
        }
        lx_pool_destroy(pool);
    }
    memory_file_free(&first);
    for (size_t i = 0; i < TYPES; i++)
        lx_column_free(&columns[i]);
}

/* What one file's columns were chosen to be holds any other rows, too. */
static void test_choices(void **state)
{
    (void)state;
    struct lx_column columns[PATTERN_COUNT][TYPES];
    const struct lx_column *given[PATTERN_COUNT][TYPES];
    struct lx_parquet_field fields[TYPES];
    struct rng rng = {77};
    struct lx_err err = LX_ERR_INIT;
    for (size_t i = 0; i < TYPES; i++) {
        fields[i] = types[i];
        fields[i].repetition = LX_PARQUET_OPTIONAL;
        for (size_t p = 0; p < PATTERN_COUNT; p++) {
            make_column(&columns[p][i], &types[i], (enum pattern)p, p == 2 ? 255 : 30, 1500, &rng);
            given[p][i] = &columns[p][i];
        }
    }
    for (size_t p = 0; p < PATTERN_COUNT; p++) {
        struct lx_parquet_writer_options options = {.row_group_rows = 1000,
                                                    .dictionary_bytes = 2000};
        struct lx_parquet_choices *choices = NULL;
        struct lx_parquet_writer *writer;
        struct memory_file first;
        memory_file_init(&first);
        struct lx_parquet_sink sink = memory_sink(&first);
        assert_int_equal(
            lx_parquet_writer_create(fields, TYPES, &options, &sink, NULL, &writer, &err), LX_OK);
        assert_int_equal(lx_parquet_writer_append(writer, given[p], 0, 1500, &err), LX_OK);
        assert_int_equal(lx_parquet_writer_finish(writer, NULL, &err), LX_OK);
        assert_int_equal(lx_parquet_writer_choices(writer, &choices, &err), LX_OK);
        lx_parquet_writer_destroy(writer);
        options.choices = choices;
        for (size_t q = 0; q < PATTERN_COUNT; q++) {
            struct memory_file next;
            memory_file_init(&next);
            write_file(&next, fields, TYPES, &options, NULL, given[q], 1500, 317);
            assert_true(check_file(&next, given[q], TYPES, 1500, 217, false, NULL, &err));
            if (p == q) /* as good as what was tried: within a tenth */
                assert_true(next.bytes.len <= first.bytes.len + first.bytes.len / 10);
            memory_file_free(&next);
        }
        assert_int_equal(
            lx_parquet_writer_create(fields, TYPES - 1, &options, &sink, NULL, &writer, &err),
            LX_E_ARGUMENT);
        lx_parquet_choices_free(choices);
        memory_file_free(&first);
    }
    for (size_t i = 0; i < TYPES; i++)
        for (size_t p = 0; p < PATTERN_COUNT; p++)
            lx_column_free(&columns[p][i]);
}

/* What the only column chunk of rows that are made here has become. */
static struct lx_parquet_chunk written(const struct lx_parquet_field *field,
                                       const struct lx_column *column)
{
    struct lx_parquet_writer *writer;
    const struct lx_parquet_file_info *info;
    struct lx_err err = LX_ERR_INIT;
    struct memory_file file;
    memory_file_init(&file);
    struct lx_parquet_sink sink = memory_sink(&file);
    struct lx_parquet_writer_options options = {0};
    assert_int_equal(lx_parquet_writer_create(field, 1, &options, &sink, NULL, &writer, &err),
                     LX_OK);
    assert_int_equal(lx_parquet_writer_append(writer, &column, 0, column->rows, &err), LX_OK);
    assert_int_equal(lx_parquet_writer_finish(writer, &info, &err), LX_OK);
    lx_parquet_writer_destroy(writer);
    assert_true(check_file(&file, &column, 1, column->rows, 217, false, NULL, &err));
    struct lx_parquet_reader *reader;
    struct lx_parquet_source source = memory_source(&file);
    assert_int_equal(lx_parquet_reader_open(&source, NULL, &reader, &err), LX_OK);
    struct lx_parquet_chunk chunk = lx_parquet_reader_metadata(reader)->row_groups[0].chunks[0];
    lx_parquet_reader_close(reader);
    memory_file_free(&file);
    return chunk;
}

/* Sorted keys are long runs: their dictionary costs the writer next to nothing, and is what readers
 * are fastest at. */
static void test_runs_are_numbered(void **state)
{
    (void)state;
    const struct lx_parquet_field field = {.name = "key", .physical = LX_PARQUET_BYTE_ARRAY};
    struct lx_column column;
    lx_column_init(&column, LX_COLUMN_BYTES, 0);
    for (int i = 0; i < 100000; i++) {
        char text[32];
        int size = snprintf(text, sizeof text, "project-%05d", i / 9000);
        assert_int_equal(lx_column_append(&column, text, (size_t)size), LX_OK);
    }
    struct lx_parquet_chunk chunk = written(&field, &column);
    assert_true((chunk.encodings >> LX_PARQUET_RLE_DICTIONARY & 1) != 0);
    assert_true((chunk.encodings >> LX_PARQUET_DELTA_BYTE_ARRAY & 1) == 0);
    assert_true(chunk.bytes < 1000);
    lx_column_free(&column);
}

/* The first values are all the same, as nothing that compresses: those behind them do. */
static void test_few_bytes_decide_nothing(void **state)
{
    (void)state;
    const struct lx_parquet_field field = {.name = "cost", .physical = LX_PARQUET_DOUBLE};
    struct lx_column column;
    struct rng rng = {3};
    lx_column_init(&column, LX_COLUMN_FIXED, 8);
    for (int i = 0; i < 120000; i++) {
        double value = i < 40000 || rng_below(&rng, 8) != 0 ? 0 : (double)rng_below(&rng, 500);
        assert_int_equal(lx_column_append(&column, &value, sizeof value), LX_OK);
    }
    struct lx_parquet_chunk chunk = written(&field, &column);
    assert_int_equal(chunk.codec, LX_PARQUET_ZSTD);
    assert_true(chunk.bytes < chunk.raw_bytes / 2);
    lx_column_free(&column);
    /* Nothing is to come behind a single row. */
    lx_column_init(&column, LX_COLUMN_FIXED, 8);
    assert_int_equal(lx_column_append(&column, &(double){1.5}, sizeof(double)), LX_OK);
    assert_int_equal(written(&field, &column).codec, LX_PARQUET_UNCOMPRESSED);
    lx_column_free(&column);
    /* Much that does not shrink shows that the rest will not. */
    lx_column_init(&column, LX_COLUMN_FIXED, 8);
    for (int i = 0; i < 120000; i++) {
        uint64_t bits = rng_next(&rng) >> 12 | (uint64_t)0x3ff << 52;
        assert_int_equal(lx_column_append(&column, &bits, sizeof bits), LX_OK);
    }
    const struct lx_parquet_field plain = {.name = "noise", .physical = LX_PARQUET_INT64};
    assert_int_equal(written(&plain, &column).codec, LX_PARQUET_UNCOMPRESSED);
    lx_column_free(&column);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_rows),          cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_dict_input),        cmocka_unit_test(test_matrix),
        cmocka_unit_test(test_large_pages),       cmocka_unit_test(test_threads),
        cmocka_unit_test(test_choices),           cmocka_unit_test(test_text_slices),
        cmocka_unit_test(test_runs_are_numbered), cmocka_unit_test(test_few_bytes_decide_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
