/* Batches of rows: all columns side by side, row group by row group, range by range. */
#include "parquet/chunk_reader.h"
#include "parquet/reader_private.h"

#include "base/alloc.h"

#include <assert.h>

#define SKIP_ROWS 8192 /* decoded and dropped at a time */

struct lx_parquet_scan {
    const struct lx_parquet_reader *reader;
    struct lx_pq_budget budget;
    struct lx_pool *pool;
    uint32_t *leaves;
    size_t count;
    struct lx_pq_chunk_reader *chunks;
    struct lx_column *views;
    struct lx_parquet_page_index *indexes; /* of this row group; only where rows are chosen */
    struct lx_parquet_rows *ranges;
    size_t range_count, range; /* the current one */
    size_t group, group_end;
    bool opened;               /* the chunks are those of `group` */
    int64_t at;                /* next row to be handed out, of the file */
    int64_t *chunk_at;         /* next row that each chunk reader decodes */
    int64_t first_row, wanted; /* of the last batch; rows of the step */
    bool grouped_step;         /* which kind of columns the step is for */
};

/* -- creation ------------------------------------------------------------------------------ */

static enum lx_status copy_leaves(struct lx_parquet_scan *scan,
                                  const struct lx_parquet_scan_options *options, struct lx_err *err)
{
    const struct lx_parquet_metadata *metadata = &scan->reader->metadata;
    bool all = options == NULL || options->leaves == NULL;
    scan->count = all ? metadata->schema.leaf_count : options->leaf_count;
    size_t room = scan->count != 0 ? scan->count : 1;
    scan->leaves = lx_calloc(room, sizeof *scan->leaves);
    scan->chunks = lx_calloc(room, sizeof *scan->chunks);
    scan->views = lx_calloc(room, sizeof *scan->views);
    scan->indexes = lx_calloc(room, sizeof *scan->indexes);
    scan->chunk_at = lx_calloc(room, sizeof *scan->chunk_at);
    if (scan->leaves == NULL || scan->chunks == NULL || scan->views == NULL ||
        scan->indexes == NULL || scan->chunk_at == NULL)
        return lx_err_memory(err);
    for (size_t i = 0; i < scan->count; i++) {
        scan->leaves[i] = all ? (uint32_t)i : options->leaves[i];
        if (scan->leaves[i] >= metadata->schema.leaf_count)
            return lx_err_set(err, LX_E_ARGUMENT, "the file has no column number %u",
                              scan->leaves[i]);
        for (size_t g = scan->group; g < scan->group_end; g++)
            LX_TRY(lx_pq_chunk_check(&metadata->schema.leaves[scan->leaves[i]],
                                     &metadata->row_groups[g].chunks[scan->leaves[i]], err));
    }
    return LX_OK;
}

static enum lx_status copy_ranges(struct lx_parquet_scan *scan,
                                  const struct lx_parquet_scan_options *options, struct lx_err *err)
{
    if (options == NULL || options->rows == NULL)
        return LX_OK;
    scan->range_count = options->rows_count;
    scan->ranges = lx_calloc(scan->range_count + 1, sizeof *scan->ranges);
    if (scan->ranges == NULL)
        return lx_err_memory(err);
    int64_t before = 0;
    for (size_t i = 0; i < scan->range_count; i++) {
        scan->ranges[i] = options->rows[i];
        if (options->rows[i].from < before || options->rows[i].to < options->rows[i].from ||
            options->rows[i].to > scan->reader->metadata.rows)
            return lx_err_set(err, LX_E_ARGUMENT, "row ranges are not in order");
        before = options->rows[i].to;
    }
    return LX_OK;
}

enum lx_status lx_parquet_reader_scan(const struct lx_parquet_reader *reader,
                                      const struct lx_parquet_scan_options *options,
                                      struct lx_parquet_scan **out, struct lx_err *err)
{
    const struct lx_parquet_metadata *metadata = &reader->metadata;
    size_t from = options != NULL ? options->row_group_from : 0;
    size_t to = options != NULL && options->row_group_to != 0 ? options->row_group_to
                                                              : metadata->row_group_count;
    if (from > to || to > metadata->row_group_count)
        return lx_err_set(err, LX_E_ARGUMENT, "row groups %zu to %zu of %zu", from, to,
                          metadata->row_group_count);
    struct lx_parquet_scan *scan = lx_calloc(1, sizeof *scan);
    if (scan == NULL)
        return lx_err_memory(err);
    scan->reader = reader;
    scan->budget.max = reader->options.scan_bytes;
    scan->pool = options != NULL ? options->pool : NULL;
    scan->group = from;
    scan->group_end = to;
    scan->at =
        from < metadata->row_group_count ? metadata->row_groups[from].first_row : metadata->rows;
    enum lx_status status;
    LX_TRY_GOTO(copy_leaves(scan, options, err), out);
    LX_TRY_GOTO(copy_ranges(scan, options, err), out);
    scan->first_row = scan->at;
    for (size_t i = 0; i < scan->count; i++)
        scan->chunks[i].setting.dictionaries = options != NULL && options->dictionaries;
out:
    if (status != LX_OK) {
        lx_parquet_scan_free(scan);
        return status;
    }
    *out = scan;
    return LX_OK;
}

