/* delete.c: nothing leaves without a warrant that holds and a guard that says yes; what a statement
 * did is judged by what is there, not by its answer; what is gone is written down. */
#include "scene.h"

#include "base/alloc.h"
#include "base/civil.h"

#include <string.h>

static struct lx_err err;

static int setup(void **state)
{
    err = (struct lx_err)LX_ERR_INIT;
    scene_setup(state);
    scene_archive();
    scene_start();
    return 0;
}

/* Both old parts of 202602 by one statement, or the named parts of 202603 by one mask. */
static enum lx_status delete_parts(const size_t *which, size_t count, bool whole)
{
    struct lx_leave leaves[4];
    for (size_t i = 0; i < count; i++)
        leaves[i] = (struct lx_leave){&scene.parts.parts[which[i]], scene_warrant(which[i])};
    lx_err_clear(&err);
    enum lx_status status = whole ? lx_delete_whole(&scene.run, leaves, count, &err)
                                  : lx_delete_masked(&scene.run, leaves, count, &err);
    for (size_t i = 0; i < count; i++)
        lx_warrant_free(leaves[i].warrant);
    return status;
}

static const size_t old_parts[] = {OLD_A, OLD_B}, mostly[] = {MOSTLY}, hardly[] = {HARDLY},
                    both[] = {MOSTLY, HARDLY};

#define WHOLE delete_parts(old_parts, 2, true)
#define MASK delete_parts(both, 2, false)

/* Nothing was done to the table, nothing written, nobody refused. */
static void untouched(void)
{
    assert_int_equal(scene.drops + scene.masks, 0);
    assert_int_equal(scene.report.deleted_rows, 0);
    assert_int_equal(scene_hot_rows(), 12);
    assert_int_equal(scene_live(), 4);
}

/* The newest version of the log, as text. */
static const char *newest_commit(void)
{
    static char text[200000];
    char key[64];
    size_t size = 0;
    snprintf(key, sizeof key, "_delta_log/%020lld.json",
             (long long)lx_ledger_state(scene.options->ledger)->version);
    const uint8_t *bytes = lx_mem_bucket_get(scene.sim.bucket, key, &size);
    assert_non_null(bytes);
    assert_in_range(size, 1, sizeof text - 1);
    memcpy(text, bytes, size);
    text[size] = 0;
    return text;
}

/* -- whole parts --------------------------------------------------------------------------- */

static void test_whole(void **state)
{
    (void)state;
    scene.options->who = NULL; /* nobody: the audit has an empty name */
    assert_status(WHOLE, LX_OK, &err);
    assert_int_equal(scene.drops, 1);
    assert_int_equal(scene.report.deleted_rows, 5);
    assert_int_equal(scene.report.deleted_parts, 2);
    assert_int_equal(scene.report.delete_statements, 1);
    assert_false(scene.report.delete_refused);
    assert_int_equal(scene_hot_rows(), 7);
    assert_int_equal(scene_live(), 2);
    assert_says(newest_commit(), "\"by\":\"\"");
    assert_says(newest_commit(), "DROP PART");
    assert_says(newest_commit(), "202602_2_2_0");
}

/* A statement is kept in the audit up to a length, and whatever its bytes are: the names of columns
 * need not be UTF-8, and a cut may fall within a character. */
static void test_audit_of_any_bytes(void **state)
{
    (void)state;
    static char words[20000];
    memset(words, 'x', sizeof words - 1);
    memcpy(words, "DROP \xff\xfe", 7);
    memcpy(words + 16384 - 1, "\xc3\xa9", 2); /* é across the cut */
    scene.drop.words = words;
    scene.options->who = "Andr\xe9@h\xf4te";
    assert_status(WHOLE, LX_OK, &err);
    assert_int_equal(scene.report.deleted_rows, 5);
    assert_int_equal(scene_live(), 2);
    assert_says(newest_commit(), "xxxxxxxxxx");
    assert_says(newest_commit(), "DROP \xef\xbf\xbd\xef\xbf\xbdxx");
    assert_says(newest_commit(), "Andr\xef\xbf\xbd@h");
    assert_in_range(strlen(newest_commit()), 16384, 19000);
}

