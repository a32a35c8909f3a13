#include "cmd/serve_http.h"

#include "base/alloc.h"
#include "net/url.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 16

struct lx_pages {
    struct MHD_Daemon *daemon;
    const struct lx_page *pages;
    size_t page_count;
    void *context;
};

/* -- listening ----------------------------------------------------------------------------- */

static enum lx_status bad_address(const struct lx_pages_options *o, const char *why,
                                  struct lx_err *err)
{
    lx_err_set(err, LX_E_ARGUMENT, "%s=%s: %s", o->setting, o->address, why);
    lx_err_hint(err, "set %s to HOST:PORT (127.0.0.1:9464, [::1]:9464, 0.0.0.0:9464), or to none",
                o->setting);
    return LX_E_ARGUMENT;
}

static enum lx_status parse_address(const struct lx_pages_options *o, struct lx_buf *text,
                                    struct lx_url *url, struct lx_err *err)
{
    struct lx_err why = LX_ERR_INIT;
    if (lx_buf_printf(text, "http://%s", o->address) != LX_OK)
        return lx_err_memory(err);
    if (lx_url_parse(lx_buf_view(text), url, &why) != LX_OK)
        return bad_address(o, why.text, err);
    if (url->host.len == 0)
        return bad_address(o, "the host is missing", err);
    if (url->port == 0)
        return bad_address(o, "the port is missing", err);
    if (url->path.len != 0 || url->query.len != 0)
        return bad_address(o, "a host and a port are wanted, and no path", err);
    return LX_OK;
}

static enum lx_status no_listener(const struct lx_pages_options *o, int error, struct lx_err *err)
{
    lx_err_errno(err, error, "%s=%s: cannot listen there", o->setting, o->address);
    if (error == EADDRINUSE) {
        if (err != NULL)
            err->status = LX_E_BUSY;
        lx_err_hint(err,
                    "another program has this port, perhaps another lynex serve: set %s to "
                    "another port, or to none",
                    o->setting);
        return LX_E_BUSY;
    }
    if (error == EADDRNOTAVAIL)
        lx_err_hint(err, "this machine has no such address: set %s to one of its own, or to none",
                    o->setting);
    if (error == EACCES)
        lx_err_hint(err, "ports below 1024 are reserved: set %s to another, or to none",
                    o->setting);
    return err != NULL ? err->status : LX_E_IO;
}

/* A listening socket, or -1 and errno. */
static int listen_on(const struct addrinfo *address)
{
    int on = 1, off = 0;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    /* A new start must not wait for connections of the last one; [::] means IPv4 as well. */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static enum lx_status open_listener(const struct lx_pages_options *o, int *fd, struct lx_err *err)
{
    const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct lx_buf text = LX_BUF(LX_URL_MAX);
    struct lx_url url;
    struct addrinfo *found = NULL;
    char host[LX_URL_MAX_HOST + 1], port[8];
    enum lx_status status = parse_address(o, &text, &url, err);
    if (status == LX_OK) {
        snprintf(host, sizeof host, "%.*s", LX_STR_ARG(url.host));
        snprintf(port, sizeof port, "%u", (unsigned)url.port);
        int failed = getaddrinfo(host, port, &wanted, &found);
        if (failed != 0)
            status = bad_address(o, gai_strerror(failed), err);
    }
    lx_buf_free(&text);
    if (status != LX_OK)
        return status;
    *fd = -1;
    for (const struct addrinfo *a = found; a != NULL && *fd < 0; a = a->ai_next)
        *fd = listen_on(a);
    if (*fd < 0)
        status = no_listener(o, errno, err);
    freeaddrinfo(found);
    return status;
}

/* -- answering ----------------------------------------------------------------------------- */

static const struct lx_page *find_page(const struct lx_pages *pages, const char *path)
{
    for (size_t i = 0; i < pages->page_count; i++)
        if (strcmp(pages->pages[i].path, path) == 0)
            return &pages->pages[i];
    return NULL;
}

static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned code,
                                 const char *content_type, const struct lx_buf *text)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(text->len, text->data, MHD_RESPMEM_MUST_COPY);
    if (response == NULL)
        return MHD_NO;
    enum MHD_Result done = MHD_add_response_header(response, "Content-Type", content_type);
    if (done == MHD_YES)
        done = MHD_add_response_header(response, "Cache-Control", "no-store");
    if (done == MHD_YES && code == MHD_HTTP_METHOD_NOT_ALLOWED)
        done = MHD_add_response_header(response, "Allow", "GET, HEAD");
    if (done == MHD_YES)
        done = MHD_queue_response(connection, code, response);
    MHD_destroy_response(response);
    return done;
}

