/* What is to be read: the ledger's live segments held against the table's parts.
 *
 *   a part that meets no live segment   all new: its rows before the cutoff
 *   … that holds its segments exactly   only what lies between them and the cutoff
 *   … any other                         compared by content (reconcile.c)
 *
 * Rows of one month are read together, small parts in one batch, large ones in slices of days, so
 * that a run can stop anywhere and each file holds one month. A part's slices come in order of
 * time: each moves the end of what is archived of it up. */
#include "archive/run.h"

#include "base/alloc.h"
#include "base/civil.h"
#include "base/mutant.h"

#include <stdlib.h>

enum lx_status lx_segments_of_part(const struct lx_ledger_state *state, const char *source,
                                   const struct lx_hot_part *part,
                                   const struct lx_segment ***segments, size_t *count)
{
    const struct lx_segment **found = NULL;
    size_t cap = 0;
    *count = 0;
    for (size_t i = 0; i < state->live_count; i++) {
        const struct lx_segment *segment = &state->live[i];
        if (!lx_segment_touches(segment, source, part->partition, part->min_block, part->max_block))
            continue;
        if (*count == cap) {
            cap = cap != 0 ? cap * 2 : 4;
            const struct lx_segment **grown = lx_realloc(found, cap * sizeof *grown);
            if (grown == NULL) {
                lx_free(found);
                return LX_E_MEMORY;
            }
            found = grown;
        }
        found[(*count)++] = segment;
    }
    *segments = found;
    return LX_OK;
}

/* What the plan knows of one part while it is made. */
struct view {
    const struct lx_hot_part *part;
    const struct lx_segment **segments;
    size_t count;
    int64_t held_rows, held_to; /* of the segments */
    bool differs;
};

struct maker {
    struct lx_run *run;
    struct lx_plan *plan;
    const struct lx_ledger_state *state;
    struct view *views;
    struct lx_slice *slices;
    int64_t *months; /* of the slices */
    size_t slice_count, slice_cap;
};

static int64_t month_of_day(int64_t day)
{
    struct lx_civil civil = lx_civil_of_ms(day * LX_DAY_SECONDS * 1000);
    return civil.year * 12 + (int64_t)civil.month - 1;
}

static enum lx_status add_slice(struct maker *m, const struct lx_slice *slice, int64_t month,
                                struct lx_err *err)
{
    if (m->slice_count == m->slice_cap) {
        size_t cap = m->slice_cap != 0 ? m->slice_cap * 2 : 64;
        struct lx_slice *slices = lx_realloc(m->slices, cap * sizeof *slices);
        if (slices != NULL)
            m->slices = slices;
        int64_t *months = lx_realloc(m->months, cap * sizeof *months);
        if (months != NULL)
            m->months = months;
        if (slices == NULL || months == NULL)
            return lx_err_memory(err);
        m->slice_cap = cap;
    }
    m->months[m->slice_count] = month;
    m->slices[m->slice_count++] = *slice;
    m->plan->rows += slice->rows;
    return LX_OK;
}

/* Rows of one slice, about: a large part is cut into slices of one size. */
static int64_t slice_rows(int64_t rows)
{
    int64_t count = (rows + LX_SLICE_ROWS - 1) / LX_SLICE_ROWS;
    int64_t most = (rows + LX_SLICE_MOST_ROWS - 1) / LX_SLICE_MOST_ROWS;
    if (rows <= LX_SLICE_ROWS)
        return rows;
    most = most > LX_SLICES_MOST ? most : LX_SLICES_MOST;
    count = count < LX_SLICES_LEAST ? LX_SLICES_LEAST : count > most ? most : count;
    return (rows + count - 1) / count;
}

static bool is_before(const struct lx_hot_part *part, size_t day, int64_t cutoff)
{
    return day < part->day_count && part->days[day].day * LX_DAY_SECONDS < cutoff;
}

