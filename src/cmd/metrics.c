#include "cmd/metrics.h"

#include "base/alloc.h"
#include "base/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static const double duration_bounds[] = {1, 5, 10, 30, 60, 300};
static const double batch_bounds[] = {100, 1000, 5000, 10000, 50000};

_Static_assert(sizeof duration_bounds / sizeof(double) <= LX_METRICS_BUCKETS, "too few buckets");
_Static_assert(sizeof batch_bounds / sizeof(double) <= LX_METRICS_BUCKETS, "too few buckets");

void lx_metrics_init(struct lx_metrics *m)
{
    *m = (struct lx_metrics){
        .duration = {.bounds = duration_bounds,
                     .bound_count = sizeof duration_bounds / sizeof(double)},
        .batch_size = {.bounds = batch_bounds, .bound_count = sizeof batch_bounds / sizeof(double)},
    };
    pthread_mutex_init(&m->lock, NULL);
}

void lx_metrics_free(struct lx_metrics *m)
{
    pthread_mutex_destroy(&m->lock);
    lx_free(m->pending);
    m->pending = NULL;
    m->pending_count = m->pending_cap = 0;
}

/* -- counting ------------------------------------------------------------------------------ */

static void observe(struct lx_histogram *h, double value)
{
    for (size_t i = 0; i < h->bound_count; i++) {
        if (value <= h->bounds[i]) {
            h->counts[i]++;
            break;
        }
    }
    h->count++;
    h->sum += value;
}

/* Where memory is short the batch is counted as one file, see commit(). */
static void add_pending(struct lx_metrics *m, int64_t rows)
{
    if (m->pending_count == m->pending_cap) {
        size_t cap = m->pending_cap != 0 ? m->pending_cap * 2 : 16;
        int64_t *grown =
            cap <= LX_METRICS_MAX_PENDING ? lx_realloc(m->pending, cap * sizeof *grown) : NULL;
        if (grown == NULL) {
            m->pending_count = 0;
            return;
        }
        m->pending = grown;
        m->pending_cap = cap;
    }
    m->pending[m->pending_count++] = rows;
}

/* `rows` more are in the ledger: those of the files uploaded last. What was uploaded before them
 * and never committed was of a batch that was given up. */
static void commit(struct lx_metrics *m, int64_t rows)
{
    size_t first = m->pending_count;
    int64_t sum = 0;
    while (first > 0 && sum < rows)
        sum += m->pending[--first];
    if (sum != rows)
        observe(&m->batch_size, (double)rows);
    for (size_t i = first; sum == rows && i < m->pending_count; i++)
        observe(&m->batch_size, (double)m->pending[i]);
    m->pending_count = 0;
}

/* Counts what the report has more than when it was last seen. */
static void take(struct lx_metrics *m, const struct lx_archive_report *report)
{
    int64_t rows = report->archived_rows - m->seen_rows;
    if (rows > 0)
        commit(m, rows);
    m->archived_rows += rows;
    m->archived_bytes += report->archived_bytes - m->seen_bytes;
    m->deleted_rows += report->deleted_rows - m->seen_deleted;
    m->seen_rows = report->archived_rows;
    m->seen_bytes = report->archived_bytes;
    m->seen_deleted = report->deleted_rows;
    int64_t left = report->planned_rows - report->archived_rows;
    m->backlog_rows = left > 0 ? left : 0;
}

void lx_metrics_begin(struct lx_metrics *m)
{
    pthread_mutex_lock(&m->lock);
    m->seen_rows = m->seen_bytes = m->seen_deleted = 0;
    m->pending_count = 0;
    pthread_mutex_unlock(&m->lock);
}

void lx_metrics_look(struct lx_metrics *m, const struct lx_event *event,
                     const struct lx_archive_report *report)
{
    pthread_mutex_lock(&m->lock);
    take(m, report);
    if (event->kind == LX_EVENT_UPLOADED)
        add_pending(m, event->rows);
    pthread_mutex_unlock(&m->lock);
}

void lx_metrics_end(struct lx_metrics *m, const struct lx_archive_report *report,
                    enum lx_serve_result result)
{
    pthread_mutex_lock(&m->lock);
    take(m, report);
    m->runs[result]++;
    if (result == LX_SERVE_ERROR) {
        /* A run that failed before it knew how many counts one, so that an alert on it fires. */
        m->failed_rows += m->backlog_rows > 0 ? m->backlog_rows : 1;
        m->errors++;
    }
    observe(&m->duration, (double)(report->last_ms - report->first_ms) / 1000);
    pthread_mutex_unlock(&m->lock);
}

