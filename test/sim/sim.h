/* sim.h: a deterministic simulation of the archive protocol.
 *
 * The archive, ledger, Parquet and settle code is the real one. Under it stand models: of
 * ClickHouse (world.c, behind struct lx_hot in hot_model.c) and of an object store
 * (test/lib/mem_store.h, whose hook in actors.c loses answers, delays requests and flips bits).
 * One seed makes one history: several archivers and a vacuum run step by step, each ends or sleeps
 * at any call, and between any two calls the world moves: inserts, exact copies, merges, updates,
 * deletes, TTL, truncation with part names that come back, swapped tables, changed columns, power
 * loss. Then the survivors finish, and clean runs archive all that is left.
 *
 *   world.c      the table: parts, rows
 *   moves.c      what others do to it
 *   delete.c     what the archivers' statements do to it, judged at the instant
 *   hot_model.c  the questions and statements of struct lx_hot
 *   actors.c     archivers and others who write to the log as coroutines; faults; clock
 *   others.c     the vacuum; somebody who takes a file out of the archive
 *   witness.c    the oracle: reads the log and the files by itself, counts every row
 *   history.c    one seed
 *   sim.c        the program
 *   memory.c     another program: every allocation fails once
 *
 * What is excluded is what docs/reliability.md does not promise: (a) nothing swaps the table or
 * changes a part under its name between a guard's answer and its DROP PART; (b) no exact copy of a
 * row is merged into the place of one that was deleted and not yet recorded; (c) rows that another
 * hand takes out and puts back. */
#ifndef LX_TEST_SIM_H
#define LX_TEST_SIM_H

#include "archive/archive.h"
#include "mem_store.h"

#include <assert.h>
#include <stdio.h>
#include <ucontext.h>

/* -- limits -------------------------------------------------------------------------------- */

#define SIM_SCHEMAS 24      /* row schemas that a world meets */
#define SIM_ACTORS 5        /* at once */
#define SIM_STACK 4194304   /* bytes of a coroutine's stack; only what is used is there */
#define SIM_MAX_STEPS 60000 /* of one history: more is a livelock */
#define SIM_DAYS 5          /* rows lie within these days before today */
/* 2026-02-26: the days of the rows lie on both sides of the end of a month. */
#define SIM_FIRST_DAY ((int64_t)20510)
#define SIM_ROWS 4096 /* most rows of one history */

/* -- random -------------------------------------------------------------------------------- */

struct sim_rng {
    uint64_t state;
};
uint64_t sim_next(struct sim_rng *rng);
/* 0 <= x < n */
uint32_t sim_below(struct sim_rng *rng, uint32_t n);
static inline bool sim_chance(struct sim_rng *rng, uint32_t percent)
{
    return sim_below(rng, 100) < percent;
}

/* -- lists of packed rows ------------------------------------------------------------------ */

/* A row's content in 64 bits: the oracle's idea of "the same row". */
typedef uint64_t sim_content;

struct sim_list {
    sim_content *items;
    size_t count, cap;
};
void sim_list_add(struct sim_list *list, sim_content content);
void sim_list_remove(struct sim_list *list, sim_content content); /* one copy */
bool sim_list_has(const struct sim_list *list, sim_content content);
void sim_list_sort(struct sim_list *list);

/* -- the world ----------------------------------------------------------------------------- */

struct sim_row {
    int64_t time; /* seconds */
    uint32_t key, value, extra;
    uint32_t uid; /* which insert it came by; seen by the oracle alone */
};

struct sim_part {
    char partition[8];
    int64_t min_block, max_block, level, mutation;
    struct sim_row *rows;
    size_t count;
    uint64_t *hashes[SIM_SCHEMAS]; /* by schema number; made when asked for */
};

/* What was once inserted, as it is now or was last. */
struct sim_ever {
    sim_content content;
    bool touched; /* somebody else deleted it */
};

/* One part of a mask: deletes its rows before `to` where they are these, judged at execution. */
struct sim_target {
    char part[64];
    const struct lx_row_schema *schema;
    int64_t to, rows;
    uint64_t sum, xor;
};

struct sim_mutation {
    uint64_t uuid;
    char partition[8];
    int64_t version;
    int actor;
    int64_t due; /* rows from here on are not old enough for whoever sent it */
    size_t count;
    struct sim_target targets[8];
};

