#include "parquet/delta.h"

#include "parquet/bitpack.h"

#define BLOCK 128u
#define MINIBLOCK 32u
#define MINIBLOCKS (BLOCK / MINIBLOCK)
#define HEAD_MAX 40u                              /* four varints */
#define BLOCK_MAX (10u + MINIBLOCKS + BLOCK * 8u) /* bytes of one block */

static uint8_t *put_varint(uint8_t *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *out++ = (uint8_t)(value | 0x80);
    *out++ = (uint8_t)value;
    return out;
}

static uint64_t zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

static int64_t unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1 ^ (0 - (value & 1)));
}

static enum lx_status put_head(size_t count, int64_t first, struct lx_buf *out)
{
    LX_TRY(lx_buf_reserve(out, HEAD_MAX));
    uint8_t *at = out->data + out->len;
    at = put_varint(at, BLOCK);
    at = put_varint(at, MINIBLOCKS);
    at = put_varint(at, count);
    at = put_varint(at, zigzag(first));
    out->len = (size_t)(at - out->data);
    return LX_OK;
}

enum lx_status lx_pq_delta_encode32(const int32_t *values, size_t count, struct lx_buf *out)
{
    uint32_t deltas[BLOCK];
    LX_TRY(put_head(count, count != 0 ? values[0] : 0, out));
    for (size_t start = 1; start < count; start += BLOCK) {
        size_t n = count - start < BLOCK ? count - start : BLOCK;
        int32_t least = INT32_MAX;
        for (size_t i = 0; i < n; i++) {
            deltas[i] = (uint32_t)values[start + i] - (uint32_t)values[start + i - 1];
            least = (int32_t)deltas[i] < least ? (int32_t)deltas[i] : least;
        }
        for (size_t i = 0; i < n; i++)
            deltas[i] -= (uint32_t)least;
        for (size_t i = n; i < BLOCK; i++)
            deltas[i] = 0;
        LX_TRY(lx_buf_reserve(out, BLOCK_MAX));
        uint8_t *at = put_varint(out->data + out->len, zigzag(least));
        uint8_t *widths = at;
        at += MINIBLOCKS;
        for (unsigned m = 0; m < MINIBLOCKS; m++) {
            uint32_t all = 0;
            for (unsigned i = 0; i < MINIBLOCK; i++)
                all |= deltas[m * MINIBLOCK + i];
            unsigned width = lx_pq_bit_width(all);
            widths[m] = (uint8_t)width;
            if (m * MINIBLOCK < n) {
                lx_pq_pack32(deltas + m * MINIBLOCK, MINIBLOCK, width, at);
                at += lx_pq_packed_bytes(MINIBLOCK, width);
            }
        }
        out->len = (size_t)(at - out->data);
    }
    return LX_OK;
}

enum lx_status lx_pq_delta_encode64(const int64_t *values, size_t count, struct lx_buf *out)
{
    uint64_t deltas[BLOCK];
    LX_TRY(put_head(count, count != 0 ? values[0] : 0, out));
    for (size_t start = 1; start < count; start += BLOCK) {
        size_t n = count - start < BLOCK ? count - start : BLOCK;
        int64_t least = INT64_MAX;
        for (size_t i = 0; i < n; i++) {
            deltas[i] = (uint64_t)values[start + i] - (uint64_t)values[start + i - 1];
            least = (int64_t)deltas[i] < least ? (int64_t)deltas[i] : least;
        }
        for (size_t i = 0; i < n; i++)
            deltas[i] -= (uint64_t)least;
        for (size_t i = n; i < BLOCK; i++)
            deltas[i] = 0;
        LX_TRY(lx_buf_reserve(out, BLOCK_MAX));
        uint8_t *at = put_varint(out->data + out->len, zigzag(least));
        uint8_t *widths = at;
        at += MINIBLOCKS;
        for (unsigned m = 0; m < MINIBLOCKS; m++) {
            uint64_t all = 0;
            for (unsigned i = 0; i < MINIBLOCK; i++)
                all |= deltas[m * MINIBLOCK + i];
            unsigned width = lx_pq_bit_width(all);
            widths[m] = (uint8_t)width;
            if (m * MINIBLOCK < n) {
                lx_pq_pack64(deltas + m * MINIBLOCK, MINIBLOCK, width, at);
                at += lx_pq_packed_bytes(MINIBLOCK, width);
            }
        }
        out->len = (size_t)(at - out->data);
    }
    return LX_OK;
}

/* -- reading ------------------------------------------------------------------------------- */

/* Bits of a difference, also of INT32: DuckDB's are of 64-bit numbers and may need 33. */
#define MAX_WIDTH 64

bool lx_pq_delta_open(struct lx_pq_delta *delta, const void *bytes, size_t size)
{
    uint64_t block, miniblocks, total, first;
    delta->cursor = lx_cursor_of(bytes, size);
    if (!lx_cursor_varint(&delta->cursor, &block) ||
        !lx_cursor_varint(&delta->cursor, &miniblocks) ||
        !lx_cursor_varint(&delta->cursor, &total) || !lx_cursor_varint(&delta->cursor, &first))
        return false;
    if (block == 0 || block > LX_PQ_DELTA_BLOCK_MAX || block % 128 != 0 || miniblocks == 0 ||
        miniblocks > LX_PQ_DELTA_MINIBLOCKS || block % miniblocks != 0 ||
        block / miniblocks % 32 != 0 || total > INT64_MAX)
        return false;
    delta->miniblocks = (uint32_t)miniblocks;
    delta->per_miniblock = (uint32_t)(block / miniblocks);
    delta->miniblock = delta->miniblocks; /* the first block's head comes next */
    delta->miniblock_left = 0;
    delta->left = total;
    delta->value = (uint64_t)unzigzag(first);
    delta->first = true;
    delta->min_delta = 0;
    delta->ready_at = delta->ready_end = 0;
    return true;
}

