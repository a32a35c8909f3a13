/* sim_memory: every allocation of a run fails once.
 *
 *   sim_memory FROM TO             seeds
 *   sim_memory FROM TO every K     of each seed every K-th allocation only
 *   sim_memory SEED _ at N         that one alone, and the whole story
 *
 * A seed makes a table with a past: runs that kept rows hot, late rows, merges, updates, changed
 * columns, archivers that died. Then comes the work: a run, a vacuum, a look at all files, a new
 * log out of the files. It is done once to see which allocations there are, then once more for each
 * that is reached by another path of calls than all before it, which then fails. The work ends with
 * LX_OK or LX_E_MEMORY and leaks nothing, and clean runs archive every row exactly once. */
#include "held.h"
#include "sim.h"

#include "archive/pending.h"
#include "archive/rebuild.h"
#include "base/alloc.h"

#include <execinfo.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH 12         /* calls that tell one path from another */
#define MAX_PATHS 200000 /* of all seeds */
#define MAX_TARGETS 5000 /* of one */
#define MOVES 14         /* of the past */

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#define LEAKED() (__lsan_do_recoverable_leak_check() != 0)
#define SAY_WHERE() __sanitizer_print_stack_trace()
#else
#define LEAKED() false
#define SAY_WHERE() say_where()
static void say_where(void)
{
    void *calls[DEPTH];
    backtrace_symbols_fd(calls, backtrace(calls, DEPTH), 1);
}
#endif

/* -- which allocation fails ---------------------------------------------------------------- */

static struct {
    bool armed;
    bool recording;
    bool verbose; /* says where the allocation is that fails */
    uint64_t number, target;
    uint64_t *paths; /* hashes, open addressing */
    size_t path_count;
    uint64_t targets[MAX_TARGETS];
    size_t target_count;
} faults;

static bool is_new_path(void)
{
    void *calls[DEPTH + 3];
    int depth = backtrace(calls, DEPTH + 3);
    uint64_t hash = 1;
    for (int i = 2; i < depth; i++)
        hash = (hash ^ (uint64_t)(uintptr_t)calls[i]) * UINT64_C(0x9e3779b97f4a7c15) + 7;
    for (size_t at = hash % MAX_PATHS;; at = (at + 1) % MAX_PATHS) {
        if (faults.paths[at] == hash)
            return false;
        if (faults.paths[at] == 0) {
            assert(++faults.path_count < MAX_PATHS / 2);
            faults.paths[at] = hash;
            return true;
        }
    }
}

static bool fails(void)
{
    if (!faults.armed || sim_held > 0)
        return false;
    faults.number++;
    if (faults.recording && faults.target_count < MAX_TARGETS && is_new_path())
        faults.targets[faults.target_count++] = faults.number;
    if (faults.number == faults.target && faults.verbose) {
        sim_held++;
        SAY_WHERE();
        sim_held--;
    }
    return faults.number == faults.target;
}

/* -- the models, held ---------------------------------------------------------------------- */

static enum lx_status (*real_at_step)(void *context, enum lx_step step, struct lx_err *err);
static enum lx_status at_step(void *context, enum lx_step step, struct lx_err *err)
{
    sim_held++;
    enum lx_status status = real_at_step(context, step, err);
    sim_held--;
    return status;
}

static struct lx_hot_ops held_ops;

static void hold_models(struct sim_actor *actor)
{
    sim_hold_hot(&held_ops);
    actor->options.hot.ops = &held_ops;
    real_at_step = actor->options.at_step;
    actor->options.at_step = at_step;
}

/* -- what is done -------------------------------------------------------------------------- */

static enum lx_status run(struct sim_actor *actor)
{
    enum lx_status status = lx_archive_run(&actor->options, &actor->report, &actor->err);
    sim_held++;
    sim_recorded(&actor->sim->world, lx_ledger_state(actor->options.ledger));
    sim_held--;
    return status;
}

static enum lx_status look(struct sim_actor *actor)
{
    struct lx_pending pending = {0};
    enum lx_status status = lx_pending_look(&actor->options, &pending, &actor->err);
    lx_pending_free(&pending);
    return status;
}

static enum lx_status verify(struct sim_actor *actor)
{
    const struct lx_archive_options *o = &actor->options;
    const struct lx_ledger_state *state = lx_ledger_state(o->ledger);
    const struct lx_verify_how how = {.store = o->store, .ledger = o->ledger};
    enum lx_status status = LX_OK;
    for (size_t i = 0; status == LX_OK && i < state->file_count; i++) {
        struct lx_verified verified;
        status = lx_archive_verify_file(&how, &state->files[i], &verified, &actor->err);
    }
    return status;
}

/* Rows that stand in files nobody lists may stand in others too: then it is refused. */
static enum lx_status rebuild(struct sim_actor *actor)
{
    const struct lx_archive_options *o = &actor->options;
    struct lx_rebuild_report report = {0};
    const struct lx_rebuild_options options = {.ledger = o->ledger,
                                               .store = o->store,
                                               .prefix = o->prefix,
                                               .database = "db",
                                               .table = "events",
                                               .time_column = "timestamp",
                                               .who = o->who,
                                               .write = true,
                                               .memory_bytes = o->memory_bytes,
                                               .clock = o->clock,
                                               .random = o->random,
                                               .cancel = o->cancel};
    enum lx_status status = lx_rebuild(&options, &report, &actor->err);
    lx_rebuild_report_free(&report);
    return status == LX_E_REFUSED ? LX_OK : status;
}

