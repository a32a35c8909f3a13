/* flip_tool: turns every byte of an archive in turn, in memory, and asks what notices.
 *
 *   flip_tool DIR REGEX [STEP [FIRST]]   the archive in DIR; objects whose keys match; of their
 * bytes every STEP-th (1) from the FIRST (0)
 *
 * Each byte is turned twice: all its bits, and one. What must be: the log cannot be read or
 * `verify` finds a file bad ("found"); or nothing differs for anybody who reads the archive
 * ("harmless"): the same state of the ledger, the same bounds and values of every column. Prints a
 * line for each harmless one, "KEY OFFSET MASK", for other readers to look at, and at the end
 * "# N bytes, N flips: N found, N harmless". Exit status 1 where a flip was neither. */
#include "archive/archive.h"
#include "base/alloc.h"
#include "bytes_source.h"
#include "mem_store.h"
#include "parquet/reader.h"

#include <dirent.h>
#include <inttypes.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_KEY 1024
#define MAX_OBJECT (64 << 20)
#define MAX_PRINT ((size_t)256 << 20) /* of what is compared */
#define BATCH_ROWS 4096

struct archive {
    struct lx_mem_bucket *bucket;
    struct lx_store *store;
    struct lx_ledger *ledger; /* as it was written */
    struct lx_buf state;      /* its print */
    long bytes, flips, found, harmless, wrong;
};

static void die(const char *what, const struct lx_err *err)
{
    fprintf(stderr, "flip_tool: %s%s%s\n", what, err != NULL ? ": " : "",
            err != NULL ? err->text : "");
    exit(2);
}

static void need(enum lx_status status)
{
    if (status != LX_OK)
        die("out of memory, or more than MAX_PRINT", NULL);
}

/* -- the objects --------------------------------------------------------------------------- */

static void load_file(struct archive *a, const char *path, const char *key)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = lx_malloc(MAX_OBJECT);
    if (file == NULL || bytes == NULL)
        die(path, NULL);
    size_t size = fread(bytes, 1, MAX_OBJECT, file);
    if (ferror(file) || size == MAX_OBJECT || !lx_mem_bucket_put(a->bucket, key, bytes, size))
        die(path, NULL);
    fclose(file);
    lx_free(bytes);
}

static void load(struct archive *a, const char *dir, const char *key)
{
    char path[2 * MAX_KEY], inner[MAX_KEY];
    snprintf(path, sizeof path, "%s/%s", dir, key);
    DIR *folder = opendir(path);
    if (folder == NULL)
        die(path, NULL);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        struct stat st;
        if (entry->d_name[0] == '.')
            continue;
        snprintf(inner, sizeof inner, "%s%s%.255s", key, key[0] != 0 ? "/" : "", entry->d_name);
        snprintf(path, sizeof path, "%s/%s", dir, inner);
        if (stat(path, &st) != 0)
            die(path, NULL);
        if (S_ISDIR(st.st_mode))
            load(a, dir, inner);
        else
            load_file(a, path, inner);
    }
    closedir(folder);
}

/* -- prints: all that a reader may go by, as text -------------------------------------------- */

static void print_segment(struct lx_buf *out, const char *kind, const struct lx_segment *s)
{
    need(lx_buf_printf(out, "%s %s %s %s %lld-%lld %lld-%lld %lld %llx %llx %s %s %lld", kind,
                       s->id, s->source, s->partition, (long long)s->min_block,
                       (long long)s->max_block, (long long)s->from, (long long)s->to,
                       (long long)s->rows, (unsigned long long)s->sum, (unsigned long long)s->xor,
                       s->schema, s->host != NULL ? s->host : "", (long long)s->ended_at));
    for (size_t i = 0; i < s->where_count; i++)
        need(lx_buf_printf(out, " %s %d %lld %lld", s->where[i].path, s->where[i].hashes,
                           (long long)s->where[i].first_row, (long long)s->where[i].rows));
    need(lx_buf_text(out, "\n"));
}

static void print_json(struct lx_buf *out, const json_t *json)
{
    char *text = json_dumps(json, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY);
    need(lx_buf_printf(out, "%s\n", text != NULL ? text : "none"));
    free(text);
}

static void print_state(struct lx_buf *out, const struct lx_ledger *ledger)
{
    const struct lx_ledger_state *s = lx_ledger_state(ledger);
    need(lx_buf_printf(out, "%lld %s %s\n", (long long)s->version, s->table_id, s->schema_string));
    print_json(out, s->configuration);
    print_json(out, s->table);
    for (size_t i = 0; i < s->file_count; i++) {
        const struct lx_ledger_file *f = &s->files[i];
        need(lx_buf_printf(out, "file %s %lld %lld %lld %s %s %llx %llx %s %s %s\n", f->path,
                           (long long)f->size, (long long)f->rows, (long long)f->modified_ms,
                           f->stats != NULL ? f->stats : "", f->batch, (unsigned long long)f->sum,
                           (unsigned long long)f->xor, f->schema, f->etag != NULL ? f->etag : "",
                           f->tags != NULL ? f->tags : ""));
        print_json(out, lx_ledger_schema(ledger, f->schema));
    }
    for (size_t i = 0; i < s->live_count; i++)
        print_segment(out, "live", &s->live[i]);
    for (size_t i = 0; i < s->ended_count; i++)
        print_segment(out, "ended", &s->ended[i]);
}

