#include "archive/file_account.h"

#include "archive/file_stats.h"
#include "base/alloc.h"
#include "base/civil.h"
#include "ledger/ledger_json.h"
#include "parquet/summary.h"

#include <stdlib.h>

bool lx_file_account_is_bad(enum lx_status status)
{
    /* Refused: in a class from which it must be restored first. */
    return lx_status_class(status) == LX_CLASS_corrupt || status == LX_E_NOTFOUND ||
           status == LX_E_UNSUPPORTED || status == LX_E_LIMIT || status == LX_E_REFUSED;
}

void lx_file_account_free(struct lx_file_account *account)
{
    for (size_t i = 0; i < account->claim_count; i++)
        lx_free(account->claims[i].partition);
    lx_free(account->claims);
    lx_row_schema_free(account->schema);
    json_decref(account->schema_json);
    lx_free(account->time_column);
    lx_free(account->create_sql);
    lx_free(account->source);
    lx_free(account->key);
    *account = (struct lx_file_account){0};
}

/* -- the footer ---------------------------------------------------------------------------- */

struct source {
    struct lx_store *store;
    const char *key;
};

static enum lx_status read_at(void *self, int64_t offset, void *bytes, size_t size,
                              struct lx_err *err)
{
    const struct source *source = self;
    return lx_store_read(source->store, source->key, offset, bytes, size, err);
}

static enum lx_status copy_value(const struct lx_parquet_reader *reader, struct lx_str key,
                                 char **copy, struct lx_err *err)
{
    struct lx_str value;
    *copy = NULL;
    if (!lx_parquet_reader_key_value(reader, key, &value))
        return LX_OK;
    *copy = lx_strndup(value.ptr, value.len);
    return *copy != NULL ? LX_OK : lx_err_memory(err);
}

static bool take_u64(const json_t *json, const char *name, uint64_t *value)
{
    const char *text = json_string_value(json_object_get(json, name));
    return text != NULL && lx_str_to_u64(lx_str_of(text), value);
}

static enum lx_status take_claim(const json_t *json, struct lx_claim *claim, struct lx_err *err)
{
    const json_t *partition = json_object_get(json, "partition");
    const json_t *min = json_object_get(json, "min"), *max = json_object_get(json, "max");
    const json_t *rows = json_object_get(json, "rows");
    bool good = json_is_integer(min) && json_is_integer(max) && json_is_integer(rows) &&
                (json_is_string(partition) || json_is_null(partition)) &&
                take_u64(json, "sum", &claim->sum) && take_u64(json, "xor", &claim->xor);
    claim->min_block = json_integer_value(min);
    claim->max_block = json_integer_value(max);
    claim->rows = json_integer_value(rows);
    if (!good || claim->rows < 0)
        return lx_err_set(err, LX_E_FORMAT, "its lynex.segments are not those of a file of lynex");
    if (json_is_string(partition) &&
        (claim->partition = lx_strdup(json_string_value(partition))) == NULL)
        return lx_err_memory(err);
    return LX_OK;
}

static enum lx_status take_claims(struct lx_file_account *account, struct lx_str text,
                                  struct lx_err *err)
{
    json_t *list = NULL;
    int64_t rows = 0;
    LX_TRY(lx_ledger_json_parse_array(text, "its lynex.segments", &list, err));
    size_t count = json_array_size(list);
    enum lx_status status = LX_OK;
    if (count > LX_ACCOUNT_MAX_CLAIMS)
        status = lx_err_set(err, LX_E_FORMAT, "its lynex.segments are too many");
    if (status == LX_OK &&
        (account->claims = lx_calloc(count + 1, sizeof *account->claims)) == NULL)
        status = lx_err_memory(err);
    for (size_t i = 0; status == LX_OK && i < count; i++) {
        struct lx_claim *claim = &account->claims[account->claim_count++];
        status = take_claim(json_array_get(list, i), claim, err);
        if (status == LX_OK && __builtin_add_overflow(rows, claim->rows, &rows))
            status = lx_err_set(err, LX_E_FORMAT, "its lynex.segments hold too many rows");
        account->sum += claim->sum;
        account->xor ^= claim->xor ;
    }
    json_decref(list);
    if (status == LX_OK && rows != account->rows)
        status = lx_err_set(err, LX_E_MISMATCH, "it has %lld rows, its lynex.segments %lld",
                            (long long)account->rows, (long long)rows);
    return status;
}

