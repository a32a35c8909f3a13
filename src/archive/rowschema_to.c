/* rowschema_to.c: values from ClickHouse's bytes to the file's. A column at a time, the map decided
 * once; columns whose bytes are the same pass untouched. */
#include "archive/rowschema_map.h"
#include "archive/rowschema_raw.h"
#include "archive/rowschema_text.h"
#include "base/alloc.h"
#include "base/bigint.h"
#include "base/limits.h"
#include "base/utf8.h"

#include <stdlib.h>

/* A text that is not UTF-8: its true bytes go to `_lynex_raw`. */
struct bad_text {
    int64_t row;
    size_t field;
    struct lx_str bytes;
};

struct lx_to_file {
    const struct lx_row_schema *schema;
    struct lx_column *made;  /* one a field, and `_lynex_raw` */
    struct lx_column *plain; /* one a field: a DICT column written out */
    struct lx_column *names; /* one a field: dictionary of an enum's names */
    uint32_t **enum_of;      /* one a field: Enum8 by byte, or NULL */
    const struct lx_column **columns;
    struct lx_raw_keys keys;
    struct bad_text *bad;
    size_t bad_count, bad_cap;
    int64_t raw_rows;
};

/* -- creation ------------------------------------------------------------------------------ */

void lx_to_file_free(struct lx_to_file *to)
{
    if (to == NULL)
        return;
    size_t count = to->schema->field_count;
    for (size_t i = 0; i <= count; i++) {
        if (to->made != NULL) {
            if (i < count && to->schema->fields[i].map == LX_MAP_ENUM)
                to->made[i].dict = NULL; /* belongs to `names` */
            lx_column_free(&to->made[i]);
        }
        if (to->plain != NULL && i < count)
            lx_column_free(&to->plain[i]);
        if (to->names != NULL && i < count)
            lx_column_free(&to->names[i]);
    }
    lx_free(to->made);
    lx_free(to->plain);
    lx_free(to->names);
    lx_free(to->columns);
    lx_free(to->bad);
    lx_raw_keys_free(&to->keys);
    lx_free(to);
}

static enum lx_status init_column(struct lx_to_file *to, size_t i)
{
    const struct lx_field *field = &to->schema->fields[i];
    uint32_t width = lx_map_file_width(field);
    lx_column_init(&to->made[i], width != 0 ? LX_COLUMN_FIXED : LX_COLUMN_BYTES, width);
    lx_column_init(&to->plain[i], LX_COLUMN_BYTES, 0);
    lx_column_init(&to->names[i], LX_COLUMN_BYTES, 0);
    if (field->map != LX_MAP_ENUM)
        return LX_OK;
    lx_column_init(&to->made[i], LX_COLUMN_DICT, 0);
    to->made[i].dict = &to->names[i];
    for (size_t e = 0; e < field->type.enum_count; e++)
        LX_TRY(lx_column_append(&to->names[i], field->type.enums[e].name,
                                field->type.enums[e].name_len));
    return LX_OK;
}

enum lx_status lx_to_file_create(const struct lx_row_schema *schema, struct lx_to_file **out,
                                 struct lx_err *err)
{
    size_t count = schema->field_count;
    struct lx_to_file *to = lx_calloc(1, sizeof *to);
    if (to == NULL)
        return lx_err_memory(err);
    to->schema = schema;
    to->made = lx_calloc(count + 1, sizeof *to->made);
    to->plain = lx_calloc(count, sizeof *to->plain);
    to->names = lx_calloc(count, sizeof *to->names);
    to->columns = lx_calloc(count + 1, sizeof(const struct lx_column *));
    enum lx_status status = LX_OK;
    if (to->made == NULL || to->plain == NULL || to->names == NULL || to->columns == NULL)
        status = LX_E_MEMORY;
    for (size_t i = 0; status == LX_OK && i < count; i++)
        status = init_column(to, i);
    if (status == LX_OK) {
        lx_column_init(&to->made[count], LX_COLUMN_BYTES, 0);
        status = lx_raw_keys_make(schema, &to->keys);
    }
    if (status != LX_OK) {
        lx_to_file_free(to);
        return lx_err_set(err, status, "the conversion of rows cannot be set up");
    }
    *out = to;
    return LX_OK;
}

