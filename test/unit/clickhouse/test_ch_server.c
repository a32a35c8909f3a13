/* Against a real ClickHouse server, started by test/testbed/clickhouse. Skipped, with a word, where
 * LIBCHDB does not name the engine. */
#include "ch_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[64], script[512], url[64];
static unsigned http_port, tcp_port;

static int64_t now_ms(void)
{
    struct lx_clock clock = lx_clock_system();
    return lx_clock_monotonic(&clock);
}

static struct lx_ch *open_as(const struct lx_ch_options *wanted)
{
    struct lx_ch_options options = *wanted;
    struct lx_err err = LX_ERR_INIT;
    struct lx_ch *client = NULL;
    if (options.url == NULL)
        options.url = url;
    options.clock = lx_clock_system();
    options.random = lx_random_system();
    assert_status(lx_ch_open(&options, &client, &err), LX_OK, &err);
    return client;
}

static struct lx_ch *open_plain(void)
{
    struct lx_ch_options options = {0};
    return open_as(&options);
}

static struct lx_ch *open_with_comment(const char *text)
{
    struct lx_ch_options options = {.log_comment = text};
    return open_as(&options);
}

static void execute(struct lx_ch *client, const char *sql)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_ch_query query = {.sql = sql};
    assert_status(lx_ch_execute(client, &query, &err), LX_OK, &err);
}

static uint64_t ask_u64(struct lx_ch *client, const char *sql)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_ch_query query = {.sql = sql};
    struct lx_ch_table table;
    assert_status(lx_ch_query_all(client, &query, 10, &table, &err), LX_OK, &err);
    assert_status(lx_ch_table_check(&table, "u", &err), LX_OK, &err);
    assert_int_equal(table.block.rows, 1);
    uint64_t value = lx_ch_u64(&table, 0, 0);
    lx_ch_table_free(&table);
    return value;
}

/* Rows of a whole answer, or the error that ended it. */
static enum lx_status count_rows(struct lx_ch *client, const char *sql, int64_t *rows,
                                 struct lx_err *err)
{
    struct lx_ch_query query = {.sql = sql};
    struct lx_ch_result *result = NULL;
    *rows = 0;
    enum lx_status status = lx_ch_select(client, &query, &result, err);
    struct lx_ch_block *block = NULL;
    while (status == LX_OK) {
        status = lx_ch_next(result, &block, err);
        if (status == LX_OK && block == NULL)
            break;
        if (status == LX_OK)
            *rows += block->rows;
    }
    lx_ch_result_free(result);
    return status;
}

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

/* -- errors -------------------------------------------------------------------------------- */

