#include "parquet/reader_private.h"

#include "base/alloc.h"
#include "base/limits.h"

#define FILE_MIN 12 /* magic, length of an empty footer, magic */
#define FILE_MAX ((int64_t)1 << 60)
#define METADATA_FACTOR 24 /* memory of a footer's structs: at most so many times its bytes */

static void fill_defaults(struct lx_parquet_reader_options *options)
{
    const struct lx_parquet_reader_options defaults = {
        .tail_bytes = 64 * LX_KIB,
        .footer_bytes = 64 * LX_MIB,
        .page_bytes = 64 * LX_MIB,
        .scan_bytes = 256 * LX_MIB,
        .piece_bytes = LX_MIB,
        .batch_bytes = 32 * LX_MIB,
    };
#define DEFAULT(name)                                                                              \
    if (options->name == 0)                                                                        \
    options->name = defaults.name
    DEFAULT(tail_bytes);
    DEFAULT(footer_bytes);
    DEFAULT(page_bytes);
    DEFAULT(scan_bytes);
    DEFAULT(piece_bytes);
    DEFAULT(batch_bytes);
#undef DEFAULT
    if (options->tail_bytes < FILE_MIN)
        options->tail_bytes = FILE_MIN;
    if (options->page_bytes > INT32_MAX)
        options->page_bytes = INT32_MAX;
}

enum lx_status lx_pq_source_read(const struct lx_parquet_source *source, int64_t offset,
                                 size_t size, const char *what, uint8_t **out, struct lx_err *err)
{
    uint8_t *bytes = lx_malloc(size);
    if (bytes == NULL)
        return lx_err_memory(err);
    enum lx_status status = source->read_at(source->self, offset, bytes, size, err);
    if (status != LX_OK) {
        lx_free(bytes);
        lx_err_context(err, "reading %s", what);
        return status;
    }
    *out = bytes;
    return LX_OK;
}

/* Checks the file's end; *size: of the footer. */
static enum lx_status check_tail(const struct lx_parquet_reader *reader, const uint8_t *end,
                                 size_t *size, struct lx_err *err)
{
    uint32_t told;
    if (memcmp(end - 4, "PARE", 4) == 0)
        return lx_err_set(err, LX_E_UNSUPPORTED, "the file is encrypted");
    if (memcmp(end - 4, LX_PQ_MAGIC, 4) != 0)
        return lx_err_set(err, LX_E_FORMAT, "this is not a Parquet file: it does not end with %s",
                          LX_PQ_MAGIC);
    memcpy(&told, end - LX_PQ_TAIL_BYTES, 4);
    if ((int64_t)told > reader->source.size - FILE_MIN)
        return lx_err_set(err, LX_E_FORMAT, "a footer of %u bytes in a file of %lld", told,
                          (long long)reader->source.size);
    if (told > reader->options.footer_bytes)
        return lx_err_set(err, LX_E_LIMIT, "the footer has %u bytes, more than %zu", told,
                          reader->options.footer_bytes);
    *size = told;
    return LX_OK;
}

/* Fetches the footer: with the tail where it is short, else by a second read. */
static enum lx_status fetch_footer(struct lx_parquet_reader *reader, size_t *size,
                                   struct lx_err *err)
{
    const struct lx_parquet_source *source = &reader->source;
    if (source->size < FILE_MIN || source->size > FILE_MAX)
        return lx_err_set(err, LX_E_FORMAT, "a file of %lld bytes is no Parquet file",
                          (long long)source->size);
    size_t tail = reader->options.tail_bytes;
    tail = (int64_t)tail < source->size ? tail : (size_t)source->size;
    uint8_t *bytes;
    LX_TRY(lx_pq_source_read(source, source->size - (int64_t)tail, tail, "the file's end", &bytes,
                             err));
    enum lx_status status = check_tail(reader, bytes + tail, size, err);
    if (status == LX_OK && *size + LX_PQ_TAIL_BYTES <= tail) {
        memmove(bytes, bytes + tail - LX_PQ_TAIL_BYTES - *size, *size);
        reader->footer = bytes;
        return LX_OK;
    }
    lx_free(bytes);
    if (status != LX_OK)
        return status;
    return lx_pq_source_read(source, source->size - LX_PQ_TAIL_BYTES - (int64_t)*size, *size,
                             "the footer", &reader->footer, err);
}

