/* config_target.c: where the archive lies, and where ClickHouse answers, out of several settings.
 */
#include "config/config_private.h"

#include "base/alloc.h"
#include "base/limits.h"

#include <stdio.h>

static struct lx_str trim_slashes(struct lx_str text)
{
    while (text.len > 0 && text.ptr[0] == '/') {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && text.ptr[text.len - 1] == '/')
        text.len--;
    return text;
}

/* Keys hold these only, so that every reader's idea of URL encoding agrees. */
static enum lx_status check_folder(const char *setting, struct lx_str text, struct lx_err *err)
{
    struct lx_str part = {text.ptr, 0};
    for (size_t i = 0; i <= text.len; i++) {
        char c = i < text.len ? text.ptr[i] : '/';
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    strchr("._=/-", c) != NULL;
        if (!good || c == 0) {
            lx_err_set(err, LX_E_ARGUMENT, "%s=%.*s may hold letters, digits and . _ = / - only",
                       setting, LX_STR_ARG(text));
            return LX_E_ARGUMENT;
        }
        part.len = (size_t)(text.ptr + i - part.ptr);
        if (c != '/')
            continue;
        if (text.len > 0 && (part.len == 0 || lx_str_is(part, ".") || lx_str_is(part, "..")))
            return lx_err_set(err, LX_E_ARGUMENT,
                              "%s=%.*s has an empty part, or one that leaves it", setting,
                              LX_STR_ARG(text));
        part = (struct lx_str){text.ptr + i + 1, 0};
    }
    return LX_OK;
}

static enum lx_status keep(struct lx_config *config, struct lx_str text, const char **to,
                           struct lx_err *err)
{
    *to = lx_config_keep(config, text.ptr, text.len);
    return *to != NULL ? LX_OK : lx_err_memory(err);
}

static enum lx_status check_bucket(const char *setting, struct lx_str bucket, struct lx_err *err)
{
    bool good = bucket.len >= 3 && bucket.len <= 63;
    for (size_t i = 0; good && i < bucket.len; i++) {
        char c = bucket.ptr[i];
        good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '.' || c == '_';
    }
    if (!good)
        return lx_err_set(err, LX_E_ARGUMENT,
                          "%s: \"%.*s\" is no bucket's name (3 to 63 letters, "
                          "digits, - and .)",
                          setting, LX_STR_ARG(bucket));
    return LX_OK;
}

static enum lx_status url_target(struct lx_config *config, struct lx_err *err)
{
    struct lx_str url = lx_str_of(config->url);
    struct lx_config_target *target = &config->target;
    if (lx_str_starts(url, LX_STR("s3://"))) {
        struct lx_str rest = {url.ptr + 5, url.len - 5};
        const char *slash = memchr(rest.ptr, '/', rest.len);
        struct lx_str bucket = {rest.ptr, slash != NULL ? (size_t)(slash - rest.ptr) : rest.len};
        struct lx_str root =
            trim_slashes((struct lx_str){rest.ptr + bucket.len, rest.len - bucket.len});
        LX_TRY(check_bucket("ARCHIVE_URL", bucket, err));
        LX_TRY(check_folder("ARCHIVE_URL", root, err));
        LX_TRY(keep(config, bucket, &target->bucket, err));
        return keep(config, root, &target->root, err);
    }
    if (lx_str_starts(url, LX_STR("file:///")) && url.len > 8) {
        target->is_directory = true;
        struct lx_str path = {url.ptr + 7, url.len - 7};
        while (path.len > 1 && path.ptr[path.len - 1] == '/')
            path.len--;
        return keep(config, path, &target->directory, err);
    }
    /* Its text is not repeated: it may hold a password. */
    lx_err_set(err, LX_E_ARGUMENT, "ARCHIVE_URL is neither s3://BUCKET/ROOT nor file:///DIR");
    lx_err_hint(err, "a directory is written with three slashes: file:///var/lib/lynex/archive");
    return LX_E_ARGUMENT;
}

/* A URL stands for several settings. What comes from a stronger source than it (a flag over .env)
 * wins; else the URL does, and what it overrides is said. */
