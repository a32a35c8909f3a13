/* What others do to the table: inserts, merges, updates, deletes, TTL, swaps, power loss. */
#include "sim.h"

#include "base/alloc.h"
#include "base/civil.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_FIRST 1

/* -- inserts ------------------------------------------------------------------------------- */

static void partition_of(const struct sim_world *world, const struct sim_row *row, char text[8])
{
    /* 2026-03-01 is two days and a bit after the first day. */
    const char *month = row->time >= (SIM_FIRST_DAY + 3) * LX_DAY_SECONDS ? "202603" : "202602";
    snprintf(text, 8, "%s", world->by_month ? month : "all");
}

static bool new_row(struct sim_world *world, struct sim_row *row)
{
    static const int64_t moments[] = {0, 3600, 43200, 86399};
    struct sim_rng *rng = &world->sim->rng;
    if (world->ever_count == SIM_ROWS)
        return false;
    uint32_t uid = world->ever_count;
    *row = (struct sim_row){
        .time = (SIM_FIRST_DAY + sim_below(rng, SIM_DAYS)) * LX_DAY_SECONDS +
                moments[sim_below(rng, 4)],
        .key = world->twins ? sim_below(rng, 3) : uid,
        .value = sim_below(rng, 2),
        .extra = world->has_extra ? sim_below(rng, 3) : 0,
        .uid = uid,
    };
    return true;
}

static void remember(struct sim_world *world, const struct sim_row *row)
{
    world->ever[row->uid].content = sim_pack(row);
    sim_list_add(&world->all_versions, sim_pack(row));
}

/* An exact copy of some row that was ever there, archived or not. */
static bool twin_row(struct sim_world *world, struct sim_row *row)
{
    struct sim_rng *rng = &world->sim->rng;
    if (world->ever_count == 0 || world->ever_count == SIM_ROWS)
        return false;
    const struct sim_ever *ever = &world->ever[sim_below(rng, world->ever_count)];
    if (ever->touched)
        return false;
    *row = (struct sim_row){
        .time = SIM_FIRST_DAY * LX_DAY_SECONDS + (int64_t)(ever->content & 0xfffff),
        .key = (uint32_t)(ever->content >> 20 & 0xffff),
        .value = (uint32_t)(ever->content >> 36 & 0xffff),
        .extra = world->has_extra ? (uint32_t)(ever->content >> 52) : 0,
        .uid = world->ever_count,
    };
    return true;
}

/* One block of an insert: its rows of one partition become a part. */
static void insert_rows(struct sim_world *world, const struct sim_row *rows, size_t count)
{
    char partition[8], other[8];
    bool done[8] = {false};
    for (size_t i = 0; i < count; i++) {
        if (done[i])
            continue;
        partition_of(world, &rows[i], partition);
        struct sim_part *part = sim_part_new(partition, world->next_block, world->next_block, 0, 0);
        for (size_t j = i; j < count; j++) {
            partition_of(world, &rows[j], other);
            if (strcmp(partition, other) != 0)
                continue;
            done[j] = true;
            sim_part_add(part, &rows[j]);
        }
        world->next_block++;
        sim_add_part(world, part);
    }
}

static void insert(struct sim_world *world)
{
    struct sim_rng *rng = &world->sim->rng;
    struct sim_row rows[8];
    size_t count = 0, want = 1 + sim_below(rng, 3);
    while (count < want) {
        struct sim_row *row = &rows[count];
        char partition[8];
        bool made =
            world->twins && sim_chance(rng, 30) ? twin_row(world, row) : new_row(world, row);
        if (!made && !new_row(world, row))
            break;
        partition_of(world, row, partition);
        if (sim_confuses(world, partition, world->next_block, world->next_block + 1, row, 1))
            row->key = 1000 + row->uid; /* no copy of a row that is deleted and not recorded */
        world->ever_count++;
        remember(world, row);
        count++;
    }
    insert_rows(world, rows, count);
    sim_say(world->sim, "world: inserts %zu rows", count);
}

/* -- merges -------------------------------------------------------------------------------- */

