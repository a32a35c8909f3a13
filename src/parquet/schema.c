#include "parquet/schema.h"

#include "base/alloc.h"
#include "base/utf8.h"

#include <assert.h>
#include <stdio.h>

/* parquet.thrift, ConvertedType */
enum converted {
    CONVERTED_UTF8 = 0,
    CONVERTED_MAP = 1,
    CONVERTED_MAP_KEY_VALUE = 2,
    CONVERTED_LIST = 3,
    CONVERTED_ENUM = 4,
    CONVERTED_DECIMAL = 5,
    CONVERTED_DATE = 6,
    CONVERTED_TIME_MILLIS = 7,
    CONVERTED_TIME_MICROS = 8,
    CONVERTED_TIMESTAMP_MILLIS = 9,
    CONVERTED_TIMESTAMP_MICROS = 10,
    CONVERTED_UINT_8 = 11, /* 16, 32, 64 follow */
    CONVERTED_INT_8 = 15,
    CONVERTED_INT_64 = 18,
    CONVERTED_JSON = 19,
    CONVERTED_BSON = 20,
    CONVERTED_INTERVAL = 21
};

/* -- order --------------------------------------------------------------------------------- */

enum lx_pq_order lx_pq_order_of(const struct lx_parquet_field *field)
{
    const struct lx_parquet_logical *logical = &field->logical;
    bool is_unsigned = logical->kind == LX_PARQUET_LOGICAL_INTEGER && !logical->is_signed;
    switch (logical->kind) {
    case LX_PARQUET_LOGICAL_OTHER:
    case LX_PARQUET_LOGICAL_NULL:
    case LX_PARQUET_LOGICAL_FLOAT16:
    case LX_PARQUET_LOGICAL_UUID: return LX_PQ_ORDER_NONE;
    default: break;
    }
    switch (field->physical) {
    case LX_PARQUET_BOOLEAN: return LX_PQ_ORDER_BOOL;
    case LX_PARQUET_INT32: return is_unsigned ? LX_PQ_ORDER_U32 : LX_PQ_ORDER_I32;
    case LX_PARQUET_INT64: return is_unsigned ? LX_PQ_ORDER_U64 : LX_PQ_ORDER_I64;
    case LX_PARQUET_FLOAT: return LX_PQ_ORDER_FLOAT;
    case LX_PARQUET_DOUBLE: return LX_PQ_ORDER_DOUBLE;
    case LX_PARQUET_BYTE_ARRAY:
        return logical->kind == LX_PARQUET_LOGICAL_DECIMAL ? LX_PQ_ORDER_NONE : LX_PQ_ORDER_BYTES;
    case LX_PARQUET_FIXED_LEN_BYTE_ARRAY:
        return logical->kind == LX_PARQUET_LOGICAL_DECIMAL ? LX_PQ_ORDER_DECIMAL
                                                           : LX_PQ_ORDER_BYTES;
    case LX_PARQUET_INT96: break;
    }
    return LX_PQ_ORDER_NONE;
}

bool lx_pq_bloom_fits(const struct lx_parquet_field *field)
{
    switch (field->physical) {
    case LX_PARQUET_INT32:
    case LX_PARQUET_INT64: return true;
    case LX_PARQUET_BYTE_ARRAY:
        return field->logical.kind == LX_PARQUET_LOGICAL_STRING ||
               field->logical.kind == LX_PARQUET_LOGICAL_ENUM ||
               field->logical.kind == LX_PARQUET_LOGICAL_JSON;
    case LX_PARQUET_FIXED_LEN_BYTE_ARRAY:
        return field->logical.kind == LX_PARQUET_LOGICAL_UUID ||
               field->logical.kind == LX_PARQUET_LOGICAL_DECIMAL;
    case LX_PARQUET_BOOLEAN:
    case LX_PARQUET_INT96:
    case LX_PARQUET_FLOAT:
    case LX_PARQUET_DOUBLE: break;
    }
    return false;
}

