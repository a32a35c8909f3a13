/* Guard and delete: the only file of lynex from which rows leave ClickHouse.
 *
 * Nothing here deletes without a warrant (prove.c makes them, and nobody else), and without a
 * guard: ClickHouse is asked, immediately before, whether the rows about to go are the warrant's,
 * by count and sums of hashes computed now. What a delete did is judged by asking again, never by
 * its answer. */
#include "archive/run.h"

#include "base/alloc.h"
#include "base/mutant.h"
#include "base/utf8.h"

#include <stdio.h>

#define STATEMENT_MAX (256 * LX_KIB)
#define AUDIT_STATEMENT 16384 /* bytes of a statement that the audit keeps */

struct deleting {
    struct lx_run *run;
    const struct lx_leave *leaves;
    size_t count;
    struct lx_check *checks;             /* the guard's answers, one a leave */
    const struct lx_segment ***segments; /* of each leave, from its warrant */
    bool *go;                            /* the guard said yes */
    bool *gone;                          /* judged afterwards */
    bool worth_applying;                 /* a mask hides more than half of a part */
    int64_t now;                         /* the server's clock after the delete */
    struct lx_buf statement;
    char query_id[64];
};

static void free_deleting(struct deleting *d)
{
    for (size_t i = 0; d->segments != NULL && i < d->count; i++)
        lx_free(d->segments[i]);
    lx_free(d->segments);
    lx_free(d->checks);
    lx_free(d->go);
    lx_free(d->gone);
    lx_buf_free(&d->statement);
}

static enum lx_status open_deleting(struct deleting *d, struct lx_run *run,
                                    const struct lx_leave *leaves, size_t count, struct lx_err *err)
{
    *d = (struct deleting){.run = run, .leaves = leaves, .count = count};
    d->statement.max = STATEMENT_MAX;
    d->checks = lx_calloc(count, sizeof *d->checks);
    d->segments = lx_calloc(count, sizeof(const struct lx_segment **));
    d->go = lx_calloc(count, sizeof *d->go);
    d->gone = lx_calloc(count, sizeof *d->gone);
    if (d->checks == NULL || d->segments == NULL || d->go == NULL || d->gone == NULL)
        return lx_err_memory(err);
    for (size_t i = 0; i < count; i++) {
        size_t held = lx_warrant_count(leaves[i].warrant);
        assert(held > 0);
        d->segments[i] = lx_calloc(held, sizeof(const struct lx_segment *));
        if (d->segments[i] == NULL)
            return lx_err_memory(err);
        for (size_t s = 0; s < held; s++)
            d->segments[i][s] = lx_warrant_segment(leaves[i].warrant, s);
        d->checks[i] =
            (struct lx_check){.part = leaves[i].part, .segments = d->segments[i], .count = held};
    }
    return LX_OK;
}

/* -- guard --------------------------------------------------------------------------------- */

/* The same live segments as when the warrant was made: all of them, and no other that may go. */
static enum lx_status same_live(const struct deleting *d, size_t i, bool *same, struct lx_err *err)
{
    const struct lx_segment **found = NULL;
    size_t count = 0, due = 0;
    LX_TRY(lx_warrant_holds(d->run, d->leaves[i].warrant, same, err));
    if (lx_segments_of_part(lx_ledger_state(d->run->o->ledger), d->run->source, d->leaves[i].part,
                            &found, &count) != LX_OK)
        return lx_err_memory(err);
    for (size_t s = 0; s < count; s++)
        due += found[s]->to <= d->run->due || lx_mutant("ignore-due");
    lx_free(found);
    *same =
        (*same && due == lx_warrant_count(d->leaves[i].warrant)) || lx_mutant("no-warrant-look");
    return LX_OK;
}

static int64_t rows_to_go(const struct deleting *d)
{
    int64_t rows = 0;
    for (size_t i = 0; i < d->count; i++)
        if (d->go[i])
            rows += d->checks[i].rows;
    return rows;
}

static void refuse(struct lx_run *run, const struct lx_err *why)
{
    run->no_more_deletes = true;
    run->report->delete_refused = true;
    if (run->report->refusal.status == LX_OK)
        run->report->refusal = *why;
}

