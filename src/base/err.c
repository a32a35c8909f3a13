#include "base/err.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Servers' texts end up in logs and terminals: no control character may act there. */
static void make_visible(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c != 0; c++) {
        if (*c == '\n' || *c == '\r' || *c == '\t')
            *c = ' ';
        else if (*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
    /* A message may quote anything, and may be cut within a character. */
    size_t size = strlen(text);
    for (size_t at = 0; at < size; at++) {
        at += lx_utf8_valid_prefix((const uint8_t *)text + at, size - at);
        if (at < size)
            text[at] = '?';
    }
}

static void reset(struct lx_err *err, enum lx_status status)
{
    err->status = status;
    err->code = 0;
    err->name[0] = err->text[0] = err->hint[0] = 0;
}

enum lx_status lx_err_set(struct lx_err *err, enum lx_status status, const char *format, ...)
{
    if (err != NULL) {
        char text[LX_ERR_TEXT]; /* arguments may point into *err */
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof text, format, args);
        va_end(args);
        reset(err, status);
        memcpy(err->text, text, sizeof text);
        make_visible(err->text);
    }
    return status;
}

static enum lx_status status_of_errno(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT: return LX_E_NOSPACE;
    case EACCES:
    case EPERM:
    case EROFS: return LX_E_ACCESS;
    case ENOENT:
    case ENOTDIR: return LX_E_NOTFOUND;
    case EEXIST: return LX_E_EXISTS;
    case ENOMEM: return LX_E_MEMORY;
    default: return LX_E_IO;
    }
}

enum lx_status lx_err_errno(struct lx_err *err, int error, const char *format, ...)
{
    enum lx_status status = status_of_errno(error);
    if (err != NULL) {
        char text[LX_ERR_TEXT], reason[128];
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof text, format, args);
        va_end(args);
        reset(err, status);
        const char *said = strerror_r(error, reason, sizeof reason); /* GNU: thread safe */
        int used = snprintf(err->text, sizeof err->text, "%s", text);
        if (used >= 0 && (size_t)used < sizeof err->text)
            snprintf(err->text + used, sizeof err->text - (size_t)used, ": %s", said);
        make_visible(err->text);
    }
    return status;
}

void lx_err_context(struct lx_err *err, const char *format, ...)
{
    if (err == NULL)
        return;
    char text[LX_ERR_TEXT];
    va_list args;
    va_start(args, format);
    int used = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (used < 0 || (size_t)used >= sizeof text)
        return;
    snprintf(text + used, sizeof text - (size_t)used, ": %s", err->text);
    memcpy(err->text, text, sizeof text);
    make_visible(err->text);
}

void lx_err_hint(struct lx_err *err, const char *format, ...)
{
    if (err == NULL || err->hint[0] != 0)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(err->hint, sizeof err->hint, format, args);
    va_end(args);
    make_visible(err->hint);
}

enum lx_status lx_err_memory(struct lx_err *err)
{
    return lx_err_set(err, LX_E_MEMORY, "out of memory");
}

void lx_err_clear(struct lx_err *err)
{
    if (err != NULL)
        reset(err, LX_OK);
}
