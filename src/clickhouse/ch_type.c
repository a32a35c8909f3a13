/* ch_type.c: parses ClickHouse's type texts, as DESCRIBE and the Native format write them.
 *
 * A recursive descent over a bounded view. Only what decides how bytes are read is kept; the rest
 * (a JSON's path hints, an aggregate's arguments) is checked for balanced brackets and quotes. */
#include "base/alloc.h"
#include "clickhouse/ch_type_private.h"

#include <stdlib.h>

struct parser {
    struct lx_str text;
    size_t pos;
    unsigned depth;
};

static bool is_word_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_word(char c)
{
    return is_word_start(c) || (c >= '0' && c <= '9');
}

/* The next character; 0 at the end. A NUL within the text ends it too: no type holds one. */
static char peek(const struct parser *p)
{
    return p->pos < p->text.len ? p->text.ptr[p->pos] : 0;
}

/* ClickHouse breaks long tuples into lines. */
static void skip_blanks(struct parser *p)
{
    while (peek(p) == ' ' || peek(p) == '\n' || peek(p) == '\t' || peek(p) == '\r')
        p->pos++;
}

static bool take(struct parser *p, char c)
{
    skip_blanks(p);
    if (peek(p) != c)
        return false;
    p->pos++;
    return true;
}

static struct lx_str take_word(struct parser *p)
{
    skip_blanks(p);
    size_t start = p->pos;
    if (is_word_start(peek(p)))
        while (is_word(peek(p)))
            p->pos++;
    return (struct lx_str){p->text.ptr + start, p->pos - start};
}

static bool take_u32(struct parser *p, uint32_t *value)
{
    skip_blanks(p);
    size_t start = p->pos;
    while (peek(p) >= '0' && peek(p) <= '9')
        p->pos++;
    uint64_t number;
    if (!lx_str_to_u64((struct lx_str){p->text.ptr + start, p->pos - start}, &number) ||
        number > UINT32_MAX)
        return false;
    *value = (uint32_t)number;
    return true;
}

static bool take_i32(struct parser *p, int32_t *value)
{
    skip_blanks(p);
    size_t start = p->pos;
    if (peek(p) == '-')
        p->pos++;
    while (peek(p) >= '0' && peek(p) <= '9')
        p->pos++;
    int64_t number;
    if (!lx_str_to_i64((struct lx_str){p->text.ptr + start, p->pos - start}, &number) ||
        number < INT32_MIN || number > INT32_MAX)
        return false;
    *value = (int32_t)number;
    return true;
}

/* A character behind a backslash, as ClickHouse writes it. */
static char unescape(char c)
{
    switch (c) {
    case '0': return 0;
    case 'a': return '\a';
    case 'b': return '\b';
    case 'e': return '\x1b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'v': return '\v';
    default: return c;
    }
}

/* Steps over a quoted text; where `out` is not NULL its content is appended there. A quote within
 * is escaped by a backslash or doubled. */
static enum lx_status take_quoted(struct parser *p, struct lx_buf *out)
{
    char quote = peek(p);
    p->pos++;
    for (;;) {
        if (p->pos >= p->text.len)
            return LX_E_FORMAT;
        char c = p->text.ptr[p->pos++];
        if (c == quote) {
            if (peek(p) != quote)
                return LX_OK;
            p->pos++;
        } else if (c == '\\') {
            if (p->pos >= p->text.len)
                return LX_E_FORMAT;
            c = unescape(p->text.ptr[p->pos++]);
        }
        if (out != NULL)
            LX_TRY(lx_buf_byte(out, (uint8_t)c));
    }
}

static bool at_quote(struct parser *p)
{
    skip_blanks(p);
    return peek(p) == '\'' || peek(p) == '`' || peek(p) == '"';
}

/* Steps over an argument list whose '(' is taken, to its ')'. */
static enum lx_status skip_arguments(struct parser *p)
{
    unsigned depth = 1;
    while (depth > 0) {
        if (at_quote(p)) {
            LX_TRY(take_quoted(p, NULL));
            continue;
        }
        char c = peek(p);
        if (c == 0 || depth > LX_CH_MAX_TYPE_DEPTH)
            return LX_E_FORMAT;
        depth += c == '(';
        depth -= c == ')';
        p->pos++;
    }
    return LX_OK;
}

