/* ch_test.h: what the tests of the ClickHouse client share. */
#ifndef LX_TEST_CH_TEST_H
#define LX_TEST_CH_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "clickhouse/ch_reader.h"
#include "clickhouse/clickhouse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Says the error's text before failing on another status. */
#define assert_status(call, expected, err)                                                         \
    do {                                                                                           \
        enum lx_status status_ = (call);                                                           \
        if (status_ != (expected))                                                                 \
            print_error("%s: %s: %s\n", #call, lx_status_name(status_), (err)->text);              \
        assert_int_equal(status_, expected);                                                       \
    } while (0)

/* A source over memory that gives at most `step` bytes at a time (0: as many as wanted). */
struct memory_source {
    const uint8_t *bytes;
    size_t size, pos, step;
};

static inline enum lx_status memory_read(void *self, void *to, size_t capacity, size_t *got,
                                         struct lx_err *err)
{
    struct memory_source *memory = self;
    (void)err;
    size_t left = memory->size - memory->pos;
    *got = left < capacity ? left : capacity;
    if (memory->step != 0 && *got > memory->step)
        *got = memory->step;
    if (*got != 0)
        memcpy(to, memory->bytes + memory->pos, *got);
    memory->pos += *got;
    return LX_OK;
}

/* -- building streams ---------------------------------------------------------------------- */

static inline void put(struct lx_buf *out, const void *bytes, size_t size)
{
    assert_int_equal(lx_buf_append(out, bytes, size), LX_OK);
}

static inline void put_varint(struct lx_buf *out, uint64_t value)
{
    do {
        uint8_t byte = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        put(out, &byte, 1);
        value >>= 7;
    } while (value != 0);
}

static inline void put_text(struct lx_buf *out, const char *text)
{
    put_varint(out, strlen(text));
    put(out, text, strlen(text));
}

static inline void put_u64(struct lx_buf *out, uint64_t value)
{
    put(out, &value, 8);
}

static inline void put_column(struct lx_buf *out, const char *name, const char *type)
{
    put_text(out, name);
    put_text(out, type);
}

/* "0a ff 'text' …": hexadecimal bytes, and texts in single quotes. */
static inline void put_hex(struct lx_buf *out, const char *hex)
{
    for (const char *c = hex; *c != 0;) {
        if (*c == ' ') {
            c++;
        } else if (*c == '\'') {
            for (c++; *c != '\''; c++)
                put(out, c, 1);
            c++;
        } else {
            uint64_t byte;
            assert_true(lx_str_to_hex64((struct lx_str){c, 2}, &byte));
            assert_int_equal(lx_buf_byte(out, (uint8_t)byte), LX_OK);
            c += 2;
        }
    }
}

#endif
