/* The SQL driver against a scripted ClickHouse: what it asks and sends, and that answers which do
 * not add up are refused with a text, never believed and never the end of the program. */
#include "hot_sql_fixture.h"

#define NONCE "506381209866536711" /* 0x0707070707070707 */

/* -- row policies -------------------------------------------------------------------------- */

static enum lx_status ask_policy(struct lx_err *e)
{
    return ops->row_policy(hot, e);
}
static void answer_policy(void)
{
    ch_script_table(&script, "EXPLAIN SELECT `ts` FROM `", "explain:String",
                    "Expression;ReadFromMergeTree");
}

static void test_row_policy(void **state)
{
    (void)state;
    const struct question q = {ask_policy, answer_policy, "asking for the row policies of"};
    try_all(&q);
    refuse(&q, "EXPLAIN", "e:String", "Expression;  Row level filter", LX_E_REFUSED,
           "a row policy hides rows of `db`.`events`");
    assert_says(err.hint, "deletes ignore row policies");
    refuse(&q, "EXPLAIN", "e:String", "Row-level security;x", LX_E_REFUSED, "a row policy hides");
    refuse(&q, "EXPLAIN", "e:UInt64", "1", LX_E_FORMAT, "not a text");
    refuse(&q, "EXPLAIN", "e:String,x:String", "a|b", LX_E_FORMAT, "2 columns");
    refuse(&q, "EXPLAIN", "e:String", "", LX_E_FORMAT, "did not tell its plan");
}

/* -- the self-test ------------------------------------------------------------------------- */

static const uint64_t golden[10] = {
    15704590063253990482u, 3527722631207772344u,  1203045788066049851u, 1332806867295939999u,
    10896504894405809733u, 13852329462589997098u, 153825179690110446u,  10105351337982505064u,
    8339742310548374758u,  3843294174881432347u,
};

static int spoil; /* what is wrong with the golden rows; 0: nothing */
enum { RIGHT, HASH, VALUE, TEXT, ROWS, SHAPE, WIDTH, SPOILED };

static void put(struct lx_buf *out, const void *bytes, size_t size)
{
    assert_int_equal(lx_buf_append(out, bytes, size), LX_OK);
}

static void put_text(struct lx_buf *out, const char *text, size_t size)
{
    uint8_t length = (uint8_t)size;
    put(out, &length, 1);
    put(out, text, size);
}

static void head(struct lx_buf *out, const char *name, const char *type)
{
    put_text(out, name, strlen(name));
    put_text(out, type, strlen(type));
}

static void put_golden_values(struct lx_buf *out, size_t column, size_t row)
{
    static const int64_t times[] = {0, 1000, 2001, 3002, 4003, 5004, 6005, 7007, 8007, 9008};
    const uint64_t n = row;
    char id[40] = "00112230-4455-4677-8899-aabbccddee00";
    uint64_t high, low;
    switch (column) {
    case 0: /* UUID: two halves */
        high = 0x0011223044554677 + (n << 32);
        low = 0x8899aabbccddee00 + n;
        put(out, &high, 8);
        put(out, &low, 8);
        break;
    case 1: put_text(out, "lynex archives ClickHouse events to Parquet", 4 * row); break;
    case 2: {
        int64_t ticks = INT64_C(1777593600000) + times[row] + (spoil == VALUE && row == 4);
        put(out, &ticks, 8);
        break;
    }
    case 3: {
        float value = 1.5F * (float)row;
        put(out, &value, 4);
        break;
    }
    case 4: {
        double value = row == 9 ? -0.0 : (double)row / 8;
        put(out, &value, 8);
        break;
    }
    case 5: {
        uint16_t day = (uint16_t)(20574 + row);
        put(out, &day, 2);
        break;
    }
    case 6: {
        int32_t value = row % 3 == 2 ? 0 : (int32_t)row - 4;
        put(out, &value, 4);
        break;
    }
    case 7: {
        uint64_t hash = golden[row] + (spoil == HASH && row == 7);
        put(out, &hash, spoil == WIDTH ? 4 : 8);
        break;
    }
    default:
        id[7] = id[35] = (char)('0' + row);
        id[0] = spoil == TEXT ? '1' : '0';
        put_text(out, id, 36);
    }
}

