/* Recording what a delete took. The rows are gone, so the log must say so, whatever others did
 * meanwhile: there is no giving up, only another look at the newest state. */
#include "base/alloc.h"
#include "ledger/ledger_private.h"

#include <assert.h>

struct recording {
    struct lx_ledger *ledger;
    const struct lx_gone *gone;
    const struct lx_segment **lost; /* taken, live no more, and not recorded as gone either */
    size_t lost_count;
    struct lx_ptrs heirs; /* what those became: const struct lx_touched *, of the history */
    bool unknown;         /* what became of some: whatever touches them may hold their rows */
    /* The change of this try; its arrays. */
    const char **end_ids, **replace_ids; /* borrowed from the state and from `taken` */
    size_t end_count, replace_count;
    struct lx_segment *reduced; /* owned */
    size_t reduced_count;
    size_t capacity; /* of each of the three */
};

static void forget_reduced(struct recording *recording)
{
    for (size_t i = 0; i < recording->reduced_count; i++)
        lx_segment_free(&recording->reduced[i]);
    recording->reduced_count = recording->end_count = recording->replace_count = 0;
}

/* Room for all that can be: each id once. */
static enum lx_status reserve(struct recording *recording, size_t need, struct lx_err *err)
{
    if (need <= recording->capacity)
        return LX_OK;
    const char **ends = lx_realloc(recording->end_ids, need * sizeof *ends);
    if (ends != NULL)
        recording->end_ids = ends;
    const char **replaced = lx_realloc(recording->replace_ids, need * sizeof *replaced);
    if (replaced != NULL)
        recording->replace_ids = replaced;
    struct lx_segment *reduced = lx_realloc(recording->reduced, need * sizeof *reduced);
    if (reduced != NULL)
        recording->reduced = reduced;
    if (ends == NULL || replaced == NULL || reduced == NULL)
        return lx_err_memory(err);
    recording->capacity = need;
    return LX_OK;
}

/* -- what became of segments that are live no more ----------------------------------------- */

static bool ended_by(const struct lx_history *history, const char *id)
{
    for (size_t i = 0; i < history->ended_count; i++)
        if (strcmp(history->ended[i], id) == 0)
            return true;
    return false;
}

/* A version that ends a segment moves its rows to those that it adds in the same blocks. One that
 * adds none there says that they are gone. */
static enum lx_status add_heirs(struct lx_ptrs *heirs, const struct lx_history *history,
                                const char *source, const char *partition, int64_t min_block,
                                int64_t max_block)
{
    for (size_t i = 0; i < history->added_count; i++) {
        struct lx_touched *added = &history->added[i];
        if (added->min_block <= max_block && min_block <= added->max_block &&
            strcmp(added->partition, partition) == 0 && strcmp(added->source, source) == 0)
            LX_TRY(lx_ptrs_push(heirs, added));
    }
    return LX_OK;
}

/* Which segments may hold the rows of a lost one by now. *recorded: none that is live does. */
static enum lx_status follow(struct recording *recording, const struct lx_segment *lost,
                             bool *recorded)
{
    const struct lx_ptrs *history = &recording->ledger->history;
    struct lx_ptrs *heirs = &recording->heirs;
    size_t first = heirs->count, at = history->count;
    *recorded = false;
    while (at > 0 && !ended_by(history->items[at - 1], lost->id))
        at--;
    if (at == 0) {
        recording->unknown = true;
        return LX_OK;
    }
    LX_TRY(add_heirs(heirs, history->items[at - 1], lost->source, lost->partition, lost->min_block,
                     lost->max_block));
    for (; at < history->count; at++) {
        size_t count = heirs->count;
        for (size_t i = first; i < count; i++) {
            const struct lx_touched *heir = heirs->items[i];
            if (ended_by(history->items[at], heir->id))
                LX_TRY(add_heirs(heirs, history->items[at], heir->source, heir->partition,
                                 heir->min_block, heir->max_block));
        }
    }
    *recorded = true;
    for (size_t i = first; i < heirs->count; i++) {
        const struct lx_touched *heir = heirs->items[i];
        *recorded = *recorded && lx_ledger_live(recording->ledger, heir->id) == NULL;
    }
    return LX_OK;
}

/* Sorts what was taken into live, lost, and what others have recorded already: a late copy of such
 * a row, archived since, is no row of ours. */
