/* Compression by itself: every codec gives back what it was given, refuses bodies that are broken,
 * cut, or hold more or fewer bytes than promised. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "parquet/codec.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#define SIZE 5000

static uint8_t raw[SIZE];

static int make_raw(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (size_t i = 0; i < SIZE; i++) {
        seed = seed * 1103515245 + 12345;
        raw[i] = i % 3 == 0 ? (uint8_t)(seed >> 16) : (uint8_t)(i / 100);
    }
    return 0;
}

/* As other writers do it; ours makes none. Appends one member. */
static void put_gzip(const void *bytes, size_t size, struct lx_buf *out)
{
    uint8_t packed[SIZE * 2];
    z_stream stream = {0};
    union {
        const void *from;
        uint8_t *to;
    } input = {.from = bytes};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY),
                     Z_OK);
    stream.next_in = input.to;
    stream.avail_in = (unsigned)size;
    stream.next_out = packed;
    stream.avail_out = sizeof packed;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(lx_buf_append(out, packed, sizeof packed - stream.avail_out), LX_OK);
    deflateEnd(&stream);
}

static void pack(enum lx_parquet_codec codec, const void *bytes, size_t size, struct lx_buf *out)
{
    struct lx_pq_compressor *compressor;
    struct lx_pq_compression how = {.codec = codec, .level = 3};
    if (codec == LX_PARQUET_GZIP) {
        put_gzip(bytes, size, out);
        return;
    }
    assert_int_equal(lx_pq_compressor_create(&compressor, NULL), LX_OK);
    assert_int_equal(lx_pq_compress(compressor, &how, bytes, size, out, NULL), LX_OK);
    lx_pq_compressor_free(compressor);
}

/* Into memory of exactly the size: a byte too many is seen by the sanitizers. */
static enum lx_status unpack(enum lx_parquet_codec codec, const void *bytes, size_t size,
                             size_t promised, struct lx_err *err)
{
    struct lx_pq_decompressor *decompressor;
    uint8_t *out = lx_malloc(promised + 1);
    assert_non_null(out);
    out[promised] = 0xa5;
    lx_err_clear(err);
    assert_int_equal(lx_pq_decompressor_create(&decompressor, NULL), LX_OK);
    enum lx_status status = lx_pq_decompress(decompressor, codec, bytes, size, out, promised, err);
    assert_int_equal(out[promised], 0xa5);
    if (status == LX_OK && promised <= SIZE)
        assert_memory_equal(out, raw, promised);
    lx_pq_decompressor_free(decompressor);
    lx_free(out);
    return status;
}

static const enum lx_parquet_codec codecs[] = {LX_PARQUET_UNCOMPRESSED, LX_PARQUET_SNAPPY,
                                               LX_PARQUET_GZIP, LX_PARQUET_ZSTD,
                                               LX_PARQUET_LZ4_RAW};
#define CODECS (sizeof codecs / sizeof codecs[0])

static void test_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 100, SIZE};
    for (size_t c = 0; c < CODECS; c++) {
        for (size_t i = 0; i < 4; i++) {
            struct lx_buf packed = LX_BUF(1 << 20);
            struct lx_err err = LX_ERR_INIT;
            pack(codecs[c], raw, sizes[i], &packed);
            const void *body = packed.data != NULL ? packed.data : (const void *)"";
            assert_int_equal(unpack(codecs[c], body, packed.len, sizes[i], &err), LX_OK);
            for (size_t promised = sizes[i] > 2 ? sizes[i] - 2 : 0; promised < sizes[i] + 20;
                 promised++) {
                if (promised == sizes[i])
                    continue;
                enum lx_status status = unpack(codecs[c], body, packed.len, promised, &err);
                if (status != LX_E_FORMAT || err.text[0] == 0)
                    fail_msg("%s: %zu bytes as %zu: %s", lx_parquet_codec_name(codecs[c]), sizes[i],
                             promised, lx_status_name(status));
            }
            lx_buf_free(&packed);
        }
    }
}

static void test_texts(void **state)
{
    (void)state;
    for (size_t c = 0; c < CODECS; c++) {
        struct lx_buf packed = LX_BUF(1 << 20);
        struct lx_err err = LX_ERR_INIT;
        char text[128];
        pack(codecs[c], raw, SIZE, &packed);
        assert_int_equal(unpack(codecs[c], packed.data, packed.len, SIZE + 1, &err), LX_E_FORMAT);
        snprintf(text, sizeof text, "%s data does not hold the 5001 bytes it should",
                 lx_parquet_codec_name(codecs[c]));
        assert_string_equal(err.text, text);
        lx_buf_free(&packed);
    }
}

