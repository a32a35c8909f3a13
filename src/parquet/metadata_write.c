/* Footer, page headers, indexes and filter headers as Thrift. */
#include "parquet/crc.h"
#include "parquet/metadata.h"
#include "parquet/schema.h"
#include "parquet/thrift.h"

#include <assert.h>

#define I32 LX_PQ_THRIFT_I32
#define I64 LX_PQ_THRIFT_I64
#define BINARY LX_PQ_THRIFT_BINARY
#define STRUCT LX_PQ_THRIFT_STRUCT

/* The format's number of an encoding or a codec. */
static int32_t wire(unsigned value)
{
    return (int32_t)value - 1;
}

enum lx_status lx_pq_page_header_write(const struct lx_pq_page_header *header, struct lx_buf *out)
{
    struct lx_pq_thrift_writer w;
    lx_pq_thrift_start(&w, out);
    lx_pq_thrift_begin(&w);
    lx_pq_thrift_put_i32(&w, 1, (int32_t)header->type);
    lx_pq_thrift_put_i32(&w, 2, header->raw_bytes);
    lx_pq_thrift_put_i32(&w, 3, header->bytes);
    if (header->has_crc)
        lx_pq_thrift_put_i32(&w, 4, (int32_t)header->crc);
    if (header->type == LX_PQ_DATA_PAGE) {
        lx_pq_thrift_put_struct(&w, 5);
        lx_pq_thrift_put_i32(&w, 1, header->values);
        lx_pq_thrift_put_i32(&w, 2, wire(header->encoding));
        lx_pq_thrift_put_i32(&w, 3, wire(LX_PARQUET_RLE));
        lx_pq_thrift_put_i32(&w, 4, wire(LX_PARQUET_RLE));
        lx_pq_thrift_end(&w);
    } else if (header->type == LX_PQ_DICTIONARY_PAGE) {
        lx_pq_thrift_put_struct(&w, 7);
        lx_pq_thrift_put_i32(&w, 1, header->values);
        lx_pq_thrift_put_i32(&w, 2, wire(header->encoding));
        lx_pq_thrift_end(&w);
    } else {
        lx_pq_thrift_put_struct(&w, 8);
        lx_pq_thrift_put_i32(&w, 1, header->values);
        lx_pq_thrift_put_i32(&w, 2, header->nulls);
        lx_pq_thrift_put_i32(&w, 3, header->rows);
        lx_pq_thrift_put_i32(&w, 4, wire(header->encoding));
        lx_pq_thrift_put_i32(&w, 5, header->definition_bytes);
        lx_pq_thrift_put_i32(&w, 6, header->repetition_bytes);
        lx_pq_thrift_put_bool(&w, 7, header->is_compressed);
        lx_pq_thrift_end(&w);
    }
    lx_pq_thrift_end(&w);
    return w.status;
}

/* -- schema -------------------------------------------------------------------------------- */

static void put_time(struct lx_pq_thrift_writer *w, int16_t id,
                     const struct lx_parquet_logical *logical)
{
    lx_pq_thrift_put_struct(w, id);
    lx_pq_thrift_put_bool(w, 1, logical->utc);
    lx_pq_thrift_put_struct(w, 2);
    lx_pq_thrift_put_struct(w, (int16_t)(logical->unit + 1));
    lx_pq_thrift_end(w);
    lx_pq_thrift_end(w);
    lx_pq_thrift_end(w);
}

