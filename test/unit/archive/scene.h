/* scene.h: a table with a past, in the simulation's models, and one run over it that a test takes
 * step by step: warrants, guard, delete, proofs. No coroutines and no chance: what fails, a test
 * says. At the end the simulation's clean runs and its oracle look at what is left: every row
 * archived exactly once, none gone that was not.
 *
 *   part            rows by day (0: 2026-02-26)   today is day 5, rows before day 4 are due
 *   202602_1_1_0    0, 0, 1                       old
 *   202602_2_2_0    1, 2                          old
 *   202603_3_3_0    3, 3, 3, 4                    mostly old
 *   202603_4_4_0    3, 4, 4                       hardly old */
#ifndef LX_TEST_SCENE_H
#define LX_TEST_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../sim/sim.h"
#include "archive/run.h"
#include "faults.h"

#define SCENE_DAY ((int64_t)20510)
#define SCENE_OLD_ROWS 9 /* due, of all parts */
enum { OLD_A, OLD_B, MOSTLY, HARDLY };

/* What becomes of a delete's statement. */
struct scene_fate {
    enum lx_status says;
    const char *name;  /* of the error */
    size_t acts;       /* so many of its parts lose their rows; SIZE_MAX: all */
    const char *words; /* the statement's text, in place of the model's */
};

struct scene {
    struct sim sim;
    struct sim_totals totals;
    struct sim_actor actor;
    struct lx_archive_options *options; /* of the actor */
    struct lx_archive_report report;
    struct lx_hot_ops ops; /* the model's; a test puts its own in their place */
    struct lx_run run;
    struct lx_hot_parts parts;
    bool running;
    /* What fails, and what was done. */
    struct scene_fate drop, mask;
    enum lx_status apply_says;
    enum lx_step fails_at;           /* this step fails with LX_E_IO; LX_STEP_COUNT: none */
    void (*then)(enum lx_step step); /* called at each step */
    enum lx_status puts_fail, heads_fail, gets_fail, lists_fail; /* LX_OK: they do not */
    int drops, masks, applies, heads;
    char said[LX_ERR_TEXT]; /* the last warning */
};
extern struct scene scene;

int scene_setup(void **state);    /* the rows, not archived */
int scene_teardown(void **state); /* the oracle judges */
/* The same where a test did what no run may have to live with: nobody judges. */
int scene_abandon(void **state);

/* One more part; days in the text "0014". */
void scene_insert(const char *partition, const char *days);
void scene_archive(void); /* a run that deletes nothing */
/* Begins the run that deletes; the parts are looked at. */
void scene_start(void);
void scene_end(void);

/* The segments of one of the parts, by number; NULL ids beyond them. */
size_t scene_ids(size_t part, const char *ids[16]);
struct lx_warrant *scene_warrant(size_t part);
int64_t scene_hot_rows(void); /* in the table */
size_t scene_live(void);      /* segments of the newest ledger */
struct sim_part *scene_part(size_t part);

/* Calls `act` again and again, with another of its allocations failing; the models' own are left
 * out. Each time the scene is made anew by `make`. `act` must end with LX_OK or LX_E_MEMORY and a
 * text; nothing may leak. Returns how many allocations it makes. */
uint64_t scene_memory(void (*make)(void), enum lx_status (*act)(struct lx_err *err));

#define assert_status(call, expected, err)                                                         \
    do {                                                                                           \
        enum lx_status status_ = (call);                                                           \
        if (status_ != (expected))                                                                 \
            print_error("%s: %s: %s\n", #call, lx_status_name(status_), (err)->text);              \
        assert_int_equal(status_, expected);                                                       \
    } while (0)

#endif