/* The breaker of ARCHIVE_MAX_DELETE_ROWS, once more: run.c has judged what was planned. */
static bool within_breaker(const struct deleting *d)
{
    const struct lx_archive_options *o = d->run->o;
    struct lx_err why = LX_ERR_INIT;
    int64_t after = d->run->report->deleted_rows + rows_to_go(d);
    if (o->max_delete_rows == 0 || after <= o->max_delete_rows)
        return true;
    lx_run_breaker(d->run, after, &why);
    refuse(d->run, &why);
    return false;
}

/* For tests: what the segments say will be what is there; by names: where the part still is. */
static void believe(struct deleting *d)
{
    for (size_t i = 0; i < d->count; i++) {
        struct lx_check *check = &d->checks[i];
        if (!lx_mutant("no-guard") && check->held != LX_HELD_DIFFERENT)
            continue;
        check->held = LX_HELD_EXACTLY;
        check->rows = check->whole; /* whatever else is in the part */
        if (check->whole >= 0)
            continue;
        check->rows = 0;
        check->sum = check->xor = 0;
        for (size_t s = 0; s < check->count; s++) {
            check->rows += check->segments[s]->rows;
            check->sum += check->segments[s]->sum;
            check->xor ^= check->segments[s]->xor ;
        }
    }
}

/* Asks ClickHouse, then the ledger once more. `whole`: every row of the part must be old. */
static enum lx_status guard(struct deleting *d, bool whole, size_t *going, struct lx_err *err)
{
    struct lx_run *run = d->run;
    LX_TRY(lx_run_step(run, LX_STEP_GUARD, err));
    LX_TRY(lx_run_asked(run, run->o->hot.ops->row_policy(run->o->hot.self, err)));
    LX_TRY(lx_run_asked(run, lx_check_parts(run, d->checks, d->count, whole, err)));
    if (lx_mutant("no-guard") || lx_mutant("guard-by-names") || lx_mutant("trust-names"))
        believe(d);
    *going = 0;
    for (size_t i = 0; i < d->count; i++) {
        const struct lx_check *check = &d->checks[i];
        bool same = false;
        d->go[i] = check->held == LX_HELD_EXACTLY && (!whole || check->whole == check->rows);
        if (!d->go[i])
            continue;
        LX_TRY(same_live(d, i, &same, err));
        d->go[i] = same;
        *going += same;
    }
    if (*going > 0 && !within_breaker(d)) {
        *going = 0;
        memset(d->go, 0, d->count * sizeof *d->go);
    }
    return LX_OK;
}

/* -- record -------------------------------------------------------------------------------- */

static json_t *audit_parts(const struct deleting *d)
{
    json_t *parts = json_array();
    for (size_t i = 0; parts != NULL && i < d->count; i++) {
        const struct lx_check *c = &d->checks[i];
        char sum[24], xor[24];
        if (!d->gone[i])
            continue;
        snprintf(sum, sizeof sum, "%llu", (unsigned long long)c->sum);
        snprintf(xor, sizeof xor, "%llu", (unsigned long long)c->xor);
        json_t *part =
            json_pack("{s:s,s:s,s:I,s:I,s:s,s:s}", "name", d->leaves[i].part->name, "partition",
                      d->leaves[i].part->partition, "before", (json_int_t)c->to, "rows",
                      (json_int_t)c->rows, "sum", sum, "xor", xor);
        if (json_array_append_new(parts, part) != 0) { /* also where it is NULL */
            json_decref(parts);
            parts = NULL;
        }
    }
    return parts;
}

/* JSON takes UTF-8 alone: names of columns and people need not be it, nor what a cut leaves. NULL:
 * no memory. */
static json_t *audit_text(struct lx_str text)
{
    struct lx_buf good = LX_BUF(4 * AUDIT_STATEMENT);
    size_t size = text.len < AUDIT_STATEMENT ? text.len : AUDIT_STATEMENT;
    json_t *made = NULL;
    if (lx_utf8_repair(&good, text.ptr, size) == LX_OK)
        made = json_stringn(lx_buf_cstr(&good), good.len);
    lx_buf_free(&good);
    return made;
}

