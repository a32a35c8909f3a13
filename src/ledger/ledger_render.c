/* A change as the bytes of one version: NDJSON, commitInfo first.
 *
 * Same change, same state, same id and clock: same bytes. Domains are written whole, made of what
 * the state holds now and what the change takes and adds. */
#include "base/alloc.h"
#include "ledger/ledger_json.h"
#include "ledger/ledger_private.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct rendering {
    const struct lx_ledger *ledger;
    const struct lx_change *change;
    const struct lx_change_index *index;
    int64_t now_ms;
    struct lx_buf *out;
    struct lx_err *err;
};

static bool has(const struct lx_ledger_map *map, const char *name)
{
    return lx_ledger_map_get(map, lx_str_of(name)) != NULL;
}

/* Takes `body` (NULL: memory ran out while it was made): {"kind":body} and a line feed. */
static enum lx_status put_line(const struct rendering *r, const char *kind, json_t *body)
{
    json_t *action = json_object();
    enum lx_status status = LX_E_MEMORY;
    if (action == NULL)
        json_decref(body);
    else if (lx_ledger_json_put(action, kind, body))
        status = LX_OK;
    if (status != LX_OK)
        lx_err_memory(r->err);
    if (status == LX_OK)
        status = lx_ledger_json_dump(action, r->out, r->err);
    json_decref(action);
    if (status == LX_OK) {
        status = lx_buf_text(r->out, "\n");
        if (status != LX_OK)
            lx_err_set(r->err, status, "a version of the log longer than %zu bytes", r->out->max);
    }
    return status;
}

/* -- protocol, metaData, commitInfo -------------------------------------------------------- */

static enum lx_status put_protocol(const struct rendering *r)
{
    return put_line(r, "protocol",
                    json_pack("{s:i,s:i,s:[s]}", "minReaderVersion", 1, "minWriterVersion", 7,
                              "writerFeatures", "domainMetadata"));
}

/* Retentions so long that no other program's cleaning reaches the ledger's history. */
static json_t *new_metadata(const struct rendering *r)
{
    char id[37];
    lx_random_uuid(&r->ledger->options.random, id);
    return json_pack("{s:s,s:{s:s,s:{}},s:s,s:[],s:{s:s,s:s,s:s},s:I}", "id", id, "format",
                     "provider", "parquet", "options", "schemaString", r->change->new_schema_string,
                     "partitionColumns", "configuration", "delta.deletedFileRetentionDuration",
                     "interval 36500 days", "delta.enableExpiredLogCleanup", "false",
                     "delta.logRetentionDuration", "interval 36500 days", "createdTime",
                     (json_int_t)r->now_ms);
}

static enum lx_status put_metadata(const struct rendering *r)
{
    if (r->ledger->tables.version < 0)
        return put_line(r, "metaData", new_metadata(r));
    if (r->change->new_schema_string == NULL)
        return LX_OK;
    /* What others added stays. Not json_copy: it leaves members out where memory is short. */
    json_t *metadata = json_object();
    bool ok =
        metadata != NULL && json_object_update(metadata, r->ledger->tables.metadata) == 0 &&
        lx_ledger_json_put(metadata, "schemaString", json_string(r->change->new_schema_string));
    if (!ok) {
        json_decref(metadata);
        metadata = NULL;
    }
    return put_line(r, "metaData", metadata);
}

static enum lx_status put_commit_info(const struct rendering *r, const char *txn_id,
                                      struct lx_str rest)
{
    char digest[LX_LEDGER_DIGEST];
    lx_version_digest(rest, digest);
    json_t *info = json_pack("{s:I,s:s,s:{},s:s,s:s,s:s}", "timestamp", (json_int_t)r->now_ms,
                             "operation", r->change->operation, "operationParameters", "engineInfo",
                             "lynex/" LYNEX_VERSION, "txnId", txn_id, "lynexDigest", digest);
    if (info != NULL && r->change->info != NULL && json_object_update(info, r->change->info) != 0) {
        json_decref(info);
        info = NULL;
    }
    return put_line(r, "commitInfo", info);
}

/* -- files --------------------------------------------------------------------------------- */

static bool put_sums(json_t *tags, const struct lx_ledger_file *file)
{
    char text[160];
    if (file->schema[0] == 0)
        return true;
    snprintf(text, sizeof text,
             "{\"rows\":%" PRId64 ",\"sum\":\"%" PRIu64 "\",\"xor\":\"%" PRIu64
             "\",\"schema\":\"%s\"}",
             file->rows, file->sum, file->xor, file->schema);
    return lx_ledger_json_put(tags, "lynex.sums", json_string(text));
}