static void answer_golden(void)
{
    static const char *const types[] = {"UUID",    "String", "DateTime64(3, 'UTC')", "Float32",
                                        "Float64", "Date",   "Nullable(Int32)",      "UInt64",
                                        "String"};
    struct lx_buf out = LX_BUF(100000);
    uint8_t rows = spoil == ROWS ? 9 : 10, columns = spoil == SHAPE ? 8 : 9;
    put(&out, &columns, 1);
    put(&out, &rows, 1);
    for (size_t c = 0; c < columns; c++) {
        head(&out, "c", c == 7 && spoil == WIDTH ? "UInt32" : types[c]);
        for (size_t r = 0; c == 6 && r < rows; r++) {
            uint8_t null = r % 3 == 2;
            put(&out, &null, 1);
        }
        for (size_t r = 0; r < rows; r++)
            put_golden_values(&out, c, r);
    }
    ch_script_bytes(&script, "toUUID(concat(", out.data, out.len);
    lx_buf_free(&out);
}

static enum lx_status ask_self_test(struct lx_err *e)
{
    return ops->self_test(hot, e);
}

static void test_self_test(void **state)
{
    (void)state;
    static const char *const words[] = {
        "",
        "golden row 7 hashes to 10105351337982505065 on the server and 10105351337982505064 here",
        "golden row 4 hashes to 10896504894405809733 on the server",
        "golden row 0",
        "came back in another shape",
        "came back in another shape",
        "came back in another shape"};
    const struct question q = {ask_self_test, answer_golden, NULL};
    spoil = RIGHT;
    try_all(&q);
    for (spoil = HASH; spoil < SPOILED; spoil++) {
        answer_golden();
        lx_err_clear(&err);
        assert_status(ask_self_test(&err), LX_E_MISMATCH);
        assert_says(err.text, "self-test: ");
        assert_says(err.text, words[spoil]);
        assert_says(err.hint, "nothing was read or deleted");
        ch_script_clear(&script);
    }
    spoil = RIGHT;
}

/* -- parts --------------------------------------------------------------------------------- */

#define PARTS "p:String,n:String,d:Int32,c:UInt64,z:UInt64,now:UInt64"
#define DAY INT64_C(86400)
#define SIZE "|-2147483648|" /* marks a part's size */
#define PATTERN "UNION ALL"
static struct lx_hot_parts parts;

static enum lx_status ask_parts(struct lx_err *e)
{
    lx_hot_parts_free(&parts);
    enum lx_status status = ops->parts(hot, 20600 * DAY, &parts, e);
    struct lx_hot_parts taken = parts;
    if (status == LX_OK)
        lx_hot_parts_free(&taken);
    assert_int_equal(status == LX_OK ? 0 : parts.count, 0);
    parts = (struct lx_hot_parts){0};
    return status;
}

static void answer_parts(void)
{
    ch_script_table(&script, PATTERN, PARTS,
                    "|202512_2_3_1" SIZE "5|0|1700000001;"
                    "202512|202512_2_3_1|20400|5|0|1700000001;"
                    "|202512_7_9_1_12" SIZE "9|0|1700000001;"
                    "202512|202512_7_9_1_12|20399|1|0|1700000001;"
                    "202512|202512_7_9_1_12|20400|4|0|1700000001;"
                    "|202601_1_1_0" SIZE "5|2|1700000001;"
                    "202601|202601_1_1_0|20500|3|0|1700000001;"
                    "|202601_4_4_0" SIZE "7|0|1700000001");
}

static bool asks_metadata(size_t i)
{
    return strstr(script.settings[i], "optimize_use_projections=1") != NULL;
}

