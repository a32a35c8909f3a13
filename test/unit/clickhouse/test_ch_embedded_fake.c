/* The embedded driver, with an engine that does as it is told (fake_chdb.c): what is asked of it,
 * in which order, and what becomes of each answer. Against the real one: test_ch_embedded.c. */
#include "ch_test.h"
#include "fake_chdb.h"

#include "clickhouse/ch_embedded.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static struct fake_chdb *fake;
static char directory[64], url[96];
static const char number_block[] = "\1\1\1n\5UInt8\7"; /* one column, one row: n = 7 */
static const char version_block[] = "\1\1\1v\6String\6"
                                    "26.7.1";

static void reset(void)
{
    assert_int_equal(fake->connections, 0);
    assert_int_equal(fake->results, 0);
    memset(fake, 0, sizeof *fake);
    fake->pieces[0].bytes = number_block;
    fake->pieces[0].size = sizeof number_block - 1;
}

static enum lx_status open_with(struct lx_ch_options options, struct lx_ch **client,
                                struct lx_err *err)
{
    lx_err_clear(err);
    options.libchdb = FAKE_CHDB;
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
    assert_status(open_with((struct lx_ch_options){0}, &client, &err), LX_OK, &err);
    return client;
}

/* Without the pinned settings, of which the engine's log would be full. */
static enum lx_status run(struct lx_ch *client, const char *sql,
                          const struct lx_ch_setting *settings, size_t count, int timeout_ms,
                          struct lx_err *err)
{
    const struct lx_ch_query query = {.sql = sql,
                                      .query_id = "the-id",
                                      .settings = settings,
                                      .setting_count = count,
                                      .timeout_ms = timeout_ms,
                                      .no_pinned = true};
    lx_err_clear(err);
    return lx_ch_execute(client, &query, err);
}

static enum lx_status ask(struct lx_ch *client, const char *sql, uint64_t *value,
                          struct lx_err *err)
{
    const struct lx_ch_query query = {.sql = sql, .query_id = "the-id", .no_pinned = true};
    struct lx_ch_table table;
    lx_err_clear(err);
    LX_TRY(lx_ch_query_all(client, &query, 10, &table, err));
    *value = table.block.rows == 1 ? lx_ch_u64(&table, 0, 0) : UINT64_MAX;
    lx_ch_table_free(&table);
    return LX_OK;
}

static void says(const char *text, const char *words)
{
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", text, words);
}

/* -- opening ------------------------------------------------------------------------------- */

static void test_path(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    struct lx_ch *client = NULL;
    struct sigaction before, after;
    reset();
    assert_int_equal(sigaction(SIGUSR2, NULL, &before), 0);
    struct lx_ch_options options = {.url = "embedded:///tmp/no%20such%2fdir", .database = "my`db"};
    assert_status(open_with(options, &client, &err), LX_OK, &err);
    assert_string_equal(lx_ch_where(client), "embedded:///tmp/no%20such%2fdir");
    assert_string_equal(fake->path, "--path=/tmp/no such/dir");
    assert_string_equal(fake->log, "USE `my\\`db`\n");
    assert_int_equal(fake->connections, 1);
    lx_ch_close(client);
    assert_int_equal(fake->connections, 0);
    /* The process keeps its own handlers. */
    assert_int_equal(sigaction(SIGUSR2, NULL, &after), 0);
    assert_ptr_equal(before.sa_handler, after.sa_handler);
}

