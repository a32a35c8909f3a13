/* prove.c: a file proven in several shares of its row groups, side by side or one after the other,
 * is proven as by one scan: the same rows, the same sums, the same complaints. */
#include "archive/batch.h"

#include "scan_fixture.h"

#include <time.h>

static struct lx_err err;
static struct lx_pool *pool; /* three workers */
static struct lx_differs differs;
static struct lx_cancel cancel;
static size_t memory;
static const char *batch; /* whose file it must be */

static int setup(void **state)
{
    err = (struct lx_err)LX_ERR_INIT;
    memory = 256 * LX_MIB;
    assert_int_equal(scan_setup(state), 0);
    assert_int_equal(lx_pool_create(3, &pool, &err), LX_OK);
    return 0;
}

static int teardown(void **state)
{
    lx_pool_destroy(pool);
    return scan_teardown(state);
}

/* -- scans --------------------------------------------------------------------------------- */

/* Rows of one share, which hash as what was written; *first: the first of them. */
static int64_t scan_share(size_t share, size_t shares, int64_t *first)
{
    const struct lx_file_scan_options options = {.store = bed.store,
                                                 .key = KEY,
                                                 .size = (int64_t)bed.file_size,
                                                 .schema = bed.schema,
                                                 .memory_bytes = 128 * LX_MIB,
                                                 .share = share,
                                                 .shares = shares};
    struct lx_file_scan *scan = NULL;
    struct lx_file_rows found = {0};
    int64_t rows = 0;
    assert_int_equal(lx_file_scan_open(&options, &scan, &err), LX_OK);
    *first = lx_file_scan_first(scan);
    for (;;) {
        assert_int_equal(lx_file_scan_next(scan, &found, &err), LX_OK);
        if (found.rows == 0)
            break;
        assert_int_equal(found.first, *first + rows);
        assert_in_range(found.first + found.rows, 1, ROWS);
        assert_memory_equal(found.hashes, bed.hashes + found.first,
                            (size_t)found.rows * sizeof *bed.hashes);
        rows += found.rows;
    }
    lx_file_scan_close(scan);
    return rows;
}

/* Shares follow upon each other and are the file, read once: each has a footer to read, the first
 * the first bytes, the last the indexes. */
static void test_scans(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 2, 3, GROUPS, GROUPS + 1, 9};
    lx_mem_bucket_hook(bed.bucket, scan_count_gets, NULL);
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        int64_t at = 0;
        bed.gets = bed.fail_at = 0;
        for (size_t share = 0; share < counts[c]; share++) {
            int64_t first, rows = scan_share(share, counts[c], &first);
            assert_int_equal(first, at);
            assert_true(counts[c] > GROUPS || rows > 0);
            at += rows;
        }
        assert_int_equal(at, ROWS);
        assert_int_equal(bed.gets, GROUPS + 2 + (int)counts[c]);
    }
    lx_mem_bucket_hook(bed.bucket, NULL, NULL);
}

/* -- proofs -------------------------------------------------------------------------------- */

/* The proof of the file, of which `claimed` rows were written, in so many shares. */
static enum lx_status prove(size_t count, int64_t claimed, struct lx_pool *on, struct lx_err *e)
{
    const struct lx_archive_options options = {
        .store = bed.store, .pool = on, .memory_bytes = (int64_t)memory, .cancel = &cancel};
    const struct lx_run run = {.o = &options};
    const struct lx_prove_request request = {.key = KEY,
                                             .batch = batch,
                                             .size = (int64_t)bed.file_size,
                                             .schema = bed.schema,
                                             .hashes = bed.hashes,
                                             .rows = claimed,
                                             .shares = count};
    struct lx_proof *proof = NULL;
    differs = (struct lx_differs){0};
    enum lx_status status = lx_prove_file(&run, &request, &proof, &differs, e);
    assert_int_equal(status == LX_OK, proof != NULL);
    if (proof == NULL)
        return status;
    int64_t rows;
    uint64_t sum, xor, want_sum = 0, want_xor = 0;
    lx_proof_sums(proof, &rows, &sum, &xor);
    lx_proof_free(proof);
    for (int64_t i = 0; i < claimed; i++) {
        want_sum += bed.hashes[i];
        want_xor ^= bed.hashes[i];
    }
    assert_int_equal(rows, claimed);
    assert_true(sum == want_sum && xor == want_xor);
    return LX_OK;
}

