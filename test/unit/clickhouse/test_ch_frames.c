/* ClickHouse's compressed frames: each method, each way to be broken, and their checksum. */
#include "ch_test.h"

#include "clickhouse/ch_cityhash.h"
#include "clickhouse/ch_decompress.h"

#include <lz4.h>
#include <zstd.h>

enum { NONE = 0x02, LZ4 = 0x82, ZSTD = 0x90 };

static uint8_t pattern(size_t i, size_t size)
{
    return (uint8_t)(i * 131 + size);
}

/* The checksums that ClickHouse 26.7 itself wrote in front of the blocks of a column without
 * compression, whose values are the pattern. */
static const struct {
    size_t size;
    uint64_t low, high;
} vectors[] = {
    {1, 0x44de969a62d27470u, 0x2e46b9447ae49a3bu},
    {6, 0x3285f15192a10f97u, 0xd2795acb28334d2fu},
    {7, 0x25f5db190546ae1fu, 0x544cdf54ebe19ed3u},
    {8, 0x7792f09f7f3b0ffdu, 0x82a143fd4ca19c9bu},
    {9, 0xc3ff80f739ae64aeu, 0x480f22d288b71a48u},
    {10, 0x8ed58aa6cf568db9u, 0x07d1070ff9cd98b4u},
    {11, 0x5194a9ba59a1f52au, 0x838f18ede153c12fu},
    {14, 0xf26046f6c2cc3ca2u, 0xb26990505e1aaec8u},
    {15, 0x2ed7b008c938c4f7u, 0xd7dd93ab2a337aadu},
    {16, 0x214479be01b253adu, 0x2b43d71588361ac6u},
    {17, 0xed7abbf2dfb42ef4u, 0xbc8e827bafd48692u},
    {22, 0xdfaf257b83d099ccu, 0x04ef4f2ee5ef47a3u},
    {23, 0xf43ab0397f59bb47u, 0x99f3145a37f69fb2u},
    {24, 0x76f590844a51bd08u, 0x5989b1e8df5f8e11u},
    {39, 0x0b1a4dcf2a60c8ccu, 0xa12a1eae3ddcbd76u},
    {40, 0x1185c17e792e6bedu, 0x18631be3395f8cf6u},
    {100, 0x0aac60923e65ce1du, 0xeed8cb7e841af7c2u},
    {134, 0x58bc9fa199ff61e4u, 0x417eaa2302a9b98au},
    {135, 0xb00eff6fabaac3c0u, 0x0b5aecd0a00b2567u},
    {136, 0xe3a0b7cd7037fdc1u, 0x52d6d45517984cabu},
    {166, 0x5423462aabd9c622u, 0x5d5cf1f44f94b1abu},
    {167, 0x99e5d1c304ced3f1u, 0x24a35c139f549ae9u},
    {200, 0xaf90f1984b4d1c31u, 0x67cfba0a70b255b0u},
    {262, 0xcedd236a47015bf2u, 0x215822da49013df4u},
    {263, 0xd41fd7a451a6f432u, 0x8e599736f3f9cfe1u},
    {264, 0x6504eccfe47aa11au, 0xde201856519ec0e1u},
    {300, 0xb781d458d9f248bdu, 0x4676ea2fc0533345u},
    {1000, 0x4f9e04c42c32bb9eu, 0xef5decb1b8a865ecu},
};

/* A frame that says to hold `size` bytes, with a checksum that is right. */
static void put_frame(struct lx_buf *out, uint8_t method, const void *packed, uint32_t packed_size,
                      uint32_t size)
{
    struct lx_buf rest = LX_BUF(LX_MIB);
    uint32_t whole = packed_size + 9;
    put(&rest, &method, 1);
    put(&rest, &whole, 4);
    put(&rest, &size, 4);
    if (packed_size != 0)
        put(&rest, packed, packed_size);
    struct lx_ch_hash128 hash = lx_ch_cityhash128(rest.data, rest.len);
    put_u64(out, hash.low);
    put_u64(out, hash.high);
    put(out, rest.data, rest.len);
    lx_buf_free(&rest);
}

