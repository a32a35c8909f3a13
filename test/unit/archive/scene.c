#include "scene.h"

#include "../../sim/held.h"

#include "base/alloc.h"
#include "base/civil.h"

struct scene scene;

/* -- the models, with what a test wants of them -------------------------------------------- */

static struct lx_hot_ops model; /* as it is */

static enum lx_status say(const struct scene_fate *fate, struct lx_buf *statement,
                          struct lx_err *err)
{
    if (fate->words != NULL) {
        lx_buf_clear(statement);
        assert_int_equal(lx_buf_text(statement, fate->words), LX_OK);
    }
    if (fate->says == LX_OK)
        return LX_OK;
    lx_err_set(err, fate->says, "the statement's answer");
    if (err != NULL && fate->name != NULL)
        snprintf(err->name, sizeof err->name, "%s", fate->name);
    return fate->says;
}

static enum lx_status drop_parts(void *self, const char *const *names, size_t count,
                                 struct lx_buf *statement, char query_id[64], struct lx_err *err)
{
    size_t acts = scene.drop.acts < count ? scene.drop.acts : count;
    sim_held++;
    scene.drops++;
    lx_buf_clear(statement);
    enum lx_status status = lx_buf_text(statement, "ALTER TABLE db.events DROP PART");
    if (status == LX_OK && acts > 0)
        status = sim_hot_ops.drop_parts(self, names, acts, statement, query_id, err);
    assert_int_equal(status, LX_OK);
    status = say(&scene.drop, statement, err);
    sim_held--;
    return status;
}

static enum lx_status mask(void *self, const char *partition, const struct lx_hot_mask *masks,
                           size_t count, int64_t wait_ms, struct lx_buf *statement,
                           char query_id[64], struct lx_err *err)
{
    size_t acts = scene.mask.acts < count ? scene.mask.acts : count;
    sim_held++;
    scene.masks++;
    lx_buf_clear(statement);
    enum lx_status status = lx_buf_text(statement, "DELETE FROM db.events");
    if (status == LX_OK && acts > 0)
        status = sim_hot_ops.mask(self, partition, masks, acts, wait_ms, statement, query_id, err);
    assert_int_equal(status, LX_OK);
    status = say(&scene.mask, statement, err);
    sim_held--;
    return status;
}

static enum lx_status apply_mask(void *self, const char *partition, int64_t wait_ms,
                                 struct lx_err *err)
{
    scene.applies++;
    if (scene.apply_says != LX_OK)
        return lx_err_set(err, scene.apply_says, "not now");
    return model.apply_mask(self, partition, wait_ms, err);
}

static struct lx_mem_verdict on_store(void *context, const struct lx_mem_call *call)
{
    (void)context;
    const enum lx_status fails[] = {scene.puts_fail, scene.gets_fail, scene.heads_fail,
                                    scene.lists_fail, LX_OK};
    scene.heads += call->op == LX_MEM_HEAD;
    if (fails[call->op] != LX_OK)
        return (struct lx_mem_verdict){.fate = LX_MEM_REFUSED, .status = fails[call->op]};
    return (struct lx_mem_verdict){.fate = LX_MEM_DONE};
}

static enum lx_status at_step(void *context, enum lx_step step, struct lx_err *err)
{
    (void)context;
    sim_held++;
    if (step == LX_STEP_RECORDED)
        sim_recorded(&scene.sim.world, lx_ledger_state(scene.options->ledger));
    if (scene.then != NULL)
        scene.then(step);
    sim_held--;
    if (step == scene.fails_at)
        return lx_err_set(err, LX_E_IO, "stopped at %s", lx_step_name(step));
    return LX_OK;
}

static void tell(void *context, const struct lx_event *event)
{
    (void)context;
    if (event->kind == LX_EVENT_WARNING)
        snprintf(scene.said, sizeof scene.said, "%s", event->text);
}

/* -- clock and random ---------------------------------------------------------------------- */

static int64_t now_ms(void *self)
{
    (void)self;
    return scene.sim.now_ms;
}

static void sleep_ms(void *self, int64_t ms)
{
    (void)self;
    scene.sim.now_ms += ms;
}

