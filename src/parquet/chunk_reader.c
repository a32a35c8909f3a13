#include "parquet/chunk_reader.h"

#include "parquet/chunk_pages.h"
#include "parquet/schema.h"

#include "base/alloc.h"

#include <assert.h>

enum lx_status lx_pq_chunk_check(const struct lx_parquet_leaf *leaf,
                                 const struct lx_parquet_chunk *chunk, struct lx_err *err)
{
    if (leaf->field->physical == LX_PARQUET_INT96)
        return lx_err_set(err, LX_E_UNSUPPORTED, "column \"%s\": INT96 is not read", leaf->path);
    if (!lx_pq_codec_readable(chunk->codec))
        return lx_err_set(err, LX_E_UNSUPPORTED, "column \"%s\": codec %s is not read", leaf->path,
                          lx_parquet_codec_name(chunk->codec));
    return LX_OK;
}

static void prepare_memory(struct lx_pq_chunk_reader *reader)
{
    struct lx_pq_budget *budget = reader->setting.budget;
    struct lx_pq_area *areas[] = {
        &reader->window,          &reader->body,           &reader->page_definition,
        &reader->page_repetition, &reader->out_ids,        &reader->out_nulls,
        &reader->out_definition,  &reader->out_repetition, &reader->decoder.last};
    uint32_t width = lx_pq_width_of(reader->leaf->field);
    enum lx_column_shape shape = width != 0 ? LX_COLUMN_FIXED : LX_COLUMN_BYTES;
    for (size_t i = 0; i < sizeof areas / sizeof areas[0]; i++)
        areas[i]->budget = budget;
    lx_column_init(&reader->out, shape, width);
    lx_column_init(&reader->dictionary_values, shape, width);
    reader->decoder.physical = reader->leaf->field->physical;
    reader->decoder.width = width;
}

enum lx_status
lx_pq_chunk_open(struct lx_pq_chunk_reader *reader, const struct lx_pq_chunk_setting *setting,
                 const struct lx_parquet_leaf *leaf, const struct lx_parquet_chunk *chunk,
                 const struct lx_pq_chunk_sums *sums, int64_t group_rows, struct lx_err *err)
{
    LX_TRY(lx_pq_chunk_check(leaf, chunk, err));
    if (reader->leaf == NULL) {
        reader->setting = *setting;
        reader->leaf = leaf;
        prepare_memory(reader);
        LX_TRY(lx_pq_decompressor_create(&reader->decompressor, err));
    }
    assert(reader->leaf == leaf);
    reader->chunk = chunk;
    reader->sums = sums;
    reader->page_number = 0;
    reader->group_rows = group_rows;
    reader->is_flat = leaf->max_repetition == 0 && leaf->max_definition <= 1;
    reader->next_page = lx_pq_chunk_start(chunk);
    reader->end = reader->next_page + chunk->bytes;
    reader->window_start = reader->next_page;
    reader->window_size = 0;
    reader->levels_left = chunk->values;
    reader->skipped = false;
    reader->page_offset = reader->next_page;
    reader->page_left = 0;
    reader->page_spent = true;
    reader->has_dictionary = false;
    reader->out_from = reader->out_rows = reader->out_levels = 0;
    reader->lent = NULL;
    return LX_OK;
}

void lx_pq_chunk_free(struct lx_pq_chunk_reader *reader)
{
    if (reader->leaf == NULL)
        return;
    lx_pq_decompressor_free(reader->decompressor);
    lx_pq_budget_free_column(reader->setting.budget, &reader->out);
    lx_pq_budget_free_column(reader->setting.budget, &reader->dictionary_values);
    lx_pq_area_free(&reader->window);
    lx_pq_area_free(&reader->body);
    lx_pq_area_free(&reader->page_definition);
    lx_pq_area_free(&reader->page_repetition);
    lx_pq_area_free(&reader->out_ids);
    lx_pq_area_free(&reader->out_nulls);
    lx_pq_area_free(&reader->out_definition);
    lx_pq_area_free(&reader->out_repetition);
    lx_pq_area_free(&reader->decoder.last);
    *reader = (struct lx_pq_chunk_reader){.leaf = NULL};
}

/* -- pages in turn ------------------------------------------------------------------------- */

static enum lx_status broken(const struct lx_pq_chunk_reader *reader, enum lx_status status,
                             struct lx_err *err)
{
    return lx_pq_chunk_fail(reader, status,
                            status == LX_E_FORMAT ? "the values of a page are broken" : NULL, err);
}

