/* What a real server sends: values of every type, its row hash against ours, large answers. */
#include "server_fixture.h"

/* -- values -------------------------------------------------------------------------------- */

/* What the server says of each value's text, and what we decoded. */
static const struct {
    const char *expression, *type, *hex; /* of the bytes; texts as they are in quotes */
} values[] = {
    {"toInt8(-2)", "Int8", "fe"},
    {"toUInt16(258)", "UInt16", "0201"},
    {"toInt128(-1)", "Int128", "ffffffffffffffffffffffffffffffff"},
    {"toUInt256(1)", "UInt256", "0100000000000000000000000000000000000000000000000000000000000000"},
    {"toFloat32(1.5)", "Float32", "0000c03f"},
    {"true", "Bool", "01"},
    {"'abc'", "String", "'abc'"},
    {"toFixedString('ab', 4)", "FixedString(4)", "'ab'0000"},
    {"toUUID('00112233-4455-6677-8899-aabbccddeeff')", "UUID", "7766554433221100ffeeddccbbaa9988"},
    {"toIPv4('1.2.3.4')", "IPv4", "04030201"},
    {"toIPv6('2001:db8::1')", "IPv6", "20010db8000000000000000000000001"},
    {"toDate('2026-05-01')", "Date", "5e50"},
    {"toDate32('1900-01-01')", "Date32", "219cffff"},
    /* Of DateTime the zone is left out for clients that do not say what they understand. */
    {"toDateTime('2026-05-01 09:00:00', 'Asia/Tokyo')", "DateTime", "00edf369"},
    {"toDateTime64('2026-05-01 00:00:00.123', 3, 'UTC')", "DateTime64(3, 'UTC')",
     "7bc8d5e09d010000"},
    {"CAST('b', 'Enum16(\\'a\\' = -300, \\'b\\' = 300)')", "Enum16('a' = -300, 'b' = 300)", "2c01"},
    {"toDecimal64(1.5, 4)", "Decimal(18, 4)", "983a000000000000"},
    {"toDecimal256(-1, 0)", "Decimal(76, 0)",
     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
    {"toLowCardinality('x')", "LowCardinality(String)", "'x'"},
    {"toLowCardinality(toNullable('y'))", "LowCardinality(Nullable(String))", "'y'"},
    {"toNullable(toUInt8(7))", "Nullable(UInt8)", "07"},
    {"CAST(9, 'SimpleAggregateFunction(sum, UInt64)')", "SimpleAggregateFunction(sum, UInt64)",
     "0900000000000000"},
    {"toIntervalDay(5)", "IntervalDay", "0500000000000000"},
    {"CAST('12:34:56', 'Time')", "Time", "f0b00000"},
    {"toBFloat16(1.5)", "BFloat16", "c03f"},
    {"'{\"a\":{\"b\":[1,2]}}'::JSON", "JSON", "'{\"a\":{\"b\":[1,2]}}'"},
    {"toJSONString([nan, inf, 1.5])", "String", "'[\"nan\",\"inf\",1.5]'"},
    {"toJSONString(map('a/b', toDecimal32(1.5, 3)))", "String", "'{\"a/b\":\"1.5\"}'"},
    {"toJSONString(tuple(toDateTime('2026-05-01 00:00:00')))", "String",
     "'[\"2026-05-01 00:00:00\"]'"},
};

static void test_values(void **state)
{
    (void)state;
    struct lx_ch *client = open_plain();
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct lx_err err = LX_ERR_INIT;
        char sql[512];
        snprintf(sql, sizeof sql, "SELECT %s AS v", values[i].expression);
        static const struct lx_ch_setting settings[] = {{"enable_time_time64_type", "1"}};
        struct lx_ch_query query = {.sql = sql, .settings = settings, .setting_count = 1};
        struct lx_ch_table table;
        struct lx_buf expected = LX_BUF(1000);
        print_message("%s\n", sql);
        assert_status(lx_ch_query_all(client, &query, 1, &table, &err), LX_OK, &err);
        assert_string_equal(table.block.columns[0].name, "v");
        assert_string_equal(table.block.columns[0].type->text, values[i].type);
        put_hex(&expected, values[i].hex);
        struct lx_str got = lx_column_value(&table.block.columns[0].data, 0);
        assert_int_equal(got.len, expected.len);
        assert_memory_equal(got.ptr, expected.data, got.len);
        lx_ch_table_free(&table);
        lx_buf_free(&expected);
    }
    lx_ch_close(client);
}

