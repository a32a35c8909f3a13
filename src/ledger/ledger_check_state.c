/* May a change be committed on this state? The rules that every version must leave true:
 *   - a segment ends once, and an id never comes back;
 *   - a path is added once, and never after it was removed;
 *   - where a live or ended segment says that its rows are, there they are;
 *   - no row belongs to two live segments: of one partition's segments whose blocks touch, the
 *     times do not (but for revived ones, which the next run compares by content, and what takes
 *     their place). */
#include "base/mutant.h"
#include "ledger/ledger_private.h"

#include <stdio.h>

struct checking {
    const struct lx_tables *tables;
    const struct lx_change *change;
    const struct lx_change_index *index;
    enum lx_status verdict; /* of what contradicts the state */
    struct lx_err *err;
};

static bool has(const struct lx_ledger_map *map, const char *name)
{
    return lx_ledger_map_get(map, lx_str_of(name)) != NULL;
}

static enum lx_status refuse(const struct checking *checking, const char *what, const char *name)
{
    lx_err_set(checking->err, checking->verdict, "%s: %s: \"%s\"", checking->change->operation,
               what, name);
    if (checking->verdict == LX_E_REFUSED)
        lx_err_hint(checking->err, "Nothing was written. This is a fault in lynex: please report "
                                   "it, with this line.");
    return checking->verdict;
}

/* -- paths --------------------------------------------------------------------------------- */

static enum lx_status check_paths(const struct checking *checking)
{
    const struct lx_tables *tables = checking->tables;
    const struct lx_change *change = checking->change;
    for (size_t i = 0; i < change->add_file_count; i++) {
        const char *path = change->add_files[i].path;
        if (has(&tables->removed, path) && !lx_mutant("ignore-removed-file"))
            return refuse(checking, "a path that was removed from the log is never used again",
                          path);
        if (has(&tables->files, path))
            return refuse(checking, "the log lists this path already", path);
    }
    for (size_t i = 0; i < change->remove_path_count; i++) {
        const char *path = change->remove_paths[i];
        if (!has(&tables->files, path) && !lx_ledger_path_ok(path))
            return refuse(checking, "a path that is not listed, and that lynex does not write",
                          path);
    }
    return LX_OK;
}

/* A segment that is (or becomes) live or ended: can its rows be had where it says? */
static enum lx_status check_where(const struct checking *checking, const struct lx_segment *segment)
{
    const struct lx_tables *tables = checking->tables;
    const struct lx_change_index *index = checking->index;
    for (size_t i = 0; i < segment->where_count; i++) {
        const struct lx_where *where = &segment->where[i];
        bool added = has(&index->add_paths, where->path);
        if (has(&index->remove_paths, where->path))
            return refuse(checking, "removes a file that a segment still names", where->path);
        if (has(&tables->removed, where->path) && !has(&tables->files, where->path) &&
            !lx_mutant("ignore-removed-file"))
            return refuse(checking, "a segment names a file that was removed", where->path);
        if (!where->hashes && !added && !has(&tables->files, where->path))
            return refuse(checking, "a segment names a file that is not listed", where->path);
        if (where->hashes && !lx_ledger_path_ok(where->path))
            return refuse(checking, "a segment names a path that lynex does not write",
                          where->path);
    }
    return LX_OK;
}

/* Whoever removes a file answers for the segments that name it, live ones and ended ones: those
 * may be live again. */
static enum lx_status check_removed(const struct checking *checking)
{
    const struct lx_tables *tables = checking->tables;
    const struct lx_change_index *index = checking->index;
    if (checking->change->remove_path_count == 0)
        return LX_OK;
    const struct lx_ledger_map *maps[] = {&tables->live, &tables->ended};
    for (size_t m = 0; m < 2; m++) {
        for (size_t i = 0; i < maps[m]->capacity; i++) {
            const struct lx_segment *segment = maps[m]->slots[i].value;
            if (segment == NULL || has(&index->ends, segment->id) ||
                has(&index->forgets, segment->id))
                continue;
            for (size_t w = 0; w < segment->where_count; w++) {
                if (has(&index->remove_paths, segment->where[w].path))
                    return refuse(checking, "removes a file that a segment still names",
                                  segment->where[w].path);
            }
        }
    }
    return LX_OK;
}

/* -- segments ------------------------------------------------------------------------------ */

static enum lx_status check_ids(const struct checking *checking)
{
    const struct lx_tables *tables = checking->tables;
    const struct lx_change *change = checking->change;
    const struct {
        const char *const *ids;
        size_t count;
    } ends[] = {{change->end_segments, change->end_segment_count},
                {change->replace_segments, change->replace_segment_count}};
    for (size_t list = 0; list < 2; list++) {
        for (size_t i = 0; i < ends[list].count; i++) {
            if (!has(&tables->live, ends[list].ids[i]) && !lx_mutant("ignore-ended"))
                return refuse(checking, "ends a segment that is not live", ends[list].ids[i]);
        }
    }
    for (size_t i = 0; i < change->revive_segment_count; i++) {
        const char *id = change->revive_segments[i];
        const struct lx_segment *segment = lx_ledger_map_get(&tables->ended, lx_str_of(id));
        if (segment == NULL || has(&tables->live, id))
            return refuse(checking, "revives a segment that did not end", id);
        LX_TRY(check_where(checking, segment));
    }
    for (size_t i = 0; i < change->forget_segment_count; i++) {
        if (!has(&tables->ended, change->forget_segments[i]))
            return refuse(checking, "forgets a segment that did not end",
                          change->forget_segments[i]);
    }
    return LX_OK;
}