static enum lx_status split_taken(struct recording *recording, struct lx_err *err)
{
    const struct lx_gone *gone = recording->gone;
    recording->lost_count = recording->heirs.count = 0;
    recording->unknown = false;
    for (size_t i = 0; i < gone->taken_count; i++) {
        const struct lx_segment *taken = &gone->taken[i];
        bool recorded;
        if (lx_ledger_live(recording->ledger, taken->id) != NULL) {
            recording->end_ids[recording->end_count++] = taken->id;
            continue;
        }
        if (follow(recording, taken, &recorded) != LX_OK)
            return lx_err_memory(err);
        if (!recorded)
            recording->lost[recording->lost_count++] = taken;
    }
    return LX_OK;
}

/* -- taking rows off ------------------------------------------------------------------------ */

static bool was_taken(const struct lx_gone *gone, const char *id)
{
    for (size_t i = 0; i < gone->taken_count; i++) {
        if (strcmp(gone->taken[i].id, id) == 0)
            return true;
    }
    return false;
}

static bool touches_lost(const struct recording *recording, const struct lx_segment *held)
{
    for (size_t i = 0; i < recording->lost_count; i++) {
        const struct lx_segment *lost = recording->lost[i];
        if (lx_segment_touches(held, lost->source, lost->partition, lost->min_block,
                               lost->max_block))
            return true;
    }
    return false;
}

/* May a live segment hold rows of the lost ones? */
static bool may_hold(const struct recording *recording, const struct lx_segment *held)
{
    if (recording->unknown)
        return touches_lost(recording, held);
    for (size_t i = 0; i < recording->heirs.count; i++) {
        const struct lx_touched *heir = recording->heirs.items[i];
        if (strcmp(heir->id, held->id) == 0)
            return true;
    }
    return false;
}

static enum lx_status reduce_one(struct recording *recording, const struct lx_segment *held,
                                 struct lx_err *err)
{
    const struct lx_gone *gone = recording->gone;
    bool took = false;
    struct lx_segment left = {0};
    LX_TRY(gone->reduce(gone->context, held, recording->lost, recording->lost_count, &took, &left,
                        err));
    if (!took)
        return LX_OK;
    if (left.rows == 0) { /* all of it went: it ends as it stands */
        lx_segment_free(&left);
        recording->end_ids[recording->end_count++] = held->id;
        return LX_OK;
    }
    recording->reduced[recording->reduced_count++] = left;
    recording->replace_ids[recording->replace_count++] = held->id;
    return LX_OK;
}

static enum lx_status build(void *context, const struct lx_ledger_state *state,
                            struct lx_change *change, struct lx_err *err)
{
    struct recording *recording = context;
    const struct lx_gone *gone = recording->gone;
    forget_reduced(recording);
    LX_TRY(reserve(recording, gone->taken_count + state->live_count, err));
    LX_TRY(split_taken(recording, err));
    if (gone->restart != NULL) /* also where none is lost now: one that was may be live again */
        gone->restart(gone->context);
    for (size_t i = 0; recording->lost_count > 0 && i < state->live_count; i++) {
        const struct lx_segment *held = &state->live[i];
        if (may_hold(recording, held) && !was_taken(gone, held->id))
            LX_TRY(reduce_one(recording, held, err));
    }
    if (recording->end_count == 0 && recording->replace_count == 0)
        return LX_OK; /* others recorded it */
    change->operation = gone->operation;
    change->info = gone->info;
    change->ended_at = gone->ended_at;
    change->end_segments = recording->end_ids;
    change->end_segment_count = recording->end_count;
    change->replace_segments = recording->replace_ids;
    change->replace_segment_count = recording->replace_count;
    change->add_segments = recording->reduced;
    change->add_segment_count = recording->reduced_count;
    return LX_OK;
}

enum lx_status lx_ledger_record_gone(struct lx_ledger *ledger, const struct lx_gone *gone,
                                     int64_t *version, struct lx_err *err)
{
    struct recording recording = {.ledger = ledger, .gone = gone};
    if (gone->operation == NULL || gone->ended_at <= 0 || gone->reduce == NULL)
        return lx_err_set(err, LX_E_BUG, "a delete without operation, time or reduce");
    recording.lost = lx_calloc(gone->taken_count, sizeof(struct lx_segment *));
    if (recording.lost == NULL)
        return lx_err_memory(err);
    enum lx_status status = lx_ledger_commit_with(ledger, build, &recording, version, err);
    forget_reduced(&recording);
    lx_free(recording.reduced);
    lx_free(recording.lost);
    lx_free(recording.heirs.items);
    lx_free(recording.end_ids);
    lx_free(recording.replace_ids);
    return status;
}
