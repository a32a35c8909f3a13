#include "base/civil.h"

#include <stdio.h>

/* Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": eras of 400 years from 0000-03-01.
 */
int64_t lx_civil_days(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = lx_floor_div(year, 400);
    int64_t of_era = year - era * 400;
    int64_t shifted = ((int64_t)month + 9) % 12;
    int64_t of_year = (153 * shifted + 2) / 5 + (int64_t)day - 1;
    int64_t day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    return era * 146097 + day_of_era - 719468;
}

struct lx_civil lx_civil_of_ms(int64_t ms)
{
    int64_t days = lx_floor_div(ms, LX_DAY_SECONDS * 1000);
    int64_t rest = ms - days * LX_DAY_SECONDS * 1000;
    int64_t z = days + 719468;
    int64_t era = lx_floor_div(z, 146097);
    int64_t day_of_era = z - era * 146097;
    int64_t of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t of_year = day_of_era - (365 * of_era + of_era / 4 - of_era / 100);
    int64_t shifted = (5 * of_year + 2) / 153;
    struct lx_civil civil;
    civil.day = (unsigned)(of_year - (153 * shifted + 2) / 5 + 1);
    civil.month = (unsigned)(shifted < 10 ? shifted + 3 : shifted - 9);
    civil.year = of_era + era * 400 + (civil.month <= 2);
    civil.hour = (unsigned)(rest / 3600000);
    civil.minute = (unsigned)(rest / 60000 % 60);
    civil.second = (unsigned)(rest / 1000 % 60);
    civil.ms = (unsigned)(rest % 1000);
    return civil;
}

int64_t lx_civil_to_ms(const struct lx_civil *c)
{
    int64_t days = lx_civil_days(c->year, c->month, c->day);
    return ((days * 24 + c->hour) * 60 + c->minute) * 60000 + (int64_t)c->second * 1000 + c->ms;
}

void lx_time_iso(int64_t ms, char text[LX_TIME_TEXT])
{
    struct lx_civil c = lx_civil_of_ms(ms);
    snprintf(text, LX_TIME_TEXT, "%04lld-%02u-%02uT%02u:%02u:%02u.%03uZ", (long long)c.year,
             c.month, c.day, c.hour, c.minute, c.second, c.ms);
}

void lx_time_plain(int64_t ms, char text[LX_TIME_TEXT])
{
    struct lx_civil c = lx_civil_of_ms(ms);
    snprintf(text, LX_TIME_TEXT, "%04lld-%02u-%02u %02u:%02u:%02u", (long long)c.year, c.month,
             c.day, c.hour, c.minute, c.second);
}

void lx_time_date(int64_t ms, char text[LX_TIME_TEXT])
{
    struct lx_civil c = lx_civil_of_ms(ms);
    snprintf(text, LX_TIME_TEXT, "%04lld-%02u-%02u", (long long)c.year, c.month, c.day);
}

/* Takes `digits` decimal digits off the front. */
static bool take_number(struct lx_str *text, size_t digits, unsigned *value)
{
    unsigned result = 0;
    if (text->len < digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        char c = text->ptr[i];
        if (c < '0' || c > '9')
            return false;
        result = result * 10 + (unsigned)(c - '0');
    }
    text->ptr += digits;
    text->len -= digits;
    *value = result;
    return true;
}

static bool take_char(struct lx_str *text, const char *any)
{
    if (text->len == 0 || strchr(any, text->ptr[0]) == NULL || text->ptr[0] == 0)
        return false;
    text->ptr++;
    text->len--;
    return true;
}

static bool take_fraction(struct lx_str *text, unsigned *ms)
{
    unsigned digits = 0;
    *ms = 0;
    if (!take_char(text, "."))
        return true;
    while (text->len > 0 && text->ptr[0] >= '0' && text->ptr[0] <= '9') {
        if (digits < 3)
            *ms = *ms * 10 + (unsigned)(text->ptr[0] - '0');
        digits++;
        text->ptr++;
        text->len--;
    }
    for (unsigned i = digits; i < 3; i++)
        *ms *= 10;
    return digits > 0;
}

bool lx_time_parse(struct lx_str text, int64_t *ms)
{
    static const unsigned month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    struct lx_civil c = {0};
    unsigned year;
    if (!take_number(&text, 4, &year) || !take_char(&text, "-") ||
        !take_number(&text, 2, &c.month) || !take_char(&text, "-") ||
        !take_number(&text, 2, &c.day))
        return false;
    c.year = year;
    if (text.len != 0) {
        if (!take_char(&text, " T") || !take_number(&text, 2, &c.hour) || !take_char(&text, ":") ||
            !take_number(&text, 2, &c.minute) || !take_char(&text, ":") ||
            !take_number(&text, 2, &c.second) || !take_fraction(&text, &c.ms))
            return false;
        take_char(&text, "Z");
    }
    if (text.len != 0 || c.month < 1 || c.month > 12 || c.day < 1 ||
        c.day > month_days[c.month - 1] || c.hour > 23 || c.minute > 59 || c.second > 59)
        return false;
    *ms = lx_civil_to_ms(&c);
    return lx_civil_of_ms(*ms).day == c.day; /* no 29 February where there is none */
}
