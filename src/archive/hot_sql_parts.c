/* Parts by day, and sums of row hashes: the questions of plan and guard. */
#include "archive/hot_sql_private.h"

#include "base/alloc.h"
#include "base/civil.h"
#include "base/limits.h"

#include <stdlib.h>

#define NO_DAY INT32_MIN /* a NULL time */

/* The answer's rows of one part, ordered by part and day, become one lx_hot_part. */
static enum lx_status add_row(struct lx_hot_parts *parts, size_t *cap, const struct lx_ch_table *t,
                              int64_t row, size_t *day_cap, struct lx_err *err)
{
    struct lx_str partition = lx_ch_text(t, 0, row), name = lx_ch_text(t, 1, row);
    int32_t day = (int32_t)lx_ch_i64(t, 2, row);
    int64_t rows = (int64_t)lx_ch_u64(t, 3, row);
    if (rows <= 0)
        return lx_err_set(err, LX_E_FORMAT, "the part %.*s is said to have %lld rows on a day",
                          LX_STR_ARG(name), (long long)rows);
    struct lx_hot_part *part = parts->count > 0 ? &parts->parts[parts->count - 1] : NULL;
    if (part == NULL || !lx_str_is(name, part->name)) {
        if (parts->count == *cap) {
            size_t more = *cap != 0 ? *cap * 2 : 64;
            struct lx_hot_part *grown = lx_realloc(parts->parts, more * sizeof *grown);
            if (grown == NULL)
                return lx_err_memory(err);
            parts->parts = grown;
            *cap = more;
        }
        part = &parts->parts[parts->count++];
        *part = (struct lx_hot_part){0};
        *day_cap = 0;
        part->partition = lx_strndup(partition.ptr, partition.len);
        part->name = lx_strndup(name.ptr, name.len);
        if (part->partition == NULL || part->name == NULL)
            return lx_err_memory(err);
        if (!lx_hot_part_parse(name, part->partition, part))
            return lx_err_set(err, LX_E_UNSUPPORTED, "the part name %.*s is not understood",
                              LX_STR_ARG(name));
    }
    part->rows += rows;
    if (day == NO_DAY) {
        part->null_rows += rows;
        return LX_OK;
    }
    if (part->day_count == *day_cap) {
        size_t more = *day_cap != 0 ? *day_cap * 2 : 4;
        struct lx_hot_day *grown = lx_realloc(part->days, more * sizeof *grown);
        if (grown == NULL)
            return lx_err_memory(err);
        part->days = grown;
        *day_cap = more;
    }
    part->days[part->day_count++] = (struct lx_hot_day){day, rows};
    return LX_OK;
}

static int by_blocks(const void *a, const void *b)
{
    const struct lx_hot_part *x = a, *y = b;
    int order = strcmp(x->partition, y->partition);
    if (order != 0)
        return order;
    return x->min_block < y->min_block ? -1 : x->min_block > y->min_block;
}

/* Rows by part and day, of all rows of the table: what a large table feels of a run. So the keys
 * are two numbers, which take two thirds of the time of a name and a number: of a name its hash,
 * which no two of a table's parts share but once in 10^9 tables of 10^5 parts. A date has no zone
 * to convert from. */
static enum lx_status parts_sql(const struct lx_hot_sql *hot, struct lx_buf *sql)
{
    bool date = hot->time_type.kind == LX_CH_DATE || hot->time_type.kind == LX_CH_DATE32;
    const char *open = date ? "" : "toDate32(", *close = date ? "" : ", 'UTC')";
    const char *time = lx_buf_cstr(&hot->time);
    return lx_buf_printf(sql,
                         "SELECT any(_partition_id), any(_part) AS _lynex_n, "
                         "ifNull(toInt32(%s%s%s), -2147483648) AS _lynex_d, count(), "
                         "toUInt64(toUnixTimestamp(now())) FROM %s "
                         "GROUP BY CAST(cityHash64(_part), 'UInt64'), %s%s%s "
                         "ORDER BY _lynex_n, _lynex_d",
                         open, time, close, lx_buf_cstr(&hot->target), open, time, close);
}

