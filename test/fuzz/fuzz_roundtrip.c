/* libFuzzer: rows made of the input, written with options made of it, read back: the same rows. The
 * first bytes are options and types; what follows becomes values and NULLs, again and again. */
#include "base/alloc.h"
#include "base/limits.h"
#include "fuzz.h"
#include "parquet/reader.h"
#include "parquet/writer.h"

#define HEAD 8
#define COLUMNS 4
#define MOST_ROWS 1500

static const struct lx_parquet_field types[] = {
    {.name = "bool", .physical = LX_PARQUET_BOOLEAN},
    {.name = "i32", .physical = LX_PARQUET_INT32},
    {.name = "i64", .physical = LX_PARQUET_INT64},
    {.name = "float", .physical = LX_PARQUET_FLOAT},
    {.name = "double", .physical = LX_PARQUET_DOUBLE},
    {.name = "bytes", .physical = LX_PARQUET_BYTE_ARRAY},
    {.name = "fixed", .physical = LX_PARQUET_FIXED_LEN_BYTE_ARRAY, .length = 3},
};
static const uint32_t widths[] = {1, 4, 8, 4, 8, 0, 3};
static const enum lx_parquet_encoding encodings[] = {
    LX_PARQUET_ENCODING_AUTO,           LX_PARQUET_PLAIN,
    LX_PARQUET_RLE_DICTIONARY,          LX_PARQUET_DELTA_BINARY_PACKED,
    LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY, LX_PARQUET_DELTA_BYTE_ARRAY,
    LX_PARQUET_BYTE_STREAM_SPLIT,       LX_PARQUET_RLE};
static const enum lx_parquet_codec codecs[] = {LX_PARQUET_ZSTD, LX_PARQUET_UNCOMPRESSED,
                                               LX_PARQUET_SNAPPY, LX_PARQUET_LZ4_RAW};

struct test {
    struct lx_parquet_field fields[COLUMNS];
    struct lx_parquet_column_options options[COLUMNS];
    struct lx_column columns[COLUMNS];
    const struct lx_column *pointers[COLUMNS];
    int64_t rows;
    struct lx_buf file;
};

static enum lx_status sink_write(void *self, const void *bytes, size_t size, struct lx_err *err)
{
    (void)err;
    return lx_buf_append(self, bytes, size);
}

static enum lx_status read_at(void *self, int64_t offset, void *to, size_t size, struct lx_err *err)
{
    const struct lx_buf *file = self;
    (void)err;
    require(offset >= 0 && (size_t)offset <= file->len && size <= file->len - (size_t)offset,
            "a read outside of the file");
    memcpy(to, file->data + offset, size);
    return LX_OK;
}

/* The input as an endless stream, another one each time around. */
struct stream {
    const uint8_t *bytes;
    size_t size, at;
};

static uint8_t next_byte(struct stream *stream)
{
    size_t at = stream->at++;
    return (uint8_t)(stream->bytes[at % stream->size] + at / stream->size);
}

static void make_column(struct test *test, size_t i, uint8_t kind, uint8_t how,
                        struct stream *stream)
{
    size_t type = kind % (sizeof types / sizeof types[0]);
    struct lx_column *column = &test->columns[i];
    static const char *const names[COLUMNS] = {"a", "b", "c", "d"};
    test->fields[i] = types[type];
    test->fields[i].name = names[i];
    test->fields[i].repetition = (how & 1) != 0 ? LX_PARQUET_OPTIONAL : LX_PARQUET_REQUIRED;
    test->options[i].encoding = encodings[how / 2 % 8];
    lx_column_init(column, widths[type] != 0 ? LX_COLUMN_FIXED : LX_COLUMN_BYTES, widths[type]);
    for (int64_t row = 0; row < test->rows; row++) {
        char value[256];
        uint8_t head = next_byte(stream);
        size_t size = widths[type] != 0 ? widths[type] : head;
        if ((how & 1) != 0 && head % 4 == 0) {
            require(lx_column_append_null(column) == LX_OK, "no memory");
            continue;
        }
        for (size_t b = 0; b < size; b++)
            value[b] = (char)next_byte(stream);
        if (test->fields[i].physical == LX_PARQUET_BOOLEAN)
            value[0] &= 1;
        require(lx_column_append(column, value, size) == LX_OK, "no memory");
    }
    test->pointers[i] = column;
}

