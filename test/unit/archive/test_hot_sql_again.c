/* Rows whose blocks get too large for memory: how the rest is asked for again, and that what comes
 * then is believed only where its sums are right. */
#include "hot_sql_fixture.h"

#define ROWS "id:UInt64,ts:DateTime,p:String,h:UInt64"
#define FIRST "SELECT `id`, `ts`, _part"
#define PLACE "SELECT toString(_part), toUInt64(_part_offset)"
#define SUMS "SELECT toUInt64(count()), sum(_lynex_h)"
#define STRETCH "AND _part_offset >= "
#define REST " LIMIT 9223372036854775807 OFFSET "

static int64_t row_count;

static enum lx_status ask(struct lx_err *e)
{
    static const char *const names[] = {"all_1_1_0", "all_2_2_0"};
    const struct lx_hot_read read = {.parts = names,
                                     .part_count = 2,
                                     .schema = schema,
                                     .from = LX_TIME_FIRST,
                                     .to = LX_TIME_LAST,
                                     .hash_to = UINT64_MAX};
    struct lx_hot_stream *stream = NULL;
    struct lx_hot_rows got;
    row_count = 0;
    LX_TRY(ops->read(hot, &read, &stream, e));
    enum lx_status status;
    while ((status = ops->next(hot, stream, &got, e)) == LX_OK && got.rows > 0)
        row_count += got.rows;
    ops->end(hot, stream);
    return status;
}

/* A block of `count` rows from number `from` on, whose hashes are their numbers. */
static struct ch_rule *block(const char *pattern, int64_t from, int64_t count)
{
    static char rows[40000];
    size_t size = 0;
    rows[0] = 0;
    for (int64_t i = from; i < from + count; i++)
        size += (size_t)snprintf(rows + size, sizeof rows - size, "%s%lld|%lld|all_1_1_0|%lld",
                                 i > from ? ";" : "", (long long)i, (long long)(1600000000 + i),
                                 (long long)i);
    return ch_script_table(&script, pattern, ROWS, rows);
}

#define MANY 600 /* more than fit */
#define FEW 100

/* The first block does not fit; the stretch behind it brings a part of its rows, the rest none. */
static void answer(void)
{
    hot->max_block_bytes = 8 * LX_KIB;
    ch_script_table(&script, PLACE, "p:String,o:UInt64", "all_1_1_0|7");
    ch_script_table(&script, SUMS, "n:UInt64,s:UInt64,x:UInt64", "100|4950|0");
    block(STRETCH, 0, FEW);
    ch_script_table(&script, REST, ROWS, "");
    block(FIRST, 0, MANY);
}

/* The first answer has `count` rows, and its connection ends. */
static struct ch_rule *broken(const char *pattern, int64_t from, int64_t count)
{
    struct ch_rule *rule = block(pattern, from, count);
    rule->when = CH_BROKEN_OFF;
    rule->status = LX_E_NETWORK;
    rule->text = "the answer was cut";
    return rule;
}

static void expect_asked(size_t which, const char *words)
{
    assert_true(which < script.asked_count);
    assert_says(script.asked[which], words);
}

static void test_again(void **state)
{
    (void)state;
    answer();
    assert_status(ask(&err), LX_OK);
    assert_int_equal(row_count, FEW);
    assert_int_equal(script.asked_count, 5);
    expect_asked(0, FIRST);
    assert_says(script.settings[0], " max_block_size=65409");
    expect_asked(1, PLACE);
    expect_asked(1, " LIMIT 1 OFFSET 0");
    expect_asked(2, " AND _part = 'all_1_1_0' AND _part_offset >= 7 LIMIT 600");
    assert_says(script.settings[2], " max_block_size=37");
    expect_asked(3, " LIMIT 9223372036854775807 OFFSET 100");
    assert_says(script.settings[3], " max_block_size=65409");
    expect_asked(4, SUMS);
}

/* The rest does not fit either: the next stretch is twice as long, its blocks as small as before;
 * blocks of a stretch that do not fit get smaller yet. */
