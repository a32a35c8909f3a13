#include "parquet/column_writer.h"

#include "parquet/bloom.h"

#include "base/alloc.h"
#include "base/limits.h"

#include <assert.h>

static enum lx_status explain(enum lx_status status, const struct lx_pq_column_writer *column,
                              struct lx_err *err)
{
    if (status == LX_E_MEMORY)
        return lx_err_memory(err);
    if (status != LX_OK)
        return lx_err_set(err, status, "column \"%s\": the values of a page take too much memory",
                          column->leaf->path);
    return LX_OK;
}

void lx_pq_column_init(struct lx_pq_column_writer *column, const struct lx_parquet_leaf *leaf,
                       const struct lx_parquet_writer_options *file,
                       const struct lx_parquet_column_options *options, size_t page_bytes)
{
    *column = (struct lx_pq_column_writer){.leaf = leaf, .file = file};
    if (options != NULL)
        column->options = *options;
    if (column->options.codec == LX_PARQUET_CODEC_AUTO)
        column->options.codec = file->codec;
    if (column->options.level == 0)
        column->options.level = file->level;
    column->options.bloom = column->options.bloom && lx_pq_bloom_fits(leaf->field);
    column->width = lx_pq_width_of(leaf->field);
    column->order = column->options.no_bounds ? LX_PQ_ORDER_NONE : lx_pq_order_of(leaf->field);
    column->page_bytes = page_bytes;
    column->last_job = &column->jobs;
    column->last_sent = &column->sent;
    lx_pq_dictionary_init(&column->dictionary, column->width, file->dictionary_bytes);
}

static void free_pages(struct lx_pq_column_writer *column)
{
    for (size_t i = 0; i < column->page_count; i++)
        lx_pq_encoded_free(&column->pages[i]);
    column->page_count = 0;
    lx_pq_encoded_free(&column->dictionary_page);
    column->has_dictionary_page = false;
    lx_free(column->bloom);
    column->bloom = NULL;
    column->bloom_bytes = column->encoded_bytes = column->raw_bytes = 0;
}

static void free_jobs(struct lx_pq_job *job)
{
    while (job != NULL) {
        struct lx_pq_job *next = job->next;
        lx_pq_page_free(job->page);
        lx_pq_encoded_free(&job->encoded);
        lx_free(job);
        job = next;
    }
}

void lx_pq_column_free(struct lx_pq_column_writer *column)
{
    free_jobs(column->jobs);
    free_jobs(column->sent);
    while (column->spare != NULL) {
        struct lx_pq_page *next = column->spare->next;
        lx_pq_page_free(column->spare);
        column->spare = next;
    }
    free_pages(column);
    lx_pq_page_free(column->open);
    lx_free(column->pages);
    lx_free(column->numbers);
    lx_pq_dictionary_free(&column->dictionary);
    lx_pq_bounds_free(&column->file_bounds);
    *column = (struct lx_pq_column_writer){.leaf = NULL};
}

/* -- filling ------------------------------------------------------------------------------- */

static bool is_flat(const struct lx_parquet_leaf *leaf)
{
    return leaf->max_repetition == 0 && leaf->max_definition <= 1;
}

