/* The HTTP driver and the client, against a server that answers as it is told: what is sent, and
 * what becomes of every kind of answer. Against a real ClickHouse: test_ch_server.c. */
#include "ch_test.h"

#include "clickhouse/ch_cityhash.h"
#include "clickhouse/ch_settings.h"
#include "fake_http.h"

#include <zstd.h>

#define OURS "X-ClickHouse-Query-Id: x\r\n"
#define UNKNOWN "Code: 60. DB::Exception: Table x does not exist. (UNKNOWN_TABLE) (version 26.7.1)"

struct reply {
    int status;
    const char *headers;
    struct lx_buf body;
};

static struct {
    struct fake_http *server;
    struct reply replies[8]; /* one a request; the last one goes on */
    int count;
    char target[8192], body[1024], user[64], key[64], database[64], accept[64];
    int64_t slept[8];
    int sleeps;
} bed;

static const char number_block[] = "\1\1\1n\5UInt8\7"; /* one column, one row: n = 7 */
#define BLOCK ((struct lx_str){number_block, sizeof number_block - 1})

static void handle(struct fake_exchange *e)
{
    if (!fake_read_body(e))
        return;
    snprintf(bed.target, sizeof bed.target, "%s", e->target);
    snprintf(bed.body, sizeof bed.body, "%.*s", (int)e->body_len, (char *)e->body);
    bed.user[0] = bed.key[0] = bed.database[0] = bed.accept[0] = 0;
    fake_header(e, "x-clickhouse-user", bed.user, sizeof bed.user);
    fake_header(e, "x-clickhouse-key", bed.key, sizeof bed.key);
    fake_header(e, "x-clickhouse-database", bed.database, sizeof bed.database);
    fake_header(e, "accept-encoding", bed.accept, sizeof bed.accept);
    int at = (int)e->number - 1;
    const struct reply *reply = &bed.replies[at < bed.count ? at : bed.count - 1];
    fake_reply(e, reply->status, reply->headers, reply->body.data, reply->body.len);
}

static void sleep_not(void *self, int64_t ms)
{
    (void)self;
    bed.slept[bed.sleeps++ % 8] = ms;
}

static void answers(int status, const char *headers, struct lx_str body)
{
    struct reply *reply = &bed.replies[bed.count++];
    *reply = (struct reply){status, headers, LX_BUF(8 * LX_MIB)};
    assert_int_equal(lx_buf_str(&reply->body, body), LX_OK);
}

