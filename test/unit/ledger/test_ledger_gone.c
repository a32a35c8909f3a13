/* Recording what a delete took, whatever others did to its segments meanwhile. Rows are small
 * numbers here, and a segment's `sum` is a set of them, a bit each. */
#include "ledger_fixture.h"

#include <stdio.h>

struct book {
    struct fixture *fixture;
    uint64_t rest; /* rows that went, and were found in no segment so far */
    unsigned restarts, calls, next_id;
};

static uint64_t rows_of(const struct lx_segment *segment)
{
    return segment->sum;
}

static struct lx_segment make(unsigned id, int64_t min, int64_t max, uint64_t rows)
{
    struct lx_segment segment =
        segment_of(id, SOURCE, "all", min, max, 0, 10, (int64_t)__builtin_popcountll(rows));
    segment.sum = rows;
    return segment;
}

static void restart(void *context)
{
    struct book *book = context;
    book->restarts++;
    book->rest = 0; /* filled by the first call, which knows the lost ones */
    book->calls = 0;
}

static enum lx_status reduce(void *context, const struct lx_segment *held,
                             const struct lx_segment *const *lost, size_t lost_count, bool *took,
                             struct lx_segment *reduced, struct lx_err *err)
{
    struct book *book = context;
    (void)err;
    if (book->calls++ == 0) {
        for (size_t i = 0; i < lost_count; i++)
            book->rest |= rows_of(lost[i]);
    }
    uint64_t both = book->rest & rows_of(held);
    if (both == 0)
        return LX_OK;
    book->rest &= ~both;
    *took = true;
    struct lx_segment left = *held;
    left.sum &= ~both;
    left.rows = (int64_t)__builtin_popcountll(left.sum);
    snprintf(left.id, sizeof left.id, "%032x", book->next_id++);
    return lx_segment_copy(&left, reduced);
}

static const uint64_t some_rows[] = {0x0f, 0xf0};

/* Client 1 archived segments 1 (blocks 1-1) and 2 (blocks 2-2) and deleted the rows of both. */
static void record(struct writer *writer, struct book *book, enum lx_status expected,
                   int64_t *version)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_segment taken[] = {make(1, 1, 1, some_rows[0]), make(2, 2, 2, some_rows[1])};
    struct lx_gone gone = {.operation = "DELETE",
                           .ended_at = 1000,
                           .taken = taken,
                           .taken_count = 2,
                           .context = book,
                           .restart = restart,
                           .reduce = reduce};
    book->next_id = 100;
    CHECK(expected, &err, lx_ledger_record_gone(writer->ledger, &gone, version, &err));
}

static void open_two(struct fixture *fixture, struct writer *a, struct writer *b)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_segment segments[] = {make(1, 1, 1, some_rows[0]), make(2, 2, 2, some_rows[1])};
    struct lx_change change = first_change(fixture);
    change.add_segments = segments;
    change.add_segment_count = 2;
    CHECK(LX_OK, &err, writer_open(fixture, 1, a, &err));
    CHECK(LX_OK, &err, lx_ledger_commit(a->ledger, &change, NULL, &err));
    CHECK(LX_OK, &err, writer_open(fixture, 2, b, &err));
}

static void test_nothing_between(void **state)
{
    struct writer a, b;
    struct book book = {.fixture = *state};
    int64_t version = -1;
    open_two(*state, &a, &b);
    record(&a, &book, LX_OK, &version);
    const struct lx_ledger_state *now = lx_ledger_state(a.ledger);
    assert_int_equal(version, 1);
    assert_int_equal(now->live_count, 0);
    assert_int_equal(now->ended_count, 2);
    assert_int_equal(now->ended[0].ended_at, 1000);
    assert_int_equal(book.restarts, 1);
    assert_int_equal(book.calls, 0);
    record(&a, &book, LX_OK, &version); /* once more: it is recorded already */
    assert_int_equal(version, 1);
    assert_int_equal(now->version, 1);
    writer_close(&a);
    writer_close(&b);
}

