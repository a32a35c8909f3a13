/* Reconcile: parts merged with late rows, rows updated, taken by a TTL or a person, a table
 * exchanged, truncated, refilled, columns changed: compared by content, as multisets of row hashes.
 *
 *   late = hot - archived   archived now
 *   gone = archived - hot   somebody else took them: they stay archived and are hot no more
 *
 * After the commit, new segments say exactly what of these parts is hot and archived; the old ones
 * end. Memory is bounded: hashes are sorted in runs on disk.
 *
 * Columns: a segment is compared over its own columns, as reconcile_columns.c finds them in the
 * table of today. */
#include "archive/reconcile.h"

#include "archive/segment_hashes.h"
#include "base/alloc.h"
#include "base/civil.h"
#include "base/mutant.h"

#include <errno.h>
#include <stdlib.h>

/* -- hot: every row once ------------------------------------------------------------------- */

static int64_t month_of(int64_t seconds)
{
    struct lx_civil civil =
        lx_civil_of_ms(lx_floor_div(seconds, LX_DAY_SECONDS) * LX_DAY_SECONDS * 1000);
    return civil.year * 12 + (int64_t)civil.month - 1;
}

/* Where the part's segments are cut: at `aged`, then at days; see batch.c. */
static int64_t next_cut(const struct lx_run *run, int64_t from, int64_t to)
{
    int64_t cut =
        from < run->aged ? run->aged : (lx_floor_div(from, LX_DAY_SECONDS) + 1) * LX_DAY_SECONDS;
    return cut < to ? cut : to;
}

static enum lx_status add_cuts(struct lx_reconcile *r, const struct lx_hot_part *part, int64_t to,
                               struct lx_err *err)
{
    for (int64_t from = LX_TIME_FIRST; from < to;) {
        struct lx_hot_segment *grown = lx_realloc(r->hot, (r->hot_count + 1) * sizeof *grown);
        if (grown == NULL)
            return lx_err_memory(err);
        int64_t cut = next_cut(r->run, from, to);
        r->hot = grown;
        grown[r->hot_count++] = (struct lx_hot_segment){.part = part, .from = from, .to = cut};
        from = cut;
    }
    return LX_OK;
}

struct hot_pass {
    struct lx_reconcile *r;
    const struct lx_row_schema *compare; /* NULL: the hash of the table's own schema */
    struct lx_sorted_runs *out;          /* key: hash by `compare`, id: row hash, extra: seconds */
    size_t first, count;                 /* segments of the part */
    struct lx_side_object **sides;       /* one a segment: only in the first pass */
};

static enum lx_status take_hot(struct hot_pass *pass, const struct lx_hot_hashes *rows,
                               struct lx_err *err)
{
    for (int64_t i = 0; i < rows->rows; i++) {
        const struct lx_record record = {rows->keys[i], rows->hashes[i], rows->seconds[i]};
        LX_TRY(lx_sorted_runs_add(pass->out, &record, err));
        if (pass->sides == NULL)
            continue;
        size_t at = 0;
        while (at + 1 < pass->count && rows->seconds[i] >= pass->r->hot[pass->first + at].to)
            at++;
        struct lx_hot_segment *segment = &pass->r->hot[pass->first + at];
        segment->rows++;
        segment->sum += rows->hashes[i];
        segment->xor ^= rows->hashes[i];
        LX_TRY(lx_side_object_add(pass->sides[at], rows->hashes[i], err));
    }
    return LX_OK;
}

static enum lx_status read_hot(struct hot_pass *pass, const struct lx_hot_part *part, int64_t to,
                               struct lx_err *err)
{
    const struct lx_hot *hot = &pass->r->run->o->hot;
    const char *name = part->name;
    const struct lx_hot_read read = {.parts = &name,
                                     .part_count = 1,
                                     .schema = pass->r->run->schema,
                                     .compare = pass->compare,
                                     .from = LX_TIME_FIRST,
                                     .to = to,
                                     .hash_to = UINT64_MAX};
    struct lx_hot_stream *stream = NULL;
    enum lx_status status = hot->ops->hashes(hot->self, &read, &stream, err);
    while (status == LX_OK) {
        struct lx_hot_hashes rows = {0};
        status = hot->ops->next_hashes(hot->self, stream, &rows, err);
        if (status != LX_OK && lx_mutant("ignore-short-stream"))
            status = LX_OK;
        if (status != LX_OK || rows.rows == 0)
            break;
        status = take_hot(pass, &rows, err);
        if (status == LX_OK && lx_cancel_asked(pass->r->run->o->cancel))
            status = lx_err_set(err, LX_E_CANCELLED, "interrupted while rows were compared");
    }
    if (stream != NULL)
        hot->ops->end(hot->self, stream);
    return status;
}

