/* Commits: what they make true, what they refuse, and what becomes of them when answers are lost
 * or others are faster. */
#include "ledger_fixture.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define KEY(version) "_delta_log/0000000000000000000" #version ".json"

/* -- first steps ------------------------------------------------------------------------------- */

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

/* -- what is refused --------------------------------------------------------------------------- */

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
    with_remove(change, KEY(0));
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

/* Version 1: live segments 1 (blocks 1-5, in a.parquet) and 2; version 2: 9 ended, gone.parquet and
 * _lynex/gone removed. */
static void make_scene(struct fixture *fixture, struct writer *writer)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_where in_a = {(char *)(uintptr_t) "events/a.parquet", false, 0, 5};
    struct lx_where in_e = {(char *)(uintptr_t) "events/e.parquet", false, 0, 5};
    struct lx_segment segments[] = {segment_of(1, SOURCE, "202601", 1, 5, 0, 86400, 5),
                                    segment_of(2, SOURCE, "202601", 6, 9, 0, 86400, 5),
                                    segment_of(9, SOURCE, "202601", 10, 10, 0, 86400, 5)};
    segments[0].where = &in_a;
    segments[2].where = &in_e;
    segments[0].where_count = segments[2].where_count = 1;
    struct lx_ledger_file files[] = {file_of("events/a.parquet", 5), file_of("events/e.parquet", 5),
                                     file_of("events/gone.parquet", 5)};
    struct lx_change change = {.operation = "ARCHIVE",
                               .add_segments = segments,
                               .add_segment_count = 3,
                               .add_files = files,
                               .add_file_count = 3};
    make_first(fixture, writer);
    CHECK(LX_OK, &err, lx_ledger_commit(writer->ledger, &change, NULL, &err));
    const char *ends[] = {id_of(9)}, *removed[] = {"events/gone.parquet", "_lynex/gone"};
    struct lx_change next = {.operation = "DELETE",
                             .end_segments = ends,
                             .end_segment_count = 1,
                             .ended_at = 1000,
                             .remove_paths = removed,
                             .remove_path_count = 2};
    CHECK(LX_OK, &err, lx_ledger_commit(writer->ledger, &next, NULL, &err));
    CHECK(LX_OK, &err, lx_ledger_refresh(writer->ledger, &err));
}

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

/* -- ended segments ---------------------------------------------------------------------------- */

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

/* -- conflicts --------------------------------------------------------------------------------- */

struct case_of_conflict {
    const char *name;
    void (*ours)(struct lx_change *change);
    void (*theirs)(struct lx_change *change);
    enum lx_status expected;
};

/* Texts and structs of two changes that live at once. */
static struct lx_segment our_segment, their_segment;
static struct lx_ledger_file our_file, their_file;
static struct lx_where our_where;
static const char *our_ids[1], *their_ids[1], *our_paths[1], *their_paths[1];
static char our_id[LX_LEDGER_ID], their_id[LX_LEDGER_ID];
static json_t *new_table;

static void ours_add(struct lx_change *change)
{
    our_segment = segment_of(60, SOURCE, "202601", 20, 25, 0, 86400, 5);
    change->add_segments = &our_segment;
    change->add_segment_count = 1;
}
static void ours_add_whole(struct lx_change *change)
{
    ours_add(change);
    change->whole_table = true;
}
static void ours_add_in_file(struct lx_change *change)
{
    ours_add(change);
    our_where = (struct lx_where){(char *)(uintptr_t) "events/free.parquet", false, 0, 5};
    our_segment.where = &our_where;
    our_segment.where_count = 1;
}
static void ours_file(struct lx_change *change)
{
    our_file = file_of("events/new.parquet", 1);
    change->add_files = &our_file;
    change->add_file_count = 1;
}
static void ours_end(struct lx_change *change)
{
    snprintf(our_id, sizeof our_id, "%s", id_of(1));
    our_ids[0] = our_id;
    change->end_segments = our_ids;
    change->end_segment_count = 1;
    change->ended_at = 5000;
}
static void ours_replace(struct lx_change *change)
{
    ours_end(change);
    change->replace_segments = change->end_segments;
    change->replace_segment_count = 1;
    change->end_segment_count = 0;
}
static void ours_revive(struct lx_change *change)
{
    snprintf(our_id, sizeof our_id, "%s", id_of(9));
    our_ids[0] = our_id;
    change->revive_segments = our_ids;
    change->revive_segment_count = 1;
}
static void ours_remove(struct lx_change *change)
{
    our_paths[0] = "events/free.parquet";
    change->remove_paths = our_paths;
    change->remove_path_count = 1;
}
static void ours_schema(struct lx_change *change)
{
    change->new_schema_string = "{\"type\":\"struct\",\"fields\":[]}";
}
static void ours_table(struct lx_change *change)
{
    change->new_table = new_table;
}
static void ours_info(struct lx_change *change)
{
    (void)change;
}

