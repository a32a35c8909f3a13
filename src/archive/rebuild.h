/* rebuild.h: a new log out of the files alone, where the old one was lost.
 *
 * Each file says of itself which batch it is of, how its rows were hashed and what ClickHouse's
 * hashes of them summed to. So every file is read again, every row of it hashed, and only what
 * sums to what ClickHouse said is listed.
 *
 * What the files cannot say is which of two was committed, where both hold the same rows: one may
 * be what an abandoned batch left, or the rows may really have been there twice. Such files, and
 * those that are no good, stop the rebuild with a list; a person decides.
 *
 * A file that an abandoned batch left and that is alone with its rows is listed like the others:
 * its rows are proven, and still hot, where the next run finds them.
 *
 * What of it is still hot no file knows. Each file becomes a segment of a table that no longer
 * is (the source's UUID is "rebuilt"), so that the next run compares all of the table with all of
 * them by content before anything is deleted (archive/plan.c, "strangers"). */
#ifndef LX_ARCHIVE_REBUILD_H
#define LX_ARCHIVE_REBUILD_H

#include "archive/file_account.h"
#include "base/clock.h"

#define LX_REBUILD_MAX_FILES 1000000

enum lx_rebuild_verdict {
    LX_REBUILD_PROVEN,
    LX_REBUILD_EMPTY, /* a reserved key, of no bytes: not listed, in nobody's way */
    LX_REBUILD_LEFT,  /* left out as asked */
    LX_REBUILD_BAD, /* cannot be read, is not lynex's or of another table, or is not what it was */
    LX_REBUILD_SHARED /* proven, but rows of it stand in another file too */
};
const char *lx_rebuild_verdict_text(enum lx_rebuild_verdict verdict);

struct lx_rebuild_file {
    char *path;
    struct lx_object object;
    enum lx_rebuild_verdict verdict;
    struct lx_file_account account; /* of proven ones */
    char *note;                     /* LX_REBUILD_BAD: why */
    int64_t shared_rows;
    size_t partner; /* index of a file that holds them too */
};

struct lx_rebuild_options {
    struct lx_ledger *ledger; /* opened on the root, which has no log */
    struct lx_store *store;
    const char *prefix;
    const char *database, *table; /* whose archive it is to be */
    const char *time_column;      /* for files that do not say */
    const char *who;
    const char *const *leave; /* paths that are left out */
    size_t leave_count;
    bool keep_all; /* rows that stand in several files were there several times */
    bool write;
    int64_t memory_bytes;
    const char *temp_dir; /* NULL: TMPDIR, /tmp */
    struct lx_pool *pool; /* may be NULL */
    struct lx_clock clock;
    struct lx_random random;
    const struct lx_cancel *cancel;
    /* After each file; may be NULL. */
    void (*tell)(void *context, const struct lx_rebuild_file *file);
    void *context;
};

struct lx_rebuild_report {
    struct lx_rebuild_file *files; /* in the order of their paths */
    size_t count, cap;
    int64_t listed, rows, bytes; /* that the new log lists, or would */
    int64_t bad, shared, left, empty;
    bool written;
};

/* LX_E_REFUSED: files are bad, or share rows (the report says which), or there is a log. The report
 * is filled as far as it came, in every case; free it with lx_rebuild_report_free. */
LX_MUST_CHECK enum lx_status lx_rebuild(const struct lx_rebuild_options *options,
                                        struct lx_rebuild_report *report, struct lx_err *err);
void lx_rebuild_report_free(struct lx_rebuild_report *report);

/* Is a segment of this source one of a rebuilt log, whose rows nobody has compared with ClickHouse
 * yet? */
bool lx_rebuild_is_guess(const char *source);

/* For callers who found no log: the path of a data file below `prefix`, "" where there is none.
 * Reserved keys, of no bytes, are none. Such files are those of a first run that has not committed
 * yet, or was ended before it did, or all that is left of an archive. LX_REBUILD_NO_LOG, and the
 * path behind it, says so. */
#define LX_REBUILD_NO_LOG "there is no log at the archive's root, but data files, such as "
LX_MUST_CHECK enum lx_status lx_rebuild_any_file(struct lx_store *store, const char *prefix,
                                                 char path[LX_MAX_NAME], struct lx_err *err);

/* Is there anything in _delta_log/ that is a log, or was one? LX_E_REFUSED, with what was found.
 * For callers whose log may be too broken to be opened. */
LX_MUST_CHECK enum lx_status lx_rebuild_may(struct lx_store *store, struct lx_err *err);

#endif
