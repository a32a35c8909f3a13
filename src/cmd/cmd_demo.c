/* lynex demo: the whole story on one machine: an embedded ClickHouse with events of sixty days, an
 * archive in a directory, and the proof that nothing was lost. */
#include "cmd/cmd.h"

#include "base/alloc.h"
#include "base/civil.h"
#include "cmd/cmd_archive.h"
#include "cmd/terminal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_ROWS 500000
#define MAX_ROWS 100000000
#define INSERT_ROWS 250000 /* a block: embedded memory stays small */
#define DEMO_DATABASE "demo"
#define DEMO_TABLE "events"

struct demo {
    struct lx_cmd *cmd;
    int64_t rows, after_days;
    char dir[1024], archive[1100], engine[1100];
    struct lx_archive_report report;
    int64_t hot_bytes_before, hot_bytes_after;
};

/* -- questions to the engine --------------------------------------------------------------- */

static enum lx_status execute(struct demo *d, const char *sql, struct lx_err *err)
{
    const struct lx_ch_query query = {.sql = sql};
    return lx_ch_execute(d->cmd->client, &query, err);
}

static enum lx_status ask(struct demo *d, const char *sql, int64_t max_rows,
                          struct lx_ch_table *answer, struct lx_err *err)
{
    const struct lx_ch_query query = {.sql = sql};
    return lx_ch_query_all(d->cmd->client, &query, max_rows, answer, err);
}

static void title(const struct demo *d, const char *text)
{
    printf("\n%s%s%s\n", lx_color(d->cmd->color, LX_COLOR_BOLD), text,
           lx_color(d->cmd->color, LX_COLOR_NONE));
    fflush(stdout);
}

/* -- the events ---------------------------------------------------------------------------- */

static const char create_sql[] =
    "CREATE TABLE " DEMO_DATABASE "." DEMO_TABLE " (event_id UUID, project_id String, type "
    "LowCardinality(String), timestamp DateTime64(3, 'UTC'), sdk_name LowCardinality(String), "
    "sdk_version String, body String, context String DEFAULT '{}', queued_at DateTime64(3, 'UTC'), "
    "processed_at DateTime64(3, 'UTC') DEFAULT now64(3), queue_latency_ms Float32 DEFAULT 0, "
    "estimated_cost_usd Float64 DEFAULT 0, _date Date DEFAULT toDate(timestamp), _hour "
    "DateTime('UTC') DEFAULT toStartOfHour(timestamp)) ENGINE = MergeTree PARTITION BY "
    "toYYYYMM(_date) ORDER BY (project_id, type, timestamp, event_id)";

/* Traces of a few events share project, user and host; bodies are sentences with names and numbers.
 */
