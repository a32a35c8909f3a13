/* ch_native_column.c: the values of one column of a block.
 *
 * Fixed widths are read in large pieces straight into the column. Texts are scanned out of the
 * reader's buffer; long ones go straight to their place. The slots of NULLs are emptied, whatever
 * the server left there. */
#include "base/alloc.h"
#include "clickhouse/ch_native.h"

/* Memory that is set aside before its bytes have arrived, at most. */
#define PIECE (16 * LX_MIB)
/* Short texts are copied by this many bytes at once, whatever their length. */
#define SHORT 32

bool lx_ch_native_can_read(const struct lx_ch_type *type)
{
    if (type->kind <= LX_CH_NOTHING)
        return true;
    /* Texts by output_format_native_write_json_as_string; and plain numbers. */
    return type->kind == LX_CH_JSON || type->width != 0;
}

/* Counts memory of the block against its limit. */
static enum lx_status charge(struct lx_ch_native *native, size_t bytes, struct lx_err *err)
{
    if (bytes <= native->max_block_bytes - native->used) {
        native->used += bytes;
        return LX_OK;
    }
    lx_err_set(err, LX_E_LIMIT, "the block needs more than the %zu MiB it may take",
               native->max_block_bytes / LX_MIB);
    lx_err_hint(err, "Give more memory (ARCHIVE_MEMORY_MB), or ask for fewer rows at once.");
    return LX_E_LIMIT;
}

static enum lx_status charge_rows(struct lx_ch_native *native, size_t rows, size_t width,
                                  struct lx_err *err)
{
    size_t bytes;
    if (__builtin_mul_overflow(rows, width, &bytes))
        bytes = SIZE_MAX;
    return charge(native, bytes, err);
}

static enum lx_status no_room(enum lx_status status, struct lx_err *err)
{
    if (status == LX_E_LIMIT)
        return lx_err_set(err, LX_E_LIMIT, "more text than a column of one block may hold");
    return lx_err_memory(err);
}

/* A column that is ready for a block: right shape, no rows. The caller may have taken the old
 * column's memory away. */
static void prepare(struct lx_column *column, enum lx_column_shape shape, uint32_t width)
{
    if (column->shape != shape || (shape == LX_COLUMN_FIXED && column->width != width)) {
        lx_column_free(column);
        lx_column_init(column, shape, width);
    }
    lx_column_clear(column);
}

static enum lx_status read_fixed(struct lx_ch_native *native, struct lx_column *column, size_t rows,
                                 struct lx_err *err)
{
    size_t width = column->width, step = PIECE / width;
    LX_TRY(charge_rows(native, rows, width, err));
    while (rows > 0) {
        size_t now = rows < step ? rows : step;
        enum lx_status status = lx_column_reserve(column, now);
        if (status != LX_OK)
            return no_room(status, err);
        LX_TRY(lx_ch_reader_bytes(native->reader, column->values + (size_t)column->rows * width,
                                  now * width, err));
        column->rows += (int64_t)now;
        rows -= now;
    }
    return LX_OK;
}

/* FixedStrings that are too wide for FIXED: texts of one length. */
static enum lx_status read_wide_fixed(struct lx_ch_native *native, struct lx_column *column,
                                      size_t rows, size_t width, struct lx_err *err)
{
    LX_TRY(charge_rows(native, rows, width + sizeof(uint32_t), err));
    for (size_t i = 0; i < rows; i++) {
        enum lx_status status = lx_column_reserve(column, 1);
        if (status == LX_OK)
            status = lx_column_reserve_bytes(column, width);
        if (status != LX_OK)
            return no_room(status, err);
        LX_TRY(lx_ch_reader_bytes(native->reader, column->values + column->offsets[i], width, err));
        column->offsets[i + 1] = column->offsets[i] + (uint32_t)width;
        column->rows++;
    }
    return LX_OK;
}

/* Room for `more` bytes of text and a short copy's overhang, behind `heap` bytes. The column has no
 * rows yet, so its own count of text bytes is 0. */
static enum lx_status heap_room(struct lx_ch_native *native, struct lx_column *column, size_t heap,
                                size_t more, struct lx_err *err)
{
    if (more <= column->values_cap && heap <= column->values_cap - more &&
        column->values_cap - heap - more >= SHORT)
        return LX_OK;
    if (heap + more > native->max_block_bytes - native->used)
        return charge(native, heap + more, err); /* fails; what fits is charged at the end */
    enum lx_status status = lx_column_reserve_bytes(column, heap + more + SHORT);
    return status == LX_OK ? LX_OK : no_room(status, err);
}

