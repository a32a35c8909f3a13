/* rowschema_raw.h: the column `_lynex_raw`: a row's true bytes where its texts are not UTF-8.
 *
 * {"column":"base64","other":"base64"}: the columns' names in the file, in schema order; base64
 * with padding (RFC 4648, section 4). Only this one form is read: it is what was written, or it is
 * damage. Thread-safe but for what a caller changes. */
#ifndef LX_ARCHIVE_ROWSCHEMA_RAW_H
#define LX_ARCHIVE_ROWSCHEMA_RAW_H

#include "archive/rowschema.h"

/* Each text column's key as it stands in the object: `"name":"`; empty for other columns. */
struct lx_raw_keys {
    struct lx_str *keys;
    size_t count;
    struct lx_buf text;
};
LX_MUST_CHECK enum lx_status lx_raw_keys_make(const struct lx_row_schema *schema,
                                              struct lx_raw_keys *keys);
void lx_raw_keys_free(struct lx_raw_keys *keys);

/* Appends one column's pair, with '{' or ',' in front; `first`: the row's first. The caller closes
 * the object with '}'. */
LX_MUST_CHECK enum lx_status lx_raw_put(const struct lx_raw_keys *keys, size_t field, bool first,
                                        struct lx_str bytes, struct lx_buf *out);
/* Takes the next pair off the front of *text: *field is its column, its bytes are appended to
 * `out`. *more = false: the object ended, nothing was appended. Start with the whole text and
 * *field = SIZE_MAX. LX_E_FORMAT. */
LX_MUST_CHECK enum lx_status lx_raw_take(const struct lx_raw_keys *keys, struct lx_str *text,
                                         size_t *field, bool *more, struct lx_buf *out);

LX_MUST_CHECK enum lx_status lx_base64_encode(struct lx_buf *out, struct lx_str bytes);
/* LX_E_FORMAT: not padded, or bits beyond the last byte are set. */
LX_MUST_CHECK enum lx_status lx_base64_decode(struct lx_buf *out, struct lx_str text);

#endif
