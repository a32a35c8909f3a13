/* Verify: a listed file read back and held against the sums that were proven when it was archived.
 */
#include "archive/run.h"

#include "archive/file_scan.h"
#include "base/limits.h"

#define LEAST_MEMORY (256 * LX_MIB)

static enum lx_status read_all(struct lx_file_scan *scan, struct lx_verified *verified,
                               struct lx_err *err)
{
    struct lx_file_rows rows = {0};
    for (;;) {
        LX_TRY(lx_file_scan_next(scan, &rows, err));
        if (rows.rows == 0)
            return LX_OK;
        for (int64_t i = 0; i < rows.rows; i++) {
            verified->sum += rows.hashes[i];
            verified->xor ^= rows.hashes[i];
        }
        verified->rows += rows.rows;
    }
}

static enum lx_status compare(const struct lx_ledger_file *file, const struct lx_verified *found,
                              struct lx_err *err)
{
    if (found->rows == file->rows && found->sum == file->sum && found->xor == file->xor)
        return LX_OK;
    return lx_err_set(err, LX_E_MISMATCH,
                      "%s holds %lld rows with the sums %llu and %llu, the ledger proved %lld rows "
                      "with %llu and %llu",
                      file->path, (long long)found->rows, (unsigned long long)found->sum,
                      (unsigned long long)found->xor, (long long)file->rows,
                      (unsigned long long)file->sum, (unsigned long long)file->xor);
}

enum lx_status lx_archive_verify_file(const struct lx_verify_how *how,
                                      const struct lx_ledger_file *file,
                                      struct lx_verified *verified, struct lx_err *err)
{
    struct lx_buf key = LX_BUF(LX_MAX_NAME);
    struct lx_row_schema *schema = NULL;
    struct lx_file_scan *scan = NULL;
    struct lx_object object;
    *verified = (struct lx_verified){0};
    if (file->schema[0] == 0)
        return lx_err_set(err, LX_E_UNSUPPORTED,
                          "%s was not written by lynex: the ledger has no "
                          "sums of its rows",
                          file->path);
    const json_t *json = lx_ledger_schema(how->ledger, file->schema);
    enum lx_status status =
        json != NULL ? lx_row_schema_from_json(json, &schema, err)
                     : lx_err_set(err, LX_E_FORMAT, "the ledger does not hold the row schema %s",
                                  file->schema);
    if (status == LX_OK)
        status = lx_ledger_path_key(file->path, &key, err);
    if (status == LX_OK)
        status = lx_store_head(how->store, lx_buf_cstr(&key), &object, err);
    if (status == LX_OK && object.size != file->size)
        status = lx_err_set(err, LX_E_MISMATCH, "%s has %lld bytes, the ledger says %lld",
                            file->path, (long long)object.size, (long long)file->size);
    if (status == LX_OK) {
        const struct lx_file_scan_options options = {
            .store = how->store,
            .key = lx_buf_cstr(&key),
            .size = object.size,
            .schema = schema,
            .pool = how->pool,
            .memory_bytes = how->memory_bytes > LEAST_MEMORY ? how->memory_bytes : LEAST_MEMORY};
        status = lx_file_scan_open(&options, &scan, err);
    }
    if (status == LX_OK)
        status = read_all(scan, verified, err);
    if (status == LX_OK)
        status = compare(file, verified, err);
    lx_file_scan_close(scan);
    lx_row_schema_free(schema);
    lx_buf_free(&key);
    return status;
}
