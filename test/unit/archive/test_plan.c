/* plan.c: how large parts are cut into slices of days, and what is left where some is held. */
#include "scene.h"

#include "base/alloc.h"
#include "base/civil.h"

#include <string.h>

#define MAX_DAYS 62
#define MAY_1 20574 /* 2026-05-01 */

static struct lx_hot_day days[MAX_DAYS]; /* of the only part, which lists none without rows */
static size_t day_count;
static struct lx_plan plan;

static enum lx_status only_part(void *self, int64_t days_to, struct lx_hot_parts *parts,
                                struct lx_err *err)
{
    (void)self;
    (void)err;
    *parts = (struct lx_hot_parts){.now = scene.sim.now_ms / 1000};
    parts->parts = lx_calloc(1, sizeof *parts->parts);
    assert_non_null(parts->parts);
    parts->count = 1;
    struct lx_hot_part *part = &parts->parts[0];
    *part = (struct lx_hot_part){.partition = lx_strdup("all"),
                                 .name = lx_strdup("all_1_1_0"),
                                 .min_block = 1,
                                 .max_block = 1,
                                 .days_to = days_to};
    part->days = lx_calloc(day_count, sizeof *part->days);
    assert_non_null(part->days);
    for (size_t i = 0; i < day_count; i++) {
        if (days[i].rows > 0 && days[i].day * LX_DAY_SECONDS < days_to)
            part->days[part->day_count++] = days[i];
        part->rows += days[i].rows;
    }
    return LX_OK;
}

static void add_days(size_t count, int64_t rows)
{
    for (size_t i = 0; i < count; i++, day_count++)
        days[day_count] = (struct lx_hot_day){.day = MAY_1 + (int32_t)day_count, .rows = rows};
}

/* Days of each slice, in text: "10 11 10", "|" between months. All rows of the first `aged` days
 * are in one of them, once. */
static void assert_slices_of(size_t aged, const char *expected)
{
    struct lx_err err = LX_ERR_INIT;
    char text[256] = "";
    int64_t rows = 0, all = 0, day = MAY_1;
    scene.ops.parts = only_part;
    scene_start();
    scene.run.cutoff = (MAY_1 + (int64_t)aged) * LX_DAY_SECONDS;
    assert_status(lx_plan_make(&scene.run, &plan, &err), LX_OK, &err);
    for (size_t b = 0; b < plan.batch_count; b++) {
        assert_int_equal(plan.batches[b].slice_count, 1);
        const struct lx_slice *slice = &plan.batches[b].slices[0];
        int64_t to = slice->to / LX_DAY_SECONDS, in_days = 0;
        if (b > 0)
            assert_int_equal(slice->from, plan.batches[b - 1].slices[0].to);
        for (int64_t d = day; d < to; d++)
            in_days += days[d - MAY_1].rows;
        assert_int_equal(slice->rows, in_days);
        bool month = b > 0 && plan.batches[b].month != plan.batches[b - 1].month;
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%lld",
                 b == 0  ? ""
                 : month ? "|"
                         : " ",
                 (long long)(to - day));
        rows += slice->rows;
        day = to;
    }
    for (size_t i = 0; i < aged; i++)
        all += days[i].rows;
    assert_int_equal(rows, all);
    assert_int_equal(plan.rows, all);
    assert_string_equal(text, expected);
    lx_plan_free(&plan);
    scene_end();
    day_count = 0;
}

static void assert_slices(const char *expected)
{
    assert_slices_of(day_count, expected);
}

/* What the days are off does not add up to one more slice, which would read over all rows again. */
static void test_of_one_size(void **state)
{
    (void)state;
    add_days(31, 166600);
    assert_slices("10 11 10");
    add_days(31, 500000);
    assert_slices("6 6 7 6 6");
    add_days(31, 64000);
    assert_slices("31");
    add_days(31, 67000);
    assert_slices("10 11 10");
    add_days(2, 5000000);
    assert_slices("1 1");
    add_days(1, 50000000);
    assert_slices("1");
}

