/* ch_cityhash.h: CityHash128 of version 1.0.2, the checksum in front of ClickHouse's compressed
 * frames. (Later versions of CityHash give other values; ClickHouse stays with this one.) */
#ifndef LX_CLICKHOUSE_CH_CITYHASH_H
#define LX_CLICKHOUSE_CH_CITYHASH_H

#include <stddef.h>
#include <stdint.h>

struct lx_ch_hash128 {
    uint64_t low, high; /* in this order in a frame, each little-endian */
};

/* Pure; any size. */
struct lx_ch_hash128 lx_ch_cityhash128(const void *bytes, size_t size);

#endif
