/* The SQL driver of the hot side: creation, and what the table is. */
#include "archive/hot_sql_private.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "ledger/ledger.h"

#include <stdio.h>
#include <stdlib.h>

static const struct lx_hot_ops sql_ops = {
    .table = lx_hot_sql_table,
    .row_policy = lx_hot_sql_row_policy,
    .self_test = lx_hot_sql_self_test,
    .parts = lx_hot_sql_parts,
    .sums = lx_hot_sql_sums,
    .stored = lx_hot_sql_stored,
    .present = lx_hot_sql_present,
    .read = lx_hot_sql_read,
    .next = lx_hot_sql_next,
    .hashes = lx_hot_sql_hashes,
    .next_hashes = lx_hot_sql_next_hashes,
    .end = lx_hot_sql_end,
    .drop_parts = lx_hot_sql_drop_parts,
    .mask = lx_hot_sql_mask,
    .apply_mask = lx_hot_sql_apply_mask,
};

void lx_hot_sql_free(struct lx_hot_sql *hot)
{
    if (hot == NULL)
        return;
    lx_free(hot->database);
    lx_free(hot->table);
    lx_free(hot->time_column);
    lx_free(hot->host);
    lx_free(hot->columns);
    lx_free(hot->column_memory);
    lx_buf_free(&hot->target);
    lx_buf_free(&hot->time);
    lx_ch_type_free(&hot->time_type);
    lx_free(hot);
}

enum lx_status lx_hot_sql_create(const struct lx_hot_sql_options *options,
                                 struct lx_hot_sql **driver, struct lx_hot *out, struct lx_err *err)
{
    struct lx_hot_sql *hot = lx_calloc(1, sizeof *hot);
    if (hot == NULL)
        return lx_err_memory(err);
    hot->client = options->client;
    hot->mutations = options->mutations;
    hot->read_ahead = options->read_ahead;
    hot->max_block_bytes = options->max_block_bytes;
    hot->clock = options->clock;
    hot->random = options->random;
    hot->cancel = options->cancel;
    hot->target.max = hot->time.max = 8 * LX_MAX_NAME;
    hot->table = lx_strdup(options->table);
    hot->time_column = lx_strdup(options->time_column);
    enum lx_status status = hot->table != NULL && hot->time_column != NULL ? LX_OK : LX_E_MEMORY;
    if (status == LX_OK && options->database != NULL && options->database[0] != 0) {
        hot->database = lx_strdup(options->database);
        status = hot->database != NULL ? lx_ch_quote_name(&hot->target, lx_str_of(hot->database))
                                       : LX_E_MEMORY;
        if (status == LX_OK)
            status = lx_buf_text(&hot->target, ".");
    }
    if (status == LX_OK)
        status = lx_ch_quote_name(&hot->target, lx_str_of(hot->table));
    if (status == LX_OK)
        status = lx_ch_quote_name(&hot->time, lx_str_of(hot->time_column));
    if (status != LX_OK) {
        lx_hot_sql_free(hot);
        return status == LX_E_MEMORY
                   ? lx_err_memory(err)
                   : lx_err_set(err, status, "the names of table and time column are too long");
    }
    *driver = hot;
    *out = (struct lx_hot){&sql_ops, hot};
    return LX_OK;
}

/* -- table --------------------------------------------------------------------------------- */

static enum lx_status ask(struct lx_hot_sql *hot, const char *purpose, const struct lx_buf *sql,
                          int64_t max_rows, struct lx_ch_table *answer, struct lx_err *err)
{
    char id[64];
    lx_hot_sql_query_id(hot, purpose, id);
    struct lx_ch_query query = {.sql = lx_buf_cstr(sql), .query_id = id};
    return lx_ch_query_all(hot->client, &query, max_rows, answer, err);
}

/* Why is the table not in system.tables? The server says it best when the table itself is asked. */
static enum lx_status why_not_there(struct lx_hot_sql *hot, struct lx_err *err)
{
    struct lx_buf sql = LX_BUF(LX_SQL_MAX_TEXT);
    struct lx_ch_table answer = {0};
    enum lx_status status =
        lx_buf_printf(&sql, "SELECT count() FROM %s WHERE 0", lx_buf_cstr(&hot->target));
    if (status == LX_OK)
        status = ask(hot, "table", &sql, 10, &answer, err);
    lx_ch_table_free(&answer);
    lx_buf_free(&sql);
    if (status == LX_OK)
        return lx_err_set(err, LX_E_NOTFOUND, "%s is not in system.tables",
                          lx_buf_cstr(&hot->target));
    if (status == LX_E_ACCESS) {
        lx_err_context(err, "reading %s", lx_buf_cstr(&hot->target));
        lx_err_hint(err, "run as an administrator: GRANT SELECT, ALTER DELETE ON %s TO <user>;",
                    lx_buf_cstr(&hot->target));
    } else if (status == LX_E_NOTFOUND) {
        lx_err_context(err, "reading %s", lx_buf_cstr(&hot->target));
        lx_err_hint(err, "set CLICKHOUSE_DATABASE and ARCHIVE_TABLE to the table to archive");
    }
    return status;
}

