/* Memory that runs out: each allocation of a file's life fails once. Every call answers with
 * LX_E_MEMORY, nothing leaks, and the same call works as soon as there is memory again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "pq_support.h"

#define ROWS 300
#define OPTIONAL .repetition = LX_PARQUET_OPTIONAL
#define TEXT .physical = LX_PARQUET_BYTE_ARRAY, .logical = {.kind = LX_PARQUET_LOGICAL_STRING}

static const struct lx_parquet_field fields[] = {
    {.name = "flag", .physical = LX_PARQUET_BOOLEAN, OPTIONAL},
    {.name = "runs", .physical = LX_PARQUET_BOOLEAN},
    {.name = "small", .physical = LX_PARQUET_INT32, OPTIONAL},
    {.name = "id", .physical = LX_PARQUET_INT64},
    {.name = "ratio", .physical = LX_PARQUET_FLOAT, OPTIONAL},
    {.name = "cost", .physical = LX_PARQUET_DOUBLE},
    {.name = "kind", TEXT, OPTIONAL},
    {.name = "text", TEXT, OPTIONAL},
    {.name = "path", TEXT},
    {.name = "raw", .physical = LX_PARQUET_FIXED_LEN_BYTE_ARRAY, .length = 5, OPTIONAL},
    {.name = "any", TEXT, OPTIONAL},
    {.name = "empty", .physical = LX_PARQUET_INT32, OPTIONAL},
};
#define COLUMNS (sizeof fields / sizeof fields[0])

static const struct lx_parquet_column_options columns_as[COLUMNS] = {
    {.encoding = LX_PARQUET_PLAIN},
    {.encoding = LX_PARQUET_ENCODING_AUTO},
    {.encoding = LX_PARQUET_RLE_DICTIONARY, .bloom = true},
    {.encoding = LX_PARQUET_DELTA_BINARY_PACKED, .bloom = true},
    {.encoding = LX_PARQUET_BYTE_STREAM_SPLIT},
    {.encoding = LX_PARQUET_PLAIN, .no_bounds = true},
    {.encoding = LX_PARQUET_RLE_DICTIONARY, .bloom = true},
    {.encoding = LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY},
    {.encoding = LX_PARQUET_DELTA_BYTE_ARRAY},
    {.encoding = LX_PARQUET_PLAIN},
    {.bloom = true},
    {.leave_out_empty = true},
};

static struct lx_column columns[COLUMNS];
static const struct lx_column *pointers[COLUMNS];

static void make_rows(void)
{
    static const enum pattern patterns[COLUMNS] = {
        PATTERN_RANDOM, PATTERN_FEW,    PATTERN_FEW,    PATTERN_RISING,
        PATTERN_RANDOM, PATTERN_RANDOM, PATTERN_FEW,    PATTERN_RANDOM,
        PATTERN_RISING, PATTERN_RANDOM, PATTERN_RISING, PATTERN_RANDOM,
    };
    struct rng rng = {11};
    for (size_t i = 0; i < COLUMNS; i++) {
        unsigned share = i == COLUMNS - 1 ? 256 : fields[i].repetition != 0 ? 50 : 0;
        make_column(&columns[i], &fields[i], patterns[i], share, ROWS, &rng);
        pointers[i] = &columns[i];
    }
}

static void free_rows(void)
{
    for (size_t i = 0; i < COLUMNS; i++)
        lx_column_free(&columns[i]);
}

/* Does `scenario` with each of its allocations failing once. */
static void fail_each(const char *what, enum lx_status (*scenario)(void *, struct lx_err *),
                      void *context)
{
    size_t before = lx_alloc_used();
    for (uint64_t n = 1;; n++) {
        struct lx_err err = LX_ERR_INIT;
        lx_alloc_fail_at(n);
        enum lx_status status = scenario(context, &err);
        bool failed = lx_alloc_count() >= n;
        lx_alloc_fail_at(0);
        if (lx_alloc_used() != before)
            fail_msg("%s: %zu bytes leak after allocation %llu failed (%s)", what,
                     lx_alloc_used() - before, (unsigned long long)n, err.text);
        if (!failed) {
            assert_int_equal(status, LX_OK);
            return;
        }
        if (status != LX_E_MEMORY || err.status != LX_E_MEMORY || err.text[0] == 0)
            fail_msg("%s: allocation %llu failed, and the answer is %s: %s", what,
                     (unsigned long long)n, lx_status_name(status), err.text);
    }
}