static enum lx_status take_schema(struct lx_file_account *account, struct lx_str text,
                                  struct lx_str id, struct lx_err *err)
{
    LX_TRY(lx_ledger_json_parse(text, "its lynex.schema", &account->schema_json, err));
    LX_TRY(lx_row_schema_from_json(account->schema_json, &account->schema, err));
    if (!lx_str_is(id, account->schema->id))
        return lx_err_set(err, LX_E_FORMAT, "its lynex.schema does not have the id %.*s",
                          LX_STR_ARG(id));
    return LX_OK;
}

static enum lx_status take_all(const struct lx_parquet_reader *reader,
                               struct lx_file_account *account, struct lx_err *err)
{
    struct lx_str batch, schema, id, segments;
    account->rows = lx_parquet_reader_metadata(reader)->rows;
    if (!lx_parquet_reader_key_value(reader, LX_STR("lynex.batch"), &batch) ||
        !lx_parquet_reader_key_value(reader, LX_STR("lynex.schema"), &schema) ||
        !lx_parquet_reader_key_value(reader, LX_STR("lynex.schema.id"), &id) ||
        !lx_parquet_reader_key_value(reader, LX_STR("lynex.segments"), &segments) ||
        batch.len != LX_LEDGER_ID - 1)
        return lx_err_set(err, LX_E_UNSUPPORTED, "it was not written by lynex");
    memcpy(account->batch, batch.ptr, batch.len);
    LX_TRY(copy_value(reader, LX_STR("lynex.source"), &account->source, err));
    LX_TRY(copy_value(reader, LX_STR("lynex.create"), &account->create_sql, err));
    LX_TRY(copy_value(reader, LX_STR("lynex.time_column"), &account->time_column, err));
    if (account->source == NULL || account->create_sql == NULL)
        return lx_err_set(err, LX_E_UNSUPPORTED, "it does not say which table it is of");
    LX_TRY(take_schema(account, schema, id, err));
    return take_claims(account, segments, err);
}

enum lx_status lx_file_account_read(struct lx_store *store, const char *key, int64_t size,
                                    struct lx_file_account *account, struct lx_err *err)
{
    struct source self = {store, key};
    struct lx_parquet_source source = {read_at, &self, size};
    struct lx_parquet_reader_options options = {0};
    struct lx_parquet_reader *reader = NULL;
    *account = (struct lx_file_account){.size = size, .last_second = LX_TIME_FIRST};
    if ((account->key = lx_strdup(key)) == NULL)
        return lx_err_memory(err);
    enum lx_status status = lx_parquet_reader_open(&source, &options, &reader, err);
    if (status == LX_OK)
        status = take_all(reader, account, err);
    lx_parquet_reader_close(reader);
    if (status != LX_OK)
        lx_err_context(err, "%s", key);
    return status;
}

enum lx_status lx_file_account_stats(struct lx_store *store, const struct lx_file_account *account,
                                     char **stats, char **tags, struct lx_err *err)
{
    struct source self = {store, account->key};
    struct lx_parquet_source source = {read_at, &self, account->size};
    struct lx_parquet_reader_options options = {0};
    struct lx_parquet_reader *reader = NULL;
    struct lx_parquet_file_info *info = NULL;
    *stats = *tags = NULL;
    enum lx_status status = lx_parquet_reader_open(&source, &options, &reader, err);
    if (status == LX_OK)
        status = lx_parquet_summary_make(reader, &info, err);
    if (status == LX_OK) {
        *stats = lx_file_stats(lx_parquet_reader_metadata(reader)->schema.fields, info);
        *tags = lx_file_bloom_tag(info);
        status = *stats != NULL ? LX_OK : lx_err_memory(err);
    }
    lx_parquet_summary_free(info);
    lx_parquet_reader_close(reader);
    return status;
}

/* -- the rows ------------------------------------------------------------------------------ */

typedef enum lx_status (*take_block)(void *context, const struct lx_file_rows *rows,
                                     struct lx_err *err);

static enum lx_status read_blocks(const struct lx_account_reading *how, const char *key,
                                  int64_t size, const struct lx_row_schema *schema, take_block take,
                                  void *context, struct lx_err *err)
{
    const struct lx_file_scan_options options = {.store = how->store,
                                                 .key = key,
                                                 .size = size,
                                                 .schema = schema,
                                                 .pool = how->pool,
                                                 .memory_bytes = how->memory_bytes};
    struct lx_file_scan *scan = NULL;
    struct lx_file_rows rows = {0};
    enum lx_status status = lx_file_scan_open(&options, &scan, err);
    while (status == LX_OK) {
        if (lx_cancel_asked(how->cancel))
            status = lx_err_set(err, LX_E_CANCELLED, "interrupted while reading %s", key);
        if (status == LX_OK)
            status = lx_file_scan_next(scan, &rows, err);
        if (status != LX_OK || rows.rows == 0)
            break;
        status = take(context, &rows, err);
    }
    lx_file_scan_close(scan);
    return status;
}

