/* ch_embedded.c: statements to an engine within this process (libchdb), over a directory of its
 * own.
 *
 * One engine a process, one directory an engine, one process a directory. A connection runs one
 * statement at a time, so that each running one takes a connection of its own from a pool; settings
 * are set on it before. The engine's calls cannot be interrupted: where there is a cancel flag, a
 * thread looks at it and ends what runs by KILL QUERY. */
#include "clickhouse/ch_embedded.h"

#include "base/alloc.h"
#include "base/thread.h"
#include "clickhouse/ch_error.h"
#include "clickhouse/ch_settings.h"
#include "net/url.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

/* -- errors -------------------------------------------------------------------------------- */

static enum lx_status engine_error(const struct lx_ch_embedded *engine, const char *text,
                                   const char *query_id, struct lx_err *err)
{
    struct lx_ch_exception exception = {.message = lx_str_of(text)};
    (void)lx_ch_exception_parse(lx_str_of(text), &exception);
    if (exception.code == CODE_CANCELLED && lx_cancel_asked(engine->cancel))
        return lx_err_set(err, LX_E_CANCELLED, "%s, query %s: interrupted", engine->where,
                          query_id);
    if (exception.code == CODE_TIMEOUT)
        return lx_err_set(err, LX_E_TIMEOUT, "%s, query %s: %.*s", engine->where, query_id,
                          LX_STR_ARG(exception.message));
    return lx_ch_exception_set(err, &exception, engine->where, query_id);
}

/* Runs a statement whose answer does not matter. */
static enum lx_status run_quietly(const struct lx_ch_embedded *engine,
                                  struct chdb_connection *handle, const char *sql,
                                  const char *query_id, struct lx_err *err)
{
    struct chdb_result *result = engine->lib.query(handle, sql, "Null");
    if (result == NULL)
        return lx_err_set(err, LX_E_REMOTE, "%s: the engine gives no answer", engine->where);
    const char *error = engine->lib.error(result);
    enum lx_status status = error != NULL ? engine_error(engine, error, query_id, err) : LX_OK;
    engine->lib.destroy(result);
    return status;
}

/* -- the directory ------------------------------------------------------------------------- */

/* Another process that has the directory open holds a lock on its file `status`. The engine itself
 * would say so only on stderr. */
static enum lx_status check_lock(const struct lx_ch_embedded *engine, struct lx_err *err)
{
    char path[LX_CH_MAX_DIRECTORY + 16], text[64] = "";
    snprintf(path, sizeof path, "%s/status", engine->directory);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return LX_OK;
    bool busy = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    ssize_t got = busy ? read(fd, text, sizeof text - 1) : 0;
    close(fd);
    uint64_t pid = 0;
    struct lx_str owner = {text, got > 0 ? (size_t)got : 0};
    if (lx_str_starts(owner, LX_STR("PID: "))) {
        owner = (struct lx_str){owner.ptr + 5, owner.len - 5};
        size_t digits = 0;
        while (digits < owner.len && owner.ptr[digits] >= '0' && owner.ptr[digits] <= '9')
            digits++;
        (void)lx_str_to_u64((struct lx_str){owner.ptr, digits}, &pid);
    }
    if (!busy || pid == (uint64_t)getpid())
        return LX_OK;
    lx_err_set(err, LX_E_BUSY, "%s: process %llu has this database open", engine->where,
               (unsigned long long)pid);
    lx_err_hint(err, "One process at a time can open an embedded database: end the other one, or "
                     "wait for it.");
    return LX_E_BUSY;
}

/* -- connections --------------------------------------------------------------------------- */

/* The library sets handlers of its own for signals; the process keeps its own. */
static struct chdb_connection **connect_quietly(const struct lx_ch_embedded *engine)
{
    struct sigaction kept[LAST_SIGNAL + 1];
    bool known[LAST_SIGNAL + 1];
    char path[LX_CH_MAX_DIRECTORY + 16], name[] = "lynex";
    snprintf(path, sizeof path, "--path=%s", engine->directory);
    for (int i = 1; i <= LAST_SIGNAL; i++)
        known[i] = sigaction(i, NULL, &kept[i]) == 0;
    if (engine->lib.enable_signal_handlers != NULL)
        engine->lib.enable_signal_handlers(0);
    char *arguments[] = {name, path, NULL};
    struct chdb_connection **handle = engine->lib.connect(2, arguments);
    for (int i = 1; i <= LAST_SIGNAL; i++)
        if (known[i])
            (void)sigaction(i, &kept[i], NULL);
    return handle;
}

