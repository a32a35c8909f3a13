#include "ch_test.h"

#include "clickhouse/ch_native.h"

/* The whole stream as text, one line a block, so that a test can compare and print it:
 * "name:type=value,value|…" with NULL as \N. */
static void show_value(const struct lx_column *data, int64_t row, struct lx_buf *out)
{
    if (lx_column_is_null(data, row)) {
        struct lx_str empty = lx_column_value(data, row);
        /* The slot of a NULL is empty or zero (a dictionary's: any entry). */
        if (data->shape != LX_COLUMN_DICT)
            for (size_t i = 0; i < empty.len; i++)
                assert_int_equal(empty.ptr[i], 0);
        if (data->shape == LX_COLUMN_BYTES)
            assert_int_equal(empty.len, 0);
        assert_int_equal(lx_buf_text(out, "\\N"), LX_OK);
        return;
    }
    struct lx_str value = lx_column_value(data, row);
    const struct lx_column *plain = data->shape == LX_COLUMN_DICT ? data->dict : data;
    if (plain->shape == LX_COLUMN_BYTES) {
        assert_int_equal(lx_buf_str(out, value), LX_OK);
        return;
    }
    for (size_t i = value.len; i > 0; i--)
        assert_int_equal(lx_buf_printf(out, "%02x", (uint8_t)value.ptr[i - 1]), LX_OK);
}

static enum lx_status decode(const uint8_t *bytes, size_t size, size_t step, size_t max_bytes,
                             struct lx_buf *out, struct lx_err *err)
{
    struct memory_source memory = {bytes, size, 0, step};
    struct lx_ch_reader reader;
    struct lx_ch_native native;
    assert_int_equal(lx_ch_reader_init(&reader, (struct lx_ch_source){memory_read, &memory}),
                     LX_OK);
    lx_ch_native_init(&native, &reader, max_bytes);
    enum lx_status status;
    for (;;) {
        struct lx_ch_block *block;
        status = lx_ch_native_next(&native, &block, err);
        if (status != LX_OK || block == NULL)
            break;
        for (size_t i = 0; out != NULL && i < block->column_count; i++) {
            const struct lx_ch_column *column = &block->columns[i];
            assert_int_equal(
                lx_buf_printf(out, "%s%s:%s=", i ? "|" : "", column->name, column->type->text),
                LX_OK);
            for (int64_t row = 0; row < block->rows; row++) {
                if (row != 0)
                    assert_int_equal(lx_buf_text(out, ","), LX_OK);
                show_value(&column->data, row, out);
            }
        }
        if (out != NULL)
            assert_int_equal(lx_buf_text(out, "\n"), LX_OK);
    }
    lx_ch_native_free(&native);
    lx_ch_reader_free(&reader);
    return status;
}

