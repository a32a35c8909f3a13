#include "archive/vacuum.h"

#include "archive/run.h"

#include "archive/vacuum_rows.h"
#include "base/alloc.h"
#include "base/mutant.h"

#include <stdio.h>
#include <stdlib.h>

#define HASHES_FOLDER "_lynex/hashes/"
#define QUARANTINE_FOLDER "_quarantine/"

const char *lx_vacuum_kind_text(enum lx_vacuum_kind kind)
{
    static const char *const texts[] = {"file",    "reservation", "hashes",    "fenced",
                                        "removed", "quarantine",  "unfinished"};
    return texts[kind];
}

const char *lx_vacuum_fate_text(enum lx_vacuum_fate fate)
{
    static const char *const texts[] = {"take", "young", "rows", "unread", "not asked"};
    return texts[fate];
}

void lx_vacuum_report_free(struct lx_vacuum_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        lx_free(report->items[i].path);
        lx_free(report->items[i].note);
    }
    lx_free(report->items);
    *report = (struct lx_vacuum_report){0};
}

/* -- names --------------------------------------------------------------------------------- */

static size_t digits(const char *text)
{
    size_t n = 0;
    while (text[n] >= '0' && text[n] <= '9')
        n++;
    return n;
}

/* "20260131_235959", then "_7" or nothing, then ".parquet" and the end. */
static bool is_stamp(const char *text)
{
    if (digits(text) != 8 || text[8] != '_' || digits(text + 9) != 6)
        return false;
    text += 15;
    if (*text == '_' && digits(text + 1) > 0)
        text += 1 + digits(text + 1);
    return strcmp(text, ".parquet") == 0;
}

/* Names that lynex makes, and no other: what people put beside them is theirs. */
static bool is_data_name(const char *key, const char *prefix, const char *word)
{
    size_t length = strlen(prefix);
    if (strncmp(key, prefix, length) != 0 || key[length] != '/')
        return false;
    const char *month = key + length + 1;
    if (digits(month) != 4 || month[4] != '-' || digits(month + 5) != 2 || month[7] != '/' ||
        strchr(month + 8, '/') != NULL)
        return false;
    const char *name = month + 8;
    if (word != NULL) /* the table's, as names of its files have it */
        return strncmp(name, word, strlen(word)) == 0 && name[strlen(word)] == '_' &&
               is_stamp(name + strlen(word) + 1);
    for (const char *at = strchr(name, '_'); at != NULL; at = strchr(at + 1, '_'))
        if (is_stamp(at + 1))
            return true;
    return false;
}

/* Of what lies in the folder of unfinished writes. */
static bool is_tmp_name(const char *key)
{
    size_t folder = strlen(LX_STORE_TMP);
    if (strncmp(key, LX_STORE_TMP, folder) != 0)
        return true;
    return strlen(key) == folder + 16 && strspn(key + folder, "0123456789abcdef") == 16;
}

/* -- what lies there ----------------------------------------------------------------------- */

struct vacuum {
    const struct lx_vacuum_options *o;
    struct lx_vacuum_report *report;
    const char *prefix; /* whose folder is listed now */
    char *word;         /* the table's, in names of files; NULL: not known */
    int64_t now_ms;
    /* Keys that the newest state uses: of listed files, and those that segments name. Sorted. */
    char **used;
    size_t used_count, used_cap;
};

