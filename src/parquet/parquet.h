/* parquet.h: what the Parquet writer and reader share: types, schemas, encodings, codecs, metadata.
 *
 * Source: apache/parquet-format, README.md, parquet.thrift (2.11), LogicalTypes.md, Encodings.md,
 * Compression.md, PageIndex.md, BloomFilter.md.
 *
 * Values pass as columns (base/column.h). Physical type and shape:
 *   BOOLEAN               FIXED of 1 byte: 0 or 1
 *   INT32, FLOAT          FIXED of 4 bytes, little-endian
 *   INT64, DOUBLE         FIXED of 8 bytes, little-endian
 *   BYTE_ARRAY            BYTES
 *   FIXED_LEN_BYTE_ARRAY  FIXED of the field's length
 * or DICT over one of these. The logical type says what the bytes mean; nothing is converted:
 * a TIMESTAMP of MILLIS holds milliseconds, a DECIMAL on FIXED_LEN_BYTE_ARRAY is big-endian two's
 * complement. STRING must be UTF-8: strict readers refuse a whole file for one bad byte; the caller
 * of the writer answers for it, the reader hands on what is there.
 *
 * Threads: the structs here are plain data; many may read them while nobody changes them. */
#ifndef LX_PARQUET_PARQUET_H
#define LX_PARQUET_PARQUET_H

#include "base/column.h"
#include "base/err.h"

/* The number of each of these is the format's own. */
enum lx_parquet_physical {
    LX_PARQUET_BOOLEAN = 0,
    LX_PARQUET_INT32 = 1,
    LX_PARQUET_INT64 = 2,
    LX_PARQUET_INT96 = 3, /* old timestamps: named in metadata, neither written nor decoded */
    LX_PARQUET_FLOAT = 4,
    LX_PARQUET_DOUBLE = 5,
    LX_PARQUET_BYTE_ARRAY = 6,
    LX_PARQUET_FIXED_LEN_BYTE_ARRAY = 7
};

enum lx_parquet_repetition {
    LX_PARQUET_REQUIRED = 0,
    LX_PARQUET_OPTIONAL = 1,
    LX_PARQUET_REPEATED = 2
};

enum lx_parquet_logical_kind {
    LX_PARQUET_LOGICAL_NONE = 0,
    LX_PARQUET_LOGICAL_STRING,
    LX_PARQUET_LOGICAL_ENUM,
    LX_PARQUET_LOGICAL_JSON,
    LX_PARQUET_LOGICAL_BSON,
    LX_PARQUET_LOGICAL_UUID,      /* FIXED_LEN_BYTE_ARRAY(16), big-endian */
    LX_PARQUET_LOGICAL_DECIMAL,   /* INT32, INT64, FIXED_LEN_BYTE_ARRAY; BYTE_ARRAY: read only */
    LX_PARQUET_LOGICAL_DATE,      /* INT32: days since 1970 */
    LX_PARQUET_LOGICAL_TIME,      /* of the day: INT32 (MILLIS) or INT64 */
    LX_PARQUET_LOGICAL_TIMESTAMP, /* INT64 since 1970 */
    LX_PARQUET_LOGICAL_INTEGER,   /* INT32 up to 32 bits, INT64 */
    LX_PARQUET_LOGICAL_FLOAT16,   /* FIXED_LEN_BYTE_ARRAY(2) */
    LX_PARQUET_LOGICAL_LIST,      /* groups */
    LX_PARQUET_LOGICAL_MAP,
    LX_PARQUET_LOGICAL_NULL,  /* UNKNOWN in the format: nothing but NULLs */
    LX_PARQUET_LOGICAL_OTHER, /* in the file, unknown here: read by the physical type */
    LX_PARQUET_LOGICAL_KINDS
};

enum lx_parquet_unit { LX_PARQUET_MILLIS = 0, LX_PARQUET_MICROS, LX_PARQUET_NANOS };

struct lx_parquet_logical {
    enum lx_parquet_logical_kind kind;
    enum lx_parquet_unit unit; /* TIME, TIMESTAMP */
    bool utc;                  /* TIME, TIMESTAMP: isAdjustedToUTC */
    uint8_t bits;              /* INTEGER: 8, 16, 32, 64 */
    bool is_signed;            /* INTEGER */
    int32_t precision, scale;  /* DECIMAL */
};

#define LX_PARQUET_MAX_DEPTH 32    /* groups within groups */
#define LX_PARQUET_MAX_FIXED 4096  /* bytes of a FIXED_LEN_BYTE_ARRAY */
#define LX_PARQUET_MAX_LEAVES 4096 /* columns, each leaf of a group counted */

/* One element of a schema. A schema is an array of these in depth-first order, the root left out:
 * a group (children > 0) is followed by its children. Old converted types are derived. */
struct lx_parquet_field {
    const char *name; /* UTF-8, not empty */
    enum lx_parquet_repetition repetition;
    uint32_t children;                 /* 0: a leaf, which holds values */
    enum lx_parquet_physical physical; /* leaves */
    int32_t length;                    /* FIXED_LEN_BYTE_ARRAY: bytes */
    struct lx_parquet_logical logical;
    bool has_field_id;
    int32_t field_id;
};

/* A leaf of the schema, numbered from 0 in schema order: what the format calls a column. */
struct lx_parquet_leaf {
    const char *path; /* names joined by '.', for people */
    const struct lx_parquet_field *field;
    uint8_t max_definition; /* levels; 0: required all the way up */
    uint8_t max_repetition; /* 0: at most one value a row */
};

