/* store.c: the public face: keys are checked here, then the driver does the work. */
#include "store/store_private.h"

#include "base/alloc.h"
#include "base/limits.h"

#define COPY_BYTES ((int64_t)(4 * LX_MIB)) /* of an object that is copied, at a time */

struct lx_store {
    const struct lx_store_driver *driver;
    void *self;
};

struct lx_upload {
    struct lx_store *store;
    void *self;
};

enum lx_status lx_store_wrap(const struct lx_store_driver *driver, void *self,
                             struct lx_store **out, struct lx_err *err)
{
    struct lx_store *store = lx_calloc(1, sizeof *store);
    if (store == NULL) {
        driver->close(self);
        return lx_err_memory(err);
    }
    store->driver = driver;
    store->self = self;
    *out = store;
    return LX_OK;
}

void lx_store_close(struct lx_store *store)
{
    if (store == NULL)
        return;
    store->driver->close(store->self);
    lx_free(store);
}

/* Control characters and backslashes would mean other things to other readers. */
static bool is_bad_character(unsigned char c)
{
    return c < 0x20 || c == 0x7f || c == '\\';
}

enum lx_status lx_store_check_key(const char *key, struct lx_err *err)
{
    size_t size = key != NULL ? strlen(key) : 0, start = 0;
    if (size == 0 || size > LX_MAX_NAME)
        return lx_err_set(err, LX_E_ARGUMENT, "an object's key has %zu bytes, 1 to %d are allowed",
                          size, LX_MAX_NAME);
    for (size_t i = 0; i <= size; i++) {
        if (i < size && is_bad_character((unsigned char)key[i]))
            return lx_err_set(err, LX_E_ARGUMENT,
                              "the key %s holds a character that is not allowed", key);
        if (i < size && key[i] != '/')
            continue;
        struct lx_str part = {key + start, i - start};
        if (part.len == 0 || lx_str_is(part, ".") || lx_str_is(part, ".."))
            return lx_err_set(err, LX_E_ARGUMENT,
                              "the key %s would leave the root, or has an empty "
                              "part",
                              key);
        start = i + 1;
    }
    return LX_OK;
}

enum lx_status lx_store_put(struct lx_store *store, const char *key, const void *bytes, size_t size,
                            const struct lx_put *put, struct lx_object *object, struct lx_err *err)
{
    LX_TRY(lx_store_check_key(key, err));
    return store->driver->put(store->self, key, bytes, size, put, object, err);
}

enum lx_status lx_store_upload_begin(struct lx_store *store, const char *key,
                                     const struct lx_put *put, struct lx_upload **out,
                                     struct lx_err *err)
{
    LX_TRY(lx_store_check_key(key, err));
    struct lx_upload *upload = lx_calloc(1, sizeof *upload);
    if (upload == NULL)
        return lx_err_memory(err);
    upload->store = store;
    struct lx_put how = put != NULL ? *put : (struct lx_put){0};
    how.if_absent = true;
    enum lx_status status = store->driver->upload_begin(store->self, key, &how, &upload->self, err);
    if (status != LX_OK) {
        lx_free(upload);
        return status;
    }
    *out = upload;
    return LX_OK;
}

enum lx_status lx_store_upload_write(struct lx_upload *upload, const void *bytes, size_t size,
                                     struct lx_err *err)
{
    return upload->store->driver->upload_write(upload->store->self, upload->self, bytes, size, err);
}

enum lx_status lx_store_upload_rekey(struct lx_upload *upload, const char *key, struct lx_err *err)
{
    LX_TRY(lx_store_check_key(key, err));
    return upload->store->driver->upload_rekey(upload->store->self, upload->self, key, err);
}

enum lx_status lx_store_upload_finish(struct lx_upload *upload, struct lx_object *object,
                                      struct lx_err *err)
{
    enum lx_status status =
        upload->store->driver->upload_finish(upload->store->self, upload->self, object, err);
    if (status != LX_E_EXISTS)
        lx_free(upload);
    return status;
}

void lx_store_upload_abort(struct lx_upload *upload)
{
    if (upload == NULL)
        return;
    upload->store->driver->upload_abort(upload->store->self, upload->self);
    lx_free(upload);
}

enum lx_status lx_store_read(struct lx_store *store, const char *key, int64_t offset, void *bytes,
                             size_t size, struct lx_err *err)
{
    LX_TRY(lx_store_check_key(key, err));
    if (offset < 0)
        return lx_err_set(err, LX_E_ARGUMENT, "reading %s from before its start", key);
    return size == 0 ? LX_OK : store->driver->read(store->self, key, offset, bytes, size, err);
}

enum lx_status lx_store_get(struct lx_store *store, const char *key, struct lx_buf *bytes,
                            struct lx_object *object, struct lx_err *err)
{
    struct lx_object ignored;
    LX_TRY(lx_store_check_key(key, err));
    return store->driver->get(store->self, key, bytes, object != NULL ? object : &ignored, err);
}

enum lx_status lx_store_head(struct lx_store *store, const char *key, struct lx_object *object,
                             struct lx_err *err)
{
    LX_TRY(lx_store_check_key(key, err));
    return store->driver->head(store->self, key, object, err);
}

static enum lx_status copy_bytes(struct lx_store *store, const char *from, int64_t size,
                                 struct lx_upload *upload, struct lx_err *err)
{
    uint8_t *piece = lx_malloc(COPY_BYTES);
    enum lx_status status = piece != NULL ? LX_OK : lx_err_memory(err);
    for (int64_t at = 0; status == LX_OK && at < size; at += COPY_BYTES) {
        size_t now = size - at < COPY_BYTES ? (size_t)(size - at) : COPY_BYTES;
        status = lx_store_read(store, from, at, piece, now, err);
        if (status == LX_OK)
            status = lx_store_upload_write(upload, piece, now, err);
    }
    lx_free(piece);
    return status;
}

enum lx_status lx_store_copy(struct lx_store *store, const char *from, int64_t size, const char *to,
                             const struct lx_put *put, struct lx_err *err)
{
    struct lx_upload *upload = NULL;
    struct lx_object object;
    LX_TRY(lx_store_upload_begin(store, to, put, &upload, err));
    enum lx_status status = copy_bytes(store, from, size, upload, err);
    bool finished = status == LX_OK;
    if (finished)
        status = lx_store_upload_finish(upload, &object, err);
    if (!finished || status == LX_E_EXISTS)
        lx_store_upload_abort(upload);
    return status;
}

enum lx_status lx_store_delete(struct lx_store *store, const char *key, struct lx_err *err)
{
    LX_TRY(lx_store_check_key(key, err));
    return store->driver->remove(store->self, key, err);
}

enum lx_status lx_store_list(struct lx_store *store, const char *prefix, const char *after,
                             lx_store_visit visit, void *context, struct lx_err *err)
{
    return store->driver->list(store->self, prefix != NULL ? prefix : "", after, visit, context,
                               err);
}

enum lx_status lx_store_location(const struct lx_store *store, const char *key, struct lx_buf *text)
{
    return store->driver->location(store->self, key != NULL ? key : "", text);
}

void lx_store_counts(const struct lx_store *store, struct lx_store_counts *counts)
{
    store->driver->counts(store->self, counts);
}