static void theirs_at(struct lx_change *change, const char *source, const char *partition,
                      int64_t min, int64_t max)
{
    their_segment = segment_of(70, source, partition, min, max, 90000, 95000, 5);
    change->add_segments = &their_segment;
    change->add_segment_count = 1;
}
static void theirs_touching(struct lx_change *change)
{
    theirs_at(change, SOURCE, "202601", 25, 30);
}
static void theirs_beside(struct lx_change *change)
{
    theirs_at(change, SOURCE, "202601", 26, 30);
}
static void theirs_other_partition(struct lx_change *change)
{
    theirs_at(change, SOURCE, "202602", 20, 25);
}
static void theirs_other_shard(struct lx_change *change)
{
    theirs_at(change, ELSEWHERE, "202601", 20, 25);
}
static void theirs_swapped(struct lx_change *change)
{
    theirs_at(change, SWAPPED, "202609", 1, 1);
}
static void theirs_revive(struct lx_change *change)
{
    snprintf(their_id, sizeof their_id, "%s", id_of(9));
    their_ids[0] = their_id;
    change->revive_segments = their_ids;
    change->revive_segment_count = 1;
}
static void theirs_touch_ended(struct lx_change *change)
{
    theirs_at(change, SOURCE, "202601", 10, 11);
}
static void theirs_end(struct lx_change *change)
{
    snprintf(their_id, sizeof their_id, "%s", id_of(1));
    their_ids[0] = their_id;
    change->end_segments = their_ids;
    change->end_segment_count = 1;
    change->ended_at = 4000;
}
static void theirs_end_other(struct lx_change *change)
{
    theirs_end(change);
    snprintf(their_id, sizeof their_id, "%s", id_of(2));
}
static void theirs_file(struct lx_change *change)
{
    their_file = file_of("events/new.parquet", 1);
    change->add_files = &their_file;
    change->add_file_count = 1;
}
static void theirs_other_file(struct lx_change *change)
{
    their_file = file_of("events/other.parquet", 1);
    change->add_files = &their_file;
    change->add_file_count = 1;
}
static void theirs_fence(struct lx_change *change)
{
    their_paths[0] = "events/new.parquet";
    change->remove_paths = their_paths;
    change->remove_path_count = 1;
}
static void theirs_remove(struct lx_change *change)
{
    their_paths[0] = "events/free.parquet";
    change->remove_paths = their_paths;
    change->remove_path_count = 1;
}
static void theirs_forget(struct lx_change *change)
{
    change->forget_ended_before = 9999;
    change->source = SOURCE;
}
static void theirs_name_free(struct lx_change *change)
{
    theirs_at(change, SOURCE, "202607", 1, 1);
    static struct lx_where where;
    where = (struct lx_where){(char *)(uintptr_t) "events/free.parquet", false, 0, 5};
    their_segment.where = &where;
    their_segment.where_count = 1;
}

static const struct case_of_conflict cases[] = {
    {"nothing near", ours_add, theirs_beside, LX_OK},
    {"blocks touch", ours_add, theirs_touching, LX_E_CONFLICT},
    {"same blocks of another partition", ours_add, theirs_other_partition, LX_OK},
    {"same blocks of another shard", ours_add, theirs_other_shard, LX_OK},
    {"the table was swapped", ours_add, theirs_swapped, LX_E_CONFLICT},
    {"whole table, any segment", ours_add_whole, theirs_other_shard, LX_E_CONFLICT},
    {"whole table, no segment", ours_add_whole, theirs_other_file, LX_OK},
    {"same end", ours_end, theirs_end, LX_E_CONFLICT},
    {"replaced what ended", ours_replace, theirs_end, LX_E_CONFLICT},
    {"another end", ours_end, theirs_end_other, LX_OK},
    {"end, and something near", ours_end, theirs_touching, LX_OK},
    {"same path", ours_file, theirs_file, LX_E_CONFLICT},
    {"another path", ours_file, theirs_other_file, LX_OK},
    {"fenced path", ours_file, theirs_fence, LX_E_CONFLICT},
    {"file of our segment went", ours_add_in_file, theirs_remove, LX_E_CONFLICT},
    {"file of our segment stays", ours_add_in_file, theirs_fence, LX_OK},
    {"both remove one file", ours_remove, theirs_remove, LX_E_CONFLICT},
    {"their segment names what we remove", ours_remove, theirs_name_free, LX_E_CONFLICT},
    {"both revive", ours_revive, theirs_revive, LX_E_CONFLICT},
    {"revived blocks were archived", ours_revive, theirs_touch_ended, LX_E_CONFLICT},
    {"revived what was forgotten", ours_revive, theirs_forget, LX_E_CONFLICT},
    {"both change the schema", ours_schema, ours_schema, LX_E_CONFLICT},
    {"one changes the schema", ours_schema, theirs_other_file, LX_OK},
    {"both change the table", ours_table, ours_table, LX_E_CONFLICT},
    {"nothing against anything", ours_info, theirs_swapped, LX_OK},
};

