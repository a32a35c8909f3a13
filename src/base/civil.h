/* civil.h: dates of the proleptic Gregorian calendar, UTC only. No libc time zone is ever asked. */
#ifndef LX_BASE_CIVIL_H
#define LX_BASE_CIVIL_H

#include "base/buf.h"

struct lx_civil {
    int64_t year; /* may be negative */
    unsigned month, day, hour, minute, second, ms;
};

/* Days since 1970-01-01. */
int64_t lx_civil_days(int64_t year, unsigned month, unsigned day);
/* From milliseconds since 1970. */
struct lx_civil lx_civil_of_ms(int64_t ms);
int64_t lx_civil_to_ms(const struct lx_civil *civil);

/* Division that rounds towards minus infinity: right below 1970 as well. */
static inline int64_t lx_floor_div(int64_t value, int64_t by)
{
    int64_t result = value / by;
    return value % by != 0 && (value < 0) != (by < 0) ? result - 1 : result;
}

#define LX_DAY_SECONDS ((int64_t)86400)

#define LX_TIME_TEXT 40
/* "2026-11-22T01:02:03.123Z" (Delta, JSON). */
void lx_time_iso(int64_t ms, char text[LX_TIME_TEXT]);
/* "2026-11-22 01:02:03" */
void lx_time_plain(int64_t ms, char text[LX_TIME_TEXT]);
/* "2026-11-22" */
void lx_time_date(int64_t ms, char text[LX_TIME_TEXT]);
/* "YYYY-MM-DD[ T]hh:mm:ss[.fraction][Z]" or "YYYY-MM-DD"; whole text, UTC. */
bool lx_time_parse(struct lx_str text, int64_t *ms);

#endif