/* In any number of shares: the same proof, and the same row is named where one differs. */
static void prove_on(struct lx_pool *on)
{
    static const int64_t wrong[] = {0, GROUP_ROWS - 1, 2 * GROUP_ROWS, ROWS - 1};
    for (size_t count = 0; count <= LX_PROOF_MAX_SHARES + 1; count++) {
        struct lx_err e = LX_ERR_INIT;
        assert_int_equal(prove(count, ROWS, on, &e), LX_OK);
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
            char says[64];
            bed.hashes[wrong[i]] ^= 1;
            assert_int_equal(prove(count, ROWS, on, &e), LX_E_MISMATCH);
            bed.hashes[wrong[i]] ^= 1;
            snprintf(says, sizeof says, "row %lld: the stored row", (long long)wrong[i]);
            assert_says(e.text, says);
            assert_true(differs.found);
            assert_int_equal(differs.row, wrong[i]);
        }
        assert_int_equal(prove(count, ROWS - 1, on, &e), LX_E_MISMATCH);
        assert_says(e.text, "has rows that were not written");
        /* A whole share is too much. */
        assert_int_equal(prove(count, GROUP_ROWS, on, &e), LX_E_MISMATCH);
        assert_says(e.text, "has rows that were not written");
        assert_int_equal(prove(count, ROWS + 1, on, &e), LX_E_MISMATCH);
        assert_says(e.text, "holds 92000 rows, 92001 were written");
        assert_false(differs.found);
        assert_int_equal(prove(count, ROWS, on, NULL), LX_OK);
    }
}

static void test_proofs(void **state)
{
    (void)state;
    prove_on(NULL);
    prove_on(pool);
}

/* Files that are smaller than what is asked for: fewer row groups than shares, one request for all
 * of the file, no row at all. */
static void test_small_files(void **state)
{
    (void)state;
    static const int64_t sizes[][2] = {{1, 1}, {5, 2}, {9, 9}, {400, 100}, {0, 100}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        scan_write(sizes[i][0], sizes[i][1], 0);
        for (size_t count = 1; count <= LX_PROOF_MAX_SHARES; count++) {
            assert_int_equal(prove(count, sizes[i][0], pool, &err), LX_OK);
            assert_int_equal(prove(count, sizes[i][0] + 1, pool, &err), LX_E_MISMATCH);
        }
    }
    scan_write(ROWS, GROUP_ROWS, 0);
}

/* -- what fails ---------------------------------------------------------------------------- */

/* Each request fails once, in whichever share it is; a proof is made of none of it. */
static void test_store_fails(void **state)
{
    (void)state;
    lx_mem_bucket_hook(bed.bucket, scan_count_gets, NULL);
    for (size_t count = 2; count <= LX_PROOF_MAX_SHARES; count++)
        for (int n = 1; n <= GROUPS + 2 + (int)count; n++) {
            struct lx_err e = LX_ERR_INIT;
            bed.gets = 0;
            bed.fail_at = n;
            assert_int_equal(prove(count, ROWS, pool, &e), LX_E_ACCESS);
            assert_says(e.text, KEY);
            assert_false(differs.found);
        }
    lx_mem_bucket_hook(bed.bucket, NULL, NULL);
}

/* Rows differ in two shares: what is said and what `differs` says are of one of them. */
static void test_two_differ(void **state)
{
    (void)state;
    bed.hashes[20000] ^= 1;
    bed.hashes[3 * GROUP_ROWS] ^= 1;
    for (int i = 0; i < 20; i++) {
        struct lx_err e = LX_ERR_INIT;
        char says[64];
        assert_int_equal(prove(4, ROWS, pool, &e), LX_E_MISMATCH);
        assert_true(differs.found);
        assert_true(differs.row == 20000 || differs.row == (int64_t)3 * GROUP_ROWS);
        snprintf(says, sizeof says, "row %lld: the stored row", (long long)differs.row);
        assert_says(e.text, says);
    }
    assert_int_equal(prove(4, ROWS, NULL, &err), LX_E_MISMATCH);
    assert_int_equal(differs.row, 20000);
    bed.hashes[20000] ^= 1;
    bed.hashes[3 * GROUP_ROWS] ^= 1;
}

