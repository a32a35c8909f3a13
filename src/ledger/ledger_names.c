#include "ledger/ledger_names.h"

#include "base/limits.h"
#include "ledger/ledger.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define VERSION_DIGITS 20
#define CHECKPOINT_ENDING ".checkpoint.parquet"

static bool is_plain(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum lx_status put_percent(struct lx_buf *out, char c)
{
    static const char digits[] = "0123456789ABCDEF";
    unsigned byte = (unsigned char)c;
    char text[3] = {'%', digits[byte >> 4], digits[byte & 15]};
    return lx_buf_append(out, text, sizeof text);
}

/* -- log files ----------------------------------------------------------------------------- */

void lx_ledger_commit_key(int64_t version, char key[LX_LEDGER_KEY])
{
    assert(version >= 0 && version <= LX_LEDGER_MAX_VERSION);
    snprintf(key, LX_LEDGER_KEY, LX_LEDGER_LOG "%0*" PRId64 ".json", VERSION_DIGITS, version);
}

void lx_ledger_checkpoint_key(int64_t version, char key[LX_LEDGER_CHECKPOINT_KEY])
{
    assert(version >= 0 && version <= LX_LEDGER_MAX_VERSION);
    snprintf(key, LX_LEDGER_CHECKPOINT_KEY, LX_LEDGER_LOG "%0*" PRId64 CHECKPOINT_ENDING,
             VERSION_DIGITS, version);
}

enum lx_ledger_log_file lx_ledger_log_file_of(const char *key, int64_t *version)
{
    struct lx_str name = lx_str_of(key), log = LX_STR(LX_LEDGER_LOG);
    if (!lx_str_starts(name, log) || name.len < log.len + VERSION_DIGITS)
        return LX_LOG_OTHER;
    name = (struct lx_str){name.ptr + log.len, name.len - log.len};
    uint64_t number;
    if (!lx_str_to_u64((struct lx_str){name.ptr, VERSION_DIGITS}, &number) ||
        number > (uint64_t)LX_LEDGER_MAX_VERSION)
        return LX_LOG_OTHER;
    struct lx_str rest = {name.ptr + VERSION_DIGITS, name.len - VERSION_DIGITS};
    enum lx_ledger_log_file file = LX_LOG_OTHER;
    if (lx_str_is(rest, ".json"))
        file = LX_LOG_COMMIT;
    else if (lx_str_is(rest, CHECKPOINT_ENDING))
        file = LX_LOG_CHECKPOINT;
    else if (lx_str_starts(rest, LX_STR(".checkpoint.")))
        file = LX_LOG_CHECKPOINT_OTHER;
    if (file != LX_LOG_OTHER)
        *version = (int64_t)number;
    return file;
}

/* -- ids and paths ------------------------------------------------------------------------- */

bool lx_ledger_id_ok(const char *id)
{
    size_t i = 0;
    for (; id[i] != 0; i++) {
        if (i >= LX_LEDGER_ID - 1 || hex_value(id[i]) < 0 || (id[i] >= 'A' && id[i] <= 'F'))
            return false;
    }
    return i == LX_LEDGER_ID - 1;
}

bool lx_ledger_schema_id_ok(const char *id)
{
    size_t i = 0;
    for (; id[i] != 0; i++) {
        if (i >= LX_LEDGER_ID - 1 || !is_plain(id[i]))
            return false;
    }
    return i > 0;
}

/* No empty part, no "." or "..": the path stays within the root, and has one spelling. */
static bool parts_ok(struct lx_str path)
{
    if (path.len == 0 || path.len > LX_MAX_NAME)
        return false;
    size_t start = 0;
    for (size_t i = 0; i <= path.len; i++) {
        if (i < path.len && path.ptr[i] == 0)
            return false;
        if (i < path.len && path.ptr[i] != '/')
            continue;
        struct lx_str part = {path.ptr + start, i - start};
        if (part.len == 0 || lx_str_is(part, ".") || lx_str_is(part, ".."))
            return false;
        start = i + 1;
    }
    return true;
}

bool lx_ledger_path_ok(const char *path)
{
    for (const char *c = path; *c != 0; c++) {
        if (!is_plain(*c) && *c != '.' && *c != '=' && *c != '/')
            return false;
    }
    struct lx_str text = lx_str_of(path);
    return parts_ok(text) && !lx_str_starts(text, LX_STR(LX_LEDGER_LOG));
}

/* Decodes %XX, once. LX_E_FORMAT where a '%' is not followed by two digits, or hides a NUL. */
static enum lx_status decode(struct lx_buf *out, struct lx_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int high = i + 2 < text.len ? hex_value(text.ptr[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_value(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0 || (high == 0 && low == 0))
                return LX_E_FORMAT;
            c = (char)(high * 16 + low);
            i += 2;
        }
        LX_TRY(lx_buf_byte(out, (uint8_t)c));
    }
    return lx_buf_text(out, "");
}

enum lx_status lx_ledger_path_key(const char *path, struct lx_buf *key, struct lx_err *err)
{
    size_t before = key->len;
    enum lx_status status = decode(key, lx_str_of(path));
    if (status == LX_OK) {
        struct lx_str made = {(const char *)key->data + before, key->len - before};
        size_t first = strcspn(path, ":/");
        bool absolute = path[first] == ':'; /* a URI with a scheme: another place */
        if (absolute || !parts_ok(made))
            status = LX_E_FORMAT;
    }
    if (status == LX_OK)
        return LX_OK;
    key->len = before;
    if (status == LX_E_MEMORY)
        return lx_err_memory(err);
    return lx_err_set(err, status, "\"%s\" is not a path within the root of the archive", path);
}

/* -- domains ------------------------------------------------------------------------------- */

enum lx_status lx_ledger_encode_name(struct lx_buf *out, struct lx_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (is_plain(name.ptr[i]))
            LX_TRY(lx_buf_byte(out, (uint8_t)name.ptr[i]));
        else
            LX_TRY(put_percent(out, name.ptr[i]));
    }
    return lx_buf_text(out, "");
}

