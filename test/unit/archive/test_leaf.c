/* Single values from their texts: the bytes that ClickHouse keeps, and the texts that are none. */
#include "faults.h"

#include "archive/rowschema_value.h"

#include <stdio.h>
#include <stdlib.h>

static struct lx_err err;

/* Hex digits of the bytes; NULL: refused. */
struct text_case {
    const char *type, *text, *hex;
};

static void hex_of(const uint8_t *bytes, size_t size, char *hex)
{
    hex[0] = 0;
    for (size_t i = 0; i < size; i++)
        snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
}

static void check(const struct text_case *c)
{
    struct lx_ch_type type;
    struct lx_value *leaf;
    uint8_t bytes[LX_LEAF_BYTES];
    char hex[2 * LX_LEAF_BYTES + 1];
    if (lx_ch_type_parse(lx_str_of(c->type), &type, &err) != LX_OK)
        fail_msg("%s: %s", c->type, err.text);
    assert_int_equal(lx_value_compile(&type, &leaf), LX_OK);
    bool taken = lx_leaf_of_text(leaf, lx_str_of(c->text), bytes);
    if (taken != (c->hex != NULL))
        fail_msg("\"%s\" is %s %s", c->text, taken ? "a" : "no", c->type);
    if (taken) {
        hex_of(bytes, leaf->width, hex);
        if (strcmp(hex, c->hex) != 0)
            fail_msg("\"%s\" of %s is %s", c->text, c->type, hex);
    }
    lx_value_free(leaf);
    lx_ch_type_free(&type);
}

static void check_all(const struct text_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check(&cases[i]);
}
#define CHECK_ALL(cases) check_all(cases, sizeof(cases) / sizeof *(cases))

static void test_integers(void **state)
{
    (void)state;
    static const struct text_case cases[] = {
        {"UInt8", "0", "00"},
        {"UInt8", "255", "ff"},
        {"UInt8", "256", NULL},
        {"UInt8", "-1", NULL},
        {"UInt8", "", NULL},
        {"UInt8", "01", NULL},
        {"UInt8", "-0", NULL},
        {"UInt8", "1.0", NULL},
        {"UInt8", "1e1", NULL},
        {"UInt8", "+1", NULL},
        {"UInt8", " 1", NULL},
        {"UInt16", "65535", "ffff"},
        {"UInt16", "65536", NULL},
        {"UInt32", "4294967295", "ffffffff"},
        {"UInt32", "4294967296", NULL},
        {"UInt64", "18446744073709551615", "ffffffffffffffff"},
        {"UInt64", "18446744073709551616", NULL},
        {"UInt64", "-1", NULL},
        {"Int8", "-128", "80"},
        {"Int8", "127", "7f"},
        {"Int8", "128", NULL},
        {"Int8", "-129", NULL},
        {"Int8", "-01", NULL},
        {"Int16", "-32768", "0080"},
        {"Int16", "32768", NULL},
        {"Int32", "-2147483648", "00000080"},
        {"Int32", "2147483648", NULL},
        {"Int64", "-9223372036854775808", "0000000000000080"},
        {"Int64", "9223372036854775807", "ffffffffffffff7f"},
        {"Int64", "9223372036854775808", NULL},
        {"Int128", "-1", "ffffffffffffffffffffffffffffffff"},
        {"UInt128", "-1", NULL},
        {"UInt128", "340282366920938463463374607431768211455", "ffffffffffffffffffffffffffffffff"},
        {"UInt256", "256", "0001000000000000000000000000000000000000000000000000000000000000"},
        {"Int256", "x", NULL},
        {"IntervalDay", "-2", "feffffffffffffff"},
        {"Bool", "true", "01"},
        {"Bool", "false", "00"},
        {"Bool", "1", NULL},
        {"Bool", "", NULL},
        {"Decimal(9, 2)", "-1.5", "6affffff"},
        {"Decimal(9, 2)", "1.50", "96000000"},
        {"Decimal(9, 2)", "1.505", NULL},
        {"Decimal(38, 0)", "1", "01000000000000000000000000000000"},
    };
    CHECK_ALL(cases);
}

