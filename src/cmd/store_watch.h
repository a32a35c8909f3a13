/* store_watch.h: a store behind which another does the work, and whose failed uploads are told. */
#ifndef LX_CMD_STORE_WATCH_H
#define LX_CMD_STORE_WATCH_H

#include "store/store.h"

/* `failed` is called with the status of each PUT and upload that failed after its retries; a key
 * that is taken already, and an upload that was called off, are no failures. From any thread. Takes
 * *store, and puts the new one there; after a failure *store is NULL. */
LX_MUST_CHECK enum lx_status lx_store_watch(struct lx_store **store,
                                            void (*failed)(void *context, enum lx_status status),
                                            void *context, struct lx_err *err);

#endif
