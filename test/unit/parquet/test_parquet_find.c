/* Finding rows without decoding: for every type, range and equality, exactly the pages are left
 * whose bounds meet the predicate, as a comparison of all values of its own says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "pq_support.h"

#include <math.h>
#include <stdio.h>

#define ROWS 1000
#define GROUP 400
#define PAGE 50
#define OPTIONAL .repetition = LX_PARQUET_OPTIONAL
#define UNSIGNED(n) .logical = {.kind = LX_PARQUET_LOGICAL_INTEGER, .bits = (n)}
#define FIXED .physical = LX_PARQUET_FIXED_LEN_BYTE_ARRAY

enum leaves { BOOL, I32, U32, DATE, I64, U64, FLOAT, DOUBLE, TEXT, RAW, FIXED5, DECIMAL, UUID };

static const struct lx_parquet_field fields[] = {
    [BOOL] = {.name = "bool", .physical = LX_PARQUET_BOOLEAN, OPTIONAL},
    [I32] = {.name = "i32", .physical = LX_PARQUET_INT32, OPTIONAL},
    [U32] = {.name = "u32", .physical = LX_PARQUET_INT32, UNSIGNED(32)},
    [DATE] = {.name = "date",
              .physical = LX_PARQUET_INT32,
              OPTIONAL,
              .logical = {.kind = LX_PARQUET_LOGICAL_DATE}},
    [I64] = {.name = "i64", .physical = LX_PARQUET_INT64},
    [U64] = {.name = "u64", .physical = LX_PARQUET_INT64, UNSIGNED(64), OPTIONAL},
    [FLOAT] = {.name = "float", .physical = LX_PARQUET_FLOAT, OPTIONAL},
    [DOUBLE] = {.name = "double", .physical = LX_PARQUET_DOUBLE},
    [TEXT] = {.name = "text",
              .physical = LX_PARQUET_BYTE_ARRAY,
              OPTIONAL,
              .logical = {.kind = LX_PARQUET_LOGICAL_STRING}},
    [RAW] = {.name = "raw", .physical = LX_PARQUET_BYTE_ARRAY},
    [FIXED5] = {.name = "fixed5", FIXED, .length = 5, OPTIONAL},
    [DECIMAL] = {.name = "decimal",
                 FIXED,
                 .length = 9,
                 .logical = {.kind = LX_PARQUET_LOGICAL_DECIMAL, .precision = 20}},
    [UUID] = {.name = "uuid",
              FIXED,
              .length = 16,
              OPTIONAL,
              .logical = {.kind = LX_PARQUET_LOGICAL_UUID}},
};
#define COLUMNS (sizeof fields / sizeof fields[0])

static struct lx_column columns[COLUMNS];
static const struct lx_column *pointers[COLUMNS];

/* Numbers rise from page to page, with some noise, from below zero to above. */
static size_t make_value(char *value, enum leaves leaf, int64_t row, struct rng *rng)
{
    int64_t n = (row / PAGE - 10) * 1000 + (int64_t)rng_below(rng, 1500);
    float f = (float)n / 8;
    double d = (double)n / 8;
    int32_t small = (int32_t)n;
    switch (leaf) {
    case BOOL: value[0] = row % (4 * PAGE) >= 2 * PAGE && n % 2 == 0; return 1;
    case FLOAT: memcpy(value, &f, sizeof f); return sizeof f;
    case DOUBLE: memcpy(value, &d, sizeof d); return sizeof d;
    case TEXT: return (size_t)snprintf(value, 64, "%06lld", (long long)n + 20000);
    case RAW: value[0] = (char)(n / 100); return (size_t)(row % 3);
    case DECIMAL:
        memset(value, n < 0 ? 0xff : 0, 9);
        for (int i = 0; i < 4; i++)
            value[8 - i] = (char)(n >> 8 * i);
        return 9;
    case I32:
    case U32:
    case DATE: memcpy(value, &small, sizeof small); return sizeof small;
    case I64:
    case U64: memcpy(value, &n, sizeof n); return sizeof n;
    case FIXED5:
    case UUID: break;
    }
    snprintf(value, 17, "%016lld", (long long)n + 90000);
    memcpy(value, value + 11, 5);
    return leaf == UUID ? 16 : 5;
}

/* Pages of nothing but NULLs; NaNs here and there, in pages of nothing else, and in the last row
 * group only; zeros of both signs. */
