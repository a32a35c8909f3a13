/* Before anything is done: is this the table that the ledger belongs to, do the clocks agree, do
 * the server's hashes mean what ours do, may all rows be seen? */
#include "archive/rebuild.h"
#include "archive/run.h"

#include "base/alloc.h"
#include "base/civil.h"
#include "base/mutant.h"

#include <stdio.h>

/* -- the table ----------------------------------------------------------------------------- */

static enum lx_status build_schema(const struct lx_run *run, const struct lx_hot_table *table,
                                   struct lx_row_schema **schema, struct lx_err *err)
{
    /* Beside what the archive holds already: a column keeps its name in files as long as it can. */
    return lx_row_schema_build_beside(table->columns, table->column_count, run->o->micros,
                                      lx_ledger_state(run->o->ledger)->schema_string, schema, err);
}

static enum lx_status make_source(const struct lx_run *run, const struct lx_hot_table *table,
                                  char **source, struct lx_err *err)
{
    struct lx_buf text = LX_BUF(LX_MAX_NAME * 4);
    enum lx_status status =
        lx_source_make(&text, lx_str_of(run->o->shard), lx_str_of(table->database),
                       lx_str_of(table->name), lx_str_of(table->uuid));
    char *made = status == LX_OK ? lx_strndup((const char *)text.data, text.len) : NULL;
    lx_buf_free(&text);
    if (made == NULL)
        return lx_err_set(err, status == LX_OK ? LX_E_MEMORY : status,
                          "the table's name is too long");
    *source = made;
    return LX_OK;
}

/* A load balancer may hand the next question to another replica, which may lag behind. */
static bool same_replica(const struct lx_run *run, const struct lx_hot_table *table)
{
    return strncmp(table->engine, "Replicated", 10) != 0 || run->table == NULL ||
           strcmp(run->table->host, table->host) == 0;
}

enum lx_status lx_start_again(struct lx_run *run, bool *same, struct lx_err *err)
{
    struct lx_hot_table *table = NULL;
    struct lx_row_schema *schema = NULL;
    char *source = NULL;
    enum lx_status status =
        lx_run_asked(run, run->o->hot.ops->table(run->o->hot.self, &table, err));
    if (status == LX_OK)
        status = build_schema(run, table, &schema, err);
    if (status == LX_OK)
        status = make_source(run, table, &source, err);
    if (status == LX_OK) {
        *same = run->source != NULL && strcmp(run->source, source) == 0 &&
                strcmp(run->schema->id, schema->id) == 0 && same_replica(run, table);
        if (!*same) {
            run->table_number++;
            /* Older pointers to the schema live on in batches: it moves to the cache. */
            if (run->schema != NULL) {
                struct lx_row_schema **grown = lx_realloc(
                    run->cache.schemas, (run->cache.count + 1) * sizeof(struct lx_row_schema *));
                if (grown == NULL) {
                    status = lx_err_memory(err);
                    goto done;
                }
                run->cache.schemas = grown;
                run->cache.schemas[run->cache.count++] = run->schema;
            }
            run->schema = schema;
            schema = NULL;
            lx_free(run->source);
            run->source = source;
            source = NULL;
        }
        lx_hot_table_free(run->table);
        run->table = table;
        table = NULL;
    }
done:
    lx_hot_table_free(table);
    lx_row_schema_free(schema);
    lx_free(source);
    return status;
}

/* -- checks -------------------------------------------------------------------------------- */

static enum lx_status check_clock(const struct lx_run *run, struct lx_err *err)
{
    int64_t ours = lx_clock_now(&run->o->clock) / 1000, theirs = run->table->now;
    int64_t skew = ours > theirs ? ours - theirs : theirs - ours;
    if (skew <= LX_RUN_MAX_CLOCK_SKEW)
        return LX_OK;
    char a[LX_TIME_TEXT], b[LX_TIME_TEXT];
    lx_time_plain(ours * 1000, a);
    lx_time_plain(theirs * 1000, b);
    lx_err_set(err, LX_E_REFUSED,
               "the clocks differ by %lld s: here it is %s UTC, on ClickHouse %s "
               "UTC",
               (long long)skew, a, b);
    lx_err_hint(err,
                "rows would be taken for older or younger than they are; set both clocks (NTP) "
                "and run again");
    return LX_E_REFUSED;
}

