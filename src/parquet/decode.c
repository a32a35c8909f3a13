#include "parquet/decode.h"

#include "parquet/bitpack.h"
#include "parquet/encode.h"

#include <assert.h>

/* -- opening ------------------------------------------------------------------------------- */

static bool open_delta(struct lx_pq_decoder *decoder, const uint8_t *bytes, size_t size,
                       bool prefixed, const char **why)
{
    const uint8_t *end = bytes + size, *at = bytes;
    *why = "lengths of texts are broken";
    if (prefixed) {
        if (!lx_pq_delta_open(&decoder->prefixes, at, (size_t)(end - at)) ||
            !lx_pq_delta_end(&decoder->prefixes, &at))
            return false;
    }
    if (!lx_pq_delta_open(&decoder->numbers, at, (size_t)(end - at)) ||
        !lx_pq_delta_end(&decoder->numbers, &at))
        return false;
    if (decoder->numbers.left < (uint64_t)decoder->left ||
        (prefixed && decoder->prefixes.left != decoder->numbers.left))
        return false;
    decoder->bytes = lx_cursor_of(at, (size_t)(end - at));
    return true;
}

static enum lx_status open_dictionary(struct lx_pq_decoder *decoder, const uint8_t *bytes,
                                      size_t size, int64_t values, const char **why)
{
    if (decoder->dictionary == NULL) {
        *why = "a page needs a dictionary, and there is none";
        return LX_E_FORMAT;
    }
    if (size == 0 && values > 0) {
        *why = "a page is empty";
        return LX_E_FORMAT;
    }
    *why = "numbers of a dictionary have more than 32 bits";
    if (!lx_pq_rle_open(&decoder->rle, size != 0 ? bytes + 1 : bytes, size != 0 ? size - 1 : 0,
                        size != 0 ? bytes[0] : 0))
        return LX_E_FORMAT;
    return LX_OK;
}

/* A length in front, then runs. */
static bool open_rle_bools(struct lx_pq_decoder *decoder, struct lx_cursor cursor, const char **why)
{
    uint32_t size;
    const uint8_t *runs;
    *why = "run-length booleans are broken";
    return lx_cursor_u32(&cursor, &size) && lx_cursor_bytes(&cursor, size, &runs) &&
           lx_pq_rle_open(&decoder->rle, runs, size, 1);
}

static enum lx_status open_plain(struct lx_pq_decoder *decoder, size_t size, int64_t values,
                                 const char **why)
{
    *why = "a page holds fewer values than it says";
    if (decoder->physical == LX_PARQUET_BOOLEAN) {
        decoder->bits = (size_t)values;
        return (size_t)values <= size * 8 ? LX_OK : LX_E_FORMAT;
    }
    if (decoder->width != 0 && (uint64_t)values > size / decoder->width)
        return LX_E_FORMAT;
    return LX_OK;
}

static enum lx_status unfit(const char **why)
{
    *why = "an encoding does not fit the column's type";
    return LX_E_FORMAT;
}

enum lx_status lx_pq_decoder_open(struct lx_pq_decoder *decoder, enum lx_parquet_encoding encoding,
                                  const struct lx_parquet_field *field, const void *bytes,
                                  size_t size, int64_t values, const struct lx_column *dictionary,
                                  const char **why)
{
    enum lx_parquet_physical physical = field->physical;
    bool is_text = physical == LX_PARQUET_BYTE_ARRAY;
    bool is_bytes = is_text || physical == LX_PARQUET_FIXED_LEN_BYTE_ARRAY;
    decoder->encoding =
        encoding == LX_PARQUET_PLAIN_DICTIONARY ? LX_PARQUET_RLE_DICTIONARY : encoding;
    decoder->bytes = lx_cursor_of(bytes, size);
    decoder->dictionary = dictionary;
    decoder->block_at = decoder->block_end = decoder->bit = decoder->bits = 0;
    decoder->last_size = decoder->split_at = 0;
    decoder->left = values;
    switch (decoder->encoding) {
    case LX_PARQUET_PLAIN: return open_plain(decoder, size, values, why);
    case LX_PARQUET_RLE_DICTIONARY: return open_dictionary(decoder, bytes, size, values, why);
    case LX_PARQUET_RLE:
        if (physical != LX_PARQUET_BOOLEAN)
            return unfit(why);
        return open_rle_bools(decoder, decoder->bytes, why) ? LX_OK : LX_E_FORMAT;
    case LX_PARQUET_DELTA_BINARY_PACKED:
        if (physical != LX_PARQUET_INT32 && physical != LX_PARQUET_INT64)
            return unfit(why);
        *why = "packed differences are broken";
        return lx_pq_delta_open(&decoder->numbers, bytes, size) &&
                       decoder->numbers.left >= (uint64_t)values
                   ? LX_OK
                   : LX_E_FORMAT;
    case LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY:
        if (!is_text)
            return unfit(why);
        return open_delta(decoder, bytes, size, false, why) ? LX_OK : LX_E_FORMAT;
    case LX_PARQUET_DELTA_BYTE_ARRAY:
        if (!is_bytes)
            return unfit(why);
        return open_delta(decoder, bytes, size, true, why) ? LX_OK : LX_E_FORMAT;
    case LX_PARQUET_BYTE_STREAM_SPLIT:
        if (is_text || physical == LX_PARQUET_BOOLEAN)
            return unfit(why);
        *why = "split streams have a wrong length";
        decoder->split_total = size / decoder->width;
        return size % decoder->width == 0 && (uint64_t)values <= decoder->split_total ? LX_OK
                                                                                      : LX_E_FORMAT;
    case LX_PARQUET_ENCODING_AUTO:
    case LX_PARQUET_PLAIN_DICTIONARY:
    case LX_PARQUET_BIT_PACKED: break;
    }
    *why = "an encoding of values that is not known";
    return LX_E_UNSUPPORTED;
}