/* -- the guard ----------------------------------------------------------------------------- */

static enum lx_status fails;
static enum lx_status failing(void *self, struct lx_err *e)
{
    (void)self;
    return lx_err_set(e, fails, "the question failed");
}
static enum lx_status failing_sums(void *self, struct lx_hot_sum *asked, size_t count, bool whole,
                                   struct lx_err *e)
{
    (void)asked, (void)count, (void)whole;
    return failing(self, e);
}

static void test_guard_without_answer(void **state)
{
    (void)state;
    fails = LX_E_REFUSED;
    scene.ops.row_policy = failing;
    assert_status(WHOLE, LX_E_REFUSED, &err);
    assert_status(MASK, LX_E_REFUSED, &err);
    assert_true(scene.run.hot_refused);
    scene.ops.row_policy = sim_hot_ops.row_policy;
    fails = LX_E_NETWORK;
    scene.ops.sums = failing_sums;
    assert_status(WHOLE, LX_E_NETWORK, &err);
    assert_status(MASK, LX_E_NETWORK, &err);
    assert_says(err.text, "the question failed");
    untouched();
}

/* A patch changes a value under the part's name. */
static void change(size_t part)
{
    struct sim_world *world = &scene.sim.world;
    struct sim_row *row = &scene_part(part)->rows[0];
    sim_list_add(&world->replaced, sim_pack(row));
    row->value += 10;
    sim_part_changed(scene_part(part));
    world->ever[row->uid].content = sim_pack(row);
    sim_list_add(&world->all_versions, sim_pack(row));
}

static void test_guard_says_no(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++)
        change(i);
    assert_status(WHOLE, LX_OK, &err);
    assert_status(MASK, LX_OK, &err);
    assert_false(scene.report.delete_refused);
    untouched();
}

/* Of two parts one is as it was archived: that one goes. */
static void test_guard_says_no_to_one(void **state)
{
    (void)state;
    change(OLD_B);
    change(HARDLY);
    assert_status(WHOLE, LX_OK, &err);
    assert_int_equal(scene.report.deleted_rows, 3);
    assert_status(MASK, LX_OK, &err);
    assert_int_equal(scene.report.deleted_rows, 6);
    assert_int_equal(scene_hot_rows(), 6);
    assert_int_equal(scene_live(), 2);
    assert_false(scene.report.delete_refused);
}

/* A part that is partly young never leaves as a whole. */
static void test_not_old_as_a_whole(void **state)
{
    (void)state;
    assert_status(delete_parts(mostly, 1, true), LX_OK, &err);
    untouched();
}

static struct lx_warrant *warrants[2];

/* Another archiver ends the segment of the part, between warrant and guard. */
static void another_ends(enum lx_step step)
{
    if (step != LX_STEP_GUARD)
        return;
    struct lx_store *store;
    struct lx_ledger *ledger;
    struct lx_err e = LX_ERR_INIT;
    assert_status(lx_mem_store_open(scene.sim.bucket, 2, &store, &e), LX_OK, &e);
    const struct lx_ledger_options options = {
        .store = store, .clock = scene.options->clock, .random = scene.options->random};
    assert_status(lx_ledger_open(&options, &ledger, &e), LX_OK, &e);
    const char *ids[] = {lx_warrant_segment(warrants[0], 0)->id};
    const struct lx_change change = {.operation = "GONE",
                                     .end_segments = ids,
                                     .end_segment_count = 1,
                                     .ended_at = scene.sim.now_ms / 1000,
                                     .source = scene.run.source};
    assert_status(lx_ledger_commit(ledger, &change, NULL, &e), LX_OK, &e);
    lx_ledger_close(ledger);
    lx_store_close(store);
}

