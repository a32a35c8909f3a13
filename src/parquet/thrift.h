/* thrift.h: Thrift's compact protocol, as far as Parquet's metadata needs it
 * (apache/thrift doc/specs/thrift-compact-protocol.md).
 *
 * The writer and the reader both keep their first failure and do nothing more after it, so that
 * callers check once at the end. Private to the module. Not thread-safe. */
#ifndef LX_PARQUET_THRIFT_H
#define LX_PARQUET_THRIFT_H

#include "base/buf.h"
#include "base/cursor.h"

#define LX_PQ_THRIFT_DEPTH 24 /* structs within structs */

enum lx_pq_thrift_type {
    LX_PQ_THRIFT_STOP = 0,
    LX_PQ_THRIFT_TRUE = 1, /* as an element's type: any boolean */
    LX_PQ_THRIFT_FALSE = 2,
    LX_PQ_THRIFT_I8 = 3,
    LX_PQ_THRIFT_I16 = 4,
    LX_PQ_THRIFT_I32 = 5,
    LX_PQ_THRIFT_I64 = 6,
    LX_PQ_THRIFT_DOUBLE = 7,
    LX_PQ_THRIFT_BINARY = 8,
    LX_PQ_THRIFT_LIST = 9,
    LX_PQ_THRIFT_SET = 10,
    LX_PQ_THRIFT_MAP = 11,
    LX_PQ_THRIFT_STRUCT = 12,
    LX_PQ_THRIFT_UUID = 13
};

/* -- writing ------------------------------------------------------------------------------- */

struct lx_pq_thrift_writer {
    struct lx_buf *out;
    enum lx_status status;
    int16_t last[LX_PQ_THRIFT_DEPTH + 1]; /* field id before, one a level */
    unsigned depth;
};

void lx_pq_thrift_start(struct lx_pq_thrift_writer *writer, struct lx_buf *out);
void lx_pq_thrift_put_bool(struct lx_pq_thrift_writer *writer, int16_t id, bool value);
void lx_pq_thrift_put_i8(struct lx_pq_thrift_writer *writer, int16_t id, int8_t value);
void lx_pq_thrift_put_i16(struct lx_pq_thrift_writer *writer, int16_t id, int16_t value);
void lx_pq_thrift_put_i32(struct lx_pq_thrift_writer *writer, int16_t id, int32_t value);
void lx_pq_thrift_put_i64(struct lx_pq_thrift_writer *writer, int16_t id, int64_t value);
void lx_pq_thrift_put_binary(struct lx_pq_thrift_writer *writer, int16_t id, struct lx_str value);
/* A struct as a field; its fields follow, then lx_pq_thrift_end. */
void lx_pq_thrift_put_struct(struct lx_pq_thrift_writer *writer, int16_t id);
/* A list as a field; `count` elements follow. */
void lx_pq_thrift_put_list(struct lx_pq_thrift_writer *writer, int16_t id,
                           enum lx_pq_thrift_type element, size_t count);
/* The outermost struct, or a struct as an element: ended by lx_pq_thrift_end. */
void lx_pq_thrift_begin(struct lx_pq_thrift_writer *writer);
void lx_pq_thrift_end(struct lx_pq_thrift_writer *writer);
/* Elements of lists. */
void lx_pq_thrift_item_bool(struct lx_pq_thrift_writer *writer, bool value);
void lx_pq_thrift_item_int(struct lx_pq_thrift_writer *writer, int64_t value);
void lx_pq_thrift_item_binary(struct lx_pq_thrift_writer *writer, struct lx_str value);

/* -- reading ------------------------------------------------------------------------------- */

struct lx_pq_thrift_reader {
    struct lx_cursor cursor;
    const char *failure; /* static text; NULL: none so far */
    bool ended;          /* the failure is that the bytes ran out: more of them might help */
    unsigned depth;
};

/* A struct being read: zero it, then call lx_pq_thrift_next until it returns false. */
struct lx_pq_thrift_field {
    int16_t id;
    uint8_t type;
};

void lx_pq_thrift_open(struct lx_pq_thrift_reader *reader, const void *bytes, size_t size);
/* Keeps the first failure. */
void lx_pq_thrift_fail(struct lx_pq_thrift_reader *reader, const char *why);
/* The next field's id and type; false at the struct's end and after a failure. Each field must
 * then be read or skipped. */
bool lx_pq_thrift_next(struct lx_pq_thrift_reader *reader, struct lx_pq_thrift_field *field);
/* Enter and leave a struct within: guards the depth. False: too deep, or not a struct. */
bool lx_pq_thrift_enter(struct lx_pq_thrift_reader *reader, uint8_t type);
void lx_pq_thrift_leave(struct lx_pq_thrift_reader *reader);
void lx_pq_thrift_skip(struct lx_pq_thrift_reader *reader, const struct lx_pq_thrift_field *field);

/* The field's value; zero after a failure, which a wrong type is too. */
bool lx_pq_thrift_bool(struct lx_pq_thrift_reader *reader, const struct lx_pq_thrift_field *field);
int8_t lx_pq_thrift_i8(struct lx_pq_thrift_reader *reader, const struct lx_pq_thrift_field *field);
int32_t lx_pq_thrift_i32(struct lx_pq_thrift_reader *reader,
                         const struct lx_pq_thrift_field *field);
int64_t lx_pq_thrift_i64(struct lx_pq_thrift_reader *reader,
                         const struct lx_pq_thrift_field *field);
/* A view into the bytes read. */
struct lx_str lx_pq_thrift_binary(struct lx_pq_thrift_reader *reader,
                                  const struct lx_pq_thrift_field *field);
/* Number of elements, each of this type; never more than there are bytes left. */
size_t lx_pq_thrift_list(struct lx_pq_thrift_reader *reader, const struct lx_pq_thrift_field *field,
                         enum lx_pq_thrift_type element);
bool lx_pq_thrift_next_bool(struct lx_pq_thrift_reader *reader);
int32_t lx_pq_thrift_next_i32(struct lx_pq_thrift_reader *reader);
int64_t lx_pq_thrift_next_i64(struct lx_pq_thrift_reader *reader);
struct lx_str lx_pq_thrift_next_binary(struct lx_pq_thrift_reader *reader);

#endif