static bool make_special(char *value, enum leaves leaf, int64_t row)
{
    float f = row % 2 == 0 ? 0.0f : -0.0f;
    double d = row % 2 == 0 ? 0.0 : -0.0;
    if (row % 7 == 3 || row >= 2 * GROUP || row / PAGE == 13)
        f = NAN, d = NAN;
    else if (row % 11 != 5)
        return false;
    memcpy(value, leaf == FLOAT ? (void *)&f : (void *)&d, leaf == FLOAT ? sizeof f : sizeof d);
    return leaf == FLOAT || leaf == DOUBLE;
}

static int make_rows(void **state)
{
    (void)state;
    struct rng rng = {3};
    char value[64] = {0};
    for (size_t leaf = 0; leaf < COLUMNS; leaf++) {
        bool text = fields[leaf].physical == LX_PARQUET_BYTE_ARRAY;
        size_t width = make_value(value, (enum leaves)leaf, 0, &rng);
        lx_column_init(&columns[leaf], text ? LX_COLUMN_BYTES : LX_COLUMN_FIXED,
                       text ? 0 : (uint32_t)width);
        for (int64_t row = 0; row < ROWS; row++) {
            bool optional = fields[leaf].repetition == LX_PARQUET_OPTIONAL;
            size_t size = make_value(value, (enum leaves)leaf, row, &rng);
            make_special(value, (enum leaves)leaf, row);
            enum lx_status status = optional && (row % 9 == 1 || row / PAGE == 2)
                                        ? lx_column_append_null(&columns[leaf])
                                        : lx_column_append(&columns[leaf], value, size);
            assert_int_equal(status, LX_OK);
        }
        pointers[leaf] = &columns[leaf];
    }
    return 0;
}

static int free_rows(void **state)
{
    (void)state;
    for (size_t leaf = 0; leaf < COLUMNS; leaf++)
        lx_column_free(&columns[leaf]);
    return 0;
}

/* -- what should be found ------------------------------------------------------------------ */

#define SIGN(a, b) (((a) > (b)) - ((a) < (b)))

/* These are small: the upper bytes are nothing but the sign. */
static int64_t decimal_of(struct lx_str value)
{
    uint64_t n = 0;
    for (size_t i = 1; i < value.len; i++)
        n = n << 8 | (uint8_t)value.ptr[i];
    return (int64_t)n;
}

/* NaN is neither below nor above anything. */
static int compare(enum leaves leaf, struct lx_str a, struct lx_str b)
{
    int64_t x = 0, y = 0;
    float f, g;
    double d, e;
    switch (leaf) {
    case FLOAT:
        memcpy(&f, a.ptr, sizeof f);
        memcpy(&g, b.ptr, sizeof g);
        return SIGN(f, g);
    case DOUBLE:
        memcpy(&d, a.ptr, sizeof d);
        memcpy(&e, b.ptr, sizeof e);
        return SIGN(d, e);
    case DECIMAL: return SIGN(decimal_of(a), decimal_of(b));
    case TEXT:
    case RAW:
    case FIXED5: {
        int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
        return order != 0 ? order : SIGN(a.len, b.len);
    }
    default: break;
    }
    memcpy(&x, a.ptr, a.len);
    memcpy(&y, b.ptr, b.len);
    if (leaf == I32 || leaf == DATE)
        return SIGN((int32_t)x, (int32_t)y);
    return leaf == I64 ? SIGN(x, y) : SIGN((uint64_t)x, (uint64_t)y);
}

static bool is_nan_value(enum leaves leaf, struct lx_str value)
{
    float f;
    double d;
    if (leaf == FLOAT)
        return memcpy(&f, value.ptr, sizeof f), isnan(f);
    return leaf == DOUBLE && (memcpy(&d, value.ptr, sizeof d), isnan(d));
}

struct span {
    int64_t nulls;
    bool bounded;
    struct lx_str min, max;
};

static struct span span_of(enum leaves leaf, int64_t from, int64_t to)
{
    struct span span = {.nulls = 0};
    for (int64_t row = from; row < to; row++) {
        struct lx_str value = lx_column_value(&columns[leaf], row);
        span.nulls += lx_column_is_null(&columns[leaf], row);
        if (lx_column_is_null(&columns[leaf], row) || is_nan_value(leaf, value) || leaf == UUID)
            continue;
        if (!span.bounded || compare(leaf, value, span.min) < 0)
            span.min = value;
        if (!span.bounded || compare(leaf, value, span.max) > 0)
            span.max = value;
        span.bounded = true;
    }
    return span;
}

