#include "archive/segment_hashes.h"

#include "archive/file_scan.h"
#include "archive/sorted_runs.h"
#include "base/alloc.h"
#include "base/mutant.h"

#define PIECE_HASHES 131072 /* of a side object at a time */
#define WANTED_SHARE 32     /* each of a `wanted`'s three takes one part in so many of the memory */
#define LEAST_BIT_BYTES 65536
#define MOST_BIT_BYTES (64 * LX_MIB) /* two bytes a row are enough, where there is memory */

struct reading {
    struct lx_run *run;
    const struct lx_segment *segment;
    const struct lx_row_schema *schema, *compare;
    lx_hash_visit visit;
    void *context;
    int64_t rows;
    uint64_t sum, xor;
};

static enum lx_status take(struct reading *r, uint64_t full, uint64_t key, struct lx_err *err)
{
    r->rows++;
    r->sum += full;
    r->xor ^= full;
    return r->visit(r->context, full, key, err);
}

/* -- side objects -------------------------------------------------------------------------- */

typedef enum lx_status (*take_hash)(void *context, uint64_t hash, struct lx_err *err);

static enum lx_status read_side(struct lx_run *run, const struct lx_where *where, take_hash to,
                                void *context, struct lx_err *err)
{
    uint64_t *hashes = lx_malloc(PIECE_HASHES * sizeof *hashes);
    enum lx_status status = hashes != NULL ? LX_OK : lx_err_memory(err);
    for (int64_t done = 0; status == LX_OK && done < where->rows;) {
        int64_t now = where->rows - done < PIECE_HASHES ? where->rows - done : PIECE_HASHES;
        status = lx_store_read(run->o->store, where->path, (where->first_row + done) * 8, hashes,
                               (size_t)now * 8, err);
        for (int64_t i = 0; status == LX_OK && i < now; i++)
            status = to(context, hashes[i], err);
        done += now;
    }
    lx_free(hashes);
    return status;
}

static enum lx_status take_side(void *context, uint64_t hash, struct lx_err *err)
{
    return take(context, hash, hash, err);
}

/* -- files --------------------------------------------------------------------------------- */

/* Positions of the columns of `part` within `whole`, by name. */
static enum lx_status map_fields(const struct lx_row_schema *whole,
                                 const struct lx_row_schema *part, size_t *at, struct lx_err *err)
{
    for (size_t i = 0; i < part->field_count; i++) {
        at[i] = 0;
        while (at[i] < whole->field_count &&
               strcmp(whole->fields[at[i]].name, part->fields[i].name) != 0)
            at[i]++;
        if (at[i] == whole->field_count)
            return lx_err_set(err, LX_E_BUG, "the column %s is not among those that were archived",
                              part->fields[i].name);
    }
    return LX_OK;
}

/* Hashes of the same rows over the columns of `compare` alone. */
static enum lx_status compare_hashes(const struct reading *r, const struct lx_file_rows *rows,
                                     const size_t *at, const struct lx_column **columns,
                                     uint64_t *keys)
{
    for (size_t i = 0; i < r->compare->field_count; i++)
        columns[i] = rows->columns[at[i]];
    return lx_row_schema_hash(r->compare, columns, rows->rows, keys);
}

/* -- rows that are told by their hashes ---------------------------------------------------- */

/* The segment's hashes stand in side objects, but its rows are needed: they are those rows of its
 * files that have these hashes. Both are sorted, within fixed memory whatever the segment's size;
 * rows of the files whose hash is none of those are told by a bit, most of them. */
struct wanted {
    struct lx_sorted_runs *hashes; /* key: of a row of the segment */
    struct lx_sorted_runs *rows;   /* of the files. key: the hash, id: the hash by `compare` */
    uint8_t *bits;                 /* a set one: there may be such a hash */
    uint64_t bit_mask;
};

