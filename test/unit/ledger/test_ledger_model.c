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
#include "ledger_model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t pick(struct world *world, uint64_t below)
{
    return fixture_next(world->fixture) % below;
}

/* -- doing --------------------------------------------------------------------------------- */

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

/* -- what writers do ----------------------------------------------------------------------- */

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
