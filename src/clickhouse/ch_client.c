/* ch_client.c: opening, and sending a statement with its settings. */
#include "clickhouse/ch_client.h"

#include "base/alloc.h"
#include "clickhouse/ch_error.h"
#include "net/url.h"

#include <stdarg.h>
#include <stdio.h>

static enum lx_status open_driver(struct lx_ch *client, const struct lx_ch_options *options,
                                  struct lx_err *err)
{
    struct lx_url url;
    if (options->url == NULL)
        return lx_err_set(err, LX_E_ARGUMENT, "no URL of ClickHouse");
    LX_TRY(lx_url_parse(lx_str_of(options->url), &url, err));
    if (lx_url_scheme_is(&url, "embedded")) {
        client->driver = &lx_ch_embedded_driver;
        return lx_ch_embedded_open(options, &client->self, &client->where, err);
    }
    if (lx_url_scheme_is(&url, "http") || lx_url_scheme_is(&url, "https")) {
        client->driver = &lx_ch_http_driver;
        return lx_ch_http_open(options, &client->self, &client->where, err);
    }
    lx_err_set(err, LX_E_ARGUMENT, "CLICKHOUSE_URL %s: ClickHouse is not reached by %.*s",
               options->url, LX_STR_ARG(url.scheme));
    lx_err_hint(err, "http://host:8123, https://host:8443 and embedded:///dir are understood.");
    return LX_E_ARGUMENT;
}

static void wish(struct lx_ch *client, const char *name, const char *value)
{
    client->usual[client->usual_count++] = (struct lx_ch_setting){name, value};
}

static enum lx_status take_names(struct lx_ch *client, const struct lx_ch_options *options)
{
    char run[20];
    snprintf(run, sizeof run, "%016llx", (unsigned long long)lx_random_u64(&options->random));
    client->run = lx_strdup(options->run != NULL ? options->run : run);
    client->log_comment = lx_strdup(options->log_comment != NULL ? options->log_comment : "lynex");
    if (client->run == NULL || client->log_comment == NULL)
        return LX_E_MEMORY;
    snprintf(client->max_threads, sizeof client->max_threads, "%lld",
             (long long)options->max_threads);
    snprintf(client->priority, sizeof client->priority, "%lld", (long long)options->priority);
    wish(client, "log_comment", client->log_comment);
    if (options->max_threads > 0)
        wish(client, "max_threads", client->max_threads);
    if (options->priority > 0)
        wish(client, "priority", client->priority);
    return LX_OK;
}

static void free_client(struct lx_ch *client)
{
    lx_free(client->run);
    lx_free(client->log_comment);
    lx_free(client);
}

enum lx_status lx_ch_open(const struct lx_ch_options *options, struct lx_ch **client,
                          struct lx_err *err)
{
    struct lx_ch *fresh = lx_calloc(1, sizeof *fresh);
    if (fresh == NULL)
        return lx_err_memory(err);
    enum lx_status status =
        take_names(fresh, options) == LX_OK ? open_driver(fresh, options, err) : lx_err_memory(err);
    if (status != LX_OK) {
        free_client(fresh);
        return status;
    }
    fresh->max_block_bytes = options->max_block_bytes;
    fresh->say = options->say;
    fresh->say_context = options->say_context;
    pthread_mutex_init(&fresh->lock, NULL);
    *client = fresh;
    return LX_OK;
}

void lx_ch_close(struct lx_ch *client)
{
    if (client == NULL)
        return;
    client->driver->close(client->self);
    pthread_mutex_destroy(&client->lock);
    free_client(client);
}

void lx_ch_query_id(struct lx_ch *client, const char *purpose, char *id, size_t size)
{
    snprintf(id, size, "lynex-%.32s-%.32s-%llu", purpose != NULL ? purpose : "query", client->run,
             atomic_fetch_add(&client->queries, 1) + 1);
}

const char *lx_ch_where(const struct lx_ch *client)
{
    return client->where;
}

void lx_ch_say(const struct lx_ch *client, const char *format, ...)
{
    char text[LX_ERR_TEXT];
    va_list args;
    if (client->say == NULL)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    client->say(client->say_context, text);
}

static struct lx_ch_dialect dialect_of(struct lx_ch *client)
{
    pthread_mutex_lock(&client->lock);
    struct lx_ch_dialect dialect = client->dialect;
    pthread_mutex_unlock(&client->lock);
    return dialect;
}

/* Asked once: what is newer than the server need not be refused one by one. */
static enum lx_status learn_version(struct lx_ch *client, struct lx_err *err)
{
    pthread_mutex_lock(&client->lock);
    bool known = client->version_known;
    pthread_mutex_unlock(&client->lock);
    if (known)
        return LX_OK;
    /* Known to every server from 23.8 on, and in the way of this very question. */
    static const struct lx_ch_setting plain[] = {
        {"limit", "0"}, {"offset", "0"}, {"use_query_cache", "0"}};
    struct lx_ch_query query = {.sql = "SELECT version()",
                                .purpose = "version",
                                .settings = plain,
                                .setting_count = sizeof plain / sizeof plain[0],
                                .no_pinned = true};
    struct lx_ch_table answer = {0};
    LX_TRY(lx_ch_query_all(client, &query, 1, &answer, err));
    enum lx_status status = lx_ch_table_check(&answer, "t", err);
    if (status == LX_OK && answer.block.rows == 1) {
        unsigned version = lx_ch_version_number(lx_ch_text(&answer, 0, 0));
        pthread_mutex_lock(&client->lock);
        client->dialect.version = version;
        client->version_known = true;
        pthread_mutex_unlock(&client->lock);
    } else if (status == LX_OK) {
        status = lx_err_set(err, LX_E_FORMAT, "%s: no answer to SELECT version()", client->where);
    }
    lx_ch_table_free(&answer);
    return status;
}