/* -- numbers of a dictionary --------------------------------------------------------------- */

enum lx_status lx_pq_decode_ids(struct lx_pq_decoder *decoder, uint32_t *ids, size_t count)
{
    uint32_t most = 0;
    assert(decoder->encoding == LX_PARQUET_RLE_DICTIONARY);
    if (count == 0)
        return LX_OK;
    if (!lx_pq_rle_read(&decoder->rle, ids, count))
        return LX_E_FORMAT;
    for (size_t i = 0; i < count; i++)
        most = ids[i] > most ? ids[i] : most;
    return (int64_t)most < decoder->dictionary->rows ? LX_OK : LX_E_FORMAT;
}

/* -- values of fixed width ----------------------------------------------------------------- */

static enum lx_status fixed_of_dictionary(struct lx_pq_decoder *decoder, uint8_t *values,
                                          size_t count)
{
    const uint8_t *from = decoder->dictionary->values;
    size_t width = decoder->width;
    uint32_t ids[1024];
    while (count > 0) {
        size_t n = count < 1024 ? count : 1024;
        LX_TRY(lx_pq_decode_ids(decoder, ids, n));
        if (width == 4) {
            for (size_t i = 0; i < n; i++)
                memcpy(values + i * 4, from + (size_t)ids[i] * 4, 4);
        } else if (width == 8) {
            for (size_t i = 0; i < n; i++)
                memcpy(values + i * 8, from + (size_t)ids[i] * 8, 8);
        } else {
            for (size_t i = 0; i < n; i++)
                memcpy(values + i * width, from + (size_t)ids[i] * width, width);
        }
        values += n * width;
        count -= n;
    }
    return LX_OK;
}

static enum lx_status fixed_plain(struct lx_pq_decoder *decoder, uint8_t *values, size_t count)
{
    const uint8_t *bytes;
    if (decoder->physical == LX_PARQUET_BOOLEAN) {
        if (count > decoder->bits - decoder->bit)
            return LX_E_FORMAT;
        lx_pq_unpack_bools(decoder->bytes.pos, decoder->bit, values, count);
        decoder->bit += count;
        return LX_OK;
    }
    if (count > SIZE_MAX / decoder->width ||
        !lx_cursor_bytes(&decoder->bytes, count * decoder->width, &bytes))
        return LX_E_FORMAT;
    if (count != 0)
        memcpy(values, bytes, count * decoder->width);
    return LX_OK;
}

static enum lx_status fixed_split(struct lx_pq_decoder *decoder, uint8_t *values, size_t count)
{
    if (count > decoder->split_total - decoder->split_at)
        return LX_E_FORMAT;
    lx_pq_decode_split(decoder->bytes.pos, decoder->width, decoder->split_total, decoder->split_at,
                       count, values);
    decoder->split_at += count;
    return LX_OK;
}

