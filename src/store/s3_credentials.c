/* s3_credentials.c: the keys of S3, from settings or the files that other AWS tools share
 * ("Configuration and credential file settings" of the AWS CLI). */
#include "store/s3.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#define MAX_FILE LX_MIB

void lx_s3_credentials_clear(struct lx_s3_credentials *credentials)
{
    explicit_bzero(credentials, sizeof *credentials);
}

/* Text of templates: "your-key-id", "<key>", "changeme", "xxxx". */
static bool is_placeholder(const char *text)
{
    static const char *const starts[] = {"your-",    "your_",     "your ",     "<",
                                         "changeme", "change-me", "change_me", "xxx",
                                         "example-", "todo",      "replace"};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
        if (strncasecmp(text, starts[i], strlen(starts[i])) == 0)
            return true;
    return false;
}

static const char *without_placeholder(const struct lx_s3_credential_sources *sources,
                                       const char *name, const char *value)
{
    char text[160];
    if (value == NULL || value[0] == 0 || !is_placeholder(value))
        return value != NULL ? value : "";
    snprintf(text, sizeof text, "%s holds a placeholder and counts as not set", name);
    if (sources->say != NULL)
        sources->say(sources->say_context, text);
    return "";
}

/* -- profile files ------------------------------------------------------------------------- */

static enum lx_status read_file(const char *path, struct lx_buf *text, struct lx_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? LX_E_NOTFOUND
                   : lx_err_errno(err, errno, "cannot open %s", path);
    enum lx_status status = LX_OK;
    for (;;) {
        status = lx_buf_reserve(text, 4096);
        if (status != LX_OK) {
            lx_err_set(err, status, "%s is too large", path);
            break;
        }
        ssize_t got = read(fd, text->data + text->len, 4096);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            status = lx_err_errno(err, errno, "cannot read %s", path);
        if (got <= 0)
            break;
        text->len += (size_t)got;
    }
    close(fd);
    return status;
}

static void keep(const char *name, struct lx_str value, char *to, size_t size,
                 const char **too_long)
{
    if (value.len >= size)
        *too_long = name;
    else if (to[0] == 0)
        snprintf(to, size, "%.*s", (int)value.len, value.ptr);
}

static void take_setting(struct lx_str name, struct lx_str value, struct lx_s3_credentials *c,
                         const char **too_long)
{
    if (lx_str_is(name, "aws_access_key_id"))
        keep("aws_access_key_id", value, c->access_key, sizeof c->access_key, too_long);
    else if (lx_str_is(name, "aws_secret_access_key"))
        keep("aws_secret_access_key", value, c->secret_key, sizeof c->secret_key, too_long);
    else if (lx_str_is(name, "aws_session_token"))
        keep("aws_session_token", value, c->session_token, sizeof c->session_token, too_long);
    else if (lx_str_is(name, "region"))
        keep("region", value, c->region, sizeof c->region, too_long);
}

/* "[default]", "[profile staging]" (config file), "[staging]" (credentials file). */
static bool names_profile(struct lx_str line, const char *profile)
{
    const char *close = memchr(line.ptr, ']', line.len);
    if (line.len < 2 || close == NULL)
        return false;
    struct lx_str name = lx_str_trim((struct lx_str){line.ptr + 1, (size_t)(close - line.ptr - 1)});
    if (lx_str_starts(name, LX_STR("profile ")))
        name = lx_str_trim((struct lx_str){name.ptr + 8, name.len - 8});
    return lx_str_is(name, profile);
}

static enum lx_status parse(const char *path, struct lx_str text, const char *profile,
                            struct lx_s3_credentials *c, bool *found, struct lx_err *err)
{
    bool inside = false;
    const char *too_long = NULL;
    while (text.len > 0) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t size = end != NULL ? (size_t)(end - text.ptr) : text.len;
        struct lx_str line = lx_str_trim((struct lx_str){text.ptr, size});
        size += end != NULL;
        text = (struct lx_str){text.ptr + size, text.len - size};
        if (line.len == 0 || line.ptr[0] == '#' || line.ptr[0] == ';')
            continue;
        if (line.ptr[0] == '[') {
            inside = names_profile(line, profile);
            *found = *found || inside;
            continue;
        }
        const char *equals = memchr(line.ptr, '=', line.len);
        if (!inside || equals == NULL)
            continue;
        struct lx_str name = lx_str_trim((struct lx_str){line.ptr, (size_t)(equals - line.ptr)});
        struct lx_str value =
            lx_str_trim((struct lx_str){equals + 1, line.len - (size_t)(equals + 1 - line.ptr)});
        take_setting(name, value, c, &too_long);
    }
    if (too_long != NULL)
        return lx_err_set(err, LX_E_ARGUMENT, "%s: %s of profile %s is too long", path, too_long,
                          profile);
    return LX_OK;
}

