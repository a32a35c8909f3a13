/* Reading rows, and hashes without rows, as streams. */
#include "archive/hot_sql_private.h"

#include "base/alloc.h"
#include "base/civil.h"

#include <stdio.h>

struct lx_hot_stream {
    struct lx_ch_result *result;
    const struct lx_row_schema *schema;
    char **parts;
    size_t part_count;
    struct lx_ch_type time_type;
    size_t time_field; /* SIZE_MAX in a stream of hashes */
    bool has_unreadable, has_compare;
    const struct lx_column **columns;
    uint32_t *part_of;
    int64_t *seconds;
    uint64_t *hashes;
    size_t cap; /* rows of the arrays above */
};

void lx_hot_sql_end(void *self, struct lx_hot_stream *stream)
{
    (void)self;
    if (stream == NULL)
        return;
    lx_ch_result_free(stream->result);
    for (size_t i = 0; i < stream->part_count; i++)
        lx_free(stream->parts[i]);
    lx_free(stream->parts);
    lx_ch_type_free(&stream->time_type);
    lx_free(stream->columns);
    lx_free(stream->part_of);
    lx_free(stream->seconds);
    lx_free(stream->hashes);
    lx_free(stream);
}

static size_t find_field(const struct lx_row_schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->field_count; i++)
        if (strcmp(schema->fields[i].name, name) == 0)
            return i;
    return SIZE_MAX;
}

static enum lx_status new_stream(struct lx_hot_sql *hot, const struct lx_hot_read *read,
                                 struct lx_hot_stream **out, struct lx_err *err)
{
    struct lx_hot_stream *stream = lx_calloc(1, sizeof *stream);
    if (stream == NULL)
        return lx_err_memory(err);
    stream->schema = read->schema;
    stream->time_field = find_field(read->schema, hot->time_column);
    stream->parts = lx_calloc(read->part_count, sizeof *stream->parts);
    stream->columns = lx_calloc(read->schema->field_count, sizeof *stream->columns);
    enum lx_status status =
        stream->parts != NULL && stream->columns != NULL ? LX_OK : lx_err_memory(err);
    for (size_t i = 0; status == LX_OK && i < read->part_count; i++) {
        stream->parts[i] = lx_strdup(read->parts[i]);
        status = stream->parts[i] != NULL ? LX_OK : lx_err_memory(err);
        stream->part_count++;
    }
    if (status == LX_OK)
        status = lx_ch_type_parse(lx_str_of(hot->time_type.text), &stream->time_type, err);
    if (status != LX_OK) {
        lx_hot_sql_end(hot, stream);
        return status;
    }
    *out = stream;
    return LX_OK;
}

static enum lx_status add_columns(const struct lx_row_schema *schema, bool *has_unreadable,
                                  struct lx_buf *sql)
{
    struct lx_buf unreadable = LX_BUF(LX_SQL_MAX_TEXT);
    enum lx_status status = LX_OK;
    for (size_t i = 0; status == LX_OK && i < schema->field_count; i++) {
        status = lx_buf_printf(sql, "%s, ", schema->fields[i].select_sql);
        if (status == LX_OK && schema->fields[i].unreadable_sql != NULL)
            status =
                lx_buf_printf(&unreadable, "(%s), %zu, ", schema->fields[i].unreadable_sql, i + 1);
    }
    *has_unreadable = unreadable.len != 0;
    if (status == LX_OK && *has_unreadable)
        status = lx_buf_printf(sql, "toUInt32(multiIf(%s0)), ", lx_buf_cstr(&unreadable));
    lx_buf_free(&unreadable);
    return status;
}

