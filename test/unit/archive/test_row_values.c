/* Values to the file and back: the bytes of every type, NULLs, dictionaries, true bytes of texts;
 * and what is refused on both ways, with its column and row. */
#include "faults.h"

#include "archive/rowschema.h"

#include <stdio.h>

static struct lx_err err;

static struct lx_row_schema *build(const char *type, bool micros)
{
    struct lx_row_schema *schema = NULL;
    const struct lx_source_column column = {LX_STR("c"), lx_str_of(type), LX_STR(""), LX_STR("")};
    if (lx_row_schema_build(&column, 1, micros, &schema, &err) != LX_OK)
        fail_msg("%s: %s", type, err.text);
    return schema;
}

static size_t of_hex(const char *hex, uint8_t *bytes)
{
    size_t size = strlen(hex) / 2;
    for (size_t i = 0; i < size; i++) {
        unsigned byte;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        bytes[i] = (uint8_t)byte;
    }
    return size;
}

/* One value; with `null` a NULL behind it. */
static void make(struct lx_column *column, uint32_t width, const void *bytes, size_t size,
                 bool null)
{
    lx_column_init(column, width != 0 ? LX_COLUMN_FIXED : LX_COLUMN_BYTES, width);
    assert_int_equal(lx_column_append(column, bytes, size), LX_OK);
    if (null)
        assert_int_equal(lx_column_append_null(column), LX_OK);
}

/* The same rows by index: NULL, value, value. */
static void make_dict(struct lx_column *dict, struct lx_column *entries)
{
    static uint32_t indexes[] = {0, 0, 0};
    static uint8_t nulls[] = {1, 0, 0};
    *dict = (struct lx_column){
        .shape = LX_COLUMN_DICT, .rows = 3, .nulls = nulls, .indexes = indexes, .dict = entries};
}

/* -- there and back ------------------------------------------------------------------------ */

struct value_case {
    const char *type;
    bool micros;
    const char *sent; /* hex: a value as ClickHouse has it */
    uint32_t width;   /* of the file's values; 0: `file` is text */
    const char *file; /* hex, or text */
};

