/* Each encoding that fits is tried on the first values of a column, compressed at zstd's levels of
 * the effort, and costs bytes + nanoseconds x price. Nanoseconds come from the tables below, which
 * were measured once (bench/parquet), so that the same rows always make the same file. */
#include "parquet/choose.h"

#include "base/alloc.h"

#include <math.h>

#define SAMPLE_VALUES 32768                /* of the first trial: enough for numbers */
#define SAMPLE_BYTES ((size_t)1024 * 1024) /* of the first trial: texts */
#define GLANCE_BYTES ((size_t)256 * 1024)  /* of texts, before they are tried on the whole page */
#define UNSURE_BYTES 4096 /* of an encoded sample: too few to show what others are like */
#define MAX_LEVELS 6
#define MAX_CANDIDATES 4

/* Bytes that a nanosecond must save. */
static double price_of(enum lx_parquet_effort effort)
{
    switch (effort) {
    case LX_PARQUET_FAST: return 0.03;
    case LX_PARQUET_BALANCED: return 0.006;
    case LX_PARQUET_SMALL: return 0.0018;
    }
    return 0.006;
}

/* Nanoseconds a value and a plain byte. (DELTA_LENGTH_BYTE_ARRAY: mostly without a copy,
 * page_encode.c) */
static double encoding_time(enum lx_parquet_encoding encoding, double values, double bytes)
{
    switch (encoding) {
    case LX_PARQUET_PLAIN: return values * 1 + bytes * 0.1;
    case LX_PARQUET_RLE: return values * 1;
    case LX_PARQUET_DELTA_BINARY_PACKED: return values * 2;
    case LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY: return values * 2;
    case LX_PARQUET_DELTA_BYTE_ARRAY: return values * 8 + bytes * 0.15;
    case LX_PARQUET_BYTE_STREAM_SPLIT: return values * 1 + bytes * 0.1;
    case LX_PARQUET_RLE_DICTIONARY: /* numbering_time */
    case LX_PARQUET_ENCODING_AUTO:
    case LX_PARQUET_PLAIN_DICTIONARY:
    case LX_PARQUET_BIT_PACKED: break;
    }
    return INFINITY;
}

/* Of a dictionary: only a value unlike the one before it is looked up. `bytes`: of texts. */
static double numbering_time(const uint32_t *ids, int64_t count, double bytes)
{
    double values = (double)count, changes = 1;
    for (int64_t i = 1; i < count; i++)
        changes += ids[i] != ids[i - 1];
    return values * 2 + changes * 12 + bytes * (0.1 + 0.2 * changes / values);
}

/* Nanoseconds that readers pay for an encoding: texts whose beginnings are shared are put together
 * one by one. An archive in a hurry (FAST) leaves this to its readers. */
static double reading_time(enum lx_parquet_encoding encoding, enum lx_parquet_effort effort,
                           double values, double bytes)
{
    if (encoding != LX_PARQUET_DELTA_BYTE_ARRAY || effort == LX_PARQUET_FAST)
        return 0;
    return values * 15 + bytes * 0.15;
}

struct step {
    struct lx_pq_compression how;
    double time; /* nanoseconds a byte of an encoded page that becomes a quarter of its size */
};

/* What an effort tries, the fastest first. Where texts share long parts, which lie far apart, and
 * little else, matches from 7 bytes on in larger tables and windows find more than the levels' own
 * parameters, in less time. */
static const struct step ladder[3][MAX_LEVELS] = {
    [LX_PARQUET_FAST] = {{{LX_PARQUET_ZSTD, .level = 1}, 2.4}},
    [LX_PARQUET_BALANCED] =
        {{{LX_PARQUET_ZSTD, .level = 1}, 2.4},
         {{LX_PARQUET_ZSTD, .level = 1, .min_match = 7, .hash_log = 17, .window_log = 22}, 3.3},
         {{LX_PARQUET_ZSTD, 3, .min_match = 7, .hash_log = 18, .chain_log = 13, .window_log = 23},
          4.2},
         {{LX_PARQUET_ZSTD, .level = 3}, 4.3}},
    [LX_PARQUET_SMALL] = {{{LX_PARQUET_ZSTD, .level = 1}, 2.4},
                          {{LX_PARQUET_ZSTD, 3, .min_match = 7, .hash_log = 18, .chain_log = 13,
                            .window_log = 23},
                           4.2},
                          {{LX_PARQUET_ZSTD, .level = 3}, 4.3},
                          {{LX_PARQUET_ZSTD, .level = 5}, 8.8},
                          {{LX_PARQUET_ZSTD, .level = 5, .min_match = 7, .window_log = 23}, 8.8},
                          {{LX_PARQUET_ZSTD, .level = 6}, 12.0}},
};