static const struct {
    const char *sql;
    enum lx_status status;
    int code;
    const char *name, *says;
} errors[] = {
    {"SELECT 1 FROM no_such_table", LX_E_NOTFOUND, 60, "UNKNOWN_TABLE", "no_such_table"},
    {"SELECT 1 FROM no_such_db.t", LX_E_NOTFOUND, 81, "UNKNOWN_DATABASE", "no_such_db"},
    {"SELECT no_such_column FROM numbers(1)", LX_E_REMOTE, 47, "UNKNOWN_IDENTIFIER",
     "no_such_column"},
    {"SELEC 1", LX_E_REMOTE, 62, "SYNTAX_ERROR", "Syntax error"},
    {"SELECT throwIf(1, 'at once')", LX_E_REMOTE, 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO",
     "at once"},
    {"SELECT throwIf(number = 1000000, 'mid stream (of it)') FROM numbers(2000000)", LX_E_REMOTE,
     395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO", "mid stream (of it)"},
    {"SELECT number, throwIf(number = 3000000, 'later') FROM numbers(4000000)", LX_E_REMOTE, 395,
     "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO", "later"},
    {"SELECT toString(number), throwIf(number = 100000, 'soon') FROM numbers(200000)", LX_E_REMOTE,
     395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO", "soon"},
    {"SELECT repeat('x', 1000000), throwIf(number = 50, 'big') FROM numbers(100) SETTINGS "
     "max_block_size = 5",
     LX_E_REMOTE, 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO", "big"},
    {"SELECT groupArray(number) FROM numbers(100000000) SETTINGS max_memory_usage = 10000000",
     LX_E_REMOTE, 241, "MEMORY_LIMIT_EXCEEDED", "emory"},
    {"SELECT 1 FORMAT TSV", LX_E_FORMAT, 0, "", "TSV"},
    {"SELECT [1]", LX_E_UNSUPPORTED, 0, "", "Array(UInt8)"},
};

static void test_errors(void **state)
{
    (void)state;
    for (int compression = LX_CH_COMPRESS_NONE; compression <= LX_CH_COMPRESS_ZSTD; compression++) {
        struct lx_ch_options options = {.compression = (enum lx_ch_compression)compression};
        struct lx_ch *client = open_as(&options);
        for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
            struct lx_err err = LX_ERR_INIT;
            int64_t rows;
            print_message("%d: %s\n", compression, errors[i].sql);
            enum lx_status status = count_rows(client, errors[i].sql, &rows, &err);
            print_message("    %s: %s\n", lx_status_name(status), err.text);
            /* A server that fails in mid-stream may close before its words got through: then the
             * cut is what is seen. */
            if (strstr(errors[i].sql, "throwIf(number") != NULL && status == LX_E_NETWORK)
                continue;
            if (errors[i].code == 395 && err.code == 395 && strstr(err.text, "in mid-answer"))
                continue;
            assert_int_equal(status, errors[i].status);
            assert_int_equal(err.code, errors[i].code);
            assert_string_equal(err.name, errors[i].name);
            assert_non_null(strstr(err.text, errors[i].says));
            assert_null(strstr(err.text, "DB::Exception"));
            assert_null(strstr(err.text, "__exception__"));
        }
        /* The client is as good as new. */
        assert_true(ask_u64(client, "SELECT toUInt64(7)") == 7);
        lx_ch_close(client);
    }
}

/* A statement that fails is not answered with success, whatever it had begun to send. */
static void test_execute(void **state)
{
    (void)state;
    struct lx_ch *client = open_plain();
    struct lx_err err = LX_ERR_INIT;
    execute(client, "CREATE DATABASE IF NOT EXISTS x ENGINE = Atomic");
    execute(client,
            "CREATE OR REPLACE TABLE x.t (a UInt64, s String) ENGINE = MergeTree ORDER BY a");
    execute(client, "INSERT INTO x.t VALUES (1, 'one'), (2, 'tw\\'o')");
    execute(client, "INSERT INTO x.t SELECT number, toString(number) FROM numbers(10, 90)");
    assert_true(ask_u64(client, "SELECT count() FROM x.t") == 92);
    assert_true(ask_u64(client, "SELECT sum(xxh3(tuple(a, s))) FROM x.t") != 0);
    execute(client, "DELETE FROM x.t WHERE a = 2");
    assert_true(ask_u64(client, "SELECT count() FROM x.t") == 91);
    struct lx_ch_query query = {.sql = "ALTER TABLE x.t DROP PART 'all_77_77_0'"};
    assert_status(lx_ch_execute(client, &query, &err), LX_E_REMOTE, &err);
    assert_int_equal(err.code, 232);
    query.sql = "INSERT INTO x.t SELECT throwIf(number = 99), '' FROM numbers(100)";
    assert_status(lx_ch_execute(client, &query, &err), LX_E_REMOTE, &err);
    assert_int_equal(err.code, 395);
    assert_true(ask_u64(client, "SELECT count() FROM x.t") == 91);
    execute(client, "DROP TABLE x.t SYNC");
    lx_ch_close(client);
}

static void test_users(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    int64_t rows;
    struct lx_ch *admin = open_plain();
    execute(admin, "CREATE DATABASE IF NOT EXISTS y ENGINE = Atomic");
    execute(admin, "CREATE OR REPLACE TABLE y.t (a UInt64) ENGINE = MergeTree ORDER BY a");
    execute(admin, "CREATE OR REPLACE TABLE y.secret (a UInt64) ENGINE = MergeTree ORDER BY a");
    execute(admin, "INSERT INTO y.t SELECT number FROM numbers(200000)");
    lx_ch_close(admin);

    struct lx_ch_options options = {.user = "few", .password = "wrong \"pass\""};
    for (int compression = LX_CH_COMPRESS_NONE; compression <= LX_CH_COMPRESS_ZSTD; compression++) {
        options.compression = (enum lx_ch_compression)compression;
        struct lx_ch *wrong = open_as(&options);
        assert_status(count_rows(wrong, "SELECT 1", &rows, &err), LX_E_AUTH, &err);
        assert_int_equal(err.code, 516);
        assert_null(strstr(err.text, "pass\""));
        assert_non_null(strstr(err.hint, "CLICKHOUSE_PASSWORD"));
        lx_ch_close(wrong);
    }
    options.password = "s3cret & odd \xc3\xa9";
    options.database = "y";
    struct lx_ch *few = open_as(&options);
    assert_status(count_rows(few, "SELECT a FROM t", &rows, &err), LX_OK, &err);
    /* The profile of this user has limit=5 and read_overflow_mode=break: pinned away. */
    assert_int_equal(rows, 200000);
    assert_status(count_rows(few, "SELECT a FROM secret", &rows, &err), LX_E_ACCESS, &err);
    assert_int_equal(err.code, 497);
    assert_string_equal(err.name, "ACCESS_DENIED");
    struct lx_ch_query bare = {.sql = "SELECT a FROM t", .no_pinned = true};
    struct lx_ch_table table;
    assert_status(lx_ch_query_all(few, &bare, 1000000, &table, &err), LX_OK, &err);
    assert_int_equal(table.block.rows, 5); /* the test's test: the profile does bend results */
    lx_ch_table_free(&table);
    lx_ch_close(few);

    options = (struct lx_ch_options){.user = "locked", .password = "p"};
    struct lx_ch *locked = open_as(&options);
    assert_status(count_rows(locked, "SELECT 1", &rows, &err), LX_E_ACCESS, &err);
    assert_int_equal(err.code, 452);
    assert_non_null(strstr(err.text, "the setting max_rows_to_read=0"));
    assert_non_null(strstr(err.hint, "profile"));
    lx_ch_close(locked);
    options = (struct lx_ch_options){.user = "readonly", .password = "p"};
    struct lx_ch *readonly = open_as(&options);
    assert_status(count_rows(readonly, "SELECT 1", &rows, &err), LX_E_ACCESS, &err);
    assert_int_equal(err.code, 164);
    assert_non_null(strstr(err.hint, "read-only"));
    lx_ch_close(readonly);
}

static void test_wrong_places(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    int64_t rows;
    char text[64];
    snprintf(text, sizeof text, "http://127.0.0.1:%u", tcp_port);
    struct lx_ch_options options = {.url = text};
    struct lx_ch *native = open_as(&options);
    assert_status(count_rows(native, "SELECT 1", &rows, &err), LX_E_ARGUMENT, &err);
    assert_string_equal(err.name, "NATIVE_PORT");
    assert_non_null(strstr(err.hint, "8123"));
    lx_ch_close(native);
    options.url = "http://127.0.0.1:22999"; /* nobody listens */
    struct lx_ch *nobody = open_as(&options);
    int64_t start = now_ms();
    assert_status(count_rows(nobody, "SELECT 1", &rows, &err), LX_E_NETWORK, &err);
    assert_true(now_ms() - start >= 400 && now_ms() - start < 30000); /* three tries */
    assert_non_null(strstr(err.hint, "CLICKHOUSE_URL"));
    lx_ch_close(nobody);
    struct lx_ch *client = NULL;
    static const char *const bad[] = {"ftp://h",       "http://",           "http://u:p@h",
                                      "http://h/?a=b", "embedded://host/x", "embedded:///",
                                      "nonsense"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        options.url = bad[i];
        options.clock = lx_clock_system();
        options.random = lx_random_system();
        assert_status(lx_ch_open(&options, &client, &err), LX_E_ARGUMENT, &err);
        assert_null(client);
    }
}

/* -- settings and names -------------------------------------------------------------------- */

static void test_settings(void **state)
{
    (void)state;
    struct lx_ch *client = open_with_comment("it's & what?");
    struct lx_err err = LX_ERR_INIT;
    struct lx_ch_table table;
    static const struct lx_ch_setting settings[] = {{"max_block_size", "77"},
                                                    {"session_timezone", "Asia/Tokyo"}};
    struct lx_ch_query query = {
        .sql =
            "SELECT queryID(), getSetting('log_comment'), toUInt64(getSetting('max_block_size')),"
            " timezone(), toUInt64(getSetting('limit')), getSetting('read_overflow_mode')",
        .purpose = "guard",
        .settings = settings,
        .setting_count = 2,
    };
    assert_status(lx_ch_query_all(client, &query, 1, &table, &err), LX_OK, &err);
    assert_true(lx_str_starts(lx_ch_text(&table, 0, 0), LX_STR("lynex-guard-")));
    assert_true(lx_str_is(lx_ch_text(&table, 1, 0), "it's & what?"));
    assert_true(lx_ch_u64(&table, 2, 0) == 77);
    assert_true(lx_str_is(lx_ch_text(&table, 3, 0), "Asia/Tokyo"));
    assert_true(lx_ch_u64(&table, 4, 0) == 0);
    assert_true(lx_str_is(lx_ch_text(&table, 5, 0), "throw"));
    lx_ch_table_free(&table);
    query.query_id = "mine/1 2";
    assert_status(lx_ch_query_all(client, &query, 1, &table, &err), LX_OK, &err);
    assert_true(lx_str_is(lx_ch_text(&table, 0, 0), "mine/1 2"));
    lx_ch_table_free(&table);
    static const struct lx_ch_setting wrong[] = {{"no_such_setting", "1"}};
    query.settings = wrong;
    query.setting_count = 1;
    assert_status(lx_ch_query_all(client, &query, 1, &table, &err), LX_E_REMOTE, &err);
    assert_int_equal(err.code, 115);
    assert_non_null(strstr(err.text, "the setting no_such_setting=1"));
    lx_ch_close(client);
}

struct words {
    int count;
    char last[256];
};

static void hear(void *context, const char *text)
{
    struct words *words = context;
    words->count++;
    snprintf(words->last, sizeof words->last, "%s", text);
}

static void test_wishes(void **state)
{
    (void)state;
    struct words words = {0};
    struct lx_ch_options options = {
        .run = "the-run", .max_threads = 3, .priority = 7, .say = hear, .say_context = &words};
    struct lx_ch *client = open_as(&options);
    struct lx_err err = LX_ERR_INIT;
    struct lx_ch_table table;
    static const struct lx_ch_setting wishes[] = {
        {"max_block_size", "99"}, {"no_such_wish", "1"}, {"max_threads", "5"}};
    struct lx_ch_query query = {.sql = "SELECT queryID(), toUInt64(getSetting('max_threads')), "
                                       "toUInt64(getSetting('priority')), "
                                       "toUInt64(getSetting('max_block_size'))"};
    assert_status(lx_ch_query_all(client, &query, 1, &table, &err), LX_OK, &err);
    assert_true(lx_str_starts(lx_ch_text(&table, 0, 0), LX_STR("lynex-query-the-run-")));
    assert_int_equal(lx_ch_u64(&table, 1, 0), 3);
    assert_int_equal(lx_ch_u64(&table, 2, 0), 7);
    lx_ch_table_free(&table);
    query.wishes = wishes;
    query.wish_count = 3;
    for (int i = 0; i < 2; i++) {
        assert_status(lx_ch_query_all(client, &query, 1, &table, &err), LX_OK, &err);
        assert_int_equal(lx_ch_u64(&table, 1, 0), 5); /* the query's own comes first */
        assert_int_equal(lx_ch_u64(&table, 2, 0), 7);
        assert_int_equal(lx_ch_u64(&table, 3, 0), 99);
        lx_ch_table_free(&table);
    }
    assert_int_equal(words.count, 1); /* said once */
    assert_non_null(strstr(words.last, "no_such_wish=1 (UNKNOWN_SETTING)"));
    lx_ch_close(client);
}

static void test_quoting(void **state)
{
    (void)state;
    struct lx_ch *client = open_plain();
    char text[256];
    for (int i = 0; i < 256; i++)
        text[i] = (char)i;
    struct lx_buf sql = LX_BUF(LX_MIB);
    assert_int_equal(lx_buf_text(&sql, "SELECT "), LX_OK);
    assert_int_equal(lx_ch_quote_text(&sql, (struct lx_str){text, 256}), LX_OK);
    assert_int_equal(lx_buf_text(&sql, " AS "), LX_OK);
    assert_int_equal(lx_ch_quote_name(&sql, LX_STR("odd `name\\ 'x' \"y\"\n\t")), LX_OK);
    struct lx_ch_query query = {.sql = lx_buf_cstr(&sql)};
    struct lx_ch_table table;
    struct lx_err err = LX_ERR_INIT;
    assert_status(lx_ch_query_all(client, &query, 1, &table, &err), LX_OK, &err);
    struct lx_str got = lx_ch_text(&table, 0, 0);
    assert_int_equal(got.len, 256);
    assert_memory_equal(got.ptr, text, 256);
    assert_string_equal(table.block.columns[0].name, "odd `name\\ 'x' \"y\"\n\t");
    lx_ch_table_free(&table);
    lx_buf_free(&sql);
    lx_ch_close(client);
}

/* -- time ---------------------------------------------------------------------------------- */

struct canceller {
    struct lx_cancel cancel;
    int after_ms;
    int64_t asked_at;
};

static void *cancel_later(void *context)
{
    struct canceller *canceller = context;
    usleep((useconds_t)canceller->after_ms * 1000);
    canceller->asked_at = now_ms();
    lx_cancel_ask(&canceller->cancel);
    return NULL;
}

static void test_cancel(void **state)
{
    (void)state;
    static const char *const endless[] = {
        "SELECT number, toString(number) FROM numbers(100000000000)", /* many bytes */
        "SELECT max(sipHash64(number)) FROM numbers(1000000000000)",  /* none */
        ("SELECT sleepEachRow(1) FROM numbers(1000) SETTINGS max_block_size = 1, "
         "function_sleep_max_microseconds_per_block = 0"), /* few */
    };
    for (size_t i = 0; i < sizeof endless / sizeof *endless; i++) {
        struct canceller canceller = {.after_ms = 300};
        struct lx_ch_options options = {.cancel = &canceller.cancel};
        struct lx_ch *client = open_as(&options);
        struct lx_err err = LX_ERR_INIT;
        int64_t rows;
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, cancel_later, &canceller), 0);
        assert_status(count_rows(client, endless[i], &rows, &err), LX_E_CANCELLED, &err);
        int64_t late = now_ms() - canceller.asked_at;
        print_message("ended %lld ms after it was asked\n", (long long)late);
        assert_true(late < 4000);
        pthread_join(thread, NULL);
        lx_ch_close(client);
    }
    /* cancel_http_readonly_queries_on_client_close: the server stops, too. */
    struct lx_ch *client = open_plain();
    uint64_t left = 1;
    for (int i = 0; i < 50 && left != 0; i++, usleep(100000))
        left = ask_u64(client, "SELECT count() FROM system.processes WHERE query LIKE "
                               "'%numbers(1000000000%' AND query_id != queryID()");
    assert_true(left == 0);
    lx_ch_close(client);
}

