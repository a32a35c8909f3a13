/* ledger_rows.h: actions as rows of a checkpoint, and back (private to the ledger).
 *
 * A checkpoint is a Parquet file with one action a row: a column for each kind of action, a struct
 * of texts, numbers, maps and lists; one of them is there, the others are NULL. Both ways stand on
 * a tree over the file's schema: JSON is taken apart into levels (Dremel encoding; parquet-format
 * README, "Nested Encoding"; LogicalTypes.md, "Lists" and "Maps") and put together from them.
 * Nothing here knows what an action means. */
#ifndef LX_LEDGER_LEDGER_ROWS_H
#define LX_LEDGER_LEDGER_ROWS_H

#include "base/err.h"
#include "parquet/parquet.h"
#include "parquet/reader.h"

#include <jansson.h>

/* -- writing ------------------------------------------------------------------------------- */

struct lx_rows_builder;

/* Every field of the schema but elements of maps and lists is optional. The schema outlives it. */
LX_MUST_CHECK enum lx_status lx_rows_builder_create(const struct lx_parquet_schema *schema,
                                                    struct lx_rows_builder **builder,
                                                    struct lx_err *err);
void lx_rows_builder_free(struct lx_rows_builder *builder); /* NULL is fine */
/* One row: members of `row` by the names of the schema; members that it does not have are left
 * out. LX_E_FORMAT: a member of another type than its field's. */
LX_MUST_CHECK enum lx_status lx_rows_builder_add(struct lx_rows_builder *builder, const json_t *row,
                                                 struct lx_err *err);
int64_t lx_rows_builder_rows(const struct lx_rows_builder *builder);
size_t lx_rows_builder_bytes(const struct lx_rows_builder *builder); /* of all values */
/* One struct a leaf, valid until the next call of lx_rows_builder_add or _clear. */
const struct lx_parquet_levels *lx_rows_builder_levels(struct lx_rows_builder *builder);
void lx_rows_builder_clear(struct lx_rows_builder *builder); /* no rows */

/* -- reading ------------------------------------------------------------------------------- */

/* Called for each action, which is borrowed: {"add":{…}}. Fields that are NULL are left out. */
typedef enum lx_status (*lx_rows_each)(void *context, int64_t row, json_t *action,
                                       struct lx_err *err);
/* All rows of an open file: their members among `kinds` (NULL behind the last). Within them, fields
 * whose names end in "_parsed", and those of types that no action has, are passed over.
 * LX_E_FORMAT: what is no row of actions. */
LX_MUST_CHECK enum lx_status lx_rows_read(const struct lx_parquet_reader *reader,
                                          const char *const *kinds, lx_rows_each each,
                                          void *context, struct lx_err *err);

#endif