/* NULL where memory ran out; the text was checked. */
static json_t *make_tags(const struct lx_ledger_file *file)
{
    json_t *tags = json_object(), *more = NULL;
    bool ok = tags != NULL;
    if (ok && file->batch[0] != 0)
        ok = lx_ledger_json_put(tags, "lynex.batch", json_string(file->batch));
    ok = ok && put_sums(tags, file);
    if (ok && file->etag != NULL)
        ok = lx_ledger_json_put(tags, "lynex.etag", json_string(file->etag));
    if (ok && file->tags != NULL)
        ok = lx_ledger_json_parse(lx_str_of(file->tags), "tags", &more, NULL) == LX_OK &&
             json_object_update(tags, more) == 0;
    json_decref(more);
    if (!ok) {
        json_decref(tags);
        tags = NULL;
    }
    return tags;
}

static enum lx_status put_add(const struct rendering *r, const struct lx_ledger_file *file)
{
    json_t *add = json_pack("{s:s,s:{},s:I,s:I,s:b}", "path", file->path, "partitionValues", "size",
                            (json_int_t)file->size, "modificationTime",
                            (json_int_t)file->modified_ms, "dataChange", !r->change->moves_only);
    bool ok = add != NULL &&
              (file->stats == NULL || lx_ledger_json_put(add, "stats", json_string(file->stats)));
    ok = ok && lx_ledger_json_put(add, "tags", make_tags(file));
    if (!ok) {
        json_decref(add);
        add = NULL;
    }
    return put_line(r, "add", add);
}

/* A path that was never listed: a fence for writers that might list it yet. It takes no row out of
 * the table, so dataChange is false, and readers that follow the table see nothing. */
static enum lx_status put_remove(const struct rendering *r, const char *path)
{
    const struct lx_ledger_file *file = lx_ledger_file(r->ledger, path);
    if (file == NULL)
        return put_line(r, "remove",
                        json_pack("{s:s,s:I,s:b}", "path", path, "deletionTimestamp",
                                  (json_int_t)r->now_ms, "dataChange", 0));
    return put_line(r, "remove",
                    json_pack("{s:s,s:I,s:b,s:b,s:{},s:I}", "path", path, "deletionTimestamp",
                              (json_int_t)r->now_ms, "dataChange", !r->change->moves_only,
                              "extendedFileMetadata", 1, "partitionValues", "size",
                              (json_int_t)file->size));
}

/* -- domains ------------------------------------------------------------------------------- */

static enum lx_status put_domain(const struct rendering *r, const char *name,
                                 const char *configuration)
{
    return put_line(r, "domainMetadata",
                    json_pack("{s:s,s:s,s:b}", "domain", name, "configuration",
                              configuration != NULL ? configuration : "", "removed",
                              configuration == NULL));
}

static enum lx_status put_json_domain(const struct rendering *r, const char *name,
                                      const json_t *json)
{
    struct lx_buf text = LX_BUF(LX_LEDGER_MAX_LINE_BYTES);
    enum lx_status status = lx_ledger_json_dump(json, &text, r->err);
    if (status == LX_OK)
        status = put_domain(r, name, lx_buf_cstr(&text));
    lx_buf_free(&text);
    return status;
}

/* A domain of segments that is to be written anew. */
struct draft {
    enum lx_domain_kind kind;
    struct lx_buf name;
    const char *source;
    struct lx_segment_ref *refs;
    size_t count, capacity;
};

struct drafts {
    struct lx_ptrs all;
    struct lx_ledger_map by_name;
};

static void free_draft(void *item)
{
    struct draft *draft = item;
    lx_buf_free(&draft->name);
    lx_free(draft->refs);
    lx_free(draft);
}

static enum lx_status remember_draft(struct drafts *drafts, struct draft *draft)
{
    LX_TRY(lx_ledger_map_reserve(&drafts->by_name, 1));
    LX_TRY(lx_ptrs_push(&drafts->all, draft));
    lx_ledger_map_put(&drafts->by_name, lx_buf_view(&draft->name), draft);
    return LX_OK;
}