void lx_metrics_upload_error(struct lx_metrics *m, enum lx_status status)
{
    pthread_mutex_lock(&m->lock);
    m->upload_errors[(unsigned)status < LX_STATUS_COUNT ? status : LX_E_BUG]++;
    pthread_mutex_unlock(&m->lock);
}

/* -- rendering ----------------------------------------------------------------------------- */

static enum lx_status head(struct lx_buf *text, const char *name, const char *type,
                           const char *help)
{
    return lx_buf_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static enum lx_status count(struct lx_buf *text, const char *name, const char *help, int64_t value)
{
    LX_TRY(head(text, name, "counter", help));
    return lx_buf_printf(text, "%s %" PRId64 "\n", name, value);
}

static enum lx_status gauge(struct lx_buf *text, const char *name, const char *help, int64_t value)
{
    LX_TRY(head(text, name, "gauge", help));
    return lx_buf_printf(text, "%s %" PRId64 "\n", name, value);
}

static enum lx_status gauge_ms(struct lx_buf *text, const char *name, const char *help, int64_t ms)
{
    LX_TRY(head(text, name, "gauge", help));
    return lx_buf_printf(text, "%s %.3f\n", name, (double)ms / 1000);
}

static enum lx_status histogram(struct lx_buf *text, const char *name, const char *help,
                                const struct lx_histogram *h)
{
    uint64_t below = 0;
    LX_TRY(head(text, name, "histogram", help));
    for (size_t i = 0; i < h->bound_count; i++) {
        below += h->counts[i];
        LX_TRY(
            lx_buf_printf(text, "%s_bucket{le=\"%.1f\"} %" PRIu64 "\n", name, h->bounds[i], below));
    }
    return lx_buf_printf(text,
                         "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %.3f\n%s_count %" PRIu64 "\n",
                         name, h->count, name, h->sum, name, h->count);
}

/* Few values, all known: each is a series of its own. */
static enum lx_status upload_errors(struct lx_buf *text, const struct lx_metrics *m)
{
    static const struct {
        enum lx_status status;
        const char *type;
    } types[] = {
        {LX_E_ACCESS, "access_denied"},
        {LX_E_AUTH, "credentials"},
        {LX_E_NOTFOUND, "not_found"},
        {LX_E_NOSPACE, "no_space"},
        {LX_E_NETWORK, "network"},
        {LX_E_TIMEOUT, "timeout"},
        {LX_E_BUSY, "busy"},
        {LX_E_IO, "io"},
        {LX_E_UNKNOWN, "unknown_outcome"},
    };
    static const char name[] = "lynex_s3_upload_errors_total";
    int64_t other = 0;
    for (size_t i = 0; i < LX_STATUS_COUNT; i++)
        other += m->upload_errors[i];
    LX_TRY(head(text, name, "counter", "Total number of S3 upload errors"));
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        int64_t value = m->upload_errors[types[i].status];
        other -= value;
        LX_TRY(
            lx_buf_printf(text, "%s{error_type=\"%s\"} %" PRId64 "\n", name, types[i].type, value));
    }
    return lx_buf_printf(text, "%s{error_type=\"other\"} %" PRId64 "\n", name, other);
}

/* What dashboards and alert rules know already: names, kinds, labels, buckets stay as they are. */
static enum lx_status render_known(struct lx_buf *text, const struct lx_metrics *m)
{
    static const char name[] = "lynex_events_archived_total";
    LX_TRY(head(text, name, "counter", "Total number of events archived to S3"));
    LX_TRY(lx_buf_printf(text,
                         "%s{status=\"success\"} %" PRId64 "\n%s{status=\"error\"} %" PRId64 "\n",
                         name, m->archived_rows, name, m->failed_rows));
    LX_TRY(histogram(text, "lynex_archive_duration_seconds", "Time spent archiving events to S3",
                     &m->duration));
    LX_TRY(histogram(text, "lynex_archive_batch_size", "Number of events in each archive batch",
                     &m->batch_size));
    LX_TRY(upload_errors(text, m));
    return count(text, "lynex_archive_errors_total", "Total number of failed archive runs",
                 m->errors);
}