static int start(void **state)
{
    (void)state;
    memset(&bed, 0, sizeof bed);
    bed.server = fake_http_start(handle, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fake_http_stop(bed.server);
    for (int i = 0; i < bed.count; i++)
        lx_buf_free(&bed.replies[i].body);
    return 0;
}

/* With the server: it may still be sending one to a client that went away. */
static void forget_answers(void)
{
    stop(NULL);
    start(NULL);
}

static enum lx_status open_with(struct lx_ch_options options, struct lx_ch **client,
                                struct lx_err *err)
{
    static char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u", fake_http_port(bed.server));
    if (options.url == NULL)
        options.url = url;
    options.clock = lx_clock_system();
    options.clock.sleep_ms = sleep_not;
    options.random = lx_random_system();
    lx_err_clear(err);
    return lx_ch_open(&options, client, err);
}

static enum lx_status ask(struct lx_ch *client, uint64_t *value, struct lx_err *err)
{
    const struct lx_ch_query query = {.sql = "SELECT 7", .query_id = "the-id", .no_pinned = true};
    struct lx_ch_table table;
    lx_err_clear(err);
    LX_TRY(lx_ch_query_all(client, &query, 10, &table, err));
    *value = table.block.rows == 1 ? lx_ch_u64(&table, 0, 0) : UINT64_MAX;
    lx_ch_table_free(&table);
    return LX_OK;
}

static void says(const char *text, const char *words)
{
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", text, words);
}

/* One question by a client of its own, answered so. */
static enum lx_status answered(enum lx_ch_compression compression, int status, const char *headers,
                               struct lx_str body, struct lx_err *err)
{
    struct lx_ch *client = NULL;
    uint64_t value = 0;
    stop(NULL);
    start(NULL);
    answers(status, headers, body);
    assert_status(open_with((struct lx_ch_options){.compression = compression}, &client, err),
                  LX_OK, err);
    enum lx_status got = ask(client, &value, err);
    if (got == LX_OK)
        assert_int_equal(value, 7);
    lx_ch_close(client);
    return got;
}

static void put_frame(struct lx_buf *out, struct lx_str plain)
{
    struct lx_buf rest = LX_BUF(LX_MIB);
    uint32_t size = (uint32_t)plain.len, whole = size + 9;
    put(&rest, "\2", 1);
    put(&rest, &whole, 4);
    put(&rest, &size, 4);
    put(&rest, plain.ptr, size);
    struct lx_ch_hash128 hash = lx_ch_cityhash128(rest.data, rest.len);
    put_u64(out, hash.low);
    put_u64(out, hash.high);
    put(out, rest.data, rest.len);
    lx_buf_free(&rest);
}

static struct lx_str zip(char zipped[256], const char *text, size_t size)
{
    return (struct lx_str){zipped, ZSTD_compress(zipped, 256, text, size, 1)};
}

/* -- what is sent -------------------------------------------------------------------------- */

static void test_request(void **state)
{
    (void)state;
    static const struct lx_ch_setting settings[] = {{"limit", "5 & 6"}},
                                      mine[] = {{"readonly", "1"}};
    struct lx_err err = LX_ERR_INIT;
    struct lx_ch *client = NULL;
    char url[96];
    uint64_t value;
    answers(200, OURS "X-ClickHouse-Format: Native\r\n", BLOCK);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/a/b", fake_http_port(bed.server));
    const struct lx_ch_options options = {
        .url = url, .user = "me", .password = "pass", .database = "d"};
    assert_status(open_with(options, &client, &err), LX_OK, &err);
    struct lx_ch_query query = {.sql = "SELECT 7",
                                .query_id = "the-id",
                                .settings = settings,
                                .setting_count = 1,
                                .no_pinned = true};
    struct lx_ch_table table;
    assert_status(lx_ch_query_all(client, &query, 1, &table, &err), LX_OK, &err);
    assert_true(lx_ch_u64(&table, 0, 0) == 7);
    lx_ch_table_free(&table);
    assert_string_equal(bed.target, "/a/b?default_format=Native&query_id=the-id&limit=5%20%26%206"
                                    "&readonly=2");
    assert_string_equal(bed.body, "SELECT 7");
    assert_string_equal(bed.user, "me");
    assert_string_equal(bed.key, "pass");
    assert_string_equal(bed.database, "d");
    assert_string_equal(bed.accept, "");
    query.settings = mine;
    assert_status(lx_ch_query_all(client, &query, 1, &table, &err), LX_OK, &err);
    lx_ch_table_free(&table);
    assert_string_equal(bed.target, "/a/b?default_format=Native&query_id=the-id&readonly=1");
    query.setting_count = 0;
    assert_status(lx_ch_execute(client, &query, &err), LX_OK, &err);
    assert_string_equal(bed.target, "/a/b?default_format=Native&query_id=the-id");
    lx_ch_close(client);
    /* Empty is not set. */
    client = NULL;
    assert_status(open_with((struct lx_ch_options){.user = "", .password = "", .database = ""},
                            &client, &err),
                  LX_OK, &err);
    assert_status(ask(client, &value, &err), LX_OK, &err);
    assert_string_equal(bed.user, "");
    assert_string_equal(bed.target, "/?default_format=Native&query_id=the-id&readonly=2");
    lx_ch_close(client);
}

static void test_compression(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    struct lx_buf frames = LX_BUF(LX_MIB);
    char zipped[256];
    put_frame(&frames, BLOCK);
    assert_status(answered(LX_CH_COMPRESS_LZ4, 200, OURS, lx_buf_view(&frames), &err), LX_OK, &err);
    says(bed.target, "&compress=1");
    assert_string_equal(bed.accept, "");
    struct lx_str block = zip(zipped, number_block, sizeof number_block - 1);
    assert_status(
        answered(LX_CH_COMPRESS_ZSTD, 200, OURS "Content-Encoding: zstd\r\n", block, &err), LX_OK,
        &err);
    says(bed.target, "&enable_http_compression=1&http_zlib_compression_level=1");
    assert_string_equal(bed.accept, "zstd");
    /* Asked for and not given. */
    assert_status(answered(LX_CH_COMPRESS_ZSTD, 200, OURS, BLOCK, &err), LX_OK, &err);
    assert_status(
        answered(LX_CH_COMPRESS_NONE, 200, OURS "Content-Encoding: gzip\r\n", BLOCK, &err),
        LX_E_FORMAT, &err);
    says(err.text, "the answer has the encoding gzip, not asked for");
    lx_buf_free(&frames);
}

static void test_no_room_in_url(void **state)
{
    (void)state;
    static char longest[70000];
    memset(longest, 'x', sizeof longest - 1);
    const struct lx_ch_setting large = {"log_comment", longest};
    struct lx_err err = LX_ERR_INIT;
    struct lx_ch *client = NULL;
    const struct lx_ch_query query = {
        .sql = "SELECT 7", .settings = &large, .setting_count = 1, .no_pinned = true};
    assert_status(open_with((struct lx_ch_options){0}, &client, &err), LX_OK, &err);
    assert_status(lx_ch_execute(client, &query, &err), LX_E_LIMIT, &err);
    says(err.text, "the query's settings do not fit into a URL");
    assert_int_equal(fake_http_requests(bed.server), 0);
    lx_ch_close(client);
    static char url[70000];
    memset(url, 'x', sizeof url - 1);
    memcpy(url, "http://h/", 9);
    client = NULL;
    assert_int_not_equal(open_with((struct lx_ch_options){.url = url}, &client, &err), LX_OK);
    assert_null(client);
}

/* -- whose answer -------------------------------------------------------------------------- */

static void test_whose_answer(void **state)
{
    (void)state;
    static const char *const ours[] = {
        "X-ClickHouse-Query-Id: x\r\n", "X-ClickHouse-Summary: {}\r\n",
        "X-ClickHouse-Timezone: UTC\r\n", "X-ClickHouse-Server-Display-Name: s\r\n"};
    struct lx_err err = LX_ERR_INIT;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        assert_status(answered(LX_CH_COMPRESS_NONE, 200, ours[i], BLOCK, &err), LX_OK, &err);
    assert_status(answered(LX_CH_COMPRESS_NONE, 200, "", BLOCK, &err), LX_E_FORMAT, &err);
    says(err.text, "the answer is not ClickHouse's");
    says(err.hint, "Something else answers there");
    assert_status(answered(LX_CH_COMPRESS_NONE, 200, OURS "X-ClickHouse-Format: TabSeparated\r\n",
                           LX_STR("7\n"), &err),
                  LX_E_FORMAT, &err);
    says(err.text, "query the-id: the answer comes in the format TabSeparated");
}

static void test_status(void **state)
{
    (void)state;
    static const struct {
        int http;
        enum lx_status status;
    } cases[] = {{401, LX_E_AUTH},    {403, LX_E_AUTH},   {408, LX_E_TIMEOUT},
                 {429, LX_E_BUSY},    {503, LX_E_BUSY},   {502, LX_E_NETWORK},
                 {504, LX_E_NETWORK}, {500, LX_E_REMOTE}, {404, LX_E_REMOTE}};
    struct lx_err err = LX_ERR_INIT;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[80];
        snprintf(text, sizeof text, "query the-id: HTTP status %d: <p>no</p>", cases[i].http);
        assert_status(
            answered(LX_CH_COMPRESS_NONE, cases[i].http, "", LX_STR(" <p>no</p>\n"), &err),
            cases[i].status, &err);
        says(err.text, text);
        says(err.hint, "This answer is not ClickHouse's");
        assert_int_equal(err.code, cases[i].http);
    }
    /* Of a long page the beginning, and of a very long one no more than that is read. */
    struct lx_buf page = LX_BUF(8 * LX_MIB);
    assert_int_equal(lx_buf_reserve(&page, 5 * LX_MIB), LX_OK);
    memset(page.data, 'p', 5 * LX_MIB);
    for (page.len = 301; page.len <= 5 * LX_MIB; page.len += 5 * LX_MIB - 301) {
        assert_status(answered(LX_CH_COMPRESS_NONE, 500, "", lx_buf_view(&page), &err), LX_E_REMOTE,
                      &err);
        assert_int_equal(strspn(strstr(err.text, ": p") + 2, "p"), 300);
    }
    lx_buf_free(&page);
    assert_status(answered(LX_CH_COMPRESS_NONE, 400, "",
                           LX_STR("Port 9000 is for clickhouse-client program\r\n"
                                  "You must use port 8123 for HTTP.\r\n"),
                           &err),
                  LX_E_ARGUMENT, &err);
    assert_string_equal(err.name, "NATIVE_PORT");
    assert_int_equal(err.code, 400);
}

