/* config_load.c: flags, environment and files, in their order, into one configuration. */
#include "config/config_private.h"

#include "base/alloc.h"
#include "base/limits.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_PATH 4096

/* -- texts --------------------------------------------------------------------------------- */

char *lx_config_keep(struct lx_config *config, const char *text, size_t size)
{
    struct lx_config_texts *texts = config->texts;
    if (texts->count == texts->cap) {
        size_t cap = texts->cap != 0 ? 2 * texts->cap : 64;
        char **list = lx_realloc(texts->list, cap * sizeof *list);
        if (list == NULL)
            return NULL;
        texts->list = list;
        texts->cap = cap;
    }
    char *copy = lx_strndup(size != 0 ? text : "", size);
    if (copy != NULL)
        texts->list[texts->count++] = copy;
    return copy;
}

char *lx_config_keep_buf(struct lx_config *config, const struct lx_buf *text)
{
    return lx_config_keep(config, lx_buf_cstr(text), text->len);
}

static enum lx_status append(char ***list, size_t *count, char *text)
{
    if ((*count & (*count - 1)) == 0) { /* grows at 0, 1, 2, 4, … */
        char **grown = lx_realloc(*list, (*count != 0 ? 2 * *count : 1) * sizeof *grown);
        if (grown == NULL)
            return LX_E_MEMORY;
        *list = grown;
    }
    (*list)[(*count)++] = text;
    return LX_OK;
}

static enum lx_status keep_in(struct lx_config *config, char ***list, size_t *count,
                              struct lx_str text, struct lx_err *err)
{
    char *copy = lx_config_keep(config, text.ptr, text.len);
    if (copy == NULL || append(list, count, copy) != LX_OK)
        return lx_err_memory(err);
    return LX_OK;
}

enum lx_status lx_config_note(struct lx_config *config, struct lx_err *err, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int size = vasprintf(&text, format, args);
    va_end(args);
    if (size < 0)
        return lx_err_memory(err);
    enum lx_status status = keep_in(config, &config->notes, &config->note_count,
                                    (struct lx_str){text, (size_t)size}, err);
    free(text); /* NOLINT: from vasprintf */
    return status;
}

/* -- values, with where they came from ----------------------------------------------------- */

static enum lx_status set_entry(struct lx_config *config, enum lx_setting setting,
                                struct lx_str text, enum lx_origin origin, const char *file,
                                int line, struct lx_err *err)
{
    text = lx_str_trim(text);
    if (text.len == 0)
        return LX_OK; /* counts as not set */
    if (text.len > LX_CONFIG_MAX_VALUE)
        return lx_err_set(err, LX_E_ARGUMENT, "%s is longer than %zu bytes",
                          lx_setting_info(setting)->name, LX_CONFIG_MAX_VALUE);
    char *copy = lx_config_keep(config, text.ptr, text.len);
    if (copy == NULL)
        return lx_err_memory(err);
    config->entries[setting] =
        (struct lx_config_entry){.value = copy, .origin = origin, .file = file, .line = line};
    return LX_OK;
}

static void say_lookalike(struct lx_str name, const char *nearest, struct lx_err *err)
{
    lx_err_set(err, LX_E_ARGUMENT, "there is no setting %.*s", LX_STR_ARG(name));
    if (nearest != NULL)
        lx_err_hint(err,
                    "the nearest is %s; if the name belongs to another program, say so: "
                    "LYNEX_IGNORE=%.*s",
                    nearest, LX_STR_ARG(name));
    else
        lx_err_hint(err,
                    "`lynex help` lists the settings; if the name belongs to another program, "
                    "say so: LYNEX_IGNORE=%.*s",
                    LX_STR_ARG(name));
}

/* -- files --------------------------------------------------------------------------------- */

