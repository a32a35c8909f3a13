/* Row groups: rows go to the columns in steps, full pages are encoded by all threads together while
 * more rows come, and at the end of a row group the columns' pages go out one after the other. */
#include "parquet/writer.h"

#include "parquet/column_writer.h"
#include "parquet/writer_private.h"

#include "base/alloc.h"
#include "base/limits.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

/* Sizes are looked at after so many rows of a row group, or so many bytes: fixed steps, so that
 * the file does not depend on how the caller slices its rows. */
#define STEP_ROWS 16384
#define STEP_BYTES ((size_t)4 * 1024 * 1024)

#define ROUNDS 4 /* full pages are sent to be encoded in so many parts of what may be pending */

#define RATIO_UNKNOWN 0.25 /* file bytes a raw byte, before any page is encoded */

/* -- options ------------------------------------------------------------------------------- */

static void fill_defaults(struct lx_parquet_writer_options *options)
{
    const struct lx_parquet_writer_options defaults = {
        .row_group_rows = 1048576,
        .row_group_bytes = (int64_t)(128 * LX_MIB),
        .row_group_raw_bytes = (int64_t)LX_GIB,
        .page_rows = 131072,
        .dictionary_bytes = LX_MIB,
        .pending_bytes = 24 * LX_MIB,
        .open_bytes = 96 * LX_MIB,
        .bound_bytes = 64,
        .bloom_bits_per_value = 10.5,
        .bloom_max_bytes = 4 * LX_MIB,
    };
#define DEFAULT(name)                                                                              \
    if (options->name == 0)                                                                        \
    options->name = defaults.name
    DEFAULT(row_group_rows);
    DEFAULT(row_group_bytes);
    DEFAULT(row_group_raw_bytes);
    DEFAULT(page_rows);
    DEFAULT(dictionary_bytes);
    DEFAULT(pending_bytes);
    DEFAULT(open_bytes);
    DEFAULT(bound_bytes);
    DEFAULT(bloom_max_bytes);
#undef DEFAULT
    if (options->bloom_bits_per_value <= 0)
        options->bloom_bits_per_value = defaults.bloom_bits_per_value;
}

static enum lx_status check_column_options(const struct lx_parquet_writer_options *options,
                                           const struct lx_parquet_leaf *leaf,
                                           const struct lx_parquet_column_options *column,
                                           struct lx_err *err)
{
    if (column->encoding != LX_PARQUET_ENCODING_AUTO &&
        !lx_pq_encoding_fits(column->encoding, leaf->field, options->page_v2))
        return lx_err_set(err, LX_E_ARGUMENT, "column \"%s\": encoding %s does not fit %s",
                          leaf->path, lx_parquet_encoding_name(column->encoding),
                          lx_parquet_physical_name(leaf->field->physical));
    if (column->codec != LX_PARQUET_CODEC_AUTO && !lx_pq_codec_writable(column->codec))
        return lx_err_set(err, LX_E_UNSUPPORTED, "column \"%s\": codec %s is not written",
                          leaf->path, lx_parquet_codec_name(column->codec));
    if (column->level < 0 || column->level > LX_PQ_ZSTD_MAX_LEVEL)
        return lx_err_set(err, LX_E_ARGUMENT, "column \"%s\": zstd level %d is not 1 to %d",
                          leaf->path, column->level, LX_PQ_ZSTD_MAX_LEVEL);
    return LX_OK;
}

