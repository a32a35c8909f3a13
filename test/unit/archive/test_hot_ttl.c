/* The TTL of rows in CREATE statements as ClickHouse prints them. */
#include "faults.h"

#include "archive/hot_sql.h"

static const struct {
    const char *create, *ttl; /* NULL: none */
    int64_t days;
    bool unclear;
} cases[] = {
    {"CREATE TABLE t (a Int8) ENGINE = MergeTree ORDER BY a", NULL, -1, false},
    {"ENGINE = MergeTree ORDER BY a TTL t + toIntervalDay(30) SETTINGS x = 1",
     "t + toIntervalDay(30)", 30, false},
    {"ENGINE = MergeTree TTL t + toIntervalDay(30)", "t + toIntervalDay(30)", 30, false},
    {"ENGINE = M TTL t + toIntervalDay(3) COMMENT 'x' SETTINGS x = 1", "t + toIntervalDay(3)", 3,
     false},
    {"ENGINE = M TTL t + toIntervalDay(3) SETTINGS x = 1 COMMENT 'x'", "t + toIntervalDay(3)", 3,
     false},
    /* As short as they come, whole days. */
    {"ENGINE = M TTL t + toIntervalSecond(100000)", "t + toIntervalSecond(100000)", 0, false},
    {"ENGINE = M TTL t + toIntervalMinute(9)", "t + toIntervalMinute(9)", 0, false},
    {"ENGINE = M TTL t + toIntervalHour(49)", "t + toIntervalHour(49)", 2, false},
    {"ENGINE = M TTL t + toIntervalWeek(2)", "t + toIntervalWeek(2)", 14, false},
    {"ENGINE = M TTL t + toIntervalMonth(3)", "t + toIntervalMonth(3)", 84, false},
    {"ENGINE = M TTL t + toIntervalQuarter(1)", "t + toIntervalQuarter(1)", 90, false},
    {"ENGINE = M TTL t + toIntervalYear(2)", "t + toIntervalYear(2)", 730, false},
    /* The first that deletes counts; what moves, groups or packs does not. */
    {"ENGINE = M TTL t + toIntervalDay(9), t + toIntervalDay(4), t + toIntervalDay(7)",
     "t + toIntervalDay(9), t + toIntervalDay(4), t + toIntervalDay(7)", 4, false},
    {"ENGINE = M TTL t + toIntervalDay(1) TO DISK 'cold', t + toIntervalDay(9)",
     "t + toIntervalDay(1) TO DISK 'cold', t + toIntervalDay(9)", 9, false},
    {"ENGINE = M TTL t + toIntervalDay(1) RECOMPRESS CODEC(ZSTD(9))",
     "t + toIntervalDay(1) RECOMPRESS CODEC(ZSTD(9))", -1, false},
    {"ENGINE = M TTL t + toIntervalDay(1) GROUP BY a SET b = max(b)",
     "t + toIntervalDay(1) GROUP BY a SET b = max(b)", -1, false},
    {"ENGINE = M TTL t + toIntervalDay(5) DELETE WHERE f(a, b) = 1",
     "t + toIntervalDay(5) DELETE WHERE f(a, b) = 1", 5, false},
    /* Words within quotes, names and parentheses are none. */
    {"CREATE TABLE t (a Int8 TTL t + toIntervalDay(1)) ENGINE = M ORDER BY a", NULL, -1, false},
    {"CREATE TABLE `ENGINE TTL` (a Int8) ENGINE = M('TTL', \"TTL\") ORDER BY xTTL", NULL, -1,
     false},
    {"ENGINE = M ORDER BY TTLx TTL `TO` + toIntervalDay(2)", "`TO` + toIntervalDay(2)", 2, false},
    {"ENGINE = M ORDER BY TTL_1 TTL \"a,b\" + toIntervalDay(2)", "\"a,b\" + toIntervalDay(2)", 2,
     false},
    {"ENGINE = M TTL t + toIntervalDay(2) TO VOLUME 'it\\'s, SETTINGS'",
     "t + toIntervalDay(2) TO VOLUME 'it\\'s, SETTINGS'", -1, false},
    {"ENGINE = M TTL t + toIntervalDay(2) DELETE WHERE a = 'x", /* cut */
     "t + toIntervalDay(2) DELETE WHERE a = 'x", 2, false},
    {"ENGINE = M TTL t + toIntervalDay(2) DELETE WHERE a = '\\",
     "t + toIntervalDay(2) DELETE WHERE a = '\\", 2, false},
    {"ENGINE = M TTL t + toIntervalDay(2) STO", "t + toIntervalDay(2) STO", 2, false},
    /* What is not understood is said, and the others count. */
    {"ENGINE = M TTL expires", "expires", -1, true},
    {"ENGINE = M TTL", "", -1, true},
    {"ENGINE = M TTL t + toIntervalDay(n)", "t + toIntervalDay(n)", -1, true},
    {"ENGINE = M TTL t + toIntervalDay(-1)", "t + toIntervalDay(-1)", -1, true},
    {"ENGINE = M TTL t + toIntervalDay(1000001)", "t + toIntervalDay(1000001)", -1, true},
    {"ENGINE = M TTL t + toIntervalDay(1000000)", "t + toIntervalDay(1000000)", 1000000, false},
    {"ENGINE = M TTL t + toIntervalDay(7", "t + toIntervalDay(7", 7, false}, /* cut */
    {"ENGINE = M TTL t + toIntervalDay(1) + toIntervalHour(2)",
     "t + toIntervalDay(1) + toIntervalHour(2)", -1, true},
    {"ENGINE = M TTL if(a, b, c), t + toIntervalDay(6)", "if(a, b, c), t + toIntervalDay(6)", 6,
     true},
};

static void test_statements(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *ttl = NULL;
        int64_t days = 99;
        bool unclear = false;
        assert_int_equal(lx_hot_ttl_parse(lx_str_of(cases[i].create), &ttl, &days, &unclear),
                         LX_OK);
        if (days != cases[i].days || unclear != cases[i].unclear)
            fail_msg("%s: %lld days%s", cases[i].create, (long long)days,
                     unclear ? ", unclear" : "");
        if (cases[i].ttl == NULL) {
            assert_null(ttl);
        } else {
            assert_non_null(ttl);
            assert_string_equal(ttl, cases[i].ttl);
        }
        lx_free(ttl);
    }
}

static void test_memory(void **state)
{
    (void)state;
    char *ttl;
    int64_t days;
    bool unclear;
    lx_alloc_fail_at(1);
    assert_int_equal(lx_hot_ttl_parse(LX_STR("ENGINE TTL x"), &ttl, &days, &unclear), LX_E_MEMORY);
    lx_alloc_fail_at(0);
    assert_null(ttl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statements),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
