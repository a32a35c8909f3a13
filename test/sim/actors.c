/* Archivers and the vacuum as coroutines: exactly one runs at a time, and others may come at every
 * call of the outside world and every named step. A dead one goes on to its end without any effect,
 * so that it leaves no memory behind: to the world it stopped where it was. */
#include "sim.h"

#include "base/alloc.h"
#include "base/civil.h"
#include "base/task.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define SWITCH_BEGIN(save, stack, size) __sanitizer_start_switch_fiber(save, stack, size)
#define SWITCH_END(save) __sanitizer_finish_switch_fiber(save, NULL, NULL)
#else
#define SWITCH_BEGIN(save, stack, size) ((void)(save), (void)(stack), (void)(size))
#define SWITCH_END(save) ((void)(save))
#endif

/* -- switching ----------------------------------------------------------------------------- */

/* Stacks are used again; kept for the life of the program. */
static void *free_stacks[SIM_ACTORS];
static size_t free_stack_count;

static void *take_stack(void)
{
    if (free_stack_count > 0)
        return free_stacks[--free_stack_count];
    void *stack = mmap(NULL, SIM_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return sim_memory(stack != MAP_FAILED ? stack : NULL);
}

static void *main_fake;
static const void *main_stack;
static size_t main_stack_size;

static void leave(struct sim_actor *actor, bool last)
{
    SWITCH_BEGIN(last ? NULL : &actor->fake_stack, main_stack, main_stack_size);
    swapcontext(&actor->context, &actor->sim->main_context);
    SWITCH_END(actor->fake_stack);
}

bool sim_enter(struct sim_actor *actor, const char *what)
{
    struct sim *sim = actor->sim;
    if (actor->dead)
        return false;
    sim->steps++;
    sim->now_ms += 1 + (int64_t)(sim->steps % 5);
    if (!sim->quiet && --actor->credit < 0)
        leave(actor, false);
    if (sim->verbose && !actor->dead)
        sim_say(sim, "A%d: %s", actor->number, what);
    return !actor->dead;
}

enum lx_status sim_dead(struct lx_err *err)
{
    return lx_err_set(err, LX_E_CANCELLED, "killed");
}

bool sim_faulty(struct sim_actor *actor)
{
    struct sim *sim = actor->sim;
    if (sim->quiet || sim->fault_rate == 0 ||
        sim_below(&sim->rng, 1000) >= (uint32_t)sim->fault_rate)
        return false;
    sim->totals->faults++;
    sim->faulty = true;
    sim_say(sim, "A%d: … fails", actor->number);
    return true;
}

bool sim_flips(struct sim *sim)
{
    if (sim->quiet || sim->flip_rate == 0 || sim_below(&sim->rng, 1000) >= (uint32_t)sim->flip_rate)
        return false;
    sim->flipped = true;
    return true;
}

int64_t sim_due_of(const struct sim_actor *actor)
{
    const struct lx_archive_options *o = &actor->options;
    if (!o->delete_after || o->soak || o->dry_run)
        return LX_TIME_FIRST;
    return (actor->sim->now_ms / 1000 / LX_DAY_SECONDS - o->after_days) * LX_DAY_SECONDS;
}

/* -- clock and random ---------------------------------------------------------------------- */

static int64_t now_ms(void *self)
{
    const struct sim_actor *actor = self;
    return actor->sim->now_ms + actor->skew_ms;
}

static int64_t monotonic_ms(void *self)
{
    const struct sim_actor *actor = self;
    return actor->sim->now_ms;
}

static void sleep_ms(void *self, int64_t ms)
{
    struct sim_actor *actor = self;
    if (sim_enter(actor, "sleeps"))
        actor->sim->now_ms += ms;
}

static void fill(void *self, void *bytes, size_t size)
{
    struct sim_actor *actor = self;
    uint8_t *pos = bytes;
    while (size > 0) {
        uint64_t value = sim_next(&actor->sim->rng);
        size_t now = size < sizeof value ? size : sizeof value;
        memcpy(pos, &value, now);
        pos += now;
        size -= now;
    }
}

/* -- the store ----------------------------------------------------------------------------- */

static bool is_data(const char *key)
{
    size_t size = strlen(key);
    return size > 8 && strcmp(key + size - 8, ".parquet") == 0;
}

/* Bits flip in data files on their way to or from the store, and in side objects on their way from
 * it: what is read of the log is covered by TLS and its own checks (docs/reliability.md). */
static uint64_t flip(struct sim *sim, const struct lx_mem_call *call)
{
    bool data = is_data(call->key);
    bool side = strncmp(call->key, "_lynex/hashes/", 14) == 0 && call->op == LX_MEM_GET;
    if ((!data && !side) || (call->op != LX_MEM_PUT && call->op != LX_MEM_GET) || !sim_flips(sim))
        return 0;
    uint64_t bit = 1 + (sim_next(&sim->rng) >> 1);
    if (sim->stored_flipped)
        return 0;
    sim->stored_flipped = call->op == LX_MEM_PUT;
    sim_say(sim, "store: a bit of %s flips", call->key);
    return bit;
}

static struct lx_mem_verdict store_fault(struct sim_actor *actor, const struct lx_mem_call *call)
{
    static const enum lx_mem_fate fates[] = {LX_MEM_LOST_BEFORE, LX_MEM_LOST_AFTER, LX_MEM_LATE};
    static const enum lx_status refusals[] = {LX_E_BUSY, LX_E_NETWORK, LX_E_TIMEOUT, LX_E_ACCESS,
                                              LX_E_NOSPACE};
    struct sim_rng *rng = &actor->sim->rng;
    bool changes = call->op == LX_MEM_PUT || call->op == LX_MEM_REMOVE;
    if (actor->storm > 0)
        actor->storm--; /* the store is away for a while */
    else if (sim_chance(rng, 10))
        actor->storm = (int)sim_below(rng, 60);
    if (!changes || sim_chance(rng, 25))
        return (struct lx_mem_verdict){.fate = LX_MEM_REFUSED,
                                       .status = refusals[sim_below(rng, changes ? 5 : 3)]};
    return (struct lx_mem_verdict){.fate =
                                       fates[sim_below(rng, actor->kind == SIM_ERASER ? 2 : 3)]};
}

static struct lx_mem_verdict on_store(void *context, const struct lx_mem_call *call)
{
    static const char *const names[] = {"PUT", "GET", "HEAD", "LIST", "DELETE"};
    struct sim *sim = context;
    struct sim_actor *actor = sim->current;
    char what[256];
    if (sim->verbose)
        snprintf(what, sizeof what, "%s %s", names[call->op], call->key);
    if (!sim_enter(actor, sim->verbose ? what : "store"))
        return (struct lx_mem_verdict){.fate = LX_MEM_REFUSED, .status = LX_E_CANCELLED};
    if (actor->kind == SIM_ERASER && call->op == LX_MEM_PUT && !sim_may_erase(sim))
        return (struct lx_mem_verdict){.fate = LX_MEM_REFUSED, .status = LX_E_BUSY};
    if (actor->storm > 0 || sim_faulty(actor))
        return store_fault(actor, call);
    return (struct lx_mem_verdict){.fate = LX_MEM_DONE, .flip = flip(sim, call)};
}

/* -- an archiver --------------------------------------------------------------------------- */

static enum lx_status at_step(void *context, enum lx_step step, struct lx_err *err)
{
    struct sim_actor *actor = context;
    if (step == LX_STEP_RECONCILE)
        actor->sim->totals->reconciles++;
    if (step == LX_STEP_RECORDED && !actor->dead)
        sim_recorded(&actor->sim->world, lx_ledger_state(actor->options.ledger));
    /* Where the protocol turns, others come more often than anywhere else. */
    if (sim_chance(&actor->sim->rng, 15))
        actor->credit = 0;
    actor->masking = (step == LX_STEP_GUARD || step == LX_STEP_MASK) && !actor->dead;
    actor->judging = step == LX_STEP_DELETED && !actor->dead;
    if (!sim_enter(actor, lx_step_name(step)))
        return sim_dead(err);
    /* Now and then, what a guard looks for wants another plan: the run goes on with one. */
    if (step == LX_STEP_GUARD && actor->sim->seed % 4 == 1 && actor->sim->actor_count > 1 &&
        actor->sim->steps % 2 == 0)
        return lx_err_set(err, LX_E_AGAIN, "the table changed");
    return LX_OK;
}

static void say_event(void *context, const struct lx_event *event)
{
    struct sim_actor *actor = context;
    if (actor->sim->verbose && !actor->dead && event->text != NULL)
        sim_say(actor->sim, "A%d: … %s", actor->number, event->text);
}

static void choose_options(struct sim_actor *actor, bool final)
{
    struct sim *sim = actor->sim;
    struct sim_rng *rng = &sim->rng;
    struct lx_archive_options *o = &actor->options;
    size_t way = (size_t)(sim->seed + (uint64_t)actor->number) % 3;
    *o = (struct lx_archive_options){
        .hot = {&sim_hot_ops, actor},
        .shard = "0",
        .prefix = "events",
        .who = "sim",
        .after_days = sim_below(rng, SIM_DAYS),
        .delete_after = !sim_chance(rng, 12),
        .soak = sim_chance(rng, 4),
        .dry_run = sim_chance(rng, 2),
        .masks = !sim_chance(rng, 12),
        .file_rows = sim_chance(rng, 50) ? 1 + sim_below(rng, 4) : 0,
        .max_delete_rows = sim_chance(rng, 5) ? 1 + sim_below(rng, 5) : 0,
        .file_bytes = LX_MIB,
        .memory_bytes = 8 * LX_MIB,
        .flight = 1 + way,
        .background = way == 1 ? LX_TASKS_LAZY : 0, /* as where the store is slow, or fast */
        .delete_wait_ms = 20000,
        .ttl_margin_days = sim_below(rng, 4),
        .profile = LX_PARQUET_COMPACT,
        .effort = LX_PARQUET_FAST,
        .clock = {now_ms, monotonic_ms, sleep_ms, actor},
        .random = {fill, actor},
        .cancel = &actor->cancel,
        .tell = say_event,
        .at_step = at_step,
        .context = actor,
    };
    if (final) {
        o->after_days = 0;
        o->delete_after = o->masks = true;
        o->soak = o->dry_run = false;
        o->max_delete_rows = 0;
    }
}

static enum lx_status archive(struct sim_actor *actor)
{
    struct sim *sim = actor->sim;
    sim_say(sim, "A%d: starts, %d days%s%s%s", actor->number, (int)actor->options.after_days,
            actor->options.delete_after && !actor->options.soak ? "" : ", deletes nothing",
            actor->options.masks ? "" : ", no masks", actor->options.dry_run ? ", dry run" : "");
    enum lx_status status = lx_archive_run(&actor->options, &actor->report, &actor->err);
    if (!actor->dead) /* what its last look for rows that are gone has recorded */
        sim_recorded(&sim->world, lx_ledger_state(actor->options.ledger));
    sim->totals->runs += !actor->dead;
    sim->totals->quarantined += status == LX_E_MISMATCH;
    return status;
}

/* -- coroutines ---------------------------------------------------------------------------- */

static void work(struct sim_actor *actor)
{
    struct sim *sim = actor->sim;
    struct lx_archive_options *o = &actor->options;
    actor->err = (struct lx_err)LX_ERR_INIT;
    actor->status = lx_mem_store_open(sim->bucket, actor->number, &o->store, &actor->err);
    if (actor->status != LX_OK)
        return;
    const struct lx_ledger_options options = {
        .store = o->store, .clock = o->clock, .random = o->random, .cancel = o->cancel};
    enum lx_status status = lx_ledger_open(&options, &o->ledger, &actor->err);
    if (status == LX_OK)
        status = actor->job != NULL          ? actor->job(actor)
                 : actor->kind == SIM_VACUUM ? sim_vacuum(actor)
                 : actor->kind == SIM_ERASER ? sim_erase(actor)
                                             : archive(actor);
    actor->status = status;
    if (o->ledger != NULL)
        lx_ledger_close(o->ledger);
    lx_store_close(o->store);
    o->ledger = NULL;
    o->store = NULL;
}

static void coroutine(unsigned low, unsigned high)
{
    struct sim_actor *actor = (void *)((uintptr_t)low | (uintptr_t)high << 32);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(NULL, &main_stack, &main_stack_size);
#endif
    work(actor);
    actor->running = false;
    leave(actor, true);
}

struct sim_actor *sim_start(struct sim *sim, enum sim_kind kind, bool final)
{
    struct sim_actor *actor = sim_memory(lx_calloc(1, sizeof *actor));
    actor->sim = sim;
    actor->kind = kind;
    actor->number = ++sim->actors_made;
    actor->running = true;
    actor->skew_ms = (int64_t)sim_below(&sim->rng, 4000) - 2000;
    choose_options(actor, final);
    actor->stack = take_stack();
    getcontext(&actor->context);
    actor->context.uc_stack.ss_sp = actor->stack;
    actor->context.uc_stack.ss_size = SIM_STACK;
    uintptr_t self = (uintptr_t)actor;
    makecontext(&actor->context, (void (*)(void))coroutine, 2, (unsigned)self,
                (unsigned)(self >> 32));
    assert(sim->actor_count < SIM_ACTORS);
    sim->actors[sim->actor_count++] = actor;
    lx_mem_bucket_hook(sim->bucket, on_store, sim);
    return actor;
}

/* A failure is allowed where something was done to deserve it. */
static void judge_status(const struct sim_actor *actor)
{
    struct sim *sim = actor->sim;
    enum lx_status status = actor->status;
    enum lx_class class = lx_status_class(status);
    bool allowed = class == LX_CLASS_ok || class == LX_CLASS_retry || actor->dead ||
                   (class == LX_CLASS_corrupt && sim->flipped) || status == LX_E_NOTFOUND;
    if (class == LX_CLASS_fail && status != LX_E_REFUSED)
        allowed = allowed || sim->faulty || sim->world.columns;
    if (actor->kind != SIM_ARCHIVER && status == LX_E_CONFLICT)
        allowed = true;
    sim_say(sim, "A%d: %s %s%s%s", actor->number,
            actor->dead ? "is dead" : "ends:", lx_status_name(status), status != LX_OK ? ": " : "",
            actor->err.text);
    sim->totals->unknowns += status == LX_E_UNKNOWN;
    if (status != LX_OK && actor->err.text[0] == 0)
        sim_fail(sim, "A%d ended with %s, and does not say why", actor->number,
                 lx_status_name(status));
    if (!allowed)
        sim_fail(sim, "A%d ended with %s: %s", actor->number, lx_status_name(status),
                 actor->err.text);
    if (actor->report.delete_refused && actor->report.refusal.text[0] == 0)
        sim_fail(sim, "A%d: a delete was refused, and nothing says why", actor->number);
    if (actor->report.delete_refused && actor->report.refusal.status == LX_E_BUG)
        sim_fail(sim, "A%d: %s", actor->number, actor->report.refusal.text);
}

static void end_actor(struct sim_actor *actor)
{
    struct sim *sim = actor->sim;
    const struct lx_archive_report *report = &actor->report;
    int at = 0;
    judge_status(actor);
    sim->last_status = actor->status;
    sim->last_refused = report->delete_refused;
    snprintf(sim->last_text, sizeof sim->last_text, "%.500s",
             actor->status != LX_OK ? actor->err.text : report->refusal.text);
    while (sim->actors[at] != actor)
        at++;
    sim->actor_count--;
    for (; at < sim->actor_count; at++)
        sim->actors[at] = sim->actors[at + 1];
    free_stacks[free_stack_count++] = actor->stack;
    lx_free(actor);
}

void sim_resume(struct sim_actor *actor, int steps)
{
    struct sim *sim = actor->sim;
    actor->credit = steps;
    sim->current = actor;
    SWITCH_BEGIN(&main_fake, actor->stack, SIM_STACK);
    swapcontext(&sim->main_context, &actor->context);
    SWITCH_END(main_fake);
    sim->current = NULL;
    if (!actor->running)
        end_actor(actor);
}

void sim_kill(struct sim_actor *actor)
{
    sim_say(actor->sim, "A%d: killed", actor->number);
    actor->sim->totals->kills++;
    actor->dead = true;
    actor->window = actor->masking = actor->judging = false;
    lx_cancel_ask(&actor->cancel);
    sim_resume(actor, 0);
}
