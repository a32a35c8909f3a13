/* What a column is asked for with: its SELECT, its hash, and what its text does not bring back. */
#include "faults.h"

#include "archive/rowschema.h"

#include <stdlib.h>

static struct lx_err err;

static struct lx_row_schema *build(const char *type)
{
    struct lx_row_schema *schema = NULL;
    const struct lx_source_column column = {LX_STR("c"), lx_str_of(type), LX_STR(""), LX_STR("")};
    if (lx_row_schema_build(&column, 1, false, &schema, &err) != LX_OK)
        fail_msg("%s: %s", type, err.text);
    return schema;
}

#define OUT_OF_FLOAT64(x)                                                                          \
    "isNaN(" x ") AND bitAnd(reinterpretAsUInt64(" x                                               \
    "), 9223372036854775807) != 9221120237041090560"
#define OUT_OF_TIME3(x) "reinterpretAsInt64(" x ") NOT BETWEEN -62167219200000 AND 253402300799999"

/* NULL: the column alone; `unreadable` NULL: every value comes back. */
static const struct {
    const char *type, *select, *hash, *unreadable;
} cases[] = {
    {"UInt8", NULL, NULL, NULL},
    {"Nullable(DateTime64(3))", NULL, NULL, NULL},
    {"Array(UInt8)", "toJSONString(`c`)", NULL, NULL},
    {"Map(String, Array(UUID))", "toJSONString(`c`)", NULL, NULL},
    {"Point", "toJSONString(`c`)", NULL,
     "(" OUT_OF_FLOAT64("tupleElement(`c`, 1)") ") OR (" OUT_OF_FLOAT64(
         "tupleElement(`c`, 2)") ")"},
    /* Times in UTC, wherever they stand; names that look like types stay. */
    {"Array(DateTime)", "toJSONString(CAST(`c` AS Array(DateTime('UTC'))))", NULL, NULL},
    {"Array(DateTime('Asia/Tokyo'))", "toJSONString(CAST(`c` AS Array(DateTime('UTC'))))", NULL,
     NULL},
    {"Map(DateTime32, Nullable(DateTime64(3, 'Europe/Berlin')))",
     "toJSONString(CAST(`c` AS Map(DateTime32('UTC'), Nullable(DateTime64(3, 'UTC')))))", NULL,
     "(arrayExists(x1 -> (ifNull(" OUT_OF_TIME3("x1") ", 0)), mapValues(`c`)))"},
    {"Tuple(DateTime UInt8, `DateTime64` Array(DateTime))",
     "toJSONString(CAST(`c` AS Tuple(DateTime UInt8, `DateTime64` Array(DateTime('UTC')))))", NULL,
     NULL},
    {"Array(Enum8('DateTime' = 1, 'it\\'s' = 2))", "toJSONString(`c`)", NULL, NULL},
    {"Array(DateTime64(9))", "toJSONString(CAST(`c` AS Array(DateTime64(9, 'UTC'))))", NULL, NULL},
    /* What has no text that comes back. */
    {"Array(Float32)", "toJSONString(`c`)", NULL,
     "arrayExists(x1 -> (isNaN(x1) AND bitAnd(reinterpretAsUInt32(x1), 2147483647) != 2143289344), "
     "`c`)"},
    {"Array(Array(Nullable(Float64)))", "toJSONString(`c`)", NULL,
     "arrayExists(x1 -> (arrayExists(x2 -> (ifNull(" OUT_OF_FLOAT64("x2") ", 0)), x1)), `c`)"},
    {"Array(Bool)", "toJSONString(`c`)", NULL, "arrayExists(x1 -> (toUInt8(x1) > 1), `c`)"},
    {"Tuple(UInt8, Date32)", "toJSONString(`c`)", NULL,
     "(toInt32(tupleElement(`c`, 2)) NOT BETWEEN -25567 AND 120529)"},
    {"Array(DateTime64(8))", "toJSONString(CAST(`c` AS Array(DateTime64(8, 'UTC'))))", NULL,
     "arrayExists(x1 -> (reinterpretAsInt64(x1) NOT BETWEEN -6216721920000000000 AND "
     "9223372036854775807), `c`)"},
    {"Map(Float32, Bool)", "toJSONString(`c`)", NULL,
     "(arrayExists(x1 -> (isNaN(x1) AND bitAnd(reinterpretAsUInt32(x1), 2147483647) != "
     "2143289344), mapKeys(`c`))) OR (arrayExists(x1 -> (toUInt8(x1) > 1), mapValues(`c`)))"},
    /* Hashed as text: types that are not known must come back by a CAST. */
    {"Dynamic", "CAST(toJSONString(`c`) AS Nullable(String))",
     "CAST(toJSONString(`c`) AS Nullable(String))", NULL},
    {"JSON", "toJSONString(`c`)", "toJSONString(`c`)", NULL},
    {"Nullable(Time)", "CAST(toJSONString(`c`) AS Nullable(String))",
     "if(ifNull(xxh3(CAST(CAST(`c` AS String) AS Nullable(Time))) != xxh3(`c`), 0), NULL, "
     "CAST(toJSONString(`c`) AS Nullable(String)))",
     "ifNull(xxh3(CAST(CAST(`c` AS String) AS Nullable(Time))) != xxh3(`c`), 0)"},
    {"Map(Tuple(UInt8, UInt8), String)", "toJSONString(`c`)",
     "if((arrayExists(x1 -> (xxh3(CAST(CAST(x1 AS String) AS Tuple(UInt8, UInt8))) != xxh3(x1)), "
     "mapKeys(`c`))), NULL, toJSONString(`c`))",
     "(arrayExists(x1 -> (xxh3(CAST(CAST(x1 AS String) AS Tuple(UInt8, UInt8))) != xxh3(x1)), "
     "mapKeys(`c`)))"},
};

