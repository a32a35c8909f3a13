/* ledger_model.h: the ledger as plain lists: what a log of numbered commits must come to. See
 * test_ledger_model.c. */
#ifndef LX_TEST_LEDGER_MODEL_H
#define LX_TEST_LEDGER_MODEL_H

#include "ledger_fixture.h"

enum {
    WRITERS = 4,
    STEPS = 200,
    MAX_EFFECTS = 8 * STEPS,
    MAX_SEGMENTS = 16 * STEPS,
    MAX_PATHS = 8 * STEPS,
    MAX_LIST = 24,
    NO_FILE = -1
};

extern const char *const sources[3], *const partitions[2];

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

/* Text that stays until the 64th call after. */
const char *path_of(int path);
int number_of(const char *id);
bool in_list(const int *list, size_t count, int what);

/* Does a version of theirs, in between, forbid ours? Both as CHANGE; of GONE the log says what it
 * came to. */
bool forbids(const struct world *world, const struct effect *ours, const struct effect *theirs);
/* Did a version take an ended segment from one that would forget it? */
bool takes_ended(const struct effect *ours, const struct effect *theirs);
/* Does the model's state contradict a change? */
bool contradicts(const struct world *world, const struct effect *ours);
/* Takes in what the bucket holds beyond the model's version, and checks that it may be there. */
void follow(struct world *world);
/* Is a writer's state, of the newest version, what the lists hold? */
void check_state(struct world *world, int who);

#endif
