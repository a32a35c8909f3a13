#include "net/url.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    c = to_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool same_text(struct lx_str text, const char *lower)
{
    for (size_t i = 0; i < text.len; i++) {
        if (lower[i] == 0 || to_lower(text.ptr[i]) != lower[i])
            return false;
    }
    return lower[text.len] == 0;
}

/* Takes what stands before the first of `stops` (or all) off the front. */
static struct lx_str take_until(struct lx_str *text, const char *stops)
{
    size_t len = 0;
    while (len < text->len && strchr(stops, text->ptr[len]) == NULL)
        len++;
    struct lx_str taken = {text->ptr, len};
    text->ptr += len;
    text->len -= len;
    return taken;
}

static bool take_scheme(struct lx_str *text, struct lx_str *scheme)
{
    struct lx_str rest = *text;
    struct lx_str taken = take_until(&rest, ":");
    if (taken.len == 0 || !is_alpha(taken.ptr[0]) || !lx_str_starts(rest, LX_STR("://")))
        return false;
    for (size_t i = 1; i < taken.len; i++) {
        char c = taken.ptr[i];
        if (!is_alpha(c) && !is_digit(c) && c != '+' && c != '-' && c != '.')
            return false;
    }
    *scheme = taken;
    *text = (struct lx_str){rest.ptr + 3, rest.len - 3};
    return true;
}

static bool is_host(struct lx_str host, bool ipv6)
{
    if (host.len > LX_URL_MAX_HOST || (ipv6 && host.len == 0))
        return false;
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        bool fits = ipv6 ? hex_value(c) >= 0 || c == ':' || c == '.'
                         : is_alpha(c) || is_digit(c) || c == '.' || c == '-' || c == '_';
        if (!fits)
            return false;
    }
    return true;
}

/* `authority`: host and port. */
static const char *parse_authority(struct lx_str authority, struct lx_url *url)
{
    struct lx_str rest = authority;
    if (rest.len > 0 && rest.ptr[0] == '[') {
        rest.ptr++;
        rest.len--;
        url->ipv6 = true;
        url->host = take_until(&rest, "]");
        if (rest.len == 0)
            return "the IPv6 address lacks its ']'";
        rest.ptr++;
        rest.len--;
    } else {
        url->host = take_until(&rest, ":");
    }
    if (!is_host(url->host, url->ipv6))
        return "the host name is malformed";
    if (rest.len == 0)
        return NULL;
    uint64_t port;
    if (rest.ptr[0] != ':' || url->host.len == 0 ||
        !lx_str_to_u64((struct lx_str){rest.ptr + 1, rest.len - 1}, &port) || port == 0 ||
        port > UINT16_MAX)
        return "the port is not a number from 1 to 65535";
    url->port = (uint16_t)port;
    return NULL;
}

static const char *check_characters(struct lx_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c <= 0x20 || c > 0x7e)
            return "it holds a blank, a control character or a byte outside ASCII";
        if (c == '#')
            return "fragments ('#…') are not supported";
        if (c == '%' &&
            (text.len - i < 3 || hex_value(text.ptr[i + 1]) < 0 || hex_value(text.ptr[i + 2]) < 0))
            return "'%' is not followed by two hexadecimal digits";
    }
    return NULL;
}

static const char *parse(struct lx_str text, struct lx_url *url)
{
    if (text.len > LX_URL_MAX)
        return "it is too long";
    if (!take_scheme(&text, &url->scheme))
        return "it does not begin with a scheme such as \"https://\"";
    struct lx_str authority = take_until(&text, "/?#");
    if (memchr(authority.ptr, '@', authority.len) != NULL)
        return "user names and passwords do not belong in a URL";
    const char *fault = check_characters(text);
    if (fault == NULL)
        fault = parse_authority(authority, url);
    if (fault != NULL)
        return fault;
    url->path = take_until(&text, "?");
    if (text.len > 0)
        url->query = (struct lx_str){text.ptr + 1, text.len - 1};
    return NULL;
}

