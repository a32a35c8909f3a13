/* Files of a batch once they are written: stored, read back and proven, in the background where the
 * run has threads for it, and then taken in, in the order in which they were written. */
#include "archive/batch.h"

#include "archive/file_scan.h"
#include "base/alloc.h"
#include "base/mutant.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_SIDE_BYTES (512 * LX_MIB)

/* -- storing ------------------------------------------------------------------------------- */

static enum lx_status finish_upload(struct lx_batch_file *file, struct lx_err *err)
{
    enum lx_status status = lx_store_upload_finish(file->upload, &file->object, err);
    file->taken = status == LX_E_EXISTS;
    if (file->taken)
        return status;
    file->upload = NULL; /* freed by finish */
    file->won = status == LX_OK;
    if (status == LX_E_UNKNOWN) {
        /* The answer was lost. The proof reads what is there and knows whose it is; where nothing
         * is, what the store said before tells why. */
        struct lx_err seen = LX_ERR_INIT;
        if (lx_store_head(file->batch->run->o->store, file->key, &file->object, &seen) == LX_OK) {
            lx_err_clear(err);
            status = LX_OK;
        }
    }
    return status;
}

static struct lx_prove_request request_of(const struct lx_batch_file *file)
{
    return (struct lx_prove_request){
        .key = file->key,
        .batch = file->batch->id,
        .size = file->object.size,
        .schema = file->batch->schema,
        .hashes = file->hashes,
        .rows = (int64_t)file->rows,
        .shares = file->shares,
        .plan = file->batch->what,
    };
}

/* Rows of each segment in this file. */
static size_t *count_segments(const struct lx_batch_file *file, struct lx_err *err)
{
    size_t *counts = lx_calloc(file->batch->segment_count + 1, sizeof *counts);
    if (counts == NULL)
        (void)lx_err_memory(err);
    for (size_t row = 0; counts != NULL && row < file->rows; row++)
        counts[file->segment_of[row]]++;
    return counts;
}

/* Hashes of the segments that stay hot, one segment behind the other. */
static enum lx_status gather_hashes(const struct lx_batch_file *file, struct lx_buf *bytes,
                                    struct lx_err *err)
{
    size_t *at = count_segments(file, err), used = 0;
    if (at == NULL)
        return LX_E_MEMORY;
    for (size_t s = 0; s < file->batch->segment_count; s++) {
        size_t count = file->batch->segments[s].side ? at[s] : 0;
        at[s] = used;
        used += count;
    }
    enum lx_status status = lx_buf_reserve(bytes, used * sizeof(uint64_t));
    if (status != LX_OK)
        lx_err_memory(err);
    for (size_t row = 0; status == LX_OK && row < file->rows; row++) {
        uint32_t s = file->segment_of[row];
        if (file->batch->segments[s].side)
            memcpy(bytes->data + at[s]++ * sizeof(uint64_t), &file->hashes[row], sizeof(uint64_t));
    }
    bytes->len = used * sizeof(uint64_t);
    lx_free(at);
    return status;
}

static enum lx_status put_side_object(struct lx_batch_file *file, struct lx_err *err)
{
    struct lx_store *store = file->batch->run->o->store;
    struct lx_buf bytes = LX_BUF(MAX_SIDE_BYTES);
    const struct lx_put put = {.if_absent = true};
    struct lx_object object;
    snprintf(file->side_path, sizeof file->side_path, "_lynex/hashes/%s-%zu", file->batch->id,
             file->number);
    enum lx_status status = gather_hashes(file, &bytes, err);
    if (status == LX_OK)
        status = lx_store_put(store, file->side_path, bytes.data, bytes.len, &put, &object, err);
    if (status == LX_E_UNKNOWN) { /* the name is random: what lies there is ours */
        lx_err_clear(err);
        status = lx_store_head(store, file->side_path, &object, err);
        if (status == LX_OK && object.size != (int64_t)bytes.len)
            status = lx_err_set(err, LX_E_CORRUPT, "%s is not what was written", file->side_path);
    }
    lx_buf_free(&bytes);
    return status;
}

static enum lx_status prove(struct lx_batch_file *file, struct lx_err *err)
{
    struct lx_run *run = file->batch->run;
    const struct lx_prove_request request = request_of(file);
    int64_t before = lx_run_ms(run);
    enum lx_status status = lx_prove_file(run, &request, &file->proof, &file->differs, err);
    file->prove_ms += lx_run_ms(run) - before;
    file->unproven = status != LX_OK;
    return status;
}

/* The task: everything between a written file and one that is proven. Asks neither ClickHouse nor
 * the ledger anything. */
