/* JSON text to jansson's values (RFC 8259).
 *
 * Not by jansson's own parser: where it lacks memory for one more byte of a text or number, it goes
 * on without that byte (2.14, lex_save), and the log's sums and paths must never be read so. This
 * one is as strict as the log needs it, names the byte, and is faster as well. */
#include "base/cursor.h"
#include "base/utf8.h"
#include "ledger/ledger.h"
#include "ledger/ledger_json.h"

#include <assert.h>

#define MAX_EXPONENT 400 /* beyond it every double is 0 or infinite */

struct parser {
    const uint8_t *start;
    struct lx_cursor at;
    /* A stack of unescaped strings, each with a NUL behind: a member's name waits below its value.
     */
    struct lx_buf text;
    int depth;
    enum lx_status status; /* why it ended */
    const char *problem;   /* FORMAT */
};

static json_t *stop(struct parser *parser, const char *problem)
{
    if (parser->status == LX_OK) {
        parser->status = LX_E_FORMAT;
        parser->problem = problem;
    }
    return NULL;
}

static json_t *out_of_memory(struct parser *parser)
{
    if (parser->status == LX_OK)
        parser->status = LX_E_MEMORY;
    return NULL;
}

static void skip_blanks(struct parser *parser)
{
    struct lx_cursor *at = &parser->at;
    while (at->pos < at->end &&
           (*at->pos == ' ' || *at->pos == '\t' || *at->pos == '\n' || *at->pos == '\r'))
        at->pos++;
}

static bool skip_byte(struct parser *parser, char byte)
{
    struct lx_cursor *at = &parser->at;
    if (at->pos == at->end || *at->pos != (uint8_t)byte)
        return false;
    at->pos++;
    return true;
}

/* -- strings ------------------------------------------------------------------------------- */

static bool put_utf8(struct lx_buf *text, uint32_t point)
{
    uint8_t bytes[4];
    size_t size;
    if (point < 0x80) {
        bytes[0] = (uint8_t)point;
        size = 1;
    } else if (point < 0x800) {
        bytes[0] = (uint8_t)(0xc0 | point >> 6);
        bytes[1] = (uint8_t)(0x80 | (point & 0x3f));
        size = 2;
    } else if (point < 0x10000) {
        bytes[0] = (uint8_t)(0xe0 | point >> 12);
        bytes[1] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
        bytes[2] = (uint8_t)(0x80 | (point & 0x3f));
        size = 3;
    } else {
        bytes[0] = (uint8_t)(0xf0 | point >> 18);
        bytes[1] = (uint8_t)(0x80 | (point >> 12 & 0x3f));
        bytes[2] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
        bytes[3] = (uint8_t)(0x80 | (point & 0x3f));
        size = 4;
    }
    return lx_buf_append(text, bytes, size) == LX_OK;
}

/* The four digits behind "\u". */
static bool take_unit(struct parser *parser, uint64_t *unit)
{
    const uint8_t *digits;
    return lx_cursor_bytes(&parser->at, 4, &digits) &&
           lx_str_to_hex64((struct lx_str){(const char *)digits, 4}, unit);
}

/* Behind "\u": one unit, or a pair of surrogates. A NUL is refused: names and paths are C strings.
 */
static bool take_point(struct parser *parser, uint32_t *point)
{
    uint64_t unit, low;
    if (!take_unit(parser, &unit) || unit == 0 || (unit >= 0xdc00 && unit <= 0xdfff))
        return false;
    *point = (uint32_t)unit;
    if (unit < 0xd800 || unit > 0xdbff)
        return true;
    if (!skip_byte(parser, '\\') || !skip_byte(parser, 'u') || !take_unit(parser, &low) ||
        low < 0xdc00 || low > 0xdfff)
        return false;
    *point = 0x10000 + (((uint32_t)unit - 0xd800) << 10 | ((uint32_t)low - 0xdc00));
    return true;
}

static bool take_escape(struct parser *parser)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    uint8_t byte;
    uint32_t point;
    if (!lx_cursor_u8(&parser->at, &byte)) {
        stop(parser, "the text ends within a string");
        return false;
    }
    if (byte == 'u') {
        if (!take_point(parser, &point)) {
            stop(parser, "a wrong \\u escape");
            return false;
        }
    } else {
        const char *known = memchr(from, byte, sizeof from - 1);
        if (known == NULL) {
            stop(parser, "an unknown escape");
            return false;
        }
        point = (uint8_t)to[known - from];
    }
    if (put_utf8(&parser->text, point))
        return true;
    out_of_memory(parser);
    return false;
}

