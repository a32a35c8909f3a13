/* prove.c: a proof is made only of a stored file whose every row hashes as ClickHouse said; a
 * warrant only of live segments whose files are in the store as the ledger has them. */
#include "scene.h"

#include "archive/file_scan.h"
#include "base/alloc.h"
#include "base/civil.h"

#include <string.h>

static struct lx_err err;
static struct lx_prove_request request;
static uint64_t hashes[128];
static char key[LX_MAX_NAME], batch[LX_LEDGER_ID];
static struct lx_slice slices[2];
static struct lx_batch_plan plan;

/* The file whose rows are the first part's, and what is to be proven of it. */
static void ask_for(size_t index)
{
    const struct lx_ledger_state *state = lx_ledger_state(scene.options->ledger);
    const struct lx_ledger_file *file = &state->files[index];
    snprintf(key, sizeof key, "%s", file->path);
    memcpy(batch, file->batch, sizeof batch);
    request = (struct lx_prove_request){.key = key,
                                        .batch = batch,
                                        .size = file->size,
                                        .schema = scene.run.schema,
                                        .hashes = hashes,
                                        .plan = &plan};
    const struct lx_file_scan_options options = {
        .store = scene.options->store, .key = key, .size = file->size, .schema = scene.run.schema};
    struct lx_file_scan *scan;
    struct lx_file_rows rows;
    assert_status(lx_file_scan_open(&options, &scan, &err), LX_OK, &err);
    for (;;) {
        assert_status(lx_file_scan_next(scan, &rows, &err), LX_OK, &err);
        if (rows.rows == 0)
            break;
        assert_in_range(request.rows + rows.rows, 1, 128);
        memcpy(&hashes[request.rows], rows.hashes, (size_t)rows.rows * sizeof *hashes);
        request.rows += rows.rows;
    }
    lx_file_scan_close(scan);
    plan = (struct lx_batch_plan){.slices = slices, .slice_count = 2};
    for (size_t i = 0; i < 2; i++)
        slices[i] = (struct lx_slice){
            .part = &scene.parts.parts[i], .from = LX_TIME_FIRST, .to = LX_TIME_LAST};
}

/* One file a month: the first holds the rows of both old parts. */
static int setup(void **state)
{
    err = (struct lx_err)LX_ERR_INIT;
    scene_setup(state);
    scene_archive();
    scene_start();
    ask_for(0);
    assert_int_equal(request.rows, 5);
    return 0;
}

static struct lx_differs differs;

/* What becomes of the rows that a scan gives (the linker puts this in its place). */
static void (*scanned)(struct lx_file_rows *rows);
static enum lx_status scan_says;
enum lx_status __real_lx_file_scan_next(struct lx_file_scan *scan, struct lx_file_rows *rows,
                                        struct lx_err *e);
enum lx_status __wrap_lx_file_scan_next(struct lx_file_scan *scan, struct lx_file_rows *rows,
                                        struct lx_err *e);

enum lx_status __wrap_lx_file_scan_next(struct lx_file_scan *scan, struct lx_file_rows *rows,
                                        struct lx_err *e)
{
    LX_TRY(__real_lx_file_scan_next(scan, rows, e));
    if (scanned != NULL && rows->rows > 0)
        scanned(rows);
    return scan_says;
}

/* Tries to prove; a proof that is made is looked at. */
static enum lx_status prove(struct lx_err *e)
{
    struct lx_proof *proof = NULL;
    differs = (struct lx_differs){0};
    enum lx_status status = lx_prove_file(&scene.run, &request, &proof, &differs, e);
    assert_int_equal(status == LX_OK, proof != NULL);
    if (proof == NULL)
        return status;
    int64_t rows;
    uint64_t sum, xor, want_sum = 0, want_xor = 0;
    lx_proof_sums(proof, &rows, &sum, &xor);
    for (int64_t i = 0; i < request.rows; i++) {
        want_sum += hashes[i];
        want_xor ^= hashes[i];
    }
    assert_int_equal(rows, request.rows);
    assert_true(sum == want_sum && xor == want_xor);
    assert_string_equal(lx_proof_key(proof), key);
    lx_proof_free(proof);
    return LX_OK;
}

static uint8_t *object(size_t *size)
{
    uint8_t *bytes = lx_mem_bucket_get(scene.sim.bucket, key, size);
    assert_non_null(bytes);
    return bytes;
}

