/* Reading the log: what others wrote, what is broken, names, and that a failure leaves a whole
 * state. */
#include "ledger_fixture.h"

#include "base/alloc.h"
#include "ledger/ledger_json.h"
#include "ledger/ledger_map.h"
#include "ledger/ledger_names.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PROTOCOL                                                                                   \
    "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":7,"                                \
    "\"writerFeatures\":[\"domainMetadata\"]}}\n"
#define METADATA                                                                                   \
    "{\"metaData\":{\"id\":\"t\",\"format\":{\"provider\":\"parquet\",\"options\":{}},"            \
    "\"schemaString\":\"{}\",\"partitionColumns\":[],\"configuration\":{}}}\n"
#define ADD(path)                                                                                  \
    "{\"add\":{\"path\":\"" path "\",\"partitionValues\":{},\"size\":1,"                           \
    "\"modificationTime\":2,\"dataChange\":true}}\n"
#define REMOVE(path) "{\"remove\":{\"path\":\"" path "\",\"dataChange\":true}}\n"
#define DOMAIN(name, text)                                                                         \
    "{\"domainMetadata\":{\"domain\":\"" name "\",\"configuration\":\"" text                       \
    "\",\"removed\":false}}\n"
#define ID1 "00000000000000000000000000000001"
/* A segment within a domain's text: quotes are escaped once. */
#define SEGMENT(members) "{\\\"format\\\":1,\\\"segments\\\":[{" members "}]}"
#define GOOD                                                                                       \
    "\\\"id\\\":\\\"" ID1 "\\\",\\\"blocks\\\":[1,2],\\\"rows\\\":3,\\\"sum\\\":\\\"4\\\","        \
    "\\\"xor\\\":\\\"5\\\",\\\"schema\\\":\\\"s\\\",\\\"where\\\":[]"

static void put_version(struct fixture *fixture, int version, const char *text)
{
    char key[LX_LEDGER_KEY];
    lx_ledger_commit_key(version, key);
    assert_true(lx_mem_bucket_put(fixture->bucket, key, text, strlen(text)));
}

/* -- single lines -------------------------------------------------------------------------- */

struct line {
    const char *text;
    enum lx_status expected;
    const char *says; /* in the error's text */
};

