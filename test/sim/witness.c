/* The oracle. It reads the log and the listed files from the bucket by itself, without the ledger,
 * and counts every row: at each delete all that was deleted must be archived, at no time more
 * copies than ever were, and at the end each row exactly once. */
#include "sim.h"

#include "base/alloc.h"
#include "base/civil.h"
#include "bytes_source.h"
#include "parquet/reader.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct sim_file {
    char *path;
    struct sim_list rows;
};

void sim_fail(struct sim *sim, const char *format, ...)
{
    va_list args;
    if (sim->failed)
        return; /* the first one counts */
    sim->failed = true;
    va_start(args, format);
    vsnprintf(sim->why, sizeof sim->why, format, args);
    va_end(args);
    sim_say(sim, "VIOLATION: %s", sim->why);
}

void sim_say(const struct sim *sim, const char *format, ...)
{
    va_list args;
    if (!sim->verbose)
        return;
    va_start(args, format);
    printf("%6lld  ", (long long)sim->steps);
    vprintf(format, args);
    printf("\n");
    va_end(args);
}

/* -- files --------------------------------------------------------------------------------- */

static int64_t number_at(const struct lx_column *column, int64_t row)
{
    struct lx_str text = lx_column_value(column, row);
    int64_t value = 0;
    memcpy(&value, text.ptr, text.len < 8 ? text.len : 8);
    if (text.len > 8 || column->shape == LX_COLUMN_BYTES) { /* DECIMAL, big-endian */
        value = 0;
        for (size_t i = 0; i < text.len; i++)
            value = value << 8 | (uint8_t)text.ptr[i];
    }
    return value;
}

static void take_row(const struct lx_column *const *columns, const char *names, size_t count,
                     int64_t row, struct sim_list *rows)
{
    struct sim_row found = {0};
    for (size_t i = 0; i < count; i++) {
        struct lx_str text = lx_column_value(columns[i], row);
        int64_t value = 0;
        switch (names[i]) {
        case 'i': found.key = (uint32_t)number_at(columns[i], row); break;
        case 't': found.time = lx_floor_div(number_at(columns[i], row), 1000); break;
        case 'e': found.extra = (uint32_t)number_at(columns[i], row); break;
        default: /* value, amount */
            if (text.len > 1)
                (void)lx_str_to_i64((struct lx_str){text.ptr + 1, text.len - 1}, &value);
            found.value = (uint32_t)value;
        }
    }
    sim_list_add(rows, sim_pack(&found));
}

static enum lx_status scan_file(const struct lx_parquet_reader *reader, struct sim_list *rows)
{
    const struct lx_parquet_schema *schema = &lx_parquet_reader_metadata(reader)->schema;
    struct lx_parquet_scan *scan = NULL;
    const struct lx_column *columns[8];
    uint32_t leaves[8];
    char names[8];
    size_t count = 0;
    for (uint32_t i = 0; i < schema->leaf_count && count < 8; i++) {
        if (schema->leaves[i].path[0] == '_')
            continue;
        names[count] = schema->leaves[i].path[0];
        leaves[count++] = i;
    }
    const struct lx_parquet_scan_options options = {.leaves = leaves, .leaf_count = count};
    enum lx_status status = lx_parquet_reader_scan(reader, &options, &scan, NULL);
    while (status == LX_OK) {
        int64_t got = 0;
        status = lx_parquet_scan_next(scan, 4096, columns, &got, NULL);
        if (status != LX_OK || got == 0)
            break;
        for (int64_t row = 0; row < got; row++)
            take_row(columns, names, count, row, rows);
    }
    lx_parquet_scan_free(scan);
    return status;
}

static void read_file(struct sim *sim, const char *path, struct sim_list *rows)
{
    struct bytes_source object;
    struct lx_parquet_reader *reader = NULL;
    struct lx_err err = LX_ERR_INIT;
    object.bytes = lx_mem_bucket_get(sim->bucket, path, &object.size);
    if (object.bytes == NULL) {
        sim_fail(sim, "the log lists %s, which is not in the store", path);
        return;
    }
    const struct lx_parquet_source source = {bytes_source_read, &object, (int64_t)object.size};
    enum lx_status status = lx_parquet_reader_open(&source, NULL, &reader, &err);
    if (status == LX_OK)
        status = scan_file(reader, rows);
    if (status != LX_OK)
        sim_fail(sim, "the listed file %s cannot be read: %s", path, err.text);
    lx_parquet_reader_close(reader);
}

/* -- the log ------------------------------------------------------------------------------- */

static void remove_file(struct sim_witness *witness, const char *path)
{
    for (size_t i = 0; i < witness->file_count; i++) {
        struct sim_file *file = &witness->files[i];
        if (strcmp(file->path, path) != 0)
            continue;
        for (size_t r = 0; r < file->rows.count; r++)
            sim_list_remove(&witness->archived, file->rows.items[r]);
        lx_free(file->path);
        lx_free(file->rows.items);
        *file = witness->files[--witness->file_count];
        return;
    }
}

static void add_file(struct sim *sim, const char *path)
{
    struct sim_witness *witness = &sim->witness;
    remove_file(witness, path); /* a path is one file, however often it is added */
    if (witness->file_count == witness->file_cap) {
        witness->file_cap = witness->file_cap != 0 ? witness->file_cap * 2 : 16;
        witness->files =
            sim_memory(lx_realloc(witness->files, witness->file_cap * sizeof *witness->files));
    }
    struct sim_file *file = &witness->files[witness->file_count++];
    *file = (struct sim_file){.path = sim_memory(lx_strdup(path))};
    read_file(sim, path, &file->rows);
    for (size_t r = 0; r < file->rows.count; r++)
        sim_list_add(&witness->archived, file->rows.items[r]);
    sim->totals->files++;
}