/* b merged both parts with late rows before a could record: one segment holds it all. */
static void test_replaced(void **state)
{
    struct writer a, b;
    struct lx_err err = LX_ERR_INIT;
    struct book book = {.fixture = *state};
    int64_t version = -1;
    open_two(*state, &a, &b);
    struct lx_segment merged[] = {make(10, 1, 3, 0xfff), make(11, 4, 4, 0x0f)};
    const char *ends[] = {id_of(1), id_of(2)};
    struct lx_change change = {.operation = "ARCHIVE",
                               .add_segments = merged,
                               .add_segment_count = 2,
                               .end_segments = ends,
                               .end_segment_count = 2};
    CHECK(LX_OK, &err, lx_ledger_commit(b.ledger, &change, NULL, &err));
    record(&a, &book, LX_OK, &version);
    const struct lx_ledger_state *now = lx_ledger_state(a.ledger);
    assert_int_equal(version, 2);
    assert_int_equal(now->live_count, 2);
    assert_int_equal(now->ended_count, 0);
    assert_string_equal(now->live[0].id, id_of(100));
    assert_int_equal(now->live[0].sum, 0xf00);
    assert_int_equal(now->live[0].rows, 4);
    assert_int_equal(now->live[0].max_block, 3);
    assert_int_equal(now->live[1].sum, 0x0f); /* its blocks do not touch: not looked at */
    assert_int_equal(book.restarts, 2);
    assert_int_equal(book.calls, 1);
    writer_close(&a);
    writer_close(&b);
}

/* b saw that the rows are gone, and recorded it; then it archived late ones of the same blocks, one
 * of them an exact copy of a deleted row. What a deleted is recorded: the copy stays. */
static void test_recorded_by_others(void **state)
{
    struct writer a, b;
    struct lx_err err = LX_ERR_INIT;
    struct book book = {.fixture = *state};
    int64_t version = -1;
    open_two(*state, &a, &b);
    const char *ends[] = {id_of(1), id_of(2)};
    struct lx_change gone = {
        .operation = "GONE", .end_segments = ends, .end_segment_count = 2, .ended_at = 1000};
    CHECK(LX_OK, &err, lx_ledger_commit(b.ledger, &gone, NULL, &err));
    struct lx_segment late = make(10, 1, 3, 0xf01);
    struct lx_change change = {
        .operation = "ARCHIVE", .add_segments = &late, .add_segment_count = 1};
    CHECK(LX_OK, &err, lx_ledger_commit(b.ledger, &change, NULL, &err));
    record(&a, &book, LX_OK, &version);
    const struct lx_ledger_state *now = lx_ledger_state(a.ledger);
    assert_int_equal(version, 2); /* nothing was left to say */
    assert_int_equal(now->live_count, 1);
    assert_string_equal(now->live[0].id, id_of(10));
    assert_int_equal(book.calls, 0);
    writer_close(&a);
    writer_close(&b);
}

/* Replaced, and what replaced it was replaced again: rows are looked for where they went, not in
 * what came into the blocks besides. */
static void test_followed(void **state)
{
    struct writer a, b;
    struct lx_err err = LX_ERR_INIT;
    struct book book = {.fixture = *state};
    int64_t version = -1;
    open_two(*state, &a, &b);
    struct lx_segment first = make(10, 1, 2, 0xfff), second = make(11, 1, 4, 0xffff);
    struct lx_segment beside = make(12, 1, 1, 0x01);
    beside.from = 100;
    beside.to = 200;
    const char *ends[] = {id_of(1), id_of(2)}, *again[] = {id_of(10)};
    struct lx_change changes[] = {
        {.operation = "RECONCILE",
         .add_segments = &first,
         .add_segment_count = 1,
         .end_segments = ends,
         .end_segment_count = 2},
        {.operation = "ARCHIVE", .add_segments = &beside, .add_segment_count = 1},
        {.operation = "RECONCILE",
         .add_segments = &second,
         .add_segment_count = 1,
         .end_segments = again,
         .end_segment_count = 1},
    };
    for (size_t i = 0; i < 3; i++)
        CHECK(LX_OK, &err, lx_ledger_commit(b.ledger, &changes[i], NULL, &err));
    record(&a, &book, LX_OK, &version);
    const struct lx_ledger_state *now = lx_ledger_state(a.ledger);
    assert_int_equal(version, 4);
    assert_int_equal(now->live_count, 2);
    assert_int_equal(now->live[0].sum + now->live[1].sum, 0xff00 + 0x01);
    assert_int_equal(book.calls, 1);
    writer_close(&a);
    writer_close(&b);
}