static enum lx_status list_pages(const struct lx_pages *pages, struct lx_buf *text)
{
    LX_TRY(lx_buf_text(text, "not found; there is:"));
    for (size_t i = 0; i < pages->page_count; i++)
        LX_TRY(lx_buf_printf(text, " %s", pages->pages[i].path));
    return lx_buf_text(text, "\n");
}

static enum MHD_Result on_request(void *self, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *http_version,
                                  const char *upload_data, size_t *upload_size, void **request)
{
    const struct lx_pages *pages = self;
    const char *content_type = "text/plain; charset=utf-8";
    struct lx_buf text = LX_BUF(LX_PAGE_MAX_TEXT);
    unsigned code = MHD_HTTP_OK;
    enum lx_status status;
    (void)http_version;
    (void)upload_data;
    (void)upload_size;
    (void)request;
    const struct lx_page *page = find_page(pages, path);
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        code = MHD_HTTP_METHOD_NOT_ALLOWED;
        status = lx_buf_text(&text, "only GET and HEAD\n");
    } else if (page == NULL) {
        code = MHD_HTTP_NOT_FOUND;
        status = list_pages(pages, &text);
    } else {
        content_type = page->content_type;
        status = page->make(pages->context, &text, &code);
    }
    if (status != LX_OK) {
        code = MHD_HTTP_INTERNAL_SERVER_ERROR;
        text.len = 0;
    }
    enum MHD_Result done = send_text(connection, code, content_type, &text);
    lx_buf_free(&text);
    return done;
}

/* -- starting ------------------------------------------------------------------------------ */

static void say_nothing(void *context, const char *format, va_list args)
{
    (void)context;
    (void)format;
    (void)args;
}

/* Signals are for the thread that runs: its waits must end early. */
static struct MHD_Daemon *start_daemon(struct lx_pages *pages, int fd)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, on_request, pages,
        MHD_OPTION_EXTERNAL_LOGGER, say_nothing, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)LX_PAGE_MAX_CONNECTIONS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, LX_PAGE_MAX_REQUEST, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)LX_PAGE_IDLE_SECONDS, MHD_OPTION_END);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return daemon;
}

enum lx_status lx_pages_start(const struct lx_pages_options *options, struct lx_pages **out,
                              struct lx_err *err)
{
    int fd;
    LX_TRY(open_listener(options, &fd, err));
    struct lx_pages *pages = lx_calloc(1, sizeof *pages);
    if (pages == NULL) {
        close(fd);
        return lx_err_memory(err);
    }
    pages->pages = options->pages;
    pages->page_count = options->page_count;
    pages->context = options->context;
    pages->daemon = start_daemon(pages, fd);
    if (pages->daemon == NULL) {
        lx_free(pages);
        return lx_err_set(err, LX_E_IO, "%s=%s: the HTTP server did not start", options->setting,
                          options->address);
    }
    *out = pages;
    return LX_OK;
}

void lx_pages_stop(struct lx_pages *pages)
{
    if (pages == NULL)
        return;
    MHD_stop_daemon(pages->daemon);
    lx_free(pages);
}