static enum lx_status read_profile(const char *path, const char *profile,
                                   struct lx_s3_credentials *c, bool *found, struct lx_err *err)
{
    struct lx_buf text = LX_BUF(MAX_FILE);
    enum lx_status status = read_file(path, &text, err);
    if (status == LX_OK && text.len > 0)
        status = parse(path, lx_buf_view(&text), profile, c, found, err);
    if (text.data != NULL)
        explicit_bzero(text.data, text.cap);
    lx_buf_free(&text);
    return status == LX_E_NOTFOUND ? LX_OK : status;
}

static void path_of(const char *given, const char *name, char *path, size_t size)
{
    const char *home = getenv("HOME");
    if (given != NULL && given[0] == '~' && given[1] == '/' && home != NULL)
        snprintf(path, size, "%s%s", home, given + 1);
    else if (given != NULL && given[0] != 0)
        snprintf(path, size, "%s", given);
    else
        snprintf(path, size, "%s/.aws/%s", home != NULL ? home : "", name);
}

/* -- all sources --------------------------------------------------------------------------- */

static bool take_settings(const struct lx_s3_credential_sources *sources,
                          struct lx_s3_credentials *c)
{
    const char *access = without_placeholder(sources, "AWS_ACCESS_KEY_ID", sources->access_key);
    const char *secret = without_placeholder(sources, "AWS_SECRET_ACCESS_KEY", sources->secret_key);
    const char *token = without_placeholder(sources, "AWS_SESSION_TOKEN", sources->session_token);
    if (access[0] == 0 || secret[0] == 0)
        return false;
    snprintf(c->access_key, sizeof c->access_key, "%s", access);
    snprintf(c->secret_key, sizeof c->secret_key, "%s", secret);
    snprintf(c->session_token, sizeof c->session_token, "%s", token);
    snprintf(c->source, sizeof c->source, "environment");
    return true;
}

static enum lx_status nothing_found(const struct lx_s3_credential_sources *sources,
                                    const char *profile, const char *path, struct lx_err *err)
{
    bool half = (sources->access_key != NULL && sources->access_key[0] != 0) !=
                (sources->secret_key != NULL && sources->secret_key[0] != 0);
    lx_err_set(err, LX_E_AUTH, "there are no S3 credentials%s",
               half ? ": only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set" : "");
    lx_err_hint(err,
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, in the environment or in "
                ".env, or put a profile [%s] into %s",
                profile, path);
    return LX_E_AUTH;
}

enum lx_status lx_s3_find_credentials(const struct lx_s3_credential_sources *sources,
                                      struct lx_s3_credentials *credentials, struct lx_err *err)
{
    char credentials_path[4096], config_path[4096];
    const char *profile =
        sources->profile != NULL && sources->profile[0] != 0 ? sources->profile : "default";
    bool found = false;
    memset(credentials, 0, sizeof *credentials);
    if ((sources->access_key != NULL && strlen(sources->access_key) >= 256) ||
        (sources->secret_key != NULL && strlen(sources->secret_key) >= 512) ||
        (sources->session_token != NULL && strlen(sources->session_token) >= 8192))
        return lx_err_set(err, LX_E_ARGUMENT,
                          "the S3 credentials are longer than any that S3 gives");
    path_of(sources->credentials_file, "credentials", credentials_path, sizeof credentials_path);
    path_of(sources->config_file, "config", config_path, sizeof config_path);
    /* A profile that is named says which account is meant: keys of the settings still win, as with
     * other AWS tools; its region counts in any case. */
    bool have = take_settings(sources, credentials);
    struct lx_s3_credentials of_files = {0};
    enum lx_status status = read_profile(credentials_path, profile, &of_files, &found, err);
    if (status == LX_OK)
        status = read_profile(config_path, profile, &of_files, &found, err);
    if (status != LX_OK && have) /* they are not needed */
        status = LX_OK;
    snprintf(credentials->region, sizeof credentials->region, "%s", of_files.region);
    if (status == LX_OK && !have && of_files.access_key[0] != 0 && of_files.secret_key[0] != 0) {
        *credentials = of_files;
        snprintf(credentials->source, sizeof credentials->source, "%.200s [%.40s]",
                 credentials_path, profile);
        have = true;
    }
    lx_s3_credentials_clear(&of_files);
    if (status != LX_OK)
        return status;
    if (!have && sources->profile != NULL && !found) {
        lx_err_set(err, LX_E_AUTH, "there is no profile %s in %s or %s", profile, credentials_path,
                   config_path);
        lx_err_hint(err, "AWS_PROFILE names a profile of these files");
        return LX_E_AUTH;
    }
    return have ? LX_OK : nothing_found(sources, profile, credentials_path, err);
}
