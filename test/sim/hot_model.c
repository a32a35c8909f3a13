/* struct lx_hot over the model of the table: what the protocol asks of ClickHouse. */
#include "sim.h"

#include "base/alloc.h"
#include "base/civil.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_ROWS 4 /* most rows of one block of an answer */

/* -- failures ------------------------------------------------------------------------------ */

static enum lx_status no_table(struct lx_err *err)
{
    enum lx_status status = lx_err_set(err, LX_E_NOTFOUND, "the table db.events does not exist");
    if (err != NULL)
        err->code = 60;
    return status;
}

static enum lx_status waits(struct lx_err *err)
{
    enum lx_status status = lx_err_set(err, LX_E_BUSY, "a delete waits on the server");
    if (err != NULL)
        snprintf(err->name, sizeof err->name, "PENDING_DELETE");
    return status;
}

static enum lx_status broken(struct sim_actor *actor, struct lx_err *err)
{
    static const enum lx_status ways[] = {LX_E_NETWORK, LX_E_TIMEOUT, LX_E_REMOTE, LX_E_NETWORK};
    return lx_err_set(err, ways[sim_below(&actor->sim->rng, 4)], "ClickHouse did not answer");
}

/* The moment at which a question is asked. `reads`: of the table's rows. */
static enum lx_status begin(struct sim_actor *actor, const char *what, bool reads,
                            struct lx_err *err)
{
    if (strcmp(what, "guard") != 0)
        actor->window = false; /* whatever the guard said, no DROP PART follows */
    if (!sim_enter(actor, what))
        return sim_dead(err);
    if (sim_faulty(actor))
        return broken(actor, err);
    if (!actor->sim->world.exists)
        return no_table(err);
    if (reads && sim_reads_are_blocked(&actor->sim->world))
        return waits(err);
    lx_err_clear(err); /* as after a try that failed before: what was said is gone */
    return LX_OK;
}

static enum lx_status check_columns(const struct sim_world *world,
                                    const struct lx_row_schema *schema, struct lx_err *err)
{
    for (size_t i = 0; schema != NULL && i < schema->field_count; i++)
        if (sim_slot(world, schema->fields[i].name) < 0)
            return lx_err_set(err, LX_E_REMOTE, "unknown column %s", schema->fields[i].name);
    return LX_OK;
}

/* -- the table ----------------------------------------------------------------------------- */

static char *text_of(const char *text)
{
    return sim_memory(lx_strdup(text));
}

static void add_column(struct lx_hot_table *table, const char *name, const char *type)
{
    struct lx_source_column *column = &table->columns[table->column_count++];
    char *memory = sim_memory(lx_malloc(strlen(name) + strlen(type) + 1));
    memcpy(memory, name, strlen(name));
    memcpy(memory + strlen(name), type, strlen(type) + 1);
    *column = (struct lx_source_column){.name = {memory, strlen(name)},
                                        .type = {memory + strlen(name), strlen(type)},
                                        .default_kind = {memory, 0},
                                        .default_expression = {memory, 0}};
}

static enum lx_status table(void *self, struct lx_hot_table **out, struct lx_err *err)
{
    static const char *const types[] = {"UInt64", "DateTime64(3, 'UTC')", "String", "UInt32"};
    struct sim_actor *actor = self;
    struct sim_world *world = &actor->sim->world;
    char uuid[37];
    LX_TRY(begin(actor, "table", false, err));
    struct lx_hot_table *made = sim_memory(lx_calloc(1, sizeof *made));
    snprintf(uuid, sizeof uuid, "00000000-0000-4000-8000-%012d", (int)world->uuid);
    *made = (struct lx_hot_table){
        .database = text_of("db"),
        .name = text_of("events"),
        .uuid = text_of(uuid),
        .engine = text_of("MergeTree"),
        .create_sql = text_of("CREATE TABLE db.events"),
        .partition_key = text_of(world->by_month ? "toYYYYMM(timestamp)" : ""),
        .sorting_key = text_of("id"),
        .host = text_of("sim"),
        .version = text_of("26.7"),
        .time_column = text_of("timestamp"),
        .now = actor->sim->now_ms / 1000,
        .started_at = world->started_at,
        .ttl_days = world->ttl ? 3 : -1,
        .ttl_sql = world->ttl ? text_of("TTL timestamp + INTERVAL 3 DAY") : NULL,
        .total_rows = -1,
        .total_bytes = -1,
    };
    made->columns = sim_memory(lx_calloc(5, sizeof *made->columns));
    for (int slot = 0; slot < (world->has_extra ? 4 : 3); slot++)
        add_column(made, sim_slot_name(world, slot), types[slot]);
    *out = made;
    return lx_ch_type_parse(lx_str_of(types[1]), &made->time_type, err);
}

