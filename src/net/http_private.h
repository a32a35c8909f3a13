/* http_private.h: what the parts of the HTTP client share. http.c owns the client and its lanes,
 * http_request.c prepares an exchange, http_response.c drives it.
 *
 * A lane is a curl multi handle with one easy handle: it has connections of its own, and belongs to
 * one exchange at a time. libcurl does not support sharing connections between threads, so lanes
 * are handed out instead, the last one used first. */
#ifndef LX_NET_HTTP_PRIVATE_H
#define LX_NET_HTTP_PRIVATE_H

#include "net/http.h"

#include <curl/curl.h>
#include <pthread.h>

struct lx_http_lane {
    CURLM *multi;
    CURL *easy;
    struct lx_http_lane *next;
};

struct lx_http {
    char *ca_bundle, *ca_setting, *user_agent; /* ca_bundle NULL: the system's */
    int connect_timeout_ms, idle_timeout_ms, keep_seconds;
    struct lx_clock clock;
    const struct lx_cancel *cancel;

    pthread_mutex_t lock; /* of what follows */
    struct lx_http_lane *idle;
    size_t idle_count, busy_count;
};

LX_MUST_CHECK enum lx_status lx_http_take_lane(struct lx_http *client, struct lx_http_lane **lane,
                                               struct lx_err *err);
/* The easy handle must have left the multi handle. */
/* `good`: the exchange came to its end; else the handle goes. */
void lx_http_return_lane(struct lx_http *client, struct lx_http_lane *lane, bool good);

#define LX_HTTP_WHERE 400

struct lx_http_field { /* offsets into the head */
    uint32_t name, name_len, value, value_len;
};

struct lx_http_response {
    struct lx_http *client;
    struct lx_http_lane *lane;
    char where[LX_HTTP_WHERE]; /* "GET https://host/path": for messages */
    char curl_said[CURL_ERROR_SIZE];

    /* the request */
    struct curl_slist *header_list;
    const char *body;
    size_t body_size, body_at;
    lx_http_source source;
    void *source_context;
    int64_t body_total; /* bytes promised; -1: not known; 0: none */
    bool sends_body, head_only, repeatable, expect, tls;
    int idle_timeout_ms, timeout_ms; /* 0: none */
    const struct lx_cancel *cancel;
    struct lx_http_trace *trace, own_trace;
    struct lx_err source_failure; /* status LX_OK: the source has not failed */

    /* the exchange */
    unsigned attempts; /* times that curl was about to send it */
    bool refused_repeat;
    uint64_t activity; /* grows with every byte and event */
    int64_t spent_ms;  /* within the calls so far */
    bool attached;     /* the easy handle is in the multi handle */
    bool done;
    CURLcode result;

    /* the answer */
    int status;
    bool head_complete, head_overflow, head_memory;
    struct lx_buf head;
    struct lx_http_field fields[LX_HTTP_MAX_HEADERS];
    size_t field_count;
    int64_t received;
    uint8_t *into; /* the reader's buffer while lx_http_read runs */
    size_t into_capacity, into_len;
    struct lx_buf stash; /* bytes that came before or beyond a read */
    size_t stash_at;
    bool paused;
    bool body_ended;       /* whole */
    struct lx_err failure; /* status LX_OK: none; a broken response stays broken */
};

/* Sets every option of the easy handle from what the response holds. */
LX_MUST_CHECK enum lx_status lx_http_prepare(struct lx_http_response *response,
                                             const struct lx_http_request *request,
                                             struct lx_err *err);
/* Works until the head is complete, or the exchange is over. */
LX_MUST_CHECK enum lx_status lx_http_drive_head(struct lx_http_response *response,
                                                struct lx_err *err);

/* curl's callbacks; the last argument is the response. */
size_t lx_http_on_head(char *line, size_t size, size_t count, void *context);
size_t lx_http_on_body(char *bytes, size_t size, size_t count, void *context);
size_t lx_http_on_send(char *buffer, size_t size, size_t count, void *context);
int lx_http_on_seek(void *context, curl_off_t offset, int origin);
int lx_http_on_ready(void *context, char *remote_ip, char *local_ip, int remote_port,
                     int local_port);

#endif