static enum lx_status url_wins(struct lx_config *config, enum lx_setting url,
                               const enum lx_setting *parts, size_t count, bool *wins,
                               struct lx_err *err)
{
    const struct lx_config_entry *entry = &config->entries[url];
    *wins = entry->value[0] != 0;
    for (size_t i = 0; *wins && i < count; i++) {
        const struct lx_config_entry *part = &config->entries[parts[i]];
        if (part->origin > entry->origin) {
            *wins = false;
            return lx_config_note(config, err,
                                  "%s is set more nearly than %s, which is not looked at",
                                  lx_setting_info(parts[i])->name, lx_setting_info(url)->name);
        }
    }
    for (size_t i = 0; *wins && i < count; i++)
        if (config->entries[parts[i]].origin != LX_ORIGIN_DEFAULT)
            LX_TRY(lx_config_note(config, err, "%s is not looked at, since %s is set",
                                  lx_setting_info(parts[i])->name, lx_setting_info(url)->name));
    return LX_OK;
}

static const char *first_of(const char *a, const char *b)
{
    return a[0] != 0 ? a : b;
}

static enum lx_status resolve_target(struct lx_config *config, struct lx_err *err)
{
    struct lx_config_target *target = &config->target;
    struct lx_str prefix = trim_slashes(lx_str_of(config->prefix));
    struct lx_str root = trim_slashes(lx_str_of(config->root));
    target->directory = target->bucket = target->root = "";
    if (prefix.len == 0)
        prefix = LX_STR("events");
    LX_TRY(check_folder("S3_ARCHIVE_PREFIX", prefix, err));
    if (prefix.ptr[0] == '_')
        return lx_err_set(err, LX_E_ARGUMENT,
                          "S3_ARCHIVE_PREFIX=%.*s must not begin with '_': those "
                          "folders are the log's and lynex's own",
                          LX_STR_ARG(prefix));
    LX_TRY(keep(config, prefix, &target->prefix, err));
    static const enum lx_setting parts[] = {LX_SETTING_S3_ARCHIVE_BUCKET,
                                            LX_SETTING_S3_ARCHIVE_ROOT};
    bool use_url = false;
    LX_TRY(url_wins(config, LX_SETTING_ARCHIVE_URL, parts, sizeof parts / sizeof parts[0], &use_url,
                    err));
    if (use_url) {
        LX_TRY(url_target(config, err));
    } else {
        LX_TRY(check_bucket("S3_ARCHIVE_BUCKET", lx_str_of(config->bucket), err));
        LX_TRY(check_folder("S3_ARCHIVE_ROOT", root, err));
        LX_TRY(keep(config, lx_str_of(config->bucket), &target->bucket, err));
        LX_TRY(keep(config, root, &target->root, err));
    }
    target->region = first_of(config->region, config->default_region);
    target->endpoint = first_of(config->endpoint_s3, config->endpoint);
    target->storage_class = config->storage_class;
    if (strcmp(config->storage_class, "none") == 0)
        target->storage_class = "";
    return LX_OK;
}

/* -- ClickHouse ---------------------------------------------------------------------------- */

static bool is_set(const struct lx_config *config, enum lx_setting setting)
{
    return config->entries[setting].origin != LX_ORIGIN_DEFAULT;
}

/* The reference's .env names the native port: HTTP is tried where it usually is. */
static enum lx_status port_of(struct lx_config *config, bool *secure, int64_t *port,
                              struct lx_err *err)
{
    int64_t given = config->clickhouse_port;
    *secure = config->clickhouse_secure;
    if (!is_set(config, LX_SETTING_CLICKHOUSE_SECURE) &&
        (given == 8443 || given == 9440 || config->clickhouse_http_port == 8443))
        *secure = true;
    if (config->clickhouse_http_port != 0) {
        *port = config->clickhouse_http_port;
        return LX_OK;
    }
    *port = given != 0 ? given : *secure ? 8443 : 8123;
    if (given != 9000 && given != 9440)
        return LX_OK;
    *port = *secure ? 8443 : 8123;
    return lx_config_note(config, err,
                          "CLICKHOUSE_PORT=%lld is ClickHouse's native port; lynex speaks "
                          "HTTP and tries port %lld (CLICKHOUSE_HTTP_PORT says otherwise)",
                          (long long)given, (long long)*port);
}

