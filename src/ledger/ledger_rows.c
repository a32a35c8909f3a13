#include "ledger/ledger_rows.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "ledger/ledger.h"
#include "ledger/ledger_json.h"

#include <assert.h>

#define BATCH_ROWS 1024
#define MAX_LEVEL_BYTES LX_GIB /* of one leaf of one checkpoint */

/* -- the tree ------------------------------------------------------------------------------ */

enum node_kind { NODE_LEAF, NODE_STRUCT, NODE_LIST, NODE_MAP, NODE_OTHER };

/* Of the field with the same number. Its first child is the next one. */
struct node {
    enum node_kind kind;
    uint8_t definition, repetition; /* the levels at which a value of it is there */
    uint32_t leaf, leaf_end;        /* its leaves */
    size_t end;                     /* the field behind its last child */
    bool skip;                      /* reading: not looked at */
};

struct tree {
    const struct lx_parquet_schema *schema;
    struct node *nodes;
};

static const struct lx_parquet_field *field_of(const struct tree *tree, size_t i)
{
    return &tree->schema->fields[i];
}

static enum node_kind kind_of(const struct tree *tree, size_t i)
{
    const struct lx_parquet_field *field = field_of(tree, i);
    if (field->children == 0)
        return NODE_LEAF;
    bool repeats = field->children == 1 && field[1].repetition == LX_PARQUET_REPEATED;
    if (field->logical.kind == LX_PARQUET_LOGICAL_LIST)
        return repeats ? NODE_LIST : NODE_OTHER;
    if (field->logical.kind == LX_PARQUET_LOGICAL_MAP)
        return repeats && field[1].children == 2 && field[2].children == 0 ? NODE_MAP : NODE_OTHER;
    return NODE_STRUCT;
}

/* The node of field `i` and all below it, with the levels of what is above. The schema was checked
 * by whoever made it: its depth is bounded, its children add up. */
static void plant(struct tree *tree, size_t i, uint8_t definition, uint8_t repetition,
                  uint32_t *leaf)
{
    const struct lx_parquet_field *field = field_of(tree, i);
    struct node *node = &tree->nodes[i];
    *node = (struct node){.kind = kind_of(tree, i), .leaf = *leaf};
    node->definition = (uint8_t)(definition + (field->repetition != LX_PARQUET_REQUIRED));
    node->repetition = (uint8_t)(repetition + (field->repetition == LX_PARQUET_REPEATED));
    size_t child = i + 1;
    for (uint32_t n = 0; n < field->children; n++) {
        plant(tree, child, node->definition, node->repetition, leaf);
        bool stray =
            field_of(tree, child)->repetition == LX_PARQUET_REPEATED && node->kind == NODE_STRUCT;
        if (stray) /* a list of old, without its annotation */
            tree->nodes[child].kind = NODE_OTHER;
        child = tree->nodes[child].end;
    }
    if (field->children == 0)
        ++*leaf;
    node->leaf_end = *leaf;
    node->end = child;
}

static enum lx_status tree_of(const struct lx_parquet_schema *schema, struct tree *tree,
                              struct lx_err *err)
{
    uint32_t leaf = 0;
    tree->schema = schema;
    tree->nodes = lx_calloc(schema->field_count + 1, sizeof *tree->nodes);
    if (tree->nodes == NULL)
        return lx_err_memory(err);
    for (size_t i = 0; i < schema->field_count; i = tree->nodes[i].end)
        plant(tree, i, 0, 0, &leaf);
    assert(leaf == schema->leaf_count);
    return LX_OK;
}

/* The element of a list: the repeated field's only child, or, in old files, itself. */
static size_t element_of(const struct tree *tree, size_t list)
{
    return field_of(tree, list + 1)->children == 1 ? list + 2 : list + 1;
}

/* -- writing: JSON to levels --------------------------------------------------------------- */

struct leaf_rows {
    struct lx_column values;
    struct lx_buf definition, repetition;
};