/* The first pass: also makes the new segments and stores their hashes. */
static enum lx_status first_pass_part(struct hot_pass *pass, const struct lx_hot_part *part,
                                      int64_t to, struct lx_err *err)
{
    struct lx_reconcile *r = pass->r;
    pass->first = r->hot_count;
    LX_TRY(add_cuts(r, part, to, err));
    pass->count = r->hot_count - pass->first;
    pass->sides = lx_calloc(pass->count, sizeof(struct lx_side_object *));
    enum lx_status status = pass->sides != NULL ? LX_OK : lx_err_memory(err);
    for (size_t i = 0; status == LX_OK && i < pass->count; i++)
        status = lx_side_object_begin(r->run, &pass->sides[i], err);
    if (status == LX_OK)
        status = read_hot(pass, part, to, err);
    for (size_t i = 0; status == LX_OK && i < pass->count; i++) {
        struct lx_hot_segment *segment = &r->hot[pass->first + i];
        r->hot_rows += segment->rows;
        if (segment->rows == 0)
            continue;
        status = lx_side_object_end(pass->sides[i], err);
        if (status == LX_OK)
            status = lx_where_add(&segment->where, &segment->where_count,
                                  lx_side_object_path(pass->sides[i]), true, 0, segment->rows, err);
    }
    for (size_t i = 0; pass->sides != NULL && i < pass->count; i++)
        lx_side_object_free(pass->sides[i]);
    lx_free(pass->sides);
    pass->sides = NULL;
    return status;
}

/* -- known: rows of the segments ----------------------------------------------------------- */

static enum lx_status add_known(void *context, uint64_t full, uint64_t key, struct lx_err *err)
{
    const struct lx_record record = {.key = key, .id = full};
    return lx_sorted_runs_add(context, &record, err);
}

static enum lx_status read_known(struct lx_reconcile *r, const char *schema_id,
                                 const struct lx_row_schema *file, struct lx_sorted_runs *known,
                                 struct lx_err *err)
{
    for (size_t i = 0; i < r->group->segment_count; i++)
        if (strcmp(r->group->segments[i]->schema, schema_id) == 0)
            LX_TRY(lx_segment_hashes(r->run, r->group->segments[i], file, add_known, known, err));
    return LX_OK;
}

/* -- matching ------------------------------------------------------------------------------ */

/* Rows that are not matched yet, keyed by their own hash (with their second, where they are hot).
 */
struct unmatched {
    struct lx_sorted_runs *hot;   /* NULL: all rows of the group's parts */
    struct lx_sorted_runs *known; /* NULL: all rows of the schema's segments */
};

static enum lx_status new_runs(const struct lx_reconcile *r, struct lx_sorted_runs **runs,
                               struct lx_err *err)
{
    const struct lx_archive_options *o = r->run->o;
    return lx_sorted_runs_create((size_t)o->memory_bytes / 10, o->temp_dir, o->cancel, runs, err);
}

/* Walks both in order of the compared hash: rows of both are matched, copy by copy; the others go
 * on to the next comparison, keyed by their own hash. */
static enum lx_status match(struct lx_sorted_runs *hot, struct lx_sorted_runs *known,
                            struct unmatched *left, struct lx_err *err)
{
    struct lx_record a, b;
    bool more_a, more_b;
    LX_TRY(lx_sorted_runs_rewind(hot, err));
    LX_TRY(lx_sorted_runs_rewind(known, err));
    LX_TRY(lx_sorted_runs_next(hot, &a, &more_a, err));
    LX_TRY(lx_sorted_runs_next(known, &b, &more_b, err));
    while (more_a || more_b) {
        bool same = more_a && more_b && a.key == b.key;
        bool hot_only = !same && more_a && (!more_b || a.key < b.key);
        const struct lx_record record = {hot_only ? a.id : b.id, 0, hot_only ? a.extra : 0};
        if (!same)
            LX_TRY(lx_sorted_runs_add(hot_only ? left->hot : left->known, &record, err));
        if (same || hot_only)
            LX_TRY(lx_sorted_runs_next(hot, &a, &more_a, err));
        if (same || !hot_only)
            LX_TRY(lx_sorted_runs_next(known, &b, &more_b, err));
    }
    return LX_OK;
}

