/* lynex inspect FILE COLUMN: the pages of one column, as the page index has them. */
#include "cmd/inspect.h"

#include "base/civil.h"
#include "cmd/terminal.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#define TEXT_SHOWN 24 /* bytes of a text bound; of other bytes half as many */

/* -- bounds -------------------------------------------------------------------------------- */

static void text_bound(struct lx_str bytes, char *text, size_t size)
{
    size_t used = 0, shown = bytes.len < TEXT_SHOWN ? bytes.len : TEXT_SHOWN;
    while (shown > 0 && shown < bytes.len && ((uint8_t)bytes.ptr[shown] & 0xc0) == 0x80)
        shown--; /* not within a character */
    text[0] = 0;
    for (size_t i = 0; i < shown && used + 8 < size; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];
        used += (size_t)snprintf(text + used, size - used, iscntrl(c) ? "\\x%02x" : "%c", c);
    }
    if (shown < bytes.len)
        snprintf(text + used, size - used, "…");
}

static void bytes_bound(struct lx_str bytes, char *text, size_t size)
{
    size_t used = 0, shown = bytes.len < TEXT_SHOWN / 2 ? bytes.len : TEXT_SHOWN / 2;
    text[0] = 0;
    for (size_t i = 0; i < shown; i++)
        used += (size_t)snprintf(text + used, size - used, "%02x", (uint8_t)bytes.ptr[i]);
    if (shown < bytes.len)
        snprintf(text + used, size - used, "…");
}

static void integer_bound(const struct lx_parquet_logical *logical, int64_t value, char *text,
                          size_t size)
{
    char time[LX_TIME_TEXT];
    static const int64_t parts[] = {
        [LX_PARQUET_MILLIS] = 1, [LX_PARQUET_MICROS] = 1000, [LX_PARQUET_NANOS] = 1000000};
    if (logical->kind == LX_PARQUET_LOGICAL_TIMESTAMP) {
        int64_t part = parts[logical->unit], ms = value / part - (value % part < 0);
        lx_time_iso(ms, time);
        snprintf(text, size, "%s", time);
    } else if (logical->kind == LX_PARQUET_LOGICAL_DATE) {
        lx_time_date(value * 86400000, time);
        snprintf(text, size, "%s", time);
    } else if (logical->kind == LX_PARQUET_LOGICAL_INTEGER && !logical->is_signed) {
        snprintf(text, size, "%" PRIu64, (uint64_t)value);
    } else {
        snprintf(text, size, "%" PRId64, value);
    }
}

static void bound_text(const struct lx_parquet_field *field, struct lx_str bytes, char *text,
                       size_t size)
{
    int32_t narrow;
    int64_t wide;
    float single;
    double real;
    bool is_text = field->logical.kind == LX_PARQUET_LOGICAL_STRING ||
                   field->logical.kind == LX_PARQUET_LOGICAL_ENUM ||
                   field->logical.kind == LX_PARQUET_LOGICAL_JSON;
    if (field->physical == LX_PARQUET_INT32 && bytes.len == sizeof narrow) {
        memcpy(&narrow, bytes.ptr, sizeof narrow);
        bool is_unsigned =
            field->logical.kind == LX_PARQUET_LOGICAL_INTEGER && !field->logical.is_signed;
        integer_bound(&field->logical, is_unsigned ? (int64_t)(uint32_t)narrow : narrow, text,
                      size);
    } else if (field->physical == LX_PARQUET_INT64 && bytes.len == sizeof wide) {
        memcpy(&wide, bytes.ptr, sizeof wide);
        integer_bound(&field->logical, wide, text, size);
    } else if (field->physical == LX_PARQUET_FLOAT && bytes.len == sizeof single) {
        memcpy(&single, bytes.ptr, sizeof single);
        snprintf(text, size, "%.9g", (double)single);
    } else if (field->physical == LX_PARQUET_DOUBLE && bytes.len == sizeof real) {
        memcpy(&real, bytes.ptr, sizeof real);
        snprintf(text, size, "%.17g", real);
    } else if (field->physical == LX_PARQUET_BOOLEAN && bytes.len == 1) {
        snprintf(text, size, "%s", bytes.ptr[0] != 0 ? "true" : "false");
    } else if (is_text) {
        text_bound(bytes, text, size);
    } else {
        bytes_bound(bytes, text, size);
    }
}

/* -- pages --------------------------------------------------------------------------------- */