struct loading {
    struct lx_config *config;
    const struct lx_config_input *input;
    const char *ignore; /* LYNEX_IGNORE, as far as it is known */
    const char *file;   /* being parsed */
    struct lx_buf files[LX_CONFIG_MAX_FILES];
    size_t assignments;  /* in all files */
    struct lx_str *vars; /* what files assigned, for ${NAME}: name, value, name, value, … */
    size_t var_count;
    bool judging; /* the second reading: names and references are looked at */
};

static const char *environment_of(const struct lx_config_input *input, struct lx_str name)
{
    for (size_t i = 0; input->environment != NULL && input->environment[i] != NULL; i++) {
        const char *entry = input->environment[i];
        if (strncmp(entry, name.ptr, name.len) == 0 && entry[name.len] == '=')
            return entry + name.len + 1;
    }
    return NULL;
}

static const char *look_up(void *context, struct lx_str name)
{
    struct loading *loading = context;
    const char *value = environment_of(loading->input, name);
    if (value != NULL && value[0] != 0)
        return value;
    for (size_t i = loading->var_count; i >= 2; i -= 2)
        if (lx_str_equal(loading->vars[i - 2], name))
            return loading->vars[i - 1].ptr;
    return NULL;
}

/* Remembers a file's assignment: later values may refer to it. */
static enum lx_status remember(struct loading *loading, const struct lx_config_assignment *a,
                               struct lx_err *err)
{
    size_t count = loading->var_count;
    if ((count & (count - 1)) == 0) {
        struct lx_str *vars =
            lx_realloc(loading->vars, (count != 0 ? 2 * count : 2) * sizeof *vars);
        if (vars == NULL)
            return lx_err_memory(err);
        loading->vars = vars;
    }
    char *name = lx_config_keep(loading->config, a->name, strlen(a->name));
    char *value = lx_config_keep(loading->config, a->value, strlen(a->value));
    if (name == NULL || value == NULL)
        return lx_err_memory(err);
    loading->vars[count] = lx_str_of(name);
    loading->vars[count + 1] = lx_str_of(value);
    loading->var_count += 2;
    return LX_OK;
}

static enum lx_status visit_assignment(void *context, const struct lx_config_assignment *a,
                                       struct lx_err *err)
{
    struct loading *loading = context;
    struct lx_config *config = loading->config;
    struct lx_str name = lx_str_of(a->name);
    enum lx_setting setting = lx_setting_find(name);
    const char *nearest;
    if (++loading->assignments > LX_CONFIG_MAX_NAMES)
        return lx_err_set(err, LX_E_ARGUMENT, "%s:%d: more than %d settings in the files",
                          loading->file, a->line, LX_CONFIG_MAX_NAMES);
    LX_TRY(remember(loading, a, err));
    if (setting == LX_SETTING_COUNT) {
        if (!loading->judging || a->value[0] == 0 ||
            !lx_config_lookalike(name, loading->ignore, &nearest))
            return LX_OK;
        say_lookalike(name, nearest, err);
        lx_err_context(err, "%s:%d", loading->file, a->line);
        return LX_E_ARGUMENT;
    }
    /* NAME=${NAME} is how texts are handed on where they are set; a number or a choice that comes
     * out empty is a surprise. */
    enum lx_setting_kind kind = lx_setting_info(setting)->kind;
    bool is_text = kind == LX_KIND_TEXT || kind == LX_KIND_URL || kind == LX_KIND_PATH ||
                   kind == LX_KIND_SECRET;
    if (a->undefined && loading->judging && (a->value[0] != 0 || !is_text))
        LX_TRY(lx_config_note(config, err, "%s:%d: %s refers to a variable that is not set",
                              loading->file, a->line, a->name));
    return set_entry(config, setting, lx_str_of(a->value), LX_ORIGIN_FILE, loading->file, a->line,
                     err);
}

