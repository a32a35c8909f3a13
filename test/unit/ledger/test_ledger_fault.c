/* Commits when answers are lost, the store fails, the log was cut off, or the store has no
 * conditions. */
#include "ledger_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* -- the store fails ----------------------------------------------------------------------- */

/* What happens to the n-th commit PUT of client 1, and to what it reads afterwards. */
struct plan {
    enum lx_mem_fate put_fate[8];
    enum lx_status put_status;
    size_t puts;
    bool reads_fail;      /* GETs of the log, after the first PUT */
    bool land_after_get;  /* late ones land after the first GET that follows */
    bool other_after_put; /* another writer takes the version after the first PUT */
    struct fixture *fixture;
    struct writer *other;
    size_t put_count, get_count;
    enum lx_status other_status;
};

static void commit_other(struct plan *plan)
{
    struct lx_ledger_file file = file_of("events/others.parquet", 1);
    struct lx_change change = {.operation = "OTHER", .add_files = &file, .add_file_count = 1};
    plan->other_status = lx_ledger_commit(plan->other->ledger, &change, NULL, NULL);
}

static struct lx_mem_verdict follow_plan(void *context, const struct lx_mem_call *call)
{
    struct plan *plan = context;
    struct lx_mem_verdict done = {LX_MEM_DONE, LX_OK};
    if (call->client != 1)
        return done;
    if (call->op == LX_MEM_PUT) {
        if (plan->put_count >= plan->puts)
            return done;
        enum lx_mem_fate fate = plan->put_fate[plan->put_count++];
        return (struct lx_mem_verdict){fate, plan->put_status};
    }
    if (call->op != LX_MEM_GET || plan->put_count == 0)
        return done;
    if (plan->get_count++ == 0 && plan->other_after_put)
        commit_other(plan);
    if (plan->get_count == 2 && plan->land_after_get)
        lx_mem_bucket_land(plan->fixture->bucket);
    return plan->reads_fail ? (struct lx_mem_verdict){LX_MEM_REFUSED, LX_E_NETWORK} : done;
}

struct fault {
    const char *name;
    struct plan plan;
    enum lx_status expected;
    int64_t version; /* that ours became; -1: not known, or not written */
    int64_t newest;
};

#define B LX_MEM_LOST_BEFORE
#define A LX_MEM_LOST_AFTER
#define L LX_MEM_LATE
#define R LX_MEM_REFUSED
static const struct fault faults[] = {
    {"no fault", {.puts = 0}, LX_OK, 1, 1},
    {"the request was lost", {.put_fate = {B}, .puts = 1}, LX_OK, 1, 1},
    {"three requests were lost", {.put_fate = {B, B, B}, .puts = 3}, LX_OK, 1, 1},
    {"the answer was lost", {.put_fate = {A}, .puts = 1}, LX_OK, 1, 1},
    {"lost, then the answer was lost", {.put_fate = {B, A}, .puts = 2}, LX_OK, 1, 1},
    {"late, the second was faster", {.put_fate = {L}, .puts = 1}, LX_OK, 1, 1},
    {"late, it landed before the second look",
     {.put_fate = {L, B}, .puts = 2, .land_after_get = true},
     LX_OK,
     1,
     1},
    {"another took the version of a lost request",
     {.put_fate = {B}, .puts = 1, .other_after_put = true},
     LX_OK,
     2,
     2},
    {"another took the version of a late one",
     {.put_fate = {L}, .puts = 1, .other_after_put = true},
     LX_OK,
     2,
     2},
    {"all requests are lost",
     {.put_fate = {B, B, B, B, B, B, B, B}, .puts = 8},
     LX_E_UNKNOWN,
     -1,
     0},
    {"written, but the store is away",
     {.put_fate = {A, B, B, B, B, B, B, B}, .puts = 8, .reads_fail = true},
     LX_E_UNKNOWN,
     -1,
     1},
    {"no right", {.put_fate = {R}, .put_status = LX_E_ACCESS, .puts = 1}, LX_E_ACCESS, -1, 0},
    {"no space", {.put_fate = {R}, .put_status = LX_E_NOSPACE, .puts = 1}, LX_E_NOSPACE, -1, 0},
    {"lost, then no right",
     {.put_fate = {B, R, R, R, R, R, R, R}, .put_status = LX_E_ACCESS, .puts = 8},
     LX_E_UNKNOWN,
     -1,
     0},
    {"busy once", {.put_fate = {R}, .put_status = LX_E_BUSY, .puts = 1}, LX_OK, 1, 1},
    {"an error of input or output once",
     {.put_fate = {R}, .put_status = LX_E_IO, .puts = 1},
     LX_OK,
     1,
     1},
    {"memory ran out once", {.put_fate = {R}, .put_status = LX_E_MEMORY, .puts = 1}, LX_OK, 1, 1},
};
#undef A
#undef B
#undef L
#undef R

