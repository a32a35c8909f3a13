#include "archive/pending.h"

#include "archive/run.h"
#include "base/alloc.h"
#include "base/civil.h"

const char *lx_why_word(enum lx_why why)
{
    static const char *const words[] = {
#define X(name, word, text) word,
        LX_WHY_TABLE(X)
#undef X
    };
    return (unsigned)why < LX_WHY_COUNT ? words[why] : "?";
}

const char *lx_why_text(enum lx_why why)
{
    static const char *const texts[] = {
#define X(name, word, text) text,
        LX_WHY_TABLE(X)
#undef X
    };
    return (unsigned)why < LX_WHY_COUNT ? texts[why] : "?";
}

void lx_pending_free(struct lx_pending *pending)
{
    lx_free(pending->segments);
    lx_free(pending->source);
    lx_free(pending->host);
    lx_free(pending->version);
    *pending = (struct lx_pending){0};
}

struct looking {
    struct lx_run *run;
    struct lx_pending *pending;
    const struct lx_ledger_state *state;
    struct lx_hot_parts parts;
    struct part_view {
        int64_t held_rows, held_to; /* of the segments that it meets */
        int64_t leaving_to;         /* of those of them that may go */
        bool changed;               /* by counts: is not what the segments say */
    } * views;
};

/* -- parts --------------------------------------------------------------------------------- */

static bool is_ours(const struct looking *l, const struct lx_segment *segment)
{
    return strcmp(segment->source, l->run->source) == 0;
}

static enum lx_status look_at_part(struct looking *l, size_t index, struct lx_err *err)
{
    const struct lx_hot_part *part = &l->parts.parts[index];
    struct part_view *view = &l->views[index];
    const struct lx_segment **segments = NULL;
    size_t count = 0;
    bool within = true;
    if (lx_segments_of_part(l->state, l->run->source, part, &segments, &count) != LX_OK)
        return lx_err_memory(err);
    *view = (struct part_view){.held_to = LX_TIME_FIRST, .leaving_to = LX_TIME_FIRST};
    for (size_t i = 0; i < count; i++) {
        const struct lx_segment *segment = segments[i];
        within = within && lx_segment_within(segment, part);
        view->held_rows += segment->rows;
        view->held_to = segment->to > view->held_to ? segment->to : view->held_to;
        if (segment->to <= l->run->due && segment->to > view->leaving_to)
            view->leaving_to = segment->to;
    }
    lx_free(segments);
    view->changed =
        count > 0 && (!within || lx_hot_part_rows_before(part, view->held_to) != view->held_rows);
    return LX_OK;
}

/* Rows before the cutoff that no segment holds. */
static void count_due(struct looking *l)
{
    struct lx_pending *p = l->pending;
    for (size_t i = 0; i < l->parts.count; i++) {
        const struct lx_hot_part *part = &l->parts.parts[i];
        const struct part_view *view = &l->views[i];
        int64_t to = view->held_to > l->run->cutoff ? view->held_to : l->run->cutoff;
        int64_t due = lx_hot_part_rows_before(part, to) - view->held_rows;
        p->hot_rows += part->rows;
        p->null_rows += part->null_rows;
        p->compare_parts += view->changed;
        if (due > 0) {
            p->due_rows += due;
            p->due_parts++;
        }
    }
}

/* -- segments ------------------------------------------------------------------------------ */

/* The part that has rows of the segment; NULL: none. *several: more than one has. */
static const struct lx_hot_part *part_of(const struct looking *l, const struct lx_segment *segment,
                                         bool *several)
{
    const struct lx_hot_part *found = NULL;
    *several = false;
    for (size_t i = 0; i < l->parts.count; i++) {
        const struct lx_hot_part *part = &l->parts.parts[i];
        bool rows = false;
        if (!lx_segment_touches(segment, l->run->source, part->partition, part->min_block,
                                part->max_block))
            continue;
        for (size_t d = 0; d < part->day_count && !rows; d++) {
            int64_t start = part->days[d].day * LX_DAY_SECONDS;
            rows = start + LX_DAY_SECONDS > segment->from && start < segment->to;
        }
        *several = *several || (rows && found != NULL);
        found = rows ? part : found;
    }
    return found;
}