static enum lx_status read_bytes(void *self, int64_t offset, void *to, size_t size,
                                 struct lx_err *e)
{
    (void)self;
    return lx_store_read(scene.options->store, key, offset, to, size, e);
}

/* -- proofs -------------------------------------------------------------------------------- */

static void test_proof(void **state)
{
    (void)state;
    uint64_t sum = 0, want = 0;
    for (size_t i = 0; i < 2; i++) /* what the table hashes to, by the model of ClickHouse */
        for (size_t r = 0; r < scene_part(i)->count; r++)
            want += sim_part_hashes(scene_part(i), scene.run.schema)[r];
    for (int64_t i = 0; i < request.rows; i++)
        sum += hashes[i];
    assert_true(sum == want);
    assert_status(prove(&err), LX_OK, &err);
    lx_proof_free(NULL);
    lx_warrant_free(NULL);
}

/* Where a column lay that the file was closed without (`_lynex_raw`): no reader looks there. */
static void find_gap(int64_t *from, int64_t *to)
{
    struct lx_parquet_reader *reader;
    const struct lx_parquet_source source = {read_bytes, NULL, request.size};
    assert_status(lx_parquet_reader_open(&source, NULL, &reader, &err), LX_OK, &err);
    const struct lx_parquet_row_group *group = lx_parquet_reader_metadata(reader)->row_groups;
    *from = 0;
    *to = request.size;
    for (size_t i = 0; i < 3; i++) {
        const struct lx_parquet_chunk *chunk = &group->chunks[i];
        int64_t begin = chunk->dictionary_page_offset > 0 ? chunk->dictionary_page_offset
                                                          : chunk->data_page_offset;
        *from = begin + chunk->bytes > *from ? begin + chunk->bytes : *from;
        *to = chunk->column_index_offset < *to ? chunk->column_index_offset : *to;
    }
    lx_parquet_reader_close(reader);
    assert_in_range(*to - *from, 0, 64);
}

/* Every byte of the stored file counts. */
static void test_every_byte(void **state)
{
    (void)state;
    size_t size;
    int64_t from, to;
    uint8_t *bytes = object(&size);
    find_gap(&from, &to);
    for (int64_t i = 0; i < (int64_t)size; i++) {
        if (i == from)
            i = to;
        uint8_t bit = (uint8_t)(1 << i % 8);
        bytes[i] ^= bit;
        lx_err_clear(&err);
        enum lx_status status = prove(&err);
        bytes[i] ^= bit;
        if (status == LX_OK)
            print_error("byte %lld of %zu, bit %d is not seen\n", (long long)i, size, (int)(i % 8));
        assert_int_not_equal(status, LX_OK);
        assert_int_not_equal(err.text[0], 0);
    }
    assert_status(prove(&err), LX_OK, &err);
}

static void test_other_length(void **state)
{
    (void)state;
    size_t size;
    uint8_t copy[20000];
    const uint8_t *bytes = object(&size);
    assert_in_range(size, 100, sizeof copy);
    memcpy(copy, bytes, size);
    for (size_t cut = 0; cut < size; cut += cut < 32 || size - cut < 32 ? 1 : 17) {
        assert_true(lx_mem_bucket_put(scene.sim.bucket, key, copy, cut));
        assert_int_not_equal(prove(&err), LX_OK);
    }
    assert_true(lx_mem_bucket_remove(scene.sim.bucket, key));
    assert_status(prove(&err), LX_E_NOTFOUND, &err);
    assert_says(err.text, key);
    assert_says(err.text, "is gone before it could be proven");
    assert_status(prove(NULL), LX_E_NOTFOUND, &err); /* who wants no text gets none */
    assert_true(lx_mem_bucket_put(scene.sim.bucket, key, copy, size));
    scene.gets_fail = LX_E_NOTFOUND; /* it is there: the failure stays what it was */
    lx_err_clear(&err);
    assert_status(prove(&err), LX_E_NOTFOUND, &err);
    assert_null(strstr(err.text, "is gone before"));
    scene.gets_fail = LX_OK;
    request.size--;
    assert_int_not_equal(prove(&err), LX_OK);
    request.size += 2;
    assert_int_not_equal(prove(&err), LX_OK);
}

