/* ledger_domain.h: the contents of domainMetadata (private to the ledger).
 *
 * Delta: {"domainMetadata":{"domain":NAME,"configuration":TEXT,"removed":BOOL}}. Our domains:
 *   lynex.hot.<source>.<partition>  {"format":1,"segments":[SEGMENT,…]}
 *   lynex.ended.<source>            the same; each SEGMENT has "partition" and "ended_at", too
 *   lynex.schema.<id>               an object, which only the caller understands
 *   lynex.table                     an object, which only the caller understands
 * SEGMENT: {"id","blocks":[min,max],"from","to","rows","sum","xor","schema","host",
 *           "where":[{"path","first","rows","hashes"},…]}. `from` and `to` are left out where there
 * is no bound, sums are decimal text, "hashes" is only there when true, "partition" is encoded as
 * in the domain's name. Members that are not known are ignored; a greater "format" is refused.
 * Every other domain is kept as it stands, for checkpoints. */
#ifndef LX_LEDGER_LEDGER_DOMAIN_H
#define LX_LEDGER_LEDGER_DOMAIN_H

#include "ledger/ledger.h"

#define LX_LEDGER_DOMAIN_FORMAT 1

enum lx_domain_kind {
    LX_DOMAIN_OTHER,
    LX_DOMAIN_HOT,
    LX_DOMAIN_ENDED,
    LX_DOMAIN_SCHEMA,
    LX_DOMAIN_TABLE
};

struct lx_domain {
    enum lx_domain_kind kind;
    char *name;
    char *configuration;          /* OTHER, SCHEMA, TABLE: as it stands */
    char *source;                 /* HOT, ENDED */
    char *partition;              /* HOT */
    char schema_id[LX_LEDGER_ID]; /* SCHEMA */
    json_t *json;                 /* SCHEMA, TABLE */
    struct lx_segment *segments;  /* HOT, ENDED: sorted as the state's */
    size_t segment_count;
    bool removed; /* in a version: the domain is gone; the rest but `name` and kind is empty */
};

/* LX_E_FORMAT, LX_E_UNSUPPORTED (written by a newer lynex), LX_E_MEMORY. */
LX_MUST_CHECK enum lx_status lx_domain_parse(const char *name, const char *configuration,
                                             bool removed, struct lx_domain **domain,
                                             struct lx_err *err);
void lx_domain_free(struct lx_domain *domain); /* NULL is fine */

/* A segment to be written; ended_at > 0 in place of the segment's own. */
struct lx_segment_ref {
    const struct lx_segment *segment;
    int64_t ended_at;
};
/* The configuration of a HOT or ENDED domain. */
LX_MUST_CHECK enum lx_status lx_domain_write_segments(enum lx_domain_kind kind,
                                                      const struct lx_segment_ref *refs,
                                                      size_t count, struct lx_buf *text,
                                                      struct lx_err *err);

/* By source, partition, min_block, from, id. */
int lx_segment_compare(const struct lx_segment *a, const struct lx_segment *b);

#endif