static void add_page(struct lx_table *table, const struct lx_parquet_field *field, size_t group,
                     size_t number, const struct lx_parquet_page_info *page)
{
    char first[LX_SHORT_TEXT], rows[LX_SHORT_TEXT], bytes[LX_SHORT_TEXT], nulls[LX_SHORT_TEXT];
    char min[160] = "-", max[160] = "-";
    lx_text_count(page->first_row, first);
    lx_text_count(page->rows, rows);
    lx_text_bytes(page->bytes, bytes);
    lx_text_count(page->null_count, nulls);
    if (page->bounds.has_min)
        bound_text(field, page->bounds.min, min, sizeof min);
    if (page->bounds.has_max)
        bound_text(field, page->bounds.max, max, sizeof max);
    lx_table_add(table, "%zu", group);
    lx_table_add(table, "%zu", number);
    lx_table_add(table, "%s", first);
    lx_table_add(table, "%s", rows);
    lx_table_add(table, "%s", bytes);
    lx_table_add(table, "%s", page->null_count < 0 ? "?" : page->null_count == 0 ? "-" : nulls);
    lx_table_add(table, "%s", min);
    lx_table_add(table, "%s", max);
}

static enum lx_status add_pages(const struct lx_parquet_reader *reader, uint32_t leaf,
                                struct lx_table *table, struct lx_err *err)
{
    const struct lx_parquet_metadata *m = lx_parquet_reader_metadata(reader);
    for (size_t g = 0; g < m->row_group_count; g++) {
        struct lx_parquet_page_index index;
        LX_TRY(lx_parquet_reader_page_index(reader, g, leaf, &index, err));
        for (size_t i = 0; i < index.page_count; i++)
            add_page(table, m->schema.leaves[leaf].field, g, i, &index.pages[i]);
        lx_parquet_page_index_free(&index);
    }
    return LX_OK;
}

enum lx_status lx_inspect_pages(const struct lx_parquet_reader *reader, const char *column,
                                bool color, struct lx_buf *text, struct lx_err *err)
{
    static const char *const heads[] = {">ROW GROUP", ">PAGE",  ">FIRST ROW", ">ROWS",
                                        ">BYTES",     ">NULLS", "MIN",        "MAX"};
    struct lx_table table;
    uint32_t leaf;
    enum lx_status status = lx_parquet_reader_leaf(reader, lx_str_of(column), &leaf, err);
    if (status != LX_OK) {
        lx_err_hint(err, "without a column, lynex inspect lists them");
        return status;
    }
    lx_table_init(&table, sizeof heads / sizeof heads[0]);
    table.width = lx_terminal_width();
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        lx_table_add(&table, "%s", heads[i]);
    status = add_pages(reader, leaf, &table, err);
    if (status == LX_OK && lx_table_print(&table, 0, color, text) != LX_OK)
        status = lx_err_memory(err);
    lx_table_free(&table);
    return status;
}

static void put_bound(json_t *page, const char *name, bool has,
                      const struct lx_parquet_field *field, struct lx_str bytes)
{
    char text[160];
    if (!has)
        return;
    bound_text(field, bytes, text, sizeof text);
    json_object_set_new(page, name, json_string(text));
}

enum lx_status lx_inspect_pages_json(const struct lx_parquet_reader *reader, const char *column,
                                     json_t **json, struct lx_err *err)
{
    const struct lx_parquet_metadata *m = lx_parquet_reader_metadata(reader);
    json_t *pages = json_array();
    uint32_t leaf;
    enum lx_status status = lx_parquet_reader_leaf(reader, lx_str_of(column), &leaf, err);
    for (size_t g = 0; status == LX_OK && g < m->row_group_count; g++) {
        struct lx_parquet_page_index index;
        status = lx_parquet_reader_page_index(reader, g, leaf, &index, err);
        for (size_t i = 0; status == LX_OK && i < index.page_count; i++) {
            const struct lx_parquet_page_info *page = &index.pages[i];
            const struct lx_parquet_field *field = m->schema.leaves[leaf].field;
            json_t *one =
                json_pack("{s:I,s:I,s:I,s:I,s:I}", "row_group", (json_int_t)g, "first_row",
                          (json_int_t)page->first_row, "rows", (json_int_t)page->rows, "bytes",
                          (json_int_t)page->bytes, "nulls", (json_int_t)page->null_count);
            put_bound(one, "min", page->bounds.has_min, field, page->bounds.min);
            put_bound(one, "max", page->bounds.has_max, field, page->bounds.max);
            json_array_append_new(pages, one);
        }
        if (status == LX_OK)
            lx_parquet_page_index_free(&index);
    }
    if (status != LX_OK)
        json_decref(pages);
    else
        *json = json_pack("{s:s,s:o}", "column", column, "pages", pages);
    return status;
}