static void test_time_limits(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    int64_t rows;
    struct lx_ch_options options = {.idle_timeout_ms = 1000};
    struct lx_ch *client = open_as(&options);
    int64_t start = now_ms();
    assert_status(count_rows(client, "SELECT max(sipHash64(number)) FROM numbers(1000000000000)",
                             &rows, &err),
                  LX_E_TIMEOUT, &err);
    assert_true(now_ms() - start < 20000);
    /* A statement with a limit of its own may be silent for longer than that. */
    struct lx_ch_query query = {.sql = "SELECT sleep(2)", .timeout_ms = 5000};
    struct lx_ch_table table;
    assert_status(lx_ch_query_all(client, &query, 1, &table, &err), LX_OK, &err);
    lx_ch_table_free(&table);
    query = (struct lx_ch_query){.sql = "SELECT sleep(3)", .timeout_ms = 500};
    assert_status(lx_ch_query_all(client, &query, 1, &table, &err), LX_E_TIMEOUT, &err);
    lx_ch_close(client);
}

/* -- many ---------------------------------------------------------------------------------- */

static void test_sequence(void **state)
{
    (void)state;
    struct lx_ch *client = open_plain();
    for (uint64_t i = 0; i < 500; i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "SELECT toUInt64(%llu)", (unsigned long long)i);
        assert_true(ask_u64(client, sql) == i);
    }
    /* Results that are given up leave nothing behind. */
    for (int i = 0; i < 20; i++) {
        struct lx_ch_query query = {.sql = "SELECT number FROM numbers(10000000)"};
        struct lx_ch_result *result;
        struct lx_ch_block *block;
        struct lx_err err = LX_ERR_INIT;
        assert_status(lx_ch_select(client, &query, &result, &err), LX_OK, &err);
        if (i % 2 == 0)
            assert_status(lx_ch_next(result, &block, &err), LX_OK, &err);
        lx_ch_result_free(result);
    }
    assert_true(ask_u64(client, "SELECT toUInt64(1)") == 1);
    lx_ch_close(client);
}

