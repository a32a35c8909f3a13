#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_now(void *self)
{
    (void)self;
    return read_clock(CLOCK_REALTIME);
}

static int64_t system_monotonic(void *self)
{
    (void)self;
    return read_clock(CLOCK_MONOTONIC);
}

static void system_sleep(void *self, int64_t ms)
{
    (void)self;
    if (ms <= 0)
        return;
    struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&wait, NULL); /* a signal ends it early: then the caller looks at its cancel flag */
}

static void system_fill(void *self, void *bytes, size_t size)
{
    (void)self;
    unsigned char *to = bytes;
    while (size > 0) {
        ssize_t got = getrandom(to, size, 0);
        if (got < 0) {
            if (errno == EINTR)
                continue;
            abort(); /* a kernel without randomness: batch ids would collide, nothing may go on */
        }
        to += got;
        size -= (size_t)got;
    }
}

struct lx_clock lx_clock_system(void)
{
    return (struct lx_clock){system_now, system_monotonic, system_sleep, NULL};
}

struct lx_random lx_random_system(void)
{
    return (struct lx_random){system_fill, NULL};
}

void lx_random_uuid(const struct lx_random *random, char text[37])
{
    unsigned char b[16];
    random->fill(random->self, b, sizeof b);
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    snprintf(text, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
             b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
             b[14], b[15]);
}