enum lx_status lx_pq_column_check(const struct lx_pq_column_writer *column,
                                  const struct lx_column *values, int64_t from, int64_t rows,
                                  struct lx_err *err)
{
    const char *path = column->leaf->path;
    const struct lx_column *plain = values;
    if (values == NULL)
        return lx_err_set(err, LX_E_ARGUMENT, "column \"%s\" is missing", path);
    if (from < 0 || rows < 0 || from > values->rows - rows)
        return lx_err_set(err, LX_E_ARGUMENT, "column \"%s\" has %lld rows, %lld were asked for",
                          path, (long long)values->rows, (long long)(from + rows));
    if (values->shape == LX_COLUMN_DICT)
        plain = values->dict;
    if (plain == NULL || plain->shape == LX_COLUMN_DICT ||
        (plain->shape == LX_COLUMN_BYTES) != (column->width == 0) || plain->width != column->width)
        return lx_err_set(err, LX_E_ARGUMENT,
                          "column \"%s\": the values do not have the shape of %s", path,
                          lx_parquet_physical_name(column->leaf->field->physical));
    if (values->nulls != NULL && (column->leaf->max_definition == 0 || !is_flat(column->leaf)) &&
        memchr(values->nulls + from, 1, (size_t)rows) != NULL)
        return lx_err_set(err, LX_E_ARGUMENT, "column \"%s\" is required, and has a NULL", path);
    if (values->shape == LX_COLUMN_DICT)
        for (int64_t i = from; i < from + rows; i++)
            if (values->indexes[i] >= plain->rows && !lx_column_is_null(values, i))
                return lx_err_set(err, LX_E_ARGUMENT,
                                  "column \"%s\": an index is outside of the dictionary", path);
    return LX_OK;
}

/* Are the numbers of a caller's dictionary worth following? */
static bool follows_ids(const struct lx_pq_column_writer *column, const struct lx_column *values)
{
    enum lx_parquet_encoding asked = column->options.encoding;
    if (values->shape != LX_COLUMN_DICT || !is_flat(column->leaf) || values->dict->rows == 0)
        return false;
    if (column->leaf->field->physical == LX_PARQUET_BOOLEAN || column->options.no_dictionary)
        return false;
    if (asked != LX_PARQUET_ENCODING_AUTO && asked != LX_PARQUET_RLE_DICTIONARY)
        return false;
    return column->dictionary_state != LX_PQ_DICT_FULL &&
           (!column->chosen || column->choice.encoding == LX_PARQUET_RLE_DICTIONARY);
}

/* Bytes that a row of a DICT column may take as PLAIN. */
static size_t longest_of(const struct lx_column *values)
{
    size_t longest = 0;
    if (values->shape != LX_COLUMN_DICT)
        return 0;
    if (values->dict->shape == LX_COLUMN_FIXED)
        return values->dict->width;
    for (int64_t i = 0; i < values->dict->rows; i++) {
        size_t size = values->dict->offsets[i + 1] - values->dict->offsets[i];
        longest = size > longest ? size : longest;
    }
    return longest + 4;
}

size_t lx_pq_column_weight(const struct lx_pq_column_writer *column, const struct lx_column *values,
                           int64_t from, int64_t rows)
{
    if (values->shape == LX_COLUMN_DICT)
        return (size_t)rows * column->longest;
    if (values->shape == LX_COLUMN_FIXED)
        return (size_t)rows * values->width;
    return values->offsets[from + rows] - values->offsets[from] + (size_t)rows * 4;
}

enum lx_status lx_pq_column_begin(struct lx_pq_column_writer *column,
                                  const struct lx_column *values, struct lx_err *err)
{
    column->longest = longest_of(values);
    if (!follows_ids(column, values))
        return LX_OK;
    size_t need = (size_t)values->dict->rows;
    if (need > column->numbers_cap) {
        uint32_t *fresh = lx_realloc(column->numbers, need * sizeof *fresh);
        if (fresh == NULL)
            return lx_err_memory(err);
        column->numbers = fresh;
        column->numbers_cap = need;
    }
    memset(column->numbers, 0xff, need * sizeof *column->numbers);
    return LX_OK;
}

static enum lx_status open_page(struct lx_pq_column_writer *column)
{
    struct lx_pq_page *page = column->spare;
    if (page != NULL) {
        column->spare = page->next;
        lx_pq_page_clear(page);
    } else {
        LX_TRY(lx_pq_page_create(column->width, &page));
    }
    page->first_row = column->group_rows;
    column->open = page;
    return LX_OK;
}

