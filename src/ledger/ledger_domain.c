#include "ledger/ledger_domain.h"

#include "base/alloc.h"
#include "ledger/ledger_json.h"
#include "ledger/ledger_names.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* -- reading ------------------------------------------------------------------------------- */

static enum lx_status copy_text(const char *text, char **copy, struct lx_err *err)
{
    *copy = lx_strdup(text);
    return *copy != NULL ? LX_OK : lx_err_memory(err);
}

static enum lx_status malformed(const char *where, const char *what, struct lx_err *err)
{
    return lx_err_set(err, LX_E_FORMAT, "%s: %s", where, what);
}

static enum lx_status parse_blocks(const json_t *json, const char *where,
                                   struct lx_segment *segment, struct lx_err *err)
{
    const json_t *blocks;
    LX_TRY(lx_ledger_json_array_or(json, where, "blocks", &blocks, err));
    const json_t *min = json_array_get(blocks, 0), *max = json_array_get(blocks, 1);
    if (json_array_size(blocks) != 2 || !json_is_integer(min) || !json_is_integer(max) ||
        json_integer_value(min) > json_integer_value(max))
        return malformed(where, "\"blocks\" is not [min,max]", err);
    segment->min_block = json_integer_value(min);
    segment->max_block = json_integer_value(max);
    return LX_OK;
}

static enum lx_status parse_where(const json_t *json, const char *where, struct lx_segment *segment,
                                  struct lx_err *err)
{
    const json_t *list;
    LX_TRY(lx_ledger_json_array_or(json, where, "where", &list, err));
    size_t count = json_array_size(list);
    if (count > LX_LEDGER_MAX_WHERE)
        return lx_err_set(err, LX_E_LIMIT, "%s: rows at %zu places, more than %d", where, count,
                          LX_LEDGER_MAX_WHERE);
    segment->where = lx_calloc(count, sizeof *segment->where);
    if (segment->where == NULL)
        return lx_err_memory(err);
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(list, i);
        struct lx_where *at = &segment->where[i];
        const char *path;
        int64_t end;
        if (!json_is_object(item))
            return malformed(where, "\"where\" holds more than objects", err);
        LX_TRY(lx_ledger_json_text(item, where, "path", &path, err));
        LX_TRY(lx_ledger_json_int(item, where, "first", &at->first_row, err));
        LX_TRY(lx_ledger_json_int(item, where, "rows", &at->rows, err));
        LX_TRY(lx_ledger_json_bool_or(item, where, "hashes", false, &at->hashes, err));
        if (path[0] == 0 || at->first_row < 0 || at->rows < 0 ||
            __builtin_add_overflow(at->first_row, at->rows, &end))
            return malformed(where, "\"where\" names no rows of a file", err);
        LX_TRY(copy_text(path, &at->path, err));
        segment->where_count = i + 1;
    }
    return LX_OK;
}

static enum lx_status parse_ids(const json_t *json, const char *where, struct lx_segment *segment,
                                struct lx_err *err)
{
    const char *id, *schema;
    LX_TRY(lx_ledger_json_text(json, where, "id", &id, err));
    LX_TRY(lx_ledger_json_text(json, where, "schema", &schema, err));
    if (!lx_ledger_id_ok(id))
        return malformed(where, "\"id\" is not 32 hexadecimal characters", err);
    if (!lx_ledger_schema_id_ok(schema))
        return malformed(where, "\"schema\" is not the id of a schema", err);
    memcpy(segment->id, id, strlen(id) + 1);
    memcpy(segment->schema, schema, strlen(schema) + 1);
    return LX_OK;
}

