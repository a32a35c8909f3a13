#include "parquet/sums.h"

#include "base/cursor.h"

static const char digits[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#define BYTES_MAX ((size_t)256 * 1024 * 1024)

static enum lx_status put_base64(const struct lx_buf *bytes, struct lx_buf *text)
{
    LX_TRY(lx_buf_reserve(text, (bytes->len + 2) / 3 * 4));
    uint8_t *out = text->data + text->len;
    for (size_t i = 0; i < bytes->len; i += 3) {
        size_t left = bytes->len - i;
        uint32_t three = (uint32_t)bytes->data[i] << 16;
        three |= left > 1 ? (uint32_t)bytes->data[i + 1] << 8 : 0;
        three |= left > 2 ? bytes->data[i + 2] : 0;
        *out++ = (uint8_t)digits[three >> 18];
        *out++ = (uint8_t)digits[three >> 12 & 63];
        *out++ = (uint8_t)(left > 1 ? digits[three >> 6 & 63] : '=');
        *out++ = (uint8_t)(left > 2 ? digits[three & 63] : '=');
    }
    text->len += (bytes->len + 2) / 3 * 4;
    return LX_OK;
}

static int value_of(char c)
{
    const char *found = c != 0 ? strchr(digits, c) : NULL;
    return found != NULL ? (int)(found - digits) : -1;
}

/* Decodes in place of `out`, which has 3 bytes of room for each 4 characters. */
static bool get_base64(struct lx_str text, uint8_t *out, size_t *size)
{
    size_t len = text.len, n = 0;
    if (len % 4 != 0)
        return false;
    while (len > 0 && text.len - len < 2 && text.ptr[len - 1] == '=')
        len--;
    uint32_t bits = 0;
    for (size_t i = 0; i < len; i++) {
        int value = value_of(text.ptr[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 != 0)
            out[n++] = (uint8_t)(bits >> (6 - i % 4 * 2));
    }
    *size = n;
    return true;
}

static enum lx_status put_u32(struct lx_buf *out, uint32_t value)
{
    return lx_buf_append(out, &value, sizeof value);
}

static enum lx_status put_chunk(const struct lx_pq_chunk_sums *chunk, struct lx_buf *out)
{
    size_t count = chunk->count;
    for (; count >= 0x80; count >>= 7)
        LX_TRY(lx_buf_byte(out, (uint8_t)(count | 0x80)));
    LX_TRY(lx_buf_byte(out, (uint8_t)count));
    for (size_t i = 0; i < chunk->count; i++)
        LX_TRY(put_u32(out, chunk->headers[i]));
    LX_TRY(put_u32(out, chunk->column_index));
    return put_u32(out, chunk->offset_index);
}

enum lx_status lx_pq_sums_write(const struct lx_pq_chunk_sums *chunks, size_t count,
                                struct lx_buf *text)
{
    struct lx_buf bytes = LX_BUF(BYTES_MAX);
    enum lx_status status = LX_OK;
    for (size_t i = 0; i < count && status == LX_OK; i++)
        status = put_chunk(&chunks[i], &bytes);
    if (status == LX_OK)
        status = put_base64(&bytes, text);
    lx_buf_free(&bytes);
    return status;
}

static enum lx_status no_room(const struct lx_pq_arena *arena)
{
    return arena->starved ? LX_E_MEMORY : LX_E_LIMIT;
}

static enum lx_status get_chunk(struct lx_pq_arena *arena, struct lx_cursor *cursor,
                                struct lx_pq_chunk_sums *chunk)
{
    uint64_t count;
    if (!lx_cursor_varint(cursor, &count) || count > lx_cursor_left(cursor) / 4)
        return LX_E_FORMAT;
    chunk->count = (size_t)count;
    chunk->headers = lx_pq_arena_alloc(arena, chunk->count, sizeof *chunk->headers);
    if (chunk->headers == NULL)
        return no_room(arena);
    for (size_t i = 0; i < chunk->count; i++)
        if (!lx_cursor_u32(cursor, &chunk->headers[i]))
            return LX_E_FORMAT;
    return lx_cursor_u32(cursor, &chunk->column_index) &&
                   lx_cursor_u32(cursor, &chunk->offset_index)
               ? LX_OK
               : LX_E_FORMAT;
}

enum lx_status lx_pq_sums_read(struct lx_pq_arena *arena, struct lx_str text, size_t count,
                               struct lx_pq_chunk_sums **out)
{
    size_t size;
    uint8_t *bytes = lx_pq_arena_alloc(arena, text.len / 4 * 3 + 3, 1);
    struct lx_pq_chunk_sums *chunks = lx_pq_arena_alloc(arena, count, sizeof *chunks);
    if (bytes == NULL || chunks == NULL)
        return no_room(arena);
    if (!get_base64(text, bytes, &size))
        return LX_E_FORMAT;
    struct lx_cursor cursor = lx_cursor_of(bytes, size);
    for (size_t i = 0; i < count; i++)
        LX_TRY(get_chunk(arena, &cursor, &chunks[i]));
    if (lx_cursor_left(&cursor) != 0)
        return LX_E_FORMAT;
    *out = chunks;
    return LX_OK;
}
