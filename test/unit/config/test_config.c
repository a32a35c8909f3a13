/* The .env format, precedence, names that look like ours, values. */
#include "config/config.h"

#include "base/alloc.h"
#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* -- the file format ----------------------------------------------------------------------- */

struct pairs {
    char text[4096];
};

static enum lx_status collect(void *context, const struct lx_config_assignment *a,
                              struct lx_err *err)
{
    struct pairs *pairs = context;
    size_t used = strlen(pairs->text);
    (void)err;
    snprintf(pairs->text + used, sizeof pairs->text - used, "%d:%s=[%s]%s;", a->line, a->name,
             a->value, a->undefined ? "?" : "");
    return LX_OK;
}

static const char *look_up(void *context, struct lx_str name)
{
    (void)context;
    return lx_str_is(name, "HOME") ? "/home/me" : lx_str_is(name, "EMPTY") ? "" : NULL;
}

static void reads(const char *text, const char *want)
{
    struct pairs pairs = {""};
    struct lx_err err = LX_ERR_INIT;
    if (lx_config_read_file("F", lx_str_of(text), look_up, collect, &pairs, &err) != LX_OK)
        fail_msg("%s: %s", text, err.text);
    if (strcmp(pairs.text, want) != 0)
        fail_msg("%s:\n  %s\nis not\n  %s", text, pairs.text, want);
}

static void refuses(const char *text, const char *word)
{
    struct pairs pairs = {""};
    struct lx_err err = LX_ERR_INIT;
    if (lx_config_read_file("F", lx_str_of(text), look_up, collect, &pairs, &err) != LX_E_ARGUMENT)
        fail_msg("taken: %s -> %s", text, pairs.text);
    if (strstr(err.text, word) == NULL)
        fail_msg("%s: %s", text, err.text);
}

static void test_format(void **state)
{
    (void)state;
    reads("", "");
    reads("A=1", "1:A=[1];");
    reads("\xef\xbb\xbf"
          "A=1\r\n\r\n# c\r\n  B = 2 \r\n",
          "1:A=[1];4:B=[2];");
    reads("export A=1\nexport\tB=2\n", "1:A=[1];2:B=[2];");
    reads("A=x # comment\nB=x#none\nC=# empty\nD=   # empty\nE=a # b # c",
          "1:A=[x];2:B=[x#none];"
          "3:C=[];4:D=[];5:E=[a];");
    reads("A='a # b'  # c\nB=\"x # y\"", "1:A=[a # b];2:B=[x # y];");
    reads("A='it\\'s \\\\ \\n'", "1:A=[it's \\ \\n];");
    reads("A=\"l1\\nl2\\t\\\"q\\\" \\$x \\q\"", "1:A=[l1\nl2\t\"q\" $x \\q];");
    reads("A='two\nlines'\nB=1", "1:A=[two\nlines];3:B=[1];");
    reads("A=${HOME}/x\nB='${HOME}'\nC=\"${HOME}\"\nD=$HOME", "1:A=[/home/me/x];2:B=[${HOME}];"
                                                              "3:C=[/home/me];4:D=[$HOME];");
    reads("A=${NONE:-d e}\nB=${EMPTY:-f}\nC=${NONE}\nD=x${NONE}", "1:A=[d e];2:B=[f];3:C=[]?;"
                                                                  "4:D=[x]?;");
    reads("A==b=c", "1:A=[=b=c];");
    reads("some.other-NAME=1", "1:some.other-NAME=[1];");
}

static void test_bad_format(void **state)
{
    (void)state;
    refuses("A", "F:1: not of the form");
    refuses("A=1\n\n=x", "F:3: not of the form");
    refuses("A B=1", "not of the form");
    refuses("A='x", "F:1: a quote '");
    refuses("A=1\nB=\"x\ny", "F:2: a quote \"");
    refuses("A='x'y", "behind the closing quote");
    refuses("A=${x", "${ without");
    refuses("A=${}", "without a name");
    refuses("A=${a b}", "no variable has");
}

/* -- loading ------------------------------------------------------------------------------- */

static struct lx_config *config;
static struct lx_err err;

static enum lx_status load(const char *const *args, const char *const *environment)
{
    size_t count = 0;
    while (args != NULL && args[count] != NULL)
        count++;
    const struct lx_config_input input = {
        .arg_count = count, .args = args, .environment = environment};
    lx_config_free(config);
    config = NULL;
    lx_err_clear(&err);
    return lx_config_load(&input, &config, &err);
}

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static int clean(void **state)
{
    (void)state;
    lx_config_free(config);
    config = NULL;
    return 0;
}