/* Slices end with their months; a month of little is one slice. */
static void test_months(void **state)
{
    (void)state;
    add_days(31, 100000);
    add_days(30, 100000);
    assert_slices("15 16|15 15");
    add_days(30, 10000);
    add_days(1, 10000);
    add_days(30, 190000);
    assert_slices("31|8 8 8 6");
    /* Ten million: killed in the middle, four of them are archived. */
    add_days(60, 166600);
    assert_slices("12 12 7|12 17");
}

/* A day that is larger than a slice; days around it are not cut finer for that. */
static void test_heavy_days(void **state)
{
    (void)state;
    add_days(10, 10000);
    add_days(1, 9000000);
    add_days(20, 10000);
    assert_slices("10 1 20");
    add_days(1, 4000000);
    add_days(15, 100000);
    add_days(1, 4000000);
    assert_slices("1 15 1");
}

/* Days without rows, at the ends too; and a cutoff within the part. */
static void test_gaps_and_cutoff(void **state)
{
    (void)state;
    add_days(3, 0);
    add_days(9, 200000);
    add_days(10, 0);
    add_days(6, 200000);
    add_days(3, 0);
    assert_slices("8 15 8");
    add_days(31, 300000);
    assert_slices_of(20, "7 6 7");
    add_days(31, 300000);
    assert_slices_of(1, "1");
    add_days(5, 0);
    add_days(26, 300000);
    assert_slices_of(5, "");
}

/* -- what is held -------------------------------------------------------------------------- */

/* A plan of the scene, with a cutoff so many days later than the run's. */
static void make_plan(int64_t later)
{
    struct lx_err err = LX_ERR_INIT;
    scene_start();
    scene.run.cutoff += later * LX_DAY_SECONDS;
    assert_status(lx_plan_make(&scene.run, &plan, &err), LX_OK, &err);
}

static void end_plan(void)
{
    lx_plan_free(&plan);
    scene_end();
}

/* Of what is archived and still there, nothing; behind it, what became due since. */
static void test_held(void **state)
{
    (void)state;
    make_plan(0);
    assert_int_equal(plan.rows, SCENE_OLD_ROWS);
    assert_int_equal(plan.part_count, 4);
    assert_int_equal(plan.batch_count, 2); /* two months */
    end_plan();
    scene_archive();
    make_plan(0);
    assert_int_equal(plan.rows, 0);
    assert_int_equal(plan.batch_count + plan.group_count, 0);
    assert_int_equal(plan.part_count, 0);
    assert_int_equal(plan.parts.count, 4);
    end_plan();
    make_plan(1);
    assert_int_equal(plan.rows, 3);
    assert_int_equal(plan.part_count, 2);
    assert_int_equal(plan.group_count, 0);
    assert_int_equal(plan.batch_count, 1);
    assert_int_equal(plan.batches[0].slice_count, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct lx_slice *slice = &plan.batches[0].slices[i];
        assert_string_equal(slice->part->name, i == 0 ? "202603_3_3_0" : "202603_4_4_0");
        assert_int_equal(slice->from, (SCENE_DAY + 4) * LX_DAY_SECONDS);
        assert_int_equal(slice->to, (SCENE_DAY + 5) * LX_DAY_SECONDS);
        assert_int_equal(slice->rows, i == 0 ? 1 : 2);
    }
    end_plan();
}

/* The two parts of February become one, with level and all. */
static struct sim_part *merge(void)
{
    struct sim_world *world = &scene.sim.world;
    struct sim_part *merged = sim_part_new("202602", 1, 2, 1, 0);
    for (size_t i = 0; i < 2; i++) {
        struct sim_part *part = world->parts[0];
        assert_string_equal(part->partition, "202602");
        for (size_t r = 0; r < part->count; r++)
            sim_part_add(merged, &part->rows[r]);
        sim_take_part(world, part);
        sim_part_free(part);
    }
    sim_add_part(world, merged);
    return merged;
}

