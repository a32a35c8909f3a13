/* Proof: a stored file is read back, decoded, and each row's hash compared with the one that
 * ClickHouse computed. Proofs and warrants are made here and nowhere else; what deletes takes
 * nothing else. */
#include "archive/run.h"

#include "archive/file_scan.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "base/mutant.h"

#include <stdatomic.h>
#include <stdio.h>

struct lx_proof {
    char *key;
    int64_t rows;
    uint64_t sum, xor;
};

void lx_proof_free(struct lx_proof *proof)
{
    if (proof != NULL)
        lx_free(proof->key);
    lx_free(proof);
}

const char *lx_proof_key(const struct lx_proof *proof)
{
    return proof->key;
}

void lx_proof_sums(const struct lx_proof *proof, int64_t *rows, uint64_t *sum, uint64_t * xor)
{
    *rows = proof->rows;
    *sum = proof->sum;
    *xor = proof->xor ;
}

/* -- where it differs ---------------------------------------------------------------------- */

static bool same_value(const struct lx_column *a, int64_t i, const struct lx_column *b, int64_t j)
{
    if (lx_column_is_null(a, i) || lx_column_is_null(b, j))
        return lx_column_is_null(a, i) == lx_column_is_null(b, j);
    return lx_str_equal(lx_column_value(a, i), lx_column_value(b, j));
}

/* Asks ClickHouse for the row of this hash again and names the first column that the file has
 * otherwise. */
static void name_column(const struct lx_run *run, const struct lx_prove_request *request,
                        const struct lx_file_rows *found, int64_t row, char *name, size_t size)
{
    const struct lx_hot *hot = &run->o->hot;
    uint64_t hash = request->hashes[found->first + row];
    snprintf(name, size, "a column that could not be named");
    for (size_t s = 0; request->plan != NULL && s < request->plan->slice_count; s++) {
        const struct lx_slice *slice = &request->plan->slices[s];
        const char *part = slice->part->name;
        const struct lx_hot_read read = {.parts = &part,
                                         .part_count = 1,
                                         .schema = request->schema,
                                         .from = slice->from,
                                         .to = slice->to,
                                         .hash_from = hash,
                                         .hash_to = hash};
        struct lx_hot_stream *stream = NULL;
        struct lx_hot_rows rows = {0};
        if (hot->ops->read(hot->self, &read, &stream, NULL) != LX_OK)
            return;
        bool done = hot->ops->next(hot->self, stream, &rows, NULL) != LX_OK || rows.rows > 0;
        for (size_t i = 0; rows.rows > 0 && i < request->schema->field_count; i++) {
            if (!same_value(rows.columns[i], 0, found->columns[i], row)) {
                snprintf(name, size, "column %s", request->schema->fields[i].name);
                break;
            }
        }
        hot->ops->end(hot->self, stream);
        if (done)
            return;
    }
}

static struct lx_file_scan_options scan_options(const struct lx_run *run,
                                                const struct lx_prove_request *request)
{
    return (struct lx_file_scan_options){
        .store = run->o->store,
        .key = request->key,
        .size = request->size,
        .schema = request->schema,
        .batch = request->batch,
        .pool = run->o->pool,
        .memory_bytes = (size_t)run->o->memory_bytes / LX_SCAN_SHARE,
    };
}

void lx_prove_explain(const struct lx_run *run, const struct lx_prove_request *request,
                      const struct lx_differs *differs, struct lx_err *err)
{
    struct lx_file_scan_options options = scan_options(run, request);
    struct lx_file_scan *scan = NULL;
    struct lx_file_rows found = {0};
    options.first = differs->row;
    options.last = differs->row + 1;
    if (lx_file_scan_open(&options, &scan, NULL) == LX_OK &&
        lx_file_scan_next(scan, &found, NULL) == LX_OK && found.rows == 1) {
        struct lx_buf key = LX_BUF(2048);
        char column[LX_MAX_NAME + 16] = "read again it is right";
        if (found.hashes[0] != request->hashes[differs->row])
            name_column(run, request, &found, 0, column, sizeof column);
        lx_row_text(run, request->schema, found.columns, 0, &key);
        lx_err_set(err, LX_E_MISMATCH,
                   "the proof failed: %s, row %lld, %s: the stored row (%s) hashes to %016llx, "
                   "ClickHouse's row to %016llx",
                   request->key, (long long)differs->row, column, lx_buf_cstr(&key),
                   (unsigned long long)differs->hash,
                   (unsigned long long)request->hashes[differs->row]);
        lx_buf_free(&key);
    }
    lx_file_scan_close(scan);
}

