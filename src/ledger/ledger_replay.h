/* ledger_replay.h: from the bytes of one version to the state (private to the ledger).
 *
 * Three steps, so that a version is taken in whole or not at all:
 *   parse    bytes -> struct lx_version. Knows nothing of the state.
 *   prepare  checks it against the state, and gets all memory that the last step needs.
 *   apply    cannot fail. The state is what it was, or what the version says.
 * Source: delta-io/delta PROTOCOL.md, "Actions", "Action Reconciliation". */
#ifndef LX_LEDGER_LEDGER_REPLAY_H
#define LX_LEDGER_LEDGER_REPLAY_H

#include "ledger/ledger_domain.h"
#include "ledger/ledger_map.h"

/* A growing array of pointers. */
struct lx_ptrs {
    void **items;
    size_t count, capacity;
};
LX_MUST_CHECK enum lx_status lx_ptrs_reserve(struct lx_ptrs *ptrs, size_t more);
LX_MUST_CHECK enum lx_status lx_ptrs_push(struct lx_ptrs *ptrs, void *item);
void lx_ptrs_free(struct lx_ptrs *ptrs, void (*free_item)(void *item)); /* an empty array again */

struct lx_file_node {
    struct lx_ledger_file file;
    bool dead; /* not listed any more; kept until the view is without it */
    struct lx_file_node *next;
};

struct lx_removed_node {
    char *path;
    int64_t deleted_ms, size, version; /* size: -1 where it is not told */
    bool data_change;
};

struct lx_txn_node {
    char *app_id;
    int64_t version, updated_ms; /* -1 where it is not told */
};

/* What a version changed, as far as it can clash with a change planned before it. */
struct lx_touched {
    char id[LX_LEDGER_ID];
    char *source, *partition;
    int64_t min_block, max_block;
};

struct lx_history {
    int64_t version;
    bool own;             /* committed by this ledger */
    bool metadata, table; /* changed */
    struct lx_touched *added;
    size_t added_count;
    char (*ended)[LX_LEDGER_ID];
    size_t ended_count;
    struct lx_ptrs added_paths, removed_paths; /* char * */
};
void lx_history_free(struct lx_history *history);

struct lx_version {
    int64_t number;
    char *txn_id;           /* commitInfo.txnId; NULL where it has none */
    struct lx_ptrs files;   /* struct lx_file_node * */
    struct lx_ptrs removed; /* struct lx_removed_node * */
    struct lx_ptrs domains; /* struct lx_domain * */
    struct lx_ptrs txns;    /* struct lx_txn_node * */
    json_t *protocol, *metadata;
    struct lx_history *history; /* made by lx_tables_prepare */
};

/* `where` names the object, for errors. LX_E_FORMAT, LX_E_CORRUPT (its digest says so),
 * LX_E_UNSUPPORTED (readers must know a feature that lynex does not), LX_E_LIMIT, LX_E_MEMORY. */
LX_MUST_CHECK enum lx_status lx_version_parse(int64_t number, struct lx_str bytes,
                                              const char *where, struct lx_version **version,
                                              struct lx_err *err);
/* The same, action by action: what a checkpoint holds. The version is freed by lx_version_free. */
LX_MUST_CHECK enum lx_status lx_version_create(int64_t number, struct lx_version **version,
                                               struct lx_err *err);
LX_MUST_CHECK enum lx_status lx_version_take(struct lx_version *version, const json_t *action,
                                             struct lx_err *err);
void lx_version_free(struct lx_version *version); /* NULL is fine */
void lx_file_node_free(void *node);
void lx_removed_node_free(void *node);
void lx_txn_node_free(void *node);

/* Calls `each` with each action of a version's bytes, one at a time; its object is borrowed. */
typedef enum lx_status (*lx_each_action)(void *context, size_t line, const json_t *action,
                                         struct lx_err *err);
LX_MUST_CHECK enum lx_status lx_version_lines(struct lx_str bytes, const char *where,
                                              lx_each_action each, void *context,
                                              struct lx_err *err);

/* commitInfo.lynexDigest: XXH3 of all bytes behind the first line, 16 hexadecimal digits. */
#define LX_LEDGER_DIGEST 17
void lx_version_digest(struct lx_str rest, char text[LX_LEDGER_DIGEST]);

/* The state, as tables. */
struct lx_tables {
    int64_t version;              /* -1: none */
    struct lx_ledger_map files;   /* path -> struct lx_file_node */
    struct lx_ledger_map removed; /* path -> struct lx_removed_node: ever */
    struct lx_ledger_map domains; /* name -> struct lx_domain */
    struct lx_ledger_map live;    /* id -> struct lx_segment within its domain */
    struct lx_ledger_map ended;
    struct lx_ledger_map txns; /* appId -> struct lx_txn_node */
    json_t *protocol, *metadata;
    /* Since the view was last brought up to date: */
    struct lx_ptrs fresh;      /* file nodes that were added; some may be dead again */
    struct lx_file_node *dead; /* nodes that are not listed any more */
    bool domains_changed;
};

/* The version must be the next one. On LX_OK apply cannot fail. `history`: is version->history
 * wanted? */
LX_MUST_CHECK enum lx_status lx_tables_prepare(struct lx_tables *tables, struct lx_version *version,
                                               bool history, struct lx_err *err);
/* Moves the version's contents in; `version` is to be freed all the same. */
void lx_tables_apply(struct lx_tables *tables, struct lx_version *version);
void lx_tables_free_dead(struct lx_tables *tables);
void lx_tables_free(struct lx_tables *tables);

/* May lynex write to this log? LX_E_UNSUPPORTED, with what it would have to know. */
LX_MUST_CHECK enum lx_status lx_tables_writable(const struct lx_tables *tables, struct lx_err *err);

#endif