static const struct line lines[] = {
    /* not JSON, or not what an action is */
    {"", LX_E_FORMAT, "no action"},
    {"\n\n", LX_E_FORMAT, "no action"},
    {"{", LX_E_FORMAT, "line 1"},
    {"[]\n", LX_E_FORMAT, "not a JSON object"},
    {"null\n", LX_E_FORMAT, "line 1"},
    {"{}\n{\"add\"", LX_E_FORMAT, "line 2"},
    {"{\"add\":1}\n", LX_E_FORMAT, "add: not an object"},
    {"{\"add\":{},\"add\":{}}\n", LX_E_FORMAT, "duplicate"},
    {"{\"x\":\"\xff\"}\n", LX_E_FORMAT, "UTF-8"},
    {"{\"x\":\"\\u0000\"}\n", LX_E_FORMAT, "line 1"},
    {"{\"x\":99999999999999999999}\n", LX_E_FORMAT, "integer"},
    {"{\"x\":1e999}\n", LX_E_FORMAT, "line 1"},
    {"{\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]"
     "]]"
     "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}\n",
     LX_E_FORMAT, "deeper"},
    /* unknown things change nothing */
    {"{\"cdc\":{\"path\":\"x\"}}\n{\"new\":[1,{\"a\":null}]}\n", LX_OK, NULL},
    {"{\"add\":null,\"txn\":{\"appId\":\"a\",\"version\":1}}\r\n\n", LX_OK, NULL},
    {"{\"commitInfo\":{\"operation\":\"OPTIMIZE\",\"timestamp\":1}}\n", LX_OK, NULL},
    {"{\"commitInfo\":{\"txnId\":\"a\"}}\n{\"commitInfo\":{\"txnId\":\"b\"}}\n", LX_E_FORMAT,
     "two commitInfo"},
    {"{\"commitInfo\":{\"txnId\":7}}\n", LX_E_FORMAT, "\"txnId\" is not a string"},
    {"{\"commitInfo\":{\"lynexDigest\":\"0000000000000000\"}}\n" ADD("a"), LX_E_CORRUPT, "digest"},
    /* add */
    {ADD("a"), LX_OK, NULL},
    {ADD("a%20b/c+d.parquet"), LX_OK, NULL},
    {ADD("a") ADD("a"), LX_E_FORMAT, "two actions for file"},
    {ADD("a") REMOVE("a"), LX_E_FORMAT, "two actions for file"},
    {ADD("s3://other/a"), LX_E_UNSUPPORTED, "outside"},
    {ADD("/a"), LX_E_UNSUPPORTED, "outside"},
    {ADD("../a"), LX_E_UNSUPPORTED, "outside"},
    {ADD("a/%2e%2e/b"), LX_E_UNSUPPORTED, "outside"},
    {ADD("a%2"), LX_E_UNSUPPORTED, "outside"},
    {ADD("a%00"), LX_E_UNSUPPORTED, "outside"},
    {ADD(""), LX_E_UNSUPPORTED, "outside"},
    {"{\"add\":{\"size\":1,\"modificationTime\":2}}\n", LX_E_FORMAT, "\"path\" is missing"},
    {"{\"add\":{\"path\":7,\"size\":1,\"modificationTime\":2}}\n", LX_E_FORMAT, "not a string"},
    {"{\"add\":{\"path\":\"a\",\"modificationTime\":2}}\n", LX_E_FORMAT, "\"size\" is missing"},
    {"{\"add\":{\"path\":\"a\",\"size\":1.0,\"modificationTime\":2}}\n", LX_E_FORMAT, "integer"},
    {"{\"add\":{\"path\":\"a\",\"size\":\"1\",\"modificationTime\":2}}\n", LX_E_FORMAT, "integer"},
    {"{\"add\":{\"path\":\"a\",\"size\":-1,\"modificationTime\":2}}\n", LX_E_FORMAT, "negative"},
    {"{\"add\":{\"path\":\"a\",\"size\":1}}\n", LX_E_FORMAT, "modificationTime"},
    {"{\"add\":{\"path\":\"a\",\"size\":1,\"modificationTime\":2,\"stats\":{}}}\n", LX_E_FORMAT,
     "stats"},
    {"{\"add\":{\"path\":\"a\",\"size\":1,\"modificationTime\":2,\"stats\":\"{\"}}\n", LX_OK, NULL},
    {"{\"add\":{\"path\":\"a\",\"size\":1,\"modificationTime\":2,\"dataChange\":1}}\n", LX_E_FORMAT,
     "true or false"},
    {"{\"add\":{\"path\":\"a\",\"size\":1,\"modificationTime\":2,\"deletionVector\":{}}}\n",
     LX_E_UNSUPPORTED, "deletion vector"},
    {"{\"add\":{\"path\":\"a\",\"size\":1,\"modificationTime\":2,\"deletionVector\":null}}\n",
     LX_OK, NULL},
    {"{\"add\":{\"path\":\"a\",\"size\":1,\"modificationTime\":2,\"tags\":[]}}\n", LX_E_FORMAT,
     "tags"},
    {"{\"add\":{\"path\":\"a\",\"size\":1,\"modificationTime\":2,\"tags\":{\"x\":\"y\"}}}\n", LX_OK,
     NULL},
    {"{\"add\":{\"path\":\"a\",\"size\":1,\"modificationTime\":2,\"tags\":{\"lynex.batch\":1}}}\n",
     LX_E_FORMAT, "lynex.batch"},
    {"{\"add\":{\"path\":\"a\",\"size\":1,\"modificationTime\":2,\"tags\":{\"lynex.sums\":\"\"}}}"
     "\n",
     LX_E_FORMAT, "lynex.sums"},
    {"{\"add\":{\"path\":\"a\",\"size\":1,\"modificationTime\":2,\"tags\":{\"lynex.sums\":"
     "\"{\\\"rows\\\":1,\\\"sum\\\":\\\"18446744073709551616\\\",\\\"xor\\\":\\\"0\\\","
     "\\\"schema\\\":\\\"s\\\"}\"}}}\n",
     LX_E_FORMAT, "64-bit"},
    {"{\"add\":{\"path\":\"a\",\"size\":1,\"modificationTime\":2,\"tags\":{\"lynex.sums\":"
     "\"{\\\"rows\\\":-1,\\\"sum\\\":\\\"1\\\",\\\"xor\\\":\\\"0\\\",\\\"schema\\\":\\\"s\\\"}\"}}}"
     "\n",
     LX_E_FORMAT, "not the sums"},
    /* remove */
    {REMOVE("never-added"), LX_OK, NULL},
    {REMOVE(""), LX_E_FORMAT, "empty"},
    {REMOVE("a") REMOVE("a"), LX_E_FORMAT, "two actions"},
    {"{\"remove\":{}}\n", LX_E_FORMAT, "path"},
    {"{\"remove\":{\"path\":\"a\",\"size\":\"x\"}}\n", LX_E_FORMAT, "size"},
    /* protocol, metaData */
    {PROTOCOL PROTOCOL, LX_E_FORMAT, "two protocol"},
    {METADATA METADATA, LX_E_FORMAT, "two metaData"},
    {"{\"protocol\":{\"minReaderVersion\":1}}\n", LX_E_FORMAT, "minWriterVersion"},
    {"{\"protocol\":{\"minReaderVersion\":2,\"minWriterVersion\":5}}\n", LX_E_UNSUPPORTED,
     "reader version 2"},
    {"{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":"
     "[\"deletionVectors\"],\"writerFeatures\":[\"deletionVectors\"]}}\n",
     LX_E_UNSUPPORTED, "deletionVectors"},
    {"{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[],"
     "\"writerFeatures\":[\"appendOnly\"]}}\n",
     LX_OK, NULL},
    {"{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[7]}}\n",
     LX_E_UNSUPPORTED, "?"},
    {"{\"metaData\":{\"id\":\"t\",\"format\":{\"provider\":\"orc\"},\"schemaString\":\"{}\"}}\n",
     LX_E_UNSUPPORTED, "orc"},
    {"{\"metaData\":{\"id\":\"t\",\"format\":{\"provider\":\"parquet\"}}}\n", LX_E_FORMAT,
     "schemaString"},
    {"{\"metaData\":{\"id\":\"t\",\"format\":{\"provider\":\"parquet\"},\"schemaString\":\"{}\","
     "\"configuration\":[]}}\n",
     LX_E_FORMAT, "configuration"},
    /* txn */
    {"{\"txn\":{\"appId\":\"a\"}}\n", LX_E_FORMAT, "version"},
    /* domains */
    {DOMAIN("delta.rowTracking", "anything"), LX_OK, NULL},
    {DOMAIN("lynex.later", "anything"), LX_OK, NULL},
    {DOMAIN("x", "1") DOMAIN("x", "2"), LX_E_FORMAT, "two actions for domain"},
    {"{\"domainMetadata\":{\"configuration\":\"\"}}\n", LX_E_FORMAT, "domain"},
    {DOMAIN("lynex.table", "[]"), LX_E_FORMAT, "not a JSON object"},
    {DOMAIN("lynex.schema.a/b", "{}"), LX_E_FORMAT, "malformed name"},
    {DOMAIN("lynex.schema.", "{}"), LX_E_FORMAT, "malformed name"},
    {DOMAIN("lynex.hot.s", "{}"), LX_E_FORMAT, "malformed name"},
    {DOMAIN("lynex.hot.s.a b", "{}"), LX_E_FORMAT, "malformed name"},
    {DOMAIN("lynex.hot.s.%61", "{}"), LX_E_FORMAT, "malformed name"}, /* 'a' needs no encoding */
    {DOMAIN("lynex.hot.s.%2f", "{}"), LX_E_FORMAT, "malformed name"}, /* %2F */
    {DOMAIN("lynex.hot.s.%", "{}"), LX_E_FORMAT, "malformed name"},
    {DOMAIN("lynex.ended.a.b", "{}"), LX_E_FORMAT, "malformed name"},
    {DOMAIN("lynex.hot.s.p", "{}"), LX_E_FORMAT, "format"},
    {DOMAIN("lynex.hot.s.p", "{\\\"format\\\":2}"), LX_E_UNSUPPORTED, "format 2"},
    {DOMAIN("lynex.hot.s.p", "{\\\"format\\\":1,\\\"segments\\\":{}}"), LX_E_FORMAT, "array"},
    {DOMAIN("lynex.hot.s.p", "{\\\"format\\\":1,\\\"segments\\\":[1]}"), LX_E_FORMAT, "segment 0"},
    {DOMAIN("lynex.hot.s.p", "{\\\"format\\\":1}"), LX_OK, NULL},
    {DOMAIN("lynex.hot.s.p", SEGMENT(GOOD)), LX_OK, NULL},
    {DOMAIN("lynex.hot.s.p", SEGMENT(GOOD ",\\\"later\\\":[]")), LX_OK, NULL},
    {DOMAIN("lynex.hot.s.p", SEGMENT(GOOD ",\\\"from\\\":5,\\\"to\\\":5")), LX_E_FORMAT, "before"},
    {DOMAIN("lynex.hot.s.p", SEGMENT(GOOD ",\\\"host\\\":5")), LX_E_FORMAT, "host"},
    {DOMAIN("lynex.hot.s.p", SEGMENT(GOOD)) DOMAIN("lynex.hot.s.q", SEGMENT(GOOD)), LX_E_FORMAT,
     "live twice"},
    {DOMAIN("lynex.hot.s.p", SEGMENT("\\\"id\\\":\\\"XY\\\",\\\"schema\\\":\\\"s\\\"")),
     LX_E_FORMAT, "hexadecimal"},
    {DOMAIN("lynex.hot.s.p", SEGMENT("\\\"id\\\":\\\"" ID1 "\\\",\\\"schema\\\":\\\"\\\"")),
     LX_E_FORMAT, "schema"},
    {DOMAIN("lynex.hot.s.p",
            SEGMENT("\\\"id\\\":\\\"" ID1 "\\\",\\\"schema\\\":\\\"s\\\",\\\"blocks\\\":[2,1]")),
     LX_E_FORMAT, "[min,max]"},
    {DOMAIN("lynex.hot.s.p",
            SEGMENT("\\\"id\\\":\\\"" ID1 "\\\",\\\"schema\\\":\\\"s\\\",\\\"blocks\\\":[1]")),
     LX_E_FORMAT, "[min,max]"},
    {DOMAIN("lynex.hot.s.p",
            SEGMENT("\\\"id\\\":\\\"" ID1 "\\\",\\\"schema\\\":\\\"s\\\",\\\"blocks\\\":[1,1],"
                    "\\\"rows\\\":-1,\\\"sum\\\":\\\"0\\\",\\\"xor\\\":\\\"0\\\"")),
     LX_E_FORMAT, "negative"},
    {DOMAIN("lynex.hot.s.p",
            SEGMENT("\\\"id\\\":\\\"" ID1 "\\\",\\\"schema\\\":\\\"s\\\",\\\"blocks\\\":[1,1],"
                    "\\\"rows\\\":1,\\\"sum\\\":0,\\\"xor\\\":\\\"0\\\"")),
     LX_E_FORMAT, "sum"},
    {DOMAIN(
         "lynex.hot.s.p",
         SEGMENT("\\\"id\\\":\\\"" ID1 "\\\",\\\"schema\\\":\\\"s\\\",\\\"blocks\\\":[1,1],"
                 "\\\"rows\\\":1,\\\"sum\\\":\\\"0\\\",\\\"xor\\\":\\\"0\\\",\\\"where\\\":[1]")),
     LX_E_FORMAT, "where"},
    {DOMAIN("lynex.hot.s.p",
            SEGMENT("\\\"id\\\":\\\"" ID1 "\\\",\\\"schema\\\":\\\"s\\\",\\\"blocks\\\":[1,1],"
                    "\\\"rows\\\":1,\\\"sum\\\":\\\"0\\\",\\\"xor\\\":\\\"0\\\",\\\"where\\\":["
                    "{\\\"path\\\":\\\"a\\\",\\\"first\\\":9223372036854775807,\\\"rows\\\":1}]")),
     LX_E_FORMAT, "no rows of a file"},
    {DOMAIN("lynex.ended.s", SEGMENT(GOOD)), LX_E_FORMAT, "partition"},
    {DOMAIN("lynex.ended.s", SEGMENT(GOOD ",\\\"partition\\\":\\\"a b\\\",\\\"ended_at\\\":1")),
     LX_E_FORMAT, "not encoded"},
    {DOMAIN("lynex.ended.s", SEGMENT(GOOD ",\\\"partition\\\":\\\"a\\\",\\\"ended_at\\\":0")),
     LX_E_FORMAT, "no time"},
    {DOMAIN("lynex.ended.s", SEGMENT(GOOD ",\\\"partition\\\":\\\"a\\\",\\\"ended_at\\\":1")),
     LX_OK, NULL},
};

