#include "clickhouse/ch_decompress.h"

#include "base/cursor.h"
#include "clickhouse/ch_cityhash.h"

#include <lz4.h>

#define IN_STEP (256 * LX_KIB)
#define LAST_BYTES 4 /* a byte of a block and the next block's head, RFC 8878, 3.1.1.2 */

enum method { METHOD_NONE = 0x02, METHOD_LZ4 = 0x82, METHOD_ZSTD = 0x90 };

void lx_ch_frames_init(struct lx_ch_frames *frames, struct lx_ch_source source)
{
    *frames = (struct lx_ch_frames){
        .source = source,
        .in = LX_BUF(LX_CH_MAX_FRAME + LX_CH_FRAME_HEAD + IN_STEP),
        .out = LX_BUF(LX_CH_MAX_FRAME),
    };
}

void lx_ch_frames_free(struct lx_ch_frames *frames)
{
    lx_buf_free(&frames->in);
    lx_buf_free(&frames->out);
}

/* Moves what is unused to the front and reads on. *got = 0 at the end of the source. */
static enum lx_status more_input(struct lx_ch_source *source, struct lx_buf *in, size_t *in_pos,
                                 size_t room, size_t *got, struct lx_err *err)
{
    if (*in_pos != 0) {
        in->len -= *in_pos;
        memmove(in->data, in->data + *in_pos, in->len);
        *in_pos = 0;
    }
    if (lx_buf_reserve(in, room) != LX_OK)
        return lx_err_memory(err);
    LX_TRY(source->read(source->self, in->data + in->len, room, got, err));
    in->len += *got;
    return LX_OK;
}

/* At least `size` unused bytes of input, or the end of the source. */
static enum lx_status want_input(struct lx_ch_frames *frames, size_t size, struct lx_err *err)
{
    while (!frames->ended && frames->in.len - frames->in_pos < size) {
        size_t got, missing = size - (frames->in.len - frames->in_pos);
        size_t room = missing > IN_STEP ? missing : IN_STEP;
        LX_TRY(more_input(&frames->source, &frames->in, &frames->in_pos, room, &got, err));
        frames->ended = got == 0;
    }
    return LX_OK;
}

static enum lx_status cut_frame(size_t have, struct lx_err *err)
{
    return lx_err_set(err, LX_E_FORMAT,
                      "the stream ends within a compressed frame, after %zu bytes", have);
}

static enum lx_status unpack(uint8_t method, struct lx_str packed, void *to, size_t size,
                             struct lx_err *err)
{
    bool fine;
    switch (method) {
    case METHOD_LZ4:
        fine = LZ4_decompress_safe(packed.ptr, to, (int)packed.len, (int)size) == (int)size;
        break;
    case METHOD_ZSTD: fine = ZSTD_decompress(to, size, packed.ptr, packed.len) == size; break;
    case METHOD_NONE:
        fine = packed.len == size;
        if (fine && size != 0)
            memcpy(to, packed.ptr, size);
        break;
    default:
        return lx_err_set(err, LX_E_FORMAT, "a compressed frame of the unknown method 0x%02x",
                          method);
    }
    return fine ? LX_OK
                : lx_err_set(err, LX_E_CORRUPT, "a compressed frame does not unpack to %zu bytes",
                             size);
}

/* Unpacks the next frame, into `to` where it fits (then *direct is its size), else into `out`. */
static enum lx_status next_frame(struct lx_ch_frames *frames, void *to, size_t capacity,
                                 size_t *direct, struct lx_err *err)
{
    size_t have = frames->in.len - frames->in_pos;
    if (have < LX_CH_FRAME_HEAD)
        return cut_frame(have, err);
    struct lx_cursor head = lx_cursor_of(frames->in.data + frames->in_pos, LX_CH_FRAME_HEAD);
    uint64_t low, high;
    uint32_t packed, size;
    uint8_t method;
    if (!lx_cursor_u64(&head, &low) || !lx_cursor_u64(&head, &high) ||
        !lx_cursor_u8(&head, &method) || !lx_cursor_u32(&head, &packed) ||
        !lx_cursor_u32(&head, &size))
        return LX_E_BUG;
    if (packed < 9 || packed > LX_CH_MAX_FRAME || size > LX_CH_MAX_FRAME)
        return lx_err_set(err, LX_E_FORMAT, "a compressed frame of %u bytes for %u", packed, size);
    LX_TRY(want_input(frames, 16 + (size_t)packed, err));
    have = frames->in.len - frames->in_pos;
    if (have < 16 + (size_t)packed)
        return cut_frame(have, err);
    const uint8_t *frame = frames->in.data + frames->in_pos;
    struct lx_ch_hash128 hash = lx_ch_cityhash128(frame + 16, packed);
    if (hash.low != low || hash.high != high)
        return lx_err_set(err, LX_E_CORRUPT, "the checksum of a compressed frame is wrong");
    struct lx_str data = {(const char *)frame + LX_CH_FRAME_HEAD, packed - 9};
    bool fits = size <= capacity;
    if (!fits && lx_buf_reserve(&frames->out, size) != LX_OK)
        return lx_err_memory(err);
    LX_TRY(unpack(method, data, fits ? to : frames->out.data, size, err));
    frames->in_pos += 16 + (size_t)packed;
    *direct = fits ? size : 0;
    frames->out.len = fits ? 0 : size;
    frames->out_pos = 0;
    return LX_OK;
}