static void test_bad_places(void **state)
{
    (void)state;
    static const struct {
        const char *url, *says;
    } bad[] = {
        {"embedded://host/x", "embedded:///dir names an absolute directory"},
        {"embedded:///", "embedded:///dir names an absolute directory"},
        {"embedded:///x?a=b", "embedded:///dir names an absolute directory"},
        {"embedded:///a%00b", "CLICKHOUSE_URL embedded:///a%00b: not a directory's name"},
        {"embedded:///a%zz", "not followed by two hexadecimal digits"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct lx_err err = LX_ERR_INIT;
        struct lx_ch *client = NULL;
        reset();
        print_message("%s\n", bad[i].url);
        assert_int_not_equal(open_with((struct lx_ch_options){.url = bad[i].url}, &client, &err),
                             LX_OK);
        says(err.text, bad[i].says);
        assert_null(client);
        assert_int_equal(fake->connected, 0);
    }
}

static void test_long_names(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    struct lx_ch *client = NULL;
    static char name[4 * LX_MAX_NAME + 1], place[LX_CH_MAX_DIRECTORY + 64];
    memset(name, 'd', sizeof name - 1);
    memset(place, 'd', sizeof place - 1);
    memcpy(place, "embedded:///", 12);
    reset();
    assert_status(open_with((struct lx_ch_options){.database = name}, &client, &err), LX_E_LIMIT,
                  &err);
    assert_string_equal(err.text, "the database's name is too long");
    assert_status(open_with((struct lx_ch_options){.url = place}, &client, &err), LX_E_LIMIT, &err);
    assert_int_equal(fake->connected, 0);
}

static void test_connecting_fails(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    struct lx_ch *client = NULL;
    for (int empty = 0; empty < 2; empty++) {
        reset();
        fake->empty_handle = empty != 0;
        fake->no_handle = empty == 0;
        assert_status(open_with((struct lx_ch_options){0}, &client, &err), LX_E_IO, &err);
        says(err.text, "the engine does not start");
        says(err.hint, "A process can open one embedded database only");
        assert_null(client);
    }
    /* The thread that ends queries has a connection of its own. */
    struct lx_cancel cancel = {0};
    reset();
    fake->no_handle = true;
    fake->fails_from = 2;
    assert_status(open_with((struct lx_ch_options){.cancel = &cancel}, &client, &err), LX_E_IO,
                  &err);
    assert_int_equal(fake->connected, 2);
    reset();
    fake->error_on = "USE";
    fake->error = "Code: 81. DB::Exception: Database nope does not exist. (UNKNOWN_DATABASE)";
    assert_status(open_with((struct lx_ch_options){.database = "nope"}, &client, &err),
                  LX_E_NOTFOUND, &err);
    assert_int_equal(err.code, 81);
    assert_string_equal(err.name, "UNKNOWN_DATABASE");
}

/* A lock on the file `status` is another process's, whose number stands in it. */
static void test_busy_directory(void **state)
{
    (void)state;
    char path[96], mine[64];
    snprintf(path, sizeof path, "%s/status", directory);
    snprintf(mine, sizeof mine, "PID: %d\nStarted\n", (int)getpid());
    const struct {
        const char *text, *says; /* NULL: it opens */
    } cases[] = {
        {"PID: 4242\nStarted at: 2026\n", "process 4242 has this database open"},
        {"PID: 77", "process 77 has this database open"},
        {"nothing known", "process 0 has this database open"},
        {"", "process 0 has this database open"},
        {mine, NULL}, /* its own engine's */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lx_err err = LX_ERR_INIT;
        struct lx_ch *client = NULL;
        reset();
        int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        size_t size = strlen(cases[i].text);
        assert_int_equal(write(fd, cases[i].text, size), size);
        assert_int_equal(flock(fd, LOCK_EX), 0);
        enum lx_status status = open_with((struct lx_ch_options){0}, &client, &err);
        assert_int_equal(status, cases[i].says != NULL ? LX_E_BUSY : LX_OK);
        if (cases[i].says != NULL)
            says(err.text, cases[i].says);
        lx_ch_close(client);
        client = NULL;
        assert_int_equal(flock(fd, LOCK_UN), 0); /* a file that is left over */
        assert_status(open_with((struct lx_ch_options){0}, &client, &err), LX_OK, &err);
        lx_ch_close(client);
        close(fd);
    }
    unlink(path);
}

/* -- the library --------------------------------------------------------------------------- */

static void test_library(void **state)
{
    (void)state;
    struct lx_ch_libchdb lib = {0};
    struct lx_err err = LX_ERR_INIT;
    char here[4096], place[256], link[320];
    assert_status(lx_ch_libchdb_load("/no/such.so", &lib, &err), LX_E_NOTFOUND, &err);
    says(err.text, "libchdb cannot be loaded: /no/such.so");
    assert_status(lx_ch_libchdb_load("libm.so.6", &lib, &err), LX_E_UNSUPPORTED, &err);
    assert_string_equal(err.text, "libm.so.6: no function chdb_connect");
    assert_string_equal(err.hint, "libchdb 3.0 or newer is needed.");
    assert_null(lib.library);
    /* The option, else the environment. */
    setenv("LIBCHDB", "/no/such/either.so", 1);
    assert_status(lx_ch_libchdb_load(FAKE_CHDB, &lib, &err), LX_OK, &err);
    assert_non_null(lib.query);
    assert_null(lib.enable_signal_handlers);
    assert_status(lx_ch_libchdb_load("", &lib, &err), LX_E_NOTFOUND, &err);
    says(err.text, "/no/such/either.so");
    /* Else it is looked for; here is one of the places. */
    setenv("LIBCHDB", "", 1);
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(directory), 0);
    bool elsewhere = access("/usr/lib/lynex/libchdb.so", R_OK) == 0 ||
                     access("/usr/local/lib/libchdb.so", R_OK) == 0 ||
                     access("/usr/lib/libchdb.so", R_OK) == 0;
    if (!elsewhere) {
        assert_status(lx_ch_libchdb_load(NULL, &lib, &err), LX_E_NOTFOUND, &err);
        assert_string_equal(err.text, "libchdb.so was not found, which embedded:// needs");
        says(err.hint, "Set LIBCHDB to its path");
    }
#if defined(__aarch64__)
    snprintf(place, sizeof place, ".deps/node_modules/@chdb/lib-linux-arm64-gnu");
#else
    snprintf(place, sizeof place, ".deps/node_modules/@chdb/lib-linux-x64-gnu");
#endif
    for (char *slash = strchr(place, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        assert_int_equal(mkdir(place, 0700), 0);
        *slash = '/';
    }
    assert_int_equal(mkdir(place, 0700), 0);
    snprintf(link, sizeof link, "%s/libchdb.so", place);
    assert_int_equal(symlink(FAKE_CHDB, link), 0);
    lib = (struct lx_ch_libchdb){0};
    assert_status(lx_ch_libchdb_load(NULL, &lib, &err), LX_OK, &err);
    assert_non_null(lib.connect);
    assert_int_equal(chdir(here), 0);
    unsetenv("LIBCHDB");
}

/* -- statements ---------------------------------------------------------------------------- */

static void test_settings(void **state)
{
    (void)state;
    static const struct lx_ch_setting one[] = {{"limit", "5"}, {"max_block_size", "it's"}};
    static const struct lx_ch_setting timed[] = {{"max_execution_time", "0"}, {"limit", "5"}};
    struct lx_err err = LX_ERR_INIT;
    reset();
    struct lx_ch *client = open_plain();
    assert_status(run(client, "A", one, 1, 0, &err), LX_OK, &err);
    assert_status(run(client, "B", one, 1, 0, &err), LX_OK, &err); /* it has them already */
    assert_status(run(client, "C", one, 2, 0, &err), LX_OK, &err);
    assert_status(run(client, "D", NULL, 0, 0, &err), LX_OK, &err); /* does not inherit */
    assert_status(run(client, "E", timed, 2, 1500, &err), LX_OK, &err);
    assert_status(run(client, "F", timed, 2, 0, &err), LX_OK, &err);
    assert_string_equal(fake->log, "SET limit='5'\nA\nB\n"
                                   "SET limit='5', max_block_size='it\\'s'\nC\n"
                                   "SET max_block_size=DEFAULT\nD\n"
                                   "SET limit='5', max_execution_time='2'\nE\n"
                                   "SET max_execution_time='0', limit='5'\nF\n");
    lx_ch_close(client);
}

/* The version is asked once; pinned settings go with every query, set once a connection. */
static void test_pinned(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    const struct lx_ch_query query = {.sql = "SELECT 7"};
    struct lx_ch_table table;
    reset();
    fake->pieces[0].bytes = version_block;
    fake->pieces[0].size = sizeof version_block - 1;
    struct lx_ch *client = open_plain();
    for (int i = 0; i < 2; i++) {
        assert_status(lx_ch_query_all(client, &query, 1, &table, &err), LX_OK, &err);
        assert_true(lx_str_is(lx_ch_text(&table, 0, 0), "26.7.1"));
        lx_ch_table_free(&table);
    }
    says(fake->log, "SELECT version()\n");
    says(fake->log, "max_execution_time='0'");
    says(fake->log, "log_comment='lynex'");
    says(fake->log, "\nSELECT 7\nSELECT 7\n");
    assert_null(strstr(strstr(fake->log, "version()") + 1, "version()"));
    lx_ch_close(client);
}

static void test_settings_fail(void **state)
{
    (void)state;
    static char longest[LX_CH_MAX_SET];
    memset(longest, 'x', sizeof longest - 1);
    const struct lx_ch_setting limit = {"limit", "5"}, block = {"max_block_size", "9"},
                               large = {"log_comment", longest};
    struct lx_err err = LX_ERR_INIT;
    reset();
    struct lx_ch *client = open_plain();
    assert_status(run(client, "A", &large, 1, 0, &err), LX_E_LIMIT, &err);
    says(err.text, "the query's settings are too long");
    assert_string_equal(fake->log, "");
    /* After a SET that failed, nothing is known of the settings: they are set again. */
    assert_status(run(client, "A", &limit, 1, 0, &err), LX_OK, &err);
    fake->error_on = "max_block_size='9'";
    fake->error = "Code: 452. DB::Exception: Setting max_block_size should not be changed. "
                  "(SETTING_CONSTRAINT_VIOLATION)";
    assert_status(run(client, "B", &block, 1, 0, &err), LX_E_ACCESS, &err);
    assert_int_equal(err.code, 452);
    says(err.text, "the setting max_block_size=9");
    fake->error_on = NULL;
    assert_status(run(client, "C", &limit, 1, 0, &err), LX_OK, &err);
    assert_status(run(client, "D", &block, 1, 0, &err), LX_OK, &err);
    fake->silent_on = "=DEFAULT";
    assert_status(run(client, "E", NULL, 0, 0, &err), LX_E_REMOTE, &err);
    says(err.text, "the engine gives no answer");
    fake->silent_on = NULL;
    assert_status(run(client, "F", NULL, 0, 0, &err), LX_OK, &err);
    assert_string_equal(fake->log, "SET limit='5'\nA\nSET max_block_size='9'\n"
                                   "SET limit='5'\nC\nSET max_block_size='9'\nD\n"
                                   "SET max_block_size=DEFAULT\n"
                                   "SET max_block_size=DEFAULT\nF\n");
    lx_ch_close(client);
}

static void test_answers(void **state)
{
    (void)state;
    static const char *const streamed[] = {"SELECT 7", " \n\t\r(SELECT 7)", "with 1 AS x SELECT 7"};
    struct lx_err err = LX_ERR_INIT;
    uint64_t value;
    reset();
    struct lx_ch *client = open_plain();
    for (size_t i = 0; i < sizeof streamed / sizeof *streamed; i++) {
        assert_status(ask(client, streamed[i], &value, &err), LX_OK, &err);
        assert_true(value == 7);
    }
    fake->whole = true; /* others come as one piece */
    assert_status(ask(client, "SHOW x", &value, &err), LX_OK, &err);
    assert_true(value == 7);
    fake->pieces[0].size = 4; /* a block in two pieces, and one more */
    fake->pieces[1].bytes = number_block + 4;
    fake->pieces[1].size = sizeof number_block - 1 - 4;
    fake->pieces[2].bytes = number_block;
    fake->pieces[2].size = sizeof number_block - 1;
    fake->whole = false;
    const struct lx_ch_query query = {.sql = "SELECT 7", .no_pinned = true};
    struct lx_ch_table table;
    assert_status(lx_ch_query_all(client, &query, 10, &table, &err), LX_OK, &err);
    assert_int_equal(table.block.rows, 2);
    lx_ch_table_free(&table);
    fake->pieces[1].size--; /* what it holds is no block */
    assert_status(ask(client, "SELECT 7", &value, &err), LX_E_FORMAT, &err);
    lx_ch_close(client);
}

static void test_no_answer(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    uint64_t value;
    reset();
    struct lx_ch *client = open_plain();
    fake->silent_on = "7";
    assert_status(ask(client, "SELECT 7", &value, &err), LX_E_REMOTE, &err);
    says(err.text, "the engine gives no answer");
    assert_status(run(client, "DROP 7", NULL, 0, 0, &err), LX_E_REMOTE, &err);
    fake->silent_on = NULL;
    fake->breaks_at = 2;
    assert_status(ask(client, "SELECT 7", &value, &err), LX_E_REMOTE, &err);
    says(err.text, "the engine gives no answer");
    assert_int_equal(fake->cancels, 1); /* it had not come to its end */
    fake->breaks_with_error = true;
    fake->error = "Code: 241. DB::Exception: Memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)";
    assert_status(ask(client, "SELECT 7", &value, &err), LX_E_REMOTE, &err);
    assert_int_equal(err.code, 241);
    says(err.text, "the-id");
    assert_int_equal(fake->cancels, 1); /* it had */
    fake->breaks_at = 0;
    assert_status(ask(client, "SELECT 7", &value, &err), LX_OK, &err);
    assert_true(value == 7);
    assert_int_equal(fake->connected, 1); /* one connection served all of them */
    lx_ch_close(client);
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *error, *says;
        int code;
        enum lx_status status;
    } cases[] = {
        {"Code: 60. DB::Exception: Table x does not exist. (UNKNOWN_TABLE)", "Table x", 60,
         LX_E_NOTFOUND},
        {"Code: 159. DB::Exception: Timeout exceeded. (TIMEOUT_EXCEEDED)", "Timeout exceeded", 0,
         LX_E_TIMEOUT},
        /* Nobody of ours asked for that. */
        {"Code: 394. DB::Exception: Query was cancelled. (QUERY_WAS_CANCELLED)", "cancelled", 394,
         LX_E_REMOTE},
        {"no exception at all", "no exception at all", 0, LX_E_REMOTE},
    };
    reset();
    struct lx_ch *client = open_plain();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lx_err err = LX_ERR_INIT;
        uint64_t value;
        fake->error_on = "7";
        fake->error = cases[i].error;
        assert_status(ask(client, "SELECT 7", &value, &err), cases[i].status, &err);
        says(err.text, cases[i].says);
        says(err.text, "the-id");
        assert_int_equal(err.code, cases[i].code);
        assert_status(run(client, "DROP 7", NULL, 0, 0, &err), cases[i].status, &err);
    }
    lx_ch_close(client);
}

