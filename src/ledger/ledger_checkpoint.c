/* The seam for checkpoints (PROTOCOL.md, "Checkpoints"). lynex never removes a commit file and
 * keeps other programs from doing so (delta.enableExpiredLogCleanup), so the whole state can be had
 * from the commit files; a checkpoint is needed only where somebody removed them all the same. */
#include "ledger/ledger_private.h"

#include <inttypes.h>

enum lx_status lx_ledger_from_checkpoint(struct lx_ledger *ledger, const struct lx_listing *listing,
                                         struct lx_err *err)
{
    char where[LX_LEDGER_WHERE];
    lx_ledger_where(ledger, listing->missing, where);
    lx_err_set(err, LX_E_UNSUPPORTED,
               "%s of the log is missing: the state can only be had from the checkpoint of version "
               "%" PRId64 ", and this lynex does not read checkpoints",
               where, listing->checkpoint);
    lx_err_hint(err, "Another program cleaned the log up, though the table's configuration forbids "
                     "it. Put the commit files back (a versioned bucket has them, or a backup). "
                     "Nothing was changed, and nothing may be deleted meanwhile.");
    return LX_E_UNSUPPORTED;
}