static void lose_log(struct sim *sim)
{
    for (size_t i = lx_mem_bucket_count(sim->bucket); i > 0; i--) {
        char key[256];
        snprintf(key, sizeof key, "%s", lx_mem_bucket_key(sim->bucket, i - 1));
        if (strncmp(key, "_delta_log/", 11) == 0)
            lx_mem_bucket_remove(sim->bucket, key);
    }
}

enum job { RUN, LOOK, VACUUM, VERIFY, REBUILD, JOBS };
static const char *const job_names[] = {"run", "look", "vacuum", "verify", "rebuild"};

/* Most seeds are runs. */
static enum job job_of(uint64_t seed)
{
    return seed % 10 < 6 ? RUN : (enum job)(seed % 10 - 5);
}

/* -- a seed -------------------------------------------------------------------------------- */

/* Nobody comes between, nothing fails; some archivers die at a random call. */
static void live(struct sim *sim)
{
    for (int i = 0; i < MOVES && !sim->failed; i++) {
        uint32_t x = sim_below(&sim->rng, 100);
        if (x < 65) {
            sim_world_move(&sim->world, true);
            continue;
        }
        struct sim_actor *actor = sim_start(sim, SIM_ARCHIVER, false);
        actor->options.dry_run = false;
        actor->options.soak = x < 85; /* most leave rows that are archived and hot */
        sim_resume(actor, x < 93 ? SIM_MAX_STEPS : (int)sim_below(&sim->rng, 80));
        while (sim->actor_count > 0)
            sim_kill(sim->actors[0]);
        sim_witness_look(sim);
    }
    sim_world_settle(&sim->world);
}

static void work(struct sim *sim, enum job job)
{
    static enum lx_status (*const jobs[])(struct sim_actor *) = {run, look, NULL, verify, rebuild};
    struct sim_actor *actor =
        sim_start(sim, job == VACUUM ? SIM_VACUUM : SIM_ARCHIVER, job != VACUUM);
    actor->job = jobs[job];
    hold_models(actor);
    sim->quiet = true;
    sim->faulty = true; /* it may fail; how, is judged here */
    faults.number = 0;
    faults.armed = true;
    sim_resume(actor, SIM_MAX_STEPS);
    faults.armed = false;
}

static bool play(uint64_t seed, uint64_t target, bool verbose)
{
    static struct sim sim;
    struct sim_totals totals = {0};
    enum job job = job_of(seed);
    sim_begin(&sim, seed, verbose, &totals);
    sim.fault_rate = sim.flip_rate = 0;
    live(&sim);
    if (job == REBUILD && !sim.failed) {
        sim_clean_runs(&sim);
        lose_log(&sim);
    }
    faults.target = target;
    if (!sim.failed)
        work(&sim, job);
    faults.target = 0;
    enum lx_status status = sim.last_status;
    if (status != LX_OK && (status != LX_E_MEMORY || target == 0 || sim.last_text[0] == 0))
        sim_fail(&sim, "%s ended with %s: %s", job_names[job], lx_status_name(status),
                 sim.last_text);
    if (job == REBUILD && !sim.failed && status != LX_OK) {
        work(&sim, job); /* again: by now there may be a log, or not */
        if (sim.last_status != LX_OK)
            sim_fail(&sim, "rebuilt again: %s", sim.last_text);
    } else if (job != REBUILD && !sim.failed) {
        sim_clean_runs(&sim);
        if (!sim.failed)
            sim_check_final(&sim);
    }
    if (sim.failed)
        printf("seed %llu, %s, allocation %llu: %s\n", (unsigned long long)seed, job_names[job],
               (unsigned long long)target, sim.why);
    sim_end(&sim);
    return !sim.failed;
}

static bool play_all(uint64_t seed, size_t every, uint64_t *failed)
{
    faults.target_count = 0;
    faults.recording = true;
    bool good = play(seed, 0, false);
    faults.recording = false;
    for (size_t i = seed % every; i < faults.target_count; i += every) {
        good = play(seed, faults.targets[i], false) && good;
        (*failed)++;
    }
    if (LEAKED()) {
        printf("seed %llu leaks memory\n", (unsigned long long)seed);
        return false;
    }
    return good;
}

int main(int argc, char **argv)
{
    uint64_t from = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    uint64_t to = argc > 2 ? strtoull(argv[2], NULL, 10) : from + 1, injected = 0;
    bool good = true;
    faults.paths = calloc(MAX_PATHS, sizeof *faults.paths);
    if (faults.paths == NULL)
        return 2;
    json_set_alloc_funcs(lx_malloc, lx_free); /* jansson's fail as well */
    lx_alloc_judge(fails);
    if (argc > 4 && strcmp(argv[3], "at") == 0) {
        faults.verbose = true;
        return play(from, strtoull(argv[4], NULL, 10), true) ? 0 : 1;
    }
    size_t every = argc > 4 ? strtoull(argv[4], NULL, 10) : 1;
    if (every == 0)
        return 2;
    for (uint64_t seed = from; seed < to; seed++)
        good = play_all(seed, every, &injected) && good;
    lx_alloc_judge(NULL);
    sim_forget_schemas();
    free(faults.paths);
    printf("%llu seeds: %llu allocations failed, each once\n", (unsigned long long)(to - from),
           (unsigned long long)injected);
    return good ? 0 : 1;
}