static bool meets(const struct lx_parquet_predicate *predicate, const struct span *span)
{
    enum leaves leaf = (enum leaves)predicate->leaf;
    return !span->bounded ||
           ((!predicate->has_high || compare(leaf, predicate->high, span->min) >= 0) &&
            (!predicate->has_low || compare(leaf, predicate->low, span->max) <= 0));
}

static bool matches(const struct lx_parquet_predicate *predicate, int64_t row)
{
    enum leaves leaf = (enum leaves)predicate->leaf;
    struct lx_str value = lx_column_value(&columns[leaf], row);
    if (lx_column_is_null(&columns[leaf], row) || is_nan_value(leaf, value))
        return false;
    if (leaf == UUID)
        return predicate->has_low && predicate->has_high && lx_str_equal(value, predicate->low) &&
               lx_str_equal(value, predicate->high);
    return (!predicate->has_low || compare(leaf, value, predicate->low) >= 0) &&
           (!predicate->has_high || compare(leaf, value, predicate->high) <= 0);
}

enum kept { PAGES, GROUPS, ALL }; /* what the file knows bounds of */

/* Marks the rows that bounds cannot leave out. A column index tells the bounds of all pages with
 * values, or there is none: where a page holds nothing but NaNs. */
static void expect(const struct lx_parquet_predicate *predicate, enum kept kept, bool *rows)
{
    enum leaves leaf = (enum leaves)predicate->leaf;
    for (int64_t at = 0; at < ROWS; at += GROUP) {
        int64_t end = at + GROUP < ROWS ? at + GROUP : ROWS;
        struct span group = span_of(leaf, at, end);
        bool in_group = group.nulls < end - at && (kept == ALL || meets(predicate, &group));
        bool indexed = kept == PAGES && leaf != UUID;
        for (int64_t page = at; page < end; page += PAGE) {
            struct span span = span_of(leaf, page, page + PAGE);
            indexed &= span.bounded || span.nulls == PAGE;
        }
        for (int64_t page = at; page < end; page += PAGE) {
            struct span span = span_of(leaf, page, page + PAGE);
            bool in_page = !indexed || (span.nulls < PAGE && meets(predicate, &span));
            for (int64_t row = page; row < page + PAGE; row++)
                rows[row] = in_group && in_page;
        }
    }
}

/* -- asking -------------------------------------------------------------------------------- */

static void mark(const struct lx_parquet_rows *ranges, size_t count, bool *rows)
{
    int64_t before = -1;
    memset(rows, 0, ROWS * sizeof *rows);
    for (size_t i = 0; i < count; i++) {
        assert_true(ranges[i].from > before && ranges[i].from < ranges[i].to &&
                    ranges[i].to <= ROWS);
        for (int64_t row = ranges[i].from; row < ranges[i].to; row++)
            rows[row] = true;
        before = ranges[i].to; /* ranges that touch would be one */
    }
}

static void check_predicate(const struct lx_parquet_reader *reader,
                            const struct lx_parquet_predicate *predicate, enum kept kept,
                            bool bloom)
{
    bool expected[ROWS], got[ROWS];
    struct lx_parquet_rows *ranges = NULL;
    size_t count = 0;
    struct lx_err err = LX_ERR_INIT;
    const char *name = fields[predicate->leaf].name;
    if (lx_parquet_reader_find(reader, predicate, &ranges, &count, &err) != LX_OK)
        fail_msg("%s: %s", name, err.text);
    expect(predicate, kept, expected);
    mark(ranges, count, got);
    lx_free(ranges);
    for (int64_t row = 0; row < ROWS; row++) {
        if (matches(predicate, row) && !got[row])
            fail_msg("%s: row %lld matches and was left out", name, (long long)row);
        if (got[row] != expected[row] && !(bloom && expected[row]))
            fail_msg("%s: row %lld: %d, not %d (low %d, high %d)", name, (long long)row, got[row],
                     expected[row], predicate->has_low, predicate->has_high);
    }
}

static void check_leaf(const struct lx_parquet_reader *reader, uint32_t leaf, enum kept kept,
                       bool bloom)
{
    for (int64_t row = 0; row < ROWS; row += 83) {
        for (int64_t other = row; other < ROWS; other += 271) {
            struct lx_parquet_predicate predicate = {.leaf = leaf};
            predicate.low = lx_column_value(&columns[leaf], row);
            predicate.high = lx_column_value(&columns[leaf], other);
            for (unsigned ends = 0; ends < 4; ends++) {
                predicate.has_low = ends & 1;
                predicate.has_high = ends & 2;
                check_predicate(reader, &predicate, kept, bloom);
            }
        }
    }
}

