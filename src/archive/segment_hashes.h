/* segment_hashes.h: the row hashes of a segment, read again from its side objects or its files. */
#ifndef LX_ARCHIVE_SEGMENT_HASHES_H
#define LX_ARCHIVE_SEGMENT_HASHES_H

#include "archive/run.h"

/* Called with every hash, in no order. `full`: by the segment's own schema. `key`: by `compare`,
 * where one was given, else the same. */
typedef enum lx_status (*lx_hash_visit)(void *context, uint64_t full, uint64_t key,
                                        struct lx_err *err);

/* `compare`: fewer columns of the segment's schema, to be hashed instead (columns that the table
 * still has); then the rows themselves are read, from the archived files. NULL: none.
 * LX_E_CORRUPT: what was read does not sum to the segment's sums; it must not be used. */
LX_MUST_CHECK enum lx_status lx_segment_hashes(struct lx_run *run, const struct lx_segment *segment,
                                               const struct lx_row_schema *compare,
                                               lx_hash_visit visit, void *context,
                                               struct lx_err *err);

#endif