/* Pushed on parser->text. */
static bool take_string(struct parser *parser)
{
    struct lx_cursor *at = &parser->at;
    if (!skip_byte(parser, '"')) {
        stop(parser, "no string where one must be");
        return false;
    }
    for (;;) {
        const uint8_t *from = at->pos;
        while (at->pos < at->end && *at->pos >= 0x20 && *at->pos != '"' && *at->pos != '\\')
            at->pos++;
        bool ends = skip_byte(parser, '"');
        size_t size = (size_t)(at->pos - from) - ends;
        if (lx_buf_append(&parser->text, from, size) != LX_OK ||
            (ends && lx_buf_byte(&parser->text, 0) != LX_OK)) {
            out_of_memory(parser);
            return false;
        }
        if (ends)
            return true;
        if (!skip_byte(parser, '\\')) {
            stop(parser, at->pos == at->end ? "the text ends within a string"
                                            : "a control character in a string");
            return false;
        }
        if (!take_escape(parser))
            return false;
    }
}

/* -- numbers ------------------------------------------------------------------------------- */

static size_t skip_digits(struct parser *parser)
{
    const uint8_t *from = parser->at.pos;
    while (parser->at.pos < parser->at.end && *parser->at.pos >= '0' && *parser->at.pos <= '9')
        parser->at.pos++;
    return (size_t)(parser->at.pos - from);
}

/* The value of "digits[.digits][e[+-]digits]". Exact for up to 15 digits and small exponents, as
 * every number is that people write; lynex itself writes none of these. */
static double real_value(struct lx_str text)
{
    double mantissa = 0, scale = 1;
    int64_t exponent = 0, shift = 0;
    bool fraction = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '.') {
            fraction = true;
        } else if (c >= '0' && c <= '9') {
            mantissa = mantissa * 10 + (c - '0');
            shift -= fraction;
        } else if (c == 'e' || c == 'E') {
            bool plus = i + 1 < text.len && text.ptr[i + 1] == '+';
            struct lx_str rest = {text.ptr + i + 1 + plus, text.len - i - 1 - plus};
            if (!lx_str_to_i64(rest, &exponent) || exponent > 2 * MAX_EXPONENT)
                exponent = rest.ptr[0] == '-' ? -2 * MAX_EXPONENT : 2 * MAX_EXPONENT;
            break;
        }
    }
    exponent += shift;
    int64_t steps = exponent < 0 ? -exponent : exponent;
    for (int64_t i = 0; i < steps && i < MAX_EXPONENT; i++)
        scale *= 10;
    return exponent < 0 ? mantissa / scale : mantissa * scale;
}

static json_t *take_number(struct parser *parser)
{
    const uint8_t *from = parser->at.pos;
    bool negative = skip_byte(parser, '-'), whole = true;
    if (!skip_byte(parser, '0') && skip_digits(parser) == 0)
        return stop(parser, "no value where one must be");
    if (skip_byte(parser, '.')) {
        whole = false;
        if (skip_digits(parser) == 0)
            return stop(parser, "a number that ends with its point");
    }
    if (skip_byte(parser, 'e') || skip_byte(parser, 'E')) {
        whole = false;
        if (!skip_byte(parser, '+'))
            (void)skip_byte(parser, '-');
        if (skip_digits(parser) == 0)
            return stop(parser, "a number without exponent");
    }
    struct lx_str text = {(const char *)from, (size_t)(parser->at.pos - from)};
    json_t *json;
    if (whole) {
        int64_t value;
        if (!lx_str_to_i64(text, &value))
            return stop(parser, "an integer of more than 64 bits");
        json = json_integer(value);
    } else {
        double value = real_value((struct lx_str){text.ptr + negative, text.len - negative});
        if (value > 1.7976931348623157e308)
            return stop(parser, "a number that is too large");
        json = json_real(negative ? -value : value);
    }
    return json != NULL ? json : out_of_memory(parser);
}

/* -- values -------------------------------------------------------------------------------- */

static json_t *take_value(struct parser *parser);

/* "name":value, put into the object; false where the parser stopped. */
static bool take_member(struct parser *parser, json_t *object)
{
    size_t name = parser->text.len;
    if (!take_string(parser))
        return false;
    json_t *value = NULL;
    skip_blanks(parser);
    if (json_object_get(object, (const char *)parser->text.data + name) != NULL)
        stop(parser, "a member that is there twice (duplicate)");
    else if (!skip_byte(parser, ':'))
        stop(parser, "no ':' behind a member's name");
    else
        value = take_value(parser);
    if (value != NULL &&
        json_object_set_new_nocheck(object, (const char *)parser->text.data + name, value) != 0)
        out_of_memory(parser);
    parser->text.len = name;
    return parser->status == LX_OK;
}

