#include "cmd/serve_state.h"

#include "base/civil.h"

const char *lx_serve_result_name(enum lx_serve_result result)
{
    static const char *const names[] = {"success", "not_deleted", "error"};
    return names[result];
}

void lx_serve_state_init(struct lx_serve_state *state, struct lx_clock clock, int64_t interval_ms,
                         int64_t retry_ms)
{
    *state = (struct lx_serve_state){
        .clock = clock,
        .interval_ms = interval_ms,
        .retry_ms = retry_ms < interval_ms ? retry_ms : interval_ms,
        .started_ms = lx_clock_now(&clock),
        .next_due = lx_clock_monotonic(&clock), /* the first run comes at once */
    };
    pthread_mutex_init(&state->lock, NULL);
}

void lx_serve_state_free(struct lx_serve_state *state)
{
    pthread_mutex_destroy(&state->lock);
}

void lx_serve_state_begin(struct lx_serve_state *state)
{
    pthread_mutex_lock(&state->lock);
    state->running = true;
    state->run_began = lx_clock_monotonic(&state->clock);
    pthread_mutex_unlock(&state->lock);
}

/* -- the end of a run ---------------------------------------------------------------------- */

static bool is_corrupt(enum lx_status status)
{
    enum lx_class class = lx_status_class(status);
    return class == LX_CLASS_corrupt || class == LX_CLASS_bug;
}

/* The retry pause, doubled with each failure after the first. */
static int64_t backoff(const struct lx_serve_state *state)
{
    int64_t pause = state->retry_ms;
    for (int i = 1; i < state->failures && pause < state->interval_ms; i++)
        pause *= 2;
    return pause < state->interval_ms ? pause : state->interval_ms;
}

static int64_t next_due(const struct lx_serve_state *state, const struct lx_err *err, int64_t now)
{
    if (err->status != LX_OK && !is_corrupt(err->status))
        return now + backoff(state);
    int64_t due = state->run_began + state->interval_ms;
    return due > now + LX_SERVE_MIN_PAUSE_MS ? due : now + LX_SERVE_MIN_PAUSE_MS;
}

void lx_serve_state_end(struct lx_serve_state *state, const struct lx_archive_report *report,
                        const struct lx_err *err)
{
    int64_t now = lx_clock_monotonic(&state->clock);
    pthread_mutex_lock(&state->lock);
    state->running = false;
    if (err->status != LX_OK && state->failures++ == 0)
        state->failing_since = now;
    if (err->status == LX_OK) {
        state->failures = 0;
        state->last_success_ms = report->last_ms;
    }
    state->next_due = next_due(state, err, now);
    state->last = (struct lx_serve_last){
        .any = true,
        .result = err->status != LX_OK     ? LX_SERVE_ERROR
                  : report->delete_refused ? LX_SERVE_NOT_DELETED
                                           : LX_SERVE_SUCCESS,
        .first_ms = report->first_ms,
        .last_ms = report->last_ms,
        .archived_rows = report->archived_rows,
        .deleted_rows = report->deleted_rows,
        .kept_rows = report->kept_rows,
        .waiting_rows = report->waiting_rows,
        .err = err->status != LX_OK ? *err : report->refusal,
    };
    pthread_mutex_unlock(&state->lock);
}

/* -- looking ------------------------------------------------------------------------------- */

int64_t lx_serve_state_left_ms(struct lx_serve_state *state)
{
    pthread_mutex_lock(&state->lock);
    int64_t left = state->next_due - lx_clock_monotonic(&state->clock);
    pthread_mutex_unlock(&state->lock);
    return left > 0 ? left : 0;
}

static enum lx_serve_health health(const struct lx_serve_state *state, int64_t now)
{
    if (state->failures == 0)
        return LX_SERVE_HEALTHY;
    if (is_corrupt(state->last.err.status) ||
        now - state->failing_since > LX_SERVE_FAILING_INTERVALS * state->interval_ms)
        return LX_SERVE_UNHEALTHY;
    return LX_SERVE_FAILING;
}

void lx_serve_state_view(struct lx_serve_state *state, struct lx_serve_view *view)
{
    pthread_mutex_lock(&state->lock);
    int64_t now = lx_clock_monotonic(&state->clock);
    int64_t wall = lx_clock_now(&state->clock) - now; /* what makes one of the other */
    *view = (struct lx_serve_view){
        .health = health(state, now),
        .running = state->running,
        .failures = state->failures,
        .started_ms = state->started_ms,
        .running_since_ms = state->running ? wall + state->run_began : 0,
        .next_ms = state->running ? 0 : wall + state->next_due,
        .failing_since_ms = state->failures > 0 ? wall + state->failing_since : 0,
        .last_success_ms = state->last_success_ms,
        .last = state->last,
    };
    pthread_mutex_unlock(&state->lock);
}

/* -- /healthz ------------------------------------------------------------------------------ */

static json_t *time_json(int64_t ms)
{
    char text[LX_TIME_TEXT];
    if (ms == 0)
        return json_null();
    lx_time_iso(ms, text);
    return json_string(text);
}

static json_t *last_json(const struct lx_serve_last *last)
{
    if (!last->any)
        return json_null();
    json_t *error = last->err.status == LX_OK
                        ? json_null()
                        : json_pack("{s:s,s:s,s:s}", "status", lx_status_name(last->err.status),
                                    "text", last->err.text, "what_to_do", last->err.hint);
    return json_pack("{s:o,s:o,s:s,s:I,s:I,s:I,s:I,s:o}", "started", time_json(last->first_ms),
                     "ended", time_json(last->last_ms), "result",
                     lx_serve_result_name(last->result), "archived_rows",
                     (json_int_t)last->archived_rows, "deleted_rows",
                     (json_int_t)last->deleted_rows, "kept_rows", (json_int_t)last->kept_rows,
                     "waiting_rows", (json_int_t)last->waiting_rows, "error", error);
}

json_t *lx_serve_view_json(const struct lx_serve_view *view)
{
    static const char *const names[] = {"healthy", "failing", "unhealthy"};
    return json_pack("{s:s,s:s,s:o,s:b,s:o,s:o,s:o,s:i,s:o,s:o}", "status", names[view->health],
                     "version", LYNEX_VERSION, "started", time_json(view->started_ms), "running",
                     view->running, "running_since", time_json(view->running_since_ms), "last_run",
                     last_json(&view->last), "last_success", time_json(view->last_success_ms),
                     "failures", view->failures, "failing_since", time_json(view->failing_since_ms),
                     "next_run", time_json(view->next_ms));
}