struct lx_rows_builder {
    struct tree tree;
    struct leaf_rows *leaves;
    struct lx_parquet_levels *levels;
    int64_t rows;
    struct lx_err *err; /* of the call under way */
};

static uint32_t width_of(enum lx_parquet_physical physical)
{
    switch (physical) {
    case LX_PARQUET_BOOLEAN: return 1;
    case LX_PARQUET_INT32:
    case LX_PARQUET_FLOAT: return 4;
    case LX_PARQUET_INT64:
    case LX_PARQUET_DOUBLE: return 8;
    default: return 0;
    }
}

enum lx_status lx_rows_builder_create(const struct lx_parquet_schema *schema,
                                      struct lx_rows_builder **builder, struct lx_err *err)
{
    struct lx_rows_builder *made = lx_calloc(1, sizeof *made);
    if (made == NULL)
        return lx_err_memory(err);
    enum lx_status status = tree_of(schema, &made->tree, err);
    made->leaves = lx_calloc(schema->leaf_count + 1, sizeof *made->leaves);
    made->levels = lx_calloc(schema->leaf_count + 1, sizeof *made->levels);
    if (status == LX_OK && (made->leaves == NULL || made->levels == NULL))
        status = lx_err_memory(err);
    if (status != LX_OK) {
        lx_rows_builder_free(made);
        return status;
    }
    for (size_t i = 0; i < schema->leaf_count; i++) {
        uint32_t width = width_of(schema->leaves[i].field->physical);
        struct leaf_rows *leaf = &made->leaves[i];
        lx_column_init(&leaf->values, width != 0 ? LX_COLUMN_FIXED : LX_COLUMN_BYTES, width);
        leaf->definition = leaf->repetition = (struct lx_buf)LX_BUF(MAX_LEVEL_BYTES);
    }
    *builder = made;
    return LX_OK;
}

void lx_rows_builder_free(struct lx_rows_builder *builder)
{
    if (builder == NULL)
        return;
    for (size_t i = 0; builder->leaves != NULL && i < builder->tree.schema->leaf_count; i++) {
        lx_column_free(&builder->leaves[i].values);
        lx_buf_free(&builder->leaves[i].definition);
        lx_buf_free(&builder->leaves[i].repetition);
    }
    lx_free(builder->leaves);
    lx_free(builder->levels);
    lx_free(builder->tree.nodes);
    lx_free(builder);
}

void lx_rows_builder_clear(struct lx_rows_builder *builder)
{
    for (size_t i = 0; i < builder->tree.schema->leaf_count; i++) {
        lx_column_clear(&builder->leaves[i].values);
        lx_buf_clear(&builder->leaves[i].definition);
        lx_buf_clear(&builder->leaves[i].repetition);
    }
    builder->rows = 0;
}

static enum lx_status put_level(struct lx_rows_builder *builder, uint32_t leaf, uint8_t definition,
                                uint8_t repetition)
{
    LX_TRY(lx_buf_byte(&builder->leaves[leaf].definition, definition));
    return lx_buf_byte(&builder->leaves[leaf].repetition, repetition);
}

/* Nothing is there from `definition` on. */
static enum lx_status put_nothing(struct lx_rows_builder *builder, size_t i, uint8_t definition,
                                  uint8_t repetition)
{
    const struct node *node = &builder->tree.nodes[i];
    for (uint32_t leaf = node->leaf; leaf < node->leaf_end; leaf++)
        LX_TRY(put_level(builder, leaf, definition, repetition));
    return LX_OK;
}

static enum lx_status wrong(struct lx_rows_builder *builder, size_t i)
{
    return lx_err_set(builder->err, LX_E_FORMAT, "\"%s\" is not what it must be",
                      field_of(&builder->tree, i)->name);
}

