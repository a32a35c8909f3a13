/* A log made anew from the files alone: of the same rows, or not at all. */
#include "scene.h"

#include "archive/rebuild.h"
#include "base/alloc.h"

#include <string.h>

static struct lx_err err;
static struct lx_rebuild_report report;
static struct lx_rebuild_options how;

static int64_t listed_rows(void)
{
    const struct lx_ledger_state *state = lx_ledger_state(scene.options->ledger);
    int64_t rows = 0;
    for (size_t i = 0; i < state->file_count; i++)
        rows += state->files[i].rows;
    return rows;
}

/* All rows are archived; the log is gone, and the ledger opened anew. */
static void lose_log(void)
{
    struct lx_err e = LX_ERR_INIT;
    scene_archive();
    for (size_t i = lx_mem_bucket_count(scene.sim.bucket); i > 0; i--) {
        char key[256];
        snprintf(key, sizeof key, "%s", lx_mem_bucket_key(scene.sim.bucket, i - 1));
        if (strncmp(key, "_delta_log/", 11) == 0)
            lx_mem_bucket_remove(scene.sim.bucket, key);
    }
    lx_ledger_close(scene.options->ledger);
    const struct lx_ledger_options ledger = {.store = scene.options->store,
                                             .clock = scene.options->clock,
                                             .random = scene.options->random};
    assert_status(lx_ledger_open(&ledger, &scene.options->ledger, &e), LX_OK, &e);
    how = (struct lx_rebuild_options){.ledger = scene.options->ledger,
                                      .store = scene.options->store,
                                      .prefix = scene.options->prefix,
                                      .database = "db",
                                      .table = "events",
                                      .time_column = "timestamp",
                                      .who = "tester@here",
                                      .write = true,
                                      .memory_bytes = scene.options->memory_bytes,
                                      .clock = scene.options->clock,
                                      .random = scene.options->random};
}

static int setup(void **state)
{
    err = (struct lx_err)LX_ERR_INIT;
    scene_setup(state);
    lose_log();
    return 0;
}

static enum lx_status rebuild(struct lx_err *e)
{
    memset(&report, 0, sizeof report);
    enum lx_status status = lx_rebuild(&how, &report, e);
    lx_rebuild_report_free(&report);
    return status;
}

static void test_again(void **state)
{
    (void)state;
    how.write = false;
    assert_status(lx_rebuild(&how, &report, &err), LX_OK, &err);
    assert_false(report.written);
    assert_int_equal(report.rows, SCENE_OLD_ROWS);
    assert_int_equal(report.bad + report.shared + report.left, 0);
    size_t files = report.count;
    lx_rebuild_report_free(&report);
    assert_int_equal(lx_ledger_state(scene.options->ledger)->version, -1);

    how.write = true;
    assert_status(lx_rebuild(&how, &report, &err), LX_OK, &err);
    assert_true(report.written);
    assert_int_equal(report.count, files);
    for (size_t i = 0; i < report.count; i++)
        assert_string_equal(lx_rebuild_verdict_text(report.files[i].verdict),
                            lx_rebuild_verdict_text(report.files[0].verdict));
    lx_rebuild_report_free(&report);
    assert_in_range(scene_live(), 1, 16);
    assert_int_equal(listed_rows(), SCENE_OLD_ROWS);
    const struct lx_ledger_state *made = lx_ledger_state(scene.options->ledger);
    for (size_t i = 0; i < made->live_count; i++)
        assert_true(lx_rebuild_is_guess(made->live[i].source));
    /* There is a log now. */
    assert_status(rebuild(&err), LX_E_REFUSED, &err);
    assert_status(lx_rebuild_may(scene.options->store, &err), LX_E_REFUSED, &err);
}

/* A path among the data files. */
static void data_file(char path[256])
{
    for (size_t i = 0; i < lx_mem_bucket_count(scene.sim.bucket); i++) {
        snprintf(path, 256, "%s", lx_mem_bucket_key(scene.sim.bucket, i));
        if (strstr(path, ".parquet") != NULL)
            return;
    }
    fail();
}

/* One changed byte: nothing is written, and the file is named. */
static void test_bad_file(void **state)
{
    (void)state;
    char path[256];
    size_t size;
    data_file(path);
    uint8_t *bytes = lx_mem_bucket_get(scene.sim.bucket, path, &size);
    bytes[size / 3] ^= 1;
    assert_status(lx_rebuild(&how, &report, &err), LX_E_REFUSED, &err);
    assert_int_equal(report.bad, 1);
    assert_false(report.written);
    for (size_t i = 0; i < report.count; i++)
        if (report.files[i].verdict == LX_REBUILD_BAD) {
            assert_string_equal(report.files[i].path, path);
            assert_string_not_equal(report.files[i].note, "");
        }
    lx_rebuild_report_free(&report);
    /* Left out, the others make a log. */
    const char *const leave[] = {path};
    how.leave = leave;
    how.leave_count = 1;
    assert_status(lx_rebuild(&how, &report, &err), LX_OK, &err);
    assert_int_equal(report.left, 1);
    assert_true(report.rows < SCENE_OLD_ROWS);
    lx_rebuild_report_free(&report);
    bytes[size / 3] ^= 1;
}

/* Copies of a file, in its folder and in another: nothing is written, and each names another. */
static void test_copies(void **state)
{
    (void)state;
    char path[256];
    size_t size;
    data_file(path);
    uint8_t *bytes = lx_mem_bucket_get(scene.sim.bucket, path, &size);
    uint8_t *copy = lx_malloc(size);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    static const char *const folders[] = {"events/2026-02/copy.parquet",
                                          "events/1999-01/copy.parquet"};
    for (size_t i = 0; i < 2; i++) {
        assert_true(lx_mem_bucket_put(scene.sim.bucket, folders[i], copy, size));
        assert_status(lx_rebuild(&how, &report, &err), LX_E_REFUSED, &err);
        assert_says(err.text, "hold rows that stand in other files too");
        assert_false(report.written);
        assert_int_equal(report.shared, 2);
        for (size_t f = 0; f < report.count; f++)
            if (report.files[f].verdict == LX_REBUILD_SHARED) {
                assert_int_equal(report.files[f].shared_rows, report.files[f].account.rows);
                assert_int_equal(report.files[report.files[f].partner].partner, f);
            }
        lx_rebuild_report_free(&report);
        assert_true(lx_mem_bucket_remove(scene.sim.bucket, folders[i]));
    }
    lx_free(copy);
    assert_status(rebuild(&err), LX_OK, &err);
}

static void test_memory(void **state)
{
    (void)state;
    assert_in_range(scene_memory(lose_log, rebuild), 100, 5000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, scene_abandon)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_again),
        TEST(test_bad_file),
        TEST(test_copies),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
