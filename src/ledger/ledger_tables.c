/* Taking a version into the state: prepare, apply. */
#include "base/alloc.h"
#include "ledger/ledger_names.h"
#include "ledger/ledger_replay.h"

#include <assert.h>
#include <inttypes.h>

/* Is this segment, found by its id, one of the domain's? Ids point into their domains' arrays. */
static bool is_of(const struct lx_segment *segment, const struct lx_domain *domain)
{
    return domain != NULL && segment >= domain->segments &&
           segment < domain->segments + domain->segment_count;
}

static struct lx_domain *domain_named(const struct lx_tables *tables, const char *name)
{
    return lx_ledger_map_get(&tables->domains, lx_str_of(name));
}

/* -- checks -------------------------------------------------------------------------------- */

static enum lx_status twice(const struct lx_version *version, const char *what, const char *name,
                            struct lx_err *err)
{
    return lx_err_set(err, LX_E_FORMAT,
                      "version %" PRId64 " holds two actions for %s \"%s\": readers would disagree",
                      version->number, what, name);
}

/* One action a path, domain and application in one version, as the protocol demands. */
static enum lx_status check_twice(const struct lx_version *version, struct lx_err *err)
{
    struct lx_ledger_map seen = {0};
    enum lx_status status = LX_OK;
    size_t total = version->files.count + version->removed.count + version->txns.count;
    if (lx_ledger_map_reserve(&seen, total) != LX_OK)
        return lx_err_memory(err);
    for (size_t i = 0; status == LX_OK && i < version->files.count; i++) {
        struct lx_file_node *node = version->files.items[i];
        if (lx_ledger_map_put(&seen, lx_str_of(node->file.path), node) != NULL)
            status = twice(version, "file", node->file.path, err);
    }
    for (size_t i = 0; status == LX_OK && i < version->removed.count; i++) {
        struct lx_removed_node *node = version->removed.items[i];
        if (lx_ledger_map_put(&seen, lx_str_of(node->path), node) != NULL)
            status = twice(version, "file", node->path, err);
    }
    lx_ledger_map_free(&seen);
    if (status == LX_OK && lx_ledger_map_reserve(&seen, version->domains.count) != LX_OK)
        status = lx_err_memory(err);
    for (size_t i = 0; status == LX_OK && i < version->domains.count; i++) {
        struct lx_domain *domain = version->domains.items[i];
        if (lx_ledger_map_put(&seen, lx_str_of(domain->name), domain) != NULL)
            status = twice(version, "domain", domain->name, err);
    }
    lx_ledger_map_free(&seen);
    return status;
}

/* Does the version write the domain anew that holds this live segment? */
static bool is_replaced(const struct lx_tables *tables, const struct lx_version *version,
                        const struct lx_segment *held)
{
    for (size_t i = 0; i < version->domains.count; i++) {
        const struct lx_domain *domain = version->domains.items[i];
        if (domain->kind == LX_DOMAIN_HOT && is_of(held, domain_named(tables, domain->name)))
            return true;
    }
    return false;
}

/* Fills `seen`: id -> live segment of this version. One id must not be live twice: its rows would
 * count twice. */
static enum lx_status check_segments(const struct lx_tables *tables,
                                     const struct lx_version *version, struct lx_ledger_map *seen,
                                     struct lx_err *err)
{
    for (size_t i = 0; i < version->domains.count; i++) {
        struct lx_domain *domain = version->domains.items[i];
        if (domain->kind != LX_DOMAIN_HOT)
            continue;
        const struct lx_domain *old = domain_named(tables, domain->name);
        if (lx_ledger_map_reserve(seen, domain->segment_count) != LX_OK)
            return lx_err_memory(err);
        for (size_t j = 0; j < domain->segment_count; j++) {
            struct lx_segment *segment = &domain->segments[j];
            struct lx_str id = lx_str_of(segment->id);
            const struct lx_segment *held = lx_ledger_map_get(&tables->live, id);
            bool may = held == NULL || is_of(held, old) || is_replaced(tables, version, held);
            if (lx_ledger_map_put(seen, id, segment) != NULL || !may)
                return lx_err_set(err, LX_E_FORMAT, "segment %s is live twice in version %" PRId64,
                                  segment->id, version->number);
        }
    }
    return LX_OK;
}

/* -- history ------------------------------------------------------------------------------- */

static void free_text(void *text)
{
    lx_free(text);
}

void lx_history_free(struct lx_history *history)
{
    if (history == NULL)
        return;
    for (size_t i = 0; i < history->added_count; i++) {
        lx_free(history->added[i].source);
        lx_free(history->added[i].partition);
    }
    lx_free(history->added);
    lx_free(history->ended);
    lx_ptrs_free(&history->added_paths, free_text);
    lx_ptrs_free(&history->removed_paths, free_text);
    lx_free(history);
}

static enum lx_status push_text(struct lx_ptrs *ptrs, const char *text)
{
    char *copy = lx_strdup(text);
    enum lx_status status = copy != NULL ? lx_ptrs_push(ptrs, copy) : LX_E_MEMORY;
    if (status != LX_OK)
        lx_free(copy);
    return status;
}

