/* What commands say of failures and wrong usage, for people and for programs. */
#include "cmd/cmd.h"

#include "cmd/terminal.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define MAX_OWN_FLAGS 16

int lx_cmd_exit_of(const struct lx_err *err)
{
    switch (err->status) {
    case LX_OK: return LX_EXIT_DONE;
    case LX_E_ARGUMENT: return LX_EXIT_USAGE;
    case LX_E_CANCELLED: return LX_EXIT_INTERRUPTED;
    case LX_E_MISMATCH:
    case LX_E_CORRUPT: return LX_EXIT_PROOF;
    default: return LX_EXIT_FAILED;
    }
}

json_t *lx_cmd_error_json(const struct lx_err *err)
{
    if (err->status == LX_OK)
        return json_null();
    return json_pack("{s:s,s:s,s:s}", "status", lx_status_name(err->status), "text", err->text,
                     "what_to_do", err->hint);
}

int lx_cmd_print_json(struct lx_cmd *cmd, json_t *document)
{
    cmd->reported = true;
    int failed = document == NULL || json_dumpf(document, stdout, JSON_INDENT(2)) != 0 ||
                 putchar('\n') == EOF || fflush(stdout) != 0;
    json_decref(document);
    if (failed) {
        fprintf(stderr, "lynex: the report could not be printed\n");
        return LX_EXIT_FAILED;
    }
    return LX_EXIT_DONE;
}

int lx_cmd_fail(struct lx_cmd *cmd, const struct lx_err *err)
{
    bool color = cmd->color && isatty(STDERR_FILENO);
    fprintf(stderr, "%slynex: %s%s\n", lx_color(color, LX_COLOR_RED), err->text,
            lx_color(color, LX_COLOR_NONE));
    if (err->hint[0] != 0)
        fprintf(stderr, "  what to do: %s\n", err->hint);
    if (cmd->json && !cmd->reported)
        (void)lx_cmd_print_json(cmd, json_pack("{s:o}", "error", lx_cmd_error_json(err)));
    return lx_cmd_exit_of(err);
}

int lx_cmd_usage(struct lx_cmd *cmd, const char *hint, const char *format, ...)
{
    struct lx_err err = LX_ERR_INIT;
    char text[LX_ERR_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    lx_err_set(&err, LX_E_ARGUMENT, "%s", text);
    lx_err_hint(&err, "%s", hint);
    return lx_cmd_fail(cmd, &err);
}

/* -- arguments that nobody took ------------------------------------------------------------ */

/* The command's own flags, out of its help. */
static void own_flags(const struct lx_command *command, char flags[MAX_OWN_FLAGS][32],
                      const char *list[MAX_OWN_FLAGS + 1])
{
    size_t count = 0;
    for (const char *at = strstr(command->details, "--"); at != NULL && count < MAX_OWN_FLAGS;
         at = strstr(at + 2, "--")) {
        size_t size = strspn(at, "-abcdefghijklmnopqrstuvwxyz");
        snprintf(flags[count], sizeof flags[count], "%.*s", (int)size, at);
        list[count] = flags[count];
        count++;
    }
    list[count] = NULL;
}

bool lx_cmd_args_done(struct lx_cmd *cmd, size_t operands)
{
    char flags[MAX_OWN_FLAGS][32], nearest[128], hint[64];
    const char *list[MAX_OWN_FLAGS + 1];
    snprintf(hint, sizeof hint, "lynex help %s", cmd->command->name);
    own_flags(cmd->command, flags, list);
    for (size_t i = 0; i < cmd->arg_count; i++) {
        const char *arg = cmd->args[i];
        if (arg[0] == '-' && arg[1] != 0) {
            bool near = lx_config_nearest_flag(lx_str_of(arg), list, nearest, sizeof nearest);
            int size = (int)strcspn(arg, "="); /* without its value: it may be a secret */
            if (near && lx_str_is((struct lx_str){arg, (size_t)size}, nearest))
                (void)lx_cmd_usage(
                    cmd, hint,
                    "%s cannot stand here so: its value is missing, it takes none, or it is "
                    "another command's",
                    nearest);
            else
                (void)lx_cmd_usage(cmd, hint, "there is no flag %.*s%s%s", size, arg,
                                   near ? "; the nearest is " : "", near ? nearest : "");
            return false;
        }
        if (i >= operands) {
            (void)lx_cmd_usage(cmd, hint, "one argument too many: %s", arg);
            return false;
        }
    }
    return true;
}
