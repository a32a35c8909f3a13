/* bigint.h: decimal text of integers of up to 256 bits, and of decimals that are such integers
 * divided by a power of ten.
 *
 * Values are little-endian, two's complement where signed, `width` bytes long: 1, 2, 4, 8, 16, 32.
 * Text is the shortest that names the value: "-12.5"; no sign for zero, no leading zeros but one in
 * front of the point, no zeros at the end of a fraction, no exponent. Thread-safe. */
#ifndef LX_BASE_BIGINT_H
#define LX_BASE_BIGINT_H

#include "base/buf.h"

#define LX_BIGINT_MAX_WIDTH 32
#define LX_BIGINT_MAX_SCALE 76
#define LX_BIGINT_TEXT 88 /* sign, 78 digits, "0.", and room to spare */

/* The number of characters written; no NUL. */
size_t lx_bigint_to_text(const uint8_t *value, size_t width, bool is_signed, unsigned scale,
                         char text[LX_BIGINT_TEXT]);

/* The whole text; false, and *value untouched, where it is no such number or does not fit. Zeros at
 * the end of a fraction of at most `scale` digits are taken too: they name the same value. */
LX_MUST_CHECK bool lx_bigint_of_text(struct lx_str text, size_t width, bool is_signed,
                                     unsigned scale, uint8_t *value);

#endif
