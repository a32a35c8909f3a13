/* stats.h: bounds of values (parquet.thrift, Statistics and ColumnOrder).
 *
 * Private to the module. Thread-safe: nothing is kept. */
#ifndef LX_PARQUET_STATS_H
#define LX_PARQUET_STATS_H

#include "parquet/schema.h"

/* Bounds that own their bytes. Zeroed: none. */
struct lx_pq_bounds {
    struct lx_parquet_bounds view; /* into `memory` */
    uint8_t *memory;
};

/* Smallest and largest of the dense values of a FIXED or BYTES column: views into it. NaNs are left
 * out and counted. */
struct lx_pq_extremes {
    bool found;
    struct lx_str min, max;
    int64_t nan_count;
};

void lx_pq_extremes_of(enum lx_pq_order order, const struct lx_column *column, int64_t count,
                       struct lx_pq_extremes *extremes);
/* The same of the dictionary's values whose numbers occur. `seen`: a byte for each value, zero; it
 * is zero again afterwards. */
void lx_pq_extremes_of_ids(enum lx_pq_order order, const struct lx_column *dictionary,
                           const uint32_t *ids, int64_t count, uint8_t *seen,
                           struct lx_pq_extremes *extremes);

/* Copies extremes as bounds: zeros of floats widened, texts longer than max_bytes cut to a bound
 * that still holds (to whole characters where is_text), others that long left out. */
LX_MUST_CHECK enum lx_status lx_pq_bounds_take(struct lx_pq_bounds *bounds, enum lx_pq_order order,
                                               const struct lx_pq_extremes *extremes,
                                               size_t max_bytes, bool can_cut, bool is_text);
/* Widens `bounds` to hold `other` too. `first`: there is nothing in it yet. A bound that is missing
 * on either side is missing afterwards. */
LX_MUST_CHECK enum lx_status lx_pq_bounds_merge(struct lx_pq_bounds *bounds, enum lx_pq_order order,
                                                const struct lx_parquet_bounds *other, bool first);
void lx_pq_bounds_free(struct lx_pq_bounds *bounds);

#endif
