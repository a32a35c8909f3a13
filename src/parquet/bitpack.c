#include "parquet/bitpack.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

void lx_pq_pack32(const uint32_t *values, size_t count, unsigned width, uint8_t *bytes)
{
    uint64_t pending = 0;
    unsigned bits = 0;
    if (width == 0)
        return;
    for (size_t i = 0; i < count; i++) {
        pending |= (uint64_t)values[i] << bits;
        bits += width;
        if (bits >= 32) {
            uint32_t word = (uint32_t)pending;
            memcpy(bytes, &word, 4);
            bytes += 4;
            pending >>= 32;
            bits -= 32;
        }
    }
    for (; bits > 0; bits = bits > 8 ? bits - 8 : 0) {
        *bytes++ = (uint8_t)pending;
        pending >>= 8;
    }
}

void lx_pq_pack64(const uint64_t *values, size_t count, unsigned width, uint8_t *bytes)
{
    uint64_t pending = 0;
    unsigned bits = 0;
    if (width == 0)
        return;
    for (size_t i = 0; i < count; i++) {
        pending |= values[i] << bits;
        if (bits + width >= 64) {
            memcpy(bytes, &pending, 8);
            bytes += 8;
            unsigned used = 64 - bits; /* of this value, 1 to 64 */
            pending = used < 64 ? values[i] >> used : 0;
            bits = width - used;
        } else {
            bits += width;
        }
    }
    for (; bits > 0; bits = bits > 8 ? bits - 8 : 0) {
        *bytes++ = (uint8_t)pending;
        pending >>= 8;
    }
}

void lx_pq_pack_bools(const uint8_t *values, size_t count, uint8_t *bytes)
{
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        uint64_t eight;
        memcpy(&eight, values + i, 8);
        /* Gathers bit 0 of each byte into the top byte. */
        *bytes++ = (uint8_t)(((eight & 0x0101010101010101) * 0x0102040810204080) >> 56);
    }
    if (i == count)
        return;
    *bytes = 0;
    for (unsigned bit = 0; i < count; i++, bit++)
        *bytes = (uint8_t)(*bytes | (values[i] & 1u) << bit);
}

void lx_pq_unpack_bools(const uint8_t *bytes, size_t bit, uint8_t *values, size_t count)
{
    size_t i = 0;
    for (; i < count && (bit + i) % 8 != 0; i++)
        values[i] = bytes[(bit + i) / 8] >> (bit + i) % 8 & 1;
    for (; i + 8 <= count; i += 8) {
        uint64_t spread = bytes[(bit + i) / 8] * (uint64_t)0x0101010101010101;
        spread &= 0x8040201008040201;
        spread = ((spread + 0x00406070787c7e7f) >> 7) & 0x0101010101010101;
        memcpy(values + i, &spread, 8);
    }
    for (; i < count; i++)
        values[i] = bytes[(bit + i) / 8] >> (bit + i) % 8 & 1;
}

/* The value at bit `at`: width of at most 57 bits, 8 bytes may be read there. */
static inline uint64_t peek(const uint8_t *bytes, size_t at, uint64_t mask)
{
    uint64_t word;
    memcpy(&word, bytes + at / 8, 8);
    return word >> at % 8 & mask;
}

/* The same near the end of the bytes, and for any width. */
static uint64_t peek_slowly(const uint8_t *bytes, size_t at, unsigned width)
{
    uint64_t value = 0;
    unsigned have = 0;
    size_t byte = at / 8;
    unsigned skip = at % 8;
    while (have < width) {
        uint64_t part = (uint64_t)bytes[byte++] >> skip;
        value |= part << have;
        have += 8 - skip;
        skip = 0;
    }
    return width < 64 ? value & (((uint64_t)1 << width) - 1) : value;
}

/* How many of the `count` values can be read by 8-byte loads. */
static size_t loadable(size_t size, unsigned width, size_t count)
{
    if (size < 8)
        return 0;
    size_t fit = (size - 8) * 8 / width + 1;
    return fit < count ? fit : count;
}

static void unpack32_from(const uint8_t *bytes, size_t size, unsigned width, uint32_t *values,
                          size_t from, size_t count)
{
    const uint64_t mask = ((uint64_t)1 << width) - 1;
    size_t fast = loadable(size, width, count), i = from;
    for (; i < fast; i++)
        values[i] = (uint32_t)peek(bytes, i * width, mask);
    for (; i < count; i++)
        values[i] = (uint32_t)peek_slowly(bytes, i * width, width);
}

void lx_pq_unpack32_portable(const uint8_t *bytes, size_t size, unsigned width, uint32_t *values,
                             size_t count)
{
    if (width == 0)
        memset(values, 0, count * sizeof *values);
    else
        unpack32_from(bytes, size, width, values, 0, count);
}

void lx_pq_unpack64(const uint8_t *bytes, size_t size, unsigned width, uint64_t *values,
                    size_t count)
{
    if (width == 0) {
        memset(values, 0, count * sizeof *values);
        return;
    }
    size_t i = 0;
    if (width <= 57) {
        const uint64_t mask = ((uint64_t)1 << width) - 1;
        for (size_t fast = loadable(size, width, count); i < fast; i++)
            values[i] = peek(bytes, i * width, mask);
    }
    for (; i < count; i++)
        values[i] = peek_slowly(bytes, i * width, width);
}

#if defined(__x86_64__)
/* Eight values take `width` bytes, so every group of eight looks alike: four values from each of
 * two 16-byte loads are moved to lanes of 4 bytes and shifted into place. Up to 25 bits, where a
 * value lies within 4 bytes wherever it starts. Returns how many values were made. */
__attribute__((target("avx2"))) static size_t
unpack32_avx2(const uint8_t *bytes, size_t size, unsigned width, uint32_t *values, size_t count)
{
    uint8_t order[32];
    uint32_t shifts[8];
    const size_t half = (size_t)4 * width / 8; /* byte where the fifth value starts */
    for (unsigned i = 0; i < 8; i++) {
        unsigned bit = i * width - (i < 4 ? 0 : (unsigned)half * 8);
        for (unsigned k = 0; k < 4; k++)
            order[i * 4 + k] = (uint8_t)(bit / 8 + k);
        shifts[i] = bit % 8;
    }
    const __m256i pick = _mm256_loadu_si256((const __m256i *)(const void *)order);
    const __m256i shift = _mm256_loadu_si256((const __m256i *)(const void *)shifts);
    const __m256i mask = _mm256_set1_epi32((int)(((uint32_t)1 << width) - 1));
    size_t done = 0, at = 0;
    for (; done + 8 <= count && at + half + 16 <= size; done += 8, at += width) {
        __m128i low = _mm_loadu_si128((const __m128i *)(const void *)(bytes + at));
        __m128i high = _mm_loadu_si128((const __m128i *)(const void *)(bytes + at + half));
        __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
        both = _mm256_srlv_epi32(_mm256_shuffle_epi8(both, pick), shift);
        _mm256_storeu_si256((__m256i *)(void *)(values + done), _mm256_and_si256(both, mask));
    }
    return done;
}
#endif

void lx_pq_unpack32(const uint8_t *bytes, size_t size, unsigned width, uint32_t *values,
                    size_t count)
{
    size_t done = 0;
    if (width == 0) {
        memset(values, 0, count * sizeof *values);
        return;
    }
#if defined(__x86_64__)
    if (width <= 25 && __builtin_cpu_supports("avx2"))
        done = unpack32_avx2(bytes, size, width, values, count);
#endif
    unpack32_from(bytes, size, width, values, done, count);
}