static const char fill_sql[] =
    "INSERT INTO " DEMO_DATABASE "." DEMO_TABLE
    " (event_id, project_id, type, timestamp, sdk_name, sdk_version, body, context, queued_at, "
    "processed_at, queue_latency_ms, estimated_cost_usd) WITH intDiv(number, 3) AS trace, "
    "['log', 'span', 'token_usage', 'message', 'model_response', 'error', 'agent_action', "
    "'retrieval', 'tool_call', 'eval_metric', 'custom'] AS types, "
    "['request served', 'cache missed, asked the model', 'retrieved documents for the question', "
    "'the tool answered late', 'retry after a timeout', 'session resumed', 'prompt was rewritten', "
    "'answer was cut at the token limit', 'user rated the answer', 'index refreshed in the "
    "background', 'quota almost used up', 'fell back to the smaller model'] AS said, "
    "['search', 'billing', 'checkout', 'ingest', 'planner', 'reviewer', 'translator', 'mailer'] AS "
    "services, ['gpt-4o', 'gpt-4o-mini', 'claude-3-5-sonnet', 'gemini-1.5-pro', 'mistral-large'] "
    "AS "
    "models SELECT generateUUIDv4(number), concat('proj_', hex(cityHash64(toUInt64(pow(cityHash64("
    "trace) %% 1000 / 1000, 3) * 40)))), types[1 + toUInt64(pow(cityHash64(number, 1) %% 1000 / "
    "1000, 2) * 11)] AS kind, toDateTime64(toStartOfDay(now('UTC')), 3, 'UTC') - "
    "toIntervalMillisecond(toUInt64(cityHash64(trace, 2) %% 5184000000) - number %% 3 * 137) AS "
    "ts, "
    "['watchllm-python', '@watchllm/sdk'][1 + cityHash64(trace, 3) %% 2], concat('0.', "
    "toString(intDiv(toYYYYMM(ts), 7) %% 5), '.', toString(cityHash64(trace, 4) %% 4)), "
    "concat('{\"level\":\"', ['info', 'info', 'debug', 'warn'][1 + cityHash64(number, 5) %% 4], "
    "'\",\"message\":\"', services[1 + cityHash64(trace, 6) %% 8], ': ', said[1 + cityHash64("
    "number, 7) %% 12], '; ', said[1 + cityHash64(number, 8) %% 12], ' (', toString(cityHash64("
    "number, 9) %% 4000), ' ms)\",\"model\":\"', models[1 + cityHash64(trace, 10) %% 5], "
    "'\",\"inputTokens\":', toString(cityHash64(number, 11) %% 8000), ',\"outputTokens\":', "
    "toString(cityHash64(number, 12) %% 1500), ',\"span\":\"', lower(hex(cityHash64(number, 13))), "
    "'\"}'), concat('{\"trace_id\":\"', lower(hex(cityHash64(trace, 14))), lower(hex(cityHash64("
    "trace, 15))), '\",\"user\":\"u_', toString(toUInt64(exp(cityHash64(trace, 16) %% 1000 / "
    "100))), "
    "'\",\"env\":\"production\",\"region\":\"', ['eu-west-1', 'us-east-1', 'ap-south-1'][1 + "
    "cityHash64(trace, 17) %% 3], '\",\"host\":\"ip-10-0-', toString(cityHash64(trace, 18) %% 64), "
    "'\"}'), ts + toIntervalMillisecond(20 + cityHash64(number, 19) %% 200) AS queued, queued + "
    "toIntervalMillisecond(5 + cityHash64(number, 20) %% 90), (cityHash64(number, 20) %% 90000) / "
    "1000, if(kind = 'token_usage', (cityHash64(number, 21) %% 90000) / 1e6, 0) FROM numbers(%lld, "
    "%lld)";

static enum lx_status fill(struct demo *d, struct lx_err *err)
{
    LX_TRY(execute(d, "CREATE DATABASE IF NOT EXISTS " DEMO_DATABASE " ENGINE = Atomic", err));
    LX_TRY(execute(d, create_sql, err));
    for (int64_t done = 0; done < d->rows;) {
        char sql[sizeof fill_sql + 64];
        int64_t now = d->rows - done < INSERT_ROWS ? d->rows - done : INSERT_ROWS;
        snprintf(sql, sizeof sql, fill_sql, (long long)done, (long long)now);
        LX_TRY(execute(d, sql, err));
        done += now;
        if (d->cmd->terminal)
            printf("\r\x1b[K   %lld of %lld events", (long long)done, (long long)d->rows);
        fflush(stdout);
    }
    if (d->cmd->terminal)
        printf("\r\x1b[K");
    return execute(d, "OPTIMIZE TABLE " DEMO_DATABASE "." DEMO_TABLE " FINAL", err);
}

/* -- what is where ------------------------------------------------------------------------- */

static enum lx_status disk_bytes(struct demo *d, int64_t *bytes, struct lx_err *err)
{
    struct lx_ch_table answer = {0};
    enum lx_status status =
        ask(d,
            "SELECT toUInt64(sum(bytes_on_disk)) FROM system.parts WHERE active AND database = "
            "'" DEMO_DATABASE "' AND table = '" DEMO_TABLE "'",
            1, &answer, err);
    if (status == LX_OK)
        *bytes = (int64_t)lx_ch_u64(&answer, 0, 0);
    lx_ch_table_free(&answer);
    return status;
}

