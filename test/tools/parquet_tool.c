/* parquet_tool: Parquet files for tests with readers nobody here wrote.
 *
 *   parquet_tool schema FILE            metadata, row groups and columns as text
 *   parquet_tool rows FILE [COLUMN…]    rows as JSON lines, in the canonical form below
 *   parquet_tool matrix DIR             DIR/NAME.parquet and .jsonl for each encoding x codec x
 *                                       NULLs x page version, with every type and pattern
 *   parquet_tool nested DIR             nested.parquet: structs, lists and maps
 *
 * Canonical form: NULL null; BOOLEAN true, false; INT32 a number; INT64 its digits as a text; FLOAT
 * and DOUBLE "NaN" or their bits in hexadecimal; DECIMAL the unscaled integer's digits; STRING a
 * text; other bytes in hexadecimal. */
#include "base/alloc.h"
#include "base/limits.h"
#include "parquet/reader.h"
#include "parquet/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static _Noreturn void die(const char *what, const struct lx_err *err)
{
    fprintf(stderr, "parquet_tool: %s%s%s\n", what, err != NULL ? ": " : "",
            err != NULL ? err->text : "");
    exit(1);
}

static void must(enum lx_status status, const char *what, const struct lx_err *err)
{
    if (status != LX_OK)
        die(what, err);
}

/* -- files --------------------------------------------------------------------------------- */

static enum lx_status file_read(void *self, int64_t offset, void *bytes, size_t size,
                                struct lx_err *err)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = pread(*(int *)self, (char *)bytes + done, size - done, offset + (off_t)done);
        if (n <= 0)
            return lx_err_errno(err, n < 0 ? errno : EIO, "cannot read");
        done += (size_t)n;
    }
    return LX_OK;
}

static enum lx_status file_write(void *self, const void *bytes, size_t size, struct lx_err *err)
{
    if (fwrite(bytes, 1, size, self) != size)
        return lx_err_errno(err, errno, "cannot write");
    return LX_OK;
}

static struct lx_parquet_reader *open_file(const char *path, int *fd)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_parquet_reader *reader = NULL;
    struct stat st;
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0 || fstat(*fd, &st) != 0)
        die(path, NULL);
    struct lx_parquet_source source = {file_read, fd, st.st_size};
    must(lx_parquet_reader_open(&source, NULL, &reader, &err), path, &err);
    return reader;
}

/* -- the canonical form -------------------------------------------------------------------- */

static void put_hex(FILE *out, struct lx_str bytes)
{
    fputc('"', out);
    for (size_t i = 0; i < bytes.len; i++)
        fprintf(out, "%02x", (unsigned char)bytes.ptr[i]);
    fputc('"', out);
}

