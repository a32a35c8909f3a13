/* What is chosen for a column is held against everything that could have been: all encodings and
 * compressions of the effort, on the whole page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "parquet/choose.h"
#include "pq_support.h"

#include <stdio.h>
#include <string.h>

#define PAGE_BYTES (8 * LX_MIB)

static struct rng rng;
static struct lx_pq_scratch *scratch;

static void put(struct lx_column *column, const void *bytes, size_t size)
{
    assert_int_equal(lx_column_append(column, bytes, size), LX_OK);
}

/* -- pages --------------------------------------------------------------------------------- */

static int random_word(char *to, size_t size)
{
    return snprintf(to, size, "%016llx", (unsigned long long)rng_next(&rng));
}

/* Texts without anything in common. */
static void put_id(struct lx_column *column, int64_t i)
{
    char text[40];
    int size = random_word(text, sizeof text);
    (void)i;
    size += random_word(text + size, sizeof text - (size_t)size);
    put(column, text, (size_t)size);
}

/* Each shares its beginning with the one before it. */
static void put_path(struct lx_column *column, int64_t i)
{
    char text[120];
    int size = snprintf(text, sizeof text, "/var/lib/service/%06lld/segments/part-%08lld",
                        (long long)(i / 300), (long long)i * 7);
    put(column, text, (size_t)size);
}

#define POOL 3000
#define POOL_TEXT 900

/* Texts drawn from a pool of three megabytes: what repeats lies far back. */
static void put_drawn(struct lx_column *column, int64_t i)
{
    static char pool[POOL][POOL_TEXT];
    if (i == 0)
        for (size_t p = 0; p < POOL; p++)
            for (size_t at = 0; at + 17 < POOL_TEXT; at += 16)
                random_word(pool[p] + at, 17);
    char text[POOL_TEXT + 40];
    int size = snprintf(text, sizeof text, "%08x:", (unsigned)rng_below(&rng, UINT32_MAX));
    memcpy(text + size, pool[rng_below(&rng, POOL)], POOL_TEXT - 20);
    put(column, text, (size_t)size + POOL_TEXT - 20);
}

/* Sentences of two hundred words. */
static void put_words(struct lx_column *column, int64_t i)
{
    char text[600];
    size_t size = 0;
    (void)i;
    for (uint64_t words = 10 + rng_below(&rng, 40); words > 0; words--) {
        uint64_t word = rng_below(&rng, 200);
        size +=
            (size_t)snprintf(text + size, sizeof text - size, "%c%03u%c ", 'a' + (int)(word % 26),
                             (unsigned)(word * 37 % 1000), 'a' + (int)(word % 7));
    }
    put(column, text, size);
}

static void put_level(struct lx_column *column, int64_t i)
{
    static const char *const levels[] = {"debug", "info", "warning", "error"};
    const char *text = levels[rng_below(&rng, 4)];
    (void)i;
    put(column, text, strlen(text));
}

static void put_number(struct lx_column *column, int64_t i)
{
    uint64_t number = rng_next(&rng);
    (void)i;
    put(column, &number, sizeof number);
}

static void put_rising(struct lx_column *column, int64_t i)
{
    uint64_t number = 1700000000000 + (uint64_t)i * 250 + rng_below(&rng, 250);
    put(column, &number, sizeof number);
}

/* One of so many numbers that have nothing in common. */
static void put_one_of(struct lx_column *column, uint64_t count)
{
    struct rng of = {rng_below(&rng, count)};
    uint64_t number = rng_next(&of);
    put(column, &number, sizeof number);
}

static void put_repeated(struct lx_column *column, int64_t i)
{
    (void)i;
    put_one_of(column, 300);
}

/* Four fifths of a sample are distinct, less than half of the page is. */
static void put_shared(struct lx_column *column, int64_t i)
{
    (void)i;
    put_one_of(column, 1 << 16);
}

static void put_nearly_distinct(struct lx_column *column, int64_t i)
{
    (void)i;
    put_one_of(column, 1 << 20);
}

struct kind {
    const char *name;
    void (*put)(struct lx_column *column, int64_t i);
    bool text;
    enum lx_parquet_encoding encoding; /* that must be chosen */
    bool far;                          /* large windows pay */
};

static const struct kind kinds[] = {
    {"ids", put_id, true, LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY, false},
    {"paths", put_path, true, LX_PARQUET_DELTA_BYTE_ARRAY, false},
    {"drawn", put_drawn, true, LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY, true},
    {"words", put_words, true, LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY, false},
    {"levels", put_level, true, LX_PARQUET_RLE_DICTIONARY, false},
    {"numbers", put_number, false, LX_PARQUET_PLAIN, false},
    {"rising", put_rising, false, LX_PARQUET_DELTA_BINARY_PACKED, false},
    {"repeated", put_repeated, false, LX_PARQUET_RLE_DICTIONARY, false},
    {"shared", put_shared, false, LX_PARQUET_RLE_DICTIONARY, false},
    {"nearly distinct", put_nearly_distinct, false, LX_PARQUET_PLAIN, false},
};

