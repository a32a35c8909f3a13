/* Files of a batch while they are written: names, encoding, which rows are whose. */
#include "archive/batch.h"

#include "archive/file_scan.h"
#include "archive/file_stats.h"
#include "base/alloc.h"
#include "base/civil.h"
#include "base/mutant.h"
#include "ledger/ledger_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define ROW_GROUP_ROWS 131072
#define ROW_GROUP_BYTES (32 * LX_MIB)
#define ROW_GROUP_RAW_BYTES (384 * LX_MIB)
#define PENDING_BYTES (24 * LX_MIB)
/* Of the run's memory: one part of so many for the pages of all columns, and for their
 * dictionaries. Wide tables get smaller ones. The scans that prove the file may take half of
 * the memory, and hold a page of each column twice, as it is stored and as it is, and its
 * dictionary. */
#define PAGES_SHARE 8
#define DICTIONARIES_SHARE 16
#define LARGEST_DICTIONARY LX_MIB
#define LEAST_DICTIONARY (16 * LX_KIB)
#define USUAL_MEMORY ((int64_t)(256 * LX_MIB)) /* of a run: what these sizes are meant for */
#define HASHES_SHARE                                                                               \
    8 /* of a run's memory, for the hashes of one file's rows: one part of so many */
/* Of reading a column back, as file_scan.c has it; and what zstd takes for one. */
#define SCAN_ROWS 16384
#define SCAN_PIECE LX_MIB
#define SCAN_UNPACKING (128 * LX_KIB)
#define FOOTER_FACTOR 4 /* how much larger it is when it was parsed */

/* -- names --------------------------------------------------------------------------------- */

/* PREFIX/YYYY-MM/events_YYYYMMDD_HHMMSS.parquet: month of the events, time of the run, UTC; then
 * _1, _2, …: */
static enum lx_status make_key(struct lx_run *run, int64_t month, int number, char key[LX_MAX_NAME],
                               struct lx_err *err)
{
    struct lx_civil now = lx_civil_of_ms(run->started_ms);
    char suffix[16] = "";
    if (number > 0)
        snprintf(suffix, sizeof suffix, "_%d", number);
    int size =
        snprintf(key, LX_MAX_NAME, "%s/%04lld-%02d/%s_%04lld%02u%02u_%02u%02u%02u%s.parquet",
                 run->o->prefix, (long long)lx_floor_div(month, 12),
                 (int)(month - lx_floor_div(month, 12) * 12) + 1, run->word, (long long)now.year,
                 now.month, now.day, now.hour, now.minute, now.second, suffix);
    return size > 0 && size < LX_MAX_NAME
               ? LX_OK
               : lx_err_set(err, LX_E_LIMIT, "the name of a file is too long: %s", key);
}

/* A name that another writer took is skipped: the conditional PUT decides. So is one that the log
 * lists, whatever the store says, or ever listed (vacuum took what another writer of this second
 * had left). */
static enum lx_status next_key(struct lx_run *run, int64_t month, char key[LX_MAX_NAME],
                               struct lx_err *err)
{
    size_t i = 0;
    while (i < run->month_count && run->months[i].month != month)
        i++;
    if (i == run->month_count) {
        struct lx_month_name *grown = lx_realloc(run->months, (i + 1) * sizeof *grown);
        if (grown == NULL)
            return lx_err_memory(err);
        run->months = grown;
        run->months[run->month_count++] = (struct lx_month_name){.month = month};
    }
    do
        LX_TRY(make_key(run, month, run->months[i].next++, key, err));
    while (lx_ledger_file(run->o->ledger, key) != NULL ||
           lx_ledger_was_removed(run->o->ledger, key));
    return LX_OK;
}

/* -- opening ------------------------------------------------------------------------------- */

