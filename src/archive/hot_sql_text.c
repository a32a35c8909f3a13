/* Texts of SQL: the one place that writes instants, ranges and hashes, for reads, guards and
 * deletes alike: they can only mean the same rows if they are the same text.
 *
 * Aliases begin with _lynex_, in all files of the driver: an alias takes the place of a column of
 * the same name in every expression of its query, in row hashes too. */
#include "archive/hot_sql_private.h"

#include "base/civil.h"

#include <stdio.h>

/* What the types can hold; beyond it a bound is the type's own end. */
#define DATETIME_LAST ((int64_t)UINT32_MAX)
#define DATE_LAST_DAY ((int64_t)UINT16_MAX)
#define FIRST_1900 (-2208988800)
#define LAST_2299 10413791999

const struct lx_ch_setting lx_hot_sql_wishes[LX_SQL_WISHES] = {
    {"compile_expressions", "0"},
    {"compile_aggregate_expressions", "0"},
};

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

enum lx_status lx_hot_sql_instant(const struct lx_hot_sql *hot, int64_t seconds, struct lx_buf *sql)
{
    char text[LX_TIME_TEXT];
    switch (hot->time_type.kind) {
    case LX_CH_DATE:
        /* As a number of days: no zone, no parser. A range's ends are starts of days here. */
        return lx_buf_printf(
            sql, "toDate(%lld)",
            (long long)clamp(lx_floor_div(seconds, LX_DAY_SECONDS), 0, DATE_LAST_DAY));
    case LX_CH_DATE32:
        lx_time_date(clamp(seconds, FIRST_1900, LAST_2299) * 1000, text);
        return lx_buf_printf(sql, "toDate32('%s')", text);
    case LX_CH_DATETIME:
        lx_time_plain(clamp(seconds, 0, DATETIME_LAST) * 1000, text);
        return lx_buf_printf(sql, "toDateTime('%s', 'UTC')", text);
    case LX_CH_DATETIME64:
        lx_time_plain(clamp(seconds, FIRST_1900, LAST_2299) * 1000, text);
        return lx_buf_printf(sql, "toDateTime64('%s', %u, 'UTC')", text, hot->time_type.precision);
    default: return LX_E_BUG;
    }
}

enum lx_status lx_hot_sql_range(const struct lx_hot_sql *hot, int64_t from, int64_t to,
                                struct lx_buf *sql)
{
    const char *time = lx_buf_cstr(&hot->time);
    if (from == INT64_MIN && to == INT64_MAX)
        return lx_buf_printf(sql, "(%s IS NOT NULL)", time);
    LX_TRY(lx_buf_byte(sql, '('));
    if (from != INT64_MIN) {
        LX_TRY(lx_buf_printf(sql, "%s >= ", time));
        LX_TRY(lx_hot_sql_instant(hot, from, sql));
    }
    if (to != INT64_MAX) {
        LX_TRY(lx_buf_printf(sql, "%s%s < ", from != INT64_MIN ? " AND " : "", time));
        LX_TRY(lx_hot_sql_instant(hot, to, sql));
    }
    return lx_buf_text(sql, ")");
}

enum lx_status lx_hot_sql_parts_in(const char *const *parts, size_t count, struct lx_buf *sql)
{
    LX_TRY(lx_buf_text(sql, count == 1 ? "_part = " : "_part IN ("));
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            LX_TRY(lx_buf_text(sql, ", "));
        LX_TRY(lx_ch_quote_text(sql, lx_str_of(parts[i])));
    }
    return count == 1 ? LX_OK : lx_buf_text(sql, ")");
}

static bool has_column(const struct lx_row_schema *schema, struct lx_str name)
{
    for (size_t i = 0; i < schema->field_count; i++)
        if (lx_str_is(name, schema->fields[i].name))
            return true;
    return false;
}

