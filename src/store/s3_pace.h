/* s3_pace.h: how hard the store is asked, and how often again: one budget for the whole process,
 * whatever the number of its stores, uploads and threads.
 *
 * Rate: without limit until the store asks for less (503 SlowDown, 429). Then seven tenths of the
 * rate that it was too much for, and from there back along the curve of TCP CUBIC (RFC 9438): fast
 * near what went well before, flat around it, and on beyond it as long as nobody complains.
 *
 * Retries: each costs tokens, which successes and time bring back. A store that is in trouble is
 * not buried under the retries of everybody who waits for it.
 *
 * Thread-safe. Times are a monotonic clock's. */
#ifndef LX_STORE_S3_PACE_H
#define LX_STORE_S3_PACE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define LX_S3_RETRY_TOKENS 500      /* most that may be had */
#define LX_S3_RETRY_COST 5          /* of one retry; it comes back if the retry succeeds */
#define LX_S3_RETRY_TIMEOUT_COST 10 /* of one after a time limit */
#define LX_S3_RETRY_REFILL_MS 1000  /* one token each */
#define LX_S3_RATE_LEAST 1.0        /* requests a second, however often the store complains */
#define LX_S3_RATE_FREE 4000.0      /* above it there is no limit any more */
#define LX_S3_RATE_CUT 0.7          /* what is left of a rate that was too much */
#define LX_S3_RATE_CURVE 0.4        /* requests a second per second cubed */
#define LX_S3_RATE_WINDOW_MS 500    /* the rate is measured over so long */
#define LX_S3_RATE_DEAF_MS 1000     /* complaints so soon after a cut mean what was sent before */

struct lx_s3_pace {
    pthread_mutex_t lock;
    int64_t tokens, refilled_ms;
    double rate;        /* requests a second; 0: no limit */
    double before;      /* the rate at the last complaint */
    int64_t lowered_ms; /* when that was */
    int64_t next_us;    /* when the next request may go */
    int64_t window_ms;  /* start of the window that is counted */
    unsigned window_count;
    double measured; /* requests a second in the windows before, smoothed */
};

#define LX_S3_PACE_INIT                                                                            \
    {                                                                                              \
        .lock = PTHREAD_MUTEX_INITIALIZER, .tokens = LX_S3_RETRY_TOKENS                            \
    }

/* The process's. */
struct lx_s3_pace *lx_s3_pace_process(void);

/* Takes the next place in the row: milliseconds until the request may go. */
int64_t lx_s3_pace_take(struct lx_s3_pace *pace, int64_t now_ms);
/* The store asked for less. The new limit in requests a second where there was none before: worth
 * a word; else 0. */
double lx_s3_pace_slower(struct lx_s3_pace *pace, int64_t now_ms);

/* May a request be sent again, at that cost? */
bool lx_s3_pace_retry(struct lx_s3_pace *pace, int64_t now_ms, int cost);
/* A request succeeded; `paid` is what its last retry had cost, 0 for a first try. */
void lx_s3_pace_succeeded(struct lx_s3_pace *pace, int paid);

#endif