static struct lx_pq_page *make_page(const struct kind *kind, int64_t rows)
{
    struct lx_pq_page *page;
    rng = (struct rng){5};
    assert_int_equal(lx_pq_page_create(kind->text ? 0 : 8, &page), LX_OK);
    for (int64_t i = 0; i < rows && page->raw_bytes < PAGE_BYTES; i++) {
        kind->put(&page->values, i);
        page->count = page->levels = page->rows = i + 1;
        page->raw_bytes =
            kind->text ? page->values.offsets[i + 1] + (size_t)(i + 1) * 4 : (size_t)(i + 1) * 8;
    }
    return page;
}

/* -- everything that could be chosen ------------------------------------------------------- */

static size_t packed(const struct lx_pq_page *page, enum lx_parquet_encoding encoding,
                     const struct lx_pq_compression *how)
{
    struct lx_err err = LX_ERR_INIT;
    size_t dictionary_bytes = 0;
    lx_buf_clear(&scratch->body);
    lx_buf_clear(&scratch->packed);
    assert_int_equal(lx_buf_reserve(&scratch->body, 1), LX_OK);
    if (encoding == LX_PARQUET_RLE_DICTIONARY) {
        struct lx_pq_dictionary dictionary;
        struct lx_pq_page ids = {.count = 0};
        int64_t done;
        lx_pq_dictionary_init(&dictionary, page->values.width, LX_MIB);
        assert_int_equal(lx_pq_page_reserve_ids(&ids, (size_t)page->count), LX_OK);
        assert_int_equal(
            lx_pq_dictionary_add(&dictionary, &page->values, 0, page->count, ids.ids, &done),
            LX_OK);
        dictionary_bytes = done < page->count ? SIZE_MAX / 2 : dictionary.bytes;
        if (done == page->count)
            assert_int_equal(lx_pq_ids_encode(ids.ids, page->count, &scratch->body), LX_OK);
        lx_free(ids.ids);
        lx_pq_dictionary_free(&dictionary);
    } else {
        enum lx_parquet_physical physical =
            page->values.shape == LX_COLUMN_BYTES ? LX_PARQUET_BYTE_ARRAY : LX_PARQUET_INT64;
        assert_int_equal(lx_pq_values_encode(encoding, physical, &page->values, page->count,
                                             &scratch->lengths, &scratch->body),
                         LX_OK);
    }
    if (how->codec == LX_PARQUET_UNCOMPRESSED)
        return scratch->body.len + dictionary_bytes;
    assert_int_equal(lx_pq_compress(scratch->compressor, how, scratch->body.data, scratch->body.len,
                                    &scratch->packed, &err),
                     LX_OK);
    return scratch->packed.len + dictionary_bytes;
}

/* What an effort may use. */
#define WAYS 7
static const struct lx_pq_compression ways[3][WAYS] = {
    [LX_PARQUET_FAST] = {{LX_PARQUET_UNCOMPRESSED}, {LX_PARQUET_ZSTD, .level = 1}},
    [LX_PARQUET_BALANCED] = {{LX_PARQUET_UNCOMPRESSED},
                             {LX_PARQUET_ZSTD, .level = 1},
                             {LX_PARQUET_ZSTD, .level = 1, .min_match = 7, .hash_log = 17,
                              .window_log = 22},
                             {LX_PARQUET_ZSTD, 3, .min_match = 7, .hash_log = 18, .chain_log = 13,
                              .window_log = 23},
                             {LX_PARQUET_ZSTD, .level = 3}},
    [LX_PARQUET_SMALL] = {{LX_PARQUET_UNCOMPRESSED},
                          {LX_PARQUET_ZSTD, .level = 1},
                          {LX_PARQUET_ZSTD, 3, .min_match = 7, .hash_log = 18, .chain_log = 13,
                           .window_log = 23},
                          {LX_PARQUET_ZSTD, .level = 3},
                          {LX_PARQUET_ZSTD, .level = 5},
                          {LX_PARQUET_ZSTD, .level = 5, .min_match = 7, .window_log = 23},
                          {LX_PARQUET_ZSTD, .level = 6}},
};

static size_t least(const struct lx_pq_page *page, bool text, enum lx_parquet_effort effort)
{
    static const enum lx_parquet_encoding texts[] = {
        LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY, LX_PARQUET_DELTA_BYTE_ARRAY, LX_PARQUET_RLE_DICTIONARY};
    static const enum lx_parquet_encoding numbers[] = {
        LX_PARQUET_PLAIN, LX_PARQUET_DELTA_BINARY_PACKED, LX_PARQUET_RLE_DICTIONARY};
    size_t best = SIZE_MAX;
    for (size_t e = 0; e < 3; e++)
        for (size_t w = 0; w < WAYS && ways[effort][w].codec != LX_PARQUET_CODEC_AUTO; w++) {
            size_t size = packed(page, text ? texts[e] : numbers[e], &ways[effort][w]);
            best = size < best ? size : best;
        }
    return best;
}

/* -- choices ------------------------------------------------------------------------------- */