static void free_indexes(struct lx_parquet_scan *scan)
{
    for (size_t i = 0; scan->indexes != NULL && i < scan->count; i++)
        lx_parquet_page_index_free(&scan->indexes[i]);
}

void lx_parquet_scan_free(struct lx_parquet_scan *scan)
{
    if (scan == NULL)
        return;
    free_indexes(scan);
    for (size_t i = 0; scan->chunks != NULL && i < scan->count; i++)
        lx_pq_chunk_free(&scan->chunks[i]);
    lx_free(scan->leaves);
    lx_free(scan->chunks);
    lx_free(scan->views);
    lx_free(scan->indexes);
    lx_free(scan->chunk_at);
    lx_free(scan->ranges);
    lx_free(scan);
}

/* -- row groups ---------------------------------------------------------------------------- */

static const struct lx_parquet_row_group *group_of(const struct lx_parquet_scan *scan)
{
    return &scan->reader->metadata.row_groups[scan->group];
}

static enum lx_status open_group(struct lx_parquet_scan *scan, struct lx_err *err)
{
    const struct lx_parquet_row_group *group = group_of(scan);
    for (size_t i = 0; i < scan->count; i++) {
        uint32_t leaf = scan->leaves[i];
        struct lx_pq_chunk_setting setting = {
            .source = &scan->reader->source,
            .options = &scan->reader->options,
            .budget = &scan->budget,
            .strict = scan->reader->strict,
            .dictionaries = scan->chunks[i].setting.dictionaries,
            .batch_bytes = scan->reader->options.batch_bytes,
        };
        LX_TRY(lx_pq_chunk_open(&scan->chunks[i], &setting,
                                &scan->reader->metadata.schema.leaves[leaf], &group->chunks[leaf],
                                lx_pq_reader_sums(scan->reader, scan->group, leaf), group->rows,
                                err));
        scan->chunk_at[i] = group->first_row;
    }
    free_indexes(scan);
    if (scan->ranges != NULL) {
        for (size_t i = 0; i < scan->count; i++) {
            enum lx_status status = lx_parquet_reader_page_index(
                scan->reader, scan->group, scan->leaves[i], &scan->indexes[i], err);
            if (status != LX_OK && status != LX_E_NOTFOUND)
                return status;
        }
        lx_err_clear(err); /* a missing index is no failure */
    }
    scan->opened = true;
    return LX_OK;
}

/* All rows of a row group were read one after the other: nothing may be left over. */
static enum lx_status close_group(struct lx_parquet_scan *scan, struct lx_err *err)
{
    const struct lx_parquet_row_group *group = group_of(scan);
    for (size_t i = 0; scan->opened && i < scan->count; i++)
        if (scan->chunk_at[i] == group->first_row + group->rows)
            LX_TRY(lx_pq_chunk_end(&scan->chunks[i], err));
    scan->opened = false;
    scan->group++;
    return LX_OK;
}

/* The last page that starts at or before the row. */
static const struct lx_parquet_page_info *page_at(const struct lx_parquet_page_index *index,
                                                  int64_t row)
{
    size_t low = 0, high = index->page_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index->pages[middle].first_row <= row)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? &index->pages[low - 1] : NULL;
}

/* Brings one column to the row `scan->at`: by its page index, then by decoding. */
static enum lx_status skip_to(struct lx_parquet_scan *scan, size_t i, struct lx_err *err)
{
    struct lx_pq_chunk_reader *chunk = &scan->chunks[i];
    int64_t left = chunk->is_flat ? chunk->out_rows - chunk->out_from : 0;
    int64_t drop = scan->at - (scan->chunk_at[i] - left);
    drop = drop < left ? drop : left;
    chunk->out_from += drop;
    if (left > drop)
        return LX_OK;
    chunk->out_from = chunk->out_rows;
    const struct lx_parquet_page_info *page = page_at(&scan->indexes[i], scan->at);
    if (page != NULL && page->first_row > scan->chunk_at[i]) {
        const struct lx_parquet_page_index *index = &scan->indexes[i];
        LX_TRY(lx_pq_chunk_seek(chunk, page->offset, (size_t)(page - index->pages),
                                index->page_count, err));
        scan->chunk_at[i] = page->first_row;
    }
    while (scan->chunk_at[i] < scan->at) {
        int64_t n = scan->at - scan->chunk_at[i];
        LX_TRY(lx_pq_chunk_read(chunk, n < SKIP_ROWS ? n : SKIP_ROWS, err));
        scan->chunk_at[i] += chunk->out_rows;
        chunk->out_from = chunk->out_rows;
    }
    return LX_OK;
}

static enum lx_status skip_step(void *context, size_t index, struct lx_err *err)
{
    return skip_to(context, index, err);
}

/* -- batches ------------------------------------------------------------------------------- */

