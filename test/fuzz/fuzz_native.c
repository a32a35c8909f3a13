/* libFuzzer: an answer of ClickHouse in the Native format. The first byte says how it comes: bare,
 * in frames as they are, in frames whose checksums are made right first, or as zstd. Whatever the
 * pieces in which it arrives, the same blocks come out. */
#include "base/alloc.h"
#include "base/limits.h"
#include "clickhouse/ch_cityhash.h"
#include "clickhouse/ch_decompress.h"
#include "clickhouse/ch_native.h"
#include "fuzz.h"

#define MAX_BLOCK (16 * LX_MIB)

enum form { BARE, FRAMES, MENDED, ZSTD, FORMS };

struct memory {
    const uint8_t *bytes;
    size_t left, step;
};

static enum lx_status read_memory(void *self, void *to, size_t capacity, size_t *got,
                                  struct lx_err *err)
{
    struct memory *memory = self;
    (void)err;
    *got = memory->left < capacity ? memory->left : capacity;
    if (memory->step != 0 && *got > memory->step)
        *got = memory->step;
    if (*got != 0)
        memcpy(to, memory->bytes, *got);
    memory->bytes += *got;
    memory->left -= *got;
    return LX_OK;
}

/* Goes on with a hash over all that the block shows. */
static uint64_t look(const struct lx_ch_block *block, uint64_t hash)
{
    hash = lx_ch_hash_combine(hash, (uint64_t)block->rows);
    for (size_t c = 0; c < block->column_count; c++) {
        const struct lx_ch_column *column = &block->columns[c];
        require(column->data.rows == block->rows, "a column of another length");
        hash = lx_ch_hash_combine(hash, lx_ch_hash_value(column->name, strlen(column->name)));
        for (int64_t row = 0; row < block->rows; row++) {
            struct lx_str value = lx_column_value(&column->data, row);
            hash = lx_ch_hash_combine(hash, lx_column_is_null(&column->data, row)
                                                ? LX_CH_HASH_NULL
                                                : lx_ch_hash_value(value.ptr, value.len));
        }
    }
    return hash;
}

static void hash_rows(const struct lx_ch_block *block)
{
    struct lx_ch_hash_input *inputs = lx_calloc(block->column_count, sizeof *inputs);
    uint64_t *hashes = lx_calloc((size_t)block->rows, sizeof *hashes);
    require(inputs != NULL && hashes != NULL, "no memory");
    for (size_t c = 0; c < block->column_count; c++)
        inputs[c] =
            (struct lx_ch_hash_input){block->columns[c].type, &block->columns[c].data, NULL};
    require(lx_ch_hash_rows(inputs, block->column_count, block->rows, hashes) == LX_OK,
            "rows without a hash");
    lx_free(inputs);
    lx_free(hashes);
}

static enum lx_status decode(struct lx_ch_source source, uint64_t *hash)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_ch_reader reader;
    struct lx_ch_native native;
    struct lx_ch_block *block;
    enum lx_status status;
    require(lx_ch_reader_init(&reader, source) == LX_OK, "no memory");
    lx_ch_native_init(&native, &reader, MAX_BLOCK);
    while ((status = lx_ch_native_next(&native, &block, &err)) == LX_OK && block != NULL) {
        *hash = look(block, *hash);
        hash_rows(block);
    }
    require_words(status, &err);
    require(lx_ch_reader_tail(&reader).len <= LX_CH_TAIL, "a long tail");
    lx_ch_native_free(&native);
    lx_ch_reader_free(&reader);
    return status;
}

static enum lx_status decode_as(enum form form, const uint8_t *bytes, size_t size, size_t step,
                                uint64_t *hash)
{
    struct memory memory = {bytes, size, step};
    struct lx_ch_source plain = {read_memory, &memory};
    enum lx_status status;
    if (form == BARE)
        return decode(plain, hash);
    if (form == ZSTD) {
        struct lx_ch_unzstd unzstd;
        require(lx_ch_unzstd_init(&unzstd, plain) == LX_OK, "no memory");
        status = decode((struct lx_ch_source){lx_ch_unzstd_read, &unzstd}, hash);
        lx_ch_unzstd_free(&unzstd);
        return status;
    }
    struct lx_ch_frames frames;
    lx_ch_frames_init(&frames, plain);
    status = decode((struct lx_ch_source){lx_ch_frames_read, &frames}, hash);
    lx_ch_frames_free(&frames);
    return status;
}

/* Writes the true checksum in front of each frame that is whole. */
static void mend(uint8_t *bytes, size_t size)
{
    while (size >= LX_CH_FRAME_HEAD) {
        uint32_t packed;
        memcpy(&packed, bytes + 17, sizeof packed);
        if (packed > size - 16)
            return;
        struct lx_ch_hash128 sum = lx_ch_cityhash128(bytes + 16, packed);
        memcpy(bytes, &sum, sizeof sum);
        bytes += 16 + packed;
        size -= 16 + packed;
        if (packed == 0)
            return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint64_t whole = 0, pieces = 0;
    if (size == 0)
        return 0;
    enum form form = (enum form)(bytes[0] % FORMS);
    size_t step = bytes[0] / FORMS + 1;
    uint8_t *copy = lx_malloc(size - 1);
    require(copy != NULL, "no memory");
    memcpy(copy, bytes + 1, size - 1);
    if (form == MENDED)
        mend(copy, size - 1);
    enum lx_status status = decode_as(form, copy, size - 1, 0, &whole);
    require(decode_as(form, copy, size - 1, step, &pieces) == status, "pieces end otherwise");
    require(whole == pieces, "pieces give other blocks");
    (void)lx_ch_frames_look_like((struct lx_str){(char *)copy, size - 1});
    lx_free(copy);
    return 0;
}
