#include "archive/vacuum_rows.h"

#include "archive/file_account.h"
#include "base/alloc.h"

#include <stdlib.h>

/* Shares of the budget: half for hashes (a file has at most a quarter's worth), a quarter to read.
 */
#define SHARE_FOR_ROWS 2
#define SHARE_TO_READ 4

/* Rows of one hash in one candidate, not found elsewhere yet. */
struct wanted {
    uint64_t hash;
    uint32_t candidate, count;
};

struct candidate {
    struct lx_vacuum_item *item;
    struct lx_file_account account;
    int64_t left; /* rows not found yet */
};

/* Candidates of one month and one schema that are compared together. */
struct load {
    const struct lx_vacuum_options *o;
    struct lx_account_reading how;
    struct candidate *candidates;
    size_t count;
    struct wanted *wanted;
    size_t wanted_count, wanted_cap;
    uint32_t filling; /* the candidate whose rows come */
    int64_t left;     /* of all */
};

/* -- whose rows ---------------------------------------------------------------------------- */

static enum lx_status unread(struct lx_vacuum_item *item, struct lx_err *err)
{
    item->fate = LX_VACUUM_UNREAD;
    item->note = lx_strdup(err->text);
    lx_err_clear(err);
    return item->note != NULL ? LX_OK : lx_err_memory(err);
}

static enum lx_status add_wanted(void *context, uint64_t hash, struct lx_err *err)
{
    struct load *load = context;
    if (load->wanted_count == load->wanted_cap)
        return lx_err_set(err, LX_E_LIMIT, "it holds more rows than its footer says");
    load->wanted[load->wanted_count++] = (struct wanted){hash, load->filling, 1};
    return LX_OK;
}

static int by_hash(const void *a, const void *b)
{
    const struct wanted *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (x->candidate > y->candidate) - (x->candidate < y->candidate);
}

/* Sorts, and makes one entry of a candidate's equal rows. */
static void settle_wanted(struct load *load)
{
    size_t kept = 0;
    if (load->wanted_count > 1)
        qsort(load->wanted, load->wanted_count, sizeof *load->wanted, by_hash);
    for (size_t i = 0; i < load->wanted_count; i++) {
        struct wanted *last = kept > 0 ? &load->wanted[kept - 1] : NULL;
        if (last != NULL && by_hash(last, &load->wanted[i]) == 0)
            last->count++;
        else
            load->wanted[kept++] = load->wanted[i];
    }
    load->wanted_count = kept;
}