static void test_warrant_no_longer_holds(void **state)
{
    (void)state;
    struct lx_leave leave = {&scene.parts.parts[OLD_A], scene_warrant(OLD_A)};
    warrants[0] = leave.warrant;
    scene.then = another_ends;
    assert_status(lx_delete_whole(&scene.run, &leave, 1, &err), LX_OK, &err);
    lx_warrant_free(leave.warrant);
    assert_int_equal(scene.drops, 0);
    assert_int_equal(scene_hot_rows(), 12);
    /* It ended while its rows are hot: what the other one wrote was not true. */
    for (size_t r = 0; r < scene_part(OLD_A)->count; r++) {
        sim_list_add(&scene.sim.world.replaced, sim_pack(&scene_part(OLD_A)->rows[r]));
        sim_list_add(&scene.sim.world.all_versions, sim_pack(&scene_part(OLD_A)->rows[r]));
    }
}

/* The ledger cannot be read again: no delete. */
static void test_ledger_unreadable(void **state)
{
    (void)state;
    struct lx_leave leave = {&scene.parts.parts[OLD_A], scene_warrant(OLD_A)};
    scene.gets_fail = scene.lists_fail = LX_E_ACCESS;
    assert_status(lx_delete_whole(&scene.run, &leave, 1, &err), LX_E_ACCESS, &err);
    scene.gets_fail = scene.lists_fail = LX_OK;
    lx_warrant_free(leave.warrant);
    untouched();
}

static enum lx_status refuses_and_locks(void *self, struct lx_err *e)
{
    (void)self;
    scene.gets_fail = scene.lists_fail = LX_E_ACCESS;
    return lx_err_set(e, LX_E_ACCESS, "the server refuses");
}

/* ClickHouse refuses the delete, and then the store refuses the ledger: that is a failed run. */
static void test_refused_by_both(void **state)
{
    (void)state;
    scene.ops.row_policy = refuses_and_locks;
    assert_status(lx_settle(&scene.run, true, &err), LX_E_ACCESS, &err);
    assert_true(strstr(err.text, "the server refuses") == NULL);
    assert_says(scene.report.refusal.text, "the server refuses");
    scene.gets_fail = scene.lists_fail = LX_OK;
    untouched();
}

/* A warrant for one of two segments that may go: the other's rows would go unrecorded. */
static void test_half_a_warrant(void **state)
{
    (void)state;
    const char *ids[16];
    struct sim_world *world = &scene.sim.world;
    scene_end();
    world->by_month = false;
    scene_insert("all", "002334");
    scene_archive();
    scene_start();
    size_t part = 4, count = scene_ids(part, ids);
    assert_int_equal(count, 2); /* a segment a month */
    struct lx_leave leave = {&scene.parts.parts[part], NULL};
    assert_status(lx_warrant_make(&scene.run, ids, 1, &leave.warrant, &err), LX_OK, &err);
    assert_status(lx_delete_masked(&scene.run, &leave, 1, &err), LX_OK, &err);
    lx_warrant_free(leave.warrant);
    assert_int_equal(scene.drops + scene.masks, 0);
}

static void test_breaker(void **state)
{
    (void)state;
    scene.options->max_delete_rows = 4;
    assert_status(WHOLE, LX_OK, &err);
    untouched();
    assert_true(scene.report.delete_refused && scene.run.no_more_deletes);
    assert_says(scene.report.refusal.text, "would delete 5 rows");
    assert_says(scene.report.refusal.text, "ARCHIVE_MAX_DELETE_ROWS=4");
    scene.options->max_delete_rows = 3;
    assert_status(MASK, LX_OK, &err);
    assert_says(scene.report.refusal.text, "would delete 5 rows"); /* the first stays */
    scene.options->max_delete_rows = 5;
    assert_status(WHOLE, LX_OK, &err);
    assert_int_equal(scene.report.deleted_rows, 5);
}

/* -- what the statement did ---------------------------------------------------------------- */

