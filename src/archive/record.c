/* What a delete took, written down: the segments end; where other archivers replaced them
 * meanwhile, their rows are taken off the replacements. */
#include "archive/run.h"

#include "archive/segment_hashes.h"
#include "archive/side_object.h"
#include "archive/sorted_runs.h"
#include "base/alloc.h"
#include "base/mutant.h"

struct recording {
    struct lx_run *run;
    int64_t ended_at;            /* when the delete was judged, by the server's clock */
    struct lx_sorted_runs *left; /* hashes of lost rows that were not found elsewhere yet */
};

static enum lx_status add_hash(void *context, uint64_t full, uint64_t key, struct lx_err *err)
{
    (void)key;
    const struct lx_record record = {.key = full};
    return lx_sorted_runs_add(context, &record, err);
}

static enum lx_status new_runs(struct lx_run *run, struct lx_sorted_runs **runs, struct lx_err *err)
{
    return lx_sorted_runs_create((size_t)run->o->memory_bytes / 8, run->o->temp_dir, run->o->cancel,
                                 runs, err);
}

static enum lx_status collect(struct lx_run *run, const struct lx_segment *const *segments,
                              size_t count, struct lx_sorted_runs **out, struct lx_err *err)
{
    struct lx_sorted_runs *runs = NULL;
    LX_TRY(new_runs(run, &runs, err));
    enum lx_status status = LX_OK;
    for (size_t i = 0; status == LX_OK && i < count; i++)
        status = lx_segment_hashes(run, segments[i], NULL, add_hash, runs, err);
    if (status == LX_OK)
        status = lx_sorted_runs_rewind(runs, err);
    if (status != LX_OK) {
        lx_sorted_runs_free(runs);
        return status;
    }
    *out = runs;
    return LX_OK;
}

/* Walks both in order: what both have is taken; the rest of `held` becomes the reduced segment. */
static enum lx_status subtract(struct recording *r, struct lx_sorted_runs *held,
                               struct lx_sorted_runs *rest, struct lx_side_object *side,
                               struct lx_segment *reduced, bool *took, struct lx_err *err)
{
    struct lx_record a, b;
    bool more_a, more_b;
    LX_TRY(lx_sorted_runs_next(held, &a, &more_a, err));
    LX_TRY(lx_sorted_runs_next(r->left, &b, &more_b, err));
    while (more_a || more_b) {
        if (more_a && more_b && a.key == b.key) {
            *took = true;
            LX_TRY(lx_sorted_runs_next(held, &a, &more_a, err));
            LX_TRY(lx_sorted_runs_next(r->left, &b, &more_b, err));
        } else if (more_a && (!more_b || a.key < b.key)) {
            reduced->rows++;
            reduced->sum += a.key;
            reduced->xor ^= a.key;
            LX_TRY(lx_side_object_add(side, a.key, err));
            LX_TRY(lx_sorted_runs_next(held, &a, &more_a, err));
        } else {
            LX_TRY(lx_sorted_runs_add(rest, &b, err));
            LX_TRY(lx_sorted_runs_next(r->left, &b, &more_b, err));
        }
    }
    return lx_sorted_runs_rewind(rest, err);
}

static enum lx_status place(struct lx_segment *reduced, const struct lx_segment *held,
                            const struct lx_side_object *side, struct lx_err *err)
{
    for (size_t i = 0; i < held->where_count; i++)
        if (!held->where[i].hashes)
            LX_TRY(lx_where_mark(&reduced->where, &reduced->where_count, held->where[i].path, err));
    return reduced->rows == 0
               ? LX_OK
               : lx_where_add(&reduced->where, &reduced->where_count, lx_side_object_path(side),
                              true, 0, reduced->rows, err);
}

static bool comparable(const struct lx_segment *held, const struct lx_segment *const *lost,
                       size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(lost[i]->schema, held->schema) != 0)
            return false;
    return true;
}

