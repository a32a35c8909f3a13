/* Values of composed types: their JSON text to the chain of hashes, built here from the recipe of
 * docs/rowhash.md; single values to their bytes; what is no value, and where it stops being one. */
#include "faults.h"

#include "archive/rowschema_value.h"

#include <stdio.h>

static struct lx_err err;
static struct lx_ch_type type;
static struct lx_value *value;
static struct lx_value_reader *reader;

static int setup(void **state)
{
    (void)state;
    return lx_value_reader_create(&reader) == LX_OK ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    lx_value_reader_free(reader);
    lx_value_reader_free(NULL);
    return 0;
}

static void compile(const char *text)
{
    if (lx_ch_type_parse(lx_str_of(text), &type, &err) != LX_OK)
        fail_msg("%s: %s", text, err.text);
    assert_int_equal(lx_value_compile(&type, &value), LX_OK);
}

static void release(void)
{
    lx_value_free(value);
    lx_ch_type_free(&type);
}

/* -- the recipe ---------------------------------------------------------------------------- */

static uint64_t number(uint64_t bits, size_t width)
{
    return lx_ch_hash_value(&bits, width);
}

static uint64_t text(const char *bytes)
{
    return lx_ch_hash_value(bytes, strlen(bytes));
}

static uint64_t real(double bits)
{
    return lx_ch_hash_value(&bits, 8);
}

/* What an array's chain begins with. */
static uint64_t of(uint64_t length)
{
    uint64_t h = length ^ 0x4cf2d2baae6da887u;
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdu;
    h ^= h >> 33;
    h *= 0xc4ceb9fe1a85ec53u;
    return h ^ h >> 33;
}

static uint64_t chain(const uint64_t *hashes, size_t count)
{
    uint64_t h = hashes[0];
    for (size_t i = 1; i < count; i++)
        h = lx_ch_hash_combine(h, hashes[i]);
    return h;
}
#define CHAIN(...)                                                                                 \
    chain((const uint64_t[]){__VA_ARGS__}, sizeof((const uint64_t[]){__VA_ARGS__}) / 8)

static void expect(const char *name, const char *json, uint64_t expected)
{
    uint64_t hash = 0;
    size_t at = 0;
    compile(name);
    assert_true(lx_value_is_hashable(value));
    enum lx_status status = lx_value_chain(reader, value, lx_str_of(json), false, &hash, &at);
    if (status != LX_OK || hash != expected)
        fail_msg("%s of %s: %s at %zu, hash %llx", json, name, lx_status_name(status), at,
                 (unsigned long long)hash);
    release();
}

static void test_arrays(void **state)
{
    (void)state;
    expect("Array(UInt8)", "[]", of(0));
    expect("Array(UInt8)", " [ 1 ,\t2\r\n] ", CHAIN(of(2), number(1, 1), number(2, 1)));
    expect("Array(UInt64)", "[\"18446744073709551615\"]", CHAIN(of(1), number(UINT64_MAX, 8)));
    expect("Array(Nullable(Int16))", "[null,-1]", CHAIN(of(2), LX_CH_HASH_NULL, number(0xffff, 2)));
    expect("Array(Array(String))", "[[\"a\",\"\"],[]]",
           CHAIN(of(2), CHAIN(of(2), text("a"), text("")), of(0)));
    expect("Array(LowCardinality(String))", "[\"x\"]", CHAIN(of(1), text("x")));
    expect("Array(Tuple(UInt8, Array(UInt8)))", "[[1,[2]]]",
           CHAIN(of(1), CHAIN(number(1, 1), of(1), number(2, 1))));
}

static void test_maps(void **state)
{
    (void)state;
    expect("Map(String, UInt8)", "{}", of(0));
    expect("Map(String, UInt8)", "{\"a\":1 , \"b\" : 2}",
           CHAIN(of(2), CHAIN(text("a"), number(1, 1)), CHAIN(text("b"), number(2, 1))));
    expect("Map(UInt16, Nullable(String))", "{\"7\":null}",
           CHAIN(of(1), CHAIN(number(7, 2), LX_CH_HASH_NULL)));
    expect("Map(Date, Array(UInt8))", "{\"1970-01-02\":[3]}",
           CHAIN(of(1), CHAIN(number(1, 2), of(1), number(3, 1))));
}

