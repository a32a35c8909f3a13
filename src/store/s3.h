/* s3.h: what the files of the S3 driver share: one bucket, its calls, their answers.
 *
 * Sources: the Amazon S3 API reference (REST, ListObjectsV2, multipart uploads), "Authenticating
 * Requests: AWS Signature Version 4". */
#ifndef LX_STORE_S3_H
#define LX_STORE_S3_H

#include "base/limits.h"
#include "net/http.h"
#include "store/s3_pace.h"
#include "store/store_private.h"

#include <pthread.h>
#include <stdatomic.h>

#define LX_STORE_MAX_TRIES 8          /* of one request */
#define LX_S3_CLEANING_TRIES 2        /* of one that tidies up */
#define LX_S3_CLEANING_MS 2000        /* the whole of it */
#define LX_S3_LAST_CLEANING_MS 2500   /* of all of them, once the user has interrupted */
#define LX_S3_BACKOFF_MS 200          /* before the second try; doubled for each further one */
#define LX_S3_BACKOFF_MAX_MS 5000     /* …up to this */
#define LX_S3_PART (16 * LX_MIB)      /* largest default part of an upload, held in memory */
#define LX_S3_LEAST_PART (5 * LX_MIB) /* of all parts but the last (S3) */
#define LX_S3_LARGEST_PART (5 * LX_GIB)
#define LX_S3_MAX_PARTS 10000             /* of one multipart upload (S3) */
#define LX_S3_PARTS_OF_A_SIZE 2500        /* then the next ones are twice as large */
#define LX_S3_PARTS_AT_ONCE 4             /* of one upload, sent at the same time */
#define LX_S3_UPLOAD_MEMORY (64 * LX_MIB) /* default, of parts that are sent or filled */
#define LX_S3_MAX_ERROR (64 * LX_KIB)     /* of an error's XML */
#define LX_S3_MAX_PAGE (8 * LX_MIB)       /* of one page of a listing */
#define LX_S3_PAGE_KEYS 1000
#define LX_S3_MAX_EXTRA 8 /* headers of one call beside the signature's own */

struct lx_s3 {
    char *bucket, *root;
    char *secret_key, *access_key, *session_token; /* token: NULL where there is none */
    char *storage_class, *sse;                     /* NULL: none */
    char *scheme;                                  /* "https" */
    char *endpoint_host;                           /* "localhost:9000"; NULL: Amazon's */
    bool virtual_host, tls;
    bool unconditional;      /* the store does not know If-None-Match: look first, then write */
    size_t part_size;        /* of an upload's first parts */
    size_t upload_memory;    /* of parts on their way, beyond each upload's first */
    atomic_size_t uploading; /* bytes of parts on their way */
    struct lx_s3_pace *pace; /* the process's */
    struct lx_clock clock;
    struct lx_random random;
    const struct lx_cancel *cancel;
    atomic_llong cleaning_until; /* on the clock; 0: the user has not interrupted */
    void (*say)(void *context, const char *text);
    void *say_context;
    struct lx_http *http;

    pthread_mutex_t lock; /* guards the region, and the words that are said once */
    char region[64];
    bool said_class, said_region, said_sums;
    atomic_bool no_class; /* the store does not know the storage class */
    atomic_bool no_sums;  /* …or x-amz-checksum-…, or is not to be given them */

    atomic_llong puts, gets, heads, lists, deletes, retries, bytes_out, bytes_in;
};

#define LX_S3_SUM_TEXT 45 /* a SHA-256 in base64, and a NUL */

struct lx_s3_param {
    const char *name, *value;
};

/* x-amz-checksum-…: a sum that the store checks, and keeps with the object. */
enum lx_s3_sum {
    LX_S3_NO_SUM,
    LX_S3_SUM_OF_BODY,  /* the body's SHA-256, which the signature needs anyway */
    LX_S3_SUMS_OF_PARTS /* parts will bring theirs */
};