static enum lx_status parse_type(struct parser *p, struct lx_ch_type *type);

/* "(T)" into the type itself: Nullable and LowCardinality are flags. */
static enum lx_status parse_wrapped(struct parser *p, struct lx_ch_type *type, bool nullable)
{
    if (!take(p, '('))
        return LX_E_FORMAT;
    LX_TRY(parse_type(p, type));
    if (!take(p, ')') || type->low_cardinality || (nullable && type->nullable))
        return LX_E_FORMAT;
    if (nullable)
        type->nullable = true;
    else
        type->low_cardinality = true;
    return LX_OK;
}

static enum lx_status add_child(struct lx_ch_type *type, struct lx_ch_type *child)
{
    size_t count = type->child_count;
    if (count >= LX_CH_MAX_TYPE_PARTS)
        return LX_E_LIMIT;
    if ((count & (count - 1)) == 0) { /* room for 1, 2, 4, … */
        struct lx_ch_type *more =
            lx_realloc(type->children, (count ? count * 2 : 1) * sizeof *more);
        if (more == NULL)
            return LX_E_MEMORY;
        type->children = more;
    }
    type->children[type->child_count++] = *child;
    return LX_OK;
}

/* Is what comes "name Type" rather than "Type"? Leaves the place behind the name. */
static enum lx_status skip_element_name(struct parser *p)
{
    if (at_quote(p)) {
        if (peek(p) == '\'')
            return LX_E_FORMAT;
        return take_quoted(p, NULL);
    }
    size_t start = p->pos;
    take_word(p);
    skip_blanks(p);
    if (!is_word_start(peek(p)))
        p->pos = start; /* it was the type */
    return LX_OK;
}

/* "(T, …)" as children; where `named`, each may have a name in front. */
static enum lx_status parse_children(struct parser *p, struct lx_ch_type *type, bool named)
{
    if (!take(p, '('))
        return LX_E_FORMAT;
    if (take(p, ')'))
        return LX_OK; /* Tuple() */
    do {
        struct lx_ch_type child = {0};
        enum lx_status status = named ? skip_element_name(p) : LX_OK;
        if (status == LX_OK)
            status = parse_type(p, &child);
        if (status == LX_OK)
            status = add_child(type, &child);
        if (status != LX_OK) {
            lx_ch_type_free(&child);
            return status;
        }
    } while (take(p, ','));
    return take(p, ')') ? LX_OK : LX_E_FORMAT;
}

static enum lx_status parse_zone(struct parser *p, struct lx_ch_type *type)
{
    struct lx_buf zone = LX_BUF(LX_MAX_NAME);
    if (!at_quote(p) || peek(p) != '\'')
        return LX_E_FORMAT;
    enum lx_status status = take_quoted(p, &zone);
    if (status == LX_OK && memchr(lx_buf_cstr(&zone), 0, zone.len) != NULL)
        status = LX_E_FORMAT;
    if (status == LX_OK) {
        type->zone = lx_strndup(lx_buf_cstr(&zone), zone.len);
        if (type->zone == NULL)
            status = LX_E_MEMORY;
    }
    lx_buf_free(&zone);
    return status;
}

static enum lx_status parse_datetime(struct parser *p, struct lx_ch_type *type)
{
    if (!take(p, '('))
        return LX_OK;
    LX_TRY(parse_zone(p, type));
    return take(p, ')') ? LX_OK : LX_E_FORMAT;
}

static enum lx_status parse_datetime64(struct parser *p, struct lx_ch_type *type)
{
    if (!take(p, '(') || !take_u32(p, &type->precision) || type->precision > 9)
        return LX_E_FORMAT;
    if (take(p, ','))
        LX_TRY(parse_zone(p, type));
    return take(p, ')') ? LX_OK : LX_E_FORMAT;
}

