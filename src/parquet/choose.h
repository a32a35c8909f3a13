/* choose.h: which encoding and compression a column gets, from its first page (docs/parquet.md).
 *
 * Private to the module. Thread-safe: nothing is kept but in the scratch. */
#ifndef LX_PARQUET_CHOOSE_H
#define LX_PARQUET_CHOOSE_H

#include "parquet/page.h"
#include "parquet/writer.h"

struct lx_pq_choice {
    enum lx_parquet_encoding encoding; /* RLE_DICTIONARY: `fallback` once the dictionary is full */
    enum lx_parquet_encoding fallback;
    struct lx_pq_compression compression;
    bool rough; /* more will be known with a later page: worth choosing again */
};

/* What is asked: options that are resolved, and the column they are for. */
struct lx_pq_question {
    const struct lx_parquet_leaf *leaf;
    const struct lx_parquet_writer_options *file;
    const struct lx_parquet_column_options *column; /* codec and level as the column has them */
    int64_t expected_values;                        /* of the row group */
    bool more;                                      /* row groups will follow, as it seems */
};

/* May the writer use this encoding for the leaf? */
bool lx_pq_encoding_fits(enum lx_parquet_encoding encoding, const struct lx_parquet_field *field,
                         bool page_v2);
/* `page`: with values in memory, not by id, at least one value. */
LX_MUST_CHECK enum lx_status lx_pq_choose(const struct lx_pq_question *question,
                                          const struct lx_pq_page *page,
                                          struct lx_pq_scratch *scratch,
                                          struct lx_pq_choice *choice, struct lx_err *err);
/* For a column whose numbers are given (DICT input): the same for the dictionary alone. */
LX_MUST_CHECK enum lx_status lx_pq_choose_for_ids(const struct lx_pq_question *question,
                                                  const struct lx_pq_page *page,
                                                  struct lx_pq_scratch *scratch,
                                                  struct lx_pq_choice *choice, struct lx_err *err);

#endif
