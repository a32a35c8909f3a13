/* The process's budget of requests and retries, by a clock that the test turns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/s3_pace.h"

#define START 1000000

/* Requests that go within `ms` when they are asked for without a pause. */
static int sent_within(struct lx_s3_pace *pace, int64_t *now, int64_t ms)
{
    int count = 0;
    for (int64_t end = *now + ms; *now < end;) {
        int64_t wait = lx_s3_pace_take(pace, *now);
        *now += wait > 0 ? wait : 1; /* 1,000 a second if nothing holds them back */
        count++;
    }
    return count;
}

static void test_free_until_told(void **state)
{
    struct lx_s3_pace pace = LX_S3_PACE_INIT;
    (void)state;
    for (int64_t i = 0; i < 10000; i++)
        assert_int_equal(lx_s3_pace_take(&pace, START + i / 10), 0);
}

static void test_slows_down_once(void **state)
{
    struct lx_s3_pace pace = LX_S3_PACE_INIT;
    int64_t now = START;
    (void)state;
    sent_within(&pace, &now, 3000);
    double rate = lx_s3_pace_slower(&pace, now);
    assert_true(rate > 600 && rate < 800); /* seven tenths of 1,000 */
    /* What was on its way is refused too: no further cut, and no further word. */
    for (int i = 1; i < 50; i++)
        assert_true(lx_s3_pace_slower(&pace, now + i) == 0);
    int sent = sent_within(&pace, &now, 1000);
    assert_in_range(sent, 600, 1000);
}

static void test_comes_back(void **state)
{
    struct lx_s3_pace pace = LX_S3_PACE_INIT;
    int64_t now = START, cut;
    (void)state;
    sent_within(&pace, &now, 3000);
    /* A store that takes 100 a second says so again and again. */
    for (int i = 0; i < 40; i++) {
        int sent = sent_within(&pace, &now, 1000);
        if (sent > 100)
            (void)lx_s3_pace_slower(&pace, now);
    }
    assert_in_range(sent_within(&pace, &now, 1000), 50, 300);
    (void)lx_s3_pace_slower(&pace, now);
    cut = now;
    int before = 0, seconds = 0;
    for (; pace.rate > 0 && seconds < 600; seconds++) {
        int sent = sent_within(&pace, &now, 1000);
        assert_true(sent + 10 >= before); /* never back without a complaint */
        before = sent;
    }
    assert_true(now - cut > 10000);                 /* slowly… */
    assert_true(seconds < 60);                      /* …but surely */
    assert_true(lx_s3_pace_slower(&pace, now) > 0); /* the next time is worth a word again */
}

static void test_never_stops(void **state)
{
    struct lx_s3_pace pace = LX_S3_PACE_INIT;
    int64_t now = START;
    (void)state;
    for (int i = 0; i < 1000; i++) {
        int64_t wait = lx_s3_pace_take(&pace, now);
        assert_in_range(wait, 0, 2000);
        now += wait + LX_S3_RATE_DEAF_MS;
        (void)lx_s3_pace_slower(&pace, now);
    }
}

static void test_retries_run_out(void **state)
{
    struct lx_s3_pace pace = LX_S3_PACE_INIT;
    int granted = 0;
    (void)state;
    while (lx_s3_pace_retry(&pace, START, LX_S3_RETRY_COST))
        granted++;
    assert_int_equal(granted, LX_S3_RETRY_TOKENS / LX_S3_RETRY_COST);
    /* A retry that succeeds pays itself, a first try a fifth of one, and each second the same. */
    lx_s3_pace_succeeded(&pace, LX_S3_RETRY_COST);
    assert_true(lx_s3_pace_retry(&pace, START, LX_S3_RETRY_COST));
    assert_false(lx_s3_pace_retry(&pace, START, LX_S3_RETRY_COST));
    for (int i = 0; i < LX_S3_RETRY_COST; i++) {
        assert_false(lx_s3_pace_retry(&pace, START, LX_S3_RETRY_COST));
        lx_s3_pace_succeeded(&pace, 0);
    }
    assert_true(lx_s3_pace_retry(&pace, START, LX_S3_RETRY_COST));
    assert_false(lx_s3_pace_retry(&pace, START + 4 * LX_S3_RETRY_REFILL_MS, LX_S3_RETRY_COST));
    assert_true(lx_s3_pace_retry(&pace, START + 5 * LX_S3_RETRY_REFILL_MS, LX_S3_RETRY_COST));
    /* All comes back with time, and not more than all. */
    granted = 0;
    while (lx_s3_pace_retry(&pace, START * 1000, LX_S3_RETRY_COST))
        granted++;
    assert_int_equal(granted, LX_S3_RETRY_TOKENS / LX_S3_RETRY_COST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_free_until_told), cmocka_unit_test(test_slows_down_once),
        cmocka_unit_test(test_comes_back),      cmocka_unit_test(test_never_stops),
        cmocka_unit_test(test_retries_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
