/* config_value.c: the text of a value into its field. */
#include "config/config_private.h"

#include "base/limits.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>

static bool same_word(struct lx_str text, const char *word)
{
    size_t size = strlen(word);
    if (text.len != size)
        return false;
    for (size_t i = 0; i < size; i++)
        if (tolower((unsigned char)text.ptr[i]) != tolower((unsigned char)word[i]))
            return false;
    return true;
}

static const size_t offsets[LX_SETTING_COUNT] = {
#define LX_SETTING(kind, field, name, fallback, extra, low, high, group, help, more)               \
    offsetof(struct lx_config, field),
#include "config/settings.def"
};

static void *field_of(struct lx_config *config, enum lx_setting setting)
{
    return (char *)config + offsets[setting];
}

/* -- numbers ------------------------------------------------------------------------------- */

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit times[] = {
    {"s", 1},        {"sec", 1},     {"second", 1},   {"seconds", 1},  {"m", 60},
    {"min", 60},     {"minute", 60}, {"minutes", 60}, {"h", 3600},     {"hour", 3600},
    {"hours", 3600}, {"d", 86400},   {"day", 86400},  {"days", 86400}, {NULL, 0}};
static const struct unit sizes[] = {
    {"k", 1 << 10},   {"kb", 1 << 10}, {"kib", 1 << 10}, {"m", 1 << 20},   {"mb", 1 << 20},
    {"mib", 1 << 20}, {"g", 1 << 30},  {"gb", 1 << 30},  {"gib", 1 << 30}, {NULL, 0}};
static const struct unit days[] = {{"d", 1}, {"day", 1}, {"days", 1}, {NULL, 0}};
static const struct unit none[] = {{NULL, 0}};

/* "30", "30d", "30 days": a number and, may be, a unit. */
static bool read_number(struct lx_str text, const struct unit *units, int64_t plain, int64_t *value)
{
    size_t digits = 0;
    int64_t number, factor = plain;
    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
        digits++;
    if (!lx_str_to_i64((struct lx_str){text.ptr, digits}, &number))
        return false;
    struct lx_str unit = lx_str_trim((struct lx_str){text.ptr + digits, text.len - digits});
    if (unit.len != 0) {
        while (units->name != NULL && !same_word(unit, units->name))
            units++;
        if (units->name == NULL)
            return false;
        factor = units->factor;
    }
    return !__builtin_mul_overflow(number, factor, value);
}

static enum lx_status wrong_number(const struct lx_setting_info *info, const char *text,
                                   const char *examples, struct lx_err *err)
{
    lx_err_set(err, LX_E_ARGUMENT, "%s=%s is not a whole number%s%s", info->name, text,
               info->unit[0] != 0 ? " of " : "", info->unit);
    lx_err_hint(err, "write for example %s=%s", info->name, examples);
    return LX_E_ARGUMENT;
}

static enum lx_status out_of_range(const struct lx_setting_info *info, const char *text,
                                   int64_t low, int64_t high, const char *unit, struct lx_err *err)
{
    lx_err_set(err, LX_E_ARGUMENT, "%s=%s is out of range: %lld to %lld%s%s", info->name, text,
               (long long)low, (long long)high, unit[0] != 0 ? " " : "", unit);
    return LX_E_ARGUMENT;
}

/* "90 seconds", "1 day": in the largest unit that gives a whole number. */
static void write_time(int64_t seconds, char *text, size_t size)
{
    static const struct unit units[] = {{"day", 86400}, {"hour", 3600}, {"minute", 60}};
    struct unit unit = {"second", 1};
    for (size_t i = 0; i < sizeof units / sizeof units[0] && unit.factor == 1; i++)
        if (seconds % units[i].factor == 0)
            unit = units[i];
    int64_t number = seconds / unit.factor;
    snprintf(text, size, "%lld %s%s", (long long)number, unit.name, number == 1 ? "" : "s");
}

static int64_t plain_factor(const struct lx_setting_info *info)
{
    return strcmp(info->unit, "hours") == 0 ? 3600 : strcmp(info->unit, "days") == 0 ? 86400 : 1;
}

static enum lx_status read_int(const struct lx_setting_info *info, const char *text, int64_t *value,
                               struct lx_err *err)
{
    struct lx_str view = lx_str_of(text);
    bool is_days = strcmp(info->unit, "days") == 0;
    if (!read_number(view, is_days ? days : none, 1, value))
        return wrong_number(info, text,
                            is_days                  ? "30"
                            : info->fallback[0] != 0 ? info->fallback
                                                     : "10000",
                            err);
    if (*value < info->low || *value > info->high)
        return out_of_range(info, text, info->low, info->high, info->unit, err);
    return LX_OK;
}

