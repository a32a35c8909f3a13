#include "ch_test.h"

static const struct {
    const char *text;
    enum lx_ch_kind kind;
    uint32_t width, precision, scale;
    bool nullable, low_cardinality;
    const char *zone;
    enum lx_ch_carry carry;
} good[] = {
    {"Int8", LX_CH_INT8, 1, 0, 0, 0, 0, NULL, LX_CH_CARRY_VALUE},
    {"UInt256", LX_CH_UINT256, 32, 0, 0, 0, 0, NULL, LX_CH_CARRY_VALUE},
    {"Float64", LX_CH_FLOAT64, 8, 0, 0, 0, 0, NULL, LX_CH_CARRY_VALUE},
    {"Bool", LX_CH_BOOL, 1, 0, 0, 0, 0, NULL, LX_CH_CARRY_VALUE},
    {"String", LX_CH_STRING, 0, 0, 0, 0, 0, NULL, LX_CH_CARRY_VALUE},
    {"FixedString(16)", LX_CH_FIXED_STRING, 16, 16, 0, 0, 0, NULL, LX_CH_CARRY_VALUE},
    {"FixedString(5000)", LX_CH_FIXED_STRING, 0, 5000, 0, 0, 0, NULL, LX_CH_CARRY_VALUE},
    {"UUID", LX_CH_UUID, 16, 0, 0, 0, 0, NULL, LX_CH_CARRY_VALUE},
    {"IPv4", LX_CH_IPV4, 4, 0, 0, 0, 0, NULL, LX_CH_CARRY_VALUE},
    {"IPv6", LX_CH_IPV6, 16, 0, 0, 0, 0, NULL, LX_CH_CARRY_VALUE},
    {"Date", LX_CH_DATE, 2, 0, 0, 0, 0, NULL, LX_CH_CARRY_VALUE},
    {"Date32", LX_CH_DATE32, 4, 0, 0, 0, 0, NULL, LX_CH_CARRY_VALUE},
    {"DateTime", LX_CH_DATETIME, 4, 0, 0, 0, 0, NULL, LX_CH_CARRY_VALUE},
    {"DateTime('UTC')", LX_CH_DATETIME, 4, 0, 0, 0, 0, "UTC", LX_CH_CARRY_VALUE},
    {"DateTime64(3)", LX_CH_DATETIME64, 8, 3, 0, 0, 0, NULL, LX_CH_CARRY_VALUE},
    {"DateTime64(3, 'America/New_York')", LX_CH_DATETIME64, 8, 3, 0, 0, 0, "America/New_York",
     LX_CH_CARRY_VALUE},
    {"Decimal(9, 2)", LX_CH_DECIMAL, 4, 9, 2, 0, 0, NULL, LX_CH_CARRY_VALUE},
    {"Decimal(10, 0)", LX_CH_DECIMAL, 8, 10, 0, 0, 0, NULL, LX_CH_CARRY_VALUE},
    {"Decimal(38, 38)", LX_CH_DECIMAL, 16, 38, 38, 0, 0, NULL, LX_CH_CARRY_VALUE},
    {"Decimal(76, 3)", LX_CH_DECIMAL, 32, 76, 3, 0, 0, NULL, LX_CH_CARRY_VALUE},
    {"Decimal64(4)", LX_CH_DECIMAL, 8, 18, 4, 0, 0, NULL, LX_CH_CARRY_VALUE},
    {"Nothing", LX_CH_NOTHING, 1, 0, 0, 0, 0, NULL, LX_CH_CARRY_NOT},
    {"Nullable(String)", LX_CH_STRING, 0, 0, 0, 1, 0, NULL, LX_CH_CARRY_VALUE},
    {"Nullable(DateTime64(9, 'UTC'))", LX_CH_DATETIME64, 8, 9, 0, 1, 0, "UTC", LX_CH_CARRY_VALUE},
    {"LowCardinality(String)", LX_CH_STRING, 0, 0, 0, 0, 1, NULL, LX_CH_CARRY_VALUE},
    {"LowCardinality(Nullable(FixedString(3)))", LX_CH_FIXED_STRING, 3, 3, 0, 1, 1, NULL,
     LX_CH_CARRY_VALUE},
    {"SimpleAggregateFunction(sum, UInt64)", LX_CH_UINT64, 8, 0, 0, 0, 0, NULL, LX_CH_CARRY_VALUE},
    {"SimpleAggregateFunction(anyLast, Nullable(String))", LX_CH_STRING, 0, 0, 0, 1, 0, NULL,
     LX_CH_CARRY_VALUE},
    {"SimpleAggregateFunction(groupArrayArray(10), Array(String))", LX_CH_ARRAY, 0, 0, 0, 0, 0,
     NULL, LX_CH_CARRY_JSON},
    {"Array(Array(Nullable(UInt8)))", LX_CH_ARRAY, 0, 0, 0, 0, 0, NULL, LX_CH_CARRY_JSON},
    {"Map(LowCardinality(String), Array(UInt64))", LX_CH_MAP, 0, 0, 0, 0, 0, NULL,
     LX_CH_CARRY_JSON},
    {"Tuple(UInt8, String)", LX_CH_TUPLE, 0, 0, 0, 0, 0, NULL, LX_CH_CARRY_JSON},
    {"Tuple(\n    a UInt8,\n    `b c)` Tuple(x String))", LX_CH_TUPLE, 0, 0, 0, 0, 0, NULL,
     LX_CH_CARRY_JSON},
    {"Tuple()", LX_CH_TUPLE, 0, 0, 0, 0, 0, NULL, LX_CH_CARRY_JSON},
    {"Nullable(Tuple(a UInt8))", LX_CH_TUPLE, 0, 0, 0, 1, 0, NULL, LX_CH_CARRY_JSON},
    {"Nested(String String, x UInt8)", LX_CH_NESTED, 0, 0, 0, 0, 0, NULL, LX_CH_CARRY_JSON},
    {"JSON", LX_CH_JSON, 0, 0, 0, 0, 0, NULL, LX_CH_CARRY_JSON},
    {"JSON(max_dynamic_types=8, a.b UInt32, SKIP x, SKIP REGEXP 'a(.*')", LX_CH_JSON, 0, 0, 0, 0, 0,
     NULL, LX_CH_CARRY_JSON},
    {"Object('json')", LX_CH_OBJECT, 0, 0, 0, 0, 0, NULL, LX_CH_CARRY_JSON},
    {"Variant(String, UInt64)", LX_CH_VARIANT, 0, 0, 0, 0, 0, NULL, LX_CH_CARRY_JSON},
    {"Dynamic(max_types=3)", LX_CH_DYNAMIC, 0, 0, 0, 0, 0, NULL, LX_CH_CARRY_JSON},
    {"AggregateFunction(1, quantiles(0.5, 0.9), UInt64)", LX_CH_AGGREGATE, 0, 0, 0, 0, 0, NULL,
     LX_CH_CARRY_NOT},
    {"Array(Tuple(a AggregateFunction(sum, UInt64)))", LX_CH_ARRAY, 0, 0, 0, 0, 0, NULL,
     LX_CH_CARRY_NOT},
    {"IntervalDay", LX_CH_INTERVAL, 8, 0, 0, 0, 0, NULL, LX_CH_CARRY_JSON},
    {"Point", LX_CH_GEO, 0, 0, 0, 0, 0, NULL, LX_CH_CARRY_JSON},
    {"Time", LX_CH_OTHER, 4, 0, 0, 0, 0, NULL, LX_CH_CARRY_JSON},
    {"Time64(6)", LX_CH_OTHER, 8, 0, 0, 0, 0, NULL, LX_CH_CARRY_JSON},
    {"BFloat16", LX_CH_OTHER, 2, 0, 0, 0, 0, NULL, LX_CH_CARRY_JSON},
    {"QBit(Float32, 16)", LX_CH_OTHER, 0, 0, 0, 0, 0, NULL, LX_CH_CARRY_JSON},
    {"SomethingNew('a(', x(1))", LX_CH_OTHER, 0, 0, 0, 0, 0, NULL, LX_CH_CARRY_JSON},
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct lx_ch_type type = {0};
        struct lx_err err = LX_ERR_INIT;
        print_message("%s\n", good[i].text);
        assert_status(lx_ch_type_parse(lx_str_of(good[i].text), &type, &err), LX_OK, &err);
        assert_string_equal(type.text, good[i].text);
        assert_int_equal(type.kind, good[i].kind);
        assert_int_equal(type.width, good[i].width);
        assert_int_equal(type.precision, good[i].precision);
        assert_int_equal(type.scale, good[i].scale);
        assert_int_equal(type.nullable, good[i].nullable);
        assert_int_equal(type.low_cardinality, good[i].low_cardinality);
        assert_int_equal(lx_ch_type_carry(&type), good[i].carry);
        assert_int_equal(lx_ch_type_hashable(&type), good[i].carry == LX_CH_CARRY_VALUE);
        if (good[i].zone != NULL)
            assert_string_equal(type.zone, good[i].zone);
        else
            assert_null(type.zone);
        lx_ch_type_free(&type);
        assert_null(type.text);
    }
}

