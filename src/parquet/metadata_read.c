/* The footer from Thrift. Nothing is trusted: each number is checked before it is kept. */
#include "parquet/metadata.h"
#include "parquet/schema.h"
#include "parquet/thrift.h"

#include <math.h>

/* Reading one footer. */
struct footer_reader {
    struct lx_pq_thrift_reader t;
    struct lx_pq_arena *arena;
    int64_t data_end;
    bool *type_ordered; /* by leaf; NULL: the file tells nothing */
    size_t ordered_count;
    bool encrypted, external, crowded; /* what makes it unsupported; the arena is full */
};

static void *take(struct footer_reader *r, size_t count, size_t size)
{
    void *memory = lx_pq_arena_alloc(r->arena, count, size);
    if (memory == NULL) {
        r->crowded = true;
        lx_pq_thrift_fail(&r->t, "the metadata takes too much memory");
    }
    return memory;
}

/* -- schema -------------------------------------------------------------------------------- */

/* An old file has a converted type and no logical one. */
struct element {
    int converted;
    int32_t scale, precision;
    bool has_logical;
};

static enum lx_parquet_unit read_unit(struct footer_reader *r,
                                      const struct lx_pq_thrift_field *outer)
{
    enum lx_parquet_unit unit = LX_PARQUET_MILLIS;
    struct lx_pq_thrift_field field = {0};
    if (!lx_pq_thrift_enter(&r->t, outer->type))
        return unit;
    while (lx_pq_thrift_next(&r->t, &field)) {
        if (field.id < 1 || field.id > 3)
            lx_pq_thrift_fail(&r->t, "a time has an unknown unit");
        else
            unit = (enum lx_parquet_unit)(field.id - 1);
        lx_pq_thrift_skip(&r->t, &field);
    }
    lx_pq_thrift_leave(&r->t);
    return unit;
}

/* The struct within the LogicalType union. */
static void read_logical_member(struct footer_reader *r, const struct lx_pq_thrift_field *outer,
                                struct lx_parquet_logical *logical)
{
    struct lx_pq_thrift_field field = {0};
    if (!lx_pq_thrift_enter(&r->t, outer->type))
        return;
    while (lx_pq_thrift_next(&r->t, &field)) {
        bool is_time = logical->kind == LX_PARQUET_LOGICAL_TIME ||
                       logical->kind == LX_PARQUET_LOGICAL_TIMESTAMP;
        if (logical->kind == LX_PARQUET_LOGICAL_DECIMAL && field.id == 1)
            logical->scale = lx_pq_thrift_i32(&r->t, &field);
        else if (logical->kind == LX_PARQUET_LOGICAL_DECIMAL && field.id == 2)
            logical->precision = lx_pq_thrift_i32(&r->t, &field);
        else if (is_time && field.id == 1)
            logical->utc = lx_pq_thrift_bool(&r->t, &field);
        else if (is_time && field.id == 2)
            logical->unit = read_unit(r, &field);
        else if (logical->kind == LX_PARQUET_LOGICAL_INTEGER && field.id == 1)
            logical->bits = (uint8_t)lx_pq_thrift_i8(&r->t, &field);
        else if (logical->kind == LX_PARQUET_LOGICAL_INTEGER && field.id == 2)
            logical->is_signed = lx_pq_thrift_bool(&r->t, &field);
        else
            lx_pq_thrift_skip(&r->t, &field);
    }
    lx_pq_thrift_leave(&r->t);
}

