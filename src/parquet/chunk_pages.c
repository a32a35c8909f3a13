#include "parquet/chunk_pages.h"

#include "parquet/bitpack.h"
#include "parquet/crc.h"

#include <assert.h>
#include <stdio.h>

enum lx_status lx_pq_chunk_fail(const struct lx_pq_chunk_reader *reader, enum lx_status status,
                                const char *why, struct lx_err *err)
{
    if (status == LX_OK)
        return LX_OK;
    if (why != NULL)
        lx_err_set(err, status, "%s", why);
    else if (status == LX_E_MEMORY)
        lx_err_memory(err);
    else if (status == LX_E_LIMIT)
        lx_err_set(err, status, "it takes more memory than the %zu bytes of the scan",
                   reader->setting.budget->max);
    lx_err_context(err, "column \"%s\", page at byte %lld", reader->leaf->path,
                   (long long)reader->page_offset);
    return status;
}

/* -- the window ---------------------------------------------------------------------------- */

/* The bytes of the file at `offset`, as many as `size`, which lie within the chunk. */
static enum lx_status look(struct lx_pq_chunk_reader *reader, int64_t offset, size_t size,
                           const uint8_t **bytes, struct lx_err *err)
{
    int64_t have_end = reader->window_start + (int64_t)reader->window_size;
    if (offset < reader->window_start || offset > have_end) {
        reader->window_start = have_end = offset;
        reader->window_size = 0;
    }
    size_t skip = (size_t)(offset - reader->window_start);
    if (reader->window_size - skip >= size) {
        *bytes = reader->window.data + skip;
        return LX_OK;
    }
    size_t keep = reader->window_size - skip, piece = reader->setting.options->piece_bytes;
    size_t left = (size_t)(reader->end - offset), want = size > piece ? size : piece;
    want = want < left ? want : left;
    if (keep != 0 && skip != 0)
        memmove(reader->window.data, reader->window.data + skip, keep);
    reader->window_start = offset;
    reader->window_size = keep;
    enum lx_status status = lx_pq_area_reserve(&reader->window, want, keep);
    if (status != LX_OK)
        return lx_pq_chunk_fail(reader, status, NULL, err);
    const struct lx_parquet_source *source = reader->setting.source;
    status = source->read_at(source->self, offset + (int64_t)keep, reader->window.data + keep,
                             want - keep, err);
    if (status != LX_OK) {
        lx_err_context(err, "column \"%s\"", reader->leaf->path);
        return status;
    }
    reader->window_size = want;
    *bytes = reader->window.data;
    return LX_OK;
}

/* The next page's header, against its checksum where the file has one. */
static enum lx_status check_sum(struct lx_pq_chunk_reader *reader, const uint8_t *bytes,
                                size_t used, struct lx_err *err)
{
    size_t number = reader->page_number++;
    if (reader->sums == NULL || reader->setting.options->no_crc)
        return LX_OK;
    if (number < reader->sums->count &&
        lx_pq_crc32(0, bytes, used) == reader->sums->headers[number])
        return LX_OK;
    return lx_pq_chunk_fail(reader, LX_E_CORRUPT, "the page header's checksum differs", err);
}

#define HEADER_FIRST 256 /* most headers are shorter */

static enum lx_status read_header(struct lx_pq_chunk_reader *reader,
                                  struct lx_pq_page_header *header, size_t *used,
                                  struct lx_err *err)
{
    size_t left = (size_t)(reader->end - reader->next_page), size = HEADER_FIRST;
    reader->page_offset = reader->next_page;
    for (;;) {
        const uint8_t *bytes = NULL;
        const char *why = NULL;
        size = size < left ? size : left;
        LX_TRY(look(reader, reader->next_page, size, &bytes, err));
        switch (lx_pq_page_header_read(bytes, size, header, used, &why)) {
        case LX_PQ_HEADER_OK: return check_sum(reader, bytes, *used, err);
        case LX_PQ_HEADER_BROKEN: return lx_pq_chunk_fail(reader, LX_E_FORMAT, why, err);
        case LX_PQ_HEADER_SHORT: break;
        }
        if (size == left || size >= LX_PQ_PAGE_HEADER_MAX)
            return lx_pq_chunk_fail(reader, LX_E_FORMAT, "a page header does not end", err);
        size *= 8;
    }
}