static void test_twice(void **state)
{
    (void)state;
    hot->max_block_bytes = 8 * LX_KIB;
    ch_script_table(&script, PLACE, "p:String,o:UInt64", "all_2_2_0|0");
    ch_script_table(&script, SUMS, "n:UInt64,s:UInt64,x:UInt64", "200|19900|0");
    block(STRETCH, 0, FEW)->times = 1;
    block(STRETCH, FEW, MANY)->times = 1;
    block(STRETCH, FEW, FEW)->times = 1;
    block(REST, FEW, MANY)->times = 1;
    ch_script_table(&script, REST, ROWS, "");
    block(FIRST, 0, MANY);
    assert_status(ask(&err), LX_OK);
    assert_int_equal(row_count, 2 * FEW);
    assert_int_equal(script.asked_count, 10);
    expect_asked(3, " OFFSET 100");
    expect_asked(4, " LIMIT 1 OFFSET 100");
    expect_asked(5, " AND _part = 'all_2_2_0' AND _part_offset >= 0 LIMIT 1200");
    assert_says(script.settings[5], " max_block_size=37");
    expect_asked(7, " LIMIT 1200");
    assert_says(script.settings[7], " max_block_size=2");
    expect_asked(8, " OFFSET 200");
    expect_asked(9, SUMS);
}

/* Every block is too large, as small as it was asked for. */
static void test_never_fits(void **state)
{
    (void)state;
    hot->max_block_bytes = 8 * LX_KIB;
    ch_script_table(&script, PLACE, "p:String,o:UInt64", "all_1_1_0|0");
    block(STRETCH, 0, MANY);
    block(FIRST, 0, MANY);
    lx_err_clear(&err);
    assert_status(ask(&err), LX_E_LIMIT);
    assert_says(err.text, "600 rows came in one block, 1 were asked for");
    assert_int_equal(row_count, 0);
    assert_int_equal(script.asked_count, 7); /* 37, 2, 1 */
    assert_status(ask(NULL), LX_E_LIMIT);
    ch_script_clear(&script);
    /* One row. */
    hot->max_block_bytes = 1;
    block(FIRST, 0, 1);
    lx_err_clear(&err);
    assert_status(ask(&err), LX_E_LIMIT);
    assert_says(err.text, "one row is too large, row 1 of what is read of the part all_1_1_0 and 1 "
                          "more");
    assert_says(err.hint, "ARCHIVE_MEMORY_MB must be ");
    ch_script_clear(&script);
    /* The client's own limit, with no block at all. */
    ch_script_fails(&script, FIRST, LX_E_LIMIT, 0, "no block");
    assert_status(ask(&err), LX_E_LIMIT);
}

/* -- answers that end too early ------------------------------------------------------------ */

static void test_broken_off(void **state)
{
    (void)state;
    for (size_t ahead = 0; ahead < 2; ahead++) {
        hot->read_ahead = ahead * 100000;
        ch_script_clear(&script);
        ch_script_table(&script, SUMS, "n:UInt64,s:UInt64,x:UInt64", "300|44850|0");
        broken(REST, FEW, FEW)->times = 1;
        block(REST, 2 * FEW, FEW);
        broken(FIRST, 0, FEW);
        lx_err_clear(&err);
        assert_status(ask(&err), LX_OK);
        assert_int_equal(row_count, 3 * FEW);
        assert_int_equal(script.asked_count, 4);
        expect_asked(1, REST "100");
        assert_says(script.settings[1], " max_block_size=65409");
        expect_asked(2, REST "200");
        expect_asked(3, SUMS);
        /* The sums count here, too. */
        ch_script_clear(&script);
        ch_script_table(&script, SUMS, "n:UInt64,s:UInt64,x:UInt64", "300|44850|5");
        block(REST, FEW, 2 * FEW);
        broken(FIRST, 0, FEW);
        assert_status(ask(&err), LX_E_AGAIN);
        assert_says(err.text, "300 rows were read in several answers");
    }
    hot->read_ahead = 0;
}