static enum lx_status add_where(const struct lx_hot_sql *hot, const struct lx_hot_read *read,
                                struct lx_buf *sql)
{
    LX_TRY(lx_buf_printf(sql, " FROM %s WHERE ", lx_buf_cstr(&hot->target)));
    LX_TRY(lx_hot_sql_parts_in(read->parts, read->part_count, sql));
    LX_TRY(lx_buf_text(sql, " AND "));
    LX_TRY(lx_hot_sql_range(hot, read->from, read->to, sql));
    if (read->hash_from == 0 && read->hash_to == UINT64_MAX)
        return LX_OK;
    LX_TRY(lx_buf_text(sql, " AND ("));
    LX_TRY(lx_row_schema_hash_sql(read->schema, sql));
    return lx_buf_printf(sql, " BETWEEN toUInt64(%llu) AND toUInt64(%llu))",
                         (unsigned long long)read->hash_from, (unsigned long long)read->hash_to);
}

/* One thread, so that a part's rows come in the part's order and parts one after the other: files
 * have the table's sort order, and the same part gives the same file. */
static const struct lx_ch_setting read_settings[] = {
    {"max_threads", "1"},
    {"max_block_size", "65409"},
};

static enum lx_status start(struct lx_hot_sql *hot, const char *purpose, struct lx_buf *sql,
                            struct lx_hot_stream *stream, struct lx_err *err)
{
    char id[64];
    lx_hot_sql_query_id(hot, purpose, id);
    struct lx_ch_query query = {
        .sql = lx_buf_cstr(sql),
        .query_id = id,
        .settings = read_settings,
        .setting_count = sizeof read_settings / sizeof read_settings[0],
    };
    enum lx_status status = lx_ch_select(hot->client, &query, &stream->result, err);
    return lx_hot_sql_explain(hot, status, "reading", err);
}

enum lx_status lx_hot_sql_read(void *self, const struct lx_hot_read *read,
                               struct lx_hot_stream **out, struct lx_err *err)
{
    struct lx_hot_sql *hot = self;
    struct lx_hot_stream *stream = NULL;
    LX_TRY(new_stream(hot, read, &stream, err));
    struct lx_buf sql = LX_BUF(LX_SQL_MAX_TEXT);
    enum lx_status status = lx_buf_text(&sql, "SELECT ");
    if (status == LX_OK)
        status = add_columns(read->schema, &stream->has_unreadable, &sql);
    if (status == LX_OK)
        status = lx_buf_text(&sql, "_part, ");
    if (status == LX_OK)
        status = lx_row_schema_hash_sql(read->schema, &sql);
    if (status == LX_OK)
        status = add_where(hot, read, &sql);
    status = status != LX_OK ? lx_err_set(err, status,
                                          "the query for %zu parts and %zu columns is "
                                          "too long",
                                          read->part_count, read->schema->field_count)
                             : start(hot, "read", &sql, stream, err);
    lx_buf_free(&sql);
    if (status != LX_OK) {
        lx_hot_sql_end(hot, stream);
        return status;
    }
    *out = stream;
    return LX_OK;
}

static enum lx_status add_compare(const struct lx_hot_sql *hot, const struct lx_row_schema *compare,
                                  struct lx_buf *sql)
{
    LX_TRY(lx_buf_text(sql, ", if("));
    LX_TRY(lx_hot_sql_strange(hot, compare, sql));
    LX_TRY(lx_buf_text(sql, ", _lynex_h, "));
    LX_TRY(lx_row_schema_hash_sql(compare, sql));
    return lx_buf_text(sql, ")");
}