static void run_conflict(const struct case_of_conflict *at)
{
    struct fixture *fixture;
    struct writer a, b;
    struct lx_err err = LX_ERR_INIT;
    void *made;
    assert_int_equal(fixture_setup(&made), 0);
    fixture = made;
    CHECK(LX_OK, &err, writer_open(fixture, 1, &a, &err));
    make_scene(fixture, &a);
    struct lx_ledger_file free_file = file_of("events/free.parquet", 5);
    struct lx_change more = {.operation = "ARCHIVE", .add_files = &free_file, .add_file_count = 1};
    CHECK(LX_OK, &err, lx_ledger_commit(a.ledger, &more, NULL, &err));
    CHECK(LX_OK, &err, lx_ledger_refresh(a.ledger, &err));
    CHECK(LX_OK, &err, writer_open(fixture, 2, &b, &err));
    struct lx_change ours = {.operation = "OURS"}, theirs = {.operation = "THEIRS"};
    new_table = fixture->table;
    at->ours(&ours);
    at->theirs(&theirs);
    CHECK(LX_OK, &err, lx_ledger_commit(b.ledger, &theirs, NULL, &err));
    int64_t version = -1;
    enum lx_status status = lx_ledger_commit(a.ledger, &ours, &version, &err);
    if (status != at->expected)
        fail_msg("%s: %s (%s), expected %s", at->name, lx_status_name(status), err.text,
                 lx_status_name(at->expected));
    int64_t newest = at->expected == LX_OK ? 5 : 4;
    assert_int_equal(lx_ledger_state(a.ledger)->version, newest);
    assert_int_equal(version, at->expected == LX_OK ? 5 : -1);
    assert_int_equal(lx_mem_bucket_count(fixture->bucket), newest + 1);
    CHECK(LX_OK, &err, lx_ledger_refresh(b.ledger, &err));
    assert_true(same_state(lx_ledger_state(a.ledger), lx_ledger_state(b.ledger)));
    writer_close(&a);
    writer_close(&b);
    fixture_teardown(&made);
}

static void test_conflicts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        run_conflict(&cases[i]);
}

/* A run that plans two batches at once: the second is held against what came before the first. */
static void test_base(void **state)
{
    struct fixture *fixture = *state;
    struct writer a, b;
    struct lx_err err = LX_ERR_INIT;
    CHECK(LX_OK, &err, writer_open(fixture, 1, &a, &err));
    make_scene(fixture, &a);
    CHECK(LX_OK, &err, writer_open(fixture, 2, &b, &err));
    struct lx_segment first = segment_of(60, SOURCE, "202601", 40, 40, 0, 10, 1);
    struct lx_segment second = segment_of(61, SOURCE, "202601", 50, 50, 0, 10, 1);
    struct lx_segment theirs = segment_of(62, SOURCE, "202601", 50, 51, 20, 30, 1);
    struct lx_change change = {.operation = "A", .add_segments = &theirs, .add_segment_count = 1};
    CHECK(LX_OK, &err, lx_ledger_commit(b.ledger, &change, NULL, &err));
    change.add_segments = &first;
    CHECK(LX_OK, &err, lx_ledger_commit(a.ledger, &change, NULL, &err));
    change.add_segments = &second;
    CHECK(LX_E_CONFLICT, &err, lx_ledger_commit(a.ledger, &change, NULL, &err));
    /* After the conflict it is planned anew; now the same is no conflict. */
    CHECK(LX_OK, &err, lx_ledger_commit(a.ledger, &change, NULL, &err));
    /* A refresh in between must not hide what came before it. */
    struct lx_segment third = segment_of(63, SOURCE, "202601", 60, 60, 0, 10, 1);
    struct lx_segment fourth = segment_of(64, SOURCE, "202601", 60, 61, 20, 30, 1);
    int64_t planned = lx_ledger_state(a.ledger)->version;
    change.add_segments = &fourth;
    CHECK(LX_OK, &err, lx_ledger_refresh(b.ledger, &err));
    CHECK(LX_OK, &err, lx_ledger_commit(b.ledger, &change, NULL, &err));
    CHECK(LX_OK, &err, lx_ledger_refresh(a.ledger, &err));
    change.add_segments = &third;
    change.has_base = true;
    change.base_version = planned;
    CHECK(LX_E_CONFLICT, &err, lx_ledger_commit(a.ledger, &change, NULL, &err));
    /* Before the ledger was opened, nothing is known. */
    change.base_version = 0;
    CHECK(LX_E_CONFLICT, &err, lx_ledger_commit(b.ledger, &change, NULL, &err));
    writer_close(&a);
    writer_close(&b);
}

