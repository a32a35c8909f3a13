/* ch_script.h: a ClickHouse that answers by a script: statements are told by a text in them,
 * answers are tables in the Native format, exceptions, or streams that break off. For the SQL that
 * lynex writes and for answers that no real server gives. */
#ifndef LX_TEST_CH_SCRIPT_H
#define LX_TEST_CH_SCRIPT_H

#include "clickhouse/clickhouse.h"

#define CH_SCRIPT_RULES 16
#define CH_SCRIPT_ASKED 2048

/* CH_NEVER: the server falls silent behind its bytes, until the query is cancelled. */
enum ch_when { CH_AT_ONCE, CH_BROKEN_OFF, CH_AT_THE_END, CH_NEVER };

struct ch_rule {
    const char *pattern; /* stands in the statement */
    int times;           /* it answers so often; 0: always */
    /* The answer: begins to fail, or bytes. */
    enum lx_status status;
    int code;
    const char *name, *text;
    enum ch_when when; /* status comes */
    uint8_t *bytes;
    size_t size;
    int used;
};

struct ch_script {
    struct ch_rule rules[CH_SCRIPT_RULES];
    size_t count;
    char *asked[CH_SCRIPT_ASKED];    /* statements in their order, without SELECT version() */
    char *settings[CH_SCRIPT_ASKED]; /* " name=value name=value" that the query itself has set */
    int timeouts[CH_SCRIPT_ASKED];
    size_t asked_count;
    struct lx_ch *client;
};

/* False: no client could be made. */
bool ch_script_open(struct ch_script *script);
void ch_script_close(struct ch_script *script);
/* Forgets rules and what was asked. */
void ch_script_clear(struct ch_script *script);

/* "n:String,c:Nullable(UInt64)" and "a|1;b|\N": one block. Without rows: an empty answer. Types:
 * String, UInt8, Int32, Int64, UInt64, UInt32, and Nullable of them. */
struct ch_rule *ch_script_table(struct ch_script *script, const char *pattern, const char *columns,
                                const char *rows);
/* Native as it stands. */
struct ch_rule *ch_script_bytes(struct ch_script *script, const char *pattern, const void *bytes,
                                size_t size);
struct ch_rule *ch_script_fails(struct ch_script *script, const char *pattern,
                                enum lx_status status, int code, const char *text);

#endif