static enum lx_status differ(const struct lx_prove_request *request, struct lx_differs *differs,
                             int64_t row, uint64_t hash, struct lx_err *err)
{
    *differs = (struct lx_differs){.found = true, .row = row, .hash = hash};
    return lx_err_set(err, LX_E_MISMATCH,
                      "the proof failed: %s, row %lld: the stored row hashes to %016llx, "
                      "ClickHouse's row to %016llx",
                      request->key, (long long)row, (unsigned long long)hash,
                      (unsigned long long)request->hashes[row]);
}

/* -- the proof ----------------------------------------------------------------------------- */

/* Of the row groups of a file, those that are read one behind the other. */
struct share {
    int64_t from, to; /* rows, of the file */
    int64_t rows;
    uint64_t sum, xor;
    char footer[16]; /* its checksum, as this share read it */
    struct lx_differs differs;
    enum lx_status status;
    struct lx_err err;
};

struct comparison {
    const struct lx_run *run;
    const struct lx_prove_request *request;
    size_t count;
    struct share shares[LX_PROOF_MAX_SHARES];
    atomic_bool failed; /* one of them: the others need not go on */
};

static enum lx_status compare(struct comparison *comparison, struct lx_file_scan *scan,
                              struct share *share, struct lx_err *err)
{
    const struct lx_prove_request *request = comparison->request;
    struct lx_file_rows found = {0};
    share->from = share->to = lx_file_scan_first(scan);
    snprintf(share->footer, sizeof share->footer, "%.*s", LX_STR_ARG(lx_file_scan_footer(scan)));
    for (;;) {
        LX_TRY(lx_file_scan_next(scan, &found, err));
        if (found.rows == 0)
            return LX_OK;
        if (lx_run_stopping(comparison->run) || atomic_load(&comparison->failed))
            return lx_err_set(err, LX_E_CANCELLED, "interrupted while proving %s", request->key);
        if (found.first != share->to || found.rows > request->rows - share->to)
            return lx_err_set(err, LX_E_MISMATCH,
                              "the proof failed: %s has rows that were not "
                              "written",
                              request->key);
        uint64_t sum = 0, xor = 0;
        for (int64_t i = 0; i < found.rows; i++) {
            int64_t row = share->to + i;
            if (found.hashes[i] != request->hashes[row] && !lx_mutant("prove-from-memory"))
                return differ(request, &share->differs, row, found.hashes[i], err);
            sum += found.hashes[i];
            xor ^= found.hashes[i];
        }
        share->sum += sum;
        share->xor ^= xor;
        share->rows += found.rows;
        share->to += found.rows;
    }
}

static enum lx_status prove_share(void *context, size_t index, struct lx_err *err)
{
    struct comparison *comparison = context;
    struct share *share = &comparison->shares[index];
    struct lx_file_scan_options options = scan_options(comparison->run, comparison->request);
    struct lx_file_scan *scan = NULL;
    (void)err; /* each keeps its own */
    if (comparison->count > 1) {
        options.share = index;
        options.shares = comparison->count;
        options.pool = NULL; /* whose step this is */
    }
    share->status = lx_file_scan_open(&options, &scan, &share->err);
    if (share->status == LX_OK)
        share->status = compare(comparison, scan, share, &share->err);
    lx_file_scan_close(scan);
    if (share->status != LX_OK)
        atomic_store(&comparison->failed, true);
    return share->status;
}

/* That the file is another writer's says more than what its rows are; damage more than a store that
 * does not answer, and that more than being interrupted, maybe for another share's sake. */
static int gravity(enum lx_status status)
{
    switch (status) {
    case LX_OK: return 0;
    case LX_E_CANCELLED: return 1;
    case LX_E_CONFLICT: return 4;
    case LX_E_UNSUPPORTED: /* as a damaged byte may have it */
    case LX_E_BUG: return 3;
    default: return lx_status_class(status) == LX_CLASS_corrupt ? 3 : 2;
    }
}

static const struct share *worst_of(const struct comparison *comparison)
{
    const struct share *worst = &comparison->shares[0];
    for (size_t i = 1; i < comparison->count; i++)
        if (gravity(comparison->shares[i].status) > gravity(worst->status))
            worst = &comparison->shares[i];
    return worst;
}