static enum lx_status always_fine(void *self, struct lx_err *err)
{
    return begin(self, "check", false, err);
}

/* -- parts --------------------------------------------------------------------------------- */

static void add_day(struct lx_hot_part *part, int32_t day)
{
    size_t at = 0;
    while (at < part->day_count && part->days[at].day < day)
        at++;
    if (at < part->day_count && part->days[at].day == day) {
        part->days[at].rows++;
        return;
    }
    part->days = sim_memory(lx_realloc(part->days, (part->day_count + 1) * sizeof *part->days));
    memmove(&part->days[at + 1], &part->days[at], (part->day_count - at) * sizeof *part->days);
    part->days[at] = (struct lx_hot_day){day, 1};
    part->day_count++;
}

static enum lx_status parts(void *self, int64_t days_to, struct lx_hot_parts *out,
                            struct lx_err *err)
{
    struct sim_actor *actor = self;
    const struct sim_world *world = &actor->sim->world;
    LX_TRY(begin(actor, "parts", true, err));
    *out = (struct lx_hot_parts){
        .now = actor->sim->now_ms / 1000, .days_to = days_to, .count = world->count};
    out->parts = sim_memory(lx_calloc(world->count + 1, sizeof *out->parts));
    for (size_t i = 0; i < world->count; i++) {
        const struct sim_part *part = world->parts[i];
        char name[64];
        sim_part_name(part, name);
        out->parts[i] = (struct lx_hot_part){
            .partition = text_of(part->partition),
            .name = text_of(name),
            .min_block = part->min_block,
            .max_block = part->max_block,
            .level = part->level,
            .mutation = part->mutation,
            .rows = (int64_t)part->count,
            .days_to = days_to,
        };
        for (size_t r = 0; r < part->count; r++)
            if (part->rows[r].time < days_to)
                add_day(&out->parts[i], (int32_t)(part->rows[r].time / LX_DAY_SECONDS));
    }
    return LX_OK;
}

static void sum_part(struct sim_world *world, struct lx_hot_sum *sum, bool whole)
{
    struct sim_part *part = sim_find_part(world, sum->part);
    sum->found = false;
    sum->whole = whole ? 0 : -1;
    sum->rows = sum->strange = 0;
    sum->sum = sum->xor = 0;
    if (part == NULL)
        return;
    const uint64_t *hashes = sim_part_hashes(part, sum->schema);
    for (size_t r = 0; r < part->count; r++) {
        if (part->rows[r].time < sum->from || part->rows[r].time >= sum->to)
            continue;
        sum->rows++;
        sum->sum += hashes[r];
        sum->xor ^= hashes[r];
        sum->strange += sim_strange(world, &part->rows[r], sum->schema);
    }
    sum->found = whole || sum->rows > 0;
    sum->whole = whole ? (int64_t)part->count : -1;
}

/* What has the same schema and range is asked together; the world moves between the others. */
static enum lx_status sums(void *self, struct lx_hot_sum *asked, size_t count, bool whole,
                           struct lx_err *err)
{
    struct sim_actor *actor = self;
    struct sim_world *world = &actor->sim->world;
    bool *done = sim_memory(lx_calloc(count + 1, sizeof *done));
    enum lx_status status = LX_OK;
    for (size_t i = 0; status == LX_OK && i < count; i++) {
        if (done[i])
            continue;
        status = begin(actor, whole ? "guard" : "sums", true, err);
        if (status == LX_OK)
            status = check_columns(world, asked[i].schema, err);
        actor->window = actor->window || (status == LX_OK && whole);
        for (size_t j = i; status == LX_OK && j < count; j++) {
            if (asked[j].schema != asked[i].schema || asked[j].from != asked[i].from ||
                asked[j].to != asked[i].to)
                continue;
            done[j] = true;
            sum_part(world, &asked[j], whole);
        }
    }
    lx_free(done);
    return status;
}

