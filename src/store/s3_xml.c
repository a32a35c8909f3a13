/* s3_xml.c: the few XML documents of S3, bounded: no DTD, no more than a page's keys. */
#include "store/s3.h"

#include "base/alloc.h"
#include "base/civil.h"
#include "net/url.h"

#include <expat.h>
#include <stdio.h>

#define MAX_TEXT (8 * LX_KIB) /* of one element */
#define MAX_DEPTH 16

bool lx_s3_is_frozen(const char *storage_class)
{
    return strcmp(storage_class, "GLACIER") == 0 || strcmp(storage_class, "DEEP_ARCHIVE") == 0;
}

/* -- one element's text -------------------------------------------------------------------- */

struct finding {
    XML_Parser parser;
    const char *element;
    char *text;
    size_t size, used;
    bool inside, found;
};

static void refuse_dtd(void *context, const XML_Char *name, const XML_Char *system,
                       const XML_Char *public, int internal)
{
    (void)name, (void)system, (void)public, (void)internal;
    /* The parser is the first field of both contexts. */
    XML_StopParser(*(XML_Parser *)context, XML_FALSE);
}

static void find_start(void *context, const XML_Char *name, const XML_Char **attributes)
{
    struct finding *f = context;
    (void)attributes;
    if (!f->found && strcmp(name, f->element) == 0)
        f->inside = true;
}

static void find_text(void *context, const XML_Char *text, int size)
{
    struct finding *f = context;
    for (int i = 0; f->inside && i < size && f->used + 1 < f->size; i++)
        f->text[f->used++] = (unsigned char)text[i] < ' ' ? ' ' : text[i];
}

static void find_end(void *context, const XML_Char *name)
{
    struct finding *f = context;
    if (f->inside && strcmp(name, f->element) == 0) {
        f->inside = false;
        f->found = true;
    }
}

bool lx_s3_xml_text(struct lx_str xml, const char *element, char *text, size_t size)
{
    struct finding f = {.element = element, .text = text, .size = size};
    f.parser = XML_ParserCreate("UTF-8");
    if (f.parser == NULL || xml.len == 0 || xml.len > LX_S3_MAX_PAGE) {
        if (f.parser != NULL)
            XML_ParserFree(f.parser);
        return false;
    }
    XML_SetUserData(f.parser, &f);
    XML_SetElementHandler(f.parser, find_start, find_end);
    XML_SetCharacterDataHandler(f.parser, find_text);
    XML_SetStartDoctypeDeclHandler(f.parser, refuse_dtd);
    (void)XML_Parse(f.parser, xml.ptr, (int)xml.len, 1); /* what was found counts */
    XML_ParserFree(f.parser);
    text[f.found ? f.used : 0] = 0;
    return f.found && f.used > 0;
}

/* -- a page of a listing ------------------------------------------------------------------- */

struct page {
    XML_Parser parser;
    struct lx_buf text; /* of the element at hand */
    struct lx_buf keys; /* NUL-terminated, one behind the other */
    struct lx_object *objects;
    size_t *offsets;
    size_t count;
    struct lx_buf *token;
    unsigned depth;
    bool in_contents, truncated, escaped, failed, has_key;
    const char *what; /* went wrong */
    bool no_memory;   /* …here, and not in what the store sent */
};

static void stop(struct page *p, const char *what)
{
    p->failed = true;
    p->what = what;
    XML_StopParser(p->parser, XML_FALSE);
}

static void stop_for(struct page *p, enum lx_status status, const char *what)
{
    p->no_memory = status == LX_E_MEMORY;
    stop(p, what);
}

static void page_start(void *context, const XML_Char *name, const XML_Char **attributes)
{
    struct page *p = context;
    (void)attributes;
    lx_buf_clear(&p->text);
    if (++p->depth > MAX_DEPTH)
        stop(p, "too many levels");
    if (p->depth == 2 && strcmp(name, "Contents") == 0) {
        p->in_contents = true;
        p->has_key = false;
        if (p->count == LX_S3_PAGE_KEYS) {
            stop(p, "more keys than were asked for");
            return;
        }
        p->objects[p->count] = (struct lx_object){.size = -1};
    }
}

static void page_text(void *context, const XML_Char *text, int size)
{
    struct page *p = context;
    enum lx_status status = lx_buf_append(&p->text, text, (size_t)size);
    if (status != LX_OK)
        stop_for(p, status, "an element that is too long");
}

/* A key as text, with its NUL. Zero bytes cannot be in a key of ours. */
static void take_key(struct page *p)
{
    size_t start = p->keys.len;
    struct lx_str raw = lx_buf_view(&p->text);
    enum lx_status status = p->escaped ? lx_url_unescape(&p->keys, raw) : lx_buf_str(&p->keys, raw);
    if (status == LX_OK)
        status = lx_buf_byte(&p->keys, 0);
    if (status != LX_OK ||
        memchr(p->keys.data + start, 0, p->keys.len - start) != p->keys.data + p->keys.len - 1) {
        stop_for(p, status, "a key that cannot be read");
        return;
    }
    p->offsets[p->count] = start;
    p->has_key = true;
}