static enum lx_why why_of(const struct looking *l, const struct lx_segment *segment)
{
    const struct lx_archive_options *o = l->run->o;
    if (l->pending->asked && !is_ours(l, segment))
        return lx_source_same_table(segment->source, l->run->source) ? LX_WHY_REPLACED
                                                                     : LX_WHY_OTHER_TABLE;
    bool several = false;
    bool elsewhere = l->pending->asked && lx_run_elsewhere(l->run, segment);
    const struct lx_hot_part *part = l->pending->asked ? part_of(l, segment, &several) : NULL;
    if (l->pending->asked && !elsewhere && part == NULL)
        return LX_WHY_GONE;
    if (l->run->due == LX_TIME_FIRST)
        return o->soak ? LX_WHY_SOAK : LX_WHY_KEPT;
    if (segment->to > l->run->due)
        return LX_WHY_AGE;
    if (!l->pending->asked)
        return LX_WHY_UNKNOWN;
    if (elsewhere)
        return LX_WHY_ELSEWHERE;
    const struct part_view *view = &l->views[part - l->parts.parts];
    if (several || view->changed)
        return LX_WHY_CHANGED;
    bool whole =
        part->null_rows == 0 && lx_hot_part_rows_before(part, view->leaving_to) == part->rows;
    return whole || o->masks ? LX_WHY_DUE : LX_WHY_PARTLY;
}

/* ARCHIVE_MAX_DELETE_ROWS lets all go, or none: of what is archived and old enough, and of what the
 * next run archives. */
static bool breaks(const struct looking *l)
{
    const struct lx_run *run = l->run;
    int64_t rows = run->cutoff <= run->due ? l->pending->due_rows : 0;
    if (!l->pending->asked || run->o->max_delete_rows == 0)
        return false;
    for (size_t i = 0; i < l->state->live_count; i++)
        if (is_ours(l, &l->state->live[i]) && l->state->live[i].to <= run->due)
            rows += l->state->live[i].rows;
    return rows > run->o->max_delete_rows;
}

static enum lx_status judge_segments(struct looking *l, struct lx_err *err)
{
    struct lx_pending *p = l->pending;
    lx_free(p->segments);
    p->segment_count = 0;
    p->segments = lx_calloc(l->state->live_count + 1, sizeof *p->segments);
    if (p->segments == NULL)
        return lx_err_memory(err);
    bool broken = breaks(l);
    for (size_t i = 0; i < l->state->live_count; i++) {
        const struct lx_segment *segment = &l->state->live[i];
        enum lx_why why = why_of(l, segment);
        if (broken && why == LX_WHY_DUE)
            why = LX_WHY_BREAKER;
        p->segments[p->segment_count++] = (struct lx_pending_segment){
            .segment = segment,
            .why = why,
            .leaves_at = why == LX_WHY_AGE && segment->to < LX_TIME_LAST
                             ? segment->to + l->run->o->after_days * LX_DAY_SECONDS
                             : 0,
        };
    }
    return LX_OK;
}

/* -- the whole ----------------------------------------------------------------------------- */

static enum lx_status ask(struct looking *l, struct lx_err *err)
{
    struct lx_run *run = l->run;
    const struct lx_hot *hot = &run->o->hot;
    LX_TRY(lx_start(run, err));
    /* Does not wait for a pending delete. */
    LX_TRY(hot->ops->parts(hot->self, lx_run_days_to(run), &l->parts, err));
    l->views = lx_calloc(l->parts.count + 1, sizeof *l->views);
    if (l->views == NULL)
        return lx_err_memory(err);
    for (size_t i = 0; i < l->parts.count; i++)
        LX_TRY(look_at_part(l, i, err));
    l->pending->source = lx_strdup(run->source);
    l->pending->host = lx_strdup(run->table->host);
    l->pending->version = lx_strdup(run->table->version);
    if (l->pending->source == NULL || l->pending->host == NULL || l->pending->version == NULL)
        return lx_err_memory(err);
    l->pending->now = run->table->now;
    l->pending->cutoff = run->cutoff;
    l->pending->asked = true;
    return LX_OK;
}

/* What of the bounds the settings alone tell. */
static void bounds_by_own_clock(struct lx_run *run)
{
    int64_t today = lx_floor_div(lx_clock_now(&run->o->clock) / 1000, LX_DAY_SECONDS);
    int64_t old = (today - run->o->after_days) * LX_DAY_SECONDS;
    run->due = run->o->delete_after && !run->o->soak ? old : LX_TIME_FIRST;
}

enum lx_status lx_pending_look(const struct lx_archive_options *options, struct lx_pending *pending,
                               struct lx_err *err)
{
    struct lx_archive_report report = {0};
    struct lx_run run = {.o = options, .report = &report};
    struct looking l = {.run = &run, .pending = pending, .state = lx_ledger_state(options->ledger)};
    struct lx_err none = LX_ERR_INIT;
    *pending = (struct lx_pending){0};
    enum lx_status status = options->hot.ops != NULL ? ask(&l, err) : LX_OK;
    if (pending->asked)
        count_due(&l);
    else
        bounds_by_own_clock(&run);
    enum lx_status judged = judge_segments(&l, &none);
    if (status == LX_OK && judged != LX_OK) {
        status = judged;
        if (err != NULL)
            *err = none;
    }
    lx_free(l.views);
    lx_hot_parts_free(&l.parts);
    lx_run_free(&run);
    return status;
}
