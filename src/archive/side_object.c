#include "archive/side_object.h"

#include "base/alloc.h"

#include <stdio.h>

#define PIECE 8192 /* hashes handed to the upload at a time */

struct lx_side_object {
    struct lx_run *run;
    struct lx_upload *upload;
    char path[64];
    int64_t count;
    uint64_t piece[PIECE];
    size_t filled;
};

enum lx_status lx_side_object_begin(struct lx_run *run, struct lx_side_object **out,
                                    struct lx_err *err)
{
    char id[LX_LEDGER_ID];
    struct lx_side_object *side = lx_calloc(1, sizeof *side);
    if (side == NULL)
        return lx_err_memory(err);
    side->run = run;
    lx_ledger_new_id(&run->o->random, id);
    snprintf(side->path, sizeof side->path, "_lynex/hashes/%s", id);
    *out = side;
    return LX_OK;
}

static enum lx_status hand_over(struct lx_side_object *side, struct lx_err *err)
{
    const struct lx_put put = {.if_absent = true};
    if (side->upload == NULL)
        LX_TRY(lx_store_upload_begin(side->run->o->store, side->path, &put, &side->upload, err));
    LX_TRY(lx_store_upload_write(side->upload, side->piece, side->filled * sizeof(uint64_t), err));
    side->filled = 0;
    return LX_OK;
}

enum lx_status lx_side_object_add(struct lx_side_object *side, uint64_t hash, struct lx_err *err)
{
    side->piece[side->filled++] = hash;
    side->count++;
    return side->filled == PIECE ? hand_over(side, err) : LX_OK;
}

int64_t lx_side_object_count(const struct lx_side_object *side)
{
    return side->count;
}

const char *lx_side_object_path(const struct lx_side_object *side)
{
    return side->path;
}

enum lx_status lx_side_object_end(struct lx_side_object *side, struct lx_err *err)
{
    struct lx_object object;
    if (side->filled > 0)
        LX_TRY(hand_over(side, err));
    if (side->upload == NULL)
        return LX_OK;
    struct lx_upload *upload = side->upload;
    side->upload = NULL;
    enum lx_status status = lx_store_upload_finish(upload, &object, err);
    if (status == LX_E_EXISTS)
        lx_store_upload_abort(upload); /* a random name: this cannot be */
    if (status == LX_E_UNKNOWN) {
        /* The name is random, so what is there is ours, whole or not at all. */
        lx_err_clear(err);
        status = lx_store_head(side->run->o->store, side->path, &object, err);
    }
    return status;
}

void lx_side_object_free(struct lx_side_object *side)
{
    if (side != NULL)
        lx_store_upload_abort(side->upload);
    lx_free(side);
}

enum lx_status lx_where_add(struct lx_where **where, size_t *count, const char *path, bool hashes,
                            int64_t first, int64_t rows, struct lx_err *err)
{
    struct lx_where *grown = lx_realloc(*where, (*count + 1) * sizeof *grown);
    if (grown == NULL)
        return lx_err_memory(err);
    *where = grown;
    char *copy = lx_strdup(path);
    if (copy == NULL)
        return lx_err_memory(err);
    grown[(*count)++] = (struct lx_where){copy, hashes, first, rows};
    return LX_OK;
}

enum lx_status lx_where_mark(struct lx_where **where, size_t *count, const char *path,
                             struct lx_err *err)
{
    for (size_t i = 0; i < *count; i++)
        if (!(*where)[i].hashes && strcmp((*where)[i].path, path) == 0)
            return LX_OK;
    return lx_where_add(where, count, path, false, 0, 0, err);
}