/* Where the segment was read from: HOT domains say the partition in their name. */
static enum lx_status parse_place(const struct lx_domain *domain, const json_t *json,
                                  const char *where, struct lx_segment *segment, struct lx_err *err)
{
    const char *host;
    LX_TRY(lx_ledger_json_text_or(json, where, "host", "", &host, err));
    LX_TRY(copy_text(host, &segment->host, err));
    LX_TRY(copy_text(domain->source, &segment->source, err));
    if (domain->kind == LX_DOMAIN_HOT)
        return copy_text(domain->partition, &segment->partition, err);
    const char *encoded;
    LX_TRY(lx_ledger_json_text(json, where, "partition", &encoded, err));
    LX_TRY(lx_ledger_json_int(json, where, "ended_at", &segment->ended_at, err));
    if (segment->ended_at <= 0)
        return malformed(where, "\"ended_at\" is no time", err);
    struct lx_buf partition = LX_BUF(LX_LEDGER_MAX_NAME);
    enum lx_status status = lx_ledger_decode_name(&partition, lx_str_of(encoded));
    if (status == LX_OK)
        segment->partition = (char *)lx_buf_take(&partition, NULL);
    lx_buf_free(&partition);
    if (status == LX_E_MEMORY)
        return lx_err_memory(err);
    return status == LX_OK ? LX_OK : malformed(where, "\"partition\" is not encoded", err);
}

/* `segment` comes zeroed; what it owns after a failure is freed with its domain. */
static enum lx_status parse_segment(const struct lx_domain *domain, const json_t *json,
                                    const char *where, struct lx_segment *segment,
                                    struct lx_err *err)
{
    if (!json_is_object(json))
        return malformed(where, "not an object", err);
    LX_TRY(parse_ids(json, where, segment, err));
    LX_TRY(parse_blocks(json, where, segment, err));
    LX_TRY(lx_ledger_json_int_or(json, where, "from", LX_TIME_FIRST, &segment->from, err));
    LX_TRY(lx_ledger_json_int_or(json, where, "to", LX_TIME_LAST, &segment->to, err));
    LX_TRY(lx_ledger_json_int(json, where, "rows", &segment->rows, err));
    LX_TRY(lx_ledger_json_u64(json, where, "sum", &segment->sum, err));
    LX_TRY(lx_ledger_json_u64(json, where, "xor", &segment->xor, err));
    if (segment->from >= segment->to)
        return malformed(where, "\"from\" is not before \"to\"", err);
    if (segment->rows < 0)
        return malformed(where, "\"rows\" is negative", err);
    LX_TRY(parse_where(json, where, segment, err));
    return parse_place(domain, json, where, segment, err);
}

static int compare_segments(const void *a, const void *b)
{
    return lx_segment_compare(a, b);
}

static enum lx_status parse_segments(struct lx_domain *domain, const char *configuration,
                                     struct lx_err *err)
{
    json_t *json;
    const json_t *list;
    int64_t format;
    LX_TRY(lx_ledger_json_parse(lx_str_of(configuration), domain->name, &json, err));
    enum lx_status status;
    LX_TRY_GOTO(lx_ledger_json_int(json, domain->name, "format", &format, err), done);
    if (format != LX_LEDGER_DOMAIN_FORMAT) {
        status = lx_err_set(err, LX_E_UNSUPPORTED,
                            "%s has format %" JSON_INTEGER_FORMAT ", this lynex knows %d",
                            domain->name, (json_int_t)format, LX_LEDGER_DOMAIN_FORMAT);
        lx_err_hint(err, "A newer lynex writes this archive: use that version here, too.");
        goto done;
    }
    LX_TRY_GOTO(lx_ledger_json_array_or(json, domain->name, "segments", &list, err), done);
    size_t count = json_array_size(list);
    if (count > LX_LEDGER_MAX_SEGMENTS) {
        status = lx_err_set(err, LX_E_LIMIT, "%s: %zu segments, more than %d", domain->name, count,
                            LX_LEDGER_MAX_SEGMENTS);
        goto done;
    }
    domain->segments = lx_calloc(count, sizeof *domain->segments);
    if (domain->segments == NULL) {
        status = lx_err_memory(err);
        goto done;
    }
    for (size_t i = 0; i < count; i++) {
        char where[160];
        snprintf(where, sizeof where, "%.100s, segment %zu", domain->name, i);
        domain->segment_count = i + 1;
        LX_TRY_GOTO(
            parse_segment(domain, json_array_get(list, i), where, &domain->segments[i], err), done);
    }
    qsort(domain->segments, count, sizeof *domain->segments, compare_segments);
done:
    json_decref(json);
    return status;
}

