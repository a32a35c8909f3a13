/* Checkpoints: they say what the versions say, are passed over where they are broken, and are the
 * log's beginning where the versions before them are gone. */
#include "ledger_fixture.h"

#include "base/alloc.h"
#include "ledger/ledger_checkpoint.h"
#include "ledger/ledger_rows.h"
#include "parquet/writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CHECKPOINT(number) "_delta_log/000000000000000000" #number ".checkpoint.parquet"

/* -- a log of everything --------------------------------------------------------------------- */

/* One file and one segment a version; every third ends the segment before, every fifth removes its
 * file or fences a path that was never listed. */
static void commit_one(struct writer *writer, unsigned number)
{
    struct lx_err err = LX_ERR_INIT;
    char path[64], gone[64];
    snprintf(path, sizeof path, "events/f%u.parquet", number);
    struct lx_where where = {path, false, 0, 5};
    struct lx_segment segment = segment_of(number, SOURCE, number % 2 ? "202601" : "202602",
                                           number * 10, number * 10 + 9, 0, 86400, 5);
    segment.where = &where;
    segment.where_count = 1;
    struct lx_ledger_file file = file_of(path, 5);
    struct lx_change change = {.operation = "ARCHIVE",
                               .add_files = &file,
                               .add_file_count = 1,
                               .add_segments = &segment,
                               .add_segment_count = 1};
    const char *ends[1], *removed[] = {gone};
    if (number % 3 == 0) {
        ends[0] = id_of(number - 1);
        change.end_segments = ends;
        change.end_segment_count = 1;
        change.ended_at = 1000 + number;
    }
    if (number % 5 == 0) {
        snprintf(gone, sizeof gone, "events/orphan%u.parquet", number);
        change.remove_paths = removed;
        change.remove_path_count = 1;
    }
    CHECK(LX_OK, &err, lx_ledger_commit(writer->ledger, &change, NULL, &err));
}

/* Another program's version: a txn, a domain of its own, a file with statistics and a strange
 * path, and what lynex does not know. */
static void put_foreign(struct fixture *fixture, int number)
{
    char key[64];
    static const char text[] =
        "{\"commitInfo\":{\"operation\":\"WRITE\"}}\n"
        "{\"txn\":{\"appId\":\"app\",\"version\":7,\"lastUpdated\":8}}\n"
        "{\"txn\":{\"appId\":\"other\",\"version\":9}}\n"
        "{\"domainMetadata\":{\"domain\":\"delta.clustering\",\"configuration\":\"{\\\"a\\\":1}\","
        "\"removed\":false}}\n"
        "{\"add\":{\"path\":\"d%20e/\xc3\xa9.parquet\",\"partitionValues\":{},\"size\":12,"
        "\"modificationTime\":13,\"dataChange\":true,\"stats\":\"{\\\"numRecords\\\":3}\","
        "\"tags\":{\"k\":\"v\"}}}\n"
        "{\"add\":{\"path\":\"bare.parquet\",\"partitionValues\":{},\"size\":1,"
        "\"modificationTime\":2,\"dataChange\":true}}\n"
        "{\"somethingNew\":{\"x\":1}}\n";
    snprintf(key, sizeof key, "_delta_log/%020d.json", number);
    assert_true(lx_mem_bucket_put(fixture->bucket, key, text, sizeof text - 1));
}

/* Up to version `last`. */
static void make_log(struct fixture *fixture, struct writer *writer, unsigned last)
{
    struct lx_err err = LX_ERR_INIT;
    make_first(fixture, writer);
    for (unsigned number = 1; number <= last; number++) {
        if (number == 7) {
            put_foreign(fixture, 7);
            CHECK(LX_OK, &err, lx_ledger_refresh(writer->ledger, &err));
        } else {
            commit_one(writer, number);
        }
    }
}

static void remove_versions(struct fixture *fixture, int from, int to)
{
    char key[64];
    for (int number = from; number <= to; number++) {
        snprintf(key, sizeof key, "_delta_log/%020d.json", number);
        assert_true(lx_mem_bucket_remove(fixture->bucket, key));
    }
}

static bool there(struct fixture *fixture, const char *key)
{
    size_t size;
    return lx_mem_bucket_get(fixture->bucket, key, &size) != NULL;
}