static void fill(void *self, void *bytes, size_t size)
{
    (void)self;
    uint8_t *pos = bytes;
    for (size_t i = 0; i < size; i++)
        pos[i] = (uint8_t)sim_next(&scene.sim.rng);
}

/* -- the table ----------------------------------------------------------------------------- */

static void empty_world(struct sim_world *world)
{
    while (world->count > 0) {
        struct sim_part *part = world->parts[0];
        sim_take_part(world, part);
        sim_part_free(part);
    }
    world->ever_count = 0;
    world->all_versions.count = 0;
    world->next_block = 1;
    world->by_month = true;
    world->twins = world->power = world->ttl = world->columns = false;
}

void scene_insert(const char *partition, const char *days)
{
    struct sim_world *world = &scene.sim.world;
    struct sim_part *part = sim_part_new(partition, world->next_block, world->next_block, 0, 0);
    world->next_block++;
    for (const char *day = days; *day != 0; day++) {
        struct sim_row row = {.time = (SCENE_DAY + *day - '0') * LX_DAY_SECONDS + 60,
                              .key = world->ever_count,
                              .value = world->ever_count % 2,
                              .extra = world->has_extra ? 1 + world->ever_count % 2 : 0,
                              .uid = world->ever_count};
        world->ever[world->ever_count++].content = sim_pack(&row);
        sim_list_add(&world->all_versions, sim_pack(&row));
        sim_part_add(part, &row);
    }
    sim_add_part(world, part);
}

int scene_setup(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    memset(&scene, 0, sizeof scene);
    sim_begin(&scene.sim, 1, false, &scene.totals);
    scene.sim.quiet = true;
    scene.sim.fault_rate = scene.sim.flip_rate = 0;
    scene.sim.now_ms = (SCENE_DAY + 5) * LX_DAY_SECONDS * 1000 + 3600000;
    empty_world(&scene.sim.world);
    scene_insert("202602", "001");
    scene_insert("202602", "12");
    scene_insert("202603", "3334");
    scene_insert("202603", "344");
    lx_mem_bucket_hook(scene.sim.bucket, on_store, NULL);
    scene.drop.acts = scene.mask.acts = SIZE_MAX;
    scene.fails_at = LX_STEP_COUNT;
    sim_hold_hot(&scene.ops);
    model = scene.ops;
    scene.ops.drop_parts = drop_parts;
    scene.ops.mask = mask;
    scene.ops.apply_mask = apply_mask;
    scene.actor.sim = &scene.sim;
    scene.actor.number = 1;
    scene.options = &scene.actor.options;
    *scene.options = (struct lx_archive_options){
        .hot = {&scene.ops, &scene.actor},
        .shard = "0",
        .prefix = "events",
        .who = "tester@here",
        .after_days = 1,
        .delete_after = true,
        .masks = true,
        .file_bytes = LX_MIB,
        .memory_bytes = 8 * LX_MIB,
        .delete_wait_ms = 20000,
        .profile = LX_PARQUET_COMPACT,
        .effort = LX_PARQUET_FAST,
        .clock = {now_ms, now_ms, sleep_ms, NULL},
        .random = {fill, NULL},
        .cancel = &scene.actor.cancel,
        .tell = tell,
        .at_step = at_step,
    };
    assert_status(lx_mem_store_open(scene.sim.bucket, 1, &scene.options->store, &err), LX_OK, &err);
    const struct lx_ledger_options ledger = {.store = scene.options->store,
                                             .clock = scene.options->clock,
                                             .random = scene.options->random};
    assert_status(lx_ledger_open(&ledger, &scene.options->ledger, &err), LX_OK, &err);
    return 0;
}

static void close_all(void)
{
    scene_end();
    lx_ledger_close(scene.options->ledger);
    lx_store_close(scene.options->store);
}

int scene_teardown(void **state)
{
    (void)state;
    close_all();
    if (!scene.sim.failed) {
        sim_clean_runs(&scene.sim);
        if (!scene.sim.failed)
            sim_check_final(&scene.sim);
    }
    bool failed = scene.sim.failed;
    if (failed)
        print_error("%s\n", scene.sim.why);
    sim_end(&scene.sim);
    sim_forget_schemas();
    return failed ? -1 : 0;
}

