/* s3_pace.c: the process's budget of requests and retries. */
#include "store/s3_pace.h"

#include <math.h>

#define SMOOTHING 0.8 /* weight of the latest window */

static struct lx_s3_pace process_pace = LX_S3_PACE_INIT;

struct lx_s3_pace *lx_s3_pace_process(void)
{
    return &process_pace;
}

/* -- the rate ------------------------------------------------------------------------------ */

/* Closes the window when it is over. */
static void measure(struct lx_s3_pace *pace, int64_t now_ms)
{
    int64_t passed = now_ms - pace->window_ms;
    if (passed < LX_S3_RATE_WINDOW_MS)
        return;
    double rate = pace->window_count * 1000.0 / (double)passed;
    pace->measured = SMOOTHING * rate + (1 - SMOOTHING) * pace->measured;
    pace->window_ms = now_ms;
    pace->window_count = 0;
}

static double current_rate(const struct lx_s3_pace *pace, int64_t now_ms)
{
    double back = cbrt(pace->before * (1 - LX_S3_RATE_CUT) / LX_S3_RATE_CURVE);
    double t = (double)(now_ms - pace->lowered_ms) / 1000 - back;
    double rate = LX_S3_RATE_CURVE * t * t * t + pace->before;
    return rate > LX_S3_RATE_LEAST ? rate : LX_S3_RATE_LEAST;
}

int64_t lx_s3_pace_take(struct lx_s3_pace *pace, int64_t now_ms)
{
    int64_t wait = 0;
    pthread_mutex_lock(&pace->lock);
    measure(pace, now_ms);
    pace->window_count++;
    if (pace->rate > 0) {
        pace->rate = current_rate(pace, now_ms);
        if (pace->rate >= LX_S3_RATE_FREE)
            pace->rate = 0;
    }
    if (pace->rate > 0) {
        int64_t now_us = now_ms * 1000;
        if (pace->next_us < now_us)
            pace->next_us = now_us;
        wait = (pace->next_us - now_us) / 1000;
        pace->next_us += (int64_t)(1000000 / pace->rate);
    }
    pthread_mutex_unlock(&pace->lock);
    return wait;
}

double lx_s3_pace_slower(struct lx_s3_pace *pace, int64_t now_ms)
{
    double said = 0;
    pthread_mutex_lock(&pace->lock);
    if (pace->rate <= 0 || now_ms - pace->lowered_ms >= LX_S3_RATE_DEAF_MS) {
        /* The window that runs may hold more than those before. */
        double lately = pace->window_count * 1000.0 / LX_S3_RATE_WINDOW_MS;
        double was = pace->measured > lately ? pace->measured : lately;
        if (pace->rate > 0 && pace->rate < was)
            was = pace->rate;
        double rate = was * LX_S3_RATE_CUT;
        if (rate < LX_S3_RATE_LEAST)
            rate = LX_S3_RATE_LEAST;
        if (pace->rate <= 0)
            said = rate;
        pace->before = was;
        pace->rate = rate;
        pace->lowered_ms = now_ms;
        pace->next_us = now_ms * 1000 + (int64_t)(1000000 / rate);
    }
    pthread_mutex_unlock(&pace->lock);
    return said;
}

/* -- retries ------------------------------------------------------------------------------- */

static void give(struct lx_s3_pace *pace, int64_t tokens)
{
    pace->tokens += tokens;
    if (pace->tokens > LX_S3_RETRY_TOKENS)
        pace->tokens = LX_S3_RETRY_TOKENS;
}

bool lx_s3_pace_retry(struct lx_s3_pace *pace, int64_t now_ms, int cost)
{
    pthread_mutex_lock(&pace->lock);
    int64_t fresh = (now_ms - pace->refilled_ms) / LX_S3_RETRY_REFILL_MS;
    if (fresh > 0) {
        give(pace, fresh);
        pace->refilled_ms += fresh * LX_S3_RETRY_REFILL_MS;
    }
    bool granted = pace->tokens >= cost;
    if (granted)
        pace->tokens -= cost;
    pthread_mutex_unlock(&pace->lock);
    return granted;
}

void lx_s3_pace_succeeded(struct lx_s3_pace *pace, int paid)
{
    pthread_mutex_lock(&pace->lock);
    give(pace, paid > 0 ? paid : 1);
    pthread_mutex_unlock(&pace->lock);
}
