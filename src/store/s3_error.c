/* s3_error.c: what S3 says when it refuses, into statuses, words, and what to do. */
#include "store/s3.h"

#include <stdio.h>
#include <strings.h>

enum help {
    HELP_NONE,
    HELP_KEYS,   /* wrong or expired keys */
    HELP_ACCESS, /* a right is missing */
    HELP_UNTOLD, /* refused, and no word why */
    HELP_BUCKET, /* there is no such bucket */
    HELP_CLOCK,
    HELP_QUOTA,
    HELP_FROZEN,
    HELP_LATER, /* its own trouble */
    HELP_PRECONDITION
};

struct known {
    const char *code;
    enum lx_status status;
    bool again;
    enum help help;
};

/* "Error responses" of the S3 API reference, and what Ceph, MinIO and R2 say beside. */
static const struct known codes[] = {
    {"AccessDenied", LX_E_ACCESS, false, HELP_ACCESS},
    {"AllAccessDisabled", LX_E_ACCESS, false, HELP_ACCESS},
    {"InvalidAccessKeyId", LX_E_AUTH, false, HELP_KEYS},
    {"SignatureDoesNotMatch", LX_E_AUTH, false, HELP_KEYS},
    {"InvalidToken", LX_E_AUTH, false, HELP_KEYS},
    {"ExpiredToken", LX_E_AUTH, false, HELP_KEYS},
    {"TokenRefreshRequired", LX_E_AUTH, false, HELP_KEYS},
    {"RequestTimeTooSkewed", LX_E_AUTH, false, HELP_CLOCK},
    {"NoSuchBucket", LX_E_NOTFOUND, false, HELP_BUCKET},
    {"NoSuchKey", LX_E_NOTFOUND, false, HELP_NONE},
    {"NoSuchUpload", LX_E_NOTFOUND, false, HELP_NONE},
    {"NotFound", LX_E_NOTFOUND, false, HELP_NONE},
    {"PreconditionFailed", LX_E_EXISTS, false, HELP_NONE},
    {"ConditionalRequestConflict", LX_E_BUSY, true, HELP_LATER},
    {"OperationAborted", LX_E_BUSY, true, HELP_NONE},
    {"QuotaExceeded", LX_E_NOSPACE, false, HELP_QUOTA},
    {"StorageQuotaExceeded", LX_E_NOSPACE, false, HELP_QUOTA},
    {"XMinioStorageFull", LX_E_NOSPACE, false, HELP_QUOTA},
    {"XMinioAdminBucketQuotaExceeded", LX_E_NOSPACE, false, HELP_QUOTA},
    {"InvalidObjectState", LX_E_REFUSED, false, HELP_FROZEN},
    {"NotImplemented", LX_E_UNSUPPORTED, false, HELP_PRECONDITION},
    {"InternalError", LX_E_BUSY, true, HELP_LATER},
    {"ServiceUnavailable", LX_E_BUSY, true, HELP_LATER},
    {"SlowDown", LX_E_BUSY, true, HELP_LATER},
    {"Throttling", LX_E_BUSY, true, HELP_LATER},
    {"RequestTimeout", LX_E_TIMEOUT, true, HELP_NONE},
    {"IncompleteBody", LX_E_NETWORK, true, HELP_NONE},
    /* The bytes were damaged on their way: worth a second try, and never stored. */
    {"BadDigest", LX_E_CORRUPT, true, HELP_NONE},
    {"XAmzContentSHA256Mismatch", LX_E_CORRUPT, true, HELP_NONE},
    {"InvalidRange", LX_E_FORMAT, false, HELP_NONE},
};

/* Where there is no code: HEAD, proxies. */
static struct known of_status(int status)
{
    switch (status) {
    case 401: return (struct known){"Unauthorized", LX_E_AUTH, false, HELP_KEYS};
    case 403: return (struct known){"AccessDenied", LX_E_ACCESS, false, HELP_UNTOLD};
    case 404: return (struct known){"NoSuchKey", LX_E_NOTFOUND, false, HELP_NONE};
    case 409: return (struct known){"Conflict", LX_E_BUSY, true, HELP_NONE};
    case 412: return (struct known){"PreconditionFailed", LX_E_EXISTS, false, HELP_NONE};
    case 416: return (struct known){"InvalidRange", LX_E_FORMAT, false, HELP_NONE};
    case 429: return (struct known){"TooManyRequests", LX_E_BUSY, true, HELP_LATER};
    case 408: return (struct known){"RequestTimeout", LX_E_TIMEOUT, true, HELP_NONE};
    case 501: return (struct known){"NotImplemented", LX_E_UNSUPPORTED, false, HELP_PRECONDITION};
    case 507: return (struct known){"InsufficientStorage", LX_E_NOSPACE, false, HELP_QUOTA};
    default: break;
    }
    if (status >= 500)
        return (struct known){"", LX_E_BUSY, true, HELP_LATER};
    return (struct known){"", LX_E_REMOTE, false, HELP_NONE};
}

