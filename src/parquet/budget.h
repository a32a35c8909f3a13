/* budget.h: memory of one scan, counted against its maximum.
 *
 * Private to the module. Thread-safe. */
#ifndef LX_PARQUET_BUDGET_H
#define LX_PARQUET_BUDGET_H

#include "base/column.h"

#include <stdatomic.h>

struct lx_pq_budget {
    atomic_size_t used;
    size_t max;
};

/* Memory that grows and is counted. Zeroed, with a budget: empty. */
struct lx_pq_area {
    uint8_t *data;
    size_t cap;
    struct lx_pq_budget *budget;
};

/* At least `size` bytes; the first `keep` stay what they are. LX_E_LIMIT, LX_E_MEMORY. */
LX_MUST_CHECK enum lx_status lx_pq_area_reserve(struct lx_pq_area *area, size_t size, size_t keep);
void lx_pq_area_free(struct lx_pq_area *area);

/* lx_column_reserve and lx_column_reserve_bytes, counted: growth is taken from the budget. */
LX_MUST_CHECK enum lx_status lx_pq_budget_rows(struct lx_pq_budget *budget,
                                               struct lx_column *column, size_t rows);
LX_MUST_CHECK enum lx_status lx_pq_budget_bytes(struct lx_pq_budget *budget,
                                                struct lx_column *column, size_t bytes);
LX_MUST_CHECK enum lx_status lx_pq_budget_nulls(struct lx_pq_budget *budget,
                                                struct lx_column *column, size_t rows);
/* Frees the column and gives its memory back. */
void lx_pq_budget_free_column(struct lx_pq_budget *budget, struct lx_column *column);
/* lx_column_clear, with the NULL flags' memory given back. */
void lx_pq_budget_clear_column(struct lx_pq_budget *budget, struct lx_column *column);

#endif