/* Rows that a delete took and that no record has told of yet: exception (b). */
struct sim_limbo {
    uint64_t uuid;
    char partition[8];
    int64_t min_block, max_block;
    int64_t first, last; /* times of its rows */
    int64_t version;     /* of the log, when they were deleted */
    struct sim_list contents;
};

/* A dropped part that a power loss can bring back. */
struct sim_dropped {
    uint64_t uuid;
    struct sim_part *part;
    int64_t at;
};

struct sim_late_drop {
    uint64_t uuid;
    char part[64];
    int actor;
    int64_t due;
};

struct sim;

struct sim_world {
    struct sim *sim;
    bool exists;
    bool by_month, twins, power, ttl, columns;
    uint64_t uuid;
    int64_t next_block, started_at;
    int64_t back_since; /* when the oldest part was dropped that a power loss brought back; 0 */
    bool has_extra;
    bool dropped_column; /* `extra` went with its values: rows are compared without it */
    bool renamed;        /* `value` is called `amount` */
    struct sim_part **parts;
    size_t count, cap;
    struct sim_ever ever[SIM_ROWS];
    uint32_t ever_count;
    struct sim_list replaced, deleted, all_versions;
    struct sim_mutation *pending[4];
    size_t pending_count;
    struct sim_late_drop late_drops[4];
    size_t late_drop_count;
    struct sim_dropped dropped[3];
    size_t dropped_count;
    struct sim_limbo *limbo;
    size_t limbo_count;
};

void sim_world_init(struct sim_world *world, struct sim *sim);
void sim_world_free(struct sim_world *world);
sim_content sim_pack(const struct sim_row *row);
void sim_unpack(sim_content content, char *text, size_t size);
void sim_part_name(const struct sim_part *part, char name[64]);
struct sim_part *sim_find_part(const struct sim_world *world, const char *name);
const uint64_t *sim_part_hashes(struct sim_part *part, const struct lx_row_schema *schema);
/* Where the column of this name is kept: 0 id, 1 timestamp, 2 value, 3 extra; -1: no such one. */
int sim_slot(const struct sim_world *world, const char *name);
const char *sim_slot_name(const struct sim_world *world, int slot);
bool sim_strange(const struct sim_world *world, const struct sim_row *row,
                 const struct lx_row_schema *schema);
/* Columns of these rows as ClickHouse sends them, in schema order. */
void sim_fill_columns(const struct lx_row_schema *schema, const struct sim_row *rows, size_t count,
                      struct lx_column *columns);
/* A copy that outlives the run that sent it; kept for the life of the program. */
const struct lx_row_schema *sim_keep_schema(const struct lx_row_schema *schema);
void sim_forget_schemas(void);

struct sim_part *sim_part_new(const char *partition, int64_t min, int64_t max, int64_t level,
                              int64_t mutation);
void sim_part_free(struct sim_part *part);
void sim_part_add(struct sim_part *part, const struct sim_row *row);
void sim_part_changed(struct sim_part *part); /* its rows are others now */
void sim_add_part(struct sim_world *world, struct sim_part *part);
void sim_take_part(struct sim_world *world, struct sim_part *part); /* out of the table */
void sim_drop_empty(struct sim_world *world);

/* One thing that the world does by itself. `calm`: no archiver is between guard and drop. */
void sim_world_move(struct sim_world *world, bool calm);
void sim_patch(struct sim_world *world); /* a lightweight update of some row */
void sim_exchange(struct sim_world *world);
/* Nothing waits any more: masks run, lost requests land, the table is there. */
void sim_world_settle(struct sim_world *world);
void sim_world_show(const struct sim_world *world);

/* -- delete.c ------------------------------------------------------------------------------ */

bool sim_drop_now(struct sim_world *world, const char *name, int actor, int64_t due);
void sim_run_mutation(struct sim_world *world); /* the oldest that waits */
void sim_run_late_drop(struct sim_world *world);
bool sim_reads_are_blocked(const struct sim_world *world);
void sim_power_loss(struct sim_world *world);
/* Which deletes does the log, as this ledger has it, tell of? */
void sim_recorded(struct sim_world *world, const struct lx_ledger_state *state);
void sim_source(uint64_t uuid, char text[64]); /* of a table, as segments name it */
/* Would these rows, in these blocks, be taken for others that are deleted and not recorded? */
bool sim_confuses(const struct sim_world *world, const char *partition, int64_t min, int64_t max,
                  const struct sim_row *rows, size_t count);

