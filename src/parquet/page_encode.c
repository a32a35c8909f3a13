/* From rows in memory to the bytes of a page (parquet-format README, "Data Pages"). */
#include "parquet/bitpack.h"
#include "parquet/bloom.h"
#include "parquet/crc.h"
#include "parquet/delta.h"
#include "parquet/encode.h"
#include "parquet/page.h"
#include "parquet/rle.h"

#include "base/alloc.h"

enum lx_status lx_pq_scratch_create(struct lx_pq_scratch **out, struct lx_err *err)
{
    struct lx_pq_scratch *scratch = lx_calloc(1, sizeof *scratch);
    if (scratch == NULL)
        return lx_err_memory(err);
    enum lx_status status = lx_pq_compressor_create(&scratch->compressor, err);
    if (status != LX_OK) {
        lx_free(scratch);
        return status;
    }
    scratch->body.max = scratch->packed.max = LX_PQ_PAGE_MAX + LX_PQ_PAGE_MAX / 2;
    scratch->lengths.max = LX_PQ_PAGE_MAX;
    scratch->header.max = LX_PQ_PAGE_HEADER_MAX;
    *out = scratch;
    return LX_OK;
}

void lx_pq_scratch_free(struct lx_pq_scratch *scratch)
{
    if (scratch == NULL)
        return;
    lx_pq_compressor_free(scratch->compressor);
    lx_buf_free(&scratch->body);
    lx_buf_free(&scratch->packed);
    lx_buf_free(&scratch->lengths);
    lx_buf_free(&scratch->header);
    lx_column_free(&scratch->expanded);
    lx_free(scratch->seen);
    lx_free(scratch);
}

void lx_pq_encoded_free(struct lx_pq_encoded *encoded)
{
    lx_free(encoded->bytes);
    lx_free(encoded->hashes);
    lx_free(encoded->definition_histogram);
    lx_free(encoded->repetition_histogram);
    lx_pq_bounds_free(&encoded->bounds);
    *encoded = (struct lx_pq_encoded){.bytes = NULL};
}

/* -- values -------------------------------------------------------------------------------- */

/* RLE booleans carry their length in front, in both versions of pages. */
static enum lx_status encode_rle_bools(const uint8_t *values, size_t count, struct lx_buf *out)
{
    const uint8_t room[4] = {0};
    size_t at = out->len;
    LX_TRY(lx_buf_append(out, room, 4));
    LX_TRY(lx_pq_rle_encode_bytes(values, 0, count, 1, out));
    uint32_t size = (uint32_t)(out->len - at - 4);
    memcpy(out->data + at, &size, 4);
    return LX_OK;
}

static enum lx_status encode_plain(enum lx_parquet_physical physical,
                                   const struct lx_column *values, size_t count, struct lx_buf *out)
{
    if (values->shape == LX_COLUMN_BYTES)
        return lx_pq_encode_plain(values->values, values->offsets, count, out);
    if (physical != LX_PARQUET_BOOLEAN)
        return lx_buf_append(out, values->values, count * values->width);
    size_t bytes = lx_pq_packed_bytes(count, 1);
    LX_TRY(lx_buf_reserve(out, bytes));
    lx_pq_pack_bools(values->values, count, out->data + out->len);
    out->len += bytes;
    return LX_OK;
}