/* -- texts --------------------------------------------------------------------------------- */

/* All values at once: the bytes together are UTF-8, and no value begins within a character. */
static bool all_valid(const struct lx_column *text)
{
    size_t size = text->rows > 0 ? text->offsets[text->rows] : 0;
    if (text->rows > 0 && text->offsets[0] != 0)
        return false; /* a slice: looked at value by value */
    if (!lx_utf8_is_valid(text->values, size))
        return false;
    for (int64_t i = 0; i < text->rows; i++)
        if (text->offsets[i] < size && (text->values[text->offsets[i]] & 0xc0) == 0x80)
            return false;
    return true;
}

static enum lx_status note_bad(struct lx_to_file *to, size_t field, int64_t row,
                               struct lx_str bytes)
{
    if (to->bad_count == to->bad_cap) {
        size_t cap = to->bad_cap != 0 ? to->bad_cap * 2 : 64;
        struct bad_text *grown = lx_realloc(to->bad, cap * sizeof *grown);
        if (grown == NULL)
            return LX_E_MEMORY;
        to->bad = grown;
        to->bad_cap = cap;
    }
    to->bad[to->bad_count++] = (struct bad_text){row, field, bytes};
    return LX_OK;
}

/* Copies the texts, repaired where they must be; bad ones are noted. The noted bytes are the sent
 * column's, which stays as it is while it is converted. */
static enum lx_status repair(struct lx_to_file *to, size_t field, const struct lx_column *sent,
                             struct lx_column *made)
{
    struct lx_buf fixed = LX_BUF(LX_MAX_COLUMN_HEAP);
    enum lx_status status = LX_OK;
    for (int64_t row = 0; status == LX_OK && row < sent->rows; row++) {
        struct lx_str value = lx_column_value(sent, row);
        if (lx_column_is_null(sent, row)) {
            status = lx_column_append_null(made);
            continue;
        }
        if (lx_utf8_is_valid(value.ptr, value.len)) {
            status = lx_column_append(made, value.ptr, value.len);
            continue;
        }
        lx_buf_clear(&fixed);
        status = lx_utf8_repair(&fixed, value.ptr, value.len);
        if (status == LX_OK)
            status = lx_column_append(made, fixed.data, fixed.len);
        if (status == LX_OK)
            status = note_bad(to, field, row, value);
    }
    lx_buf_free(&fixed);
    return status;
}

static enum lx_status convert_text(struct lx_to_file *to, size_t field,
                                   const struct lx_column *sent, const struct lx_column **out)
{
    const struct lx_column *text = sent->shape == LX_COLUMN_DICT ? sent->dict : sent;
    if (text->shape != LX_COLUMN_BYTES)
        return LX_E_FORMAT;
    *out = sent;
    if (all_valid(text))
        return LX_OK;
    lx_column_clear(&to->made[field]);
    *out = &to->made[field];
    return repair(to, field, sent, &to->made[field]);
}

/* -- numbers to text ----------------------------------------------------------------------- */

/* Appends a text of at most `most` bytes that `size` says were written at the column's end. */
static char *text_room(struct lx_column *made, size_t most, enum lx_status *status)
{
    *status = lx_column_reserve(made, 1);
    if (*status == LX_OK)
        *status = lx_column_reserve_bytes(made, most);
    return *status == LX_OK ? (char *)made->values + made->offsets[made->rows] : NULL;
}

static void text_done(struct lx_column *made, size_t size)
{
    made->offsets[made->rows + 1] = made->offsets[made->rows] + (uint32_t)size;
    if (made->nulls != NULL)
        made->nulls[made->rows] = 0;
    made->rows++;
}

static enum lx_status uuids(const struct lx_column *sent, struct lx_column *made)
{
    LX_TRY(lx_column_reserve(made, (size_t)sent->rows));
    LX_TRY(lx_column_reserve_bytes(made, (size_t)sent->rows * LX_UUID_TEXT));
    uint32_t *offsets = made->offsets;
    char *text = (char *)made->values;
    for (int64_t i = 0; i < sent->rows; i++) {
        bool null = lx_column_is_null(sent, i);
        if (!null)
            lx_text_of_uuid(sent->values + i * 16, text + offsets[i]);
        offsets[i + 1] = offsets[i] + (null ? 0 : LX_UUID_TEXT);
    }
    made->rows = sent->rows;
    return LX_OK;
}