/* The draft of this domain; `partition` NULL: of ended segments. */
static enum lx_status find_draft(struct drafts *drafts, const char *source, const char *partition,
                                 struct draft **found)
{
    enum lx_status status;
    struct draft *draft = lx_calloc(1, sizeof *draft);
    if (draft == NULL)
        return LX_E_MEMORY;
    draft->kind = partition != NULL ? LX_DOMAIN_HOT : LX_DOMAIN_ENDED;
    draft->name.max = LX_LEDGER_MAX_NAME * 4;
    draft->source = source;
    status = partition != NULL ? lx_ledger_hot_name(&draft->name, source, partition)
                               : lx_ledger_ended_name(&draft->name, source);
    struct draft *known = NULL;
    if (status == LX_OK)
        known = lx_ledger_map_get(&drafts->by_name, lx_buf_view(&draft->name));
    if (status == LX_OK && known == NULL)
        status = remember_draft(drafts, draft);
    if (status != LX_OK || known != NULL)
        free_draft(draft);
    if (status == LX_OK)
        *found = known != NULL ? known : draft;
    return status;
}

static enum lx_status push_ref(struct draft *draft, const struct lx_segment *segment,
                               int64_t ended_at)
{
    if (draft->count == draft->capacity) {
        size_t capacity = draft->capacity != 0 ? draft->capacity * 2 : 16;
        struct lx_segment_ref *refs = lx_realloc(draft->refs, capacity * sizeof *refs);
        if (refs == NULL)
            return LX_E_MEMORY;
        draft->refs = refs;
        draft->capacity = capacity;
    }
    draft->refs[draft->count++] = (struct lx_segment_ref){segment, ended_at};
    return LX_OK;
}

static enum lx_status draft_ref(struct drafts *drafts, const struct lx_segment *segment, bool ended,
                                int64_t ended_at)
{
    struct draft *draft;
    LX_TRY(find_draft(drafts, segment->source, ended ? NULL : segment->partition, &draft));
    return push_ref(draft, segment, ended_at);
}

static enum lx_status draft_ends(const struct rendering *r, struct drafts *drafts)
{
    const struct lx_change *change = r->change;
    struct draft *draft;
    for (size_t i = 0; i < change->end_segment_count; i++) {
        const struct lx_segment *segment = lx_ledger_live(r->ledger, change->end_segments[i]);
        assert(segment != NULL);
        LX_TRY(find_draft(drafts, segment->source, segment->partition, &draft));
        if (change->ended_at > 0)
            LX_TRY(draft_ref(drafts, segment, true, change->ended_at));
    }
    for (size_t i = 0; i < change->replace_segment_count; i++) {
        const struct lx_segment *segment = lx_ledger_live(r->ledger, change->replace_segments[i]);
        assert(segment != NULL);
        LX_TRY(find_draft(drafts, segment->source, segment->partition, &draft));
    }
    return LX_OK;
}

/* Which domains change, and what comes into them. */
static enum lx_status draft_all(const struct rendering *r, struct drafts *drafts)
{
    const struct lx_change *change = r->change;
    struct draft *draft;
    LX_TRY(draft_ends(r, drafts));
    for (size_t i = 0; i < change->revive_segment_count; i++) {
        const struct lx_segment *segment = lx_ledger_ended(r->ledger, change->revive_segments[i]);
        assert(segment != NULL);
        LX_TRY(find_draft(drafts, segment->source, NULL, &draft));
        LX_TRY(draft_ref(drafts, segment, false, 0));
    }
    for (size_t i = 0; i < change->forget_segment_count; i++) {
        const struct lx_segment *segment = lx_ledger_ended(r->ledger, change->forget_segments[i]);
        assert(segment != NULL);
        LX_TRY(find_draft(drafts, segment->source, NULL, &draft));
    }
    if (change->forget_ended_before > 0)
        LX_TRY(find_draft(drafts, change->source, NULL, &draft));
    for (size_t i = 0; i < change->add_segment_count; i++) {
        const struct lx_segment *segment = &change->add_segments[i];
        LX_TRY(draft_ref(drafts, segment, segment->ended_at > 0, segment->ended_at));
    }
    return LX_OK;
}

/* Does a segment of the state stay in its domain? */
static bool stays(const struct rendering *r, const struct draft *draft,
                  const struct lx_segment *segment)
{
    if (draft->kind == LX_DOMAIN_HOT)
        return !has(&r->index->ends, segment->id);
    bool old = r->change->forget_ended_before > 0 &&
               segment->ended_at < r->change->forget_ended_before &&
               strcmp(segment->source, r->change->source) == 0;
    return !old && !has(&r->index->revives, segment->id) && !has(&r->index->forgets, segment->id);
}

static int compare_refs(const void *a, const void *b)
{
    const struct lx_segment_ref *left = a, *right = b;
    return lx_segment_compare(left->segment, right->segment);
}

