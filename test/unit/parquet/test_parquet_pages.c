/* Pages as other writers, or nobody, would make them: one column chunk made by hand, read page by
 * page. Each refusal with its text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "parquet/chunk_reader.h"
#include "parquet/crc.h"
#include "parquet/rle.h"

#include <stdio.h>
#include <string.h>

/* A file of nothing but one chunk, behind 4 bytes that no chunk may start with. */
struct chunk {
    struct lx_parquet_field field;
    uint8_t max_definition, max_repetition;
    enum lx_parquet_codec codec;
    int64_t rows, values;
    uint32_t encodings;
    struct lx_buf bytes;
    struct lx_pq_chunk_sums sums;
    uint32_t headers[8];
    bool strict, with_sums, dictionaries;
    size_t page_bytes, scan_bytes;
};

static struct chunk chunk_of(enum lx_parquet_physical physical, int64_t rows)
{
    return (struct chunk){.field = {.name = "a", .physical = physical, .length = 3},
                          .codec = LX_PARQUET_UNCOMPRESSED,
                          .rows = rows,
                          .values = rows,
                          .encodings = UINT32_MAX,
                          .bytes = LX_BUF(1 << 20),
                          .page_bytes = 1 << 16,
                          .scan_bytes = 1 << 22};
}

/* Appends a page; the sizes are the body's where the header has none. */
static void put_page(struct chunk *chunk, struct lx_pq_page_header header, const void *body,
                     size_t size)
{
    size_t from = chunk->bytes.len;
    if (from == 0) {
        assert_int_equal(lx_buf_append(&chunk->bytes, LX_PQ_MAGIC, 4), LX_OK);
        from = 4;
    }
    header.bytes = header.bytes != 0 ? header.bytes : (int32_t)size;
    header.raw_bytes = header.raw_bytes != 0 ? header.raw_bytes : (int32_t)size;
    assert_int_equal(lx_pq_page_header_write(&header, &chunk->bytes), LX_OK);
    chunk->headers[chunk->sums.count++] =
        lx_pq_crc32(0, chunk->bytes.data + from, chunk->bytes.len - from);
    assert_int_equal(lx_buf_append(&chunk->bytes, body, size), LX_OK);
}

static void put_data(struct chunk *chunk, int32_t values, enum lx_parquet_encoding encoding,
                     const void *body, size_t size)
{
    put_page(
        chunk,
        (struct lx_pq_page_header){.type = LX_PQ_DATA_PAGE, .values = values, .encoding = encoding},
        body, size);
}

static enum lx_status read_at(void *self, int64_t offset, void *bytes, size_t size,
                              struct lx_err *err)
{
    struct chunk *chunk = self;
    (void)err;
    assert_true(offset >= 4 && (size_t)offset + size <= chunk->bytes.len);
    memcpy(bytes, chunk->bytes.data + offset, size);
    return LX_OK;
}

/* All rows, in pieces of 3; what they hold goes to `out`, NULLs as "~". */
static enum lx_status read_rows(struct lx_pq_chunk_reader *reader, int64_t rows, struct lx_buf *out,
                                struct lx_err *err)
{
    while (rows > 0) {
        int64_t want = rows < 3 ? rows : 3;
        struct lx_column view;
        LX_TRY(lx_pq_chunk_read(reader, want, err));
        int64_t got = reader->out_rows - reader->out_from;
        assert_true(got > 0 && got <= want);
        lx_pq_chunk_view(reader, got, &view);
        for (int64_t i = 0; i < view.rows; i++) {
            struct lx_str value = lx_column_value(&view, i);
            if (lx_column_is_null(&view, i))
                value = LX_STR("~");
            assert_int_equal(lx_buf_append(out, value.ptr, value.len), LX_OK);
            assert_int_equal(lx_buf_byte(out, '|'), LX_OK);
        }
        reader->out_from = reader->out_rows;
        rows -= got;
    }
    return lx_pq_chunk_end(reader, err);
}

