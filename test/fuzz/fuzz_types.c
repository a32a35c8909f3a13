/* libFuzzer: a type as ClickHouse writes it, and the row schema of a column of that type: its SQL,
 * its JSON, its file's field, its place in the log. */
#include "archive/rowschema.h"
#include "base/limits.h"
#include "fuzz.h"

static void require_same_json(const struct lx_row_schema *schema)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_row_schema *again;
    json_t *json;
    enum lx_status status = lx_row_schema_to_json(schema, &json, &err);
    require_words(status, &err);
    if (status != LX_OK)
        return;
    require(lx_row_schema_from_json(json, &again, &err) == LX_OK, err.text);
    require(strcmp(schema->id, again->id) == 0, "another id");
    require(schema->field_count == again->field_count, "other fields");
    for (size_t i = 0; i < schema->field_count; i++) {
        require(schema->fields[i].map == again->fields[i].map, "another map");
        require(strcmp(schema->fields[i].hash_sql, again->fields[i].hash_sql) == 0, "another hash");
    }
    lx_row_schema_free(again);
    json_decref(json);
}

static void use_schema(const struct lx_row_schema *schema)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_buf text = LX_BUF(16 * LX_MIB);
    struct lx_parquet_field *fields = calloc(schema->field_count + 1, sizeof *fields);
    struct lx_to_file *to;
    struct lx_from_file *from;
    require(fields != NULL, "no memory");
    require_same_json(schema);
    require_words(lx_row_schema_parquet(schema, fields, &err), &err);
    require_words(lx_row_schema_delta(schema, NULL, &text, &err), &err);
    (void)!lx_row_schema_hash_sql(schema, &text);
    if (lx_to_file_create(schema, &to, &err) == LX_OK)
        lx_to_file_free(to);
    if (lx_from_file_create(schema, &from, &err) == LX_OK)
        lx_from_file_free(from);
    lx_buf_free(&text);
    free(fields);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_ch_type type, again;
    struct lx_str text = {(const char *)bytes, size};
    enum lx_status status = lx_ch_type_parse(text, &type, &err);
    require_words(status, &err);
    if (status != LX_OK)
        return 0;
    require(lx_ch_type_parse(lx_str_of(type.text), &again, &err) == LX_OK, err.text);
    require(type.kind == again.kind && type.width == again.width && type.nullable == again.nullable,
            "another type");
    (void)lx_ch_type_carry(&type);
    (void)lx_ch_type_hashable(&type);
    for (size_t i = 0; i < type.enum_count; i++)
        require(lx_ch_enum_name(&type, type.enums[i].value) != NULL, "a value without a name");
    lx_ch_type_free(&again);
    lx_ch_type_free(&type);

    const struct lx_source_column columns[] = {
        {LX_STR("a b"), text, LX_STR("DEFAULT"), LX_STR("now()")},
        {LX_STR("A_b"), LX_STR("Nullable(String)"), LX_STR(""), LX_STR("")}};
    struct lx_row_schema *schema;
    status = lx_row_schema_build(columns, 2, size % 2 != 0, &schema, &err);
    require_words(status, &err);
    if (status == LX_OK) {
        use_schema(schema);
        lx_row_schema_free(schema);
    }
    return 0;
}
