/* lynex ls: what is archived, and what of it is still hot. */
#include "archive/rebuild.h"

#include "cmd/cmd.h"

#include "cmd/terminal.h"

#include <stdio.h>
#include <stdlib.h>

struct listed {
    const struct lx_ledger_file *file;
    char first[40], last[40]; /* of the time column, "" where unknown */
    char class[32];
    int64_t hot_rows; /* of segments whose rows lie in this file */
    bool missing;
};

/* Bounds of the time column out of Delta's statistics. */
static void time_range(const struct lx_cmd *cmd, struct listed *l)
{
    json_t *stats =
        l->file->stats != NULL ? json_loads(l->file->stats, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const char *low = json_string_value(
        json_object_get(json_object_get(stats, "minValues"), cmd->config->time_column));
    const char *high = json_string_value(
        json_object_get(json_object_get(stats, "maxValues"), cmd->config->time_column));
    snprintf(l->first, sizeof l->first, "%.19s", low != NULL ? low : "");
    snprintf(l->last, sizeof l->last, "%.19s", high != NULL ? high : "");
    json_decref(stats);
}

/* Rows that are archived and still in ClickHouse. A segment that only says "somewhere in this file"
 * counts with the first of its files. */
static int64_t hot_rows(const struct lx_ledger_state *state, const char *path)
{
    int64_t rows = 0;
    for (size_t i = 0; i < state->live_count; i++) {
        const struct lx_segment *segment = &state->live[i];
        int64_t here = 0, placed = 0;
        const char *first = NULL;
        for (size_t w = 0; w < segment->where_count; w++) {
            if (segment->where[w].hashes)
                continue;
            first = first != NULL ? first : segment->where[w].path;
            placed += segment->where[w].rows;
            if (strcmp(segment->where[w].path, path) == 0)
                here += segment->where[w].rows;
        }
        rows += placed > 0 ? here : first != NULL && strcmp(first, path) == 0 ? segment->rows : 0;
    }
    return rows;
}

static enum lx_status look(struct lx_cmd *cmd, const struct lx_ledger_file *file, struct listed *l,
                           struct lx_err *err)
{
    struct lx_object object;
    struct lx_buf key = LX_BUF(LX_MAX_NAME * 4);
    *l = (struct listed){.file = file};
    time_range(cmd, l);
    l->hot_rows = hot_rows(lx_ledger_state(cmd->ledger), file->path);
    LX_TRY(lx_ledger_path_key(file->path, &key, err));
    enum lx_status status = lx_store_head(cmd->store, lx_buf_cstr(&key), &object, err);
    lx_buf_free(&key);
    l->missing = status == LX_E_NOTFOUND;
    if (l->missing) {
        lx_err_clear(err);
        return LX_OK;
    }
    if (status == LX_OK)
        snprintf(l->class, sizeof l->class, "%s",
                 object.storage_class[0] != 0 ? object.storage_class : "STANDARD");
    return status;
}

static json_t *file_json(const struct listed *l)
{
    return json_pack("{s:s,s:I,s:I,s:s,s:s,s:s,s:I,s:b,s:I}", "path", l->file->path, "rows",
                     (json_int_t)l->file->rows, "bytes", (json_int_t)l->file->size, "first",
                     l->first, "last", l->last, "class", l->missing ? "" : l->class, "hot_rows",
                     (json_int_t)l->hot_rows, "missing", l->missing, "version",
                     (json_int_t)l->file->version);
}

static void add_line(struct lx_table *table, const struct listed *l)
{
    char rows[LX_SHORT_TEXT], bytes[LX_SHORT_TEXT], hot[LX_SHORT_TEXT];
    lx_text_count(l->file->rows, rows);
    lx_text_bytes(l->file->size, bytes);
    lx_text_count(l->hot_rows, hot);
    lx_table_add(table, "%s", l->file->path);
    lx_table_add(table, "%s", rows);
    lx_table_add(table, "%s", bytes);
    lx_table_add(table, "%s", l->first);
    lx_table_add(table, "%s", l->last);
    lx_table_add(table, "%s", l->missing ? "MISSING" : l->class);
    lx_table_add(table, "%s", l->hot_rows > 0 ? hot : "-");
}

struct totals {
    int64_t files, rows, bytes, hot, missing;
    int64_t rebuilt; /* segments of a log that was made anew: nobody has compared them yet */
};

static void print_totals(const struct lx_cmd *cmd, const struct totals *t, struct lx_buf *text)
{
    char files[LX_SHORT_TEXT], rows[LX_SHORT_TEXT], bytes[LX_SHORT_TEXT], hot[LX_SHORT_TEXT];
    lx_text_count(t->files, files);
    lx_text_count(t->rows, rows);
    lx_text_bytes(t->bytes, bytes);
    lx_text_count(t->hot, hot);
    if (lx_buf_printf(text, "%s%s file%s, %s row%s, %s; %s of them still in ClickHouse%s\n",
                      lx_color(cmd->color, LX_COLOR_BOLD), files, lx_text_s(t->files), rows,
                      lx_text_s(t->rows), bytes, hot, lx_color(cmd->color, LX_COLOR_NONE)) != LX_OK)
        return;
    if (t->rebuilt > 0 &&
        lx_buf_printf(text, "The log was made anew: what of it is in ClickHouse still, the next "
                            "lynex archive finds out\n") != LX_OK)
        return;
    if (t->missing > 0 &&
        lx_buf_printf(text, "%s%lld listed file%s not in the store: run lynex verify%s\n",
                      lx_color(cmd->color, LX_COLOR_RED), (long long)t->missing,
                      t->missing == 1 ? " is" : "s are",
                      lx_color(cmd->color, LX_COLOR_NONE)) != LX_OK)
        return;
}

int lx_cmd_ls(struct lx_cmd *cmd)
{
    static const char *const heads[] = {"FILE",       ">ROWS", ">BYTES", "FIRST (UTC)",
                                        "LAST (UTC)", "CLASS", ">HOT"};
    struct lx_err err = LX_ERR_INIT;
    struct lx_table table;
    struct totals totals = {0};
    if (!lx_cmd_args_done(cmd, 1))
        return LX_EXIT_USAGE;
    const char *prefix = lx_cmd_operand(cmd, 0);
    if (lx_cmd_open_ledger(cmd, &err) != LX_OK || lx_cmd_warn_of_lost_log(cmd, &err) != LX_OK)
        return lx_cmd_fail(cmd, &err);
    const struct lx_ledger_state *state = lx_ledger_state(cmd->ledger);
    json_t *list = json_array();
    for (size_t i = 0; i < state->live_count; i++)
        totals.rebuilt += lx_rebuild_is_guess(state->live[i].source);
    lx_table_init(&table, sizeof heads / sizeof heads[0]);
    table.width = lx_terminal_width();
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        lx_table_add(&table, "%s", heads[i]);
    for (size_t i = 0; i < state->file_count && err.status == LX_OK; i++) {
        struct listed l;
        if (prefix != NULL && !lx_str_starts(lx_str_of(state->files[i].path), lx_str_of(prefix)))
            continue;
        if (look(cmd, &state->files[i], &l, &err) != LX_OK)
            break;
        totals.files++;
        totals.rows += state->files[i].rows > 0 ? state->files[i].rows : 0;
        totals.bytes += state->files[i].size;
        totals.hot += l.hot_rows;
        totals.missing += l.missing;
        json_array_append_new(list, file_json(&l));
        add_line(&table, &l);
    }
    int status = LX_EXIT_DONE;
    struct lx_buf text = LX_BUF(256 * LX_MIB);
    if (err.status != LX_OK) {
        status = lx_cmd_fail(cmd, &err);
    } else if (cmd->json) {
        status = lx_cmd_print_json(
            cmd,
            json_pack("{s:I,s:O,s:I,s:I,s:I,s:b}", "version", (json_int_t)state->version, "files",
                      list, "rows", (json_int_t)totals.rows, "bytes", (json_int_t)totals.bytes,
                      "hot_rows", (json_int_t)totals.hot, "rebuilt", totals.rebuilt > 0));
    } else if (state->version < 0) {
        struct lx_buf root = LX_BUF(LX_MIB);
        if (lx_store_location(cmd->store, NULL, &root) == LX_OK)
            printf("nothing is archived yet at %s\n", lx_buf_cstr(&root));
        lx_buf_free(&root);
    } else if (totals.files == 0 && prefix != NULL) {
        printf("no archived file begins with %s\n", prefix);
    } else if (lx_table_print(&table, 0, cmd->color, &text) == LX_OK) {
        print_totals(cmd, &totals, &text);
        lx_print(&text);
    }
    lx_buf_free(&text);
    lx_table_free(&table);
    json_decref(list);
    return status != LX_EXIT_DONE ? status : totals.missing > 0 ? LX_EXIT_PROOF : LX_EXIT_DONE;
}
