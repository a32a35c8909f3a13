/* Commits: what they make true, and what they refuse. */
#include "ledger_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* -- first steps --------------------------------------------------------------------------- */

static void test_empty(void **state)
{
    struct writer writer;
    struct lx_err err = LX_ERR_INIT;
    CHECK(LX_OK, &err, writer_open(*state, 1, &writer, &err));
    const struct lx_ledger_state *now = lx_ledger_state(writer.ledger);
    assert_int_equal(now->version, -1);
    assert_int_equal(now->file_count + now->live_count + now->ended_count, 0);
    assert_null(now->table_id);
    assert_null(lx_ledger_schema(writer.ledger, SCHEMA));
    CHECK(LX_OK, &err, lx_ledger_refresh(writer.ledger, &err));
    struct lx_change bare = {.operation = "ARCHIVE"};
    CHECK(LX_E_ARGUMENT, &err, lx_ledger_commit(writer.ledger, &bare, NULL, &err));
    assert_int_equal(lx_mem_bucket_count(writer.fixture->bucket), 0);
    writer_close(&writer);
}

/* Everything that a change can say comes back from the log, here and for another reader. */
static void test_round_trip(void **state)
{
    struct fixture *fixture = *state;
    struct writer a, b;
    struct lx_err err = LX_ERR_INIT;
    int64_t version = -7;
    CHECK(LX_OK, &err, writer_open(fixture, 1, &a, &err));
    struct lx_where where[] = {{(char *)(uintptr_t) "events/2026-01/b.parquet", false, 0, 3},
                               {(char *)(uintptr_t) "_lynex/hashes-1", true, 2, 2}};
    struct lx_segment segments[] = {
        segment_of(2, SOURCE, "202601", 4, 9, 86400, LX_TIME_LAST, 5),
        segment_of(1, SOURCE, "202601", 1, 3, LX_TIME_FIRST, 86400, 0),
        segment_of(3, ELSEWHERE, "a.b/c%\xff", 1, 1, -5, 5, 7),
    };
    segments[0].where = where;
    segments[0].where_count = 2;
    struct lx_ledger_file files[] = {file_of("events/2026-01/b.parquet", 5),
                                     file_of("events/2026-01/a.parquet", 7)};
    json_t *info = json_pack("{s:s}", "query_id", "q1");
    struct lx_change change = first_change(fixture);
    change.operation = "ARCHIVE";
    change.info = info;
    change.add_files = files;
    change.add_file_count = 2;
    change.add_segments = segments;
    change.add_segment_count = 3;
    CHECK(LX_OK, &err, lx_ledger_commit(a.ledger, &change, &version, &err));
    json_decref(info);
    assert_int_equal(version, 0);
    const struct lx_ledger_state *now = lx_ledger_state(a.ledger);
    assert_int_equal(now->file_count, 2);
    assert_string_equal(now->files[0].path, "events/2026-01/a.parquet");
    assert_string_equal(now->files[1].tags,
                        "{\"lynex.batch\":\"0000000000000000000000000000000b\","
                        "\"lynex.sums\":\"{\\\"rows\\\":5,\\\"sum\\\":\\\"18446744073709551615\\\","
                        "\\\"xor\\\":\\\"5\\\",\\\"schema\\\":\\\"c0ffee\\\"}\","
                        "\"lynex.etag\":\"abc-1\",\"lynex.bloom\":\"[4096]\"}");
    assert_true(now->files[1].sum == UINT64_MAX && now->files[1].rows == 5);
    assert_int_equal(now->live_count, 3);
    assert_string_equal(now->live[0].id, id_of(1));
    assert_true(now->live[0].from == LX_TIME_FIRST && now->live[1].to == LX_TIME_LAST);
    assert_int_equal(now->live[1].where_count, 2);
    assert_true(now->live[1].where[1].hashes);
    assert_string_equal(now->live[2].partition, "a.b/c%\xff");
    assert_string_equal(now->schema_string, DELTA_SCHEMA);
    assert_true(json_equal(now->table, fixture->table));
    assert_true(json_equal(lx_ledger_schema(a.ledger, SCHEMA), fixture->schema));
    assert_null(lx_ledger_schema(a.ledger, "no/schema"));
    assert_non_null(lx_ledger_file(a.ledger, "events/2026-01/a.parquet"));
    assert_non_null(lx_ledger_live(a.ledger, id_of(3)));
    assert_null(lx_ledger_live(a.ledger, id_of(4)));
    CHECK(LX_OK, &err, writer_open(fixture, 2, &b, &err));
    assert_true(same_state(now, lx_ledger_state(b.ledger)));
    writer_close(&a);
    writer_close(&b);
}