/* Scans that were closed (the linker puts this in its place). */
static atomic_int closed;
void __real_lx_file_scan_close(struct lx_file_scan *scan);
void __wrap_lx_file_scan_close(struct lx_file_scan *scan);

void __wrap_lx_file_scan_close(struct lx_file_scan *scan)
{
    __real_lx_file_scan_close(scan);
    atomic_fetch_add(&closed, 1);
}

static void wait_until(const atomic_int *count, int least)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    while (atomic_load(count) < least)
        nanosleep(&pause, NULL);
}

/* The share that comes to the third GET waits until the other has ended, and fails then, or is told
 * to stop. */
static enum lx_status then;

static struct lx_mem_verdict fail_behind_other(void *context, const struct lx_mem_call *call)
{
    (void)context;
    struct lx_mem_verdict verdict = {.fate = LX_MEM_DONE};
    if (call->op != LX_MEM_GET || atomic_fetch_add(&bed.gets, 1) + 1 != 3)
        return verdict;
    wait_until(&closed, 1);
    if (then == LX_E_CANCELLED)
        lx_cancel_ask(&cancel);
    else
        verdict = (struct lx_mem_verdict){.fate = LX_MEM_REFUSED, .status = then};
    return verdict;
}

/* One share finds a row that differs, the other meets something lesser before it ends: the row is
 * told, whichever share has it. */
static void test_damage_counts_most(void **state)
{
    (void)state;
    static const enum lx_status lesser[] = {LX_E_ACCESS, LX_E_NETWORK, LX_E_CANCELLED};
    static const int64_t rows[] = {GROUP_ROWS / 2, 3 * GROUP_ROWS};
    for (size_t i = 0; i < sizeof lesser / sizeof lesser[0]; i++) {
        struct lx_err e = LX_ERR_INIT;
        for (size_t r = 0; r < 2; r++)
            bed.hashes[rows[r]] ^= 1;
        then = lesser[i];
        closed = bed.gets = 0;
        lx_mem_bucket_hook(bed.bucket, fail_behind_other, NULL);
        assert_int_equal(prove(2, ROWS, pool, &e), LX_E_MISMATCH);
        lx_mem_bucket_hook(bed.bucket, NULL, NULL);
        lx_cancel_forget(&cancel);
        assert_true(differs.found);
        assert_says(e.text, "the stored row hashes to");
        for (size_t r = 0; r < 2; r++)
            bed.hashes[rows[r]] ^= 1;
    }
}

static void test_interrupted(void **state)
{
    (void)state;
    lx_cancel_ask(&cancel);
    assert_int_equal(prove(3, ROWS, pool, &err), LX_E_CANCELLED);
    assert_says(err.text, "interrupted while proving");
    lx_cancel_forget(&cancel);
}

static void test_not_there(void **state)
{
    (void)state;
    batch = "of somebody else";
    assert_int_equal(prove(3, ROWS, pool, &err), LX_E_CONFLICT);
    assert_says(err.text, "another batch's file");
    batch = NULL;
    assert_true(lx_mem_bucket_remove(bed.bucket, KEY));
    assert_int_equal(prove(3, ROWS, pool, &err), LX_E_NOTFOUND);
    assert_says(err.text, "is gone before it could be proven");
    scan_write(ROWS, GROUP_ROWS, 0);
}

/* Both shares ask for the first time; one is answered when the other has ended, by a file that took
 * the first's place. */
static struct lx_mem_verdict swap_behind_other(void *context, const struct lx_mem_call *call)
{
    (void)context;
    int get = call->op == LX_MEM_GET ? atomic_fetch_add(&bed.gets, 1) + 1 : 0;
    if (get == 1)
        wait_until(&bed.gets, 2);
    if (get == 2) {
        wait_until(&closed, 1);
        bed.batch = "them";
        scan_write(ROWS, GROUP_ROWS, 0);
    }
    return (struct lx_mem_verdict){.fate = LX_MEM_DONE};
}

/* One share finds a row that differs, then the other that the file is another writer's: that is
 * told, and no row of it. */