static void merge(struct sim_world *world)
{
    struct sim_rng *rng = &world->sim->rng;
    if (world->count < 2)
        return;
    size_t first = sim_below(rng, (uint32_t)world->count - 1), want = 2 + sim_below(rng, 2);
    struct sim_part *from = world->parts[first];
    struct sim_part *merged = sim_part_new(from->partition, from->min_block, 0, 0, 0);
    size_t count = 0;
    /* Gaps that dropped parts left are swallowed. */
    for (; count < want && first + count < world->count; count++) {
        const struct sim_part *part = world->parts[first + count];
        if (strcmp(part->partition, from->partition) != 0)
            break;
        merged->max_block = part->max_block;
        merged->level = part->level >= merged->level ? part->level + 1 : merged->level;
        merged->mutation = part->mutation > merged->mutation ? part->mutation : merged->mutation;
        for (size_t r = 0; r < part->count; r++)
            sim_part_add(merged, &part->rows[r]);
    }
    if (count < 2 || sim_confuses(world, merged->partition, merged->min_block, merged->max_block,
                                  merged->rows, merged->count)) {
        sim_part_free(merged);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct sim_part *part = world->parts[first];
        sim_take_part(world, part);
        sim_part_free(part);
    }
    sim_add_part(world, merged);
    char name[64];
    sim_part_name(merged, name);
    sim_say(world->sim, "world: merges %zu parts to %s", count, name);
}

/* -- what people do ------------------------------------------------------------------------ */

static void rename_all(struct sim_world *world)
{
    /* Mutations run in their order: what waits runs first. */
    while (world->pending_count > 0)
        sim_run_mutation(world);
    world->next_block++;
    for (size_t i = 0; i < world->count; i++)
        world->parts[i]->mutation = world->next_block;
}

static bool pick_row(struct sim_world *world, struct sim_part **part, size_t *row)
{
    size_t count = 0;
    for (size_t i = 0; i < world->count; i++)
        count += world->parts[i]->count;
    if (count == 0)
        return false;
    size_t which = sim_below(&world->sim->rng, (uint32_t)count);
    for (size_t i = 0; i < world->count; i++) {
        *part = world->parts[i];
        *row = which;
        if (which < world->parts[i]->count)
            return true;
        which -= world->parts[i]->count;
    }
    return false;
}

/* `patch`: a lightweight update, which leaves the part its name. It stands also for a heavy one
 * that is acknowledged and waits: reads apply it already. */
static void update_row(struct sim_world *world, bool patch)
{
    struct sim_part *part;
    size_t at;
    if (!patch)
        rename_all(world);
    if (!pick_row(world, &part, &at))
        return;
    struct sim_row row = part->rows[at];
    if (world->has_extra && sim_chance(&world->sim->rng, 40))
        row.extra += 3;
    else
        row.value += 10;
    if (row.extra > 2000 || row.value > 60000 ||
        sim_confuses(world, part->partition, part->min_block, part->max_block, &row, 1))
        return;
    sim_list_add(&world->replaced, sim_pack(&part->rows[at]));
    part->rows[at] = row;
    sim_part_changed(part);
    remember(world, &row);
    sim_say(world->sim, "world: updates #%u%s", row.uid, patch ? " by a patch" : "");
}

void sim_patch(struct sim_world *world)
{
    update_row(world, true);
}

static void touch(struct sim_world *world, const struct sim_row *row)
{
    world->ever[row->uid].touched = true;
}

static void remove_row(struct sim_part *part, size_t at)
{
    part->count--;
    memmove(&part->rows[at], &part->rows[at + 1], (part->count - at) * sizeof *part->rows);
    sim_part_changed(part);
}

static void delete_row(struct sim_world *world, bool light)
{
    struct sim_part *part;
    size_t at;
    if (!light)
        rename_all(world);
    if (!pick_row(world, &part, &at))
        return;
    sim_say(world->sim, "world: deletes #%u%s", part->rows[at].uid, light ? ", lightweight" : "");
    touch(world, &part->rows[at]);
    remove_row(part, at);
    sim_drop_empty(world);
}

static void ttl(struct sim_world *world)
{
    int64_t limit = (SIM_FIRST_DAY + 1 + sim_below(&world->sim->rng, 2)) * LX_DAY_SECONDS;
    for (size_t i = 0; i < world->count; i++) {
        struct sim_part *part = world->parts[i];
        size_t before = part->count;
        for (size_t r = part->count; r > 0; r--) {
            if (part->rows[r - 1].time >= limit)
                continue;
            touch(world, &part->rows[r - 1]);
            remove_row(part, r - 1);
        }
        part->level += part->count != before;
    }
    sim_drop_empty(world);
    sim_say(world->sim, "world: the TTL deletes");
}

