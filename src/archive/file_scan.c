#include "archive/file_scan.h"

#include "base/alloc.h"
#include "base/mutant.h"

#include <pthread.h>

#define BATCH_ROWS 16384
#define LEAST_BATCH_ROWS 256
/* All columns have a piece of the file, a batch of values and its hashes in memory at once: each of
 * the three may take one part in so many of what a scan may, so that wide tables are read in
 * smaller ones, and hashed one column after the other. */
#define PIECES_SHARE 8
#define LARGEST_PIECE LX_MIB
#define LEAST_PIECE (64 * LX_KIB)
#define DEFAULT_MEMORY (256 * LX_MIB)
#define USUAL_PAGE (64 * LX_MIB)  /* may be met, whatever the memory: files of others, too */
#define INDEXES_MAX (64 * LX_MIB) /* of one file, read at once */

struct lx_file_scan {
    struct lx_store *store;
    char *key;
    const struct lx_row_schema *schema;
    struct lx_parquet_reader *reader;
    struct lx_parquet_scan *scan;
    struct lx_parquet_rows range;
    struct lx_from_file *from;
    size_t *output_of; /* of each schema field + raw: which output column; SIZE_MAX: none */
    uint32_t *leaves;
    size_t leaf_count;
    const struct lx_column **decoded, **arranged;
    uint64_t *hashes;
    uint64_t *each; /* batch_rows of every column, on the way to them; NULL: one after the other */
    struct lx_pool *pool;
    int64_t batch_rows;
    bool whole;   /* row groups, all or a share of them */
    bool indexes; /* are checked at the end */
    /* Bytes from this offset, read ahead: the whole file, a row group or the indexes. Columns are
     * decoded at the same time: who comes first reads the row group, the others wait for it. */
    pthread_mutex_t lock; /* guards what follows */
    uint8_t *ahead;
    int64_t ahead_offset;
    size_t ahead_size;
    size_t group_max;  /* of a row group that is read at once; 0: none is */
    size_t groups_met; /* the last of them lies within [group_from, group_to) */
    int64_t group_from, group_to;
    size_t untaken;        /* bytes of the row group that no column has asked for yet */
    struct lx_err failure; /* of reading a row group: who waited for it does not try again */
};

static void drop_ahead(struct lx_file_scan *scan)
{
    lx_free(scan->ahead);
    scan->ahead = NULL;
    scan->ahead_size = scan->untaken = 0;
}

static enum lx_status read_range(struct lx_file_scan *scan, int64_t offset, size_t size,
                                 struct lx_err *err)
{
    drop_ahead(scan);
    scan->ahead = lx_malloc(size);
    if (scan->ahead == NULL)
        return lx_err_memory(err);
    enum lx_status status = lx_store_read(scan->store, scan->key, offset, scan->ahead, size, err);
    if (status != LX_OK) {
        drop_ahead(scan);
        return status;
    }
    scan->ahead_offset = offset;
    scan->ahead_size = size;
    return LX_OK;
}

static bool take_ahead(struct lx_file_scan *scan, int64_t offset, void *bytes, size_t size)
{
    if (scan->ahead == NULL || offset < scan->ahead_offset ||
        (uint64_t)(offset - scan->ahead_offset) + size > scan->ahead_size)
        return false;
    memcpy(bytes, scan->ahead + (offset - scan->ahead_offset), size);
    return true;
}

/* The pages of a row group, which lie together in files of this program. */
static void group_extent(const struct lx_parquet_metadata *file, size_t group, int64_t *from,
                         int64_t *to)
{
    *from = INT64_MAX;
    *to = 0;
    for (uint32_t c = 0; c < file->schema.leaf_count; c++) {
        const struct lx_parquet_chunk *chunk = &file->row_groups[group].chunks[c];
        int64_t first = chunk->data_page_offset;
        if (chunk->dictionary_page_offset >= 0 && chunk->dictionary_page_offset < first)
            first = chunk->dictionary_page_offset;
        *from = first < *from ? first : *from;
        *to = first + chunk->bytes > *to ? first + chunk->bytes : *to;
    }
}

