#include "ledger_model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

const char *const sources[3] = {SOURCE, SWAPPED, ELSEWHERE};
const char *const partitions[2] = {"202601", "all"};

const char *path_of(int path)
{
    static char texts[64][40];
    static unsigned next;
    char *text = texts[next++ % 64];
    snprintf(text, sizeof texts[0], "events/f%d.parquet", path);
    return text;
}

int number_of(const char *id)
{
    uint64_t number;
    assert_true(lx_str_to_hex64((struct lx_str){id + 16, 16}, &number));
    return (int)number;
}

/* -- the rules, a second time -------------------------------------------------------------- */

static bool same_place(const struct item *a, const struct item *b)
{
    return a->source == b->source && a->partition == b->partition && a->min <= b->max &&
           b->min <= a->max;
}

bool in_list(const int *list, size_t count, int what)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i] == what)
            return true;
    }
    return false;
}

/* May two segments hold the same rows, so that both writers may have archived them? */
static bool near(const struct item *ours, const struct item *theirs)
{
    bool swapped =
        (ours->source == 0 && theirs->source == 1) || (ours->source == 1 && theirs->source == 0);
    return swapped || same_place(ours, theirs);
}

/* Does a version of theirs, in between, forbid ours? Both as CHANGE; of GONE the log says what it
 * came to (see apply_gone). */
bool forbids(const struct world *world, const struct effect *ours, const struct effect *theirs)
{
    for (size_t i = 0; i < theirs->end_count + theirs->replace_count; i++) {
        int id = i < theirs->end_count ? theirs->ends[i] : theirs->replaces[i - theirs->end_count];
        if (in_list(ours->ends, ours->end_count, id) ||
            in_list(ours->replaces, ours->replace_count, id) ||
            in_list(ours->revives, ours->revive_count, id))
            return true;
    }
    for (size_t i = 0; i < theirs->add_count + theirs->revive_count; i++) {
        bool revived = i >= theirs->add_count;
        int id = revived ? theirs->revives[i - theirs->add_count] : theirs->adds[i];
        const struct item *item = &world->items[id];
        if (ours->whole_table || in_list(ours->revives, ours->revive_count, id))
            return true;
        for (size_t j = 0; j < ours->add_count; j++) {
            if (near(&ours->born[j], item))
                return true;
        }
        for (size_t j = 0; j < ours->revive_count; j++) {
            if (near(&world->items[ours->revives[j]], item))
                return true;
        }
    }
    for (size_t i = 0; i < theirs->add_path_count; i++) {
        if (in_list(ours->add_paths, ours->add_path_count, theirs->add_paths[i]) ||
            in_list(ours->remove_paths, ours->remove_path_count, theirs->add_paths[i]))
            return true;
    }
    for (size_t i = 0; i < theirs->remove_path_count; i++) {
        int path = theirs->remove_paths[i];
        if (in_list(ours->add_paths, ours->add_path_count, path) ||
            in_list(ours->remove_paths, ours->remove_path_count, path))
            return true;
        for (size_t j = 0; j < ours->add_count; j++) {
            if (ours->born[j].path == path)
                return true;
        }
    }
    return false;
}

/* Does a state contradict a change? */
bool contradicts(const struct world *world, const struct effect *ours)
{
    for (size_t i = 0; i < ours->end_count; i++) {
        if (world->items[ours->ends[i]].life != LIVE)
            return true;
    }
    for (size_t i = 0; i < ours->replace_count; i++) {
        if (world->items[ours->replaces[i]].life != LIVE)
            return true;
    }
    for (size_t i = 0; i < ours->revive_count; i++) {
        const struct item *item = &world->items[ours->revives[i]];
        if (item->life != ENDED || (item->path >= 0 && !world->listed[item->path]))
            return true;
    }
    for (size_t i = 0; i < ours->forget_count; i++) {
        if (world->items[ours->forgets[i]].life != ENDED)
            return true;
    }
    for (size_t i = 0; i < ours->add_path_count; i++) {
        if (world->listed[ours->add_paths[i]] || world->removed[ours->add_paths[i]])
            return true;
    }
    for (size_t i = 0; i < ours->remove_path_count; i++) {
        for (int id = 1; id < world->next_item; id++) {
            const struct item *item = &world->items[id];
            bool stays = (item->life == LIVE && !in_list(ours->ends, ours->end_count, id) &&
                          !in_list(ours->replaces, ours->replace_count, id)) ||
                         (item->life == ENDED && !in_list(ours->forgets, ours->forget_count, id));
            if (stays && item->path == ours->remove_paths[i])
                return true;
        }
    }
    for (size_t i = 0; i < ours->add_count; i++) {
        const struct item *born = &ours->born[i];
        bool added = in_list(ours->add_paths, ours->add_path_count, born->path);
        if (born->path >= 0 && !added && !world->listed[born->path])
            return true;
        for (int id = 1; id < world->next_item; id++) {
            const struct item *item = &world->items[id];
            if (item->life == LIVE && same_place(item, born) && item->from < born->to &&
                born->from < item->to && !in_list(ours->ends, ours->end_count, id) &&
                !in_list(ours->replaces, ours->replace_count, id))
                return true;
        }
    }
    return false;
}