static bool is_stored(const struct lx_source_column *column)
{
    return !lx_str_is(column->default_kind, "ALIAS") &&
           !lx_str_is(column->default_kind, "EPHEMERAL");
}

enum lx_status lx_hot_sql_strange(const struct lx_hot_sql *hot, const struct lx_row_schema *schema,
                                  struct lx_buf *sql)
{
    size_t found = 0;
    for (size_t i = 0; i < hot->column_count; i++) {
        const struct lx_source_column *column = &hot->columns[i];
        if (!is_stored(column) || has_column(schema, column->name))
            continue;
        LX_TRY(lx_buf_text(sql, found++ == 0 ? "(" : " OR "));
        /* Compared by hash: right for NULL and NaN, and for types that have no `=`. */
        LX_TRY(lx_buf_text(sql, "xxh3(tuple("));
        LX_TRY(lx_ch_quote_name(sql, column->name));
        LX_TRY(lx_buf_text(sql, ")) != xxh3(tuple("));
        if (column->default_expression.len != 0) {
            LX_TRY(lx_buf_text(sql, "CAST(("));
            LX_TRY(lx_buf_str(sql, column->default_expression));
            LX_TRY(lx_buf_text(sql, ") AS "));
            LX_TRY(lx_buf_str(sql, column->type));
            LX_TRY(lx_buf_text(sql, ")"));
        } else {
            LX_TRY(lx_buf_text(sql, "defaultValueOfTypeName("));
            LX_TRY(lx_ch_quote_text(sql, column->type));
            LX_TRY(lx_buf_text(sql, ")"));
        }
        LX_TRY(lx_buf_text(sql, "))"));
    }
    return lx_buf_text(sql, found == 0 ? "0" : ")");
}

enum lx_status lx_hot_sql_seconds(const struct lx_hot_sql *hot, struct lx_buf *sql)
{
    const char *time = lx_buf_cstr(&hot->time);
    switch (hot->time_type.kind) {
    case LX_CH_DATE:
    case LX_CH_DATE32: return lx_buf_printf(sql, "toInt64(%s) * 86400", time);
    case LX_CH_DATETIME: return lx_buf_printf(sql, "toInt64(%s)", time);
    case LX_CH_DATETIME64: {
        /* The ticks themselves, divided towards the past: toUnixTimestamp ends at 1970 and 2106. */
        long long scale = 1;
        for (unsigned i = 0; i < hot->time_type.precision; i++)
            scale *= 10;
        return lx_buf_printf(
            sql, "(intDiv(reinterpretAsInt64(%s), %lld) - (reinterpretAsInt64(%s) %% %lld < 0))",
            time, scale, time, scale);
    }
    default: return LX_E_BUG;
    }
}

void lx_hot_sql_query_id(const struct lx_hot_sql *hot, const char *purpose, char id[64])
{
    lx_ch_query_id(hot->client, purpose, id, 64);
}

enum lx_status lx_hot_sql_too_long(enum lx_status status, const char *what, size_t count,
                                   struct lx_err *err)
{
    return status == LX_E_MEMORY
               ? lx_err_memory(err)
               : lx_err_set(err, status, "%s %zu parts is too long", what, count);
}

enum lx_status lx_hot_sql_explain(const struct lx_hot_sql *hot, enum lx_status status,
                                  const char *doing, struct lx_err *err)
{
    if (status == LX_OK || err == NULL)
        return status;
    if (err->code == 36 && strstr(err->text, "on fly") != NULL) {
        err->status = status = LX_E_BUSY;
        snprintf(err->name, sizeof err->name, "PENDING_DELETE");
        lx_err_context(err, "a guarded delete of %s still waits on the server",
                       lx_buf_cstr(&hot->target));
        lx_err_hint(err, "nothing is lost; it runs by itself once merges run again (SYSTEM START "
                         "MERGES); the next run goes on from there");
        return status;
    }
    lx_err_context(err, "%s %s", doing, lx_buf_cstr(&hot->target));
    return status;
}
