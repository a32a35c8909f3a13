#include "clickhouse/ch_error.h"

/* DB::Exception, DB::NetException, DB::ErrnoException, Coordination::Exception, … */
static const char code_word[] = "Code: ", exception_word[] = "Exception: ";
#define MOST_BETWEEN 32 /* ". Coordination::", ", e.displayText() = DB::Parsing" */

/* The place of `word` in `text` from `from` on; text.len where it is not there. */
static size_t find(struct lx_str text, size_t from, struct lx_str word)
{
    if (from > text.len)
        return text.len;
    const char *at = memmem(text.ptr + from, text.len - from, word.ptr, word.len);
    return at != NULL ? (size_t)(at - text.ptr) : text.len;
}

static struct lx_str slice(struct lx_str text, size_t from, size_t to)
{
    return (struct lx_str){text.ptr + from, to - from};
}

/* "Code: 60. DB::Exception: " at the front: its code and length; 0 where it is something else. */
static size_t take_head(struct lx_str text, int *code)
{
    size_t start = sizeof code_word - 1, end = start;
    if (!lx_str_starts(text, LX_STR("Code: ")))
        return 0;
    while (end < text.len && text.ptr[end] >= '0' && text.ptr[end] <= '9')
        end++;
    uint64_t number;
    if (!lx_str_to_u64(slice(text, start, end), &number) || number > 100000)
        return 0;
    /* Old versions wrote a comma and "e.displayText() = " between. */
    size_t most = end + MOST_BETWEEN + sizeof exception_word - 1;
    struct lx_str head = slice(text, 0, most < text.len ? most : text.len);
    size_t word = find(head, end, lx_str_of(exception_word));
    if (word == head.len)
        return 0;
    *code = (int)number;
    return word + sizeof exception_word - 1;
}

