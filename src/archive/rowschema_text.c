/* rowschema_text.c: see the header. UUIDs go eight digits at a time in a 64-bit word: most rows
 * have one. */
#include "archive/rowschema_text.h"

/* -- UUID ---------------------------------------------------------------------------------- */

/* A byte into each of eight. */
#define EACH(byte) ((byte) * (uint64_t)0x0101010101010101)

/* Eight values 0 to 15, a byte each, as digits: 0-9, a-f. */
static inline uint64_t digits_of(uint64_t nibbles)
{
    uint64_t letters = (nibbles + EACH(6)) >> 4 & EACH(1);
    return nibbles + EACH('0') + letters * ('a' - '0' - 10);
}

/* Four bytes, the first in the low bits, as the eight digits of their text. */
static inline uint64_t spread(uint32_t bytes)
{
    uint64_t w = bytes;
    w = (w | w << 16) & 0x0000ffff0000ffff;
    w = (w | w << 8) & 0x00ff00ff00ff00ff;
    return digits_of((w >> 4 & 0x000f000f000f000f) | (w & 0x000f000f000f000f) << 8);
}

/* The other way; *bad: bits set where something was no digit. */
static inline uint32_t gather(uint64_t digits, uint64_t *bad)
{
    uint64_t nibbles = (digits & EACH(15)) + (digits >> 6 & EACH(1)) * 9;
    uint64_t w = nibbles & EACH(15);
    *bad |= digits ^ digits_of(w);
    w = (w << 4 | w >> 8) & 0x00ff00ff00ff00ff;
    w = (w | w >> 8) & 0x0000ffff0000ffff;
    return (uint32_t)(w | w >> 16);
}

/* Two groups of four digits with a dash between them, at `text`. */
static inline void put_groups(uint64_t digits, char *text)
{
    memcpy(text, &digits, 4);
    text[4] = '-';
    memcpy(text + 5, (const char *)&digits + 4, 4);
}

static inline uint64_t take_groups(const char *text)
{
    uint64_t digits;
    memcpy(&digits, text, 4);
    memcpy((char *)&digits + 4, text + 5, 4);
    return digits;
}

/* ClickHouse keeps a UUID as two numbers, the more significant first, each little-endian. */
void lx_text_of_uuid(const uint8_t uuid[16], char text[LX_UUID_TEXT])
{
    uint64_t first, second, digits;
    memcpy(&first, uuid, 8);
    memcpy(&second, uuid + 8, 8);
    first = __builtin_bswap64(first);
    second = __builtin_bswap64(second);
    digits = spread((uint32_t)first);
    memcpy(text, &digits, 8);
    text[8] = text[18] = '-';
    put_groups(spread((uint32_t)(first >> 32)), text + 9);
    digits = spread((uint32_t)second);
    put_groups(digits, text + 19);
    digits = spread((uint32_t)(second >> 32));
    memcpy(text + 28, &digits, 8);
}

