/* rowschema_raw.c: see the header. */
#include "archive/rowschema_raw.h"

#include "archive/rowschema_map.h"
#include "base/alloc.h"
#include "base/limits.h"

/* -- base64 -------------------------------------------------------------------------------- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum lx_status lx_base64_encode(struct lx_buf *out, struct lx_str bytes)
{
    const uint8_t *from = (const uint8_t *)bytes.ptr;
    size_t left = bytes.len;
    if (left > LX_MAX_COLUMN_HEAP)
        return LX_E_LIMIT;
    LX_TRY(lx_buf_reserve(out, (left + 2) / 3 * 4));
    uint8_t *to = out->data + out->len;
    for (; left >= 3; left -= 3, from += 3, to += 4) {
        uint32_t bits = (uint32_t)from[0] << 16 | (uint32_t)from[1] << 8 | from[2];
        for (size_t i = 0; i < 4; i++)
            to[i] = (uint8_t)alphabet[bits >> (18 - 6 * i) & 63];
    }
    if (left > 0) {
        uint32_t bits = (uint32_t)from[0] << 16 | (left > 1 ? (uint32_t)from[1] << 8 : 0);
        to[0] = (uint8_t)alphabet[bits >> 18];
        to[1] = (uint8_t)alphabet[bits >> 12 & 63];
        to[2] = left > 1 ? (uint8_t)alphabet[bits >> 6 & 63] : '=';
        to[3] = '=';
        to += 4;
    }
    out->len = (size_t)(to - out->data);
    return LX_OK;
}

#define BAD 0x80

static uint32_t digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (uint32_t)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (uint32_t)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0') + 52;
    return c == '+' ? 62 : c == '/' ? 63 : BAD;
}

enum lx_status lx_base64_decode(struct lx_buf *out, struct lx_str text)
{
    if (text.len % 4 != 0)
        return LX_E_FORMAT;
    if (text.len == 0)
        return LX_OK;
    size_t padding = text.ptr[text.len - 1] != '=' ? 0 : text.ptr[text.len - 2] != '=' ? 1 : 2;
    size_t size = text.len / 4 * 3;
    LX_TRY(lx_buf_reserve(out, size));
    uint8_t *to = out->data + out->len;
    for (size_t i = 0; i < text.len; i += 4, to += 3) {
        size_t digits = i + 4 == text.len ? 4 - padding : 4;
        uint32_t bits = 0, bad = 0;
        for (size_t j = 0; j < 4; j++) {
            uint32_t digit = j < digits ? digit_of(text.ptr[i + j]) : 0;
            bad |= digit & BAD;
            bits = bits << 6 | (digit & 63);
        }
        /* Bits below the last byte must be zero: one text for one value. */
        if (bad != 0 || (digits < 4 && (bits & (digits == 3 ? 0xffu : 0xffffu)) != 0))
            return LX_E_FORMAT;
        to[0] = (uint8_t)(bits >> 16);
        to[1] = (uint8_t)(bits >> 8);
        to[2] = (uint8_t)bits;
    }
    out->len += size - padding;
    return LX_OK;
}

/* -- keys ---------------------------------------------------------------------------------- */

static enum lx_status put_key(struct lx_buf *text, const char *name)
{
    LX_TRY(lx_buf_byte(text, '"'));
    for (; *name != 0; name++) {
        if (*name == '"' || *name == '\\')
            LX_TRY(lx_buf_byte(text, '\\'));
        LX_TRY(lx_buf_byte(text, (uint8_t)*name)); /* control characters are never in file names */
    }
    return lx_buf_append(text, "\":\"", 3);
}

enum lx_status lx_raw_keys_make(const struct lx_row_schema *schema, struct lx_raw_keys *keys)
{
    struct lx_raw_keys made = {.count = schema->field_count, .text = LX_BUF(LX_SCHEMA_MAX_TEXT)};
    enum lx_status status = LX_OK;
    made.keys = lx_calloc(made.count + 1, sizeof *made.keys);
    if (made.keys == NULL)
        return LX_E_MEMORY;
    for (size_t i = 0; status == LX_OK && i < made.count; i++) {
        const struct lx_field *field = &schema->fields[i];
        size_t start = made.text.len;
        if (field->map == LX_MAP_TEXT || field->map == LX_MAP_JSON)
            status = put_key(&made.text, field->file_name);
        made.keys[i].len = made.text.len - start;
    }
    if (status != LX_OK) {
        lx_raw_keys_free(&made);
        return status;
    }
    size_t at = 0; /* only now: the buffer moves while it grows */
    for (size_t i = 0; i < made.count; i++) {
        made.keys[i].ptr = (const char *)made.text.data + at;
        at += made.keys[i].len;
    }
    *keys = made;
    return LX_OK;
}

void lx_raw_keys_free(struct lx_raw_keys *keys)
{
    lx_free(keys->keys);
    lx_buf_free(&keys->text);
    *keys = (struct lx_raw_keys){0};
}

enum lx_status lx_raw_put(const struct lx_raw_keys *keys, size_t field, bool first,
                          struct lx_str bytes, struct lx_buf *out)
{
    LX_TRY(lx_buf_byte(out, first ? '{' : ','));
    LX_TRY(lx_buf_append(out, keys->keys[field].ptr, keys->keys[field].len));
    LX_TRY(lx_base64_encode(out, bytes));
    return lx_buf_byte(out, '"');
}

static void skip(struct lx_str *text, size_t size)
{
    text->ptr += size;
    text->len -= size;
}

enum lx_status lx_raw_take(const struct lx_raw_keys *keys, struct lx_str *text, size_t *field,
                           bool *more, struct lx_buf *out)
{
    bool first = *field == SIZE_MAX;
    if (!first && lx_str_is(*text, "}")) {
        *more = false;
        return LX_OK;
    }
    if (text->len == 0 || text->ptr[0] != (first ? '{' : ','))
        return LX_E_FORMAT;
    skip(text, 1);
    size_t at = first ? 0 : *field + 1;
    while (at < keys->count && (keys->keys[at].len == 0 || !lx_str_starts(*text, keys->keys[at])))
        at++;
    if (at == keys->count)
        return LX_E_FORMAT;
    skip(text, keys->keys[at].len);
    const char *end = memchr(text->ptr, '"', text->len);
    if (end == NULL)
        return LX_E_FORMAT;
    size_t size = (size_t)(end - text->ptr);
    LX_TRY(lx_base64_decode(out, (struct lx_str){text->ptr, size}));
    skip(text, size + 1);
    *field = at;
    *more = true;
    return LX_OK;
}