static enum lx_status open_wanted(const struct lx_run *run, int64_t rows, struct wanted *wanted,
                                  struct lx_err *err)
{
    const struct lx_archive_options *o = run->o;
    size_t memory = (size_t)o->memory_bytes / WANTED_SHARE, bytes = LEAST_BIT_BYTES;
    while (bytes * 2 <= memory && bytes * 2 <= MOST_BIT_BYTES && (int64_t)bytes / 2 < rows)
        bytes *= 2;
    wanted->bits = lx_calloc(bytes, 1);
    wanted->bit_mask = bytes * 8 - 1;
    if (wanted->bits == NULL)
        return lx_err_memory(err);
    LX_TRY(lx_sorted_runs_create(memory, o->temp_dir, o->cancel, &wanted->hashes, err));
    return lx_sorted_runs_create(memory, o->temp_dir, o->cancel, &wanted->rows, err);
}

static void free_wanted(struct wanted *wanted)
{
    lx_sorted_runs_free(wanted->hashes);
    lx_sorted_runs_free(wanted->rows);
    lx_free(wanted->bits);
}

static enum lx_status want(void *context, uint64_t hash, struct lx_err *err)
{
    struct wanted *wanted = context;
    const struct lx_record record = {.key = hash};
    uint64_t bit = hash & wanted->bit_mask;
    wanted->bits[bit / 8] |= (uint8_t)(1u << bit % 8);
    return lx_sorted_runs_add(wanted->hashes, &record, err);
}

static enum lx_status add_row(struct wanted *wanted, uint64_t hash, uint64_t key,
                              struct lx_err *err)
{
    const struct lx_record record = {.key = hash, .id = key};
    uint64_t bit = hash & wanted->bit_mask;
    if ((wanted->bits[bit / 8] >> bit % 8 & 1) == 0)
        return LX_OK;
    return lx_sorted_runs_add(wanted->rows, &record, err);
}

/* As many rows of a hash as are wanted. Those that are not found are missed by the segment's sums.
 */
static enum lx_status take_wanted(struct reading *r, struct wanted *wanted, struct lx_err *err)
{
    struct lx_record hash, row;
    bool more_hashes, more_rows;
    LX_TRY(lx_sorted_runs_rewind(wanted->hashes, err));
    LX_TRY(lx_sorted_runs_rewind(wanted->rows, err));
    LX_TRY(lx_sorted_runs_next(wanted->hashes, &hash, &more_hashes, err));
    LX_TRY(lx_sorted_runs_next(wanted->rows, &row, &more_rows, err));
    while (more_hashes && more_rows) {
        bool same = hash.key == row.key;
        if (same)
            LX_TRY(take(r, row.key, row.id, err));
        bool next_row = same || row.key < hash.key, next_hash = same || !next_row;
        if (next_hash)
            LX_TRY(lx_sorted_runs_next(wanted->hashes, &hash, &more_hashes, err));
        if (next_row)
            LX_TRY(lx_sorted_runs_next(wanted->rows, &row, &more_rows, err));
    }
    return LX_OK;
}

/* -- rows in files of an older schema ------------------------------------------------------- */

/* Reconcile makes segments of the table's schema of its time over files of older ones: rows are
 * the same where a column that was added since holds its default, or has another name. To be found
 * by their hashes they are put together anew. */
struct dressing {
    const struct lx_row_schema *from, *to;
    size_t *at;                    /* of each field of `to`: the column of `from`; SIZE_MAX: none */
    struct lx_column *defaults;    /* of each field of `to` that has none */
    const struct lx_column **made; /* of the last rows, one a field of `to` */
    const struct lx_column **taken; /* the same for the columns that are compared */
    uint64_t *hashes;
    size_t cap;
};

static void free_dressing(struct dressing *d)
{
    for (size_t i = 0; d->defaults != NULL && i < d->to->field_count; i++)
        lx_column_free(&d->defaults[i]);
    lx_free(d->at);
    lx_free(d->defaults);
    lx_free(d->made);
    lx_free(d->taken);
    lx_free(d->hashes);
}

static bool same_type(const struct lx_field *a, const struct lx_field *b)
{
    return strcmp(a->type.text, b->type.text) == 0;
}

static size_t field_of(const struct lx_row_schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->field_count; i++)
        if (strcmp(schema->fields[i].name, name) == 0)
            return i;
    return SIZE_MAX;
}

