/* libFuzzer: a row schema as the log holds it, in JSON; and, behind a zero byte, a schemaString of
 * the log beside which it stands. */
#include "archive/rowschema.h"
#include "base/limits.h"
#include "fuzz.h"

static void beside(const char *also)
{
    static const struct lx_source_column columns[] = {
        {LX_STR("id"), LX_STR("UInt64"), LX_STR(""), LX_STR("")},
        {LX_STR("ID"), LX_STR("String"), LX_STR(""), LX_STR("")},
        {LX_STR("t"), LX_STR("DateTime"), LX_STR(""), LX_STR("")}};
    struct lx_err err = LX_ERR_INIT;
    struct lx_row_schema *schema;
    struct lx_buf text = LX_BUF(64 * LX_MIB);
    enum lx_status status = lx_row_schema_build_beside(columns, 3, false, also, &schema, &err);
    require_words(status, &err);
    if (status != LX_OK)
        return;
    /* What stands beside a log's schema is taken by it, and then nothing changes any more. */
    status = lx_row_schema_delta(schema, also, &text, &err);
    require(status == LX_OK, err.text);
    struct lx_buf again = LX_BUF(64 * LX_MIB);
    require(lx_row_schema_delta(schema, lx_buf_cstr(&text), &again, &err) == LX_OK, err.text);
    require(lx_str_equal(lx_buf_view(&text), lx_buf_view(&again)), "another schemaString");
    lx_buf_free(&text);
    lx_buf_free(&again);
    lx_row_schema_free(schema);
}

static void from_json(struct lx_str text)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_row_schema *schema, *again;
    json_t *json = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL), *made;
    if (json == NULL)
        return;
    enum lx_status status = lx_row_schema_from_json(json, &schema, &err);
    require_words(status, &err);
    if (status == LX_OK) {
        require(lx_row_schema_to_json(schema, &made, &err) == LX_OK, err.text);
        require(lx_row_schema_from_json(made, &again, &err) == LX_OK, err.text);
        require(strcmp(schema->id, again->id) == 0, "another id");
        lx_row_schema_free(again);
        json_decref(made);
        struct lx_from_file *from;
        if (lx_from_file_create(schema, &from, &err) == LX_OK)
            lx_from_file_free(from);
        lx_row_schema_free(schema);
    }
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const uint8_t *end = memchr(bytes, 0, size);
    size_t first = end != NULL ? (size_t)(end - bytes) : size;
    from_json((struct lx_str){(const char *)bytes, first});
    if (end != NULL) {
        size_t rest = size - first - 1;
        char *also = malloc(rest + 1);
        require(also != NULL, "no memory");
        memcpy(also, end + 1, rest);
        also[rest] = 0;
        beside(also);
        free(also);
    }
    return 0;
}