static void put_text(FILE *out, struct lx_str text)
{
    fputc('"', out);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20)
            fprintf(out, "\\u%04x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

static void put_int128(FILE *out, struct lx_str bytes)
{
    __extension__ __int128 value = bytes.len > 0 && (signed char)bytes.ptr[0] < 0 ? -1 : 0;
    char digits[48];
    size_t at = sizeof digits;
    for (size_t i = 0; i < bytes.len; i++)
        value = value * 256 + (unsigned char)bytes.ptr[i];
    bool negative = value < 0;
    do {
        int digit = (int)(value % 10);
        digits[--at] = (char)('0' + (digit < 0 ? -digit : digit));
        value /= 10;
    } while (value != 0);
    fprintf(out, "\"%s%.*s\"", negative ? "-" : "", (int)(sizeof digits - at), digits + at);
}

static void put_number(FILE *out, const struct lx_parquet_field *field, struct lx_str value)
{
    int32_t i32;
    int64_t i64;
    float f;
    double d;
    bool is_decimal = field->logical.kind == LX_PARQUET_LOGICAL_DECIMAL;
    switch (field->physical) {
    case LX_PARQUET_INT32:
        memcpy(&i32, value.ptr, sizeof i32);
        fprintf(out, is_decimal ? "\"%" PRId32 "\"" : "%" PRId32, i32);
        return;
    case LX_PARQUET_INT64:
        memcpy(&i64, value.ptr, sizeof i64);
        fprintf(out, "\"%" PRId64 "\"", i64);
        return;
    case LX_PARQUET_FLOAT:
        memcpy(&f, value.ptr, sizeof f);
        memcpy(&i32, value.ptr, sizeof i32);
        fprintf(out, isnan(f) ? "\"NaN\"" : "\"%08" PRIx32 "\"", (uint32_t)i32);
        return;
    default:
        memcpy(&d, value.ptr, sizeof d);
        memcpy(&i64, value.ptr, sizeof i64);
        fprintf(out, isnan(d) ? "\"NaN\"" : "\"%016" PRIx64 "\"", (uint64_t)i64);
        return;
    }
}

static void put_value(FILE *out, const struct lx_parquet_field *field, struct lx_str value)
{
    bool is_decimal = field->logical.kind == LX_PARQUET_LOGICAL_DECIMAL;
    bool is_text = field->logical.kind == LX_PARQUET_LOGICAL_STRING ||
                   field->logical.kind == LX_PARQUET_LOGICAL_ENUM ||
                   field->logical.kind == LX_PARQUET_LOGICAL_JSON;
    if (field->physical == LX_PARQUET_BOOLEAN)
        fputs(value.ptr[0] != 0 ? "true" : "false", out);
    else if (field->physical != LX_PARQUET_BYTE_ARRAY &&
             field->physical != LX_PARQUET_FIXED_LEN_BYTE_ARRAY)
        put_number(out, field, value);
    else if (is_decimal)
        put_int128(out, value);
    else if (is_text)
        put_text(out, value);
    else
        put_hex(out, value);
}

static void put_row(FILE *out, const struct lx_parquet_schema *schema, const uint32_t *leaves,
                    size_t count, const struct lx_column *const *columns, int64_t row)
{
    fputc('{', out);
    for (size_t i = 0; i < count; i++) {
        const struct lx_parquet_leaf *leaf = &schema->leaves[leaves != NULL ? leaves[i] : i];
        if (i > 0)
            fputc(',', out);
        put_text(out, lx_str_of(leaf->path));
        fputc(':', out);
        if (lx_column_is_null(columns[i], row))
            fputs("null", out);
        else
            put_value(out, leaf->field, lx_column_value(columns[i], row));
    }
    fputs("}\n", out);
}

/* -- commands: schema, rows ---------------------------------------------------------------- */

static void print_bounds(const struct lx_parquet_field *field,
                         const struct lx_parquet_statistics *statistics)
{
    printf(" nulls=%lld", (long long)statistics->null_count);
    if (statistics->bounds.has_min) {
        printf(" min%s=", statistics->bounds.min_exact ? "" : "~");
        put_value(stdout, field, statistics->bounds.min);
    }
    if (statistics->bounds.has_max) {
        printf(" max%s=", statistics->bounds.max_exact ? "" : "~");
        put_value(stdout, field, statistics->bounds.max);
    }
}

static void print_chunk(const struct lx_parquet_leaf *leaf, const struct lx_parquet_chunk *chunk)
{
    printf("  %s %s values=%lld bytes=%lld raw=%lld", leaf->path,
           lx_parquet_codec_name(chunk->codec), (long long)chunk->values, (long long)chunk->bytes,
           (long long)chunk->raw_bytes);
    for (unsigned i = 1; i <= LX_PARQUET_BYTE_STREAM_SPLIT; i++)
        if ((chunk->encodings >> i & 1) != 0)
            printf(" %s", lx_parquet_encoding_name((enum lx_parquet_encoding)i));
    print_bounds(leaf->field, &chunk->statistics);
    if (chunk->bloom_offset > 0)
        printf(" bloom=%d", chunk->bloom_bytes);
    printf("%s%s\n", chunk->column_index_offset > 0 ? " column-index" : "",
           chunk->offset_index_offset > 0 ? " offset-index" : "");
}

static void print_schema(const char *path)
{
    int fd;
    struct lx_parquet_reader *reader = open_file(path, &fd);
    const struct lx_parquet_metadata *metadata = lx_parquet_reader_metadata(reader);
    printf("%s: version %d, %lld rows, %zu row groups, footer %zu bytes, by \"%.*s\"\n", path,
           metadata->version, (long long)metadata->rows, metadata->row_group_count,
           metadata->footer_bytes, LX_STR_ARG(metadata->created_by));
    for (size_t i = 0; i < metadata->schema.leaf_count; i++) {
        const struct lx_parquet_leaf *leaf = &metadata->schema.leaves[i];
        char logical[64];
        lx_parquet_logical_text(&leaf->field->logical, logical, sizeof logical);
        printf("column %zu %s: %s %s %s d=%u r=%u\n", i, leaf->path,
               lx_parquet_repetition_name(leaf->field->repetition),
               lx_parquet_physical_name(leaf->field->physical), logical, leaf->max_definition,
               leaf->max_repetition);
    }
    for (size_t g = 0; g < metadata->row_group_count; g++) {
        printf("row group %zu: %lld rows, %lld bytes\n", g, (long long)metadata->row_groups[g].rows,
               (long long)metadata->row_groups[g].bytes);
        for (size_t i = 0; i < metadata->schema.leaf_count; i++)
            print_chunk(&metadata->schema.leaves[i], &metadata->row_groups[g].chunks[i]);
    }
    lx_parquet_reader_close(reader);
    close(fd);
}

static void print_rows(const char *path, char **names, size_t name_count)
{
    int fd;
    struct lx_err err = LX_ERR_INIT;
    struct lx_parquet_reader *reader = open_file(path, &fd);
    const struct lx_parquet_schema *schema = &lx_parquet_reader_metadata(reader)->schema;
    struct lx_parquet_scan *scan;
    size_t count = name_count != 0 ? name_count : schema->leaf_count;
    uint32_t *leaves = lx_calloc(count + 1, sizeof *leaves);
    const struct lx_column **columns = lx_calloc(count + 1, sizeof *columns);
    int64_t rows;
    if (leaves == NULL || columns == NULL)
        die("out of memory", NULL);
    for (size_t i = 0; i < count; i++) {
        leaves[i] = (uint32_t)i;
        if (name_count != 0)
            must(lx_parquet_reader_leaf(reader, lx_str_of(names[i]), &leaves[i], &err), path, &err);
        if (schema->leaves[leaves[i]].max_repetition > 0)
            die("columns within lists are not printed", NULL);
    }
    struct lx_parquet_scan_options options = {.leaves = leaves, .leaf_count = count};
    must(lx_parquet_reader_scan(reader, &options, &scan, &err), path, &err);
    for (;;) {
        must(lx_parquet_scan_next(scan, 8192, columns, &rows, &err), path, &err);
        if (rows == 0)
            break;
        for (int64_t i = 0; i < rows; i++)
            put_row(stdout, schema, leaves, count, columns, i);
    }
    lx_parquet_scan_free(scan);
    lx_parquet_reader_close(reader);
    lx_free(leaves);
    lx_free(columns);
    close(fd);
}

/* -- command: matrix ----------------------------------------------------------------------- */

#define MATRIX_ROWS 1250

enum pattern { FEW, RISING, RANDOM, CONSTANT, PATTERNS };

static const char *const pattern_names[PATTERNS] = {"few", "rising", "random", "constant"};

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

#define LOGICAL(...)                                                                               \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static const struct lx_parquet_field matrix_types[] = {
    {.name = "bool", .physical = LX_PARQUET_BOOLEAN},
    {.name = "i8",
     .physical = LX_PARQUET_INT32,
     .logical = LOGICAL(.kind = LX_PARQUET_LOGICAL_INTEGER, .bits = 8, .is_signed = true)},
    {.name = "i16",
     .physical = LX_PARQUET_INT32,
     .logical = LOGICAL(.kind = LX_PARQUET_LOGICAL_INTEGER, .bits = 16, .is_signed = true)},
    {.name = "i32", .physical = LX_PARQUET_INT32},
    {.name = "i64", .physical = LX_PARQUET_INT64},
    {.name = "date",
     .physical = LX_PARQUET_INT32,
     .logical = LOGICAL(.kind = LX_PARQUET_LOGICAL_DATE)},
    {.name = "millis",
     .physical = LX_PARQUET_INT64,
     .logical =
         LOGICAL(.kind = LX_PARQUET_LOGICAL_TIMESTAMP, .unit = LX_PARQUET_MILLIS, .utc = true)},
    {.name = "micros",
     .physical = LX_PARQUET_INT64,
     .logical =
         LOGICAL(.kind = LX_PARQUET_LOGICAL_TIMESTAMP, .unit = LX_PARQUET_MICROS, .utc = true)},
    {.name = "dec9",
     .physical = LX_PARQUET_INT32,
     .logical = LOGICAL(.kind = LX_PARQUET_LOGICAL_DECIMAL, .precision = 9, .scale = 2)},
    {.name = "dec18",
     .physical = LX_PARQUET_INT64,
     .logical = LOGICAL(.kind = LX_PARQUET_LOGICAL_DECIMAL, .precision = 18, .scale = 4)},
    {.name = "dec20",
     .physical = LX_PARQUET_FIXED_LEN_BYTE_ARRAY,
     .length = 9,
     .logical = LOGICAL(.kind = LX_PARQUET_LOGICAL_DECIMAL, .precision = 20, .scale = 0)},
    {.name = "float", .physical = LX_PARQUET_FLOAT},
    {.name = "double", .physical = LX_PARQUET_DOUBLE},
    {.name = "string",
     .physical = LX_PARQUET_BYTE_ARRAY,
     .logical = LOGICAL(.kind = LX_PARQUET_LOGICAL_STRING)},
    {.name = "binary", .physical = LX_PARQUET_BYTE_ARRAY},
    {.name = "uuid",
     .physical = LX_PARQUET_FIXED_LEN_BYTE_ARRAY,
     .length = 16,
     .logical = LOGICAL(.kind = LX_PARQUET_LOGICAL_UUID)},
    {.name = "fixed", .physical = LX_PARQUET_FIXED_LEN_BYTE_ARRAY, .length = 5},
};
#define MATRIX_TYPES (sizeof matrix_types / sizeof matrix_types[0])

