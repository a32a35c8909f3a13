/* Random histories of several writers on one log, against a model of plain lists.
 *
 * Writers plan on what they last read, others act at any request of theirs and between plan and
 * commit, answers are lost, requests land late, reads fail, writers die and start anew. Each commit
 * carries a number; what the log holds is read from the bucket itself, and the numbers' meanings
 * are applied to lists, by rules written down here a second time. Then:
 *   - what was reported as written is there, at that version; what failed is not; what is unknown
 *     is there once at most;
 *   - every state that a ledger shows is the lists' at that version;
 *   - no commit came through that others' commits forbade, and none was given up without a cause;
 *   - no segment ends twice, no path comes back, no two live segments hold the same rows.
 *
 * LYNEX_SEED and LYNEX_HISTORIES choose others than the default. */
#include "ledger_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    WRITERS = 4,
    STEPS = 200,
    MAX_EFFECTS = 8 * STEPS,
    MAX_SEGMENTS = 16 * STEPS,
    MAX_PATHS = 8 * STEPS,
    MAX_LIST = 24,
    NO_FILE = -1
};

static const char *const sources[] = {SOURCE, SWAPPED, ELSEWHERE};
static const char *const partitions[] = {"202601", "all"};

enum life { UNBORN, LIVE, ENDED, FORGOTTEN };

struct item { /* a segment of the model; its index is its id */
    enum life life;
    int source, partition;
    int64_t min, max, from, to, ended_at;
    uint64_t rows; /* a set, a bit each */
    int path;
    bool revived;
};

/* What a commit shall do. */
struct effect {
    int writer;
    enum { CHANGE, GONE } kind;
    bool has_base, whole_table;
    int64_t base;
    int64_t ended_at, forget_before;
    int forget_source;
    int adds[MAX_LIST], ends[MAX_LIST], replaces[MAX_LIST], revives[MAX_LIST], forgets[MAX_LIST];
    int add_paths[MAX_LIST], remove_paths[MAX_LIST];
    size_t add_count, end_count, replace_count, revive_count, forget_count;
    size_t add_path_count, remove_path_count;
    struct item born[MAX_LIST]; /* of adds */
    /* GONE: which live segment was reduced to which new one, in the last try. */
    int held[MAX_LIST], reduced[MAX_LIST];
    size_t reduced_count;
    uint64_t rest;
    enum lx_status result;
    int64_t version; /* as reported */
    bool reported, seen;
};

struct world {
    struct fixture *fixture;
    struct writer writers[WRITERS];
    bool busy[WRITERS];
    int64_t opened_at[WRITERS];
    int depth;
    uint64_t faults;        /* one in so many requests fails; 0: none */
    unsigned away[WRITERS]; /* so many of its next requests fail, whatever they are */
    /* the model */
    struct item items[MAX_SEGMENTS];
    bool listed[MAX_PATHS], removed[MAX_PATHS];
    int next_item, next_path;
    struct effect effects[MAX_EFFECTS];
    int next_effect;
    int log[MAX_EFFECTS]; /* version -> effect; -1: version 0 */
    int64_t version;
    int64_t clock;
    uint64_t operations, conflicts, unknown;
};

static uint64_t pick(struct world *world, uint64_t below)
{
    return fixture_next(world->fixture) % below;
}

static const char *path_of(int path)
{
    static char texts[64][40];
    static unsigned next;
    char *text = texts[next++ % 64];
    snprintf(text, sizeof texts[0], "events/f%d.parquet", path);
    return text;
}

static int number_of(const char *id)
{
    uint64_t number;
    assert_true(lx_str_to_hex64((struct lx_str){id + 16, 16}, &number));
    return (int)number;
}

/* -- the rules, a second time ------------------------------------------------------------------ */

static bool same_place(const struct item *a, const struct item *b)
{
    return a->source == b->source && a->partition == b->partition && a->min <= b->max &&
           b->min <= a->max;
}

static bool in_list(const int *list, size_t count, int what)
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
static bool forbids(const struct world *world, const struct effect *ours,
                    const struct effect *theirs)
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
static bool contradicts(const struct world *world, const struct effect *ours)
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

/* -- applying what the log holds --------------------------------------------------------------- */