enum lx_status lx_hot_sql_parts(void *self, struct lx_hot_parts *out, struct lx_err *err)
{
    struct lx_hot_sql *hot = self;
    struct lx_buf sql = LX_BUF(LX_SQL_MAX_TEXT);
    struct lx_ch_table answer = {0};
    struct lx_hot_parts parts = {0};
    char id[64];
    size_t cap = 0, day_cap = 0;
    lx_hot_sql_query_id(hot, "plan", id);
    enum lx_status status = parts_sql(hot, &sql);
    if (status != LX_OK) {
        lx_err_memory(err);
        goto done;
    }
    struct lx_ch_query query = {.sql = lx_buf_cstr(&sql), .query_id = id};
    status = lx_ch_query_all(hot->client, &query, LX_SQL_MAX_PART_ROWS, &answer, err);
    if (status != LX_OK) {
        status = lx_hot_sql_explain(hot, status, "asking for the parts of", err);
        goto done;
    }
    status = lx_ch_table_check(&answer, "ttiuu", err);
    for (int64_t row = 0; status == LX_OK && row < answer.block.rows; row++)
        status = add_row(&parts, &cap, &answer, row, &day_cap, err);
    if (status == LX_OK) {
        parts.now = answer.block.rows > 0 ? (int64_t)lx_ch_u64(&answer, 4, 0)
                                          : lx_clock_now(&hot->clock) / 1000;
        if (parts.count > 1)
            qsort(parts.parts, parts.count, sizeof *parts.parts, by_blocks);
        *out = parts;
        parts = (struct lx_hot_parts){0};
    }
done:
    lx_hot_parts_free(&parts);
    lx_ch_table_free(&answer);
    lx_buf_free(&sql);
    return status;
}

/* -- sums ---------------------------------------------------------------------------------- */

/* Questions of the same schema and range are asked together. */
static bool same_question(const struct lx_hot_sum *a, const struct lx_hot_sum *b)
{
    return a->schema == b->schema && a->from == b->from && a->to == b->to;
}

/* Where whole parts are counted too, no row may be filtered out before. */
static enum lx_status sums_sql(const struct lx_hot_sql *hot, const struct lx_hot_sum *first,
                               const char *const *parts, size_t count, bool whole,
                               unsigned long long nonce, struct lx_buf *sql)
{
    struct lx_buf range = LX_BUF(LX_SQL_MAX_TEXT);
    enum lx_status status = lx_hot_sql_range(hot, first->from, first->to, &range);
    if (status == LX_OK)
        status = lx_buf_printf(
            sql,
            "SELECT toUInt64(%llu) AS _lynex_q, _lynex_n, toUInt64(count()), "
            "toUInt64(countIf(_lynex_i)), "
            "sumIf(_lynex_h, _lynex_i), groupBitXorIf(_lynex_h, _lynex_i), "
            "toUInt64(countIf(_lynex_i AND _lynex_s)) FROM (SELECT _part AS _lynex_n, ",
            nonce);
    if (status == LX_OK)
        status = lx_row_schema_hash_sql(first->schema, sql);
    if (status == LX_OK)
        status = lx_buf_printf(sql, " AS _lynex_h, ifNull(%s, 0) AS _lynex_i, ",
                               whole ? lx_buf_cstr(&range) : "1");
    if (status == LX_OK)
        status = lx_hot_sql_strange(hot, first->schema, sql);
    if (status == LX_OK)
        status = lx_buf_printf(sql, " AS _lynex_s FROM %s WHERE ", lx_buf_cstr(&hot->target));
    if (status == LX_OK)
        status = lx_hot_sql_parts_in(parts, count, sql);
    if (status == LX_OK && !whole)
        status = lx_buf_printf(sql, " AND %s", lx_buf_cstr(&range));
    if (status == LX_OK)
        status = lx_buf_text(sql, ") GROUP BY _lynex_n");
    lx_buf_free(&range);
    return status;
}

static enum lx_status take_answers(const struct lx_ch_table *answer, unsigned long long nonce,
                                   struct lx_hot_sum **asked, size_t count, bool whole,
                                   struct lx_err *err)
{
    LX_TRY(lx_ch_table_check(answer, "utuuuuu", err));
    for (int64_t row = 0; row < answer->block.rows; row++) {
        if (lx_ch_u64(answer, 0, row) != nonce) {
            lx_err_set(err, LX_E_REFUSED, "the answer to a guard was not made for its question");
            lx_err_hint(err, "a caching proxy answers in ClickHouse's place: connect lynex to the "
                             "server itself");
            return LX_E_REFUSED;
        }
        struct lx_str name = lx_ch_text(answer, 1, row);
        for (size_t i = 0; i < count; i++) {
            if (!lx_str_is(name, asked[i]->part))
                continue;
            asked[i]->found = true;
            asked[i]->whole = whole ? (int64_t)lx_ch_u64(answer, 2, row) : -1;
            asked[i]->rows = (int64_t)lx_ch_u64(answer, 3, row);
            asked[i]->sum = lx_ch_u64(answer, 4, row);
            asked[i]->xor = lx_ch_u64(answer, 5, row);
            asked[i]->strange = (int64_t)lx_ch_u64(answer, 6, row);
        }
    }
    return LX_OK;
}