static int64_t matrix_number(enum pattern pattern, int64_t row, uint64_t *state, uint64_t span)
{
    switch (pattern) {
    case FEW: return (int64_t)(next_random(state) % 20 * 7919 % span);
    case RISING: return (int64_t)((uint64_t)row / 2 % span);
    case RANDOM: return (int64_t)(next_random(state) % span);
    case CONSTANT:
    case PATTERNS: break;
    }
    return (int64_t)(42 % span);
}

/* A number of the type's range, both signs where it has them. */
static int64_t matrix_integer(const struct lx_parquet_field *field, enum pattern pattern,
                              int64_t row, uint64_t *state)
{
    const struct lx_parquet_logical *logical = &field->logical;
    bool wide = field->physical == LX_PARQUET_INT64;
    int64_t shift = pattern == RANDOM ? (int64_t)(next_random(state) & 1) : 0;
    switch (logical->kind) {
    case LX_PARQUET_LOGICAL_INTEGER:
        return matrix_number(pattern, row, state, (uint64_t)1 << (logical->bits - 1)) *
               (shift != 0 ? -1 : 1);
    case LX_PARQUET_LOGICAL_DATE: return matrix_number(pattern, row, state, 40000);
    case LX_PARQUET_LOGICAL_TIMESTAMP: {
        int64_t scale = logical->unit == LX_PARQUET_MILLIS ? 1000 : 1000000;
        return matrix_number(pattern, row, state, (uint64_t)(4000000000 * scale));
    }
    case LX_PARQUET_LOGICAL_DECIMAL:
        return matrix_number(pattern, row, state, wide ? 999999999999999999 : 999999999) *
               (shift != 0 ? -1 : 1);
    default:
        if (pattern == RANDOM)
            return (int64_t)next_random(state);
        return matrix_number(pattern, row, state, 1000000);
    }
}

