/* Where keys come from. */
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char said[512];

static void say(void *context, const char *text)
{
    (void)context;
    snprintf(said, sizeof said, "%s", text);
}

static char directory[] = "/tmp/lynex-credentials.XXXXXX";
static char credentials_path[64], config_path[64];

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(credentials_path, sizeof credentials_path, "%s/credentials", directory);
    snprintf(config_path, sizeof config_path, "%s/config", directory);
    write_file(credentials_path, "# a comment\r\n[default]\r\naws_access_key_id = AKD\r\n"
                                 "aws_secret_access_key=SD\r\n\n[ staging ]\n"
                                 "aws_access_key_id=AKS\naws_secret_access_key=S/+=S\n"
                                 "aws_session_token=TS\n[half]\naws_access_key_id=X\n");
    write_file(config_path, "[default]\nregion = eu-west-1\n[profile staging]\nregion=eu-north-1\n"
                            "output = json\n");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(credentials_path);
    unlink(config_path);
    return rmdir(directory);
}

static enum lx_status find(const char *access, const char *secret, const char *token,
                           const char *profile, struct lx_s3_credentials *found, struct lx_err *err)
{
    const struct lx_s3_credential_sources sources = {.access_key = access,
                                                     .secret_key = secret,
                                                     .session_token = token,
                                                     .profile = profile,
                                                     .credentials_file = credentials_path,
                                                     .config_file = config_path,
                                                     .say = say};
    said[0] = 0;
    lx_err_clear(err);
    return lx_s3_find_credentials(&sources, found, err);
}

static void test_sources(void **state)
{
    (void)state;
    struct lx_s3_credentials c;
    struct lx_err err = LX_ERR_INIT;
    assert_int_equal(find("AK", "S", "T", NULL, &c, &err), LX_OK);
    assert_string_equal(c.access_key, "AK");
    assert_string_equal(c.session_token, "T");
    assert_string_equal(c.region, "eu-west-1");
    assert_string_equal(c.source, "environment");
    assert_int_equal(find(NULL, NULL, NULL, NULL, &c, &err), LX_OK);
    assert_string_equal(c.access_key, "AKD");
    assert_string_equal(c.secret_key, "SD");
    assert_string_equal(c.session_token, "");
    assert_int_equal(find("", "", "", "staging", &c, &err), LX_OK);
    assert_string_equal(c.access_key, "AKS");
    assert_string_equal(c.secret_key, "S/+=S");
    assert_string_equal(c.session_token, "TS");
    assert_string_equal(c.region, "eu-north-1");
    lx_s3_credentials_clear(&c);
    assert_string_equal(c.secret_key, "");
}

static void test_placeholders(void **state)
{
    (void)state;
    struct lx_s3_credentials c;
    struct lx_err err = LX_ERR_INIT;
    assert_int_equal(find("your-key-id", "your-secret", NULL, NULL, &c, &err), LX_OK);
    assert_string_equal(c.access_key, "AKD");
    assert_non_null(strstr(said, "placeholder"));
    assert_int_equal(find("AK", "S", "your-session-token", NULL, &c, &err), LX_OK);
    assert_string_equal(c.session_token, "");
}

static void test_nothing(void **state)
{
    (void)state;
    struct lx_s3_credentials c;
    struct lx_err err = LX_ERR_INIT;
    assert_int_equal(find("AK", NULL, NULL, "half", &c, &err), LX_E_AUTH);
    assert_non_null(strstr(err.text, "only one of"));
    assert_int_equal(find(NULL, NULL, NULL, "nobody", &c, &err), LX_E_AUTH);
    assert_non_null(strstr(err.text, "no profile nobody"));
    assert_non_null(strstr(err.hint, "AWS_PROFILE"));
    char path[64];
    snprintf(path, sizeof path, "%s", credentials_path);
    snprintf(credentials_path, sizeof credentials_path, "%s/none", directory);
    assert_int_equal(find(NULL, NULL, NULL, NULL, &c, &err), LX_E_AUTH);
    assert_non_null(strstr(err.hint, "AWS_ACCESS_KEY_ID"));
    snprintf(credentials_path, sizeof credentials_path, "%s", path);
}

static void test_too_long(void **state)
{
    (void)state;
    struct lx_s3_credentials c;
    struct lx_err err = LX_ERR_INIT;
    char longest[300];
    memset(longest, 'A', sizeof longest);
    longest[sizeof longest - 1] = 0;
    assert_int_equal(find(longest, "S", NULL, NULL, &c, &err), LX_E_ARGUMENT);
}