/* The same of a level that is asked for. */
static double level_time(int level)
{
    static const double zstd[] = {0, 2.4, 3.2, 4.3, 5.5, 8.8, 12, 13.5, 15, 19, 22, 30, 37};
    return level < 1 ? zstd[1] : level <= 12 ? zstd[level] : 70.0;
}

/* Nanoseconds that `raw` bytes take which become `size`: long matches are skipped over, and so is
 * much of what does not match at all. */
static double compression_time(const struct step *way, double raw, double size)
{
    double ratio = raw > 0 ? size / raw : 1;
    double share = fmin(0.25 + 2.8 * ratio, 1.6 - 1.1 * ratio);
    return way->time * raw * fmax(fmin(share, 1), 0.4);
}

static bool is_bytes(const struct lx_parquet_field *field)
{
    return field->physical == LX_PARQUET_BYTE_ARRAY;
}

bool lx_pq_encoding_fits(enum lx_parquet_encoding encoding, const struct lx_parquet_field *field,
                         bool page_v2)
{
    enum lx_parquet_physical physical = field->physical;
    switch (encoding) {
    case LX_PARQUET_PLAIN: return true;
    case LX_PARQUET_RLE_DICTIONARY: return physical != LX_PARQUET_BOOLEAN;
    /* Readers know run-length booleans from pages of version 2. */
    case LX_PARQUET_RLE: return physical == LX_PARQUET_BOOLEAN && page_v2;
    case LX_PARQUET_DELTA_BINARY_PACKED:
        return physical == LX_PARQUET_INT32 || physical == LX_PARQUET_INT64;
    /* On FIXED_LEN_BYTE_ARRAY some readers fail (ClickHouse#62141). */
    case LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY:
    case LX_PARQUET_DELTA_BYTE_ARRAY: return physical == LX_PARQUET_BYTE_ARRAY;
    /* On other types DuckDB fails (duckdb#17114). */
    case LX_PARQUET_BYTE_STREAM_SPLIT:
        return physical == LX_PARQUET_FLOAT || physical == LX_PARQUET_DOUBLE;
    case LX_PARQUET_ENCODING_AUTO:
    case LX_PARQUET_PLAIN_DICTIONARY:
    case LX_PARQUET_BIT_PACKED: break;
    }
    return false;
}

/* One way and what it costs a value. */
struct candidate {
    enum lx_parquet_encoding encoding;
    size_t way; /* of trial->ways */
    double cost;
    double raw; /* bytes of the encoded sample, a dictionary page apart */
};

struct trial {
    const struct lx_pq_question *question;
    struct lx_pq_scratch *scratch;
    struct lx_err *err;
    struct step ways[MAX_LEVELS + 1];
    size_t way_count, from, to;   /* [from, to) are tried */
    double sizes[MAX_LEVELS + 1]; /* bytes that they gave, of the last encoding */
    double price;
};

/* Which compressions may be tried. */
static void list_ways(struct trial *trial)
{
    const struct lx_parquet_column_options *column = trial->question->column;
    enum lx_parquet_codec codec = column->codec;
    if (codec != LX_PARQUET_CODEC_AUTO && codec != LX_PARQUET_ZSTD) {
        double time = codec == LX_PARQUET_UNCOMPRESSED ? 0 : 2.0;
        trial->ways[trial->way_count++] = (struct step){{.codec = codec}, time};
        return;
    }
    if (codec == LX_PARQUET_CODEC_AUTO)
        trial->ways[trial->way_count++] = (struct step){{.codec = LX_PARQUET_UNCOMPRESSED}, 0};
    if (column->level != 0) {
        trial->ways[trial->way_count++] = (struct step){
            {.codec = LX_PARQUET_ZSTD, .level = column->level}, level_time(column->level)};
        return;
    }
    const struct step *steps = ladder[trial->question->file->effort];
    for (size_t i = 0; i < MAX_LEVELS && steps[i].how.level != 0; i++)
        trial->ways[trial->way_count++] = steps[i];
}