/* Takes the program's version out of commitInfo: it changes without the format. */
static size_t without_version(char *text, size_t size)
{
    char *start = memmem(text, size, "\"lynex/", 7);
    char *end = start != NULL ? memchr(start + 7, '"', size - (size_t)(start + 7 - text)) : NULL;
    if (end == NULL)
        return size;
    memmove(start + 7, end, size - (size_t)(end - text));
    return size - (size_t)(end - start - 7);
}

/* The bytes of a version: a change of format needs a new golden file, and a reader for the old.
 * LYNEX_WRITE_GOLDEN=1 writes them. */
static void check_golden(const struct fixture *fixture, int version)
{
    static char golden[65536], actual[65536];
    char name[512], key[64];
    snprintf(name, sizeof name, "%s/v%d.json", LYNEX_GOLDEN, version);
    snprintf(key, sizeof key, "_delta_log/%020d.json", version);
    size_t size = 0, expected;
    const uint8_t *bytes = lx_mem_bucket_get(fixture->bucket, key, &size);
    assert_true(size < sizeof actual);
    memcpy(actual, bytes, size);
    size = without_version(actual, size);
    bool write = getenv("LYNEX_WRITE_GOLDEN") != NULL;
    FILE *stream = fopen(name, write ? "wb" : "rb");
    if (stream == NULL)
        fail_msg("cannot open %s", name);
    expected = write ? fwrite(actual, 1, size, stream) : fread(golden, 1, sizeof golden, stream);
    fclose(stream);
    if (expected != size || (!write && memcmp(actual, golden, size) != 0)) {
        fprintf(stderr, "%s is not what was written:\n", name);
        fwrite(actual, 1, size, stderr);
        fail();
    }
}

static void test_golden(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    struct lx_err err = LX_ERR_INIT;
    CHECK(LX_OK, &err, writer_open(fixture, 1, &writer, &err));
    struct lx_where where = {(char *)(uintptr_t) "events/2026-01/a.parquet", false, 0, 5};
    struct lx_segment segments[] = {segment_of(1, SOURCE, "202601", 1, 3, 0, 86400, 5),
                                    segment_of(2, SOURCE, "202601", 4, 4, 0, 86400, 5)};
    segments[0].where = segments[1].where = &where;
    segments[0].where_count = segments[1].where_count = 1;
    struct lx_ledger_file file = file_of("events/2026-01/a.parquet", 5);
    struct lx_change change = first_change(fixture);
    change.operation = "ARCHIVE";
    change.add_files = &file;
    change.add_file_count = 1;
    change.add_segments = segments;
    change.add_segment_count = 2;
    CHECK(LX_OK, &err, lx_ledger_commit(writer.ledger, &change, NULL, &err));
    const char *ends[] = {segments[0].id}, *removed[] = {"events/2026-01/orphan.parquet"};
    struct lx_change next = {.operation = "DELETE",
                             .end_segments = ends,
                             .end_segment_count = 1,
                             .ended_at = 1795564800,
                             .remove_paths = removed,
                             .remove_path_count = 1};
    CHECK(LX_OK, &err, lx_ledger_commit(writer.ledger, &next, NULL, &err));
    check_golden(fixture, 0);
    check_golden(fixture, 1);
    writer_close(&writer);
}

/* -- what is refused ----------------------------------------------------------------------- */

struct refusal {
    const char *name;
    enum lx_status expected;
    void (*make)(struct lx_change *change);
};

static struct lx_segment one_segment;
static struct lx_ledger_file one_file;
static struct lx_where one_where;
static const char *one_text[2];
static json_t *bad_info;

static void with_segment(struct lx_change *change)
{
    one_segment = segment_of(50, SOURCE, "202601", 100, 100, 0, 10, 1);
    change->add_segments = &one_segment;
    change->add_segment_count = 1;
}

static void with_file(struct lx_change *change, const char *path)
{
    one_file = file_of(path, 1);
    change->add_files = &one_file;
    change->add_file_count = 1;
}

static void with_where(struct lx_change *change, const char *path, bool hashes)
{
    with_segment(change);
    one_where = (struct lx_where){(char *)(uintptr_t)path, hashes, 0, 1};
    one_segment.where = &one_where;
    one_segment.where_count = 1;
}

static void with_end(struct lx_change *change, unsigned id)
{
    one_text[0] = id_of(id);
    change->end_segments = one_text;
    change->end_segment_count = 1;
}

static void with_remove(struct lx_change *change, const char *path)
{
    one_text[0] = path;
    change->remove_paths = one_text;
    change->remove_path_count = 1;
}

