/* inspect.h: what `lynex inspect` says of one column. Private to the module. */
#ifndef LX_CMD_INSPECT_H
#define LX_CMD_INSPECT_H

#include "parquet/reader.h"

#include <jansson.h>

/* A table of the pages of the column with this path: rows, bytes, NULLs, bounds. LX_E_NOTFOUND
 * where the file has no such column, or the column no page index. */
LX_MUST_CHECK enum lx_status lx_inspect_pages(const struct lx_parquet_reader *reader,
                                              const char *column, bool color, struct lx_buf *text,
                                              struct lx_err *err);
/* The same as JSON; *json is the caller's. */
LX_MUST_CHECK enum lx_status lx_inspect_pages_json(const struct lx_parquet_reader *reader,
                                                   const char *column, json_t **json,
                                                   struct lx_err *err);

#endif
