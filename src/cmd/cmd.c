/* From arguments to a command: settings, streams, signals, exit status. */
#include "cmd/cmd.h"

#include "base/alloc.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const struct lx_command lx_commands[] = {
    {"archive", "", "archive rows older than ARCHIVE_AFTER_DAYS, prove them, delete them",
     "  --dry-run   say what would be archived and how each part would be deleted; write nothing\n"
     "  --json      a report as JSON on stdout; logs go to stderr\n",
     lx_cmd_archive},
    {"serve", "", "run the archive every ARCHIVE_INTERVAL_HOURS, with metrics and health over HTTP",
     "  Failed runs are tried again sooner (ARCHIVE_RETRY_SECONDS); SIGTERM and SIGINT end it.\n"
     "  /metrics, /healthz and /livez answer at LYNEX_HTTP.\n",
     lx_cmd_serve},
    {"status", "", "what is pending: what is archived and still hot, and why; what is due now",
     "  --json      as JSON\n"
     "  Where ClickHouse does not answer, what the ledger knows is shown, and the status is 1.\n",
     lx_cmd_status},
    {"ls", "[PREFIX]", "list what is archived, and what of it is still hot",
     "  PREFIX      only files whose path starts so: events/2026-01\n"
     "  --json      as JSON\n",
     lx_cmd_ls},
    {"verify", "[PREFIX]", "read archived files again and re-prove every row against the ledger",
     "  PREFIX      only files whose path starts so\n"
     "  --json      as JSON\n",
     lx_cmd_verify},
    {"audit", "", "who deleted what, when, on which guard's answer, from the ledger",
     "  --since DATE   only from then on: 2026-01-31, or 2026-01-31T12:00:00\n"
     "  --json         as JSON, with each statement and all of each answer\n",
     lx_cmd_audit},
    {"vacuum", "", "delete what abandoned batches left in the store; without --yes only look",
     "  --yes           do it: first a version of the log removes the paths, then they go\n"
     "  --min-age HOURS leave what is younger (24): the work of a run that goes on is spared\n"
     "  --removed       also files that the log listed once: old versions of the table show them\n"
     "  --quarantine    also _quarantine/, files whose proof failed\n"
     "  --unproven      also files with rows that no listed file holds; read docs/ledger.md first\n"
     "  --json          as JSON\n",
     lx_cmd_vacuum},
    {"ledger", "check | rebuild",
     "check the log version by version; make it anew where it was lost",
     "  check           what is there, what is missing, broken or another program's\n"
     "  rebuild         what the files say, each read again and re-proved; writes nothing\n"
     "  rebuild --write a new log, where there is none; the next run compares by content\n"
     "  --leave FILE    leave this file out (as often as needed)\n"
     "  --keep-all      rows that stand in several files are twins: keep them all\n"
     "  --json          as JSON\n",
     lx_cmd_ledger},
    {"inspect", "FILE [COLUMN]", "show a Parquet file: schema, row groups, encodings, pages, sizes",
     "  FILE        a path in the archive (events/2026-01/….parquet) or of a local file\n"
     "  COLUMN      the pages of this column: rows, bytes, NULLs, least and greatest value\n"
     "  --json      as JSON\n",
     lx_cmd_inspect},
    {"config", "", "show every setting, its value, and where it came from",
     "  --set       only settings that differ from their defaults\n"
     "  --json      as JSON\n"
     "  --markdown, --env-example, --man   the reference, made from the table of settings\n",
     lx_cmd_config},
    {"iam", "", "print the S3 policy and the GRANT that these settings need, and nothing more",
     "  --json      as JSON\n", lx_cmd_iam},
    {"demo", "", "show it all on an embedded ClickHouse and a local directory",
     "  --rows N    how many events (500000)\n"
     "  --dir DIR   where (a new directory in /tmp); kept\n",
     lx_cmd_demo},
    {"help", "[COMMAND]", "explain a command, or all settings", "", lx_cmd_help},
    {"version", "", "print the version", "", lx_cmd_version},
    {NULL, NULL, NULL, NULL, NULL},
};

/* -- arguments ----------------------------------------------------------------------------- */

bool lx_cmd_flag(struct lx_cmd *cmd, const char *name)
{
    char **args; /* ours: copied by the loader */
    bool found = false;
    size_t kept = 0;
    memcpy(&args, &cmd->args, sizeof args);
    for (size_t i = 0; i < cmd->arg_count; i++) {
        if (strcmp(args[i], name) == 0)
            found = true;
        else
            args[kept++] = args[i];
    }
    cmd->arg_count = kept;
    return found;
}