/* A text that is not wholly in the buffer. Grows with what arrives: a length is only a claim. */
static enum lx_status read_long(struct lx_ch_native *native, struct lx_column *column, size_t heap,
                                size_t size, struct lx_err *err)
{
    while (size > 0) {
        size_t now = size < PIECE ? size : PIECE;
        LX_TRY(heap_room(native, column, heap, now, err));
        LX_TRY(lx_ch_reader_bytes(native->reader, column->values + heap, now, err));
        heap += now;
        size -= now;
    }
    return LX_OK;
}

static enum lx_status skip_text(struct lx_ch_native *native, size_t size, struct lx_err *err)
{
    uint8_t dropped[1024];
    while (size > 0) {
        size_t now = size < sizeof dropped ? size : sizeof dropped;
        LX_TRY(lx_ch_reader_bytes(native->reader, dropped, now, err));
        size -= now;
    }
    return LX_OK;
}

/* One text the careful way: anywhere in the stream, of any length, NULL or not. */
static enum lx_status read_text(struct lx_ch_native *native, struct lx_column *column, bool null,
                                size_t *heap, struct lx_err *err)
{
    uint64_t size;
    LX_TRY(lx_ch_reader_varint(native->reader, &size, err));
    if (size > LX_MAX_COLUMN_HEAP)
        return lx_err_set(err, LX_E_FORMAT, "a text of %llu bytes", (unsigned long long)size);
    if (null)
        return skip_text(native, (size_t)size, err);
    LX_TRY(read_long(native, column, *heap, (size_t)size, err));
    *heap += (size_t)size;
    return LX_OK;
}

/* Texts that lie wholly in the buffer, from row `row` on; stops at the first that does not, that is
 * NULL, or that needs more room. Returns the next row. */
static size_t scan_texts(struct lx_ch_native *native, struct lx_column *column,
                         const uint8_t *nulls, size_t row, size_t rows, size_t *heap_used)
{
    const uint8_t *pos = native->reader->buffer + native->reader->pos;
    const uint8_t *end = native->reader->buffer + native->reader->fill;
    uint8_t *values = column->values;
    uint32_t *offsets = column->offsets;
    size_t heap = *heap_used, cap = column->values_cap;
    for (; row < rows; row++) {
        if (end - pos < SHORT + 3 || (nulls != NULL && nulls[row] != 0))
            break;
        size_t size = pos[0], head = 1;
        if (size >= 0x80) {
            size = (size & 0x7f) | (size_t)(pos[1] & 0x7f) << 7;
            head = 2;
            if (pos[1] >= 0x80) {
                if (pos[2] >= 0x80)
                    break;
                size |= (size_t)pos[2] << 14;
                head = 3;
            }
        }
        if (size > cap - heap || cap - heap - size < SHORT)
            break;
        if (size <= SHORT) {
            memcpy(values + heap, pos + head, SHORT);
        } else {
            if (size > (size_t)(end - pos) - head)
                break;
            memcpy(values + heap, pos + head, size);
        }
        pos += head + size;
        heap += size;
        offsets[row + 1] = (uint32_t)heap;
    }
    native->reader->pos = (size_t)(pos - native->reader->buffer);
    *heap_used = heap;
    return row;
}

/* Room for all rows' offsets, and for as much text as the last block had. */
static enum lx_status prepare_texts(struct lx_ch_native *native, struct lx_column *column,
                                    size_t rows, size_t expected, struct lx_err *err)
{
    LX_TRY(charge_rows(native, rows, sizeof(uint32_t), err));
    size_t left = native->max_block_bytes - native->used, most = LX_MAX_COLUMN_HEAP - SHORT;
    size_t room = expected + expected / 8;
    if (room > left)
        room = left;
    if (room > most)
        room = most;
    enum lx_status status = lx_column_reserve(column, rows);
    if (status == LX_OK)
        status = lx_column_reserve_bytes(column, room + SHORT);
    return status == LX_OK ? LX_OK : no_room(status, err);
}

static enum lx_status read_texts(struct lx_ch_native *native, struct lx_column *column,
                                 const uint8_t *nulls, size_t rows, size_t *expected,
                                 struct lx_err *err)
{
    LX_TRY(prepare_texts(native, column, rows, *expected, err));
    size_t heap = 0, row = 0;
    column->offsets[0] = 0;
    while (row < rows) {
        row = scan_texts(native, column, nulls, row, rows, &heap);
        if (row == rows)
            break;
        LX_TRY(read_text(native, column, nulls != NULL && nulls[row] != 0, &heap, err));
        /* Short texts go by overhanging copies: keep room for one. */
        LX_TRY(heap_room(native, column, heap, 0, err));
        if (heap > LX_MAX_COLUMN_HEAP)
            return no_room(LX_E_LIMIT, err);
        column->offsets[++row] = (uint32_t)heap;
    }
    column->rows = (int64_t)rows;
    *expected = heap;
    return charge(native, heap, err);
}