static void test_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lx_row_schema *schema = build(cases[i].type);
        const struct lx_field *field = &schema->fields[0];
        assert_string_equal(field->select_sql, cases[i].select != NULL ? cases[i].select : "`c`");
        assert_string_equal(field->hash_sql, cases[i].hash != NULL ? cases[i].hash : "`c`");
        if (cases[i].unreadable == NULL && field->unreadable_sql != NULL)
            fail_msg("%s: %s", cases[i].type, field->unreadable_sql);
        if (cases[i].unreadable != NULL) {
            assert_non_null(field->unreadable_sql);
            assert_string_equal(field->unreadable_sql, cases[i].unreadable);
        }
        lx_row_schema_free(schema);
    }
}

/* Expressions have an end, wherever it is reached. */
static void test_too_large(void **state)
{
    (void)state;
    static const char *const around[][2] = {{"Tuple(", ")"},
                                            {"Array(Tuple(", "))"},
                                            {"Map(String, Tuple(", "))"},
                                            {"Tuple(UInt8, Tuple(", "))"},
                                            {"Array(Array(Tuple(", ")))"}};
    enum { ELEMENTS = 9000 };
    for (size_t i = 0; i < sizeof around / sizeof *around; i++) {
        struct lx_buf type = LX_BUF(LX_MIB);
        struct lx_row_schema *schema = NULL;
        assert_int_equal(lx_buf_text(&type, around[i][0]), LX_OK);
        for (int k = 0; k < ELEMENTS; k++)
            assert_int_equal(lx_buf_text(&type, k == 0 ? "Float64" : ", Float64"), LX_OK);
        assert_int_equal(lx_buf_text(&type, around[i][1]), LX_OK);
        const struct lx_source_column column = {LX_STR("wide"), lx_buf_view(&type), LX_STR(""),
                                                LX_STR("")};
        size_t used = lx_alloc_used();
        assert_int_equal(lx_row_schema_build(&column, 1, false, &schema, &err), LX_E_UNSUPPORTED);
        assert_says(err.text, "column wide: its type is too large: ");
        assert_int_equal(lx_alloc_used(), used);
        lx_buf_free(&type);
    }
}

