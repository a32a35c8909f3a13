/* rowschema_delta.c: the row schema as Delta's schemaString (delta-io/delta PROTOCOL.md, "Schema
 * Serialization Format"), beside columns that the log has and the table has no more. */
#include "archive/rowschema_map.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "ledger/ledger_json.h"

#include <stdlib.h>

#define MAX_KNOWN (4 * LX_MAX_COLUMNS)

static enum lx_status read_fields(const char *text, json_t **root, const json_t **fields,
                                  struct lx_err *err)
{
    LX_TRY(lx_ledger_json_parse(lx_str_of(text), "the log's schemaString", root, err));
    *fields = json_object_get(*root, "fields");
    if (!json_is_array(*fields) || json_array_size(*fields) > MAX_KNOWN) {
        json_decref(*root);
        *root = NULL;
        return lx_err_set(err, LX_E_FORMAT, "the log's schemaString is not understood");
    }
    return LX_OK;
}

enum lx_status lx_delta_read_names(const char *text, json_t **out, struct lx_known_name **names,
                                   size_t *count, struct lx_err *err)
{
    json_t *root = NULL;
    const json_t *fields;
    LX_TRY(read_fields(text, &root, &fields, err));
    size_t found = 0;
    struct lx_known_name *known = lx_calloc(json_array_size(fields) + 1, sizeof *known);
    if (known == NULL) {
        json_decref(root);
        return lx_err_memory(err);
    }
    for (size_t i = 0; i < json_array_size(fields); i++) {
        const json_t *field = json_array_get(fields, i);
        const char *name = json_string_value(json_object_get(field, "name"));
        const char *own =
            json_string_value(json_object_get(json_object_get(field, "metadata"), "lynex.name"));
        if (name == NULL) {
            lx_free(known);
            json_decref(root);
            return lx_err_set(err, LX_E_FORMAT,
                              "the log's schemaString has a field without a name");
        }
        if (strcmp(name, LX_RAW_COLUMN) == 0)
            continue;
        known[found++] = (struct lx_known_name){
            .file_name = name,
            .name = own != NULL ? own : name,
            .delta_type = json_string_value(json_object_get(field, "type")),
        };
    }
    *out = root;
    *names = known;
    *count = found;
    return LX_OK;
}

static json_t *delta_field(const char *name, const char *type, const char *own, const char *ch_type)
{
    json_t *metadata = own != NULL
                           ? json_pack("{s:s,s:s}", "lynex.name", own, "lynex.type", ch_type)
                           : json_object();
    return metadata == NULL ? NULL
                            : json_pack("{s:s,s:s,s:b,s:o}", "name", name, "type", type, "nullable",
                                        1, "metadata", metadata);
}

static bool has_field(const struct lx_row_schema *schema, const char *file_name)
{
    for (size_t i = 0; i < schema->field_count; i++)
        if (strcmp(schema->fields[i].file_name, file_name) == 0)
            return true;
    return strcmp(file_name, LX_RAW_COLUMN) == 0;
}

/* A column that the log has under this name must be this one. */
static enum lx_status check_same(const struct lx_row_schema *schema, const json_t *old,
                                 struct lx_err *err)
{
    const char *name = json_string_value(json_object_get(old, "name"));
    const char *type = json_string_value(json_object_get(old, "type"));
    const char *own =
        json_string_value(json_object_get(json_object_get(old, "metadata"), "lynex.name"));
    for (size_t i = 0; name != NULL && i < schema->field_count; i++) {
        const struct lx_field *field = &schema->fields[i];
        char now[LX_DELTA_TYPE];
        if (strcmp(field->file_name, name) != 0)
            continue;
        lx_field_delta_type(field, now);
        if (type == NULL || strcmp(type, now) != 0 ||
            (own != NULL && strcmp(own, field->name) != 0))
            return lx_err_set(err, LX_E_UNSUPPORTED,
                              "the archive's column %s is of Delta type %s and "
                              "cannot become %s for %s",
                              name, type != NULL ? type : "?", now, field->name);
    }
    return LX_OK;
}

static bool append(json_t *fields, json_t *field)
{
    return field != NULL && json_array_append_new(fields, field) == 0;
}

static enum lx_status fill(const struct lx_row_schema *schema, const json_t *old, json_t *fields,
                           struct lx_err *err)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct lx_field *field = &schema->fields[i];
        char type[LX_DELTA_TYPE];
        lx_field_delta_type(field, type);
        if (!append(fields, delta_field(field->file_name, type, field->name, field->type.text)))
            return lx_err_memory(err);
    }
    for (size_t i = 0; i < json_array_size(old); i++) {
        json_t *field = json_array_get(old, i);
        const char *name = json_string_value(json_object_get(field, "name"));
        LX_TRY(check_same(schema, field, err));
        if (name != NULL && !has_field(schema, name) && json_array_append(fields, field) != 0)
            return lx_err_memory(err);
    }
    return append(fields, delta_field(LX_RAW_COLUMN, "string", NULL, NULL)) ? LX_OK
                                                                            : lx_err_memory(err);
}

enum lx_status lx_row_schema_delta(const struct lx_row_schema *schema, const char *also,
                                   struct lx_buf *text, struct lx_err *err)
{
    json_t *root = NULL, *fields = json_array();
    const json_t *old = NULL;
    enum lx_status status = fields != NULL ? LX_OK : lx_err_memory(err);
    if (status == LX_OK && also != NULL)
        status = read_fields(also, &root, &old, err);
    if (status == LX_OK)
        status = fill(schema, old, fields, err);
    json_t *all =
        status == LX_OK ? json_pack("{s:s,s:O}", "type", "struct", "fields", fields) : NULL;
    if (status == LX_OK)
        status = all != NULL ? lx_ledger_json_dump(all, text, err) : lx_err_memory(err);
    json_decref(all);
    json_decref(fields);
    json_decref(root);
    return status;
}
