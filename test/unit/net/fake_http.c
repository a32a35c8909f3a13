#include "fake_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_THREADS 4096
#define MAX_BODY ((size_t)512 * 1024 * 1024)

struct connection {
    pthread_t thread;
    struct fake_http *server;
    unsigned number;
    int fd;
};

struct fake_http {
    fake_handler handler;
    void *context;
    SSL_CTX *tls;
    int listener;
    unsigned port;
    atomic_uint requests;
    atomic_bool stopping;
    pthread_t acceptor;
    pthread_mutex_t lock;
    struct connection connections[MAX_THREADS];
    unsigned connection_count;
};

static void die(const char *what)
{
    fprintf(stderr, "fake_http: %s: %s\n", what, strerror(errno));
    abort();
}

/* -- bytes --------------------------------------------------------------------------------- */

static ssize_t receive(struct fake_exchange *x, void *buffer, size_t size)
{
    if (x->ahead_len > 0) {
        size_t got = x->ahead_len < size ? x->ahead_len : size;
        memcpy(buffer, x->ahead, got);
        memmove(x->ahead, x->ahead + got, x->ahead_len - got);
        x->ahead_len -= got;
        return (ssize_t)got;
    }
    if (x->tls != NULL)
        return SSL_read(x->tls, buffer, (int)(size > 16384 ? 16384 : size));
    ssize_t got;
    do
        got = recv(x->fd, buffer, size, 0);
    while (got < 0 && errno == EINTR);
    return got;
}

void fake_send(struct fake_exchange *x, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    while (size > 0 && !x->broken) {
        ssize_t done = x->tls != NULL ? SSL_write(x->tls, at, (int)(size > 16384 ? 16384 : size))
                                      : send(x->fd, at, size, MSG_NOSIGNAL);
        if (done < 0 && x->tls == NULL && errno == EINTR)
            continue;
        if (done <= 0) {
            x->broken = true;
            return;
        }
        at += done;
        size -= (size_t)done;
    }
}

void fake_send_text(struct fake_exchange *x, const char *text)
{
    fake_send(x, text, strlen(text));
}

void fake_reply(struct fake_exchange *x, int status, const char *headers, const void *body,
                size_t size)
{
    char head[8192];
    int len = snprintf(head, sizeof head, "HTTP/1.1 %d Whatever\r\nContent-Length: %zu\r\n%s%s\r\n",
                       status, size, headers, x->close ? "Connection: close\r\n" : "");
    fake_send(x, head, (size_t)len);
    if (strcmp(x->method, "HEAD") != 0)
        fake_send(x, body, size);
}

void fake_reply_text(struct fake_exchange *x, int status, const char *headers, const char *body)
{
    fake_reply(x, status, headers, body, strlen(body));
}

void fake_reset(struct fake_exchange *x)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    setsockopt(x->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    x->broken = true;
    x->close = true;
}

void fake_stall(struct fake_exchange *x, int ms)
{
    for (int waited = 0; waited < ms && !atomic_load(&x->server->stopping); waited += 10) {
        struct pollfd watch = {.fd = x->fd, .events = POLLRDHUP};
        if (poll(&watch, 1, 10) > 0)
            return;
    }
}

bool fake_header(const struct fake_exchange *x, const char *name, char *value, size_t size)
{
    size_t name_len = strlen(name);
    for (const char *line = x->head; *line != 0;) {
        const char *end = strstr(line, "\r\n");
        size_t len = end != NULL ? (size_t)(end - line) : strlen(line);
        if (len > name_len && line[name_len] == ':' && strncasecmp(line, name, name_len) == 0) {
            const char *from = line + name_len + 1;
            while (*from == ' ')
                from++;
            snprintf(value, size, "%.*s", (int)(line + len - from), from);
            return true;
        }
        line += len + (end != NULL ? 2 : 0);
    }
    return false;
}

/* -- bodies -------------------------------------------------------------------------------- */

bool fake_read_some(struct fake_exchange *x, size_t size)
{
    uint8_t dropped[16384];
    while (size > 0) {
        ssize_t got = receive(x, dropped, size < sizeof dropped ? size : sizeof dropped);
        if (got <= 0)
            return false;
        size -= (size_t)got;
    }
    return true;
}

