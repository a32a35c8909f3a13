/* s3_upload.c: a new object written piece by piece. Up to one part's size it is held in memory and
 * goes up as one conditional PUT. A larger one reserves its key by a conditional PUT of nothing,
 * since CompleteMultipartUpload does not honour the condition everywhere, and then goes up in
 * parts by a thread of its own, while the next ones are written: one part is being sent, one may
 * wait, one is being filled. */
#include "store/s3.h"

#include "base/alloc.h"

#include <pthread.h>
#include <stdio.h>

#define MAX_COMPLETE_TRIES 3
#define MAX_UPLOAD_ID 1024
#define MAX_RESERVE_TRIES 3

struct s3_upload {
    char key[LX_MAX_NAME + 1];
    struct lx_put put;
    struct lx_buf part; /* bytes that the store does not have yet */
    int64_t size;       /* of all that was written */
    bool reserved;
    char owner[24]; /* marks the reservation as ours */
    char *id;       /* of the multipart upload; NULL: none yet */
    unsigned parts; /* handed to the thread */

    /* The thread that sends. */
    struct lx_s3 *s3;
    bool running;
    pthread_t thread;
    pthread_mutex_t lock; /* guards all that follows */
    pthread_cond_t moved;
    struct lx_buf waiting; /* the next part; empty: none */
    bool busy, stop;
    struct lx_err failure; /* status LX_OK while all is well */
    struct lx_buf list;    /* parts that the store has, as CompleteMultipartUpload wants them */
    unsigned sent;
};

void lx_s3_object_headers(struct lx_s3 *s3, const struct lx_put *put, struct lx_s3_call *call)
{
    lx_s3_add_header(call, "content-type",
                     put->content_type != NULL ? put->content_type : "application/octet-stream");
    if (s3->sse != NULL)
        lx_s3_add_header(call, "x-amz-server-side-encryption", s3->sse);
    call->has_class = put->data;
}

enum lx_status lx_s3_if_absent(struct lx_s3 *s3, struct lx_s3_call *call, struct lx_err *err)
{
    if (!s3->unconditional) {
        lx_s3_add_header(call, "if-none-match", "*"); /* bare: quoted it would be a name */
        return LX_OK;
    }
    struct lx_s3_answer answer;
    struct lx_s3_call look = {.method = "HEAD", .key = call->key, .action = "s3:GetObject"};
    atomic_fetch_add(&s3->heads, 1);
    enum lx_status status = lx_s3_do(s3, &look, &answer, err);
    if (status == LX_OK)
        return lx_err_set(err, LX_E_EXISTS, "%s exists already", call->key);
    if (status != LX_E_NOTFOUND)
        return status;
    lx_err_clear(err);
    return LX_OK;
}

static void stop_thread(struct s3_upload *upload)
{
    if (!upload->running)
        return;
    pthread_mutex_lock(&upload->lock);
    upload->stop = true;
    pthread_cond_broadcast(&upload->moved);
    pthread_mutex_unlock(&upload->lock);
    pthread_join(upload->thread, NULL);
    upload->running = false;
}

static void free_upload(struct s3_upload *upload)
{
    stop_thread(upload);
    pthread_mutex_destroy(&upload->lock);
    pthread_cond_destroy(&upload->moved);
    lx_buf_free(&upload->waiting);
    lx_buf_free(&upload->part);
    lx_buf_free(&upload->list);
    lx_free(upload->id);
    lx_free(upload);
}

enum lx_status lx_s3_upload_begin(void *self, const char *key, const struct lx_put *put, void **out,
                                  struct lx_err *err)
{
    struct lx_s3 *s3 = self;
    struct s3_upload *upload = lx_calloc(1, sizeof *upload);
    if (upload == NULL)
        return lx_err_memory(err);
    *upload = (struct s3_upload){.s3 = s3,
                                 .put = *put,
                                 .part = LX_BUF(LX_S3_MAX_PARTS * s3->part_size),
                                 .list = LX_BUF(4 * LX_MIB)};
    pthread_mutex_init(&upload->lock, NULL);
    pthread_cond_init(&upload->moved, NULL);
    snprintf(upload->key, sizeof upload->key, "%s", key);
    snprintf(upload->owner, sizeof upload->owner, "%016llx",
             (unsigned long long)lx_random_u64(&s3->random));
    *out = upload;
    return LX_OK;
}