/* Bytes as a real server (26.7) sent them. */
static const struct {
    const char *what, *hex, *shown;
} golden[] = {
    {"an empty result", "", ""},
    {"SELECT NULL", "01 01 01'n' 11'Nullable(Nothing)' 01 30", "n:Nullable(Nothing)=\\N\n"},
    {"UUID 00112233-4455-6677-8899-aabbccddeeff",
     "01 01 01'u' 04'UUID' 7766554433221100 ffeeddccbbaa9988",
     "u:UUID=8899aabbccddeeff0011223344556677\n"},
    {"two columns, three rows",
     "02 03 01'a' 06'UInt16' 0100 0200 ff00 01's' 06'String' 00 03'abc' 01'z'",
     "a:UInt16=0001,0002,00ff|s:String=,abc,z\n"},
    {"Nullable: whatever stands in a NULL's slot is taken out",
     "02 03 01'a' 0f'Nullable(Int32)' 000100 01000000 99999999 03000000"
     " 01's' 10'Nullable(String)' 010000 05'waste' 00 02'ok'",
     "a:Nullable(Int32)=00000001,\\N,00000003|s:Nullable(String)=\\N,,ok\n"},
    {"LowCardinality(String)",
     "01 04 01'l' 16'LowCardinality(String)' 0100000000000000 0006000000000000"
     " 0300000000000000 00 01'a' 02'bc' 0400000000000000 01 02 00 01",
     "l:LowCardinality(String)=a,bc,,a\n"},
    {"LowCardinality(Nullable(String)): entry 0 is NULL, 1 the empty text; 16-bit indexes",
     "01 04 01'l' 20'LowCardinality(Nullable(String))' 0100000000000000 0106000000000000"
     " 0300000000000000 00 00 01'x' 0400000000000000 0200 0000 0100 0200",
     "l:LowCardinality(Nullable(String))=x,\\N,,x\n"},
    {"LowCardinality(UInt8), 64-bit indexes",
     "01 02 01'l' 15'LowCardinality(UInt8)' 0100000000000000 0306000000000000"
     " 0200000000000000 00 07 0200000000000000 0100000000000000 0000000000000000",
     "l:LowCardinality(UInt8)=07,00\n"},
    {"JSON as text, and nullable",
     "02 02 01'j' 04'JSON' 0100000000000000 07'{\"a\":1}' 02'{}'"
     " 01'k' 0e'Nullable(JSON)' 0100000000000000 0100 02'{}' 02'{}'",
     "j:JSON={\"a\":1},{}|k:Nullable(JSON)=\\N,{}\n"},
    {"numbers without a kind of their own",
     "04 01 01'a' 0b'IntervalDay' 0500000000000000 01'b' 04'Time' f0b00000"
     " 01'c' 09'Time64(3)' fb29b30200000000 01'd' 08'BFloat16' c03f",
     "a:IntervalDay=0000000000000005|b:Time=0000b0f0|c:Time64(3)=0000000002b329fb|d:BFloat16="
     "3fc0\n"},
    {"an enum with a quote in a name",
     "01 01 01'e' 1b'Enum8('27'a'27' = -2, '27'a\\'27'b'27' = 1)' fe",
     "e:Enum8('a' = -2, 'a\\'b' = 1)=fe\n"},
    {"two blocks, then one without rows",
     "01 02 01'a' 05'UInt8' 0102 01 01 01'a' 05'UInt8' 03 01 00 01'a' 05'UInt8'",
     "a:UInt8=01,02\na:UInt8=03\n"},
    {"a block without rows first", "01 00 01'a' 05'UInt8' 01 01 01'a' 05'UInt8' 07",
     "a:UInt8=07\n"},
};

static void test_golden(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        struct lx_buf bytes = LX_BUF(LX_MIB), shown = LX_BUF(LX_MIB);
        print_message("%s\n", golden[i].what);
        put_hex(&bytes, golden[i].hex);
        for (size_t step = 0; step < 4; step++) {
            struct lx_err err = LX_ERR_INIT;
            lx_buf_clear(&shown);
            assert_status(decode(bytes.data, bytes.len, step, 0, &shown, &err), LX_OK, &err);
            assert_string_equal(lx_buf_cstr(&shown), golden[i].shown);
        }
        lx_buf_free(&bytes);
        lx_buf_free(&shown);
    }
}

/* Is a stream of `size` bytes whole blocks? Then its end there is a proven one, not a cut. */
static bool is_boundary(const struct lx_buf *bytes, size_t size)
{
    struct lx_err err = LX_ERR_INIT;
    return decode(bytes->data, size, 0, 0, NULL, &err) == LX_OK;
}

static void test_truncated(void **state)
{
    (void)state;
    size_t cuts = 0, boundaries = 0;
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        struct lx_buf bytes = LX_BUF(LX_MIB);
        put_hex(&bytes, golden[i].hex);
        for (size_t size = 1; size < bytes.len; size++) {
            struct lx_err err = LX_ERR_INIT;
            /* Exactly sized memory, so that a sanitizer sees a read beyond it. */
            uint8_t *exact = lx_malloc(size);
            memcpy(exact, bytes.data, size);
            enum lx_status status = decode(exact, size, 0, 0, NULL, &err);
            lx_free(exact);
            cuts++;
            if (status == LX_OK) {
                boundaries++;
                continue;
            }
            assert_int_equal(status, LX_E_FORMAT);
            assert_non_null(strstr(err.text, "ends within a block"));
        }
        lx_buf_free(&bytes);
    }
    /* Only the multi-block streams may end earlier, between their blocks. */
    assert_int_equal(boundaries, 3);
    assert_true(cuts > 500);
    struct lx_buf two = LX_BUF(LX_MIB);
    put_hex(&two, golden[11].hex);
    assert_true(is_boundary(&two, 12));
    assert_false(is_boundary(&two, 11));
    lx_buf_free(&two);
}