/* For tests: one bit of each larger piece is wrong. */
static enum lx_status write_flipped(struct lx_upload *upload, const void *bytes, size_t size,
                                    struct lx_err *err)
{
    uint8_t *copy = lx_malloc(size + 1);
    if (copy == NULL)
        return lx_err_memory(err);
    memcpy(copy, bytes, size);
    if (size > 64)
        copy[size / 2] ^= 1;
    enum lx_status status = lx_store_upload_write(upload, copy, size, err);
    lx_free(copy);
    return status;
}

enum lx_status lx_batch_rename_file(struct lx_batch_file *file, struct lx_err *err)
{
    LX_TRY(next_key(file->batch->run, file->month, file->key, err));
    return lx_store_upload_rekey(file->upload, file->key, err);
}

static enum lx_status sink_write(void *self, const void *bytes, size_t size, struct lx_err *err)
{
    struct lx_batch_file *file = self;
    enum lx_status status = lx_mutant("flip-encoded")
                                ? write_flipped(file->upload, bytes, size, err)
                                : lx_store_upload_write(file->upload, bytes, size, err);
    for (int tried = 0; status == LX_E_EXISTS && tried < LX_MAX_NAMES_TRIED; tried++) {
        LX_TRY(lx_batch_rename_file(file, err));
        status = lx_store_upload_write(file->upload, NULL, 0, err);
    }
    return status;
}

static bool wants_bloom(const struct lx_archive_options *o, const struct lx_field *field)
{
    for (size_t i = 0; i < o->bloom_count; i++)
        if (strcmp(o->bloom_columns[i], field->name) == 0)
            return true;
    return o->bloom_uuids && field->type.kind == LX_CH_UUID;
}

/* Of each row of a file its hash and segment are kept until it is proven; and while one file is
 * proven, the next is written. */
static int64_t max_file_rows(const struct lx_archive_options *o)
{
    return o->memory_bytes / HASHES_SHARE / (int64_t)(sizeof(uint64_t) + sizeof(uint32_t));
}

/* `bytes` are meant for the usual budget. */
static int64_t share(const struct lx_archive_options *o, size_t bytes)
{
    if (o->memory_bytes >= USUAL_MEMORY)
        return (int64_t)bytes;
    return (int64_t)((double)bytes * (double)o->memory_bytes / (double)USUAL_MEMORY);
}

static size_t dictionary_bytes(const struct lx_archive_options *o, size_t leaves)
{
    size_t bytes = (size_t)o->memory_bytes / DICTIONARIES_SHARE / leaves;
    return bytes > LARGEST_DICTIONARY ? LARGEST_DICTIONARY
           : bytes > LEAST_DICTIONARY ? bytes
                                      : LEAST_DICTIONARY;
}