/* -- applying what the log holds ----------------------------------------------------------- */

static bool ends(const struct effect *effect, int id)
{
    return in_list(effect->ends, effect->end_count, id) ||
           in_list(effect->replaces, effect->replace_count, id);
}

/* Marks the live segments that may hold the rows of one that ended: those that the version which
 * ended it added in its blocks, those that came of them, and so on. False: there is none, and the
 * log has it that the rows are gone. */
static bool mark_heirs(const struct world *world, int lost, bool heirs[MAX_SEGMENTS])
{
    bool held_by[MAX_SEGMENTS] = {false}, any = false;
    int64_t at = world->version - 1;
    held_by[lost] = true;
    while (at > 0 && (world->log[at] < 0 || !ends(&world->effects[world->log[at]], lost)))
        at--;
    for (; at > 0 && at < world->version; at++) {
        const struct effect *effect = &world->effects[world->log[at]];
        for (int id = 1; id < world->next_item; id++) {
            if (!held_by[id] || !ends(effect, id))
                continue;
            for (size_t i = 0; i < effect->add_count + effect->revive_count; i++) {
                int heir = i < effect->add_count ? effect->adds[i]
                                                 : effect->revives[i - effect->add_count];
                if (same_place(&world->items[id], &world->items[heir]))
                    held_by[heir] = true;
            }
        }
    }
    for (int id = 1; id < world->next_item; id++) {
        bool heir = id != lost && held_by[id] && world->items[id].life == LIVE;
        heirs[id] = heirs[id] || heir;
        any = any || heir;
    }
    return any;
}

/* Which live segments a record reduces; turns it into a change of the same meaning. */
static void apply_gone(struct world *world, struct effect *effect)
{
    int taken[MAX_LIST];
    size_t taken_count = effect->end_count;
    bool heirs[MAX_SEGMENTS] = {false};
    uint64_t rest = 0;
    memcpy(taken, effect->ends, sizeof taken);
    effect->end_count = 0;
    for (size_t i = 0; i < taken_count; i++) {
        if (world->items[taken[i]].life == LIVE)
            effect->ends[effect->end_count++] = taken[i];
        else if (mark_heirs(world, taken[i], heirs))
            rest |= world->items[taken[i]].rows;
    }
    for (size_t i = 0; i < effect->reduced_count; i++) {
        int id = effect->held[i], next = effect->reduced[i];
        struct item *item = &world->items[id];
        uint64_t both = rest & item->rows;
        if (item->life != LIVE || !heirs[id] || both == 0)
            fail_msg("number %d took rows of segment %d: life %d, heir %d, rows %" PRIx64,
                     (int)(effect - world->effects), id, (int)item->life, heirs[id], both);
        rest &= ~both;
        if ((item->rows & ~both) == 0) {
            effect->ends[effect->end_count++] = id;
            continue;
        }
        effect->replaces[effect->replace_count++] = id;
        effect->adds[effect->add_count] = next;
        effect->born[effect->add_count] = *item;
        effect->born[effect->add_count].revived = item->revived;
        effect->born[effect->add_count++].rows &= ~both;
    }
    /* None was overlooked. */
    for (int id = 1; id < world->next_item && rest != 0; id++) {
        const struct item *item = &world->items[id];
        if ((item->rows & rest) != 0 && !in_list(taken, taken_count, id) &&
            !in_list(effect->held, effect->reduced_count, id))
            assert_false(heirs[id]);
    }
    effect->kind = CHANGE;
}

static void end_item(struct world *world, int id, int64_t ended_at)
{
    assert_int_equal(world->items[id].life, LIVE); /* else it ended twice */
    world->items[id].life = ended_at > 0 ? ENDED : FORGOTTEN;
    world->items[id].ended_at = ended_at;
}

static void apply(struct world *world, struct effect *effect)
{
    assert_false(effect->seen); /* else it stands in the log twice */
    effect->seen = true;
    if (effect->kind == GONE)
        apply_gone(world, effect);
    else
        assert_false(contradicts(world, effect));
    for (size_t i = 0; i < effect->end_count; i++)
        end_item(world, effect->ends[i], effect->ended_at);
    for (size_t i = 0; i < effect->replace_count; i++)
        end_item(world, effect->replaces[i], 0);
    for (size_t i = 0; i < effect->forget_count; i++)
        world->items[effect->forgets[i]].life = FORGOTTEN;
    for (int id = 1; effect->forget_before > 0 && id < world->next_item; id++) {
        struct item *item = &world->items[id];
        if (item->life == ENDED && item->source == effect->forget_source &&
            item->ended_at < effect->forget_before)
            item->life = FORGOTTEN;
    }
    for (size_t i = 0; i < effect->revive_count; i++) {
        struct item *item = &world->items[effect->revives[i]];
        item->life = LIVE;
        item->ended_at = 0;
        item->revived = true;
    }
    for (size_t i = 0; i < effect->add_count; i++) {
        struct item *item = &world->items[effect->adds[i]];
        assert_int_equal(item->life, UNBORN);
        *item = effect->born[i];
        item->life = LIVE;
        item->ended_at = 0;
    }
    for (size_t i = 0; i < effect->add_path_count; i++) {
        assert_false(world->listed[effect->add_paths[i]] || world->removed[effect->add_paths[i]]);
        world->listed[effect->add_paths[i]] = true;
    }
    for (size_t i = 0; i < effect->remove_path_count; i++) {
        world->listed[effect->remove_paths[i]] = false;
        world->removed[effect->remove_paths[i]] = true;
    }
}