static void print_bytes(struct lx_buf *out, struct lx_str bytes)
{
    need(lx_buf_printf(out, "%zu:", bytes.len));
    need(lx_buf_append(out, bytes.ptr, bytes.len));
}

static void print_bounds(struct lx_buf *out, const struct lx_parquet_bounds *b)
{
    need(lx_buf_printf(out, " %d%d%d%d ", b->has_min, b->has_max, b->min_exact, b->max_exact));
    print_bytes(out, b->has_min ? b->min : LX_STR(""));
    print_bytes(out, b->has_max ? b->max : LX_STR(""));
}

static void print_pages(struct lx_buf *out, const struct lx_parquet_reader *reader, size_t group,
                        uint32_t leaf)
{
    struct lx_parquet_page_index index;
    struct lx_err err = LX_ERR_INIT;
    enum lx_status status = lx_parquet_reader_page_index(reader, group, leaf, &index, &err);
    need(lx_buf_printf(out, " index %s", lx_status_name(status)));
    if (status != LX_OK)
        return;
    for (size_t i = 0; i < index.page_count; i++) {
        const struct lx_parquet_page_info *p = &index.pages[i];
        need(lx_buf_printf(out, " %lld %d %lld %lld %d %lld", (long long)p->offset, p->bytes,
                           (long long)p->first_row, (long long)p->rows, p->all_null,
                           (long long)p->null_count));
        print_bounds(out, &p->bounds);
    }
    lx_parquet_page_index_free(&index);
}

static void print_footer(struct lx_buf *out, const struct lx_parquet_reader *reader)
{
    const struct lx_parquet_metadata *m = lx_parquet_reader_metadata(reader);
    need(lx_buf_printf(out, "%lld rows\n", (long long)m->rows));
    for (size_t i = 0; i < m->schema.leaf_count; i++) {
        const struct lx_parquet_field *f = m->schema.leaves[i].field;
        const struct lx_parquet_logical *l = &f->logical;
        need(lx_buf_printf(out, "leaf %s %d %d %d as %d %d %d %d %d %d %d\n",
                           m->schema.leaves[i].path, (int)f->physical, f->length,
                           (int)f->repetition, (int)l->kind, (int)l->unit, l->utc, l->bits,
                           l->is_signed, l->precision, l->scale));
    }
    for (size_t g = 0; g < m->row_group_count; g++) {
        const struct lx_parquet_row_group *group = &m->row_groups[g];
        need(lx_buf_printf(out, "group %lld %lld sorted by", (long long)group->first_row,
                           (long long)group->rows));
        for (size_t i = 0; i < group->sorting_count; i++)
            need(lx_buf_printf(out, " %u%d", group->sorting[i].leaf, group->sorting[i].descending));
        for (uint32_t i = 0; i < m->schema.leaf_count; i++) {
            const struct lx_parquet_statistics *s = &group->chunks[i].statistics;
            need(lx_buf_printf(out, "\nchunk %lld %lld", (long long)group->chunks[i].values,
                               (long long)s->null_count));
            print_bounds(out, &s->bounds);
            print_pages(out, reader, g, i);
        }
    }
}

static enum lx_status print_values(struct lx_buf *out, const struct lx_parquet_reader *reader,
                                   struct lx_err *err)
{
    size_t leaves = lx_parquet_reader_metadata(reader)->schema.leaf_count;
    const struct lx_parquet_scan_options options = {0};
    struct lx_parquet_scan *scan = NULL;
    const struct lx_column **columns = lx_malloc(leaves * sizeof *columns);
    need(columns != NULL ? LX_OK : LX_E_MEMORY);
    enum lx_status status = lx_parquet_reader_scan(reader, &options, &scan, err);
    for (int64_t rows = 1; status == LX_OK && rows > 0;) {
        status = lx_parquet_scan_next(scan, BATCH_ROWS, columns, &rows, err);
        for (size_t c = 0; status == LX_OK && c < leaves; c++)
            for (int64_t row = 0; row < rows; row++)
                if (lx_column_is_null(columns[c], row))
                    need(lx_buf_text(out, "\nNULL"));
                else
                    print_bytes(out, lx_column_value(columns[c], row));
    }
    lx_parquet_scan_free(scan);
    lx_free(columns);
    return status;
}

static enum lx_status print_file(struct lx_buf *out, const uint8_t *bytes, size_t size,
                                 struct lx_err *err)
{
    struct bytes_source object = {bytes, size};
    struct lx_parquet_reader *reader = NULL;
    const struct lx_parquet_source source = {bytes_source_read, &object, (int64_t)size};
    LX_TRY(lx_parquet_reader_open(&source, NULL, &reader, err));
    print_footer(out, reader);
    enum lx_status status = print_values(out, reader, err);
    lx_parquet_reader_close(reader);
    return status;
}

/* -- what notices ---------------------------------------------------------------------------- */

