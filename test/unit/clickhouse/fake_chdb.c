#include "fake_chdb.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct chdb_connection {
    int nothing;
};

struct chdb_result {
    const char *error, *bytes;
    size_t size;
    int next; /* of a stream: the piece that comes next */
};

extern struct fake_chdb fake_chdb;
struct fake_chdb fake_chdb;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct chdb_connection **chdb_connect(int argc, char **argv);
void chdb_close_conn(struct chdb_connection **connection);
struct chdb_result *chdb_query(struct chdb_connection *connection, const char *sql,
                               const char *format);
struct chdb_result *chdb_stream_query(struct chdb_connection *connection, const char *sql,
                                      const char *format);
struct chdb_result *chdb_stream_fetch_result(struct chdb_connection *connection,
                                             struct chdb_result *stream);
void chdb_stream_cancel_query(struct chdb_connection *connection, struct chdb_result *stream);
void chdb_destroy_query_result(struct chdb_result *result);
char *chdb_result_buffer(struct chdb_result *result);
size_t chdb_result_length(struct chdb_result *result);
const char *chdb_result_error(struct chdb_result *result);

static void ignore(int number)
{
    (void)number;
}

/* As the real one: takes a signal for itself. */
struct chdb_connection **chdb_connect(int argc, char **argv)
{
    fake_chdb.connected++;
    signal(SIGUSR2, ignore);
    strncpy(fake_chdb.path, argc == 2 ? argv[1] : "", sizeof fake_chdb.path - 1);
    bool fails = fake_chdb.connected >= fake_chdb.fails_from;
    if (fails && fake_chdb.no_handle)
        return NULL;
    struct chdb_connection **handle = malloc(sizeof *handle);
    *handle = fails && fake_chdb.empty_handle ? NULL : malloc(sizeof **handle);
    fake_chdb.connections++;
    return handle;
}

void chdb_close_conn(struct chdb_connection **connection)
{
    free(*connection);
    free(connection);
    fake_chdb.connections--;
}

static struct chdb_result *make(const char *error, const char *bytes, size_t size)
{
    struct chdb_result *result = calloc(1, sizeof *result);
    *result = (struct chdb_result){.error = error, .bytes = bytes, .size = size};
    atomic_fetch_add(&fake_chdb.results, 1);
    return result;
}

static struct chdb_result *answer(const char *sql, const char *format, bool streamed)
{
    pthread_mutex_lock(&lock);
    size_t used = strlen(fake_chdb.log), size = strlen(sql);
    if (used + size + 2 < sizeof fake_chdb.log) {
        memcpy(fake_chdb.log + used, sql, size);
        memcpy(fake_chdb.log + used + size, "\n", 2);
    }
    struct chdb_result *result = NULL;
    if (strncmp(sql, "KILL", 4) == 0)
        atomic_fetch_add(&fake_chdb.kills, 1);
    if (fake_chdb.error_on != NULL && strstr(sql, fake_chdb.error_on) != NULL)
        result = make(fake_chdb.error, "", 0);
    else if (fake_chdb.silent_on == NULL || strstr(sql, fake_chdb.silent_on) == NULL)
        result = make(NULL, "", 0);
    if (result != NULL && !streamed && fake_chdb.whole && strcmp(format, "Native") == 0) {
        result->bytes = fake_chdb.pieces[0].bytes;
        result->size = fake_chdb.pieces[0].size;
    }
    pthread_mutex_unlock(&lock);
    return result;
}

struct chdb_result *chdb_query(struct chdb_connection *connection, const char *sql,
                               const char *format)
{
    (void)connection;
    return answer(sql, format, false);
}

struct chdb_result *chdb_stream_query(struct chdb_connection *connection, const char *sql,
                                      const char *format)
{
    (void)connection;
    return answer(sql, format, true);
}

struct chdb_result *chdb_stream_fetch_result(struct chdb_connection *connection,
                                             struct chdb_result *stream)
{
    (void)connection;
    int at = stream->next++;
    if (at + 1 == fake_chdb.breaks_at)
        return fake_chdb.breaks_with_error ? make(fake_chdb.error, "", 0) : NULL;
    if (at >= FAKE_PIECES)
        return make(NULL, "", 0);
    return make(NULL, fake_chdb.pieces[at].bytes, fake_chdb.pieces[at].size);
}

void chdb_stream_cancel_query(struct chdb_connection *connection, struct chdb_result *stream)
{
    (void)connection;
    (void)stream;
    fake_chdb.cancels++;
}

void chdb_destroy_query_result(struct chdb_result *result)
{
    free(result);
    atomic_fetch_sub(&fake_chdb.results, 1);
}

char *chdb_result_buffer(struct chdb_result *result)
{
    char *bytes;
    memcpy(&bytes, &result->bytes, sizeof bytes);
    return bytes;
}

size_t chdb_result_length(struct chdb_result *result)
{
    return result->size;
}

const char *chdb_result_error(struct chdb_result *result)
{
    return result->error;
}
