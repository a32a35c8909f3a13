/* A stream of rows, or of their hashes, whose blocks get too large for memory, or whose answer ends
 * too early: the rest is asked for again, from the first row that was not taken.
 *
 * A server waits for whoever reads for http_send_timeout (30 s), and then ends the answer. A run
 * may take longer over what it does between two blocks: a large part's guard, an upload over a slow
 * line.
 *
 * For blocks that are too large, the rest comes in smaller ones. ClickHouse cuts blocks by the size
 * that it expects rows to have, so that large rows among small ones come many at a time. What
 * follows such a block is read in small blocks for a stretch, then in usual ones again; should that
 * fail once more, the next stretch is twice as long, so that the rows before (the server reads what
 * an OFFSET skips) are read over but a few times.
 *
 * One thread on the server gives the same rows in the same order. That is not believed: where a
 * stream was asked for again, count and sums of all its rows must in the end be those that one
 * question finds, or they were not these rows, each once. */
#include "archive/hot_sql_private.h"

#include "base/alloc.h"

#include <stdio.h>

#define USUAL_ROWS 65409 /* of a block */
#define FEWER 16         /* a block that was too large has so many times the rows of the next */
#define MOST_STRETCH (INT64_MAX / 4)
#define MOST_BREAKS 1000 /* answers of one stream that ended too early, each with rows in it */
#define SAID_BREAKS 50   /* the first of them, and every so many, are said */
#define CODE_SOCKET_TIMEOUT 209
#define CODE_NETWORK_ERROR 210
/* Around the query's own text: it has room for more in what ClickHouse takes. */
#define MORE_TEXT (4 * LX_KIB)

/* One thread, so that a part's rows come in the part's order and parts one after the other: files
 * have the table's sort order, and the same part gives the same file. */
static enum lx_status start(struct lx_hot_stream *stream, const char *sql, int64_t block_rows,
                            struct lx_err *err)
{
    struct lx_hot_sql *hot = stream->hot;
    char id[64], rows[24];
    snprintf(rows, sizeof rows, "%lld", (long long)block_rows);
    const struct lx_ch_setting wishes[] = {
        {"max_threads", "1"},
        {"max_block_size", rows},
        {"preferred_block_size_bytes",
         "4194304"}, /* blocks of a few MiB cost least on both sides */
    };
    lx_hot_sql_query_id(hot, stream->purpose, id);
    const struct lx_ch_query query = {
        .sql = sql,
        .query_id = id,
        .wishes = wishes,
        .wish_count = sizeof wishes / sizeof wishes[0],
        .max_block_bytes = hot->max_block_bytes,
        .cancel = &stream->cancel,
    };
    enum lx_status status = lx_ch_select(hot->client, &query, &stream->result, err);
    return lx_hot_sql_explain(hot, status, stream->doing, err);
}

enum lx_status lx_hot_sql_start(struct lx_hot_stream *stream, struct lx_err *err)
{
    return start(stream, stream->sql, USUAL_ROWS, err);
}

/* Where the first row lies that was not taken: the part's index, and the row's number in it. */
static enum lx_status find_next_row(struct lx_hot_stream *stream, bool *found, size_t *part,
                                    uint64_t *row, struct lx_err *err)
{
    struct lx_hot_sql *hot = stream->hot;
    struct lx_buf sql = LX_BUF(LX_SQL_MAX_TEXT + MORE_TEXT);
    struct lx_ch_table answer = {0};
    const struct lx_ch_setting wish = {"max_threads", "1"};
    char id[64];
    lx_hot_sql_query_id(hot, "place", id);
    enum lx_status status =
        lx_buf_printf(&sql, "SELECT toString(_part), toUInt64(_part_offset)%s LIMIT 1 OFFSET %lld",
                      stream->sql + stream->from_at, (long long)stream->rows);
    if (status != LX_OK) {
        lx_buf_free(&sql);
        return lx_err_memory(err);
    }
    const struct lx_ch_query query = {.sql = lx_buf_cstr(&sql),
                                      .query_id = id,
                                      .wishes = &wish,
                                      .wish_count = 1,
                                      .cancel = &stream->cancel};
    status = lx_ch_query_all(hot->client, &query, 1, &answer, err);
    if (status == LX_OK)
        status = lx_ch_table_check(&answer, "tu", err);
    if (status != LX_OK) {
        status = lx_hot_sql_explain(hot, status, stream->doing, err);
    } else {
        *found = answer.block.rows == 1;
        for (*part = 0; *found && *part < stream->part_count; ++*part)
            if (lx_str_is(lx_ch_text(&answer, 0, 0), stream->parts[*part]))
                break;
        if (*found && *part < stream->part_count)
            *row = lx_ch_u64(&answer, 1, 0);
        else if (*found || !stream->broken) /* an answer that broke off may have had all rows */
            status = lx_err_set(err, LX_E_AGAIN, "rows of %s went away while they were read",
                                lx_buf_cstr(&hot->target));
    }
    lx_ch_table_free(&answer);
    lx_buf_free(&sql);
    return status;
}

