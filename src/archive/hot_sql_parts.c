/* Parts by day, and sums of row hashes: the questions of plan and guard. */
#include "archive/hot_sql_private.h"

#include "base/alloc.h"
#include "base/civil.h"
#include "base/limits.h"

#include <stdlib.h>

/* Sizes and days of parts come from one question, but of two looks at the table, a moment apart: if
 * a merge falls between them, it is asked again. The first times sizes may come from the parts'
 * metadata (a projection that every table has), which takes no reading where no row is masked; then
 * they are read, should the one not fit the other, or the server fail over it. */
#define MOST_ASKS 10
#define ASKS_OF_METADATA 4
#define NO_DAY INT32_MIN /* marks a part's size; it comes before its days */

/* What the answer's columns are. */
enum { PARTITION, NAME, DAY, ROWS, NULL_ROWS, NOW };

/* The partition is what stands before the first '_' of a part's name: ids are digits, '-' and
 * hexadecimal. Days, which are of the parts that count, tell it, too. */
static enum lx_status add_part(struct lx_hot_parts *parts, const struct lx_ch_table *answer,
                               int64_t row, struct lx_err *err)
{
    struct lx_str name = lx_ch_text(answer, NAME, row);
    const char *end = name.len > 0 ? memchr(name.ptr, '_', name.len) : NULL;
    struct lx_hot_part *part = &parts->parts[parts->count++];
    *part = (struct lx_hot_part){.rows = (int64_t)lx_ch_u64(answer, ROWS, row),
                                 .null_rows = (int64_t)lx_ch_u64(answer, NULL_ROWS, row),
                                 .days_to = parts->days_to};
    part->partition = lx_strndup(name.ptr, end != NULL ? (size_t)(end - name.ptr) : name.len);
    part->name = lx_strndup(name.ptr, name.len);
    if (part->partition == NULL || part->name == NULL)
        return lx_err_memory(err);
    if (!lx_hot_part_parse(name, part->partition, part))
        return lx_err_set(err, LX_E_UNSUPPORTED, "the part name %.*s is not understood",
                          LX_STR_ARG(name));
    if (part->rows <= 0 || part->null_rows < 0 || part->null_rows > part->rows)
        return lx_err_set(err, LX_E_FORMAT,
                          "the part %.*s is said to have %lld rows, %lld of them without a time",
                          LX_STR_ARG(name), (long long)part->rows, (long long)part->null_rows);
    return LX_OK;
}

/* The rows from *row on that are days of this part. */
static enum lx_status take_days(struct lx_hot_part *part, const struct lx_ch_table *answer,
                                int64_t *row, struct lx_err *err)
{
    int64_t end = *row, rows = 0;
    while (end < answer->block.rows && lx_str_is(lx_ch_text(answer, NAME, end), part->name))
        end++;
    size_t count = (size_t)(end - *row);
    if (count == 0)
        return LX_OK;
    part->days = lx_calloc(count, sizeof *part->days);
    if (part->days == NULL)
        return lx_err_memory(err);
    for (; *row < end; ++*row) {
        struct lx_str partition = lx_ch_text(answer, PARTITION, *row);
        struct lx_hot_day day = {(int32_t)lx_ch_i64(answer, DAY, *row),
                                 (int64_t)lx_ch_u64(answer, ROWS, *row)};
        if (day.rows <= 0 || day.rows > INT64_MAX - rows || day.day == NO_DAY ||
            (part->day_count > 0 && part->days[part->day_count - 1].day >= day.day))
            return lx_err_set(err, LX_E_FORMAT,
                              "the part %s is said to have %lld rows on its day %zu", part->name,
                              (long long)day.rows, part->day_count + 1);
        if (!lx_str_is(partition, part->partition))
            return lx_err_set(err, LX_E_UNSUPPORTED,
                              "the part name %s is not understood: its partition is %.*s",
                              part->name, LX_STR_ARG(partition));
        rows += day.rows;
        part->days[part->day_count++] = day;
    }
    return rows <= part->rows - part->null_rows
               ? LX_OK
               : lx_err_set(err, LX_E_AGAIN, "the part %s has more rows by day than in all",
                            part->name);
}

static int by_blocks(const void *a, const void *b)
{
    const struct lx_hot_part *x = a, *y = b;
    int order = strcmp(x->partition, y->partition);
    if (order != 0)
        return order;
    return x->min_block < y->min_block ? -1 : x->min_block > y->min_block;
}

/* LX_E_AGAIN: sizes and days are not of the same parts. */
static enum lx_status take_parts(const struct lx_ch_table *answer, struct lx_hot_parts *parts,
                                 struct lx_err *err)
{
    LX_TRY(lx_ch_table_check(answer, "ttiuuu", err));
    parts->parts = lx_calloc((size_t)answer->block.rows + 1, sizeof *parts->parts);
    if (parts->parts == NULL)
        return lx_err_memory(err);
    for (int64_t row = 0; row < answer->block.rows;) {
        struct lx_str name = lx_ch_text(answer, NAME, row);
        if (lx_ch_i64(answer, DAY, row) != NO_DAY)
            return lx_err_set(err, LX_E_AGAIN, "the part %.*s came or went while it was asked for",
                              LX_STR_ARG(name));
        parts->now = (int64_t)lx_ch_u64(answer, NOW, row);
        LX_TRY(add_part(parts, answer, row++, err));
        LX_TRY(take_days(&parts->parts[parts->count - 1], answer, &row, err));
    }
    if (parts->count > 1)
        qsort(parts->parts, parts->count, sizeof *parts->parts, by_blocks);
    return LX_OK;
}

