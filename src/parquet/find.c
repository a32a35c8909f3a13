/* What the file says of its values without decoding them: page indexes, Bloom filters. */
#include "parquet/bloom.h"
#include "parquet/crc.h"
#include "parquet/reader_private.h"
#include "parquet/schema.h"

#include "base/alloc.h"
#include "base/limits.h"

#include <math.h>

/* -- page index ---------------------------------------------------------------------------- */

#define INDEX_MAX (64 * LX_MIB) /* bytes of one index in a file */
#define INDEX_FACTOR 24         /* memory of its structs, times its bytes */

/* An index in memory: the bytes its bounds point into, and the structs. */
struct index_memory {
    struct lx_pq_arena arena;
    uint8_t *offsets, *bounds;
};

void lx_parquet_page_index_free(struct lx_parquet_page_index *index)
{
    struct index_memory *memory = index->memory;
    if (memory != NULL) {
        lx_pq_arena_free(&memory->arena);
        lx_free(memory->offsets);
        lx_free(memory->bounds);
        lx_free(memory);
    }
    *index = (struct lx_parquet_page_index){.pages = NULL};
}

static bool is_nan(enum lx_pq_order order, struct lx_str value)
{
    float f;
    double d;
    if (order == LX_PQ_ORDER_FLOAT)
        return memcpy(&f, value.ptr, sizeof f), isnan(f);
    if (order == LX_PQ_ORDER_DOUBLE)
        return memcpy(&d, value.ptr, sizeof d), isnan(d);
    return false;
}

/* Bounds of a page that can be used; an index may hold anything. */
static void judge_bounds(const struct lx_parquet_leaf *leaf, const struct lx_pq_index_page *page,
                         struct lx_parquet_bounds *bounds)
{
    enum lx_pq_order order = lx_pq_order_of(leaf->field);
    uint32_t width = lx_pq_width_of(leaf->field);
    bool fit = width == 0 || (page->min.len == width && page->max.len == width);
    *bounds = (struct lx_parquet_bounds){.has_min = false};
    if (order == LX_PQ_ORDER_NONE || page->all_null || !fit || is_nan(order, page->min) ||
        is_nan(order, page->max) || lx_pq_compare(order, page->min, page->max) > 0)
        return;
    *bounds = (struct lx_parquet_bounds){
        .has_min = true, .has_max = true, .min = page->min, .max = page->max};
}

static enum lx_status convert(const struct lx_parquet_reader *reader, size_t group_number,
                              uint32_t leaf, const struct lx_pq_index *index,
                              struct index_memory *memory, struct lx_parquet_page_index *out,
                              struct lx_err *err)
{
    const struct lx_parquet_row_group *group = &reader->metadata.row_groups[group_number];
    struct lx_parquet_page_info *pages =
        lx_pq_arena_alloc(&memory->arena, index->count, sizeof *pages);
    if (pages == NULL)
        return lx_err_memory(err);
    for (size_t i = 0; i < index->count; i++) {
        int64_t next = i + 1 < index->count ? index->pages[i + 1].first_row : group->rows;
        if (index->pages[i].first_row > next || (i == 0 && index->pages[i].first_row != 0))
            return lx_err_set(err, LX_E_FORMAT, "the rows of a page index do not add up");
        pages[i] = (struct lx_parquet_page_info){
            .offset = index->pages[i].offset,
            .bytes = index->pages[i].bytes,
            .first_row = group->first_row + index->pages[i].first_row,
            .rows = next - index->pages[i].first_row,
            .all_null = index->pages[i].all_null,
            .null_count = index->has_null_counts ? index->pages[i].null_count : -1,
        };
        if (out->has_bounds)
            judge_bounds(&reader->metadata.schema.leaves[leaf], &index->pages[i], &pages[i].bounds);
    }
    out->pages = pages;
    out->page_count = index->count;
    out->order = index->order;
    return LX_OK;
}

static enum lx_status check_sum(const struct lx_parquet_reader *reader, const uint8_t *bytes,
                                size_t size, const uint32_t *sum, struct lx_err *err)
{
    if (sum == NULL || reader->options.no_crc || lx_pq_crc32(0, bytes, size) == *sum)
        return LX_OK;
    return lx_err_set(err, LX_E_CORRUPT, "the page index's checksum differs");
}