static void run_fault(const struct fault *fault, bool single_writer)
{
    struct fixture *fixture;
    struct writer a, b;
    struct lx_err err = LX_ERR_INIT;
    void *made;
    assert_int_equal(fixture_setup(&made), 0);
    fixture = made;
    struct plan plan = fault->plan;
    plan.fixture = fixture;
    plan.other = &b;
    CHECK(LX_OK, &err, writer_open_with(fixture, 1, single_writer, &a, &err));
    make_first(fixture, &a);
    CHECK(LX_OK, &err, writer_open(fixture, 2, &b, &err));
    lx_mem_bucket_hook(fixture->bucket, follow_plan, &plan);
    struct lx_ledger_file file = file_of("events/ours.parquet", 1);
    struct lx_change change = {.operation = "ARCHIVE", .add_files = &file, .add_file_count = 1};
    int64_t version = -1;
    enum lx_status status = lx_ledger_commit(a.ledger, &change, &version, &err);
    lx_mem_bucket_hook(fixture->bucket, NULL, NULL);
    if (status != fault->expected || version != fault->version)
        fail_msg("%s: %s, version %" PRId64 " (%s), expected %s, %" PRId64, fault->name,
                 lx_status_name(status), version, err.text, lx_status_name(fault->expected),
                 fault->version);
    assert_int_equal(plan.other_status, LX_OK);
    lx_mem_bucket_land(fixture->bucket); /* whatever comes too late comes to nothing */
    CHECK(LX_OK, &err, lx_ledger_refresh(a.ledger, &err));
    CHECK(LX_OK, &err, lx_ledger_refresh(b.ledger, &err));
    assert_true(same_state(lx_ledger_state(a.ledger), lx_ledger_state(b.ledger)));
    if (lx_ledger_state(a.ledger)->version != fault->newest)
        fail_msg("%s: the log ends at %" PRId64 ", expected %" PRId64, fault->name,
                 lx_ledger_state(a.ledger)->version, fault->newest);
    bool listed = lx_ledger_file(b.ledger, "events/ours.parquet") != NULL;
    assert_int_equal(listed, fault->version >= 0 || fault->newest > 0);
    writer_close(&a);
    writer_close(&b);
    fixture_teardown(&made);
}

static void test_faults(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        run_fault(&faults[i], false);
}

/* The same where the store has no condition: a look before each PUT is all there is. */
static void test_single_writer(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        bool late = faults[i].plan.put_fate[0] == LX_MEM_LATE; /* nothing guards against those */
        if (!late)
            run_fault(&faults[i], true);
    }
}

/* An unknown outcome leaves a change that may hold: the next try of the same says so. */
static void test_unknown_lands_later(void **state)
{
    struct fixture *fixture = *state;
    struct writer a;
    struct lx_err err = LX_ERR_INIT;
    struct plan plan = {.put_fate = {LX_MEM_LATE, LX_MEM_LOST_BEFORE, LX_MEM_LOST_BEFORE,
                                     LX_MEM_LOST_BEFORE, LX_MEM_LOST_BEFORE, LX_MEM_LOST_BEFORE,
                                     LX_MEM_LOST_BEFORE, LX_MEM_LOST_BEFORE},
                        .puts = 8,
                        .fixture = fixture};
    CHECK(LX_OK, &err, writer_open(fixture, 1, &a, &err));
    make_first(fixture, &a);
    lx_mem_bucket_hook(fixture->bucket, follow_plan, &plan);
    struct lx_segment segment = segment_of(1, SOURCE, "all", 1, 1, 0, 10, 1);
    struct lx_change change = {.operation = "A", .add_segments = &segment, .add_segment_count = 1};
    CHECK(LX_E_UNKNOWN, &err, lx_ledger_commit(a.ledger, &change, NULL, &err));
    assert_true(err.hint[0] != 0);
    assert_int_equal(lx_ledger_state(a.ledger)->version, 0);
    assert_int_equal(lx_mem_bucket_land(fixture->bucket), 1);
    CHECK(LX_E_CONFLICT, &err, lx_ledger_commit(a.ledger, &change, NULL, &err));
    assert_int_equal(lx_ledger_state(a.ledger)->live_count, 1);
    writer_close(&a);
}