/* Every bit flipped: a result or an error, never a crash, never more memory than allowed. */
static void test_flipped(void **state)
{
    (void)state;
    size_t errors = 0, tries = 0;
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        struct lx_buf bytes = LX_BUF(LX_MIB);
        put_hex(&bytes, golden[i].hex);
        for (size_t bit = 0; bit < bytes.len * 8; bit++) {
            struct lx_err err = LX_ERR_INIT;
            bytes.data[bit / 8] ^= (uint8_t)(1 << (bit % 8));
            lx_alloc_reset_peak();
            size_t before = lx_alloc_used();
            enum lx_status status = decode(bytes.data, bytes.len, 0, LX_MIB, NULL, &err);
            assert_true(lx_alloc_peak() - before < 8 * LX_MIB);
            assert_int_equal(lx_alloc_used(), before);
            bytes.data[bit / 8] ^= (uint8_t)(1 << (bit % 8));
            assert_true(status == LX_OK || status == LX_E_FORMAT || status == LX_E_LIMIT ||
                        status == LX_E_UNSUPPORTED);
            assert_true(status == LX_OK || err.text[0] != 0);
            errors += status != LX_OK;
            tries++;
        }
        lx_buf_free(&bytes);
    }
    print_message("%zu flips, %zu found\n", tries, errors);
    assert_true(errors > tries / 2);
}

static const struct {
    const char *what, *hex;
    enum lx_status status;
    const char *says;
} malformed[] = {
    {"no columns", "00 05", LX_E_FORMAT, "not the Native format"},
    {"too many columns", "81 80 01 01", LX_E_FORMAT, "not the Native format"},
    {"too many rows", "01 80808080 10", LX_E_FORMAT, "not the Native format"},
    {"a count beyond 64 bits", "ffffffffffffffffff7f 01", LX_E_FORMAT, "64 bits"},
    {"a long name", "01 01 ffffff7f", LX_E_FORMAT, "column name"},
    {"a type that is none", "01 01 01'a' 03'(%)'", LX_E_FORMAT, "column a: type (%)"},
    {"an HTML page", "'<html><body>Bad gateway</body></html>'", LX_E_FORMAT, ""},
    {"an array", "01 01 01'a' 0c'Array(UInt8)' 0100000000000000 01", LX_E_UNSUPPORTED,
     "column a: values of the type Array(UInt8)"},
    {"JSON in its own form", "01 01 01'j' 04'JSON' 0000000000000000", LX_E_UNSUPPORTED,
     "own form 0"},
    {"another column later", "01 01 01'a' 05'UInt8' 01 01 01 01'b' 05'UInt8' 01", LX_E_FORMAT,
     "after 1 rows column a became b"},
    {"another type later", "01 01 01'a' 05'UInt8' 01 01 01 01'a' 04'Int8' 01", LX_E_FORMAT,
     "after 1 rows column a changed its type from UInt8 to Int8"},
    {"fewer columns later", "02 01 01'a' 05'UInt8' 01 01'b' 05'UInt8' 01 01 01 01'a'", LX_E_FORMAT,
     "a block of 1 columns, not 2"},
    {"a NULL flag of 2", "01 01 01'a' 0f'Nullable(UInt8)' 02 00", LX_E_FORMAT, "NULL flag"},
    {"a dictionary of version 2",
     "01 01 01'l' 16'LowCardinality(String)' 0200000000000000 0006000000000000 0100000000000000",
     LX_E_FORMAT, "dictionary of version 2"},
    {"a shared dictionary",
     "01 01 01'l' 16'LowCardinality(String)' 0100000000000000 0007000000000000 0100000000000000",
     LX_E_FORMAT, "flags 0x700"},
    {"an index out of the dictionary",
     "01 01 01'l' 16'LowCardinality(String)' 0100000000000000 0006000000000000 0100000000000000"
     " 00 0100000000000000 01",
     LX_E_FORMAT, "index 1 into a dictionary of 1"},
    {"an empty dictionary",
     "01 01 01'l' 16'LowCardinality(String)' 0100000000000000 0006000000000000 0000000000000000"
     " 0100000000000000 00",
     LX_E_FORMAT, "dictionary of 0"},
    {"indexes for other rows",
     "01 01 01'l' 16'LowCardinality(String)' 0100000000000000 0006000000000000 0100000000000000"
     " 00 0200000000000000 00 00",
     LX_E_FORMAT, "2 indexes for 1 rows"},
    {"a huge dictionary",
     "01 01 01'l' 16'LowCardinality(String)' 0100000000000000 0006000000000000 ffffffff00000000",
     LX_E_LIMIT, "column l"},
    {"a huge column", "01 ffffff7f 01'a' 07'UInt256' 00", LX_E_LIMIT, "column a"},
    {"a huge text", "01 01 01'a' 06'String' ffffffff0f 00", LX_E_FORMAT, "text of 4294967295"},
    {"a text beyond the limit", "01 01 01'a' 06'String' ffffff3f 00", LX_E_LIMIT, "1 MiB"},
};