static void put_packed(struct lx_buf *out, uint8_t method, const uint8_t *plain, uint32_t size)
{
    size_t bound = ZSTD_compressBound(size) + (size_t)LZ4_compressBound((int)size);
    char *packed = lx_malloc(bound);
    size_t got = size;
    assert_non_null(packed);
    if (method == LZ4)
        got = (size_t)LZ4_compress_default((const char *)plain, packed, (int)size, (int)bound);
    else if (method == ZSTD)
        got = ZSTD_compress(packed, bound, plain, size, 1);
    else if (size != 0)
        memcpy(packed, plain, size);
    assert_true(got != 0 || size == 0);
    put_frame(out, method, packed, (uint32_t)got, size);
    lx_free(packed);
}

/* Reads to the end or failure; what came is appended to `out`. */
static enum lx_status unpack(const void *bytes, size_t size, size_t step, size_t room,
                             struct lx_buf *out, struct lx_err *err)
{
    struct memory_source source = {bytes, size, 0, step};
    struct lx_ch_frames frames;
    enum lx_status status;
    size_t got;
    lx_err_clear(err);
    lx_ch_frames_init(&frames, (struct lx_ch_source){memory_read, &source});
    do {
        uint8_t some[4096];
        assert_true(room <= sizeof some);
        status = lx_ch_frames_read(&frames, some, room, &got, err);
        if (status == LX_OK && got != 0)
            put(out, some, got);
    } while (status == LX_OK && got != 0);
    lx_ch_frames_free(&frames);
    return status;
}

static void breaks(const struct lx_buf *bytes, enum lx_status want, const char *says)
{
    struct lx_buf out = LX_BUF(LX_MIB);
    struct lx_err err = LX_ERR_INIT;
    assert_status(unpack(bytes->data, bytes->len, 0, 4096, &out, &err), want, &err);
    if (strstr(err.text, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, says);
    assert_int_equal(out.len, 0);
    lx_buf_free(&out);
}

static void test_cityhash(void **state)
{
    (void)state;
    for (size_t v = 0; v < sizeof vectors / sizeof *vectors; v++) {
        uint8_t frame[9 + 1000] = {NONE};
        uint32_t size = (uint32_t)vectors[v].size, whole = size + 9;
        memcpy(frame + 1, &whole, 4);
        memcpy(frame + 5, &size, 4);
        for (size_t i = 0; i < size; i++)
            frame[9 + i] = pattern(i, size);
        struct lx_ch_hash128 hash = lx_ch_cityhash128(frame, whole);
        assert_true(hash.low == vectors[v].low && hash.high == vectors[v].high);
    }
    /* Of nothing: as the tests of CityHash have it. */
    struct lx_ch_hash128 nothing = lx_ch_cityhash128("", 0);
    assert_true(nothing.low == 0x3df09dfc64c09a2bu && nothing.high == 0x3cb540c392e51e29u);
}

static void test_methods(void **state)
{
    (void)state;
    static const uint8_t methods[] = {NONE, LZ4, ZSTD};
    static const size_t sizes[] = {1, 100, 4096, 4097, 20000}, steps[] = {0, 1, 24, 1000};
    static uint8_t plain[20000];
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        struct lx_buf bytes = LX_BUF(LX_MIB), want = LX_BUF(LX_MIB);
        for (size_t i = 0; i < sizes[s]; i++)
            plain[i] = pattern(i, sizes[s]);
        for (size_t m = 0; m < sizeof methods; m++) {
            put_packed(&bytes, methods[m], plain, (uint32_t)sizes[s]);
            put_packed(&bytes, NONE, plain, 0); /* an empty one is not the end */
            put(&want, plain, sizes[s]);
        }
        for (size_t p = 0; p < sizeof steps / sizeof *steps; p++)
            for (size_t room = 1; room <= 4096; room *= 64) {
                struct lx_buf out = LX_BUF(LX_MIB);
                struct lx_err err = LX_ERR_INIT;
                assert_status(unpack(bytes.data, bytes.len, steps[p], room, &out, &err), LX_OK,
                              &err);
                assert_true(lx_str_equal(lx_buf_view(&out), lx_buf_view(&want)));
                lx_buf_free(&out);
            }
        lx_buf_free(&bytes);
        lx_buf_free(&want);
    }
}

static void test_nothing(void **state)
{
    (void)state;
    struct lx_buf nothing = LX_BUF(1);
    breaks(&nothing, LX_OK, "");
    assert_false(lx_ch_frames_look_like(LX_STR("")));
    assert_false(lx_ch_frames_look_like(LX_STR("Code: 60. DB::Exception: no")));
    for (int method = 0; method < 256; method++) {
        char head[LX_CH_FRAME_HEAD] = {0};
        head[16] = (char)method;
        assert_int_equal(lx_ch_frames_look_like((struct lx_str){head, sizeof head}),
                         method == NONE || method == LZ4 || method == ZSTD);
        assert_false(lx_ch_frames_look_like((struct lx_str){head, sizeof head - 1}));
    }
}

