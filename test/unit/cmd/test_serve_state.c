/* When the next run is due, and who is healthy: by a clock that the test sets. */
#include "cmd/serve_state.h"

#include "base/civil.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECOND 1000
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)

static int64_t monotonic, offset; /* the other clock is `offset` ahead */

static int64_t read_monotonic(void *self)
{
    (void)self;
    return monotonic;
}

static int64_t read_now(void *self)
{
    (void)self;
    return monotonic + offset;
}

static const struct lx_clock fake = {.now_ms = read_now, .monotonic_ms = read_monotonic};
static struct lx_serve_state state;

static void start(int64_t interval, int64_t retry)
{
    monotonic = 5000 * SECOND;
    offset = lx_civil_days(2026, 11, 22) * DAY;
    lx_serve_state_init(&state, fake, interval, retry);
}

/* A run of so many milliseconds that ends so. */
static void run(int64_t took, enum lx_status status)
{
    struct lx_archive_report report = {.first_ms = read_now(NULL)};
    struct lx_err err = LX_ERR_INIT;
    lx_serve_state_begin(&state);
    monotonic += took;
    report.last_ms = read_now(NULL);
    report.archived_rows = status == LX_OK ? 7 : 0;
    if (status != LX_OK)
        lx_err_set(&err, status, "it went wrong");
    lx_serve_state_end(&state, &report, &err);
}

static enum lx_serve_health health(void)
{
    struct lx_serve_view view;
    lx_serve_state_view(&state, &view);
    return view.health;
}

static void test_first_run_at_once(void **unused)
{
    (void)unused;
    struct lx_serve_view view;
    start(DAY, 60 * SECOND);
    assert_int_equal(lx_serve_state_left_ms(&state), 0);
    lx_serve_state_view(&state, &view);
    assert_int_equal(view.health, LX_SERVE_HEALTHY);
    assert_false(view.last.any);
    assert_int_equal(view.last_success_ms, 0);
    lx_serve_state_free(&state);
}

static void test_interval(void **unused)
{
    (void)unused;
    start(DAY, 60 * SECOND);
    run(10 * SECOND, LX_OK);
    assert_int_equal(lx_serve_state_left_ms(&state), DAY - 10 * SECOND); /* from its beginning */
    monotonic += DAY;
    assert_int_equal(lx_serve_state_left_ms(&state), 0);
    run(2 * DAY, LX_OK); /* longer than the interval */
    assert_int_equal(lx_serve_state_left_ms(&state), LX_SERVE_MIN_PAUSE_MS);
    run(DAY - 1, LX_OK);
    assert_int_equal(lx_serve_state_left_ms(&state), LX_SERVE_MIN_PAUSE_MS);
    lx_serve_state_free(&state);
}

static void test_backoff(void **unused)
{
    (void)unused;
    start(HOUR, 60 * SECOND);
    const int64_t minutes[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};
    for (size_t i = 0; i < sizeof minutes / sizeof minutes[0]; i++) {
        run(5 * SECOND, LX_E_NETWORK);
        assert_int_equal(lx_serve_state_left_ms(&state), minutes[i] * 60 * SECOND);
    }
    for (int i = 0; i < 1000; i++) /* no overflow */
        run(SECOND, LX_E_ACCESS);
    assert_int_equal(lx_serve_state_left_ms(&state), HOUR);
    run(SECOND, LX_OK);
    assert_int_equal(lx_serve_state_left_ms(&state), HOUR - SECOND);
    run(SECOND, LX_E_BUSY); /* from the start again */
    assert_int_equal(lx_serve_state_left_ms(&state), 60 * SECOND);
    lx_serve_state_free(&state);
    start(60 * SECOND, HOUR); /* a retry pause that is longer than the interval */
    run(SECOND, LX_E_NETWORK);
    assert_int_equal(lx_serve_state_left_ms(&state), 60 * SECOND);
    lx_serve_state_free(&state);
}

static void test_proof_is_not_tried_again(void **unused)
{
    (void)unused;
    const enum lx_status bad[] = {LX_E_MISMATCH, LX_E_CORRUPT, LX_E_FORMAT, LX_E_BUG};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        start(DAY, 60 * SECOND);
        run(SECOND, bad[i]);
        assert_int_equal(lx_serve_state_left_ms(&state), DAY - SECOND);
        assert_int_equal(health(), LX_SERVE_UNHEALTHY);
        run(SECOND, LX_OK);
        assert_int_equal(health(), LX_SERVE_HEALTHY);
        lx_serve_state_free(&state);
    }
}

