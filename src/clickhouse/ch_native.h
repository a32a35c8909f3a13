/* ch_native.h: decodes ClickHouse's Native format from a byte stream, block by block.
 *
 * The form without a protocol revision, as HTTP sends it:
 * blocks of `varint columns, varint rows, {name, type, data}*` up to the end of the stream; an
 * empty stream is an empty result. Every block must have the columns of the first.
 *
 * Nothing in the stream is believed: every count is checked against the memory that a block may
 * take, memory grows with the bytes that arrive, and what is not exactly the format is LX_E_FORMAT.
 * After a failure the decoder must not be used again.
 *
 * Not thread-safe. */
#ifndef LX_CLICKHOUSE_CH_NATIVE_H
#define LX_CLICKHOUSE_CH_NATIVE_H

#include "clickhouse/ch_reader.h"
#include "clickhouse/clickhouse.h"

#define LX_CH_MAX_COLUMN_NAME (256 * LX_KIB) /* an expression without an alias is its own name */
#define LX_CH_MAX_BLOCK_ROWS ((uint64_t)1 << 31)

struct lx_ch_native {
    struct lx_ch_reader *reader; /* borrowed */
    size_t max_block_bytes;
    struct lx_ch_block block;
    struct lx_ch_type *types;
    size_t *heaps;   /* text bytes of each column in the last block: what to expect of the next */
    bool started;    /* the columns are known */
    size_t used;     /* bytes of the block that is being read */
    size_t rows_now; /* of it, or of the one that could not be read */
    struct lx_buf scratch, flags;
    int64_t rows_before; /* in earlier blocks: for messages */
};

void lx_ch_native_init(struct lx_ch_native *native, struct lx_ch_reader *reader,
                       size_t max_block_bytes);
void lx_ch_native_free(struct lx_ch_native *native);
/* The next block that has rows; NULL at the end of the stream. */
LX_MUST_CHECK enum lx_status lx_ch_native_next(struct lx_ch_native *native,
                                               struct lx_ch_block **block, struct lx_err *err);

/* Between ch_native.c and ch_native_column.c: the values of column `index`. */
LX_MUST_CHECK enum lx_status lx_ch_native_read_column(struct lx_ch_native *native, size_t index,
                                                      size_t rows, struct lx_err *err);
/* Can a column of this type be read? */
bool lx_ch_native_can_read(const struct lx_ch_type *type);

#endif