/* Who deleted what, when, by which statement, on which guard's answer. */
static json_t *make_audit(const struct deleting *d, const char *way, int64_t rows)
{
    const char *who = d->run->o->who != NULL ? d->run->o->who : "";
    const struct lx_str sql = {(const char *)d->statement.data, d->statement.len};
    /* What is NULL for want of memory makes all of it NULL; the rest is freed. */
    return json_pack("{s:{s:o,s:s,s:s,s:o,s:I,s:I,s:o,s:s,s:o}}", "lynex", "by",
                     audit_text(lx_str_of(who)), "source", d->run->source, "way", way, "host",
                     audit_text(lx_str_of(d->run->table->host)), "at", (json_int_t)d->now, "rows",
                     (json_int_t)rows, "guard", audit_parts(d), "query_id", d->query_id,
                     "statement", audit_text(sql));
}

static enum lx_status record(struct deleting *d, const char *way, struct lx_err *err)
{
    struct lx_run *run = d->run;
    size_t count = 0, most = 0;
    int64_t rows = 0;
    for (size_t i = 0; i < d->count; i++)
        most += lx_warrant_count(d->leaves[i].warrant);
    struct lx_segment *taken = lx_calloc(most, sizeof *taken);
    if (taken == NULL)
        return lx_err_memory(err);
    for (size_t i = 0; i < d->count; i++) {
        if (!d->gone[i])
            continue;
        for (size_t s = 0; s < lx_warrant_count(d->leaves[i].warrant); s++)
            taken[count++] = *lx_warrant_segment(d->leaves[i].warrant, s); /* borrowed members */
        rows += d->checks[i].rows;
        run->report->deleted_parts++;
    }
    enum lx_status status = LX_OK;
    if (count > 0) {
        json_t *audit = make_audit(d, way, rows);
        status = audit != NULL ? lx_record(run, taken, count, d->now > 0 ? d->now : 1, audit, err)
                               : lx_err_memory(err);
        json_decref(audit);
        run->report->deleted_rows += rows;
        run->report->delete_statements++;
        struct lx_event event = {.kind = LX_EVENT_DELETED, .rows = rows};
        lx_run_tell(run, &event);
    }
    lx_free(taken);
    return status;
}

/* -- whole parts --------------------------------------------------------------------------- */

static bool touched(const struct lx_hot_parts *parts, const struct lx_hot_part *part)
{
    for (size_t i = 0; i < parts->count; i++)
        if (strcmp(parts->parts[i].partition, part->partition) == 0 &&
            parts->parts[i].min_block <= part->max_block &&
            part->min_block <= parts->parts[i].max_block)
            return true;
    return false;
}

/* The statement failed or its answer was lost: a part is gone only where nothing is in its blocks.
 */
static enum lx_status judge_by_blocks(struct deleting *d, struct lx_err *err)
{
    struct lx_hot_parts parts = {0};
    LX_TRY(lx_run_parts(d->run, LX_TIME_LAST, &parts, err));
    for (size_t i = 0; i < d->count; i++)
        d->gone[i] = d->go[i] && !touched(&parts, d->leaves[i].part);
    d->now = parts.now;
    lx_hot_parts_free(&parts);
    return LX_OK;
}

static enum lx_status judge_by_name(struct deleting *d, struct lx_err *err)
{
    const char **names = lx_calloc(d->count, sizeof *names);
    bool *present = lx_calloc(d->count, sizeof *present);
    enum lx_status status = names != NULL && present != NULL ? LX_OK : lx_err_memory(err);
    for (size_t i = 0; status == LX_OK && i < d->count; i++)
        names[i] = d->leaves[i].part->name;
    if (status == LX_OK) {
        const struct lx_hot *hot = &d->run->o->hot;
        do
            status = hot->ops->present(hot->self, names, d->count, present, &d->now, err);
        while (lx_run_waits(d->run, &status, err));
    }
    for (size_t i = 0; status == LX_OK && i < d->count; i++)
        d->gone[i] = d->go[i] && !present[i];
    lx_free(names);
    lx_free(present);
    return status;
}

/* The answers tell of the table that has the name now. If it is another one than the statement met,
 * they tell nothing: the next comparison finds what is true. */