static struct lx_mem_verdict cancel_at_put(void *context, const struct lx_mem_call *call)
{
    struct writer *writer = context;
    if (call->op != LX_MEM_PUT)
        return (struct lx_mem_verdict){LX_MEM_REFUSED, LX_E_CANCELLED};
    lx_cancel_ask(&writer->cancel);
    return (struct lx_mem_verdict){LX_MEM_LOST_AFTER, LX_OK};
}

static void test_cancel(void **state)
{
    struct fixture *fixture = *state;
    struct writer a;
    struct lx_err err = LX_ERR_INIT;
    CHECK(LX_OK, &err, writer_open(fixture, 1, &a, &err));
    struct lx_change change = first_change(fixture);
    lx_cancel_ask(&a.cancel);
    CHECK(LX_E_CANCELLED, &err, lx_ledger_commit(a.ledger, &change, NULL, &err));
    assert_int_equal(lx_mem_bucket_count(fixture->bucket), 0);
    atomic_store(&a.cancel.asked, false);
    /* Interrupted once it is on its way: not known, never "not written". */
    lx_mem_bucket_hook(fixture->bucket, cancel_at_put, &a);
    CHECK(LX_E_UNKNOWN, &err, lx_ledger_commit(a.ledger, &change, NULL, &err));
    lx_mem_bucket_hook(fixture->bucket, NULL, NULL);
    atomic_store(&a.cancel.asked, false);
    CHECK(LX_OK, &err, lx_ledger_refresh(a.ledger, &err));
    assert_int_equal(lx_ledger_state(a.ledger)->version, 0);
    writer_close(&a);
}

/* -- the log was cut off ------------------------------------------------------------------- */

static void put_text(struct fixture *fixture, const char *key, const char *text)
{
    assert_true(lx_mem_bucket_put(fixture->bucket, key, text, strlen(text)));
}

static void test_gap(void **state)
{
    struct fixture *fixture = *state;
    struct writer a, b;
    struct lx_err err = LX_ERR_INIT;
    CHECK(LX_OK, &err, writer_open(fixture, 1, &a, &err));
    make_scene(fixture, &a);
    CHECK(LX_OK, &err, writer_open(fixture, 2, &b, &err));
    put_text(fixture, LOG_KEY(4), "{\"commitInfo\":{}}\n");
    CHECK(LX_E_FORMAT, &err, lx_ledger_refresh(a.ledger, &err));
    assert_non_null(strstr(err.text, "00000000000000000003.json"));
    assert_true(err.hint[0] != 0);
    assert_int_equal(lx_ledger_state(a.ledger)->version, 2); /* whole, as it was */
    assert_int_equal(lx_ledger_state(a.ledger)->file_count, 2);
    struct writer c;
    CHECK(LX_E_FORMAT, &err, writer_open(fixture, 3, &c, &err));
    /* A checkpoint would bridge it, if it could be read. */
    put_text(fixture, "_delta_log/00000000000000000003.checkpoint.parquet", "PAR1");
    CHECK(LX_E_FORMAT, &err, writer_open(fixture, 3, &c, &err));
    assert_non_null(strstr(err.text, "checkpoint of version 3"));
    writer_close(&a);
    writer_close(&b);
}

