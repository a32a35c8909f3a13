/* lynex inspect: what a Parquet file is made of. */
#include "cmd/cmd.h"

#include "base/alloc.h"
#include "cmd/inspect.h"
#include "cmd/terminal.h"
#include "parquet/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* A local file, or an object of the archive. */
struct input {
    struct lx_store *store;
    const char *key;
    int fd;
};

static enum lx_status read_at(void *self, int64_t offset, void *bytes, size_t size,
                              struct lx_err *err)
{
    struct input *input = self;
    char *to = bytes;
    if (input->fd < 0)
        return lx_store_read(input->store, input->key, offset, bytes, size, err);
    while (size > 0) {
        ssize_t got = pread(input->fd, to, size, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return lx_err_errno(err, got < 0 ? errno : EIO, "reading %s", input->key);
        to += got;
        offset += got;
        size -= (size_t)got;
    }
    return LX_OK;
}

static enum lx_status open_input(struct lx_cmd *cmd, const char *name, struct input *input,
                                 int64_t *size, struct lx_err *err)
{
    struct stat info;
    struct lx_object object;
    *input = (struct input){.key = name, .fd = open(name, O_RDONLY | O_CLOEXEC)};
    if (input->fd >= 0) {
        if (fstat(input->fd, &info) != 0)
            return lx_err_errno(err, errno, "looking at %s", name);
        if (!S_ISREG(info.st_mode))
            return lx_err_set(err, LX_E_ARGUMENT, "%s is not a file", name);
        *size = info.st_size;
        return LX_OK;
    }
    if (errno != ENOENT || name[0] == '/' || name[0] == '.')
        return lx_err_errno(err, errno, "cannot open %s", name);
    LX_TRY(lx_cmd_open_store(cmd, err));
    input->store = cmd->store;
    /* As archive prints it. */
    struct lx_buf root = LX_BUF(LX_MIB);
    if (lx_store_location(cmd->store, NULL, &root) == LX_OK &&
        lx_str_starts(lx_str_of(name), lx_buf_view(&root)) && name[root.len] == '/')
        input->key = name = name + root.len + 1;
    lx_buf_free(&root);
    LX_TRY(lx_store_head(cmd->store, name, &object, err));
    *size = object.size;
    return LX_OK;
}

/* -- one line a column --------------------------------------------------------------------- */

struct column_sum {
    int64_t values, nulls, raw, bytes, bloom;
    uint32_t encodings;
    enum lx_parquet_codec codec;
    bool index;
};

static void sum_column(const struct lx_parquet_metadata *m, size_t leaf, struct column_sum *sum)
{
    *sum = (struct column_sum){0};
    for (size_t g = 0; g < m->row_group_count; g++) {
        const struct lx_parquet_chunk *chunk = &m->row_groups[g].chunks[leaf];
        sum->values += chunk->values;
        if (chunk->statistics.null_count > 0)
            sum->nulls += chunk->statistics.null_count;
        sum->raw += chunk->raw_bytes;
        sum->bytes += chunk->bytes;
        sum->bloom += chunk->bloom_offset > 0 && chunk->bloom_bytes > 0 ? chunk->bloom_bytes : 0;
        sum->encodings |= chunk->encodings;
        sum->codec = chunk->codec;
        sum->index = sum->index || chunk->column_index_offset > 0;
    }
}

/* RLE is how levels are written in every column: it tells nothing, but for booleans. */
static void encoding_names(const struct column_sum *sum, bool boolean, char *text, size_t size)
{
    size_t used = 0;
    text[0] = 0;
    for (unsigned e = 1; e < 32 && used < size; e++) {
        if ((sum->encodings & (1u << e)) == 0 || (e == LX_PARQUET_RLE && !boolean))
            continue;
        int more = snprintf(text + used, size - used, "%s%s", used > 0 ? " + " : "",
                            lx_parquet_encoding_name((enum lx_parquet_encoding)e));
        used += more > 0 ? (size_t)more : 0;
    }
}

static void type_text(const struct lx_parquet_field *field, char *text, size_t size)
{
    char logical[64];
    lx_parquet_logical_text(&field->logical, logical, sizeof logical);
    if (field->physical == LX_PARQUET_FIXED_LEN_BYTE_ARRAY)
        snprintf(text, size, "FIXED(%d)%s%s", field->length, logical[0] != 0 ? " " : "", logical);
    else
        snprintf(text, size, "%s%s%s", lx_parquet_physical_name(field->physical),
                 logical[0] != 0 ? " " : "", logical);
}

static void add_column(struct lx_table *table, const struct lx_parquet_metadata *m, size_t leaf,
                       int64_t file_bytes)
{
    const struct lx_parquet_leaf *l = &m->schema.leaves[leaf];
    struct column_sum sum;
    char type[96], encodings[256], raw[LX_SHORT_TEXT], bytes[LX_SHORT_TEXT], nulls[LX_SHORT_TEXT];
    char bloom[LX_SHORT_TEXT];
    sum_column(m, leaf, &sum);
    type_text(l->field, type, sizeof type);
    encoding_names(&sum, l->field->physical == LX_PARQUET_BOOLEAN, encodings, sizeof encodings);
    lx_text_bytes(sum.raw, raw);
    lx_text_bytes(sum.bytes, bytes);
    lx_text_count(sum.nulls, nulls);
    lx_text_bytes(sum.bloom, bloom);
    lx_table_add(table, "%s", l->path);
    lx_table_add(table, "%s%s", type, l->field->repetition == LX_PARQUET_OPTIONAL ? "?" : "");
    lx_table_add(table, "%s", encodings);
    lx_table_add(table, "%s", lx_parquet_codec_name(sum.codec));
    lx_table_add(table, "%s", raw);
    lx_table_add(table, "%s", bytes);
    lx_table_add(table, "%.2fx", sum.bytes > 0 ? (double)sum.raw / (double)sum.bytes : 0.0);
    lx_table_add(table, "%.1f %%", 100.0 * (double)sum.bytes / (double)(file_bytes + !file_bytes));
    lx_table_add(table, "%.2f", (double)sum.bytes / (double)(m->rows + !m->rows));
    lx_table_add(table, "%s", sum.nulls > 0 ? nulls : "-");
    lx_table_add(table, "%s", sum.bloom > 0 ? bloom : "-");
    lx_table_add(table, "%s", sum.index ? "yes" : "-");
}

static enum lx_status print_columns(const struct lx_cmd *cmd, const struct lx_parquet_metadata *m,
                                    int64_t size, struct lx_buf *text)
{
    static const char *const heads[] = {"COLUMN", "TYPE",   "ENCODINGS", "CODEC",
                                        ">RAW",   ">BYTES", ">RATIO",    ">SHARE",
                                        ">B/ROW", ">NULLS", ">BLOOM",    "INDEX"};
    struct lx_table table;
    lx_table_init(&table, sizeof heads / sizeof heads[0]);
    table.width = lx_terminal_width();
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        lx_table_add(&table, "%s", heads[i]);
    for (size_t leaf = 0; leaf < m->schema.leaf_count; leaf++)
        add_column(&table, m, leaf, size);
    enum lx_status status = lx_table_print(&table, 0, cmd->color, text);
    lx_table_free(&table);
    return status;
}

static enum lx_status print_groups(const struct lx_cmd *cmd, const struct lx_parquet_metadata *m,
                                   struct lx_buf *text)
{
    struct lx_table table;
    char rows[LX_SHORT_TEXT], raw[LX_SHORT_TEXT], bytes[LX_SHORT_TEXT];
    lx_table_init(&table, 4);
    table.width = lx_terminal_width();
    lx_table_add(&table, ">ROW GROUP");
    lx_table_add(&table, ">ROWS");
    lx_table_add(&table, ">RAW");
    lx_table_add(&table, ">BYTES");
    for (size_t g = 0; g < m->row_group_count; g++) {
        lx_text_count(m->row_groups[g].rows, rows);
        lx_text_bytes(m->row_groups[g].raw_bytes, raw);
        lx_text_bytes(m->row_groups[g].bytes, bytes);
        lx_table_add(&table, "%zu", g);
        lx_table_add(&table, "%s", rows);
        lx_table_add(&table, "%s", raw);
        lx_table_add(&table, "%s", bytes);
    }
    enum lx_status status = lx_table_print(&table, 0, cmd->color, text);
    lx_table_free(&table);
    return status;
}

static enum lx_status print_all(const struct lx_cmd *cmd, const char *name, int64_t size,
                                const struct lx_parquet_metadata *m, struct lx_buf *text)
{
    char rows[LX_SHORT_TEXT], bytes[LX_SHORT_TEXT];
    lx_text_count(m->rows, rows);
    lx_text_bytes(size, bytes);
    LX_TRY(lx_buf_printf(text,
                         "%s%s%s\n%s rows, %s (%.1f bytes a row), %zu row groups, footer %zu "
                         "bytes, format %d, written by %.*s\n\n",
                         lx_color(cmd->color, LX_COLOR_BOLD), name,
                         lx_color(cmd->color, LX_COLOR_NONE), rows, bytes,
                         (double)size / (double)(m->rows + !m->rows), m->row_group_count,
                         m->footer_bytes, m->version, LX_STR_ARG(m->created_by)));
    LX_TRY(print_columns(cmd, m, size, text));
    LX_TRY(lx_buf_text(text, "\n"));
    LX_TRY(print_groups(cmd, m, text));
    for (size_t i = 0; i < m->key_value_count; i++) {
        struct lx_str value = m->key_values[i].value;
        LX_TRY(lx_buf_printf(
            text, "%s%.*s = %.*s%s\n", i == 0 ? "\n" : "", LX_STR_ARG(m->key_values[i].key),
            (int)(value.len < 80 ? value.len : 80), value.ptr, value.len > 80 ? "…" : ""));
    }
    return LX_OK;
}

static json_t *inspect_json(const char *name, int64_t size, const struct lx_parquet_metadata *m)
{
    json_t *columns = json_array(), *groups = json_array();
    for (size_t i = 0; i < m->schema.leaf_count; i++) {
        struct column_sum sum;
        char type[96], encodings[256];
        sum_column(m, i, &sum);
        type_text(m->schema.leaves[i].field, type, sizeof type);
        encoding_names(&sum, m->schema.leaves[i].field->physical == LX_PARQUET_BOOLEAN, encodings,
                       sizeof encodings);
        json_array_append_new(
            columns,
            json_pack("{s:s,s:s,s:b,s:s,s:s,s:I,s:I,s:I,s:I}", "name", m->schema.leaves[i].path,
                      "type", type, "optional",
                      m->schema.leaves[i].field->repetition == LX_PARQUET_OPTIONAL, "encodings",
                      encodings, "codec", lx_parquet_codec_name(sum.codec), "raw_bytes",
                      (json_int_t)sum.raw, "bytes", (json_int_t)sum.bytes, "nulls",
                      (json_int_t)sum.nulls, "bloom_bytes", (json_int_t)sum.bloom));
    }
    for (size_t g = 0; g < m->row_group_count; g++)
        json_array_append_new(groups,
                              json_pack("{s:I,s:I,s:I}", "rows", (json_int_t)m->row_groups[g].rows,
                                        "raw_bytes", (json_int_t)m->row_groups[g].raw_bytes,
                                        "bytes", (json_int_t)m->row_groups[g].bytes));
    return json_pack("{s:s,s:I,s:I,s:s%,s:o,s:o}", "file", name, "bytes", (json_int_t)size, "rows",
                     (json_int_t)m->rows, "created_by", m->created_by.ptr, m->created_by.len,
                     "columns", columns, "row_groups", groups);
}

/* The file in all, or the pages of one column. */
static int print_file(struct lx_cmd *cmd, const char *name, const char *column, int64_t size,
                      const struct lx_parquet_reader *reader)
{
    const struct lx_parquet_metadata *m = lx_parquet_reader_metadata(reader);
    struct lx_err err = LX_ERR_INIT;
    struct lx_buf text = LX_BUF(64 * LX_MIB);
    json_t *json = NULL;
    enum lx_status status = LX_OK;
    if (column != NULL && cmd->json)
        status = lx_inspect_pages_json(reader, column, &json, &err);
    else if (column != NULL)
        status = lx_inspect_pages(reader, column, cmd->color, &text, &err);
    else if (!cmd->json && print_all(cmd, name, size, m, &text) != LX_OK)
        status = lx_err_memory(&err);
    int code = LX_EXIT_DONE;
    if (status != LX_OK) {
        lx_err_context(&err, "%s", name);
        code = lx_cmd_fail(cmd, &err);
    } else if (cmd->json) {
        code = lx_cmd_print_json(cmd, column != NULL ? json : inspect_json(name, size, m));
    } else {
        lx_print(&text);
    }
    lx_buf_free(&text);
    return code;
}

int lx_cmd_inspect(struct lx_cmd *cmd)
{
    struct lx_err err = LX_ERR_INIT;
    struct input input = {.fd = -1};
    struct lx_parquet_reader *reader = NULL;
    int64_t size = 0;
    if (!lx_cmd_args_done(cmd, 2))
        return LX_EXIT_USAGE;
    const char *name = lx_cmd_operand(cmd, 0);
    if (name == NULL)
        return lx_cmd_usage(cmd, "lynex inspect FILE [COLUMN]; lynex ls lists them", "which file?");
    enum lx_status status = open_input(cmd, name, &input, &size, &err);
    if (status == LX_OK) {
        const struct lx_parquet_source source = {read_at, &input, size};
        status = lx_parquet_reader_open(&source, NULL, &reader, &err);
        if (status != LX_OK)
            lx_err_context(&err, "%s", name);
    }
    int code = status != LX_OK ? lx_cmd_fail(cmd, &err)
                               : print_file(cmd, name, lx_cmd_operand(cmd, 1), size, reader);
    lx_parquet_reader_close(reader);
    if (input.fd >= 0)
        close(input.fd);
    return code;
}
