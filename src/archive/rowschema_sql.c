/* rowschema_sql.c: the SQL texts of a field: how it is asked for, hashed, and checked.
 *
 * Composed values come as toJSONString's text. Their times are cast to UTC first: in a zone with
 * summer time two instants would have the same text, and text without a zone depends on a setting.
 *
 * What the text does not bring back is asked of the server value by value (unreadable_sql), so that
 * it is named before anything is written: payloads of NaN, times beyond the years 0000 to 9999,
 * booleans that are neither 0 nor 1. Types that are not known here must come back from their plain
 * text by a CAST. This is for good messages; the proof is the hash of what the file gives back. */
#include "archive/rowschema_map.h"
#include "base/alloc.h"
#include "base/limits.h"

#include <inttypes.h>

/* -- types in UTC -------------------------------------------------------------------------- */

struct type_text {
    struct lx_str in;
    size_t pos;
    struct lx_buf *out;
};

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The end of a quoted text that begins at `pos`. */
static size_t quoted_end(struct lx_str in, size_t pos)
{
    char quote = in.ptr[pos++];
    for (; pos < in.len; pos++) {
        if (in.ptr[pos] == '\\')
            pos++;
        else if (in.ptr[pos] == quote)
            return pos + 1;
    }
    return in.len;
}

static enum lx_status copy_to(struct type_text *t, size_t end)
{
    struct lx_str part = {t->in.ptr + t->pos, end - t->pos};
    t->pos = end;
    return lx_buf_str(t->out, part);
}

/* Behind a time type's name: "('UTC')" or "(3, 'UTC')" in place of what stands there. */
static enum lx_status put_zone(struct type_text *t, bool ticks)
{
    bool arguments = t->pos < t->in.len && t->in.ptr[t->pos] == '(';
    size_t end = t->pos + arguments;
    while (arguments && ticks && end < t->in.len && t->in.ptr[end] >= '0' && t->in.ptr[end] <= '9')
        end++;
    LX_TRY(arguments ? copy_to(t, end) : lx_buf_text(t->out, "("));
    LX_TRY(lx_buf_text(t->out, ticks ? ", 'UTC')" : "'UTC')"));
    if (!arguments)
        return LX_OK;
    while (end < t->in.len && t->in.ptr[end] != ')') /* the zone that was there */
        end = t->in.ptr[end] == '\'' ? quoted_end(t->in, end) : end + 1;
    t->pos = end < t->in.len ? end + 1 : end;
    return LX_OK;
}

/* An element's name, not a type: a type follows. */
static bool is_name(const struct type_text *t, size_t end)
{
    return end + 1 < t->in.len && t->in.ptr[end] == ' ' &&
           (is_word(t->in.ptr[end + 1]) || t->in.ptr[end + 1] == '`');
}

/* The type's text with every time in UTC; *changed: it has times. */
static enum lx_status type_in_utc(struct lx_str type, struct lx_buf *out, bool *changed)
{
    struct type_text t = {.in = type, .out = out};
    *changed = false;
    while (t.pos < type.len) {
        char c = type.ptr[t.pos];
        size_t end = t.pos + 1;
        if (c == '\'' || c == '`' || c == '"') {
            LX_TRY(copy_to(&t, quoted_end(type, t.pos)));
            continue;
        }
        while (is_word(c) && end < type.len && is_word(type.ptr[end]))
            end++;
        struct lx_str word = {type.ptr + t.pos, end - t.pos};
        bool ticks = lx_str_is(word, "DateTime64");
        bool time = ticks || lx_str_is(word, "DateTime") || lx_str_is(word, "DateTime32");
        time = time && !is_name(&t, end);
        LX_TRY(copy_to(&t, end));
        if (time)
            LX_TRY(put_zone(&t, ticks));
        *changed = *changed || time;
    }
    return LX_OK;
}

/* -- what does not come back --------------------------------------------------------------- */

#define FIRST_SECOND (-62167219200) /* 0000-01-01: texts end there */
#define LAST_SECOND 253402300799    /* 9999-12-31 23:59:59 */
#define FIRST_DAY_1900 (-25567)
#define LAST_DAY_2299 120529