static void check_options(const struct lx_parquet_writer_options *how, bool no_bounds, bool bloom)
{
    struct lx_parquet_column_options column_options[COLUMNS];
    struct lx_parquet_writer_options options = *how;
    struct memory_file file;
    struct lx_err err = LX_ERR_INIT;
    struct lx_parquet_reader *reader;
    memory_file_init(&file);
    for (size_t i = 0; i < COLUMNS; i++)
        column_options[i] =
            (struct lx_parquet_column_options){.no_bounds = no_bounds, .bloom = bloom};
    options.columns = column_options;
    options.row_group_rows = GROUP;
    options.page_rows = PAGE;
    write_file(&file, fields, COLUMNS, &options, NULL, pointers, ROWS, 130);
    struct lx_parquet_source source = memory_source(&file);
    assert_int_equal(lx_parquet_reader_open(&source, NULL, &reader, &err), LX_OK);
    for (uint32_t leaf = 0; leaf < COLUMNS; leaf++)
        check_leaf(reader, leaf, no_bounds ? ALL : options.no_page_index ? GROUPS : PAGES, bloom);
    lx_parquet_reader_close(reader);
    memory_file_free(&file);
}

static void test_pages(void **state)
{
    (void)state;
    check_options(&(struct lx_parquet_writer_options){.page_v2 = false}, false, false);
    check_options(&(struct lx_parquet_writer_options){.page_v2 = true}, false, false);
    check_options(&(struct lx_parquet_writer_options){.profile = LX_PARQUET_COMPAT}, false, false);
}

static void test_groups(void **state)
{
    (void)state;
    check_options(&(struct lx_parquet_writer_options){.no_page_index = true}, false, false);
}

static void test_no_bounds(void **state)
{
    (void)state;
    check_options(&(struct lx_parquet_writer_options){.no_page_index = true}, true, false);
    check_options(&(struct lx_parquet_writer_options){.page_v2 = true}, true, false);
}

static void test_with_bloom(void **state)
{
    (void)state;
    check_options(&(struct lx_parquet_writer_options){.page_v2 = false}, false, true);
    check_options(&(struct lx_parquet_writer_options){.no_page_index = true}, true, true);
}

/* -- Bloom filters ------------------------------------------------------------------------- */

struct bloom_file {
    struct memory_file file;
    struct lx_parquet_source source;
    struct lx_parquet_reader *reader;
    const struct lx_parquet_chunk *chunk;
};

/* Only the file's column U64, with a Bloom filter, in one row group. */
static void open_bloom(struct bloom_file *bloom)
{
    static const struct lx_parquet_column_options option = {.bloom = true};
    struct lx_parquet_writer_options options = {.columns = &option};
    struct lx_err err = LX_ERR_INIT;
    memory_file_init(&bloom->file);
    write_file(&bloom->file, &fields[U64], 1, &options, NULL, &pointers[U64], ROWS, ROWS);
    bloom->source = memory_source(&bloom->file);
    assert_int_equal(lx_parquet_reader_open(&bloom->source, NULL, &bloom->reader, &err), LX_OK);
    bloom->chunk = &lx_parquet_reader_metadata(bloom->reader)->row_groups[0].chunks[0];
    assert_true(bloom->chunk->bloom_offset > 0 && bloom->chunk->bloom_bytes > 32);
}

static void close_bloom(struct bloom_file *bloom)
{
    lx_parquet_reader_close(bloom->reader);
    memory_file_free(&bloom->file);
}

static void test_bloom_values(void **state)
{
    (void)state;
    struct bloom_file bloom;
    size_t false_positives = 0;
    bool maybe;
    open_bloom(&bloom);
    int64_t at = bloom.chunk->bloom_offset;
    for (int64_t row = 0; row < ROWS; row++) {
        if (lx_column_is_null(&columns[U64], row))
            continue;
        maybe = false;
        assert_int_equal(lx_parquet_bloom_probe(&bloom.source, at,
                                                row % 2 ? -1 : bloom.chunk->bloom_bytes,
                                                lx_column_value(&columns[U64], row), &maybe, NULL),
                         LX_OK);
        assert_true(maybe);
    }
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t absent = i << 32 | 0x80000000;
        struct lx_str value = {(const char *)&absent, sizeof absent};
        assert_int_equal(lx_parquet_bloom_probe(&bloom.source, at, -1, value, &maybe, NULL), LX_OK);
        false_positives += maybe;
    }
    assert_true(false_positives < 40); /* about 1 % */
    close_bloom(&bloom);
}

