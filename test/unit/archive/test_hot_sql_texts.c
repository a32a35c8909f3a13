/* The SQL driver's texts by the type of time, the kinds of tables it takes, and DEFAULTs that are
 * another value at each reading. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "archive/hot_sql_private.h"
#include "base/alloc.h"
#include "base/civil.h"
#include "ch_script.h"

#include <stdio.h>
#include <string.h>

static struct ch_script script;
static struct lx_hot_sql *hot;
static const struct lx_hot_ops *ops;
static struct lx_err err;

static int64_t now(void *self)
{
    (void)self;
    return 1700000000000;
}

static void wait_ms(void *self, int64_t ms)
{
    (void)self, (void)ms;
}

static void fill(void *self, void *bytes, size_t size)
{
    (void)self;
    memset(bytes, 7, size);
}

static void open_hot(const char *database, size_t read_ahead)
{
    struct lx_hot made;
    const struct lx_hot_sql_options options = {.client = script.client,
                                               .database = database,
                                               .table = "events",
                                               .time_column = "ts",
                                               .read_ahead = read_ahead,
                                               .clock = {now, now, wait_ms, NULL},
                                               .random = {fill, NULL}};
    assert_int_equal(lx_hot_sql_create(&options, &hot, &made, &err), LX_OK);
    ops = made.ops;
}

static int setup(void **state)
{
    (void)state;
    err = (struct lx_err)LX_ERR_INIT;
    assert_true(ch_script_open(&script));
    open_hot("db", 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lx_hot_sql_free(hot);
    lx_hot_sql_free(NULL);
    ch_script_close(&script);
    return 0;
}

/* `said` holds these words; else it is printed. */
static void assert_says(const char *said, const char *words)
{
    if (said == NULL || strstr(said, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", said != NULL ? said : "nothing", words);
}

#define FACTS                                                                                      \
    "d:String,u:String,e:String,c:String,p:String,s:String,r:UInt64,b:UInt64,n:UInt64,up:UInt64,"  \
    "h:String,v:String,f:String"
#define NIL "00000000-0000-0000-0000-000000000000"

static enum lx_status ask_table(const char *facts, const char *columns, struct lx_hot_table **table)
{
    *table = NULL;
    lx_err_clear(&err);
    ch_script_clear(&script);
    ch_script_table(&script, "system.tables", FACTS, facts);
    ch_script_table(&script, "system.columns", "n:String,t:String,k:String,d:String", columns);
    enum lx_status status = ops->table(hot, table, &err);
    if (status != LX_OK)
        assert_null(*table);
    return status;
}

/* A table whose time has this type, and one more column with this DEFAULT. */
static void describe(const char *type, const char *kind, const char *expression)
{
    char columns[512];
    struct lx_hot_table *table;
    snprintf(columns, sizeof columns, "ts|%s||;a|String|%s|%s;id|UInt64||", type, kind, expression);
    assert_int_equal(
        ask_table("db|u-u|MergeTree|C|||3|99|1700000000|50|h|26|MergeTree", columns, &table),
        LX_OK);
    lx_hot_table_free(table);
    ch_script_clear(&script);
}

/* -- times --------------------------------------------------------------------------------- */

#define DAY (20000 * LX_DAY_SECONDS) /* 2024-10-04 */

static void test_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        int64_t from, to;
        const char *sql;
    } cases[] = {
        {"DateTime", INT64_MIN, INT64_MAX, "(`ts` IS NOT NULL)"},
        {"DateTime", DAY, INT64_MAX, "(`ts` >= toDateTime('2024-10-04 00:00:00', 'UTC'))"},
        {"DateTime", DAY, DAY + 1,
         "(`ts` >= toDateTime('2024-10-04 00:00:00', 'UTC') AND `ts` < toDateTime('2024-10-04 "
         "00:00:01', 'UTC'))"},
        {"DateTime('Asia/Tokyo')", INT64_MIN, DAY,
         "(`ts` < toDateTime('2024-10-04 00:00:00', 'UTC'))"},
        {"DateTime", -5, (int64_t)1 << 40,
         "(`ts` >= toDateTime('1970-01-01 00:00:00', 'UTC') AND `ts` < toDateTime('2106-02-07 "
         "06:28:15', 'UTC'))"},
        {"Date", -LX_DAY_SECONDS, DAY, "(`ts` >= toDate(0) AND `ts` < toDate(20000))"},
        {"Date", INT64_MIN, (int64_t)1 << 40, "(`ts` < toDate(65535))"},
        {"Date32", -LX_DAY_SECONDS, DAY,
         "(`ts` >= toDate32('1969-12-31') AND `ts` < toDate32('2024-10-04'))"},
        {"DateTime64(3)", -1, DAY,
         "(`ts` >= toDateTime64('1969-12-31 23:59:59', 3, 'UTC') AND `ts` < "
         "toDateTime64('2024-10-04 00:00:00', 3, 'UTC'))"},
        {"DateTime64(9)", -((int64_t)1 << 40), (int64_t)1 << 40,
         "(`ts` >= toDateTime64('1900-01-01 00:00:00', 9, 'UTC') AND `ts` < "
         "toDateTime64('2299-12-31 23:59:59', 9, 'UTC'))"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct lx_buf sql = LX_BUF(4096);
        describe(cases[i].type, "", "");
        assert_int_equal(lx_hot_sql_range(hot, cases[i].from, cases[i].to, &sql), LX_OK);
        assert_string_equal(lx_buf_cstr(&sql), cases[i].sql);
        /* Cut anywhere, it is no range. */
        for (size_t max = strlen(cases[i].sql) - 1; max > 0; max--) {
            struct lx_buf cut = LX_BUF(4096);
            cut.max = max;
            assert_int_equal(lx_hot_sql_range(hot, cases[i].from, cases[i].to, &cut), LX_E_LIMIT);
            lx_buf_free(&cut);
        }
        lx_buf_free(&sql);
    }
}

static void test_seconds(void **state)
{
    (void)state;
    static const struct {
        const char *type, *sql;
    } cases[] = {{"DateTime", "toInt64(`ts`)"},
                 {"Date", "toInt64(`ts`) * 86400"},
                 {"Date32", "toInt64(`ts`) * 86400"},
                 {"DateTime64(3)", "(intDiv(reinterpretAsInt64(`ts`), 1000) - "
                                   "(reinterpretAsInt64(`ts`) % 1000 < 0))"},
                 {"DateTime64(0)", "(intDiv(reinterpretAsInt64(`ts`), 1) - "
                                   "(reinterpretAsInt64(`ts`) % 1 < 0))"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct lx_buf sql = LX_BUF(4096);
        describe(cases[i].type, "", "");
        assert_int_equal(lx_hot_sql_seconds(hot, &sql), LX_OK);
        assert_string_equal(lx_buf_cstr(&sql), cases[i].sql);
        lx_buf_free(&sql);
        struct lx_hot_parts parts = {0};
        bool date = strncmp(cases[i].type, "DateTime", 8) != 0;
        ch_script_table(&script, date ? "toInt32(`ts`)" : "toInt32(toDate32(`ts`, 'UTC'))",
                        "p:String", "");
        assert_int_equal(ops->parts(hot, DAY, &parts, &err), LX_OK);
        lx_hot_parts_free(&parts);
    }
}

/* Before the table was described no text is made. */
static void test_not_described(void **state)
{
    (void)state;
    struct lx_buf sql = LX_BUF(4096);
    hot->time_type.kind = LX_CH_STRING;
    assert_int_equal(lx_hot_sql_instant(hot, DAY, &sql), LX_E_BUG);
    assert_int_equal(lx_hot_sql_seconds(hot, &sql), LX_E_BUG);
    assert_int_equal(lx_hot_sql_range(hot, DAY, INT64_MAX, &sql), LX_E_BUG);
    assert_int_equal(lx_hot_sql_range(hot, INT64_MIN, DAY, &sql), LX_E_BUG);
    lx_buf_free(&sql);
}

static void test_explain(void **state)
{
    (void)state;
    assert_int_equal(lx_hot_sql_explain(hot, LX_OK, "doing", &err), LX_OK);
    assert_int_equal(lx_hot_sql_explain(hot, LX_E_REMOTE, "doing", NULL), LX_E_REMOTE);
    lx_err_set(&err, LX_E_REMOTE, "something else");
    err.code = 36;
    assert_int_equal(lx_hot_sql_explain(hot, LX_E_REMOTE, "doing", &err), LX_E_REMOTE);
    assert_string_equal(err.text, "doing `db`.`events`: something else");
}

/* What stands outside of a schema: columns that hold more than their defaults. */
static void test_strange(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *expression, *sql;
    } cases[] = {
        {"", "",
         "(xxh3(tuple(`a`)) != xxh3(tuple(defaultValueOfTypeName('String'))) OR xxh3(tuple(`id`)) "
         "!= xxh3(tuple(defaultValueOfTypeName('UInt64'))))"},
        {"DEFAULT", "lower('X')",
         "(xxh3(tuple(`a`)) != xxh3(tuple(CAST((lower('X')) AS String))) OR xxh3(tuple(`id`)) != "
         "xxh3(tuple(defaultValueOfTypeName('UInt64'))))"},
        {"ALIAS", "x", "(xxh3(tuple(`id`)) != xxh3(tuple(defaultValueOfTypeName('UInt64'))))"},
        {"EPHEMERAL", "", "(xxh3(tuple(`id`)) != xxh3(tuple(defaultValueOfTypeName('UInt64'))))"},
    };
    const struct lx_source_column time = {LX_STR("ts"), LX_STR("DateTime"), LX_STR(""), LX_STR("")};
    struct lx_row_schema *schema;
    assert_int_equal(lx_row_schema_build(&time, 1, false, &schema, &err), LX_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct lx_buf sql = LX_BUF(4096);
        describe("DateTime", cases[i].kind, cases[i].expression);
        assert_int_equal(lx_hot_sql_strange(hot, schema, &sql), LX_OK);
        assert_string_equal(lx_buf_cstr(&sql), cases[i].sql);
        for (size_t max = strlen(cases[i].sql) - 1; max > 0; max--) {
            struct lx_buf cut = LX_BUF(4096);
            cut.max = max;
            assert_int_equal(lx_hot_sql_strange(hot, schema, &cut), LX_E_LIMIT);
            lx_buf_free(&cut);
        }
        lx_buf_free(&sql);
    }
    lx_row_schema_free(schema);
}

/* -- tables -------------------------------------------------------------------------------- */

static void test_engines(void **state)
{
    (void)state;
    static const struct {
        const char *engine, *uuid, *full, *place; /* NULL: not taken */
    } cases[] = {
        {"MergeTree", "u-u", "MergeTree", "u-u"},
        {"ReplicatedMergeTree", "u-u", "ReplicatedMergeTree('/t/{uuid}/{shard}', '{replica}')",
         "/t/u-u/{shard}"},
        {"ReplicatedMergeTree", "u-u", "ReplicatedMergeTree('/t/a\\'b', 'r') ORDER BY x",
         "/t/a\\'b"},
        {"ReplicatedMergeTree", "u-u", "ReplicatedMergeTree('/t/a\\", "/t/a\\"},
        {"ReplicatedMergeTree", "u-u", "ReplicatedMergeTree", "u-u"},
        {"ReplicatedMergeTree", "u-u", "ReplicatedMergeTree(", "u-u"},
        {"ReplicatedMergeTree", "u-u", "ReplicatedMergeTree(ver)", "u-u"},
        {"ReplicatedMergeTree", "u-u", "ReplicatedMergeTree('')", "u-u"},
        {"ReplicatedMergeTree", "u-u", "ReplicatedMergeTree('{uu", "{uu"},
        {"Distributed", "u-u", "Distributed", NULL},
        {"View", "u-u", "View", NULL},
        {"MergeTree", NIL, "MergeTree", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char facts[512];
        struct lx_hot_table *table;
        snprintf(facts, sizeof facts, "db|%s|%s|CREATE|||3|99|1700000000|50|h|26|%s", cases[i].uuid,
                 cases[i].engine, cases[i].full);
        enum lx_status status = ask_table(facts, "ts|DateTime||", &table);
        if (cases[i].place == NULL) {
            assert_int_not_equal(status, LX_OK);
            assert_says(err.text, "`db`.`events`");
            continue;
        }
        if (status != LX_OK)
            print_error("%s: %s\n", cases[i].full, err.text);
        assert_int_equal(status, LX_OK);
        assert_string_equal(table->uuid, cases[i].place);
        assert_int_equal(table->started_at, 1700000000 - 50);
        lx_hot_table_free(table);
    }
}

static void test_time_columns(void **state)
{
    (void)state;
    static const struct {
        const char *columns, *text, *hint;
    } cases[] = {
        {"a|UInt64||;b|Date||;c|DateTime64(3)||", "has no column ts", "one of: b, c"},
        {"ts|String||;d|Date32||", "is of type String", "one of: d"},
        {"ts|DateTime|ALIAS|now()", "it must be stored", "one of: ts"},
        {"x|((((||;ts|Nothing||", "is of type Nothing", "one of: "},
    };
    const char *facts = "db|u-u|MergeTree|C|||3|99|1700000000|50|h|26|MergeTree";
    struct lx_hot_table *table;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(ask_table(facts, cases[i].columns, &table), LX_E_ARGUMENT);
        assert_says(err.text, cases[i].text);
        assert_says(err.hint, cases[i].hint);
    }
    assert_int_equal(ops->table(hot, &table, NULL), LX_E_ARGUMENT);
}

/* Another replica answers, or the user's own database is meant. */
static void test_no_database(void **state)
{
    (void)state;
    struct lx_hot_table *table;
    static const char *const databases[] = {NULL, ""};
    for (size_t i = 0; i < 2; i++) {
        lx_hot_sql_free(hot);
        open_hot(databases[i], 0);
        assert_int_equal(ask_table("own|u-u|MergeTree|C|||3|99|1700000000|50|h|26|MergeTree",
                                   "ts|Date||", &table),
                         LX_OK);
        assert_says(script.asked[0], "WHERE database = currentDatabase() AND name = 'events'");
        assert_says(script.asked[1], "database = 'own'");
        assert_string_equal(lx_buf_cstr(&hot->target), "`events`");
        lx_hot_table_free(table);
    }
}

static void test_create_memory(void **state)
{
    (void)state;
    const struct lx_hot_sql_options options = {
        .client = script.client, .database = "db", .table = "events", .time_column = "ts"};
    for (uint64_t n = 1;; n++) {
        struct lx_hot_sql *made = NULL;
        struct lx_hot side;
        size_t used = lx_alloc_used();
        lx_alloc_fail_at(n);
        enum lx_status status = lx_hot_sql_create(&options, &made, &side, &err);
        bool reached = lx_alloc_count() >= n;
        lx_alloc_fail_at(0);
        assert_int_equal(status, reached ? LX_E_MEMORY : LX_OK);
        if (!reached) {
            lx_hot_sql_free(made);
            assert_in_range(n, 5, 20);
            return;
        }
        assert_int_equal(lx_alloc_used(), used);
        assert_says(err.text, "memory");
    }
}

/* -- values that are not stored ------------------------------------------------------------ */

/* Which DEFAULTs are asked about: all that are not known to be the same each time. */
static void test_volatile(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *expression;
        bool asked;
    } cases[] = {
        {"DEFAULT", "now()", true},
        {"DEFAULT", "generateUUIDv4()", true},
        {"MATERIALIZED", "rand()", true},
        {"ALIAS", "now()", false},
        {"", "", false},
        {"DEFAULT", "'now()'", false},
        {"DEFAULT", "'it\\'s now()'", false},
        {"DEFAULT", "'open", false},
        {"DEFAULT", "`now`", false},
        {"DEFAULT", "\"now\"", false},
        {"DEFAULT", "12.5 + 0x1F", false},
        {"DEFAULT", "NULL", false},
        {"DEFAULT", "true", false},
        {"DEFAULT", "false", false},
        {"DEFAULT", "lower(toString(id))", false},
        {"DEFAULT", "lower(toString(Id))", true},  /* no column of the table */
        {"DEFAULT", "lower (toString(id))", true}, /* a word alone is no column */
        {"DEFAULT", "unheard_of", true},
        {"DEFAULT", "if(id = 3, 'x', hostName())", true},
    };
    const char *const names[] = {"all_1_1_0"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        describe("DateTime", cases[i].kind, cases[i].expression);
        ch_script_table(&script,
                        "sum(xxh3(tuple(`a`))), toUInt64(max(0)), toUInt64(count()) FROM "
                        "`db`.`events`",
                        "s:UInt64,n:UInt64,c:UInt64", "1|0|7");
        assert_int_equal(ops->stored(hot, names, 1, &err), LX_OK);
        if ((script.asked_count == 2) != cases[i].asked)
            print_error("%s\n", cases[i].expression);
        assert_int_equal(script.asked_count, cases[i].asked ? 2 : 0);
        ch_script_clear(&script);
    }
}

