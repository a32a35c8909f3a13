/* thread.h: starting a thread. Signals are the main thread's business: no other takes any. */
#ifndef LX_BASE_THREAD_H
#define LX_BASE_THREAD_H

#include "base/err.h"

#include <pthread.h>
#include <signal.h>

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

#endif
