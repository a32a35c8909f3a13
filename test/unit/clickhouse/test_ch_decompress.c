/* Streams of zstd as ClickHouse sends them: what was whole before a stream breaks comes out, in
 * whatever pieces the stream arrives. (ClickHouse's own frames: test_ch_server*.c and
 * fuzz_native.c.) */
#include "ch_test.h"

#include "clickhouse/ch_decompress.h"

#include <zstd.h>

#define SIZE (300 * LX_KIB) /* three of zstd's blocks */
#define BLOCK (128 * LX_KIB)

/* Reads the stream to its end or failure; *size is what came out of it. */
static enum lx_status unpack(const uint8_t *zipped, size_t zipped_size, size_t step, size_t room,
                             uint8_t *out, size_t *size, struct lx_err *err)
{
    struct memory_source source = {zipped, zipped_size, 0, step};
    struct lx_ch_unzstd unzstd;
    enum lx_status status;
    size_t got = 0;
    *size = 0;
    assert_int_equal(lx_ch_unzstd_init(&unzstd, (struct lx_ch_source){memory_read, &source}),
                     LX_OK);
    do {
        assert_true(*size + room <= 2 * SIZE);
        status = lx_ch_unzstd_read(&unzstd, out + *size, room, &got, err);
        *size += status == LX_OK ? got : 0;
    } while (status == LX_OK && got != 0);
    lx_ch_unzstd_free(&unzstd);
    return status;
}

struct stream {
    uint8_t *plain, *zipped, *out;
    size_t size, bound;
};

/* Letters, then no letters at all: blocks that shrink and a block as it is. */
static void stream_init(struct stream *stream, bool sized)
{
    uint32_t random = 1;
    stream->bound = ZSTD_compressBound(SIZE);
    stream->plain = lx_malloc(SIZE);
    stream->zipped = lx_malloc(stream->bound);
    stream->out = lx_malloc(2 * SIZE);
    assert_true(stream->plain != NULL && stream->zipped != NULL && stream->out != NULL);
    for (size_t at = 0; at < SIZE; at++) {
        random = random * 1664525 + 1013904223;
        stream->plain[at] = (uint8_t)(at < 2 * BLOCK ? 'a' + (random >> 24) % 20 : random >> 24);
    }
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    assert_non_null(zstd);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_contentSizeFlag, sized);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
    stream->size = ZSTD_compress2(zstd, stream->zipped, stream->bound, stream->plain, SIZE);
    assert_false(ZSTD_isError(stream->size));
    ZSTD_freeCCtx(zstd);
}

static void stream_free(struct stream *stream)
{
    lx_free(stream->plain);
    lx_free(stream->zipped);
    lx_free(stream->out);
}

static const size_t STEPS[] = {1, 2, 7, 1000, BLOCK - 1, BLOCK, SIZE, 2 * SIZE};
static const size_t ROOMS[] = {999, BLOCK, SIZE};

static void expect(const struct stream *stream, enum lx_status status, size_t size)
{
    for (size_t s = 0; s < sizeof STEPS / sizeof *STEPS; s++)
        for (size_t r = 0; r < sizeof ROOMS / sizeof *ROOMS; r++) {
            struct lx_err err = LX_ERR_INIT;
            size_t got;
            assert_int_equal(
                unpack(stream->zipped, stream->size, STEPS[s], ROOMS[r], stream->out, &got, &err),
                status);
            assert_int_equal(got, size);
            assert_memory_equal(stream->out, stream->plain, size);
        }
}

static void test_whole(void **state)
{
    (void)state;
    for (int sized = 0; sized < 2; sized++) {
        struct stream stream;
        stream_init(&stream, sized);
        expect(&stream, LX_OK, SIZE);
        stream_free(&stream);
    }
}

static void test_wrong_checksum(void **state)
{
    (void)state;
    for (int sized = 0; sized < 2; sized++) {
        struct stream stream;
        stream_init(&stream, sized);
        stream.zipped[stream.size - 1] ^= 1;
        expect(&stream, LX_E_CORRUPT, SIZE);
        stream_free(&stream);
    }
}

/* The head of the second block says a type of block that there is not. */
static void test_broken_block(void **state)
{
    (void)state;
    for (int sized = 0; sized < 2; sized++) {
        struct stream stream;
        stream_init(&stream, sized);
        size_t head = sized ? 4 + 1 + 4 : 4 + 1 + 1; /* magic, descriptor, size or window */
        size_t first = (size_t)(stream.zipped[head] | stream.zipped[head + 1] << 8 |
                                stream.zipped[head + 2] << 16) >>
                       3;
        stream.zipped[head + 3 + first] |= 6;
        expect(&stream, LX_E_CORRUPT, BLOCK);
        stream_free(&stream);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_wrong_checksum),
        cmocka_unit_test(test_broken_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
