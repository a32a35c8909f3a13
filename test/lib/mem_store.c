#include "mem_store.h"

#include "base/alloc.h"
#include "base/limits.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_UPLOAD LX_GIB

struct object {
    char *key;
    uint8_t *bytes;
    size_t size;
    uint64_t made_at; /* operation number */
    uint64_t hash;    /* of the bytes as they were put: the ETag */
    bool frozen;
};

struct late {
    bool remove;
    bool if_absent;
    struct object object; /* owns key and bytes */
};

struct lx_mem_bucket {
    pthread_mutex_t lock;
    struct object *objects; /* sorted by key */
    size_t count, capacity;
    struct late *late;
    size_t late_count;
    lx_mem_hook hook;
    void *hook_context;
    bool ignore_condition, no_etags;
    uint64_t lag, operations;
};

struct client {
    struct lx_mem_bucket *bucket;
    int number;
    struct lx_store_counts counts;
};

struct upload {
    char *key;
    struct lx_put put;
    struct lx_buf bytes;
};

/* -- objects ------------------------------------------------------------------------------- */

static void free_object(struct object *object)
{
    lx_free(object->key);
    lx_free(object->bytes);
}

/* Index of the first object whose key is not less; *found: it is this key. */
static size_t find(const struct lx_mem_bucket *bucket, const char *key, bool *found)
{
    size_t low = 0, high = bucket->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(bucket->objects[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low < bucket->count && strcmp(bucket->objects[low].key, key) == 0;
    return low;
}

/* Takes the object's memory, also where it fails. */
static bool put_object(struct lx_mem_bucket *bucket, struct object *object)
{
    bool found;
    size_t at = find(bucket, object->key, &found);
    object->made_at = bucket->operations;
    if (found) {
        free_object(&bucket->objects[at]);
        bucket->objects[at] = *object;
        return true;
    }
    if (bucket->count == bucket->capacity) {
        size_t capacity = bucket->capacity != 0 ? bucket->capacity * 2 : 64;
        struct object *objects = lx_realloc(bucket->objects, capacity * sizeof *objects);
        if (objects == NULL) {
            free_object(object);
            return false;
        }
        bucket->objects = objects;
        bucket->capacity = capacity;
    }
    memmove(&bucket->objects[at + 1], &bucket->objects[at],
            (bucket->count - at) * sizeof *bucket->objects);
    bucket->objects[at] = *object;
    bucket->count++;
    return true;
}

static bool make_object(const char *key, const void *bytes, size_t size, struct object *object)
{
    *object = (struct object){.key = lx_strdup(key), .bytes = lx_malloc(size), .size = size};
    if (object->key == NULL || object->bytes == NULL) {
        free_object(object);
        return false;
    }
    if (size != 0)
        memcpy(object->bytes, bytes, size);
    object->hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a: equal bytes, equal ETag */
    for (size_t i = 0; i < size; i++)
        object->hash = (object->hash ^ object->bytes[i]) * UINT64_C(0x100000001b3);
    return true;
}

static bool remove_object(struct lx_mem_bucket *bucket, const char *key)
{
    bool found;
    size_t at = find(bucket, key, &found);
    if (!found)
        return false;
    free_object(&bucket->objects[at]);
    bucket->count--;
    memmove(&bucket->objects[at], &bucket->objects[at + 1],
            (bucket->count - at) * sizeof *bucket->objects);
    return true;
}

/* The object as a client may see it; NULL: not there, or not yet. */
static const struct object *visible(const struct lx_mem_bucket *bucket, const char *key)
{
    bool found;
    size_t at = find(bucket, key, &found);
    if (!found || bucket->operations - bucket->objects[at].made_at < bucket->lag)
        return NULL;
    return &bucket->objects[at];
}

static void describe(const struct lx_mem_bucket *bucket, const struct object *object,
                     struct lx_object *described)
{
    if (described == NULL)
        return;
    *described = (struct lx_object){.size = (int64_t)object->size,
                                    .frozen = object->frozen,
                                    .modified_ms = (int64_t)object->made_at};
    if (!bucket->no_etags)
        snprintf(described->etag, sizeof described->etag, "%016" PRIx64, object->hash);
}

/* -- the hook ------------------------------------------------------------------------------ */

static struct lx_mem_verdict ask(struct client *client, struct lx_mem_call *call)
{
    struct lx_mem_bucket *bucket = client->bucket;
    pthread_mutex_lock(&bucket->lock);
    call->client = client->number;
    call->number = ++bucket->operations;
    lx_mem_hook hook = bucket->hook;
    void *context = bucket->hook_context;
    pthread_mutex_unlock(&bucket->lock);
    return hook != NULL ? hook(context, call) : (struct lx_mem_verdict){LX_MEM_DONE, LX_OK};
}

/* As a real store, whose call may have failed and been tried again: what was said before is gone.
 */
static enum lx_status done(struct lx_err *err)
{
    lx_err_clear(err);
    return LX_OK;
}

static enum lx_status lost(const struct lx_mem_call *call, struct lx_err *err)
{
    bool unknown = call->op == LX_MEM_PUT && call->if_absent;
    return lx_err_set(err, unknown ? LX_E_UNKNOWN : LX_E_NETWORK, "no answer for %s", call->key);
}

static enum lx_status refused(const struct lx_mem_call *call, struct lx_mem_verdict verdict,
                              struct lx_err *err)
{
    return lx_err_set(err, verdict.status, "%s: %s", call->key, lx_status_text(verdict.status));
}

static enum lx_status absent(const char *key, struct lx_err *err)
{
    lx_err_set(err, LX_E_NOTFOUND, "%s: no such object", key);
    if (err != NULL)
        snprintf(err->name, sizeof err->name, "NoSuchKey");
    return LX_E_NOTFOUND;
}

/* -- the driver ---------------------------------------------------------------------------- */

static void flip_bit(void *bytes, size_t size, uint64_t flip)
{
    if (flip == 0 || size == 0)
        return;
    uint64_t bit = (flip - 1) % ((uint64_t)size * 8);
    ((uint8_t *)bytes)[bit / 8] ^= (uint8_t)(1u << (bit % 8));
}

static enum lx_status keep_for_later(struct lx_mem_bucket *bucket, const struct late *late)
{
    struct late *grown = lx_realloc(bucket->late, (bucket->late_count + 1) * sizeof *grown);
    if (grown == NULL)
        return LX_E_MEMORY;
    bucket->late = grown;
    grown[bucket->late_count++] = *late;
    return LX_OK;
}

/* What a PUT does; takes `object`. */
static enum lx_status do_put(struct lx_mem_bucket *bucket, bool if_absent, struct object *object,
                             struct lx_object *described)
{
    bool found;
    find(bucket, object->key, &found);
    if (found && if_absent && !bucket->ignore_condition) {
        free_object(object);
        return LX_E_EXISTS;
    }
    describe(bucket, object, described);
    return put_object(bucket, object) ? LX_OK : LX_E_MEMORY;
}

static enum lx_status put(struct client *client, const char *key, const void *bytes, size_t size,
                          const struct lx_put *how, struct lx_object *described, struct lx_err *err)
{
    struct lx_mem_bucket *bucket = client->bucket;
    struct lx_mem_call call = {.op = LX_MEM_PUT,
                               .key = key,
                               .bytes = bytes,
                               .size = size,
                               .if_absent = how != NULL && how->if_absent};
    struct lx_mem_verdict verdict = ask(client, &call);
    struct late late = {.if_absent = call.if_absent};
    if (verdict.fate == LX_MEM_REFUSED)
        return refused(&call, verdict, err);
    if (verdict.fate == LX_MEM_LOST_BEFORE)
        return lost(&call, err);
    if (!make_object(key, bytes, size, &late.object))
        return lx_err_memory(err);
    flip_bit(late.object.bytes, size, verdict.flip);
    pthread_mutex_lock(&bucket->lock);
    enum lx_status status = LX_OK;
    client->counts.puts++;
    client->counts.bytes_out += (int64_t)size;
    if (verdict.fate == LX_MEM_LATE) {
        status = keep_for_later(bucket, &late);
        if (status != LX_OK)
            free_object(&late.object);
    } else {
        status = do_put(bucket, call.if_absent, &late.object, described);
    }
    pthread_mutex_unlock(&bucket->lock);
    if (status == LX_E_MEMORY)
        return lx_err_memory(err);
    if (verdict.fate != LX_MEM_DONE)
        return lost(&call, err);
    return status == LX_OK ? done(err) : lx_err_set(err, status, "%s exists already", key);
}

static enum lx_status mem_put(void *self, const char *key, const void *bytes, size_t size,
                              const struct lx_put *how, struct lx_object *described,
                              struct lx_err *err)
{
    return put(self, key, bytes, size, how, described, err);
}

static void free_upload(struct upload *upload)
{
    lx_buf_free(&upload->bytes);
    lx_free(upload->key);
    lx_free(upload);
}

static enum lx_status mem_upload_begin(void *self, const char *key, const struct lx_put *how,
                                       void **upload, struct lx_err *err)
{
    (void)self;
    struct upload *made = lx_calloc(1, sizeof *made);
    if (made == NULL)
        return lx_err_memory(err);
    made->put = how != NULL ? *how : (struct lx_put){0};
    made->put.if_absent = true;
    made->bytes.max = MAX_UPLOAD;
    made->key = lx_strdup(key);
    if (made->key == NULL) {
        free_upload(made);
        return lx_err_memory(err);
    }
    *upload = made;
    return LX_OK;
}

static enum lx_status mem_upload_write(void *self, void *upload, const void *bytes, size_t size,
                                       struct lx_err *err)
{
    (void)self;
    struct upload *to = upload;
    enum lx_status status = lx_buf_append(&to->bytes, bytes, size);
    return status == LX_OK ? LX_OK : lx_err_set(err, status, "%s: too large for memory", to->key);
}

static enum lx_status mem_upload_finish(void *self, void *upload, struct lx_object *described,
                                        struct lx_err *err)
{
    struct upload *from = upload;
    enum lx_status status =
        put(self, from->key, from->bytes.data, from->bytes.len, &from->put, described, err);
    if (status != LX_E_EXISTS) /* else it waits for another key */
        free_upload(from);
    return status;
}

static enum lx_status mem_upload_rekey(void *self, void *upload, const char *key,
                                       struct lx_err *err)
{
    (void)self;
    struct upload *from = upload;
    char *copy = lx_strdup(key);
    if (copy == NULL)
        return lx_err_memory(err);
    lx_free(from->key);
    from->key = copy;
    return LX_OK;
}

static void mem_upload_abort(void *self, void *upload)
{
    (void)self;
    free_upload(upload);
}

/* Asks the hook about an operation that changes nothing; LX_OK: go on, and then hand `fate` on. */
static enum lx_status ask_reading(struct client *client, enum lx_mem_op op, const char *key,
                                  uint64_t *flip, struct lx_err *err)
{
    struct lx_mem_call call = {.op = op, .key = key};
    struct lx_mem_verdict verdict = ask(client, &call);
    if (flip != NULL)
        *flip = verdict.flip;
    if (verdict.fate == LX_MEM_REFUSED)
        return refused(&call, verdict, err);
    return verdict.fate == LX_MEM_DONE ? LX_OK : lost(&call, err);
}

static enum lx_status mem_read(void *self, const char *key, int64_t offset, void *bytes,
                               size_t size, struct lx_err *err)
{
    struct client *client = self;
    uint64_t flip = 0;
    LX_TRY(ask_reading(client, LX_MEM_GET, key, &flip, err));
    pthread_mutex_lock(&client->bucket->lock);
    enum lx_status status = LX_OK;
    const struct object *object = visible(client->bucket, key);
    client->counts.gets++;
    if (object == NULL)
        status = absent(key, err);
    else if (object->frozen)
        status = lx_err_set(err, LX_E_ACCESS, "%s must be restored first", key);
    else if (offset < 0 || (uint64_t)offset > object->size || object->size - (size_t)offset < size)
        status = lx_err_set(err, LX_E_FORMAT, "%s is shorter than %" PRId64 " + %zu bytes", key,
                            offset, size);
    else if (size != 0)
        memcpy(bytes, object->bytes + offset, size);
    if (status == LX_OK) {
        client->counts.bytes_in += (int64_t)size;
        flip_bit(bytes, size, flip);
    }
    pthread_mutex_unlock(&client->bucket->lock);
    return status == LX_OK ? done(err) : status;
}

static enum lx_status mem_get(void *self, const char *key, struct lx_buf *bytes,
                              struct lx_object *described, struct lx_err *err)
{
    struct client *client = self;
    uint64_t flip = 0;
    LX_TRY(ask_reading(client, LX_MEM_GET, key, &flip, err));
    pthread_mutex_lock(&client->bucket->lock);
    enum lx_status status = LX_OK;
    const struct object *object = visible(client->bucket, key);
    client->counts.gets++;
    if (object == NULL) {
        status = absent(key, err);
    } else if (object->frozen) {
        status = lx_err_set(err, LX_E_ACCESS, "%s must be restored first", key);
    } else {
        status = lx_buf_append(bytes, object->bytes, object->size);
        if (status != LX_OK)
            lx_err_set(err, status, "%s: %zu bytes", key, object->size);
        else
            describe(client->bucket, object, described);
        if (status == LX_OK && object->size != 0)
            flip_bit(bytes->data + bytes->len - object->size, object->size, flip);
    }
    pthread_mutex_unlock(&client->bucket->lock);
    return status == LX_OK ? done(err) : status;
}

static enum lx_status mem_head(void *self, const char *key, struct lx_object *described,
                               struct lx_err *err)
{
    struct client *client = self;
    LX_TRY(ask_reading(client, LX_MEM_HEAD, key, NULL, err));
    pthread_mutex_lock(&client->bucket->lock);
    const struct object *object = visible(client->bucket, key);
    client->counts.heads++;
    if (object != NULL)
        describe(client->bucket, object, described);
    pthread_mutex_unlock(&client->bucket->lock);
    return object != NULL ? done(err) : absent(key, err);
}

static enum lx_status mem_remove(void *self, const char *key, struct lx_err *err)
{
    struct client *client = self;
    struct lx_mem_bucket *bucket = client->bucket;
    struct lx_mem_call call = {.op = LX_MEM_REMOVE, .key = key};
    struct lx_mem_verdict verdict = ask(client, &call);
    if (verdict.fate == LX_MEM_REFUSED)
        return refused(&call, verdict, err);
    if (verdict.fate == LX_MEM_LOST_BEFORE)
        return lost(&call, err);
    struct late late = {.remove = true};
    if (verdict.fate == LX_MEM_LATE && !make_object(key, NULL, 0, &late.object))
        return lx_err_memory(err);
    pthread_mutex_lock(&bucket->lock);
    enum lx_status status = LX_OK;
    client->counts.deletes++;
    if (verdict.fate == LX_MEM_LATE)
        status = keep_for_later(bucket, &late);
    else
        remove_object(bucket, key);
    pthread_mutex_unlock(&bucket->lock);
    if (status != LX_OK) {
        free_object(&late.object);
        return lx_err_memory(err);
    }
    return verdict.fate == LX_MEM_DONE ? done(err) : lost(&call, err);
}

/* The first visible object behind `after` with this prefix, copied out, so that the visitor may use
 * the bucket. False: none. */
static bool next_listed(struct lx_mem_bucket *bucket, const char *prefix, const char *after,
                        char key[LX_MAX_NAME + 1], struct lx_object *described)
{
    bool found, any = false;
    pthread_mutex_lock(&bucket->lock);
    const char *from = after != NULL && strcmp(after, prefix) > 0 ? after : prefix;
    for (size_t i = find(bucket, from, &found); i < bucket->count && !any; i++) {
        const struct object *object = &bucket->objects[i];
        if (strncmp(object->key, prefix, strlen(prefix)) != 0)
            break;
        bool seen = bucket->operations - object->made_at >= bucket->lag;
        if (!seen || (after != NULL && strcmp(object->key, after) <= 0))
            continue;
        snprintf(key, LX_MAX_NAME + 1, "%s", object->key);
        describe(bucket, object, described);
        any = true;
    }
    pthread_mutex_unlock(&bucket->lock);
    return any;
}

static enum lx_status mem_list(void *self, const char *prefix, const char *after,
                               lx_store_visit visit, void *context, struct lx_err *err)
{
    struct client *client = self;
    char last[LX_MAX_NAME + 1], key[LX_MAX_NAME + 1];
    struct lx_object described;
    LX_TRY(ask_reading(client, LX_MEM_LIST, prefix, NULL, err));
    client->counts.lists++;
    (void)done(err);
    while (next_listed(client->bucket, prefix, after, key, &described)) {
        LX_TRY(visit(context, key, &described, err));
        memcpy(last, key, sizeof last);
        after = last;
    }
    return LX_OK;
}

static enum lx_status mem_location(const void *self, const char *key, struct lx_buf *text)
{
    (void)self;
    return lx_buf_printf(text, "mem://bucket/%s", key != NULL ? key : "");
}

static void mem_counts(const void *self, struct lx_store_counts *counts)
{
    const struct client *client = self;
    *counts = client->counts;
}

static void mem_close(void *self)
{
    lx_free(self);
}

static const struct lx_store_driver driver = {
    .put = mem_put,
    .upload_begin = mem_upload_begin,
    .upload_write = mem_upload_write,
    .upload_rekey = mem_upload_rekey,
    .upload_finish = mem_upload_finish,
    .upload_abort = mem_upload_abort,
    .read = mem_read,
    .get = mem_get,
    .head = mem_head,
    .remove = mem_remove,
    .list = mem_list,
    .location = mem_location,
    .counts = mem_counts,
    .close = mem_close,
};

enum lx_status lx_mem_store_open(struct lx_mem_bucket *bucket, int number, struct lx_store **store,
                                 struct lx_err *err)
{
    struct client *client = lx_calloc(1, sizeof *client);
    if (client == NULL)
        return lx_err_memory(err);
    client->bucket = bucket;
    client->number = number;
    return lx_store_wrap(&driver, client, store, err);
}

/* -- the bucket ---------------------------------------------------------------------------- */

struct lx_mem_bucket *lx_mem_bucket_create(void)
{
    struct lx_mem_bucket *bucket = lx_calloc(1, sizeof *bucket);
    if (bucket != NULL)
        pthread_mutex_init(&bucket->lock, NULL);
    return bucket;
}

void lx_mem_bucket_destroy(struct lx_mem_bucket *bucket)
{
    if (bucket == NULL)
        return;
    for (size_t i = 0; i < bucket->count; i++)
        free_object(&bucket->objects[i]);
    for (size_t i = 0; i < bucket->late_count; i++)
        free_object(&bucket->late[i].object);
    lx_free(bucket->objects);
    lx_free(bucket->late);
    pthread_mutex_destroy(&bucket->lock);
    lx_free(bucket);
}

void lx_mem_bucket_hook(struct lx_mem_bucket *bucket, lx_mem_hook hook, void *context)
{
    bucket->hook = hook;
    bucket->hook_context = context;
}

void lx_mem_bucket_ignore_condition(struct lx_mem_bucket *bucket, bool ignore)
{
    bucket->ignore_condition = ignore;
}

void lx_mem_bucket_no_etags(struct lx_mem_bucket *bucket, bool none)
{
    bucket->no_etags = none;
}

void lx_mem_bucket_lag(struct lx_mem_bucket *bucket, uint64_t operations)
{
    bucket->lag = operations;
}

size_t lx_mem_bucket_land(struct lx_mem_bucket *bucket)
{
    pthread_mutex_lock(&bucket->lock);
    size_t count = bucket->late_count;
    for (size_t i = 0; i < count; i++) {
        struct late *late = &bucket->late[i];
        if (late->remove) {
            remove_object(bucket, late->object.key);
            free_object(&late->object);
        } else {
            (void)do_put(bucket, late->if_absent, &late->object, NULL);
        }
    }
    bucket->late_count = 0;
    pthread_mutex_unlock(&bucket->lock);
    return count;
}

bool lx_mem_bucket_put(struct lx_mem_bucket *bucket, const char *key, const void *bytes,
                       size_t size)
{
    struct object object;
    if (!make_object(key, bytes, size, &object))
        return false;
    pthread_mutex_lock(&bucket->lock);
    bool ok = put_object(bucket, &object);
    pthread_mutex_unlock(&bucket->lock);
    return ok;
}

uint8_t *lx_mem_bucket_get(struct lx_mem_bucket *bucket, const char *key, size_t *size)
{
    bool found;
    size_t at = find(bucket, key, &found);
    if (!found)
        return NULL;
    if (size != NULL)
        *size = bucket->objects[at].size;
    return bucket->objects[at].bytes;
}

bool lx_mem_bucket_remove(struct lx_mem_bucket *bucket, const char *key)
{
    pthread_mutex_lock(&bucket->lock);
    bool removed = remove_object(bucket, key);
    pthread_mutex_unlock(&bucket->lock);
    return removed;
}

size_t lx_mem_bucket_count(const struct lx_mem_bucket *bucket)
{
    return bucket->count;
}

const char *lx_mem_bucket_key(const struct lx_mem_bucket *bucket, size_t index)
{
    return index < bucket->count ? bucket->objects[index].key : NULL;
}

bool lx_mem_bucket_freeze(struct lx_mem_bucket *bucket, const char *key, bool frozen)
{
    bool found;
    size_t at = find(bucket, key, &found);
    if (found)
        bucket->objects[at].frozen = frozen;
    return found;
}

uint64_t lx_mem_bucket_operations(const struct lx_mem_bucket *bucket)
{
    return bucket->operations;
}