/* A page that was used up must hold nothing more. */
static enum lx_status check_spent(struct lx_pq_chunk_reader *reader, struct lx_err *err)
{
    if (reader->page_spent)
        return LX_OK;
    reader->page_spent = true;
    if (!lx_pq_decoder_is_spent(&reader->decoder, reader->setting.strict))
        return lx_pq_chunk_fail(reader, LX_E_FORMAT, "a page holds more values than it says", err);
    return LX_OK;
}

/* A page with rows left; *any = false: there is none. */
static enum lx_status turn_page(struct lx_pq_chunk_reader *reader, bool *any, struct lx_err *err)
{
    *any = true;
    while (reader->page_left == 0) {
        LX_TRY(check_spent(reader, err));
        LX_TRY(lx_pq_chunk_next_page(reader, any, err));
        if (!*any)
            return LX_OK;
    }
    return LX_OK;
}

static enum lx_status too_few(const struct lx_pq_chunk_reader *reader, struct lx_err *err)
{
    return lx_pq_chunk_fail(reader, LX_E_FORMAT, "the column has fewer values than rows", err);
}

/* -- flat columns -------------------------------------------------------------------------- */

/* Room for `count` more rows in the output. */
static enum lx_status reserve_out(struct lx_pq_chunk_reader *reader, size_t count)
{
    size_t rows = (size_t)reader->out_rows;
    if (reader->out_has_nulls || reader->leaf->max_definition > 0)
        LX_TRY(lx_pq_area_reserve(&reader->out_nulls, rows + count + 1, rows));
    if (reader->out_is_dict)
        return lx_pq_area_reserve(&reader->out_ids, (rows + count) * 4, rows * 4);
    return lx_pq_budget_rows(reader->setting.budget, &reader->out, count);
}

/* `count` values behind the output's rows, without NULLs. *done: fewer where texts get long. */
static enum lx_status decode_dense(struct lx_pq_chunk_reader *reader, size_t count, size_t *done)
{
    size_t rows = (size_t)reader->out_rows;
    struct lx_column *out = &reader->out;
    *done = count;
    if (count == 0)
        return LX_OK;
    if (reader->out_is_dict)
        return lx_pq_decode_ids(&reader->decoder, (uint32_t *)(void *)reader->out_ids.data + rows,
                                count);
    if (out->shape == LX_COLUMN_FIXED)
        return lx_pq_decode_fixed(&reader->decoder, out->values + rows * out->width, count);
    size_t used = rows != 0 ? out->offsets[rows] : 0, most = reader->setting.batch_bytes;
    if (used >= most && rows > 0) {
        *done = 0;
        return LX_OK;
    }
    struct lx_pq_decoder *decoder = &reader->decoder;
    if (lx_pq_decoder_lends(decoder) && (used == 0 || reader->lent != NULL)) {
        if (reader->lent == NULL)
            reader->lent = decoder->bytes.pos;
        LX_TRY(lx_pq_lend_texts(decoder, reader->setting.budget, out, count, most - used, done));
    } else {
        LX_TRY(lx_pq_decode_texts(decoder, reader->setting.budget, out, count, most - used, done));
    }
    out->rows -= (int64_t)*done; /* the caller counts, as for the other shapes */
    return LX_OK;
}

/* Moves `present` dense values apart to where the flags have a 1; the others become empty. */
static void spread(struct lx_pq_chunk_reader *reader, const uint8_t *flags, size_t count,
                   size_t present)
{
    size_t rows = (size_t)reader->out_rows, left = present;
    if (reader->out_is_dict) {
        uint32_t *ids = (uint32_t *)(void *)reader->out_ids.data + rows;
        for (size_t i = count; i-- > 0;)
            ids[i] = flags[i] != 0 ? ids[--left] : 0;
    } else if (reader->out.shape == LX_COLUMN_BYTES) {
        uint32_t *offsets = reader->out.offsets + rows;
        for (size_t i = count; i-- > 0;) {
            offsets[i + 1] = offsets[left];
            left -= flags[i] != 0;
        }
    } else {
        size_t width = reader->out.width;
        uint8_t *values = reader->out.values + rows * width;
        for (size_t i = count; i-- > 0;) {
            if (flags[i] == 0) {
                memset(values + i * width, 0, width);
            } else {
                left--;
                if (left != i)
                    memcpy(values + i * width, values + left * width, width);
            }
        }
    }
}

static void count_out(struct lx_pq_chunk_reader *reader, const uint8_t *flags, size_t count)
{
    /* Required columns keep no flags. */
    uint8_t *nulls =
        reader->leaf->max_definition > 0 ? reader->out_nulls.data + reader->out_rows : NULL;
    if (flags != NULL) {
        for (size_t i = 0; i < count; i++)
            nulls[i] = flags[i] == 0;
        reader->out_has_nulls = true;
    } else if (nulls != NULL) {
        memset(nulls, 0, count);
    }
    reader->out_rows += (int64_t)count;
    if (!reader->out_is_dict)
        reader->out.rows = reader->out_rows;
    reader->page_left -= (int64_t)count;
}

