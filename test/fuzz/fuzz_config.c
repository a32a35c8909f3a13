/* libFuzzer: a .env file, and its assignments as an environment: names, numbers, times, sizes,
 * choices, the archive's target, the servers' URLs. A secret is never shown. */
#include "base/limits.h"
#include "config/config.h"
#include "fuzz.h"

#define MAX_NAMES 64
static const char secret[] = "kR7vQ-secret-2xW",
                  secret_line[] = "CLICKHOUSE_PASSWORD=kR7vQ-secret-2xW";

struct environment {
    char *lines[MAX_NAMES + 2];
    size_t count;
};

static enum lx_status keep(void *context, const struct lx_config_assignment *assignment,
                           struct lx_err *err)
{
    struct environment *environment = context;
    (void)err;
    require(assignment->line > 0 && assignment->name[0] != 0, "an assignment of nothing");
    size_t size = strlen(assignment->name) + strlen(assignment->value) + 2;
    if (environment->count == MAX_NAMES || strcmp(assignment->name, "CLICKHOUSE_PASSWORD") == 0)
        return LX_OK;
    char *line = malloc(size);
    require(line != NULL, "no memory");
    snprintf(line, size, "%s=%s", assignment->name, assignment->value);
    environment->lines[environment->count++] = line;
    return LX_OK;
}

static const char *look_up(void *context, struct lx_str name)
{
    (void)context;
    return name.len % 2 != 0 ? "value of it" : NULL;
}

static void require_hidden(const char *text, size_t size, bool known)
{
    require(known || memmem(text, size, secret, sizeof secret - 1) == NULL, "a secret is shown");
}

/* `known`: the input holds the secret itself, elsewhere. */
static void load(const struct environment *environment, bool known)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_config *config;
    struct lx_buf text = LX_BUF(64 * LX_MIB);
    struct lx_config_input input = {.environment = (const char *const *)environment->lines};
    enum lx_status status = lx_config_load(&input, &config, &err);
    require_words(status, &err);
    require_hidden(err.text, strlen(err.text), known);
    require_hidden(err.hint, strlen(err.hint), known);
    if (status != LX_OK)
        return;
    require(config->server_count > 0 && config->server_count <= LX_CONFIG_MAX_SERVERS, "servers");
    require(config->target.prefix[0] != 0, "no prefix");
    require(config->target.is_directory == (config->target.bucket[0] == 0), "two targets");
    for (int i = 0; i < LX_SETTING_COUNT; i++) {
        require(lx_config_shown(config, (enum lx_setting)i, &text) == LX_OK, "not shown");
        require(lx_config_origin_text(config, (enum lx_setting)i, &text) == LX_OK, "no origin");
    }
    require(lx_config_print(config, false, &text) == LX_OK, "not printed");
    for (size_t i = 0; i < config->note_count; i++)
        require(lx_buf_text(&text, config->notes[i]) == LX_OK, "no note");
    require_hidden(lx_buf_cstr(&text), text.len, known);
    lx_buf_free(&text);
    lx_config_free(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct lx_err err = LX_ERR_INIT;
    struct environment environment = {.count = 0};
    struct lx_str file = {(const char *)bytes, size};
    enum lx_status status = lx_config_read_file(".env", file, look_up, keep, &environment, &err);
    require_words(status, &err);
    bool known = memmem(bytes, size, secret + 4, 4) != NULL;
    environment.lines[environment.count] = (char *)(uintptr_t)secret_line;
    load(&environment, known);
    for (size_t i = 0; i < environment.count; i++)
        free(environment.lines[i]);
    return 0;
}