static void test_numbers(void **state)
{
    (void)state;
    struct lx_ch *client = open_plain();
    struct lx_err err = LX_ERR_INIT;
    struct lx_ch_table table;
    struct lx_ch_query query = {
        .sql = "SELECT toInt8(-5) AS a, toUInt64(18446744073709551615) AS b, toDate32('1969-12-31')"
               " AS c, CAST(NULL, 'Nullable(Int32)') AS d, toLowCardinality('t') AS e, true AS f,"
               " toInt64(-9223372036854775808) AS g FROM numbers(3)"};
    assert_status(lx_ch_query_all(client, &query, 3, &table, &err), LX_OK, &err);
    assert_status(lx_ch_table_check(&table, "iui*tui", &err), LX_OK, &err);
    assert_status(lx_ch_table_check(&table, "tui*tui", &err), LX_E_FORMAT, &err);
    assert_status(lx_ch_table_check(&table, "iuu*uui", &err), LX_E_FORMAT, &err);
    assert_status(lx_ch_table_check(&table, "iui", &err), LX_E_FORMAT, &err);
    for (int64_t row = 0; row < 3; row++) {
        assert_true(lx_ch_i64(&table, 0, row) == -5);
        assert_true(lx_ch_u64(&table, 1, row) == UINT64_MAX);
        assert_true(lx_ch_i64(&table, 2, row) == -1);
        assert_true(lx_ch_is_null(&table, 3, row));
        assert_true(lx_ch_i64(&table, 3, row) == 0);
        assert_true(lx_str_is(lx_ch_text(&table, 4, row), "t"));
        assert_true(lx_ch_u64(&table, 5, row) == 1);
        assert_true(lx_ch_i64(&table, 6, row) == INT64_MIN);
    }
    lx_ch_table_free(&table);
    assert_status(lx_ch_query_all(client, &query, 2, &table, &err), LX_E_LIMIT, &err);
    query.sql = "SELECT 1 WHERE 0";
    assert_status(lx_ch_query_all(client, &query, 0, &table, &err), LX_OK, &err);
    assert_int_equal(table.block.rows, 0);
    lx_ch_table_free(&table);
    lx_ch_close(client);
}

/* -- the row hash against the server's own ------------------------------------------------- */

static const char hashed_types[] =
    "u UUID, s String, ls LowCardinality(String), t3 DateTime64(3), t9 DateTime64(9, 'UTC'), "
    "t DateTime, d Date, d32 Date32, f32 Float32, f64 Float64, u8 UInt8, u16 UInt16, u32 UInt32, "
    "u64 UInt64, u128 UInt128, u256 UInt256, i8 Int8, i16 Int16, i32 Int32, i64 Int64, "
    "i128 Int128, i256 Int256, b Bool, e8 Enum8('a' = -3, 'b' = 0, 'c' = 99), "
    "e16 Enum16('x' = -3000, 'y' = 3000), m9 Decimal(9, 3), m18 Decimal(18, 5), "
    "m38 Decimal(38, 10), m76 Decimal(76, 20), fs FixedString(13), v4 IPv4, v6 IPv6, "
    "ns Nullable(String), ni Nullable(Int32), nf Nullable(Float64), nu Nullable(UUID), "
    "nt Nullable(DateTime64(3)), nm Nullable(Decimal(38, 4)), nfs Nullable(FixedString(7)), "
    "lns LowCardinality(Nullable(String)), lfs LowCardinality(FixedString(5)), "
    "lu LowCardinality(UInt32), lnd LowCardinality(Nullable(Date)), "
    "nb Nullable(Bool), ne Nullable(Enum8('a' = 1, 'b' = 2))";