static void store_and_prove(void *context)
{
    struct lx_batch_file *file = context;
    struct lx_batch *batch = file->batch;
    struct lx_err *err = &file->err;
    int64_t before = lx_run_ms(batch->run);
    file->given_up = atomic_load(&batch->lost) || lx_cancel_asked(&batch->run->stop);
    if (file->given_up) {
        atomic_store(&batch->lost, true);
        file->taken = false;
        lx_err_set(err, LX_E_CANCELLED, "%s is not stored: its batch failed", file->key);
        return;
    }
    enum lx_status status = finish_upload(file, err);
    file->upload_ms += lx_run_ms(batch->run) - before;
    if (status == LX_OK)
        status = lx_run_step(batch->run, LX_STEP_UPLOADED, err);
    if (status == LX_OK)
        status = lx_run_step(batch->run, LX_STEP_PROVE, err);
    if (status == LX_OK)
        status = prove(file, err);
    if (status == LX_OK && file->object.etag[0] == 0)
        status = lx_store_head(batch->run->o->store, file->key, &file->object, err);
    if (status == LX_OK && batch->any_side)
        status = put_side_object(file, err);
    err->status = status;
    if (status != LX_OK && !file->taken)
        atomic_store(&batch->lost, true);
}

/* -- what could not be proven -------------------------------------------------------------- */

/* Whose is the object under the file's name now? LX_OK: ours; LX_E_CONFLICT: another writer's. Else
 * it cannot be told. */
static enum lx_status whose(const struct lx_batch_file *file, const struct lx_object *found)
{
    if (file->won && file->object.etag[0] != 0 && strcmp(file->object.etag, found->etag) == 0)
        return LX_OK;
    const struct lx_file_scan_options options = {.store = file->batch->run->o->store,
                                                 .key = file->key,
                                                 .size = found->size,
                                                 .schema = file->batch->schema,
                                                 .batch = file->batch->id,
                                                 .last = 1}; /* its footer says it */
    struct lx_file_scan *scan = NULL;
    struct lx_err why = LX_ERR_INIT;
    enum lx_status status = lx_file_scan_open(&options, &scan, &why);
    lx_file_scan_close(scan);
    return status;
}

/* A bad file is kept where nobody takes it for an archived one. LX_E_AGAIN: it is not ours. */
static enum lx_status quarantine(const struct lx_batch_file *file, bool limit, struct lx_err *err)
{
    struct lx_store *store = file->batch->run->o->store;
    char key[LX_MAX_NAME];
    const char *slash = strrchr(file->key, '/');
    const struct lx_put put = {.data = true};
    struct lx_object found = {0};
    bool there = lx_store_head(store, file->key, &found, NULL) == LX_OK;
    enum lx_status owner = there ? whose(file, &found) : LX_E_NOTFOUND;
    snprintf(key, sizeof key, "_quarantine/%.8s_%s", file->batch->id,
             slash != NULL ? slash + 1 : file->key);
    if (owner == LX_E_CONFLICT)
        return lx_err_set(err, LX_E_AGAIN, "%s is another writer's now", file->key);
    bool kept = there && lx_store_copy(store, file->key, found.size, key, &put, NULL) == LX_OK;
    /* Not among the good ones: patterns of files would read it. Only where it is surely ours:
     * another writer's may be recorded. */
    if (kept && owner == LX_OK)
        (void)!lx_store_delete(store, file->key, NULL);
    lx_err_hint(err,
                "no row was deleted: all stay in ClickHouse. The file was not recorded%s%s; %stest "
                "this machine's memory and the store, then run again",
                kept ? "; a copy is kept as " : "", kept ? key : "",
                limit ? "raise ARCHIVE_MEMORY_MB where rows are wide; else " : "");
    return LX_E_MISMATCH;
}

/* Whatever is wrong with what was stored, it is no proof. What this program wrote and cannot read
 * ("encrypted", of an unknown codec, too long) is damaged, and so is what the store said is ours
 * and does not say so itself. */
static enum lx_status judge_unproven(const struct lx_batch_file *file, enum lx_status status,
                                     struct lx_err *err)
{
    if (status == LX_E_CONFLICT && file->won)
        status = lx_err_set(err, LX_E_MISMATCH,
                            "the proof failed: %s does not say which batch it is of", file->key);
    if (lx_status_class(status) == LX_CLASS_corrupt || status == LX_E_UNSUPPORTED ||
        status == LX_E_LIMIT) {
        const struct lx_prove_request request = request_of(file);
        if (file->differs.found)
            lx_prove_explain(file->batch->run, &request, &file->differs, err);
        else if (status != LX_E_MISMATCH)
            lx_err_context(err, "the proof failed");
        status = quarantine(file, status == LX_E_LIMIT, err);
        err->status = status;
        return status;
    }
    if (status == LX_E_CONFLICT) /* its answer was lost, and another writer has the name */
        return lx_err_set(err, LX_E_AGAIN, "%s is another writer's", file->key);
    return status;
}