static const struct value_case cases[] = {
    {"Int8", false, "80", 4, "80ffffff"},
    {"Int16", false, "ff7f", 4, "ff7f0000"},
    {"Int32", false, "01020304", 4, "01020304"},
    {"Int64", false, "0102030405060708", 8, "0102030405060708"},
    {"UInt8", false, "ff", 4, "ff000000"},
    {"UInt16", false, "ffff", 4, "ffff0000"},
    {"Date", false, "ffff", 4, "ffff0000"},
    {"Date32", false, "ffffffff", 4, "ffffffff"},
    {"UInt32", false, "ffffffff", 8, "ffffffff00000000"},
    {"UInt64", false, "0102030405060788", 9, "008807060504030201"},
    {"Int128", false, "ffffffffffffffffffffffffffffffff", 0, "-1"},
    {"UInt128", false, "ffffffffffffffffffffffffffffffff", 0,
     "340282366920938463463374607431768211455"},
    {"Int256", false, "feffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 0, "-2"},
    {"UInt256", false, "0001000000000000000000000000000000000000000000000000000000000000", 0,
     "256"},
    {"Float32", false, "0000c0bf", 4, "0000c0bf"},
    {"Float64", false, "000000000000f8ff", 8, "000000000000f8ff"},
    {"Bool", false, "01", 1, "01"},
    {"String", false, "c3a9", 0, "\xc3\xa9"},
    {"LowCardinality(String)", false, "61", 0, "a"},
    {"FixedString(3)", false, "61ff00", 0, "a\xff"},
    {"UUID", false, "7766554433221100ffeeddccbbaa9988", 0, "00112233-4455-6677-8899-aabbccddeeff"},
    {"IPv4", false, "04030201", 0, "1.2.3.4"},
    {"IPv6", false, "20010db8000000000000000000000001", 0, "2001:db8::1"},
    {"Enum8('x' = -1, 'y' = 5)", false, "ff", 0, "x"},
    {"Enum16('x' = -300, 'y' = 5)", false, "d4fe", 0, "x"},
    {"Decimal(9, 2)", false, "6affffff", 4, "6affffff"},
    {"Decimal(18, 2)", false, "6affffffffffffff", 8, "6affffffffffffff"},
    {"Decimal(20, 2)", false, "6affffffffffffffffffffffffffffff", 9, "ffffffffffffffff6a"},
    {"Decimal(38, 0)", false, "01000000000000000000000000000080", 16,
     "80000000000000000000000000000001"},
    {"Decimal(76, 3)", false, "e803000000000000000000000000000000000000000000000000000000000000", 0,
     "1"},
    {"DateTime", false, "ffffffff", 8, "18fcffffe7030000"},
    {"DateTime", true, "01000000", 8, "40420f0000000000"},
    {"DateTime64(0)", false, "ffffffffffffffff", 8, "18fcffffffffffff"},
    {"DateTime64(1)", true, "0100000000000000", 8, "a086010000000000"},
    {"DateTime64(3)", false, "0102030405060708", 8, "0102030405060708"},
    {"DateTime64(3)", true, "0100000000000000", 8, "e803000000000000"},
    {"DateTime64(5)", false, "0300000000000000", 8, "1e00000000000000"},
    {"DateTime64(6)", false, "0102030405060708", 8, "0102030405060708"},
    {"DateTime64(9)", false, "0102030405060708", 8, "0102030405060708"},
    {"Array(UInt8)", false, "5b315d", 0, "[1]"},
};

static void expect_bytes(const struct value_case *c, const struct lx_column *column, int64_t row,
                         struct lx_str expected)
{
    struct lx_str value = lx_column_value(column, row);
    if (lx_column_is_null(column, row) || !lx_str_equal(value, expected))
        fail_msg("%s, row %lld: %zu bytes, first %02x", c->type, (long long)row, value.len,
                 value.len > 0 ? (unsigned char)value.ptr[0] : 0u);
}

/* Side by side on a pool, rows hash to what they hash to one column after the other. */
static struct lx_pool *pool;
static void hash_both_ways(const struct lx_row_schema *schema, const struct lx_column *const *sent,
                           int64_t rows)
{
    uint64_t one[8], other[8], each[4 * 8];
    assert_true(rows <= 8 && schema->field_count <= 4);
    assert_int_equal(lx_row_schema_hash_rows(schema, sent, rows, one, &err), LX_OK);
    assert_int_equal(lx_row_schema_hash_rows_on(pool, schema, sent, rows, each, other, &err),
                     LX_OK);
    assert_memory_equal(one, other, (size_t)rows * sizeof *one);
}

static void there_and_back(const struct value_case *c, const struct lx_column *sent,
                           struct lx_str mine, struct lx_str theirs)
{
    struct lx_row_schema *schema = build(c->type, c->micros);
    struct lx_to_file *to;
    struct lx_from_file *from;
    const struct lx_column *const *columns, *const *again;
    assert_int_equal(lx_to_file_create(schema, &to, &err), LX_OK);
    assert_int_equal(lx_from_file_create(schema, &from, &err), LX_OK);
    for (int twice = 0; twice < 2; twice++) {
        if (lx_to_file_convert(to, &sent, sent->rows, &columns, &err) != LX_OK)
            fail_msg("%s", err.text);
        assert_int_equal(lx_to_file_raw_rows(to), 0);
        assert_int_equal(columns[0]->rows, sent->rows);
        assert_int_equal(columns[1]->rows, sent->rows);
        if (lx_from_file_convert(from, twice ? pool : NULL, columns, sent->rows, &again, &err) !=
            LX_OK)
            fail_msg("%s", err.text);
        assert_int_equal(again[0]->rows, sent->rows);
        hash_both_ways(schema, again, sent->rows);
        for (int64_t row = 0; row < sent->rows; row++) {
            assert_true(lx_column_is_null(columns[1], row));
            if (lx_column_is_null(sent, row)) {
                assert_true(lx_column_is_null(columns[0], row));
                assert_true(lx_column_is_null(again[0], row));
                continue;
            }
            expect_bytes(c, columns[0], row, theirs);
            expect_bytes(c, again[0], row, mine);
        }
    }
    lx_to_file_free(to);
    lx_from_file_free(from);
    lx_row_schema_free(schema);
}

static void test_every_type(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct value_case *c = &cases[i];
        uint8_t sent[64], file[64];
        struct lx_str theirs = lx_str_of(c->file);
        size_t size = of_hex(c->sent, sent);
        if (c->width != 0)
            theirs = (struct lx_str){(char *)file, of_hex(c->file, file)};
        else if (strncmp(c->type, "Fixed", 5) == 0)
            theirs.len = 3;
        struct lx_row_schema *schema = build(c->type, c->micros);
        uint32_t width = schema->fields[0].sent.width;
        lx_row_schema_free(schema);
        const struct lx_str mine = {(char *)sent, size};
        struct lx_column plain, dict;
        for (int null = 0; null < 2; null++) {
            make(&plain, width, sent, size, null != 0);
            there_and_back(c, &plain, mine, theirs);
            lx_column_free(&plain);
        }
        make(&plain, width, sent, size, false);
        make_dict(&dict, &plain);
        there_and_back(c, &dict, mine, theirs);
        lx_column_free(&plain);
    }
}