static void test_defaults(void **state)
{
    (void)state;
    assert_int_equal(load(NULL, NULL), LX_OK);
    assert_int_equal(config->after_days, 30);
    assert_true(config->delete_after);
    assert_int_equal(config->file_size, 128 << 20);
    assert_int_equal(config->interval, 86400);
    assert_string_equal(config->target.bucket, "lynex-cold-storage");
    assert_string_equal(config->target.prefix, "events");
    assert_string_equal(config->target.storage_class, "STANDARD_IA");
    assert_string_equal(config->servers[0].url, "http://localhost:8123");
    assert_int_equal(config->server_count, 1);
    assert_int_equal(config->note_count, 0);
}

static void test_values(void **state)
{
    (void)state;
    assert_int_equal(load(ARGS("archive", "--archive-after-days", "45 days", "--archive-file-mb=1G",
                               "--archive-interval-hours", "90m", "--no-delete-after-archive",
                               "--archive-mode", "SOAK", "--dry-run", "--", "--json"),
                          NULL),
                     LX_OK);
    assert_int_equal(config->after_days, 45);
    assert_int_equal(config->file_size, 1 << 30);
    assert_int_equal(config->interval, 5400);
    assert_false(config->delete_after);
    assert_int_equal(config->mode, LX_SET_SOAK);
    assert_int_equal(config->arg_count, 3);
    assert_string_equal(config->args[0], "archive");
    assert_string_equal(config->args[1], "--dry-run");
    assert_string_equal(config->args[2], "--json");
    static const char *const bad[] = {
        "abc", "-1", "36501", "1.5", "30 hours", "99999999999999999999", "0x10", "+3"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (load(ARGS("--archive-after-days", bad[i]), NULL) != LX_E_ARGUMENT)
            fail_msg("taken: %s", bad[i]);
    static const char *const yes[] = {"true", "TRUE", "1", "yes", "on"};
    static const char *const no[] = {"false", "False", "0", "no", "OFF"};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(load(ARGS("--delete-after-archive", no[i]), NULL), LX_OK);
        assert_false(config->delete_after);
        assert_int_equal(load(ARGS("--delete-after-archive", yes[i]), NULL), LX_OK);
        assert_true(config->delete_after);
    }
    assert_int_equal(load(ARGS("--archive-after-days"), NULL), LX_E_ARGUMENT);
    assert_int_equal(load(ARGS("--archive-after-days", "--json"), NULL), LX_E_ARGUMENT);
}

static void test_precedence(void **state)
{
    (void)state;
    assert_int_equal(load(ARGS("--archive-after-days", "1"), ARGS("ARCHIVE_AFTER_DAYS=2")), LX_OK);
    assert_int_equal(config->after_days, 1);
    assert_int_equal(load(NULL, ARGS("ARCHIVE_AFTER_DAYS=2")), LX_OK);
    assert_int_equal(config->after_days, 2);
    assert_int_equal(config->entries[LX_SETTING_ARCHIVE_AFTER_DAYS].origin, LX_ORIGIN_ENVIRONMENT);
    assert_int_equal(load(NULL, ARGS("ARCHIVE_AFTER_DAYS=  ")), LX_OK);
    assert_int_equal(config->after_days, 30);
}

