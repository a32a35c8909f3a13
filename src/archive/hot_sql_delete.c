/* The statements that delete. Called by delete.c alone, which holds the proof. */
#include "archive/hot_sql_private.h"
#include "base/mutant.h"

#include <stdio.h>

#define CODE_NO_SUCH_DATA_PART 232
#define CODE_BAD_DATA_PART_NAME 233
#define CODE_PART_IS_TOO_LARGE 359 /* TABLE_SIZE_EXCEEDS_MAX_DROP_SIZE_LIMIT */
#define CODE_SUPPORT_IS_DISABLED 344
#define CODE_SYNTAX_ERROR 62 /* servers before DELETE FROM … IN PARTITION */
#define DROP_WAIT_MS (5 * 60 * 1000)

static enum lx_status run(struct lx_hot_sql *hot, const struct lx_buf *statement,
                          const char *query_id, const struct lx_ch_setting *settings,
                          size_t setting_count, int64_t wait_ms, struct lx_err *err)
{
    struct lx_ch_query query = {
        .sql = lx_buf_cstr(statement),
        .query_id = query_id,
        .settings = settings,
        .setting_count = setting_count,
        .timeout_ms = (int)wait_ms,
    };
    enum lx_status status = lx_ch_execute(hot->client, &query, err);
    if (status == LX_E_ACCESS)
        lx_err_hint(err,
                    "run as an administrator: GRANT ALTER DELETE ON %s TO <user>; the rows "
                    "are archived and stay in ClickHouse until then",
                    lx_buf_cstr(&hot->target));
    return status;
}

enum lx_status lx_hot_sql_drop_parts(void *self, const char *const *parts, size_t count,
                                     struct lx_buf *statement, char query_id[64],
                                     struct lx_err *err)
{
    struct lx_hot_sql *hot = self;
    lx_buf_clear(statement);
    lx_hot_sql_query_id(hot, "drop", query_id);
    enum lx_status status = lx_buf_printf(statement, "ALTER TABLE %s ", lx_buf_cstr(&hot->target));
    for (size_t i = 0; status == LX_OK && i < count; i++) {
        status = lx_buf_text(statement, i == 0 ? "DROP PART " : ", DROP PART ");
        if (status == LX_OK)
            status = lx_ch_quote_text(statement, lx_str_of(parts[i]));
    }
    if (status != LX_OK)
        return lx_hot_sql_too_long(status, "the statement to drop", count, err);
    status = run(hot, statement, query_id, NULL, 0, DROP_WAIT_MS, err);
    if (status != LX_OK && err->code == CODE_PART_IS_TOO_LARGE) {
        /* A brake against slips of the hand; the guard has said what these parts are. The setting
         * is sent only now, since old servers do not know it. */
        static const struct lx_ch_setting no_brake = {"max_partition_size_to_drop", "0"};
        lx_err_clear(err);
        lx_hot_sql_query_id(hot, "drop", query_id);
        status = run(hot, statement, query_id, &no_brake, 1, DROP_WAIT_MS, err);
    }
    if (status != LX_OK &&
        (err->code == CODE_NO_SUCH_DATA_PART || err->code == CODE_BAD_DATA_PART_NAME))
        err->status = status = LX_E_NOTFOUND;
    return lx_hot_sql_explain(hot, status, "dropping parts of", err);
}

/* (_part = 'a' AND t < T AND (SELECT (count(), sum(h), groupBitXor(h), …) …) = (n, s, x, 0)) */
static enum lx_status add_target(const struct lx_hot_sql *hot, const struct lx_hot_mask *mask,
                                 struct lx_buf *sql)
{
    LX_TRY(lx_buf_text(sql, "("));
    LX_TRY(lx_mutant("delete-by-range") ? lx_buf_text(sql, "1")
                                        : lx_hot_sql_parts_in(&mask->part, 1, sql));
    LX_TRY(lx_buf_text(sql, " AND "));
    LX_TRY(lx_hot_sql_range(hot, INT64_MIN, mask->to, sql));
    if (lx_mutant("delete-by-range") || lx_mutant("mask-without-guard"))
        return lx_buf_text(sql, ")");
    LX_TRY(lx_buf_text(sql, " AND (SELECT (count(), sum(_lynex_h), groupBitXor(_lynex_h), "
                            "countIf(_lynex_s)) FROM (SELECT "));
    LX_TRY(lx_row_schema_hash_sql(mask->schema, sql));
    LX_TRY(lx_buf_text(sql, " AS _lynex_h, "));
    LX_TRY(lx_hot_sql_strange(hot, mask->schema, sql));
    LX_TRY(lx_buf_printf(sql, " AS _lynex_s FROM %s WHERE ", lx_buf_cstr(&hot->target)));
    LX_TRY(lx_hot_sql_parts_in(&mask->part, 1, sql));
    LX_TRY(lx_buf_text(sql, " AND "));
    LX_TRY(lx_hot_sql_range(hot, INT64_MIN, mask->to, sql));
    return lx_buf_printf(sql, ")) = (%lld, toUInt64(%llu), toUInt64(%llu), 0))",
                         (long long)mask->rows, (unsigned long long)mask->sum,
                         (unsigned long long)mask->xor);
}

