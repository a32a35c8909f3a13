/* bitpack.h: unsigned numbers of a fixed number of bits, packed from the lowest bit up
 * (parquet-format Encodings.md, "Run Length Encoding / Bit-Packing Hybrid": bit-packed runs; the
 * same layout holds the miniblocks of DELTA_BINARY_PACKED and plain booleans).
 *
 * Private to the module. Thread-safe. */
#ifndef LX_PARQUET_BITPACK_H
#define LX_PARQUET_BITPACK_H

#include <stddef.h>
#include <stdint.h>

/* Bits that the number needs: 0 for 0. */
static inline unsigned lx_pq_bit_width(uint64_t value)
{
    return value == 0 ? 0 : 64 - (unsigned)__builtin_clzll(value);
}

/* Bytes of `count` numbers; count * width must fit a size_t. */
static inline size_t lx_pq_packed_bytes(size_t count, unsigned width)
{
    return (count * width + 7) / 8;
}

/* Packs `count` numbers of at most `width` (0 to 32, or 64) bits into lx_pq_packed_bytes bytes;
 * bits left over at the end are 0. */
void lx_pq_pack32(const uint32_t *values, size_t count, unsigned width, uint8_t *bytes);
void lx_pq_pack64(const uint64_t *values, size_t count, unsigned width, uint8_t *bytes);
/* Booleans of one byte each. */
void lx_pq_pack_bools(const uint8_t *values, size_t count, uint8_t *bytes);

/* The reverse. `size` bytes may be read, at least lx_pq_packed_bytes(count, width) of them. */
void lx_pq_unpack32(const uint8_t *bytes, size_t size, unsigned width, uint32_t *values,
                    size_t count);
void lx_pq_unpack64(const uint8_t *bytes, size_t size, unsigned width, uint64_t *values,
                    size_t count);
/* Booleans from bit number `bit` on. */
void lx_pq_unpack_bools(const uint8_t *bytes, size_t bit, uint8_t *values, size_t count);
/* Without vector instructions: for tests. */
void lx_pq_unpack32_portable(const uint8_t *bytes, size_t size, unsigned width, uint32_t *values,
                             size_t count);

#endif