static void test_cuts(void **state)
{
    (void)state;
    for (size_t c = 0; c < CODECS; c++) {
        struct lx_buf packed = LX_BUF(1 << 20);
        struct lx_err err = LX_ERR_INIT;
        pack(codecs[c], raw, SIZE, &packed);
        for (size_t size = 0; size < packed.len;
             size += size < 40 || size + 40 > packed.len ? 1 : 37)
            assert_int_equal(unpack(codecs[c], packed.data, size, SIZE, &err), LX_E_FORMAT);
        lx_buf_free(&packed);
    }
}

/* Changed bytes: refused, or of the right size all the same; the page's checksum is for the rest.
 */
static void test_changes(void **state)
{
    (void)state;
    for (size_t c = 1; c < CODECS; c++) {
        struct lx_buf packed = LX_BUF(1 << 20);
        struct lx_pq_decompressor *decompressor;
        size_t refused = 0, tried = 0;
        static uint8_t out[SIZE];
        pack(codecs[c], raw, SIZE, &packed);
        assert_int_equal(lx_pq_decompressor_create(&decompressor, NULL), LX_OK);
        for (size_t at = 0; at < packed.len; at += at < 100 ? 1 : 61) {
            for (unsigned bit = 0; bit < 8; bit++) {
                struct lx_err err = LX_ERR_INIT;
                packed.data[at] ^= (uint8_t)(1u << bit);
                enum lx_status status = lx_pq_decompress(decompressor, codecs[c], packed.data,
                                                         packed.len, out, SIZE, &err);
                assert_true(status == LX_OK || (status == LX_E_FORMAT && err.text[0] != 0));
                refused += status != LX_OK;
                tried++;
                packed.data[at] ^= (uint8_t)(1u << bit);
            }
        }
        assert_true(refused > 0 && (codecs[c] != LX_PARQUET_GZIP || refused > tried * 9 / 10));
        lx_pq_decompressor_free(decompressor);
        lx_buf_free(&packed);
    }
}

/* gzip: several members are one body; what follows the last one is none. */
static void test_gzip_members(void **state)
{
    (void)state;
    struct lx_buf packed = LX_BUF(1 << 20);
    struct lx_err err = LX_ERR_INIT;
    put_gzip(raw, 1000, &packed);
    put_gzip(raw + 1000, 0, &packed);
    put_gzip(raw + 1000, SIZE - 1000, &packed);
    assert_int_equal(unpack(LX_PARQUET_GZIP, packed.data, packed.len, SIZE, &err), LX_OK);
    assert_int_equal(unpack(LX_PARQUET_GZIP, packed.data, packed.len, 1000, &err), LX_E_FORMAT);
    put_gzip(raw, 0, &packed); /* one more, of nothing: all output is there before it */
    assert_int_equal(unpack(LX_PARQUET_GZIP, packed.data, packed.len, SIZE, &err), LX_OK);
    assert_int_equal(lx_buf_append(&packed, "beyond", 6), LX_OK);
    assert_int_equal(unpack(LX_PARQUET_GZIP, packed.data, packed.len, SIZE, &err), LX_E_FORMAT);
    lx_buf_free(&packed);
}

static void test_refused_codecs(void **state)
{
    (void)state;
    struct lx_pq_compressor *compressor;
    struct lx_buf out = LX_BUF(1 << 20);
    struct lx_err err = LX_ERR_INIT;
    char text[64];
    assert_int_equal(lx_pq_compressor_create(&compressor, NULL), LX_OK);
    for (int codec = 0; codec <= LX_PARQUET_LZ4_RAW; codec++) {
        struct lx_pq_compression how = {.codec = (enum lx_parquet_codec)codec, .level = 1};
        bool writable = lx_pq_codec_writable(how.codec), readable = lx_pq_codec_readable(how.codec);
        assert_int_equal(writable, strchr("1278", '0' + codec) != NULL);
        assert_int_equal(readable, strchr("12378", '0' + codec) != NULL);
        if (!writable) {
            assert_int_equal(lx_pq_compress(compressor, &how, raw, 10, &out, &err),
                             LX_E_UNSUPPORTED);
            snprintf(text, sizeof text, "codec %s is not written",
                     lx_parquet_codec_name(how.codec));
            assert_string_equal(err.text, text);
        }
        if (!readable) {
            assert_int_equal(unpack(how.codec, raw, 10, 10, &err), LX_E_UNSUPPORTED);
            snprintf(text, sizeof text, "codec %s is not read", lx_parquet_codec_name(how.codec));
            assert_string_equal(err.text, text);
        }
    }
    struct lx_pq_compression wrong = {.codec = LX_PARQUET_ZSTD, .level = 3, .window_log = 99};
    assert_int_equal(lx_pq_compress(compressor, &wrong, raw, 10, &out, &err), LX_E_BUG);
    lx_pq_compressor_free(compressor);
    lx_pq_compressor_free(NULL);
    lx_pq_decompressor_free(NULL);
    lx_buf_free(&out);
}