uint32_t lx_pq_width_of(const struct lx_parquet_field *field)
{
    switch (field->physical) {
    case LX_PARQUET_BOOLEAN: return 1;
    case LX_PARQUET_INT32:
    case LX_PARQUET_FLOAT: return 4;
    case LX_PARQUET_INT64:
    case LX_PARQUET_DOUBLE: return 8;
    case LX_PARQUET_INT96: return 12;
    case LX_PARQUET_BYTE_ARRAY: return 0;
    case LX_PARQUET_FIXED_LEN_BYTE_ARRAY: return (uint32_t)field->length;
    }
    return 0;
}

static int compare_bytes(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t shorter = a_len < b_len ? a_len : b_len;
    int order = shorter != 0 ? memcmp(a, b, shorter) : 0;
    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

#define COMPARE_AS(type)                                                                           \
    do {                                                                                           \
        type x, y;                                                                                 \
        assert(a.len == sizeof x && b.len == sizeof y);                                            \
        memcpy(&x, a.ptr, sizeof x);                                                               \
        memcpy(&y, b.ptr, sizeof y);                                                               \
        return (x > y) - (x < y);                                                                  \
    } while (0)

int lx_pq_compare(enum lx_pq_order order, struct lx_str a, struct lx_str b)
{
    switch (order) {
    case LX_PQ_ORDER_BOOL: COMPARE_AS(uint8_t);
    case LX_PQ_ORDER_I32: COMPARE_AS(int32_t);
    case LX_PQ_ORDER_U32: COMPARE_AS(uint32_t);
    case LX_PQ_ORDER_I64: COMPARE_AS(int64_t);
    case LX_PQ_ORDER_U64: COMPARE_AS(uint64_t);
    case LX_PQ_ORDER_FLOAT: COMPARE_AS(float);
    case LX_PQ_ORDER_DOUBLE: COMPARE_AS(double);
    case LX_PQ_ORDER_BYTES: return compare_bytes(a.ptr, a.len, b.ptr, b.len);
    case LX_PQ_ORDER_DECIMAL: {
        assert(a.len == b.len && a.len > 0);
        int high = (int)(signed char)a.ptr[0] - (int)(signed char)b.ptr[0];
        return high != 0 ? high : memcmp(a.ptr, b.ptr, a.len);
    }
    case LX_PQ_ORDER_NONE: break;
    }
    return 0;
}

/* -- converted types ----------------------------------------------------------------------- */

static int converted_integer(const struct lx_parquet_logical *logical)
{
    int step = logical->bits == 8 ? 0 : logical->bits == 16 ? 1 : logical->bits == 32 ? 2 : 3;
    return (logical->is_signed ? CONVERTED_INT_8 : CONVERTED_UINT_8) + step;
}

int lx_pq_converted_type(const struct lx_parquet_field *field)
{
    const struct lx_parquet_logical *logical = &field->logical;
    switch (logical->kind) {
    case LX_PARQUET_LOGICAL_STRING: return CONVERTED_UTF8;
    case LX_PARQUET_LOGICAL_ENUM: return CONVERTED_ENUM;
    case LX_PARQUET_LOGICAL_JSON: return CONVERTED_JSON;
    case LX_PARQUET_LOGICAL_BSON: return CONVERTED_BSON;
    case LX_PARQUET_LOGICAL_DECIMAL: return CONVERTED_DECIMAL;
    case LX_PARQUET_LOGICAL_DATE: return CONVERTED_DATE;
    case LX_PARQUET_LOGICAL_LIST: return CONVERTED_LIST;
    case LX_PARQUET_LOGICAL_MAP: return CONVERTED_MAP;
    case LX_PARQUET_LOGICAL_INTEGER: return converted_integer(logical);
    /* The converted types mean UTC; local times have none that would not be read wrongly. */
    case LX_PARQUET_LOGICAL_TIME:
        if (!logical->utc || logical->unit == LX_PARQUET_NANOS)
            return -1;
        return logical->unit == LX_PARQUET_MILLIS ? CONVERTED_TIME_MILLIS : CONVERTED_TIME_MICROS;
    case LX_PARQUET_LOGICAL_TIMESTAMP:
        if (!logical->utc || logical->unit == LX_PARQUET_NANOS)
            return -1;
        return logical->unit == LX_PARQUET_MILLIS ? CONVERTED_TIMESTAMP_MILLIS
                                                  : CONVERTED_TIMESTAMP_MICROS;
    case LX_PARQUET_LOGICAL_NONE:
    case LX_PARQUET_LOGICAL_UUID:
    case LX_PARQUET_LOGICAL_FLOAT16:
    case LX_PARQUET_LOGICAL_NULL:
    case LX_PARQUET_LOGICAL_OTHER:
    case LX_PARQUET_LOGICAL_KINDS: break;
    }
    return -1;
}

void lx_pq_logical_of_converted(int converted, int32_t precision, int32_t scale,
                                enum lx_parquet_physical physical,
                                struct lx_parquet_logical *logical)
{
    *logical = (struct lx_parquet_logical){.kind = LX_PARQUET_LOGICAL_OTHER, .utc = true};
    switch (converted) {
    case CONVERTED_UTF8: logical->kind = LX_PARQUET_LOGICAL_STRING; break;
    case CONVERTED_MAP:
    case CONVERTED_MAP_KEY_VALUE: logical->kind = LX_PARQUET_LOGICAL_MAP; break;
    case CONVERTED_LIST: logical->kind = LX_PARQUET_LOGICAL_LIST; break;
    case CONVERTED_ENUM: logical->kind = LX_PARQUET_LOGICAL_ENUM; break;
    case CONVERTED_DATE: logical->kind = LX_PARQUET_LOGICAL_DATE; break;
    case CONVERTED_JSON: logical->kind = LX_PARQUET_LOGICAL_JSON; break;
    case CONVERTED_BSON: logical->kind = LX_PARQUET_LOGICAL_BSON; break;
    case CONVERTED_DECIMAL:
        logical->kind = LX_PARQUET_LOGICAL_DECIMAL;
        logical->precision = precision;
        logical->scale = scale;
        break;
    case CONVERTED_TIME_MILLIS:
    case CONVERTED_TIME_MICROS:
        logical->kind = LX_PARQUET_LOGICAL_TIME;
        logical->unit = physical == LX_PARQUET_INT32 ? LX_PARQUET_MILLIS : LX_PARQUET_MICROS;
        break;
    case CONVERTED_TIMESTAMP_MILLIS:
    case CONVERTED_TIMESTAMP_MICROS:
        logical->kind = LX_PARQUET_LOGICAL_TIMESTAMP;
        logical->unit =
            converted == CONVERTED_TIMESTAMP_MILLIS ? LX_PARQUET_MILLIS : LX_PARQUET_MICROS;
        break;
    default:
        if (converted >= CONVERTED_UINT_8 && converted <= CONVERTED_INT_64) {
            logical->kind = LX_PARQUET_LOGICAL_INTEGER;
            logical->is_signed = converted >= CONVERTED_INT_8;
            logical->bits = (uint8_t)(8u << (converted - CONVERTED_UINT_8) % 4);
        }
        break;
    }
}

/* -- names --------------------------------------------------------------------------------- */

const char *lx_parquet_physical_name(enum lx_parquet_physical physical)
{
    static const char *const names[] = {"BOOLEAN", "INT32",  "INT64",      "INT96",
                                        "FLOAT",   "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"};
    size_t at = (size_t)physical;
    return at < sizeof names / sizeof names[0] ? names[at] : "?";
}

const char *lx_parquet_encoding_name(enum lx_parquet_encoding encoding)
{
    static const char *const names[] = {"?",
                                        "PLAIN",
                                        "?",
                                        "PLAIN_DICTIONARY",
                                        "RLE",
                                        "BIT_PACKED",
                                        "DELTA_BINARY_PACKED",
                                        "DELTA_LENGTH_BYTE_ARRAY",
                                        "DELTA_BYTE_ARRAY",
                                        "RLE_DICTIONARY",
                                        "BYTE_STREAM_SPLIT"};
    size_t at = (size_t)encoding;
    return at < sizeof names / sizeof names[0] ? names[at] : "?";
}

const char *lx_parquet_codec_name(enum lx_parquet_codec codec)
{
    static const char *const names[] = {"?",      "UNCOMPRESSED", "SNAPPY", "GZIP",   "LZO",
                                        "BROTLI", "LZ4",          "ZSTD",   "LZ4_RAW"};
    size_t at = (size_t)codec;
    return at < sizeof names / sizeof names[0] ? names[at] : "?";
}

const char *lx_parquet_repetition_name(enum lx_parquet_repetition repetition)
{
    static const char *const names[] = {"REQUIRED", "OPTIONAL", "REPEATED"};
    size_t at = (size_t)repetition;
    return at < sizeof names / sizeof names[0] ? names[at] : "?";
}

void lx_parquet_logical_text(const struct lx_parquet_logical *logical, char *text, size_t size)
{
    static const char *const kinds[LX_PARQUET_LOGICAL_KINDS] = {
        "",     "STRING",    "ENUM", "JSON",    "BSON", "UUID", "DECIMAL", "DATE",
        "TIME", "TIMESTAMP", "INT",  "FLOAT16", "LIST", "MAP",  "NULL",    "OTHER"};
    static const char *const units[] = {"MILLIS", "MICROS", "NANOS"};
    const char *kind = (size_t)logical->kind < LX_PARQUET_LOGICAL_KINDS ? kinds[logical->kind] : "";
    switch (logical->kind) {
    case LX_PARQUET_LOGICAL_DECIMAL:
        snprintf(text, size, "%s(%d,%d)", kind, logical->precision, logical->scale);
        break;
    case LX_PARQUET_LOGICAL_TIME:
    case LX_PARQUET_LOGICAL_TIMESTAMP:
        snprintf(text, size, "%s(%s%s)", kind, units[(size_t)logical->unit % 3],
                 logical->utc ? ",UTC" : "");
        break;
    case LX_PARQUET_LOGICAL_INTEGER:
        snprintf(text, size, "%s(%u,%s)", kind, logical->bits,
                 logical->is_signed ? "signed" : "unsigned");
        break;
    default: snprintf(text, size, "%s", kind); break;
    }
}

/* -- checks -------------------------------------------------------------------------------- */

/* Digits that always fit two's complement of so many bytes: floor(log10(2^(8n-1) - 1)). */
static int32_t decimal_digits(const struct lx_parquet_field *field)
{
    uint32_t bytes = lx_pq_width_of(field);
    return (int32_t)((8.0 * bytes - 1) * 0.30102999566398119521);
}

static bool logical_fits(const struct lx_parquet_field *field)
{
    const struct lx_parquet_logical *logical = &field->logical;
    enum lx_parquet_physical physical = field->physical;
    switch (logical->kind) {
    case LX_PARQUET_LOGICAL_NONE: return true;
    case LX_PARQUET_LOGICAL_STRING:
    case LX_PARQUET_LOGICAL_ENUM:
    case LX_PARQUET_LOGICAL_JSON:
    case LX_PARQUET_LOGICAL_BSON: return physical == LX_PARQUET_BYTE_ARRAY;
    case LX_PARQUET_LOGICAL_UUID:
        return physical == LX_PARQUET_FIXED_LEN_BYTE_ARRAY && field->length == 16;
    case LX_PARQUET_LOGICAL_FLOAT16:
        return physical == LX_PARQUET_FIXED_LEN_BYTE_ARRAY && field->length == 2;
    case LX_PARQUET_LOGICAL_DATE: return physical == LX_PARQUET_INT32;
    case LX_PARQUET_LOGICAL_TIME:
        return physical ==
               (logical->unit == LX_PARQUET_MILLIS ? LX_PARQUET_INT32 : LX_PARQUET_INT64);
    case LX_PARQUET_LOGICAL_TIMESTAMP: return physical == LX_PARQUET_INT64;
    case LX_PARQUET_LOGICAL_INTEGER:
        if (logical->bits == 64)
            return physical == LX_PARQUET_INT64;
        return physical == LX_PARQUET_INT32 &&
               (logical->bits == 8 || logical->bits == 16 || logical->bits == 32);
    case LX_PARQUET_LOGICAL_DECIMAL:
        return (physical == LX_PARQUET_INT32 || physical == LX_PARQUET_INT64 ||
                physical == LX_PARQUET_FIXED_LEN_BYTE_ARRAY) &&
               logical->precision > 0 && logical->precision <= decimal_digits(field) &&
               logical->scale >= 0 && logical->scale <= logical->precision;
    case LX_PARQUET_LOGICAL_NULL: return field->repetition == LX_PARQUET_OPTIONAL;
    case LX_PARQUET_LOGICAL_LIST:
    case LX_PARQUET_LOGICAL_MAP:
    case LX_PARQUET_LOGICAL_OTHER:
    case LX_PARQUET_LOGICAL_KINDS: break;
    }
    return false;
}

static enum lx_status check_field(const struct lx_parquet_field *field, struct lx_err *err)
{
    if (field->name == NULL || field->name[0] == 0)
        return lx_err_set(err, LX_E_ARGUMENT, "a Parquet column has no name");
    if (!lx_utf8_is_valid(field->name, strlen(field->name)))
        return lx_err_set(err, LX_E_ARGUMENT, "the column name \"%s\" is not UTF-8", field->name);
    if (field->repetition > LX_PARQUET_REPEATED)
        return lx_err_set(err, LX_E_ARGUMENT, "column \"%s\" has a wrong repetition", field->name);
    if (field->children > 0) {
        if (field->logical.kind == LX_PARQUET_LOGICAL_NONE ||
            field->logical.kind == LX_PARQUET_LOGICAL_LIST ||
            field->logical.kind == LX_PARQUET_LOGICAL_MAP)
            return LX_OK;
        return lx_err_set(err, LX_E_ARGUMENT, "the group \"%s\" has a logical type for values",
                          field->name);
    }
    if (field->physical == LX_PARQUET_INT96 || field->physical > LX_PARQUET_FIXED_LEN_BYTE_ARRAY)
        return lx_err_set(err, LX_E_ARGUMENT, "column \"%s\": physical type %s is not written",
                          field->name, lx_parquet_physical_name(field->physical));
    if (field->physical == LX_PARQUET_FIXED_LEN_BYTE_ARRAY &&
        (field->length < 1 || field->length > LX_PARQUET_MAX_FIXED))
        return lx_err_set(err, LX_E_ARGUMENT, "column \"%s\": a length of %d bytes, not 1 to %d",
                          field->name, field->length, LX_PARQUET_MAX_FIXED);
    if (!logical_fits(field)) {
        char logical[64];
        lx_parquet_logical_text(&field->logical, logical, sizeof logical);
        return lx_err_set(err, LX_E_ARGUMENT, "column \"%s\": logical type %s does not fit %s",
                          field->name, logical, lx_parquet_physical_name(field->physical));
    }
    return LX_OK;
}

enum lx_status lx_parquet_schema_check(const struct lx_parquet_field *fields, size_t count,
                                       struct lx_err *err)
{
    struct lx_pq_arena arena = LX_PQ_ARENA(64 * 1024 * 1024);
    struct lx_parquet_schema schema;
    for (size_t i = 0; i < count; i++)
        LX_TRY(check_field(&fields[i], err));
    if (count == 0)
        return lx_err_set(err, LX_E_ARGUMENT, "a Parquet file needs at least one column");
    enum lx_status status = lx_pq_schema_leaves(&arena, fields, count, &schema, err);
    lx_pq_arena_free(&arena);
    if (status == LX_E_FORMAT)
        return lx_err_set(err, LX_E_ARGUMENT, "the groups of the schema do not add up");
    return status;
}

/* -- leaves -------------------------------------------------------------------------------- */

/* A group whose children are being walked. */
struct open_group {
    uint32_t left; /* children still to come */
    size_t path;   /* length of its path with the dot */
    uint8_t definition, repetition;
};

#define PATH_MAX_BYTES 8192

struct walk {
    struct open_group groups[LX_PARQUET_MAX_DEPTH + 1];
    size_t depth;
    char path[PATH_MAX_BYTES];
};

static enum lx_status walk_field(struct walk *walk, struct lx_pq_arena *arena,
                                 const struct lx_parquet_field *field, struct lx_parquet_leaf *leaf,
                                 struct lx_err *err)
{
    struct open_group *above = &walk->groups[walk->depth];
    size_t name = strlen(field->name), path = above->path + name;
    if (path + 2 > PATH_MAX_BYTES)
        return lx_err_set(err, LX_E_LIMIT, "the path of column \"%s\" is too long", field->name);
    memcpy(walk->path + above->path, field->name, name);
    uint8_t definition = above->definition, repetition = above->repetition;
    definition = (uint8_t)(definition + (field->repetition != LX_PARQUET_REQUIRED));
    repetition = (uint8_t)(repetition + (field->repetition == LX_PARQUET_REPEATED));
    above->left--;
    if (field->children == 0) {
        char *text = lx_pq_arena_text(arena, (struct lx_str){walk->path, path});
        if (text == NULL)
            return lx_err_set(err, LX_E_LIMIT, "the schema is too large");
        *leaf = (struct lx_parquet_leaf){text, field, definition, repetition};
        return LX_OK;
    }
    if (walk->depth == LX_PARQUET_MAX_DEPTH)
        return lx_err_set(err, LX_E_LIMIT, "groups are nested more than %d deep at \"%s\"",
                          LX_PARQUET_MAX_DEPTH, field->name);
    walk->path[path] = '.';
    walk->groups[++walk->depth] =
        (struct open_group){field->children, path + 1, definition, repetition};
    return LX_OK;
}

enum lx_status lx_pq_schema_leaves(struct lx_pq_arena *arena, const struct lx_parquet_field *fields,
                                   size_t count, struct lx_parquet_schema *schema,
                                   struct lx_err *err)
{
    size_t leaf_count = 0;
    for (size_t i = 0; i < count; i++)
        leaf_count += fields[i].children == 0;
    if (leaf_count > LX_PARQUET_MAX_LEAVES)
        return lx_err_set(err, LX_E_LIMIT, "%zu columns are more than %d", leaf_count,
                          LX_PARQUET_MAX_LEAVES);
    struct walk *walk = lx_calloc(1, sizeof *walk);
    struct lx_parquet_leaf *leaves = lx_pq_arena_alloc(arena, leaf_count, sizeof *leaves);
    enum lx_status status = LX_OK;
    size_t leaf = 0;
    if (walk == NULL || leaves == NULL) {
        status = lx_err_memory(err);
        goto out;
    }
    walk->groups[0].left = UINT32_MAX; /* the root: ends with the fields */
    for (size_t i = 0; i < count; i++) {
        while (walk->depth > 0 && walk->groups[walk->depth].left == 0)
            walk->depth--;
        LX_TRY_GOTO(walk_field(walk, arena, &fields[i], &leaves[leaf], err), out);
        leaf += fields[i].children == 0;
    }
    for (; walk->depth > 0; walk->depth--)
        if (walk->groups[walk->depth].left != 0)
            status = lx_err_set(err, LX_E_FORMAT, "the schema ends within a group");
    if (status == LX_OK)
        *schema = (struct lx_parquet_schema){fields, count, leaves, leaf_count};
out:
    lx_free(walk);
    return status;
}
