/* lynex config: every setting, its value, and where it came from. */
#include "cmd/cmd.h"

#include "cmd/terminal.h"

#include <stdio.h>

static json_t *config_json(const struct lx_config *config, bool only_set)
{
    json_t *all = json_object();
    for (int i = 0; all != NULL && i < LX_SETTING_COUNT; i++) {
        struct lx_buf value = LX_BUF(LX_MIB), origin = LX_BUF(LX_MIB);
        enum lx_setting setting = (enum lx_setting)i;
        if (only_set && config->entries[i].origin == LX_ORIGIN_DEFAULT)
            continue;
        if (lx_config_shown(config, setting, &value) == LX_OK &&
            lx_config_origin_text(config, setting, &origin) == LX_OK)
            json_object_set_new(
                all, lx_setting_info(setting)->name,
                json_pack("{s:s,s:s}", "value", lx_buf_cstr(&value), "from", lx_buf_cstr(&origin)));
        lx_buf_free(&value);
        lx_buf_free(&origin);
    }
    return all;
}

int lx_cmd_config(struct lx_cmd *cmd)
{
    struct lx_buf text = LX_BUF(4 * LX_MIB);
    bool only_set = lx_cmd_flag(cmd, "--set");
    bool markdown = lx_cmd_flag(cmd, "--markdown");
    bool example = lx_cmd_flag(cmd, "--env-example");
    bool man = lx_cmd_flag(cmd, "--man");
    if (!lx_cmd_args_done(cmd, 0))
        return LX_EXIT_USAGE;
    if (cmd->json)
        return lx_cmd_print_json(cmd, config_json(cmd->config, only_set));
    enum lx_status status = markdown  ? lx_config_markdown(&text)
                            : example ? lx_config_env_example(&text)
                            : man     ? lx_config_man(&text)
                                      : lx_config_print(cmd->config, only_set, &text);
    if (status == LX_OK)
        lx_print(&text);
    else
        fprintf(stderr, "lynex: %s\n", lx_status_text(status));
    if (status == LX_OK && !markdown && !example && !man)
        for (size_t i = 0; i < cmd->config->note_count; i++)
            printf("note: %s\n", cmd->config->notes[i]);
    lx_buf_free(&text);
    return status == LX_OK ? LX_EXIT_DONE : LX_EXIT_FAILED;
}