static void read_logical(struct footer_reader *r, const struct lx_pq_thrift_field *outer,
                         struct lx_parquet_logical *logical)
{
    static const uint8_t kinds[] = {
        [1] = LX_PARQUET_LOGICAL_STRING,   [2] = LX_PARQUET_LOGICAL_MAP,
        [3] = LX_PARQUET_LOGICAL_LIST,     [4] = LX_PARQUET_LOGICAL_ENUM,
        [5] = LX_PARQUET_LOGICAL_DECIMAL,  [6] = LX_PARQUET_LOGICAL_DATE,
        [7] = LX_PARQUET_LOGICAL_TIME,     [8] = LX_PARQUET_LOGICAL_TIMESTAMP,
        [10] = LX_PARQUET_LOGICAL_INTEGER, [11] = LX_PARQUET_LOGICAL_NULL,
        [12] = LX_PARQUET_LOGICAL_JSON,    [13] = LX_PARQUET_LOGICAL_BSON,
        [14] = LX_PARQUET_LOGICAL_UUID,    [15] = LX_PARQUET_LOGICAL_FLOAT16};
    struct lx_pq_thrift_field field = {0};
    if (!lx_pq_thrift_enter(&r->t, outer->type))
        return;
    while (lx_pq_thrift_next(&r->t, &field)) {
        uint8_t kind = field.id > 0 && (size_t)field.id < sizeof kinds ? kinds[field.id] : 0;
        logical->kind = kind != 0 ? (enum lx_parquet_logical_kind)kind : LX_PARQUET_LOGICAL_OTHER;
        read_logical_member(r, &field, logical);
    }
    lx_pq_thrift_leave(&r->t);
    if (logical->kind == LX_PARQUET_LOGICAL_INTEGER && logical->bits != 8 && logical->bits != 16 &&
        logical->bits != 32 && logical->bits != 64)
        lx_pq_thrift_fail(&r->t, "an integer has an unknown width");
}

static const char *read_name(struct footer_reader *r, const struct lx_pq_thrift_field *field)
{
    struct lx_str name = lx_pq_thrift_binary(&r->t, field);
    if (name.len != 0 && memchr(name.ptr, 0, name.len) != NULL)
        lx_pq_thrift_fail(&r->t, "a column name holds a zero byte");
    const char *copy = lx_pq_arena_text(r->arena, name);
    if (copy == NULL)
        take(r, SIZE_MAX, 1); /* fails and says so */
    return copy;
}

static void read_element_field(struct footer_reader *r, const struct lx_pq_thrift_field *at,
                               struct lx_parquet_field *field, struct element *element)
{
    switch (at->id) {
    case 1: field->physical = (enum lx_parquet_physical)lx_pq_thrift_i32(&r->t, at); break;
    case 2: field->length = lx_pq_thrift_i32(&r->t, at); break;
    case 3: field->repetition = (enum lx_parquet_repetition)lx_pq_thrift_i32(&r->t, at); break;
    case 4: field->name = read_name(r, at); break;
    case 5: {
        int32_t children = lx_pq_thrift_i32(&r->t, at);
        if (children < 0)
            lx_pq_thrift_fail(&r->t, "a group has a negative number of children");
        field->children = children > 0 ? (uint32_t)children : 0;
        break;
    }
    case 6: element->converted = lx_pq_thrift_i32(&r->t, at); break;
    case 7: element->scale = lx_pq_thrift_i32(&r->t, at); break;
    case 8: element->precision = lx_pq_thrift_i32(&r->t, at); break;
    case 9:
        field->field_id = lx_pq_thrift_i32(&r->t, at);
        field->has_field_id = true;
        break;
    case 10:
        element->has_logical = true;
        read_logical(r, at, &field->logical);
        break;
    default: lx_pq_thrift_skip(&r->t, at); break;
    }
}

static void read_element(struct footer_reader *r, struct lx_parquet_field *field, bool is_root)
{
    struct element element = {.converted = -1};
    struct lx_pq_thrift_field at = {0};
    bool has_type = false;
    if (!lx_pq_thrift_enter(&r->t, LX_PQ_THRIFT_STRUCT))
        return;
    while (lx_pq_thrift_next(&r->t, &at)) {
        has_type = has_type || at.id == 1;
        read_element_field(r, &at, field, &element);
    }
    lx_pq_thrift_leave(&r->t);
    if (field->name == NULL)
        field->name = "";
    if (is_root)
        return;
    if (field->physical > LX_PARQUET_FIXED_LEN_BYTE_ARRAY ||
        field->repetition > LX_PARQUET_REPEATED)
        lx_pq_thrift_fail(&r->t, "a column has an unknown type or repetition");
    if (field->children == 0 && !has_type)
        lx_pq_thrift_fail(&r->t, "a column has no type");
    if (field->children == 0 && field->physical == LX_PARQUET_FIXED_LEN_BYTE_ARRAY &&
        (field->length < 1 || field->length > LX_PARQUET_MAX_FIXED))
        lx_pq_thrift_fail(&r->t, "a FIXED_LEN_BYTE_ARRAY has a wrong length");
    if (!element.has_logical && element.converted >= 0)
        lx_pq_logical_of_converted(element.converted, element.precision, element.scale,
                                   field->physical, &field->logical);
}

