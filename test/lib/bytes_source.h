/* bytes_source.h: bytes in memory as a Parquet file's source. */
#ifndef LX_TEST_BYTES_SOURCE_H
#define LX_TEST_BYTES_SOURCE_H

#include "base/err.h"

#include <stdint.h>
#include <string.h>

struct bytes_source {
    const uint8_t *bytes;
    size_t size;
};

/* For lx_parquet_source.read_at; self: a struct bytes_source. */
static inline enum lx_status bytes_source_read(void *self, int64_t offset, void *bytes, size_t size,
                                               struct lx_err *err)
{
    const struct bytes_source *source = self;
    if (offset < 0 || (size_t)offset > source->size || source->size - (size_t)offset < size)
        return lx_err_set(err, LX_E_FORMAT, "beyond the end");
    memcpy(bytes, source->bytes + offset, size);
    return LX_OK;
}

#endif