bool lx_text_to_uuid(const char text[LX_UUID_TEXT], uint8_t uuid[16])
{
    uint64_t digits, bad = 0;
    memcpy(&digits, text, 8);
    uint64_t first = gather(digits, &bad) | (uint64_t)gather(take_groups(text + 9), &bad) << 32;
    uint64_t second = gather(take_groups(text + 19), &bad);
    memcpy(&digits, text + 28, 8);
    second |= (uint64_t)gather(digits, &bad) << 32;
    if (bad != 0 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-')
        return false;
    first = __builtin_bswap64(first);
    second = __builtin_bswap64(second);
    memcpy(uuid, &first, 8);
    memcpy(uuid + 8, &second, 8);
    return true;
}

/* -- addresses ----------------------------------------------------------------------------- */

/* Values of '0'-'9' and 'a'-'f', plus one: zero marks all other bytes. */
static const uint8_t hex_value[256] = {
    ['0'] = 1, ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

static size_t put_octet(uint8_t value, char *text)
{
    size_t len = 0;
    if (value >= 100)
        text[len++] = (char)('0' + value / 100);
    if (value >= 10)
        text[len++] = (char)('0' + value / 10 % 10);
    text[len++] = (char)('0' + value % 10);
    return len;
}

/* Four octets at `octets`, `step` apart: forwards or backwards. */
static size_t put_dotted(const uint8_t *octets, ptrdiff_t step, char *text)
{
    size_t len = 0;
    for (ptrdiff_t i = 0; i < 4; i++) {
        if (i > 0)
            text[len++] = '.';
        len += put_octet(octets[i * step], text + len);
    }
    return len;
}

size_t lx_text_of_ipv4(const uint8_t address[4], char text[LX_IPV4_TEXT])
{
    return put_dotted(address + 3, -1, text);
}

static bool get_dotted(struct lx_str text, uint8_t octets[4])
{
    size_t pos = 0;
    for (size_t i = 0; i < 4; i++) {
        unsigned value = 0;
        size_t start = pos;
        if (i > 0 && (pos == text.len || text.ptr[pos++] != '.'))
            return false;
        start = pos;
        for (; pos < text.len && pos - start < 3; pos++) {
            if (text.ptr[pos] < '0' || text.ptr[pos] > '9')
                break;
            value = value * 10 + (unsigned)(text.ptr[pos] - '0');
        }
        if (pos == start || value > 255 || (pos - start > 1 && text.ptr[start] == '0'))
            return false;
        octets[i] = (uint8_t)value;
    }
    return pos == text.len;
}

bool lx_text_to_ipv4(struct lx_str text, uint8_t address[4])
{
    uint8_t octets[4];
    if (!get_dotted(text, octets))
        return false;
    for (size_t i = 0; i < 4; i++)
        address[i] = octets[3 - i];
    return true;
}

/* The run of zero groups that is cut: at least two of them, else `*from` is 8. */
static void longest_zeros(const unsigned groups[8], size_t *from, size_t *count)
{
    *from = 8;
    *count = 1;
    for (size_t i = 0; i < 8; i++) {
        size_t end = i;
        while (end < 8 && groups[end] == 0)
            end++;
        if (end - i > *count) {
            *from = i;
            *count = end - i;
        }
        if (end > i)
            i = end - 1;
    }
}

static size_t put_group(unsigned group, char *text)
{
    size_t len = 0;
    bool started = false;
    for (int shift = 12; shift >= 0; shift -= 4) {
        unsigned digit = group >> shift & 0xf;
        started = started || digit != 0 || shift == 0;
        if (started)
            text[len++] = "0123456789abcdef"[digit];
    }
    return len;
}

size_t lx_text_of_ipv6(const uint8_t address[16], char text[LX_IPV6_TEXT])
{
    unsigned groups[8];
    size_t from, count, len = 0;
    for (size_t i = 0; i < 8; i++)
        groups[i] = (unsigned)address[2 * i] << 8 | address[2 * i + 1];
    longest_zeros(groups, &from, &count);
    bool dotted = from == 0 && (count == 6 || (count == 5 && groups[5] == 0xffff));
    for (size_t i = 0; i < 8; i++) {
        if (i == from) {
            text[len++] = ':';
            text[len++] = ':';
            i += count - 1;
            continue;
        }
        if (i > 0 && i != from + count)
            text[len++] = ':';
        if (i == 6 && dotted)
            return len + put_dotted(address + 12, 1, text + len);
        len += put_group(groups[i], text + len);
    }
    return len;
}

/* Groups up to "::" or the end; a dotted tail counts as two. False: not an address. */
static bool get_groups(struct lx_str *text, unsigned groups[8], size_t *count)
{
    *count = 0;
    for (;;) {
        size_t size = 0;
        unsigned group = 0;
        while (size < text->len && size < 4 && hex_value[(uint8_t)text->ptr[size]] != 0)
            group = group << 4 | (hex_value[(uint8_t)text->ptr[size++]] - 1u);
        if (size < text->len && text->ptr[size] == '.') {
            uint8_t octets[4];
            if (*count > 6 || !get_dotted(*text, octets))
                return false;
            groups[(*count)++] = (unsigned)octets[0] << 8 | octets[1];
            groups[(*count)++] = (unsigned)octets[2] << 8 | octets[3];
            text->len = 0;
            return true;
        }
        if (size == 0 || *count == 8)
            return false;
        groups[(*count)++] = group;
        text->ptr += size;
        text->len -= size;
        if (text->len == 0 || lx_str_starts(*text, LX_STR("::")))
            return true;
        if (text->ptr[0] != ':')
            return false;
        text->ptr++;
        text->len--;
    }
}

bool lx_text_to_ipv6(struct lx_str text, uint8_t address[16])
{
    unsigned groups[8] = {0}, tail[8];
    size_t count = 0, tail_count = 0;
    struct lx_str rest = text;
    if (!lx_str_starts(rest, LX_STR("::")) && !get_groups(&rest, groups, &count))
        return false;
    if (rest.len > 0) {
        rest.ptr += 2;
        rest.len -= 2;
        if (rest.len > 0 && (!get_groups(&rest, tail, &tail_count) || rest.len > 0))
            return false;
        if (count + tail_count > 6) /* a single group is never cut */
            return false;
        for (size_t i = 0; i < tail_count; i++)
            groups[8 - tail_count + i] = tail[i];
    } else if (count != 8) {
        return false;
    }
    uint8_t bytes[16];
    char again[LX_IPV6_TEXT];
    for (size_t i = 0; i < 8; i++) {
        bytes[2 * i] = (uint8_t)(groups[i] >> 8);
        bytes[2 * i + 1] = (uint8_t)groups[i];
    }
    /* Only the one text that this address has. */
    if (!lx_str_equal(text, (struct lx_str){again, lx_text_of_ipv6(bytes, again)}))
        return false;
    memcpy(address, bytes, sizeof bytes);
    return true;
}
