/* Does a change make sense by itself? What would make the log say something untrue is refused here
 * and in ledger_check_state.c, before a byte is written. */
#include "base/utf8.h"
#include "ledger/ledger_json.h"
#include "ledger/ledger_private.h"

void lx_change_index_free(struct lx_change_index *index)
{
    lx_ledger_map_free(&index->ends);
    lx_ledger_map_free(&index->revives);
    lx_ledger_map_free(&index->forgets);
    lx_ledger_map_free(&index->adds);
    lx_ledger_map_free(&index->add_paths);
    lx_ledger_map_free(&index->remove_paths);
    lx_ledger_map_free(&index->schemas);
}

static bool has(const struct lx_ledger_map *map, const char *name)
{
    return lx_ledger_map_get(map, lx_str_of(name)) != NULL;
}

static enum lx_status bug(struct lx_err *err, const char *what, const char *name)
{
    return lx_err_set(err, LX_E_BUG, "change: %s: \"%s\"", what, name);
}

static bool is_utf8(const char *text)
{
    return text == NULL || lx_utf8_is_valid(text, strlen(text));
}

/* -- by itself: names ---------------------------------------------------------------------- */

/* Each id stands in one list only, and once. */
static enum lx_status index_ids(struct lx_ledger_map *map, const char *const *ids, size_t count,
                                struct lx_change_index *index, struct lx_err *err)
{
    if (lx_ledger_map_reserve(map, count) != LX_OK)
        return lx_err_memory(err);
    for (size_t i = 0; i < count; i++) {
        if (!lx_ledger_id_ok(ids[i]))
            return bug(err, "not the id of a segment", ids[i]);
        if (has(&index->ends, ids[i]) || has(&index->revives, ids[i]) ||
            has(&index->forgets, ids[i]) || has(&index->adds, ids[i]))
            return bug(err, "a segment is named twice", ids[i]);
        lx_ledger_map_put(map, lx_str_of(ids[i]), index);
    }
    return LX_OK;
}

static enum lx_status index_paths(const struct lx_change *change, struct lx_change_index *index,
                                  struct lx_err *err)
{
    if (lx_ledger_map_reserve(&index->add_paths, change->add_file_count) != LX_OK ||
        lx_ledger_map_reserve(&index->remove_paths, change->remove_path_count) != LX_OK)
        return lx_err_memory(err);
    for (size_t i = 0; i < change->add_file_count; i++) {
        const char *path = change->add_files[i].path;
        if (!lx_ledger_path_ok(path))
            return lx_err_set(err, LX_E_REFUSED,
                              "\"%s\" cannot be listed: a path holds only [A-Za-z0-9._=/-], at "
                              "most %d bytes, and stays within the root and out of the log",
                              path, LX_MAX_NAME);
        if (lx_ledger_map_put(&index->add_paths, lx_str_of(path), index) != NULL)
            return bug(err, "a path is added twice", path);
    }
    for (size_t i = 0; i < change->remove_path_count; i++) {
        const char *path = change->remove_paths[i];
        if (path[0] == 0 || !is_utf8(path))
            return bug(err, "not a path", path);
        if (lx_ledger_map_put(&index->remove_paths, lx_str_of(path), index) != NULL)
            return bug(err, "a path is removed twice", path);
        if (has(&index->add_paths, path))
            return bug(err, "a path is added and removed", path);
    }
    return LX_OK;
}

static enum lx_status index_schemas(const struct lx_change *change, struct lx_change_index *index,
                                    struct lx_err *err)
{
    if (lx_ledger_map_reserve(&index->schemas, change->schema_count) != LX_OK)
        return lx_err_memory(err);
    for (size_t i = 0; i < change->schema_count; i++) {
        const struct lx_ledger_schema_entry *entry = &change->schemas[i];
        if (!lx_ledger_schema_id_ok(entry->id) || !json_is_object(entry->schema))
            return bug(err, "not a schema", entry->id);
        if (lx_ledger_map_put(&index->schemas, lx_str_of(entry->id), index) != NULL)
            return bug(err, "a schema is named twice", entry->id);
    }
    return LX_OK;
}

static enum lx_status index_segments(const struct lx_change *change, struct lx_change_index *index,
                                     struct lx_err *err)
{
    LX_TRY(index_ids(&index->ends, change->end_segments, change->end_segment_count, index, err));
    LX_TRY(index_ids(&index->ends, change->replace_segments, change->replace_segment_count, index,
                     err));
    LX_TRY(index_ids(&index->revives, change->revive_segments, change->revive_segment_count, index,
                     err));
    LX_TRY(index_ids(&index->forgets, change->forget_segments, change->forget_segment_count, index,
                     err));
    for (size_t i = 0; i < change->add_segment_count; i++) {
        const char *id = change->add_segments[i].id;
        LX_TRY(index_ids(&index->adds, &id, 1, index, err));
    }
    return LX_OK;
}

/* -- by itself: contents ------------------------------------------------------------------- */

