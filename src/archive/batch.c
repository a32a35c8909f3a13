/* One batch: its rows streamed from ClickHouse into files, then committed. */
#include "archive/batch.h"

#include "base/alloc.h"
#include "base/civil.h"
#include "base/mutant.h"
#include "ledger/ledger_json.h"

#include <stdlib.h>

/* -- opening and closing ------------------------------------------------------------------- */

enum lx_status lx_batch_open(struct lx_run *run, const struct lx_plan *plan,
                             const struct lx_batch_plan *what, struct lx_batch *batch,
                             struct lx_err *err)
{
    *batch = (struct lx_batch){.run = run,
                               .plan = plan,
                               .what = what,
                               .schema = run->schema,
                               .table_number = run->table_number};
    batch->schema_json.max = 64 * LX_MIB;
    lx_ledger_new_id(&run->o->random, batch->id);
    batch->fields = lx_calloc(batch->schema->field_count + 1, sizeof *batch->fields);
    if (batch->fields == NULL)
        return lx_err_memory(err);
    json_t *json = NULL;
    LX_TRY(lx_row_schema_parquet(batch->schema, batch->fields, err));
    LX_TRY(lx_to_file_create(batch->schema, &batch->to_file, err));
    LX_TRY(lx_row_schema_to_json(batch->schema, &json, err));
    enum lx_status status = lx_ledger_json_dump(json, &batch->schema_json, err);
    json_decref(json);
    return status;
}

void lx_batch_close(struct lx_batch *batch)
{
    lx_batch_free_files(batch);
    lx_to_file_free(batch->to_file);
    lx_free(batch->fields);
    for (size_t i = 0; i < batch->segment_count; i++) {
        for (size_t w = 0; w < batch->segments[i].where_count; w++)
            lx_free(batch->segments[i].where[w].path);
        lx_free(batch->segments[i].where);
    }
    lx_free(batch->segments);
    lx_free(batch->first_segment);
    lx_buf_free(&batch->schema_json);
}

/* -- segments ------------------------------------------------------------------------------ */

/* Rows that stay hot for a while are cut at days, so that they can go day by day. */
static size_t cuts_of(const struct lx_run *run, const struct lx_slice *slice)
{
    int64_t from = slice->from > run->aged ? slice->from : run->aged;
    if (slice->to <= run->aged)
        return 1;
    size_t days = 0;
    for (int64_t day = from; day < slice->to;
         day = (lx_floor_div(day, LX_DAY_SECONDS) + 1) * LX_DAY_SECONDS)
        days++;
    return days + (slice->from < run->aged);
}

static void cut_slice(struct lx_batch *batch, size_t index)
{
    const struct lx_slice *slice = &batch->what->slices[index];
    int64_t from = slice->from, aged = batch->run->aged;
    batch->first_segment[index] = batch->segment_count;
    while (from < slice->to) {
        int64_t to = from < aged ? aged : (lx_floor_div(from, LX_DAY_SECONDS) + 1) * LX_DAY_SECONDS;
        if (to > slice->to)
            to = slice->to;
        bool side = to > batch->run->due;
        batch->segments[batch->segment_count++] =
            (struct lx_batch_segment){.slice = slice, .from = from, .to = to, .side = side};
        batch->any_side = batch->any_side || side;
        from = to;
    }
}

static enum lx_status make_segments(struct lx_batch *batch, struct lx_err *err)
{
    size_t count = 0, slices = batch->what->slice_count;
    for (size_t i = 0; i < slices; i++)
        count += cuts_of(batch->run, &batch->what->slices[i]);
    batch->segments = lx_calloc(count, sizeof *batch->segments);
    batch->first_segment = lx_calloc(slices + 1, sizeof *batch->first_segment);
    if (batch->segments == NULL || batch->first_segment == NULL)
        return lx_err_memory(err);
    for (size_t i = 0; i < slices; i++)
        cut_slice(batch, i);
    batch->first_segment[slices] = batch->segment_count;
    assert(batch->segment_count <= count);
    return LX_OK;
}

/* -- reading ------------------------------------------------------------------------------- */

static enum lx_status unreadable(const struct lx_batch *batch, const struct lx_hot_rows *rows,
                                 struct lx_err *err)
{
    struct lx_buf key = LX_BUF(2048);
    lx_row_text(batch->run, batch->schema, rows->columns, rows->unreadable_row, &key);
    lx_err_set(
        err, LX_E_UNSUPPORTED,
        "the column %s holds a value that its JSON text does not bring back, in the row with "
        "%s",
        rows->unreadable_name, lx_buf_cstr(&key));
    lx_err_hint(err, "nothing of this batch was archived or deleted; change or delete that row, or "
                     "convert the column to a type that is carried as it is");
    lx_buf_free(&key);
    return LX_E_UNSUPPORTED;
}

