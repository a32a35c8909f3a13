/* libFuzzer: the small texts. The first byte says which: times, numbers, UUIDs, addresses, URLs,
 * UTF-8. What is taken is written again and is then the same. */
#include "archive/rowschema_raw.h"
#include "archive/rowschema_text.h"
#include "base/bigint.h"
#include "base/civil.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "fuzz.h"
#include "ledger/ledger_names.h"
#include "net/url.h"

static void try_time(struct lx_str text)
{
    char again[LX_TIME_TEXT];
    int64_t ms, back;
    if (!lx_time_parse(text, &ms))
        return;
    lx_time_iso(ms, again);
    require(lx_time_parse(lx_str_of(again), &back) && back == ms, "another time");
    struct lx_civil civil = lx_civil_of_ms(ms);
    require(lx_civil_to_ms(&civil) == ms, "another date");
}

static void try_numbers(struct lx_str text)
{
    char again[32];
    uint64_t u, hex;
    int64_t i;
    if (lx_str_to_u64(text, &u)) {
        snprintf(again, sizeof again, "%llu", (unsigned long long)u);
        require(lx_str_to_u64(lx_str_of(again), &hex) && hex == u, "another number");
        require(u > INT64_MAX || (lx_str_to_i64(text, &i) && (uint64_t)i == u), "no sign");
    }
    if (lx_str_to_hex64(text, &hex)) {
        snprintf(again, sizeof again, "%llx", (unsigned long long)hex);
        require(lx_str_to_hex64(lx_str_of(again), &u) && u == hex, "another hexadecimal");
    }
    for (uint32_t scale = 0; scale <= 76; scale += 38) {
        uint8_t value[32], back[32];
        char text_of[LX_BIGINT_TEXT];
        if (!lx_bigint_of_text(text, 32, true, scale, value))
            continue;
        struct lx_str out = {text_of, lx_bigint_to_text(value, 32, true, scale, text_of)};
        require(out.len <= sizeof text_of, "a text beyond its end");
        require(lx_bigint_of_text(out, 32, true, scale, back) && memcmp(value, back, 32) == 0,
                "another large number");
    }
}

static void try_addresses(struct lx_str text)
{
    uint8_t bytes[16];
    char again[LX_IPV6_TEXT + LX_UUID_TEXT];
    if (lx_text_to_ipv4(text, bytes))
        require(lx_str_equal((struct lx_str){again, lx_text_of_ipv4(bytes, again)}, text),
                "two texts of an IPv4 address");
    if (lx_text_to_ipv6(text, bytes))
        require(lx_str_equal((struct lx_str){again, lx_text_of_ipv6(bytes, again)}, text),
                "two texts of an IPv6 address");
    if (text.len == LX_UUID_TEXT && lx_text_to_uuid(text.ptr, bytes)) {
        lx_text_of_uuid(bytes, again);
        require(lx_str_equal((struct lx_str){again, LX_UUID_TEXT}, text), "two texts of a UUID");
    }
}

static void try_url(struct lx_str text)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_url url, again;
    struct lx_buf out = LX_BUF(2 * LX_URL_MAX);
    enum lx_status status = lx_url_parse(text, &url, &err);
    require_words(status, &err);
    if (status != LX_OK)
        return;
    require(lx_url_origin(&url, &out) == LX_OK, "no origin");
    require(lx_url_parse(lx_buf_view(&out), &again, &err) == LX_OK, err.text);
    require(lx_str_equal(url.host, again.host) && lx_url_port(&url) == lx_url_port(&again) &&
                lx_url_is_loopback(&url) == lx_url_is_loopback(&again),
            "another place");
    lx_buf_free(&out);
}

/* Escapes of URLs, names of the log, base64: undone, they are what they were. */
static void try_escapes(struct lx_str text)
{
    struct lx_buf out = LX_BUF(4 * LX_MIB), back = LX_BUF(4 * LX_MIB);
    require(lx_url_escape(&out, text, text.len % 2 != 0) == LX_OK, "not escaped");
    require(lx_url_unescape(&back, lx_buf_view(&out)) == LX_OK, "not undone");
    require(lx_str_equal(lx_buf_view(&back), text), "another text");
    lx_buf_clear(&out);
    lx_buf_clear(&back);
    require(lx_base64_encode(&out, text) == LX_OK, "not encoded");
    require(lx_base64_decode(&back, lx_buf_view(&out)) == LX_OK, "not decoded");
    require(lx_str_equal(lx_buf_view(&back), text), "other bytes");
    lx_buf_clear(&out);
    lx_buf_clear(&back);
    if (lx_ledger_decode_name(&out, text) == LX_OK) {
        require(lx_ledger_encode_name(&back, lx_buf_view(&out)) == LX_OK, "no name");
        require(lx_str_equal(lx_buf_view(&back), text), "two texts of one name");
    }
    lx_buf_clear(&out);
    lx_buf_clear(&back);
    (void)!lx_url_unescape(&out, text);
    if (lx_base64_decode(&back, text) == LX_OK) {
        lx_buf_clear(&out);
        require(lx_base64_encode(&out, lx_buf_view(&back)) == LX_OK, "not encoded");
        require(lx_str_equal(lx_buf_view(&out), text), "two texts of the same bytes");
    }
    lx_buf_free(&out);
    lx_buf_free(&back);
}

static void try_utf8(struct lx_str text)
{
    struct lx_buf out = LX_BUF(4 * LX_MIB);
    require(lx_utf8_repair(&out, text.ptr, text.len) == LX_OK, "not mended");
    require(lx_utf8_is_valid(out.data, out.len), "mended and still broken");
    if (lx_utf8_is_valid(text.ptr, text.len))
        require(lx_str_equal(lx_buf_view(&out), text), "mended what was whole");
    lx_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static void (*const tries[])(struct lx_str) = {try_time, try_numbers, try_addresses,
                                                   try_url,  try_escapes, try_utf8};
    if (size != 0)
        tries[bytes[0] % 6]((struct lx_str){(const char *)bytes + 1, size - 1});
    return 0;
}