static bool is_taken(const struct dressing *d, size_t column)
{
    for (size_t i = 0; i < d->to->field_count; i++)
        if (d->at[i] == column)
            return true;
    return false;
}

/* `renamed`: what is lost and what is gained of the same type is the same column. */
static enum lx_status open_dressing(struct dressing *d, bool renamed, bool *other,
                                    struct lx_err *err)
{
    size_t count = d->to->field_count;
    d->at = lx_calloc(count, sizeof *d->at);
    d->defaults = lx_calloc(count, sizeof *d->defaults);
    d->made = lx_calloc(count, sizeof *d->made);
    d->taken = lx_calloc(count, sizeof *d->taken);
    if (d->at == NULL || d->defaults == NULL || d->made == NULL || d->taken == NULL)
        return lx_err_memory(err);
    *other = false;
    for (size_t i = 0; i < count; i++) {
        size_t found = field_of(d->from, d->to->fields[i].name);
        d->at[i] = found != SIZE_MAX && same_type(&d->to->fields[i], &d->from->fields[found])
                       ? found
                       : SIZE_MAX;
    }
    for (size_t i = 0; renamed && i < count; i++)
        for (size_t j = 0; d->at[i] == SIZE_MAX && j < d->from->field_count; j++)
            if (!is_taken(d, j) && same_type(&d->to->fields[i], &d->from->fields[j]) &&
                field_of(d->to, d->from->fields[j].name) == SIZE_MAX) {
                d->at[i] = j;
                *other = true;
            }
    return LX_OK;
}

/* NULL, zero or the empty text, as ClickHouse fills a column that is added without a default. */
static enum lx_status fill_default(struct lx_column *column, const struct lx_ch_type *type,
                                   int64_t rows)
{
    static const uint8_t zero[LX_COLUMN_MAX_WIDTH];
    if (column->rows == 0)
        lx_column_init(column, type->width != 0 ? LX_COLUMN_FIXED : LX_COLUMN_BYTES, type->width);
    lx_column_clear(column);
    while (column->rows < rows)
        LX_TRY(type->nullable ? lx_column_append_null(column)
                              : lx_column_append(column, zero, type->width));
    return LX_OK;
}

static enum lx_status dress(struct dressing *d, const struct lx_file_rows *rows, struct lx_err *err)
{
    if ((size_t)rows->rows > d->cap) {
        uint64_t *grown = lx_realloc(d->hashes, (size_t)rows->rows * sizeof *grown);
        if (grown == NULL)
            return lx_err_memory(err);
        d->hashes = grown;
        d->cap = (size_t)rows->rows;
    }
    for (size_t i = 0; i < d->to->field_count; i++) {
        d->made[i] = d->at[i] != SIZE_MAX ? rows->columns[d->at[i]] : &d->defaults[i];
        if (d->at[i] == SIZE_MAX && d->defaults[i].rows != rows->rows &&
            fill_default(&d->defaults[i], &d->to->fields[i].sent, rows->rows) != LX_OK)
            return lx_err_memory(err);
    }
    return lx_row_schema_hash_rows(d->to, d->made, rows->rows, d->hashes, err);
}

static enum lx_status look(const struct reading *r, struct lx_err *err)
{
    if (!lx_run_stopping(r->run))
        return LX_OK;
    return lx_err_set(err, LX_E_CANCELLED, "interrupted while archived rows were read");
}