/* Rows of the month that begins with this day, those `held` left out. */
static int64_t rows_of_month(const struct lx_hot_part *part, size_t day, int64_t cutoff,
                             int64_t held)
{
    int64_t month = month_of_day(part->days[day].day), rows = 0;
    for (; is_before(part, day, cutoff) && month_of_day(part->days[day].day) == month; day++)
        rows += part->days[day].rows;
    return rows > held ? rows - held : 0;
}

/* A month of a part, and where its slices end: each at the day nearest to a multiple of what one
 * may have, so that what days are off does not add up to one more slice. */
struct cutter {
    int64_t month, done;   /* rows of the month before the day */
    int64_t most;          /* rows of a slice; the last has 0.5 to 1.5 of it */
    int64_t slices, slice; /* 1 … slices: the one that is being filled */
};

static void begin_month(struct cutter *cutter, int64_t month, int64_t rows, int64_t most)
{
    int64_t slices = (rows + most / 2) / most;
    int64_t least = (rows + LX_SLICE_MOST_ROWS - 1) / LX_SLICE_MOST_ROWS;
    *cutter = (struct cutter){
        .month = month, .most = most, .slices = slices > least ? slices : least, .slice = 1};
}

/* Is a slice to end before a day of so many rows? */
static bool cuts_before(struct cutter *cutter, int64_t rows)
{
    if (cutter->slice == cutter->slices || cutter->done + rows / 2 <= cutter->slice * cutter->most)
        return false;
    int64_t next = (cutter->done + cutter->most / 2) / cutter->most + 1;
    cutter->slice = next < cutter->slices ? next : cutter->slices;
    return true;
}

/* Cuts what is new of a part into slices: at months, and where one would be too long, at days. */
static enum lx_status slice_part(struct maker *m, const struct view *view, struct lx_err *err)
{
    const struct lx_hot_part *part = view->part;
    int64_t cutoff = m->run->cutoff;
    int64_t left = lx_hot_part_rows_before(part, cutoff) - view->held_rows;
    if (left <= 0)
        return LX_OK;
    m->plan->part_count++;
    int64_t most = slice_rows(left);
    struct lx_slice slice = {.part = part, .from = view->held_to, .alone = left > most};
    struct cutter cutter = {.month = INT64_MIN};
    int64_t held = view->held_rows; /* the earliest rows */
    for (size_t i = 0; is_before(part, i, cutoff); i++) {
        int64_t month = month_of_day(part->days[i].day), rows = part->days[i].rows;
        int64_t skip = rows < held ? rows : held, before = cutter.month;
        bool new_month = month != before;
        if (rows == skip) {
            held -= skip;
            continue;
        }
        if (new_month)
            begin_month(&cutter, month, rows_of_month(part, i, cutoff, held), most);
        held -= skip;
        rows -= skip;
        if (slice.rows > 0 && (new_month || cuts_before(&cutter, rows))) {
            slice.to = part->days[i].day * LX_DAY_SECONDS;
            LX_TRY(add_slice(m, &slice, before, err));
            slice.from = slice.to;
            slice.rows = 0;
        }
        cutter.done += rows;
        slice.rows += rows;
    }
    slice.to = cutoff;
    return slice.rows > 0 ? add_slice(m, &slice, cutter.month, err) : LX_OK;
}

/* -- batches ------------------------------------------------------------------------------- */

struct order {
    const struct lx_slice *slice;
    int64_t month;
};