static enum lx_status close_page(struct lx_pq_column_writer *column)
{
    struct lx_pq_job *job = lx_calloc(1, sizeof *job);
    if (job == NULL)
        return LX_E_MEMORY;
    job->page = column->open;
    *column->last_job = job;
    column->last_job = &job->next;
    column->pending_bytes += column->open->raw_bytes;
    column->open = NULL;
    return LX_OK;
}

/* Numbers of the values that these rows name; new values are taken in. *done: rows until the
 * dictionary was full. */
static enum lx_status number_rows(struct lx_pq_column_writer *column,
                                  const struct lx_column *values, int64_t from, int64_t rows,
                                  int64_t *done)
{
    const uint8_t *nulls = values->nulls;
    uint32_t *numbers = column->numbers;
    for (int64_t i = from; i < from + rows; i++) {
        uint32_t index = values->indexes[i];
        int64_t added;
        if ((nulls != NULL && nulls[i] != 0) || numbers[index] != UINT32_MAX)
            continue;
        LX_TRY(lx_pq_dictionary_add(&column->dictionary, values->dict, index, 1, &numbers[index],
                                    &added));
        if (added == 0) {
            *done = i - from;
            return LX_OK;
        }
    }
    *done = rows;
    return LX_OK;
}

/* Appends rows that fit the open page by their numbers. *done: how many. */
static enum lx_status append_by_id(struct lx_pq_column_writer *column,
                                   const struct lx_column *values, int64_t from, int64_t rows,
                                   int64_t *done)
{
    column->dictionary_state = LX_PQ_DICT_OPEN;
    LX_TRY(number_rows(column, values, from, rows, done));
    if (*done > 0)
        LX_TRY(lx_pq_page_append_ids(column->open, values, from, *done,
                                     column->leaf->max_definition > 0, column->numbers));
    if (*done == rows)
        return LX_OK;
    /* Full: this page ends here, the next ones hold plain values. */
    column->dictionary_state = LX_PQ_DICT_FULL;
    if (column->open->rows > 0)
        return close_page(column);
    column->open->by_id = false;
    return LX_OK;
}

static enum lx_status append_slice(struct lx_pq_column_writer *column,
                                   const struct lx_column *values, int64_t from, int64_t rows,
                                   int64_t *done)
{
    bool full, by_id = follows_ids(column, values);
    /* A page holds either values or numbers: one that began otherwise ends here. */
    if (column->open != NULL && column->open->rows > 0 && column->open->by_id != by_id)
        LX_TRY(close_page(column));
    if (column->open == NULL)
        LX_TRY(open_page(column));
    column->open->by_id = by_id;
    int64_t fit = lx_pq_page_room(column->open, values, from, rows, column->page_bytes,
                                  column->file->page_rows, &full);
    *done = fit;
    if (by_id)
        LX_TRY(append_by_id(column, values, from, fit, done));
    else
        LX_TRY(
            lx_pq_page_append(column->open, values, from, fit, column->leaf->max_definition > 0));
    column->group_rows += *done;
    return full && column->open != NULL && *done == fit ? close_page(column) : LX_OK;
}

enum lx_status lx_pq_column_append(struct lx_pq_column_writer *column,
                                   const struct lx_column *values, int64_t from, int64_t rows,
                                   struct lx_err *err)
{
    while (rows > 0) {
        int64_t done;
        size_t before = column->open != NULL ? column->open->raw_bytes : 0;
        size_t pending = column->pending_bytes;
        enum lx_status status = append_slice(column, values, from, rows, &done);
        if (status != LX_OK)
            return explain(status, column, err);
        column->raw_bytes += column->pending_bytes - pending - before +
                             (column->open != NULL ? column->open->raw_bytes : 0);
        from += done;
        rows -= done;
    }
    return LX_OK;
}