/* What bounds would keep, a filter may still leave out. */
static void test_bloom_leaves_out(void **state)
{
    (void)state;
    struct bloom_file bloom;
    struct lx_parquet_rows *ranges;
    size_t count, found = 0;
    open_bloom(&bloom);
    for (uint64_t i = 0; i < 200; i++) {
        uint64_t absent = (i + 1) << 32 | 0x80000000;
        struct lx_str value = {(const char *)&absent, sizeof absent};
        struct lx_parquet_predicate equal = {0, true, true, value, value};
        assert_int_equal(lx_parquet_reader_find(bloom.reader, &equal, &ranges, &count, NULL),
                         LX_OK);
        found += count != 0;
        lx_free(ranges);
    }
    assert_true(found < 10);
    close_bloom(&bloom);
}

static void check_probe(struct bloom_file *bloom, int64_t offset, int32_t bytes,
                        enum lx_status expected, const char *text)
{
    bool maybe = true;
    struct lx_err err = LX_ERR_INIT;
    assert_int_equal(
        lx_parquet_bloom_probe(&bloom->source, offset, bytes, LX_STR("12345678"), &maybe, &err),
        expected);
    assert_string_equal(err.text, text);
}

static void test_bloom_broken(void **state)
{
    (void)state;
    struct bloom_file bloom;
    open_bloom(&bloom);
    int64_t at = bloom.chunk->bloom_offset, end = bloom.source.size;
    int32_t bytes = bloom.chunk->bloom_bytes;
    char text[128];
    check_probe(&bloom, 0, bytes, LX_E_FORMAT, "a Bloom filter outside of the file");
    check_probe(&bloom, end, bytes, LX_E_FORMAT, "a Bloom filter outside of the file");
    int filter = bytes & ~31;
    snprintf(text, sizeof text, "a Bloom filter of %d bytes does not fit its place", filter);
    check_probe(&bloom, at, bytes + 1, LX_E_FORMAT, text);
    bloom.source.size = at + bytes - 1;
    check_probe(&bloom, at, -1, LX_E_FORMAT, text);
    bloom.source.size = at + 4; /* not even a header */
    check_probe(&bloom, at, -1, LX_E_FORMAT, "broken Bloom filter header: metadata ends early");
    bloom.source.size = end;
    uint8_t *header = bloom.file.bytes.data + at, was = header[0];
    header[0] = 0x1c; /* a struct where the size should be */
    struct lx_err err = LX_ERR_INIT;
    bool maybe;
    assert_int_equal(
        lx_parquet_bloom_probe(&bloom.source, at, -1, LX_STR("12345678"), &maybe, &err),
        LX_E_FORMAT);
    header[0] = was;
    bloom.file.bytes.len = (size_t)at + 40; /* the source ends within the filter */
    assert_int_equal(
        lx_parquet_bloom_probe(&bloom.source, at, -1, LX_STR("12345678"), &maybe, &err), LX_E_IO);
    close_bloom(&bloom);
}

/* -- refusals ------------------------------------------------------------------------------ */

static void test_wrong_questions(void **state)
{
    (void)state;
    struct bloom_file bloom;
    struct lx_parquet_rows *ranges;
    struct lx_parquet_page_index index;
    size_t count;
    struct lx_err err = LX_ERR_INIT;
    open_bloom(&bloom);
    struct lx_parquet_predicate predicate = {.leaf = 1};
    assert_int_equal(lx_parquet_reader_find(bloom.reader, &predicate, &ranges, &count, &err),
                     LX_E_ARGUMENT);
    assert_string_equal(err.text, "the file has no column number 1");
    predicate = (struct lx_parquet_predicate){0, true, false, LX_STR("1234567"), LX_STR("")};
    assert_int_equal(lx_parquet_reader_find(bloom.reader, &predicate, &ranges, &count, &err),
                     LX_E_ARGUMENT);
    assert_string_equal(err.text, "column \"u64\": a bound is not 8 bytes long");
    predicate = (struct lx_parquet_predicate){0, false, true, LX_STR(""), LX_STR("123456789")};
    assert_int_equal(lx_parquet_reader_find(bloom.reader, &predicate, &ranges, &count, &err),
                     LX_E_ARGUMENT);
    assert_int_equal(lx_parquet_reader_page_index(bloom.reader, 1, 0, &index, &err), LX_E_ARGUMENT);
    assert_string_equal(err.text, "no column 0 in row group 1");
    assert_int_equal(lx_parquet_reader_page_index(bloom.reader, 0, 1, &index, &err), LX_E_ARGUMENT);
    assert_string_equal(err.text, "no column 1 in row group 0");
    close_bloom(&bloom);
}

