/* clickhouse.h: queries to ClickHouse, and their answers as columns.
 *
 * One client, two drivers: HTTP (libcurl) and embedded (libchdb, loaded at run time). Answers come
 * in the Native format, decoded block by block as they stream in; memory is bounded by one block.
 *
 * Every query carries every setting that could cut or bend its result (settings_pinned.def, with
 * the version that knows each and why it is there); what an old server does not know is left out.
 *
 * A stream is a success only when it ended as it must: a stream that ends early, is reset, or
 * carries an exception in its body is a failure, also after blocks were handed out. So: results
 * count only once lx_ch_next has returned LX_OK with a NULL block.
 *
 * Errors: err->code is ClickHouse's code (0: none), err->name its name ("UNKNOWN_TABLE"). Status:
 *   LX_E_AUTH       wrong user or password (192, 193, 194, 516), or an untrusted certificate
 *   LX_E_ACCESS     a right is missing (497), or a setting may not be changed (164, 452)
 *   LX_E_NOTFOUND   no such table (60) or database (81)
 *   LX_E_NOSPACE    no room on the server (243)
 *   LX_E_BUSY       not begun: too many queries at once (202), an overloaded proxy (429, 503), a
 *                   directory that another process has open (embedded)
 *   LX_E_REMOTE     every other error of the server; memory (241) too
 *   LX_E_ARGUMENT   a URL that cannot be; name "NATIVE_PORT": the port speaks the native protocol
 *   LX_E_NETWORK, LX_E_TIMEOUT, LX_E_CANCELLED; LX_E_LIMIT (see max_block_bytes)
 *   LX_E_FORMAT     a stream that is not Native, or an answer that is not ClickHouse's
 *   LX_E_UNSUPPORTED  a column whose type does not travel as a value, named with its type
 * Nothing is retried here except connecting, and a SELECT for a connection that was dead already:
 * any other statement may have been executed. After LX_E_NETWORK, LX_E_TIMEOUT or LX_E_CANCELLED
 * of lx_ch_execute its outcome is unknown: ask the table.
 *
 * Threads: a client may be used by several threads, each with its own result; a result by one. */
#ifndef LX_CLICKHOUSE_CLICKHOUSE_H
#define LX_CLICKHOUSE_CLICKHOUSE_H

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/column.h"
#include "base/err.h"
#include "base/limits.h"

struct lx_ch;
struct lx_ch_result;

/* -- types --------------------------------------------------------------------------------- */

enum lx_ch_kind {
    LX_CH_INT8,
    LX_CH_INT16,
    LX_CH_INT32,
    LX_CH_INT64,
    LX_CH_INT128,
    LX_CH_INT256,
    LX_CH_UINT8,
    LX_CH_UINT16,
    LX_CH_UINT32,
    LX_CH_UINT64,
    LX_CH_UINT128,
    LX_CH_UINT256,
    LX_CH_FLOAT32,
    LX_CH_FLOAT64,
    LX_CH_BOOL,
    LX_CH_STRING,
    LX_CH_FIXED_STRING,
    LX_CH_UUID,
    LX_CH_IPV4,
    LX_CH_IPV6,
    LX_CH_DATE,
    LX_CH_DATE32,
    LX_CH_DATETIME,
    LX_CH_DATETIME64,
    LX_CH_ENUM8,
    LX_CH_ENUM16,
    LX_CH_DECIMAL,
    LX_CH_NOTHING,
    /* Composed: decoded as values only where the client is asked for them as text (see carry). */
    LX_CH_ARRAY,
    LX_CH_MAP,
    LX_CH_TUPLE,
    LX_CH_NESTED,
    LX_CH_JSON,
    LX_CH_VARIANT,
    LX_CH_DYNAMIC,
    LX_CH_OBJECT,
    LX_CH_AGGREGATE,
    LX_CH_INTERVAL,
    LX_CH_GEO,
    LX_CH_OTHER,
};

