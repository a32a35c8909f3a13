/* s3_parts.c: the parts of one multipart upload, several on their way at once. A part has a thread
 * of its own while it is sent: parts are large, and the connections are kept by the HTTP client.
 *
 * Memory: what all uploads of a store have on their way stays within lx_s3.upload_memory, but each
 * upload may always send one part, so that none waits for another. */
#include "store/s3.h"

#include "base/alloc.h"
#include "base/thread.h"

#include <stdio.h>

struct lx_s3_sender {
    struct lx_s3_parts *parts;
    pthread_t thread;
    bool started, done; /* there is a thread to join; it has done its work */
    unsigned number;
    struct lx_buf bytes;
};

size_t lx_s3_part_size(const struct lx_s3 *s3, unsigned count)
{
    size_t size = s3->part_size;
    for (unsigned i = LX_S3_PARTS_OF_A_SIZE; i <= count && size < LX_S3_LARGEST_PART / 2;
         i += LX_S3_PARTS_OF_A_SIZE)
        size *= 2;
    return size;
}

enum lx_status lx_s3_parts_init(struct lx_s3_parts *parts, struct lx_s3 *s3, struct lx_err *err)
{
    *parts = (struct lx_s3_parts){.s3 = s3};
    parts->senders = lx_calloc(LX_S3_PARTS_AT_ONCE, sizeof *parts->senders);
    if (parts->senders == NULL)
        return lx_err_memory(err);
    pthread_mutex_init(&parts->lock, NULL);
    pthread_cond_init(&parts->moved, NULL);
    return LX_OK;
}

void lx_s3_parts_free(struct lx_s3_parts *parts)
{
    if (parts->senders == NULL)
        return;
    for (size_t i = 0; i < LX_S3_PARTS_AT_ONCE; i++)
        if (parts->senders[i].started)
            pthread_join(parts->senders[i].thread, NULL);
    for (unsigned i = 0; i < parts->count; i++)
        lx_free(parts->parts[i].etag);
    lx_free(parts->parts);
    lx_free(parts->senders);
    pthread_mutex_destroy(&parts->lock);
    pthread_cond_destroy(&parts->moved);
    *parts = (struct lx_s3_parts){0};
}

/* -- sending ------------------------------------------------------------------------------- */

static enum lx_status put_part(struct lx_s3_sender *sender, struct lx_s3_part *part,
                               struct lx_err *err)
{
    struct lx_s3_parts *parts = sender->parts;
    struct lx_s3_answer answer;
    char number[16];
    snprintf(number, sizeof number, "%u", sender->number);
    struct lx_s3_call call = {.method = "PUT",
                              .key = parts->key,
                              .action = "s3:PutObject",
                              .params = {{"partNumber", number}, {"uploadId", parts->id}},
                              .param_count = 2,
                              .body = sender->bytes.data,
                              .body_size = sender->bytes.len,
                              .sum = LX_S3_SUM_OF_BODY};
    atomic_fetch_add(&parts->s3->puts, 1);
    LX_TRY(lx_s3_no_exists(lx_s3_do(parts->s3, &call, &answer, err), err));
    if (answer.object.etag[0] == 0)
        return lx_err_set(err, LX_E_FORMAT, "the store took a part without saying its ETag");
    part->etag = lx_strdup(answer.object.etag);
    snprintf(part->sum, sizeof part->sum, "%s", answer.sum);
    return part->etag != NULL ? LX_OK : lx_err_memory(err);
}

static void *send_part(void *context)
{
    struct lx_s3_sender *sender = context;
    struct lx_s3_parts *parts = sender->parts;
    struct lx_err err = LX_ERR_INIT;
    struct lx_s3_part part = {0};
    size_t size = sender->bytes.len;
    enum lx_status status = put_part(sender, &part, &err);
    lx_buf_free(&sender->bytes);
    atomic_fetch_sub(&parts->s3->uploading, size);
    pthread_mutex_lock(&parts->lock);
    parts->parts[sender->number - 1] = part;
    if (status != LX_OK && parts->failure.status == LX_OK) {
        parts->failure = err;
        parts->failure.status = status;
    }
    sender->done = true;
    parts->busy--;
    pthread_cond_broadcast(&parts->moved);
    pthread_mutex_unlock(&parts->lock);
    return NULL;
}

