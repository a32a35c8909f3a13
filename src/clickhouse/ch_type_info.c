/* ch_type_info.c: which types there are, and what may be done with each. */
#include "clickhouse/ch_type_private.h"

static const struct lx_ch_type_name names[] = {
    {"Int8", LX_CH_INT8, LX_CH_FORM_PLAIN, 1, 0},
    {"Int16", LX_CH_INT16, LX_CH_FORM_PLAIN, 2, 0},
    {"Int32", LX_CH_INT32, LX_CH_FORM_PLAIN, 4, 0},
    {"Int64", LX_CH_INT64, LX_CH_FORM_PLAIN, 8, 0},
    {"Int128", LX_CH_INT128, LX_CH_FORM_PLAIN, 16, 0},
    {"Int256", LX_CH_INT256, LX_CH_FORM_PLAIN, 32, 0},
    {"UInt8", LX_CH_UINT8, LX_CH_FORM_PLAIN, 1, 0},
    {"UInt16", LX_CH_UINT16, LX_CH_FORM_PLAIN, 2, 0},
    {"UInt32", LX_CH_UINT32, LX_CH_FORM_PLAIN, 4, 0},
    {"UInt64", LX_CH_UINT64, LX_CH_FORM_PLAIN, 8, 0},
    {"UInt128", LX_CH_UINT128, LX_CH_FORM_PLAIN, 16, 0},
    {"UInt256", LX_CH_UINT256, LX_CH_FORM_PLAIN, 32, 0},
    {"Float32", LX_CH_FLOAT32, LX_CH_FORM_PLAIN, 4, 0},
    {"Float64", LX_CH_FLOAT64, LX_CH_FORM_PLAIN, 8, 0},
    {"Bool", LX_CH_BOOL, LX_CH_FORM_PLAIN, 1, 0},
    {"String", LX_CH_STRING, LX_CH_FORM_PLAIN, 0, 0},
    {"FixedString", LX_CH_FIXED_STRING, LX_CH_FORM_FIXED, 0, 0},
    {"UUID", LX_CH_UUID, LX_CH_FORM_PLAIN, 16, 0},
    {"IPv4", LX_CH_IPV4, LX_CH_FORM_PLAIN, 4, 0},
    {"IPv6", LX_CH_IPV6, LX_CH_FORM_PLAIN, 16, 0},
    {"Date", LX_CH_DATE, LX_CH_FORM_PLAIN, 2, 0},
    {"Date32", LX_CH_DATE32, LX_CH_FORM_PLAIN, 4, 0},
    {"DateTime", LX_CH_DATETIME, LX_CH_FORM_ZONE, 4, 0},
    {"DateTime32", LX_CH_DATETIME, LX_CH_FORM_ZONE, 4, 0},
    {"DateTime64", LX_CH_DATETIME64, LX_CH_FORM_TICKS, 8, 0},
    {"Enum8", LX_CH_ENUM8, LX_CH_FORM_ENUM, 1, 0},
    {"Enum16", LX_CH_ENUM16, LX_CH_FORM_ENUM, 2, 0},
    {"Decimal", LX_CH_DECIMAL, LX_CH_FORM_DECIMAL, 0, 0},
    {"Decimal32", LX_CH_DECIMAL, LX_CH_FORM_DECIMAL, 0, 9},
    {"Decimal64", LX_CH_DECIMAL, LX_CH_FORM_DECIMAL, 0, 18},
    {"Decimal128", LX_CH_DECIMAL, LX_CH_FORM_DECIMAL, 0, 38},
    {"Decimal256", LX_CH_DECIMAL, LX_CH_FORM_DECIMAL, 0, 76},
    {"Nothing", LX_CH_NOTHING, LX_CH_FORM_PLAIN, 1, 0},
    /* The kind of these is that of the type within. */
    {"Nullable", LX_CH_OTHER, LX_CH_FORM_NULLABLE, 0, 0},
    {"LowCardinality", LX_CH_OTHER, LX_CH_FORM_LOW_CARDINALITY, 0, 0},
    {"SimpleAggregateFunction", LX_CH_OTHER, LX_CH_FORM_SIMPLE_AGGREGATE, 0, 0},
    {"Array", LX_CH_ARRAY, LX_CH_FORM_CHILDREN, 0, 0},
    {"Map", LX_CH_MAP, LX_CH_FORM_CHILDREN, 0, 0},
    {"Tuple", LX_CH_TUPLE, LX_CH_FORM_CHILDREN, 0, 0},
    {"Nested", LX_CH_NESTED, LX_CH_FORM_CHILDREN, 0, 0},
    {"JSON", LX_CH_JSON, LX_CH_FORM_ANY, 0, 0},
    {"Object", LX_CH_OBJECT, LX_CH_FORM_ANY, 0, 0},
    {"Variant", LX_CH_VARIANT, LX_CH_FORM_CHILDREN, 0, 0},
    {"Dynamic", LX_CH_DYNAMIC, LX_CH_FORM_ANY, 0, 0},
    {"AggregateFunction", LX_CH_AGGREGATE, LX_CH_FORM_ANY, 0, 0},
    {"Point", LX_CH_GEO, LX_CH_FORM_PLAIN, 0, 0},
    {"Ring", LX_CH_GEO, LX_CH_FORM_PLAIN, 0, 0},
    {"LineString", LX_CH_GEO, LX_CH_FORM_PLAIN, 0, 0},
    {"MultiLineString", LX_CH_GEO, LX_CH_FORM_PLAIN, 0, 0},
    {"Polygon", LX_CH_GEO, LX_CH_FORM_PLAIN, 0, 0},
    {"MultiPolygon", LX_CH_GEO, LX_CH_FORM_PLAIN, 0, 0},
    {"Geometry", LX_CH_GEO, LX_CH_FORM_PLAIN, 0, 0},
    {"IntervalNanosecond", LX_CH_INTERVAL, LX_CH_FORM_PLAIN, 8, 0},
    {"IntervalMicrosecond", LX_CH_INTERVAL, LX_CH_FORM_PLAIN, 8, 0},
    {"IntervalMillisecond", LX_CH_INTERVAL, LX_CH_FORM_PLAIN, 8, 0},
    {"IntervalSecond", LX_CH_INTERVAL, LX_CH_FORM_PLAIN, 8, 0},
    {"IntervalMinute", LX_CH_INTERVAL, LX_CH_FORM_PLAIN, 8, 0},
    {"IntervalHour", LX_CH_INTERVAL, LX_CH_FORM_PLAIN, 8, 0},
    {"IntervalDay", LX_CH_INTERVAL, LX_CH_FORM_PLAIN, 8, 0},
    {"IntervalWeek", LX_CH_INTERVAL, LX_CH_FORM_PLAIN, 8, 0},
    {"IntervalMonth", LX_CH_INTERVAL, LX_CH_FORM_PLAIN, 8, 0},
    {"IntervalQuarter", LX_CH_INTERVAL, LX_CH_FORM_PLAIN, 8, 0},
    {"IntervalYear", LX_CH_INTERVAL, LX_CH_FORM_PLAIN, 8, 0},
    /* Their values are plain numbers in the stream; the archive holds their text. */
    {"Time", LX_CH_OTHER, LX_CH_FORM_PLAIN, 4, 0},
    {"Time64", LX_CH_OTHER, LX_CH_FORM_ANY, 8, 0},
    {"BFloat16", LX_CH_OTHER, LX_CH_FORM_PLAIN, 2, 0},
};