static void free_connection(const struct lx_ch_embedded *engine,
                            struct lx_ch_connection *connection)
{
    if (connection == NULL)
        return;
    if (connection->handle != NULL)
        engine->lib.close_conn(connection->handle);
    lx_buf_free(&connection->settings);
    lx_buf_free(&connection->stale);
    lx_free(connection);
}

static enum lx_status connect_engine(const struct lx_ch_embedded *engine,
                                     struct lx_ch_connection **connection, struct lx_err *err)
{
    struct lx_ch_connection *fresh = lx_calloc(1, sizeof *fresh);
    if (fresh == NULL)
        return lx_err_memory(err);
    fresh->settings = (struct lx_buf)LX_BUF(LX_CH_MAX_SET);
    fresh->stale = (struct lx_buf)LX_BUF(LX_CH_MAX_SET);
    enum lx_status status = check_lock(engine, err);
    if (status == LX_OK) {
        fresh->handle = connect_quietly(engine);
        if (fresh->handle == NULL || *fresh->handle == NULL) {
            status = lx_err_set(err, LX_E_IO, "%s: the engine does not start", engine->where);
            lx_err_hint(err, "Its reason stands on stderr. A process can open one embedded "
                             "database only.");
        }
    }
    if (status == LX_OK && engine->use_sql != NULL)
        status = run_quietly(engine, *fresh->handle, engine->use_sql, "USE", err);
    if (status != LX_OK) {
        free_connection(engine, fresh);
        return status;
    }
    *connection = fresh;
    return LX_OK;
}

static enum lx_status take_connection(struct lx_ch_embedded *engine,
                                      struct lx_ch_connection **connection, struct lx_err *err)
{
    pthread_mutex_lock(&engine->lock);
    enum lx_status status = LX_OK;
    if (engine->idle_count > 0) {
        *connection = engine->idle[--engine->idle_count];
    } else if (engine->busy >= LX_CH_MAX_CONNECTIONS) {
        status = lx_err_set(err, LX_E_BUSY, "%s: %d queries run already", engine->where,
                            LX_CH_MAX_CONNECTIONS);
    } else {
        status = connect_engine(engine, connection, err);
    }
    if (status == LX_OK)
        engine->busy++;
    pthread_mutex_unlock(&engine->lock);
    return status;
}

static void give_back(struct lx_ch_embedded *engine, struct lx_ch_connection *connection)
{
    pthread_mutex_lock(&engine->lock);
    engine->busy--;
    engine->idle[engine->idle_count++] = connection;
    pthread_mutex_unlock(&engine->lock);
}

/* -- cancelling ---------------------------------------------------------------------------- */

/* Ends whatever runs once the cancel flag is set: every query of this engine is ours. */
static void *watch(void *context)
{
    struct lx_ch_embedded *engine = context;
    pthread_mutex_lock(&engine->lock);
    while (!engine->closing) {
        if (lx_cancel_asked(engine->cancel) && engine->busy > 0) {
            pthread_mutex_unlock(&engine->lock);
            struct lx_err quiet = LX_ERR_INIT;
            (void)!run_quietly(engine, *engine->watcher_connection->handle,
                               "KILL QUERY WHERE query_id != queryID() ASYNC", "kill", &quiet);
            pthread_mutex_lock(&engine->lock);
        }
        if (!engine->closing)
            (void)lx_cond_wait_ms(&engine->wake, &engine->lock, WATCH_MS);
    }
    pthread_mutex_unlock(&engine->lock);
    return NULL;
}

