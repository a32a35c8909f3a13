/* A log that may be broken, looked at version by version. */
#include "ledger_fixture.h"

#include "base/alloc.h"

#include <stdio.h>
#include <string.h>

#define MAX_FOUND 16

struct found {
    struct lx_ledger_finding findings[MAX_FOUND];
    char texts[MAX_FOUND][256];
    size_t count;
};

static enum lx_status take(void *context, const struct lx_ledger_finding *finding,
                           struct lx_err *err)
{
    struct found *found = context;
    (void)err;
    assert_true(found->count < MAX_FOUND);
    found->findings[found->count] = *finding;
    snprintf(found->texts[found->count++], sizeof found->texts[0], "%s", finding->text);
    return LX_OK;
}

static enum lx_status examine(struct fixture *fixture, struct found *found,
                              struct lx_ledger_examined *examined, struct lx_err *err)
{
    struct lx_store *store = NULL;
    *found = (struct found){.count = 0};
    enum lx_status status = lx_mem_store_open(fixture->bucket, 9, &store, err);
    const struct lx_ledger_options options = {
        .store = store, .clock = fixture_clock(fixture), .random = fixture_random(fixture)};
    if (status == LX_OK)
        status = lx_ledger_examine(&options, take, found, examined, err);
    lx_store_close(store);
    return status;
}

/* Four versions: the scene's three, and one more. */
static void make_log(struct fixture *fixture)
{
    struct writer writer;
    struct lx_err err = LX_ERR_INIT;
    CHECK(LX_OK, &err, writer_open(fixture, 1, &writer, &err));
    make_scene(fixture, &writer);
    struct lx_ledger_file file = file_of("events/more.parquet", 3);
    struct lx_change change = {.operation = "ARCHIVE", .add_files = &file, .add_file_count = 1};
    CHECK(LX_OK, &err, lx_ledger_commit(writer.ledger, &change, NULL, &err));
    assert_int_equal(lx_ledger_state(writer.ledger)->version, 3);
    writer_close(&writer);
}

static void put_text(struct fixture *fixture, const char *key, const char *text)
{
    assert_true(lx_mem_bucket_put(fixture->bucket, key, text, strlen(text)));
}