/* All shares read the same file, follow upon each other and are the file that was written. */
static enum lx_status add_up(const struct comparison *comparison, struct lx_proof *proof,
                             struct lx_err *err)
{
    const struct lx_prove_request *request = comparison->request;
    int64_t to = 0;
    for (size_t i = 0; i < comparison->count; i++) {
        const struct share *share = &comparison->shares[i];
        if (share->from != to)
            return lx_err_set(err, LX_E_MISMATCH,
                              "the proof failed: of %s, rows from %lld on were not read once",
                              request->key, (long long)(share->from < to ? share->from : to));
        if (strcmp(share->footer, comparison->shares[0].footer) != 0)
            return lx_err_set(err, LX_E_MISMATCH,
                              "the proof failed: %s was another file when it was read again",
                              request->key);
        to = share->to;
        proof->rows += share->rows;
        proof->sum += share->sum;
        proof->xor ^= share->xor ;
    }
    if (proof->rows != request->rows)
        return lx_err_set(err, LX_E_MISMATCH,
                          "the proof failed: %s holds %lld rows, %lld were "
                          "written",
                          request->key, (long long)proof->rows, (long long)request->rows);
    return LX_OK;
}

static enum lx_status read_back(const struct lx_run *run, const struct lx_prove_request *request,
                                size_t count, struct lx_proof *proof, struct lx_differs *differs,
                                struct lx_err *err)
{
    struct comparison comparison = {.run = run, .request = request, .count = count};
    enum lx_status status = count > 1
                                ? lx_pool_for(run->o->pool, count, prove_share, &comparison, NULL)
                                : prove_share(&comparison, 0, NULL);
    if (status == LX_OK)
        return add_up(&comparison, proof, err);
    const struct share *worst = worst_of(&comparison);
    *differs = worst->differs;
    if (err != NULL)
        *err = worst->err;
    return worst->status;
}

/* Side by side each may take but its part of the memory: what that is too little for is read in
 * one. */
static enum lx_status read_in_shares(const struct lx_run *run,
                                     const struct lx_prove_request *request, struct lx_proof *proof,
                                     struct lx_differs *differs, struct lx_err *err)
{
    size_t count = request->shares < LX_PROOF_MAX_SHARES ? request->shares : LX_PROOF_MAX_SHARES;
    if (count > 1) {
        enum lx_status status = read_back(run, request, count, proof, differs, err);
        if (status != LX_E_LIMIT)
            return status;
        lx_err_clear(err);
    }
    return read_back(run, request, 1, proof, differs, err);
}

/* For tests: what was written will be what is there. */
static enum lx_status believe(const struct lx_prove_request *request, struct lx_proof *proof)
{
    proof->rows = request->rows;
    proof->sum = proof->xor = 0;
    for (int64_t i = 0; i < request->rows; i++) {
        proof->sum += request->hashes[i];
        proof->xor ^= request->hashes[i];
    }
    return LX_OK;
}

/* Was it taken away meanwhile? Then that is what there is to say. */
static enum lx_status explain_gone(const struct lx_run *run, const struct lx_prove_request *request,
                                   struct lx_err *err)
{
    struct lx_object object;
    if (lx_store_head(run->o->store, request->key, &object, NULL) != LX_E_NOTFOUND)
        return LX_E_NOTFOUND;
    lx_err_context(err, "%s was stored and is gone before it could be proven", request->key);
    if (err != NULL)
        err->hint[0] = 0; /* the store's is about names */
    lx_err_hint(err, "no row of it was deleted: they stay in ClickHouse, and the next run archives "
                     "them again. Somebody removed the file while the run went on: lynex vacuum "
                     "with a --min-age that is shorter than a run, a lifecycle rule of the bucket, "
                     "or another hand");
    return LX_E_NOTFOUND;
}

enum lx_status lx_prove_file(const struct lx_run *run, const struct lx_prove_request *request,
                             struct lx_proof **out, struct lx_differs *differs, struct lx_err *err)
{
    struct lx_proof *proof = lx_calloc(1, sizeof *proof);
    if (proof == NULL || (proof->key = lx_strdup(request->key)) == NULL) {
        lx_proof_free(proof);
        return lx_err_memory(err);
    }
    enum lx_status status = read_in_shares(run, request, proof, differs, err);
    if (status == LX_E_NOTFOUND)
        status = explain_gone(run, request, err);
    if (status != LX_E_CONFLICT && lx_mutant("skip-proof"))
        status = believe(request, proof);
    if (status != LX_OK) {
        lx_proof_free(proof);
        return status;
    }
    *out = proof;
    return LX_OK;
}

/* -- warrants ------------------------------------------------------------------------------ */

struct lx_warrant {
    struct lx_segment *segments;
    size_t count;
};

void lx_warrant_free(struct lx_warrant *warrant)
{
    if (warrant == NULL)
        return;
    for (size_t i = 0; i < warrant->count; i++)
        lx_segment_free(&warrant->segments[i]);
    lx_free(warrant->segments);
    lx_free(warrant);
}

size_t lx_warrant_count(const struct lx_warrant *warrant)
{
    return warrant->count;
}

const struct lx_segment *lx_warrant_segment(const struct lx_warrant *warrant, size_t index)
{
    return &warrant->segments[index];
}

