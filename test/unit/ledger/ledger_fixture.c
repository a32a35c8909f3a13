#include "ledger_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static int64_t clock_now(void *self)
{
    struct fixture *fixture = self;
    return fixture->now_ms;
}

static void clock_sleep(void *self, int64_t ms)
{
    struct fixture *fixture = self;
    fixture->now_ms += ms;
}

struct lx_clock fixture_clock(struct fixture *fixture)
{
    return (struct lx_clock){clock_now, clock_now, clock_sleep, fixture};
}

/* splitmix64 */
uint64_t fixture_next(struct fixture *fixture)
{
    uint64_t z = (fixture->seed += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void random_fill(void *self, void *bytes, size_t size)
{
    unsigned char *to = bytes;
    for (size_t i = 0; i < size; i++)
        to[i] = (unsigned char)fixture_next(self);
}

struct lx_random fixture_random(struct fixture *fixture)
{
    return (struct lx_random){random_fill, fixture};
}

int fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (fixture == NULL)
        return -1;
    fixture->bucket = lx_mem_bucket_create();
    fixture->now_ms = INT64_C(1795564800000);
    fixture->seed = 1;
    fixture->schema = json_pack("{s:[{s:s,s:s}]}", "columns", "name", "x", "type", "Int64");
    fixture->table = json_pack("{s:s,s:s}", "database", "prod", "table", "events");
    fixture->entry = (struct lx_ledger_schema_entry){SCHEMA, fixture->schema};
    *state = fixture;
    return fixture->bucket != NULL ? 0 : -1;
}

int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    lx_mem_bucket_destroy(fixture->bucket);
    json_decref(fixture->schema);
    json_decref(fixture->table);
    free(fixture);
    return 0;
}

enum lx_status writer_open_with(struct fixture *fixture, int number, bool single_writer,
                                struct writer *writer, struct lx_err *err)
{
    *writer = (struct writer){.fixture = fixture};
    LX_TRY(lx_mem_store_open(fixture->bucket, number, &writer->store, err));
    struct lx_ledger_options options = {.store = writer->store,
                                        .clock = fixture_clock(fixture),
                                        .random = fixture_random(fixture),
                                        .cancel = &writer->cancel,
                                        .single_writer = single_writer};
    enum lx_status status = lx_ledger_open(&options, &writer->ledger, err);
    if (status != LX_OK) {
        lx_store_close(writer->store);
        writer->store = NULL;
    }
    return status;
}

enum lx_status writer_open(struct fixture *fixture, int number, struct writer *writer,
                           struct lx_err *err)
{
    return writer_open_with(fixture, number, false, writer, err);
}

void writer_close(struct writer *writer)
{
    lx_ledger_close(writer->ledger);
    lx_store_close(writer->store);
    *writer = (struct writer){0};
}

const char *id_of(unsigned number)
{
    static char texts[64][LX_LEDGER_ID];
    static unsigned next;
    char *text = texts[next++ % 64];
    snprintf(text, LX_LEDGER_ID, "%032x", number);
    return text;
}

struct lx_segment segment_of(unsigned id, const char *source, const char *partition, int64_t min,
                             int64_t max, int64_t from, int64_t to, int64_t rows)
{
    struct lx_segment segment = {.min_block = min,
                                 .max_block = max,
                                 .from = from,
                                 .to = to,
                                 .rows = rows,
                                 .sum = UINT64_MAX - id,
                                 .xor = (uint64_t)id << 40};
    snprintf(segment.id, sizeof segment.id, "%032x", id);
    snprintf(segment.schema, sizeof segment.schema, "%s", SCHEMA);
    segment.source = (char *)(uintptr_t)source;
    segment.partition = (char *)(uintptr_t)partition;
    segment.host = (char *)(uintptr_t) "node-1";
    return segment;
}

struct lx_ledger_file file_of(const char *path, int64_t rows)
{
    struct lx_ledger_file file = {.size = rows * 100,
                                  .rows = rows,
                                  .modified_ms = INT64_C(1795564799000),
                                  .sum = UINT64_MAX,
                                  .xor = (uint64_t)rows};
    file.path = (char *)(uintptr_t)path;
    file.stats = (char *)(uintptr_t) "{\"numRecords\":5}";
    file.etag = (char *)(uintptr_t) "abc-1";
    file.tags = (char *)(uintptr_t) "{\"lynex.bloom\":\"[4096]\"}";
    snprintf(file.batch, sizeof file.batch, "%032x", 0xb);
    snprintf(file.schema, sizeof file.schema, "%s", SCHEMA);
    return file;
}