/* Has the scan come to a row group that may be read at once, and holds these bytes? Row groups come
 * in order, and each is met once: no footer makes this read, or look, again and again. */
static bool next_group(struct lx_file_scan *scan, int64_t offset, size_t size)
{
    const struct lx_parquet_metadata *file = lx_parquet_reader_metadata(scan->reader);
    int64_t from = scan->group_from, to = scan->group_to;
    if (offset >= from && offset + (int64_t)size <= to)
        return false; /* too large, or read before */
    for (size_t g = scan->groups_met; g < file->row_group_count; g++) {
        group_extent(file, g, &from, &to);
        if (offset >= from && offset + (int64_t)size <= to) {
            scan->groups_met = g + 1;
            scan->group_from = from;
            scan->group_to = to;
            return (uint64_t)(to - from) <= scan->group_max;
        }
    }
    return false; /* no page: the file's first bytes */
}

/* A row group's columns are in memory at once anyway, a piece of each: one request for all of them
 * costs the store far less than one for each piece. */
static enum lx_status read_group(struct lx_file_scan *scan, int64_t offset, void *bytes,
                                 size_t size, bool *taken, struct lx_err *err)
{
    *taken = take_ahead(scan, offset, bytes, size);
    if (!*taken && scan->failure.status == LX_OK && next_group(scan, offset, size)) {
        size_t all = (size_t)(scan->group_to - scan->group_from);
        scan->failure.status = read_range(scan, scan->group_from, all, &scan->failure);
        scan->untaken = scan->ahead_size;
        *taken = take_ahead(scan, offset, bytes, size);
    }
    if (scan->failure.status != LX_OK) {
        if (err != NULL)
            *err = scan->failure;
        return scan->failure.status;
    }
    if (*taken && scan->untaken > 0) {
        scan->untaken -= size < scan->untaken ? size : scan->untaken;
        if (scan->untaken == 0)
            drop_ahead(scan);
    }
    return LX_OK;
}

static enum lx_status read_at(void *self, int64_t offset, void *bytes, size_t size,
                              struct lx_err *err)
{
    struct lx_file_scan *scan = self;
    bool taken = false;
    if (scan->group_max == 0) {
        taken = take_ahead(scan, offset, bytes, size);
    } else {
        pthread_mutex_lock(&scan->lock);
        enum lx_status status = read_group(scan, offset, bytes, size, &taken, err);
        pthread_mutex_unlock(&scan->lock);
        if (status != LX_OK)
            return status;
    }
    return taken ? LX_OK : lx_store_read(scan->store, scan->key, offset, bytes, size, err);
}

void lx_file_scan_close(struct lx_file_scan *scan)
{
    if (scan == NULL)
        return;
    lx_parquet_scan_free(scan->scan);
    lx_parquet_reader_close(scan->reader);
    lx_from_file_free(scan->from);
    lx_free(scan->key);
    lx_free(scan->output_of);
    lx_free(scan->leaves);
    lx_free(scan->decoded);
    lx_free(scan->arranged);
    lx_free(scan->hashes);
    lx_free(scan->each);
    drop_ahead(scan);
    pthread_mutex_destroy(&scan->lock);
    lx_free(scan);
}

/* The file's column of each field of the schema; `_lynex_raw` may be missing. */
static enum lx_status find_leaves(struct lx_file_scan *scan, struct lx_err *err)
{
    size_t fields = scan->schema->field_count;
    for (size_t i = 0; i <= fields; i++) {
        const char *name = i < fields ? scan->schema->fields[i].file_name : LX_RAW_COLUMN;
        uint32_t leaf;
        scan->output_of[i] = SIZE_MAX;
        enum lx_status status = lx_parquet_reader_leaf(scan->reader, lx_str_of(name), &leaf, err);
        if (status == LX_E_NOTFOUND && i == fields) {
            lx_err_clear(err);
            continue;
        }
        if (status != LX_OK)
            return lx_err_set(err, LX_E_CORRUPT, "%s has no column %s", scan->key, name);
        scan->output_of[i] = scan->leaf_count;
        scan->leaves[scan->leaf_count++] = leaf;
    }
    return LX_OK;
}

/* Checksums of pages and indexes are pairs in the footer, as its own is: a changed byte there could
 * hide them all, and then nothing but the values would be looked at. */
