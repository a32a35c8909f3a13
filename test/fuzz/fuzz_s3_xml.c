/* libFuzzer: the XML of S3: a page of a listing, the answers of a multipart upload, errors. The
 * first two bytes are the HTTP status of the error. */
#include "base/limits.h"
#include "fuzz.h"
#include "store/s3.h"

static enum lx_status see(void *context, const struct lx_s3_entry *entry, struct lx_err *err)
{
    size_t *count = context;
    (void)err;
    (*count)++;
    require(entry->object.size >= 0, "a size below nothing");
    require(strlen(entry->object.etag) < sizeof entry->object.etag, "an ETag without its end");
    require(strlen(entry->key) <= LX_S3_MAX_PAGE, "a key without its end");
    return LX_OK;
}

static void read_page(struct lx_str xml)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_buf token = LX_BUF(8 * LX_KIB);
    size_t count = 0;
    enum lx_status status = lx_s3_parse_page(xml, see, &count, &token, &err);
    require_words(status, &err);
    require(count <= LX_S3_PAGE_KEYS, "more than a page");
    require(status == LX_OK || count == 0, "entries of a page that was not understood");
    lx_buf_free(&token);
}

static void read_texts(struct lx_str xml)
{
    static const char *const elements[] = {"UploadId", "ETag", "Code"};
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++) {
        char text[64];
        bool found = lx_s3_xml_text(xml, elements[i], text, sizeof text);
        require(!found || (text[0] != 0 && strlen(text) < sizeof text), "a text without its end");
    }
}

static void read_failure(int status, struct lx_str xml)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_s3 s3 = {.bucket = (char *)(uintptr_t) "bucket", .root = (char *)(uintptr_t) ""};
    struct lx_s3_call call = {.method = "GET", .key = "key", .action = "s3:GetObject"};
    struct lx_s3_failure failure = {
        .status = status, .body = xml, .date = LX_STR("Thu, 26 Nov 2026 02:05:26 GMT")};
    s3.clock = lx_clock_system();
    enum lx_status what = lx_s3_failed(&s3, &call, &failure, &err);
    require(what != LX_OK, "a failure that is none");
    require_words(what, &err);
    require(strlen(failure.code) < sizeof failure.code, "a code without its end");
    require(strlen(failure.right_region) < sizeof failure.right_region, "a region");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 2)
        return 0;
    struct lx_str xml = {(const char *)bytes + 2, size - 2};
    read_page(xml);
    read_texts(xml);
    read_failure(300 + (bytes[0] << 8 | bytes[1]) % 300, xml);
    return 0;
}