static void test_other_rows(void **state)
{
    (void)state;
    request.rows--;
    assert_status(prove(&err), LX_E_MISMATCH, &err);
    assert_says(err.text, "has rows that were not written");
    request.rows += 2;
    assert_status(prove(&err), LX_E_MISMATCH, &err);
    assert_says(err.text, "holds 5 rows, 6 were written");
    assert_false(differs.found);
    request.rows--;
    hashes[3] ^= 1;
    assert_status(prove(&err), LX_E_MISMATCH, &err);
    assert_says(err.text, "row 3: the stored row hashes to");
    assert_says(err.text, key);
    assert_true(differs.found);
    assert_int_equal(differs.row, 3);
    assert_true(differs.hash == (hashes[3] ^ 1));
    uint64_t first = hashes[0]; /* the right rows in another order are not the file */
    hashes[3] ^= 1;
    hashes[0] = hashes[1];
    hashes[1] = first;
    assert_status(prove(&err), LX_E_MISMATCH, &err);
    assert_int_equal(differs.row, 0);
}

static void test_another_file(void **state)
{
    (void)state;
    request.batch = "of somebody else";
    assert_status(prove(&err), LX_E_CONFLICT, &err);
    assert_says(err.text, "another batch's file");
    request.batch = batch;
    const struct lx_source_column columns[] = {
        {LX_STR("id"), LX_STR("UInt64"), LX_STR(""), LX_STR("")},
        {LX_STR("missing"), LX_STR("String"), LX_STR(""), LX_STR("")}};
    struct lx_row_schema *schema;
    assert_status(lx_row_schema_build(columns, 2, false, &schema, &err), LX_OK, &err);
    request.schema = schema;
    assert_status(prove(&err), LX_E_CORRUPT, &err);
    assert_says(err.text, "has no column missing");
    lx_row_schema_free(schema);
}

static void test_interrupted(void **state)
{
    (void)state;
    lx_cancel_ask(&scene.actor.cancel);
    assert_status(prove(&err), LX_E_CANCELLED, &err);
    assert_says(err.text, "interrupted while proving");
    lx_cancel_forget(&scene.actor.cancel);
    lx_cancel_ask(&scene.run.stop); /* the run failed elsewhere */
    assert_status(prove(&err), LX_E_CANCELLED, &err);
    lx_cancel_forget(&scene.run.stop);
    scene.gets_fail = LX_E_ACCESS;
    assert_status(prove(&err), LX_E_ACCESS, &err);
}

/* -- naming the column --------------------------------------------------------------------- */

/* ClickHouse has another row than the file: `change` has done it to the model's; the proof's text
 * then says `words`. */
static void explain(const char *words)
{
    lx_err_set(&err, LX_E_MISMATCH, "as it was");
    lx_prove_explain(&scene.run, &request, &differs, &err);
    assert_int_equal(err.status, LX_E_MISMATCH);
    assert_says(err.text, words);
}

/* Gives a row of a part another value, and the request its hash. */
static void change(size_t part, size_t row, uint32_t value)
{
    struct sim_part *changed = scene_part(part);
    uint64_t before = sim_part_hashes(changed, scene.run.schema)[row];
    sim_list_add(&scene.sim.world.replaced, sim_pack(&changed->rows[row]));
    changed->rows[row].value = value;
    sim_part_changed(changed);
    sim_content content = sim_pack(&changed->rows[row]);
    scene.sim.world.ever[changed->rows[row].uid].content = content;
    sim_list_add(&scene.sim.world.all_versions, content);
    for (int64_t i = 0; i < request.rows; i++)
        if (hashes[i] == before)
            hashes[i] = sim_part_hashes(changed, scene.run.schema)[row];
    assert_status(prove(&err), LX_E_MISMATCH, &err);
    assert_true(differs.found);
}

static enum lx_status broken_read(void *self, const struct lx_hot_read *read,
                                  struct lx_hot_stream **stream, struct lx_err *e)
{
    (void)self, (void)read, (void)stream;
    return lx_err_set(e, LX_E_NETWORK, "gone");
}

static enum lx_status broken_next(void *self, struct lx_hot_stream *stream,
                                  struct lx_hot_rows *rows, struct lx_err *e)
{
    (void)self, (void)stream, (void)rows;
    return lx_err_set(e, LX_E_NETWORK, "gone");
}

/* A row with NULL in place of its text. */
static enum lx_status null_next(void *self, struct lx_hot_stream *stream, struct lx_hot_rows *rows,
                                struct lx_err *e)
{
    static struct lx_column null;
    static const struct lx_column *columns[3];
    LX_TRY(sim_hot_ops.next(self, stream, rows, e));
    if (rows->rows == 0)
        return LX_OK;
    lx_column_free(&null);
    lx_column_init(&null, LX_COLUMN_BYTES, 0);
    assert_int_equal(lx_column_append_null(&null), LX_OK);
    columns[0] = rows->columns[0];
    columns[1] = rows->columns[1];
    columns[2] = &null;
    rows->columns = columns;
    return LX_OK;
}

