#include "parquet/summary.h"

#include "base/alloc.h"
#include "parquet/reader_private.h"
#include "parquet/stats.h"

struct summary {
    struct lx_parquet_file_info info; /* first: what the caller has */
    struct lx_pq_bounds *bounds;      /* one a leaf: own the bytes */
};

/* One leaf over all row groups. */
static enum lx_status sum_up(const struct lx_parquet_metadata *meta, size_t leaf,
                             struct lx_parquet_column_info *column, struct lx_pq_bounds *bounds)
{
    enum lx_pq_order order = lx_pq_order_of(meta->schema.leaves[leaf].field);
    bool first = true;
    *column =
        (struct lx_parquet_column_info){.path = meta->schema.leaves[leaf].path, .nan_count = -1};
    for (size_t g = 0; g < meta->row_group_count; g++) {
        const struct lx_parquet_chunk *chunk = &meta->row_groups[g].chunks[leaf];
        int64_t nulls = chunk->statistics.null_count;
        column->values += chunk->values;
        column->bytes += chunk->bytes;
        column->null_count = nulls < 0 || column->null_count < 0 ? -1 : column->null_count + nulls;
        if (order == LX_PQ_ORDER_NONE || nulls == chunk->values)
            continue; /* nothing but NULLs has no bounds, and needs none */
        LX_TRY(lx_pq_bounds_merge(bounds, order, &chunk->statistics.bounds, first));
        first = false;
    }
    column->bounds = bounds->view;
    return LX_OK;
}

enum lx_status lx_parquet_summary_make(const struct lx_parquet_reader *reader,
                                       struct lx_parquet_file_info **info, struct lx_err *err)
{
    const struct lx_parquet_metadata *meta = &reader->metadata;
    size_t leaves = meta->schema.leaf_count;
    struct summary *made = lx_calloc(1, sizeof *made);
    if (made == NULL)
        return lx_err_memory(err);
    made->info = (struct lx_parquet_file_info){
        .rows = meta->rows,
        .bytes = reader->source.size,
        .column_count = leaves,
        .columns = lx_calloc(leaves + 1, sizeof *made->info.columns),
        .row_group_count = meta->row_group_count,
        .row_groups = lx_calloc(meta->row_group_count + 1, sizeof *made->info.row_groups),
    };
    made->bounds = lx_calloc(leaves + 1, sizeof *made->bounds);
    enum lx_status status =
        made->info.columns != NULL && made->info.row_groups != NULL && made->bounds != NULL
            ? LX_OK
            : LX_E_MEMORY;
    for (size_t g = 0; status == LX_OK && g < meta->row_group_count; g++)
        made->info.row_groups[g] = meta->row_groups[g];
    for (size_t i = 0; status == LX_OK && i < leaves; i++)
        status = sum_up(meta, i, &made->info.columns[i], &made->bounds[i]);
    if (status != LX_OK) {
        lx_parquet_summary_free(&made->info);
        return lx_err_memory(err);
    }
    *info = &made->info;
    return LX_OK;
}

void lx_parquet_summary_free(struct lx_parquet_file_info *info)
{
    struct summary *made = (struct summary *)info;
    if (made == NULL)
        return;
    for (size_t i = 0; made->bounds != NULL && i < info->column_count; i++)
        lx_pq_bounds_free(&made->bounds[i]);
    lx_free(made->bounds);
    lx_free(info->columns);
    lx_free(info->row_groups);
    lx_free(made);
}
