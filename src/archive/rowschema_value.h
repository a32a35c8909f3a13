/* rowschema_value.h: values of composed types, read from their JSON text and hashed as ClickHouse
 * hashes the values themselves.
 *
 * The text is what toJSONString writes: arrays as [...], maps and named tuples as {...}, unnamed
 * tuples as [...]; numbers bare or quoted; nan, -nan, inf, -inf quoted. Anything else is refused,
 * never guessed: a text has one value or none.
 *
 * The hash (recipe in docs/rowhash.md): within a row an array is no value of its own: the row's
 * chain goes on with the mixed number of its elements, then with each element. A map is an array of
 * (key, value); a tuple stands in the chain element by element. What is within an array is a chain
 * of its own.
 *
 * Threads: a compiled type is only read; a reader belongs to one thread. */
#ifndef LX_ARCHIVE_ROWSCHEMA_VALUE_H
#define LX_ARCHIVE_ROWSCHEMA_VALUE_H

#include "base/err.h"
#include "clickhouse/clickhouse.h"

struct lx_value;

/* Compiles a type; borrows it. LX_E_MEMORY. */
LX_MUST_CHECK enum lx_status lx_value_compile(const struct lx_ch_type *type,
                                              struct lx_value **value);
void lx_value_free(struct lx_value *value); /* NULL is fine */
/* False where no text of this type can be hashed here: JSON, Variant, Dynamic, what is not known, a
 * map with composed keys, a tuple of nothing, or what holds one of these. */
bool lx_value_is_hashable(const struct lx_value *value);
struct lx_value_reader;
LX_MUST_CHECK enum lx_status lx_value_reader_create(struct lx_value_reader **reader);
void lx_value_reader_free(struct lx_value_reader *reader); /* NULL is fine */
/* Goes on with the row's chain in *hash, or begins it. LX_E_FORMAT: the text is no value of the
 * type; *at is the byte where it stops being one. LX_E_MEMORY, LX_E_LIMIT. */
LX_MUST_CHECK enum lx_status lx_value_chain(struct lx_value_reader *reader,
                                            const struct lx_value *value, struct lx_str text,
                                            bool begun, uint64_t *hash, size_t *at);

/* -- for the module's own files ------------------------------------------------------------ */

/* A compiled type. Points and rings are spelt out, SimpleAggregateFunction is gone. */
struct lx_value {
    enum lx_ch_kind kind; /* ARRAY, MAP, TUPLE, or that of a leaf */
    bool nullable;
    bool opaque; /* this or something within cannot be hashed here */
    uint32_t width, precision, scale;
    const struct lx_ch_type *type; /* NULL: spelt out */
    uint32_t *by_name;             /* enums: indexes into type->enums, sorted by name */
    struct lx_value *children;
    size_t child_count;
};

/* A leaf's text (unquoted, escapes undone) to its bytes in `bytes`, which has room for
 * LX_LEAF_BYTES; `width` of the leaf many are set. Not for STRING and FIXED_STRING. */
#define LX_LEAF_BYTES 32
LX_MUST_CHECK bool lx_leaf_of_text(const struct lx_value *leaf, struct lx_str text,
                                   uint8_t bytes[LX_LEAF_BYTES]);

/* Finds an enum's value by name, in indexes made by lx_enum_index (lx_free them; NULL: no memory).
 */
LX_MUST_CHECK uint32_t *lx_enum_index(const struct lx_ch_type *type);
LX_MUST_CHECK bool lx_enum_find(const struct lx_ch_type *type, const uint32_t *by_name,
                                struct lx_str name, int32_t *value);

#endif