static const char *const bad[] = {
    "",
    " ",
    "(",
    "Array",
    "Array()",
    "Array(UInt8",
    "Array(UInt8))",
    "Array(UInt8, UInt8)",
    "Map(String)",
    "Map(String, UInt8, UInt8)",
    "Nullable",
    "Nullable()",
    "Nullable(Nullable(String))",
    "Nullable(LowCardinality(String))",
    "LowCardinality(LowCardinality(String))",
    "FixedString",
    "FixedString(0)",
    "FixedString(-1)",
    "FixedString(99999999999999999999)",
    "FixedString(16777216)",
    "Decimal(0, 0)",
    "Decimal(77, 0)",
    "Decimal(10, 11)",
    "Decimal(10)",
    "DateTime64",
    "DateTime64(10)",
    "DateTime64(3, UTC)",
    "DateTime('UTC)",
    "Enum8",
    "Enum8()",
    "Enum8('a')",
    "Enum8('a' = 128)",
    "Enum8('a' = -129)",
    "Enum16('a' = 32768)",
    "Enum8('a' = 1, 'b' = 1)",
    "Enum8('a = 1)",
    "Enum8('a\\",
    "Tuple('a' UInt8)",
    "Tuple(a)b",
    "String String",
    "Int32(5)x",
    "SimpleAggregateFunction(sum)",
    "SomethingNew('a(', x(1)",
    "1UInt8",
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct lx_ch_type type = {.kind = LX_CH_GEO};
        struct lx_err err = LX_ERR_INIT;
        print_message("%s\n", bad[i]);
        assert_status(lx_ch_type_parse(lx_str_of(bad[i]), &type, &err), LX_E_FORMAT, &err);
        assert_int_equal(type.kind, LX_CH_GEO); /* untouched */
        assert_non_null(strstr(err.text, "type"));
    }
    /* A zero byte would cut the type's text. */
    struct lx_ch_type type = {0};
    struct lx_err err = LX_ERR_INIT;
    static const char zero[] = "Enum8('a\0b' = 1)";
    assert_status(lx_ch_type_parse((struct lx_str){zero, sizeof zero - 1}, &type, &err),
                  LX_E_FORMAT, &err);
}