static enum lx_status read_values(struct lx_ch_native *native, const struct lx_ch_type *type,
                                  struct lx_column *column, const uint8_t *nulls, size_t rows,
                                  size_t *expected, struct lx_err *err)
{
    if (type->width != 0) {
        prepare(column, LX_COLUMN_FIXED, type->width);
        return read_fixed(native, column, rows, err);
    }
    prepare(column, LX_COLUMN_BYTES, 0);
    if (type->kind == LX_CH_FIXED_STRING)
        return read_wide_fixed(native, column, rows, type->precision, err);
    return read_texts(native, column, nulls, rows, expected, err);
}

/* -- NULL flags ---------------------------------------------------------------------------- */

/* One byte a row. *nulls stays NULL where no row is NULL. */
static enum lx_status read_flags(struct lx_ch_native *native, size_t rows, const uint8_t **nulls,
                                 struct lx_err *err)
{
    LX_TRY(charge(native, rows, err));
    lx_buf_clear(&native->flags);
    if (lx_buf_reserve(&native->flags, rows) != LX_OK)
        return lx_err_memory(err);
    uint8_t *flags = native->flags.data, any = 0;
    LX_TRY(lx_ch_reader_bytes(native->reader, flags, rows, err));
    for (size_t i = 0; i < rows; i++)
        any |= flags[i];
    if (any > 1)
        return lx_err_set(err, LX_E_FORMAT, "a NULL flag that is neither 0 nor 1");
    *nulls = any != 0 ? flags : NULL;
    return LX_OK;
}

/* Gives the column its flags and empties the slots of NULLs. (Texts were emptied as they were read,
 * but for those of one length.) */
static enum lx_status apply_flags(struct lx_column *column, const uint8_t *nulls, size_t rows,
                                  struct lx_err *err)
{
    if (nulls == NULL)
        return LX_OK;
    if (lx_column_reserve_nulls(column, 0) != LX_OK)
        return lx_err_memory(err);
    memcpy(column->nulls, nulls, rows);
    if (column->shape == LX_COLUMN_FIXED)
        for (size_t i = 0; i < rows; i++)
            if (nulls[i] != 0)
                memset(column->values + i * column->width, 0, column->width);
    return LX_OK;
}

/* Wide FixedStrings: takes the bytes of NULLs out again. */
static void drop_null_texts(struct lx_column *column, const uint8_t *nulls, size_t rows,
                            size_t width)
{
    if (nulls == NULL)
        return;
    uint32_t heap = 0;
    for (size_t i = 0; i < rows; i++) {
        uint32_t from = column->offsets[i];
        column->offsets[i] = heap;
        if (nulls[i] != 0)
            continue;
        memmove(column->values + heap, column->values + from, width);
        heap += (uint32_t)width;
    }
    column->offsets[rows] = heap;
}

/* -- dictionaries -------------------------------------------------------------------------- */

#define DICT_VERSION 1
#define DICT_GLOBAL 0x100 /* a dictionary shared by blocks: never in this form of Native */
#define DICT_OWN_KEYS 0x200

/* Widens to 32 bits; returns the largest. */
static uint64_t widen(const uint8_t *raw, size_t width, uint32_t *to, size_t count)
{
    uint64_t most = 0;
    switch (width) {
    case 1: {
        uint32_t narrow = 0;
        for (size_t i = 0; i < count; i++) {
            to[i] = raw[i];
            narrow = to[i] > narrow ? to[i] : narrow;
        }
        return narrow;
    }
    case 2: {
        uint32_t narrow = 0;
        for (size_t i = 0; i < count; i++) {
            uint16_t index;
            memcpy(&index, raw + i * 2, 2);
            to[i] = index;
            narrow = to[i] > narrow ? to[i] : narrow;
        }
        return narrow;
    }
    case 4: {
        uint32_t narrow = 0;
        memcpy(to, raw, count * 4);
        for (size_t i = 0; i < count; i++)
            narrow = to[i] > narrow ? to[i] : narrow;
        return narrow;
    }
    default:
        for (size_t i = 0; i < count; i++) {
            uint64_t index;
            memcpy(&index, raw + i * 8, 8);
            to[i] = (uint32_t)index;
            most = index > most ? index : most;
        }
        return most;
    }
}