/* Finds the end of the row that starts at the cursor. False: the levels are wrong. */
static bool next_row(const struct lx_parquet_leaf *leaf, const struct lx_parquet_levels *levels,
                     const struct lx_pq_level_cursor *start, struct lx_pq_level_cursor *end)
{
    *end = *start;
    if (start->level >= levels->count)
        return false;
    do {
        uint8_t definition =
            levels->definition != NULL ? levels->definition[end->level] : leaf->max_definition;
        uint8_t repetition = levels->repetition != NULL ? levels->repetition[end->level] : 0;
        if (definition > leaf->max_definition || repetition > leaf->max_repetition ||
            (repetition == 0) != (end->level == start->level))
            return false;
        end->value += definition == leaf->max_definition;
        end->level++;
    } while (end->level < levels->count && levels->repetition != NULL &&
             levels->repetition[end->level] != 0);
    return end->value <= (levels->values != NULL ? levels->values->rows : 0);
}

enum lx_status lx_pq_column_append_levels(struct lx_pq_column_writer *column,
                                          const struct lx_parquet_levels *levels,
                                          struct lx_pq_level_cursor *cursor, int64_t rows,
                                          struct lx_err *err)
{
    for (int64_t i = 0; i < rows; i++) {
        struct lx_pq_level_cursor end;
        if (!next_row(column->leaf, levels, cursor, &end))
            return lx_err_set(err, LX_E_ARGUMENT, "column \"%s\": wrong levels in row %lld",
                              column->leaf->path, (long long)i);
        enum lx_status status = LX_OK;
        if (column->open == NULL)
            status = open_page(column);
        if (status != LX_OK)
            return explain(status, column, err);
        size_t before = column->open->raw_bytes;
        status = lx_pq_page_append_levels(column->open, levels, cursor->level, end.level,
                                          cursor->value, end.value, 1);
        column->raw_bytes += column->open->raw_bytes - before;
        column->group_rows++;
        if (status == LX_OK && (column->open->raw_bytes >= column->page_bytes ||
                                column->open->levels >= column->file->page_rows))
            status = close_page(column);
        if (status != LX_OK)
            return explain(status, column, err);
        *cursor = end;
    }
    return LX_OK;
}

enum lx_status lx_pq_column_close_page(struct lx_pq_column_writer *column, struct lx_err *err)
{
    if (column->open == NULL || column->open->rows == 0)
        return LX_OK;
    return explain(close_page(column), column, err);
}

/* -- preparing ----------------------------------------------------------------------------- */

static enum lx_status choose(struct lx_pq_column_writer *column, bool last,
                             struct lx_pq_scratch *scratch, struct lx_err *err)
{
    struct lx_pq_question question = {.leaf = column->leaf,
                                      .file = column->file,
                                      .column = &column->options,
                                      .expected_values = column->file->row_group_rows,
                                      .more = !last && !column->chosen_roughly};
    const struct lx_pq_page *page = NULL;
    for (const struct lx_pq_job *job = column->jobs; job != NULL && page == NULL; job = job->next)
        page = job->page->count > 0 ? job->page : NULL;
    if (page == NULL)
        return LX_OK; /* nothing but NULLs so far */
    if (last) {
        question.expected_values = 0;
        for (const struct lx_pq_job *job = column->jobs; job != NULL; job = job->next)
            question.expected_values += job->page->count;
    }
    LX_TRY(page->by_id ? lx_pq_choose_for_ids(&question, page, scratch, &column->choice, err)
                       : lx_pq_choose(&question, page, scratch, &column->choice, err));
    column->chosen = true;
    column->chosen_roughly = column->choice.rough;
    return LX_OK;
}