/* A ledger that tells its warnings. */
struct listener {
    struct writer writer;
    struct lx_log log;
    char warnings[8192];
};

static enum lx_status listen_and_open(struct fixture *fixture, struct listener *listener,
                                      struct lx_err *err)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    *listener =
        (struct listener){.log = {fileno(file), LX_LOG_INFO, false, fixture_clock(fixture)}};
    listener->writer.fixture = fixture;
    LX_TRY(lx_mem_store_open(fixture->bucket, 9, &listener->writer.store, err));
    struct lx_ledger_options options = {.store = listener->writer.store,
                                        .clock = fixture_clock(fixture),
                                        .random = fixture_random(fixture),
                                        .log = &listener->log};
    enum lx_status status = lx_ledger_open(&options, &listener->writer.ledger, err);
    ssize_t got = pread(fileno(file), listener->warnings, sizeof listener->warnings - 1, 0);
    listener->warnings[got > 0 ? got : 0] = 0;
    listener->log.fd = -1;
    fclose(file);
    return status;
}

static void same_as(const struct writer *writer, const struct lx_ledger *other)
{
    assert_true(same_state(lx_ledger_state(writer->ledger), lx_ledger_state(other)));
    for (size_t i = 0; i < lx_ledger_state(other)->file_count; i++)
        assert_int_equal(lx_ledger_state(writer->ledger)->files[i].version,
                         lx_ledger_state(other)->files[i].version);
    assert_true(lx_ledger_was_removed(other, "events/orphan10.parquet"));
    assert_non_null(lx_ledger_schema(other, SCHEMA));
}

/* -- tests ----------------------------------------------------------------------------------- */

static void test_every_fifty(void **state)
{
    struct fixture *fixture = *state;
    struct writer a;
    struct listener b;
    struct lx_err err = LX_ERR_INIT;
    size_t size;
    CHECK(LX_OK, &err, writer_open(fixture, 1, &a, &err));
    make_log(fixture, &a, 117);
    assert_true(there(fixture, CHECKPOINT(50)));
    assert_true(there(fixture, "_delta_log/00000000000000000100.checkpoint.parquet"));
    for (size_t i = 0, checkpoints = 0; i < lx_mem_bucket_count(fixture->bucket); i++) {
        checkpoints += strstr(lx_mem_bucket_key(fixture->bucket, i), ".checkpoint.") != NULL;
        assert_true(checkpoints <= 2);
    }
    const char *hint =
        (const char *)lx_mem_bucket_get(fixture->bucket, "_delta_log/_last_checkpoint", &size);
    assert_non_null(hint);
    assert_true(lx_str_starts((struct lx_str){hint, size}, LX_STR("{\"version\":100,\"size\":")));
    /* The state is the same from the versions, from a checkpoint with versions behind, and from
     * what is left when nothing before the checkpoint is there. */
    for (int round = 0; round < 3; round++) {
        CHECK(LX_OK, &err, listen_and_open(fixture, &b, &err));
        assert_string_equal(b.warnings, "");
        same_as(&a, b.writer.ledger);
        writer_close(&b.writer);
        if (round == 0)
            remove_versions(fixture, 0, 49);
        else if (round == 1)
            remove_versions(fixture, 50, 100);
    }
    writer_close(&a);
}

/* On a log of which only the checkpoint is left, work goes on. */
static void test_checkpoint_alone(void **state)
{
    struct fixture *fixture = *state;
    struct writer a, b;
    struct lx_err err = LX_ERR_INIT;
    CHECK(LX_OK, &err, writer_open(fixture, 1, &a, &err));
    make_log(fixture, &a, 50);
    remove_versions(fixture, 0, 50);
    CHECK(LX_OK, &err, writer_open(fixture, 2, &b, &err));
    same_as(&a, b.ledger);
    /* What was removed before the checkpoint may not come back; an id that is live is live. */
    struct lx_ledger_file again = file_of("events/orphan10.parquet", 5);
    struct lx_change change = {.operation = "X", .add_files = &again, .add_file_count = 1};
    CHECK(LX_E_REFUSED, &err, lx_ledger_commit(b.ledger, &change, NULL, &err));
    for (unsigned number = 51; number <= 101; number++)
        commit_one(&b, number);
    assert_true(there(fixture, "_delta_log/00000000000000000100.checkpoint.parquet"));
    CHECK(LX_OK, &err, lx_ledger_refresh(a.ledger, &err));
    same_as(&a, b.ledger);
    writer_close(&a);
    writer_close(&b);
}

