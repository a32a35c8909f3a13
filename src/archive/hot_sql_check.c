/* Checks before anything is deleted: does a row policy hide rows, and do the server's hashes mean
 * what ours do? */
#include "archive/hot_sql_private.h"

#include <assert.h>

enum lx_status lx_hot_sql_row_policy(void *self, struct lx_err *err)
{
    struct lx_hot_sql *hot = self;
    struct lx_buf sql = LX_BUF(LX_SQL_MAX_TEXT);
    struct lx_ch_table answer = {0};
    char id[64];
    lx_hot_sql_query_id(hot, "policy", id);
    enum lx_status status = lx_buf_printf(&sql, "EXPLAIN SELECT %s FROM %s WHERE _part = 'x'",
                                          lx_buf_cstr(&hot->time), lx_buf_cstr(&hot->target));
    if (status != LX_OK) {
        lx_err_memory(err);
        goto done;
    }
    struct lx_ch_query query = {.sql = lx_buf_cstr(&sql), .query_id = id};
    status = lx_ch_query_all(hot->client, &query, 10000, &answer, err);
    if (status != LX_OK) {
        status = lx_hot_sql_explain(hot, status, "asking for the row policies of", err);
        goto done;
    }
    status = lx_ch_table_check(&answer, "t", err);
    if (status == LX_OK && answer.block.rows == 0)
        status = lx_err_set(err, LX_E_FORMAT, "the server did not tell its plan");
    for (int64_t row = 0; status == LX_OK && row < answer.block.rows; row++) {
        struct lx_str line = lx_ch_text(&answer, 0, row);
        if (memmem(line.ptr, line.len, "Row level", 9) == NULL &&
            memmem(line.ptr, line.len, "Row-level", 9) == NULL)
            continue;
        status = lx_err_set(err, LX_E_REFUSED, "a row policy hides rows of %s from this user",
                            lx_buf_cstr(&hot->target));
        lx_err_hint(err, "deletes ignore row policies, so hidden rows could go unarchived: give "
                         "lynex a user without a policy on this table (CREATE ROW POLICY … USING 1 "
                         "… TO <user>)");
    }
done:
    lx_ch_table_free(&answer);
    lx_buf_free(&sql);
    return status;
}

/* Ten golden rows, and what xxh3 makes of them (docs/rowhash.md). */
static const char golden_sql[] =
    "SELECT toUUID(concat('0011223', toString(number), '-4455-4677-8899-aabbccddee0', "
    "toString(number))) AS id, substring('lynex archives ClickHouse events to Parquet', 1, "
    "4 * number) AS s, addMilliseconds(toDateTime64('2026-05-01 00:00:00.000', 3, 'UTC'), "
    "[0, 1000, 2001, 3002, 4003, 5004, 6005, 7007, 8007, 9008][number + 1]) AS ts, "
    "toFloat32(1.5 * number) AS f32, if(number = 9, -0.0, number / 8) AS f64, "
    "toDate('2026-05-01') + number AS d, CAST(if(number IN (2, 5, 8), NULL, number - 4) AS "
    "Nullable(Int32)) AS n, xxh3(tuple(id, s, ts, f32, f64, d, n)) AS h, toString(id) AS t "
    "FROM numbers(10) ORDER BY number";

static const uint64_t golden_hashes[10] = {
    15704590063253990482u, 3527722631207772344u,  1203045788066049851u, 1332806867295939999u,
    10896504894405809733u, 13852329462589997098u, 153825179690110446u,  10105351337982505064u,
    8339742310548374758u,  3843294174881432347u,
};

#define GOLDEN_COLUMNS 7

static enum lx_status compare_golden(const struct lx_ch_block *block, struct lx_err *err)
{
    struct lx_ch_hash_input inputs[GOLDEN_COLUMNS];
    uint64_t ours[10];
    if (block->rows != 10 || block->column_count != GOLDEN_COLUMNS + 2 ||
        block->columns[GOLDEN_COLUMNS].data.width != 8)
        return lx_err_set(err, LX_E_MISMATCH, "the golden rows came back in another shape");
    for (size_t i = 0; i < GOLDEN_COLUMNS; i++)
        inputs[i] =
            (struct lx_ch_hash_input){block->columns[i].type, &block->columns[i].data, NULL};
    enum lx_status hashed = lx_ch_hash_rows(inputs, GOLDEN_COLUMNS, 10, ours);
    assert(hashed == LX_OK); /* ten rows of plain columns: nothing is allocated */
    (void)hashed;
    for (int64_t row = 0; row < 10; row++) {
        uint64_t theirs;
        memcpy(&theirs, block->columns[GOLDEN_COLUMNS].data.values + row * 8, 8);
        struct lx_str text = lx_column_value(&block->columns[GOLDEN_COLUMNS + 1].data, row);
        char expected[] = "00112230-4455-4677-8899-aabbccddee00";
        expected[7] = expected[35] = (char)('0' + row);
        if (theirs != golden_hashes[row] || ours[row] != golden_hashes[row] ||
            !lx_str_is(text, expected))
            return lx_err_set(err, LX_E_MISMATCH,
                              "golden row %d hashes to %llu on the server and %llu here, not %llu",
                              (int)row, (unsigned long long)theirs, (unsigned long long)ours[row],
                              (unsigned long long)golden_hashes[row]);
    }
    return LX_OK;
}

enum lx_status lx_hot_sql_self_test(void *self, struct lx_err *err)
{
    struct lx_hot_sql *hot = self;
    struct lx_ch_table answer = {0};
    char id[64];
    lx_hot_sql_query_id(hot, "selftest", id);
    struct lx_ch_query query = {.sql = golden_sql, .query_id = id};
    enum lx_status status = lx_ch_query_all(hot->client, &query, 10, &answer, err);
    if (status == LX_OK)
        status = compare_golden(&answer.block, err);
    if (status == LX_E_MISMATCH) {
        lx_err_context(err, "self-test");
        lx_err_hint(err, "rows could not be proven against this server; nothing was read or "
                         "deleted; please report the server's version");
    }
    lx_ch_table_free(&answer);
    return status;
}