static void test_connections(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    struct lx_ch_result *results[LX_CH_MAX_CONNECTIONS], *more = NULL;
    const struct lx_ch_query query = {.sql = "SELECT 7", .no_pinned = true};
    reset();
    struct lx_ch *client = open_plain();
    for (size_t i = 0; i < LX_CH_MAX_CONNECTIONS; i++)
        assert_status(lx_ch_select(client, &query, &results[i], &err), LX_OK, &err);
    assert_int_equal(fake->connections, LX_CH_MAX_CONNECTIONS);
    assert_status(lx_ch_select(client, &query, &more, &err), LX_E_BUSY, &err);
    says(err.text, "64 queries run already");
    lx_ch_result_free(results[0]);
    assert_status(lx_ch_select(client, &query, &results[0], &err), LX_OK, &err);
    for (size_t i = 0; i < LX_CH_MAX_CONNECTIONS; i++)
        lx_ch_result_free(results[i]);
    assert_int_equal(fake->connections, LX_CH_MAX_CONNECTIONS); /* kept */
    fake->no_handle = true;                                     /* no further one is needed */
    assert_status(run(client, "A", NULL, 0, 0, &err), LX_OK, &err);
    lx_ch_close(client);
}

/* -- cancelling ---------------------------------------------------------------------------- */