static bool was_checked(const struct lx_run *run, const char *path)
{
    for (size_t i = 0; i < run->checked_count; i++)
        if (strcmp(run->checked_files[i], path) == 0)
            return true;
    return false;
}

static enum lx_status remember(struct lx_run *run, const char *path, struct lx_err *err)
{
    if (run->checked_count == run->checked_cap) {
        size_t cap = run->checked_cap != 0 ? run->checked_cap * 2 : 64;
        char **grown = lx_realloc(run->checked_files, cap * sizeof *grown);
        if (grown == NULL)
            return lx_err_memory(err);
        run->checked_files = grown;
        run->checked_cap = cap;
    }
    char *copy = lx_strdup(path);
    if (copy == NULL)
        return lx_err_memory(err);
    run->checked_files[run->checked_count++] = copy;
    return LX_OK;
}

/* Is the object still the one that the ledger lists? */
static enum lx_status check_file(struct lx_run *run, const char *path, struct lx_err *err)
{
    const struct lx_ledger_file *file = lx_ledger_file(run->o->ledger, path);
    struct lx_object object;
    if (file == NULL)
        return lx_err_set(err, LX_E_REFUSED, "the ledger does not list %s any more", path);
    if (was_checked(run, path))
        return LX_OK;
    struct lx_buf key = LX_BUF(LX_MAX_NAME);
    enum lx_status status = lx_ledger_path_key(path, &key, err);
    if (status == LX_OK)
        status = lx_store_head(run->o->store, lx_buf_cstr(&key), &object, err);
    lx_buf_free(&key);
    if (status == LX_E_NOTFOUND) {
        lx_err_set(err, LX_E_CORRUPT, "the ledger lists %s, the store does not have it", path);
        lx_err_hint(err, "its rows stay in ClickHouse; find out who removed the object, and put it "
                         "back from a version or a backup. Where it is lost for good: move "
                         "_delta_log away and run lynex ledger rebuild --write, then the next run "
                         "archives its rows again");
        return LX_E_CORRUPT;
    }
    LX_TRY(status);
    if (object.size != file->size ||
        (file->etag != NULL && object.etag[0] != 0 && strcmp(object.etag, file->etag) != 0)) {
        lx_err_set(err, LX_E_CORRUPT,
                   "%s is not the object that was proven: size %lld and ETag %s, "
                   "the ledger has %lld and %s",
                   path, (long long)object.size, object.etag, (long long)file->size,
                   file->etag != NULL ? file->etag : "none");
        lx_err_hint(err,
                    "its rows stay in ClickHouse; find out who wrote the object, then run "
                    "lynex verify. Where that proves it (the archive was moved, the object put "
                    "back from a copy): move _delta_log away and run lynex ledger rebuild "
                    "--write, which lists the objects as they are now");
        return LX_E_CORRUPT;
    }
    return remember(run, path, err);
}

enum lx_status lx_warrant_make(struct lx_run *run, const char *const *ids, size_t count,
                               struct lx_warrant **out, struct lx_err *err)
{
    struct lx_warrant *warrant = lx_calloc(1, sizeof *warrant);
    if (warrant == NULL ||
        (warrant->segments = lx_calloc(count, sizeof(struct lx_segment))) == NULL) {
        lx_free(warrant);
        return lx_err_memory(err);
    }
    enum lx_status status = LX_OK;
    for (size_t i = 0; status == LX_OK && i < count; i++) {
        const struct lx_segment *live = lx_ledger_live(run->o->ledger, ids[i]);
        if (live == NULL) {
            status = lx_err_set(err, LX_E_AGAIN, "a segment is live no more");
            break;
        }
        /* The files first, by their names in the copy: a HEAD may take a while. */
        status = lx_segment_copy(live, &warrant->segments[i]);
        if (status != LX_OK)
            lx_err_memory(err);
        else
            warrant->count++;
        for (size_t w = 0; status == LX_OK && w < warrant->segments[i].where_count; w++)
            if (!warrant->segments[i].where[w].hashes)
                status = check_file(run, warrant->segments[i].where[w].path, err);
    }
    if (status != LX_OK) {
        lx_warrant_free(warrant);
        return status;
    }
    *out = warrant;
    return LX_OK;
}

enum lx_status lx_warrant_holds(struct lx_run *run, const struct lx_warrant *warrant, bool *holds,
                                struct lx_err *err)
{
    *holds = true;
    if (lx_mutant("no-warrant-look"))
        return LX_OK;
    LX_TRY(lx_ledger_refresh(run->o->ledger, err));
    for (size_t i = 0; i < warrant->count; i++)
        if (lx_ledger_live(run->o->ledger, warrant->segments[i].id) == NULL)
            *holds = false;
    return LX_OK;
}
