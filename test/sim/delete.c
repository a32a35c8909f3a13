/* What the archivers' own statements do to the table: judged at the instant they are executed,
 * which may be long after they were sent. */
#include "sim.h"

#include "base/alloc.h"
#include "base/civil.h"
#include "base/mutant.h"

#include <stdlib.h>
#include <string.h>

#define SYNC_SECONDS 3600 /* after that a drop is on the disk */

/* -- what is deleted and not recorded ------------------------------------------------------ */

static struct sim_limbo *open_limbo(struct sim_world *world, const struct sim_part *part)
{
    sim_witness_look(world->sim);
    world->limbo =
        sim_memory(lx_realloc(world->limbo, (world->limbo_count + 1) * sizeof *world->limbo));
    struct sim_limbo *limbo = &world->limbo[world->limbo_count++];
    *limbo = (struct sim_limbo){.uuid = world->uuid,
                                .min_block = part->min_block,
                                .max_block = part->max_block,
                                .first = INT64_MAX,
                                .last = INT64_MIN,
                                .version = world->sim->witness.version};
    memcpy(limbo->partition, part->partition, sizeof limbo->partition);
    return limbo;
}

void sim_source(uint64_t uuid, char text[64])
{
    snprintf(text, 64, "0/db.events/00000000-0000-4000-8000-%012d", (int)uuid);
}

static bool is_live(const struct lx_ledger_state *state, const struct sim_limbo *limbo)
{
    char source[64];
    sim_source(limbo->uuid, source);
    for (size_t i = 0; i < state->live_count; i++) {
        const struct lx_segment *segment = &state->live[i];
        if (segment->from <= limbo->last && limbo->first < segment->to &&
            lx_segment_touches(segment, source, limbo->partition, limbo->min_block,
                               limbo->max_block))
            return true;
    }
    return false;
}

void sim_recorded(struct sim_world *world, const struct lx_ledger_state *state)
{
    size_t kept = 0;
    for (size_t i = 0; i < world->limbo_count; i++) {
        if (state->version <= world->limbo[i].version || is_live(state, &world->limbo[i]))
            world->limbo[kept++] = world->limbo[i];
        else
            lx_free(world->limbo[i].contents.items);
    }
    world->limbo_count = kept;
}

/* `extra` counts no more once a column was dropped: then rows that differed in it are the same. */
static bool has(const struct sim_list *list, const struct sim_row *row)
{
    sim_content content = sim_pack(row) << 12 >> 12;
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i] << 12 >> 12 == content)
            return true;
    return false;
}

bool sim_confuses(const struct sim_world *world, const char *partition, int64_t min, int64_t max,
                  const struct sim_row *rows, size_t count)
{
    for (size_t i = 0; i < world->limbo_count; i++) {
        const struct sim_limbo *limbo = &world->limbo[i];
        /* Another table is compared as a whole. */
        if (limbo->uuid == world->uuid && (strcmp(limbo->partition, partition) != 0 ||
                                           limbo->min_block > max || min > limbo->max_block))
            continue;
        for (size_t r = 0; r < count; r++)
            if (has(&limbo->contents, &rows[r]))
                return true;
    }
    return false;
}

/* A row leaves by a statement of lynex: it must be old enough, and archived. */
static void leave(struct sim_world *world, struct sim_limbo *limbo, const struct sim_row *row,
                  int actor, int64_t due)
{
    char text[96];
    sim_list_add(&world->deleted, sim_pack(row));
    sim_list_add(&limbo->contents, sim_pack(row));
    limbo->first = row->time < limbo->first ? row->time : limbo->first;
    limbo->last = row->time > limbo->last ? row->time : limbo->last;
    if (row->time < due)
        return;
    sim_unpack(sim_pack(row), text, sizeof text);
    sim_fail(world->sim, "A%d deleted the row #%u %s before it was old enough", actor, row->uid,
             text);
}

/* -- DROP PART ----------------------------------------------------------------------------- */

static void forget_synced(struct sim_world *world)
{
    size_t kept = 0;
    for (size_t i = 0; i < world->dropped_count; i++) {
        if (world->dropped[i].at + SYNC_SECONDS <= world->sim->now_ms / 1000)
            sim_part_free(world->dropped[i].part);
        else
            world->dropped[kept++] = world->dropped[i];
    }
    world->dropped_count = kept;
}

static void keep_dropped(struct sim_world *world, struct sim_part *part)
{
    forget_synced(world);
    if (!world->power || world->dropped_count == 3) {
        sim_part_free(part);
        return;
    }
    world->dropped[world->dropped_count++] =
        (struct sim_dropped){world->uuid, part, world->sim->now_ms / 1000};
}

bool sim_drop_now(struct sim_world *world, const char *name, int actor, int64_t due)
{
    struct sim_part *part = sim_find_part(world, name);
    if (part == NULL)
        return false;
    struct sim_limbo *limbo = open_limbo(world, part);
    for (size_t r = 0; r < part->count; r++)
        leave(world, limbo, &part->rows[r], actor, due);
    sim_say(world->sim, "ClickHouse: drops %s for A%d", name, actor);
    sim_take_part(world, part);
    keep_dropped(world, part);
    world->sim->totals->drops++;
    sim_check_deleted(world->sim);
    return true;
}