static int compare(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

static int by_time(const void *a, const void *b)
{
    const struct order *x = a, *y = b;
    int order = compare(x->month, y->month);
    if (order == 0)
        order = compare(x->slice->from, y->slice->from);
    if (order == 0)
        order = compare(x->slice->to, y->slice->to);
    return order != 0                        ? order
           : x->slice->part < y->slice->part ? -1
                                             : x->slice->part > y->slice->part;
}

static bool fits(const struct lx_batch_plan *batch, int64_t month, const struct lx_slice *slice)
{
    return batch->month == month && batch->slice_count < LX_BATCH_PARTS && !slice->alone &&
           !batch->slices[0].alone && batch->rows + slice->rows <= LX_BATCH_ROWS;
}

static enum lx_status make_batches(struct maker *m, struct lx_err *err)
{
    struct order *orders = lx_calloc(m->slice_count, sizeof *orders);
    m->plan->batches = lx_calloc(m->slice_count, sizeof *m->plan->batches);
    enum lx_status status = orders != NULL && m->plan->batches != NULL ? LX_OK : lx_err_memory(err);
    for (size_t i = 0; status == LX_OK && i < m->slice_count; i++)
        orders[i] = (struct order){&m->slices[i], m->months[i]};
    if (status == LX_OK && m->slice_count > 1)
        qsort(orders, m->slice_count, sizeof *orders, by_time);
    struct lx_batch_plan *batch = NULL;
    size_t cap = 0;
    for (size_t i = 0; status == LX_OK && i < m->slice_count; i++) {
        if (batch == NULL || !fits(batch, orders[i].month, orders[i].slice)) {
            batch = &m->plan->batches[m->plan->batch_count++];
            batch->month = orders[i].month;
            cap = 0;
        }
        if (batch->slice_count == cap) {
            cap = cap != 0 ? cap * 2 : 4;
            struct lx_slice *grown = lx_realloc(batch->slices, cap * sizeof *grown);
            if (grown == NULL) {
                status = lx_err_memory(err);
                break;
            }
            batch->slices = grown;
        }
        batch->slices[batch->slice_count++] = *orders[i].slice;
        batch->rows += orders[i].slice->rows;
    }
    lx_free(orders);
    return status;
}

/* -- groups -------------------------------------------------------------------------------- */

static bool shares_segment(const struct view *a, const struct view *b)
{
    for (size_t i = 0; i < a->count; i++)
        for (size_t j = 0; j < b->count; j++)
            if (a->segments[i] == b->segments[j])
                return true;
    return false;
}

static enum lx_status group_add_segment(struct lx_group *group, const struct lx_segment *segment,
                                        struct lx_err *err)
{
    for (size_t i = 0; i < group->segment_count; i++)
        if (strcmp(group->segments[i]->id, segment->id) == 0)
            return LX_OK;
    struct lx_segment **grown =
        lx_realloc(group->segments, (group->segment_count + 1) * sizeof(struct lx_segment *));
    if (grown == NULL)
        return lx_err_memory(err);
    group->segments = grown;
    struct lx_segment *copy = lx_calloc(1, sizeof *copy);
    if (copy == NULL || lx_segment_copy(segment, copy) != LX_OK) {
        lx_free(copy);
        return lx_err_memory(err);
    }
    group->segments[group->segment_count++] = copy;
    return LX_OK;
}

/* A part is compared as far as any segment it meets reaches, also where the cutoff was lowered. */
static enum lx_status group_add_part(struct maker *m, struct lx_group *group,
                                     const struct view *view, int64_t to, struct lx_err *err)
{
    size_t count = group->part_count;
    const struct lx_hot_part **parts =
        lx_realloc(group->parts, (count + 1) * sizeof(const struct lx_hot_part *));
    if (parts != NULL)
        group->parts = parts;
    int64_t *tos = lx_realloc(group->to, (count + 1) * sizeof *tos);
    if (tos != NULL)
        group->to = tos;
    if (parts == NULL || tos == NULL)
        return lx_err_memory(err);
    to = m->run->cutoff > to ? m->run->cutoff : to;
    group->parts[count] = view->part;
    group->to[count] = view->held_to > to ? view->held_to : to;
    if (lx_mutant("range-of-cutoff"))
        group->to[count] = m->run->cutoff;
    group->part_count++;
    for (size_t i = 0; i < view->count; i++)
        LX_TRY(group_add_segment(group, view->segments[i], err));
    for (size_t i = 0; lx_mutant("match-everywhere") && i < m->state->live_count; i++)
        LX_TRY(group_add_segment(group, &m->state->live[i], err));
    return LX_OK;
}

/* Parts that differ and meet a common segment belong together. */
static enum lx_status make_groups(struct maker *m, struct lx_err *err)
{
    size_t count = m->plan->parts.count;
    m->plan->groups = lx_calloc(count + 1, sizeof *m->plan->groups);
    size_t *queue = lx_calloc(count + 1, sizeof *queue);
    bool *taken = lx_calloc(count + 1, sizeof *taken);
    enum lx_status status =
        m->plan->groups != NULL && queue != NULL && taken != NULL ? LX_OK : lx_err_memory(err);
    for (size_t i = 0; status == LX_OK && i < count; i++) {
        if (!m->views[i].differs || taken[i])
            continue;
        struct lx_group *group = &m->plan->groups[m->plan->group_count++];
        size_t head = 0, tail = 0;
        taken[i] = true;
        queue[tail++] = i;
        while (status == LX_OK && head < tail) {
            size_t at = queue[head++];
            status = group_add_part(m, group, &m->views[at], LX_TIME_FIRST, err);
            /* Sorted by partition and blocks: sharers of a segment stand near each other. */
            for (size_t j = 0; j < count; j++) {
                if (taken[j] || !m->views[j].differs ||
                    !shares_segment(&m->views[at], &m->views[j]))
                    continue;
                taken[j] = true;
                queue[tail++] = j;
            }
        }
    }
    lx_free(queue);
    lx_free(taken);
    return status;
}

/* Another table has the name: everything is compared with all segments of the old ones. */
static enum lx_status group_all(struct maker *m, int64_t to, struct lx_err *err)
{
    m->plan->groups = lx_calloc(1, sizeof *m->plan->groups);
    if (m->plan->groups == NULL)
        return lx_err_memory(err);
    m->plan->group_count = 1;
    struct lx_group *group = &m->plan->groups[0];
    for (size_t i = 0; i < m->state->live_count; i++)
        if (lx_source_same_table(m->state->live[i].source, m->run->source))
            LX_TRY(group_add_segment(group, &m->state->live[i], err));
    for (size_t i = 0; i < m->plan->parts.count; i++)
        LX_TRY(group_add_part(m, group, &m->views[i], to, err));
    return LX_OK;
}

/* -- the whole ----------------------------------------------------------------------------- */

static enum lx_status look_at_parts(struct maker *m, struct lx_err *err)
{
    for (size_t i = 0; i < m->plan->parts.count; i++) {
        struct view *view = &m->views[i];
        view->part = &m->plan->parts.parts[i];
        view->held_to = LX_TIME_FIRST;
        m->plan->null_rows += view->part->null_rows;
        if (lx_segments_of_part(m->state, m->run->source, view->part, &view->segments,
                                &view->count) != LX_OK)
            return lx_err_memory(err);
        for (size_t j = 0; j < view->count; j++) {
            view->held_rows += view->segments[j]->rows;
            if (view->segments[j]->to > view->held_to)
                view->held_to = view->segments[j]->to;
        }
    }
    return LX_OK;
}

/* By content, which names never prove. */
static enum lx_status compare_held(struct maker *m, struct lx_err *err)
{
    size_t count = 0;
    struct lx_check *checks = lx_calloc(m->plan->parts.count + 1, sizeof *checks);
    if (checks == NULL)
        return lx_err_memory(err);
    for (size_t i = 0; i < m->plan->parts.count; i++)
        if (m->views[i].count > 0)
            checks[count++] = (struct lx_check){.part = m->views[i].part,
                                                .segments = m->views[i].segments,
                                                .count = m->views[i].count};
    enum lx_status status = lx_check_parts(m->run, checks, count, false, err);
    for (size_t i = 0, at = 0; status == LX_OK && i < m->plan->parts.count; i++)
        if (m->views[i].count > 0)
            m->views[i].differs = checks[at++].held != LX_HELD_EXACTLY && !lx_mutant("trust-names");
    lx_free(checks);
    return status;
}

/* Live segments of a table that had this name before; *to: the furthest of them. */
static bool has_strangers(const struct maker *m, int64_t *to)
{
    bool found = false;
    *to = LX_TIME_FIRST;
    for (size_t i = 0; i < m->state->live_count; i++) {
        const struct lx_segment *segment = &m->state->live[i];
        if (strcmp(segment->source, m->run->source) == 0 ||
            !lx_source_same_table(segment->source, m->run->source))
            continue;
        found = !lx_mutant("ignore-strangers");
        *to = segment->to > *to ? segment->to : *to;
    }
    return found;
}

static enum lx_status make(struct maker *m, struct lx_err *err)
{
    int64_t furthest;
    LX_TRY(look_at_parts(m, err));
    m->plan->strangers = has_strangers(m, &furthest);
    if (m->plan->strangers)
        return group_all(m, furthest, err);
    LX_TRY(compare_held(m, err));
    LX_TRY(make_groups(m, err));
    for (size_t i = 0; i < m->plan->parts.count; i++)
        if (!m->views[i].differs)
            LX_TRY(slice_part(m, &m->views[i], err));
    return make_batches(m, err);
}

/* The parts, between two looks at the table: they are of this table, and if the server started
 * again before they were asked for, that is known. */
static enum lx_status ask_parts(struct lx_run *run, struct lx_plan *plan, struct lx_err *err)
{
    bool same, revived = false;
    LX_TRY(lx_start_again(run, &same, err));
    LX_TRY(lx_run_parts(run, lx_run_days_to(run), &plan->parts, err));
    LX_TRY(lx_start_again(run, &same, err));
    if (!same)
        return lx_err_set(err, LX_E_AGAIN, "the table changed while its parts were asked for");
    if (!run->o->dry_run && !lx_mutant("revive-at-start-only"))
        LX_TRY(lx_start_revive(run, &plan->parts, &revived, err));
    return revived ? lx_err_set(err, LX_E_AGAIN, "deleted segments are live again") : LX_OK;
}

enum lx_status lx_plan_make(struct lx_run *run, struct lx_plan *plan, struct lx_err *err)
{
    struct maker m = {.run = run, .plan = plan};
    *plan = (struct lx_plan){0};
    LX_TRY(lx_ledger_refresh(run->o->ledger, err)); /* the ledger first, then the table */
    m.state = lx_ledger_state(run->o->ledger);
    plan->version = m.state->version;
    LX_TRY(ask_parts(run, plan, err));
    m.views = lx_calloc(plan->parts.count + 1, sizeof *m.views);
    enum lx_status status = m.views != NULL ? make(&m, err) : lx_err_memory(err);
    for (size_t i = 0; m.views != NULL && i < plan->parts.count; i++)
        lx_free(m.views[i].segments);
    lx_free(m.views);
    lx_free(m.slices);
    lx_free(m.months);
    return status;
}

void lx_plan_free(struct lx_plan *plan)
{
    for (size_t i = 0; i < plan->batch_count; i++)
        lx_free(plan->batches[i].slices);
    lx_free(plan->batches);
    for (size_t i = 0; i < plan->group_count; i++) {
        struct lx_group *group = &plan->groups[i];
        for (size_t j = 0; j < group->segment_count; j++) {
            lx_segment_free(group->segments[j]);
            lx_free(group->segments[j]);
        }
        lx_free(group->segments);
        lx_free(group->parts);
        lx_free(group->to);
    }
    lx_free(plan->groups);
    lx_hot_parts_free(&plan->parts);
    *plan = (struct lx_plan){0};
}