static enum lx_status parse_fixed_string(struct parser *p, struct lx_ch_type *type)
{
    if (!take(p, '(') || !take_u32(p, &type->precision) || !take(p, ')') || type->precision == 0 ||
        type->precision > LX_CH_MAX_FIXED_STRING)
        return LX_E_FORMAT;
    type->width = type->precision <= LX_COLUMN_MAX_WIDTH ? type->precision : 0;
    return LX_OK;
}

/* Decimal(P, S), and Decimal32(S) and its kin with a precision that the name says. */
static enum lx_status parse_decimal(struct parser *p, struct lx_ch_type *type, uint32_t precision)
{
    type->precision = precision;
    if (!take(p, '('))
        return LX_E_FORMAT;
    if (precision == 0 && (!take_u32(p, &type->precision) || !take(p, ',')))
        return LX_E_FORMAT;
    if (!take_u32(p, &type->scale) || !take(p, ')') || type->precision == 0 ||
        type->precision > 76 || type->scale > type->precision)
        return LX_E_FORMAT;
    type->width = type->precision <= 9    ? 4
                  : type->precision <= 18 ? 8
                  : type->precision <= 38 ? 16
                                          : 32;
    return LX_OK;
}

static enum lx_status add_enum(struct lx_ch_type *type, int32_t value, struct lx_str name)
{
    size_t count = type->enum_count;
    if (count >= LX_CH_MAX_TYPE_PARTS)
        return LX_E_LIMIT;
    if ((count & (count - 1)) == 0) {
        struct lx_ch_enum *more = lx_realloc(type->enums, (count ? count * 2 : 1) * sizeof *more);
        if (more == NULL)
            return LX_E_MEMORY;
        type->enums = more;
    }
    char *copy = lx_strndup(name.ptr, name.len);
    if (copy == NULL)
        return LX_E_MEMORY;
    type->enums[type->enum_count++] = (struct lx_ch_enum){value, copy, name.len};
    return LX_OK;
}

static int compare_enums(const void *a, const void *b)
{
    const struct lx_ch_enum *x = a, *y = b;
    return (x->value > y->value) - (x->value < y->value);
}

/* "('name' = 1, …)"; every value within what `width` bytes hold, none twice. */
static enum lx_status parse_enum(struct parser *p, struct lx_ch_type *type)
{
    int32_t most = type->width == 1 ? INT8_MAX : INT16_MAX, value;
    struct lx_buf name = LX_BUF(LX_CH_MAX_TYPE_TEXT);
    enum lx_status status = LX_E_FORMAT;
    if (!take(p, '('))
        goto end;
    do {
        status = LX_E_FORMAT;
        lx_buf_clear(&name);
        if (!at_quote(p) || peek(p) != '\'')
            goto end;
        LX_TRY_GOTO(take_quoted(p, &name), end);
        status = LX_E_FORMAT;
        if (!take(p, '=') || !take_i32(p, &value) || value > most || value < -most - 1)
            goto end;
        LX_TRY_GOTO(add_enum(type, value, (struct lx_str){lx_buf_cstr(&name), name.len}), end);
    } while (take(p, ','));
    status = take(p, ')') ? LX_OK : LX_E_FORMAT;
    if (status == LX_OK) {
        qsort(type->enums, type->enum_count, sizeof *type->enums, compare_enums);
        for (size_t i = 1; i < type->enum_count; i++)
            if (type->enums[i].value == type->enums[i - 1].value)
                status = LX_E_FORMAT;
    }
end:
    lx_buf_free(&name);
    return status;
}

/* "(sum, UInt64)", "(topK(10), Array(String))": the values are those of the first argument's type.
 */
static enum lx_status parse_simple_aggregate(struct parser *p, struct lx_ch_type *type)
{
    if (!take(p, '(') || take_word(p).len == 0)
        return LX_E_FORMAT;
    if (take(p, '('))
        LX_TRY(skip_arguments(p));
    if (!take(p, ','))
        return LX_E_FORMAT;
    LX_TRY(parse_type(p, type));
    if (take(p, ','))
        return skip_arguments(p);
    return take(p, ')') ? LX_OK : LX_E_FORMAT;
}

