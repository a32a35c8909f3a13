/* The table as ClickHouse keeps it: rows, and parts with block ranges. */
#include "sim.h"

#include "base/alloc.h"
#include "base/civil.h"

#include <stdlib.h>
#include <string.h>

void *sim_memory(void *memory)
{
    if (memory != NULL)
        return memory;
    fprintf(stderr, "sim: out of memory\n");
    exit(2);
}

/* -- random -------------------------------------------------------------------------------- */

uint64_t sim_next(struct sim_rng *rng)
{
    uint64_t z = (rng->state += UINT64_C(0x9e3779b97f4a7c15)); /* splitmix64 */
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint32_t sim_below(struct sim_rng *rng, uint32_t n)
{
    return (uint32_t)(((sim_next(rng) >> 32) * n) >> 32);
}

/* -- lists --------------------------------------------------------------------------------- */

void sim_list_add(struct sim_list *list, sim_content content)
{
    if (list->count == list->cap) {
        list->cap = list->cap != 0 ? list->cap * 2 : 32;
        list->items = sim_memory(lx_realloc(list->items, list->cap * sizeof *list->items));
    }
    list->items[list->count++] = content;
}

void sim_list_remove(struct sim_list *list, sim_content content)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i] == content) {
            list->items[i] = list->items[--list->count];
            return;
        }
    }
}

bool sim_list_has(const struct sim_list *list, sim_content content)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i] == content)
            return true;
    return false;
}

static int by_content(const void *a, const void *b)
{
    sim_content x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

void sim_list_sort(struct sim_list *list)
{
    if (list->count > 1)
        qsort(list->items, list->count, sizeof *list->items, by_content);
}

/* -- rows ---------------------------------------------------------------------------------- */

sim_content sim_pack(const struct sim_row *row)
{
    uint64_t time = (uint64_t)(row->time - SIM_FIRST_DAY * LX_DAY_SECONDS);
    return time | (uint64_t)row->key << 20 | (uint64_t)row->value << 36 |
           (uint64_t)row->extra << 52;
}

void sim_unpack(sim_content content, char *text, size_t size)
{
    int64_t seconds = (int64_t)(content & 0xfffff);
    snprintf(text, size, "(day %d %05d id %d value %d extra %d)", (int)(seconds / LX_DAY_SECONDS),
             (int)(seconds % LX_DAY_SECONDS), (int)(content >> 20 & 0xffff),
             (int)(content >> 36 & 0xffff), (int)(content >> 52));
}

/* -- columns ------------------------------------------------------------------------------- */

int sim_slot(const struct sim_world *world, const char *name)
{
    for (int slot = 0; slot < (world->has_extra ? 4 : 3); slot++)
        if (strcmp(sim_slot_name(world, slot), name) == 0)
            return slot;
    return -1;
}

const char *sim_slot_name(const struct sim_world *world, int slot)
{
    static const char *const names[] = {"id", "timestamp", "value", "extra"};
    return slot == 2 && world->renamed ? "amount" : names[slot];
}

static bool in_schema(const struct lx_row_schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->field_count; i++)
        if (strcmp(schema->fields[i].name, name) == 0)
            return true;
    return false;
}

/* A value is never the empty text, a time never 1970: more than their defaults. */
bool sim_strange(const struct sim_world *world, const struct sim_row *row,
                 const struct lx_row_schema *schema)
{
    return (row->key != 0 && !in_schema(schema, "id")) || !in_schema(schema, "timestamp") ||
           !in_schema(schema, sim_slot_name(world, 2)) ||
           (world->has_extra && row->extra != 0 && !in_schema(schema, "extra"));
}

static void append(struct lx_column *column, const void *value, size_t size)
{
    if (lx_column_append(column, value, size) != LX_OK)
        sim_memory(NULL);
}

static void append_value(struct lx_column *column, const struct sim_row *row, int slot)
{
    const uint64_t id = row->key;
    const int64_t ticks = row->time * 1000 + (int64_t)(row->key % 7);
    char text[32];
    switch (slot) {
    case 0: append(column, &id, sizeof id); break;
    case 1: append(column, &ticks, sizeof ticks); break;
    case 2:
        append(column, text, (size_t)snprintf(text, sizeof text, "v%u", (unsigned)row->value));
        break;
    default: append(column, &row->extra, sizeof row->extra); break;
    }
}

/* By any name that the column ever had: a query goes on that began before it was renamed. */
static int slot_of(const char *name)
{
    return strcmp(name, "id") == 0 ? 0 : name[0] == 't' ? 1 : name[0] == 'e' ? 3 : 2;
}

void sim_fill_columns(const struct lx_row_schema *schema, const struct sim_row *rows, size_t count,
                      struct lx_column *columns)
{
    static const uint32_t widths[] = {8, 8, 0, 4};
    for (size_t i = 0; i < schema->field_count; i++) {
        int slot = slot_of(schema->fields[i].name);
        struct lx_column *column = &columns[i];
        if (column->values == NULL || column->width != widths[slot]) {
            lx_column_free(column);
            lx_column_init(column, slot == 2 ? LX_COLUMN_BYTES : LX_COLUMN_FIXED, widths[slot]);
        }
        lx_column_clear(column);
        for (size_t row = 0; row < count; row++)
            append_value(column, &rows[row], slot);
    }
}

/* Schemas are the same for the same id, in whatever history they come. */
static struct lx_row_schema *kept[256];
static size_t kept_count;