/* The rest: all of it, or a stretch within one part, which the server finds by the row's number. It
 * would read over all rows before an OFFSET in small blocks, too. */
static enum lx_status add_rest(struct lx_hot_stream *stream, struct lx_buf *sql, struct lx_err *err)
{
    size_t part = 0;
    uint64_t row = 0;
    bool found = true;
    enum lx_status status = lx_buf_text(sql, stream->sql);
    if (stream->until != 0)
        LX_TRY(find_next_row(stream, &found, &part, &row, err));
    if (stream->until == 0 || !found) {
        stream->until = 0;
        if (status == LX_OK)
            status = lx_buf_printf(sql, " LIMIT %lld OFFSET %lld", (long long)INT64_MAX,
                                   (long long)stream->rows);
        return status == LX_OK ? LX_OK : lx_err_memory(err);
    }
    const char *name = stream->parts[part];
    if (status == LX_OK)
        status = lx_buf_text(sql, " AND ");
    if (status == LX_OK)
        status = lx_hot_sql_parts_in(&name, 1, sql);
    if (status == LX_OK)
        status = lx_buf_printf(sql, " AND _part_offset >= %llu LIMIT %lld", (unsigned long long)row,
                               (long long)(stream->until - stream->rows));
    return status == LX_OK ? LX_OK : lx_err_memory(err);
}

static enum lx_status start_again(struct lx_hot_stream *stream, struct lx_err *err)
{
    struct lx_buf sql = LX_BUF(LX_SQL_MAX_TEXT + MORE_TEXT);
    lx_ch_result_free(stream->result);
    stream->result = NULL;
    enum lx_status status = add_rest(stream, &sql, err);
    if (status == LX_OK)
        status =
            start(stream, lx_buf_cstr(&sql), stream->until != 0 ? stream->small : USUAL_ROWS, err);
    stream->began_at = stream->rows;
    stream->broken = false;
    lx_buf_free(&sql);
    return status;
}

/* A block of `rows` rows was too large. False: smaller ones cannot be had. */
static bool make_smaller(struct lx_hot_stream *stream, int64_t rows)
{
    bool usual = stream->until == 0;
    if (rows <= 1 || (!usual && stream->small == 1))
        return false;
    if (usual) {
        if (stream->stretch < MOST_STRETCH)
            stream->stretch = stream->stretch * 2 > rows ? stream->stretch * 2 : rows;
        stream->until = stream->rows + stream->stretch;
    } else if (rows > stream->small) {
        rows = stream->small; /* the server gave more than it was asked for */
    }
    rows = rows / FEWER > 1 ? rows / FEWER : 1;
    if (stream->small == 0 || rows < stream->small)
        stream->small = rows;
    return true;
}

static void explain_large(const struct lx_hot_stream *stream, int64_t rows, struct lx_err *err)
{
    char others[40] = "";
    if (stream->part_count > 1)
        snprintf(others, sizeof others, " and %zu more", stream->part_count - 1);
    if (rows != 1) {
        lx_err_context(err, "%lld rows came in one block, %lld were asked for", (long long)rows,
                       (long long)(stream->until != 0 ? stream->small : USUAL_ROWS));
        return;
    }
    lx_err_context(err, "one row is too large, row %lld of what is read of the part %s%s",
                   (long long)stream->rows + 1, stream->parts[0], others);
    err->hint[0] = 0; /* the client's knows nothing of rows */
    lx_err_hint(
        err,
        "nothing of this batch was archived or deleted. Give more memory: ARCHIVE_MEMORY_MB "
        "must be %d times what the largest row takes; or shorten or delete that row",
        LX_HOT_SQL_ROW_SHARE);
}

/* Has the connection ended, or does the server say so? The rest is worth a question where this
 * answer brought rows: one that brings none will not the next time. */