static enum lx_status read_step(void *context, size_t index, struct lx_err *err)
{
    struct lx_parquet_scan *scan = context;
    struct lx_pq_chunk_reader *chunk = &scan->chunks[index];
    if (chunk->is_flat == scan->grouped_step)
        return LX_OK;
    if (chunk->is_flat && chunk->out_from < chunk->out_rows)
        return LX_OK; /* rows are left from the batch before */
    chunk->out_from = chunk->out_rows;
    LX_TRY(lx_pq_chunk_read(chunk, scan->wanted, err));
    scan->chunk_at[index] += chunk->out_rows;
    return LX_OK;
}

/* Decodes as many rows as all columns have: those whose texts are long, or end with a page, say how
 * many. */
static enum lx_status read_batch(struct lx_parquet_scan *scan, int64_t most, int64_t *rows,
                                 struct lx_err *err)
{
    scan->wanted = most;
    for (size_t i = 0; i < scan->count; i++) {
        int64_t left = scan->chunks[i].out_rows - scan->chunks[i].out_from;
        if (scan->chunks[i].is_flat && left > 0 && left < scan->wanted)
            scan->wanted = left;
    }
    scan->grouped_step = false;
    LX_TRY(lx_pool_for(scan->pool, scan->count, read_step, scan, err));
    for (size_t i = 0; i < scan->count; i++) {
        int64_t left = scan->chunks[i].out_rows - scan->chunks[i].out_from;
        if (scan->chunks[i].is_flat && left < scan->wanted)
            scan->wanted = left;
    }
    scan->grouped_step = true;
    LX_TRY(lx_pool_for(scan->pool, scan->count, read_step, scan, err));
    *rows = scan->wanted;
    return LX_OK;
}

static void hand_out(struct lx_parquet_scan *scan, int64_t rows, const struct lx_column **columns)
{
    for (size_t i = 0; i < scan->count; i++) {
        lx_pq_chunk_view(&scan->chunks[i], rows, &scan->views[i]);
        columns[i] = &scan->views[i];
        if (scan->chunks[i].is_flat)
            scan->chunks[i].out_from += rows;
        else
            scan->chunks[i].out_from = scan->chunks[i].out_rows;
    }
    scan->first_row = scan->at;
    scan->at += rows;
}

/* Moves to the next row that is asked for; *end: where the batch must stop. *end = at: no more. */
static enum lx_status find_start(struct lx_parquet_scan *scan, int64_t *end, struct lx_err *err)
{
    *end = scan->at;
    for (;;) {
        while (scan->ranges != NULL && scan->range < scan->range_count &&
               scan->ranges[scan->range].to <= scan->at)
            scan->range++;
        if (scan->ranges != NULL && scan->range == scan->range_count)
            return LX_OK;
        if (scan->ranges != NULL && scan->ranges[scan->range].from > scan->at)
            scan->at = scan->ranges[scan->range].from;
        if (scan->group == scan->group_end)
            return LX_OK;
        const struct lx_parquet_row_group *group = group_of(scan);
        if (scan->at < group->first_row + group->rows)
            break;
        LX_TRY(close_group(scan, err));
    }
    const struct lx_parquet_row_group *group = group_of(scan);
    *end = group->first_row + group->rows;
    if (scan->ranges != NULL && scan->ranges[scan->range].to < *end)
        *end = scan->ranges[scan->range].to;
    return LX_OK;
}

enum lx_status lx_parquet_scan_next(struct lx_parquet_scan *scan, int64_t max_rows,
                                    const struct lx_column **columns, int64_t *rows,
                                    struct lx_err *err)
{
    int64_t end, got;
    if (max_rows <= 0)
        return lx_err_set(err, LX_E_ARGUMENT, "a batch of %lld rows", (long long)max_rows);
    LX_TRY(find_start(scan, &end, err));
    if (end == scan->at || scan->count == 0) {
        *rows = 0;
        return LX_OK;
    }
    if (!scan->opened)
        LX_TRY(open_group(scan, err));
    if (scan->ranges != NULL)
        LX_TRY(lx_pool_for(scan->pool, scan->count, skip_step, scan, err));
    int64_t most = end - scan->at < max_rows ? end - scan->at : max_rows;
    enum lx_status status = read_batch(scan, most, &got, err);
    if (status != LX_OK) {
        lx_err_context(err, "row group %zu", scan->group);
        return status;
    }
    assert(got > 0 && got <= most);
    hand_out(scan, got, columns);
    *rows = got;
    return LX_OK;
}

int64_t lx_parquet_scan_first_row(const struct lx_parquet_scan *scan)
{
    return scan->first_row;
}

void lx_parquet_scan_levels(const struct lx_parquet_scan *scan, size_t index,
                            struct lx_parquet_levels *levels)
{
    const struct lx_pq_chunk_reader *chunk = &scan->chunks[index];
    *levels =
        (struct lx_parquet_levels){.values = &scan->views[index], .count = scan->views[index].rows};
    if (chunk->is_flat)
        return;
    levels->count = chunk->out_levels;
    if (chunk->leaf->max_definition > 0)
        levels->definition = chunk->out_definition.data;
    if (chunk->leaf->max_repetition > 0)
        levels->repetition = chunk->out_repetition.data;
}