static void test_parts(void **state)
{
    (void)state;
    const struct question q = {ask_parts, answer_parts, "asking for the parts of"};
    try_all(&q);
    answer_parts();
    assert_status(ops->parts(hot, 20600 * DAY, &parts, &err), LX_OK);
    assert_says(script.asked[0], "WHERE (`ts` < toDateTime('2026-05-27 00:00:00', 'UTC')) GROUP");
    assert_int_equal(script.asked_count, 1);
    assert_int_equal(parts.count, 4);
    assert_string_equal(parts.parts[0].name, "202512_2_3_1"); /* by partition and block */
    assert_string_equal(parts.parts[0].partition, "202512");
    assert_string_equal(parts.parts[1].name, "202512_7_9_1_12");
    assert_int_equal(parts.parts[1].mutation, 12);
    assert_int_equal(parts.parts[1].day_count, 2);
    assert_int_equal(parts.parts[1].rows, 9); /* four of them younger */
    assert_int_equal(lx_hot_part_rows_before(&parts.parts[1], 20400 * DAY), 1);
    assert_int_equal(lx_hot_part_rows_before(&parts.parts[1], 20600 * DAY), 5);
    assert_int_equal(parts.parts[2].rows, 5);
    assert_int_equal(parts.parts[2].null_rows, 2);
    assert_int_equal(parts.parts[2].day_count, 1);
    assert_int_equal(parts.parts[3].day_count, 0); /* all of it younger */
    assert_int_equal(parts.parts[3].days_to, 20600 * DAY);
    assert_int_equal(parts.days_to, 20600 * DAY);
    assert_int_equal(parts.now, 1700000001);
    lx_hot_parts_free(&parts);
    ch_script_clear(&script);
    ch_script_table(&script, PATTERN, PARTS, ""); /* an empty table: our clock */
    assert_status(ops->parts(hot, LX_TIME_LAST, &parts, &err), LX_OK);
    assert_says(script.asked[0], "WHERE (`ts` IS NOT NULL) GROUP");
    assert_false(asks_metadata(0));
    assert_int_equal(parts.count, 0);
    assert_int_equal(parts.now, 1700000000);
    lx_hot_parts_free(&parts);
    ch_script_clear(&script);
}

/* Rows without a time are counted only where there can be any: the server reads them for that. */
static void test_parts_without_time(void **state)
{
    (void)state;
    for (int nullable = 0; nullable < 2; nullable++) {
        hot->time_type.nullable = nullable != 0;
        answer_parts();
        assert_status(ask_parts(&err), LX_OK);
        assert_says(script.asked[0], nullable ? "toUInt64(countIf(`ts` IS NULL)) AS _lynex_z FROM"
                                              : "_lynex_c, toUInt64(0) AS _lynex_z FROM");
        ch_script_clear(&script);
    }
}

static void refuse_parts(const char *rows, enum lx_status expected, const char *words)
{
    ch_script_table(&script, PATTERN, PARTS, rows);
    assert_status(ask_parts(&err), expected);
    assert_says(err.text, words);
    assert_says(err.text, "`db`.`events`");
    assert_int_equal(script.asked_count, expected == LX_E_AGAIN ? 10 : 1);
    ch_script_clear(&script);
    lx_err_clear(&err);
}

static void test_parts_refused(void **state)
{
    (void)state;
#define ONE "|202601_1_1_0" SIZE "5|2|17;"
    refuse_parts("|202601_1_1_0" SIZE "18446744073709551615|0|17", LX_E_FORMAT, "to have -1 rows");
    refuse_parts("|202601_1_1_0" SIZE "0|0|17", LX_E_FORMAT, "to have 0 rows");
    refuse_parts("|202601_1_1_0" SIZE "5|6|17", LX_E_FORMAT, "5 rows, 6 of them without a time");
    refuse_parts("|202601_1_1_0" SIZE "5|18446744073709551615|17", LX_E_FORMAT, "-1 of them");
    refuse_parts("|nonsense" SIZE "1|0|17", LX_E_UNSUPPORTED, "nonsense");
    refuse_parts("|" SIZE "1|0|17", LX_E_UNSUPPORTED, "the part name  is not understood");
    refuse_parts(ONE "202601|202601_1_1_0|20500|0|0|17", LX_E_FORMAT, "0 rows on its day 1");
    refuse_parts(ONE "202601|202601_1_1_0|20500|18446744073709551615|0|17", LX_E_FORMAT, "-1 rows");
    refuse_parts(ONE "202601|202601_1_1_0|7|1|0|17;202601|202601_1_1_0|7|1|0|17", LX_E_FORMAT,
                 "its day 2");
    refuse_parts(ONE "|202601_1_1_0" SIZE "5|2|17", LX_E_FORMAT,
                 "5 rows on its day 1"); /* two sizes */
    refuse_parts(ONE "202601|202601_1_1_0|7|9223372036854775807|0|17;"
                     "202601|202601_1_1_0|8|9223372036854775807|0|17",
                 LX_E_FORMAT, "its day 2");
    refuse_parts(ONE "2026_01|202601_1_1_0|7|1|0|17", LX_E_UNSUPPORTED, "its partition is 2026_01");
    /* What does not fit is asked for again, ten times in all. */
    refuse_parts(ONE "202601|202601_1_1_0|20500|4|0|17", LX_E_AGAIN,
                 "more rows by day than in all");
    refuse_parts(ONE "202601|202601_2_2_0|20500|1|0|17", LX_E_AGAIN, "202601_2_2_0 came or went");
    refuse_parts("202601|202601_2_2_0|20500|1|0|17", LX_E_AGAIN, "202601_2_2_0 came or went");
    const struct question q = {ask_parts, answer_parts, NULL};
    refuse(&q, PATTERN, "p:String,n:UInt64,d:Int32,c:UInt64,z:UInt64,now:UInt64", "2|3|4|5|6|7",
           LX_E_FORMAT, "the answer's column n");
    refuse(&q, PATTERN, "p:String,n:String", "2|3", LX_E_FORMAT, "2 columns");
}

