/* Records in order, of memory alone and of a temporary file; what a full or lost file says. */
#include "faults.h"

#include "archive/sorted_runs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define CAP ((int64_t)(LX_SORTED_RUNS_MIN / sizeof(struct lx_record))) /* of a run */

static struct lx_err err;

static struct lx_sorted_runs *make(const char *directory)
{
    struct lx_sorted_runs *runs = NULL;
    assert_int_equal(lx_sorted_runs_create(1, directory, NULL, &runs, &err), LX_OK);
    return runs;
}

/* Every key up to `count` once, in an order that is none. */
static enum lx_status add(struct lx_sorted_runs *runs, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        uint64_t key = (uint64_t)i * 7919 % (uint64_t)count;
        const struct lx_record record = {key, key * 3, (int64_t)key - 5};
        LX_TRY(lx_sorted_runs_add(runs, &record, &err));
    }
    return LX_OK;
}

static void expect_all(struct lx_sorted_runs *runs, int64_t count)
{
    struct lx_record record;
    bool more;
    for (int64_t i = 0; i < count; i++) {
        assert_int_equal(lx_sorted_runs_next(runs, &record, &more, &err), LX_OK);
        if (!more || record.key != (uint64_t)i || record.id != (uint64_t)i * 3 ||
            record.extra != i - 5)
            fail_msg("record %lld is %llu", (long long)i, (unsigned long long)record.key);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(lx_sorted_runs_next(runs, &record, &more, &err), LX_OK);
        assert_false(more);
    }
}

/* None, one, a run that is just full, one record more, many runs whose last is short. */
static void test_sizes(void **state)
{
    (void)state;
    const int64_t sizes[] = {0, 1, 2, CAP, CAP + 1, 2 * CAP, 9 * CAP + 1234};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct lx_sorted_runs *runs = make(NULL);
        assert_int_equal(add(runs, sizes[i]), LX_OK);
        assert_int_equal(lx_sorted_runs_count(runs), sizes[i]);
        for (int twice = 0; twice < 2; twice++) {
            assert_int_equal(lx_sorted_runs_rewind(runs, &err), LX_OK);
            expect_all(runs, sizes[i]);
        }
        /* From the middle back to the first. */
        struct lx_record record;
        bool more;
        assert_int_equal(lx_sorted_runs_rewind(runs, &err), LX_OK);
        for (int64_t k = 0; k < sizes[i] / 2; k++)
            assert_int_equal(lx_sorted_runs_next(runs, &record, &more, &err), LX_OK);
        assert_int_equal(lx_sorted_runs_rewind(runs, &err), LX_OK);
        expect_all(runs, sizes[i]);
        assert_int_equal(lx_sorted_runs_count(runs), sizes[i]);
        lx_sorted_runs_free(runs);
    }
}

/* Key before id before extra, equal records as often as they came; within a run and across runs. */
static void test_order(void **state)
{
    (void)state;
    static const struct lx_record sorted[] = {
        {1, 0, 9}, {1, 2, -1},          {1, 2, 0},           {1, 2, 0},
        {1, 2, 7}, {2, UINT64_MAX, -9}, {UINT64_MAX, 0, -1}, {UINT64_MAX, 0, 0}};
    static const size_t order[] = {7, 2, 0, 5, 3, 6, 4, 1};
    const size_t count = sizeof order / sizeof *order;
    for (int64_t between = 0; between <= CAP; between += CAP) {
        struct lx_sorted_runs *runs = make(NULL);
        struct lx_record record;
        bool more;
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(lx_sorted_runs_add(runs, &sorted[order[i]], &err), LX_OK);
            for (int64_t k = 0; k < between; k++) {
                const struct lx_record low = {0, 0, 0};
                assert_int_equal(lx_sorted_runs_add(runs, &low, &err), LX_OK);
            }
        }
        assert_int_equal(lx_sorted_runs_rewind(runs, &err), LX_OK);
        for (int64_t k = 0; k < between * (int64_t)count; k++) {
            assert_int_equal(lx_sorted_runs_next(runs, &record, &more, &err), LX_OK);
            assert_true(more && record.key == 0);
        }
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(lx_sorted_runs_next(runs, &record, &more, &err), LX_OK);
            assert_true(more);
            assert_memory_equal(&record, &sorted[i], sizeof record);
        }
        assert_int_equal(lx_sorted_runs_next(runs, &record, &more, &err), LX_OK);
        assert_false(more);
        lx_sorted_runs_free(runs);
    }
    lx_sorted_runs_free(NULL);
}