/* The last one, which lx_pq_footer_is_sound has looked at. */
static struct lx_str checksum_of(const struct lx_pq_footer *footer)
{
    for (size_t i = footer->key_value_count; i-- > 0;)
        if (lx_str_is(footer->key_values[i].key, LX_PQ_FOOTER_CRC_KEY))
            return footer->key_values[i].value;
    return LX_STR("");
}

static enum lx_status read_sums(struct lx_parquet_reader *reader, struct lx_err *err)
{
    struct lx_str text;
    size_t count = reader->metadata.row_group_count * reader->metadata.schema.leaf_count;
    if (!reader->strict || !lx_parquet_reader_key_value(reader, LX_STR(LX_PQ_SUMS_KEY), &text))
        return LX_OK;
    enum lx_status status = lx_pq_sums_read(&reader->arena, text, count, &reader->sums);
    if (status == LX_E_MEMORY)
        return lx_err_memory(err);
    if (status != LX_OK)
        return lx_err_set(err, status, "the checksums of the page headers cannot be read");
    return LX_OK;
}

static enum lx_status open(struct lx_parquet_reader *reader, struct lx_err *err)
{
    struct lx_pq_footer footer;
    size_t size = 0;
    LX_TRY(fetch_footer(reader, &size, err));
    reader->arena.max = size * METADATA_FACTOR + LX_MIB;
    LX_TRY(lx_pq_footer_read(&reader->arena, reader->footer, size,
                             reader->source.size - LX_PQ_TAIL_BYTES - (int64_t)size, &footer, err));
    reader->metadata = (struct lx_parquet_metadata){
        .version = footer.version,
        .rows = footer.rows,
        .created_by = footer.created_by,
        .schema = footer.schema,
        .row_groups = footer.row_groups,
        .row_group_count = footer.row_group_count,
        .key_values = footer.key_values,
        .key_value_count = footer.key_value_count,
        .footer_bytes = size,
        .checksum = checksum_of(&footer),
    };
    reader->strict = reader->metadata.checksum.len > 0;
    return read_sums(reader, err);
}

enum lx_status lx_parquet_reader_open(const struct lx_parquet_source *source,
                                      const struct lx_parquet_reader_options *options,
                                      struct lx_parquet_reader **out, struct lx_err *err)
{
    struct lx_parquet_reader *reader = lx_calloc(1, sizeof *reader);
    if (reader == NULL)
        return lx_err_memory(err);
    reader->source = *source;
    if (options != NULL)
        reader->options = *options;
    fill_defaults(&reader->options);
    enum lx_status status = open(reader, err);
    if (status != LX_OK) {
        lx_parquet_reader_close(reader);
        return status;
    }
    *out = reader;
    return LX_OK;
}

void lx_parquet_reader_close(struct lx_parquet_reader *reader)
{
    if (reader == NULL)
        return;
    lx_pq_arena_free(&reader->arena);
    lx_free(reader->footer);
    lx_free(reader);
}

const struct lx_parquet_metadata *lx_parquet_reader_metadata(const struct lx_parquet_reader *reader)
{
    return &reader->metadata;
}

bool lx_parquet_reader_key_value(const struct lx_parquet_reader *reader, struct lx_str key,
                                 struct lx_str *value)
{
    for (size_t i = 0; i < reader->metadata.key_value_count; i++) {
        if (lx_str_equal(reader->metadata.key_values[i].key, key)) {
            *value = reader->metadata.key_values[i].value;
            return true;
        }
    }
    return false;
}

enum lx_status lx_parquet_reader_leaf(const struct lx_parquet_reader *reader, struct lx_str path,
                                      uint32_t *leaf, struct lx_err *err)
{
    const struct lx_parquet_schema *schema = &reader->metadata.schema;
    for (size_t i = 0; i < schema->leaf_count; i++) {
        if (lx_str_is(path, schema->leaves[i].path)) {
            *leaf = (uint32_t)i;
            return LX_OK;
        }
    }
    return lx_err_set(err, LX_E_NOTFOUND, "the file has no column \"%.*s\"", LX_STR_ARG(path));
}
