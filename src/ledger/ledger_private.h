/* ledger_private.h: what the files of the ledger share.
 *
 * Who calls whom: ledger.c (open, refresh, getters) and ledger_commit.c (the loop of tries) stand
 * on ledger_read.c (versions from the store), ledger_render.c (a change as bytes), ledger_check.c
 * (may it be committed on this state), ledger_conflict.c (what came in between), ledger_view.c (the
 * public state), ledger_replay.h (from bytes to tables). */
#ifndef LX_LEDGER_LEDGER_PRIVATE_H
#define LX_LEDGER_LEDGER_PRIVATE_H

#include "ledger/ledger_names.h"
#include "ledger/ledger_replay.h"

/* A read buffer that grew beyond this is given back after use. */
#define LX_LEDGER_KEEP_BYTES (4 * LX_MIB)
/* Sleeps between tries: up to the first, doubled each time, up to the last; the actual one is
 * random below that (full jitter), so that writers which met do not meet again. */
#define LX_LEDGER_FIRST_SLEEP_MS 20
#define LX_LEDGER_LAST_SLEEP_MS 5000

struct lx_ledger {
    struct lx_ledger_options options;
    struct lx_ledger_state state;
    struct lx_tables tables;
    size_t files_capacity, live_capacity, ended_capacity; /* of the state's arrays */
    struct lx_ptrs order;                                 /* scratch: domains to be sorted */

    /* The version that callers planned on, where they do not say: see lx_change.base_version. */
    int64_t planned_version;
    /* Versions above history_from, oldest first: struct lx_history *. None is kept while the log is
     * read for the first time. */
    bool opened;
    struct lx_ptrs history;
    int64_t history_from;

    struct lx_buf body;   /* bytes of the version that was last read or written */
    int64_t body_version; /* whose bytes these are; -1: nobody's */
};

/* -- ledger_view.c: the sorted arrays of the public state ---------------------------------- */

/* All memory that lx_ledger_view_update needs once this version is applied. */
LX_MUST_CHECK enum lx_status lx_ledger_view_reserve(struct lx_ledger *ledger,
                                                    const struct lx_version *version);
void lx_ledger_view_update(struct lx_ledger *ledger); /* cannot fail */
void lx_ledger_view_free(struct lx_ledger *ledger);

/* -- ledger_read.c ------------------------------------------------------------------------- */

/* Broken checkpoints that are passed over before the versions themselves are read. */
#define LX_LEDGER_MAX_CHECKPOINTS 8

/* What a listing of the log says of the versions behind `after`. */
struct lx_listing {
    int64_t after;
    int64_t newest;     /* the greatest commit that was listed; `after` where none was */
    int64_t missing;    /* the first that is not there though a later one is; -1: none */
    int64_t checkpoint; /* the greatest listed, of any kind; -1: none */
    int64_t whole[LX_LEDGER_MAX_CHECKPOINTS]; /* the newest of one part, ascending */
    size_t whole_count;
};
LX_MUST_CHECK enum lx_status lx_ledger_list(struct lx_ledger *ledger, int64_t after,
                                            struct lx_listing *listing, struct lx_err *err);
/* Into ledger->body. LX_E_NOTFOUND: no such version. */
LX_MUST_CHECK enum lx_status lx_ledger_read(struct lx_ledger *ledger, int64_t version,
                                            struct lx_err *err);
/* Gives a large body back. */
void lx_ledger_drop_body(struct lx_ledger *ledger);
/* "version 7 (s3://…/_delta_log/00000000000000000007.json)" */
#define LX_LEDGER_WHERE 512
void lx_ledger_where(const struct lx_ledger *ledger, int64_t version, char text[LX_LEDGER_WHERE]);
/* Parses and prepares; a version that can be applied without failing, or nothing. `own`: written
 * by this ledger. */
LX_MUST_CHECK enum lx_status lx_ledger_take_in(struct lx_ledger *ledger, int64_t number,
                                               struct lx_str bytes, bool own,
                                               struct lx_version **version, struct lx_err *err);
