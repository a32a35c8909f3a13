/* rowschema_value.c: see the header. A recursive descent over the text, as deep as the type is; the
 * hashes of elements wait on a stack until their array is whole, for its length comes first. */
#include "archive/rowschema_value.h"

#include "base/alloc.h"
#include "base/cursor.h"
#include "base/limits.h"

/* -- types --------------------------------------------------------------------------------- */

static enum lx_status new_children(struct lx_value *value, size_t count)
{
    value->children = lx_calloc(count, sizeof *value->children);
    if (value->children == NULL)
        return LX_E_MEMORY;
    value->child_count = count;
    return LX_OK;
}

/* Points are tuples of two floats; the others are so many arrays of them. */
static enum lx_status compile_points(struct lx_value *value, unsigned arrays)
{
    for (; arrays > 0; arrays--) {
        value->kind = LX_CH_ARRAY;
        LX_TRY(new_children(value, 1));
        value = value->children;
    }
    value->kind = LX_CH_TUPLE;
    LX_TRY(new_children(value, 2));
    for (size_t i = 0; i < 2; i++) {
        value->children[i].kind = LX_CH_FLOAT64;
        value->children[i].width = 8;
    }
    return LX_OK;
}

static enum lx_status compile_geo(const struct lx_ch_type *type, struct lx_value *value)
{
    static const struct {
        const char *name;
        unsigned arrays;
    } shapes[] = {{"Point", 0},           {"Ring", 1},        {"LineString", 1}, {"Polygon", 2},
                  {"MultiLineString", 2}, {"MultiPolygon", 3}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (type->text != NULL && strcmp(type->text, shapes[i].name) == 0)
            return compile_points(value, shapes[i].arrays);
    value->opaque = true; /* Geometry is a Variant */
    return LX_OK;
}

static enum lx_status compile(const struct lx_ch_type *type, struct lx_value *value);

static enum lx_status compile_children(const struct lx_ch_type *type, struct lx_value *value)
{
    value->opaque = type->child_count == 0;
    if (type->child_count == 0)
        return LX_OK;
    LX_TRY(new_children(value, type->child_count));
    for (size_t i = 0; i < type->child_count; i++) {
        LX_TRY(compile(&type->children[i], &value->children[i]));
        value->opaque = value->opaque || value->children[i].opaque;
    }
    return LX_OK;
}

/* Nested(a A, b B) as one column is Array(Tuple(A, B)). */
static enum lx_status compile_nested(const struct lx_ch_type *type, struct lx_value *value)
{
    value->kind = LX_CH_ARRAY;
    LX_TRY(new_children(value, 1));
    value->children[0].kind = LX_CH_TUPLE;
    LX_TRY(compile_children(type, &value->children[0]));
    value->opaque = value->children[0].opaque;
    return LX_OK;
}

static enum lx_status compile(const struct lx_ch_type *type, struct lx_value *value)
{
    *value = (struct lx_value){
        .kind = type->kind,
        .nullable = type->nullable,
        .width = type->width,
        .precision = type->precision,
        .scale = type->scale,
        .type = type,
    };
    switch (type->kind) {
    case LX_CH_ARRAY:
    case LX_CH_TUPLE: return compile_children(type, value);
    case LX_CH_MAP:
        LX_TRY(compile_children(type, value));
        /* A composed key is written as ClickHouse's own text, not as JSON. */
        value->opaque = value->opaque || value->children[0].child_count != 0;
        return LX_OK;
    case LX_CH_NESTED: return compile_nested(type, value);
    case LX_CH_GEO: return compile_geo(type, value);
    case LX_CH_ENUM8:
    case LX_CH_ENUM16:
        value->by_name = lx_enum_index(type);
        return value->by_name != NULL ? LX_OK : LX_E_MEMORY;
    case LX_CH_JSON:
    case LX_CH_VARIANT:
    case LX_CH_DYNAMIC:
    case LX_CH_OBJECT:
    case LX_CH_AGGREGATE:
    case LX_CH_OTHER: value->opaque = true; return LX_OK;
    default: return LX_OK;
    }
}

static void free_within(struct lx_value *value)
{
    for (size_t i = 0; i < value->child_count; i++)
        free_within(&value->children[i]);
    lx_free(value->children);
    lx_free(value->by_name);
}

void lx_value_free(struct lx_value *value)
{
    if (value == NULL)
        return;
    free_within(value);
    lx_free(value);
}

enum lx_status lx_value_compile(const struct lx_ch_type *type, struct lx_value **value)
{
    struct lx_value *fresh = lx_calloc(1, sizeof *fresh);
    if (fresh == NULL)
        return LX_E_MEMORY;
    enum lx_status status = compile(type, fresh);
    if (status != LX_OK) {
        lx_value_free(fresh);
        return status;
    }
    *value = fresh;
    return LX_OK;
}

bool lx_value_is_hashable(const struct lx_value *value)
{
    return !value->opaque;
}

/* -- hashes -------------------------------------------------------------------------------- */

/* CityHash's Hash128to64, as the rows' own chain. */
static inline uint64_t combine(uint64_t first, uint64_t second)
{
    const uint64_t m = 0x9ddfea08eb382d69u;
    uint64_t a = (first ^ second) * m;
    a ^= a >> 47;
    uint64_t b = (second ^ a) * m;
    b ^= b >> 47;
    return b * m;
}

/* What an array's chain begins with: MurmurHash3's finaliser of its salted length. */
static inline uint64_t of_length(uint64_t length)
{
    uint64_t h = length ^ 0x4cf2d2baae6da887u;
    h = (h ^ h >> 33) * 0xff51afd7ed558ccdu;
    h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53u;
    return h ^ h >> 33;
}

struct lx_value_reader {
    struct lx_cursor in;
    struct lx_buf text; /* of the last string that held escapes */
    uint64_t *hashes;   /* the stack */
    size_t used, cap;
};

enum lx_status lx_value_reader_create(struct lx_value_reader **reader)
{
    struct lx_value_reader *fresh = lx_calloc(1, sizeof *fresh);
    if (fresh == NULL)
        return LX_E_MEMORY;
    fresh->text.max = LX_MAX_COLUMN_HEAP;
    *reader = fresh;
    return LX_OK;
}

void lx_value_reader_free(struct lx_value_reader *reader)
{
    if (reader == NULL)
        return;
    lx_buf_free(&reader->text);
    lx_free(reader->hashes);
    lx_free(reader);
}

static enum lx_status push(struct lx_value_reader *reader, uint64_t hash)
{
    if (reader->used == reader->cap) {
        size_t cap = reader->cap < 64 ? 64 : reader->cap * 2;
        if (cap > LX_MAX_COLUMN_HEAP / sizeof hash)
            return LX_E_LIMIT;
        uint64_t *more = lx_realloc(reader->hashes, cap * sizeof hash);
        if (more == NULL)
            return LX_E_MEMORY;
        reader->hashes = more;
        reader->cap = cap;
    }
    reader->hashes[reader->used++] = hash;
    return LX_OK;
}

/* The hashes above `mark` become one. */
static void fold(struct lx_value_reader *reader, size_t mark)
{
    uint64_t hash = reader->hashes[mark];
    for (size_t i = mark + 1; i < reader->used; i++)
        hash = combine(hash, reader->hashes[i]);
    reader->hashes[mark] = hash;
    reader->used = mark + 1;
}

/* -- JSON ---------------------------------------------------------------------------------- */

static uint8_t peek(struct lx_value_reader *reader)
{
    struct lx_cursor *in = &reader->in;
    while (in->pos < in->end &&
           (*in->pos == ' ' || *in->pos == '\n' || *in->pos == '\t' || *in->pos == '\r'))
        in->pos++;
    return in->pos < in->end ? *in->pos : 0;
}

static bool take(struct lx_value_reader *reader, uint8_t c)
{
    if (peek(reader) != c)
        return false;
    reader->in.pos++;
    return true;
}

static bool take_hex4(struct lx_cursor *in, uint32_t *unit)
{
    const uint8_t *digits;
    uint64_t value;
    if (!lx_cursor_bytes(in, 4, &digits) ||
        !lx_str_to_hex64((struct lx_str){(const char *)digits, 4}, &value))
        return false;
    *unit = (uint32_t)value;
    return true;
}

static enum lx_status put_character(struct lx_buf *out, uint32_t c)
{
    uint8_t bytes[4];
    size_t size = 0;
    if (c < 0x80) {
        bytes[size++] = (uint8_t)c;
    } else if (c < 0x800) {
        bytes[size++] = (uint8_t)(0xc0 | c >> 6);
        bytes[size++] = (uint8_t)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        bytes[size++] = (uint8_t)(0xe0 | c >> 12);
        bytes[size++] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        bytes[size++] = (uint8_t)(0x80 | (c & 0x3f));
    } else {
        bytes[size++] = (uint8_t)(0xf0 | c >> 18);
        bytes[size++] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
        bytes[size++] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        bytes[size++] = (uint8_t)(0x80 | (c & 0x3f));
    }
    return lx_buf_append(out, bytes, size);
}

/* Behind "\u": one character, of one or two units (RFC 8259, section 7). */
static enum lx_status take_unicode(struct lx_cursor *in, struct lx_buf *out)
{
    uint32_t unit, low;
    const uint8_t *mark;
    if (!take_hex4(in, &unit))
        return LX_E_FORMAT;
    if (unit >= 0xd800 && unit < 0xe000) {
        if (unit >= 0xdc00 || !lx_cursor_bytes(in, 2, &mark) || mark[0] != '\\' || mark[1] != 'u' ||
            !take_hex4(in, &low) || low < 0xdc00 || low >= 0xe000)
            return LX_E_FORMAT;
        unit = 0x10000 + ((unit - 0xd800) << 10 | (low - 0xdc00));
    }
    return put_character(out, unit);
}

static enum lx_status take_escape(struct lx_cursor *in, struct lx_buf *out)
{
    uint8_t c;
    if (!lx_cursor_u8(in, &c))
        return LX_E_FORMAT;
    switch (c) {
    case '"':
    case '\\':
    case '/': return lx_buf_byte(out, c);
    case 'b': return lx_buf_byte(out, '\b');
    case 'f': return lx_buf_byte(out, '\f');
    case 'n': return lx_buf_byte(out, '\n');
    case 'r': return lx_buf_byte(out, '\r');
    case 't': return lx_buf_byte(out, '\t');
    case 'u': return take_unicode(in, out);
    default: return LX_E_FORMAT;
    }
}

/* Bytes of a string up to a quote, an escape, or a byte that must not stand there. Bytes that are
 * not UTF-8 pass: they are the value's own. */
static const uint8_t *plain_end(const uint8_t *pos, const uint8_t *end)
{
    while (pos < end && *pos != '"' && *pos != '\\' && *pos >= 0x20)
        pos++;
    return pos;
}

/* A string's content: a view of the input where it has no escapes, else of reader->text. */
static enum lx_status take_string(struct lx_value_reader *reader, struct lx_str *content)
{
    struct lx_cursor *in = &reader->in;
    if (!take(reader, '"'))
        return LX_E_FORMAT;
    const uint8_t *start = in->pos;
    in->pos = plain_end(start, in->end);
    if (in->pos < in->end && *in->pos == '"') {
        *content = (struct lx_str){(const char *)start, (size_t)(in->pos - start)};
        in->pos++;
        return LX_OK;
    }
    lx_buf_clear(&reader->text);
    for (;;) {
        LX_TRY(lx_buf_append(&reader->text, start, (size_t)(in->pos - start)));
        uint8_t c;
        if (!lx_cursor_u8(in, &c) || c < 0x20)
            return LX_E_FORMAT;
        if (c == '"')
            break;
        LX_TRY(take_escape(in, &reader->text));
        start = in->pos;
        in->pos = plain_end(start, in->end);
    }
    *content = lx_buf_view(&reader->text);
    return LX_OK;
}

/* A number, true, false or null as it stands; or a string's content. */
static enum lx_status take_scalar(struct lx_value_reader *reader, struct lx_str *content,
                                  bool *quoted)
{
    struct lx_cursor *in = &reader->in;
    *quoted = peek(reader) == '"';
    if (*quoted)
        return take_string(reader, content);
    const uint8_t *start = in->pos;
    while (in->pos < in->end && *in->pos != ',' && *in->pos != ']' && *in->pos != '}' &&
           *in->pos != ':' && *in->pos > ' ')
        in->pos++;
    *content = (struct lx_str){(const char *)start, (size_t)(in->pos - start)};
    return LX_OK;
}

/* -- values -------------------------------------------------------------------------------- */

static enum lx_status hash_fixed_string(struct lx_value_reader *reader, uint32_t size,
                                        struct lx_str content)
{
    static const uint8_t zeros[64];
    if (content.len > size)
        return LX_E_FORMAT;
    if (content.len == size)
        return push(reader, lx_ch_hash_value(content.ptr, size));
    /* Zeros at the end may have been left out. Where the content is in reader->text it moves when
     * the buffer grows: it stands at its front. */
    if ((const uint8_t *)content.ptr != reader->text.data || content.len != reader->text.len) {
        lx_buf_clear(&reader->text);
        LX_TRY(lx_buf_str(&reader->text, content));
    }
    while (reader->text.len < size) {
        size_t more = size - reader->text.len;
        LX_TRY(lx_buf_append(&reader->text, zeros, more < sizeof zeros ? more : sizeof zeros));
    }
    return push(reader, lx_ch_hash_value(reader->text.data, size));
}

static enum lx_status hash_leaf(struct lx_value_reader *reader, const struct lx_value *leaf,
                                struct lx_str content, bool quoted)
{
    uint8_t bytes[LX_LEAF_BYTES];
    switch (leaf->kind) {
    case LX_CH_STRING:
        return quoted ? push(reader, lx_ch_hash_value(content.ptr, content.len)) : LX_E_FORMAT;
    case LX_CH_FIXED_STRING:
        return quoted ? hash_fixed_string(reader, leaf->precision, content) : LX_E_FORMAT;
    case LX_CH_NOTHING: return LX_E_FORMAT; /* has no values */
    default:
        if (!lx_leaf_of_text(leaf, content, bytes))
            return LX_E_FORMAT;
        return push(reader, lx_ch_hash_value(bytes, leaf->width));
    }
}

static enum lx_status hash_value(struct lx_value_reader *reader, const struct lx_value *value);

static enum lx_status hash_array(struct lx_value_reader *reader, const struct lx_value *value)
{
    size_t mark = reader->used;
    uint64_t count = 0;
    LX_TRY(push(reader, 0)); /* the length's place */
    if (!take(reader, '['))
        return LX_E_FORMAT;
    if (!take(reader, ']')) {
        do {
            size_t element = reader->used;
            LX_TRY(hash_value(reader, &value->children[0]));
            fold(reader, element);
            count++;
        } while (take(reader, ','));
        if (!take(reader, ']'))
            return LX_E_FORMAT;
    }
    reader->hashes[mark] = of_length(count);
    return LX_OK;
}

static enum lx_status hash_map(struct lx_value_reader *reader, const struct lx_value *value)
{
    size_t mark = reader->used;
    uint64_t count = 0;
    struct lx_str key;
    LX_TRY(push(reader, 0));
    if (!take(reader, '{'))
        return LX_E_FORMAT;
    if (!take(reader, '}')) {
        do {
            size_t entry = reader->used;
            LX_TRY(take_string(reader, &key));
            LX_TRY(hash_leaf(reader, &value->children[0], key, true));
            if (!take(reader, ':'))
                return LX_E_FORMAT;
            LX_TRY(hash_value(reader, &value->children[1]));
            fold(reader, entry);
            count++;
        } while (take(reader, ','));
        if (!take(reader, '}'))
            return LX_E_FORMAT;
    }
    reader->hashes[mark] = of_length(count);
    return LX_OK;
}

/* Named tuples are objects, their members in the tuple's order. */
static enum lx_status hash_tuple(struct lx_value_reader *reader, const struct lx_value *value)
{
    size_t mark = reader->used;
    struct lx_str name;
    bool named = take(reader, '{');
    if (!named && !take(reader, '['))
        return LX_E_FORMAT;
    for (size_t i = 0; i < value->child_count; i++) {
        if (i > 0 && !take(reader, ','))
            return LX_E_FORMAT;
        if (named) {
            LX_TRY(take_string(reader, &name));
            if (!take(reader, ':'))
                return LX_E_FORMAT;
        }
        LX_TRY(hash_value(reader, &value->children[i]));
    }
    if (!take(reader, named ? '}' : ']'))
        return LX_E_FORMAT;
    if (value->nullable)
        fold(reader, mark);
    return LX_OK;
}

static bool take_null(struct lx_value_reader *reader)
{
    static const struct lx_str null = {"null", 4};
    if (peek(reader) != 'n' || lx_cursor_left(&reader->in) < null.len ||
        memcmp(reader->in.pos, null.ptr, null.len) != 0)
        return false;
    reader->in.pos += null.len;
    return true;
}

static enum lx_status hash_value(struct lx_value_reader *reader, const struct lx_value *value)
{
    struct lx_str content;
    bool quoted;
    if (value->nullable && take_null(reader))
        return push(reader, LX_CH_HASH_NULL);
    switch (value->kind) {
    case LX_CH_ARRAY: return hash_array(reader, value);
    case LX_CH_MAP: return hash_map(reader, value);
    case LX_CH_TUPLE: return hash_tuple(reader, value);
    default:
        LX_TRY(take_scalar(reader, &content, &quoted));
        return hash_leaf(reader, value, content, quoted);
    }
}

enum lx_status lx_value_chain(struct lx_value_reader *reader, const struct lx_value *value,
                              struct lx_str text, bool begun, uint64_t *hash, size_t *at)
{
    reader->in = lx_cursor_of(text.ptr, text.len);
    reader->used = 0;
    enum lx_status status = hash_value(reader, value);
    if (status == LX_OK && (peek(reader) != 0 || lx_cursor_left(&reader->in) > 0))
        status = LX_E_FORMAT;
    if (status != LX_OK) {
        *at = text.len - lx_cursor_left(&reader->in);
        return status;
    }
    uint64_t chain = begun ? combine(*hash, reader->hashes[0]) : reader->hashes[0];
    for (size_t i = 1; i < reader->used; i++)
        chain = combine(chain, reader->hashes[i]);
    *hash = chain;
    return LX_OK;
}