/* Segment 1 is live still; 2 was cut at days, and one of its days went whole. */
static void test_some_replaced(void **state)
{
    struct writer a, b;
    struct lx_err err = LX_ERR_INIT;
    struct book book = {.fixture = *state};
    int64_t version = -1;
    open_two(*state, &a, &b);
    struct lx_segment days[] = {make(10, 2, 2, 0x30), make(11, 2, 2, 0xfc0)};
    days[1].from = 10;
    days[1].to = 20;
    const char *ends[] = {id_of(2)};
    struct lx_change change = {.operation = "ARCHIVE",
                               .add_segments = days,
                               .add_segment_count = 2,
                               .end_segments = ends,
                               .end_segment_count = 1};
    CHECK(LX_OK, &err, lx_ledger_commit(b.ledger, &change, NULL, &err));
    record(&a, &book, LX_OK, &version);
    const struct lx_ledger_state *now = lx_ledger_state(a.ledger);
    assert_int_equal(now->live_count, 1);
    assert_int_equal(now->live[0].sum, 0xf00);
    assert_int_equal(now->live[0].from, 10);
    assert_int_equal(now->ended_count, 2); /* 1, and the day that went whole */
    assert_string_equal(now->ended[0].id, id_of(1));
    assert_string_equal(now->ended[1].id, id_of(10));
    writer_close(&a);
    writer_close(&b);
}

/* b replaces the segment just while a records: a tries anew, on the newest state. */
struct meanwhile {
    struct writer *b;
    bool done;
    enum lx_status status;
};

static struct lx_mem_verdict replace_meanwhile(void *context, const struct lx_mem_call *call)
{
    struct meanwhile *meanwhile = context;
    if (call->client == 1 && call->op == LX_MEM_PUT && !meanwhile->done) {
        meanwhile->done = true;
        struct lx_segment merged = make(10, 1, 2, 0xfff);
        const char *ends[] = {id_of(1), id_of(2)};
        struct lx_change change = {.operation = "ARCHIVE",
                                   .add_segments = &merged,
                                   .add_segment_count = 1,
                                   .end_segments = ends,
                                   .end_segment_count = 2};
        meanwhile->status = lx_ledger_commit(meanwhile->b->ledger, &change, NULL, NULL);
    }
    return (struct lx_mem_verdict){LX_MEM_DONE, LX_OK};
}

static void test_replaced_meanwhile(void **state)
{
    struct writer a, b;
    struct book book = {.fixture = *state};
    int64_t version = -1;
    open_two(*state, &a, &b);
    struct meanwhile meanwhile = {&b, false, LX_E_BUG};
    lx_mem_bucket_hook(book.fixture->bucket, replace_meanwhile, &meanwhile);
    record(&a, &book, LX_OK, &version);
    assert_int_equal(meanwhile.status, LX_OK);
    assert_int_equal(version, 2);
    assert_int_equal(lx_ledger_state(a.ledger)->live_count, 1);
    assert_int_equal(lx_ledger_state(a.ledger)->live[0].sum, 0xf00);
    writer_close(&a);
    writer_close(&b);
}

static enum lx_status reduce_fails(void *context, const struct lx_segment *held,
                                   const struct lx_segment *const *lost, size_t lost_count,
                                   bool *took, struct lx_segment *reduced, struct lx_err *err)
{
    (void)context;
    (void)lost;
    (void)lost_count;
    (void)took;
    (void)reduced;
    return lx_err_set(err, LX_E_CORRUPT, "the hashes of %s do not sum up", held->id);
}

static void test_reduce_fails(void **state)
{
    struct writer a, b;
    struct lx_err err = LX_ERR_INIT;
    open_two(*state, &a, &b);
    struct lx_segment gone_one = make(3, 1, 1, 1); /* live no more: never was */
    struct lx_gone gone = {.operation = "DELETE",
                           .ended_at = 1000,
                           .taken = &gone_one,
                           .taken_count = 1,
                           .reduce = reduce_fails};
    CHECK(LX_E_CORRUPT, &err, lx_ledger_record_gone(a.ledger, &gone, NULL, &err));
    assert_int_equal(lx_ledger_state(a.ledger)->version, 0);
    gone.ended_at = 0;
    CHECK(LX_E_BUG, &err, lx_ledger_record_gone(a.ledger, &gone, NULL, &err));
    writer_close(&a);
    writer_close(&b);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_between),    TEST(test_replaced),     TEST(test_some_replaced),
        TEST(test_replaced_meanwhile), TEST(test_reduce_fails), TEST(test_recorded_by_others),
        TEST(test_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
