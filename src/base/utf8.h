/* utf8.h: is it UTF-8, and if not, its readable form (Unicode 15, table 3-7; no surrogates). */
#ifndef LX_BASE_UTF8_H
#define LX_BASE_UTF8_H

#include "base/buf.h"

/* Bytes at the front that are whole, valid UTF-8; `size` when all are. */
size_t lx_utf8_valid_prefix(const uint8_t *bytes, size_t size);

static inline bool lx_utf8_is_valid(const void *bytes, size_t size)
{
    return lx_utf8_valid_prefix(bytes, size) == size;
}

/* Appends the text with U+FFFD for each byte that belongs to no character. */
LX_MUST_CHECK enum lx_status lx_utf8_repair(struct lx_buf *out, const void *bytes, size_t size);

#endif
