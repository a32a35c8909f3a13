/* ch_result.c: reading answers, and saying when one was whole. */
#include "clickhouse/ch_client.h"

#include "base/alloc.h"

/* The better reason for a failure: an exception of the server that stands behind the data. After a
 * malformed block the rest is read first: the decoder may have stopped at the exception's first
 * bytes. */
static enum lx_status find_reason(const struct lx_ch *client, void *stream,
                                  struct lx_ch_reader *reader, enum lx_status status,
                                  const char *query_id, struct lx_err *err)
{
    if (status == LX_E_CANCELLED || status == LX_E_MEMORY)
        return status;
    if (status == LX_E_FORMAT && !reader->ended) {
        struct lx_err quiet = LX_ERR_INIT;
        (void)!lx_ch_reader_drain(reader, LX_CH_MAX_TRAILER, &quiet);
    }
    struct lx_err found = LX_ERR_INIT;
    enum lx_status judged = client->driver->judge(stream, lx_ch_reader_tail(reader), true, &found);
    if (judged != LX_OK) {
        if (err != NULL)
            *err = found;
        return judged;
    }
    lx_err_context(err, "%s, query %s", client->where, query_id);
    return status;
}

/* -- statements ---------------------------------------------------------------------------- */

enum lx_status lx_ch_execute(struct lx_ch *client, const struct lx_ch_query *query,
                             struct lx_err *err)
{
    char query_id[LX_CH_MAX_QUERY_ID];
    void *stream;
    struct lx_ch_reader reader = {0};
    LX_TRY(lx_ch_begin(client, query, false, query_id, &stream, err));
    struct lx_ch_source source = {client->driver->read, stream};
    enum lx_status status = lx_ch_reader_init(&reader, source);
    if (status != LX_OK) {
        lx_err_memory(err);
        goto end;
    }
    status = lx_ch_reader_drain(&reader, LX_CH_MAX_STATEMENT_ANSWER, err);
    if (status != LX_OK)
        status = find_reason(client, stream, &reader, status, query_id, err);
    else
        status = client->driver->judge(stream, lx_ch_reader_tail(&reader), false, err);
end:
    client->driver->end(stream);
    lx_ch_reader_free(&reader);
    return status;
}

/* -- results ------------------------------------------------------------------------------- */

static void end_stream(struct lx_ch_result *result)
{
    if (result->stream != NULL)
        result->client->driver->end(result->stream);
    result->stream = NULL;
}

enum lx_status lx_ch_select(struct lx_ch *client, const struct lx_ch_query *query,
                            struct lx_ch_result **result, struct lx_err *err)
{
    struct lx_ch_result *fresh = lx_calloc(1, sizeof *fresh);
    if (fresh == NULL)
        return lx_err_memory(err);
    fresh->client = client;
    enum lx_status status = lx_ch_begin(client, query, true, fresh->query_id, &fresh->stream, err);
    if (status == LX_OK) {
        struct lx_ch_source source = {client->driver->read, fresh->stream};
        status = lx_ch_reader_init(&fresh->reader, source);
        if (status != LX_OK)
            lx_err_memory(err);
    }
    if (status != LX_OK) {
        lx_ch_result_free(fresh);
        return status;
    }
    lx_ch_native_init(&fresh->native, &fresh->reader,
                      query->max_block_bytes != 0 ? query->max_block_bytes
                                                  : client->max_block_bytes);
    *result = fresh;
    return LX_OK;
}

/* The end of the blocks is the end of the answer only if nothing stands behind them. */
static enum lx_status finish(struct lx_ch_result *result, struct lx_err *err)
{
    LX_TRY(result->client->driver->judge(result->stream, lx_ch_reader_tail(&result->reader), false,
                                         err));
    result->finished = true;
    end_stream(result);
    return LX_OK;
}

enum lx_status lx_ch_next(struct lx_ch_result *result, struct lx_ch_block **block,
                          struct lx_err *err)
{
    if (result->finished) {
        *block = NULL;
        return LX_OK;
    }
    if (result->failure.status != LX_OK) {
        if (err != NULL)
            *err = result->failure;
        return result->failure.status;
    }
    struct lx_err failure = LX_ERR_INIT;
    struct lx_ch_block *next = NULL;
    enum lx_status status = lx_ch_native_next(&result->native, &next, &failure);
    if (status != LX_OK)
        status = find_reason(result->client, result->stream, &result->reader, status,
                             result->query_id, &failure);
    else if (next == NULL)
        status = finish(result, &failure);
    if (status != LX_OK) {
        failure.status = status;
        result->failure = failure;
        end_stream(result);
        if (err != NULL)
            *err = failure;
        return status;
    }
    *block = next;
    return LX_OK;
}

int64_t lx_ch_failed_rows(const struct lx_ch_result *result)
{
    return result->failure.status == LX_E_LIMIT ? (int64_t)result->native.rows_now : 0;
}

void lx_ch_result_free(struct lx_ch_result *result)
{
    if (result == NULL)
        return;
    end_stream(result);
    lx_ch_native_free(&result->native);
    lx_ch_reader_free(&result->reader);
    lx_free(result);
}
