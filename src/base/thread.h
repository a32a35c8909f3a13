/* thread.h: starting a thread. Signals are the main thread's business: no other takes any. Waiting
 * for a while, by a clock that nobody sets. */
#ifndef LX_BASE_THREAD_H
#define LX_BASE_THREAD_H

#include "base/err.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>

LX_MUST_CHECK static inline enum lx_status lx_thread_start(pthread_t *thread, void *(*work)(void *),
                                                           void *context, struct lx_err *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(thread, NULL, work, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error == 0 ? LX_OK : lx_err_errno(err, error, "cannot start a thread");
}

/* A condition for lx_cond_wait_ms. */
static inline void lx_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

/* False: so many milliseconds went by, and nobody woke it. */
static inline bool lx_cond_wait_ms(pthread_cond_t *cond, pthread_mutex_t *lock, int ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    return pthread_cond_timedwait(cond, lock, &until) == 0;
}

#endif
