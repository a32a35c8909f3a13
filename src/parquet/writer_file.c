/* The layout of the file: magic, row groups (chunks, then their Bloom filters), page indexes,
 * footer (parquet-format README, "File format"). */
#include "parquet/bloom.h"
#include "parquet/crc.h"
#include "parquet/writer_private.h"

#include "base/alloc.h"
#include "base/limits.h"

#include <assert.h>

#define FOOTER_MAX ((size_t)INT32_MAX / 2)
#define INDEX_MAX ((size_t)64 * 1024 * 1024)

static enum lx_status put(struct lx_parquet_writer *writer, const void *bytes, size_t size,
                          struct lx_err *err)
{
    if (size == 0)
        return LX_OK;
    LX_TRY(writer->sink.write(writer->sink.self, bytes, size, err));
    writer->written += (int64_t)size;
    return LX_OK;
}

static enum lx_status put_magic(struct lx_parquet_writer *writer, struct lx_err *err)
{
    return writer->written == 0 ? put(writer, LX_PQ_MAGIC, 4, err) : LX_OK;
}

/* -- row groups ---------------------------------------------------------------------------- */

static struct lx_str keep(struct lx_parquet_writer *writer, struct lx_str text, bool *ok)
{
    const char *copy = lx_pq_arena_text(&writer->arena, text);
    *ok = *ok && copy != NULL;
    return (struct lx_str){copy, text.len};
}

/* What the page index will say: kept until the end of the file. */
static enum lx_status note_index(struct lx_parquet_writer *writer,
                                 const struct lx_pq_column_writer *column, int64_t offset,
                                 struct lx_pq_index *index)
{
    bool ok = true;
    *index = (struct lx_pq_index){
        .count = column->page_count, .has_null_counts = true, .has_text_bytes = column->width == 0};
    index->pages = lx_pq_arena_alloc(&writer->arena, index->count, sizeof *index->pages);
    if (index->pages == NULL)
        return LX_E_MEMORY;
    for (size_t i = 0; i < index->count; i++) {
        const struct lx_pq_encoded *page = &column->pages[i];
        const struct lx_parquet_bounds *bounds = &page->bounds.view;
        index->pages[i] = (struct lx_pq_index_page){
            .offset = offset,
            .bytes = (int32_t)page->size,
            .first_row = page->first_row,
            .all_null = page->count == 0,
            .null_count = page->levels - page->count,
            .text_bytes = page->text_bytes,
            .min = bounds->has_min ? keep(writer, bounds->min, &ok) : (struct lx_str){NULL, 0},
            .max = bounds->has_max ? keep(writer, bounds->max, &ok) : (struct lx_str){NULL, 0},
        };
        offset += (int64_t)page->size;
    }
    return ok ? LX_OK : LX_E_MEMORY;
}

/* Histograms of the whole chunk. */
static enum lx_status note_pages(struct lx_parquet_writer *writer,
                                 const struct lx_pq_column_writer *column,
                                 struct lx_pq_chunk_pages *pages)
{
    size_t definitions = (size_t)column->leaf->max_definition + 1;
    size_t repetitions = (size_t)column->leaf->max_repetition + 1;
    *pages = (struct lx_pq_chunk_pages){.has_dictionary = column->has_dictionary_page,
                                        .page_v2 = writer->options.page_v2};
    int64_t *d = lx_pq_arena_alloc(&writer->arena, definitions, sizeof *d);
    int64_t *r = lx_pq_arena_alloc(&writer->arena, repetitions, sizeof *r);
    if (d == NULL || r == NULL)
        return LX_E_MEMORY;
    for (size_t i = 0; i < column->page_count; i++) {
        const struct lx_pq_encoded *page = &column->pages[i];
        pages->data_pages[page->encoding]++;
        for (size_t k = 0; page->definition_histogram != NULL && k < definitions; k++)
            d[k] += page->definition_histogram[k];
        for (size_t k = 0; page->repetition_histogram != NULL && k < repetitions; k++)
            r[k] += page->repetition_histogram[k];
    }
    pages->definition_histogram = definitions > 1 ? d : NULL;
    pages->repetition_histogram = repetitions > 1 ? r : NULL;
    return LX_OK;
}

static enum lx_status note_sums(struct lx_parquet_writer *writer,
                                const struct lx_pq_column_writer *column,
                                struct lx_pq_chunk_sums *sums)
{
    size_t at = 0;
    sums->count = column->page_count + column->has_dictionary_page;
    sums->headers = lx_pq_arena_alloc(&writer->arena, sums->count, sizeof *sums->headers);
    if (sums->headers == NULL)
        return LX_E_MEMORY;
    if (column->has_dictionary_page)
        sums->headers[at++] = column->dictionary_page.header_crc;
    for (size_t i = 0; i < column->page_count; i++)
        sums->headers[at++] = column->pages[i].header_crc;
    return LX_OK;
}