/* Rows [first, last) of a file; `wanted`: those that count are found later, or NULL: all count. */
static enum lx_status read_rows(struct reading *r, const struct lx_ledger_file *file, int64_t first,
                                int64_t last, struct wanted *wanted, struct lx_err *err)
{
    const struct lx_file_scan_options options = {
        .store = r->run->o->store,
        .key = file->path,
        .size = file->size,
        .schema = r->schema,
        .pool = r->run->o->pool,
        .memory_bytes = (size_t)r->run->o->memory_bytes / LX_SCAN_SHARE,
        .first = first,
        .last = last,
    };
    struct lx_file_scan *scan = NULL;
    struct lx_file_rows rows = {0};
    size_t fields = r->compare != NULL ? r->compare->field_count : 0;
    size_t *at = lx_calloc(fields + 1, sizeof *at);
    const struct lx_column **columns = lx_calloc(fields + 1, sizeof *columns);
    uint64_t *keys = NULL;
    int64_t cap = 0;
    enum lx_status status = at != NULL && columns != NULL ? LX_OK : lx_err_memory(err);
    if (status == LX_OK && r->compare != NULL)
        status = map_fields(r->schema, r->compare, at, err);
    if (status == LX_OK)
        status = lx_file_scan_open(&options, &scan, err);
    while (status == LX_OK) {
        status = lx_file_scan_next(scan, &rows, err);
        if (status != LX_OK || rows.rows == 0)
            break;
        if (rows.rows > cap && r->compare != NULL) {
            uint64_t *grown = lx_realloc(keys, (size_t)rows.rows * sizeof *keys);
            status = grown != NULL ? LX_OK : lx_err_memory(err);
            keys = grown != NULL ? grown : keys;
            cap = grown != NULL ? rows.rows : cap;
        }
        if (status == LX_OK && r->compare != NULL)
            status = compare_hashes(r, &rows, at, columns, keys);
        if (status == LX_OK)
            status = look(r, err);
        for (int64_t i = 0; status == LX_OK && i < rows.rows; i++) {
            uint64_t hash = rows.hashes[i], key = r->compare != NULL ? keys[i] : hash;
            status = wanted != NULL ? add_row(wanted, hash, key, err) : take(r, hash, key, err);
        }
    }
    lx_file_scan_close(scan);
    lx_free(at);
    lx_free(columns);
    lx_free(keys);
    return status;
}

static enum lx_status listed(struct reading *r, const char *path,
                             const struct lx_ledger_file **file, struct lx_err *err)
{
    *file = lx_ledger_file(r->run->o->ledger, path);
    if (*file != NULL)
        return LX_OK;
    /* The log went on since the segment was taken from it. */
    if (lx_ledger_live(r->run->o->ledger, r->segment->id) == NULL)
        return lx_err_set(err, LX_E_AGAIN, "%s left the archive meanwhile", path);
    return lx_err_set(err, LX_E_CORRUPT, "a segment names %s, which the ledger does not list",
                      path);
}

/* The rows of such a file that are wanted, by their hashes as the segment has them. */
static enum lx_status read_dressed(struct reading *r, const struct lx_ledger_file *file,
                                   struct dressing *d, struct wanted *wanted, struct lx_err *err)
{
    const struct lx_file_scan_options options = {
        .store = r->run->o->store,
        .key = file->path,
        .size = file->size,
        .schema = d->from,
        .pool = r->run->o->pool,
        .memory_bytes = (size_t)r->run->o->memory_bytes / LX_SCAN_SHARE,
    };
    struct lx_file_scan *scan = NULL;
    struct lx_file_rows rows = {0};
    uint64_t *keys = NULL;
    enum lx_status status = lx_file_scan_open(&options, &scan, err);
    while (status == LX_OK) {
        status = lx_file_scan_next(scan, &rows, err);
        if (status != LX_OK || rows.rows == 0)
            break;
        lx_free(keys);
        keys = lx_malloc((size_t)rows.rows * sizeof *keys);
        status = keys != NULL ? dress(d, &rows, err) : lx_err_memory(err);
        for (size_t i = 0; status == LX_OK && i < r->compare->field_count; i++)
            d->taken[i] = d->made[field_of(d->to, r->compare->fields[i].name)];
        if (status == LX_OK)
            status = lx_row_schema_hash_rows(r->compare, d->taken, rows.rows, keys, err);
        if (status == LX_OK)
            status = look(r, err);
        for (int64_t i = 0; status == LX_OK && i < rows.rows; i++)
            status = add_row(wanted, d->hashes[i], keys[i], err);
    }
    lx_free(keys);
    lx_file_scan_close(scan);
    return status;
}

static bool knows_all(const struct lx_row_schema *whole, const struct lx_row_schema *part)
{
    for (size_t i = 0; i < part->field_count; i++)
        if (field_of(whole, part->fields[i].name) == SIZE_MAX)
            return false;
    return true;
}