static enum lx_status copy_text(char **to, struct lx_str text)
{
    *to = lx_strndup(text.ptr, text.len);
    return *to != NULL ? LX_OK : LX_E_MEMORY;
}

/* Replicated engines name their place in Keeper, which all replicas share, as UUIDs need not:
 * the first argument, "{uuid}" filled in. */
static enum lx_status replicated_path(struct lx_str full, struct lx_str uuid, char **path)
{
    struct lx_buf text = LX_BUF(4 * LX_MAX_NAME);
    const char *open = memchr(full.ptr, '(', full.len);
    enum lx_status status = LX_OK;
    if (open != NULL && (size_t)(open - full.ptr) + 1 < full.len && open[1] == '\'') {
        const char *pos = open + 2, *end = full.ptr + full.len;
        while (status == LX_OK && pos < end && *pos != '\'') {
            if (end - pos >= 6 && memcmp(pos, "{uuid}", 6) == 0) {
                status = lx_buf_str(&text, uuid);
                pos += 6;
            } else {
                if (*pos == '\\' && end - pos > 1) /* what it escapes is no end */
                    status = lx_buf_byte(&text, (uint8_t)*pos++);
                if (status == LX_OK)
                    status = lx_buf_byte(&text, (uint8_t)*pos++);
            }
        }
    }
    if (status == LX_OK && text.len == 0)
        status = lx_buf_str(&text, uuid);
    if (status == LX_OK)
        status = copy_text(path, lx_buf_view(&text));
    lx_buf_free(&text);
    return status;
}

#define NIL_UUID "00000000-0000-0000-0000-000000000000"

static enum lx_status check_engine(struct lx_str engine, struct lx_str uuid,
                                   const struct lx_hot_sql *hot, struct lx_err *err)
{
    const char *target = lx_buf_cstr(&hot->target);
    if (!lx_str_ends(engine, LX_STR("MergeTree"))) {
        enum lx_status status = lx_err_set(err, LX_E_REFUSED,
                                           "%s has the engine %.*s: only tables of the MergeTree "
                                           "family can be archived",
                                           target, LX_STR_ARG(engine));
        if (lx_str_is(engine, "Distributed"))
            lx_err_hint(err, "point CLICKHOUSE_URL at each shard and ARCHIVE_TABLE at the local "
                             "table behind the Distributed one");
        else
            lx_err_hint(err, "set ARCHIVE_TABLE to the MergeTree table that holds the rows; a view "
                             "holds none of its own");
        return status;
    }
    if (lx_str_is(uuid, NIL_UUID)) {
        lx_err_set(err, LX_E_REFUSED,
                   "%s has no UUID, so a table that takes its place could not "
                   "be told from it",
                   target);
        lx_err_hint(err,
                    "its database has an engine without table UUIDs (Ordinary, Overlay): CREATE "
                    "DATABASE … ENGINE = Atomic, and RENAME TABLE into it");
        return LX_E_REFUSED;
    }
    return LX_OK;
}

static enum lx_status fill_facts(struct lx_hot_sql *hot, const struct lx_ch_table *answer,
                                 struct lx_hot_table *table, struct lx_err *err)
{
    struct lx_str uuid = lx_ch_text(answer, 1, 0), engine = lx_ch_text(answer, 2, 0);
    LX_TRY(check_engine(engine, uuid, hot, err));
    enum lx_status status = copy_text(&table->database, lx_ch_text(answer, 0, 0));
    if (status == LX_OK)
        status = copy_text(&table->name, lx_str_of(hot->table));
    if (status == LX_OK)
        status = copy_text(&table->engine, engine);
    if (status == LX_OK)
        status = copy_text(&table->create_sql, lx_ch_text(answer, 3, 0));
    if (status == LX_OK)
        status = copy_text(&table->partition_key, lx_ch_text(answer, 4, 0));
    if (status == LX_OK)
        status = copy_text(&table->sorting_key, lx_ch_text(answer, 5, 0));
    if (status == LX_OK)
        status = lx_str_starts(engine, LX_STR("Replicated"))
                     ? replicated_path(lx_ch_text(answer, 12, 0), uuid, &table->uuid)
                     : copy_text(&table->uuid, uuid);
    if (status == LX_OK)
        status = copy_text(&table->host, lx_ch_text(answer, 10, 0));
    if (status == LX_OK)
        status = copy_text(&table->version, lx_ch_text(answer, 11, 0));
    if (status == LX_OK)
        status = copy_text(&table->time_column, lx_str_of(hot->time_column));
    if (status == LX_OK)
        status = lx_hot_ttl_parse(lx_str_of(table->create_sql), &table->ttl_sql, &table->ttl_days,
                                  &table->ttl_unclear);
    if (status != LX_OK)
        return lx_err_memory(err);
    table->total_rows = (int64_t)lx_ch_u64(answer, 6, 0);
    table->total_bytes = (int64_t)lx_ch_u64(answer, 7, 0);
    table->now = (int64_t)lx_ch_u64(answer, 8, 0);
    table->started_at = table->now - (int64_t)lx_ch_u64(answer, 9, 0);
    return LX_OK;
}

