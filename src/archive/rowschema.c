/* rowschema.c: building a row schema, and its JSON form. */
#include "archive/rowschema_map.h"
#include "archive/rowschema_raw.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "ledger/ledger_json.h"

#include <stdio.h>
#include <stdlib.h>

static void free_field(struct lx_field *field)
{
    lx_free(field->name);
    lx_free(field->file_name);
    lx_free(field->default_kind);
    lx_free(field->default_expression);
    lx_free(field->select_sql);
    lx_free(field->hash_sql);
    lx_free(field->unreadable_sql);
    lx_value_free(field->value);
    lx_ch_type_free(&field->sent);
    lx_ch_type_free(&field->type);
}

void lx_row_schema_free(struct lx_row_schema *schema)
{
    if (schema == NULL)
        return;
    for (size_t i = 0; i < schema->field_count; i++)
        free_field(&schema->fields[i]);
    lx_free(schema->fields);
    lx_free(schema);
}

/* -- building ------------------------------------------------------------------------------ */

static enum lx_status new_schema(size_t columns, bool micros, struct lx_row_schema **out,
                                 struct lx_err *err)
{
    struct lx_row_schema *schema = lx_calloc(1, sizeof *schema);
    if (schema == NULL)
        return lx_err_memory(err);
    schema->micros = micros;
    schema->fields = lx_calloc(columns + 1, sizeof *schema->fields);
    if (schema->fields == NULL) {
        lx_free(schema);
        return lx_err_memory(err);
    }
    *out = schema;
    return LX_OK;
}

static enum lx_status copy_text(struct lx_str text, char **copy, struct lx_err *err)
{
    *copy = lx_strndup(text.ptr != NULL ? text.ptr : "", text.len);
    return *copy != NULL ? LX_OK : lx_err_memory(err);
}

static enum lx_status check_name(struct lx_str name, struct lx_err *err)
{
    if (name.len == 0 || name.len > LX_MAX_NAME || memchr(name.ptr, 0, name.len) != NULL ||
        !lx_utf8_is_valid(name.ptr, name.len))
        return lx_err_set(err, LX_E_UNSUPPORTED,
                          "the column name %.*s is empty, too long or not "
                          "UTF-8: neither Parquet nor the log can hold it",
                          LX_STR_ARG(name));
    return LX_OK;
}

static enum lx_status add_column(struct lx_row_schema *schema,
                                 const struct lx_source_column *column, struct lx_err *err)
{
    struct lx_field *field = &schema->fields[schema->field_count];
    LX_TRY(check_name(column->name, err));
    LX_TRY(lx_ch_type_parse(column->type, &field->type, err));
    schema->field_count++;
    if (lx_ch_type_carry(&field->type) == LX_CH_CARRY_NOT) {
        lx_err_set(err, LX_E_UNSUPPORTED,
                   "the column %.*s is of type %.*s, whose values cannot be "
                   "carried out of ClickHouse",
                   LX_STR_ARG(column->name), LX_STR_ARG(column->type));
        lx_err_hint(err,
                    "nothing was archived or deleted; turn it into a column of finished values "
                    "(finalizeAggregation), or drop it");
        return LX_E_UNSUPPORTED;
    }
    LX_TRY(copy_text(column->name, &field->name, err));
    LX_TRY(copy_text(column->default_kind, &field->default_kind, err));
    LX_TRY(copy_text(column->default_expression, &field->default_expression, err));
    LX_TRY(lx_field_make_sql(field, schema->micros, err));
    return lx_field_finish(field, err);
}

static bool is_stored(const struct lx_source_column *column)
{
    return !lx_str_is(column->default_kind, "ALIAS") &&
           !lx_str_is(column->default_kind, "EPHEMERAL");
}

enum lx_status lx_row_schema_build_beside(const struct lx_source_column *columns, size_t count,
                                          bool micros, const char *also, struct lx_row_schema **out,
                                          struct lx_err *err)
{
    struct lx_row_schema *schema = NULL;
    struct lx_known_name *known = NULL;
    json_t *root = NULL, *json = NULL;
    size_t known_count = 0;
    if (count > LX_MAX_COLUMNS)
        return lx_err_set(err, LX_E_LIMIT, "the table has %zu columns, at most %d can be archived",
                          count, LX_MAX_COLUMNS);
    LX_TRY(new_schema(count, micros, &schema, err));
    enum lx_status status = LX_OK;
    for (size_t i = 0; status == LX_OK && i < count; i++)
        if (is_stored(&columns[i]))
            status = add_column(schema, &columns[i], err);
    if (status == LX_OK && schema->field_count == 0)
        status = lx_err_set(err, LX_E_UNSUPPORTED, "the table has no stored column");
    if (status == LX_OK && also != NULL)
        status = lx_delta_read_names(also, &root, &known, &known_count, err);
    if (status == LX_OK)
        status = lx_schema_name_files(schema, known, known_count, err);
    if (status == LX_OK)
        status = lx_row_schema_to_json(schema, &json, err);
    if (status == LX_OK)
        status = lx_schema_set_id(schema, json, err);
    json_decref(json);
    json_decref(root);
    lx_free(known);
    if (status != LX_OK) {
        lx_row_schema_free(schema);
        return status;
    }
    *out = schema;
    return LX_OK;
}

