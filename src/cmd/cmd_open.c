/* What commands open, by the settings: store, ledger, ClickHouse, the hot table, threads. */
#include "cmd/cmd.h"

#include "archive/rebuild.h"
#include "base/alloc.h"
#include "cmd/terminal.h"

#include <stdio.h>
#include <unistd.h>

#define LOGGER "lynex.archiver"
#define READ_AHEAD_SHARE 16 /* of the run's memory: one part in so many */

static void say(void *context, const char *text)
{
    const struct lx_cmd *cmd = context;
    lx_log_write(&cmd->log, LX_LOG_WARNING, LOGGER, "%s", text);
}

static void say_notes(struct lx_cmd *cmd)
{
    if (cmd->said_notes)
        return;
    cmd->said_notes = true;
    for (size_t i = 0; i < cmd->config->note_count; i++)
        lx_log_write(&cmd->log, LX_LOG_INFO, LOGGER, "%s", cmd->config->notes[i]);
}

static const char *or_null(const char *text)
{
    return text[0] != 0 ? text : NULL;
}

static enum lx_status open_s3(struct lx_cmd *cmd, struct lx_err *err)
{
    const struct lx_config *c = cmd->config;
    struct lx_s3_credentials keys;
    const struct lx_s3_credential_sources sources = {
        .access_key = or_null(c->access_key),
        .secret_key = or_null(c->secret_key),
        .session_token = or_null(c->session_token),
        .profile = or_null(c->profile),
        .credentials_file = or_null(c->credentials_file),
        .config_file = or_null(c->config_file),
        .say = say,
        .say_context = cmd,
    };
    LX_TRY(lx_s3_find_credentials(&sources, &keys, err));
    const char *region = c->target.region[0] != 0 ? c->target.region
                         : keys.region[0] != 0    ? keys.region
                                                  : "us-east-1";
    const struct lx_s3_options options = {
        .bucket = c->target.bucket,
        .root = c->target.root,
        .region = region,
        .endpoint = or_null(c->target.endpoint),
        .access_key = keys.access_key,
        .secret_key = keys.secret_key,
        .session_token = or_null(keys.session_token),
        .storage_class = or_null(c->target.storage_class),
        .sse = or_null(c->sse),
        .ca_bundle = or_null(c->ca_bundle),
        .virtual_host = c->addressing == LX_SET_ADDRESSING_VIRTUAL ||
                        (c->addressing == LX_SET_ADDRESSING_AUTO && c->target.endpoint[0] == 0),
        .no_checksums = c->checksums == LX_SET_CHECKSUMS_REQUIRED,
        .part_size = (size_t)c->part_size,
        .upload_memory = (size_t)c->memory / 4,
        .unconditional = c->commit == LX_SET_COMMIT_SINGLE_WRITER,
        .clock = cmd->clock,
        .random = cmd->random,
        .cancel = cmd->cancel,
        .say = say,
        .say_context = cmd,
    };
    enum lx_status status = lx_store_open_s3(&options, &cmd->store, err);
    lx_s3_credentials_clear(&keys);
    return status;
}

enum lx_status lx_cmd_open_store(struct lx_cmd *cmd, struct lx_err *err)
{
    if (cmd->store != NULL)
        return LX_OK;
    say_notes(cmd);
    return cmd->config->target.is_directory
               ? lx_store_open_dir(cmd->config->target.directory, cmd->clock, cmd->random,
                                   &cmd->store, err)
               : open_s3(cmd, err);
}

enum lx_status lx_cmd_open_ledger(struct lx_cmd *cmd, struct lx_err *err)
{
    if (cmd->ledger != NULL)
        return LX_OK;
    LX_TRY(lx_cmd_open_store(cmd, err));
    const struct lx_ledger_options options = {
        .store = cmd->store,
        .clock = cmd->clock,
        .random = cmd->random,
        .cancel = cmd->cancel,
        .log = &cmd->log,
        .single_writer = cmd->config->commit == LX_SET_COMMIT_SINGLE_WRITER,
    };
    return lx_ledger_open(&options, &cmd->ledger, err);
}

enum lx_status lx_cmd_find_lost_log(struct lx_cmd *cmd, struct lx_err *found, struct lx_err *err)
{
    char file[LX_MAX_NAME];
    if (lx_ledger_state(cmd->ledger)->version >= 0)
        return LX_OK;
    LX_TRY(lx_rebuild_any_file(cmd->store, cmd->config->target.prefix, file, err));
    if (file[0] == 0)
        return LX_OK;
    lx_err_set(found, LX_E_NOTFOUND, LX_REBUILD_NO_LOG "%s", file);
    lx_err_hint(found, "where the log was lost, lynex ledger rebuild; where a first run is at "
                       "work, or was ended before its first commit, nothing");
    return LX_OK;
}

enum lx_status lx_cmd_warn_of_lost_log(struct lx_cmd *cmd, struct lx_err *err)
{
    struct lx_err found = LX_ERR_INIT;
    LX_TRY(lx_cmd_find_lost_log(cmd, &found, err));
    bool color = cmd->color && isatty(STDERR_FILENO);
    if (found.status != LX_OK)
        fprintf(stderr, "%slynex: %s%s\n  what to do: %s\n", lx_color(color, LX_COLOR_YELLOW),
                found.text, lx_color(color, LX_COLOR_NONE), found.hint);
    return LX_OK;
}

