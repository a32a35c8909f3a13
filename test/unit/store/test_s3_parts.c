/* Uploads whose store fails, forgets, or whose answers are lost, at each of their steps. */
#include "s3_bed.h"

static void is(enum lx_status got, enum lx_status want, const struct lx_err *err)
{
    if (got != want)
        fail_msg("%s, not %s: %s", lx_status_name(got), lx_status_name(want), err->text);
}

#define COMPLETE "POST", "uploadId"

static char text[16384];

/* Writes so many bytes, and ends the upload; what fails before is returned too. */
static enum lx_status upload_with(size_t size, struct lx_object *object, struct lx_err *err)
{
    const struct lx_put how = {.data = true};
    struct lx_upload *upload = NULL;
    bed.log[0] = bed.said[0] = 0;
    lx_err_clear(err);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i % 23);
    LX_TRY(lx_store_upload_begin(bed.store, "a", &how, &upload, err));
    enum lx_status status = lx_store_upload_write(upload, text, size, err);
    if (status == LX_OK) {
        status = lx_store_upload_finish(upload, object, err);
        if (status != LX_E_EXISTS)
            return status;
    }
    lx_store_upload_abort(upload);
    return status;
}

static enum lx_status upload(size_t size, struct lx_err *err)
{
    struct lx_object object = {0};
    enum lx_status status = upload_with(size, &object, err);
    if (status == LX_OK) {
        assert_int_equal(object.size, size);
        assert_memory_equal(bed.object, text, size);
    }
    return status;
}

static void test_sizes(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    is(upload(0, &err), LX_OK, &err);
    assert_string_equal(bed.log, "PUT ");
    assert_string_equal(bed.condition, "*");
    is(upload(1000, &err), LX_OK, &err);
    assert_string_equal(bed.log, "PUT ");
    is(upload(1001, &err), LX_OK, &err);
    assert_string_equal(bed.log, "PUT POST PUT PUT POST HEAD ");
    is(upload(9999, &err), LX_OK, &err);
    lx_store_upload_abort(NULL);
}

/* -- the key ------------------------------------------------------------------------------- */

/* The answer to the reservation is lost: whose it is, is written on it. */
static void test_reservation_lost(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    const struct rule lost = {"PUT", "", .lost = true},
                      taken = {"PUT", "", 412, "", ERROR("PreconditionFailed")};
    rule(lost);
    rule(taken);
    rule((struct rule){"HEAD", "", 200, "", "", .owner = true});
    is(upload(2500, &err), LX_OK, &err);
    rule(lost);
    rule(taken);
    rule((struct rule){"HEAD", "", 200, ETAG "x-amz-meta-lynex-upload: another\r\n", ""});
    is(upload(2500, &err), LX_E_EXISTS, &err);
    assert_string_equal(err.text, "a exists already");
    rule(lost);
    rule(taken);
    rule((struct rule){"HEAD", "", 403, "", ""});
    is(upload(2500, &err), LX_E_ACCESS, &err);
    /* Not written after all: again, but not for ever. */
    rule(lost);
    rule(taken);
    rule((struct rule){"HEAD", "", 404, "", ""});
    is(upload(2500, &err), LX_OK, &err);
    for (int i = 0; i < 3; i++) {
        rule(lost);
        rule(taken);
        rule((struct rule){"HEAD", "", 404, "", ""});
    }
    is(upload(2500, &err), LX_E_UNKNOWN, &err);
}