enum lx_status lx_pq_values_encode(enum lx_parquet_encoding encoding,
                                   enum lx_parquet_physical physical,
                                   const struct lx_column *values, int64_t rows,
                                   struct lx_buf *lengths, struct lx_buf *out)
{
    size_t count = (size_t)rows;
    static const uint32_t no_offsets[1] = {0};
    const uint32_t *offsets = count != 0 ? values->offsets : no_offsets;
    const void *numbers = values->values;
    switch (encoding) {
    case LX_PARQUET_PLAIN: return count != 0 ? encode_plain(physical, values, count, out) : LX_OK;
    case LX_PARQUET_RLE: return encode_rle_bools(values->values, count, out);
    case LX_PARQUET_DELTA_BINARY_PACKED:
        return physical == LX_PARQUET_INT32 ? lx_pq_delta_encode32(numbers, count, out)
                                            : lx_pq_delta_encode64(numbers, count, out);
    case LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY:
        return lx_pq_encode_delta_length(values->values, offsets, count, lengths, out);
    case LX_PARQUET_DELTA_BYTE_ARRAY:
        return lx_pq_encode_delta_bytes(values->values, offsets, count, lengths, out);
    case LX_PARQUET_BYTE_STREAM_SPLIT:
        return lx_pq_encode_split(values->values, values->width, count, out);
    case LX_PARQUET_ENCODING_AUTO:
    case LX_PARQUET_PLAIN_DICTIONARY:
    case LX_PARQUET_BIT_PACKED:
    case LX_PARQUET_RLE_DICTIONARY: break;
    }
    return LX_E_BUG;
}

enum lx_status lx_pq_ids_encode(const uint32_t *ids, int64_t count, struct lx_buf *out)
{
    uint32_t all = 0;
    for (int64_t i = 0; i < count; i++)
        all |= ids[i];
    unsigned width = lx_pq_bit_width(all);
    width = width == 0 ? 1 : width; /* some readers take no width of 0 (ClickHouse#88743) */
    LX_TRY(lx_buf_byte(out, (uint8_t)width));
    return lx_pq_rle_encode(ids, (size_t)count, width, out);
}

/* -- levels -------------------------------------------------------------------------------- */

/* Runs of levels; with_length: behind their length (version 1). *bytes: of the runs. */
static enum lx_status encode_levels(const uint8_t *levels, uint8_t constant, int64_t count,
                                    uint8_t maximum, bool with_length, struct lx_buf *out,
                                    size_t *bytes)
{
    const uint8_t room[4] = {0};
    size_t start = out->len + (with_length ? 4 : 0);
    *bytes = 0;
    if (maximum == 0)
        return LX_OK;
    if (with_length)
        LX_TRY(lx_buf_append(out, room, 4));
    LX_TRY(lx_pq_rle_encode_bytes(levels, constant, (size_t)count, lx_pq_bit_width(maximum), out));
    *bytes = out->len - start;
    uint32_t size = (uint32_t)*bytes;
    if (with_length)
        memcpy(out->data + start - 4, &size, 4);
    return LX_OK;
}

static enum lx_status histogram(const uint8_t *levels, uint8_t constant, int64_t count,
                                uint8_t maximum, int64_t **out)
{
    if (maximum == 0)
        return LX_OK;
    int64_t *counts = lx_calloc((size_t)maximum + 1, sizeof *counts);
    if (counts == NULL)
        return LX_E_MEMORY;
    if (levels == NULL)
        counts[constant] = count;
    else
        for (int64_t i = 0; i < count; i++)
            counts[levels[i]]++;
    *out = counts;
    return LX_OK;
}

/* -- pages --------------------------------------------------------------------------------- */

/* Values of a page by id whose encoding is not the dictionary's. */
static enum lx_status expand(const struct lx_pq_page *page,
                             const struct lx_pq_dictionary *dictionary,
                             struct lx_pq_scratch *scratch, const struct lx_column **values)
{
    const struct lx_column *from = &dictionary->values;
    if (scratch->expanded.shape != from->shape || scratch->expanded.width != from->width) {
        lx_column_free(&scratch->expanded);
        lx_column_init(&scratch->expanded, from->shape, from->width);
    }
    lx_column_clear(&scratch->expanded);
    LX_TRY(lx_column_append_rows(&scratch->expanded, from, page->ids, (size_t)page->count));
    *values = &scratch->expanded;
    return LX_OK;
}

static enum lx_status reserve_seen(struct lx_pq_scratch *scratch, size_t need)
{
    if (need <= scratch->seen_cap)
        return LX_OK;
    lx_free(scratch->seen);
    scratch->seen_cap = 0;
    scratch->seen = lx_calloc(need + need / 2, 1);
    if (scratch->seen == NULL)
        return LX_E_MEMORY;
    scratch->seen_cap = need + need / 2;
    return LX_OK;
}

