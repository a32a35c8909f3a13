#include "parquet/thrift.h"

/* -- writing ------------------------------------------------------------------------------- */

static void put(struct lx_pq_thrift_writer *writer, const void *bytes, size_t size)
{
    if (writer->status == LX_OK)
        writer->status = lx_buf_append(writer->out, bytes, size);
}

static void put_byte(struct lx_pq_thrift_writer *writer, uint8_t byte)
{
    put(writer, &byte, 1);
}

static void put_varint(struct lx_pq_thrift_writer *writer, uint64_t value)
{
    uint8_t bytes[10];
    size_t size = 0;
    while (value >= 0x80) {
        bytes[size++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[size++] = (uint8_t)value;
    put(writer, bytes, size);
}

static void put_zigzag(struct lx_pq_thrift_writer *writer, int64_t value)
{
    put_varint(writer, ((uint64_t)value << 1) ^ (uint64_t)(value >> 63));
}

static void put_field(struct lx_pq_thrift_writer *writer, int16_t id, uint8_t type)
{
    int16_t *last = &writer->last[writer->depth];
    int delta = id - *last;
    if (delta >= 1 && delta <= 15) {
        put_byte(writer, (uint8_t)(delta << 4 | type));
    } else {
        put_byte(writer, type);
        put_zigzag(writer, id);
    }
    *last = id;
}

void lx_pq_thrift_start(struct lx_pq_thrift_writer *writer, struct lx_buf *out)
{
    *writer = (struct lx_pq_thrift_writer){.out = out};
}

void lx_pq_thrift_put_bool(struct lx_pq_thrift_writer *writer, int16_t id, bool value)
{
    put_field(writer, id, value ? LX_PQ_THRIFT_TRUE : LX_PQ_THRIFT_FALSE);
}

void lx_pq_thrift_put_i8(struct lx_pq_thrift_writer *writer, int16_t id, int8_t value)
{
    put_field(writer, id, LX_PQ_THRIFT_I8);
    put_byte(writer, (uint8_t)value);
}

void lx_pq_thrift_put_i16(struct lx_pq_thrift_writer *writer, int16_t id, int16_t value)
{
    put_field(writer, id, LX_PQ_THRIFT_I16);
    put_zigzag(writer, value);
}

void lx_pq_thrift_put_i32(struct lx_pq_thrift_writer *writer, int16_t id, int32_t value)
{
    put_field(writer, id, LX_PQ_THRIFT_I32);
    put_zigzag(writer, value);
}

void lx_pq_thrift_put_i64(struct lx_pq_thrift_writer *writer, int16_t id, int64_t value)
{
    put_field(writer, id, LX_PQ_THRIFT_I64);
    put_zigzag(writer, value);
}

void lx_pq_thrift_put_binary(struct lx_pq_thrift_writer *writer, int16_t id, struct lx_str value)
{
    put_field(writer, id, LX_PQ_THRIFT_BINARY);
    lx_pq_thrift_item_binary(writer, value);
}

void lx_pq_thrift_put_struct(struct lx_pq_thrift_writer *writer, int16_t id)
{
    put_field(writer, id, LX_PQ_THRIFT_STRUCT);
    lx_pq_thrift_begin(writer);
}

void lx_pq_thrift_put_list(struct lx_pq_thrift_writer *writer, int16_t id,
                           enum lx_pq_thrift_type element, size_t count)
{
    put_field(writer, id, LX_PQ_THRIFT_LIST);
    if (count < 15) {
        put_byte(writer, (uint8_t)(count << 4 | element));
    } else {
        put_byte(writer, (uint8_t)(0xf0 | element));
        put_varint(writer, count);
    }
}

void lx_pq_thrift_begin(struct lx_pq_thrift_writer *writer)
{
    if (writer->depth >= LX_PQ_THRIFT_DEPTH) {
        writer->status = LX_E_BUG;
        return;
    }
    writer->last[++writer->depth] = 0;
}

void lx_pq_thrift_end(struct lx_pq_thrift_writer *writer)
{
    put_byte(writer, LX_PQ_THRIFT_STOP);
    if (writer->depth > 0)
        writer->depth--;
}

void lx_pq_thrift_item_bool(struct lx_pq_thrift_writer *writer, bool value)
{
    put_byte(writer, value ? LX_PQ_THRIFT_TRUE : LX_PQ_THRIFT_FALSE);
}

void lx_pq_thrift_item_int(struct lx_pq_thrift_writer *writer, int64_t value)
{
    put_zigzag(writer, value);
}

void lx_pq_thrift_item_binary(struct lx_pq_thrift_writer *writer, struct lx_str value)
{
    put_varint(writer, value.len);
    put(writer, value.ptr, value.len);
}

/* -- reading ------------------------------------------------------------------------------- */

void lx_pq_thrift_open(struct lx_pq_thrift_reader *reader, const void *bytes, size_t size)
{
    *reader = (struct lx_pq_thrift_reader){.cursor = lx_cursor_of(bytes, size)};
}

void lx_pq_thrift_fail(struct lx_pq_thrift_reader *reader, const char *why)
{
    if (reader->failure == NULL)
        reader->failure = why;
}

static void fail_at_end(struct lx_pq_thrift_reader *reader)
{
    if (reader->failure == NULL)
        reader->ended = true;
    lx_pq_thrift_fail(reader, "metadata ends early");
}

static uint8_t get_byte(struct lx_pq_thrift_reader *reader)
{
    uint8_t byte = 0;
    if (reader->failure == NULL && !lx_cursor_u8(&reader->cursor, &byte))
        fail_at_end(reader);
    return byte;
}

static uint64_t get_varint(struct lx_pq_thrift_reader *reader)
{
    uint64_t value = 0;
    if (reader->failure == NULL && !lx_cursor_varint(&reader->cursor, &value)) {
        if (lx_cursor_left(&reader->cursor) < 10)
            fail_at_end(reader);
        else
            lx_pq_thrift_fail(reader, "a number is too long");
    }
    return value;
}

static int64_t get_zigzag(struct lx_pq_thrift_reader *reader)
{
    uint64_t value = get_varint(reader);
    return (int64_t)(value >> 1 ^ (0 - (value & 1)));
}

static struct lx_str get_binary(struct lx_pq_thrift_reader *reader)
{
    uint64_t size = get_varint(reader);
    const uint8_t *bytes = NULL;
    if (reader->failure != NULL)
        return (struct lx_str){"", 0};
    if (size > INT32_MAX) {
        lx_pq_thrift_fail(reader, "a text is too long");
        return (struct lx_str){"", 0};
    }
    if (!lx_cursor_bytes(&reader->cursor, (size_t)size, &bytes)) {
        fail_at_end(reader);
        return (struct lx_str){"", 0};
    }
    return (struct lx_str){(const char *)bytes, (size_t)size};
}

static int64_t get_number(struct lx_pq_thrift_reader *reader, int64_t low, int64_t high)
{
    int64_t value = get_zigzag(reader);
    if (value < low || value > high) {
        lx_pq_thrift_fail(reader, "a number is out of range");
        return 0;
    }
    return value;
}

bool lx_pq_thrift_next(struct lx_pq_thrift_reader *reader, struct lx_pq_thrift_field *field)
{
    uint8_t head = get_byte(reader);
    if (reader->failure != NULL)
        return false;
    field->type = head & 0x0f;
    if (field->type == LX_PQ_THRIFT_STOP)
        return false;
    int id =
        head >> 4 != 0 ? field->id + (head >> 4) : (int)get_number(reader, INT16_MIN, INT16_MAX);
    if (id > INT16_MAX)
        lx_pq_thrift_fail(reader, "a field number is out of range");
    if (field->type > LX_PQ_THRIFT_UUID)
        lx_pq_thrift_fail(reader, "a field has an unknown type");
    field->id = (int16_t)id;
    return reader->failure == NULL;
}

bool lx_pq_thrift_enter(struct lx_pq_thrift_reader *reader, uint8_t type)
{
    if (type != LX_PQ_THRIFT_STRUCT)
        lx_pq_thrift_fail(reader, "a field has the wrong type");
    else if (reader->depth >= LX_PQ_THRIFT_DEPTH)
        lx_pq_thrift_fail(reader, "metadata is nested too deep");
    if (reader->failure != NULL)
        return false;
    reader->depth++;
    return true;
}

void lx_pq_thrift_leave(struct lx_pq_thrift_reader *reader)
{
    reader->depth--;
}

static void skip_value(struct lx_pq_thrift_reader *reader, uint8_t type, bool element);

static void skip_items(struct lx_pq_thrift_reader *reader)
{
    uint8_t head = get_byte(reader);
    uint64_t count = head >> 4 == 15 ? get_varint(reader) : head >> 4;
    for (uint64_t i = 0; i < count && reader->failure == NULL; i++)
        skip_value(reader, head & 0x0f, true);
}

static void skip_map(struct lx_pq_thrift_reader *reader)
{
    uint64_t count = get_varint(reader);
    if (count == 0)
        return;
    uint8_t types = get_byte(reader);
    for (uint64_t i = 0; i < count && reader->failure == NULL; i++) {
        skip_value(reader, types >> 4, true);
        skip_value(reader, types & 0x0f, true);
    }
}

static void skip_struct(struct lx_pq_thrift_reader *reader)
{
    struct lx_pq_thrift_field field = {0};
    while (lx_pq_thrift_next(reader, &field))
        skip_value(reader, field.type, false);
}

static void skip_bytes(struct lx_pq_thrift_reader *reader, size_t size)
{
    const uint8_t *bytes;
    if (reader->failure == NULL && !lx_cursor_bytes(&reader->cursor, size, &bytes))
        fail_at_end(reader);
}

/* Each value takes at least a byte, but for a boolean field, so the input bounds the loops. */
static void skip_value(struct lx_pq_thrift_reader *reader, uint8_t type, bool element)
{
    if (reader->depth >= LX_PQ_THRIFT_DEPTH) {
        lx_pq_thrift_fail(reader, "metadata is nested too deep");
        return;
    }
    reader->depth++;
    switch (type) {
    case LX_PQ_THRIFT_TRUE:
    case LX_PQ_THRIFT_FALSE:
        if (element)
            get_byte(reader);
        break;
    case LX_PQ_THRIFT_I8: get_byte(reader); break;
    case LX_PQ_THRIFT_I16:
    case LX_PQ_THRIFT_I32:
    case LX_PQ_THRIFT_I64: get_varint(reader); break;
    case LX_PQ_THRIFT_DOUBLE: skip_bytes(reader, 8); break;
    case LX_PQ_THRIFT_UUID: skip_bytes(reader, 16); break;
    case LX_PQ_THRIFT_BINARY: get_binary(reader); break;
    case LX_PQ_THRIFT_LIST:
    case LX_PQ_THRIFT_SET: skip_items(reader); break;
    case LX_PQ_THRIFT_MAP: skip_map(reader); break;
    case LX_PQ_THRIFT_STRUCT: skip_struct(reader); break;
    default: lx_pq_thrift_fail(reader, "a value has an unknown type"); break;
    }
    reader->depth--;
}

void lx_pq_thrift_skip(struct lx_pq_thrift_reader *reader, const struct lx_pq_thrift_field *field)
{
    skip_value(reader, field->type, false);
}

static bool is_type(struct lx_pq_thrift_reader *reader, const struct lx_pq_thrift_field *field,
                    uint8_t type)
{
    if (field->type != type)
        lx_pq_thrift_fail(reader, "a field has the wrong type");
    return reader->failure == NULL;
}

bool lx_pq_thrift_bool(struct lx_pq_thrift_reader *reader, const struct lx_pq_thrift_field *field)
{
    if (field->type == LX_PQ_THRIFT_FALSE)
        return false;
    return is_type(reader, field, LX_PQ_THRIFT_TRUE);
}

int8_t lx_pq_thrift_i8(struct lx_pq_thrift_reader *reader, const struct lx_pq_thrift_field *field)
{
    return is_type(reader, field, LX_PQ_THRIFT_I8) ? (int8_t)get_byte(reader) : 0;
}

int32_t lx_pq_thrift_i32(struct lx_pq_thrift_reader *reader, const struct lx_pq_thrift_field *field)
{
    return is_type(reader, field, LX_PQ_THRIFT_I32) ? lx_pq_thrift_next_i32(reader) : 0;
}

int64_t lx_pq_thrift_i64(struct lx_pq_thrift_reader *reader, const struct lx_pq_thrift_field *field)
{
    return is_type(reader, field, LX_PQ_THRIFT_I64) ? get_zigzag(reader) : 0;
}

struct lx_str lx_pq_thrift_binary(struct lx_pq_thrift_reader *reader,
                                  const struct lx_pq_thrift_field *field)
{
    return is_type(reader, field, LX_PQ_THRIFT_BINARY) ? get_binary(reader)
                                                       : (struct lx_str){"", 0};
}

size_t lx_pq_thrift_list(struct lx_pq_thrift_reader *reader, const struct lx_pq_thrift_field *field,
                         enum lx_pq_thrift_type element)
{
    if (!is_type(reader, field, LX_PQ_THRIFT_LIST))
        return 0;
    uint8_t head = get_byte(reader);
    uint64_t count = head >> 4 == 15 ? get_varint(reader) : head >> 4;
    uint8_t type = head & 0x0f;
    if (type == LX_PQ_THRIFT_FALSE)
        type = LX_PQ_THRIFT_TRUE;
    if (reader->failure == NULL && count != 0 && type != element)
        lx_pq_thrift_fail(reader, "a list has elements of the wrong type");
    /* An element is one byte at least: so no count makes us reserve more than the input is worth.
     */
    if (reader->failure == NULL && count > lx_cursor_left(&reader->cursor))
        fail_at_end(reader);
    return reader->failure == NULL ? (size_t)count : 0;
}

bool lx_pq_thrift_next_bool(struct lx_pq_thrift_reader *reader)
{
    uint8_t byte = get_byte(reader);
    if (byte > LX_PQ_THRIFT_FALSE)
        lx_pq_thrift_fail(reader, "a boolean is neither true nor false");
    return byte == LX_PQ_THRIFT_TRUE;
}

int32_t lx_pq_thrift_next_i32(struct lx_pq_thrift_reader *reader)
{
    return (int32_t)get_number(reader, INT32_MIN, INT32_MAX);
}

int64_t lx_pq_thrift_next_i64(struct lx_pq_thrift_reader *reader)
{
    return get_zigzag(reader);
}

struct lx_str lx_pq_thrift_next_binary(struct lx_pq_thrift_reader *reader)
{
    return get_binary(reader);
}