static enum lx_status read_whole(const char *path, int fd, struct lx_buf *text, struct lx_err *err)
{
    struct stat info;
    if (fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
        lx_err_set(err, LX_E_ARGUMENT, "%s is a directory", path);
        lx_err_hint(err, "--env-file takes a file of NAME=value lines");
        return LX_E_ARGUMENT;
    }
    for (;;) {
        enum lx_status status = lx_buf_reserve(text, 65536);
        if (status == LX_E_LIMIT)
            return lx_err_set(err, LX_E_ARGUMENT, "%s is larger than %zu bytes: not a .env file",
                              path, LX_CONFIG_MAX_FILE);
        if (status != LX_OK)
            return lx_err_memory(err);
        ssize_t got = read(fd, text->data + text->len, 65536);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return lx_err_errno(err, errno, "cannot read %s", path);
        if (got == 0)
            return LX_OK;
        text->len += (size_t)got;
    }
}

/* Read once (it may be a pipe), parsed twice. */
static enum lx_status add_file(struct loading *loading, const char *path, struct lx_err *err)
{
    struct lx_config *config = loading->config;
    if (config->file_count == LX_CONFIG_MAX_FILES)
        return lx_err_set(err, LX_E_ARGUMENT, "more than %d --env-file", LX_CONFIG_MAX_FILES);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        enum lx_status status = lx_err_errno(err, errno, "cannot open %s", path);
        lx_err_hint(err, "name a file that exists and that this user may read: --env-file FILE");
        return status;
    }
    struct lx_buf *text = &loading->files[config->file_count];
    *text = (struct lx_buf)LX_BUF(LX_CONFIG_MAX_FILE + 65536);
    enum lx_status status =
        keep_in(config, &config->files, &config->file_count, lx_str_of(path), err);
    if (status == LX_OK)
        status = read_whole(path, fd, text, err);
    close(fd);
    return status;
}

static enum lx_status parse_files(struct loading *loading, struct lx_err *err)
{
    for (size_t i = 0; i < loading->config->file_count; i++) {
        loading->file = loading->config->files[i];
        LX_TRY(lx_config_read_file(loading->file, lx_buf_view(&loading->files[i]), look_up,
                                   visit_assignment, loading, err));
    }
    return LX_OK;
}

/* In a folder that all may write to (/tmp) only our own file, or root's, is believed: another's
 * could send our keys anywhere. */
static bool is_strangers(const char *directory, const struct stat *file)
{
    struct stat info;
    bool open_to_all = stat(directory, &info) != 0 || (info.st_mode & S_IWOTH) != 0;
    return open_to_all && file->st_uid != geteuid() && file->st_uid != 0;
}

/* The nearest .env, here or above; true when there is one. */
static bool find_file(const char *directory, char *path, size_t size)
{
    char at[MAX_PATH];
    if (directory == NULL || (size_t)snprintf(at, sizeof at, "%s", directory) >= sizeof at)
        return false;
    for (int level = 0; level <= LX_CONFIG_LEVELS; level++) {
        struct stat info;
        const char *slash = strcmp(at, "/") == 0 ? "" : "/";
        if ((size_t)snprintf(path, size, "%s%s.env", at, slash) >= size)
            return false;
        if (stat(path, &info) == 0 && S_ISREG(info.st_mode) && !is_strangers(at, &info))
            return true;
        char *last = strrchr(at, '/');
        if (last == NULL || strcmp(at, "/") == 0)
            return false;
        last[last == at ? 1 : 0] = 0;
    }
    return false;
}

static enum lx_status add_files(struct loading *loading, char **named, size_t named_count,
                                struct lx_err *err)
{
    char path[MAX_PATH];
    for (size_t i = 0; i < named_count; i++)
        LX_TRY(add_file(loading, named[i], err));
    if (named_count == 0 && find_file(loading->input->directory, path, sizeof path))
        LX_TRY(add_file(loading, path, err));
    return LX_OK;
}

/* -- environment --------------------------------------------------------------------------- */

/* Kubernetes gives every container CLICKHOUSE_PORT=tcp://10.0.0.1:8123 and the like for a service
 * that is called clickhouse. */
