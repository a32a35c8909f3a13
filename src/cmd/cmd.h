/* cmd.h: the commands of the program: one file each, cmd_<name>.c.
 *
 * A command gets its settings checked and its streams decided; it opens what it needs (cmd_open.c)
 * and returns an exit status. What reports, prints to stdout: for people on a terminal, plain lines
 * otherwise, one JSON document with --json (logs then go to stderr). */
#ifndef LX_CMD_CMD_H
#define LX_CMD_CMD_H

#include "archive/archive.h"
#include "archive/hot_sql.h"
#include "base/cancel.h"
#include "base/log.h"
#include "clickhouse/clickhouse.h"
#include "config/config.h"
#include "ledger/ledger.h"
#include "store/store.h"

enum lx_exit {
    LX_EXIT_DONE = 0,
    LX_EXIT_FAILED = 1,
    LX_EXIT_USAGE = 2,
    LX_EXIT_NOT_DELETED = 3, /* archived, but the rows stay: no right, or the guard said no */
    LX_EXIT_PROOF = 4,       /* what is stored is not what was archived */
    LX_EXIT_INTERRUPTED = 130
};

struct lx_command;

struct lx_cmd {
    const struct lx_command *command; /* NULL before it is known */
    const struct lx_config *config;
    struct lx_log log;
    struct lx_clock clock;
    struct lx_random random;
    struct lx_cancel *cancel;
    bool json;     /* --json */
    bool reported; /* a JSON document was printed */
    bool terminal; /* stdout is one */
    bool color;    /* it understands colours, and NO_COLOR is not set */
    /* Arguments behind the command's name: flags that are no settings, and operands. */
    char *const *args;
    size_t arg_count;

    /* Opened by lx_cmd_open_…, closed by the dispatcher. */
    struct lx_store *store;
    struct lx_ledger *ledger;
    struct lx_ch *client;
    struct lx_hot_sql *hot_sql;
    struct lx_hot hot;
    struct lx_pool *pool;
    char *database, *table;
    bool said_notes;
};

struct lx_command {
    const char *name, *operands, *summary;
    const char *details; /* for `lynex help NAME` */
    int (*run)(struct lx_cmd *cmd);
};

/* NULL-terminated by name. */
extern const struct lx_command lx_commands[];

/* The program behind main(). */
int lx_main(int argc, char **argv, char **environment);

/* -- arguments ----------------------------------------------------------------------------- */

/* Takes `--name` out of the arguments; false where it is not there. */
bool lx_cmd_flag(struct lx_cmd *cmd, const char *name);
/* Takes `--name VALUE` out of the arguments; NULL where it is not there. */
const char *lx_cmd_option(struct lx_cmd *cmd, const char *name);
/* After all flags were taken: anything that still begins with '-' is wrong usage; so are more than
 * `operands` others. Says so. */
LX_MUST_CHECK bool lx_cmd_args_done(struct lx_cmd *cmd, size_t operands);
/* The n-th operand; NULL. */
const char *lx_cmd_operand(const struct lx_cmd *cmd, size_t n);

/* -- opening ------------------------------------------------------------------------------- */

LX_MUST_CHECK enum lx_status lx_cmd_open_store(struct lx_cmd *cmd, struct lx_err *err);
LX_MUST_CHECK enum lx_status lx_cmd_open_ledger(struct lx_cmd *cmd, struct lx_err *err);
/* For reports of an archive in which there is nothing: where the opened ledger's root has no log,
 * but data files, `found` says so, LX_E_NOTFOUND, with what to do. The other puts it on stderr. */
LX_MUST_CHECK enum lx_status lx_cmd_find_lost_log(struct lx_cmd *cmd, struct lx_err *found,
                                                  struct lx_err *err);
LX_MUST_CHECK enum lx_status lx_cmd_warn_of_lost_log(struct lx_cmd *cmd, struct lx_err *err);
/* cmd->database and cmd->table, out of ARCHIVE_TABLE. */
LX_MUST_CHECK enum lx_status lx_cmd_split_table(struct lx_cmd *cmd, struct lx_err *err);
/* The first server of CLICKHOUSE_URL, and the hot table. */
LX_MUST_CHECK enum lx_status lx_cmd_open_clickhouse(struct lx_cmd *cmd, struct lx_err *err);
/* ARCHIVE_THREADS, or one a processor; the thread that asks is one of them. */
int64_t lx_cmd_threads(const struct lx_config *config);
LX_MUST_CHECK enum lx_status lx_cmd_open_pool(struct lx_cmd *cmd, struct lx_err *err);
void lx_cmd_close(struct lx_cmd *cmd);

/* -- saying -------------------------------------------------------------------------------- */

/* Prints an error for people on stderr and returns the exit status that goes with it. With --json,
 * where no document was printed yet, {"error": …} goes to stdout: a program that asked for JSON
 * gets JSON whatever happens. */
int lx_cmd_fail(struct lx_cmd *cmd, const struct lx_err *err);
int lx_cmd_exit_of(const struct lx_err *err);
/* The same for wrong usage. `hint`: what to do. */
int lx_cmd_usage(struct lx_cmd *cmd, const char *hint, const char *format, ...) LX_PRINTF(3, 4);
/* {"status", "text", "what_to_do"}, null for LX_OK: what documents hold as "error". */
json_t *lx_cmd_error_json(const struct lx_err *err);
/* Prints a JSON document, takes the reference. */
int lx_cmd_print_json(struct lx_cmd *cmd, json_t *document);

/* -- the commands -------------------------------------------------------------------------- */

int lx_cmd_archive(struct lx_cmd *cmd);
int lx_cmd_audit(struct lx_cmd *cmd);
int lx_cmd_config(struct lx_cmd *cmd);
int lx_cmd_demo(struct lx_cmd *cmd);
int lx_cmd_help(struct lx_cmd *cmd);
int lx_cmd_iam(struct lx_cmd *cmd);
int lx_cmd_inspect(struct lx_cmd *cmd);
int lx_cmd_ledger(struct lx_cmd *cmd);
int lx_cmd_ls(struct lx_cmd *cmd);
int lx_cmd_serve(struct lx_cmd *cmd);
int lx_cmd_status(struct lx_cmd *cmd);
int lx_cmd_vacuum(struct lx_cmd *cmd);
int lx_cmd_verify(struct lx_cmd *cmd);
int lx_cmd_version(struct lx_cmd *cmd);

#endif
