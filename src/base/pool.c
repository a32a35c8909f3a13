#include "base/pool.h"

#include "base/alloc.h"
#include "base/thread.h"

#include <stdbool.h>

struct lx_pool {
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    struct lx_pool_loop *loops;
    bool closing;
    size_t workers;
    pthread_t threads[];
};

/* Takes one step of the loop; the lock is held at entry and exit. */
static void take_step(struct lx_pool *pool, struct lx_pool_loop *loop)
{
    size_t index = loop->next++;
    loop->running++;
    pthread_mutex_unlock(&pool->lock);
    struct lx_err err = LX_ERR_INIT;
    enum lx_status status = loop->step(loop->context, index, &err);
    pthread_mutex_lock(&pool->lock);
    if (status != LX_OK && index < loop->failed_at) {
        loop->failed_at = index;
        loop->status = status;
        loop->failure = err;
    }
    if (status != LX_OK)
        loop->next = loop->count;
    loop->running--;
    if (loop->running == 0 && loop->next >= loop->count)
        pthread_cond_broadcast(&pool->done);
}

static struct lx_pool_loop *open_loop(struct lx_pool *pool)
{
    struct lx_pool_loop *loop = pool->loops;
    while (loop != NULL && loop->next >= loop->count)
        loop = loop->link;
    return loop;
}

static struct lx_pool_loop *open_kin(struct lx_pool *pool, const void *kin)
{
    struct lx_pool_loop *loop = kin != NULL ? pool->loops : NULL;
    while (loop != NULL && (loop->next >= loop->count || loop->kin != kin))
        loop = loop->link;
    return loop;
}

static void *work(void *arg)
{
    struct lx_pool *pool = arg;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        struct lx_pool_loop *loop = open_loop(pool);
        if (loop != NULL)
            take_step(pool, loop);
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

size_t lx_pool_threads(const struct lx_pool *pool)
{
    return pool != NULL ? pool->workers + 1 : 1;
}

static bool is_alone(const struct lx_pool *pool)
{
    return lx_pool_threads(pool) == 1;
}

void lx_pool_start(struct lx_pool *pool, struct lx_pool_loop *loop)
{
    loop->next = loop->running = 0;
    loop->failed_at = SIZE_MAX;
    loop->status = LX_OK;
    loop->link = NULL;
    if (is_alone(pool))
        return;
    pthread_mutex_lock(&pool->lock);
    struct lx_pool_loop **tail = &pool->loops;
    while (*tail != NULL)
        tail = &(*tail)->link;
    *tail = loop;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}

static enum lx_status run_alone(struct lx_pool_loop *loop, struct lx_err *err)
{
    while (loop->next < loop->count)
        LX_TRY(loop->step(loop->context, loop->next++, err));
    return LX_OK;
}

enum lx_status lx_pool_finish(struct lx_pool *pool, struct lx_pool_loop *loop, struct lx_err *err)
{
    if (is_alone(pool))
        return run_alone(loop, err);
    pthread_mutex_lock(&pool->lock);
    while (loop->next < loop->count)
        take_step(pool, loop);
    while (loop->running > 0) {
        struct lx_pool_loop *other = open_kin(pool, loop->kin);
        if (other != NULL)
            take_step(pool, other);
        else
            pthread_cond_wait(&pool->done, &pool->lock);
    }
    struct lx_pool_loop **at = &pool->loops;
    while (*at != loop)
        at = &(*at)->link;
    *at = loop->link;
    pthread_mutex_unlock(&pool->lock);
    if (loop->status != LX_OK && err != NULL)
        *err = loop->failure;
    return loop->status;
}

enum lx_status lx_pool_for(struct lx_pool *pool, size_t count, lx_pool_step step, void *context,
                           struct lx_err *err)
{
    struct lx_pool_loop loop = {.step = step, .context = context, .count = count};
    if (count <= 1)
        return run_alone(&loop, err);
    lx_pool_start(pool, &loop);
    return lx_pool_finish(pool, &loop, err);
}
