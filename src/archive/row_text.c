/* A row for people: the values of its sorting key, for messages. */
#include "archive/run.h"

#include "base/civil.h"

#include <ctype.h>

#define MAX_KEYS 6
#define MAX_VALUE 48

static bool add_int(const struct lx_ch_type *type, struct lx_str value, struct lx_buf *text)
{
    uint64_t bits = 0;
    if (value.len > 8)
        return lx_buf_text(text, "…") == LX_OK;
    memcpy(&bits, value.ptr, value.len);
    bool is_signed = type->kind == LX_CH_INT8 || type->kind == LX_CH_INT16 ||
                     type->kind == LX_CH_INT32 || type->kind == LX_CH_INT64 ||
                     type->kind == LX_CH_DATE32 || type->kind == LX_CH_DATETIME64 ||
                     type->kind == LX_CH_ENUM8 || type->kind == LX_CH_ENUM16;
    if (is_signed && value.len < 8 && (bits >> (value.len * 8 - 1)) != 0)
        bits |= UINT64_MAX << (value.len * 8);
    char time[LX_TIME_TEXT];
    if (type->kind == LX_CH_DATETIME64 && type->precision <= 9) {
        int64_t ticks = (int64_t)bits;
        for (unsigned p = type->precision; p > 3; p--)
            ticks = lx_floor_div(ticks, 10);
        for (unsigned p = type->precision; p < 3; p++)
            ticks *= 10;
        lx_time_iso(ticks, time);
        return lx_buf_text(text, time) == LX_OK;
    }
    if (type->kind == LX_CH_DATETIME || type->kind == LX_CH_DATE || type->kind == LX_CH_DATE32) {
        int64_t seconds =
            type->kind == LX_CH_DATETIME ? (int64_t)bits : (int64_t)bits * LX_DAY_SECONDS;
        lx_time_plain(seconds * 1000, time);
        return lx_buf_text(text, time) == LX_OK;
    }
    return (is_signed ? lx_buf_printf(text, "%lld", (long long)bits)
                      : lx_buf_printf(text, "%llu", (unsigned long long)bits)) == LX_OK;
}

static bool add_uuid(struct lx_str value, struct lx_buf *text)
{
    for (size_t i = 0; i < 16; i++) {
        /* Two little-endian halves. */
        unsigned byte = (unsigned char)value.ptr[i < 8 ? 7 - i : 23 - i];
        const char *dash = i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "";
        if (lx_buf_printf(text, "%s%02x", dash, byte) != LX_OK)
            return false;
    }
    return true;
}

static bool add_value(const struct lx_ch_type *type, const struct lx_column *column, int64_t row,
                      struct lx_buf *text)
{
    if (lx_column_is_null(column, row))
        return lx_buf_text(text, "NULL") == LX_OK;
    struct lx_str value = lx_column_value(column, row);
    if (type->kind == LX_CH_UUID && value.len == 16)
        return add_uuid(value, text);
    if (type->kind != LX_CH_STRING && type->kind != LX_CH_FIXED_STRING && value.len <= 32)
        return add_int(type, value, text);
    size_t size = value.len < MAX_VALUE ? value.len : MAX_VALUE;
    return lx_buf_printf(text, "'%.*s%s'", (int)size, value.ptr, size < value.len ? "…" : "") ==
           LX_OK;
}

/* Does the SQL text of the key name this column as a word? */
static bool names(const char *key, const char *column)
{
    size_t size = strlen(column);
    for (const char *pos = strstr(key, column); pos != NULL; pos = strstr(pos + 1, column)) {
        char before = pos == key ? ' ' : pos[-1], after = pos[size];
        if (!isalnum((unsigned char)before) && before != '_' && !isalnum((unsigned char)after) &&
            after != '_')
            return true;
    }
    return false;
}

void lx_row_text(const struct lx_run *run, const struct lx_row_schema *schema,
                 const struct lx_column *const *columns, int64_t row, struct lx_buf *text)
{
    size_t shown = 0;
    for (size_t i = 0; i < schema->field_count && shown < MAX_KEYS; i++) {
        const struct lx_field *field = &schema->fields[i];
        if (columns[i] == NULL || (!names(run->table->sorting_key, field->name) &&
                                   strcmp(field->name, run->table->time_column) != 0))
            continue;
        if (lx_buf_printf(text, "%s%s = ", shown++ > 0 ? ", " : "", field->name) != LX_OK ||
            !add_value(&field->sent, columns[i], row, text))
            return;
    }
}
