#include "clickhouse/ch_settings.h"

#include <stdio.h>

const struct lx_ch_pinned lx_ch_pinned[LX_CH_PIN_COUNT] = {
#define LX_CH_PIN(name, value, major, minor, why) {#name, value, major, minor},
#include "clickhouse/settings_pinned.def"
#undef LX_CH_PIN
};

unsigned lx_ch_version_number(struct lx_str text)
{
    unsigned parts[2] = {0, 0}, part = 0;
    bool digits = false;
    for (size_t i = 0; i < text.len && part < 2; i++) {
        char c = text.ptr[i];
        if (c >= '0' && c <= '9' && parts[part] < 1000) {
            parts[part] = parts[part] * 10 + (unsigned)(c - '0');
            digits = true;
        } else if (c == '.' && digits) {
            part++;
            digits = false;
        } else {
            break;
        }
    }
    return part >= 1 && parts[1] < 100 ? parts[0] * 100 + parts[1] : 0;
}

static bool has_name(const struct lx_ch_setting *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].name, name) == 0)
            return true;
    return false;
}

static bool is_refused(const struct lx_ch_dialect *dialect, const struct lx_ch_setting *wish)
{
    char text[sizeof dialect->refused[0]];
    snprintf(text, sizeof text, "%s=%s", wish->name, wish->value);
    for (size_t i = 0; i < dialect->refused_count; i++)
        if (strcmp(dialect->refused[i], text) == 0)
            return true;
    return false;
}

bool lx_ch_settings_refuse(struct lx_ch_dialect *dialect, const struct lx_ch_setting *wish)
{
    if (dialect->refused_count == LX_CH_MAX_REFUSED)
        return false;
    snprintf(dialect->refused[dialect->refused_count++], sizeof dialect->refused[0], "%s=%s",
             wish->name, wish->value);
    return true;
}

size_t lx_ch_settings_merge(const struct lx_ch_dialect *dialect, const struct lx_ch_query *query,
                            const struct lx_ch_setting *usual, size_t usual_count,
                            struct lx_ch_setting *list, size_t *wishes)
{
    size_t count = 0;
    for (size_t i = 0; i < LX_CH_PIN_COUNT && !query->no_pinned; i++) {
        const struct lx_ch_pinned *pin = &lx_ch_pinned[i];
        bool newer = dialect->version != 0 && pin->major * 100 + pin->minor > dialect->version;
        if (!newer && !dialect->unknown[i] &&
            !has_name(query->settings, query->setting_count, pin->name))
            list[count++] = (struct lx_ch_setting){pin->name, pin->value};
    }
    for (size_t i = 0; i < query->setting_count; i++)
        list[count++] = query->settings[i];
    size_t needed = count;
    for (size_t i = 0; i < query->wish_count; i++)
        if (!is_refused(dialect, &query->wishes[i]))
            list[count++] = query->wishes[i];
    for (size_t i = 0; i < usual_count && !query->no_pinned; i++)
        if (!is_refused(dialect, &usual[i]) &&
            !has_name(query->settings, query->setting_count, usual[i].name) &&
            !has_name(query->wishes, query->wish_count, usual[i].name))
            list[count++] = usual[i];
    *wishes = count - needed;
    return count;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool has_word(struct lx_str text, struct lx_str word)
{
    for (size_t i = 0; i + word.len <= text.len; i++) {
        bool starts = i == 0 || !is_word(text.ptr[i - 1]);
        if (starts && memcmp(text.ptr + i, word.ptr, word.len) == 0 &&
            (i + word.len == text.len || !is_word(text.ptr[i + word.len])))
            return true;
    }
    return false;
}

/* "limit" and "offset" are also plain words: names in quotes are looked for first. */
static bool has_quoted(struct lx_str text, struct lx_str name)
{
    for (size_t i = 1; i + name.len < text.len; i++)
        if (text.ptr[i - 1] == '\'' && text.ptr[i + name.len] == '\'' &&
            memcmp(text.ptr + i, name.ptr, name.len) == 0)
            return true;
    return false;
}

const char *lx_ch_settings_named_in(const struct lx_ch_setting *list, size_t count,
                                    struct lx_str text)
{
    for (size_t i = 0; i < count; i++)
        if (has_quoted(text, lx_str_of(list[i].name)))
            return list[i].name;
    for (size_t i = 0; i < count; i++)
        if (has_word(text, lx_str_of(list[i].name)))
            return list[i].name;
    return NULL;
}

size_t lx_ch_pinned_find(const char *name)
{
    size_t i = 0;
    while (i < LX_CH_PIN_COUNT && strcmp(lx_ch_pinned[i].name, name) != 0)
        i++;
    return i;
}
