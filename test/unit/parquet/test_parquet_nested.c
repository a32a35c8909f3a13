/* Structs, lists, maps, lists of lists: random rows as levels, written in any slices, read back in
 * any batches, level by level and value by value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "pq_support.h"

#define OPTIONAL .repetition = LX_PARQUET_OPTIONAL
#define REPEATED .repetition = LX_PARQUET_REPEATED
#define TEXT .physical = LX_PARQUET_BYTE_ARRAY, .logical = {.kind = LX_PARQUET_LOGICAL_STRING}
#define LIST .logical = {.kind = LX_PARQUET_LOGICAL_LIST}
#define MAP .logical = {.kind = LX_PARQUET_LOGICAL_MAP}

static const struct lx_parquet_field fields[] = {
    {.name = "id", .physical = LX_PARQUET_INT32},
    {.name = "s", OPTIONAL, .children = 3},
    {.name = "a", OPTIONAL, .physical = LX_PARQUET_INT64},
    {.name = "b", TEXT},
    {.name = "inner", OPTIONAL, .children = 1},
    {.name = "c", OPTIONAL, .physical = LX_PARQUET_BOOLEAN},
    {.name = "l", OPTIONAL, .children = 1, LIST},
    {.name = "list", REPEATED, .children = 1},
    {.name = "element", OPTIONAL, TEXT},
    {.name = "m", OPTIONAL, .children = 1, MAP},
    {.name = "key_value", REPEATED, .children = 2},
    {.name = "key", TEXT},
    {.name = "value", OPTIONAL, .physical = LX_PARQUET_DOUBLE},
    {.name = "ll", .children = 1, LIST},
    {.name = "list", REPEATED, .children = 1},
    {.name = "element", OPTIONAL, .children = 1, LIST},
    {.name = "list", REPEATED, .children = 1},
    {.name = "element", .physical = LX_PARQUET_INT32},
};
#define FIELDS (sizeof fields / sizeof fields[0])
#define LEAVES 8
#define FLAT_OPTIONAL 2 /* s.b */

struct leaf {
    struct lx_column values;
    struct lx_buf definition, repetition;
    struct lx_buf starts; /* of each row: its first level and value, int64_t */
};

struct rows {
    struct leaf leaves[LEAVES];
    int64_t count;
    struct rng rng;
};

/* -- random rows ----------------------------------------------------------------------------- */

static void must(enum lx_status status)
{
    assert_int_equal(status, LX_OK);
}

static void put_level(struct leaf *leaf, unsigned definition, unsigned repetition)
{
    must(lx_buf_byte(&leaf->definition, (uint8_t)definition));
    must(lx_buf_byte(&leaf->repetition, (uint8_t)repetition));
}

static void put_value(struct rows *rows, struct leaf *leaf, const struct lx_parquet_field *field)
{
    char text[64];
    uint64_t random = rng_next(&rows->rng);
    size_t size = 0;
    switch (field->physical) {
    case LX_PARQUET_BOOLEAN:
        text[0] = (char)(random & 1);
        size = 1;
        break;
    case LX_PARQUET_INT32: size = 4; break;
    case LX_PARQUET_BYTE_ARRAY:
        size = (size_t)snprintf(text, sizeof text, "v%llu", (unsigned long long)(random % 3000));
        break;
    default: size = 8; break;
    }
    if (field->physical != LX_PARQUET_BYTE_ARRAY && field->physical != LX_PARQUET_BOOLEAN)
        memcpy(text, &random, size);
    must(lx_column_append(&leaf->values, text, size));
}

/* One value of the field and all below it; the number of the field behind. `there`: is what is
 * above it there? */
static size_t put_field(struct rows *rows, size_t i, size_t *leaf, unsigned definition,
                        unsigned repetition, unsigned depth, bool there);

static size_t put_children(struct rows *rows, size_t i, size_t *leaf, unsigned definition,
                           unsigned repetition, unsigned depth, bool there)
{
    size_t next = i + 1;
    for (uint32_t n = 0; n < fields[i].children; n++)
        next = put_field(rows, next, leaf, definition, repetition, depth, there);
    return next;
}