static enum lx_status other_texts(const struct lx_field *field, const struct lx_column *sent,
                                  struct lx_column *made)
{
    bool is_signed = field->type.kind != LX_CH_UINT128 && field->type.kind != LX_CH_UINT256;
    for (int64_t i = 0; i < sent->rows; i++) {
        const uint8_t *value = sent->values + (size_t)i * sent->width;
        enum lx_status status;
        size_t size = 0;
        char *text = text_room(made, LX_BIGINT_TEXT, &status);
        LX_TRY(status);
        if (!lx_column_is_null(sent, i)) {
            if (field->map == LX_MAP_IPV4)
                size = lx_text_of_ipv4(value, text);
            else if (field->map == LX_MAP_IPV6)
                size = lx_text_of_ipv6(value, text);
            else
                size = lx_bigint_to_text(value, sent->width, is_signed, field->type.scale, text);
        }
        text_done(made, size);
    }
    return LX_OK;
}

static enum lx_status binaries(const struct lx_column *sent, struct lx_column *made)
{
    for (int64_t i = 0; i < sent->rows; i++) {
        struct lx_str value = lx_column_value(sent, i);
        LX_TRY(lx_column_append(made, value.ptr, lx_column_is_null(sent, i) ? 0 : value.len));
    }
    return LX_OK;
}

/* -- enums --------------------------------------------------------------------------------- */

static enum lx_status enums(const struct lx_field *field, const struct lx_column *sent,
                            struct lx_column *made, int64_t *bad_row)
{
    const struct lx_ch_enum *all = field->type.enums;
    LX_TRY(lx_column_reserve(made, (size_t)sent->rows));
    for (int64_t i = 0; i < sent->rows; i++) {
        int32_t value = sent->width == 1 ? (int8_t)sent->values[i] : 0;
        if (sent->width == 2) {
            int16_t two;
            memcpy(&two, sent->values + i * 2, 2);
            value = two;
        }
        size_t low = 0, high = field->type.enum_count;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (all[middle].value < value)
                low = middle + 1;
            else
                high = middle;
        }
        bool found = low < field->type.enum_count && all[low].value == value;
        if (!found && !lx_column_is_null(sent, i)) {
            *bad_row = i;
            return LX_E_UNSUPPORTED;
        }
        made->indexes[i] = found ? (uint32_t)low : 0;
    }
    made->rows = sent->rows;
    return LX_OK;
}

/* -- numbers ------------------------------------------------------------------------------- */

/* A loop a pair of types, so that the compiler makes straight code of each. */
#define WIDEN(name, from_type, to_type)                                                            \
    static void name(const struct lx_column *sent, uint8_t *to)                                    \
    {                                                                                              \
        for (int64_t i = 0; i < sent->rows; i++) {                                                 \
            from_type from;                                                                        \
            memcpy(&from, sent->values + (size_t)i * sizeof from, sizeof from);                    \
            to_type wide = (to_type)from;                                                          \
            memcpy(to + (size_t)i * sizeof wide, &wide, sizeof wide);                              \
        }                                                                                          \
    }
WIDEN(widen_int8, int8_t, int32_t)
WIDEN(widen_int16, int16_t, int32_t)
WIDEN(widen_uint8, uint8_t, int32_t)
WIDEN(widen_uint16, uint16_t, int32_t)
WIDEN(widen_uint32, uint32_t, int64_t)

static void scale_seconds(const struct lx_column *sent, int64_t factor, uint8_t *to)
{
    for (int64_t i = 0; i < sent->rows; i++) {
        uint32_t seconds;
        memcpy(&seconds, sent->values + i * 4, 4);
        int64_t scaled = (int64_t)seconds * factor;
        memcpy(to + i * 8, &scaled, 8);
    }
}