static enum lx_status present(void *self, const char *const *names, size_t count, bool *there,
                              int64_t *now, struct lx_err *err)
{
    struct sim_actor *actor = self;
    LX_TRY(begin(actor, "present", true, err));
    for (size_t i = 0; i < count; i++)
        there[i] = sim_find_part(&actor->sim->world, names[i]) != NULL;
    *now = actor->sim->now_ms / 1000;
    return LX_OK;
}

/* -- reading ------------------------------------------------------------------------------- */

/* A query reads what was there when it began: the rows are copied. */
struct lx_hot_stream {
    const struct lx_row_schema *schema;
    struct sim_row *rows;
    uint64_t *hashes, *keys;
    uint32_t *part_of;
    int64_t *seconds;
    size_t count, at;
    struct lx_column *columns;
    const struct lx_column **pointers;
    struct sim_world *world;
    enum lx_status (*waiting)(void *context, struct lx_err *err);
    void *context;
    bool waits; /* every other time, as if the rows were not there yet */
};

static void end(void *self, struct lx_hot_stream *stream)
{
    (void)self;
    if (stream == NULL)
        return;
    for (size_t i = 0; i < stream->schema->field_count; i++)
        lx_column_free(&stream->columns[i]);
    lx_free(stream->columns);
    lx_free(stream->pointers);
    lx_free(stream->rows);
    lx_free(stream->hashes);
    lx_free(stream->keys);
    lx_free(stream->part_of);
    lx_free(stream->seconds);
    lx_free(stream);
}

static void take_part(struct lx_hot_stream *stream, const struct lx_hot_read *read, size_t index)
{
    struct sim_part *part = sim_find_part(stream->world, read->parts[index]);
    if (part == NULL)
        return;
    const uint64_t *hashes = sim_part_hashes(part, read->schema);
    const uint64_t *keys = read->compare != NULL ? sim_part_hashes(part, read->compare) : hashes;
    for (size_t r = 0; r < part->count; r++) {
        const struct sim_row *row = &part->rows[r];
        if (row->time < read->from || row->time >= read->to || hashes[r] < read->hash_from ||
            hashes[r] > read->hash_to)
            continue;
        bool strange = read->compare != NULL && sim_strange(stream->world, row, read->compare);
        size_t at = stream->count++;
        stream->rows[at] = *row;
        stream->hashes[at] = hashes[r];
        stream->keys[at] = strange ? hashes[r] : keys[r];
        stream->part_of[at] = (uint32_t)index;
        stream->seconds[at] = row->time;
    }
}

static enum lx_status open_stream(struct sim_actor *actor, const struct lx_hot_read *read,
                                  struct lx_hot_stream **out, struct lx_err *err)
{
    struct sim_world *world = &actor->sim->world;
    LX_TRY(check_columns(world, read->schema, err));
    LX_TRY(check_columns(world, read->compare, err));
    struct lx_hot_stream *stream = sim_memory(lx_calloc(1, sizeof *stream));
    size_t most = 1, fields = read->schema->field_count;
    for (size_t i = 0; i < world->count; i++)
        most += world->parts[i]->count;
    stream->world = world;
    stream->waiting = read->waiting;
    stream->context = read->context;
    stream->schema = read->schema;
    stream->rows = sim_memory(lx_calloc(most, sizeof *stream->rows));
    stream->hashes = sim_memory(lx_calloc(most, sizeof *stream->hashes));
    stream->keys = sim_memory(lx_calloc(most, sizeof *stream->keys));
    stream->part_of = sim_memory(lx_calloc(most, sizeof *stream->part_of));
    stream->seconds = sim_memory(lx_calloc(most, sizeof *stream->seconds));
    stream->columns = sim_memory(lx_calloc(fields, sizeof *stream->columns));
    stream->pointers = sim_memory(lx_calloc(fields, sizeof(struct lx_column *)));
    for (size_t i = 0; i < read->part_count; i++)
        take_part(stream, read, i);
    *out = stream;
    return LX_OK;
}

