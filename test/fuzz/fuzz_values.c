/* libFuzzer: what a file of the archive holds, as values of ClickHouse again. The first byte says
 * the column's type, the second how the input is cut into values; one value may be NULL. What is
 * taken for a value is one: it has a hash, and written again it is the same. */
#include "archive/rowschema_map.h"
#include "base/limits.h"
#include "fuzz.h"

static const char *const types[] = {"String",
                                    "Nullable(String)",
                                    "LowCardinality(String)",
                                    "FixedString(3)",
                                    "UUID",
                                    "IPv4",
                                    "IPv6",
                                    "Enum8('a' = 1, 'b\\'c' = -2)",
                                    "Enum16('x' = 300, '' = 0)",
                                    "Bool",
                                    "Int8",
                                    "UInt8",
                                    "Int16",
                                    "UInt16",
                                    "UInt32",
                                    "Int64",
                                    "UInt64",
                                    "Int128",
                                    "UInt256",
                                    "Decimal(9, 3)",
                                    "Decimal(20, 4)",
                                    "Decimal(76, 10)",
                                    "Date",
                                    "Date32",
                                    "DateTime",
                                    "DateTime64(3)",
                                    "DateTime64(9)",
                                    "Float32",
                                    "Float64",
                                    "Array(Int32)",
                                    "Array(Nullable(String))",
                                    "Map(String, Float64)",
                                    "Map(UInt8, Array(String))",
                                    "Tuple(a UInt8, b String)",
                                    "Tuple(Date, DateTime64(6), Decimal(9, 2))",
                                    "Array(Tuple(Enum8('a' = 1), UUID, IPv6))",
                                    "Nested(x UInt256, y Bool)",
                                    "Point",
                                    "JSON",
                                    "Array(LowCardinality(Nullable(FixedString(2))))"};

#define ROWS 6

/* Pieces of the input as a file's column: texts, or values of its width. */
static void fill(struct lx_column *column, uint32_t width, struct lx_str input, uint8_t how)
{
    lx_column_init(column, width != 0 ? LX_COLUMN_FIXED : LX_COLUMN_BYTES, width);
    for (int row = 0; row < ROWS; row++) {
        size_t piece =
            width != 0 ? width : (row + 1 < 1 + how % ROWS ? input.len / ROWS : input.len);
        enum lx_status status;
        if (piece > input.len || (row == how % 7 && how > 127))
            status = lx_column_append_null(column);
        else
            status = lx_column_append(column, input.ptr, piece);
        require(status == LX_OK, "no memory");
        piece = piece < input.len ? piece : input.len;
        input = (struct lx_str){input.ptr + piece, input.len - piece};
    }
}

static bool same(const struct lx_column *a, const struct lx_column *b)
{
    for (int64_t row = 0; row < ROWS; row++) {
        if (lx_column_is_null(a, row) != lx_column_is_null(b, row))
            return false;
        if (!lx_column_is_null(a, row) &&
            !lx_str_equal(lx_column_value(a, row), lx_column_value(b, row)))
            return false;
    }
    return true;
}

/* Decimal texts may end in zeros that are not written again. */
static bool has_one_form(const struct lx_field *field)
{
    return field->map != LX_MAP_BIGINT || field->type.scale == 0;
}

static void there_and_back(const struct lx_row_schema *schema, const struct lx_column *file,
                           const struct lx_column *raw)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_from_file *from;
    struct lx_to_file *to;
    const struct lx_column *columns[] = {file, raw}, *const * sent, *const * again;
    uint64_t hashes[ROWS];
    require(lx_from_file_create(schema, &from, &err) == LX_OK, err.text);
    enum lx_status status = lx_from_file_convert(from, NULL, columns, ROWS, &sent, &err);
    require_words(status, &err);
    if (status == LX_OK) {
        require_words(lx_row_schema_hash_rows(schema, sent, ROWS, hashes, &err), &err);
        require(lx_to_file_create(schema, &to, &err) == LX_OK, err.text);
        status = lx_to_file_convert(to, sent, ROWS, &again, &err);
        require_words(status, &err);
        /* A text that is not UTF-8 was not written by us: it is mended now. */
        if (status == LX_OK && lx_to_file_raw_rows(to) == 0 && raw == NULL &&
            has_one_form(&schema->fields[0]))
            require(same(again[0], file), "written again it is another");
        lx_to_file_free(to);
    }
    lx_from_file_free(from);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_row_schema *schema;
    struct lx_column file, raw;
    if (size < 2)
        return 0;
    struct lx_source_column column = {
        .name = LX_STR("c"),
        .type = lx_str_of(types[bytes[0] % (sizeof types / sizeof *types)]),
        .default_kind = LX_STR(""),
        .default_expression = LX_STR("")};
    require(lx_row_schema_build(&column, 1, bytes[1] % 2 != 0, &schema, &err) == LX_OK, err.text);
    struct lx_str input = {(const char *)bytes + 2, size - 2};
    fill(&file, lx_map_file_width(&schema->fields[0]), input, bytes[1]);
    fill(&raw, 0, input, (uint8_t)~bytes[1]);
    there_and_back(schema, &file, NULL);
    there_and_back(schema, &file, &raw);
    lx_column_free(&file);
    lx_column_free(&raw);
    lx_row_schema_free(schema);
    return 0;
}