/* DELTA_BYTE_ARRAY of a fixed length: each value must have it. */
static enum lx_status fixed_delta(struct lx_pq_decoder *decoder, uint8_t *values, size_t count)
{
    size_t width = decoder->width;
    LX_TRY(lx_pq_area_reserve(&decoder->last, width, decoder->last_size));
    for (size_t i = 0; i < count; i++) {
        int32_t shared, rest;
        const uint8_t *bytes;
        if (!lx_pq_delta_read32(&decoder->prefixes, &shared, 1) ||
            !lx_pq_delta_read32(&decoder->numbers, &rest, 1) || shared < 0 || rest < 0 ||
            (size_t)shared > decoder->last_size || (size_t)shared + (size_t)rest != width ||
            !lx_cursor_bytes(&decoder->bytes, (size_t)rest, &bytes))
            return LX_E_FORMAT;
        memcpy(decoder->last.data + shared, bytes, (size_t)rest);
        decoder->last_size = width;
        memcpy(values + i * width, decoder->last.data, width);
    }
    return LX_OK;
}

static enum lx_status as_format(bool ok)
{
    return ok ? LX_OK : LX_E_FORMAT;
}

enum lx_status lx_pq_decode_fixed(struct lx_pq_decoder *decoder, uint8_t *values, size_t count)
{
    void *out = values;
    assert(decoder->width != 0);
    switch (decoder->encoding) {
    case LX_PARQUET_PLAIN: return fixed_plain(decoder, values, count);
    case LX_PARQUET_RLE_DICTIONARY: return fixed_of_dictionary(decoder, values, count);
    case LX_PARQUET_RLE: return as_format(lx_pq_rle_read_bytes(&decoder->rle, values, count));
    case LX_PARQUET_DELTA_BINARY_PACKED:
        return as_format(decoder->width == 4 ? lx_pq_delta_read32(&decoder->numbers, out, count)
                                             : lx_pq_delta_read64(&decoder->numbers, out, count));
    case LX_PARQUET_BYTE_STREAM_SPLIT: return fixed_split(decoder, values, count);
    case LX_PARQUET_DELTA_BYTE_ARRAY: return fixed_delta(decoder, values, count);
    case LX_PARQUET_ENCODING_AUTO:
    case LX_PARQUET_PLAIN_DICTIONARY:
    case LX_PARQUET_BIT_PACKED:
    case LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY: break;
    }
    return LX_E_BUG;
}

/* -- texts --------------------------------------------------------------------------------- */

/* Reads lengths ahead where none are left. */
static enum lx_status read_ahead(struct lx_pq_decoder *decoder)
{
    size_t want = LX_PQ_DECODE_BLOCK;
    if (decoder->block_at < decoder->block_end)
        return LX_OK;
    if (decoder->left <= 0)
        return LX_E_FORMAT;
    want = (uint64_t)decoder->left < want ? (size_t)decoder->left : want;
    bool ok = true;
    if (decoder->encoding == LX_PARQUET_RLE_DICTIONARY)
        ok = lx_pq_decode_ids(decoder, decoder->ids, want) == LX_OK;
    else if (decoder->encoding != LX_PARQUET_PLAIN)
        ok = lx_pq_delta_read32(&decoder->numbers, decoder->lengths, want) &&
             (decoder->encoding != LX_PARQUET_DELTA_BYTE_ARRAY ||
              lx_pq_delta_read32(&decoder->prefixes, decoder->shared, want));
    if (!ok)
        return LX_E_FORMAT;
    decoder->block_at = 0;
    decoder->block_end = want;
    decoder->left -= (int64_t)want;
    return LX_OK;
}

/* PLAIN: lengths stand between the texts. */
static bool peek_plain_lengths(struct lx_pq_decoder *decoder)
{
    struct lx_cursor cursor = decoder->bytes;
    for (size_t i = decoder->block_at; i < decoder->block_end; i++) {
        uint32_t size;
        const uint8_t *bytes;
        if (!lx_cursor_u32(&cursor, &size) || size > INT32_MAX ||
            !lx_cursor_bytes(&cursor, size, &bytes))
            return false;
        decoder->lengths[i] = (int32_t)size;
    }
    return true;
}

/* Length of a text that was read ahead; negative: broken. */
static inline int64_t text_size(const struct lx_pq_decoder *decoder, size_t at)
{
    if (decoder->encoding == LX_PARQUET_RLE_DICTIONARY) {
        const uint32_t *offsets = decoder->dictionary->offsets + decoder->ids[at];
        return offsets[1] - offsets[0];
    }
    if (decoder->lengths[at] < 0)
        return -1;
    if (decoder->encoding != LX_PARQUET_DELTA_BYTE_ARRAY)
        return decoder->lengths[at];
    return decoder->shared[at] < 0 ? -1 : (int64_t)decoder->lengths[at] + decoder->shared[at];
}