static enum lx_status scale_ticks(const struct lx_column *sent, int64_t factor, uint8_t *to,
                                  int64_t *bad_row)
{
    for (int64_t i = 0; i < sent->rows; i++) {
        int64_t ticks, scaled;
        memcpy(&ticks, sent->values + i * 8, 8);
        if (__builtin_mul_overflow(ticks, factor, &scaled)) {
            *bad_row = i;
            return LX_E_UNSUPPORTED;
        }
        memcpy(to + i * 8, &scaled, 8);
    }
    return LX_OK;
}

/* The lowest `width` bytes, turned round; one more byte of zero in front of a UInt64. */
static void big_endian(const struct lx_column *sent, size_t width, uint8_t *to)
{
    for (int64_t i = 0; i < sent->rows; i++, to += width) {
        const uint8_t *from = sent->values + (size_t)i * sent->width;
        for (size_t b = 0; b < width; b++)
            to[width - 1 - b] = b < sent->width ? from[b] : 0;
    }
}

static enum lx_status numbers(const struct lx_field *field, bool micros,
                              const struct lx_column *sent, struct lx_column *made,
                              int64_t *bad_row)
{
    LX_TRY(lx_column_reserve(made, (size_t)sent->rows));
    switch (field->map) {
    case LX_MAP_INT8: widen_int8(sent, made->values); break;
    case LX_MAP_INT16: widen_int16(sent, made->values); break;
    case LX_MAP_UINT8: widen_uint8(sent, made->values); break;
    case LX_MAP_UINT16: widen_uint16(sent, made->values); break;
    case LX_MAP_UINT32: widen_uint32(sent, made->values); break;
    case LX_MAP_UINT64:
    case LX_MAP_DECIMAL: big_endian(sent, made->width, made->values); break;
    case LX_MAP_SECONDS:
        scale_seconds(sent, lx_map_factor(&field->type, micros), made->values);
        break;
    case LX_MAP_TICKS:
        LX_TRY(scale_ticks(sent, lx_map_factor(&field->type, micros), made->values, bad_row));
        break;
    default: return LX_E_BUG;
    }
    made->rows = sent->rows;
    return LX_OK;
}

/* -- a column ------------------------------------------------------------------------------ */

static bool right_shape(const struct lx_field *field, const struct lx_column *sent)
{
    const struct lx_column *plain = sent->shape == LX_COLUMN_DICT ? sent->dict : sent;
    if (plain == NULL)
        return false;
    return field->sent.width != 0
               ? plain->shape == LX_COLUMN_FIXED && plain->width == field->sent.width
               : plain->shape == LX_COLUMN_BYTES;
}

static enum lx_status write_out(struct lx_column *plain, const struct lx_column *sent)
{
    const struct lx_column *values = sent->dict;
    if (plain->shape != values->shape || plain->width != values->width) {
        lx_column_free(plain);
        lx_column_init(plain, values->shape, values->width);
    }
    lx_column_clear(plain);
    return lx_column_append_range(plain, sent, 0, sent->rows);
}

static enum lx_status copy_nulls(const struct lx_column *sent, struct lx_column *made)
{
    if (sent->nulls == NULL)
        return LX_OK;
    int64_t rows = made->rows;
    made->rows = 0; /* the flags are of rows that are there already */
    enum lx_status status = lx_column_reserve_nulls(made, (size_t)rows);
    made->rows = rows;
    if (status == LX_OK)
        memcpy(made->nulls, sent->nulls, (size_t)rows);
    return status;
}