static void test_key_taken(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    const struct lx_put how = {.data = true};
    struct lx_upload *upload = NULL;
    struct lx_object object;
    const struct rule taken = {"PUT", "", 412, "", ERROR("PreconditionFailed")};
    memset(text, 'x', sizeof text);
    /* A small one learns of it at its end. */
    is(lx_store_upload_begin(bed.store, "a", &how, &upload, &err), LX_OK, &err);
    is(lx_store_upload_write(upload, text, 10, &err), LX_OK, &err);
    rule(taken);
    is(lx_store_upload_finish(upload, &object, &err), LX_E_EXISTS, &err);
    is(lx_store_upload_rekey(upload, "../b", &err), LX_E_ARGUMENT, &err);
    is(lx_store_upload_rekey(upload, "b", &err), LX_OK, &err);
    is(lx_store_upload_finish(upload, &object, &err), LX_OK, &err);
    says(bed.target, "/bucket/root/b");
    assert_int_equal(object.size, 10);
    /* A large one when it writes, having kept its bytes. */
    is(lx_store_upload_begin(bed.store, "a", &how, &upload, &err), LX_OK, &err);
    rule(taken);
    is(lx_store_upload_write(upload, text, 1500, &err), LX_E_EXISTS, &err);
    rule(taken);
    is(lx_store_upload_finish(upload, &object, &err), LX_E_EXISTS, &err);
    is(lx_store_upload_rekey(upload, "c", &err), LX_OK, &err);
    is(lx_store_upload_write(upload, NULL, 0, &err), LX_OK, &err);
    is(lx_store_upload_rekey(upload, "d", &err), LX_E_BUG, &err);
    is(lx_store_upload_finish(upload, &object, &err), LX_OK, &err);
    says(bed.target, "/bucket/root/c");
    assert_int_equal(object.size, 1500);
}

/* -- a small one whose answer is lost ------------------------------------------------------ */

static void test_small_lost(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    const struct rule lost = {"PUT", "", .lost = true},
                      taken = {"PUT", "", 412, "", ERROR("PreconditionFailed")};
    struct lx_object object = {0};
    is(upload(500, &err), LX_OK, &err); /* what lies there: the same bytes */
    rule(lost);
    rule(taken);
    is(upload(500, &err), LX_OK, &err);
    assert_string_equal(bed.log, "PUT PUT HEAD GET ");
    assert_string_equal(err.text, "");
    pthread_mutex_lock(&bed.lock); /* which the server's threads read it under */
    bed.object[499] ^= 1;
    pthread_mutex_unlock(&bed.lock);
    rule(lost);
    rule(taken);
    is(upload_with(500, &object, &err), LX_E_EXISTS, &err);
    assert_string_equal(err.text, "a exists already");
    assert_int_equal(err.status, LX_E_EXISTS);
    rule(lost);
    rule(taken);
    is(upload_with(499, &object, &err), LX_E_EXISTS, &err);
    assert_string_equal(bed.log, "PUT PUT HEAD ");
    rule(lost);
    rule(taken);
    rule((struct rule){"HEAD", "", 403, "", ""});
    is(upload_with(500, &object, &err), LX_E_UNKNOWN, &err);
    says(err.text, "it is not known whether the write was done");
    rule(lost);
    rule(taken);
    rule((struct rule){"GET", "", 403, "", ""});
    is(upload_with(500, &object, &err), LX_E_UNKNOWN, &err);
    is(upload(0, &err), LX_OK, &err);
    rule(lost);
    rule(taken);
    is(upload(0, &err), LX_OK, &err);
    assert_string_equal(bed.log, "PUT PUT HEAD ");
}

/* -- parts --------------------------------------------------------------------------------- */

static void test_begins_badly(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    rule((struct rule){"POST", "", 200, "", "<X></X>"});
    is(upload(1500, &err), LX_E_FORMAT, &err);
    assert_string_equal(err.text, "the store began an upload without saying its id");
    assert_string_equal(bed.log, "PUT POST DELETE "); /* the reservation is let go */
    rule((struct rule){"POST", "", 403, "", ERROR("AccessDenied")});
    is(upload(1500, &err), LX_E_ACCESS, &err);
    rule((struct rule){"PUT", "partNumber=1&", 412, "", ERROR("PreconditionFailed")});
    is(upload(1500, &err), LX_E_REMOTE, &err); /* the key is ours: it is no "exists" */
    assert_int_equal(err.status, LX_E_REMOTE);
}