/* One value of a leaf type, `x` its SQL text. Appends nothing where every value comes back. */
static enum lx_status bad_leaf(const struct lx_value *leaf, const char *x, struct lx_buf *sql)
{
    int64_t scale = 1, first, last;
    switch (leaf->kind) {
    case LX_CH_FLOAT32:
        return lx_buf_printf(sql,
                             "isNaN(%s) AND bitAnd(reinterpretAsUInt32(%s), 2147483647) != "
                             "2143289344",
                             x, x);
    case LX_CH_FLOAT64:
        return lx_buf_printf(sql,
                             "isNaN(%s) AND bitAnd(reinterpretAsUInt64(%s), 9223372036854775807) "
                             "!= 9221120237041090560",
                             x, x);
    case LX_CH_BOOL: return lx_buf_printf(sql, "toUInt8(%s) > 1", x);
    case LX_CH_DATE32:
        return lx_buf_printf(sql, "toInt32(%s) NOT BETWEEN %d AND %d", x, FIRST_DAY_1900,
                             LAST_DAY_2299);
    case LX_CH_DATETIME64:
        for (uint32_t i = 0; i < leaf->precision; i++)
            scale *= 10;
        if (__builtin_mul_overflow((int64_t)FIRST_SECOND, scale, &first))
            return LX_OK;
        if (__builtin_mul_overflow((int64_t)LAST_SECOND, scale, &last) ||
            __builtin_add_overflow(last, scale - 1, &last))
            last = INT64_MAX;
        return lx_buf_printf(sql, "reinterpretAsInt64(%s) NOT BETWEEN %" PRId64 " AND %" PRId64, x,
                             first, last);
    case LX_CH_OTHER:
        LX_TRY(lx_buf_printf(sql, "xxh3(CAST(CAST(%s AS String) AS ", x));
        LX_TRY(lx_buf_text(sql, leaf->type->text));
        return lx_buf_printf(sql, ")) != xxh3(%s)", x);
    default: return LX_OK;
    }
}

static enum lx_status bad_value(const struct lx_value *value, const char *x, unsigned depth,
                                struct lx_buf *sql);

/* "(a) OR (b)"; nothing where all are empty. */
static enum lx_status add_or(struct lx_buf *sql, const struct lx_buf *term)
{
    if (term->len == 0)
        return LX_OK;
    return lx_buf_printf(sql, "%s(%s)", sql->len != 0 ? " OR " : "", lx_buf_cstr(term));
}

static enum lx_status bad_array(const struct lx_value *value, const char *x, unsigned depth,
                                struct lx_buf *sql)
{
    struct lx_buf within = LX_BUF(LX_SCHEMA_MAX_SQL);
    char name[16];
    snprintf(name, sizeof name, "x%u", depth);
    enum lx_status status = bad_value(&value->children[0], name, depth + 1, &within);
    if (status == LX_OK && within.len != 0)
        status = lx_buf_printf(sql, "arrayExists(%s -> (%s), %s)", name, lx_buf_cstr(&within), x);
    lx_buf_free(&within);
    return status;
}

static enum lx_status bad_map(const struct lx_value *value, const char *x, unsigned depth,
                              struct lx_buf *sql)
{
    static const char *const parts[] = {"mapKeys", "mapValues"};
    struct lx_buf within = LX_BUF(LX_SCHEMA_MAX_SQL), term = LX_BUF(LX_SCHEMA_MAX_SQL);
    enum lx_status status = LX_OK;
    char name[16];
    snprintf(name, sizeof name, "x%u", depth);
    for (size_t i = 0; status == LX_OK && i < 2; i++) {
        const struct lx_value *part = &value->children[i];
        /* A composed key: ClickHouse's text of it. */
        const struct lx_value key = {.kind = LX_CH_OTHER, .type = part->type};
        lx_buf_clear(&within);
        lx_buf_clear(&term);
        status =
            bad_value(i == 0 && part->child_count != 0 ? &key : part, name, depth + 1, &within);
        if (status == LX_OK && within.len != 0)
            status = lx_buf_printf(&term, "arrayExists(%s -> (%s), %s(%s))", name,
                                   lx_buf_cstr(&within), parts[i], x);
        if (status == LX_OK)
            status = add_or(sql, &term);
    }
    lx_buf_free(&within);
    lx_buf_free(&term);
    return status;
}

static enum lx_status bad_tuple(const struct lx_value *value, const char *x, unsigned depth,
                                struct lx_buf *sql)
{
    struct lx_buf element = LX_BUF(LX_SCHEMA_MAX_SQL), term = LX_BUF(LX_SCHEMA_MAX_SQL);
    enum lx_status status = LX_OK;
    for (size_t i = 0; status == LX_OK && i < value->child_count; i++) {
        lx_buf_clear(&element);
        lx_buf_clear(&term);
        status = lx_buf_printf(&element, "tupleElement(%s, %zu)", x, i + 1);
        if (status == LX_OK)
            status = bad_value(&value->children[i], lx_buf_cstr(&element), depth, &term);
        if (status == LX_OK)
            status = add_or(sql, &term);
    }
    lx_buf_free(&element);
    lx_buf_free(&term);
    return status;
}

static enum lx_status bad_value(const struct lx_value *value, const char *x, unsigned depth,
                                struct lx_buf *sql)
{
    struct lx_buf term = LX_BUF(LX_SCHEMA_MAX_SQL);
    enum lx_status status;
    switch (value->kind) {
    case LX_CH_ARRAY: status = bad_array(value, x, depth, &term); break;
    case LX_CH_MAP: status = bad_map(value, x, depth, &term); break;
    case LX_CH_TUPLE: status = bad_tuple(value, x, depth, &term); break;
    default: status = bad_leaf(value, x, &term); break;
    }
    if (status == LX_OK && term.len != 0)
        status = lx_buf_printf(sql, value->nullable ? "ifNull(%s, 0)" : "%s", lx_buf_cstr(&term));
    lx_buf_free(&term);
    return status;
}