static enum lx_status read_chunk(struct chunk *chunk, struct lx_buf *out, struct lx_err *err)
{
    const struct lx_parquet_leaf leaf = {"a", &chunk->field, chunk->max_definition,
                                         chunk->max_repetition};
    const struct lx_parquet_chunk about = {.physical = chunk->field.physical,
                                           .codec = chunk->codec,
                                           .encodings = chunk->encodings,
                                           .values = chunk->values,
                                           .bytes = (int64_t)chunk->bytes.len - 4,
                                           .data_page_offset = 4,
                                           .dictionary_page_offset = -1,
                                           .bloom_bytes = -1};
    const struct lx_parquet_source source = {read_at, chunk, (int64_t)chunk->bytes.len};
    const struct lx_parquet_reader_options options = {
        .page_bytes = chunk->page_bytes, .piece_bytes = 64, .scan_bytes = chunk->scan_bytes};
    struct lx_pq_budget budget = {.max = chunk->scan_bytes};
    const struct lx_pq_chunk_setting setting = {.source = &source,
                                                .options = &options,
                                                .budget = &budget,
                                                .strict = chunk->strict,
                                                .dictionaries = chunk->dictionaries,
                                                .batch_bytes = 1000};
    struct lx_pq_chunk_reader reader = {.leaf = NULL};
    chunk->sums.headers = chunk->headers;
    enum lx_status status = lx_pq_chunk_open(
        &reader, &setting, &leaf, &about, chunk->with_sums ? &chunk->sums : NULL, chunk->rows, err);
    if (status == LX_OK)
        status = read_rows(&reader, chunk->rows, out, err);
    lx_pq_chunk_free(&reader);
    assert_int_equal(atomic_load(&budget.used), 0);
    return status;
}

/* Reads and frees the chunk: the rows' text, or the error behind its place. */
static void check(struct chunk *chunk, enum lx_status expected, const char *text)
{
    struct lx_buf out = LX_BUF(1 << 20);
    struct lx_err err = LX_ERR_INIT;
    enum lx_status status = read_chunk(chunk, &out, &err);
    assert_int_equal(lx_buf_byte(&out, 0), LX_OK);
    const char *got = status == LX_OK ? (const char *)out.data : strstr(err.text, ": ");
    got = status != LX_OK ? got != NULL ? got + 2 : err.text : got;
    if (status != expected || strcmp(got, text) != 0)
        fail_msg("%s \"%s\" (%s), not %s \"%s\"", lx_status_name(status), got, err.text,
                 lx_status_name(expected), text);
    lx_buf_free(&out);
    lx_buf_free(&chunk->bytes);
}

#define ABC "\1\0\0\0a\1\0\0\0b\1\0\0\0c"
#define SIZED(text) (text), (sizeof(text) - 1)

static const struct lx_pq_page_header dictionary_page = {
    .type = LX_PQ_DICTIONARY_PAGE, .values = 3, .encoding = LX_PARQUET_PLAIN};

/* -- what is read -------------------------------------------------------------------------- */

static void test_read(void **state)
{
    (void)state;
    struct chunk chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 5);
    put_data(&chunk, 3, LX_PARQUET_PLAIN, SIZED(ABC));
    put_page(&chunk,
             (struct lx_pq_page_header){.type = LX_PQ_INDEX_PAGE, .encoding = LX_PARQUET_PLAIN},
             SIZED("any bytes"));
    put_data(&chunk, 2, LX_PARQUET_PLAIN, ABC, 10);
    check(&chunk, LX_OK, "a|b|c|a|b|");

    /* Numbers 0 1 2 0 2 in 2 bits. */
    for (int dictionaries = 0; dictionaries < 2; dictionaries++) {
        chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 5);
        chunk.dictionaries = dictionaries;
        put_page(&chunk, dictionary_page, SIZED(ABC));
        put_data(&chunk, 5, LX_PARQUET_PLAIN_DICTIONARY, SIZED("\2\3\x24\2"));
        check(&chunk, LX_OK, "a|b|c|a|c|");
    }

    /* Optional, version 1 and 2: "x", NULL, "y". */
    chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
    chunk.max_definition = 1;
    put_data(&chunk, 3, LX_PARQUET_PLAIN, SIZED("\2\0\0\0\3\5\1\0\0\0x\1\0\0\0y"));
    check(&chunk, LX_OK, "x|~|y|");
    chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
    chunk.max_definition = 1;
    put_page(&chunk,
             (struct lx_pq_page_header){.type = LX_PQ_DATA_PAGE_V2,
                                        .values = 3,
                                        .rows = 3,
                                        .nulls = 1,
                                        .encoding = LX_PARQUET_PLAIN,
                                        .definition_bytes = 2},
             SIZED("\3\5\1\0\0\0x\1\0\0\0y"));
    check(&chunk, LX_OK, "x|~|y|");
}

