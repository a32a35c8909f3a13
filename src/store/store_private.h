/* store_private.h: what the drivers share. */
#ifndef LX_STORE_STORE_PRIVATE_H
#define LX_STORE_STORE_PRIVATE_H

#include "store/store.h"

/* LX_E_ARGUMENT for a key that is empty, too long, or would leave the root. */
LX_MUST_CHECK enum lx_status lx_store_check_key(const char *key, struct lx_err *err);

#endif
