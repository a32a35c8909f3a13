/* err.h: an error as a value with context, owned by the caller, of fixed size.
 *
 * A function that fails fills the struct that its caller passed (NULL is allowed) and returns the
 * same status. `text` says what failed, on which object and why; `hint` what to do about it and
 * what is safe. Each layer that knows more adds it once, in front (lx_err_context).
 * Texts are cut at their size, never overrun; control characters are made visible. */
#ifndef LX_BASE_ERR_H
#define LX_BASE_ERR_H

#include "base/status.h"

#define LX_ERR_TEXT 1024
#define LX_ERR_HINT 768

struct lx_err {
    enum lx_status status;
    int code;      /* of the other side, where it has one: ClickHouse's code, an HTTP status */
    char name[64]; /* of the other side: "AccessDenied", "UNKNOWN_TABLE", or "" */
    char text[LX_ERR_TEXT];
    char hint[LX_ERR_HINT];
};

#define LX_ERR_INIT                                                                                \
    {                                                                                              \
        .status = LX_OK                                                                            \
    }

/* Sets status and text, clears the rest; returns `status`. */
enum lx_status lx_err_set(struct lx_err *err, enum lx_status status, const char *format, ...)
    LX_PRINTF(3, 4);
/* The same, with errno's text added after ": ". LX_E_NOSPACE for ENOSPC and EDQUOT, LX_E_ACCESS
 * for EACCES and EPERM, LX_E_NOTFOUND for ENOENT, LX_E_EXISTS for EEXIST, LX_E_MEMORY for ENOMEM,
 * else LX_E_IO. */
enum lx_status lx_err_errno(struct lx_err *err, int error, const char *format, ...) LX_PRINTF(3, 4);
/* Puts "<format>: " in front of the text. */
void lx_err_context(struct lx_err *err, const char *format, ...) LX_PRINTF(2, 3);
/* Sets what to do, unless something is there already: the layer nearest to the cause knows best. */
void lx_err_hint(struct lx_err *err, const char *format, ...) LX_PRINTF(2, 3);
enum lx_status lx_err_memory(struct lx_err *err);
/* For retry loops: forgets. */
void lx_err_clear(struct lx_err *err);

#endif
