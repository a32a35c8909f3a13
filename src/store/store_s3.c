/* store_s3.c: a bucket as a store. */
#include "store/s3.h"

#include "base/alloc.h"
#include "net/url.h"

#include <stdio.h>

/* -- objects ------------------------------------------------------------------------------- */

static enum lx_status put(void *self, const char *key, const void *bytes, size_t size,
                          const struct lx_put *how, struct lx_object *object, struct lx_err *err)
{
    struct lx_s3 *s3 = self;
    struct lx_s3_answer answer;
    struct lx_s3_call call = {.method = "PUT",
                              .key = key,
                              .action = "s3:PutObject",
                              .body = bytes,
                              .body_size = size,
                              .once = how->if_absent};
    lx_s3_object_headers(s3, how, &call);
    if (how->if_absent)
        LX_TRY(lx_s3_if_absent(s3, &call, err));
    atomic_fetch_add(&s3->puts, 1);
    LX_TRY(lx_s3_do(s3, &call, &answer, err));
    if (object != NULL) {
        *object = answer.object;
        object->size = (int64_t)size;
    }
    return LX_OK;
}

static enum lx_status read_range(void *self, const char *key, int64_t offset, void *bytes,
                                 size_t size, struct lx_err *err)
{
    struct lx_s3 *s3 = self;
    struct lx_s3_answer answer;
    char range[64];
    snprintf(range, sizeof range, "bytes=%lld-%lld", (long long)offset,
             (long long)offset + (long long)size - 1);
    struct lx_s3_call call = {.method = "GET",
                              .key = key,
                              .action = "s3:GetObject",
                              .into = bytes,
                              .into_size = size,
                              .into_offset = offset};
    lx_s3_add_header(&call, "range", range);
    atomic_fetch_add(&s3->gets, 1);
    return lx_s3_do(s3, &call, &answer, err);
}

static enum lx_status get(void *self, const char *key, struct lx_buf *bytes,
                          struct lx_object *object, struct lx_err *err)
{
    struct lx_s3 *s3 = self;
    struct lx_s3_answer answer;
    size_t before = bytes->len;
    struct lx_s3_call call = {.method = "GET", .key = key, .action = "s3:GetObject", .out = bytes};
    atomic_fetch_add(&s3->gets, 1);
    LX_TRY(lx_s3_do(s3, &call, &answer, err));
    *object = answer.object;
    object->size = (int64_t)(bytes->len - before);
    return LX_OK;
}

static enum lx_status head(void *self, const char *key, struct lx_object *object,
                           struct lx_err *err)
{
    struct lx_s3 *s3 = self;
    struct lx_s3_answer answer;
    struct lx_s3_call call = {.method = "HEAD", .key = key, .action = "s3:GetObject"};
    atomic_fetch_add(&s3->heads, 1);
    LX_TRY(lx_s3_do(s3, &call, &answer, err));
    if (answer.object.size < 0)
        return lx_err_set(err, LX_E_FORMAT, "the store does not say how large %s is", key);
    *object = answer.object;
    return LX_OK;
}

static enum lx_status delete_key(void *self, const char *key, struct lx_err *err)
{
    struct lx_s3 *s3 = self;
    struct lx_s3_answer answer;
    /* Once: after a lost answer the name may be somebody else's by the time of a second one. */
    struct lx_s3_call call = {
        .method = "DELETE", .key = key, .action = "s3:DeleteObject", .single = true};
    struct lx_err own = LX_ERR_INIT;
    if (err == NULL)
        err = &own; /* what failed decides below */
    atomic_fetch_add(&s3->deletes, 1);
    enum lx_status status = lx_s3_do(s3, &call, &answer, err);
    if (status == LX_E_NOTFOUND && strcmp(err->name, "NoSuchKey") == 0) {
        lx_err_clear(err);
        return LX_OK;
    }
    return status;
}

#define MAX_EMPTY_PAGES 100 /* a store may filter behind its paging, but not for ever */

/* -- listing ------------------------------------------------------------------------------- */