static bool is_broken_off(struct lx_hot_stream *stream, const struct lx_err *failure)
{
    if (failure->status != LX_E_NETWORK && failure->code != CODE_SOCKET_TIMEOUT &&
        failure->code != CODE_NETWORK_ERROR)
        return false;
    if (stream->rows == stream->began_at || stream->breaks == MOST_BREAKS)
        return false;
    stream->breaks++;
    if (stream->breaks == 1 || stream->breaks % SAID_BREAKS == 0)
        lx_ch_say(stream->hot->client,
                  "ClickHouse's answer ended early (break %d), after %lld rows of %s: the rest is "
                  "asked for again, as often as it takes (%s)",
                  stream->breaks, (long long)stream->rows, lx_buf_cstr(&stream->hot->target),
                  failure->text);
    stream->broken = true;
    if (stream->until == stream->rows)
        stream->until = 0; /* the stretch had all its rows */
    return true;
}

/* Are the rows that were taken those of the query, each once? */
static enum lx_status compare_sums(struct lx_hot_stream *stream, struct lx_err *err)
{
    struct lx_hot_sql *hot = stream->hot;
    struct lx_buf sql = LX_BUF(LX_SQL_MAX_TEXT + MORE_TEXT);
    struct lx_ch_table answer = {0};
    char id[64];
    lx_hot_sql_query_id(hot, "sums", id);
    enum lx_status status = lx_buf_printf(
        &sql, "SELECT toUInt64(count()), sum(_lynex_h), groupBitXor(_lynex_h) FROM (%s)",
        stream->sql);
    if (status != LX_OK) {
        lx_err_memory(err);
        goto done;
    }
    const struct lx_ch_query query = {
        .sql = lx_buf_cstr(&sql), .query_id = id, .cancel = &stream->cancel};
    status = lx_ch_query_all(hot->client, &query, 1, &answer, err);
    if (status == LX_OK)
        status = lx_ch_table_check(&answer, "uuu", err);
    if (status != LX_OK) {
        status = lx_hot_sql_explain(hot, status, "comparing rows of", err);
    } else if (answer.block.rows != 1 || lx_ch_u64(&answer, 0, 0) != (uint64_t)stream->rows ||
               lx_ch_u64(&answer, 1, 0) != stream->sum || lx_ch_u64(&answer, 2, 0) != stream->xor) {
        status = lx_err_set(err, LX_E_AGAIN,
                            "%lld rows were read in several answers, and they are not those that "
                            "%s holds",
                            (long long)stream->rows, lx_buf_cstr(&hot->target));
    }
done:
    lx_ch_table_free(&answer);
    lx_buf_free(&sql);
    return status;
}

/* Texts are asked for in place of what cannot be read: the client's advice to do so is no help. */
static void explain_type(struct lx_err *err)
{
    err->hint[0] = 0;
    lx_err_hint(err, "another type was asked for: the table was changed at this moment, or the "
                     "answer damaged on its way; run again");
}

enum lx_status lx_hot_sql_next_block(struct lx_hot_stream *stream, struct lx_ch_block **block,
                                     struct lx_err *err)
{
    for (;;) {
        struct lx_err failure = LX_ERR_INIT;
        enum lx_status status = lx_ch_next(stream->result, block, &failure);
        if (status == LX_OK && *block != NULL)
            return LX_OK;
        if (status == LX_OK && stream->until == 0)
            return stream->stretch != 0 || stream->breaks != 0 ? compare_sums(stream, err) : LX_OK;
        if (status == LX_OK && stream->rows == stream->began_at)
            return lx_err_set(err, LX_E_AGAIN, "rows of %s went away while they were read",
                              lx_buf_cstr(&stream->hot->target));
        if (status == LX_OK) {
            stream->until = 0; /* the stretch has ended, or its part */
        } else if (!is_broken_off(stream, &failure)) {
            int64_t rows = status == LX_E_LIMIT ? lx_ch_failed_rows(stream->result) : 0;
            if (rows == 0 || !make_smaller(stream, rows)) {
                if (rows != 0)
                    explain_large(stream, rows, &failure);
                if (status == LX_E_UNSUPPORTED)
                    explain_type(&failure);
                if (stream->breaks > 0 && status != LX_E_CANCELLED)
                    lx_err_context(&failure, "after %d answers that ended early", stream->breaks);
                if (err != NULL)
                    *err = failure;
                return lx_hot_sql_explain(stream->hot, status, stream->doing, err);
            }
        }
        LX_TRY(start_again(stream, err));
    }
}

void lx_hot_sql_took(struct lx_hot_stream *stream, const uint64_t *hashes, int64_t rows)
{
    uint64_t sum = 0, xor = 0;
    for (int64_t i = 0; i < rows; i++) {
        sum += hashes[i];
        xor ^= hashes[i];
    }
    stream->rows += rows;
    stream->sum += sum;
    stream->xor ^= xor;
}
