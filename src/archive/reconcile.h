/* reconcile.h: one group of parts and segments compared by content. Shared by reconcile.c (what is
 * hot, what is known, what differs) and reconcile_late.c (archiving what is late). Private. */
#ifndef LX_ARCHIVE_RECONCILE_H
#define LX_ARCHIVE_RECONCILE_H

#include "archive/batch.h"
#include "archive/side_object.h"
#include "archive/sorted_runs.h"

/* A new segment: hot rows of one part, of one stretch of time. */
struct lx_hot_segment {
    const struct lx_hot_part *part;
    int64_t from, to;
    int64_t rows;
    uint64_t sum, xor;
    struct lx_where *where;
    size_t where_count;
};

struct lx_reconcile {
    struct lx_run *run;
    const struct lx_plan *plan;
    const struct lx_group *group;
    struct lx_hot_segment *hot;
    size_t hot_count;
    struct lx_sorted_runs *late; /* key: month, id: row hash */
    int64_t late_rows, gone_rows, hot_rows;
    struct lx_batch batch; /* the files of late rows */
    bool has_batch;
    bool passed; /* the new segments were made */
};

/* How the rows of one older schema are told in the table as it is now: two ways to hash the same
 * columns, so that equal rows get equal hashes. */
struct lx_comparison {
    struct lx_row_schema *hot;  /* as the table names and types them now; NULL: the run's schema */
    struct lx_row_schema *file; /* fewer columns of the older schema; NULL: all of it */
};
#define LX_COMPARISONS 2 /* tried one after the other */

/* LX_E_REFUSED where no column is left to compare by. Free with lx_comparisons_free. */
LX_MUST_CHECK enum lx_status lx_comparisons_make(struct lx_run *run,
                                                 const struct lx_row_schema *schema,
                                                 struct lx_comparison made[LX_COMPARISONS],
                                                 size_t *count, struct lx_err *err);
void lx_comparisons_free(struct lx_comparison made[LX_COMPARISONS], size_t count);

/* Archives the rows that `late` lists: reads them again, month by month, and takes those whose hash
 * is listed, as often as it is listed. LX_E_AGAIN where not all are found. */
LX_MUST_CHECK enum lx_status lx_reconcile_late(struct lx_reconcile *r, struct lx_err *err);

#endif