static void test_malformed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        struct lx_buf bytes = LX_BUF(LX_MIB);
        struct lx_err err = LX_ERR_INIT;
        print_message("%s\n", malformed[i].what);
        put_hex(&bytes, malformed[i].hex);
        assert_status(decode(bytes.data, bytes.len, 0, LX_MIB, NULL, &err), malformed[i].status,
                      &err);
        print_message("    %s\n", err.text);
        assert_non_null(strstr(err.text, malformed[i].says));
        if (malformed[i].status == LX_E_FORMAT) /* whoever reads it shall not have to guess */
            assert_ptr_equal(strstr(err.text, "the answer is corrupt: "), err.text);
        lx_buf_free(&bytes);
    }
}

/* Texts of every length around the borders of the scanner: short copies, buffer ends, lengths of
 * one to four bytes, NULLs between. */
static void test_texts(void **state)
{
    (void)state;
    static const size_t sizes[] = {0,     1,      31,     32,      33,     34,    127,
                                   128,   129,    255,    256,     16383,  16384, 16385,
                                   65535, 524287, 524288, 2097151, 2097152};
    enum { SIZES = sizeof sizes / sizeof *sizes, ROWS = SIZES * 40 };
    struct lx_buf bytes = LX_BUF(512 * LX_MIB), text = LX_BUF(4 * LX_MIB);
    put_varint(&bytes, 1);
    put_varint(&bytes, ROWS);
    put_column(&bytes, "s", "Nullable(String)");
    for (size_t row = 0; row < ROWS; row++)
        put(&bytes, row % 7 == 3 ? "\1" : "\0", 1);
    for (size_t row = 0; row < ROWS; row++) {
        size_t size = sizes[(row * 5) % SIZES];
        if (row % 3 != 0 && size > 70000)
            size %= 70;
        lx_buf_clear(&text);
        assert_int_equal(lx_buf_reserve(&text, size), LX_OK);
        memset(text.data, (int)('a' + row % 26), size);
        put_varint(&bytes, size);
        put(&bytes, text.data, size);
    }
    static const size_t steps[] = {0, 1000, 65536, 65537, 600001};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct memory_source memory = {bytes.data, bytes.len, 0, steps[i]};
        struct lx_ch_reader reader;
        struct lx_ch_native native;
        struct lx_ch_block *block;
        struct lx_err err = LX_ERR_INIT;
        assert_int_equal(lx_ch_reader_init(&reader, (struct lx_ch_source){memory_read, &memory}),
                         LX_OK);
        lx_ch_native_init(&native, &reader, 0);
        assert_status(lx_ch_native_next(&native, &block, &err), LX_OK, &err);
        assert_int_equal(block->rows, ROWS);
        for (int64_t row = 0; row < ROWS; row++) {
            size_t size = sizes[((size_t)row * 5) % SIZES];
            if (row % 3 != 0 && size > 70000)
                size %= 70;
            struct lx_str value = lx_column_value(&block->columns[0].data, row);
            assert_int_equal(lx_column_is_null(&block->columns[0].data, row), row % 7 == 3);
            assert_int_equal(value.len, row % 7 == 3 ? 0 : size);
            for (size_t k = 0; k<value.len; k += value.len> 100 ? value.len - 1 : 1)
                assert_int_equal(value.ptr[k], 'a' + row % 26);
        }
        /* The look back: the last bytes that came, wherever they went. */
        assert_status(lx_ch_native_next(&native, &block, &err), LX_OK, &err);
        assert_null(block);
        struct lx_str tail = lx_ch_reader_tail(&reader);
        assert_true(tail.len > 0 && tail.len <= LX_CH_TAIL);
        assert_memory_equal(tail.ptr, bytes.data + bytes.len - tail.len, tail.len);
        lx_ch_native_free(&native);
        lx_ch_reader_free(&reader);
    }
    lx_buf_free(&bytes);
    lx_buf_free(&text);
}

