/* Which parts may go, and which segments are gone already. */
#include "archive/run.h"

#include "base/alloc.h"
#include "base/civil.h"
#include "base/mutant.h"

#include <stdlib.h>

#define GROUP_PARTS 64

/* A part whose segments may all go now. */
struct candidate {
    const struct lx_hot_part *part;
    char (*ids)[LX_LEDGER_ID];
    size_t count;
    int64_t to;
    bool whole;
};

struct settling {
    struct lx_run *run;
    struct candidate *candidates;
    size_t count;
};

static void free_settling(struct settling *s)
{
    for (size_t i = 0; i < s->count; i++)
        lx_free(s->candidates[i].ids);
    lx_free(s->candidates);
}

/* Does the part hold segments that may go? Those that it meets and are due, all within its blocks.
 */
static enum lx_status look_at(struct settling *s, const struct lx_hot_part *part,
                              struct lx_err *err)
{
    const struct lx_ledger_state *state = lx_ledger_state(s->run->o->ledger);
    struct candidate *candidate = &s->candidates[s->count];
    const struct lx_segment **found = NULL;
    size_t count = 0;
    bool within = true;
    if (lx_segments_of_part(state, s->run->source, part, &found, &count) != LX_OK)
        return lx_err_memory(err);
    *candidate = (struct candidate){.part = part, .to = LX_TIME_FIRST};
    candidate->ids = lx_calloc(count + 1, sizeof *candidate->ids);
    for (size_t i = 0; candidate->ids != NULL && i < count; i++) {
        if (found[i]->to > s->run->due && !lx_mutant("ignore-due"))
            continue;
        within = within && lx_segment_within(found[i], part) && !lx_run_elsewhere(s->run, found[i]);
        candidate->to = found[i]->to > candidate->to ? found[i]->to : candidate->to;
        memcpy(candidate->ids[candidate->count++], found[i]->id, LX_LEDGER_ID);
    }
    lx_free(found);
    if (candidate->ids == NULL)
        return lx_err_memory(err);
    if (candidate->count == 0 || !within) {
        lx_free(candidate->ids);
        return LX_OK;
    }
    candidate->whole =
        part->null_rows == 0 && lx_hot_part_rows_before(part, candidate->to) == part->rows;
    s->count++;
    return LX_OK;
}

/* Makes the warrants and deletes: [first, last) are candidates of one partition. */
static enum lx_status delete_group(struct lx_run *run, struct candidate *const *group, size_t count,
                                   bool whole, struct lx_err *err)
{
    size_t ready = 0;
    LX_TRY(lx_start_writing(run, err)); /* what is deleted must be recorded */
    struct lx_leave *leaves = lx_calloc(count, sizeof *leaves);
    enum lx_status status = leaves != NULL ? LX_OK : lx_err_memory(err);
    for (size_t i = 0; status == LX_OK && i < count; i++) {
        const char **ids = lx_calloc(group[i]->count, sizeof *ids);
        status = ids != NULL ? LX_OK : lx_err_memory(err);
        for (size_t k = 0; status == LX_OK && k < group[i]->count; k++)
            ids[k] = group[i]->ids[k];
        if (status == LX_OK)
            status = lx_warrant_make(run, ids, group[i]->count, &leaves[ready].warrant, err);
        if (status == LX_OK)
            leaves[ready++].part = group[i]->part;
        else if (status == LX_E_AGAIN)
            status = LX_OK; /* another archiver took it */
        lx_free(ids);
    }
    if (status == LX_OK && ready > 0)
        status = whole ? lx_delete_whole(run, leaves, ready, err)
                       : lx_delete_masked(run, leaves, ready, err);
    for (size_t i = 0; leaves != NULL && i < ready; i++)
        lx_warrant_free(leaves[i].warrant);
    lx_free(leaves);
    return status;
}

/* Candidates of one kind, partition by partition, in groups that one guard reads quickly. The first
 * `skip` are left out. */
static enum lx_status delete_all(struct settling *s, bool whole, size_t skip, struct lx_err *err)
{
    struct candidate *group[GROUP_PARTS];
    size_t most = whole ? GROUP_PARTS : LX_MASK_PARTS;
    for (size_t i = 0; i < s->count;) {
        size_t count = 0;
        int64_t rows = 0;
        const char *partition = NULL;
        for (; i < s->count && count < most; i++) {
            struct candidate *candidate = &s->candidates[i];
            if (candidate->whole != whole || (skip > 0 && skip-- > 0))
                continue;
            if (count > 0 && (strcmp(partition, candidate->part->partition) != 0 ||
                              rows + candidate->part->rows > LX_GUARD_ROWS))
                break;
            partition = candidate->part->partition;
            rows += candidate->part->rows;
            group[count++] = candidate;
        }
        if (count == 0 || s->run->no_more_deletes)
            continue;
        LX_TRY(delete_group(s->run, group, count, whole, err));
        if (!whole)
            return LX_OK; /* a mask renames parts: they are looked up anew */
    }
    return LX_OK;
}

