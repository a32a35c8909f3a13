/* ledger_names.h: every name that the log holds: domains, sources, paths, ids, commit files
 * (private to the ledger). Percent-encoding: '%' and two upper-case hexadecimal digits a byte. */
#ifndef LX_LEDGER_LEDGER_NAMES_H
#define LX_LEDGER_LEDGER_NAMES_H

#include "base/buf.h"
#include "base/err.h"

#define LX_LEDGER_LOG "_delta_log/"
#define LX_LEDGER_CHECKPOINT_HINT LX_LEDGER_LOG "_last_checkpoint"
#define LX_LEDGER_KEY 48        /* room for the key of a commit file */
#define LX_LEDGER_MAX_NAME 4096 /* of a domain; of a source, before it is encoded */

/* Far beyond any log, and all arithmetic on versions stays within int64. */
#define LX_LEDGER_MAX_VERSION ((int64_t)1 << 53)

/* "_delta_log/00000000000000000007.json" */
void lx_ledger_commit_key(int64_t version, char key[LX_LEDGER_KEY]);

#define LX_LEDGER_CHECKPOINT_KEY 64
/* "_delta_log/00000000000000000050.checkpoint.parquet" */
void lx_ledger_checkpoint_key(int64_t version, char key[LX_LEDGER_CHECKPOINT_KEY]);

enum lx_ledger_log_file {
    LX_LOG_OTHER,
    LX_LOG_COMMIT,
    LX_LOG_CHECKPOINT,      /* classic, in one part: lx_ledger_checkpoint_key */
    LX_LOG_CHECKPOINT_OTHER /* in several parts, or of version 2 */
};
/* What this key is. A number of 20 digits that no version can have is LX_LOG_OTHER. */
enum lx_ledger_log_file lx_ledger_log_file_of(const char *key, int64_t *version);

/* 32 lower-case hexadecimal characters. */
bool lx_ledger_id_ok(const char *id);
/* 1 to 32 of [A-Za-z0-9_-]. */
bool lx_ledger_schema_id_ok(const char *id);
/* A path that lynex may write: [A-Za-z0-9._=/-] only, so that decoding changes nothing, at most
 * LX_MAX_NAME bytes, within the root, and not in the log. */
bool lx_ledger_path_ok(const char *path);

/* Domain names. Source, partition and id with all but [A-Za-z0-9_-] percent-encoded: no two name
 * one domain, and the dots divide. */
LX_MUST_CHECK enum lx_status lx_ledger_hot_name(struct lx_buf *name, const char *source,
                                                const char *partition);
LX_MUST_CHECK enum lx_status lx_ledger_ended_name(struct lx_buf *name, const char *source);
LX_MUST_CHECK enum lx_status lx_ledger_schema_name(struct lx_buf *name, const char *id);

LX_MUST_CHECK enum lx_status lx_ledger_encode_name(struct lx_buf *out, struct lx_str name);
/* LX_E_FORMAT where the text is not what lx_ledger_encode_name would have made. A NUL within is
 * refused: names are C strings. */
LX_MUST_CHECK enum lx_status lx_ledger_decode_name(struct lx_buf *out, struct lx_str text);

#endif
