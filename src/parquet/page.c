#include "parquet/page.h"

#include "base/alloc.h"
#include "base/limits.h"

#include <assert.h>

#define LEAD_SHARE 16 /* of the bytes of the first rows */
#define LEAD_LEAST ((size_t)4096)
#define LEAD_MOST ((size_t)128 * 1024)

enum lx_status lx_pq_page_create(uint32_t width, struct lx_pq_page **out)
{
    struct lx_pq_page *page = lx_calloc(1, sizeof *page);
    if (page == NULL)
        return LX_E_MEMORY;
    lx_column_init(&page->values, width != 0 ? LX_COLUMN_FIXED : LX_COLUMN_BYTES, width);
    *out = page;
    return LX_OK;
}

void lx_pq_page_free(struct lx_pq_page *page)
{
    if (page == NULL)
        return;
    lx_column_free(&page->values);
    lx_free(page->ids);
    lx_free(page->definition);
    lx_free(page->repetition);
    lx_free(page);
}

void lx_pq_page_clear(struct lx_pq_page *page)
{
    lx_column_clear(&page->values);
    /* Levels are dropped: a page without NULLs is the common case and the fast one. */
    lx_free(page->definition);
    lx_free(page->repetition);
    page->definition = page->repetition = NULL;
    page->definition_cap = page->repetition_cap = 0;
    page->by_id = false;
    page->count = page->levels = page->rows = page->first_row = 0;
    page->raw_bytes = 0;
    page->next = NULL;
}

/* PLAIN bytes of the first k rows; monotonic in k. FIXED and BYTES. */
static size_t plain_bytes(const struct lx_column *column, int64_t from, int64_t k)
{
    if (column->shape == LX_COLUMN_FIXED)
        return (size_t)k * column->width;
    return column->offsets[from + k] - column->offsets[from] + (size_t)k * 4;
}

