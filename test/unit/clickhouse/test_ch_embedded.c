/* The embedded driver against the real engine. Skipped, with a word, where LIBCHDB does not name
 * it. What an engine that misbehaves is answered with: test_ch_embedded_fake.c. */
#include "ch_test.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[64], url[96];
static const char *program;

static void says(const char *text, const char *words)
{
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", text, words);
}

static enum lx_status open_as(struct lx_ch_options options, struct lx_ch **client,
                              struct lx_err *err)
{
    lx_err_clear(err);
    if (options.url == NULL)
        options.url = url;
    options.clock = lx_clock_system();
    options.random = lx_random_system();
    return lx_ch_open(&options, client, err);
}

static struct lx_ch *open_plain(void)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_ch *client = NULL;
    assert_status(open_as((struct lx_ch_options){0}, &client, &err), LX_OK, &err);
    return client;
}

static void execute(struct lx_ch *client, const char *sql)
{
    struct lx_err err = LX_ERR_INIT;
    const struct lx_ch_query query = {.sql = sql};
    assert_status(lx_ch_execute(client, &query, &err), LX_OK, &err);
}

static enum lx_status ask(struct lx_ch *client, const struct lx_ch_query *query, uint64_t *value,
                          struct lx_err *err)
{
    struct lx_ch_table table;
    lx_err_clear(err);
    LX_TRY(lx_ch_query_all(client, query, 10, &table, err));
    assert_status(lx_ch_table_check(&table, "u", err), LX_OK, err);
    assert_int_equal(table.block.rows, 1);
    *value = lx_ch_u64(&table, 0, 0);
    lx_ch_table_free(&table);
    return LX_OK;
}

static void is(struct lx_ch *client, const char *sql, uint64_t want)
{
    struct lx_err err = LX_ERR_INIT;
    const struct lx_ch_query query = {.sql = sql};
    uint64_t value = 0;
    assert_status(ask(client, &query, &value, &err), LX_OK, &err);
    assert_int_equal(value, want);
}

/* The text of one value, as the engine itself writes it: what crosses is what was asked. */
static void test_values(void **state)
{
    (void)state;
    static const struct {
        const char *expression, *type, *hex;
    } values[] = {
        {"toInt8(-2)", "Int8", "fe"},
        {"toUInt64(258)", "UInt64", "0201000000000000"},
        {"toFloat32(1.5)", "Float32", "0000c03f"},
        {"'a\\0b'", "String", "'a'00'b'"},
        {"toFixedString('ab', 3)", "FixedString(3)", "'ab'00"},
        {"toLowCardinality(toNullable('y'))", "LowCardinality(Nullable(String))", "'y'"},
        {"toDateTime64('2026-05-01 00:00:00.123', 3, 'UTC')", "DateTime64(3, 'UTC')",
         "7bc8d5e09d010000"},
        {"toDecimal64(1.5, 4)", "Decimal(18, 4)", "983a000000000000"},
        {"toJSONString([1, 2])", "String", "'[1,2]'"},
    };
    struct lx_ch *client = open_plain();
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct lx_err err = LX_ERR_INIT;
        char sql[256];
        snprintf(sql, sizeof sql, "SELECT %s AS v", values[i].expression);
        const struct lx_ch_query query = {.sql = sql};
        struct lx_ch_table table;
        struct lx_buf want = LX_BUF(1000);
        print_message("%s\n", sql);
        assert_status(lx_ch_query_all(client, &query, 1, &table, &err), LX_OK, &err);
        assert_string_equal(table.block.columns[0].name, "v");
        assert_string_equal(table.block.columns[0].type->text, values[i].type);
        put_hex(&want, values[i].hex);
        assert_true(
            lx_str_equal(lx_column_value(&table.block.columns[0].data, 0), lx_buf_view(&want)));
        lx_ch_table_free(&table);
        lx_buf_free(&want);
    }
    lx_ch_close(client);
}

