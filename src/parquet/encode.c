#include "parquet/encode.h"

#include "parquet/delta.h"

enum lx_status lx_pq_encode_plain(const uint8_t *values, const uint32_t *offsets, size_t count,
                                  struct lx_buf *out)
{
    size_t bytes = offsets[count] - offsets[0];
    LX_TRY(lx_buf_reserve(out, bytes + count * 4));
    uint8_t *at = out->data + out->len;
    for (size_t i = 0; i < count; i++) {
        uint32_t size = offsets[i + 1] - offsets[i];
        memcpy(at, &size, 4);
        if (size != 0)
            memcpy(at + 4, values + offsets[i], size);
        at += 4 + size;
    }
    out->len += bytes + count * 4;
    return LX_OK;
}

enum lx_status lx_pq_encode_lengths(const uint32_t *offsets, size_t count, struct lx_buf *scratch,
                                    struct lx_buf *out)
{
    lx_buf_clear(scratch);
    LX_TRY(lx_buf_reserve(scratch, count * sizeof(int32_t)));
    int32_t *lengths = (int32_t *)(void *)scratch->data;
    for (size_t i = 0; i < count; i++)
        lengths[i] = (int32_t)(offsets[i + 1] - offsets[i]);
    return lx_pq_delta_encode32(lengths, count, out);
}

enum lx_status lx_pq_encode_delta_length(const uint8_t *values, const uint32_t *offsets,
                                         size_t count, struct lx_buf *scratch, struct lx_buf *out)
{
    LX_TRY(lx_pq_encode_lengths(offsets, count, scratch, out));
    size_t bytes = count != 0 ? offsets[count] - offsets[0] : 0;
    return bytes != 0 ? lx_buf_append(out, values + offsets[0], bytes) : LX_OK;
}

/* Length of what both start with. */
static size_t common_prefix(const uint8_t *a, const uint8_t *b, size_t size)
{
    size_t n = 0;
    while (n + 8 <= size) {
        uint64_t x, y;
        memcpy(&x, a + n, 8);
        memcpy(&y, b + n, 8);
        if (x != y)
            return n + (size_t)__builtin_ctzll(x ^ y) / 8;
        n += 8;
    }
    while (n < size && a[n] == b[n])
        n++;
    return n;
}

enum lx_status lx_pq_encode_delta_bytes(const uint8_t *values, const uint32_t *offsets,
                                        size_t count, struct lx_buf *scratch, struct lx_buf *out)
{
    lx_buf_clear(scratch);
    LX_TRY(lx_buf_reserve(scratch, 2 * count * sizeof(int32_t)));
    int32_t *prefixes = (int32_t *)(void *)scratch->data, *rests = prefixes + count;
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        size_t size = offsets[i + 1] - offsets[i], shared = 0;
        if (i > 0) {
            size_t before = offsets[i] - offsets[i - 1];
            size_t most = size < before ? size : before;
            if (most != 0)
                shared = common_prefix(values + offsets[i - 1], values + offsets[i], most);
        }
        prefixes[i] = (int32_t)shared;
        rests[i] = (int32_t)(size - shared);
        bytes += size - shared;
    }
    LX_TRY(lx_pq_delta_encode32(prefixes, count, out));
    LX_TRY(lx_pq_delta_encode32(rests, count, out));
    LX_TRY(lx_buf_reserve(out, bytes));
    uint8_t *at = out->data + out->len;
    for (size_t i = 0; i < count; i++) {
        if (rests[i] != 0)
            memcpy(at, values + offsets[i] + prefixes[i], (size_t)rests[i]);
        at += rests[i];
    }
    out->len += bytes;
    return LX_OK;
}

enum lx_status lx_pq_encode_split(const uint8_t *values, size_t width, size_t count,
                                  struct lx_buf *out)
{
    LX_TRY(lx_buf_reserve(out, width * count));
    uint8_t *to = out->data + out->len;
    if (width == 4) { /* whole words, so that the compiler can use wide shuffles */
        for (size_t i = 0; i < count; i++) {
            uint32_t word;
            memcpy(&word, values + i * 4, 4);
            to[i] = (uint8_t)word;
            to[count + i] = (uint8_t)(word >> 8);
            to[2 * count + i] = (uint8_t)(word >> 16);
            to[3 * count + i] = (uint8_t)(word >> 24);
        }
    } else {
        for (size_t stream = 0; stream < width; stream++)
            for (size_t i = 0; i < count; i++)
                to[stream * count + i] = values[i * width + stream];
    }
    out->len += width * count;
    return LX_OK;
}

void lx_pq_decode_split(const uint8_t *bytes, size_t width, size_t total, size_t from, size_t count,
                        uint8_t *values)
{
    const uint8_t *in = bytes + from;
    if (width == 4) {
        for (size_t i = 0; i < count; i++) {
            uint32_t word = in[i] | (uint32_t)in[total + i] << 8 |
                            (uint32_t)in[2 * total + i] << 16 | (uint32_t)in[3 * total + i] << 24;
            memcpy(values + i * 4, &word, 4);
        }
        return;
    }
    for (size_t stream = 0; stream < width; stream++)
        for (size_t i = 0; i < count; i++)
            values[i * width + stream] = in[stream * total + i];
}
