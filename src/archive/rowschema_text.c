/* rowschema_text.c: see the header. UUIDs go by table: most rows have one. */
#include "archive/rowschema_text.h"

/* -- UUID ---------------------------------------------------------------------------------- */

/* Where each pair of digits stands in the text, and which byte of the value it is. */
static const uint8_t uuid_place[16] = {0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34};
static const uint8_t uuid_byte[16] = {7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8};

#define HEX_ROW(h)                                                                                 \
    h "0" h "1" h "2" h "3" h "4" h "5" h "6" h "7" h "8" h "9" h "a" h "b" h "c" h "d" h "e" h "f"
static const char hex_pairs[] = HEX_ROW("0") HEX_ROW("1") HEX_ROW("2") HEX_ROW("3") HEX_ROW("4")
    HEX_ROW("5") HEX_ROW("6") HEX_ROW("7") HEX_ROW("8") HEX_ROW("9") HEX_ROW("a") HEX_ROW("b")
        HEX_ROW("c") HEX_ROW("d") HEX_ROW("e") HEX_ROW("f");
_Static_assert(sizeof hex_pairs == 513, "two digits a byte");

#define BAD 0x80
/* Values of '0'-'9' and 'a'-'f', plus one: zero marks all other bytes. */
static const uint8_t hex_value[256] = {
    ['0'] = 1, ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

void lx_text_of_uuid(const uint8_t uuid[16], char text[LX_UUID_TEXT])
{
    for (size_t i = 0; i < 16; i++)
        memcpy(text + uuid_place[i], hex_pairs + 2 * uuid[uuid_byte[i]], 2);
    text[8] = text[13] = text[18] = text[23] = '-';
}

bool lx_text_to_uuid(const char text[LX_UUID_TEXT], uint8_t uuid[16])
{
    uint8_t bytes[16];
    unsigned bad = 0; /* top bit: some digit was none */
    for (size_t i = 0; i < 16; i++) {
        unsigned high = hex_value[(uint8_t)text[uuid_place[i]]] - 1u;
        unsigned low = hex_value[(uint8_t)text[uuid_place[i] + 1]] - 1u;
        bad |= high | low;
        bytes[uuid_byte[i]] = (uint8_t)(high << 4 | low);
    }
    if ((bad & BAD) != 0 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-')
        return false;
    memcpy(uuid, bytes, sizeof bytes);
    return true;
}

/* -- addresses ----------------------------------------------------------------------------- */

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
            text[len++] = hex_pairs[2 * digit + 1];
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