/* -- writing ------------------------------------------------------------------------------- */

struct writing {
    struct lx_parquet_writer_options options;
    struct memory_file whole; /* what is written where nothing fails */
    bool keep;                /* this is that file */
};

static enum lx_status write_rows(struct lx_parquet_writer *writer, struct lx_err *err)
{
    struct lx_parquet_choices *choices = NULL;
    for (int64_t at = 0; at < ROWS; at += 75)
        LX_TRY(lx_parquet_writer_append(writer, pointers, at, 75, err));
    LX_TRY(lx_parquet_writer_metadata(writer, LX_STR("key"), LX_STR("first"), err));
    LX_TRY(lx_parquet_writer_metadata(writer, LX_STR("key"), LX_STR("second"), err));
    LX_TRY(lx_parquet_writer_flush(writer, err));
    LX_TRY(lx_parquet_writer_choices(writer, &choices, err));
    lx_parquet_choices_free(choices);
    return lx_parquet_writer_finish(writer, NULL, err);
}

static enum lx_status write_scene(void *self, struct lx_err *err)
{
    struct writing *writing = self;
    struct lx_parquet_writer *writer = NULL;
    struct memory_file file;
    memory_file_init(&file);
    struct lx_parquet_sink sink = memory_sink(&file);
    enum lx_status status =
        lx_parquet_writer_create(fields, COLUMNS, &writing->options, &sink, NULL, &writer, err);
    if (status == LX_OK) {
        status = write_rows(writer, err);
        /* A broken writer stays broken, whatever memory there is by then. */
        if (status != LX_OK && lx_parquet_writer_flush(writer, NULL) == LX_OK)
            assert_int_equal(lx_parquet_writer_finish(writer, NULL, NULL), LX_OK);
        lx_parquet_writer_destroy(writer);
    }
    if (status == LX_OK && writing->keep) {
        writing->whole = file;
        return LX_OK;
    }
    if (status == LX_OK) {
        assert_int_equal(file.bytes.len, writing->whole.bytes.len);
        assert_memory_equal(file.bytes.data, writing->whole.bytes.data, file.bytes.len);
    }
    memory_file_free(&file);
    return status;
}

static void write_whole(struct writing *writing)
{
    struct lx_err err = LX_ERR_INIT;
    writing->keep = true;
    assert_int_equal(write_scene(writing, &err), LX_OK);
    writing->keep = false;
}

static const struct lx_parquet_sorting sorting[] = {{.leaf = 3}, {.leaf = 2, .descending = true}};

static struct writing writing_of(bool compat, bool page_v2)
{
    return (struct writing){
        .options = {.profile = compat ? LX_PARQUET_COMPAT : LX_PARQUET_COMPACT,
                    .page_v2 = page_v2,
                    .row_group_rows = 200,
                    .page_rows = 60,
                    .pending_bytes = 4096,
                    .created_by = "memory test",
                    .columns = compat ? NULL : columns_as,
                    .sorting = sorting,
                    .sorting_count = 2},
    };
}

static void test_writing(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct writing writing = writing_of(i & 1, i & 2);
        struct lx_err err = LX_ERR_INIT;
        write_whole(&writing);
        assert_true(check_file(&writing.whole, pointers,
                               writing.options.columns ? COLUMNS - 1 : COLUMNS, ROWS, 77, false,
                               NULL, &err));
        fail_each("writing", write_scene, &writing);
        memory_file_free(&writing.whole);
    }
}

/* -- reading ------------------------------------------------------------------------------- */

struct reading {
    struct memory_file *file;
    struct lx_parquet_scan_options options;
    struct lx_parquet_rows all; /* rows that the scan should give */
};