static void test_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        void *made;
        struct writer writer = {0};
        struct lx_err err = LX_ERR_INIT;
        assert_int_equal(fixture_setup(&made), 0);
        put_version(made, 0, PROTOCOL METADATA ADD("first"));
        CHECK(LX_OK, &err, writer_open(made, 1, &writer, &err));
        put_version(made, 1, lines[i].text);
        enum lx_status status = lx_ledger_refresh(writer.ledger, &err);
        bool says = lines[i].says == NULL || strstr(err.text, lines[i].says) != NULL;
        bool names = status == LX_OK || strstr(err.text, "00000000000000000001.json") != NULL;
        if (status != lines[i].expected || (status != LX_OK && (!says || !names)))
            fail_msg("%s\n%s: %s\nexpected %s: …%s…", lines[i].text, lx_status_name(status),
                     err.text, lx_status_name(lines[i].expected),
                     lines[i].says != NULL ? lines[i].says : "");
        /* A version that cannot be read changes nothing of the state. */
        assert_int_equal(lx_ledger_state(writer.ledger)->version, status == LX_OK ? 1 : 0);
        assert_non_null(lx_ledger_file(writer.ledger, "first"));
        writer_close(&writer);
        fixture_teardown(&made);
    }
}

static void test_version_zero(void **state)
{
    static const struct line firsts[] = {
        {PROTOCOL, LX_E_FORMAT, "lacks its metaData"},
        {METADATA, LX_E_FORMAT, "lacks its protocol"},
        {ADD("a"), LX_E_FORMAT, "lacks its protocol"},
        {METADATA PROTOCOL, LX_OK, NULL},
    };
    for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++) {
        struct writer writer;
        struct lx_err err = LX_ERR_INIT;
        put_version(*state, 0, firsts[i].text);
        enum lx_status status = writer_open(*state, 1, &writer, &err);
        if (status != firsts[i].expected ||
            (status != LX_OK && strstr(err.text, firsts[i].says) == NULL))
            fail_msg("%s: %s: %s", firsts[i].text, lx_status_name(status), err.text);
        if (status == LX_OK)
            writer_close(&writer);
    }
}

