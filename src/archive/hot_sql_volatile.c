/* Columns whose DEFAULT is another value at each reading (now64(), generateUUIDv4()), in parts that
 * were written before the column was added: what is archived of them could never be recognised
 * again.
 *
 * Which parts lack a column is not told to a user with the least rights. So such columns are read
 * twice, as a sum over all rows of the parts: where it differs, the values are not stored. now()
 * changes every second only: where a value is the present second, the second reading comes a second
 * later. (A DEFAULT today() changes at midnight alone, and is not seen.) */
#include "archive/hot_sql_private.h"

#include "base/limits.h"

#include <stdio.h>

#define SECOND_READING_MS 1100
#define NEAR_SECONDS 2

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Functions that are known to give the same value for the same arguments. */
static bool is_plain_function(struct lx_str name)
{
    static const char *const names[] = {"toDate",
                                        "toDate32",
                                        "toDateTime",
                                        "toDateTime64",
                                        "toStartOfHour",
                                        "toStartOfDay",
                                        "toStartOfWeek",
                                        "toStartOfMonth",
                                        "toYYYYMM",
                                        "toYYYYMMDD",
                                        "toMonday",
                                        "toHour",
                                        "toString",
                                        "toUInt8",
                                        "toUInt16",
                                        "toUInt32",
                                        "toUInt64",
                                        "toInt8",
                                        "toInt16",
                                        "toInt32",
                                        "toInt64",
                                        "toFloat32",
                                        "toFloat64",
                                        "lower",
                                        "upper",
                                        "length",
                                        "concat",
                                        "substring",
                                        "cityHash64",
                                        "sipHash64",
                                        "xxHash64",
                                        "xxh3",
                                        "JSONExtractString",
                                        "JSONExtractInt",
                                        "if",
                                        "ifNull",
                                        "coalesce",
                                        "empty",
                                        "notEmpty",
                                        "plus",
                                        "minus",
                                        "multiply",
                                        "divide",
                                        "intDiv",
                                        "modulo"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (lx_str_is(name, names[i]))
            return true;
    return false;
}

static bool is_column(const struct lx_hot_sql *hot, struct lx_str name)
{
    for (size_t i = 0; i < hot->column_count; i++)
        if (lx_str_equal(hot->columns[i].name, name))
            return true;
    return false;
}

/* May the expression give another value at each reading? Literals, columns and plain functions do
 * not; whatever else is in it may: then the server is asked. */
static bool is_volatile(const struct lx_hot_sql *hot, struct lx_str text)
{
    for (size_t i = 0; i < text.len;) {
        char c = text.ptr[i];
        if (c == '\'' || c == '`' || c == '"') {
            for (i++; i < text.len && text.ptr[i] != c; i++)
                i += text.ptr[i] == '\\';
            i++;
            continue;
        }
        if (!is_word(c)) {
            i++;
            continue;
        }
        size_t end = i;
        while (end < text.len && is_word(text.ptr[end]))
            end++;
        struct lx_str word = {text.ptr + i, end - i};
        bool call = end < text.len && text.ptr[end] == '(';
        bool number = c >= '0' && c <= '9';
        bool constant =
            lx_str_is(word, "NULL") || lx_str_is(word, "true") || lx_str_is(word, "false");
        if (call ? !is_plain_function(word) : !number && !constant && !is_column(hot, word))
            return true;
        i = end;
    }
    return false;
}

static bool is_asked(const struct lx_hot_sql *hot, const struct lx_source_column *column)
{
    return (lx_str_is(column->default_kind, "DEFAULT") ||
            lx_str_is(column->default_kind, "MATERIALIZED")) &&
           is_volatile(hot, column->default_expression);
}

static bool is_moment(const struct lx_source_column *column)
{
    return memmem(column->type.ptr, column->type.len, "DateTime", 8) != NULL &&
           !lx_str_starts(column->type, LX_STR("Array")) &&
           !lx_str_starts(column->type, LX_STR("Map")) &&
           !lx_str_starts(column->type, LX_STR("Tuple"));
}

/* SELECT sum(xxh3(tuple(`a`))), max(`a` >= now() - 2), …, count() FROM t WHERE … */
static enum lx_status write_question(const struct lx_hot_sql *hot, const char *const *parts,
                                     size_t count, struct lx_buf *sql)
{
    LX_TRY(lx_buf_text(sql, "SELECT "));
    for (size_t i = 0; i < hot->column_count; i++) {
        const struct lx_source_column *column = &hot->columns[i];
        if (!is_asked(hot, column))
            continue;
        LX_TRY(lx_buf_text(sql, "sum(xxh3(tuple("));
        LX_TRY(lx_ch_quote_name(sql, column->name));
        LX_TRY(lx_buf_text(sql, "))), toUInt64(max("));
        if (is_moment(column)) {
            LX_TRY(lx_buf_text(sql, "ifNull("));
            LX_TRY(lx_ch_quote_name(sql, column->name));
            LX_TRY(lx_buf_printf(sql, " >= now() - %d, 0)", NEAR_SECONDS));
        } else {
            LX_TRY(lx_buf_text(sql, "0"));
        }
        LX_TRY(lx_buf_text(sql, ")), "));
    }
    LX_TRY(lx_buf_printf(sql, "toUInt64(count()) FROM %s WHERE ", lx_buf_cstr(&hot->target)));
    return lx_hot_sql_parts_in(parts, count, sql);
}

static enum lx_status ask(struct lx_hot_sql *hot, const struct lx_buf *sql,
                          struct lx_ch_table *answer, struct lx_err *err)
{
    char id[64];
    lx_hot_sql_query_id(hot, "volatile", id);
    const struct lx_ch_query query = {.sql = lx_buf_cstr(sql),
                                      .query_id = id,
                                      .wishes = lx_hot_sql_wishes,
                                      .wish_count = LX_SQL_WISHES};
    enum lx_status status = lx_ch_query_all(hot->client, &query, 1, answer, err);
    size_t numbers = 1; /* of rows */
    for (size_t i = 0; i < hot->column_count; i++)
        numbers += is_asked(hot, &hot->columns[i]) ? 2 : 0;
    if (status == LX_OK && (answer->block.rows != 1 || answer->block.column_count != numbers))
        status = lx_err_set(err, LX_E_FORMAT, "the answer is not one row of sums");
    for (size_t i = 0; status == LX_OK && i < numbers; i++)
        if (answer->block.columns[i].type->kind != LX_CH_UINT64)
            status = lx_err_set(err, LX_E_FORMAT, "the answer's column %s is no sum",
                                answer->block.columns[i].name);
    return lx_hot_sql_explain(hot, status, "reading", err);
}

static enum lx_status compare(struct lx_hot_sql *hot, const struct lx_ch_table *one,
                              const struct lx_ch_table *two, struct lx_err *err)
{
    size_t at = 0, rows = one->block.column_count - 1;
    if (lx_ch_u64(one, rows, 0) != lx_ch_u64(two, rows, 0))
        return lx_err_set(err, LX_E_AGAIN, "parts came or went while their columns were looked at");
    for (size_t i = 0; i < hot->column_count; i++) {
        const struct lx_source_column *column = &hot->columns[i];
        if (!is_asked(hot, column))
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
        if (!is_asked(hot, &hot->columns[i]))
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
        asked = asked || is_asked(hot, &hot->columns[i]);
    if (!asked || count == 0)
        return LX_OK;
    enum lx_status status = write_question(hot, parts, count, &sql);
    if (status != LX_OK)
        lx_hot_sql_too_long(status, "the question about", count, err);
    if (status == LX_OK)
        status = ask(hot, &sql, &one, err);
    if (status == LX_OK && any_near(hot, &one))
        lx_clock_sleep(&hot->clock, SECOND_READING_MS);
    if (status == LX_OK)
        status = ask(hot, &sql, &two, err);
    if (status == LX_OK)
        status = compare(hot, &one, &two, err);
    lx_ch_table_free(&one);
    lx_ch_table_free(&two);
    lx_buf_free(&sql);
    return status;
}