static void test_wrong_order_of_calls(void **state)
{
    (void)state;
    struct lx_sorted_runs *runs = make(NULL);
    struct lx_record record = {1, 2, 3};
    bool more;
    assert_int_equal(lx_sorted_runs_next(runs, &record, &more, &err), LX_E_BUG);
    assert_string_equal(err.text, "records are read before they are sorted");
    assert_int_equal(lx_sorted_runs_rewind(runs, &err), LX_OK);
    assert_int_equal(lx_sorted_runs_add(runs, &record, &err), LX_E_BUG);
    assert_string_equal(err.text, "records were added after reading began");
    lx_sorted_runs_free(runs);
}

/* -- the temporary file -------------------------------------------------------------------- */

static void test_directories(void **state)
{
    (void)state;
    char too_long[4097];
    memset(too_long, 'x', sizeof too_long - 1);
    too_long[sizeof too_long - 1] = 0;
    struct lx_sorted_runs *runs = make(too_long);
    assert_int_equal(add(runs, CAP + 1), LX_E_ARGUMENT);
    assert_string_equal(err.text, "ARCHIVE_TMPDIR is too long");
    lx_sorted_runs_free(runs);

    const char *kept = getenv("TMPDIR");
    char *before = kept != NULL ? strdup(kept) : NULL;
    assert_int_equal(setenv("TMPDIR", "/nowhere/in/env", 1), 0);
    static const char *const given[] = {"/nowhere/at/all", NULL};
    static const char *const named[] = {"/nowhere/at/all", "/nowhere/in/env"};
    for (size_t i = 0; i < 2; i++) {
        runs = make(given[i]);
        assert_int_equal(add(runs, CAP), LX_OK); /* memory is enough */
        const struct lx_record record = {0};
        assert_int_equal(lx_sorted_runs_add(runs, &record, &err), LX_E_NOTFOUND);
        assert_says(err.text, "cannot make a temporary file in ");
        assert_says(err.text, named[i]);
        assert_says(err.hint, "200 bytes a compared row");
        lx_sorted_runs_free(runs);
    }
    /* An empty TMPDIR, and none, are /tmp. */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(i == 0 ? setenv("TMPDIR", "", 1) : unsetenv("TMPDIR"), 0);
        runs = make(NULL);
        assert_int_equal(add(runs, CAP + 1), LX_OK);
        assert_int_equal(lx_sorted_runs_rewind(runs, &err), LX_OK);
        expect_all(runs, CAP + 1);
        lx_sorted_runs_free(runs);
    }
    if (before != NULL)
        setenv("TMPDIR", before, 1);
    free(before);
}

/* The file may hold one run only. */
static void test_full(void **state)
{
    (void)state;
    struct rlimit kept, limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &kept), 0);
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    limit = kept;
    limit.rlim_cur = (rlim_t)CAP * sizeof(struct lx_record) + 100;
    struct lx_sorted_runs *runs = make(NULL), *last = make(NULL);
    assert_int_equal(add(last, CAP + 1), LX_OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    enum lx_status status = add(runs, 3 * CAP), at_the_end = LX_OK;
    struct lx_err full = err;
    limit.rlim_cur = (rlim_t)CAP * sizeof(struct lx_record);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    at_the_end = lx_sorted_runs_rewind(last, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &kept), 0);
    signal(SIGXFSZ, before);
    assert_int_equal(status, LX_E_IO);
    assert_says(full.text, "writing a temporary file");
    assert_says(full.hint, "set ARCHIVE_TMPDIR to a directory with room");
    assert_int_equal(lx_sorted_runs_count(runs), 2 * CAP);
    assert_int_equal(at_the_end, LX_E_IO);
    lx_sorted_runs_free(runs);
    lx_sorted_runs_free(last);
}

/* The file that is opened next has the lowest free number. */
static int next_fd(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    close(fd);
    return fd;
}

static void test_lost(void **state)
{
    (void)state;
    struct lx_sorted_runs *runs = make(NULL);
    struct lx_record record;
    bool more = true;
    int fd = next_fd();
    assert_int_equal(add(runs, 3 * CAP), LX_OK);
    assert_int_equal(lx_sorted_runs_rewind(runs, &err), LX_OK);
    assert_int_equal(ftruncate(fd, 0), 0);
    enum lx_status status = LX_OK;
    int64_t read = 0;
    while (status == LX_OK && more &&
           (status = lx_sorted_runs_next(runs, &record, &more, &err)) == LX_OK)
        read++;
    assert_int_equal(status, LX_E_IO);
    assert_says(err.text, "reading a temporary file");
    assert_in_range(read, CAP / 3, CAP); /* what the buffers held came first */
    assert_int_equal(lx_sorted_runs_rewind(runs, &err), LX_E_IO);
    /* A file that cannot be read at all. */
    int only_write = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_int_equal(dup2(only_write, fd), fd);
    close(only_write);
    assert_int_equal(lx_sorted_runs_rewind(runs, &err), LX_E_IO);
    assert_says(err.text, "reading a temporary file");
    lx_sorted_runs_free(runs);
}