struct listing {
    size_t root; /* bytes of the root and its '/', in front of every key */
    const char *root_text;
    lx_store_visit visit;
    void *context;
    char last[LX_MAX_NAME * 2 + 1];
    size_t seen; /* entries of the page */
    int empty;   /* pages in a row that had none, and still said that there is more */
};

static enum lx_status list_entry(void *context, const struct lx_s3_entry *entry, struct lx_err *err)
{
    struct listing *l = context;
    if (strncmp(entry->key, l->root_text, l->root) != 0)
        return lx_err_set(err, LX_E_FORMAT, "the store listed a key that was not asked for: %.200s",
                          entry->key);
    if (l->last[0] != 0 && strcmp(entry->key, l->last) <= 0) {
        lx_err_set(err, LX_E_UNSUPPORTED,
                   "the store does not list keys in order: %.200s after "
                   "%.200s",
                   entry->key, l->last);
        lx_err_hint(err, "directory buckets (S3 Express) cannot hold an archive");
        return LX_E_UNSUPPORTED;
    }
    snprintf(l->last, sizeof l->last, "%s", entry->key);
    l->seen++;
    const char *key = entry->key + l->root;
    /* Others may put what they like into the bucket: what cannot be ours is no object here. */
    if (key[0] == 0 || lx_store_check_key(key, NULL) != LX_OK)
        return LX_OK;
    return l->visit(l->context, key, &entry->object, err);
}

static enum lx_status list_page(struct lx_s3 *s3, struct listing *l, const char *prefix,
                                const char *after, struct lx_buf *token, struct lx_err *err)
{
    struct lx_buf xml = LX_BUF(LX_S3_MAX_PAGE);
    struct lx_s3_answer answer;
    struct lx_s3_call call = {.method = "GET", .action = "s3:ListBucket", .out = &xml};
    char count[16], code[64];
    snprintf(count, sizeof count, "%d", LX_S3_PAGE_KEYS);
    if (token->len > 0)
        call.params[call.param_count++] =
            (struct lx_s3_param){"continuation-token", lx_buf_cstr(token)};
    call.params[call.param_count++] = (struct lx_s3_param){"encoding-type", "url"};
    call.params[call.param_count++] = (struct lx_s3_param){"list-type", "2"};
    call.params[call.param_count++] = (struct lx_s3_param){"max-keys", count};
    call.params[call.param_count++] = (struct lx_s3_param){"prefix", prefix};
    if (after != NULL && token->len == 0)
        call.params[call.param_count++] = (struct lx_s3_param){"start-after", after};
    l->seen = 0;
    atomic_fetch_add(&s3->lists, 1);
    enum lx_status status = lx_s3_do(s3, &call, &answer, err);
    if (status == LX_OK && lx_s3_xml_text(lx_buf_view(&xml), "Code", code, sizeof code))
        status = lx_err_set(err, LX_E_BUSY, "listing %s: the store answered 200 and an error: %s",
                            s3->bucket, code); /* a list of keys has no such element */
    if (status == LX_OK)
        status = lx_s3_parse_page(lx_buf_view(&xml), list_entry, l, token, err);
    l->empty = l->seen == 0 ? l->empty + 1 : 0;
    if (status == LX_OK && token->len > 0 && l->empty >= MAX_EMPTY_PAGES)
        status = lx_err_set(err, LX_E_FORMAT,
                            "the store's listing does not end: %d pages in a row without a key",
                            l->empty);
    lx_buf_free(&xml);
    return status;
}