/* How a column travels to the archive. */
enum lx_ch_carry {
    LX_CH_CARRY_VALUE, /* as itself, decoded from Native */
    LX_CH_CARRY_JSON,  /* as text, by toJSONString */
    LX_CH_CARRY_NOT,   /* not at all: the run stops, naming column and type */
};

struct lx_ch_enum {
    int32_t value;
    char *name;
    size_t name_len;
};

/* A parsed type. Nullable and LowCardinality are flags of the type within, not types.
 * SimpleAggregateFunction(f, T) is T: its values are. Time, Time64, BFloat16, QBit and all that is
 * not known here are LX_CH_OTHER. */
struct lx_ch_type {
    enum lx_ch_kind kind;
    bool nullable, low_cardinality;
    uint32_t width;           /* bytes of a FIXED column's value; 0: BYTES */
    uint32_t precision;       /* Decimal: digits; DateTime64: fraction digits; FixedString: bytes */
    uint32_t scale;           /* Decimal */
    char *zone;               /* DateTime, DateTime64: as written; NULL where none */
    struct lx_ch_enum *enums; /* sorted by value */
    size_t enum_count;
    struct lx_ch_type *children; /* Array: 1, Map: 2, Tuple and Nested: n */
    size_t child_count;
    char *text; /* the whole type as ClickHouse wrote it */
};

#define LX_CH_MAX_TYPE_TEXT (1 * LX_MIB) /* an Enum16 may list many names */
#define LX_CH_MAX_TYPE_DEPTH 64
#define LX_CH_MAX_TYPE_PARTS 65536 /* children of a type, names of an enum */

/* Parses "Nullable(DateTime64(3, 'UTC'))". LX_E_FORMAT; depth and length are bounded. A type that
 * is not known is LX_CH_OTHER, not an error. On failure *type is untouched. */
LX_MUST_CHECK enum lx_status lx_ch_type_parse(struct lx_str text, struct lx_ch_type *type,
                                              struct lx_err *err);
void lx_ch_type_free(struct lx_ch_type *type); /* what it owns */
enum lx_ch_carry lx_ch_type_carry(const struct lx_ch_type *type);
/* Can lx_ch_hash_rows reproduce xxh3() of it? (Arrays, maps and tuples: only their server-side
 * hash of the value exists, see lx_ch_hash_rows.) */
bool lx_ch_type_hashable(const struct lx_ch_type *type);
/* The enum's name of a value; NULL where the type has none. */
const struct lx_ch_enum *lx_ch_enum_name(const struct lx_ch_type *type, int32_t value);

/* -- connecting ---------------------------------------------------------------------------- */

#define LX_CH_CONNECT_MS 10000
#define LX_CH_CONNECT_TRIES 3
#define LX_CH_IDLE_MS 300000 /* a large aggregation is silent for long */
/* A block that needs more ends its query with LX_E_LIMIT, naming the column. Ask for smaller blocks
 * (max_block_size, preferred_block_size_bytes) rather than raising it. */
#define LX_CH_MAX_BLOCK_BYTES (1 * LX_GIB)

enum lx_ch_compression {
    LX_CH_COMPRESS_AUTO,
    LX_CH_COMPRESS_NONE,
    LX_CH_COMPRESS_LZ4,
    LX_CH_COMPRESS_ZSTD
};

