/* The TTL of rows, out of a CREATE statement as ClickHouse prints it:
 *   … TTL _date + toIntervalDay(30), t + toIntervalMonth(1) TO DISK 'cold' SETTINGS …
 * Only plain deletions count: rows that move to disks and volumes, or are grouped, stay. */
#include "archive/hot_sql.h"

#include "base/alloc.h"

#include <ctype.h>

/* Skips a quoted text or name at `pos`; returns the position behind it. */
static size_t skip_quoted(struct lx_str text, size_t pos)
{
    char quote = text.ptr[pos++];
    while (pos < text.len && text.ptr[pos] != quote)
        pos += text.ptr[pos] == '\\' ? 2 : 1;
    return pos + 1;
}

static bool is_quote(char c)
{
    return c == '\'' || c == '`' || c == '"';
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* The position of a key word outside of quotes and parentheses, or text.len. */
static size_t find_word(struct lx_str text, size_t from, const char *word)
{
    size_t size = strlen(word);
    int depth = 0;
    for (size_t pos = from; pos < text.len;) {
        char c = text.ptr[pos];
        if (is_quote(c)) {
            pos = skip_quoted(text, pos);
            continue;
        }
        if (c == '(')
            depth++;
        else if (c == ')')
            depth--;
        else if (depth == 0 && pos + size <= text.len && memcmp(text.ptr + pos, word, size) == 0 &&
                 (pos == 0 || !is_word(text.ptr[pos - 1])) &&
                 (pos + size == text.len || !is_word(text.ptr[pos + size])))
            return pos;
        pos++;
    }
    return text.len;
}

static const struct {
    const char *name;
    int64_t hours; /* as short as they come: a month of 28 days, a year of 365 */
} intervals[] = {
    {"toIntervalSecond(", 0},        {"toIntervalMinute(", 0},      {"toIntervalHour(", 1},
    {"toIntervalDay(", 24},          {"toIntervalWeek(", 7 * 24},   {"toIntervalMonth(", 28 * 24},
    {"toIntervalQuarter(", 90 * 24}, {"toIntervalYear(", 365 * 24},
};

/* Whole days of "x + toInterval…(N)", rounded down; -1 where it is not of that form. */
static int64_t days_of(struct lx_str rule)
{
    int64_t best = -1;
    for (size_t i = 0; i < sizeof intervals / sizeof intervals[0]; i++) {
        size_t size = strlen(intervals[i].name);
        for (size_t pos = 0; pos + size < rule.len; pos++) {
            if (memcmp(rule.ptr + pos, intervals[i].name, size) != 0)
                continue;
            size_t end = pos + size;
            while (end < rule.len && rule.ptr[end] != ')')
                end++;
            int64_t number;
            if (!lx_str_to_i64((struct lx_str){rule.ptr + pos + size, end - pos - size}, &number) ||
                number < 0 || number > 1000000 || best >= 0)
                return -1; /* an expression, or several intervals: not understood */
            best = number * intervals[i].hours / 24;
        }
    }
    return best;
}

static bool deletes(struct lx_str rule)
{
    static const char *const others[] = {"TO", "GROUP", "RECOMPRESS"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (find_word(rule, 0, others[i]) != rule.len)
            return false;
    return true;
}

enum lx_status lx_hot_ttl_parse(struct lx_str create, char **ttl_sql, int64_t *days, bool *unclear)
{
    *unclear = false;
    *ttl_sql = NULL;
    *days = -1;
    size_t engine = find_word(create, 0, "ENGINE"); /* TTLs of columns stand before it */
    size_t start = find_word(create, engine, "TTL");
    if (start == create.len)
        return LX_OK;
    size_t end = find_word(create, start, "SETTINGS");
    size_t comment = find_word(create, start, "COMMENT");
    if (comment < end)
        end = comment;
    struct lx_str clause = lx_str_trim((struct lx_str){create.ptr + start + 3, end - start - 3});
    *ttl_sql = lx_strndup(clause.ptr, clause.len);
    if (*ttl_sql == NULL)
        return LX_E_MEMORY;
    int depth = 0;
    for (size_t from = 0, pos = 0; pos <= clause.len;) {
        char c = pos < clause.len ? clause.ptr[pos] : ',';
        if (is_quote(c)) {
            pos = skip_quoted(clause, pos);
            if (pos > clause.len)
                pos = clause.len;
            continue;
        }
        depth += (c == '(') - (c == ')');
        if (c == ',' && (depth == 0 || pos == clause.len)) {
            struct lx_str rule = {clause.ptr + from, pos - from};
            int64_t these = deletes(rule) ? days_of(rule) : -1;
            *unclear = *unclear || (deletes(rule) && these < 0);
            if (these >= 0 && (*days < 0 || these < *days))
                *days = these;
            from = pos + 1;
        }
        pos++;
    }
    return LX_OK;
}
