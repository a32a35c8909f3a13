/* cmd_archive.h: one run, told: what `archive`, `demo` and `serve` share. */
#ifndef LX_CMD_CMD_ARCHIVE_H
#define LX_CMD_CMD_ARCHIVE_H

#include "cmd/cmd.h"

#define LX_TELLING_BLOOMS 64

/* Somebody else who looks on while a run goes on; on the run's thread. */
struct lx_watch {
    void *context;
    /* Before each event is told: the report as far as the run came. */
    void (*look)(void *context, const struct lx_event *event,
                 const struct lx_archive_report *report);
    /* The store, just opened: may be put into another. */
    enum lx_status (*opened)(void *context, struct lx_store **store, struct lx_err *err);
};

struct lx_telling {
    struct lx_cmd *cmd;
    const struct lx_watch *watch;           /* may be NULL */
    const struct lx_archive_report *report; /* of the run that is told */
    int64_t done, total;
    int64_t last_ms;         /* when progress was drawn */
    bool drawn;              /* a progress line stands on the terminal */
    char where[LX_MAX_NAME]; /* "S3", or the directory */
    char who[512];           /* user@host, for the audit */
    char bloom_text[4096];
    const char *blooms[LX_TELLING_BLOOMS];
    size_t bloom_count;
    int steps_seen; /* of test builds */
};

/* `directory`: NULL for S3. */
void lx_telling_init(struct lx_telling *telling, struct lx_cmd *cmd, const char *directory);
/* Before anything else is printed. */
void lx_telling_end(struct lx_telling *telling);
/* The settings as options of a run, told by `telling`; store, ledger and table as opened. */
void lx_archive_options_fill(const struct lx_cmd *cmd, struct lx_telling *telling,
                             struct lx_archive_options *options);

/* One line, as the run's own are. */
void lx_telling_say(struct lx_telling *telling, enum lx_log_level level, const char *format, ...)
    LX_PRINTF(3, 4);
/* Opens what a run needs, runs it, and says how it ended. What was opened stays open
 * (lx_cmd_close). */
LX_MUST_CHECK enum lx_status lx_archive_told(struct lx_telling *telling, bool dry_run,
                                             struct lx_archive_report *report, struct lx_err *err);
/* A line for logs: how fast, and where the time went; none where nothing was archived. */
void lx_telling_say_speed(struct lx_telling *telling, const struct lx_archive_report *report);

#endif
