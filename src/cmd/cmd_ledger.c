#include "cmd/cmd.h"
int lx_cmd_ledger(struct lx_cmd *cmd)
{
    return lx_cmd_args_done(cmd, 0) ? LX_EXIT_DONE : LX_EXIT_USAGE;
}