static void test_column_is_named(void **state)
{
    (void)state;
    const struct lx_hot_ops good = scene.ops;
    change(OLD_B, 0, 77); /* in the second slice: the first has no such row */
    explain("column value");
    assert_says(err.text, "row 3"); /* which of the file */
    scene.ops.read = broken_read;
    explain("a column that could not be named");
    scene.ops = good;
    scene.ops.next = broken_next;
    explain("a column that could not be named");
    scene.ops = good;
    scene.ops.next = null_next;
    explain("column value");
    scene.ops = good;
    plan.slice_count = 1;
    explain("a column that could not be named");
    request.plan = NULL;
    explain("a column that could not be named");
}

/* The row is the same in every column: its hash alone is another. */
static enum lx_status same_read(void *self, const struct lx_hot_read *read,
                                struct lx_hot_stream **stream, struct lx_err *e)
{
    struct lx_hot_read other = *read;
    other.hash_from = 0;
    other.hash_to = UINT64_MAX;
    return sim_hot_ops.read(self, &other, stream, e);
}

static void test_nothing_to_name(void **state)
{
    (void)state;
    hashes[0] ^= 1;
    assert_status(prove(&err), LX_E_MISMATCH, &err);
    scene.ops.read = same_read;
    explain("a column that could not be named");
    hashes[0] ^= 1;
    explain("read again it is right");
    /* The file cannot be read again: the first text stays. */
    scene.gets_fail = LX_E_ACCESS;
    explain("as it was");
    scene.gets_fail = LX_OK;
    differs.row = 5; /* beyond the end */
    explain("as it was");
}

static void one_further(struct lx_file_rows *rows)
{
    rows->first++;
}

static void one_more(struct lx_file_rows *rows)
{
    rows->rows = 2;
}

/* A scan that gives other rows than those it was asked for proves and explains nothing. */
static void test_scan_out_of_place(void **state)
{
    (void)state;
    scanned = one_further;
    assert_status(prove(&err), LX_E_MISMATCH, &err);
    assert_says(err.text, "has rows that were not written");
    scanned = NULL;
    hashes[1] ^= 1;
    assert_status(prove(&err), LX_E_MISMATCH, &err);
    hashes[1] ^= 1;
    scanned = one_more;
    explain("as it was");
    scanned = NULL;
    scan_says = LX_E_IO;
    explain("as it was");
    scan_says = LX_OK;
    explain("read again it is right");
}

/* Values that are NULL in the file. */
static enum lx_status nullable_table(void *self, struct lx_hot_table **table, struct lx_err *e)
{
    LX_TRY(sim_hot_ops.table(self, table, e));
    (*table)->columns[2].type = LX_STR("Nullable(String)");
    return LX_OK;
}

/* Every text is NULL, and hashed so. */
static enum lx_status all_null_next(void *self, struct lx_hot_stream *stream,
                                    struct lx_hot_rows *rows, struct lx_err *e)
{
    static struct lx_column null;
    static const struct lx_column *columns[3];
    static uint64_t made[64];
    LX_TRY(sim_hot_ops.next(self, stream, rows, e));
    lx_column_free(&null);
    lx_column_init(&null, LX_COLUMN_BYTES, 0);
    for (int64_t i = 0; i < rows->rows; i++)
        assert_int_equal(lx_column_append_null(&null), LX_OK);
    columns[0] = rows->columns[0];
    columns[1] = rows->columns[1];
    columns[2] = &null;
    const struct lx_row_schema *schema = scene.run.schema;
    assert_in_range(rows->rows, 0, 64);
    if (rows->rows > 0 && schema != NULL)
        assert_int_equal(lx_row_schema_hash(schema, columns, rows->rows, made), LX_OK);
    rows->columns = columns;
    if (schema != NULL)
        rows->hashes = made;
    return LX_OK;
}

static void test_null_in_the_file(void **state)
{
    scene_setup(state);
    scene.ops.table = nullable_table;
    scene_start(); /* for its schema */
    scene.ops.next = all_null_next;
    scene_archive();
    ask_for(0);
    scene.ops.next = sim_hot_ops.next;
    hashes[0] ^= 1;
    assert_status(prove(&err), LX_E_MISMATCH, &err);
    scene.ops.read = same_read;
    explain("column value"); /* NULL there, a text here */
    scene.ops.next = all_null_next;
    explain("a column that could not be named"); /* NULL on both sides */
}