/* Rows by month, in ClickHouse and in the archive as ClickHouse itself reads it. */
static enum lx_status show_both(struct demo *d, bool archived, struct lx_err *err)
{
    char sql[2048], hot[LX_SHORT_TEXT], cold[LX_SHORT_TEXT];
    struct lx_ch_table answer = {0};
    struct lx_table table;
    struct lx_buf text = LX_BUF(64 * LX_KIB);
    if (archived)
        snprintf(
            sql, sizeof sql,
            "SELECT m, toUInt64(sum(h)), toUInt64(sum(c)) FROM (SELECT toString(toYYYYMM("
            "timestamp, 'UTC')) AS m, count() AS h, 0 AS c FROM " DEMO_DATABASE "." DEMO_TABLE
            " GROUP BY m UNION ALL SELECT toString(toYYYYMM(timestamp, 'UTC')) AS m, 0, count() "
            "FROM deltaLakeLocal('%s') GROUP BY m) GROUP BY m ORDER BY m",
            d->archive);
    else
        snprintf(sql, sizeof sql,
                 "SELECT toString(toYYYYMM(timestamp, 'UTC')) AS m, toUInt64(count()), toUInt64(0) "
                 "FROM " DEMO_DATABASE "." DEMO_TABLE " GROUP BY m ORDER BY m");
    enum lx_status status = ask(d, sql, 1000, &answer, err);
    lx_table_init(&table, 3);
    lx_table_add(&table, "month");
    lx_table_add(&table, ">hot: ClickHouse");
    lx_table_add(&table, ">cold: the archive");
    for (int64_t row = 0; status == LX_OK && row < answer.block.rows; row++) {
        struct lx_str month = lx_ch_text(&answer, 0, row);
        lx_text_count((int64_t)lx_ch_u64(&answer, 1, row), hot);
        lx_text_count((int64_t)lx_ch_u64(&answer, 2, row), cold);
        lx_table_add(&table, "%.4s-%.2s", month.ptr, month.len >= 6 ? month.ptr + 4 : "");
        lx_table_add(&table, "%s", hot);
        lx_table_add(&table, "%s", archived ? cold : "-");
    }
    if (status == LX_OK && lx_table_print(&table, 3, d->cmd->color, &text) == LX_OK)
        lx_print(&text);
    lx_buf_free(&text);
    lx_table_free(&table);
    lx_ch_table_free(&answer);
    return status;
}

/* The count of all events, hot and cold, and a sum over them that any change would change. */
static enum lx_status fingerprint(struct demo *d, bool archived, uint64_t *rows, uint64_t *sum,
                                  struct lx_err *err)
{
    char sql[2048];
    struct lx_ch_table answer = {0};
    static const char columns[] =
        "toString(event_id) AS i, project_id AS p, toString(type) AS k, "
        "toUnixTimestamp64Milli(toDateTime64(timestamp, 3, 'UTC')) AS t, body AS b, context AS x, "
        "queue_latency_ms AS l, estimated_cost_usd AS c";
    snprintf(sql, sizeof sql,
             "SELECT toUInt64(count()), toUInt64(sum(cityHash64(i, p, k, t, b, x, l, c))) FROM ("
             "SELECT %s FROM " DEMO_DATABASE "." DEMO_TABLE "%s%s%s%s%s)",
             columns, archived ? " UNION ALL SELECT " : "", archived ? columns : "",
             archived ? " FROM deltaLakeLocal('" : "", archived ? d->archive : "",
             archived ? "')" : "");
    enum lx_status status = ask(d, sql, 1, &answer, err);
    if (status == LX_OK) {
        *rows = lx_ch_u64(&answer, 0, 0);
        *sum = lx_ch_u64(&answer, 1, 0);
    }
    lx_ch_table_free(&answer);
    return status;
}

static void show_sizes(const struct demo *d)
{
    char before[LX_SHORT_TEXT], after[LX_SHORT_TEXT], archived[LX_SHORT_TEXT];
    int64_t left = d->hot_bytes_before - d->hot_bytes_after;
    lx_text_bytes(d->hot_bytes_before, before);
    lx_text_bytes(d->hot_bytes_after, after);
    lx_text_bytes(d->report.archived_bytes, archived);
    printf("   ClickHouse held %s and holds %s; the archive took %s", before, after, archived);
    if (left > 0 && d->report.archived_bytes > 0)
        printf(" (%.2f of what ClickHouse needed for the same events)",
               (double)d->report.archived_bytes / (double)left);
    printf("\n");
}

static enum lx_status show_sample(struct demo *d, struct lx_err *err)
{
    char sql[1400];
    struct lx_ch_table answer = {0};
    struct lx_buf text = LX_BUF(64 * LX_KIB);
    struct lx_table table;
    snprintf(sql, sizeof sql,
             "SELECT toString(toDate(timestamp, 'UTC')), project_id, toString(type), substring("
             "JSONExtractString(body, 'message'), 1, 60) FROM deltaLakeLocal('%s') ORDER BY "
             "timestamp LIMIT 3",
             d->archive);
    enum lx_status status = ask(d, sql, 3, &answer, err);
    static const char *const heads[] = {"day", "project_id", "type", "message"};
    lx_table_init(&table, 4);
    for (size_t i = 0; i < 4; i++)
        lx_table_add(&table, "%s", heads[i]);
    for (int64_t row = 0; status == LX_OK && row < answer.block.rows; row++)
        for (size_t i = 0; i < 4; i++)
            lx_table_add(&table, "%.*s", LX_STR_ARG(lx_ch_text(&answer, i, row)));
    if (status == LX_OK && lx_table_print(&table, 3, d->cmd->color, &text) == LX_OK)
        lx_print(&text);
    lx_buf_free(&text);
    lx_table_free(&table);
    lx_ch_table_free(&answer);
    return status;
}