struct worker {
    struct lx_ch *client;
    uint64_t seed;
    atomic_int *wrong;
};

static void *work(void *context)
{
    struct worker *worker = context;
    for (uint64_t i = 0; i < 30; i++) {
        struct lx_err err = LX_ERR_INIT;
        char sql[128];
        uint64_t rows = 1000 + worker->seed * 1000 + i;
        struct lx_ch_table table;
        snprintf(sql, sizeof sql, "SELECT number, toString(number) FROM numbers(%llu)",
                 (unsigned long long)rows);
        struct lx_ch_query query = {.sql = sql};
        if (lx_ch_query_all(worker->client, &query, 1000000, &table, &err) != LX_OK ||
            table.block.rows != (int64_t)rows) {
            atomic_fetch_add(worker->wrong, 1);
            continue;
        }
        for (int64_t row = 0; row < table.block.rows; row++) {
            char text[24];
            snprintf(text, sizeof text, "%lld", (long long)row);
            if (lx_ch_u64(&table, 0, row) != (uint64_t)row ||
                !lx_str_is(lx_ch_text(&table, 1, row), text))
                atomic_fetch_add(worker->wrong, 1);
        }
        lx_ch_table_free(&table);
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct lx_ch *client = open_plain();
    struct worker workers[4];
    pthread_t threads[4];
    atomic_int wrong = 0;
    for (uint64_t i = 0; i < 4; i++) {
        workers[i] = (struct worker){client, i, &wrong};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&wrong), 0);
    lx_ch_close(client);
}

