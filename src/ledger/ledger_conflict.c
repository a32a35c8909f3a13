/* What others committed since a change was planned: does it still hold?
 *
 * A plan rests on what its run saw of the table, and on the live segments of the state that it was
 * made on. It falls where another writer ended one of the segments that it ends, or archived rows
 * that may be among its own: those of blocks that touch, or of the table that took this one's
 * name. What does not come near it is no conflict: several archivers share one log. */
#include "base/mutant.h"
#include "ledger/ledger_private.h"

#include <inttypes.h>

struct between {
    const struct lx_ledger *ledger;
    const struct lx_change *change;
    const struct lx_change_index *index;
    const struct lx_history *theirs;
    struct lx_err *err;
};

static bool has(const struct lx_ledger_map *map, const char *name)
{
    return lx_ledger_map_get(map, lx_str_of(name)) != NULL;
}

static enum lx_status conflict(const struct between *between, const char *what, const char *name)
{
    return lx_err_set(between->err, LX_E_CONFLICT,
                      "%s: another writer %s %s in version %" PRId64 " of the log",
                      between->change->operation, what, name, between->theirs->version);
}

/* Are rows that they archived possibly ours? */
static bool clashes(const struct lx_segment *ours, const struct lx_touched *theirs)
{
    if (strcmp(ours->source, theirs->source) != 0)
        return lx_source_same_table(ours->source, theirs->source);
    return lx_segment_touches(ours, theirs->source, theirs->partition, theirs->min_block,
                              theirs->max_block);
}

static enum lx_status check_segments(const struct between *between)
{
    const struct lx_change *change = between->change;
    const struct lx_history *theirs = between->theirs;
    for (size_t i = 0; i < theirs->ended_count && !lx_mutant("ignore-ended"); i++) {
        const char *id = theirs->ended[i];
        if (has(&between->index->ends, id) || has(&between->index->revives, id))
            return conflict(between, "ended segment", id);
    }
    for (size_t i = 0; i < theirs->added_count && !lx_mutant("no-overlap-check"); i++) {
        const struct lx_touched *added = &theirs->added[i];
        if (change->whole_table || has(&between->index->revives, added->id))
            return conflict(between, "added segment", added->id);
        for (size_t j = 0; j < change->add_segment_count; j++) {
            if (clashes(&change->add_segments[j], added))
                return conflict(between, "archived rows of the same blocks or table: segment",
                                added->id);
        }
        for (size_t j = 0; j < change->revive_segment_count; j++) {
            const struct lx_segment *ours =
                lx_ledger_ended(between->ledger, change->revive_segments[j]);
            if (ours != NULL && clashes(ours, added))
                return conflict(between, "archived rows of the same blocks or table: segment",
                                added->id);
        }
    }
    return LX_OK;
}

static bool names_file(const struct lx_change *change, const char *path)
{
    for (size_t i = 0; i < change->add_segment_count; i++) {
        const struct lx_segment *segment = &change->add_segments[i];
        for (size_t j = 0; j < segment->where_count; j++) {
            if (strcmp(segment->where[j].path, path) == 0)
                return true;
        }
    }
    return false;
}

static enum lx_status check_paths(const struct between *between)
{
    const struct lx_change_index *index = between->index;
    const struct lx_ptrs *added = &between->theirs->added_paths;
    const struct lx_ptrs *removed = &between->theirs->removed_paths;
    for (size_t i = 0; i < added->count; i++) {
        const char *path = added->items[i];
        if (has(&index->add_paths, path) || has(&index->remove_paths, path))
            return conflict(between, "added file", path);
    }
    for (size_t i = 0; i < removed->count && !lx_mutant("ignore-removed-file"); i++) {
        const char *path = removed->items[i];
        if (has(&index->add_paths, path) || has(&index->remove_paths, path) ||
            names_file(between->change, path))
            return conflict(between, "removed file", path);
    }
    return LX_OK;
}

static enum lx_status check_one(const struct between *between)
{
    LX_TRY(check_segments(between));
    LX_TRY(check_paths(between));
    if (between->theirs->metadata && between->change->new_schema_string != NULL)
        return conflict(between, "changed", "the schema");
    if (between->theirs->table && between->change->new_table != NULL)
        return conflict(between, "changed", "the ledger's table");
    return LX_OK;
}

enum lx_status lx_change_check_between(const struct lx_ledger *ledger,
                                       const struct lx_change *change,
                                       const struct lx_change_index *index, int64_t base,
                                       struct lx_err *err)
{
    if (base < ledger->history_from)
        return lx_err_set(err, LX_E_CONFLICT,
                          "%s: planned on version %" PRId64
                          ", but what came between it and %" PRId64 " is not known any more",
                          change->operation, base, ledger->history_from);
    for (size_t i = 0; i < ledger->history.count; i++) {
        const struct lx_history *theirs = ledger->history.items[i];
        struct between between = {ledger, change, index, theirs, err};
        if (theirs->version > base && !theirs->own)
            LX_TRY(check_one(&between));
    }
    return LX_OK;
}