/* -- actors -------------------------------------------------------------------------------- */

enum sim_kind { SIM_ARCHIVER, SIM_VACUUM, SIM_ERASER };

struct sim_actor {
    struct sim *sim;
    int number;
    enum sim_kind kind;
    enum lx_status (*job)(struct sim_actor *actor); /* what it does instead; NULL */
    bool running, dead;
    bool window;  /* between the answer of a guard and its DROP PART: exception (a) */
    bool masking; /* between the question of a guard and its delete */
    bool judging; /* between a delete and the question what it did */
    int credit;   /* steps before others come */
    int storm;    /* calls of the store that fail from now on */
    int64_t skew_ms;
    struct lx_cancel cancel;
    struct lx_archive_options options;
    struct lx_archive_report report;
    struct lx_err err;
    enum lx_status status;
    ucontext_t context;
    void *stack;
    void *fake_stack;
};

struct sim_actor *sim_start(struct sim *sim, enum sim_kind kind, bool final);
/* Lets it take so many steps. */
void sim_resume(struct sim_actor *actor, int steps);
void sim_kill(struct sim_actor *actor);
/* A call of the outside world begins: others may come first. False: the actor is dead. */
bool sim_enter(struct sim_actor *actor, const char *what);
/* Does a call fail here? */
bool sim_faulty(struct sim_actor *actor);
bool sim_flips(struct sim *sim);         /* is a bit wrong here? */
bool sim_is_calm(const struct sim *sim); /* nobody is between guard and drop */
bool sim_is_masking(const struct sim *sim);
bool sim_is_judging(const struct sim *sim);
bool sim_may_erase(const struct sim *sim);
enum lx_status sim_vacuum(struct sim_actor *actor);
enum lx_status sim_erase(struct sim_actor *actor);
enum lx_status sim_dead(struct lx_err *err);
int64_t sim_due_of(const struct sim_actor *actor);

extern const struct lx_hot_ops sim_hot_ops; /* self: struct sim_actor */

/* -- the witness --------------------------------------------------------------------------- */

struct sim_witness {
    int64_t version; /* read so far; -1: none */
    struct sim_file *files;
    size_t file_count, file_cap;
    struct sim_list archived; /* of all listed files */
};

void sim_witness_look(struct sim *sim);  /* reads what was committed since */
void sim_check_deleted(struct sim *sim); /* all that was deleted is archived */
void sim_check_final(struct sim *sim);
void sim_witness_free(struct sim_witness *witness);

/* -- one history --------------------------------------------------------------------------- */

struct sim {
    uint64_t seed;
    struct sim_rng rng;
    bool verbose;
    int ops;
    int64_t now_ms;
    int64_t steps;
    bool quiet;                /* no faults, no switches: the clean runs at the end */
    int fault_rate, flip_rate; /* of a thousand calls */
    bool faulty;               /* calls failed in this history */
    bool flipped;
    bool stored_flipped; /* … of a stored object: no other that could undo it */
    /* How the last actor ended. */
    enum lx_status last_status;
    bool last_refused;
    char last_text[512];
    struct sim_world world;
    struct lx_mem_bucket *bucket;
    struct sim_actor *actors[SIM_ACTORS];
    int actor_count, actors_made;
    struct sim_actor *current;
    ucontext_t main_context;
    struct sim_witness witness;
    bool failed;
    char why[512];
    /* What was exercised, over all seeds. */
    struct sim_totals *totals;
};

struct sim_totals {
    int64_t seeds, steps, runs, kills, commits, files, drops, masks, masks_refused, reconciles,
        erased, vacuumed, faults, unknowns, quarantined;
};

/* Runs one seed; false: a promise was broken, sim->why says which. */
bool sim_history(struct sim *sim, uint64_t seed, int ops, bool verbose, struct sim_totals *totals);
/* The pieces of it. */
void sim_begin(struct sim *sim, uint64_t seed, bool verbose, struct sim_totals *totals);
void sim_clean_runs(struct sim *sim);
void sim_end(struct sim *sim);
void sim_fail(struct sim *sim, const char *format, ...) LX_PRINTF(2, 3);
void sim_say(const struct sim *sim, const char *format, ...) LX_PRINTF(2, 3);
void *sim_memory(void *memory); /* ends the program where it is NULL */

#endif
