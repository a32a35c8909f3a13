#include "scan_fixture.h"

#include "parquet/writer.h"

#include <time.h>

struct scan_bed bed = {.filler = '0'};

static enum lx_status to_buffer(void *self, const void *bytes, size_t size, struct lx_err *e)
{
    return lx_buf_append(self, bytes, size) == LX_OK ? LX_OK : lx_err_memory(e);
}

static uint64_t next_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void put_file(const struct lx_column *const *views, int64_t rows, int64_t group_rows,
                     size_t filler)
{
    static char text[65536];
    struct lx_err err = LX_ERR_INIT;
    struct lx_parquet_field fields[COLUMNS + 1];
    struct lx_parquet_writer *writer;
    struct lx_buf bytes = LX_BUF(64 * LX_MIB);
    struct lx_to_file *to;
    const struct lx_column *const *columns;
    const struct lx_parquet_writer_options options = {.row_group_rows = group_rows};
    const struct lx_parquet_sink sink = {to_buffer, &bytes};
    const struct lx_parquet_file_info *info;
    assert_in_range(filler, 0, sizeof text);
    memset(text, bed.filler, sizeof text);
    assert_int_equal(lx_row_schema_parquet(bed.schema, fields, &err), LX_OK);
    assert_int_equal(
        lx_parquet_writer_create(fields, COLUMNS + 1, &options, &sink, NULL, &writer, &err), LX_OK);
    assert_int_equal(lx_to_file_create(bed.schema, &to, &err), LX_OK);
    assert_int_equal(lx_to_file_convert(to, views, rows, &columns, &err), LX_OK);
    assert_int_equal(lx_parquet_writer_append(writer, columns, 0, rows, &err), LX_OK);
    assert_int_equal(
        lx_parquet_writer_metadata(writer, LX_STR("filler"), (struct lx_str){text, filler}, &err),
        LX_OK);
    if (bed.batch != NULL)
        assert_int_equal(
            lx_parquet_writer_metadata(writer, LX_STR("lynex.batch"), lx_str_of(bed.batch), &err),
            LX_OK);
    assert_int_equal(lx_parquet_writer_finish(writer, &info, &err), LX_OK);
    assert_int_equal(info->row_group_count, (rows + group_rows - 1) / group_rows);
    int64_t plain = 8 * (rows < group_rows ? rows : group_rows); /* a row group is one page */
    for (size_t i = 0; i < COLUMNS; i++)
        assert_in_range(info->columns[i].largest_page, plain, plain + plain / 4 + 256);
    assert_true(lx_mem_bucket_put(bed.bucket, KEY, bytes.data, bytes.len));
    bed.file_size = bytes.len;
    lx_to_file_free(to);
    lx_parquet_writer_destroy(writer);
    lx_buf_free(&bytes);
}

void scan_write(int64_t rows, int64_t group_rows, size_t filler)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_column sent[COLUMNS];
    const struct lx_column *views[COLUMNS];
    for (size_t i = 0; i < COLUMNS; i++) {
        uint64_t state = i << 32;
        lx_column_init(&sent[i], LX_COLUMN_FIXED, 8);
        views[i] = &sent[i];
        for (int64_t row = 0; row < rows; row++) {
            uint64_t value = next_random(&state);
            assert_int_equal(lx_column_append(&sent[i], &value, sizeof value), LX_OK);
        }
    }
    assert_int_equal(lx_row_schema_hash_rows(bed.schema, views, rows, bed.hashes, &err), LX_OK);
    put_file(views, rows, group_rows, filler);
    for (size_t i = 0; i < COLUMNS; i++)
        lx_column_free(&sent[i]);
}

int scan_setup(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    struct lx_source_column columns[COLUMNS];
    static char names[COLUMNS][8];
    for (size_t i = 0; i < COLUMNS; i++) {
        snprintf(names[i], sizeof names[i], "c%zu", i);
        columns[i] = (struct lx_source_column){lx_str_of(names[i]), LX_STR("UInt64"), LX_STR(""),
                                               LX_STR("")};
    }
    assert_int_equal(lx_row_schema_build(columns, COLUMNS, false, &bed.schema, &err), LX_OK);
    bed.bucket = lx_mem_bucket_create();
    bed.hashes = lx_calloc(ROWS + 1, sizeof *bed.hashes);
    assert_non_null(bed.bucket);
    assert_non_null(bed.hashes);
    assert_int_equal(lx_mem_store_open(bed.bucket, 1, &bed.store, &err), LX_OK);
    scan_write(ROWS, GROUP_ROWS, 0);
    assert_in_range(bed.file_size, LX_FILE_SCAN_AT_ONCE + 1, 64 * LX_MIB);
    return 0;
}

int scan_teardown(void **state)
{
    (void)state;
    lx_free(bed.hashes);
    lx_store_close(bed.store);
    lx_mem_bucket_destroy(bed.bucket);
    lx_row_schema_free(bed.schema);
    return 0;
}

struct lx_mem_verdict scan_count_gets(void *context, const struct lx_mem_call *call)
{
    (void)context;
    if (call->op == LX_MEM_GET && atomic_fetch_add(&bed.gets, 1) + 1 == bed.fail_at) {
        const struct timespec while_others_come = {.tv_nsec = 20000000};
        nanosleep(&while_others_come, NULL);
        return (struct lx_mem_verdict){.fate = LX_MEM_REFUSED, .status = LX_E_ACCESS};
    }
    return (struct lx_mem_verdict){.fate = LX_MEM_DONE};
}