/* -- exceptions ---------------------------------------------------------------------------- */

static void is_unknown_table(enum lx_status status, const struct lx_err *err)
{
    assert_status(status, LX_E_NOTFOUND, err);
    assert_int_equal(err->code, 60);
    assert_string_equal(err->name, "UNKNOWN_TABLE");
    says(err->text, "Table x does not exist.");
}

/* However an exception comes that ended a query before its answer began. */
static void test_exceptions(void **state)
{
    (void)state;
    static const char text[] = "\nsome data that was ready" UNKNOWN "\n";
    struct lx_err err = LX_ERR_INIT;
    struct lx_buf frames = LX_BUF(LX_MIB);
    char zipped[256];
    is_unknown_table(answered(LX_CH_COMPRESS_NONE, 404, OURS, LX_STR(UNKNOWN), &err), &err);
    is_unknown_table(answered(LX_CH_COMPRESS_NONE, 500, OURS, lx_str_of(text), &err), &err);
    is_unknown_table(answered(LX_CH_COMPRESS_LZ4, 404, OURS, LX_STR(UNKNOWN), &err), &err);
    put_frame(&frames, BLOCK);
    put_frame(&frames, LX_STR(UNKNOWN));
    is_unknown_table(answered(LX_CH_COMPRESS_LZ4, 500, OURS, lx_buf_view(&frames), &err), &err);
    /* A frame that is cut keeps what stood before it. */
    put_frame(&frames, LX_STR("more"));
    frames.len--;
    is_unknown_table(answered(LX_CH_COMPRESS_LZ4, 500, OURS, lx_buf_view(&frames), &err), &err);
    struct lx_str packed = zip(zipped, UNKNOWN, sizeof UNKNOWN - 1);
    is_unknown_table(
        answered(LX_CH_COMPRESS_ZSTD, 404, OURS "Content-Encoding: zstd\r\n", packed, &err), &err);
    /* Said to be zstd, and plain. */
    is_unknown_table(answered(LX_CH_COMPRESS_ZSTD, 404, OURS "Content-Encoding: zstd\r\n",
                              LX_STR(UNKNOWN), &err),
                     &err);
    /* 200, and an exception all the same. */
    is_unknown_table(answered(LX_CH_COMPRESS_NONE, 200, OURS "X-ClickHouse-Exception-Code: 60\r\n",
                              LX_STR(UNKNOWN), &err),
                     &err);
    lx_buf_free(&frames);
}

