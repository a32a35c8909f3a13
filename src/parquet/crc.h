/* crc.h: CRC-32 (ISO-HDLC, as gzip has it), which Parquet keeps of each page's stored bytes
 * (parquet.thrift, PageHeader.crc).
 *
 * Private to the module. Thread-safe. */
#ifndef LX_PARQUET_CRC_H
#define LX_PARQUET_CRC_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of what `crc` covers followed by these bytes; start with 0. */
uint32_t lx_pq_crc32(uint32_t crc, const void *bytes, size_t size);
/* The same by tables alone: what machines without carry-less multiplication use; for tests. */
uint32_t lx_pq_crc32_portable(uint32_t crc, const void *bytes, size_t size);

#endif
