/* Rows, hashes and pending deletes by the SQL driver, from a scripted ClickHouse: what is not
 * exactly what was asked for is refused. */
#include "hot_sql_fixture.h"

#include "archive/pending.h"

#include <limits.h>

/* -- what the server would do -------------------------------------------------------------- */

#define MUTATIONS "i:String,c:String,t:String,f:String,p:Int64"
static struct lx_pending_server server;

static enum lx_status ask_pending(struct lx_err *e)
{
    lx_pending_server_free(&server);
    enum lx_status status = lx_pending_server_look(hot, &server, e);
    if (status != LX_OK)
        lx_pending_server_free(&server);
    return status;
}

static void answer_pending(void)
{
    lx_pending_server_free(&server);
    ch_script_table(&script, "CHECK GRANT ALTER DELETE ON `", "r:UInt8", "0");
    ch_script_table(&script, "AND table = 'events' ORDER BY", MUTATIONS,
                    "0000000001|DELETE|2026|why|1;0000000002|DELETE|2026||2");
}

static void test_pending_memory(void **state)
{
    (void)state;
    const struct question q = {ask_pending, answer_pending, NULL};
    try_memory(&q);
    try_memory_everywhere(&q, 1);
    assert_true(server.asked_right && !server.may_delete && server.saw_mutations);
    assert_int_equal(server.mutation_count, 2);
    lx_pending_server_free(&server);
}

static void test_pending(void **state)
{
    (void)state;
    ch_script_table(&script, "CHECK GRANT", "r:UInt8", "1");
    ch_script_table(&script, "system.mutations", MUTATIONS, "0000000001|DELETE|2026|why|-3");
    assert_status(ask_pending(&err), LX_OK);
    assert_true(server.asked_right && server.may_delete && server.saw_mutations);
    assert_int_equal(server.mutation_count, 1);
    assert_string_equal(server.mutations[0].failure, "why");
    assert_int_equal(server.mutations[0].parts_to_do, -3);
    assert_string_equal(script.settings[0], " readonly=0");
    ch_script_clear(&script);
    for (int i = 0; i < 2; i++) { /* what is not told is not known */
        ch_script_table(&script, "CHECK GRANT", i == 0 ? "r:String" : "r:UInt8", i == 0 ? "x" : "");
        ch_script_table(&script, "system.mutations", "i:String", "x");
        assert_status(ask_pending(&err), LX_OK);
        assert_false(server.asked_right || server.saw_mutations);
        ch_script_clear(&script);
    }
    ch_script_fails(&script, "CHECK GRANT", LX_E_REMOTE, 62, "unknown");
    ch_script_fails(&script, "system.mutations", LX_E_ACCESS, 497, "no right");
    assert_status(ask_pending(&err), LX_OK);
    assert_false(server.asked_right || server.saw_mutations);
    script.rules[1].status = LX_E_NETWORK;
    assert_status(ask_pending(&err), LX_E_NETWORK);
    script.rules[0].status = LX_E_TIMEOUT;
    assert_status(ask_pending(&err), LX_E_TIMEOUT);
}

/* -- hashes -------------------------------------------------------------------------------- */

static const struct lx_row_schema *compared;
static int64_t hash_rows;

static enum lx_status ask_hashes(struct lx_err *e)
{
    static const char *const names[] = {"all_1_1_0"};
    const struct lx_hot_read read = {.parts = names,
                                     .part_count = 1,
                                     .schema = schema,
                                     .compare = compared,
                                     .from = LX_TIME_FIRST,
                                     .to = LX_TIME_LAST,
                                     .hash_to = UINT64_MAX};
    struct lx_hot_stream *stream = NULL;
    struct lx_hot_hashes got;
    hash_rows = 0;
    LX_TRY(ops->hashes(hot, &read, &stream, e));
    enum lx_status status;
    do {
        status = ops->next_hashes(hot, stream, &got, e);
        hash_rows += status == LX_OK ? got.rows : 0;
    } while (status == LX_OK && got.rows > 0);
    ops->end(hot, stream);
    return status;
}
static void answer_hashes(void)
{
    if (compared != NULL)
        ch_script_table(&script, "_lynex_h", "h:UInt64,s:Int64,k:UInt64", "1|2|3;4|5|6");
    else
        ch_script_table(&script, "_lynex_h", "h:UInt64,s:Int64", "1|2;4|5");
}

