/* Texts of UUIDs against printf, and every byte of one turned into every other; of addresses; of
 * rows for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "archive/rowschema_text.h"
#include "archive/run.h"

#include <stdio.h>

/* As ClickHouse keeps it: two little-endian numbers. */
static void print(const uint8_t uuid[16], char text[LX_UUID_TEXT + 1])
{
    uint64_t high, low;
    memcpy(&high, uuid, 8);
    memcpy(&low, uuid + 8, 8);
    snprintf(text, LX_UUID_TEXT + 1, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(high >> 32),
             (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xffff), (unsigned)(low >> 48),
             (unsigned long long)(low & 0xffffffffffff));
}

static void check(const uint8_t uuid[16])
{
    char expected[LX_UUID_TEXT + 1], made[LX_UUID_TEXT];
    uint8_t back[16];
    print(uuid, expected);
    lx_text_of_uuid(uuid, made);
    assert_memory_equal(made, expected, LX_UUID_TEXT);
    assert_true(lx_text_to_uuid(made, back));
    assert_memory_equal(back, uuid, 16);
}

static void test_uuids(void **state)
{
    (void)state;
    uint8_t uuid[16] = {0};
    uint64_t seed = 88172645463325252u;
    check(uuid);
    memset(uuid, 0xff, sizeof uuid);
    check(uuid);
    for (int i = 0; i < 100000; i++) {
        for (int k = 0; k < 2; k++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            memcpy(uuid + 8 * k, &seed, 8);
        }
        check(uuid);
    }
}

static bool is_digit(int byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f');
}

/* What was no text of a UUID in lower case is refused: it would be another when it is written. */
static void test_wrong_uuids(void **state)
{
    (void)state;
    static const char good[] = "01234567-89ab-cdef-0123-456789abcdef";
    for (size_t at = 0; at < LX_UUID_TEXT; at++)
        for (int byte = 0; byte < 256; byte++) {
            char text[LX_UUID_TEXT];
            uint8_t uuid[16];
            memcpy(text, good, LX_UUID_TEXT);
            text[at] = (char)byte;
            bool right = good[at] == '-' ? byte == '-' : is_digit(byte);
            if (lx_text_to_uuid(text, uuid) != right)
                fail_msg("byte %d at %zu is %s", byte, at, right ? "refused" : "taken");
        }
}

/* -- addresses ----------------------------------------------------------------------------- */

static void test_ipv4(void **state)
{
    (void)state;
    static const char *const good[] = {"0.0.0.0", "1.20.255.9", "255.255.255.255", "10.100.99.200"};
    static const char *const bad[] = {"",         "1.2.3",   "1.2.3.4.5", "256.1.1.1", "01.2.3.4",
                                      "1.2.3.00", "1.2.3.",  ".1.2.3",    "1.2.3.4 ",  "1.2.3.1234",
                                      "a.2.3.4",  "1,2.3.4", "1.2.3./",   "1.2.3.:"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        uint8_t address[4];
        char text[LX_IPV4_TEXT];
        assert_true(lx_text_to_ipv4(lx_str_of(good[i]), address));
        assert_int_equal(lx_text_of_ipv4(address, text), strlen(good[i]));
        assert_memory_equal(text, good[i], strlen(good[i]));
    }
    const uint8_t address[4] = {4, 3, 2, 1}; /* a little-endian number */
    char text[LX_IPV4_TEXT];
    assert_int_equal(lx_text_of_ipv4(address, text), 7);
    assert_memory_equal(text, "1.2.3.4", 7);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t kept[4] = {9, 9, 9, 9};
        if (lx_text_to_ipv4(lx_str_of(bad[i]), kept))
            fail_msg("%s is taken", bad[i]);
        assert_int_equal(kept[0], 9);
    }
}

