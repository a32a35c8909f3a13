/* Columns that changed: how rows of an older schema are told in the table as it is now.
 *
 *   a column added     its default stands for "the same row" (hot.h, compare)
 *   … of another type  compared as a value of its old type, where it comes back from that exactly
 *   … renamed          looks like one lost and one gained of the same type: first compared so
 *   … dropped          compared over the columns that are left, read from the archived files
 *
 * What then still differs is another row. */
#include "archive/reconcile.h"

#include "base/alloc.h"

/* Where a column of the older schema is found in the table. */
enum found { FOUND_SAME, FOUND_RETYPED, FOUND_RENAMED, FOUND_LOST };

struct place {
    enum found how;
    size_t column; /* of the table; not for FOUND_LOST */
};

static bool is_stored(const struct lx_source_column *column)
{
    return !lx_str_is(column->default_kind, "ALIAS") &&
           !lx_str_is(column->default_kind, "EPHEMERAL");
}

/* Old and new text of a composed type cannot be told from each other's values. */
static bool can_cast(const struct lx_field *field, const struct lx_source_column *column)
{
    struct lx_ch_type type = {0};
    if (field->unreadable_sql != NULL || lx_ch_type_carry(&field->type) != LX_CH_CARRY_VALUE ||
        lx_ch_type_parse(column->type, &type, NULL) != LX_OK)
        return false;
    bool can = lx_ch_type_carry(&type) == LX_CH_CARRY_VALUE;
    lx_ch_type_free(&type);
    return can;
}

static void find_same_names(const struct lx_run *run, const struct lx_row_schema *schema,
                            struct place *places, bool *used)
{
    const struct lx_hot_table *table = run->table;
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct lx_field *field = &schema->fields[i];
        places[i] = (struct place){.how = FOUND_LOST};
        for (size_t j = 0; j < table->column_count; j++) {
            const struct lx_source_column *column = &table->columns[j];
            if (!is_stored(column) || !lx_str_is(column->name, field->name))
                continue;
            if (lx_str_is(column->type, field->type.text))
                places[i] = (struct place){FOUND_SAME, j};
            else if (can_cast(field, column))
                places[i] = (struct place){FOUND_RETYPED, j};
            used[j] = places[i].how != FOUND_LOST;
        }
    }
}

static bool in_schema(const struct lx_row_schema *schema, struct lx_str name)
{
    for (size_t i = 0; i < schema->field_count; i++)
        if (lx_str_is(name, schema->fields[i].name))
            return true;
    return false;
}

/* A rename keeps type and order: lost and gained ones are paired so. */
static void find_renamed(const struct lx_run *run, const struct lx_row_schema *schema,
                         struct place *places, bool *used)
{
    const struct lx_hot_table *table = run->table;
    for (size_t i = 0; i < schema->field_count; i++) {
        for (size_t j = 0; places[i].how == FOUND_LOST && j < table->column_count; j++) {
            const struct lx_source_column *column = &table->columns[j];
            if (used[j] || !is_stored(column) || in_schema(schema, column->name) ||
                !lx_str_is(column->type, schema->fields[i].type.text))
                continue;
            places[i] = (struct place){FOUND_RENAMED, j};
            used[j] = true;
        }
    }
}

/* The value in its old type, where it comes back from that; else NULL, which no old value is. */
static enum lx_status cast_back(struct lx_field *field, const char *old_type, struct lx_err *err)
{
    struct lx_buf sql = LX_BUF(LX_MAX_NAME * 16), name = LX_BUF(LX_MAX_NAME * 4),
                  old = LX_BUF(LX_MAX_NAME * 4);
    enum lx_status status = lx_ch_quote_name(&name, lx_str_of(field->name));
    if (status == LX_OK)
        status = lx_ch_quote_text(&old, lx_str_of(old_type));
    if (status == LX_OK)
        status = lx_buf_printf(
            &sql,
            "if(xxh3(tuple(accurateCastOrNull(accurateCastOrNull(%s, %s), toTypeName(%s)))) = "
            "xxh3(tuple(%s)), accurateCastOrNull(%s, %s), NULL)",
            lx_buf_cstr(&name), lx_buf_cstr(&old), lx_buf_cstr(&name), lx_buf_cstr(&name),
            lx_buf_cstr(&name), lx_buf_cstr(&old));
    char *text = status == LX_OK ? lx_strdup(lx_buf_cstr(&sql)) : NULL;
    lx_buf_free(&sql);
    lx_buf_free(&name);
    lx_buf_free(&old);
    if (text == NULL)
        return lx_err_memory(err);
    lx_free(field->hash_sql);
    field->hash_sql = text;
    return LX_OK;
}