static struct lx_pq_choice choose(const struct kind *kind, const struct lx_pq_page *page,
                                  enum lx_parquet_effort effort, bool more,
                                  enum lx_parquet_encoding encoding)
{
    const struct lx_parquet_field field = {
        .name = "x", .physical = kind->text ? LX_PARQUET_BYTE_ARRAY : LX_PARQUET_INT64};
    const struct lx_parquet_leaf leaf = {.path = "x", .field = &field};
    const struct lx_parquet_writer_options file = {.effort = effort, .dictionary_bytes = LX_MIB};
    const struct lx_parquet_column_options column = {.encoding = encoding};
    const struct lx_pq_question question = {.leaf = &leaf,
                                            .file = &file,
                                            .column = &column,
                                            .expected_values = page->count,
                                            .more = more};
    struct lx_pq_choice choice = {.rough = false};
    struct lx_err err = LX_ERR_INIT;
    assert_int_equal(lx_pq_choose(&question, page, scratch, &choice, &err), LX_OK);
    return choice;
}

/* What an effort may leave on the table, in hundredths: a nanosecond must pay. */
static const size_t slack[] = {
    [LX_PARQUET_BALANCED] = 6, [LX_PARQUET_FAST] = 3, [LX_PARQUET_SMALL] = 3};

static void test_as_good_as_any(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        struct lx_pq_page *page = make_page(&kinds[k], 131072);
        size_t sizes[3];
        for (enum lx_parquet_effort effort = LX_PARQUET_BALANCED; effort <= LX_PARQUET_SMALL;
             effort++) {
            struct lx_pq_choice choice =
                choose(&kinds[k], page, effort, false, LX_PARQUET_ENCODING_AUTO);
            size_t size = packed(page, choice.encoding, &choice.compression);
            size_t best = least(page, kinds[k].text, effort);
            print_message("%s, effort %d: encoding %d, level %d, window %d: %zu bytes of %zu\n",
                          kinds[k].name, (int)effort, (int)choice.encoding,
                          choice.compression.level, choice.compression.window_log, size, best);
            sizes[effort] = size;
            assert_false(choice.rough);
            assert_true(size <= best + best * slack[effort] / 100);
            if (effort != LX_PARQUET_BALANCED)
                continue;
            assert_int_equal(choice.encoding, kinds[k].encoding);
            assert_int_equal(choice.compression.window_log >= 22, kinds[k].far);
        }
        /* But for what a cheaper way may cost where nothing is to be gained. */
        assert_true(sizes[LX_PARQUET_SMALL] <= sizes[LX_PARQUET_BALANCED] * 201 / 200);
        assert_true(sizes[LX_PARQUET_BALANCED] <= sizes[LX_PARQUET_FAST] * 201 / 200);
        lx_pq_page_free(page);
    }
}

/* Where more row groups follow, texts are tried again on a page of the next one. */
static void test_rough(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        struct lx_pq_page *page = make_page(&kinds[k], 131072);
        bool long_text = kinds[k].text && kinds[k].encoding != LX_PARQUET_RLE_DICTIONARY;
        assert_int_equal(
            choose(&kinds[k], page, LX_PARQUET_BALANCED, true, LX_PARQUET_ENCODING_AUTO).rough,
            long_text);
        assert_false(
            choose(&kinds[k], page, LX_PARQUET_FAST, true, LX_PARQUET_ENCODING_AUTO).rough);
        assert_false(
            choose(&kinds[k], page, LX_PARQUET_SMALL, true, LX_PARQUET_ENCODING_AUTO).rough);
        lx_pq_page_free(page);
    }
}

/* A dictionary that is asked for is compressed for itself: rising numbers need no compression as
 * differences, those of a dictionary do. */
static void test_forced_dictionary(void **state)
{
    (void)state;
    const struct kind kind = {"rising", put_rising, false, LX_PARQUET_RLE_DICTIONARY, false};
    struct lx_pq_page *page = make_page(&kind, 20000);
    struct lx_pq_choice choice =
        choose(&kind, page, LX_PARQUET_BALANCED, false, LX_PARQUET_ENCODING_AUTO);
    assert_int_equal(choice.encoding, LX_PARQUET_DELTA_BINARY_PACKED);
    assert_int_equal(choice.compression.codec, LX_PARQUET_UNCOMPRESSED);
    choice = choose(&kind, page, LX_PARQUET_BALANCED, false, LX_PARQUET_RLE_DICTIONARY);
    assert_int_equal(choice.encoding, LX_PARQUET_RLE_DICTIONARY);
    assert_int_equal(choice.compression.codec, LX_PARQUET_ZSTD);
    lx_pq_page_free(page);
}

static int setup(void **state)
{
    struct lx_err err = LX_ERR_INIT;
    (void)state;
    return lx_pq_scratch_create(&scratch, &err) == LX_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    lx_pq_scratch_free(scratch);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_as_good_as_any),
                                       cmocka_unit_test(test_rough),
                                       cmocka_unit_test(test_forced_dictionary)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
