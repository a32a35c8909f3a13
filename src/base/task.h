/* task.h: work that goes on in the background, by a fixed set of threads, and is waited for.
 *
 * Tasks begin in the order in which they were started. Without threads each is done by the caller,
 * the same work in a fixed order, for simulations: within lx_task_start (NULL, or 0 threads), or as
 * late as can be, when it is waited for (LX_TASKS_LAZY).
 *
 * Thread rule: one thread starts tasks and waits for them; what a task writes may be read once it
 * is known to be done. */
#ifndef LX_BASE_TASK_H
#define LX_BASE_TASK_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LX_TASKS_MAX_THREADS 64
#define LX_TASKS_LAZY SIZE_MAX /* in place of a number of threads */

struct lx_tasks;

/* Owned by the caller, who keeps it until it is done. */
struct lx_task {
    void (*work)(void *context);
    void *context;
    bool done;            /* private */
    struct lx_task *next; /* private */
};

LX_MUST_CHECK enum lx_status lx_tasks_create(size_t threads, struct lx_tasks **tasks,
                                             struct lx_err *err);
void lx_tasks_destroy(struct lx_tasks *tasks); /* every task must be done; NULL is fine */

void lx_task_start(struct lx_tasks *tasks, struct lx_task *task);
bool lx_task_done(struct lx_tasks *tasks, const struct lx_task *task);
void lx_task_wait(struct lx_tasks *tasks, const struct lx_task *task);

#endif
