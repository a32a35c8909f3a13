/* config.h: the settings of a run: where they come from, what they are, how they are shown.
 *
 * Every setting is one row of settings.def. A value is looked for in this order, the first wins:
 *   1. a flag: ARCHIVE_AFTER_DAYS is --archive-after-days 30 or --archive-after-days=30; a yes/no
 *      setting also --delete-after-archive and --no-delete-after-archive
 *   2. the environment
 *   3. files: each --env-file F (repeatable, a later one wins); without any, the nearest `.env` in
 *      the working directory or up to LX_CONFIG_LEVELS directories above it
 *   4. the default
 * An empty value counts as not set, everywhere.
 *
 * Values: yes/no = true false 1 0 yes no on off, any case. Whole numbers without sign or separator;
 * the unit may follow ("30d", "30 days", "90m", "512M"). Choices in any case. What is out of range
 * is an error that says the range.
 *
 * Names that others use are left alone. A name that looks like ours but is not (a prefix of ours,
 * or one or two letters off) is an error that names the nearest, in files, environment and flags:
 * a misspelt DELETE_AFTER_ARCHVE=false must not delete. LYNEX_IGNORE is the way out.
 *
 * The file format is described at lx_config_read_file below.
 *
 * Errors: LX_E_ARGUMENT (text names the setting and where it was set, hint what to do),
 * LX_E_NOTFOUND, LX_E_ACCESS, LX_E_IO for files, LX_E_MEMORY.
 * Threads: loading asks nothing global but the file system; a loaded configuration is only read. */
#ifndef LX_CONFIG_CONFIG_H
#define LX_CONFIG_CONFIG_H

#include "base/buf.h"
#include "base/err.h"

/* -- the table ----------------------------------------------------------------------------- */

#define LX_ENUM_BEGIN(name)                                                                        \
    enum lx_set_##name                                                                             \
    {
#define LX_ENUM_VALUE(name, constant, text) LX_SET_##constant,
#define LX_ENUM_END(name)                                                                          \
    }                                                                                              \
    ;
#include "config/settings.def"

/* LX_SETTING_ARCHIVE_AFTER_DAYS, … */
enum lx_setting {
#define LX_SETTING(kind, field, name, fallback, extra, low, high, group, help, more)               \
    LX_SETTING_##name,
#include "config/settings.def"
    LX_SETTING_COUNT
};

enum lx_setting_group {
#define LX_GROUP(name, title) LX_GROUP_##name,
#include "config/settings.def"
    LX_GROUP_COUNT
};

enum lx_setting_kind {
    LX_KIND_TEXT,
    LX_KIND_URL,
    LX_KIND_PATH,
    LX_KIND_SECRET,
    LX_KIND_BOOL,
    LX_KIND_INT,
    LX_KIND_TIME,
    LX_KIND_SIZE,
    LX_KIND_ENUM
};

/* What the table says of one setting; all texts static. */
struct lx_setting_info {
    const char *name; /* "ARCHIVE_AFTER_DAYS" */
    enum lx_setting_kind kind;
    enum lx_setting_group group;
    const char *fallback;       /* the default as text; "": unset */
    const char *unit;           /* numbers: "days", "MiB", …; else "" */
    const char *placeholder;    /* stands for the value in help texts: "DIR", "30" */
    const char *const *choices; /* ENUM: NULL-terminated; else NULL */
    int64_t low, high;          /* numbers; SIZE in MiB, TIME in seconds */
    const char *help, *more;    /* more may be "" */
};

/* NULL outside the table. */
const struct lx_setting_info *lx_setting_info(enum lx_setting setting);
const char *lx_setting_group_title(enum lx_setting_group group);
/* The setting of this name; LX_SETTING_COUNT where there is none. */
enum lx_setting lx_setting_find(struct lx_str name);
/* "--archive-after-days" */
LX_MUST_CHECK enum lx_status lx_setting_flag(enum lx_setting setting, struct lx_buf *text);

/* -- loading ------------------------------------------------------------------------------- */

#define LX_CONFIG_LEVELS 5        /* directories above the working one that are searched */
#define LX_CONFIG_MAX_FILES 16    /* --env-file */
#define LX_CONFIG_MAX_FILE LX_MIB /* bytes of one file */
#define LX_CONFIG_MAX_VALUE (64 * LX_KIB)
#define LX_CONFIG_MAX_NAMES 10000 /* assignments in all files */
#define LX_CONFIG_MAX_SERVERS 64  /* in CLICKHOUSE_URL */

enum lx_origin { LX_ORIGIN_DEFAULT, LX_ORIGIN_FILE, LX_ORIGIN_ENVIRONMENT, LX_ORIGIN_FLAG };

/* The value of one setting as text, and where it came from. */
struct lx_config_entry {
    const char *value; /* never NULL; "" when unset */
    enum lx_origin origin;
    const char *file; /* LX_ORIGIN_FILE, else NULL */
    int line;
};

/* Where the archive lies, from ARCHIVE_URL or the S3_ARCHIVE_ settings. */
struct lx_config_target {
    bool is_directory;
    const char *directory;     /* "/var/archive"; "" for S3 */
    const char *bucket;        /* "" for a directory */
    const char *root;          /* "" or "a/b", without '/' at either end */
    const char *prefix;        /* "events": not empty, without '/' at either end */
    const char *region;        /* AWS_REGION, else AWS_DEFAULT_REGION, else "": ask the profile */
    const char *endpoint;      /* AWS_ENDPOINT_URL_S3, else AWS_ENDPOINT_URL, else "": Amazon */
    const char *storage_class; /* "" for "none" */
};