static void test_lookalikes(void **state)
{
    static const char *const bad[][2] = {{"ARCHIVE_BATCHSIZE=1", "ARCHIVE_BATCH_SIZE"},
                                         {"DELETE_AFTER_ARCHVE=false", "DELETE_AFTER_ARCHIVE"},
                                         {"DELETE_AFTER_ARCHIEV=false", "DELETE_AFTER_ARCHIVE"},
                                         {"archive_after_days=3", "ARCHIVE_AFTER_DAYS"},
                                         {"CLICKHOUSE_PASWORD=x", "CLICKHOUSE_PASSWORD"},
                                         {"S3_ARCHIVE_BUCKETT=x", "S3_ARCHIVE_BUCKET"},
                                         {"AWS_ACESS_KEY_ID=x", "AWS_ACCESS_KEY_ID"},
                                         {"ARCHIVE_SOMETHING_ELSE=x", ""}};
    static const char *const good[] = {"BATCH_SIZE=1",
                                       "MAX_BATCH_SIZE=1",
                                       "REDIS_URL=x",
                                       "HTTP_PROXY=x",
                                       "CLICKHOUSE_SERVICE_HOST=10.0.0.1",
                                       "CLICKHOUSE_PORT=tcp://10.0.0.1:8123",
                                       "CLICKHOUSE_PORT_8123_TCP_ADDR=10.0.0.1",
                                       "ARCHIVE_BATCHSIZE="};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (load(NULL, ARGS(bad[i][0])) != LX_E_ARGUMENT)
            fail_msg("taken: %s", bad[i][0]);
        if (strstr(err.hint, bad[i][1]) == NULL)
            fail_msg("%s: %s / %s", bad[i][0], err.text, err.hint);
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (load(NULL, ARGS(good[i])) != LX_OK)
            fail_msg("%s: %s", good[i], err.text);
    assert_int_equal(load(NULL, ARGS("ARCHIVE_MINE=1", "LYNEX_IGNORE=X, ARCHIVE_MINE")), LX_OK);
    char nearest[64];
    assert_true(lx_config_nearest_flag(LX_STR("--archve-mode"), NULL, nearest, sizeof nearest));
    assert_string_equal(nearest, "--archive-mode");
    assert_false(lx_config_nearest_flag(LX_STR("--zzzzzzzz"), NULL, nearest, sizeof nearest));
}

static void server_is(const char *const *environment, const char *url, const char *user,
                      const char *password, const char *database)
{
    if (load(NULL, environment) != LX_OK)
        fail_msg("%s: %s", environment[0], err.text);
    assert_string_equal(config->servers[0].url, url);
    assert_string_equal(config->servers[0].user, user);
    assert_string_equal(config->servers[0].password, password);
    assert_string_equal(config->servers[0].database, database);
}

