#include "ledger/ledger_json.h"

#include "ledger/ledger.h"

#include <inttypes.h>
#include <stdio.h>

struct dump {
    struct lx_buf *text;
    enum lx_status status;
};

static int dump_piece(const char *bytes, size_t size, void *data)
{
    struct dump *dump = data;
    /* jansson goes on after a failure on a member's name: nothing may follow on a piece that is
     * missing. */
    if (dump->status == LX_OK)
        dump->status = lx_buf_append(dump->text, bytes, size);
    return dump->status == LX_OK ? 0 : -1;
}

enum lx_status lx_ledger_json_dump(const json_t *json, struct lx_buf *text, struct lx_err *err)
{
    return lx_ledger_json_dump_as(json, JSON_COMPACT, text, err);
}

enum lx_status lx_ledger_json_dump_as(const json_t *json, size_t flags, struct lx_buf *text,
                                      struct lx_err *err)
{
    struct dump dump = {text, LX_OK};
    size_t before = text->len;
    bool failed = json_dump_callback(json, dump_piece, &dump, flags | JSON_ENCODE_ANY) != 0;
    enum lx_status status = failed && dump.status == LX_OK ? LX_E_MEMORY : dump.status;
    if (status == LX_OK)
        status = lx_buf_text(text, ""); /* the NUL behind it */
    if (status != LX_OK) {
        text->len = before;
        return status == LX_E_MEMORY
                   ? lx_err_memory(err)
                   : lx_err_set(err, status, "JSON text longer than %zu bytes", text->max);
    }
    return LX_OK;
}

/* The member, or NULL where it is absent or null. */
static const json_t *member(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_null(value) ? NULL : value;
}

static enum lx_status absent(const char *where, const char *name, struct lx_err *err)
{
    return lx_err_set(err, LX_E_FORMAT, "%s: \"%s\" is missing", where, name);
}

static enum lx_status wrong_type(const char *where, const char *name, const char *wanted,
                                 struct lx_err *err)
{
    return lx_err_set(err, LX_E_FORMAT, "%s: \"%s\" is not %s", where, name, wanted);
}

enum lx_status lx_ledger_json_text_or(const json_t *object, const char *where, const char *name,
                                      const char *otherwise, const char **text, struct lx_err *err)
{
    const json_t *value = member(object, name);
    if (value != NULL && !json_is_string(value))
        return wrong_type(where, name, "a string", err);
    *text = value != NULL ? json_string_value(value) : otherwise;
    return LX_OK;
}

enum lx_status lx_ledger_json_text(const json_t *object, const char *where, const char *name,
                                   const char **text, struct lx_err *err)
{
    if (member(object, name) == NULL)
        return absent(where, name, err);
    return lx_ledger_json_text_or(object, where, name, NULL, text, err);
}

enum lx_status lx_ledger_json_int_or(const json_t *object, const char *where, const char *name,
                                     int64_t otherwise, int64_t *number, struct lx_err *err)
{
    const json_t *value = member(object, name);
    if (value != NULL && !json_is_integer(value))
        return wrong_type(where, name, "an integer", err);
    *number = value != NULL ? json_integer_value(value) : otherwise;
    return LX_OK;
}

enum lx_status lx_ledger_json_int(const json_t *object, const char *where, const char *name,
                                  int64_t *value, struct lx_err *err)
{
    if (member(object, name) == NULL)
        return absent(where, name, err);
    return lx_ledger_json_int_or(object, where, name, 0, value, err);
}

enum lx_status lx_ledger_json_bool_or(const json_t *object, const char *where, const char *name,
                                      bool otherwise, bool *flag, struct lx_err *err)
{
    const json_t *value = member(object, name);
    if (value != NULL && !json_is_boolean(value))
        return wrong_type(where, name, "true or false", err);
    *flag = value != NULL ? json_is_true(value) : otherwise;
    return LX_OK;
}

enum lx_status lx_ledger_json_u64(const json_t *object, const char *where, const char *name,
                                  uint64_t *value, struct lx_err *err)
{
    const char *text;
    LX_TRY(lx_ledger_json_text(object, where, name, &text, err));
    if (!lx_str_to_u64(lx_str_of(text), value))
        return wrong_type(where, name, "an unsigned 64-bit number as text", err);
    return LX_OK;
}

enum lx_status lx_ledger_json_array_or(const json_t *object, const char *where, const char *name,
                                       const json_t **json, struct lx_err *err)
{
    const json_t *value = member(object, name);
    if (value != NULL && !json_is_array(value))
        return wrong_type(where, name, "an array", err);
    *json = value;
    return LX_OK;
}

enum lx_status lx_ledger_json_object_or(const json_t *object, const char *where, const char *name,
                                        const json_t **json, struct lx_err *err)
{
    const json_t *value = member(object, name);
    if (value != NULL && !json_is_object(value))
        return wrong_type(where, name, "an object", err);
    *json = value;
    return LX_OK;
}

/* -- building ------------------------------------------------------------------------------ */

bool lx_ledger_json_put(json_t *object, const char *name, json_t *value)
{
    return json_object_set_new(object, name, value) == 0; /* a NULL value fails, too */
}

bool lx_ledger_json_put_u64(json_t *object, const char *name, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    return lx_ledger_json_put(object, name, json_string(text));
}