static enum lx_status convert(struct lx_to_file *to, size_t i, const struct lx_column *sent,
                              int64_t *bad_row)
{
    const struct lx_field *field = &to->schema->fields[i];
    struct lx_column *made = &to->made[i];
    if (!right_shape(field, sent))
        return LX_E_FORMAT;
    if (field->map == LX_MAP_TEXT || field->map == LX_MAP_JSON)
        return convert_text(to, i, sent, &to->columns[i]);
    bool wide_binary = field->map == LX_MAP_BINARY && field->sent.width == 0;
    if (field->map == LX_MAP_SAME || field->map == LX_MAP_BOOL || wide_binary) {
        to->columns[i] = sent;
        return LX_OK;
    }
    if (sent->shape == LX_COLUMN_DICT) {
        LX_TRY(write_out(&to->plain[i], sent));
        sent = &to->plain[i];
    }
    lx_column_clear(made);
    to->columns[i] = made;
    switch (field->map) {
    case LX_MAP_UUID: LX_TRY(uuids(sent, made)); break;
    case LX_MAP_IPV4:
    case LX_MAP_IPV6:
    case LX_MAP_BIGINT: LX_TRY(other_texts(field, sent, made)); break;
    case LX_MAP_BINARY: LX_TRY(binaries(sent, made)); break;
    case LX_MAP_ENUM: LX_TRY(enums(field, sent, made, bad_row)); break;
    default: LX_TRY(numbers(field, to->schema->micros, sent, made, bad_row)); break;
    }
    return copy_nulls(sent, made);
}

/* -- `_lynex_raw` -------------------------------------------------------------------------- */

static int by_row(const void *a, const void *b)
{
    const struct bad_text *x = a, *y = b;
    if (x->row != y->row)
        return x->row < y->row ? -1 : 1;
    return x->field < y->field ? -1 : x->field > y->field;
}

static enum lx_status all_null(struct lx_column *raw, int64_t rows)
{
    LX_TRY(lx_column_reserve(raw, (size_t)rows));
    LX_TRY(lx_column_reserve_nulls(raw, (size_t)rows));
    memset(raw->nulls, 1, (size_t)rows);
    memset(raw->offsets, 0, ((size_t)rows + 1) * sizeof *raw->offsets);
    raw->rows = rows;
    return LX_OK;
}

static enum lx_status make_raw(struct lx_to_file *to, int64_t rows)
{
    struct lx_column *raw = &to->made[to->schema->field_count];
    struct lx_buf object = LX_BUF(LX_MAX_COLUMN_HEAP);
    enum lx_status status = LX_OK;
    size_t next = 0;
    lx_column_clear(raw);
    to->raw_rows = 0;
    if (to->bad_count == 0)
        return all_null(raw, rows);
    qsort(to->bad, to->bad_count, sizeof *to->bad, by_row);
    for (int64_t row = 0; status == LX_OK && row < rows; row++) {
        if (next == to->bad_count || to->bad[next].row != row) {
            status = lx_column_append_null(raw);
            continue;
        }
        lx_buf_clear(&object);
        for (bool first = true; status == LX_OK && next < to->bad_count && to->bad[next].row == row;
             next++, first = false)
            status =
                lx_raw_put(&to->keys, to->bad[next].field, first, to->bad[next].bytes, &object);
        if (status == LX_OK)
            status = lx_buf_byte(&object, '}');
        if (status == LX_OK)
            status = lx_column_append(raw, object.data, object.len);
        to->raw_rows++;
    }
    lx_buf_free(&object);
    return status;
}

int64_t lx_to_file_raw_rows(const struct lx_to_file *to)
{
    return to->raw_rows;
}

enum lx_status lx_to_file_convert(struct lx_to_file *to, const struct lx_column *const *sent,
                                  int64_t rows, const struct lx_column *const **columns,
                                  struct lx_err *err)
{
    size_t count = to->schema->field_count;
    to->bad_count = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t bad_row = -1;
        const struct lx_field *field = &to->schema->fields[i];
        enum lx_status status =
            sent[i]->rows == rows ? convert(to, i, sent[i], &bad_row) : LX_E_FORMAT;
        if (status == LX_E_UNSUPPORTED)
            return lx_err_set(err, status,
                              "the column %s of type %s holds a value in row %lld of the "
                              "block that the file's type cannot hold",
                              field->name, field->type.text, (long long)bad_row);
        if (status != LX_OK)
            return lx_err_set(err, status, "the column %s of type %s cannot be converted: %s",
                              field->name, field->type.text, lx_status_text(status));
    }
    enum lx_status status = make_raw(to, rows);
    if (status != LX_OK)
        return lx_err_set(err, status, "true bytes of texts that are not UTF-8 cannot be kept: %s",
                          lx_status_text(status));
    to->columns[count] = &to->made[count];
    *columns = to->columns;
    return LX_OK;
}