enum lx_status lx_s3_upload_rekey(void *self, void *context, const char *key, struct lx_err *err)
{
    struct s3_upload *upload = context;
    (void)self;
    if (upload->reserved)
        return lx_err_set(err, LX_E_BUG, "an upload that has its key was given another");
    snprintf(upload->key, sizeof upload->key, "%s", key);
    return LX_OK;
}

/* -- larger than a part -------------------------------------------------------------------- */

static enum lx_status put_reservation(struct lx_s3 *s3, struct s3_upload *upload,
                                      struct lx_err *err)
{
    struct lx_s3_answer answer;
    struct lx_s3_call call = {
        .method = "PUT", .key = upload->key, .action = "s3:PutObject", .once = true};
    struct lx_put plain = upload->put;
    plain.data = false; /* classes with a least size or duration are not paid for nothing */
    lx_s3_object_headers(s3, &plain, &call);
    LX_TRY(lx_s3_if_absent(s3, &call, err));
    lx_s3_add_header(&call, "x-amz-meta-lynex-upload", upload->owner);
    atomic_fetch_add(&s3->puts, 1);
    return lx_s3_do(s3, &call, &answer, err);
}

static enum lx_status head_key(struct lx_s3 *s3, const struct s3_upload *upload,
                               struct lx_s3_answer *answer, struct lx_err *err)
{
    struct lx_s3_call call = {.method = "HEAD", .key = upload->key, .action = "s3:GetObject"};
    atomic_fetch_add(&s3->heads, 1);
    return lx_s3_do(s3, &call, answer, err);
}

static enum lx_status reserve(struct lx_s3 *s3, struct s3_upload *upload, struct lx_err *err)
{
    enum lx_status status = LX_OK;
    for (int tries = 0; tries < MAX_RESERVE_TRIES; tries++) {
        struct lx_s3_answer answer;
        status = put_reservation(s3, upload, err);
        if (status == LX_OK)
            upload->reserved = true;
        if (status != LX_E_UNKNOWN)
            return status;
        enum lx_status seen = head_key(s3, upload, &answer, err);
        if (seen == LX_E_NOTFOUND)
            continue; /* it was not written */
        LX_TRY(seen);
        if (strcmp(answer.owner, upload->owner) == 0) {
            upload->reserved = true;
            return LX_OK;
        }
        return lx_err_set(err, LX_E_EXISTS, "%s exists already", upload->key);
    }
    return status;
}

static enum lx_status create(struct lx_s3 *s3, struct s3_upload *upload, struct lx_err *err)
{
    struct lx_s3_answer answer;
    struct lx_buf xml = LX_BUF(LX_S3_MAX_ERROR);
    char id[MAX_UPLOAD_ID];
    struct lx_s3_call call = {.method = "POST",
                              .key = upload->key,
                              .action = "s3:PutObject",
                              .params = {{"uploads", ""}},
                              .param_count = 1,
                              .out = &xml};
    lx_s3_object_headers(s3, &upload->put, &call);
    atomic_fetch_add(&s3->puts, 1);
    enum lx_status status = lx_s3_do(s3, &call, &answer, err);
    if (status == LX_OK && !lx_s3_xml_text(lx_buf_view(&xml), "UploadId", id, sizeof id))
        status = lx_err_set(err, LX_E_FORMAT, "the store began an upload without saying its id");
    if (status == LX_OK && (upload->id = lx_strdup(id)) == NULL)
        status = lx_err_memory(err);
    lx_buf_free(&xml);
    return status;
}

/* The key is reserved: from here on no answer may mean that somebody else has it. */
static enum lx_status no_exists(enum lx_status status, struct lx_err *err)
{
    if (status != LX_E_EXISTS)
        return status;
    if (err != NULL)
        err->status = LX_E_REMOTE;
    return LX_E_REMOTE;
}