static enum lx_status note_added(struct lx_history *history, const struct lx_segment *segment)
{
    struct lx_touched *touched = &history->added[history->added_count];
    memcpy(touched->id, segment->id, LX_LEDGER_ID);
    touched->min_block = segment->min_block;
    touched->max_block = segment->max_block;
    touched->source = lx_strdup(segment->source);
    touched->partition = lx_strdup(segment->partition);
    history->added_count++; /* frees them, whether they were had or not */
    return touched->source != NULL && touched->partition != NULL ? LX_OK : LX_E_MEMORY;
}

/* A domain is written whole: what is new in it was added, what is missing ended. */
static enum lx_status note_domain(const struct lx_tables *tables, const struct lx_domain *domain,
                                  const struct lx_ledger_map *seen, struct lx_history *history)
{
    const struct lx_domain *old = domain_named(tables, domain->name);
    size_t old_count = old != NULL ? old->segment_count : 0;
    struct lx_touched *added =
        lx_realloc(history->added,
                   (history->added_count + domain->segment_count + 1) * sizeof *history->added);
    if (added == NULL)
        return LX_E_MEMORY;
    history->added = added;
    char(*ended)[LX_LEDGER_ID] =
        lx_realloc(history->ended, (history->ended_count + old_count + 1) * sizeof *ended);
    if (ended == NULL)
        return LX_E_MEMORY;
    history->ended = ended;
    for (size_t i = 0; i < domain->segment_count; i++) {
        const struct lx_segment *segment = &domain->segments[i];
        if (lx_ledger_map_get(&tables->live, lx_str_of(segment->id)) == NULL)
            LX_TRY(note_added(history, segment));
    }
    for (size_t i = 0; i < old_count; i++) {
        const char *id = old->segments[i].id;
        if (lx_ledger_map_get(seen, lx_str_of(id)) == NULL)
            memcpy(history->ended[history->ended_count++], id, LX_LEDGER_ID);
    }
    return LX_OK;
}

static enum lx_status note_all(const struct lx_tables *tables, const struct lx_version *version,
                               const struct lx_ledger_map *seen, struct lx_history *history)
{
    for (size_t i = 0; i < version->domains.count; i++) {
        const struct lx_domain *domain = version->domains.items[i];
        if (domain->kind == LX_DOMAIN_HOT)
            LX_TRY(note_domain(tables, domain, seen, history));
        else if (domain->kind == LX_DOMAIN_TABLE)
            history->table = true;
    }
    for (size_t i = 0; i < version->files.count; i++) {
        const struct lx_file_node *node = version->files.items[i];
        LX_TRY(push_text(&history->added_paths, node->file.path));
    }
    for (size_t i = 0; i < version->removed.count; i++) {
        const struct lx_removed_node *node = version->removed.items[i];
        LX_TRY(push_text(&history->removed_paths, node->path));
    }
    return LX_OK;
}

static enum lx_status make_history(const struct lx_tables *tables, struct lx_version *version,
                                   const struct lx_ledger_map *seen, struct lx_err *err)
{
    struct lx_history *history = lx_calloc(1, sizeof *history);
    if (history == NULL)
        return lx_err_memory(err);
    history->version = version->number;
    history->metadata = version->metadata != NULL;
    if (note_all(tables, version, seen, history) != LX_OK) {
        lx_history_free(history);
        return lx_err_memory(err);
    }
    lx_history_free(version->history);
    version->history = history;
    return LX_OK;
}

/* -- prepare, apply ------------------------------------------------------------------------ */

static enum lx_status reserve(struct lx_tables *tables, const struct lx_version *version)
{
    size_t live = 0, ended = 0;
    for (size_t i = 0; i < version->domains.count; i++) {
        const struct lx_domain *domain = version->domains.items[i];
        if (domain->kind == LX_DOMAIN_HOT)
            live += domain->segment_count;
        else if (domain->kind == LX_DOMAIN_ENDED)
            ended += domain->segment_count;
    }
    LX_TRY(lx_ledger_map_reserve(&tables->live, live));
    LX_TRY(lx_ledger_map_reserve(&tables->ended, ended));
    LX_TRY(lx_ledger_map_reserve(&tables->files, version->files.count));
    LX_TRY(lx_ledger_map_reserve(&tables->removed, version->removed.count));
    LX_TRY(lx_ledger_map_reserve(&tables->domains, version->domains.count));
    LX_TRY(lx_ledger_map_reserve(&tables->txns, version->txns.count));
    return lx_ptrs_reserve(&tables->fresh, version->files.count);
}

enum lx_status lx_tables_prepare(struct lx_tables *tables, struct lx_version *version, bool history,
                                 struct lx_err *err)
{
    assert(version->number == tables->version + 1);
    if (tables->version < 0 && (version->protocol == NULL || version->metadata == NULL))
        return lx_err_set(err, LX_E_FORMAT, "version 0 of the log lacks its %s action",
                          version->protocol == NULL ? "protocol" : "metaData");
    LX_TRY(check_twice(version, err));
    struct lx_ledger_map seen = {0};
    enum lx_status status = check_segments(tables, version, &seen, err);
    if (status == LX_OK && history)
        status = make_history(tables, version, &seen, err);
    lx_ledger_map_free(&seen);
    if (status == LX_OK && reserve(tables, version) != LX_OK)
        status = lx_err_memory(err);
    return status;
}