enum lx_status lx_ch_frames_read(void *self, void *to, size_t capacity, size_t *got,
                                 struct lx_err *err)
{
    struct lx_ch_frames *frames = self;
    while (frames->out_pos == frames->out.len) {
        LX_TRY(want_input(frames, LX_CH_FRAME_HEAD, err));
        if (frames->in.len == frames->in_pos) {
            *got = 0;
            return LX_OK;
        }
        size_t direct = 0;
        LX_TRY(next_frame(frames, to, capacity, &direct, err));
        if (direct != 0) {
            *got = direct;
            return LX_OK;
        }
    }
    size_t left = frames->out.len - frames->out_pos;
    *got = left < capacity ? left : capacity;
    memcpy(to, frames->out.data + frames->out_pos, *got);
    frames->out_pos += *got;
    return LX_OK;
}

bool lx_ch_frames_look_like(struct lx_str bytes)
{
    if (bytes.len < LX_CH_FRAME_HEAD)
        return false;
    uint8_t method = (uint8_t)bytes.ptr[16];
    return method == METHOD_LZ4 || method == METHOD_ZSTD || method == METHOD_NONE;
}

enum lx_status lx_ch_unzstd_init(struct lx_ch_unzstd *unzstd, struct lx_ch_source source)
{
    *unzstd = (struct lx_ch_unzstd){.source = source,
                                    .stream = ZSTD_createDStream(),
                                    .in = LX_BUF(IN_STEP),
                                    .wanted = 1,
                                    .whole = true};
    return unzstd->stream != NULL ? LX_OK : LX_E_MEMORY;
}

void lx_ch_unzstd_free(struct lx_ch_unzstd *unzstd)
{
    ZSTD_freeDStream(unzstd->stream);
    lx_buf_free(&unzstd->in);
    unzstd->stream = NULL;
}

/* Gives zstd less than it asks for: a call that fails takes with it what it had unpacked before, so
 * that none may go on behind the end of what it unpacks. It asks for a block and the next one's
 * head; a block's last byte and that head, LAST_BYTES, are given one by one (the last byte too,
 * since the end of a frame is checked with it). */
static enum lx_status unpack_some(struct lx_ch_unzstd *unzstd, ZSTD_outBuffer *out,
                                  struct lx_err *err)
{
    size_t left = unzstd->in.len - unzstd->in_pos;
    size_t given = unzstd->wanted < left ? unzstd->wanted : left;
    ZSTD_inBuffer in = {unzstd->in.data, unzstd->in_pos + given, unzstd->in_pos};
    size_t hint = ZSTD_decompressStream(unzstd->stream, out, &in);
    if (ZSTD_isError(hint))
        return lx_err_set(err, LX_E_CORRUPT, "the zstd stream is broken: %s",
                          ZSTD_getErrorName(hint));
    unzstd->in_pos = in.pos;
    unzstd->whole = hint == 0;
    if (out->pos == out->size) /* there may be more of what was unpacked */
        unzstd->wanted = 0;
    else
        unzstd->wanted = hint > LAST_BYTES ? hint - LAST_BYTES : 1;
    return LX_OK;
}

enum lx_status lx_ch_unzstd_read(void *self, void *to, size_t capacity, size_t *got,
                                 struct lx_err *err)
{
    struct lx_ch_unzstd *unzstd = self;
    ZSTD_outBuffer out = {to, capacity, 0};
    while (out.pos == 0) {
        bool starved = unzstd->in_pos == unzstd->in.len;
        if (starved && !unzstd->ended) {
            size_t read;
            LX_TRY(more_input(&unzstd->source, &unzstd->in, &unzstd->in_pos, IN_STEP, &read, err));
            unzstd->ended = read == 0;
            starved = read == 0;
        }
        if (starved && unzstd->whole)
            break;
        LX_TRY(unpack_some(unzstd, &out, err));
        if (starved && out.pos == 0 && !unzstd->whole)
            return lx_err_set(err, LX_E_FORMAT, "the stream ends within its zstd frame");
    }
    *got = out.pos;
    return LX_OK;
}