static size_t put_repeated(struct rows *rows, size_t i, size_t *leaf, unsigned definition,
                           unsigned repetition, unsigned depth)
{
    uint64_t count = rng_below(&rows->rng, 8) < 7 ? rng_below(&rows->rng, 4) : 40;
    size_t first = *leaf, next = 0;
    if (count == 0)
        return put_children(rows, i, leaf, definition, repetition, depth + 1, false);
    for (uint64_t n = 0; n < count; n++) {
        *leaf = first;
        next = put_children(rows, i, leaf, definition + 1, n == 0 ? repetition : depth + 1,
                            depth + 1, true);
    }
    return next;
}

static size_t put_field(struct rows *rows, size_t i, size_t *leaf, unsigned definition,
                        unsigned repetition, unsigned depth, bool there)
{
    const struct lx_parquet_field *field = &fields[i];
    if (there && field->repetition == LX_PARQUET_REPEATED)
        return put_repeated(rows, i, leaf, definition, repetition, depth);
    if (there && field->repetition == LX_PARQUET_OPTIONAL) {
        there = rng_below(&rows->rng, 4) != 0;
        definition += there;
    }
    if (field->children > 0)
        return put_children(rows, i, leaf, definition, repetition, depth, there);
    put_level(&rows->leaves[*leaf], definition, repetition);
    if (there)
        put_value(rows, &rows->leaves[*leaf], field);
    ++*leaf;
    return i + 1;
}

static void note_start(struct leaf *leaf)
{
    const int64_t start[2] = {(int64_t)leaf->definition.len, leaf->values.rows};
    must(lx_buf_append(&leaf->starts, start, sizeof start));
}

static uint32_t width_of(enum lx_parquet_physical physical)
{
    return physical == LX_PARQUET_BOOLEAN ? 1 : physical == LX_PARQUET_INT32 ? 4 : 8;
}

static void make_rows(struct rows *rows, int64_t count, uint64_t seed)
{
    *rows = (struct rows){.count = count, .rng = {seed}};
    for (size_t i = 0, leaf = 0; i < FIELDS; i++) {
        if (fields[i].children > 0)
            continue;
        bool is_text = fields[i].physical == LX_PARQUET_BYTE_ARRAY;
        struct leaf *of = &rows->leaves[leaf++];
        lx_column_init(&of->values, is_text ? LX_COLUMN_BYTES : LX_COLUMN_FIXED,
                       is_text ? 0 : width_of(fields[i].physical));
        of->definition = of->repetition = of->starts = (struct lx_buf)LX_BUF(16 * LX_MIB);
    }
    for (int64_t row = 0; row <= count; row++) {
        for (size_t leaf = 0; leaf < LEAVES; leaf++)
            note_start(&rows->leaves[leaf]);
        size_t leaf = 0;
        for (size_t i = 0; row < count && i < FIELDS;)
            i = put_field(rows, i, &leaf, 0, 0, 0, true);
        assert_true(row == count || leaf == LEAVES);
    }
}

static void free_rows(struct rows *rows)
{
    for (size_t i = 0; i < LEAVES; i++) {
        lx_column_free(&rows->leaves[i].values);
        lx_buf_free(&rows->leaves[i].definition);
        lx_buf_free(&rows->leaves[i].repetition);
        lx_buf_free(&rows->leaves[i].starts);
    }
}

static const int64_t *start_of(const struct leaf *leaf, int64_t row)
{
    return (const int64_t *)(const void *)leaf->starts.data + 2 * row;
}

/* -- writing and reading ----------------------------------------------------------------------- */

static void write_rows(struct memory_file *file, const struct rows *rows,
                       const struct lx_parquet_writer_options *options, int64_t slice,
                       struct lx_pool *pool)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_parquet_writer *writer;
    const struct lx_parquet_sink sink = memory_sink(file);
    must(lx_parquet_writer_create(fields, FIELDS, options, &sink, pool, &writer, &err));
    assert_int_equal(lx_parquet_writer_schema(writer)->leaf_count, LEAVES);
    for (int64_t row = 0; row < rows->count; row += slice) {
        struct lx_parquet_levels levels[LEAVES];
        struct lx_column part[LEAVES];
        int64_t end = row + slice < rows->count ? row + slice : rows->count;
        for (size_t i = 0; i < LEAVES; i++) {
            const struct leaf *leaf = &rows->leaves[i];
            const int64_t *from = start_of(leaf, row), *to = start_of(leaf, end);
            lx_column_init(&part[i], leaf->values.shape, leaf->values.width);
            must(lx_column_append_range(&part[i], &leaf->values, from[1], to[1] - from[1]));
            levels[i] =
                (struct lx_parquet_levels){&part[i], leaf->definition.data + from[0],
                                           leaf->repetition.data + from[0], to[0] - from[0]};
        }
        enum lx_status status = lx_parquet_writer_append_levels(writer, levels, end - row, &err);
        if (status != LX_OK)
            fail_msg("%s", err.text);
        for (size_t i = 0; i < LEAVES; i++)
            lx_column_free(&part[i]);
    }
    must(lx_parquet_writer_finish(writer, NULL, &err));
    lx_parquet_writer_destroy(writer);
}

