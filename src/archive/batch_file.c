/* Files of a batch: names, encoding, upload, and the proof of each as soon as it is stored. */
#include "archive/batch.h"

#include "archive/file_scan.h"
#include "archive/file_stats.h"
#include "base/alloc.h"
#include "base/civil.h"
#include "base/mutant.h"

#include <stdio.h>
#include <stdlib.h>

#define ROW_GROUP_ROWS 131072
#define ROW_GROUP_BYTES (48 * LX_MIB)
#define ROW_GROUP_RAW_BYTES (384 * LX_MIB)
#define PENDING_BYTES (24 * LX_MIB)
#define USUAL_MEMORY ((int64_t)(256 * LX_MIB)) /* of a run: what these sizes are meant for */
#define MAX_SIDE_BYTES (512 * LX_MIB)

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

static enum lx_status sink_write(void *self, const void *bytes, size_t size, struct lx_err *err)
{
    struct lx_batch *batch = self;
    struct lx_batch_file *file = &batch->file;
    enum lx_status status = lx_mutant("flip-encoded")
                                ? write_flipped(file->upload, bytes, size, err)
                                : lx_store_upload_write(file->upload, bytes, size, err);
    for (int tried = 0; status == LX_E_EXISTS && tried < LX_MAX_NAMES_TRIED; tried++) {
        LX_TRY(next_key(batch->run, batch->what->month, file->key, err));
        LX_TRY(lx_store_upload_rekey(file->upload, file->key, err));
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

/* Of each row of a file its hash and segment are kept until it is proven: a quarter of the budget.
 */
static int64_t max_file_rows(const struct lx_archive_options *o)
{
    return o->memory_bytes / 4 / (int64_t)(sizeof(uint64_t) + sizeof(uint32_t));
}

/* `bytes` are meant for the usual budget. */
static int64_t share(const struct lx_archive_options *o, size_t bytes)
{
    if (o->memory_bytes >= USUAL_MEMORY)
        return (int64_t)bytes;
    return (int64_t)((double)bytes * (double)o->memory_bytes / (double)USUAL_MEMORY);
}

static enum lx_status put_metadata(struct lx_batch *batch, struct lx_err *err)
{
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
        LX_TRY(lx_parquet_writer_metadata(batch->file.writer, lx_str_of(pairs[i].key),
                                          pairs[i].value, err));
    return LX_OK;
}

static enum lx_status begin_file(struct lx_batch *batch, struct lx_err *err)
{
    struct lx_run *run = batch->run;
    struct lx_batch_file *file = &batch->file;
    size_t leaves = batch->schema->field_count + 1;
    const struct lx_put put = {.if_absent = true, .data = true};
    const struct lx_parquet_sink sink = {sink_write, batch};
    struct lx_parquet_column_options *columns = lx_calloc(leaves, sizeof *columns);
    if (columns == NULL)
        return lx_err_memory(err);
    for (size_t i = 0; i + 1 < leaves; i++)
        columns[i].bloom = wants_bloom(run->o, &batch->schema->fields[i]);
    columns[leaves - 1].leave_out_empty = true;
    const struct lx_parquet_writer_options options = {
        .profile = run->o->profile,
        .effort = run->o->effort,
        .row_group_rows = ROW_GROUP_ROWS,
        .row_group_bytes = share(run->o, ROW_GROUP_BYTES),
        .row_group_raw_bytes = share(run->o, ROW_GROUP_RAW_BYTES),
        .pending_bytes = (size_t)share(run->o, PENDING_BYTES),
        .columns = columns,
    };
    enum lx_status status = next_key(run, batch->what->month, file->key, err);
    if (status == LX_OK)
        status = lx_store_upload_begin(run->o->store, file->key, &put, &file->upload, err);
    if (status == LX_OK)
        status = lx_parquet_writer_create(batch->fields, leaves, &options, &sink, run->o->pool,
                                          &file->writer, err);
    if (status == LX_OK)
        status = put_metadata(batch, err);
    lx_free(columns);
    return status;
}

/* -- rows ---------------------------------------------------------------------------------- */

static enum lx_status keep_hashes(struct lx_batch *batch, const uint64_t *hashes,
                                  const uint32_t *segment_of, size_t rows, struct lx_err *err)
{
    struct lx_batch_file *file = &batch->file;
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

/* Sums, and where the rows lie. The path is not known for sure before the upload is finished, so
 * ranges are kept by the key as it is now and renamed then. */
static enum lx_status count_rows(struct lx_batch *batch, const uint64_t *hashes,
                                 const uint32_t *segment_of, size_t rows, struct lx_err *err)
{
    int64_t first = (int64_t)batch->file.rows;
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
            LX_TRY(add_where(segment, "", false, first + (int64_t)i, (int64_t)(end - i), err));
        i = end;
    }
    return LX_OK;
}

enum lx_status lx_batch_append(struct lx_batch *batch, const struct lx_column *const *columns,
                               int64_t from, int64_t rows, const uint64_t *hashes,
                               const uint32_t *segment_of, struct lx_err *err)
{
    struct lx_run *run = batch->run;
    while (rows > 0) {
        int64_t now = rows, limit = run->o->file_rows;
        if (batch->file.writer == NULL)
            LX_TRY(begin_file(batch, err));
        if (limit > 0 && now > limit - (int64_t)batch->file.rows)
            now = limit - (int64_t)batch->file.rows;
        int64_t before = lx_run_ms(run);
        LX_TRY(keep_hashes(batch, hashes, segment_of, (size_t)now, err));
        LX_TRY(count_rows(batch, hashes, segment_of, (size_t)now, err));
        batch->file.rows += (size_t)now;
        LX_TRY(lx_parquet_writer_append(batch->file.writer, columns, from, now, err));
        run->report->encode_ms += lx_run_ms(run) - before;
        from += now;
        rows -= now;
        hashes += now;
        segment_of += now;
        if ((limit > 0 && (int64_t)batch->file.rows >= limit) ||
            lx_parquet_writer_bytes(batch->file.writer) >= run->o->file_bytes ||
            (int64_t)batch->file.rows >= max_file_rows(run->o))
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
        const struct lx_batch_segment *s = &batch->segments[i];
        char sum[24], xor[24];
        if (s->file_rows == 0)
            continue;
        snprintf(sum, sizeof sum, "%llu", (unsigned long long)s->file_sum);
        snprintf(xor, sizeof xor, "%llu", (unsigned long long)s->file_xor);
        json_t *one = json_pack(
            "{s:s?,s:I,s:I,s:I,s:s,s:s}", "partition", s->slice->part->partition, "min",
            (json_int_t)s->slice->part->min_block, "max", (json_int_t)s->slice->part->max_block,
            "rows", (json_int_t)s->file_rows, "sum", sum, "xor", xor);
        if (one != NULL && s->from != LX_TIME_FIRST)
            json_object_set_new(one, "from", json_integer(s->from));
        if (one != NULL && s->to != LX_TIME_LAST)
            json_object_set_new(one, "to", json_integer(s->to));
        if (one == NULL || json_array_append_new(list, one) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    char *text = list != NULL ? json_dumps(list, JSON_COMPACT) : NULL;
    json_decref(list);
    enum lx_status status =
        text == NULL ? lx_err_memory(err)
                     : lx_parquet_writer_metadata(batch->file.writer, LX_STR("lynex.segments"),
                                                  lx_str_of(text), err);
    free(text);
    return status;
}

/* Takes other names while the one it has is taken. */
static enum lx_status finish_upload(struct lx_batch *batch, struct lx_object *object,
                                    struct lx_err *err)
{
    struct lx_batch_file *file = &batch->file;
    enum lx_status status = lx_store_upload_finish(file->upload, object, err);
    for (int tried = 0; status == LX_E_EXISTS && tried < LX_MAX_NAMES_TRIED; tried++) {
        LX_TRY(next_key(batch->run, batch->what->month, file->key, err));
        LX_TRY(lx_store_upload_rekey(file->upload, file->key, err));
        status = lx_store_upload_finish(file->upload, object, err);
    }
    if (status != LX_E_EXISTS)
        file->upload = NULL; /* freed by finish */
    file->won = status == LX_OK;
    if (status == LX_E_UNKNOWN) {
        /* The answer was lost. The proof reads what is there and knows whose it is; where nothing
         * is, what the store said before tells why. */
        struct lx_err seen = LX_ERR_INIT;
        if (lx_store_head(batch->run->o->store, file->key, object, &seen) == LX_OK) {
            lx_err_clear(err);
            status = LX_OK;
        }
    }
    return status;
}

/* Hashes of the segments that stay hot, one behind the other. */
static enum lx_status put_side_object(struct lx_batch *batch, struct lx_err *err)
{
    struct lx_batch_file *file = &batch->file;
    char path[128];
    struct lx_buf bytes = LX_BUF(MAX_SIDE_BYTES);
    enum lx_status status = lx_buf_reserve(&bytes, file->rows * sizeof(uint64_t));
    if (status != LX_OK)
        return lx_err_memory(err);
    snprintf(path, sizeof path, "_lynex/hashes/%s-%zu", batch->id, batch->file_count);
    for (size_t s = 0; status == LX_OK && s < batch->segment_count; s++) {
        struct lx_batch_segment *segment = &batch->segments[s];
        int64_t first = (int64_t)(bytes.len / sizeof(uint64_t));
        if (!segment->side || segment->file_rows == 0)
            continue;
        for (size_t row = 0; status == LX_OK && row < file->rows; row++)
            if (file->segment_of[row] == s)
                status = lx_buf_append(&bytes, &file->hashes[row], sizeof(uint64_t));
        if (status == LX_OK)
            status = add_where(segment, path, true, first, segment->file_rows, err);
        /* No rows: the file holds rows of the segment, somewhere. */
        if (status == LX_OK)
            status = add_where(segment, file->key, false, 0, 0, err);
    }
    const struct lx_put put = {.if_absent = true};
    struct lx_object object;
    if (status == LX_OK)
        status =
            lx_store_put(batch->run->o->store, path, bytes.data, bytes.len, &put, &object, err);
    if (status == LX_E_UNKNOWN) { /* the name is random: what lies there is ours */
        lx_err_clear(err);
        status = lx_store_head(batch->run->o->store, path, &object, err);
        if (status == LX_OK && object.size != (int64_t)bytes.len)
            status = lx_err_set(err, LX_E_CORRUPT, "%s is not what was written", path);
    }
    lx_buf_free(&bytes);
    return status;
}

/* Ranges were kept before the name was sure. */
static enum lx_status name_ranges(struct lx_batch *batch, struct lx_err *err)
{
    for (size_t s = 0; s < batch->segment_count; s++) {
        struct lx_batch_segment *segment = &batch->segments[s];
        segment->file_rows = 0;
        segment->file_sum = segment->file_xor = 0;
        for (size_t w = segment->where_count; w > 0 && segment->where[w - 1].path[0] == 0; w--) {
            char *copy = lx_strdup(batch->file.key);
            if (copy == NULL)
                return lx_err_memory(err);
            lx_free(segment->where[w - 1].path);
            segment->where[w - 1].path = copy;
        }
    }
    return LX_OK;
}

static enum lx_status list_file(struct lx_batch *batch, const struct lx_parquet_file_info *info,
                                const struct lx_object *object, const struct lx_proof *proof,
                                struct lx_err *err)
{
    if (batch->file_count == batch->file_cap) {
        size_t cap = batch->file_cap != 0 ? batch->file_cap * 2 : 8;
        struct lx_ledger_file *grown = lx_realloc(batch->files, cap * sizeof *grown);
        if (grown == NULL)
            return lx_err_memory(err);
        batch->files = grown;
        batch->file_cap = cap;
    }
    struct lx_ledger_file *file = &batch->files[batch->file_count++];
    char *stats = lx_file_stats(batch->fields, info);
    *file = (struct lx_ledger_file){
        .path = lx_strdup(lx_proof_key(proof)),
        .size = object->size,
        .modified_ms = lx_clock_now(&batch->run->o->clock),
        .stats = stats != NULL ? lx_strdup(stats) : NULL,
        .etag = object->etag[0] != 0 ? lx_strdup(object->etag) : NULL,
        .tags = lx_file_bloom_tag(info),
    };
    free(stats);
    lx_proof_sums(proof, &file->rows, &file->sum, &file->xor);
    memcpy(file->batch, batch->id, sizeof file->batch);
    memcpy(file->schema, batch->schema->id, sizeof file->schema);
    if (file->path == NULL || file->stats == NULL || (object->etag[0] != 0 && file->etag == NULL))
        return lx_err_memory(err);
    batch->run->report->files++;
    batch->run->report->archived_bytes += object->size;
    return LX_OK;
}

/* Whose is the object under the file's name now? LX_OK: ours; LX_E_CONFLICT: another writer's. Else
 * it cannot be told. */
static enum lx_status whose(const struct lx_batch *batch, const struct lx_object *ours,
                            const struct lx_object *found)
{
    if (batch->file.won && ours->etag[0] != 0 && strcmp(ours->etag, found->etag) == 0)
        return LX_OK;
    const struct lx_file_scan_options options = {.store = batch->run->o->store,
                                                 .key = batch->file.key,
                                                 .size = found->size,
                                                 .schema = batch->schema,
                                                 .batch = batch->id};
    struct lx_file_scan *scan = NULL;
    struct lx_err why = LX_ERR_INIT;
    enum lx_status status = lx_file_scan_open(&options, &scan, &why);
    lx_file_scan_close(scan);
    return status;
}

/* A bad file is kept where nobody takes it for an archived one. LX_E_AGAIN: it is not ours. */
static enum lx_status quarantine(struct lx_batch *batch, const struct lx_object *object,
                                 struct lx_err *err)
{
    struct lx_store *store = batch->run->o->store;
    char key[LX_MAX_NAME];
    const char *slash = strrchr(batch->file.key, '/');
    const struct lx_put put = {.data = true};
    struct lx_object found = {0}, copy;
    enum lx_status owner = lx_store_head(store, batch->file.key, &found, NULL);
    struct lx_buf bytes = LX_BUF((size_t)found.size + 1);
    snprintf(key, sizeof key, "_quarantine/%.8s_%s", batch->id,
             slash != NULL ? slash + 1 : batch->file.key);
    if (owner == LX_OK)
        owner = whose(batch, object, &found);
    if (owner == LX_E_CONFLICT)
        return lx_err_set(err, LX_E_AGAIN, "%s is another writer's now", batch->file.key);
    bool kept = lx_store_get(store, batch->file.key, &bytes, &found, NULL) == LX_OK &&
                lx_store_put(store, key, bytes.data, bytes.len, &put, &copy, NULL) == LX_OK;
    lx_buf_free(&bytes);
    /* Not among the good ones: patterns of files would read it. Only where it is surely ours:
     * another writer's may be recorded. */
    if (kept && owner == LX_OK)
        (void)!lx_store_delete(store, batch->file.key, NULL);
    lx_err_hint(err,
                "no row was deleted: all stay in ClickHouse. The file was not recorded%s%s; test "
                "this machine's memory and the store, then run again",
                kept ? "; a copy is kept as " : "", kept ? key : "");
    return LX_E_MISMATCH;
}

static enum lx_status prove(struct lx_batch *batch, const struct lx_object *object,
                            struct lx_proof **proof, struct lx_err *err)
{
    struct lx_run *run = batch->run;
    const struct lx_prove_request request = {
        .key = batch->file.key,
        .batch = batch->id,
        .size = object->size,
        .schema = batch->schema,
        .hashes = batch->file.hashes,
        .rows = (int64_t)batch->file.rows,
        .plan = batch->what,
    };
    LX_TRY(lx_run_step(run, LX_STEP_PROVE, err));
    int64_t before = lx_run_ms(run);
    enum lx_status status = lx_prove_file(run, &request, proof, err);
    run->report->prove_ms += lx_run_ms(run) - before;
    if (lx_status_class(status) == LX_CLASS_corrupt || status == LX_E_UNSUPPORTED ||
        status == LX_E_LIMIT) {
        /* Whatever is wrong with what was stored, it is no proof. What this program wrote and
         * cannot read ("encrypted", of an unknown codec, too long) is damaged. */
        if (err != NULL && status != LX_E_MISMATCH)
            lx_err_context(err, "the proof failed");
        status = quarantine(batch, object, err);
        if (err != NULL)
            err->status = status;
        return status;
    }
    if (status == LX_E_CONFLICT) /* its answer was lost, and another writer has the name */
        status = lx_err_set(err, LX_E_AGAIN, "%s is another writer's", batch->file.key);
    return status;
}

enum lx_status lx_batch_end_file(struct lx_batch *batch, struct lx_err *err)
{
    struct lx_run *run = batch->run;
    struct lx_batch_file *file = &batch->file;
    const struct lx_parquet_file_info *info = NULL;
    struct lx_object object = {0};
    struct lx_proof *proof = NULL;
    if (file->writer == NULL)
        return LX_OK;
    int64_t before = lx_run_ms(run);
    enum lx_status status = lx_run_step(run, LX_STEP_UPLOAD, err);
    if (status == LX_OK)
        status = put_segments(batch, err);
    if (status == LX_OK)
        status = lx_parquet_writer_finish(file->writer, &info, err);
    if (status == LX_OK)
        status = finish_upload(batch, &object, err);
    if (status == LX_OK)
        status = lx_run_step(run, LX_STEP_UPLOADED, err);
    run->report->upload_ms += lx_run_ms(run) - before;
    if (status == LX_OK)
        status = prove(batch, &object, &proof, err);
    if (status == LX_OK && object.etag[0] == 0)
        status = lx_store_head(run->o->store, file->key, &object, err);
    if (status == LX_OK && batch->any_side)
        status = put_side_object(batch, err);
    if (status == LX_OK)
        status = name_ranges(batch, err);
    if (status == LX_OK)
        status = list_file(batch, info, &object, proof, err);
    if (status == LX_OK) {
        struct lx_buf location = LX_BUF(4 * LX_MAX_NAME);
        if (lx_store_location(run->o->store, file->key, &location) == LX_OK) {
            struct lx_event event = {.kind = LX_EVENT_UPLOADED,
                                     .location = lx_buf_cstr(&location),
                                     .rows = (int64_t)file->rows,
                                     .bytes = object.size};
            lx_run_tell(run, &event);
        }
        lx_buf_free(&location);
    }
    lx_proof_free(proof);
    lx_parquet_writer_destroy(file->writer);
    file->writer = NULL;
    file->rows = 0;
    return status;
}

void lx_batch_free_files(struct lx_batch *batch)
{
    lx_parquet_writer_destroy(batch->file.writer);
    lx_store_upload_abort(batch->file.upload);
    lx_free(batch->file.hashes);
    lx_free(batch->file.segment_of);
    for (size_t i = 0; i < batch->file_count; i++) {
        lx_free(batch->files[i].path);
        lx_free(batch->files[i].stats);
        lx_free(batch->files[i].etag);
        lx_free(batch->files[i].tags);
    }
    lx_free(batch->files);
}