/* -- the server ---------------------------------------------------------------------------- */

static const char users[] =
    "<few><password>s3cret &amp; odd \xc3\xa9</password><networks><ip>127.0.0.1</ip></networks>"
    "<profile>bent</profile><quota>default</quota><grants><query>GRANT SELECT, ALTER DELETE ON "
    "y.t</query></grants></few>"
    "<locked><password>p</password><networks><ip>127.0.0.1</ip></networks>"
    "<profile>constrained</profile><quota>default</quota></locked>"
    "<readonly><password>p</password><networks><ip>127.0.0.1</ip></networks>"
    "<profile>readonly_one</profile><quota>default</quota></readonly>";
static const char profiles[] =
    "<bent><limit>5</limit><max_rows_to_read>70000</max_rows_to_read>"
    "<read_overflow_mode>break</read_overflow_mode></bent>"
    "<constrained><max_rows_to_read>1000</max_rows_to_read><constraints><max_rows_to_read>"
    "<readonly/></max_rows_to_read></constraints></constrained>"
    "<readonly_one><readonly>1</readonly></readonly_one>";

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    fclose(file);
}

static int run_script(const char *command)
{
    char line[1024];
    snprintf(line, sizeof line, "'%s' %s '%s' %u %u", script, command, directory, http_port,
             tcp_port);
    return system(line);
}

