/* Row schemas as the log holds them: the same again, and nothing that this version does not know.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "archive/rowschema.h"

static struct lx_err err;

static json_t *make(struct lx_row_schema **schema)
{
    const struct lx_source_column columns[] = {
        {LX_STR("id"), LX_STR("UInt64"), LX_STR(""), LX_STR("")},
        {LX_STR("a b"), LX_STR("Array(String)"), LX_STR("DEFAULT"), LX_STR("['\xff']")},
        {LX_STR("at"), LX_STR("DateTime64(3, 'UTC')"), LX_STR(""), LX_STR("")}};
    json_t *json = NULL;
    assert_int_equal(lx_row_schema_build(columns, 3, false, schema, &err), LX_OK);
    assert_int_equal(lx_row_schema_to_json(*schema, &json, &err), LX_OK);
    return json;
}

static void test_again(void **state)
{
    (void)state;
    struct lx_row_schema *schema, *again;
    json_t *json = make(&schema), *remade;
    assert_int_equal(lx_row_schema_from_json(json, &again, &err), LX_OK);
    assert_string_equal(schema->id, again->id);
    assert_int_equal(lx_row_schema_to_json(again, &remade, &err), LX_OK);
    assert_true(json_equal(json, remade));
    lx_row_schema_free(schema);
    lx_row_schema_free(again);
    json_decref(json);
    json_decref(remade);
}

static void refuse(json_t *json)
{
    struct lx_row_schema *again = NULL;
    assert_int_equal(lx_row_schema_from_json(json, &again, &err), LX_E_UNSUPPORTED);
    assert_null(again);
    assert_non_null(strstr(err.text, "more than this lynex knows"));
    assert_non_null(strstr(err.hint, "update lynex"));
}

static void test_unknown_members(void **state)
{
    (void)state;
    struct lx_row_schema *schema;
    json_t *json = make(&schema);
    json_object_set_new(json, "order", json_string("id"));
    refuse(json);
    json_object_del(json, "order");
    json_object_set_new(json_array_get(json_object_get(json, "columns"), 1), "h", json_true());
    refuse(json);
    lx_row_schema_free(schema);
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_again),
        cmocka_unit_test(test_unknown_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
