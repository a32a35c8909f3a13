/* s3_sign.c: AWS Signature Version 4, as S3 wants it (paths are escaped once). */
#include "store/s3.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#define DIGEST 32

static void to_hex(const unsigned char *bytes, char hex[2 * DIGEST + 1])
{
    for (size_t i = 0; i < DIGEST; i++)
        snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
}

enum lx_status lx_s3_sha256(const void *bytes, size_t size, char hex[65],
                            char base64[LX_S3_SUM_TEXT])
{
    unsigned char digest[DIGEST];
    unsigned int length = 0;
    if (EVP_Digest(size != 0 ? bytes : "", size, digest, &length, EVP_sha256(), NULL) != 1 ||
        length != DIGEST)
        return LX_E_MEMORY;
    to_hex(digest, hex);
    if (base64 != NULL)
        EVP_EncodeBlock((unsigned char *)base64, digest, DIGEST);
    return LX_OK;
}

static enum lx_status hmac(const void *key, size_t key_size, struct lx_str text,
                           unsigned char digest[DIGEST])
{
    unsigned int length = 0;
    if (HMAC(EVP_sha256(), key, (int)key_size, (const unsigned char *)text.ptr, text.len, digest,
             &length) == NULL ||
        length != DIGEST)
        return LX_E_MEMORY;
    return LX_OK;
}

static enum lx_status put_signed_names(const struct lx_s3_signing *what, struct lx_buf *text)
{
    for (size_t i = 0; i < what->header_count; i++)
        LX_TRY(lx_buf_printf(text, "%s%s", i > 0 ? ";" : "", what->headers[i].name));
    return LX_OK;
}

static enum lx_status canonical_request(const struct lx_s3_signing *what, struct lx_buf *text)
{
    LX_TRY(lx_buf_printf(text, "%s\n", what->method));
    LX_TRY(lx_buf_text(text, what->path));
    LX_TRY(lx_buf_text(text, "\n"));
    LX_TRY(lx_buf_text(text, what->query));
    LX_TRY(lx_buf_text(text, "\n"));
    for (size_t i = 0; i < what->header_count; i++) {
        LX_TRY(lx_buf_printf(text, "%s:", what->headers[i].name));
        LX_TRY(lx_buf_str(text, lx_str_trim(lx_str_of(what->headers[i].value))));
        LX_TRY(lx_buf_text(text, "\n"));
    }
    LX_TRY(lx_buf_text(text, "\n"));
    LX_TRY(put_signed_names(what, text));
    LX_TRY(lx_buf_text(text, "\n"));
    return lx_buf_text(text, what->payload);
}

static enum lx_status signing_key(const struct lx_s3_signing *what, unsigned char key[DIGEST])
{
    char secret[600];
    unsigned char next[DIGEST];
    int size = snprintf(secret, sizeof secret, "AWS4%s", what->secret_key);
    if (size < 0 || (size_t)size >= sizeof secret)
        return LX_E_ARGUMENT;
    enum lx_status status = hmac(secret, (size_t)size, (struct lx_str){what->time, 8}, key);
    explicit_bzero(secret, sizeof secret);
    LX_TRY(status);
    LX_TRY(hmac(key, DIGEST, lx_str_of(what->region), next));
    LX_TRY(hmac(next, DIGEST, lx_str_of(what->service), key));
    LX_TRY(hmac(key, DIGEST, LX_STR("aws4_request"), next));
    memcpy(key, next, DIGEST);
    return LX_OK;
}

enum lx_status lx_s3_sign(const struct lx_s3_signing *what, struct lx_buf *value)
{
    struct lx_buf request = LX_BUF(LX_MIB), text = LX_BUF(LX_MIB);
    unsigned char key[DIGEST], signature[DIGEST];
    char hash[2 * DIGEST + 1], hex[2 * DIGEST + 1];
    enum lx_status status;
    LX_TRY_GOTO(canonical_request(what, &request), done);
    LX_TRY_GOTO(lx_s3_sha256(request.data, request.len, hash, NULL), done);
    LX_TRY_GOTO(lx_buf_printf(&text, "AWS4-HMAC-SHA256\n%s\n%.8s/%s/%s/aws4_request\n%s",
                              what->time, what->time, what->region, what->service, hash),
                done);
    LX_TRY_GOTO(signing_key(what, key), done);
    LX_TRY_GOTO(hmac(key, DIGEST, lx_buf_view(&text), signature), done);
    to_hex(signature, hex);
    LX_TRY_GOTO(lx_buf_printf(value,
                              "AWS4-HMAC-SHA256 Credential=%s/%.8s/%s/%s/aws4_request,"
                              "SignedHeaders=",
                              what->access_key, what->time, what->region, what->service),
                done);
    LX_TRY_GOTO(put_signed_names(what, value), done);
    LX_TRY_GOTO(lx_buf_printf(value, ",Signature=%s", hex), done);
done:
    explicit_bzero(key, sizeof key);
    lx_buf_free(&request);
    lx_buf_free(&text);
    return status;
}