static enum lx_status show_version(void *context, int64_t version, const json_t *action,
                                   struct lx_err *err)
{
    (void)context;
    (void)err;
    const json_t *info = json_object_get(action, "commitInfo");
    const json_t *own = json_object_get(info, "lynex");
    if (info != NULL)
        printf("   version %lld: %-8s %lld rows\n", (long long)version,
               json_string_value(json_object_get(info, "operation")),
               (long long)json_integer_value(json_object_get(own, "rows")));
    return LX_OK;
}

/* -- the story ----------------------------------------------------------------------------- */

static enum lx_status verify_all(struct demo *d, struct lx_err *err)
{
    const struct lx_ledger_state *state = lx_ledger_state(d->cmd->ledger);
    const struct lx_verify_how how = {
        .store = d->cmd->store, .ledger = d->cmd->ledger, .pool = d->cmd->pool};
    int64_t rows = 0;
    char count[LX_SHORT_TEXT];
    for (size_t i = 0; i < state->file_count; i++) {
        struct lx_verified found;
        LX_TRY(lx_archive_verify_file(&how, &state->files[i], &found, err));
        rows += found.rows;
    }
    lx_text_count(rows, count);
    printf(
        "   %zu files read back: each of %s rows hashes to what ClickHouse hashed before it left\n",
        state->file_count, count);
    return LX_OK;
}

static enum lx_status open_all(struct demo *d, struct lx_err *err)
{
    struct lx_cmd *cmd = d->cmd;
    const struct lx_ch_options engine = {
        .url = d->engine,
        .libchdb = cmd->config->libchdb[0] != 0 ? cmd->config->libchdb : NULL,
        .clock = cmd->clock,
        .random = cmd->random,
        .cancel = cmd->cancel,
    };
    LX_TRY(lx_ch_open(&engine, &cmd->client, err));
    LX_TRY(lx_store_open_dir(d->archive, cmd->clock, cmd->random, &cmd->store, err));
    const struct lx_ledger_options ledger = {
        .store = cmd->store, .clock = cmd->clock, .random = cmd->random, .cancel = cmd->cancel};
    LX_TRY(lx_ledger_open(&ledger, &cmd->ledger, err));
    LX_TRY(lx_cmd_open_pool(cmd, err));
    const struct lx_hot_sql_options hot = {
        .client = cmd->client,
        .database = DEMO_DATABASE,
        .table = DEMO_TABLE,
        .time_column = "timestamp",
        .clock = cmd->clock,
        .random = cmd->random,
        .cancel = cmd->cancel,
    };
    return lx_hot_sql_create(&hot, &cmd->hot_sql, &cmd->hot, err);
}

static enum lx_status archive(struct demo *d, struct lx_err *err)
{
    struct lx_telling telling;
    struct lx_archive_options options;
    lx_telling_init(&telling, d->cmd, d->archive);
    lx_archive_options_fill(d->cmd, &telling, &options);
    options.prefix = "events";
    options.after_days = d->after_days;
    options.delete_after = true;
    options.soak = false;
    options.file_rows = 0;
    options.max_delete_rows = 0;
    enum lx_status status = lx_archive_run(&options, &d->report, err);
    lx_telling_end(&telling);
    if (status == LX_OK && d->report.delete_refused) {
        *err = d->report.refusal;
        return err->status;
    }
    return status;
}