static enum lx_status read_index(const struct lx_parquet_reader *reader, size_t group,
                                 uint32_t leaf, struct index_memory *memory,
                                 struct lx_parquet_page_index *out, struct lx_err *err)
{
    const struct lx_parquet_chunk *chunk = &reader->metadata.row_groups[group].chunks[leaf];
    size_t size = (size_t)chunk->offset_index_bytes, bounds = 0;
    struct lx_pq_index index = {.pages = NULL};
    const struct lx_pq_chunk_sums *sums = lx_pq_reader_sums(reader, group, leaf);
    const char *why = NULL;
    bool has_bounds = chunk->column_index_offset > 0 && chunk->column_index_bytes > 0;
    if (has_bounds)
        bounds = (size_t)chunk->column_index_bytes;
    if (size > INDEX_MAX || bounds > INDEX_MAX)
        return lx_err_set(err, LX_E_LIMIT, "a page index of %zu bytes", size + bounds);
    memory->arena.max = (size + bounds) * INDEX_FACTOR + LX_MIB;
    LX_TRY(lx_pq_source_read(&reader->source, chunk->offset_index_offset, size, "a page index",
                             &memory->offsets, err));
    LX_TRY(
        check_sum(reader, memory->offsets, size, sums != NULL ? &sums->offset_index : NULL, err));
    enum lx_status status =
        lx_pq_offset_index_read(&memory->arena, memory->offsets, size, &index, &why);
    if (status != LX_OK)
        return lx_err_set(err, status, "%s", why);
    if (has_bounds) {
        LX_TRY(lx_pq_source_read(&reader->source, chunk->column_index_offset, bounds,
                                 "a page index", &memory->bounds, err));
        LX_TRY(check_sum(reader, memory->bounds, bounds, sums != NULL ? &sums->column_index : NULL,
                         err));
        status = lx_pq_column_index_read(&memory->arena, memory->bounds, bounds, &index, &why);
        if (status != LX_OK)
            return lx_err_set(err, status, "%s", why);
    }
    out->has_bounds = has_bounds;
    return convert(reader, group, leaf, &index, memory, out, err);
}

enum lx_status lx_parquet_reader_page_index(const struct lx_parquet_reader *reader,
                                            size_t row_group, uint32_t leaf,
                                            struct lx_parquet_page_index *index, struct lx_err *err)
{
    if (row_group >= reader->metadata.row_group_count || leaf >= reader->metadata.schema.leaf_count)
        return lx_err_set(err, LX_E_ARGUMENT, "no column %u in row group %zu", leaf, row_group);
    const struct lx_parquet_chunk *chunk = &reader->metadata.row_groups[row_group].chunks[leaf];
    if (chunk->offset_index_offset <= 0 || chunk->offset_index_bytes <= 0)
        return lx_err_set(err, LX_E_NOTFOUND, "column \"%s\" has no page index in row group %zu",
                          reader->metadata.schema.leaves[leaf].path, row_group);
    struct index_memory *memory = lx_calloc(1, sizeof *memory);
    if (memory == NULL)
        return lx_err_memory(err);
    struct lx_parquet_page_index read = {.memory = memory};
    enum lx_status status = read_index(reader, row_group, leaf, memory, &read, err);
    if (status != LX_OK) {
        lx_err_context(err, "row group %zu, column \"%s\"", row_group,
                       reader->metadata.schema.leaves[leaf].path);
        lx_parquet_page_index_free(&read);
        return status;
    }
    *index = read;
    return LX_OK;
}

/* -- Bloom filters ------------------------------------------------------------------------- */

#define BLOOM_HEADER_MAX 128 /* ours take about 16 bytes */

enum lx_status lx_parquet_bloom_probe(const struct lx_parquet_source *source, int64_t offset,
                                      int32_t bytes, struct lx_str value, bool *maybe,
                                      struct lx_err *err)
{
    uint8_t head[BLOOM_HEADER_MAX], block[LX_PQ_BLOOM_BLOCK];
    int32_t filter;
    size_t used, size = sizeof head;
    uint64_t hash = lx_pq_bloom_hash(value);
    if (offset <= 0 || offset >= source->size)
        return lx_err_set(err, LX_E_FORMAT, "a Bloom filter outside of the file");
    if (source->size - offset < (int64_t)size)
        size = (size_t)(source->size - offset);
    LX_TRY(source->read_at(source->self, offset, head, size, err));
    LX_TRY(lx_pq_bloom_header_read(head, size, &filter, &used, err));
    if (filter > source->size - offset - (int64_t)used ||
        (bytes >= 0 && (int64_t)used + filter != bytes))
        return lx_err_set(err, LX_E_FORMAT, "a Bloom filter of %d bytes does not fit its place",
                          filter);
    size_t at = lx_pq_bloom_block((size_t)filter, hash);
    LX_TRY(source->read_at(source->self, offset + (int64_t)(used + at), block, sizeof block, err));
    *maybe = lx_pq_bloom_block_has(block, hash);
    return LX_OK;
}

/* -- finding ------------------------------------------------------------------------------- */

/* Ranges of rows that grow, joined where they touch. */
struct ranges {
    struct lx_parquet_rows *rows;
    size_t count, cap;
};

static enum lx_status add_range(struct ranges *ranges, int64_t from, int64_t to)
{
    if (from >= to)
        return LX_OK;
    if (ranges->count > 0 && ranges->rows[ranges->count - 1].to >= from) {
        ranges->rows[ranges->count - 1].to = to;
        return LX_OK;
    }
    if (ranges->count == ranges->cap) {
        size_t want = ranges->cap * 2 + 8;
        struct lx_parquet_rows *fresh = lx_realloc(ranges->rows, want * sizeof *fresh);
        if (fresh == NULL)
            return LX_E_MEMORY;
        ranges->rows = fresh;
        ranges->cap = want;
    }
    ranges->rows[ranges->count++] = (struct lx_parquet_rows){from, to};
    return LX_OK;
}