static enum lx_status put_metadata(const struct lx_batch_file *file, struct lx_err *err)
{
    const struct lx_batch *batch = file->batch;
    const struct lx_run *run = batch->run;
    const struct {
        const char *key;
        struct lx_str value;
    } pairs[] = {
        {"lynex.batch", lx_str_of(batch->id)},
        {"lynex.source", lx_str_of(run->source)},
        {"lynex.schema", lx_buf_view(&batch->schema_json)},
        {"lynex.schema.id", lx_str_of(batch->schema->id)},
        {"lynex.create", lx_str_of(run->table->create_sql)},
        {"lynex.time_column", lx_str_of(run->table->time_column)},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        LX_TRY(
            lx_parquet_writer_metadata(file->writer, lx_str_of(pairs[i].key), pairs[i].value, err));
    return LX_OK;
}

/* Trials cost as much as a tenth of what they save in a file: what was found out is asked again
 * after so many rows only, since rows of another year may be of another kind. */
#define CHOICES_ROWS ((int64_t)8 << 20)

static const struct lx_parquet_choices *known_choices(const struct lx_run *run,
                                                      const struct lx_row_schema *schema)
{
    bool known = strcmp(run->choices_schema, schema->id) == 0 && run->choices_rows < CHOICES_ROWS;
    return known ? run->choices : NULL;
}

static enum lx_status remember_choices(const struct lx_batch_file *file, struct lx_err *err)
{
    struct lx_run *run = file->batch->run;
    const struct lx_row_schema *schema = file->batch->schema;
    if (known_choices(run, schema) == NULL)
        run->choices_rows = 0;
    lx_parquet_choices_free(run->choices);
    run->choices = NULL;
    LX_TRY(lx_parquet_writer_choices(file->writer, &run->choices, err));
    memcpy(run->choices_schema, schema->id, sizeof run->choices_schema);
    run->choices_rows += (int64_t)file->rows;
    return LX_OK;
}

static enum lx_status create_writer(struct lx_batch_file *file, struct lx_err *err)
{
    const struct lx_batch *batch = file->batch;
    const struct lx_archive_options *o = batch->run->o;
    size_t leaves = batch->schema->field_count + 1;
    const struct lx_parquet_sink sink = {sink_write, file};
    struct lx_parquet_column_options *columns = lx_calloc(leaves, sizeof *columns);
    if (columns == NULL)
        return lx_err_memory(err);
    for (size_t i = 0; i + 1 < leaves; i++)
        columns[i].bloom = wants_bloom(o, &batch->schema->fields[i]);
    columns[leaves - 1].leave_out_empty = true;
    const struct lx_parquet_writer_options options = {
        .profile = o->profile,
        .effort = o->effort,
        .row_group_rows = ROW_GROUP_ROWS,
        .row_group_bytes = share(o, ROW_GROUP_BYTES),
        .row_group_raw_bytes = share(o, ROW_GROUP_RAW_BYTES),
        .pending_bytes = (size_t)share(o, PENDING_BYTES),
        .open_bytes = (size_t)o->memory_bytes / PAGES_SHARE,
        .dictionary_bytes = dictionary_bytes(o, leaves),
        .columns = columns,
        .choices = known_choices(batch->run, batch->schema),
    };
    enum lx_status status = lx_parquet_writer_create(batch->fields, leaves, &options, &sink,
                                                     o->pool, &file->writer, err);
    lx_free(columns);
    return status;
}

static enum lx_status begin_file(struct lx_batch *batch, struct lx_err *err)
{
    struct lx_batch_file *file = lx_calloc(1, sizeof *file);
    const struct lx_put put = {.if_absent = true, .data = true};
    if (file == NULL)
        return lx_err_memory(err);
    batch->file = file;
    *file = (struct lx_batch_file){
        .batch = batch, .number = batch->file_number++, .month = batch->what->month};
    LX_TRY(next_key(batch->run, file->month, file->key, err));
    LX_TRY(lx_store_upload_begin(batch->run->o->store, file->key, &put, &file->upload, err));
    LX_TRY(create_writer(file, err));
    return put_metadata(file, err);
}

void lx_batch_file_free(struct lx_batch_file *file)
{
    if (file == NULL)
        return;
    lx_parquet_writer_destroy(file->writer);
    lx_store_upload_abort(file->upload);
    lx_proof_free(file->proof);
    lx_free(file->hashes);
    lx_free(file->segment_of);
    lx_free(file->ranges);
    lx_free(file->stats);
    lx_free(file->tags);
    lx_free(file);
}

/* -- rows ---------------------------------------------------------------------------------- */

static enum lx_status keep_hashes(struct lx_batch *batch, const uint64_t *hashes,
                                  const uint32_t *segment_of, size_t rows, struct lx_err *err)
{
    struct lx_batch_file *file = batch->file;
    if (file->rows + rows > file->cap) {
        size_t cap = file->cap + file->cap / 2;
        if (cap < file->rows + rows)
            cap = file->rows + rows;
        uint64_t *grown = lx_realloc(file->hashes, cap * sizeof *grown);
        if (grown != NULL)
            file->hashes = grown;
        uint32_t *of =
            batch->any_side ? lx_realloc(file->segment_of, cap * sizeof *file->segment_of) : NULL;
        if (of != NULL)
            file->segment_of = of;
        if (grown == NULL || (batch->any_side && of == NULL))
            return lx_err_memory(err);
        file->cap = cap;
    }
    memcpy(file->hashes + file->rows, hashes, rows * sizeof *hashes);
    if (batch->any_side)
        memcpy(file->segment_of + file->rows, segment_of, rows * sizeof *segment_of);
    return LX_OK;
}

static enum lx_status add_range(struct lx_batch_file *file, uint32_t segment, int64_t first,
                                int64_t rows, struct lx_err *err)
{
    struct lx_file_range *last =
        file->range_count > 0 ? &file->ranges[file->range_count - 1] : NULL;
    if (last != NULL && last->segment == segment && last->first + last->rows == first) {
        last->rows += rows;
        return LX_OK;
    }
    if (file->range_count == file->range_cap) {
        size_t cap = file->range_cap != 0 ? file->range_cap * 2 : 4;
        struct lx_file_range *grown = lx_realloc(file->ranges, cap * sizeof *grown);
        if (grown == NULL)
            return lx_err_memory(err);
        file->ranges = grown;
        file->range_cap = cap;
    }
    file->ranges[file->range_count++] = (struct lx_file_range){segment, first, rows};
    return LX_OK;
}

/* Sums, and where the rows lie. */
static enum lx_status count_rows(const struct lx_batch *batch, const uint64_t *hashes,
                                 const uint32_t *segment_of, size_t rows, struct lx_err *err)
{
    int64_t first = (int64_t)batch->file->rows;
    for (size_t i = 0; i < rows;) {
        struct lx_batch_segment *segment = &batch->segments[segment_of[i]];
        size_t end = i;
        uint64_t sum = 0, xor = 0;
        for (; end < rows && segment_of[end] == segment_of[i]; end++) {
            sum += hashes[end];
            xor ^= hashes[end];
        }
        segment->rows += (int64_t)(end - i);
        segment->file_rows += (int64_t)(end - i);
        segment->sum += sum;
        segment->file_sum += sum;
        segment->xor ^= xor;
        segment->file_xor ^= xor;
        if (!segment->side)
            LX_TRY(
                add_range(batch->file, segment_of[i], first + (int64_t)i, (int64_t)(end - i), err));
        i = end;
    }
    return LX_OK;
}

/* The rest of a batch is cut into files of one size: no small file comes last, and while one is
 * proven, another as large is written. */
static bool is_full(const struct lx_batch *batch)
{
    const struct lx_archive_options *o = batch->run->o;
    const struct lx_batch_file *file = batch->file;
    int64_t rows = (int64_t)file->rows, left = batch->what->rows - batch->rows;
    int64_t bytes = lx_parquet_writer_bytes(file->writer);
    if ((o->file_rows > 0 && rows >= o->file_rows) || bytes >= o->file_bytes ||
        rows >= max_file_rows(o))
        return true;
    if (left <= 0 || rows == 0)
        return false;
    double all = (double)bytes * (1 + (double)left / (double)rows);
    double files = ceil(all / (double)o->file_bytes);
    return files > 1 && (double)bytes >= all / files;
}

enum lx_status lx_batch_append(struct lx_batch *batch, const struct lx_column *const *columns,
                               int64_t from, int64_t rows, const uint64_t *hashes,
                               const uint32_t *segment_of, struct lx_err *err)
{
    struct lx_run *run = batch->run;
    while (rows > 0) {
        int64_t now = rows, limit = run->o->file_rows;
        if (batch->file == NULL)
            LX_TRY(begin_file(batch, err));
        if (limit > 0 && now > limit - (int64_t)batch->file->rows)
            now = limit - (int64_t)batch->file->rows;
        int64_t before = lx_run_ms(run);
        LX_TRY(keep_hashes(batch, hashes, segment_of, (size_t)now, err));
        LX_TRY(count_rows(batch, hashes, segment_of, (size_t)now, err));
        batch->file->rows += (size_t)now;
        batch->rows += now;
        LX_TRY(lx_parquet_writer_append(batch->file->writer, columns, from, now, err));
        run->report->encode_ms += lx_run_ms(run) - before;
        from += now;
        rows -= now;
        hashes += now;
        segment_of += now;
        if (is_full(batch))
            LX_TRY(lx_batch_end_file(batch, err));
    }
    return LX_OK;
}

/* -- ending a file ------------------------------------------------------------------------- */

/* What the file holds of each segment, as first written: for `ledger rebuild`. Late rows, found by
 * reconcile, lie in no one part: their partition is null. */
static enum lx_status put_segments(struct lx_batch *batch, struct lx_err *err)
{
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < batch->segment_count; i++) {
        struct lx_batch_segment *s = &batch->segments[i];
        char sum[24], xor[24];
        if (s->file_rows == 0)
            continue;
        snprintf(sum, sizeof sum, "%llu", (unsigned long long)s->file_sum);
        snprintf(xor, sizeof xor, "%llu", (unsigned long long)s->file_xor);
        json_t *one = json_pack(
            "{s:s?,s:I,s:I,s:I,s:s,s:s}", "partition", s->slice->part->partition, "min",
            (json_int_t)s->slice->part->min_block, "max", (json_int_t)s->slice->part->max_block,
            "rows", (json_int_t)s->file_rows, "sum", sum, "xor", xor);
        bool good = one != NULL;
        if (good && s->from != LX_TIME_FIRST)
            good = json_object_set_new(one, "from", json_integer(s->from)) == 0;
        if (good && s->to != LX_TIME_LAST)
            good = json_object_set_new(one, "to", json_integer(s->to)) == 0;
        s->file_rows = 0; /* of the next file */
        s->file_sum = s->file_xor = 0;
        if (!good)
            json_decref(one);
        if (!good || json_array_append_new(list, one) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    struct lx_buf text = LX_BUF(64 * LX_MIB);
    enum lx_status status =
        list != NULL ? lx_ledger_json_dump(list, &text, err) : lx_err_memory(err);
    json_decref(list);
    if (status == LX_OK)
        status = lx_parquet_writer_metadata(batch->file->writer, LX_STR("lynex.segments"),
                                            lx_buf_view(&text), err);
    lx_buf_free(&text);
    return status;
}

static size_t largest_chunk(const struct lx_parquet_file_info *info, size_t column)
{
    int64_t largest = 0;
    for (size_t g = 0; g < info->row_group_count; g++) {
        int64_t bytes = info->row_groups[g].chunks[column].bytes;
        largest = bytes > largest ? bytes : largest;
    }
    return (size_t)largest;
}

/* The largest row group that is read back at once. */
static size_t largest_group(const struct lx_parquet_file_info *info, size_t scan_memory)
{
    size_t most = lx_file_scan_group_max(scan_memory), largest = 0;
    for (size_t g = 0; g < info->row_group_count; g++) {
        size_t bytes = (size_t)info->row_groups[g].bytes;
        if (bytes <= most && bytes > largest)
            largest = bytes;
    }
    return largest;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* What reading the file back takes, about: the footer as it is parsed, a row group as it is stored,
 * of each column a piece or a page as it is stored, a page as it is, values and their hashes.
 * Buffers grow by an eighth; values lie in one batch, of average rows or of the largest page. */
static size_t scan_memory(const struct lx_batch_file *file, const struct lx_parquet_file_info *info)
{
    size_t rows = file->rows > 0 ? file->rows : 1;
    size_t memory = (size_t)file->batch->run->o->memory_bytes / LX_SCAN_SHARE;
    size_t all = (size_t)info->bytes <= LX_FILE_SCAN_AT_ONCE ? (size_t)info->bytes
                                                             : largest_group(info, memory);
    all += (size_t)(info->bytes - info->footer_offset) * FOOTER_FACTOR;
    all += smaller(info->column_count * SCAN_ROWS * sizeof *file->hashes,
                   lx_file_scan_group_max(memory));
    for (size_t i = 0; i < info->column_count; i++) {
        const struct lx_parquet_column_info *column = &info->columns[i];
        size_t batch = 2 * ((size_t)column->raw_bytes / rows * smaller(rows, SCAN_ROWS));
        size_t page = (size_t)column->largest_page, stored = largest_chunk(info, i);
        size_t piece = smaller(stored, page > SCAN_PIECE ? page : SCAN_PIECE);
        all += piece + piece / 8 + page + page / 8 + (batch > page ? batch : page) + SCAN_UNPACKING;
    }
    return all;
}

size_t lx_batch_proof_shares(const struct lx_proof_room *room)
{
    size_t shares = smaller(smaller(room->threads, room->row_groups), LX_PROOF_MAX_SHARES);
    while (shares > 1 && room->hashes + shares * room->scan > room->most)
        shares--;
    return shares > 1 ? shares : 1;
}

/* Is it the last of a plan's? Nothing is read or encoded beside its proof. */
static bool is_last(const struct lx_batch *batch)
{
    const struct lx_plan *plan = batch->plan;
    return plan != NULL && plan->batch_count > 0 &&
           batch->what == &plan->batches[plan->batch_count - 1] && batch->rows >= batch->what->rows;
}

/* Memory that the file takes until it is taken in: its hashes, and what its proof takes. */
static void plan_proof(struct lx_batch_file *file, const struct lx_parquet_file_info *info)
{
    const struct lx_archive_options *o = file->batch->run->o;
    struct lx_proof_room room = {
        .threads = lx_pool_threads(o->pool),
        .row_groups = info->row_group_count,
        .hashes = file->cap * sizeof *file->hashes,
        .scan = scan_memory(file, info),
        .most = (size_t)o->memory_bytes / LX_BACKGROUND_SHARE,
    };
    if (file->segment_of != NULL)
        room.hashes += file->cap * sizeof *file->segment_of;
    bool by_one_request = (size_t)info->bytes <= LX_FILE_SCAN_AT_ONCE;
    file->shares = is_last(file->batch) && !by_one_request ? lx_batch_proof_shares(&room) : 1;
    file->scan = room.scan;
    file->memory = room.hashes + file->shares * file->scan;
}

/* Writes the end of the file, and keeps of the writer what is needed later: its memory is for the
 * next file. */
static enum lx_status finish_file(struct lx_batch_file *file, struct lx_err *err)
{
    const struct lx_parquet_file_info *info = NULL;
    LX_TRY(lx_parquet_writer_finish(file->writer, &info, err));
    plan_proof(file, info);
    file->stats = lx_file_stats(file->batch->fields, info);
    if (file->stats == NULL)
        return lx_err_memory(err);
    file->tags = lx_file_bloom_tag(info);
    LX_TRY(remember_choices(file, err));
    lx_parquet_writer_destroy(file->writer);
    file->writer = NULL;
    return LX_OK;
}

enum lx_status lx_batch_end_file(struct lx_batch *batch, struct lx_err *err)
{
    struct lx_run *run = batch->run;
    struct lx_batch_file *file = batch->file;
    if (file == NULL)
        return LX_OK;
    int64_t before = lx_run_ms(run);
    LX_TRY(lx_run_step(run, LX_STEP_UPLOAD, err));
    LX_TRY(put_segments(batch, err));
    LX_TRY(finish_file(file, err));
    run->report->encode_ms += lx_run_ms(run) - before;
    batch->file = NULL;
    lx_files_hand_over(file);
    return lx_batch_failure(batch, err);
}