/* Rows of a required column. */
static enum lx_status read_required(struct lx_pq_chunk_reader *reader, size_t want, size_t *done)
{
    LX_TRY(reserve_out(reader, want));
    LX_TRY(decode_dense(reader, want, done));
    count_out(reader, NULL, *done);
    return LX_OK;
}

/* Rows of an optional column: a block of levels at a time. */
static enum lx_status read_optional(struct lx_pq_chunk_reader *reader, size_t want, size_t *done)
{
    if (reader->flag_at == reader->flag_end) {
        size_t n = sizeof reader->flags;
        n = (uint64_t)reader->page_left < n ? (size_t)reader->page_left : n;
        if (!lx_pq_rle_read_bytes(&reader->definition, reader->flags, n))
            return LX_E_FORMAT;
        reader->flag_at = 0;
        reader->flag_end = n;
    }
    const uint8_t *flags = reader->flags + reader->flag_at;
    size_t count = reader->flag_end - reader->flag_at, present = 0, decoded;
    count = count < want ? count : want;
    for (size_t i = 0; i < count; i++)
        present += flags[i];
    LX_TRY(reserve_out(reader, count));
    LX_TRY(decode_dense(reader, present, &decoded));
    if (decoded < present) { /* up to the first value that has no room */
        present = decoded;
        for (count = 0; decoded > 0 || flags[count] == 0; count++)
            decoded -= flags[count];
    }
    if (present < count)
        spread(reader, flags, count, present);
    count_out(reader, present < count ? flags : NULL, count);
    reader->flag_at += count;
    *done = count;
    return LX_OK;
}

static enum lx_status read_flat(struct lx_pq_chunk_reader *reader, int64_t rows, struct lx_err *err)
{
    while (reader->out_rows < rows) {
        bool any;
        size_t done;
        LX_TRY(turn_page(reader, &any, err));
        if (!any)
            return reader->out_rows > 0 ? LX_OK : too_few(reader, err);
        bool as_dict = reader->setting.dictionaries && reader->by_dictionary &&
                       reader->dictionary_values.rows > 0;
        if (reader->out_rows == 0)
            reader->out_is_dict = as_dict;
        else if (reader->out_is_dict != as_dict)
            return LX_OK; /* the next batch has the other shape */
        int64_t want = rows - reader->out_rows;
        want = want < reader->page_left ? want : reader->page_left;
        enum lx_status status = reader->leaf->max_definition > 0
                                    ? read_optional(reader, (size_t)want, &done)
                                    : read_required(reader, (size_t)want, &done);
        if (status != LX_OK)
            return broken(reader, status, err);
        if (done == 0)
            return LX_OK; /* long texts: enough for this batch */
        if (reader->lent != NULL && reader->page_left == 0)
            return LX_OK; /* the page must stay */
    }
    return LX_OK;
}

/* -- columns in groups --------------------------------------------------------------------- */

/* Levels [page_at, to) of the page with their values. */
static enum lx_status take_levels(struct lx_pq_chunk_reader *reader, int64_t to)
{
    const struct lx_parquet_leaf *leaf = reader->leaf;
    size_t from = (size_t)reader->page_at, count = (size_t)to - from, present = count, done;
    size_t have = (size_t)reader->out_levels;
    if (leaf->max_definition > 0) {
        const uint8_t *levels = reader->page_definition.data + from;
        present = 0;
        for (size_t i = 0; i < count; i++)
            present += levels[i] == leaf->max_definition;
        LX_TRY(lx_pq_area_reserve(&reader->out_definition, have + count, have));
        memcpy(reader->out_definition.data + have, levels, count);
    }
    if (leaf->max_repetition > 0) {
        LX_TRY(lx_pq_area_reserve(&reader->out_repetition, have + count, have));
        memcpy(reader->out_repetition.data + have, reader->page_repetition.data + from, count);
    }
    if (present > 0) {
        struct lx_column *out = &reader->out;
        LX_TRY(lx_pq_budget_rows(reader->setting.budget, out, present));
        if (out->shape == LX_COLUMN_FIXED) {
            LX_TRY(lx_pq_decode_fixed(&reader->decoder,
                                      out->values + (size_t)out->rows * out->width, present));
            out->rows += (int64_t)present;
        } else {
            LX_TRY(lx_pq_decode_texts(&reader->decoder, reader->setting.budget, out, present,
                                      SIZE_MAX, &done));
        }
    }
    reader->out_levels += (int64_t)count;
    reader->page_at = to;
    reader->page_left -= (int64_t)count;
    return LX_OK;
}

