/* ledger_checkpoint.h: the state as one file of the log (PROTOCOL.md, "Checkpoints": classic, one
 * part), so that a reader needs no version before it (private to the ledger).
 *
 * A checkpoint says nothing that the versions do not say, and lynex never removes a version: one
 * that cannot be read is passed over, for an older one or for none. */
#ifndef LX_LEDGER_LEDGER_CHECKPOINT_H
#define LX_LEDGER_LEDGER_CHECKPOINT_H

#include "ledger/ledger_private.h"

#define LX_LEDGER_CHECKPOINT_EVERY 50                      /* versions */
#define LX_LEDGER_MAX_CHECKPOINT_BYTES ((size_t)1 << 30)   /* in the store */
#define LX_LEDGER_MAX_CHECKPOINT_MEMORY ((size_t)1 << 30)  /* while it is read */
#define LX_LEDGER_CHECKPOINT_STEP_BYTES ((size_t)16 << 20) /* rows made at a time */

/* Beside an add's own tags: the version that added the file, which Delta does not keep. */
#define LX_CHECKPOINT_VERSION_TAG "lynex.version"

/* The tables as a file: the same state gives the same bytes. *actions: rows. */
LX_MUST_CHECK enum lx_status lx_checkpoint_render(const struct lx_tables *tables,
                                                  struct lx_buf *file, int64_t *actions,
                                                  struct lx_err *err);
/* And back: a version that makes these tables of empty ones. `where` names the object. */
LX_MUST_CHECK enum lx_status lx_checkpoint_parse(int64_t number, struct lx_str file,
                                                 const char *where, struct lx_version **version,
                                                 struct lx_err *err);

#endif