static enum lx_status check_header(struct lx_pq_chunk_reader *reader,
                                   const struct lx_pq_page_header *header, size_t used,
                                   struct lx_err *err)
{
    size_t most = reader->setting.options->page_bytes;
    int64_t room = reader->end - reader->next_page - (int64_t)used;
    if (header->bytes > room)
        return lx_pq_chunk_fail(reader, LX_E_FORMAT, "a page ends outside of its column", err);
    if ((size_t)header->bytes > most || (size_t)header->raw_bytes > most) {
        char why[96];
        snprintf(why, sizeof why, "a page of %d bytes (%d stored) is larger than %zu",
                 header->raw_bytes, header->bytes, most);
        return lx_pq_chunk_fail(reader, LX_E_LIMIT, why, err);
    }
    bool of_data = header->type == LX_PQ_DATA_PAGE || header->type == LX_PQ_DATA_PAGE_V2;
    if (!of_data)
        return LX_OK;
    if (!reader->skipped && header->values > reader->levels_left)
        return lx_pq_chunk_fail(reader, LX_E_FORMAT, "there are more values than the column has",
                                err);
    if (reader->setting.strict && (reader->chunk->encodings >> header->encoding & 1) == 0)
        return lx_pq_chunk_fail(reader, LX_E_FORMAT, "a page has an encoding the footer lacks",
                                err);
    return LX_OK;
}

/* The stored bytes of the page, checksum right. */
static enum lx_status fetch(struct lx_pq_chunk_reader *reader,
                            const struct lx_pq_page_header *header, size_t used,
                            const uint8_t **stored, struct lx_err *err)
{
    size_t size = (size_t)header->bytes;
    const uint8_t *bytes = NULL;
    LX_TRY(look(reader, reader->next_page, used + size, &bytes, err));
    reader->next_page += (int64_t)(used + size);
    *stored = bytes + used;
    if (reader->setting.options->no_crc || !header->has_crc)
        return LX_OK;
    if (lx_pq_crc32(0, *stored, size) != header->crc)
        return lx_pq_chunk_fail(reader, LX_E_CORRUPT, "the page's checksum differs", err);
    return LX_OK;
}

/* Decompresses the page but for its first `plain` bytes. The result lies in `body`, or in the
 * window where nothing has to be done. */
static enum lx_status unpack(struct lx_pq_chunk_reader *reader,
                             const struct lx_pq_page_header *header, const uint8_t *stored,
                             size_t plain, bool compressed, const uint8_t **body,
                             struct lx_err *err)
{
    size_t raw = (size_t)header->raw_bytes, size = (size_t)header->bytes;
    if (!compressed || reader->chunk->codec == LX_PARQUET_UNCOMPRESSED) {
        *body = stored;
        if (raw == size)
            return LX_OK;
        return lx_pq_chunk_fail(reader, LX_E_FORMAT, "an uncompressed page has two sizes", err);
    }
    enum lx_status status = lx_pq_area_reserve(&reader->body, raw, 0);
    if (status != LX_OK)
        return lx_pq_chunk_fail(reader, status, NULL, err);
    if (plain != 0)
        memcpy(reader->body.data, stored, plain);
    *body = reader->body.data;
    if (raw == plain && size == plain)
        return LX_OK;
    status = lx_pq_decompress(reader->decompressor, reader->chunk->codec, stored + plain,
                              size - plain, reader->body.data + plain, raw - plain, err);
    if (status != LX_OK)
        lx_err_context(err, "column \"%s\", page at byte %lld", reader->leaf->path,
                       (long long)reader->page_offset);
    return status;
}

/* -- dictionary ---------------------------------------------------------------------------- */

static enum lx_status decode_dictionary(struct lx_pq_chunk_reader *reader, const uint8_t *body,
                                        size_t size, int32_t count, struct lx_err *err)
{
    struct lx_column *values = &reader->dictionary_values;
    struct lx_pq_budget *budget = reader->setting.budget;
    struct lx_pq_decoder *decoder = &reader->decoder;
    const char *why = NULL;
    size_t done = 0;
    lx_pq_budget_clear_column(budget, values);
    enum lx_status status = lx_pq_decoder_open(decoder, LX_PARQUET_PLAIN, reader->leaf->field, body,
                                               size, count, NULL, &why);
    if (status != LX_OK)
        return lx_pq_chunk_fail(reader, status, why, err);
    status = lx_pq_budget_rows(budget, values, (size_t)count);
    if (status == LX_OK && count > 0) {
        if (values->shape == LX_COLUMN_BYTES)
            status = lx_pq_decode_texts(decoder, budget, values, (size_t)count, SIZE_MAX, &done);
        else
            status = lx_pq_decode_fixed(decoder, values->values, (size_t)count);
        values->rows = count;
    }
    if (status == LX_OK && !lx_pq_decoder_is_spent(decoder, reader->setting.strict))
        status = LX_E_FORMAT;
    return lx_pq_chunk_fail(reader, status,
                            status == LX_E_FORMAT ? "the dictionary is broken" : NULL, err);
}