/* A failed answer: what is gone is recorded all the same; what is not stays live. */
static void test_answers_of_drop(void **state)
{
    static const struct {
        enum lx_status says;
        bool final;
    } answers[] = {{LX_OK, false},         {LX_E_ACCESS, true},   {LX_E_REMOTE, true},
                   {LX_E_NOTFOUND, false}, {LX_E_NETWORK, false}, {LX_E_TIMEOUT, false},
                   {LX_E_CANCELLED, false}};
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
        for (size_t acts = 0; acts <= 2; acts++) {
            size_t left = 2 - acts;
            if (i + acts > 0)
                setup(state);
            scene.drop = (struct scene_fate){.says = answers[i].says, .acts = acts};
            assert_status(WHOLE, LX_OK, &err);
            assert_int_equal(scene.report.deleted_parts, acts);
            assert_int_equal(scene_live(), 2 + left);
            assert_int_equal(scene.report.deleted_rows, 12 - scene_hot_rows());
            assert_int_equal(scene.report.delete_refused, answers[i].final && left > 0);
            assert_int_equal(scene.run.no_more_deletes, answers[i].final && left > 0);
            const struct lx_err *why = answers[i].final ? &scene.report.refusal : &scene.run.undone;
            if (left == 0)
                assert_int_equal(why->status, LX_OK);
            else if (answers[i].says == LX_OK)
                assert_says(why->text, "still have them although the delete went well");
            else
                assert_says(why->text, "the statement's answer");
            if (i + 1 < sizeof answers / sizeof answers[0] || acts < 2)
                assert_int_equal(scene_teardown(state), 0);
        }
}

/* What is left cannot be asked for: the status goes out, and nothing is written that is not known.
 * (That clean runs then find what is true, scene_teardown shows.) */
static enum lx_status failing_present(void *self, const char *const *parts, size_t count,
                                      bool *present, int64_t *now, struct lx_err *e)
{
    (void)parts, (void)count, (void)present, (void)now;
    return failing(self, e);
}
static enum lx_status failing_parts(void *self, int64_t days_to, struct lx_hot_parts *parts,
                                    struct lx_err *e)
{
    (void)days_to, (void)parts;
    return failing(self, e);
}
static enum lx_status failing_table(void *self, struct lx_hot_table **table, struct lx_err *e)
{
    (void)table;
    return failing(self, e);
}

static void unjudged(enum lx_status status, enum lx_status expected)
{
    assert_status(status, expected, &err);
    assert_int_equal(scene.report.deleted_rows, 0);
    assert_int_equal(scene_live(), 4);
}

static void test_not_judged(void **state)
{
    (void)state;
    const struct lx_hot_ops good = scene.ops;
    fails = LX_E_NETWORK;
    scene.drop = scene.mask = (struct scene_fate){.says = LX_OK, .acts = 0};
    scene.ops.present = failing_present;
    unjudged(WHOLE, LX_E_NETWORK);
    scene.ops = good;
    scene.ops.parts = failing_parts;
    unjudged(MASK, LX_E_NETWORK);
    scene.drop.says = LX_E_TIMEOUT;
    unjudged(WHOLE, LX_E_NETWORK);
    scene.ops = good;
    scene.ops.table = failing_table;
    unjudged(WHOLE, LX_E_NETWORK);
    unjudged(MASK, LX_E_NETWORK);
    assert_int_equal(scene.drops, 3);
    assert_int_equal(scene.masks, 2);
    assert_false(scene.report.delete_refused);
}

/* Another table has the name when what is left is asked for: its parts tell nothing of ours. */
static enum lx_status other_table(void *self, struct lx_hot_table **table, struct lx_err *e)
{
    LX_TRY(sim_hot_ops.table(self, table, e));
    (*table)->uuid[35] = '9';
    return LX_OK;
}

static void another_comes(enum lx_step step)
{
    if (step == LX_STEP_DELETED)
        scene.ops.table = other_table;
}