/* -- the store fails --------------------------------------------------------------------------- */

/* What happens to the n-th commit PUT of client 1, and to what it reads afterwards. */
struct plan {
    enum lx_mem_fate put_fate[8];
    enum lx_status put_status;
    size_t puts;
    bool reads_fail;      /* GETs of the log, after the first PUT */
    bool land_after_get;  /* late ones land after the first GET that follows */
    bool other_after_put; /* another writer takes the version after the first PUT */
    struct fixture *fixture;
    struct writer *other;
    size_t put_count, get_count;
    enum lx_status other_status;
};

static void commit_other(struct plan *plan)
{
    struct lx_ledger_file file = file_of("events/others.parquet", 1);
    struct lx_change change = {.operation = "OTHER", .add_files = &file, .add_file_count = 1};
    plan->other_status = lx_ledger_commit(plan->other->ledger, &change, NULL, NULL);
}

static struct lx_mem_verdict follow_plan(void *context, const struct lx_mem_call *call)
{
    struct plan *plan = context;
    struct lx_mem_verdict done = {LX_MEM_DONE, LX_OK};
    if (call->client != 1)
        return done;
    if (call->op == LX_MEM_PUT) {
        if (plan->put_count >= plan->puts)
            return done;
        enum lx_mem_fate fate = plan->put_fate[plan->put_count++];
        return (struct lx_mem_verdict){fate, plan->put_status};
    }
    if (call->op != LX_MEM_GET || plan->put_count == 0)
        return done;
    if (plan->get_count++ == 0 && plan->other_after_put)
        commit_other(plan);
    if (plan->get_count == 2 && plan->land_after_get)
        lx_mem_bucket_land(plan->fixture->bucket);
    return plan->reads_fail ? (struct lx_mem_verdict){LX_MEM_REFUSED, LX_E_NETWORK} : done;
}

struct fault {
    const char *name;
    struct plan plan;
    enum lx_status expected;
    int64_t version; /* that ours became; -1: not known, or not written */
    int64_t newest;
};

#define B LX_MEM_LOST_BEFORE
#define A LX_MEM_LOST_AFTER
#define L LX_MEM_LATE
#define R LX_MEM_REFUSED
static const struct fault faults[] = {
    {"no fault", {.puts = 0}, LX_OK, 1, 1},
    {"the request was lost", {.put_fate = {B}, .puts = 1}, LX_OK, 1, 1},
    {"three requests were lost", {.put_fate = {B, B, B}, .puts = 3}, LX_OK, 1, 1},
    {"the answer was lost", {.put_fate = {A}, .puts = 1}, LX_OK, 1, 1},
    {"lost, then the answer was lost", {.put_fate = {B, A}, .puts = 2}, LX_OK, 1, 1},
    {"late, the second was faster", {.put_fate = {L}, .puts = 1}, LX_OK, 1, 1},
    {"late, it landed before the second look",
     {.put_fate = {L, B}, .puts = 2, .land_after_get = true},
     LX_OK,
     1,
     1},
    {"another took the version of a lost request",
     {.put_fate = {B}, .puts = 1, .other_after_put = true},
     LX_OK,
     2,
     2},
    {"another took the version of a late one",
     {.put_fate = {L}, .puts = 1, .other_after_put = true},
     LX_OK,
     2,
     2},
    {"all requests are lost",
     {.put_fate = {B, B, B, B, B, B, B, B}, .puts = 8},
     LX_E_UNKNOWN,
     -1,
     0},
    {"written, but the store is away",
     {.put_fate = {A, B, B, B, B, B, B, B}, .puts = 8, .reads_fail = true},
     LX_E_UNKNOWN,
     -1,
     1},
    {"no right", {.put_fate = {R}, .put_status = LX_E_ACCESS, .puts = 1}, LX_E_ACCESS, -1, 0},
    {"no space", {.put_fate = {R}, .put_status = LX_E_NOSPACE, .puts = 1}, LX_E_NOSPACE, -1, 0},
    {"lost, then no right",
     {.put_fate = {B, R, R, R, R, R, R, R}, .put_status = LX_E_ACCESS, .puts = 8},
     LX_E_UNKNOWN,
     -1,
     0},
    {"busy once", {.put_fate = {R}, .put_status = LX_E_BUSY, .puts = 1}, LX_OK, 1, 1},
    {"an error of input or output once",
     {.put_fate = {R}, .put_status = LX_E_IO, .puts = 1},
     LX_OK,
     1,
     1},
    {"memory ran out once", {.put_fate = {R}, .put_status = LX_E_MEMORY, .puts = 1}, LX_OK, 1, 1},
};
#undef A
#undef B
#undef L
#undef R

