/* Commits when others are faster: what is a conflict and what is not, and races. */
#include "ledger_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* -- conflicts ----------------------------------------------------------------------------- */

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

/* Another program takes a file out and lists it again: it may be another file by now, so what our
 * segments say of its rows does not hold, though it is listed. */
static void test_file_came_back(void **state)
{
    struct fixture *fixture = *state;
    struct writer a;
    struct lx_err err = LX_ERR_INIT;
    static const char out[] = "{\"remove\":{\"path\":\"events/free.parquet\"}}\n";
    static const char in[] = "{\"add\":{\"path\":\"events/free.parquet\",\"size\":1,"
                             "\"modificationTime\":1}}\n";
    CHECK(LX_OK, &err, writer_open(fixture, 1, &a, &err));
    make_scene(fixture, &a);
    struct lx_ledger_file file = file_of("events/free.parquet", 5);
    struct lx_change more = {.operation = "ARCHIVE", .add_files = &file, .add_file_count = 1};
    CHECK(LX_OK, &err, lx_ledger_commit(a.ledger, &more, NULL, &err));
    CHECK(LX_OK, &err, lx_ledger_refresh(a.ledger, &err));
    assert_true(lx_mem_bucket_put(fixture->bucket, LOG_KEY(4), out, sizeof out - 1));
    assert_true(lx_mem_bucket_put(fixture->bucket, LOG_KEY(5), in, sizeof in - 1));
    struct lx_change ours = {.operation = "OURS"};
    ours_add_in_file(&ours);
    CHECK(LX_E_CONFLICT, &err, lx_ledger_commit(a.ledger, &ours, NULL, &err));
    assert_non_null(lx_ledger_file(a.ledger, "events/free.parquet"));
    writer_close(&a);
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

/* -- races --------------------------------------------------------------------------------- */

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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_conflicts), TEST(test_file_came_back), TEST(test_base),
        TEST(test_races),     TEST(test_starved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
