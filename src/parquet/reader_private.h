/* reader_private.h: the reader's struct, for the files that scan and search. */
#ifndef LX_PARQUET_READER_PRIVATE_H
#define LX_PARQUET_READER_PRIVATE_H

#include "parquet/metadata.h"
#include "parquet/reader.h"
#include "parquet/sums.h"

struct lx_parquet_reader {
    struct lx_parquet_source source;
    struct lx_parquet_reader_options options; /* defaults filled in */
    struct lx_pq_arena arena;
    uint8_t *footer; /* metadata points into it */
    struct lx_parquet_metadata metadata;
    bool strict; /* the footer has a checksum, and it is right: the file is one of ours */
    struct lx_pq_chunk_sums *sums; /* [row group][leaf]; NULL: the file has none */
};

/* Reads a range into fresh memory: lx_free it. `what`: for the error's text. */
LX_MUST_CHECK enum lx_status lx_pq_source_read(const struct lx_parquet_source *source,
                                               int64_t offset, size_t size, const char *what,
                                               uint8_t **bytes, struct lx_err *err);

static inline const struct lx_pq_chunk_sums *
lx_pq_reader_sums(const struct lx_parquet_reader *reader, size_t row_group, size_t leaf)
{
    size_t leaves = reader->metadata.schema.leaf_count;
    return reader->sums != NULL ? &reader->sums[row_group * leaves + leaf] : NULL;
}

#endif