static void run_fault(const struct fault *fault, bool single_writer)
{
    struct fixture *fixture;
    struct writer a, b;
    struct lx_err err = LX_ERR_INIT;
    void *made;
    assert_int_equal(fixture_setup(&made), 0);
    fixture = made;
    struct plan plan = fault->plan;
    plan.fixture = fixture;
    plan.other = &b;
    CHECK(LX_OK, &err, writer_open_with(fixture, 1, single_writer, &a, &err));
    make_first(fixture, &a);
    CHECK(LX_OK, &err, writer_open(fixture, 2, &b, &err));
    lx_mem_bucket_hook(fixture->bucket, follow_plan, &plan);
    struct lx_ledger_file file = file_of("events/ours.parquet", 1);
    struct lx_change change = {.operation = "ARCHIVE", .add_files = &file, .add_file_count = 1};
    int64_t version = -1;
    enum lx_status status = lx_ledger_commit(a.ledger, &change, &version, &err);
    lx_mem_bucket_hook(fixture->bucket, NULL, NULL);
    if (status != fault->expected || version != fault->version)
        fail_msg("%s: %s, version %" PRId64 " (%s), expected %s, %" PRId64, fault->name,
                 lx_status_name(status), version, err.text, lx_status_name(fault->expected),
                 fault->version);
    assert_int_equal(plan.other_status, LX_OK);
    lx_mem_bucket_land(fixture->bucket); /* whatever comes too late comes to nothing */
    CHECK(LX_OK, &err, lx_ledger_refresh(a.ledger, &err));
    CHECK(LX_OK, &err, lx_ledger_refresh(b.ledger, &err));
    assert_true(same_state(lx_ledger_state(a.ledger), lx_ledger_state(b.ledger)));
    if (lx_ledger_state(a.ledger)->version != fault->newest)
        fail_msg("%s: the log ends at %" PRId64 ", expected %" PRId64, fault->name,
                 lx_ledger_state(a.ledger)->version, fault->newest);
    bool listed = lx_ledger_file(b.ledger, "events/ours.parquet") != NULL;
    assert_int_equal(listed, fault->version >= 0 || fault->newest > 0);
    writer_close(&a);
    writer_close(&b);
    fixture_teardown(&made);
}

static void test_faults(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        run_fault(&faults[i], false);
}

/* The same where the store has no condition: a look before each PUT is all there is. */
static void test_single_writer(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        bool late = faults[i].plan.put_fate[0] == LX_MEM_LATE; /* nothing guards against those */
        if (!late)
            run_fault(&faults[i], true);
    }
}

/* An unknown outcome leaves a change that may hold: the next try of the same says so. */
static void test_unknown_lands_later(void **state)
{
    struct fixture *fixture = *state;
    struct writer a;
    struct lx_err err = LX_ERR_INIT;
    struct plan plan = {.put_fate = {LX_MEM_LATE, LX_MEM_LOST_BEFORE, LX_MEM_LOST_BEFORE,
                                     LX_MEM_LOST_BEFORE, LX_MEM_LOST_BEFORE, LX_MEM_LOST_BEFORE,
                                     LX_MEM_LOST_BEFORE, LX_MEM_LOST_BEFORE},
                        .puts = 8,
                        .fixture = fixture};
    CHECK(LX_OK, &err, writer_open(fixture, 1, &a, &err));
    make_first(fixture, &a);
    lx_mem_bucket_hook(fixture->bucket, follow_plan, &plan);
    struct lx_segment segment = segment_of(1, SOURCE, "all", 1, 1, 0, 10, 1);
    struct lx_change change = {.operation = "A", .add_segments = &segment, .add_segment_count = 1};
    CHECK(LX_E_UNKNOWN, &err, lx_ledger_commit(a.ledger, &change, NULL, &err));
    assert_true(err.hint[0] != 0);
    assert_int_equal(lx_ledger_state(a.ledger)->version, 0);
    assert_int_equal(lx_mem_bucket_land(fixture->bucket), 1);
    CHECK(LX_E_CONFLICT, &err, lx_ledger_commit(a.ledger, &change, NULL, &err));
    assert_int_equal(lx_ledger_state(a.ledger)->live_count, 1);
    writer_close(&a);
}