/* Compressed size of scratch->body. */
static enum lx_status packed_size(struct trial *trial, const struct lx_pq_compression *how,
                                  double *size)
{
    struct lx_pq_scratch *scratch = trial->scratch;
    if (how->codec == LX_PARQUET_UNCOMPRESSED) {
        *size = (double)scratch->body.len;
        return LX_OK;
    }
    lx_buf_clear(&scratch->packed);
    LX_TRY(lx_pq_compress(scratch->compressor, how, scratch->body.data, scratch->body.len,
                          &scratch->packed, trial->err));
    *size = (double)scratch->packed.len;
    return LX_OK;
}

/* How to compress what was chosen. A sample that takes a few bytes (values that are all the same)
 * shows that nothing is to be gained by it, not that others will not gain: where more are to come,
 * they are compressed. What that costs, should it be in vain, is some bytes a page. */
static struct lx_pq_compression compression_of(const struct trial *trial, int64_t sample,
                                               const struct candidate *chosen)
{
    const struct step *way = &trial->ways[chosen->way];
    bool unsure = way->how.codec == LX_PARQUET_UNCOMPRESSED && chosen->raw < UNSURE_BYTES &&
                  trial->question->expected_values > sample;
    return unsure && trial->way_count > 1 ? trial->ways[1].how : way->how;
}

static void keep_cheaper(struct candidate *best, const struct candidate *other)
{
    if (other->cost < best->cost)
        *best = *other;
}

/* What the encoding of a body costs beside its compression. */
struct expense {
    double base;        /* a value */
    const double *more; /* a value, for each way; NULL: nothing */
    double values;      /* in the body */
    double factor;      /* how much larger the body will really be */
};

/* The cheapest compression of what is in scratch->body. */
static enum lx_status try_ways(struct trial *trial, enum lx_parquet_encoding encoding,
                               const struct expense *expense, struct candidate *best)
{
    double raw = (double)trial->scratch->body.len;
    double cheapest = INFINITY;
    for (size_t i = trial->from; i < trial->to; i++) {
        double size;
        LX_TRY(packed_size(trial, &trial->ways[i].how, &size));
        trial->sizes[i] = size;
        double bytes = size + compression_time(&trial->ways[i], raw, size) * trial->price;
        struct candidate here = {encoding, i,
                                 expense->base + bytes * expense->factor / expense->values, raw};
        if (expense->more != NULL)
            here.cost += expense->more[i];
        keep_cheaper(best, &here);
        /* Ways go from the fastest on: where one is dearer than those before, so are the next; not
         * always, so where bytes count most (small) all are tried. */
        if (i > 1 && here.cost > cheapest && trial->question->file->effort != LX_PARQUET_SMALL)
            break;
        cheapest = here.cost < cheapest ? here.cost : cheapest;
    }
    return LX_OK;
}

static double plain_size(const struct lx_column *values, int64_t count)
{
    if (values->shape == LX_COLUMN_FIXED)
        return (double)count * values->width;
    return (double)(values->offsets[count] - values->offsets[0]);
}

static enum lx_status try_encoding(struct trial *trial, enum lx_parquet_encoding encoding,
                                   const struct lx_column *values, int64_t count,
                                   struct candidate *best)
{
    struct lx_buf *body = &trial->scratch->body;
    lx_buf_clear(body);
    LX_TRY(lx_buf_reserve(body, 1));
    LX_TRY(lx_pq_values_encode(encoding, trial->question->leaf->field->physical, values, count,
                               &trial->scratch->lengths, body));
    double n = (double)count, plain = plain_size(values, count);
    double base = (encoding_time(encoding, n, plain) +
                   reading_time(encoding, trial->question->file->effort, n, plain)) *
                  trial->price;
    const struct expense expense = {base / n, NULL, n, 1};
    return try_ways(trial, encoding, &expense, best);
}

