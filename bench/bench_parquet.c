/* bench_parquet: what our side of `make bench-parquet` costs, on rows that lie in memory.
 *
 *   bench_parquet NATIVE DIR   loads rows in ClickHouse's Native format, then answers commands
 *
 * Commands, a line each on stdin; the answer is a line of JSON on stdout:
 *   encode EFFORT NAME   DIR/NAME.parquet, as `lynex archive` writes it, row hashes computed too;
 *                        EFFORT: balanced, fast, small
 *   decode NAME          the whole file as the proof reads it, row hashes included
 *   floor LEVEL          zstd alone over the same values, column by column, frames of 1 MiB
 *
 * CPU seconds are of this process, user and system, on one thread. */
#include "archive/file_scan.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "clickhouse/ch_native.h"
#include "parquet/writer.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <zstd.h>

/* As archive/batch_file.c has them. */
#define ROW_GROUP_ROWS 131072
#define ROW_GROUP_BYTES (32 * LX_MIB)
#define ROW_GROUP_RAW_BYTES (384 * LX_MIB)
#define PENDING_BYTES (24 * LX_MIB)

#define FLOOR_FRAME ((size_t)LX_MIB)
#define MAX_BLOCKS 65536

struct block {
    int64_t rows;
    struct lx_column *columns;
};

static struct lx_row_schema *schema;
static struct block *blocks;
static size_t block_count;
static int64_t row_count, native_bytes;
static const char *directory;

static _Noreturn void die(const char *what, const struct lx_err *err)
{
    fprintf(stderr, "bench_parquet: %s%s%s\n", what, err != NULL ? ": " : "",
            err != NULL ? err->text : "");
    exit(1);
}

static void must(enum lx_status status, const char *what, const struct lx_err *err)
{
    if (status != LX_OK)
        die(what, err);
}

static void *need(void *memory)
{
    if (memory == NULL)
        die("out of memory", NULL);
    return memory;
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double wall_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* -- rows ------------------------------------------------------------------------------------ */

static enum lx_status file_source(void *self, void *to, size_t capacity, size_t *got,
                                  struct lx_err *err)
{
    *got = fread(to, 1, capacity, self);
    return ferror((FILE *)self) ? lx_err_errno(err, errno, "cannot read") : LX_OK;
}

static void build_schema(const struct lx_ch_block *block)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_source_column *columns = need(lx_calloc(block->column_count, sizeof *columns));
    for (size_t i = 0; i < block->column_count; i++)
        columns[i] = (struct lx_source_column){.name = lx_str_of(block->columns[i].name),
                                               .type = lx_str_of(block->columns[i].type->text)};
    must(lx_row_schema_build(columns, block->column_count, false, &schema, &err), "schema", &err);
    lx_free(columns);
}

static void load(const char *path)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_ch_reader reader;
    struct lx_ch_native native;
    struct lx_ch_block *block;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        die(path, NULL);
    must(lx_ch_reader_init(&reader, (struct lx_ch_source){file_source, file}), path, NULL);
    lx_ch_native_init(&native, &reader, LX_GIB);
    blocks = need(lx_calloc(MAX_BLOCKS, sizeof *blocks));
    for (;;) {
        must(lx_ch_native_next(&native, &block, &err), path, &err);
        if (block == NULL)
            break;
        if (block_count == MAX_BLOCKS)
            die("too many blocks", NULL);
        if (schema == NULL)
            build_schema(block);
        struct block *kept = &blocks[block_count++];
        kept->rows = block->rows;
        kept->columns = need(lx_calloc(block->column_count, sizeof *kept->columns));
        for (size_t i = 0; i < block->column_count; i++) {
            struct lx_column *data = &block->columns[i].data;
            kept->columns[i] = *data;
            lx_column_init(data, data->shape, data->width);
        }
        row_count += block->rows;
    }
    native_bytes = reader.received;
    lx_ch_native_free(&native);
    lx_ch_reader_free(&reader);
    fclose(file);
    if (schema == NULL)
        die("no rows", NULL);
}

