/* The order of a run, and what all its files need. */
#include "archive/run.h"

#include "base/alloc.h"
#include "base/civil.h"
#include "base/task.h"

#include <stdarg.h>
#include <stdio.h>

const char *lx_step_name(enum lx_step step)
{
    static const char *const names[] = {
#define X(name, text) text,
        LX_STEP_TABLE(X)
#undef X
    };
    return (unsigned)step < LX_STEP_COUNT ? names[step] : "?";
}

void lx_run_tell(const struct lx_run *run, const struct lx_event *event)
{
    if (run->o->tell != NULL)
        run->o->tell(run->o->context, event);
}

void lx_run_note(const struct lx_run *run, enum lx_event_kind kind, const char *more,
                 const char *format, ...)
{
    char text[LX_ERR_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const struct lx_event event = {.kind = kind, .text = text, .more = more};
    lx_run_tell(run, &event);
}

bool lx_run_stopping(const struct lx_run *run)
{
    return lx_cancel_asked(run->o->cancel) || lx_cancel_asked(&run->stop);
}

enum lx_status lx_run_step(struct lx_run *run, enum lx_step step, struct lx_err *err)
{
    if (lx_run_stopping(run)) {
        lx_err_set(err, LX_E_CANCELLED, "interrupted before the step \"%s\"", lx_step_name(step));
        lx_err_hint(err, "nothing is half done; the next run goes on from here");
        return LX_E_CANCELLED;
    }
    if (run->o->at_step == NULL)
        return LX_OK;
    pthread_mutex_lock(&run->step_lock);
    enum lx_status status = run->o->at_step(run->o->context, step, err);
    pthread_mutex_unlock(&run->step_lock);
    return status;
}

int64_t lx_run_ms(const struct lx_run *run)
{
    return lx_clock_monotonic(&run->o->clock);
}

enum lx_status lx_run_asked(struct lx_run *run, enum lx_status status)
{
    run->hot_refused = status == LX_E_BUSY || status == LX_E_REFUSED || status == LX_E_ACCESS;
    return status;
}

bool lx_run_elsewhere(const struct lx_run *run, const struct lx_segment *segment)
{
    bool replicated = strncmp(run->table->engine, "Replicated", 10) == 0;
    return replicated && segment->host != NULL && segment->host[0] != 0 &&
           run->table->host != NULL && strcmp(segment->host, run->table->host) != 0;
}

void lx_run_breaker(const struct lx_run *run, int64_t rows, struct lx_err *why)
{
    lx_err_set(why, LX_E_REFUSED,
               "this run would delete %lld rows, more than ARCHIVE_MAX_DELETE_ROWS=%lld allows",
               (long long)rows, (long long)run->o->max_delete_rows);
    lx_err_hint(why, "look whether ARCHIVE_AFTER_DAYS is what you mean; the rows are archived and "
                     "stay in ClickHouse until a run may delete so many");
}

enum lx_status lx_run_pace(struct lx_run *run, int64_t bytes, struct lx_err *err)
{
    int64_t rate = run->o->max_read_bytes;
    if (rate <= 0)
        return LX_OK;
    if (run->paced_since_ms == 0)
        run->paced_since_ms = lx_run_ms(run);
    run->paced_bytes += bytes;
    int64_t until = run->paced_since_ms + (int64_t)((double)run->paced_bytes * 1000 / (double)rate);
    while (lx_run_ms(run) < until) {
        int64_t left = until - lx_run_ms(run);
        if (lx_cancel_asked(run->o->cancel))
            return lx_err_set(err, LX_E_CANCELLED, "interrupted while reading");
        lx_clock_sleep(&run->o->clock, left < LX_CANCEL_POLL_MS ? left : LX_CANCEL_POLL_MS);
    }
    return LX_OK;
}

#define PENDING_POLL_MS 1000 /* at most: a delete that runs alone takes a part of it */
#define PENDING_FIRST_POLL_MS 50

static bool is_pending(enum lx_status status, const struct lx_err *err)
{
    return status == LX_E_BUSY && err != NULL && strcmp(err->name, "PENDING_DELETE") == 0;
}

/* A pause, of what of delete_wait_ms is left. False: *status is the last word. */
static bool wait_a_while(struct lx_run *run, enum lx_status *status, struct lx_err *err)
{
    int64_t left = run->o->delete_wait_ms - run->pending_ms;
    if (left <= 0)
        return false;
    /* One that just runs is nothing to warn of. */
    if (run->pending_ms >= PENDING_POLL_MS && !run->pending_said) {
        lx_run_note(run, LX_EVENT_WARNING, NULL, "%s: waiting for it",
                    is_pending(*status, err) ? "a delete still waits on the server"
                                             : "ClickHouse is busy");
        run->pending_said = true;
    }
    int64_t pause = run->pending_pause_ms * 2;
    pause = pause < PENDING_FIRST_POLL_MS ? PENDING_FIRST_POLL_MS
            : pause > PENDING_POLL_MS     ? PENDING_POLL_MS
                                          : pause;
    run->pending_pause_ms = pause;
    int64_t before = lx_run_ms(run);
    lx_clock_sleep(&run->o->clock, pause < left ? pause : left);
    run->pending_ms += lx_run_ms(run) - before;
    lx_err_clear(err);
    if (!lx_cancel_asked(run->o->cancel))
        return true;
    *status = lx_err_set(err, LX_E_CANCELLED, "interrupted while a delete was waited for");
    return false;
}

bool lx_run_waits(struct lx_run *run, enum lx_status *status, struct lx_err *err)
{
    if (is_pending(*status, err))
        return wait_a_while(run, status, err);
    run->pending_pause_ms = 0;
    return false;
}

enum lx_status lx_pending_is_again(const struct lx_run *run, enum lx_status status,
                                   const struct lx_err *err)
{
    bool may_wait = run->pending_ms < run->o->delete_wait_ms;
    return is_pending(status, err) && may_wait ? LX_E_AGAIN : status;
}

int64_t lx_run_days_to(struct lx_run *run)
{
    const struct lx_ledger_state *state = lx_ledger_state(run->o->ledger);
    int64_t to = run->cutoff > run->aged ? run->cutoff : run->aged;
    to = run->days_to > to ? run->days_to : to;
    for (size_t i = 0; i < state->live_count; i++)
        to = state->live[i].to > to ? state->live[i].to : to;
    int64_t into_day = to - lx_floor_div(to, LX_DAY_SECONDS) * LX_DAY_SECONDS;
    if (into_day != 0 && to <= LX_TIME_LAST - LX_DAY_SECONDS)
        to += LX_DAY_SECONDS - into_day;
    return run->days_to = to;
}

enum lx_status lx_run_parts(struct lx_run *run, int64_t days_to, struct lx_hot_parts *parts,
                            struct lx_err *err)
{
    enum lx_status status;
    do
        status = run->o->hot.ops->parts(run->o->hot.self, days_to, parts, err);
    while (status == LX_E_BUSY && wait_a_while(run, &status, err));
    run->pending_pause_ms = 0;
    return lx_run_asked(run, status);
}

static const struct lx_row_schema *cached(const struct lx_run *run, const char *id)
{
    if (run->schema != NULL && strcmp(run->schema->id, id) == 0)
        return run->schema;
    for (size_t i = 0; i < run->cache.count; i++)
        if (strcmp(run->cache.schemas[i]->id, id) == 0)
            return run->cache.schemas[i];
    return NULL;
}

enum lx_status lx_run_schema(struct lx_run *run, const char *id, const struct lx_row_schema **out,
                             struct lx_err *err)
{
    const struct lx_row_schema *known = cached(run, id);
    if (known == NULL) {
        const json_t *json = lx_ledger_schema(run->o->ledger, id);
        struct lx_row_schema *schema;
        if (json == NULL)
            return lx_err_set(err, LX_E_NOTFOUND, "the ledger does not hold the row schema %s", id);
        LX_TRY(lx_row_schema_from_json(json, &schema, err));
        struct lx_row_schema **grown =
            lx_realloc(run->cache.schemas, (run->cache.count + 1) * sizeof(struct lx_row_schema *));
        if (grown == NULL) {
            lx_row_schema_free(schema);
            return lx_err_memory(err);
        }
        run->cache.schemas = grown;
        run->cache.schemas[run->cache.count++] = schema;
        known = schema;
    }
    *out = known;
    return LX_OK;
}

enum lx_status lx_ids_make(struct lx_ids *ids, size_t most, struct lx_err *err)
{
    *ids = (struct lx_ids){.texts = lx_calloc(most, sizeof *ids->texts),
                           .list = lx_calloc(most, sizeof *ids->list)};
    if (ids->texts != NULL && ids->list != NULL)
        return LX_OK;
    lx_ids_free(ids);
    return lx_err_memory(err);
}

void lx_ids_add(struct lx_ids *ids, const char *id)
{
    memcpy(ids->texts[ids->count], id, LX_LEDGER_ID);
    ids->list[ids->count] = ids->texts[ids->count];
    ids->count++;
}

void lx_ids_free(struct lx_ids *ids)
{
    lx_free(ids->texts);
    lx_free(ids->list);
    *ids = (struct lx_ids){0};
}

void lx_run_free(struct lx_run *run)
{
    lx_hot_table_free(run->table);
    lx_row_schema_free(run->schema);
    for (size_t i = 0; i < run->cache.count; i++)
        lx_row_schema_free(run->cache.schemas[i]);
    lx_free(run->cache.schemas);
    lx_free(run->source);
    lx_free(run->word);
    lx_free(run->months);
    for (size_t i = 0; i < run->checked_count; i++)
        lx_free(run->checked_files[i]);
    lx_free(run->checked_files);
    lx_parquet_choices_free(run->choices);
    lx_tasks_destroy(run->tasks);
    pthread_mutex_destroy(&run->step_lock);
}

/* One round: everything that the plan holds. *again: the table moved under it. */
static enum lx_status work_off(struct lx_run *run, struct lx_plan *plan, bool *again,
                               struct lx_err *err)
{
    bool moved = false;
    *again = false;
    for (size_t i = 0; i < plan->group_count; i++) {
        enum lx_status status =
            lx_pending_is_again(run, lx_reconcile(run, plan, &plan->groups[i], err), err);
        if (status == LX_E_AGAIN)
            *again = true;
        else if (status != LX_OK)
            return status;
    }
    if (plan->strangers && *again)
        return LX_OK; /* by content over the whole table: all of it or nothing */
    LX_TRY(lx_flight_run(run, plan, &moved, err));
    *again = *again || moved;
    return LX_OK;
}

/* Bytes that rows will take in ClickHouse's own storage: for the dry run, an estimate. */
static void tell_plan(struct lx_run *run, const struct lx_plan *plan)
{
    struct lx_archive_report *r = run->report;
    r->planned_rows = plan->rows;
    r->planned_parts = plan->part_count;
    r->null_rows = plan->null_rows;
    r->planned_bytes = run->table->total_rows > 0
                           ? (int64_t)((double)plan->rows * (double)run->table->total_bytes /
                                       (double)run->table->total_rows)
                           : 0;
    for (size_t i = 0; i < plan->batch_count; i++) {
        int64_t rows = plan->batches[i].rows;
        r->planned_files +=
            run->o->file_rows > 0 ? (rows + run->o->file_rows - 1) / run->o->file_rows : 1;
    }
    struct lx_event event = {.kind = plan->rows > 0 ? LX_EVENT_FOUND : LX_EVENT_NOTHING,
                             .rows = plan->rows,
                             .bytes = r->planned_bytes};
    lx_run_tell(run, &event);
    if (plan->null_rows > 0)
        lx_run_note(run, LX_EVENT_WARNING, "rows without a time have no age: they stay",
                    "%lld rows have no time (%s is NULL) and stay in ClickHouse",
                    (long long)plan->null_rows, run->table->time_column);
}

/* Which way would each planned part leave? */
static void tell_ways(struct lx_run *run, const struct lx_plan *plan)
{
    if (!run->o->dry_run && !run->o->soak)
        return;
    for (size_t i = 0; i < plan->parts.count; i++) {
        const struct lx_hot_part *part = &plan->parts.parts[i];
        int64_t old = lx_hot_part_rows_before(part, run->aged);
        struct lx_archive_way *way =
            old == part->rows ? &run->report->would_drop : &run->report->would_mask;
        if (old == 0)
            continue;
        way->rows += old;
        way->parts++;
        if (!run->o->dry_run)
            continue;
        struct lx_event event = {.kind = LX_EVENT_PART,
                                 .text = part->name,
                                 .rows = old,
                                 .total = part->rows,
                                 .more = old == part->rows ? "DROP PART"
                                         : run->o->masks   ? "DELETE of its old rows"
                                                           : "waits until all of it is old"};
        lx_run_tell(run, &event);
    }
}

/* The breaker judges the whole run before its first delete: what is archived and due, and what it
 * is about to archive. */
static void judge_breaker(struct lx_run *run, const struct lx_plan *plan)
{
    const struct lx_ledger_state *state = lx_ledger_state(run->o->ledger);
    int64_t rows = 0;
    run->no_more_deletes = run->report->delete_refused;
    if (run->o->max_delete_rows == 0 || run->due == LX_TIME_FIRST)
        return;
    for (size_t i = 0; i < state->live_count; i++)
        if (strcmp(state->live[i].source, run->source) == 0 && state->live[i].to <= run->due)
            rows += state->live[i].rows;
    for (size_t i = 0; i < plan->batch_count; i++)
        for (size_t s = 0; s < plan->batches[i].slice_count; s++)
            if (plan->batches[i].slices[s].to <= run->due)
                rows += plan->batches[i].slices[s].rows;
    if (rows <= run->o->max_delete_rows)
        return;
    if (run->o->dry_run) {
        struct lx_err why = LX_ERR_INIT;
        lx_run_breaker(run, rows, &why);
        lx_run_note(run, LX_EVENT_WARNING, why.hint, "%s", why.text);
        return;
    }
    run->no_more_deletes = true;
    run->report->delete_refused = true;
    if (run->report->refusal.status == LX_OK)
        lx_run_breaker(run, rows, &run->report->refusal);
}

static enum lx_status rounds(struct lx_run *run, struct lx_err *err)
{
    bool again = true, told = false;
    for (int round = 0; again; round++) {
        if (round == LX_RUN_MAX_PLANS) {
            lx_err_set(err, LX_E_AGAIN, "the table changed under each of %d plans of this run",
                       round);
            lx_err_hint(err, "nothing is lost or twice; run again when the table is calmer");
            return LX_E_AGAIN;
        }
        struct lx_plan plan = {0};
        enum lx_status status = lx_run_step(run, LX_STEP_PLAN, err);
        if (status == LX_OK)
            status = lx_pending_is_again(run, lx_plan_make(run, &plan, err), err);
        if (status == LX_OK && !told) {
            told = true;
            tell_plan(run, &plan);
            tell_ways(run, &plan);
            judge_breaker(run, &plan);
        }
        again = false;
        if (status == LX_OK && !run->o->dry_run)
            status = work_off(run, &plan, &again, err);
        lx_plan_free(&plan);
        if (status == LX_E_AGAIN) {
            again = true;
            lx_err_clear(err);
            continue;
        }
        LX_TRY(status);
    }
    return LX_OK;
}

static enum lx_status run_all(struct lx_run *run, struct lx_err *err)
{
    LX_TRY(lx_run_step(run, LX_STEP_START, err));
    LX_TRY(lx_start(run, err));
    run->no_more_deletes = run->o->max_delete_rows > 0; /* until the plan was judged */
    if (!run->o->dry_run)
        LX_TRY(lx_settle(run, false, err));
    LX_TRY(rounds(run, err));
    if (!run->o->dry_run)
        LX_TRY(lx_settle(run, true, err));
    return lx_run_step(run, LX_STEP_DONE, err);
}

enum lx_status lx_archive_run(const struct lx_archive_options *options,
                              struct lx_archive_report *report, struct lx_err *err)
{
    struct lx_run run = {.o = options, .report = report};
    *report = (struct lx_archive_report){.first_ms = lx_clock_now(&options->clock)};
    run.started_ms = report->first_ms;
    run.under_way_end = &run.under_way;
    pthread_mutex_init(&run.step_lock, NULL);
    enum lx_status status = LX_OK;
    if (options->background > 0)
        status = lx_tasks_create(options->background, &run.tasks, err);
    if (status == LX_OK)
        status = run_all(&run, err);
    report->last_ms = lx_clock_now(&options->clock);
    if (status == LX_OK)
        lx_err_clear(err);
    if (report->archived_rows > 0) {
        struct lx_event event = {.kind = LX_EVENT_ARCHIVED, .rows = report->archived_rows};
        lx_run_tell(&run, &event);
    }
    lx_run_free(&run);
    return status;
}