int scene_abandon(void **state)
{
    (void)state;
    close_all();
    sim_end(&scene.sim);
    sim_forget_schemas();
    return 0;
}

/* -- runs ---------------------------------------------------------------------------------- */

void scene_archive(void)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_archive_report report;
    scene.options->soak = true;
    assert_status(lx_archive_run(scene.options, &report, &err), LX_OK, &err);
    scene.options->soak = false;
}

void scene_start(void)
{
    struct lx_err err = LX_ERR_INIT;
    scene.run = (struct lx_run){.o = scene.options, .report = &scene.report};
    scene.run.under_way_end = &scene.run.under_way;
    pthread_mutex_init(&scene.run.step_lock, NULL);
    scene.running = true;
    assert_status(lx_start(&scene.run, &err), LX_OK, &err);
    assert_status(lx_run_parts(&scene.run, lx_run_days_to(&scene.run), &scene.parts, &err), LX_OK,
                  &err);
    scene.heads = 0;
}

void scene_end(void)
{
    if (!scene.running)
        return;
    lx_hot_parts_free(&scene.parts);
    lx_run_free(&scene.run);
    scene.running = false;
}

size_t scene_ids(size_t part, const char *ids[16])
{
    const struct lx_segment **found = NULL;
    size_t count = 0;
    assert_int_equal(lx_segments_of_part(lx_ledger_state(scene.options->ledger), scene.run.source,
                                         &scene.parts.parts[part], &found, &count),
                     LX_OK);
    assert_in_range(count, 0, 15);
    for (size_t i = 0; i < count; i++)
        ids[i] = found[i]->id;
    lx_free(found);
    return count;
}

struct lx_warrant *scene_warrant(size_t part)
{
    const char *ids[16];
    size_t count = scene_ids(part, ids);
    struct lx_warrant *warrant = NULL;
    struct lx_err err = LX_ERR_INIT;
    assert_in_range(count, 1, 15);
    assert_status(lx_warrant_make(&scene.run, ids, count, &warrant, &err), LX_OK, &err);
    return warrant;
}

struct sim_part *scene_part(size_t part)
{
    struct sim_part *found = sim_find_part(&scene.sim.world, scene.parts.parts[part].name);
    assert_non_null(found);
    return found;
}

int64_t scene_hot_rows(void)
{
    int64_t rows = 0;
    for (size_t i = 0; i < scene.sim.world.count; i++)
        rows += (int64_t)scene.sim.world.parts[i]->count;
    return rows;
}

size_t scene_live(void)
{
    struct lx_err err = LX_ERR_INIT;
    assert_status(lx_ledger_refresh(scene.options->ledger, &err), LX_OK, &err);
    return lx_ledger_state(scene.options->ledger)->live_count;
}

/* -- memory -------------------------------------------------------------------------------- */

static bool armed;
static uint64_t asked, target;

static bool fails(void)
{
    return armed && sim_held == 0 && ++asked == target;
}

uint64_t scene_memory(void (*make)(void), enum lx_status (*act)(struct lx_err *err))
{
    void *none = NULL;
    size_t used = 0;
    lx_alloc_judge(fails);
    /* Each of the first, then some: most of the many are the reading of JSON. */
    for (target = 1;; target += target < 100 ? 1 : 7) {
        struct lx_err err = LX_ERR_INIT;
        assert_int_equal(scene_setup(&none), 0);
        make();
        asked = 0;
        armed = true;
        enum lx_status status = act(&err);
        armed = false;
        bool reached = asked >= target;
        if (!reached || status != LX_OK) {
            assert_status(status, reached ? LX_E_MEMORY : LX_OK, &err);
            assert_true(!reached || err.text[0] != 0);
        }
        assert_int_equal(scene_teardown(&none), 0);
        /* The models keep some memory of their own from the first time on. */
        if (target > 1)
            assert_int_equal(lx_alloc_used(), used);
        used = lx_alloc_used();
        if (!reached)
            break;
    }
    lx_alloc_judge(NULL);
    print_message("%llu allocations\n", (unsigned long long)target - 1);
    return target - 1;
}