/* Large fixed columns pass the buffer by; the tail is right behind them, too. */
static void test_direct(void **state)
{
    (void)state;
    enum { ROWS = 3000000 };
    struct lx_buf bytes = LX_BUF(256 * LX_MIB);
    put_varint(&bytes, 2);
    put_varint(&bytes, ROWS);
    put_column(&bytes, "a", "UInt64");
    for (uint64_t i = 0; i < ROWS; i++)
        put_u64(&bytes, i * 0x9E3779B97F4A7C15u);
    put_column(&bytes, "b", "FixedString(5)");
    for (uint64_t i = 0; i < ROWS; i++) {
        char text[8];
        snprintf(text, sizeof text, "%05u", (unsigned)(i % 100000));
        put(&bytes, text, 5);
    }
    struct memory_source memory = {bytes.data, bytes.len, 0, 100001};
    struct lx_ch_reader reader;
    struct lx_ch_native native;
    struct lx_ch_block *block;
    struct lx_err err = LX_ERR_INIT;
    assert_int_equal(lx_ch_reader_init(&reader, (struct lx_ch_source){memory_read, &memory}),
                     LX_OK);
    lx_ch_native_init(&native, &reader, 0);
    assert_status(lx_ch_native_next(&native, &block, &err), LX_OK, &err);
    const uint64_t *a = (const void *)block->columns[0].data.values;
    for (uint64_t i = 0; i < ROWS; i++)
        if (a[i] != i * 0x9E3779B97F4A7C15u)
            fail_msg("row %llu", (unsigned long long)i);
    assert_memory_equal(block->columns[1].data.values + 123456 * 5, "23456", 5);
    struct lx_str tail = lx_ch_reader_tail(&reader);
    assert_memory_equal(tail.ptr, bytes.data + bytes.len - tail.len, tail.len);
    assert_true(tail.len >= 32 * LX_KIB);
    lx_ch_native_free(&native);
    lx_ch_reader_free(&reader);
    lx_buf_free(&bytes);
}