/* -- damaged objects ----------------------------------------------------------------------- */

/* A log of two versions with everything in it; the bytes of both. */
static void make_log(struct fixture *fixture, struct writer *writer)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_where where = {(char *)(uintptr_t) "events/a.parquet", false, 0, 5};
    struct lx_segment segments[] = {segment_of(1, SOURCE, "202601", 1, 3, 0, 86400, 5),
                                    segment_of(2, SOURCE, "202601", 4, 4, 0, 86400, 5)};
    segments[0].where = segments[1].where = &where;
    segments[0].where_count = segments[1].where_count = 1;
    struct lx_ledger_file files[] = {file_of("events/a.parquet", 5),
                                     file_of("events/b.parquet", 5)};
    struct lx_change change = first_change(fixture);
    change.add_files = files;
    change.add_file_count = 2;
    change.add_segments = segments;
    change.add_segment_count = 2;
    CHECK(LX_OK, &err, writer_open(fixture, 1, writer, &err));
    CHECK(LX_OK, &err, lx_ledger_commit(writer->ledger, &change, NULL, &err));
    const char *ends[] = {segments[0].id}, *removed[] = {"events/b.parquet", "events/c.parquet"};
    struct lx_change next = {.operation = "DELETE",
                             .end_segments = ends,
                             .end_segment_count = 1,
                             .ended_at = 1000,
                             .remove_paths = removed,
                             .remove_path_count = 2};
    CHECK(LX_OK, &err, lx_ledger_commit(writer->ledger, &next, NULL, &err));
}