/* The file's own dictionaries are taken apart, too. */
static void test_dictionaries_of_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct value_case *c = &cases[i];
        uint8_t sent[64], file[64];
        size_t size = of_hex(c->sent, sent);
        struct lx_str theirs = lx_str_of(c->file);
        if (c->width != 0)
            theirs = (struct lx_str){(char *)file, of_hex(c->file, file)};
        else if (strncmp(c->type, "Fixed", 5) == 0)
            theirs.len = 3;
        struct lx_row_schema *schema = build(c->type, c->micros);
        struct lx_from_file *from;
        struct lx_column plain, dict;
        make(&plain, c->width, theirs.ptr, theirs.len, false);
        make_dict(&dict, &plain);
        const struct lx_column *columns[] = {&dict, NULL}, *const * again;
        assert_int_equal(lx_from_file_create(schema, &from, &err), LX_OK);
        if (lx_from_file_convert(from, NULL, columns, 3, &again, &err) != LX_OK)
            fail_msg("%s", err.text);
        assert_true(lx_column_is_null(again[0], 0));
        for (int64_t row = 1; row < 3; row++)
            expect_bytes(c, again[0], row, (struct lx_str){(char *)sent, size});
        lx_from_file_free(from);
        lx_column_free(&plain);
        lx_row_schema_free(schema);
    }
}

/* -- refused ------------------------------------------------------------------------------- */

/* Values that the file's type cannot hold, behind a good one. */
static void test_out_of_range(void **state)
{
    (void)state;
    static const struct {
        const char *type, *good, *bad;
    } refused[] = {
        {"Enum8('x' = 1, 'y' = 5)", "01", "02"},
        {"Enum8('x' = 1, 'y' = 5)", "05", "06"},
        {"Enum16('x' = 1)", "0100", "0000"},
        {"DateTime64(0)", "0000000000000000", "ffffffffffffff7f"},
        {"DateTime64(0)", "0000000000000000", "0000000000000080"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct lx_row_schema *schema = build(refused[i].type, false);
        struct lx_to_file *to;
        struct lx_column column;
        uint8_t bytes[8];
        char expected[160];
        size_t size = of_hex(refused[i].good, bytes);
        make(&column, (uint32_t)size, bytes, size, false);
        of_hex(refused[i].bad, bytes);
        assert_int_equal(lx_column_append(&column, bytes, size), LX_OK);
        const struct lx_column *sent = &column, *const * columns;
        assert_int_equal(lx_to_file_create(schema, &to, &err), LX_OK);
        assert_int_equal(lx_to_file_convert(to, &sent, 2, &columns, &err), LX_E_UNSUPPORTED);
        snprintf(expected, sizeof expected, "the column c of type %s holds a value in row 1 of ",
                 refused[i].type);
        assert_says(err.text, expected);
        lx_to_file_free(to);
        lx_column_free(&column);
        lx_row_schema_free(schema);
    }
}

/* Damage: no value of the type. */
static void test_damaged_files(void **state)
{
    (void)state;
    static const struct value_case damages[] = {
        {"Int8", false, "", 4, "80000000"},
        {"Int16", false, "", 4, "ffff7fff"},
        {"UInt8", false, "", 4, "ffffffff"},
        {"UInt16", false, "", 4, "00000100"},
        {"UInt32", false, "", 8, "0000000001000000"},
        {"UInt64", false, "", 9, "018807060504030201"},
        {"Bool", false, "", 1, "02"},
        {"DateTime", false, "", 8, "0100000000000000"},
        {"DateTime", false, "", 8, "18fcffffffffffff"},
        {"DateTime", false, "", 8, "00000000e8030000"},
        {"DateTime64(5)", false, "", 8, "0100000000000000"},
        {"Int128", false, "", 0, "1.5"},
        {"UInt128", false, "", 0, "-1"},
        {"UUID", false, "", 0, "00112233"},
        {"UUID", false, "", 0, "00112233-4455-6677-8899-aabbccddeefg"},
        {"IPv4", false, "", 0, "1.2.3.256"},
        {"IPv6", false, "", 0, "::g"},
        {"Enum8('x' = 1)", false, "", 0, "y"},
        {"FixedString(3)", false, "", 0, "ab"},
        /* Columns of another shape. */
        {"Int8", false, "", 8, "0000000000000000"},
        {"Int8", false, "", 0, "1"},
        {"String", false, "", 4, "00000000"},
    };
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        const struct value_case *c = &damages[i];
        uint8_t file[64];
        char expected[160];
        struct lx_str theirs = lx_str_of(c->file);
        if (c->width != 0)
            theirs = (struct lx_str){(char *)file, of_hex(c->file, file)};
        snprintf(expected, sizeof expected, "column c, row 0 of the batch: no value of the type %s",
                 c->type);
        struct lx_row_schema *schema = build(c->type, false);
        struct lx_from_file *from;
        struct lx_column plain, dict;
        make(&plain, c->width, theirs.ptr, theirs.len, false);
        make_dict(&dict, &plain);
        const struct lx_column *columns[] = {&plain, NULL}, *const * again;
        assert_int_equal(lx_from_file_create(schema, &from, &err), LX_OK);
        for (int by_index = 0; by_index < 2; by_index++) {
            columns[0] = by_index != 0 ? &dict : &plain;
            lx_err_clear(&err);
            if (lx_from_file_convert(from, NULL, columns, columns[0]->rows, &again, &err) !=
                LX_E_CORRUPT)
                fail_msg("%s: %s is taken", c->type, c->file);
            assert_string_equal(err.text, expected);
        }
        dict.dict = NULL;
        assert_int_equal(lx_from_file_convert(from, NULL, columns, 3, &again, &err), LX_E_CORRUPT);
        assert_int_equal(lx_from_file_convert(from, NULL, columns, 2, &again, &err), LX_E_CORRUPT);
        lx_from_file_free(from);
        lx_column_free(&plain);
        lx_row_schema_free(schema);
    }
}