static enum lx_status write_chunk(struct lx_parquet_writer *writer, size_t leaf,
                                  struct lx_parquet_chunk *chunk,
                                  const struct lx_pq_group_details *details, struct lx_err *err)
{
    struct lx_pq_column_writer *column = &writer->columns[leaf];
    struct lx_pq_bounds bounds = {.memory = NULL};
    bool ok = true;
    enum lx_status status = lx_pq_column_sum_up(column, chunk, &bounds, err);
    if (status != LX_OK) {
        lx_pq_bounds_free(&bounds);
        return status;
    }
    if (bounds.view.has_min)
        chunk->statistics.bounds.min = keep(writer, bounds.view.min, &ok);
    if (bounds.view.has_max)
        chunk->statistics.bounds.max = keep(writer, bounds.view.max, &ok);
    lx_pq_bounds_free(&bounds);
    if (!ok)
        return lx_err_memory(err);
    if (column->has_dictionary_page) {
        chunk->dictionary_page_offset = writer->written;
        LX_TRY(put(writer, column->dictionary_page.bytes, column->dictionary_page.size, err));
    }
    chunk->data_page_offset = writer->written;
    if (note_index(writer, column, writer->written, &details->indexes[leaf]) != LX_OK ||
        note_pages(writer, column, &details->pages[leaf]) != LX_OK ||
        note_sums(writer, column, &details->sums[leaf]) != LX_OK)
        return lx_err_memory(err);
    for (size_t i = 0; i < column->page_count; i++)
        LX_TRY(put(writer, column->pages[i].bytes, column->pages[i].size, err));
    return LX_OK;
}

static enum lx_status write_blooms(struct lx_parquet_writer *writer,
                                   struct lx_parquet_row_group *group, struct lx_err *err)
{
    struct lx_buf header = LX_BUF(LX_PQ_PAGE_HEADER_MAX);
    enum lx_status status = LX_OK;
    for (size_t i = 0; i < writer->column_count && status == LX_OK; i++) {
        struct lx_pq_column_writer *column = &writer->columns[i];
        struct lx_parquet_chunk *chunk = &group->chunks[i];
        if (column->bloom == NULL)
            continue;
        lx_buf_clear(&header);
        status = lx_pq_bloom_header_write((int32_t)column->bloom_bytes, &header);
        if (status != LX_OK) {
            lx_err_memory(err);
            break;
        }
        chunk->bloom_offset = writer->written;
        chunk->bloom_bytes = (int32_t)(header.len + column->bloom_bytes);
        status = put(writer, header.data, header.len, err);
        if (status == LX_OK)
            status = put(writer, column->bloom, column->bloom_bytes, err);
    }
    lx_buf_free(&header);
    return status;
}

static enum lx_status reserve_group(struct lx_parquet_writer *writer)
{
    if (writer->group_count < writer->group_cap)
        return LX_OK;
    size_t want = writer->group_cap * 2 + 4;
    struct lx_parquet_row_group *groups = lx_realloc(writer->groups, want * sizeof *groups);
    if (groups == NULL)
        return LX_E_MEMORY;
    writer->groups = groups;
    struct lx_pq_group_details *details = lx_realloc(writer->group_details, want * sizeof *details);
    if (details == NULL)
        return LX_E_MEMORY;
    writer->group_details = details;
    writer->group_cap = want;
    return LX_OK;
}

enum lx_status lx_pq_writer_write_group(struct lx_parquet_writer *writer, struct lx_err *err)
{
    size_t count = writer->column_count;
    struct lx_pq_group_details details = {
        .pages = lx_pq_arena_alloc(&writer->arena, count, sizeof *details.pages),
        .indexes = lx_pq_arena_alloc(&writer->arena, count, sizeof *details.indexes),
        .sums = lx_pq_arena_alloc(&writer->arena, count, sizeof *details.sums)};
    struct lx_parquet_row_group group = {
        .first_row = writer->rows - writer->group_rows,
        .rows = writer->group_rows,
        .chunks = lx_pq_arena_alloc(&writer->arena, count, sizeof *group.chunks)};
    if (details.pages == NULL || details.indexes == NULL || details.sums == NULL ||
        group.chunks == NULL || reserve_group(writer) != LX_OK)
        return lx_err_memory(err);
    if (writer->options.sorting_count > 0) {
        size_t bytes = writer->options.sorting_count * sizeof *group.sorting;
        group.sorting_count = writer->options.sorting_count;
        group.sorting =
            lx_pq_arena_alloc(&writer->arena, group.sorting_count, sizeof *group.sorting);
        if (group.sorting == NULL)
            return lx_err_memory(err);
        memcpy(group.sorting, writer->options.sorting, bytes);
    }
    LX_TRY(put_magic(writer, err));
    for (size_t i = 0; i < count; i++) {
        LX_TRY(write_chunk(writer, i, &group.chunks[i], &details, err));
        group.raw_bytes += group.chunks[i].raw_bytes;
        group.bytes += group.chunks[i].bytes;
    }
    LX_TRY(write_blooms(writer, &group, err));
    writer->groups[writer->group_count] = group;
    writer->group_details[writer->group_count++] = details;
    return LX_OK;
}