static enum lx_status ask_facts(struct lx_hot_sql *hot, struct lx_hot_table *table,
                                struct lx_err *err)
{
    struct lx_buf sql = LX_BUF(LX_SQL_MAX_TEXT);
    struct lx_ch_table answer = {0};
    enum lx_status status = lx_buf_text(
        &sql, "SELECT database, toString(uuid), engine, create_table_query, partition_key, "
              "sorting_key, ifNull(total_rows, 0), ifNull(total_bytes, 0), "
              "toUInt64(toUnixTimestamp(now())), toUInt64(uptime()), hostName(), version(), "
              "engine_full FROM system.tables WHERE database = ");
    if (status == LX_OK)
        status = hot->database != NULL ? lx_ch_quote_text(&sql, lx_str_of(hot->database))
                                       : lx_buf_text(&sql, "currentDatabase()");
    if (status == LX_OK)
        status = lx_buf_text(&sql, " AND name = ");
    if (status == LX_OK)
        status = lx_ch_quote_text(&sql, lx_str_of(hot->table));
    if (status != LX_OK)
        lx_err_memory(err);
    else
        status = ask(hot, "table", &sql, 10, &answer, err);
    if (status == LX_OK)
        status = lx_ch_table_check(&answer, "ttttttuuuuttt", err);
    if (status == LX_OK)
        status =
            answer.block.rows == 0 ? why_not_there(hot, err) : fill_facts(hot, &answer, table, err);
    lx_ch_table_free(&answer);
    lx_buf_free(&sql);
    return status;
}

static enum lx_status copy_column(const struct lx_ch_table *answer, int64_t row,
                                  struct lx_source_column *column)
{
    struct lx_str texts[4];
    size_t size = 1;
    for (size_t i = 0; i < 4; i++) {
        texts[i] = lx_ch_text(answer, i, row);
        size += texts[i].len;
    }
    char *memory = lx_malloc(size);
    if (memory == NULL)
        return LX_E_MEMORY;
    struct lx_str *const views[] = {&column->name, &column->type, &column->default_kind,
                                    &column->default_expression};
    char *pos = memory;
    for (size_t i = 0; i < 4; i++) {
        if (texts[i].len != 0)
            memcpy(pos, texts[i].ptr, texts[i].len);
        *views[i] = (struct lx_str){pos, texts[i].len};
        pos += texts[i].len;
    }
    return LX_OK;
}

static enum lx_status ask_columns(struct lx_hot_sql *hot, struct lx_hot_table *table,
                                  struct lx_err *err)
{
    struct lx_buf sql = LX_BUF(LX_SQL_MAX_TEXT);
    struct lx_ch_table answer = {0};
    enum lx_status status = lx_buf_text(
        &sql, "SELECT name, type, default_kind, default_expression FROM system.columns WHERE "
              "database = ");
    if (status == LX_OK)
        status = lx_ch_quote_text(&sql, lx_str_of(table->database));
    if (status == LX_OK)
        status = lx_buf_text(&sql, " AND table = ");
    if (status == LX_OK)
        status = lx_ch_quote_text(&sql, lx_str_of(hot->table));
    if (status == LX_OK)
        status = lx_buf_text(&sql, " ORDER BY position");
    if (status != LX_OK)
        lx_err_memory(err);
    else
        status = ask(hot, "columns", &sql, LX_MAX_COLUMNS, &answer, err);
    if (status == LX_OK)
        status = lx_ch_table_check(&answer, "tttt", err);
    if (status == LX_OK) {
        table->columns = lx_calloc((size_t)answer.block.rows + 1, sizeof *table->columns);
        status = table->columns != NULL ? LX_OK : lx_err_memory(err);
    }
    for (int64_t i = 0; status == LX_OK && i < answer.block.rows; i++) {
        status = copy_column(&answer, i, &table->columns[i]);
        if (status == LX_OK)
            table->column_count++;
        else
            lx_err_memory(err);
    }
    lx_ch_table_free(&answer);
    lx_buf_free(&sql);
    return status;
}