/* Which segment does each row belong to? Rows of other months than the plan's mean that the table
 * changed. */
static enum lx_status find_segments(const struct lx_batch *batch, size_t first_slice,
                                    const struct lx_hot_rows *rows, uint32_t *segment_of,
                                    struct lx_err *err)
{
    int64_t year = lx_floor_div(batch->what->month, 12);
    int64_t month = batch->what->month - year * 12;
    int64_t low = lx_civil_days(year, (unsigned)month + 1, 1) * LX_DAY_SECONDS;
    int64_t high =
        lx_civil_days(month == 11 ? year + 1 : year, month == 11 ? 1 : (unsigned)month + 2, 1) *
        LX_DAY_SECONDS;
    for (int64_t row = 0; row < rows->rows; row++) {
        size_t slice = first_slice + rows->part_of[row];
        size_t at = batch->first_segment[slice], end = batch->first_segment[slice + 1];
        if (rows->seconds[row] < low || rows->seconds[row] >= high)
            return lx_err_set(err, LX_E_AGAIN, "rows of another month came than were planned");
        while (at + 1 < end && rows->seconds[row] >= batch->segments[at].to)
            at++;
        segment_of[row] = (uint32_t)at;
    }
    return LX_OK;
}

/* For tests: one bit of the last column of fixed width is wrong, as by bad memory. */
static void flip_value(const struct lx_batch *batch, const struct lx_hot_rows *rows)
{
    for (size_t i = batch->schema->field_count; i > 0; i--) {
        const struct lx_column *column = rows->columns[i - 1];
        if (column->shape == LX_COLUMN_FIXED && column->width >= 4 && column->rows > 0) {
            column->values[(size_t)(column->rows / 2) * column->width] ^= 4;
            return;
        }
    }
}

/* Between two blocks and while the next is waited for: what became of the files that are under way.
 * A batch that lost one needs no more rows. */
static enum lx_status keep_up(struct lx_batch *batch, struct lx_err *err)
{
    lx_files_take_in(batch->run, false);
    LX_TRY(lx_flight_poll(batch->run->flight, err));
    return lx_batch_failure(batch, err);
}

/* The same, while the next rows are waited for: what it takes is not the time of reading. */
static enum lx_status keep_up_aside(void *context, struct lx_err *err)
{
    struct lx_batch *batch = context;
    int64_t before = lx_run_ms(batch->run);
    enum lx_status status = keep_up(batch, err);
    batch->aside_ms += lx_run_ms(batch->run) - before;
    return status;
}

static enum lx_status take_rows(struct lx_batch *batch, size_t first_slice,
                                const struct lx_hot_rows *rows, uint32_t **segment_of, size_t *cap,
                                struct lx_err *err)
{
    const struct lx_column *const *columns = NULL;
    struct lx_run *run = batch->run;
    LX_TRY(keep_up(batch, err));
    if (rows->unreadable_row >= 0)
        return unreadable(batch, rows, err);
    if ((size_t)rows->rows > *cap) {
        uint32_t *grown = lx_realloc(*segment_of, (size_t)rows->rows * sizeof *grown);
        if (grown == NULL)
            return lx_err_memory(err);
        *segment_of = grown;
        *cap = (size_t)rows->rows;
    }
    LX_TRY(find_segments(batch, first_slice, rows, *segment_of, err));
    if (lx_mutant("flip-value"))
        flip_value(batch, rows);
    int64_t before = lx_run_ms(run);
    LX_TRY(lx_to_file_convert(batch->to_file, rows->columns, rows->rows, &columns, err));
    run->report->encode_ms += lx_run_ms(run) - before;
    LX_TRY(lx_batch_append(batch, columns, 0, rows->rows, rows->hashes, *segment_of, err));
    LX_TRY(lx_batch_failure(batch, err)); /* of a file of these rows, without a thread */
    struct lx_event event = {
        .kind = LX_EVENT_PROGRESS, .rows = rows->rows, .total = run->report->planned_rows};
    lx_run_tell(run, &event);
    int64_t bytes = 0;
    for (size_t i = 0; run->o->max_read_bytes > 0 && i < batch->schema->field_count; i++)
        bytes += (int64_t)lx_column_bytes(rows->columns[i]);
    return lx_run_pace(run, bytes, err);
}