static void matrix_float(const struct lx_parquet_field *field, enum pattern pattern, int64_t row,
                         uint64_t *state, char *value)
{
    double number = (double)matrix_number(pattern, row, state, 1000000) / 8;
    uint64_t special = pattern == RANDOM ? next_random(state) % 40 : 40;
    if (special < 40)
        number = ldexp((double)(int64_t)next_random(state), (int)special - 80);
    number = special == 0 ? NAN : special == 1 ? -0.0 : special == 2 ? INFINITY : number;
    float narrow = (float)number;
    if (field->physical == LX_PARQUET_FLOAT)
        memcpy(value, &narrow, sizeof narrow);
    else
        memcpy(value, &number, sizeof number);
}

static size_t matrix_text(const struct lx_parquet_field *field, enum pattern pattern, int64_t row,
                          uint64_t *state, char *value)
{
    static const char *const parts[] = {
        "a", "Z", "0", "\xc3\xa9", "\xe2\x82\xac", " ", "\xf0\x9f\x97\x84"};
    size_t size = 0, count;
    if (pattern != RANDOM)
        return (size_t)snprintf(value, 32, "text/%08" PRId64,
                                matrix_number(pattern, row, state, 999));
    count = next_random(state) % 100;
    for (size_t i = 0; i < count; i++) {
        const char *part = parts[next_random(state) % 7];
        char byte = (char)next_random(state);
        bool is_text = field->logical.kind == LX_PARQUET_LOGICAL_STRING;
        size_t len = is_text ? strlen(part) : 1;
        memcpy(value + size, is_text ? part : &byte, len);
        size += len;
    }
    return size;
}

