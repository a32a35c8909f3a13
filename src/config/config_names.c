/* config_names.c: a misspelt DELETE_AFTER_ARCHVE=false must not delete: names that look like ours.
 */
#include "config/config_private.h"

#include <ctype.h>
#include <stdio.h>

#define MAX_NAME 64 /* longer ones are not ours */

unsigned lx_config_distance(struct lx_str a, struct lx_str b, unsigned most)
{
    unsigned rows[3][MAX_NAME + 1];
    if (a.len > MAX_NAME || b.len > MAX_NAME)
        return most + 1;
    for (size_t j = 0; j <= b.len; j++)
        rows[1][j] = (unsigned)j;
    for (size_t i = 1; i <= a.len; i++) {
        unsigned *now = rows[(i + 1) % 3], *last = rows[i % 3], *before = rows[(i + 2) % 3];
        unsigned least = now[0] = (unsigned)i;
        for (size_t j = 1; j <= b.len; j++) {
            bool same = a.ptr[i - 1] == b.ptr[j - 1];
            unsigned best = last[j - 1] + !same;
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
            least = best < least ? best : least;
        }
        if (least > most)
            return most + 1;
    }
    unsigned result = rows[(a.len + 1) % 3][b.len];
    return result > most ? most + 1 : result;
}

static const char *nearest_setting(struct lx_str name, unsigned most)
{
    const char *best = NULL;
    unsigned least = most + 1;
    for (int i = 0; i < LX_SETTING_COUNT; i++) {
        const char *setting = lx_setting_info((enum lx_setting)i)->name;
        unsigned distance = lx_config_distance(name, lx_str_of(setting), most);
        if (distance < least) {
            least = distance;
            best = setting;
        }
    }
    return best;
}

static bool is_listed(struct lx_str name, const char *list)
{
    for (const char *pos = list; *pos != 0;) {
        const char *comma = strchr(pos, ',');
        size_t size = comma != NULL ? (size_t)(comma - pos) : strlen(pos);
        if (lx_str_equal(lx_str_trim((struct lx_str){pos, size}), name))
            return true;
        pos += size + (comma != NULL);
    }
    return false;
}

/* Names of other programs that begin like ours, and of lynex's own tests. */
static bool is_known_other(struct lx_str name)
{
    static const char *const others[] = {"CLICKHOUSE_DB",
                                         "CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT",
                                         "CLICKHOUSE_NATIVE_PORT",
                                         "CLICKHOUSE_TCP_PORT",
                                         "CLICKHOUSE_VERSION",
                                         "CLICKHOUSE_CONFIG",
                                         "CLICKHOUSE_DATA",
                                         "CLICKHOUSE_IMAGE",
                                         "CLICKHOUSE_LOG_LEVEL",
                                         "LYNEX_STEP",
                                         "LYNEX_MUTANT",

                                         "LYNEX_BIN"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (lx_str_is(name, others[i]))
            return true;
    return false;
}

bool lx_config_lookalike(struct lx_str name, const char *listed, const char **nearest)
{
    static const char *const prefixes[] = {"ARCHIVE_", "S3_ARCHIVE_", "CLICKHOUSE_", "LYNEX_"};
    char upper[MAX_NAME];
    *nearest = NULL;
    if (name.len == 0 || name.len > MAX_NAME || lx_setting_find(name) != LX_SETTING_COUNT ||
        is_known_other(name) || is_listed(name, listed))
        return false;
    for (size_t i = 0; i < name.len; i++)
        upper[i] = name.ptr[i] == '-' ? '_' : (char)toupper((unsigned char)name.ptr[i]);
    struct lx_str folded = {upper, name.len};
    /* Short names are near to anything: HTTP, ENV. */
    *nearest = nearest_setting(folded, name.len >= 12 ? 2 : name.len >= 8 ? 1 : 0);
    if (*nearest != NULL)
        return true;
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        if (lx_str_starts(folded, lx_str_of(prefixes[i]))) {
            *nearest = nearest_setting(folded, (unsigned)name.len / 2);
            return true;
        }
    }
    return false;
}

static void to_flag(const char *setting, char *flag, size_t size)
{
    snprintf(flag, size, "--%s", setting);
    for (char *c = flag + 2; *c != 0; c++)
        *c = *c == '_' ? '-' : (char)tolower((unsigned char)*c);
}

bool lx_config_nearest_flag(struct lx_str typed, const char *const *others, char *nearest,
                            size_t size)
{
    unsigned least = 4;
    const char *equals = memchr(typed.ptr, '=', typed.len);
    if (equals != NULL)
        typed.len = (size_t)(equals - typed.ptr);
    for (size_t i = 0; others != NULL && others[i] != NULL; i++) {
        unsigned distance = lx_config_distance(typed, lx_str_of(others[i]), 3);
        if (distance < least) {
            least = distance;
            snprintf(nearest, size, "%s", others[i]);
        }
    }
    for (int i = 0; i < LX_SETTING_COUNT; i++) {
        char flag[MAX_NAME + 8];
        to_flag(lx_setting_info((enum lx_setting)i)->name, flag, sizeof flag);
        unsigned distance = lx_config_distance(typed, lx_str_of(flag), 3);
        if (distance < least) {
            least = distance;
            snprintf(nearest, size, "%s", flag);
        }
    }
    return least < 4;
}