/* -- taking in ----------------------------------------------------------------------------- */

static enum lx_status add_where(struct lx_batch_segment *segment, const char *path, bool hashes,
                                int64_t first, int64_t rows, struct lx_err *err)
{
    if (segment->where_count > 0 && rows > 0) {
        struct lx_where *last = &segment->where[segment->where_count - 1];
        if (!hashes && !last->hashes && last->rows > 0 && strcmp(last->path, path) == 0 &&
            last->first_row + last->rows == first) {
            last->rows += rows;
            return LX_OK;
        }
    }
    if (segment->where_count == segment->where_cap) {
        size_t cap = segment->where_cap != 0 ? segment->where_cap * 2 : 2;
        struct lx_where *grown = lx_realloc(segment->where, cap * sizeof *grown);
        if (grown == NULL)
            return lx_err_memory(err);
        segment->where = grown;
        segment->where_cap = cap;
    }
    char *copy = lx_strdup(path);
    if (copy == NULL)
        return lx_err_memory(err);
    segment->where[segment->where_count++] = (struct lx_where){copy, hashes, first, rows};
    return LX_OK;
}

/* Where the rows of each segment lie. */
static enum lx_status name_ranges(const struct lx_batch_file *file, struct lx_err *err)
{
    const struct lx_batch *batch = file->batch;
    for (size_t i = 0; i < file->range_count; i++)
        LX_TRY(add_where(&batch->segments[file->ranges[i].segment], file->key, false,
                         file->ranges[i].first, file->ranges[i].rows, err));
    if (!batch->any_side)
        return LX_OK;
    size_t *counts = count_segments(file, err);
    int64_t first = 0;
    enum lx_status status = counts != NULL ? LX_OK : LX_E_MEMORY;
    for (size_t s = 0; status == LX_OK && s < batch->segment_count; s++) {
        struct lx_batch_segment *segment = &batch->segments[s];
        if (!segment->side || counts[s] == 0)
            continue;
        status = add_where(segment, file->side_path, true, first, (int64_t)counts[s], err);
        first += (int64_t)counts[s];
        /* No rows: the file holds rows of the segment, somewhere. */
        if (status == LX_OK)
            status = add_where(segment, file->key, false, 0, 0, err);
    }
    lx_free(counts);
    return status;
}

static enum lx_status list_file(struct lx_batch_file *from, struct lx_err *err)
{
    struct lx_batch *batch = from->batch;
    const struct lx_object *object = &from->object;
    if (batch->file_count == batch->file_cap) {
        size_t cap = batch->file_cap != 0 ? batch->file_cap * 2 : 8;
        struct lx_ledger_file *grown = lx_realloc(batch->files, cap * sizeof *grown);
        if (grown == NULL)
            return lx_err_memory(err);
        batch->files = grown;
        batch->file_cap = cap;
    }
    struct lx_ledger_file *file = &batch->files[batch->file_count++];
    *file = (struct lx_ledger_file){
        .path = lx_strdup(lx_proof_key(from->proof)),
        .size = object->size,
        .modified_ms = lx_clock_now(&batch->run->o->clock),
        .stats = from->stats,
        .etag = object->etag[0] != 0 ? lx_strdup(object->etag) : NULL,
        .tags = from->tags,
    };
    from->stats = from->tags = NULL;
    lx_proof_sums(from->proof, &file->rows, &file->sum, &file->xor);
    memcpy(file->batch, batch->id, sizeof file->batch);
    memcpy(file->schema, batch->schema->id, sizeof file->schema);
    if (file->path == NULL || (object->etag[0] != 0 && file->etag == NULL))
        return lx_err_memory(err);
    batch->run->report->files++;
    batch->run->report->archived_bytes += object->size;
    return LX_OK;
}

static void tell_uploaded(const struct lx_batch_file *file)
{
    struct lx_run *run = file->batch->run;
    struct lx_buf location = LX_BUF(4 * LX_MAX_NAME);
    if (lx_store_location(run->o->store, file->key, &location) == LX_OK) {
        struct lx_event event = {.kind = LX_EVENT_UPLOADED,
                                 .location = lx_buf_cstr(&location),
                                 .rows = (int64_t)file->rows,
                                 .bytes = file->object.size};
        lx_run_tell(run, &event);
    }
    lx_buf_free(&location);
}

