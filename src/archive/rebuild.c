#include "archive/rebuild.h"

#include "archive/rebuild_log.h"
#include "archive/sorted_runs.h"
#include "base/alloc.h"
#include "base/mutant.h"

#include <stdlib.h>

#define MAX_SHARERS 64 /* files that hold one row, told apart; beyond it all count as sharing */

const char *lx_rebuild_verdict_text(enum lx_rebuild_verdict verdict)
{
    static const char *const texts[] = {"proven", "empty", "left out", "bad", "shared rows"};
    return texts[verdict];
}

void lx_rebuild_report_free(struct lx_rebuild_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        lx_file_account_free(&report->files[i].account);
        lx_free(report->files[i].path);
        lx_free(report->files[i].note);
    }
    lx_free(report->files);
    *report = (struct lx_rebuild_report){0};
}

/* -- is there a log? ----------------------------------------------------------------------- */

static enum lx_status visit_log(void *context, const char *key, const struct lx_object *object,
                                struct lx_err *err)
{
    char *found = context; /* LX_MAX_NAME bytes */
    (void)object;
    (void)err;
    if (found[0] == 0 && strstr(key, "_lynex_probe_") == NULL)
        snprintf(found, LX_MAX_NAME, "%s", key);
    return LX_OK;
}

enum lx_status lx_rebuild_may(struct lx_store *store, struct lx_err *err)
{
    char found[LX_MAX_NAME] = "";
    LX_TRY(lx_store_list(store, "_delta_log/", NULL, visit_log, found, err));
    if (found[0] == 0)
        return LX_OK;
    lx_err_set(err, LX_E_REFUSED, "there is a log at this root, or part of one: %s", found);
    lx_err_hint(err,
                "nothing was read or written. lynex ledger check says what is wrong with it. A "
                "log is made anew only where none is: to give this one up, move _delta_log/ to "
                "another place (keep it) and run lynex ledger rebuild again");
    return LX_E_REFUSED;
}

/* -- files without a log -------------------------------------------------------------------- */

static enum lx_status stop_at_first(void *context, const char *key, const struct lx_object *object,
                                    struct lx_err *err)
{
    char *path = context; /* LX_MAX_NAME bytes */
    if (object->size == 0 || !lx_str_ends(lx_str_of(key), LX_STR(".parquet")))
        return LX_OK;
    snprintf(path, LX_MAX_NAME, "%s", key);
    return lx_err_set(err, LX_E_CANCELLED, "found");
}

enum lx_status lx_rebuild_any_file(struct lx_store *store, const char *prefix,
                                   char path[LX_MAX_NAME], struct lx_err *err)
{
    char folder[LX_MAX_NAME];
    path[0] = 0;
    snprintf(folder, sizeof folder, "%s/", prefix);
    enum lx_status status = lx_store_list(store, folder, NULL, stop_at_first, path, err);
    if (status != LX_E_CANCELLED || path[0] == 0)
        return status;
    lx_err_clear(err);
    return LX_OK;
}

/* -- which files --------------------------------------------------------------------------- */

struct rebuilding {
    const struct lx_rebuild_options *o;
    struct lx_rebuild_report *report;
    struct lx_sorted_runs *rows; /* of the month that is read: key: hash, id: file */
    size_t filling;
    const char *source; /* of the first proven file; all others must be of its table */
    bool fits;          /* as far as the first file tells, one version can list them all */
};

static bool is_left_out(const struct lx_rebuild_options *o, const char *path)
{
    for (size_t i = 0; i < o->leave_count; i++)
        if (strcmp(o->leave[i], path) == 0)
            return true;
    return false;
}

static enum lx_status visit_file(void *context, const char *key, const struct lx_object *object,
                                 struct lx_err *err)
{
    struct rebuilding *r = context;
    struct lx_rebuild_report *report = r->report;
    if (!lx_str_ends(lx_str_of(key), LX_STR(".parquet")))
        return LX_OK;
    if (report->count >= LX_REBUILD_MAX_FILES)
        return lx_err_set(err, LX_E_LIMIT, "more than %d files", LX_REBUILD_MAX_FILES);
    if (report->count == report->cap) {
        size_t cap = report->cap != 0 ? report->cap * 2 : 64;
        struct lx_rebuild_file *grown = lx_realloc(report->files, cap * sizeof *grown);
        if (grown == NULL)
            return lx_err_memory(err);
        report->files = grown;
        report->cap = cap;
    }
    struct lx_rebuild_file file = {.path = lx_strdup(key), .object = *object};
    if (file.path == NULL)
        return lx_err_memory(err);
    report->files[report->count++] = file;
    return LX_OK;
}

