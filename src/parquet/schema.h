/* schema.h: what schemas mean beyond their public structs.
 *
 * Private to the module. Thread-safe: nothing is kept. */
#ifndef LX_PARQUET_SCHEMA_H
#define LX_PARQUET_SCHEMA_H

#include "parquet/arena.h"
#include "parquet/parquet.h"

/* How values of a leaf compare (parquet.thrift, ColumnOrder): decides bounds. */
enum lx_pq_order {
    LX_PQ_ORDER_NONE = 0, /* no order that readers agree on: no bounds */
    LX_PQ_ORDER_BOOL,
    LX_PQ_ORDER_I32,
    LX_PQ_ORDER_U32,
    LX_PQ_ORDER_I64,
    LX_PQ_ORDER_U64,
    LX_PQ_ORDER_FLOAT,
    LX_PQ_ORDER_DOUBLE,
    LX_PQ_ORDER_BYTES,  /* unsigned, the shorter first */
    LX_PQ_ORDER_DECIMAL /* big-endian two's complement of one length */
};

/* UUIDs have none: ClickHouse up to 26.8 compares their bounds in an order of its own and skips
 * row groups that match (ClickHouse#118371), and bounds of random ids help nobody. */
enum lx_pq_order lx_pq_order_of(const struct lx_parquet_field *field);
/* Does every reader ask a Bloom filter for the bytes that we put in? DuckDB 1.5 hashes the escaped
 * form of plain bytes; floats have two zeros, and NaNs. */
bool lx_pq_bloom_fits(const struct lx_parquet_field *field);
/* Bytes of a value in a FIXED column; 0 for BYTE_ARRAY. */
uint32_t lx_pq_width_of(const struct lx_parquet_field *field);
/* a < b: negative, equal: 0. Both of the right width for their order. NaN compares as equal. */
int lx_pq_compare(enum lx_pq_order order, struct lx_str a, struct lx_str b);

/* ConvertedType of parquet.thrift, for readers before 2018; -1: none. */
int lx_pq_converted_type(const struct lx_parquet_field *field);
void lx_pq_logical_of_converted(int converted, int32_t precision, int32_t scale,
                                enum lx_parquet_physical physical,
                                struct lx_parquet_logical *logical);

/* Makes leaves of the fields, which must stay where they are; everything from the arena.
 * LX_E_FORMAT where the children do not add up; LX_E_LIMIT. */
LX_MUST_CHECK enum lx_status lx_pq_schema_leaves(struct lx_pq_arena *arena,
                                                 const struct lx_parquet_field *fields,
                                                 size_t count, struct lx_parquet_schema *schema,
                                                 struct lx_err *err);

#endif