static enum lx_status ask_sums(struct lx_hot_sql *hot, struct lx_hot_sum **asked, size_t count,
                               bool whole, struct lx_err *err)
{
    const char *parts[LX_SQL_SUMS_AT_ONCE];
    struct lx_buf sql = LX_BUF(LX_SQL_MAX_TEXT);
    struct lx_ch_table answer = {0};
    unsigned long long nonce = lx_random_u64(&hot->random);
    char id[64];
    for (size_t i = 0; i < count; i++) {
        parts[i] = asked[i]->part;
        asked[i]->found = false;
        asked[i]->whole = whole ? 0 : -1;
        asked[i]->rows = asked[i]->strange = 0;
        asked[i]->sum = asked[i]->xor = 0;
    }
    lx_hot_sql_query_id(hot, whole ? "guard" : "sums", id);
    enum lx_status status = sums_sql(hot, asked[0], parts, count, whole, nonce, &sql);
    if (status != LX_OK) {
        lx_hot_sql_too_long(status, "the question for", count, err);
    } else {
        struct lx_ch_query query = {.sql = lx_buf_cstr(&sql), .query_id = id};
        status = lx_ch_query_all(hot->client, &query, (int64_t)count, &answer, err);
        status = status == LX_OK ? take_answers(&answer, nonce, asked, count, whole, err)
                                 : lx_hot_sql_explain(hot, status, "comparing rows of", err);
    }
    lx_ch_table_free(&answer);
    lx_buf_free(&sql);
    return status;
}

enum lx_status lx_hot_sql_sums(void *self, struct lx_hot_sum *sums, size_t count, bool whole,
                               struct lx_err *err)
{
    struct lx_hot_sql *hot = self;
    bool *done = lx_calloc(count, sizeof *done);
    if (done == NULL)
        return lx_err_memory(err);
    enum lx_status status = LX_OK;
    for (size_t i = 0; status == LX_OK && i < count; i++) {
        struct lx_hot_sum *asked[LX_SQL_SUMS_AT_ONCE];
        size_t together = 0;
        for (size_t j = i; j < count && together < LX_SQL_SUMS_AT_ONCE; j++) {
            if (!done[j] && same_question(&sums[i], &sums[j])) {
                done[j] = true;
                asked[together++] = &sums[j];
            }
        }
        if (together != 0)
            status = ask_sums(hot, asked, together, whole, err);
    }
    lx_free(done);
    return status;
}

enum lx_status lx_hot_sql_present(void *self, const char *const *parts, size_t count, bool *present,
                                  int64_t *now, struct lx_err *err)
{
    struct lx_hot_sql *hot = self;
    struct lx_buf sql = LX_BUF(LX_SQL_MAX_TEXT);
    struct lx_ch_table answer = {0};
    char id[64];
    lx_hot_sql_query_id(hot, "judge", id);
    /* The row of the clock comes always, so that the answer is never empty. */
    enum lx_status status =
        lx_buf_printf(&sql,
                      "SELECT '' AS _lynex_n, toUInt64(toUnixTimestamp(now())) UNION ALL "
                      "SELECT toString(_part) AS _lynex_n, toUInt64(count()) FROM %s WHERE ",
                      lx_buf_cstr(&hot->target));
    if (status == LX_OK)
        status = lx_hot_sql_parts_in(parts, count, &sql);
    if (status == LX_OK)
        status = lx_buf_text(&sql, " GROUP BY _lynex_n");
    if (status != LX_OK) {
        lx_hot_sql_too_long(status, "the question for", count, err);
        goto done;
    }
    struct lx_ch_query query = {.sql = lx_buf_cstr(&sql), .query_id = id};
    status = lx_ch_query_all(hot->client, &query, (int64_t)count + 1, &answer, err);
    if (status != LX_OK) {
        status = lx_hot_sql_explain(hot, status, "asking for parts of", err);
        goto done;
    }
    memset(present, 0, count * sizeof *present);
    *now = 0;
    status = lx_ch_table_check(&answer, "tu", err);
    for (int64_t row = 0; status == LX_OK && row < answer.block.rows; row++) {
        struct lx_str name = lx_ch_text(&answer, 0, row);
        if (name.len == 0)
            *now = (int64_t)lx_ch_u64(&answer, 1, row);
        for (size_t i = 0; i < count; i++)
            if (name.len != 0 && lx_str_is(name, parts[i]))
                present[i] = true;
    }
    if (status == LX_OK && *now == 0)
        status = lx_err_set(err, LX_E_FORMAT, "the server did not tell its time");
done:
    lx_ch_table_free(&answer);
    lx_buf_free(&sql);
    return status;
}
