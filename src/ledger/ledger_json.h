/* ledger_json.h: JSON as the log needs it, with jansson's values: for the ledger, and for what the
 * files of the archive say of themselves. jansson's own parser loses bytes where memory runs out.
 *
 * Parsing is strict (RFC 8259): UTF-8 only, no member twice in one object (two readers would read
 * two things), integers within 64 bits, no \u0000, at most LX_LEDGER_MAX_DEPTH levels.
 * `where` names the place for error texts: "add", "lynex.hot.… segment 3". */
#ifndef LX_LEDGER_LEDGER_JSON_H
#define LX_LEDGER_LEDGER_JSON_H

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>

#define LX_LEDGER_MAX_DEPTH 64

/* An object; a new reference. LX_E_FORMAT, LX_E_MEMORY. */
LX_MUST_CHECK enum lx_status lx_ledger_json_parse(struct lx_str text, const char *where,
                                                  json_t **object, struct lx_err *err);
LX_MUST_CHECK enum lx_status lx_ledger_json_parse_array(struct lx_str text, const char *where,
                                                        json_t **array, struct lx_err *err);
/* Compact text, appended. LX_E_LIMIT, LX_E_MEMORY. */
LX_MUST_CHECK enum lx_status lx_ledger_json_dump(const json_t *json, struct lx_buf *text,
                                                 struct lx_err *err);

/* The same in another form: jansson's flags of json_dumps, which loses what memory is missing for.
 */
LX_MUST_CHECK enum lx_status lx_ledger_json_dump_as(const json_t *json, size_t flags,
                                                    struct lx_buf *text, struct lx_err *err);

/* Members of an object; a null counts as absent. LX_E_FORMAT: absent, or of another type. The
 * _or forms give `otherwise` where it is absent. Texts are borrowed from the object. */
LX_MUST_CHECK enum lx_status lx_ledger_json_text(const json_t *object, const char *where,
                                                 const char *name, const char **text,
                                                 struct lx_err *err);
LX_MUST_CHECK enum lx_status lx_ledger_json_text_or(const json_t *object, const char *where,
                                                    const char *name, const char *otherwise,
                                                    const char **text, struct lx_err *err);
LX_MUST_CHECK enum lx_status lx_ledger_json_int(const json_t *object, const char *where,
                                                const char *name, int64_t *value,
                                                struct lx_err *err);
LX_MUST_CHECK enum lx_status lx_ledger_json_int_or(const json_t *object, const char *where,
                                                   const char *name, int64_t otherwise,
                                                   int64_t *value, struct lx_err *err);
LX_MUST_CHECK enum lx_status lx_ledger_json_bool_or(const json_t *object, const char *where,
                                                    const char *name, bool otherwise, bool *value,
                                                    struct lx_err *err);
/* 64 bits as decimal text: JSON numbers of other readers end at 2^53. */
LX_MUST_CHECK enum lx_status lx_ledger_json_u64(const json_t *object, const char *where,
                                                const char *name, uint64_t *value,
                                                struct lx_err *err);
/* An array or object; *json is NULL where it is absent. */
LX_MUST_CHECK enum lx_status lx_ledger_json_array_or(const json_t *object, const char *where,
                                                     const char *name, const json_t **json,
                                                     struct lx_err *err);
LX_MUST_CHECK enum lx_status lx_ledger_json_object_or(const json_t *object, const char *where,
                                                      const char *name, const json_t **json,
                                                      struct lx_err *err);

/* Building: each returns false where memory ran out, or a text is no UTF-8; the object is then
 * whole, without the member. */
bool lx_ledger_json_put(json_t *object, const char *name, json_t *value); /* takes value */
bool lx_ledger_json_put_u64(json_t *object, const char *name, uint64_t value);

#endif
