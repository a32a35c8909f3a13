/* Columns whose DEFAULT is another value at each reading (now64(), generateUUIDv4()), in parts that
 * were written before the column was added: what is archived of them could never be recognised
 * again.
 *
 * Which parts lack a column is not told to a user with the least rights. So the first row of each
 * part is read twice: where it differs, the value is not stored. now() changes every second only:
 * where the value is the present second, the second reading comes a second later. (A DEFAULT
 * today() changes at midnight alone, and is not seen.) */
#include "archive/hot_sql_private.h"

#include "base/limits.h"

#include <ctype.h>
#include <stdio.h>

#define SECOND_READING_MS 1100
#define NEAR_SECONDS 2

/* Functions that give another value at each call, or another time. */
static bool is_volatile(struct lx_str expression)
{
    static const char *const names[] = {
        "now",  "rand",     "uuid",     "ulid",       "snowflake",   "random",     "canonical",
        "fuzz", "hostname", "query_id", "nowinblock", "currentuser", "serveruuid", "uptime"};
    char text[512];
    size_t size = expression.len < sizeof text - 1 ? expression.len : sizeof text - 1;
    for (size_t i = 0; i < size; i++)
        text[i] = (char)tolower((unsigned char)expression.ptr[i]);
    text[size] = 0;
    if (expression.len > size)
        return true; /* too long to judge: asked */
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strstr(text, names[i]) != NULL)
            return true;
    return false;
}

static bool is_asked(const struct lx_source_column *column)
{
    return (lx_str_is(column->default_kind, "DEFAULT") ||
            lx_str_is(column->default_kind, "MATERIALIZED")) &&
           is_volatile(column->default_expression);
}

static bool is_moment(const struct lx_source_column *column)
{
    return memmem(column->type.ptr, column->type.len, "DateTime", 8) != NULL &&
           !lx_str_starts(column->type, LX_STR("Array")) &&
           !lx_str_starts(column->type, LX_STR("Map")) &&
           !lx_str_starts(column->type, LX_STR("Tuple"));
}

/* SELECT groupBitXor(xxh3(tuple(`a`, _part))), max(`a` >= now() - 2), … FROM t WHERE … */
static enum lx_status write_question(const struct lx_hot_sql *hot, const char *const *parts,
                                     size_t count, struct lx_buf *sql)
{
    LX_TRY(lx_buf_text(sql, "SELECT "));
    bool first = true;
    for (size_t i = 0; i < hot->column_count; i++) {
        const struct lx_source_column *column = &hot->columns[i];
        if (!is_asked(column))
            continue;
        LX_TRY(lx_buf_text(sql, first ? "groupBitXor(xxh3(tuple(" : ", groupBitXor(xxh3(tuple("));
        LX_TRY(lx_ch_quote_name(sql, column->name));
        LX_TRY(lx_buf_text(sql, ", _part))), toUInt64(max("));
        if (is_moment(column)) {
            LX_TRY(lx_buf_text(sql, "ifNull("));
            LX_TRY(lx_ch_quote_name(sql, column->name));
            LX_TRY(lx_buf_printf(sql, " >= now() - %d, 0)", NEAR_SECONDS));
        } else {
            LX_TRY(lx_buf_text(sql, "0"));
        }
        LX_TRY(lx_buf_text(sql, "))"));
        first = false;
    }
    LX_TRY(lx_buf_printf(sql, " FROM %s WHERE ", lx_buf_cstr(&hot->target)));
    LX_TRY(lx_hot_sql_parts_in(parts, count, sql));
    return lx_buf_text(sql, " AND _part_offset = 0");
}

static enum lx_status ask(struct lx_hot_sql *hot, const struct lx_buf *sql,
                          struct lx_ch_table *answer, struct lx_err *err)
{
    char id[64];
    lx_hot_sql_query_id(hot, "volatile", id);
    const struct lx_ch_query query = {.sql = lx_buf_cstr(sql), .query_id = id};
    enum lx_status status = lx_ch_query_all(hot->client, &query, 1, answer, err);
    return lx_hot_sql_explain(hot, status, "reading", err);
}

static enum lx_status compare(struct lx_hot_sql *hot, const struct lx_ch_table *one,
                              const struct lx_ch_table *two, struct lx_err *err)
{
    size_t at = 0;
    for (size_t i = 0; i < hot->column_count; i++) {
        const struct lx_source_column *column = &hot->columns[i];
        if (!is_asked(column))
            continue;
        if (lx_ch_u64(one, at, 0) != lx_ch_u64(two, at, 0)) {
            lx_err_set(
                err, LX_E_REFUSED,
                "the column %.*s of %s has another value at each reading: its DEFAULT (%.*s) is "
                "no constant, and there are parts from before the column was added",
                LX_STR_ARG(column->name), lx_buf_cstr(&hot->target),
                LX_STR_ARG(column->default_expression));
            lx_err_hint(
                err,
                "run ALTER TABLE %s MATERIALIZE COLUMN `%.*s`, so that the values are stored; "
                "nothing was archived or deleted of these parts",
                lx_buf_cstr(&hot->target), LX_STR_ARG(column->name));
            return LX_E_REFUSED;
        }
        at += 2;
    }
    return LX_OK;
}

static bool any_near(const struct lx_hot_sql *hot, const struct lx_ch_table *answer)
{
    size_t at = 0;
    for (size_t i = 0; i < hot->column_count; i++) {
        if (!is_asked(&hot->columns[i]))
            continue;
        if (lx_ch_u64(answer, at + 1, 0) != 0)
            return true;
        at += 2;
    }
    return false;
}

enum lx_status lx_hot_sql_stored(void *self, const char *const *parts, size_t count,
                                 struct lx_err *err)
{
    struct lx_hot_sql *hot = self;
    struct lx_buf sql = LX_BUF(LX_SQL_MAX_TEXT);
    struct lx_ch_table one = {0}, two = {0};
    bool asked = false;
    for (size_t i = 0; i < hot->column_count; i++)
        asked = asked || is_asked(&hot->columns[i]);
    if (!asked || count == 0)
        return LX_OK;
    enum lx_status status = write_question(hot, parts, count, &sql);
    if (status != LX_OK)
        lx_err_set(err, status, "the question about %zu parts is too long", count);
    if (status == LX_OK)
        status = ask(hot, &sql, &one, err);
    if (status == LX_OK && one.block.rows == 1 && any_near(hot, &one))
        lx_clock_sleep(&hot->clock, SECOND_READING_MS);
    if (status == LX_OK)
        status = ask(hot, &sql, &two, err);
    if (status == LX_OK && one.block.rows == 1 && two.block.rows == 1)
        status = compare(hot, &one, &two, err);
    lx_ch_table_free(&one);
    lx_ch_table_free(&two);
    lx_buf_free(&sql);
    return status;
}
