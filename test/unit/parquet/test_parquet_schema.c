/* What schemas may be: each refusal with its text, names, orders, old converted types. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "parquet/schema.h"

#include <stdio.h>
#include <string.h>

#define KIND(name) .logical = {.kind = LX_PARQUET_LOGICAL_##name}
#define KIND_OF(name, ...) .logical = {.kind = LX_PARQUET_LOGICAL_##name, __VA_ARGS__}
#define INT32 .physical = LX_PARQUET_INT32
#define INT64 .physical = LX_PARQUET_INT64
#define BYTES .physical = LX_PARQUET_BYTE_ARRAY
#define FIXED(n) .physical = LX_PARQUET_FIXED_LEN_BYTE_ARRAY, .length = (n)
#define OPTIONAL .repetition = LX_PARQUET_OPTIONAL

/* -- refusals ------------------------------------------------------------------------------ */

/* NULL: may be written. */
static void check_schema(const struct lx_parquet_field *fields, size_t count, const char *text)
{
    struct lx_err err = LX_ERR_INIT;
    enum lx_status status = lx_parquet_schema_check(fields, count, &err);
    if (status != (text == NULL ? LX_OK : LX_E_ARGUMENT) ||
        (text != NULL && strcmp(err.text, text) != 0))
        fail_msg("%s: %s: %s, not %s", count != 0 && fields[0].name ? fields[0].name : "",
                 lx_status_name(status), err.text, text != NULL ? text : "fine");
}