/* A path that was to be left out and is not there is a slip of the pen. */
static enum lx_status check_left_out(const struct rebuilding *r, struct lx_err *err)
{
    for (size_t i = 0; i < r->o->leave_count; i++) {
        bool found = false;
        for (size_t f = 0; f < r->report->count; f++)
            found = found || strcmp(r->report->files[f].path, r->o->leave[i]) == 0;
        if (!found)
            return lx_err_set(err, LX_E_ARGUMENT, "--leave %s: there is no such file",
                              r->o->leave[i]);
    }
    return LX_OK;
}

/* -- proving each -------------------------------------------------------------------------- */

static enum lx_status add_row(void *context, uint64_t hash, struct lx_err *err)
{
    struct rebuilding *r = context;
    const struct lx_record record = {.key = hash, .id = r->filling};
    return lx_sorted_runs_add(r->rows, &record, err);
}

static enum lx_status set_bad(struct lx_rebuild_file *file, struct lx_err *err)
{
    file->verdict = LX_REBUILD_BAD;
    file->note = lx_strdup(err->text);
    lx_err_clear(err);
    return file->note != NULL ? LX_OK : lx_err_memory(err);
}

static enum lx_status check_table(const struct lx_rebuild_options *o, const char *source,
                                  struct lx_err *err)
{
    struct lx_buf wanted = LX_BUF(LX_MAX_NAME * 4);
    enum lx_status status = lx_source_make(&wanted, LX_STR("0"), lx_str_of(o->database),
                                           lx_str_of(o->table), LX_STR("any"));
    bool same = status == LX_OK && lx_source_same_table(lx_buf_cstr(&wanted), source);
    lx_buf_free(&wanted);
    if (status == LX_E_MEMORY)
        return lx_err_memory(err);
    return same ? LX_OK
                : lx_err_set(err, LX_E_MISMATCH,
                             "it is of the table %s, not of %s.%s (ARCHIVE_TABLE)", source,
                             o->database, o->table);
}

static enum lx_status prove(struct rebuilding *r, struct lx_rebuild_file *file, struct lx_err *err)
{
    const struct lx_rebuild_options *o = r->o;
    const struct lx_account_reading how = {o->store, o->pool, (size_t)o->memory_bytes / 2,
                                           o->cancel};
    struct lx_object after;
    LX_TRY(lx_store_head(o->store, file->path, &file->object, err));
    LX_TRY(lx_file_account_read(o->store, file->path, file->object.size, &file->account, err));
    struct lx_file_account *account = &file->account;
    LX_TRY(check_table(o, account->source, err));
    if (r->source == NULL)
        r->source = account->source;
    if (!lx_source_same_table(r->source, account->source))
        return lx_err_set(err, LX_E_MISMATCH, "it is of the table %s, others of %s",
                          account->source, r->source);
    const char *time = account->time_column != NULL ? account->time_column : o->time_column;
    LX_TRY(lx_file_account_prove(&how, account, time, add_row, r, err));
    LX_TRY(lx_store_head(o->store, file->path, &after, err));
    if (strcmp(after.etag, file->object.etag) != 0 || after.size != file->object.size)
        return lx_err_set(err, LX_E_MISMATCH, "%s was written anew while it was read", file->path);
    return LX_OK;
}

#define ENTRY_REST 800 /* of a file and its segment in the log, beside path, stats and tags */

/* All of it must go into one version: half a log would be taken for a whole one. Whether it can is
 * said at the first file, not after all were read. */
static enum lx_status check_fits(struct rebuilding *r, const struct lx_rebuild_file *file,
                                 struct lx_err *err)
{
    char *stats = NULL, *tags = NULL;
    size_t most = lx_mutant("rebuild-small-version") ? 4 * LX_KIB : LX_LEDGER_MAX_COMMIT_BYTES;
    if (r->fits)
        return LX_OK;
    LX_TRY(lx_file_account_stats(r->o->store, &file->account, &stats, &tags, err));
    /* Stats are text within text: each quotation mark takes two bytes. */
    size_t entry = ENTRY_REST + 3 * strlen(file->path) +
                   (stats != NULL ? strlen(stats) * 4 / 3 : 0) + (tags != NULL ? strlen(tags) : 0);
    lx_free(stats);
    lx_free(tags);
    r->fits = true;
    if (r->report->count <= most / entry)
        return LX_OK;
    lx_err_set(err, LX_E_LIMIT,
               "%zu files: one version of the log holds about %zu of them, and a log is made anew "
               "as one version",
               r->report->count, most / entry);
    lx_err_hint(err, "nothing was written. Make two archives of it: move the folders of some years "
                     "to another root (ARCHIVE_URL, S3_ARCHIVE_ROOT), and run lynex ledger rebuild "
                     "at each; the next runs go on with one of them");
    return LX_E_LIMIT;
}