/* What was cut short is never taken for whole. */
static void test_truncated(void **state)
{
    struct fixture *fixture = *state;
    struct writer good;
    make_log(fixture, &good);
    for (int version = 0; version < 2; version++) {
        char key[LX_LEDGER_KEY];
        size_t size;
        lx_ledger_commit_key(version, key);
        const uint8_t *bytes = lx_mem_bucket_get(fixture->bucket, key, &size);
        uint8_t *copy = malloc(size);
        memcpy(copy, bytes, size);
        for (size_t cut = 0; cut < size; cut++) {
            struct writer writer;
            struct lx_err err = LX_ERR_INIT;
            assert_true(lx_mem_bucket_put(fixture->bucket, key, copy, cut));
            enum lx_status status = writer_open(fixture, 2, &writer, &err);
            if (status != LX_E_FORMAT && status != LX_E_CORRUPT)
                fail_msg("version %d cut to %zu of %zu bytes: %s", version, cut, size,
                         lx_status_name(status));
        }
        assert_true(lx_mem_bucket_put(fixture->bucket, key, copy, size));
        free(copy);
    }
    writer_close(&good);
}

/* A flipped bit is found, or lies where it changes nothing of the state (in commitInfo). */
static void test_flipped(void **state)
{
    struct fixture *fixture = *state;
    struct writer good;
    make_log(fixture, &good);
    size_t unnoticed = 0, all = 0;
    for (int version = 0; version < 2; version++) {
        char key[LX_LEDGER_KEY];
        size_t size;
        lx_ledger_commit_key(version, key);
        uint8_t *bytes = lx_mem_bucket_get(fixture->bucket, key, &size);
        size_t first = (size_t)((const uint8_t *)memchr(bytes, '\n', size) - bytes);
        for (size_t at = 0; at < size; at++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                struct writer writer;
                struct lx_err err = LX_ERR_INIT;
                bytes[at] ^= (uint8_t)(1u << bit);
                enum lx_status status = writer_open(fixture, 2, &writer, &err);
                bytes[at] ^= (uint8_t)(1u << bit);
                all++;
                if (status == LX_OK) {
                    unnoticed++;
                    if (at >= first)
                        fail_msg("version %d, byte %zu, bit %u: unnoticed", version, at, bit);
                    assert_true(
                        same_state(lx_ledger_state(good.ledger), lx_ledger_state(writer.ledger)));
                    writer_close(&writer);
                }
            }
        }
    }
    assert_true(unnoticed < all / 4);
    writer_close(&good);
}

/* -- other programs' commits --------------------------------------------------------------- */

static void test_foreign(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer, fresh;
    struct lx_err err = LX_ERR_INIT;
    put_version(fixture, 0, PROTOCOL METADATA ADD("events/a.parquet") ADD("events/b.parquet"));
    CHECK(LX_OK, &err, writer_open(fixture, 1, &writer, &err));
    /* As Spark's OPTIMIZE writes it. */
    put_version(
        fixture, 1,
        "{\"commitInfo\":{\"timestamp\":1,\"operation\":\"OPTIMIZE\",\"operationParameters\":{"
        "\"predicate\":\"[]\"},\"readVersion\":0,\"isolationLevel\":\"SnapshotIsolation\","
        "\"isBlindAppend\":false,\"operationMetrics\":{\"numAddedFiles\":\"1\"},"
        "\"engineInfo\":\"Apache-Spark/3.5.0 Delta-Lake/3.2.0\",\"txnId\":\"x\"}}\n"
        "{\"add\":{\"path\":\"part-00000-c000.snappy.parquet\",\"partitionValues\":{},\"size\":9,"
        "\"modificationTime\":3,\"dataChange\":false,\"stats\":\"{\\\"numRecords\\\":12}\","
        "\"tags\":{\"ZCUBE\":\"q\"}}}\n"
        "{\"remove\":{\"path\":\"events/a.parquet\",\"deletionTimestamp\":3,\"dataChange\":false,"
        "\"extendedFileMetadata\":true,\"partitionValues\":{},\"size\":1}}\n"
        "{\"remove\":{\"path\":\"events/"
        "b.parquet\",\"deletionTimestamp\":3,\"dataChange\":false}}");
    CHECK(LX_OK, &err, lx_ledger_refresh(writer.ledger, &err));
    const struct lx_ledger_state *now = lx_ledger_state(writer.ledger);
    assert_int_equal(now->file_count, 1);
    assert_string_equal(now->files[0].path, "part-00000-c000.snappy.parquet");
    assert_int_equal(now->files[0].rows, 12);
    assert_string_equal(now->files[0].batch, "");
    assert_string_equal(now->files[0].tags, "{\"ZCUBE\":\"q\"}");
    assert_true(lx_ledger_was_removed(writer.ledger, "events/a.parquet"));
    /* A file listed anew with other statistics, and one that comes back. */
    put_version(fixture, 2,
                "{\"add\":{\"path\":\"part-00000-c000.snappy.parquet\",\"size\":9,"
                "\"modificationTime\":4,\"dataChange\":false}}\n" ADD("events/a.parquet"));
    CHECK(LX_OK, &err, lx_ledger_refresh(writer.ledger, &err));
    assert_int_equal(now->file_count, 2);
    assert_int_equal(now->files[1].rows, -1);
    assert_int_equal(now->files[1].modified_ms, 4);
    assert_int_equal(now->files[0].version, 2);
    CHECK(LX_OK, &err, writer_open(fixture, 2, &fresh, &err));
    assert_true(same_state(now, lx_ledger_state(fresh.ledger)));
    /* What we would have to know in order to write is refused when we write. */
    static const char *const raised[] = {
        "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":7,\"writerFeatures\":"
        "[\"domainMetadata\",\"rowTracking\"]}}\n",
        "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":2}}\n",
        PROTOCOL "{\"metaData\":{\"id\":\"t\",\"format\":{\"provider\":\"parquet\"},"
                 "\"schemaString\":\"{}\",\"partitionColumns\":[\"d\"],\"configuration\":{}}}\n",
    };
    for (int i = 0; i < 3; i++) {
        put_version(fixture, 3 + i, raised[i]);
        CHECK(LX_OK, &err, lx_ledger_refresh(writer.ledger, &err));
        struct lx_change change = {.operation = "X"};
        CHECK(LX_E_UNSUPPORTED, &err, lx_ledger_commit(writer.ledger, &change, NULL, &err));
        assert_true(err.hint[0] != 0);
    }
    put_version(fixture, 6, METADATA);
    CHECK(LX_OK, &err, lx_ledger_refresh(writer.ledger, &err));
    struct lx_change change = {.operation = "X"};
    CHECK(LX_OK, &err, lx_ledger_commit(writer.ledger, &change, NULL, &err));
    writer_close(&writer);
    writer_close(&fresh);
}

