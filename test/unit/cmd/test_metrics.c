/* Counts out of events and reports; the text. */
#include "cmd/metrics.h"

#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct lx_metrics metrics;
static struct lx_archive_report report;

static int set_up(void **state)
{
    (void)state;
    lx_metrics_init(&metrics);
    report = (struct lx_archive_report){0};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lx_metrics_free(&metrics);
    return 0;
}

static void tell(enum lx_event_kind kind, int64_t rows)
{
    const struct lx_event event = {.kind = kind, .rows = rows};
    lx_metrics_look(&metrics, &event, &report);
}

/* The whole line "NAME VALUE" stands in the text. */
static void has(const char *line)
{
    const struct lx_serve_view view = {0};
    struct lx_buf text = LX_BUF(LX_METRICS_MAX_TEXT);
    char wanted[256];
    assert_int_equal(lx_metrics_render(&metrics, &view, &text), LX_OK);
    snprintf(wanted, sizeof wanted, "\n%s\n", line);
    if (strstr(lx_buf_cstr(&text), wanted) == NULL &&
        strncmp(lx_buf_cstr(&text), wanted + 1, strlen(wanted + 1)) != 0)
        fail_msg("%s is not in\n%s", line, lx_buf_cstr(&text));
    lx_buf_free(&text);
}

static void test_all_from_the_start(void **state)
{
    (void)state;
    has("lynex_events_archived_total{status=\"success\"} 0");
    has("lynex_events_archived_total{status=\"error\"} 0");
    has("lynex_archive_duration_seconds_bucket{le=\"300.0\"} 0");
    has("lynex_archive_batch_size_bucket{le=\"50000.0\"} 0");
    has("lynex_archive_batch_size_bucket{le=\"+Inf\"} 0");
    has("lynex_s3_upload_errors_total{error_type=\"access_denied\"} 0");
    has("lynex_s3_upload_errors_total{error_type=\"other\"} 0");
    has("lynex_archive_errors_total 0");
    has("# TYPE lynex_events_archived_total counter");
    has("# HELP lynex_events_archived_total Total number of events archived to S3");
    has("# TYPE lynex_archive_duration_seconds histogram");
    has("# TYPE lynex_s3_upload_errors_total counter");
}

static void test_a_run(void **state)
{
    (void)state;
    lx_metrics_begin(&metrics);
    report.planned_rows = 300;
    tell(LX_EVENT_FOUND, 300);
    has("lynex_archive_backlog_rows 300");
    tell(LX_EVENT_UPLOADED, 100);
    tell(LX_EVENT_UPLOADED, 101);
    has("lynex_events_archived_total{status=\"success\"} 0"); /* uploaded is not archived */
    report.archived_rows = 201;
    report.archived_bytes = 5000;
    tell(LX_EVENT_DELETED, 201);
    has("lynex_events_archived_total{status=\"success\"} 201");
    has("lynex_archive_backlog_rows 99");
    has("lynex_archive_batch_size_bucket{le=\"100.0\"} 1");
    has("lynex_archive_batch_size_bucket{le=\"1000.0\"} 2");
    has("lynex_archive_batch_size_sum 201.000");
    tell(LX_EVENT_UPLOADED, 99);
    report.archived_rows = 300;
    report.archived_bytes = 6000;
    report.deleted_rows = 250;
    report.last_ms = 7500;
    lx_metrics_end(&metrics, &report, LX_SERVE_SUCCESS);
    has("lynex_events_archived_total{status=\"success\"} 300");
    has("lynex_events_archived_total{status=\"error\"} 0");
    has("lynex_events_deleted_total 250");
    has("lynex_archive_bytes_total 6000");
    has("lynex_archive_batch_size_count 3");
    has("lynex_archive_duration_seconds_bucket{le=\"5.0\"} 0");
    has("lynex_archive_duration_seconds_bucket{le=\"10.0\"} 1");
    has("lynex_archive_duration_seconds_sum 7.500");
    has("lynex_archive_runs_total{result=\"success\"} 1");
    /* The next run's report begins at 0 again. */
    lx_metrics_begin(&metrics);
    report = (struct lx_archive_report){.planned_rows = 10, .archived_rows = 10};
    lx_metrics_end(&metrics, &report, LX_SERVE_NOT_DELETED);
    has("lynex_events_archived_total{status=\"success\"} 310");
    has("lynex_archive_runs_total{result=\"not_deleted\"} 1");
    has("lynex_archive_errors_total 0");
}

/* A batch that was given up is read again: its files count with the batch that is committed. */
static void test_given_up_batch(void **state)
{
    (void)state;
    lx_metrics_begin(&metrics);
    tell(LX_EVENT_UPLOADED, 5000);
    tell(LX_EVENT_UPLOADED, 2000);
    report.archived_rows = 2000;
    tell(LX_EVENT_PROGRESS, 1);
    has("lynex_archive_batch_size_count 1");
    has("lynex_archive_batch_size_sum 2000.000");
    /* A commit whose files were not told counts as one. */
    report.archived_rows = 2500;
    tell(LX_EVENT_PROGRESS, 1);
    has("lynex_archive_batch_size_count 2");
    has("lynex_archive_batch_size_sum 2500.000");
    has("lynex_events_archived_total{status=\"success\"} 2500");
}

static void test_failed_runs(void **state)
{
    (void)state;
    lx_metrics_begin(&metrics);
    lx_metrics_end(&metrics, &report, LX_SERVE_ERROR); /* before it had a plan */
    has("lynex_events_archived_total{status=\"error\"} 1");
    has("lynex_archive_errors_total 1");
    lx_metrics_begin(&metrics);
    report.planned_rows = 500;
    report.archived_rows = 200;
    lx_metrics_end(&metrics, &report, LX_SERVE_ERROR);
    has("lynex_events_archived_total{status=\"error\"} 301");
    has("lynex_events_archived_total{status=\"success\"} 200");
    has("lynex_archive_errors_total 2");
    has("lynex_archive_runs_total{result=\"error\"} 2");
}

static void test_upload_errors(void **state)
{
    (void)state;
    lx_metrics_upload_error(&metrics, LX_E_ACCESS);
    lx_metrics_upload_error(&metrics, LX_E_ACCESS);
    lx_metrics_upload_error(&metrics, LX_E_REMOTE);
    lx_metrics_upload_error(&metrics, LX_E_CORRUPT);
    has("lynex_s3_upload_errors_total{error_type=\"access_denied\"} 2");
    has("lynex_s3_upload_errors_total{error_type=\"other\"} 2");
}

/* Without memory for the files of a batch, their rows are still counted. */
static void test_no_memory(void **state)
{
    (void)state;
    lx_metrics_begin(&metrics);
    lx_alloc_fail_at(1);
    tell(LX_EVENT_UPLOADED, 40);
    lx_alloc_fail_at(0);
    report.archived_rows = 40;
    tell(LX_EVENT_DELETED, 40);
    has("lynex_events_archived_total{status=\"success\"} 40");
    has("lynex_archive_batch_size_sum 40.000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_from_the_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_given_up_batch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failed_runs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_upload_errors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_memory, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