static void test_cancel(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    struct lx_cancel cancel = {0}, own = {0};
    struct lx_ch *client = NULL;
    struct lx_ch_result *result;
    struct lx_ch_block *block;
    struct lx_ch_query query = {.sql = "SELECT 7", .no_pinned = true, .cancel = &own};
    reset();
    assert_status(open_with((struct lx_ch_options){.cancel = &cancel}, &client, &err), LX_OK, &err);
    assert_int_equal(fake->connections, 2);
    /* The query's own flag is looked at between two pieces; the others go on. */
    assert_status(lx_ch_select(client, &query, &result, &err), LX_OK, &err);
    assert_status(lx_ch_next(result, &block, &err), LX_OK, &err);
    assert_int_equal(block->rows, 1);
    lx_cancel_ask(&own);
    assert_status(lx_ch_next(result, &block, &err), LX_E_CANCELLED, &err);
    says(err.text, "interrupted");
    lx_ch_result_free(result);
    assert_int_equal(atomic_load(&fake->kills), 0);
    /* The client's ends what runs, and lets nothing begin. */
    query.cancel = NULL;
    assert_status(lx_ch_select(client, &query, &result, &err), LX_OK, &err);
    lx_cancel_ask(&cancel);
    for (int i = 0; i < 500 && atomic_load(&fake->kills) == 0; i++)
        usleep(10000);
    assert_true(atomic_load(&fake->kills) > 0);
    assert_status(run(client, "A", NULL, 0, 0, &err), LX_E_CANCELLED, &err);
    says(err.text, "interrupted");
    lx_ch_result_free(result);
    lx_ch_close(client);
    says(fake->log, "KILL QUERY WHERE query_id != queryID() ASYNC\n");
}