static enum lx_status still_waiting(struct lx_hot_sql *hot, enum lx_status status, int64_t wait_ms,
                                    struct lx_err *err)
{
    if (status != LX_E_TIMEOUT)
        return lx_hot_sql_explain(hot, status, "deleting from", err);
    lx_err_set(err, LX_E_BUSY, "the delete on %s still waits on the server after %lld s",
               lx_buf_cstr(&hot->target), (long long)(wait_ms / 1000));
    snprintf(err->name, sizeof err->name, "PENDING_DELETE");
    lx_err_hint(err, "merges may be stopped or busy (SYSTEM START MERGES); it deletes exactly the "
                     "archived rows once it runs; the next run goes on from there");
    return LX_E_BUSY;
}

static enum lx_status mask_once(struct lx_hot_sql *hot, const char *partition,
                                const struct lx_hot_mask *masks, size_t count, int64_t wait_ms,
                                struct lx_buf *statement, char query_id[64], struct lx_err *err)
{
    lx_buf_clear(statement);
    lx_hot_sql_query_id(hot, "mask", query_id);
    enum lx_status status = lx_buf_printf(statement,
                                          hot->mutations ? "ALTER TABLE %s DELETE IN PARTITION ID "
                                                         : "DELETE FROM %s IN PARTITION ID ",
                                          lx_buf_cstr(&hot->target));
    if (status == LX_OK)
        status = lx_ch_quote_text(statement, lx_str_of(partition));
    if (status == LX_OK)
        status = lx_buf_text(statement, " WHERE ");
    for (size_t i = 0; status == LX_OK && i < count; i++) {
        if (i > 0)
            status = lx_buf_text(statement, " OR ");
        if (status == LX_OK)
            status = add_target(hot, &masks[i], statement);
    }
    if (status != LX_OK)
        return lx_hot_sql_too_long(status, "the statement to mask", count, err);
    return run(hot, statement, query_id, NULL, 0, wait_ms, err);
}

enum lx_status lx_hot_sql_mask(void *self, const char *partition, const struct lx_hot_mask *masks,
                               size_t count, int64_t wait_ms, struct lx_buf *statement,
                               char query_id[64], struct lx_err *err)
{
    struct lx_hot_sql *hot = self;
    enum lx_status status =
        mask_once(hot, partition, masks, count, wait_ms, statement, query_id, err);
    if (status != LX_OK && !hot->mutations &&
        (err->code == CODE_SUPPORT_IS_DISABLED || err->code == CODE_SYNTAX_ERROR)) {
        /* Refused before anything was done. The predicate and its guard stay the same. */
        hot->mutations = true;
        lx_err_clear(err);
        status = mask_once(hot, partition, masks, count, wait_ms, statement, query_id, err);
    }
    return still_waiting(hot, status, wait_ms, err);
}

enum lx_status lx_hot_sql_apply_mask(void *self, const char *partition, int64_t wait_ms,
                                     struct lx_err *err)
{
    struct lx_hot_sql *hot = self;
    struct lx_buf statement = LX_BUF(LX_SQL_MAX_TEXT);
    char id[64];
    lx_hot_sql_query_id(hot, "apply", id);
    enum lx_status status = lx_buf_printf(&statement,
                                          "ALTER TABLE %s APPLY DELETED MASK IN "
                                          "PARTITION ID ",
                                          lx_buf_cstr(&hot->target));
    if (status == LX_OK)
        status = lx_ch_quote_text(&statement, lx_str_of(partition));
    status = status != LX_OK ? lx_err_memory(err) : run(hot, &statement, id, NULL, 0, wait_ms, err);
    lx_buf_free(&statement);
    return still_waiting(hot, status, wait_ms, err);
}