/* Values of a page become numbers, unless the dictionary gets full on the way. */
static enum lx_status number_page(struct lx_pq_column_writer *column, struct lx_pq_page *page)
{
    int64_t before = lx_pq_dictionary_count(&column->dictionary), done;
    LX_TRY(lx_pq_page_reserve_ids(page, (size_t)page->count));
    if (page->count > 0)
        LX_TRY(lx_pq_dictionary_add(&column->dictionary, &page->values, 0, page->count, page->ids,
                                    &done));
    else
        done = 0;
    if (done < page->count) {
        lx_pq_dictionary_truncate(&column->dictionary, before);
        column->dictionary_state = LX_PQ_DICT_FULL;
        return LX_OK;
    }
    page->by_id = true;
    lx_column_clear(&page->values);
    return LX_OK;
}

static struct lx_pq_page_plan plan_of(const struct lx_pq_column_writer *column)
{
    return (struct lx_pq_page_plan){
        .leaf = column->leaf,
        .dictionary = &column->dictionary,
        .encoding = LX_PARQUET_PLAIN,
        .compression = column->choice.compression,
        .order = column->order,
        .bound_bytes = column->file->bound_bytes,
        .page_v2 = column->file->page_v2,
        .no_crc = column->file->no_crc,
        .bloom = column->options.bloom,
    };
}

static void send_jobs(struct lx_pq_column_writer *column)
{
    assert(column->jobs != NULL);
    *column->last_sent = column->jobs;
    column->last_sent = column->last_job;
    column->jobs = NULL;
    column->last_job = &column->jobs;
    column->pending_bytes = 0;
}

enum lx_status lx_pq_column_prepare(struct lx_pq_column_writer *column, bool last, uint64_t round,
                                    struct lx_pq_scratch *scratch, struct lx_err *err)
{
    const struct lx_pq_compression before = column->choice.compression;
    bool was_chosen = column->chosen;
    if (!was_chosen)
        LX_TRY(choose(column, last, scratch, err));
    if (!was_chosen && (column->page_count > 0 || column->sent != NULL)) {
        /* Pages of nothing but NULLs went before: a chunk has one codec. */
        column->choice.compression = before;
    } else if (!column->chosen) {
        enum lx_parquet_codec codec = column->options.codec;
        column->choice = (struct lx_pq_choice){
            LX_PARQUET_PLAIN,
            LX_PARQUET_PLAIN,
            {.codec = codec == LX_PARQUET_CODEC_AUTO ? LX_PARQUET_ZSTD : codec,
             .level = column->options.level == 0 ? 1 : column->options.level},
            false};
    }
    bool by_dictionary = column->choice.encoding == LX_PARQUET_RLE_DICTIONARY;
    for (struct lx_pq_job *job = column->jobs; job != NULL; job = job->next) {
        struct lx_pq_page *page = job->page;
        if (by_dictionary && !page->by_id && column->dictionary_state != LX_PQ_DICT_FULL) {
            column->dictionary_state = LX_PQ_DICT_OPEN;
            enum lx_status status = number_page(column, page);
            if (status != LX_OK)
                return explain(status, column, err);
        }
        job->round = round;
        job->plan = plan_of(column);
        job->plan.encoding = page->by_id && by_dictionary ? LX_PARQUET_RLE_DICTIONARY
                             : by_dictionary              ? column->choice.fallback
                                                          : column->choice.encoding;
    }
    send_jobs(column);
    return LX_OK;
}

enum lx_status lx_pq_job_encode(struct lx_pq_job *job, struct lx_pq_scratch *scratch,
                                struct lx_err *err)
{
    return lx_pq_page_encode(job->page, &job->plan, scratch, &job->encoded, err);
}

static enum lx_status take_page(struct lx_pq_column_writer *column, struct lx_pq_job *job)
{
    if (column->page_count == column->page_cap) {
        size_t want = column->page_cap * 2 + 4;
        struct lx_pq_encoded *fresh = lx_realloc(column->pages, want * sizeof *fresh);
        if (fresh == NULL)
            return LX_E_MEMORY;
        column->pages = fresh;
        column->page_cap = want;
    }
    column->encoded_bytes += job->encoded.size;
    column->pages[column->page_count++] = job->encoded;
    if (job->page->values.values_cap > 2 * column->page_bytes + LX_MIB) {
        lx_pq_page_free(job->page); /* one huge row must not keep its memory */
    } else {
        job->page->next = column->spare;
        column->spare = job->page;
    }
    return LX_OK;
}