static void test_tuples(void **state)
{
    (void)state;
    expect("Tuple(UInt8, String)", "[1,\"x\"]", CHAIN(number(1, 1), text("x")));
    expect("Tuple(a UInt8, b String)", "{\"a\":1,\"b\":\"x\"}", CHAIN(number(1, 1), text("x")));
    expect("Tuple(UInt8, Tuple(UInt8, UInt8))", "[1,[2,3]]",
           CHAIN(number(1, 1), number(2, 1), number(3, 1)));
    expect("Nested(a UInt8, b UInt8)", "[{\"a\":1,\"b\":2}]",
           CHAIN(of(1), CHAIN(number(1, 1), number(2, 1))));
    /* One that may be NULL is a value of its own. */
    expect("Tuple(UInt8, Nullable(Tuple(UInt8, UInt8)))", "[1,[2,3]]",
           CHAIN(number(1, 1), CHAIN(number(2, 1), number(3, 1))));
    expect("Tuple(UInt8, Nullable(Tuple(UInt8, UInt8)))", "[1,null]",
           CHAIN(number(1, 1), LX_CH_HASH_NULL));
}

static void test_points(void **state)
{
    (void)state;
    uint64_t point = CHAIN(real(1.5), real(-2)), ring = CHAIN(of(1), point);
    expect("Point", "[1.5,-2]", point);
    expect("Ring", "[[1.5,-2]]", ring);
    expect("LineString", "[[1.5,-2]]", ring);
    expect("Polygon", "[[[1.5,-2]]]", CHAIN(of(1), ring));
    expect("MultiLineString", "[[[1.5,-2]]]", CHAIN(of(1), ring));
    expect("MultiPolygon", "[[[[1.5,-2]]]]", CHAIN(of(1), CHAIN(of(1), ring)));
}

/* What has no such hash, wherever it stands within. */
static void test_not_hashable(void **state)
{
    (void)state;
    static const char *const names[] = {"JSON",
                                        "Variant(String, UInt8)",
                                        "Dynamic",
                                        "Geometry",
                                        "Time",
                                        "Tuple()",
                                        "Map(Tuple(UInt8, UInt8), String)",
                                        "Map(String, Dynamic)",
                                        "Array(JSON)",
                                        "Nested(a UInt8, b Array(Dynamic))",
                                        "Tuple(UInt8, Array(Map(String, JSON)))",
                                        "AggregateFunction(sum, UInt8)"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        compile(names[i]);
        if (lx_value_is_hashable(value))
            fail_msg("%s", names[i]);
        release();
    }
    lx_value_free(NULL);
}

/* An array within a row's chain goes on with it, element by element. */
static void test_begun(void **state)
{
    (void)state;
    uint64_t hash = text("before");
    size_t at = 0;
    compile("Array(UInt8)");
    assert_int_equal(lx_value_chain(reader, value, LX_STR("[5,6]"), true, &hash, &at), LX_OK);
    assert_true(hash == CHAIN(text("before"), of(2), number(5, 1), number(6, 1)));
    release();
}

/* More hashes at a time than the stack begins with. */
static void test_long(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    char json[COUNT * 5] = "[";
    uint64_t expected = of(COUNT);
    for (int i = 0; i < COUNT; i++) {
        snprintf(json + strlen(json), 8, "%s%d", i > 0 ? "," : "", i % 200);
        expected = lx_ch_hash_combine(expected, number((uint64_t)(i % 200), 1));
    }
    strcat(json, "]");
    expect("Array(UInt8)", json, expected);
}

/* -- texts --------------------------------------------------------------------------------- */