/* A segment moves from one domain to another in one version; a domain is removed. */
static void test_domains(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    struct lx_err err = LX_ERR_INIT;
    put_version(fixture, 0, PROTOCOL METADATA DOMAIN("lynex.hot.s.p", SEGMENT(GOOD)));
    CHECK(LX_OK, &err, writer_open(fixture, 1, &writer, &err));
    put_version(
        fixture, 1,
        DOMAIN(
            "lynex.hot.s.q%20",
            SEGMENT(
                GOOD)) "{\"domainMetadata\":{\"domain\":\"lynex.hot.s.p\",\"configuration\":\"\","
                       "\"removed\":true}}\n");
    CHECK(LX_OK, &err, lx_ledger_refresh(writer.ledger, &err));
    const struct lx_ledger_state *now = lx_ledger_state(writer.ledger);
    assert_int_equal(now->live_count, 1);
    assert_string_equal(now->live[0].partition, "q ");
    assert_string_equal(lx_ledger_live(writer.ledger, ID1)->partition, "q ");
    put_version(fixture, 2,
                "{\"domainMetadata\":{\"domain\":\"lynex.hot.s.q%20\",\"removed\":true}}\n"
                "{\"domainMetadata\":{\"domain\":\"lynex.hot.s.unknown\",\"removed\":true}}\n");
    CHECK(LX_OK, &err, lx_ledger_refresh(writer.ledger, &err));
    assert_int_equal(now->live_count, 0);
    assert_null(lx_ledger_live(writer.ledger, ID1));
    writer_close(&writer);
}

/* -- size ---------------------------------------------------------------------------------- */

static void append(struct lx_buf *text, const char *format, ...) LX_PRINTF(2, 3);
static void append(struct lx_buf *text, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    assert_int_equal(lx_buf_text(text, line), LX_OK);
}

/* Many files, added and removed in odd orders; the view stays sorted and right. */
static void test_many(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer, fresh;
    struct lx_err err = LX_ERR_INIT;
    struct lx_buf text = LX_BUF(64 * LX_MIB);
    enum { COUNT = 20000, LATER = 300 };
    append(&text, PROTOCOL METADATA);
    for (unsigned i = 0; i < COUNT; i++)
        append(&text, "{\"add\":{\"path\":\"f%05u\",\"size\":1,\"modificationTime\":2}}\n",
               (i * 7919u) % COUNT);
    put_version(fixture, 0, lx_buf_cstr(&text));
    CHECK(LX_OK, &err, writer_open(fixture, 1, &writer, &err));
    const struct lx_ledger_state *now = lx_ledger_state(writer.ledger);
    assert_int_equal(now->file_count, COUNT);
    for (int version = 1; version <= LATER; version++) {
        lx_buf_clear(&text);
        unsigned at = (unsigned)version * 37 % COUNT;
        append(&text, "{\"add\":{\"path\":\"f%05u.%d\",\"size\":1,\"modificationTime\":2}}\n", at,
               version);
        append(&text, "{\"add\":{\"path\":\"a%d\",\"size\":1,\"modificationTime\":2}}\n", version);
        append(&text, "{\"add\":{\"path\":\"z%d\",\"size\":1,\"modificationTime\":2}}\n", version);
        append(&text, "{\"remove\":{\"path\":\"f%05u\"}}\n", at);
        put_version(fixture, version, lx_buf_cstr(&text));
        if (version % 3 == 0) /* several versions at once, and one by one */
            CHECK(LX_OK, &err, lx_ledger_refresh(writer.ledger, &err));
    }
    CHECK(LX_OK, &err, writer_open(fixture, 2, &fresh, &err));
    assert_true(same_state(now, lx_ledger_state(fresh.ledger)));
    for (size_t i = 1; i < now->file_count; i++)
        assert_true(strcmp(now->files[i - 1].path, now->files[i].path) < 0);
    lx_buf_free(&text);
    writer_close(&writer);
    writer_close(&fresh);
}