static void test_broken(void **state)
{
    static const char newest[] = "_delta_log/00000000000000000100.checkpoint.parquet";
    struct fixture *fixture = *state;
    struct writer a;
    struct listener b;
    struct lx_err err = LX_ERR_INIT;
    size_t size;
    CHECK(LX_OK, &err, writer_open(fixture, 1, &a, &err));
    make_log(fixture, &a, 104);
    char *half = (char *)lx_mem_bucket_get(fixture->bucket, newest, &size);
    assert_non_null(half);
    assert_true(lx_mem_bucket_put(fixture->bucket, newest, half, size / 2));
    CHECK(LX_OK, &err, listen_and_open(fixture, &b, &err));
    assert_non_null(strstr(b.warnings, "the checkpoint of version 100"));
    assert_non_null(strstr(b.warnings, newest));
    assert_null(strstr(b.warnings, "version 50"));
    same_as(&a, b.writer.ledger);
    writer_close(&b.writer);
    /* Both: the versions alone. */
    assert_true(lx_mem_bucket_put(fixture->bucket, CHECKPOINT(50), "PAR1", 4));
    CHECK(LX_OK, &err, listen_and_open(fixture, &b, &err));
    assert_non_null(strstr(b.warnings, "the checkpoint of version 50"));
    same_as(&a, b.writer.ledger);
    writer_close(&b.writer);
    /* Then they must be there. */
    remove_versions(fixture, 0, 10);
    CHECK(LX_E_FORMAT, &err, listen_and_open(fixture, &b, &err));
    assert_non_null(strstr(err.text, "version 0 "));
    assert_true(err.hint[0] != 0);
    writer_close(&b.writer);
    writer_close(&a);
}

static void test_hints(void **state)
{
    static const char *const hints[] = {"",
                                        "{",
                                        "{\"version\":-1}",
                                        "{\"version\":\"50\"}",
                                        "{\"version\":60}",
                                        "{\"version\":99999999999999999}",
                                        "{\"version\":9999}",
                                        "{\"version\":20}"};
    struct fixture *fixture = *state;
    struct writer a;
    struct listener b;
    struct lx_err err = LX_ERR_INIT;
    CHECK(LX_OK, &err, writer_open(fixture, 1, &a, &err));
    make_log(fixture, &a, 51);
    remove_versions(fixture, 0, 49);
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++) {
        assert_true(lx_mem_bucket_put(fixture->bucket, "_delta_log/_last_checkpoint", hints[i],
                                      strlen(hints[i])));
        CHECK(LX_OK, &err, listen_and_open(fixture, &b, &err));
        assert_string_equal(b.warnings, "");
        same_as(&a, b.writer.ledger);
        writer_close(&b.writer);
    }
    assert_true(lx_mem_bucket_remove(fixture->bucket, "_delta_log/_last_checkpoint"));
    CHECK(LX_OK, &err, listen_and_open(fixture, &b, &err));
    same_as(&a, b.writer.ledger);
    writer_close(&b.writer);
    writer_close(&a);
}

static struct lx_mem_verdict no_checkpoints(void *context, const struct lx_mem_call *call)
{
    (void)context;
    bool refuse = call->op == LX_MEM_PUT && strstr(call->key, "checkpoint") != NULL;
    return refuse ? (struct lx_mem_verdict){LX_MEM_REFUSED, LX_E_ACCESS}
                  : (struct lx_mem_verdict){LX_MEM_DONE, LX_OK};
}

/* A checkpoint that cannot be written is no failure of the commit. */
static void test_not_written(void **state)
{
    struct fixture *fixture = *state;
    struct writer a, b;
    struct lx_err err = LX_ERR_INIT;
    CHECK(LX_OK, &err, writer_open(fixture, 1, &a, &err));
    lx_mem_bucket_hook(fixture->bucket, no_checkpoints, NULL);
    make_log(fixture, &a, 60);
    lx_mem_bucket_hook(fixture->bucket, NULL, NULL);
    assert_false(there(fixture, CHECKPOINT(50)));
    CHECK(LX_OK, &err, writer_open(fixture, 2, &b, &err));
    same_as(&a, b.ledger);
    writer_close(&a);
    writer_close(&b);
}