enum lx_status lx_ledger_decode_name(struct lx_buf *out, struct lx_str text)
{
    size_t before = out->len;
    enum lx_status status = decode(out, text);
    struct lx_buf again = LX_BUF(LX_LEDGER_MAX_NAME * 3);
    if (status == LX_OK) {
        struct lx_str made = {(const char *)out->data + before, out->len - before};
        status = lx_ledger_encode_name(&again, made);
    }
    if (status == LX_OK && !lx_str_equal(lx_buf_view(&again), text))
        status = LX_E_FORMAT;
    lx_buf_free(&again);
    if (status != LX_OK)
        out->len = before;
    return status;
}

enum lx_status lx_ledger_hot_name(struct lx_buf *name, const char *source, const char *partition)
{
    LX_TRY(lx_buf_text(name, "lynex.hot."));
    LX_TRY(lx_ledger_encode_name(name, lx_str_of(source)));
    LX_TRY(lx_buf_text(name, "."));
    return lx_ledger_encode_name(name, lx_str_of(partition));
}

enum lx_status lx_ledger_ended_name(struct lx_buf *name, const char *source)
{
    LX_TRY(lx_buf_text(name, "lynex.ended."));
    return lx_ledger_encode_name(name, lx_str_of(source));
}

enum lx_status lx_ledger_schema_name(struct lx_buf *name, const char *id)
{
    LX_TRY(lx_buf_text(name, "lynex.schema."));
    return lx_ledger_encode_name(name, lx_str_of(id));
}

/* -- sources ------------------------------------------------------------------------------- */

static enum lx_status put_source_part(struct lx_buf *out, struct lx_str part, const char *encoded)
{
    for (size_t i = 0; i < part.len; i++) {
        char c = part.ptr[i];
        if (c == 0)
            return LX_E_ARGUMENT;
        if (strchr(encoded, c) != NULL)
            LX_TRY(put_percent(out, c));
        else
            LX_TRY(lx_buf_byte(out, (uint8_t)c));
    }
    return LX_OK;
}

enum lx_status lx_source_make(struct lx_buf *source, struct lx_str shard, struct lx_str database,
                              struct lx_str table, struct lx_str uuid)
{
    LX_TRY(put_source_part(source, shard, "%/"));
    LX_TRY(lx_buf_byte(source, '/'));
    LX_TRY(put_source_part(source, database, "%/."));
    LX_TRY(lx_buf_byte(source, '.'));
    LX_TRY(put_source_part(source, table, "%/"));
    LX_TRY(lx_buf_byte(source, '/'));
    LX_TRY(put_source_part(source, uuid, ""));
    return lx_buf_text(source, "");
}

/* Bytes up to and with the second '/'; all of them where there are fewer. */
static size_t table_length(const char *source)
{
    const char *slash = strchr(source, '/');
    slash = slash != NULL ? strchr(slash + 1, '/') : NULL;
    return slash != NULL ? (size_t)(slash - source) + 1 : strlen(source);
}

bool lx_source_same_table(const char *a, const char *b)
{
    return lx_str_equal((struct lx_str){a, table_length(a)}, (struct lx_str){b, table_length(b)});
}
