/* Page headers, page indexes and Bloom filter headers from Thrift. */
#include "parquet/metadata.h"
#include "parquet/thrift.h"

/* -- page headers -------------------------------------------------------------------------- */

static enum lx_parquet_encoding read_encoding(struct lx_pq_thrift_reader *t,
                                              const struct lx_pq_thrift_field *at)
{
    int32_t encoding = lx_pq_thrift_i32(t, at);
    if (encoding < 0 || encoding >= LX_PARQUET_BYTE_STREAM_SPLIT) {
        lx_pq_thrift_fail(t, "a page has an unknown encoding");
        return LX_PARQUET_PLAIN;
    }
    return (enum lx_parquet_encoding)(encoding + 1);
}

static void read_data_page(struct lx_pq_thrift_reader *t, const struct lx_pq_thrift_field *outer,
                           struct lx_pq_page_header *header)
{
    struct lx_pq_thrift_field at = {0};
    if (!lx_pq_thrift_enter(t, outer->type))
        return;
    while (lx_pq_thrift_next(t, &at)) {
        switch (at.id) {
        case 1: header->values = lx_pq_thrift_i32(t, &at); break;
        case 2: header->encoding = read_encoding(t, &at); break;
        case 3: header->definition_encoding = read_encoding(t, &at); break;
        case 4: header->repetition_encoding = read_encoding(t, &at); break;
        default: lx_pq_thrift_skip(t, &at); break;
        }
    }
    lx_pq_thrift_leave(t);
}

static void read_dictionary_page(struct lx_pq_thrift_reader *t,
                                 const struct lx_pq_thrift_field *outer,
                                 struct lx_pq_page_header *header)
{
    struct lx_pq_thrift_field at = {0};
    if (!lx_pq_thrift_enter(t, outer->type))
        return;
    while (lx_pq_thrift_next(t, &at)) {
        switch (at.id) {
        case 1: header->values = lx_pq_thrift_i32(t, &at); break;
        case 2: header->encoding = read_encoding(t, &at); break;
        default: lx_pq_thrift_skip(t, &at); break;
        }
    }
    lx_pq_thrift_leave(t);
}

static void read_data_page_v2(struct lx_pq_thrift_reader *t, const struct lx_pq_thrift_field *outer,
                              struct lx_pq_page_header *header)
{
    struct lx_pq_thrift_field at = {0};
    header->is_compressed = true;
    if (!lx_pq_thrift_enter(t, outer->type))
        return;
    while (lx_pq_thrift_next(t, &at)) {
        switch (at.id) {
        case 1: header->values = lx_pq_thrift_i32(t, &at); break;
        case 2: header->nulls = lx_pq_thrift_i32(t, &at); break;
        case 3: header->rows = lx_pq_thrift_i32(t, &at); break;
        case 4: header->encoding = read_encoding(t, &at); break;
        case 5: header->definition_bytes = lx_pq_thrift_i32(t, &at); break;
        case 6: header->repetition_bytes = lx_pq_thrift_i32(t, &at); break;
        case 7: header->is_compressed = lx_pq_thrift_bool(t, &at); break;
        default: lx_pq_thrift_skip(t, &at); break;
        }
    }
    lx_pq_thrift_leave(t);
}

/* Bits: which of the page kinds' structs were there. */
static unsigned read_header(struct lx_pq_thrift_reader *t, struct lx_pq_page_header *header)
{
    struct lx_pq_thrift_field at = {0};
    unsigned seen = 0;
    int32_t type = -1;
    if (!lx_pq_thrift_enter(t, LX_PQ_THRIFT_STRUCT))
        return 0;
    while (lx_pq_thrift_next(t, &at)) {
        switch (at.id) {
        case 1: type = lx_pq_thrift_i32(t, &at); break;
        case 2: header->raw_bytes = lx_pq_thrift_i32(t, &at); break;
        case 3: header->bytes = lx_pq_thrift_i32(t, &at); break;
        case 4:
            header->crc = (uint32_t)lx_pq_thrift_i32(t, &at);
            header->has_crc = true;
            break;
        case 5:
            seen |= 1u << LX_PQ_DATA_PAGE;
            read_data_page(t, &at, header);
            break;
        case 7:
            seen |= 1u << LX_PQ_DICTIONARY_PAGE;
            read_dictionary_page(t, &at, header);
            break;
        case 8:
            seen |= 1u << LX_PQ_DATA_PAGE_V2;
            read_data_page_v2(t, &at, header);
            break;
        default: lx_pq_thrift_skip(t, &at); break;
        }
    }
    lx_pq_thrift_leave(t);
    if (t->failure == NULL && (type < LX_PQ_DATA_PAGE || type > LX_PQ_DATA_PAGE_V2))
        lx_pq_thrift_fail(t, "a page has an unknown type");
    header->type = (enum lx_pq_page_type)type;
    return seen;
}