/* -- JSON ---------------------------------------------------------------------------------- */

static void test_json(void **state)
{
    static const struct {
        const char *text, *again; /* NULL: refused */
    } texts[] = {
        {" {\t} \r\n", "{}"},
        {"{\"a\":[1,-1,0,9223372036854775807,-9223372036854775808]}",
         "{\"a\":[1,-1,0,9223372036854775807,-9223372036854775808]}"},
        {"{\"a\":9223372036854775808}", NULL},
        {"{\"a\":-9223372036854775809}", NULL},
        {"{\"a\":[0.5,-2.25,1e2,1E+2,25e-2,0e9,-0.0]}",
         "{\"a\":[0.5,-2.25,100.0,100.0,0.25,0.0,-0.0]}"},
        {"{\"a\":[1e-999,0.1,3.14159,1e22]}",
         "{\"a\":[0.0,0.10000000000000001,3.1415899999999999,1e22]}"},
        {"{\"a\":1e309}", NULL},
        {"{\"a\":1e99999999999999999999}", NULL},
        {"{\"a\":01}", NULL},
        {"{\"a\":1.}", NULL},
        {"{\"a\":.5}", NULL},
        {"{\"a\":1e}", NULL},
        {"{\"a\":+1}", NULL},
        {"{\"a\":-}", NULL},
        {"{\"a\":tru}", NULL},
        {"{\"a\":[true,false,null]}", "{\"a\":[true,false,null]}"},
        {"{\"\\u0041\\n\\/\\\"\":\"\\ud83d\\ude00\\u00e9\\u20ac\"}",
         "{\"A\\n/\\\"\":\"\xf0\x9f\x98\x80\xc3\xa9\xe2\x82\xac\"}"},
        {"{\"a\":\"\\ud83d\"}", NULL},
        {"{\"a\":\"\\ud83d\\u0041\"}", NULL},
        {"{\"a\":\"\\ude00\"}", NULL},
        {"{\"a\":\"\\u00\"}", NULL},
        {"{\"a\":\"\\x\"}", NULL},
        {"{\"a\":\"\x01\"}", NULL},
        {"{\"a\":\"", NULL},
        {"{\"a\":\"\\", NULL},
        {"{\"a\" 1}", NULL},
        {"{\"a\":1,}", NULL},
        {"{\"a\":[1,]}", NULL},
        {"{\"a\":[1 2]}", NULL},
        {"{a:1}", NULL},
        {"{\"a\":1} x", NULL},
        {"{\"a\":{\"b\":1,\"b\":2}}", NULL},
        {"[1]", NULL},
        {"1", NULL},
        {"", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct lx_err err = LX_ERR_INIT;
        struct lx_buf again = LX_BUF(1000);
        json_t *json = NULL;
        CHECK(texts[i].again != NULL ? LX_OK : LX_E_FORMAT, &err,
              lx_ledger_json_parse(lx_str_of(texts[i].text), "test", &json, &err));
        if (json != NULL) {
            assert_int_equal(lx_ledger_json_dump(json, &again, &err), LX_OK);
            assert_string_equal(lx_buf_cstr(&again), texts[i].again);
        }
        json_decref(json);
        lx_buf_free(&again);
    }
}

/* Equal, but for the last digits of reals. */
static bool same_json(const json_t *a, const json_t *b)
{
    char *left = json_dumps(a, JSON_COMPACT | JSON_REAL_PRECISION(10));
    char *right = json_dumps(b, JSON_COMPACT | JSON_REAL_PRECISION(10));
    bool same = left != NULL && right != NULL && strcmp(left, right) == 0;
    free(left);
    free(right);
    return same;
}

/* Against jansson's parser, on damaged actions: both refuse, or both read the same. */
static void test_json_against_jansson(void **state)
{
    static const char first[] =
        "{\"add\":{\"path\":\"a/b\",\"tags\":{\"x\":\"{\\\"rows\\\":5}\"},\"size\":-12,"
        "\"f\":false,\"n\":null}}";
    static const char second[] =
        "{\"a\":[[],[{}],{\"b\":[1,2,[3]]}],\"c\":\"\\u00e9\\ud83d\\ude00\\t\xc3\xa9\"}";
    static const char third[] = "{ \"t\" : true , \"x\" : 1.5e3 , \"y\":[ 0 , -0 , 10 ] }";
    static const char *const seeds[] = {first, second, third};
    static const char alphabet[] = "{}[]\",:\\ux0d8e1-+.tfn \n\x01\x80\xc3";
    struct fixture *fixture = *state;
    unsigned read = 0;
    for (int round = 0; round < 30000; round++) {
        char text[256];
        snprintf(text, sizeof text, "%s", seeds[round % 3]);
        size_t size = strlen(text);
        for (uint64_t n = fixture_next(fixture) % 4; n > 0; n--) {
            size_t at = (size_t)(fixture_next(fixture) % size);
            if (fixture_next(fixture) % 4 == 0)
                memmove(&text[at], &text[at + 1], size-- - at);
            else
                text[at] = alphabet[fixture_next(fixture) % (sizeof alphabet - 1)];
        }
        json_t *ours = NULL, *theirs = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
        enum lx_status status =
            lx_ledger_json_parse((struct lx_str){text, size}, "test", &ours, NULL);
        bool same = (status == LX_OK) == (theirs != NULL && json_is_object(theirs));
        if (!same || (ours != NULL && !same_json(ours, theirs)))
            fail_msg("%.*s: %s", (int)size, text, lx_status_name(status));
        read += ours != NULL;
        json_decref(ours);
        json_decref(theirs);
    }
    assert_true(read > 3000);
}

/* -- names, map ---------------------------------------------------------------------------- */

static void test_names(void **state)
{
    (void)state;
    static const char *const names[] = {"",     "a",      "a.b",       "%",    "\x01\xff/",
                                        "a b",  "s1/x.y", "Zürich_-9", "%2E",  "..",
                                        "\n\t", "~",      "a/b/c",     "中文", "'\""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct lx_buf text = LX_BUF(1000), back = LX_BUF(1000);
        assert_int_equal(lx_ledger_encode_name(&text, lx_str_of(names[i])), LX_OK);
        for (size_t j = 0; j < text.len; j++)
            assert_non_null(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                   "0123456789_-%",
                                   text.data[j]));
        assert_int_equal(lx_ledger_decode_name(&back, lx_buf_view(&text)), LX_OK);
        assert_string_equal(lx_buf_cstr(&back), names[i]);
        lx_buf_free(&text);
        lx_buf_free(&back);
    }
    static const struct {
        const char *path, *key;
    } paths[] = {{"a/b.parquet", "a/b.parquet"},
                 {"a%20b", "a b"},
                 {"d=2026-01-01T00%3A00/x", "d=2026-01-01T00:00/x"},
                 {"a/b:c", "a/b:c"},
                 {"%C3%A4", "\xc3\xa4"},
                 {"a%2Fb", "a/b"},
                 {"a:b", NULL},
                 {"a//b", NULL},
                 {"a/", NULL},
                 {"./a", NULL},
                 {"%2E%2E/a", NULL},
                 {"a%", NULL},
                 {"a%f", NULL},
                 {"a%fg", NULL},
                 {"", NULL}};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct lx_err err = LX_ERR_INIT;
        struct lx_buf key = LX_BUF(1000);
        CHECK(paths[i].key != NULL ? LX_OK : LX_E_FORMAT, &err,
              lx_ledger_path_key(paths[i].path, &key, &err));
        if (paths[i].key != NULL)
            assert_string_equal(lx_buf_cstr(&key), paths[i].key);
        lx_buf_free(&key);
    }
}

