#include "pq_support.h"

#include "base/alloc.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <setjmp.h>

#include <cmocka.h>

void memory_file_init(struct memory_file *file)
{
    *file = (struct memory_file){.bytes = LX_BUF((size_t)1 << 31)};
}

void memory_file_free(struct memory_file *file)
{
    lx_buf_free(&file->bytes);
}

static enum lx_status memory_write(void *self, const void *bytes, size_t size, struct lx_err *err)
{
    struct memory_file *file = self;
    if (file->fail_after != 0 && file->bytes.len + size > file->fail_after)
        return lx_err_set(err, LX_E_NOSPACE, "the test's disk is full");
    enum lx_status status = lx_buf_append(&file->bytes, bytes, size);
    return status == LX_OK ? LX_OK : lx_err_set(err, status, "no memory for the test's file");
}

static enum lx_status memory_read(void *self, int64_t offset, void *bytes, size_t size,
                                  struct lx_err *err)
{
    struct memory_file *file = self;
    if (offset < 0 || (uint64_t)offset > file->bytes.len || size > file->bytes.len - (size_t)offset)
        return lx_err_set(err, LX_E_IO, "read of %zu bytes at %lld is outside of the file", size,
                          (long long)offset);
    if (size != 0)
        memcpy(bytes, file->bytes.data + offset, size);
    file->reads++;
    file->read_bytes += size;
    return LX_OK;
}

struct lx_parquet_sink memory_sink(struct memory_file *file)
{
    return (struct lx_parquet_sink){memory_write, file};
}

struct lx_parquet_source memory_source(struct memory_file *file)
{
    return (struct lx_parquet_source){memory_read, file, (int64_t)file->bytes.len};
}

uint64_t rng_next(struct rng *rng)
{
    uint64_t z = rng->state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

uint64_t rng_below(struct rng *rng, uint64_t bound)
{
    return rng_next(rng) % bound;
}

/* A value's bits, by pattern. */
static uint64_t number(enum pattern pattern, int64_t row, struct rng *rng)
{
    switch (pattern) {
    case PATTERN_CONSTANT: return 42;
    case PATTERN_FEW: return rng_below(rng, 20) * 1000003;
    case PATTERN_RISING: return (uint64_t)row * 3 + rng_below(rng, 10);
    default: return rng_next(rng);
    }
}

static void fixed_value(uint8_t *value, const struct lx_parquet_field *field, uint32_t width,
                        enum pattern pattern, int64_t row, struct rng *rng)
{
    uint64_t bits = number(pattern, row, rng);
    if (field->physical == LX_PARQUET_BOOLEAN) {
        value[0] = bits & 1;
    } else if (field->physical == LX_PARQUET_FLOAT && pattern != PATTERN_RANDOM) {
        float f = (float)bits / 7;
        memcpy(value, &f, sizeof f);
    } else if (field->physical == LX_PARQUET_DOUBLE && pattern != PATTERN_RANDOM) {
        double d = (double)bits / 7;
        memcpy(value, &d, sizeof d);
    } else {
        for (uint32_t i = 0; i < width; i++) {
            value[i] = (uint8_t)bits;
            bits = i % 8 == 7 && pattern == PATTERN_RANDOM ? rng_next(rng) : bits >> 8;
        }
    }
}

static size_t text_value(char *text, size_t room, enum pattern pattern, int64_t row,
                         struct rng *rng)
{
    size_t size = 0;
    switch (pattern) {
    case PATTERN_CONSTANT: return (size_t)snprintf(text, room, "constant");
    case PATTERN_FEW: return (size_t)snprintf(text, room, "value-%u", (unsigned)rng_below(rng, 20));
    case PATTERN_RISING:
        return (size_t)snprintf(text, room, "https://example.com/path/%08lld/%u",
                                (long long)row / 3, (unsigned)rng_below(rng, 5));
    case PATTERN_LONG: size = rng_below(rng, 5000); break;
    default: size = rng_below(rng, 41); break;
    }
    for (size_t i = 0; i < size; i++)
        text[i] = (char)('a' + rng_below(rng, 26));
    return size;
}

static uint32_t width_of(const struct lx_parquet_field *field)
{
    switch (field->physical) {
    case LX_PARQUET_BOOLEAN: return 1;
    case LX_PARQUET_INT32:
    case LX_PARQUET_FLOAT: return 4;
    case LX_PARQUET_INT64:
    case LX_PARQUET_DOUBLE: return 8;
    case LX_PARQUET_FIXED_LEN_BYTE_ARRAY: return (uint32_t)field->length;
    default: return 0;
    }
}

void make_column(struct lx_column *column, const struct lx_parquet_field *field,
                 enum pattern pattern, unsigned null_share, int64_t rows, struct rng *rng)
{
    char text[8192];
    uint32_t width = width_of(field);
    lx_column_init(column, width != 0 ? LX_COLUMN_FIXED : LX_COLUMN_BYTES, width);
    assert_int_equal(lx_column_reserve(column, (size_t)rows), LX_OK);
    for (int64_t i = 0; i < rows; i++) {
        enum lx_status status;
        size_t size = width;
        if (null_share != 0 && rng_below(rng, 256) < null_share) {
            status = lx_column_append_null(column);
        } else {
            if (width != 0)
                fixed_value((uint8_t *)text, field, width, pattern, i, rng);
            else
                size = text_value(text, sizeof text, pattern, i, rng);
            status = lx_column_append(column, text, size);
        }
        assert_int_equal(status, LX_OK);
    }
}

void make_dict(struct lx_column *dict, const struct lx_column *plain)
{
    lx_column_init(dict, LX_COLUMN_DICT, 0);
    dict->dict = lx_calloc(1, sizeof *dict->dict);
    assert_non_null(dict->dict);
    lx_column_init(dict->dict, plain->shape, plain->width);
    /* An entry that no row names comes first. */
    char unused[LX_COLUMN_MAX_WIDTH] = "";
    assert_int_equal(lx_column_append(dict->dict, unused, plain->width), LX_OK);
    assert_int_equal(lx_column_reserve(dict, (size_t)plain->rows), LX_OK);
    for (int64_t i = 0; i < plain->rows; i++) {
        uint32_t index = 0;
        struct lx_str value = lx_column_value(plain, i);
        bool is_null = lx_column_is_null(plain, i);
        for (index = 1; !is_null && (int64_t)index < dict->dict->rows; index++)
            if (lx_str_equal(lx_column_value(dict->dict, index), value))
                break;
        if (!is_null && (int64_t)index == dict->dict->rows)
            assert_int_equal(lx_column_append(dict->dict, value.ptr, value.len), LX_OK);
        dict->indexes[i] = is_null ? 0 : index;
        if (is_null) {
            assert_int_equal(lx_column_reserve_nulls(dict, 1), LX_OK);
        }
        if (dict->nulls != NULL) {
            assert_int_equal(lx_column_reserve_nulls(dict, 1), LX_OK);
            dict->nulls[i] = is_null;
        }
        dict->rows++;
    }
}

bool same_rows(const char *what, const struct lx_column *a, int64_t from, const struct lx_column *b,
               int64_t rows)
{
    for (int64_t i = 0; i < rows; i++) {
        bool a_null = lx_column_is_null(a, from + i), b_null = lx_column_is_null(b, i);
        if (a_null != b_null) {
            print_error("%s: row %lld: NULL is %d, not %d\n", what, (long long)(from + i), b_null,
                        a_null);
            return false;
        }
        struct lx_str x = lx_column_value(a, from + i), y = lx_column_value(b, i);
        if (!a_null && !lx_str_equal(x, y)) {
            print_error("%s: row %lld: \"%.*s\" (%zu bytes) should be \"%.*s\" (%zu bytes)\n", what,
                        (long long)(from + i), LX_STR_ARG(y), y.len, LX_STR_ARG(x), x.len);
            return false;
        }
    }
    return true;
}

static void must(enum lx_status status, const struct lx_err *err)
{
    if (status != LX_OK)
        print_error("%s: %s\n", lx_status_name(status), err->text);
    assert_int_equal(status, LX_OK);
}

void write_file(struct memory_file *file, const struct lx_parquet_field *fields, size_t count,
                const struct lx_parquet_writer_options *options, struct lx_pool *pool,
                const struct lx_column *const *columns, int64_t rows, int64_t slice)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_parquet_writer *writer;
    struct lx_parquet_sink sink = memory_sink(file);
    const struct lx_parquet_file_info *info;
    must(lx_parquet_writer_create(fields, count, options, &sink, pool, &writer, &err), &err);
    for (int64_t at = 0; at < rows; at += slice)
        must(lx_parquet_writer_append(writer, columns, at, rows - at < slice ? rows - at : slice,
                                      &err),
             &err);
    must(lx_parquet_writer_finish(writer, &info, &err), &err);
    assert_int_equal(info->rows, rows);
    assert_int_equal(info->bytes, file->bytes.len);
    assert_int_equal(info->column_count, count);
    lx_parquet_writer_destroy(writer);
}