/* Which live segments a record reduces; turns it into a change of the same meaning. */
static void apply_gone(struct world *world, struct effect *effect)
{
    int taken[MAX_LIST];
    size_t taken_count = effect->end_count;
    uint64_t rest = 0;
    memcpy(taken, effect->ends, sizeof taken);
    effect->end_count = 0;
    for (size_t i = 0; i < taken_count; i++) {
        if (world->items[taken[i]].life == LIVE)
            effect->ends[effect->end_count++] = taken[i];
        else
            rest |= world->items[taken[i]].rows;
    }
    for (size_t i = 0; i < effect->reduced_count; i++) {
        int id = effect->held[i], next = effect->reduced[i];
        struct item *item = &world->items[id];
        bool near_lost = false;
        for (size_t j = 0; j < taken_count; j++)
            near_lost = near_lost || (world->items[taken[j]].life != LIVE &&
                                      same_place(item, &world->items[taken[j]]));
        uint64_t both = rest & item->rows;
        if (item->life != LIVE || !near_lost || both == 0)
            fail_msg("number %d took rows of segment %d: life %d, near %d, rows %" PRIx64,
                     (int)(effect - world->effects), id, (int)item->life, near_lost, both);
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
        if (item->life != LIVE || (item->rows & rest) == 0 || in_list(taken, taken_count, id) ||
            in_list(effect->held, effect->reduced_count, id))
            continue;
        for (size_t j = 0; j < taken_count; j++)
            assert_false(world->items[taken[j]].life != LIVE &&
                         same_place(item, &world->items[taken[j]]));
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
static void follow(struct world *world)
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

/* -- comparing --------------------------------------------------------------------------------- */

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

static void check_state(struct world *world, int who)
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

/* -- doing ------------------------------------------------------------------------------------- */

static void act(struct world *world, int who);

static int idle_writer(struct world *world)
{
    int start = (int)pick(world, WRITERS);
    for (int i = 0; i < WRITERS; i++) {
        int who = (start + i) % WRITERS;
        if (!world->busy[who] && world->writers[who].ledger != NULL)
            return who;
    }
    return -1;
}

/* Others act now, perhaps. */
static void let_others(struct world *world, uint64_t one_in)
{
    if (world->depth >= 3 || pick(world, one_in) != 0)
        return;
    int who = idle_writer(world);
    if (who < 0 || world->next_effect + WRITERS > MAX_EFFECTS - 8 ||
        world->next_item + 4 * MAX_LIST > MAX_SEGMENTS || world->next_path + 8 > MAX_PATHS)
        return;
    world->depth++;
    act(world, who);
    world->depth--;
}

static struct lx_mem_verdict fate(void *context, const struct lx_mem_call *call)
{
    struct world *world = context;
    struct lx_mem_verdict done = {LX_MEM_DONE, LX_OK};
    let_others(world, 12);
    if (pick(world, 20) == 0)
        lx_mem_bucket_land(world->fixture->bucket);
    if (world->faults == 0)
        return done;
    if (pick(world, 500) == 0)
        world->away[call->client] = 1 + (unsigned)pick(world, 40);
    if (world->away[call->client] > 0)
        world->away[call->client]--;
    else if (pick(world, world->faults) != 0)
        return done;
    if (call->op != LX_MEM_PUT)
        return (struct lx_mem_verdict){LX_MEM_REFUSED, LX_E_NETWORK};
    static const enum lx_mem_fate fates[] = {LX_MEM_LOST_BEFORE, LX_MEM_LOST_AFTER, LX_MEM_LATE};
    return (struct lx_mem_verdict){fates[pick(world, 3)], LX_OK};
}

static void reopen(struct world *world, int who)
{
    struct lx_err err = LX_ERR_INIT;
    if (world->writers[who].ledger != NULL)
        writer_close(&world->writers[who]);
    /* The hook stays out of it: opening is tested where it fails elsewhere. */
    lx_mem_bucket_hook(world->fixture->bucket, NULL, NULL);
    CHECK(LX_OK, &err, writer_open(world->fixture, who, &world->writers[who], &err));
    lx_mem_bucket_hook(world->fixture->bucket, fate, world);
    world->opened_at[who] = lx_ledger_state(world->writers[who].ledger)->version;
}

static struct effect *new_effect(struct world *world, int who)
{
    struct effect *effect = &world->effects[world->next_effect++];
    *effect = (struct effect){.writer = who, .version = -1};
    return effect;
}

static json_t *marker_of(const struct world *world, const struct effect *effect)
{
    char text[24];
    snprintf(text, sizeof text, "%d", (int)(effect - world->effects));
    return json_pack("{s:s}", "marker", text);
}

static void report(struct world *world, struct effect *effect, enum lx_status status,
                   int64_t version, const struct lx_err *err)
{
    effect->result = status;
    effect->version = version;
    effect->reported = true;
    world->operations++;
    world->conflicts += status == LX_E_CONFLICT;
    world->unknown += status == LX_E_UNKNOWN;
    if (status != LX_OK && status != LX_E_CONFLICT && status != LX_E_UNKNOWN &&
        status != LX_E_NETWORK)
        fail_msg("number %d: %s: %s", (int)(effect - world->effects), lx_status_name(status),
                 err->text);
    follow(world);
    bool recorded_by_others = status == LX_OK && effect->kind == GONE;
    if (effect->seen && effect->result != LX_OK && effect->result != LX_E_UNKNOWN)
        fail_msg("number %d failed, but was written", (int)(effect - world->effects));
    if (!effect->seen && effect->result == LX_OK && !recorded_by_others)
        fail_msg("number %d was not written", (int)(effect - world->effects));
    if (effect->seen && effect->result == LX_OK)
        assert_int_equal(world->log[version], (int)(effect - world->effects));
}

/* Did a version take an ended segment from one that would forget it? It may have ended anew since,
 * so that the newest state does not tell. */
static bool takes_ended(const struct effect *ours, const struct effect *theirs)
{
    for (size_t i = 0; i < ours->forget_count; i++) {
        if (theirs->forget_before > 0 ||
            in_list(theirs->revives, theirs->revive_count, ours->forgets[i]))
            return true;
    }
    return false;
}

/* Was there a cause to give it up? */
static void check_cause(const struct world *world, const struct effect *effect,
                        const struct lx_err *err)
{
    bool cause = effect->base < world->opened_at[effect->writer] || contradicts(world, effect);
    for (int64_t v = effect->base + 1; v <= world->version && !cause; v++) {
        const struct effect *theirs = world->log[v] >= 0 ? &world->effects[world->log[v]] : NULL;
        /* What a writer does not know to be its own is another's to it. */
        cause = theirs != NULL && (forbids(world, effect, theirs) || takes_ended(effect, theirs)) &&
                (theirs->writer != effect->writer || theirs->result == LX_E_UNKNOWN);
    }
    if (!cause)
        fail_msg("number %d was given up without a cause: %s", (int)(effect - world->effects),
                 err->text);
}

struct texts {
    struct lx_segment adds[MAX_LIST];
    struct lx_where where[MAX_LIST];
    char paths[2 * MAX_LIST][40], ids[4 * MAX_LIST][LX_LEDGER_ID];
    struct lx_ledger_file files[MAX_LIST];
    const char *removes[MAX_LIST], *ends[MAX_LIST], *replaces[MAX_LIST], *revives[MAX_LIST],
        *forgets[MAX_LIST];
    size_t id_count, path_count;
};

static const char *keep_path(struct texts *texts, int path)
{
    char *text = texts->paths[texts->path_count++];
    snprintf(text, sizeof texts->paths[0], "%s", path_of(path));
    return text;
}

static void keep_ids(struct texts *texts, const int *ids, size_t count, const char **out)
{
    for (size_t i = 0; i < count; i++) {
        char *text = texts->ids[texts->id_count++];
        snprintf(text, LX_LEDGER_ID, "%032x", (unsigned)ids[i]);
        out[i] = text;
    }
}

static void fill_segment(struct texts *texts, const struct item *born, unsigned id,
                         struct lx_where *where, struct lx_segment *segment)
{
    *segment =
        segment_of(id, sources[born->source], partitions[born->partition], born->min, born->max,
                   born->from, born->to, (int64_t)__builtin_popcountll(born->rows));
    segment->sum = born->rows;
    if (born->path < 0)
        return;
    *where =
        (struct lx_where){(char *)(uintptr_t)keep_path(texts, born->path), false, 0, segment->rows};
    segment->where = where;
    segment->where_count = 1;
}

static void commit(struct world *world, int who, struct effect *effect)
{
    static struct texts pool[4]; /* one a depth: others act while this one commits */
    struct texts *texts = &pool[world->depth];
    struct lx_err err = LX_ERR_INIT;
    *texts = (struct texts){0};
    struct lx_change change = {.operation = "TEST",
                               .has_base = effect->has_base,
                               .base_version = effect->base,
                               .whole_table = effect->whole_table,
                               .ended_at = effect->ended_at,
                               .forget_ended_before = effect->forget_before};
    if (effect->forget_before > 0)
        change.source = sources[effect->forget_source];
    for (size_t i = 0; i < effect->add_count; i++)
        fill_segment(texts, &effect->born[i], (unsigned)effect->adds[i], &texts->where[i],
                     &texts->adds[i]);
    for (size_t i = 0; i < effect->add_path_count; i++)
        texts->files[i] = file_of(keep_path(texts, effect->add_paths[i]), 1);
    for (size_t i = 0; i < effect->remove_path_count; i++)
        texts->removes[i] = keep_path(texts, effect->remove_paths[i]);
    keep_ids(texts, effect->ends, effect->end_count, texts->ends);
    keep_ids(texts, effect->replaces, effect->replace_count, texts->replaces);
    keep_ids(texts, effect->revives, effect->revive_count, texts->revives);
    keep_ids(texts, effect->forgets, effect->forget_count, texts->forgets);
    change.add_segments = texts->adds;
    change.add_segment_count = effect->add_count;
    change.add_files = texts->files;
    change.add_file_count = effect->add_path_count;
    change.remove_paths = texts->removes;
    change.remove_path_count = effect->remove_path_count;
    change.end_segments = texts->ends;
    change.end_segment_count = effect->end_count;
    change.replace_segments = texts->replaces;
    change.replace_segment_count = effect->replace_count;
    change.revive_segments = texts->revives;
    change.revive_segment_count = effect->revive_count;
    change.forget_segments = texts->forgets;
    change.forget_segment_count = effect->forget_count;
    change.info = marker_of(world, effect);
    int64_t version = -1;
    enum lx_status status = lx_ledger_commit(world->writers[who].ledger, &change, &version, &err);
    json_decref(change.info);
    report(world, effect, status, version, &err);
    if (status == LX_E_CONFLICT)
        check_cause(world, effect, &err);
}

/* -- what writers do --------------------------------------------------------------------------- */

static const struct lx_ledger_state *state_of(const struct world *world, int who)
{
    return lx_ledger_state(world->writers[who].ledger);
}

static void plan_on(struct world *world, int who, struct effect *effect)
{
    effect->has_base = true; /* the ledger's own default is tested in test_ledger_commit */
    effect->base = state_of(world, who)->version;
}

static void bear(struct world *world, struct effect *effect, const struct item *item)
{
    effect->adds[effect->add_count] = world->next_item++;
    effect->born[effect->add_count++] = *item;
}

static int new_path(struct world *world, struct effect *effect)
{
    int path = world->next_path++;
    effect->add_paths[effect->add_path_count++] = path;
    return path;
}

/* Ends what the part meets, growing with it, and puts one or two days in its place. */
static void archive(struct world *world, int who)
{
    struct effect *effect = new_effect(world, who);
    const struct lx_ledger_state *state = state_of(world, who);
    plan_on(world, who, effect);
    struct item part = {.source = (int)pick(world, 3), .partition = (int)pick(world, 2)};
    part.min = (int64_t)pick(world, 30);
    part.max = part.min + (int64_t)pick(world, 3);
    uint64_t rows = 0;
    bool grown = true;
    while (grown) {
        grown = false;
        for (size_t i = 0; i < state->live_count; i++) {
            const struct lx_segment *held = &state->live[i];
            int id = number_of(held->id);
            if (in_list(effect->ends, effect->end_count, id) ||
                !lx_segment_touches(held, sources[part.source], partitions[part.partition],
                                    part.min, part.max) ||
                effect->end_count >= MAX_LIST)
                continue;
            effect->ends[effect->end_count++] = id;
            part.min = held->min_block < part.min ? held->min_block : part.min;
            part.max = held->max_block > part.max ? held->max_block : part.max;
            rows |= held->sum;
            grown = true;
        }
    }
    if (effect->end_count >= MAX_LIST)
        effect->end_count = 0; /* too many to be planned: then it is a contradiction, and refused */
    if (effect->end_count == 0 && rows != 0) {
        world->next_effect--;
        return;
    }
    part.path = pick(world, 4) != 0 ? new_path(world, effect) : NO_FILE;
    part.from = 0;
    part.to = 10;
    part.rows = rows | fixture_next(world->fixture) | 1;
    bear(world, effect, &part);
    if (pick(world, 3) == 0) {
        part.from = 10;
        part.to = 20;
        part.rows = fixture_next(world->fixture) | 1;
        bear(world, effect, &part);
    }
    effect->whole_table = pick(world, 10) == 0;
    let_others(world, 3);
    commit(world, who, effect);
}

/* Ends some live segments: their rows went. */
static void end_some(struct world *world, int who)
{
    const struct lx_ledger_state *state = state_of(world, who);
    if (state->live_count == 0)
        return;
    struct effect *effect = new_effect(world, who);
    plan_on(world, who, effect);
    effect->ended_at = ++world->clock;
    for (uint64_t n = 1 + pick(world, 3); n > 0; n--) {
        int id = number_of(state->live[pick(world, state->live_count)].id);
        if (!in_list(effect->ends, effect->end_count, id))
            effect->ends[effect->end_count++] = id;
    }
    if (pick(world, 4) == 0) {
        effect->forget_before = world->clock > 20 ? world->clock - 20 : 0;
        effect->forget_source = (int)pick(world, 3);
    }
    let_others(world, 3);
    commit(world, who, effect);
}

struct gone_context {
    struct world *world;
    struct effect *effect;
    bool filled;
};

static void gone_restart(void *context)
{
    struct gone_context *gone = context;
    gone->filled = false;
    gone->effect->reduced_count = 0;
}

static enum lx_status gone_reduce(void *context, const struct lx_segment *held,
                                  const struct lx_segment *const *lost, size_t lost_count,
                                  bool *took, struct lx_segment *reduced, struct lx_err *err)
{
    struct gone_context *gone = context;
    struct effect *effect = gone->effect;
    (void)err;
    if (!gone->filled) {
        effect->rest = 0;
        for (size_t i = 0; i < lost_count; i++)
            effect->rest |= lost[i]->sum;
        gone->filled = true;
    }
    uint64_t both = effect->rest & held->sum;
    if (both == 0 || effect->reduced_count >= MAX_LIST)
        return LX_OK;
    effect->rest &= ~both;
    *took = true;
    effect->held[effect->reduced_count] = number_of(held->id);
    effect->reduced[effect->reduced_count++] = gone->world->next_item;
    struct lx_segment left = *held;
    struct lx_where where;
    left.sum &= ~both;
    left.rows = (int64_t)__builtin_popcountll(left.sum);
    snprintf(left.id, sizeof left.id, "%032x", (unsigned)gone->world->next_item++);
    if (left.where_count > 0) { /* a side object would stand here; the file's rows do as well */
        where = left.where[0];
        where.rows = left.rows;
        left.where = &where;
    }
    return lx_segment_copy(&left, reduced);
}

/* Deletes the rows of some segments, and records it after others acted. */
static void record(struct world *world, int who)
{
    const struct lx_ledger_state *state = state_of(world, who);
    struct lx_segment taken[2];
    struct lx_err err = LX_ERR_INIT;
    size_t count = 0;
    if (state->live_count == 0)
        return;
    struct effect *effect = new_effect(world, who);
    effect->kind = GONE;
    effect->ended_at = ++world->clock;
    for (size_t i = 0; i < 2; i++) {
        const struct lx_segment *segment = &state->live[pick(world, state->live_count)];
        if (in_list(effect->ends, effect->end_count, number_of(segment->id)))
            continue;
        assert_int_equal(lx_segment_copy(segment, &taken[count++]), LX_OK);
        effect->ends[effect->end_count++] = number_of(segment->id);
    }
    let_others(world, 2);
    let_others(world, 2);
    struct gone_context context = {world, effect, false};
    struct lx_gone gone = {.operation = "DELETE",
                           .info = marker_of(world, effect),
                           .ended_at = effect->ended_at,
                           .taken = taken,
                           .taken_count = count,
                           .context = &context,
                           .restart = gone_restart,
                           .reduce = gone_reduce};
    int64_t version = -1;
    enum lx_status status =
        lx_ledger_record_gone(world->writers[who].ledger, &gone, &version, &err);
    json_decref(gone.info);
    for (size_t i = 0; i < count; i++)
        lx_segment_free(&taken[i]);
    assert_int_not_equal(status, LX_E_CONFLICT);
    if (status == LX_OK) { /* perhaps others said it all, and nothing was written */
        follow(world);
        if (!effect->seen) {
            effect->reported = true;
            effect->result = LX_E_CONFLICT; /* must never be seen */
            world->operations++;
            return;
        }
    }
    report(world, effect, status, version, &err);
}

static void revive_or_forget(struct world *world, int who)
{
    const struct lx_ledger_state *state = state_of(world, who);
    if (state->ended_count == 0)
        return;
    struct effect *effect = new_effect(world, who);
    plan_on(world, who, effect);
    int id = number_of(state->ended[pick(world, state->ended_count)].id);
    if (pick(world, 2) == 0)
        effect->revives[effect->revive_count++] = id;
    else
        effect->forgets[effect->forget_count++] = id;
    let_others(world, 3);
    commit(world, who, effect);
}

static bool is_named(const struct lx_ledger_state *state, const char *path)
{
    for (size_t i = 0; i < state->live_count + state->ended_count; i++) {
        const struct lx_segment *segment =
            i < state->live_count ? &state->live[i] : &state->ended[i - state->live_count];
        if (segment->where_count > 0 && strcmp(segment->where[0].path, path) == 0)
            return true;
    }
    return false;
}

/* Fences a path that was never listed, or takes out a file that nobody needs. */
static void vacuum(struct world *world, int who)
{
    const struct lx_ledger_state *state = state_of(world, who);
    struct effect *effect = new_effect(world, who);
    plan_on(world, who, effect);
    if (pick(world, 2) == 0)
        effect->remove_paths[effect->remove_path_count++] = world->next_path++;
    for (size_t i = 0; i < state->file_count && effect->remove_path_count < 3; i++) {
        uint64_t path;
        const char *digits = state->files[i].path + strlen("events/f");
        if (pick(world, 3) != 0 || is_named(state, state->files[i].path))
            continue;
        assert_true(lx_str_to_u64((struct lx_str){digits, strcspn(digits, ".")}, &path));
        effect->remove_paths[effect->remove_path_count++] = (int)path;
    }
    let_others(world, 3);
    commit(world, who, effect);
}

/* Moves a segment's rows to another file. */
static void compact(struct world *world, int who)
{
    const struct lx_ledger_state *state = state_of(world, who);
    if (state->live_count == 0)
        return;
    const struct lx_segment *held = &state->live[pick(world, state->live_count)];
    struct effect *effect = new_effect(world, who);
    plan_on(world, who, effect);
    int id = number_of(held->id);
    effect->replaces[effect->replace_count++] = id;
    struct item moved = {.min = held->min_block,
                         .max = held->max_block,
                         .from = held->from,
                         .to = held->to,
                         .rows = held->sum};
    while (strcmp(held->source, sources[moved.source]) != 0)
        moved.source++;
    while (strcmp(held->partition, partitions[moved.partition]) != 0)
        moved.partition++;
    moved.path = new_path(world, effect);
    bear(world, effect, &moved);
    /* Revived ones may overlap; then a new one in their place would be refused. */
    for (size_t i = 0; i < state->live_count; i++) {
        const struct lx_segment *other = &state->live[i];
        if (other != held && other->from < held->to && held->from < other->to &&
            lx_segment_touches(other, held->source, held->partition, held->min_block,
                               held->max_block)) {
            world->next_effect--;
            return;
        }
    }
    let_others(world, 3);
    commit(world, who, effect);
}

static void refresh(struct world *world, int who)
{
    struct lx_err err = LX_ERR_INIT;
    enum lx_status status = lx_ledger_refresh(world->writers[who].ledger, &err);
    if (status != LX_OK)
        check_status(status, LX_E_NETWORK, &err, "refresh", __LINE__);
}

static void act(struct world *world, int who)
{
    assert_false(world->busy[who]);
    world->busy[who] = true;
    switch (pick(world, 16)) {
    case 0:
    case 1:
    case 2:
    case 3: archive(world, who); break;
    case 4:
    case 5: end_some(world, who); break;
    case 6:
    case 7:
    case 8: record(world, who); break;
    case 9:
    case 10: revive_or_forget(world, who); break;
    case 11: vacuum(world, who); break;
    case 12:
    case 13: compact(world, who); break;
    case 14:
        if (pick(world, 4) == 0) { /* it died */
            reopen(world, who);
            break;
        }
        refresh(world, who);
        break;
    default: refresh(world, who); break;
    }
    world->busy[who] = false;
}

static void make_world(struct world *world, struct fixture *fixture, uint64_t seed)
{
    struct lx_err err = LX_ERR_INIT;
    *world = (struct world){.fixture = fixture, .version = -1, .next_item = 1};
    fixture->seed = seed;
    world->log[0] = -1;
    world->faults = seed % 3 == 0 ? 0 : 12 + seed % 30;
    struct effect *first = new_effect(world, -1);
    struct lx_change change = first_change(fixture);
    change.info = marker_of(world, first);
    CHECK(LX_OK, &err, writer_open(fixture, 0, &world->writers[0], &err));
    CHECK(LX_OK, &err, lx_ledger_commit(world->writers[0].ledger, &change, NULL, &err));
    json_decref(change.info);
    for (int who = 0; who < WRITERS; who++)
        reopen(world, who);
    lx_mem_bucket_hook(fixture->bucket, fate, world);
    follow(world);
}

/* All that is late lands; all writers read; all see the same. */
static void finish(struct world *world)
{
    struct lx_err err = LX_ERR_INIT;
    lx_mem_bucket_hook(world->fixture->bucket, NULL, NULL);
    lx_mem_bucket_land(world->fixture->bucket);
    for (int who = 0; who < WRITERS; who++) {
        CHECK(LX_OK, &err, lx_ledger_refresh(world->writers[who].ledger, &err));
        check_state(world, who);
        writer_close(&world->writers[who]);
    }
    for (int i = 1; i < world->next_effect; i++) {
        const struct effect *effect = &world->effects[i];
        assert_true(!effect->reported || effect->result != LX_OK || effect->seen);
    }
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    uint64_t number = otherwise;
    if (text != NULL)
        assert_true(lx_str_to_u64(lx_str_of(text), &number));
    return number;
}

static void test_histories(void **state)
{
    static struct world world;
    uint64_t first = number_from("LYNEX_SEED", 1), count = number_from("LYNEX_HISTORIES", 250);
    uint64_t operations = 0, conflicts = 0, unknown = 0, versions = 0;
    (void)state;
    for (uint64_t seed = first; seed < first + count; seed++) {
        void *made;
        assert_int_equal(fixture_setup(&made), 0);
        make_world(&world, made, seed);
        fprintf(stderr, "\rseed %" PRIu64 " ", seed);
        for (int step = 0; step < STEPS; step++) {
            if (world.next_effect + 32 > MAX_EFFECTS || world.next_path + 32 > MAX_PATHS ||
                world.next_item + 8 * MAX_LIST > MAX_SEGMENTS)
                break;
            int who = idle_writer(&world);
            act(&world, who);
            who = (int)pick(&world, WRITERS);
            if (lx_ledger_state(world.writers[who].ledger)->version == world.version)
                check_state(&world, who);
        }
        finish(&world);
        operations += world.operations;
        conflicts += world.conflicts;
        unknown += world.unknown;
        versions += (uint64_t)world.version + 1;
        fixture_teardown(&made);
    }
    fprintf(stderr,
            "%" PRIu64 " commits tried, %" PRIu64 " versions, %" PRIu64 " conflicts, %" PRIu64
            " unknown\n",
            operations, versions, conflicts, unknown);
    assert_true(count < 100 || (conflicts > operations / 50 && versions > operations / 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_histories)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
