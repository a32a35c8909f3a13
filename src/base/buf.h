/* buf.h: a growing byte buffer with a maximum of its own, and views of bytes.
 *
 * A zeroed struct with `max` set is an empty buffer (LX_BUF(max)). Growing past `max` is
 * LX_E_LIMIT, never a crash. After a failure the buffer holds what it held before.
 * Text built with lx_buf_printf or lx_buf_text always has a NUL behind `len` that is not counted.
 * Not thread-safe. */
#ifndef LX_BASE_BUF_H
#define LX_BASE_BUF_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A view: borrowed bytes, not NUL-terminated. */
struct lx_str {
    const char *ptr;
    size_t len;
};

#define LX_STR(literal) ((struct lx_str){"" literal, sizeof(literal) - 1})
/* For printf: "%.*s", LX_STR_ARG(view) */
#define LX_STR_ARG(view) (int)((view).len > 4096 ? 4096 : (view).len), (view).ptr

static inline struct lx_str lx_str_of(const char *text)
{
    return (struct lx_str){text, text != NULL ? strlen(text) : 0};
}

static inline bool lx_str_equal(struct lx_str a, struct lx_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool lx_str_is(struct lx_str a, const char *text)
{
    return lx_str_equal(a, lx_str_of(text));
}

bool lx_str_starts(struct lx_str text, struct lx_str prefix);
bool lx_str_ends(struct lx_str text, struct lx_str suffix);
struct lx_str lx_str_trim(struct lx_str text); /* blanks and tabs, CR, LF at both ends */
/* Whole decimal text (an optional '-' for the signed form) within the range; false otherwise. */
bool lx_str_to_u64(struct lx_str text, uint64_t *value);
bool lx_str_to_i64(struct lx_str text, int64_t *value);
bool lx_str_to_hex64(struct lx_str text, uint64_t *value);

struct lx_buf {
    uint8_t *data;
    size_t len, cap;
    size_t max;
};

#define LX_BUF(limit)                                                                              \
    {                                                                                              \
        .max = (limit)                                                                             \
    }

/* Makes room for `more` further bytes; then data + len may be written directly. */
LX_MUST_CHECK enum lx_status lx_buf_reserve(struct lx_buf *buf, size_t more);
LX_MUST_CHECK enum lx_status lx_buf_append(struct lx_buf *buf, const void *bytes, size_t size);
LX_MUST_CHECK enum lx_status lx_buf_byte(struct lx_buf *buf, uint8_t byte);
LX_MUST_CHECK enum lx_status lx_buf_text(struct lx_buf *buf, const char *text);
LX_MUST_CHECK enum lx_status lx_buf_str(struct lx_buf *buf, struct lx_str text);
LX_MUST_CHECK enum lx_status lx_buf_printf(struct lx_buf *buf, const char *format, ...)
    LX_PRINTF(2, 3);
void lx_buf_clear(struct lx_buf *buf); /* keeps the memory */
void lx_buf_free(struct lx_buf *buf);  /* an empty buffer again, `max` kept */
/* Moves the memory out (lx_free it); NULL when nothing was ever reserved. */
uint8_t *lx_buf_take(struct lx_buf *buf, size_t *len);

static inline struct lx_str lx_buf_view(const struct lx_buf *buf)
{
    return (struct lx_str){(const char *)buf->data, buf->len};
}

/* "" where nothing was written. */
static inline const char *lx_buf_cstr(const struct lx_buf *buf)
{
    return buf->data != NULL ? (const char *)buf->data : "";
}

#endif
