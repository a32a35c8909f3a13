/* metrics.h: what /metrics tells, in Prometheus' text format 0.0.4.
 *
 * Every series is there from the start, at 0: a rate over a series that is born with its first
 * error never sees that error. Counts are results: rows count once the ledger lists them, rows
 * deleted once their delete was judged. Names, kinds, labels and buckets of the metrics up to
 * lynex_archive_errors_total are what dashboards and alert rules know (docs/operations.md).
 *
 * Threads: one runs and counts, any number render; upload errors may come from any. */
#ifndef LX_CMD_METRICS_H
#define LX_CMD_METRICS_H

#include "cmd/serve_state.h"

#define LX_METRICS_BUCKETS 6           /* most of one histogram */
#define LX_METRICS_MAX_PENDING 1000000 /* files of one batch */
#define LX_METRICS_MAX_TEXT (1 * LX_MIB)

struct lx_histogram {
    const double *bounds;
    size_t bound_count;
    uint64_t counts[LX_METRICS_BUCKETS]; /* of each bucket alone */
    uint64_t count;
    double sum;
};

struct lx_metrics {
    pthread_mutex_t lock;
    int64_t archived_rows, failed_rows, deleted_rows, archived_bytes, runs[LX_SERVE_ERROR + 1];
    int64_t errors;
    int64_t upload_errors[LX_STATUS_COUNT]; /* by status; rendered by type */
    int64_t backlog_rows;                   /* planned and not archived yet */
    struct lx_histogram duration, batch_size;

    /* What of the running run's report is counted already. */
    int64_t seen_rows, seen_bytes, seen_deleted;
    /* Rows of files that are uploaded and not known to be committed. */
    int64_t *pending;
    size_t pending_count, pending_cap;
};

void lx_metrics_init(struct lx_metrics *metrics);
void lx_metrics_free(struct lx_metrics *metrics);

/* A run begins; goes on, with this event and the report so far; ends. */
void lx_metrics_begin(struct lx_metrics *metrics);
void lx_metrics_look(struct lx_metrics *metrics, const struct lx_event *event,
                     const struct lx_archive_report *report);
void lx_metrics_end(struct lx_metrics *metrics, const struct lx_archive_report *report,
                    enum lx_serve_result result);
void lx_metrics_upload_error(struct lx_metrics *metrics, enum lx_status status);

LX_MUST_CHECK enum lx_status lx_metrics_render(struct lx_metrics *metrics,
                                               const struct lx_serve_view *view,
                                               struct lx_buf *text);

#endif