static void read_schema(struct footer_reader *r, const struct lx_pq_thrift_field *at,
                        struct lx_pq_footer *footer)
{
    struct lx_parquet_field root = {0};
    size_t count = lx_pq_thrift_list(&r->t, at, LX_PQ_THRIFT_STRUCT);
    if (footer->schema.fields != NULL || count == 0) {
        lx_pq_thrift_fail(&r->t, "there must be one schema, with a root");
        return;
    }
    struct lx_parquet_field *fields = take(r, count, sizeof *fields);
    read_element(r, &root, true);
    for (size_t i = 0; i + 1 < count && r->t.failure == NULL; i++)
        read_element(r, &fields[i], false);
    footer->schema.fields = fields;
    footer->schema.field_count = count - 1;
}

/* -- statistics ---------------------------------------------------------------------------- */

/* As they stand, before it is known which may be trusted. */
struct raw_statistics {
    struct lx_str old_min, old_max, min, max;
    bool has_old_min, has_old_max, has_min, has_max;
    int min_exact, max_exact; /* -1: not told */
    int64_t null_count, distinct_count;
};

static void read_statistics(struct footer_reader *r, const struct lx_pq_thrift_field *outer,
                            struct raw_statistics *raw)
{
    struct lx_pq_thrift_field at = {0};
    if (!lx_pq_thrift_enter(&r->t, outer->type))
        return;
    while (lx_pq_thrift_next(&r->t, &at)) {
        switch (at.id) {
        case 1: raw->old_max = lx_pq_thrift_binary(&r->t, &at), raw->has_old_max = true; break;
        case 2: raw->old_min = lx_pq_thrift_binary(&r->t, &at), raw->has_old_min = true; break;
        case 3: raw->null_count = lx_pq_thrift_i64(&r->t, &at); break;
        case 4: raw->distinct_count = lx_pq_thrift_i64(&r->t, &at); break;
        case 5: raw->max = lx_pq_thrift_binary(&r->t, &at), raw->has_max = true; break;
        case 6: raw->min = lx_pq_thrift_binary(&r->t, &at), raw->has_min = true; break;
        case 7: raw->max_exact = lx_pq_thrift_bool(&r->t, &at); break;
        case 8: raw->min_exact = lx_pq_thrift_bool(&r->t, &at); break;
        default: lx_pq_thrift_skip(&r->t, &at); break;
        }
    }
    lx_pq_thrift_leave(&r->t);
}

static bool is_nan(enum lx_pq_order order, struct lx_str value)
{
    float f;
    double d;
    if (order == LX_PQ_ORDER_FLOAT)
        return memcpy(&f, value.ptr, sizeof f), isnan(f);
    if (order == LX_PQ_ORDER_DOUBLE)
        return memcpy(&d, value.ptr, sizeof d), isnan(d);
    return false;
}

/* A zero may stand for both zeros: widened, so that -0.0 < 0.0 costs no row. */
static struct lx_str widen_zero(enum lx_pq_order order, struct lx_str value, bool is_min)
{
    static const float float_zeros[2] = {0.0f, -0.0f};
    static const double double_zeros[2] = {0.0, -0.0};
    float f;
    double d;
    if (order == LX_PQ_ORDER_FLOAT && (memcpy(&f, value.ptr, sizeof f), f == 0.0f))
        return (struct lx_str){(const char *)&float_zeros[is_min], sizeof f};
    if (order == LX_PQ_ORDER_DOUBLE && (memcpy(&d, value.ptr, sizeof d), d == 0.0))
        return (struct lx_str){(const char *)&double_zeros[is_min], sizeof d};
    return value;
}