/* A merged part holds the segments of both. With a row of it gone, it is compared by content, with
 * both; other parts are not. */
static void test_merged(void **state)
{
    (void)state;
    scene_archive();
    struct sim_part *merged = merge();
    make_plan(0);
    assert_int_equal(plan.parts.count, 3);
    assert_int_equal(plan.rows, 0);
    assert_int_equal(plan.group_count, 0);
    end_plan();
    merged->count--;
    sim_part_changed(merged);
    make_plan(1);
    assert_int_equal(plan.group_count, 1);
    assert_int_equal(plan.groups[0].part_count, 1);
    assert_string_equal(plan.groups[0].parts[0]->name, "202602_1_2_1");
    assert_int_equal(plan.groups[0].segment_count, 2);
    assert_int_equal(plan.groups[0].to[0], scene.run.cutoff);
    assert_int_equal(plan.rows, 3); /* of the others, what is due a day later */
    end_plan();
}

/* Parts that differ and meet one segment are compared together, others each alone. */
static void test_groups(void **state)
{
    (void)state;
    struct sim_world *world = &scene.sim.world;
    struct sim_part *merged = merge();
    struct sim_part *parts[] = {sim_part_new("202602", 1, 1, 0, 0),
                                sim_part_new("202602", 2, 2, 0, 0)};
    scene_archive();
    for (size_t r = 0; r < merged->count; r++) /* a power loss takes the merge back */
        sim_part_add(parts[r >= 3], &merged->rows[r]);
    sim_take_part(world, merged);
    sim_part_free(merged);
    for (size_t p = 0; p < world->count; p++) {
        world->parts[p]->rows[0].value += 10;
        sim_part_changed(world->parts[p]);
    }
    sim_add_part(world, parts[0]);
    sim_add_part(world, parts[1]);
    make_plan(0);
    assert_int_equal(plan.rows, 0);
    assert_int_equal(plan.group_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(plan.groups[i].part_count, i == 0 ? 2 : 1);
        assert_int_equal(plan.groups[i].segment_count, 1);
    }
    assert_string_equal(plan.groups[0].parts[0]->name, "202602_1_1_0");
    assert_string_equal(plan.groups[0].parts[1]->name, "202602_2_2_0");
    end_plan();
}

/* The table was swapped for another: all its parts with all segments of the old, as far as they
 * reach. */
static void test_strangers(void **state)
{
    (void)state;
    struct sim_world *world = &scene.sim.world;
    scene_archive();
    world->uuid ^= 1;
    make_plan(-2);
    assert_true(plan.strangers);
    assert_int_equal(plan.rows, 0);
    assert_int_equal(plan.group_count, 1);
    assert_int_equal(plan.groups[0].part_count, 4);
    assert_int_equal(plan.groups[0].segment_count, scene_live());
    for (size_t i = 0; i < 4; i++) /* the cutoff is two days earlier than the archive reaches */
        assert_int_equal(plan.groups[0].to[i], (SCENE_DAY + 4) * LX_DAY_SECONDS);
    end_plan();
}

/* -- the days that are asked for -------------------------------------------------------------- */

static void test_days_to(void **state)
{
    (void)state;
    const int64_t day = LX_DAY_SECONDS;
    const struct lx_ledger_state *ledger = lx_ledger_state(scene.options->ledger);
    int64_t furthest = 0;
    scene_archive();
    scene_start();
    for (size_t i = 0; i < ledger->live_count; i++)
        furthest = ledger->live[i].to > furthest ? ledger->live[i].to : furthest;
    assert_true(furthest > 10 * day);
    scene.run.cutoff = scene.run.aged = scene.run.days_to = 0;
    assert_int_equal(lx_run_days_to(&scene.run), furthest); /* as far as anything archived */
    scene.run.cutoff = furthest + 1;                        /* whole days */
    assert_int_equal(lx_run_days_to(&scene.run), furthest + day);
    scene.run.aged = furthest + 3 * day;
    assert_int_equal(lx_run_days_to(&scene.run), furthest + 3 * day);
    scene.run.cutoff = scene.run.aged = 0; /* what was asked for once still is */
    assert_int_equal(lx_run_days_to(&scene.run), furthest + 3 * day);
    scene.run.cutoff = LX_TIME_LAST;
    assert_int_equal(lx_run_days_to(&scene.run), LX_TIME_LAST);
}