static const char *check_header(const struct lx_pq_page_header *header, unsigned seen)
{
    if (header->raw_bytes < 0 || header->bytes < 0 || header->values < 0)
        return "a page has a negative size";
    if (header->type != LX_PQ_INDEX_PAGE && seen != 1u << header->type)
        return "a page header does not fit its type";
    if (header->type != LX_PQ_DATA_PAGE_V2)
        return NULL;
    if (header->nulls < 0 || header->nulls > header->values || header->rows < 0 ||
        header->rows > header->values || header->definition_bytes < 0 ||
        header->repetition_bytes < 0 || header->definition_bytes > header->raw_bytes ||
        header->repetition_bytes > header->raw_bytes - header->definition_bytes ||
        header->definition_bytes > header->bytes ||
        header->repetition_bytes > header->bytes - header->definition_bytes)
        return "the numbers of a page do not add up";
    return NULL;
}

enum lx_pq_header_result lx_pq_page_header_read(const void *bytes, size_t size,
                                                struct lx_pq_page_header *header, size_t *used,
                                                const char **why)
{
    struct lx_pq_thrift_reader t;
    struct lx_pq_page_header read = {.encoding = LX_PARQUET_ENCODING_AUTO};
    lx_pq_thrift_open(&t, bytes, size);
    unsigned seen = read_header(&t, &read);
    if (t.failure != NULL && t.ended)
        return LX_PQ_HEADER_SHORT;
    if (t.failure == NULL)
        t.failure = check_header(&read, seen);
    if (t.failure != NULL) {
        *why = t.failure;
        return LX_PQ_HEADER_BROKEN;
    }
    *header = read;
    *used = size - lx_cursor_left(&t.cursor);
    return LX_PQ_HEADER_OK;
}

/* -- page index ---------------------------------------------------------------------------- */

static void read_location(struct lx_pq_thrift_reader *t, struct lx_pq_index_page *page)
{
    struct lx_pq_thrift_field at = {0};
    if (!lx_pq_thrift_enter(t, LX_PQ_THRIFT_STRUCT))
        return;
    while (lx_pq_thrift_next(t, &at)) {
        switch (at.id) {
        case 1: page->offset = lx_pq_thrift_i64(t, &at); break;
        case 2: page->bytes = lx_pq_thrift_i32(t, &at); break;
        case 3: page->first_row = lx_pq_thrift_i64(t, &at); break;
        default: lx_pq_thrift_skip(t, &at); break;
        }
    }
    lx_pq_thrift_leave(t);
    if (page->offset < 0 || page->bytes < 0 || page->first_row < 0)
        lx_pq_thrift_fail(t, "an offset index has a negative number");
}

static void read_locations(struct lx_pq_thrift_reader *t, const struct lx_pq_thrift_field *list,
                           struct lx_pq_arena *arena, struct lx_pq_index *index)
{
    size_t count = lx_pq_thrift_list(t, list, LX_PQ_THRIFT_STRUCT);
    index->pages = lx_pq_arena_alloc(arena, count, sizeof *index->pages);
    if (index->pages == NULL) {
        lx_pq_thrift_fail(t, "an offset index takes too much memory");
        return;
    }
    for (size_t i = 0; i < count && t->failure == NULL; i++) {
        index->pages[i] = (struct lx_pq_index_page){.null_count = -1, .text_bytes = -1};
        read_location(t, &index->pages[i]);
        if (i > 0 && index->pages[i].first_row < index->pages[i - 1].first_row)
            lx_pq_thrift_fail(t, "the rows of an offset index go backwards");
    }
    index->count = count;
}

enum lx_status lx_pq_offset_index_read(struct lx_pq_arena *arena, const void *bytes, size_t size,
                                       struct lx_pq_index *index, const char **why)
{
    struct lx_pq_thrift_reader t;
    struct lx_pq_thrift_field at = {0};
    struct lx_pq_index read = {.pages = NULL};
    lx_pq_thrift_open(&t, bytes, size);
    if (lx_pq_thrift_enter(&t, LX_PQ_THRIFT_STRUCT)) {
        while (lx_pq_thrift_next(&t, &at)) {
            if (at.id == 1)
                read_locations(&t, &at, arena, &read);
            else
                lx_pq_thrift_skip(&t, &at);
        }
    }
    if (t.failure == NULL && read.pages == NULL)
        t.failure = "an offset index has no pages";
    if (t.failure != NULL) {
        *why = t.failure;
        return arena->starved ? LX_E_MEMORY : LX_E_FORMAT;
    }
    *index = read;
    return LX_OK;
}

static void read_null_pages(struct lx_pq_thrift_reader *t, size_t count, struct lx_pq_index *index)
{
    for (size_t i = 0; i < count; i++)
        index->pages[i].all_null = lx_pq_thrift_next_bool(t);
}

static void read_bounds(struct lx_pq_thrift_reader *t, size_t count, bool is_min,
                        struct lx_pq_index *index)
{
    for (size_t i = 0; i < count; i++) {
        struct lx_str bound = lx_pq_thrift_next_binary(t);
        if (is_min)
            index->pages[i].min = bound;
        else
            index->pages[i].max = bound;
    }
}

static void read_null_counts(struct lx_pq_thrift_reader *t, size_t count, struct lx_pq_index *index)
{
    for (size_t i = 0; i < count; i++) {
        index->pages[i].null_count = lx_pq_thrift_next_i64(t);
        if (index->pages[i].null_count < -1)
            lx_pq_thrift_fail(t, "a column index has a negative number of NULLs");
    }
    index->has_null_counts = true;
}