/* min and max of before 2017 have no order that was ever written down but for signed numbers. */
static bool old_is_safe(enum lx_pq_order order)
{
    return order == LX_PQ_ORDER_I32 || order == LX_PQ_ORDER_I64 || order == LX_PQ_ORDER_FLOAT ||
           order == LX_PQ_ORDER_DOUBLE;
}

static void judge_statistics(const struct raw_statistics *raw, const struct lx_parquet_leaf *leaf,
                             bool type_ordered, int64_t values,
                             struct lx_parquet_statistics *statistics)
{
    enum lx_pq_order order = lx_pq_order_of(leaf->field);
    uint32_t width = lx_pq_width_of(leaf->field);
    struct lx_parquet_bounds *bounds = &statistics->bounds;
    struct lx_str min = raw->min, max = raw->max;
    bool has_min = raw->has_min && type_ordered, has_max = raw->has_max && type_ordered;
    if (!raw->has_min && !raw->has_max && old_is_safe(order)) {
        min = raw->old_min, has_min = raw->has_old_min;
        max = raw->old_max, has_max = raw->has_old_max;
    }
    statistics->null_count = raw->null_count < 0 || raw->null_count > values ? -1 : raw->null_count;
    statistics->distinct_count =
        raw->distinct_count < 0 || raw->distinct_count > values ? -1 : raw->distinct_count;
    *bounds = (struct lx_parquet_bounds){.has_min = false};
    if (order == LX_PQ_ORDER_NONE)
        return;
    has_min = has_min && (width == 0 || min.len == width) && !is_nan(order, min);
    has_max = has_max && (width == 0 || max.len == width) && !is_nan(order, max);
    /* Bounds the wrong way round are no bounds. */
    if (has_min && has_max && lx_pq_compare(order, min, max) > 0)
        return;
    if (has_min) {
        bounds->has_min = true;
        bounds->min = widen_zero(order, min, true);
        bounds->min_exact = raw->min_exact < 0 ? width != 0 : raw->min_exact == 1;
    }
    if (has_max) {
        bounds->has_max = true;
        bounds->max = widen_zero(order, max, false);
        bounds->max_exact = raw->max_exact < 0 ? width != 0 : raw->max_exact == 1;
    }
}

/* -- row groups ---------------------------------------------------------------------------- */

static void read_encodings(struct footer_reader *r, const struct lx_pq_thrift_field *at,
                           struct lx_parquet_chunk *chunk)
{
    size_t count = lx_pq_thrift_list(&r->t, at, LX_PQ_THRIFT_I32);
    for (size_t i = 0; i < count && r->t.failure == NULL; i++) {
        int32_t encoding = lx_pq_thrift_next_i32(&r->t);
        if (encoding >= 0 && encoding < 31)
            chunk->encodings |= (uint32_t)1 << (encoding + 1);
    }
}

static void read_size_statistics(struct footer_reader *r, const struct lx_pq_thrift_field *outer,
                                 struct lx_parquet_chunk *chunk)
{
    struct lx_pq_thrift_field at = {0};
    if (!lx_pq_thrift_enter(&r->t, outer->type))
        return;
    while (lx_pq_thrift_next(&r->t, &at)) {
        if (at.id == 1)
            chunk->text_bytes = lx_pq_thrift_i64(&r->t, &at);
        else
            lx_pq_thrift_skip(&r->t, &at);
    }
    lx_pq_thrift_leave(&r->t);
}

