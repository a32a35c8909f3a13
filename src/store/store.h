/* store.h: one interface to where objects live: an S3 bucket or a directory.
 *
 * Keys are relative to the store's root ("events/2026-01/events_….parquet"), at most LX_MAX_NAME
 * bytes, and never leave the root: no "..", no empty part, no leading '/'.
 *
 * Guarantees of every driver (docs/store.md):
 *   - a PUT is whole or absent; after LX_OK it is durable;
 *   - if_absent: exactly one of many writers of one key gets LX_OK, all others LX_E_EXISTS;
 *   - a read, HEAD or list that begins after a PUT was answered sees it.
 *
 * Errors: LX_E_NOTFOUND (no such object: name says NoSuchKey; or bucket: NoSuchBucket),
 * LX_E_EXISTS, LX_E_ACCESS (which action is missing), LX_E_AUTH (keys, clock), LX_E_NOSPACE (disk,
 * quota), LX_E_NETWORK, LX_E_TIMEOUT, LX_E_BUSY after the retries that the class allows,
 * LX_E_CORRUPT, LX_E_CANCELLED. LX_E_UNKNOWN from a conditional PUT: the answers were lost, it may
 * have been written: look at the object. Retries happen inside, with jitter, within
 * LX_STORE_MAX_TRIES.
 *
 * Threads: a store may be used by many threads at once; an upload by one at a time. */
#ifndef LX_STORE_STORE_H
#define LX_STORE_STORE_H

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"

struct lx_store;
struct lx_upload;

#define LX_STORE_TMP "_lynex/tmp/" /* then 16 hex digits */

struct lx_object {
    int64_t size;
    char etag[128];         /* without quotes; a directory's: made from size, mtime and inode */
    int64_t modified_ms;    /* 0 where the answer does not say */
    char storage_class[32]; /* "" where the store does not say: STANDARD, or a directory */
    bool frozen;            /* a class that must be restored before a GET */
};

struct lx_put {
    bool if_absent;
    bool data;                /* takes the store's storage class (data files only) */
    const char *content_type; /* NULL: application/octet-stream */
};

LX_MUST_CHECK enum lx_status lx_store_put(struct lx_store *store, const char *key,
                                          const void *bytes, size_t size, const struct lx_put *put,
                                          struct lx_object *object, struct lx_err *err);

/* A new object whose size is not known beforehand, written piece by piece; if_absent is implied.
 * Small ones go up as one conditional PUT; larger ones as a multipart upload whose key is first
 * reserved by a conditional PUT of nothing (then LX_E_EXISTS comes from the write that crosses the
 * threshold). Nothing is visible under the key before finish, but for that empty reservation. */
LX_MUST_CHECK enum lx_status lx_store_upload_begin(struct lx_store *store, const char *key,
                                                   const struct lx_put *put,
                                                   struct lx_upload **upload, struct lx_err *err);
LX_MUST_CHECK enum lx_status lx_store_upload_write(struct lx_upload *upload, const void *bytes,
                                                   size_t size, struct lx_err *err);
/* LX_E_EXISTS, from here or from a write: somebody has the key. The upload stays as it is: give it
 * another key and call again (a write that said so has kept its bytes: call it with size 0).
 * In all other cases finish frees the upload. */
LX_MUST_CHECK enum lx_status lx_store_upload_rekey(struct lx_upload *upload, const char *key,
                                                   struct lx_err *err);
LX_MUST_CHECK enum lx_status lx_store_upload_finish(struct lx_upload *upload,
                                                    struct lx_object *object, struct lx_err *err);
void lx_store_upload_abort(struct lx_upload *upload); /* NULL is fine; best effort */

/* Exactly `size` bytes from `offset`; LX_E_FORMAT where the object is shorter. */
LX_MUST_CHECK enum lx_status lx_store_read(struct lx_store *store, const char *key, int64_t offset,
                                           void *bytes, size_t size, struct lx_err *err);
/* The whole object, appended to `bytes` within its own maximum. */
LX_MUST_CHECK enum lx_status lx_store_get(struct lx_store *store, const char *key,
                                          struct lx_buf *bytes, struct lx_object *object,
                                          struct lx_err *err);
LX_MUST_CHECK enum lx_status lx_store_head(struct lx_store *store, const char *key,
                                           struct lx_object *object, struct lx_err *err);
/* The first `size` bytes of `from` as the new object `to` (LX_E_EXISTS where there is one), read
 * and written in pieces. */
LX_MUST_CHECK enum lx_status lx_store_copy(struct lx_store *store, const char *from, int64_t size,
                                           const char *to, const struct lx_put *put,
                                           struct lx_err *err);
/* Deleting what is not there is fine. */
LX_MUST_CHECK enum lx_status lx_store_delete(struct lx_store *store, const char *key,
                                             struct lx_err *err);

/* Every key that starts with `prefix` and comes after `after` (NULL: from the first), in bytewise
 * order. `visit` may end the listing with LX_E_CANCELLED, which then is the result. What a
 * directory's writers have under way, LX_STORE_TMP, is no object: it is listed by that prefix
 * alone, for those who tidy up after writers that died. */
typedef enum lx_status (*lx_store_visit)(void *context, const char *key,
                                         const struct lx_object *object, struct lx_err *err);