/* ARCHIVE_TABLE is TABLE or DATABASE.TABLE, or `TABLE` for a name that holds a dot. */
enum lx_status lx_cmd_split_table(struct lx_cmd *cmd, struct lx_err *err)
{
    if (cmd->table != NULL)
        return LX_OK;
    const char *table = cmd->config->table, *dot = strchr(table, '.');
    size_t length = strlen(table);
    const char *database = cmd->config->servers[0].database;
    if (length > 2 && table[0] == '`' && table[length - 1] == '`') {
        cmd->database = lx_strdup(database != NULL ? database : "");
        cmd->table = lx_strndup(table + 1, length - 2);
    } else if (dot != NULL) {
        cmd->database = lx_strndup(table, (size_t)(dot - table));
        cmd->table = lx_strdup(dot + 1);
    } else {
        cmd->database = lx_strdup(database != NULL ? database : "");
        cmd->table = lx_strdup(table);
    }
    return cmd->database != NULL && cmd->table != NULL ? LX_OK : lx_err_memory(err);
}

int64_t lx_cmd_threads(const struct lx_config *config)
{
    return config->threads != 0 ? config->threads : sysconf(_SC_NPROCESSORS_ONLN);
}

/* Who asks, for those who look into system.processes and system.query_log: the same id stands in
 * the ids of all its queries. */
static enum lx_status name_run(struct lx_cmd *cmd, char run[20], struct lx_buf *comment,
                               struct lx_err *err)
{
    bool named = cmd->database[0] != 0;
    snprintf(run, 20, "%016llx", (unsigned long long)lx_random_u64(&cmd->random));
    if (lx_buf_printf(comment, "lynex %s %s%s%s run %s", cmd->command->name, cmd->database,
                      named ? "." : "", cmd->table, run) != LX_OK)
        return lx_err_memory(err);
    lx_log_write(&cmd->log, LX_LOG_DEBUG, LOGGER,
                 "queries to ClickHouse: log_comment = '%s', query_id LIKE 'lynex-%%-%s-%%'",
                 lx_buf_cstr(comment), run);
    return LX_OK;
}

static enum lx_status open_client(struct lx_cmd *cmd, struct lx_err *err)
{
    const struct lx_config *c = cmd->config;
    struct lx_buf comment = LX_BUF(4 * LX_MAX_NAME);
    char run[20];
    enum lx_status status = name_run(cmd, run, &comment, err);
    const struct lx_ch_options options = {
        .url = c->servers[0].url,
        .user = or_null(c->servers[0].user),
        .password = or_null(c->servers[0].password),
        .database = or_null(cmd->database),
        .ca_bundle = or_null(c->clickhouse_ca),
        .libchdb = or_null(c->libchdb),
        .compression = (enum lx_ch_compression)c->clickhouse_compression,
        .idle_timeout_ms = (int)(c->clickhouse_idle * 1000),
        .max_block_bytes = (size_t)c->memory / 2,
        .log_comment = lx_buf_cstr(&comment),
        .run = run,
        .max_threads = c->clickhouse_max_threads,
        .priority = c->clickhouse_priority,
        .say = say,
        .say_context = cmd,
        .clock = cmd->clock,
        .random = cmd->random,
        .cancel = cmd->cancel,
    };
    if (status == LX_OK)
        status = lx_ch_open(&options, &cmd->client, err);
    lx_buf_free(&comment);
    return status;
}

enum lx_status lx_cmd_open_clickhouse(struct lx_cmd *cmd, struct lx_err *err)
{
    const struct lx_config *c = cmd->config;
    if (cmd->hot_sql != NULL)
        return LX_OK;
    say_notes(cmd);
    if (c->server_count > 1) {
        lx_err_set(err, LX_E_UNSUPPORTED, "CLICKHOUSE_URL lists %zu servers", c->server_count);
        lx_err_hint(err, "run lynex once for each shard, each with a root of its own "
                         "(S3_ARCHIVE_ROOT)");
        return LX_E_UNSUPPORTED;
    }
    LX_TRY(lx_cmd_split_table(cmd, err));
    LX_TRY(open_client(cmd, err));
    const struct lx_hot_sql_options hot = {
        .client = cmd->client,
        .database = or_null(cmd->database),
        .table = cmd->table,
        .time_column = c->time_column,
        .mutations = c->delete_mode == LX_SET_DELETE_MUTATION,
        .max_block_bytes = (size_t)c->memory / LX_HOT_SQL_ROW_SHARE,
        .read_ahead = lx_cmd_threads(c) > 1 ? (size_t)c->memory / READ_AHEAD_SHARE : 0,
        .clock = cmd->clock,
        .random = cmd->random,
        .cancel = cmd->cancel,
    };
    return lx_hot_sql_create(&hot, &cmd->hot_sql, &cmd->hot, err);
}

enum lx_status lx_cmd_open_pool(struct lx_cmd *cmd, struct lx_err *err)
{
    int64_t threads = lx_cmd_threads(cmd->config);
    if (cmd->pool != NULL)
        return LX_OK;
    return lx_pool_create(threads > 1 ? (size_t)threads - 1 : 0, &cmd->pool, err);
}

void lx_cmd_close(struct lx_cmd *cmd)
{
    lx_hot_sql_free(cmd->hot_sql);
    lx_ch_close(cmd->client);
    lx_ledger_close(cmd->ledger);
    lx_store_close(cmd->store);
    lx_pool_destroy(cmd->pool);
    lx_free(cmd->database);
    lx_free(cmd->table);
    cmd->hot_sql = NULL;
    cmd->client = NULL;
    cmd->ledger = NULL;
    cmd->store = NULL;
    cmd->pool = NULL;
    cmd->database = cmd->table = NULL;
}