/* The LogicalType union as field 10. */
static void put_logical(struct lx_pq_thrift_writer *w, const struct lx_parquet_logical *logical)
{
    static const int16_t members[LX_PARQUET_LOGICAL_KINDS] = {
        [LX_PARQUET_LOGICAL_STRING] = 1,   [LX_PARQUET_LOGICAL_MAP] = 2,
        [LX_PARQUET_LOGICAL_LIST] = 3,     [LX_PARQUET_LOGICAL_ENUM] = 4,
        [LX_PARQUET_LOGICAL_DECIMAL] = 5,  [LX_PARQUET_LOGICAL_DATE] = 6,
        [LX_PARQUET_LOGICAL_TIME] = 7,     [LX_PARQUET_LOGICAL_TIMESTAMP] = 8,
        [LX_PARQUET_LOGICAL_INTEGER] = 10, [LX_PARQUET_LOGICAL_NULL] = 11,
        [LX_PARQUET_LOGICAL_JSON] = 12,    [LX_PARQUET_LOGICAL_BSON] = 13,
        [LX_PARQUET_LOGICAL_UUID] = 14,    [LX_PARQUET_LOGICAL_FLOAT16] = 15};
    int16_t member = members[logical->kind];
    if (member == 0)
        return;
    lx_pq_thrift_put_struct(w, 10);
    if (logical->kind == LX_PARQUET_LOGICAL_TIME || logical->kind == LX_PARQUET_LOGICAL_TIMESTAMP) {
        put_time(w, member, logical);
    } else {
        lx_pq_thrift_put_struct(w, member);
        if (logical->kind == LX_PARQUET_LOGICAL_DECIMAL) {
            lx_pq_thrift_put_i32(w, 1, logical->scale);
            lx_pq_thrift_put_i32(w, 2, logical->precision);
        } else if (logical->kind == LX_PARQUET_LOGICAL_INTEGER) {
            lx_pq_thrift_put_i8(w, 1, (int8_t)logical->bits);
            lx_pq_thrift_put_bool(w, 2, logical->is_signed);
        }
        lx_pq_thrift_end(w);
    }
    lx_pq_thrift_end(w);
}

static void put_field(struct lx_pq_thrift_writer *w, const struct lx_parquet_field *field)
{
    int converted = lx_pq_converted_type(field);
    lx_pq_thrift_begin(w);
    if (field->children == 0) {
        lx_pq_thrift_put_i32(w, 1, (int32_t)field->physical);
        if (field->physical == LX_PARQUET_FIXED_LEN_BYTE_ARRAY)
            lx_pq_thrift_put_i32(w, 2, field->length);
    }
    lx_pq_thrift_put_i32(w, 3, (int32_t)field->repetition);
    lx_pq_thrift_put_binary(w, 4, lx_str_of(field->name));
    if (field->children > 0)
        lx_pq_thrift_put_i32(w, 5, (int32_t)field->children);
    if (converted >= 0)
        lx_pq_thrift_put_i32(w, 6, converted);
    if (field->logical.kind == LX_PARQUET_LOGICAL_DECIMAL) {
        lx_pq_thrift_put_i32(w, 7, field->logical.scale);
        lx_pq_thrift_put_i32(w, 8, field->logical.precision);
    }
    if (field->has_field_id)
        lx_pq_thrift_put_i32(w, 9, field->field_id);
    put_logical(w, &field->logical);
    lx_pq_thrift_end(w);
}

static void put_schema(struct lx_pq_thrift_writer *w, const struct lx_parquet_schema *schema)
{
    int32_t top = 0;
    for (size_t i = 0, skip = 0; i < schema->field_count; i++) {
        /* `skip` fields belong to the group at the top before this one. */
        top += skip == 0;
        skip = (skip == 0 ? 0 : skip - 1) + schema->fields[i].children;
    }
    lx_pq_thrift_put_list(w, 2, STRUCT, schema->field_count + 1);
    lx_pq_thrift_begin(w);
    lx_pq_thrift_put_binary(w, 4, LX_STR("schema"));
    lx_pq_thrift_put_i32(w, 5, top);
    lx_pq_thrift_end(w);
    for (size_t i = 0; i < schema->field_count; i++)
        put_field(w, &schema->fields[i]);
}

/* -- row groups ---------------------------------------------------------------------------- */