static enum lx_status server_of_host(struct lx_config *config, struct lx_config_server *server,
                                     struct lx_err *err)
{
    bool secure;
    int64_t port;
    struct lx_buf url = LX_BUF(LX_CONFIG_MAX_VALUE);
    const char *host = config->clickhouse_host;
    if (strpbrk(host, "/@?# ") != NULL) {
        lx_err_set(err, LX_E_ARGUMENT, "CLICKHOUSE_HOST is not a host's name");
        lx_err_hint(err, "a URL belongs into CLICKHOUSE_URL");
        return LX_E_ARGUMENT;
    }
    if (strchr(host, ':') != NULL && strchr(host, ':') == strrchr(host, ':')) {
        lx_err_set(err, LX_E_ARGUMENT, "CLICKHOUSE_HOST=%s holds a port", host);
        lx_err_hint(err, "the port belongs into CLICKHOUSE_PORT");
        return LX_E_ARGUMENT;
    }
    LX_TRY(port_of(config, &secure, &port, err));
    bool bare_ipv6 = strchr(host, ':') != NULL && host[0] != '[';
    enum lx_status status =
        lx_buf_printf(&url, "%s://%s%s%s:%lld", secure ? "https" : "http", bare_ipv6 ? "[" : "",
                      host, bare_ipv6 ? "]" : "", (long long)port);
    server->url = status == LX_OK ? lx_config_keep_buf(config, &url) : NULL;
    lx_buf_free(&url);
    return server->url != NULL ? LX_OK : lx_err_memory(err);
}

/* Undoes %XX. */
static enum lx_status keep_decoded(struct lx_config *config, struct lx_str text, const char **to,
                                   struct lx_err *err)
{
    char *copy = lx_config_keep(config, text.ptr, text.len);
    size_t used = 0;
    if (copy == NULL)
        return lx_err_memory(err);
    for (size_t i = 0; i < text.len; i++) {
        uint64_t byte;
        if (text.ptr[i] == '%' && i + 2 < text.len &&
            lx_str_to_hex64((struct lx_str){text.ptr + i + 1, 2}, &byte) && byte != 0) {
            copy[used++] = (char)byte;
            i += 2;
        } else {
            copy[used++] = text.ptr[i];
        }
    }
    copy[used] = 0;
    *to = copy;
    return LX_OK;
}

/* http[s]://[USER:PASSWORD@]HOST[:PORT][/DATABASE] */
static enum lx_status server_of_url(struct lx_config *config, struct lx_str url,
                                    struct lx_config_server *server, struct lx_err *err)
{
    struct lx_buf origin = LX_BUF(LX_CONFIG_MAX_VALUE);
    size_t scheme = lx_str_starts(url, LX_STR("https://"))  ? 8
                    : lx_str_starts(url, LX_STR("http://")) ? 7
                                                            : 0;
    if (lx_str_starts(url, LX_STR("embedded:///")) && url.len > 12)
        return keep(config, url, &server->url, err);
    if (scheme == 0) {
        lx_err_set(err, LX_E_ARGUMENT,
                   "CLICKHOUSE_URL must begin with http://, https:// or "
                   "embedded:///");
        lx_err_hint(err, "for example https://clickhouse.example.com:8443; the native protocol "
                         "(port 9000) is not spoken");
        return LX_E_ARGUMENT;
    }
    struct lx_str rest = {url.ptr + scheme, url.len - scheme};
    /* A password may hold '/': the host begins behind the last '@'. */
    const char *at = memrchr(rest.ptr, '@', rest.len);
    size_t skip = at != NULL ? (size_t)(at - rest.ptr) : 0;
    const char *slash = memchr(rest.ptr + skip, '/', rest.len - skip);
    struct lx_str authority = {rest.ptr, slash != NULL ? (size_t)(slash - rest.ptr) : rest.len};
    struct lx_str path =
        trim_slashes((struct lx_str){rest.ptr + authority.len, rest.len - authority.len});
    struct lx_str host = authority;
    if (at != NULL) {
        struct lx_str who = {authority.ptr, (size_t)(at - authority.ptr)};
        const char *colon = memchr(who.ptr, ':', who.len);
        struct lx_str user = {who.ptr, colon != NULL ? (size_t)(colon - who.ptr) : who.len};
        host = (struct lx_str){at + 1, authority.len - who.len - 1};
        LX_TRY(keep_decoded(config, user, &server->user, err));
        if (colon != NULL)
            LX_TRY(keep_decoded(config, (struct lx_str){colon + 1, who.len - user.len - 1},
                                &server->password, err));
    }
    if (host.len == 0)
        return lx_err_set(err, LX_E_ARGUMENT, "CLICKHOUSE_URL has no host");
    if (path.len != 0)
        LX_TRY(keep_decoded(config, path, &server->database, err));
    const char *bracket = memchr(host.ptr, ']', host.len);
    const char *after = bracket != NULL ? bracket : host.ptr;
    bool has_port = memchr(after, ':', host.len - (size_t)(after - host.ptr)) != NULL;
    enum lx_status status = lx_buf_str(&origin, (struct lx_str){url.ptr, scheme});
    if (status == LX_OK)
        status = lx_buf_str(&origin, host);
    if (status == LX_OK && !has_port)
        status = lx_buf_text(&origin, scheme == 8 ? ":8443" : ":8123");
    server->url = status == LX_OK ? lx_config_keep_buf(config, &origin) : NULL;
    lx_buf_free(&origin);
    return server->url != NULL ? LX_OK : lx_err_memory(err);
}