/* -- building ------------------------------------------------------------------------------ */

static void test_refused_columns(void **state)
{
    (void)state;
    char long_name[1026];
    memset(long_name, 'n', sizeof long_name);
    const struct {
        struct lx_source_column column;
        enum lx_status status;
        const char *text;
    } refused[] = {
        {{LX_STR(""), LX_STR("UInt8"), LX_STR(""), LX_STR("")},
         LX_E_UNSUPPORTED,
         "the column name  is empty"},
        {{{long_name, 1025}, LX_STR("UInt8"), LX_STR(""), LX_STR("")},
         LX_E_UNSUPPORTED,
         "the column name nnn"},
        {{LX_STR("a\0b"), LX_STR("UInt8"), LX_STR(""), LX_STR("")},
         LX_E_UNSUPPORTED,
         "is empty, too long"},
        {{LX_STR("\xff"), LX_STR("UInt8"), LX_STR(""), LX_STR("")}, LX_E_UNSUPPORTED, "not UTF-8"},
        {{LX_STR("s"), LX_STR("AggregateFunction(sum, UInt8)"), LX_STR(""), LX_STR("")},
         LX_E_UNSUPPORTED,
         "the column s is of type AggregateFunction(sum, UInt8), whose values cannot be carried"},
        {{LX_STR("a"), LX_STR("UInt8"), LX_STR("ALIAS"), LX_STR("1")},
         LX_E_UNSUPPORTED,
         "the table has no stored column"},
        {{LX_STR("a"), LX_STR("Array(("), LX_STR(""), LX_STR("")}, LX_E_FORMAT, ""},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct lx_row_schema *schema = NULL;
        assert_int_equal(lx_row_schema_build(&refused[i].column, 1, false, &schema, &err),
                         refused[i].status);
        assert_says(err.text, refused[i].text);
        assert_null(schema);
    }
    struct lx_row_schema *schema;
    struct lx_source_column *many = calloc(4097, sizeof *many);
    assert_int_equal(lx_row_schema_build(many, 4097, false, &schema, &err), LX_E_LIMIT);
    assert_string_equal(err.text, "the table has 4097 columns, at most 4096 can be archived");
    free(many);
}

#define TEXT(text)                                                                                 \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }
static const struct lx_source_column all[] = {
    {TEXT("id"), TEXT("UInt64"), TEXT(""), TEXT("")},
    {TEXT("odd \"name\""), TEXT("String"), TEXT("DEFAULT"), TEXT("'\xff'")},
    {TEXT("at"), TEXT("DateTime64(3, 'UTC')"), TEXT("MATERIALIZED"), TEXT("now64()")},
    {TEXT("e"), TEXT("Enum8('a' = 1, 'b' = 2)"), TEXT(""), TEXT("")},
    {TEXT("m"), TEXT("Map(Float32, Array(DateTime))"), TEXT(""), TEXT("")},
    {TEXT("t"), TEXT("Tuple(Float64, Nullable(Time))"), TEXT(""), TEXT("")},
    {TEXT("p"), TEXT("Nested(a Bool, b Point)"), TEXT(""), TEXT("")},
    {TEXT("k"), TEXT("Map(Tuple(UInt8, UInt8), String)"), TEXT(""), TEXT("")},
    {TEXT("v"), TEXT("Nullable(Time)"), TEXT(""), TEXT("")},
    {TEXT("x"), TEXT("UInt8"), TEXT("ALIAS"), TEXT("1")},
};

static enum lx_status build_all(struct lx_err *said)
{
    struct lx_row_schema *schema = NULL;
    LX_TRY(lx_row_schema_build(all, sizeof all / sizeof *all, true, &schema, said));
    assert_int_equal(schema->field_count, 9);
    lx_row_schema_free(schema);
    return LX_OK;
}

static json_t *written;
static char written_id[LX_SCHEMA_ID];

