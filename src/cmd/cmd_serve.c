/* lynex serve: the archive run again and again, with metrics and health over HTTP. */
#include "cmd/cmd.h"

#include "base/civil.h"
#include "cmd/cmd_archive.h"
#include "cmd/metrics.h"
#include "cmd/serve_http.h"
#include "cmd/store_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

struct serving {
    struct lx_cmd *cmd;
    struct lx_serve_state state;
    struct lx_metrics metrics;
    struct lx_telling telling;
    struct lx_watch watch;
};

/* -- pages --------------------------------------------------------------------------------- */

static enum lx_status make_metrics(void *context, struct lx_buf *text, unsigned *code)
{
    struct serving *s = context;
    struct lx_serve_view view;
    (void)code;
    lx_serve_state_view(&s->state, &view);
    return lx_metrics_render(&s->metrics, &view, text);
}

static enum lx_status make_health(void *context, struct lx_buf *text, unsigned *code)
{
    struct serving *s = context;
    struct lx_serve_view view;
    lx_serve_state_view(&s->state, &view);
    json_t *json = lx_serve_view_json(&view);
    char *body = json != NULL ? json_dumps(json, JSON_INDENT(2)) : NULL;
    enum lx_status status = body != NULL ? lx_buf_printf(text, "%s\n", body) : LX_E_MEMORY;
    free(body);
    json_decref(json);
    *code = view.health == LX_SERVE_UNHEALTHY ? 503 : 200;
    return status;
}

static enum lx_status make_live(void *context, struct lx_buf *text, unsigned *code)
{
    (void)context;
    (void)code;
    return lx_buf_text(text, "ok\n");
}

static const struct lx_page pages[] = {
    {"/metrics", "text/plain; version=0.0.4", make_metrics},
    {"/healthz", "application/json", make_health},
    {"/livez", "text/plain; charset=utf-8", make_live},
};

static enum lx_status open_pages(struct serving *s, struct lx_pages **out, struct lx_err *err)
{
    const char *address = s->cmd->config->http;
    *out = NULL;
    if (strcasecmp(address, "none") == 0)
        return LX_OK;
    const struct lx_pages_options options = {
        .address = address,
        .setting = "LYNEX_HTTP",
        .pages = pages,
        .page_count = sizeof pages / sizeof pages[0],
        .context = s,
    };
    LX_TRY(lx_pages_start(&options, out, err));
    lx_telling_say(&s->telling, LX_LOG_INFO,
                   "📈 Metrics at http://%s/metrics, health at /healthz and /livez", address);
    return LX_OK;
}

/* -- runs ---------------------------------------------------------------------------------- */

static void look(void *context, const struct lx_event *event,
                 const struct lx_archive_report *report)
{
    struct serving *s = context;
    lx_metrics_look(&s->metrics, event, report);
}

static void upload_failed(void *context, enum lx_status status)
{
    struct serving *s = context;
    lx_metrics_upload_error(&s->metrics, status);
}

static enum lx_status opened(void *context, struct lx_store **store, struct lx_err *err)
{
    return lx_store_watch(store, upload_failed, context, err);
}

/* "24h", "90m", "45s" */
static void span_text(int64_t ms, char text[32])
{
    int64_t seconds = (ms + 999) / 1000;
    if (seconds > 0 && seconds % 3600 == 0)
        snprintf(text, 32, "%lldh", (long long)(seconds / 3600));
    else if (seconds > 0 && seconds % 60 == 0)
        snprintf(text, 32, "%lldm", (long long)(seconds / 60));
    else
        snprintf(text, 32, "%llds", (long long)seconds);
}

static void say_next(struct serving *s)
{
    struct lx_serve_view view;
    char next[LX_TIME_TEXT];
    lx_serve_state_view(&s->state, &view);
    lx_time_plain(view.next_ms, next);
    if (view.failures > 0)
        lx_telling_say(&s->telling, LX_LOG_WARNING,
                       "⏳ Next archival run at %s UTC, after %d that failed", next, view.failures);
    else
        lx_telling_say(&s->telling, LX_LOG_INFO, "⏳ Next archival run at %s UTC", next);
}

static void begin_telling(struct serving *s)
{
    const struct lx_config_target *target = &s->cmd->config->target;
    lx_telling_init(&s->telling, s->cmd, target->is_directory ? target->directory : NULL);
    s->telling.watch = &s->watch;
}

/* Everything is opened anew for each run: what a failed one left half open is not used again, and
 * between runs nothing is held. */
static void run_once(struct serving *s)
{
    struct lx_archive_report report;
    struct lx_err err = LX_ERR_INIT;
    begin_telling(s);
    lx_serve_state_begin(&s->state);
    lx_metrics_begin(&s->metrics);
    enum lx_status status = lx_archive_told(&s->telling, false, &report, &err);
    lx_cmd_close(s->cmd);
    if (status == LX_OK)
        lx_telling_say_speed(&s->telling, &report);
    if (lx_cancel_asked(s->cmd->cancel))
        return; /* no failure of the run's, and nobody looks any more */
    lx_serve_state_end(&s->state, &report, &err);
    lx_metrics_end(&s->metrics, &report,
                   status != LX_OK         ? LX_SERVE_ERROR
                   : report.delete_refused ? LX_SERVE_NOT_DELETED
                                           : LX_SERVE_SUCCESS);
    say_next(s);
}

static void run_for_ever(struct serving *s)
{
    const struct lx_cmd *cmd = s->cmd;
    while (!lx_cancel_asked(cmd->cancel)) {
        int64_t left = lx_serve_state_left_ms(&s->state);
        if (left == 0)
            run_once(s);
        else
            lx_clock_sleep(&cmd->clock, left < LX_CANCEL_POLL_MS ? left : LX_CANCEL_POLL_MS);
    }
}

int lx_cmd_serve(struct lx_cmd *cmd)
{
    struct serving s = {.cmd = cmd};
    struct lx_pages *http = NULL;
    struct lx_err err = LX_ERR_INIT;
    char every[32];
    if (!lx_cmd_args_done(cmd, 0))
        return LX_EXIT_USAGE;
    if (cmd->json) {
        return lx_cmd_usage(cmd, "LOG_FORMAT=json makes JSON of its log lines",
                            "serve reports nothing at its end, so there is no --json");
    }
    cmd->terminal = cmd->color = false; /* log lines, whoever reads them */
    s.watch = (struct lx_watch){&s, look, opened};
    lx_serve_state_init(&s.state, cmd->clock, cmd->config->interval * 1000,
                        cmd->config->retry * 1000);
    lx_metrics_init(&s.metrics);
    begin_telling(&s);
    int status = LX_EXIT_DONE;
    if (open_pages(&s, &http, &err) != LX_OK) {
        status = lx_cmd_fail(cmd, &err);
    } else {
        span_text(cmd->config->interval * 1000, every);
        lx_telling_say(&s.telling, LX_LOG_INFO, "🗄️  Starting S3 archival loop (every %s)",
                       every);
        run_for_ever(&s);
        lx_telling_say(&s.telling, LX_LOG_INFO, "🗄️  Archival loop ended");
    }
    lx_pages_stop(http);
    lx_metrics_free(&s.metrics);
    lx_serve_state_free(&s.state);
    return status;
}