static void test_source(void **state)
{
    (void)state;
    struct lx_buf source = LX_BUF(1000);
    assert_int_equal(lx_source_make(&source, LX_STR("s/1%"), LX_STR("d.b/"), LX_STR("t.x/%"),
                                    LX_STR("/clickhouse/tables/01")),
                     LX_OK);
    assert_string_equal(lx_buf_cstr(&source), "s%2F1%25/d%2Eb%2F.t.x%2F%25//clickhouse/tables/01");
    assert_true(lx_source_same_table(lx_buf_cstr(&source), "s%2F1%25/d%2Eb%2F.t.x%2F%25/other"));
    assert_true(lx_source_same_table(SOURCE, SWAPPED));
    assert_false(lx_source_same_table(SOURCE, ELSEWHERE));
    assert_false(lx_source_same_table("a/b", "a/b/c"));
    assert_false(lx_source_same_table("a", "b"));
    assert_false(lx_source_same_table("s/d.t/u", "s/d.tt/u"));
    lx_buf_free(&source);
}

/* Against a plain array, with removals that move others. */
static void test_map(void **state)
{
    struct fixture *fixture = *state;
    enum { KEYS = 200 };
    static char keys[KEYS][8];
    bool there[KEYS] = {false};
    struct lx_ledger_map map = {0};
    size_t count = 0;
    for (int i = 0; i < KEYS; i++)
        snprintf(keys[i], sizeof keys[i], "k%d", i);
    assert_null(lx_ledger_map_get(&map, LX_STR("k1")));
    assert_null(lx_ledger_map_remove(&map, LX_STR("k1")));
    for (int step = 0; step < 100000; step++) {
        size_t i = (size_t)(fixture_next(fixture) % KEYS);
        struct lx_str key = lx_str_of(keys[i]);
        void *old;
        if (fixture_next(fixture) % 2 == 0) {
            assert_int_equal(lx_ledger_map_reserve(&map, 1), LX_OK);
            old = lx_ledger_map_put(&map, key, keys[i]);
            count += !there[i];
        } else {
            old = lx_ledger_map_remove(&map, key);
            count -= there[i];
        }
        assert_ptr_equal(old, there[i] ? keys[i] : NULL);
        there[i] = lx_ledger_map_get(&map, key) != NULL;
        assert_int_equal(map.count, count);
        size_t other = (size_t)(fixture_next(fixture) % KEYS);
        assert_ptr_equal(lx_ledger_map_get(&map, lx_str_of(keys[other])),
                         there[other] ? keys[other] : NULL);
    }
    lx_ledger_map_free(&map);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_lines),   TEST(test_version_zero), TEST(test_truncated),
        TEST(test_flipped), TEST(test_foreign),      TEST(test_domains),
        TEST(test_many),    TEST(test_names),        TEST(test_source),
        TEST(test_map),     TEST(test_json),         TEST(test_json_against_jansson),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
