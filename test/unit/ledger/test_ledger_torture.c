/* Every allocation fails once: whatever the ledger was doing, it says so, leaks nothing, leaves a
 * whole state, and does it right the next time. */
#include "ledger_fixture.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <stdio.h>

/* A scene of everything: it may fail anywhere, and must then leave the log as one of its versions.
 * Versions 0 … 3. */
static enum lx_status open_it(struct fixture *fixture, struct writer *writer, struct lx_err *err)
{
    return writer_open(fixture, 1, writer, err);
}

static enum lx_status commit_first(struct fixture *fixture, struct writer *writer,
                                   struct lx_err *err)
{
    struct lx_where where = {(char *)(uintptr_t) "events/a.parquet", false, 0, 5};
    struct lx_segment segments[] = {segment_of(1, SOURCE, "202601", 1, 3, 0, 86400, 5),
                                    segment_of(2, SOURCE, "202601", 4, 4, 0, 86400, 5),
                                    segment_of(3, SOURCE, "202602", 4, 4, 0, 86400, 5)};
    segments[0].where = &where;
    segments[0].where_count = 1;
    struct lx_ledger_file files[] = {file_of("events/a.parquet", 5),
                                     file_of("events/b.parquet", 5)};
    struct lx_change change = first_change(fixture);
    change.add_files = files;
    change.add_file_count = 2;
    change.add_segments = segments;
    change.add_segment_count = 3;
    return lx_ledger_commit(writer->ledger, &change, NULL, err);
}

static enum lx_status commit_second(struct fixture *fixture, struct writer *writer,
                                    struct lx_err *err)
{
    (void)fixture;
    const char *ends[] = {id_of(1)}, *replaced[] = {id_of(2)}, *removed[] = {"events/b.parquet"};
    struct lx_segment segment = segment_of(4, SOURCE, "202601", 4, 5, 0, 86400, 5);
    struct lx_change change = {.operation = "DELETE",
                               .end_segments = ends,
                               .end_segment_count = 1,
                               .ended_at = 1000,
                               .replace_segments = replaced,
                               .replace_segment_count = 1,
                               .add_segments = &segment,
                               .add_segment_count = 1,
                               .remove_paths = removed,
                               .remove_path_count = 1,
                               .new_schema_string = "{}"};
    return lx_ledger_commit(writer->ledger, &change, NULL, err);
}

static enum lx_status reduce(void *context, const struct lx_segment *held,
                             const struct lx_segment *const *lost, size_t lost_count, bool *took,
                             struct lx_segment *reduced, struct lx_err *err)
{
    (void)context;
    (void)lost;
    (void)lost_count;
    struct lx_segment left = *held;
    left.rows--;
    snprintf(left.id, sizeof left.id, "%032x", 5);
    *took = true;
    return lx_segment_copy(&left, reduced) == LX_OK ? LX_OK : lx_err_memory(err);
}

static enum lx_status record_third(struct fixture *fixture, struct writer *writer,
                                   struct lx_err *err)
{
    (void)fixture;
    struct lx_segment taken[] = {segment_of(2, SOURCE, "202601", 4, 4, 0, 86400, 5),
                                 segment_of(3, SOURCE, "202602", 4, 4, 0, 86400, 5)};
    struct lx_gone gone = {.operation = "DELETE",
                           .ended_at = 2000,
                           .taken = taken,
                           .taken_count = 2,
                           .reduce = reduce};
    return lx_ledger_record_gone(writer->ledger, &gone, NULL, err);
}

static enum lx_status refresh(struct fixture *fixture, struct writer *writer, struct lx_err *err)
{
    (void)fixture;
    return lx_ledger_refresh(writer->ledger, err);
}

