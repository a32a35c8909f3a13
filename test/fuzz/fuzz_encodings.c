/* libFuzzer: each encoding, each codec, bit packing, by itself. The first byte says which, the
 * second how many values or bits; the others are the encoded bytes. */
#include "base/alloc.h"
#include "base/limits.h"
#include "fuzz.h"
#include "parquet/bitpack.h"
#include "parquet/codec.h"
#include "parquet/decode.h"
#include "parquet/encode.h"

/* -- values ---------------------------------------------------------------------------------- */

static const struct {
    enum lx_parquet_encoding encoding;
    enum lx_parquet_physical physical;
    uint32_t width;
} kinds[] = {
    {LX_PARQUET_PLAIN, LX_PARQUET_BOOLEAN, 1},
    {LX_PARQUET_PLAIN, LX_PARQUET_INT32, 4},
    {LX_PARQUET_PLAIN, LX_PARQUET_BYTE_ARRAY, 0},
    {LX_PARQUET_RLE, LX_PARQUET_BOOLEAN, 1},
    {LX_PARQUET_RLE_DICTIONARY, LX_PARQUET_INT64, 8},
    {LX_PARQUET_RLE_DICTIONARY, LX_PARQUET_BYTE_ARRAY, 0},
    {LX_PARQUET_DELTA_BINARY_PACKED, LX_PARQUET_INT32, 4},
    {LX_PARQUET_DELTA_BINARY_PACKED, LX_PARQUET_INT64, 8},
    {LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY, LX_PARQUET_BYTE_ARRAY, 0},
    {LX_PARQUET_DELTA_BYTE_ARRAY, LX_PARQUET_BYTE_ARRAY, 0},
    {LX_PARQUET_BYTE_STREAM_SPLIT, LX_PARQUET_FLOAT, 4},
    {LX_PARQUET_BYTE_STREAM_SPLIT, LX_PARQUET_DOUBLE, 8},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

static void make_dictionary(struct lx_column *dictionary, uint32_t width)
{
    lx_column_init(dictionary, width != 0 ? LX_COLUMN_FIXED : LX_COLUMN_BYTES, width);
    for (uint64_t i = 0; i < 21; i++)
        require(lx_column_append(dictionary, &i, width != 0 ? width : (size_t)i % 8) == LX_OK,
                "no memory");
}

/* Values in pieces of `step`. What was decoded stands in `out`; the status that ended it. */
static enum lx_status decode(size_t kind, const uint8_t *bytes, size_t size, int64_t count,
                             size_t step, const struct lx_column *dictionary,
                             struct lx_pq_budget *budget, struct lx_column *out)
{
    const struct lx_parquet_field field = {.name = "x", .physical = kinds[kind].physical};
    static struct lx_pq_decoder decoder; /* large */
    const char *why = NULL;
    decoder = (struct lx_pq_decoder){
        .physical = kinds[kind].physical, .width = kinds[kind].width, .last = {.budget = budget}};
    enum lx_status status = lx_pq_decoder_open(&decoder, kinds[kind].encoding, &field, bytes, size,
                                               count, dictionary, &why);
    require(status == LX_OK || why != NULL || status == LX_E_FORMAT, "no reason");
    while (status == LX_OK && out->rows < count) {
        size_t left = (size_t)(count - out->rows), n = left < step ? left : step, done = n;
        if (kinds[kind].width != 0) {
            status = lx_column_reserve(out, n);
            if (status == LX_OK)
                status =
                    lx_pq_decode_fixed(&decoder, out->values + (size_t)out->rows * out->width, n);
            if (status == LX_OK)
                out->rows += (int64_t)n;
        } else {
            status = lx_pq_decode_texts(&decoder, budget, out, n, LX_MIB, &done);
        }
    }
    lx_pq_area_free(&decoder.last);
    return status;
}

static void compare(const struct lx_column *a, const struct lx_column *b)
{
    require(a->rows == b->rows, "pieces give other rows");
    for (int64_t i = 0; i < a->rows; i++)
        require(lx_str_equal(lx_column_value(a, i), lx_column_value(b, i)),
                "pieces give other values");
}

static void fuzz_values(size_t kind, int64_t count, const uint8_t *bytes, size_t size)
{
    struct lx_pq_budget budget = {.max = 16 * LX_MIB};
    struct lx_column dictionary, whole, pieces;
    enum lx_column_shape shape = kinds[kind].width != 0 ? LX_COLUMN_FIXED : LX_COLUMN_BYTES;
    make_dictionary(&dictionary, kinds[kind].width);
    lx_column_init(&whole, shape, kinds[kind].width);
    lx_column_init(&pieces, shape, kinds[kind].width);
    enum lx_status status =
        decode(kind, bytes, size, count, (size_t)count + 1, &dictionary, &budget, &whole);
    if (status == LX_OK) {
        require(decode(kind, bytes, size, count, 3, &dictionary, &budget, &pieces) == LX_OK,
                "pieces fail, the whole does not");
        compare(&whole, &pieces);
    }
    lx_column_free(&dictionary);
    lx_pq_budget_free_column(&budget, &whole);
    lx_pq_budget_free_column(&budget, &pieces);
}

/* -- bits and codecs ------------------------------------------------------------------------- */

/* The vector instructions give what the plain loop gives, and packing what was unpacked. */
static void fuzz_bits(unsigned width, const uint8_t *bytes, size_t size)
{
    static uint32_t fast[4096], slow[4096];
    static uint8_t packed[4096 * 4 + 8];
    width %= 33;
    size_t count = width == 0 ? 100 : size * 8 / width;
    count = count < 4096 ? count : 4096;
    lx_pq_unpack32(bytes, size, width, fast, count);
    lx_pq_unpack32_portable(bytes, size, width, slow, count);
    require(memcmp(fast, slow, count * sizeof *fast) == 0, "vectors unpack other numbers");
    lx_pq_pack32(fast, count, width, packed);
    size_t whole = count * width / 8;
    require(memcmp(packed, bytes, whole) == 0, "packing is not the reverse of unpacking");
}

static void fuzz_codec(size_t which, const uint8_t *bytes, size_t size)
{
    static const enum lx_parquet_codec codecs[] = {LX_PARQUET_SNAPPY, LX_PARQUET_GZIP,
                                                   LX_PARQUET_ZSTD, LX_PARQUET_LZ4_RAW,
                                                   LX_PARQUET_UNCOMPRESSED};
    static uint8_t out[65536];
    struct lx_pq_decompressor *decompressor;
    size_t sizes[] = {size, size * 3 < sizeof out ? size * 3 : sizeof out, 1, 0};
    struct lx_err err = LX_ERR_INIT;
    require(lx_pq_decompressor_create(&decompressor, &err) == LX_OK, "no memory");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (sizes[i] <= sizeof out && lx_pq_decompress(decompressor, codecs[which % 5], bytes, size,
                                                       out, sizes[i], &err) != LX_OK)
            require(err.text[0] != 0, "a failure without a word");
    lx_pq_decompressor_free(decompressor);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 2)
        return 0;
    size_t which = bytes[0] % (KINDS + 2);
    if (which < KINDS)
        fuzz_values(which, (int64_t)bytes[1] * 5, bytes + 2, size - 2);
    else if (which == KINDS)
        fuzz_bits(bytes[1], bytes + 2, size - 2);
    else
        fuzz_codec(bytes[1], bytes + 2, size - 2);
    return 0;
}