/* A merge between the two looks: asked again, and the first answers are forgotten. From the fifth
 * time on the sizes come from the rows: metadata that does not fit must not end every run. */
static void test_parts_change(void **state)
{
    (void)state;
    const char *const merged = "202601|202601_1_2_1|20500|3|0|17";
    char torn[256], whole[256];
    snprintf(torn, sizeof torn, "|202601_1_1_0" SIZE "2|0|17;%s;|202601_2_2_0" SIZE "2|0|17",
             merged);
    snprintf(whole, sizeof whole, "|202601_1_2_1" SIZE "4|0|18;%s", merged);
    ch_script_table(&script, PATTERN, PARTS, torn)->times = 5;
    ch_script_table(&script, PATTERN, PARTS, whole);
    assert_status(ops->parts(hot, 20600 * DAY, &parts, &err), LX_OK);
    assert_int_equal(parts.count, 1);
    assert_string_equal(parts.parts[0].name, "202601_1_2_1");
    assert_int_equal(parts.parts[0].rows, 4);
    assert_int_equal(parts.parts[0].day_count, 1);
    assert_int_equal(script.asked_count, 6);
    for (size_t i = 0; i < script.asked_count; i++)
        assert_int_equal(asks_metadata(i), i < 4);
    lx_hot_parts_free(&parts);
}

/* Where a server fails over the metadata, the rows are asked. */
static void test_parts_without_metadata(void **state)
{
    (void)state;
    ch_script_fails(&script, PATTERN, LX_E_REMOTE, 584, "no projection")->times = 1;
    answer_parts();
    assert_status(ops->parts(hot, 20600 * DAY, &parts, NULL), LX_OK);
    assert_int_equal(parts.count, 4);
    assert_int_equal(script.asked_count, 2);
    assert_true(asks_metadata(0) && !asks_metadata(1));
    lx_hot_parts_free(&parts);
}

/* -- sums ---------------------------------------------------------------------------------- */

#define SUMS "q:UInt64,n:String,w:UInt64,r:UInt64,s:UInt64,x:UInt64,o:UInt64"
static struct lx_hot_sum sums[70];
static size_t sum_count = 2;
static bool whole = true;

static enum lx_status ask_sums(struct lx_err *e)
{
    static char names[70][16];
    for (size_t i = 0; i < sum_count; i++) {
        snprintf(names[i], sizeof names[i], "all_%zu_%zu_0", i, i);
        sums[i] = (struct lx_hot_sum){
            .part = names[i], .schema = schema, .from = LX_TIME_FIRST, .to = 1600000000};
    }
    return ops->sums(hot, sums, sum_count, whole, e);
}
static void answer_sums(void)
{
    ch_script_table(&script, "groupBitXorIf", SUMS,
                    NONCE "|all_1_1_0|9|4|100|7|1;" NONCE "|all_8_8_0|9|4|100|7|1");
}