/* The code alone, behind data that was ready already. */
static void test_code_alone(void **state)
{
    (void)state;
    static char page[400];
    struct lx_err err = LX_ERR_INIT;
    memset(page, 'p', sizeof page - 1);
    assert_status(answered(LX_CH_COMPRESS_NONE, 500, OURS "X-ClickHouse-Exception-Code: 243\r\n",
                           lx_str_of(page), &err),
                  LX_E_NOSPACE, &err);
    assert_int_equal(err.code, 243);
    says(err.text, "the server gave up in mid-answer without saying more");
    assert_status(answered(LX_CH_COMPRESS_NONE, 500, OURS "X-ClickHouse-Exception-Code: 243\r\n",
                           LX_STR(" no room \n"), &err),
                  LX_E_NOSPACE, &err);
    says(err.text, "no room");
    assert_status(answered(LX_CH_COMPRESS_NONE, 500, OURS "X-ClickHouse-Exception-Code: 100001\r\n",
                           LX_STR("page"), &err),
                  LX_E_REMOTE, &err);
    says(err.text, "HTTP status 500: page");
}

static void put_trailer(struct lx_buf *body, const char *tag, const char *text)
{
    put(body, number_block, sizeof number_block - 1);
    assert_int_equal(lx_buf_printf(body,
                                   "\r\n__exception__\r\n%s\r\n%s\n%zu %s\r\n__exception__\r\n",
                                   tag, text, strlen(text), tag),
                     LX_OK);
}

