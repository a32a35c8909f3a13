/* sorted_runs.h: any number of records, sorted within fixed memory: full buffers are sorted and go
 * to an unnamed temporary file, and are merged when read.
 *
 * A record is three words; order is by key, then id, then extra. Not thread-safe. */
#ifndef LX_ARCHIVE_SORTED_RUNS_H
#define LX_ARCHIVE_SORTED_RUNS_H

#include "base/cancel.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lx_record {
    uint64_t key, id;
    int64_t extra;
};

struct lx_sorted_runs;

/* `memory_bytes` is what buffers may take, within the two limits; a full one is sorted without a
 * look at `cancel` (may be NULL), which ends all else with LX_E_CANCELLED. `directory` (kept, not
 * copied) is where further ones go, as an unnamed file; NULL: TMPDIR, /tmp. */
#define LX_SORTED_RUNS_MIN ((size_t)1 << 20)
#define LX_SORTED_RUNS_MAX ((size_t)128 << 20)
LX_MUST_CHECK enum lx_status lx_sorted_runs_create(size_t memory_bytes, const char *directory,
                                                   const struct lx_cancel *cancel,
                                                   struct lx_sorted_runs **runs,
                                                   struct lx_err *err);
void lx_sorted_runs_free(struct lx_sorted_runs *runs); /* NULL is fine */
LX_MUST_CHECK enum lx_status lx_sorted_runs_add(struct lx_sorted_runs *runs,
                                                const struct lx_record *record, struct lx_err *err);
int64_t lx_sorted_runs_count(const struct lx_sorted_runs *runs);
/* From now on read only, from the first record again. */
LX_MUST_CHECK enum lx_status lx_sorted_runs_rewind(struct lx_sorted_runs *runs, struct lx_err *err);
/* *more = false: the end. */
LX_MUST_CHECK enum lx_status lx_sorted_runs_next(struct lx_sorted_runs *runs,
                                                 struct lx_record *record, bool *more,
                                                 struct lx_err *err);

#endif
