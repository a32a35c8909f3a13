#include "server_fixture.h"

#include <sys/stat.h>
#include <unistd.h>

static char directory[64], script[512], url[64];
static unsigned http_port;
unsigned server_tcp_port;

int64_t now_ms(void)
{
    struct lx_clock clock = lx_clock_system();
    return lx_clock_monotonic(&clock);
}

struct lx_ch *open_as(const struct lx_ch_options *wanted)
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

struct lx_ch *open_plain(void)
{
    struct lx_ch_options options = {0};
    return open_as(&options);
}

struct lx_ch *open_with_comment(const char *text)
{
    struct lx_ch_options options = {.log_comment = text};
    return open_as(&options);
}

void execute(struct lx_ch *client, const char *sql)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_ch_query query = {.sql = sql};
    assert_status(lx_ch_execute(client, &query, &err), LX_OK, &err);
}

uint64_t ask_u64(struct lx_ch *client, const char *sql)
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

enum lx_status count_rows(struct lx_ch *client, const char *sql, int64_t *rows, struct lx_err *err)
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
             server_tcp_port);
    return system(line);
}

static int start_server(void **state)
{
    (void)state;
    /* Of its own among the tests that run beside it, which have pids near to this one's. */
    http_port = 20000 + 2 * (unsigned)(getpid() % 6000);
    server_tcp_port = http_port + 1;
    snprintf(directory, sizeof directory, "/tmp/lynex-ch-XXXXXX");
    snprintf(url, sizeof url, "http://127.0.0.1:%u", http_port);
    assert_non_null(mkdtemp(directory));
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

int server_main(const struct CMUnitTest *tests, size_t count, const char *filter)
{
    const char *testbed = getenv("LYNEX_TESTBED"), *engine = getenv("LIBCHDB");
    snprintf(script, sizeof script, "%s/clickhouse", testbed != NULL ? testbed : TESTBED);
    if (engine == NULL || access(engine, R_OK) != 0 || access(script, X_OK) != 0) {
        printf("skipped: needs LIBCHDB and %s\n", script);
        return 77;
    }
    if (filter != NULL)
        cmocka_set_test_filter(filter);
    if (getenv("LYNEX_TEST_SKIP") != NULL)
        cmocka_set_skip_filter(getenv("LYNEX_TEST_SKIP"));
    return _cmocka_run_group_tests("server", tests, count, start_server, stop_server);
}