static void test_floats(void **state)
{
    (void)state;
    static const struct text_case cases[] = {
        {"Float64", "0", "0000000000000000"},
        {"Float64", "-0", "0000000000000080"},
        {"Float64", "-0.0", "0000000000000080"},
        {"Float64", "1.5", "000000000000f83f"},
        {"Float64", "-2", "00000000000000c0"},
        {"Float64", "0.1", "9a9999999999b93f"},
        {"Float64", "123456.789", "c976be9f0c24fe40"},
        {"Float64", "9007199254740991", "ffffffffffff3f43"}, /* 2^53 - 1: the last exact one */
        {"Float64", "9007199254740993", "0000000000004043"}, /* rounds to even */
        {"Float64", "1e300", "9c7500883ce4377e"},
        {"Float64", "5e-324", "0100000000000000"},
        {"Float64", "1E+2", "0000000000005940"},
        {"Float64", "0.00000000000001", "9b2ba1869b84063d"},
        {"Float64", "nan", "000000000000f87f"},
        {"Float64", "-nan", "000000000000f8ff"},
        {"Float64", "inf", "000000000000f07f"},
        {"Float64", "-inf", "000000000000f0ff"},
        {"Float32", "nan", "0000c07f"},
        {"Float32", "-nan", "0000c0ff"},
        {"Float32", "inf", "0000807f"},
        {"Float32", "-inf", "000080ff"},
        {"Float32", "0.1", "cdcccc3d"},
        {"Float32", "-1.5", "0000c0bf"},
        {"Float32", "3.4028235e38", "ffff7f7f"},
        {"Float64", "", NULL},
        {"Float64", "-", NULL},
        {"Float64", "NaN", NULL},
        {"Float64", "infinity", NULL},
        {"Float64", "0x10", NULL},
        {"Float64", " 1", NULL},
        {"Float64", "1 ", NULL},
        {"Float64", ".5", NULL},
        {"Float64", "5.", NULL},
        {"Float64", "1.5.2", NULL},
        {"Float64", "1e", NULL},
        {"Float64", "1e+", NULL},
        {"Float64", "1e5x", NULL},
        {"Float32", "-.", NULL},
        {"Float32", "1,5", NULL},
    };
    CHECK_ALL(cases);
}

/* Against libc: what goes the short way and what goes the long one is the same number. */
static void test_floats_again(void **state)
{
    (void)state;
    static const char *const digits[] = {"1", "12345678", "999999999999999", "9007199254740992"};
    for (size_t i = 0; i < sizeof digits / sizeof *digits; i++)
        for (size_t point = 1; point <= strlen(digits[i]); point++)
            for (int negative = 0; negative < 2; negative++) {
                char text[64], hex[17];
                snprintf(text, sizeof text, "%s%.*s%s%s", negative ? "-" : "", (int)point,
                         digits[i], digits[i][point] != 0 ? "." : "", digits[i] + point);
                double value = strtod(text, NULL);
                hex_of((const uint8_t *)&value, 8, hex);
                check(&(struct text_case){"Float64", text, hex});
            }
    /* The longest text that is read, and one byte more. */
    char text[513];
    memset(text, '0', sizeof text);
    text[0] = '1';
    text[1] = '.';
    text[511] = 0;
    check(&(struct text_case){"Float64", text, "000000000000f03f"});
    text[511] = '0';
    text[512] = 0;
    check(&(struct text_case){"Float64", text, NULL});
}

static void test_dates(void **state)
{
    (void)state;
    static const struct text_case cases[] = {
        {"Date", "1970-01-01", "0000"},       {"Date", "2149-06-06", "ffff"},
        {"Date", "2149-06-07", NULL},         {"Date", "1969-12-31", NULL},
        {"Date", "2024-02-29", "464d"},       {"Date", "2023-02-29", NULL},
        {"Date", "2000-02-29", "082b"},       {"Date", "2100-02-29", NULL},
        {"Date", "2024-04-31", NULL},         {"Date", "2024-00-01", NULL},
        {"Date", "2024-13-01", NULL},         {"Date", "2024-01-00", NULL},
        {"Date", "2024-1-01", NULL},          {"Date", "2024/01-01", NULL},
        {"Date", "2024-01/01", NULL},         {"Date", "x024-01-01", NULL},
        {"Date", "2024-x1-01", NULL},         {"Date", "2024-01-x1", NULL},
        {"Date", "2024-01-011", NULL},        {"Date32", "1900-01-01", "219cffff"},
        {"Date32", "1969-12-31", "ffffffff"}, {"Date32", "2299-12-31", "d1d60100"},
        {"Date32", "2299-12-32", NULL},
    };
    CHECK_ALL(cases);
}

