/* Late rows: hot, not archived. They are read again and archived like any others: encoded,
 * uploaded, proven; which of the rows that come they are is told by their hashes.
 *
 * Month by month, each in ranges of hashes that fit in memory, so that the server sends little more
 * than is wanted. */
#include "archive/reconcile.h"

#include "base/alloc.h"
#include "base/civil.h"

#define CHUNK_HASHES 500000

/* Some late rows of one month: sorted hashes, each as often as it is wanted. */
struct chunk {
    int64_t month;
    uint64_t *hashes;
    bool *taken;
    size_t count, found;
};

struct picking {
    struct lx_reconcile *r;
    struct chunk chunk;
    struct lx_batch_plan what; /* the month, for names; no slices */
    struct lx_column *columns; /* picked rows of one block */
    const struct lx_column **pointers;
    uint32_t *which;
    uint64_t *hashes;
    uint32_t *segment_of;
    size_t cap;
};

static int64_t month_start(int64_t month)
{
    int64_t year = lx_floor_div(month, 12);
    return lx_civil_days(year, (unsigned)(month - year * 12) + 1, 1) * LX_DAY_SECONDS;
}

static bool take(struct chunk *chunk, uint64_t hash)
{
    size_t low = 0, high = chunk->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (chunk->hashes[middle] < hash)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < chunk->count && chunk->hashes[low] == hash; low++) {
        if (!chunk->taken[low]) {
            chunk->taken[low] = true;
            chunk->found++;
            return true;
        }
    }
    return false;
}

static enum lx_status make_room(struct picking *p, size_t rows, struct lx_err *err)
{
    if (rows <= p->cap)
        return LX_OK;
    uint32_t *which = lx_realloc(p->which, rows * sizeof *which);
    p->which = which != NULL ? which : p->which;
    uint64_t *hashes = lx_realloc(p->hashes, rows * sizeof *hashes);
    p->hashes = hashes != NULL ? hashes : p->hashes;
    uint32_t *segment_of = lx_realloc(p->segment_of, rows * sizeof *segment_of);
    p->segment_of = segment_of != NULL ? segment_of : p->segment_of;
    if (which == NULL || hashes == NULL || segment_of == NULL)
        return lx_err_memory(err);
    memset(segment_of, 0, rows * sizeof *segment_of); /* all of the one stand-in segment */
    p->cap = rows;
    return LX_OK;
}

/* Copies the picked rows of a block into columns of their own. */
static enum lx_status gather(struct picking *p, const struct lx_hot_rows *rows, size_t count,
                             struct lx_err *err)
{
    const struct lx_row_schema *schema = p->r->run->schema;
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct lx_column *source = rows->columns[i];
        const struct lx_column *plain = source->shape == LX_COLUMN_DICT ? source->dict : source;
        struct lx_column *column = &p->columns[i];
        if (column->shape != plain->shape || column->width != plain->width) {
            lx_column_free(column);
            lx_column_init(column, plain->shape, plain->width);
        }
        lx_column_clear(column);
        if (lx_column_append_rows(column, source, p->which, count) != LX_OK)
            return lx_err_memory(err);
        p->pointers[i] = column;
    }
    return LX_OK;
}

static enum lx_status pick(struct picking *p, const struct lx_hot_rows *rows, struct lx_err *err)
{
    const struct lx_column *const *columns = NULL;
    size_t count = 0;
    lx_files_take_in(p->r->run, false);
    LX_TRY(lx_batch_failure(&p->r->batch, err));
    LX_TRY(make_room(p, (size_t)rows->rows, err));
    for (int64_t i = 0; i < rows->rows; i++) {
        if (!take(&p->chunk, rows->hashes[i]))
            continue;
        if (i == rows->unreadable_row)
            return lx_err_set(err, LX_E_UNSUPPORTED,
                              "the column %s of a late row holds a value that "
                              "its JSON text does not bring back",
                              rows->unreadable_name);
        p->which[count] = (uint32_t)i;
        p->hashes[count++] = rows->hashes[i];
    }
    if (count == 0)
        return LX_OK;
    LX_TRY(gather(p, rows, count, err));
    LX_TRY(lx_to_file_convert(p->r->batch.to_file, p->pointers, (int64_t)count, &columns, err));
    return lx_batch_append(&p->r->batch, columns, 0, (int64_t)count, p->hashes, p->segment_of, err);
}