static void put_statistics(struct lx_pq_thrift_writer *w, int16_t id,
                           const struct lx_parquet_statistics *statistics)
{
    const struct lx_parquet_bounds *bounds = &statistics->bounds;
    lx_pq_thrift_put_struct(w, id);
    if (statistics->null_count >= 0)
        lx_pq_thrift_put_i64(w, 3, statistics->null_count);
    if (statistics->distinct_count >= 0)
        lx_pq_thrift_put_i64(w, 4, statistics->distinct_count);
    if (bounds->has_max)
        lx_pq_thrift_put_binary(w, 5, bounds->max);
    if (bounds->has_min)
        lx_pq_thrift_put_binary(w, 6, bounds->min);
    if (bounds->has_max)
        lx_pq_thrift_put_bool(w, 7, bounds->max_exact);
    if (bounds->has_min)
        lx_pq_thrift_put_bool(w, 8, bounds->min_exact);
    lx_pq_thrift_end(w);
}

static void put_page_count(struct lx_pq_thrift_writer *w, enum lx_pq_page_type type,
                           enum lx_parquet_encoding encoding, int32_t count)
{
    lx_pq_thrift_begin(w);
    lx_pq_thrift_put_i32(w, 1, (int32_t)type);
    lx_pq_thrift_put_i32(w, 2, wire(encoding));
    lx_pq_thrift_put_i32(w, 3, count);
    lx_pq_thrift_end(w);
}

static void put_encoding_stats(struct lx_pq_thrift_writer *w, const struct lx_pq_chunk_pages *pages)
{
    const size_t kinds = sizeof pages->data_pages / sizeof pages->data_pages[0];
    size_t count = pages->has_dictionary;
    for (size_t i = 0; i < kinds; i++)
        count += pages->data_pages[i] != 0;
    lx_pq_thrift_put_list(w, 13, STRUCT, count);
    if (pages->has_dictionary)
        put_page_count(w, LX_PQ_DICTIONARY_PAGE, LX_PARQUET_PLAIN, 1);
    for (size_t i = 0; i < kinds; i++)
        if (pages->data_pages[i] != 0)
            put_page_count(w, pages->page_v2 ? LX_PQ_DATA_PAGE_V2 : LX_PQ_DATA_PAGE,
                           (enum lx_parquet_encoding)i, pages->data_pages[i]);
}

static void put_histogram(struct lx_pq_thrift_writer *w, int16_t id, const int64_t *counts,
                          size_t count)
{
    if (counts == NULL)
        return;
    lx_pq_thrift_put_list(w, id, I64, count);
    for (size_t i = 0; i < count; i++)
        lx_pq_thrift_item_int(w, counts[i]);
}

static void put_size_statistics(struct lx_pq_thrift_writer *w, const struct lx_parquet_leaf *leaf,
                                const struct lx_parquet_chunk *chunk,
                                const struct lx_pq_chunk_pages *pages)
{
    if (chunk->text_bytes < 0 && pages->definition_histogram == NULL &&
        pages->repetition_histogram == NULL)
        return;
    lx_pq_thrift_put_struct(w, 16);
    if (chunk->text_bytes >= 0)
        lx_pq_thrift_put_i64(w, 1, chunk->text_bytes);
    put_histogram(w, 2, pages->repetition_histogram, (size_t)leaf->max_repetition + 1);
    put_histogram(w, 3, pages->definition_histogram, (size_t)leaf->max_definition + 1);
    lx_pq_thrift_end(w);
}

struct path {
    const char *names[LX_PARQUET_MAX_DEPTH + 1];
    size_t count;
};

