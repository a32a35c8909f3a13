/* chunk_pages.h: the part of a chunk reader that finds and opens pages. Private to the module. */
#ifndef LX_PARQUET_CHUNK_PAGES_H
#define LX_PARQUET_CHUNK_PAGES_H

#include "parquet/chunk_reader.h"

/* Adds column and place to a failure, whose reason may be a static text. */
enum lx_status lx_pq_chunk_fail(const struct lx_pq_chunk_reader *reader, enum lx_status status,
                                const char *why, struct lx_err *err);
/* Opens the next data page; dictionaries on the way are read. *opened = false: the chunk ends. */
LX_MUST_CHECK enum lx_status lx_pq_chunk_next_page(struct lx_pq_chunk_reader *reader, bool *opened,
                                                   struct lx_err *err);
/* Reads the dictionary page at the chunk's start, if there is one. */
LX_MUST_CHECK enum lx_status lx_pq_chunk_load_dictionary(struct lx_pq_chunk_reader *reader,
                                                         struct lx_err *err);

#endif