static void test_sums(void **state)
{
    (void)state;
    const struct question q = {ask_sums, answer_sums, "comparing rows of"};
    try_all(&q);
    answer_sums();
    assert_status(ask_sums(&err), LX_OK);
    assert_false(sums[0].found);
    assert_int_equal(sums[0].rows + sums[0].strange, 0);
    assert_true(sums[1].found);
    assert_int_equal(sums[1].whole, 9);
    assert_int_equal(sums[1].rows, 4);
    assert_int_equal(sums[1].sum, 100);
    assert_int_equal(sums[1].xor, 7);
    assert_int_equal(sums[1].strange, 1);
    assert_says(script.asked[0], "_part IN ('all_0_0_0', 'all_1_1_0')");
    assert_null(strstr(script.asked[0], "' AND")); /* whole parts: nothing is filtered out */
    whole = false;
    assert_status(ask_sums(&err), LX_OK);
    assert_int_equal(sums[1].whole, -1);
    assert_says(script.asked[1], ") AND (`ts` < toDateTime('2020-09-13 12:26:40', 'UTC'))");
    whole = true;
    ch_script_clear(&script);
    sum_count = 65; /* more than one question takes */
    answer_sums();
    script.rules[0].times = 1;
    ch_script_table(&script, "groupBitXorIf", SUMS, NONCE "|all_64_64_0|1|1|2|3|0");
    assert_status(ask_sums(&err), LX_OK);
    assert_true(sums[1].found && sums[8].found && sums[64].found && !sums[63].found);
    assert_int_equal(script.asked_count, 2);
    assert_says(script.asked[1], "_part = 'all_64_64_0'");
    sum_count = 2;
    ch_script_clear(&script);
    refuse(&q, "_lynex_q", SUMS, "1|all_1_1_0|9|4|100|7|1", LX_E_REFUSED,
           "was not made for its question");
    assert_says(err.hint, "a caching proxy");
    refuse(&q, "_lynex_q", SUMS, NONCE "|a|9|4|1|7|1;" NONCE "|b|9|4|1|7|1;" NONCE "|c|9|4|1|7|1",
           LX_E_LIMIT, "more than 2 rows");
    refuse(&q, "_lynex_q", "q:UInt64,n:String,w:UInt64,r:String,s:UInt64,x:UInt64,o:UInt64",
           NONCE "|a|9|4|1|7|1", LX_E_FORMAT, "the answer's column r");
    refuse(&q, "_lynex_q", "q:UInt64,n:String", NONCE "|a", LX_E_FORMAT, "2 columns");
}

/* -- present ------------------------------------------------------------------------------- */

static bool present[2];
static int64_t server_now;

static enum lx_status ask_present(struct lx_err *e)
{
    static const char *const names[] = {"all_1_1_0", "all_2_2_0"};
    return ops->present(hot, names, 2, present, &server_now, e);
}
static void answer_present(void)
{
    ch_script_table(&script, "UNION ALL", "n:String,c:UInt64", "all_2_2_0|5;|1700000003");
}

static void test_present(void **state)
{
    (void)state;
    const struct question q = {ask_present, answer_present, "asking for parts of"};
    try_all(&q);
    assert_false(present[0]);
    assert_true(present[1]);
    assert_int_equal(server_now, 1700000003);
    refuse(&q, "UNION", "n:String,c:UInt64", "all_2_2_0|5", LX_E_FORMAT, "did not tell its time");
    refuse(&q, "UNION", "n:String,c:UInt64", "", LX_E_FORMAT, "did not tell its time");
    refuse(&q, "UNION", "n:String,c:String", "|x", LX_E_FORMAT, "the answer's column c");
    refuse(&q, "UNION", "n:String", "x", LX_E_FORMAT, "1 columns");
}

/* -- values that are not stored ------------------------------------------------------------ */

#define STORED "a:UInt64,b:UInt64,c:UInt64,d:UInt64,rows:UInt64"

static enum lx_status ask_stored(struct lx_err *e)
{
    static const char *const names[] = {"all_1_1_0"};
    return ops->stored(hot, names, 1, e);
}
static void answer_stored(void)
{
    ch_script_table(&script, "sum(xxh3(tuple(`stamp`)))", STORED, "1|0|2|0|7");
}

static void test_stored(void **state)
{
    (void)state;
    const struct question q = {ask_stored, answer_stored, "reading"};
    try_all(&q);
    assert_int_equal(slept, 0);
    assert_status(ops->stored(hot, NULL, 0, &err), LX_OK);
    assert_int_equal(script.asked_count, 0);
    for (int column = 0; column < 2; column++) {
        ch_script_table(&script, "SELECT", STORED, "1|1|2|0|7")->times =
            1; /* near: a second later */
        ch_script_table(&script, "SELECT", STORED, column == 0 ? "9|1|2|0|7" : "1|1|9|0|7");
        lx_err_clear(&err);
        assert_status(ask_stored(&err), LX_E_REFUSED);
        assert_says(err.text, column == 0 ? "the column stamp" : "the column word");
        assert_says(err.hint, "MATERIALIZE COLUMN");
        assert_int_equal(slept, 1100 * (column + 1));
        ch_script_clear(&script);
    }
    refuse(&q, "SELECT", STORED, "", LX_E_FORMAT, "not one row of sums");
    refuse(&q, "SELECT", "a:UInt64,b:UInt64", "1|2", LX_E_FORMAT, "not one row of sums");
    refuse(&q, "SELECT", "a:UInt64,b:UInt64,c:UInt64,d:UInt64", "1|2|3|4", LX_E_FORMAT,
           "not one row of sums");
    refuse(&q, "SELECT", "a:UInt64,b:UInt64,c:String,d:UInt64,rows:UInt64", "1|2|x|4|7",
           LX_E_FORMAT, "the answer's column c is no sum");
}