static void no_operation(struct lx_change *change)
{
    change->operation = NULL;
}
static void bad_path_char(struct lx_change *change)
{
    with_file(change, "events/a b.parquet");
}
static void bad_path_up(struct lx_change *change)
{
    with_file(change, "events/../a.parquet");
}
static void bad_path_empty_part(struct lx_change *change)
{
    with_file(change, "events//a.parquet");
}
static void bad_path_log(struct lx_change *change)
{
    with_file(change, "_delta_log/a.parquet");
}
static void bad_path_root(struct lx_change *change)
{
    with_file(change, "/a.parquet");
}
static void listed_path(struct lx_change *change)
{
    with_file(change, "events/a.parquet");
}
static void removed_path(struct lx_change *change)
{
    with_file(change, "events/gone.parquet");
}
static void path_twice(struct lx_change *change)
{
    with_file(change, "events/n.parquet");
    with_remove(change, "events/n.parquet");
}
static void negative_size(struct lx_change *change)
{
    with_file(change, "events/n.parquet");
    one_file.size = -1;
}
static void bad_batch(struct lx_change *change)
{
    with_file(change, "events/n.parquet");
    one_file.batch[0] = 'x';
}
static void bad_tags(struct lx_change *change)
{
    with_file(change, "events/n.parquet");
    one_file.tags = (char *)(uintptr_t) "{\"a\":1}";
}
static void own_tags(struct lx_change *change)
{
    with_file(change, "events/n.parquet");
    one_file.tags = (char *)(uintptr_t) "{\"lynex.sums\":\"\"}";
}
static void tags_not_json(struct lx_change *change)
{
    with_file(change, "events/n.parquet");
    one_file.tags = (char *)(uintptr_t) "{";
}
static void unknown_file_schema(struct lx_change *change)
{
    with_file(change, "events/n.parquet");
    one_file.schema[0] = 'X';
}
static void unknown_schema(struct lx_change *change)
{
    with_segment(change);
    one_segment.schema[0] = 'X';
}
static void known_id(struct lx_change *change)
{
    with_segment(change);
    snprintf(one_segment.id, sizeof one_segment.id, "%s", id_of(1));
}
static void ended_id(struct lx_change *change)
{
    with_segment(change);
    snprintf(one_segment.id, sizeof one_segment.id, "%s", id_of(9));
}
static void bad_id(struct lx_change *change)
{
    with_segment(change);
    one_segment.id[31] = 0;
}
static void no_blocks(struct lx_change *change)
{
    with_segment(change);
    one_segment.min_block = 101;
}
static void no_time(struct lx_change *change)
{
    with_segment(change);
    one_segment.to = one_segment.from;
}
static void no_partition(struct lx_change *change)
{
    with_segment(change);
    one_segment.partition = (char *)(uintptr_t) "";
}
static void bad_host(struct lx_change *change)
{
    with_segment(change);
    one_segment.host = (char *)(uintptr_t) "\xff";
}
static void wrong_rows(struct lx_change *change)
{
    with_where(change, "events/a.parquet", false);
    one_where.rows = 2;
}
static void where_unlisted(struct lx_change *change)
{
    with_where(change, "events/unknown.parquet", false);
}
static void where_removed(struct lx_change *change)
{
    with_where(change, "_lynex/gone", true);
}
static void where_being_removed(struct lx_change *change)
{
    with_where(change, "_lynex/soon", true);
    with_remove(change, "_lynex/soon");
}
static void overlap(struct lx_change *change)
{
    with_segment(change);
    one_segment.min_block = 3;
}
static void end_unknown(struct lx_change *change)
{
    with_end(change, 77);
}
static void end_ended(struct lx_change *change)
{
    with_end(change, 9);
}
static void end_twice(struct lx_change *change)
{
    with_end(change, 1);
    change->replace_segments = change->end_segments;
    change->replace_segment_count = 1;
}
static void revive_live(struct lx_change *change)
{
    with_end(change, 1);
    change->revive_segments = change->end_segments;
    change->revive_segment_count = 1;
    change->end_segment_count = 0;
}
static void forget_live(struct lx_change *change)
{
    with_end(change, 1);
    change->forget_segments = change->end_segments;
    change->forget_segment_count = 1;
    change->end_segment_count = 0;
}
static void remove_needed(struct lx_change *change)
{
    with_remove(change, "events/a.parquet");
}
static void remove_needed_by_ended(struct lx_change *change)
{
    with_remove(change, "events/e.parquet");
}
static void remove_strange(struct lx_change *change)
{
    with_remove(change, "events/a b");
}
static void remove_log(struct lx_change *change)
{
    with_remove(change, LOG_KEY(0));
}
static void info_clash(struct lx_change *change)
{
    change->info = bad_info;
}
static void future_base(struct lx_change *change)
{
    change->has_base = true;
    change->base_version = 99;
}
static void forget_nobody(struct lx_change *change)
{
    change->forget_ended_before = 5;
}