bool check_file(struct memory_file *file, const struct lx_column *const *columns, size_t count,
                int64_t rows, int64_t batch, bool dictionaries, struct lx_pool *pool,
                struct lx_err *err)
{
    struct lx_parquet_source source = memory_source(file);
    struct lx_parquet_reader *reader = NULL;
    struct lx_parquet_scan *scan = NULL;
    struct lx_parquet_scan_options options = {.dictionaries = dictionaries, .pool = pool};
    const struct lx_column *got[64];
    int64_t at = 0, n = 0;
    bool same = true;
    assert_true(count <= 64);
    enum lx_status status = lx_parquet_reader_open(&source, NULL, &reader, err);
    if (status == LX_OK)
        status = lx_parquet_reader_scan(reader, &options, &scan, err);
    while (status == LX_OK && same) {
        status = lx_parquet_scan_next(scan, batch, got, &n, err);
        if (status != LX_OK || n == 0)
            break;
        if (n > batch || at + n > rows || lx_parquet_scan_first_row(scan) != at) {
            print_error("a batch of %lld rows at %lld of %lld\n", (long long)n, (long long)at,
                        (long long)rows);
            same = false;
            break;
        }
        for (size_t i = 0; i < count && same; i++)
            same = got[i]->rows == n &&
                   same_rows(lx_parquet_reader_metadata(reader)->schema.leaves[i].path, columns[i],
                             at, got[i], n);
        at += n;
    }
    if (status == LX_OK && same && at != rows) {
        print_error("%lld rows of %lld\n", (long long)at, (long long)rows);
        same = false;
    }
    lx_parquet_scan_free(scan);
    lx_parquet_reader_close(reader);
    return status == LX_OK && same;
}