/* What became of a file, once its task is done. */
static enum lx_status take_in(struct lx_batch_file *file, struct lx_err *err)
{
    struct lx_run *run = file->batch->run;
    for (int tried = 0; file->taken && tried < LX_MAX_NAMES_TRIED && !lx_run_stopping(run);
         tried++) {
        lx_err_clear(&file->err);
        LX_TRY(lx_batch_rename_file(file, err));
        store_and_prove(file);
    }
    if (file->taken && lx_run_stopping(run))
        return lx_err_set(err, LX_E_CANCELLED, "interrupted while storing %s", file->key);
    run->report->upload_ms += file->upload_ms;
    run->report->prove_ms += file->prove_ms;
    enum lx_status status = file->err.status;
    if (status != LX_OK) {
        *err = file->err;
        return file->unproven ? judge_unproven(file, status, err) : status;
    }
    LX_TRY(name_ranges(file, err));
    LX_TRY(list_file(file, err));
    tell_uploaded(file);
    return LX_OK;
}

static void take_in_first(struct lx_run *run)
{
    struct lx_batch_file *file = run->under_way;
    struct lx_batch *batch = file->batch;
    struct lx_err err = LX_ERR_INIT;
    run->under_way = file->next;
    if (run->under_way == NULL)
        run->under_way_end = &run->under_way;
    run->under_way_memory -= file->memory;
    batch->under_way--;
    enum lx_status status = take_in(file, &err);
    /* The file for which others were given up says why, whichever of them is taken in first. */
    if (status != LX_OK && batch->failure.status == LX_OK && !file->given_up) {
        batch->failure = err;
        batch->failure.status = status;
    }
    lx_batch_file_free(file);
}

void lx_files_take_in(struct lx_run *run, bool wait)
{
    while (run->under_way != NULL) {
        if (wait)
            lx_task_wait(run->tasks, &run->under_way->task);
        else if (!lx_task_done(run->tasks, &run->under_way->task))
            return;
        wait = false;
        take_in_first(run);
    }
}

/* Waits until there is memory for the file beside the others; for its proof in as many of its
 * shares as there is then. */
static void wait_for_memory(struct lx_run *run, struct lx_batch_file *file, size_t most)
{
    size_t shares = file->shares, one = file->memory - (shares - 1) * file->scan;
    while (run->under_way != NULL && run->under_way_memory + one > most)
        lx_files_take_in(run, true);
    while (shares > 1 && run->under_way_memory + one + (shares - 1) * file->scan > most)
        shares--;
    file->shares = shares;
    file->memory = one + (shares - 1) * file->scan;
}

void lx_files_hand_over(struct lx_batch_file *file)
{
    struct lx_run *run = file->batch->run;
    size_t most = (size_t)run->o->memory_bytes / LX_BACKGROUND_SHARE;
    wait_for_memory(run, file, most);
    file->task = (struct lx_task){.work = store_and_prove, .context = file};
    file->next = NULL;
    *run->under_way_end = file;
    run->under_way_end = &file->next;
    run->under_way_memory += file->memory;
    file->batch->under_way++;
    lx_task_start(run->tasks, &file->task);
    while (run->under_way != NULL && run->under_way_memory > most)
        lx_files_take_in(run, true);
    lx_files_take_in(run, false);
}

/* -- the batch's --------------------------------------------------------------------------- */

enum lx_status lx_batch_failure(const struct lx_batch *batch, struct lx_err *err)
{
    if (batch->failure.status != LX_OK && err != NULL)
        *err = batch->failure;
    return batch->failure.status;
}

void lx_batch_wait(struct lx_batch *batch)
{
    while (batch->under_way > 0)
        lx_files_take_in(batch->run, true);
}

enum lx_status lx_batch_finish_files(struct lx_batch *batch, struct lx_err *err)
{
    enum lx_status status = LX_OK;
    if (batch->failure.status == LX_OK)
        status = lx_batch_end_file(batch, err);
    lx_batch_wait(batch);
    if (status == LX_OK)
        status = lx_batch_failure(batch, err);
    if (status == LX_OK && atomic_load(&batch->lost))
        status = lx_err_set(err, LX_E_CANCELLED, "not all files of the batch were stored");
    return status;
}

void lx_batch_free_files(struct lx_batch *batch)
{
    lx_batch_wait(batch);
    lx_batch_file_free(batch->file);
    for (size_t i = 0; i < batch->file_count; i++) {
        lx_free(batch->files[i].path);
        lx_free(batch->files[i].stats);
        lx_free(batch->files[i].etag);
        lx_free(batch->files[i].tags);
    }
    lx_free(batch->files);
}
