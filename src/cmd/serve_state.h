/* serve_state.h: when the next run of `lynex serve` is due, and how the last ones went.
 *
 *   after a run       the next begins one interval after it began; where it took longer than that,
 *                     after LX_SERVE_MIN_PAUSE_MS
 *   after a failed    after the retry pause, doubled with each further failure in a row, up to the
 *   run               interval
 *   after a failed    as after a run: to try again would not mend it, and leaves one more file in
 *   proof             quarantine
 *
 * Healthy is who has not failed for longer than LX_SERVE_FAILING_INTERVALS intervals, and whose
 * last proof did not fail. Pauses are measured by the monotonic clock, so that setting the clock
 * moves none; times for people are by the other.
 *
 * Threads: one runs and pauses, any number look (lx_serve_state_view). */
#ifndef LX_CMD_SERVE_STATE_H
#define LX_CMD_SERVE_STATE_H

#include "archive/archive.h"

#include <pthread.h>

#define LX_SERVE_MIN_PAUSE_MS 10000
#define LX_SERVE_FAILING_INTERVALS 2

enum lx_serve_result {
    LX_SERVE_SUCCESS,
    LX_SERVE_NOT_DELETED, /* archived, but rows may not be deleted: a success that is said */
    LX_SERVE_ERROR
};
/* "success", "not_deleted", "error" */
const char *lx_serve_result_name(enum lx_serve_result result);

enum lx_serve_health {
    LX_SERVE_HEALTHY,
    LX_SERVE_FAILING,  /* the last run failed, and is tried again */
    LX_SERVE_UNHEALTHY /* for too long, or a proof failed */
};

struct lx_serve_last {
    bool any; /* a run has ended */
    enum lx_serve_result result;
    int64_t first_ms, last_ms; /* since 1970 */
    int64_t archived_rows, deleted_rows, kept_rows, waiting_rows;
    struct lx_err err; /* why it failed, or did not delete */
};

struct lx_serve_state {
    pthread_mutex_t lock;
    struct lx_clock clock;
    int64_t interval_ms, retry_ms;
    int64_t started_ms; /* the process, since 1970 */
    bool running;
    int failures; /* in a row */
    /* Monotonic: */
    int64_t run_began, next_due, failing_since;
    int64_t last_success_ms; /* since 1970; 0: none yet */
    struct lx_serve_last last;
};

/* A moment of it; times are milliseconds since 1970, 0 where there is none. */
struct lx_serve_view {
    enum lx_serve_health health;
    bool running;
    int failures;
    int64_t started_ms, running_since_ms, next_ms, failing_since_ms, last_success_ms;
    struct lx_serve_last last;
};

void lx_serve_state_init(struct lx_serve_state *state, struct lx_clock clock, int64_t interval_ms,
                         int64_t retry_ms);
void lx_serve_state_free(struct lx_serve_state *state); /* what it owns */
void lx_serve_state_begin(struct lx_serve_state *state);
/* `err`: of a run that failed; LX_OK otherwise. */
void lx_serve_state_end(struct lx_serve_state *state, const struct lx_archive_report *report,
                        const struct lx_err *err);
/* Until the next run; 0: now. */
int64_t lx_serve_state_left_ms(struct lx_serve_state *state);
void lx_serve_state_view(struct lx_serve_state *state, struct lx_serve_view *view);

/* The body of /healthz; NULL: no memory. */
json_t *lx_serve_view_json(const struct lx_serve_view *view);

#endif