static void test_enum(void **state)
{
    (void)state;
    struct lx_ch_type type = {0};
    struct lx_err err = LX_ERR_INIT;
    const char *text = "Enum8('b' = 5, 'it\\'s' = -128, 'x, ''y'') = 1' = 0, 'tab\\t\\\\' = 127)";
    assert_status(lx_ch_type_parse(lx_str_of(text), &type, &err), LX_OK, &err);
    assert_int_equal(type.enum_count, 4);
    static const struct {
        int32_t value;
        const char *name;
    } names[] = {{-128, "it's"}, {0, "x, 'y') = 1"}, {5, "b"}, {127, "tab\t\\"}};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(type.enums[i].value, names[i].value);
        const struct lx_ch_enum *found = lx_ch_enum_name(&type, names[i].value);
        assert_non_null(found);
        assert_string_equal(found->name, names[i].name);
        assert_int_equal(found->name_len, strlen(names[i].name));
    }
    assert_null(lx_ch_enum_name(&type, 1));
    assert_null(lx_ch_enum_name(&type, 128));
    lx_ch_type_free(&type);
}

static void test_children(void **state)
{
    (void)state;
    struct lx_ch_type type = {0};
    struct lx_err err = LX_ERR_INIT;
    const char *text = "Tuple(id UInt64, `odd, name` Map(String, Array(Nullable(Date))), Bool)";
    assert_status(lx_ch_type_parse(lx_str_of(text), &type, &err), LX_OK, &err);
    assert_int_equal(type.child_count, 3);
    assert_int_equal(type.children[0].kind, LX_CH_UINT64);
    assert_int_equal(type.children[1].kind, LX_CH_MAP);
    assert_string_equal(type.children[1].text, "Map(String, Array(Nullable(Date)))");
    assert_int_equal(type.children[1].child_count, 2);
    assert_true(type.children[1].children[1].children[0].nullable);
    assert_int_equal(type.children[2].kind, LX_CH_BOOL);
    lx_ch_type_free(&type);
}

