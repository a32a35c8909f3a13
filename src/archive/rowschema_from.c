/* rowschema_from.c: values from the file's bytes back to ClickHouse's, strictly: a text or number
 * that is no value of its type is damage, not a guess. */
#include "archive/rowschema_map.h"
#include "archive/rowschema_raw.h"
#include "archive/rowschema_text.h"
#include "base/alloc.h"
#include "base/bigint.h"
#include "base/limits.h"

struct lx_from_file {
    const struct lx_row_schema *schema;
    struct lx_column *made;
    struct lx_column *entries; /* one a field: converted entries of a dictionary */
    const struct lx_column **sent;
    uint32_t **by_name; /* of enums */
    struct lx_raw_keys keys;
    bool *patched; /* fields that have true bytes in this block */
};

void lx_from_file_free(struct lx_from_file *from)
{
    if (from == NULL)
        return;
    for (size_t i = 0; i < from->schema->field_count; i++) {
        if (from->made != NULL)
            lx_column_free(&from->made[i]);
        if (from->entries != NULL)
            lx_column_free(&from->entries[i]);
        if (from->by_name != NULL)
            lx_free(from->by_name[i]);
    }
    lx_free(from->made);
    lx_free(from->entries);
    lx_free(from->by_name);
    lx_free(from->sent);
    lx_free(from->patched);
    lx_raw_keys_free(&from->keys);
    lx_free(from);
}

static enum lx_status init_field(struct lx_from_file *from, size_t i)
{
    const struct lx_field *field = &from->schema->fields[i];
    uint32_t width = field->sent.width;
    lx_column_init(&from->made[i], width != 0 ? LX_COLUMN_FIXED : LX_COLUMN_BYTES, width);
    lx_column_init(&from->entries[i], from->made[i].shape, width);
    if (field->map != LX_MAP_ENUM)
        return LX_OK;
    from->by_name[i] = lx_enum_index(&field->type);
    return from->by_name[i] != NULL ? LX_OK : LX_E_MEMORY;
}

enum lx_status lx_from_file_create(const struct lx_row_schema *schema, struct lx_from_file **out,
                                   struct lx_err *err)
{
    size_t count = schema->field_count;
    struct lx_from_file *from = lx_calloc(1, sizeof *from);
    if (from == NULL)
        return lx_err_memory(err);
    from->schema = schema;
    from->made = lx_calloc(count, sizeof *from->made);
    from->entries = lx_calloc(count, sizeof *from->entries);
    from->by_name = lx_calloc(count, sizeof(uint32_t *));
    from->sent = lx_calloc(count, sizeof(const struct lx_column *));
    from->patched = lx_calloc(count, sizeof *from->patched);
    enum lx_status status = LX_OK;
    if (from->made == NULL || from->entries == NULL || from->by_name == NULL ||
        from->sent == NULL || from->patched == NULL)
        status = LX_E_MEMORY;
    for (size_t i = 0; status == LX_OK && i < count; i++)
        status = init_field(from, i);
    if (status == LX_OK)
        status = lx_raw_keys_make(schema, &from->keys);
    if (status != LX_OK) {
        lx_from_file_free(from);
        return lx_err_set(err, status, "the reading back of rows cannot be set up");
    }
    *out = from;
    return LX_OK;
}

/* -- values -------------------------------------------------------------------------------- */

static enum lx_status texts_back(const struct lx_from_file *from, size_t f,
                                 const struct lx_column *file, struct lx_column *made,
                                 int64_t *bad_row)
{
    const struct lx_field *field = &from->schema->fields[f];
    bool is_signed = field->type.kind != LX_CH_UINT128 && field->type.kind != LX_CH_UINT256;
    LX_TRY(lx_column_reserve(made, (size_t)file->rows));
    for (int64_t i = 0; i < file->rows; i++) {
        struct lx_str text = lx_column_value(file, i);
        uint8_t *value = made->values + (size_t)i * made->width;
        int32_t number = 0;
        bool good;
        *bad_row = i;
        if (lx_column_is_null(file, i)) {
            memset(value, 0, made->width);
            continue;
        }
        switch (field->map) {
        case LX_MAP_UUID:
            good = text.len == LX_UUID_TEXT && lx_text_to_uuid(text.ptr, value);
            break;
        case LX_MAP_IPV4: good = lx_text_to_ipv4(text, value); break;
        case LX_MAP_IPV6: good = lx_text_to_ipv6(text, value); break;
        case LX_MAP_ENUM:
            good = lx_enum_find(&field->type, from->by_name[f], text, &number);
            memcpy(value, &number, made->width); /* little-endian: the low bytes */
            break;
        case LX_MAP_BINARY:
            good = text.len == made->width;
            if (good)
                memcpy(value, text.ptr, text.len);
            break;
        default:
            good = lx_bigint_of_text(text, made->width, is_signed, field->type.scale, value);
            break;
        }
        if (!good)
            return LX_E_CORRUPT;
    }
    made->rows = file->rows;
    return LX_OK;
}

