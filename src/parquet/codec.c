#include "parquet/codec.h"

#include "base/alloc.h"

#include <limits.h>
#include <lz4.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

struct lx_pq_compressor {
    ZSTD_CCtx *zstd;
    struct lx_pq_compression set; /* what the context is set to */
};

struct lx_pq_decompressor {
    ZSTD_DCtx *zstd;
};

bool lx_pq_codec_writable(enum lx_parquet_codec codec)
{
    return codec == LX_PARQUET_UNCOMPRESSED || codec == LX_PARQUET_SNAPPY ||
           codec == LX_PARQUET_ZSTD || codec == LX_PARQUET_LZ4_RAW;
}

bool lx_pq_codec_readable(enum lx_parquet_codec codec)
{
    return lx_pq_codec_writable(codec) || codec == LX_PARQUET_GZIP;
}

enum lx_status lx_pq_compressor_create(struct lx_pq_compressor **out, struct lx_err *err)
{
    struct lx_pq_compressor *compressor = lx_calloc(1, sizeof *compressor);
    if (compressor == NULL)
        return lx_err_memory(err);
    *out = compressor;
    return LX_OK;
}

void lx_pq_compressor_free(struct lx_pq_compressor *compressor)
{
    if (compressor == NULL)
        return;
    ZSTD_freeCCtx(compressor->zstd);
    lx_free(compressor);
}

static enum lx_status set_zstd(struct lx_pq_compressor *compressor,
                               const struct lx_pq_compression *how, struct lx_err *err)
{
    if (compressor->zstd == NULL)
        compressor->zstd = ZSTD_createCCtx();
    if (compressor->zstd == NULL)
        return lx_err_memory(err);
    const struct lx_pq_compression *set = &compressor->set;
    if (set->codec == how->codec && set->level == how->level && set->min_match == how->min_match &&
        set->hash_log == how->hash_log && set->chain_log == how->chain_log &&
        set->window_log == how->window_log)
        return LX_OK;
    const struct {
        ZSTD_cParameter parameter;
        int value;
    } parameters[] = {{ZSTD_c_compressionLevel, how->level},
                      {ZSTD_c_minMatch, how->min_match},
                      {ZSTD_c_hashLog, how->hash_log},
                      {ZSTD_c_chainLog, how->chain_log},
                      {ZSTD_c_windowLog, how->window_log}};
    size_t failed = ZSTD_CCtx_reset(compressor->zstd, ZSTD_reset_session_and_parameters);
    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0] && !ZSTD_isError(failed); i++)
        failed =
            ZSTD_CCtx_setParameter(compressor->zstd, parameters[i].parameter, parameters[i].value);
    if (ZSTD_isError(failed) != 0)
        return lx_err_set(err, LX_E_BUG, "zstd refuses level %d: %s", how->level,
                          ZSTD_getErrorName(failed));
    compressor->set = *how;
    return LX_OK;
}

static enum lx_status compress_zstd(struct lx_pq_compressor *compressor,
                                    const struct lx_pq_compression *how, const void *bytes,
                                    size_t size, struct lx_buf *out, struct lx_err *err)
{
    LX_TRY(set_zstd(compressor, how, err));
    size_t bound = ZSTD_compressBound(size);
    enum lx_status status = lx_buf_reserve(out, bound);
    if (status != LX_OK)
        return lx_err_set(err, status, "no room for a page of %zu bytes", size);
    size_t used = ZSTD_compress2(compressor->zstd, out->data + out->len, bound, bytes, size);
    if (ZSTD_isError(used) != 0)
        return lx_err_set(
            err, ZSTD_getErrorCode(used) == ZSTD_error_memory_allocation ? LX_E_MEMORY : LX_E_BUG,
            "zstd failed: %s", ZSTD_getErrorName(used));
    out->len += used;
    return LX_OK;
}