/* -- the table ----------------------------------------------------------------------------- */

static enum lx_status ask_table(struct lx_err *e)
{
    struct lx_hot_table *table = NULL;
    enum lx_status status = ops->table(hot, &table, e);
    assert_int_equal(status == LX_OK, table != NULL);
    lx_hot_table_free(table);
    return status;
}
static void answer_table(void)
{
    ch_script_table(&script, "system.tables", FACTS, FACT_ROW);
    ch_script_table(&script, "system.columns", COLUMNS, COLUMN_ROWS);
}

static void test_table(void **state)
{
    (void)state;
    const struct question q = {ask_table, answer_table, NULL};
    try_all(&q);
    refuse(&q, "system.tables", "d:String,u:String", "a|b", LX_E_FORMAT, "2 columns");
    refuse(&q, "system.tables",
           "d:String,u:String,e:String,c:String,p:String,s:String,r:String,b:UInt64,n:UInt64,up:"
           "UInt64,h:String,v:String,f:String",
           FACT_ROW, LX_E_FORMAT, "the answer's column r");
    ch_script_table(&script, "system.tables", FACTS, FACT_ROW);
    refuse(&q, "system.columns", "n:String,t:UInt64,k:String,d:String", "id|1||", LX_E_FORMAT,
           "the answer's column t");
    ch_script_table(&script, "system.tables", FACTS, FACT_ROW);
    refuse(&q, "system.columns", COLUMNS, "id|UInt64||", LX_E_ARGUMENT, "has no column ts");
    ch_script_table(&script, "system.tables", FACTS, FACT_ROW);
    refuse(&q, "system.columns", COLUMNS, "ts|String||;t|Date||", LX_E_ARGUMENT,
           "is of type String");
    assert_says(err.hint, "one of: t");
    ch_script_table(&script, "system.tables", FACTS, "");
    ch_script_table(&script, "SELECT count() FROM", "c:UInt64", "0");
    assert_status(ask_table(&err), LX_E_NOTFOUND);
    assert_says(err.text, "is not in system.tables");
    ch_script_clear(&script);
    for (int i = 0; i < 3; i++) {
        static const enum lx_status why[] = {LX_E_ACCESS, LX_E_NOTFOUND, LX_E_NETWORK};
        ch_script_table(&script, "system.tables", FACTS, "");
        ch_script_fails(&script, "SELECT count() FROM", why[i], 0, "so it is");
        lx_err_clear(&err);
        assert_status(ask_table(&err), why[i]);
        assert_says(err.text, "so it is");
        assert_says(err.hint, i == 0 ? "GRANT SELECT" : i == 1 ? "CLICKHOUSE_DATABASE" : "");
        ch_script_clear(&script);
    }
}

/* -- dropping parts ------------------------------------------------------------------------ */

static char query_id[64];
static size_t drop_count = 2;
static const char *dropped[3000];

static enum lx_status ask_drop(struct lx_err *e)
{
    for (size_t i = 0; i < drop_count; i++)
        dropped[i] = i == 0 ? "all_1_1_0" : "it's";
    return ops->drop_parts(hot, dropped, drop_count, &statement, query_id, e);
}
static void answer_statement(void)
{
    lx_buf_free(&statement);
    statement = (struct lx_buf)LX_BUF(16384);
    ch_script_table(&script, "", "", "");
}

static void test_drop(void **state)
{
    (void)state;
    const struct question q = {ask_drop, answer_statement, "dropping parts of"};
    try_all(&q);
    answer_statement();
    assert_status(ask_drop(&err), LX_OK);
    assert_string_equal(script.asked[0], "ALTER TABLE `db`.`events` DROP PART 'all_1_1_0', DROP "
                                         "PART 'it\\'s'");
    assert_string_equal(script.settings[0], "");
    assert_int_equal(script.timeouts[0], 300000);
    assert_string_equal(lx_buf_cstr(&statement), script.asked[0]);
    assert_says(query_id, "lynex-drop-script-");
    ch_script_clear(&script);
    drop_count = 3000; /* no statement of this length is sent */
    answer_statement();
    assert_status(ask_drop(&err), LX_E_LIMIT);
    assert_says(err.text, "the statement to drop 3000 parts is too long");
    assert_int_equal(script.asked_count, 0);
    drop_count = 2;
    ch_script_clear(&script);
}

