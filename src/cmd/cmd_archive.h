/* cmd_archive.h: telling what a run does, as `archive` and `demo` both do it. */
#ifndef LX_CMD_CMD_ARCHIVE_H
#define LX_CMD_CMD_ARCHIVE_H

#include "cmd/cmd.h"

#define LX_TELLING_BLOOMS 64

struct lx_telling {
    struct lx_cmd *cmd;
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

#endif