/* A list that must be as long as the offset index. */
static bool is_whole(struct lx_pq_thrift_reader *t, const struct lx_pq_thrift_field *at,
                     enum lx_pq_thrift_type type, const struct lx_pq_index *index)
{
    if (lx_pq_thrift_list(t, at, type) != index->count)
        lx_pq_thrift_fail(t, "a column index has another number of pages than the offset index");
    return t->failure == NULL;
}

static unsigned read_column_index(struct lx_pq_thrift_reader *t, struct lx_pq_index *index)
{
    struct lx_pq_thrift_field at = {0};
    unsigned seen = 0;
    if (!lx_pq_thrift_enter(t, LX_PQ_THRIFT_STRUCT))
        return 0;
    while (lx_pq_thrift_next(t, &at)) {
        seen |= at.id >= 1 && at.id <= 5 ? 1u << at.id : 0;
        if (at.id == 1) {
            if (is_whole(t, &at, LX_PQ_THRIFT_TRUE, index))
                read_null_pages(t, index->count, index);
        } else if (at.id == 2 || at.id == 3) {
            if (is_whole(t, &at, LX_PQ_THRIFT_BINARY, index))
                read_bounds(t, index->count, at.id == 2, index);
        } else if (at.id == 4) {
            int32_t order = lx_pq_thrift_i32(t, &at);
            index->order = order == 1   ? LX_PARQUET_ASCENDING
                           : order == 2 ? LX_PARQUET_DESCENDING
                                        : LX_PARQUET_UNORDERED;
        } else if (at.id == 5) {
            if (is_whole(t, &at, LX_PQ_THRIFT_I64, index))
                read_null_counts(t, index->count, index);
        } else {
            lx_pq_thrift_skip(t, &at);
        }
    }
    lx_pq_thrift_leave(t);
    return seen;
}

enum lx_status lx_pq_column_index_read(struct lx_pq_arena *arena, const void *bytes, size_t size,
                                       struct lx_pq_index *index, const char **why)
{
    const unsigned needed = 1u << 1 | 1u << 2 | 1u << 3;
    struct lx_pq_thrift_reader t;
    struct lx_pq_index read = *index;
    read.pages = lx_pq_arena_alloc(arena, index->count, sizeof *index->pages);
    if (read.pages == NULL) {
        *why = "a column index takes too much memory";
        return arena->starved ? LX_E_MEMORY : LX_E_FORMAT;
    }
    if (index->count != 0)
        memcpy(read.pages, index->pages, index->count * sizeof *index->pages);
    lx_pq_thrift_open(&t, bytes, size);
    unsigned seen = read_column_index(&t, &read);
    if (t.failure == NULL && (seen & needed) != needed)
        t.failure = "a column index has no bounds";
    if (t.failure != NULL) {
        *why = t.failure;
        return arena->starved ? LX_E_MEMORY : LX_E_FORMAT;
    }
    *index = read;
    return LX_OK;
}

/* -- Bloom filters ------------------------------------------------------------------------- */

/* A union of which only the first member is known: true if it is that one. */
static bool read_first_member(struct lx_pq_thrift_reader *t, const struct lx_pq_thrift_field *outer)
{
    struct lx_pq_thrift_field at = {0};
    bool first = false;
    if (!lx_pq_thrift_enter(t, outer->type))
        return false;
    while (lx_pq_thrift_next(t, &at)) {
        first = at.id == 1;
        lx_pq_thrift_skip(t, &at);
    }
    lx_pq_thrift_leave(t);
    return first;
}

enum lx_status lx_pq_bloom_header_read(const void *bytes, size_t size, int32_t *filter_bytes,
                                       size_t *used, struct lx_err *err)
{
    struct lx_pq_thrift_reader t;
    struct lx_pq_thrift_field at = {0};
    int32_t told = -1;
    unsigned known = 0;
    lx_pq_thrift_open(&t, bytes, size);
    if (lx_pq_thrift_enter(&t, LX_PQ_THRIFT_STRUCT)) {
        while (lx_pq_thrift_next(&t, &at)) {
            if (at.id == 1)
                told = lx_pq_thrift_i32(&t, &at);
            else if (at.id >= 2 && at.id <= 4)
                known |= read_first_member(&t, &at) ? 1u << at.id : 0;
            else
                lx_pq_thrift_skip(&t, &at);
        }
    }
    if (t.failure != NULL)
        return lx_err_set(err, LX_E_FORMAT, "broken Bloom filter header: %s", t.failure);
    if (known != (1u << 2 | 1u << 3 | 1u << 4))
        return lx_err_set(err, LX_E_UNSUPPORTED, "a Bloom filter of an unknown kind");
    if (told < 32 || told % 32 != 0)
        return lx_err_set(err, LX_E_FORMAT, "a Bloom filter of %d bytes", told);
    *filter_bytes = told;
    *used = size - lx_cursor_left(&t.cursor);
    return LX_OK;
}