static bool overlaps(const struct lx_segment *a, const struct lx_segment *b)
{
    return a->from < b->to && b->from < a->to &&
           lx_segment_touches(a, b->source, b->partition, b->min_block, b->max_block);
}

/* Does one of these segments, all of which end, cover the whole place of the new one? */
static bool is_covered(const struct checking *checking, const char *const *ids, size_t count,
                       const struct lx_segment *segment)
{
    for (size_t i = 0; i < count; i++) {
        const struct lx_segment *ended =
            lx_ledger_map_get(&checking->tables->live, lx_str_of(ids[i]));
        if (ended != NULL && overlaps(ended, segment) && ended->min_block <= segment->min_block &&
            segment->max_block <= ended->max_block && ended->from <= segment->from &&
            segment->to <= ended->to)
            return true;
    }
    return false;
}

/* What takes the place of a segment that ends claims no row that was not claimed before: revived
 * segments may overlap, and then what a delete took must come off them all the same. */
static bool takes_place(const struct checking *checking, const struct lx_segment *segment)
{
    const struct lx_change *change = checking->change;
    return is_covered(checking, change->end_segments, change->end_segment_count, segment) ||
           is_covered(checking, change->replace_segments, change->replace_segment_count, segment);
}

/* Against the live segments that stay, and those added beside it. */
static enum lx_status check_overlap(const struct checking *checking, size_t which,
                                    struct lx_buf *name)
{
    const struct lx_segment *segment = &checking->change->add_segments[which];
    if (lx_mutant("no-overlap-check"))
        return LX_OK;
    for (size_t i = 0; i < which; i++) {
        const struct lx_segment *other = &checking->change->add_segments[i];
        if (other->ended_at == 0 && overlaps(segment, other) && !takes_place(checking, segment))
            return refuse(checking, "two new segments hold the same rows", segment->id);
    }
    lx_buf_clear(name);
    if (lx_ledger_hot_name(name, segment->source, segment->partition) != LX_OK)
        return lx_err_memory(checking->err);
    const struct lx_domain *domain =
        lx_ledger_map_get(&checking->tables->domains, lx_buf_view(name));
    for (size_t i = 0; domain != NULL && i < domain->segment_count; i++) {
        const struct lx_segment *held = &domain->segments[i];
        if (overlaps(segment, held) && !has(&checking->index->ends, held->id) &&
            !takes_place(checking, segment))
            return refuse(checking, "a new segment holds rows of a live one", held->id);
    }
    return LX_OK;
}

static bool knows_schema(const struct checking *checking, const char *id)
{
    char name[64];
    snprintf(name, sizeof name, "lynex.schema.%s", id);
    return has(&checking->index->schemas, id) || has(&checking->tables->domains, name);
}

static enum lx_status check_added(const struct checking *checking)
{
    const struct lx_tables *tables = checking->tables;
    const struct lx_change *change = checking->change;
    struct lx_buf name = LX_BUF(LX_LEDGER_MAX_NAME * 4);
    enum lx_status status = LX_OK;
    for (size_t i = 0; status == LX_OK && i < change->add_segment_count; i++) {
        const struct lx_segment *segment = &change->add_segments[i];
        if (has(&tables->live, segment->id) || has(&tables->ended, segment->id))
            status = refuse(checking, "adds a segment whose id is in use", segment->id);
        if (status == LX_OK && !knows_schema(checking, segment->schema))
            status = refuse(checking, "a segment's schema is not in the log", segment->schema);
        if (status == LX_OK)
            status = check_where(checking, segment);
        if (status == LX_OK && segment->ended_at == 0)
            status = check_overlap(checking, i, &name);
    }
    lx_buf_free(&name);
    for (size_t i = 0; status == LX_OK && i < change->add_file_count; i++) {
        const char *schema = change->add_files[i].schema;
        if (schema[0] != 0 && !knows_schema(checking, schema))
            status = refuse(checking, "a file's schema is not in the log", schema);
    }
    return status;
}

enum lx_status lx_change_check_state(const struct lx_tables *tables, const struct lx_change *change,
                                     const struct lx_change_index *index, bool moved,
                                     struct lx_err *err)
{
    struct checking checking = {tables, change, index, moved ? LX_E_CONFLICT : LX_E_REFUSED, err};
    if (tables->version < 0 && (change->new_schema_string == NULL || change->new_table == NULL))
        return lx_err_set(err, LX_E_ARGUMENT,
                          "%s: the first version of a log needs a schema and a table",
                          change->operation);
    if (tables->version >= 0)
        LX_TRY(lx_tables_writable(tables, err));
    LX_TRY(check_paths(&checking));
    LX_TRY(check_ids(&checking));
    LX_TRY(check_removed(&checking));
    return check_added(&checking);
}