static void test_hashes(void **state)
{
    (void)state;
    const struct question q = {ask_hashes, answer_hashes, NULL};
    compared = NULL;
    try_all(&q);
    assert_int_equal(hash_rows, 2);
    refuse(&q, "_lynex_h", "h:UInt64", "1", LX_E_FORMAT, "not of hashes and times");
    refuse(&q, "_lynex_h", "h:UInt64,s:UInt32", "1|2", LX_E_FORMAT, "not of hashes and times");
    compared = schema;
    try_all(&q);
    refuse(&q, "_lynex_h", "h:UInt64,s:Int64", "1|2", LX_E_FORMAT, "not of hashes and times");
    refuse(&q, "_lynex_h", "h:UInt64,s:Int64,k:String", "1|2|x", LX_E_FORMAT,
           "not of hashes and times");
}

/* -- rows ---------------------------------------------------------------------------------- */

static const struct lx_row_schema *rows_of;
static int64_t row_count, unreadable;
static char first_row[128];

static enum lx_status ask_rows(struct lx_err *e)
{
    static const char *const names[] = {"all_1_1_0", "all_2_2_0"};
    const struct lx_hot_read read = {.parts = names,
                                     .part_count = 2,
                                     .schema = rows_of,
                                     .from = LX_TIME_FIRST,
                                     .to = LX_TIME_LAST,
                                     .hash_from = 5,
                                     .hash_to = UINT64_MAX};
    struct lx_hot_stream *stream = NULL;
    struct lx_hot_rows got;
    row_count = 0;
    unreadable = -1;
    LX_TRY(ops->read(hot, &read, &stream, e));
    enum lx_status status;
    do {
        status = ops->next(hot, stream, &got, e);
        if (status != LX_OK || got.rows == 0)
            break;
        if (row_count == 0)
            snprintf(first_row, sizeof first_row, "%llu %u %lld", (unsigned long long)got.hashes[0],
                     got.part_of[0], (long long)got.seconds[0]);
        if (got.unreadable_row >= 0)
            unreadable = row_count + got.unreadable_row;
        row_count += got.rows;
    } while (true);
    ops->end(hot, stream);
    return status;
}
#define ROWS "id:UInt64,ts:DateTime,p:String,h:UInt64"
static void answer_rows(void)
{
    ch_script_table(&script, "SELECT `id`, `ts`, _part", ROWS,
                    "1|1600000000|all_2_2_0|77;2|1600000001|all_1_1_0|78");
}

static void test_rows(void **state)
{
    (void)state;
    const struct question q = {ask_rows, answer_rows, "reading"};
    rows_of = schema;
    for (size_t ahead = 0; ahead < 2; ahead++) {
        hot->read_ahead = ahead * 100000;
        try_all(&q);
        assert_int_equal(row_count, 2);
        assert_int_equal(unreadable, -1);
        assert_string_equal(first_row, "77 1 1600000000");
        refuse(&q, "SELECT", "id:UInt64,ts:DateTime,p:String", "1|2|all_1_1_0", LX_E_FORMAT,
               "the answer is corrupt: it has 3 columns, 4 were asked for");
        refuse(&q, "SELECT", "id:UInt32,ts:DateTime,p:String,h:UInt64", "1|2|all_1_1_0|4",
               LX_E_AGAIN, "the column id became UInt32");
        refuse(&q, "SELECT", "id:Nullable(UInt64),ts:DateTime,p:String,h:UInt64",
               "\\N|2|all_1_1_0|4", LX_E_AGAIN, "the column id became Nullable(UInt64)");
        refuse(&q, "SELECT", ROWS, "1|2|all_3_3_0|4", LX_E_FORMAT,
               "the answer is corrupt: a row of part all_3_3_0 came");
        refuse(&q, "SELECT", "id:Array(UInt64),ts:DateTime,p:String,h:UInt64", "1|2|all_1_1_0|4",
               LX_E_UNSUPPORTED, "values of the type Array(UInt64) cannot be read");
        assert_says(err.hint, "another type was asked for");
        refuse(&q, "SELECT", "id:UInt64,ts:DateTime,p:String,h:String", "1|2|all_1_1_0|4",
               LX_E_FORMAT, "the row hash came as String");
        refuse(&q, "SELECT", "id:UInt64,ts:DateTime,p:String,h:UInt32", "1|2|all_1_1_0|4",
               LX_E_FORMAT, "the row hash came as UInt32");
    }
    hot->read_ahead = 0;
}