static void test_other_shapes(void **state)
{
    (void)state;
    static const char *const types[] = {"Int8", "String", "UUID", "Array(UInt8)"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct lx_row_schema *schema = build(types[i], false);
        struct lx_to_file *to;
        struct lx_column right, wrong, empty = {.shape = LX_COLUMN_DICT, .rows = 1};
        uint32_t width = schema->fields[0].sent.width;
        char expected[160];
        uint8_t zeros[32] = {0};
        make(&right, width, zeros, width, false);
        make(&wrong, width == 0 ? 4 : width + 1, zeros, width == 0 ? 4 : width + 1, false);
        assert_int_equal(lx_to_file_create(schema, &to, &err), LX_OK);
        const struct lx_column *sent[] = {&right}, *const * columns;
        snprintf(expected, sizeof expected,
                 "the column c of type %s cannot be converted: ", types[i]);
        assert_int_equal(lx_to_file_convert(to, sent, 2, &columns, &err), LX_E_FORMAT);
        assert_says(err.text, expected);
        sent[0] = &wrong;
        assert_int_equal(lx_to_file_convert(to, sent, 1, &columns, &err), LX_E_FORMAT);
        assert_says(err.text, expected);
        sent[0] = &empty;
        assert_int_equal(lx_to_file_convert(to, sent, 1, &columns, &err), LX_E_FORMAT);
        lx_to_file_free(to);
        lx_column_free(&right);
        lx_column_free(&wrong);
        lx_row_schema_free(schema);
    }
}

/* -- true bytes ---------------------------------------------------------------------------- */

static struct lx_row_schema *texts_schema(void)
{
    const struct lx_source_column columns[] = {
        {LX_STR("n"), LX_STR("UInt8"), LX_STR(""), LX_STR("")},
        {LX_STR("a \"b\\"), LX_STR("Nullable(String)"), LX_STR(""), LX_STR("")},
        {LX_STR("j"), LX_STR("Array(String)"), LX_STR(""), LX_STR("")}};
    struct lx_row_schema *schema;
    assert_int_equal(lx_row_schema_build(columns, 3, false, &schema, &err), LX_OK);
    return schema;
}