static enum lx_status parse_arguments(struct parser *p, const struct lx_ch_type_name *name,
                                      struct lx_ch_type *type)
{
    switch (name->form) {
    case LX_CH_FORM_PLAIN: return LX_OK;
    case LX_CH_FORM_ZONE: return parse_datetime(p, type);
    case LX_CH_FORM_TICKS: return parse_datetime64(p, type);
    case LX_CH_FORM_FIXED: return parse_fixed_string(p, type);
    case LX_CH_FORM_DECIMAL: return parse_decimal(p, type, name->precision);
    case LX_CH_FORM_ENUM: return parse_enum(p, type);
    case LX_CH_FORM_NULLABLE: return parse_wrapped(p, type, true);
    case LX_CH_FORM_LOW_CARDINALITY: return parse_wrapped(p, type, false);
    case LX_CH_FORM_SIMPLE_AGGREGATE: return parse_simple_aggregate(p, type);
    case LX_CH_FORM_CHILDREN:
        LX_TRY(parse_children(p, type, type->kind == LX_CH_TUPLE || type->kind == LX_CH_NESTED));
        if ((type->kind == LX_CH_ARRAY && type->child_count != 1) ||
            (type->kind == LX_CH_MAP && type->child_count != 2))
            return LX_E_FORMAT;
        return LX_OK;
    case LX_CH_FORM_ANY: return take(p, '(') ? skip_arguments(p) : LX_OK;
    }
    return LX_E_BUG;
}

static enum lx_status parse_type(struct parser *p, struct lx_ch_type *type)
{
    if (++p->depth > LX_CH_MAX_TYPE_DEPTH)
        return LX_E_LIMIT;
    skip_blanks(p);
    size_t start = p->pos;
    struct lx_str word = take_word(p);
    if (word.len == 0)
        return LX_E_FORMAT;
    const struct lx_ch_type_name *name = lx_ch_type_name_find(word);
    type->kind = name->kind;
    type->width = name->width;
    LX_TRY(parse_arguments(p, name, type));
    p->depth--;
    /* A wrapped type has its inner text so far. */
    lx_free(type->text);
    type->text = lx_strndup(p->text.ptr + start, p->pos - start);
    return type->text != NULL ? LX_OK : LX_E_MEMORY;
}

enum lx_status lx_ch_type_parse(struct lx_str text, struct lx_ch_type *type, struct lx_err *err)
{
    struct parser p = {.text = text};
    struct lx_ch_type fresh = {0};
    enum lx_status status;
    if (text.len > LX_CH_MAX_TYPE_TEXT)
        status = LX_E_LIMIT;
    else if (text.len != 0 && memchr(text.ptr, 0, text.len) != NULL)
        status = LX_E_FORMAT; /* ClickHouse writes it as \0; the text is kept as a C string */
    else
        status = parse_type(&p, &fresh);
    skip_blanks(&p);
    if (status == LX_OK && p.pos != text.len)
        status = LX_E_FORMAT;
    if (status == LX_OK) {
        *type = fresh;
        return LX_OK;
    }
    lx_ch_type_free(&fresh);
    if (status == LX_E_MEMORY)
        return lx_err_memory(err);
    struct lx_str shown = {text.ptr, text.len > 200 ? 200 : text.len};
    if (status == LX_E_LIMIT) {
        return lx_err_set(err, LX_E_FORMAT, "type %.*s: longer or deeper than a type may be",
                          LX_STR_ARG(shown));
    }
    return lx_err_set(err, status, "type %.*s: not understood at byte %zu", LX_STR_ARG(shown),
                      p.pos);
}

void lx_ch_type_free(struct lx_ch_type *type)
{
    if (type == NULL)
        return;
    for (size_t i = 0; i < type->child_count; i++)
        lx_ch_type_free(&type->children[i]);
    for (size_t i = 0; i < type->enum_count; i++)
        lx_free(type->enums[i].name);
    lx_free(type->children);
    lx_free(type->enums);
    lx_free(type->zone);
    lx_free(type->text);
    *type = (struct lx_ch_type){0};
}