struct lx_parquet_schema {
    const struct lx_parquet_field *fields;
    size_t field_count;
    const struct lx_parquet_leaf *leaves;
    size_t leaf_count;
};

/* The format's number + 1, so that a zeroed option means: the writer decides. */
enum lx_parquet_encoding {
    LX_PARQUET_ENCODING_AUTO = 0,
    LX_PARQUET_PLAIN = 1,
    LX_PARQUET_PLAIN_DICTIONARY = 3, /* old name of RLE_DICTIONARY; read only */
    LX_PARQUET_RLE = 4,              /* levels; BOOLEAN */
    LX_PARQUET_BIT_PACKED = 5,       /* old levels; refused */
    LX_PARQUET_DELTA_BINARY_PACKED = 6,
    LX_PARQUET_DELTA_LENGTH_BYTE_ARRAY = 7,
    LX_PARQUET_DELTA_BYTE_ARRAY = 8,
    LX_PARQUET_RLE_DICTIONARY = 9,
    LX_PARQUET_BYTE_STREAM_SPLIT = 10
};

enum lx_parquet_codec {
    LX_PARQUET_CODEC_AUTO = 0, /* zstd */
    LX_PARQUET_UNCOMPRESSED = 1,
    LX_PARQUET_SNAPPY = 2,
    LX_PARQUET_GZIP = 3,   /* read only */
    LX_PARQUET_LZO = 4,    /* refused */
    LX_PARQUET_BROTLI = 5, /* refused */
    LX_PARQUET_LZ4 = 6,    /* the old framing; refused */
    LX_PARQUET_ZSTD = 7,
    LX_PARQUET_LZ4_RAW = 8
};

/* Lower bound and upper bound of the values, as the format's column order compares them: signed
 * numbers, unsigned bytes for texts, UUIDs and binary, signed big-endian for DECIMAL on bytes.
 * Plain little-endian value bytes for numbers. NULLs and NaNs are never bounds; where only such
 * exist there is none. A zero bound of a float stands as -0.0 below and +0.0 above. An inexact
 * bound is a cut text: still a bound, not a value of the column. */
struct lx_parquet_bounds {
    bool has_min, has_max;
    bool min_exact, max_exact;
    struct lx_str min, max;
};

struct lx_parquet_statistics {
    struct lx_parquet_bounds bounds;
    int64_t null_count;     /* -1: not told */
    int64_t distinct_count; /* -1: not told */
};

struct lx_parquet_key_value {
    struct lx_str key, value;
};

/* Rows of the row group are sorted by these columns, the first counts most. */
struct lx_parquet_sorting {
    uint32_t leaf;
    bool descending, nulls_first;
};

/* One column of one row group. Offsets are bytes from the start of the file; -1 or 0: absent. */
struct lx_parquet_chunk {
    enum lx_parquet_physical physical;
    enum lx_parquet_codec codec;
    uint32_t encodings; /* bit 1 << enum lx_parquet_encoding */
    int64_t values;     /* with NULLs; more than the rows where values repeat */
    int64_t raw_bytes;  /* of all pages with headers, before compression */
    int64_t bytes;      /* in the file */
    int64_t data_page_offset;
    int64_t dictionary_page_offset; /* -1: none */
    struct lx_parquet_statistics statistics;
    int64_t text_bytes; /* BYTE_ARRAY: plain bytes of all values; -1: not told */
    int64_t bloom_offset;
    int32_t bloom_bytes; /* -1: not told */
    int64_t column_index_offset, offset_index_offset;
    int32_t column_index_bytes, offset_index_bytes;
};

struct lx_parquet_row_group {
    int64_t first_row; /* of the file */
    int64_t rows;
    int64_t raw_bytes;
    int64_t bytes;                   /* in the file */
    struct lx_parquet_chunk *chunks; /* one a leaf */
    struct lx_parquet_sorting *sorting;
    size_t sorting_count;
};

/* Values with their levels, for columns within groups (Dremel encoding; parquet-format README,
 * "Nested Encoding"). `count` levels; `values` holds one value for each definition level that
 * equals the leaf's max_definition, and nothing for the others. A row starts where the repetition
 * level is 0. Level arrays of leaves whose maximum is 0 may be NULL. */
struct lx_parquet_levels {
    const struct lx_column *values;
    const uint8_t *definition;
    const uint8_t *repetition;
    int64_t count;
};

/* Of the bounds of a chunk's pages, in the page index. */
enum lx_parquet_order { LX_PARQUET_UNORDERED = 0, LX_PARQUET_ASCENDING, LX_PARQUET_DESCENDING };

/* Names as the format spells them, "?" for unknown numbers; static. */
const char *lx_parquet_physical_name(enum lx_parquet_physical physical);
const char *lx_parquet_encoding_name(enum lx_parquet_encoding encoding);
const char *lx_parquet_codec_name(enum lx_parquet_codec codec);
const char *lx_parquet_repetition_name(enum lx_parquet_repetition repetition);
/* "TIMESTAMP(MILLIS,UTC)", "DECIMAL(20,0)", "INT(16,signed)", "" for none; cut at `size`. */
void lx_parquet_logical_text(const struct lx_parquet_logical *logical, char *text, size_t size);

/* Is it a schema that may be written? LX_E_ARGUMENT, with the field's name, where children do not
 * add up, a logical type does not fit the physical one, or a limit is passed. */
LX_MUST_CHECK enum lx_status lx_parquet_schema_check(const struct lx_parquet_field *fields,
                                                     size_t count, struct lx_err *err);

#endif
