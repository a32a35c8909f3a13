#include "cmd/cmd.h"

#include "cmd/terminal.h"

#include <stdio.h>

int lx_cmd_version(struct lx_cmd *cmd)
{
    (void)cmd;
    printf("lynex %s\n", LYNEX_VERSION);
    return LX_EXIT_DONE;
}

static void help_of(const struct lx_command *command)
{
    printf("usage: lynex %s%s%s [--SETTING VALUE …]\n\n  %s\n", command->name,
           command->operands[0] != 0 ? " " : "", command->operands, command->summary);
    if (command->details[0] != 0)
        printf("\n%s", command->details);
    printf("\nEvery setting is a flag too: lynex help lists them.\n");
}

static void help_all(void)
{
    struct lx_buf text = LX_BUF(LX_MIB);
    printf("lynex keeps ClickHouse events for years at a tenth of the price: it archives old rows "
           "to S3 "
           "as\nParquet, proves every row, and deletes exactly those from ClickHouse.\n\n"
           "usage: lynex COMMAND [--SETTING VALUE …]\n\n");
    for (const struct lx_command *c = lx_commands; c->name != NULL; c++)
        printf("  %-8s %s\n", c->name, c->summary);
    printf("\n  --env-file F   read settings from F instead of the nearest .env; may be repeated\n"
           "  --json         a report as JSON, of every command that reports\n\n"
           "Exit status: 0 done; 1 failed; 2 wrong usage or setting; 3 archived, but not deleted;\n"
           "4 proof failed; 130 interrupted.\n\n");
    if (lx_config_help(&text) == LX_OK)
        lx_print(&text);
    lx_buf_free(&text);
}

int lx_cmd_help(struct lx_cmd *cmd)
{
    for (size_t i = 0; i < cmd->arg_count; i++)
        for (const struct lx_command *c = lx_commands; c->name != NULL; c++)
            if (strcmp(c->name, cmd->args[i]) == 0) {
                help_of(c);
                return LX_EXIT_DONE;
            }
    if (cmd->arg_count > 0 && cmd->args[0][0] != '-' && strcmp(cmd->args[0], "help") != 0) {
        return lx_cmd_usage(cmd, "lynex help", "there is no command %s", cmd->args[0]);
    }
    help_all();
    return LX_EXIT_DONE;
}