struct lx_ch_options {
    const char *url;                        /* "http[s]://host:port", "embedded:///dir" */
    const char *user, *password, *database; /* by header, never in the URL; NULL = unset */
    const char *ca_bundle;                  /* NULL: the system's; verification is always on */
    const char *libchdb;                    /* path; NULL: looked for (docs/clickhouse.md) */
    enum lx_ch_compression compression;     /* auto: none on loopback, else lz4 */
    int connect_timeout_ms;                 /* 0: LX_CH_CONNECT_MS */
    int idle_timeout_ms;                    /* no byte for so long ends a query; 0: LX_CH_IDLE_MS */
    size_t max_block_bytes;                 /* memory of one block; 0: LX_CH_MAX_BLOCK_BYTES */
    const char *log_comment; /* of every query, for system.query_log; NULL: "lynex" */
    const char *run;         /* stands in query ids; NULL: made, 16 hex digits */
    int64_t max_threads;     /* of queries that do not say themselves; 0: as the server has it */
    int64_t priority;        /* …, 1 is the highest; 0: none */
    /* A word for the user (a setting that the server refuses and that queries go without), by
     * whichever thread asks. */
    void (*say)(void *context, const char *text);
    void *say_context;
    struct lx_clock clock;
    struct lx_random random;
    const struct lx_cancel *cancel; /* may be NULL */
};

/* Copies the texts. HTTP: asks nothing yet. */
LX_MUST_CHECK enum lx_status lx_ch_open(const struct lx_ch_options *options, struct lx_ch **client,
                                        struct lx_err *err);
void lx_ch_close(struct lx_ch *client);
/* "http://host:8123", for messages; no secrets. */
const char *lx_ch_where(const struct lx_ch *client);
/* A word for the user by the options' say, where there is one. */
void lx_ch_say(const struct lx_ch *client, const char *format, ...) LX_PRINTF(2, 3);

#define LX_CH_MAX_QUERY_ID 128
/* "lynex-<purpose>-<run>-<number>" */
void lx_ch_query_id(struct lx_ch *client, const char *purpose, char *id, size_t size);

/* -- queries ------------------------------------------------------------------------------- */

struct lx_ch_setting {
    const char *name, *value; /* value as text; escaped by the driver */
};

struct lx_ch_query {
    const char *sql;      /* without FORMAT */
    const char *query_id; /* NULL: made by lx_ch_query_id */
    const char *purpose;  /* one word for that id: "guard"; NULL: "query" */
    /* Besides the pinned ones, which they override; as a SELECT's readonly=2, by HTTP. */
    const struct lx_ch_setting *settings;
    size_t setting_count;
    /* Settings of comfort alone: one that the server refuses (it does not know it, the profile's
     * constraints forbid it) is said once and left out from then on. */
    const struct lx_ch_setting *wishes;
    size_t wish_count;
    int timeout_ms;                 /* for the whole query, which may be silent all that time;
                                       0: only the idle timeout */
    size_t max_block_bytes;         /* memory of one block; 0: as the client has it */
    const struct lx_cancel *cancel; /* besides the client's, until the answer has ended; may be
                                       NULL. An embedded engine looks between two pieces. */
    bool no_pinned;                 /* leaves the pinned settings out: never for a question whose
                                       answer counts */
};

struct lx_ch_column {
    const char *name;
    const struct lx_ch_type *type;
    struct lx_column data; /* values in ClickHouse's own little-endian bytes, as Native has them */
};

struct lx_ch_block {
    struct lx_ch_column *columns;
    size_t column_count;
    int64_t rows;
};

/* A statement without a result (ALTER, DELETE, INSERT … VALUES within sql). */
LX_MUST_CHECK enum lx_status lx_ch_execute(struct lx_ch *client, const struct lx_ch_query *query,
                                           struct lx_err *err);
LX_MUST_CHECK enum lx_status lx_ch_select(struct lx_ch *client, const struct lx_ch_query *query,
                                          struct lx_ch_result **result, struct lx_err *err);
/* The next block; NULL after the last, when the stream has ended as it must. The block is the
 * result's, valid until the next call; its columns may be moved out (memcpy the struct, then
 * lx_column_init it) to keep them. */
LX_MUST_CHECK enum lx_status lx_ch_next(struct lx_ch_result *result, struct lx_ch_block **block,
                                        struct lx_err *err);
/* After LX_E_LIMIT: rows of the block that was too large; 0 where no block was. */
int64_t lx_ch_failed_rows(const struct lx_ch_result *result);
/* Ends it, whether or not it was read to the end. NULL is fine. */
void lx_ch_result_free(struct lx_ch_result *result);