static void same_leaf(const struct rows *rows, size_t number, int64_t row, int64_t count,
                      const struct lx_parquet_levels *levels)
{
    const struct leaf *leaf = &rows->leaves[number];
    const int64_t *from = start_of(leaf, row), *to = start_of(leaf, row + count);
    assert_int_equal(levels->count, to[0] - from[0]);
    if (levels->definition != NULL)
        assert_memory_equal(levels->definition, leaf->definition.data + from[0],
                            (size_t)levels->count);
    if (levels->repetition != NULL)
        assert_memory_equal(levels->repetition, leaf->repetition.data + from[0],
                            (size_t)levels->count);
    if (levels->definition == NULL && number == FLAT_OPTIONAL) {
        /* Required within an optional struct: rows with NULLs. */
        assert_int_equal(levels->values->rows, count);
        int64_t value = from[1];
        for (int64_t i = 0; i < count; i++) {
            bool there = leaf->definition.data[from[0] + i] == 1;
            assert_int_equal(lx_column_is_null(levels->values, i), !there);
            if (there)
                assert_true(lx_str_equal(lx_column_value(levels->values, i),
                                         lx_column_value(&leaf->values, value++)));
        }
        assert_int_equal(value, to[1]);
        return;
    }
    assert_int_equal(levels->values->rows, to[1] - from[1]);
    assert_true(same_rows(fields[number].name, &leaf->values, from[1], levels->values,
                          levels->values->rows));
}

static void check_rows(struct memory_file *file, const struct rows *rows, int64_t batch,
                       const struct lx_parquet_rows *range)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_parquet_reader *reader;
    struct lx_parquet_scan *scan;
    const struct lx_column *columns[LEAVES];
    const struct lx_parquet_source source = memory_source(file);
    const struct lx_parquet_scan_options options = {.rows = range, .rows_count = range != NULL};
    must(lx_parquet_reader_open(&source, NULL, &reader, &err));
    must(lx_parquet_reader_scan(reader, &options, &scan, &err));
    int64_t row = range != NULL ? range->from : 0, got;
    for (;; row += got) {
        enum lx_status status = lx_parquet_scan_next(scan, batch, columns, &got, &err);
        if (status != LX_OK)
            fail_msg("%s", err.text);
        if (got == 0)
            break;
        assert_int_equal(lx_parquet_scan_first_row(scan), row);
        for (size_t i = 0; i < LEAVES; i++) {
            struct lx_parquet_levels levels;
            lx_parquet_scan_levels(scan, i, &levels);
            same_leaf(rows, i, row, got, &levels);
        }
    }
    assert_int_equal(row, range != NULL ? range->to : rows->count);
    lx_parquet_scan_free(scan);
    lx_parquet_reader_close(reader);
}