static enum lx_status read_older(struct reading *r, const struct lx_ledger_file *file,
                                 struct wanted *wanted, struct lx_err *err)
{
    bool other = true;
    enum lx_status status = LX_OK;
    if (!knows_all(r->schema, r->compare))
        return lx_err_set(err, LX_E_BUG, "columns are compared that were not archived");
    /* First as if columns were renamed, then as if they were dropped and added. */
    for (int renamed = 1; status == LX_OK && renamed >= 0 && (renamed || other); renamed--) {
        struct dressing d = {.to = r->schema};
        status = lx_run_schema(r->run, file->schema, &d.from, err);
        if (status == LX_OK)
            status = open_dressing(&d, renamed != 0, &other, err);
        if (status == LX_OK)
            status = read_dressed(r, file, &d, wanted, err);
        free_dressing(&d);
    }
    return status;
}

static enum lx_status read_by_hash(struct reading *r, struct lx_err *err)
{
    const struct lx_segment *segment = r->segment;
    struct wanted wanted = {0};
    int64_t told = 0;
    enum lx_status status = open_wanted(r->run, segment->rows, &wanted, err);
    for (size_t i = 0; status == LX_OK && i < segment->where_count; i++) {
        if (!segment->where[i].hashes)
            continue;
        told += segment->where[i].rows;
        status = told <= segment->rows
                     ? read_side(r->run, &segment->where[i], want, &wanted, err)
                     : lx_err_set(err, LX_E_CORRUPT, "a segment's side objects hold too many rows");
    }
    for (size_t i = 0; status == LX_OK && i < segment->where_count; i++) {
        const struct lx_ledger_file *file;
        if (segment->where[i].hashes)
            continue;
        status = listed(r, segment->where[i].path, &file, err);
        if (status == LX_OK)
            status = strcmp(file->schema, segment->schema) == 0
                         ? read_rows(r, file, 0, 0, &wanted, err)
                         : read_older(r, file, &wanted, err);
    }
    if (status == LX_OK)
        status = take_wanted(r, &wanted, err);
    free_wanted(&wanted);
    return status;
}

static bool has_side(const struct lx_segment *segment)
{
    for (size_t i = 0; i < segment->where_count; i++)
        if (segment->where[i].hashes)
            return true;
    return false;
}

static enum lx_status read_where(struct reading *r, struct lx_err *err)
{
    for (size_t i = 0; i < r->segment->where_count; i++) {
        const struct lx_where *where = &r->segment->where[i];
        const struct lx_ledger_file *file;
        if (where->rows == 0)
            continue; /* only says that the file holds rows of it */
        if (where->hashes) {
            LX_TRY(read_side(r->run, where, take_side, r, err));
            continue;
        }
        LX_TRY(listed(r, where->path, &file, err));
        LX_TRY(read_rows(r, file, where->first_row, where->first_row + where->rows, NULL, err));
    }
    return LX_OK;
}

enum lx_status lx_segment_hashes(struct lx_run *run, const struct lx_segment *segment,
                                 const struct lx_row_schema *compare, lx_hash_visit visit,
                                 void *context, struct lx_err *err)
{
    struct reading r = {.run = run, .segment = segment, .visit = visit, .context = context};
    LX_TRY(lx_run_schema(run, segment->schema, &r.schema, err));
    r.compare = compare;
    LX_TRY(compare != NULL && has_side(segment) ? read_by_hash(&r, err) : read_where(&r, err));
    if ((r.rows != segment->rows || r.sum != segment->sum || r.xor != segment->xor) &&
        !lx_mutant("no-segment-sums")) {
        lx_err_set(err, LX_E_CORRUPT,
                   "the archived rows of blocks %lld to %lld of partition %s do "
                   "not sum to what the ledger says",
                   (long long)segment->min_block, (long long)segment->max_block,
                   segment->partition);
        lx_err_hint(err, "nothing was deleted; run lynex verify to find the file that changed");
        return LX_E_CORRUPT;
    }
    return LX_OK;
}