static void test_another_table(void **state)
{
    scene.then = another_comes;
    unjudged(WHOLE, LX_OK);
    scene.then = NULL;
    assert_int_equal(scene_hot_rows(), 7);
    assert_int_equal(scene_teardown(state), 0);
    setup(state);
    scene.then = another_comes;
    unjudged(MASK, LX_OK);
    scene.then = NULL;
    assert_int_equal(scene.masks, 1);
    assert_int_equal(scene.applies, 0); /* nothing is sent to a table that we do not know */
}

/* Stopped between two steps: before the statement nothing is sent, behind it nothing is written. */
static void test_stopped_at_steps(void **state)
{
    (void)state;
    static const enum lx_step before[] = {LX_STEP_GUARD, LX_STEP_DELETE, LX_STEP_MASK};
    for (size_t i = 0; i < 3; i++) {
        scene.fails_at = before[i];
        if (before[i] != LX_STEP_MASK)
            assert_status(WHOLE, LX_E_IO, &err);
        if (before[i] != LX_STEP_DELETE)
            assert_status(MASK, LX_E_IO, &err);
        untouched();
    }
    scene.fails_at = LX_STEP_DELETED;
    scene.drop = scene.mask = (struct scene_fate){.says = LX_OK, .acts = SIZE_MAX};
    unjudged(WHOLE, LX_E_IO);
    unjudged(MASK, LX_E_IO);
    assert_int_equal(scene_hot_rows(), 3);
}

/* The record cannot be written: the run says so, and tells what is gone. */
static void test_record_fails(void **state)
{
    (void)state;
    scene.puts_fail = LX_E_ACCESS;
    assert_status(WHOLE, LX_E_ACCESS, &err);
    assert_int_equal(scene.report.deleted_rows, 5);
    assert_status(MASK, LX_E_ACCESS, &err);
    assert_int_equal(scene.report.deleted_rows, 9);
    scene.puts_fail = LX_OK;
    assert_int_equal(scene_live(), 4);
    assert_int_equal(scene.applies, 0);
}

/* -- masks --------------------------------------------------------------------------------- */

static void test_mask(void **state)
{
    (void)state;
    assert_status(delete_parts(hardly, 1, false), LX_OK, &err);
    assert_int_equal(scene.applies, 0); /* a third of the part: not worth a rewrite */
    assert_int_equal(scene.report.deleted_rows, 1);
    scene_end(); /* the mask has renamed the parts */
    scene_start();
    assert_status(delete_parts(mostly, 1, false), LX_OK, &err);
    assert_int_equal(scene.applies, 1);
    assert_int_equal(scene.masks, 2);
    assert_int_equal(scene.report.deleted_rows, 4);
    assert_int_equal(scene_hot_rows(), 8);
    assert_int_equal(scene_live(), 2);
    assert_says(newest_commit(), "\"way\":\"mask\"");
}

static void test_space_not_freed(void **state)
{
    (void)state;
    scene.apply_says = LX_E_TIMEOUT;
    assert_status(delete_parts(mostly, 1, false), LX_OK, &err);
    assert_int_equal(scene.report.deleted_rows, 3);
    assert_int_equal(scene_live(), 3);
    assert_says(scene.said, "could not be freed: not now");
}

/* It waits on the server: what it did is not asked, and no further delete is sent. */
static void test_mask_waits(void **state)
{
    (void)state;
    scene.mask = (struct scene_fate){.says = LX_E_BUSY, .name = "PENDING_DELETE"};
    assert_status(MASK, LX_OK, &err);
    assert_true(scene.report.delete_refused && scene.run.no_more_deletes);
    assert_int_equal(scene.report.deleted_rows, 0);
    assert_int_equal(scene_live(), 4);
    scene.fails_at = LX_STEP_DELETED;
    assert_status(MASK, LX_E_IO, &err);
}