enum lx_status lx_pq_column_collect(struct lx_pq_column_writer *column, uint64_t round,
                                    struct lx_err *err)
{
    while (column->sent != NULL && column->sent->round == round) {
        struct lx_pq_job *job = column->sent;
        if (take_page(column, job) != LX_OK)
            return lx_err_memory(err);
        column->sent = job->next;
        lx_free(job);
    }
    if (column->sent == NULL)
        column->last_sent = &column->sent;
    return LX_OK;
}

/* -- the end of a row group ---------------------------------------------------------------- */

static enum lx_status build_bloom(struct lx_pq_column_writer *column, struct lx_err *err)
{
    size_t count = (size_t)lx_pq_dictionary_count(&column->dictionary), at = 0;
    for (size_t i = 0; i < column->page_count; i++)
        count += column->pages[i].hashes != NULL ? (size_t)column->pages[i].count : 0;
    if (count == 0)
        return LX_OK;
    uint64_t *hashes = lx_malloc(count * sizeof *hashes);
    if (hashes == NULL)
        return lx_err_memory(err);
    at = (size_t)lx_pq_dictionary_count(&column->dictionary);
    lx_pq_bloom_hashes(&column->dictionary.values, (int64_t)at, hashes);
    for (size_t i = 0; i < column->page_count; i++) {
        size_t n = (size_t)column->pages[i].count;
        if (column->pages[i].hashes == NULL)
            continue;
        memcpy(hashes + at, column->pages[i].hashes, n * sizeof *hashes);
        at += n;
    }
    size_t bytes =
        lx_pq_bloom_size(lx_pq_bloom_distinct(hashes, count), column->file->bloom_bits_per_value,
                         column->file->bloom_max_bytes);
    column->bloom = lx_calloc(bytes, 1);
    if (column->bloom != NULL) {
        lx_pq_bloom_insert(column->bloom, bytes, hashes, count);
        column->bloom_bytes = bytes;
    }
    lx_free(hashes);
    return column->bloom != NULL ? LX_OK : lx_err_memory(err);
}

enum lx_status lx_pq_column_finish(struct lx_pq_column_writer *column,
                                   struct lx_pq_scratch *scratch, struct lx_err *err)
{
    bool used = false;
    for (size_t i = 0; i < column->page_count; i++)
        used = used || column->pages[i].encoding == LX_PARQUET_RLE_DICTIONARY;
    if (column->options.bloom)
        LX_TRY(build_bloom(column, err));
    if (!used)
        return LX_OK;
    struct lx_pq_page_plan plan = plan_of(column);
    LX_TRY(lx_pq_dictionary_page_encode(&column->dictionary, &plan, scratch,
                                        &column->dictionary_page, err));
    column->has_dictionary_page = true;
    return LX_OK;
}

/* Bounds hold for the whole only where every page with values has them. */
static enum lx_status merge_bounds(struct lx_pq_column_writer *column, struct lx_pq_bounds *bounds)
{
    bool first = true;
    for (size_t i = 0; i < column->page_count; i++) {
        const struct lx_pq_encoded *page = &column->pages[i];
        if (page->count == page->nan_count)
            continue;
        LX_TRY(lx_pq_bounds_merge(bounds, column->order, &page->bounds.view, first));
        LX_TRY(lx_pq_bounds_merge(&column->file_bounds, column->order, &page->bounds.view,
                                  !column->has_file_bounds));
        column->has_file_bounds = true;
        first = false;
    }
    return LX_OK;
}