/* -- fields -------------------------------------------------------------------------------- */

static bool may_be_null(const struct lx_ch_type *type)
{
    return type->nullable || type->kind == LX_CH_VARIANT || type->kind == LX_CH_DYNAMIC;
}

/* toJSONString(`c`), with times in UTC where the type has any. */
static enum lx_status json_text(const struct lx_field *field, bool cast, const char *name,
                                struct lx_buf *sql)
{
    struct lx_buf type = LX_BUF(LX_SCHEMA_MAX_SQL);
    bool times = false, nullable = may_be_null(&field->type);
    enum lx_status status = cast ? type_in_utc(lx_str_of(field->type.text), &type, &times) : LX_OK;
    if (status == LX_OK && nullable)
        status = lx_buf_text(sql, "CAST(");
    if (status == LX_OK)
        status = times
                     ? lx_buf_printf(sql, "toJSONString(CAST(%s AS %s))", name, lx_buf_cstr(&type))
                     : lx_buf_printf(sql, "toJSONString(%s)", name);
    if (status == LX_OK && nullable)
        status = lx_buf_text(sql, " AS Nullable(String))");
    lx_buf_free(&type);
    return status;
}

static enum lx_status take(char **to, struct lx_buf *sql)
{
    *to = lx_strndup(lx_buf_cstr(sql), sql->len);
    lx_buf_clear(sql);
    return *to != NULL ? LX_OK : LX_E_MEMORY;
}

static enum lx_status make_json(struct lx_field *field, const char *name, struct lx_buf *sql)
{
    struct lx_value *value = NULL;
    LX_TRY(lx_value_compile(&field->type, &value));
    bool hashable = lx_value_is_hashable(value);
    enum lx_status status = bad_value(value, name, 1, sql);
    lx_value_free(value);
    if (status == LX_OK && sql->len != 0)
        status = take(&field->unreadable_sql, sql);
    if (status == LX_OK)
        status = json_text(field, hashable, name, sql);
    if (status == LX_OK)
        status = take(&field->select_sql, sql);
    if (status == LX_OK && hashable)
        status = lx_buf_text(sql, name);
    else if (status == LX_OK && field->unreadable_sql != NULL)
        status = lx_buf_printf(sql, "if(%s, NULL, %s)", field->unreadable_sql, field->select_sql);
    else if (status == LX_OK)
        status = lx_buf_text(sql, field->select_sql);
    return status == LX_OK ? take(&field->hash_sql, sql) : status;
}

enum lx_status lx_field_make_sql(struct lx_field *field, bool micros, struct lx_err *err)
{
    struct lx_buf name = LX_BUF(LX_SCHEMA_MAX_SQL), sql = LX_BUF(LX_SCHEMA_MAX_SQL);
    field->map = lx_map_of_type(&field->type, micros);
    enum lx_status status = lx_ch_quote_name(&name, lx_str_of(field->name));
    if (status == LX_OK && field->map == LX_MAP_JSON) {
        status = make_json(field, lx_buf_cstr(&name), &sql);
    } else if (status == LX_OK) {
        field->select_sql = lx_strndup(lx_buf_cstr(&name), name.len);
        field->hash_sql = lx_strndup(lx_buf_cstr(&name), name.len);
        if (field->select_sql == NULL || field->hash_sql == NULL)
            status = LX_E_MEMORY;
    }
    lx_buf_free(&name);
    lx_buf_free(&sql);
    if (status == LX_E_LIMIT)
        return lx_err_set(err, LX_E_UNSUPPORTED, "column %s: its type is too large: %.200s",
                          field->name, field->type.text);
    if (status != LX_OK)
        return status == LX_E_MEMORY ? lx_err_memory(err)
                                     : lx_err_set(err, status, "column %s", field->name);
    return LX_OK;
}

/* A type that is carried as text is hashed as its value where hash_sql is the column alone. */
static enum lx_status compile_value(struct lx_field *field)
{
    struct lx_buf name = LX_BUF(LX_SCHEMA_MAX_SQL);
    enum lx_status status = lx_ch_quote_name(&name, lx_str_of(field->name));
    if (status == LX_OK && strcmp(field->hash_sql, lx_buf_cstr(&name)) == 0) {
        status = lx_value_compile(&field->type, &field->value);
        if (status == LX_OK && !lx_value_is_hashable(field->value))
            status = LX_E_FORMAT;
    }
    lx_buf_free(&name);
    return status;
}

enum lx_status lx_field_finish(struct lx_field *field, struct lx_err *err)
{
    bool json = field->map == LX_MAP_JSON;
    const char *sent = !json                       ? field->type.text
                       : may_be_null(&field->type) ? "Nullable(String)"
                                                   : "String";
    LX_TRY(lx_ch_type_parse(lx_str_of(sent), &field->sent, err));
    enum lx_status status = json ? compile_value(field) : LX_OK;
    if (status == LX_E_FORMAT)
        return lx_err_set(err, status, "column %s: values of %.200s cannot be hashed", field->name,
                          field->type.text);
    if (status != LX_OK)
        return lx_err_memory(err);
    return LX_OK;
}