static void test_health(void **unused)
{
    (void)unused;
    struct lx_serve_view view;
    start(HOUR, 60 * SECOND);
    run(SECOND, LX_OK);
    int64_t good = read_now(NULL);
    monotonic += 10 * HOUR; /* without a run, but also without a failure */
    assert_int_equal(health(), LX_SERVE_HEALTHY);
    run(SECOND, LX_E_TIMEOUT);
    int64_t since = read_now(NULL);
    assert_int_equal(health(), LX_SERVE_FAILING);
    monotonic += HOUR;
    run(SECOND, LX_E_TIMEOUT);
    monotonic = since - offset + 2 * HOUR;
    assert_int_equal(health(), LX_SERVE_FAILING);
    monotonic += 1;
    assert_int_equal(health(), LX_SERVE_UNHEALTHY);
    lx_serve_state_view(&state, &view);
    assert_int_equal(view.failures, 2);
    assert_int_equal(view.failing_since_ms, since);
    assert_int_equal(view.last_success_ms, good);
    assert_int_equal(view.last.result, LX_SERVE_ERROR);
    assert_string_equal(view.last.err.text, "it went wrong");
    run(SECOND, LX_OK);
    lx_serve_state_view(&state, &view);
    assert_int_equal(view.health, LX_SERVE_HEALTHY);
    assert_int_equal(view.failures, 0);
    assert_int_equal(view.failing_since_ms, 0);
    assert_int_equal(view.last.archived_rows, 7);
    lx_serve_state_free(&state);
}

/* Somebody sets the clock: no pause moves, and the time of the next run is told by the new one. */
static void test_clock_set(void **unused)
{
    (void)unused;
    struct lx_serve_view view;
    start(DAY, 60 * SECOND);
    run(0, LX_OK);
    offset += 365 * (int64_t)DAY;
    assert_int_equal(lx_serve_state_left_ms(&state), DAY);
    lx_serve_state_view(&state, &view);
    assert_int_equal(view.next_ms, read_now(NULL) + DAY);
    assert_int_equal(view.health, LX_SERVE_HEALTHY);
    lx_serve_state_free(&state);
}

static void test_not_deleted(void **unused)
{
    (void)unused;
    struct lx_archive_report report = {.delete_refused = true, .kept_rows = 5};
    struct lx_err none = LX_ERR_INIT;
    struct lx_serve_view view;
    start(DAY, 60 * SECOND);
    lx_err_set(&report.refusal, LX_E_ACCESS, "no right");
    lx_serve_state_begin(&state);
    lx_serve_state_view(&state, &view);
    assert_true(view.running);
    assert_int_equal(view.next_ms, 0);
    assert_int_equal(view.running_since_ms, read_now(NULL));
    lx_serve_state_end(&state, &report, &none);
    lx_serve_state_view(&state, &view);
    assert_false(view.running);
    assert_int_equal(view.last.result, LX_SERVE_NOT_DELETED);
    assert_int_equal(view.last.kept_rows, 5);
    assert_string_equal(view.last.err.text, "no right");
    assert_int_equal(view.health, LX_SERVE_HEALTHY);
    assert_int_equal(lx_serve_state_left_ms(&state), DAY);
    lx_serve_state_free(&state);
}

static void test_json(void **unused)
{
    (void)unused;
    struct lx_serve_view view;
    start(DAY, 60 * SECOND);
    lx_serve_state_view(&state, &view);
    json_t *json = lx_serve_view_json(&view);
    assert_string_equal(json_string_value(json_object_get(json, "status")), "healthy");
    assert_true(json_is_null(json_object_get(json, "last_run")));
    assert_true(json_is_null(json_object_get(json, "last_success")));
    json_decref(json);
    run(SECOND, LX_E_NETWORK);
    lx_serve_state_view(&state, &view);
    json = lx_serve_view_json(&view);
    const json_t *last = json_object_get(json, "last_run");
    assert_string_equal(json_string_value(json_object_get(json, "status")), "failing");
    assert_string_equal(json_string_value(json_object_get(last, "result")), "error");
    assert_string_equal(json_string_value(json_object_get(json_object_get(last, "error"), "text")),
                        "it went wrong");
    assert_string_equal(json_string_value(json_object_get(last, "started")),
                        "2026-11-22T01:23:20.000Z");
    assert_string_equal(json_string_value(json_object_get(json, "next_run")),
                        "2026-11-22T01:24:21.000Z");
    json_decref(json);
    lx_serve_state_free(&state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_run_at_once),
        cmocka_unit_test(test_interval),
        cmocka_unit_test(test_backoff),
        cmocka_unit_test(test_proof_is_not_tried_again),
        cmocka_unit_test(test_health),
        cmocka_unit_test(test_clock_set),
        cmocka_unit_test(test_not_deleted),
        cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