static enum lx_status put_leaf(struct lx_rows_builder *builder, size_t i, const json_t *json,
                               uint8_t repetition)
{
    const struct node *node = &builder->tree.nodes[i];
    struct lx_column *values = &builder->leaves[node->leaf].values;
    enum lx_parquet_physical physical = field_of(&builder->tree, i)->physical;
    LX_TRY(put_level(builder, node->leaf, node->definition, repetition));
    if (physical == LX_PARQUET_BOOLEAN && json_is_boolean(json)) {
        uint8_t value = json_is_true(json);
        return lx_column_append(values, &value, sizeof value);
    }
    if (physical == LX_PARQUET_INT64 && json_is_integer(json)) {
        int64_t value = json_integer_value(json);
        return lx_column_append(values, &value, sizeof value);
    }
    if (physical == LX_PARQUET_INT32 && json_is_integer(json) &&
        json_integer_value(json) >= INT32_MIN && json_integer_value(json) <= INT32_MAX) {
        int32_t value = (int32_t)json_integer_value(json);
        return lx_column_append(values, &value, sizeof value);
    }
    if (physical == LX_PARQUET_BYTE_ARRAY && json_is_string(json))
        return lx_column_append(values, json_string_value(json), json_string_length(json));
    return wrong(builder, i);
}

static enum lx_status put(struct lx_rows_builder *builder, size_t i, const json_t *json,
                          uint8_t repetition);

static enum lx_status put_struct(struct lx_rows_builder *builder, size_t i, const json_t *json,
                                 uint8_t repetition)
{
    if (!json_is_object(json))
        return wrong(builder, i);
    const struct node *nodes = builder->tree.nodes;
    for (size_t child = i + 1; child < nodes[i].end; child = nodes[child].end)
        LX_TRY(put(builder, child, json_object_get(json, field_of(&builder->tree, child)->name),
                   repetition));
    return LX_OK;
}

static enum lx_status put_list(struct lx_rows_builder *builder, size_t i, const json_t *json,
                               uint8_t repetition)
{
    const struct node *nodes = builder->tree.nodes;
    if (!json_is_array(json))
        return wrong(builder, i);
    size_t element = element_of(&builder->tree, i), count = json_array_size(json);
    if (count == 0)
        return put_nothing(builder, i, nodes[i].definition, repetition);
    for (size_t n = 0; n < count; n++)
        LX_TRY(put(builder, element, json_array_get(json, n),
                   n == 0 ? repetition : nodes[i + 1].repetition));
    return LX_OK;
}

static enum lx_status put_map(struct lx_rows_builder *builder, size_t i, const json_t *json,
                              uint8_t repetition)
{
    const struct node *nodes = builder->tree.nodes;
    if (!json_is_object(json))
        return wrong(builder, i);
    if (json_object_size(json) == 0)
        return put_nothing(builder, i, nodes[i].definition, repetition);
    json_t *object = json_incref((json_t *)(uintptr_t)json); /* jansson iterates no const object */
    enum lx_status status = LX_OK;
    for (void *at = json_object_iter(object); status == LX_OK && at != NULL;
         at = json_object_iter_next(object, at)) {
        const char *key = json_object_iter_key(at);
        uint32_t leaf = nodes[i + 2].leaf;
        status = put_level(builder, leaf, nodes[i + 2].definition, repetition);
        if (status == LX_OK)
            status = lx_column_append(&builder->leaves[leaf].values, key, strlen(key));
        if (status == LX_OK)
            status = put(builder, i + 3, json_object_iter_value(at), repetition);
        repetition = nodes[i + 1].repetition;
    }
    json_decref(object);
    return status;
}