static enum lx_status read_rows(void *self, const struct lx_hot_read *read,
                                struct lx_hot_stream **stream, struct lx_err *err)
{
    LX_TRY(begin(self, "read", true, err));
    return open_stream(self, read, stream, err);
}

static enum lx_status read_hashes(void *self, const struct lx_hot_read *read,
                                  struct lx_hot_stream **stream, struct lx_err *err)
{
    LX_TRY(begin(self, "hashes", true, err));
    return open_stream(self, read, stream, err);
}

/* The next block; a stream can break at any of them. */
static enum lx_status next_block(struct sim_actor *actor, struct lx_hot_stream *stream,
                                 size_t *rows, struct lx_err *err)
{
    if (!sim_enter(actor, "next"))
        return sim_dead(err);
    if (sim_faulty(actor))
        return broken(actor, err);
    size_t left = stream->count - stream->at;
    *rows = 1 + sim_below(&actor->sim->rng, BLOCK_ROWS);
    *rows = *rows < left ? *rows : left;
    return LX_OK;
}

static enum lx_status next_rows(void *self, struct lx_hot_stream *stream, struct lx_hot_rows *out,
                                struct lx_err *err)
{
    size_t rows = 0, at = stream->at;
    stream->waits = !stream->waits;
    if (stream->waits && stream->waiting != NULL)
        LX_TRY(stream->waiting(stream->context, err));
    LX_TRY(next_block(self, stream, &rows, err));
    for (size_t i = 0; i < stream->schema->field_count; i++)
        stream->pointers[i] = &stream->columns[i];
    if (rows > 0 && sim_flips(stream->world->sim)) {
        sim_say(stream->world->sim, "a bit of a value flips on its way");
        stream->rows[at].value ^= 1; /* its hash is the server's */
    }
    sim_fill_columns(stream->schema, &stream->rows[at], rows, stream->columns);
    *out = (struct lx_hot_rows){.columns = stream->pointers,
                                .rows = (int64_t)rows,
                                .hashes = &stream->hashes[at],
                                .part_of = &stream->part_of[at],
                                .seconds = &stream->seconds[at],
                                .unreadable_row = -1};
    stream->at += rows;
    return LX_OK;
}

static enum lx_status next_hashes(void *self, struct lx_hot_stream *stream,
                                  struct lx_hot_hashes *out, struct lx_err *err)
{
    size_t rows = 0, at = stream->at;
    LX_TRY(next_block(self, stream, &rows, err));
    *out = (struct lx_hot_hashes){.hashes = &stream->hashes[at],
                                  .keys = &stream->keys[at],
                                  .seconds = &stream->seconds[at],
                                  .rows = (int64_t)rows};
    stream->at += rows;
    return LX_OK;
}

/* -- deleting ------------------------------------------------------------------------------ */

static void tell(struct lx_buf *statement, char query_id[64], const char *text)
{
    lx_buf_clear(statement);
    if (lx_buf_text(statement, text) != LX_OK)
        sim_memory(NULL);
    snprintf(query_id, 64, "sim");
}

static enum lx_status denied(struct lx_err *err)
{
    return lx_err_set(err, LX_E_ACCESS, "not enough privileges");
}

/* The request is lost on its way, for now: it is executed some time later. */
static bool sent_late(struct sim_actor *actor, const char *const *names, size_t count)
{
    struct sim_world *world = &actor->sim->world;
    if (count != 1 || world->late_drop_count == 4 || !sim_chance(&actor->sim->rng, 25))
        return false;
    struct sim_late_drop *drop = &world->late_drops[world->late_drop_count++];
    *drop = (struct sim_late_drop){
        .uuid = world->uuid, .actor = actor->number, .due = sim_due_of(actor)};
    snprintf(drop->part, sizeof drop->part, "%s", names[0]);
    return true;
}

