/* summary.h: what a writer knew of its file when it was finished, told again from the footer. */
#ifndef LX_PARQUET_SUMMARY_H
#define LX_PARQUET_SUMMARY_H

#include "parquet/reader.h"
#include "parquet/writer.h"

/* The same facts as lx_parquet_writer_finish gives, but for nan_count, which no footer tells (-1),
 * and raw_bytes (0). A count of NULLs that is not told for every row group is -1; a bound that is
 * not told for one that has values is none. Points into the reader; free with
 * lx_parquet_summary_free before the reader is closed. */
LX_MUST_CHECK enum lx_status lx_parquet_summary_make(const struct lx_parquet_reader *reader,
                                                     struct lx_parquet_file_info **info,
                                                     struct lx_err *err);
void lx_parquet_summary_free(struct lx_parquet_file_info *info); /* NULL is fine */

#endif