static void test_giving_up(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    const struct rule refused = {"PUT", "partNumber", 403, "", ERROR("AccessDenied")};
    rule(refused);
    is(upload(1001, &err), LX_E_ACCESS, &err);
    assert_string_equal(bed.said, "");
    rule(refused);
    rule((struct rule){"DELETE", "uploadId", 403, "", ERROR("AccessDenied")});
    is(upload(1001, &err), LX_E_ACCESS, &err);
    says(bed.said, "parts of an upload that was given up stay in the bucket: the user may not "
                   "s3:AbortMultipartUpload");
    rule(refused);
    rule((struct rule){"DELETE", "uploadId", 500, "", "", .times = 2});
    rule((struct rule){"DELETE", "", 403, "", ERROR("AccessDenied")});
    is(upload(1001, &err), LX_E_ACCESS, &err);
    says(bed.said, "s3://bucket/root/a (DeleteObject): AccessDenied, HTTP 403");
    /* Nobody is there to be told. */
    reopen((struct lx_s3_options){.say_context = &bed});
    rule(refused);
    rule((struct rule){"DELETE", "", 403, "", ERROR("AccessDenied"), .times = 2});
    is(upload(1001, &err), LX_E_ACCESS, &err);
    assert_string_equal(bed.said, "");
}

/* More than a part is copied as an upload in parts. */
static void test_copy(void **state)
{
    (void)state;
    const struct lx_put how = {.data = true};
    struct lx_err err = LX_ERR_INIT;
    is(upload(4500, &err), LX_OK, &err);
    bed.log[0] = 0;
    is(lx_store_copy(bed.store, "a", 4500, "b", &how, &err), LX_OK, &err);
    pthread_mutex_lock(&bed.lock);
    assert_true(strncmp(bed.log, "GET PUT POST PUT ", 17) == 0);
    assert_int_equal(bed.size, 4500);
    assert_memory_equal(bed.object, text, 4500);
    pthread_mutex_unlock(&bed.lock);
    rule((struct rule){"PUT", "/b", 412, "", ERROR("PreconditionFailed")});
    is(lx_store_copy(bed.store, "a", 4500, "b", &how, &err), LX_E_EXISTS, &err);
}

static struct lx_upload *begun(void)
{
    const struct lx_put how = {0};
    struct lx_err err = LX_ERR_INIT;
    struct lx_upload *upload = NULL;
    is(lx_store_upload_begin(bed.store, "a", &how, &upload, &err), LX_OK, &err);
    is(lx_store_upload_write(upload, text, 1500, &err), LX_OK, &err);
    return upload;
}

static int deletes(void)
{
    int count = 0;
    pthread_mutex_lock(&bed.lock);
    for (const char *at = bed.log; (at = strstr(at, "DELETE ")) != NULL; at++)
        count++;
    pthread_mutex_unlock(&bed.lock);
    return count;
}

/* Parts of other uploads may be on their way meanwhile. */
static bool last_delete_has(const char *words)
{
    pthread_mutex_lock(&bed.lock);
    bool has = strstr(bed.deleted, words) != NULL;
    pthread_mutex_unlock(&bed.lock);
    return has;
}

/* Once the user has interrupted, all uploads share a short while for tidying up. */
static void test_interrupted(void **state)
{
    (void)state;
    struct lx_cancel cancel = {0};
    struct lx_upload *uploads[4];
    reopen((struct lx_s3_options){.cancel = &cancel});
    for (size_t i = 0; i < 4; i++)
        uploads[i] = begun();
    lx_store_upload_abort(uploads[0]);
    assert_int_equal(deletes(), 2);
    /* The object last: what was completed goes with it. */
    assert_false(last_delete_has("uploadId"));
    lx_cancel_ask(&cancel);
    lx_store_upload_abort(uploads[1]); /* its time begins here, not with the one before */
    assert_int_equal(deletes(), 4);
    assert_true(last_delete_has("uploadId")); /* in a hurry it goes first */
    atomic_fetch_add(&bed.now, LX_S3_LAST_CLEANING_MS);
    int before = deletes();
    bed.said[0] = 0;
    for (size_t i = 2; i < 4; i++)
        lx_store_upload_abort(uploads[i]);
    assert_int_equal(deletes(), before);
    says(bed.said, "interrupted: a (s3:DeleteObject) was not sent any more; lynex vacuum takes the "
                   "empty object away");
    says(bed.said, "interrupted: a (s3:AbortMultipartUpload) was not sent any more; parts of the "
                   "upload stay until the bucket's rule AbortIncompleteMultipartUpload takes them");
    lx_cancel_forget(&cancel); /* as for the next run of the same process */
    lx_store_upload_abort(begun());
    assert_int_equal(deletes(), before + 2);
    /* Interrupted while the store completes it. */
    struct lx_err err = LX_ERR_INIT;
    struct lx_object object;
    struct lx_upload *last = begun();
    bed.cancel = &cancel;
    rule((struct rule){COMPLETE, 500, "", "", .cancels = true});
    is(lx_store_upload_finish(last, &object, &err), LX_E_CANCELLED, &err);
    assert_int_equal(deletes(), before + 4);
    assert_false(last_delete_has("uploadId"));
}