/* -- warrants ------------------------------------------------------------------------------ */

static struct lx_warrant *warrant;

static enum lx_status make_warrant(struct lx_err *e)
{
    const char *ids[16];
    size_t count = scene_ids(OLD_A, ids);
    warrant = NULL;
    enum lx_status status = lx_warrant_make(&scene.run, ids, count, &warrant, e);
    assert_int_equal(status == LX_OK, warrant != NULL);
    return status;
}

static void test_warrant(void **state)
{
    (void)state;
    bool holds = false;
    assert_status(make_warrant(&err), LX_OK, &err);
    assert_int_equal(lx_warrant_count(warrant), 1);
    assert_int_equal(lx_warrant_segment(warrant, 0)->rows, 3);
    assert_int_equal(scene.heads, 1);
    assert_status(lx_warrant_holds(&scene.run, warrant, &holds, &err), LX_OK, &err);
    assert_true(holds);
    lx_warrant_free(warrant);
    assert_status(make_warrant(&err), LX_OK, &err); /* looked at once a run */
    assert_int_equal(scene.heads, 1);
    lx_warrant_free(warrant);
    const char *const unknown[] = {"0123456789abcdef0123456789abcdef"};
    assert_status(lx_warrant_make(&scene.run, unknown, 1, &warrant, &err), LX_E_AGAIN, &err);
}

/* The object: as the store tells of it now. */
static struct lx_store *behind;
static int64_t more_bytes;
static const char *etag;

static enum lx_status head(void *self, const char *name, struct lx_object *object_,
                           struct lx_err *e)
{
    (void)self;
    LX_TRY(lx_store_head(behind, name, object_, e));
    object_->size += more_bytes;
    if (etag != NULL)
        snprintf(object_->etag, sizeof object_->etag, "%s", etag);
    return LX_OK;
}
static void leave_open(void *self)
{
    (void)self;
}
static const struct lx_store_driver heads = {.head = head, .close = leave_open};

static void test_object_is_another(void **state)
{
    (void)state;
    struct lx_store *wrapped;
    behind = scene.options->store;
    assert_status(lx_store_wrap(&heads, NULL, &wrapped, &err), LX_OK, &err);
    scene.options->store = wrapped;
    more_bytes = 1;
    etag = NULL;
    assert_status(make_warrant(&err), LX_E_CORRUPT, &err);
    assert_says(err.text, "is not the object that was proven");
    assert_says(err.hint, "its rows stay in ClickHouse");
    more_bytes = 0;
    etag = "another";
    assert_status(make_warrant(&err), LX_E_CORRUPT, &err);
    assert_says(err.text, "ETag another");
    etag = ""; /* a store that tells none: the size alone counts */
    assert_status(make_warrant(&err), LX_OK, &err);
    lx_warrant_free(warrant);
    scene.options->store = behind;
    lx_store_close(wrapped);
}

static void test_object_is_gone(void **state)
{
    (void)state;
    size_t size;
    uint8_t copy[20000];
    const uint8_t *bytes = object(&size);
    memcpy(copy, bytes, size);
    scene.heads_fail = LX_E_ACCESS;
    assert_status(make_warrant(&err), LX_E_ACCESS, &err);
    scene.heads_fail = LX_OK;
    assert_true(lx_mem_bucket_remove(scene.sim.bucket, key));
    assert_status(make_warrant(&err), LX_E_CORRUPT, &err);
    assert_says(err.text, "the store does not have it");
    assert_says(err.text, key);
    assert_says(err.hint, "its rows stay in ClickHouse");
    assert_true(lx_mem_bucket_put(scene.sim.bucket, key, copy, size));
    assert_status(make_warrant(&err), LX_OK, &err);
    lx_warrant_free(warrant);
}

/* A store that tells no ETags: then the size alone counts. */
static void test_no_etags(void **state)
{
    scene_setup(state);
    lx_mem_bucket_no_etags(scene.sim.bucket, true);
    scene_archive();
    lx_mem_bucket_no_etags(scene.sim.bucket, false);
    scene_start();
    assert_status(make_warrant(&err), LX_OK, &err);
    lx_warrant_free(warrant);
    scene_end();
    scene_start();
    size_t size;
    ask_for(0);
    uint8_t copy[20000] = {0};
    const uint8_t *bytes = object(&size);
    memcpy(copy, bytes, size);
    assert_true(lx_mem_bucket_put(scene.sim.bucket, key, copy, size + 1));
    assert_status(make_warrant(&err), LX_E_CORRUPT, &err);
    assert_says(err.text, "and none");
    assert_true(lx_mem_bucket_put(scene.sim.bucket, key, copy, size));
}