static enum lx_status read_time(const struct lx_setting_info *info, const char *text,
                                int64_t *value, struct lx_err *err)
{
    if (!read_number(lx_str_of(text), times, plain_factor(info), value))
        return wrong_number(info, text, "24h", err);
    if (*value >= info->low && *value <= info->high)
        return LX_OK;
    char low[32], high[32];
    write_time(info->low, low, sizeof low);
    write_time(info->high, high, sizeof high);
    return lx_err_set(err, LX_E_ARGUMENT, "%s=%s is out of range: %s to %s", info->name, text, low,
                      high);
}

static enum lx_status read_size(const struct lx_setting_info *info, const char *text,
                                int64_t *value, struct lx_err *err)
{
    int64_t mib = (int64_t)LX_MIB;
    if (!read_number(lx_str_of(text), sizes, mib, value))
        return wrong_number(info, text, "256M", err);
    if (*value < info->low * mib || *value > info->high * mib)
        return out_of_range(info, text, info->low, info->high, "MiB", err);
    return LX_OK;
}

/* -- others -------------------------------------------------------------------------------- */

static enum lx_status read_bool(const struct lx_setting_info *info, const char *text, bool *value,
                                struct lx_err *err)
{
    static const char *const yes[] = {"true", "1", "yes", "on", "y", "t"};
    static const char *const no[] = {"false", "0", "no", "off", "n", "f"};
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        if (same_word(lx_str_of(text), yes[i]) || same_word(lx_str_of(text), no[i])) {
            *value = same_word(lx_str_of(text), yes[i]);
            return LX_OK;
        }
    }
    lx_err_set(err, LX_E_ARGUMENT, "%s=%s is neither yes nor no", info->name, text);
    lx_err_hint(err, "write %s=true or %s=false", info->name, info->name);
    return LX_E_ARGUMENT;
}

static enum lx_status read_choice(const struct lx_setting_info *info, const char *text, int *value,
                                  struct lx_err *err)
{
    /* Words of other programs that share LOG_LEVEL. */
    static const char *const words[][2] = {
        {"warn", "warning"}, {"trace", "debug"}, {"critical", "error"}, {"fatal", "error"}};
    char all[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(info->name, "LOG_LEVEL") == 0 && same_word(lx_str_of(text), words[i][0]))
            text = words[i][1];
    for (int i = 0; info->choices[i] != NULL; i++) {
        if (same_word(lx_str_of(text), info->choices[i])) {
            *value = i;
            return LX_OK;
        }
        int more =
            snprintf(all + used, sizeof all - used, "%s%s", i > 0 ? ", " : "", info->choices[i]);
        used += more > 0 && (size_t)more < sizeof all - used ? (size_t)more : 0;
    }
    lx_err_set(err, LX_E_ARGUMENT, "%s=%s is none of: %s", info->name, text, all);
    return LX_E_ARGUMENT;
}

enum lx_status lx_config_read_value(struct lx_config *config, enum lx_setting setting,
                                    const char *text, struct lx_err *err)
{
    const struct lx_setting_info *info = lx_setting_info(setting);
    void *field = field_of(config, setting);
    int64_t number = 0;
    bool flag = false;
    int choice = 0;
    enum lx_status status = LX_OK;
    switch (info->kind) {
    case LX_KIND_TEXT:
    case LX_KIND_URL:
    case LX_KIND_PATH:
    case LX_KIND_SECRET: memcpy(field, &text, sizeof text); return LX_OK;
    case LX_KIND_BOOL: status = read_bool(info, text, &flag, err); break;
    case LX_KIND_ENUM: status = read_choice(info, text, &choice, err); break;
    case LX_KIND_INT: status = text[0] != 0 ? read_int(info, text, &number, err) : LX_OK; break;
    case LX_KIND_TIME: status = text[0] != 0 ? read_time(info, text, &number, err) : LX_OK; break;
    case LX_KIND_SIZE: status = text[0] != 0 ? read_size(info, text, &number, err) : LX_OK; break;
    }
    if (status != LX_OK)
        return status;
    if (info->kind == LX_KIND_BOOL)
        memcpy(field, &flag, sizeof flag);
    else if (info->kind == LX_KIND_ENUM)
        memcpy(field, &choice, sizeof choice); /* all enums of the table are ints */
    else
        memcpy(field, &number, sizeof number);
    return LX_OK;
}

_Static_assert(sizeof(enum lx_set_mode) == sizeof(int), "enums of settings are read as ints");