static void read_chunk_metadata(struct footer_reader *r, const struct lx_pq_thrift_field *outer,
                                struct lx_parquet_chunk *chunk, struct raw_statistics *statistics)
{
    struct lx_pq_thrift_field at = {0};
    if (!lx_pq_thrift_enter(&r->t, outer->type))
        return;
    while (lx_pq_thrift_next(&r->t, &at)) {
        switch (at.id) {
        case 1: chunk->physical = (enum lx_parquet_physical)lx_pq_thrift_i32(&r->t, &at); break;
        case 2: read_encodings(r, &at, chunk); break;
        case 4: {
            int32_t codec = lx_pq_thrift_i32(&r->t, &at);
            if (codec < 0 || codec > 64)
                lx_pq_thrift_fail(&r->t, "a column has an unknown codec");
            else
                chunk->codec = (enum lx_parquet_codec)(codec + 1);
            break;
        }
        case 5: chunk->values = lx_pq_thrift_i64(&r->t, &at); break;
        case 6: chunk->raw_bytes = lx_pq_thrift_i64(&r->t, &at); break;
        case 7: chunk->bytes = lx_pq_thrift_i64(&r->t, &at); break;
        case 9: chunk->data_page_offset = lx_pq_thrift_i64(&r->t, &at); break;
        case 11: chunk->dictionary_page_offset = lx_pq_thrift_i64(&r->t, &at); break;
        case 12: read_statistics(r, &at, statistics); break;
        case 14: chunk->bloom_offset = lx_pq_thrift_i64(&r->t, &at); break;
        case 15: chunk->bloom_bytes = lx_pq_thrift_i32(&r->t, &at); break;
        case 16: read_size_statistics(r, &at, chunk); break;
        default: lx_pq_thrift_skip(&r->t, &at); break;
        }
    }
    lx_pq_thrift_leave(&r->t);
}

/* Nothing that a chunk names may lie outside of the file's data. */
static bool lies_within(const struct footer_reader *r, int64_t offset, int64_t bytes)
{
    return offset >= (int64_t)sizeof LX_PQ_MAGIC - 1 && bytes >= 0 && bytes <= r->data_end &&
           offset <= r->data_end - bytes;
}

static void check_chunk(struct footer_reader *r, struct lx_parquet_chunk *chunk)
{
    if (chunk->dictionary_page_offset <= 0 ||
        chunk->dictionary_page_offset >= chunk->data_page_offset)
        chunk->dictionary_page_offset = -1; /* old writers tell 0, or the data page again */
    if (chunk->values < 0 || chunk->raw_bytes < 0)
        lx_pq_thrift_fail(&r->t, "a column has a negative size");
    else if (!lies_within(r, lx_pq_chunk_start(chunk), chunk->bytes))
        lx_pq_thrift_fail(&r->t, "a column lies outside of the file");
    if (chunk->bloom_offset > 0 &&
        !lies_within(r, chunk->bloom_offset, chunk->bloom_bytes < 0 ? 0 : chunk->bloom_bytes))
        lx_pq_thrift_fail(&r->t, "a Bloom filter lies outside of the file");
    if (chunk->column_index_offset > 0 &&
        !lies_within(r, chunk->column_index_offset, chunk->column_index_bytes))
        lx_pq_thrift_fail(&r->t, "a column index lies outside of the file");
    if (chunk->offset_index_offset > 0 &&
        !lies_within(r, chunk->offset_index_offset, chunk->offset_index_bytes))
        lx_pq_thrift_fail(&r->t, "an offset index lies outside of the file");
}

static void read_chunk(struct footer_reader *r, struct lx_parquet_chunk *chunk,
                       struct raw_statistics *statistics)
{
    struct lx_pq_thrift_field at = {0};
    *chunk = (struct lx_parquet_chunk){.dictionary_page_offset = -1,
                                       .text_bytes = -1,
                                       .bloom_offset = -1,
                                       .bloom_bytes = -1,
                                       .column_index_offset = -1,
                                       .offset_index_offset = -1};
    *statistics = (struct raw_statistics){
        .min_exact = -1, .max_exact = -1, .null_count = -1, .distinct_count = -1};
    bool has_metadata = false;
    if (!lx_pq_thrift_enter(&r->t, LX_PQ_THRIFT_STRUCT))
        return;
    while (lx_pq_thrift_next(&r->t, &at)) {
        switch (at.id) {
        case 1: r->external = lx_pq_thrift_binary(&r->t, &at).len != 0 || r->external; break;
        case 3:
            has_metadata = true;
            read_chunk_metadata(r, &at, chunk, statistics);
            break;
        case 4: chunk->offset_index_offset = lx_pq_thrift_i64(&r->t, &at); break;
        case 5: chunk->offset_index_bytes = lx_pq_thrift_i32(&r->t, &at); break;
        case 6: chunk->column_index_offset = lx_pq_thrift_i64(&r->t, &at); break;
        case 7: chunk->column_index_bytes = lx_pq_thrift_i32(&r->t, &at); break;
        case 8:
        case 9:
            r->encrypted = true;
            lx_pq_thrift_skip(&r->t, &at);
            break;
        default: lx_pq_thrift_skip(&r->t, &at); break;
        }
    }
    lx_pq_thrift_leave(&r->t);
    if (!has_metadata && !r->encrypted)
        lx_pq_thrift_fail(&r->t, "a column has no metadata");
    if (!r->encrypted)
        check_chunk(r, chunk);
}

