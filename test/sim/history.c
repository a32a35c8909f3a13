/* One seed: the world and the archivers in turn, then the survivors, then clean runs. */
#include "sim.h"

#include "base/alloc.h"
#include "base/civil.h"

#include <stdlib.h>
#include <string.h>

#define FINAL_RUNS 3

bool sim_is_calm(const struct sim *sim)
{
    for (int i = 0; i < sim->actor_count; i++)
        if (sim->actors[i]->window)
            return false;
    return true;
}

bool sim_is_masking(const struct sim *sim)
{
    for (int i = 0; i < sim->actor_count; i++)
        if (sim->actors[i]->masking)
            return true;
    return false;
}

bool sim_is_judging(const struct sim *sim)
{
    for (int i = 0; i < sim->actor_count; i++)
        if (sim->actors[i]->judging)
            return true;
    return false;
}

static struct sim_actor *any_actor(struct sim *sim)
{
    return sim->actors[sim_below(&sim->rng, (uint32_t)sim->actor_count)];
}

/* Some stretches of work, of very different lengths, by one after the other. */
static void let_work(struct sim *sim)
{
    static const int lengths[] = {0, 0, 0, 1, 1, 2, 4, 8, 16, 40, 100, 100000};
    for (uint32_t i = sim_below(&sim->rng, 4); i > 0 && sim->actor_count > 0; i--) {
        struct sim_actor *actor = any_actor(sim);
        sim_resume(actor, lengths[sim_below(&sim->rng, sizeof lengths / sizeof lengths[0])]);
    }
}

static enum sim_kind choose_kind(struct sim *sim, bool others)
{
    uint32_t x = sim_below(&sim->rng, 100);
    /* After a power loss segments may overlap: then counts do not tell what is hot of a file. */
    return !others || x >= 35 ? SIM_ARCHIVER : x < 20 || sim->world.power ? SIM_VACUUM : SIM_ERASER;
}

static void play(struct sim *sim, int ops)
{
    int most = 1 + (int)sim_below(&sim->rng, 4);
    bool others = sim_chance(&sim->rng, 30);
    for (int op = 0; op < ops && !sim->failed; op++) {
        uint32_t x = sim_below(&sim->rng, 100);
        bool still = sim_is_calm(sim) && sim->world.late_drop_count == 0;
        if (x < 12 && sim_is_masking(sim) && still)
            sim_patch(&sim->world); /* a mask's guard must see it */
        else if (x < 12 && sim_is_judging(sim) && still && sim->world.ttl && sim->world.exists)
            sim_exchange(&sim->world);
        else if (x < 40)
            sim_world_move(&sim->world, sim_is_calm(sim));
        else if (x < 46 && sim->actor_count > 0)
            sim_kill(any_actor(sim));
        else if (x < 64 && sim->actor_count < most)
            sim_start(sim, choose_kind(sim, others), false);
        let_work(sim);
        sim_witness_look(sim);
    }
}

/* All that still run come to their end, in turn. */
static void finish(struct sim *sim)
{
    while (sim->actor_count > 0 && !sim->failed) {
        sim_resume(any_actor(sim), (int)sim_below(&sim->rng, 30));
        if (sim->world.pending_count > 0 && sim_chance(&sim->rng, 50))
            sim_run_mutation(&sim->world);
        if (sim->steps > SIM_MAX_STEPS)
            sim_fail(sim, "no end after %d steps", SIM_MAX_STEPS);
    }
}

/* Clean runs long after the last row: they must archive and delete all that is left. */
void sim_clean_runs(struct sim *sim)
{
    sim->quiet = true;
    sim->now_ms += 10 * LX_DAY_SECONDS * 1000;
    for (int i = 0; i < FINAL_RUNS && !sim->failed; i++) {
        sim_resume(sim_start(sim, SIM_ARCHIVER, true), 0);
        if (sim->last_status != LX_OK)
            sim_fail(sim, "a clean run ended with %s: %s", lx_status_name(sim->last_status),
                     sim->last_text);
        else if (sim->last_refused)
            sim_fail(sim, "a clean run was refused its deletes: %s", sim->last_text);
        if (i > 0 && sim->world.count == 0)
            break;
    }
}

/* After a violation too: nobody's memory stays behind. */
void sim_end(struct sim *sim)
{
    while (sim->actor_count > 0)
        sim_kill(sim->actors[0]);
    sim_world_free(&sim->world);
    sim_witness_free(&sim->witness);
    lx_mem_bucket_destroy(sim->bucket);
}

void sim_begin(struct sim *sim, uint64_t seed, bool verbose, struct sim_totals *totals)
{
    static const int faults[] = {0, 0, 3, 10, 40}, flips[] = {0, 0, 0, 30};
    memset(sim, 0, sizeof *sim);
    sim->seed = seed;
    sim->rng.state = seed * UINT64_C(0xd1342543de82ef95) + 1;
    sim->verbose = verbose;
    sim->totals = totals;
    sim->witness.version = -1;
    sim->fault_rate = faults[sim_below(&sim->rng, 5)];
    sim->flip_rate = flips[sim_below(&sim->rng, 4)];
    sim->bucket = sim_memory(lx_mem_bucket_create());
    sim_world_init(&sim->world, sim);
}

bool sim_history(struct sim *sim, uint64_t seed, int ops, bool verbose, struct sim_totals *totals)
{
    sim_begin(sim, seed, verbose, totals);
    play(sim, ops);
    sim->fault_rate = sim->flip_rate = 0;
    sim_world_settle(&sim->world);
    finish(sim);
    sim_world_settle(&sim->world);
    if (!sim->failed)
        sim_clean_runs(sim);
    if (!sim->failed)
        sim_check_final(sim);
    if (sim->failed && verbose)
        sim_world_show(&sim->world);
    totals->seeds++;
    totals->steps += sim->steps;
    sim_end(sim);
    return !sim->failed;
}