enum lx_status lx_hot_sql_hashes(void *self, const struct lx_hot_read *read,
                                 struct lx_hot_stream **out, struct lx_err *err)
{
    struct lx_hot_sql *hot = self;
    struct lx_hot_stream *stream = NULL;
    LX_TRY(new_stream(hot, read, &stream, err));
    struct lx_buf sql = LX_BUF(LX_SQL_MAX_TEXT);
    enum lx_status status = lx_buf_text(&sql, "SELECT ");
    if (status == LX_OK)
        status = lx_row_schema_hash_sql(read->schema, &sql);
    if (status == LX_OK)
        status = lx_buf_text(&sql, " AS _lynex_h, ifNull(");
    if (status == LX_OK)
        status = lx_hot_sql_seconds(hot, &sql);
    if (status == LX_OK)
        status = lx_buf_text(&sql, ", 0)");
    if (status == LX_OK && read->compare != NULL)
        status = add_compare(hot, read->compare, &sql);
    stream->has_compare = read->compare != NULL;
    if (status == LX_OK)
        status = add_where(hot, read, &sql);
    status = status != LX_OK
                 ? lx_err_set(err, status, "the query for %zu parts is too long", read->part_count)
                 : start(hot, "compare", &sql, stream, err);
    lx_buf_free(&sql);
    if (status != LX_OK) {
        lx_hot_sql_end(hot, stream);
        return status;
    }
    *out = stream;
    return LX_OK;
}

/* -- blocks -------------------------------------------------------------------------------- */

static enum lx_status make_room(struct lx_hot_stream *stream, size_t rows, struct lx_err *err)
{
    if (rows <= stream->cap)
        return LX_OK;
    uint32_t *part_of = lx_realloc(stream->part_of, rows * sizeof *part_of);
    if (part_of != NULL)
        stream->part_of = part_of;
    int64_t *seconds = lx_realloc(stream->seconds, rows * sizeof *seconds);
    if (seconds != NULL)
        stream->seconds = seconds;
    if (part_of == NULL || seconds == NULL)
        return lx_err_memory(err);
    stream->cap = rows;
    return LX_OK;
}

/* Is the column still what the schema says? A table can change between plan and read. */
static bool same_type(const struct lx_ch_type *a, const struct lx_ch_type *b)
{
    return a->kind == b->kind && a->nullable == b->nullable && a->width == b->width &&
           a->precision == b->precision && a->scale == b->scale;
}

static enum lx_status check_block(const struct lx_hot_stream *stream,
                                  const struct lx_ch_block *block, size_t columns,
                                  struct lx_err *err)
{
    if (block->column_count != columns)
        return lx_err_set(err, LX_E_FORMAT, "the answer has %zu columns, %zu were asked for",
                          block->column_count, columns);
    for (size_t i = 0; i < stream->schema->field_count; i++)
        if (!same_type(block->columns[i].type, &stream->schema->fields[i].sent))
            return lx_err_set(err, LX_E_AGAIN, "the column %s became %s while it was read",
                              stream->schema->fields[i].name, block->columns[i].type->text);
    return LX_OK;
}

static enum lx_status find_parts(struct lx_hot_stream *stream, const struct lx_column *names,
                                 struct lx_err *err)
{
    struct lx_str last = {0};
    uint32_t index = 0;
    for (int64_t row = 0; row < names->rows; row++) {
        struct lx_str name = lx_column_value(names, row);
        if (row == 0 || !(name.ptr == last.ptr && name.len == last.len)) {
            for (index = 0; index < stream->part_count; index++)
                if (lx_str_is(name, stream->parts[index]))
                    break;
            if (index == stream->part_count)
                return lx_err_set(err, LX_E_FORMAT,
                                  "a row of part %.*s came, which was not asked "
                                  "for",
                                  LX_STR_ARG(name));
            last = name;
        }
        stream->part_of[row] = index;
    }
    return LX_OK;
}

static int64_t int_at(const struct lx_column *column, int64_t row, bool is_signed)
{
    struct lx_str value = lx_column_value(column, row);
    uint64_t bits = 0;
    memcpy(&bits, value.ptr, value.len);
    if (is_signed && value.len < 8 && (bits >> (value.len * 8 - 1)) != 0)
        bits |= UINT64_MAX << (value.len * 8);
    return (int64_t)bits;
}

