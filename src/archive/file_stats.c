/* Delta's statistics of a file, out of what the Parquet writer knows of its columns: numRecords,
 * minValues, maxValues, nullCount (delta-io/delta PROTOCOL.md, "Per-file Statistics").
 *
 * A missing bound is safe, a wrong one loses rows for readers: where a type has no safe text, or a
 * maximum was cut, there is none. */
#include "archive/file_stats.h"

#include "base/alloc.h"
#include "base/civil.h"
#include "base/limits.h"
#include "ledger/ledger_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_TEXT 32 /* bytes of a text bound */

static int64_t int_of(struct lx_str value)
{
    uint64_t bits = 0;
    memcpy(&bits, value.ptr, value.len < 8 ? value.len : 8);
    if (value.len == 4)
        return (int32_t)(uint32_t)bits;
    return (int64_t)bits;
}

static json_t *timestamp(const struct lx_parquet_logical *logical, struct lx_str value, bool is_max)
{
    char text[LX_TIME_TEXT];
    int64_t ms = int_of(value);
    if (logical->unit == LX_PARQUET_MICROS) {
        int64_t floor = lx_floor_div(ms, 1000);
        ms = is_max && floor * 1000 != ms ? floor + 1 : floor; /* a maximum is rounded up */
    }
    struct lx_civil civil = lx_civil_of_ms(ms);
    if (civil.year < 1 || civil.year > 9999)
        return NULL;
    lx_time_iso(ms, text);
    return json_string(text);
}

static json_t *date(struct lx_str value)
{
    char text[LX_TIME_TEXT];
    int64_t ms = int_of(value) * LX_DAY_SECONDS * 1000;
    struct lx_civil civil = lx_civil_of_ms(ms);
    if (civil.year < 1 || civil.year > 9999)
        return NULL;
    lx_time_date(ms, text);
    return json_string(text);
}

static json_t *real(enum lx_parquet_physical physical, struct lx_str value)
{
    double number;
    if (physical == LX_PARQUET_FLOAT) {
        float single;
        memcpy(&single, value.ptr, sizeof single);
        number = single;
    } else {
        memcpy(&number, value.ptr, sizeof number);
    }
    return isfinite(number) ? json_real(number) : NULL;
}

/* A minimum may be cut anywhere between characters: the cut one is smaller. A maximum may not. */
static json_t *text(struct lx_str value, bool exact, bool is_max)
{
    size_t size = value.len;
    if (size > MAX_TEXT) {
        if (is_max)
            return NULL;
        size = MAX_TEXT;
        while (size > 0 && ((unsigned char)value.ptr[size] & 0xc0) == 0x80)
            size--;
    }
    if (is_max && !exact)
        return NULL;
    return json_stringn(value.ptr, size); /* NULL where it is not UTF-8 */
}

static json_t *bound(const struct lx_parquet_field *field, struct lx_str value, bool exact,
                     bool is_max)
{
    switch (field->physical) {
    case LX_PARQUET_INT32:
    case LX_PARQUET_INT64:
        if (value.len != (field->physical == LX_PARQUET_INT32 ? 4u : 8u))
            return NULL;
        if (field->logical.kind == LX_PARQUET_LOGICAL_TIMESTAMP)
            return timestamp(&field->logical, value, is_max);
        if (field->logical.kind == LX_PARQUET_LOGICAL_DATE)
            return date(value);
        if (field->logical.kind == LX_PARQUET_LOGICAL_DECIMAL)
            return NULL;
        return json_integer(int_of(value));
    case LX_PARQUET_FLOAT:
    case LX_PARQUET_DOUBLE:
        return value.len == (field->physical == LX_PARQUET_FLOAT ? 4u : 8u)
                   ? real(field->physical, value)
                   : NULL;
    case LX_PARQUET_BYTE_ARRAY:
        return field->logical.kind == LX_PARQUET_LOGICAL_STRING ? text(value, exact, is_max) : NULL;
    default: return NULL;
    }
}

static bool put(json_t *object, const char *name, json_t *value)
{
    return value == NULL || json_object_set_new(object, name, value) == 0;
}

static bool is_float(const struct lx_parquet_field *field)
{
    return field->physical == LX_PARQUET_FLOAT || field->physical == LX_PARQUET_DOUBLE;
}

static char *text_of(const json_t *json)
{
    struct lx_buf text = LX_BUF(64 * LX_MIB);
    if (lx_ledger_json_dump_as(json, JSON_COMPACT | JSON_REAL_PRECISION(17), &text, NULL) != LX_OK)
        lx_buf_free(&text);
    return (char *)lx_buf_take(&text, NULL);
}

char *lx_file_stats(const struct lx_parquet_field *fields, const struct lx_parquet_file_info *info)
{
    json_t *all = json_object(), *min = json_object(), *max = json_object(), *nulls = json_object();
    char *result = NULL;
    bool good = all != NULL && min != NULL && max != NULL && nulls != NULL &&
                put(all, "numRecords", json_integer(info->rows));
    for (size_t i = 0; good && i < info->column_count; i++) {
        const struct lx_parquet_column_info *column = &info->columns[i];
        const struct lx_parquet_bounds *b = &column->bounds;
        if (column->null_count >= 0)
            good = put(nulls, fields[i].name, json_integer(column->null_count));
        if (is_float(&fields[i]) && column->nan_count != 0)
            continue; /* a NaN is above every bound for some readers, and outside for others */
        if (good && b->has_min)
            good = put(min, fields[i].name, bound(&fields[i], b->min, b->min_exact, false));
        if (good && b->has_max)
            good = put(max, fields[i].name, bound(&fields[i], b->max, b->max_exact, true));
    }
    if (good && json_object_set(all, "minValues", min) == 0 &&
        json_object_set(all, "maxValues", max) == 0 &&
        json_object_set(all, "nullCount", nulls) == 0)
        result = text_of(all);
    json_decref(all);
    json_decref(min);
    json_decref(max);
    json_decref(nulls);
    return result;
}

/* [[offset, bytes], …] of each row group's filter; NULL where memory ran out. */
static json_t *bloom_places(const struct lx_parquet_file_info *info, size_t column)
{
    json_t *list = json_array();
    bool good = list != NULL;
    for (size_t g = 0; good && g < info->row_group_count; g++) {
        const struct lx_parquet_chunk *chunk = &info->row_groups[g].chunks[column];
        if (chunk->bloom_offset > 0)
            good = json_array_append_new(list, json_pack("[I,i]", (json_int_t)chunk->bloom_offset,
                                                         chunk->bloom_bytes)) == 0;
    }
    if (good)
        return list;
    json_decref(list);
    return NULL;
}

char *lx_file_bloom_tag(const struct lx_parquet_file_info *info)
{
    json_t *all = json_object(), *tags = NULL;
    bool good = all != NULL;
    for (size_t c = 0; good && c < info->column_count; c++) {
        json_t *list = bloom_places(info, c);
        good = list != NULL && (json_array_size(list) == 0 ||
                                json_object_set(all, info->columns[c].path, list) == 0);
        json_decref(list);
    }
    char *inner = good && json_object_size(all) > 0 ? text_of(all) : NULL;
    json_decref(all);
    if (inner != NULL)
        tags = json_pack("{s:s}", "lynex.bloom", inner);
    char *text = tags != NULL ? text_of(tags) : NULL;
    json_decref(tags);
    lx_free(inner);
    return text;
}