static enum lx_status check_options(const struct lx_parquet_writer_options *options,
                                    const struct lx_parquet_schema *schema, struct lx_err *err)
{
    if (options->row_group_rows < 0 || options->row_group_bytes < 0 ||
        options->row_group_raw_bytes < 0 || options->page_rows < 0)
        return lx_err_set(err, LX_E_ARGUMENT, "a size in the Parquet options is negative");
    if (options->page_rows > INT32_MAX / 4 || options->row_group_rows > INT32_MAX)
        return lx_err_set(err, LX_E_ARGUMENT, "pages or row groups of too many rows");
    if (options->codec != LX_PARQUET_CODEC_AUTO && !lx_pq_codec_writable(options->codec))
        return lx_err_set(err, LX_E_UNSUPPORTED, "codec %s is not written",
                          lx_parquet_codec_name(options->codec));
    if (options->level < 0 || options->level > LX_PQ_ZSTD_MAX_LEVEL)
        return lx_err_set(err, LX_E_ARGUMENT, "zstd level %d is not 1 to %d", options->level,
                          LX_PQ_ZSTD_MAX_LEVEL);
    for (size_t i = 0; i < options->sorting_count; i++)
        if (options->sorting[i].leaf >= schema->leaf_count)
            return lx_err_set(err, LX_E_ARGUMENT, "sorted by column %u of %zu",
                              options->sorting[i].leaf, schema->leaf_count);
    for (size_t i = 0; options->columns != NULL && i < schema->leaf_count; i++)
        LX_TRY(check_column_options(options, &schema->leaves[i], &options->columns[i], err));
    return LX_OK;
}

/* -- creation ------------------------------------------------------------------------------ */

static enum lx_status copy_schema(struct lx_parquet_writer *writer,
                                  const struct lx_parquet_field *fields, size_t count,
                                  struct lx_err *err)
{
    struct lx_parquet_field *copy = lx_pq_arena_alloc(&writer->arena, count, sizeof *copy);
    if (copy == NULL)
        return lx_err_memory(err);
    memcpy(copy, fields, count * sizeof *copy);
    for (size_t i = 0; i < count; i++) {
        copy[i].name = lx_pq_arena_text(&writer->arena, lx_str_of(fields[i].name));
        if (copy[i].name == NULL)
            return lx_err_memory(err);
    }
    return lx_pq_schema_leaves(&writer->arena, copy, count, &writer->schema, err);
}

static enum lx_status copy_options(struct lx_parquet_writer *writer,
                                   const struct lx_parquet_writer_options *options,
                                   struct lx_err *err)
{
    struct lx_parquet_writer_options *own = &writer->options;
    struct lx_pq_arena *arena = &writer->arena;
    const char *created_by = "lynex version " LYNEX_VERSION;
    if (options != NULL)
        *own = *options;
    LX_TRY(check_options(own, &writer->schema, err));
    fill_defaults(own);
    if (own->created_by != NULL)
        created_by = own->created_by;
    own->created_by = lx_pq_arena_text(arena, lx_str_of(created_by));
    own->sorting = own->sorting_count == 0 ? NULL : own->sorting;
    if (own->created_by == NULL)
        return lx_err_memory(err);
    if (own->sorting != NULL) {
        struct lx_parquet_sorting *copy =
            lx_pq_arena_alloc(arena, own->sorting_count, sizeof *copy);
        if (copy == NULL)
            return lx_err_memory(err);
        memcpy(copy, own->sorting, own->sorting_count * sizeof *copy);
        own->sorting = copy;
    }
    return LX_OK;
}

static size_t page_bytes_of(const struct lx_parquet_writer *writer, size_t leaf)
{
    const struct lx_parquet_writer_options *options = &writer->options;
    bool text = writer->schema.leaves[leaf].field->physical == LX_PARQUET_BYTE_ARRAY;
    if (options->columns != NULL && options->columns[leaf].page_bytes != 0)
        return options->columns[leaf].page_bytes;
    if (options->page_bytes != 0)
        return options->page_bytes;
    return text && options->profile == LX_PARQUET_COMPACT ? 8 * LX_MIB : LX_MIB;
}

static enum lx_status create_columns(struct lx_parquet_writer *writer, struct lx_err *err)
{
    const struct lx_parquet_writer_options *options = &writer->options;
    size_t count = writer->schema.leaf_count, total = 0;
    writer->columns = lx_calloc(count, sizeof *writer->columns);
    writer->tasks = lx_calloc(count, sizeof *writer->tasks);
    if (writer->columns == NULL || writer->tasks == NULL)
        return lx_err_memory(err);
    for (size_t i = 0; i < count; i++)
        total += page_bytes_of(writer, i);
    double share = total > options->open_bytes ? (double)options->open_bytes / (double)total : 1;
    for (size_t i = 0; i < count; i++) {
        size_t bytes = page_bytes_of(writer, i), scaled = (size_t)((double)bytes * share);
        size_t least = bytes < 16 * LX_KIB ? bytes : 16 * LX_KIB;
        lx_pq_column_init(&writer->columns[i], &writer->schema.leaves[i], options,
                          options->columns != NULL ? &options->columns[i] : NULL,
                          scaled > least ? scaled : least);
        writer->column_count++;
    }
    return LX_OK;
}