static enum lx_status put_draft(const struct rendering *r, struct draft *draft)
{
    const struct lx_domain *domain =
        lx_ledger_map_get(&r->ledger->tables.domains, lx_buf_view(&draft->name));
    size_t kept = 0, fresh = draft->count;
    for (size_t i = 0; domain != NULL && i < domain->segment_count; i++) {
        if (!stays(r, draft, &domain->segments[i]))
            continue;
        kept++;
        if (push_ref(draft, &domain->segments[i], 0) != LX_OK)
            return lx_err_memory(r->err);
    }
    if (fresh == 0 && (domain == NULL || kept == domain->segment_count))
        return LX_OK; /* nothing to forget */
    if (draft->count == 0)
        return put_domain(r, lx_buf_cstr(&draft->name), NULL);
    qsort(draft->refs, draft->count, sizeof *draft->refs, compare_refs);
    struct lx_buf text = LX_BUF(LX_LEDGER_MAX_LINE_BYTES);
    enum lx_status status =
        lx_domain_write_segments(draft->kind, draft->refs, draft->count, &text, r->err);
    if (status == LX_OK)
        status = put_domain(r, lx_buf_cstr(&draft->name), lx_buf_cstr(&text));
    lx_buf_free(&text);
    return status;
}

static int compare_drafts(const void *a, const void *b)
{
    const struct draft *left = *(const struct draft *const *)a;
    const struct draft *right = *(const struct draft *const *)b;
    return strcmp(lx_buf_cstr(&left->name), lx_buf_cstr(&right->name));
}

static enum lx_status put_segments(const struct rendering *r)
{
    struct drafts drafts = {0};
    enum lx_status status = draft_all(r, &drafts);
    if (status != LX_OK)
        lx_err_set(r->err, status, "making the domains of a version: %s", lx_status_text(status));
    if (status == LX_OK && drafts.all.count > 1)
        qsort(drafts.all.items, drafts.all.count, sizeof *drafts.all.items, compare_drafts);
    for (size_t i = 0; status == LX_OK && i < drafts.all.count; i++)
        status = put_draft(r, drafts.all.items[i]);
    lx_ledger_map_free(&drafts.by_name);
    lx_ptrs_free(&drafts.all, free_draft);
    return status;
}

static enum lx_status put_schemas(const struct rendering *r)
{
    const struct lx_change *change = r->change;
    for (size_t i = 0; i < change->schema_count; i++) {
        char name[64];
        snprintf(name, sizeof name, "lynex.schema.%s", change->schemas[i].id);
        if (lx_ledger_schema(r->ledger, change->schemas[i].id) == NULL)
            LX_TRY(put_json_domain(r, name, change->schemas[i].schema));
    }
    if (change->new_table != NULL)
        LX_TRY(put_json_domain(r, "lynex.table", change->new_table));
    return LX_OK;
}

/* -- all ----------------------------------------------------------------------------------- */

static enum lx_status put_rest(const struct rendering *r)
{
    if (r->ledger->tables.version < 0)
        LX_TRY(put_protocol(r));
    LX_TRY(put_metadata(r));
    for (size_t i = 0; i < r->change->add_file_count; i++)
        LX_TRY(put_add(r, &r->change->add_files[i]));
    for (size_t i = 0; i < r->change->remove_path_count; i++)
        LX_TRY(put_remove(r, r->change->remove_paths[i]));
    LX_TRY(put_schemas(r));
    return put_segments(r);
}

enum lx_status lx_change_render(const struct lx_ledger *ledger, const struct lx_change *change,
                                const struct lx_change_index *index, const char *txn_id,
                                struct lx_buf *body, struct lx_err *err)
{
    struct lx_buf rest = LX_BUF(LX_LEDGER_MAX_COMMIT_BYTES);
    struct rendering r = {.ledger = ledger,
                          .change = change,
                          .index = index,
                          .now_ms = lx_clock_now(&ledger->options.clock),
                          .out = &rest,
                          .err = err};
    size_t before = body->len;
    enum lx_status status = put_rest(&r);
    if (status == LX_OK) {
        r.out = body;
        status = put_commit_info(&r, txn_id, lx_buf_view(&rest));
    }
    if (status == LX_OK) {
        status = lx_buf_append(body, rest.data, rest.len);
        if (status != LX_OK)
            lx_err_set(err, status, "a version of the log longer than %zu bytes", body->max);
    }
    lx_buf_free(&rest);
    if (status != LX_OK)
        body->len = before;
    return status;
}
