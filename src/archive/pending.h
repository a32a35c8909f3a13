/* pending.h: what is archived and still hot, and why; what the next run would archive. For people:
 * by the ledger and by counts, not by content, so that asking costs two small queries. What counts
 * before a delete is decided elsewhere, by content. */
#ifndef LX_ARCHIVE_PENDING_H
#define LX_ARCHIVE_PENDING_H

#include "archive/archive.h"
#include "archive/hot_sql.h"

/* Why the rows of a live segment are still in ClickHouse. */
#define LX_WHY_TABLE(X)                                                                            \
    X(KEPT, "kept", "kept as asked (DELETE_AFTER_ARCHIVE=false)")                                  \
    X(SOAK, "soak", "kept as asked (ARCHIVE_MODE=soak)")                                           \
    X(AGE, "age", "not old enough to leave")                                                       \
    X(DUE, "due", "the next run deletes them")                                                     \
    X(PARTLY, "partly",                                                                            \
      "younger rows share their part, and only whole parts leave "                                 \
      "(ARCHIVE_DELETE_MODE=parts)")                                                               \
    X(CHANGED, "changed", "their part has changed: the next run compares by content")              \
    X(GONE, "gone", "they have left ClickHouse: the next run records it")                          \
    X(REPLACED, "replaced", "another table has their table's place: the next run compares")        \
    X(OTHER_TABLE, "other_table", "of a table that these settings do not name")                    \
    X(ELSEWHERE, "elsewhere", "read from another replica, which lets them go")                     \
    X(BREAKER, "breaker", "more rows are due than ARCHIVE_MAX_DELETE_ROWS allows: none goes")      \
    X(NO_RIGHT, "no_right", "the right ALTER DELETE is missing")                                   \
    X(WAITING, "waiting", "a delete of this table waits on the server")                            \
    X(UNKNOWN, "unknown", "ClickHouse cannot be asked")

enum lx_why {
#define X(name, word, text) LX_WHY_##name,
    LX_WHY_TABLE(X)
#undef X
        LX_WHY_COUNT
};
const char *lx_why_word(enum lx_why why);
const char *lx_why_text(enum lx_why why);

struct lx_pending_segment {
    const struct lx_segment *segment; /* of the ledger's state */
    enum lx_why why;
    int64_t leaves_at; /* AGE: seconds since 1970 when it is old enough; else 0 */
};

struct lx_pending {
    struct lx_pending_segment *segments; /* every live one, in the ledger's order */
    size_t segment_count;

    /* The rest only where `asked`: ClickHouse has answered. */
    bool asked;
    char *source, *host, *version; /* of the table; the replica and server that answered */
    int64_t now, cutoff;           /* rows before the cutoff are archived */
    int64_t hot_rows, null_rows;   /* in the table; of them without a time */
    int64_t due_rows, due_parts;   /* before the cutoff and not archived */
    int64_t compare_parts;         /* are not as the ledger has them */
};

/* LX_OK with all of it; a failure is ClickHouse's, or what would stop the next run at its start:
 * then the segments are judged by the ledger and the settings alone, as far as these tell.
 * options->hot.ops NULL: not asked. Nothing is written. Free with lx_pending_free in every case. */
LX_MUST_CHECK enum lx_status lx_pending_look(const struct lx_archive_options *options,
                                             struct lx_pending *pending, struct lx_err *err);
void lx_pending_free(struct lx_pending *pending);

/* What the server does with deletes of the table, as far as this user may see. */
#define LX_PENDING_MUTATIONS 20

struct lx_pending_mutation {
    char *id, *command, *created, *failure; /* failure: "" where it has none */
    int64_t parts_to_do;
};

struct lx_pending_server {
    bool asked_right, may_delete;
    bool saw_mutations; /* the list is all there is, up to its limit */
    struct lx_pending_mutation mutations[LX_PENDING_MUTATIONS];
    size_t mutation_count;
};

/* What may not be seen is left out, and is no failure. */
LX_MUST_CHECK enum lx_status lx_pending_server_look(struct lx_hot_sql *hot,
                                                    struct lx_pending_server *server,
                                                    struct lx_err *err);
void lx_pending_server_free(struct lx_pending_server *server);

#endif
