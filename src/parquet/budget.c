#include "parquet/budget.h"

#include "base/alloc.h"

#define COLUMN_MARGIN 1024 /* a column's arrays start with some room */

static bool take(struct lx_pq_budget *budget, size_t bytes)
{
    size_t used = atomic_load(&budget->used);
    do {
        if (used > budget->max || bytes > budget->max - used)
            return false;
    } while (!atomic_compare_exchange_weak(&budget->used, &used, used + bytes));
    return true;
}

static void give(struct lx_pq_budget *budget, size_t bytes)
{
    atomic_fetch_sub(&budget->used, bytes);
}

enum lx_status lx_pq_area_reserve(struct lx_pq_area *area, size_t size, size_t keep)
{
    if (size <= area->cap && area->data != NULL)
        return LX_OK;
    size_t want = size + size / 8 + 64;
    if (!take(area->budget, want - area->cap))
        return LX_E_LIMIT;
    uint8_t *fresh = lx_malloc(want);
    if (fresh == NULL) {
        give(area->budget, want - area->cap);
        return LX_E_MEMORY;
    }
    if (keep != 0)
        memcpy(fresh, area->data, keep);
    lx_free(area->data);
    area->data = fresh;
    area->cap = want;
    return LX_OK;
}

void lx_pq_area_free(struct lx_pq_area *area)
{
    if (area->budget != NULL)
        give(area->budget, area->cap);
    lx_free(area->data);
    area->data = NULL;
    area->cap = 0;
}

static size_t held(const struct lx_column *column)
{
    size_t bytes = column->nulls_cap + column->values_cap;
    return bytes + (column->offsets_cap + column->indexes_cap) * sizeof(uint32_t);
}

/* After a call that may have made the column grow: counts the difference. `asked` was taken before.
 */
static enum lx_status settle(struct lx_pq_budget *budget, const struct lx_column *column,
                             size_t before, size_t asked, enum lx_status status)
{
    size_t grown = held(column) - before;
    if (grown > asked)
        atomic_fetch_add(&budget->used, grown - asked); /* rounding up: a share of what was asked */
    else
        give(budget, asked - grown);
    return status;
}

enum lx_status lx_pq_budget_rows(struct lx_pq_budget *budget, struct lx_column *column, size_t rows)
{
    size_t width = column->shape == LX_COLUMN_FIXED ? column->width : sizeof(uint32_t);
    size_t before = held(column), have, asked, need = (size_t)column->rows + rows;
    have = column->shape == LX_COLUMN_FIXED   ? column->values_cap / width
           : column->shape == LX_COLUMN_BYTES ? column->offsets_cap
                                              : column->indexes_cap;
    if (need + 1 <= have)
        return lx_column_reserve(column, rows);
    if (__builtin_mul_overflow(need - have + COLUMN_MARGIN, width, &asked) || !take(budget, asked))
        return LX_E_LIMIT;
    return settle(budget, column, before, asked, lx_column_reserve(column, rows));
}

enum lx_status lx_pq_budget_bytes(struct lx_pq_budget *budget, struct lx_column *column,
                                  size_t bytes)
{
    size_t before = held(column);
    size_t used = column->rows != 0 ? column->offsets[column->rows] : 0;
    if (used + bytes <= column->values_cap)
        return lx_column_reserve_bytes(column, bytes);
    size_t asked = used + bytes - column->values_cap + COLUMN_MARGIN;
    if (!take(budget, asked))
        return LX_E_LIMIT;
    return settle(budget, column, before, asked, lx_column_reserve_bytes(column, bytes));
}

enum lx_status lx_pq_budget_nulls(struct lx_pq_budget *budget, struct lx_column *column,
                                  size_t rows)
{
    size_t before = held(column), need = (size_t)column->rows + rows;
    if (column->nulls != NULL && need <= column->nulls_cap)
        return lx_column_reserve_nulls(column, rows);
    if (!take(budget, need + COLUMN_MARGIN))
        return LX_E_LIMIT;
    return settle(budget, column, before, need + COLUMN_MARGIN,
                  lx_column_reserve_nulls(column, rows));
}

void lx_pq_budget_free_column(struct lx_pq_budget *budget, struct lx_column *column)
{
    give(budget, held(column));
    lx_column_free(column);
}

void lx_pq_budget_clear_column(struct lx_pq_budget *budget, struct lx_column *column)
{
    size_t before = held(column);
    lx_column_clear(column);
    give(budget, before - held(column));
}