static void test_fields(void **state)
{
    (void)state;
    static const struct {
        struct lx_parquet_field field;
        const char *text;
    } cases[] = {
        {{.name = NULL, INT32}, "a Parquet column has no name"},
        {{.name = "", INT32}, "a Parquet column has no name"},
        {{.name = "a\xff", INT32}, "the column name \"a?\" is not UTF-8"},
        {{.name = "a", INT32, .repetition = (enum lx_parquet_repetition)3},
         "column \"a\" has a wrong repetition"},
        {{.name = "a", .physical = LX_PARQUET_INT96},
         "column \"a\": physical type INT96 is not written"},
        {{.name = "a", .physical = (enum lx_parquet_physical)8},
         "column \"a\": physical type ? is not written"},
        {{.name = "a", FIXED(0)}, "column \"a\": a length of 0 bytes, not 1 to 4096"},
        {{.name = "a", FIXED(-1)}, "column \"a\": a length of -1 bytes, not 1 to 4096"},
        {{.name = "a", FIXED(4097)}, "column \"a\": a length of 4097 bytes, not 1 to 4096"},
        {{.name = "a", FIXED(1)}, NULL},
        {{.name = "a", FIXED(4096)}, NULL},
        {{.name = "\xc3\xa4", BYTES}, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_schema(&cases[i].field, 1, cases[i].text);
    check_schema(NULL, 0, "a Parquet file needs at least one column");
}

static void test_logical_fits(void **state)
{
    (void)state;
    static const struct lx_parquet_field fine[] = {
        {.name = "string", BYTES, KIND(STRING)},
        {.name = "enum", BYTES, KIND(ENUM)},
        {.name = "json", BYTES, KIND(JSON)},
        {.name = "bson", BYTES, KIND(BSON)},
        {.name = "uuid", FIXED(16), KIND(UUID)},
        {.name = "half", FIXED(2), KIND(FLOAT16)},
        {.name = "date", INT32, KIND(DATE)},
        {.name = "time", INT32, KIND_OF(TIME, .unit = LX_PARQUET_MILLIS)},
        {.name = "time", INT64, KIND_OF(TIME, .unit = LX_PARQUET_MICROS)},
        {.name = "time", INT64, KIND_OF(TIME, .unit = LX_PARQUET_NANOS)},
        {.name = "timestamp", INT64, KIND_OF(TIMESTAMP, .unit = LX_PARQUET_MILLIS)},
        {.name = "int8", INT32, KIND_OF(INTEGER, .bits = 8)},
        {.name = "int16", INT32, KIND_OF(INTEGER, .bits = 16)},
        {.name = "int32", INT32, KIND_OF(INTEGER, .bits = 32)},
        {.name = "int64", INT64, KIND_OF(INTEGER, .bits = 64)},
        {.name = "decimal", INT32, KIND_OF(DECIMAL, .precision = 9, .scale = 9)},
        {.name = "decimal", INT64, KIND_OF(DECIMAL, .precision = 18)},
        {.name = "decimal", FIXED(16), KIND_OF(DECIMAL, .precision = 38, .scale = 10)},
        {.name = "decimal", FIXED(1), KIND_OF(DECIMAL, .precision = 2)},
        {.name = "null", INT32, OPTIONAL, KIND(NULL)},
    };
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++)
        check_schema(&fine[i], 1, NULL);
}

static void test_logical_misfits(void **state)
{
    (void)state;
    static const struct {
        struct lx_parquet_field field;
        const char *what;
    } cases[] = {
        {{.name = "a", INT32, KIND(STRING)}, "STRING does not fit INT32"},
        {{.name = "a", FIXED(4), KIND(ENUM)}, "ENUM does not fit FIXED_LEN_BYTE_ARRAY"},
        {{.name = "a", .physical = LX_PARQUET_BOOLEAN, KIND(JSON)}, "JSON does not fit BOOLEAN"},
        {{.name = "a", .physical = LX_PARQUET_FLOAT, KIND(BSON)}, "BSON does not fit FLOAT"},
        {{.name = "a", BYTES, KIND(UUID)}, "UUID does not fit BYTE_ARRAY"},
        {{.name = "a", FIXED(15), KIND(UUID)}, "UUID does not fit FIXED_LEN_BYTE_ARRAY"},
        {{.name = "a", INT32, KIND(FLOAT16)}, "FLOAT16 does not fit INT32"},
        {{.name = "a", FIXED(3), KIND(FLOAT16)}, "FLOAT16 does not fit FIXED_LEN_BYTE_ARRAY"},
        {{.name = "a", INT64, KIND(DATE)}, "DATE does not fit INT64"},
        {{.name = "a", INT64, KIND(TIME)}, "TIME(MILLIS) does not fit INT64"},
        {{.name = "a", INT32, KIND_OF(TIME, .unit = LX_PARQUET_MICROS, .utc = true)},
         "TIME(MICROS,UTC) does not fit INT32"},
        {{.name = "a", INT32, KIND_OF(TIMESTAMP, .unit = LX_PARQUET_NANOS)},
         "TIMESTAMP(NANOS) does not fit INT32"},
        {{.name = "a", INT32, KIND_OF(INTEGER, .bits = 64)}, "INT(64,unsigned) does not fit INT32"},
        {{.name = "a", INT32, KIND_OF(INTEGER, .bits = 24, .is_signed = true)},
         "INT(24,signed) does not fit INT32"},
        {{.name = "a", INT64, KIND_OF(INTEGER, .bits = 32)}, "INT(32,unsigned) does not fit INT64"},
        {{.name = "a", BYTES, KIND_OF(DECIMAL, .precision = 5)},
         "DECIMAL(5,0) does not fit BYTE_ARRAY"},
        {{.name = "a", INT32, KIND_OF(DECIMAL, .precision = 0)}, "DECIMAL(0,0) does not fit INT32"},
        {{.name = "a", INT32, KIND_OF(DECIMAL, .precision = 10)},
         "DECIMAL(10,0) does not fit INT32"},
        {{.name = "a", INT64, KIND_OF(DECIMAL, .precision = 19)},
         "DECIMAL(19,0) does not fit INT64"},
        {{.name = "a", INT64, KIND_OF(DECIMAL, .precision = 5, .scale = -1)},
         "DECIMAL(5,-1) does not fit INT64"},
        {{.name = "a", INT64, KIND_OF(DECIMAL, .precision = 5, .scale = 6)},
         "DECIMAL(5,6) does not fit INT64"},
        {{.name = "a", INT32, KIND(NULL)}, "NULL does not fit INT32"},
        {{.name = "a", INT32, KIND(LIST)}, "LIST does not fit INT32"},
        {{.name = "a", INT32, KIND(MAP)}, "MAP does not fit INT32"},
        {{.name = "a", INT32, KIND(OTHER)}, "OTHER does not fit INT32"},
        {{.name = "a", INT32, KIND(KINDS)}, " does not fit INT32"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[128];
        snprintf(text, sizeof text, "column \"a\": logical type %s", cases[i].what);
        check_schema(&cases[i].field, 1, text);
    }
}

static void test_groups(void **state)
{
    (void)state;
    const struct lx_parquet_field typed[] = {{.name = "g", .children = 1, KIND(STRING)},
                                             {.name = "a", INT32}};
    const struct lx_parquet_field cut[] = {{.name = "g", .children = 2}, {.name = "a", INT32}};
    const struct lx_parquet_field within[] = {
        {.name = "g", .children = 1}, {.name = "h", .children = 2}, {.name = "a", INT32}};
    check_schema(typed, 2, "the group \"g\" has a logical type for values");
    check_schema(cut, 2, "the groups of the schema do not add up");
    check_schema(within, 3, "the groups of the schema do not add up");
    const struct lx_parquet_field map[] = {
        {.name = "m", OPTIONAL, .children = 1, KIND(MAP)},
        {.name = "kv", .repetition = LX_PARQUET_REPEATED, .children = 2},
        {.name = "key", BYTES},
        {.name = "value", OPTIONAL, INT32},
        {.name = "after", INT64}};
    check_schema(map, 5, NULL);
    struct lx_pq_arena arena = LX_PQ_ARENA(1 << 20);
    struct lx_parquet_schema schema;
    assert_int_equal(lx_pq_schema_leaves(&arena, map, 5, &schema, NULL), LX_OK);
    assert_int_equal(schema.leaf_count, 3);
    static const struct {
        const char *path;
        uint8_t definition, repetition;
    } leaves[] = {{"m.kv.key", 2, 1}, {"m.kv.value", 3, 1}, {"after", 0, 0}};
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(schema.leaves[i].path, leaves[i].path);
        assert_int_equal(schema.leaves[i].max_definition, leaves[i].definition);
        assert_int_equal(schema.leaves[i].max_repetition, leaves[i].repetition);
    }
    lx_pq_arena_free(&arena);
}

/* -- limits -------------------------------------------------------------------------------- */

static void check_limit(const struct lx_parquet_field *fields, size_t count, const char *text)
{
    struct lx_err err = LX_ERR_INIT;
    enum lx_status status = lx_parquet_schema_check(fields, count, &err);
    assert_int_equal(status, text != NULL ? LX_E_LIMIT : LX_OK);
    if (text != NULL && strncmp(err.text, text, strlen(text)) != 0)
        fail_msg("\"%s\" does not start with \"%s\"", err.text, text);
}

static void test_depth(void **state)
{
    (void)state;
    struct lx_parquet_field fields[LX_PARQUET_MAX_DEPTH + 2];
    for (size_t i = 0; i < LX_PARQUET_MAX_DEPTH + 2; i++)
        fields[i] = (struct lx_parquet_field){.name = "g", .children = 1};
    fields[LX_PARQUET_MAX_DEPTH] = (struct lx_parquet_field){.name = "leaf", INT32};
    check_limit(fields, LX_PARQUET_MAX_DEPTH + 1, NULL);
    fields[LX_PARQUET_MAX_DEPTH] = (struct lx_parquet_field){.name = "deep", .children = 1};
    fields[LX_PARQUET_MAX_DEPTH + 1] = (struct lx_parquet_field){.name = "leaf", INT32};
    check_limit(fields, LX_PARQUET_MAX_DEPTH + 2,
                "groups are nested more than 32 deep at \"deep\"");
}

static void test_sizes(void **state)
{
    (void)state;
    static struct lx_parquet_field fields[LX_PARQUET_MAX_LEAVES + 1];
    static char name[8192], longest[8191];
    for (size_t i = 0; i < LX_PARQUET_MAX_LEAVES + 1; i++)
        fields[i] = (struct lx_parquet_field){.name = "a", INT32};
    check_limit(fields, LX_PARQUET_MAX_LEAVES, NULL);
    check_limit(fields, LX_PARQUET_MAX_LEAVES + 1, "4097 columns are more than 4096");
    memset(name, 'n', sizeof name - 1);
    memset(longest, 'n', sizeof longest - 1);
    fields[0].name = longest;
    check_limit(fields, 1, NULL);
    fields[0].name = name;
    check_limit(fields, 1, "the path of column \"nnn");
    struct lx_pq_arena small = LX_PQ_ARENA(sizeof(struct lx_parquet_leaf) + 64);
    struct lx_parquet_schema schema;
    struct lx_err err = LX_ERR_INIT;
    fields[0].name = longest;
    assert_int_equal(lx_pq_schema_leaves(&small, fields, 1, &schema, &err), LX_E_LIMIT);
    assert_string_equal(err.text, "the schema is too large");
    lx_pq_arena_free(&small);
}

static void test_arena(void **state)
{
    (void)state;
    struct lx_pq_arena arena = LX_PQ_ARENA(100);
    assert_null(lx_pq_arena_alloc(&arena, SIZE_MAX, 2));
    assert_null(lx_pq_arena_alloc(&arena, SIZE_MAX, 1));
    assert_null(lx_pq_arena_alloc(&arena, 101, 1));
    assert_false(arena.starved);
    assert_non_null(lx_pq_arena_alloc(&arena, 0, 8));
    assert_string_equal(lx_pq_arena_text(&arena, LX_STR("abc")), "abc");
    assert_string_equal(lx_pq_arena_text(&arena, (struct lx_str){NULL, 0}), "");
    assert_null(lx_pq_arena_text(&arena, (struct lx_str){"", SIZE_MAX}));
    assert_null(lx_pq_arena_alloc(&arena, 100, 1));
    lx_pq_arena_free(&arena);
    assert_int_equal(arena.used, 0);
}

/* -- meaning ------------------------------------------------------------------------------- */

static void test_names(void **state)
{
    (void)state;
    static const char *const physical[] = {
        "BOOLEAN", "INT32",  "INT64",      "INT96",
        "FLOAT",   "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY",
        "?"};
    static const char *const codecs[] = {"?",      "UNCOMPRESSED", "SNAPPY", "GZIP",    "LZO",
                                         "BROTLI", "LZ4",          "ZSTD",   "LZ4_RAW", "?"};
    static const char *const repetitions[] = {"REQUIRED", "OPTIONAL", "REPEATED", "?"};
    for (unsigned i = 0; i < 9; i++)
        assert_string_equal(lx_parquet_physical_name((enum lx_parquet_physical)i), physical[i]);
    for (unsigned i = 0; i < 10; i++)
        assert_string_equal(lx_parquet_codec_name((enum lx_parquet_codec)i), codecs[i]);
    for (unsigned i = 0; i < 4; i++)
        assert_string_equal(lx_parquet_repetition_name((enum lx_parquet_repetition)i),
                            repetitions[i]);
    assert_string_equal(lx_parquet_encoding_name(LX_PARQUET_BYTE_STREAM_SPLIT),
                        "BYTE_STREAM_SPLIT");
    assert_string_equal(lx_parquet_encoding_name((enum lx_parquet_encoding)11), "?");
    char text[8];
    const struct lx_parquet_logical unknown = {.kind = (enum lx_parquet_logical_kind)99};
    lx_parquet_logical_text(&unknown, text, sizeof text);
    assert_string_equal(text, "");
    const struct lx_parquet_logical cut = {.kind = LX_PARQUET_LOGICAL_TIMESTAMP, .utc = true};
    lx_parquet_logical_text(&cut, text, sizeof text);
    assert_string_equal(text, "TIMESTA");
}

static void test_order_and_width(void **state)
{
    (void)state;
    static const struct {
        struct lx_parquet_field field;
        enum lx_pq_order order;
        uint32_t width;
        bool bloom;
    } cases[] = {
        {{.physical = LX_PARQUET_BOOLEAN}, LX_PQ_ORDER_BOOL, 1, false},
        {{INT32}, LX_PQ_ORDER_I32, 4, true},
        {{INT32, KIND_OF(INTEGER, .bits = 16, .is_signed = true)}, LX_PQ_ORDER_I32, 4, true},
        {{INT32, KIND_OF(INTEGER, .bits = 32)}, LX_PQ_ORDER_U32, 4, true},
        {{INT64}, LX_PQ_ORDER_I64, 8, true},
        {{INT64, KIND_OF(INTEGER, .bits = 64)}, LX_PQ_ORDER_U64, 8, true},
        {{.physical = LX_PARQUET_FLOAT}, LX_PQ_ORDER_FLOAT, 4, false},
        {{.physical = LX_PARQUET_DOUBLE}, LX_PQ_ORDER_DOUBLE, 8, false},
        {{BYTES}, LX_PQ_ORDER_BYTES, 0, false},
        {{BYTES, KIND(STRING)}, LX_PQ_ORDER_BYTES, 0, true},
        {{BYTES, KIND(ENUM)}, LX_PQ_ORDER_BYTES, 0, true},
        {{BYTES, KIND(JSON)}, LX_PQ_ORDER_BYTES, 0, true},
        {{BYTES, KIND(BSON)}, LX_PQ_ORDER_BYTES, 0, false},
        {{BYTES, KIND_OF(DECIMAL, .precision = 5)}, LX_PQ_ORDER_NONE, 0, false},
        {{FIXED(7)}, LX_PQ_ORDER_BYTES, 7, false},
        {{FIXED(7), KIND_OF(DECIMAL, .precision = 5)}, LX_PQ_ORDER_DECIMAL, 7, true},
        {{FIXED(16), KIND(UUID)}, LX_PQ_ORDER_NONE, 16, true},
        {{FIXED(2), KIND(FLOAT16)}, LX_PQ_ORDER_NONE, 2, false},
        {{INT32, KIND(NULL)}, LX_PQ_ORDER_NONE, 4, true},
        {{INT32, KIND(OTHER)}, LX_PQ_ORDER_NONE, 4, true},
        {{.physical = LX_PARQUET_INT96}, LX_PQ_ORDER_NONE, 12, false},
        {{.physical = (enum lx_parquet_physical)8}, LX_PQ_ORDER_NONE, 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(lx_pq_order_of(&cases[i].field), cases[i].order);
        assert_int_equal(lx_pq_width_of(&cases[i].field), cases[i].width);
        assert_int_equal(lx_pq_bloom_fits(&cases[i].field), cases[i].bloom);
    }
}

static int sign_of(enum lx_pq_order order, const void *a, const void *b, size_t size)
{
    int sign = lx_pq_compare(order, (struct lx_str){a, size}, (struct lx_str){b, size});
    return (sign > 0) - (sign < 0);
}

static void test_compare(void **state)
{
    (void)state;
    const int32_t minus = -1, one = 1;
    const int64_t minus_long = -1, one_long = 1;
    assert_int_equal(sign_of(LX_PQ_ORDER_I32, &minus, &one, 4), -1);
    assert_int_equal(sign_of(LX_PQ_ORDER_U32, &minus, &one, 4), 1);
    assert_int_equal(sign_of(LX_PQ_ORDER_I64, &minus_long, &one_long, 8), -1);
    assert_int_equal(sign_of(LX_PQ_ORDER_U64, &minus_long, &one_long, 8), 1);
    assert_int_equal(sign_of(LX_PQ_ORDER_DECIMAL, "\xff\xff", "\0\1", 2), -1);
    assert_int_equal(sign_of(LX_PQ_ORDER_DECIMAL, "\0\2", "\0\1", 2), 1);
    assert_int_equal(sign_of(LX_PQ_ORDER_BYTES, "\xff", "\1", 1), 1);
    assert_int_equal(sign_of(LX_PQ_ORDER_NONE, "\xff", "\1", 1), 0);
    assert_true(lx_pq_compare(LX_PQ_ORDER_BYTES, LX_STR("ab"), LX_STR("abc")) < 0);
    assert_true(lx_pq_compare(LX_PQ_ORDER_BYTES, LX_STR(""), LX_STR("")) == 0);
}

/* -- converted types ----------------------------------------------------------------------- */

/* Each converted type and the logical one that it stands for. */
static void test_converted(void **state)
{
    (void)state;
    static const struct {
        int converted;
        struct lx_parquet_field field;
    } cases[] = {
        {0, {BYTES, KIND_OF(STRING, .utc = true)}},
        {1, {KIND_OF(MAP, .utc = true)}},
        {3, {KIND_OF(LIST, .utc = true)}},
        {4, {BYTES, KIND_OF(ENUM, .utc = true)}},
        {5, {INT32, KIND_OF(DECIMAL, .utc = true, .precision = 7, .scale = 2)}},
        {6, {INT32, KIND_OF(DATE, .utc = true)}},
        {7, {INT32, KIND_OF(TIME, .utc = true, .unit = LX_PARQUET_MILLIS)}},
        {8, {INT64, KIND_OF(TIME, .utc = true, .unit = LX_PARQUET_MICROS)}},
        {9, {INT64, KIND_OF(TIMESTAMP, .utc = true, .unit = LX_PARQUET_MILLIS)}},
        {10, {INT64, KIND_OF(TIMESTAMP, .utc = true, .unit = LX_PARQUET_MICROS)}},
        {11, {INT32, KIND_OF(INTEGER, .utc = true, .bits = 8)}},
        {12, {INT32, KIND_OF(INTEGER, .utc = true, .bits = 16)}},
        {13, {INT32, KIND_OF(INTEGER, .utc = true, .bits = 32)}},
        {14, {INT64, KIND_OF(INTEGER, .utc = true, .bits = 64)}},
        {15, {INT32, KIND_OF(INTEGER, .utc = true, .bits = 8, .is_signed = true)}},
        {16, {INT32, KIND_OF(INTEGER, .utc = true, .bits = 16, .is_signed = true)}},
        {17, {INT32, KIND_OF(INTEGER, .utc = true, .bits = 32, .is_signed = true)}},
        {18, {INT64, KIND_OF(INTEGER, .utc = true, .bits = 64, .is_signed = true)}},
        {19, {BYTES, KIND_OF(JSON, .utc = true)}},
        {20, {BYTES, KIND_OF(BSON, .utc = true)}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct lx_parquet_field *field = &cases[i].field;
        struct lx_parquet_logical got;
        assert_int_equal(lx_pq_converted_type(field), cases[i].converted);
        lx_pq_logical_of_converted(cases[i].converted, 7, 2, field->physical, &got);
        assert_int_equal(got.kind, field->logical.kind);
        assert_int_equal(got.unit, field->logical.unit);
        assert_int_equal(got.bits, field->logical.bits);
        assert_int_equal(got.is_signed, field->logical.is_signed);
        assert_int_equal(got.precision, field->logical.precision);
        assert_int_equal(got.scale, field->logical.scale);
        assert_true(got.utc);
    }
}

static void test_not_converted(void **state)
{
    (void)state;
    static const struct lx_parquet_field without[] = {
        {INT32},
        {INT32, KIND_OF(TIME, .unit = LX_PARQUET_MILLIS)},
        {INT64, KIND_OF(TIME, .unit = LX_PARQUET_NANOS, .utc = true)},
        {INT64, KIND_OF(TIMESTAMP, .unit = LX_PARQUET_MICROS)},
        {INT64, KIND_OF(TIMESTAMP, .unit = LX_PARQUET_NANOS, .utc = true)},
        {FIXED(16), KIND(UUID)},
        {FIXED(2), KIND(FLOAT16)},
        {INT32, KIND(NULL)},
        {INT32, KIND(OTHER)},
        {INT32, KIND(KINDS)},
        {INT32, .logical = {.kind = (enum lx_parquet_logical_kind)99}},
    };
    for (size_t i = 0; i < sizeof without / sizeof without[0]; i++)
        assert_int_equal(lx_pq_converted_type(&without[i]), -1);
    struct lx_parquet_logical logical;
    const int unknown[] = {-1, 21, 22, 1000};
    for (size_t i = 0; i < 4; i++) {
        lx_pq_logical_of_converted(unknown[i], 0, 0, LX_PARQUET_INT32, &logical);
        assert_int_equal(logical.kind, LX_PARQUET_LOGICAL_OTHER);
    }
    lx_pq_logical_of_converted(2, 0, 0, LX_PARQUET_INT32, &logical); /* MAP_KEY_VALUE */
    assert_int_equal(logical.kind, LX_PARQUET_LOGICAL_MAP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),          cmocka_unit_test(test_logical_fits),
        cmocka_unit_test(test_logical_misfits), cmocka_unit_test(test_groups),
        cmocka_unit_test(test_depth),           cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_arena),           cmocka_unit_test(test_names),
        cmocka_unit_test(test_order_and_width), cmocka_unit_test(test_compare),
        cmocka_unit_test(test_converted),       cmocka_unit_test(test_not_converted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