static void test_answers_of_mask(void **state)
{
    static const enum lx_status answers[] = {LX_OK, LX_E_BUSY, LX_E_ACCESS, LX_E_NETWORK};
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
        for (size_t acts = 0; acts <= 2; acts++) {
            if (i + acts > 0)
                setup(state);
            scene.mask = (struct scene_fate){.says = answers[i], .acts = acts};
            assert_status(MASK, LX_OK, &err);
            assert_int_equal(scene.report.deleted_rows, 12 - scene_hot_rows());
            assert_int_equal(scene_live(), 4 - acts);
            bool final = answers[i] == LX_E_BUSY || answers[i] == LX_E_ACCESS;
            assert_int_equal(scene.report.delete_refused, final && acts < 2);
            assert_int_equal(scene.run.undone.status != LX_OK, !final && acts < 2);
            if (i + 1 < sizeof answers / sizeof answers[0] || acts < 2)
                assert_int_equal(scene_teardown(state), 0);
        }
}

/* Two parts lie in the blocks of the one that was masked, and the first still has old rows. */
static enum lx_status split_parts(void *self, int64_t days_to, struct lx_hot_parts *parts,
                                  struct lx_err *e)
{
    LX_TRY(sim_hot_ops.parts(self, days_to, parts, e));
    parts->parts[HARDLY].min_block = 3;
    return LX_OK;
}

static void test_old_rows_in_one_of_two(void **state)
{
    (void)state;
    scene.mask.acts = 0;
    scene.ops.parts = split_parts;
    unjudged(delete_parts(mostly, 1, false), LX_OK);
    assert_says(scene.run.undone.text, "1 parts of partition 202603");
}

/* An index of the server that hides old rows is no reason to record that they are gone: neither
 * behind a mask that did nothing, nor where they are looked for. */
static enum lx_status blind_parts(void *self, int64_t days_to, struct lx_hot_parts *parts,
                                  struct lx_err *e)
{
    LX_TRY(sim_hot_ops.parts(self, days_to, parts, e));
    for (size_t i = 0; days_to != LX_TIME_LAST && i < parts->count; i++)
        parts->parts[i].day_count = 0;
    return LX_OK;
}

/* The same of metadata that leaves parts out, behind a drop whose answer was lost. */
static enum lx_status no_parts(void *self, int64_t days_to, struct lx_hot_parts *parts,
                               struct lx_err *e)
{
    LX_TRY(sim_hot_ops.parts(self, days_to, parts, e));
    if (days_to != LX_TIME_LAST)
        lx_hot_parts_free(parts);
    return LX_OK;
}

static void test_blind_metadata(void **state)
{
    (void)state;
    scene.drop = (struct scene_fate){.says = LX_E_NETWORK, .acts = 0};
    scene.ops.parts = no_parts;
    unjudged(WHOLE, LX_OK);
    assert_int_equal(scene.drops, 1);
}

static void test_blind_index(void **state)
{
    (void)state;
    size_t live = scene_live();
    scene.mask.acts = 0;
    scene.ops.parts = blind_parts;
    unjudged(delete_parts(mostly, 1, false), LX_OK);
    assert_says(scene.run.undone.text, "1 parts of partition 202603");
    assert_status(lx_settle(&scene.run, false, &err), LX_OK, &err);
    assert_int_equal(scene_live(), live);
}

/* Rows of several schemas: the guard can say yes, range by range, but no single guard can stand in
 * a mask: none is sent. As a whole such a part leaves. */
static void two_schemas(const char *days)
{
    scene_end();
    scene_insert("202603", days);
    scene.options->after_days = 5; /* before day 0 … */
    scene.sim.now_ms += LX_DAY_SECONDS * 1000;
    scene_archive(); /* … and the first of its rows */
    scene.options->after_days = 2;
    scene.sim.world.has_extra = true;
    scene_archive();
    scene_start();
}

static void test_several_schemas(void **state)
{
    const size_t last[] = {4};
    two_schemas("0034");
    assert_status(delete_parts(last, 1, false), LX_OK, &err);
    assert_int_equal(scene.masks, 0);
    assert_int_equal(scene.report.deleted_rows, 0);
    assert_int_equal(scene_teardown(state), 0);
    setup(state);
    two_schemas("0033");
    assert_status(delete_parts(last, 1, true), LX_OK, &err);
    assert_int_equal(scene.drops, 1);
    assert_int_equal(scene.report.deleted_rows, 4);
}