struct visiting {
    lx_account_visit visit;
    void *context;
};

static enum lx_status visit_block(void *context, const struct lx_file_rows *rows,
                                  struct lx_err *err)
{
    const struct visiting *v = context;
    for (int64_t i = 0; i < rows->rows; i++)
        LX_TRY(v->visit(v->context, rows->hashes[i], err));
    return LX_OK;
}

enum lx_status lx_account_hashes(const struct lx_account_reading *how, const char *key,
                                 int64_t size, const struct lx_row_schema *schema,
                                 lx_account_visit visit, void *context, struct lx_err *err)
{
    struct visiting v = {visit, context};
    return read_blocks(how, key, size, schema, visit_block, &v, err);
}

struct proving {
    const struct lx_ch_type *time;
    size_t time_field;
    int64_t last_second;
    int64_t rows;
    uint64_t sum, xor;
    lx_account_visit visit;
    void *context;
};

static int64_t second_of(const struct lx_ch_type *type, struct lx_str value)
{
    uint64_t bits = 0;
    bool days = type->kind == LX_CH_DATE || type->kind == LX_CH_DATE32;
    int64_t scale = 1;
    memcpy(&bits, value.ptr, value.len < sizeof bits ? value.len : sizeof bits);
    if (type->kind == LX_CH_DATE32)
        bits = (uint64_t)(int64_t)(int32_t)(uint32_t)bits;
    for (uint32_t i = 0; type->kind == LX_CH_DATETIME64 && i < type->precision; i++)
        scale *= 10;
    return days ? (int64_t)bits * LX_DAY_SECONDS : lx_floor_div((int64_t)bits, scale);
}

static enum lx_status prove_block(void *context, const struct lx_file_rows *rows,
                                  struct lx_err *err)
{
    struct proving *p = context;
    const struct lx_column *time = rows->columns[p->time_field];
    p->rows += rows->rows;
    for (int64_t i = 0; i < rows->rows; i++) {
        p->sum += rows->hashes[i];
        p->xor ^= rows->hashes[i];
        LX_TRY(p->visit(p->context, rows->hashes[i], err));
        if (lx_column_is_null(time, i))
            continue;
        int64_t second = second_of(p->time, lx_column_value(time, i));
        p->last_second = second > p->last_second ? second : p->last_second;
    }
    return LX_OK;
}

static enum lx_status find_time(const struct lx_file_account *account, const char *name,
                                struct proving *p, struct lx_err *err)
{
    for (size_t i = 0; i < account->schema->field_count; i++) {
        const struct lx_ch_type *type = &account->schema->fields[i].type;
        bool time = type->kind == LX_CH_DATE || type->kind == LX_CH_DATE32 ||
                    type->kind == LX_CH_DATETIME || type->kind == LX_CH_DATETIME64;
        if (!time || strcmp(account->schema->fields[i].name, name) != 0)
            continue;
        p->time = type;
        p->time_field = i;
        return LX_OK;
    }
    return lx_err_set(err, LX_E_ARGUMENT, "%s has no column %s of times", account->key, name);
}

enum lx_status lx_file_account_prove(const struct lx_account_reading *how,
                                     struct lx_file_account *account, const char *time_column,
                                     lx_account_visit visit, void *context, struct lx_err *err)
{
    struct proving p = {.last_second = LX_TIME_FIRST, .visit = visit, .context = context};
    LX_TRY(find_time(account, time_column, &p, err));
    LX_TRY(read_blocks(how, account->key, account->size, account->schema, prove_block, &p, err));
    account->last_second = p.last_second;
    if (p.rows == account->rows && p.sum == account->sum && p.xor == account->xor)
        return LX_OK;
    return lx_err_set(err, LX_E_MISMATCH,
                      "%s: its %lld rows hash to the sums %llu and %llu, ClickHouse's hashes of "
                      "them to %llu and %llu",
                      account->key, (long long)p.rows, (unsigned long long)p.sum,
                      (unsigned long long)p.xor, (unsigned long long)account->sum,
                      (unsigned long long)account->xor);
}