/* However much of a frame is missing, and whichever bit of it is another. */
static void test_damaged(void **state)
{
    (void)state;
    static const uint8_t methods[] = {NONE, LZ4, ZSTD};
    static const uint8_t plain[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    for (size_t m = 0; m < sizeof methods; m++) {
        struct lx_buf bytes = LX_BUF(LX_MIB);
        put_packed(&bytes, methods[m], plain, sizeof plain);
        size_t size = bytes.len;
        for (bytes.len = 1; bytes.len < size; bytes.len++) {
            char text[80];
            snprintf(text, sizeof text, "ends within a compressed frame, after %zu bytes",
                     bytes.len);
            breaks(&bytes, LX_E_FORMAT, text);
        }
        for (size_t bit = 0; bit < size * 8; bit++) {
            struct lx_buf out = LX_BUF(LX_MIB);
            struct lx_err err = LX_ERR_INIT;
            bool of_size = bit / 8 >= 17 && bit / 8 < 25;
            bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            enum lx_status status = unpack(bytes.data, bytes.len, 0, 4096, &out, &err);
            if (!of_size)
                assert_int_equal(status, LX_E_CORRUPT);
            assert_true(status == LX_E_CORRUPT || status == LX_E_FORMAT);
            assert_int_equal(out.len, 0);
            bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            lx_buf_free(&out);
        }
        lx_buf_free(&bytes);
    }
}

/* The checksum is right, and what it covers is wrong. */
static void test_wrong(void **state)
{
    (void)state;
    static const uint8_t methods[] = {NONE, LZ4, ZSTD};
    static const uint8_t plain[64] = "some text, and NULs behind it";
    char packed[256];
    for (size_t m = 0; m < sizeof methods; m++) {
        size_t size = sizeof plain;
        memcpy(packed, plain, size);
        if (methods[m] == LZ4)
            size = (size_t)LZ4_compress_default((const char *)plain, packed, 64, sizeof packed);
        if (methods[m] == ZSTD)
            size = ZSTD_compress(packed, sizeof packed, plain, 64, 1);
        for (uint32_t said = 63; said <= 65; said += 2) {
            struct lx_buf bytes = LX_BUF(LX_MIB);
            char text[80];
            snprintf(text, sizeof text, "a compressed frame does not unpack to %u bytes", said);
            put_frame(&bytes, methods[m], packed, (uint32_t)size, said);
            breaks(&bytes, LX_E_CORRUPT, text);
            lx_buf_free(&bytes);
        }
    }
    struct lx_buf bytes = LX_BUF(LX_MIB);
    put_frame(&bytes, 0x91, plain, 64, 64);
    breaks(&bytes, LX_E_FORMAT, "a compressed frame of the unknown method 0x91");
    lx_buf_clear(&bytes);
    put_hex(&bytes, "00000000000000000000000000000000 02 08000000 00000000");
    breaks(&bytes, LX_E_FORMAT, "a compressed frame of 8 bytes for 0");
    lx_buf_clear(&bytes);
    put_hex(&bytes, "00000000000000000000000000000000 02 01000004 00000000");
    breaks(&bytes, LX_E_FORMAT, "a compressed frame of 67108865 bytes for 0");
    lx_buf_clear(&bytes);
    put_hex(&bytes, "00000000000000000000000000000000 02 10000000 01000004");
    breaks(&bytes, LX_E_FORMAT, "a compressed frame of 16 bytes for 67108865");
    lx_buf_free(&bytes);
}

static enum lx_status fail_to_read(void *self, void *to, size_t capacity, size_t *got,
                                   struct lx_err *err)
{
    struct memory_source *memory = self;
    if (memory->pos < memory->size)
        return memory_read(self, to, capacity, got, err);
    return lx_err_set(err, LX_E_NETWORK, "reset");
}

static void test_source_fails(void **state)
{
    (void)state;
    static const uint8_t plain[] = "text";
    struct lx_buf bytes = LX_BUF(LX_MIB);
    put_packed(&bytes, LZ4, plain, sizeof plain);
    for (size_t size = 0; size < bytes.len; size++) {
        struct memory_source source = {bytes.data, size, 0, 0};
        struct lx_ch_source broken = {fail_to_read, &source};
        struct lx_err err = LX_ERR_INIT;
        struct lx_ch_frames frames;
        char some[100];
        size_t got;
        lx_ch_frames_init(&frames, broken);
        assert_status(lx_ch_frames_read(&frames, some, sizeof some, &got, &err), LX_E_NETWORK,
                      &err);
        lx_ch_frames_free(&frames);
        struct lx_ch_unzstd unzstd;
        source = (struct memory_source){0};
        assert_int_equal(lx_ch_unzstd_init(&unzstd, broken), LX_OK);
        assert_status(lx_ch_unzstd_read(&unzstd, some, sizeof some, &got, &err), LX_E_NETWORK,
                      &err);
        lx_ch_unzstd_free(&unzstd);
    }
    lx_buf_free(&bytes);
}

/* A stream of zstd: none at all, several frames in a row, and every way to end too early. */
static void test_zstd_ends(void **state)
{
    (void)state;
    char zipped[256], some[64];
    size_t one = ZSTD_compress(zipped, sizeof zipped, "abc", 3, 1);
    size_t two = one + ZSTD_compress(zipped + one, sizeof zipped - one, "defg", 4, 1);
    for (size_t size = 0; size <= two; size++) {
        struct memory_source source = {(const uint8_t *)zipped, size, 0, 1};
        struct lx_err err = LX_ERR_INIT;
        struct lx_ch_unzstd unzstd;
        enum lx_status status;
        size_t got, done = 0;
        assert_int_equal(lx_ch_unzstd_init(&unzstd, (struct lx_ch_source){memory_read, &source}),
                         LX_OK);
        do {
            status = lx_ch_unzstd_read(&unzstd, some + done, sizeof some - done, &got, &err);
            done += status == LX_OK ? got : 0;
        } while (status == LX_OK && got != 0);
        bool whole = size == 0 || size == one || size == two;
        assert_status(status, whole ? LX_OK : LX_E_FORMAT, &err);
        if (!whole)
            assert_string_equal(err.text, "the stream ends within its zstd frame");
        if (whole)
            assert_int_equal(done, size == 0 ? 0 : size == one ? 3 : 7);
        assert_memory_equal(some, "abcdefg", done);
        lx_ch_unzstd_free(&unzstd);
    }
}

static enum lx_status read_both(const struct lx_buf *bytes, struct lx_err *err)
{
    struct memory_source source = {bytes->data, bytes->len, 0, 0};
    struct lx_ch_frames frames;
    char some[10];
    size_t got;
    lx_ch_frames_init(&frames, (struct lx_ch_source){memory_read, &source});
    enum lx_status status = lx_ch_frames_read(&frames, some, sizeof some, &got, err);
    lx_ch_frames_free(&frames);
    LX_TRY(status);
    struct lx_ch_unzstd unzstd;
    char zipped[64];
    size_t size = ZSTD_compress(zipped, sizeof zipped, "abc", 3, 1);
    source = (struct memory_source){(const uint8_t *)zipped, size, 0, 0};
    status = lx_ch_unzstd_init(&unzstd, (struct lx_ch_source){memory_read, &source});
    if (status == LX_OK)
        status = lx_ch_unzstd_read(&unzstd, some, sizeof some, &got, err);
    lx_ch_unzstd_free(&unzstd);
    return status;
}

static void test_memory(void **state)
{
    (void)state;
    static const uint8_t plain[100] = "text";
    struct lx_buf bytes = LX_BUF(LX_MIB);
    put_packed(&bytes, LZ4, plain, sizeof plain);
    size_t before = lx_alloc_used();
    for (uint64_t n = 1;; n++) {
        struct lx_err err = LX_ERR_INIT;
        lx_alloc_fail_at(n);
        enum lx_status status = read_both(&bytes, &err);
        lx_alloc_fail_at(0);
        assert_int_equal(lx_alloc_used(), before);
        if (status == LX_OK) {
            assert_true(n > 3); /* input and output of frames, input of zstd */
            break;
        }
        assert_status(status, LX_E_MEMORY, &err);
    }
    lx_buf_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cityhash),  cmocka_unit_test(test_methods),
        cmocka_unit_test(test_nothing),   cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_wrong),     cmocka_unit_test(test_source_fails),
        cmocka_unit_test(test_zstd_ends), cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
