/* scan_fixture.h: a stored file of several row groups in a bucket in memory, for tests of scans and
 * proofs. */
#ifndef LX_TEST_SCAN_FIXTURE_H
#define LX_TEST_SCAN_FIXTURE_H

#include "faults.h"

#include "../../lib/mem_store.h"
#include "archive/file_scan.h"

#include <stdatomic.h>

#define COLUMNS 12
#define ROWS 92000
#define GROUP_ROWS 24000 /* four row groups of some 2.2 MiB, which no codec makes smaller */
#define GROUPS 4
#define KEY "events/one.parquet"

extern struct scan_bed {
    struct lx_row_schema *schema;
    struct lx_mem_bucket *bucket;
    struct lx_store *store;
    uint64_t *hashes; /* of ROWS rows, and one more, which is 0 */
    size_t file_size;
    char filler;
    const char *batch; /* whose file it is written as; NULL: nobody's */
    atomic_int gets; /* so far */
    int fail_at;     /* 0: none */
} bed;

/* For a group of tests: the file as above. */
int scan_setup(void **state);
int scan_teardown(void **state);
/* Puts the first `rows` rows there, in row groups of so many, with so many bytes bed.filler in
 * the footer that mean nothing. */
void scan_write(int64_t rows, int64_t group_rows, size_t filler);
/* A hook that counts GETs, and refuses number `fail_at`, LX_E_ACCESS, when others have come, too.
 */
struct lx_mem_verdict scan_count_gets(void *context, const struct lx_mem_call *call);

#endif