static void test_ipv6(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint16_t groups[8];
    } good[] = {
        {"::", {0}},
        {"::1", {0, 0, 0, 0, 0, 0, 0, 1}},
        {"1::", {1}},
        {"1:2:3:4:5:6:7:8", {1, 2, 3, 4, 5, 6, 7, 8}},
        {"2001:db8::1:0:0:1", {0x2001, 0xdb8, 0, 0, 1, 0, 0, 1}}, /* the first of equal runs */
        {"2001:0:0:1::1", {0x2001, 0, 0, 1, 0, 0, 0, 1}},         /* the longest */
        {"1:0:3:4:5:6:7:8", {1, 0, 3, 4, 5, 6, 7, 8}},            /* a single one is not cut */
        {"1:2:3:4:5:6::", {1, 2, 3, 4, 5, 6, 0, 0}},
        {"::ffff:1.2.3.4", {0, 0, 0, 0, 0, 0xffff, 0x0102, 0x0304}},
        {"::1.2.3.4", {0, 0, 0, 0, 0, 0, 0x0102, 0x0304}},
        {"::fffe:102:304", {0, 0, 0, 0, 0, 0xfffe, 0x0102, 0x0304}},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
         {0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff}},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        uint8_t bytes[16], back[16];
        char text[LX_IPV6_TEXT];
        for (size_t g = 0; g < 8; g++) {
            bytes[2 * g] = (uint8_t)(good[i].groups[g] >> 8);
            bytes[2 * g + 1] = (uint8_t)good[i].groups[g];
        }
        size_t size = lx_text_of_ipv6(bytes, text);
        if (!lx_str_is((struct lx_str){text, size}, good[i].text))
            fail_msg("%.*s, not %s", (int)size, text, good[i].text);
        assert_true(lx_text_to_ipv6(lx_str_of(good[i].text), back));
        assert_memory_equal(back, bytes, 16);
    }
}

/* Other texts of an address that has one already, and texts of none. */
static void test_wrong_ipv6(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      ":",
                                      ":::",
                                      "1",
                                      "1:2:3:4:5:6:7",
                                      "1:2:3:4:5:6:7:",
                                      "1:2:3:4:5:6:7:8:9",
                                      "1:2:3:4:5:6:7::",
                                      "1::2:3:4:5:6:7",
                                      "1:2:3:4::5:6:7:8",
                                      "1::2::3",
                                      "::1:",
                                      "::12345",
                                      "::g",
                                      "::A",
                                      "::01",
                                      "0:0:0:0:0:0:0:1",
                                      "2001:0:0:1:0:0:0:1",
                                      "::ffff:102:304",
                                      "::ffff:1.2.3",
                                      "::fffe:1.2.3.4",
                                      "1:2:3:4:5:6:7:1.2.3.4",
                                      "1::1.2.3.4:5",
                                      "::1 ",
                                      "::1%eth0"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t address[16] = {9};
        if (lx_text_to_ipv6(lx_str_of(bad[i]), address))
            fail_msg("%s is taken", bad[i]);
        assert_int_equal(address[0], 9);
    }
}

/* -- rows ---------------------------------------------------------------------------------- */

/* The text of a row of one column of `type`, with `max` room for it. */
static void row_text(const char *type, const void *bytes, size_t size, size_t max, char text[256])
{
    char key[] = "tuple(c)", time[] = "at";
    struct lx_hot_table table = {.sorting_key = key, .time_column = time};
    const struct lx_run run = {.table = &table};
    const struct lx_source_column source = {LX_STR("c"), lx_str_of(type), LX_STR(""), LX_STR("")};
    struct lx_row_schema *schema;
    struct lx_column column;
    struct lx_err err;
    struct lx_buf said = LX_BUF(max);
    assert_int_equal(lx_row_schema_build(&source, 1, false, &schema, &err), LX_OK);
    uint32_t width = schema->fields[0].sent.width;
    lx_column_init(&column, width != 0 ? LX_COLUMN_FIXED : LX_COLUMN_BYTES, width);
    assert_int_equal(bytes != NULL ? lx_column_append(&column, bytes, size)
                                   : lx_column_append_null(&column),
                     LX_OK);
    const struct lx_column *columns[] = {&column};
    lx_row_text(&run, schema, columns, 0, &said);
    snprintf(text, 256, "%s", lx_buf_cstr(&said));
    lx_buf_free(&said);
    lx_column_free(&column);
    lx_row_schema_free(schema);
}