#define ROWS 4
static const char *const a_texts[ROWS] = {"good", "\xff", NULL, "x\xc3"};
static const char *const j_texts[ROWS] = {"[]", "[\"\xfe\"]", "[\"\xc3\"]", "[\"y\"]"};

static void make_texts(struct lx_column made[3])
{
    lx_column_init(&made[0], LX_COLUMN_FIXED, 1);
    lx_column_init(&made[1], LX_COLUMN_BYTES, 0);
    lx_column_init(&made[2], LX_COLUMN_BYTES, 0);
    for (int i = 0; i < ROWS; i++) {
        uint8_t n = (uint8_t)i;
        assert_int_equal(lx_column_append(&made[0], &n, 1), LX_OK);
        if (a_texts[i] != NULL)
            assert_int_equal(lx_column_append(&made[1], a_texts[i], strlen(a_texts[i])), LX_OK);
        else
            assert_int_equal(lx_column_append_null(&made[1]), LX_OK);
        assert_int_equal(lx_column_append(&made[2], j_texts[i], strlen(j_texts[i])), LX_OK);
    }
}

static void free_texts(struct lx_column made[3])
{
    for (int i = 0; i < 3; i++)
        lx_column_free(&made[i]);
}

static void expect_texts(const struct lx_column *const *again)
{
    for (int i = 0; i < ROWS; i++) {
        assert_int_equal(lx_column_is_null(again[1], i), a_texts[i] == NULL);
        if (a_texts[i] != NULL)
            assert_true(lx_str_is(lx_column_value(again[1], i), a_texts[i]));
        assert_true(lx_str_is(lx_column_value(again[2], i), j_texts[i]));
    }
}

static void test_true_bytes(void **state)
{
    (void)state;
    static const char *const repaired_a[ROWS] = {"good", "\xef\xbf\xbd", "", "x\xef\xbf\xbd"};
    static const char *const repaired_j[ROWS] = {"[]", "[\"\xef\xbf\xbd\"]", "[\"\xef\xbf\xbd\"]",
                                                 "[\"y\"]"};
    static const char *const raw[ROWS] = {NULL, "{\"a \\\"b\\\\\":\"/w==\",\"j\":\"WyL+Il0=\"}",
                                          "{\"j\":\"WyLDIl0=\"}", "{\"a \\\"b\\\\\":\"eMM=\"}"};
    struct lx_row_schema *schema = texts_schema();
    struct lx_to_file *to;
    struct lx_from_file *from;
    struct lx_column made[3];
    make_texts(made);
    const struct lx_column *sent[] = {&made[0], &made[1], &made[2]}, *const * columns,
                           *const * again;
    assert_int_equal(lx_to_file_create(schema, &to, &err), LX_OK);
    assert_int_equal(lx_from_file_create(schema, &from, &err), LX_OK);
    for (int twice = 0; twice < 2; twice++) {
        assert_int_equal(lx_to_file_convert(to, sent, ROWS, &columns, &err), LX_OK);
        assert_int_equal(lx_to_file_raw_rows(to), 3);
        bool safe = strcmp(schema->fields[1].file_name, "a \"b\\") == 0;
        for (int i = 0; i < ROWS; i++) {
            if (a_texts[i] != NULL)
                assert_true(lx_str_is(lx_column_value(columns[1], i), repaired_a[i]));
            assert_true(lx_str_is(lx_column_value(columns[2], i), repaired_j[i]));
            assert_int_equal(lx_column_is_null(columns[3], i), raw[i] == NULL);
            if (raw[i] != NULL && (safe || i == 2))
                assert_true(lx_str_is(lx_column_value(columns[3], i), raw[i]));
        }
        assert_int_equal(lx_from_file_convert(from, NULL, columns, ROWS, &again, &err), LX_OK);
        expect_texts(again);
    }
    lx_to_file_free(to);
    lx_from_file_free(from);
    lx_row_schema_free(schema);
    free_texts(made);
}