/* Rows by part and day. Only the days that are asked for: most rows of a large table are younger,
 * and its partitions and keys keep the server from reading them. The keys are two numbers, which
 * take two thirds of the time of a name and a number: of a name its hash, which no two of a table's
 * parts share but once in 10^9 tables of 10^5 parts. A date has no zone to convert from. */
static enum lx_status days_sql(const struct lx_hot_sql *hot, int64_t days_to, struct lx_buf *sql)
{
    bool date = hot->time_type.kind == LX_CH_DATE || hot->time_type.kind == LX_CH_DATE32;
    const char *open = date ? "" : "toDate32(", *close = date ? "" : ", 'UTC')";
    const char *time = lx_buf_cstr(&hot->time);
    LX_TRY(lx_buf_printf(sql,
                         "SELECT toString(any(_partition_id)) AS _lynex_p, "
                         "toString(any(_part)) AS _lynex_n, "
                         "assumeNotNull(toInt32(%s%s%s)) AS _lynex_d, count() AS _lynex_c, "
                         "toUInt64(0) AS _lynex_z FROM %s WHERE ",
                         open, time, close, lx_buf_cstr(&hot->target)));
    LX_TRY(lx_hot_sql_range(hot, INT64_MIN, days_to, sql));
    return lx_buf_printf(sql, " GROUP BY CAST(cityHash64(_part), 'UInt64'), %s%s%s", open, time,
                         close);
}

/* Rows of each part, and those without a time. */
static enum lx_status sizes_sql(const struct lx_hot_sql *hot, struct lx_buf *sql)
{
    const char *time = lx_buf_cstr(&hot->time);
    LX_TRY(lx_buf_printf(sql,
                         "SELECT '' AS _lynex_p, toString(_part) AS _lynex_n, "
                         "toInt32(%d) AS _lynex_d, count() AS _lynex_c, ",
                         NO_DAY));
    if (hot->time_type.nullable)
        LX_TRY(lx_buf_printf(sql, "toUInt64(countIf(%s IS NULL))", time));
    else
        LX_TRY(lx_buf_text(sql, "toUInt64(0)"));
    return lx_buf_printf(sql, " AS _lynex_z FROM %s GROUP BY _part", lx_buf_cstr(&hot->target));
}

static enum lx_status parts_sql(const struct lx_hot_sql *hot, int64_t days_to, struct lx_buf *sql)
{
    LX_TRY(lx_buf_text(sql, "SELECT _lynex_p, _lynex_n, _lynex_d, _lynex_c, _lynex_z, "
                            "toUInt64(toUnixTimestamp(now())) FROM (SELECT * FROM ("));
    LX_TRY(sizes_sql(hot, sql));
    LX_TRY(lx_buf_text(sql, ") UNION ALL SELECT * FROM ("));
    LX_TRY(days_sql(hot, days_to, sql));
    return lx_buf_text(sql, ")) ORDER BY _lynex_n, _lynex_d");
}

static enum lx_status ask_parts(struct lx_hot_sql *hot, int64_t days_to, bool metadata,
                                struct lx_hot_parts *out, struct lx_err *err)
{
    struct lx_buf sql = LX_BUF(LX_SQL_MAX_TEXT);
    struct lx_ch_table answer = {0};
    struct lx_hot_parts parts = {.days_to = days_to, .now = lx_clock_now(&hot->clock) / 1000};
    const struct lx_ch_setting projections = {"optimize_use_projections", "1"};
    char id[64];
    lx_hot_sql_query_id(hot, "plan", id);
    enum lx_status status = parts_sql(hot, days_to, &sql);
    if (status == LX_E_MEMORY)
        lx_err_memory(err);
    if (status == LX_OK) {
        const struct lx_ch_query query = {.sql = lx_buf_cstr(&sql),
                                          .query_id = id,
                                          .settings = &projections,
                                          .setting_count = metadata,
                                          .wishes = lx_hot_sql_wishes,
                                          .wish_count = LX_SQL_WISHES};
        status = lx_ch_query_all(hot->client, &query, LX_SQL_MAX_PART_ROWS, &answer, err);
        if (status == LX_OK)
            status = take_parts(&answer, &parts, err);
        status = lx_hot_sql_explain(hot, status, "asking for the parts of", err);
    }
    if (status == LX_OK)
        *out = parts;
    else
        lx_hot_parts_free(&parts);
    lx_ch_table_free(&answer);
    lx_buf_free(&sql);
    return status;
}

enum lx_status lx_hot_sql_parts(void *self, int64_t days_to, struct lx_hot_parts *parts,
                                struct lx_err *err)
{
    struct lx_err own = LX_ERR_INIT;
    if (err == NULL)
        err = &own; /* what failed decides below */
    enum lx_status status = LX_E_AGAIN;
    bool metadata = days_to != INT64_MAX; /* else all is to be read */
    for (int asked = 0; status == LX_E_AGAIN && asked < MOST_ASKS; asked++) {
        metadata = metadata && asked < ASKS_OF_METADATA;
        lx_err_clear(err);
        status = ask_parts(self, days_to, metadata, parts, err);
        bool failed = status != LX_OK && status != LX_E_AGAIN && status != LX_E_BUSY;
        if (metadata && failed && err->code != 0) {
            metadata = false;
            lx_err_clear(err);
            status = ask_parts(self, days_to, metadata, parts, err);
        }
    }
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
