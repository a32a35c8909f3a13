/* s3_upload.c: a new object written piece by piece. Up to one part's size it is held in memory and
 * goes up as one conditional PUT. A larger one reserves its key by a conditional PUT of nothing,
 * since CompleteMultipartUpload does not honour the condition everywhere, and then goes up in
 * parts, several on their way while the next one is written (s3_parts.c). */
#include "store/s3.h"

#include "base/alloc.h"

#include <stdio.h>

#define MAX_COMPLETE_TRIES 3
#define MAX_UPLOAD_ID 1024
#define MAX_RESERVE_TRIES 3

struct s3_upload {
    char key[LX_MAX_NAME + 1];
    struct lx_put put;
    struct lx_buf part; /* bytes that the store does not have yet */
    int64_t size;       /* of all that was written */
    bool reserved, completing;
    char owner[24]; /* marks the reservation as ours */
    char *id;       /* of the multipart upload; NULL: none yet */
    struct lx_s3_parts parts;
};

void lx_s3_object_headers(struct lx_s3 *s3, const struct lx_put *put, struct lx_s3_call *call)
{
    lx_s3_add_header(call, "content-type",
                     put->content_type != NULL ? put->content_type : "application/octet-stream");
    if (s3->sse != NULL)
        lx_s3_add_header(call, "x-amz-server-side-encryption", s3->sse);
    call->has_class = put->data;
    call->sum = LX_S3_SUM_OF_BODY;
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

static void free_upload(struct s3_upload *upload)
{
    lx_s3_parts_free(&upload->parts);
    lx_buf_free(&upload->part);
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
    *upload = (struct s3_upload){.put = *put, .part = LX_BUF(LX_S3_LARGEST_PART)};
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
    call.sum = LX_S3_SUMS_OF_PARTS;
    atomic_fetch_add(&s3->puts, 1);
    enum lx_status status = lx_s3_do(s3, &call, &answer, err);
    if (status == LX_OK && !lx_s3_xml_text(lx_buf_view(&xml), "UploadId", id, sizeof id))
        status = lx_err_set(err, LX_E_FORMAT, "the store began an upload without saying its id");
    if (status == LX_OK && (upload->id = lx_strdup(id)) == NULL)
        status = lx_err_memory(err);
    if (status == LX_OK)
        status = lx_s3_parts_init(&upload->parts, s3, err);
    upload->parts.key = upload->key;
    upload->parts.id = upload->id;
    lx_buf_free(&xml);
    return status;
}

enum lx_status lx_s3_no_exists(enum lx_status status, struct lx_err *err)
{
    if (status != LX_E_EXISTS)
        return status;
    if (err != NULL)
        err->status = LX_E_REMOTE;
    return LX_E_REMOTE;
}

/* Hands over the first `size` bytes. */
static enum lx_status send_part(struct s3_upload *upload, size_t size, struct lx_err *err)
{
    struct lx_buf rest = LX_BUF(LX_S3_LARGEST_PART);
    if (upload->part.len > size &&
        lx_buf_append(&rest, upload->part.data + size, upload->part.len - size) != LX_OK)
        return lx_err_memory(err);
    upload->part.len = size;
    enum lx_status status = lx_s3_parts_send(&upload->parts, &upload->part, err);
    if (status != LX_OK) {
        lx_buf_free(&rest);
        return status;
    }
    upload->part = rest;
    return LX_OK;
}

enum lx_status lx_s3_upload_write(void *self, void *context, const void *bytes, size_t size,
                                  struct lx_err *err)
{
    struct lx_s3 *s3 = self;
    struct s3_upload *upload = context;
    if (size > 0 && lx_buf_append(&upload->part, bytes, size) != LX_OK)
        return lx_err_memory(err);
    upload->size += (int64_t)size;
    for (;;) {
        size_t most = lx_s3_part_size(s3, upload->parts.count);
        if (upload->part.len <= most)
            return LX_OK;
        if (!upload->reserved)
            LX_TRY(reserve(s3, upload, err));
        if (upload->id == NULL)
            LX_TRY(create(s3, upload, err));
        LX_TRY(send_part(upload, most, err));
    }
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
        if (seen != LX_OK && seen != LX_E_EXISTS)
            return status;
        if (err != NULL)
            *err = seen_err;
        return seen;
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
    struct lx_err own = LX_ERR_INIT;
    if (err == NULL)
        err = &own; /* what failed decides below */
    *again = false;
    atomic_fetch_add(&s3->puts, 1);
    enum lx_status status = lx_s3_do(s3, &call, &answer, err);
    if (status == LX_OK && lx_s3_xml_text(lx_buf_view(&xml), "Code", code, sizeof code)) {
        status =
            lx_err_set(err, LX_E_BUSY, "%s: completing the upload failed: %s", upload->key, code);
        *again = true;
    }
    /* An earlier try may have done it, its answer lost. */
    if (status == LX_E_NOTFOUND && strcmp(err->name, "NoSuchUpload") == 0)
        status = LX_OK;
    lx_buf_free(&xml);
    return status;
}

static enum lx_status complete(struct lx_s3 *s3, struct s3_upload *upload, struct lx_object *object,
                               struct lx_err *err)
{
    struct lx_buf body = LX_BUF(8 * LX_MIB);
    struct lx_s3_answer answer;
    enum lx_status status = lx_s3_parts_list(&upload->parts, &body);
    bool again = status == LX_OK;
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
        status = send_part(upload, upload->part.len, err);
    if (status == LX_OK)
        status = lx_s3_parts_wait(&upload->parts, err);
    if (status == LX_OK)
        upload->completing = true;
    if (status == LX_OK)
        status = lx_s3_no_exists(complete(s3, upload, object, err), err);
    if (status == LX_OK || status == LX_E_UNKNOWN)
        free_upload(upload);
    else
        lx_s3_upload_abort(s3, upload);
    return status;
}

static void say_left(struct lx_s3 *s3, const struct lx_err *why, const char *what)
{
    char text[LX_ERR_TEXT + 128];
    if (s3->say == NULL)
        return;
    snprintf(text, sizeof text, "%s%s%s", why != NULL ? why->text : "", why != NULL ? "; " : "",
             what);
    s3->say(s3->say_context, text);
}

static void drop_reservation(struct lx_s3 *s3, const struct s3_upload *upload)
{
    struct lx_s3_answer answer;
    struct lx_err ignored = LX_ERR_INIT;
    struct lx_s3_call call = {.method = "DELETE",
                              .key = upload->key,
                              .action = "s3:DeleteObject",
                              .cleaning = true,
                              .single = true};
    enum lx_status status = upload->reserved ? lx_s3_do(s3, &call, &answer, &ignored) : LX_OK;
    if (status != LX_OK)
        say_left(s3, &ignored,
                 status == LX_E_ACCESS ? "the empty object stays: with s3:DeleteObject lynex "
                                         "vacuum takes it away"
                                       : "lynex vacuum takes the empty object away");
}

static void drop_parts(struct lx_s3 *s3, const struct s3_upload *upload)
{
    struct lx_s3_answer answer;
    struct lx_err ignored = LX_ERR_INIT;
    struct lx_s3_call call = {.method = "DELETE",
                              .key = upload->key,
                              .action = "s3:AbortMultipartUpload",
                              .params = {{"uploadId", upload->id}},
                              .param_count = 1,
                              .cleaning = true};
    enum lx_status status =
        upload->id != NULL ? lx_s3_do(s3, &call, &answer, &ignored) : LX_E_NOTFOUND;
    if (status == LX_E_ACCESS) /* a right of its own, which we may not have */
        say_left(s3, NULL,
                 "parts of an upload that was given up stay in the bucket: the user may not "
                 "s3:AbortMultipartUpload");
    else if (status != LX_OK && status != LX_E_NOTFOUND)
        say_left(s3, &ignored,
                 "parts of the upload stay until the bucket's rule AbortIncompleteMultipartUpload "
                 "takes them");
}

void lx_s3_upload_abort(void *self, void *context)
{
    struct lx_s3 *s3 = self;
    struct s3_upload *upload = context;
    lx_s3_parts_free(&upload->parts); /* no part may come behind the abort */
    /* In a hurry the empty object first: readers that take all files of a folder see it, parts
     * nobody sees. Else last: what was completed meanwhile goes with it. */
    bool hurry = lx_cancel_asked(s3->cancel) && !upload->completing;
    if (hurry)
        drop_reservation(s3, upload);
    drop_parts(s3, upload);
    if (!hurry)
        drop_reservation(s3, upload);
    free_upload(upload);
}