static enum lx_status check_segment(const struct lx_segment *segment, struct lx_err *err)
{
    if (segment->source == NULL || segment->source[0] == 0 || segment->partition == NULL ||
        segment->partition[0] == 0)
        return bug(err, "a segment without source or partition", segment->id);
    if (strlen(segment->source) > LX_LEDGER_MAX_NAME / 4 ||
        strlen(segment->partition) > LX_LEDGER_MAX_NAME / 4)
        return lx_err_set(err, LX_E_LIMIT,
                          "the name of table \"%.200s…\" or of its partition is "
                          "longer than %d bytes",
                          segment->source, LX_LEDGER_MAX_NAME / 4);
    if (segment->min_block > segment->max_block || segment->from >= segment->to)
        return bug(err, "a segment without blocks or time", segment->id);
    if (segment->rows < 0 || segment->ended_at < 0 || !is_utf8(segment->host))
        return bug(err, "a segment with a wrong number or text", segment->id);
    if (!lx_ledger_schema_id_ok(segment->schema))
        return bug(err, "a segment without schema", segment->id);
    if (segment->where_count > LX_LEDGER_MAX_WHERE)
        return lx_err_set(err, LX_E_LIMIT, "segment %s: rows at %zu places, more than %d",
                          segment->id, segment->where_count, LX_LEDGER_MAX_WHERE);
    int64_t rows = 0, end;
    for (size_t i = 0; i < segment->where_count; i++) {
        const struct lx_where *where = &segment->where[i];
        if (where->path == NULL || !is_utf8(where->path) || where->path[0] == 0 ||
            where->first_row < 0 || where->rows < 0 ||
            __builtin_add_overflow(where->first_row, where->rows, &end) ||
            __builtin_add_overflow(rows, where->rows, &rows))
            return bug(err, "a segment's rows are nowhere", segment->id);
    }
    /* Sums could not be proved again from more or fewer rows than they are of. */
    if (segment->where_count != 0 && rows != segment->rows)
        return bug(err, "a segment's places hold other than its rows", segment->id);
    return LX_OK;
}

static enum lx_status check_tags(const struct lx_ledger_file *file, struct lx_err *err)
{
    static const char *const made[] = {"lynex.batch", "lynex.sums", "lynex.etag"};
    json_t *tags;
    if (file->tags == NULL)
        return LX_OK;
    LX_TRY(lx_ledger_json_parse(lx_str_of(file->tags), "tags", &tags, err));
    enum lx_status status = LX_OK;
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        if (json_object_get(tags, made[i]) != NULL)
            status = bug(err, "a file's tags hold what its members say", made[i]);
    }
    const char *name;
    json_t *value;
    json_object_foreach(tags, name, value)
    {
        if (!json_is_string(value))
            status = bug(err, "a file's tag is not a text", name);
    }
    json_decref(tags);
    return status;
}

static enum lx_status check_file(const struct lx_ledger_file *file, struct lx_err *err)
{
    if (file->size < 0 || file->rows < 0)
        return bug(err, "a file with a negative size", file->path);
    if (file->batch[0] != 0 && !lx_ledger_id_ok(file->batch))
        return bug(err, "a file whose batch has no id", file->path);
    if (file->schema[0] != 0 && !lx_ledger_schema_id_ok(file->schema))
        return bug(err, "a file whose schema has no id", file->path);
    if (!is_utf8(file->stats) || !is_utf8(file->etag))
        return bug(err, "a file whose stats or etag is no UTF-8", file->path);
    return check_tags(file, err);
}

/* Names that commitInfo has already, here or in other programs' readers, with other types. */
static enum lx_status check_info(const json_t *info, struct lx_err *err)
{
    static const char *const taken[] = {
        "timestamp",
        "operation",
        "operationParameters",
        "engineInfo",
        "txnId",
        "lynexDigest",
        "version",
        "userId",
        "userName",
        "job",
        "notebook",
        "clusterId",
        "readVersion",
        "isolationLevel",
        "isBlindAppend",
        "operationMetrics",
        "userMetadata",
        "tags",
        "inCommitTimestamp",
    };
    if (info == NULL)
        return LX_OK;
    if (!json_is_object(info))
        return bug(err, "its info is no object", "");
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        if (json_object_get(info, taken[i]) != NULL)
            return bug(err, "its info has a member that commitInfo has", taken[i]);
    }
    return LX_OK;
}

static enum lx_status check_contents(const struct lx_change *change, struct lx_err *err)
{
    LX_TRY(check_info(change->info, err));
    for (size_t i = 0; i < change->add_file_count; i++)
        LX_TRY(check_file(&change->add_files[i], err));
    for (size_t i = 0; i < change->add_segment_count; i++)
        LX_TRY(check_segment(&change->add_segments[i], err));
    if (change->ended_at < 0 || change->forget_ended_before < 0 ||
        (change->forget_ended_before > 0 && change->source == NULL))
        return bug(err, "a wrong time", "ended_at");
    if (!is_utf8(change->new_schema_string) || !is_utf8(change->operation))
        return bug(err, "a text that is no UTF-8", "operation");
    if (change->new_table != NULL && !json_is_object(change->new_table))
        return bug(err, "the table is no object", "new_table");
    return LX_OK;
}

enum lx_status lx_change_check(const struct lx_change *change, struct lx_change_index *index,
                               struct lx_err *err)
{
    *index = (struct lx_change_index){0};
    if (change->operation == NULL || change->operation[0] == 0)
        return bug(err, "no operation", "");
    enum lx_status status;
    LX_TRY_GOTO(index_paths(change, index, err), failed);
    LX_TRY_GOTO(index_segments(change, index, err), failed);
    LX_TRY_GOTO(index_schemas(change, index, err), failed);
    LX_TRY_GOTO(check_contents(change, err), failed);
    return LX_OK;
failed:
    lx_change_index_free(index);
    return status;
}