/* False: an encoding does not fit its type. */
static bool write_file(struct test *test, const uint8_t *head)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_parquet_writer *writer;
    const struct lx_parquet_sink sink = {sink_write, &test->file};
    const struct lx_parquet_writer_options options = {
        .profile = head[0] % 2 != 0 ? LX_PARQUET_COMPAT : LX_PARQUET_COMPACT,
        .codec = codecs[head[0] / 2 % 4],
        .page_v2 = head[0] / 8 % 2 != 0,
        .level = 1,
        .row_group_rows = head[1] * 10 + 1,
        .page_rows = head[2] * 8 + 1,
        .page_bytes = (size_t)head[3] * 64 + 16,
        .dictionary_bytes = head[3],
        .columns = test->options,
    };
    if (lx_parquet_writer_create(test->fields, COLUMNS, &options, &sink, NULL, &writer, &err) !=
        LX_OK)
        return false;
    int64_t slice = head[2] + 1;
    for (int64_t row = 0; row < test->rows; row += slice) {
        int64_t rows = row + slice < test->rows ? slice : test->rows - row;
        require(lx_parquet_writer_append(writer, test->pointers, row, rows, &err) == LX_OK,
                err.text);
    }
    require(lx_parquet_writer_finish(writer, NULL, &err) == LX_OK, err.text);
    lx_parquet_writer_destroy(writer);
    return true;
}

static void same(const struct lx_column *wanted, int64_t from, const struct lx_column *read,
                 int64_t rows)
{
    for (int64_t i = 0; i < rows; i++) {
        bool null = lx_column_is_null(wanted, from + i);
        require(null == lx_column_is_null(read, i), "a NULL that is none");
        require(null || lx_str_equal(lx_column_value(wanted, from + i), lx_column_value(read, i)),
                "another value");
    }
}

static void read_file(struct test *test, bool dictionaries)
{
    struct lx_err err = LX_ERR_INIT;
    const struct lx_parquet_source source = {read_at, &test->file, (int64_t)test->file.len};
    const struct lx_parquet_scan_options options = {.dictionaries = dictionaries};
    struct lx_parquet_reader *reader;
    struct lx_parquet_scan *scan;
    const struct lx_column *columns[COLUMNS];
    int64_t row = 0, rows;
    require(lx_parquet_reader_open(&source, NULL, &reader, &err) == LX_OK, err.text);
    require(lx_parquet_reader_scan(reader, &options, &scan, &err) == LX_OK, err.text);
    do {
        require(lx_parquet_scan_next(scan, 500, columns, &rows, &err) == LX_OK, err.text);
        require(row + rows <= test->rows, "too many rows");
        for (size_t i = 0; i < COLUMNS && rows > 0; i++)
            same(&test->columns[i], row, columns[i], rows);
        row += rows;
    } while (rows > 0);
    require(row == test->rows, "too few rows");
    lx_parquet_scan_free(scan);
    lx_parquet_reader_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < HEAD + COLUMNS * 2 + 1)
        return 0;
    static struct test test;
    test = (struct test){.file = LX_BUF(64 * LX_MIB)};
    test.rows = ((int64_t)bytes[4] * 256 + bytes[5]) % MOST_ROWS;
    struct stream stream = {bytes + HEAD + COLUMNS * 2, size - HEAD - COLUMNS * 2, 0};
    for (size_t i = 0; i < COLUMNS; i++)
        make_column(&test, i, bytes[HEAD + 2 * i], bytes[HEAD + 2 * i + 1], &stream);
    if (write_file(&test, bytes)) {
        read_file(&test, false);
        read_file(&test, true);
    }
    for (size_t i = 0; i < COLUMNS; i++)
        lx_column_free(&test.columns[i]);
    lx_buf_free(&test.file);
    return 0;
}