/* Another's file, so that the next commit loses its race and reads it. */
static enum lx_status commit_after_other(struct fixture *fixture, struct writer *writer,
                                         struct lx_err *err)
{
    char key[64];
    snprintf(key, sizeof key, "_delta_log/%020d.json", 3);
    static const char other[] = "{\"add\":{\"path\":\"x%20y\",\"size\":1,\"modificationTime\":1,"
                                "\"tags\":{\"a\":\"b\"},\"stats\":\"{\\\"numRecords\\\":3}\"}}\n"
                                "{\"txn\":{\"appId\":\"spark\",\"version\":4}}\n"
                                "{\"domainMetadata\":{\"domain\":\"delta.x\","
                                "\"configuration\":\"y\",\"removed\":false}}\n";
    if (lx_mem_bucket_get(fixture->bucket, key, NULL) == NULL &&
        !lx_mem_bucket_put(fixture->bucket, key, other, sizeof other - 1))
        return lx_err_memory(err);
    const char *revived[] = {id_of(1)};
    struct lx_change change = {
        .operation = "REVIVE", .revive_segments = revived, .revive_segment_count = 1};
    return lx_ledger_commit(writer->ledger, &change, NULL, err);
}

static enum lx_status probe(struct fixture *fixture, struct writer *writer, struct lx_err *err)
{
    (void)fixture;
    return lx_ledger_probe(writer->ledger, err);
}

typedef enum lx_status (*step)(struct fixture *fixture, struct writer *writer, struct lx_err *err);
static const struct {
    const char *name;
    step run;
    int64_t version; /* afterwards */
} steps[] = {
    {"open", open_it, -1},       {"first", commit_first, 0}, {"second", commit_second, 1},
    {"record", record_third, 2}, {"refresh", refresh, 2},    {"after", commit_after_other, 4},
    {"open again", open_it, 4},  {"probe", probe, 4},
};

/* Runs the steps up to `which`, and lets its n-th allocation fail. False: it had fewer. */
static bool fail_at(size_t which, uint64_t n)
{
    void *made;
    struct writer writer = {0};
    struct lx_err err = LX_ERR_INIT;
    assert_int_equal(fixture_setup(&made), 0);
    struct fixture *fixture = made;
    for (size_t i = 0; i < which; i++) {
        if (steps[i].run == open_it && writer.ledger != NULL)
            writer_close(&writer);
        CHECK(LX_OK, &err, steps[i].run(fixture, &writer, &err));
        assert_int_equal(lx_ledger_state(writer.ledger)->version, steps[i].version);
    }
    if (steps[which].run == open_it && writer.ledger != NULL)
        writer_close(&writer);
    lx_alloc_fail_at(n);
    enum lx_status status = steps[which].run(fixture, &writer, &err);
    bool failed = lx_alloc_count() >= n;
    lx_alloc_fail_at(0);
    if (status != LX_OK && (status != LX_E_MEMORY || err.text[0] == 0))
        fail_msg("%s, allocation %" PRIu64 ": %s: %s", steps[which].name, n, lx_status_name(status),
                 err.text);
    if (writer.ledger != NULL) { /* whole, and as old as it says */
        assert_true(lx_ledger_state(writer.ledger)->version <= steps[which].version);
        CHECK(LX_OK, &err, lx_ledger_refresh(writer.ledger, &err));
    }
    if (status != LX_OK) {
        CHECK(LX_OK, &err, steps[which].run(fixture, &writer, &err));
        assert_int_equal(lx_ledger_state(writer.ledger)->version, steps[which].version);
    }
    struct writer fresh;
    CHECK(LX_OK, &err, writer_open(fixture, 2, &fresh, &err));
    assert_true(same_state(lx_ledger_state(writer.ledger), lx_ledger_state(fresh.ledger)));
    writer_close(&fresh);
    writer_close(&writer);
    fixture_teardown(&made);
    return failed;
}

static void test_torture(void **state)
{
    uint64_t injected = 0;
    (void)state;
    size_t before = lx_alloc_used();
    for (size_t which = 0; which < sizeof steps / sizeof *steps; which++) {
        for (uint64_t n = 1; fail_at(which, n); n++)
            injected++;
    }
    print_message("%" PRIu64 " allocations failed\n", injected);
    assert_true(injected > 500);
    assert_int_equal(lx_alloc_used(), before);
}

int main(void)
{
    json_set_alloc_funcs(lx_malloc, lx_free); /* jansson's allocations fail as well */
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_torture)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