static int64_t text_bytes(const struct lx_pq_page *page, const struct lx_pq_page_plan *plan)
{
    const uint32_t *offsets = page->by_id ? plan->dictionary->values.offsets : page->values.offsets;
    int64_t bytes = 0;
    if (page->count == 0)
        return 0;
    if (!page->by_id)
        return (int64_t)offsets[page->count] - offsets[0];
    for (int64_t i = 0; i < page->count; i++)
        bytes += offsets[page->ids[i] + 1] - offsets[page->ids[i]];
    return bytes;
}

/* Bounds, hashes and counts of the page's values. */
static enum lx_status take_statistics(const struct lx_pq_page *page,
                                      const struct lx_pq_page_plan *plan,
                                      struct lx_pq_scratch *scratch, struct lx_pq_encoded *encoded)
{
    const struct lx_parquet_field *field = plan->leaf->field;
    struct lx_pq_extremes extremes;
    if (page->by_id) {
        const struct lx_column *values = &plan->dictionary->values;
        LX_TRY(reserve_seen(scratch, (size_t)values->rows));
        lx_pq_extremes_of_ids(plan->order, values, page->ids, page->count, scratch->seen,
                              &extremes);
    } else {
        lx_pq_extremes_of(plan->order, &page->values, page->count, &extremes);
    }
    encoded->nan_count = extremes.nan_count;
    encoded->text_bytes = field->physical == LX_PARQUET_BYTE_ARRAY ? text_bytes(page, plan) : -1;
    LX_TRY(lx_pq_bounds_take(&encoded->bounds, plan->order, &extremes, plan->bound_bytes,
                             field->physical == LX_PARQUET_BYTE_ARRAY,
                             field->logical.kind == LX_PARQUET_LOGICAL_STRING ||
                                 field->logical.kind == LX_PARQUET_LOGICAL_ENUM ||
                                 field->logical.kind == LX_PARQUET_LOGICAL_JSON));
    if (!plan->bloom || page->by_id || page->count == 0)
        return LX_OK;
    encoded->hashes = lx_malloc((size_t)page->count * sizeof *encoded->hashes);
    if (encoded->hashes == NULL)
        return LX_E_MEMORY;
    lx_pq_bloom_hashes(&page->values, page->count, encoded->hashes);
    return LX_OK;
}

/* Header, levels in front of the values (scratch->body) and packed values into one piece of memory
 * of the right size. */
static enum lx_status join(const struct lx_pq_page_header *header, size_t levels,
                           struct lx_pq_scratch *scratch, struct lx_pq_encoded *encoded)
{
    const struct lx_buf *packed = &scratch->packed;
    lx_buf_clear(&scratch->header);
    LX_TRY(lx_pq_page_header_write(header, &scratch->header));
    size_t head = scratch->header.len;
    encoded->size = head + levels + packed->len;
    encoded->bytes = lx_malloc(encoded->size);
    if (encoded->bytes == NULL)
        return LX_E_MEMORY;
    memcpy(encoded->bytes, scratch->header.data, head);
    if (levels != 0)
        memcpy(encoded->bytes + head, scratch->body.data, levels);
    if (packed->len != 0)
        memcpy(encoded->bytes + head + levels, packed->data, packed->len);
    encoded->header_crc = lx_pq_crc32(0, encoded->bytes, head);
    encoded->raw_bytes = head + (size_t)header->raw_bytes;
    return LX_OK;
}

/* What a page holds: `levels` bytes at the start of scratch->body stay as they are (levels of pages
 * of version 2), `values` are compressed: the rest of scratch->body, or texts where they lie. */
struct body {
    size_t levels;
    const uint8_t *values;
    size_t value_bytes;
};

/* DELTA_LENGTH_BYTE_ARRAY without a copy: the lengths go right in front of the page's texts, which
 * lie one behind the other. Where they do not fit there, all goes into scratch->body. */