static void forget_used(struct vacuum *v)
{
    for (size_t i = 0; i < v->used_count; i++)
        lx_free(v->used[i]);
    v->used_count = 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum lx_status use(struct vacuum *v, const char *path, struct lx_err *err)
{
    struct lx_buf key = LX_BUF(LX_MAX_NAME * 4);
    if (v->used_count == v->used_cap) {
        size_t cap = v->used_cap != 0 ? v->used_cap * 2 : 256;
        char **grown = lx_realloc(v->used, cap * sizeof *grown);
        if (grown == NULL)
            return lx_err_memory(err);
        v->used = grown;
        v->used_cap = cap;
    }
    enum lx_status status = lx_ledger_path_key(path, &key, err);
    if (status == LX_OK && (v->used[v->used_count] = lx_strdup(lx_buf_cstr(&key))) == NULL)
        status = lx_err_memory(err);
    v->used_count += status == LX_OK;
    lx_buf_free(&key);
    return status;
}

/* All that must stay, as the state has it now. */
static enum lx_status collect_used(struct vacuum *v, const struct lx_ledger_state *state,
                                   struct lx_err *err)
{
    const struct {
        const struct lx_segment *segments;
        size_t count;
    } lists[] = {{state->live, state->live_count}, {state->ended, state->ended_count}};
    forget_used(v);
    for (size_t i = 0; i < state->file_count; i++)
        LX_TRY(use(v, state->files[i].path, err));
    for (size_t list = 0; list < 2; list++)
        for (size_t i = 0; i < lists[list].count; i++)
            for (size_t w = 0; w < lists[list].segments[i].where_count; w++)
                LX_TRY(use(v, lists[list].segments[i].where[w].path, err));
    if (v->used_count > 1)
        qsort(v->used, v->used_count, sizeof *v->used, by_text);
    return LX_OK;
}

static bool is_used(const struct vacuum *v, const char *key)
{
    return v->used_count > 0 &&
           bsearch(&key, v->used, v->used_count, sizeof *v->used, by_text) != NULL;
}

static enum lx_vacuum_kind kind_of(const struct vacuum *v, const char *key,
                                   const struct lx_object *object)
{
    struct lx_removal removal;
    struct lx_str text = lx_str_of(key);
    if (lx_str_starts(text, LX_STR(QUARANTINE_FOLDER)))
        return LX_VACUUM_QUARANTINE;
    if (lx_str_starts(text, LX_STR(LX_STORE_TMP)))
        return LX_VACUUM_UNFINISHED;
    if (lx_ledger_removal(v->o->ledger, key, &removal))
        return removal.listed ? LX_VACUUM_REMOVED : LX_VACUUM_FENCED;
    if (object->size == 0)
        return LX_VACUUM_RESERVATION;
    return lx_str_starts(text, LX_STR(HASHES_FOLDER)) ? LX_VACUUM_HASHES : LX_VACUUM_FILE;
}

/* Since when is it nobody's? What was removed, since then: who reads an older version of the table
 * may be at it. */
static int64_t idle_since(const struct vacuum *v, const struct lx_vacuum_item *item)
{
    struct lx_removal removal;
    int64_t since = item->modified_ms;
    if (item->kind == LX_VACUUM_REMOVED && lx_ledger_removal(v->o->ledger, item->path, &removal) &&
        removal.at_ms > since)
        since = removal.at_ms;
    return since;
}

static enum lx_vacuum_fate fate_of(const struct vacuum *v, const struct lx_vacuum_item *item)
{
    if ((item->kind == LX_VACUUM_REMOVED && !v->o->removed) ||
        (item->kind == LX_VACUUM_QUARANTINE && !v->o->quarantine))
        return LX_VACUUM_NOT_ASKED;
    if (v->now_ms - idle_since(v, item) < v->o->min_age_ms)
        return LX_VACUUM_YOUNG;
    return LX_VACUUM_TAKE;
}

static enum lx_status visit(void *context, const char *key, const struct lx_object *object,
                            struct lx_err *err)
{
    struct vacuum *v = context;
    struct lx_vacuum_report *report = v->report;
    if (lx_cancel_asked(v->o->cancel))
        return lx_err_set(err, LX_E_CANCELLED, "interrupted while the store was listed");
    if (is_used(v, key))
        return LX_OK;
    bool ours = v->prefix == NULL || is_data_name(key, v->prefix, v->word);
    if (!ours || !is_tmp_name(key)) {
        report->strangers++;
        return LX_OK;
    }
    if (report->count >= LX_VACUUM_MAX_OBJECTS) {
        lx_err_set(err, LX_E_LIMIT, "more than %d objects that the log does not list",
                   LX_VACUUM_MAX_OBJECTS);
        lx_err_hint(err, "nothing was deleted; a log that lost versions looks so: lynex ledger "
                         "check");
        return LX_E_LIMIT;
    }
    if (report->count == report->cap) {
        size_t cap = report->cap != 0 ? report->cap * 2 : 64;
        struct lx_vacuum_item *grown = lx_realloc(report->items, cap * sizeof *grown);
        if (grown == NULL)
            return lx_err_memory(err);
        report->items = grown;
        report->cap = cap;
    }
    struct lx_vacuum_item item = {
        .size = object->size, .modified_ms = object->modified_ms, .path = lx_strdup(key)};
    if (item.path == NULL)
        return lx_err_memory(err);
    item.kind = kind_of(v, key, object);
    item.fate = fate_of(v, &item);
    report->items[report->count++] = item;
    return LX_OK;
}

static enum lx_status list_folder(struct vacuum *v, const char *folder, const char *prefix,
                                  struct lx_err *err)
{
    v->prefix = prefix;
    enum lx_status status = lx_store_list(v->o->store, folder, NULL, visit, v, err);
    if (status != LX_OK && status != LX_E_LIMIT && status != LX_E_CANCELLED)
        lx_err_context(err, "listing %s", folder);
    return status;
}

/* The folder of the settings, and the one that the archive began with. */
static enum lx_status list_data(struct vacuum *v, struct lx_err *err)
{
    const char *first =
        json_string_value(json_object_get(lx_ledger_state(v->o->ledger)->table, "prefix"));
    const char *prefixes[] = {v->o->prefix, first};
    char folder[LX_MAX_NAME];
    for (size_t i = 0; i < 2; i++) {
        if (prefixes[i] == NULL || (i > 0 && strcmp(prefixes[i], prefixes[0]) == 0))
            continue;
        snprintf(folder, sizeof folder, "%s/", prefixes[i]);
        LX_TRY(list_folder(v, folder, prefixes[i], err));
    }
    return LX_OK;
}

static enum lx_status list_all(struct vacuum *v, struct lx_err *err)
{
    LX_TRY(list_data(v, err));
    LX_TRY(list_folder(v, HASHES_FOLDER, NULL, err));
    LX_TRY(list_folder(v, LX_STORE_TMP, NULL, err));
    return list_folder(v, QUARANTINE_FOLDER, NULL, err);
}

/* What no version of the log could ever list: nothing needs to be said there of its end. */
static bool needs_no_fence(const struct lx_vacuum_item *item)
{
    return item->kind == LX_VACUUM_QUARANTINE || item->kind == LX_VACUUM_UNFINISHED;
}

/* -- the fence ----------------------------------------------------------------------------- */

struct fence {
    struct vacuum *v;
    size_t first, last; /* of the items */
    const char **paths;
    size_t count;
    json_t *info;
};

/* Against the newest state, each try: what is used by now is not taken any more. */
static enum lx_status build_fence(void *context, const struct lx_ledger_state *state,
                                  struct lx_change *change, struct lx_err *err)
{
    struct fence *fence = context;
    struct vacuum *v = fence->v;
    int64_t bytes = 0;
    fence->count = 0;
    LX_TRY(collect_used(v, state, err));
    for (size_t i = fence->first; i < fence->last; i++) {
        struct lx_vacuum_item *item = &v->report->items[i];
        if (item->fate != LX_VACUUM_TAKE || needs_no_fence(item) || is_used(v, item->path) ||
            lx_ledger_was_removed(v->o->ledger, item->path))
            continue;
        fence->paths[fence->count++] = item->path;
        bytes += item->size;
    }
    if (fence->count == 0)
        return LX_OK;
    json_decref(fence->info);
    fence->info = json_pack("{s:{s:s,s:I,s:I}}", "lynex", "by", v->o->who != NULL ? v->o->who : "",
                            "objects", (json_int_t)fence->count, "bytes", (json_int_t)bytes);
    if (fence->info == NULL)
        return lx_err_memory(err);
    change->operation = "VACUUM";
    change->info = fence->info;
    change->remove_paths = fence->paths;
    change->remove_path_count = fence->count;
    return LX_OK;
}

/* Only behind the fence, and only what the state that follows it does not use. */
static enum lx_status delete_items(struct vacuum *v, size_t first, size_t last, struct lx_err *err)
{
    LX_TRY(collect_used(v, lx_ledger_state(v->o->ledger), err));
    for (size_t i = first; i < last; i++) {
        struct lx_vacuum_item *item = &v->report->items[i];
        bool fenced = needs_no_fence(item) || lx_ledger_was_removed(v->o->ledger, item->path) ||
                      lx_mutant("vacuum-no-fence");
        if (item->fate != LX_VACUUM_TAKE || !fenced || is_used(v, item->path))
            continue;
        if (lx_cancel_asked(v->o->cancel))
            return lx_err_set(err, LX_E_CANCELLED, "interrupted; the next vacuum goes on");
        LX_TRY(lx_store_delete(v->o->store, item->path, err));
        item->deleted = true;
    }
    return LX_OK;
}

static enum lx_status take(struct vacuum *v, size_t first, size_t last, struct lx_err *err)
{
    struct fence fence = {.v = v, .first = first, .last = last};
    fence.paths = lx_calloc(last - first, sizeof(const char *));
    if (fence.paths == NULL)
        return lx_err_memory(err);
    enum lx_status status = LX_OK;
    if (!lx_mutant("vacuum-no-fence"))
        status = lx_ledger_commit_with(v->o->ledger, build_fence, &fence, NULL, err);
    v->report->versions += status == LX_OK && fence.count > 0;
    if (status == LX_OK && lx_mutant("vacuum-stop"))
        status = lx_err_set(err, LX_E_CANCELLED, "stopped behind the fence");
    if (status == LX_OK)
        status = delete_items(v, first, last, err);
    lx_free(fence.paths);
    json_decref(fence.info);
    return status;
}

static enum lx_status take_all(struct vacuum *v, struct lx_err *err)
{
    bool any = false;
    for (size_t i = 0; i < v->report->count; i++)
        any = any || v->report->items[i].fate == LX_VACUUM_TAKE;
    if (!any)
        return LX_OK;
    LX_TRY(lx_ledger_probe(v->o->ledger, err));
    for (size_t first = 0; first < v->report->count; first += LX_VACUUM_FENCE_PATHS) {
        size_t last = first + LX_VACUUM_FENCE_PATHS;
        LX_TRY(take(v, first, last < v->report->count ? last : v->report->count, err));
    }
    return LX_OK;
}

/* -- the whole ----------------------------------------------------------------------------- */

static void count_all(const struct vacuum *v)
{
    struct lx_vacuum_report *report = v->report;
    for (size_t i = 0; i < report->count; i++) {
        const struct lx_vacuum_item *item = &report->items[i];
        bool taken = v->o->write ? item->deleted : item->fate == LX_VACUUM_TAKE;
        report->taken += taken;
        report->taken_bytes += taken ? item->size : 0;
        report->kept += !taken;
        report->kept_bytes += taken ? 0 : item->size;
    }
}

static enum lx_status run(struct vacuum *v, struct lx_err *err)
{
    const struct lx_ledger_state *state = lx_ledger_state(v->o->ledger);
    LX_TRY(collect_used(v, state, err));
    LX_TRY(list_all(v, err));
    if (state->version < 0 && v->report->count > 0) {
        lx_err_set(err, LX_E_REFUSED,
                   "there is no log at this root, and %zu objects: without a log every file looks "
                   "left behind",
                   v->report->count);
        lx_err_hint(err, "nothing was deleted. Where the first run was ended, run lynex archive "
                         "again; where the log was lost, put it back, or run lynex ledger rebuild");
        return LX_E_REFUSED;
    }
    if (!v->o->unproven)
        LX_TRY(lx_vacuum_compare_rows(v->o, v->report, err));
    return v->o->write ? take_all(v, err) : LX_OK;
}

enum lx_status lx_vacuum(const struct lx_vacuum_options *options, struct lx_vacuum_report *report,
                         struct lx_err *err)
{
    struct vacuum v = {.o = options, .report = report, .now_ms = lx_clock_now(&options->clock)};
    *report = (struct lx_vacuum_report){0};
    const struct lx_ledger_state *state = lx_ledger_state(options->ledger);
    const char *table = json_string_value(json_object_get(state->table, "table"));
    v.word = table != NULL ? lx_table_word(table) : NULL;
    enum lx_status status = table != NULL && v.word == NULL ? lx_err_memory(err) : run(&v, err);
    count_all(&v);
    forget_used(&v);
    lx_free(v.word);
    lx_free(v.used);
    return status;
}