static void put_chunk_metadata(struct lx_pq_thrift_writer *w, const struct lx_parquet_leaf *leaf,
                               const struct path *path, const struct lx_parquet_chunk *chunk,
                               const struct lx_pq_chunk_pages *pages)
{
    lx_pq_thrift_put_struct(w, 3);
    lx_pq_thrift_put_i32(w, 1, (int32_t)chunk->physical);
    lx_pq_thrift_put_list(w, 2, I32, (size_t)__builtin_popcount(chunk->encodings));
    for (unsigned i = 0; i < 32; i++)
        if ((chunk->encodings >> i & 1) != 0)
            lx_pq_thrift_item_int(w, wire(i));
    lx_pq_thrift_put_list(w, 3, BINARY, path->count);
    for (size_t i = 0; i < path->count; i++)
        lx_pq_thrift_item_binary(w, lx_str_of(path->names[i]));
    lx_pq_thrift_put_i32(w, 4, wire(chunk->codec));
    lx_pq_thrift_put_i64(w, 5, chunk->values);
    lx_pq_thrift_put_i64(w, 6, chunk->raw_bytes);
    lx_pq_thrift_put_i64(w, 7, chunk->bytes);
    lx_pq_thrift_put_i64(w, 9, chunk->data_page_offset);
    if (chunk->dictionary_page_offset > 0)
        lx_pq_thrift_put_i64(w, 11, chunk->dictionary_page_offset);
    put_statistics(w, 12, &chunk->statistics);
    put_encoding_stats(w, pages);
    if (chunk->bloom_offset > 0) {
        lx_pq_thrift_put_i64(w, 14, chunk->bloom_offset);
        lx_pq_thrift_put_i32(w, 15, chunk->bloom_bytes);
    }
    put_size_statistics(w, leaf, chunk, pages);
    lx_pq_thrift_end(w);
}

static void put_chunk(struct lx_pq_thrift_writer *w, const struct lx_parquet_leaf *leaf,
                      const struct path *path, const struct lx_parquet_chunk *chunk,
                      const struct lx_pq_chunk_pages *pages)
{
    lx_pq_thrift_begin(w);
    lx_pq_thrift_put_i64(w, 2, 0); /* file_offset: deprecated, 0 as the format asks */
    put_chunk_metadata(w, leaf, path, chunk, pages);
    if (chunk->offset_index_offset > 0) {
        lx_pq_thrift_put_i64(w, 4, chunk->offset_index_offset);
        lx_pq_thrift_put_i32(w, 5, chunk->offset_index_bytes);
    }
    if (chunk->column_index_offset > 0) {
        lx_pq_thrift_put_i64(w, 6, chunk->column_index_offset);
        lx_pq_thrift_put_i32(w, 7, chunk->column_index_bytes);
    }
    lx_pq_thrift_end(w);
}

/* Chunks in schema order, with the names on the way to each leaf. */
static void put_chunks(struct lx_pq_thrift_writer *w, const struct lx_parquet_schema *schema,
                       const struct lx_parquet_row_group *group,
                       const struct lx_pq_chunk_pages *pages)
{
    struct path path = {.count = 0};
    uint32_t left[LX_PARQUET_MAX_DEPTH + 1] = {0};
    size_t leaf = 0;
    lx_pq_thrift_put_list(w, 1, STRUCT, schema->leaf_count);
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct lx_parquet_field *field = &schema->fields[i];
        while (path.count > 0 && left[path.count - 1] == 0)
            path.count--;
        if (path.count > 0)
            left[path.count - 1]--;
        assert(path.count <= LX_PARQUET_MAX_DEPTH);
        path.names[path.count++] = field->name;
        left[path.count - 1] = field->children;
        if (field->children == 0) {
            put_chunk(w, &schema->leaves[leaf], &path, &group->chunks[leaf], &pages[leaf]);
            leaf++;
            path.count--;
        }
    }
    assert(leaf == schema->leaf_count);
}