/* Of a fresh pass over all rows, those that are unmatched: as often as `rest` lists their hash. */
static enum lx_status keep(struct lx_sorted_runs *pass, struct lx_sorted_runs *rest,
                           struct lx_sorted_runs *kept, struct lx_err *err)
{
    struct lx_record a, b;
    bool more_a, more_b;
    LX_TRY(lx_sorted_runs_rewind(pass, err));
    LX_TRY(lx_sorted_runs_rewind(rest, err));
    LX_TRY(lx_sorted_runs_next(pass, &a, &more_a, err));
    LX_TRY(lx_sorted_runs_next(rest, &b, &more_b, err));
    while (more_b) {
        if (!more_a || a.key > b.key)
            return lx_err_set(err, LX_E_AGAIN, "rows changed while they were compared");
        if (a.key == b.key) {
            const struct lx_record record = {a.id, a.key, a.extra};
            LX_TRY(lx_sorted_runs_add(kept, &record, err));
            LX_TRY(lx_sorted_runs_next(rest, &b, &more_b, err));
        }
        LX_TRY(lx_sorted_runs_next(pass, &a, &more_a, err));
    }
    return LX_OK;
}

static enum lx_status swap_key(struct lx_sorted_runs *from, struct lx_sorted_runs *to,
                               struct lx_err *err)
{
    struct lx_record record;
    bool more;
    LX_TRY(lx_sorted_runs_rewind(from, err));
    for (;;) {
        LX_TRY(lx_sorted_runs_next(from, &record, &more, err));
        if (!more)
            return LX_OK;
        const struct lx_record swapped = {record.id, record.key, record.extra};
        LX_TRY(lx_sorted_runs_add(to, &swapped, err));
    }
}

/* Leaves in *runs what `rest` lists of it; NULL: all of it. */
static enum lx_status filter(struct lx_reconcile *r, struct lx_sorted_runs **runs,
                             struct lx_sorted_runs *rest, struct lx_err *err)
{
    struct lx_sorted_runs *swapped = NULL, *kept = NULL;
    if (rest == NULL)
        return LX_OK;
    enum lx_status status = new_runs(r, &swapped, err);
    if (status == LX_OK)
        status = swap_key(*runs, swapped, err);
    lx_sorted_runs_free(*runs);
    *runs = NULL;
    if (status == LX_OK)
        status = new_runs(r, &kept, err);
    if (status == LX_OK)
        status = keep(swapped, rest, kept, err);
    lx_sorted_runs_free(swapped);
    if (status != LX_OK) {
        lx_sorted_runs_free(kept);
        return status;
    }
    *runs = kept;
    return LX_OK;
}

/* All hot rows with their hash by `compare`; in the first pass the new segments are made. */
static enum lx_status hot_rows(struct lx_reconcile *r, const struct lx_row_schema *compare,
                               struct lx_sorted_runs *out, struct lx_err *err)
{
    struct hot_pass pass = {.r = r, .compare = compare, .out = out};
    bool first = !r->passed;
    r->passed = true;
    for (size_t i = 0; i < r->group->part_count; i++) {
        if (first)
            LX_TRY(first_pass_part(&pass, r->group->parts[i], r->group->to[i], err));
        else
            LX_TRY(read_hot(&pass, r->group->parts[i], r->group->to[i], err));
    }
    return LX_OK;
}

static enum lx_status compare_once(struct lx_reconcile *r, const char *schema_id,
                                   const struct lx_comparison *how, struct unmatched *rest,
                                   struct lx_err *err)
{
    struct lx_sorted_runs *hot = NULL, *known = NULL;
    struct unmatched left = {0};
    enum lx_status status = new_runs(r, &hot, err);
    if (status == LX_OK)
        status = hot_rows(r, how->hot, hot, err);
    if (status == LX_OK)
        status = filter(r, &hot, rest->hot, err);
    if (status == LX_OK)
        status = new_runs(r, &known, err);
    if (status == LX_OK)
        status = read_known(r, schema_id, how->file, known, err);
    if (status == LX_OK)
        status = filter(r, &known, rest->known, err);
    if (status == LX_OK)
        status = new_runs(r, &left.hot, err);
    if (status == LX_OK)
        status = new_runs(r, &left.known, err);
    if (status == LX_OK)
        status = match(hot, known, &left, err);
    lx_sorted_runs_free(hot);
    lx_sorted_runs_free(known);
    if (status != LX_OK) {
        lx_sorted_runs_free(left.hot);
        lx_sorted_runs_free(left.known);
        return status;
    }
    lx_sorted_runs_free(rest->hot);
    lx_sorted_runs_free(rest->known);
    *rest = left;
    return LX_OK;
}

