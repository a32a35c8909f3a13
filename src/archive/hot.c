#include "archive/hot.h"

#include "base/alloc.h"
#include "base/civil.h"

#include <assert.h>
#include <stdlib.h>

void lx_hot_table_free(struct lx_hot_table *table)
{
    if (table == NULL)
        return;
    char *const texts[] = {table->database,    table->name,       table->uuid,
                           table->engine,      table->create_sql, table->partition_key,
                           table->sorting_key, table->host,       table->version,
                           table->time_column, table->ttl_sql};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        lx_free(texts[i]);
    for (size_t i = 0; i < table->column_count; i++) {
        /* One allocation a column holds its four texts, the name first. */
        char *memory;
        memcpy(&memory, &table->columns[i].name.ptr, sizeof memory);
        lx_free(memory);
    }
    lx_free(table->columns);
    lx_ch_type_free(&table->time_type);
    lx_free(table);
}

void lx_hot_parts_free(struct lx_hot_parts *parts)
{
    for (size_t i = 0; i < parts->count; i++) {
        lx_free(parts->parts[i].partition);
        lx_free(parts->parts[i].name);
        lx_free(parts->parts[i].days);
    }
    lx_free(parts->parts);
    *parts = (struct lx_hot_parts){0};
}

int64_t lx_hot_part_rows_before(const struct lx_hot_part *part, int64_t to)
{
    int64_t day = lx_floor_div(to, LX_DAY_SECONDS), rows = 0;
    assert(to <= part->days_to); /* too few would be counted, and rows be taken for gone */
    for (size_t i = 0; i < part->day_count && part->days[i].day < day; i++)
        rows += part->days[i].rows;
    return rows;
}

const struct lx_hot_part *lx_hot_parts_find(const struct lx_hot_parts *parts, const char *name)
{
    for (size_t i = 0; i < parts->count; i++)
        if (strcmp(parts->parts[i].name, name) == 0)
            return &parts->parts[i];
    return NULL;
}

/* Takes "_<number>" off the front. */
static bool take_block(struct lx_str *text, int64_t *value)
{
    if (text->len < 2 || text->ptr[0] != '_')
        return false;
    size_t digits = 1;
    while (digits < text->len && text->ptr[digits] >= '0' && text->ptr[digits] <= '9')
        digits++;
    if (!lx_str_to_i64((struct lx_str){text->ptr + 1, digits - 1}, value))
        return false;
    text->ptr += digits;
    text->len -= digits;
    return true;
}

bool lx_hot_part_parse(struct lx_str name, const char *partition, struct lx_hot_part *part)
{
    struct lx_str id = lx_str_of(partition);
    if (!lx_str_starts(name, id))
        return false;
    name.ptr += id.len;
    name.len -= id.len;
    if (!take_block(&name, &part->min_block) || !take_block(&name, &part->max_block) ||
        !take_block(&name, &part->level) || part->min_block > part->max_block)
        return false;
    part->mutation = 0;
    return name.len == 0 || (take_block(&name, &part->mutation) && name.len == 0);
}