static bool is_of_service(enum lx_setting setting, struct lx_str name, struct lx_str value)
{
    bool is_address =
        lx_str_starts(value, LX_STR("tcp://")) || lx_str_starts(value, LX_STR("udp://"));
    if (setting != LX_SETTING_COUNT)
        return setting == LX_SETTING_CLICKHOUSE_PORT && is_address;
    return is_address || memmem(name.ptr, name.len, "_SERVICE_", 9) != NULL ||
           memmem(name.ptr, name.len, "_PORT_", 6) != NULL;
}

static enum lx_status load_environment(struct loading *loading, struct lx_err *err)
{
    const char *const *environment = loading->input->environment;
    for (size_t i = 0; environment != NULL && environment[i] != NULL; i++) {
        const char *equals = strchr(environment[i], '='), *nearest;
        if (equals == NULL || equals[1] == 0)
            continue;
        struct lx_str name = {environment[i], (size_t)(equals - environment[i])};
        struct lx_str value = lx_str_of(equals + 1);
        enum lx_setting setting = lx_setting_find(name);
        if (is_of_service(setting, name, value))
            continue;
        if (setting != LX_SETTING_COUNT) {
            LX_TRY(set_entry(loading->config, setting, value, LX_ORIGIN_ENVIRONMENT, NULL, 0, err));
        } else if (loading->judging && lx_config_lookalike(name, loading->ignore, &nearest)) {
            say_lookalike(name, nearest, err);
            lx_err_context(err, "environment");
            return LX_E_ARGUMENT;
        }
    }
    return LX_OK;
}

/* -- flags --------------------------------------------------------------------------------- */

struct flags {
    const struct lx_config_input *input;
    struct lx_config *config;
    size_t pos;
    char **env_files;
    size_t env_file_count;
    struct {
        enum lx_setting setting;
        struct lx_str value;
    } * given;
    size_t given_count;
};

/* "archive-after-days" -> the setting; LX_SETTING_COUNT: none. */
static enum lx_setting setting_of_flag(struct lx_str flag)
{
    for (int i = 0; i < LX_SETTING_COUNT; i++) {
        const char *name = lx_setting_info((enum lx_setting)i)->name;
        size_t at = 0;
        while (at < flag.len && name[at] != 0 &&
               flag.ptr[at] == (name[at] == '_' ? '-' : (char)tolower((unsigned char)name[at])))
            at++;
        if (at == flag.len && name[at] == 0)
            return (enum lx_setting)i;
    }
    return LX_SETTING_COUNT;
}

static bool is_yes_or_no(const char *text)
{
    static const char *const words[] = {"true", "false", "yes", "no", "on", "off", "1", "0"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasecmp(text, words[i]) == 0)
            return true;
    return false;
}

static const char *next_arg(const struct flags *flags)
{
    return flags->pos + 1 < flags->input->arg_count ? flags->input->args[flags->pos + 1] : NULL;
}

/* The value behind '=' or in the next argument. */
static enum lx_status flag_value(struct flags *flags, struct lx_str flag, const char *equals,
                                 struct lx_str *value, struct lx_err *err)
{
    const char *next = next_arg(flags);
    if (equals != NULL) {
        *value = lx_str_of(equals + 1);
        return LX_OK;
    }
    if (next == NULL || (next[0] == '-' && next[1] == '-')) {
        lx_err_set(err, LX_E_ARGUMENT, "--%.*s wants a value", LX_STR_ARG(flag));
        lx_err_hint(err, "write --%.*s VALUE or --%.*s=VALUE", LX_STR_ARG(flag), LX_STR_ARG(flag));
        return LX_E_ARGUMENT;
    }
    flags->pos++;
    *value = lx_str_of(next);
    return LX_OK;
}

