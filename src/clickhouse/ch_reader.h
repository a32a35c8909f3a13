/* ch_reader.h: buffered reading of a byte stream, with the newest bytes kept for a look back.
 *
 * Small reads come from a buffer; large ones go straight from the source to their destination. In
 * both cases the last LX_CH_TAIL bytes that arrived can be looked at afterwards: ClickHouse reports
 * an exception that happens mid-stream at the very end of the body, where the decoder may have
 * taken it for values.
 *
 * Not thread-safe. */
#ifndef LX_CLICKHOUSE_CH_READER_H
#define LX_CLICKHOUSE_CH_READER_H

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"

/* At least one byte, at most `capacity`; *got = 0 at the end, which then is a proven one. */
struct lx_ch_source {
    enum lx_status (*read)(void *self, void *to, size_t capacity, size_t *got, struct lx_err *err);
    void *self;
};

#define LX_CH_TAIL (40 * LX_KIB) /* the server cuts its messages at 16 KiB */
#define LX_CH_READER_BUFFER (512 * LX_KIB)
#define LX_CH_READER_DIRECT (64 * LX_KIB) /* reads from here on pass the buffer by */

struct lx_ch_reader {
    struct lx_ch_source source;
    uint8_t *buffer;
    size_t cap, pos, fill; /* unread bytes: buffer[pos .. fill) */
    bool ended;            /* the source said so */
    int64_t received;      /* bytes from the source */
};

LX_MUST_CHECK enum lx_status lx_ch_reader_init(struct lx_ch_reader *reader,
                                               struct lx_ch_source source);
void lx_ch_reader_free(struct lx_ch_reader *reader);

/* Makes at least `size` bytes (up to LX_CH_READER_DIRECT) unread in the buffer. LX_E_FORMAT where
 * the stream ends before: then fewer are there. */
LX_MUST_CHECK enum lx_status lx_ch_reader_need(struct lx_ch_reader *reader, size_t size,
                                               struct lx_err *err);
/* Is there no further byte? */
LX_MUST_CHECK enum lx_status lx_ch_reader_at_end(struct lx_ch_reader *reader, bool *end,
                                                 struct lx_err *err);
LX_MUST_CHECK enum lx_status lx_ch_reader_bytes(struct lx_ch_reader *reader, void *to, size_t size,
                                                struct lx_err *err);
LX_MUST_CHECK enum lx_status lx_ch_reader_u64(struct lx_ch_reader *reader, uint64_t *value,
                                              struct lx_err *err);
LX_MUST_CHECK enum lx_status lx_ch_reader_varint(struct lx_ch_reader *reader, uint64_t *value,
                                                 struct lx_err *err);
/* Reads and forgets up to the end, at most `limit` bytes (LX_E_LIMIT beyond). */
LX_MUST_CHECK enum lx_status lx_ch_reader_drain(struct lx_ch_reader *reader, int64_t limit,
                                                struct lx_err *err);
/* The newest bytes that arrived, at most LX_CH_TAIL. Valid until the next call. */
struct lx_str lx_ch_reader_tail(const struct lx_ch_reader *reader);

static inline size_t lx_ch_reader_left(const struct lx_ch_reader *reader)
{
    return reader->fill - reader->pos;
}

#endif