static enum lx_status open_dictionary(struct lx_pq_chunk_reader *reader,
                                      const struct lx_pq_page_header *header, size_t used,
                                      struct lx_err *err)
{
    const uint8_t *stored, *body;
    if (reader->has_dictionary)
        return lx_pq_chunk_fail(reader, LX_E_FORMAT, "a column has two dictionaries", err);
    if (header->encoding != LX_PARQUET_PLAIN && header->encoding != LX_PARQUET_PLAIN_DICTIONARY)
        return lx_pq_chunk_fail(reader, LX_E_FORMAT, "a dictionary is not PLAIN", err);
    if (reader->leaf->field->physical == LX_PARQUET_BOOLEAN)
        return lx_pq_chunk_fail(reader, LX_E_FORMAT, "a dictionary of booleans", err);
    LX_TRY(fetch(reader, header, used, &stored, err));
    LX_TRY(unpack(reader, header, stored, 0, true, &body, err));
    LX_TRY(decode_dictionary(reader, body, (size_t)header->raw_bytes, header->values, err));
    reader->has_dictionary = true;
    return LX_OK;
}

/* -- levels -------------------------------------------------------------------------------- */

/* Levels of version 1 stand behind their length. */
static bool take_levels_v1(struct lx_cursor *cursor, uint8_t maximum, struct lx_pq_rle *rle)
{
    uint32_t size;
    const uint8_t *bytes;
    if (maximum == 0)
        return true;
    return lx_cursor_u32(cursor, &size) && lx_cursor_bytes(cursor, size, &bytes) &&
           lx_pq_rle_open(rle, bytes, size, lx_pq_bit_width(maximum));
}

static bool take_levels_v2(struct lx_cursor *cursor, int32_t size, uint8_t maximum,
                           struct lx_pq_rle *rle)
{
    const uint8_t *bytes;
    return lx_cursor_bytes(cursor, (size_t)size, &bytes) &&
           lx_pq_rle_open(rle, bytes, (size_t)size, lx_pq_bit_width(maximum));
}

static size_t count_of(const uint8_t *levels, size_t count, uint8_t level)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += levels[i] == level;
    return n;
}

/* Values that are there: a pass over the levels of a flat column that leaves them unread. */
static bool count_present(const struct lx_pq_rle *levels, int64_t count, int64_t *present)
{
    struct lx_pq_rle copy = *levels;
    uint8_t block[4096];
    *present = 0;
    while (count > 0) {
        size_t n = count < (int64_t)sizeof block ? (size_t)count : sizeof block;
        if (!lx_pq_rle_read_bytes(&copy, block, n))
            return false;
        *present += (int64_t)count_of(block, n, 1);
        count -= (int64_t)n;
    }
    return true;
}

/* All levels of a page of a column in groups. */
static enum lx_status read_levels(struct lx_pq_rle *rle, struct lx_pq_area *area, uint8_t maximum,
                                  int64_t count)
{
    if (maximum == 0)
        return LX_OK;
    LX_TRY(lx_pq_area_reserve(area, (size_t)count, 0));
    if (!lx_pq_rle_read_bytes(rle, area->data, (size_t)count))
        return LX_E_FORMAT;
    uint8_t most = 0;
    for (int64_t i = 0; i < count; i++)
        most = area->data[i] > most ? area->data[i] : most;
    return most <= maximum ? LX_OK : LX_E_FORMAT;
}

static enum lx_status open_levels(struct lx_pq_chunk_reader *reader, int64_t count,
                                  struct lx_pq_rle *repetition, int64_t *present)
{
    const struct lx_parquet_leaf *leaf = reader->leaf;
    reader->flag_at = reader->flag_end = 0;
    reader->page_at = 0;
    *present = count;
    if (reader->is_flat) {
        if (leaf->max_definition == 0)
            return LX_OK;
        return count_present(&reader->definition, count, present) ? LX_OK : LX_E_FORMAT;
    }
    LX_TRY(read_levels(repetition, &reader->page_repetition, leaf->max_repetition, count));
    LX_TRY(read_levels(&reader->definition, &reader->page_definition, leaf->max_definition, count));
    if (leaf->max_definition > 0)
        *present =
            (int64_t)count_of(reader->page_definition.data, (size_t)count, leaf->max_definition);
    return LX_OK;
}

/* -- data pages ---------------------------------------------------------------------------- */

static enum lx_status open_values(struct lx_pq_chunk_reader *reader,
                                  const struct lx_pq_page_header *header, struct lx_cursor cursor,
                                  struct lx_pq_rle *repetition, struct lx_err *err)
{
    int64_t present;
    const char *why = NULL;
    enum lx_status status = open_levels(reader, header->values, repetition, &present);
    if (status != LX_OK)
        return lx_pq_chunk_fail(reader, status,
                                status == LX_E_FORMAT ? "the levels are broken" : NULL, err);
    if (header->type == LX_PQ_DATA_PAGE_V2 && present != header->values - header->nulls)
        return lx_pq_chunk_fail(reader, LX_E_FORMAT, "a page has another number of NULLs", err);
    reader->by_dictionary = header->encoding == LX_PARQUET_RLE_DICTIONARY ||
                            header->encoding == LX_PARQUET_PLAIN_DICTIONARY;
    status = lx_pq_decoder_open(&reader->decoder, header->encoding, reader->leaf->field, cursor.pos,
                                lx_cursor_left(&cursor), present,
                                reader->has_dictionary ? &reader->dictionary_values : NULL, &why);
    if (status != LX_OK)
        return lx_pq_chunk_fail(reader, status, why, err);
    reader->page_left = header->values;
    reader->levels_left -= header->values;
    reader->page_spent = false;
    return LX_OK;
}