/* -- the end ------------------------------------------------------------------------------- */

static void test_completing(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    rule((struct rule){COMPLETE, 200, "", ERROR("InternalError"), .times = 2});
    is(upload(1001, &err), LX_OK, &err);
    rule((struct rule){COMPLETE, 200, "", ERROR("InternalError"), .times = 3});
    is(upload(1001, &err), LX_E_BUSY, &err);
    assert_string_equal(err.text, "a: completing the upload failed: InternalError");
    /* Done by a try whose answer was lost, or forgotten by the store: the object tells. */
    rule((struct rule){COMPLETE, 404, "", ERROR("NoSuchUpload"), .times = 1});
    rule((struct rule){"HEAD", "", 200, ETAG "Content-Length: 1001\r\n", "", .cut = true});
    struct lx_object object;
    is(upload_with(1001, &object, &err), LX_OK, &err);
    assert_int_equal(object.size, 1001);
    rule((struct rule){COMPLETE, 404, "", ERROR("NoSuchUpload")});
    is(upload(1001, &err), LX_E_REMOTE, &err);
    assert_string_equal(err.text, "a: the store has forgotten the upload (NoSuchUpload)");
    says(err.hint, "nothing is lost, and the next run goes on");
    rule((struct rule){"HEAD", "", 200, ETAG "Content-Length: 1000\r\n", "", .cut = true});
    is(upload(1001, &err), LX_E_CORRUPT, &err);
    assert_string_equal(err.text, "a has 1000 bytes in the store, 1001 were sent");
    rule((struct rule){COMPLETE, 412, "", ERROR("PreconditionFailed")});
    is(upload(1001, &err), LX_E_REMOTE, &err);
    rule((struct rule){"HEAD", "", 403, "", ""});
    is(upload(1001, &err), LX_E_ACCESS, &err);
}

/* The same where the caller wants no words. */
static void test_no_words(void **state)
{
    (void)state;
    const struct lx_put how = {0};
    struct lx_upload *upload = NULL;
    struct lx_object object;
    rule((struct rule){COMPLETE, 404, "", ERROR("NoSuchUpload")});
    rule((struct rule){"HEAD", "", 200, ETAG "Content-Length: 1500\r\n", "", .cut = true});
    assert_int_equal(lx_store_upload_begin(bed.store, "a", &how, &upload, NULL), LX_OK);
    assert_int_equal(lx_store_upload_write(upload, text, 1500, NULL), LX_OK);
    assert_int_equal(lx_store_upload_finish(upload, &object, NULL), LX_OK);
    assert_int_equal(object.size, 1500);
    rule((struct rule){COMPLETE, 412, "", ERROR("PreconditionFailed")});
    assert_int_equal(lx_store_upload_begin(bed.store, "a", &how, &upload, NULL), LX_OK);
    assert_int_equal(lx_store_upload_write(upload, text, 1500, NULL), LX_OK);
    assert_int_equal(lx_store_upload_finish(upload, &object, NULL), LX_E_REMOTE);
    rule((struct rule){"PUT", "partNumber", 403, "", ERROR("AccessDenied"), .times = 2});
    assert_int_equal(lx_store_upload_begin(bed.store, "a", &how, &upload, NULL), LX_OK);
    enum lx_status status = lx_store_upload_write(upload, text, 1500, NULL);
    assert_int_equal(status, LX_OK);
    assert_int_equal(lx_store_upload_finish(upload, &object, NULL), LX_E_ACCESS);
}

#define WITH_BED(test) cmocka_unit_test_setup_teardown(test, bed_start, bed_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BED(test_sizes),      WITH_BED(test_reservation_lost), WITH_BED(test_key_taken),
        WITH_BED(test_small_lost), WITH_BED(test_begins_badly),     WITH_BED(test_giving_up),
        WITH_BED(test_completing), WITH_BED(test_no_words),         WITH_BED(test_interrupted),
        WITH_BED(test_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
