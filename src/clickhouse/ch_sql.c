/* ch_sql.c: the one place that quotes names and texts for SQL.
 *
 * ClickHouse takes any byte within quotes but the quote and the backslash. Control characters are
 * escaped as well, so that a statement stays one readable line in logs. */
#include "clickhouse/clickhouse.h"

static const char *escape_of(uint8_t c)
{
    switch (c) {
    case 0: return "\\0";
    case '\b': return "\\b";
    case '\f': return "\\f";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    case '\\': return "\\\\";
    default: return NULL;
    }
}

static enum lx_status quote(struct lx_buf *sql, struct lx_str text, char with)
{
    size_t start = sql->len;
    enum lx_status status = lx_buf_byte(sql, (uint8_t)with);
    for (size_t i = 0; status == LX_OK && i < text.len; i++) {
        const char *escape = escape_of((uint8_t)text.ptr[i]);
        if (escape != NULL) {
            status = lx_buf_text(sql, escape);
            continue;
        }
        if (text.ptr[i] == with)
            status = lx_buf_byte(sql, '\\');
        if (status == LX_OK)
            status = lx_buf_byte(sql, (uint8_t)text.ptr[i]);
    }
    char end[2] = {with, 0};
    if (status == LX_OK)
        status = lx_buf_text(sql, end);
    if (status != LX_OK && sql->data != NULL) {
        sql->len = start; /* as it was before */
        sql->data[start] = 0;
    }
    return status;
}

enum lx_status lx_ch_quote_name(struct lx_buf *sql, struct lx_str name)
{
    return quote(sql, name, '`');
}

enum lx_status lx_ch_quote_text(struct lx_buf *sql, struct lx_str text)
{
    return quote(sql, text, '\'');
}