/* May a value within the bounds lie in the predicate's range? */
static bool overlaps(enum lx_pq_order order, const struct lx_parquet_predicate *predicate,
                     const struct lx_parquet_bounds *bounds)
{
    if (order == LX_PQ_ORDER_NONE)
        return true;
    if (predicate->has_high && bounds->has_min &&
        lx_pq_compare(order, predicate->high, bounds->min) < 0)
        return false;
    return !(predicate->has_low && bounds->has_max &&
             lx_pq_compare(order, predicate->low, bounds->max) > 0);
}

static bool is_equality(const struct lx_parquet_predicate *predicate)
{
    return predicate->has_low && predicate->has_high &&
           lx_str_equal(predicate->low, predicate->high);
}

static enum lx_status check_predicate(const struct lx_parquet_reader *reader,
                                      const struct lx_parquet_predicate *predicate,
                                      struct lx_err *err)
{
    if (predicate->leaf >= reader->metadata.schema.leaf_count)
        return lx_err_set(err, LX_E_ARGUMENT, "the file has no column number %u", predicate->leaf);
    const struct lx_parquet_leaf *leaf = &reader->metadata.schema.leaves[predicate->leaf];
    uint32_t width = lx_pq_width_of(leaf->field);
    if (width != 0 && ((predicate->has_low && predicate->low.len != width) ||
                       (predicate->has_high && predicate->high.len != width)))
        return lx_err_set(err, LX_E_ARGUMENT, "column \"%s\": a bound is not %u bytes long",
                          leaf->path, width);
    return LX_OK;
}

static enum lx_status find_pages(const struct lx_parquet_reader *reader, size_t number,
                                 const struct lx_parquet_predicate *predicate,
                                 enum lx_pq_order order, struct ranges *ranges, struct lx_err *err)
{
    const struct lx_parquet_row_group *group = &reader->metadata.row_groups[number];
    struct lx_parquet_page_index index;
    enum lx_status status =
        lx_parquet_reader_page_index(reader, number, predicate->leaf, &index, err);
    if (status == LX_E_NOTFOUND) {
        lx_err_clear(err);
        return add_range(ranges, group->first_row, group->first_row + group->rows);
    }
    LX_TRY(status);
    for (size_t i = 0; i < index.page_count && status == LX_OK; i++) {
        const struct lx_parquet_page_info *page = &index.pages[i];
        if (index.has_bounds && (page->all_null || !overlaps(order, predicate, &page->bounds)))
            continue;
        status = add_range(ranges, page->first_row, page->first_row + page->rows);
    }
    lx_parquet_page_index_free(&index);
    return status == LX_E_MEMORY ? lx_err_memory(err) : status;
}

static enum lx_status find_in_group(const struct lx_parquet_reader *reader, size_t number,
                                    const struct lx_parquet_predicate *predicate,
                                    struct ranges *ranges, struct lx_err *err)
{
    const struct lx_parquet_chunk *chunk =
        &reader->metadata.row_groups[number].chunks[predicate->leaf];
    const struct lx_parquet_leaf *leaf = &reader->metadata.schema.leaves[predicate->leaf];
    enum lx_pq_order order = lx_pq_order_of(leaf->field);
    bool maybe = true, is_float = order == LX_PQ_ORDER_FLOAT || order == LX_PQ_ORDER_DOUBLE;
    if (chunk->statistics.null_count == chunk->values ||
        !overlaps(order, predicate, &chunk->statistics.bounds))
        return LX_OK;
    /* Equal floats may have different bytes: -0.0 = 0.0. */
    if (is_equality(predicate) && !is_float && chunk->bloom_offset > 0) {
        LX_TRY(lx_parquet_bloom_probe(&reader->source, chunk->bloom_offset, chunk->bloom_bytes,
                                      predicate->low, &maybe, err));
        if (!maybe)
            return LX_OK;
    }
    return find_pages(reader, number, predicate, order, ranges, err);
}

enum lx_status lx_parquet_reader_find(const struct lx_parquet_reader *reader,
                                      const struct lx_parquet_predicate *predicate,
                                      struct lx_parquet_rows **out, size_t *count,
                                      struct lx_err *err)
{
    struct ranges ranges = {NULL, 0, 0};
    LX_TRY(check_predicate(reader, predicate, err));
    for (size_t i = 0; i < reader->metadata.row_group_count; i++) {
        enum lx_status status = find_in_group(reader, i, predicate, &ranges, err);
        if (status != LX_OK) {
            lx_free(ranges.rows);
            return status;
        }
    }
    *out = ranges.rows;
    *count = ranges.count;
    return LX_OK;
}
