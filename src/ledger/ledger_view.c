/* The public state: sorted arrays over the tables. They are changed in place, with memory that was
 * reserved before the version was applied, so that nothing can fail half-way. A refresh that brings
 * few files costs one pass over the array, not a new sort of all. */
#include "base/alloc.h"
#include "ledger/ledger_private.h"

#include <assert.h>
#include <stdlib.h>

#define GONE (-2) /* in `version` of an array's element: not listed any more */

static enum lx_status grow(void **array, size_t *capacity, size_t need, size_t item_size)
{
    if (need <= *capacity)
        return LX_OK;
    size_t wanted = *capacity + *capacity / 4 > need ? *capacity + *capacity / 4 : need;
    if (wanted > SIZE_MAX / item_size)
        return LX_E_MEMORY;
    void *grown = lx_realloc(*array, wanted * item_size);
    if (grown == NULL)
        return LX_E_MEMORY;
    *array = grown;
    *capacity = wanted;
    return LX_OK;
}

static enum lx_status grow_segments(struct lx_segment **array, size_t *capacity, size_t need)
{
    void *memory = *array;
    LX_TRY(grow(&memory, capacity, need, sizeof **array));
    *array = memory;
    return LX_OK;
}

enum lx_status lx_ledger_view_reserve(struct lx_ledger *ledger, const struct lx_version *version)
{
    struct lx_ledger_state *state = &ledger->state;
    const struct lx_tables *tables = &ledger->tables;
    size_t live = tables->live.count, ended = tables->ended.count;
    for (size_t i = 0; i < version->domains.count; i++) {
        const struct lx_domain *domain = version->domains.items[i];
        live += domain->kind == LX_DOMAIN_HOT ? domain->segment_count : 0;
        ended += domain->kind == LX_DOMAIN_ENDED ? domain->segment_count : 0;
    }
    LX_TRY(grow_segments(&state->live, &ledger->live_capacity, live));
    LX_TRY(grow_segments(&state->ended, &ledger->ended_capacity, ended));
    LX_TRY(lx_ptrs_reserve(&ledger->order, tables->domains.count + version->domains.count));
    /* Nothing is taken out before what is new is put in: both must fit. */
    size_t files = state->file_count + tables->fresh.count + version->files.count;
    void *memory = state->files;
    LX_TRY(grow(&memory, &ledger->files_capacity, files, sizeof *state->files));
    state->files = memory;
    return LX_OK;
}

/* Index of the first file whose path is not less. */
static size_t lower_bound(const struct lx_ledger_state *state, size_t count, const char *path)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(state->files[middle].path, path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void drop_dead_files(struct lx_ledger *ledger)
{
    struct lx_ledger_state *state = &ledger->state;
    bool any = false;
    for (const struct lx_file_node *node = ledger->tables.dead; node != NULL; node = node->next) {
        size_t at = lower_bound(state, state->file_count, node->file.path);
        /* The same memory, not only the same text: the path may be listed anew. */
        if (at < state->file_count && state->files[at].path == node->file.path) {
            state->files[at].version = GONE;
            any = true;
        }
    }
    size_t kept = 0;
    for (size_t i = 0; any && i < state->file_count; i++) {
        if (state->files[i].version != GONE)
            state->files[kept++] = state->files[i];
    }
    if (any)
        state->file_count = kept;
}

static int compare_nodes(const void *a, const void *b)
{
    const struct lx_file_node *const *left = a, *const *right = b;
    return strcmp((*left)->file.path, (*right)->file.path);
}

/* Merges from the back, so that each file moves once at most. */
static void merge_fresh_files(struct lx_ledger *ledger)
{
    struct lx_ledger_state *state = &ledger->state;
    struct lx_ptrs *fresh = &ledger->tables.fresh;
    size_t count = 0;
    for (size_t i = 0; i < fresh->count; i++) {
        struct lx_file_node *node = fresh->items[i];
        if (!node->dead)
            fresh->items[count++] = node;
    }
    fresh->count = 0;
    if (count == 0)
        return;
    assert(state->file_count + count <= ledger->files_capacity);
    qsort(fresh->items, count, sizeof *fresh->items, compare_nodes);
    size_t left = state->file_count;
    for (size_t i = count; i > 0; i--) {
        const struct lx_file_node *node = fresh->items[i - 1];
        size_t at = lower_bound(state, left, node->file.path);
        memmove(&state->files[at + i], &state->files[at], (left - at) * sizeof *state->files);
        state->files[at + i - 1] = node->file;
        left = at;
    }
    state->file_count += count;
}

static int compare_domains(const void *a, const void *b)
{
    const struct lx_domain *left = *(const struct lx_domain *const *)a;
    const struct lx_domain *right = *(const struct lx_domain *const *)b;
    int order = strcmp(left->source, right->source);
    if (order != 0 || left->partition == NULL || right->partition == NULL)
        return order;
    return strcmp(left->partition, right->partition);
}

/* All segments of the domains of one kind, in order. */
static size_t gather(struct lx_ledger *ledger, enum lx_domain_kind kind, struct lx_segment *out,
                     size_t capacity)
{
    const struct lx_ledger_map *domains = &ledger->tables.domains;
    struct lx_ptrs *order = &ledger->order;
    size_t count = 0, total = 0;
    for (size_t i = 0; i < domains->capacity; i++) {
        struct lx_domain *domain = domains->slots[i].value;
        if (domain != NULL && domain->kind == kind) {
            assert(count < order->capacity);
            order->items[count++] = domain;
        }
    }
    if (count > 1)
        qsort(order->items, count, sizeof *order->items, compare_domains);
    for (size_t i = 0; i < count; i++) {
        const struct lx_domain *domain = order->items[i];
        if (domain->segment_count == 0)
            continue;
        assert(total + domain->segment_count <= capacity);
        memcpy(&out[total], domain->segments, domain->segment_count * sizeof *out);
        total += domain->segment_count;
    }
    return total;
}

static void update_metadata(struct lx_ledger *ledger)
{
    struct lx_ledger_state *state = &ledger->state;
    const json_t *metadata = ledger->tables.metadata;
    const struct lx_domain *table =
        lx_ledger_map_get(&ledger->tables.domains, LX_STR("lynex.table"));
    state->table_id = json_string_value(json_object_get(metadata, "id"));
    state->schema_string = json_string_value(json_object_get(metadata, "schemaString"));
    state->configuration = json_object_get(metadata, "configuration");
    state->table = table != NULL ? table->json : NULL;
}

void lx_ledger_view_update(struct lx_ledger *ledger)
{
    struct lx_ledger_state *state = &ledger->state;
    struct lx_tables *tables = &ledger->tables;
    drop_dead_files(ledger);
    merge_fresh_files(ledger);
    lx_tables_free_dead(tables);
    if (tables->domains_changed) {
        state->live_count = gather(ledger, LX_DOMAIN_HOT, state->live, ledger->live_capacity);
        state->ended_count = gather(ledger, LX_DOMAIN_ENDED, state->ended, ledger->ended_capacity);
        tables->domains_changed = false;
    }
    update_metadata(ledger);
    state->version = tables->version;
    assert(state->file_count == tables->files.count);
    assert(state->live_count == tables->live.count);
}

void lx_ledger_view_free(struct lx_ledger *ledger)
{
    lx_free(ledger->state.files);
    lx_free(ledger->state.live);
    lx_free(ledger->state.ended);
    lx_ptrs_free(&ledger->order, NULL);
}
