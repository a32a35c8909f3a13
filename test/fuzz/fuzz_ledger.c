/* libFuzzer: the replay of a log. The first byte says which version the rest is: even, version 0;
 * odd, version 1 behind a good one. What is read at once and what is read step by step must be the
 * same, and a failed refresh must leave a whole state. */
#include "fuzz.h"
#include "ledger/ledger.h"
#include "mem_store.h"

static const char good[] =
    "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":7,"
    "\"writerFeatures\":[\"domainMetadata\"]}}\n"
    "{\"metaData\":{\"id\":\"t\",\"format\":{\"provider\":\"parquet\",\"options\":{}},"
    "\"schemaString\":\"{}\",\"partitionColumns\":[],\"configuration\":{}}}\n"
    "{\"add\":{\"path\":\"a\",\"partitionValues\":{},\"size\":1,\"modificationTime\":2,"
    "\"dataChange\":true}}\n"
    "{\"domainMetadata\":{\"domain\":\"lynex.hot.s.p\",\"configuration\":\"{\\\"format\\\":1,"
    "\\\"segments\\\":[{\\\"id\\\":\\\"00000000000000000000000000000001\\\",\\\"blocks\\\":[1,2],"
    "\\\"rows\\\":3,\\\"sum\\\":\\\"4\\\",\\\"xor\\\":\\\"5\\\",\\\"schema\\\":\\\"s\\\","
    "\\\"where\\\":[{\\\"path\\\":\\\"a\\\",\\\"first\\\":0,\\\"rows\\\":3}]}]}\","
    "\"removed\":false}}\n";

static const char *const keys[] = {"_delta_log/00000000000000000000.json",
                                   "_delta_log/00000000000000000001.json"};

static enum lx_status open_ledger(struct lx_store *store, struct lx_ledger **ledger)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_ledger_options options = {
        .store = store, .clock = lx_clock_system(), .random = lx_random_system()};
    enum lx_status status = lx_ledger_open(&options, ledger, &err);
    require(status == LX_OK || err.text[0] != 0, "a failure without a word");
    return status;
}

static bool same(const struct lx_ledger_state *a, const struct lx_ledger_state *b)
{
    bool equal = a->version == b->version && a->file_count == b->file_count &&
                 a->live_count == b->live_count && a->ended_count == b->ended_count;
    for (size_t i = 0; equal && i < a->file_count; i++)
        equal = strcmp(a->files[i].path, b->files[i].path) == 0;
    for (size_t i = 0; equal && i < a->live_count; i++)
        equal = strcmp(a->live[i].id, b->live[i].id) == 0;
    return equal;
}

static void put(struct lx_mem_bucket *bucket, int version, const void *bytes, size_t size)
{
    require(lx_mem_bucket_put(bucket, keys[version], bytes, size), "no memory");
}

static void fuzz_second(struct lx_mem_bucket *bucket, struct lx_store *store, const uint8_t *bytes,
                        size_t size)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_ledger *stepwise, *fresh;
    put(bucket, 0, good, sizeof good - 1);
    require(open_ledger(store, &stepwise) == LX_OK, "the good version cannot be read");
    put(bucket, 1, bytes, size);
    enum lx_status status = lx_ledger_refresh(stepwise, &err);
    const struct lx_ledger_state *now = lx_ledger_state(stepwise);
    enum lx_status at_once = open_ledger(store, &fresh);
    require(status == at_once, "a refresh and an open differ");
    if (status == LX_OK) {
        require(same(now, lx_ledger_state(fresh)), "states differ");
        lx_ledger_close(fresh);
    } else {
        require(now->version == 0 && now->file_count == 1 && now->live_count == 1,
                "a failure changed the state");
    }
    lx_ledger_close(stepwise);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct lx_store *store;
    if (size == 0)
        return 0;
    struct lx_mem_bucket *bucket = lx_mem_bucket_create();
    require(bucket != NULL, "no memory");
    require(lx_mem_store_open(bucket, 1, &store, NULL) == LX_OK, "no store");
    if (bytes[0] % 2 != 0) {
        fuzz_second(bucket, store, bytes + 1, size - 1);
    } else {
        struct lx_ledger *ledger;
        put(bucket, 0, bytes + 1, size - 1);
        if (open_ledger(store, &ledger) == LX_OK)
            lx_ledger_close(ledger);
    }
    lx_store_close(store);
    lx_mem_bucket_destroy(bucket);
    return 0;
}