enum lx_status lx_parquet_writer_create(const struct lx_parquet_field *fields, size_t field_count,
                                        const struct lx_parquet_writer_options *options,
                                        const struct lx_parquet_sink *sink, struct lx_pool *pool,
                                        struct lx_parquet_writer **out, struct lx_err *err)
{
    LX_TRY(lx_parquet_schema_check(fields, field_count, err));
    struct lx_parquet_writer *writer = lx_calloc(1, sizeof *writer);
    if (writer == NULL)
        return lx_err_memory(err);
    pthread_mutex_init(&writer->scratch_lock, NULL);
    writer->arena.max = SIZE_MAX / 2;
    writer->last_round = &writer->rounds;
    writer->sink = *sink;
    writer->pool = pool;
    enum lx_status status;
    LX_TRY_GOTO(copy_schema(writer, fields, field_count, err), out);
    LX_TRY_GOTO(copy_options(writer, options, err), out);
    LX_TRY_GOTO(create_columns(writer, err), out);
    LX_TRY_GOTO(lx_pq_writer_recall(writer, writer->options.choices, err), out);
    writer->options.columns = NULL; /* each column has its own by now */
    writer->options.choices = NULL;
out:
    if (status != LX_OK) {
        lx_parquet_writer_destroy(writer);
        return status;
    }
    *out = writer;
    return LX_OK;
}

/* Waits for the first round's pages. */
static enum lx_status end_round(struct lx_parquet_writer *writer, struct lx_err *err)
{
    struct lx_pq_round *round = writer->rounds;
    enum lx_status status = lx_pool_finish(writer->pool, &round->loop, err);
    writer->rounds = round->next;
    if (writer->rounds == NULL)
        writer->last_round = &writer->rounds;
    writer->sent_bytes -= round->raw_bytes;
    lx_free(round->jobs);
    lx_free(round);
    return status;
}

void lx_parquet_writer_destroy(struct lx_parquet_writer *writer)
{
    if (writer == NULL)
        return;
    while (writer->rounds != NULL) /* after a failure */
        (void)!end_round(writer, NULL);
    for (size_t i = 0; i < writer->column_count; i++)
        lx_pq_column_free(&writer->columns[i]);
    while (writer->scratches != NULL) {
        struct lx_pq_scratch *next = writer->scratches->next;
        lx_pq_scratch_free(writer->scratches);
        writer->scratches = next;
    }
    lx_free(writer->columns);
    lx_free(writer->tasks);
    lx_free(writer->groups);
    lx_free(writer->group_details);
    lx_free(writer->key_values);
    lx_pq_arena_free(&writer->arena);
    pthread_mutex_destroy(&writer->scratch_lock);
    lx_free(writer);
}

const struct lx_parquet_schema *lx_parquet_writer_schema(const struct lx_parquet_writer *writer)
{
    return &writer->schema;
}

/* -- failures ------------------------------------------------------------------------------ */

/* After the first failure nothing may be written any more: the sink may have half a page. */
enum lx_status lx_pq_writer_break(struct lx_parquet_writer *writer, enum lx_status status)
{
    if (status != LX_OK && writer->broken == LX_OK)
        writer->broken = status;
    return status;
}

static enum lx_status check_usable(const struct lx_parquet_writer *writer, struct lx_err *err)
{
    if (writer->broken != LX_OK)
        return lx_err_set(err, writer->broken, "the Parquet writer failed before");
    if (writer->finished)
        return lx_err_set(err, LX_E_BUG, "the Parquet file is finished already");
    return LX_OK;
}

/* -- encoding ------------------------------------------------------------------------------ */

static enum lx_status take_scratch(struct lx_parquet_writer *writer, struct lx_pq_scratch **scratch,
                                   struct lx_err *err)
{
    pthread_mutex_lock(&writer->scratch_lock);
    *scratch = writer->scratches;
    if (*scratch != NULL)
        writer->scratches = (*scratch)->next;
    pthread_mutex_unlock(&writer->scratch_lock);
    return *scratch != NULL ? LX_OK : lx_pq_scratch_create(scratch, err);
}

