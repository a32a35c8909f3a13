/* side_object.h: row hashes kept beside the archive, under _lynex/hashes/: eight bytes a row,
 * little-endian. They say which rows a segment holds when no range of a file does any more. */
#ifndef LX_ARCHIVE_SIDE_OBJECT_H
#define LX_ARCHIVE_SIDE_OBJECT_H

#include "archive/run.h"

struct lx_side_object;

/* A new object; nothing is written before the first hash. */
LX_MUST_CHECK enum lx_status lx_side_object_begin(struct lx_run *run, struct lx_side_object **side,
                                                  struct lx_err *err);
LX_MUST_CHECK enum lx_status lx_side_object_add(struct lx_side_object *side, uint64_t hash,
                                                struct lx_err *err);
/* Number of hashes so far: where the next one will stand. */
int64_t lx_side_object_count(const struct lx_side_object *side);
const char *lx_side_object_path(const struct lx_side_object *side);
/* Stores it; an object without hashes is not stored. */
LX_MUST_CHECK enum lx_status lx_side_object_end(struct lx_side_object *side, struct lx_err *err);
void lx_side_object_free(struct lx_side_object *side); /* NULL is fine; aborts what was not ended */

/* Appends to a growing list of places; `path` is copied. */
LX_MUST_CHECK enum lx_status lx_where_add(struct lx_where **where, size_t *count, const char *path,
                                          bool hashes, int64_t first, int64_t rows,
                                          struct lx_err *err);
/* "The file holds rows of it, somewhere", unless the list says so already. */
LX_MUST_CHECK enum lx_status lx_where_mark(struct lx_where **where, size_t *count, const char *path,
                                           struct lx_err *err);

#endif
