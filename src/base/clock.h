/* clock.h: the seam for time and randomness. Everything that asks for either takes these structs,
 * so that tests and the simulation decide what it gets. */
#ifndef LX_BASE_CLOCK_H
#define LX_BASE_CLOCK_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lx_clock {
    int64_t (*now_ms)(void *self);            /* milliseconds since 1970, UTC */
    int64_t (*monotonic_ms)(void *self);      /* for time limits */
    void (*sleep_ms)(void *self, int64_t ms); /* may return early when cancelled */
    void *self;
};

struct lx_random {
    void (*fill)(void *self, void *bytes, size_t size);
    void *self;
};

/* The real ones. */
struct lx_clock lx_clock_system(void);
struct lx_random lx_random_system(void);

static inline int64_t lx_clock_now(const struct lx_clock *clock)
{
    return clock->now_ms(clock->self);
}

static inline int64_t lx_clock_monotonic(const struct lx_clock *clock)
{
    return clock->monotonic_ms(clock->self);
}

static inline void lx_clock_sleep(const struct lx_clock *clock, int64_t ms)
{
    clock->sleep_ms(clock->self, ms);
}

static inline uint64_t lx_random_u64(const struct lx_random *random)
{
    uint64_t value;
    random->fill(random->self, &value, sizeof value);
    return value;
}

/* A version 4 UUID as 36 lower-case characters and a NUL. */
void lx_random_uuid(const struct lx_random *random, char text[37]);

#endif
