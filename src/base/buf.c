#include "base/buf.h"

#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>

bool lx_str_starts(struct lx_str text, struct lx_str prefix)
{
    return text.len >= prefix.len && memcmp(text.ptr, prefix.ptr, prefix.len) == 0;
}

bool lx_str_ends(struct lx_str text, struct lx_str suffix)
{
    return text.len >= suffix.len &&
           memcmp(text.ptr + text.len - suffix.len, suffix.ptr, suffix.len) == 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct lx_str lx_str_trim(struct lx_str text)
{
    while (text.len > 0 && is_blank(text.ptr[0])) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && is_blank(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

bool lx_str_to_u64(struct lx_str text, uint64_t *value)
{
    uint64_t result = 0;
    if (text.len == 0)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        if (__builtin_mul_overflow(result, (uint64_t)10, &result) ||
            __builtin_add_overflow(result, (uint64_t)(text.ptr[i] - '0'), &result))
            return false;
    }
    *value = result;
    return true;
}

bool lx_str_to_i64(struct lx_str text, int64_t *value)
{
    bool negative = text.len > 0 && text.ptr[0] == '-';
    uint64_t magnitude;
    if (negative) {
        text.ptr++;
        text.len--;
    }
    if (!lx_str_to_u64(text, &magnitude) || magnitude > (uint64_t)INT64_MAX + negative)
        return false;
    *value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

bool lx_str_to_hex64(struct lx_str text, uint64_t *value)
{
    uint64_t result = 0;
    if (text.len == 0 || text.len > 16)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        unsigned digit;
        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (unsigned)(c - 'a') + 10;
        else if (c >= 'A' && c <= 'F')
            digit = (unsigned)(c - 'A') + 10;
        else
            return false;
        result = result << 4 | digit;
    }
    *value = result;
    return true;
}

enum lx_status lx_buf_reserve(struct lx_buf *buf, size_t more)
{
    size_t need;
    /* One byte more than asked for: room for the NUL behind texts. */
    if (__builtin_add_overflow(buf->len, more, &need) || need > buf->max || need == SIZE_MAX)
        return LX_E_LIMIT;
    if (need < buf->cap)
        return LX_OK;
    size_t cap = buf->cap < 64 ? 64 : buf->cap;
    while (cap <= need)
        cap = cap > SIZE_MAX / 2 ? SIZE_MAX : cap * 2;
    if (cap > buf->max && buf->max >= need)
        cap = buf->max < SIZE_MAX ? buf->max + 1 : SIZE_MAX;
    uint8_t *data = lx_realloc(buf->data, cap);
    if (data == NULL)
        return LX_E_MEMORY;
    buf->data = data;
    buf->cap = cap;
    return LX_OK;
}

enum lx_status lx_buf_append(struct lx_buf *buf, const void *bytes, size_t size)
{
    LX_TRY(lx_buf_reserve(buf, size));
    if (size != 0)
        memcpy(buf->data + buf->len, bytes, size);
    buf->len += size;
    return LX_OK;
}

enum lx_status lx_buf_byte(struct lx_buf *buf, uint8_t byte)
{
    return lx_buf_append(buf, &byte, 1);
}

enum lx_status lx_buf_str(struct lx_buf *buf, struct lx_str text)
{
    LX_TRY(lx_buf_append(buf, text.ptr, text.len));
    buf->data[buf->len] = 0;
    return LX_OK;
}

enum lx_status lx_buf_text(struct lx_buf *buf, const char *text)
{
    return lx_buf_str(buf, lx_str_of(text));
}

enum lx_status lx_buf_printf(struct lx_buf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    enum lx_status status = size < 0 ? LX_E_BUG : lx_buf_reserve(buf, (size_t)size);
    if (status == LX_OK) {
        vsnprintf((char *)buf->data + buf->len, (size_t)size + 1, format, again);
        buf->len += (size_t)size;
    }
    va_end(again);
    return status;
}

void lx_buf_clear(struct lx_buf *buf)
{
    buf->len = 0;
    if (buf->data != NULL)
        buf->data[0] = 0;
}

void lx_buf_free(struct lx_buf *buf)
{
    lx_free(buf->data);
    buf->data = NULL;
    buf->len = buf->cap = 0;
}

uint8_t *lx_buf_take(struct lx_buf *buf, size_t *len)
{
    uint8_t *data = buf->data;
    if (len != NULL)
        *len = buf->len;
    buf->data = NULL;
    buf->len = buf->cap = 0;
    return data;
}
