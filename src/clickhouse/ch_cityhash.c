#include "clickhouse/ch_cityhash.h"

#include <string.h>

#define K0 0xc3a5c85c97cb3127u
#define K1 0xb492b66fbe98f273u
#define K2 0x9ae16a3b2f90404fu
#define K3 0xc949d7c7509e6557u

static inline uint64_t fetch64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline uint64_t fetch32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline uint64_t rotate(uint64_t value, unsigned by)
{
    return by == 0 ? value : value >> by | value << (64 - by);
}

static inline uint64_t mix(uint64_t value)
{
    return value ^ value >> 47;
}

/* Two words into one. */
static inline uint64_t join(uint64_t low, uint64_t high)
{
    const uint64_t m = 0x9ddfea08eb382d69u;
    uint64_t a = mix((low ^ high) * m);
    return mix((high ^ a) * m) * m;
}

static uint64_t short_hash(const uint8_t *at, size_t size)
{
    if (size > 8) {
        uint64_t a = fetch64(at), b = fetch64(at + size - 8);
        return join(a, rotate(b + size, (unsigned)size)) ^ b;
    }
    if (size >= 4)
        return join(size + (fetch32(at) << 3), fetch32(at + size - 4));
    if (size > 0) {
        uint32_t y = at[0] + ((uint32_t)at[size / 2] << 8);
        uint32_t z = (uint32_t)size + ((uint32_t)at[size - 1] << 2);
        return mix(y * K2 ^ z * K3) * K2;
    }
    return K2;
}

struct pair {
    uint64_t first, second;
};

/* 32 bytes and two words into two words. */
static inline struct pair weak32(const uint8_t *at, uint64_t a, uint64_t b)
{
    uint64_t w = fetch64(at), x = fetch64(at + 8), y = fetch64(at + 16), z = fetch64(at + 24);
    a += w;
    b = rotate(b + a + z, 21);
    uint64_t c = a;
    a += x;
    a += y;
    b += rotate(a, 44);
    return (struct pair){a + z, b + c};
}

/* Less than 128 bytes. */
static struct lx_ch_hash128 murmur(const uint8_t *at, size_t size, uint64_t a, uint64_t b)
{
    uint64_t c, d;
    if (size <= 16) {
        a = mix(a * K1) * K1;
        c = b * K1 + short_hash(at, size);
        d = mix(a + (size >= 8 ? fetch64(at) : c));
    } else {
        c = join(fetch64(at + size - 8) + K1, a);
        d = join(b + size, c + fetch64(at + size - 16));
        a += d;
        for (size_t left = size - 16;; left -= 16, at += 16) {
            a = (a ^ mix(fetch64(at) * K1) * K1) * K1;
            b ^= a;
            c = (c ^ mix(fetch64(at + 8) * K1) * K1) * K1;
            d ^= c;
            if (left <= 16)
                break;
        }
    }
    a = join(a, c);
    b = join(d, b);
    return (struct lx_ch_hash128){a ^ b, join(b, a)};
}

static struct lx_ch_hash128 hash_seeded(const uint8_t *at, size_t size, uint64_t x, uint64_t y)
{
    if (size < 128)
        return murmur(at, size, x, y);
    uint64_t z = size * K1;
    struct pair v, w;
    v.first = rotate(y ^ K1, 49) * K1 + fetch64(at);
    v.second = rotate(v.first, 42) * K1 + fetch64(at + 8);
    w.first = rotate(y + z, 35) * K1 + x;
    w.second = rotate(x + fetch64(at + 88), 53) * K1;
    do {
        for (unsigned half = 0; half < 2; half++, at += 64) {
            x = rotate(x + y + v.first + fetch64(at + 16), 37) * K1;
            y = rotate(y + v.second + fetch64(at + 48), 42) * K1;
            x ^= w.second;
            y ^= v.first;
            z = rotate(z ^ w.first, 33);
            v = weak32(at, v.second * K1, x + w.first);
            w = weak32(at + 32, z + w.second, y);
            uint64_t swap = z;
            z = x;
            x = swap;
        }
        size -= 128;
    } while (size >= 128);
    y += rotate(w.first, 37) * K0 + z;
    x += rotate(v.first + z, 49) * K0;
    /* The rest, from the end, in pieces of 32 that may reach back into what was hashed. */
    for (size_t done = 0; done < size;) {
        done += 32;
        const uint8_t *piece = at + size - done;
        y = rotate(y - x, 42) * K0 + v.second;
        w.first += fetch64(piece + 16);
        x = rotate(x, 49) * K0 + w.first;
        w.first += v.first;
        v = weak32(piece, v.first, v.second);
    }
    x = join(x, v.first);
    y = join(y, w.first);
    return (struct lx_ch_hash128){join(x + v.second, w.second) + y,
                                  join(x + w.second, y + v.second)};
}

struct lx_ch_hash128 lx_ch_cityhash128(const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    if (size >= 16)
        return hash_seeded(at + 16, size - 16, fetch64(at) ^ K3, fetch64(at + 8));
    if (size >= 8)
        return hash_seeded(at, 0, fetch64(at) ^ size * K0, fetch64(at + size - 8) ^ K1);
    return hash_seeded(at, size, K0, K1);
}