/* Every row of `sql`: its last column against our hash of the others. Returns the mismatches. */
static int64_t compare_hashes(struct lx_ch *client, const char *sql, int64_t *rows)
{
    static const struct lx_ch_setting settings[] = {{"allow_suspicious_low_cardinality_types", "1"},
                                                    {"allow_suspicious_fixed_string_types", "1"},
                                                    {"max_block_size", "5000"}};
    struct lx_ch_query query = {.sql = sql, .settings = settings, .setting_count = 3};
    struct lx_ch_result *result;
    struct lx_ch_block *block;
    struct lx_err err = LX_ERR_INIT;
    int64_t wrong = 0;
    *rows = 0;
    assert_status(lx_ch_select(client, &query, &result, &err), LX_OK, &err);
    for (;;) {
        assert_status(lx_ch_next(result, &block, &err), LX_OK, &err);
        if (block == NULL)
            break;
        struct lx_ch_hash_input inputs[64] = {0};
        size_t count = block->column_count - 1;
        assert_true(count < 64);
        for (size_t i = 0; i < count; i++) {
            assert_true(lx_ch_type_hashable(block->columns[i].type));
            inputs[i] = (struct lx_ch_hash_input){.type = block->columns[i].type,
                                                  .values = &block->columns[i].data};
        }
        uint64_t *hashes = lx_malloc((size_t)block->rows * sizeof *hashes);
        assert_int_equal(lx_ch_hash_rows(inputs, count, block->rows, hashes), LX_OK);
        const struct lx_column *theirs = &block->columns[count].data;
        for (int64_t row = 0; row < block->rows; row++) {
            struct lx_str value = lx_column_value(theirs, row);
            wrong += value.len != 8 || memcmp(value.ptr, &hashes[row], 8) != 0;
        }
        *rows += block->rows;
        lx_free(hashes);
    }
    lx_ch_result_free(result);
    return wrong;
}

static void test_hash_all_types(void **state)
{
    (void)state;
    for (int compression = LX_CH_COMPRESS_NONE; compression <= LX_CH_COMPRESS_ZSTD; compression++) {
        struct lx_ch_options options = {.compression = (enum lx_ch_compression)compression};
        struct lx_ch *client = open_as(&options);
        char sql[4096];
        int64_t rows;
        snprintf(sql, sizeof sql,
                 "SELECT *, xxh3(tuple(*)) FROM generateRandom($$%s$$, %d, 30, 3) LIMIT 20000",
                 hashed_types, compression);
        int64_t wrong = compare_hashes(client, sql, &rows);
        assert_int_equal(rows, 20000);
        assert_int_equal(wrong, 0);
        lx_ch_close(client);
    }
}

/* Each type alone, and edge values that randomness does not hit. */
static void test_hash_edges(void **state)
{
    (void)state;
    static const char *const expressions[] = {
        "arrayJoin([0.0, -0.0, nan, -nan, inf, -inf, 1e-320])",
        "arrayJoin([toFloat32(0.0), toFloat32(-0.0), toFloat32(nan)])",
        "reinterpretAsFloat64(toUInt64(arrayJoin([9218868437227405313, 18446744073709551615])))",
        "arrayJoin(['', 'a', '\\0', '\\xff\\xfe', repeat('x', 240), repeat('y', 241)])",
        "repeat('z', number * 37 % 5000)",
        "arrayJoin([NULL, '', 'x'])",
        "toNullable(number)",
        "CAST(NULL, 'Nullable(FixedString(5000))')",
        "toFixedString(repeat('w', number % 5000), 5000)",
        "if(number % 2 = 0, toFixedString('wide', 6000), NULL)",
        "toLowCardinality(toString(number))",
        "toLowCardinality(if(number % 3 = 0, NULL, toString(number % 100)))",
        "CAST(number % 300, 'LowCardinality(UInt16)')",
        "toUUID('00000000-0000-0000-0000-000000000000')",
        "arrayJoin([toDate32('1900-01-01'), toDate32('2299-12-31')])",
        "arrayJoin([toDateTime64('1900-01-01', 9, 'UTC'), toDateTime64('2262-04-11', 9, 'UTC')])",
    };
    struct lx_ch *client = open_plain();
    for (size_t i = 0; i < sizeof expressions / sizeof *expressions; i++) {
        char sql[1024];
        int64_t rows;
        print_message("%s\n", expressions[i]);
        snprintf(sql, sizeof sql,
                 "SELECT v, number, toUInt64(xxh3(tuple(v, number))) FROM (SELECT %s AS v, number "
                 "FROM numbers(70000))",
                 expressions[i]);
        assert_int_equal(compare_hashes(client, sql, &rows), 0);
        assert_true(rows >= 70000);
        snprintf(sql, sizeof sql,
                 "SELECT v, toUInt64(xxh3(tuple(v))) FROM (SELECT %s AS v FROM "
                 "numbers(100))",
                 expressions[i]);
        assert_int_equal(compare_hashes(client, sql, &rows), 0);
    }
    lx_ch_close(client);
}