static void read_chunks(struct footer_reader *r, const struct lx_pq_thrift_field *at,
                        struct lx_parquet_row_group *group, struct raw_statistics **statistics,
                        size_t *count)
{
    *count = lx_pq_thrift_list(&r->t, at, LX_PQ_THRIFT_STRUCT);
    group->chunks = take(r, *count, sizeof *group->chunks);
    *statistics = take(r, *count, sizeof **statistics);
    for (size_t i = 0; i < *count && r->t.failure == NULL; i++)
        read_chunk(r, &group->chunks[i], &(*statistics)[i]);
}

static void read_sorting(struct footer_reader *r, const struct lx_pq_thrift_field *list,
                         struct lx_parquet_row_group *group)
{
    size_t count = lx_pq_thrift_list(&r->t, list, LX_PQ_THRIFT_STRUCT);
    group->sorting = take(r, count, sizeof *group->sorting);
    for (size_t i = 0; i < count && r->t.failure == NULL; i++) {
        struct lx_pq_thrift_field at = {0};
        struct lx_parquet_sorting *sorting = &group->sorting[i];
        if (!lx_pq_thrift_enter(&r->t, LX_PQ_THRIFT_STRUCT))
            return;
        while (lx_pq_thrift_next(&r->t, &at)) {
            switch (at.id) {
            case 1: sorting->leaf = (uint32_t)lx_pq_thrift_i32(&r->t, &at); break;
            case 2: sorting->descending = lx_pq_thrift_bool(&r->t, &at); break;
            case 3: sorting->nulls_first = lx_pq_thrift_bool(&r->t, &at); break;
            default: lx_pq_thrift_skip(&r->t, &at); break;
            }
        }
        lx_pq_thrift_leave(&r->t);
    }
    group->sorting_count = count;
}

/* A row group with what is judged once the schema and the column orders are known. */
struct raw_group {
    struct raw_statistics *statistics;
    size_t chunk_count;
};

static void read_row_group(struct footer_reader *r, struct lx_parquet_row_group *group,
                           struct raw_group *raw)
{
    struct lx_pq_thrift_field at = {0};
    if (!lx_pq_thrift_enter(&r->t, LX_PQ_THRIFT_STRUCT))
        return;
    while (lx_pq_thrift_next(&r->t, &at)) {
        switch (at.id) {
        case 1: read_chunks(r, &at, group, &raw->statistics, &raw->chunk_count); break;
        case 2: group->raw_bytes = lx_pq_thrift_i64(&r->t, &at); break;
        case 3: group->rows = lx_pq_thrift_i64(&r->t, &at); break;
        case 4: read_sorting(r, &at, group); break;
        default: lx_pq_thrift_skip(&r->t, &at); break;
        }
    }
    lx_pq_thrift_leave(&r->t);
    if (group->rows < 0)
        lx_pq_thrift_fail(&r->t, "a row group has a negative number of rows");
}

static void read_row_groups(struct footer_reader *r, const struct lx_pq_thrift_field *at,
                            struct lx_pq_footer *footer, struct raw_group **raw)
{
    size_t count = lx_pq_thrift_list(&r->t, at, LX_PQ_THRIFT_STRUCT);
    footer->row_groups = take(r, count, sizeof *footer->row_groups);
    *raw = take(r, count, sizeof **raw);
    for (size_t i = 0; i < count && r->t.failure == NULL; i++)
        read_row_group(r, &footer->row_groups[i], &(*raw)[i]);
    footer->row_group_count = count;
}