static void test_round_trips(void **state)
{
    (void)state;
    static const enum lx_parquet_codec codecs[] = {LX_PARQUET_ZSTD, LX_PARQUET_UNCOMPRESSED,
                                                   LX_PARQUET_SNAPPY, LX_PARQUET_LZ4_RAW};
    struct lx_pool *pool;
    struct rows rows;
    must(lx_pool_create(2, &pool, NULL));
    for (uint64_t seed = 1; seed <= 24; seed++) {
        make_rows(&rows, seed == 1 ? 0 : seed == 2 ? 1 : 1500, seed);
        struct memory_file file;
        struct lx_parquet_writer_options options = {.profile = seed % 3 == 0 ? LX_PARQUET_COMPAT
                                                                             : LX_PARQUET_COMPACT,
                                                    .codec = codecs[seed % 4],
                                                    .page_v2 = seed / 4 % 2 != 0,
                                                    .row_group_rows = seed % 5 == 0 ? 0 : 700,
                                                    .page_rows = seed % 2 == 0 ? 100 : 0,
                                                    .page_bytes = seed % 7 == 0 ? 512 : 0,
                                                    .dictionary_bytes = 4096};
        memory_file_init(&file);
        write_rows(&file, &rows, &options, 1 + (int64_t)rng_below(&rows.rng, 900),
                   seed % 2 != 0 ? pool : NULL);
        check_rows(&file, &rows, 4096, NULL);
        check_rows(&file, &rows, 1 + (int64_t)rng_below(&rows.rng, 200), NULL);
        if (rows.count > 700)
            check_rows(&file, &rows, 64, &(struct lx_parquet_rows){333, 777});
        memory_file_free(&file);
        free_rows(&rows);
    }
    lx_pool_destroy(pool);
}

/* The same bytes, however the rows were sliced. */
static void test_slices(void **state)
{
    (void)state;
    const struct lx_parquet_writer_options options = {.row_group_rows = 400, .page_rows = 90};
    struct memory_file whole, sliced;
    struct rows rows;
    make_rows(&rows, 1000, 99);
    memory_file_init(&whole);
    write_rows(&whole, &rows, &options, 1000, NULL);
    for (int64_t slice = 1; slice < 1000; slice = slice * 3 + 1) {
        memory_file_init(&sliced);
        write_rows(&sliced, &rows, &options, slice, NULL);
        assert_int_equal(sliced.bytes.len, whole.bytes.len);
        assert_memory_equal(sliced.bytes.data, whole.bytes.data, whole.bytes.len);
        memory_file_free(&sliced);
    }
    memory_file_free(&whole);
    free_rows(&rows);
}

/* Levels that are no rows are refused, each with its column. */
static void test_wrong_levels(void **state)
{
    (void)state;
    static const struct lx_parquet_field list[] = {
        {.name = "l", OPTIONAL, .children = 1, LIST},
        {.name = "list", REPEATED, .children = 1},
        {.name = "element", OPTIONAL, .physical = LX_PARQUET_INT32}};
    static const struct {
        const char *what;
        uint8_t definition[3], repetition[3];
        int64_t count, values, rows;
    } wrong[] = {{"a definition beyond the maximum", {4}, {0}, 1, 1, 1},
                 {"a repetition beyond the maximum", {3, 3}, {0, 2}, 2, 2, 1},
                 {"a row that begins in the middle", {3}, {1}, 1, 1, 1},
                 {"fewer rows than told", {3, 3}, {0, 1}, 2, 2, 2},
                 {"more rows than told", {3, 3}, {0, 0}, 2, 2, 1},
                 {"fewer values than levels that have one", {3, 3}, {0, 0}, 2, 1, 2},
                 {"more values", {3, 0}, {0, 0}, 2, 2, 2}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct lx_err err = LX_ERR_INIT;
        struct memory_file file;
        struct lx_parquet_writer *writer;
        struct lx_column values;
        memory_file_init(&file);
        const struct lx_parquet_sink sink = memory_sink(&file);
        must(lx_parquet_writer_create(list, 3, NULL, &sink, NULL, &writer, &err));
        lx_column_init(&values, LX_COLUMN_FIXED, 4);
        for (int32_t n = 0; n < wrong[i].values; n++)
            must(lx_column_append(&values, &n, sizeof n));
        const struct lx_parquet_levels levels = {&values, wrong[i].definition, wrong[i].repetition,
                                                 wrong[i].count};
        enum lx_status status =
            lx_parquet_writer_append_levels(writer, &levels, wrong[i].rows, &err);
        if (status != LX_E_ARGUMENT || strstr(err.text, "element") == NULL)
            fail_msg("%s: %s, \"%s\"", wrong[i].what, lx_status_name(status), err.text);
        lx_column_free(&values);
        lx_parquet_writer_destroy(writer);
        memory_file_free(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trips),
                                       cmocka_unit_test(test_slices),
                                       cmocka_unit_test(test_wrong_levels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