/* Two writers that know the same write the same bytes, however they came to know it. */
static void test_same_bytes(void **state)
{
    struct fixture *fixture = *state;
    struct writer a;
    struct lx_err err = LX_ERR_INIT;
    CHECK(LX_OK, &err, writer_open(fixture, 1, &a, &err));
    make_log(fixture, &a, 50);
    size_t size;
    const char *bytes = (const char *)lx_mem_bucket_get(fixture->bucket, CHECKPOINT(50), &size);
    struct lx_version *version;
    struct lx_str file = {bytes, size};
    CHECK(LX_OK, &err, lx_checkpoint_parse(50, file, "x", &version, &err));
    struct lx_tables tables = {.version = 49};
    CHECK(LX_OK, &err, lx_tables_prepare(&tables, version, false, &err));
    lx_tables_apply(&tables, version);
    lx_version_free(version);
    struct lx_buf again = LX_BUF(LX_MIB);
    int64_t actions;
    CHECK(LX_OK, &err, lx_checkpoint_render(&tables, &again, &actions, &err));
    assert_int_equal(again.len, size);
    assert_memory_equal(again.data, bytes, size);
    lx_buf_free(&again);
    lx_tables_free(&tables);
    writer_close(&a);
}

/* -- damage ---------------------------------------------------------------------------------- */

static struct lx_str small_checkpoint(struct fixture *fixture, struct writer *writer)
{
    struct lx_err err = LX_ERR_INIT;
    CHECK(LX_OK, &err, writer_open(fixture, 1, writer, &err));
    make_log(fixture, writer, 50);
    size_t size;
    const uint8_t *bytes = lx_mem_bucket_get(fixture->bucket, CHECKPOINT(50), &size);
    return (struct lx_str){(const char *)bytes, size};
}

/* A version as text, to be compared: its actions written again. */
static enum lx_status as_bytes(struct lx_str file, struct lx_buf *text, struct lx_err *err)
{
    struct lx_version *version;
    struct lx_tables tables = {.version = 49};
    int64_t actions;
    LX_TRY(lx_checkpoint_parse(50, file, "x", &version, err));
    enum lx_status status = lx_tables_prepare(&tables, version, false, err);
    if (status == LX_OK) {
        lx_tables_apply(&tables, version);
        status = lx_checkpoint_render(&tables, text, &actions, err);
    }
    lx_version_free(version);
    lx_tables_free(&tables);
    return status;
}

/* Every byte changed, every length cut: an error, or what was written. */
static void test_damage(void **state)
{
    struct fixture *fixture = *state;
    struct writer a;
    struct lx_str file = small_checkpoint(fixture, &a);
    char *copy = malloc(file.len);
    assert_non_null(copy);
    for (size_t i = 0; i < 2 * file.len; i++) {
        struct lx_err err = LX_ERR_INIT;
        struct lx_buf text = LX_BUF(LX_MIB);
        struct lx_str damaged = {copy, i < file.len ? file.len : i - file.len};
        memcpy(copy, file.ptr, file.len);
        if (i < file.len)
            copy[i] = (char)(copy[i] ^ (1 << i % 8));
        enum lx_status status = as_bytes(damaged, &text, &err);
        if (status == LX_OK) {
            if (text.len != file.len || memcmp(text.data, file.ptr, text.len) != 0)
                fail_msg("byte %zu: another state", i);
        } else if (status == LX_E_MEMORY || err.text[0] == 0) {
            fail_msg("byte %zu: %s, \"%s\"", i, lx_status_name(status), err.text);
        }
        lx_buf_free(&text);
    }
    free(copy);
    writer_close(&a);
}