static struct lx_mem_verdict cancel_at_put(void *context, const struct lx_mem_call *call)
{
    struct writer *writer = context;
    if (call->op != LX_MEM_PUT)
        return (struct lx_mem_verdict){LX_MEM_REFUSED, LX_E_CANCELLED};
    lx_cancel_ask(&writer->cancel);
    return (struct lx_mem_verdict){LX_MEM_LOST_AFTER, LX_OK};
}

static void test_cancel(void **state)
{
    struct fixture *fixture = *state;
    struct writer a;
    struct lx_err err = LX_ERR_INIT;
    CHECK(LX_OK, &err, writer_open(fixture, 1, &a, &err));
    struct lx_change change = first_change(fixture);
    lx_cancel_ask(&a.cancel);
    CHECK(LX_E_CANCELLED, &err, lx_ledger_commit(a.ledger, &change, NULL, &err));
    assert_int_equal(lx_mem_bucket_count(fixture->bucket), 0);
    atomic_store(&a.cancel.asked, false);
    /* Interrupted once it is on its way: not known, never "not written". */
    lx_mem_bucket_hook(fixture->bucket, cancel_at_put, &a);
    CHECK(LX_E_UNKNOWN, &err, lx_ledger_commit(a.ledger, &change, NULL, &err));
    lx_mem_bucket_hook(fixture->bucket, NULL, NULL);
    atomic_store(&a.cancel.asked, false);
    CHECK(LX_OK, &err, lx_ledger_refresh(a.ledger, &err));
    assert_int_equal(lx_ledger_state(a.ledger)->version, 0);
    writer_close(&a);
}

/* -- the log was cut off ----------------------------------------------------------------------- */

static void put_text(struct fixture *fixture, const char *key, const char *text)
{
    assert_true(lx_mem_bucket_put(fixture->bucket, key, text, strlen(text)));
}

static void test_gap(void **state)
{
    struct fixture *fixture = *state;
    struct writer a, b;
    struct lx_err err = LX_ERR_INIT;
    CHECK(LX_OK, &err, writer_open(fixture, 1, &a, &err));
    make_scene(fixture, &a);
    CHECK(LX_OK, &err, writer_open(fixture, 2, &b, &err));
    put_text(fixture, KEY(4), "{\"commitInfo\":{}}\n");
    CHECK(LX_E_FORMAT, &err, lx_ledger_refresh(a.ledger, &err));
    assert_non_null(strstr(err.text, "00000000000000000003.json"));
    assert_true(err.hint[0] != 0);
    assert_int_equal(lx_ledger_state(a.ledger)->version, 2); /* whole, as it was */
    assert_int_equal(lx_ledger_state(a.ledger)->file_count, 2);
    struct writer c;
    CHECK(LX_E_FORMAT, &err, writer_open(fixture, 3, &c, &err));
    /* A checkpoint bridges it for those who read checkpoints. */
    put_text(fixture, "_delta_log/00000000000000000003.checkpoint.parquet", "PAR1");
    CHECK(LX_E_UNSUPPORTED, &err, writer_open(fixture, 3, &c, &err));
    assert_non_null(strstr(err.text, "checkpoint of version 3"));
    writer_close(&a);
    writer_close(&b);
}

static void test_first_gap(void **state)
{
    struct fixture *fixture = *state;
    struct writer a;
    struct lx_err err = LX_ERR_INIT;
    put_text(fixture, KEY(1), "{\"commitInfo\":{}}\n");
    CHECK(LX_E_FORMAT, &err, writer_open(fixture, 1, &a, &err));
    assert_non_null(strstr(err.text, "00000000000000000000.json"));
    lx_mem_bucket_remove(fixture->bucket, KEY(1));
    put_text(fixture, "_delta_log/00000000000000000007.checkpoint.parquet", "PAR1");
    CHECK(LX_E_UNSUPPORTED, &err, writer_open(fixture, 1, &a, &err));
    lx_mem_bucket_remove(fixture->bucket, "_delta_log/00000000000000000007.checkpoint.parquet");
    /* What is no part of the log is not looked at. */
    put_text(fixture, "_delta_log/_last_checkpoint", "{");
    put_text(fixture, "_delta_log/00000000000000000009.crc", "x");
    put_text(fixture, "_delta_log/99999999999999999999.json", "x");
    put_text(fixture, "_delta_log/0000000000000000000x.json", "x");
    put_text(fixture, "_delta_log/00000000000000000001.json.tmp", "x");
    put_text(fixture, "_delta_log_not/00000000000000000001.json", "x");
    CHECK(LX_OK, &err, writer_open(fixture, 1, &a, &err));
    make_first(fixture, &a);
    writer_close(&a);
}

