/* http.c: the client and its lanes. */
#include "net/http_private.h"

#include "base/alloc.h"

#include <assert.h>

#ifndef LYNEX_VERSION
#define LYNEX_VERSION "0"
#endif

/* libcurl wants to be started once a process; it is the process's, not a client's. */
static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_ready = CURLE_FAILED_INIT;

static void start_curl(void)
{
    curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void free_lane(struct lx_http_lane *lane)
{
    if (lane == NULL)
        return;
    curl_easy_cleanup(lane->easy);
    if (lane->multi != NULL)
        curl_multi_cleanup(lane->multi);
    lx_free(lane);
}

enum lx_status lx_http_take_lane(struct lx_http *client, struct lx_http_lane **out,
                                 struct lx_err *err)
{
    pthread_mutex_lock(&client->lock);
    struct lx_http_lane *lane = client->idle;
    if (lane != NULL) {
        client->idle = lane->next;
        client->idle_count--;
        client->busy_count++;
    }
    pthread_mutex_unlock(&client->lock);
    if (lane == NULL) {
        lane = lx_calloc(1, sizeof *lane);
        if (lane == NULL)
            return lx_err_memory(err);
        lane->multi = curl_multi_init();
        lane->easy = curl_easy_init();
        if (lane->multi == NULL || lane->easy == NULL) {
            free_lane(lane);
            return lx_err_memory(err);
        }
        pthread_mutex_lock(&client->lock);
        client->busy_count++;
        pthread_mutex_unlock(&client->lock);
    }
    lane->next = NULL;
    *out = lane;
    return LX_OK;
}

void lx_http_return_lane(struct lx_http *client, struct lx_http_lane *lane, bool good)
{
    curl_easy_reset(lane->easy);
    pthread_mutex_lock(&client->lock);
    assert(client->busy_count > 0);
    client->busy_count--;
    /* After a failed look-up libcurl 7.88 refuses options on the same handle. */
    if (good && client->idle_count < LX_HTTP_MAX_IDLE) {
        lane->next = client->idle;
        client->idle = lane;
        client->idle_count++;
        lane = NULL;
    }
    pthread_mutex_unlock(&client->lock);
    free_lane(lane);
}

static char *copy_or_null(const char *text)
{
    return text != NULL && text[0] != 0 ? lx_strdup(text) : NULL;
}

enum lx_status lx_http_open(const struct lx_http_options *options, struct lx_http **out,
                            struct lx_err *err)
{
    pthread_once(&curl_once, start_curl);
    if (curl_ready != CURLE_OK)
        return lx_err_set(err, LX_E_BUG, "libcurl did not start: %s",
                          curl_easy_strerror(curl_ready));
    struct lx_http *client = lx_calloc(1, sizeof *client);
    if (client == NULL)
        return lx_err_memory(err);
    pthread_mutex_init(&client->lock, NULL);
    bool with_bundle = options->ca_bundle != NULL && options->ca_bundle[0] != 0;
    client->ca_bundle = copy_or_null(options->ca_bundle);
    client->ca_setting = lx_strdup(options->ca_setting != NULL ? options->ca_setting : "CA bundle");
    client->user_agent =
        lx_strdup(options->user_agent != NULL ? options->user_agent : "lynex/" LYNEX_VERSION);
    client->connect_timeout_ms =
        options->connect_timeout_ms > 0 ? options->connect_timeout_ms : LX_HTTP_CONNECT_MS;
    client->idle_timeout_ms =
        options->idle_timeout_ms > 0 ? options->idle_timeout_ms : LX_HTTP_IDLE_MS;
    client->keep_seconds = options->keep_seconds > 0 ? options->keep_seconds : LX_HTTP_KEEP_SECONDS;
    client->clock = options->clock;
    client->cancel = options->cancel;
    if ((with_bundle && client->ca_bundle == NULL) || client->ca_setting == NULL ||
        client->user_agent == NULL) {
        lx_http_close(client);
        return lx_err_memory(err);
    }
    *out = client;
    return LX_OK;
}

void lx_http_close(struct lx_http *client)
{
    if (client == NULL)
        return;
    assert(client->busy_count == 0);
    while (client->idle != NULL) {
        struct lx_http_lane *next = client->idle->next;
        free_lane(client->idle);
        client->idle = next;
    }
    pthread_mutex_destroy(&client->lock);
    lx_free(client->ca_bundle);
    lx_free(client->ca_setting);
    lx_free(client->user_agent);
    lx_free(client);
}