/* -- page indexes -------------------------------------------------------------------------- */

/* A column index needs bounds for every page that has values. */
static bool has_all_bounds(const struct lx_pq_index *index)
{
    for (size_t i = 0; i < index->count; i++)
        if (!index->pages[i].all_null &&
            (index->pages[i].min.ptr == NULL || index->pages[i].max.ptr == NULL))
            return false;
    return true;
}

/* Do both bounds of the pages only rise, or only fall? Pages of NULLs do not count. */
static enum lx_parquet_order order_of(enum lx_pq_order order, const struct lx_pq_index *index)
{
    bool rises = true, falls = true;
    const struct lx_pq_index_page *before = NULL;
    for (size_t i = 0; i < index->count; i++) {
        const struct lx_pq_index_page *page = &index->pages[i];
        if (page->all_null)
            continue;
        if (before != NULL) {
            int min = lx_pq_compare(order, before->min, page->min);
            int max = lx_pq_compare(order, before->max, page->max);
            rises = rises && min <= 0 && max <= 0;
            falls = falls && min >= 0 && max >= 0;
        }
        before = page;
    }
    return rises ? LX_PARQUET_ASCENDING : falls ? LX_PARQUET_DESCENDING : LX_PARQUET_UNORDERED;
}

/* One index behind the other: readers fetch all of them at once. */
static enum lx_status write_index(struct lx_parquet_writer *writer, bool of_columns,
                                  struct lx_buf *out, struct lx_err *err)
{
    for (size_t i = 0; i < writer->group_count * writer->column_count; i++) {
        size_t group = i / writer->column_count, leaf = i % writer->column_count;
        struct lx_pq_index *index = &writer->group_details[group].indexes[leaf];
        struct lx_parquet_chunk *chunk = &writer->groups[group].chunks[leaf];
        enum lx_pq_order order = writer->columns[leaf].order;
        enum lx_status status;
        if (of_columns && (order == LX_PQ_ORDER_NONE || !has_all_bounds(index)))
            continue;
        lx_buf_clear(out);
        if (of_columns) {
            index->order = order_of(order, index);
            status = lx_pq_column_index_write(index, out);
        } else {
            status = lx_pq_offset_index_write(index, out);
        }
        if (status != LX_OK)
            return lx_err_set(err, status, "cannot build a page index");
        struct lx_pq_chunk_sums *sums = &writer->group_details[group].sums[leaf];
        if (of_columns) {
            chunk->column_index_offset = writer->written;
            chunk->column_index_bytes = (int32_t)out->len;
            sums->column_index = lx_pq_crc32(0, out->data, out->len);
        } else {
            chunk->offset_index_offset = writer->written;
            chunk->offset_index_bytes = (int32_t)out->len;
            sums->offset_index = lx_pq_crc32(0, out->data, out->len);
        }
        LX_TRY(put(writer, out->data, out->len, err));
    }
    return LX_OK;
}

static enum lx_status write_indexes(struct lx_parquet_writer *writer, struct lx_err *err)
{
    struct lx_buf out = LX_BUF(INDEX_MAX);
    if (writer->options.no_page_index)
        return LX_OK;
    enum lx_status status = write_index(writer, true, &out, err);
    if (status == LX_OK)
        status = write_index(writer, false, &out, err);
    lx_buf_free(&out);
    return status;
}

/* -- the footer ---------------------------------------------------------------------------- */

/* The checksums of headers and indexes as one more pair. */
static enum lx_status add_sums(struct lx_parquet_writer *writer, struct lx_err *err)
{
    size_t count = writer->group_count * writer->column_count;
    struct lx_buf text = LX_BUF(FOOTER_MAX);
    struct lx_pq_chunk_sums *all = lx_pq_arena_alloc(&writer->arena, count, sizeof *all);
    if (writer->options.no_crc)
        return LX_OK;
    if (all == NULL)
        return lx_err_memory(err);
    for (size_t i = 0; i < count; i++)
        all[i] = writer->group_details[i / writer->column_count].sums[i % writer->column_count];
    enum lx_status status = lx_pq_sums_write(all, count, &text);
    if (status == LX_OK)
        status =
            lx_parquet_writer_metadata(writer, LX_STR(LX_PQ_SUMS_KEY), lx_buf_view(&text), err);
    else
        lx_err_set(err, status, "the checksums of %zu columns take too much memory", count);
    lx_buf_free(&text);
    return status;
}