/* One value; its size. */
static size_t matrix_value(const struct lx_parquet_field *field, enum pattern pattern, int64_t row,
                           uint64_t *state, char *value)
{
    int64_t number;
    switch (field->physical) {
    case LX_PARQUET_BOOLEAN:
        value[0] = (char)(matrix_number(pattern, row, state, 1000) % 2);
        return 1;
    case LX_PARQUET_INT32:
    case LX_PARQUET_INT64:
        number = matrix_integer(field, pattern, row, state);
        memcpy(value, &number, sizeof number);
        return field->physical == LX_PARQUET_INT32 ? 4 : 8;
    case LX_PARQUET_FLOAT:
    case LX_PARQUET_DOUBLE:
        matrix_float(field, pattern, row, state, value);
        return field->physical == LX_PARQUET_FLOAT ? 4 : 8;
    case LX_PARQUET_BYTE_ARRAY: return matrix_text(field, pattern, row, state, value);
    case LX_PARQUET_FIXED_LEN_BYTE_ARRAY:
        number = matrix_number(pattern, row, state, INT64_MAX);
        if (field->logical.kind == LX_PARQUET_LOGICAL_DECIMAL && (next_random(state) & 1) != 0)
            number = -number;
        memset(value, number < 0 ? 0xff : 0, (size_t)field->length);
        for (int i = 0; i < 8 && i < field->length; i++)
            value[field->length - 1 - i] = (char)(number >> (8 * i));
        return (size_t)field->length;
    case LX_PARQUET_INT96: break;
    }
    return 0;
}

#define MATRIX_COLUMNS (MATRIX_TYPES * PATTERNS)

struct matrix {
    struct lx_parquet_field fields[MATRIX_COLUMNS];
    char names[MATRIX_COLUMNS][32];
    struct lx_column columns[MATRIX_COLUMNS];
};

static void make_matrix(struct matrix *matrix, bool nullable)
{
    static char value[1024];
    uint64_t state = nullable ? 2 : 1;
    for (size_t i = 0; i < MATRIX_COLUMNS; i++) {
        const struct lx_parquet_field *type = &matrix_types[i / PATTERNS];
        enum pattern pattern = (enum pattern)(i % PATTERNS);
        struct lx_column *column = &matrix->columns[i];
        snprintf(matrix->names[i], sizeof matrix->names[i], "%s_%s", type->name,
                 pattern_names[pattern]);
        matrix->fields[i] = *type;
        matrix->fields[i].name = matrix->names[i];
        matrix->fields[i].repetition = nullable ? LX_PARQUET_OPTIONAL : LX_PARQUET_REQUIRED;
        for (int64_t row = 0; row < MATRIX_ROWS; row++) {
            size_t size = matrix_value(type, pattern, row, &state, value);
            if (row == 0)
                lx_column_init(column,
                               type->physical == LX_PARQUET_BYTE_ARRAY ? LX_COLUMN_BYTES
                                                                       : LX_COLUMN_FIXED,
                               (uint32_t)size);
            /* NULLs alone, in runs, and a whole page of them. */
            bool is_null = nullable && (next_random(&state) % 7 == 0 || row % 100 < 9 ||
                                        (row >= 600 && row < 800));
            must(is_null ? lx_column_append_null(column) : lx_column_append(column, value, size),
                 "a column", NULL);
        }
    }
}

static const struct {
    const char *name;
    enum lx_parquet_encoding encoding;
} matrix_encodings[] = {
    {"auto", LX_PARQUET_ENCODING_AUTO},      {"plain", LX_PARQUET_PLAIN},
    {"dict", LX_PARQUET_RLE_DICTIONARY},     {"rle", LX_PARQUET_RLE},
    {"dbp", LX_PARQUET_DELTA_BINARY_PACKED}, {"dlba", LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY},
    {"dba", LX_PARQUET_DELTA_BYTE_ARRAY},    {"bss", LX_PARQUET_BYTE_STREAM_SPLIT}};

