#include "cmd/store_watch.h"

#include "base/alloc.h"

struct watching {
    struct lx_store *store;
    void (*failed)(void *context, enum lx_status status);
    void *context;
};

static enum lx_status judge(const struct watching *w, enum lx_status status)
{
    if (status != LX_OK && status != LX_E_EXISTS && status != LX_E_CANCELLED)
        w->failed(w->context, status);
    return status;
}

static enum lx_status put(void *self, const char *key, const void *bytes, size_t size,
                          const struct lx_put *how, struct lx_object *object, struct lx_err *err)
{
    const struct watching *w = self;
    return judge(w, lx_store_put(w->store, key, bytes, size, how, object, err));
}

static enum lx_status upload_begin(void *self, const char *key, const struct lx_put *how,
                                   void **upload, struct lx_err *err)
{
    const struct watching *w = self;
    struct lx_upload *begun = NULL;
    enum lx_status status = lx_store_upload_begin(w->store, key, how, &begun, err);
    *upload = begun;
    return judge(w, status);
}

static enum lx_status upload_write(void *self, void *upload, const void *bytes, size_t size,
                                   struct lx_err *err)
{
    return judge(self, lx_store_upload_write(upload, bytes, size, err));
}

static enum lx_status upload_rekey(void *self, void *upload, const char *key, struct lx_err *err)
{
    return judge(self, lx_store_upload_rekey(upload, key, err));
}

static enum lx_status upload_finish(void *self, void *upload, struct lx_object *object,
                                    struct lx_err *err)
{
    return judge(self, lx_store_upload_finish(upload, object, err));
}

static void upload_abort(void *self, void *upload)
{
    (void)self;
    lx_store_upload_abort(upload);
}

static enum lx_status read_part(void *self, const char *key, int64_t offset, void *bytes,
                                size_t size, struct lx_err *err)
{
    const struct watching *w = self;
    return lx_store_read(w->store, key, offset, bytes, size, err);
}

static enum lx_status get(void *self, const char *key, struct lx_buf *bytes,
                          struct lx_object *object, struct lx_err *err)
{
    const struct watching *w = self;
    return lx_store_get(w->store, key, bytes, object, err);
}

static enum lx_status head(void *self, const char *key, struct lx_object *object,
                           struct lx_err *err)
{
    const struct watching *w = self;
    return lx_store_head(w->store, key, object, err);
}

static enum lx_status remove_object(void *self, const char *key, struct lx_err *err)
{
    const struct watching *w = self;
    return lx_store_delete(w->store, key, err);
}

static enum lx_status list(void *self, const char *prefix, const char *after, lx_store_visit visit,
                           void *context, struct lx_err *err)
{
    const struct watching *w = self;
    return lx_store_list(w->store, prefix, after, visit, context, err);
}

static enum lx_status location(const void *self, const char *key, struct lx_buf *text)
{
    const struct watching *w = self;
    return lx_store_location(w->store, key, text);
}

static void counts(const void *self, struct lx_store_counts *to)
{
    const struct watching *w = self;
    lx_store_counts(w->store, to);
}

static void close_both(void *self)
{
    struct watching *w = self;
    lx_store_close(w->store);
    lx_free(w);
}

enum lx_status lx_store_watch(struct lx_store **store,
                              void (*failed)(void *context, enum lx_status status), void *context,
                              struct lx_err *err)
{
    static const struct lx_store_driver driver = {
        .put = put,
        .upload_begin = upload_begin,
        .upload_write = upload_write,
        .upload_rekey = upload_rekey,
        .upload_finish = upload_finish,
        .upload_abort = upload_abort,
        .read = read_part,
        .get = get,
        .head = head,
        .remove = remove_object,
        .list = list,
        .location = location,
        .counts = counts,
        .close = close_both,
    };
    struct watching *w = lx_calloc(1, sizeof *w);
    if (w == NULL) {
        lx_store_close(*store);
        *store = NULL;
        return lx_err_memory(err);
    }
    *w = (struct watching){*store, failed, context};
    *store = NULL;
    return lx_store_wrap(&driver, w, store, err);
}