/* Room for one more among what is on its way; taken if so. */
static bool take_room(struct lx_s3_parts *parts, size_t size)
{
    if (parts->busy == LX_S3_PARTS_AT_ONCE)
        return false;
    size_t before = atomic_fetch_add(&parts->s3->uploading, size);
    if (parts->busy == 0 || before + size <= parts->s3->upload_memory)
        return true;
    atomic_fetch_sub(&parts->s3->uploading, size);
    return false;
}

/* A sender without a thread; there is one, since fewer than all are busy. */
static struct lx_s3_sender *free_sender(struct lx_s3_parts *parts)
{
    struct lx_s3_sender *sender = parts->senders;
    while (sender->started && !sender->done)
        sender++;
    if (sender->started)
        pthread_join(sender->thread, NULL); /* it is at its end */
    *sender = (struct lx_s3_sender){.parts = parts};
    return sender;
}

static enum lx_status add_part(struct lx_s3_parts *parts, struct lx_err *err)
{
    if (parts->count == LX_S3_MAX_PARTS)
        return lx_err_set(err, LX_E_LIMIT, "%s would have more than %d parts: raise S3_PART_MB",
                          parts->key, LX_S3_MAX_PARTS);
    if (parts->count == parts->cap) {
        size_t more = parts->cap != 0 ? parts->cap * 2 : 16;
        struct lx_s3_part *grown = lx_realloc(parts->parts, more * sizeof *grown);
        if (grown == NULL)
            return lx_err_memory(err);
        parts->parts = grown;
        parts->cap = more;
    }
    parts->parts[parts->count++] = (struct lx_s3_part){0};
    return LX_OK;
}

static enum lx_status start_sender(struct lx_s3_parts *parts, struct lx_buf *part,
                                   struct lx_err *err)
{
    struct lx_s3_sender *sender = free_sender(parts);
    sender->number = parts->count;
    sender->bytes = *part;
    enum lx_status status = lx_thread_start(&sender->thread, send_part, sender, err);
    if (status != LX_OK) {
        sender->bytes = (struct lx_buf){0}; /* still the caller's */
        atomic_fetch_sub(&parts->s3->uploading, part->len);
        return status;
    }
    sender->started = true;
    parts->busy++;
    *part = (struct lx_buf){.max = part->max};
    return LX_OK;
}

enum lx_status lx_s3_parts_send(struct lx_s3_parts *parts, struct lx_buf *part, struct lx_err *err)
{
    pthread_mutex_lock(&parts->lock);
    bool room = false;
    while (parts->failure.status == LX_OK && !(room = take_room(parts, part->len)))
        pthread_cond_wait(&parts->moved, &parts->lock);
    enum lx_status status = parts->failure.status;
    if (status != LX_OK && err != NULL)
        *err = parts->failure;
    if (status == LX_OK)
        status = add_part(parts, err);
    if (status == LX_OK)
        status = start_sender(parts, part, err);
    else if (room)
        atomic_fetch_sub(&parts->s3->uploading, part->len);
    pthread_mutex_unlock(&parts->lock);
    return status;
}

enum lx_status lx_s3_parts_wait(struct lx_s3_parts *parts, struct lx_err *err)
{
    pthread_mutex_lock(&parts->lock);
    while (parts->busy > 0)
        pthread_cond_wait(&parts->moved, &parts->lock);
    enum lx_status status = parts->failure.status;
    if (status != LX_OK && err != NULL)
        *err = parts->failure;
    pthread_mutex_unlock(&parts->lock);
    return status;
}

enum lx_status lx_s3_parts_list(const struct lx_s3_parts *parts, struct lx_buf *xml)
{
    LX_TRY(lx_buf_text(xml, "<CompleteMultipartUpload>"));
    for (unsigned i = 0; i < parts->count; i++) {
        const struct lx_s3_part *part = &parts->parts[i];
        LX_TRY(lx_buf_printf(xml, "<Part><PartNumber>%u</PartNumber><ETag>\"%s\"</ETag>", i + 1,
                             part->etag));
        if (part->sum[0] != 0)
            LX_TRY(lx_buf_printf(xml, "<ChecksumSHA256>%s</ChecksumSHA256>", part->sum));
        LX_TRY(lx_buf_text(xml, "</Part>"));
    }
    return lx_buf_text(xml, "</CompleteMultipartUpload>");
}