LX_MUST_CHECK enum lx_status lx_store_list(struct lx_store *store, const char *prefix,
                                           const char *after, lx_store_visit visit, void *context,
                                           struct lx_err *err);

/* "s3://bucket/root/key" or "file:///dir/key"; `key` NULL or "": the root itself. */
LX_MUST_CHECK enum lx_status lx_store_location(const struct lx_store *store, const char *key,
                                               struct lx_buf *text);

/* What the store did since it was opened. */
struct lx_store_counts {
    int64_t puts, gets, heads, lists, deletes, retries;
    int64_t bytes_out, bytes_in;
};
void lx_store_counts(const struct lx_store *store, struct lx_store_counts *counts);

void lx_store_close(struct lx_store *store);

/* -- drivers ------------------------------------------------------------------------------- */

/* The table of functions that a driver fills; also the seam for simulated stores in tests. Same
 * contracts as above. */
struct lx_store_driver {
    enum lx_status (*put)(void *self, const char *key, const void *bytes, size_t size,
                          const struct lx_put *put, struct lx_object *object, struct lx_err *err);
    enum lx_status (*upload_begin)(void *self, const char *key, const struct lx_put *put,
                                   void **upload, struct lx_err *err);
    enum lx_status (*upload_write)(void *self, void *upload, const void *bytes, size_t size,
                                   struct lx_err *err);
    enum lx_status (*upload_rekey)(void *self, void *upload, const char *key, struct lx_err *err);
    enum lx_status (*upload_finish)(void *self, void *upload, struct lx_object *object,
                                    struct lx_err *err);
    void (*upload_abort)(void *self, void *upload);
    enum lx_status (*read)(void *self, const char *key, int64_t offset, void *bytes, size_t size,
                           struct lx_err *err);
    enum lx_status (*get)(void *self, const char *key, struct lx_buf *bytes,
                          struct lx_object *object, struct lx_err *err);
    enum lx_status (*head)(void *self, const char *key, struct lx_object *object,
                           struct lx_err *err);
    enum lx_status (*remove)(void *self, const char *key, struct lx_err *err);
    enum lx_status (*list)(void *self, const char *prefix, const char *after, lx_store_visit visit,
                           void *context, struct lx_err *err);
    enum lx_status (*location)(const void *self, const char *key, struct lx_buf *text);
    void (*counts)(const void *self, struct lx_store_counts *counts);
    void (*close)(void *self);
};

/* Takes `self`: closed by lx_store_close, and on failure. */
LX_MUST_CHECK enum lx_status lx_store_wrap(const struct lx_store_driver *driver, void *self,
                                           struct lx_store **store, struct lx_err *err);

/* A directory; one that is not there is empty, and made by the first write. */
LX_MUST_CHECK enum lx_status lx_store_open_dir(const char *path, struct lx_clock clock,
                                               struct lx_random random, struct lx_store **store,
                                               struct lx_err *err);

struct lx_s3_options {
    const char *bucket, *root;                           /* root: "" or "a/b" */
    const char *region, *endpoint;                       /* endpoint NULL: AWS of that region */
    const char *access_key, *secret_key, *session_token; /* token may be NULL */
    const char *storage_class;                           /* NULL or "": the bucket's default */
    const char *sse;       /* x-amz-server-side-encryption; NULL: none */
    const char *ca_bundle; /* NULL: the system's */
    bool unconditional;    /* one writer only: if_absent looks first, and sends no condition */
    bool virtual_host;     /* bucket in the host name; AWS: true */
    bool no_checksums; /* sends no x-amz-checksum-…; else a store that refuses them is found out */
    size_t part_size;  /* of the first parts of multipart uploads; 0: chosen */
    size_t upload_memory; /* for parts that are filled or on their way; 0: the default */
    struct lx_clock clock;
    struct lx_random random;
    const struct lx_cancel *cancel; /* may be NULL */
    /* A word for the user (a storage class left out, a bucket region corrected), once each. */
    void (*say)(void *context, const char *text);
    void *say_context;
};
/* Copies the options' texts; makes no request. */
LX_MUST_CHECK enum lx_status lx_store_open_s3(const struct lx_s3_options *options,
                                              struct lx_store **store, struct lx_err *err);

/* Where S3 keys come from: the environment (with session token), else the shared credentials file
 * with AWS_PROFILE. Placeholders ("your-key-id") count as unset, with a warning by `say`. Found
 * nothing: LX_E_AUTH with what to do. Values are erased by lx_s3_credentials_clear. */
struct lx_s3_credentials {
    char access_key[256], secret_key[512], session_token[8192];
    char region[64];  /* from the profile, or "" */
    char source[256]; /* for `config`: "environment", "~/.aws/credentials [default]" */
};
struct lx_s3_credential_sources {
    const char *access_key, *secret_key, *session_token; /* settings; NULL or "" = unset */
    const char *profile;                                 /* AWS_PROFILE; NULL = default */
    const char *credentials_file, *config_file;          /* NULL: ~/.aws/… */
    void (*say)(void *context, const char *text);
    void *say_context;
};
LX_MUST_CHECK enum lx_status lx_s3_find_credentials(const struct lx_s3_credential_sources *sources,
                                                    struct lx_s3_credentials *credentials,
                                                    struct lx_err *err);
void lx_s3_credentials_clear(struct lx_s3_credentials *credentials);

#endif