static json_t *take_object(struct parser *parser)
{
    json_t *object = json_object();
    if (object == NULL)
        return out_of_memory(parser);
    skip_blanks(parser);
    if (skip_byte(parser, '}'))
        return object;
    do {
        skip_blanks(parser);
        if (!take_member(parser, object))
            break;
        skip_blanks(parser);
    } while (skip_byte(parser, ','));
    if (parser->status == LX_OK && !skip_byte(parser, '}'))
        stop(parser, "an object that does not end");
    if (parser->status == LX_OK)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *take_array(struct parser *parser)
{
    json_t *array = json_array();
    if (array == NULL)
        return out_of_memory(parser);
    skip_blanks(parser);
    if (skip_byte(parser, ']'))
        return array;
    do {
        json_t *value = take_value(parser);
        if (value == NULL)
            break;
        if (json_array_append_new(array, value) != 0)
            out_of_memory(parser);
        skip_blanks(parser);
    } while (skip_byte(parser, ','));
    if (parser->status == LX_OK && !skip_byte(parser, ']'))
        stop(parser, "an array that does not end");
    if (parser->status == LX_OK)
        return array;
    json_decref(array);
    return NULL;
}

static bool skip_word(struct parser *parser, const char *word)
{
    struct lx_str rest = {(const char *)parser->at.pos, lx_cursor_left(&parser->at)};
    if (!lx_str_starts(rest, lx_str_of(word)))
        return false;
    parser->at.pos += strlen(word);
    return true;
}

static json_t *take_text(struct parser *parser)
{
    size_t from = parser->text.len;
    if (!take_string(parser))
        return NULL;
    json_t *json =
        json_stringn_nocheck((const char *)parser->text.data + from, parser->text.len - from - 1);
    parser->text.len = from;
    return json != NULL ? json : out_of_memory(parser);
}

static json_t *take_value(struct parser *parser)
{
    json_t *json;
    skip_blanks(parser);
    if (parser->at.pos == parser->at.end)
        return stop(parser, "the text ends where a value must be");
    if (*parser->at.pos == '"')
        return take_text(parser);
    if (*parser->at.pos == '{' || *parser->at.pos == '[') {
        bool object = *parser->at.pos++ == '{';
        if (++parser->depth > LX_LEDGER_MAX_DEPTH)
            return stop(parser, "values deeper than the limit");
        json = object ? take_object(parser) : take_array(parser);
        parser->depth--;
        return json;
    }
    if (skip_word(parser, "true"))
        return json_true();
    if (skip_word(parser, "false"))
        return json_false();
    if (skip_word(parser, "null"))
        return json_null();
    return take_number(parser);
}

static enum lx_status parse_whole(struct lx_str text, const char *where, json_type type,
                                  json_t **found, struct lx_err *err)
{
    if (text.len > LX_LEDGER_MAX_LINE_BYTES)
        return lx_err_set(err, LX_E_LIMIT, "%s: %zu bytes of JSON, more than %zu", where, text.len,
                          LX_LEDGER_MAX_LINE_BYTES);
    struct parser parser = {.at = lx_cursor_of(text.ptr, text.len),
                            .text = LX_BUF(LX_LEDGER_MAX_LINE_BYTES)};
    parser.start = parser.at.pos;
    size_t valid = lx_utf8_valid_prefix(parser.start, text.len);
    json_t *json = NULL;
    if (valid < text.len) {
        parser.at.pos = parser.start + valid;
        stop(&parser, "a byte that is not UTF-8");
    } else {
        json = take_value(&parser);
    }
    skip_blanks(&parser);
    if (json != NULL && parser.at.pos != parser.at.end)
        stop(&parser, "more behind the value");
    if (json != NULL && json_typeof(json) != type)
        stop(&parser, type == JSON_OBJECT ? "not a JSON object" : "not a JSON array");
    lx_buf_free(&parser.text);
    if (parser.status == LX_OK) {
        assert(json != NULL);
        *found = json;
        return LX_OK;
    }
    json_decref(json);
    if (parser.status == LX_E_MEMORY)
        return lx_err_memory(err);
    return lx_err_set(err, LX_E_FORMAT, "%s: not JSON: %s, at byte %zu", where, parser.problem,
                      (size_t)(parser.at.pos - parser.start));
}

enum lx_status lx_ledger_json_parse(struct lx_str text, const char *where, json_t **object,
                                    struct lx_err *err)
{
    return parse_whole(text, where, JSON_OBJECT, object, err);
}

enum lx_status lx_ledger_json_parse_array(struct lx_str text, const char *where, json_t **array,
                                          struct lx_err *err)
{
    return parse_whole(text, where, JSON_ARRAY, array, err);
}