enum lx_status lx_row_schema_build(const struct lx_source_column *columns, size_t count,
                                   bool micros, struct lx_row_schema **schema, struct lx_err *err)
{
    return lx_row_schema_build_beside(columns, count, micros, NULL, schema, err);
}

/* -- JSON ---------------------------------------------------------------------------------- */

static bool put(json_t *object, const char *name, json_t *value)
{
    return value != NULL && json_object_set_new(object, name, value) == 0;
}

/* A default expression may hold any bytes within quotes. */
static bool put_default(json_t *object, const char *expression)
{
    struct lx_buf text = LX_BUF(LX_SCHEMA_MAX_TEXT);
    if (lx_utf8_is_valid(expression, strlen(expression)))
        return put(object, "default_expression", json_string(expression));
    bool good = lx_base64_encode(&text, lx_str_of(expression)) == LX_OK &&
                put(object, "default_expression_base64", json_stringn((char *)text.data, text.len));
    lx_buf_free(&text);
    return good;
}

static json_t *field_json(const struct lx_field *field)
{
    json_t *object = json_object();
    bool good = object != NULL && put(object, "name", json_string(field->name)) &&
                put(object, "type", json_string(field->type.text)) &&
                put(object, "file_name", json_string(field->file_name)) &&
                put(object, "as", json_string(lx_map_name(field->map))) &&
                put(object, "select", json_string(field->select_sql)) &&
                put(object, "hash", json_string(field->hash_sql)) &&
                put(object, "default_kind", json_string(field->default_kind)) &&
                put_default(object, field->default_expression) &&
                (field->unreadable_sql == NULL ||
                 put(object, "unreadable", json_string(field->unreadable_sql)));
    if (!good) {
        json_decref(object);
        return NULL;
    }
    return object;
}

enum lx_status lx_row_schema_to_json(const struct lx_row_schema *schema, json_t **out,
                                     struct lx_err *err)
{
    json_t *columns = json_array(), *root = json_object();
    bool good = columns != NULL && root != NULL;
    for (size_t i = 0; good && i < schema->field_count; i++) {
        json_t *field = field_json(&schema->fields[i]);
        good = field != NULL && json_array_append_new(columns, field) == 0;
    }
    good = good && json_object_set(root, "columns", columns) == 0 &&
           put(root, "unit", json_string(schema->micros ? "us" : "ms"));
    json_decref(columns);
    if (!good) {
        json_decref(root);
        return lx_err_set(err, LX_E_MEMORY,
                          "the row schema cannot be written down: out of memory, or "
                          "a type that is not UTF-8");
    }
    *out = root;
    return LX_OK;
}

enum lx_status lx_schema_set_id(struct lx_row_schema *schema, const json_t *json,
                                struct lx_err *err)
{
    struct lx_buf text = LX_BUF(LX_SCHEMA_MAX_TEXT), twice = LX_BUF(2 * LX_SCHEMA_MAX_TEXT);
    uint64_t first = 0;
    enum lx_status status = lx_ledger_json_dump_as(json, JSON_COMPACT | JSON_SORT_KEYS, &text, err);
    if (status == LX_OK) {
        first = lx_ch_hash_value(text.data, text.len);
        status = lx_buf_printf(&twice, "%016llx%s", (unsigned long long)first, lx_buf_cstr(&text));
    }
    if (status == LX_OK)
        snprintf(schema->id, sizeof schema->id, "%016llx%016llx", (unsigned long long)first,
                 (unsigned long long)lx_ch_hash_value(twice.data, twice.len));
    lx_buf_free(&text);
    lx_buf_free(&twice);
    if (status == LX_E_MEMORY)
        return lx_err_memory(err);
    return status == LX_OK ? LX_OK : lx_err_set(err, status, "the row schema is too large");
}

/* -- from JSON ----------------------------------------------------------------------------- */

static enum lx_status take_text(const json_t *object, const char *name, bool optional, char **text,
                                struct lx_err *err)
{
    const json_t *value = json_object_get(object, name);
    if (value == NULL && optional)
        return LX_OK;
    const char *string = json_string_value(value);
    size_t size = json_string_length(value);
    if (string == NULL || size > LX_SCHEMA_MAX_SQL || strlen(string) != size)
        return lx_err_set(err, LX_E_FORMAT,
                          "a row schema of the ledger has a column without a good "
                          "\"%s\"",
                          name);
    return copy_text((struct lx_str){string, size}, text, err);
}