static void take_action(struct sim *sim, const char *line, size_t size)
{
    static const char add[] = "{\"add\":", removed[] = "{\"remove\":";
    bool adds = size > sizeof add && memcmp(line, add, sizeof add - 1) == 0;
    bool removes = size > sizeof removed && memcmp(line, removed, sizeof removed - 1) == 0;
    if (!adds && !removes)
        return; /* segments and such: the ledger's own business */
    json_t *json = json_loadb(line, size, 0, NULL);
    const char *path =
        json_string_value(json_object_get(json_object_get(json, adds ? "add" : "remove"), "path"));
    if (path == NULL)
        sim_fail(sim, "version %lld of the log is not JSON", (long long)sim->witness.version);
    else if (adds)
        add_file(sim, path);
    else
        remove_file(&sim->witness, path);
    json_decref(json);
}

/* -- counting ------------------------------------------------------------------------------ */

/* `extra` counts no more once a column was dropped. */
static sim_content masked(const struct sim *sim, sim_content content)
{
    return sim->world.dropped_column ? content << 12 >> 12 : content;
}

static struct sim_list copy_list(const struct sim *sim, const struct sim_list *list)
{
    struct sim_list copy = {0};
    for (size_t i = 0; i < list->count; i++)
        sim_list_add(&copy, masked(sim, list->items[i]));
    sim_list_sort(&copy);
    return copy;
}

/* What `all` has beyond `part`, copy by copy. */
static struct sim_list beyond(const struct sim_list *all, const struct sim_list *part)
{
    struct sim_list rest = {0};
    size_t at = 0;
    for (size_t i = 0; i < all->count; i++) {
        while (at < part->count && part->items[at] < all->items[i])
            at++;
        if (at < part->count && part->items[at] == all->items[i])
            at++;
        else
            sim_list_add(&rest, all->items[i]);
    }
    return rest;
}

static void fail_with(struct sim *sim, const struct sim_list *rows, const char *what)
{
    char text[96];
    if (rows->count == 0)
        return;
    sim_unpack(rows->items[0], text, sizeof text);
    sim_fail(sim, "%zu rows %s: %s", rows->count, what, text);
}

/* At no time does the archive hold more copies than ever were inserted. */
static void check_doubled(struct sim *sim)
{
    struct sim_list archived = copy_list(sim, &sim->witness.archived);
    struct sim_list ever = copy_list(sim, &sim->world.all_versions);
    struct sim_list more = beyond(&archived, &ever);
    fail_with(sim, &more, "are archived more often than they ever were");
    lx_free(archived.items);
    lx_free(ever.items);
    lx_free(more.items);
}

void sim_witness_look(struct sim *sim)
{
    struct sim_witness *witness = &sim->witness;
    char key[64];
    bool any = false;
    for (;;) {
        size_t size;
        snprintf(key, sizeof key, "_delta_log/%020lld.json", (long long)witness->version + 1);
        const char *text = (const char *)lx_mem_bucket_get(sim->bucket, key, &size);
        if (text == NULL)
            break;
        witness->version++;
        any = true;
        sim->totals->commits++;
        if (sim->verbose)
            printf("        version %lld: %.*s\n", (long long)witness->version, (int)size, text);
        for (size_t at = 0; at < size;) {
            const char *newline = memchr(text + at, '\n', size - at);
            size_t line = newline != NULL ? (size_t)(newline - text) - at : size - at;
            take_action(sim, text + at, line);
            at += line + 1;
        }
    }
    if (any)
        check_doubled(sim);
}

void sim_check_deleted(struct sim *sim)
{
    sim_witness_look(sim);
    struct sim_list archived = copy_list(sim, &sim->witness.archived);
    struct sim_list deleted = copy_list(sim, &sim->world.deleted);
    struct sim_list lost = beyond(&deleted, &archived);
    fail_with(sim, &lost, "were deleted and are not archived");
    lx_free(archived.items);
    lx_free(deleted.items);
    lx_free(lost.items);
}

static void check_hot(struct sim *sim)
{
    for (size_t i = 0; i < sim->world.count; i++) {
        char name[64];
        sim_part_name(sim->world.parts[i], name);
        if (sim->world.parts[i]->count > 0)
            sim_fail(sim, "%zu rows of %s are still hot after the last run",
                     sim->world.parts[i]->count, name);
    }
}

/* Rows that somebody else deleted, or as they were before somebody changed them, may be archived;
 * all others are, once. */
void sim_check_final(struct sim *sim)
{
    struct sim_world *world = &sim->world;
    struct sim_list want = {0}, may = {0};
    sim_witness_look(sim);
    check_hot(sim);
    for (uint32_t i = 0; i < world->ever_count; i++)
        sim_list_add(world->ever[i].touched ? &may : &want, masked(sim, world->ever[i].content));
    for (size_t i = 0; i < world->replaced.count; i++)
        sim_list_add(&may, masked(sim, world->replaced.items[i]));
    sim_list_sort(&want);
    sim_list_sort(&may);
    struct sim_list have = copy_list(sim, &sim->witness.archived);
    struct sim_list lost = beyond(&want, &have);
    struct sim_list more = beyond(&have, &want);
    struct sim_list doubled = beyond(&more, &may);
    fail_with(sim, &lost, "are lost");
    fail_with(sim, &doubled, "are archived twice");
    struct sim_list *lists[] = {&want, &may, &have, &lost, &more, &doubled};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        lx_free(lists[i]->items);
}

void sim_witness_free(struct sim_witness *witness)
{
    for (size_t i = 0; i < witness->file_count; i++) {
        lx_free(witness->files[i].path);
        lx_free(witness->files[i].rows.items);
    }
    lx_free(witness->files);
    lx_free(witness->archived.items);
}