static void test_drop_refused(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        static const int codes[] = {232, 233, 359, 497};
        static const enum lx_status says[] = {LX_E_REMOTE, LX_E_REMOTE, LX_E_REMOTE, LX_E_ACCESS};
        static const enum lx_status expected[] = {LX_E_NOTFOUND, LX_E_NOTFOUND, LX_E_REMOTE,
                                                  LX_E_ACCESS};
        answer_statement();
        script.count = 0;
        ch_script_fails(&script, "DROP PART", says[i], codes[i], "no");
        lx_err_clear(&err);
        assert_status(ask_drop(&err), expected[i]);
        assert_int_equal(err.status, expected[i]);
        assert_says(err.text, "dropping parts of `db`.`events`: no");
        assert_int_equal(script.asked_count, codes[i] == 359 ? 2 : 1);
        if (codes[i] == 497)
            assert_says(err.hint, "GRANT ALTER DELETE ON `db`.`events`");
        ch_script_clear(&script);
    }
    /* Too large for the server's brake: the same statement, with the brake off. */
    answer_statement();
    script.count = 0;
    ch_script_fails(&script, "DROP PART", LX_E_REMOTE, 359, "too large")->times = 1;
    ch_script_table(&script, "DROP PART", "", "");
    assert_status(ask_drop(&err), LX_OK);
    assert_int_equal(script.asked_count, 2);
    assert_string_equal(script.asked[0], script.asked[1]);
    assert_string_equal(script.settings[0], "");
    assert_string_equal(script.settings[1], " max_partition_size_to_drop=0");
}

/* -- masks --------------------------------------------------------------------------------- */

static size_t mask_count = 2;

static enum lx_status ask_mask(struct lx_err *e)
{
    struct lx_hot_mask masks[64];
    for (size_t i = 0; i < mask_count; i++)
        masks[i] = (struct lx_hot_mask){
            i == 0 ? "all_1_1_0" : "all_2_2_0", schema, 1600000000, 3, 18446744073709551615u, 7};
    return ops->mask(hot, "all", masks, mask_count, 20000, &statement, query_id, e);
}
static enum lx_status ask_apply(struct lx_err *e)
{
    return ops->apply_mask(hot, "all", 20000, e);
}

static void test_mask(void **state)
{
    (void)state;
    const struct question q = {ask_mask, answer_statement, NULL};
    answer_statement();
    assert_status(ask_mask(&err), LX_OK);
    assert_int_equal(script.asked_count, 1);
    assert_int_equal(script.timeouts[0], 20000);
    const char *sql = script.asked[0];
    assert_says(sql,
                "DELETE FROM `db`.`events` IN PARTITION ID 'all' WHERE (_part = 'all_1_1_0' AND "
                "(`ts` < toDateTime('2020-09-13 12:26:40', 'UTC')) AND (SELECT (count(), "
                "sum(_lynex_h), groupBitXor(_lynex_h), countIf(_lynex_s)) FROM (SELECT "
                "xxh3(tuple(`id`, `ts`)) AS _lynex_h, (");
    assert_says(sql, "WHERE _part = 'all_1_1_0' AND (`ts` < toDateTime('2020-09-13 12:26:40', "
                     "'UTC')))) = (3, toUInt64(18446744073709551615), toUInt64(7), 0)) OR (_part = "
                     "'all_2_2_0' AND ");
    ch_script_clear(&script);
    answer_statement();
    script.count = 0;
    ch_script_fails(&script, "DELETE FROM", LX_E_REMOTE, 36, "an update is applied on fly");
    assert_status(ask_mask(&err), LX_E_BUSY);
    assert_string_equal(err.name, "PENDING_DELETE");
    ch_script_clear(&script);
    mask_count = 64; /* longer than the buffer: nothing is sent */
    answer_statement();
    assert_status(ask_mask(&err), LX_E_LIMIT);
    assert_says(err.text, "the statement to mask 64 parts is too long");
    assert_int_equal(script.asked_count, 0);
    mask_count = 2;
    ch_script_clear(&script);
    try_memory(&q);
}

