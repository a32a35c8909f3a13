#include "base/pool.h"

#include "base/alloc.h"
#include "base/thread.h"

#include <stdbool.h>

/* One call of lx_pool_for; lives on its caller's stack and in the pool's list. */
struct job {
    lx_pool_step step;
    void *context;
    size_t next, count, running;
    size_t failed_at; /* SIZE_MAX: none */
    struct lx_err failure;
    enum lx_status status;
    struct job *link;
};

struct lx_pool {
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    struct job *jobs;
    bool closing;
    size_t workers;
    pthread_t threads[];
};

/* Takes one step of the job; the lock is held at entry and exit. */
static void take_step(struct lx_pool *pool, struct job *job)
{
    size_t index = job->next++;
    job->running++;
    pthread_mutex_unlock(&pool->lock);
    struct lx_err err = LX_ERR_INIT;
    enum lx_status status = job->step(job->context, index, &err);
    pthread_mutex_lock(&pool->lock);
    if (status != LX_OK && index < job->failed_at) {
        job->failed_at = index;
        job->status = status;
        job->failure = err;
    }
    if (status != LX_OK)
        job->next = job->count;
    job->running--;
    if (job->running == 0 && job->next >= job->count)
        pthread_cond_broadcast(&pool->done);
}

static struct job *open_job(struct lx_pool *pool)
{
    struct job *job = pool->jobs;
    while (job != NULL && job->next >= job->count)
        job = job->link;
    return job;
}

static void *work(void *arg)
{
    struct lx_pool *pool = arg;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        struct job *job = open_job(pool);
        if (job != NULL)
            take_step(pool, job);
        else if (pool->closing)
            break;
        else
            pthread_cond_wait(&pool->work, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

enum lx_status lx_pool_create(size_t workers, struct lx_pool **out, struct lx_err *err)
{
    if (workers > LX_POOL_MAX_WORKERS)
        workers = LX_POOL_MAX_WORKERS;
    struct lx_pool *pool = lx_calloc(1, sizeof *pool + workers * sizeof pool->threads[0]);
    if (pool == NULL)
        return lx_err_memory(err);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->done, NULL);
    for (; pool->workers < workers; pool->workers++) {
        enum lx_status status = lx_thread_start(&pool->threads[pool->workers], work, pool, err);
        if (status != LX_OK) {
            lx_pool_destroy(pool);
            return status;
        }
    }
    *out = pool;
    return LX_OK;
}

void lx_pool_destroy(struct lx_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->closing = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->workers; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->done);
    lx_free(pool);
}

enum lx_status lx_pool_for(struct lx_pool *pool, size_t count, lx_pool_step step, void *context,
                           struct lx_err *err)
{
    if (pool == NULL || pool->workers == 0 || count <= 1) {
        for (size_t i = 0; i < count; i++)
            LX_TRY(step(context, i, err));
        return LX_OK;
    }
    struct job job = {.step = step, .context = context, .count = count, .failed_at = SIZE_MAX};
    pthread_mutex_lock(&pool->lock);
    struct job **tail = &pool->jobs;
    while (*tail != NULL)
        tail = &(*tail)->link;
    *tail = &job;
    pthread_cond_broadcast(&pool->work);
    while (job.next < job.count)
        take_step(pool, &job);
    while (job.running > 0)
        pthread_cond_wait(&pool->done, &pool->lock);
    for (tail = &pool->jobs; *tail != &job; tail = &(*tail)->link)
        ;
    *tail = job.link;
    pthread_mutex_unlock(&pool->lock);
    if (job.status != LX_OK && err != NULL)
        *err = job.failure;
    return job.status;
}