static enum lx_status look_for_files(const struct lx_run *run, struct lx_err *err)
{
    char first[LX_MAX_NAME];
    LX_TRY(lx_rebuild_any_file(run->o->store, run->o->prefix, first, err));
    if (first[0] == 0)
        return LX_OK;
    lx_run_note(run, LX_EVENT_WARNING,
                "where the log was lost, stop here and run lynex ledger rebuild: this run begins a "
                "new one that does not list them; where an earlier run was ended before its first "
                "commit, go on, its files are left over (lynex vacuum)",
                LX_REBUILD_NO_LOG "%s", first);
    return LX_OK;
}

static enum lx_status check_ledger(const struct lx_run *run, struct lx_err *err)
{
    const struct lx_ledger_state *state = lx_ledger_state(run->o->ledger);
    if (state->table == NULL) {
        if (state->version < 0)
            return look_for_files(run, err);
        lx_err_set(err, LX_E_REFUSED,
                   "the Delta table at the archive's root was not made by lynex");
        lx_err_hint(err, "choose another root: S3_ARCHIVE_ROOT or ARCHIVE_URL");
        return LX_E_REFUSED;
    }
    const char *database = json_string_value(json_object_get(state->table, "database"));
    const char *table = json_string_value(json_object_get(state->table, "table"));
    const char *time = json_string_value(json_object_get(state->table, "time_column"));
    if (database == NULL || table == NULL || time == NULL)
        return lx_err_set(err, LX_E_FORMAT, "the ledger does not say which table it belongs to");
    if (strcmp(database, run->table->database) != 0 || strcmp(table, run->table->name) != 0) {
        lx_err_set(err, LX_E_REFUSED,
                   "the ledger at this root belongs to the table %s.%s, not to "
                   "%s.%s",
                   database, table, run->table->database, run->table->name);
        lx_err_hint(err,
                    "one table, one root: set S3_ARCHIVE_ROOT (or ARCHIVE_URL) to another root "
                    "for this table");
        return LX_E_REFUSED;
    }
    if (strcmp(time, run->table->time_column) != 0) {
        lx_err_set(err, LX_E_REFUSED,
                   "the ledger at this root was made with ARCHIVE_TIME_COLUMN=%s, "
                   "now it is %s",
                   time, run->table->time_column);
        lx_err_hint(err,
                    "segments are ranges of that column: set it back, or archive to a new root");
        return LX_E_REFUSED;
    }
    return LX_OK;
}

/* -- cutoff -------------------------------------------------------------------------------- */

static int64_t day_before(int64_t now, int64_t days)
{
    int64_t today = lx_floor_div(now, LX_DAY_SECONDS);
    return (today - days) * LX_DAY_SECONDS;
}

/* The table's rule with another number of days, ready to run; where it is not that simple, in
 * words. */
static void ttl_rule(const char *ttl, int64_t days, char *rule, size_t size)
{
    static const char interval[] = "toIntervalDay(";
    const char *at = strstr(ttl, interval);
    const char *close = at != NULL ? strchr(at, ')') : NULL;
    if (close != NULL && strstr(close, "toInterval") == NULL && strchr(ttl, ',') == NULL &&
        strlen(ttl) < size - 32)
        snprintf(rule, size, "%.*s%lld%s", (int)(at - ttl) + (int)sizeof interval - 1, ttl,
                 (long long)days, close);
    else
        snprintf(rule, size, "… with an interval of at least %lld days", (long long)days);
}

/* A table whose own TTL deletes rows before we may look at them loses them unarchived: archive that
 * much earlier, and keep them hot until they are due. */