/* Narrower again; what does not fit was never written. */
#define NARROW(name, from_type, to_type)                                                           \
    static enum lx_status name(const struct lx_column *file, uint8_t *to, int64_t *bad_row)        \
    {                                                                                              \
        for (int64_t i = 0; i < file->rows; i++) {                                                 \
            from_type wide;                                                                        \
            memcpy(&wide, file->values + (size_t)i * sizeof wide, sizeof wide);                    \
            to_type narrow = (to_type)wide;                                                        \
            *bad_row = i;                                                                          \
            if ((from_type)narrow != wide)                                                         \
                return LX_E_CORRUPT;                                                               \
            memcpy(to + (size_t)i * sizeof narrow, &narrow, sizeof narrow);                        \
        }                                                                                          \
        return LX_OK;                                                                              \
    }
NARROW(narrow_int8, int32_t, int8_t)
NARROW(narrow_int16, int32_t, int16_t)
NARROW(narrow_uint8, int32_t, uint8_t)
NARROW(narrow_uint16, int32_t, uint16_t)
NARROW(narrow_uint32, int64_t, uint32_t)

static enum lx_status unscale(const struct lx_column *file, int64_t factor, uint32_t width,
                              uint8_t *to, int64_t *bad_row)
{
    for (int64_t i = 0; i < file->rows; i++) {
        int64_t scaled;
        memcpy(&scaled, file->values + i * 8, 8);
        int64_t value = scaled / factor;
        *bad_row = i;
        if (value * factor != scaled || (width == 4 && (value < 0 || value > UINT32_MAX)))
            return LX_E_CORRUPT;
        memcpy(to + (size_t)i * width, &value, width);
    }
    return LX_OK;
}

/* Big-endian, sign extended; of a UInt64 the first byte must be zero. */
static enum lx_status little_endian(const struct lx_column *file, uint32_t width, uint8_t *to,
                                    int64_t *bad_row)
{
    for (int64_t i = 0; i < file->rows; i++, to += width) {
        const uint8_t *big = file->values + (size_t)i * file->width;
        uint8_t sign = (big[0] & 0x80) != 0 ? 0xff : 0;
        *bad_row = i;
        if (file->width > width && big[0] != 0)
            return LX_E_CORRUPT;
        for (uint32_t b = 0; b < width; b++)
            to[b] = b < file->width ? big[file->width - 1 - b] : sign;
    }
    return LX_OK;
}

static enum lx_status booleans(const struct lx_column *file, uint8_t *to, int64_t *bad_row)
{
    for (int64_t i = 0; i < file->rows; i++) {
        *bad_row = i;
        if (file->values[i] > 1)
            return LX_E_CORRUPT;
        to[i] = file->values[i];
    }
    return LX_OK;
}

static enum lx_status numbers_back(const struct lx_from_file *from, size_t f,
                                   const struct lx_column *file, struct lx_column *made,
                                   int64_t *bad_row)
{
    const struct lx_field *field = &from->schema->fields[f];
    int64_t factor = lx_map_factor(&field->type, from->schema->micros);
    LX_TRY(lx_column_reserve(made, (size_t)file->rows));
    switch (field->map) {
    case LX_MAP_INT8: LX_TRY(narrow_int8(file, made->values, bad_row)); break;
    case LX_MAP_INT16: LX_TRY(narrow_int16(file, made->values, bad_row)); break;
    case LX_MAP_UINT8: LX_TRY(narrow_uint8(file, made->values, bad_row)); break;
    case LX_MAP_UINT16: LX_TRY(narrow_uint16(file, made->values, bad_row)); break;
    case LX_MAP_UINT32: LX_TRY(narrow_uint32(file, made->values, bad_row)); break;
    case LX_MAP_UINT64:
    case LX_MAP_DECIMAL: LX_TRY(little_endian(file, made->width, made->values, bad_row)); break;
    case LX_MAP_SECONDS: LX_TRY(unscale(file, factor, 4, made->values, bad_row)); break;
    case LX_MAP_TICKS: LX_TRY(unscale(file, factor, 8, made->values, bad_row)); break;
    case LX_MAP_BOOL: LX_TRY(booleans(file, made->values, bad_row)); break;
    default: return LX_E_BUG;
    }
    made->rows = file->rows;
    return LX_OK;
}