static void test_servers(void **state)
{
    (void)state;
    server_is(ARGS("CLICKHOUSE_HOST=db", "CLICKHOUSE_PORT=9000"), "http://db:8123", "default", "",
              "default");
    assert_int_equal(config->note_count, 1);
    server_is(ARGS("CLICKHOUSE_HOST=db", "CLICKHOUSE_PORT=9440"), "https://db:8443", "default", "",
              "default");
    server_is(ARGS("CLICKHOUSE_PORT=9000", "CLICKHOUSE_HTTP_PORT=18123"), "http://localhost:18123",
              "default", "", "default");
    assert_int_equal(config->note_count, 0);
    server_is(ARGS("CLICKHOUSE_PORT=8443", "CLICKHOUSE_SECURE=false"), "http://localhost:8443",
              "default", "", "default");
    server_is(ARGS("CLICKHOUSE_HOST=::1"), "http://[::1]:8123", "default", "", "default");
    server_is(ARGS("CLICKHOUSE_URL=https://u%40x:p%3A/w@db.example/prod", "CLICKHOUSE_USER=other"),
              "https://db.example:8443", "u@x", "p:/w", "prod");
    server_is(ARGS("CLICKHOUSE_URL=embedded:///var/lib/x"), "embedded:///var/lib/x", "default", "",
              "default");
    assert_int_equal(load(NULL, ARGS("CLICKHOUSE_URL=http://a:1,http://b:2")), LX_OK);
    assert_int_equal(config->server_count, 2);
    assert_string_equal(config->servers[1].url, "http://b:2");
    server_is(ARGS("CLICKHOUSE_HTTP_PORT=8443"), "https://localhost:8443", "default", "",
              "default");
    static const char *const bad[] = {"CLICKHOUSE_URL=tcp://a:9000", "CLICKHOUSE_URL=http://",
                                      "CLICKHOUSE_HOST=http://a",    "CLICKHOUSE_HOST=a:9000",
                                      "CLICKHOUSE_PORT=70000",       "CLICKHOUSE_PORT=http"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (load(NULL, ARGS(bad[i])) != LX_E_ARGUMENT)
            fail_msg("taken: %s", bad[i]);
}

/* What a URL says in place of a setting is told, and nothing else; never the values. */
static void test_overridden(void **state)
{
    (void)state;
    static const char *const says[] = {"CLICKHOUSE_DATABASE is not looked at",
                                       "CLICKHOUSE_PASSWORD is not looked at"};
    assert_int_equal(
        load(NULL, ARGS("CLICKHOUSE_URL=http://u:hunter2@a:1/other", "CLICKHOUSE_DATABASE=prod",
                        "CLICKHOUSE_USER=u", "CLICKHOUSE_PASSWORD=hunter3")),
        LX_OK);
    assert_int_equal(config->note_count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_non_null(strstr(config->notes[i], says[i]));
        assert_null(strstr(config->notes[i], "hunter"));
    }
    assert_int_equal(load(NULL, ARGS("CLICKHOUSE_URL=http://a:1", "CLICKHOUSE_DATABASE=prod",
                                     "CLICKHOUSE_USER=u", "CLICKHOUSE_PASSWORD=x")),
                     LX_OK);
    assert_int_equal(config->note_count, 0);
}

static void test_targets(void **state)
{
    (void)state;
    static const char *const prefixes[] = {"events", "events/", "/events", "//events//", ""};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        assert_int_equal(load(ARGS("--s3-archive-prefix", prefixes[i]), NULL), LX_OK);
        assert_string_equal(config->target.prefix, "events");
    }
    assert_int_equal(load(NULL, ARGS("ARCHIVE_URL=s3://my.bucket/a/b/", "S3_ARCHIVE_BUCKET=other")),
                     LX_OK);
    assert_string_equal(config->target.bucket, "my.bucket");
    assert_string_equal(config->target.root, "a/b");
    assert_int_equal(load(NULL, ARGS("ARCHIVE_URL=file:///var/x/")), LX_OK);
    assert_true(config->target.is_directory);
    assert_string_equal(config->target.directory, "/var/x");
    assert_int_equal(load(NULL, ARGS("S3_STORAGE_CLASS=none")), LX_OK);
    assert_string_equal(config->target.storage_class, "");
    static const char *const bad[] = {"ARCHIVE_URL=/var/x",     "ARCHIVE_URL=file://x",
                                      "ARCHIVE_URL=s3://",      "ARCHIVE_URL=s3://a",
                                      "S3_ARCHIVE_ROOT=a/../b", "S3_ARCHIVE_PREFIX=_delta_log",
                                      "S3_ARCHIVE_PREFIX=a b",  "S3_ARCHIVE_BUCKET=s3://x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (load(NULL, ARGS(bad[i])) != LX_E_ARGUMENT)
            fail_msg("taken: %s", bad[i]);
}

static void test_shown(void **state)
{
    (void)state;
    struct lx_buf text = LX_BUF(LX_MIB);
    assert_int_equal(load(NULL, ARGS("CLICKHOUSE_PASSWORD=hunter2", "AWS_SECRET_ACCESS_KEY=s3cr3t",
                                     "CLICKHOUSE_URL=http://u:hunter2@a:1,http://b:2")),
                     LX_OK);
    assert_int_equal(lx_config_print(config, false, &text), LX_OK);
    assert_null(strstr(lx_buf_cstr(&text), "hunter2"));
    assert_null(strstr(lx_buf_cstr(&text), "s3cr3t"));
    assert_non_null(strstr(lx_buf_cstr(&text), "http://u:***@a:1,http://b:2"));
    assert_non_null(strstr(lx_buf_cstr(&text), "(set, 7 characters)"));
    lx_buf_free(&text);
}

static void test_memory_failures(void **state)
{
    (void)state;
    uint64_t start = lx_alloc_count();
    assert_int_equal(load(ARGS("archive", "--archive-mode", "soak"),
                          ARGS("CLICKHOUSE_URL=http://u:p@a/b", "ARCHIVE_URL=s3://abc/d")),
                     LX_OK);
    uint64_t all = lx_alloc_count() - start;
    assert_true(all > 10);
    for (uint64_t n = 1; n <= all; n++) {
        lx_config_free(config);
        config = NULL;
        lx_alloc_fail_at(n);
        enum lx_status status =
            load(ARGS("archive", "--archive-mode", "soak"),
                 ARGS("CLICKHOUSE_URL=http://u:p@a/b", "ARCHIVE_URL=s3://abc/d"));
        lx_alloc_fail_at(0);
        if (status != LX_E_MEMORY)
            fail_msg("allocation %llu of %llu: %s", (unsigned long long)n, (unsigned long long)all,
                     lx_status_name(status));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_bad_format),
        cmocka_unit_test_teardown(test_defaults, clean),
        cmocka_unit_test_teardown(test_values, clean),
        cmocka_unit_test_teardown(test_precedence, clean),
        cmocka_unit_test_teardown(test_lookalikes, clean),
        cmocka_unit_test_teardown(test_servers, clean),
        cmocka_unit_test_teardown(test_overridden, clean),
        cmocka_unit_test_teardown(test_targets, clean),
        cmocka_unit_test_teardown(test_shown, clean),
        cmocka_unit_test_teardown(test_memory_failures, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
