/* libFuzzer: a whole Parquet file: footer, indexes, filters, pages. Whatever the bytes are, reading
 * them fails with a word, or gives as many rows as the file says; within fixed memory. */
#include "base/alloc.h"
#include "base/limits.h"
#include "fuzz.h"
#include "parquet/reader.h"

#define SCAN_BYTES (32 * LX_MIB)
#define MOST_ROWS 2000000 /* a run of one value is cheap to write and dear to read */

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

static void look_at(const struct lx_column *column, int64_t rows)
{
    size_t sum = 0;
    require(column->rows == rows, "a column of another length");
    for (int64_t i = 0; i < rows; i++) {
        struct lx_str value = lx_column_value(column, i);
        for (size_t b = 0; b < value.len; b++)
            sum += (unsigned char)value.ptr[b]; /* for the sanitizers */
    }
    require(sum != SIZE_MAX, "bytes without end");
}

static void scan_all(const struct lx_parquet_reader *reader, bool dictionaries)
{
    const struct lx_parquet_metadata *metadata = lx_parquet_reader_metadata(reader);
    const struct lx_column **columns = lx_calloc(metadata->schema.leaf_count + 1, sizeof(*columns));
    struct lx_parquet_scan_options options = {.dictionaries = dictionaries};
    struct lx_parquet_scan *scan = NULL;
    struct lx_err err = LX_ERR_INIT;
    int64_t rows = 0, all = 0;
    require(columns != NULL, "no memory");
    enum lx_status status = lx_parquet_reader_scan(reader, &options, &scan, &err);
    while (status == LX_OK) {
        status = lx_parquet_scan_next(scan, 1000, columns, &rows, &err);
        if (status != LX_OK || rows == 0)
            break;
        for (size_t i = 0; i < metadata->schema.leaf_count; i++) {
            struct lx_parquet_levels levels;
            lx_parquet_scan_levels(scan, i, &levels);
            look_at(levels.values, levels.values->rows);
            require(levels.definition != NULL || levels.values->rows == rows, "rows are missing");
        }
        all += rows;
    }
    require(status != LX_OK || all == metadata->rows, "not the rows that the file says");
    require(status == LX_OK || err.text[0] != 0, "a failure without a word");
    lx_parquet_scan_free(scan);
    lx_free(columns);
}

static void find_all(const struct lx_parquet_reader *reader)
{
    const struct lx_parquet_metadata *metadata = lx_parquet_reader_metadata(reader);
    for (uint32_t leaf = 0; leaf < metadata->schema.leaf_count; leaf++) {
        static const char value[16] = "abcdefghabcdefgh";
        struct lx_str probe = {value, 4};
        enum lx_parquet_physical physical = metadata->schema.leaves[leaf].field->physical;
        if (physical == LX_PARQUET_INT64 || physical == LX_PARQUET_DOUBLE)
            probe.len = 8;
        else if (physical == LX_PARQUET_BOOLEAN)
            probe.len = 1;
        else if (physical == LX_PARQUET_FIXED_LEN_BYTE_ARRAY)
            probe.len = 16;
        struct lx_parquet_predicate predicate = {leaf, true, true, probe, probe};
        struct lx_parquet_rows *ranges = NULL;
        size_t count;
        struct lx_err err = LX_ERR_INIT;
        if (lx_parquet_reader_find(reader, &predicate, &ranges, &count, &err) == LX_OK)
            for (size_t i = 0; i < count; i++)
                require(ranges[i].from >= 0 && ranges[i].from < ranges[i].to &&
                            ranges[i].to <= metadata->rows,
                        "a range that is none");
        lx_free(ranges);
        for (size_t group = 0; group < metadata->row_group_count; group++) {
            struct lx_parquet_page_index index;
            if (lx_parquet_reader_page_index(reader, group, leaf, &index, &err) == LX_OK)
                lx_parquet_page_index_free(&index);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input input = {bytes, size};
    const struct lx_parquet_source source = {read_at, &input, (int64_t)size};
    const struct lx_parquet_reader_options options = {
        .footer_bytes = LX_MIB, .page_bytes = LX_MIB, .scan_bytes = SCAN_BYTES, .no_crc = true};
    struct lx_parquet_reader *reader;
    struct lx_err err = LX_ERR_INIT;
    if (lx_parquet_reader_open(&source, &options, &reader, &err) != LX_OK) {
        require(err.text[0] != 0, "a failure without a word");
        return 0;
    }
    find_all(reader);
    if (lx_parquet_reader_metadata(reader)->rows < MOST_ROWS) {
        scan_all(reader, false);
        scan_all(reader, true);
    }
    lx_parquet_reader_close(reader);
    return 0;
}