static enum lx_status read_part(struct picking *p, size_t index, struct lx_err *err)
{
    const struct lx_hot *hot = &p->r->run->o->hot;
    const char *part = p->r->group->parts[index]->name;
    int64_t end = month_start(p->chunk.month + 1);
    const struct lx_hot_read read = {
        .parts = &part,
        .part_count = 1,
        .schema = p->r->run->schema,
        .from = month_start(p->chunk.month),
        .to = end < p->r->group->to[index] ? end : p->r->group->to[index],
        .hash_from = p->chunk.hashes[0],
        .hash_to = p->chunk.hashes[p->chunk.count - 1],
    };
    struct lx_hot_stream *stream = NULL;
    if (read.from >= read.to)
        return LX_OK;
    enum lx_status status = lx_run_step(p->r->run, LX_STEP_READ, err);
    if (status == LX_OK)
        status = hot->ops->read(hot->self, &read, &stream, err);
    while (status == LX_OK) {
        struct lx_hot_rows rows = {0};
        status = hot->ops->next(hot->self, stream, &rows, err);
        if (status != LX_OK || rows.rows == 0)
            break;
        status = pick(p, &rows, err);
    }
    if (stream != NULL)
        hot->ops->end(hot->self, stream);
    return status;
}

static enum lx_status archive_chunk(struct picking *p, struct lx_err *err)
{
    for (size_t i = 0; i < p->r->group->part_count && p->chunk.found < p->chunk.count; i++)
        LX_TRY(read_part(p, i, err));
    return p->chunk.found == p->chunk.count
               ? LX_OK
               : lx_err_set(err, LX_E_AGAIN, "late rows changed before they were read");
}

/* Fills the chunk from `late`, up to its size or the end of the month. */
static enum lx_status fill(struct picking *p, struct lx_record *record, bool *more,
                           struct lx_err *err)
{
    struct chunk *chunk = &p->chunk;
    chunk->month = (int64_t)record->key;
    chunk->count = chunk->found = 0;
    memset(chunk->taken, 0, CHUNK_HASHES * sizeof *chunk->taken);
    while (*more && (int64_t)record->key == chunk->month && chunk->count < CHUNK_HASHES) {
        chunk->hashes[chunk->count++] = record->id;
        LX_TRY(lx_sorted_runs_next(p->r->late, record, more, err));
    }
    return LX_OK;
}

static enum lx_status archive_all(struct picking *p, struct lx_err *err)
{
    struct lx_record record;
    bool more;
    LX_TRY(lx_sorted_runs_next(p->r->late, &record, &more, err));
    while (more) {
        if (p->what.month != (int64_t)record.key) {
            LX_TRY(lx_batch_end_file(&p->r->batch, err)); /* a file holds one month */
            p->what.month = (int64_t)record.key;
        }
        LX_TRY(fill(p, &record, &more, err));
        LX_TRY(archive_chunk(p, err));
    }
    return lx_batch_finish_files(&p->r->batch, err);
}

static void free_picking(struct picking *p, size_t fields)
{
    for (size_t i = 0; p->columns != NULL && i < fields; i++)
        lx_column_free(&p->columns[i]);
    lx_free(p->columns);
    lx_free(p->pointers);
    lx_free(p->which);
    lx_free(p->hashes);
    lx_free(p->segment_of);
    lx_free(p->chunk.hashes);
    lx_free(p->chunk.taken);
}

enum lx_status lx_reconcile_late(struct lx_reconcile *r, struct lx_err *err)
{
    size_t fields = r->run->schema->field_count;
    struct picking p = {.r = r, .what = {.month = INT64_MIN}};
    /* The rows' segments are made by reconcile itself; files only need something to count by. */
    static const struct lx_hot_part no_part = {.partition = NULL};
    static const struct lx_slice no_slice = {.part = &no_part};
    r->has_batch = true;
    enum lx_status status = lx_batch_open(r->run, r->plan, &p.what, &r->batch, err);
    if (status == LX_OK) {
        p.columns = lx_calloc(fields, sizeof *p.columns);
        p.pointers = lx_calloc(fields, sizeof *p.pointers);
        p.chunk.hashes = lx_malloc(CHUNK_HASHES * sizeof *p.chunk.hashes);
        p.chunk.taken = lx_malloc(CHUNK_HASHES * sizeof *p.chunk.taken);
        r->batch.segments = lx_calloc(1, sizeof *r->batch.segments);
        if (p.columns == NULL || p.pointers == NULL || p.chunk.hashes == NULL ||
            p.chunk.taken == NULL || r->batch.segments == NULL)
            status = lx_err_memory(err);
    }
    if (status == LX_OK) {
        r->batch.segments[0] = (struct lx_batch_segment){.slice = &no_slice};
        r->batch.segment_count = 1;
        status = archive_all(&p, err);
    }
    lx_batch_wait(&r->batch);
    r->batch.what = NULL; /* it was ours */
    free_picking(&p, fields);
    return status;
}