static const struct {
    const char *name;
    enum lx_parquet_codec codec;
} matrix_codecs[] = {{"zstd", LX_PARQUET_ZSTD},
                     {"none", LX_PARQUET_UNCOMPRESSED},
                     {"snappy", LX_PARQUET_SNAPPY},
                     {"lz4", LX_PARQUET_LZ4_RAW}};

static FILE *create(const char *directory, const char *name, const char *suffix)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s%s", directory, name, suffix);
    FILE *out = fopen(path, "wb");
    if (out == NULL)
        die(path, NULL);
    return out;
}

static bool fits(const struct lx_parquet_field *field, enum lx_parquet_encoding encoding,
                 bool page_v2)
{
    struct lx_parquet_column_options column = {.encoding = encoding};
    struct lx_parquet_writer_options options = {.page_v2 = page_v2, .columns = &column};
    struct lx_parquet_sink nowhere = {file_write, NULL};
    struct lx_parquet_writer *writer;
    if (lx_parquet_writer_create(field, 1, &options, &nowhere, NULL, &writer, NULL) != LX_OK)
        return false;
    lx_parquet_writer_destroy(writer);
    return true;
}

/* The columns of one file and its rows as JSON; false: no type takes the encoding. */
static bool write_matrix_file(const char *directory, const char *name, const struct matrix *matrix,
                              const struct lx_parquet_writer_options *base,
                              enum lx_parquet_encoding encoding)
{
    struct lx_parquet_field fields[MATRIX_COLUMNS];
    struct lx_parquet_column_options column_options[MATRIX_COLUMNS] = {{0}};
    const struct lx_column *columns[MATRIX_COLUMNS];
    struct lx_parquet_leaf leaves[MATRIX_COLUMNS];
    struct lx_parquet_writer_options options = *base;
    struct lx_parquet_writer *writer;
    struct lx_err err = LX_ERR_INIT;
    size_t count = 0;
    for (size_t i = 0; i < MATRIX_COLUMNS; i++) {
        if (!fits(&matrix->fields[i], encoding, base->page_v2))
            continue;
        fields[count] = matrix->fields[i];
        columns[count] = &matrix->columns[i];
        leaves[count] = (struct lx_parquet_leaf){.path = matrix->names[i], .field = &fields[count]};
        column_options[count].encoding = encoding;
        column_options[count].bloom = fields[count].physical != LX_PARQUET_BOOLEAN;
        count++;
    }
    if (count == 0)
        return false;
    options.columns = column_options;
    FILE *file = create(directory, name, ".parquet"), *text = create(directory, name, ".jsonl");
    struct lx_parquet_sink sink = {file_write, file};
    must(lx_parquet_writer_create(fields, count, &options, &sink, NULL, &writer, &err), name, &err);
    must(lx_parquet_writer_append(writer, columns, 0, MATRIX_ROWS, &err), name, &err);
    must(lx_parquet_writer_metadata(writer, LX_STR("test"), LX_STR("matrix"), &err), name, &err);
    must(lx_parquet_writer_finish(writer, NULL, &err), name, &err);
    lx_parquet_writer_destroy(writer);
    struct lx_parquet_schema schema = {fields, count, leaves, count};
    for (int64_t row = 0; row < MATRIX_ROWS; row++)
        put_row(text, &schema, NULL, count, columns, row);
    if (fclose(file) != 0 || fclose(text) != 0)
        die(name, NULL);
    return true;
}

static void write_matrix(const char *directory)
{
    static struct matrix matrix[2];
    for (int nullable = 0; nullable < 2; nullable++)
        make_matrix(&matrix[nullable], nullable != 0);
    for (size_t i = 0; i < 8 * 4 * 2 * 2; i++) {
        size_t encoding = i / 16, codec = i / 4 % 4, v2 = i / 2 % 2, nullable = i % 2;
        char name[64];
        struct lx_parquet_writer_options options = {.codec = matrix_codecs[codec].codec,
                                                    .page_v2 = v2 != 0,
                                                    .row_group_rows = 500,
                                                    .page_rows = 150,
                                                    .dictionary_bytes = 2048};
        snprintf(name, sizeof name, "%s-%s-v%zu-%s", matrix_encodings[encoding].name,
                 matrix_codecs[codec].name, v2 + 1, nullable ? "null" : "full");
        if (write_matrix_file(directory, name, &matrix[nullable], &options,
                              matrix_encodings[encoding].encoding))
            puts(name);
    }
    for (int nullable = 0; nullable < 2; nullable++)
        for (size_t i = 0; i < MATRIX_COLUMNS; i++)
            lx_column_free(&matrix[nullable].columns[i]);
}