/* A listed row: it stands for one row of that hash of each candidate. */
static enum lx_status find_row(void *context, uint64_t hash, struct lx_err *err)
{
    struct load *load = context;
    size_t low = 0, high = load->wanted_count;
    (void)err;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (load->wanted[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < load->wanted_count && load->wanted[low].hash == hash; low++) {
        if (load->wanted[low].count == 0)
            continue;
        load->wanted[low].count--;
        load->candidates[load->wanted[low].candidate].left--;
        load->left--;
    }
    return LX_OK;
}

/* -- listed files -------------------------------------------------------------------------- */

/* "2026-01" of ".../2026-01/name". */
static struct lx_str month_of(const char *path)
{
    const char *slash = strrchr(path, '/'), *start = slash;
    while (start != NULL && start > path && start[-1] != '/')
        start--;
    return slash != NULL ? (struct lx_str){start, (size_t)(slash - start)}
                         : (struct lx_str){path, 0};
}

static enum lx_status read_listed(struct load *load, const struct lx_ledger_file *file,
                                  struct lx_err *err)
{
    struct lx_buf key = LX_BUF(LX_MAX_NAME);
    enum lx_status status = lx_ledger_path_key(file->path, &key, err);
    if (status == LX_OK)
        status = lx_account_hashes(&load->how, lx_buf_cstr(&key), file->size,
                                   load->candidates[0].account.schema, find_row, load, err);
    lx_buf_free(&key);
    if (status == LX_OK || !lx_file_account_is_bad(status))
        return status;
    lx_err_clear(err); /* whatever is wrong with it, it holds nobody's rows for sure */
    return LX_OK;
}

static enum lx_status compare_load(struct load *load, struct lx_err *err)
{
    const struct lx_ledger_state *state = lx_ledger_state(load->o->ledger);
    enum lx_status status = LX_OK;
    settle_wanted(load);
    for (size_t i = 0; load->count > 0 && status == LX_OK && i < state->file_count; i++) {
        if (load->left == 0)
            break;
        if (lx_str_equal(month_of(state->files[i].path), month_of(load->candidates[0].item->path)))
            status = read_listed(load, &state->files[i], err);
    }
    for (size_t i = 0; i < load->count; i++) {
        struct candidate *candidate = &load->candidates[i];
        if (status == LX_OK && candidate->left > 0) {
            candidate->item->fate = LX_VACUUM_ROWS;
            candidate->item->alone_rows = candidate->left;
        }
        lx_file_account_free(&candidate->account);
    }
    load->count = load->wanted_count = 0;
    load->left = 0;
    return status;
}

/* -- loads --------------------------------------------------------------------------------- */

static bool belongs(const struct load *load, const struct lx_file_account *account,
                    const struct lx_vacuum_item *item)
{
    const struct candidate *first = &load->candidates[0];
    return load->count == 0 || (strcmp(first->account.schema->id, account->schema->id) == 0 &&
                                lx_str_equal(month_of(first->item->path), month_of(item->path)) &&
                                load->wanted_cap - load->wanted_count >= (size_t)account->rows);
}

/* Takes the account. */
static enum lx_status add_candidate(struct load *load, struct lx_vacuum_item *item,
                                    struct lx_file_account *account, struct lx_err *err)
{
    size_t before = load->wanted_count;
    struct candidate *candidate = &load->candidates[load->count];
    load->filling = (uint32_t)load->count;
    enum lx_status status = lx_account_hashes(&load->how, account->key, account->size,
                                              account->schema, add_wanted, load, err);
    if (status != LX_OK) {
        load->wanted_count = before;
        lx_file_account_free(account);
        return lx_file_account_is_bad(status) ? unread(item, err) : status;
    }
    *candidate = (struct candidate){item, *account, (int64_t)(load->wanted_count - before)};
    load->left += candidate->left;
    load->count++;
    return LX_OK;
}

static enum lx_status look_at(struct load *load, struct lx_vacuum_item *item, struct lx_err *err)
{
    struct lx_file_account account;
    enum lx_status status =
        lx_file_account_read(load->o->store, item->path, item->size, &account, err);
    if (status != LX_OK) {
        lx_file_account_free(&account);
        return lx_file_account_is_bad(status) ? unread(item, err) : status;
    }
    item->rows = account.rows;
    if ((size_t)account.rows > load->wanted_cap) {
        lx_file_account_free(&account);
        lx_err_set(err, LX_E_LIMIT,
                   "its %lld rows are more than can be compared within ARCHIVE_MEMORY_MB",
                   (long long)item->rows);
        return unread(item, err);
    }
    if (!belongs(load, &account, item) && (status = compare_load(load, err)) != LX_OK) {
        lx_file_account_free(&account);
        return status;
    }
    return add_candidate(load, item, &account, err);
}

static bool is_compared(const struct lx_vacuum_item *item)
{
    return item->kind == LX_VACUUM_FILE && item->fate == LX_VACUUM_TAKE;
}

enum lx_status lx_vacuum_compare_rows(const struct lx_vacuum_options *options,
                                      struct lx_vacuum_report *report, struct lx_err *err)
{
    size_t memory = (size_t)options->memory_bytes, count = 0;
    for (size_t i = 0; i < report->count; i++)
        count += is_compared(&report->items[i]);
    if (count == 0)
        return LX_OK;
    struct load load = {
        .o = options,
        .how = {options->store, options->pool, memory / SHARE_TO_READ, options->cancel},
        .candidates = lx_calloc(count, sizeof(struct candidate)),
        .wanted_cap = memory / SHARE_FOR_ROWS / sizeof(struct wanted),
    };
    load.wanted = lx_malloc(load.wanted_cap * sizeof *load.wanted);
    enum lx_status status =
        load.candidates != NULL && load.wanted != NULL ? LX_OK : lx_err_memory(err);
    for (size_t i = 0; status == LX_OK && i < report->count; i++)
        if (is_compared(&report->items[i]))
            status = look_at(&load, &report->items[i], err);
    if (status == LX_OK)
        status = compare_load(&load, err);
    for (size_t i = 0; load.candidates != NULL && i < load.count; i++)
        lx_file_account_free(&load.candidates[i].account);
    lx_free(load.candidates);
    lx_free(load.wanted);
    return status;
}