static enum lx_status drop_parts(void *self, const char *const *names, size_t count,
                                 struct lx_buf *statement, char query_id[64], struct lx_err *err)
{
    struct sim_actor *actor = self;
    struct sim_world *world = &actor->sim->world;
    tell(statement, query_id, "ALTER TABLE db.events DROP PART");
    if (!sim_enter(actor, "drop"))
        return sim_dead(err);
    bool faulty = sim_faulty(actor);
    actor->window = false;
    if (faulty && sim_chance(&actor->sim->rng, 20))
        return denied(err);
    if (faulty && (sent_late(actor, names, count) || sim_chance(&actor->sim->rng, 40)))
        return broken(actor, err);
    if (!world->exists)
        return no_table(err);
    for (size_t i = 0; i < count; i++)
        if (!sim_drop_now(world, names[i], actor->number, sim_due_of(actor)))
            return lx_err_set(err, LX_E_NOTFOUND, "no such part %s", names[i]);
    return faulty ? broken(actor, err) : LX_OK;
}

static void send_mask(struct sim_actor *actor, const char *partition,
                      const struct lx_hot_mask *masks, size_t count)
{
    struct sim_world *world = &actor->sim->world;
    struct sim_mutation *mutation = sim_memory(lx_calloc(1, sizeof *mutation));
    mutation->uuid = world->uuid;
    mutation->version = world->next_block++;
    mutation->actor = actor->number;
    mutation->due = sim_due_of(actor);
    mutation->count = count;
    snprintf(mutation->partition, sizeof mutation->partition, "%s", partition);
    for (size_t i = 0; i < count; i++) {
        struct sim_target *target = &mutation->targets[i];
        snprintf(target->part, sizeof target->part, "%s", masks[i].part);
        target->schema = sim_keep_schema(masks[i].schema);
        target->to = masks[i].to;
        target->rows = masks[i].rows;
        target->sum = masks[i].sum;
        target->xor = masks[i].xor ;
    }
    world->pending[world->pending_count++] = mutation;
}

static enum lx_status mask(void *self, const char *partition, const struct lx_hot_mask *masks,
                           size_t count, int64_t wait_ms, struct lx_buf *statement,
                           char query_id[64], struct lx_err *err)
{
    struct sim_actor *actor = self;
    struct sim_world *world = &actor->sim->world;
    struct sim_rng *rng = &actor->sim->rng;
    (void)wait_ms;
    tell(statement, query_id, "DELETE FROM db.events");
    if (!sim_enter(actor, "mask"))
        return sim_dead(err);
    bool faulty = sim_faulty(actor);
    actor->window = false;
    if (faulty && sim_chance(rng, 20))
        return denied(err);
    if (faulty && sim_chance(rng, 40))
        return broken(actor, err);
    if (!world->exists)
        return no_table(err);
    if (world->pending_count == 4) { /* not begun */
        enum lx_status status = waits(err);
        if (err != NULL)
            err->code = 36;
        return status;
    }
    for (size_t i = 0; i < count; i++)
        LX_TRY(check_columns(world, masks[i].schema, err)); /* validate_mutation_query */
    send_mask(actor, partition, masks, count);
    if (faulty)
        return sim_chance(rng, 50) ? waits(err) : broken(actor, err);
    /* It is executed some time after it was sent, and answered some time after that. */
    if (!sim_enter(actor, "mask is executed"))
        return sim_dead(err);
    while (world->pending_count > 0)
        sim_run_mutation(world);
    return sim_enter(actor, "mask is answered") ? LX_OK : sim_dead(err);
}

static enum lx_status apply_mask(void *self, const char *partition, int64_t wait_ms,
                                 struct lx_err *err)
{
    struct sim_actor *actor = self;
    struct sim_world *world = &actor->sim->world;
    (void)wait_ms;
    LX_TRY(begin(actor, "apply", false, err));
    while (world->pending_count > 0)
        sim_run_mutation(world);
    int64_t version = world->next_block++;
    for (size_t i = 0; i < world->count; i++)
        if (strcmp(world->parts[i]->partition, partition) == 0)
            world->parts[i]->mutation = version;
    return LX_OK;
}

const struct lx_hot_ops sim_hot_ops = {
    .table = table,
    .row_policy = always_fine,
    .self_test = always_fine,
    .parts = parts,
    .sums = sums,
    .present = present,
    .read = read_rows,
    .next = next_rows,
    .hashes = read_hashes,
    .next_hashes = next_hashes,
    .end = end,
    .drop_parts = drop_parts,
    .mask = mask,
    .apply_mask = apply_mask,
};