static void set_cutoff(struct lx_run *run)
{
    const struct lx_archive_options *o = run->o;
    int64_t now = run->table->now, ttl = run->table->ttl_days;
    int64_t due = day_before(now, o->after_days);
    run->cutoff = run->aged = due;
    run->due = o->delete_after && !o->soak ? due : LX_TIME_FIRST;
    run->report->cutoff = due;
    if (run->table->ttl_sql != NULL && run->table->ttl_unclear)
        lx_run_note(run, LX_EVENT_WARNING,
                    "if it deletes rows sooner than ARCHIVE_AFTER_DAYS, they are lost unarchived",
                    "the table's TTL is not understood, or not all of it: %s", run->table->ttl_sql);
    if (ttl < 0 || ttl > o->after_days + o->ttl_margin_days)
        return;
    int64_t ahead = ttl - o->ttl_margin_days;
    if (ahead < 0)
        ahead = 0;
    if (ahead < o->after_days)
        run->cutoff = day_before(now, ahead);
    run->report->cutoff = run->cutoff;
    char more[LX_ERR_HINT], rule[256];
    ttl_rule(run->table->ttl_sql, o->after_days + o->ttl_margin_days + 1, rule, sizeof rule);
    snprintf(
        more, sizeof more,
        "run ALTER TABLE `%s`.`%s` MODIFY TTL %s, or REMOVE TTL; rows that ClickHouse deletes at "
        "the insert cannot be archived by anybody",
        run->table->database, run->table->name, rule);
    lx_run_note(
        run, LX_EVENT_WARNING, more,
        "the table's own TTL (%s) deletes rows after %lld days, ARCHIVE_AFTER_DAYS is %lld: "
        "rows are archived from an age of %lld days on",
        run->table->ttl_sql, (long long)ttl, (long long)o->after_days,
        (long long)(ahead < o->after_days ? ahead : o->after_days));
}

/* Said, since a disk that is not mounted looks like a place for a new one. */
static void tell_new_archive(const struct lx_run *run)
{
    struct lx_buf location = LX_BUF(4 * LX_MAX_NAME);
    if (lx_ledger_state(run->o->ledger)->version < 0 &&
        lx_store_location(run->o->store, NULL, &location) == LX_OK)
        lx_run_note(run, LX_EVENT_NOTE, NULL, "a new archive begins in %s, which has none yet",
                    lx_buf_cstr(&location));
    lx_buf_free(&location);
}

enum lx_status lx_start_writing(struct lx_run *run, struct lx_err *err)
{
    if (run->probed)
        return LX_OK;
    tell_new_archive(run);
    LX_TRY(lx_ledger_probe(run->o->ledger, err));
    run->probed = true;
    return LX_OK;
}

/* -- a server that started again ----------------------------------------------------------- */

static bool has_rows_again(const struct lx_run *run, const struct lx_hot_parts *parts,
                           const struct lx_segment *segment)
{
    /* Another table took this one's place: which of its rows are those cannot be told by blocks. */
    bool anywhere = strcmp(segment->source, run->source) != 0;
    for (size_t i = 0; i < parts->count; i++) {
        const struct lx_hot_part *part = &parts->parts[i];
        if (part->rows > 0 && (anywhere || (strcmp(part->partition, segment->partition) == 0 &&
                                            part->min_block <= segment->max_block &&
                                            segment->min_block <= part->max_block)))
            return true;
    }
    return false;
}

static bool may_be_back(const struct lx_run *run, const struct lx_segment *segment)
{
    return lx_source_same_table(segment->source, run->source) &&
           segment->ended_at >= run->table->started_at - LX_RUN_ENDED_SECONDS &&
           segment->ended_at <= run->table->started_at;
}

