/* libFuzzer: texts of ClickHouse's tables: a part's name behind its partition (up to a zero byte),
 * and the CREATE statement in which a TTL is looked for; and quoting, which must hold whatever the
 * text. */
#include "archive/hot_sql.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "fuzz.h"

static void try_part(const char *partition, struct lx_str name)
{
    struct lx_hot_part part = {0};
    if (!lx_hot_part_parse(name, partition, &part))
        return;
    require(part.min_block >= 0 && part.min_block <= part.max_block, "blocks");
    require(part.level >= 0 && part.mutation >= 0, "a level");
    require(name.len > strlen(partition), "no more than the partition");
}

static void try_ttl(struct lx_str create)
{
    char *ttl;
    int64_t days;
    bool unclear;
    require(lx_hot_ttl_parse(create, &ttl, &days, &unclear) == LX_OK, "no memory");
    require(days >= -1 && days <= 400000000, "days");
    require(ttl != NULL || (days == -1 && !unclear), "days of no clause");
    lx_free(ttl);
}

/* Within quotes, the quote itself stands only behind a backslash. */
static void require_closed(const struct lx_buf *sql, uint8_t quote)
{
    require(sql->len >= 2 && sql->data[0] == quote && sql->data[sql->len - 1] == quote,
            "no quotes");
    size_t at = 1;
    while (at < sql->len - 1) {
        require(sql->data[at] != quote, "a quote within");
        at += sql->data[at] == '\\' ? 2 : 1;
    }
    require(at == sql->len - 1, "the last quote is escaped");
}

static void try_quotes(struct lx_str text)
{
    struct lx_buf sql = LX_BUF(4 * LX_MIB);
    if (lx_ch_quote_name(&sql, text) == LX_OK)
        require_closed(&sql, '`');
    lx_buf_clear(&sql);
    if (lx_ch_quote_text(&sql, text) == LX_OK)
        require_closed(&sql, '\'');
    lx_buf_free(&sql);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const uint8_t *end = memchr(bytes, 0, size);
    struct lx_str text = {(const char *)bytes, size};
    if (end != NULL)
        try_part((const char *)bytes,
                 (struct lx_str){(const char *)end + 1, size - (size_t)(end + 1 - bytes)});
    try_ttl(text);
    try_quotes(text);
    return 0;
}
