#include "ch_script.h"

#include "clickhouse/ch_client.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Its own memory is not lynex's: it neither counts nor fails. */
static void *take(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

struct stream {
    const struct ch_rule *rule;
    const struct lx_cancel *cancel;
    size_t at;
};

static enum lx_status fail(const struct ch_rule *rule, struct lx_err *err)
{
    lx_err_set(err, rule->status, "%s", rule->text);
    if (err != NULL) {
        err->code = rule->code;
        snprintf(err->name, sizeof err->name, "%s", rule->name != NULL ? rule->name : "");
    }
    return rule->status;
}

static void note(struct ch_script *script, const struct lx_ch_call *call)
{
    char settings[1024] = "";
    assert(script->asked_count < CH_SCRIPT_ASKED);
    for (size_t i = 0; i < call->setting_count; i++) {
        size_t used = strlen(settings);
        const char *name = call->settings[i].name;
        if (strstr(name, "max_partition_size") != NULL || strcmp(name, "readonly") == 0 ||
            strcmp(name, "max_block_size") == 0 ||
            (strcmp(name, "optimize_use_projections") == 0 &&
             strcmp(call->settings[i].value, "1") == 0))
            snprintf(settings + used, sizeof settings - used, " %s=%s", name,
                     call->settings[i].value);
    }
    script->asked[script->asked_count] = take(strdup(call->sql));
    script->settings[script->asked_count] = take(strdup(settings));
    script->timeouts[script->asked_count++] = call->timeout_ms;
}

static enum lx_status begin(void *self, const struct lx_ch_call *call, void **out,
                            struct lx_err *err)
{
    static const uint8_t version[] = "\1\1\1v\6String\01026.7.1.1";
    static const struct ch_rule known = {.bytes = (uint8_t *)(uintptr_t)version,
                                         .size = sizeof version - 1};
    struct ch_script *script = self;
    const struct ch_rule *rule = NULL;
    if (strcmp(call->sql, "SELECT version()") == 0)
        rule = &known;
    else
        note(script, call);
    for (size_t i = 0; rule == NULL && i < script->count; i++) {
        struct ch_rule *tried = &script->rules[i];
        if (strstr(call->sql, tried->pattern) == NULL ||
            (tried->times != 0 && tried->used == tried->times))
            continue;
        tried->used++;
        rule = tried;
    }
    if (rule == NULL)
        return lx_err_set(err, LX_E_BUG, "the script has no answer to: %s", call->sql);
    if (rule->status != LX_OK && rule->when == CH_AT_ONCE)
        return fail(rule, err);
    struct stream *stream = take(calloc(1, sizeof *stream));
    stream->rule = rule;
    stream->cancel = call->cancel;
    *out = stream;
    return LX_OK;
}

static enum lx_status read_bytes(void *self, void *to, size_t capacity, size_t *got,
                                 struct lx_err *err)
{
    struct stream *stream = self;
    size_t left = stream->rule->size - stream->at;
    *got = left < capacity ? left : capacity;
    if (*got == 0 && stream->rule->status != LX_OK && stream->rule->when == CH_BROKEN_OFF)
        return fail(stream->rule, err);
    if (*got == 0 && stream->rule->when == CH_NEVER) {
        while (!lx_cancel_asked(stream->cancel))
            usleep(1000);
        return lx_err_set(err, LX_E_CANCELLED, "cancelled");
    }
    if (*got != 0)
        memcpy(to, stream->rule->bytes + stream->at, *got);
    stream->at += *got;
    return LX_OK;
}

static enum lx_status judge(void *self, struct lx_str tail, bool failed, struct lx_err *err)
{
    const struct stream *stream = self;
    (void)tail, (void)failed;
    if (stream->rule->status != LX_OK && stream->rule->when == CH_AT_THE_END)
        return fail(stream->rule, err);
    return LX_OK;
}

static void end(void *stream)
{
    free(stream);
}

static void close_driver(void *self)
{
    (void)self;
}

static const struct lx_ch_driver driver = {begin, read_bytes, judge, end, close_driver};

bool ch_script_open(struct ch_script *script)
{
    const struct lx_ch_options options = {.url = "http://127.0.0.1:1",
                                          .run = "script",
                                          .clock = lx_clock_system(),
                                          .random = lx_random_system()};
    struct lx_err err = LX_ERR_INIT;
    *script = (struct ch_script){0};
    if (lx_ch_open(&options, &script->client, &err) != LX_OK)
        return false;
    script->client->driver->close(script->client->self);
    script->client->driver = &driver;
    script->client->self = script;
    script->client->where = "scripted";
    return true;
}

void ch_script_clear(struct ch_script *script)
{
    for (size_t i = 0; i < script->count; i++)
        free(script->rules[i].bytes);
    for (size_t i = 0; i < script->asked_count; i++) {
        free(script->asked[i]);
        free(script->settings[i]);
    }
    script->count = script->asked_count = 0;
}

void ch_script_close(struct ch_script *script)
{
    ch_script_clear(script);
    lx_ch_close(script->client);
}

static struct ch_rule *add(struct ch_script *script, const char *pattern)
{
    assert(script->count < CH_SCRIPT_RULES);
    struct ch_rule *rule = &script->rules[script->count++];
    *rule = (struct ch_rule){.pattern = pattern};
    return rule;
}

struct ch_rule *ch_script_fails(struct ch_script *script, const char *pattern,
                                enum lx_status status, int code, const char *text)
{
    struct ch_rule *rule = add(script, pattern);
    rule->status = status;
    rule->code = code;
    rule->text = text;
    return rule;
}

struct ch_rule *ch_script_bytes(struct ch_script *script, const char *pattern, const void *bytes,
                                size_t size)
{
    struct ch_rule *rule = add(script, pattern);
    rule->bytes = take(malloc(size + 1));
    memcpy(rule->bytes, bytes, size);
    rule->size = size;
    return rule;
}

/* -- tables -------------------------------------------------------------------------------- */

static void put(struct ch_rule *rule, const void *bytes, size_t size)
{
    rule->bytes = take(realloc(rule->bytes, rule->size + size + 1));
    memcpy(rule->bytes + rule->size, bytes, size);
    rule->size += size;
}

static void put_number(struct ch_rule *rule, size_t value)
{
    do {
        uint8_t byte = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        put(rule, &byte, 1);
        value >>= 7;
    } while (value != 0);
}

static void put_text(struct ch_rule *rule, struct lx_str text)
{
    put_number(rule, text.len);
    put(rule, text.ptr, text.len);
}

/* The field at `index` of a list, by its separator. */
static struct lx_str field(struct lx_str list, char separator, size_t index)
{
    struct lx_str left = list;
    for (;;) {
        const char *stop = memchr(left.ptr, separator, left.len);
        size_t size = stop != NULL ? (size_t)(stop - left.ptr) : left.len;
        if (index-- == 0)
            return (struct lx_str){left.ptr, size};
        assert(stop != NULL);
        left.ptr += size + 1;
        left.len -= size + 1;
    }
}

static size_t fields(const char *list, char separator)
{
    size_t count = list[0] != 0;
    for (; *list != 0; list++)
        count += *list == separator;
    return count;
}

static void put_value(struct ch_rule *rule, struct lx_str type, struct lx_str value)
{
    char text[32];
    if (memmem(type.ptr, type.len, "String", 6) != NULL) {
        put_text(rule, value);
        return;
    }
    assert(value.len < sizeof text);
    memcpy(text, value.ptr, value.len);
    text[value.len] = 0;
    uint64_t number = text[0] == '-' ? (uint64_t)strtoll(text, NULL, 10) : strtoull(text, NULL, 10);
    /* Int32, UInt32 and DateTime take four bytes. */
    bool wide = memmem(type.ptr, type.len, "64", 2) != NULL;
    bool byte = memmem(type.ptr, type.len, "Int8", 4) != NULL;
    put(rule, &number, wide ? 8 : byte ? 1 : 4);
}

struct ch_rule *ch_script_table(struct ch_script *script, const char *pattern, const char *columns,
                                const char *rows)
{
    struct ch_rule *rule = add(script, pattern);
    size_t column_count = fields(columns, ','), row_count = fields(rows, ';');
    if (row_count == 0)
        return rule;
    put_number(rule, column_count);
    put_number(rule, row_count);
    for (size_t c = 0; c < column_count; c++) {
        struct lx_str column = field(lx_str_of(columns), ',', c);
        struct lx_str type = field(column, ':', 1);
        put_text(rule, field(column, ':', 0));
        put_text(rule, type);
        bool nullable = lx_str_starts(type, LX_STR("Nullable"));
        for (size_t r = 0; nullable && r < row_count; r++) {
            struct lx_str cell = field(field(lx_str_of(rows), ';', r), '|', c);
            uint8_t null = lx_str_is(cell, "\\N");
            put(rule, &null, 1);
        }
        for (size_t r = 0; r < row_count; r++) {
            struct lx_str cell = field(field(lx_str_of(rows), ';', r), '|', c);
            put_value(rule, type, nullable && lx_str_is(cell, "\\N") ? LX_STR("") : cell);
        }
    }
    return rule;
}
