/* url.h: URLs taken apart and put together, strictly (RFC 3986, the part of it that is used here).
 *
 * scheme "://" [host [":" port]] [path] ["?" query]
 *
 * Refused, because they are mistakes or traps: user names and passwords within the URL, fragments,
 * blanks, control characters, bytes above 0x7e, '%' without two hexadecimal digits, port 0 or
 * above 65535, a host with other characters than letters, digits, '.', '-', '_' (or an IPv6 address
 * in brackets). An empty host is allowed ("file:///dir", "embedded:///dir"): whoever needs one
 * checks it.
 *
 * All functions are pure and thread-safe. */
#ifndef LX_NET_URL_H
#define LX_NET_URL_H

#include "base/buf.h"
#include "base/err.h"

#define LX_URL_MAX 16384 /* bytes of a whole URL */
#define LX_URL_MAX_HOST 253

/* Views into the text that was parsed. */
struct lx_url {
    struct lx_str scheme; /* as written; compare with lx_url_scheme_is */
    struct lx_str host;   /* without the brackets of an IPv6 address */
    bool ipv6;
    uint16_t port;       /* 0: none given */
    struct lx_str path;  /* "" or "/…", still escaped */
    struct lx_str query; /* without '?', still escaped */
};

/* LX_E_ARGUMENT says what is wrong with it; a password in it is never repeated. */
LX_MUST_CHECK enum lx_status lx_url_parse(struct lx_str text, struct lx_url *url,
                                          struct lx_err *err);
/* `scheme` in lower case; compares without regard to case. */
bool lx_url_scheme_is(const struct lx_url *url, const char *scheme);
/* The port given, else the scheme's (http 80, https 443), else 0. */
uint16_t lx_url_port(const struct lx_url *url);
/* "localhost", names below it, 127.0.0.0/8, ::1: this machine, where no proxy is of use. */
bool lx_url_is_loopback(const struct lx_url *url);

/* Appends "scheme://host[:port]": what may be shown to people. */
LX_MUST_CHECK enum lx_status lx_url_origin(const struct lx_url *url, struct lx_buf *out);

/* Appends the text with every byte but A-Z a-z 0-9 - . _ ~ as %XX, in capitals: what SigV4 asks
 * for. `slashes`: '/' stays too (paths). */
LX_MUST_CHECK enum lx_status lx_url_escape(struct lx_buf *out, struct lx_str text, bool slashes);
/* Appends the text with %XX undone; '+' stays '+'. LX_E_FORMAT for a broken escape; then `out` is
 * as it was. */
LX_MUST_CHECK enum lx_status lx_url_unescape(struct lx_buf *out, struct lx_str text);

#endif