static void test_escapes(void **state)
{
    (void)state;
    static const struct {
        const char *json, *bytes;
    } cases[] = {
        {"[\"\"]", ""},
        {"[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]", "\"\\/\b\f\n\r\t"},
        {"[\"a\\u0041b\"]", "aAb"},
        {"[\"\\u00e9\\u20AC\"]", "\xc3\xa9\xe2\x82\xac"},
        {"[\"\\u07ff\\u0800\\uffff\"]", "\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf"},
        {"[\"\\ud83d\\ude00\"]", "\xf0\x9f\x98\x80"},
        {"[\"\\ud800\\udc00\\udbff\\udfff\"]", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"},
        {"[\"bad \xff\\n\xc3\"]", "bad \xff\n\xc3"},
        {"[\"\x7f\"]", "\x7f"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect("Array(String)", cases[i].json, CHAIN(of(1), text(cases[i].bytes)));
    expect("Array(String)", "[\"\\u0000\"]", CHAIN(of(1), lx_ch_hash_value("\0", 1)));
    expect("Map(String, String)", "{\"\\n\":\"\\t\"}", CHAIN(of(1), CHAIN(text("\n"), text("\t"))));
}

/* Zeros at the end of a FixedString may be missing. */
static void test_fixed_strings(void **state)
{
    (void)state;
    static const char zeros[200] = "ab";
    expect("Array(FixedString(2))", "[\"ab\"]", CHAIN(of(1), lx_ch_hash_value(zeros, 2)));
    expect("Array(FixedString(5))", "[\"ab\"]", CHAIN(of(1), lx_ch_hash_value(zeros, 5)));
    expect("Array(FixedString(5))", "[\"a\\u0062\"]", CHAIN(of(1), lx_ch_hash_value(zeros, 5)));
    expect("Array(FixedString(200))", "[\"a\\u0062\",\"ab\"]",
           CHAIN(of(2), lx_ch_hash_value(zeros, 200), lx_ch_hash_value(zeros, 200)));
    expect("Array(FixedString(3))", "[\"\"]", CHAIN(of(1), lx_ch_hash_value(zeros + 2, 3)));
}

/* -- what is no value ---------------------------------------------------------------------- */

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *type, *json;
        size_t at;
    } cases[] = {
        {"Array(UInt8)", "", 0},
        {"Array(UInt8)", "{}", 0},
        {"Array(UInt8)", "null", 0},
        {"Array(UInt8)", "[", 1},
        {"Array(UInt8)", "[1", 2},
        {"Array(UInt8)", "[1 2]", 3},
        {"Array(UInt8)", "[1,]", 3},
        {"Array(UInt8)", "[256]", 4},
        {"Array(UInt8)", "[null]", 5},
        {"Array(UInt8)", "[1]]", 3},
        {"Array(UInt8)", "[1] x", 4},
        {"Array(Nullable(UInt8))", "[nul", 4},
        {"Array(Nullable(UInt8))", "[nulk]", 5},
        {"Array(Nullable(Nothing))", "[1]", 2},
        {"Array(String)", "[a]", 2},
        {"Array(FixedString(2))", "[ab]", 3},
        {"Array(FixedString(2))", "[\"abc\"]", 6},
        {"Array(String)", "[\"a", 3},
        {"Array(String)", "[\"a\n\"]", 4},
        {"Array(String)", "[\"\\", 3},
        {"Array(String)", "[\"\\x\"]", 4},
        {"Array(String)", "[\"\\u12", 4},
        {"Array(String)", "[\"\\u12g4\"]", 8},
        {"Array(String)", "[\"\\udc00\"]", 8},        /* the second half alone */
        {"Array(String)", "[\"\\ud800", 8},           /* the first one alone */
        {"Array(String)", "[\"\\ud800\\n___\"]", 10}, /* not followed by a unit */
        {"Array(String)", "[\"\\ud800_u0000\"]", 10},
        {"Array(String)", "[\"\\ud800\\u00", 10},
        {"Array(String)", "[\"\\ud800\\ud800\"]", 14},
        {"Array(String)", "[\"\\ud800\\ue000\"]", 14},
        {"Map(String, UInt8)", "[]", 0},
        {"Map(String, UInt8)", "{1:2}", 1},
        {"Map(UInt8, UInt8)", "{\"x\":2}", 4},
        {"Map(String, UInt8)", "{\"a\"}", 4},
        {"Map(String, UInt8)", "{\"a\":x}", 6},
        {"Map(String, UInt8)", "{\"a\":1", 6},
        {"Map(String, UInt8)", "{\"a\":1,}", 7},
        {"Tuple(UInt8, UInt8)", "1", 0},
        {"Tuple(UInt8, UInt8)", "[1]", 2},
        {"Tuple(UInt8, UInt8)", "[1,2,3]", 4},
        {"Tuple(UInt8, UInt8)", "[1,2}", 4},
        {"Tuple(UInt8, UInt8)", "[300,2]", 4},
        {"Tuple(a UInt8)", "{a:1}", 1},
        {"Tuple(a UInt8)", "{\"a\" 1}", 5},
        {"Tuple(a UInt8)", "{\"a\":1]", 6},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t hash = 77;
        size_t at = 999;
        compile(cases[i].type);
        enum lx_status status =
            lx_value_chain(reader, value, lx_str_of(cases[i].json), false, &hash, &at);
        if (status != LX_E_FORMAT || at != cases[i].at || hash != 77)
            fail_msg("%s of %s: %s at %zu", cases[i].json, cases[i].type, lx_status_name(status),
                     at);
        release();
    }
}

/* -- allocations --------------------------------------------------------------------------- */

static enum lx_status compile_and_read(struct lx_err *said)
{
    static const char *const names[] = {"Array(String)", "Map(String, Enum8('a' = 1))",
                                        "Nested(a UInt8, b FixedString(90))", "Polygon",
                                        "Tuple(Enum16('b' = 5), Point)"};
    static const char *const texts[] = {"[\"\\n\"]", "{\"\\u00e9\":\"a\"}",
                                        "[{\"a\":1,\"b\":\"x\"}]", "[[[1,2]]]", "[\"b\",[1,2]]"};
    enum lx_status status = LX_OK;
    for (size_t i = 0; status == LX_OK && i < sizeof names / sizeof *names; i++) {
        struct lx_value_reader *fresh = NULL;
        struct lx_ch_type parsed = {0};
        struct lx_value *made = NULL;
        uint64_t hash;
        size_t at;
        status = lx_ch_type_parse(lx_str_of(names[i]), &parsed, said);
        if (status == LX_OK)
            status = lx_value_compile(&parsed, &made);
        if (status == LX_OK)
            status = lx_value_reader_create(&fresh);
        if (status == LX_OK)
            status = lx_value_chain(fresh, made, lx_str_of(texts[i]), false, &hash, &at);
        lx_value_free(made);
        lx_value_reader_free(fresh);
        lx_ch_type_free(&parsed);
    }
    return status == LX_E_MEMORY ? lx_err_memory(said) : status;
}

/* An array whose stack of hashes cannot grow, at each place where something is put on it. */
static void test_stack(void **state)
{
    (void)state;
    static const char *const names[] = {"Array(UInt8)", "Map(UInt8, UInt8)", "Array(Array(UInt8))",
                                        "Array(Map(UInt8, UInt8))", "Array(String)"};
    static const char *const elements[] = {"1", "\"1\":1", "[]", "{}", "\"\""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        uint64_t hash;
        size_t at;
        bool map = names[i][0] == 'M';
        char json[2048] = "";
        strcat(json, map ? "{" : "[");
        for (int k = 0; k < 100; k++) {
            strcat(json, k > 0 ? "," : "");
            strcat(json, elements[i]);
        }
        strcat(json, map ? "}" : "]");
        struct lx_value_reader *fresh;
        compile(names[i]);
        assert_int_equal(lx_value_reader_create(&fresh), LX_OK);
        lx_alloc_fail_at(2);
        assert_int_equal(lx_value_chain(fresh, value, lx_str_of(json), false, &hash, &at),
                         LX_E_MEMORY);
        lx_alloc_fail_at(0);
        assert_int_equal(lx_value_chain(fresh, value, lx_str_of(json), false, &hash, &at), LX_OK);
        lx_value_reader_free(fresh);
        release();
    }
}

static void test_memory(void **state)
{
    (void)state;
    assert_in_range(fail_each(compile_and_read), 30, 100);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_arrays),        TEST(test_maps),    TEST(test_tuples), TEST(test_points),
        TEST(test_not_hashable),  TEST(test_begun),   TEST(test_long),   TEST(test_escapes),
        TEST(test_fixed_strings), TEST(test_refused), TEST(test_stack),  TEST(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