static void take_etag(struct page *p, struct lx_object *object)
{
    struct lx_str text = lx_buf_view(&p->text);
    if (text.len >= 2 && text.ptr[0] == '"' && text.ptr[text.len - 1] == '"')
        text = (struct lx_str){text.ptr + 1, text.len - 2};
    snprintf(object->etag, sizeof object->etag, "%.*s", LX_STR_ARG(text));
}

static void contents_field(struct page *p, const char *name)
{
    struct lx_object *object = &p->objects[p->count];
    struct lx_str text = lx_buf_view(&p->text);
    if (strcmp(name, "Key") == 0)
        take_key(p);
    else if (strcmp(name, "Size") == 0 && (!lx_str_to_i64(text, &object->size) || object->size < 0))
        stop(p, "a size that is no number");
    else if (strcmp(name, "ETag") == 0)
        take_etag(p, object);
    else if (strcmp(name, "LastModified") == 0)
        (void)lx_time_parse(text, &object->modified_ms);
    else if (strcmp(name, "StorageClass") == 0)
        snprintf(object->storage_class, sizeof object->storage_class, "%.*s", LX_STR_ARG(text));
}

static void page_end(void *context, const XML_Char *name)
{
    struct page *p = context;
    struct lx_str text = lx_buf_view(&p->text);
    if (p->failed) /* a stopped parser still ends the element that it is in */
        return;
    if (p->depth == 3 && p->in_contents) {
        contents_field(p, name);
    } else if (p->depth == 2 && strcmp(name, "Contents") == 0) {
        struct lx_object *object = &p->objects[p->count];
        p->in_contents = false;
        if (!p->has_key || object->size < 0)
            stop(p, "an entry without key or size");
        object->frozen = lx_s3_is_frozen(object->storage_class);
        p->count++;
    } else if (p->depth == 2 && strcmp(name, "IsTruncated") == 0) {
        p->truncated = lx_str_is(text, "true");
    } else if (p->depth == 2 && strcmp(name, "EncodingType") == 0) {
        /* It stands in front of the keys; a store that does not know it sends keys as they are. */
        p->escaped = lx_str_is(text, "url");
    } else if (p->depth == 2 && strcmp(name, "NextContinuationToken") == 0) {
        lx_buf_clear(p->token);
        enum lx_status status = lx_buf_str(p->token, text);
        if (status != LX_OK)
            stop_for(p, status, "a continuation token that is too long");
    } else if (p->depth == 1 && strcmp(name, "ListBucketResult") != 0) {
        stop(p, "no ListBucketResult");
    }
    lx_buf_clear(&p->text);
    p->depth--;
}

static enum lx_status parse(struct page *p, struct lx_str xml, struct lx_err *err)
{
    XML_SetUserData(p->parser, p);
    XML_SetElementHandler(p->parser, page_start, page_end);
    XML_SetCharacterDataHandler(p->parser, page_text);
    XML_SetStartDoctypeDeclHandler(p->parser, refuse_dtd);
    enum XML_Status ok = XML_Parse(p->parser, xml.ptr, (int)xml.len, 1);
    if (p->no_memory)
        return lx_err_memory(err);
    if (p->failed || ok != XML_STATUS_OK)
        return lx_err_set(err, LX_E_FORMAT, "the store's listing cannot be read: %s",
                          p->failed ? p->what : XML_ErrorString(XML_GetErrorCode(p->parser)));
    if (p->truncated && p->token->len == 0)
        return lx_err_set(err, LX_E_FORMAT,
                          "the store's listing cannot be read: it goes on, but does not say where");
    if (!p->truncated)
        lx_buf_clear(p->token);
    return LX_OK;
}

enum lx_status lx_s3_parse_page(struct lx_str xml, lx_s3_entry_visit visit, void *context,
                                struct lx_buf *token, struct lx_err *err)
{
    /* EncodingType may also stand behind the keys: then it is looked for first. */
    char encoding[16];
    struct page p = {.parser = XML_ParserCreate("UTF-8"),
                     .text = LX_BUF(MAX_TEXT),
                     .keys = LX_BUF(LX_S3_MAX_PAGE),
                     .objects = lx_calloc(LX_S3_PAGE_KEYS, sizeof *p.objects),
                     .offsets = lx_calloc(LX_S3_PAGE_KEYS, sizeof *p.offsets),
                     .token = token};
    lx_buf_clear(token);
    p.escaped = lx_s3_xml_text(xml, "EncodingType", encoding, sizeof encoding) &&
                strcmp(encoding, "url") == 0;
    enum lx_status status = p.parser == NULL || p.objects == NULL || p.offsets == NULL
                                ? lx_err_memory(err)
                                : parse(&p, xml, err);
    for (size_t i = 0; status == LX_OK && i < p.count; i++) {
        const struct lx_s3_entry entry = {(const char *)p.keys.data + p.offsets[i], p.objects[i]};
        status = visit(context, &entry, err);
    }
    if (p.parser != NULL)
        XML_ParserFree(p.parser);
    lx_free(p.objects);
    lx_free(p.offsets);
    lx_buf_free(&p.text);
    lx_buf_free(&p.keys);
    return status;
}