/* Each value has its length, of the environment as of a file; and a file has one. */
static void test_limits(void **state)
{
    (void)state;
    static char longest[9000], line[10000];
    struct lx_s3_credentials c;
    struct lx_err err = LX_ERR_INIT;
    memset(longest, 'A', sizeof longest - 1);
    assert_int_equal(find("AK", longest, NULL, NULL, &c, &err), LX_E_ARGUMENT);
    assert_int_equal(find("AK", "S", longest, NULL, &c, &err), LX_E_ARGUMENT);
    assert_string_equal(err.text, "the S3 credentials are longer than any that S3 gives");
    static const char *const names[] = {"aws_access_key_id", "aws_secret_access_key",
                                        "aws_session_token", "region"};
    char kept[64], want[160];
    snprintf(kept, sizeof kept, "%s", credentials_path);
    snprintf(credentials_path, sizeof credentials_path, "%s/long", directory);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(line, sizeof line, "[default]\n%s = %s", names[i], longest);
        write_file(credentials_path, line);
        assert_int_equal(find(NULL, NULL, NULL, NULL, &c, &err), LX_E_ARGUMENT);
        snprintf(want, sizeof want, "%s: %s of profile default is too long", credentials_path,
                 names[i]);
        assert_string_equal(err.text, want);
        /* Where they are not needed, files may be as they like. */
        assert_int_equal(find("AK", "S", NULL, NULL, &c, &err), LX_OK);
        assert_string_equal(c.access_key, "AK");
    }
    static char large[1100000];
    memset(large, '#', sizeof large - 1);
    write_file(credentials_path, large);
    assert_int_equal(find(NULL, NULL, NULL, NULL, &c, &err), LX_E_LIMIT);
    snprintf(want, sizeof want, "%s is too large", credentials_path);
    assert_string_equal(err.text, want);
    unlink(credentials_path);
    snprintf(credentials_path, sizeof credentials_path, "%s", kept);
}

/* What is no setting is passed over; the first of two counts; the last line needs no end. */
static void test_odd_files(void **state)
{
    (void)state;
    struct lx_s3_credentials c;
    struct lx_err err = LX_ERR_INIT;
    char kept[64];
    snprintf(kept, sizeof kept, "%s", credentials_path);
    snprintf(credentials_path, sizeof credentials_path, "%s/odd", directory);
    write_file(credentials_path, "\n; a comment\n[\n[default\naws_access_key_id=no\n"
                                 "[profile default]\nno setting\nelse = 1\n"
                                 "aws_access_key_id = AK1\naws_access_key_id = AK2\n"
                                 "aws_secret_access_key = S1");
    assert_int_equal(find(NULL, NULL, NULL, NULL, &c, &err), LX_OK);
    assert_string_equal(c.access_key, "AK1");
    assert_string_equal(c.secret_key, "S1");
    write_file(credentials_path, "");
    assert_int_equal(find(NULL, NULL, NULL, "", &c, &err), LX_E_AUTH);
    assert_string_equal(err.text, "there are no S3 credentials");
    unlink(credentials_path);
    /* A directory in its place, and a file in the place of its directory. */
    snprintf(credentials_path, sizeof credentials_path, "%s", directory);
    assert_int_equal(find(NULL, NULL, NULL, NULL, &c, &err), LX_E_IO);
    assert_non_null(strstr(err.text, "cannot read /tmp/lynex-credentials."));
    snprintf(credentials_path, sizeof credentials_path, "%s/x", config_path);
    assert_int_equal(find(NULL, NULL, NULL, NULL, &c, &err), LX_E_AUTH);
    snprintf(credentials_path, sizeof credentials_path, "%s", kept);
}

/* "~" is the home, and so is where nothing is named. */
static void test_home(void **state)
{
    (void)state;
    struct lx_s3_credentials c;
    struct lx_err err = LX_ERR_INIT;
    char path[96], want[128];
    const char *home = getenv("HOME");
    char *before = home != NULL ? strdup(home) : NULL;
    setenv("HOME", directory, 1);
    struct lx_s3_credential_sources sources = {.credentials_file = "~/credentials",
                                               .config_file = "~/config"};
    assert_int_equal(lx_s3_find_credentials(&sources, &c, &err), LX_OK);
    assert_string_equal(c.access_key, "AKD");
    assert_string_equal(c.region, "eu-west-1");
    snprintf(want, sizeof want, "%s/credentials [default]", directory);
    assert_string_equal(c.source, want);
    sources = (struct lx_s3_credential_sources){.credentials_file = "", .access_key = "<key>"};
    assert_int_equal(lx_s3_find_credentials(&sources, &c, &err), LX_E_AUTH);
    snprintf(path, sizeof path, "into %s/.aws/credentials", directory);
    assert_non_null(strstr(err.hint, path));
    unsetenv("HOME");
    sources.credentials_file = "~/credentials"; /* no home: a folder of that name */
    assert_int_equal(lx_s3_find_credentials(&sources, &c, &err), LX_E_AUTH);
    assert_non_null(strstr(err.hint, "into ~/credentials"));
    sources.credentials_file = "~other";
    assert_int_equal(lx_s3_find_credentials(&sources, &c, &err), LX_E_AUTH);
    assert_non_null(strstr(err.hint, "into ~other"));
    sources.credentials_file = NULL;
    assert_int_equal(lx_s3_find_credentials(&sources, &c, &err), LX_E_AUTH);
    assert_non_null(strstr(err.hint, "into /.aws/credentials"));
    if (before != NULL)
        setenv("HOME", before, 1);
    free(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sources), cmocka_unit_test(test_placeholders),
        cmocka_unit_test(test_nothing), cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_limits),  cmocka_unit_test(test_odd_files),
        cmocka_unit_test(test_home),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
