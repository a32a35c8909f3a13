/* Batches on their way: the next is read and encoded while those before it are stored and proven.
 * They are committed in the plan's order, each as soon as it is proven and no other stands before
 * it, by the run's thread, between two blocks of rows of the one that is read, or while it waits
 * for the next. */
#include "archive/batch.h"

#include "base/alloc.h"

struct lx_flight {
    struct lx_run *run;
    struct lx_plan *plan;
    size_t started;                              /* batches of the plan */
    struct lx_batch *batches[LX_FLIGHT_BATCHES]; /* in the plan's order */
    size_t count, most;
    bool again;
    bool broken; /* a commit or what follows it failed: no other may come behind it */
};

static bool shares_part(const struct lx_batch_plan *batch, const struct lx_slice *slice)
{
    for (size_t i = 0; i < batch->slice_count; i++)
        if (batch->slices[i].part == slice->part)
            return true;
    return false;
}

/* A part's slices are archived in order of time: where one failed, its later ones wait for the next
 * plan. */
static void skip_rest(struct lx_flight *flight, const struct lx_batch_plan *failed)
{
    for (size_t i = flight->started; i < flight->plan->batch_count; i++) {
        struct lx_batch_plan *batch = &flight->plan->batches[i];
        size_t kept = 0;
        for (size_t s = 0; s < batch->slice_count; s++) {
            if (shares_part(failed, &batch->slices[s]))
                batch->rows -= batch->slices[s].rows;
            else
                batch->slices[kept++] = batch->slices[s];
        }
        batch->slice_count = kept;
    }
    for (size_t i = 0; i < flight->count; i++) {
        struct lx_batch *batch = flight->batches[i];
        bool shares = false;
        for (size_t s = 0; s < batch->what->slice_count; s++)
            shares = shares || shares_part(failed, &batch->what->slices[s]);
        if (shares && batch->failure.status == LX_OK)
            (void)lx_err_set(&batch->failure, LX_E_AGAIN, "what was to come before it did not");
    }
}

static void close_batch(struct lx_batch *batch)
{
    lx_batch_close(batch);
    lx_free(batch);
}

/* Commits the first batch and lets go what may go. That the table moved under it is no failure. */
static enum lx_status land_first(struct lx_flight *flight, struct lx_err *err)
{
    struct lx_batch *batch = flight->batches[0];
    enum lx_status status = lx_batch_land(batch, err);
    if (status == LX_E_NOTFOUND && err != NULL && err->code == 60)
        status = LX_E_AGAIN; /* the table was dropped: the next plan says so */
    status = lx_pending_is_again(flight->run, status, err);
    flight->count--;
    for (size_t i = 0; i < flight->count; i++)
        flight->batches[i] = flight->batches[i + 1];
    if (status == LX_E_AGAIN) {
        flight->again = true;
        skip_rest(flight, batch->what);
        lx_err_clear(err);
        status = LX_OK;
    } else if (status == LX_OK) {
        status = lx_settle_batch(flight->run, batch->what, err);
    }
    flight->broken = flight->broken || status != LX_OK;
    close_batch(batch);
    return status;
}

/* Nothing more comes of it: it may be landed without waiting, or has failed. */
static bool is_ready(const struct lx_batch *batch)
{
    return batch->under_way == 0 && batch->complete;
}

enum lx_status lx_flight_poll(struct lx_flight *flight, struct lx_err *err)
{
    while (flight->count > 1 && is_ready(flight->batches[0]))
        LX_TRY(land_first(flight, err));
    return LX_OK;
}

static enum lx_status land_all(struct lx_flight *flight, struct lx_err *err)
{
    while (flight->count > 0)
        LX_TRY(land_first(flight, err));
    return LX_OK;
}

/* Reads the next batch. One that cannot be archived takes nothing from those before it: they are
 * committed first, unless the run is to stop. */
static enum lx_status read_next(struct lx_flight *flight, struct lx_err *err)
{
    const struct lx_batch_plan *what = &flight->plan->batches[flight->started++];
    if (what->slice_count == 0)
        return LX_OK; /* all of it waits for the next plan */
    struct lx_batch *batch = lx_calloc(1, sizeof *batch);
    if (batch == NULL)
        return lx_err_memory(err);
    enum lx_status status = lx_batch_open(flight->run, flight->plan, what, batch, err);
    if (status != LX_OK) {
        close_batch(batch);
        return status;
    }
    flight->batches[flight->count++] = batch;
    status = lx_batch_read(batch, err);
    batch->complete = true;
    if (status == LX_OK || flight->broken)
        return status;
    struct lx_err why = LX_ERR_INIT;
    if (err != NULL)
        why = *err;
    why.status = status;
    if (batch->failure.status == LX_OK)
        batch->failure = why;
    lx_err_clear(err);
    if (status != LX_E_CANCELLED && !lx_run_stopping(flight->run))
        return LX_OK; /* told when its turn comes */
    if (err != NULL)
        *err = why;
    return status;
}

static void free_flight(struct lx_flight *flight)
{
    while (flight->count > 0)
        close_batch(flight->batches[--flight->count]);
}

enum lx_status lx_flight_run(struct lx_run *run, struct lx_plan *plan, bool *again,
                             struct lx_err *err)
{
    struct lx_flight flight = {.run = run, .plan = plan, .most = run->o->flight};
    if (flight.most < 1)
        flight.most = 1;
    if (flight.most > LX_FLIGHT_BATCHES)
        flight.most = LX_FLIGHT_BATCHES;
    run->flight = &flight;
    enum lx_status status = LX_OK;
    while (status == LX_OK && flight.started < plan->batch_count) {
        status = read_next(&flight, err);
        while (status == LX_OK && flight.count > 0 &&
               (flight.count >= flight.most ||
                flight.batches[flight.count - 1]->failure.status != LX_OK))
            status = land_first(&flight, err);
    }
    if (status == LX_OK)
        status = land_all(&flight, err);
    if (status != LX_OK)
        lx_cancel_ask(&run->stop);
    free_flight(&flight);
    lx_cancel_forget(&run->stop); /* nothing is under way any more: the run may plan again */
    run->flight = NULL;
    *again = flight.again;
    return status;
}