static enum lx_status decode_part(struct lx_str text, const char *name, char **part,
                                  struct lx_err *err)
{
    struct lx_buf out = LX_BUF(LX_LEDGER_MAX_NAME);
    enum lx_status status = lx_ledger_decode_name(&out, text);
    if (status == LX_OK)
        *part = (char *)lx_buf_take(&out, NULL);
    lx_buf_free(&out);
    if (status == LX_E_MEMORY)
        return lx_err_memory(err);
    return status == LX_OK ? LX_OK
                           : lx_err_set(err, LX_E_FORMAT, "domain \"%s\": malformed name", name);
}

/* Fills kind, source, partition, schema_id from the name. */
static enum lx_status parse_name(struct lx_domain *domain, struct lx_err *err)
{
    struct lx_str name = lx_str_of(domain->name), rest;
    const struct lx_str hot = LX_STR("lynex.hot."), ended = LX_STR("lynex.ended."),
                        schema = LX_STR("lynex.schema.");
    if (lx_str_starts(name, hot)) {
        domain->kind = LX_DOMAIN_HOT;
        rest = (struct lx_str){name.ptr + hot.len, name.len - hot.len};
        const char *dot = memchr(rest.ptr, '.', rest.len);
        if (dot == NULL)
            return lx_err_set(err, LX_E_FORMAT, "domain \"%s\": malformed name", domain->name);
        size_t split = (size_t)(dot - rest.ptr);
        struct lx_str partition = {dot + 1, rest.len - split - 1};
        LX_TRY(decode_part((struct lx_str){rest.ptr, split}, domain->name, &domain->source, err));
        return decode_part(partition, domain->name, &domain->partition, err);
    }
    if (lx_str_starts(name, ended)) {
        domain->kind = LX_DOMAIN_ENDED;
        rest = (struct lx_str){name.ptr + ended.len, name.len - ended.len};
        return decode_part(rest, domain->name, &domain->source, err);
    }
    if (lx_str_starts(name, schema)) {
        domain->kind = LX_DOMAIN_SCHEMA;
        const char *id = name.ptr + schema.len;
        if (!lx_ledger_schema_id_ok(id))
            return lx_err_set(err, LX_E_FORMAT, "domain \"%s\": malformed name", domain->name);
        memcpy(domain->schema_id, id, strlen(id) + 1);
        return LX_OK;
    }
    domain->kind = lx_str_is(name, "lynex.table") ? LX_DOMAIN_TABLE : LX_DOMAIN_OTHER;
    return LX_OK;
}

static enum lx_status parse_content(struct lx_domain *domain, const char *configuration,
                                    struct lx_err *err)
{
    switch (domain->kind) {
    case LX_DOMAIN_HOT:
    case LX_DOMAIN_ENDED: return parse_segments(domain, configuration, err);
    case LX_DOMAIN_SCHEMA:
    case LX_DOMAIN_TABLE:
        LX_TRY(lx_ledger_json_parse(lx_str_of(configuration), domain->name, &domain->json, err));
        break;
    case LX_DOMAIN_OTHER: break;
    }
    return copy_text(configuration, &domain->configuration, err);
}

enum lx_status lx_domain_parse(const char *name, const char *configuration, bool removed,
                               struct lx_domain **domain, struct lx_err *err)
{
    enum lx_status status;
    if (strlen(name) > LX_LEDGER_MAX_NAME * 4)
        return lx_err_set(err, LX_E_LIMIT, "a domain's name of %zu bytes", strlen(name));
    struct lx_domain *made = lx_calloc(1, sizeof *made);
    if (made == NULL)
        return lx_err_memory(err);
    made->removed = removed;
    LX_TRY_GOTO(copy_text(name, &made->name, err), failed);
    LX_TRY_GOTO(parse_name(made, err), failed);
    if (!removed)
        LX_TRY_GOTO(parse_content(made, configuration, err), failed);
    *domain = made;
    return LX_OK;
failed:
    lx_domain_free(made);
    return status;
}

void lx_domain_free(struct lx_domain *domain)
{
    if (domain == NULL)
        return;
    for (size_t i = 0; i < domain->segment_count; i++)
        lx_segment_free(&domain->segments[i]);
    lx_free(domain->segments);
    lx_free(domain->name);
    lx_free(domain->configuration);
    lx_free(domain->source);
    lx_free(domain->partition);
    json_decref(domain->json);
    lx_free(domain);
}