static void test_limits(void **state)
{
    (void)state;
    struct lx_pq_compressor *compressor;
    struct lx_pq_decompressor *decompressor;
    struct lx_buf small = LX_BUF(16);
    struct lx_err err = LX_ERR_INIT;
    uint8_t out[1];
    assert_int_equal(lx_pq_compressor_create(&compressor, NULL), LX_OK);
    assert_int_equal(lx_pq_decompressor_create(&decompressor, NULL), LX_OK);
    for (size_t c = 0; c < CODECS; c++) {
        struct lx_pq_compression how = {.codec = codecs[c], .level = 1};
        if (!lx_pq_codec_writable(codecs[c]))
            continue;
        assert_int_equal(lx_pq_compress(compressor, &how, raw, SIZE, &small, &err), LX_E_LIMIT);
        assert_string_equal(err.text, "no room for a page of 5000 bytes");
        assert_int_equal(small.len, 0);
    }
    /* Sizes that the libraries cannot hold; nothing is read there. */
    const struct lx_pq_compression lz4 = {.codec = LX_PARQUET_LZ4_RAW};
    assert_int_equal(lx_pq_compress(compressor, &lz4, raw, (size_t)INT_MAX, &small, &err),
                     LX_E_LIMIT);
    assert_string_equal(err.text, "a page of 2147483647 bytes is too large for LZ4_RAW");
    const size_t large = (size_t)UINT_MAX + 1;
    for (int i = 0; i < 2; i++) {
        size_t size = i == 0 ? large : 1, promised = i == 0 ? 1 : large;
        assert_int_equal(
            lx_pq_decompress(decompressor, LX_PARQUET_GZIP, raw, size, out, promised, &err),
            LX_E_LIMIT);
        assert_int_equal(
            lx_pq_decompress(decompressor, LX_PARQUET_LZ4_RAW, raw, size, out, promised, &err),
            LX_E_LIMIT);
    }
    lx_pq_compressor_free(compressor);
    lx_pq_decompressor_free(decompressor);
    lx_buf_free(&small);
}

/* Changing any one parameter changes what the context is set to. */
static void test_zstd_parameters(void **state)
{
    (void)state;
    static const struct lx_pq_compression hows[] = {
        {.codec = LX_PARQUET_ZSTD, .level = 1},
        {.codec = LX_PARQUET_ZSTD, .level = 3},
        {.codec = LX_PARQUET_ZSTD, .level = 3, .min_match = 7},
        {.codec = LX_PARQUET_ZSTD, .level = 3, .min_match = 7, .hash_log = 17},
        {.codec = LX_PARQUET_ZSTD, .level = 3, .min_match = 7, .hash_log = 17, .chain_log = 15},
        {.codec = LX_PARQUET_ZSTD,
         .level = 3,
         .min_match = 7,
         .hash_log = 17,
         .chain_log = 15,
         .window_log = 21},
        {.codec = LX_PARQUET_ZSTD,
         .level = 3,
         .min_match = 7,
         .hash_log = 17,
         .chain_log = 15,
         .window_log = 22},
    };
    struct lx_pq_compressor *shared, *fresh;
    assert_int_equal(lx_pq_compressor_create(&shared, NULL), LX_OK);
    for (size_t i = 0; i < 2 * sizeof hows / sizeof hows[0]; i++) {
        struct lx_buf a = LX_BUF(1 << 20), b = LX_BUF(1 << 20);
        const struct lx_pq_compression *how = &hows[i / 2];
        assert_int_equal(lx_pq_compressor_create(&fresh, NULL), LX_OK);
        assert_int_equal(lx_pq_compress(shared, how, raw, SIZE, &a, NULL), LX_OK);
        assert_int_equal(lx_pq_compress(fresh, how, raw, SIZE, &b, NULL), LX_OK);
        assert_int_equal(a.len, b.len);
        assert_memory_equal(a.data, b.data, a.len);
        lx_pq_compressor_free(fresh);
        lx_buf_free(&a);
        lx_buf_free(&b);
    }
    lx_pq_compressor_free(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_cuts),         cmocka_unit_test(test_changes),
        cmocka_unit_test(test_gzip_members), cmocka_unit_test(test_refused_codecs),
        cmocka_unit_test(test_limits),       cmocka_unit_test(test_zstd_parameters),
    };
    return cmocka_run_group_tests(tests, make_raw, NULL);
}