/* A clock that tells nothing: what ended has ended all the same. */
static enum lx_status parts_without_clock(void *self, int64_t days_to, struct lx_hot_parts *parts,
                                          struct lx_err *e)
{
    LX_TRY(sim_hot_ops.parts(self, days_to, parts, e));
    parts->now = 0;
    return LX_OK;
}

static void test_no_clock(void **state)
{
    (void)state;
    scene.drop.says = LX_E_NETWORK;
    scene.ops.parts = parts_without_clock;
    assert_status(WHOLE, LX_OK, &err);
    assert_int_equal(scene.report.deleted_rows, 5);
    assert_int_equal(scene_live(), 2);
}

/* -- memory -------------------------------------------------------------------------------- */

static void make_leaving(void)
{
    err = (struct lx_err)LX_ERR_INIT;
    scene_archive();
    scene_start();
    warrants[0] = scene_warrant(OLD_A);
    warrants[1] = scene_warrant(OLD_B);
}

static void make_masking(void)
{
    make_leaving();
    lx_warrant_free(warrants[0]);
    lx_warrant_free(warrants[1]);
    warrants[0] = scene_warrant(MOSTLY);
    warrants[1] = scene_warrant(HARDLY);
}

static void make_lost_answer(void)
{
    make_leaving();
    scene.drop.says = LX_E_NETWORK;
}

static enum lx_status leave_whole(struct lx_err *e)
{
    const struct lx_leave leaves[] = {{&scene.parts.parts[OLD_A], warrants[0]},
                                      {&scene.parts.parts[OLD_B], warrants[1]}};
    enum lx_status status = lx_delete_whole(&scene.run, leaves, 2, e);
    lx_warrant_free(warrants[0]);
    lx_warrant_free(warrants[1]);
    return status;
}

static enum lx_status leave_masked(struct lx_err *e)
{
    const struct lx_leave leaves[] = {{&scene.parts.parts[MOSTLY], warrants[0]},
                                      {&scene.parts.parts[HARDLY], warrants[1]}};
    enum lx_status status = lx_delete_masked(&scene.run, leaves, 2, e);
    lx_warrant_free(warrants[0]);
    lx_warrant_free(warrants[1]);
    return status;
}

static void test_memory(void **state)
{
    (void)state;
    assert_in_range(scene_memory(make_leaving, leave_whole), 50, 5000);
    assert_in_range(scene_memory(make_lost_answer, leave_whole), 50, 5000);
    assert_in_range(scene_memory(make_masking, leave_masked), 50, 5000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, scene_teardown)

int main(void)
{
    json_set_alloc_funcs(lx_malloc, lx_free); /* jansson's fail as well */
    const struct CMUnitTest tests[] = {
        TEST(test_whole),
        TEST(test_audit_of_any_bytes),
        TEST(test_guard_without_answer),
        TEST(test_guard_says_no),
        TEST(test_guard_says_no_to_one),
        TEST(test_not_old_as_a_whole),
        TEST(test_warrant_no_longer_holds),
        TEST(test_ledger_unreadable),
        TEST(test_refused_by_both),
        TEST(test_half_a_warrant),
        TEST(test_breaker),
        TEST(test_answers_of_drop),
        TEST(test_not_judged),
        TEST(test_another_table),
        TEST(test_stopped_at_steps),
        TEST(test_record_fails),
        TEST(test_mask),
        TEST(test_space_not_freed),
        TEST(test_mask_waits),
        TEST(test_answers_of_mask),
        TEST(test_old_rows_in_one_of_two),
        TEST(test_blind_index),
        TEST(test_blind_metadata),
        TEST(test_several_schemas),
        TEST(test_no_clock),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