static enum lx_status put_part(struct s3_upload *upload, const struct lx_buf *part,
                               struct lx_err *err)
{
    struct lx_s3_answer answer;
    char number[16];
    snprintf(number, sizeof number, "%u", upload->sent + 1);
    struct lx_s3_call call = {.method = "PUT",
                              .key = upload->key,
                              .action = "s3:PutObject",
                              .params = {{"partNumber", number}, {"uploadId", upload->id}},
                              .param_count = 2,
                              .body = part->data,
                              .body_size = part->len};
    atomic_fetch_add(&upload->s3->puts, 1);
    LX_TRY(no_exists(lx_s3_do(upload->s3, &call, &answer, err), err));
    if (answer.object.etag[0] == 0)
        return lx_err_set(err, LX_E_FORMAT, "the store took a part without saying its ETag");
    if (lx_buf_printf(&upload->list, "<Part><PartNumber>%s</PartNumber><ETag>\"%s\"</ETag></Part>",
                      number, answer.object.etag) != LX_OK)
        return lx_err_memory(err);
    upload->sent++;
    return LX_OK;
}

static void *send_parts(void *context)
{
    struct s3_upload *upload = context;
    pthread_mutex_lock(&upload->lock);
    for (;;) {
        while (upload->waiting.len == 0 && !upload->stop)
            pthread_cond_wait(&upload->moved, &upload->lock);
        if (upload->stop)
            break;
        struct lx_buf part = upload->waiting;
        struct lx_err err = LX_ERR_INIT;
        upload->waiting = (struct lx_buf){0};
        upload->busy = true;
        bool good = upload->failure.status == LX_OK;
        pthread_cond_broadcast(&upload->moved);
        pthread_mutex_unlock(&upload->lock);
        enum lx_status status = good ? put_part(upload, &part, &err) : LX_OK;
        lx_buf_free(&part);
        pthread_mutex_lock(&upload->lock);
        upload->busy = false;
        if (status != LX_OK && upload->failure.status == LX_OK) {
            upload->failure = err;
            upload->failure.status = status;
        }
        pthread_cond_broadcast(&upload->moved);
    }
    pthread_mutex_unlock(&upload->lock);
    return NULL;
}

/* Hands the first `size` bytes to the thread; waits while two parts are under way. */
static enum lx_status send_part(struct lx_s3 *s3, struct s3_upload *upload, size_t size,
                                struct lx_err *err)
{
    struct lx_buf rest = LX_BUF(LX_S3_MAX_PARTS * s3->part_size);
    if (upload->parts == LX_S3_MAX_PARTS)
        return lx_err_set(err, LX_E_LIMIT, "%s would have more than %d parts: raise S3_PART_MB",
                          upload->key, LX_S3_MAX_PARTS);
    if (!upload->running) {
        if (pthread_create(&upload->thread, NULL, send_parts, upload) != 0)
            return lx_err_set(err, LX_E_MEMORY, "the thread of an upload could not be started");
        upload->running = true;
    }
    if (upload->part.len > size &&
        lx_buf_append(&rest, upload->part.data + size, upload->part.len - size) != LX_OK)
        return lx_err_memory(err);
    pthread_mutex_lock(&upload->lock);
    while (upload->waiting.len != 0 && upload->failure.status == LX_OK)
        pthread_cond_wait(&upload->moved, &upload->lock);
    enum lx_status status = upload->failure.status;
    if (status == LX_OK) {
        upload->part.len = size;
        upload->waiting = upload->part;
        upload->part = rest;
        upload->parts++;
        pthread_cond_broadcast(&upload->moved);
    } else if (err != NULL) {
        *err = upload->failure;
    }
    pthread_mutex_unlock(&upload->lock);
    if (status != LX_OK)
        lx_buf_free(&rest);
    return status;
}

/* Until the store has all parts that were handed over. */
static enum lx_status wait_for_parts(struct s3_upload *upload, struct lx_err *err)
{
    pthread_mutex_lock(&upload->lock);
    while ((upload->waiting.len != 0 || upload->busy) && upload->failure.status == LX_OK)
        pthread_cond_wait(&upload->moved, &upload->lock);
    enum lx_status status = upload->failure.status;
    if (status != LX_OK && err != NULL)
        *err = upload->failure;
    pthread_mutex_unlock(&upload->lock);
    return status;
}

