/* rowschema_leaf.c: single values from their texts, within JSON and in maps' keys. */
#include "archive/rowschema_text.h"
#include "archive/rowschema_value.h"
#include "base/alloc.h"
#include "base/bigint.h"
#include "base/civil.h"

#include <locale.h>
#include <stdlib.h>

/* -- enums --------------------------------------------------------------------------------- */

static int compare_names(struct lx_str a, struct lx_str b)
{
    size_t size = a.len < b.len ? a.len : b.len;
    int order = size != 0 ? memcmp(a.ptr, b.ptr, size) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_indexes(const void *a, const void *b, void *context)
{
    const struct lx_ch_enum *x = (const struct lx_ch_enum *)context + *(const uint32_t *)a;
    const struct lx_ch_enum *y = (const struct lx_ch_enum *)context + *(const uint32_t *)b;
    return compare_names((struct lx_str){x->name, x->name_len},
                         (struct lx_str){y->name, y->name_len});
}

uint32_t *lx_enum_index(const struct lx_ch_type *type)
{
    uint32_t *by_name = lx_malloc((type->enum_count + 1) * sizeof *by_name);
    if (by_name == NULL)
        return NULL;
    for (size_t i = 0; i < type->enum_count; i++)
        by_name[i] = (uint32_t)i;
    qsort_r(by_name, type->enum_count, sizeof *by_name, compare_indexes, type->enums);
    return by_name;
}

bool lx_enum_find(const struct lx_ch_type *type, const uint32_t *by_name, struct lx_str name,
                  int32_t *value)
{
    size_t low = 0, high = type->enum_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct lx_ch_enum *entry = &type->enums[by_name[middle]];
        int order = compare_names((struct lx_str){entry->name, entry->name_len}, name);
        if (order == 0) {
            *value = entry->value;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* -- floats -------------------------------------------------------------------------------- */

#define MAX_FLOAT_TEXT 511 /* 1e308 written out, and more */
#define NAN32 0x7fc00000u
#define NAN64 0x7ff8000000000000u
#define INF32 0x7f800000u
#define INF64 0x7ff0000000000000u

/* Digits, point and exponent as JSON has them; what libc takes beyond that (hex, blanks,
 * "infinity") is refused. */
static bool is_number(struct lx_str text)
{
    size_t pos = 0, start;
    if (pos < text.len && text.ptr[pos] == '-')
        pos++;
    for (start = pos; pos < text.len && text.ptr[pos] >= '0' && text.ptr[pos] <= '9';)
        pos++;
    if (pos == start)
        return false;
    if (pos < text.len && text.ptr[pos] == '.') {
        for (start = ++pos; pos < text.len && text.ptr[pos] >= '0' && text.ptr[pos] <= '9';)
            pos++;
        if (pos == start)
            return false;
    }
    if (pos < text.len && (text.ptr[pos] == 'e' || text.ptr[pos] == 'E')) {
        pos++;
        if (pos < text.len && (text.ptr[pos] == '-' || text.ptr[pos] == '+'))
            pos++;
        for (start = pos; pos < text.len && text.ptr[pos] >= '0' && text.ptr[pos] <= '9';)
            pos++;
        if (pos == start)
            return false;
    }
    return pos == text.len;
}

static bool is_special(struct lx_str text, bool *nan, bool *negative)
{
    *negative = text.len > 0 && text.ptr[0] == '-';
    if (*negative) {
        text.ptr++;
        text.len--;
    }
    *nan = lx_str_is(text, "nan");
    return *nan || lx_str_is(text, "inf");
}

/* A number whose digits and power of ten are both exact in the type needs one division only, which
 * rounds right: most floats in tables. */
static bool exact_double(struct lx_str text, double *value)
{
    static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    uint64_t digits = 0;
    size_t pos = text.ptr[0] == '-', fraction = 0;
    if (text.len - pos > 16)
        return false;
    for (bool point = false; pos < text.len; pos++) {
        char c = text.ptr[pos];
        if (c == '.') {
            point = true;
            continue;
        }
        if (c < '0' || c > '9')
            return false;
        digits = digits * 10 + (uint64_t)(c - '0');
        fraction += point;
    }
    if (digits >> 53 != 0 || fraction > 15)
        return false;
    double magnitude = (double)digits / powers[fraction];
    *value = text.ptr[0] == '-' ? -magnitude : magnitude;
    return true;
}

static bool float_of_text(const struct lx_value *leaf, struct lx_str text, uint8_t *bytes)
{
    char copy[MAX_FLOAT_TEXT + 1];
    bool nan, negative, single = leaf->kind == LX_CH_FLOAT32;
    if (is_special(text, &nan, &negative)) {
        uint32_t bits32 = (nan ? NAN32 : INF32) | (uint32_t)negative << 31;
        uint64_t bits64 = (nan ? NAN64 : INF64) | (uint64_t)negative << 63;
        if (single)
            memcpy(bytes, &bits32, 4);
        else
            memcpy(bytes, &bits64, 8);
        return true;
    }
    if (text.len > MAX_FLOAT_TEXT || !is_number(text))
        return false;
    double value;
    if (!single && exact_double(text, &value)) {
        memcpy(bytes, &value, 8);
        return true;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = 0;
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* glibc's own, not allocated */
    if (plain == (locale_t)0)
        return false;
    if (single) {
        float value32 = strtof_l(copy, NULL, plain);
        memcpy(bytes, &value32, 4);
    } else {
        value = strtod_l(copy, NULL, plain);
        memcpy(bytes, &value, 8);
    }
    freelocale(plain);
    return true;
}

/* -- dates and times ----------------------------------------------------------------------- */

static bool digits_at(struct lx_str text, size_t pos, size_t count, uint64_t *value)
{
    if (text.len < pos + count)
        return false;
    return lx_str_to_u64((struct lx_str){text.ptr + pos, count}, value);
}

/* "YYYY-MM-DD" */
static bool date_of_text(struct lx_str text, int64_t *days)
{
    static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    uint64_t year, month, day;
    if (text.len != 10 || text.ptr[4] != '-' || text.ptr[7] != '-' ||
        !digits_at(text, 0, 4, &year) || !digits_at(text, 5, 2, &month) ||
        !digits_at(text, 8, 2, &day) || month < 1 || month > 12 || day < 1)
        return false;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (day > lengths[month - 1] + (uint64_t)(month == 2 && leap))
        return false;
    *days = lx_civil_days((int64_t)year, (unsigned)month, (unsigned)day);
    return true;
}

/* "YYYY-MM-DD hh:mm:ss[.fraction]", or with 'T' and 'Z': UTC, with exactly `precision` digits. */
static bool time_of_text(struct lx_str text, uint32_t precision, int64_t *ticks)
{
    int64_t days, scale = 1;
    uint64_t hour, minute, second, fraction = 0;
    bool iso = text.len > 10 && text.ptr[10] == 'T';
    if (iso) {
        if (text.ptr[text.len - 1] != 'Z')
            return false;
        text.len--;
    }
    if (text.len != 19 + (precision > 0 ? 1 + (size_t)precision : 0) ||
        !date_of_text((struct lx_str){text.ptr, 10}, &days) || (!iso && text.ptr[10] != ' ') ||
        text.ptr[13] != ':' || text.ptr[16] != ':' || !digits_at(text, 11, 2, &hour) ||
        !digits_at(text, 14, 2, &minute) || !digits_at(text, 17, 2, &second) || hour > 23 ||
        minute > 59 || second > 59)
        return false;
    if (precision > 0 && (text.ptr[19] != '.' || !digits_at(text, 20, precision, &fraction)))
        return false;
    for (uint32_t i = 0; i < precision; i++)
        scale *= 10;
    int64_t seconds = days * LX_DAY_SECONDS + (int64_t)(hour * 3600 + minute * 60 + second);
    int64_t result;
    if (__builtin_mul_overflow(seconds, scale, &result)) {
        /* The type's lowest second may fit only together with its fraction. */
        if (__builtin_mul_overflow(seconds + 1, scale, &result) ||
            __builtin_sub_overflow(result, scale - (int64_t)fraction, &result))
            return false;
    } else if (__builtin_add_overflow(result, (int64_t)fraction, &result)) {
        return false;
    }
    *ticks = result;
    return true;
}

/* -- all ----------------------------------------------------------------------------------- */

static bool put_signed(int64_t value, uint32_t width, uint8_t *bytes)
{
    int64_t limit = width == 8 ? INT64_MAX : ((int64_t)1 << (width * 8 - 1)) - 1;
    if (value > limit || value < -limit - 1)
        return false;
    memcpy(bytes, &value, width);
    return true;
}

static bool put_unsigned(int64_t value, uint32_t width, uint8_t *bytes)
{
    if (value < 0 || (width < 8 && value >> (width * 8) != 0))
        return false;
    memcpy(bytes, &value, width);
    return true;
}

static bool integer_of_text(const struct lx_value *leaf, struct lx_str text, uint8_t *bytes)
{
    bool is_signed = leaf->kind <= LX_CH_INT256 || leaf->kind == LX_CH_INTERVAL;
    int64_t value;
    if (leaf->width > 8 || (leaf->width == 8 && !is_signed))
        return lx_bigint_of_text(text, leaf->width, is_signed, 0, bytes);
    if (!lx_str_to_i64(text, &value) || (text.ptr[0] == '-' && value == 0) ||
        (text.len > 1 && text.ptr[text.ptr[0] == '-'] == '0'))
        return false;
    return is_signed ? put_signed(value, leaf->width, bytes)
                     : put_unsigned(value, leaf->width, bytes);
}

static bool time_leaf_of_text(const struct lx_value *leaf, struct lx_str text, uint8_t *bytes)
{
    int64_t value;
    switch (leaf->kind) {
    case LX_CH_DATE: return date_of_text(text, &value) && put_unsigned(value, 2, bytes);
    case LX_CH_DATE32: return date_of_text(text, &value) && put_signed(value, 4, bytes);
    case LX_CH_DATETIME: return time_of_text(text, 0, &value) && put_unsigned(value, 4, bytes);
    case LX_CH_DATETIME64:
        return time_of_text(text, leaf->precision, &value) && put_signed(value, 8, bytes);
    default: return false;
    }
}

bool lx_leaf_of_text(const struct lx_value *leaf, struct lx_str text, uint8_t bytes[LX_LEAF_BYTES])
{
    int32_t value;
    if (text.len == 0 && leaf->kind != LX_CH_ENUM8 && leaf->kind != LX_CH_ENUM16)
        return false;
    switch (leaf->kind) {
    case LX_CH_FLOAT32:
    case LX_CH_FLOAT64: return float_of_text(leaf, text, bytes);
    case LX_CH_BOOL:
        bytes[0] = lx_str_is(text, "true");
        return bytes[0] != 0 || lx_str_is(text, "false");
    case LX_CH_UUID: return text.len == LX_UUID_TEXT && lx_text_to_uuid(text.ptr, bytes);
    case LX_CH_IPV4: return lx_text_to_ipv4(text, bytes);
    case LX_CH_IPV6: return lx_text_to_ipv6(text, bytes);
    case LX_CH_DATE:
    case LX_CH_DATE32:
    case LX_CH_DATETIME:
    case LX_CH_DATETIME64: return time_leaf_of_text(leaf, text, bytes);
    case LX_CH_ENUM8:
    case LX_CH_ENUM16:
        return lx_enum_find(leaf->type, leaf->by_name, text, &value) &&
               put_signed(value, leaf->width, bytes);
    case LX_CH_DECIMAL: return lx_bigint_of_text(text, leaf->width, true, leaf->scale, bytes);
    default: return integer_of_text(leaf, text, bytes);
    }
}
