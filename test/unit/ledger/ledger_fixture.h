/* ledger_fixture.h: a bucket, a clock and randomness that tests decide, and short ways to make
 * segments, files and changes. Numbers become ids: segment 7 has id "00…07". */
#ifndef LX_TEST_LEDGER_FIXTURE_H
#define LX_TEST_LEDGER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ledger/ledger.h"
#include "mem_store.h"

#define SOURCE "s1/prod.events/11111111-1111-4111-8111-111111111111"
#define SWAPPED "s1/prod.events/22222222-2222-4222-8222-222222222222"
#define ELSEWHERE "s2/prod.events/33333333-3333-4333-8333-333333333333"
#define SCHEMA "c0ffee"
#define DELTA_SCHEMA                                                                               \
    "{\"type\":\"struct\",\"fields\":[{\"name\":\"x\",\"type\":\"long\",\"nullable\":true,"        \
    "\"metadata\":{}}]}"

struct fixture {
    struct lx_mem_bucket *bucket;
    int64_t now_ms;
    uint64_t seed;
    json_t *schema, *table;
    struct lx_ledger_schema_entry entry;
};

struct lx_clock fixture_clock(struct fixture *fixture);
struct lx_random fixture_random(struct fixture *fixture);
uint64_t fixture_next(struct fixture *fixture); /* random */

int fixture_setup(void **state);
int fixture_teardown(void **state);

/* One writer: a store and a ledger on it. */
struct writer {
    struct fixture *fixture;
    struct lx_store *store;
    struct lx_ledger *ledger;
    struct lx_cancel cancel;
};
enum lx_status writer_open(struct fixture *fixture, int number, struct writer *writer,
                           struct lx_err *err);
enum lx_status writer_open_with(struct fixture *fixture, int number, bool single_writer,
                                struct writer *writer, struct lx_err *err);
void writer_close(struct writer *writer);

/* Its text stays until the 64th call after. */
const char *id_of(unsigned number);

/* Segments own nothing but texts of the program: never free them. `file` NULL: rows nowhere. */
struct lx_segment segment_of(unsigned id, const char *source, const char *partition, int64_t min,
                             int64_t max, int64_t from, int64_t to, int64_t rows);
struct lx_ledger_file file_of(const char *path, int64_t rows);

/* The change that makes version 0: schema, table, nothing else. */
struct lx_change first_change(struct fixture *fixture);
void make_first(struct fixture *fixture, struct writer *writer);
/* Three versions. 1: live segments 1 (blocks 1-5, in events/a.parquet), 2 (6-9) and 9 (10, in
 * events/e.parquet). 2: 9 ended, events/gone.parquet and _lynex/gone removed. */
void make_scene(struct fixture *fixture, struct writer *writer);

/* "_delta_log/00000000000000000007.json" */
#define LOG_KEY(digit) "_delta_log/0000000000000000000" #digit ".json"

void check_status(enum lx_status status, enum lx_status expected, const struct lx_err *err,
                  const char *what, int line);
#define CHECK(expected, err, call) check_status((call), (expected), (err), #call, __LINE__)

/* Are the two states equal in everything that callers see? Prints what differs. */
bool same_state(const struct lx_ledger_state *a, const struct lx_ledger_state *b);

#endif
