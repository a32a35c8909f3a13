/* check.c against a server that answers whatever a test says: a part counts as held only where
 * every number of every answer is the segments'. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "archive/run.h"
#include "base/alloc.h"
#include "mem_store.h"

#define MOST 8

/* -- schemas ------------------------------------------------------------------------------- */

#define TEXT(text)                                                                                 \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    } /* LX_STR is no constant to gcc */
#define COLUMN(name, type)                                                                         \
    {                                                                                              \
        TEXT(name), TEXT(type), TEXT(""), TEXT("")                                                 \
    }

static const struct lx_source_column two[] = {COLUMN("id", "UInt64"),
                                              COLUMN("timestamp", "DateTime('UTC')")};
static const struct lx_source_column three[] = {
    COLUMN("id", "UInt64"), COLUMN("timestamp", "DateTime('UTC')"), COLUMN("extra", "String")};
static const struct lx_source_column retyped[] = {
    COLUMN("id", "UInt32"), COLUMN("timestamp", "DateTime('UTC')"), COLUMN("extra", "String")};

/* -- the server ---------------------------------------------------------------------------- */

struct answer {
    int64_t rows, whole;
    uint64_t sum, xor;
    int64_t strange;
    bool missing; /* no such part */
};

static struct scene {
    struct lx_run run;
    struct lx_archive_options options;
    struct lx_hot_table table;
    struct lx_row_schema *old, *young; /* two columns, three columns */
    struct lx_mem_bucket *bucket;
    struct lx_store *store;
    struct lx_ledger *ledger;
    /* What is answered, and what was asked. */
    struct answer answers[MOST];
    struct lx_hot_sum asked[MOST];
    size_t asked_count, calls;
    enum lx_status fails;
} scene;

static enum lx_status sums(void *self, struct lx_hot_sum *asked, size_t count, bool whole,
                           struct lx_err *err)
{
    (void)self;
    scene.calls++;
    assert_in_range(count, 1, MOST);
    scene.asked_count = count;
    memcpy(scene.asked, asked, count * sizeof *asked);
    if (scene.fails != LX_OK)
        return lx_err_set(err, scene.fails, "no answer");
    for (size_t i = 0; i < count; i++) {
        const struct answer *a = &scene.answers[i];
        asked[i].found = !a->missing;
        asked[i].whole = whole ? a->whole : -1;
        asked[i].rows = a->rows;
        asked[i].sum = a->sum;
        asked[i].xor = a->xor ;
        asked[i].strange = a->strange;
    }
    return LX_OK;
}

static const struct lx_hot_ops ops = {.sums = sums};

static int64_t now(void *self)
{
    (void)self;
    return 1000;
}

static void fill(void *self, void *bytes, size_t size)
{
    (void)self;
    memset(bytes, 7, size);
}

static int setup(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    scene = (struct scene){0};
    assert_int_equal(lx_row_schema_build(two, 2, false, &scene.old, &err), LX_OK);
    assert_int_equal(lx_row_schema_build(three, 3, false, &scene.young, &err), LX_OK);
    scene.bucket = lx_mem_bucket_create();
    assert_non_null(scene.bucket);
    assert_int_equal(lx_mem_store_open(scene.bucket, 1, &scene.store, &err), LX_OK);
    const struct lx_ledger_options ledger = {
        .store = scene.store, .clock = {now, now, NULL, NULL}, .random = {fill, NULL}};
    assert_int_equal(lx_ledger_open(&ledger, &scene.ledger, &err), LX_OK);
    static struct lx_source_column columns[3];
    memcpy(columns, three, sizeof columns);
    scene.table = (struct lx_hot_table){.columns = columns, .column_count = 3};
    scene.options = (struct lx_archive_options){.hot = {&ops, NULL}, .ledger = scene.ledger};
    scene.run = (struct lx_run){.o = &scene.options, .table = &scene.table, .schema = scene.young};
    scene.run.cache = (struct lx_schema_cache){.schemas = &scene.old, .count = 1};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lx_ledger_close(scene.ledger);
    lx_store_close(scene.store);
    lx_mem_bucket_destroy(scene.bucket);
    lx_row_schema_free(scene.old);
    lx_row_schema_free(scene.young);
    return 0;
}