static enum lx_status put(struct lx_rows_builder *builder, size_t i, const json_t *json,
                          uint8_t repetition)
{
    const struct node *node = &builder->tree.nodes[i];
    if (json == NULL || json_is_null(json)) {
        if (field_of(&builder->tree, i)->repetition != LX_PARQUET_OPTIONAL)
            return wrong(builder, i);
        return put_nothing(builder, i, (uint8_t)(node->definition - 1), repetition);
    }
    switch (node->kind) {
    case NODE_LEAF: return put_leaf(builder, i, json, repetition);
    case NODE_STRUCT: return put_struct(builder, i, json, repetition);
    case NODE_LIST: return put_list(builder, i, json, repetition);
    case NODE_MAP: return put_map(builder, i, json, repetition);
    case NODE_OTHER: break;
    }
    return wrong(builder, i);
}

enum lx_status lx_rows_builder_add(struct lx_rows_builder *builder, const json_t *row,
                                   struct lx_err *err)
{
    const struct tree *tree = &builder->tree;
    builder->err = err;
    for (size_t i = 0; i < tree->schema->field_count; i = tree->nodes[i].end) {
        enum lx_status status = put(builder, i, json_object_get(row, field_of(tree, i)->name), 0);
        if (status == LX_E_MEMORY)
            return lx_err_memory(err);
        if (status == LX_E_LIMIT)
            return lx_err_set(err, status, "the rows of a checkpoint take too much memory");
        LX_TRY(status);
    }
    builder->rows++;
    return LX_OK;
}

int64_t lx_rows_builder_rows(const struct lx_rows_builder *builder)
{
    return builder->rows;
}

size_t lx_rows_builder_bytes(const struct lx_rows_builder *builder)
{
    size_t bytes = 0;
    for (size_t i = 0; i < builder->tree.schema->leaf_count; i++)
        bytes += lx_column_bytes(&builder->leaves[i].values);
    return bytes;
}

const struct lx_parquet_levels *lx_rows_builder_levels(struct lx_rows_builder *builder)
{
    for (size_t i = 0; i < builder->tree.schema->leaf_count; i++) {
        const struct leaf_rows *leaf = &builder->leaves[i];
        builder->levels[i] =
            (struct lx_parquet_levels){&leaf->values, leaf->definition.data, leaf->repetition.data,
                                       (int64_t)leaf->definition.len};
    }
    return builder->levels;
}

/* -- reading: levels to JSON --------------------------------------------------------------- */

/* A leaf's rows of one batch, and how far they are used up. */
struct cursor {
    struct lx_parquet_levels levels;
    int64_t at, value;
    uint8_t max_definition;
};

/* A leaf that is required within its struct comes flat: as rows with NULLs, without levels. */
static bool is_flat(const struct cursor *cursor)
{
    return cursor->levels.definition == NULL;
}

static uint8_t definition_of(const struct cursor *cursor)
{
    if (!is_flat(cursor))
        return cursor->levels.definition[cursor->at];
    return (uint8_t)(cursor->max_definition - lx_column_is_null(cursor->levels.values, cursor->at));
}

struct assembly {
    struct tree tree;
    uint32_t *wanted;       /* leaves that are scanned */
    size_t wanted_count;    /* … */
    struct cursor *cursors; /* one a leaf of the schema; those of others are empty */
    struct lx_err *err;
};

static bool readable(const struct lx_parquet_leaf *leaf)
{
    enum lx_parquet_physical physical = leaf->field->physical;
    /* Without a level there is no struct that could be NULL: no action's member. */
    return leaf->max_definition >= 1 &&
           (physical == LX_PARQUET_BOOLEAN || physical == LX_PARQUET_INT32 ||
            physical == LX_PARQUET_INT64 || physical == LX_PARQUET_BYTE_ARRAY);
}

/* Marks what is passed over; false: all of it. */
static bool mark(struct assembly *assembly, size_t i)
{
    struct tree *tree = &assembly->tree;
    struct node *node = &tree->nodes[i];
    bool any = false;
    if (node->kind == NODE_LEAF)
        any = readable(&tree->schema->leaves[node->leaf]);
    else if (node->kind != NODE_OTHER &&
             !lx_str_ends(lx_str_of(field_of(tree, i)->name), LX_STR("_parsed")))
        for (size_t child = i + 1; child < node->end; child = tree->nodes[child].end)
            any = mark(assembly, child) || any;
    /* A map without its keys, or a list without its elements, is none. */
    if (node->kind == NODE_MAP && (tree->nodes[i + 2].skip || tree->nodes[i + 3].skip))
        any = false;
    node->skip = !any;
    return any;
}

