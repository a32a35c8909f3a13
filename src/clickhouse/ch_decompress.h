/* ch_decompress.h: byte streams out of compressed ones, as ClickHouse sends them over HTTP.
 *
 * Frames (compress=1): each is
 *   16 bytes  CityHash128 1.0.2 of all that follows
 *    1 byte   method: 0x82 LZ4, 0x90 zstd, 0x02 none
 *    4 bytes  size of the frame without the checksum, these 9 bytes included
 *    4 bytes  size of what is within
 * Every checksum is verified before a byte is used: LX_E_CORRUPT. zstd (Content-Encoding: zstd) is
 * one frame for the whole answer, with a checksum at its end.
 *
 * Not thread-safe. */
#ifndef LX_CLICKHOUSE_CH_DECOMPRESS_H
#define LX_CLICKHOUSE_CH_DECOMPRESS_H

#include "clickhouse/ch_reader.h"

#include <zstd.h>

#define LX_CH_FRAME_HEAD 25
#define LX_CH_MAX_FRAME (64 * LX_MIB) /* either size of one; the server's default is 1 MiB */

struct lx_ch_frames {
    struct lx_ch_source source;
    struct lx_buf in;  /* compressed: in.data[in_pos .. in.len) is not used yet */
    struct lx_buf out; /* of one frame: out.data[out_pos .. out.len) is not handed out yet */
    size_t in_pos, out_pos;
    bool ended;
};
void lx_ch_frames_init(struct lx_ch_frames *frames, struct lx_ch_source source);
void lx_ch_frames_free(struct lx_ch_frames *frames);
/* For struct lx_ch_source; `self` is the struct. */
LX_MUST_CHECK enum lx_status lx_ch_frames_read(void *self, void *to, size_t capacity, size_t *got,
                                               struct lx_err *err);
/* Could these bytes begin a frame? (An error's answer may be framed or bare.) */
bool lx_ch_frames_look_like(struct lx_str bytes);

struct lx_ch_unzstd {
    struct lx_ch_source source;
    ZSTD_DStream *stream;
    struct lx_buf in;
    size_t in_pos, wanted; /* wanted: so much does zstd take at once */
    bool ended, whole;     /* whole: at the end of a frame */
};
LX_MUST_CHECK enum lx_status lx_ch_unzstd_init(struct lx_ch_unzstd *unzstd,
                                               struct lx_ch_source source);
void lx_ch_unzstd_free(struct lx_ch_unzstd *unzstd);
LX_MUST_CHECK enum lx_status lx_ch_unzstd_read(void *self, void *to, size_t capacity, size_t *got,
                                               struct lx_err *err);

#endif