static enum lx_status judge_table(struct deleting *d, struct lx_err *err)
{
    bool same;
    LX_TRY(lx_start_again(d->run, &same, err));
    same = same || lx_mutant("judge-any-table");
    for (size_t i = 0; !same && i < d->count; i++)
        d->go[i] = d->gone[i] = false;
    d->worth_applying = d->worth_applying && same; /* nothing is sent to another table */
    return LX_OK;
}

/* Is this failure the server's last word on deleting, for this run? */
static bool is_final(enum lx_status status)
{
    return status != LX_OK && status != LX_E_NOTFOUND && status != LX_E_NETWORK &&
           status != LX_E_TIMEOUT && status != LX_E_CANCELLED;
}

/* What the statement left. If nothing, its answer does not matter: it may have been lost, or be a
 * proxy's. What is not final is tried again by the next settle of this run. */
static void judge_answer(struct deleting *d, enum lx_status said, struct lx_err *why)
{
    size_t left = 0;
    for (size_t i = 0; i < d->count; i++)
        left += d->go[i] && !d->gone[i];
    if (left == 0)
        return;
    if (said == LX_OK) {
        lx_err_set(why, LX_E_REFUSED,
                   "%zu parts of partition %s were to lose rows, and still have them although the "
                   "delete went well",
                   left, d->leaves[0].part->partition);
        lx_err_hint(why, "other rows may have come between guard and delete; the rows are archived "
                         "and stay in ClickHouse; the next run compares them anew");
    }
    if (is_final(said))
        refuse(d->run, why);
    else
        d->run->undone = *why;
}

static enum lx_status drop(struct deleting *d, size_t going, struct lx_err *err)
{
    struct lx_run *run = d->run;
    const char **names = lx_calloc(going, sizeof *names);
    struct lx_err why = LX_ERR_INIT;
    size_t count = 0;
    if (names == NULL)
        return lx_err_memory(err);
    for (size_t i = 0; i < d->count; i++)
        if (d->go[i])
            names[count++] = d->leaves[i].part->name;
    enum lx_status status = lx_run_step(run, LX_STEP_DELETE, err);
    if (status == LX_OK) {
        enum lx_status said = run->o->hot.ops->drop_parts(run->o->hot.self, names, count,
                                                          &d->statement, d->query_id, &why);
        status = lx_run_step(run, LX_STEP_DELETED, err);
        if (status == LX_OK)
            status = said == LX_OK ? judge_by_name(d, err) : judge_by_blocks(d, err);
        if (status == LX_OK)
            status = judge_table(d, err);
        if (said == LX_OK && lx_mutant("judge-by-answer"))
            memcpy(d->gone, d->go, d->count * sizeof *d->gone);
        if (status == LX_OK)
            judge_answer(d, said, &why);
    }
    lx_free(names);
    return status;
}

enum lx_status lx_delete_whole(struct lx_run *run, const struct lx_leave *leaves, size_t count,
                               struct lx_err *err)
{
    struct deleting d;
    size_t going = 0;
    int64_t before = lx_run_ms(run);
    enum lx_status status = open_deleting(&d, run, leaves, count, err);
    if (status == LX_OK)
        status = guard(&d, true, &going, err);
    if (status == LX_OK && going > 0 && lx_mutant("record-before-delete")) {
        memcpy(d.gone, d.go, count * sizeof *d.gone);
        (void)!lx_buf_text(&d.statement, "to be deleted");
        status = record(&d, "drop part", err);
    }
    if (status == LX_OK && going > 0)
        status = drop(&d, going, err);
    if (status == LX_OK && going > 0)
        status = record(&d, "drop part", err);
    free_deleting(&d);
    run->report->delete_ms += lx_run_ms(run) - before;
    return status;
}

/* -- masks --------------------------------------------------------------------------------- */

/* A mask renames parts, so they are found by their blocks; the old rows are gone where no part that
 * touches these blocks has rows before the bound. */