struct lx_change first_change(struct fixture *fixture)
{
    return (struct lx_change){.operation = "CREATE",
                              .new_schema_string = DELTA_SCHEMA,
                              .new_table = fixture->table,
                              .schemas = &fixture->entry,
                              .schema_count = 1};
}

void make_first(struct fixture *fixture, struct writer *writer)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_change change = first_change(fixture);
    int64_t version;
    CHECK(LX_OK, &err, lx_ledger_commit(writer->ledger, &change, &version, &err));
    assert_int_equal(version, 0);
}

void make_scene(struct fixture *fixture, struct writer *writer)
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

void check_status(enum lx_status status, enum lx_status expected, const struct lx_err *err,
                  const char *what, int line)
{
    if (status == expected)
        return;
    print_error("line %d: %s\n  is %s, expected %s\n  text: %s\n  hint: %s\n", line, what,
                lx_status_name(status), lx_status_name(expected), err->text, err->hint);
    fail();
}

/* -- comparing states ---------------------------------------------------------------------- */

static bool same_text(const char *what, const char *a, const char *b)
{
    bool same = (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
    if (!same)
        print_error("%s: \"%s\" and \"%s\"\n", what, a != NULL ? a : "NULL",
                    b != NULL ? b : "NULL");
    return same;
}

static bool same_number(const char *what, int64_t a, int64_t b)
{
    if (a != b)
        print_error("%s: %" PRId64 " and %" PRId64 "\n", what, a, b);
    return a == b;
}

static bool same_file(const struct lx_ledger_file *a, const struct lx_ledger_file *b)
{
    return same_text("path", a->path, b->path) && same_number("size", a->size, b->size) &&
           same_number("rows", a->rows, b->rows) &&
           same_number("modified", a->modified_ms, b->modified_ms) &&
           same_text("stats", a->stats, b->stats) && same_text("batch", a->batch, b->batch) &&
           same_number("sum", (int64_t)a->sum, (int64_t)b->sum) &&
           same_number("xor", (int64_t)a->xor, (int64_t)b->xor) &&
           same_text("schema", a->schema, b->schema) && same_text("etag", a->etag, b->etag) &&
           same_text("tags", a->tags, b->tags) && same_number("added", a->version, b->version);
}

static bool same_segment(const struct lx_segment *a, const struct lx_segment *b)
{
    bool same = same_text("id", a->id, b->id) && same_text("source", a->source, b->source) &&
                same_text("partition", a->partition, b->partition) &&
                same_number("min", a->min_block, b->min_block) &&
                same_number("max", a->max_block, b->max_block) &&
                same_number("from", a->from, b->from) && same_number("to", a->to, b->to) &&
                same_number("rows", a->rows, b->rows) &&
                same_number("sum", (int64_t)a->sum, (int64_t)b->sum) &&
                same_number("xor", (int64_t)a->xor, (int64_t)b->xor) &&
                same_text("schema", a->schema, b->schema) && same_text("host", a->host, b->host) &&
                same_number("ended", a->ended_at, b->ended_at) &&
                same_number("where", (int64_t)a->where_count, (int64_t)b->where_count);
    for (size_t i = 0; same && i < a->where_count; i++)
        same = same_text("where path", a->where[i].path, b->where[i].path) &&
               same_number("first", a->where[i].first_row, b->where[i].first_row) &&
               same_number("where rows", a->where[i].rows, b->where[i].rows) &&
               same_number("hashes", a->where[i].hashes, b->where[i].hashes);
    return same;
}

bool same_state(const struct lx_ledger_state *a, const struct lx_ledger_state *b)
{
    bool same = same_number("version", a->version, b->version) &&
                same_text("table id", a->table_id, b->table_id) &&
                same_text("schema string", a->schema_string, b->schema_string) &&
                same_number("files", (int64_t)a->file_count, (int64_t)b->file_count) &&
                same_number("live", (int64_t)a->live_count, (int64_t)b->live_count) &&
                same_number("ended", (int64_t)a->ended_count, (int64_t)b->ended_count);
    if (same && !json_equal(a->table, b->table) && (a->table != NULL || b->table != NULL)) {
        print_error("tables differ\n");
        same = false;
    }
    for (size_t i = 0; same && i < a->file_count; i++)
        same = same_file(&a->files[i], &b->files[i]);
    for (size_t i = 0; same && i < a->live_count; i++)
        same = same_segment(&a->live[i], &b->live[i]);
    for (size_t i = 0; same && i < a->ended_count; i++)
        same = same_segment(&a->ended[i], &b->ended[i]);
    return same;
}