static void test_first_gap(void **state)
{
    struct fixture *fixture = *state;
    struct writer a;
    struct lx_err err = LX_ERR_INIT;
    put_text(fixture, LOG_KEY(1), "{\"commitInfo\":{}}\n");
    CHECK(LX_E_FORMAT, &err, writer_open(fixture, 1, &a, &err));
    assert_non_null(strstr(err.text, "00000000000000000000.json"));
    lx_mem_bucket_remove(fixture->bucket, LOG_KEY(1));
    put_text(fixture, "_delta_log/00000000000000000007.checkpoint.parquet", "PAR1");
    CHECK(LX_E_FORMAT, &err, writer_open(fixture, 1, &a, &err));
    lx_mem_bucket_remove(fixture->bucket, "_delta_log/00000000000000000007.checkpoint.parquet");
    /* What is no part of the log is not looked at. */
    put_text(fixture, "_delta_log/_last_checkpoint", "{");
    put_text(fixture, "_delta_log/00000000000000000009.crc", "x");
    put_text(fixture, "_delta_log/99999999999999999999.json", "x");
    put_text(fixture, "_delta_log/0000000000000000000x.json", "x");
    put_text(fixture, "_delta_log/00000000000000000001.json.tmp", "x");
    put_text(fixture, "_delta_log_not/00000000000000000001.json", "x");
    CHECK(LX_OK, &err, writer_open(fixture, 1, &a, &err));
    make_first(fixture, &a);
    writer_close(&a);
}

/* A writer that slept while others went on and cleaned the log up finds its key free, behind. */
static void test_past(void **state)
{
    struct fixture *fixture = *state;
    struct writer a, b;
    struct lx_err err = LX_ERR_INIT;
    CHECK(LX_OK, &err, writer_open(fixture, 1, &a, &err));
    make_scene(fixture, &a); /* up to version 2 */
    CHECK(LX_OK, &err, writer_open(fixture, 2, &b, &err));
    struct lx_change empty = {.operation = "X"};
    for (int i = 3; i <= 6; i++)
        CHECK(LX_OK, &err, lx_ledger_commit(b.ledger, &empty, NULL, &err));
    put_text(fixture, "_delta_log/00000000000000000005.checkpoint.parquet", "PAR1");
    const char *const old[] = {LOG_KEY(0), LOG_KEY(1), LOG_KEY(2), LOG_KEY(3), LOG_KEY(4)};
    for (size_t i = 0; i < 5; i++)
        assert_true(lx_mem_bucket_remove(fixture->bucket, old[i]));
    CHECK(LX_E_UNKNOWN, &err, lx_ledger_commit(a.ledger, &empty, NULL, &err));
    assert_non_null(strstr(err.text, "into the past"));
    assert_int_equal(lx_ledger_state(a.ledger)->version, 2);
    /* Another that lost its race learns the same before it writes. */
    CHECK(LX_E_CONFLICT, &err, lx_ledger_commit(a.ledger, &empty, NULL, &err));
    writer_close(&a);
    writer_close(&b);
}

/* Others made a checkpoint of our version at once: it is in, and counts. */
static void test_checkpoint_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct writer a;
    struct lx_err err = LX_ERR_INIT;
    CHECK(LX_OK, &err, writer_open(fixture, 1, &a, &err));
    make_scene(fixture, &a);
    put_text(fixture, "_delta_log/00000000000000000003.checkpoint.parquet", "PAR1");
    struct lx_change empty = {.operation = "X"};
    int64_t version;
    CHECK(LX_OK, &err, lx_ledger_commit(a.ledger, &empty, &version, &err));
    assert_int_equal(version, 3);
    writer_close(&a);
}

/* -- probe --------------------------------------------------------------------------------- */

static struct lx_mem_verdict no_deletes(void *context, const struct lx_mem_call *call)
{
    (void)context;
    return call->op == LX_MEM_REMOVE ? (struct lx_mem_verdict){LX_MEM_REFUSED, LX_E_ACCESS}
                                     : (struct lx_mem_verdict){LX_MEM_DONE, LX_OK};
}

static struct lx_mem_verdict lose_answers(void *context, const struct lx_mem_call *call)
{
    unsigned *left = context;
    if (call->op == LX_MEM_PUT && *left > 0) {
        --*left;
        return (struct lx_mem_verdict){LX_MEM_LOST_AFTER, LX_OK};
    }
    return (struct lx_mem_verdict){LX_MEM_DONE, LX_OK};
}