/* Texts of one length, with DELTA_LENGTH_BYTE_ARRAY: "ab" are two of 1. */
#define TWO(texts) "\x80\1\4\2\2\0\0\0\0\0" texts

/* Such texts stay in their page: no batch goes on behind it, and what was copied stays apart. */
static void test_lent(void **state)
{
    (void)state;
    const enum lx_parquet_encoding lengths = LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY;
    struct chunk chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 8);
    put_data(&chunk, 2, lengths, SIZED(TWO("ab")));
    put_data(&chunk, 2, lengths, SIZED(TWO("cd")));
    put_data(&chunk, 2, LX_PARQUET_PLAIN, SIZED("\1\0\0\0e\1\0\0\0f"));
    put_data(&chunk, 2, lengths, SIZED(TWO("gh")));
    check(&chunk, LX_OK, "a|b|c|d|e|f|g|h|");

    /* Behind nothing but NULLs, and behind texts without a byte. */
    chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 5);
    chunk.max_definition = 1;
    put_data(&chunk, 2, lengths, SIZED("\2\0\0\0\4\0\x80\1\4\0\0"));
    put_data(&chunk, 3, lengths, SIZED("\2\0\0\0\3\5" TWO("xy")));
    check(&chunk, LX_OK, "~|~|x|~|y|");
    chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 6);
    put_data(&chunk, 2, LX_PARQUET_PLAIN, SIZED("\0\0\0\0\0\0\0\0"));
    put_data(&chunk, 2, lengths, SIZED(TWO("ab")));
    put_data(&chunk, 2, lengths, SIZED("\x80\1\4\2\0\0\0\0\0\0"));
    check(&chunk, LX_OK, "||a|b|||");

    for (int dictionaries = 0; dictionaries < 2; dictionaries++) {
        chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 4);
        chunk.dictionaries = dictionaries;
        put_page(&chunk, dictionary_page, SIZED(ABC));
        put_data(&chunk, 2, LX_PARQUET_RLE_DICTIONARY, SIZED("\2\3\4\0"));
        put_data(&chunk, 2, lengths, SIZED(TWO("xy")));
        check(&chunk, LX_OK, "a|b|x|y|");
    }

    /* A batch of 1000 bytes is enough, wherever it ends in the page. */
    static char body[11 + 1800], text[3 * 601 + 1];
    memcpy(body, "\x80\1\4\3\xb0\x09\0\0\0\0\0", 11);
    for (size_t i = 0; i < 3; i++) {
        memset(body + 11 + i * 600, 'x' + (int)i, 600);
        memset(text + i * 601, 'x' + (int)i, 600);
        text[i * 601 + 600] = '|';
    }
    chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
    put_data(&chunk, 3, lengths, body, sizeof body);
    check(&chunk, LX_OK, text);
}

/* -- what is refused ----------------------------------------------------------------------- */

static void test_headers(void **state)
{
    (void)state;
    struct chunk chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
    put_page(&chunk,
             (struct lx_pq_page_header){
                 .type = LX_PQ_DATA_PAGE, .values = 3, .encoding = LX_PARQUET_PLAIN, .bytes = 99},
             SIZED(ABC));
    check(&chunk, LX_E_FORMAT, "a page ends outside of its column");

    chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
    chunk.page_bytes = 10;
    put_data(&chunk, 3, LX_PARQUET_PLAIN, SIZED(ABC));
    check(&chunk, LX_E_LIMIT, "a page of 15 bytes (15 stored) is larger than 10");

    chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 2);
    put_data(&chunk, 3, LX_PARQUET_PLAIN, SIZED(ABC));
    check(&chunk, LX_E_FORMAT, "there are more values than the column has");

    chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
    chunk.strict = true;
    chunk.encodings = 1u << LX_PARQUET_RLE;
    put_data(&chunk, 3, LX_PARQUET_PLAIN, SIZED(ABC));
    check(&chunk, LX_E_FORMAT, "a page has an encoding the footer lacks");

    chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
    put_data(&chunk, 3, LX_PARQUET_PLAIN, SIZED(ABC));
    chunk.bytes.len = 4 + 6; /* the chunk ends within a header */
    check(&chunk, LX_E_FORMAT, "a page header does not end");

    chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
    put_data(&chunk, 3, LX_PARQUET_PLAIN, SIZED(ABC));
    chunk.bytes.data[5] = 0x7e; /* a type of page that there is not */
    check(&chunk, LX_E_FORMAT, "a page has an unknown type");

    chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
    put_page(
        &chunk,
        (struct lx_pq_page_header){
            .type = LX_PQ_DATA_PAGE, .values = 3, .encoding = LX_PARQUET_PLAIN, .raw_bytes = 16},
        SIZED(ABC));
    check(&chunk, LX_E_FORMAT, "an uncompressed page has two sizes");

    chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
    chunk.scan_bytes = 100;
    put_data(&chunk, 3, LX_PARQUET_PLAIN, SIZED(ABC));
    check(&chunk, LX_E_LIMIT, "it takes more memory than the 100 bytes of the scan");
}