static void clear_table(struct sim_world *world, bool touched)
{
    while (world->count > 0) {
        struct sim_part *part = world->parts[world->count - 1];
        for (size_t r = 0; touched && r < part->count; r++)
            touch(world, &part->rows[r]);
        sim_take_part(world, part);
        sim_part_free(part);
    }
}

static void forget_dropped(struct sim_world *world)
{
    for (size_t i = 0; i < world->dropped_count; i++)
        sim_part_free(world->dropped[i].part);
    world->dropped_count = 0;
}

static void forget_pending(struct sim_world *world)
{
    for (size_t i = 0; i < world->pending_count; i++)
        lx_free(world->pending[i]);
    world->pending_count = 0;
    world->late_drop_count = 0;
}

static void truncate_table(struct sim_world *world, bool restart)
{
    clear_table(world, true);
    forget_dropped(world);
    if (restart && world->pending_count == 0)
        world->next_block = BLOCK_FIRST; /* part names come back */
    sim_say(world->sim, "world: TRUNCATE%s", restart ? " and restart" : "");
}

static void drop_partition(struct sim_world *world)
{
    if (world->count == 0)
        return;
    char partition[8];
    memcpy(partition, world->parts[sim_below(&world->sim->rng, (uint32_t)world->count)]->partition,
           sizeof partition);
    for (size_t i = world->count; i > 0; i--) {
        struct sim_part *part = world->parts[i - 1];
        if (strcmp(part->partition, partition) != 0)
            continue;
        for (size_t r = 0; r < part->count; r++)
            touch(world, &part->rows[r]);
        sim_take_part(world, part);
        sim_part_free(part);
    }
    sim_say(world->sim, "world: DROP PARTITION %s", partition);
}

static void new_table(struct sim_world *world)
{
    world->uuid++;
    world->next_block = BLOCK_FIRST;
    forget_dropped(world);
    forget_pending(world);
}

/* Somebody copies the table into a new one and swaps them: same rows, other blocks, other UUID. */
void sim_exchange(struct sim_world *world)
{
    struct sim_part *copies[2] = {NULL, NULL};
    while (world->pending_count > 0)
        sim_run_mutation(world);
    for (size_t i = 0; i < world->limbo_count; i++)
        for (size_t p = 0; p < world->count; p++)
            for (size_t r = 0; r < world->parts[p]->count; r++)
                if (sim_list_has(&world->limbo[i].contents, sim_pack(&world->parts[p]->rows[r])))
                    return;
    for (size_t i = 0; i < world->count; i++) {
        const struct sim_part *part = world->parts[i];
        size_t which = strcmp(part->partition, "202603") == 0;
        if (copies[which] == NULL)
            copies[which] =
                sim_part_new(part->partition, 1 + (int64_t)which, 1 + (int64_t)which, 0, 0);
        for (size_t r = 0; r < part->count; r++)
            sim_part_add(copies[which], &part->rows[r]);
    }
    clear_table(world, false);
    new_table(world);
    world->next_block = 3;
    for (size_t i = 0; i < 2; i++)
        if (copies[i] != NULL)
            sim_add_part(world, copies[i]);
    sim_say(world->sim, "world: EXCHANGE TABLES with a copy");
}

static void drop_table(struct sim_world *world)
{
    clear_table(world, true);
    new_table(world);
    world->exists = false;
    sim_say(world->sim, "world: DROP TABLE");
}

static void create_table(struct sim_world *world)
{
    world->exists = true;
    sim_say(world->sim, "world: CREATE TABLE");
}

