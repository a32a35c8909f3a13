/* Who else writes to the log beside archivers. */
#include "sim.h"

#include "archive/vacuum.h"
#include "base/alloc.h"

#include <string.h>

/* -- the vacuum ---------------------------------------------------------------------------- */

/* It takes files of any age, and, half the time, also such as hold rows that no listed file holds:
 * an archiver may be about to record them, and only the fence is between. */
enum lx_status sim_vacuum(struct sim_actor *actor)
{
    struct lx_archive_options *o = &actor->options;
    struct lx_vacuum_report report = {0};
    const struct lx_vacuum_options options = {
        .ledger = o->ledger,
        .store = o->store,
        .prefix = o->prefix,
        .who = o->who,
        .unproven = sim_chance(&actor->sim->rng, 50),
        .write = true,
        .memory_bytes = o->memory_bytes,
        .clock = o->clock,
        .cancel = o->cancel,
    };
    sim_say(actor->sim, "A%d: vacuum", actor->number);
    enum lx_status status = lx_vacuum(&options, &report, &actor->err);
    actor->sim->totals->vacuumed += report.taken;
    lx_vacuum_report_free(&report);
    /* Without a log nobody can tell what was left behind. */
    return status == LX_E_REFUSED && lx_ledger_state(o->ledger)->version < 0 ? LX_OK : status;
}

/* -- a file leaves the archive -------------------------------------------------------------- */

static bool names(const struct lx_segment *segment, const char *path)
{
    for (size_t i = 0; i < segment->where_count; i++)
        if (strcmp(segment->where[i].path, path) == 0)
            return true;
    return false;
}

static bool names_other(const struct lx_segment *segment, const char *path)
{
    for (size_t i = 0; i < segment->where_count; i++)
        if (!segment->where[i].hashes && strcmp(segment->where[i].path, path) != 0)
            return true;
    return false;
}

/* Are all rows of the file hot, in segments that name no other file? */
static bool can_go(const struct lx_ledger_state *state, const struct lx_ledger_file *file)
{
    int64_t rows = 0;
    for (size_t i = 0; i < state->live_count; i++) {
        if (!names(&state->live[i], file->path))
            continue;
        if (names_other(&state->live[i], file->path))
            return false;
        rows += state->live[i].rows;
    }
    for (size_t i = 0; i < state->ended_count; i++)
        if (names(&state->ended[i], file->path))
            return false;
    return rows == file->rows;
}

/* Not while a delete is under way or not recorded: what is live in the log may be deleted already,
 * and so close before it no look at the log can come. */
bool sim_may_erase(const struct sim *sim)
{
    const struct sim_world *world = &sim->world;
    return sim_is_calm(sim) && !sim_is_masking(sim) && world->pending_count == 0 &&
           world->late_drop_count == 0 && world->limbo_count == 0;
}

/* Somebody takes a file out of the archive again, all of whose rows are hot: they are to be
 * archived anew. */
enum lx_status sim_erase(struct sim_actor *actor)
{
    struct lx_ledger *ledger = actor->options.ledger;
    const struct lx_ledger_state *state = lx_ledger_state(ledger);
    char ids[64][LX_LEDGER_ID], path[LX_MAX_NAME];
    const char *ended[64], *paths[] = {path};
    size_t count = 0, at = 0;
    while (at < state->file_count && !can_go(state, &state->files[at]))
        at++;
    if (at == state->file_count)
        return LX_OK;
    snprintf(path, sizeof path, "%s", state->files[at].path);
    for (size_t i = 0; i < state->live_count && count < 64; i++) {
        if (!names(&state->live[i], path))
            continue;
        memcpy(ids[count], state->live[i].id, LX_LEDGER_ID);
        ended[count] = ids[count];
        count++;
    }
    const struct lx_change change = {.operation = "ERASE",
                                     .remove_paths = paths,
                                     .remove_path_count = 1,
                                     .end_segments = ended,
                                     .end_segment_count = count};
    sim_say(actor->sim, "A%d: erases %s", actor->number, path);
    LX_TRY(lx_ledger_commit(ledger, &change, NULL, &actor->err));
    actor->sim->totals->erased++;
    return LX_OK;
}
