/* pool.h: a fixed set of worker threads, and loops spread over them.
 *
 * Thread rule: any number of threads may give the pool loops at once. Their steps are worked on by
 * idle workers, those of the loop that came first before others', and by callers that wait, those
 * of their own loop first; so a pool of 0 workers, or NULL, runs everything in the caller, in
 * order. A step must not give a loop to the same pool. */
#ifndef LX_BASE_POOL_H
#define LX_BASE_POOL_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct lx_pool;

#define LX_POOL_MAX_WORKERS 256

/* Does step `index`; returns its outcome. Steps run at the same time, in any order. */
typedef enum lx_status (*lx_pool_step)(void *context, size_t index, struct lx_err *err);

LX_MUST_CHECK enum lx_status lx_pool_create(size_t workers, struct lx_pool **pool,
                                            struct lx_err *err);
void lx_pool_destroy(struct lx_pool *pool);        /* waits for its threads; NULL is fine */
/* That work on a loop: the workers and the caller. NULL: 1. */
size_t lx_pool_threads(const struct lx_pool *pool);

/* Runs steps 0 … count - 1. Every step that was started is finished when it returns; after the
 * first failure no new ones start. Returns the failure of the lowest index among those that ran. */
LX_MUST_CHECK enum lx_status lx_pool_for(struct lx_pool *pool, size_t count, lx_pool_step step,
                                         void *context, struct lx_err *err);

/* A loop that goes on while its caller does something else. */
struct lx_pool_loop {
    lx_pool_step step;
    void *context;
    size_t count;
    /* Who waits for one loop works on others of the same kin, too. NULL: has none; others' steps
     * may wait for a store, which is not for everybody. */
    const void *kin;
    /* The pool's own. */
    size_t next, running, failed_at; /* failed_at: SIZE_MAX: none */
    struct lx_err failure;
    enum lx_status status;
    struct lx_pool_loop *link;
};

/* Begins steps 0 … count - 1 of the loop, whose `step`, `context` and `count` are set; it must stay
 * where it is until lx_pool_finish, which must follow. Without workers it begins there. */
void lx_pool_start(struct lx_pool *pool, struct lx_pool_loop *loop);
/* Works on the loop until all that was started is finished; returns as lx_pool_for does. */
LX_MUST_CHECK enum lx_status lx_pool_finish(struct lx_pool *pool, struct lx_pool_loop *loop,
                                            struct lx_err *err);

#endif