static void test_values_of_rows(void **state)
{
    (void)state;
    static const char many[] = "123456789.123456789.123456789.123456789.12345678";
    static const struct {
        const char *type;
        const void *bytes;
        size_t size;
        const char *text;
    } cases[] = {
        {"UInt8", "\xff", 1, "c = 255"},
        {"Int8", "\xff", 1, "c = -1"},
        {"Int16", "\xfe\xff", 2, "c = -2"},
        {"UInt16", "\xfe\xff", 2, "c = 65534"},
        {"Int32", "\0\0\0\x80", 4, "c = -2147483648"},
        {"UInt32", "\0\0\0\x80", 4, "c = 2147483648"},
        {"Int64", "\xff\xff\xff\xff\xff\xff\xff\xff", 8, "c = -1"},
        {"UInt64", "\xff\xff\xff\xff\xff\xff\xff\xff", 8, "c = 18446744073709551615"},
        {"Int32", "\1\0\0\0", 4, "c = 1"},
        {"Int128", "\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, "c = …"},
        {"Enum8('a' = -3)", "\xfd", 1, "c = -3"},
        {"Enum16('a' = -3)", "\xfd\xff", 2, "c = -3"},
        {"Date", "\1\0", 2, "c = 1970-01-02 00:00:00"},
        {"Date32", "\xff\xff\xff\xff", 4, "c = 1969-12-31 00:00:00"},
        {"DateTime", "\1\0\0\0", 4, "c = 1970-01-01 00:00:01"},
        {"DateTime64(0)", "\1\0\0\0\0\0\0\0", 8, "c = 1970-01-01T00:00:01.000Z"},
        {"DateTime64(3)", "\1\0\0\0\0\0\0\0", 8, "c = 1970-01-01T00:00:00.001Z"},
        {"DateTime64(6)", "\xd0\x07\0\0\0\0\0\0", 8, "c = 1970-01-01T00:00:00.002Z"},
        {"DateTime64(6)", "\xff\xff\xff\xff\xff\xff\xff\xff", 8, "c = 1969-12-31T23:59:59.999Z"},
        {"UUID", "\7\6\5\4\3\2\1\0\xf\xe\xd\xc\xb\xa\x9\x8", 16,
         "c = 00010203-0405-0607-0809-0a0b0c0d0e0f"},
        {"String", "it", 2, "c = 'it'"},
        {"FixedString(2)", "ab", 2, "c = 'ab'"},
        {"Nullable(UInt8)", NULL, 0, "c = NULL"},
        {"String", many, 48, "c = '123456789.123456789.123456789.123456789.12345678'"},
        {"String", "123456789.123456789.123456789.123456789.1234567890", 50,
         "c = '123456789.123456789.123456789.123456789.12345678…'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        row_text(cases[i].type, cases[i].bytes, cases[i].size, 4096, text);
        assert_string_equal(text, cases[i].text);
        /* Without room it is a beginning of it. */
        for (size_t max = 0; max < strlen(cases[i].text); max++) {
            row_text(cases[i].type, cases[i].bytes, cases[i].size, max, text);
            assert_memory_equal(text, cases[i].text, strlen(text));
            assert_in_range(strlen(text), 0, max);
        }
    }
}

/* The columns of the sorting key, as words, and the time; at most six, and only such as are there.
 */
static void test_columns_of_rows(void **state)
{
    (void)state;
    static const struct {
        const char *key, *text;
    } cases[] = {
        {"", "t = 9"},
        {"a", "a = 1, t = 9"},
        {"(b, a)", "a = 1, b = 2, t = 9"},
        {"intHash32(a)", "a = 1, t = 9"},
        {"ab, a_, _a, aa, a1, 1a", "t = 9"},
        {"aa, a", "a = 1, t = 9"},
        {"gone", "t = 9"},
        {"a, b, d, e, f, g, h", "a = 1, b = 2, d = 4, e = 5, f = 6, g = 7"},
    };
    static const char names[] = "abdefgh";
    struct lx_source_column source[9];
    struct lx_column columns[9];
    const struct lx_column *pointers[9];
    struct lx_row_schema *schema;
    struct lx_err err;
    static const uint8_t values[9] = {1, 2, 4, 5, 6, 7, 8, 9, 10};
    for (size_t i = 0; i < 9; i++) {
        struct lx_str name = i < 7 ? (struct lx_str){names + i, 1} : LX_STR("t");
        source[i] = (struct lx_source_column){i == 8 ? LX_STR("gone") : name, LX_STR("UInt8"),
                                              LX_STR(""), LX_STR("")};
        lx_column_init(&columns[i], LX_COLUMN_FIXED, 1);
        assert_int_equal(lx_column_append(&columns[i], &values[i], 1), LX_OK);
        pointers[i] = i == 8 ? NULL : &columns[i];
    }
    assert_int_equal(lx_row_schema_build(source, 9, false, &schema, &err), LX_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char key[64], time[] = "t";
        struct lx_hot_table table = {.sorting_key = key, .time_column = time};
        const struct lx_run run = {.table = &table};
        struct lx_buf text = LX_BUF(4096);
        snprintf(key, sizeof key, "%s", cases[i].key);
        lx_row_text(&run, schema, pointers, 0, &text);
        assert_string_equal(lx_buf_cstr(&text), cases[i].text);
        lx_buf_free(&text);
    }
    lx_row_schema_free(schema);
    for (size_t i = 0; i < 9; i++)
        lx_column_free(&columns[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uuids),
        cmocka_unit_test(test_wrong_uuids),
        cmocka_unit_test(test_ipv4),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_wrong_ipv6),
        cmocka_unit_test(test_values_of_rows),
        cmocka_unit_test(test_columns_of_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