/* -- command: nested ----------------------------------------------------------------------- */

/* One row in three has no struct, lists of 0 to 3 texts, maps of 0 to 2 pairs. As JSON:
 * {"id":…,"s":{"a":…,"b":…}|null,"l":[…]|null,"m":{…}|null} */
static const struct lx_parquet_field nested_fields[] = {
    {.name = "id", .physical = LX_PARQUET_INT32},
    {.name = "s", .repetition = LX_PARQUET_OPTIONAL, .children = 2},
    {.name = "a", .physical = LX_PARQUET_INT64, .repetition = LX_PARQUET_OPTIONAL},
    {.name = "b",
     .physical = LX_PARQUET_BYTE_ARRAY,
     .logical = LOGICAL(.kind = LX_PARQUET_LOGICAL_STRING)},
    {.name = "l",
     .repetition = LX_PARQUET_OPTIONAL,
     .children = 1,
     .logical = LOGICAL(.kind = LX_PARQUET_LOGICAL_LIST)},
    {.name = "list", .repetition = LX_PARQUET_REPEATED, .children = 1},
    {.name = "element",
     .physical = LX_PARQUET_BYTE_ARRAY,
     .repetition = LX_PARQUET_OPTIONAL,
     .logical = LOGICAL(.kind = LX_PARQUET_LOGICAL_STRING)},
    {.name = "m",
     .repetition = LX_PARQUET_OPTIONAL,
     .children = 1,
     .logical = LOGICAL(.kind = LX_PARQUET_LOGICAL_MAP)},
    {.name = "key_value", .repetition = LX_PARQUET_REPEATED, .children = 2},
    {.name = "key",
     .physical = LX_PARQUET_BYTE_ARRAY,
     .logical = LOGICAL(.kind = LX_PARQUET_LOGICAL_STRING)},
    {.name = "value",
     .physical = LX_PARQUET_BYTE_ARRAY,
     .repetition = LX_PARQUET_OPTIONAL,
     .logical = LOGICAL(.kind = LX_PARQUET_LOGICAL_STRING)},
};

enum { ID, A, B, ELEMENT, KEY, VALUE, NESTED_LEAVES };

struct nested {
    struct lx_column values[NESTED_LEAVES];
    struct lx_buf definition[NESTED_LEAVES], repetition[NESTED_LEAVES];
    FILE *text;
};

static void put_level(struct nested *nested, int leaf, uint8_t definition, uint8_t repetition,
                      const void *value, size_t size)
{
    must(lx_buf_byte(&nested->definition[leaf], definition), "levels", NULL);
    must(lx_buf_byte(&nested->repetition[leaf], repetition), "levels", NULL);
    if (value != NULL)
        must(lx_column_append(&nested->values[leaf], value, size), "values", NULL);
}

static void put_struct(struct nested *nested, int32_t row)
{
    char text[32];
    int64_t number = (int64_t)row * 1000003;
    put_level(nested, ID, 0, 0, &row, sizeof row);
    fprintf(nested->text, "{\"id\":%d,", row);
    if (row % 3 == 0) {
        put_level(nested, A, 0, 0, NULL, 0);
        put_level(nested, B, 0, 0, NULL, 0);
        fputs("\"s\":null,", nested->text);
        return;
    }
    int size = snprintf(text, sizeof text, "b%d", row);
    bool has_a = row % 2 == 0;
    put_level(nested, A, has_a ? 2 : 1, 0, has_a ? &number : NULL, sizeof number);
    put_level(nested, B, 1, 0, text, (size_t)size);
    fputs("\"s\":{\"a\":", nested->text);
    if (has_a)
        fprintf(nested->text, "\"%" PRId64 "\"", number);
    else
        fputs("null", nested->text);
    fprintf(nested->text, ",\"b\":\"%s\"},", text);
}