static const struct refusal refusals[] = {
    {"no operation", LX_E_BUG, no_operation},
    {"a blank in a path", LX_E_REFUSED, bad_path_char},
    {"a path that leaves the root", LX_E_REFUSED, bad_path_up},
    {"an empty part", LX_E_REFUSED, bad_path_empty_part},
    {"a path in the log", LX_E_REFUSED, bad_path_log},
    {"an absolute path", LX_E_REFUSED, bad_path_root},
    {"a listed path", LX_E_REFUSED, listed_path},
    {"a removed path", LX_E_REFUSED, removed_path},
    {"a path added and removed", LX_E_BUG, path_twice},
    {"a negative size", LX_E_BUG, negative_size},
    {"a batch without id", LX_E_BUG, bad_batch},
    {"a tag that is a number", LX_E_BUG, bad_tags},
    {"a tag that is made of members", LX_E_BUG, own_tags},
    {"tags that are not JSON", LX_E_FORMAT, tags_not_json},
    {"a file of an unknown schema", LX_E_REFUSED, unknown_file_schema},
    {"a segment of an unknown schema", LX_E_REFUSED, unknown_schema},
    {"a live id again", LX_E_REFUSED, known_id},
    {"an ended id again", LX_E_REFUSED, ended_id},
    {"a short id", LX_E_BUG, bad_id},
    {"a segment without blocks", LX_E_BUG, no_blocks},
    {"a segment without time", LX_E_BUG, no_time},
    {"a segment without partition", LX_E_BUG, no_partition},
    {"a host that is not UTF-8", LX_E_BUG, bad_host},
    {"more places than rows", LX_E_BUG, wrong_rows},
    {"rows in a file that is not listed", LX_E_REFUSED, where_unlisted},
    {"rows in a removed object", LX_E_REFUSED, where_removed},
    {"rows in an object that goes with it", LX_E_REFUSED, where_being_removed},
    {"rows of a live segment again", LX_E_REFUSED, overlap},
    {"the end of an unknown segment", LX_E_REFUSED, end_unknown},
    {"the end of an ended segment", LX_E_REFUSED, end_ended},
    {"one end twice", LX_E_BUG, end_twice},
    {"a live segment revived", LX_E_REFUSED, revive_live},
    {"a live segment forgotten", LX_E_REFUSED, forget_live},
    {"a file that a live segment names", LX_E_REFUSED, remove_needed},
    {"a file that an ended segment names", LX_E_REFUSED, remove_needed_by_ended},
    {"a fence on a strange path", LX_E_REFUSED, remove_strange},
    {"a fence on the log", LX_E_REFUSED, remove_log},
    {"info with a member of commitInfo", LX_E_BUG, info_clash},
    {"a plan of a future version", LX_E_BUG, future_base},
    {"forgetting of no source", LX_E_BUG, forget_nobody},
};

static void test_refusals(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    struct lx_err err = LX_ERR_INIT;
    CHECK(LX_OK, &err, writer_open(fixture, 1, &writer, &err));
    make_scene(fixture, &writer);
    bad_info = json_pack("{s:i}", "txnId", 1);
    size_t objects = lx_mem_bucket_count(fixture->bucket);
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct lx_change change = {.operation = "ARCHIVE"};
        refusals[i].make(&change);
        enum lx_status status = lx_ledger_commit(writer.ledger, &change, NULL, &err);
        if (status != refusals[i].expected || err.text[0] == 0)
            fail_msg("%s: %s (%s), expected %s", refusals[i].name, lx_status_name(status), err.text,
                     lx_status_name(refusals[i].expected));
        assert_int_equal(lx_mem_bucket_count(fixture->bucket), objects);
        assert_int_equal(lx_ledger_state(writer.ledger)->version, 2);
    }
    json_decref(bad_info);
    assert_true(lx_ledger_was_removed(writer.ledger, "_lynex/gone"));
    assert_false(lx_ledger_was_removed(writer.ledger, "events/a.parquet"));
    writer_close(&writer);
}

/* -- ended segments ------------------------------------------------------------------------ */