static void put_row_group(struct lx_pq_thrift_writer *w, const struct lx_pq_footer *footer,
                          size_t number)
{
    const struct lx_parquet_row_group *group = &footer->row_groups[number];
    lx_pq_thrift_begin(w);
    put_chunks(w, &footer->schema, group, footer->pages[number]);
    lx_pq_thrift_put_i64(w, 2, group->raw_bytes);
    lx_pq_thrift_put_i64(w, 3, group->rows);
    if (group->sorting_count > 0) {
        lx_pq_thrift_put_list(w, 4, STRUCT, group->sorting_count);
        for (size_t i = 0; i < group->sorting_count; i++) {
            lx_pq_thrift_begin(w);
            lx_pq_thrift_put_i32(w, 1, (int32_t)group->sorting[i].leaf);
            lx_pq_thrift_put_bool(w, 2, group->sorting[i].descending);
            lx_pq_thrift_put_bool(w, 3, group->sorting[i].nulls_first);
            lx_pq_thrift_end(w);
        }
    }
    lx_pq_thrift_put_i64(w, 5, lx_pq_chunk_start(&group->chunks[0]));
    lx_pq_thrift_put_i64(w, 6, group->bytes);
    if (number <= INT16_MAX)
        lx_pq_thrift_put_i16(w, 7, (int16_t)number);
    lx_pq_thrift_end(w);
}

/* -- the footer's checksum ----------------------------------------------------------------- */

#define CRC_DIGITS LX_PQ_FOOTER_CRC_DIGITS

static const char no_digits[CRC_DIGITS + 1] = "00000000";

static void crc_digits(uint32_t crc, uint8_t digits[CRC_DIGITS])
{
    for (size_t i = CRC_DIGITS; i-- > 0; crc >>= 4)
        digits[i] = (uint8_t) "0123456789abcdef"[crc & 15];
}

/* Of the footer, with the digits at `at` taken as zeros. */
static uint32_t crc_around(const uint8_t *footer, size_t size, size_t at)
{
    uint32_t crc = lx_pq_crc32(0, footer, at);
    crc = lx_pq_crc32(crc, no_digits, CRC_DIGITS);
    return lx_pq_crc32(crc, footer + at + CRC_DIGITS, size - at - CRC_DIGITS);
}

bool lx_pq_footer_is_sound(const uint8_t *footer, size_t size,
                           const struct lx_parquet_key_value *pairs, size_t count)
{
    for (size_t i = count; i-- > 0;) {
        uint8_t digits[CRC_DIGITS];
        if (!lx_str_is(pairs[i].key, LX_PQ_FOOTER_CRC_KEY))
            continue;
        if (pairs[i].value.len != CRC_DIGITS)
            return false;
        size_t at = (size_t)((const uint8_t *)pairs[i].value.ptr - footer);
        crc_digits(crc_around(footer, size, at), digits);
        return memcmp(digits, pairs[i].value.ptr, CRC_DIGITS) == 0;
    }
    return true;
}

static void put_pair(struct lx_pq_thrift_writer *w, struct lx_str key, struct lx_str value)
{
    lx_pq_thrift_begin(w);
    lx_pq_thrift_put_binary(w, 1, key);
    lx_pq_thrift_put_binary(w, 2, value);
    lx_pq_thrift_end(w);
}

enum lx_status lx_pq_footer_write(const struct lx_pq_footer *footer, struct lx_buf *out)
{
    struct lx_pq_thrift_writer w;
    size_t start = out->len;
    lx_pq_thrift_start(&w, out);
    lx_pq_thrift_begin(&w);
    lx_pq_thrift_put_i32(&w, 1, footer->version);
    put_schema(&w, &footer->schema);
    lx_pq_thrift_put_i64(&w, 3, footer->rows);
    lx_pq_thrift_put_list(&w, 4, STRUCT, footer->row_group_count);
    for (size_t i = 0; i < footer->row_group_count; i++)
        put_row_group(&w, footer, i);
    lx_pq_thrift_put_list(&w, 5, STRUCT, footer->key_value_count + 1);
    for (size_t i = 0; i < footer->key_value_count; i++)
        put_pair(&w, footer->key_values[i].key, footer->key_values[i].value);
    put_pair(&w, LX_STR(LX_PQ_FOOTER_CRC_KEY), (struct lx_str){no_digits, CRC_DIGITS});
    size_t digits = out->len - 1 - CRC_DIGITS; /* before the pair's end */
    lx_pq_thrift_put_binary(&w, 6, footer->created_by);
    /* Without TYPE_ORDER for each leaf no reader may trust min_value and max_value. */
    lx_pq_thrift_put_list(&w, 7, STRUCT, footer->schema.leaf_count);
    for (size_t i = 0; i < footer->schema.leaf_count; i++) {
        lx_pq_thrift_begin(&w);
        lx_pq_thrift_put_struct(&w, 1);
        lx_pq_thrift_end(&w);
        lx_pq_thrift_end(&w);
    }
    lx_pq_thrift_end(&w);
    if (w.status == LX_OK)
        crc_digits(crc_around(out->data + start, out->len - start, digits - start),
                   out->data + digits);
    return w.status;
}