/* Whoever waits for rows of a silent server sees to other things, and may give up. */
static int waited, waits_until;
static enum lx_status wait_a_while(void *context, struct lx_err *e)
{
    assert_ptr_equal(context, &waited);
    return ++waited < waits_until ? LX_OK : lx_err_set(e, LX_E_CORRUPT, "enough");
}

static void test_waiting(void **state)
{
    (void)state;
    const char *const name = "all_1_1_0";
    const struct lx_hot_read read = {.parts = &name,
                                     .part_count = 1,
                                     .schema = schema,
                                     .from = LX_TIME_FIRST,
                                     .to = LX_TIME_LAST,
                                     .hash_to = UINT64_MAX,
                                     .waiting = wait_a_while,
                                     .context = &waited};
    struct lx_hot_stream *stream = NULL;
    struct lx_hot_rows got;
    hot->read_ahead = 100000;
    waits_until = INT_MAX;
    ch_script_table(&script, "SELECT", ROWS, "1|1600000000|all_1_1_0|77")->when = CH_NEVER;
    assert_status(ops->read(hot, &read, &stream, &err), LX_OK);
    assert_status(ops->next(hot, stream, &got, &err), LX_OK);
    assert_int_equal(got.rows, 1);
    waited = 0;
    waits_until = 3;
    assert_status(ops->next(hot, stream, &got, &err), LX_E_CORRUPT);
    assert_says(err.text, "enough");
    assert_int_equal(waited, 3);
    ops->end(hot, stream); /* does not wait for the server either */
    /* Silent from the start: */
    ch_script_clear(&script);
    ch_script_table(&script, "SELECT", ROWS, "")->when = CH_NEVER;
    waited = 0;
    assert_status(ops->read(hot, &read, &stream, &err), LX_OK);
    assert_status(ops->next(hot, stream, &got, &err), LX_E_CORRUPT);
    assert_int_equal(waited, 3);
    ops->end(hot, stream);
    hot->read_ahead = 0;
}

/* A number of a column that is wider than numbers are must not be copied into one. */
static void test_unreadable(void **state)
{
    (void)state;
    const struct question q = {ask_rows, NULL, NULL};
    const struct lx_source_column columns[] = {
        {LX_STR("a"), LX_STR("Array(Float64)"), LX_STR(""), LX_STR("")},
        {LX_STR("ts"), LX_STR("DateTime"), LX_STR(""), LX_STR("")}};
    struct lx_row_schema *made;
    assert_status(lx_row_schema_build(columns, 2, false, &made, &err), LX_OK);
    assert_non_null(made->fields[0].unreadable_sql);
    rows_of = made;
    ch_script_table(&script, "toUInt32(multiIf((",
                    "a:String,ts:DateTime,b:UInt32,p:String,h:UInt64",
                    "[1]|2|0|all_1_1_0|77;[nan]|2|1|all_1_1_0|78");
    assert_status(ask_rows(&err), LX_OK);
    assert_int_equal(row_count, 2);
    assert_int_equal(unreadable, 1);
    ch_script_clear(&script);
    refuse(&q, "SELECT", "a:String,ts:DateTime,b:String,p:String,h:UInt64",
           "[1]|2|sixteen bytes ...|all_1_1_0|77", LX_E_FORMAT, "came as String");
    lx_row_schema_free(made);
    rows_of = schema;
}

static void test_memory_everywhere(void **state)
{
    (void)state;
    static const struct question questions[] = {{ask_hashes, answer_hashes, NULL},
                                                {ask_rows, answer_rows, NULL}};
    rows_of = compared = schema;
    try_memory_everywhere(questions, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_pending),    TEST(test_pending_memory),    TEST(test_hashes),  TEST(test_rows),
        TEST(test_unreadable), TEST(test_memory_everywhere), TEST(test_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