static bool is_name(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Where the bracket opens that ends the text, "(version 24.3.1.1 (official build))"; its length
 * where none does. */
static size_t last_bracket(struct lx_str text)
{
    size_t depth = 0;
    if (text.len == 0 || text.ptr[text.len - 1] != ')')
        return text.len;
    for (size_t at = text.len; at-- > 0;) {
        depth += text.ptr[at] == ')';
        depth -= text.ptr[at] == '(';
        if (depth == 0)
            return at;
    }
    return text.len;
}

/* Takes " (…)" off the end; returns what stands within, or an empty view. */
static struct lx_str take_bracket(struct lx_str *text)
{
    *text = lx_str_trim(*text);
    size_t open = last_bracket(*text);
    if (open == text->len)
        return (struct lx_str){text->ptr, 0};
    struct lx_str within = slice(*text, open + 1, text->len - 1);
    bool version = lx_str_starts(within, LX_STR("version ")), name = within.len > 1;
    for (size_t i = 0; i < within.len; i++)
        name = name && is_name(within.ptr[i]);
    if (!version && !name)
        return (struct lx_str){text->ptr, 0};
    *text = lx_str_trim(slice(*text, 0, open));
    return within;
}

bool lx_ch_exception_parse(struct lx_str text, struct lx_ch_exception *exception)
{
    text = lx_str_trim(text);
    int code;
    size_t head = take_head(text, &code);
    if (head == 0)
        return false;
    struct lx_ch_exception found = {.code = code, .message = slice(text, head, text.len)};
    /* Wrapped ones repeat their head. */
    int inner;
    while ((head = take_head(found.message, &inner)) != 0)
        found.message = slice(found.message, head, found.message.len);
    for (unsigned i = 0; i < 2; i++) {
        struct lx_str within = take_bracket(&found.message);
        if (within.len == 0)
            break;
        if (!lx_str_starts(within, LX_STR("version ")) && within.len < sizeof found.name) {
            memcpy(found.name, within.ptr, within.len);
            found.name[within.len] = 0;
            break;
        }
    }
    *exception = found;
    return true;
}

bool lx_ch_exception_trailer(struct lx_str tail, struct lx_str tag, struct lx_str *text)
{
    char mark[128];
    static const char begin[] = "__exception__\r\n";
    if (tag.len == 0 || tag.len + sizeof begin + 4 > sizeof mark)
        return false;
    size_t size = sizeof begin - 1;
    memcpy(mark, begin, size);
    memcpy(mark + size, tag.ptr, tag.len);
    memcpy(mark + size + tag.len, "\r\n", 2);
    size_t at = find(tail, 0, (struct lx_str){mark, size + tag.len + 2});
    if (at == tail.len)
        return false;
    size_t from = at + size + tag.len + 2, to = tail.len;
    /* "\n<length> <tag>" ends it; a message that was cut has no end. */
    size_t end = find(tail, from, tag);
    if (end != tail.len) {
        to = end;
        while (to > from && tail.ptr[to - 1] != '\n')
            to--;
    }
    *text = lx_str_trim(slice(tail, from, to));
    return true;
}

bool lx_ch_exception_bare(struct lx_str tail, struct lx_str *text)
{
    size_t found = tail.len, end = 0; /* of the heads that stand in a row, wrapping ones first */
    for (size_t at = 0; (at = find(tail, at, lx_str_of(code_word))) != tail.len; at++) {
        int code;
        size_t head = take_head(slice(tail, at, tail.len), &code);
        if (head == 0)
            continue;
        if (found == tail.len || at != end)
            found = at;
        end = at + head;
    }
    if (found == tail.len)
        return false;
    *text = slice(tail, found, tail.len);
    return true;
}

bool lx_ch_exception_is_whole(struct lx_str text)
{
    text = lx_str_trim(text);
    return lx_str_starts(slice(text, last_bracket(text), text.len), LX_STR("(version "));
}

#define CODE_ACCESS_DENIED 497

static const struct {
    int code;
    enum lx_status status;
    const char *hint; /* NULL: the message says it */
} known[] = {
    {60, LX_E_NOTFOUND,
     "Check ARCHIVE_TABLE and CLICKHOUSE_DATABASE; a user without any right on a table may be told "
     "that it does not exist."},
    {81, LX_E_NOTFOUND,
     "Check CLICKHOUSE_DATABASE, and ARCHIVE_TABLE: DATABASE.TABLE, or a name in backquotes where "
     "it "
     "holds a dot itself."},
    {192, LX_E_AUTH, "Check CLICKHOUSE_USER and CLICKHOUSE_PASSWORD."},
    {193, LX_E_AUTH, "Check CLICKHOUSE_USER and CLICKHOUSE_PASSWORD."},
    {194, LX_E_AUTH, "Set CLICKHOUSE_PASSWORD."},
    {516, LX_E_AUTH, "Check CLICKHOUSE_USER and CLICKHOUSE_PASSWORD."},
    {CODE_ACCESS_DENIED, LX_E_ACCESS, NULL}, /* see hint_grant */
    {LX_CH_CODE_READONLY, LX_E_ACCESS,
     "The profile of CLICKHOUSE_USER must not be read-only: settings that could cut a result are "
     "sent with every query. Give the user a profile of its own."},
    {LX_CH_CODE_SETTING_CONSTRAINT, LX_E_ACCESS,
     "Take the constraint of that setting out of the user's profile, or give the user a profile of "
     "its own: without the setting a result could be cut, and nothing could be proven."},
    {202, LX_E_BUSY, "The server runs max_concurrent_queries already; the next run goes on."},
    {241, LX_E_REMOTE,
     "The query needs more memory than max_memory_usage or the server allows; lower "
     "ARCHIVE_MEMORY_MB or give the user more."},
    {243, LX_E_NOSPACE, "Free space on the server's disk: a mask needs some for a while."},
};

/* "user: Not enough privileges. To execute this query, it's necessary to have the grant SELECT(a,
 * b) ON db.t." becomes the statement to run. What names single columns is asked for as a whole. */
static void hint_grant(struct lx_err *err, struct lx_str message)
{
    static const char have[] = "have the grant ", on[] = " ON ";
    const char *end = message.ptr + message.len;
    const char *grant = memmem(message.ptr, message.len, have, sizeof have - 1);
    const char *user = memmem(message.ptr, message.len, ": Not enough", 12);
    const char *at = NULL;
    if (grant != NULL) {
        grant += sizeof have - 1;
        at = memmem(grant, (size_t)(end - grant), on, sizeof on - 1);
    }
    if (at == NULL || user == NULL) {
        lx_err_hint(err, "Grant the right that the message names to the user of CLICKHOUSE_USER.");
        return;
    }
    size_t right = (size_t)(at - grant);
    const char *columns = memchr(grant, '(', right);
    if (columns != NULL)
        right = (size_t)(columns - grant);
    const char *object = at + sizeof on - 1;
    size_t size = 0;
    while (object + size < end && object[size] != ' ' && object[size] != ',' &&
           !(object[size] == '.' && (object + size + 1 == end || object[size + 1] == ' ')))
        size++;
    lx_err_hint(err,
                "run as an administrator: GRANT %.*s ON %.*s TO %.*s; (`lynex iam` prints all that "
                "is needed)",
                (int)right, grant, (int)size, object, (int)(user - message.ptr), message.ptr);
}

enum lx_status lx_ch_exception_set(struct lx_err *err, const struct lx_ch_exception *exception,
                                   const char *where, const char *query_id)
{
    enum lx_status status = LX_E_REMOTE;
    const char *hint = NULL;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].code == exception->code) {
            status = known[i].status;
            hint = known[i].hint;
        }
    }
    if (err == NULL)
        return status;
    /* Leave room for what stands behind the message. */
    struct lx_str message = exception->message;
    if (message.len > LX_ERR_TEXT - 320)
        message.len = LX_ERR_TEXT - 320;
    lx_err_set(err, status, "%s: %.*s (code %d%s%s, query %s)", where, LX_STR_ARG(message),
               exception->code, exception->name[0] != 0 ? " " : "", exception->name, query_id);
    err->code = exception->code;
    memcpy(err->name, exception->name, sizeof err->name);
    if (exception->code == CODE_ACCESS_DENIED)
        hint_grant(err, message);
    else if (hint != NULL)
        lx_err_hint(err, "%s", hint);
    return status;
}