static bool read_block_head(struct lx_pq_delta *delta)
{
    uint64_t least;
    const uint8_t *widths;
    if (!lx_cursor_varint(&delta->cursor, &least) ||
        !lx_cursor_bytes(&delta->cursor, delta->miniblocks, &widths))
        return false;
    memcpy(delta->widths, widths, delta->miniblocks);
    delta->min_delta = (uint64_t)unzigzag(least);
    delta->miniblock = 0;
    return true;
}

/* Unpacks the next 32 differences into `ready`. */
static bool unpack_more(struct lx_pq_delta *delta)
{
    if (delta->miniblock_left == 0) {
        delta->miniblock++;
        if (delta->miniblock >= delta->miniblocks && !read_block_head(delta))
            return false;
        delta->miniblock_left = delta->per_miniblock;
        if (delta->widths[delta->miniblock] > MAX_WIDTH)
            return false;
    }
    unsigned width = delta->widths[delta->miniblock];
    size_t bytes = lx_pq_packed_bytes(MINIBLOCK, width), left = lx_cursor_left(&delta->cursor);
    if (left < bytes) { /* some writers leave the padding of the last miniblock out */
        uint8_t padded[MINIBLOCK * 8 + 8] = {0};
        if (lx_pq_packed_bytes(delta->left < MINIBLOCK ? (size_t)delta->left : MINIBLOCK, width) >
            left)
            return false;
        if (left != 0)
            memcpy(padded, delta->cursor.pos, left);
        lx_pq_unpack64(padded, sizeof padded, width, delta->ready, MINIBLOCK);
        delta->cursor.pos = delta->cursor.end;
    } else {
        lx_pq_unpack64(delta->cursor.pos, left, width, delta->ready, MINIBLOCK);
        delta->cursor.pos += bytes;
    }
    delta->miniblock_left -= MINIBLOCK;
    delta->ready_at = 0;
    delta->ready_end = MINIBLOCK;
    return true;
}

/* How many differences can be taken now, at least one; 0: malformed. */
static size_t take(struct lx_pq_delta *delta, size_t want)
{
    if (delta->ready_at == delta->ready_end && !unpack_more(delta))
        return 0;
    size_t ready = delta->ready_end - delta->ready_at;
    return ready < want ? ready : want;
}

bool lx_pq_delta_read64(struct lx_pq_delta *delta, int64_t *values, size_t count)
{
    size_t done = 0;
    if (count > delta->left)
        return false;
    if (delta->first && count > 0) {
        values[done++] = (int64_t)delta->value;
        delta->first = false;
        delta->left--;
    }
    while (done < count) {
        size_t n = take(delta, count - done);
        if (n == 0)
            return false;
        uint64_t value = delta->value;
        const uint64_t *ready = delta->ready + delta->ready_at, least = delta->min_delta;
        for (size_t i = 0; i < n; i++) {
            value += ready[i] + least;
            values[done + i] = (int64_t)value;
        }
        delta->value = value;
        delta->ready_at += (unsigned)n;
        delta->left -= n;
        done += n;
    }
    return true;
}

bool lx_pq_delta_read32(struct lx_pq_delta *delta, int32_t *values, size_t count)
{
    size_t done = 0;
    if (count > delta->left)
        return false;
    if (delta->first && count > 0) {
        values[done++] = (int32_t)(uint32_t)delta->value;
        delta->first = false;
        delta->left--;
    }
    while (done < count) {
        size_t n = take(delta, count - done);
        if (n == 0)
            return false;
        uint64_t value = delta->value;
        const uint64_t *ready = delta->ready + delta->ready_at, least = delta->min_delta;
        for (size_t i = 0; i < n; i++) {
            value += ready[i] + least;
            values[done + i] = (int32_t)(uint32_t)value;
        }
        delta->value = value;
        delta->ready_at += (unsigned)n;
        delta->left -= n;
        done += n;
    }
    return true;
}

bool lx_pq_delta_end(const struct lx_pq_delta *delta, const uint8_t **end)
{
    struct lx_cursor cursor = delta->cursor;
    uint64_t left = delta->left != 0 ? delta->left - 1 : 0, skip;
    while (left > 0) {
        const uint8_t *widths, *bytes;
        if (!lx_cursor_varint(&cursor, &skip) ||
            !lx_cursor_bytes(&cursor, delta->miniblocks, &widths))
            return false;
        for (uint32_t m = 0; m < delta->miniblocks && left > 0; m++) {
            size_t size = (size_t)delta->per_miniblock / 8 * widths[m];
            if (widths[m] > MAX_WIDTH || !lx_cursor_bytes(&cursor, size, &bytes))
                return false;
            left -= left < delta->per_miniblock ? left : delta->per_miniblock;
        }
    }
    *end = cursor.pos;
    return true;
}