/* Compares what is still unmatched with the segments of one schema. */
static enum lx_status compare_schema(struct lx_reconcile *r, const char *schema_id,
                                     struct lx_sorted_runs **hot, struct lx_err *err)
{
    const struct lx_row_schema *schema;
    struct lx_comparison how[LX_COMPARISONS];
    struct unmatched rest = {.hot = *hot};
    size_t count = 0;
    LX_TRY(lx_run_schema(r->run, schema_id, &schema, err));
    LX_TRY(lx_comparisons_make(r->run, schema, how, &count, err));
    enum lx_status status = LX_OK;
    for (size_t i = 0; status == LX_OK && i < count; i++)
        status = compare_once(r, schema_id, &how[i], &rest, err);
    if (status == LX_OK && rest.known != NULL)
        r->gone_rows += lx_sorted_runs_count(rest.known);
    lx_sorted_runs_free(rest.known);
    lx_comparisons_free(how, count);
    *hot = rest.hot;
    return status;
}

static bool seen_before(const struct lx_group *group, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (strcmp(group->segments[i]->schema, group->segments[j]->schema) == 0)
            return true;
    return false;
}

/* What is hot and not archived ends up in r->late, keyed by row hash, with the month. */
static enum lx_status compare_all(struct lx_reconcile *r, struct lx_err *err)
{
    struct lx_sorted_runs *unmatched = NULL;
    struct lx_record record;
    bool more = true;
    enum lx_status status = LX_OK;
    for (size_t i = 0; status == LX_OK && i < r->group->segment_count; i++)
        if (!seen_before(r->group, i))
            status = compare_schema(r, r->group->segments[i]->schema, &unmatched, err);
    if (status == LX_OK)
        status = new_runs(r, &r->late, err);
    if (status == LX_OK && unmatched != NULL)
        status = lx_sorted_runs_rewind(unmatched, err);
    while (status == LX_OK && unmatched != NULL) {
        status = lx_sorted_runs_next(unmatched, &record, &more, err);
        if (status != LX_OK || !more)
            break;
        /* Month first, so that the late rows of one file come together. */
        const struct lx_record late = {(uint64_t)month_of(record.extra), record.key, 0};
        status = lx_sorted_runs_add(r->late, &late, err);
    }
    lx_sorted_runs_free(unmatched);
    if (status == LX_OK)
        status = lx_sorted_runs_rewind(r->late, err);
    if (status == LX_OK)
        r->late_rows = lx_sorted_runs_count(r->late);
    return status;
}

/* -- commit -------------------------------------------------------------------------------- */

/* Every new segment names the files that hold its rows: those of the segments it replaces, and the
 * new ones. */
static enum lx_status mark_files(struct lx_reconcile *r, struct lx_err *err)
{
    for (size_t h = 0; h < r->hot_count; h++) {
        struct lx_hot_segment *segment = &r->hot[h];
        if (segment->rows == 0)
            continue;
        for (size_t s = 0; s < r->group->segment_count; s++)
            for (size_t w = 0; w < r->group->segments[s]->where_count; w++)
                if (!r->group->segments[s]->where[w].hashes)
                    LX_TRY(lx_where_mark(&segment->where, &segment->where_count,
                                         r->group->segments[s]->where[w].path, err));
        for (size_t f = 0; r->has_batch && f < r->batch.file_count; f++)
            LX_TRY(
                lx_where_mark(&segment->where, &segment->where_count, r->batch.files[f].path, err));
    }
    return LX_OK;
}

static size_t fill_segments(const struct lx_reconcile *r, struct lx_segment *segments)
{
    size_t count = 0;
    for (size_t i = 0; i < r->hot_count; i++) {
        const struct lx_hot_segment *from = &r->hot[i];
        if (from->rows == 0)
            continue;
        segments[count] = (struct lx_segment){
            .source = r->run->source,
            .partition = from->part->partition,
            .min_block = from->part->min_block,
            .max_block = from->part->max_block,
            .from = from->from,
            .to = from->to,
            .rows = from->rows,
            .sum = from->sum,
            .xor = from->xor
            , .host = r->run->table->host, .where = from->where, .where_count = from->where_count,
        };
        lx_ledger_new_id(&r->run->o->random, segments[count].id);
        memcpy(segments[count].schema, r->run->schema->id, sizeof segments[count].schema);
        count++;
    }
    return count;
}