/* How many of the texts read ahead are to be taken now, and their bytes. */
static bool plan_block(const struct lx_pq_decoder *decoder, size_t want, size_t soft, bool first,
                       size_t *count, size_t *bytes)
{
    size_t n = 0, total = 0;
    while (n < want && decoder->block_at + n < decoder->block_end) {
        int64_t size = text_size(decoder, decoder->block_at + n);
        if (size < 0)
            return false;
        if (total + (size_t)size > soft && (n > 0 || !first))
            break;
        total += (size_t)size;
        n++;
    }
    *count = n;
    *bytes = total;
    return true;
}

/* Short texts: a copy of fixed size is faster than one of the right size. 16 bytes may be read and
 * written on both sides. */
static inline void copy_short(uint8_t *to, const uint8_t *from, size_t size)
{
    if (size <= 16) {
        memcpy(to, from, 16);
    } else {
        memcpy(to, from, size);
    }
}

#define SLACK 16 /* bytes behind the output that copy_short may write */

static bool copy_plain(struct lx_pq_decoder *decoder, size_t count, uint8_t *to, uint32_t at,
                       uint32_t *offsets)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *bytes;
        size_t size = (size_t)decoder->lengths[decoder->block_at + i];
        if (lx_cursor_left(&decoder->bytes) >= 4 + size + SLACK) {
            copy_short(to, decoder->bytes.pos + 4, size);
            decoder->bytes.pos += 4 + size;
        } else {
            decoder->bytes.pos += 4;
            if (!lx_cursor_bytes(&decoder->bytes, size, &bytes))
                return false;
            memcpy(to, bytes, size);
        }
        to += size;
        at += (uint32_t)size;
        offsets[i] = at;
    }
    return true;
}

/* `to` NULL: the texts stay where they are. */
static bool copy_lengths(struct lx_pq_decoder *decoder, size_t count, size_t bytes, uint8_t *to,
                         uint32_t at, uint32_t *offsets)
{
    const uint8_t *from;
    if (!lx_cursor_bytes(&decoder->bytes, bytes, &from))
        return false;
    if (to != NULL && bytes != 0)
        memcpy(to, from, bytes);
    for (size_t i = 0; i < count; i++) {
        at += (uint32_t)decoder->lengths[decoder->block_at + i];
        offsets[i] = at;
    }
    return true;
}

static void copy_dictionary(struct lx_pq_decoder *decoder, size_t count, uint8_t *to, uint32_t at,
                            uint32_t *offsets)
{
    const struct lx_column *dictionary = decoder->dictionary;
    size_t end = dictionary->rows != 0 ? dictionary->offsets[dictionary->rows] : 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t id = decoder->ids[decoder->block_at + i];
        uint32_t start = dictionary->offsets[id], size = dictionary->offsets[id + 1] - start;
        if (start + SLACK <= end)
            copy_short(to, dictionary->values + start, size);
        else if (size != 0)
            memcpy(to, dictionary->values + start, size);
        to += size;
        at += size;
        offsets[i] = at;
    }
}

/* `last`: the text before, in front of which no rule says where it is. */
static bool copy_delta(struct lx_pq_decoder *decoder, size_t count, struct lx_str last, uint8_t *to,
                       uint32_t at, uint32_t *offsets)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *bytes;
        size_t shared = (size_t)decoder->shared[decoder->block_at + i];
        size_t rest = (size_t)decoder->lengths[decoder->block_at + i];
        if (shared > last.len || !lx_cursor_bytes(&decoder->bytes, rest, &bytes))
            return false;
        if (shared != 0)
            memcpy(to, last.ptr, shared);
        if (rest != 0)
            memcpy(to + shared, bytes, rest);
        last = (struct lx_str){(const char *)to, shared + rest};
        to += shared + rest;
        at += (uint32_t)(shared + rest);
        offsets[i] = at;
    }
    return true;
}

/* The last value is needed once the column may be gone. */
static enum lx_status keep_last(struct lx_pq_decoder *decoder, const struct lx_column *column)
{
    struct lx_str last = lx_column_value(column, column->rows - 1);
    LX_TRY(lx_pq_area_reserve(&decoder->last, last.len, 0));
    if (last.len != 0)
        memcpy(decoder->last.data, last.ptr, last.len);
    decoder->last_size = last.len;
    return LX_OK;
}