/* Whatever there is room for: half a statement is never sent. */
static void test_cut_statements(void **state)
{
    (void)state;
    enum lx_status (*const statements[])(struct lx_err *) = {ask_drop, ask_mask};
    for (size_t i = 0; i < 4; i++) {
        size_t whole_len = 0;
        hot->mutations = i == 2;
        for (size_t max = 20000; max > 0; max = max == 20000 ? whole_len : max - 1) {
            answer_statement();
            statement.max = max;
            lx_err_clear(&err);
            enum lx_status status = statements[i % 2](&err);
            if (max == 20000) {
                assert_status(status, LX_OK);
                whole_len = strlen(script.asked[0]);
            } else if (status == LX_OK) {
                assert_int_equal(strlen(script.asked[0]), whole_len);
            } else {
                assert_status(status, LX_E_LIMIT);
                assert_says(err.text, "parts is too long");
                assert_int_equal(script.asked_count, 0);
            }
            ch_script_clear(&script);
        }
    }
    hot->mutations = false;
    lx_buf_free(&statement);
}

/* It waits: that is said, with what to do; every other failure is told as it is. */
static void test_mask_fails(void **state)
{
    (void)state;
    enum lx_status (*const statements[])(struct lx_err *) = {ask_mask, ask_apply};
    const struct question apply = {ask_apply, answer_statement, NULL};
    for (size_t i = 0; i < 2; i++) {
        answer_statement();
        script.count = 0;
        ch_script_fails(&script, "DELETE", LX_E_TIMEOUT, 0, "no answer");
        lx_err_clear(&err);
        assert_status(statements[i](&err), LX_E_BUSY);
        assert_string_equal(err.name, "PENDING_DELETE");
        assert_says(err.text, "still waits on the server after 20 s");
        assert_says(err.hint, "SYSTEM START MERGES");
        script.rules[0].status = LX_E_ACCESS;
        lx_err_clear(&err);
        assert_status(statements[i](&err), LX_E_ACCESS);
        assert_says(err.text, "deleting from `db`.`events`: no answer");
        assert_says(err.hint, "GRANT ALTER DELETE");
        assert_int_equal(script.asked_count, 2);
        ch_script_clear(&script);
    }
    try_memory(&apply);
}

/* A server that has no masks, or refuses them: the same predicate by a mutation, from then on. */
static void test_mutations(void **state)
{
    static const int codes[] = {344, 62};
    for (size_t i = 0; i < 2; i++) {
        answer_statement();
        script.count = 0;
        ch_script_fails(&script, "DELETE FROM", LX_E_REMOTE, codes[i], "not so");
        ch_script_table(&script, "ALTER TABLE", "", "");
        assert_status(ask_mask(&err), LX_OK);
        assert_status(ask_mask(&err), LX_OK);
        assert_int_equal(script.asked_count, 3);
        assert_says(script.asked[1],
                    "ALTER TABLE `db`.`events` DELETE IN PARTITION ID 'all' WHERE ");
        assert_string_equal(strstr(script.asked[0], " IN PARTITION ID"),
                            strstr(script.asked[1], " IN PARTITION ID"));
        assert_string_equal(script.asked[1], script.asked[2]);
        ch_script_clear(&script);
        if (i == 0) {
            teardown(state);
            setup(state);
        }
    }
    /* The mutation is refused too: no third way. */
    answer_statement();
    script.count = 0;
    ch_script_fails(&script, "ALTER", LX_E_REMOTE, 344, "not so either");
    assert_status(ask_mask(&err), LX_E_REMOTE);
    assert_int_equal(script.asked_count, 1);
    ch_script_clear(&script);
    lx_buf_free(&statement);
}

static void test_memory_everywhere(void **state)
{
    (void)state;
    static const struct question questions[] = {
        {ask_policy, answer_policy, NULL},  {ask_parts, answer_parts, NULL},
        {ask_sums, answer_sums, NULL},      {ask_present, answer_present, NULL},
        {ask_stored, answer_stored, NULL},  {ask_mask, answer_statement, NULL},
        {ask_drop, answer_statement, NULL}, {ask_apply, answer_statement, NULL}};
    try_memory_everywhere(questions, sizeof questions / sizeof questions[0]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_row_policy),
        TEST(test_self_test),
        TEST(test_parts),
        TEST(test_parts_without_time),
        TEST(test_parts_refused),
        TEST(test_parts_change),
        TEST(test_parts_without_metadata),
        TEST(test_sums),
        TEST(test_present),
        TEST(test_stored),
        TEST(test_table),
        TEST(test_drop),
        TEST(test_drop_refused),
        TEST(test_mask),
        TEST(test_cut_statements),
        TEST(test_mask_fails),
        TEST(test_mutations),
        TEST(test_memory_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