/* Leaves that are read below the node, those first that tell whether it is there. */
static void list_wanted(struct assembly *assembly, size_t i)
{
    const struct tree *tree = &assembly->tree;
    const struct node *node = &tree->nodes[i];
    if (node->skip)
        return;
    if (node->kind == NODE_LEAF)
        assembly->wanted[assembly->wanted_count++] = node->leaf;
    for (size_t child = i + 1; child < node->end; child = tree->nodes[child].end)
        list_wanted(assembly, child);
}

static enum lx_status torn(const struct assembly *assembly, size_t i)
{
    return lx_err_set(assembly->err, LX_E_FORMAT, "column \"%s\": its levels are no rows",
                      field_of(&assembly->tree, i)->name);
}

/* The cursor of the first leaf that is read below the node. */
static struct cursor *probe(struct assembly *assembly, size_t i)
{
    const struct tree *tree = &assembly->tree;
    while (tree->nodes[i].kind != NODE_LEAF) {
        size_t child = i + 1;
        while (tree->nodes[child].skip)
            child = tree->nodes[child].end;
        i = child;
    }
    return &assembly->cursors[tree->nodes[i].leaf];
}

/* One level of every leaf below, none of which has a value. */
static enum lx_status pass(struct assembly *assembly, size_t i)
{
    const struct tree *tree = &assembly->tree;
    const struct node *node = &tree->nodes[i];
    if (node->skip)
        return LX_OK;
    if (node->kind == NODE_LEAF) {
        struct cursor *cursor = &assembly->cursors[node->leaf];
        if (cursor->at >= cursor->levels.count || definition_of(cursor) >= cursor->max_definition)
            return torn(assembly, i);
        cursor->at++;
        return LX_OK;
    }
    for (size_t child = i + 1; child < node->end; child = tree->nodes[child].end)
        LX_TRY(pass(assembly, child));
    return LX_OK;
}

static enum lx_status take_leaf(struct assembly *assembly, size_t i, json_t **json)
{
    const struct node *node = &assembly->tree.nodes[i];
    struct cursor *cursor = &assembly->cursors[node->leaf];
    int64_t at = is_flat(cursor) ? cursor->at : cursor->value;
    if (at >= cursor->levels.values->rows)
        return torn(assembly, i);
    struct lx_str value = lx_column_value(cursor->levels.values, at);
    int32_t narrow;
    int64_t wide;
    cursor->value++;
    cursor->at++;
    switch (field_of(&assembly->tree, i)->physical) {
    case LX_PARQUET_BOOLEAN: *json = json_boolean(value.ptr[0] != 0); break;
    case LX_PARQUET_INT32:
        memcpy(&narrow, value.ptr, sizeof narrow);
        *json = json_integer(narrow);
        break;
    case LX_PARQUET_INT64:
        memcpy(&wide, value.ptr, sizeof wide);
        *json = json_integer(wide);
        break;
    default:
        if (value.len > LX_LEDGER_MAX_LINE_BYTES ||
            lx_utf8_valid_prefix((const uint8_t *)value.ptr, value.len) < value.len ||
            (value.len > 0 && memchr(value.ptr, 0, value.len) != NULL))
            return lx_err_set(assembly->err, LX_E_FORMAT, "column \"%s\": a text that is no text",
                              field_of(&assembly->tree, i)->name);
        *json = json_stringn_nocheck(value.ptr, value.len);
        break;
    }
    return *json != NULL ? LX_OK : lx_err_memory(assembly->err);
}