const struct lx_ch_type_name *lx_ch_type_name_find(struct lx_str name)
{
    static const struct lx_ch_type_name unknown = {"", LX_CH_OTHER, LX_CH_FORM_ANY, 0, 0};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (lx_str_is(name, names[i].name))
            return &names[i];
    return &unknown;
}

/* An aggregate's state is bytes that only its own version of ClickHouse understands. */
static bool holds_state(const struct lx_ch_type *type)
{
    if (type->kind == LX_CH_AGGREGATE || type->kind == LX_CH_NOTHING)
        return true;
    for (size_t i = 0; i < type->child_count; i++)
        if (holds_state(&type->children[i]))
            return true;
    return false;
}

enum lx_ch_carry lx_ch_type_carry(const struct lx_ch_type *type)
{
    if (holds_state(type))
        return LX_CH_CARRY_NOT;
    return lx_ch_type_hashable(type) ? LX_CH_CARRY_VALUE : LX_CH_CARRY_JSON;
}

bool lx_ch_type_hashable(const struct lx_ch_type *type)
{
    return type->kind <= LX_CH_DECIMAL;
}

const struct lx_ch_enum *lx_ch_enum_name(const struct lx_ch_type *type, int32_t value)
{
    size_t low = 0, high = type->enum_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (type->enums[middle].value < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low < type->enum_count && type->enums[low].value == value ? &type->enums[low] : NULL;
}
