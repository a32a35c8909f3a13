/* config_table.c: settings.def as tables. */
#include "config/config_private.h"

#include <ctype.h>

/* Choices of each kind, in the order of their constants. */
#define LX_ENUM_BEGIN(name) static const char *const choices_##name[] = {
#define LX_ENUM_VALUE(name, constant, text) text,
#define LX_ENUM_END(name)                                                                          \
    NULL                                                                                           \
    }                                                                                              \
    ;
#include "config/settings.def"

#define CHOICES_TEXT(extra) NULL
#define CHOICES_URL(extra) NULL
#define CHOICES_PATH(extra) NULL
#define CHOICES_SECRET(extra) NULL
#define CHOICES_BOOL(extra) NULL
#define CHOICES_INT(extra) NULL
#define CHOICES_TIME(extra) NULL
#define CHOICES_SIZE(extra) NULL
#define CHOICES_ENUM(extra) choices_##extra

/* Words of the table: units, or what stands for a value. */
#define WORD_DAYS "days"
#define WORD_HOURS "hours"
#define WORD_SECONDS "seconds"
#define WORD_ROWS "rows"
#define WORD_PORT ""
#define WORD_THREADS "threads"
#define WORD_NUMBER ""
#define WORD_MBPS "MB/s"
#define WORD_MIB "MiB"
#define WORD_TRUE_FALSE ""

#define UNIT_TEXT(extra) ""
#define UNIT_URL(extra) ""
#define UNIT_PATH(extra) ""
#define UNIT_SECRET(extra) ""
#define UNIT_BOOL(extra) ""
#define UNIT_INT(extra) WORD_##extra
#define UNIT_TIME(extra) WORD_##extra
#define UNIT_SIZE(extra) WORD_##extra
#define UNIT_ENUM(extra) ""

#define HOLDER_TEXT(extra) extra
#define HOLDER_URL(extra) extra
#define HOLDER_PATH(extra) extra
#define HOLDER_SECRET(extra) extra
#define HOLDER_BOOL(extra) "true|false"
#define HOLDER_INT(extra) "N"
#define HOLDER_TIME(extra) "N"
#define HOLDER_SIZE(extra) "N"
#define HOLDER_ENUM(extra) ""

static const struct lx_setting_info infos[LX_SETTING_COUNT] = {
#define LX_SETTING(kind, field, name, fallback, extra, low, high, group, help, more)               \
    {#name,                                                                                        \
     LX_KIND_##kind,                                                                               \
     LX_GROUP_##group,                                                                             \
     fallback,                                                                                     \
     UNIT_##kind(extra),                                                                           \
     HOLDER_##kind(extra),                                                                         \
     CHOICES_##kind(extra),                                                                        \
     low,                                                                                          \
     high,                                                                                         \
     help,                                                                                         \
     more},
#include "config/settings.def"
};

const struct lx_setting_info *lx_setting_info(enum lx_setting setting)
{
    return (unsigned)setting < LX_SETTING_COUNT ? &infos[setting] : NULL;
}

const char *lx_setting_group_title(enum lx_setting_group group)
{
    static const char *const titles[] = {
#define LX_GROUP(name, title) title,
#include "config/settings.def"
    };
    return (unsigned)group < LX_GROUP_COUNT ? titles[group] : "";
}

enum lx_setting lx_setting_find(struct lx_str name)
{
    for (int i = 0; i < LX_SETTING_COUNT; i++)
        if (lx_str_is(name, infos[i].name))
            return (enum lx_setting)i;
    return LX_SETTING_COUNT;
}

enum lx_status lx_setting_flag(enum lx_setting setting, struct lx_buf *text)
{
    LX_TRY(lx_buf_text(text, "--"));
    for (const char *c = infos[setting].name; *c != 0; c++)
        LX_TRY(lx_buf_byte(text, *c == '_' ? '-' : (uint8_t)tolower((unsigned char)*c)));
    return lx_buf_text(text, "");
}