/* -- segments ------------------------------------------------------------------------------ */

/* Rows that hash to one number each: sum and xor are the hash's, of several its multiple. */
static struct lx_segment segment(const struct lx_row_schema *schema, int64_t from, int64_t to,
                                 int64_t rows, uint64_t hash)
{
    struct lx_segment made = {.min_block = 2,
                              .max_block = 4,
                              .from = from,
                              .to = to,
                              .rows = rows,
                              .sum = (uint64_t)rows * hash,
                              .xor = rows % 2 != 0 ? hash : 0};
    memcpy(made.schema, schema->id, sizeof made.schema);
    return made;
}

static const struct lx_hot_part part = {
    .name = (char[]){"all_1_5_2"}, .partition = (char[]){"all"}, .min_block = 1, .max_block = 5};

static struct lx_check check(const struct lx_segment *const *segments, size_t count, bool whole)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_check checked = {.part = &part, .segments = segments, .count = count};
    scene.calls = scene.asked_count = 0;
    assert_int_equal(lx_check_parts(&scene.run, &checked, 1, whole, &err), LX_OK);
    return checked;
}

static enum lx_held held(const struct lx_segment *const *segments, size_t count,
                         const struct answer *answers, size_t answer_count)
{
    memcpy(scene.answers, answers, answer_count * sizeof *answers);
    struct lx_check checked = check(segments, count, true);
    assert_int_equal(scene.asked_count, answer_count);
    return checked.held;
}

/* -- tests --------------------------------------------------------------------------------- */

static void test_nothing_to_ask(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    assert_int_equal(lx_check_parts(&scene.run, NULL, 0, true, &err), LX_OK);
    assert_int_equal(scene.calls, 0);
}

/* One schema: one question up to the furthest end; each number of the answer counts. */
static void test_one_schema(void **state)
{
    (void)state;
    const struct lx_segment a = segment(scene.young, 0, 100, 3, 11),
                            b = segment(scene.young, 100, 200, 2, 5);
    const struct lx_segment *const both[] = {&a, &b};
    const struct answer right = {.rows = 5, .whole = 9, .sum = 43, .xor = 11};
    scene.answers[0] = right;
    struct lx_check checked = check(both, 2, true);
    assert_int_equal(checked.held, LX_HELD_EXACTLY);
    assert_int_equal(checked.to, 200);
    assert_int_equal(checked.whole, 9);
    assert_int_equal(checked.rows, 5);
    assert_true(checked.schema == scene.young);
    assert_int_equal(scene.asked[0].from, LX_TIME_FIRST);
    assert_int_equal(scene.asked[0].to, 200);

    struct answer wrong[7] = {right, right, right, right, right, right, right};
    wrong[0].rows = 4;
    wrong[1].rows = 6;
    wrong[2].rows = -5;
    wrong[3].sum++;
    wrong[4].xor ++;
    wrong[5].strange = 1;
    wrong[6] = (struct answer){0};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(held(both, 2, &wrong[i], 1), LX_HELD_DIFFERENT);
}

/* A part of which nothing is found: gone, where whole parts are counted; else it may have rows out
 * of range, and differs. */
static void test_no_such_part(void **state)
{
    (void)state;
    const struct lx_segment a = segment(scene.young, 0, 100, 3, 11);
    const struct lx_segment *const one[] = {&a};
    scene.answers[0] = (struct answer){.missing = true, .rows = 3, .sum = 33, .xor = 11};
    assert_int_equal(check(one, 1, true).held, LX_HELD_GONE);
    scene.answers[0] = (struct answer){.missing = true};
    assert_int_equal(check(one, 1, false).held, LX_HELD_DIFFERENT);
}