/* Slices of one range are read by one query: [first, last). */
static enum lx_status read_slices(struct lx_batch *batch, size_t first, size_t last,
                                  struct lx_err *err)
{
    const struct lx_hot *hot = &batch->run->o->hot;
    const struct lx_slice *slices = batch->what->slices;
    const char **parts = lx_calloc(last - first, sizeof *parts);
    struct lx_hot_stream *stream = NULL;
    uint32_t *segment_of = NULL;
    size_t cap = 0;
    if (parts == NULL)
        return lx_err_memory(err);
    for (size_t i = first; i < last; i++)
        parts[i - first] = slices[i].part->name;
    const struct lx_hot_read read = {.parts = parts,
                                     .part_count = last - first,
                                     .schema = batch->schema,
                                     .from = slices[first].from,
                                     .to = slices[first].to,
                                     .hash_to = UINT64_MAX,
                                     .waiting = keep_up_aside,
                                     .context = batch};
    enum lx_status status = hot->ops->read(hot->self, &read, &stream, err);
    while (status == LX_OK) {
        struct lx_hot_rows rows = {0};
        int64_t before = lx_run_ms(batch->run);
        batch->aside_ms = 0;
        status = hot->ops->next(hot->self, stream, &rows, err);
        batch->run->report->read_ms += lx_run_ms(batch->run) - before - batch->aside_ms;
        if (status != LX_OK || rows.rows == 0)
            break;
        status = take_rows(batch, first, &rows, &segment_of, &cap, err);
    }
    if (stream != NULL)
        hot->ops->end(hot->self, stream);
    lx_free(segment_of);
    lx_free(parts);
    return status;
}

/* Fewer rows than planned: the part is gone. More: an update moved some into the range. */
static enum lx_status check_counts(const struct lx_batch *batch, struct lx_err *err)
{
    for (size_t i = 0; i < batch->what->slice_count; i++) {
        int64_t rows = 0;
        for (size_t s = batch->first_segment[i]; s < batch->first_segment[i + 1]; s++)
            rows += batch->segments[s].rows;
        if (rows != batch->what->slices[i].rows)
            return lx_err_set(err, LX_E_AGAIN,
                              "the part %s had %lld rows when they were read, %lld "
                              "when it was planned",
                              batch->what->slices[i].part->name, (long long)rows,
                              (long long)batch->what->slices[i].rows);
    }
    return LX_OK;
}

/* A batch's rows are of the table that had the name when it was opened; what is known of the table
 * is of the one that has it now. */
static enum lx_status check_table(const struct lx_batch *batch, struct lx_err *err)
{
    if (batch->table_number == batch->run->table_number || lx_mutant("table-may-change"))
        return LX_OK;
    return lx_err_set(err, LX_E_AGAIN, "the table changed since it was read");
}

static enum lx_status read_all(struct lx_batch *batch, struct lx_err *err)
{
    const struct lx_batch_plan *what = batch->what;
    bool same; /* told by the table's number, too */
    for (size_t first = 0, last; first < what->slice_count; first = last) {
        for (last = first + 1; last < what->slice_count; last++)
            if (what->slices[last].from != what->slices[first].from ||
                what->slices[last].to != what->slices[first].to)
                break;
        LX_TRY(lx_run_step(batch->run, LX_STEP_READ, err));
        LX_TRY(read_slices(batch, first, last, err));
    }
    LX_TRY(check_counts(batch, err));
    LX_TRY(lx_batch_end_file(batch, err));
    /* Names tell nothing of a table that took the old one's place meanwhile. */
    LX_TRY(lx_start_again(batch->run, &same, err));
    return check_table(batch, err);
}

static enum lx_status check_stored(struct lx_run *run, const struct lx_batch_plan *what,
                                   struct lx_err *err)
{
    const struct lx_hot *hot = &run->o->hot;
    if (hot->ops->stored == NULL)
        return LX_OK;
    const char **parts = lx_calloc(what->slice_count, sizeof *parts);
    if (parts == NULL)
        return lx_err_memory(err);
    for (size_t i = 0; i < what->slice_count; i++)
        parts[i] = what->slices[i].part->name;
    enum lx_status status = hot->ops->stored(hot->self, parts, what->slice_count, err);
    lx_free(parts);
    return status;
}

enum lx_status lx_batch_read(struct lx_batch *batch, struct lx_err *err)
{
    LX_TRY(lx_start_writing(batch->run, err));
    LX_TRY(make_segments(batch, err));
    LX_TRY(check_stored(batch->run, batch->what, err));
    LX_TRY(read_all(batch, err));
    batch->complete = true;
    return LX_OK;
}

enum lx_status lx_batch_land(struct lx_batch *batch, struct lx_err *err)
{
    struct lx_run *run = batch->run;
    enum lx_status status = lx_batch_finish_files(batch, err);
    if (status == LX_OK)
        status = check_table(batch, err);
    if (status == LX_OK)
        status = lx_batch_commit(batch, err);
    if (status == LX_E_AGAIN && batch->file_count > 0)
        lx_run_note(
            run, LX_EVENT_WARNING, "nothing is lost or twice; lynex vacuum takes what was uploaded",
            "the table or the ledger changed meanwhile (another run?): %zu uploaded files were "
            "given up",
            batch->file_count);
    if (status == LX_OK)
        run->report->batches++;
    return status;
}