/* A writer that slept while others went on and cleaned the log up finds its key free, behind. */
static void test_past(void **state)
{
    struct fixture *fixture = *state;
    struct writer a, b;
    struct lx_err err = LX_ERR_INIT;
    CHECK(LX_OK, &err, writer_open(fixture, 1, &a, &err));
    make_scene(fixture, &a); /* up to version 2 */
    CHECK(LX_OK, &err, writer_open(fixture, 2, &b, &err));
    struct lx_change empty = {.operation = "X"};
    for (int i = 3; i <= 6; i++)
        CHECK(LX_OK, &err, lx_ledger_commit(b.ledger, &empty, NULL, &err));
    put_text(fixture, "_delta_log/00000000000000000005.checkpoint.parquet", "PAR1");
    const char *const old[] = {KEY(0), KEY(1), KEY(2), KEY(3), KEY(4)};
    for (size_t i = 0; i < 5; i++)
        assert_true(lx_mem_bucket_remove(fixture->bucket, old[i]));
    CHECK(LX_E_UNKNOWN, &err, lx_ledger_commit(a.ledger, &empty, NULL, &err));
    assert_non_null(strstr(err.text, "into the past"));
    assert_int_equal(lx_ledger_state(a.ledger)->version, 2);
    /* Another that lost its race learns the same before it writes. */
    CHECK(LX_E_CONFLICT, &err, lx_ledger_commit(a.ledger, &empty, NULL, &err));
    writer_close(&a);
    writer_close(&b);
}

/* Others made a checkpoint of our version at once: it is in, and counts. */
static void test_checkpoint_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct writer a;
    struct lx_err err = LX_ERR_INIT;
    CHECK(LX_OK, &err, writer_open(fixture, 1, &a, &err));
    make_scene(fixture, &a);
    put_text(fixture, "_delta_log/00000000000000000003.checkpoint.parquet", "PAR1");
    struct lx_change empty = {.operation = "X"};
    int64_t version;
    CHECK(LX_OK, &err, lx_ledger_commit(a.ledger, &empty, &version, &err));
    assert_int_equal(version, 3);
    writer_close(&a);
}

/* -- walking ----------------------------------------------------------------------------------- */

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
    lx_mem_bucket_remove(fixture->bucket, KEY(1));
    seen = (struct seen){0};
    CHECK(LX_E_NOTFOUND, &err, lx_ledger_walk(a.ledger, 0, 2, see, &seen, &err));
    writer_close(&a);
}

/* -- races ------------------------------------------------------------------------------------- */

/* Before each commit PUT of one writer, the next one commits: each loses as often as can be. */
struct race {
    struct writer writers[4];
    struct fixture *fixture;
    unsigned next_path, commits;
    int depth;
};

static void race_commit(struct race *race, size_t who)
{
    struct lx_err err = LX_ERR_INIT;
    char path[64];
    snprintf(path, sizeof path, "events/%zu-%u.parquet", who, race->next_path++);
    struct lx_ledger_file file = file_of(path, 1);
    struct lx_change change = {.operation = "RACE", .add_files = &file, .add_file_count = 1};
    CHECK(LX_OK, &err, lx_ledger_commit(race->writers[who].ledger, &change, NULL, &err));
    race->commits++;
}

static struct lx_mem_verdict race_hook(void *context, const struct lx_mem_call *call)
{
    struct race *race = context;
    if (call->op == LX_MEM_PUT && race->depth < 3 && fixture_next(race->fixture) % 4 != 0) {
        race->depth++;
        race_commit(race, (size_t)race->depth);
        race->depth--;
    }
    return (struct lx_mem_verdict){LX_MEM_DONE, LX_OK};
}

static void test_races(void **state)
{
    struct race race = {.fixture = *state};
    struct lx_err err = LX_ERR_INIT;
    CHECK(LX_OK, &err, writer_open(race.fixture, 0, &race.writers[0], &err));
    make_first(race.fixture, &race.writers[0]);
    for (int i = 1; i < 4; i++)
        CHECK(LX_OK, &err, writer_open(race.fixture, i, &race.writers[i], &err));
    lx_mem_bucket_hook(race.fixture->bucket, race_hook, &race);
    for (int i = 0; i < 40; i++)
        race_commit(&race, 0);
    lx_mem_bucket_hook(race.fixture->bucket, NULL, NULL);
    for (int i = 0; i < 4; i++) {
        CHECK(LX_OK, &err, lx_ledger_refresh(race.writers[i].ledger, &err));
        const struct lx_ledger_state *now = lx_ledger_state(race.writers[i].ledger);
        assert_int_equal(now->version, race.commits);
        assert_int_equal(now->file_count, race.commits);
    }
    assert_true(race.commits > 100);
    for (int i = 0; i < 4; i++)
        writer_close(&race.writers[i]);
}

