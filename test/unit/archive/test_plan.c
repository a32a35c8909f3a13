/* plan.c: how large parts are cut into slices of days. */
#include "scene.h"

#include "base/alloc.h"
#include "base/civil.h"

#include <string.h>

#define MAX_DAYS 62
#define MAY_1 20574 /* 2026-05-01 */

static struct lx_hot_day days[MAX_DAYS]; /* of the only part, which lists none without rows */
static size_t day_count;
static struct lx_plan plan;

static enum lx_status only_part(void *self, struct lx_hot_parts *parts, struct lx_err *err)
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
                                 .max_block = 1};
    part->days = lx_calloc(day_count, sizeof *part->days);
    assert_non_null(part->days);
    for (size_t i = 0; i < day_count; i++) {
        if (days[i].rows > 0)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_of_one_size, scene_setup, scene_abandon),
        cmocka_unit_test_setup_teardown(test_months, scene_setup, scene_abandon),
        cmocka_unit_test_setup_teardown(test_heavy_days, scene_setup, scene_abandon),
        cmocka_unit_test_setup_teardown(test_gaps_and_cutoff, scene_setup, scene_abandon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