/* What is written is there for the next who opens the directory. */
static void test_statements(void **state)
{
    (void)state;
    struct lx_ch *client = open_plain();
    execute(client, "CREATE DATABASE d");
    execute(client, "CREATE TABLE d.t (id UInt64, s String) ORDER BY id");
    execute(client, "INSERT INTO d.t SELECT number, toString(number) FROM numbers(100000)");
    execute(client, "ALTER TABLE d.t DELETE WHERE id % 2 = 1 SETTINGS mutations_sync = 2");
    is(client, "SELECT count() FROM d.t", 50000);
    is(client, "WITH 3 AS x SELECT toUInt64(x)", 3);
    is(client, "(SELECT toUInt8(1))", 1);
    is(client, "EXISTS TABLE d.t", 1); /* its answer comes whole, not as a stream */
    lx_ch_close(client);
    struct lx_err err = LX_ERR_INIT;
    client = NULL;
    assert_status(open_as((struct lx_ch_options){.database = "d"}, &client, &err), LX_OK, &err);
    is(client, "SELECT sum(id) FROM t", 2499950000);
    lx_ch_close(client);
}

static void test_rows(void **state)
{
    (void)state;
    struct lx_ch *client = open_plain();
    const struct lx_ch_query query = {.sql = "SELECT number FROM numbers(1000000)"};
    struct lx_ch_result *result;
    struct lx_ch_block *block;
    struct lx_err err = LX_ERR_INIT;
    uint64_t rows = 0;
    assert_status(lx_ch_select(client, &query, &result, &err), LX_OK, &err);
    for (;;) {
        assert_status(lx_ch_next(result, &block, &err), LX_OK, &err);
        if (block == NULL)
            break;
        for (int64_t row = 0; row < block->rows; row++, rows++) {
            struct lx_str value = lx_column_value(&block->columns[0].data, row);
            if (value.len != 8 || memcmp(value.ptr, &rows, 8) != 0)
                fail_msg("row %llu is another", (unsigned long long)rows);
        }
    }
    lx_ch_result_free(result);
    assert_int_equal(rows, 1000000);
    /* One that is given up leaves nothing running. */
    assert_status(lx_ch_select(client, &query, &result, &err), LX_OK, &err);
    assert_status(lx_ch_next(result, &block, &err), LX_OK, &err);
    lx_ch_result_free(result);
    is(client, "SELECT count() FROM system.processes WHERE query_id != queryID()", 0);
    struct lx_ch_query tight = {.sql = "SELECT repeat('x', 1000000) FROM numbers(10)",
                                .max_block_bytes = LX_MIB};
    assert_status(lx_ch_select(client, &tight, &result, &err), LX_OK, &err);
    assert_status(lx_ch_next(result, &block, &err), LX_E_LIMIT, &err);
    assert_int_equal(lx_ch_failed_rows(result), 10);
    lx_ch_result_free(result);
    lx_ch_close(client);
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *sql, *name;
        int code;
        enum lx_status status;
    } cases[] = {
        {"SELECT * FROM nowhere", "UNKNOWN_TABLE", 60, LX_E_NOTFOUND},
        {"SELECT * FROM no.where", "UNKNOWN_DATABASE", 81, LX_E_NOTFOUND},
        {"SELECT", "SYNTAX_ERROR", 62, LX_E_REMOTE},
        {"SELECT throwIf(number = 999999) FROM numbers(1000000)",
         "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO", 395, LX_E_REMOTE},
        {"DROP TABLE nowhere", "UNKNOWN_TABLE", 60, LX_E_NOTFOUND},
    };
    struct lx_ch *client = open_plain();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lx_err err = LX_ERR_INIT;
        const struct lx_ch_query query = {.sql = cases[i].sql};
        struct lx_ch_table table;
        print_message("%s\n", cases[i].sql);
        assert_status(lx_ch_query_all(client, &query, 10000000, &table, &err), cases[i].status,
                      &err);
        assert_int_equal(err.code, cases[i].code);
        assert_string_equal(err.name, cases[i].name);
        says(err.text, url);
    }
    is(client, "SELECT toUInt64(1)", 1);
    lx_ch_close(client);
}