enum lx_status lx_s3_upload_write(void *self, void *context, const void *bytes, size_t size,
                                  struct lx_err *err)
{
    struct lx_s3 *s3 = self;
    struct s3_upload *upload = context;
    if (size > 0 && lx_buf_append(&upload->part, bytes, size) != LX_OK)
        return lx_err_memory(err);
    upload->size += (int64_t)size;
    while (upload->part.len > s3->part_size) {
        if (!upload->reserved)
            LX_TRY(reserve(s3, upload, err));
        if (upload->id == NULL)
            LX_TRY(create(s3, upload, err));
        LX_TRY(send_part(s3, upload, s3->part_size, err));
    }
    return LX_OK;
}

/* -- the end ------------------------------------------------------------------------------- */

/* After a write whose answer was lost: is what lies there, byte for byte, what was sent? */
static enum lx_status same_content(struct lx_s3 *s3, const struct s3_upload *upload,
                                   struct lx_object *object, struct lx_err *err)
{
    struct lx_s3_answer answer;
    LX_TRY(head_key(s3, upload, &answer, err));
    if (answer.object.size != upload->size)
        return lx_err_set(err, LX_E_EXISTS, "%s exists already", upload->key);
    *object = answer.object;
    if (upload->size == 0)
        return LX_OK;
    void *bytes = lx_malloc((size_t)upload->size);
    if (bytes == NULL)
        return lx_err_memory(err);
    struct lx_s3_call call = {.method = "GET",
                              .key = upload->key,
                              .action = "s3:GetObject",
                              .into = bytes,
                              .into_size = (size_t)upload->size};
    enum lx_status status = lx_s3_do(s3, &call, &answer, err);
    if (status == LX_OK && memcmp(bytes, upload->part.data, (size_t)upload->size) != 0)
        status = lx_err_set(err, LX_E_EXISTS, "%s exists already", upload->key);
    lx_free(bytes);
    return status;
}

static enum lx_status finish_small(struct lx_s3 *s3, struct s3_upload *upload,
                                   struct lx_object *object, struct lx_err *err)
{
    struct lx_s3_answer answer;
    struct lx_s3_call call = {.method = "PUT",
                              .key = upload->key,
                              .action = "s3:PutObject",
                              .body = upload->part.data,
                              .body_size = upload->part.len,
                              .once = true};
    lx_s3_object_headers(s3, &upload->put, &call);
    LX_TRY(lx_s3_if_absent(s3, &call, err));
    atomic_fetch_add(&s3->puts, 1);
    enum lx_status status = lx_s3_do(s3, &call, &answer, err);
    if (status == LX_E_UNKNOWN) {
        struct lx_err seen_err = LX_ERR_INIT;
        enum lx_status seen = same_content(s3, upload, object, &seen_err);
        return seen == LX_OK || seen == LX_E_EXISTS ? seen : status;
    }
    *object = answer.object;
    object->size = upload->size;
    return status;
}

/* Amazon may answer 200 and say only then that it failed. */
static enum lx_status complete_once(struct lx_s3 *s3, struct s3_upload *upload,
                                    const struct lx_buf *body, bool *again, struct lx_err *err)
{
    struct lx_s3_answer answer;
    struct lx_buf xml = LX_BUF(LX_S3_MAX_ERROR);
    char code[64];
    struct lx_s3_call call = {.method = "POST",
                              .key = upload->key,
                              .action = "s3:PutObject",
                              .params = {{"uploadId", upload->id}},
                              .param_count = 1,
                              .body = body->data,
                              .body_size = body->len,
                              .out = &xml};
    *again = false;
    atomic_fetch_add(&s3->puts, 1);
    enum lx_status status = lx_s3_do(s3, &call, &answer, err);
    if (status == LX_OK && lx_s3_xml_text(lx_buf_view(&xml), "Code", code, sizeof code)) {
        status =
            lx_err_set(err, LX_E_BUSY, "%s: completing the upload failed: %s", upload->key, code);
        *again = true;
    }
    /* An earlier try may have done it, its answer lost. */
    if (status == LX_E_NOTFOUND && err != NULL && strcmp(err->name, "NoSuchUpload") == 0)
        status = LX_OK;
    lx_buf_free(&xml);
    return status;
}

