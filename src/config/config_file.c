/* config_file.c: the .env format; see config.h. One pass over the text, bounded by its size. */
#include "config/config_private.h"

#include "base/limits.h"

struct reading {
    const char *file;
    const char *pos, *end;
    int line;
    lx_config_lookup lookup;
    lx_config_visit visit;
    void *context;
    struct lx_buf name, value;
    bool undefined;
    struct lx_err *err;
};

static enum lx_status wrong(const struct reading *r, int line, const char *what)
{
    return lx_err_set(r->err, LX_E_ARGUMENT, "%s:%d: %s", r->file, line, what);
}

static bool at_end(const struct reading *r)
{
    return r->pos == r->end;
}

static char peek(const struct reading *r)
{
    return at_end(r) ? '\n' : *r->pos;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void skip_blanks(struct reading *r)
{
    while (!at_end(r) && is_blank(*r->pos))
        r->pos++;
}

static void skip_line(struct reading *r)
{
    while (!at_end(r) && *r->pos != '\n')
        r->pos++;
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

static enum lx_status put(struct reading *r, char c)
{
    if (c == 0)
        return wrong(r, r->line, "a zero byte in a value");
    enum lx_status status = lx_buf_byte(&r->value, (uint8_t)c);
    return status == LX_E_LIMIT ? wrong(r, r->line, "a value that is too long") : status;
}

static enum lx_status put_text(struct reading *r, struct lx_str text)
{
    enum lx_status status = lx_buf_str(&r->value, text);
    return status == LX_E_LIMIT ? wrong(r, r->line, "a value that is too long") : status;
}

/* ${NAME} or ${NAME:-text}; what comes out is not looked at again. */
static enum lx_status take_variable(struct reading *r)
{
    const char *start = r->pos + 2, *close = start;
    while (close < r->end && *close != '}' && *close != '\n')
        close++;
    if (close == r->end || *close != '}')
        return wrong(r, r->line, "${ without its }");
    struct lx_str inner = {start, (size_t)(close - start)}, name = inner, fallback = {NULL, 0};
    const char *colon = memmem(inner.ptr, inner.len, ":-", 2);
    if (colon != NULL) {
        name.len = (size_t)(colon - inner.ptr);
        fallback = (struct lx_str){colon + 2, inner.len - name.len - 2};
    }
    if (name.len == 0)
        return wrong(r, r->line, "${} without a name");
    for (size_t i = 0; i < name.len; i++)
        if (!is_name(name.ptr[i]))
            return wrong(r, r->line, "${…} with a name that no variable has");
    const char *value = r->lookup != NULL ? r->lookup(r->context, name) : NULL;
    r->pos = close + 1;
    if (value != NULL && value[0] != 0)
        return put_text(r, lx_str_of(value));
    if (fallback.ptr != NULL)
        return put_text(r, fallback);
    r->undefined = true;
    return LX_OK;
}

static bool at_variable(const struct reading *r)
{
    return r->end - r->pos >= 2 && r->pos[0] == '$' && r->pos[1] == '{';
}

static enum lx_status take_single(struct reading *r)
{
    int line = r->line;
    for (r->pos++; !at_end(r); r->pos++) {
        char c = *r->pos;
        if (c == '\'') {
            r->pos++;
            return LX_OK;
        }
        if (c == '\\' && r->end - r->pos >= 2 && (r->pos[1] == '\'' || r->pos[1] == '\\'))
            c = *++r->pos;
        r->line += c == '\n';
        LX_TRY(put(r, c));
    }
    return wrong(r, line, "a quote ' that is never closed");
}

static enum lx_status take_escape(struct reading *r)
{
    char c = r->pos[1];
    r->pos += 2;
    switch (c) {
    case 'n': return put(r, '\n');
    case 'r': return put(r, '\r');
    case 't': return put(r, '\t');
    case '\\':
    case '"':
    case '$': return put(r, c);
    default:
        LX_TRY(put(r, '\\'));
        r->line += c == '\n';
        return put(r, c);
    }
}

static enum lx_status take_double(struct reading *r)
{
    int line = r->line;
    r->pos++;
    while (!at_end(r)) {
        char c = *r->pos;
        if (c == '"') {
            r->pos++;
            return LX_OK;
        }
        if (c == '\\' && r->end - r->pos >= 2) {
            LX_TRY(take_escape(r));
        } else if (at_variable(r)) {
            LX_TRY(take_variable(r));
        } else {
            r->line += c == '\n';
            r->pos++;
            LX_TRY(put(r, c));
        }
    }
    return wrong(r, line, "a quote \" that is never closed");
}

/* Up to the end of the line, or a '#' behind a blank; also behind an empty value. */
static enum lx_status take_plain(struct reading *r)
{
    bool after_blank = true;
    while (!at_end(r) && *r->pos != '\n') {
        if (*r->pos == '#' && after_blank)
            break;
        if (at_variable(r)) {
            LX_TRY(take_variable(r));
            after_blank = false;
            continue;
        }
        after_blank = is_blank(*r->pos);
        LX_TRY(put(r, *r->pos++));
    }
    while (r->value.len > 0 && is_blank((char)r->value.data[r->value.len - 1]))
        r->value.len--;
    skip_line(r);
    return LX_OK;
}

static enum lx_status take_value(struct reading *r)
{
    char first = peek(r);
    if (first != '"' && first != '\'')
        return take_plain(r);
    LX_TRY(first == '"' ? take_double(r) : take_single(r));
    skip_blanks(r);
    if (peek(r) != '\n' && peek(r) != '#')
        return wrong(r, r->line, "text behind the closing quote");
    skip_line(r);
    return LX_OK;
}

static enum lx_status take_name(struct reading *r)
{
    lx_buf_clear(&r->name);
    while (!at_end(r) && is_name(*r->pos))
        LX_TRY(lx_buf_byte(&r->name, (uint8_t)*r->pos++));
    return lx_buf_text(&r->name, "");
}

static enum lx_status take_line(struct reading *r)
{
    int line = r->line;
    skip_blanks(r);
    if (peek(r) == '\n' || peek(r) == '#') {
        skip_line(r);
        return LX_OK;
    }
    LX_TRY(take_name(r));
    if (strcmp(lx_buf_cstr(&r->name), "export") == 0 && is_blank(peek(r))) {
        skip_blanks(r);
        LX_TRY(take_name(r));
    }
    skip_blanks(r);
    if (r->name.len == 0 || peek(r) != '=') {
        enum lx_status status = wrong(r, line, "not of the form NAME=value");
        lx_err_hint(r->err, "a comment begins with #");
        return status;
    }
    r->pos++;
    skip_blanks(r);
    lx_buf_clear(&r->value);
    r->undefined = false;
    LX_TRY(take_value(r));
    LX_TRY(lx_buf_text(&r->value, ""));
    const struct lx_config_assignment assignment = {lx_buf_cstr(&r->name), lx_buf_cstr(&r->value),
                                                    line, r->undefined};
    return r->visit(r->context, &assignment, r->err);
}

enum lx_status lx_config_read_file(const char *file, struct lx_str text, lx_config_lookup lookup,
                                   lx_config_visit visit, void *context, struct lx_err *err)
{
    struct reading r = {.file = file,
                        .pos = text.ptr,
                        .end = text.ptr + text.len,
                        .line = 1,
                        .lookup = lookup,
                        .visit = visit,
                        .context = context,
                        .name = LX_BUF(LX_CONFIG_MAX_VALUE),
                        .value = LX_BUF(LX_CONFIG_MAX_VALUE),
                        .err = err};
    enum lx_status status = LX_OK;
    if (text.len == 0)
        return LX_OK;
    if (lx_str_starts(text, LX_STR("\xef\xbb\xbf")))
        r.pos += 3;
    while (status == LX_OK && !at_end(&r)) {
        status = take_line(&r);
        if (status == LX_OK && !at_end(&r)) {
            r.pos++; /* the line feed */
            r.line++;
        }
    }
    if (status == LX_E_MEMORY)
        lx_err_memory(err);
    if (r.value.data != NULL)
        explicit_bzero(r.value.data, r.value.cap);
    lx_buf_free(&r.name);
    lx_buf_free(&r.value);
    return status;
}