/* -- a column ------------------------------------------------------------------------------ */

static bool right_shape(const struct lx_field *field, const struct lx_column *file)
{
    const struct lx_column *plain = file->shape == LX_COLUMN_DICT ? file->dict : file;
    uint32_t width = lx_map_file_width(field);
    if (plain == NULL)
        return false;
    return width != 0 ? plain->shape == LX_COLUMN_FIXED && plain->width == width
                      : plain->shape == LX_COLUMN_BYTES;
}

static bool is_text(const struct lx_field *field)
{
    switch (field->map) {
    case LX_MAP_UUID:
    case LX_MAP_IPV4:
    case LX_MAP_IPV6:
    case LX_MAP_ENUM:
    case LX_MAP_BINARY:
    case LX_MAP_BIGINT: return true;
    default: return false;
    }
}

static enum lx_status copy_nulls(const struct lx_column *file, struct lx_column *made)
{
    if (file->nulls == NULL)
        return LX_OK;
    int64_t rows = made->rows;
    made->rows = 0;
    enum lx_status status = lx_column_reserve_nulls(made, (size_t)rows);
    made->rows = rows;
    if (status == LX_OK)
        memcpy(made->nulls, file->nulls, (size_t)rows);
    return status;
}

static enum lx_status back(const struct lx_from_file *from, size_t f, const struct lx_column *file,
                           struct lx_column *made, int64_t *bad_row)
{
    lx_column_clear(made);
    return is_text(&from->schema->fields[f]) ? texts_back(from, f, file, made, bad_row)
                                             : numbers_back(from, f, file, made, bad_row);
}

/* Converts the entries of the dictionary, then writes them out by index. */
static enum lx_status back_dict(struct lx_from_file *from, size_t f, const struct lx_column *file,
                                int64_t *bad_row)
{
    struct lx_column *entries = &from->entries[f], *made = &from->made[f];
    LX_TRY(back(from, f, file->dict, entries, bad_row));
    lx_column_clear(made);
    const struct lx_column indexed = {.shape = LX_COLUMN_DICT,
                                      .rows = file->rows,
                                      .nulls = file->nulls,
                                      .indexes = file->indexes,
                                      .dict = entries};
    return lx_column_append_range(made, &indexed, 0, file->rows);
}

static enum lx_status write_out(struct lx_column *made, const struct lx_column *file)
{
    lx_column_clear(made);
    return lx_column_append_range(made, file, 0, file->rows);
}

static enum lx_status convert(struct lx_from_file *from, size_t f, const struct lx_column *file,
                              int64_t *bad_row)
{
    const struct lx_field *field = &from->schema->fields[f];
    if (!right_shape(field, file))
        return LX_E_CORRUPT;
    from->sent[f] = file;
    if (field->map == LX_MAP_TEXT || field->map == LX_MAP_JSON ||
        (field->map == LX_MAP_BINARY && field->sent.width == 0))
        return LX_OK;
    from->sent[f] = &from->made[f];
    if (field->map == LX_MAP_SAME) {
        if (file->shape == LX_COLUMN_DICT)
            return write_out(&from->made[f], file);
        from->sent[f] = file;
        return LX_OK;
    }
    if (file->shape == LX_COLUMN_DICT)
        return back_dict(from, f, file, bad_row);
    LX_TRY(back(from, f, file, &from->made[f], bad_row));
    return copy_nulls(file, &from->made[f]);
}

/* -- true bytes ---------------------------------------------------------------------------- */

/* Replaces the text of one row. Rare, so it may cost: the column is copied up to here once. */
struct patching {
    struct lx_from_file *from;
    int64_t *done; /* of each field: rows of `made` that are final */
};