/* What cannot be asked is not asked, and not known. */
static void test_cannot_be_asked(void **state)
{
    (void)state;
    struct lx_segment a = segment(scene.young, 0, 100, 3, 11);
    const struct lx_segment *const one[] = {&a};
    a.min_block = 0; /* rows of other parts too */
    assert_int_equal(check(one, 1, true).held, LX_HELD_UNKNOWN);
    a.min_block = 2;
    a.max_block = 6;
    assert_int_equal(check(one, 1, true).held, LX_HELD_UNKNOWN);
    a.max_block = 4;
    scene.table.column_count = 2; /* a column is gone */
    assert_int_equal(check(one, 1, true).held, LX_HELD_UNKNOWN);
    scene.table.column_count = 3;
    memcpy(scene.table.columns, retyped, sizeof retyped); /* another type */
    assert_int_equal(check(one, 1, true).held, LX_HELD_UNKNOWN);
    assert_int_equal(scene.calls, 0);
}

/* Two schemas: a question a range and schema, then the count of all. */
static void test_two_schemas(void **state)
{
    (void)state;
    const struct lx_segment a = segment(scene.old, 0, 100, 3, 11),
                            b = segment(scene.young, 100, 200, 2, 5),
                            twin = segment(scene.old, 0, 100, 1, 7);
    const struct lx_segment *const all[] = {&a, &b, &twin};
    const struct answer first = {.rows = 4, .sum = 40, .xor = 11 ^ 7},
                        second = {.rows = 2, .sum = 10}, last = {.rows = 6, .whole = 6};
    struct answer answers[] = {first, second, last};
    assert_int_equal(held(all, 3, answers, 3), LX_HELD_EXACTLY);
    assert_true(scene.asked[0].schema == scene.old && scene.asked[1].schema == scene.young);
    assert_int_equal(scene.asked[0].to, 100);
    assert_int_equal(scene.asked[1].from, 100);
    assert_int_equal(scene.asked[2].from, LX_TIME_FIRST);
    assert_int_equal(scene.asked[2].to, 200);
    struct lx_check checked = check(all, 3, true);
    assert_null(checked.schema); /* no single guard can stand in a mask */
    assert_int_equal(checked.rows, 6);
    assert_int_equal(checked.whole, 6);

    answers[2].rows = 7; /* a row outside of all ranges */
    assert_int_equal(held(all, 3, answers, 3), LX_HELD_DIFFERENT);
    answers[2] = last;
    answers[0].sum++;
    assert_int_equal(held(all, 3, answers, 3), LX_HELD_DIFFERENT);
    answers[0] = first;
    answers[1].strange = 1;
    assert_int_equal(held(all, 3, answers, 3), LX_HELD_DIFFERENT);
    answers[1] = second;
    /* Somebody changed the table between the questions, or another replica answered one of them:
     * what was not compared does not count as equal. */
    for (size_t i = 0; i < 3; i++) {
        answers[i].missing = true;
        assert_int_equal(held(all, 3, answers, 3), LX_HELD_DIFFERENT);
        answers[i].missing = false;
        answers[(i + 1) % 3].missing = answers[(i + 2) % 3].missing = true;
        assert_int_equal(held(all, 3, answers, 3), LX_HELD_DIFFERENT);
        answers[(i + 1) % 3].missing = answers[(i + 2) % 3].missing = false;
    }
    answers[0].missing = answers[1].missing = answers[2].missing = true;
    assert_int_equal(held(all, 3, answers, 3), LX_HELD_GONE);
}

/* Ranges of two schemas that overlap cannot be told apart by sums; the same range can, by schema
 * alone where it is one. */