/* What the URL says of user and database wins over settings of their own. */
static enum lx_status note_overridden(struct lx_config *config,
                                      const struct lx_config_server *server, struct lx_err *err)
{
    const struct {
        enum lx_setting setting;
        const char *own, *used;
    } parts[] = {
        {LX_SETTING_CLICKHOUSE_DATABASE, config->clickhouse_database, server->database},
        {LX_SETTING_CLICKHOUSE_USER, config->clickhouse_user, server->user},
        {LX_SETTING_CLICKHOUSE_PASSWORD, config->clickhouse_password, server->password},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (is_set(config, parts[i].setting) && strcmp(parts[i].own, parts[i].used) != 0)
            LX_TRY(lx_config_note(config, err,
                                  "%s is not looked at, since CLICKHOUSE_URL holds another",
                                  lx_setting_info(parts[i].setting)->name));
    return LX_OK;
}

static enum lx_status resolve_servers(struct lx_config *config, struct lx_err *err)
{
    static const enum lx_setting parts[] = {LX_SETTING_CLICKHOUSE_HOST, LX_SETTING_CLICKHOUSE_PORT,
                                            LX_SETTING_CLICKHOUSE_HTTP_PORT,
                                            LX_SETTING_CLICKHOUSE_SECURE};
    struct lx_str list = lx_str_of(config->clickhouse_url);
    bool use_url = false;
    LX_TRY(url_wins(config, LX_SETTING_CLICKHOUSE_URL, parts, sizeof parts / sizeof parts[0],
                    &use_url, err));
    if (!use_url)
        list.len = 0;
    config->servers = lx_calloc(LX_CONFIG_MAX_SERVERS, sizeof *config->servers);
    if (config->servers == NULL)
        return lx_err_memory(err);
    do {
        const char *comma = memchr(list.ptr, ',', list.len);
        size_t size = comma != NULL ? (size_t)(comma - list.ptr) : list.len;
        struct lx_str url = lx_str_trim((struct lx_str){list.ptr, size});
        if (config->server_count == LX_CONFIG_MAX_SERVERS)
            return lx_err_set(err, LX_E_ARGUMENT, "CLICKHOUSE_URL lists more than %d servers",
                              LX_CONFIG_MAX_SERVERS);
        struct lx_config_server *server = &config->servers[config->server_count++];
        *server = (struct lx_config_server){.user = config->clickhouse_user,
                                            .password = config->clickhouse_password,
                                            .database = config->clickhouse_database};
        LX_TRY(!use_url ? server_of_host(config, server, err)
                        : server_of_url(config, url, server, err));
        LX_TRY(note_overridden(config, server, err));
        size += comma != NULL;
        list = (struct lx_str){list.ptr + size, list.len - size};
    } while (list.len > 0);
    return LX_OK;
}

enum lx_status lx_config_resolve(struct lx_config *config, struct lx_err *err)
{
    LX_TRY(resolve_target(config, err));
    return resolve_servers(config, err);
}