static void unlist(struct lx_tables *tables, struct lx_file_node *node)
{
    if (node == NULL)
        return;
    node->dead = true;
    node->next = tables->dead;
    tables->dead = node;
}

static void apply_files(struct lx_tables *tables, struct lx_version *version)
{
    for (size_t i = 0; i < version->removed.count; i++) {
        struct lx_removed_node *node = version->removed.items[i];
        struct lx_str path = lx_str_of(node->path);
        unlist(tables, lx_ledger_map_remove(&tables->files, path));
        lx_removed_node_free(lx_ledger_map_put(&tables->removed, path, node));
    }
    version->removed.count = 0;
    for (size_t i = 0; i < version->files.count; i++) {
        struct lx_file_node *node = version->files.items[i];
        unlist(tables, lx_ledger_map_put(&tables->files, lx_str_of(node->file.path), node));
        assert(tables->fresh.count < tables->fresh.capacity);
        tables->fresh.items[tables->fresh.count++] = node;
    }
    version->files.count = 0;
}

static struct lx_ledger_map *index_of(struct lx_tables *tables, const struct lx_domain *domain)
{
    if (domain->kind == LX_DOMAIN_HOT)
        return &tables->live;
    return domain->kind == LX_DOMAIN_ENDED ? &tables->ended : NULL;
}

static void forget_ids(struct lx_tables *tables, const struct lx_domain *domain)
{
    struct lx_ledger_map *index = index_of(tables, domain);
    for (size_t i = 0; i < domain->segment_count; i++) {
        struct lx_str id = lx_str_of(domain->segments[i].id);
        if (is_of(lx_ledger_map_get(index, id), domain))
            lx_ledger_map_remove(index, id);
    }
}

/* First all old ids out, then the new ones in: a segment may move from one domain to another. */
static void apply_domains(struct lx_tables *tables, struct lx_version *version)
{
    tables->domains_changed = tables->domains_changed || version->domains.count > 0;
    for (size_t i = 0; i < version->domains.count; i++) {
        const struct lx_domain *domain = version->domains.items[i];
        const struct lx_domain *old = domain_named(tables, domain->name);
        if (old != NULL)
            forget_ids(tables, old);
    }
    for (size_t i = 0; i < version->domains.count; i++) {
        struct lx_domain *domain = version->domains.items[i];
        struct lx_ledger_map *index = index_of(tables, domain);
        struct lx_str name = lx_str_of(domain->name);
        if (domain->removed) {
            lx_domain_free(lx_ledger_map_remove(&tables->domains, name));
            lx_domain_free(domain);
            continue;
        }
        lx_domain_free(lx_ledger_map_put(&tables->domains, name, domain));
        for (size_t j = 0; j < domain->segment_count; j++)
            lx_ledger_map_put(index, lx_str_of(domain->segments[j].id), &domain->segments[j]);
    }
    version->domains.count = 0;
}

void lx_tables_apply(struct lx_tables *tables, struct lx_version *version)
{
    assert(version->number == tables->version + 1);
    apply_files(tables, version);
    apply_domains(tables, version);
    for (size_t i = 0; i < version->txns.count; i++) {
        struct lx_txn_node *node = version->txns.items[i];
        lx_txn_node_free(lx_ledger_map_put(&tables->txns, lx_str_of(node->app_id), node));
    }
    version->txns.count = 0;
    if (version->protocol != NULL) {
        json_decref(tables->protocol);
        tables->protocol = version->protocol;
        version->protocol = NULL;
    }
    if (version->metadata != NULL) {
        json_decref(tables->metadata);
        tables->metadata = version->metadata;
        version->metadata = NULL;
    }
    tables->version = version->number;
}

/* -- freeing ------------------------------------------------------------------------------- */

void lx_tables_free_dead(struct lx_tables *tables)
{
    while (tables->dead != NULL) {
        struct lx_file_node *node = tables->dead;
        tables->dead = node->next;
        lx_file_node_free(node);
    }
}

static void free_domain(void *domain)
{
    lx_domain_free(domain);
}

static void free_values(struct lx_ledger_map *map, void (*free_value)(void *value))
{
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->slots[i].value != NULL)
            free_value(map->slots[i].value);
    }
    lx_ledger_map_free(map);
}

void lx_tables_free(struct lx_tables *tables)
{
    lx_tables_free_dead(tables);
    free_values(&tables->files, lx_file_node_free);
    free_values(&tables->removed, lx_removed_node_free);
    free_values(&tables->domains, free_domain);
    free_values(&tables->txns, lx_txn_node_free);
    lx_ledger_map_free(&tables->live);
    lx_ledger_map_free(&tables->ended);
    lx_ptrs_free(&tables->fresh, NULL);
    json_decref(tables->protocol);
    json_decref(tables->metadata);
}