static struct known look_up(const struct lx_s3_call *call, int status, const char *code)
{
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (strcmp(codes[i].code, code) == 0) {
            struct known known = codes[i];
            /* Ceph's answer to a body that broke off (docs/store.md). */
            if (strcmp(code, "NoSuchKey") == 0 && strcmp(call->method, "PUT") == 0)
                known = (struct known){"NoSuchKey", LX_E_NETWORK, true, HELP_NONE};
            return known;
        }
    struct known known = of_status(status);
    if (code[0] != 0 && known.help == HELP_UNTOLD)
        known.help = HELP_ACCESS;
    if (code[0] != 0)
        known.code = code;
    return known;
}

static void hint(struct lx_s3 *s3, const struct lx_s3_call *call, enum help help,
                 struct lx_str date, struct lx_err *err)
{
    switch (help) {
    case HELP_NONE: return;
    case HELP_KEYS:
        lx_err_hint(err, "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN (or "
                         "AWS_PROFILE); `lynex config` says where they come from");
        return;
    case HELP_ACCESS:
        lx_err_hint(err, "the IAM user lacks %s on %s: `lynex iam` prints the policy to apply",
                    call->action, s3->bucket);
        return;
    case HELP_UNTOLD:
        lx_err_hint(err,
                    "the IAM user lacks %s on %s (`lynex iam` prints the policy to apply), the "
                    "session token has expired, or this machine's clock is wrong: the store says "
                    "that it is %.*s",
                    call->action, s3->bucket, LX_STR_ARG(date));
        return;
    case HELP_BUCKET:
        if (s3->endpoint_host != NULL)
            lx_err_hint(err,
                        "create it (aws --endpoint-url %s://%s s3 mb s3://%s), or name another by "
                        "S3_ARCHIVE_BUCKET",
                        s3->scheme, s3->endpoint_host, s3->bucket);
        else
            lx_err_hint(err, "create it (aws s3 mb s3://%s), or name another by S3_ARCHIVE_BUCKET",
                        s3->bucket);
        return;
    case HELP_CLOCK:
        lx_err_hint(err, "set this machine's clock: the store says that it is %.*s",
                    LX_STR_ARG(date));
        return;
    case HELP_QUOTA:
        lx_err_hint(err, "raise the quota or make room; nothing is lost, and the next run goes on");
        return;
    case HELP_FROZEN:
        lx_err_hint(err, "the object lies in a class that must be restored before it can be read "
                         "(aws s3api restore-object); new files go to S3_STORAGE_CLASS");
        return;
    case HELP_LATER:
        lx_err_hint(err, "the store is in trouble or asks for less load; nothing is lost, and the "
                         "next run goes on");
        return;
    case HELP_PRECONDITION:
        lx_err_hint(err, "the store lacks a part of the S3 protocol that this needs; where it is "
                         "If-None-Match, and exactly one lynex ever writes here, "
                         "ARCHIVE_COMMIT=single-writer does without");
        return;
    }
}

/* A bucket of another region: Amazon says which. */
static void find_region(struct lx_s3_failure *failure)
{
    bool elsewhere = failure->status == 301 || failure->status == 307 ||
                     strcmp(failure->code, "PermanentRedirect") == 0 ||
                     strcmp(failure->code, "AuthorizationHeaderMalformed") == 0 ||
                     strcmp(failure->code, "IllegalLocationConstraintException") == 0 ||
                     /* HEAD has no body */
                     (failure->status == 400 && failure->code[0] == 0);
    if (!elsewhere)
        return;
    if (failure->region.ptr != NULL && failure->region.len < sizeof failure->right_region)
        snprintf(failure->right_region, sizeof failure->right_region, "%.*s",
                 LX_STR_ARG(failure->region));
    else
        (void)lx_s3_xml_text(failure->body, "Region", failure->right_region,
                             sizeof failure->right_region);
    for (const char *c = failure->right_region; *c != 0; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '-'))
            failure->right_region[0] = 0;
}

enum lx_status lx_s3_failed(struct lx_s3 *s3, const struct lx_s3_call *call,
                            struct lx_s3_failure *failure, struct lx_err *err)
{
    char name[512], message[256] = "";
    if (lx_s3_xml_text(failure->body, "Code", failure->code, sizeof failure->code))
        (void)lx_s3_xml_text(failure->body, "Message", message, sizeof message);
    struct known known = look_up(call, failure->status, failure->code);
    find_region(failure);
    lx_s3_name(s3, call->key, name, sizeof name);
    failure->again = known.again;
    lx_err_set(err, known.status, "%s (%s): %s%s%d%s%s%s", name, call->action + 3, known.code,
               known.code[0] != 0 ? ", HTTP " : "HTTP ", failure->status,
               message[0] != 0 ? ": " : "", message,
               known.help == HELP_UNTOLD
                   ? ", or ExpiredToken or RequestTimeTooSkewed: the answer to a HEAD does not say"
                   : "");
    if (strcmp(known.code, "NoSuchBucket") == 0)
        lx_err_set(err, LX_E_NOTFOUND, "NoSuchBucket: there is no bucket %s at %s", s3->bucket,
                   s3->endpoint_host != NULL ? s3->endpoint_host : "Amazon S3");
    if (err != NULL) {
        err->code = failure->status;
        snprintf(err->name, sizeof err->name, "%s", known.code);
    }
    hint(s3, call, known.help, failure->date, err);
    if (failure->code[0] == 0)
        snprintf(failure->code, sizeof failure->code, "%s", known.code);
    return known.status;
}