/* -- a server that is busy ----------------------------------------------------------------- */

static enum lx_status (*model_parts)(void *self, int64_t days_to, struct lx_hot_parts *parts,
                                     struct lx_err *err);
static int busy, asked; /* so often it is; questions */
static const char *busy_name;

static enum lx_status busy_parts(void *self, int64_t days_to, struct lx_hot_parts *parts,
                                 struct lx_err *err)
{
    if (asked++ >= busy)
        return model_parts(self, days_to, parts, err);
    lx_err_set(err, LX_E_BUSY, "not now");
    if (err != NULL)
        snprintf(err->name, sizeof err->name, "%s", busy_name);
    return LX_E_BUSY;
}

/* It is waited for, whatever it is busy with, and not for longer than may be, in all of the run. */
static void test_busy(void **state)
{
    (void)state;
    static const char *const names[] = {"PENDING_DELETE", "TOO_MANY_SIMULTANEOUS_QUERIES"};
    struct lx_err err = LX_ERR_INIT;
    model_parts = scene.ops.parts;
    for (size_t i = 0; i < 2; i++) {
        busy_name = names[i];
        scene.ops.parts = model_parts;
        scene_start();
        scene.ops.parts = busy_parts;
        asked = 0;
        busy = 9;
        int64_t before = scene.sim.now_ms;
        assert_status(lx_plan_make(&scene.run, &plan, &err), LX_OK, &err);
        assert_int_equal(plan.rows, SCENE_OLD_ROWS);
        assert_int_equal(asked, busy + 1);
        assert_in_range(scene.sim.now_ms - before, 1000, scene.options->delete_wait_ms);
        assert_says(scene.said, i == 0 ? "a delete still waits on the server" : "is busy");
        lx_plan_free(&plan);

        busy = 1000000;
        assert_status(lx_plan_make(&scene.run, &plan, &err), LX_E_BUSY, &err);
        lx_plan_free(&plan);
        int64_t waited = scene.sim.now_ms - before; /* the model's questions take some ms */
        assert_in_range(waited, scene.options->delete_wait_ms, scene.options->delete_wait_ms + 200);
        asked = 0;
        assert_status(lx_plan_make(&scene.run, &plan, &err), LX_E_BUSY, &err);
        assert_int_equal(asked, 1); /* nothing is left to wait */
        lx_plan_free(&plan);
        scene_end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_of_one_size, scene_setup, scene_abandon),
        cmocka_unit_test_setup_teardown(test_months, scene_setup, scene_abandon),
        cmocka_unit_test_setup_teardown(test_heavy_days, scene_setup, scene_abandon),
        cmocka_unit_test_setup_teardown(test_gaps_and_cutoff, scene_setup, scene_abandon),
        cmocka_unit_test_setup_teardown(test_held, scene_setup, scene_teardown),
        cmocka_unit_test_setup_teardown(test_merged, scene_setup, scene_abandon),
        cmocka_unit_test_setup_teardown(test_groups, scene_setup, scene_abandon),
        cmocka_unit_test_setup_teardown(test_days_to, scene_setup, scene_abandon),
        cmocka_unit_test_setup_teardown(test_busy, scene_setup, scene_abandon),
        cmocka_unit_test_setup_teardown(test_strangers, scene_setup, scene_abandon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