static void test_times(void **state)
{
    (void)state;
    static const struct text_case cases[] = {
        {"DateTime", "1970-01-01 00:00:00", "00000000"},
        {"DateTime", "2106-02-07 06:28:15", "ffffffff"},
        {"DateTime", "2106-02-07 06:28:16", NULL},
        {"DateTime", "1969-12-31 23:59:59", NULL},
        {"DateTime", "1970-01-02T00:00:01Z", "81510100"},
        {"DateTime", "1970-01-02T00:00:01", NULL},
        {"DateTime", "1970-01-02_00:00:01", NULL},
        {"DateTime", "1970-01-02 00:00:01.0", NULL},
        {"DateTime", "1970-01-02 00:00", NULL},
        {"DateTime", "1970-01-02 24:00:00", NULL},
        {"DateTime", "1970-01-02 00:60:00", NULL},
        {"DateTime", "1970-01-02 00:00:60", NULL},
        {"DateTime", "1970-01-02 00-00:00", NULL},
        {"DateTime", "1970-01-02 00:00-00", NULL},
        {"DateTime", "1970-01-02 x0:00:00", NULL},
        {"DateTime", "1970-01-02 00:x0:00", NULL},
        {"DateTime", "1970-01-02 00:00:x0", NULL},
        {"DateTime", "1970-02-30 00:00:00", NULL},
        {"DateTime64(0)", "1970-01-01 00:00:07", "0700000000000000"},
        {"DateTime64(3)", "1969-12-31 23:59:59.001", "19fcffffffffffff"},
        {"DateTime64(3)", "1970-01-01 00:00:01.500", "dc05000000000000"},
        {"DateTime64(3)", "1970-01-01T00:00:01.500Z", "dc05000000000000"},
        {"DateTime64(3)", "1970-01-01 00:00:01.5", NULL},
        {"DateTime64(3)", "1970-01-01 00:00:01", NULL},
        {"DateTime64(3)", "1970-01-01 00:00:01,500", NULL},
        {"DateTime64(3)", "1970-01-01 00:00:01.5x0", NULL},
        /* As far as nanoseconds go, both ways, and one further. */
        {"DateTime64(9)", "2262-04-11 23:47:16.854775807", "ffffffffffffff7f"},
        {"DateTime64(9)", "2262-04-11 23:47:16.854775808", NULL},
        {"DateTime64(9)", "2262-04-11 23:47:17.000000000", NULL},
        {"DateTime64(9)", "1677-09-21 00:12:43.145224192", "0000000000000080"},
        {"DateTime64(9)", "1677-09-21 00:12:43.145224191", NULL},
        {"DateTime64(9)", "1677-09-21 00:12:42.999999999", NULL},
    };
    CHECK_ALL(cases);
}

static void test_others(void **state)
{
    (void)state;
    static const struct text_case cases[] = {
        {"UUID", "00112233-4455-6677-8899-aabbccddeeff", "7766554433221100ffeeddccbbaa9988"},
        {"UUID", "00112233-4455-6677-8899-aabbccddeef", NULL},
        {"UUID", "00112233-4455-6677-8899-AABBCCDDEEFF", NULL},
        {"IPv4", "1.2.3.4", "04030201"},
        {"IPv4", "1.2.3", NULL},
        {"IPv6", "::1", "00000000000000000000000000000001"},
        {"IPv6", "0::1", NULL},
        {"Enum8('b' = -1, 'a' = 2, 'ab' = 3, '' = 4)", "b", "ff"},
        {"Enum8('b' = -1, 'a' = 2, 'ab' = 3, '' = 4)", "a", "02"},
        {"Enum8('b' = -1, 'a' = 2, 'ab' = 3, '' = 4)", "ab", "03"},
        {"Enum8('b' = -1, 'a' = 2, 'ab' = 3, '' = 4)", "", "04"},
        {"Enum8('b' = -1, 'a' = 2, 'ab' = 3, '' = 4)", "c", NULL},
        {"Enum8('b' = -1, 'a' = 2, 'ab' = 3, '' = 4)", "abc", NULL},
        {"Enum16('x' = -300, 'y' = 300)", "x", "d4fe"},
        {"Enum16('x' = -300, 'y' = 300)", "2", NULL},
    };
    CHECK_ALL(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers),     cmocka_unit_test(test_floats),
        cmocka_unit_test(test_floats_again), cmocka_unit_test(test_dates),
        cmocka_unit_test(test_times),        cmocka_unit_test(test_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