static void sent_columns(const struct block *block, const struct lx_column **sent)
{
    for (size_t i = 0; i < schema->field_count; i++)
        sent[i] = &block->columns[i];
}

/* -- commands -------------------------------------------------------------------------------- */

static enum lx_status sink_write(void *self, const void *bytes, size_t size, struct lx_err *err)
{
    return fwrite(bytes, 1, size, self) == size ? LX_OK : lx_err_errno(err, errno, "cannot write");
}

static struct lx_parquet_writer *open_writer(enum lx_parquet_effort effort, FILE *file)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_parquet_writer *writer;
    size_t leaves = schema->field_count + 1;
    struct lx_parquet_field *fields = need(lx_calloc(leaves, sizeof *fields));
    struct lx_parquet_column_options *columns = need(lx_calloc(leaves, sizeof *columns));
    const struct lx_parquet_sink sink = {sink_write, file};
    must(lx_row_schema_parquet(schema, fields, &err), "schema", &err);
    for (size_t i = 0; i + 1 < leaves; i++)
        columns[i].bloom = schema->fields[i].type.kind == LX_CH_UUID;
    columns[leaves - 1].leave_out_empty = true;
    const struct lx_parquet_writer_options options = {
        .effort = effort,
        .row_group_rows = ROW_GROUP_ROWS,
        .row_group_bytes = ROW_GROUP_BYTES,
        .row_group_raw_bytes = ROW_GROUP_RAW_BYTES,
        .pending_bytes = PENDING_BYTES,
        .columns = columns,
    };
    must(lx_parquet_writer_create(fields, leaves, &options, &sink, NULL, &writer, &err), "writer",
         &err);
    lx_free(fields);
    lx_free(columns);
    return writer;
}

static int64_t write_rows(enum lx_parquet_effort effort, FILE *file)
{
    struct lx_err err = LX_ERR_INIT;
    const struct lx_parquet_file_info *info;
    struct lx_to_file *to;
    struct lx_parquet_writer *writer = open_writer(effort, file);
    const struct lx_column **sent = need(lx_calloc(schema->field_count, sizeof(*sent)));
    const struct lx_column *const *columns;
    must(lx_to_file_create(schema, &to, &err), "schema", &err);
    for (size_t i = 0; i < block_count; i++) {
        uint64_t *hashes = need(lx_malloc((size_t)blocks[i].rows * sizeof *hashes));
        sent_columns(&blocks[i], sent);
        must(lx_row_schema_hash(schema, sent, blocks[i].rows, hashes), "hashes", NULL);
        must(lx_to_file_convert(to, sent, blocks[i].rows, &columns, &err), "values", &err);
        must(lx_parquet_writer_append(writer, columns, 0, blocks[i].rows, &err), "rows", &err);
        lx_free(hashes);
    }
    must(lx_parquet_writer_finish(writer, &info, &err), "file", &err);
    int64_t bytes = info->bytes;
    lx_parquet_writer_destroy(writer);
    lx_to_file_free(to);
    lx_free(sent);
    return bytes;
}

