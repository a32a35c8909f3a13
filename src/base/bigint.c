/* bigint.c: numbers as four 64-bit limbs, the lowest first; digits pass in groups of 19, the most
 * that a limb holds. */
#include "base/bigint.h"

#include <assert.h>

#define LIMBS 4
#define GROUP_DIGITS 19
#define GROUP ((uint64_t)10000000000000000000u)
#define MAX_DIGITS 78 /* of 2^256 - 1 */

__extension__ typedef unsigned __int128 wide; /* of a product of two limbs */

static void load(const uint8_t *value, size_t width, bool negative, uint64_t limbs[LIMBS])
{
    memset(limbs, negative ? 0xff : 0, LIMBS * sizeof *limbs);
    memcpy(limbs, value, width);
}

static void negate(uint64_t limbs[LIMBS])
{
    uint64_t carry = 1;
    for (size_t i = 0; i < LIMBS; i++) {
        limbs[i] = ~limbs[i] + carry;
        carry = carry != 0 && limbs[i] == 0;
    }
}

/* Divides by GROUP; the remainder. */
static uint64_t divide(uint64_t limbs[LIMBS], size_t used)
{
    uint64_t rest = 0;
    for (size_t i = used; i-- > 0;) {
        wide part = (wide)rest << 64 | limbs[i];
        limbs[i] = (uint64_t)(part / GROUP);
        rest = (uint64_t)(part % GROUP);
    }
    return rest;
}

/* Digits of the magnitude, the lowest first; at least one. */
static size_t digits_of(uint64_t limbs[LIMBS], char digits[LX_BIGINT_TEXT])
{
    size_t used = LIMBS, count = 0;
    for (;;) {
        while (used > 0 && limbs[used - 1] == 0)
            used--;
        uint64_t group = used > 1 ? divide(limbs, used) : limbs[0];
        if (used <= 1) {
            do {
                digits[count++] = (char)('0' + group % 10);
                group /= 10;
            } while (group != 0);
            return count;
        }
        for (size_t i = 0; i < GROUP_DIGITS; i++) {
            digits[count++] = (char)('0' + group % 10);
            group /= 10;
        }
    }
}

size_t lx_bigint_to_text(const uint8_t *value, size_t width, bool is_signed, unsigned scale,
                         char text[LX_BIGINT_TEXT])
{
    assert(width > 0 && width <= LX_BIGINT_MAX_WIDTH && scale <= LX_BIGINT_MAX_SCALE);
    uint64_t limbs[LIMBS];
    char digits[LX_BIGINT_TEXT];
    bool negative = is_signed && (value[width - 1] & 0x80) != 0;
    load(value, width, negative, limbs);
    if (negative)
        negate(limbs);
    size_t count = digits_of(limbs, digits), low = 0, len = 0;
    while (count < (size_t)scale + 1)
        digits[count++] = '0';
    while (low < scale && digits[low] == '0')
        low++;
    if (negative)
        text[len++] = '-';
    for (size_t i = count; i-- > scale;)
        text[len++] = digits[i];
    if (low < scale) {
        text[len++] = '.';
        for (size_t i = scale; i-- > low;)
            text[len++] = digits[i];
    }
    assert(len <= LX_BIGINT_TEXT);
    return len;
}

/* limbs = limbs * factor + add; false on overflow. */
static bool multiply_add(uint64_t limbs[LIMBS], uint64_t factor, uint64_t add)
{
    wide carry = add;
    for (size_t i = 0; i < LIMBS; i++) {
        carry += (wide)limbs[i] * factor;
        limbs[i] = (uint64_t)carry;
        carry >>= 64;
    }
    return carry == 0;
}

/* The digits of the text, the point left out, filled up to the scale; 0 where it is no number. */
static size_t collect(struct lx_str text, unsigned scale, char digits[LX_BIGINT_TEXT * 2])
{
    size_t count = 0, fraction = 0, pos = 0;
    while (pos < text.len && text.ptr[pos] >= '0' && text.ptr[pos] <= '9') {
        if (count == MAX_DIGITS)
            return 0;
        digits[count++] = text.ptr[pos++];
    }
    if (count == 0 || (count > 1 && digits[0] == '0'))
        return 0;
    if (pos < text.len) {
        if (text.ptr[pos++] != '.' || pos == text.len)
            return 0;
        for (; pos < text.len; pos++, fraction++) {
            if (fraction == scale || text.ptr[pos] < '0' || text.ptr[pos] > '9')
                return 0;
            digits[count++] = text.ptr[pos];
        }
    }
    for (; fraction < scale; fraction++)
        digits[count++] = '0';
    return count;
}

/* Does the magnitude fit, given its sign? */
static bool fits(const uint64_t limbs[LIMBS], size_t width, bool is_signed, bool negative)
{
    uint8_t bytes[LX_BIGINT_MAX_WIDTH];
    memcpy(bytes, limbs, sizeof bytes);
    for (size_t i = width; i < sizeof bytes; i++)
        if (bytes[i] != 0)
            return false;
    if (!is_signed || bytes[width - 1] < 0x80)
        return true;
    bool lowest = bytes[width - 1] == 0x80; /* only -2^(n-1) has the top bit in its magnitude */
    for (size_t i = 0; i + 1 < width; i++)
        lowest = lowest && bytes[i] == 0;
    return negative && lowest;
}

bool lx_bigint_of_text(struct lx_str text, size_t width, bool is_signed, unsigned scale,
                       uint8_t *value)
{
    assert(width > 0 && width <= LX_BIGINT_MAX_WIDTH && scale <= LX_BIGINT_MAX_SCALE);
    char digits[LX_BIGINT_TEXT * 2];
    uint64_t limbs[LIMBS] = {0};
    bool negative = text.len > 0 && text.ptr[0] == '-';
    if (negative) {
        if (!is_signed)
            return false;
        text.ptr++;
        text.len--;
    }
    size_t count = collect(text, scale, digits);
    if (count == 0)
        return false;
    for (size_t i = 0; i < count;) {
        uint64_t group = 0, power = 1;
        for (size_t end = i + GROUP_DIGITS; i < count && i < end; i++) {
            group = group * 10 + (uint64_t)(digits[i] - '0');
            power *= 10;
        }
        if (!multiply_add(limbs, power, group))
            return false;
    }
    if (negative && (limbs[0] | limbs[1] | limbs[2] | limbs[3]) == 0)
        return false; /* "-0" */
    if (!fits(limbs, width, is_signed, negative))
        return false;
    if (negative)
        negate(limbs);
    memcpy(value, limbs, width);
    return true;
}