/* A wish that the server refuses, before anything ran, is said and left out from now on. */
static bool forget_wish(struct lx_ch *client, const struct lx_ch_setting *wishes, size_t count,
                        const struct lx_err *err)
{
    const char *name = lx_ch_settings_named_in(wishes, count, lx_str_of(err->text));
    const struct lx_ch_setting *refused = wishes;
    if (name == NULL)
        return false;
    while (refused->name != name)
        refused++;
    pthread_mutex_lock(&client->lock);
    bool good = lx_ch_settings_refuse(&client->dialect, refused);
    pthread_mutex_unlock(&client->lock);
    if (good)
        lx_ch_say(client, "ClickHouse refuses the setting %s=%.100s (%s): queries go without it",
                  name, refused->value, err->name);
    return good;
}

/* A pinned setting that the server does not know (a refusal before anything ran) is remembered and
 * left out; true where the statement may be sent again. */
static bool forget_setting(struct lx_ch *client, const struct lx_ch_query *query,
                           const struct lx_ch_setting *list, size_t count, size_t wishes,
                           const struct lx_err *err)
{
    bool unknown = err->code == LX_CH_CODE_UNKNOWN_SETTING;
    if (!unknown && err->code != LX_CH_CODE_READONLY && err->code != LX_CH_CODE_SETTING_CONSTRAINT)
        return false;
    if (forget_wish(client, list + count - wishes, wishes, err))
        return true;
    const char *name = lx_ch_settings_named_in(list, count, lx_str_of(err->text));
    size_t pin = name != NULL ? lx_ch_pinned_find(name) : LX_CH_PIN_COUNT;
    if (!unknown || pin == LX_CH_PIN_COUNT)
        return false;
    for (size_t i = 0; i < query->setting_count; i++)
        if (strcmp(query->settings[i].name, name) == 0)
            return false; /* the query asked for it itself */
    pthread_mutex_lock(&client->lock);
    client->dialect.unknown[pin] = true;
    pthread_mutex_unlock(&client->lock);
    return true;
}

static void explain_setting(const struct lx_ch_setting *list, size_t count, struct lx_err *err)
{
    if (err->code != LX_CH_CODE_READONLY && err->code != LX_CH_CODE_SETTING_CONSTRAINT &&
        err->code != LX_CH_CODE_UNKNOWN_SETTING)
        return;
    const char *name = lx_ch_settings_named_in(list, count, lx_str_of(err->text));
    for (size_t i = 0; name != NULL && i < count; i++)
        if (strcmp(list[i].name, name) == 0)
            lx_err_context(err, "the setting %s=%s", name, list[i].value);
}

static enum lx_status name_query(struct lx_ch *client, const struct lx_ch_query *query,
                                 char query_id[LX_CH_MAX_QUERY_ID], struct lx_err *err)
{
    if (query->query_id != NULL) {
        size_t size = strlen(query->query_id);
        if (size == 0 || size >= LX_CH_MAX_QUERY_ID)
            return lx_err_set(err, LX_E_ARGUMENT, "a query id of %zu characters", size);
        memcpy(query_id, query->query_id, size + 1);
        return LX_OK;
    }
    lx_ch_query_id(client, query->purpose, query_id, LX_CH_MAX_QUERY_ID);
    return LX_OK;
}

static enum lx_status check_query(const struct lx_ch_query *query, struct lx_err *err)
{
    if (query->sql == NULL || query->sql[0] == 0)
        return lx_err_set(err, LX_E_BUG, "an empty statement");
    if (strlen(query->sql) > LX_CH_MAX_SQL)
        return lx_err_set(err, LX_E_LIMIT, "a statement of more than %zu MiB",
                          LX_CH_MAX_SQL / LX_MIB);
    if (query->setting_count + query->wish_count > LX_CH_MAX_QUERY_SETTINGS)
        return lx_err_set(err, LX_E_BUG, "%zu settings for one query",
                          query->setting_count + query->wish_count);
    return LX_OK;
}

enum lx_status lx_ch_begin(struct lx_ch *client, const struct lx_ch_query *query, bool select,
                           char query_id[LX_CH_MAX_QUERY_ID], void **stream, struct lx_err *err)
{
    struct lx_err own = LX_ERR_INIT;
    if (err == NULL)
        err = &own; /* what failed decides below */
    LX_TRY(check_query(query, err));
    LX_TRY(name_query(client, query, query_id, err));
    if (!query->no_pinned)
        LX_TRY(learn_version(client, err));
    struct lx_ch_setting list[LX_CH_MAX_SETTINGS];
    size_t wishes;
    struct lx_ch_call call = {
        .sql = query->sql,
        .query_id = query_id,
        .settings = list,
        .timeout_ms = query->timeout_ms,
        .cancel = query->cancel,
        .select = select,
    };
    enum lx_status status;
    /* Each round but the last forgets one setting. */
    for (size_t round = 0; round <= LX_CH_PIN_COUNT + LX_CH_MAX_REFUSED; round++) {
        struct lx_ch_dialect dialect = dialect_of(client);
        call.setting_count = lx_ch_settings_merge(&dialect, query, client->usual,
                                                  client->usual_count, list, &wishes);
        status = client->driver->begin(client->self, &call, stream, err);
        if (status == LX_OK ||
            !forget_setting(client, query, list, call.setting_count, wishes, err))
            break;
        lx_err_clear(err);
    }
    if (status != LX_OK)
        explain_setting(list, call.setting_count, err);
    return status;
}