static void give_scratch(struct lx_parquet_writer *writer, struct lx_pq_scratch *scratch)
{
    pthread_mutex_lock(&writer->scratch_lock);
    scratch->next = writer->scratches;
    writer->scratches = scratch;
    pthread_mutex_unlock(&writer->scratch_lock);
}

static enum lx_status prepare_step(void *context, size_t index, struct lx_err *err)
{
    struct lx_parquet_writer *writer = context;
    struct lx_pq_scratch *scratch;
    LX_TRY(take_scratch(writer, &scratch, err));
    enum lx_status status = lx_pq_column_prepare(writer->tasks[index], writer->group_ends,
                                                 writer->round_number, scratch, err);
    give_scratch(writer, scratch);
    return status;
}

static enum lx_status encode_step(void *context, size_t index, struct lx_err *err)
{
    struct lx_pq_round *round = context;
    struct lx_pq_scratch *scratch;
    LX_TRY(take_scratch(round->writer, &scratch, err));
    enum lx_status status = lx_pq_job_encode(round->jobs[index], scratch, err);
    give_scratch(round->writer, scratch);
    return status;
}

static enum lx_status encode_values_step(void *context, size_t index, struct lx_err *err)
{
    struct lx_pq_round *round = context;
    return encode_step(round, round->by_id + index, err);
}

/* Those by number first, then large pages first, so that no thread is left alone with one at the
 * end. */
static int by_size(const void *a, const void *b)
{
    struct lx_pq_job *const *x = a, *const *y = b;
    size_t left = (*x)->page->raw_bytes, right = (*y)->page->raw_bytes;
    if ((*x)->page->by_id != (*y)->page->by_id)
        return (*x)->page->by_id ? -1 : 1;
    return left < right ? 1 : left > right ? -1 : 0;
}

static enum lx_status list_jobs(const struct lx_parquet_writer *writer, struct lx_pq_round *round)
{
    size_t at = 0;
    for (size_t i = 0; i < writer->column_count; i++)
        for (struct lx_pq_job *job = writer->columns[i].sent; job != NULL; job = job->next)
            round->job_count += job->round == round->number;
    round->jobs = lx_calloc(round->job_count, sizeof(struct lx_pq_job *));
    if (round->jobs == NULL)
        return LX_E_MEMORY;
    for (size_t i = 0; i < writer->column_count; i++)
        for (struct lx_pq_job *job = writer->columns[i].sent; job != NULL; job = job->next) {
            if (job->round != round->number)
                continue;
            round->jobs[at++] = job;
            round->by_id += job->page->by_id;
            round->raw_bytes += job->page->raw_bytes;
        }
    qsort(round->jobs, at, sizeof(struct lx_pq_job *), by_size);
    return LX_OK;
}

/* Takes the first round's pages. */
static enum lx_status collect_round(struct lx_parquet_writer *writer, struct lx_err *err)
{
    uint64_t number = writer->rounds->number;
    writer->encoded_raw_bytes += writer->rounds->raw_bytes;
    LX_TRY(end_round(writer, err));
    for (size_t i = 0; i < writer->column_count; i++)
        LX_TRY(lx_pq_column_collect(&writer->columns[i], number, err));
    return LX_OK;
}

static enum lx_status begin_round(struct lx_parquet_writer *writer, struct lx_err *err)
{
    struct lx_pq_round *round = lx_calloc(1, sizeof *round);
    if (round == NULL)
        return lx_err_memory(err);
    round->writer = writer;
    round->number = writer->round_number;
    enum lx_status status = list_jobs(writer, round);
    if (status != LX_OK)
        lx_err_memory(err);
    else
        status = lx_pool_for(writer->pool, round->by_id, encode_step, round, err);
    if (status != LX_OK) {
        lx_free(round->jobs);
        lx_free(round);
        return status;
    }
    round->loop = (struct lx_pool_loop){.step = encode_values_step,
                                        .context = round,
                                        .count = round->job_count - round->by_id,
                                        .kin = writer};
    *writer->last_round = round;
    writer->last_round = &round->next;
    writer->sent_bytes += round->raw_bytes;
    lx_pool_start(writer->pool, &round->loop);
    return LX_OK;
}