/* -- sizes --------------------------------------------------------------------------------- */

static void test_sizes(void **state)
{
    (void)state;
    for (int compression = LX_CH_COMPRESS_NONE; compression <= LX_CH_COMPRESS_ZSTD; compression++) {
        struct lx_ch_options options = {.compression = (enum lx_ch_compression)compression};
        struct lx_ch *client = open_as(&options);
        struct lx_err err = LX_ERR_INIT;
        struct lx_ch_table table;
        int64_t rows;
        /* 20 MB values */
        struct lx_ch_query big = {
            .sql = "SELECT toString(number) || repeat(repeat(char(97 + number), 20), 1000000) AS "
                   "s"
                   " FROM numbers(4)"};
        assert_status(lx_ch_query_all(client, &big, 10, &table, &err), LX_OK, &err);
        for (int64_t row = 0; row < 4; row++) {
            struct lx_str text = lx_ch_text(&table, 0, row);
            assert_int_equal(text.len, 20000001);
            assert_int_equal(text.ptr[0], '0' + row);
            assert_int_equal(text.ptr[20000000], 'a' + row);
        }
        lx_ch_table_free(&table);
        /* no rows, no columns, many rows, many columns */
        assert_status(count_rows(client, "SELECT number FROM numbers(0)", &rows, &err), LX_OK,
                      &err);
        assert_int_equal(rows, 0);
        assert_status(count_rows(client, "SELECT number, toString(number) FROM numbers(1000000)",
                                 &rows, &err),
                      LX_OK, &err);
        assert_int_equal(rows, 1000000);
        struct lx_buf wide = LX_BUF(LX_MIB);
        assert_int_equal(lx_buf_text(&wide, "SELECT 0 AS c"), LX_OK);
        for (int i = 0; i < 1000; i++)
            assert_int_equal(lx_buf_printf(&wide, ", %d AS c%d", i, i), LX_OK);
        struct lx_ch_query many = {.sql = lx_buf_cstr(&wide)};
        assert_status(lx_ch_query_all(client, &many, 1, &table, &err), LX_OK, &err);
        assert_int_equal(table.block.column_count, 1001);
        assert_true(lx_ch_u64(&table, 1000, 0) == 999);
        lx_ch_table_free(&table);
        lx_buf_free(&wide);
        lx_ch_close(client);
    }
}

static void test_block_limit(void **state)
{
    (void)state;
    struct lx_ch_options options = {.max_block_bytes = LX_MIB};
    struct lx_ch *client = open_as(&options);
    struct lx_err err = LX_ERR_INIT;
    int64_t rows;
    assert_status(count_rows(client,
                             "SELECT number, repeat('x', 1000) AS long_text"
                             " FROM numbers(10000)",
                             &rows, &err),
                  LX_E_LIMIT, &err);
    print_message("%s\n", err.text);
    assert_non_null(strstr(err.text, "long_text"));
    assert_non_null(strstr(err.text, "1 MiB"));
    lx_ch_close(client);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),         cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_hash_all_types), cmocka_unit_test(test_hash_edges),
        cmocka_unit_test(test_sizes),          cmocka_unit_test(test_block_limit),
    };
    return server_main(tests, sizeof tests / sizeof tests[0], argc > 1 ? argv[1] : NULL);
}
