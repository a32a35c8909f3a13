/* libFuzzer: the pages of one column, without a footer to guard them. The first bytes say what the
 * column is told to be: type, codec, NULLs, rows; the others are its pages. */
#include "base/alloc.h"
#include "base/limits.h"
#include "fuzz.h"
#include "parquet/chunk_reader.h"

#define HEAD 4

static const struct lx_parquet_field types[] = {
    {.name = "bool", .physical = LX_PARQUET_BOOLEAN},
    {.name = "i32", .physical = LX_PARQUET_INT32},
    {.name = "i64", .physical = LX_PARQUET_INT64},
    {.name = "float", .physical = LX_PARQUET_FLOAT},
    {.name = "double", .physical = LX_PARQUET_DOUBLE},
    {.name = "bytes", .physical = LX_PARQUET_BYTE_ARRAY},
    {.name = "fixed", .physical = LX_PARQUET_FIXED_LEN_BYTE_ARRAY, .length = 5},
};
static const enum lx_parquet_codec codecs[] = {LX_PARQUET_UNCOMPRESSED, LX_PARQUET_SNAPPY,
                                               LX_PARQUET_GZIP, LX_PARQUET_ZSTD,
                                               LX_PARQUET_LZ4_RAW};

struct input {
    const uint8_t *bytes;
    size_t size;
};

static enum lx_status read_at(void *self, int64_t offset, void *to, size_t size, struct lx_err *err)
{
    const struct input *input = self;
    (void)err;
    require(offset >= 0 && (size_t)offset <= input->size && size <= input->size - (size_t)offset,
            "a read outside of the file");
    memcpy(to, input->bytes + offset, size);
    return LX_OK;
}

/* Every byte of every value, for the sanitizers. */
static void look_at(const struct lx_column *column)
{
    size_t sum = 0;
    for (int64_t i = 0; i < column->rows; i++) {
        struct lx_str value = lx_column_value(column, i);
        for (size_t b = 0; b < value.len; b++)
            sum += (unsigned char)value.ptr[b];
    }
    require(sum != SIZE_MAX, "bytes without end");
}

static void read_column(struct lx_pq_chunk_reader *reader, int64_t rows)
{
    struct lx_err err = LX_ERR_INIT;
    enum lx_status status = LX_OK;
    while (status == LX_OK && rows > 0) {
        int64_t left, want = rows < 100 ? rows : 100;
        struct lx_column view;
        status = lx_pq_chunk_read(reader, want, &err);
        if (status != LX_OK)
            break;
        left = reader->out_rows - reader->out_from;
        require(left > 0 && left <= want, "more or fewer rows than asked for");
        lx_pq_chunk_view(reader, left, &view);
        look_at(&view);
        reader->out_from = reader->out_rows;
        rows -= left;
    }
    if (status == LX_OK)
        status = lx_pq_chunk_end(reader, &err);
    require(status == LX_OK || err.text[0] != 0, "a failure without a word");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < HEAD)
        return 0;
    struct input input = {bytes + HEAD, size - HEAD};
    uint8_t levels = bytes[2] % 3; /* required; optional; in a list */
    struct lx_parquet_field field = types[bytes[0] % (sizeof types / sizeof types[0])];
    field.repetition = levels == 0 ? LX_PARQUET_REQUIRED : LX_PARQUET_OPTIONAL;
    const struct lx_parquet_leaf leaf = {.path = field.name,
                                         .field = &field,
                                         .max_definition = (uint8_t)(levels == 2 ? 3 : levels),
                                         .max_repetition = levels == 2};
    int64_t rows = (int64_t)bytes[3] * 4;
    const struct lx_parquet_chunk chunk = {
        .physical = field.physical,
        .codec = codecs[bytes[1] % (sizeof codecs / sizeof codecs[0])],
        .values = levels == 2 ? rows * 2 : rows,
        .bytes = (int64_t)input.size,
        .raw_bytes = LX_MIB,
        .dictionary_page_offset = -1,
        .bloom_bytes = -1,
    };
    const struct lx_parquet_source source = {read_at, &input, (int64_t)input.size};
    const struct lx_parquet_reader_options options = {.page_bytes = LX_MIB,
                                                      .piece_bytes = 4096,
                                                      .scan_bytes = 16 * LX_MIB,
                                                      .batch_bytes = LX_MIB,
                                                      .no_crc = true};
    struct lx_pq_budget budget = {.max = options.scan_bytes};
    const struct lx_pq_chunk_setting setting = {.source = &source,
                                                .options = &options,
                                                .budget = &budget,
                                                .dictionaries = bytes[2] >= 128,
                                                .batch_bytes = options.batch_bytes};
    struct lx_pq_chunk_reader reader = {.leaf = NULL};
    struct lx_err err = LX_ERR_INIT;
    if (rows > 0 && lx_pq_chunk_open(&reader, &setting, &leaf, &chunk, NULL, rows, &err) == LX_OK)
        read_column(&reader, rows);
    lx_pq_chunk_free(&reader);
    require(atomic_load(&budget.used) == 0, "memory that is still counted");
    return 0;
}
