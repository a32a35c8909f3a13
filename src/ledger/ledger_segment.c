/* Segments as values: copy, free, order, overlap. */
#include "base/alloc.h"
#include "ledger/ledger_domain.h"

#include <stdio.h>

static enum lx_status copy_text(const char *text, char **copy)
{
    *copy = text != NULL ? lx_strdup(text) : NULL;
    return text == NULL || *copy != NULL ? LX_OK : LX_E_MEMORY;
}

static enum lx_status copy_where(const struct lx_segment *segment, struct lx_segment *made)
{
    made->where = NULL;
    made->where_count = 0;
    if (segment->where_count == 0)
        return LX_OK;
    made->where = lx_calloc(segment->where_count, sizeof *made->where);
    if (made->where == NULL)
        return LX_E_MEMORY;
    for (size_t i = 0; i < segment->where_count; i++) {
        struct lx_where *to = &made->where[i];
        *to = segment->where[i];
        to->path = NULL;
        made->where_count = i + 1;
        LX_TRY(copy_text(segment->where[i].path, &to->path));
    }
    return LX_OK;
}

enum lx_status lx_segment_copy(const struct lx_segment *segment, struct lx_segment *copy)
{
    enum lx_status status;
    struct lx_segment made = *segment;
    made.source = made.partition = made.host = NULL;
    made.where = NULL;
    made.where_count = 0;
    LX_TRY_GOTO(copy_text(segment->source, &made.source), failed);
    LX_TRY_GOTO(copy_text(segment->partition, &made.partition), failed);
    LX_TRY_GOTO(copy_text(segment->host, &made.host), failed);
    LX_TRY_GOTO(copy_where(segment, &made), failed);
    *copy = made;
    return LX_OK;
failed:
    lx_segment_free(&made);
    return status;
}

void lx_segment_free(struct lx_segment *segment)
{
    if (segment == NULL)
        return;
    for (size_t i = 0; i < segment->where_count; i++)
        lx_free(segment->where[i].path);
    lx_free(segment->where);
    lx_free(segment->source);
    lx_free(segment->partition);
    lx_free(segment->host);
    *segment = (struct lx_segment){0};
}

bool lx_segment_touches(const struct lx_segment *segment, const char *source, const char *partition,
                        int64_t min_block, int64_t max_block)
{
    return segment->min_block <= max_block && min_block <= segment->max_block &&
           strcmp(segment->partition, partition) == 0 && strcmp(segment->source, source) == 0;
}

static int compare_i64(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

int lx_segment_compare(const struct lx_segment *a, const struct lx_segment *b)
{
    int order = strcmp(a->source, b->source);
    if (order == 0)
        order = strcmp(a->partition, b->partition);
    if (order == 0)
        order = compare_i64(a->min_block, b->min_block);
    if (order == 0)
        order = compare_i64(a->from, b->from);
    return order != 0 ? order : strcmp(a->id, b->id);
}

void lx_ledger_new_id(const struct lx_random *random, char id[LX_LEDGER_ID])
{
    unsigned char bytes[(LX_LEDGER_ID - 1) / 2];
    random->fill(random->self, bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(id + 2 * i, 3, "%02x", bytes[i]);
}