static size_t schema_number(const struct lx_row_schema *schema)
{
    for (size_t i = 0; i < kept_count; i++)
        if (memcmp(kept[i]->id, schema->id, LX_SCHEMA_ID) == 0)
            return i;
    json_t *json = NULL;
    if (kept_count == sizeof kept / sizeof kept[0] ||
        lx_row_schema_to_json(schema, &json, NULL) != LX_OK ||
        lx_row_schema_from_json(json, &kept[kept_count], NULL) != LX_OK)
        sim_memory(NULL);
    json_decref(json);
    return kept_count++;
}

const struct lx_row_schema *sim_keep_schema(const struct lx_row_schema *schema)
{
    return kept[schema_number(schema)];
}

void sim_forget_schemas(void)
{
    for (size_t i = 0; i < kept_count; i++)
        lx_row_schema_free(kept[i]);
    kept_count = 0;
}

const uint64_t *sim_part_hashes(struct sim_part *part, const struct lx_row_schema *schema)
{
    static struct lx_column columns[16];
    const struct lx_column *pointers[16];
    size_t number = schema_number(schema);
    uint64_t **cache = number < SIM_SCHEMAS ? &part->hashes[number] : NULL;
    assert(cache != NULL && schema->field_count <= 16);
    if (*cache != NULL)
        return *cache;
    *cache = sim_memory(lx_malloc((part->count + 1) * sizeof **cache));
    sim_fill_columns(schema, part->rows, part->count, columns);
    for (size_t i = 0; i < schema->field_count; i++)
        pointers[i] = &columns[i];
    if (lx_row_schema_hash(schema, pointers, (int64_t)part->count, *cache) != LX_OK)
        sim_memory(NULL);
    return *cache;
}

/* -- parts --------------------------------------------------------------------------------- */

void sim_part_name(const struct sim_part *part, char name[64])
{
    int size = snprintf(name, 64, "%s_%d_%d_%d", part->partition, (int)part->min_block,
                        (int)part->max_block, (int)part->level);
    if (part->mutation != 0)
        snprintf(name + size, 64 - (size_t)size, "_%d", (int)part->mutation);
}

struct sim_part *sim_find_part(const struct sim_world *world, const char *name)
{
    char own[64];
    for (size_t i = 0; i < world->count; i++) {
        sim_part_name(world->parts[i], own);
        if (strcmp(own, name) == 0)
            return world->parts[i];
    }
    return NULL;
}

struct sim_part *sim_part_new(const char *partition, int64_t min, int64_t max, int64_t level,
                              int64_t mutation)
{
    struct sim_part *part = sim_memory(lx_calloc(1, sizeof *part));
    snprintf(part->partition, sizeof part->partition, "%s", partition);
    part->min_block = min;
    part->max_block = max;
    part->level = level;
    part->mutation = mutation;
    return part;
}

void sim_part_changed(struct sim_part *part)
{
    for (size_t i = 0; i < SIM_SCHEMAS; i++) {
        lx_free(part->hashes[i]);
        part->hashes[i] = NULL;
    }
}

void sim_part_free(struct sim_part *part)
{
    sim_part_changed(part);
    lx_free(part->rows);
    lx_free(part);
}

void sim_part_add(struct sim_part *part, const struct sim_row *row)
{
    if ((part->count & (part->count - 1)) == 0)
        part->rows = sim_memory(
            lx_realloc(part->rows, (part->count != 0 ? part->count * 2 : 1) * sizeof *row));
    part->rows[part->count++] = *row;
    sim_part_changed(part);
}

static int order_of(const struct sim_part *a, const struct sim_part *b)
{
    int order = strcmp(a->partition, b->partition);
    if (order != 0)
        return order;
    return a->min_block < b->min_block ? -1 : a->min_block > b->min_block;
}

void sim_add_part(struct sim_world *world, struct sim_part *part)
{
    if (world->count == world->cap) {
        world->cap = world->cap != 0 ? world->cap * 2 : 16;
        world->parts = sim_memory(lx_realloc(world->parts, world->cap * sizeof(struct sim_part *)));
    }
    size_t at = world->count++;
    for (; at > 0 && order_of(world->parts[at - 1], part) > 0; at--)
        world->parts[at] = world->parts[at - 1];
    world->parts[at] = part;
}

void sim_take_part(struct sim_world *world, struct sim_part *part)
{
    size_t at = 0;
    while (world->parts[at] != part)
        at++;
    world->count--;
    memmove(&world->parts[at], &world->parts[at + 1],
            (world->count - at) * sizeof(struct sim_part *));
}

void sim_drop_empty(struct sim_world *world)
{
    for (size_t i = world->count; i > 0; i--) {
        struct sim_part *part = world->parts[i - 1];
        if (part->count > 0)
            continue;
        sim_take_part(world, part);
        sim_part_free(part);
    }
}

void sim_world_show(const struct sim_world *world)
{
    char name[64], text[96];
    for (size_t i = 0; i < world->count; i++) {
        const struct sim_part *part = world->parts[i];
        sim_part_name(part, name);
        printf("        %s:", name);
        for (size_t r = 0; r < part->count; r++) {
            sim_unpack(sim_pack(&part->rows[r]), text, sizeof text);
            printf(" #%u%s", part->rows[r].uid, text);
        }
        printf("\n");
    }
}