static enum lx_status look_at(struct rebuilding *r, size_t index, struct lx_err *err)
{
    struct lx_rebuild_file *file = &r->report->files[index];
    enum lx_status status = LX_OK;
    r->filling = index;
    if (is_left_out(r->o, file->path))
        file->verdict = LX_REBUILD_LEFT;
    else if (file->object.size == 0)
        file->verdict = LX_REBUILD_EMPTY;
    else
        status = prove(r, file, err);
    if (status != LX_OK && lx_file_account_is_bad(status))
        status = set_bad(file, err);
    if (status == LX_OK && file->verdict == LX_REBUILD_PROVEN)
        status = check_fits(r, file, err);
    if (status == LX_OK && r->o->tell != NULL)
        r->o->tell(r->o->context, file);
    return status;
}

/* -- rows that stand twice ----------------------------------------------------------------- */

static bool claims_touch(const struct lx_file_account *a, const struct lx_file_account *b)
{
    for (size_t i = 0; i < a->claim_count; i++) {
        const struct lx_claim *x = &a->claims[i];
        for (size_t j = 0; j < b->claim_count; j++) {
            const struct lx_claim *y = &b->claims[j];
            if (x->partition == NULL || y->partition == NULL ||
                (strcmp(x->partition, y->partition) == 0 && x->min_block <= y->max_block &&
                 y->min_block <= x->max_block))
                return true;
        }
    }
    return false;
}

/* May equal rows of these two be one row of ClickHouse's? Not within one batch, and not where they
 * came from blocks of the same table that have nothing to do with each other: then it had two. */
static bool may_be_one(const struct lx_file_account *a, const struct lx_file_account *b)
{
    if (strcmp(a->batch, b->batch) == 0)
        return false;
    return strcmp(a->source, b->source) != 0 || claims_touch(a, b);
}

/* A file that holds a row, as often as `rows` says. */
struct sharer {
    size_t file;
    int64_t rows;
};

static void note_shared(struct lx_rebuild_report *report, const struct sharer *sharers,
                        size_t count, bool many)
{
    for (size_t i = 0; i < count; i++) {
        struct lx_rebuild_file *file = &report->files[sharers[i].file];
        for (size_t j = 0; j < count; j++) {
            if (i == j ||
                (!many && !may_be_one(&file->account, &report->files[sharers[j].file].account)))
                continue;
            file->shared_rows += sharers[i].rows;
            file->partner = sharers[j].file;
            break;
        }
    }
}

/* Walks the month's rows in the order of their hashes. */
static enum lx_status find_shared(struct rebuilding *r, struct lx_err *err)
{
    struct lx_rebuild_report *report = r->report;
    struct sharer sharers[MAX_SHARERS];
    struct lx_record record;
    size_t count = 0;
    uint64_t hash = 0;
    bool more = true, many = false;
    LX_TRY(lx_sorted_runs_rewind(r->rows, err));
    for (;;) {
        LX_TRY(lx_sorted_runs_next(r->rows, &record, &more, err));
        if (!more || record.key != hash) {
            note_shared(report, sharers, count, many);
            count = 0;
            many = false;
            hash = record.key;
        }
        if (!more)
            return LX_OK;
        if (report->files[record.id].verdict != LX_REBUILD_PROVEN)
            continue;
        if (count > 0 && sharers[count - 1].file == record.id) /* sorted by file too */
            sharers[count - 1].rows++;
        else if (count < MAX_SHARERS)
            sharers[count++] = (struct sharer){record.id, 1};
        else
            many = true;
    }
}

/* The folder: a month. */
static struct lx_str folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return (struct lx_str){path, slash != NULL ? (size_t)(slash - path) : 0};
}

/* Files [first, last) of one month. */
static enum lx_status read_month(struct rebuilding *r, size_t first, size_t last,
                                 struct lx_err *err)
{
    LX_TRY(lx_sorted_runs_create((size_t)r->o->memory_bytes / 4, r->o->temp_dir, r->o->cancel,
                                 &r->rows, err));
    enum lx_status status = LX_OK;
    for (size_t i = first; status == LX_OK && i < last; i++)
        status = look_at(r, i, err);
    if (status == LX_OK)
        status = find_shared(r, err);
    for (size_t i = first; i < last; i++)
        if (r->report->files[i].verdict == LX_REBUILD_PROVEN && r->report->files[i].shared_rows > 0)
            r->report->files[i].verdict = LX_REBUILD_SHARED;
    lx_sorted_runs_free(r->rows);
    r->rows = NULL;
    return status;
}

