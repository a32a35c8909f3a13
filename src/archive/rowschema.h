/* rowschema.h: the columns of an archived table: what each is in ClickHouse, in the Parquet file
 * and in the Delta log, how it is asked for, and how its values pass both ways.
 *
 * A row schema names the columns that are archived, in table order, DEFAULT and MATERIALIZED ones
 * included, ALIAS and EPHEMERAL ones left out. The row hash is xxh3(tuple(<hash expressions>)) over
 * exactly these columns, so a schema's JSON form is kept in the ledger under its id, and files and
 * segments name that id.
 *
 * Types (the whole table is in docs/types.md): String, LowCardinality, Enum -> STRING; UUID ->
 * STRING of 36 characters; FixedString -> BYTE_ARRAY; DateTime, DateTime64 -> INT64 TIMESTAMP UTC
 * (MILLIS up to 3 digits, else MICROS; more than 6 digits: INT64 ticks); Date, Date32 -> INT32
 * DATE; integers to 64 bits -> INT32/INT64, unsigned ones to the next wider signed type; UInt64 and
 * Decimal up to 38 digits -> DECIMAL; wider integers and decimals, IPv4, IPv6 -> STRING; Float,
 * Bool as they are; composed types -> STRING, their JSON text.
 *
 * Composed types (Array, Map, Tuple, Nested, Point, …) travel as their JSON text, but are hashed as
 * the values they are: the text of the file is read back value by value and must give the hash of
 * the stored value. So neither the server's text settings nor its JSON reader stand between the
 * proof and the row. What has no such hash (JSON, Variant, Dynamic) is hashed as its text.
 *
 * Text that is not UTF-8 would make strict readers refuse the whole file: such a value is written
 * with U+FFFD for each bad byte, and the row's true bytes go to the column `_lynex_raw`: JSON text,
 * {"column": "base64 of the bytes", …}. It is left out of files that have no such row.
 *
 * Threads: a schema that is built is only read; any number of threads may share it. */
#ifndef LX_ARCHIVE_ROWSCHEMA_H
#define LX_ARCHIVE_ROWSCHEMA_H

#include "base/column.h"
#include "base/err.h"
#include "base/pool.h"
#include "clickhouse/clickhouse.h"
#include "parquet/parquet.h"

#include <jansson.h>

#define LX_SCHEMA_ID 33
#define LX_RAW_COLUMN "_lynex_raw"

/* A column as DESCRIBE or system.columns tells it. Borrowed texts. */
struct lx_source_column {
    struct lx_str name, type, default_kind, default_expression;
};

struct lx_value; /* private: rowschema_value.h */

struct lx_field {
    char *name;      /* in ClickHouse */
    char *file_name; /* in file and log: the same but where that would not be safe */
    char *default_kind, *default_expression; /* as the server told; "" where none */
    struct lx_ch_type type;                  /* as stored */
    struct lx_ch_type sent; /* as the SELECT returns it: `type`, or String for JSON text */
    char *select_sql;       /* `name`, or toJSONString(`name`) */
    char *hash_sql;         /* what stands in the hash's tuple */
    char *unreadable_sql;   /* 1 for a value that its JSON text does not bring back, else 0; NULL
                               where every value comes back */
    int map;                /* enum lx_field_map, private: rowschema_map.h */
    struct lx_value *value; /* JSON text that is hashed as the value it stands for; NULL: as text */
};

struct lx_row_schema {
    char id[LX_SCHEMA_ID]; /* made from the JSON form: same columns, same id */
    bool micros;           /* ARCHIVE_TIMESTAMP_UNIT=us */
    struct lx_field *fields;
    size_t field_count;
};

/* LX_E_UNSUPPORTED: a column that cannot be carried, named with its type. */
LX_MUST_CHECK enum lx_status lx_row_schema_build(const struct lx_source_column *columns,
                                                 size_t count, bool micros,
                                                 struct lx_row_schema **schema, struct lx_err *err);
/* The same for a table that has an archive already. `also`: the log's schemaString, or NULL. A
 * column keeps its file name as long as its Delta type stays the same; a column that came in the
 * place of another (retyped, or renamed to the same letters in another case) gets a name that is
 * free, so that lx_row_schema_delta with the same `also` never refuses it. LX_E_FORMAT: `also` is
 * no schemaString. */
LX_MUST_CHECK enum lx_status lx_row_schema_build_beside(const struct lx_source_column *columns,
                                                        size_t count, bool micros, const char *also,
                                                        struct lx_row_schema **schema,
                                                        struct lx_err *err);
void lx_row_schema_free(struct lx_row_schema *schema);

/* {"columns":[{"name":…,"type":…,"file_name":…,"as":…,"select":…,"hash":…,"unreadable":…,
 *  "default_kind":…,"default_expression":…},…],"unit":"ms"}; a new reference; "unreadable" only
 * where there is one; a default expression that is not UTF-8 stands in base64 as
 * "default_expression_base64". From JSON: the same schema again, also by a later lynex (the SQL
 * texts are taken from it, not made anew). LX_E_FORMAT. */
