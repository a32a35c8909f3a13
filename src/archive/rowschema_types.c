/* rowschema_types.c: which map a ClickHouse type takes, and what it is in the file and in the log.
 */
#include "archive/rowschema_map.h"

#include <stdio.h>

const char *lx_map_name(int map)
{
    static const char *const names[] = {
#define X(name, text) text,
        LX_FIELD_MAPS(X)
#undef X
    };
    return map >= 0 && map < LX_MAP_COUNT ? names[map] : "?";
}

static int map_of_decimal(uint32_t precision)
{
    return precision <= 18 ? LX_MAP_SAME : precision <= 38 ? LX_MAP_DECIMAL : LX_MAP_BIGINT;
}

/* MILLIS up to 3 digits, else MICROS; more than 6 digits: the ticks themselves. */
static int map_of_ticks(uint32_t precision, bool micros)
{
    uint32_t digits = precision <= 3 && !micros ? 3 : 6;
    return precision > 6 || precision == digits ? LX_MAP_SAME : LX_MAP_TICKS;
}

int lx_map_of_type(const struct lx_ch_type *type, bool micros)
{
    if (lx_ch_type_carry(type) == LX_CH_CARRY_JSON)
        return LX_MAP_JSON;
    switch (type->kind) {
    case LX_CH_INT8: return LX_MAP_INT8;
    case LX_CH_INT16: return LX_MAP_INT16;
    case LX_CH_UINT8: return LX_MAP_UINT8;
    case LX_CH_DATE:
    case LX_CH_UINT16: return LX_MAP_UINT16;
    case LX_CH_UINT32: return LX_MAP_UINT32;
    case LX_CH_UINT64: return LX_MAP_UINT64;
    case LX_CH_INT128:
    case LX_CH_INT256:
    case LX_CH_UINT128:
    case LX_CH_UINT256: return LX_MAP_BIGINT;
    case LX_CH_BOOL: return LX_MAP_BOOL;
    case LX_CH_STRING: return LX_MAP_TEXT;
    case LX_CH_FIXED_STRING: return LX_MAP_BINARY;
    case LX_CH_UUID: return LX_MAP_UUID;
    case LX_CH_IPV4: return LX_MAP_IPV4;
    case LX_CH_IPV6: return LX_MAP_IPV6;
    case LX_CH_DATETIME: return LX_MAP_SECONDS;
    case LX_CH_DATETIME64: return map_of_ticks(type->precision, micros);
    case LX_CH_ENUM8:
    case LX_CH_ENUM16: return LX_MAP_ENUM;
    case LX_CH_DECIMAL: return map_of_decimal(type->precision);
    default: return LX_MAP_SAME;
    }
}

int64_t lx_map_factor(const struct lx_ch_type *type, bool micros)
{
    uint32_t from = type->kind == LX_CH_DATETIME64 ? type->precision : 0;
    uint32_t to = from <= 3 && !micros ? 3 : 6;
    int64_t factor = 1;
    for (; from < to; from++)
        factor *= 10;
    return factor;
}

uint32_t lx_decimal_bytes(uint32_t precision)
{
    /* Bytes whose signed range holds 10^precision - 1. */
    static const uint8_t digits[] = {2, 4, 6, 9, 11, 14, 16, 18, 21, 23, 26, 28, 31, 33, 35, 38};
    uint32_t bytes = 0;
    while (bytes < 15 && digits[bytes] < precision)
        bytes++;
    return bytes + 1;
}

uint32_t lx_map_file_width(const struct lx_field *field)
{
    switch (field->map) {
    case LX_MAP_BOOL: return 1;
    case LX_MAP_INT8:
    case LX_MAP_INT16:
    case LX_MAP_UINT8:
    case LX_MAP_UINT16: return 4;
    case LX_MAP_UINT32:
    case LX_MAP_SECONDS:
    case LX_MAP_TICKS: return 8;
    case LX_MAP_UINT64: return lx_decimal_bytes(20);
    case LX_MAP_DECIMAL: return lx_decimal_bytes(field->type.precision);
    case LX_MAP_SAME: return field->type.width;
    default: return 0;
    }
}

/* Types that pass as they are. */
static const char *delta_of_same(const struct lx_ch_type *type)
{
    switch (type->kind) {
    case LX_CH_INT32: return "integer";
    case LX_CH_FLOAT32: return "float";
    case LX_CH_FLOAT64: return "double";
    case LX_CH_DATE32: return "date";
    case LX_CH_DATETIME64: return type->precision > 6 ? "long" : "timestamp";
    default: return "long";
    }
}

void lx_field_delta_type(const struct lx_field *field, char text[LX_DELTA_TYPE])
{
    const char *name = "string";
    switch (field->map) {
    case LX_MAP_BINARY: name = "binary"; break;
    case LX_MAP_BOOL: name = "boolean"; break;
    case LX_MAP_INT8: name = "byte"; break;
    case LX_MAP_INT16:
    case LX_MAP_UINT8: name = "short"; break;
    case LX_MAP_UINT16: name = field->type.kind == LX_CH_DATE ? "date" : "integer"; break;
    case LX_MAP_UINT32: name = "long"; break;
    case LX_MAP_UINT64: name = "decimal(20,0)"; break;
    case LX_MAP_SECONDS:
    case LX_MAP_TICKS: name = "timestamp"; break;
    case LX_MAP_SAME: name = delta_of_same(&field->type); break;
    default: break;
    }
    if (field->type.kind == LX_CH_DECIMAL && field->map != LX_MAP_BIGINT)
        snprintf(text, LX_DELTA_TYPE, "decimal(%u,%u)", field->type.precision, field->type.scale);
    else
        snprintf(text, LX_DELTA_TYPE, "%s", name);
}