/* More runs than buffers: some are merged before, and where there are very many, merged ones again.
 */
static void test_many_runs(void **state)
{
    (void)state;
    const int64_t most = CAP / 4096;
    const int64_t runs_of[] = {most, most + 1, 2 * most - 2, 2 * most - 1, 2 * most, 10 * most + 3};
    for (size_t i = 0; i < sizeof runs_of / sizeof *runs_of; i++) {
        struct lx_sorted_runs *runs = make(NULL);
        int64_t count = runs_of[i] * CAP - 3;
        size_t used = lx_alloc_used();
        assert_int_equal(add(runs, count), LX_OK);
        for (int twice = 0; twice < 2; twice++) {
            assert_int_equal(lx_sorted_runs_rewind(runs, &err), LX_OK);
            assert_true(lx_alloc_used() - used < LX_SORTED_RUNS_MIN + 100000);
            expect_all(runs, count);
        }
        lx_sorted_runs_free(runs);
    }
}

/* A merge that fails, on a full disk or since the user interrupts, may be tried again. */
static void test_merge_fails(void **state)
{
    (void)state;
    struct rlimit kept, limit;
    struct lx_cancel cancel = {0};
    struct lx_sorted_runs *runs = NULL;
    const int64_t count = (CAP / 4096 + 3) * CAP;
    assert_int_equal(lx_sorted_runs_create(1, NULL, &cancel, &runs, &err), LX_OK);
    assert_int_equal(add(runs, count), LX_OK);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &kept), 0);
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    limit = kept;
    limit.rlim_cur = ((rlim_t)count + 5000) * sizeof(struct lx_record);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    enum lx_status status = lx_sorted_runs_rewind(runs, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &kept), 0);
    signal(SIGXFSZ, before);
    assert_int_equal(status, LX_E_IO);
    assert_says(err.text, "writing a temporary file");
    lx_cancel_ask(&cancel);
    assert_int_equal(lx_sorted_runs_rewind(runs, &err), LX_E_CANCELLED);
    lx_cancel_forget(&cancel);
    assert_int_equal(lx_sorted_runs_rewind(runs, &err), LX_OK);
    expect_all(runs, count);
    lx_sorted_runs_free(runs);
}

/* Whoever interrupts does not wait for the rest of the records, whatever is done with them. */
static void test_interrupted(void **state)
{
    (void)state;
    struct lx_cancel cancel = {0};
    struct lx_sorted_runs *runs = NULL;
    struct lx_record record = {0};
    bool more = true;
    int64_t taken = 0;
    assert_int_equal(lx_sorted_runs_create(1, NULL, &cancel, &runs, &err), LX_OK);
    assert_int_equal(add(runs, 9 * CAP), LX_OK);
    lx_cancel_ask(&cancel);
    assert_int_equal(add(runs, 9 * CAP), LX_E_CANCELLED);
    assert_string_equal(err.text, "interrupted while rows were compared");
    assert_true(lx_sorted_runs_count(runs) < 11 * CAP);
    lx_cancel_forget(&cancel);
    assert_int_equal(lx_sorted_runs_rewind(runs, &err), LX_OK);
    lx_cancel_ask(&cancel);
    enum lx_status status = LX_OK;
    while (status == LX_OK && more) {
        status = lx_sorted_runs_next(runs, &record, &more, &err);
        taken++;
    }
    assert_int_equal(status, LX_E_CANCELLED);
    assert_true(taken < 2 * CAP);
    lx_sorted_runs_free(runs);
}

static enum lx_status write_and_read(struct lx_err *said)
{
    struct lx_sorted_runs *runs;
    LX_TRY(lx_sorted_runs_create(1, NULL, NULL, &runs, said));
    enum lx_status status = add(runs, 9 * CAP + 1); /* the list of runs grows */
    if (status == LX_OK)
        status = lx_sorted_runs_rewind(runs, &err);
    if (status == LX_OK)
        expect_all(runs, 9 * CAP + 1);
    if (status != LX_OK)
        *said = err;
    lx_sorted_runs_free(runs);
    return status;
}

static void test_memory(void **state)
{
    (void)state;
    assert_int_equal(fail_each(write_and_read), 5); /* itself, records, runs twice, the heap */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_directories),
        cmocka_unit_test(test_wrong_order_of_calls),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_many_runs),
        cmocka_unit_test(test_merge_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