/* Was the server started since the delete was judged? After a power loss it may have brought the
 * rows back: those who compared since then found them hot. What ends as a whole is looked for after
 * a start (lx_start_revive); what is taken off a segment would be known to nobody. */
static enum lx_status started_since(const struct recording *r, bool *started, struct lx_err *err)
{
    const struct lx_hot *hot = &r->run->o->hot;
    struct lx_hot_table *table = NULL;
    *started = false;
    if (lx_mutant("reduce-across-start"))
        return LX_OK;
    enum lx_status status = hot->ops->table(hot->self, &table, err);
    if (status == LX_OK)
        *started = table->started_at >= r->ended_at - LX_RUN_START_JITTER;
    lx_hot_table_free(table);
    return status;
}

static enum lx_status reduce(void *context, const struct lx_segment *held,
                             const struct lx_segment *const *lost, size_t lost_count, bool *took,
                             struct lx_segment *reduced, struct lx_err *err)
{
    struct recording *r = context;
    struct lx_sorted_runs *rows = NULL, *rest = NULL;
    struct lx_side_object *side = NULL;
    *took = false;
    /* Hashed over other columns: left as it is. The segment then says more than is hot, which the
     * next comparison finds by content. */
    if (!comparable(held, lost, lost_count))
        return LX_OK;
    enum lx_status status = LX_OK;
    if (r->left == NULL)
        status = collect(r->run, lost, lost_count, &r->left, err);
    else
        status = lx_sorted_runs_rewind(r->left, err);
    if (status == LX_OK)
        status = collect(r->run, &held, 1, &rows, err);
    if (status == LX_OK)
        status = new_runs(r->run, &rest, err);
    if (status == LX_OK)
        status = lx_side_object_begin(r->run, &side, err);
    if (status == LX_OK && (status = lx_segment_copy(held, reduced)) != LX_OK)
        lx_err_memory(err);
    if (status == LX_OK) {
        for (size_t i = 0; i < reduced->where_count; i++)
            lx_free(reduced->where[i].path);
        reduced->where_count = 0;
        reduced->rows = 0;
        reduced->sum = reduced->xor = 0;
        lx_ledger_new_id(&r->run->o->random, reduced->id);
        status = subtract(r, rows, rest, side, reduced, took, err);
    }
    /* Left as it is: it may say more than is hot, which the next comparison finds. */
    bool started = false;
    if (status == LX_OK && *took)
        status = started_since(r, &started, err);
    *took = *took && !started;
    if (status == LX_OK && *took && (status = lx_side_object_end(side, err)) == LX_OK)
        status = place(reduced, held, side, err);
    if (status == LX_OK && *took) {
        lx_sorted_runs_free(r->left);
        r->left = rest;
        rest = NULL;
    }
    if (status != LX_OK || !*took) {
        lx_segment_free(reduced);
        *reduced = (struct lx_segment){0};
    }
    lx_side_object_free(side);
    lx_sorted_runs_free(rows);
    lx_sorted_runs_free(rest);
    return status;
}

static void restart(void *context)
{
    struct recording *r = context;
    lx_sorted_runs_free(r->left);
    r->left = NULL;
}

enum lx_status lx_record(struct lx_run *run, const struct lx_segment *segments, size_t count,
                         int64_t ended_at, json_t *audit, struct lx_err *err)
{
    struct recording r = {.run = run, .ended_at = ended_at};
    const struct lx_gone gone = {
        .operation = "DELETE",
        .info = audit,
        .ended_at = ended_at,
        .taken = segments,
        .taken_count = count,
        .context = &r,
        .restart = restart,
        .reduce = reduce,
    };
    LX_TRY(lx_run_step(run, LX_STEP_RECORD, err));
    enum lx_status status = lx_ledger_record_gone(run->o->ledger, &gone, NULL, err);
    restart(&r);
    if (status == LX_OK)
        status = lx_run_step(run, LX_STEP_RECORDED, err);
    return status;
}