enum lx_status lx_url_parse(struct lx_str text, struct lx_url *out, struct lx_err *err)
{
    struct lx_url url = {0};
    const char *fault = text.ptr == NULL ? "it is empty" : parse(text, &url);
    if (fault == NULL) {
        *out = url;
        return LX_OK;
    }
    /* Whatever stands before an '@' may be a secret: show only what comes after the last one. */
    struct lx_str shown = text;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '@')
            shown = (struct lx_str){text.ptr + i, text.len - i};
    }
    if (shown.len > 200)
        shown.len = 200;
    return lx_err_set(err, LX_E_ARGUMENT, "URL \"%s%.*s\": %s", shown.ptr != text.ptr ? "…" : "",
                      (int)shown.len, shown.ptr != NULL ? shown.ptr : "", fault);
}

bool lx_url_scheme_is(const struct lx_url *url, const char *scheme)
{
    return same_text(url->scheme, scheme);
}

uint16_t lx_url_port(const struct lx_url *url)
{
    if (url->port != 0)
        return url->port;
    if (lx_url_scheme_is(url, "http"))
        return 80;
    return lx_url_scheme_is(url, "https") ? 443 : 0;
}

/* 127.0.0.0/8, written as four decimal numbers: "127.evil.example" is not this machine. */
static bool is_ipv4_loopback(struct lx_str host)
{
    unsigned parts = 0;
    bool first = true;
    while (true) {
        struct lx_str part = take_until(&host, ".");
        uint64_t number;
        if (part.len > 3 || !lx_str_to_u64(part, &number) || number > 255 ||
            (first && number != 127))
            return false;
        first = false;
        parts++;
        if (host.len == 0)
            return parts == 4;
        host.ptr++;
        host.len--;
    }
}

bool lx_url_is_loopback(const struct lx_url *url)
{
    struct lx_str host = url->host;
    if (url->ipv6)
        return same_text(host, "::1");
    if (same_text(host, "localhost"))
        return true;
    struct lx_str below = LX_STR(".localhost");
    if (host.len > below.len &&
        same_text((struct lx_str){host.ptr + host.len - below.len, below.len}, below.ptr))
        return true;
    return is_ipv4_loopback(host);
}

enum lx_status lx_url_origin(const struct lx_url *url, struct lx_buf *out)
{
    const char *open = url->ipv6 ? "[" : "", *close = url->ipv6 ? "]" : "";
    if (url->port != 0)
        return lx_buf_printf(out, "%.*s://%s%.*s%s:%u", LX_STR_ARG(url->scheme), open,
                             LX_STR_ARG(url->host), close, url->port);
    return lx_buf_printf(out, "%.*s://%s%.*s%s", LX_STR_ARG(url->scheme), open,
                         LX_STR_ARG(url->host), close);
}

enum lx_status lx_url_escape(struct lx_buf *out, struct lx_str text, bool slashes)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t before = out->len;
    enum lx_status status = LX_OK;
    for (size_t i = 0; i < text.len && status == LX_OK; i++) {
        char c = text.ptr[i];
        if (is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~' ||
            (slashes && c == '/')) {
            status = lx_buf_append(out, &c, 1);
        } else {
            unsigned char byte = (unsigned char)c;
            char escaped[3] = {'%', digits[byte >> 4], digits[byte & 15]};
            status = lx_buf_append(out, escaped, sizeof escaped);
        }
    }
    if (status == LX_OK)
        status = lx_buf_text(out, "");
    if (status != LX_OK)
        out->len = before;
    return status;
}

enum lx_status lx_url_unescape(struct lx_buf *out, struct lx_str text)
{
    size_t before = out->len;
    enum lx_status status = lx_buf_reserve(out, text.len);
    for (size_t i = 0; i < text.len && status == LX_OK; i++) {
        int byte = (unsigned char)text.ptr[i];
        if (byte == '%') {
            int high = text.len - i > 2 ? hex_value(text.ptr[i + 1]) : -1;
            int low = text.len - i > 2 ? hex_value(text.ptr[i + 2]) : -1;
            byte = high * 16 + low;
            i += 2;
            if (high < 0 || low < 0)
                status = LX_E_FORMAT;
        }
        if (status == LX_OK)
            status = lx_buf_byte(out, (uint8_t)byte);
    }
    if (status == LX_OK)
        status = lx_buf_text(out, "");
    if (status != LX_OK)
        out->len = before;
    return status;
}