static void test_damaged_index(void **state)
{
    (void)state;
    struct bloom_file bloom;
    struct lx_parquet_rows *ranges;
    struct lx_parquet_page_index index;
    size_t count;
    open_bloom(&bloom);
    const int64_t places[] = {bloom.chunk->offset_index_offset, bloom.chunk->column_index_offset};
    for (size_t i = 0; i < 2; i++) {
        struct lx_err err = LX_ERR_INIT;
        struct lx_parquet_predicate all = {.leaf = 0};
        uint8_t *byte = bloom.file.bytes.data + places[i] + 3;
        *byte ^= 1;
        assert_int_equal(lx_parquet_reader_page_index(bloom.reader, 0, 0, &index, &err),
                         LX_E_CORRUPT);
        assert_string_equal(err.text,
                            "row group 0, column \"u64\": the page index's checksum differs");
        assert_int_equal(lx_parquet_reader_find(bloom.reader, &all, &ranges, &count, NULL),
                         LX_E_CORRUPT);
        *byte ^= 1;
        assert_int_equal(lx_parquet_reader_find(bloom.reader, &all, &ranges, &count, NULL), LX_OK);
        assert_int_equal(count, 1);
        lx_free(ranges);
    }
    close_bloom(&bloom);
}

/* Without checksums, an index that any bytes make is refused or is one. */
static void test_changed_index(void **state)
{
    (void)state;
    struct lx_parquet_writer_options options = {.page_rows = 200, .no_crc = true};
    struct memory_file file;
    struct lx_err err = LX_ERR_INIT;
    struct lx_parquet_reader *reader;
    memory_file_init(&file);
    write_file(&file, &fields[I64], 1, &options, NULL, &pointers[I64], ROWS, ROWS);
    struct lx_parquet_source source = memory_source(&file);
    assert_int_equal(lx_parquet_reader_open(&source, NULL, &reader, &err), LX_OK);
    const struct lx_parquet_chunk *chunk =
        &lx_parquet_reader_metadata(reader)->row_groups[0].chunks[0];
    assert_true(chunk->column_index_offset > 0);
    size_t from = (size_t)chunk->column_index_offset, refused = 0;
    size_t to = (size_t)chunk->offset_index_offset + (size_t)chunk->offset_index_bytes;
    for (size_t at = from; at < to; at++) {
        uint8_t was = file.bytes.data[at];
        for (unsigned now = 0; now < 256; now++) {
            struct lx_parquet_page_index index;
            file.bytes.data[at] = (uint8_t)now;
            lx_err_clear(&err);
            enum lx_status status = lx_parquet_reader_page_index(reader, 0, 0, &index, &err);
            refused += status != LX_OK;
            if (status != LX_OK) {
                assert_true(status == LX_E_FORMAT && err.text[0] != 0);
                continue;
            }
            int64_t rows = 0;
            for (size_t i = 0; i < index.page_count; i++) {
                assert_int_equal(index.pages[i].first_row, rows);
                rows += index.pages[i].rows;
            }
            assert_true(rows == ROWS || index.page_count == 0);
            lx_parquet_page_index_free(&index);
        }
        file.bytes.data[at] = was;
    }
    lx_parquet_reader_close(reader);
    memory_file_free(&file);
    assert_true(refused > 256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages),         cmocka_unit_test(test_groups),
        cmocka_unit_test(test_no_bounds),     cmocka_unit_test(test_with_bloom),
        cmocka_unit_test(test_bloom_values),  cmocka_unit_test(test_bloom_leaves_out),
        cmocka_unit_test(test_bloom_broken),  cmocka_unit_test(test_wrong_questions),
        cmocka_unit_test(test_damaged_index), cmocka_unit_test(test_changed_index),
    };
    return cmocka_run_group_tests(tests, make_rows, free_rows);
}
