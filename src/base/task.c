#include "base/task.h"

#include "base/alloc.h"
#include "base/thread.h"

struct lx_tasks {
    pthread_mutex_t lock;
    pthread_cond_t started, done;
    struct lx_task *first, **last;
    bool closing, lazy;
    size_t count;
    pthread_t threads[];
};

static struct lx_task *take(struct lx_tasks *tasks)
{
    struct lx_task *task = tasks->first;
    if (task != NULL)
        tasks->first = task->next;
    if (tasks->first == NULL)
        tasks->last = &tasks->first;
    return task;
}

static void *work(void *context)
{
    struct lx_tasks *tasks = context;
    pthread_mutex_lock(&tasks->lock);
    for (;;) {
        struct lx_task *task = take(tasks);
        if (task == NULL && tasks->closing)
            break;
        if (task == NULL) {
            pthread_cond_wait(&tasks->started, &tasks->lock);
            continue;
        }
        pthread_mutex_unlock(&tasks->lock);
        task->work(task->context);
        pthread_mutex_lock(&tasks->lock);
        task->done = true;
        pthread_cond_broadcast(&tasks->done);
    }
    pthread_mutex_unlock(&tasks->lock);
    return NULL;
}

enum lx_status lx_tasks_create(size_t threads, struct lx_tasks **out, struct lx_err *err)
{
    bool lazy = threads == LX_TASKS_LAZY;
    threads = lazy ? 0 : threads < LX_TASKS_MAX_THREADS ? threads : LX_TASKS_MAX_THREADS;
    struct lx_tasks *tasks = lx_calloc(1, sizeof *tasks + threads * sizeof tasks->threads[0]);
    if (tasks == NULL)
        return lx_err_memory(err);
    tasks->last = &tasks->first;
    tasks->lazy = lazy;
    pthread_mutex_init(&tasks->lock, NULL);
    pthread_cond_init(&tasks->started, NULL);
    pthread_cond_init(&tasks->done, NULL);
    for (; tasks->count < threads; tasks->count++) {
        enum lx_status status = lx_thread_start(&tasks->threads[tasks->count], work, tasks, err);
        if (status != LX_OK) {
            lx_tasks_destroy(tasks);
            return status;
        }
    }
    *out = tasks;
    return LX_OK;
}

void lx_tasks_destroy(struct lx_tasks *tasks)
{
    if (tasks == NULL)
        return;
    pthread_mutex_lock(&tasks->lock);
    tasks->closing = true;
    pthread_cond_broadcast(&tasks->started);
    pthread_mutex_unlock(&tasks->lock);
    for (size_t i = 0; i < tasks->count; i++)
        pthread_join(tasks->threads[i], NULL);
    pthread_mutex_destroy(&tasks->lock);
    pthread_cond_destroy(&tasks->started);
    pthread_cond_destroy(&tasks->done);
    lx_free(tasks);
}

void lx_task_start(struct lx_tasks *tasks, struct lx_task *task)
{
    task->next = NULL;
    task->done = false;
    if (tasks == NULL || (tasks->count == 0 && !tasks->lazy)) {
        task->work(task->context);
        task->done = true;
        return;
    }
    pthread_mutex_lock(&tasks->lock);
    *tasks->last = task;
    tasks->last = &task->next;
    pthread_cond_signal(&tasks->started);
    pthread_mutex_unlock(&tasks->lock);
}

bool lx_task_done(struct lx_tasks *tasks, const struct lx_task *task)
{
    if (tasks == NULL || tasks->count == 0)
        return task->done;
    pthread_mutex_lock(&tasks->lock);
    bool done = task->done;
    pthread_mutex_unlock(&tasks->lock);
    return done;
}

/* Lazily: it, and all that were started before it. */
static void do_until(struct lx_tasks *tasks, const struct lx_task *wanted)
{
    while (!wanted->done) {
        struct lx_task *task = take(tasks);
        task->work(task->context);
        task->done = true;
    }
}

void lx_task_wait(struct lx_tasks *tasks, const struct lx_task *task)
{
    if (tasks != NULL && tasks->lazy)
        do_until(tasks, task);
    if (tasks == NULL || tasks->count == 0)
        return;
    pthread_mutex_lock(&tasks->lock);
    while (!task->done)
        pthread_cond_wait(&tasks->done, &tasks->lock);
    pthread_mutex_unlock(&tasks->lock);
}