static enum lx_status read_rows(struct lx_parquet_reader *reader, const struct reading *reading,
                                struct lx_err *err)
{
    struct lx_parquet_scan *scan = NULL;
    const struct lx_column *got[COLUMNS];
    enum lx_status status = lx_parquet_reader_scan(reader, &reading->options, &scan, err);
    int64_t at = reading->all.from, n = 1;
    size_t count = lx_parquet_reader_metadata(reader)->schema.leaf_count;
    while (status == LX_OK && n > 0) {
        status = lx_parquet_scan_next(scan, 47, got, &n, err);
        if (status != LX_OK || n == 0)
            break;
        assert_int_equal(lx_parquet_scan_first_row(scan), at);
        for (size_t i = 0; i < count; i++)
            assert_true(same_rows(fields[i].name, pointers[i], at, got[i], n));
        at += n;
    }
    if (status == LX_OK)
        assert_int_equal(at, reading->all.to);
    lx_parquet_scan_free(scan);
    return status;
}

static enum lx_status read_scene(void *self, struct lx_err *err)
{
    const struct reading *reading = self;
    struct lx_parquet_source source = memory_source(reading->file);
    struct lx_parquet_reader *reader = NULL;
    struct lx_parquet_reader_options options = {.tail_bytes = 64, .batch_bytes = 400};
    enum lx_status status = lx_parquet_reader_open(&source, &options, &reader, err);
    if (status != LX_OK)
        return status;
    status = read_rows(reader, reading, err);
    if (status != LX_OK) {
        struct lx_err later = LX_ERR_INIT;
        assert_int_equal(status, LX_E_MEMORY);
        assert_int_equal(read_rows(reader, reading, &later), LX_OK);
    }
    lx_parquet_reader_close(reader);
    return status;
}

static void test_reading(void **state)
{
    (void)state;
    static const struct lx_parquet_rows middle = {70, 230};
    for (int i = 0; i < 8; i++) {
        struct writing writing = writing_of(i & 1, i & 2);
        write_whole(&writing);
        struct reading reading = {.file = &writing.whole, .all = {0, ROWS}};
        reading.options.dictionaries = i & 1;
        if (i & 4) {
            reading.options.rows = &middle;
            reading.options.rows_count = 1;
            reading.all = middle;
        }
        fail_each("reading", read_scene, &reading);
        memory_file_free(&writing.whole);
    }
}

/* -- asking -------------------------------------------------------------------------------- */

static enum lx_status ask(const struct lx_parquet_reader *reader, uint32_t leaf, struct lx_err *err)
{
    struct lx_str value = lx_column_value(&columns[leaf], 5);
    struct lx_parquet_predicate predicate = {leaf, true, true, value, value};
    struct lx_parquet_page_index index;
    struct lx_parquet_rows *ranges = NULL;
    size_t count = 0;
    LX_TRY(lx_parquet_reader_find(reader, &predicate, &ranges, &count, err));
    assert_true(count > 0 && ranges[0].from <= 5 && ranges[0].to > 5);
    lx_free(ranges);
    LX_TRY(lx_parquet_reader_page_index(reader, 0, leaf, &index, err));
    assert_int_equal(index.page_count, 4);
    assert_int_equal(index.pages[3].first_row, 180);
    assert_int_equal(index.pages[3].rows, 20);
    lx_parquet_page_index_free(&index);
    return LX_OK;
}

static enum lx_status ask_scene(void *self, struct lx_err *err)
{
    struct lx_parquet_source source = memory_source(self);
    struct lx_parquet_reader *reader = NULL;
    enum lx_status status = lx_parquet_reader_open(&source, NULL, &reader, err);
    if (status != LX_OK)
        return status;
    for (uint32_t leaf = 0; leaf < COLUMNS - 1 && status == LX_OK; leaf++) {
        if (lx_column_is_null(&columns[leaf], 5))
            continue;
        status = ask(reader, leaf, err);
        if (status != LX_OK)
            assert_int_equal(ask(reader, leaf, NULL), LX_OK);
    }
    lx_parquet_reader_close(reader);
    return status;
}

static void test_asking(void **state)
{
    (void)state;
    struct writing writing = writing_of(false, false);
    write_whole(&writing);
    fail_each("asking", ask_scene, &writing.whole);
    memory_file_free(&writing.whole);
}

/* -- groups -------------------------------------------------------------------------------- */

static const struct lx_parquet_field nested[] = {
    {.name = "tags", OPTIONAL, .children = 1, .logical = {.kind = LX_PARQUET_LOGICAL_LIST}},
    {.name = "list", .repetition = LX_PARQUET_REPEATED, .children = 1},
    {.name = "element", OPTIONAL, TEXT},
};