static enum lx_status commit_revived(struct lx_run *run, const struct lx_ids *ids,
                                     struct lx_err *err)
{
    const struct lx_change change = {
        .operation = "REVIVE", .revive_segments = ids->list, .revive_segment_count = ids->count};
    lx_run_note(run, LX_EVENT_WARNING, "it is compared by content now; nothing is lost or twice",
                "ClickHouse was started again, and %zu segments that were deleted shortly before "
                "have rows in their place",
                ids->count);
    LX_TRY(lx_start_writing(run, err));
    enum lx_status status = lx_ledger_commit(run->o->ledger, &change, NULL, err);
    if (status != LX_E_CONFLICT)
        return status;
    lx_err_clear(err);
    return LX_OK; /* another archiver did it */
}

/* ClickHouse does not fsync: after a power loss a part whose drop it had acknowledged can be back.
 * What ended within the hour before its start and has rows in its blocks is live again; settle and
 * reconcile then find by content what is true. */
enum lx_status lx_start_revive(struct lx_run *run, const struct lx_hot_parts *parts, bool *revived,
                               struct lx_err *err)
{
    const struct lx_ledger_state *state = lx_ledger_state(run->o->ledger);
    struct lx_ids ids;
    *revived = false;
    run->revived_for = run->table->started_at;
    if (lx_mutant("trust-the-server"))
        return LX_OK;
    LX_TRY(lx_ids_make(&ids, state->ended_count, err));
    for (size_t i = 0; i < state->ended_count; i++)
        if (may_be_back(run, &state->ended[i]) && has_rows_again(run, parts, &state->ended[i]))
            lx_ids_add(&ids, state->ended[i].id);
    *revived = ids.count > 0;
    enum lx_status status = ids.count > 0 ? commit_revived(run, &ids, err) : LX_OK;
    lx_ids_free(&ids);
    return status;
}

/* The same before anything else; the parts are asked for only where something may be back. */
static enum lx_status revive(struct lx_run *run, struct lx_err *err)
{
    const struct lx_ledger_state *state = lx_ledger_state(run->o->ledger);
    struct lx_hot_parts parts = {0};
    bool revived, any = false;
    run->revived_for = run->table->started_at;
    for (size_t i = 0; i < state->ended_count; i++)
        any = any || may_be_back(run, &state->ended[i]);
    if (!any)
        return LX_OK;
    LX_TRY(lx_run_parts(run, lx_run_days_to(run), &parts, err));
    enum lx_status status = lx_start_revive(run, &parts, &revived, err);
    lx_hot_parts_free(&parts);
    return status;
}

char *lx_table_word(const char *table)
{
    char *word = lx_strdup(table);
    /* Keys hold these characters only, so that every reader's idea of URL encoding agrees. */
    for (char *c = word; c != NULL && *c != 0; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
              *c == '-' || *c == '_'))
            *c = '_';
    return word;
}

static enum lx_status make_word(struct lx_run *run, struct lx_err *err)
{
    run->word = lx_table_word(run->table->name);
    return run->word != NULL ? LX_OK : lx_err_memory(err);
}

static void check_bloom_columns(const struct lx_run *run)
{
    for (size_t i = 0; i < run->o->bloom_count; i++) {
        size_t at = 0;
        while (at < run->schema->field_count &&
               strcmp(run->schema->fields[at].name, run->o->bloom_columns[i]) != 0)
            at++;
        if (at == run->schema->field_count)
            lx_run_note(run, LX_EVENT_WARNING,
                        "names are case-sensitive, and stand apart by commas",
                        "ARCHIVE_BLOOM_COLUMNS names %s, which is no column of %s.%s",
                        run->o->bloom_columns[i], run->table->database, run->table->name);
    }
}

enum lx_status lx_start(struct lx_run *run, struct lx_err *err)
{
    bool same;
    const struct lx_hot *hot = &run->o->hot;
    LX_TRY(lx_start_again(run, &same, err));
    LX_TRY(make_word(run, err));
    LX_TRY(check_clock(run, err));
    LX_TRY(check_ledger(run, err));
    LX_TRY(hot->ops->self_test(hot->self, err));
    LX_TRY(hot->ops->row_policy(hot->self, err));
    set_cutoff(run);
    check_bloom_columns(run);
    return run->o->dry_run ? LX_OK : revive(run, err);
}