/* Applies and frees it; the view is not brought up to date. */
void lx_ledger_apply(struct lx_ledger *ledger, struct lx_version *version);
/* The tables, empty so far, become what `version` says, read from a checkpoint. On a failure they
 * stay empty. */
LX_MUST_CHECK enum lx_status lx_ledger_start_from(struct lx_ledger *ledger,
                                                  struct lx_version *version, struct lx_err *err);
/* Reads all versions that are there, and those up to `at_least`, which are known to be there.
 * *cut: versions are missing, the log was cut off or is broken (LX_E_FORMAT). */
LX_MUST_CHECK enum lx_status lx_ledger_advance(struct lx_ledger *ledger, int64_t at_least,
                                               bool *cut, struct lx_err *err);

/* Sleeps before try `attempt` (from 1) within the bounds above. LX_E_CANCELLED. */
LX_MUST_CHECK enum lx_status lx_ledger_sleep(struct lx_ledger *ledger, size_t attempt,
                                             struct lx_err *err);

/* -- ledger_check.c ------------------------------------------------------------------------ */

/* The names in a change, for looking up. Values mean nothing but "is there". */
struct lx_change_index {
    struct lx_ledger_map ends; /* ids in end_segments and replace_segments */
    struct lx_ledger_map revives, forgets, adds;
    struct lx_ledger_map add_paths, remove_paths;
    struct lx_ledger_map schemas;
};
void lx_change_index_free(struct lx_change_index *index);
/* Fills `index`, and checks the change by itself: LX_E_BUG, LX_E_REFUSED, LX_E_ARGUMENT,
 * LX_E_LIMIT, LX_E_MEMORY. On failure the index is freed. */
LX_MUST_CHECK enum lx_status lx_change_check(const struct lx_change *change,
                                             struct lx_change_index *index, struct lx_err *err);
/* Against the state that the version will follow. LX_E_REFUSED; where `moved`, because the state is
 * not the one that the change was planned on: LX_E_CONFLICT. */
LX_MUST_CHECK enum lx_status lx_change_check_state(const struct lx_tables *tables,
                                                   const struct lx_change *change,
                                                   const struct lx_change_index *index, bool moved,
                                                   struct lx_err *err);

/* -- ledger_conflict.c --------------------------------------------------------------------- */

/* Against what others committed above `base`. LX_E_CONFLICT, with who and what. */
LX_MUST_CHECK enum lx_status lx_change_check_between(const struct lx_ledger *ledger,
                                                     const struct lx_change *change,
                                                     const struct lx_change_index *index,
                                                     int64_t base, struct lx_err *err);

/* -- ledger_render.c ----------------------------------------------------------------------- */

/* The bytes of the version that follows the tables' state. */
LX_MUST_CHECK enum lx_status lx_change_render(const struct lx_ledger *ledger,
                                              const struct lx_change *change,
                                              const struct lx_change_index *index,
                                              const char *txn_id, struct lx_buf *body,
                                              struct lx_err *err);

/* -- ledger_checkpoint.c: see ledger_checkpoint.h ------------------------------------------ */

/* The newest checkpoint that can be read becomes the state; where there is none, nothing does.
 * Those that are passed over are told to options.log. */
LX_MUST_CHECK enum lx_status lx_ledger_load_checkpoint(struct lx_ledger *ledger,
                                                       struct lx_err *err);
/* The error where versions are missing that a newer checkpoint stands for. */
LX_MUST_CHECK enum lx_status
lx_ledger_cleaned(struct lx_ledger *ledger, const struct lx_listing *listing, struct lx_err *err);
/* Writes one after a version that was committed, every LX_LEDGER_CHECKPOINT_EVERY. A failure is
 * only told: the log is whole without it. */
void lx_ledger_checkpoint_if_due(struct lx_ledger *ledger);

#endif