static enum lx_status compress_small(enum lx_parquet_codec codec, const void *bytes, size_t size,
                                     struct lx_buf *out, struct lx_err *err)
{
    if (size > LZ4_MAX_INPUT_SIZE)
        return lx_err_set(err, LX_E_LIMIT, "a page of %zu bytes is too large for %s", size,
                          lx_parquet_codec_name(codec));
    size_t bound = codec == LX_PARQUET_SNAPPY ? snappy_max_compressed_length(size)
                                              : (size_t)LZ4_compressBound((int)size);
    enum lx_status status = lx_buf_reserve(out, bound);
    if (status != LX_OK)
        return lx_err_set(err, status, "no room for a page of %zu bytes", size);
    char *at = (char *)out->data + out->len;
    size_t used = bound;
    if (codec == LX_PARQUET_SNAPPY) {
        if (snappy_compress(bytes, size, at, &used) != SNAPPY_OK)
            return lx_err_set(err, LX_E_BUG, "snappy failed");
    } else {
        int made = LZ4_compress_default(bytes, at, (int)size, (int)bound);
        if (made <= 0)
            return lx_err_set(err, LX_E_BUG, "lz4 failed");
        used = (size_t)made;
    }
    out->len += used;
    return LX_OK;
}

enum lx_status lx_pq_compress(struct lx_pq_compressor *compressor,
                              const struct lx_pq_compression *how, const void *bytes, size_t size,
                              struct lx_buf *out, struct lx_err *err)
{
    enum lx_status status;
    switch (how->codec) {
    case LX_PARQUET_UNCOMPRESSED:
        status = lx_buf_append(out, bytes, size);
        return status == LX_OK ? LX_OK
                               : lx_err_set(err, status, "no room for a page of %zu bytes", size);
    case LX_PARQUET_ZSTD: return compress_zstd(compressor, how, bytes, size, out, err);
    case LX_PARQUET_SNAPPY:
    case LX_PARQUET_LZ4_RAW: return compress_small(how->codec, bytes, size, out, err);
    case LX_PARQUET_CODEC_AUTO:
    case LX_PARQUET_GZIP:
    case LX_PARQUET_LZO:
    case LX_PARQUET_BROTLI:
    case LX_PARQUET_LZ4: break;
    }
    return lx_err_set(err, LX_E_UNSUPPORTED, "codec %s is not written",
                      lx_parquet_codec_name(how->codec));
}

/* -- reading ------------------------------------------------------------------------------- */

enum lx_status lx_pq_decompressor_create(struct lx_pq_decompressor **out, struct lx_err *err)
{
    struct lx_pq_decompressor *decompressor = lx_calloc(1, sizeof *decompressor);
    if (decompressor == NULL)
        return lx_err_memory(err);
    *out = decompressor;
    return LX_OK;
}

void lx_pq_decompressor_free(struct lx_pq_decompressor *decompressor)
{
    if (decompressor == NULL)
        return;
    ZSTD_freeDCtx(decompressor->zstd);
    lx_free(decompressor);
}

static enum lx_status wrong_size(size_t size, enum lx_parquet_codec codec, struct lx_err *err)
{
    return lx_err_set(err, LX_E_FORMAT, "%s data does not hold the %zu bytes it should",
                      lx_parquet_codec_name(codec), size);
}

static enum lx_status decompress_zstd(struct lx_pq_decompressor *decompressor, const void *bytes,
                                      size_t size, void *out, size_t out_size, struct lx_err *err)
{
    if (decompressor->zstd == NULL)
        decompressor->zstd = ZSTD_createDCtx();
    if (decompressor->zstd == NULL)
        return lx_err_memory(err);
    size_t made = ZSTD_decompressDCtx(decompressor->zstd, out, out_size, bytes, size);
    if (ZSTD_isError(made) != 0)
        return lx_err_set(err, LX_E_FORMAT, "broken zstd data: %s", ZSTD_getErrorName(made));
    return made == out_size ? LX_OK : wrong_size(out_size, LX_PARQUET_ZSTD, err);
}