static enum lx_status take_flag(struct flags *flags, const char *arg, struct lx_err *err)
{
    const char *equals = strchr(arg, '=');
    struct lx_str flag = {arg + 2, equals != NULL ? (size_t)(equals - arg - 2) : strlen(arg + 2)};
    struct lx_str value = LX_STR("true"), positive = flag;
    if (lx_str_is(flag, "env-file")) {
        LX_TRY(flag_value(flags, flag, equals, &value, err));
        return keep_in(flags->config, &flags->env_files, &flags->env_file_count, value, err);
    }
    enum lx_setting setting = setting_of_flag(flag);
    bool no = setting == LX_SETTING_COUNT && equals == NULL && lx_str_starts(flag, LX_STR("no-"));
    if (no) {
        positive = (struct lx_str){flag.ptr + 3, flag.len - 3};
        setting = setting_of_flag(positive);
        if (setting != LX_SETTING_COUNT && lx_setting_info(setting)->kind != LX_KIND_BOOL)
            setting = LX_SETTING_COUNT;
        value = LX_STR("false");
    }
    if (setting == LX_SETTING_COUNT)
        return keep_in(flags->config, &flags->config->args, &flags->config->arg_count,
                       lx_str_of(arg), err);
    bool is_bool = lx_setting_info(setting)->kind == LX_KIND_BOOL;
    if (!is_bool || equals != NULL ||
        (!no && next_arg(flags) != NULL && is_yes_or_no(next_arg(flags))))
        LX_TRY(flag_value(flags, flag, equals, &value, err));
    flags->given[flags->given_count].setting = setting;
    flags->given[flags->given_count++].value = value;
    return LX_OK;
}

static enum lx_status read_flags(struct flags *flags, struct lx_err *err)
{
    const struct lx_config_input *input = flags->input;
    struct lx_config *config = flags->config;
    bool ended = false;
    flags->given = lx_calloc(input->arg_count + 1, sizeof *flags->given);
    if (flags->given == NULL)
        return lx_err_memory(err);
    for (; flags->pos < input->arg_count; flags->pos++) {
        const char *arg = input->args[flags->pos];
        if (!ended && strcmp(arg, "--") == 0) {
            ended = true;
            continue;
        }
        if (!ended && strncmp(arg, "--", 2) == 0)
            LX_TRY(take_flag(flags, arg, err));
        else
            LX_TRY(keep_in(config, &config->args, &config->arg_count, lx_str_of(arg), err));
    }
    return LX_OK;
}

void lx_config_hide_flags(size_t count, char **args)
{
    for (size_t i = 0; i < count && strcmp(args[i], "--") != 0; i++) {
        char *equals = strchr(args[i], '=');
        if (strncmp(args[i], "--", 2) != 0)
            continue;
        size_t size = equals != NULL ? (size_t)(equals - args[i]) : strlen(args[i]);
        enum lx_setting setting = setting_of_flag((struct lx_str){args[i] + 2, size - 2});
        char *value = equals != NULL ? equals + 1 : i + 1 < count ? args[i + 1] : NULL;
        if (setting == LX_SETTING_COUNT || value == NULL)
            continue;
        char *scheme = strstr(value, "://"), *at = strrchr(value, '@');
        if (lx_setting_info(setting)->kind == LX_KIND_SECRET)
            memset(value, '*', strlen(value));
        else if (scheme != NULL && at != NULL && at > scheme + 3)
            memset(scheme + 3, '*', (size_t)(at - scheme - 3));
    }
}

/* -- all together -------------------------------------------------------------------------- */

static enum lx_status apply_flags(const struct flags *flags, struct lx_err *err)
{
    for (size_t i = 0; i < flags->given_count; i++)
        LX_TRY(set_entry(flags->config, flags->given[i].setting, flags->given[i].value,
                         LX_ORIGIN_FLAG, NULL, 0, err));
    return LX_OK;
}

static enum lx_status check_values(struct lx_config *config, struct lx_err *err)
{
    for (int i = 0; i < LX_SETTING_COUNT; i++) {
        const struct lx_config_entry *entry = &config->entries[i];
        enum lx_status status = lx_config_read_value(config, (enum lx_setting)i, entry->value, err);
        if (status == LX_OK)
            continue;
        if (entry->origin == LX_ORIGIN_FILE)
            lx_err_context(err, "%s:%d", entry->file, entry->line);
        else if (entry->origin == LX_ORIGIN_ENVIRONMENT)
            lx_err_context(err, "environment");
        return status;
    }
    return LX_OK;
}