const char *lx_cmd_option(struct lx_cmd *cmd, const char *name)
{
    char **args;
    memcpy(&args, &cmd->args, sizeof args);
    for (size_t i = 0; i + 1 < cmd->arg_count; i++) {
        if (strcmp(args[i], name) != 0)
            continue;
        const char *value = args[i + 1];
        memmove(&args[i], &args[i + 2], (cmd->arg_count - i - 2) * sizeof *args);
        cmd->arg_count -= 2;
        return value;
    }
    return NULL;
}

const char *lx_cmd_operand(const struct lx_cmd *cmd, size_t n)
{
    return n < cmd->arg_count ? cmd->args[n] : NULL;
}

/* -- signals ------------------------------------------------------------------------------- */

/* The one piece of global state: a signal handler cannot be handed anything. */
static struct lx_cancel cancel_flag;

static void on_signal(int number)
{
    (void)number;
    lx_cancel_ask(&cancel_flag);
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: waits end early */
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* -- dispatch ------------------------------------------------------------------------------ */

static const struct lx_command *find_command(const char *name)
{
    for (const struct lx_command *c = lx_commands; c->name != NULL; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

static int no_command(struct lx_cmd *cmd, const char *name)
{
    const char *nearest = NULL;
    for (const struct lx_command *c = lx_commands; c->name != NULL; c++)
        if (nearest == NULL && strncmp(c->name, name, 2) == 0)
            nearest = c->name;
    return lx_cmd_usage(cmd, "lynex help", "there is no command %s%s%s%s", name,
                        nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "",
                        nearest != NULL ? "?" : "");
}

/* Whether a report as JSON is wanted is known before anything can fail. */
static bool wants_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0)
            return true;
    return false;
}

static void set_streams(struct lx_cmd *cmd)
{
    const char *term = getenv("TERM");
    cmd->json = lx_cmd_flag(cmd, "--json") || cmd->json;
    cmd->terminal = !cmd->json && isatty(STDOUT_FILENO);
    cmd->color =
        cmd->terminal && getenv("NO_COLOR") == NULL && term != NULL && strcmp(term, "dumb") != 0;
    cmd->log = (struct lx_log){
        .fd = cmd->json ? STDERR_FILENO : STDOUT_FILENO,
        .level = (enum lx_log_level)cmd->config->log_level,
        .json = cmd->config->log_format == LX_SET_FORMAT_JSON,
        .clock = cmd->clock,
    };
}

static int run_command(struct lx_cmd *cmd)
{
    const struct lx_command *command;
    bool help = lx_cmd_flag(cmd, "--help") || lx_cmd_flag(cmd, "-h");
    if (lx_cmd_flag(cmd, "--version"))
        return lx_cmd_version(cmd);
    if (cmd->arg_count == 0) {
        int status = lx_cmd_help(cmd);
        return help ? status : LX_EXIT_USAGE;
    }
    if (help)
        return lx_cmd_help(cmd);
    command = find_command(cmd->args[0]);
    if (command == NULL)
        return no_command(cmd, cmd->args[0]);
    cmd->command = command;
    cmd->args++;
    cmd->arg_count--;
    set_streams(cmd);
    int status = command->run(cmd);
    lx_cmd_close(cmd);
    bool lost = fflush(stdout) != 0 || ferror(stdout) != 0;
    if (lost && errno != EPIPE) /* whoever reads from a pipe may have seen enough */
        fprintf(stderr, "lynex: stdout could not be written\n");
    if (lost && status == LX_EXIT_DONE)
        status = LX_EXIT_FAILED;
    return status;
}

int lx_main(int argc, char **argv, char **environment)
{
    char directory[4096];
    struct lx_config *config = NULL;
    struct lx_err err = LX_ERR_INIT;
    struct lx_config_input input = {
        .arg_count = argc > 0 ? (size_t)argc - 1 : 0,
        .args = (const char *const *)argv + 1,
        .environment = (const char *const *)environment,
        .directory = getcwd(directory, sizeof directory),
    };
    struct lx_cmd cmd = {
        .clock = lx_clock_system(), .random = lx_random_system(), .cancel = &cancel_flag};
    /* Help and version must work also where a setting is wrong. */
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--version") == 0 || (i == 1 && strcmp(argv[i], "version") == 0))
            return lx_cmd_version(&cmd);
        if (strcmp(argv[i], "--") == 0)
            break;
    }
    cmd.json = wants_json(argc, argv);
    if (lx_config_load(&input, &config, &err) != LX_OK) {
        lx_cmd_fail(&cmd, &err);
        return LX_EXIT_USAGE;
    }
    lx_config_hide_flags(input.arg_count, argv + 1);
    cmd.config = config;
    cmd.args = config->args;
    cmd.arg_count = config->arg_count;
    catch_signals();
    int status = run_command(&cmd);
    lx_config_free(config);
    return status;
}