static enum lx_status check_footer(const struct lx_file_scan *scan, struct lx_err *err)
{
    if (lx_file_scan_footer(scan).len == 0)
        return lx_err_set(err, LX_E_CORRUPT,
                          "the footer's checksum, which this program writes, is missing");
    return LX_OK;
}

/* The reader begins at the file's end; strict ones look at its first bytes too. */
static enum lx_status check_front(struct lx_file_scan *scan, struct lx_err *err)
{
    char magic[4];
    LX_TRY(read_at(scan, 0, magic, sizeof magic, err));
    if (memcmp(magic, "PAR1", sizeof magic) != 0)
        return lx_err_set(err, LX_E_CORRUPT, "the first bytes are not those of a Parquet file");
    return LX_OK;
}

static size_t piece_bytes(const struct lx_file_scan_options *options)
{
    size_t piece = options->memory_bytes / PIECES_SHARE / (options->schema->field_count + 1);
    return options->memory_bytes == 0 || piece > LARGEST_PIECE ? LARGEST_PIECE
           : piece > LEAST_PIECE                               ? piece
                                                               : LEAST_PIECE;
}

size_t lx_file_scan_group_max(size_t memory_bytes)
{
    return (memory_bytes == 0 ? DEFAULT_MEMORY : memory_bytes) / PIECES_SHARE;
}

/* By the widest row group's rows on average. */
static int64_t batch_rows(const struct lx_parquet_metadata *file, size_t memory)
{
    double widest = 1;
    for (size_t g = 0; g < file->row_group_count; g++) {
        const struct lx_parquet_row_group *group = &file->row_groups[g];
        double bytes = 0;
        for (uint32_t c = 0; c < file->schema.leaf_count; c++) {
            const struct lx_parquet_chunk *chunk = &group->chunks[c];
            bytes += (double)(chunk->text_bytes > chunk->raw_bytes ? chunk->text_bytes
                                                                   : chunk->raw_bytes);
        }
        if (group->rows > 0 && bytes / (double)group->rows > widest)
            widest = bytes / (double)group->rows;
    }
    double rows = (double)memory / PIECES_SHARE / widest;
    return memory == 0 || rows > BATCH_ROWS ? BATCH_ROWS
           : rows > LEAST_BATCH_ROWS        ? (int64_t)rows
                                            : LEAST_BATCH_ROWS;
}

/* Hashes of a batch's columns, computed side by side: of very wide tables they would take more than
 * their share. */
static enum lx_status make_room(struct lx_file_scan *scan,
                                const struct lx_file_scan_options *options, struct lx_err *err)
{
    int64_t rows = options->last > 0 ? options->last - options->first : lx_file_scan_rows(scan);
    rows = rows < scan->batch_rows ? rows : scan->batch_rows;
    size_t room = scan->schema->field_count * (size_t)rows * sizeof *scan->each;
    scan->pool = options->pool;
    if (lx_pool_threads(scan->pool) == 1 || room > lx_file_scan_group_max(options->memory_bytes))
        return LX_OK;
    scan->each = lx_malloc(room);
    return scan->each != NULL ? LX_OK : lx_err_memory(err);
}

/* Where there are fewer row groups than shares, the first share has them all. */
static enum lx_status begin(struct lx_file_scan *scan, const struct lx_file_scan_options *options,
                            struct lx_err *err)
{
    struct lx_parquet_scan_options how = {
        .leaves = scan->leaves,
        .leaf_count = scan->leaf_count,
        .dictionaries = true,
        .pool = options->pool,
    };
    size_t groups = lx_parquet_reader_metadata(scan->reader)->row_group_count;
    if (options->last > 0) {
        scan->range = (struct lx_parquet_rows){options->first, options->last};
        how.rows = &scan->range;
        how.rows_count = 1;
    } else if (options->shares > groups) {
        how.row_group_from = options->share == 0 ? 0 : groups;
    } else if (options->shares > 1) {
        how.row_group_from = groups * options->share / options->shares;
        how.row_group_to = groups * (options->share + 1) / options->shares;
    }
    return lx_parquet_reader_scan(scan->reader, &how, &scan->scan, err);
}

