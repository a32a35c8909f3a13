/* What the server would do with a delete of the table, and which it has not done yet. */
#include "archive/hot_sql_private.h"
#include "archive/pending.h"

#include "base/alloc.h"

void lx_pending_server_free(struct lx_pending_server *server)
{
    for (size_t i = 0; i < server->mutation_count; i++) {
        lx_free(server->mutations[i].id);
        lx_free(server->mutations[i].command);
        lx_free(server->mutations[i].created);
        lx_free(server->mutations[i].failure);
    }
    *server = (struct lx_pending_server){0};
}

static enum lx_status ask(const struct lx_hot_sql *hot, const struct lx_buf *sql, bool as_writer,
                          struct lx_ch_table *answer, struct lx_err *err)
{
    /* Who is read-only is said to have no right to change anything. */
    const struct lx_ch_setting writer = {"readonly", "0"};
    char id[64];
    lx_hot_sql_query_id(hot, "pending", id);
    struct lx_ch_query query = {
        .sql = lx_buf_cstr(sql), .query_id = id, .settings = &writer, .setting_count = as_writer};
    return lx_ch_query_all(hot->client, &query, LX_PENDING_MUTATIONS, answer, err);
}

/* Network and cancelling are failures; what the server will not say is only not known. */
static bool is_no_answer(enum lx_status status)
{
    return status == LX_E_ACCESS || status == LX_E_REMOTE || status == LX_E_NOTFOUND ||
           status == LX_E_FORMAT;
}

/* CHECK GRANT is younger than the servers that lynex works with: without it nothing is known. */
static enum lx_status ask_right(const struct lx_hot_sql *hot, struct lx_pending_server *server,
                                struct lx_err *err)
{
    struct lx_buf sql = LX_BUF(LX_SQL_MAX_TEXT);
    struct lx_ch_table answer = {0};
    enum lx_status status =
        lx_buf_printf(&sql, "CHECK GRANT ALTER DELETE ON %s", lx_buf_cstr(&hot->target));
    if (status != LX_OK)
        lx_err_memory(err);
    else
        status = ask(hot, &sql, true, &answer, err);
    if (status == LX_OK)
        status = lx_ch_table_check(&answer, "u", err);
    if (status == LX_OK && answer.block.rows == 1) {
        server->asked_right = true;
        server->may_delete = lx_ch_u64(&answer, 0, 0) != 0;
    }
    lx_ch_table_free(&answer);
    lx_buf_free(&sql);
    if (is_no_answer(status)) {
        lx_err_clear(err);
        return LX_OK;
    }
    return status;
}

static enum lx_status copy_mutation(const struct lx_ch_table *answer, int64_t row,
                                    struct lx_pending_server *server)
{
    struct lx_pending_mutation *m = &server->mutations[server->mutation_count++];
    char **const texts[] = {&m->id, &m->command, &m->created, &m->failure};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct lx_str text = lx_ch_text(answer, i, row);
        *texts[i] = lx_strndup(text.ptr, text.len);
        if (*texts[i] == NULL)
            return LX_E_MEMORY;
    }
    m->parts_to_do = lx_ch_i64(answer, 4, row);
    return LX_OK;
}

static enum lx_status ask_mutations(const struct lx_hot_sql *hot, struct lx_pending_server *server,
                                    struct lx_err *err)
{
    struct lx_buf sql = LX_BUF(LX_SQL_MAX_TEXT);
    struct lx_ch_table answer = {0};
    enum lx_status status = lx_buf_text(
        &sql, "SELECT mutation_id, substring(command, 1, 1000), formatDateTime(create_time, "
              "'%Y-%m-%d %H:%i:%S', 'UTC'), substring(latest_fail_reason, 1, 1000), "
              "toInt64(parts_to_do) FROM system.mutations WHERE NOT is_done AND database = ");
    if (status == LX_OK)
        status = hot->database != NULL ? lx_ch_quote_text(&sql, lx_str_of(hot->database))
                                       : lx_buf_text(&sql, "currentDatabase()");
    if (status == LX_OK)
        status = lx_buf_text(&sql, " AND table = ");
    if (status == LX_OK)
        status = lx_ch_quote_text(&sql, lx_str_of(hot->table));
    if (status == LX_OK)
        status = lx_buf_printf(&sql, " ORDER BY create_time, mutation_id LIMIT %d",
                               LX_PENDING_MUTATIONS);
    if (status != LX_OK)
        lx_err_memory(err);
    else
        status = ask(hot, &sql, false, &answer, err);
    if (status == LX_OK)
        status = lx_ch_table_check(&answer, "tttti", err);
    server->saw_mutations = status == LX_OK;
    for (int64_t row = 0; status == LX_OK && row < answer.block.rows; row++)
        if (copy_mutation(&answer, row, server) != LX_OK)
            status = lx_err_memory(err);
    lx_ch_table_free(&answer);
    lx_buf_free(&sql);
    if (is_no_answer(status)) {
        lx_err_clear(err);
        return LX_OK;
    }
    return status;
}

enum lx_status lx_pending_server_look(struct lx_hot_sql *hot, struct lx_pending_server *server,
                                      struct lx_err *err)
{
    *server = (struct lx_pending_server){0};
    LX_TRY(ask_right(hot, server, err));
    return ask_mutations(hot, server, err);
}
