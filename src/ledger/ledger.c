#include "ledger/ledger.h"

#include "base/alloc.h"
#include "ledger/ledger_json.h"
#include "ledger/ledger_private.h"

#include <assert.h>
#include <stdio.h>

static void free_history(void *item)
{
    lx_history_free(item);
}

enum lx_status lx_ledger_open(const struct lx_ledger_options *options, struct lx_ledger **ledger,
                              struct lx_err *err)
{
    assert(options->store != NULL);
    bool cut;
    struct lx_ledger *made = lx_calloc(1, sizeof *made);
    if (made == NULL)
        return lx_err_memory(err);
    made->options = *options;
    made->body.max = LX_LEDGER_MAX_COMMIT_BYTES;
    made->body_version = made->tables.version = made->state.version = -1;
    enum lx_status status = lx_ledger_load_checkpoint(made, err);
    if (status == LX_OK)
        status = lx_ledger_advance(made, -1, &cut, err);
    if (status != LX_OK) {
        lx_ledger_close(made);
        return status;
    }
    made->planned_version = made->history_from = made->state.version;
    made->opened = true;
    *ledger = made;
    return LX_OK;
}

void lx_ledger_close(struct lx_ledger *ledger)
{
    if (ledger == NULL)
        return;
    lx_ledger_view_free(ledger);
    lx_tables_free(&ledger->tables);
    lx_ptrs_free(&ledger->history, free_history);
    lx_buf_free(&ledger->body);
    lx_free(ledger);
}

enum lx_status lx_ledger_refresh(struct lx_ledger *ledger, struct lx_err *err)
{
    bool cut;
    LX_TRY(lx_ledger_advance(ledger, -1, &cut, err));
    ledger->planned_version = ledger->state.version;
    return LX_OK;
}

const struct lx_ledger_state *lx_ledger_state(const struct lx_ledger *ledger)
{
    return &ledger->state;
}

const json_t *lx_ledger_schema(const struct lx_ledger *ledger, const char *id)
{
    char name[64]; /* an id needs no encoding */
    if (!lx_ledger_schema_id_ok(id))
        return NULL;
    snprintf(name, sizeof name, "lynex.schema.%s", id);
    const struct lx_domain *domain = lx_ledger_map_get(&ledger->tables.domains, lx_str_of(name));
    return domain != NULL ? domain->json : NULL;
}

const struct lx_ledger_file *lx_ledger_file(const struct lx_ledger *ledger, const char *path)
{
    const struct lx_file_node *node = lx_ledger_map_get(&ledger->tables.files, lx_str_of(path));
    return node != NULL ? &node->file : NULL;
}

const struct lx_segment *lx_ledger_live(const struct lx_ledger *ledger, const char *id)
{
    return lx_ledger_map_get(&ledger->tables.live, lx_str_of(id));
}

const struct lx_segment *lx_ledger_ended(const struct lx_ledger *ledger, const char *id)
{
    return lx_ledger_map_get(&ledger->tables.ended, lx_str_of(id));
}

bool lx_ledger_was_removed(const struct lx_ledger *ledger, const char *path)
{
    return lx_ledger_map_get(&ledger->tables.removed, lx_str_of(path)) != NULL;
}

bool lx_ledger_removal(const struct lx_ledger *ledger, const char *path, struct lx_removal *removal)
{
    const struct lx_removed_node *node =
        lx_ledger_map_get(&ledger->tables.removed, lx_str_of(path));
    if (node == NULL)
        return false;
    /* A fence has neither a size nor a change of data. */
    *removal = (struct lx_removal){.version = node->version,
                                   .at_ms = node->deleted_ms,
                                   .listed = node->size >= 0 || node->data_change};
    return true;
}

struct walk {
    int64_t version;
    lx_ledger_visit visit;
    void *context;
};

static enum lx_status walk_action(void *context, size_t line, const json_t *action,
                                  struct lx_err *err)
{
    (void)line;
    const struct walk *walk = context;
    return walk->visit(walk->context, walk->version, action, err);
}

enum lx_status lx_ledger_walk(struct lx_ledger *ledger, int64_t from, int64_t to,
                              lx_ledger_visit visit, void *context, struct lx_err *err)
{
    char where[LX_LEDGER_WHERE];
    if (to > ledger->state.version)
        to = ledger->state.version;
    enum lx_status status = LX_OK;
    for (int64_t version = from < 0 ? 0 : from; status == LX_OK && version <= to; version++) {
        if (lx_cancel_asked(ledger->options.cancel))
            return lx_err_set(err, LX_E_CANCELLED, "interrupted while reading the log");
        struct walk walk = {version, visit, context};
        status = lx_ledger_read(ledger, version, err);
        if (status == LX_E_NOTFOUND)
            lx_err_hint(err, "This part of the log was cleaned away; the state of the archive is "
                             "whole all the same, its history is not.");
        if (status != LX_OK)
            break;
        lx_ledger_where(ledger, version, where);
        status = lx_version_lines(lx_buf_view(&ledger->body), where, walk_action, &walk, err);
    }
    lx_ledger_drop_body(ledger);
    return status;
}
