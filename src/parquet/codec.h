/* codec.h: compression of pages (parquet-format Compression.md).
 *
 * Private to the module. A context belongs to one thread at a time. */
#ifndef LX_PARQUET_CODEC_H
#define LX_PARQUET_CODEC_H

#include "parquet/parquet.h"

/* What a column's pages are compressed with. */
struct lx_pq_compression {
    enum lx_parquet_codec codec;
    int level;      /* zstd */
    int min_match;  /* zstd: shortest match worth looking for; 0: the level's own */
    int hash_log;   /* zstd: log of entries in the table of long matches; 0: the level's own */
    int chain_log;  /* zstd: log of entries in the table of short matches; 0: the level's own */
    int window_log; /* zstd: log of how far back a match may lie; 0: the level's own */
};

#define LX_PQ_ZSTD_MAX_LEVEL 19

struct lx_pq_compressor; /* reusable state; zstd's own memory: a few MiB by level */
struct lx_pq_decompressor;

LX_MUST_CHECK enum lx_status lx_pq_compressor_create(struct lx_pq_compressor **compressor,
                                                     struct lx_err *err);
void lx_pq_compressor_free(struct lx_pq_compressor *compressor);
/* May the writer use it? */
bool lx_pq_codec_writable(enum lx_parquet_codec codec);
bool lx_pq_codec_readable(enum lx_parquet_codec codec);

/* Appends the compressed form. LX_E_LIMIT where it does not fit the buffer or the codec. */
LX_MUST_CHECK enum lx_status lx_pq_compress(struct lx_pq_compressor *compressor,
                                            const struct lx_pq_compression *how, const void *bytes,
                                            size_t size, struct lx_buf *out, struct lx_err *err);

LX_MUST_CHECK enum lx_status lx_pq_decompressor_create(struct lx_pq_decompressor **decompressor,
                                                       struct lx_err *err);
void lx_pq_decompressor_free(struct lx_pq_decompressor *decompressor);
/* Fills `out` with exactly `out_size` bytes; LX_E_FORMAT where the data holds more or fewer. */
LX_MUST_CHECK enum lx_status lx_pq_decompress(struct lx_pq_decompressor *decompressor,
                                              enum lx_parquet_codec codec, const void *bytes,
                                              size_t size, void *out, size_t out_size,
                                              struct lx_err *err);

#endif