static void test_checksums(void **state)
{
    (void)state;
    struct chunk chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
    const struct lx_pq_page_header summed = {.type = LX_PQ_DATA_PAGE,
                                             .values = 3,
                                             .encoding = LX_PARQUET_PLAIN,
                                             .has_crc = true,
                                             .crc = lx_pq_crc32(0, ABC, 15)};
    chunk.with_sums = true;
    put_page(&chunk, summed, SIZED(ABC));
    check(&chunk, LX_OK, "a|b|c|");

    chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
    put_page(&chunk, summed, SIZED("\1\0\0\0a\1\0\0\0b\1\0\0\0d"));
    check(&chunk, LX_E_CORRUPT, "the page's checksum differs");

    chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
    chunk.with_sums = true;
    put_page(&chunk, summed, SIZED(ABC));
    chunk.headers[0] ^= 1;
    check(&chunk, LX_E_CORRUPT, "the page header's checksum differs");

    chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
    chunk.with_sums = true;
    put_page(&chunk, summed, SIZED(ABC));
    chunk.sums.count = 0; /* a page more than there are sums */
    check(&chunk, LX_E_CORRUPT, "the page header's checksum differs");

    chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
    chunk.with_sums = true;
    put_page(&chunk, summed, SIZED(ABC));
    chunk.headers[chunk.sums.count++] = 7; /* and one fewer */
    check(&chunk, LX_E_FORMAT, "the column has more values than rows");
}

static void test_dictionaries(void **state)
{
    (void)state;
    struct chunk chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
    put_page(&chunk, dictionary_page, SIZED(ABC));
    put_page(&chunk, dictionary_page, SIZED(ABC));
    check(&chunk, LX_E_FORMAT, "a column has two dictionaries");

    chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
    struct lx_pq_page_header header = dictionary_page;
    header.encoding = LX_PARQUET_RLE;
    put_page(&chunk, header, SIZED(ABC));
    check(&chunk, LX_E_FORMAT, "a dictionary is not PLAIN");

    chunk = chunk_of(LX_PARQUET_BOOLEAN, 3);
    put_page(&chunk, dictionary_page, SIZED("\7"));
    check(&chunk, LX_E_FORMAT, "a dictionary of booleans");

    chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
    put_page(&chunk, dictionary_page, ABC, 14);
    check(&chunk, LX_E_FORMAT, "the dictionary is broken");

    chunk = chunk_of(LX_PARQUET_INT32, 3);
    put_page(&chunk, dictionary_page, SIZED("\1\2\3\4"));
    check(&chunk, LX_E_FORMAT, "a page holds fewer values than it says");

    chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
    chunk.strict = true;
    put_page(&chunk, dictionary_page, SIZED(ABC "left over"));
    check(&chunk, LX_E_FORMAT, "the dictionary is broken");

    chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
    put_data(&chunk, 3, LX_PARQUET_RLE_DICTIONARY, SIZED("\2\3\x24\0"));
    check(&chunk, LX_E_FORMAT, "a page needs a dictionary, and there is none");

    chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
    put_page(&chunk, dictionary_page, SIZED(ABC));
    put_data(&chunk, 3, LX_PARQUET_RLE_DICTIONARY, "", 0);
    check(&chunk, LX_E_FORMAT, "a page is empty");

    chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
    put_page(&chunk, dictionary_page, SIZED(ABC));
    put_data(&chunk, 3, LX_PARQUET_RLE_DICTIONARY, SIZED("\x21\3\x24\0"));
    check(&chunk, LX_E_FORMAT, "numbers of a dictionary have more than 32 bits");

    for (int dictionaries = 0; dictionaries < 2; dictionaries++) {
        chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
        chunk.dictionaries = dictionaries;
        put_page(&chunk, dictionary_page, SIZED(ABC));
        put_data(&chunk, 3, LX_PARQUET_RLE_DICTIONARY, SIZED("\2\6\3")); /* 3 times number 3 */
        check(&chunk, LX_E_FORMAT, "the values of a page are broken");
    }
}