/* Another program took the file out of the Delta table: what it held is not archived any more. */
static void test_file_is_not_listed(void **state)
{
    (void)state;
    char name[64], text[512];
    snprintf(name, sizeof name, "_delta_log/%020lld.json",
             (long long)lx_ledger_state(scene.options->ledger)->version + 1);
    int length =
        snprintf(text, sizeof text,
                 "{\"commitInfo\":{\"operation\":\"DELETE\"}}\n{\"remove\":{\"path\":\"%s\","
                 "\"deletionTimestamp\":1,\"dataChange\":true}}\n",
                 key);
    assert_true(lx_mem_bucket_put(scene.sim.bucket, name, text, (size_t)length));
    assert_status(lx_ledger_refresh(scene.options->ledger, &err), LX_OK, &err);
    assert_status(make_warrant(&err), LX_E_REFUSED, &err);
    assert_says(err.text, "the ledger does not list");
    assert_says(err.text, key);
}

/* More files than the first room for their names. */
static void test_many_files(void **state)
{
    (void)state;
    scene_end();
    scene_insert("202602",
                 "0000000000000000000000000000000000000000000000000000000000000000000000");
    scene.options->file_rows = 1;
    scene_archive();
    scene_start();
    const char *ids[16];
    size_t count = scene_ids(2, ids);
    assert_int_equal(count, 1);
    assert_int_equal(scene.heads, 0);
    assert_status(lx_warrant_make(&scene.run, ids, count, &warrant, &err), LX_OK, &err);
    assert_int_equal(lx_warrant_segment(warrant, 0)->rows, 70);
    assert_int_equal(scene.heads, 70);
    lx_warrant_free(warrant);
}

/* -- memory -------------------------------------------------------------------------------- */

static void make_archived(void)
{
    scene_archive();
    scene_start();
    ask_for(0);
}

static const char *wanted[16];

static void make_wanted(void)
{
    make_archived();
    assert_int_equal(scene_ids(OLD_A, wanted), 1);
}

static enum lx_status warrant_and_free(struct lx_err *e)
{
    bool holds = false;
    warrant = NULL;
    enum lx_status status = lx_warrant_make(&scene.run, wanted, 1, &warrant, e);
    if (status == LX_OK)
        status = lx_warrant_holds(&scene.run, warrant, &holds, e);
    assert_true(status != LX_OK || holds);
    lx_warrant_free(warrant);
    return status;
}

static void make_different(void)
{
    make_archived();
    change(OLD_A, 1, 77);
}

/* Best effort: without memory the first text stays, and it is never "out of memory". */
static enum lx_status explain_anyhow(struct lx_err *e)
{
    lx_err_set(e, LX_E_MISMATCH, "as it was");
    lx_prove_explain(&scene.run, &request, &differs, e);
    bool whole = strstr(e->text, "column value") != NULL;
    assert_int_equal(e->status, LX_E_MISMATCH);
    assert_true(whole || strcmp(e->text, "as it was") == 0 ||
                strstr(e->text, "could not be named") != NULL ||
                strstr(e->text, "the stored row (") != NULL);
    return whole ? LX_OK : LX_E_MEMORY;
}

static void test_memory(void **state)
{
    (void)state;
    assert_in_range(scene_memory(make_archived, prove), 20, 2000);
    assert_in_range(scene_memory(make_wanted, warrant_and_free), 5, 500);
    assert_in_range(scene_memory(make_different, explain_anyhow), 20, 2000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, scene_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_proof),
        TEST(test_every_byte),
        TEST(test_other_length),
        TEST(test_other_rows),
        TEST(test_another_file),
        TEST(test_interrupted),
        TEST(test_column_is_named),
        TEST(test_nothing_to_name),
        TEST(test_scan_out_of_place),
        cmocka_unit_test_teardown(test_null_in_the_file, scene_abandon),
        TEST(test_warrant),
        TEST(test_object_is_another),
        TEST(test_object_is_gone),
        cmocka_unit_test_teardown(test_no_etags, scene_teardown),
        cmocka_unit_test_setup_teardown(test_file_is_not_listed, setup, scene_abandon),
        TEST(test_many_files),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