static bool can_be_time(const struct lx_ch_type *type)
{
    return type->kind == LX_CH_DATE || type->kind == LX_CH_DATE32 || type->kind == LX_CH_DATETIME ||
           type->kind == LX_CH_DATETIME64;
}

static enum lx_status find_time(struct lx_hot_table *table, struct lx_err *err)
{
    struct lx_buf names = LX_BUF(4096);
    for (size_t i = 0; i < table->column_count; i++) {
        struct lx_ch_type type = {0};
        enum lx_status status = lx_ch_type_parse(table->columns[i].type, &type, NULL);
        if (status == LX_E_MEMORY) {
            lx_buf_free(&names);
            return lx_err_memory(err);
        }
        if (status != LX_OK)
            continue;
        bool found = lx_str_is(table->columns[i].name, table->time_column);
        if (can_be_time(&type) && found && !lx_str_is(table->columns[i].default_kind, "ALIAS")) {
            lx_buf_free(&names);
            table->time_type = type;
            return LX_OK;
        }
        if (found)
            lx_err_set(err, LX_E_ARGUMENT,
                       "ARCHIVE_TIME_COLUMN=%s is of type %.*s: it must be "
                       "stored, and a Date, Date32, DateTime or DateTime64",
                       table->time_column, LX_STR_ARG(table->columns[i].type));
        if (can_be_time(&type) && lx_buf_printf(&names, "%s%.*s", names.len != 0 ? ", " : "",
                                                LX_STR_ARG(table->columns[i].name)) != LX_OK)
            names.len = 0;
        lx_ch_type_free(&type);
    }
    if (err == NULL || err->status != LX_E_ARGUMENT)
        lx_err_set(err, LX_E_ARGUMENT, "%s.%s has no column %s", table->database, table->name,
                   table->time_column);
    lx_err_hint(err, "set ARCHIVE_TIME_COLUMN to one of: %s", lx_buf_cstr(&names));
    lx_buf_free(&names);
    return LX_E_ARGUMENT;
}

/* Keeps what later questions need: the type of time, all columns. */
static enum lx_status remember(struct lx_hot_sql *hot, const struct lx_hot_table *table,
                               struct lx_err *err)
{
    struct lx_ch_type type = {0};
    size_t size = 1;
    LX_TRY(lx_ch_type_parse(lx_str_of(table->time_type.text), &type, err));
    lx_ch_type_free(&hot->time_type);
    hot->time_type = type;
    for (size_t i = 0; i < table->column_count; i++)
        size += table->columns[i].name.len + table->columns[i].type.len +
                table->columns[i].default_kind.len + table->columns[i].default_expression.len;
    struct lx_source_column *columns = lx_calloc(table->column_count + 1, sizeof *columns);
    char *memory = lx_malloc(size), *pos = memory;
    if (columns == NULL || memory == NULL) {
        lx_free(columns);
        lx_free(memory);
        return lx_err_memory(err);
    }
    for (size_t i = 0; i < table->column_count; i++) {
        const struct lx_source_column *from = &table->columns[i];
        /* The four texts lie one behind the other, see copy_column. */
        size_t bytes =
            from->name.len + from->type.len + from->default_kind.len + from->default_expression.len;
        memcpy(pos, from->name.ptr, bytes);
        columns[i].name = (struct lx_str){pos, from->name.len};
        columns[i].type = (struct lx_str){columns[i].name.ptr + from->name.len, from->type.len};
        columns[i].default_kind =
            (struct lx_str){columns[i].type.ptr + from->type.len, from->default_kind.len};
        columns[i].default_expression = (struct lx_str){
            columns[i].default_kind.ptr + from->default_kind.len, from->default_expression.len};
        pos += bytes;
    }
    lx_free(hot->columns);
    lx_free(hot->column_memory);
    hot->columns = columns;
    hot->column_memory = memory;
    hot->column_count = table->column_count;
    hot->described = true;
    return LX_OK;
}

enum lx_status lx_hot_sql_table(void *self, struct lx_hot_table **out, struct lx_err *err)
{
    struct lx_hot_sql *hot = self;
    struct lx_hot_table *table = lx_calloc(1, sizeof *table);
    if (table == NULL)
        return lx_err_memory(err);
    enum lx_status status = ask_facts(hot, table, err);
    if (status == LX_OK)
        status = ask_columns(hot, table, err);
    if (status == LX_OK)
        status = find_time(table, err);
    if (status == LX_OK)
        status = remember(hot, table, err);
    if (status != LX_OK) {
        lx_hot_table_free(table);
        return status;
    }
    *out = table;
    return LX_OK;
}