/* Columns may be moved out between blocks; the next block makes new ones. */
static void test_moved_out(void **state)
{
    (void)state;
    struct lx_buf bytes = LX_BUF(LX_MIB);
    for (unsigned block = 0; block < 3; block++)
        put_hex(&bytes, "03 02 01'a' 05'UInt8' 0102 01's' 06'String' 02'hi' 00 01'l'"
                        " 16'LowCardinality(String)' 0100000000000000 0006000000000000"
                        " 0200000000000000 00 01'x' 0200000000000000 01 00");
    struct memory_source memory = {bytes.data, bytes.len, 0, 0};
    struct lx_ch_reader reader;
    struct lx_ch_native native;
    struct lx_err err = LX_ERR_INIT;
    struct lx_column kept[9];
    assert_int_equal(lx_ch_reader_init(&reader, (struct lx_ch_source){memory_read, &memory}),
                     LX_OK);
    lx_ch_native_init(&native, &reader, 0);
    for (unsigned i = 0; i < 3; i++) {
        struct lx_ch_block *block;
        assert_status(lx_ch_native_next(&native, &block, &err), LX_OK, &err);
        for (unsigned c = 0; c < 3; c++) {
            struct lx_column *data = &block->columns[c].data;
            kept[i * 3 + c] = *data;
            lx_column_init(data, data->shape, data->width);
        }
    }
    lx_ch_native_free(&native);
    lx_ch_reader_free(&reader);
    for (unsigned i = 0; i < 9; i++) {
        struct lx_str value = lx_column_value(&kept[i], 0);
        static const char *const first[] = {"\1", "hi", "x"};
        assert_true(lx_str_is(value, first[i % 3]));
        lx_column_free(&kept[i]);
    }
    lx_buf_free(&bytes);
}

/* Wide FixedStrings are texts of one length; a NULL's bytes go. */
static void test_wide_fixed(void **state)
{
    (void)state;
    struct lx_buf bytes = LX_BUF(LX_MIB);
    put_varint(&bytes, 1);
    put_varint(&bytes, 3);
    put_column(&bytes, "f", "Nullable(FixedString(5000))");
    put(&bytes, "\0\1\0", 3);
    char wide[5000];
    for (int i = 0; i < 3; i++) {
        memset(wide, 'a' + i, sizeof wide);
        put(&bytes, wide, sizeof wide);
    }
    struct memory_source memory = {bytes.data, bytes.len, 0, 0};
    struct lx_ch_reader reader;
    struct lx_ch_native native;
    struct lx_ch_block *block;
    struct lx_err err = LX_ERR_INIT;
    assert_int_equal(lx_ch_reader_init(&reader, (struct lx_ch_source){memory_read, &memory}),
                     LX_OK);
    lx_ch_native_init(&native, &reader, 0);
    assert_status(lx_ch_native_next(&native, &block, &err), LX_OK, &err);
    const struct lx_column *data = &block->columns[0].data;
    assert_int_equal(lx_column_value(data, 0).len, 5000);
    assert_true(lx_column_is_null(data, 1));
    assert_int_equal(lx_column_value(data, 1).len, 0);
    assert_int_equal(lx_column_value(data, 2).len, 5000);
    assert_int_equal(lx_column_value(data, 2).ptr[4999], 'c');
    lx_ch_native_free(&native);
    lx_ch_reader_free(&reader);
    lx_buf_free(&bytes);
}

/* Every allocation fails once: an error with a text, and nothing leaks. */
static void test_memory(void **state)
{
    (void)state;
    struct lx_buf bytes = LX_BUF(LX_MIB);
    put_hex(&bytes, "02 04 01's' 10'Nullable(String)' 00000100 00 03'abc' 00 01'z'"
                    " 01'l' 20'LowCardinality(Nullable(String))' 0100000000000000"
                    " 0106000000000000 0300000000000000 00 00 01'x' 0400000000000000 0200 0000"
                    " 0100 0200");
    size_t before = lx_alloc_used();
    for (uint64_t n = 2;; n++) { /* the first is the reader's buffer, made by decode() */
        struct lx_err err = LX_ERR_INIT;
        lx_alloc_fail_at(n);
        enum lx_status status = decode(bytes.data, bytes.len, 0, 0, NULL, &err);
        lx_alloc_fail_at(0);
        assert_int_equal(lx_alloc_used(), before);
        if (status == LX_OK)
            break;
        assert_int_equal(status, LX_E_MEMORY);
        assert_non_null(strstr(err.text, "memory"));
        assert_true(n < 200);
    }
    lx_buf_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),    cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_flipped),   cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_texts),     cmocka_unit_test(test_direct),
        cmocka_unit_test(test_moved_out), cmocka_unit_test(test_wide_fixed),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