static enum lx_status open_data_page(struct lx_pq_chunk_reader *reader,
                                     const struct lx_pq_page_header *header, size_t used,
                                     struct lx_err *err)
{
    const struct lx_parquet_leaf *leaf = reader->leaf;
    struct lx_pq_rle repetition = {.width = 0};
    const uint8_t *stored, *body;
    if ((leaf->max_definition > 0 && header->definition_encoding == LX_PARQUET_BIT_PACKED) ||
        (leaf->max_repetition > 0 && header->repetition_encoding == LX_PARQUET_BIT_PACKED))
        return lx_pq_chunk_fail(reader, LX_E_UNSUPPORTED, "BIT_PACKED levels are not read", err);
    LX_TRY(fetch(reader, header, used, &stored, err));
    LX_TRY(unpack(reader, header, stored, 0, true, &body, err));
    struct lx_cursor cursor = lx_cursor_of(body, (size_t)header->raw_bytes);
    if (!take_levels_v1(&cursor, leaf->max_repetition, &repetition) ||
        !take_levels_v1(&cursor, leaf->max_definition, &reader->definition))
        return lx_pq_chunk_fail(reader, LX_E_FORMAT, "the levels are broken", err);
    return open_values(reader, header, cursor, &repetition, err);
}

static enum lx_status open_data_page_v2(struct lx_pq_chunk_reader *reader,
                                        const struct lx_pq_page_header *header, size_t used,
                                        struct lx_err *err)
{
    const struct lx_parquet_leaf *leaf = reader->leaf;
    struct lx_pq_rle repetition = {.width = 0};
    const uint8_t *stored, *body;
    size_t levels = (size_t)header->repetition_bytes + (size_t)header->definition_bytes;
    LX_TRY(fetch(reader, header, used, &stored, err));
    LX_TRY(unpack(reader, header, stored, levels, header->is_compressed, &body, err));
    struct lx_cursor cursor = lx_cursor_of(body, (size_t)header->raw_bytes);
    if (!take_levels_v2(&cursor, header->repetition_bytes, leaf->max_repetition, &repetition) ||
        !take_levels_v2(&cursor, header->definition_bytes, leaf->max_definition,
                        &reader->definition))
        return lx_pq_chunk_fail(reader, LX_E_FORMAT, "the levels are broken", err);
    return open_values(reader, header, cursor, &repetition, err);
}

enum lx_status lx_pq_chunk_next_page(struct lx_pq_chunk_reader *reader, bool *opened,
                                     struct lx_err *err)
{
    *opened = false;
    while (reader->next_page < reader->end) {
        struct lx_pq_page_header header;
        size_t used;
        LX_TRY(read_header(reader, &header, &used, err));
        LX_TRY(check_header(reader, &header, used, err));
        switch (header.type) {
        case LX_PQ_DICTIONARY_PAGE: LX_TRY(open_dictionary(reader, &header, used, err)); break;
        case LX_PQ_INDEX_PAGE: reader->next_page += (int64_t)used + header.bytes; break;
        case LX_PQ_DATA_PAGE: *opened = true; return open_data_page(reader, &header, used, err);
        case LX_PQ_DATA_PAGE_V2:
            *opened = true;
            return open_data_page_v2(reader, &header, used, err);
        }
    }
    return LX_OK;
}

enum lx_status lx_pq_chunk_load_dictionary(struct lx_pq_chunk_reader *reader, struct lx_err *err)
{
    struct lx_pq_page_header header;
    size_t used;
    const uint32_t by_dictionary =
        (uint32_t)1 << LX_PARQUET_RLE_DICTIONARY | (uint32_t)1 << LX_PARQUET_PLAIN_DICTIONARY;
    if (reader->has_dictionary || reader->next_page != lx_pq_chunk_start(reader->chunk) ||
        reader->next_page == reader->end || (reader->chunk->encodings & by_dictionary) == 0)
        return LX_OK;
    LX_TRY(read_header(reader, &header, &used, err));
    if (header.type != LX_PQ_DICTIONARY_PAGE)
        return LX_OK;
    LX_TRY(check_header(reader, &header, used, err));
    return open_dictionary(reader, &header, used, err);
}