static enum lx_status read_all(struct lx_err *said)
{
    struct lx_row_schema *schema = NULL;
    LX_TRY(lx_row_schema_from_json(written, &schema, said));
    assert_string_equal(schema->id, written_id);
    lx_row_schema_free(schema);
    return LX_OK;
}

static void test_memory(void **state)
{
    (void)state;
    struct lx_row_schema *schema;
    assert_in_range(fail_each(build_all), 150, 1000);
    assert_int_equal(lx_row_schema_build(all, sizeof all / sizeof *all, true, &schema, &err),
                     LX_OK);
    assert_int_equal(lx_row_schema_to_json(schema, &written, &err), LX_OK);
    memcpy(written_id, schema->id, sizeof written_id);
    lx_row_schema_free(schema);
    assert_in_range(fail_each(read_all), 100, 1000);
    json_decref(written);
}

/* -- from the ledger ----------------------------------------------------------------------- */

static void test_damaged(void **state)
{
    (void)state;
    static const struct {
        const char *member, *value; /* value NULL: taken away */
        enum lx_status status;
        const char *text;
    } damages[] = {
        {"name", NULL, LX_E_FORMAT, "a column without a good \"name\""},
        {"type", NULL, LX_E_FORMAT, "a column without a good \"type\""},
        {"type", "Array((", LX_E_FORMAT, ""},
        {"file_name", NULL, LX_E_FORMAT, "a column without a good \"file_name\""},
        {"select", NULL, LX_E_FORMAT, "a column without a good \"select\""},
        {"hash", NULL, LX_E_FORMAT, "a column without a good \"hash\""},
        {"default_kind", NULL, LX_E_FORMAT, "a column without a good \"default_kind\""},
        {"default_expression", NULL, LX_E_FORMAT, "a column without a good \"default_expression\""},
        {"default_expression_base64", "***", LX_E_FORMAT, "a bad default expression"},
        {"default_expression_base64", "YQ==", LX_E_UNSUPPORTED, "more than this lynex knows"},
        {"as", NULL, LX_E_FORMAT, "a column without a good \"as\""},
        {"as", "text", LX_E_FORMAT, "the column c was archived in a way"},
        {"as", "novel", LX_E_UNSUPPORTED, "the column c was archived in a way"},
        {"name", "", LX_E_UNSUPPORTED, "the column name  is empty"},
        {"type", "Array(Dynamic)", LX_E_FORMAT, "values of Array(Dynamic) cannot be hashed"},
    };
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        struct lx_row_schema *schema = build("Array(UInt8)"), *again = NULL;
        json_t *json = NULL;
        assert_int_equal(lx_row_schema_to_json(schema, &json, &err), LX_OK);
        json_t *column = json_array_get(json_object_get(json, "columns"), 0);
        if (damages[i].value == NULL)
            json_object_del(column, damages[i].member);
        else
            json_object_set_new(column, damages[i].member, json_string(damages[i].value));
        enum lx_status status = lx_row_schema_from_json(json, &again, &err);
        if (status != damages[i].status)
            fail_msg("%s %s: %s", damages[i].member, lx_status_name(status), err.text);
        assert_says(err.text, damages[i].text);
        assert_null(again);
        json_decref(json);
        lx_row_schema_free(schema);
    }
}

static void test_no_schema(void **state)
{
    (void)state;
    static const char *const texts[] = {"{}", "{\"columns\":[],\"unit\":\"ms\"}",
                                        "{\"columns\":[{}]}", "{\"columns\":[{}],\"unit\":\"s\"}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct lx_row_schema *schema = NULL;
        json_t *json = json_loads(texts[i], 0, NULL);
        assert_int_equal(lx_row_schema_from_json(json, &schema, &err), LX_E_FORMAT);
        assert_string_equal(err.text, "a row schema of the ledger is no row schema");
        json_decref(json);
    }
}

int main(void)
{
    json_set_alloc_funcs(lx_malloc, lx_free); /* jansson's fail as well */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),           cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_refused_columns), cmocka_unit_test(test_memory),
        cmocka_unit_test(test_damaged),         cmocka_unit_test(test_no_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