struct lists {
    struct lx_column values;
    uint8_t definition[ROWS * 3], repetition[ROWS * 3];
    struct lx_parquet_levels levels;
};

/* Row i: NULL, [], or as many tags as i % 4, some of them NULL. */
static void make_lists(struct lists *lists)
{
    char text[32];
    int64_t n = 0;
    lx_column_init(&lists->values, LX_COLUMN_BYTES, 0);
    for (int row = 0; row < ROWS; row++) {
        for (int tag = 0; tag < row % 4 || tag == 0; tag++) {
            bool is_value = row % 4 != 0 && (row + tag) % 5 != 0;
            lists->repetition[n] = tag > 0;
            lists->definition[n++] = (uint8_t)(is_value ? 3 : row % 4 != 0 ? 2 : row % 8 == 0);
            int size = snprintf(text, sizeof text, "tag %d", row % 7 * tag);
            if (is_value)
                assert_int_equal(lx_column_append(&lists->values, text, (size_t)size), LX_OK);
        }
    }
    lists->levels =
        (struct lx_parquet_levels){&lists->values, lists->definition, lists->repetition, n};
}

static enum lx_status write_lists(const struct lists *lists, struct memory_file *file, bool page_v2,
                                  struct lx_err *err)
{
    struct lx_parquet_writer *writer = NULL;
    struct lx_parquet_sink sink = memory_sink(file);
    struct lx_parquet_writer_options options = {
        .page_v2 = page_v2, .row_group_rows = 200, .page_rows = 60};
    LX_TRY(lx_parquet_writer_create(nested, 3, &options, &sink, NULL, &writer, err));
    enum lx_status status = lx_parquet_writer_append_levels(writer, &lists->levels, ROWS, err);
    if (status == LX_OK)
        status = lx_parquet_writer_finish(writer, NULL, err);
    lx_parquet_writer_destroy(writer);
    return status;
}

static enum lx_status read_lists(const struct lists *lists, struct memory_file *file,
                                 struct lx_err *err)
{
    struct lx_parquet_source source = memory_source(file);
    struct lx_parquet_reader *reader = NULL;
    struct lx_parquet_scan *scan = NULL;
    const struct lx_column *got;
    int64_t rows = 1, level = 0, value = 0;
    LX_TRY(lx_parquet_reader_open(&source, NULL, &reader, err));
    enum lx_status status = lx_parquet_reader_scan(reader, NULL, &scan, err);
    while (status == LX_OK && rows > 0) {
        struct lx_parquet_levels levels;
        status = lx_parquet_scan_next(scan, 47, &got, &rows, err);
        if (status != LX_OK || rows == 0)
            break;
        lx_parquet_scan_levels(scan, 0, &levels);
        assert_true(level + levels.count <= lists->levels.count);
        assert_memory_equal(levels.definition, lists->definition + level, (size_t)levels.count);
        assert_memory_equal(levels.repetition, lists->repetition + level, (size_t)levels.count);
        assert_true(same_rows("element", &lists->values, value, got, got->rows));
        level += levels.count;
        value += got->rows;
    }
    if (status == LX_OK)
        assert_int_equal(level, lists->levels.count);
    lx_parquet_scan_free(scan);
    lx_parquet_reader_close(reader);
    return status;
}

static const struct lists *given;
static bool given_v2;

static enum lx_status lists_scene(void *self, struct lx_err *err)
{
    (void)self;
    struct memory_file file;
    memory_file_init(&file);
    enum lx_status status = write_lists(given, &file, given_v2, err);
    if (status == LX_OK)
        status = read_lists(given, &file, err);
    memory_file_free(&file);
    return status;
}

static void test_groups(void **state)
{
    (void)state;
    static struct lists lists;
    make_lists(&lists);
    given = &lists;
    for (int v2 = 0; v2 < 2; v2++) {
        given_v2 = v2;
        fail_each("groups", lists_scene, NULL);
    }
    lx_column_free(&lists.values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writing),
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_asking),
        cmocka_unit_test(test_groups),
    };
    make_rows();
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    free_rows();
    return failures;
}
