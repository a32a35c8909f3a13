#include "clickhouse/ch_reader.h"

#include "base/alloc.h"
#include "base/cursor.h"

#include <assert.h>

_Static_assert(LX_CH_TAIL <= LX_CH_READER_DIRECT, "a direct read alone must fill the tail");
_Static_assert(LX_CH_READER_BUFFER >= 2 * (LX_CH_TAIL + LX_CH_READER_DIRECT), "room to compact");

enum lx_status lx_ch_reader_init(struct lx_ch_reader *reader, struct lx_ch_source source)
{
    uint8_t *buffer = lx_malloc(LX_CH_READER_BUFFER);
    if (buffer == NULL)
        return LX_E_MEMORY;
    *reader = (struct lx_ch_reader){.source = source, .buffer = buffer, .cap = LX_CH_READER_BUFFER};
    return LX_OK;
}

void lx_ch_reader_free(struct lx_ch_reader *reader)
{
    lx_free(reader->buffer);
    *reader = (struct lx_ch_reader){0};
}

/* Moves what is unread to the front, with the tail before it. */
static void compact(struct lx_ch_reader *reader)
{
    size_t left = lx_ch_reader_left(reader);
    size_t keep = reader->fill < LX_CH_TAIL ? reader->fill : LX_CH_TAIL;
    if (keep < left)
        keep = left;
    memmove(reader->buffer, reader->buffer + reader->fill - keep, keep);
    reader->fill = keep;
    reader->pos = keep - left;
}

static enum lx_status ends_early(const struct lx_ch_reader *reader, struct lx_err *err)
{
    return lx_err_set(err, LX_E_FORMAT, "the stream ends within a block, after %lld bytes",
                      (long long)reader->received);
}

static enum lx_status pull(struct lx_ch_reader *reader, void *to, size_t capacity, size_t *got,
                           struct lx_err *err)
{
    *got = 0;
    if (reader->ended)
        return LX_OK;
    LX_TRY(reader->source.read(reader->source.self, to, capacity, got, err));
    assert(*got <= capacity);
    reader->ended = *got == 0;
    reader->received += (int64_t)*got;
    return LX_OK;
}

enum lx_status lx_ch_reader_need(struct lx_ch_reader *reader, size_t size, struct lx_err *err)
{
    assert(size <= LX_CH_READER_DIRECT);
    while (lx_ch_reader_left(reader) < size) {
        if (reader->cap - reader->fill < LX_CH_READER_DIRECT)
            compact(reader);
        size_t got;
        LX_TRY(pull(reader, reader->buffer + reader->fill, reader->cap - reader->fill, &got, err));
        if (got == 0)
            return ends_early(reader, err);
        reader->fill += got;
    }
    return LX_OK;
}

enum lx_status lx_ch_reader_at_end(struct lx_ch_reader *reader, bool *end, struct lx_err *err)
{
    if (lx_ch_reader_left(reader) == 0 && !reader->ended) {
        struct lx_err quiet = LX_ERR_INIT;
        enum lx_status status = lx_ch_reader_need(reader, 1, &quiet);
        if (status != LX_OK && !reader->ended) {
            if (err != NULL)
                *err = quiet;
            return status;
        }
    }
    *end = lx_ch_reader_left(reader) == 0;
    return LX_OK;
}

/* The buffer remembers the last of what went straight to `to`. */
static void remember(struct lx_ch_reader *reader, const uint8_t *to, size_t size)
{
    assert(lx_ch_reader_left(reader) == 0);
    size_t keep = size < LX_CH_TAIL ? size : LX_CH_TAIL;
    if (keep == LX_CH_TAIL)
        reader->fill = 0;
    reader->pos = reader->fill;
    if (reader->cap - reader->fill < keep)
        compact(reader);
    if (keep != 0)
        memcpy(reader->buffer + reader->fill, to + size - keep, keep);
    reader->fill += keep;
    reader->pos = reader->fill;
}

static enum lx_status read_directly(struct lx_ch_reader *reader, uint8_t *to, size_t size,
                                    struct lx_err *err)
{
    size_t done = 0;
    enum lx_status status = LX_OK;
    while (status == LX_OK && done < size) {
        size_t got;
        status = pull(reader, to + done, size - done, &got, err);
        if (status == LX_OK && got == 0)
            status = ends_early(reader, err);
        if (status == LX_OK)
            done += got;
    }
    remember(reader, to, done);
    return status;
}

enum lx_status lx_ch_reader_bytes(struct lx_ch_reader *reader, void *to, size_t size,
                                  struct lx_err *err)
{
    uint8_t *at = to;
    while (size > 0) {
        size_t left = lx_ch_reader_left(reader), take = left < size ? left : size;
        if (take != 0)
            memcpy(at, reader->buffer + reader->pos, take);
        reader->pos += take;
        at += take;
        size -= take;
        if (size >= LX_CH_READER_DIRECT)
            return read_directly(reader, at, size, err);
        if (size > 0)
            LX_TRY(lx_ch_reader_need(reader, 1, err));
    }
    return LX_OK;
}

enum lx_status lx_ch_reader_u64(struct lx_ch_reader *reader, uint64_t *value, struct lx_err *err)
{
    LX_TRY(lx_ch_reader_need(reader, sizeof *value, err));
    memcpy(value, reader->buffer + reader->pos, sizeof *value);
    reader->pos += sizeof *value;
    return LX_OK;
}

enum lx_status lx_ch_reader_varint(struct lx_ch_reader *reader, uint64_t *value, struct lx_err *err)
{
    for (size_t size = 1; size <= 10; size++) {
        LX_TRY(lx_ch_reader_need(reader, size, err));
        const uint8_t *at = reader->buffer + reader->pos;
        if ((at[size - 1] & 0x80) != 0)
            continue;
        struct lx_cursor cursor = lx_cursor_of(at, size);
        if (!lx_cursor_varint(&cursor, value))
            break;
        reader->pos += size;
        return LX_OK;
    }
    return lx_err_set(err, LX_E_FORMAT, "a length of more than 64 bits, near byte %lld",
                      (long long)(reader->received - (int64_t)lx_ch_reader_left(reader)));
}

enum lx_status lx_ch_reader_drain(struct lx_ch_reader *reader, int64_t limit, struct lx_err *err)
{
    int64_t stop = reader->received + limit;
    for (;;) {
        reader->pos = reader->fill;
        bool end;
        LX_TRY(lx_ch_reader_at_end(reader, &end, err));
        if (end)
            return LX_OK;
        if (reader->received > stop)
            return lx_err_set(err, LX_E_LIMIT, "the answer goes on beyond %lld bytes",
                              (long long)limit);
    }
}

struct lx_str lx_ch_reader_tail(const struct lx_ch_reader *reader)
{
    size_t size = reader->fill < LX_CH_TAIL ? reader->fill : LX_CH_TAIL;
    return (struct lx_str){(const char *)reader->buffer + reader->fill - size, size};
}