static enum lx_status start_watch(struct lx_ch_embedded *engine, struct lx_err *err)
{
    if (engine->cancel == NULL)
        return LX_OK;
    LX_TRY(connect_engine(engine, &engine->watcher_connection, err));
    int error = pthread_create(&engine->watcher, NULL, watch, engine);
    if (error != 0)
        return lx_err_errno(err, error, "%s: no thread to wait for cancelling", engine->where);
    engine->watching = true;
    return LX_OK;
}

/* -- opening ------------------------------------------------------------------------------- */

static enum lx_status take_directory(struct lx_ch_embedded *engine, const char *url_text,
                                     struct lx_err *err)
{
    struct lx_url url;
    LX_TRY(lx_url_parse(lx_str_of(url_text), &url, err));
    if (url.host.len != 0 || url.port != 0 || url.query.len != 0 || url.path.len < 2)
        return lx_err_set(err, LX_E_ARGUMENT,
                          "CLICKHOUSE_URL %s: embedded:///dir names an absolute directory",
                          url_text);
    struct lx_buf path = LX_BUF(LX_CH_MAX_DIRECTORY);
    enum lx_status status = lx_url_unescape(&path, url.path);
    if (status == LX_OK && memchr(lx_buf_cstr(&path), 0, path.len) != NULL)
        status = LX_E_ARGUMENT;
    if (status == LX_OK) {
        engine->directory = lx_strndup(lx_buf_cstr(&path), path.len);
        engine->where = lx_strdup(url_text);
        if (engine->directory == NULL || engine->where == NULL)
            status = LX_E_MEMORY;
    }
    lx_buf_free(&path);
    return status == LX_OK
               ? LX_OK
               : lx_err_set(err, status, "CLICKHOUSE_URL %s: not a directory's name", url_text);
}

static enum lx_status take_database(struct lx_ch_embedded *engine, const char *database,
                                    struct lx_err *err)
{
    if (database == NULL || database[0] == 0)
        return LX_OK;
    struct lx_buf sql = LX_BUF(4 * LX_MAX_NAME);
    enum lx_status status = lx_buf_text(&sql, "USE ");
    if (status == LX_OK)
        status = lx_ch_quote_name(&sql, lx_str_of(database));
    if (status == LX_OK)
        engine->use_sql = (char *)lx_buf_take(&sql, NULL);
    lx_buf_free(&sql);
    return status == LX_OK ? LX_OK : lx_err_set(err, status, "the database's name is too long");
}

static void close_embedded(void *self)
{
    struct lx_ch_embedded *engine = self;
    pthread_mutex_lock(&engine->lock);
    engine->closing = true;
    pthread_cond_broadcast(&engine->wake);
    pthread_mutex_unlock(&engine->lock);
    if (engine->watching)
        pthread_join(engine->watcher, NULL);
    for (size_t i = 0; i < engine->idle_count; i++)
        free_connection(engine, engine->idle[i]);
    free_connection(engine, engine->watcher_connection);
    pthread_cond_destroy(&engine->wake);
    pthread_mutex_destroy(&engine->lock);
    lx_free(engine->directory);
    lx_free(engine->where);
    lx_free(engine->use_sql);
    lx_free(engine);
}

enum lx_status lx_ch_embedded_open(const struct lx_ch_options *options, void **self,
                                   const char **where, struct lx_err *err)
{
    struct lx_ch_embedded *engine = lx_calloc(1, sizeof *engine);
    if (engine == NULL)
        return lx_err_memory(err);
    engine->cancel = options->cancel;
    pthread_mutex_init(&engine->lock, NULL);
    lx_cond_init(&engine->wake);
    struct lx_ch_connection *first = NULL;
    enum lx_status status = take_directory(engine, options->url, err);
    if (status == LX_OK)
        status = take_database(engine, options->database, err);
    if (status == LX_OK)
        status = lx_ch_libchdb_load(options->libchdb, &engine->lib, err);
    /* The engine lives as long as it has a connection: the first stays. */
    if (status == LX_OK)
        status = take_connection(engine, &first, err);
    if (status == LX_OK) {
        give_back(engine, first);
        status = start_watch(engine, err);
    }
    if (status != LX_OK) {
        close_embedded(engine);
        return status;
    }
    *self = engine;
    *where = engine->where;
    return LX_OK;
}