static bool append_body(struct fake_exchange *x, size_t size)
{
    if (size > MAX_BODY || x->body_len + size > MAX_BODY)
        return false;
    x->body = realloc(x->body, x->body_len + size + 1);
    if (x->body == NULL)
        die("memory");
    for (size_t left = size; left > 0;) {
        ssize_t got = receive(x, x->body + x->body_len, left);
        if (got <= 0)
            return false;
        x->body_len += (size_t)got;
        left -= (size_t)got;
    }
    x->body[x->body_len] = 0;
    return true;
}

static bool read_line(struct fake_exchange *x, char *line, size_t size)
{
    size_t len = 0;
    while (len + 1 < size) {
        if (receive(x, line + len, 1) != 1)
            return false;
        if (line[len] == '\n') {
            line[len > 0 && line[len - 1] == '\r' ? len - 1 : len] = 0;
            return true;
        }
        len++;
    }
    return false;
}

static bool read_chunks(struct fake_exchange *x)
{
    char line[256];
    for (;;) {
        char *end;
        if (!read_line(x, line, sizeof line))
            return false;
        unsigned long size = strtoul(line, &end, 16);
        if (end == line)
            return false;
        if (size == 0)
            return read_line(x, line, sizeof line) && line[0] == 0;
        if (!append_body(x, size) || !read_line(x, line, sizeof line) || line[0] != 0)
            return false;
    }
}

bool fake_read_body(struct fake_exchange *x)
{
    char value[64];
    x->body_read = true;
    if (fake_header(x, "Expect", value, sizeof value))
        fake_send_text(x, "HTTP/1.1 100 Continue\r\n\r\n");
    if (fake_header(x, "Transfer-Encoding", value, sizeof value))
        return read_chunks(x);
    if (fake_header(x, "Content-Length", value, sizeof value))
        return append_body(x, strtoul(value, NULL, 10));
    return append_body(x, 0);
}

/* -- connections --------------------------------------------------------------------------- */

/* Reads up to the blank line; what came beyond it stays ahead. */
static bool read_head(struct fake_exchange *x)
{
    size_t len = 0;
    for (;;) {
        ssize_t got = receive(x, x->head + len, sizeof x->head - 1 - len);
        if (got <= 0)
            return false;
        len += (size_t)got;
        x->head[len] = 0;
        if (x->head[0] < 'A') { /* the first bytes of TLS: answered as servers do */
            fake_send_text(x, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
            return false;
        }
        char *end = strstr(x->head, "\r\n\r\n");
        if (end != NULL) {
            x->ahead_len = len - (size_t)(end + 4 - x->head);
            memcpy(x->ahead, end + 4, x->ahead_len);
            end[2] = 0;
            break;
        }
        if (len + 1 >= sizeof x->head)
            return false;
    }
    char *line_end = strstr(x->head, "\r\n");
    if (sscanf(x->head, "%15s %8191s", x->method, x->target) != 2)
        return false;
    memmove(x->head, line_end + 2, strlen(line_end + 2) + 1);
    return true;
}

static void serve(struct connection *c, struct fake_exchange *x)
{
    while (!x->close && !atomic_load(&c->server->stopping)) {
        free(x->body);
        x->body = NULL;
        x->body_len = 0;
        x->body_read = false;
        if (!read_head(x))
            return;
        x->number = atomic_fetch_add(&c->server->requests, 1) + 1;
        x->on_connection++;
        c->server->handler(x);
        char value[64];
        /* A body that nobody read would be taken for the next request. */
        bool has_body =
            (fake_header(x, "Content-Length", value, sizeof value) && strcmp(value, "0") != 0) ||
            fake_header(x, "Transfer-Encoding", value, sizeof value);
        if (x->broken || (has_body && !x->body_read))
            return;
    }
}

static void *run_connection(void *arg)
{
    struct connection *c = arg;
    struct fake_exchange *x = calloc(1, sizeof *x);
    if (x == NULL || (x->ahead = malloc(FAKE_HEAD_MAX)) == NULL)
        die("memory");
    x->server = c->server;
    x->context = c->server->context;
    x->fd = c->fd;
    x->connection = c->number;
    SSL *tls = NULL;
    bool ready = true;
    if (c->server->tls != NULL) {
        tls = SSL_new(c->server->tls);
        SSL_set_fd(tls, c->fd);
        ready = SSL_accept(tls) == 1;
        x->tls = tls;
    }
    if (ready)
        serve(c, x);
    if (tls != NULL && ready && !x->broken)
        SSL_shutdown(tls);
    SSL_free(tls);
    pthread_mutex_lock(&c->server->lock);
    close(c->fd);
    c->fd = -1;
    pthread_mutex_unlock(&c->server->lock);
    free(x->body);
    free(x->ahead);
    free(x);
    return NULL;
}

static void *run_acceptor(void *arg)
{
    struct fake_http *server = arg;
    for (;;) {
        int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0 && errno == EINTR)
            continue;
        if (fd < 0)
            return NULL;
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        pthread_mutex_lock(&server->lock);
        if (server->connection_count == MAX_THREADS)
            die("too many connections");
        struct connection *c = &server->connections[server->connection_count];
        *c = (struct connection){.server = server, .fd = fd};
        c->number = server->connection_count + 1;
        if (pthread_create(&c->thread, NULL, run_connection, c) != 0)
            die("thread");
        server->connection_count++;
        pthread_mutex_unlock(&server->lock);
    }
}