static enum lx_status complete(struct lx_s3 *s3, struct s3_upload *upload, struct lx_object *object,
                               struct lx_err *err)
{
    struct lx_buf body = LX_BUF(8 * LX_MIB);
    struct lx_s3_answer answer;
    bool again = true;
    enum lx_status status = lx_buf_text(&body, "<CompleteMultipartUpload>");
    if (status == LX_OK)
        status = lx_buf_str(&body, lx_buf_view(&upload->list));
    if (status == LX_OK)
        status = lx_buf_text(&body, "</CompleteMultipartUpload>");
    if (status != LX_OK)
        lx_err_memory(err);
    for (int tries = 0; tries < MAX_COMPLETE_TRIES && again; tries++)
        status = complete_once(s3, upload, &body, &again, err);
    lx_buf_free(&body);
    LX_TRY(status);
    LX_TRY(head_key(s3, upload, &answer, err));
    if (answer.object.size == 0 && upload->size != 0) {
        lx_err_set(err, LX_E_REMOTE, "%s: the store has forgotten the upload (NoSuchUpload)",
                   upload->key);
        lx_err_hint(err, "somebody, or a lifecycle rule for incomplete uploads, took its parts "
                         "away; nothing is lost, and the next run goes on");
        return LX_E_REMOTE;
    }
    if (answer.object.size != upload->size)
        return lx_err_set(err, LX_E_CORRUPT, "%s has %lld bytes in the store, %lld were sent",
                          upload->key, (long long)answer.object.size, (long long)upload->size);
    *object = answer.object;
    return LX_OK;
}

enum lx_status lx_s3_upload_finish(void *self, void *context, struct lx_object *object,
                                   struct lx_err *err)
{
    struct lx_s3 *s3 = self;
    struct s3_upload *upload = context;
    enum lx_status status;
    if (upload->id == NULL && !upload->reserved && upload->part.len <= s3->part_size) {
        status = finish_small(s3, upload, object, err);
        if (status != LX_E_EXISTS)
            free_upload(upload);
        return status;
    }
    status = lx_s3_upload_write(s3, upload, NULL, 0, err); /* what a taken key held back */
    if (status == LX_E_EXISTS)
        return status;
    if (status == LX_OK && upload->part.len > 0)
        status = send_part(s3, upload, upload->part.len, err);
    if (status == LX_OK)
        status = wait_for_parts(upload, err);
    if (status == LX_OK)
        status = no_exists(complete(s3, upload, object, err), err);
    if (status == LX_OK || status == LX_E_UNKNOWN)
        free_upload(upload);
    else
        lx_s3_upload_abort(s3, upload);
    return status;
}

void lx_s3_upload_abort(void *self, void *context)
{
    struct lx_s3 *s3 = self;
    struct s3_upload *upload = context;
    struct lx_s3_answer answer;
    struct lx_err ignored = LX_ERR_INIT;
    stop_thread(upload); /* no part may come behind the abort */
    if (upload->id != NULL) {
        /* A right of its own, which we may not have: a lifecycle rule then tidies up. */
        struct lx_s3_call call = {.method = "DELETE",
                                  .key = upload->key,
                                  .action = "s3:AbortMultipartUpload",
                                  .params = {{"uploadId", upload->id}},
                                  .param_count = 1,
                                  .cleaning = true};
        if (lx_s3_do(s3, &call, &answer, &ignored) == LX_E_ACCESS && s3->say != NULL)
            s3->say(s3->say_context, "parts of an upload that was given up stay in the bucket: the "
                                     "user may not s3:AbortMultipartUpload");
    }
    if (upload->reserved) {
        struct lx_s3_call call = {.method = "DELETE",
                                  .key = upload->key,
                                  .action = "s3:DeleteObject",
                                  .cleaning = true,
                                  .single = true};
        if (lx_s3_do(s3, &call, &answer, &ignored) != LX_OK && s3->say != NULL)
            s3->say(s3->say_context, ignored.text);
    }
    free_upload(upload);
}
