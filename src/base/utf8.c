#include "base/utf8.h"

/* Length of the character at the front, or 0. */
static size_t character(const uint8_t *b, size_t left)
{
    if (b[0] < 0x80)
        return 1;
    if (b[0] < 0xc2 || b[0] > 0xf4)
        return 0;
    size_t size = b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : 4;
    if (left < size)
        return 0;
    uint8_t low = 0x80, high = 0xbf; /* of the second byte: no long forms, surrogates, > U+10FFFF */
    switch (b[0]) {
    case 0xe0: low = 0xa0; break;
    case 0xed: high = 0x9f; break;
    case 0xf0: low = 0x90; break;
    case 0xf4: high = 0x8f; break;
    default: break;
    }
    if (b[1] < low || b[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++)
        if ((b[i] & 0xc0) != 0x80)
            return 0;
    return size;
}

size_t lx_utf8_valid_prefix(const uint8_t *bytes, size_t size)
{
    size_t pos = 0;
    while (pos < size) {
        uint64_t word, four[4];
        while (size - pos >= sizeof four) { /* ASCII, 32 bytes at a time, then eight */
            memcpy(four, bytes + pos, sizeof four);
            if (((four[0] | four[1] | four[2] | four[3]) & 0x8080808080808080u) != 0)
                break;
            pos += sizeof four;
        }
        while (size - pos >= 8) {
            memcpy(&word, bytes + pos, 8);
            if ((word & 0x8080808080808080u) != 0)
                break;
            pos += 8;
        }
        if (pos == size)
            break;
        size_t step = character(bytes + pos, size - pos);
        if (step == 0)
            return pos;
        pos += step;
    }
    return size;
}

enum lx_status lx_utf8_repair(struct lx_buf *out, const void *text, size_t size)
{
    const uint8_t *bytes = text;
    while (size > 0) {
        size_t good = lx_utf8_valid_prefix(bytes, size);
        LX_TRY(lx_buf_append(out, bytes, good));
        bytes += good;
        size -= good;
        if (size > 0) {
            LX_TRY(lx_buf_append(out, "\xef\xbf\xbd", 3));
            bytes++;
            size--;
        }
    }
    return LX_OK;
}