/* -- indexes and filters ------------------------------------------------------------------- */

enum lx_status lx_pq_offset_index_write(const struct lx_pq_index *index, struct lx_buf *out)
{
    struct lx_pq_thrift_writer w;
    lx_pq_thrift_start(&w, out);
    lx_pq_thrift_begin(&w);
    lx_pq_thrift_put_list(&w, 1, STRUCT, index->count);
    for (size_t i = 0; i < index->count; i++) {
        lx_pq_thrift_begin(&w);
        lx_pq_thrift_put_i64(&w, 1, index->pages[i].offset);
        lx_pq_thrift_put_i32(&w, 2, index->pages[i].bytes);
        lx_pq_thrift_put_i64(&w, 3, index->pages[i].first_row);
        lx_pq_thrift_end(&w);
    }
    if (index->has_text_bytes) {
        lx_pq_thrift_put_list(&w, 2, I64, index->count);
        for (size_t i = 0; i < index->count; i++)
            lx_pq_thrift_item_int(&w, index->pages[i].text_bytes);
    }
    lx_pq_thrift_end(&w);
    return w.status;
}

enum lx_status lx_pq_column_index_write(const struct lx_pq_index *index, struct lx_buf *out)
{
    struct lx_pq_thrift_writer w;
    lx_pq_thrift_start(&w, out);
    lx_pq_thrift_begin(&w);
    lx_pq_thrift_put_list(&w, 1, LX_PQ_THRIFT_TRUE, index->count);
    for (size_t i = 0; i < index->count; i++)
        lx_pq_thrift_item_bool(&w, index->pages[i].all_null);
    lx_pq_thrift_put_list(&w, 2, BINARY, index->count);
    for (size_t i = 0; i < index->count; i++)
        lx_pq_thrift_item_binary(&w, index->pages[i].min);
    lx_pq_thrift_put_list(&w, 3, BINARY, index->count);
    for (size_t i = 0; i < index->count; i++)
        lx_pq_thrift_item_binary(&w, index->pages[i].max);
    lx_pq_thrift_put_i32(&w, 4, (int32_t)index->order);
    lx_pq_thrift_put_list(&w, 5, I64, index->count);
    for (size_t i = 0; i < index->count; i++)
        lx_pq_thrift_item_int(&w, index->pages[i].null_count);
    lx_pq_thrift_end(&w);
    return w.status;
}

enum lx_status lx_pq_bloom_header_write(int32_t bytes, struct lx_buf *out)
{
    struct lx_pq_thrift_writer w;
    lx_pq_thrift_start(&w, out);
    lx_pq_thrift_begin(&w);
    lx_pq_thrift_put_i32(&w, 1, bytes);
    for (int16_t id = 2; id <= 4; id++) { /* BLOCK, XXHASH, UNCOMPRESSED: first of their unions */
        lx_pq_thrift_put_struct(&w, id);
        lx_pq_thrift_put_struct(&w, 1);
        lx_pq_thrift_end(&w);
        lx_pq_thrift_end(&w);
    }
    lx_pq_thrift_end(&w);
    return w.status;
}