static bool same(const struct lx_buf *a, const struct lx_buf *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static struct lx_ledger *open_ledger(struct archive *a, struct lx_err *err)
{
    const struct lx_ledger_options options = {
        .store = a->store, .clock = lx_clock_system(), .random = lx_random_system()};
    struct lx_ledger *ledger = NULL;
    return lx_ledger_open(&options, &ledger, err) == LX_OK ? ledger : NULL;
}

static bool verified(struct archive *a, struct lx_ledger *ledger, const char *path)
{
    const struct lx_ledger_state *state = lx_ledger_state(ledger);
    const struct lx_verify_how how = {.store = a->store, .ledger = ledger};
    struct lx_verified result;
    bool good = true;
    for (size_t i = 0; good && i < state->file_count; i++)
        if (path == NULL || strcmp(state->files[i].path, path) == 0)
            good = lx_archive_verify_file(&how, &state->files[i], &result, NULL) == LX_OK;
    return good;
}

enum fate { FOUND, HARMLESS, WRONG };

static enum fate flip_data(struct archive *a, const char *key, const uint8_t *bytes, size_t size,
                           const struct lx_buf *as_written)
{
    struct lx_buf now = LX_BUF(MAX_PRINT);
    struct lx_err err = LX_ERR_INIT;
    if (!verified(a, a->ledger, key))
        return FOUND;
    bool good = print_file(&now, bytes, size, &err) == LX_OK && same(&now, as_written);
    lx_buf_free(&now);
    return good ? HARMLESS : WRONG;
}

/* Of the log, or of what lies beside it. */
static enum fate flip_log(struct archive *a)
{
    struct lx_buf now = LX_BUF(MAX_PRINT);
    struct lx_err err = LX_ERR_INIT;
    struct lx_ledger *ledger = open_ledger(a, &err);
    if (ledger == NULL)
        return FOUND;
    print_state(&now, ledger);
    enum fate fate = same(&now, &a->state) ? HARMLESS : !verified(a, ledger, NULL) ? FOUND : WRONG;
    lx_buf_free(&now);
    lx_ledger_close(ledger);
    return fate;
}

static void flip_object(struct archive *a, const char *key, size_t step, size_t first)
{
    size_t size;
    uint8_t *bytes = lx_mem_bucket_get(a->bucket, key, &size);
    struct lx_buf as_written = LX_BUF(MAX_PRINT);
    struct lx_err err = LX_ERR_INIT;
    bool data = lx_ledger_file(a->ledger, key) != NULL;
    if (data && print_file(&as_written, bytes, size, &err) != LX_OK)
        die(key, &err);
    for (size_t at = first; at < size; at += step) {
        const uint8_t masks[2] = {0xFF, (uint8_t)(1 << (at * 5 % 8))};
        a->bytes++;
        for (size_t i = 0; i < 2; i++) {
            bytes[at] ^= masks[i];
            enum fate fate = data ? flip_data(a, key, bytes, size, &as_written) : flip_log(a);
            bytes[at] ^= masks[i];
            a->flips++;
            a->found += fate == FOUND;
            a->harmless += fate == HARMLESS;
            a->wrong += fate == WRONG;
            if (fate != FOUND)
                printf("%s%s %zu %d\n", fate == WRONG ? "WRONG " : "", key, at, masks[i]);
        }
    }
    lx_buf_free(&as_written);
}

int main(int argc, char **argv)
{
    struct archive a = {.bucket = lx_mem_bucket_create(), .state = LX_BUF(MAX_PRINT)};
    struct lx_err err = LX_ERR_INIT;
    regex_t wanted;
    if (argc < 3 || regcomp(&wanted, argv[2], REG_EXTENDED | REG_NOSUB) != 0)
        die("usage: flip_tool DIR REGEX [STEP [FIRST]]", NULL);
    size_t step = argc > 3 ? strtoul(argv[3], NULL, 10) : 1;
    size_t first = argc > 4 ? strtoul(argv[4], NULL, 10) : 0;
    load(&a, argv[1], "");
    if (a.bucket == NULL || lx_mem_store_open(a.bucket, 1, &a.store, &err) != LX_OK)
        die("memory", &err);
    a.ledger = open_ledger(&a, &err);
    if (a.ledger == NULL || step == 0)
        die("the archive as it is", &err);
    print_state(&a.state, a.ledger);
    if (!verified(&a, a.ledger, NULL))
        die("the archive as it is does not verify", NULL);
    for (size_t i = 0; i < lx_mem_bucket_count(a.bucket); i++)
        if (regexec(&wanted, lx_mem_bucket_key(a.bucket, i), 0, NULL, 0) == 0)
            flip_object(&a, lx_mem_bucket_key(a.bucket, i), step, first);
    printf("# %ld bytes, %ld flips: %ld found, %ld harmless, %ld wrong\n", a.bytes, a.flips,
           a.found, a.harmless, a.wrong);
    lx_ledger_close(a.ledger);
    lx_store_close(a.store);
    lx_mem_bucket_destroy(a.bucket);
    lx_buf_free(&a.state);
    regfree(&wanted);
    return a.wrong > 0 || a.flips == 0 ? 1 : 0;
}