static enum lx_status read_indexes(struct lx_ch_native *native, struct lx_column *column,
                                   size_t rows, size_t width, uint64_t keys, struct lx_err *err)
{
    LX_TRY(charge_rows(native, rows, sizeof(uint32_t), err));
    size_t step = 64 * LX_KIB;
    if (lx_buf_reserve(&native->scratch, step * width) != LX_OK)
        return lx_err_memory(err);
    uint8_t *raw = native->scratch.data;
    while (rows > 0) {
        size_t now = rows < step ? rows : step;
        enum lx_status status = lx_column_reserve(column, now);
        if (status != LX_OK)
            return no_room(status, err);
        LX_TRY(lx_ch_reader_bytes(native->reader, raw, now * width, err));
        uint64_t most = widen(raw, width, column->indexes + column->rows, now);
        if (most >= keys)
            return lx_err_set(err, LX_E_FORMAT, "index %llu into a dictionary of %llu entries",
                              (unsigned long long)most, (unsigned long long)keys);
        column->rows += (int64_t)now;
        rows -= now;
    }
    return LX_OK;
}

/* LowCardinality(Nullable(T)): entry 0 of the dictionary stands for NULL. */
static enum lx_status flag_null_indexes(struct lx_column *column, size_t rows, struct lx_err *err)
{
    size_t nulls = 0;
    for (size_t i = 0; i < rows; i++)
        nulls += column->indexes[i] == 0;
    if (nulls == 0)
        return LX_OK;
    if (lx_column_reserve_nulls(column, 0) != LX_OK)
        return lx_err_memory(err);
    for (size_t i = 0; i < rows; i++)
        column->nulls[i] = column->indexes[i] == 0;
    return LX_OK;
}

static enum lx_status read_dict_head(struct lx_ch_native *native, size_t *width, uint64_t *keys,
                                     struct lx_err *err)
{
    uint64_t version, flags;
    LX_TRY(lx_ch_reader_u64(native->reader, &version, err));
    LX_TRY(lx_ch_reader_u64(native->reader, &flags, err));
    LX_TRY(lx_ch_reader_u64(native->reader, keys, err));
    if (version != DICT_VERSION || (flags & 0xff) > 3 || (flags & DICT_GLOBAL) != 0 ||
        (flags & DICT_OWN_KEYS) == 0 || (flags & ~(uint64_t)0x7ff) != 0)
        return lx_err_set(err, LX_E_FORMAT, "a dictionary of version %llu with flags 0x%llx",
                          (unsigned long long)version, (unsigned long long)flags);
    if (*keys > UINT32_MAX)
        return lx_err_set(err, LX_E_FORMAT, "a dictionary of %llu entries",
                          (unsigned long long)*keys);
    *width = (size_t)1 << (flags & 0xff);
    return LX_OK;
}

static enum lx_status read_dictionary(struct lx_ch_native *native, const struct lx_ch_type *type,
                                      struct lx_column *column, size_t rows, size_t *expected,
                                      struct lx_err *err)
{
    size_t width = 0;
    uint64_t keys = 0, count;
    LX_TRY(read_dict_head(native, &width, &keys, err));
    prepare(column, LX_COLUMN_DICT, 0);
    if (column->dict == NULL) {
        column->dict = lx_calloc(1, sizeof *column->dict);
        if (column->dict == NULL)
            return lx_err_memory(err);
    }
    LX_TRY(read_values(native, type, column->dict, NULL, (size_t)keys, expected, err));
    LX_TRY(lx_ch_reader_u64(native->reader, &count, err));
    if (count != rows)
        return lx_err_set(err, LX_E_FORMAT, "%llu indexes for %zu rows", (unsigned long long)count,
                          rows);
    LX_TRY(read_indexes(native, column, rows, width, keys, err));
    return type->nullable ? flag_null_indexes(column, rows, err) : LX_OK;
}

/* -- a column ------------------------------------------------------------------------------ */

enum lx_status lx_ch_native_read_column(struct lx_ch_native *native, size_t index, size_t rows,
                                        struct lx_err *err)
{
    const struct lx_ch_type *type = &native->types[index];
    struct lx_column *column = &native->block.columns[index].data;
    size_t *expected = &native->heaps[index];
    if (type->low_cardinality)
        return read_dictionary(native, type, column, rows, expected, err);
    if (type->kind == LX_CH_JSON) {
        uint64_t version;
        LX_TRY(lx_ch_reader_u64(native->reader, &version, err));
        if (version != 1) {
            lx_err_set(err, LX_E_UNSUPPORTED, "JSON came in its own form %llu, not as text",
                       (unsigned long long)version);
            lx_err_hint(err, "Ask for its text instead: toJSONString(%s).",
                        native->block.columns[index].name);
            return LX_E_UNSUPPORTED;
        }
    }
    const uint8_t *nulls = NULL;
    if (type->nullable)
        LX_TRY(read_flags(native, rows, &nulls, err));
    LX_TRY(read_values(native, type, column, nulls, rows, expected, err));
    if (type->kind == LX_CH_FIXED_STRING && type->width == 0)
        drop_null_texts(column, nulls, rows, type->precision);
    return apply_flags(column, nulls, rows, err);
}