static enum lx_status tell_story(struct demo *d, struct lx_err *err)
{
    uint64_t rows[2], sums[2];
    char count[LX_SHORT_TEXT];
    lx_text_count(d->rows, count);
    printf("%slynex demo%s in %s\n", lx_color(d->cmd->color, LX_COLOR_BOLD),
           lx_color(d->cmd->color, LX_COLOR_NONE), d->dir);
    title(d, "1  An embedded ClickHouse gets events of the last 60 days");
    LX_TRY(open_all(d, err));
    LX_TRY(fill(d, err));
    LX_TRY(disk_bytes(d, &d->hot_bytes_before, err));
    LX_TRY(show_both(d, false, err));
    LX_TRY(fingerprint(d, false, &rows[0], &sums[0], err));
    title(d, "2  Events older than 30 days leave for the archive");
    LX_TRY(archive(d, err));
    title(d, "3  Hot and cold afterwards, both read by ClickHouse");
    LX_TRY(show_both(d, true, err));
    LX_TRY(disk_bytes(d, &d->hot_bytes_after, err));
    show_sizes(d);
    title(d, "4  Nothing lost, nothing twice");
    LX_TRY(fingerprint(d, true, &rows[1], &sums[1], err));
    printf("   before: %llu events, sum of hashes %016llx\n   after:  %llu events, sum of hashes "
           "%016llx, hot and cold together\n",
           (unsigned long long)rows[0], (unsigned long long)sums[0], (unsigned long long)rows[1],
           (unsigned long long)sums[1]);
    if (rows[0] != rows[1] || sums[0] != sums[1])
        return lx_err_set(err, LX_E_MISMATCH,
                          "hot and cold together are not what there was before");
    LX_TRY(verify_all(d, err));
    title(d, "5  The ledger, an open Delta Lake log");
    LX_TRY(lx_ledger_walk(d->cmd->ledger, 0, INT64_MAX, show_version, NULL, err));
    title(d, "6  Archived rows, as ClickHouse reads them without lynex");
    return show_sample(d, err);
}

static void tell_next(const struct demo *d, const char *program)
{
    title(d, "What to try next");
    printf("   %s ls --archive-url file://%s\n"
           "   %s verify --archive-url file://%s\n"
           "   %s inspect %s/events/*/*.parquet     (one of them)\n"
           "   %s config                             what can be set\n"
           "   DuckDB, Spark, Trino: the directory %s is a Delta table\n"
           "   your own ClickHouse: README.md, \"A real set-up\"\n"
           "   rm -rf %s                when you are done\n",
           program, d->archive, program, d->archive, program, d->archive, program, d->archive,
           d->dir);
}

static enum lx_status make_directory(struct demo *d, const char *wanted, struct lx_err *err)
{
    const char *tmp = getenv("TMPDIR");
    if (wanted != NULL) {
        snprintf(d->dir, sizeof d->dir, "%s", wanted);
        if (mkdir(d->dir, 0700) != 0)
            return lx_err_errno(err, errno, "making the directory %s for the demo", d->dir);
    } else {
        snprintf(d->dir, sizeof d->dir, "%s/lynex-demo.XXXXXX",
                 tmp != NULL && tmp[0] != 0 ? tmp : "/tmp");
        if (mkdtemp(d->dir) == NULL)
            return lx_err_errno(err, errno, "making the directory %s", d->dir);
    }
    char *real = realpath(d->dir, NULL);
    if (real == NULL)
        return lx_err_errno(err, errno, "looking at %s", d->dir);
    snprintf(d->dir, sizeof d->dir, "%s", real);
    free(real);
    /* The engine reads files below the working directory only. */
    if (chdir(d->dir) != 0)
        return lx_err_errno(err, errno, "entering %s", d->dir);
    snprintf(d->archive, sizeof d->archive, "%s/archive", d->dir);
    snprintf(d->engine, sizeof d->engine, "embedded://%s/clickhouse", d->dir);
    return LX_OK;
}

int lx_cmd_demo(struct lx_cmd *cmd)
{
    struct demo d = {.cmd = cmd, .rows = DEFAULT_ROWS, .after_days = 30};
    struct lx_err err = LX_ERR_INIT;
    const char *rows = lx_cmd_option(cmd, "--rows"), *dir = lx_cmd_option(cmd, "--dir");
    if (!lx_cmd_args_done(cmd, 0))
        return LX_EXIT_USAGE;
    if (rows != NULL &&
        (!lx_str_to_i64(lx_str_of(rows), &d.rows) || d.rows < 1 || d.rows > MAX_ROWS)) {
        return lx_cmd_usage(cmd, "lynex demo --rows 500000", "--rows %s: a number from 1 to %d",
                            rows, MAX_ROWS);
    }
    int64_t started = lx_clock_monotonic(&cmd->clock);
    enum lx_status status = make_directory(&d, dir, &err);
    if (status == LX_OK)
        status = tell_story(&d, &err);
    if (status != LX_OK)
        return lx_cmd_fail(cmd, &err);
    char took[LX_SHORT_TEXT];
    lx_text_duration(lx_clock_monotonic(&cmd->clock) - started, took);
    tell_next(&d, "build/lynex");
    printf("\n%sAll of it took %s.%s\n", lx_color(cmd->color, LX_COLOR_GREEN), took,
           lx_color(cmd->color, LX_COLOR_NONE));
    return LX_EXIT_DONE;
}