static enum lx_status values_in_place(struct lx_pq_page *page, struct lx_pq_scratch *scratch,
                                      struct body *body)
{
    struct lx_column *values = &page->values;
    struct lx_buf *out = &scratch->body;
    size_t start = out->len, first = values->offsets[0];
    size_t bytes = values->offsets[page->count] - first;
    LX_TRY(lx_pq_encode_lengths(values->offsets, (size_t)page->count, &scratch->lengths, out));
    size_t lengths = out->len - start;
    if (lengths > first)
        return bytes != 0 ? lx_buf_append(out, values->values + first, bytes) : LX_OK;
    memcpy(values->values + first - lengths, out->data + start, lengths);
    out->len = start;
    body->values = values->values + first - lengths;
    body->value_bytes = lengths + bytes;
    return LX_OK;
}

/* Levels and values. */
static enum lx_status build_body(struct lx_pq_page *page, const struct lx_pq_page_plan *plan,
                                 struct lx_pq_scratch *scratch, struct lx_pq_page_header *header,
                                 struct body *out)
{
    const struct lx_parquet_leaf *leaf = plan->leaf;
    const struct lx_column *values = &page->values;
    size_t repetition_bytes, definition_bytes;
    struct lx_buf *body = &scratch->body;
    lx_buf_clear(body);
    LX_TRY(lx_buf_reserve(body, 1)); /* an empty body has an address too */
    LX_TRY(encode_levels(page->repetition, 0, page->levels, leaf->max_repetition, !plan->page_v2,
                         body, &repetition_bytes));
    LX_TRY(encode_levels(page->definition, leaf->max_definition, page->levels, leaf->max_definition,
                         !plan->page_v2, body, &definition_bytes));
    header->repetition_bytes = (int32_t)repetition_bytes;
    header->definition_bytes = (int32_t)definition_bytes;
    *out = (struct body){.levels = plan->page_v2 ? body->len : 0};
    if (plan->encoding == LX_PARQUET_RLE_DICTIONARY) {
        LX_TRY(lx_pq_ids_encode(page->ids, page->count, body));
    } else if (plan->encoding == LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY && !page->by_id &&
               page->count != 0 && out->levels == body->len) {
        LX_TRY(values_in_place(page, scratch, out));
    } else {
        if (page->by_id)
            LX_TRY(expand(page, plan->dictionary, scratch, &values));
        LX_TRY(lx_pq_values_encode(plan->encoding, leaf->field->physical, values, page->count,
                                   &scratch->lengths, body));
    }
    if (out->values == NULL) {
        out->values = body->data + out->levels;
        out->value_bytes = body->len - out->levels;
    }
    return LX_OK;
}

/* Compresses the values into scratch->packed. */
static enum lx_status pack_body(const struct lx_pq_page_plan *plan, const struct body *body,
                                struct lx_pq_scratch *scratch, struct lx_pq_page_header *header,
                                struct lx_err *err)
{
    struct lx_buf *packed = &scratch->packed;
    lx_buf_clear(packed);
    header->is_compressed = plan->compression.codec != LX_PARQUET_UNCOMPRESSED;
    LX_TRY(lx_pq_compress(scratch->compressor, &plan->compression, body->values, body->value_bytes,
                          packed, err));
    if (plan->page_v2 && packed->len >= body->value_bytes) {
        /* Version 2 can say that a page is not worth it. */
        header->is_compressed = false;
        lx_buf_clear(packed);
        LX_TRY(lx_buf_append(packed, body->values, body->value_bytes));
    }
    if (body->levels + body->value_bytes > LX_PQ_PAGE_MAX ||
        body->levels + packed->len > LX_PQ_PAGE_MAX)
        return LX_E_LIMIT;
    header->raw_bytes = (int32_t)(body->levels + body->value_bytes);
    header->bytes = (int32_t)(body->levels + packed->len);
    if (!plan->no_crc) {
        header->has_crc = true;
        header->crc = lx_pq_crc32(lx_pq_crc32(0, scratch->body.data, body->levels), packed->data,
                                  packed->len);
    }
    return LX_OK;
}