/* A commit that was made once may only have passed what does not forbid it. */
static void check_between(const struct world *world, const struct effect *effect, int64_t version)
{
    for (int64_t v = effect->base + 1; v < version; v++) {
        const struct effect *theirs = world->log[v] >= 0 ? &world->effects[world->log[v]] : NULL;
        if (theirs != NULL && theirs->writer != effect->writer && forbids(world, effect, theirs))
            fail_msg("version %" PRId64 " of writer %d passed version %" PRId64 " of writer %d",
                     version, effect->writer, v, theirs->writer);
    }
}

/* Takes in what the bucket holds beyond the model's version. */
void follow(struct world *world)
{
    for (;;) {
        char key[64], text[32] = {0};
        size_t size;
        snprintf(key, sizeof key, "_delta_log/%020" PRId64 ".json", world->version + 1);
        const uint8_t *bytes = lx_mem_bucket_get(world->fixture->bucket, key, &size);
        if (bytes == NULL)
            return;
        const char *mark = memmem(bytes, size, "\"marker\":\"", 10);
        assert_non_null(mark);
        const char *end = memchr(mark + 10, '"', 20);
        memcpy(text, mark + 10, (size_t)(end - mark - 10));
        uint64_t number;
        assert_true(lx_str_to_u64(lx_str_of(text), &number));
        world->version++;
        assert_true(world->version < MAX_EFFECTS);
        struct effect *effect = &world->effects[number];
        world->log[world->version] = (int)number;
        if (effect->reported) {
            bool may = effect->result == LX_E_UNKNOWN ||
                       (effect->result == LX_OK && effect->version == world->version);
            if (!may)
                fail_msg("version %" PRId64 " holds number %" PRIu64
                         ", which ended with %s at %" PRId64,
                         world->version, number, lx_status_name(effect->result), effect->version);
        }
        bool once = effect->kind == CHANGE;
        apply(world, effect);
        if (once)
            check_between(world, effect, world->version);
    }
}

/* Did a version take an ended segment from one that would forget it? It may have ended anew since,
 * so that the newest state does not tell. */
bool takes_ended(const struct effect *ours, const struct effect *theirs)
{
    for (size_t i = 0; i < ours->forget_count; i++) {
        if (theirs->forget_before > 0 ||
            in_list(theirs->revives, theirs->revive_count, ours->forgets[i]))
            return true;
    }
    return false;
}

/* -- comparing ----------------------------------------------------------------------------- */

static void check_segment(const struct world *world, const struct lx_segment *segment,
                          enum life life)
{
    int id = number_of(segment->id);
    const struct item *item = &world->items[id];
    bool same =
        item->life == life && strcmp(segment->source, sources[item->source]) == 0 &&
        strcmp(segment->partition, partitions[item->partition]) == 0 &&
        segment->min_block == item->min && segment->max_block == item->max &&
        segment->from == item->from && segment->to == item->to && segment->sum == item->rows &&
        segment->rows == (int64_t)__builtin_popcountll(item->rows) &&
        segment->ended_at == item->ended_at && segment->where_count == (size_t)(item->path >= 0);
    if (same && item->path >= 0)
        same = strcmp(segment->where[0].path, path_of(item->path)) == 0;
    if (!same)
        fail_msg("segment %d is not what the model has (life %d, ended at %" PRId64 ")", id,
                 (int)item->life, item->ended_at);
}

void check_state(struct world *world, int who)
{
    follow(world);
    const struct lx_ledger_state *now = lx_ledger_state(world->writers[who].ledger);
    assert_int_equal(now->version, world->version);
    size_t live = 0, ended = 0, files = 0;
    for (int id = 1; id < world->next_item; id++) {
        live += world->items[id].life == LIVE;
        ended += world->items[id].life == ENDED;
    }
    for (int path = 0; path < world->next_path; path++)
        files += world->listed[path];
    assert_int_equal(now->live_count, live);
    assert_int_equal(now->ended_count, ended);
    assert_int_equal(now->file_count, files);
    for (size_t i = 0; i < live; i++)
        check_segment(world, &now->live[i], LIVE);
    for (size_t i = 0; i < ended; i++)
        check_segment(world, &now->ended[i], ENDED);
    for (int path = 0; path < world->next_path; path++) {
        bool listed = lx_ledger_file(world->writers[who].ledger, path_of(path)) != NULL;
        bool gone = lx_ledger_was_removed(world->writers[who].ledger, path_of(path));
        assert_int_equal(listed, world->listed[path]);
        assert_int_equal(gone, world->removed[path]);
    }
}