static void put_list(struct nested *nested, int32_t row)
{
    char text[32];
    int count = row % 5 - 1; /* -1: NULL */
    if (count <= 0)
        put_level(nested, ELEMENT, count < 0 ? 0 : 1, 0, NULL, 0);
    fputs(count < 0 ? "\"l\":null," : "\"l\":[", nested->text);
    for (int i = 0; i < count; i++) {
        bool has = (row + i) % 4 != 0;
        int size = snprintf(text, sizeof text, "e%d.%d", row, i);
        put_level(nested, ELEMENT, has ? 3 : 2, i > 0, has ? text : NULL, (size_t)size);
        fprintf(nested->text, has ? "%s\"%s\"" : "%snull", i > 0 ? "," : "", text);
    }
    fputs(count < 0 ? "" : "],", nested->text);
}

static void put_map(struct nested *nested, int32_t row)
{
    char key[32], value[32];
    int count = row % 4 - 1;
    if (count <= 0) {
        put_level(nested, KEY, count < 0 ? 0 : 1, 0, NULL, 0);
        put_level(nested, VALUE, count < 0 ? 0 : 1, 0, NULL, 0);
    }
    fputs(count < 0 ? "\"m\":null}\n" : "\"m\":{", nested->text);
    for (int i = 0; i < count; i++) {
        bool has = (row + i) % 3 != 0;
        int key_size = snprintf(key, sizeof key, "k%d", i);
        int size = snprintf(value, sizeof value, "v%d", row);
        put_level(nested, KEY, 2, i > 0, key, (size_t)key_size);
        put_level(nested, VALUE, has ? 3 : 2, i > 0, has ? value : NULL, (size_t)size);
        fprintf(nested->text, "%s\"%s\":", i > 0 ? "," : "", key);
        fprintf(nested->text, has ? "\"%s\"" : "null", value);
    }
    fputs(count < 0 ? "" : "}}\n", nested->text);
}

static void write_nested(const char *directory)
{
    struct nested nested = {.text = create(directory, "nested", ".jsonl")};
    struct lx_parquet_levels levels[NESTED_LEAVES];
    struct lx_parquet_writer_options options = {.row_group_rows = 1000, .page_rows = 300};
    struct lx_parquet_writer *writer;
    struct lx_err err = LX_ERR_INIT;
    const int32_t rows = 2500;
    for (int i = 0; i < NESTED_LEAVES; i++) {
        lx_column_init(&nested.values[i], i <= A ? LX_COLUMN_FIXED : LX_COLUMN_BYTES,
                       i == ID ? 4 : 8);
        nested.definition[i] = nested.repetition[i] = (struct lx_buf)LX_BUF(LX_MIB);
    }
    for (int32_t row = 0; row < rows; row++) {
        put_struct(&nested, row);
        put_list(&nested, row);
        put_map(&nested, row);
    }
    for (int i = 0; i < NESTED_LEAVES; i++)
        levels[i] = (struct lx_parquet_levels){&nested.values[i], nested.definition[i].data,
                                               nested.repetition[i].data,
                                               (int64_t)nested.definition[i].len};
    FILE *file = create(directory, "nested", ".parquet");
    struct lx_parquet_sink sink = {file_write, file};
    must(lx_parquet_writer_create(nested_fields, sizeof nested_fields / sizeof nested_fields[0],
                                  &options, &sink, NULL, &writer, &err),
         "nested", &err);
    must(lx_parquet_writer_append_levels(writer, levels, rows, &err), "nested", &err);
    must(lx_parquet_writer_finish(writer, NULL, &err), "nested", &err);
    lx_parquet_writer_destroy(writer);
    for (int i = 0; i < NESTED_LEAVES; i++) {
        lx_column_free(&nested.values[i]);
        lx_buf_free(&nested.definition[i]);
        lx_buf_free(&nested.repetition[i]);
    }
    if (fclose(file) != 0 || fclose(nested.text) != 0)
        die("nested", NULL);
}

int main(int argc, char **argv)
{
    const char *command = argc > 2 ? argv[1] : "";
    if (strcmp(command, "schema") == 0)
        print_schema(argv[2]);
    else if (strcmp(command, "rows") == 0)
        print_rows(argv[2], argv + 3, (size_t)argc - 3);
    else if (strcmp(command, "matrix") == 0)
        write_matrix(argv[2]);
    else if (strcmp(command, "nested") == 0)
        write_nested(argv[2]);
    else
        die("usage: parquet_tool schema|rows FILE | matrix|nested DIR", NULL);
    return 0;
}