/* Headers are written with RLE levels: the encodings stand at the header's end. */
static void set_level_encoding(struct chunk *chunk, size_t body, bool repetition)
{
    uint8_t *end = chunk->bytes.data + chunk->bytes.len - body;
    static const uint8_t as_written[] = {0x15, 6, 0x15, 6, 0, 0};
    assert_memory_equal(end - 6, as_written, 6);
    end[repetition ? -3 : -5] = 8; /* BIT_PACKED, as zigzag */
}

static void test_levels(void **state)
{
    (void)state;
    struct chunk chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
    for (int repetition = 0; repetition < 2; repetition++) {
        chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
        chunk.max_definition = 1;
        chunk.max_repetition = (uint8_t)repetition;
        put_data(&chunk, 3, LX_PARQUET_PLAIN, SIZED("\7" ABC));
        set_level_encoding(&chunk, 16, repetition);
        check(&chunk, LX_E_UNSUPPORTED, "BIT_PACKED levels are not read");
    }

    static const struct {
        const char *body;
        size_t size;
    } broken[] = {{SIZED("\2\0")},          /* no length */
                  {SIZED("\x9\0\0\0\3\5")}, /* a length beyond the page */
                  {SIZED("\1\0\0\0\6\1\0\0\0")} /* a run without its value */};
    for (size_t i = 0; i < 3; i++) {
        chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
        chunk.max_definition = 1;
        put_data(&chunk, 3, LX_PARQUET_PLAIN, broken[i].body, broken[i].size);
        check(&chunk, LX_E_FORMAT, "the levels are broken");
    }

    chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
    chunk.max_definition = 1;
    put_page(&chunk,
             (struct lx_pq_page_header){.type = LX_PQ_DATA_PAGE_V2,
                                        .values = 3,
                                        .rows = 3,
                                        .nulls = 2,
                                        .encoding = LX_PARQUET_PLAIN,
                                        .definition_bytes = 2},
             SIZED("\3\5\1\0\0\0x\1\0\0\0y"));
    check(&chunk, LX_E_FORMAT, "a page has another number of NULLs");
}

/* In groups all levels of a page are read at once; none may pass its maximum. */
static void test_levels_in_groups(void **state)
{
    (void)state;
    struct chunk chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 2);
    chunk.max_definition = 2;
    chunk.max_repetition = 1;
    chunk.values = 3;
    /* Rows ["a", NULL] and ["b"]. */
    put_data(&chunk, 3, LX_PARQUET_PLAIN, SIZED("\2\0\0\0\3\2\3\0\0\0\3\x26\0\1\0\0\0a\1\0\0\0b"));
    check(&chunk, LX_OK, "a|b|");

    chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 1);
    chunk.max_definition = 2;
    put_data(&chunk, 1, LX_PARQUET_PLAIN, SIZED("\2\0\0\0\2\3\1\0\0\0a"));
    check(&chunk, LX_E_FORMAT, "the levels are broken");

    chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 2);
    chunk.max_definition = 2;
    put_data(&chunk, 2, LX_PARQUET_PLAIN, SIZED("\2\0\0\0\2\2\1\0\0\0a"));
    check(&chunk, LX_E_FORMAT, "the levels are broken");

    chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 1);
    chunk.max_definition = chunk.max_repetition = 1;
    put_data(&chunk, 1, LX_PARQUET_PLAIN, SIZED("\1\0\0\0\2\2\0\0\0\2\1\1\0\0\0a"));
    check(&chunk, LX_E_FORMAT, "the levels are broken");
}