/* The whole answer of a small query as one block, owned by the caller (lx_ch_table_free); more than
 * `max_rows` is LX_E_LIMIT. */
struct lx_ch_table {
    struct lx_ch_block block;
    struct lx_ch_result *owner;
};
LX_MUST_CHECK enum lx_status lx_ch_query_all(struct lx_ch *client, const struct lx_ch_query *query,
                                             int64_t max_rows, struct lx_ch_table *table,
                                             struct lx_err *err);
void lx_ch_table_free(struct lx_ch_table *table);
/* Are the columns what the caller takes them for? One letter each: 't' text (String, FixedString,
 * Enum's number is none), 'u' and 'i' integers (also Bool, Date, DateTime, Enum) up to 64 bits, '*'
 * anything. LX_E_FORMAT names the column. A table without rows has no columns: it always passes. */
LX_MUST_CHECK enum lx_status lx_ch_table_check(const struct lx_ch_table *table, const char *letters,
                                               struct lx_err *err);
/* A value of a table as text, or as a number; a NULL is "" or 0. The row and column must exist and
 * the column's type must fit (asserted): where that is the server's decision, check before. Text is
 * borrowed from the table. */
struct lx_str lx_ch_text(const struct lx_ch_table *table, size_t column, int64_t row);
uint64_t lx_ch_u64(const struct lx_ch_table *table, size_t column, int64_t row);
int64_t lx_ch_i64(const struct lx_ch_table *table, size_t column, int64_t row);
bool lx_ch_is_null(const struct lx_ch_table *table, size_t column, int64_t row);

/* -- SQL text: the one place that quotes --------------------------------------------------- */

/* `name` with backticks and escapes, 'text' with quotes and escapes. */
LX_MUST_CHECK enum lx_status lx_ch_quote_name(struct lx_buf *sql, struct lx_str name);
LX_MUST_CHECK enum lx_status lx_ch_quote_text(struct lx_buf *sql, struct lx_str text);

/* -- the row hash (recipe and vectors in docs/rowhash.md) ---------------------------------- */

#define LX_CH_HASH_NULL 0xC58AD2DA03D9A871u

/* hashes[i] = xxh3(tuple(c1, c2, …)) of row i, as ClickHouse computes it, over values in
 * ClickHouse's bytes. A column whose `ready` is set is not hashed: its rows' hashes are taken from
 * there and chained as they are.
 *
 * Beware of composed types: an array, a map or a tuple that stands in the tuple is no value of its
 * own there. ClickHouse goes on with the chain: combine(hash so far, mixed length), then with each
 * element. So xxh3(tuple(a, [b])) is not combine(xxh3(a), xxh3([b])), unless the array comes first.
 * Where such a column is to be one value, write xxh3(tuple(c)) in its place: an UInt64, whose hash,
 * lx_ch_hash_value of its 8 bytes, is `ready`.
 *
 * LX_E_BUG where a column has not `rows` rows; LX_E_MEMORY. */
struct lx_ch_hash_input {
    const struct lx_ch_type *type; /* of the value; may be NULL: only the bytes count */
    const struct lx_column *values;
    const uint64_t *ready; /* NULL, or `rows` hashes of the column's values */
};
LX_MUST_CHECK enum lx_status lx_ch_hash_rows(const struct lx_ch_hash_input *columns, size_t count,
                                             int64_t rows, uint64_t *hashes);
/* The same for some of the columns: goes on with chains that earlier columns began (`begun`). */
LX_MUST_CHECK enum lx_status lx_ch_hash_chain(const struct lx_ch_hash_input *columns, size_t count,
                                              int64_t rows, bool begun, uint64_t *hashes);
/* The hash of one value's bytes, and of two hashes in a row. */
uint64_t lx_ch_hash_value(const void *bytes, size_t size);
uint64_t lx_ch_hash_combine(uint64_t first, uint64_t second);

#endif