static void expect(struct fixture *fixture, enum lx_ledger_flaw flaw, int64_t version, int64_t last,
                   const char *text)
{
    struct found found;
    struct lx_ledger_examined x;
    struct lx_err err = LX_ERR_INIT;
    CHECK(LX_OK, &err, examine(fixture, &found, &x, &err));
    assert_int_equal(found.count, 1);
    assert_int_equal(found.findings[0].flaw, flaw);
    assert_int_equal(found.findings[0].version, version);
    assert_int_equal(found.findings[0].last, last);
    if (strstr(found.texts[0], text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", found.texts[0], text);
}

static void test_whole(void **state)
{
    struct found found;
    struct lx_ledger_examined x;
    struct lx_err err = LX_ERR_INIT;
    CHECK(LX_OK, &err, examine(*state, &found, &x, &err));
    assert_int_equal(x.newest, -1);
    make_log(*state);
    CHECK(LX_OK, &err, examine(*state, &found, &x, &err));
    assert_int_equal(found.count, 0);
    assert_int_equal(x.newest, 3);
    assert_int_equal(x.versions, 4);
}

static void test_missing(void **state)
{
    struct fixture *fixture = *state;
    make_log(fixture);
    assert_true(lx_mem_bucket_remove(fixture->bucket, LOG_KEY(1)));
    expect(fixture, LX_FLAW_MISSING, 1, 1, "not there, though version 2 is");
    assert_true(lx_mem_bucket_remove(fixture->bucket, LOG_KEY(0)));
    expect(fixture, LX_FLAW_MISSING, 0, 1, "not there, though version 2 is");
}

/* All that is broken is told, not only the first; what lies between is looked at by itself. */
static void test_broken(void **state)
{
    struct fixture *fixture = *state;
    struct found found;
    struct lx_ledger_examined x;
    struct lx_err err = LX_ERR_INIT;
    size_t size;
    make_log(fixture);
    uint8_t *bytes = lx_mem_bucket_get(fixture->bucket, LOG_KEY(1), &size);
    assert_non_null(bytes);
    bytes[size - 3] ^= 1;
    put_text(fixture, LOG_KEY(3), "");
    CHECK(LX_OK, &err, examine(fixture, &found, &x, &err));
    assert_int_equal(x.broken, 2);
    assert_int_equal(found.count, 2);
    assert_int_equal(found.findings[0].version, 1);
    assert_int_equal(found.findings[1].version, 3);
    assert_non_null(strstr(found.texts[1], "no action"));
}

static void test_others(void **state)
{
    struct fixture *fixture = *state;
    make_log(fixture);
    put_text(fixture, LOG_KEY(4), "{\"commitInfo\":{\"engineInfo\":\"Other/1\"}}\n");
    expect(fixture, LX_FLAW_FOREIGN, 4, 4, "written by Other/1");
    put_text(fixture, LOG_KEY(4), "{\"txn\":{\"appId\":\"a\",\"version\":1}}\n");
    expect(fixture, LX_FLAW_FOREIGN, 4, 4, "not named");
    put_text(fixture, LOG_KEY(4),
             "{\"commitInfo\":{\"engineInfo\":\"lynex/9\"}}\n"
             "{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":"
             "[\"deletionVectors\"],\"writerFeatures\":[\"deletionVectors\"]}}\n");
    expect(fixture, LX_FLAW_UNSUPPORTED, 4, 4, "deletionVectors");
    put_text(fixture, LOG_KEY(4),
             "{\"commitInfo\":{\"engineInfo\":\"lynex/9\"}}\n"
             "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":7,\"writerFeatures\":"
             "[\"domainMetadata\",\"rowTracking\"]}}\n");
    expect(fixture, LX_FLAW_UNSUPPORTED, 4, 4, "rowTracking");
}

/* A failing store is no flaw of the log; nor is a lack of memory. */
static struct lx_mem_verdict refuse_gets(void *context, const struct lx_mem_call *call)
{
    (void)context;
    return call->op == LX_MEM_GET ? (struct lx_mem_verdict){LX_MEM_REFUSED, LX_E_NETWORK, 0}
                                  : (struct lx_mem_verdict){LX_MEM_DONE, LX_OK, 0};
}

static void test_failures(void **state)
{
    struct fixture *fixture = *state;
    struct found found;
    struct lx_ledger_examined x;
    struct lx_err err = LX_ERR_INIT;
    make_log(fixture);
    lx_mem_bucket_hook(fixture->bucket, refuse_gets, NULL);
    CHECK(LX_E_NETWORK, &err, examine(fixture, &found, &x, &err));
    assert_int_equal(found.count, 0);
    lx_mem_bucket_hook(fixture->bucket, NULL, NULL);
    bool failed = true;
    for (uint64_t n = 1; failed; n++) {
        lx_alloc_fail_at(n);
        enum lx_status status = examine(fixture, &found, &x, &err);
        failed = lx_alloc_count() >= n;
        lx_alloc_fail_at(0);
        if (status != LX_OK && status != LX_E_MEMORY)
            fail_msg("allocation %d: %s", (int)n, err.text);
        assert_int_equal(found.count, 0);
    }
}

/* What a removed path was: a listed file, or a fence. */
static void test_removal(void **state)
{
    struct writer writer;
    struct lx_err err = LX_ERR_INIT;
    struct lx_removal removal;
    make_log(*state);
    CHECK(LX_OK, &err, writer_open(*state, 2, &writer, &err));
    const char *paths[] = {"events/more.parquet", "events/never.parquet"};
    struct lx_change change = {
        .operation = "VACUUM", .remove_paths = paths, .remove_path_count = 2};
    CHECK(LX_OK, &err, lx_ledger_commit(writer.ledger, &change, NULL, &err));
    assert_true(lx_ledger_removal(writer.ledger, paths[0], &removal));
    assert_true(removal.listed);
    assert_int_equal(removal.version, 4);
    assert_true(lx_ledger_removal(writer.ledger, paths[1], &removal));
    assert_false(removal.listed);
    assert_false(lx_ledger_removal(writer.ledger, "events/a.parquet", &removal));
    writer_close(&writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_missing, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_broken, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_others, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_failures, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_removal, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
