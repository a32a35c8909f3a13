/* record.c: a delete took a part whose segment another archiver had replaced meanwhile: its rows
 * are taken off what replaced it, hash by hash, and the rest is kept beside the archive. */
#include "scene.h"

#include "archive/segment_hashes.h"
#include "base/alloc.h"

#include <string.h>

static struct lx_err err;
static struct lx_segment old[2]; /* as they were when the rows were deleted */

static void remember(size_t part)
{
    const char *ids[16];
    assert_int_equal(scene_ids(part, ids), 1);
    const struct lx_segment *live = lx_ledger_live(scene.options->ledger, ids[0]);
    assert_non_null(live);
    assert_int_equal(lx_segment_copy(live, &old[part]), LX_OK);
}

/* Both segments become one, of the merged part. */
static void replace_both(void)
{
    struct lx_err e = LX_ERR_INIT;
    struct lx_where where[8];
    size_t count = 0;
    struct lx_segment merged = old[0];
    for (size_t i = 0; i < 2; i++)
        for (size_t w = 0; w < old[i].where_count; w++) {
            assert_in_range(count, 0, 7);
            where[count++] = old[i].where[w];
        }
    memcpy(merged.id, "0123456789abcdef0123456789abcdef", LX_LEDGER_ID);
    merged.max_block = old[1].max_block;
    merged.to = old[1].to;
    merged.rows += old[1].rows;
    merged.sum += old[1].sum;
    merged.xor ^= old[1].xor ;
    merged.where = where;
    merged.where_count = count;
    const char *const ends[] = {old[0].id, old[1].id};
    const struct lx_change change = {.operation = "ARCHIVE",
                                     .add_segments = &merged,
                                     .add_segment_count = 1,
                                     .end_segments = ends,
                                     .end_segment_count = 2};
    int64_t version;
    assert_status(lx_ledger_commit(scene.options->ledger, &change, &version, &e), LX_OK, &e);
}

static void drop(size_t part)
{
    struct sim_part *gone = scene_part(part);
    sim_take_part(&scene.sim.world, gone);
    sim_part_free(gone);
}

static void make(void)
{
    scene_archive();
    scene_start();
    remember(OLD_A);
    remember(OLD_B);
    replace_both();
    drop(OLD_A);
}

static int setup(void **state)
{
    err = (struct lx_err)LX_ERR_INIT;
    scene_setup(state);
    make();
    return 0;
}

static void forget(void)
{
    for (size_t i = 0; i < 2; i++) {
        lx_segment_free(&old[i]);
        old[i] = (struct lx_segment){0};
    }
}

static int teardown(void **state)
{
    forget();
    return scene_teardown(state);
}

static enum lx_status record(const struct lx_segment *taken, size_t count)
{
    return lx_record(&scene.run, taken, count, scene.sim.now_ms / 1000, NULL, &err);
}

/* The segment of the old months that is live. */
static const struct lx_segment *rest(void)
{
    const struct lx_segment *found = NULL;
    scene_live();
    const struct lx_ledger_state *state = lx_ledger_state(scene.options->ledger);
    for (size_t i = 0; i < state->live_count; i++)
        if (strcmp(state->live[i].partition, "202602") == 0) {
            assert_null(found);
            found = &state->live[i];
        }
    return found;
}

static enum lx_status count_one(void *context, uint64_t full, uint64_t key, struct lx_err *e)
{
    int64_t *rows = context;
    (void)e;
    assert_true(full == key);
    ++*rows;
    return LX_OK;
}

