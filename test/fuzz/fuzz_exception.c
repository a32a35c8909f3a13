/* libFuzzer: the head of an HTTP answer, and a failure of ClickHouse behind data. A zero byte ends
 * the tag, a second one the head; the rest is the tail of the body. */
#include "base/limits.h"
#include "clickhouse/ch_error.h"
#include "fuzz.h"
#include "net/http_private.h"

static struct lx_str take(struct lx_str *text)
{
    const char *end = memchr(text->ptr, 0, text->len);
    struct lx_str part = {text->ptr, end != NULL ? (size_t)(end - text->ptr) : text->len};
    size_t used = part.len + (end != NULL ? 1 : 0);
    *text = (struct lx_str){text->ptr + used, text->len - used};
    return part;
}

static bool within(struct lx_str part, struct lx_str whole)
{
    return part.len == 0 || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

static void read_head(struct lx_str head)
{
    struct lx_http_trace trace = {0};
    struct lx_http_response response = {.trace = &trace, .head = LX_BUF(LX_HTTP_MAX_HEAD)};
    while (head.len != 0) {
        char line[1024];
        const char *end = memchr(head.ptr, '\n', head.len);
        size_t size = end != NULL ? (size_t)(end - head.ptr) + 1 : head.len;
        size_t kept = size < sizeof line ? size : sizeof line;
        memcpy(line, head.ptr, kept);
        if (lx_http_on_head(line, 1, kept, &response) != kept)
            break;
        head = (struct lx_str){head.ptr + size, head.len - size};
    }
    require(lx_http_status(&response) >= 0 && lx_http_status(&response) <= 999, "a status");
    for (size_t i = 0; i < response.field_count; i++) {
        const struct lx_http_field *field = &response.fields[i];
        require((size_t)field->name + field->name_len <= response.head.len &&
                    (size_t)field->value + field->value_len <= response.head.len,
                "a field outside of the head");
    }
    struct lx_str length = lx_http_header(&response, "Content-Length");
    require(length.ptr == NULL || within(length, lx_buf_view(&response.head)), "another's value");
    require(lx_http_length(&response) >= -1, "a length");
    lx_buf_free(&response.head);
}

static void explain(struct lx_str text, struct lx_str tail)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_ch_exception exception;
    require(within(text, tail), "a text from elsewhere");
    if (!lx_ch_exception_parse(text, &exception))
        return;
    require(within(exception.message, text), "a message from elsewhere");
    enum lx_status status = lx_ch_exception_set(&err, &exception, "http://host:8123", "id");
    require(status != LX_OK, "a failure that is none");
    require_words(status, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct lx_str tail = {(const char *)bytes, size}, text;
    struct lx_str tag = take(&tail), head = take(&tail);
    read_head(head);
    if (lx_ch_exception_trailer(tail, tag, &text))
        explain(text, tail);
    if (lx_ch_exception_bare(tail, &text))
        explain(text, tail);
    explain(tail, tail);
    return 0;
}