static enum lx_status explain(enum lx_status status, const struct lx_pq_page_plan *plan,
                              int64_t rows, struct lx_err *err)
{
    if (status == LX_E_MEMORY)
        return lx_err_memory(err);
    if (status == LX_E_LIMIT) {
        lx_err_set(err, status, "column \"%s\": a page of %lld rows is larger than 2 GB",
                   plan->leaf->path, (long long)rows);
        lx_err_hint(err, "a Parquet page holds at least one whole row, and less than 2 GB");
    }
    return status;
}

enum lx_status lx_pq_page_encode(struct lx_pq_page *page, const struct lx_pq_page_plan *plan,
                                 struct lx_pq_scratch *scratch, struct lx_pq_encoded *out,
                                 struct lx_err *err)
{
    struct lx_pq_encoded encoded = {
        .encoding = plan->encoding,
        .count = page->count,
        .levels = page->levels,
        .rows = page->rows,
        .first_row = page->first_row,
    };
    struct lx_pq_page_header header = {
        .type = plan->page_v2 ? LX_PQ_DATA_PAGE_V2 : LX_PQ_DATA_PAGE,
        .encoding = plan->encoding,
        .values = (int32_t)page->levels,
        .nulls = (int32_t)(page->levels - page->count),
        .rows = (int32_t)page->rows,
    };
    const struct lx_parquet_leaf *leaf = plan->leaf;
    enum lx_status status;
    struct body body;
    if (page->levels > INT32_MAX)
        return explain(LX_E_LIMIT, plan, page->rows, err);
    LX_TRY_GOTO(build_body(page, plan, scratch, &header, &body), out);
    LX_TRY_GOTO(pack_body(plan, &body, scratch, &header, err), out);
    LX_TRY_GOTO(take_statistics(page, plan, scratch, &encoded), out);
    LX_TRY_GOTO(histogram(page->definition, leaf->max_definition, page->levels,
                          leaf->max_definition, &encoded.definition_histogram),
                out);
    LX_TRY_GOTO(histogram(page->repetition, 0, page->levels, leaf->max_repetition,
                          &encoded.repetition_histogram),
                out);
    LX_TRY_GOTO(join(&header, body.levels, scratch, &encoded), out);
out:
    if (status != LX_OK) {
        lx_pq_encoded_free(&encoded);
        return explain(status, plan, page->rows, err);
    }
    *out = encoded;
    return LX_OK;
}

enum lx_status lx_pq_dictionary_page_encode(const struct lx_pq_dictionary *dictionary,
                                            const struct lx_pq_page_plan *plan,
                                            struct lx_pq_scratch *scratch,
                                            struct lx_pq_encoded *out, struct lx_err *err)
{
    int64_t count = lx_pq_dictionary_count(dictionary);
    struct lx_pq_encoded encoded = {.encoding = LX_PARQUET_PLAIN, .count = count};
    struct lx_pq_page_header header = {
        .type = LX_PQ_DICTIONARY_PAGE, .encoding = LX_PARQUET_PLAIN, .values = (int32_t)count};
    struct lx_pq_page_plan as_v1 = *plan; /* a dictionary page has no version */
    enum lx_status status;
    as_v1.page_v2 = false;
    lx_buf_clear(&scratch->body);
    LX_TRY_GOTO(lx_buf_reserve(&scratch->body, 1), out);
    LX_TRY_GOTO(lx_pq_values_encode(LX_PARQUET_PLAIN, plan->leaf->field->physical,
                                    &dictionary->values, count, &scratch->lengths, &scratch->body),
                out);
    const struct body body = {0, scratch->body.data, scratch->body.len};
    LX_TRY_GOTO(pack_body(&as_v1, &body, scratch, &header, err), out);
    LX_TRY_GOTO(join(&header, 0, scratch, &encoded), out);
out:
    if (status != LX_OK) {
        lx_pq_encoded_free(&encoded);
        return explain(status, plan, count, err);
    }
    *out = encoded;
    return LX_OK;
}
