/* What a batch makes true in the ledger: its files, and the segments that they hold. */
#include "archive/batch.h"

#include "base/alloc.h"
#include "base/mutant.h"

/* -- table and schema ---------------------------------------------------------------------- */

static enum lx_status make_table(const struct lx_run *run, json_t **table, struct lx_err *err)
{
    const struct lx_ledger_state *state = lx_ledger_state(run->o->ledger);
    const char *known = json_string_value(json_object_get(state->table, "source"));
    *table = NULL;
    if (known != NULL && strcmp(known, run->source) == 0)
        return LX_OK;
    *table = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "source", run->source, "database",
                       run->table->database, "table", run->table->name, "time_column",
                       run->table->time_column, "prefix", run->o->prefix, "create",
                       run->table->create_sql);
    return *table != NULL ? LX_OK : lx_err_memory(err);
}

enum lx_status lx_table_change_make(struct lx_run *run, struct lx_table_change *made,
                                    struct lx_change *change, struct lx_err *err)
{
    const struct lx_ledger_state *state = lx_ledger_state(run->o->ledger);
    *made = (struct lx_table_change){.schema_string = LX_BUF(64 * LX_MIB)};
    LX_TRY(make_table(run, &made->table, err));
    change->new_table = made->table;
    LX_TRY(lx_row_schema_delta(run->schema, state->schema_string, &made->schema_string, err));
    if (state->schema_string == NULL ||
        strcmp(state->schema_string, lx_buf_cstr(&made->schema_string)) != 0)
        change->new_schema_string = lx_buf_cstr(&made->schema_string);
    if (lx_ledger_schema(run->o->ledger, run->schema->id) == NULL) {
        LX_TRY(lx_row_schema_to_json(run->schema, &made->schema, err));
        made->entry = (struct lx_ledger_schema_entry){run->schema->id, made->schema};
        change->schemas = &made->entry;
        change->schema_count = 1;
    }
    return LX_OK;
}

void lx_table_change_free(struct lx_table_change *made)
{
    lx_buf_free(&made->schema_string);
    json_decref(made->table);
    json_decref(made->schema);
}

/* -- the commit ---------------------------------------------------------------------------- */

static size_t fill_segments(struct lx_batch *batch, struct lx_segment *segments)
{
    size_t count = 0;
    for (size_t i = 0; i < batch->segment_count; i++) {
        const struct lx_batch_segment *from = &batch->segments[i];
        if (from->rows == 0)
            continue; /* a day without rows */
        struct lx_segment *to = &segments[count++];
        *to = (struct lx_segment){
            .source = batch->run->source, /* borrowed: the change borrows */
            .partition = from->slice->part->partition,
            .min_block = from->slice->part->min_block,
            .max_block = from->slice->part->max_block,
            .from = from->from,
            .to = from->to,
            .rows = from->rows,
            .sum = from->sum,
            .xor = from->xor
            ,
            .host = batch->run->table->host,
            .where = from->where,
            .where_count = from->where_count,
        };
        lx_ledger_new_id(&batch->run->o->random, to->id);
        memcpy(to->schema, batch->schema->id, sizeof to->schema);
    }
    return count;
}

static json_t *commit_info(const struct lx_batch *batch)
{
    int64_t rows = 0;
    for (size_t i = 0; i < batch->segment_count; i++)
        rows += batch->segments[i].rows;
    return json_pack("{s:{s:s,s:s,s:I,s:I,s:s}}", "lynex", "batch", batch->id, "source",
                     batch->run->source, "rows", (json_int_t)rows, "files",
                     (json_int_t)batch->file_count, "host", batch->run->table->host);
}

enum lx_status lx_batch_commit(struct lx_batch *batch, struct lx_err *err)
{
    struct lx_run *run = batch->run;
    struct lx_table_change made = {0};
    struct lx_segment *segments = lx_calloc(batch->segment_count, sizeof *segments);
    struct lx_change change = {
        .operation = "ARCHIVE",
        .has_base = true,
        .base_version = batch->plan->version,
        .add_files = batch->files,
        .add_file_count = batch->file_count,
        .add_segments = segments,
        .info = commit_info(batch),
    };
    enum lx_status status = segments != NULL && change.info != NULL ? LX_OK : lx_err_memory(err);
    if (status == LX_OK)
        change.add_segment_count = fill_segments(batch, segments);
    if (status == LX_OK)
        status = lx_table_change_make(run, &made, &change, err);
    if (status == LX_OK)
        status = lx_run_step(run, LX_STEP_COMMIT, err);
    int64_t before = lx_run_ms(run);
    if (status == LX_OK)
        status = lx_ledger_commit(run->o->ledger, &change, NULL, err);
    run->report->commit_ms += lx_run_ms(run) - before;
    if (status == LX_OK) {
        for (size_t i = 0; i < batch->file_count; i++)
            run->report->archived_rows += batch->files[i].rows;
        status = lx_run_step(run, LX_STEP_COMMITTED, err);
    } else if (status == LX_E_CONFLICT) {
        status = lx_err_set(err, LX_E_AGAIN, "another archiver was faster");
    }
    for (size_t i = 0;
         status == LX_E_UNKNOWN && lx_mutant("unknown-is-failed") && i < batch->file_count; i++)
        (void)!lx_store_delete(run->o->store, batch->files[i].path, NULL);
    lx_table_change_free(&made);
    lx_free(segments);
    json_decref(change.info);
    return status;
}