/* Sends all full pages to be encoded. Those by number need the dictionary as it is now: they are
 * encoded at once. */
static enum lx_status send_pages(struct lx_parquet_writer *writer, struct lx_err *err)
{
    size_t columns = 0;
    for (size_t i = 0; i < writer->column_count; i++)
        if (writer->columns[i].jobs != NULL)
            writer->tasks[columns++] = &writer->columns[i];
    if (columns == 0)
        return LX_OK;
    writer->round_number++;
    LX_TRY(lx_pool_for(writer->pool, columns, prepare_step, writer, err));
    return begin_round(writer, err);
}

/* -- rows ---------------------------------------------------------------------------------- */

static enum lx_status append_step(void *context, size_t index, struct lx_err *err)
{
    struct lx_parquet_writer *writer = context;
    const struct lx_pq_slice *slice = &writer->slice;
    if (slice->levels != NULL)
        return lx_pq_column_append_levels(&writer->columns[index], &slice->levels[index],
                                          &slice->cursors[index], slice->rows, err);
    return lx_pq_column_append(&writer->columns[index], slice->columns[index], slice->from,
                               slice->rows, err);
}

struct sizes {
    size_t pending, raw, encoded;
};

static struct sizes measure(const struct lx_parquet_writer *writer)
{
    struct sizes sizes = {0, 0, 0};
    for (size_t i = 0; i < writer->column_count; i++) {
        sizes.pending += writer->columns[i].pending_bytes;
        sizes.raw += writer->columns[i].raw_bytes;
        sizes.encoded += writer->columns[i].encoded_bytes;
    }
    return sizes;
}

/* File bytes that rows in memory will take. */
static int64_t expected_bytes(const struct lx_parquet_writer *writer, const struct sizes *sizes)
{
    size_t done = writer->encoded_raw_bytes, group_done = done - writer->group_start_raw;
    size_t waiting = sizes->raw > group_done ? sizes->raw - group_done : 0;
    double ratio = done != 0
                       ? (double)(writer->earlier_encoded_bytes + sizes->encoded) / (double)done
                       : RATIO_UNKNOWN;
    return (int64_t)sizes->encoded + (int64_t)((double)waiting * ratio);
}

/* After each step: send what is full, end the row group where a limit is reached. */
static enum lx_status settle(struct lx_parquet_writer *writer, struct lx_err *err)
{
    const struct lx_parquet_writer_options *options = &writer->options;
    struct sizes sizes = measure(writer);
    if (sizes.pending >= options->pending_bytes / ROUNDS) {
        LX_TRY(send_pages(writer, err));
        while (writer->sent_bytes > options->pending_bytes / ROUNDS * (ROUNDS - 1))
            LX_TRY(collect_round(writer, err));
        sizes = measure(writer);
    }
    if (writer->group_rows >= options->row_group_rows ||
        (int64_t)sizes.raw >= options->row_group_raw_bytes ||
        expected_bytes(writer, &sizes) >= options->row_group_bytes)
        return lx_pq_writer_end_group(writer, err);
    return LX_OK;
}

/* How many of the rows belong to the current step. */
static int64_t step_rows(const struct lx_parquet_writer *writer,
                         const struct lx_column *const *columns, int64_t from, int64_t rows)
{
    int64_t most = STEP_ROWS - writer->step_rows;
    int64_t left = writer->options.row_group_rows - writer->group_rows;
    most = most < left ? most : left;
    most = most < rows ? most : rows;
    int64_t low = 1, high = most;
    while (low <= high) { /* the first row that fills the step's bytes, or all */
        int64_t middle = low + (high - low) / 2;
        size_t bytes = writer->step_bytes;
        for (size_t i = 0; i < writer->column_count; i++)
            bytes += lx_pq_column_weight(&writer->columns[i], columns[i], from, middle);
        if (bytes >= STEP_BYTES)
            high = middle - 1;
        else
            low = middle + 1;
    }
    return low < most ? low : most;
}