static enum lx_status render_counters(struct lx_buf *text, const struct lx_metrics *m)
{
    static const char name[] = "lynex_archive_runs_total";
    LX_TRY(head(text, name, "counter", "Archive runs that ended, by result"));
    for (int i = 0; i <= LX_SERVE_ERROR; i++)
        LX_TRY(lx_buf_printf(text, "%s{result=\"%s\"} %" PRId64 "\n", name,
                             lx_serve_result_name((enum lx_serve_result)i), m->runs[i]));
    LX_TRY(count(text, "lynex_events_deleted_total",
                 "Events deleted from ClickHouse after they were archived and proven",
                 m->deleted_rows));
    return count(text, "lynex_archive_bytes_total", "Bytes of the files written to the archive",
                 m->archived_bytes);
}

static enum lx_status render_gauges(struct lx_buf *text, const struct lx_metrics *m,
                                    const struct lx_serve_view *v)
{
    const struct lx_serve_last *last = &v->last;
    bool success = last->any && last->result != LX_SERVE_ERROR;
    LX_TRY(gauge(text, "lynex_archive_running", "Whether an archive run goes on now", v->running));
    LX_TRY(gauge(text, "lynex_archive_backlog_rows",
                 "Rows that the last plan held and that are not archived yet", m->backlog_rows));
    LX_TRY(gauge_ms(text, "lynex_archive_last_run_timestamp_seconds",
                    "When the last archive run ended, 0 before the first", last->last_ms));
    LX_TRY(gauge_ms(text, "lynex_archive_last_success_timestamp_seconds",
                    "When the last archive run without an error ended, 0 before the first",
                    v->last_success_ms));
    LX_TRY(gauge(text, "lynex_archive_last_run_success",
                 "Whether the last archive run ended without an error", success));
    LX_TRY(gauge_ms(text, "lynex_archive_last_run_duration_seconds",
                    "How long the last archive run took", last->last_ms - last->first_ms));
    LX_TRY(gauge(text, "lynex_archive_last_run_archived_rows", "Rows that the last run archived",
                 last->archived_rows));
    LX_TRY(gauge(text, "lynex_archive_last_run_deleted_rows",
                 "Rows that the last run deleted from ClickHouse", last->deleted_rows));
    LX_TRY(gauge(text, "lynex_archive_kept_rows",
                 "Archived rows that the last run should have deleted and did not",
                 last->kept_rows));
    LX_TRY(gauge(text, "lynex_archive_waiting_rows",
                 "Archived rows that stay in ClickHouse as asked, or until they are old enough",
                 last->waiting_rows));
    LX_TRY(gauge(text, "lynex_archive_consecutive_errors",
                 "Archive runs that failed since the last one without an error", v->failures));
    return gauge_ms(text, "lynex_archive_next_run_timestamp_seconds",
                    "When the next archive run begins, 0 while one goes on", v->next_ms);
}

/* Bytes of memory that the process holds; 0 where the system does not say. */
static int64_t resident_bytes(void)
{
    char line[128];
    int64_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    if (fgets(line, sizeof line, file) != NULL) {
        char *at = strchr(line, ' '), *end = at != NULL ? strchr(at + 1, ' ') : NULL;
        if (end == NULL || !lx_str_to_i64((struct lx_str){at + 1, (size_t)(end - at - 1)}, &pages))
            pages = 0;
    }
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

static enum lx_status render_process(struct lx_buf *text, const struct lx_serve_view *v)
{
    LX_TRY(head(text, "lynex_build_info", "gauge", "The version that runs"));
    LX_TRY(lx_buf_printf(text, "lynex_build_info{version=\"%s\"} 1\n", LYNEX_VERSION));
    LX_TRY(gauge_ms(text, "process_start_time_seconds",
                    "When the process started, seconds since 1970", v->started_ms));
    return gauge(text, "process_resident_memory_bytes", "Memory that the process holds",
                 resident_bytes());
}

enum lx_status lx_metrics_render(struct lx_metrics *m, const struct lx_serve_view *view,
                                 struct lx_buf *text)
{
    pthread_mutex_lock(&m->lock);
    enum lx_status status = render_known(text, m);
    if (status == LX_OK)
        status = render_counters(text, m);
    if (status == LX_OK)
        status = render_gauges(text, m, view);
    pthread_mutex_unlock(&m->lock);
    return status == LX_OK ? render_process(text, view) : status;
}