static enum lx_status settle_parts(struct lx_run *run, const struct lx_hot_part *const *parts,
                                   size_t count, bool masks, size_t skip, size_t *masked,
                                   struct lx_err *err)
{
    struct settling s = {.run = run};
    s.candidates = lx_calloc(count + 1, sizeof *s.candidates);
    enum lx_status status = s.candidates != NULL ? LX_OK : lx_err_memory(err);
    for (size_t i = 0; status == LX_OK && i < count; i++)
        status = look_at(&s, parts[i], err);
    if (status == LX_OK && !masks)
        status = delete_all(&s, true, 0, err);
    *masked = 0;
    for (size_t i = 0; i < s.count; i++)
        *masked += !s.candidates[i].whole;
    if (status == LX_OK && masks && *masked > 0)
        status = delete_all(&s, false, skip, err);
    free_settling(&s);
    return status;
}

/* A ClickHouse that refuses is not a failed run: the rows are archived, and stay. What store or
 * ledger refuse is. */
static enum lx_status soften(struct lx_run *run, enum lx_status status, struct lx_err *err)
{
    if (!run->hot_refused ||
        (status != LX_E_BUSY && status != LX_E_REFUSED && status != LX_E_ACCESS))
        return status;
    run->hot_refused = false; /* what fails next is judged by itself */
    run->no_more_deletes = true;
    run->report->delete_refused = true;
    if (run->report->refusal.status == LX_OK && err != NULL)
        run->report->refusal = *err;
    lx_err_clear(err);
    return LX_OK;
}

enum lx_status lx_settle_batch(struct lx_run *run, const struct lx_batch_plan *batch,
                               struct lx_err *err)
{
    if (run->due == LX_TIME_FIRST || run->no_more_deletes)
        return LX_OK;
    const struct lx_hot_part **parts = lx_calloc(batch->slice_count, sizeof *parts);
    size_t masked;
    if (parts == NULL)
        return lx_err_memory(err);
    for (size_t i = 0; i < batch->slice_count; i++)
        parts[i] = batch->slices[i].part;
    enum lx_status status = settle_parts(run, parts, batch->slice_count, false, 0, &masked, err);
    lx_free(parts);
    return soften(run, status, err);
}

/* -- what is gone already ------------------------------------------------------------------ */

/* Rows of the segment's range in parts that touch its blocks. Where its bounds lie within a day,
 * the whole day counts: then it is looked at again later. */
static bool has_rows(const struct lx_hot_parts *parts, const struct lx_segment *segment)
{
    for (size_t i = 0; i < parts->count; i++) {
        const struct lx_hot_part *part = &parts->parts[i];
        if (strcmp(part->partition, segment->partition) != 0 ||
            part->min_block > segment->max_block || segment->min_block > part->max_block)
            continue;
        for (size_t d = 0; d < part->day_count; d++) {
            int64_t start = part->days[d].day * LX_DAY_SECONDS;
            if (start + LX_DAY_SECONDS > segment->from && start < segment->to)
                return true;
        }
    }
    return false;
}

static bool any_live(const struct lx_run *run)
{
    const struct lx_ledger_state *state = lx_ledger_state(run->o->ledger);
    for (size_t i = 0; i < state->live_count; i++)
        if (strcmp(state->live[i].source, run->source) == 0 || lx_mutant("end-strangers"))
            return true;
    return false;
}

/* Segments of this table whose blocks hold no row any more: a delete that was not recorded, or
 * somebody else took the rows. */
static enum lx_status list_gone(const struct lx_run *run, const struct lx_hot_parts *parts,
                                struct lx_ids *ids, struct lx_err *err)
{
    const struct lx_ledger_state *state = lx_ledger_state(run->o->ledger);
    LX_TRY(lx_ids_make(ids, state->live_count, err));
    for (size_t i = 0; i < state->live_count; i++)
        if ((strcmp(state->live[i].source, run->source) == 0 || lx_mutant("end-strangers")) &&
            !has_rows(parts, &state->live[i]) && !lx_run_elsewhere(run, &state->live[i]))
            lx_ids_add(ids, state->live[i].id);
    return LX_OK;
}

/* They have ended. */
static enum lx_status record_gone(struct lx_run *run, const struct lx_ids *ids, int64_t now,
                                  struct lx_err *err)
{
    struct lx_change change = {
        .operation = "GONE",
        .has_base = true,
        .base_version = lx_ledger_state(run->o->ledger)->version,
        .end_segments = ids->list,
        .end_segment_count = ids->count,
        .ended_at = now,
        .source = run->source,
        /* Not if the server started again since those that ended before were looked for. */
        .forget_ended_before = run->table->started_at <= run->revived_for + LX_RUN_START_JITTER
                                   ? now - LX_RUN_ENDED_SECONDS
                                   : 0,
    };
    LX_TRY(lx_start_writing(run, err));
    enum lx_status status = lx_ledger_commit(run->o->ledger, &change, NULL, err);
    if (status != LX_E_CONFLICT)
        return status;
    lx_err_clear(err);
    return LX_OK; /* looked at again by the next settle */
}