static int compare_u64(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

/* By batch and what the rows are. */
static int by_content(const void *a, const void *b)
{
    const struct lx_file_account *x = &(*(struct lx_rebuild_file *const *)a)->account;
    const struct lx_file_account *y = &(*(struct lx_rebuild_file *const *)b)->account;
    int order = strcmp(x->batch, y->batch);
    if (order == 0)
        order = compare_u64(x->sum, y->sum);
    if (order == 0)
        order = compare_u64(x->xor, y->xor);
    return order != 0 ? order : compare_u64((uint64_t)x->rows, (uint64_t)y->rows);
}

static void note_copy(struct lx_rebuild_report *report, struct lx_rebuild_file *file,
                      const struct lx_rebuild_file *of)
{
    file->verdict = LX_REBUILD_SHARED;
    file->shared_rows = file->account.rows;
    file->partner = (size_t)(of - report->files);
}

/* A batch writes no rows twice: files of one that hold the same are copies that somebody made, in
 * whatever folder. */
static enum lx_status find_copies(struct rebuilding *r, struct lx_err *err)
{
    struct lx_rebuild_report *report = r->report;
    struct lx_rebuild_file **order = lx_calloc(report->count + 1, sizeof(struct lx_rebuild_file *));
    size_t count = 0;
    if (order == NULL)
        return lx_err_memory(err);
    for (size_t i = 0; i < report->count; i++) {
        enum lx_rebuild_verdict verdict = report->files[i].verdict;
        bool proven = verdict == LX_REBUILD_PROVEN || verdict == LX_REBUILD_SHARED;
        if (proven && report->files[i].account.rows > 0)
            order[count++] = &report->files[i];
    }
    qsort(order, count, sizeof(struct lx_rebuild_file *), by_content);
    for (size_t i = 1; i < count; i++) {
        if (by_content(&order[i - 1], &order[i]) != 0)
            continue;
        note_copy(report, order[i - 1], order[i]);
        note_copy(report, order[i], order[i - 1]);
    }
    lx_free(order);
    return LX_OK;
}

static enum lx_status read_all(struct rebuilding *r, struct lx_err *err)
{
    size_t count = r->report->count;
    for (size_t first = 0, last; first < count; first = last) {
        struct lx_str folder = folder_of(r->report->files[first].path);
        for (last = first + 1; last < count; last++)
            if (!lx_str_equal(folder, folder_of(r->report->files[last].path)))
                break;
        LX_TRY(read_month(r, first, last, err));
    }
    return find_copies(r, err);
}

/* -- the whole ----------------------------------------------------------------------------- */

static void count_all(struct lx_rebuild_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct lx_rebuild_file *file = &report->files[i];
        report->bad += file->verdict == LX_REBUILD_BAD;
        report->shared += file->verdict == LX_REBUILD_SHARED;
        report->left += file->verdict == LX_REBUILD_LEFT;
        report->empty += file->verdict == LX_REBUILD_EMPTY;
        if (!lx_rebuild_lists(file))
            continue;
        report->listed++;
        report->rows += file->account.rows;
        report->bytes += file->object.size;
    }
}

static enum lx_status judge(const struct lx_rebuild_options *o,
                            const struct lx_rebuild_report *report, struct lx_err *err)
{
    if (report->bad > 0) {
        lx_err_set(err, LX_E_REFUSED, "%lld files are no good", (long long)report->bad);
        lx_err_hint(err, "nothing was written. Put them back from a version or a backup of the "
                         "bucket; what is lost for good, or not lynex's, is left out by --leave "
                         "FILE, and its rows with it");
        return LX_E_REFUSED;
    }
    if (report->shared > 0 && !o->keep_all) {
        lx_err_set(err, LX_E_REFUSED, "%lld files hold rows that stand in other files too",
                   (long long)report->shared);
        lx_err_hint(err,
                    "nothing was written. Where one of two is what an abandoned batch left (all "
                    "of its rows stand in others), leave it out by --leave FILE; where the rows "
                    "were in the table several times, --keep-all");
        return LX_E_REFUSED;
    }
    if (report->listed == 0)
        return lx_err_set(err, LX_E_REFUSED, "there is no file to be listed");
    return LX_OK;
}

static enum lx_status run(struct rebuilding *r, struct lx_err *err)
{
    const struct lx_rebuild_options *o = r->o;
    char folder[LX_MAX_NAME];
    LX_TRY(lx_rebuild_may(o->store, err));
    snprintf(folder, sizeof folder, "%s/", o->prefix);
    LX_TRY(lx_store_list(o->store, folder, NULL, visit_file, r, err));
    LX_TRY(check_left_out(r, err));
    LX_TRY(read_all(r, err));
    count_all(r->report);
    LX_TRY(judge(o, r->report, err));
    if (!o->write)
        return LX_OK;
    LX_TRY(lx_rebuild_write(o, r->report, err));
    r->report->written = true;
    return LX_OK;
}

enum lx_status lx_rebuild(const struct lx_rebuild_options *options,
                          struct lx_rebuild_report *report, struct lx_err *err)
{
    struct rebuilding r = {.o = options, .report = report};
    *report = (struct lx_rebuild_report){0};
    return run(&r, err);
}