static void find_seconds(struct lx_hot_stream *stream, const struct lx_column *time)
{
    int64_t scale = 1;
    bool is_signed = true;
    switch (stream->time_type.kind) {
    case LX_CH_DATE: is_signed = false; break;
    case LX_CH_DATE32: break;
    case LX_CH_DATETIME: is_signed = false; break;
    default:
        for (unsigned i = 0; i < stream->time_type.precision; i++)
            scale *= 10;
        break;
    }
    bool days = stream->time_type.kind == LX_CH_DATE || stream->time_type.kind == LX_CH_DATE32;
    for (int64_t row = 0; row < time->rows; row++) {
        int64_t value = int_at(time, row, is_signed);
        stream->seconds[row] = days ? value * LX_DAY_SECONDS : lx_floor_div(value, scale);
    }
}

enum lx_status lx_hot_sql_next(void *self, struct lx_hot_stream *stream, struct lx_hot_rows *rows,
                               struct lx_err *err)
{
    struct lx_hot_sql *hot = self;
    struct lx_ch_block *block = NULL;
    size_t fields = stream->schema->field_count;
    enum lx_status status = lx_ch_next(stream->result, &block, err);
    if (status != LX_OK)
        return lx_hot_sql_explain(hot, status, "reading", err);
    *rows = (struct lx_hot_rows){.unreadable_row = -1};
    if (block == NULL)
        return LX_OK;
    LX_TRY(check_block(stream, block, fields + stream->has_unreadable + 2, err));
    LX_TRY(make_room(stream, (size_t)block->rows, err));
    size_t at = fields;
    if (stream->has_unreadable) {
        const struct lx_column *bad = &block->columns[at++].data;
        for (int64_t row = 0; row < block->rows && rows->unreadable_row < 0; row++) {
            int64_t column = int_at(bad, row, false);
            if (column != 0 && (size_t)column <= fields) {
                rows->unreadable_row = row;
                rows->unreadable_name = stream->schema->fields[column - 1].name;
            }
        }
    }
    LX_TRY(find_parts(stream, &block->columns[at].data, err));
    if (stream->time_field != SIZE_MAX)
        find_seconds(stream, &block->columns[stream->time_field].data);
    for (size_t i = 0; i < fields; i++)
        stream->columns[i] = &block->columns[i].data;
    const struct lx_column *hashes = &block->columns[at + 1].data;
    if (hashes->shape != LX_COLUMN_FIXED || hashes->width != 8)
        return lx_err_set(err, LX_E_FORMAT, "the row hash came as %s",
                          block->columns[at + 1].type->text);
    rows->columns = stream->columns;
    rows->rows = block->rows;
    rows->hashes = (const uint64_t *)(const void *)hashes->values;
    rows->part_of = stream->part_of;
    rows->seconds = stream->seconds;
    return LX_OK;
}

enum lx_status lx_hot_sql_next_hashes(void *self, struct lx_hot_stream *stream,
                                      struct lx_hot_hashes *out, struct lx_err *err)
{
    struct lx_hot_sql *hot = self;
    struct lx_ch_block *block = NULL;
    enum lx_status status = lx_ch_next(stream->result, &block, err);
    if (status != LX_OK)
        return lx_hot_sql_explain(hot, status, "comparing rows of", err);
    *out = (struct lx_hot_hashes){0};
    if (block == NULL)
        return LX_OK;
    size_t columns = stream->has_compare ? 3 : 2;
    bool good = block->column_count == columns;
    for (size_t i = 0; good && i < columns; i++)
        good = block->columns[i].data.width == 8;
    if (!good)
        return lx_err_set(err, LX_E_FORMAT, "the answer is not of hashes and times");
    out->keys =
        (const uint64_t *)(const void *)block->columns[stream->has_compare ? 2 : 0].data.values;
    out->hashes = (const uint64_t *)(const void *)block->columns[0].data.values;
    out->seconds = (const int64_t *)(const void *)block->columns[1].data.values;
    out->rows = block->rows;
    return LX_OK;
}