static struct fake_http *start(fake_handler handler, void *context, SSL_CTX *tls)
{
    struct fake_http *server = calloc(1, sizeof *server);
    if (server == NULL)
        die("memory");
    server->handler = handler;
    server->context = context;
    server->tls = tls;
    pthread_mutex_init(&server->lock, NULL);
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->listener < 0 ||
        bind(server->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(server->listener, 128) != 0)
        die("listen");
    socklen_t len = sizeof address;
    getsockname(server->listener, (struct sockaddr *)&address, &len);
    server->port = ntohs(address.sin_port);
    if (pthread_create(&server->acceptor, NULL, run_acceptor, server) != 0)
        die("thread");
    return server;
}

struct fake_http *fake_http_start(fake_handler handler, void *context)
{
    return start(handler, context, NULL);
}

static void add_extension(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    if (extension == NULL || X509_add_ext(certificate, extension, -1) != 1)
        die("certificate");
    X509_EXTENSION_free(extension);
}

struct fake_http *fake_http_start_tls(fake_handler handler, void *context, const char *pem_path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    X509_set_pubkey(certificate, key);
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1,
                               0);
    X509_set_issuer_name(certificate, name);
    add_extension(certificate, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
    FILE *pem = fopen(pem_path, "w");
    if (X509_sign(certificate, key, EVP_sha256()) == 0 || pem == NULL ||
        PEM_write_X509(pem, certificate) != 1)
        die("certificate");
    fclose(pem);
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate(tls, certificate) != 1 || SSL_CTX_use_PrivateKey(tls, key) != 1)
        die("certificate");
    X509_free(certificate);
    EVP_PKEY_free(key);
    return start(handler, context, tls);
}

void fake_http_stop(struct fake_http *server)
{
    atomic_store(&server->stopping, true);
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->acceptor, NULL);
    close(server->listener);
    pthread_mutex_lock(&server->lock);
    for (unsigned i = 0; i < server->connection_count; i++) {
        if (server->connections[i].fd >= 0)
            shutdown(server->connections[i].fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&server->lock);
    for (unsigned i = 0; i < server->connection_count; i++)
        pthread_join(server->connections[i].thread, NULL);
    pthread_mutex_destroy(&server->lock);
    SSL_CTX_free(server->tls);
    free(server);
}

unsigned fake_http_port(const struct fake_http *server)
{
    return server->port;
}

unsigned fake_http_requests(const struct fake_http *server)
{
    return atomic_load(&server->requests);
}

unsigned fake_http_connections(const struct fake_http *server)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&server->lock;
    pthread_mutex_lock(lock);
    unsigned count = server->connection_count;
    pthread_mutex_unlock(lock);
    return count;
}