/* Levels until the row behind `rows` rows starts, or the page ends. */
static int64_t find_rows(struct lx_pq_chunk_reader *reader, int64_t rows, bool *complete)
{
    int64_t end = reader->page_at + reader->page_left;
    *complete = true;
    if (reader->leaf->max_repetition == 0) {
        int64_t want = rows - reader->out_rows;
        want = want < reader->page_left ? want : reader->page_left;
        reader->out_rows += want;
        return reader->page_at + want;
    }
    const uint8_t *levels = reader->page_repetition.data;
    for (int64_t i = reader->page_at; i < end; i++) {
        if (levels[i] != 0)
            continue;
        if (reader->out_rows == rows)
            return i;
        reader->out_rows++;
    }
    *complete = false; /* the last row may go on in the next page */
    return end;
}

static enum lx_status read_grouped(struct lx_pq_chunk_reader *reader, int64_t rows,
                                   struct lx_err *err)
{
    bool complete = false;
    while (reader->out_rows < rows || !complete) {
        bool any;
        LX_TRY(turn_page(reader, &any, err));
        if (!any)
            break;
        if (reader->out_levels == 0 && reader->leaf->max_repetition > 0 &&
            reader->page_repetition.data[reader->page_at] != 0)
            return lx_pq_chunk_fail(reader, LX_E_FORMAT, "a row starts within another", err);
        int64_t to = find_rows(reader, rows, &complete);
        if (to > reader->page_at) {
            enum lx_status status = take_levels(reader, to);
            if (status != LX_OK)
                return broken(reader, status, err);
        }
    }
    return reader->out_rows == rows ? LX_OK : too_few(reader, err);
}

/* -- from outside -------------------------------------------------------------------------- */

enum lx_status lx_pq_chunk_read(struct lx_pq_chunk_reader *reader, int64_t rows, struct lx_err *err)
{
    assert(reader->out_from == reader->out_rows && rows > 0);
    lx_pq_budget_clear_column(reader->setting.budget, &reader->out);
    reader->out_from = reader->out_rows = reader->out_levels = 0;
    reader->out_is_dict = reader->out_has_nulls = false;
    reader->lent = NULL;
    return reader->is_flat ? read_flat(reader, rows, err) : read_grouped(reader, rows, err);
}

enum lx_status lx_pq_chunk_seek(struct lx_pq_chunk_reader *reader, int64_t offset, size_t number,
                                size_t count, struct lx_err *err)
{
    LX_TRY(lx_pq_chunk_load_dictionary(reader, err));
    if (offset < lx_pq_chunk_start(reader->chunk) || offset >= reader->end)
        return lx_pq_chunk_fail(reader, LX_E_FORMAT, "the page index leads out of the column", err);
    if (reader->sums != NULL && reader->sums->count < count)
        return lx_pq_chunk_fail(reader, LX_E_FORMAT, "the page index has too many pages", err);
    reader->page_number = reader->sums != NULL ? reader->sums->count - count + number : 0;
    reader->next_page = offset;
    reader->page_left = 0;
    reader->page_spent = true;
    reader->skipped = true;
    return LX_OK;
}

enum lx_status lx_pq_chunk_end(struct lx_pq_chunk_reader *reader, struct lx_err *err)
{
    bool any;
    if (reader->skipped)
        return LX_OK;
    LX_TRY(turn_page(reader, &any, err));
    if (any || reader->levels_left != 0 ||
        (reader->sums != NULL && reader->page_number != reader->sums->count))
        return lx_pq_chunk_fail(reader, LX_E_FORMAT, "the column has more values than rows", err);
    return LX_OK;
}

void lx_pq_chunk_view(struct lx_pq_chunk_reader *reader, int64_t rows, struct lx_column *view)
{
    size_t from = (size_t)reader->out_from;
    const struct lx_column *out = &reader->out;
    *view = *out;
    if (!reader->is_flat)
        return;
    view->rows = rows;
    view->nulls = reader->out_has_nulls ? reader->out_nulls.data + from : NULL;
    if (reader->out_is_dict) {
        view->shape = LX_COLUMN_DICT;
        view->width = 0;
        view->values = NULL;
        view->offsets = NULL;
        view->indexes = (uint32_t *)(void *)reader->out_ids.data + from;
        view->dict = &reader->dictionary_values;
    } else if (out->shape == LX_COLUMN_FIXED) {
        view->values = out->values + from * out->width;
    } else {
        if (reader->lent != NULL)
            view->values = (uint8_t *)(uintptr_t)reader->lent; /* nobody writes to a view */
        view->offsets = out->offsets + from;
    }
}