/* Behind blocks that were good. */
static void test_mid_stream(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
        int code;
        enum lx_status status;
    } cases[] = {
        {"Code: 395. DB::Exception: thrown. (FUNCTION_THROW_IF_VALUE_IS_NON_ZERO)", "thrown", 395,
         LX_E_REMOTE},
        {"", "the server broke the answer off, without a reason", 0, LX_E_REMOTE},
        {"odd words", "odd words", 0, LX_E_REMOTE},
    };
    struct lx_err err = LX_ERR_INIT;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lx_buf body = LX_BUF(LX_MIB);
        put_trailer(&body, "the-tag", cases[i].text);
        assert_status(answered(LX_CH_COMPRESS_NONE, 200,
                               OURS "X-ClickHouse-Exception-Tag: the-tag\r\n", lx_buf_view(&body),
                               &err),
                      cases[i].status, &err);
        assert_int_equal(err.code, cases[i].code);
        says(err.text, cases[i].says);
        lx_buf_free(&body);
    }
    /* Without a tag that can be, bare text explains a failure all the same. */
    static const char *const headers[] = {
        OURS, OURS "X-ClickHouse-Exception-Tag: \r\n",
        OURS "X-ClickHouse-Exception-Tag: "
             "0123456789012345678901234567890123456789012345678901234567890123\r\n"};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        struct lx_buf body = LX_BUF(LX_MIB);
        put(&body, number_block, sizeof number_block - 1);
        put(&body, UNKNOWN, sizeof UNKNOWN - 1);
        is_unknown_table(answered(LX_CH_COMPRESS_NONE, 200, headers[i], lx_buf_view(&body), &err),
                         &err);
        lx_buf_free(&body);
    }
    /* What values hold explains nothing: where there is a tag, or other bytes stand behind. */
    static const struct {
        const char *headers, *behind;
    } values[] = {{OURS "X-ClickHouse-Exception-Tag: the-tag\r\n", ""}, {OURS, "\7"}, {OURS, ")"}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct lx_buf body = LX_BUF(LX_MIB);
        put(&body, number_block, sizeof number_block - 1);
        put(&body, UNKNOWN, sizeof UNKNOWN - 1);
        put(&body, values[i].behind, strlen(values[i].behind));
        assert_status(
            answered(LX_CH_COMPRESS_NONE, 200, values[i].headers, lx_buf_view(&body), &err),
            LX_E_FORMAT, &err);
        assert_int_equal(err.code, 0);
        lx_buf_free(&body);
    }
    /* An answer that breaks off is none; and the failure stays. */
    struct lx_ch *client = NULL;
    struct lx_ch_result *result;
    struct lx_ch_block *block;
    const struct lx_ch_query query = {.sql = "SELECT 7", .no_pinned = true};
    forget_answers();
    answers(200, OURS, (struct lx_str){number_block, sizeof number_block - 2});
    assert_status(open_with((struct lx_ch_options){0}, &client, &err), LX_OK, &err);
    assert_status(lx_ch_select(client, &query, &result, &err), LX_OK, &err);
    for (int i = 0; i < 2; i++)
        assert_status(lx_ch_next(result, &block, &err), LX_E_FORMAT, &err);
    assert_int_equal(lx_ch_next(result, &block, NULL), LX_E_FORMAT);
    assert_int_equal(lx_ch_failed_rows(result), 0);
    lx_ch_result_free(result);
    lx_ch_close(client);
}