/* One request. */
struct lx_s3_call {
    const char *method, *key;                   /* key: below the root; NULL: the bucket itself */
    const char *action;                         /* "s3:PutObject": named where access is denied */
    struct lx_s3_param params[LX_S3_MAX_EXTRA]; /* of the query, sorted by name */
    size_t param_count;
    struct lx_http_header headers[LX_S3_MAX_EXTRA]; /* all signed; names in lower case */
    size_t header_count;
    const void *body;
    size_t body_size;
    enum lx_s3_sum sum;
    char payload[65]; /* hex SHA-256 of the body; made by lx_s3_do, once for all tries */
    char sum_text[LX_S3_SUM_TEXT]; /* the same in base64 */
    bool once;      /* a second one may be refused although the first was done (conditional) */
    bool has_class; /* takes the storage class */
    bool without_class, without_sums; /* refused: made by lx_s3_do */
    bool cleaning; /* best effort: few tries, a short while, also after the user has interrupted */
    bool single; /* sent once: where the answer is lost, nobody knows whom a second one would hit */

    /* Where the answer's body goes: exactly into_size bytes, or appended to `out`, or nowhere. */
    void *into;
    size_t into_size;
    int64_t into_offset;
    struct lx_buf *out;
};

struct lx_s3_answer {
    int status;
    struct lx_object object;  /* of the headers */
    char owner[40];           /* x-amz-meta-lynex-upload */
    char sum[LX_S3_SUM_TEXT]; /* x-amz-checksum-sha256: the store knows it */
};

/* Sends, with retries. LX_E_UNKNOWN only for calls that say `once`. */
LX_MUST_CHECK enum lx_status lx_s3_do(struct lx_s3 *s3, struct lx_s3_call *call,
                                      struct lx_s3_answer *answer, struct lx_err *err);
void lx_s3_add_header(struct lx_s3_call *call, const char *name, const char *value);
/* "s3://bucket/root/key" for texts, cut to size. */
void lx_s3_name(const struct lx_s3 *s3, const char *key, char *text, size_t size);

/* -- the signature ------------------------------------------------------------------------- */

struct lx_s3_signing {
    const char *method, *path, *query;    /* escaped; the query sorted by name */
    const struct lx_http_header *headers; /* lower-case names, sorted; all are signed */
    size_t header_count;
    const char *payload; /* hex SHA-256 of the body */
    const char *time;    /* "20130524T000000Z" */
    const char *region, *service, *access_key, *secret_key;
};
/* The value of the Authorization header. */
LX_MUST_CHECK enum lx_status lx_s3_sign(const struct lx_s3_signing *what, struct lx_buf *value);
/* SHA-256, hex; and in base64 where `base64` is not NULL. */
LX_MUST_CHECK enum lx_status lx_s3_sha256(const void *bytes, size_t size, char hex[65],
                                          char base64[LX_S3_SUM_TEXT]);

/* -- errors -------------------------------------------------------------------------------- */

/* Turns an answer that is no success into a status with text and hint. *again: worth a retry. */
struct lx_s3_failure {
    int status;
    struct lx_str body;    /* XML, or anything */
    struct lx_str date;    /* the server's clock, as its header says */
    struct lx_str region;  /* x-amz-bucket-region */
    bool again;            /* out */
    char code[64];         /* out */
    char right_region[64]; /* out: where the bucket lies, when that is the trouble */
};
enum lx_status lx_s3_failed(struct lx_s3 *s3, const struct lx_s3_call *call,
                            struct lx_s3_failure *failure, struct lx_err *err);

/* -- XML ----------------------------------------------------------------------------------- */

struct lx_s3_entry {
    const char *key; /* unescaped, in the bucket */
    struct lx_object object;
};
typedef enum lx_status (*lx_s3_entry_visit)(void *context, const struct lx_s3_entry *entry,
                                            struct lx_err *err);