/* The least k <= rows with `room` plain bytes or more in the first k rows; rows + 1: none. */
static int64_t find_cut(const struct lx_column *column, int64_t from, int64_t rows, size_t room)
{
    int64_t low = 1, high = rows;
    if (plain_bytes(column, from, rows) < room)
        return rows + 1;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (plain_bytes(column, from, middle) >= room)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static int64_t find_cut_dict(const struct lx_column *column, int64_t from, int64_t rows,
                             size_t room)
{
    const struct lx_column *dict = column->dict;
    size_t bytes = 0;
    if (dict->shape == LX_COLUMN_FIXED)
        return find_cut(&(struct lx_column){.shape = LX_COLUMN_FIXED, .width = dict->width}, 0,
                        rows, room);
    for (int64_t k = 0; k < rows; k++) {
        uint32_t index = column->indexes[from + k];
        bytes += dict->offsets[index + 1] - dict->offsets[index] + 4;
        if (bytes >= room)
            return k + 1;
    }
    return rows + 1;
}

int64_t lx_pq_page_room(const struct lx_pq_page *page, const struct lx_column *column, int64_t from,
                        int64_t rows, size_t max_bytes, int64_t max_rows, bool *full)
{
    size_t room = page->raw_bytes < max_bytes ? max_bytes - page->raw_bytes : 1;
    int64_t most = max_rows - page->rows;
    int64_t cut = column->shape == LX_COLUMN_DICT ? find_cut_dict(column, from, rows, room)
                                                  : find_cut(column, from, rows, room);
    cut = cut < most ? cut : most;
    *full = cut <= rows;
    return cut <= rows ? cut : rows;
}

static size_t plain_bytes_of(const struct lx_column *column, int64_t from, int64_t rows)
{
    if (column->shape != LX_COLUMN_DICT)
        return plain_bytes(column, from, rows);
    if (column->dict->shape == LX_COLUMN_FIXED)
        return (size_t)rows * column->dict->width;
    size_t bytes = (size_t)rows * 4;
    for (int64_t i = from; i < from + rows; i++) {
        uint32_t index = column->indexes[i];
        bytes += column->dict->offsets[index + 1] - column->dict->offsets[index];
    }
    return bytes;
}

/* Grows an array of bytes to hold `need`. */
static enum lx_status grow(uint8_t **array, size_t *cap, size_t need)
{
    if (need <= *cap)
        return LX_OK;
    size_t want = need + need / 2 + 1024;
    uint8_t *fresh = lx_realloc(*array, want);
    if (fresh == NULL)
        return LX_E_MEMORY;
    *array = fresh;
    *cap = want;
    return LX_OK;
}

enum lx_status lx_pq_page_reserve_ids(struct lx_pq_page *page, size_t count)
{
    size_t need = (size_t)page->count + count;
    if (need <= page->ids_cap)
        return LX_OK;
    size_t want = need + need / 2 + 1024;
    uint32_t *fresh = lx_realloc(page->ids, want * sizeof *fresh);
    if (fresh == NULL)
        return LX_E_MEMORY;
    page->ids = fresh;
    page->ids_cap = want;
    return LX_OK;
}

/* Levels of `rows` further flat rows, NULL flags or NULL. Levels start with the first NULL. */
static enum lx_status append_flat_levels(struct lx_pq_page *page, const uint8_t *nulls,
                                         int64_t rows)
{
    size_t have = (size_t)page->levels, more = (size_t)rows;
    if (nulls == NULL && page->definition == NULL)
        return LX_OK;
    bool first = page->definition == NULL;
    if (first && memchr(nulls, 1, more) == NULL)
        return LX_OK;
    LX_TRY(grow(&page->definition, &page->definition_cap, have + more));
    if (first)
        memset(page->definition, 1, have);
    for (size_t i = 0; i < more; i++)
        page->definition[have + i] = nulls == NULL || nulls[i] == 0;
    return LX_OK;
}

/* Appends the values of rows that are not NULL, run by run. */
static enum lx_status append_present(struct lx_pq_page *page, const struct lx_column *column,
                                     int64_t from, int64_t rows)
{
    struct lx_column bare = *column; /* without flags: only values go in */
    const uint8_t *nulls = column->nulls;
    bare.nulls = NULL;
    if (nulls == NULL)
        return lx_column_append_range(&page->values, &bare, from, rows);
    for (int64_t i = from, end = from + rows; i < end;) {
        int64_t run = i;
        while (run < end && nulls[run] == 0)
            run++;
        if (run > i)
            LX_TRY(lx_column_append_range(&page->values, &bare, i, run - i));
        for (i = run; i < end && nulls[i] != 0;)
            i++;
    }
    return LX_OK;
}

/* Room in front of a page's texts, so that their lengths need not be put into a second copy with
 * them (page_encode.c, build_body): some bits a value, of texts that are worth it. */
static enum lx_status leave_lead(struct lx_pq_page *page, const struct lx_column *column,
                                 int64_t from, int64_t rows)
{
    if (column->shape != LX_COLUMN_BYTES || page->values.rows != 0)
        return LX_OK;
    size_t bytes = column->offsets[from + rows] - column->offsets[from];
    size_t lead = bytes / LEAD_SHARE;
    if (lead < LEAD_LEAST || bytes > LX_MAX_COLUMN_HEAP / 2) /* huge ones need all there is */
        return LX_OK;
    return lx_column_lead(&page->values, (uint32_t)(lead < LEAD_MOST ? lead : LEAD_MOST));
}

static void count_rows(struct lx_pq_page *page, const struct lx_column *column, int64_t from,
                       int64_t rows)
{
    page->rows += rows;
    page->levels += rows;
    page->raw_bytes += plain_bytes_of(column, from, rows);
}

enum lx_status lx_pq_page_append(struct lx_pq_page *page, const struct lx_column *column,
                                 int64_t from, int64_t rows, bool optional)
{
    const uint8_t *nulls = column->nulls != NULL ? column->nulls + from : NULL;
    assert(!page->by_id || page->levels == 0);
    if (optional)
        LX_TRY(append_flat_levels(page, nulls, rows));
    LX_TRY(leave_lead(page, column, from, rows));
    LX_TRY(append_present(page, column, from, rows));
    page->count = page->values.rows;
    count_rows(page, column, from, rows);
    return LX_OK;
}

enum lx_status lx_pq_page_append_ids(struct lx_pq_page *page, const struct lx_column *column,
                                     int64_t from, int64_t rows, bool optional,
                                     const uint32_t *numbers)
{
    const uint8_t *nulls = column->nulls != NULL ? column->nulls + from : NULL;
    assert(page->by_id);
    LX_TRY(lx_pq_page_reserve_ids(page, (size_t)rows));
    if (optional)
        LX_TRY(append_flat_levels(page, nulls, rows));
    uint32_t *ids = page->ids + page->count;
    for (int64_t i = 0; i < rows; i++) {
        if (nulls == NULL || nulls[i] == 0) {
            *ids++ = numbers[column->indexes[from + i]];
            page->count++;
        }
    }
    count_rows(page, column, from, rows);
    return LX_OK;
}

enum lx_status lx_pq_page_append_levels(struct lx_pq_page *page,
                                        const struct lx_parquet_levels *levels, int64_t from,
                                        int64_t to, int64_t value_from, int64_t value_to,
                                        int64_t rows)
{
    size_t have = (size_t)page->levels, more = (size_t)(to - from);
    assert(!page->by_id);
    if (levels->definition != NULL) {
        LX_TRY(grow(&page->definition, &page->definition_cap, have + more));
        memcpy(page->definition + have, levels->definition + from, more);
    }
    if (levels->repetition != NULL) {
        LX_TRY(grow(&page->repetition, &page->repetition_cap, have + more));
        memcpy(page->repetition + have, levels->repetition + from, more);
    }
    if (value_to > value_from) {
        LX_TRY(lx_column_append_range(&page->values, levels->values, value_from,
                                      value_to - value_from));
        page->raw_bytes += plain_bytes_of(levels->values, value_from, value_to - value_from);
    }
    page->count = page->values.rows;
    page->levels += (int64_t)more;
    page->rows += rows;
    return LX_OK;
}