static void test_another_file_counts_most(void **state)
{
    (void)state;
    struct lx_err e = LX_ERR_INIT;
    bed.batch = batch = "ours";
    scan_write(ROWS, GROUP_ROWS, 0);
    assert_int_equal(prove(2, ROWS, pool, &e), LX_OK);
    bed.hashes[GROUP_ROWS / 2] ^= 1;
    bed.hashes[3 * GROUP_ROWS] ^= 1;
    closed = bed.gets = 0;
    lx_mem_bucket_hook(bed.bucket, swap_behind_other, NULL);
    assert_int_equal(prove(2, ROWS, pool, &e), LX_E_CONFLICT);
    lx_mem_bucket_hook(bed.bucket, NULL, NULL);
    assert_says(e.text, "another batch's file");
    assert_false(differs.found);
    bed.batch = batch = NULL;
    scan_write(ROWS, GROUP_ROWS, 0);
}

/* -- other bytes --------------------------------------------------------------------------- */

/* A turned byte of each row group, of the first bytes, the indexes and the footer is seen. */
static void test_damage(void **state)
{
    (void)state;
    size_t size;
    uint8_t *bytes = lx_mem_bucket_get(bed.bucket, KEY, &size);
    uint32_t footer;
    memcpy(&footer, bytes + size - 8, sizeof footer);
    for (size_t count = 1; count <= LX_PROOF_MAX_SHARES; count++) {
        /* The indexes end where the footer begins. */
        const size_t places[] = {0,
                                 size / 8,
                                 size / 8 * 3,
                                 size / 8 * 5,
                                 size / 8 * 7,
                                 size - 8 - footer - 1,
                                 size - 8 - footer / 2,
                                 size - 1};
        for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
            struct lx_err e = LX_ERR_INIT;
            bytes[places[i]] ^= 16;
            enum lx_status status = prove(count, ROWS, NULL, &e);
            bytes[places[i]] ^= 16;
            if (lx_status_class(status) != LX_CLASS_corrupt)
                print_error("byte %zu of %zu in %zu shares: %s\n", places[i], size, count,
                            lx_status_name(status));
            assert_int_equal(lx_status_class(status), LX_CLASS_corrupt);
        }
        assert_int_equal(prove(count, ROWS, NULL, &err), LX_OK);
    }
}

static struct {
    int at;                     /* this GET */
    void (*change)(void);       /* is behind this, */
    struct lx_mem_verdict says; /* and answered so */
} other;

static struct lx_mem_verdict meddle(void *context, const struct lx_mem_call *call)
{
    (void)context;
    if (call->op != LX_MEM_GET || atomic_fetch_add(&bed.gets, 1) + 1 != other.at)
        return (struct lx_mem_verdict){.fate = LX_MEM_DONE};
    if (other.change != NULL)
        other.change();
    return other.says;
}

static enum lx_status prove_with(size_t count, int at, void (*change)(void), uint64_t flip)
{
    other.at = at;
    other.change = change;
    other.says = (struct lx_mem_verdict){.fate = LX_MEM_DONE, .flip = flip};
    bed.gets = 0;
    lx_mem_bucket_hook(bed.bucket, meddle, NULL);
    enum lx_status status = prove(count, ROWS, NULL, &err);
    lx_mem_bucket_hook(bed.bucket, NULL, NULL);
    return status;
}

/* One answer has a wrong bit, the file has none: also of the name of the footer's checksum, which
 * is in each share's first answer, without which a reader looks at no checksum. */
static void test_wrong_answers(void **state)
{
    (void)state;
    static const char name[] = "lynex.footer.crc32";
    size_t size, tail = 64 * LX_KIB;
    const uint8_t *bytes = lx_mem_bucket_get(bed.bucket, KEY, &size);
    size_t at = size;
    for (size_t i = size - tail; i + sizeof name < size; i++)
        if (memcmp(bytes + i, name, sizeof name - 1) == 0)
            at = i;
    assert_in_range(at, size - tail, size - 1);
    /* Of the others, row groups, first bytes and indexes, every bit counts. */
    for (int get = 2; get <= GROUPS + 4; get++)
        if (get != 5)
            assert_int_equal(lx_status_class(prove_with(2, get, NULL, 4099)), LX_CLASS_corrupt);
    for (int share = 0; share < 2; share++) {
        int get =
            share == 0 ? 1 : 5; /* the second's first: behind footer, first bytes, two groups */
        assert_int_equal(prove_with(2, get, NULL, 1 + (at - (size - tail)) * 8), LX_E_CORRUPT);
        assert_says(err.text, "the footer's checksum, which this program writes, is missing");
    }
    assert_int_equal(prove(2, ROWS, NULL, &err), LX_OK);
}

