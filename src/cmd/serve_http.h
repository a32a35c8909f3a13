/* serve_http.h: a few pages over HTTP, for a scraper, a health check, a person with curl.
 *
 * GET and HEAD of the pages given; any other path is 404, any other method 405. Connections, their
 * memory and their idle time are bounded. One thread of its own answers; `make` is called from it.
 */
#ifndef LX_CMD_SERVE_HTTP_H
#define LX_CMD_SERVE_HTTP_H

#include "base/buf.h"
#include "base/err.h"

#define LX_PAGE_MAX_CONNECTIONS 32
#define LX_PAGE_MAX_REQUEST ((size_t)32 * 1024) /* bytes of buffers of one connection */
#define LX_PAGE_IDLE_SECONDS 10
#define LX_PAGE_MAX_TEXT ((size_t)1024 * 1024)

struct lx_page {
    const char *path, *content_type;
    /* Appends the page; *code is 200 unless it says otherwise. */
    enum lx_status (*make)(void *context, struct lx_buf *text, unsigned *code);
};

struct lx_pages_options {
    const char *address;         /* "127.0.0.1:9464", "[::1]:9464", "localhost:9464" */
    const char *setting;         /* where it stands, for messages: "LYNEX_HTTP" */
    const struct lx_page *pages; /* borrowed */
    size_t page_count;
    void *context;
};

struct lx_pages;

/* Listens, or says why not: LX_E_ARGUMENT for an address that is none, LX_E_BUSY for a port that
 * another program has. */
LX_MUST_CHECK enum lx_status lx_pages_start(const struct lx_pages_options *options,
                                            struct lx_pages **pages, struct lx_err *err);
void lx_pages_stop(struct lx_pages *pages); /* closes every connection; NULL is fine */

#endif