static enum lx_status take_default(const json_t *object, struct lx_field *field, struct lx_err *err)
{
    char *encoded = NULL;
    struct lx_buf bytes = LX_BUF(LX_SCHEMA_MAX_SQL);
    LX_TRY(take_text(object, "default_expression_base64", true, &encoded, err));
    if (encoded == NULL)
        return take_text(object, "default_expression", false, &field->default_expression, err);
    enum lx_status status = lx_base64_decode(&bytes, lx_str_of(encoded));
    lx_free(encoded);
    if (status == LX_OK)
        status = copy_text(lx_buf_view(&bytes), &field->default_expression, err);
    else
        lx_err_set(err, status, "a row schema of the ledger has a bad default expression");
    lx_buf_free(&bytes);
    return status;
}

static enum lx_status take_field(struct lx_row_schema *schema, const json_t *object,
                                 struct lx_err *err)
{
    struct lx_field *field = &schema->fields[schema->field_count];
    char *type = NULL, *as = NULL;
    LX_TRY(take_text(object, "type", false, &type, err));
    enum lx_status status = lx_ch_type_parse(lx_str_of(type), &field->type, err);
    lx_free(type);
    LX_TRY(status);
    schema->field_count++;
    LX_TRY(take_text(object, "name", false, &field->name, err));
    LX_TRY(take_text(object, "file_name", false, &field->file_name, err));
    LX_TRY(take_text(object, "select", false, &field->select_sql, err));
    LX_TRY(take_text(object, "hash", false, &field->hash_sql, err));
    LX_TRY(take_text(object, "unreadable", true, &field->unreadable_sql, err));
    LX_TRY(take_text(object, "default_kind", false, &field->default_kind, err));
    LX_TRY(take_default(object, field, err));
    LX_TRY(take_text(object, "as", false, &as, err));
    field->map = LX_MAP_COUNT;
    for (int map = 0; map < LX_MAP_COUNT; map++)
        if (strcmp(as, lx_map_name(map)) == 0)
            field->map = map;
    bool known = field->map != LX_MAP_COUNT;
    bool fits = known && field->map == lx_map_of_type(&field->type, schema->micros);
    lx_free(as);
    if (!fits)
        return lx_err_set(
            err, known ? LX_E_FORMAT : LX_E_UNSUPPORTED,
            "the ledger says that the column %s was archived in a way that this lynex "
            "does not know",
            field->name);
    LX_TRY(check_name(lx_str_of(field->name), err));
    return lx_field_finish(field, err);
}

/* What a later version added may change what the rest means: it is not passed over. */
static enum lx_status check_members(const struct lx_row_schema *schema, const json_t *json,
                                    struct lx_err *err)
{
    json_t *made = NULL;
    LX_TRY(lx_row_schema_to_json(schema, &made, err));
    bool same = json_equal(json, made) != 0;
    json_decref(made);
    if (same)
        return LX_OK;
    lx_err_set(err, LX_E_UNSUPPORTED,
               "a row schema of the ledger holds more than this lynex knows, or in another form");
    lx_err_hint(err, "a later version wrote it: update lynex. Nothing was changed");
    return LX_E_UNSUPPORTED;
}

enum lx_status lx_row_schema_from_json(const json_t *json, struct lx_row_schema **out,
                                       struct lx_err *err)
{
    const json_t *columns = json_object_get(json, "columns");
    const char *unit = json_string_value(json_object_get(json, "unit"));
    struct lx_row_schema *schema = NULL;
    size_t count = json_array_size(columns);
    if (count == 0 || count > LX_MAX_COLUMNS || unit == NULL ||
        (strcmp(unit, "ms") != 0 && strcmp(unit, "us") != 0))
        return lx_err_set(err, LX_E_FORMAT, "a row schema of the ledger is no row schema");
    LX_TRY(new_schema(count, strcmp(unit, "us") == 0, &schema, err));
    enum lx_status status = LX_OK;
    for (size_t i = 0; status == LX_OK && i < count; i++)
        status = take_field(schema, json_array_get(columns, i), err);
    if (status == LX_OK)
        status = check_members(schema, json, err);
    if (status == LX_OK)
        status = lx_schema_set_id(schema, json, err);
    if (status != LX_OK) {
        lx_row_schema_free(schema);
        return status;
    }
    *out = schema;
    return LX_OK;
}

enum lx_status lx_row_schema_hash_sql(const struct lx_row_schema *schema, struct lx_buf *sql)
{
    LX_TRY(lx_buf_text(sql, "xxh3(tuple("));
    for (size_t i = 0; i < schema->field_count; i++)
        LX_TRY(lx_buf_printf(sql, "%s%s", i > 0 ? ", " : "", schema->fields[i].hash_sql));
    return lx_buf_text(sql, "))");
}