/* The columns at `places`, those that are lost left out, in the order of the older schema. */
static enum lx_status hot_side(const struct lx_run *run, const struct lx_row_schema *schema,
                               const struct place *places, struct lx_row_schema **out,
                               struct lx_err *err)
{
    struct lx_source_column *columns = lx_calloc(schema->field_count, sizeof *columns);
    const char **old_types = lx_calloc(schema->field_count, sizeof *old_types);
    struct lx_row_schema *made = NULL;
    size_t count = 0;
    enum lx_status status = columns != NULL && old_types != NULL ? LX_OK : lx_err_memory(err);
    for (size_t i = 0; status == LX_OK && i < schema->field_count; i++) {
        if (places[i].how == FOUND_LOST)
            continue;
        if (places[i].how == FOUND_RETYPED)
            old_types[count] = schema->fields[i].type.text;
        columns[count++] = run->table->columns[places[i].column];
    }
    if (status == LX_OK && count == 0)
        status = lx_err_set(err, LX_E_REFUSED,
                            "no archived column of %s.%s is left in the table: "
                            "old and new rows cannot be told from each other",
                            run->table->database, run->table->name);
    if (status == LX_OK)
        status = lx_row_schema_build(columns, count, schema->micros, &made, err);
    for (size_t i = 0; status == LX_OK && i < count; i++)
        if (old_types[i] != NULL)
            status = cast_back(&made->fields[i], old_types[i], err);
    lx_free(columns);
    lx_free(old_types);
    if (status != LX_OK) {
        lx_row_schema_free(made);
        return status;
    }
    *out = made;
    return LX_OK;
}

/* The older schema without the columns that are lost. */
static enum lx_status file_side(const struct lx_row_schema *schema, const struct place *places,
                                struct lx_row_schema **out, struct lx_err *err)
{
    struct lx_source_column *columns = lx_calloc(schema->field_count, sizeof *columns);
    size_t count = 0;
    if (columns == NULL)
        return lx_err_memory(err);
    for (size_t i = 0; i < schema->field_count; i++)
        if (places[i].how != FOUND_LOST)
            columns[count++] = (struct lx_source_column){
                .name = lx_str_of(schema->fields[i].name),
                .type = lx_str_of(schema->fields[i].type.text),
                .default_kind = lx_str_of(schema->fields[i].default_kind),
                .default_expression = lx_str_of(schema->fields[i].default_expression)};
    enum lx_status status = lx_row_schema_build(columns, count, schema->micros, out, err);
    lx_free(columns);
    return status;
}

static size_t count_of(const struct place *places, size_t count, enum found how)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += places[i].how == how;
    return found;
}

static enum lx_status make(struct lx_run *run, const struct lx_row_schema *schema,
                           struct place *places, bool *used, struct lx_comparison *made,
                           size_t *count, struct lx_err *err)
{
    size_t fields = schema->field_count;
    find_same_names(run, schema, places, used);
    if (count_of(places, fields, FOUND_LOST) > 0) {
        find_renamed(run, schema, places, used);
        if (count_of(places, fields, FOUND_RENAMED) > 0) { /* others may be dropped beside */
            struct lx_comparison *first = &made[(*count)++];
            LX_TRY(hot_side(run, schema, places, &first->hot, err));
            if (count_of(places, fields, FOUND_LOST) > 0)
                LX_TRY(file_side(schema, places, &first->file, err));
        }
        for (size_t i = 0; i < fields; i++)
            if (places[i].how == FOUND_RENAMED)
                places[i].how = FOUND_LOST; /* not renamed after all: dropped, another one added */
        LX_TRY(hot_side(run, schema, places, &made[*count].hot, err));
        (*count)++;
        return file_side(schema, places, &made[*count - 1].file, err);
    }
    if (strcmp(schema->id, run->schema->id) == 0) {
        (*count)++; /* nothing changed */
        return LX_OK;
    }
    LX_TRY(hot_side(run, schema, places, &made[*count].hot, err));
    (*count)++;
    return LX_OK;
}

enum lx_status lx_comparisons_make(struct lx_run *run, const struct lx_row_schema *schema,
                                   struct lx_comparison made[LX_COMPARISONS], size_t *count,
                                   struct lx_err *err)
{
    struct place *places = lx_calloc(schema->field_count + 1, sizeof *places);
    bool *used = lx_calloc(run->table->column_count + 1, sizeof *used);
    memset(made, 0, LX_COMPARISONS * sizeof made[0]);
    *count = 0;
    enum lx_status status = places != NULL && used != NULL
                                ? make(run, schema, places, used, made, count, err)
                                : lx_err_memory(err);
    lx_free(places);
    lx_free(used);
    if (status != LX_OK) {
        lx_comparisons_free(made, LX_COMPARISONS);
        *count = 0;
    }
    return status;
}

void lx_comparisons_free(struct lx_comparison made[LX_COMPARISONS], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        lx_row_schema_free(made[i].hot);
        lx_row_schema_free(made[i].file);
        made[i] = (struct lx_comparison){0};
    }
}