static enum lx_status open_scan(struct lx_file_scan *scan,
                                const struct lx_file_scan_options *options, struct lx_err *err)
{
    struct lx_parquet_source source = {read_at, scan, options->size};
    size_t shares = options->shares > 1 ? options->shares : 1;
    size_t memory = options->memory_bytes != 0 ? options->memory_bytes : DEFAULT_MEMORY;
    /* A page is at least a row: how large one may be the memory says, and nothing else. */
    struct lx_parquet_reader_options reader = {.scan_bytes = options->memory_bytes / shares,
                                               .page_bytes =
                                                   memory > USUAL_PAGE ? memory : USUAL_PAGE,
                                               .piece_bytes = piece_bytes(options)};
    struct lx_str batch;
    /* A store's answer takes longer than a small file: one request in place of one a column. */
    bool at_once = options->size > 0 && options->size <= (int64_t)LX_FILE_SCAN_AT_ONCE;
    if (scan->whole && at_once)
        LX_TRY(read_range(scan, 0, (size_t)options->size, err));
    LX_TRY(lx_parquet_reader_open(&source, &reader, &scan->reader, err));
    if (scan->whole && !at_once)
        scan->group_max = lx_file_scan_group_max(options->memory_bytes);
    scan->batch_rows = batch_rows(lx_parquet_reader_metadata(scan->reader), options->memory_bytes);
    if (scan->whole && options->share == 0)
        LX_TRY(check_front(scan, err));
    if (options->batch != NULL &&
        (!lx_file_scan_value(scan, "lynex.batch", &batch) || !lx_str_is(batch, options->batch)))
        return lx_err_set(err, LX_E_CONFLICT, "%s is another batch's file", options->key);
    if (scan->whole)
        LX_TRY(check_footer(scan, err));
    LX_TRY(find_leaves(scan, err));
    LX_TRY(make_room(scan, options, err));
    LX_TRY(lx_from_file_create(scan->schema, &scan->from, err));
    return begin(scan, options, err);
}

enum lx_status lx_file_scan_open(const struct lx_file_scan_options *options,
                                 struct lx_file_scan **out, struct lx_err *err)
{
    size_t columns = options->schema->field_count + 1;
    struct lx_file_scan *scan = lx_calloc(1, sizeof *scan);
    if (scan == NULL)
        return lx_err_memory(err);
    if (pthread_mutex_init(&scan->lock, NULL) != 0) {
        lx_free(scan);
        return lx_err_memory(err);
    }
    scan->store = options->store;
    scan->whole = options->last == 0;
    scan->indexes = scan->whole && options->share + 1 >= options->shares;
    scan->schema = options->schema;
    scan->key = lx_strdup(options->key);
    scan->output_of = lx_calloc(columns, sizeof *scan->output_of);
    scan->leaves = lx_calloc(columns, sizeof *scan->leaves);
    scan->decoded = lx_calloc(columns, sizeof *scan->decoded);
    scan->arranged = lx_calloc(columns, sizeof *scan->arranged);
    scan->hashes = lx_malloc(BATCH_ROWS * sizeof *scan->hashes);
    enum lx_status status = LX_OK;
    if (scan->key == NULL || scan->output_of == NULL || scan->leaves == NULL ||
        scan->decoded == NULL || scan->arranged == NULL || scan->hashes == NULL)
        status = lx_err_memory(err);
    if (status == LX_OK) {
        status = open_scan(scan, options, err);
        if (status != LX_OK)
            lx_err_context(err, "reading back %s", options->key);
    }
    if (status != LX_OK) {
        lx_file_scan_close(scan);
        return status;
    }
    *out = scan;
    return LX_OK;
}

int64_t lx_file_scan_rows(const struct lx_file_scan *scan)
{
    return lx_parquet_reader_metadata(scan->reader)->rows;
}

struct lx_str lx_file_scan_footer(const struct lx_file_scan *scan)
{
    return lx_parquet_reader_metadata(scan->reader)->checksum;
}

int64_t lx_file_scan_first(const struct lx_file_scan *scan)
{
    return lx_parquet_scan_first_row(scan->scan);
}