static void test_values(void **state)
{
    (void)state;
    static const struct {
        enum lx_parquet_physical physical;
        enum lx_parquet_encoding encoding;
        const char *body;
        size_t size;
        enum lx_status status;
        const char *text;
    } cases[] = {
        {LX_PARQUET_INT32, LX_PARQUET_RLE, SIZED("\0\0\0\0"), LX_E_FORMAT,
         "an encoding does not fit the column's type"},
        {LX_PARQUET_FLOAT, LX_PARQUET_DELTA_BINARY_PACKED, SIZED("\0"), LX_E_FORMAT,
         "an encoding does not fit the column's type"},
        {LX_PARQUET_INT32, LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY, SIZED("\0"), LX_E_FORMAT,
         "an encoding does not fit the column's type"},
        {LX_PARQUET_INT64, LX_PARQUET_DELTA_BYTE_ARRAY, SIZED("\0"), LX_E_FORMAT,
         "an encoding does not fit the column's type"},
        {LX_PARQUET_BYTE_ARRAY, LX_PARQUET_BYTE_STREAM_SPLIT, SIZED("\0"), LX_E_FORMAT,
         "an encoding does not fit the column's type"},
        {LX_PARQUET_BOOLEAN, LX_PARQUET_BYTE_STREAM_SPLIT, SIZED("\0"), LX_E_FORMAT,
         "an encoding does not fit the column's type"},
        {LX_PARQUET_INT32, LX_PARQUET_BIT_PACKED, SIZED("\0"), LX_E_UNSUPPORTED,
         "an encoding of values that is not known"},
        {LX_PARQUET_BOOLEAN, LX_PARQUET_PLAIN, "", 0, LX_E_FORMAT,
         "a page holds fewer values than it says"},
        {LX_PARQUET_INT32, LX_PARQUET_PLAIN, SIZED("\1\2\3\4\5\6\7"), LX_E_FORMAT,
         "a page holds fewer values than it says"},
        {LX_PARQUET_BOOLEAN, LX_PARQUET_RLE, SIZED("\1\0"), LX_E_FORMAT,
         "run-length booleans are broken"},
        {LX_PARQUET_BOOLEAN, LX_PARQUET_RLE, SIZED("\5\0\0\0\3\1"), LX_E_FORMAT,
         "run-length booleans are broken"},
        {LX_PARQUET_BOOLEAN, LX_PARQUET_RLE, SIZED("\2\0\0\0\2\1"), LX_E_FORMAT,
         "the values of a page are broken"},
        {LX_PARQUET_INT32, LX_PARQUET_DELTA_BINARY_PACKED, SIZED("\x80\1\4"), LX_E_FORMAT,
         "packed differences are broken"},
        {LX_PARQUET_INT32, LX_PARQUET_DELTA_BINARY_PACKED, SIZED("\x80\1\4\1\2"), LX_E_FORMAT,
         "packed differences are broken"},
        {LX_PARQUET_INT64, LX_PARQUET_DELTA_BINARY_PACKED, SIZED("\x80\1\4\2\2"), LX_E_FORMAT,
         "the values of a page are broken"},
        {LX_PARQUET_FLOAT, LX_PARQUET_BYTE_STREAM_SPLIT, SIZED("\1\2\3\4\5\6\7\0\1"), LX_E_FORMAT,
         "split streams have a wrong length"},
        {LX_PARQUET_FLOAT, LX_PARQUET_BYTE_STREAM_SPLIT, SIZED("\1\2\3\4"), LX_E_FORMAT,
         "split streams have a wrong length"},
        {LX_PARQUET_BYTE_ARRAY, LX_PARQUET_PLAIN, SIZED("\1\0\0\0a\1\0\0"), LX_E_FORMAT,
         "the values of a page are broken"},
        {LX_PARQUET_BYTE_ARRAY, LX_PARQUET_PLAIN, SIZED("\1\0\0\0a\xff\xff\xff\xff"), LX_E_FORMAT,
         "the values of a page are broken"},
        {LX_PARQUET_BYTE_ARRAY, LX_PARQUET_PLAIN, SIZED("\1\0\0\0a\2\0\0\0b"), LX_E_FORMAT,
         "the values of a page are broken"},
        {LX_PARQUET_BYTE_ARRAY, LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY, SIZED("\x80\1\4\2"),
         LX_E_FORMAT, "lengths of texts are broken"},
        {LX_PARQUET_BYTE_ARRAY, LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY,
         SIZED("\x80\1\4\1\2"
               "a"),
         LX_E_FORMAT, "lengths of texts are broken"},
        /* Lengths 1 and 1, one byte; -1 and -1. */
        {LX_PARQUET_BYTE_ARRAY, LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY,
         SIZED("\x80\1\4\2\2\0\0\0\0\0"
               "a"),
         LX_E_FORMAT, "the values of a page are broken"},
        {LX_PARQUET_BYTE_ARRAY, LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY,
         SIZED("\x80\1\4\2\1\0\0\0\0\0"
               "ab"),
         LX_E_FORMAT, "the values of a page are broken"},
        {LX_PARQUET_BYTE_ARRAY, LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY,
         SIZED("\x80\1\4\2\2\0\0\0\0\0"
               "ab"),
         LX_OK, "a|b|"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct chunk chunk = chunk_of(cases[i].physical, 2);
        put_data(&chunk, 2, cases[i].encoding, cases[i].body, cases[i].size);
        check(&chunk, cases[i].status, cases[i].text);
    }
}

/* DELTA_BYTE_ARRAY: shared prefixes (two of 0 and n), lengths of the rest, bytes. */
static void test_prefixes(void **state)
{
    (void)state;
    static const struct {
        enum lx_parquet_physical physical;
        const char *body;
        size_t size;
        const char *text; /* NULL: "abc", "abd" */
    } cases[] = {
        {LX_PARQUET_BYTE_ARRAY,
         SIZED("\x80\1\4\2\0\4\0\0\0\0"
               "\x80\1\4\2\6\3\0\0\0\0"
               "abcd"),
         NULL},
        {LX_PARQUET_FIXED_LEN_BYTE_ARRAY,
         SIZED("\x80\1\4\2\0\4\0\0\0\0"
               "\x80\1\4\2\6\3\0\0\0\0"
               "abcd"),
         NULL},
        /* More shared than there is; fewer prefixes than lengths; a prefix at the start; negative
         * prefixes; too few bytes. */
        {LX_PARQUET_BYTE_ARRAY,
         SIZED("\x80\1\4\2\0\x8\0\0\0\0"
               "\x80\1\4\2\6\3\0\0\0\0"
               "abcd"),
         "the values of a page are broken"},
        {LX_PARQUET_BYTE_ARRAY,
         SIZED("\x80\1\4\1\0"
               "\x80\1\4\2\6\3\0\0\0\0"
               "abcd"),
         "lengths of texts are broken"},
        {LX_PARQUET_BYTE_ARRAY,
         SIZED("\x80\1\4\2\2\2\0\0\0\0"
               "\x80\1\4\2\6\3\0\0\0\0"
               "abcd"),
         "the values of a page are broken"},
        {LX_PARQUET_BYTE_ARRAY,
         SIZED("\x80\1\4\2\1\0\0\0\0\0"
               "\x80\1\4\2\6\3\0\0\0\0"
               "abcd"),
         "the values of a page are broken"},
        {LX_PARQUET_BYTE_ARRAY,
         SIZED("\x80\1\4\2\0\4\0\0\0\0"
               "\x80\1\4\2\6\3\0\0\0\0"
               "abc"),
         "the values of a page are broken"},
        {LX_PARQUET_BYTE_ARRAY, SIZED("\x80\1\4\2\0"), "lengths of texts are broken"},
        {LX_PARQUET_BYTE_ARRAY, SIZED("\x80\1\4"), "lengths of texts are broken"},
        {LX_PARQUET_FIXED_LEN_BYTE_ARRAY,
         SIZED("\x80\1\4\2\0\2\0\0\0\0"
               "\x80\1\4\2\6\3\0\0\0\0"
               "abcd"),
         "the values of a page are broken"},
        {LX_PARQUET_FIXED_LEN_BYTE_ARRAY,
         SIZED("\x80\1\4\2\2\2\0\0\0\0"
               "\x80\1\4\2\4\1\0\0\0\0"
               "abcd"),
         "the values of a page are broken"},
        {LX_PARQUET_FIXED_LEN_BYTE_ARRAY,
         SIZED("\x80\1\4\2\1\6\0\0\0\0"
               "\x80\1\4\2\x8\5\0\0\0\0"
               "abcd"),
         "the values of a page are broken"},
        {LX_PARQUET_FIXED_LEN_BYTE_ARRAY,
         SIZED("\x80\1\4\2\0\4\0\0\0\0"
               "\x80\1\4\2\6\3\0\0\0\0"
               "abc"),
         "the values of a page are broken"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct chunk chunk = chunk_of(cases[i].physical, 2);
        put_data(&chunk, 2, LX_PARQUET_DELTA_BYTE_ARRAY, cases[i].body, cases[i].size);
        check(&chunk, cases[i].text != NULL ? LX_E_FORMAT : LX_OK,
              cases[i].text != NULL ? cases[i].text : "abc|abd|");
    }
}

/* Values that nothing asked for are an error in files of this writer, and let be in others'. */
static void test_left_over(void **state)
{
    (void)state;
    static const struct {
        enum lx_parquet_physical physical;
        enum lx_parquet_encoding encoding;
        const char *body;
        size_t size;
        const char *text;
    } cases[] = {
        {LX_PARQUET_BYTE_ARRAY, LX_PARQUET_PLAIN, SIZED(ABC), "a|b|"},
        {LX_PARQUET_BOOLEAN, LX_PARQUET_PLAIN, SIZED("\3\0"), "\1|\1|"},
        {LX_PARQUET_BOOLEAN, LX_PARQUET_RLE, SIZED("\2\0\0\0\6\1"), "\1|\1|"},
        {LX_PARQUET_BYTE_ARRAY, LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY,
         SIZED("\x80\1\4\2\2\0\0\0\0\0"
               "abc"),
         "a|b|"},
        {LX_PARQUET_BYTE_ARRAY, LX_PARQUET_DELTA_BYTE_ARRAY,
         SIZED("\x80\1\4\2\0\4\0\0\0\0"
               "\x80\1\4\2\6\3\0\0\0\0"
               "abcde"),
         "abc|abd|"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int strict = 0; strict < 2; strict++) {
            struct chunk chunk = chunk_of(cases[i].physical, 2);
            chunk.strict = strict;
            put_data(&chunk, 2, cases[i].encoding, cases[i].body, cases[i].size);
            check(&chunk, strict ? LX_E_FORMAT : LX_OK,
                  strict ? "a page holds more values than it says" : cases[i].text);
        }
    }
}

static void test_rows_missing(void **state)
{
    (void)state;
    struct chunk chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 5);
    put_data(&chunk, 3, LX_PARQUET_PLAIN, SIZED(ABC));
    check(&chunk, LX_E_FORMAT, "the column has fewer values than rows");
    chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
    put_data(&chunk, 3, LX_PARQUET_PLAIN, SIZED(ABC));
    put_data(&chunk, 0, LX_PARQUET_PLAIN, "", 0);
    check(&chunk, LX_OK, "a|b|c|");
}

static void test_compressed(void **state)
{
    (void)state;
    struct chunk chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
    chunk.codec = LX_PARQUET_SNAPPY;
    put_page(
        &chunk,
        (struct lx_pq_page_header){
            .type = LX_PQ_DATA_PAGE, .values = 3, .encoding = LX_PARQUET_PLAIN, .raw_bytes = 15},
        SIZED("\xf\x38" ABC)); /* length 15, a literal of 15 bytes */
    check(&chunk, LX_OK, "a|b|c|");
    chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
    chunk.codec = LX_PARQUET_SNAPPY;
    put_page(
        &chunk,
        (struct lx_pq_page_header){
            .type = LX_PQ_DATA_PAGE, .values = 3, .encoding = LX_PARQUET_PLAIN, .raw_bytes = 15},
        SIZED("\xf\x34" ABC));
    check(&chunk, LX_E_FORMAT, "SNAPPY data does not hold the 15 bytes it should");
    /* Version 2, nothing but NULLs: no byte is compressed. */
    chunk = chunk_of(LX_PARQUET_BYTE_ARRAY, 3);
    chunk.codec = LX_PARQUET_SNAPPY;
    chunk.max_definition = 1;
    put_page(&chunk,
             (struct lx_pq_page_header){.type = LX_PQ_DATA_PAGE_V2,
                                        .values = 3,
                                        .rows = 3,
                                        .nulls = 3,
                                        .encoding = LX_PARQUET_PLAIN,
                                        .definition_bytes = 2,
                                        .is_compressed = true},
             SIZED("\6\0"));
    check(&chunk, LX_OK, "~|~|~|");
    chunk = chunk_of(LX_PARQUET_INT96, 3);
    check(&chunk, LX_E_UNSUPPORTED, "INT96 is not read");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),       cmocka_unit_test(test_headers),
        cmocka_unit_test(test_checksums),  cmocka_unit_test(test_dictionaries),
        cmocka_unit_test(test_levels),     cmocka_unit_test(test_levels_in_groups),
        cmocka_unit_test(test_values),     cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_left_over),  cmocka_unit_test(test_rows_missing),
        cmocka_unit_test(test_compressed), cmocka_unit_test(test_lent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