/* -- writing ------------------------------------------------------------------------------- */

static json_t *write_where(const struct lx_segment *segment)
{
    json_t *list = json_array();
    bool ok = list != NULL;
    for (size_t i = 0; ok && i < segment->where_count; i++) {
        const struct lx_where *at = &segment->where[i];
        json_t *item = json_object();
        ok = item != NULL && lx_ledger_json_put(item, "path", json_string(at->path)) &&
             lx_ledger_json_put(item, "first", json_integer(at->first_row)) &&
             lx_ledger_json_put(item, "rows", json_integer(at->rows)) &&
             (!at->hashes || lx_ledger_json_put(item, "hashes", json_true()));
        if (ok)
            ok = json_array_append_new(list, item) == 0;
        else
            json_decref(item);
    }
    if (!ok) {
        json_decref(list);
        list = NULL;
    }
    return list;
}

static json_t *write_blocks(const struct lx_segment *segment)
{
    return json_pack("[I,I]", (json_int_t)segment->min_block, (json_int_t)segment->max_block);
}

static bool write_ended(json_t *json, const struct lx_segment_ref *ref)
{
    int64_t ended_at = ref->ended_at > 0 ? ref->ended_at : ref->segment->ended_at;
    struct lx_buf partition = LX_BUF(LX_LEDGER_MAX_NAME * 3);
    bool ok = lx_ledger_encode_name(&partition, lx_str_of(ref->segment->partition)) == LX_OK &&
              lx_ledger_json_put(json, "partition", json_string(lx_buf_cstr(&partition))) &&
              lx_ledger_json_put(json, "ended_at", json_integer(ended_at));
    lx_buf_free(&partition);
    return ok;
}

/* NULL where memory ran out, or a text is not UTF-8. */
static json_t *write_segment(enum lx_domain_kind kind, const struct lx_segment_ref *ref)
{
    const struct lx_segment *segment = ref->segment;
    const char *host = segment->host != NULL ? segment->host : "";
    json_t *json = json_object();
    bool ok = json != NULL && lx_ledger_json_put(json, "id", json_string(segment->id)) &&
              (kind != LX_DOMAIN_ENDED || write_ended(json, ref)) &&
              lx_ledger_json_put(json, "blocks", write_blocks(segment)) &&
              (segment->from == LX_TIME_FIRST ||
               lx_ledger_json_put(json, "from", json_integer(segment->from))) &&
              (segment->to == LX_TIME_LAST ||
               lx_ledger_json_put(json, "to", json_integer(segment->to))) &&
              lx_ledger_json_put(json, "rows", json_integer(segment->rows)) &&
              lx_ledger_json_put_u64(json, "sum", segment->sum) &&
              lx_ledger_json_put_u64(json, "xor", segment->xor) &&
              lx_ledger_json_put(json, "schema", json_string(segment->schema)) &&
              (host[0] == 0 || lx_ledger_json_put(json, "host", json_string(host))) &&
              lx_ledger_json_put(json, "where", write_where(segment));
    if (!ok) {
        json_decref(json);
        json = NULL;
    }
    return json;
}

enum lx_status lx_domain_write_segments(enum lx_domain_kind kind, const struct lx_segment_ref *refs,
                                        size_t count, struct lx_buf *text, struct lx_err *err)
{
    assert(kind == LX_DOMAIN_HOT || kind == LX_DOMAIN_ENDED);
    if (count > LX_LEDGER_MAX_SEGMENTS)
        return lx_err_set(err, LX_E_LIMIT, "%zu segments in one partition, more than %d", count,
                          LX_LEDGER_MAX_SEGMENTS);
    enum lx_status status = LX_E_MEMORY;
    json_t *json = json_object(), *list = json_array();
    bool ok = json != NULL && list != NULL &&
              lx_ledger_json_put(json, "format", json_integer(LX_LEDGER_DOMAIN_FORMAT));
    for (size_t i = 0; ok && i < count; i++)
        ok = json_array_append_new(list, write_segment(kind, &refs[i])) == 0;
    ok = ok && json_object_set(json, "segments", list) == 0;
    if (ok)
        status = lx_ledger_json_dump(json, text, err);
    else
        lx_err_memory(err);
    json_decref(list);
    json_decref(json);
    return status;
}