static void test_moments(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        bool moment;
    } cases[] = {{"DateTime", true},         {"Nullable(DateTime64(3))", true},
                 {"Array(DateTime)", false}, {"Map(String, DateTime)", false},
                 {"Tuple(DateTime)", false}, {"Date", false}};
    const char *const names[] = {"all_1_1_0"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char columns[256];
        struct lx_hot_table *table;
        snprintf(columns, sizeof columns, "ts|DateTime||;a|%s|DEFAULT|now()", cases[i].type);
        assert_int_equal(
            ask_table("db|u-u|MergeTree|C|||3|99|1700000000|50|h|26|MergeTree", columns, &table),
            LX_OK);
        lx_hot_table_free(table);
        ch_script_clear(&script);
        ch_script_table(&script,
                        cases[i].moment ? "max(ifNull(`a` >= now() - 2, 0))" : "toUInt64(max(0))",
                        "s:UInt64,n:UInt64,c:UInt64", "1|0|7");
        assert_int_equal(ops->stored(hot, names, 1, &err), LX_OK);
        ch_script_clear(&script);
    }
}

/* Other values in the same rows, or other rows: another run took a part between the two readings.
 */
static void test_other_values(void **state)
{
    (void)state;
    static const struct {
        const char *second;
        enum lx_status status;
        const char *says;
    } cases[] = {{"1|0|7", LX_OK, ""},
                 {"2|0|7", LX_E_REFUSED, "another value at each reading"},
                 {"2|0|6", LX_E_AGAIN, "came or went"},
                 {"0|0|0", LX_E_AGAIN, "came or went"}};
    const char *const names[] = {"all_1_1_0"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        describe("DateTime", "DEFAULT", "now()");
        ch_script_table(&script, "sum(xxh3", "s:UInt64,n:UInt64,c:UInt64", "1|0|7")->times = 1;
        ch_script_table(&script, "sum(xxh3", "s:UInt64,n:UInt64,c:UInt64", cases[i].second);
        lx_err_clear(&err);
        assert_int_equal(ops->stored(hot, names, 1, &err), cases[i].status);
        assert_says(err.text, cases[i].says);
        ch_script_clear(&script);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_ranges),   TEST(test_seconds), TEST(test_not_described), TEST(test_explain),
        TEST(test_strange),  TEST(test_engines), TEST(test_time_columns),  TEST(test_no_database),
        TEST(test_volatile), TEST(test_moments), TEST(test_other_values),  TEST(test_create_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
