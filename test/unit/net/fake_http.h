/* fake_http.h: a small HTTP/1.1 server on loopback for tests, which misbehaves as told.
 *
 * Each connection has a thread of its own. The handler is called once a request, when its head has
 * been read; it reads the body if it wants to, and answers, stalls, cuts or resets as the test
 * needs. Several handlers may run at the same time: what they share is the test's to guard.
 *
 * Everything here ends the process with a message when the operating system says no: a test that
 * cannot listen on loopback proves nothing. */
#ifndef LX_TEST_FAKE_HTTP_H
#define LX_TEST_FAKE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake_http;

#define FAKE_HEAD_MAX 65536

struct fake_exchange {
    struct fake_http *server;
    void *context;          /* the handler's */
    unsigned number;        /* of the request, counted from 1 over the server's life */
    unsigned connection;    /* counted from 1 */
    unsigned on_connection; /* number of the request on its connection, from 1 */
    char method[16];
    char target[8192];
    char head[FAKE_HEAD_MAX]; /* all header lines */
    uint8_t *body;            /* after fake_read_body */
    size_t body_len;
    bool close; /* set it: the connection ends after this exchange */

    int fd;
    void *tls;
    uint8_t *ahead; /* bytes read beyond the head */
    size_t ahead_len;
    bool body_read, broken;
};

typedef void (*fake_handler)(struct fake_exchange *exchange);

/* Listens on 127.0.0.1, on a port that the system picks. */
struct fake_http *fake_http_start(fake_handler handler, void *context);
/* The same with TLS: a certificate for 127.0.0.1 and localhost, signed by itself, is made and
 * written to `pem_path`. */
struct fake_http *fake_http_start_tls(fake_handler handler, void *context, const char *pem_path);
/* Ends all connections and threads. */
void fake_http_stop(struct fake_http *server);
unsigned fake_http_port(const struct fake_http *server);
unsigned fake_http_requests(const struct fake_http *server);
unsigned fake_http_connections(const struct fake_http *server);

/* Reads the body (length or chunks; answers "100 Continue" where asked). False: the client went
 * away before it was whole. */
bool fake_read_body(struct fake_exchange *exchange);
/* Reads and drops so many raw bytes of the body. */
bool fake_read_some(struct fake_exchange *exchange, size_t size);
void fake_send(struct fake_exchange *exchange, const void *bytes, size_t size);
void fake_send_text(struct fake_exchange *exchange, const char *text);
/* A whole answer with Content-Length; `headers` are lines with CR LF, or "". A HEAD gets no body.
 */
void fake_reply(struct fake_exchange *exchange, int status, const char *headers, const void *body,
                size_t size);
void fake_reply_text(struct fake_exchange *exchange, int status, const char *headers,
                     const char *body);
/* RST instead of FIN. */
void fake_reset(struct fake_exchange *exchange);
/* Waits until the client goes away or the server is stopped, at most so long. */
void fake_stall(struct fake_exchange *exchange, int ms);
/* Value of a header of the request, without blanks, in `value`; false where absent. */
bool fake_header(const struct fake_exchange *exchange, const char *name, char *value, size_t size);

#endif