static void test_settings(void **state)
{
    (void)state;
    static const struct lx_ch_setting settings[] = {{"max_block_size", "77"}},
                                      unknown[] = {{"no_such_setting", "1"}};
    struct lx_err err = LX_ERR_INIT;
    uint64_t value = 0;
    struct lx_ch *client = open_plain();
    struct lx_ch_query query = {.sql = "SELECT toUInt64(getSetting('max_block_size'))",
                                .settings = settings,
                                .setting_count = 1};
    assert_status(ask(client, &query, &value, &err), LX_OK, &err);
    assert_int_equal(value, 77);
    query.setting_count = 0; /* the next does not inherit it */
    assert_status(ask(client, &query, &value, &err), LX_OK, &err);
    assert_int_not_equal(value, 77);
    query.sql = "SELECT toUInt64(getSetting('max_execution_time'))";
    query.timeout_ms = 7500;
    assert_status(ask(client, &query, &value, &err), LX_OK, &err);
    assert_int_equal(value, 8);
    query.timeout_ms = 0;
    assert_status(ask(client, &query, &value, &err), LX_OK, &err);
    assert_int_equal(value, 0);
    query.settings = unknown;
    query.setting_count = 1;
    assert_status(ask(client, &query, &value, &err), LX_E_REMOTE, &err);
    assert_int_equal(err.code, 115);
    says(err.text, "the setting no_such_setting=1");
    lx_ch_close(client);
}

static void test_time_limit(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    struct lx_ch *client = open_plain();
    struct lx_ch_table table;
    const struct lx_ch_query query = {
        .sql = "SELECT max(sipHash64(number)) FROM numbers(1000000000000)", .timeout_ms = 500};
    assert_status(lx_ch_query_all(client, &query, 1, &table, &err), LX_E_TIMEOUT, &err);
    says(err.text, url);
    is(client, "SELECT toUInt64(1)", 1);
    lx_ch_close(client);
}

static void *ask_soon(void *context)
{
    usleep(300000);
    lx_cancel_ask(context);
    return NULL;
}

static void test_cancel(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    struct lx_cancel cancel = {0};
    struct lx_ch *client = NULL;
    struct lx_ch_table table;
    pthread_t thread;
    struct lx_clock clock = lx_clock_system();
    assert_status(open_as((struct lx_ch_options){.cancel = &cancel}, &client, &err), LX_OK, &err);
    const struct lx_ch_query query = {
        .sql = "SELECT max(sipHash64(number)) FROM numbers(1000000000000)"};
    is(client, "SELECT toUInt64(1)", 1);
    int64_t start = lx_clock_monotonic(&clock);
    assert_int_equal(pthread_create(&thread, NULL, ask_soon, &cancel), 0);
    assert_status(lx_ch_query_all(client, &query, 1, &table, &err), LX_E_CANCELLED, &err);
    says(err.text, "interrupted");
    assert_true(lx_clock_monotonic(&clock) - start < 20000);
    pthread_join(thread, NULL);
    assert_status(lx_ch_execute(client, &query, &err), LX_E_CANCELLED, &err);
    lx_cancel_forget(&cancel);
    is(client, "SELECT toUInt64(1)", 1);
    lx_ch_close(client);
}

/* Another process is told who has the directory. */
static void test_two_processes(void **state)
{
    (void)state;
    struct lx_ch *client = open_plain();
    is(client, "SELECT toUInt64(1)", 1);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        execl(program, program, "--open", url, (char *)NULL);
        _exit(99);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    lx_ch_close(client);
}

/* The other process: 0 where it was told that its parent has the directory open. */
static int open_in_vain(const char *place)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_ch *client = NULL;
    char want[64];
    snprintf(want, sizeof want, ": process %d has this database open", (int)getppid());
    enum lx_status status = open_as((struct lx_ch_options){.url = place}, &client, &err);
    if (status == LX_E_BUSY && strstr(err.text, want) != NULL)
        return 0;
    fprintf(stderr, "%s: %s\n", lx_status_name(status), err.text);
    return 1;
}

static int set_up(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/lynex-embedded.XXXXXX");
    assert_non_null(mkdtemp(directory));
    snprintf(url, sizeof url, "embedded://%s", directory);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char line[96];
    snprintf(line, sizeof line, "rm -rf '%s'", directory);
    return system(line);
}

int main(int argc, char **argv)
{
    const char *engine = getenv("LIBCHDB");
    program = argv[0];
    if (argc > 2 && strcmp(argv[1], "--open") == 0)
        return open_in_vain(argv[2]);
    if (engine == NULL || access(engine, R_OK) != 0) {
        printf("skipped: needs LIBCHDB\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),   cmocka_unit_test(test_statements),
        cmocka_unit_test(test_rows),     cmocka_unit_test(test_errors),
        cmocka_unit_test(test_settings), cmocka_unit_test(test_time_limit),
        cmocka_unit_test(test_cancel),   cmocka_unit_test(test_two_processes),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
