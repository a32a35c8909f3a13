#include "archive/rebuild_log.h"

#include "base/alloc.h"

#include <stdlib.h>

#define REBUILT "rebuilt" /* in place of a UUID, and of a partition */

bool lx_rebuild_is_guess(const char *source)
{
    return lx_str_ends(lx_str_of(source), LX_STR("/" REBUILT));
}

struct writing {
    const struct lx_rebuild_options *o;
    const struct lx_rebuild_report *report;
    struct lx_rebuild_file **order; /* listed ones, the newest run last */
    size_t count;
    struct lx_ledger_file *files;
    struct lx_segment *segments;
    struct lx_where *where;
    struct lx_ledger_schema_entry *schemas;
    size_t schema_count;
    struct lx_buf schema_string;
    char *source; /* of the table that is no more */
    char partition[sizeof REBUILT];
    json_t *table, *info;
};

static void free_writing(struct writing *w)
{
    for (size_t i = 0; w->files != NULL && i < w->count; i++) {
        lx_free(w->files[i].stats);
        lx_free(w->files[i].tags);
    }
    lx_free(w->order);
    lx_free(w->files);
    lx_free(w->segments);
    lx_free(w->where);
    lx_free(w->schemas);
    lx_free(w->source);
    lx_buf_free(&w->schema_string);
    json_decref(w->table);
    json_decref(w->info);
}

/* -- the newest run last ------------------------------------------------------------------- */

/* "20260131_235959" of the file's name: when its run began; "" where it has none. */
static const char *stamp_of(const char *path)
{
    const char *best = "", *slash = strrchr(path, '/');
    for (const char *at = strchr(slash != NULL ? slash : path, '_'); at != NULL;
         at = strchr(at + 1, '_'))
        if (strspn(at + 1, "0123456789") == 8 && at[9] == '_' && strspn(at + 10, "0123456789") == 6)
            best = at + 1;
    return best;
}

static int by_run(const void *a, const void *b)
{
    const struct lx_rebuild_file *x = *(struct lx_rebuild_file *const *)a;
    const struct lx_rebuild_file *y = *(struct lx_rebuild_file *const *)b;
    int order = strncmp(stamp_of(x->path), stamp_of(y->path), 15);
    return order != 0 ? order : strcmp(x->path, y->path);
}

static enum lx_status make_order(struct writing *w, struct lx_err *err)
{
    size_t most = w->report->count + 1;
    w->order = lx_calloc(most, sizeof(struct lx_rebuild_file *));
    w->files = lx_calloc(most, sizeof *w->files);
    w->segments = lx_calloc(most, sizeof *w->segments);
    w->where = lx_calloc(most, sizeof *w->where);
    w->schemas = lx_calloc(most, sizeof *w->schemas);
    if (w->order == NULL || w->files == NULL || w->segments == NULL || w->where == NULL ||
        w->schemas == NULL)
        return lx_err_memory(err);
    for (size_t i = 0; i < w->report->count; i++)
        if (lx_rebuild_lists(&w->report->files[i]))
            w->order[w->count++] = &w->report->files[i];
    qsort(w->order, w->count, sizeof(struct lx_rebuild_file *), by_run);
    return LX_OK;
}

/* -- schemas and table --------------------------------------------------------------------- */

static bool has_schema(const struct writing *w, const char *id)
{
    for (size_t i = 0; i < w->schema_count; i++)
        if (strcmp(w->schemas[i].id, id) == 0)
            return true;
    return false;
}

/* Each row schema once, as the runs came upon them. */
static enum lx_status make_schemas(struct writing *w, struct lx_err *err)
{
    struct lx_buf next = LX_BUF(64 * LX_MIB);
    enum lx_status status = LX_OK;
    const char *last = "";
    w->schema_string.max = 64 * LX_MIB;
    for (size_t i = 0; status == LX_OK && i < w->count; i++) {
        const struct lx_file_account *account = &w->order[i]->account;
        if (!has_schema(w, account->schema->id))
            w->schemas[w->schema_count++] =
                (struct lx_ledger_schema_entry){account->schema->id, account->schema_json};
        if (strcmp(last, account->schema->id) == 0)
            continue;
        last = account->schema->id;
        lx_buf_clear(&next);
        status = lx_row_schema_delta(
            account->schema, w->schema_string.len != 0 ? lx_buf_cstr(&w->schema_string) : NULL,
            &next, err);
        lx_buf_clear(&w->schema_string);
        if (status == LX_OK && lx_buf_text(&w->schema_string, lx_buf_cstr(&next)) != LX_OK)
            status = lx_err_memory(err);
    }
    lx_buf_free(&next);
    return status;
}

static int hex_of(char c)
{
    const char *digits = "0123456789ABCDEF", *found = c != 0 ? strchr(digits, c) : NULL;
    return found != NULL ? (int)(found - digits) : -1;
}