static void test_ended(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    struct lx_err err = LX_ERR_INIT;
    CHECK(LX_OK, &err, writer_open(fixture, 1, &writer, &err));
    make_scene(fixture, &writer);
    const struct lx_ledger_state *now = lx_ledger_state(writer.ledger);
    assert_int_equal(now->ended_count, 1);
    assert_int_equal(now->ended[0].ended_at, 1000);
    assert_string_equal(now->ended[0].partition, "202601");
    const char *nine[] = {id_of(9)}, *two[] = {id_of(2)};
    struct lx_change revive = {
        .operation = "REVIVE", .revive_segments = nine, .revive_segment_count = 1};
    CHECK(LX_OK, &err, lx_ledger_commit(writer.ledger, &revive, NULL, &err));
    assert_int_equal(now->ended_count, 0);
    assert_non_null(lx_ledger_live(writer.ledger, id_of(9)));
    assert_int_equal(lx_ledger_live(writer.ledger, id_of(9))->ended_at, 0);
    struct lx_change end = {
        .operation = "DELETE", .end_segments = nine, .end_segment_count = 1, .ended_at = 2000};
    CHECK(LX_OK, &err, lx_ledger_commit(writer.ledger, &end, NULL, &err));
    end = (struct lx_change){.operation = "DELETE",
                             .end_segments = two,
                             .end_segment_count = 1,
                             .ended_at = 3000,
                             .forget_ended_before = 2000,
                             .source = SOURCE};
    CHECK(LX_OK, &err, lx_ledger_commit(writer.ledger, &end, NULL, &err));
    assert_int_equal(now->ended_count, 2); /* 2000 is not before 2000 */
    end.end_segment_count = 0;
    end.forget_ended_before = 2001;
    CHECK(LX_OK, &err, lx_ledger_commit(writer.ledger, &end, NULL, &err));
    assert_int_equal(now->ended_count, 1);
    assert_string_equal(now->ended[0].id, id_of(2));
    /* Whoever removes a file writes the ended segments that name it anew, too. */
    struct lx_segment smaller = segment_of(20, SOURCE, "202601", 6, 9, 0, 86400, 1);
    smaller.ended_at = 3000;
    struct lx_change erase = {.operation = "ERASE",
                              .forget_segments = two,
                              .forget_segment_count = 1,
                              .add_segments = &smaller,
                              .add_segment_count = 1};
    CHECK(LX_OK, &err, lx_ledger_commit(writer.ledger, &erase, NULL, &err));
    assert_int_equal(now->ended_count, 1);
    assert_string_equal(now->ended[0].id, id_of(20));
    assert_int_equal(now->live_count, 1);
    writer_close(&writer);
}

/* -- walking ------------------------------------------------------------------------------- */

struct seen {
    int64_t versions[8];
    char kinds[64][24];
    size_t count;
    enum lx_status stop;
};

static enum lx_status see(void *context, int64_t version, const json_t *action, struct lx_err *err)
{
    struct seen *seen = context;
    const char *kind = json_object_iter_key(json_object_iter((json_t *)(uintptr_t)action));
    assert_true(seen->count < 64 && version < 8);
    seen->versions[version]++;
    snprintf(seen->kinds[seen->count++], 24, "%s", kind);
    return seen->stop != LX_OK ? lx_err_set(err, seen->stop, "enough") : LX_OK;
}

static void test_walk(void **state)
{
    struct fixture *fixture = *state;
    struct writer a;
    struct lx_err err = LX_ERR_INIT;
    struct seen seen = {0};
    CHECK(LX_OK, &err, writer_open(fixture, 1, &a, &err));
    make_scene(fixture, &a);
    CHECK(LX_OK, &err, lx_ledger_walk(a.ledger, -3, 99, see, &seen, &err));
    /* 0: commitInfo, protocol, metaData, schema, table; 1: commitInfo, 3 files, segments;
     * 2: commitInfo, 2 removes, live, ended. */
    assert_int_equal(seen.versions[0], 5);
    assert_int_equal(seen.versions[1], 5);
    assert_int_equal(seen.versions[2], 5);
    assert_string_equal(seen.kinds[0], "commitInfo");
    assert_string_equal(seen.kinds[1], "protocol");
    assert_string_equal(seen.kinds[10], "commitInfo");
    seen = (struct seen){.stop = LX_E_CANCELLED};
    CHECK(LX_E_CANCELLED, &err, lx_ledger_walk(a.ledger, 1, 1, see, &seen, &err));
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.versions[1], 1);
    lx_mem_bucket_remove(fixture->bucket, LOG_KEY(1));
    seen = (struct seen){0};
    CHECK(LX_E_NOTFOUND, &err, lx_ledger_walk(a.ledger, 0, 2, see, &seen, &err));
    writer_close(&a);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_empty),    TEST(test_round_trip), TEST(test_golden),
        TEST(test_refusals), TEST(test_ended),      TEST(test_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