/* -- the file ------------------------------------------------------------------------------ */

static void read_key_values(struct footer_reader *r, const struct lx_pq_thrift_field *list,
                            struct lx_pq_footer *footer)
{
    size_t count = lx_pq_thrift_list(&r->t, list, LX_PQ_THRIFT_STRUCT);
    footer->key_values = take(r, count, sizeof *footer->key_values);
    for (size_t i = 0; i < count && r->t.failure == NULL; i++) {
        struct lx_pq_thrift_field at = {0};
        struct lx_parquet_key_value *pair = &footer->key_values[i];
        *pair = (struct lx_parquet_key_value){{"", 0}, {"", 0}};
        if (!lx_pq_thrift_enter(&r->t, LX_PQ_THRIFT_STRUCT))
            return;
        while (lx_pq_thrift_next(&r->t, &at)) {
            if (at.id == 1)
                pair->key = lx_pq_thrift_binary(&r->t, &at);
            else if (at.id == 2)
                pair->value = lx_pq_thrift_binary(&r->t, &at);
            else
                lx_pq_thrift_skip(&r->t, &at);
        }
        lx_pq_thrift_leave(&r->t);
    }
    footer->key_value_count = count;
}

static void read_column_orders(struct footer_reader *r, const struct lx_pq_thrift_field *list)
{
    size_t count = lx_pq_thrift_list(&r->t, list, LX_PQ_THRIFT_STRUCT);
    bool *ordered = take(r, count, sizeof *ordered);
    for (size_t i = 0; i < count && r->t.failure == NULL; i++) {
        struct lx_pq_thrift_field at = {0};
        if (!lx_pq_thrift_enter(&r->t, LX_PQ_THRIFT_STRUCT))
            return;
        while (lx_pq_thrift_next(&r->t, &at)) {
            ordered[i] = at.id == 1; /* TYPE_ORDER */
            lx_pq_thrift_skip(&r->t, &at);
        }
        lx_pq_thrift_leave(&r->t);
    }
    r->type_ordered = ordered;
    r->ordered_count = count;
}

static void read_file(struct footer_reader *r, struct lx_pq_footer *footer,
                      struct raw_group **groups)
{
    struct lx_pq_thrift_field at = {0};
    unsigned seen = 0; /* of the fields that must be there: 1 to 4 */
    if (!lx_pq_thrift_enter(&r->t, LX_PQ_THRIFT_STRUCT))
        return;
    while (lx_pq_thrift_next(&r->t, &at)) {
        seen |= at.id >= 1 && at.id <= 4 ? 1u << at.id : 0;
        switch (at.id) {
        case 1: footer->version = lx_pq_thrift_i32(&r->t, &at); break;
        case 2: read_schema(r, &at, footer); break;
        case 3: footer->rows = lx_pq_thrift_i64(&r->t, &at); break;
        case 4: read_row_groups(r, &at, footer, groups); break;
        case 5: read_key_values(r, &at, footer); break;
        case 6: footer->created_by = lx_pq_thrift_binary(&r->t, &at); break;
        case 7: read_column_orders(r, &at); break;
        case 8:
            r->encrypted = true;
            lx_pq_thrift_skip(&r->t, &at);
            break;
        default: lx_pq_thrift_skip(&r->t, &at); break;
        }
    }
    lx_pq_thrift_leave(&r->t);
    if (seen != 0x1e)
        lx_pq_thrift_fail(&r->t, "version, schema, rows or row groups are missing");
}

