/* config_show.c: settings for people: the table of values, help, reference, example file, man page.
 */
#include "config/config_private.h"

#include "base/limits.h"

#include <ctype.h>
#include <stdio.h>

#define HELP_COLUMNS 98

/* -- one value ----------------------------------------------------------------------------- */

enum lx_status lx_config_origin_text(const struct lx_config *config, enum lx_setting setting,
                                     struct lx_buf *text)
{
    const struct lx_config_entry *entry = &config->entries[setting];
    switch (entry->origin) {
    case LX_ORIGIN_FLAG: return lx_buf_text(text, "flag");
    case LX_ORIGIN_ENVIRONMENT: return lx_buf_text(text, "environment");
    case LX_ORIGIN_FILE: return lx_buf_printf(text, "%s:%d", entry->file, entry->line);
    case LX_ORIGIN_DEFAULT: break;
    }
    return lx_buf_text(text, "default");
}

static size_t characters(const char *text)
{
    size_t count = 0;
    for (; *text != 0; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

/* "https://user:secret@host" -> "https://user:***@host"; several URLs may stand in one value. */
static enum lx_status show_url(const char *value, struct lx_buf *text)
{
    struct lx_str rest = lx_str_of(value);
    while (rest.len > 0) {
        const char *scheme = memmem(rest.ptr, rest.len, "://", 3);
        if (scheme == NULL)
            return lx_buf_str(text, rest);
        const char *start = scheme + 3, *end = rest.ptr + rest.len;
        const char *stop = start;
        while (stop < end && *stop != ',')
            stop++;
        const char *at = memrchr(start, '@', (size_t)(stop - start));
        const char *colon = at != NULL ? memchr(start, ':', (size_t)(at - start)) : NULL;
        if (colon == NULL) {
            LX_TRY(lx_buf_append(text, rest.ptr, (size_t)(stop - rest.ptr)));
        } else {
            LX_TRY(lx_buf_append(text, rest.ptr, (size_t)(colon + 1 - rest.ptr)));
            LX_TRY(lx_buf_text(text, "***"));
            LX_TRY(lx_buf_append(text, at, (size_t)(stop - at)));
        }
        rest = (struct lx_str){stop, (size_t)(end - stop)};
        if (rest.len > 0) {
            LX_TRY(lx_buf_byte(text, ','));
            rest = (struct lx_str){rest.ptr + 1, rest.len - 1};
        }
    }
    return lx_buf_text(text, "");
}

enum lx_status lx_config_shown(const struct lx_config *config, enum lx_setting setting,
                               struct lx_buf *text)
{
    const char *value = config->entries[setting].value;
    switch (lx_setting_info(setting)->kind) {
    case LX_KIND_SECRET:
        return value[0] != 0 ? lx_buf_printf(text, "(set, %zu characters)", characters(value))
                             : lx_buf_text(text, "");
    case LX_KIND_URL: return show_url(value, text);
    default: return lx_buf_text(text, value);
    }
}

/* -- the table of values ------------------------------------------------------------------- */

static enum lx_status pad(struct lx_buf *text, size_t count)
{
    for (size_t i = 0; i < count; i++)
        LX_TRY(lx_buf_byte(text, ' '));
    return LX_OK;
}

static enum lx_status print_row(const struct lx_config *config, enum lx_setting setting,
                                struct lx_buf *text)
{
    const struct lx_setting_info *info = lx_setting_info(setting);
    struct lx_buf shown = LX_BUF(LX_CONFIG_MAX_VALUE);
    bool plain_unit = false;
    size_t width = strlen(info->name);
    enum lx_status status = lx_buf_printf(text, "  %s", info->name);
    if (status == LX_OK)
        status = pad(text, width < 28 ? 28 - width : 1);
    if (status == LX_OK)
        status = lx_config_shown(config, setting, &shown);
    if (status == LX_OK && info->unit[0] != 0 && shown.len > 0)
        plain_unit = isdigit((unsigned char)shown.data[shown.len - 1]) != 0;
    if (status == LX_OK)
        status = lx_buf_printf(text, " %s%s%s", shown.len > 0 ? lx_buf_cstr(&shown) : "-",
                               plain_unit ? " " : "", plain_unit ? info->unit : "");
    width = characters(shown.len > 0 ? lx_buf_cstr(&shown) : "-") +
            (plain_unit ? strlen(info->unit) + 1 : 0);
    if (status == LX_OK)
        status = pad(text, width < 32 ? 32 - width : 2);
    if (status == LX_OK)
        status = lx_config_origin_text(config, setting, text);
    if (status == LX_OK)
        status = lx_buf_text(text, "\n");
    lx_buf_free(&shown);
    return status;
}

enum lx_status lx_config_print(const struct lx_config *config, bool only_set, struct lx_buf *text)
{
    bool any = false;
    for (int group = 0; group < LX_GROUP_COUNT; group++) {
        bool titled = false;
        for (int i = 0; i < LX_SETTING_COUNT; i++) {
            if (lx_setting_info((enum lx_setting)i)->group != (enum lx_setting_group)group ||
                (only_set && config->entries[i].origin == LX_ORIGIN_DEFAULT))
                continue;
            if (!titled)
                LX_TRY(lx_buf_printf(text, "%s%s\n", any ? "\n" : "",
                                     lx_setting_group_title((enum lx_setting_group)group)));
            titled = any = true;
            LX_TRY(print_row(config, (enum lx_setting)i, text));
        }
    }
    return any ? LX_OK : lx_buf_text(text, "every setting has its default\n");
}

/* -- reference ----------------------------------------------------------------------------- */

/* What may stand behind the name: "N", "live|soak", "DIR". */
static enum lx_status put_holder(const struct lx_setting_info *info, struct lx_buf *text)
{
    if (info->choices == NULL)
        return lx_buf_text(text, info->placeholder);
    for (size_t i = 0; info->choices[i] != NULL; i++)
        LX_TRY(lx_buf_printf(text, "%s%s", i > 0 ? "|" : "", info->choices[i]));
    return LX_OK;
}

/* Words of `source` in lines of at most HELP_COLUMNS, each indented. */
static enum lx_status put_wrapped(struct lx_buf *text, const char *source, const char *indent,
                                  size_t columns)
{
    size_t column = 0;
    while (*source != 0) {
        size_t size = strcspn(source, " ");
        size_t width = 0;
        for (size_t i = 0; i < size; i++)
            width += ((unsigned char)source[i] & 0xc0) != 0x80;
        if (column != 0 && column + 1 + width > columns) {
            LX_TRY(lx_buf_text(text, "\n"));
            column = 0;
        }
        LX_TRY(lx_buf_text(text, column == 0 ? indent : " "));
        column = column == 0 ? strlen(indent) + width : column + 1 + width;
        LX_TRY(lx_buf_append(text, source, size));
        source += size;
        while (*source == ' ')
            source++;
    }
    return column != 0 ? lx_buf_text(text, "\n") : LX_OK;
}

/* Calls `put` for each setting, in groups, with `title` before each group. */
static enum lx_status each_setting(struct lx_buf *text,
                                   enum lx_status (*title)(const char *, struct lx_buf *),
                                   enum lx_status (*put)(enum lx_setting, struct lx_buf *))
{
    for (int group = 0; group < LX_GROUP_COUNT; group++) {
        LX_TRY(title(lx_setting_group_title((enum lx_setting_group)group), text));
        for (int i = 0; i < LX_SETTING_COUNT; i++)
            if (lx_setting_info((enum lx_setting)i)->group == (enum lx_setting_group)group)
                LX_TRY(put((enum lx_setting)i, text));
    }
    return LX_OK;
}

static enum lx_status help_title(const char *title, struct lx_buf *text)
{
    return lx_buf_printf(text, "\n%s\n", title);
}

static enum lx_status help_setting(enum lx_setting setting, struct lx_buf *text)
{
    const struct lx_setting_info *info = lx_setting_info(setting);
    struct lx_buf line = LX_BUF(LX_CONFIG_MAX_VALUE);
    enum lx_status status = lx_buf_text(text, "  ");
    if (status == LX_OK)
        status = lx_setting_flag(setting, text);
    if (status == LX_OK)
        status = lx_buf_text(text, " ");
    if (status == LX_OK)
        status = put_holder(info, text);
    if (status == LX_OK)
        status = lx_buf_text(text, "\n");
    if (status == LX_OK)
        status = info->fallback[0] != 0
                     ? lx_buf_printf(&line, "%s (%s)", info->help, info->fallback)
                     : lx_buf_text(&line, info->help);
    if (status == LX_OK)
        status = put_wrapped(text, lx_buf_cstr(&line), "        ", HELP_COLUMNS);
    lx_buf_free(&line);
    return status;
}

enum lx_status lx_config_help(struct lx_buf *text)
{
    LX_TRY(lx_buf_text(text,
                       "Every setting is a flag, a variable of the environment "
                       "(ARCHIVE_AFTER_DAYS for --archive-after-days)\nand a line of .env; the "
                       "first of these wins. A yes/no setting is also --no-… . Defaults in "
                       "parentheses.\n"));
    return each_setting(text, help_title, help_setting);
}

static enum lx_status markdown_title(const char *title, struct lx_buf *text)
{
    return lx_buf_printf(text, "\n## %s\n", title);
}

static enum lx_status put_range(const struct lx_setting_info *info, const char *separator,
                                struct lx_buf *text)
{
    if (info->kind != LX_KIND_INT && info->kind != LX_KIND_TIME && info->kind != LX_KIND_SIZE)
        return LX_OK;
    const char *unit = info->kind == LX_KIND_TIME ? "seconds" : info->unit;
    if (info->high == INT64_MAX)
        return lx_buf_printf(text, "%sat least %lld %s", separator, (long long)info->low, unit);
    return lx_buf_printf(text, "%s%lld to %lld%s%s", separator, (long long)info->low,
                         (long long)info->high, unit[0] != 0 ? " " : "", unit);
}

static enum lx_status markdown_setting(enum lx_setting setting, struct lx_buf *text)
{
    const struct lx_setting_info *info = lx_setting_info(setting);
    LX_TRY(lx_buf_printf(text, "\n### %s\n\n`", info->name));
    LX_TRY(lx_setting_flag(setting, text));
    LX_TRY(lx_buf_text(text, " "));
    LX_TRY(put_holder(info, text));
    LX_TRY(info->fallback[0] != 0 ? lx_buf_printf(text, "`, default `%s`", info->fallback)
                                  : lx_buf_text(text, "`, not set by default"));
    LX_TRY(put_range(info, "; ", text));
    LX_TRY(lx_buf_text(text, "\n\n"));
    char first = (char)toupper((unsigned char)info->help[0]);
    LX_TRY(lx_buf_printf(text, "%c%s.%s%s\n", first, info->help + 1, info->more[0] != 0 ? " " : "",
                         info->more));
    return LX_OK;
}

enum lx_status lx_config_markdown(struct lx_buf *text)
{
    LX_TRY(lx_buf_text(
        text,
        "# Settings\n\n"
        "Made by `lynex config --markdown` from `src/config/settings.def`.\n\n"
        "A setting is looked for in this order, the first wins: a flag, the environment, `.env`, "
        "the\n"
        "default. Without `--env-file FILE` (repeatable, a later one wins), the nearest `.env` in "
        "the\n"
        "working directory or up to five directories above it is read. An empty value counts as "
        "not\n"
        "set. A name that looks like one of these but is none stops the start: a misspelt\n"
        "`DELETE_AFTER_ARCHVE=false` must not delete.\n\n"
        "A `.env` line is `NAME=value`; blanks around `=` do not count, `export` may stand in "
        "front,\n"
        "` # text` behind a value is a comment, values may stand in single or double quotes, and\n"
        "`${NAME}` and `${NAME:-text}` are replaced outside of single quotes.\n"));
    return each_setting(text, markdown_title, markdown_setting);
}

static enum lx_status example_title(const char *title, struct lx_buf *text)
{
    return lx_buf_printf(text, "\n# == %s\n", title);
}

static enum lx_status example_setting(enum lx_setting setting, struct lx_buf *text)
{
    const struct lx_setting_info *info = lx_setting_info(setting);
    struct lx_buf line = LX_BUF(LX_CONFIG_MAX_VALUE);
    enum lx_status status = lx_buf_printf(&line, "%s", info->help);
    if (status == LX_OK && info->choices == NULL)
        status = put_range(info, "; ", &line);
    if (status == LX_OK)
        status = lx_buf_text(text, "\n");
    if (status == LX_OK)
        status = put_wrapped(text, lx_buf_cstr(&line), "# ", HELP_COLUMNS);
    if (status == LX_OK)
        status = lx_buf_printf(text, "#%s=%s\n", info->name, info->fallback);
    lx_buf_free(&line);
    return status;
}

enum lx_status lx_config_env_example(struct lx_buf *text)
{
    LX_TRY(lx_buf_text(text,
                       "# Settings of lynex: copy to .env, remove the # in front of what you set.\n"
                       "# Each stands with its default; docs/settings.md says more.\n"
                       "# Made by `lynex config --env-example`.\n"));
    return each_setting(text, example_title, example_setting);
}

/* -- manual page --------------------------------------------------------------------------- */

/* Text for roff: backslashes and leading dots escaped, hyphens kept as they are typed. */
static enum lx_status put_roff(struct lx_buf *text, const char *source)
{
    if (*source == '.' || *source == '\'')
        LX_TRY(lx_buf_text(text, "\\&"));
    for (; *source != 0; source++) {
        if (*source == '\\')
            LX_TRY(lx_buf_text(text, "\\e"));
        else if (*source == '-')
            LX_TRY(lx_buf_text(text, "\\-"));
        else
            LX_TRY(lx_buf_byte(text, (uint8_t)*source));
    }
    return LX_OK;
}

static enum lx_status man_title(const char *title, struct lx_buf *text)
{
    LX_TRY(lx_buf_text(text, ".SS "));
    LX_TRY(put_roff(text, title));
    return lx_buf_text(text, "\n");
}

static enum lx_status man_setting(enum lx_setting setting, struct lx_buf *text)
{
    const struct lx_setting_info *info = lx_setting_info(setting);
    struct lx_buf holder = LX_BUF(LX_CONFIG_MAX_VALUE);
    enum lx_status status = put_holder(info, &holder);
    if (status == LX_OK)
        status = lx_buf_printf(text, ".TP\n.B %s\n", info->name);
    if (status == LX_OK)
        status = put_roff(text, lx_buf_cstr(&holder));
    if (status == LX_OK)
        status = lx_buf_text(text, holder.len > 0 ? ": " : "");
    if (status == LX_OK)
        status = put_roff(text, info->help);
    if (status == LX_OK)
        status = lx_buf_text(text, ". ");
    if (status == LX_OK)
        status = put_roff(text, info->more);
    if (status == LX_OK && info->fallback[0] != 0)
        status = lx_buf_printf(text, "\nDefault: %s.", info->fallback);
    if (status == LX_OK)
        status = lx_buf_text(text, "\n");
    lx_buf_free(&holder);
    return status;
}

enum lx_status lx_config_man(struct lx_buf *text)
{
    LX_TRY(lx_buf_text(text, ".SH SETTINGS\n"));
    return each_setting(text, man_title, man_setting);
}