static enum lx_status append_flat(struct lx_parquet_writer *writer,
                                  const struct lx_column *const *columns, int64_t from,
                                  int64_t rows, struct lx_err *err)
{
    for (size_t i = 0; i < writer->column_count; i++) {
        const struct lx_parquet_leaf *leaf = &writer->schema.leaves[i];
        if (leaf->max_repetition > 0 || leaf->max_definition > 1)
            return lx_err_set(err, LX_E_ARGUMENT, "column \"%s\" lies in a group: it needs levels",
                              leaf->path);
        LX_TRY(lx_pq_column_check(&writer->columns[i], columns[i], from, rows, err));
        LX_TRY(lx_pq_column_begin(&writer->columns[i], columns[i], err));
    }
    while (rows > 0) {
        int64_t n = step_rows(writer, columns, from, rows);
        writer->slice = (struct lx_pq_slice){.columns = columns, .from = from, .rows = n};
        for (size_t i = 0; i < writer->column_count; i++)
            writer->step_bytes += lx_pq_column_weight(&writer->columns[i], columns[i], from, n);
        LX_TRY(lx_pool_for(writer->pool, writer->column_count, append_step, writer, err));
        writer->step_rows += n;
        writer->group_rows += n;
        writer->rows += n;
        from += n;
        rows -= n;
        if (writer->step_rows >= STEP_ROWS || writer->step_bytes >= STEP_BYTES ||
            writer->group_rows >= writer->options.row_group_rows) {
            writer->step_rows = 0;
            writer->step_bytes = 0;
            LX_TRY(settle(writer, err));
        }
    }
    return LX_OK;
}

enum lx_status lx_parquet_writer_append(struct lx_parquet_writer *writer,
                                        const struct lx_column *const *columns, int64_t from,
                                        int64_t rows, struct lx_err *err)
{
    LX_TRY(check_usable(writer, err));
    return lx_pq_writer_break(writer, append_flat(writer, columns, from, rows, err));
}

static enum lx_status check_levels(struct lx_parquet_writer *writer,
                                   const struct lx_parquet_levels *leaves, struct lx_err *err)
{
    for (size_t i = 0; i < writer->column_count; i++) {
        const struct lx_parquet_leaf *leaf = &writer->schema.leaves[i];
        const struct lx_parquet_levels *levels = &leaves[i];
        if ((leaf->max_definition > 0 && levels->definition == NULL && levels->count > 0) ||
            (leaf->max_repetition > 0 && levels->repetition == NULL && levels->count > 0))
            return lx_err_set(err, LX_E_ARGUMENT, "column \"%s\" has no levels", leaf->path);
        if (levels->values != NULL)
            LX_TRY(lx_pq_column_check(&writer->columns[i], levels->values, 0, levels->values->rows,
                                      err));
    }
    return LX_OK;
}

/* Everything that was given must have been used: else levels and rows disagree. */
static enum lx_status check_used(struct lx_parquet_writer *writer,
                                 const struct lx_parquet_levels *leaves,
                                 const struct lx_pq_level_cursor *cursors, struct lx_err *err)
{
    for (size_t i = 0; i < writer->column_count; i++)
        if (cursors[i].level != leaves[i].count ||
            cursors[i].value != (leaves[i].values != NULL ? leaves[i].values->rows : 0))
            return lx_err_set(err, LX_E_ARGUMENT, "column \"%s\": levels or values are left over",
                              writer->schema.leaves[i].path);
    return LX_OK;
}

static enum lx_status append_nested(struct lx_parquet_writer *writer,
                                    const struct lx_parquet_levels *leaves, int64_t rows,
                                    struct lx_err *err)
{
    LX_TRY(check_levels(writer, leaves, err));
    struct lx_pq_level_cursor *cursors = lx_calloc(writer->column_count, sizeof *cursors);
    if (cursors == NULL)
        return lx_err_memory(err);
    enum lx_status status = LX_OK;
    const int64_t step = 256; /* rows of groups may be large */
    while (rows > 0 && status == LX_OK) {
        int64_t left = writer->options.row_group_rows - writer->group_rows;
        int64_t room = step - writer->group_rows % step;
        int64_t n = room < left ? room : left;
        n = n < rows ? n : rows;
        writer->slice = (struct lx_pq_slice){.levels = leaves, .cursors = cursors, .rows = n};
        status = lx_pool_for(writer->pool, writer->column_count, append_step, writer, err);
        writer->group_rows += n;
        writer->rows += n;
        rows -= n;
        if (status == LX_OK && (writer->group_rows % step == 0 ||
                                writer->group_rows >= writer->options.row_group_rows))
            status = settle(writer, err);
    }
    if (status == LX_OK)
        status = check_used(writer, leaves, cursors, err);
    lx_free(cursors);
    return status;
}