static enum lx_status join_group(struct footer_reader *r, struct lx_pq_footer *footer,
                                 size_t number, const struct raw_group *raw, struct lx_err *err)
{
    struct lx_parquet_row_group *group = &footer->row_groups[number];
    if (raw->chunk_count != footer->schema.leaf_count)
        return lx_err_set(err, LX_E_FORMAT, "row group %zu has %zu columns, the schema %zu", number,
                          raw->chunk_count, footer->schema.leaf_count);
    group->bytes = 0;
    for (size_t i = 0; i < raw->chunk_count; i++) {
        const struct lx_parquet_leaf *leaf = &footer->schema.leaves[i];
        struct lx_parquet_chunk *chunk = &group->chunks[i];
        bool ordered = i < r->ordered_count && r->type_ordered[i];
        if (chunk->physical != leaf->field->physical)
            return lx_err_set(err, LX_E_FORMAT, "row group %zu: column \"%s\" is %s, not %s",
                              number, leaf->path, lx_parquet_physical_name(chunk->physical),
                              lx_parquet_physical_name(leaf->field->physical));
        if (leaf->max_repetition == 0 && chunk->values != group->rows)
            return lx_err_set(err, LX_E_FORMAT,
                              "row group %zu: column \"%s\" has %lld values for %lld rows", number,
                              leaf->path, (long long)chunk->values, (long long)group->rows);
        group->bytes += chunk->bytes;
        if (group->bytes > r->data_end * 2)
            return lx_err_set(err, LX_E_FORMAT, "row group %zu is larger than its file", number);
        judge_statistics(&raw->statistics[i], leaf, ordered, chunk->values, &chunk->statistics);
    }
    return LX_OK;
}

static enum lx_status join(struct footer_reader *r, struct lx_pq_footer *footer,
                           const struct raw_group *raw, struct lx_err *err)
{
    int64_t rows = 0;
    LX_TRY(lx_pq_schema_leaves(r->arena, footer->schema.fields, footer->schema.field_count,
                               &footer->schema, err));
    for (size_t i = 0; i < footer->row_group_count; i++) {
        footer->row_groups[i].first_row = rows;
        if (__builtin_add_overflow(rows, footer->row_groups[i].rows, &rows))
            return lx_err_set(err, LX_E_FORMAT, "the row groups have too many rows");
        LX_TRY(join_group(r, footer, i, &raw[i], err));
    }
    if (rows != footer->rows)
        return lx_err_set(err, LX_E_FORMAT, "the file has %lld rows, its row groups %lld",
                          (long long)footer->rows, (long long)rows);
    return LX_OK;
}

int64_t lx_pq_chunk_start(const struct lx_parquet_chunk *chunk)
{
    return chunk->dictionary_page_offset > 0 ? chunk->dictionary_page_offset
                                             : chunk->data_page_offset;
}

enum lx_status lx_pq_footer_read(struct lx_pq_arena *arena, const void *bytes, size_t size,
                                 int64_t data_end, struct lx_pq_footer *footer, struct lx_err *err)
{
    struct footer_reader r = {.arena = arena, .data_end = data_end};
    struct lx_pq_footer read = {.created_by = {"", 0}};
    struct raw_group *groups = NULL;
    lx_pq_thrift_open(&r.t, bytes, size);
    read_file(&r, &read, &groups);
    if (r.crowded && arena->starved)
        return lx_err_memory(err);
    if (r.crowded)
        return lx_err_set(err, LX_E_LIMIT, "the metadata takes more than %zu bytes of memory",
                          arena->max);
    if (r.t.failure != NULL)
        return lx_err_set(err, LX_E_FORMAT, "broken metadata: %s (byte %zu of the footer)",
                          r.t.failure, size - lx_cursor_left(&r.t.cursor));
    if (lx_cursor_left(&r.t.cursor) != 0)
        return lx_err_set(err, LX_E_FORMAT, "broken metadata: %zu bytes too many",
                          lx_cursor_left(&r.t.cursor));
    if (!lx_pq_footer_is_sound(bytes, size, read.key_values, read.key_value_count))
        return lx_err_set(err, LX_E_CORRUPT, "the footer's checksum differs: it was changed");
    if (r.encrypted)
        return lx_err_set(err, LX_E_UNSUPPORTED, "the file is encrypted");
    if (r.external)
        return lx_err_set(err, LX_E_UNSUPPORTED, "columns lie in other files");
    if (read.schema.fields == NULL)
        return lx_err_set(err, LX_E_FORMAT, "broken metadata: there is no schema");
    LX_TRY(join(&r, &read, groups, err));
    *footer = read;
    return LX_OK;
}