/* Another file of the same size: other borders of row groups, or other words in the footer. */
#define FILLER 20000
static int64_t other_groups;

static void swap_file(void)
{
    size_t size = bed.file_size, filler = FILLER;
    scan_write(ROWS, other_groups, filler);
    for (int tries = 0; bed.file_size != size && tries < 8; tries++) {
        filler = (size_t)((int64_t)filler + (int64_t)size - (int64_t)bed.file_size);
        scan_write(ROWS, other_groups, filler);
    }
    assert_int_equal(bed.file_size, size);
}

static void test_file_changes(void **state)
{
    (void)state;
    scan_write(ROWS, GROUP_ROWS, FILLER);
    other_groups = 31000;
    assert_int_equal(prove_with(2, 5, swap_file, 0), LX_E_MISMATCH);
    assert_says(err.text, "rows from 31000 on were not read once");
    scan_write(ROWS, GROUP_ROWS, FILLER);
    other_groups = 60000;
    assert_int_equal(prove_with(2, 5, swap_file, 0), LX_E_MISMATCH);
    assert_says(err.text, "rows from 48000 on were not read once");
    scan_write(ROWS, GROUP_ROWS, FILLER);
    other_groups = GROUP_ROWS;
    bed.filler = '1';
    assert_int_equal(prove_with(2, 5, swap_file, 0), LX_E_MISMATCH);
    assert_says(err.text, "was another file when it was read again");
    bed.filler = '0';
    assert_int_equal(prove(2, ROWS, NULL, &err), LX_OK);
    scan_write(ROWS, GROUP_ROWS, 0);
}

/* -- memory -------------------------------------------------------------------------------- */

static enum lx_status prove_in_three(struct lx_err *e)
{
    return prove(3, 400, NULL, e);
}

static void test_no_memory(void **state)
{
    (void)state;
    scan_write(400, 100, 0);
    assert_in_range(fail_each(prove_in_three), 100, 5000);
    scan_write(ROWS, GROUP_ROWS, 0);
}

/* What a share's part of the memory is too little for is read in one: with any memory, shares prove
 * what one scan proves. */
static void test_little_memory(void **state)
{
    (void)state;
    bool too_little = false;
    for (memory = 256 * LX_KIB; memory <= 64 * LX_MIB; memory *= 2) {
        enum lx_status alone = prove(1, ROWS, NULL, &err);
        assert_true(alone == LX_OK || alone == LX_E_LIMIT);
        too_little = too_little || alone == LX_E_LIMIT;
        assert_int_equal(prove(4, ROWS, pool, &err), alone);
    }
    assert_true(too_little);
    memory = 256 * LX_MIB;
}

/* As many as there are threads, row groups and memory for. */
static void test_how_many(void **state)
{
    (void)state;
    static const struct {
        struct lx_proof_room room;
        size_t shares;
    } cases[] = {
        {{.threads = 2, .row_groups = 9, .hashes = 8, .scan = 60, .most = 128}, 2},
        {{.threads = 2, .row_groups = 9, .hashes = 9, .scan = 60, .most = 128}, 1},
        {{.threads = 1, .row_groups = 9, .hashes = 8, .scan = 60, .most = 999}, 1},
        {{.threads = 64, .row_groups = 9, .hashes = 8, .scan = 60, .most = 999},
         LX_PROOF_MAX_SHARES},
        {{.threads = 64, .row_groups = 3, .hashes = 8, .scan = 60, .most = 999}, 3},
        {{.threads = 64, .row_groups = 9, .hashes = 8, .scan = 60, .most = 188}, 3},
        {{.threads = 2, .row_groups = 0, .hashes = 0, .scan = 60, .most = 128}, 1},
        {{.threads = 2, .row_groups = 9, .hashes = 8, .scan = 600, .most = 128}, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(lx_batch_proof_shares(&cases[i].room), cases[i].shares);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scans),
        cmocka_unit_test(test_proofs),
        cmocka_unit_test(test_small_files),
        cmocka_unit_test(test_store_fails),
        cmocka_unit_test(test_two_differ),
        cmocka_unit_test(test_damage_counts_most),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_not_there),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_wrong_answers),
        cmocka_unit_test(test_file_changes),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_little_memory),
        cmocka_unit_test(test_how_many),
        cmocka_unit_test(test_another_file_counts_most),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
