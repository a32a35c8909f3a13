/* vacuum.h: takes what abandoned batches left in the store, and nothing else.
 *
 * A file is uploaded before it is recorded, so a run that dies, or loses to another, leaves objects
 * that no version of the log lists. They do no harm but to the bill.
 *
 * The fence: first one version of the log removes their paths, then they are deleted. A writer that
 * slept between upload and commit wakes up, finds its file removed, and gives its batch up; a path
 * that was ever removed is never added again. So correctness rests on no clock and on no age; the
 * age only spares the work of a run that goes on meanwhile.
 *
 * A file that holds rows goes only where the listed files of its month hold each of these rows too,
 * compared by row hashes. So a log that lost its newest versions (an old copy put back, another
 * program's hand) does not make vacuum delete the only copy of what they listed. Files whose rows
 * are not archived elsewhere yet are left until the next run has archived them. */
#ifndef LX_ARCHIVE_VACUUM_H
#define LX_ARCHIVE_VACUUM_H

#include "base/cancel.h"
#include "base/pool.h"
#include "ledger/ledger.h"
#include "store/store.h"

#define LX_VACUUM_MAX_OBJECTS 1000000 /* looked at in one go; then LX_E_LIMIT */
#define LX_VACUUM_FENCE_PATHS 10000   /* in one version of the log */

enum lx_vacuum_kind {
    LX_VACUUM_FILE,        /* a data file that no version ever listed */
    LX_VACUUM_RESERVATION, /* an object of no bytes: a key that was reserved for an upload */
    LX_VACUUM_HASHES,      /* row hashes that no segment names */
    LX_VACUUM_FENCED,      /* removed by an earlier vacuum, which did not come to delete it */
    LX_VACUUM_REMOVED,     /* listed once, then removed: old versions of the table show it */
    LX_VACUUM_QUARANTINE,  /* kept when a proof failed */
    LX_VACUUM_UNFINISHED   /* what a writer to a directory had begun when it died */
};
const char *lx_vacuum_kind_text(enum lx_vacuum_kind kind);

enum lx_vacuum_fate {
    LX_VACUUM_TAKE,     /* would be deleted, or was: see `deleted` */
    LX_VACUUM_YOUNG,    /* younger than min_age_ms */
    LX_VACUUM_ROWS,     /* holds rows that no listed file holds */
    LX_VACUUM_UNREAD,   /* its rows cannot be read or compared */
    LX_VACUUM_NOT_ASKED /* of a kind that was not asked for */
};
const char *lx_vacuum_fate_text(enum lx_vacuum_fate fate);

struct lx_vacuum_item {
    char *path;
    int64_t size, modified_ms;
    enum lx_vacuum_kind kind;
    enum lx_vacuum_fate fate;
    int64_t rows;       /* of a file; 0 where they were not read */
    int64_t alone_rows; /* LX_VACUUM_ROWS: those that are nowhere else */
    char *note;         /* LX_VACUUM_UNREAD: why; NULL */
    bool deleted;
};

struct lx_vacuum_options {
    struct lx_ledger *ledger;
    struct lx_store *store;
    const char *prefix;
    const char *who; /* for commitInfo */
    int64_t min_age_ms;
    bool removed;    /* also what was listed once */
    bool quarantine; /* also _quarantine/ */
    bool unproven;   /* also files with rows that no listed file holds */
    bool write;      /* false: only look */
    int64_t memory_bytes;
    struct lx_pool *pool; /* may be NULL */
    struct lx_clock clock;
    const struct lx_cancel *cancel;
};

struct lx_vacuum_report {
    struct lx_vacuum_item *items; /* in the order of their paths */
    size_t count, cap;
    int64_t taken, taken_bytes; /* that would be, or were deleted */
    int64_t kept, kept_bytes;   /* of those listed here */
    int64_t strangers;          /* objects whose names lynex does not make: left, not listed here */
    int64_t versions;           /* of the log that were written: fences */
};

/* LX_E_REFUSED: there is no log (all files would look left behind). The report is filled as far as
 * it came, in every case; free it with lx_vacuum_report_free. */
LX_MUST_CHECK enum lx_status lx_vacuum(const struct lx_vacuum_options *options,
                                       struct lx_vacuum_report *report, struct lx_err *err);
void lx_vacuum_report_free(struct lx_vacuum_report *report);

#endif
