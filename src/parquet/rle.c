#include "parquet/rle.h"

#include "parquet/bitpack.h"

#define RUN_MIN 8          /* shorter runs are packed: they would not be smaller */
#define RUN_MAX 0x3fffffff /* readers keep the count in an int32 */
#define PIECE 1024         /* bytes that are packed at a time: a multiple of 8 */

static enum lx_status put_varint(struct lx_buf *out, uint64_t value)
{
    uint8_t bytes[10];
    size_t size = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[size++] = (uint8_t)(value | 0x80);
    bytes[size++] = (uint8_t)value;
    return lx_buf_append(out, bytes, size);
}

/* Packs values, padded with zeros to whole groups of eight. */
static enum lx_status put_packed(const uint32_t *values, size_t count, unsigned width,
                                 struct lx_buf *out)
{
    size_t groups = (count + 7) / 8, whole = count & ~(size_t)7;
    if (count == 0)
        return LX_OK;
    LX_TRY(put_varint(out, (uint64_t)groups << 1 | 1));
    LX_TRY(lx_buf_reserve(out, groups * width));
    lx_pq_pack32(values, whole, width, out->data + out->len);
    if (whole != count) {
        uint32_t last[8] = {0};
        memcpy(last, values + whole, (count - whole) * sizeof *values);
        lx_pq_pack32(last, 8, width, out->data + out->len + whole / 8 * width);
    }
    out->len += groups * width;
    return LX_OK;
}

static enum lx_status put_run(uint32_t value, size_t count, unsigned width, struct lx_buf *out)
{
    LX_TRY(put_varint(out, (uint64_t)count << 1));
    return lx_buf_append(out, &value, (width + 7) / 8);
}

static size_t run_length(const uint32_t *values, size_t count)
{
    size_t n = 1;
    while (n < count && values[n] == values[0])
        n++;
    return n;
}

enum lx_status lx_pq_rle_encode(const uint32_t *values, size_t count, unsigned width,
                                struct lx_buf *out)
{
    size_t start = 0, at = 0; /* values [start, at) wait to be packed */
    if (count == 0)
        return LX_OK; /* also without an array */
    if (count > RUN_MAX)
        return LX_E_LIMIT;
    while (at < count) {
        size_t run = run_length(values + at, count - at);
        size_t pad = (8 - (at - start) % 8) % 8; /* fills the open group with the run's values */
        if (run < RUN_MIN + pad) {
            at += run;
            continue;
        }
        LX_TRY(put_packed(values + start, at + pad - start, width, out));
        LX_TRY(put_run(values[at], run - pad, width, out));
        at += run;
        start = at;
    }
    return put_packed(values + start, count - start, width, out);
}

static size_t run_length_bytes(const uint8_t *values, size_t count)
{
    size_t n = 1;
    while (n < count && values[n] == values[0])
        n++;
    return n;
}

/* Pieces of whole groups, so that only the end of the last one can be padded. */
static enum lx_status put_packed_bytes(const uint8_t *values, size_t count, unsigned width,
                                       struct lx_buf *out)
{
    uint32_t piece[PIECE];
    for (size_t at = 0; at < count;) {
        size_t n = count - at < PIECE ? count - at : PIECE;
        for (size_t i = 0; i < n; i++)
            piece[i] = values[at + i];
        LX_TRY(put_packed(piece, n, width, out));
        at += n;
    }
    return LX_OK;
}

enum lx_status lx_pq_rle_encode_bytes(const uint8_t *values, uint8_t constant, size_t count,
                                      unsigned width, struct lx_buf *out)
{
    size_t start = 0, at = 0; /* as in lx_pq_rle_encode */
    if (count > RUN_MAX)
        return LX_E_LIMIT;
    if (values == NULL)
        return count > 0 ? put_run(constant, count, width, out) : LX_OK;
    while (at < count) {
        size_t run = run_length_bytes(values + at, count - at);
        size_t pad = (8 - (at - start) % 8) % 8;
        if (run < RUN_MIN + pad) {
            at += run;
            continue;
        }
        LX_TRY(put_packed_bytes(values + start, at + pad - start, width, out));
        LX_TRY(put_run(values[at], run - pad, width, out));
        at += run;
        start = at;
    }
    return put_packed_bytes(values + start, count - start, width, out);
}