/* A page of ListObjectsV2. *token is "" after the last one. `visit` sees the entries in order,
 * after all of the page was understood. */
LX_MUST_CHECK enum lx_status lx_s3_parse_page(struct lx_str xml, lx_s3_entry_visit visit,
                                              void *context, struct lx_buf *token,
                                              struct lx_err *err);
/* The text of the first element of that name; false where it is not there or the XML is none. */
bool lx_s3_xml_text(struct lx_str xml, const char *element, char *text, size_t size);

/* Objects of these classes must be restored before they can be read. */
bool lx_s3_is_frozen(const char *storage_class);

/* -- parts of an upload (s3_parts.c) -------------------------------------------------------- */

struct lx_s3_part {
    char *etag;
    char sum[LX_S3_SUM_TEXT]; /* "": the store does not know it */
};

struct lx_s3_sender; /* one part on its way, with a thread of its own */

/* The parts of one multipart upload: several on their way at once, numbered as they are given. */
struct lx_s3_parts {
    struct lx_s3 *s3;
    const char *key, *id; /* borrowed */
    pthread_mutex_t lock; /* guards all that follows */
    pthread_cond_t moved;
    struct lx_s3_sender *senders; /* LX_S3_PARTS_AT_ONCE */
    unsigned busy, count;         /* parts on their way; parts given so far */
    struct lx_s3_part *parts;     /* `count` */
    size_t cap;
    struct lx_err failure; /* status LX_OK while all is well */
};

/* Bytes of the next part after `count` ones: never part 10,001. */
size_t lx_s3_part_size(const struct lx_s3 *s3, unsigned count);
LX_MUST_CHECK enum lx_status lx_s3_parts_init(struct lx_s3_parts *parts, struct lx_s3 *s3,
                                              struct lx_err *err);
void lx_s3_parts_free(struct lx_s3_parts *parts); /* waits for what is on its way */
/* Takes the buffer's bytes, and sends them; waits while enough is on its way. A failure of earlier
 * parts comes from here. */
LX_MUST_CHECK enum lx_status lx_s3_parts_send(struct lx_s3_parts *parts, struct lx_buf *part,
                                              struct lx_err *err);
/* Until the store has all of them, or one has failed and none is on its way. */
LX_MUST_CHECK enum lx_status lx_s3_parts_wait(struct lx_s3_parts *parts, struct lx_err *err);
/* The body of CompleteMultipartUpload. */
LX_MUST_CHECK enum lx_status lx_s3_parts_list(const struct lx_s3_parts *parts, struct lx_buf *xml);

/* -- uploads (s3_upload.c) ----------------------------------------------------------------- */

/* Headers that every object takes: content type, encryption, for data the storage class, and a sum
 * that the store checks. */
void lx_s3_object_headers(struct lx_s3 *s3, const struct lx_put *put, struct lx_s3_call *call);

/* The key is reserved: from here on no answer may mean that somebody else has it. */
enum lx_status lx_s3_no_exists(enum lx_status status, struct lx_err *err);

/* The call writes only where nothing is: by the condition, or by looking first where the store does
 * not know it. LX_E_EXISTS. */
LX_MUST_CHECK enum lx_status lx_s3_if_absent(struct lx_s3 *s3, struct lx_s3_call *call,
                                             struct lx_err *err);

enum lx_status lx_s3_upload_begin(void *self, const char *key, const struct lx_put *put,
                                  void **upload, struct lx_err *err);
enum lx_status lx_s3_upload_write(void *self, void *upload, const void *bytes, size_t size,
                                  struct lx_err *err);
enum lx_status lx_s3_upload_rekey(void *self, void *upload, const char *key, struct lx_err *err);
enum lx_status lx_s3_upload_finish(void *self, void *upload, struct lx_object *object,
                                   struct lx_err *err);
void lx_s3_upload_abort(void *self, void *upload);

#endif
