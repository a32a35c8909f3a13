/* Vectors that a real ClickHouse (26.7) computed. */
#include "ch_test.h"

struct table {
    struct lx_column columns[16];
    size_t count;
};

static struct lx_column *add(struct table *table, enum lx_column_shape shape, uint32_t width)
{
    struct lx_column *column = &table->columns[table->count++];
    lx_column_init(column, shape, width);
    return column;
}

static void append(struct lx_column *column, const void *value, size_t size)
{
    assert_int_equal(lx_column_append(column, value, size), LX_OK);
}

static void hash(struct table *table, uint64_t *hashes)
{
    struct lx_ch_hash_input inputs[16] = {0};
    for (size_t i = 0; i < table->count; i++)
        inputs[i].values = &table->columns[i];
    int64_t rows = table->count != 0 ? table->columns[0].rows : 1;
    assert_int_equal(lx_ch_hash_rows(inputs, table->count, rows, hashes), LX_OK);
    for (size_t i = 0; i < table->count; i++)
        lx_column_free(&table->columns[i]);
}

/* (id UUID, s String, ts DateTime64(3), f32, f64, d Date, n Nullable(Int32)) of ten rows. */
static void test_rows(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        int32_t n; /* 99: NULL */
        uint64_t hash;
    } rows[10] = {
        {0, -4, 15704590063253990482u},   {1000, -3, 3527722631207772344u},
        {2001, 99, 1203045788066049851u}, {3002, -1, 1332806867295939999u},
        {4003, 0, 10896504894405809733u}, {5004, 99, 13852329462589997098u},
        {6005, 2, 153825179690110446u},   {7007, 3, 10105351337982505064u},
        {8007, 99, 8339742310548374758u}, {9008, 5, 3843294174881432347u},
    };
    static const char text[] = "lynex archives ClickHouse events to Parquet";
    struct table table = {0};
    struct lx_column *id = add(&table, LX_COLUMN_FIXED, 16), *s = add(&table, LX_COLUMN_BYTES, 0),
                     *ts = add(&table, LX_COLUMN_FIXED, 8), *f32 = add(&table, LX_COLUMN_FIXED, 4),
                     *f64 = add(&table, LX_COLUMN_FIXED, 8), *d = add(&table, LX_COLUMN_FIXED, 2),
                     *n = add(&table, LX_COLUMN_FIXED, 4);
    for (uint64_t i = 0; i < 10; i++) {
        /* 0011223i-4455-4677-8899-aabbccddee0i */
        uint64_t uuid[2] = {0x0011223044554677u + (i << 32), 0x8899aabbccddee00u + i};
        append(id, uuid, 16);
        append(s, text, 4 * i);
        int64_t ticks = 1777593600000 + rows[i].ms;
        append(ts, &ticks, 8);
        float single = 1.5f * (float)i;
        append(f32, &single, 4);
        double real = i == 9 ? -0.0 : (double)i / 8;
        append(f64, &real, 8);
        uint16_t day = (uint16_t)(20574 + i);
        append(d, &day, 2);
        if (rows[i].n == 99)
            assert_int_equal(lx_column_append_null(n), LX_OK);
        else
            append(n, &rows[i].n, 4);
    }
    uint64_t hashes[10];
    hash(&table, hashes);
    for (size_t i = 0; i < 10; i++) {
        if (hashes[i] != rows[i].hash)
            fail_msg("row %zu: %llu, not %llu", i, (unsigned long long)hashes[i],
                     (unsigned long long)rows[i].hash);
    }
}

static const struct {
    const char *what, *hex;
    uint32_t width;
    uint64_t hash;
} scalars[] = {
    {"UUID 00112233-4455-6677-8899-aabbccddeeff", "7766554433221100ffeeddccbbaa9988", 16,
     14818404343589262673u},
    {"'abc'", "'abc'", 0, 8696274497037089104u},
    {"''", "", 0, 3244421341483603138u},
    {"DateTime64(3) 2026-05-01 00:00:00.123", "7bc8d5e09d010000", 8, 9294704690487748585u},
    {"DateTime 2026-05-01", "00edf369", 4, 11896359507968686453u},
    {"Date 2026-05-01", "5e50", 2, 1717366449532430288u},
    {"Float32 12.345", "1f854541", 4, 14831308878727350219u},
    {"Float64 -0.0", "0000000000000080", 8, 9407778237848358495u},
    {"Float64 0.0", "0000000000000000", 8, 14374147212387527897u},
    {"Float64 nan", "000000000000f87f", 8, 767333564151873895u},
    {"UInt8 1", "01", 1, 16226181191752404715u},
    {"Decimal(18, 4) 1.5", "983a000000000000", 8, 8316272859559957223u},
    {"IPv4 1.2.3.4", "04030201", 4, 14355428563589734825u},
    {"IPv6 2001:db8::1", "20010db8000000000000000000000001", 16, 2836299806520711584u},
};

static void test_scalars(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++) {
        struct lx_buf value = LX_BUF(100);
        struct table table = {0};
        print_message("%s\n", scalars[i].what);
        put_hex(&value, scalars[i].hex);
        append(add(&table, scalars[i].width ? LX_COLUMN_FIXED : LX_COLUMN_BYTES, scalars[i].width),
               value.data, value.len);
        uint64_t got;
        hash(&table, &got);
        if (got != scalars[i].hash)
            fail_msg("%llu, not %llu", (unsigned long long)got,
                     (unsigned long long)scalars[i].hash);
        lx_buf_free(&value);
    }
}