bool lx_pq_rle_open(struct lx_pq_rle *rle, const void *bytes, size_t size, unsigned width)
{
    *rle = (struct lx_pq_rle){.cursor = lx_cursor_of(bytes, size), .width = width};
    return width <= 32;
}

/* Reads the head of the next run. */
static bool next_run(struct lx_pq_rle *rle)
{
    uint64_t head;
    const uint8_t *bytes;
    if (!lx_cursor_varint(&rle->cursor, &head) || head >> 1 > UINT32_MAX)
        return false;
    if ((head & 1) == 0) {
        rle->value = 0;
        if (!lx_cursor_bytes(&rle->cursor, (rle->width + 7) / 8, &bytes))
            return false;
        memcpy(&rle->value, bytes, (rle->width + 7) / 8);
        if (rle->width < 32 && rle->value >> rle->width != 0)
            return false;
        rle->repeats = (size_t)(head >> 1);
        return true;
    }
    size_t groups = (size_t)(head >> 1);
    size_t fit = rle->width != 0 ? lx_cursor_left(&rle->cursor) / rle->width : groups;
    rle->packed_left = groups * 8;
    if (groups > fit) { /* some writers leave the padding of the last group out */
        rle->packed_bytes = lx_cursor_left(&rle->cursor);
        rle->packed_left = rle->packed_bytes * 8 / rle->width;
    } else {
        rle->packed_bytes = groups * rle->width;
    }
    return lx_cursor_bytes(&rle->cursor, rle->packed_bytes, &rle->packed);
}

/* Takes up to `count` packed values; at least one is left. */
static size_t take_packed(struct lx_pq_rle *rle, uint32_t *values, size_t count)
{
    size_t n = count < rle->packed_left ? count : rle->packed_left;
    if (n >= 8 || n == rle->packed_left) {
        if (n != rle->packed_left)
            n &= ~(size_t)7; /* stay at a whole byte */
        lx_pq_unpack32(rle->packed, rle->packed_bytes, rle->width, values, n);
        rle->packed_left -= n;
        rle->packed += n / 8 * rle->width;
        rle->packed_bytes -= n / 8 * rle->width;
        return n;
    }
    size_t whole = rle->packed_left < 8 ? rle->packed_left : 8;
    lx_pq_unpack32(rle->packed, rle->packed_bytes, rle->width, rle->group, whole);
    rle->group_at = 0;
    rle->group_end = (unsigned)whole;
    rle->packed_left -= whole;
    if (rle->packed_left != 0) {
        rle->packed += rle->width;
        rle->packed_bytes -= rle->width;
    }
    return 0;
}

static size_t take_group(struct lx_pq_rle *rle, uint32_t *values, size_t count)
{
    size_t n = rle->group_end - rle->group_at;
    n = n < count ? n : count;
    memcpy(values, rle->group + rle->group_at, n * sizeof *values);
    rle->group_at += (unsigned)n;
    return n;
}

bool lx_pq_rle_read(struct lx_pq_rle *rle, uint32_t *values, size_t count)
{
    size_t done = 0;
    while (done < count) {
        size_t want = count - done;
        if (rle->group_at < rle->group_end) {
            done += take_group(rle, values + done, want);
        } else if (rle->repeats != 0) {
            size_t n = rle->repeats < want ? rle->repeats : want;
            for (size_t i = 0; i < n; i++)
                values[done + i] = rle->value;
            rle->repeats -= n;
            done += n;
        } else if (rle->packed_left != 0) {
            done += take_packed(rle, values + done, want);
        } else if (!next_run(rle)) {
            return false;
        }
    }
    return true;
}

bool lx_pq_rle_read_bytes(struct lx_pq_rle *rle, uint8_t *values, size_t count)
{
    uint32_t block[1024];
    while (count > 0) {
        if (rle->group_at == rle->group_end && rle->repeats != 0) {
            size_t run = rle->repeats < count ? rle->repeats : count;
            memset(values, (int)(rle->value & 0xff), run);
            rle->repeats -= run;
            values += run;
            count -= run;
            continue;
        }
        size_t n = count < 1024 ? count : 1024;
        if (!lx_pq_rle_read(rle, block, n))
            return false;
        for (size_t i = 0; i < n; i++)
            values[i] = (uint8_t)block[i];
        values += n;
        count -= n;
    }
    return true;
}
