/* hot_sql_fixture.h: the SQL driver over a scripted ClickHouse, and what is tried with every
 * question of it: failures of all kinds, and memory that runs out at each allocation. */
#ifndef LX_TEST_HOT_SQL_FIXTURE_H
#define LX_TEST_HOT_SQL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "archive/archive.h"
#include "archive/hot_sql_private.h"
#include "base/alloc.h"
#include "ch_script.h"

#include <stdio.h>
#include <string.h>

extern struct ch_script script;
extern struct lx_hot_sql *hot;
extern const struct lx_hot_ops *ops;
extern struct lx_row_schema *schema; /* of `id` and `ts` */
extern struct lx_err err;
extern int64_t slept;           /* milliseconds */
extern struct lx_buf statement; /* that a delete has sent */

int setup(void **state); /* the table is described */
int teardown(void **state);

#define assert_status(call, expected)                                                              \
    do {                                                                                           \
        enum lx_status status_ = (call);                                                           \
        if (status_ != (expected))                                                                 \
            print_error("%s: %s: %s\n", #call, lx_status_name(status_), err.text);                 \
        assert_int_equal(status_, expected);                                                       \
    } while (0)
/* `said` holds these words; else it is printed. */
void assert_says(const char *said, const char *words);

#define FACTS                                                                                      \
    "d:String,u:String,e:String,c:String,p:String,s:String,r:UInt64,b:UInt64,n:UInt64,up:UInt64,"  \
    "h:String,v:String,f:String"
#define FACT_ROW "db|uuid|MergeTree|CREATE|||3|99|1700000000|50|host|26.7|MergeTree"
#define COLUMNS "n:String,t:String,k:String,d:String"
#define COLUMN_ROWS                                                                                \
    "id|UInt64||;ts|DateTime||;stamp|DateTime64(3)|DEFAULT|now64();word|String|DEFAULT|rand()"

/* The question `ask`, whose right answer `answer` puts into the script, which gives LX_OK. */
struct question {
    enum lx_status (*ask)(struct lx_err *e);
    void (*answer)(void);
    const char *doing; /* in the text of a failure */
};

/* The right answer, failures, memory. */
void try_all(const struct question *q);
void try_memory(const struct question *q);
/* Memory again, with names of every length: so it runs out at every place of a text. */
void try_memory_everywhere(const struct question *questions, size_t count);
/* One answer that is not believed. */
void refuse(const struct question *q, const char *pattern, const char *columns, const char *rows,
            enum lx_status expected, const char *words);

#endif