/* One or more gzip members, one after the other. */
static enum lx_status decompress_gzip(const void *bytes, size_t size, void *out, size_t out_size,
                                      struct lx_err *err)
{
    z_stream stream = {0};
    uint8_t beyond[16]; /* shows data that goes on past the size that was promised */
    if (size > UINT_MAX || out_size > UINT_MAX)
        return lx_err_set(err, LX_E_LIMIT, "a gzip page of %zu bytes is too large", size);
    if (inflateInit2(&stream, MAX_WBITS + 16) != Z_OK)
        return lx_err_memory(err);
    union {
        const void *from;
        uint8_t *to;
    } input = {.from = bytes}; /* zlib's struct lacks the const; it does not write there */
    stream.next_in = input.to;
    stream.avail_in = (unsigned)size;
    stream.next_out = out;
    stream.avail_out = (unsigned)out_size;
    bool spilled = false;
    int result = Z_OK;
    while (result == Z_OK && !spilled) {
        if (stream.avail_out == 0) {
            stream.next_out = beyond;
            stream.avail_out = sizeof beyond;
            result = inflate(&stream, Z_NO_FLUSH);
            spilled = stream.avail_out != sizeof beyond;
            stream.avail_out = 0;
        } else {
            result = inflate(&stream, Z_NO_FLUSH);
        }
        if (result == Z_STREAM_END && stream.avail_in > 0)
            result = inflateReset(&stream);
    }
    bool whole = result == Z_STREAM_END && !spilled && stream.avail_out == 0;
    inflateEnd(&stream);
    return whole ? LX_OK : wrong_size(out_size, LX_PARQUET_GZIP, err);
}

static enum lx_status decompress_lz4(const void *bytes, size_t size, void *out, size_t out_size,
                                     struct lx_err *err)
{
    if (size > INT_MAX || out_size > INT_MAX)
        return lx_err_set(err, LX_E_LIMIT, "an lz4 page of %zu bytes is too large", size);
    int made = LZ4_decompress_safe(bytes, out, (int)size, (int)out_size);
    return made >= 0 && (size_t)made == out_size ? LX_OK
                                                 : wrong_size(out_size, LX_PARQUET_LZ4_RAW, err);
}

static enum lx_status decompress_snappy(const void *bytes, size_t size, void *out, size_t out_size,
                                        struct lx_err *err)
{
    size_t told;
    if (snappy_uncompressed_length(bytes, size, &told) != SNAPPY_OK || told != out_size ||
        snappy_uncompress(bytes, size, out, &told) != SNAPPY_OK || told != out_size)
        return wrong_size(out_size, LX_PARQUET_SNAPPY, err);
    return LX_OK;
}

enum lx_status lx_pq_decompress(struct lx_pq_decompressor *decompressor,
                                enum lx_parquet_codec codec, const void *bytes, size_t size,
                                void *out, size_t out_size, struct lx_err *err)
{
    switch (codec) {
    case LX_PARQUET_UNCOMPRESSED:
        if (size != out_size)
            return wrong_size(out_size, codec, err);
        if (size != 0)
            memcpy(out, bytes, size);
        return LX_OK;
    case LX_PARQUET_ZSTD: return decompress_zstd(decompressor, bytes, size, out, out_size, err);
    case LX_PARQUET_SNAPPY: return decompress_snappy(bytes, size, out, out_size, err);
    case LX_PARQUET_GZIP: return decompress_gzip(bytes, size, out, out_size, err);
    case LX_PARQUET_LZ4_RAW: return decompress_lz4(bytes, size, out, out_size, err);
    case LX_PARQUET_CODEC_AUTO:
    case LX_PARQUET_LZO:
    case LX_PARQUET_BROTLI:
    case LX_PARQUET_LZ4: break;
    }
    return lx_err_set(err, LX_E_UNSUPPORTED, "codec %s is not read", lx_parquet_codec_name(codec));
}