/* One ClickHouse, from CLICKHOUSE_URL or the settings of host and port. */
struct lx_config_server {
    const char *url; /* "http://host:8123", "embedded:///dir": no user, no path */
    const char *user, *password, *database;
};

struct lx_config {
    /* One field a setting, in the units of settings.def: config->after_days. Texts are never
     * NULL. */
#define LX_FIELD_TEXT(field, extra) const char *field;
#define LX_FIELD_URL(field, extra) const char *field;
#define LX_FIELD_PATH(field, extra) const char *field;
#define LX_FIELD_SECRET(field, extra) const char *field;
#define LX_FIELD_BOOL(field, extra) bool field;
#define LX_FIELD_INT(field, extra) int64_t field;
#define LX_FIELD_TIME(field, extra) int64_t field;
#define LX_FIELD_SIZE(field, extra) int64_t field;
#define LX_FIELD_ENUM(field, extra) enum lx_set_##extra field;
#define LX_SETTING(kind, field, name, fallback, extra, low, high, group, help, more)               \
    LX_FIELD_##kind(field, extra)
#include "config/settings.def"

    struct lx_config_entry entries[LX_SETTING_COUNT];

    struct lx_config_target target;
    struct lx_config_server *servers; /* at least one */
    size_t server_count;

    /* Words for the user, to be said once each, at start. */
    char **notes;
    size_t note_count;
    /* The arguments that are no settings, in order: the command and its own flags. */
    char **args;
    size_t arg_count;
    /* The files that were read, in order. */
    char **files;
    size_t file_count;

    struct lx_config_texts *texts; /* private: owns all texts */
};

struct lx_config_input {
    size_t arg_count;               /* without the program's name */
    const char *const *args;        /* "--" ends the flags; what follows is handed on */
    const char *const *environment; /* NULL-terminated "NAME=value"; NULL: none */
    const char *directory;          /* where the search for .env begins; NULL: no search */
};

/* Reads all, checks all, or fails with the first thing that is wrong. Free with lx_config_free. */
LX_MUST_CHECK enum lx_status lx_config_load(const struct lx_config_input *input,
                                            struct lx_config **config, struct lx_err *err);
void lx_config_free(struct lx_config *config); /* NULL is fine; secrets are erased */
/* Overwrites secrets among the arguments, which `ps` shows to everybody, once they were read: the
 * values of secret flags, and what stands before the '@' of a URL. */
void lx_config_hide_flags(size_t count, char **args);

/* "flag", "environment", ".env:12" (the file's path as found), "default". */
LX_MUST_CHECK enum lx_status lx_config_origin_text(const struct lx_config *config,
                                                   enum lx_setting setting, struct lx_buf *text);
/* The value for people: secrets as "(set, 20 characters)", passwords in URLs as "***". */
LX_MUST_CHECK enum lx_status lx_config_shown(const struct lx_config *config,
                                             enum lx_setting setting, struct lx_buf *text);

/* The flag nearest to what was typed ("--archve-mode" -> "--archive-mode"), among the settings and
 * the NULL-terminated `others` (may be NULL); false where nothing is near. For commands that meet a
 * flag they do not know. */
bool lx_config_nearest_flag(struct lx_str typed, const char *const *others, char *nearest,
                            size_t size);

/* -- showing ------------------------------------------------------------------------------- */

/* A table: name, value, origin; in groups. `only_set`: leave out defaults. */
LX_MUST_CHECK enum lx_status lx_config_print(const struct lx_config *config, bool only_set,
                                             struct lx_buf *text);
/* The settings section of --help, lines of at most 100 columns. */
LX_MUST_CHECK enum lx_status lx_config_help(struct lx_buf *text);
/* docs/settings.md, .env.example, and the SETTINGS section of the man page (roff). */
LX_MUST_CHECK enum lx_status lx_config_markdown(struct lx_buf *text);
LX_MUST_CHECK enum lx_status lx_config_env_example(struct lx_buf *text);
LX_MUST_CHECK enum lx_status lx_config_man(struct lx_buf *text);

/* -- the file format ----------------------------------------------------------------------- */

/* One assignment. */
struct lx_config_assignment {
    const char *name, *value; /* valid during the call */
    int line;                 /* of the name */
    bool undefined;           /* a ${VARIABLE} in it was not set */
};
typedef enum lx_status (*lx_config_visit)(void *context,
                                          const struct lx_config_assignment *assignment,
                                          struct lx_err *err);
/* The value of a variable for ${NAME}; NULL when unset. */
typedef const char *(*lx_config_lookup)(void *context, struct lx_str name);

/* Parses a .env file's text.
 *   NAME=value        blanks around '=' and at both ends do not count; `export ` may stand in front
 *   # comment         at the start of a line, or after a blank behind a value, also an empty one
 *   NAME="a\n${B}"    \n \r \t \\ \" \$ ; other backslashes stay; may go over several lines
 *   NAME='as it is'   only \' and \\ are special; may go over several lines
 *   ${B} ${B:-text}   in unquoted and double-quoted values, once: what comes out is not looked at
 *                     again. $B without braces is text.
 * UTF-8 byte order mark and CRLF are fine. Names: letters, digits, '_', '.', '-'; ours have only
 * the first three. Errors are LX_E_ARGUMENT "FILE:LINE: what". `file` is for texts only. */
LX_MUST_CHECK enum lx_status lx_config_read_file(const char *file, struct lx_str text,
                                                 lx_config_lookup lookup, lx_config_visit visit,
                                                 void *context, struct lx_err *err);

#endif