static void test_damaged_raw(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{",
        "{}",
        "x\"j\":\"WyL+Il0=\"}",
        "{\"j\":\"WyL+Il0=\"",
        "{\"j\":\"WyL+Il0=\"}}",
        "{\"j\":\"WyL+Il0=",
        "{\"j\":\"WyL+Il0\"}",
        "{\"j\":\"WyL+Il1=\"}",
        "{\"j\":\"*yL+Il0=\"}",
        "{\"j\":\"YR==\"}",
        "{\"k\":\"WyL+Il0=\"}",
        "{\"n\":\"AA==\"}",
        "{\"j\":\"WyL+Il0=\",\"j\":\"WyL+Il0=\"}",
        "{\"j\":\"WyL+Il0=\";\"j\":\"WyL+Il0=\"}",
    };
    const struct lx_source_column source[] = {
        {LX_STR("n"), LX_STR("Int32"), LX_STR(""), LX_STR("")},
        {LX_STR("j"), LX_STR("String"), LX_STR(""), LX_STR("")}};
    struct lx_row_schema *schema;
    struct lx_from_file *from;
    struct lx_column n, j, raw;
    assert_int_equal(lx_row_schema_build(source, 2, false, &schema, &err), LX_OK);
    assert_int_equal(lx_from_file_create(schema, &from, &err), LX_OK);
    make(&n, 4, "\1\0\0", 4, true);
    make(&j, 0, "good", 4, true);
    const struct lx_column *columns[] = {&n, &j, &raw}, *const * again;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        make(&raw, 0, texts[i], strlen(texts[i]), true);
        if (lx_from_file_convert(from, NULL, columns, 2, &again, &err) != LX_E_CORRUPT)
            fail_msg("%s is taken", texts[i]);
        assert_string_equal(err.text,
                            "column _lynex_raw, row 0 of the batch: not what was written");
        lx_column_free(&raw);
    }
    /* True bytes of a NULL, in the second row. */
    make(&raw, 0, "", 0, false);
    lx_column_free(&raw);
    lx_column_init(&raw, LX_COLUMN_BYTES, 0);
    assert_int_equal(lx_column_append_null(&raw), LX_OK);
    assert_int_equal(lx_column_append(&raw, "{\"j\":\"/w==\"}", 12), LX_OK);
    assert_int_equal(lx_from_file_convert(from, NULL, columns, 2, &again, &err), LX_E_CORRUPT);
    assert_says(err.text, "column _lynex_raw, row 1 of the batch");
    lx_column_free(&raw);
    lx_column_free(&n);
    lx_column_free(&j);
    lx_from_file_free(from);
    lx_row_schema_free(schema);
}

/* -- hashes -------------------------------------------------------------------------------- */

/* Composed values first and later, NULLs among them; a text that is no value is named. */
static void test_hashes(void **state)
{
    (void)state;
    const struct lx_source_column source[] = {
        {LX_STR("t"), LX_STR("Nullable(Tuple(UInt8))"), LX_STR(""), LX_STR("")},
        {LX_STR("n"), LX_STR("UInt8"), LX_STR(""), LX_STR("")},
        {LX_STR("u"), LX_STR("Nullable(Tuple(UInt8))"), LX_STR(""), LX_STR("")}};
    struct lx_row_schema *schema;
    struct lx_column t, n;
    uint64_t hashes[2];
    uint8_t five = 5, six = 6;
    if (lx_row_schema_build(source, 3, false, &schema, &err) != LX_OK)
        fail_msg("%s", err.text);
    make(&t, 0, "[5]", 3, true);
    make(&n, 1, &six, 1, false);
    assert_int_equal(lx_column_append(&n, &six, 1), LX_OK);
    const struct lx_column *sent[] = {&t, &n, &t};
    assert_int_equal(lx_row_schema_hash(schema, sent, 2, hashes), LX_OK);
    uint64_t h5 = lx_ch_hash_value(&five, 1), h6 = lx_ch_hash_value(&six, 1);
    assert_true(hashes[0] == lx_ch_hash_combine(lx_ch_hash_combine(h5, h6), h5));
    assert_true(hashes[1] ==
                lx_ch_hash_combine(lx_ch_hash_combine(LX_CH_HASH_NULL, h6), LX_CH_HASH_NULL));
    hash_both_ways(schema, sent, 2);
    struct lx_column bad;
    make(&bad, 0, "[5]", 3, false);
    assert_int_equal(lx_column_append(&bad, "[x]", 3), LX_OK);
    sent[2] = &bad;
    assert_int_equal(lx_row_schema_hash_rows(schema, sent, 2, hashes, &err), LX_E_CORRUPT);
    assert_string_equal(err.text, "column u, row 1 of the batch: its JSON text is no value of the "
                                  "type Nullable(Tuple(UInt8)), from byte 2 on");
    uint64_t each[3 * 2];
    struct lx_err side_by_side = LX_ERR_INIT;
    assert_int_equal(lx_row_schema_hash_rows_on(pool, schema, sent, 2, each, hashes, &side_by_side),
                     LX_E_CORRUPT);
    assert_string_equal(side_by_side.text, err.text);
    sent[2] = &t;
    n.rows = 1;
    assert_int_equal(lx_row_schema_hash_rows(schema, sent, 2, hashes, &err), LX_E_BUG);
    assert_says(err.text, "column n cannot be hashed: ");
    assert_int_equal(lx_row_schema_hash_rows_on(pool, schema, sent, 2, each, hashes, &side_by_side),
                     LX_E_BUG);
    assert_string_equal(side_by_side.text, err.text);
    lx_column_free(&bad);
    lx_column_free(&t);
    lx_column_free(&n);
    struct lx_buf sql = LX_BUF(100);
    assert_int_equal(lx_row_schema_hash_sql(schema, &sql), LX_OK);
    assert_string_equal(lx_buf_cstr(&sql), "xxh3(tuple(`t`, `n`, `u`))");
    for (size_t max = 0; max < sizeof "xxh3(tuple(`t`, `n`, `u`))" - 1; max++) {
        struct lx_buf cut = LX_BUF(max);
        assert_int_equal(lx_row_schema_hash_sql(schema, &cut), LX_E_LIMIT);
        lx_buf_free(&cut);
    }
    lx_buf_free(&sql);
    lx_row_schema_free(schema);
}

