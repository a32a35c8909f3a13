#include "hot_sql_fixture.h"

#include <stdatomic.h>

void assert_says(const char *said, const char *words)
{
    if (said == NULL || strstr(said, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", said != NULL ? said : "nothing", words);
}

struct ch_script script;
struct lx_hot_sql *hot;
const struct lx_hot_ops *ops;
struct lx_row_schema *schema;
struct lx_err err;
int64_t slept;
struct lx_buf statement; /* that a delete has sent */

static int64_t now(void *self)
{
    (void)self;
    return 1700000000000;
}

static void wait_ms(void *self, int64_t ms)
{
    (void)self;
    slept += ms;
}

static void fill(void *self, void *bytes, size_t size)
{
    (void)self;
    memset(bytes, 7, size);
}

static void describe(void)
{
    struct lx_hot_table *table = NULL;
    ch_script_table(&script, "system.tables", FACTS, FACT_ROW);
    ch_script_table(&script, "system.columns", COLUMNS, COLUMN_ROWS);
    assert_status(ops->table(hot, &table, &err), LX_OK);
    lx_hot_table_free(table);
    ch_script_clear(&script);
}

int setup(void **state)
{
    (void)state;
    struct lx_hot made;
    err = (struct lx_err)LX_ERR_INIT;
    slept = 0;
    assert_true(ch_script_open(&script));
    const struct lx_hot_sql_options options = {.client = script.client,
                                               .database = "db",
                                               .table = "events",
                                               .time_column = "ts",
                                               .clock = {now, now, wait_ms, NULL},
                                               .random = {fill, NULL}};
    assert_status(lx_hot_sql_create(&options, &hot, &made, &err), LX_OK);
    ops = made.ops;
    const struct lx_source_column columns[] = {
        {LX_STR("id"), LX_STR("UInt64"), LX_STR(""), LX_STR("")},
        {LX_STR("ts"), LX_STR("DateTime"), LX_STR(""), LX_STR("")}};
    assert_status(lx_row_schema_build(columns, 2, false, &schema, &err), LX_OK);
    describe();
    return 0;
}

int teardown(void **state)
{
    (void)state;
    lx_row_schema_free(schema);
    lx_hot_sql_free(hot);
    ch_script_close(&script);
    return 0;
}

/* -- every question: failures and memory --------------------------------------------------- */

static void try_failures(const struct question *q)
{
    static const struct {
        enum lx_status status;
        enum ch_when when;
    } failures[] = {{LX_E_REMOTE, CH_AT_ONCE},
                    {LX_E_ACCESS, CH_AT_ONCE},
                    {LX_E_NETWORK, CH_BROKEN_OFF},
                    {LX_E_TIMEOUT, CH_BROKEN_OFF},
                    {LX_E_REMOTE, CH_AT_THE_END}};
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        /* Broken off behind a whole answer: the right one, and not believed. */
        q->answer();
        for (size_t r = 0; r < script.count; r++) {
            script.rules[r].status = failures[i].status;
            script.rules[r].when = failures[i].when;
            script.rules[r].text = "it is the wrong day";
        }
        lx_err_clear(&err);
        assert_status(q->ask(&err), failures[i].status);
        assert_says(err.text, "it is the wrong day");
        if (q->doing != NULL)
            assert_says(err.text, q->doing);
        ch_script_clear(&script);
    }
}

static atomic_ulong asked, target; /* rows are read ahead by a thread */

static bool fails(void)
{
    return atomic_fetch_add(&asked, 1) + 1 == target;
}

void try_memory(const struct question *q)
{
    for (target = 1;; target++) {
        q->answer();
        size_t used = lx_alloc_used();
        lx_err_clear(&err);
        asked = 0;
        lx_alloc_judge(fails);
        enum lx_status status = q->ask(&err);
        lx_alloc_judge(NULL);
        lx_buf_free(&statement);
        ch_script_clear(&script);
        if (asked < target) {
            assert_status(status, LX_OK);
            break;
        }
        assert_status(status, LX_E_MEMORY);
        assert_says(err.text, "memory");
        assert_int_equal(lx_alloc_used(), used);
    }
    assert_true(target > 1);
}

void try_all(const struct question *q)
{
    q->answer();
    assert_status(q->ask(&err), LX_OK); /* once, so that what is learnt is known */
    ch_script_clear(&script);
    try_failures(q);
    try_memory(q);
}

void refuse(const struct question *q, const char *pattern, const char *columns, const char *rows,
            enum lx_status expected, const char *words)
{
    ch_script_table(&script, pattern, columns, rows);
    lx_err_clear(&err);
    assert_status(q->ask(&err), expected);
    assert_says(err.text, words);
    ch_script_clear(&script);
}

void try_memory_everywhere(const struct question *questions, size_t count)
{
    for (size_t length = 1; length < 300; length++) {
        char name[300];
        memset(name, 'x', length);
        name[length] = 0;
        hot->target.len = 0;
        assert_int_equal(lx_ch_quote_name(&hot->target, lx_str_of(name)), LX_OK);
        for (size_t i = 0; i < count; i++)
            try_memory(&questions[i]);
    }
}
