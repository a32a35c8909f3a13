/* server_fixture.h: a real ClickHouse server of its own for a test program, started by
 * test/testbed/clickhouse, and clients of it. */
#ifndef LX_TEST_SERVER_FIXTURE_H
#define LX_TEST_SERVER_FIXTURE_H

#include "ch_test.h"

/* Runs the tests with a server; `filter`: of their names, NULL: all; LYNEX_TEST_SKIP in the
 * environment: without these. Skipped, with a word, where LIBCHDB does not name the engine: 77. */
int server_main(const struct CMUnitTest *tests, size_t count, const char *filter);
extern unsigned server_tcp_port; /* of the native protocol, which the client does not speak */

int64_t now_ms(void);
/* Clients of the server; NULL in `wanted`: its URL, the system's clock and random numbers. */
struct lx_ch *open_as(const struct lx_ch_options *wanted);
struct lx_ch *open_plain(void);
struct lx_ch *open_with_comment(const char *text);
void execute(struct lx_ch *client, const char *sql);
uint64_t ask_u64(struct lx_ch *client, const char *sql);
/* Rows of a whole answer, or the error that ended it. */
enum lx_status count_rows(struct lx_ch *client, const char *sql, int64_t *rows, struct lx_err *err);

#endif