enum lx_status lx_pq_column_sum_up(struct lx_pq_column_writer *column,
                                   struct lx_parquet_chunk *chunk, struct lx_pq_bounds *bounds,
                                   struct lx_err *err)
{
    int64_t nulls = 0, nans = 0, largest = (int64_t)column->dictionary_page.raw_bytes;
    bool pure = column->has_dictionary_page;
    *chunk = (struct lx_parquet_chunk){
        .physical = column->leaf->field->physical,
        .codec = column->choice.compression.codec,
        .dictionary_page_offset = -1,
        .bloom_offset = -1,
        .bloom_bytes = -1,
        .column_index_offset = -1,
        .offset_index_offset = -1,
        .text_bytes = column->width == 0 ? 0 : -1,
        .raw_bytes = (int64_t)column->dictionary_page.raw_bytes,
        .bytes = (int64_t)column->dictionary_page.size,
    };
    if (column->has_dictionary_page)
        chunk->encodings |= (uint32_t)1 << LX_PARQUET_PLAIN;
    if (column->leaf->max_definition > 0 || column->leaf->max_repetition > 0)
        chunk->encodings |= (uint32_t)1 << LX_PARQUET_RLE;
    for (size_t i = 0; i < column->page_count; i++) {
        const struct lx_pq_encoded *page = &column->pages[i];
        chunk->encodings |= (uint32_t)1 << page->encoding;
        chunk->values += page->levels;
        chunk->raw_bytes += (int64_t)page->raw_bytes;
        chunk->bytes += (int64_t)page->size;
        largest = (int64_t)page->raw_bytes > largest ? (int64_t)page->raw_bytes : largest;
        chunk->text_bytes += column->width == 0 ? page->text_bytes : 0;
        nulls += page->levels - page->count;
        nans += page->nan_count;
        pure = pure && page->encoding == LX_PARQUET_RLE_DICTIONARY;
    }
    if (merge_bounds(column, bounds) != LX_OK)
        return lx_err_memory(err);
    chunk->statistics = (struct lx_parquet_statistics){
        .bounds = bounds->view,
        .null_count = nulls,
        .distinct_count = pure ? lx_pq_dictionary_count(&column->dictionary) : -1,
    };
    column->file_values += chunk->values;
    column->file_nulls += nulls;
    column->file_nans += nans;
    column->file_raw_bytes += (int64_t)column->raw_bytes;
    column->file_bytes += chunk->bytes;
    column->largest_page = largest > column->largest_page ? largest : column->largest_page;
    return LX_OK;
}

/* Trials cost more than most pages: a choice for numbers stays while they take about as many bytes
 * as those that it was made for; for texts, whose trials are the dearest, it always does but
 * for the first row group's; for both only while the dictionary holds them. */
static bool is_outdated(const struct lx_pq_column_writer *column, double bytes)
{
    double then = column->chosen_bytes;
    return column->dictionary_state == LX_PQ_DICT_FULL || column->chosen_roughly ||
           (column->width != 0 && then > 0 && (bytes > then * 1.25 || bytes < then * 0.8));
}

void lx_pq_column_next_group(struct lx_pq_column_writer *column)
{
    assert(column->jobs == NULL && column->sent == NULL);
    assert(column->open == NULL || column->open->rows == 0);
    double bytes =
        column->group_rows > 0 ? (double)column->encoded_bytes / (double)column->group_rows : 0;
    free_pages(column);
    if (is_outdated(column, bytes))
        column->chosen = false;
    if (!column->chosen)
        column->chosen_bytes = 0;
    else if (column->chosen_bytes == 0)
        column->chosen_bytes = bytes;
    column->dictionary_state = LX_PQ_DICT_UNUSED;
    lx_pq_dictionary_clear(&column->dictionary);
    if (column->numbers != NULL) /* the caller's slice may go on in the next row group */
        memset(column->numbers, 0xff, column->numbers_cap * sizeof *column->numbers);
    column->group_rows = 0;
}
