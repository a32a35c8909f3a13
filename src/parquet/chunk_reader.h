/* chunk_reader.h: one column of one row group, page by page, from ranged reads to columns.
 *
 * Memory: a window of the file, one page's levels and values, the dictionary, the output. Private
 * to the module. A chunk reader belongs to one thread at a time. */
#ifndef LX_PARQUET_CHUNK_READER_H
#define LX_PARQUET_CHUNK_READER_H

#include "parquet/codec.h"
#include "parquet/decode.h"
#include "parquet/metadata.h"
#include "parquet/reader.h"
#include "parquet/sums.h"

/* What chunk readers of one scan share. */
struct lx_pq_chunk_setting {
    const struct lx_parquet_source *source;
    const struct lx_parquet_reader_options *options; /* resolved */
    struct lx_pq_budget *budget;
    bool strict;        /* the file has a checked footer: nothing may differ from it */
    bool dictionaries;  /* DICT output is welcome */
    size_t batch_bytes; /* a batch of texts ends near so many bytes */
};

struct lx_pq_chunk_reader {
    struct lx_pq_chunk_setting setting;
    const struct lx_parquet_leaf *leaf;
    const struct lx_parquet_chunk *chunk;
    const struct lx_pq_chunk_sums *sums; /* NULL: none to check */
    size_t page_number;                  /* of the next page header */
    int64_t group_rows;
    bool is_flat;
    struct lx_pq_decompressor *decompressor;

    struct lx_pq_area window;
    int64_t window_start; /* offset in the file */
    size_t window_size;
    int64_t next_page, end; /* offsets in the file */
    int64_t levels_left;    /* in pages not yet opened; counted only while no page was skipped */
    bool skipped;

    /* The open page. */
    int64_t page_offset;
    int64_t page_left; /* levels not yet taken */
    bool page_spent;   /* its end was checked, or there is none */
    struct lx_pq_area body;
    struct lx_pq_rle definition; /* flat columns: read as needed */
    uint8_t flags[1024];         /* its levels read ahead */
    size_t flag_at, flag_end;
    struct lx_pq_area page_definition, page_repetition; /* in groups: all levels of the page */
    int64_t page_at;                                    /* levels taken of them */
    struct lx_pq_decoder decoder;
    bool by_dictionary;

    struct lx_column dictionary_values;
    bool has_dictionary;

    /* Rows decoded and not yet handed out. */
    struct lx_column out; /* FIXED or BYTES */
    /* Of BYTES: the values are these of the open page, where its encoding has them in a row; no
     * other page of the batch has a byte. NULL: the output's own. */
    const uint8_t *lent;
    struct lx_pq_area out_ids, out_nulls, out_definition, out_repetition;
    bool out_is_dict, out_has_nulls;
    int64_t out_from, out_rows; /* rows [out_from, out_rows) are left */
    int64_t out_levels;
};

/* Zeroed before the first time; may be opened again for the next row group, with the same leaf. */
LX_MUST_CHECK enum lx_status
lx_pq_chunk_open(struct lx_pq_chunk_reader *reader, const struct lx_pq_chunk_setting *setting,
                 const struct lx_parquet_leaf *leaf, const struct lx_parquet_chunk *chunk,
                 const struct lx_pq_chunk_sums *sums, int64_t group_rows, struct lx_err *err);
void lx_pq_chunk_free(struct lx_pq_chunk_reader *reader);

/* Can the column be decoded at all? LX_E_UNSUPPORTED. */
LX_MUST_CHECK enum lx_status lx_pq_chunk_check(const struct lx_parquet_leaf *leaf,
                                               const struct lx_parquet_chunk *chunk,
                                               struct lx_err *err);

/* Decodes the next rows into the output, of which none may be left: flat columns up to `rows`, at
 * least one; columns in groups exactly `rows`. LX_E_FORMAT where there are no more. */
LX_MUST_CHECK enum lx_status lx_pq_chunk_read(struct lx_pq_chunk_reader *reader, int64_t rows,
                                              struct lx_err *err);
/* Goes on at the page at this offset, which starts with a row. It is the data page of this number,
 * of `count` in the chunk. */
LX_MUST_CHECK enum lx_status lx_pq_chunk_seek(struct lx_pq_chunk_reader *reader, int64_t offset,
                                              size_t number, size_t count, struct lx_err *err);
/* All rows were read: are all pages used up? */
LX_MUST_CHECK enum lx_status lx_pq_chunk_end(struct lx_pq_chunk_reader *reader, struct lx_err *err);
/* A view of rows of the output, valid until the next read, seek or end. */
void lx_pq_chunk_view(struct lx_pq_chunk_reader *reader, int64_t rows, struct lx_column *view);

#endif