static void encode(const char *effort_name, const char *name)
{
    char path[4096];
    enum lx_parquet_effort effort = strcmp(effort_name, "fast") == 0    ? LX_PARQUET_FAST
                                    : strcmp(effort_name, "small") == 0 ? LX_PARQUET_SMALL
                                                                        : LX_PARQUET_BALANCED;
    snprintf(path, sizeof path, "%s/%s.parquet", directory, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        die(path, NULL);
    double cpu = cpu_seconds(), wall = wall_seconds();
    int64_t bytes = write_rows(effort, file);
    if (fclose(file) != 0)
        die(path, NULL);
    printf("{\"cpu\":%.3f,\"wall\":%.3f,\"bytes\":%" PRId64 "}\n", cpu_seconds() - cpu,
           wall_seconds() - wall, bytes);
}

static void decode(const char *name)
{
    char key[256];
    struct lx_err err = LX_ERR_INIT;
    struct lx_store *store;
    struct lx_object object;
    struct lx_file_scan *scan;
    struct lx_file_rows rows;
    uint64_t sum = 0;
    snprintf(key, sizeof key, "%s.parquet", name);
    must(lx_store_open_dir(directory, lx_clock_system(), lx_random_system(), &store, &err),
         directory, &err);
    must(lx_store_head(store, key, &object, &err), key, &err);
    double cpu = cpu_seconds(), wall = wall_seconds();
    struct lx_file_scan_options options = {
        .store = store, .key = key, .size = object.size, .schema = schema};
    must(lx_file_scan_open(&options, &scan, &err), key, &err);
    do {
        must(lx_file_scan_next(scan, &rows, &err), key, &err);
        for (int64_t i = 0; i < rows.rows; i++)
            sum += rows.hashes[i];
    } while (rows.rows > 0);
    lx_file_scan_close(scan);
    printf("{\"cpu\":%.3f,\"wall\":%.3f,\"bytes\":%" PRId64 ",\"sum\":\"%" PRIu64 "\"}\n",
           cpu_seconds() - cpu, wall_seconds() - wall, native_bytes, sum);
    lx_store_close(store);
}

/* zstd alone, as a floor: what no encoding helps, and no statistics cost. */
static void floor_of(int level)
{
    ZSTD_CCtx *context = need(ZSTD_createCCtx());
    size_t room = ZSTD_compressBound(FLOOR_FRAME);
    uint8_t *frame = need(lx_malloc(FLOOR_FRAME)), *out = need(lx_malloc(room));
    int64_t bytes = 0;
    double cpu = cpu_seconds(), wall = wall_seconds();
    for (size_t c = 0; c < schema->field_count; c++) {
        size_t filled = 0;
        for (size_t b = 0; b <= block_count; b++) {
            int64_t rows = b < block_count ? blocks[b].rows : 0;
            for (int64_t i = 0; i < rows || (b == block_count && filled > 0); i++) {
                struct lx_str value = {"", 0};
                if (b < block_count)
                    value = lx_column_value(&blocks[b].columns[c], i);
                if (filled + value.len > FLOOR_FRAME || b == block_count) {
                    bytes += (int64_t)ZSTD_compressCCtx(context, out, room, frame, filled, level);
                    filled = 0;
                }
                if (value.len > FLOOR_FRAME)
                    die("a value is larger than a frame", NULL);
                memcpy(frame + filled, value.ptr, value.len);
                filled += value.len;
            }
        }
    }
    printf("{\"cpu\":%.3f,\"wall\":%.3f,\"bytes\":%" PRId64 "}\n", cpu_seconds() - cpu,
           wall_seconds() - wall, bytes);
    ZSTD_freeCCtx(context);
    lx_free(frame);
    lx_free(out);
}

static void answer(char *line)
{
    char *words[3] = {line, NULL, NULL};
    line[strcspn(line, "\n")] = 0;
    for (int i = 1; i < 3 && words[i - 1] != NULL; i++) {
        words[i] = strchr(words[i - 1], ' ');
        if (words[i] != NULL)
            *words[i]++ = 0;
    }
    if (strcmp(words[0], "encode") == 0 && words[2] != NULL)
        encode(words[1], words[2]);
    else if (strcmp(words[0], "decode") == 0 && words[1] != NULL)
        decode(words[1]);
    else if (strcmp(words[0], "floor") == 0 && words[1] != NULL)
        floor_of(words[1][0] - '0');
    else
        die("no such command", NULL);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    char line[512];
    if (argc != 3)
        die("usage: bench_parquet NATIVE DIR", NULL);
    directory = argv[2];
    mallopt(M_MMAP_THRESHOLD, 32 * (int)LX_MIB); /* as main.c has it */
    mallopt(M_TRIM_THRESHOLD, 64 * (int)LX_MIB);
    load(argv[1]);
    printf("{\"rows\":%" PRId64 ",\"bytes\":%" PRId64 "}\n", row_count, native_bytes);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL)
        answer(line);
    for (size_t b = 0; b < block_count; b++) {
        for (size_t i = 0; i < schema->field_count; i++)
            lx_column_free(&blocks[b].columns[i]);
        lx_free(blocks[b].columns);
    }
    lx_free(blocks);
    lx_row_schema_free(schema);
    return 0;
}