static void change_columns(struct sim_world *world)
{
    struct sim_rng *rng = &world->sim->rng;
    if (world->dropped_column)
        return; /* added once more it would be an update of all rows: new rows to the archive */
    if (!world->has_extra) {
        world->has_extra = true;
        sim_say(world->sim, "world: ADD COLUMN extra");
    } else if (!world->renamed && sim_chance(rng, 50)) {
        rename_all(world);
        world->renamed = true;
        for (size_t i = 0; i < world->count; i++)
            sim_part_changed(world->parts[i]);
        sim_say(world->sim, "world: RENAME COLUMN value TO amount");
    } else {
        rename_all(world);
        world->has_extra = false;
        world->dropped_column = true;
        for (size_t i = 0; i < world->count; i++) {
            struct sim_part *part = world->parts[i];
            for (size_t r = 0; r < part->count; r++)
                part->rows[r].extra = 0;
            sim_part_changed(part);
        }
        sim_say(world->sim, "world: DROP COLUMN extra");
    }
}

static void time_passes(struct sim_world *world)
{
    static const int64_t spans[] = {1000, 60000, 3600000, 3600000, 43200000};
    int64_t span = spans[sim_below(&world->sim->rng, 5)];
    world->sim->now_ms += span;
    sim_say(world->sim, "world: %lld s pass", (long long)(span / 1000));
}

/* -- one move ------------------------------------------------------------------------------ */

static void violent(struct sim_world *world)
{
    switch (sim_below(&world->sim->rng, 6)) {
    case 0: ttl(world); break;
    case 1: truncate_table(world, true); break;
    case 2: truncate_table(world, false); break;
    case 3: sim_exchange(world); break;
    case 4: drop_partition(world); break;
    default: drop_table(world); break;
    }
}

void sim_world_move(struct sim_world *world, bool calm)
{
    struct sim_rng *rng = &world->sim->rng;
    if (!world->exists) {
        if (sim_chance(rng, 30))
            create_table(world);
        return;
    }
    if (world->pending_count > 0 && sim_chance(rng, 40)) {
        sim_run_mutation(world);
        return;
    }
    if (world->late_drop_count > 0 && sim_chance(rng, 40)) {
        sim_run_late_drop(world);
        return;
    }
    bool still = calm && world->late_drop_count == 0;
    uint32_t x = sim_below(rng, 100);
    if (x < 28)
        insert(world);
    else if (x < 56)
        merge(world);
    else if (x < 63)
        update_row(world, false);
    else if (x < 70) {
        if (still)
            update_row(world, true);
    } else if (x < 74)
        delete_row(world, false);
    else if (x < 78)
        delete_row(world, true);
    else if (x < 84)
        time_passes(world);
    else if (x < 88)
        lx_mem_bucket_land(world->sim->bucket);
    else if (x < 92) {
        if (world->columns && still)
            change_columns(world);
        else
            insert(world);
    } else if (x < 95) {
        if (world->power)
            sim_power_loss(world);
    } else if (world->ttl && still) {
        violent(world);
    }
}

void sim_world_settle(struct sim_world *world)
{
    if (!world->exists)
        create_table(world);
    while (world->pending_count > 0)
        sim_run_mutation(world);
    while (world->late_drop_count > 0)
        sim_run_late_drop(world);
    lx_mem_bucket_land(world->sim->bucket);
}

void sim_world_init(struct sim_world *world, struct sim *sim)
{
    struct sim_rng *rng = &sim->rng;
    world->sim = sim;
    world->exists = true;
    world->uuid = 1;
    world->next_block = BLOCK_FIRST;
    world->by_month = sim_chance(rng, 50);
    world->ttl = sim_chance(rng, 50);
    world->power = sim_chance(rng, 25);
    world->twins = !world->power; /* with power losses no exact copies: exception (b) */
    world->columns = sim_chance(rng, 20);
    /* A month after the server started. Today is 2026-03-03. */
    sim->now_ms =
        (SIM_FIRST_DAY + SIM_DAYS) * LX_DAY_SECONDS * 1000 + (int64_t)sim_below(rng, 86400000);
    world->started_at = sim->now_ms / 1000 - 30 * LX_DAY_SECONDS;
    for (uint32_t i = 1 + sim_below(rng, 4); i > 0; i--)
        insert(world);
}

void sim_world_free(struct sim_world *world)
{
    clear_table(world, false);
    forget_dropped(world);
    forget_pending(world);
    lx_free(world->parts);
    lx_free(world->replaced.items);
    lx_free(world->deleted.items);
    lx_free(world->all_versions.items);
    for (size_t i = 0; i < world->limbo_count; i++)
        lx_free(world->limbo[i].contents.items);
    lx_free(world->limbo);
}