static void count_kept(struct lx_run *run)
{
    const struct lx_ledger_state *state = lx_ledger_state(run->o->ledger);
    struct lx_archive_report *r = run->report;
    r->kept_rows = r->kept_segments = r->waiting_rows = 0;
    for (size_t i = 0; i < state->live_count; i++) {
        if (strcmp(state->live[i].source, run->source) != 0)
            continue;
        if (run->due != LX_TIME_FIRST && state->live[i].to <= run->due) {
            r->kept_rows += state->live[i].rows;
            r->kept_segments++;
        } else {
            r->waiting_rows += state->live[i].rows;
        }
    }
}

/* The parts as they are, known to be of the table that the run describes. */
static enum lx_status parts_of_source(struct lx_run *run, int64_t days_to,
                                      struct lx_hot_parts *parts, bool *same, struct lx_err *err)
{
    LX_TRY(lx_run_parts(run, days_to, parts, err));
    enum lx_status status = lx_start_again(run, same, err);
    if (status != LX_OK)
        lx_hot_parts_free(parts);
    return status;
}

static enum lx_status one_round(struct lx_run *run, bool masks, size_t skip, size_t *masked,
                                bool *same, struct lx_err *err)
{
    struct lx_hot_parts parts = {0};
    *masked = 0;
    LX_TRY(lx_ledger_refresh(run->o->ledger, err));
    LX_TRY(parts_of_source(run, lx_run_days_to(run), &parts, same, err));
    enum lx_status status = LX_OK;
    if (*same && run->due != LX_TIME_FIRST && !run->no_more_deletes) {
        const struct lx_hot_part **all = lx_calloc(parts.count + 1, sizeof *all);
        status = all != NULL ? LX_OK : lx_err_memory(err);
        for (size_t i = 0; status == LX_OK && i < parts.count; i++)
            all[i] = &parts.parts[i];
        if (status == LX_OK)
            status = settle_parts(run, all, parts.count, masks, skip, masked, err);
        lx_free(all);
    }
    lx_hot_parts_free(&parts);
    return status;
}

/* Asked with the days that a run needs, and where rows are gone by that, with all of them. */
static enum lx_status look_for_gone(struct lx_run *run, struct lx_err *err)
{
    struct lx_ids ids = {0};
    bool same = true;
    LX_TRY(lx_ledger_refresh(run->o->ledger, err));
    if (!any_live(run))
        return LX_OK;
    LX_TRY(lx_run_asked(run, run->o->hot.ops->row_policy(run->o->hot.self, err)));
    const int64_t looks[] = {lx_run_days_to(run), LX_TIME_LAST};
    enum lx_status status = LX_OK;
    for (size_t i = 0; status == LX_OK && same && i < 2 && (i == 0 || ids.count > 0); i++) {
        struct lx_hot_parts parts = {0};
        lx_ids_free(&ids);
        status = parts_of_source(run, looks[i], &parts, &same, err);
        if (status == LX_OK && same)
            status = list_gone(run, &parts, &ids, err);
        if (status == LX_OK && same && i == 1 && ids.count > 0)
            status = record_gone(run, &ids, parts.now, err);
        lx_hot_parts_free(&parts);
    }
    lx_ids_free(&ids);
    return status;
}

static enum lx_status settle(struct lx_run *run, bool masks, struct lx_err *err)
{
    size_t masked = 0, skip = 0;
    bool same = true;
    LX_TRY(lx_ledger_refresh(run->o->ledger, err));
    if (!any_live(run))
        return LX_OK;
    LX_TRY(one_round(run, false, 0, &masked, &same, err));
    /* One mask statement a round: parts have new names after each. What a guard refused is skipped.
     */
    while (masks && run->o->masks && same && masked > skip && !run->no_more_deletes) {
        size_t before = masked;
        LX_TRY(one_round(run, true, skip, &masked, &same, err));
        if (!run->no_more_deletes)
            LX_TRY(one_round(run, false, 0, &masked, &same, err));
        if (masked >= before)
            skip += LX_MASK_PARTS;
    }
    return LX_OK;
}

enum lx_status lx_settle(struct lx_run *run, bool masks, struct lx_err *err)
{
    LX_TRY(lx_run_step(run, LX_STEP_SETTLE, err));
    enum lx_status status = soften(run, settle(run, masks, err), err);
    if (status == LX_OK)
        status = soften(run, look_for_gone(run, err), err);
    if (status == LX_OK)
        count_kept(run);
    if (status == LX_OK && masks && run->report->kept_rows > 0 && run->undone.status != LX_OK &&
        !run->report->delete_refused) {
        run->report->delete_refused = true;
        run->report->refusal = run->undone;
    }
    return status;
}
