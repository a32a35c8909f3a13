#include "cmd/cmd.h"

int lx_cmd_demo(struct lx_cmd *cmd)
{
    (void)cmd;
    return LX_EXIT_FAILED;
}