enum lx_status lx_parquet_writer_append_levels(struct lx_parquet_writer *writer,
                                               const struct lx_parquet_levels *leaves, int64_t rows,
                                               struct lx_err *err)
{
    LX_TRY(check_usable(writer, err));
    return lx_pq_writer_break(writer, append_nested(writer, leaves, rows, err));
}

/* -- the end of a row group ---------------------------------------------------------------- */

static enum lx_status finish_step(void *context, size_t index, struct lx_err *err)
{
    struct lx_parquet_writer *writer = context;
    struct lx_pq_scratch *scratch;
    LX_TRY(take_scratch(writer, &scratch, err));
    enum lx_status status = lx_pq_column_finish(&writer->columns[index], scratch, err);
    give_scratch(writer, scratch);
    return status;
}

enum lx_status lx_pq_writer_end_group(struct lx_parquet_writer *writer, struct lx_err *err)
{
    if (writer->group_rows == 0)
        return LX_OK;
    for (size_t i = 0; i < writer->column_count; i++)
        LX_TRY(lx_pq_column_close_page(&writer->columns[i], err));
    writer->group_ends = true;
    LX_TRY(send_pages(writer, err));
    while (writer->rounds != NULL)
        LX_TRY(collect_round(writer, err));
    LX_TRY(lx_pool_for(writer->pool, writer->column_count, finish_step, writer, err));
    writer->group_ends = false;
    writer->earlier_encoded_bytes += measure(writer).encoded;
    LX_TRY(lx_pq_writer_write_group(writer, err));
    for (size_t i = 0; i < writer->column_count; i++)
        lx_pq_column_next_group(&writer->columns[i]);
    writer->group_start_raw = writer->encoded_raw_bytes;
    writer->group_rows = writer->step_rows = 0;
    writer->step_bytes = 0;
    return LX_OK;
}

enum lx_status lx_parquet_writer_flush(struct lx_parquet_writer *writer, struct lx_err *err)
{
    LX_TRY(check_usable(writer, err));
    return lx_pq_writer_break(writer, lx_pq_writer_end_group(writer, err));
}

int64_t lx_parquet_writer_rows(const struct lx_parquet_writer *writer)
{
    return writer->rows;
}

int64_t lx_parquet_writer_bytes(const struct lx_parquet_writer *writer)
{
    if (writer->finished)
        return writer->written;
    struct sizes sizes = measure(writer);
    return writer->written + expected_bytes(writer, &sizes);
}

enum lx_status lx_parquet_writer_metadata(struct lx_parquet_writer *writer, struct lx_str key,
                                          struct lx_str value, struct lx_err *err)
{
    LX_TRY(check_usable(writer, err));
    struct lx_str own_key = {lx_pq_arena_text(&writer->arena, key), key.len};
    struct lx_str own_value = {lx_pq_arena_text(&writer->arena, value), value.len};
    if (own_key.ptr == NULL || own_value.ptr == NULL)
        return lx_err_memory(err);
    for (size_t i = 0; i < writer->key_value_count; i++) {
        if (lx_str_equal(writer->key_values[i].key, key)) {
            writer->key_values[i].value = own_value;
            return LX_OK;
        }
    }
    size_t count = writer->key_value_count + 1;
    struct lx_parquet_key_value *fresh =
        lx_realloc(writer->key_values, count * sizeof *writer->key_values);
    if (fresh == NULL)
        return lx_err_memory(err);
    fresh[count - 1] = (struct lx_parquet_key_value){own_key, own_value};
    writer->key_values = fresh;
    writer->key_value_count = count;
    return LX_OK;
}
