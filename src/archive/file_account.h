/* file_account.h: what a data file says of itself, for where no log says it: vacuum and rebuild.
 *
 * Each file's key-value metadata holds its batch, its source, the schema of its rows and, segment
 * by segment, the sums of the hashes that ClickHouse computed of them. So a file proves itself: its
 * rows, read back and hashed, sum to what ClickHouse said, or they do not. */
#ifndef LX_ARCHIVE_FILE_ACCOUNT_H
#define LX_ARCHIVE_FILE_ACCOUNT_H

#include "archive/file_scan.h"
#include "base/cancel.h"
#include "ledger/ledger.h"

#define LX_ACCOUNT_MAX_CLAIMS 1000000 /* segments that one file names */

/* A segment as the file first held it. Late rows lie in no one part: their partition is NULL. */
struct lx_claim {
    char *partition;
    int64_t min_block, max_block;
    int64_t rows;
    uint64_t sum, xor;
};

struct lx_file_account {
    char *key;
    int64_t size;
    char batch[LX_LEDGER_ID];
    char *source, *create_sql;
    char *time_column; /* NULL: the file does not say */
    json_t *schema_json;
    struct lx_row_schema *schema;
    struct lx_claim *claims;
    size_t claim_count;
    int64_t rows;      /* by the footer */
    uint64_t sum, xor; /* of all claims */
    /* Of the rows as they were read, set by lx_file_account_prove: */
    int64_t last_second; /* of the time column; LX_TIME_FIRST where no row has a time */
};

/* Reads the footer. LX_E_NOTFOUND: no such object; LX_E_FORMAT, LX_E_CORRUPT, LX_E_UNSUPPORTED: no
 * Parquet file, or not one that lynex wrote. Free with lx_file_account_free in every case. */
LX_MUST_CHECK enum lx_status lx_file_account_read(struct lx_store *store, const char *key,
                                                  int64_t size, struct lx_file_account *account,
                                                  struct lx_err *err);
void lx_file_account_free(struct lx_file_account *account);

/* Is this what reading such a file fails with where the file itself is no good? Else it is the
 * store's failure, or ours. */
bool lx_file_account_is_bad(enum lx_status status);

struct lx_account_reading {
    struct lx_store *store;
    struct lx_pool *pool; /* may be NULL */
    size_t memory_bytes;
    const struct lx_cancel *cancel; /* may be NULL */
};

/* Calls `visit` with every row hash of the object by `schema`. */
typedef enum lx_status (*lx_account_visit)(void *context, uint64_t hash, struct lx_err *err);
LX_MUST_CHECK enum lx_status lx_account_hashes(const struct lx_account_reading *how,
                                               const char *key, int64_t size,
                                               const struct lx_row_schema *schema,
                                               lx_account_visit visit, void *context,
                                               struct lx_err *err);

/* Reads every row and hashes it: LX_E_MISMATCH where they do not sum to what the file claims, which
 * is what ClickHouse computed. `visit` gets each hash. LX_E_ARGUMENT: there is no such time column,
 * or it holds no times. */
LX_MUST_CHECK enum lx_status lx_file_account_prove(const struct lx_account_reading *how,
                                                   struct lx_file_account *account,
                                                   const char *time_column, lx_account_visit visit,
                                                   void *context, struct lx_err *err);

/* The same statistics as the writer knew, as far as the footer tells them: Delta's JSON text, to be
 * freed by lx_free; *tags: lynex.bloom, NULL where there are no filters. */
LX_MUST_CHECK enum lx_status lx_file_account_stats(struct lx_store *store,
                                                   const struct lx_file_account *account,
                                                   char **stats, char **tags, struct lx_err *err);

#endif