/* Depth, length and counts end with an error, not with the stack. */
static void test_limits(void **state)
{
    (void)state;
    struct lx_ch_type type = {0};
    struct lx_err err = LX_ERR_INIT;
    struct lx_buf text = LX_BUF(4 * LX_MIB);
    for (unsigned i = 0; i < 100000; i++)
        put(&text, "Array(", 6);
    assert_status(lx_ch_type_parse(lx_buf_view(&text), &type, &err), LX_E_FORMAT, &err);
    lx_buf_clear(&text);
    for (unsigned i = 0; i < 100000; i++)
        put(&text, "JSON(", 5);
    assert_status(lx_ch_type_parse(lx_buf_view(&text), &type, &err), LX_E_FORMAT, &err);
    lx_buf_clear(&text);
    put(&text, "Tuple(", 6);
    for (unsigned i = 0; i < 66000; i++)
        put(&text, "Int8,", 5);
    put(&text, "Int8)", 5);
    assert_status(lx_ch_type_parse(lx_buf_view(&text), &type, &err), LX_E_FORMAT, &err);
    lx_buf_clear(&text);
    while (text.len <= LX_CH_MAX_TYPE_TEXT)
        put(&text, "aaaaaaaaaaaaaaaa", 16);
    assert_status(lx_ch_type_parse(lx_buf_view(&text), &type, &err), LX_E_FORMAT, &err);
    lx_buf_clear(&text);
    /* An Enum16 of many names is fine. */
    put(&text, "Enum16(", 7);
    for (int i = 0; i < 20000; i++) {
        char item[40];
        int size = snprintf(item, sizeof item, "%s'name %d' = %d", i ? ", " : "", i, 19999 - i);
        put(&text, item, (size_t)size);
    }
    put(&text, ")", 1);
    assert_status(lx_ch_type_parse(lx_buf_view(&text), &type, &err), LX_OK, &err);
    assert_string_equal(lx_ch_enum_name(&type, 19998)->name, "name 1");
    lx_ch_type_free(&type);
    lx_buf_free(&text);
}

/* Every allocation of a parse fails once; nothing leaks, nothing is half made. */
static void test_memory(void **state)
{
    (void)state;
    const char *text = "Tuple(a Enum8('x' = 1, 'y' = 2), b DateTime64(3, 'UTC'), c Array(String))";
    size_t before = lx_alloc_used();
    for (uint64_t n = 1;; n++) {
        struct lx_ch_type type = {0};
        struct lx_err err = LX_ERR_INIT;
        lx_alloc_fail_at(n);
        enum lx_status status = lx_ch_type_parse(lx_str_of(text), &type, &err);
        lx_alloc_fail_at(0);
        lx_ch_type_free(&type);
        assert_int_equal(lx_alloc_used(), before);
        if (status == LX_OK)
            break;
        assert_int_equal(status, LX_E_MEMORY);
        assert_true(n < 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),   cmocka_unit_test(test_bad),
        cmocka_unit_test(test_enum),   cmocka_unit_test(test_children),
        cmocka_unit_test(test_limits), cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
