/* cancel.h: one flag that ends everything soon: set by a signal or by the first stage that fails,
 * looked at by every wait, at least every 100 ms. Async-signal-safe, thread-safe. */
#ifndef LX_BASE_CANCEL_H
#define LX_BASE_CANCEL_H

#include "base/err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct lx_cancel {
    atomic_bool asked;
};

static inline void lx_cancel_ask(struct lx_cancel *cancel)
{
    atomic_store(&cancel->asked, true);
}

/* By whoever owns the flag, once nobody looks at it. */
static inline void lx_cancel_forget(struct lx_cancel *cancel)
{
    atomic_store(&cancel->asked, false);
}

static inline bool lx_cancel_asked(const struct lx_cancel *cancel)
{
    return cancel != NULL && atomic_load(&cancel->asked);
}

#define LX_CANCEL_POLL_MS 100

#endif