struct flips {
    uint64_t bit;
    unsigned left; /* so many answers more */
};

static struct lx_mem_verdict flip_what_is_read(void *context, const struct lx_mem_call *call)
{
    struct flips *flips = context;
    bool now = call->op == LX_MEM_GET && flips->left > 0;
    flips->left -= now;
    return (struct lx_mem_verdict){.fate = LX_MEM_DONE, .flip = now ? flips->bit : 0};
}

/* Of a damaged answer the probe says that it is damaged, and nothing of the store's conditions. */
static void test_probe_is_damaged(void **state)
{
    struct fixture *fixture = *state;
    struct writer a;
    struct lx_err err = LX_ERR_INIT;
    CHECK(LX_OK, &err, writer_open(fixture, 1, &a, &err));
    struct flips flips;
    lx_mem_bucket_hook(fixture->bucket, flip_what_is_read, &flips);
    for (uint64_t bit = 1; bit <= 120; bit++) {
        flips = (struct flips){bit, 2}; /* on its way: it is read again */
        CHECK(LX_OK, &err, lx_ledger_probe(a.ledger, &err));
        assert_string_equal(err.text, "");
        flips = (struct flips){bit, 1000};
        CHECK(LX_E_CORRUPT, &err, lx_ledger_probe(a.ledger, &err));
        assert_non_null(strstr(err.text, "_lynex_probe_"));
        assert_non_null(strstr(err.text, "read back is not what was written, but \""));
        assert_non_null(strstr(err.hint, "nothing deleted"));
        assert_int_equal(lx_mem_bucket_count(fixture->bucket), 0);
    }
    writer_close(&a);
}

static void test_probe(void **state)
{
    struct fixture *fixture = *state;
    struct writer a, single;
    struct lx_err err = LX_ERR_INIT;
    CHECK(LX_OK, &err, writer_open(fixture, 1, &a, &err));
    CHECK(LX_OK, &err, lx_ledger_probe(a.ledger, &err));
    assert_int_equal(lx_mem_bucket_count(fixture->bucket), 0);
    lx_mem_bucket_ignore_condition(fixture->bucket, true);
    CHECK(LX_E_REFUSED, &err, lx_ledger_probe(a.ledger, &err));
    assert_non_null(strstr(err.hint, "single-writer"));
    assert_int_equal(lx_mem_bucket_count(fixture->bucket), 0);
    CHECK(LX_OK, &err, writer_open_with(fixture, 2, true, &single, &err));
    CHECK(LX_OK, &err, lx_ledger_probe(single.ledger, &err));
    lx_mem_bucket_ignore_condition(fixture->bucket, false);
    /* What cannot be deleted again is in nobody's way, neither probes' nor the log's. */
    lx_mem_bucket_hook(fixture->bucket, no_deletes, NULL);
    for (int i = 0; i < 3; i++)
        CHECK(LX_OK, &err, lx_ledger_probe(a.ledger, &err));
    assert_int_equal(lx_mem_bucket_count(fixture->bucket), 3);
    make_first(fixture, &a);
    unsigned left = 1;
    lx_mem_bucket_hook(fixture->bucket, lose_answers, &left);
    CHECK(LX_OK, &err, lx_ledger_probe(a.ledger, &err));
    left = 2; /* the second answer, too: it is asked again */
    CHECK(LX_OK, &err, lx_ledger_probe(a.ledger, &err));
    assert_string_equal(err.text, "");
    left = 4; /* and again and again: nothing is proved */
    CHECK(LX_E_UNKNOWN, &err, lx_ledger_probe(a.ledger, &err));
    assert_non_null(strstr(err.text, "no answer for _delta_log/_lynex_probe_"));
    lx_mem_bucket_ignore_condition(fixture->bucket, true);
    left = 2;
    CHECK(LX_E_REFUSED, &err, lx_ledger_probe(a.ledger, &err));
    writer_close(&a);
    writer_close(&single);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_faults),
        TEST(test_single_writer),
        TEST(test_unknown_lands_later),
        TEST(test_cancel),
        TEST(test_gap),
        TEST(test_first_gap),
        TEST(test_past),
        TEST(test_checkpoint_at_once),
        TEST(test_probe),
        TEST(test_probe_is_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
