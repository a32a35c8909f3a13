/* file_stats.h: Delta's per-file statistics as JSON text. */
#ifndef LX_ARCHIVE_FILE_STATS_H
#define LX_ARCHIVE_FILE_STATS_H

#include "parquet/writer.h"

#include <jansson.h>

/* `fields`: the writer's flat schema. NULL when out of memory; free() it. */
char *lx_file_stats(const struct lx_parquet_field *fields, const struct lx_parquet_file_info *info);

#endif