/* -- memory -------------------------------------------------------------------------------- */

static enum lx_status scenario(struct lx_err *err)
{
    static const struct lx_ch_setting settings[] = {{"limit", "5"}, {"max_block_size", "9"}};
    struct lx_cancel cancel = {0};
    struct lx_ch *client = NULL;
    uint64_t value = 0;
    LX_TRY(open_with((struct lx_ch_options){.database = "db", .cancel = &cancel}, &client, err));
    enum lx_status status = run(client, "A", settings, 2, 1000, err);
    if (status == LX_OK)
        status = ask(client, "SELECT 7", &value, err);
    if (status == LX_OK)
        assert_true(value == 7);
    lx_ch_close(client);
    return status;
}

static void test_memory(void **state)
{
    (void)state;
    size_t before = lx_alloc_used();
    for (uint64_t n = 1;; n++) {
        struct lx_err err = LX_ERR_INIT;
        reset();
        lx_alloc_fail_at(n);
        enum lx_status status = scenario(&err);
        lx_alloc_fail_at(0);
        assert_int_equal(lx_alloc_used(), before);
        if (status == LX_OK)
            break;
        assert_status(status, LX_E_MEMORY, &err);
        assert_true(n < 300);
    }
    reset();
}

static int set_up(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/lynex-embedded-fake.XXXXXX");
    assert_non_null(mkdtemp(directory));
    snprintf(url, sizeof url, "embedded://%s", directory);
    void *library = dlopen(FAKE_CHDB, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    assert_non_null(library);
    fake = dlsym(library, "fake_chdb");
    assert_non_null(fake);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char line[96];
    snprintf(line, sizeof line, "rm -rf '%s'", directory);
    return system(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path),           cmocka_unit_test(test_bad_places),
        cmocka_unit_test(test_long_names),     cmocka_unit_test(test_connecting_fails),
        cmocka_unit_test(test_busy_directory), cmocka_unit_test(test_library),
        cmocka_unit_test(test_settings),       cmocka_unit_test(test_pinned),
        cmocka_unit_test(test_settings_fail),  cmocka_unit_test(test_answers),
        cmocka_unit_test(test_no_answer),      cmocka_unit_test(test_errors),
        cmocka_unit_test(test_connections),    cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