static enum lx_status commit(struct lx_reconcile *r, struct lx_err *err)
{
    struct lx_run *run = r->run;
    struct lx_table_change made = {0};
    struct lx_segment *segments = lx_calloc(r->hot_count + 1, sizeof *segments);
    const char **ids = lx_calloc(r->group->segment_count + 1, sizeof *ids);
    struct lx_change change = {
        .operation = "RECONCILE",
        .has_base = true,
        .base_version = r->plan->version,
        .add_segments = segments,
        .end_segments = ids,
        .end_segment_count = r->group->segment_count,
        .ended_at = run->table->now,
        .whole_table = r->plan->strangers,
        .info = json_pack("{s:{s:s,s:I,s:I,s:I}}", "lynex", "source", run->source, "late",
                          (json_int_t)r->late_rows, "gone", (json_int_t)r->gone_rows, "hot",
                          (json_int_t)r->hot_rows),
    };
    enum lx_status status =
        segments != NULL && ids != NULL && change.info != NULL ? LX_OK : lx_err_memory(err);
    for (size_t i = 0; status == LX_OK && i < r->group->segment_count; i++)
        ids[i] = r->group->segments[i]->id;
    if (status == LX_OK && r->has_batch) {
        change.add_files = r->batch.files;
        change.add_file_count = r->batch.file_count;
    }
    if (status == LX_OK)
        status = mark_files(r, err);
    if (status == LX_OK) {
        change.add_segment_count = fill_segments(r, segments);
        status = lx_table_change_make(run, &made, &change, err);
    }
    if (status == LX_OK)
        status = lx_run_step(run, LX_STEP_COMMIT, err);
    if (status == LX_OK)
        status = lx_ledger_commit(run->o->ledger, &change, NULL, err);
    if (status == LX_OK)
        status = lx_run_step(run, LX_STEP_COMMITTED, err);
    if (status == LX_E_CONFLICT)
        status = lx_err_set(err, LX_E_AGAIN, "another archiver was faster");
    lx_table_change_free(&made);
    lx_free(segments);
    lx_free(ids);
    json_decref(change.info);
    return status;
}

/* -- the whole ----------------------------------------------------------------------------- */

/* Parts that have their names before and after were there meanwhile; so was the table. */
static enum lx_status still_there(struct lx_reconcile *r, struct lx_err *err)
{
    struct lx_hot_parts parts = {0};
    bool same;
    LX_TRY(lx_run_parts(r->run, lx_run_days_to(r->run), &parts, err));
    enum lx_status status = lx_start_again(r->run, &same, err);
    if (status == LX_OK && !same)
        status = lx_err_set(err, LX_E_AGAIN, "the table changed while it was compared");
    for (size_t i = 0; status == LX_OK && i < r->group->part_count; i++)
        if (lx_hot_parts_find(&parts, r->group->parts[i]->name) == NULL)
            status = lx_err_set(err, LX_E_AGAIN, "a part went while it was compared");
    lx_hot_parts_free(&parts);
    return status;
}

static void free_reconcile(struct lx_reconcile *r)
{
    for (size_t i = 0; i < r->hot_count; i++) {
        for (size_t w = 0; w < r->hot[i].where_count; w++)
            lx_free(r->hot[i].where[w].path);
        lx_free(r->hot[i].where);
    }
    lx_free(r->hot);
    lx_sorted_runs_free(r->late);
    if (r->has_batch)
        lx_batch_close(&r->batch);
}

enum lx_status lx_reconcile(struct lx_run *run, const struct lx_plan *plan,
                            const struct lx_group *group, struct lx_err *err)
{
    struct lx_reconcile r = {.run = run, .plan = plan, .group = group};
    LX_TRY(lx_run_step(run, LX_STEP_RECONCILE, err));
    LX_TRY(lx_start_writing(run, err));
    enum lx_status status = compare_all(&r, err);
    if (status == LX_OK && r.late_rows > 0)
        status = lx_reconcile_late(&r, err);
    if (status == LX_OK && !lx_mutant("no-still-there"))
        status = still_there(&r, err);
    if (status == LX_OK)
        status = commit(&r, err);
    if (status == LX_OK) {
        run->report->late_rows += r.late_rows;
        run->report->gone_rows += r.gone_rows;
        run->report->archived_rows += r.late_rows;
        lx_run_note(run, LX_EVENT_NOTE, NULL,
                    "compared %lld rows by content: %lld were late and are archived, %lld are gone "
                    "from ClickHouse and stay archived",
                    (long long)r.hot_rows, (long long)r.late_rows, (long long)r.gone_rows);
    }
    free_reconcile(&r);
    return status;
}