/* A part is held in memory while it is sent. */
static enum lx_status check_part_size(const struct lx_config *config, struct lx_err *err)
{
    if (config->part_size == 0 || config->part_size <= config->memory / 4)
        return LX_OK;
    lx_err_set(err, LX_E_ARGUMENT,
               "S3_PART_MB=%lld is more than a quarter of ARCHIVE_MEMORY_MB=%lld",
               (long long)(config->part_size / (int64_t)LX_MIB),
               (long long)(config->memory / (int64_t)LX_MIB));
    lx_err_hint(err, "leave S3_PART_MB unset, or set ARCHIVE_MEMORY_MB=%lld",
                (long long)(4 * config->part_size / (int64_t)LX_MIB));
    return LX_E_ARGUMENT;
}

static void set_defaults(struct lx_config *config)
{
    for (int i = 0; i < LX_SETTING_COUNT; i++)
        config->entries[i] = (struct lx_config_entry){
            .value = lx_setting_info((enum lx_setting)i)->fallback, .origin = LX_ORIGIN_DEFAULT};
}

static enum lx_status apply(struct loading *loading, const struct flags *flags, struct lx_err *err)
{
    set_defaults(loading->config);
    loading->assignments = loading->var_count = 0;
    LX_TRY(parse_files(loading, err));
    LX_TRY(load_environment(loading, err));
    return apply_flags(flags, err);
}

/* LYNEX_IGNORE may stand behind the name that it excuses, in any of the sources: names are judged
 * in a second reading. */
static enum lx_status load_all(struct loading *loading, struct flags *flags, struct lx_err *err)
{
    LX_TRY(read_flags(flags, err));
    LX_TRY(add_files(loading, flags->env_files, flags->env_file_count, err));
    LX_TRY(apply(loading, flags, err));
    loading->ignore = loading->config->entries[LX_SETTING_LYNEX_IGNORE].value;
    loading->judging = true;
    LX_TRY(apply(loading, flags, err));
    LX_TRY(check_values(loading->config, err));
    LX_TRY(check_part_size(loading->config, err));
    return lx_config_resolve(loading->config, err);
}

enum lx_status lx_config_load(const struct lx_config_input *input, struct lx_config **config,
                              struct lx_err *err)
{
    struct lx_config *loaded = lx_calloc(1, sizeof *loaded);
    *config = NULL;
    if (loaded == NULL)
        return lx_err_memory(err);
    loaded->texts = lx_calloc(1, sizeof *loaded->texts);
    if (loaded->texts == NULL) {
        lx_free(loaded);
        return lx_err_memory(err);
    }
    set_defaults(loaded);
    struct loading loading = {.config = loaded, .input = input, .ignore = ""};
    struct flags flags = {.input = input, .config = loaded};
    enum lx_status status = load_all(&loading, &flags, err);
    for (size_t i = 0; i < LX_CONFIG_MAX_FILES; i++) {
        if (loading.files[i].data != NULL)
            explicit_bzero(loading.files[i].data, loading.files[i].cap);
        lx_buf_free(&loading.files[i]);
    }
    lx_free(loading.vars);
    lx_free(flags.given);
    lx_free(flags.env_files);
    if (status == LX_OK)
        *config = loaded;
    else
        lx_config_free(loaded);
    return status;
}

void lx_config_free(struct lx_config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < config->texts->count; i++) {
        explicit_bzero(config->texts->list[i], strlen(config->texts->list[i]));
        lx_free(config->texts->list[i]);
    }
    lx_free(config->texts->list);
    lx_free(config->texts);
    lx_free(config->servers);
    lx_free(config->notes);
    lx_free(config->args);
    lx_free(config->files);
    lx_free(config);
}