/* Every allocation fails once: reading says so, writing is passed over. */
static void test_memory(void **state)
{
    struct fixture *fixture = *state;
    struct writer a, b;
    small_checkpoint(fixture, &a);
    remove_versions(fixture, 0, 49);
    uint64_t tried = 0;
    for (uint64_t n = 1; tried == 0 && n < 100000; n += n < 300 ? 1 : 37) {
        struct lx_err err = LX_ERR_INIT;
        lx_alloc_fail_at(n);
        enum lx_status status = writer_open(fixture, 2, &b, &err);
        bool reached = lx_alloc_count() >= n;
        lx_alloc_fail_at(0);
        if (status == LX_OK)
            same_as(&a, b.ledger);
        else if (status != LX_E_MEMORY)
            fail_msg("allocation %" PRIu64 ": %s, %s", n, lx_status_name(status), err.text);
        writer_close(&b);
        if (!reached)
            tried = n;
    }
    assert_true(tried > 100);
    writer_close(&a);
}

/* -- others' checkpoints --------------------------------------------------------------------- */

#define GROUP(...)                                                                                 \
    {                                                                                              \
        .repetition = LX_PARQUET_OPTIONAL, __VA_ARGS__                                             \
    }
#define TEXT(text)                                                                                 \
    {                                                                                              \
        .name = (text), .repetition = LX_PARQUET_OPTIONAL, .physical = LX_PARQUET_BYTE_ARRAY,      \
        .logical = {                                                                               \
            .kind = LX_PARQUET_LOGICAL_STRING                                                      \
        }                                                                                          \
    }
#define NUMBER(text, type)                                                                         \
    {                                                                                              \
        .name = (text), .repetition = LX_PARQUET_OPTIONAL, .physical = (type)                      \
    }

/* As other programs write it: further columns, parsed statistics, a list of old. */
static const struct lx_parquet_field foreign_fields[] = {
    GROUP(.name = "sidecar", .children = 1),
    TEXT("path"),
    GROUP(.name = "add", .children = 7),
    {.name = "path",
     .physical = LX_PARQUET_BYTE_ARRAY,
     .logical = {.kind = LX_PARQUET_LOGICAL_STRING}},
    NUMBER("size", LX_PARQUET_INT64),
    NUMBER("modificationTime", LX_PARQUET_INT64),
    NUMBER("dataChange", LX_PARQUET_BOOLEAN),
    GROUP(.name = "stats_parsed", .children = 2),
    NUMBER("numRecords", LX_PARQUET_INT64),
    GROUP(.name = "minValues", .children = 1),
    NUMBER("x", LX_PARQUET_DOUBLE),
    NUMBER("price", LX_PARQUET_DOUBLE),
    TEXT("stats"),
    GROUP(.name = "protocol", .children = 3),
    NUMBER("minReaderVersion", LX_PARQUET_INT32),
    NUMBER("minWriterVersion", LX_PARQUET_INT32),
    GROUP(.name = "writerFeatures", .children = 1, .logical = {.kind = LX_PARQUET_LOGICAL_LIST}),
    {.name = "array",
     .repetition = LX_PARQUET_REPEATED,
     .physical = LX_PARQUET_BYTE_ARRAY,
     .logical = {.kind = LX_PARQUET_LOGICAL_STRING}},
    GROUP(.name = "metaData", .children = 4),
    TEXT("id"),
    TEXT("schemaString"),
    GROUP(.name = "format", .children = 1),
    TEXT("provider"),
    GROUP(.name = "configuration", .children = 1, .logical = {.kind = LX_PARQUET_LOGICAL_MAP}),
    {.name = "map", .repetition = LX_PARQUET_REPEATED, .children = 2},
    {.name = "key",
     .physical = LX_PARQUET_BYTE_ARRAY,
     .logical = {.kind = LX_PARQUET_LOGICAL_STRING}},
    TEXT("value"),
};

static enum lx_status sink_write(void *self, const void *bytes, size_t size, struct lx_err *err)
{
    return lx_buf_append(self, bytes, size) == LX_OK ? LX_OK : lx_err_memory(err);
}