static enum lx_status list(void *self, const char *prefix, const char *after, lx_store_visit visit,
                           void *context, struct lx_err *err)
{
    struct lx_s3 *s3 = self;
    struct lx_buf token = LX_BUF(64 * LX_KIB), from = LX_BUF(LX_MIB), start = LX_BUF(LX_MIB);
    const char *slash = s3->root[0] != 0 ? "/" : "";
    struct listing l = {.root = strlen(s3->root) + strlen(slash),
                        .root_text = "",
                        .visit = visit,
                        .context = context};
    enum lx_status status = lx_buf_printf(&from, "%s%s%s", s3->root, slash, prefix);
    if (status == LX_OK && after != NULL)
        status = lx_buf_printf(&start, "%s%s%s", s3->root, slash, after);
    if (status != LX_OK)
        lx_err_memory(err);
    l.root_text = lx_buf_cstr(&from);
    do {
        if (status == LX_OK)
            status = list_page(s3, &l, lx_buf_cstr(&from),
                               after != NULL ? lx_buf_cstr(&start) : NULL, &token, err);
    } while (status == LX_OK && token.len > 0);
    lx_buf_free(&token);
    lx_buf_free(&from);
    lx_buf_free(&start);
    return status;
}

/* -- the store ----------------------------------------------------------------------------- */

static enum lx_status location(const void *self, const char *key, struct lx_buf *text)
{
    const struct lx_s3 *s3 = self;
    char name[2 * LX_MAX_NAME];
    lx_s3_name(s3, key, name, sizeof name);
    return lx_buf_text(text, name);
}

static void counts(const void *self, struct lx_store_counts *out)
{
    const struct lx_s3 *s3 = self;
    *out = (struct lx_store_counts){
        .puts = atomic_load(&s3->puts),
        .gets = atomic_load(&s3->gets),
        .heads = atomic_load(&s3->heads),
        .lists = atomic_load(&s3->lists),
        .deletes = atomic_load(&s3->deletes),
        .retries = atomic_load(&s3->retries),
        .bytes_out = atomic_load(&s3->bytes_out),
        .bytes_in = atomic_load(&s3->bytes_in),
    };
}

static void erase(char *secret)
{
    if (secret != NULL)
        explicit_bzero(secret, strlen(secret));
    lx_free(secret);
}

static void close_s3(void *self)
{
    struct lx_s3 *s3 = self;
    lx_http_close(s3->http);
    pthread_mutex_destroy(&s3->lock);
    lx_free(s3->bucket);
    lx_free(s3->root);
    erase(s3->access_key);
    erase(s3->secret_key);
    erase(s3->session_token);
    lx_free(s3->storage_class);
    lx_free(s3->sse);
    lx_free(s3->scheme);
    lx_free(s3->endpoint_host);
    lx_free(s3);
}

static bool copy(char **to, const char *text)
{
    if (text == NULL || text[0] == 0)
        return true;
    *to = lx_strdup(text);
    return *to != NULL;
}

/* "https://minio.example.com:9000": nothing behind the host. */
static enum lx_status take_endpoint(struct lx_s3 *s3, const char *endpoint, struct lx_err *err)
{
    struct lx_url url;
    struct lx_buf host = LX_BUF(LX_URL_MAX);
    s3->tls = true;
    if (endpoint == NULL || endpoint[0] == 0)
        return copy(&s3->scheme, "https") ? LX_OK : lx_err_memory(err);
    enum lx_status status = lx_url_parse(lx_str_of(endpoint), &url, err);
    if (status == LX_OK && ((!lx_url_scheme_is(&url, "http") && !lx_url_scheme_is(&url, "https")) ||
                            url.host.len == 0 || url.query.len != 0 ||
                            (url.path.len != 0 && !lx_str_is(url.path, "/"))))
        status =
            lx_err_set(err, LX_E_ARGUMENT, "%s is not of the form http[s]://HOST[:PORT]", endpoint);
    if (status != LX_OK) {
        lx_err_context(err, "AWS_ENDPOINT_URL");
        lx_err_hint(err, "for example https://minio.example.com:9000; the bucket belongs into "
                         "S3_ARCHIVE_BUCKET");
        return status;
    }
    s3->tls = lx_url_scheme_is(&url, "https");
    uint16_t usual = s3->tls ? 443 : 80, port = lx_url_port(&url);
    status = lx_buf_printf(&host, "%s%.*s%s", url.ipv6 ? "[" : "", LX_STR_ARG(url.host),
                           url.ipv6 ? "]" : "");
    if (status == LX_OK && port != usual)
        status = lx_buf_printf(&host, ":%u", port);
    bool good = status == LX_OK && copy(&s3->endpoint_host, lx_buf_cstr(&host)) &&
                copy(&s3->scheme, s3->tls ? "https" : "http");
    lx_buf_free(&host);
    return good ? LX_OK : lx_err_memory(err);
}