static enum lx_status write_footer(struct lx_parquet_writer *writer, struct lx_err *err)
{
    struct lx_buf out = LX_BUF(FOOTER_MAX);
    const struct lx_pq_chunk_pages **pages =
        lx_pq_arena_alloc(&writer->arena, writer->group_count, sizeof *pages);
    if (pages == NULL)
        return lx_err_memory(err);
    for (size_t i = 0; i < writer->group_count; i++)
        pages[i] = writer->group_details[i].pages;
    struct lx_pq_footer footer = {
        .version = 2,
        .schema = writer->schema,
        .rows = writer->rows,
        .row_groups = writer->groups,
        .row_group_count = writer->group_count,
        .pages = pages,
        .key_values = writer->key_values,
        .key_value_count = writer->key_value_count,
        .created_by = lx_str_of(writer->options.created_by),
    };
    enum lx_status status = lx_pq_footer_write(&footer, &out);
    if (status == LX_OK) {
        uint32_t size = (uint32_t)out.len;
        status = lx_buf_append(&out, &size, 4);
        if (status == LX_OK)
            status = lx_buf_append(&out, LX_PQ_MAGIC, 4);
    }
    if (status == LX_OK)
        status = put(writer, out.data, out.len, err);
    else
        lx_err_set(err, status, "cannot build the footer of %zu row groups", writer->group_count);
    lx_buf_free(&out);
    return status;
}

static enum lx_status make_info(struct lx_parquet_writer *writer, struct lx_err *err)
{
    struct lx_parquet_file_info *info = &writer->info;
    info->columns = lx_pq_arena_alloc(&writer->arena, writer->column_count, sizeof *info->columns);
    if (info->columns == NULL)
        return lx_err_memory(err);
    info->column_count = writer->column_count;
    for (size_t i = 0; i < writer->column_count; i++) {
        const struct lx_pq_column_writer *column = &writer->columns[i];
        info->columns[i] = (struct lx_parquet_column_info){
            .path = column->leaf->path,
            .values = column->file_values,
            .null_count = column->file_nulls,
            .nan_count = column->file_nans,
            .bounds = column->file_bounds.view,
            .raw_bytes = column->file_raw_bytes,
            .bytes = column->file_bytes,
            .largest_page = column->largest_page,
        };
    }
    info->rows = writer->rows;
    info->row_groups = writer->groups;
    info->row_group_count = writer->group_count;
    return LX_OK;
}

/* Takes the last column out of what the footer says, where it was asked for and the column is
 * empty. Only the row groups' metadata knew of it so far. */
static void leave_out_empty(struct lx_parquet_writer *writer)
{
    size_t last = writer->column_count - 1;
    const struct lx_pq_column_writer *column = &writer->columns[last];
    if (!column->options.leave_out_empty || writer->column_count < 2 ||
        writer->schema.field_count != writer->column_count || column->file_nulls != writer->rows)
        return;
    for (size_t i = 0; i < writer->group_count; i++) {
        writer->groups[i].bytes -= writer->groups[i].chunks[last].bytes;
        writer->groups[i].raw_bytes -= writer->groups[i].chunks[last].raw_bytes;
    }
    writer->schema.field_count--;
    writer->schema.leaf_count--;
    writer->column_count--;
}

static enum lx_status finish(struct lx_parquet_writer *writer, struct lx_err *err)
{
    LX_TRY(lx_pq_writer_end_group(writer, err));
    leave_out_empty(writer);
    LX_TRY(put_magic(writer, err));
    LX_TRY(write_indexes(writer, err));
    LX_TRY(add_sums(writer, err));
    LX_TRY(make_info(writer, err));
    writer->info.footer_offset = writer->written;
    LX_TRY(write_footer(writer, err));
    writer->info.bytes = writer->written;
    return LX_OK;
}

enum lx_status lx_parquet_writer_finish(struct lx_parquet_writer *writer,
                                        const struct lx_parquet_file_info **info,
                                        struct lx_err *err)
{
    if (writer->broken != LX_OK)
        return lx_err_set(err, writer->broken, "the Parquet writer failed before");
    if (writer->finished)
        return lx_err_set(err, LX_E_BUG, "the Parquet file is finished already");
    size_t columns = writer->column_count; /* those that are freed at the end */
    enum lx_status status = finish(writer, err);
    writer->column_count = columns;
    LX_TRY(lx_pq_writer_break(writer, status));
    writer->finished = true;
    if (info != NULL)
        *info = &writer->info;
    return LX_OK;
}