static struct lx_mem_verdict always_faster(void *context, const struct lx_mem_call *call)
{
    struct race *race = context;
    if (call->op == LX_MEM_PUT && call->client == 0)
        race_commit(race, 1);
    return (struct lx_mem_verdict){LX_MEM_DONE, LX_OK};
}

/* One who loses every race gives up, with a word, and has written nothing. */
static void test_starved(void **state)
{
    struct race race = {.fixture = *state};
    struct lx_err err = LX_ERR_INIT;
    CHECK(LX_OK, &err, writer_open(race.fixture, 0, &race.writers[0], &err));
    make_first(race.fixture, &race.writers[0]);
    CHECK(LX_OK, &err, writer_open(race.fixture, 1, &race.writers[1], &err));
    lx_mem_bucket_hook(race.fixture->bucket, always_faster, &race);
    struct lx_change empty = {.operation = "X"};
    CHECK(LX_E_BUSY, &err, lx_ledger_commit(race.writers[0].ledger, &empty, NULL, &err));
    assert_int_equal(race.commits, LX_LEDGER_MAX_RACES);
    for (int i = 0; i < 2; i++)
        writer_close(&race.writers[i]);
}

/* -- probe ------------------------------------------------------------------------------------- */

static struct lx_mem_verdict no_deletes(void *context, const struct lx_mem_call *call)
{
    (void)context;
    return call->op == LX_MEM_REMOVE ? (struct lx_mem_verdict){LX_MEM_REFUSED, LX_E_ACCESS}
                                     : (struct lx_mem_verdict){LX_MEM_DONE, LX_OK};
}

static struct lx_mem_verdict lose_answers(void *context, const struct lx_mem_call *call)
{
    unsigned *left = context;
    if (call->op == LX_MEM_PUT && *left > 0) {
        --*left;
        return (struct lx_mem_verdict){LX_MEM_LOST_AFTER, LX_OK};
    }
    return (struct lx_mem_verdict){LX_MEM_DONE, LX_OK};
}

static void test_probe(void **state)
{
    struct fixture *fixture = *state;
    struct writer a, single;
    struct lx_err err = LX_ERR_INIT;
    CHECK(LX_OK, &err, writer_open(fixture, 1, &a, &err));
    CHECK(LX_OK, &err, lx_ledger_probe(a.ledger, &err));
    assert_int_equal(lx_mem_bucket_count(fixture->bucket), 0);
    lx_mem_bucket_ignore_condition(fixture->bucket, true);
    CHECK(LX_E_REFUSED, &err, lx_ledger_probe(a.ledger, &err));
    assert_non_null(strstr(err.hint, "single-writer"));
    assert_int_equal(lx_mem_bucket_count(fixture->bucket), 0);
    CHECK(LX_OK, &err, writer_open_with(fixture, 2, true, &single, &err));
    CHECK(LX_OK, &err, lx_ledger_probe(single.ledger, &err));
    lx_mem_bucket_ignore_condition(fixture->bucket, false);
    /* What cannot be deleted again is in nobody's way, neither probes' nor the log's. */
    lx_mem_bucket_hook(fixture->bucket, no_deletes, NULL);
    for (int i = 0; i < 3; i++)
        CHECK(LX_OK, &err, lx_ledger_probe(a.ledger, &err));
    assert_int_equal(lx_mem_bucket_count(fixture->bucket), 3);
    make_first(fixture, &a);
    unsigned left = 1;
    lx_mem_bucket_hook(fixture->bucket, lose_answers, &left);
    CHECK(LX_OK, &err, lx_ledger_probe(a.ledger, &err));
    left = 2; /* the second answer, too: nothing is proved */
    CHECK(LX_E_UNKNOWN, &err, lx_ledger_probe(a.ledger, &err));
    lx_mem_bucket_ignore_condition(fixture->bucket, true);
    left = 2;
    CHECK(LX_E_REFUSED, &err, lx_ledger_probe(a.ledger, &err));
    writer_close(&a);
    writer_close(&single);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_empty),
        TEST(test_round_trip),
        TEST(test_golden),
        TEST(test_refusals),
        TEST(test_ended),
        TEST(test_conflicts),
        TEST(test_base),
        TEST(test_faults),
        TEST(test_single_writer),
        TEST(test_unknown_lands_later),
        TEST(test_cancel),
        TEST(test_gap),
        TEST(test_first_gap),
        TEST(test_past),
        TEST(test_checkpoint_at_once),
        TEST(test_walk),
        TEST(test_races),
        TEST(test_starved),
        TEST(test_probe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