static enum lx_status take(struct assembly *assembly, size_t i, json_t **json);

static enum lx_status take_struct(struct assembly *assembly, size_t i, json_t *object)
{
    const struct tree *tree = &assembly->tree;
    for (size_t child = i + 1; child < tree->nodes[i].end; child = tree->nodes[child].end) {
        json_t *value;
        LX_TRY(take(assembly, child, &value));
        if (value != NULL && !lx_ledger_json_put(object, field_of(tree, child)->name, value))
            return lx_err_memory(assembly->err);
    }
    return LX_OK;
}

static enum lx_status take_pair(struct assembly *assembly, size_t map, json_t *object)
{
    json_t *key, *value;
    LX_TRY(take(assembly, map + 2, &key));
    enum lx_status status = take(assembly, map + 3, &value);
    if (status == LX_OK && !json_is_string(key)) {
        json_decref(value);
        status = torn(assembly, map);
    }
    if (status == LX_OK && value == NULL)
        value = json_null();
    if (status == LX_OK && !lx_ledger_json_put(object, json_string_value(key), value))
        status = lx_err_memory(assembly->err);
    json_decref(key);
    return status;
}

/* One element, appended to an array. */
static enum lx_status take_element(struct assembly *assembly, size_t list, json_t *array)
{
    json_t *value;
    LX_TRY(take(assembly, element_of(&assembly->tree, list), &value));
    if (json_array_append_new(array, value != NULL ? value : json_null()) != 0)
        return lx_err_memory(assembly->err);
    return LX_OK;
}

/* Elements or pairs up to the next one of something above. */
static enum lx_status take_repeated(struct assembly *assembly, size_t i, json_t *into)
{
    const struct node *inner = &assembly->tree.nodes[i + 1];
    const struct cursor *cursor = probe(assembly, i);
    if (definition_of(cursor) < inner->definition)
        return pass(assembly, i);
    do {
        if (assembly->tree.nodes[i].kind == NODE_MAP)
            LX_TRY(take_pair(assembly, i, into));
        else
            LX_TRY(take_element(assembly, i, into));
    } while (cursor->at < cursor->levels.count &&
             cursor->levels.repetition[cursor->at] == inner->repetition);
    return LX_OK;
}

/* The value at the cursors; NULL: there is none. */
static enum lx_status take(struct assembly *assembly, size_t i, json_t **json)
{
    const struct node *node = &assembly->tree.nodes[i];
    *json = NULL;
    if (node->skip)
        return LX_OK;
    const struct cursor *cursor = probe(assembly, i);
    if (cursor->at >= cursor->levels.count)
        return torn(assembly, i);
    if (definition_of(cursor) < node->definition)
        return pass(assembly, i);
    if (node->kind == NODE_LEAF)
        return take_leaf(assembly, i, json);
    json_t *made = node->kind == NODE_LIST ? json_array() : json_object();
    if (made == NULL)
        return lx_err_memory(assembly->err);
    enum lx_status status = node->kind == NODE_STRUCT ? take_struct(assembly, i, made)
                                                      : take_repeated(assembly, i, made);
    if (status == LX_OK)
        *json = made;
    else
        json_decref(made);
    return status;
}

static enum lx_status take_row(struct assembly *assembly, int64_t row, lx_rows_each each,
                               void *context)
{
    const struct tree *tree = &assembly->tree;
    json_t *action = json_object();
    if (action == NULL)
        return lx_err_memory(assembly->err);
    enum lx_status status = LX_OK;
    for (size_t i = 0; status == LX_OK && i < tree->schema->field_count; i = tree->nodes[i].end) {
        json_t *value;
        status = take(assembly, i, &value);
        if (status == LX_OK && value != NULL &&
            !lx_ledger_json_put(action, field_of(tree, i)->name, value))
            status = lx_err_memory(assembly->err);
    }
    if (status == LX_OK)
        status = each(context, row, action, assembly->err);
    json_decref(action);
    return status;
}

