/* file_stats.h: Delta's per-file statistics as JSON text. */
#ifndef LX_ARCHIVE_FILE_STATS_H
#define LX_ARCHIVE_FILE_STATS_H

#include "parquet/writer.h"

#include <jansson.h>

/* `fields`: the writer's flat schema. NULL when out of memory; lx_free it. */
char *lx_file_stats(const struct lx_parquet_field *fields, const struct lx_parquet_file_info *info);

/* The tag of an add as the text of an object: {"lynex.bloom":"{\"event_id\":[[offset,bytes],…]}"},
 * where each row group's filter lies, so that a look-up needs no footer. NULL: none, or out of
 * memory, which only costs that; lx_free it. */
char *lx_file_bloom_tag(const struct lx_parquet_file_info *info);

#endif