/* -- the dictionary ------------------------------------------------------------------------ */

/* How a dictionary grows: distinct values of the sample, of its first half, and by a power law of
 * as many values as are expected. */
struct growth {
    int64_t half, whole;
    double expected;
};

static enum lx_status sample_dictionary(struct trial *trial, const struct lx_column *values,
                                        int64_t count, uint32_t *ids,
                                        struct lx_pq_dictionary *dictionary, struct growth *growth,
                                        bool *fits)
{
    int64_t half = count / 2, done;
    *fits = false;
    LX_TRY(lx_pq_dictionary_add(dictionary, values, 0, half, ids, &done));
    growth->half = lx_pq_dictionary_count(dictionary);
    if (done < half)
        return LX_OK;
    LX_TRY(lx_pq_dictionary_add(dictionary, values, half, count - half, ids + half, &done));
    growth->whole = lx_pq_dictionary_count(dictionary);
    /* Of values that are nearly all distinct a dictionary is as large as they are. */
    bool forced = trial->question->column->encoding == LX_PARQUET_RLE_DICTIONARY;
    if (done < count - half || (!forced && growth->whole > count - count / 16))
        return LX_OK;
    double expected = (double)trial->question->expected_values, n = (double)count;
    growth->expected = (double)growth->whole;
    if (expected > n && growth->half > 0) {
        double power = log2((double)growth->whole / (double)growth->half);
        growth->expected = (double)growth->whole * pow(expected / n, power);
    }
    double each = (double)dictionary->bytes / (double)growth->whole;
    *fits = growth->expected * each <= (double)dictionary->max_bytes;
    return LX_OK;
}

static double index_bits(double distinct)
{
    return distinct <= 2 ? 1 : ceil(log2(distinct));
}

/* Indexes and dictionary page are priced one by one, with one compression for both. */
static enum lx_status price_dictionary(struct trial *trial, const struct lx_column *values,
                                       int64_t count, const uint32_t *ids,
                                       const struct lx_pq_dictionary *dictionary,
                                       const struct growth *growth, struct candidate *best)
{
    struct lx_buf *body = &trial->scratch->body;
    double n = (double)count, expected = (double)trial->question->expected_values;
    double total = expected > n ? expected : n, page[MAX_LEVELS + 1];
    lx_buf_clear(body);
    LX_TRY(lx_pq_values_encode(LX_PARQUET_PLAIN, trial->question->leaf->field->physical,
                               &dictionary->values, growth->whole, &trial->scratch->lengths, body));
    for (size_t i = trial->from; i < trial->to; i++) {
        LX_TRY(packed_size(trial, &trial->ways[i].how, &page[i]));
        page[i] *= growth->expected / (double)growth->whole / total;
    }
    double time = numbering_time(
        ids, count, is_bytes(trial->question->leaf->field) ? plain_size(values, count) : 0);
    lx_buf_clear(body);
    LX_TRY(lx_pq_ids_encode(ids, count, body));
    double wider = index_bits(growth->expected) / index_bits((double)growth->whole);
    const struct expense expense = {time * trial->price / n, page, n, wider};
    return try_ways(trial, LX_PARQUET_RLE_DICTIONARY, &expense, best);
}

static enum lx_status try_dictionary(struct trial *trial, const struct lx_column *values,
                                     int64_t count, struct candidate *best)
{
    struct lx_pq_dictionary dictionary;
    struct lx_pq_page ids = {.count = 0}; /* for its array of numbers */
    struct growth growth = {0};
    bool fits;
    lx_pq_dictionary_init(&dictionary, values->width, trial->question->file->dictionary_bytes);
    enum lx_status status = lx_pq_page_reserve_ids(&ids, (size_t)count);
    if (status == LX_OK)
        status = sample_dictionary(trial, values, count, ids.ids, &dictionary, &growth, &fits);
    if (status == LX_OK && fits)
        status = price_dictionary(trial, values, count, ids.ids, &dictionary, &growth, best);
    lx_free(ids.ids);
    lx_pq_dictionary_free(&dictionary);
    return status;
}

/* -- choosing ------------------------------------------------------------------------------ */