static void test_overlapping_ranges(void **state)
{
    (void)state;
    const struct {
        int64_t from, to;
        bool apart;
    } cases[] = {{50, 150, false}, {-50, 50, false}, {20, 30, false}, {0, 100, false},
                 {0, 150, false},  {100, 150, true}, {-50, 0, true}};
    const struct lx_segment a = segment(scene.old, 0, 100, 1, 11);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct lx_segment b = segment(scene.young, cases[i].from, cases[i].to, 1, 5);
        const struct lx_segment *const both[] = {&a, &b};
        struct lx_check checked = check(both, 2, true);
        assert_int_equal(scene.calls, cases[i].apart ? 1 : 0);
        if (!cases[i].apart)
            assert_int_equal(checked.held, LX_HELD_UNKNOWN);
    }
}

/* Segments of an empty range are told from others that begin where they do. */
static void test_empty_ranges(void **state)
{
    (void)state;
    const struct lx_segment a = segment(scene.old, 0, 0, 0, 0),
                            b = segment(scene.young, 0, 0, 0, 0),
                            c = segment(scene.young, 0, 100, 1, 5);
    const struct lx_segment *const all[] = {&a, &b, &c};
    struct answer answers[] = {{0}, {0}, {.rows = 1, .sum = 5, .xor = 5}, {.rows = 1, .whole = 1}};
    assert_int_equal(held(all, 3, answers, 4), LX_HELD_EXACTLY);
    answers[0] = answers[2]; /* a row in an empty range */
    assert_int_equal(held(all, 3, answers, 4), LX_HELD_DIFFERENT);
}

/* A segment whose schema nobody has any more, and a server that does not answer: the status goes
 * out, and no part is held. */
static void test_failures(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    struct lx_segment a = segment(scene.young, 0, 100, 1, 11);
    const struct lx_segment *const one[] = {&a};
    struct lx_check checked = {.part = &part, .segments = one, .count = 1};
    scene.answers[0] = (struct answer){.rows = 1, .sum = 11, .xor = 11};
    scene.fails = LX_E_NETWORK;
    assert_int_equal(lx_check_parts(&scene.run, &checked, 1, true, &err), LX_E_NETWORK);
    assert_int_not_equal(checked.held, LX_HELD_EXACTLY);
    assert_string_equal(err.text, "no answer");
    scene.fails = LX_OK;
    strcpy(a.schema, "unheard-of");
    assert_int_equal(lx_check_parts(&scene.run, &checked, 1, true, &err), LX_E_NOTFOUND);
    assert_non_null(strstr(err.text, "unheard-of"));
    assert_int_not_equal(checked.held, LX_HELD_EXACTLY);
}

static void test_memory(void **state)
{
    (void)state;
    const struct lx_segment a = segment(scene.old, 0, 100, 1, 11),
                            b = segment(scene.young, 100, 200, 1, 5);
    const struct lx_segment *const both[] = {&a, &b};
    scene.answers[0] = (struct answer){.rows = 1, .sum = 11, .xor = 11};
    scene.answers[1] = (struct answer){.rows = 1, .sum = 5, .xor = 5};
    scene.answers[2] = (struct answer){.rows = 2, .whole = 2};
    for (uint64_t n = 1;; n++) {
        struct lx_err err = LX_ERR_INIT;
        struct lx_check checked = {
            .part = &part, .segments = both, .count = 2, .held = LX_HELD_UNKNOWN};
        size_t before = lx_alloc_used();
        lx_alloc_fail_at(n);
        enum lx_status status = lx_check_parts(&scene.run, &checked, 1, true, &err);
        bool reached = lx_alloc_count() >= n;
        lx_alloc_fail_at(0);
        assert_int_equal(lx_alloc_used(), before);
        if (!reached) {
            assert_int_equal(status, LX_OK);
            assert_int_equal(checked.held, LX_HELD_EXACTLY);
            assert_in_range(n, 3, 10);
            return;
        }
        assert_int_equal(status, LX_E_MEMORY);
        assert_int_not_equal(err.text[0], 0);
        assert_int_not_equal(checked.held, LX_HELD_EXACTLY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_to_ask, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_schema, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_such_part, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cannot_be_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_schemas, setup, teardown),
        cmocka_unit_test_setup_teardown(test_overlapping_ranges, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty_ranges, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