/* An answer that brings nothing is no reason to ask once more; nor is another failure. */
static void test_broken_for_good(void **state)
{
    (void)state;
    broken(REST, FEW, 0);
    broken(FIRST, 0, FEW);
    assert_status(ask(&err), LX_E_NETWORK);
    assert_says(err.text, "the answer was cut");
    assert_int_equal(script.asked_count, 2);
    static const struct {
        enum lx_status status;
        int code;
        size_t asked;
    } cases[] = {
        {LX_E_REMOTE, 209, 3}, /* SOCKET_TIMEOUT */
        {LX_E_REMOTE, 210, 3}, /* NETWORK_ERROR */
        {LX_E_REMOTE, 241, 1}, {LX_E_FORMAT, 0, 1}, {LX_E_TIMEOUT, 0, 1}, {LX_E_AUTH, 0, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ch_script_clear(&script);
        ch_script_table(&script, SUMS, "n:UInt64,s:UInt64,x:UInt64", "100|4950|0");
        ch_script_table(&script, REST, ROWS, "");
        struct ch_rule *rule = broken(FIRST, 0, FEW);
        rule->status = cases[i].status;
        rule->code = cases[i].code;
        lx_err_clear(&err);
        assert_status(ask(&err), cases[i].asked == 3 ? LX_OK : cases[i].status);
        assert_int_equal(script.asked_count, cases[i].asked);
    }
}

/* One more block behind those of the rule. */
static void add_block(struct ch_rule *rule, int64_t from, int64_t count)
{
    struct ch_rule *more = block("", from, count);
    rule->bytes = realloc(rule->bytes, rule->size + more->size);
    assert_non_null(rule->bytes);
    memcpy(rule->bytes + rule->size, more->bytes, more->size);
    rule->size += more->size;
    free(more->bytes);
    script.count--;
}

/* Hashes alone are asked for again as rows are. */
static void test_broken_hashes(void **state)
{
    (void)state;
    static const char *const name = "all_1_1_0";
    const char *const columns = "h:UInt64,s:Int64", *const hashes = " AS _lynex_h, ifNull(";
    const struct lx_hot_read read = {.parts = &name,
                                     .part_count = 1,
                                     .schema = schema,
                                     .from = LX_TIME_FIRST,
                                     .to = LX_TIME_LAST,
                                     .hash_to = UINT64_MAX};
    for (uint64_t off = 0; off < 2; off++) {
        struct lx_hot_stream *stream = NULL;
        struct lx_hot_hashes got;
        enum lx_status status;
        uint64_t sum = 0;
        ch_script_clear(&script);
        ch_script_table(&script, SUMS, "n:UInt64,s:UInt64,x:UInt64",
                        off ? "3|12|7" : "3|12|2"); /* 3, 4 and 5 */
        ch_script_table(&script, REST "2", columns, "5|1600000002");
        struct ch_rule *rule =
            ch_script_table(&script, hashes, columns, "3|1600000000;4|1600000001");
        rule->when = CH_BROKEN_OFF;
        rule->status = LX_E_NETWORK;
        rule->text = "the answer was cut";
        lx_err_clear(&err);
        assert_status(ops->hashes(hot, &read, &stream, &err), LX_OK);
        while ((status = ops->next_hashes(hot, stream, &got, &err)) == LX_OK && got.rows > 0)
            for (int64_t i = 0; i < got.rows; i++)
                sum += got.hashes[i];
        ops->end(hot, stream);
        assert_status(status, off ? LX_E_AGAIN : LX_OK);
        assert_int_equal(sum, 12);
        assert_int_equal(script.asked_count, 3);
    }
}

/* Within a stretch: it goes on where it was; where it had all its rows, or its part has no more,
 * with the rest. */
static void test_broken_stretch(void **state)
{
    (void)state;
    static const struct {
        int64_t blocks; /* of the stretch, before it breaks off */
        bool no_more;   /* of the part */
        int64_t rows;
        const char *sums, *then[2];
    } cases[] = {
        {1, false, 2 * FEW, "200|19900|0", {PLACE, " AND _part_offset >= 7 LIMIT 500"}},
        {1, true, 2 * FEW, "200|19900|0", {PLACE, REST "100"}},
        {MANY / FEW, false, MANY, "600|179700|0", {REST "600", SUMS}},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        ch_script_clear(&script);
        hot->max_block_bytes = 8 * LX_KIB;
        ch_script_table(&script, PLACE, "p:String,o:UInt64", "all_1_1_0|7")->times = 1;
        ch_script_table(&script, PLACE, "p:String,o:UInt64", cases[c].no_more ? "" : "all_1_1_0|7");
        ch_script_table(&script, SUMS, "n:UInt64,s:UInt64,x:UInt64", cases[c].sums);
        struct ch_rule *rule = broken(STRETCH, 0, FEW);
        rule->times = 1;
        for (int64_t i = 1; i < cases[c].blocks; i++)
            add_block(rule, i * FEW, FEW);
        block(STRETCH, FEW, FEW);
        if (cases[c].no_more)
            block(REST, FEW, FEW);
        ch_script_table(&script, REST, ROWS, "");
        block(FIRST, 0, MANY);
        lx_err_clear(&err);
        assert_status(ask(&err), LX_OK);
        assert_int_equal(row_count, cases[c].rows);
        for (size_t i = 0; i < 2; i++)
            expect_asked(3 + i, cases[c].then[i]);
    }
}

/* -- answers that are not believed --------------------------------------------------------- */

/* With this answer in place of the right one. */
static void other(const char *pattern, const char *columns, const char *rows,
                  enum lx_status expected, const char *words)
{
    ch_script_table(&script, pattern, columns, rows);
    answer();
    lx_err_clear(&err);
    assert_status(ask(&err), expected);
    assert_says(err.text, words);
    ch_script_clear(&script);
}

static void test_other_answers(void **state)
{
    (void)state;
    const char *const sums = "n:UInt64,s:UInt64,x:UInt64", *const place = "p:String,o:UInt64";
    const char *const away = "rows of `db`.`events` went away while they were read";
    const char *const not_those = "100 rows were read in several answers, and they are not those "
                                  "that `db`.`events` holds";
    other(PLACE, place, "", LX_E_AGAIN, away);
    other(PLACE, place, "all_3_3_0|1", LX_E_AGAIN, away);
    other(PLACE, "p:UInt64,o:UInt64", "1|1", LX_E_FORMAT, "reading");
    other(STRETCH, ROWS, "", LX_E_AGAIN, away);
    other(SUMS, sums, "", LX_E_AGAIN, not_those);
    other(SUMS, sums, "101|4950|0", LX_E_AGAIN, not_those);
    other(SUMS, sums, "100|4951|0", LX_E_AGAIN, not_those);
    other(SUMS, sums, "100|4950|1", LX_E_AGAIN, not_those);
    other(SUMS, "n:String,s:UInt64,x:UInt64", "a|1|1", LX_E_FORMAT, "comparing rows of");
    static const char *const patterns[] = {PLACE, STRETCH, REST, SUMS};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        ch_script_fails(&script, patterns[i], LX_E_REMOTE, 241, "it is the wrong day");
        answer();
        lx_err_clear(&err);
        assert_status(ask(&err), LX_E_REMOTE);
        assert_says(err.text, "it is the wrong day");
        ch_script_clear(&script);
    }
}

static void test_memory(void **state)
{
    (void)state;
    const struct question q = {ask, answer, NULL};
    for (size_t ahead = 0; ahead < 2; ahead++) {
        hot->read_ahead = ahead * 100000;
        try_memory(&q);
    }
    hot->read_ahead = 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_again),         TEST(test_twice),           TEST(test_never_fits),
        TEST(test_broken_off),    TEST(test_broken_for_good), TEST(test_broken_stretch),
        TEST(test_broken_hashes), TEST(test_other_answers),   TEST(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
