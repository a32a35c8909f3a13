/* rowschema_map.h: private to rowschema*.c: how each field's values pass to the file and back.
 *
 * A map's name stands in the schema's JSON form: it may be added to, never changed. */
#ifndef LX_ARCHIVE_ROWSCHEMA_MAP_H
#define LX_ARCHIVE_ROWSCHEMA_MAP_H

#include "archive/rowschema.h"
#include "archive/rowschema_value.h"

#define LX_SCHEMA_MAX_SQL (1 * LX_MIB) /* of one expression of one column */
#define LX_SCHEMA_MAX_TEXT (64 * LX_MIB)

/* To the file, and back. */
#define LX_FIELD_MAPS(X)                                                                           \
    X(SAME, "same")       /* the bytes are the same in both */                                     \
    X(TEXT, "text")       /* bytes -> UTF-8 */                                                     \
    X(JSON, "json")       /* text of a composed value -> UTF-8 */                                  \
    X(BINARY, "binary")   /* FixedString -> BYTE_ARRAY */                                          \
    X(UUID, "uuid")       /* -> text */                                                            \
    X(IPV4, "ipv4")       /* -> text */                                                            \
    X(IPV6, "ipv6")       /* -> text */                                                            \
    X(BIGINT, "bigint")   /* integer of 128 or 256 bits, or scaled -> decimal text */              \
    X(ENUM, "enum")       /* number -> name */                                                     \
    X(BOOL, "bool")       /* 0, 1 */                                                               \
    X(INT8, "int8")       /* -> INT32 */                                                           \
    X(INT16, "int16")     /* -> INT32 */                                                           \
    X(UINT8, "uint8")     /* -> INT32 */                                                           \
    X(UINT16, "uint16")   /* and Date -> INT32 */                                                  \
    X(UINT32, "uint32")   /* -> INT64 */                                                           \
    X(UINT64, "uint64")   /* -> 9 bytes big-endian */                                              \
    X(DECIMAL, "decimal") /* Int128 -> the precision's bytes, big-endian */                        \
    X(SECONDS, "seconds") /* UInt32 of seconds -> INT64 of the file's unit */                      \
    X(TICKS, "ticks")     /* Int64 of ticks -> INT64 of the file's unit, which is finer */

enum lx_field_map {
#define X(name, text) LX_MAP_##name,
    LX_FIELD_MAPS(X)
#undef X
        LX_MAP_COUNT
};

/* Static. */
const char *lx_map_name(int map);

/* The map of a type, from the type alone. */
int lx_map_of_type(const struct lx_ch_type *type, bool micros);
/* Units of the file in one of the type: 1,000 for seconds as milliseconds. */
int64_t lx_map_factor(const struct lx_ch_type *type, bool micros);
/* Bytes of the file's value: 0 where it is BYTES. */
uint32_t lx_map_file_width(const struct lx_field *field);
/* Fewest bytes whose signed range holds `precision` digits; 1 to 38. */
uint32_t lx_decimal_bytes(uint32_t precision);

/* Delta's name of the field's type: "timestamp", "decimal(20,0)". */
#define LX_DELTA_TYPE 32
void lx_field_delta_type(const struct lx_field *field, char text[LX_DELTA_TYPE]);

/* select_sql, hash_sql, unreadable_sql, sent, map and value of a field whose name and type are set.
 */
LX_MUST_CHECK enum lx_status lx_field_make_sql(struct lx_field *field, bool micros,
                                               struct lx_err *err);
/* `sent` and `value`, once type, map and SQL texts are set. */
LX_MUST_CHECK enum lx_status lx_field_finish(struct lx_field *field, struct lx_err *err);
/* The id of the JSON form; err says why not. */
LX_MUST_CHECK enum lx_status lx_schema_set_id(struct lx_row_schema *schema, const json_t *json,
                                              struct lx_err *err);

/* -- names --------------------------------------------------------------------------------- */

/* A column that the log has already. Borrowed texts. */
struct lx_known_name {
    const char *file_name, *name, *delta_type; /* NULL where the log does not say */
};
/* Sets file_name of all fields; their Delta types must be known. */
LX_MUST_CHECK enum lx_status lx_schema_name_files(struct lx_row_schema *schema,
                                                  const struct lx_known_name *known, size_t count,
                                                  struct lx_err *err);
/* Safe as it is in every reader of the log? */
bool lx_file_name_is_safe(const char *name);
/* Lower case, as far as names can clash by it; NULL: no memory. lx_free it. */
char *lx_name_fold(const char *name);

/* A schemaString of the log, taken apart; the texts live as long as *root. LX_E_FORMAT. */
LX_MUST_CHECK enum lx_status lx_delta_read_names(const char *text, json_t **root,
                                                 struct lx_known_name **names, size_t *count,
                                                 struct lx_err *err);

#endif