static enum lx_status check_used_up(const struct assembly *assembly)
{
    for (size_t i = 0; i < assembly->wanted_count; i++) {
        const struct cursor *cursor = &assembly->cursors[assembly->wanted[i]];
        if (cursor->at != cursor->levels.count ||
            (!is_flat(cursor) && cursor->value != cursor->levels.values->rows))
            return lx_err_set(assembly->err, LX_E_FORMAT, "column \"%s\": its levels are no rows",
                              assembly->tree.schema->leaves[assembly->wanted[i]].path);
    }
    return LX_OK;
}

static enum lx_status scan_rows(struct assembly *assembly, struct lx_parquet_scan *scan,
                                const struct lx_column **columns, lx_rows_each each, void *context)
{
    const struct lx_parquet_leaf *leaves = assembly->tree.schema->leaves;
    for (;;) {
        int64_t rows;
        LX_TRY(lx_parquet_scan_next(scan, BATCH_ROWS, columns, &rows, assembly->err));
        if (rows == 0)
            return LX_OK;
        for (size_t i = 0; i < assembly->wanted_count; i++) {
            struct cursor *cursor = &assembly->cursors[assembly->wanted[i]];
            *cursor = (struct cursor){.max_definition = leaves[assembly->wanted[i]].max_definition};
            lx_parquet_scan_levels(scan, i, &cursor->levels);
        }
        int64_t first = lx_parquet_scan_first_row(scan);
        for (int64_t row = 0; row < rows; row++)
            LX_TRY(take_row(assembly, first + row, each, context));
        LX_TRY(check_used_up(assembly));
    }
}

static bool is_kind(const char *const *kinds, const char *name)
{
    while (*kinds != NULL && strcmp(*kinds, name) != 0)
        kinds++;
    return *kinds != NULL;
}

enum lx_status lx_rows_read(const struct lx_parquet_reader *reader, const char *const *kinds,
                            lx_rows_each each, void *context, struct lx_err *err)
{
    const struct lx_parquet_schema *schema = &lx_parquet_reader_metadata(reader)->schema;
    struct assembly assembly = {.err = err};
    struct lx_parquet_scan *scan = NULL;
    LX_TRY(tree_of(schema, &assembly.tree, err));
    size_t leaves = schema->leaf_count + 1;
    const struct lx_column **columns = lx_calloc(leaves, sizeof(*columns));
    assembly.wanted = lx_calloc(leaves, sizeof *assembly.wanted);
    assembly.cursors = lx_calloc(leaves, sizeof *assembly.cursors);
    enum lx_status status = LX_OK;
    if (columns == NULL || assembly.wanted == NULL || assembly.cursors == NULL)
        status = lx_err_memory(err);
    for (size_t i = 0; status == LX_OK && i < schema->field_count; i = assembly.tree.nodes[i].end) {
        struct node *node = &assembly.tree.nodes[i];
        if (is_kind(kinds, schema->fields[i].name) && node->kind == NODE_STRUCT &&
            schema->fields[i].repetition == LX_PARQUET_OPTIONAL)
            mark(&assembly, i);
        else
            node->skip = true;
        list_wanted(&assembly, i);
    }
    if (status == LX_OK && assembly.wanted_count == 0)
        status = lx_err_set(err, LX_E_FORMAT, "no column of actions");
    if (status == LX_OK) {
        const struct lx_parquet_scan_options options = {.leaves = assembly.wanted,
                                                        .leaf_count = assembly.wanted_count};
        status = lx_parquet_reader_scan(reader, &options, &scan, err);
    }
    if (status == LX_OK)
        status = scan_rows(&assembly, scan, columns, each, context);
    lx_parquet_scan_free(scan);
    lx_free(assembly.wanted);
    lx_free(assembly.cursors);
    lx_free(columns);
    lx_free(assembly.tree.nodes);
    return status;
}