/* -- Parquet ------------------------------------------------------------------------------- */

static void set_integer(struct lx_parquet_field *to, enum lx_parquet_physical physical,
                        uint8_t bits)
{
    to->physical = physical;
    if (bits != 0)
        to->logical = (struct lx_parquet_logical){
            .kind = LX_PARQUET_LOGICAL_INTEGER, .bits = bits, .is_signed = true};
}

static void set_decimal(struct lx_parquet_field *to, uint32_t precision, uint32_t scale)
{
    to->physical = precision <= 9    ? LX_PARQUET_INT32
                   : precision <= 18 ? LX_PARQUET_INT64
                                     : LX_PARQUET_FIXED_LEN_BYTE_ARRAY;
    to->length = precision > 18 ? (int32_t)lx_decimal_bytes(precision) : 0;
    to->logical = (struct lx_parquet_logical){.kind = LX_PARQUET_LOGICAL_DECIMAL,
                                              .precision = (int32_t)precision,
                                              .scale = (int32_t)scale};
}

static void set_timestamp(struct lx_parquet_field *to, bool micros)
{
    to->physical = LX_PARQUET_INT64;
    to->logical =
        (struct lx_parquet_logical){.kind = LX_PARQUET_LOGICAL_TIMESTAMP,
                                    .unit = micros ? LX_PARQUET_MICROS : LX_PARQUET_MILLIS,
                                    .utc = true};
}

static void set_same(const struct lx_field *field, bool micros, struct lx_parquet_field *to)
{
    const struct lx_ch_type *type = &field->type;
    switch (type->kind) {
    case LX_CH_INT32: set_integer(to, LX_PARQUET_INT32, 0); break;
    case LX_CH_FLOAT32: to->physical = LX_PARQUET_FLOAT; break;
    case LX_CH_FLOAT64: to->physical = LX_PARQUET_DOUBLE; break;
    case LX_CH_DATE32:
        to->physical = LX_PARQUET_INT32;
        to->logical.kind = LX_PARQUET_LOGICAL_DATE;
        break;
    case LX_CH_DECIMAL: set_decimal(to, type->precision, type->scale); break;
    case LX_CH_DATETIME64:
        if (type->precision <= 6)
            set_timestamp(to, micros || type->precision > 3);
        else
            set_integer(to, LX_PARQUET_INT64, 0);
        break;
    default: set_integer(to, LX_PARQUET_INT64, 0); break;
    }
}

static void set_field(const struct lx_field *field, bool micros, struct lx_parquet_field *to)
{
    *to = (struct lx_parquet_field){
        .name = field->file_name,
        .repetition = field->sent.nullable ? LX_PARQUET_OPTIONAL : LX_PARQUET_REQUIRED,
        .physical = LX_PARQUET_BYTE_ARRAY,
    };
    switch (field->map) {
    case LX_MAP_SAME: set_same(field, micros, to); break;
    case LX_MAP_BINARY: break;
    case LX_MAP_BOOL: to->physical = LX_PARQUET_BOOLEAN; break;
    case LX_MAP_INT8: set_integer(to, LX_PARQUET_INT32, 8); break;
    case LX_MAP_INT16:
    case LX_MAP_UINT8: set_integer(to, LX_PARQUET_INT32, 16); break;
    case LX_MAP_UINT16:
        to->physical = LX_PARQUET_INT32;
        if (field->type.kind == LX_CH_DATE)
            to->logical.kind = LX_PARQUET_LOGICAL_DATE;
        break;
    case LX_MAP_UINT32: set_integer(to, LX_PARQUET_INT64, 0); break;
    case LX_MAP_UINT64: set_decimal(to, 20, 0); break;
    case LX_MAP_DECIMAL: set_decimal(to, field->type.precision, field->type.scale); break;
    case LX_MAP_SECONDS: set_timestamp(to, micros); break;
    case LX_MAP_TICKS: set_timestamp(to, micros || field->type.precision > 3); break;
    default: to->logical.kind = LX_PARQUET_LOGICAL_STRING; break;
    }
}

enum lx_status lx_row_schema_parquet(const struct lx_row_schema *schema,
                                     struct lx_parquet_field *fields, struct lx_err *err)
{
    for (size_t i = 0; i < schema->field_count; i++)
        set_field(&schema->fields[i], schema->micros, &fields[i]);
    fields[schema->field_count] =
        (struct lx_parquet_field){.name = LX_RAW_COLUMN,
                                  .repetition = LX_PARQUET_OPTIONAL,
                                  .physical = LX_PARQUET_BYTE_ARRAY,
                                  .logical.kind = LX_PARQUET_LOGICAL_STRING};
    return lx_parquet_schema_check(fields, schema->field_count + 1, err);
}