static enum lx_status copy_block(struct lx_pq_decoder *decoder, struct lx_column *column,
                                 size_t count, size_t bytes, bool first)
{
    uint32_t at = column->offsets[column->rows];
    uint8_t *to = column->values + at;
    uint32_t *offsets = column->offsets + column->rows + 1;
    struct lx_str last = {(const char *)decoder->last.data, decoder->last_size};
    bool ok = true;
    switch (decoder->encoding) {
    case LX_PARQUET_PLAIN: ok = copy_plain(decoder, count, to, at, offsets); break;
    case LX_PARQUET_RLE_DICTIONARY: copy_dictionary(decoder, count, to, at, offsets); break;
    case LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY:
        ok = copy_lengths(decoder, count, bytes, to, at, offsets);
        break;
    default:
        if (!first)
            last = lx_column_value(column, column->rows - 1);
        ok = copy_delta(decoder, count, last, to, at, offsets);
        break;
    }
    column->rows += (int64_t)count;
    decoder->block_at += count;
    return as_format(ok);
}

bool lx_pq_decoder_lends(const struct lx_pq_decoder *decoder)
{
    return decoder->encoding == LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY;
}

enum lx_status lx_pq_lend_texts(struct lx_pq_decoder *decoder, struct lx_pq_budget *budget,
                                struct lx_column *column, size_t count, size_t soft, size_t *done)
{
    size_t total = 0, taken = 0;
    assert(lx_pq_decoder_lends(decoder) && column->shape == LX_COLUMN_BYTES);
    LX_TRY(lx_pq_budget_rows(budget, column, count));
    while (taken < count) {
        size_t n, bytes;
        uint32_t *offsets = column->offsets + column->rows;
        LX_TRY(read_ahead(decoder));
        if (!plan_block(decoder, count - taken, soft > total ? soft - total : 0, taken == 0, &n,
                        &bytes))
            return LX_E_FORMAT;
        if (n == 0)
            break;
        if (!copy_lengths(decoder, n, bytes, NULL, offsets[0], offsets + 1))
            return LX_E_FORMAT;
        column->rows += (int64_t)n;
        decoder->block_at += n;
        taken += n;
        total += bytes;
    }
    *done = taken;
    return LX_OK;
}

enum lx_status lx_pq_decode_texts(struct lx_pq_decoder *decoder, struct lx_pq_budget *budget,
                                  struct lx_column *column, size_t count, size_t soft, size_t *done)
{
    size_t total = 0, taken = 0;
    assert(decoder->width == 0 && column->shape == LX_COLUMN_BYTES);
    LX_TRY(lx_pq_budget_rows(budget, column, count));
    while (taken < count) {
        size_t n, bytes;
        bool fresh = decoder->block_at == decoder->block_end;
        LX_TRY(read_ahead(decoder));
        if (fresh && decoder->encoding == LX_PARQUET_PLAIN && !peek_plain_lengths(decoder))
            return LX_E_FORMAT;
        if (!plan_block(decoder, count - taken, soft > total ? soft - total : 0, taken == 0, &n,
                        &bytes))
            return LX_E_FORMAT;
        if (n == 0)
            break;
        LX_TRY(lx_pq_budget_bytes(budget, column, bytes + SLACK));
        LX_TRY(copy_block(decoder, column, n, bytes, taken == 0));
        taken += n;
        total += bytes;
    }
    if (decoder->encoding == LX_PARQUET_DELTA_BYTE_ARRAY && taken > 0)
        LX_TRY(keep_last(decoder, column));
    *done = taken;
    return LX_OK;
}

bool lx_pq_decoder_is_spent(const struct lx_pq_decoder *decoder, bool strict)
{
    switch (decoder->encoding) {
    case LX_PARQUET_PLAIN:
        if (decoder->physical == LX_PARQUET_BOOLEAN)
            return !strict || lx_cursor_left(&decoder->bytes) == (decoder->bits + 7) / 8;
        return !strict || lx_cursor_left(&decoder->bytes) == 0;
    case LX_PARQUET_DELTA_BINARY_PACKED: return !strict || decoder->numbers.left == 0;
    case LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY:
    case LX_PARQUET_DELTA_BYTE_ARRAY:
        return !strict || (decoder->numbers.left == 0 && lx_cursor_left(&decoder->bytes) == 0);
    case LX_PARQUET_BYTE_STREAM_SPLIT: return !strict || decoder->split_at == decoder->split_total;
    case LX_PARQUET_RLE:
    case LX_PARQUET_RLE_DICTIONARY:
        return !strict || (decoder->rle.repeats == 0 && decoder->rle.packed_left < 8 &&
                           lx_cursor_left(&decoder->rle.cursor) == 0);
    default: return true;
    }
}