/* What is left is the other segment's, and its hashes can be read again. */
static void test_one_of_two(void **state)
{
    (void)state;
    assert_int_equal(scene_live(), 3);
    assert_status(record(&old[0], 1), LX_OK, &err);
    assert_int_equal(scene_live(), 3);
    const struct lx_segment *left = rest();
    assert_non_null(left);
    assert_int_equal(left->rows, old[1].rows);
    assert_true(left->sum == old[1].sum && left->xor == old[1].xor);
    assert_int_equal(left->min_block, 1);
    assert_int_equal(left->max_block, 2);
    assert_string_not_equal(left->id, "0123456789abcdef0123456789abcdef");
    size_t sides = 0, files = 0;
    for (size_t i = 0; i < left->where_count; i++) {
        sides += left->where[i].hashes;
        files += !left->where[i].hashes;
        if (left->where[i].hashes) {
            assert_int_equal(left->where[i].rows, old[1].rows);
            assert_says(left->where[i].path, "_lynex/hashes/");
        }
    }
    assert_int_equal(sides, 1);
    assert_int_equal(files, 1); /* of one month: named once */
    int64_t rows = 0;
    assert_status(lx_segment_hashes(&scene.run, left, NULL, count_one, &rows, &err), LX_OK, &err);
    assert_int_equal(rows, old[1].rows);
    /* Once more: it is recorded already, the rows that are left are other ones. */
    int64_t version = lx_ledger_state(scene.options->ledger)->version;
    assert_status(record(&old[0], 1), LX_OK, &err);
    assert_int_equal(rest()->rows, old[1].rows);
    assert_int_equal(lx_ledger_state(scene.options->ledger)->version, version);
    /* And the others, off what was left. */
    drop(OLD_B);
    assert_status(record(&old[1], 1), LX_OK, &err);
    assert_null(rest());
}

static void test_both(void **state)
{
    (void)state;
    drop(OLD_B);
    assert_status(record(old, 2), LX_OK, &err);
    assert_int_equal(scene_live(), 2);
    assert_null(rest());
}

/* Hashed over other columns: nothing is taken off, what is hot is compared by content later. */
static void test_other_columns(void **state)
{
    (void)state;
    struct lx_segment taken = old[0];
    memset(taken.schema, 'f', LX_LEDGER_ID - 1);
    assert_status(record(&taken, 1), LX_OK, &err);
    assert_int_equal(rest()->rows, old[0].rows + old[1].rows);
    assert_status(record(&old[0], 1), LX_OK, &err);
    assert_int_equal(rest()->rows, old[1].rows);
}

/* The server was started since: what was deleted may be back, and others have found it hot. */
static void test_server_started(void **state)
{
    (void)state;
    int64_t before = scene.sim.world.started_at;
    int64_t version = lx_ledger_state(scene.options->ledger)->version;
    scene.sim.world.started_at = scene.sim.now_ms / 1000;
    assert_status(record(&old[0], 1), LX_OK, &err);
    assert_int_equal(rest()->rows, old[0].rows + old[1].rows);
    assert_int_equal(lx_ledger_state(scene.options->ledger)->version, version);
    /* Whether it was cannot be asked: then nothing is recorded. */
    scene.sim.world.started_at = before;
    scene.sim.world.exists = false;
    assert_int_equal(lx_status_class(record(&old[0], 1)), LX_CLASS_fail);
    assert_int_not_equal(err.text[0], 0);
    scene.sim.world.exists = true;
    assert_int_equal(rest()->rows, old[0].rows + old[1].rows);
    assert_status(record(&old[0], 1), LX_OK, &err);
    assert_int_equal(rest()->rows, old[1].rows);
}

/* The rows cannot be read, or the rest not be kept: nothing is recorded. */
static void test_store_fails(void **state)
{
    (void)state;
    enum lx_status *const fails[] = {&scene.gets_fail, &scene.puts_fail};
    for (size_t i = 0; i < 2; i++) {
        *fails[i] = LX_E_ACCESS;
        assert_status(record(&old[0], 1), LX_E_ACCESS, &err);
        *fails[i] = LX_OK;
        assert_int_equal(rest()->rows, old[0].rows + old[1].rows);
    }
    assert_status(record(&old[0], 1), LX_OK, &err);
    assert_int_equal(rest()->rows, old[1].rows);
}

static enum lx_status record_first(struct lx_err *e)
{
    err = (struct lx_err)LX_ERR_INIT;
    enum lx_status status = record(&old[0], 1);
    *e = err;
    forget();
    return status;
}

static enum lx_status record_both(struct lx_err *e)
{
    err = (struct lx_err)LX_ERR_INIT;
    enum lx_status status = record(old, 2);
    *e = err;
    forget();
    return status;
}

static void make_both(void)
{
    make();
    drop(OLD_B);
}

static void test_memory(void **state)
{
    (void)state;
    assert_in_range(scene_memory(make, record_first), 50, 5000);
    assert_in_range(scene_memory(make_both, record_both), 50, 5000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_of_two),  TEST(test_both),           TEST(test_other_columns),
        TEST(test_store_fails), TEST(test_server_started), cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