/* One part is being filled while others are on their way. */
static void size_upload(struct lx_s3 *s3, const struct lx_s3_options *options)
{
    size_t memory = options->upload_memory != 0 ? options->upload_memory : LX_S3_UPLOAD_MEMORY;
    size_t part = memory / LX_S3_PARTS_AT_ONCE;
    part = part > LX_S3_PART ? LX_S3_PART : part < LX_S3_LEAST_PART ? LX_S3_LEAST_PART : part;
    s3->part_size = options->part_size != 0 ? options->part_size : part;
    s3->upload_memory = memory > s3->part_size ? memory - s3->part_size : 0;
}

static enum lx_status fill(struct lx_s3 *s3, const struct lx_s3_options *options,
                           struct lx_err *err)
{
    const char *class = options->storage_class;
    s3->root = lx_strdup(options->root != NULL ? options->root : "");
    if (s3->root == NULL || !copy(&s3->bucket, options->bucket) ||
        !copy(&s3->access_key, options->access_key) ||
        !copy(&s3->secret_key, options->secret_key) ||
        !copy(&s3->session_token, options->session_token) || !copy(&s3->sse, options->sse) ||
        !copy(&s3->storage_class, class))
        return lx_err_memory(err);
    if (s3->bucket == NULL || s3->access_key == NULL || s3->secret_key == NULL)
        return lx_err_set(err, LX_E_ARGUMENT, "an S3 store needs a bucket and keys");
    snprintf(s3->region, sizeof s3->region, "%s",
             options->region != NULL && options->region[0] != 0 ? options->region : "us-east-1");
    s3->virtual_host = options->virtual_host;
    size_upload(s3, options);
    s3->pace = lx_s3_pace_process();
    atomic_store(&s3->no_sums, options->no_checksums);
    s3->unconditional = options->unconditional;
    s3->clock = options->clock;
    s3->random = options->random;
    s3->cancel = options->cancel;
    s3->say = options->say;
    s3->say_context = options->say_context;
    LX_TRY(take_endpoint(s3, options->endpoint, err));
    /* The certificate *.s3.REGION.amazonaws.com does not cover a bucket's name with dots. */
    if (s3->virtual_host && s3->tls && strchr(s3->bucket, '.') != NULL)
        s3->virtual_host = false;
    const struct lx_http_options http = {
        .ca_bundle = options->ca_bundle, .ca_setting = "AWS_CA_BUNDLE", .clock = options->clock};
    return lx_http_open(&http, &s3->http, err);
}

enum lx_status lx_store_open_s3(const struct lx_s3_options *options, struct lx_store **store,
                                struct lx_err *err)
{
    static const struct lx_store_driver driver = {
        .put = put,
        .upload_begin = lx_s3_upload_begin,
        .upload_write = lx_s3_upload_write,
        .upload_rekey = lx_s3_upload_rekey,
        .upload_finish = lx_s3_upload_finish,
        .upload_abort = lx_s3_upload_abort,
        .read = read_range,
        .get = get,
        .head = head,
        .remove = delete_key,
        .list = list,
        .location = location,
        .counts = counts,
        .close = close_s3,
    };
    struct lx_s3 *s3 = lx_calloc(1, sizeof *s3);
    if (s3 == NULL)
        return lx_err_memory(err);
    pthread_mutex_init(&s3->lock, NULL);
    enum lx_status status = fill(s3, options, err);
    if (status != LX_OK) {
        close_s3(s3);
        return status;
    }
    return lx_store_wrap(&driver, s3, store, err);
}