static void test_chains(void **state)
{
    (void)state;
    uint64_t got;
    struct table table = {0};
    hash(&table, &got);
    assert_true(got == 16324913028386710556u); /* tuple() */

    table = (struct table){0};
    append(add(&table, LX_COLUMN_BYTES, 0), "abc", 3);
    assert_int_equal(lx_column_append_null(add(&table, LX_COLUMN_FIXED, 4)), LX_OK);
    hash(&table, &got);
    assert_true(got == 2091076310092002777u); /* ('abc', NULL) */

    table = (struct table){0};
    append(add(&table, LX_COLUMN_BYTES, 0), "abc", 3);
    append(add(&table, LX_COLUMN_FIXED, 1), "\1", 1);
    hash(&table, &got);
    assert_true(got == 7585367075191140620u); /* ('abc', 1) */

    /* tuple(1, tuple(2, 3)) is flattened: the same as (1, 2, 3). */
    table = (struct table){0};
    for (char c = 1; c <= 3; c++)
        append(add(&table, LX_COLUMN_FIXED, 1), &c, 1);
    hash(&table, &got);
    assert_true(got == 16833475469659593015u);
}

/* Arrays within the tuple go on with the chain; as a value of their own they come ready. */
static void test_ready(void **state)
{
    (void)state;
    const uint64_t mixed_length_1 = 10577349846663553072u; /* of [2] alone, before its element */
    struct lx_column one = {0};
    lx_column_init(&one, LX_COLUMN_FIXED, 1);
    append(&one, "\1", 1);
    uint64_t of_two = lx_ch_hash_value("\2", 1), got, again;
    uint64_t of_array = lx_ch_hash_combine(mixed_length_1, of_two);
    assert_true(of_array == 16766662620211084380u); /* xxh3([2]) */
    struct lx_ch_hash_input inputs[3] = {
        {.values = &one}, {.ready = &mixed_length_1}, {.ready = &of_two}};
    assert_int_equal(lx_ch_hash_rows(inputs, 3, 1, &got), LX_OK);
    assert_true(got == 5048817957462395385u); /* xxh3(tuple(1, [2])) */
    struct lx_ch_hash_input swapped[2] = {{.ready = &of_array}, {.values = &one}};
    assert_int_equal(lx_ch_hash_rows(swapped, 2, 1, &got), LX_OK);
    assert_true(got == 16831153389577558427u); /* xxh3(tuple([2], 1)) */
    again = lx_ch_hash_value(&of_array, sizeof of_array);
    inputs[1].ready = &again;
    assert_int_equal(lx_ch_hash_rows(inputs, 2, 1, &got), LX_OK);
    assert_true(got == 11493941068273907745u); /* xxh3(tuple(1, xxh3(tuple([2])))) */
    /* A column of other rows is a mistake, not a read beyond it. */
    assert_int_equal(lx_ch_hash_rows(inputs, 1, 2, &got), LX_E_BUG);
    lx_column_free(&one);
}

/* A dictionary, its NULLs, and the same values plain give the same hashes. */
static void test_dictionary(void **state)
{
    (void)state;
    static const char *const words[] = {"", "one", "two", "three"};
    enum { ROWS = 1000 };
    static uint64_t plain_hashes[ROWS], dict_hashes[ROWS];
    struct lx_column plain = {0}, dict = {0};
    lx_column_init(&plain, LX_COLUMN_BYTES, 0);
    lx_column_init(&dict, LX_COLUMN_DICT, 0);
    dict.dict = lx_calloc(1, sizeof *dict.dict);
    lx_column_init(dict.dict, LX_COLUMN_BYTES, 0);
    for (size_t i = 0; i < 4; i++)
        append(dict.dict, words[i], strlen(words[i]));
    assert_int_equal(lx_column_reserve(&dict, ROWS), LX_OK);
    assert_int_equal(lx_column_reserve_nulls(&dict, ROWS), LX_OK);
    for (uint32_t i = 0; i < ROWS; i++) {
        dict.indexes[i] = i * 7 % 4;
        dict.nulls[i] = i % 11 == 0;
        if (i % 11 == 0)
            assert_int_equal(lx_column_append_null(&plain), LX_OK);
        else
            append(&plain, words[i * 7 % 4], strlen(words[i * 7 % 4]));
    }
    dict.rows = ROWS;
    struct lx_ch_hash_input inputs[2] = {{.values = &plain}, {.values = &plain}};
    assert_int_equal(lx_ch_hash_rows(inputs, 2, ROWS, plain_hashes), LX_OK);
    inputs[0].values = inputs[1].values = &dict;
    assert_int_equal(lx_ch_hash_rows(inputs, 2, ROWS, dict_hashes), LX_OK);
    assert_memory_equal(plain_hashes, dict_hashes, sizeof plain_hashes);
    lx_alloc_fail_at(1);
    assert_int_equal(lx_ch_hash_rows(inputs, 2, ROWS, dict_hashes), LX_E_MEMORY);
    lx_alloc_fail_at(0);
    lx_column_free(&plain);
    lx_column_free(&dict);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),       cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_chains),     cmocka_unit_test(test_ready),
        cmocka_unit_test(test_dictionary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