/* -- connecting ---------------------------------------------------------------------------- */

static void test_connecting(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    struct lx_ch *client = NULL;
    struct lx_cancel cancel = {0};
    char url[64];
    uint64_t value;
    snprintf(url, sizeof url, "http://127.0.0.1:%u", fake_http_port(bed.server));
    stop(NULL); /* nobody listens there any more */
    memset(&bed, 0, sizeof bed);
    bed.server = fake_http_start(handle, NULL);
    const struct lx_ch_options options = {
        .url = url, .cancel = &cancel, .connect_timeout_ms = 5000};
    assert_status(open_with(options, &client, &err), LX_OK, &err);
    assert_status(ask(client, &value, &err), LX_E_NETWORK, &err);
    says(err.hint, "Is ClickHouse's HTTP interface at http://127.0.0.1:");
    assert_int_equal(bed.sleeps, 2); /* three tries */
    assert_int_equal(bed.slept[0], 200);
    assert_int_equal(bed.slept[1], 400);
    lx_cancel_ask(&cancel);
    assert_status(ask(client, &value, &err), LX_E_CANCELLED, &err);
    assert_int_equal(bed.sleeps, 2);
    lx_ch_close(client);
}

/* -- the client ---------------------------------------------------------------------------- */

static void test_wrong_calls(void **state)
{
    (void)state;
    static struct lx_ch_setting many[LX_CH_MAX_QUERY_SETTINGS + 1];
    char longest[LX_CH_MAX_QUERY_ID + 1];
    struct lx_err err = LX_ERR_INIT;
    struct lx_ch *client = NULL;
    struct lx_ch_options nowhere = {.clock = lx_clock_system(), .random = lx_random_system()};
    assert_status(lx_ch_open(&nowhere, &client, &err), LX_E_ARGUMENT, &err);
    assert_string_equal(err.text, "no URL of ClickHouse");
    nowhere.url = "ftp://h";
    assert_status(lx_ch_open(&nowhere, &client, &err), LX_E_ARGUMENT, &err);
    says(err.text, "ClickHouse is not reached by ftp");
    nowhere.url = "http://h/?a=b";
    assert_status(lx_ch_open(&nowhere, &client, &err), LX_E_ARGUMENT, &err);
    says(err.text, "settings in the URL are not taken");
    assert_null(client);
    assert_status(open_with((struct lx_ch_options){0}, &client, &err), LX_OK, &err);
    memset(longest, 'q', sizeof longest);
    longest[LX_CH_MAX_QUERY_ID] = 0;
    const struct {
        struct lx_ch_query query;
        enum lx_status status;
        const char *says;
    } cases[] = {
        {{.sql = NULL}, LX_E_BUG, "an empty statement"},
        {{.sql = ""}, LX_E_BUG, "an empty statement"},
        {{.sql = "x", .query_id = ""}, LX_E_ARGUMENT, "a query id of 0 characters"},
        {{.sql = "x", .query_id = longest}, LX_E_ARGUMENT, "a query id of 128 characters"},
        {{.sql = "x", .settings = many, .setting_count = LX_CH_MAX_QUERY_SETTINGS, .wish_count = 1},
         LX_E_BUG,
         "257 settings for one query"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_status(lx_ch_execute(client, &cases[i].query, &err), cases[i].status, &err);
        assert_string_equal(err.text, cases[i].says);
        assert_int_equal(lx_ch_execute(client, &cases[i].query, NULL), cases[i].status);
    }
    assert_int_equal(fake_http_requests(bed.server), 0);
    lx_ch_close(client);
    lx_ch_close(NULL);
}

static void put_version(struct lx_buf *body, const char *version)
{
    put_hex(body, "01 01 01'v'");
    put_text(body, "String");
    put_text(body, version);
}

/* The version is asked first, and only once it is known. */
static void test_version(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    struct lx_ch *client = NULL;
    struct lx_buf version = LX_BUF(LX_MIB);
    const struct lx_ch_query query = {.sql = "X"};
    answers(500, OURS, LX_STR("Code: 241. DB::Exception: no. (MEMORY_LIMIT_EXCEEDED)"));
    answers(200, OURS, BLOCK);      /* no text */
    answers(200, OURS, LX_STR("")); /* no row */
    put_version(&version, "23.8.1");
    answers(200, OURS, lx_buf_view(&version));
    answers(200, OURS, LX_STR(""));
    assert_status(open_with((struct lx_ch_options){0}, &client, &err), LX_OK, &err);
    assert_status(lx_ch_execute(client, &query, &err), LX_E_REMOTE, &err);
    assert_int_equal(err.code, 241);
    assert_status(lx_ch_execute(client, &query, &err), LX_E_FORMAT, &err);
    assert_status(lx_ch_execute(client, &query, &err), LX_E_FORMAT, &err);
    says(err.text, "no answer to SELECT version()");
    assert_string_equal(bed.body, "SELECT version()");
    assert_status(lx_ch_execute(client, &query, &err), LX_OK, &err);
    assert_string_equal(bed.body, "X");
    says(bed.target, "&max_execution_time=0&");
    /* What came with 23.11 is not sent to a 23.8. */
    assert_null(strstr(bed.target, "max_execution_time_leaf"));
    assert_int_equal(fake_http_requests(bed.server), 5);
    lx_buf_free(&version);
    lx_ch_close(client);
}

static void hear(void *context, const char *text)
{
    snprintf(context, 256, "%s", text);
}

/* A pinned setting that is not known, and a wish that is refused, are left out and asked again;
 * what the query itself set is an error. */
static void test_refused_settings(void **state)
{
    (void)state;
    static const struct lx_ch_setting own[] = {{"max_execution_time", "3"}},
                                      wish[] = {{"max_threads", "3"}};
    char said[256] = "";
    struct lx_err err = LX_ERR_INIT;
    struct lx_ch *client = NULL;
    struct lx_buf version = LX_BUF(LX_MIB);
    put_version(&version, "26.7.1");
    answers(200, OURS, lx_buf_view(&version));
    answers(404, OURS,
            LX_STR("Code: 115. DB::Exception: Setting max_execution_time_leaf is neither a builtin "
                   "setting nor started with the prefix. (UNKNOWN_SETTING)"));
    answers(500, OURS,
            LX_STR("Code: 452. DB::Exception: Setting max_threads should not be changed. "
                   "(SETTING_CONSTRAINT_VIOLATION)"));
    answers(200, OURS, LX_STR(""));
    answers(404, OURS,
            LX_STR("Code: 115. DB::Exception: Setting max_execution_time is neither a builtin "
                   "setting. (UNKNOWN_SETTING)"));
    assert_status(
        open_with((struct lx_ch_options){.say = hear, .say_context = said}, &client, &err), LX_OK,
        &err);
    struct lx_ch_query query = {.sql = "X", .wishes = wish, .wish_count = 1};
    assert_status(lx_ch_execute(client, &query, &err), LX_OK, &err);
    assert_null(strstr(bed.target, "max_execution_time_leaf"));
    assert_null(strstr(bed.target, "max_threads"));
    assert_string_equal(said, "ClickHouse refuses the setting max_threads=3 "
                              "(SETTING_CONSTRAINT_VIOLATION): queries go without it");
    assert_int_equal(fake_http_requests(bed.server), 4);
    query = (struct lx_ch_query){.sql = "X", .settings = own, .setting_count = 1};
    assert_status(lx_ch_execute(client, &query, &err), LX_E_REMOTE, &err);
    assert_int_equal(err.code, 115);
    says(err.text, "the setting max_execution_time=3");
    assert_int_equal(fake_http_requests(bed.server), 5);
    lx_buf_free(&version);
    lx_ch_close(client);
}

/* -- memory -------------------------------------------------------------------------------- */

static enum lx_status scenario(enum lx_ch_compression compression, struct lx_err *err)
{
    static const struct lx_ch_setting settings[] = {{"limit", "5"}};
    const struct lx_ch_options options = {
        .user = "u", .password = "p", .database = "d", .compression = compression};
    const struct lx_ch_query query = {
        .sql = "SELECT 7", .settings = settings, .setting_count = 1, .no_pinned = true};
    struct lx_ch *client = NULL;
    struct lx_ch_table table;
    LX_TRY(open_with(options, &client, err));
    enum lx_status status = lx_ch_query_all(client, &query, 1, &table, err);
    if (status == LX_OK) {
        assert_true(lx_ch_u64(&table, 0, 0) == 7);
        lx_ch_table_free(&table);
    }
    lx_ch_close(client);
    return status;
}

/* Each allocation fails once: LX_E_MEMORY, nothing is left, and the next try works. An answer that
 * is an error stays one, though its words may be fewer. */
static void fail_each(enum lx_ch_compression compression, enum lx_status want)
{
    size_t before = lx_alloc_used();
    for (uint64_t n = 1;; n++) {
        struct lx_err err = LX_ERR_INIT;

        lx_alloc_fail_at(n);
        enum lx_status status = scenario(compression, &err);
        bool all = lx_alloc_count() < n;
        lx_alloc_fail_at(0);
        assert_int_equal(lx_alloc_used(), before);
        if (want == LX_OK && !all)
            assert_status(status, LX_E_MEMORY, &err);
        assert_int_not_equal(status, all ? LX_E_MEMORY : LX_OK);
        if (all) {
            assert_status(status, want, &err);
            break;
        }
        assert_true(n < 300);
    }
}

static void test_memory(void **state)
{
    (void)state;
    char zipped[256];
    struct lx_buf frames = LX_BUF(LX_MIB);
    answers(200, OURS, BLOCK);
    fail_each(LX_CH_COMPRESS_NONE, LX_OK);
    forget_answers();
    put_frame(&frames, BLOCK);
    answers(200, OURS, lx_buf_view(&frames));
    fail_each(LX_CH_COMPRESS_LZ4, LX_OK);
    forget_answers();
    answers(200, OURS "Content-Encoding: zstd\r\n",
            zip(zipped, number_block, sizeof number_block - 1));
    fail_each(LX_CH_COMPRESS_ZSTD, LX_OK);
    forget_answers();
    answers(404, OURS "Content-Encoding: zstd\r\n", zip(zipped, UNKNOWN, sizeof UNKNOWN - 1));
    fail_each(LX_CH_COMPRESS_ZSTD, LX_E_NOTFOUND);
    forget_answers();
    lx_buf_clear(&frames);
    put_frame(&frames, LX_STR(UNKNOWN));
    answers(404, OURS, lx_buf_view(&frames));
    fail_each(LX_CH_COMPRESS_LZ4, LX_E_NOTFOUND);
    lx_buf_free(&frames);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_request),        WITH_SERVER(test_compression),
        WITH_SERVER(test_no_room_in_url), WITH_SERVER(test_whose_answer),
        WITH_SERVER(test_status),         WITH_SERVER(test_exceptions),
        WITH_SERVER(test_code_alone),     WITH_SERVER(test_mid_stream),
        WITH_SERVER(test_connecting),     WITH_SERVER(test_wrong_calls),
        WITH_SERVER(test_version),        WITH_SERVER(test_refused_settings),
        WITH_SERVER(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