/* -- statements ---------------------------------------------------------------------------- */

static enum lx_status add_set(struct lx_buf *sql, const char *name, const char *value)
{
    LX_TRY(lx_buf_text(sql, sql->len == 0 ? "SET " : ", "));
    LX_TRY(lx_buf_text(sql, name));
    LX_TRY(lx_buf_text(sql, "="));
    return lx_ch_quote_text(sql, lx_str_of(value));
}

/* One SET for all settings of the call. `stale` gets those that the next statement must not
 * inherit.
 */
static enum lx_status make_set(const struct lx_ch_call *call, struct lx_buf *sql,
                               struct lx_buf *stale)
{
    char seconds[24];
    for (size_t i = 0; i < call->setting_count; i++) {
        const char *name = call->settings[i].name;
        if (call->timeout_ms > 0 && strcmp(name, "max_execution_time") == 0)
            continue;
        LX_TRY(add_set(sql, name, call->settings[i].value));
        /* The comment is the client's: always the same. */
        if (lx_ch_pinned_find(name) == LX_CH_PIN_COUNT && strcmp(name, "log_comment") != 0)
            LX_TRY(lx_buf_printf(stale, "%s%s=DEFAULT", stale->len == 0 ? "SET " : ", ", name));
    }
    if (call->timeout_ms > 0) {
        snprintf(seconds, sizeof seconds, "%d", (call->timeout_ms - 1) / 1000 + 1);
        LX_TRY(add_set(sql, "max_execution_time", seconds));
    }
    return LX_OK;
}

static enum lx_status apply_settings(struct lx_ch_embedded *engine,
                                     struct lx_ch_connection *connection,
                                     const struct lx_ch_call *call, struct lx_err *err)
{
    struct lx_buf sql = LX_BUF(LX_CH_MAX_SET), stale = LX_BUF(LX_CH_MAX_SET);
    struct chdb_connection *handle = *connection->handle;
    enum lx_status status = make_set(call, &sql, &stale);
    if (status != LX_OK) {
        lx_err_set(err, status, "%s: the query's settings are too long", engine->where);
        goto end;
    }
    if (connection->stale.len != 0) {
        LX_TRY_GOTO(
            run_quietly(engine, handle, lx_buf_cstr(&connection->stale), call->query_id, err), end);
        lx_buf_clear(&connection->stale);
        lx_buf_clear(&connection->settings);
    }
    if (!lx_str_equal(lx_buf_view(&sql), lx_buf_view(&connection->settings))) {
        /* Until it is known to be done, nothing is known of the connection's settings. */
        lx_buf_clear(&connection->settings);
        LX_TRY_GOTO(run_quietly(engine, handle, lx_buf_cstr(&sql), call->query_id, err), end);
        lx_buf_free(&connection->settings);
        connection->settings = sql;
        sql = (struct lx_buf)LX_BUF(LX_CH_MAX_SET);
    }
    lx_buf_free(&connection->stale);
    connection->stale = stale;
    stale = (struct lx_buf)LX_BUF(LX_CH_MAX_SET);
end:
    lx_buf_free(&sql);
    lx_buf_free(&stale);
    return status;
}

/* The engine streams the answers of SELECT alone; those of others come whole. */
static bool streams(const char *sql)
{
    while (*sql == ' ' || *sql == '\n' || *sql == '\t' || *sql == '\r' || *sql == '(')
        sql++;
    return strncasecmp(sql, "SELECT", 6) == 0 || strncasecmp(sql, "WITH", 4) == 0;
}

static void end_embedded(void *self)
{
    struct lx_ch_embedded_stream *stream = self;
    struct lx_ch_embedded *engine = stream->engine;
    if (stream->chunk != NULL)
        engine->lib.destroy(stream->chunk);
    if (stream->source != NULL) {
        if (!stream->ended)
            engine->lib.stream_cancel(*stream->connection->handle, stream->source);
        engine->lib.destroy(stream->source);
    }
    if (stream->connection != NULL)
        give_back(engine, stream->connection);
    lx_free(stream);
}