/* -- allocations --------------------------------------------------------------------------- */

static struct lx_row_schema *under_test;
static const struct lx_column *const *under_test_columns;
static int64_t under_test_rows;

static enum lx_status whole_way(struct lx_err *said)
{
    struct lx_to_file *to = NULL;
    struct lx_from_file *from = NULL;
    const struct lx_column *const *columns, *const *again;
    uint64_t hashes[ROWS];
    enum lx_status status = lx_to_file_create(under_test, &to, said);
    if (status == LX_OK)
        status = lx_from_file_create(under_test, &from, said);
    if (status == LX_OK)
        status = lx_to_file_convert(to, under_test_columns, under_test_rows, &columns, said);
    if (status == LX_OK)
        status = lx_from_file_convert(from, NULL, columns, under_test_rows, &again, said);
    if (status == LX_OK)
        status = lx_row_schema_hash_rows(under_test, again, under_test_rows, hashes, said);
    lx_to_file_free(to);
    lx_from_file_free(from);
    return status;
}

static void test_memory(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t sent[64];
        size_t size = of_hex(cases[i].sent, sent);
        struct lx_column plain, dict;
        const struct lx_column *one = &plain;
        under_test = build(cases[i].type, cases[i].micros);
        under_test_columns = &one;
        make(&plain, under_test->fields[0].sent.width, sent, size, true);
        for (int by_index = 0; by_index < 2; by_index++) {
            make_dict(&dict, &plain);
            one = by_index != 0 ? &dict : &plain;
            under_test_rows = one->rows;
            plain.nulls[1] = (uint8_t)(by_index == 0);
            assert_in_range(fail_each(whole_way), 10, 60);
        }
        lx_column_free(&plain);
        lx_row_schema_free(under_test);
    }
    struct lx_column made[3];
    make_texts(made);
    const struct lx_column *sent[] = {&made[0], &made[1], &made[2]};
    under_test = texts_schema();
    under_test_columns = sent;
    under_test_rows = ROWS;
    assert_in_range(fail_each(whole_way), 20, 100);
    lx_row_schema_free(under_test);
    free_texts(made);
}

static int make_pool(void **state)
{
    (void)state;
    return lx_pool_create(2, &pool, &err) == LX_OK ? 0 : -1;
}

static int free_pool(void **state)
{
    (void)state;
    lx_pool_destroy(pool);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type),   cmocka_unit_test(test_dictionaries_of_files),
        cmocka_unit_test(test_out_of_range), cmocka_unit_test(test_damaged_files),
        cmocka_unit_test(test_other_shapes), cmocka_unit_test(test_true_bytes),
        cmocka_unit_test(test_damaged_raw),  cmocka_unit_test(test_hashes),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, make_pool, free_pool);
}