void sim_run_late_drop(struct sim_world *world)
{
    struct sim_late_drop drop = world->late_drops[0];
    world->late_drop_count--;
    memmove(&world->late_drops[0], &world->late_drops[1],
            world->late_drop_count * sizeof world->late_drops[0]);
    if (drop.uuid == world->uuid)
        sim_drop_now(world, drop.part, drop.actor, drop.due);
}

static bool covered(const struct sim_world *world, const struct sim_part *part)
{
    for (size_t i = 0; i < world->count; i++)
        if (strcmp(world->parts[i]->partition, part->partition) == 0 &&
            world->parts[i]->min_block <= part->max_block &&
            part->min_block <= world->parts[i]->max_block)
            return true;
    return false;
}

/* The server loses power: drops that it had acknowledged and not synced are undone. */
void sim_power_loss(struct sim_world *world)
{
    size_t kept = 0, back = 0;
    int64_t now = world->sim->now_ms / 1000;
    forget_synced(world);
    /* What came back is told by the last start of the server alone: none within the hour after. */
    if (world->back_since != 0 && now - world->back_since >= SYNC_SECONDS)
        return;
    for (size_t i = 0; i < world->dropped_count; i++) {
        struct sim_dropped *dropped = &world->dropped[i];
        if (dropped->uuid != world->uuid || covered(world, dropped->part)) {
            sim_part_free(dropped->part);
        } else if (sim_chance(&world->sim->rng, 70)) {
            for (size_t r = 0; r < dropped->part->count; r++)
                sim_list_remove(&world->deleted, sim_pack(&dropped->part->rows[r]));
            sim_add_part(world, dropped->part);
            if (world->back_since == 0 || dropped->at < world->back_since)
                world->back_since = dropped->at;
            back++;
        } else {
            world->dropped[kept++] = *dropped;
        }
    }
    world->dropped_count = kept;
    world->started_at = now;
    sim_say(world->sim, "world: power loss, %zu parts are back", back);
}

/* -- masks --------------------------------------------------------------------------------- */

bool sim_reads_are_blocked(const struct sim_world *world)
{
    for (size_t m = 0; m < world->pending_count; m++)
        for (size_t i = 0; i < world->count; i++)
            if (strcmp(world->parts[i]->partition, world->pending[m]->partition) == 0 &&
                world->parts[i]->max_block < world->pending[m]->version)
                return true;
    return false;
}

static bool guard_holds(struct sim_world *world, struct sim_part *part,
                        const struct sim_target *target)
{
    const uint64_t *hashes = sim_part_hashes(part, target->schema);
    int64_t rows = 0, strange = 0;
    uint64_t sum = 0, xor = 0;
    for (size_t r = 0; r < part->count; r++) {
        if (part->rows[r].time >= target->to)
            continue;
        rows++;
        strange += sim_strange(world, &part->rows[r], target->schema);
        sum += hashes[r];
        xor ^= hashes[r];
    }
    return (rows == target->rows && sum == target->sum && xor == target->xor &&strange == 0) ||
           lx_mutant("mask-without-guard");
}

static void mask_part(struct sim_world *world, struct sim_part *part,
                      const struct sim_mutation *mutation, const struct sim_target *target)
{
    struct sim_limbo *limbo = open_limbo(world, part);
    size_t kept = 0;
    for (size_t r = 0; r < part->count; r++) {
        if (part->rows[r].time < target->to)
            leave(world, limbo, &part->rows[r], mutation->actor, mutation->due);
        else
            part->rows[kept++] = part->rows[r];
    }
    sim_say(world->sim, "ClickHouse: masks %zu rows of %s for A%d", part->count - kept,
            target->part, mutation->actor);
    part->count = kept;
    sim_part_changed(part);
    world->sim->totals->masks++;
}

/* May the statement's guard be computed at all? Its columns may be gone. */
static bool can_compute(const struct sim_world *world, const struct lx_row_schema *schema)
{
    for (size_t i = 0; i < schema->field_count; i++)
        if (sim_slot(world, schema->fields[i].name) < 0)
            return false;
    return true;
}

static void apply_target(struct sim_world *world, const struct sim_mutation *mutation,
                         const struct sim_target *target)
{
    for (size_t i = 0; i < world->count; i++) {
        struct sim_part *part = world->parts[i];
        char name[64];
        sim_part_name(part, name);
        if (strcmp(part->partition, mutation->partition) != 0 ||
            part->max_block >= mutation->version)
            continue;
        if (strcmp(name, target->part) != 0 && !lx_mutant("delete-by-range"))
            continue;
        if (lx_mutant("delete-by-range") ||
            (can_compute(world, target->schema) && guard_holds(world, part, target)))
            mask_part(world, part, mutation, target);
        else
            world->sim->totals->masks_refused++;
    }
}

void sim_run_mutation(struct sim_world *world)
{
    struct sim_mutation *mutation = world->pending[0];
    world->pending_count--;
    memmove(&world->pending[0], &world->pending[1],
            world->pending_count * sizeof world->pending[0]);
    if (mutation->uuid == world->uuid) {
        for (size_t t = 0; t < mutation->count; t++)
            apply_target(world, mutation, &mutation->targets[t]);
        for (size_t i = 0; i < world->count; i++)
            if (strcmp(world->parts[i]->partition, mutation->partition) == 0 &&
                world->parts[i]->max_block < mutation->version)
                world->parts[i]->mutation = mutation->version;
        sim_drop_empty(world);
        sim_check_deleted(world->sim);
    }
    lx_free(mutation);
}