static enum lx_status start(struct lx_ch_embedded_stream *stream, const struct lx_ch_call *call,
                            struct lx_err *err)
{
    struct lx_ch_embedded *engine = stream->engine;
    struct chdb_connection *handle = *stream->connection->handle;
    struct chdb_result *result;
    if (call->select && streams(call->sql))
        result = stream->source = engine->lib.stream_query(handle, call->sql, "Native");
    else
        result = stream->chunk = engine->lib.query(handle, call->sql, "Native");
    if (result == NULL)
        return lx_err_set(err, LX_E_REMOTE, "%s: the engine gives no answer", engine->where);
    const char *error = engine->lib.error(result);
    if (error == NULL)
        return LX_OK;
    stream->ended = true;
    return engine_error(engine, error, call->query_id, err);
}

static enum lx_status begin_embedded(void *self, const struct lx_ch_call *call, void **stream,
                                     struct lx_err *err)
{
    struct lx_ch_embedded *engine = self;
    if (lx_cancel_asked(engine->cancel))
        return lx_err_set(err, LX_E_CANCELLED, "%s: interrupted", engine->where);
    struct lx_ch_embedded_stream *fresh = lx_calloc(1, sizeof *fresh);
    if (fresh == NULL)
        return lx_err_memory(err);
    fresh->engine = engine;
    fresh->cancel = call->cancel;
    snprintf(fresh->query_id, sizeof fresh->query_id, "%s", call->query_id);
    enum lx_status status = take_connection(engine, &fresh->connection, err);
    if (status == LX_OK)
        status = apply_settings(engine, fresh->connection, call, err);
    if (status == LX_OK)
        status = start(fresh, call, err);
    if (status != LX_OK) {
        end_embedded(fresh);
        return status;
    }
    *stream = fresh;
    return LX_OK;
}

/* The next piece of a streamed answer; none after the last. */
static enum lx_status fetch(struct lx_ch_embedded_stream *stream, struct lx_err *err)
{
    struct lx_ch_embedded *engine = stream->engine;
    if (stream->chunk != NULL)
        engine->lib.destroy(stream->chunk);
    stream->chunk = NULL;
    stream->pos = 0;
    if (stream->source == NULL || stream->ended)
        return LX_OK;
    if (lx_cancel_asked(engine->cancel) || lx_cancel_asked(stream->cancel))
        return lx_err_set(err, LX_E_CANCELLED, "%s: interrupted", engine->where);
    stream->chunk = engine->lib.stream_fetch(*stream->connection->handle, stream->source);
    if (stream->chunk == NULL)
        return lx_err_set(err, LX_E_REMOTE, "%s: the engine gives no answer", engine->where);
    const char *error = engine->lib.error(stream->chunk);
    if (error != NULL) {
        stream->ended = true;
        return engine_error(engine, error, stream->query_id, err);
    }
    stream->ended = engine->lib.length(stream->chunk) == 0;
    return LX_OK;
}

static enum lx_status read_embedded(void *self, void *to, size_t capacity, size_t *got,
                                    struct lx_err *err)
{
    struct lx_ch_embedded_stream *stream = self;
    const struct lx_ch_libchdb *lib = &stream->engine->lib;
    size_t length = stream->chunk != NULL ? lib->length(stream->chunk) : 0;
    if (stream->pos == length) {
        LX_TRY(fetch(stream, err));
        length = stream->chunk != NULL ? lib->length(stream->chunk) : 0;
    }
    *got = length - stream->pos < capacity ? length - stream->pos : capacity;
    if (*got != 0)
        memcpy(to, lib->buffer(stream->chunk) + stream->pos, *got);
    stream->pos += *got;
    return LX_OK;
}

/* Exceptions never stand within the data here. */
static enum lx_status judge_embedded(void *stream, struct lx_str tail, bool failed,
                                     struct lx_err *err)
{
    (void)stream;
    (void)tail;
    (void)failed;
    (void)err;
    return LX_OK;
}

const struct lx_ch_driver lx_ch_embedded_driver = {
    .begin = begin_embedded,
    .read = read_embedded,
    .judge = judge_embedded,
    .end = end_embedded,
    .close = close_embedded,
};
