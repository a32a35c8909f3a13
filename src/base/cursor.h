/* cursor.h: bounded reading of bytes from outside. No function reads past `end`.
 *
 * Little-endian unless the name says otherwise. A failed read leaves the cursor where it was and
 * returns false; callers turn that into LX_E_FORMAT with the place. */
#ifndef LX_BASE_CURSOR_H
#define LX_BASE_CURSOR_H

#include "base/buf.h"

struct lx_cursor {
    const uint8_t *pos, *end;
};

static inline struct lx_cursor lx_cursor_of(const void *bytes, size_t size)
{
    const uint8_t *start = bytes;
    return (struct lx_cursor){start, size != 0 ? start + size : start};
}

static inline size_t lx_cursor_left(const struct lx_cursor *cursor)
{
    return (size_t)(cursor->end - cursor->pos);
}

static inline bool lx_cursor_bytes(struct lx_cursor *cursor, size_t size, const uint8_t **bytes)
{
    if (lx_cursor_left(cursor) < size)
        return false;
    *bytes = cursor->pos;
    if (size != 0)
        cursor->pos += size;
    return true;
}

static inline bool lx_cursor_u8(struct lx_cursor *cursor, uint8_t *value)
{
    if (cursor->pos == cursor->end)
        return false;
    *value = *cursor->pos++;
    return true;
}

static inline bool lx_cursor_u32(struct lx_cursor *cursor, uint32_t *value)
{
    const uint8_t *bytes;
    if (!lx_cursor_bytes(cursor, 4, &bytes))
        return false;
    memcpy(value, bytes, 4);
    return true;
}

static inline bool lx_cursor_u64(struct lx_cursor *cursor, uint64_t *value)
{
    const uint8_t *bytes;
    if (!lx_cursor_bytes(cursor, 8, &bytes))
        return false;
    memcpy(value, bytes, 8);
    return true;
}

/* LEB128, at most 10 bytes, value within 64 bits. */
static inline bool lx_cursor_varint(struct lx_cursor *cursor, uint64_t *value)
{
    uint64_t result = 0;
    const uint8_t *pos = cursor->pos;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (pos == cursor->end)
            return false;
        uint8_t byte = *pos++;
        if (shift == 63 && byte > 1)
            return false;
        result |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            cursor->pos = pos;
            *value = result;
            return true;
        }
    }
    return false;
}

#endif