/* A name within a source: %XX decoded. */
static enum lx_status decode(struct lx_str text, char name[LX_MAX_NAME])
{
    size_t size = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int high = i + 2 < text.len ? hex_of(text.ptr[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_of(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return LX_E_FORMAT;
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (size + 1 >= LX_MAX_NAME)
            return LX_E_FORMAT;
        name[size++] = c;
    }
    name[size] = 0;
    return size > 0 ? LX_OK : LX_E_FORMAT;
}

/* shard/database.table/uuid: see lx_source_make. */
static enum lx_status make_table(struct writing *w, struct lx_err *err)
{
    const struct lx_file_account *newest = &w->order[w->count - 1]->account;
    const char *source = newest->source, *slash = strchr(source, '/');
    const char *dot = slash != NULL ? strchr(slash, '.') : NULL;
    const char *end = dot != NULL ? strchr(dot, '/') : NULL;
    char database[LX_MAX_NAME], table[LX_MAX_NAME];
    if (end == NULL ||
        decode((struct lx_str){slash + 1, (size_t)(dot - slash) - 1}, database) != LX_OK ||
        decode((struct lx_str){dot + 1, (size_t)(end - dot) - 1}, table) != LX_OK)
        return lx_err_set(err, LX_E_FORMAT, "%s: \"%s\" is no source", newest->key, source);
    struct lx_buf text = LX_BUF(LX_MAX_NAME * 4);
    if (lx_buf_printf(&text, "%.*s/" REBUILT, (int)(end - source), source) == LX_OK)
        w->source = lx_strdup(lx_buf_cstr(&text));
    lx_buf_free(&text);
    w->table = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "source", newest->source, "database",
                         database, "table", table, "time_column",
                         newest->time_column != NULL ? newest->time_column : w->o->time_column,
                         "prefix", w->o->prefix, "create", newest->create_sql);
    return w->source != NULL && w->table != NULL ? LX_OK : lx_err_memory(err);
}

/* -- files and segments -------------------------------------------------------------------- */

static enum lx_status make_file(struct writing *w, size_t i, struct lx_err *err)
{
    struct lx_rebuild_file *from = w->order[i];
    const struct lx_file_account *account = &from->account;
    struct lx_ledger_file *file = &w->files[i];
    *file = (struct lx_ledger_file){
        .path = from->path, /* borrowed, as all but stats and tags */
        .size = from->object.size,
        .rows = account->rows,
        .modified_ms = from->object.modified_ms,
        .sum = account->sum,
        .xor = account->xor
        ,
    };
    if (from->object.etag[0] != 0)
        file->etag = from->object.etag;
    memcpy(file->batch, account->batch, sizeof file->batch);
    memcpy(file->schema, account->schema->id, sizeof file->schema);
    return lx_file_account_stats(w->o->store, account, &file->stats, &file->tags, err);
}

/* All of the file, as rows of a table that is no more: compared by content, never trusted. */
static void make_segment(struct writing *w, size_t i, size_t at)
{
    const struct lx_file_account *account = &w->order[i]->account;
    struct lx_segment *segment = &w->segments[at];
    w->where[at] = (struct lx_where){.path = w->files[i].path, .rows = account->rows};
    *segment = (struct lx_segment){
        .source = w->source,
        .partition = w->partition,
        .min_block = (int64_t)i,
        .max_block = (int64_t)i,
        .from = LX_TIME_FIRST,
        .to = account->last_second + 1,
        .rows = account->rows,
        .sum = account->sum,
        .xor = account->xor
        , .where = &w->where[at], .where_count = 1,
    };
    lx_ledger_new_id(&w->o->random, segment->id);
    memcpy(segment->schema, account->schema->id, sizeof segment->schema);
}

static enum lx_status commit(struct writing *w, size_t segments, struct lx_err *err)
{
    const struct lx_change change = {
        .operation = "REBUILD",
        .info = w->info,
        .has_base = true,
        .base_version = -1,
        .add_files = w->files,
        .add_file_count = w->count,
        .add_segments = w->segments,
        .add_segment_count = segments,
        .schemas = w->schemas,
        .schema_count = w->schema_count,
        .new_schema_string = lx_buf_cstr(&w->schema_string),
        .new_table = w->table,
    };
    return lx_ledger_commit(w->o->ledger, &change, NULL, err);
}

static enum lx_status write_log(struct writing *w, struct lx_err *err)
{
    size_t segments = 0;
    LX_TRY(make_order(w, err));
    LX_TRY(make_schemas(w, err));
    LX_TRY(make_table(w, err));
    for (size_t i = 0; i < w->count; i++) {
        LX_TRY(make_file(w, i, err));
        if (w->order[i]->account.rows > 0)
            make_segment(w, i, segments++);
    }
    w->info = json_pack("{s:{s:s,s:I,s:I,s:I}}", "lynex", "by", w->o->who != NULL ? w->o->who : "",
                        "files", (json_int_t)w->count, "rows", (json_int_t)w->report->rows, "left",
                        (json_int_t)w->report->left);
    if (w->info == NULL)
        return lx_err_memory(err);
    LX_TRY(lx_ledger_probe(w->o->ledger, err));
    return commit(w, segments, err);
}

enum lx_status lx_rebuild_write(const struct lx_rebuild_options *options,
                                const struct lx_rebuild_report *report, struct lx_err *err)
{
    struct writing w = {.o = options, .report = report, .partition = REBUILT};
    enum lx_status status = write_log(&w, err);
    free_writing(&w);
    return status;
}