LX_MUST_CHECK enum lx_status lx_row_schema_to_json(const struct lx_row_schema *schema,
                                                   json_t **json, struct lx_err *err);
LX_MUST_CHECK enum lx_status
lx_row_schema_from_json(const json_t *json, struct lx_row_schema **schema, struct lx_err *err);

/* Delta's schemaString: every field nullable, `_lynex_raw` (string) last. Original names and types
 * stand in the fields' metadata ("lynex.name", "lynex.type"). `also`: a schemaString whose further
 * columns stay (columns that the table has no more), or NULL. LX_E_UNSUPPORTED where a column
 * changed its Delta type or took another one's name (see lx_row_schema_build_beside). The text is
 * appended. */
LX_MUST_CHECK enum lx_status lx_row_schema_delta(const struct lx_row_schema *schema,
                                                 const char *also, struct lx_buf *text,
                                                 struct lx_err *err);

/* The fields of the Parquet file, `_lynex_raw` last: field_count + 1 of them, for
 * lx_parquet_writer_create. Texts are borrowed from the schema. */
LX_MUST_CHECK enum lx_status lx_row_schema_parquet(const struct lx_row_schema *schema,
                                                   struct lx_parquet_field *fields,
                                                   struct lx_err *err);

/* "xxh3(tuple(…))" over the schema's columns. */
LX_MUST_CHECK enum lx_status lx_row_schema_hash_sql(const struct lx_row_schema *schema,
                                                    struct lx_buf *sql);

/* -- values -------------------------------------------------------------------------------- */

/* Converts blocks of rows to the file's columns. Its own buffers are used again for every block. */
struct lx_to_file;
LX_MUST_CHECK enum lx_status lx_to_file_create(const struct lx_row_schema *schema,
                                               struct lx_to_file **to, struct lx_err *err);
void lx_to_file_free(struct lx_to_file *to); /* NULL is fine */
/* `sent`: field_count columns as lx_ch_next gave them, `rows` rows, left as they are. *columns:
 * field_count + 1 pointers, valid until the next call and as long as `sent` is; columns that need
 * no change are the sent ones themselves. The last is `_lynex_raw`, all NULL where every text is
 * UTF-8. LX_E_UNSUPPORTED: a value out of the file type's range, with column and row;
 * LX_E_FORMAT: a column whose shape is not its type's. */
LX_MUST_CHECK enum lx_status lx_to_file_convert(struct lx_to_file *to,
                                                const struct lx_column *const *sent, int64_t rows,
                                                const struct lx_column *const **columns,
                                                struct lx_err *err);
/* Rows of the last block that have bytes in `_lynex_raw`; 0: a file of such blocks needs it not. */
int64_t lx_to_file_raw_rows(const struct lx_to_file *to);

/* And back: from a file's decoded columns to ClickHouse's bytes, for the proof and for bringing
 * rows back. `columns`: field_count + 1 decoded columns in schema order, DICT or not; NULL for a
 * column that the file does not have (`_lynex_raw`). *sent: field_count columns, valid until the
 * next call and as long as `columns` is; texts and LowCardinality types may come as DICT, all
 * others come plain. JSON text stays text, with its true bytes. LX_E_CORRUPT: a text or number that
 * is no value of its type, with column and row. Columns are converted side by side on the pool,
 * which may be NULL. */
struct lx_from_file;
LX_MUST_CHECK enum lx_status lx_from_file_create(const struct lx_row_schema *schema,
                                                 struct lx_from_file **from, struct lx_err *err);
void lx_from_file_free(struct lx_from_file *from); /* NULL is fine */
LX_MUST_CHECK enum lx_status lx_from_file_convert(struct lx_from_file *from, struct lx_pool *pool,
                                                  const struct lx_column *const *columns,
                                                  int64_t rows,
                                                  const struct lx_column *const **sent,
                                                  struct lx_err *err);

/* hashes[i] = the row hash of row i of `sent` columns. JSON text of arrays, maps and tuples is read
 * for it, value by value. LX_E_CORRUPT: a JSON text that is no value of its type, with column and
 * row. */
LX_MUST_CHECK enum lx_status lx_row_schema_hash_rows(const struct lx_row_schema *schema,
                                                     const struct lx_column *const *sent,
                                                     int64_t rows, uint64_t *hashes,
                                                     struct lx_err *err);
/* The same, columns side by side on the pool, but for JSON text. `each`: room for
 * field_count * rows hashes. */
LX_MUST_CHECK enum lx_status lx_row_schema_hash_rows_on(struct lx_pool *pool,
                                                        const struct lx_row_schema *schema,
                                                        const struct lx_column *const *sent,
                                                        int64_t rows, uint64_t *each,
                                                        uint64_t *hashes, struct lx_err *err);
LX_MUST_CHECK static inline enum lx_status lx_row_schema_hash(const struct lx_row_schema *schema,
                                                              const struct lx_column *const *sent,
                                                              int64_t rows, uint64_t *hashes)
{
    return lx_row_schema_hash_rows(schema, sent, rows, hashes, NULL);
}

#endif