static int start_server(void **state)
{
    (void)state;
    http_port = 22200 + (unsigned)(getpid() % 300);
    tcp_port = http_port + 300;
    snprintf(directory, sizeof directory, "/tmp/lynex-ch-%d", (int)getpid());
    snprintf(url, sizeof url, "http://127.0.0.1:%u", http_port);
    assert_int_equal(mkdir(directory, 0700), 0);
    write_file("users.d.xml", users);
    write_file("profiles.d.xml", profiles);
    return run_script("start");
}

static int stop_server(void **state)
{
    (void)state;
    char line[128];
    int status = run_script("stop");
    snprintf(line, sizeof line, "rm -rf '%s'", directory);
    return status | system(line);
}

int main(int argc, char **argv)
{
    const char *testbed = getenv("LYNEX_TESTBED"), *engine = getenv("LIBCHDB");
    snprintf(script, sizeof script, "%s/clickhouse", testbed != NULL ? testbed : TESTBED);
    if (engine == NULL || access(engine, R_OK) != 0 || access(script, X_OK) != 0) {
        printf("skipped: needs LIBCHDB and %s\n", script);
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),         cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_hash_all_types), cmocka_unit_test(test_hash_edges),
        cmocka_unit_test(test_sizes),          cmocka_unit_test(test_block_limit),
        cmocka_unit_test(test_errors),         cmocka_unit_test(test_execute),
        cmocka_unit_test(test_users),          cmocka_unit_test(test_wrong_places),
        cmocka_unit_test(test_settings),       cmocka_unit_test(test_wishes),
        cmocka_unit_test(test_quoting),        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_time_limits),    cmocka_unit_test(test_sequence),
        cmocka_unit_test(test_threads),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
