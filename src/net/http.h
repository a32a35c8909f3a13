/* http.h: HTTP/1.1 requests, with exactly the promises that archiving needs (libcurl below).
 *
 *   - An answer is whole or an error. A body that is shorter than its Content-Length, lacks its
 *     final chunk, or (for a 2xx answer) ends merely because the connection was closed, is
 *     LX_E_NETWORK: its end cannot be proven.
 *   - A request goes out once. libcurl repeats a request by itself when a kept connection turns
 *     out dead; here that is an error unless the request says that it is `repeatable`, because
 *     the server may have done it already. lx_http_trace.sent tells whether it can have.
 *   - TLS certificates and host names are always verified; there is no switch.
 *   - Redirects are answers like others: none is ever followed.
 *   - Proxies as the environment says (http_proxy, https_proxy, all_proxy, no_proxy), but never to
 *     this machine.
 *   - Bodies come as they were sent: nothing is decompressed here.
 *   - Waits end: a time limit for connecting, one for silence, one for the whole exchange if
 *     wanted; a cancel flag is looked at every LX_CANCEL_POLL_MS.
 *
 * Errors: LX_E_NETWORK (no such host, refused, reset, cut, not HTTP), LX_E_TIMEOUT, LX_E_AUTH (the
 * certificate is not trusted), LX_E_ARGUMENT (URL, CA file, header), LX_E_CANCELLED, LX_E_LIMIT (an
 * answer larger than the caller allowed), LX_E_MEMORY. An HTTP status such as 404 is no error here.
 * Error texts name method, host and path, never the query or a header.
 *
 * Threads: a client may be used by many threads at once; a response by one at a time. Each
 * exchange runs within its caller's thread, on a connection of its own; connections are kept and
 * used again, the warmest first. */
#ifndef LX_NET_HTTP_H
#define LX_NET_HTTP_H

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"

struct lx_http;
struct lx_http_response;

#define LX_HTTP_CONNECT_MS 10000        /* default: name, TCP and TLS together */
#define LX_HTTP_IDLE_MS 60000           /* default: no byte in either direction */
#define LX_HTTP_KEEP_SECONDS 20         /* default: an idle connection is used again */
#define LX_HTTP_MAX_IDLE 64             /* connections kept; more are closed after use */
#define LX_HTTP_MAX_HEADERS 256         /* of an answer */
#define LX_HTTP_MAX_HEAD (256 * LX_KIB) /* bytes of an answer's headers */
#define LX_HTTP_EXPECT_MS 1000          /* longest wait for "100 Continue" */

struct lx_http_options {
    const char *ca_bundle;  /* PEM file; NULL or "": the system's */
    const char *ca_setting; /* which setting names that file, for hints: "AWS_CA_BUNDLE" */
    const char *user_agent; /* NULL: "lynex/VERSION" */
    int connect_timeout_ms; /* 0: the default */
    int idle_timeout_ms;    /* 0: the default */
    int keep_seconds;       /* 0: the default; keep below the server's own limit */
    struct lx_clock clock;
    const struct lx_cancel *cancel; /* of every request; may be NULL */
};

/* Copies the texts; connects to nothing. */
LX_MUST_CHECK enum lx_status lx_http_open(const struct lx_http_options *options,
                                          struct lx_http **client, struct lx_err *err);
/* All its responses must have ended. NULL is fine. */
void lx_http_close(struct lx_http *client);

struct lx_http_header {
    const char *name, *value; /* no control characters; an empty value is sent as "Name:" */
};

/* Gives up to `capacity` bytes of the body; *got = 0 at its end. A failure ends the request with
 * that status and text. */
typedef enum lx_status (*lx_http_source)(void *context, void *buffer, size_t capacity, size_t *got,
                                         struct lx_err *err);

/* What is known of an exchange, also when it failed. */
struct lx_http_trace {
    bool sent;                        /* bytes of the request can have reached the server */
    bool reused;                      /* over a connection that had served before */
    int status;                       /* HTTP status; 0: no answer came */
    int64_t body_sent, body_received; /* bytes */
};

struct lx_http_request {
    const char *method; /* "GET", "HEAD", "PUT", "POST", "DELETE" */
    const char *url;    /* http:// or https://, escaped */
    const struct lx_http_header *headers;
    size_t header_count;

    /* The body: none, memory (borrowed until the answer has begun), or a source. PUT and POST
     * without one send "Content-Length: 0". */
    const void *body;
    size_t body_size;
    lx_http_source source;
    void *source_context;
    int64_t source_size; /* bytes it will give; -1: not known, sent in chunks */

    bool repeatable; /* doing it twice is harmless: may be sent again on a dead kept connection;
                        a body from a source is not */
    bool expect;     /* ask the server first ("Expect: 100-continue"): for large bodies, of a MiB
                        and more; for smaller ones libcurl may leave it out */
    int connect_timeout_ms;         /* 0: the client's */
    int idle_timeout_ms;            /* 0: the client's; -1: none */
    int timeout_ms;                 /* the whole exchange, without pauses of the reader; 0: none */
    const struct lx_cancel *cancel; /* besides the client's; may be NULL */
    struct lx_http_trace *trace; /* filled in every case; may be NULL; must outlive the response */
};

/* Sends the request and waits for status and headers of the answer; the body is then pulled by
 * lx_http_read. On failure there is no response. */
LX_MUST_CHECK enum lx_status lx_http_begin(struct lx_http *client,
                                           const struct lx_http_request *request,
                                           struct lx_http_response **response, struct lx_err *err);
/* At least one byte of the body unless it has ended: then *got = 0, and the body was whole. Where
 * it broke, all bytes that came are given before the failure.
 * Drives the connection only while it runs: between calls the sender is held back by TCP. */
LX_MUST_CHECK enum lx_status lx_http_read(struct lx_http_response *response, void *buffer,
                                          size_t capacity, size_t *got, struct lx_err *err);
/* Reads on to the end of the body and appends it to `body`, within its own maximum. */
LX_MUST_CHECK enum lx_status lx_http_read_all(struct lx_http_response *response,
                                              struct lx_buf *body, struct lx_err *err);
/* Frees it. A body that was not read to its end costs the connection. NULL is fine. */
void lx_http_end(struct lx_http_response *response);

/* begin and read_all in one: for small answers. The response keeps status and headers. */
LX_MUST_CHECK enum lx_status lx_http_fetch(struct lx_http *client,
                                           const struct lx_http_request *request,
                                           struct lx_buf *body, struct lx_http_response **response,
                                           struct lx_err *err);

int lx_http_status(const struct lx_http_response *response);
/* Value of the first header of that name (any case), blanks trimmed; ptr NULL where absent.
 * Borrowed from the response. Trailers are found too, once the body has ended. */
struct lx_str lx_http_header(const struct lx_http_response *response, const char *name);
/* Content-Length; -1 where the answer does not say. */
int64_t lx_http_length(const struct lx_http_response *response);

#endif