/* Encodings to be tried, the dictionary apart. */
static size_t list_encodings(const struct lx_pq_question *question,
                             enum lx_parquet_encoding encodings[MAX_CANDIDATES])
{
    static const enum lx_parquet_encoding all[] = {
        LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY, LX_PARQUET_DELTA_BYTE_ARRAY,
        LX_PARQUET_DELTA_BINARY_PACKED, LX_PARQUET_BYTE_STREAM_SPLIT, LX_PARQUET_RLE};
    const struct lx_parquet_field *field = question->leaf->field;
    size_t count = 0;
    bool compat = question->file->profile == LX_PARQUET_COMPAT;
    /* Lengths among the texts are never better than lengths apart from them. */
    if (compat || !is_bytes(field))
        encodings[count++] = LX_PARQUET_PLAIN;
    if (compat)
        return count;
    for (size_t i = 0; i < sizeof all / sizeof all[0] && count < MAX_CANDIDATES; i++)
        if (lx_pq_encoding_fits(all[i], field, question->file->page_v2))
            encodings[count++] = all[i];
    return count;
}

static int64_t sample_count(const struct lx_pq_page *page, size_t bytes)
{
    int64_t count = page->count;
    if (page->values.shape == LX_COLUMN_FIXED)
        return count < SAMPLE_VALUES ? count : SAMPLE_VALUES;
    int64_t low = 1, high = count;
    while (low < high) { /* the most values within `bytes`, at least one */
        int64_t middle = low + (high - low + 1) / 2;
        if (plain_size(&page->values, middle) <= (double)bytes)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* Long texts again, on the whole page: what is found depends on how far back can be looked. Larger
 * tables and windows gain by that: the ways are those from the sample's best on, or all where bytes
 * count most. */
static enum lx_status refine(const struct trial *trial, const struct lx_pq_page *page,
                             const struct candidate *first, const struct candidate *second,
                             struct candidate *best)
{
    struct trial again = *trial;
    bool small = trial->question->file->effort == LX_PARQUET_SMALL;
    *best = (struct candidate){.cost = INFINITY};
    again.from = small ? 0 : first->way;
    LX_TRY(try_encoding(&again, first->encoding, &page->values, page->count, best));
    /* Of the ways that were dearer, the next one may be worth it for the other encoding: where it
     * found more. */
    size_t next = best->way + 1;
    bool wider = !small && next < trial->to && again.sizes[next] < again.sizes[best->way] * 0.995;
    again.from = best->way;
    again.to = wider ? next + 1 : next;
    if (second->cost < INFINITY)
        LX_TRY(try_encoding(&again, second->encoding, &page->values, page->count, best));
    return LX_OK;
}

/* The two best of the encodings, the dictionary apart, of the first `sample` values. */
static enum lx_status try_encodings(struct trial *trial, const struct lx_column *values,
                                    int64_t sample, struct candidate *first,
                                    struct candidate *second)
{
    enum lx_parquet_encoding encodings[MAX_CANDIDATES];
    enum lx_parquet_encoding forced = trial->question->column->encoding;
    size_t count = list_encodings(trial->question, encodings);
    if (forced != LX_PARQUET_ENCODING_AUTO && forced != LX_PARQUET_RLE_DICTIONARY) {
        encodings[0] = forced;
        count = 1;
    }
    for (size_t i = 0; i < count; i++) {
        struct candidate here = {.cost = INFINITY};
        LX_TRY(try_encoding(trial, encodings[i], values, sample, &here));
        if (here.cost < first->cost) {
            *second = *first;
            *first = here;
        } else if (here.cost < second->cost) {
            *second = here;
        }
    }
    return LX_OK;
}

static enum lx_status choose(struct trial *trial, const struct lx_pq_page *page,
                             struct lx_pq_choice *choice)
{
    const struct lx_pq_question *question = trial->question;
    enum lx_parquet_encoding forced = question->column->encoding;
    int64_t sample = sample_count(page, SAMPLE_BYTES);
    struct candidate first = {LX_PARQUET_PLAIN, 0, INFINITY, 0}, second = first;
    struct candidate dictionary = first;
    bool wants = forced == LX_PARQUET_RLE_DICTIONARY ||
                 (forced == LX_PARQUET_ENCODING_AUTO && !question->column->no_dictionary);
    if (wants && question->leaf->field->physical != LX_PARQUET_BOOLEAN)
        LX_TRY(try_dictionary(trial, &page->values, sample, &dictionary));
    bool refinable = forced != LX_PARQUET_RLE_DICTIONARY && page->values.shape == LX_COLUMN_BYTES &&
                     page->count > sample && question->file->effort != LX_PARQUET_FAST;
    /* A file's first rows are often unlike the rest: the trial that costs is of later ones. */
    bool later = question->more && question->file->effort == LX_PARQUET_BALANCED;
    /* The page will decide, and there is no dictionary to be compared with. */
    if (refinable && !later && dictionary.cost == INFINITY)
        sample = sample_count(page, GLANCE_BYTES);
    LX_TRY(try_encodings(trial, &page->values, sample, &first, &second));
    bool dictionary_wins = dictionary.cost < first.cost || forced == LX_PARQUET_RLE_DICTIONARY;
    refinable = refinable && !dictionary_wins;
    if (refinable && !later) {
        struct candidate refined;
        LX_TRY(refine(trial, page, &first, &second, &refined));
        first = refined;
        sample = page->count;
    }
    *choice = (struct lx_pq_choice){.encoding = first.encoding,
                                    .fallback = first.encoding,
                                    .compression = compression_of(trial, sample, &first),
                                    .rough = refinable && later};
    if (dictionary_wins) {
        choice->encoding = LX_PARQUET_RLE_DICTIONARY;
        if (dictionary.cost < INFINITY)
            choice->compression = compression_of(trial, sample, &dictionary);
    }
    return LX_OK;
}

static void start(struct trial *trial, const struct lx_pq_question *question,
                  struct lx_pq_scratch *scratch, struct lx_err *err)
{
    *trial = (struct trial){.question = question, .scratch = scratch, .err = err};
    trial->price = price_of(question->file->effort);
    list_ways(trial);
    trial->to = trial->way_count;
}

static enum lx_status explain(enum lx_status status, const struct lx_pq_question *question,
                              struct lx_err *err)
{
    if (status == LX_E_MEMORY)
        return lx_err_memory(err);
    if (status == LX_E_LIMIT)
        return lx_err_set(err, status, "column \"%s\": the values of a page take too much memory",
                          question->leaf->path);
    return status;
}

enum lx_status lx_pq_choose(const struct lx_pq_question *question, const struct lx_pq_page *page,
                            struct lx_pq_scratch *scratch, struct lx_pq_choice *choice,
                            struct lx_err *err)
{
    struct trial trial;
    start(&trial, question, scratch, err);
    return explain(choose(&trial, page, choice), question, err);
}

enum lx_status lx_pq_choose_for_ids(const struct lx_pq_question *question,
                                    const struct lx_pq_page *page, struct lx_pq_scratch *scratch,
                                    struct lx_pq_choice *choice, struct lx_err *err)
{
    struct trial trial;
    struct candidate best = {.cost = INFINITY};
    start(&trial, question, scratch, err);
    lx_buf_clear(&scratch->body);
    int64_t count = page->count < SAMPLE_VALUES * 4 ? page->count : SAMPLE_VALUES * 4;
    enum lx_status status = lx_pq_ids_encode(page->ids, count, &scratch->body);
    if (status == LX_OK)
        status = try_ways(&trial, LX_PARQUET_RLE_DICTIONARY,
                          &(struct expense){0, NULL, (double)count, 1}, &best);
    if (status == LX_OK) {
        bool modern =
            is_bytes(question->leaf->field) && question->file->profile == LX_PARQUET_COMPACT;
        choice->encoding = LX_PARQUET_RLE_DICTIONARY;
        choice->fallback = modern ? LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY : LX_PARQUET_PLAIN;
        choice->compression = trial.ways[best.way].how;
        choice->rough = false;
        /* Should the dictionary fill up, its column is better packed than not. */
        if (choice->compression.codec == LX_PARQUET_UNCOMPRESSED && trial.way_count > 1)
            choice->compression = trial.ways[1].how;
    }
    return explain(status, question, err);
}