static enum lx_status patch(struct patching *p, size_t f, int64_t row, struct lx_str bytes)
{
    struct lx_from_file *from = p->from;
    struct lx_column *made = &from->made[f];
    const struct lx_column *file = from->sent[f];
    if (from->schema->fields[f].map != LX_MAP_TEXT && from->schema->fields[f].map != LX_MAP_JSON)
        return LX_E_FORMAT;
    if (!from->patched[f]) {
        from->patched[f] = true;
        lx_column_clear(made);
        p->done[f] = 0;
    }
    if (lx_column_is_null(file, row) || row < p->done[f])
        return LX_E_FORMAT;
    LX_TRY(lx_column_append_range(made, file, p->done[f], row - p->done[f]));
    LX_TRY(lx_column_append(made, bytes.ptr, bytes.len));
    p->done[f] = row + 1;
    return LX_OK;
}

static enum lx_status patch_row(struct patching *p, int64_t row, struct lx_str object,
                                struct lx_buf *bytes)
{
    size_t field = SIZE_MAX;
    for (;;) {
        bool more = false;
        lx_buf_clear(bytes);
        LX_TRY(lx_raw_take(&p->from->keys, &object, &field, &more, bytes));
        if (!more)
            return LX_OK;
        LX_TRY(patch(p, field, row, lx_buf_view(bytes)));
    }
}

static enum lx_status patch_all(struct lx_from_file *from, const struct lx_column *raw,
                                int64_t rows, int64_t *bad_row)
{
    struct lx_buf bytes = LX_BUF(LX_MAX_COLUMN_HEAP);
    struct patching p = {.from = from};
    size_t count = from->schema->field_count;
    p.done = lx_calloc(count, sizeof *p.done);
    enum lx_status status = p.done != NULL ? LX_OK : LX_E_MEMORY;
    memset(from->patched, 0, count * sizeof *from->patched);
    for (int64_t row = 0; status == LX_OK && row < rows; row++) {
        *bad_row = row;
        if (!lx_column_is_null(raw, row))
            status = patch_row(&p, row, lx_column_value(raw, row), &bytes);
    }
    for (size_t f = 0; status == LX_OK && f < count; f++) {
        if (!from->patched[f])
            continue;
        status = lx_column_append_range(&from->made[f], from->sent[f], p.done[f], rows - p.done[f]);
        from->sent[f] = &from->made[f];
    }
    lx_free(p.done);
    lx_buf_free(&bytes);
    return status;
}

static bool has_raw(const struct lx_column *raw, int64_t rows)
{
    if (raw == NULL)
        return false;
    for (int64_t i = 0; i < rows; i++)
        if (!lx_column_is_null(raw, i))
            return true;
    return false;
}

struct converting {
    struct lx_from_file *from;
    const struct lx_column *const *columns;
    int64_t rows;
};

static enum lx_status convert_field(void *context, size_t index, struct lx_err *err)
{
    const struct converting *c = context;
    const struct lx_field *field = &c->from->schema->fields[index];
    int64_t bad_row = 0;
    enum lx_status status = c->columns[index]->rows == c->rows
                                ? convert(c->from, index, c->columns[index], &bad_row)
                                : LX_E_CORRUPT;
    if (status == LX_OK)
        return LX_OK;
    return lx_err_set(err, status, "column %s, row %lld of the batch: no value of the type %s",
                      field->name, (long long)bad_row, field->type.text);
}

enum lx_status lx_from_file_convert(struct lx_from_file *from, struct lx_pool *pool,
                                    const struct lx_column *const *columns, int64_t rows,
                                    const struct lx_column *const **sent, struct lx_err *err)
{
    size_t count = from->schema->field_count;
    const struct lx_column *raw = columns[count];
    struct converting converting = {from, columns, rows};
    int64_t bad_row = 0;
    LX_TRY(lx_pool_for(pool, count, convert_field, &converting, err));
    if (has_raw(raw, rows)) {
        enum lx_status status = patch_all(from, raw, rows, &bad_row);
        if (status != LX_OK)
            return lx_err_set(err, status == LX_E_FORMAT ? LX_E_CORRUPT : status,
                              "column " LX_RAW_COLUMN
                              ", row %lld of the batch: not what was written",
                              (long long)bad_row);
    }
    *sent = from->sent;
    return LX_OK;
}