static enum lx_status judge_mask(struct deleting *d, struct lx_err *err)
{
    struct lx_hot_parts parts = {0};
    LX_TRY(lx_run_parts(d->run, LX_TIME_LAST, &parts, err));
    for (size_t i = 0; i < d->count; i++) {
        const struct lx_hot_part *part = d->leaves[i].part;
        bool left = false;
        int64_t rows = 0;
        for (size_t p = 0; p < parts.count; p++) {
            const struct lx_hot_part *now = &parts.parts[p];
            if (strcmp(now->partition, part->partition) != 0 || now->min_block > part->max_block ||
                part->min_block > now->max_block)
                continue;
            left = left || lx_hot_part_rows_before(now, d->checks[i].to) > 0;
            rows += now->rows;
        }
        d->gone[i] = d->go[i] && !left;
        /* More than half of it masked: rewritten, so that its space comes free. */
        if (d->gone[i] && d->checks[i].rows > rows)
            d->worth_applying = true;
    }
    d->now = parts.now;
    lx_hot_parts_free(&parts);
    return LX_OK;
}

/* What was not begun because another run's delete waits is sent again when that is through: guards
 * are inside. */
static enum lx_status send_mask(struct deleting *d, const struct lx_hot_mask *masks, size_t count,
                                struct lx_err *why)
{
    struct lx_run *run = d->run;
    enum lx_status said;
    do
        said = run->o->hot.ops->mask(run->o->hot.self, d->leaves[0].part->partition, masks, count,
                                     run->o->delete_wait_ms, &d->statement, d->query_id, why);
    while (why->code != 0 && lx_run_waits(run, &said, why));
    return said;
}

static enum lx_status mask(struct deleting *d, size_t going, struct lx_err *err)
{
    struct lx_run *run = d->run;
    struct lx_hot_mask *masks = lx_calloc(going, sizeof *masks);
    struct lx_err why = LX_ERR_INIT;
    size_t count = 0;
    if (masks == NULL)
        return lx_err_memory(err);
    for (size_t i = 0; i < d->count; i++) {
        const struct lx_check *check = &d->checks[i];
        if (d->go[i])
            masks[count++] = (struct lx_hot_mask){check->part->name, check->schema, check->to,
                                                  check->rows,       check->sum,    check->xor };
    }
    enum lx_status status = lx_run_step(run, LX_STEP_MASK, err);
    if (status == LX_OK) {
        enum lx_status said = send_mask(d, masks, count, &why);
        status = lx_run_step(run, LX_STEP_DELETED, err);
        bool waits = said == LX_E_BUSY && strcmp(why.name, "PENDING_DELETE") == 0;
        if (waits)
            refuse(run, &why); /* no read is possible until it ran */
        else if (status == LX_OK)
            status = judge_mask(d, err);
        if (status == LX_OK && !waits)
            status = judge_table(d, err);
        if (said == LX_OK && lx_mutant("judge-by-answer"))
            memcpy(d->gone, d->go, d->count * sizeof *d->gone);
        if (status == LX_OK && !waits)
            judge_answer(d, said, &why);
    }
    lx_free(masks);
    return status;
}

enum lx_status lx_delete_masked(struct lx_run *run, const struct lx_leave *leaves, size_t count,
                                struct lx_err *err)
{
    struct deleting d;
    size_t going = 0;
    int64_t before = lx_run_ms(run);
    enum lx_status status = open_deleting(&d, run, leaves, count, err);
    if (status == LX_OK)
        status = guard(&d, false, &going, err);
    for (size_t i = 0; status == LX_OK && i < count; i++) {
        if (d.go[i] && d.checks[i].schema == NULL) { /* several schemas cannot stand in one guard */
            d.go[i] = false;
            going--;
        }
    }
    if (status == LX_OK && going > 0)
        status = mask(&d, going, err);
    if (status == LX_OK && going > 0)
        status = record(&d, "mask", err);
    if (status == LX_OK && d.worth_applying) {
        struct lx_err why = LX_ERR_INIT;
        if (run->o->hot.ops->apply_mask(run->o->hot.self, leaves[0].part->partition,
                                        run->o->delete_wait_ms, &why) != LX_OK)
            lx_run_note(run, LX_EVENT_WARNING,
                        "the rows are deleted; their space comes free with a later merge",
                        "space of masked rows could not be freed: %s", why.text);
    }
    free_deleting(&d);
    run->report->delete_ms += lx_run_ms(run) - before;
    return status;
}