static void test_foreign(void **state)
{
    static const char *const rows[] = {
        "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":7,"
        "\"writerFeatures\":[\"domainMetadata\"]}}",
        "{\"metaData\":{\"id\":\"t\",\"schemaString\":\"{}\",\"format\":{\"provider\":"
        "\"parquet\"},\"configuration\":{\"a\":\"b\",\"c\":\"d\"}}}",
        "{\"sidecar\":{\"path\":\"x\"}}",
        "{\"add\":{\"path\":\"a.parquet\",\"size\":5,\"modificationTime\":6,\"dataChange\":false,"
        "\"stats_parsed\":{\"numRecords\":7},\"stats\":\"{\\\"numRecords\\\":7}\"}}",
    };
    struct fixture *fixture = *state;
    struct lx_err err = LX_ERR_INIT;
    struct lx_buf file = LX_BUF(LX_MIB);
    const struct lx_parquet_sink sink = {sink_write, &file};
    struct lx_parquet_writer *writer;
    struct lx_rows_builder *builder;
    CHECK(LX_OK, &err,
          lx_parquet_writer_create(foreign_fields, sizeof foreign_fields / sizeof *foreign_fields,
                                   NULL, &sink, NULL, &writer, &err));
    CHECK(LX_OK, &err, lx_rows_builder_create(lx_parquet_writer_schema(writer), &builder, &err));
    for (size_t i = 0; i < 4; i++) {
        json_t *row = json_loads(rows[i], 0, NULL);
        assert_non_null(row);
        CHECK(LX_OK, &err, lx_rows_builder_add(builder, row, &err));
        json_decref(row);
    }
    CHECK(LX_OK, &err,
          lx_parquet_writer_append_levels(writer, lx_rows_builder_levels(builder), 4, &err));
    CHECK(LX_OK, &err, lx_parquet_writer_finish(writer, NULL, &err));
    assert_true(lx_mem_bucket_put(fixture->bucket, CHECKPOINT(10), file.data, file.len));
    struct listener a;
    CHECK(LX_OK, &err, listen_and_open(fixture, &a, &err));
    assert_string_equal(a.warnings, "");
    const struct lx_ledger_state *now = lx_ledger_state(a.writer.ledger);
    assert_int_equal(now->version, 10);
    assert_int_equal(now->file_count, 1);
    assert_string_equal(now->files[0].path, "a.parquet");
    assert_int_equal(now->files[0].rows, 7);
    assert_int_equal(now->files[0].version, 10);
    assert_string_equal(json_string_value(json_object_get(now->configuration, "c")), "d");
    writer_close(&a.writer);
    lx_rows_builder_free(builder);
    lx_parquet_writer_destroy(writer);
    lx_buf_free(&file);
}

/* A member of another type than its column's is told, and nothing is written. */
static void test_wrong_member(void **state)
{
    (void)state;
    static const char *const rows[] = {"{\"add\":5}",
                                       "{\"add\":{\"path\":5}}",
                                       "{\"add\":{\"size\":\"5\"}}",
                                       "{\"protocol\":{\"minReaderVersion\":99999999999}}",
                                       "{\"protocol\":{\"writerFeatures\":{}}}",
                                       "{\"protocol\":{\"writerFeatures\":[null]}}",
                                       "{\"metaData\":{\"configuration\":[]}}",
                                       "{\"metaData\":{\"configuration\":{\"a\":1}}}"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct lx_err err = LX_ERR_INIT;
        struct lx_buf file = LX_BUF(LX_MIB);
        const struct lx_parquet_sink sink = {sink_write, &file};
        struct lx_parquet_writer *writer;
        struct lx_rows_builder *builder;
        CHECK(LX_OK, &err,
              lx_parquet_writer_create(foreign_fields,
                                       sizeof foreign_fields / sizeof *foreign_fields, NULL, &sink,
                                       NULL, &writer, &err));
        CHECK(LX_OK, &err,
              lx_rows_builder_create(lx_parquet_writer_schema(writer), &builder, &err));
        json_t *row = json_loads(rows[i], 0, NULL);
        assert_non_null(row);
        CHECK(LX_E_FORMAT, &err, lx_rows_builder_add(builder, row, &err));
        assert_non_null(strstr(err.text, "is not what it must be"));
        json_decref(row);
        lx_rows_builder_free(builder);
        lx_parquet_writer_destroy(writer);
        lx_buf_free(&file);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_every_fifty), TEST(test_checkpoint_alone), TEST(test_broken), TEST(test_hints),
        TEST(test_not_written), TEST(test_same_bytes),       TEST(test_damage), TEST(test_memory),
        TEST(test_foreign),     TEST(test_wrong_member)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
