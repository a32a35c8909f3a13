/* Reading rows, and hashes without rows, as streams: the queries. What comes of rows is taken apart
 * in hot_sql_rows.c. */
#include "archive/hot_sql_private.h"

#include "base/alloc.h"

void lx_hot_sql_end(void *self, struct lx_hot_stream *stream)
{
    (void)self;
    if (stream == NULL)
        return;
    lx_cancel_ask(&stream->cancel);
    lx_hot_sql_free_rows(stream); /* the thread reads from the result */
    lx_ch_result_free(stream->result);
    for (size_t i = 0; i < stream->part_count; i++)
        lx_free(stream->parts[i]);
    lx_free(stream->parts);
    lx_free(stream->sql);
    lx_ch_type_free(&stream->time_type);
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
    stream->hot = hot;
    stream->schema = read->schema;
    stream->waiting = read->waiting;
    stream->context = read->context;
    stream->time_field = find_field(read->schema, hot->time_column);
    stream->parts = lx_calloc(read->part_count, sizeof *stream->parts);
    enum lx_status status = stream->parts != NULL ? LX_OK : lx_err_memory(err);
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

/* What is selected is written; from here on it is the same for rows and hashes. */
static enum lx_status end_query(struct lx_hot_stream *stream, const struct lx_hot_read *read,
                                const char *purpose, const char *doing, struct lx_buf *sql)
{
    stream->purpose = purpose;
    stream->doing = doing;
    stream->from_at = sql->len;
    LX_TRY(add_where(stream->hot, read, sql));
    stream->sql = (char *)lx_buf_take(sql, NULL);
    return LX_OK;
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
        status = lx_buf_text(&sql, " AS _lynex_h");
    if (status == LX_OK)
        status = end_query(stream, read, "read", "reading", &sql);
    lx_buf_free(&sql);
    status = status != LX_OK ? lx_hot_sql_too_long(status, "the query for all columns of",
                                                   read->part_count, err)
                             : lx_hot_sql_start_rows(hot, stream, err);
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
        status = end_query(stream, read, "compare", "comparing rows of", &sql);
    lx_buf_free(&sql);
    status = status != LX_OK ? lx_hot_sql_too_long(status, "the query for", read->part_count, err)
                             : lx_hot_sql_start(stream, err);
    if (status != LX_OK) {
        lx_hot_sql_end(hot, stream);
        return status;
    }
    *out = stream;
    return LX_OK;
}

/* -- hashes -------------------------------------------------------------------------------- */

enum lx_status lx_hot_sql_next_hashes(void *self, struct lx_hot_stream *stream,
                                      struct lx_hot_hashes *out, struct lx_err *err)
{
    struct lx_ch_block *block = NULL;
    (void)self;
    LX_TRY(lx_hot_sql_next_block(stream, &block, err));
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
    lx_hot_sql_took(stream, out->hashes, out->rows);
    return LX_OK;
}
