/* Folding by carry-less multiplication: V. Gopal et al., "Fast CRC Computation for Generic
 * Polynomials Using PCLMULQDQ Instruction", Intel, 2009, with the constants of the reflected
 * polynomial 0xEDB88320. zlib does heads, tails and machines without it. */
#include "parquet/crc.h"

#include <limits.h>
#include <zlib.h>

uint32_t lx_pq_crc32_portable(uint32_t crc, const void *bytes, size_t size)
{
    return (uint32_t)crc32_z(crc, bytes, size);
}

#if defined(__x86_64__)
#include <immintrin.h>

#define FOLD_MIN 64

__attribute__((target("pclmul,sse4.1"))) static __m128i fold(__m128i value, __m128i keys,
                                                             __m128i next)
{
    __m128i low = _mm_clmulepi64_si128(value, keys, 0x00);
    __m128i high = _mm_clmulepi64_si128(value, keys, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

__attribute__((target("pclmul,sse4.1"))) static uint32_t reduce(__m128i value, __m128i keys)
{
    const __m128i mask = _mm_setr_epi32(~0, 0, ~0, 0);
    __m128i t = _mm_clmulepi64_si128(value, keys, 0x10);
    value = _mm_xor_si128(_mm_srli_si128(value, 8), t);
    t = _mm_srli_si128(value, 4);
    value = _mm_clmulepi64_si128(_mm_and_si128(value, mask), _mm_set_epi64x(0, 0x0163cd6124), 0x00);
    value = _mm_xor_si128(value, t);
    const __m128i barrett = _mm_set_epi64x(0x01f7011641, 0x01db710641);
    t = _mm_clmulepi64_si128(_mm_and_si128(value, mask), barrett, 0x10);
    t = _mm_clmulepi64_si128(_mm_and_si128(t, mask), barrett, 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(value, t), 1);
}

/* `size` is a multiple of 16, at least FOLD_MIN. `crc` is the inverted form. */
__attribute__((target("pclmul,sse4.1"))) static uint32_t
fold_blocks(uint32_t crc, const uint8_t *bytes, size_t size)
{
    const __m128i by4 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4);
    const __m128i by1 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
    const __m128i *at = (const __m128i *)(const void *)bytes;
    __m128i a = _mm_xor_si128(_mm_loadu_si128(at), _mm_cvtsi32_si128((int)crc));
    __m128i b = _mm_loadu_si128(at + 1), c = _mm_loadu_si128(at + 2), d = _mm_loadu_si128(at + 3);
    at += 4;
    size -= 64;
    for (; size >= 64; size -= 64, at += 4) {
        a = fold(a, by4, _mm_loadu_si128(at));
        b = fold(b, by4, _mm_loadu_si128(at + 1));
        c = fold(c, by4, _mm_loadu_si128(at + 2));
        d = fold(d, by4, _mm_loadu_si128(at + 3));
    }
    a = fold(a, by1, b);
    a = fold(a, by1, c);
    a = fold(a, by1, d);
    for (; size >= 16; size -= 16, at++)
        a = fold(a, by1, _mm_loadu_si128(at));
    return reduce(a, by1);
}

uint32_t lx_pq_crc32(uint32_t crc, const void *bytes, size_t size)
{
    if (size >= FOLD_MIN && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1")) {
        size_t whole = size & ~(size_t)15;
        crc = ~fold_blocks(~crc, bytes, whole);
        bytes = (const uint8_t *)bytes + whole;
        size -= whole;
    }
    return lx_pq_crc32_portable(crc, bytes, size);
}
#else
uint32_t lx_pq_crc32(uint32_t crc, const void *bytes, size_t size)
{
    return lx_pq_crc32_portable(crc, bytes, size);
}
#endif