bool lx_file_scan_value(const struct lx_file_scan *scan, const char *key, struct lx_str *value)
{
    return lx_parquet_reader_key_value(scan->reader, lx_str_of(key), value);
}

/* -- indexes ------------------------------------------------------------------------------- */

static void widen(int64_t offset, int32_t bytes, int64_t *from, int64_t *to)
{
    if (offset <= 0 || bytes <= 0)
        return;
    *from = offset < *from ? offset : *from;
    *to = offset + bytes > *to ? offset + bytes : *to;
}

/* Indexes lie together, before the footer: one read for all of them. */
static enum lx_status read_ahead(struct lx_file_scan *scan, struct lx_err *err)
{
    const struct lx_parquet_metadata *file = lx_parquet_reader_metadata(scan->reader);
    int64_t from = INT64_MAX, to = 0;
    for (size_t g = 0; g < file->row_group_count; g++)
        for (size_t c = 0; c < file->schema.leaf_count; c++) {
            const struct lx_parquet_chunk *chunk = &file->row_groups[g].chunks[c];
            widen(chunk->column_index_offset, chunk->column_index_bytes, &from, &to);
            widen(chunk->offset_index_offset, chunk->offset_index_bytes, &from, &to);
        }
    if (scan->ahead != NULL && scan->group_max == 0)
        return LX_OK; /* the whole file is there */
    drop_ahead(scan); /* all row groups have been read */
    scan->group_max = 0;
    if (from >= to || to - from > (int64_t)INDEXES_MAX)
        return LX_OK; /* none; or other than ours: read one by one */
    return read_range(scan, from, (size_t)(to - from), err);
}

/* Readers leave out rows by them, so they must be what was written: their checksums tell. */
static enum lx_status check_indexes(struct lx_file_scan *scan, struct lx_err *err)
{
    const struct lx_parquet_metadata *file = lx_parquet_reader_metadata(scan->reader);
    LX_TRY(read_ahead(scan, err));
    for (size_t g = 0; g < file->row_group_count; g++)
        for (uint32_t c = 0; c < file->schema.leaf_count; c++) {
            struct lx_parquet_page_index index;
            enum lx_status status = lx_parquet_reader_page_index(scan->reader, g, c, &index, err);
            if (status == LX_OK)
                lx_parquet_page_index_free(&index);
            else if (status != LX_E_NOTFOUND)
                return status;
            lx_err_clear(err);
        }
    return LX_OK;
}

static enum lx_status hash_rows(struct lx_file_scan *scan, const struct lx_column *const *sent,
                                int64_t rows, struct lx_err *err)
{
    if (scan->each == NULL)
        return lx_row_schema_hash_rows(scan->schema, sent, rows, scan->hashes, err);
    return lx_row_schema_hash_rows_on(scan->pool, scan->schema, sent, rows, scan->each,
                                      scan->hashes, err);
}

enum lx_status lx_file_scan_next(struct lx_file_scan *scan, struct lx_file_rows *rows,
                                 struct lx_err *err)
{
    const struct lx_column *const *sent = NULL;
    int64_t count = 0;
    enum lx_status status =
        lx_parquet_scan_next(scan->scan, scan->batch_rows, scan->decoded, &count, err);
    if (status == LX_OK && count > 0) {
        for (size_t i = 0; i <= scan->schema->field_count; i++)
            scan->arranged[i] =
                scan->output_of[i] != SIZE_MAX ? scan->decoded[scan->output_of[i]] : NULL;
        status = lx_from_file_convert(scan->from, scan->pool, scan->arranged, count, &sent, err);
    }
    if (status == LX_OK && count > 0)
        status = hash_rows(scan, sent, count, err);
    if (status == LX_OK && count == 0 && scan->indexes && !lx_mutant("indexes-unproven"))
        status = check_indexes(scan, err);
    if (status != LX_OK) {
        lx_err_context(err, "reading back %s", scan->key);
        return status;
    }
    *rows = (struct lx_file_rows){
        .columns = sent,
        .hashes = scan->hashes,
        .first = count > 0 ? lx_parquet_scan_first_row(scan->scan) : 0,
        .rows = count,
    };
    return LX_OK;
}
