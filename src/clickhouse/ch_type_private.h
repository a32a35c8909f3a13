/* ch_type_private.h: the table of type names, shared by the parser and what asks about types. */
#ifndef LX_CLICKHOUSE_CH_TYPE_PRIVATE_H
#define LX_CLICKHOUSE_CH_TYPE_PRIVATE_H

#include "clickhouse/clickhouse.h"

#define LX_CH_MAX_FIXED_STRING 0xFFFFFF /* the server's own limit */

/* What stands behind a type's name. */
enum lx_ch_type_form {
    LX_CH_FORM_PLAIN,            /* nothing */
    LX_CH_FORM_ZONE,             /* ('zone'), may be left out */
    LX_CH_FORM_TICKS,            /* (digits, 'zone') */
    LX_CH_FORM_FIXED,            /* (bytes) */
    LX_CH_FORM_DECIMAL,          /* (precision, scale), or (scale) */
    LX_CH_FORM_ENUM,             /* ('name' = value, …) */
    LX_CH_FORM_NULLABLE,         /* (type) */
    LX_CH_FORM_LOW_CARDINALITY,  /* (type) */
    LX_CH_FORM_SIMPLE_AGGREGATE, /* (function, type) */
    LX_CH_FORM_CHILDREN,         /* (type, …) */
    LX_CH_FORM_ANY,              /* (…), not looked into; may be left out */
};

struct lx_ch_type_name {
    const char *name;
    enum lx_ch_kind kind;
    enum lx_ch_type_form form;
    uint32_t width;
    uint32_t precision; /* Decimal32 and its kin: digits */
};

/* Never NULL: a name that is not known is LX_CH_OTHER of the form ANY. */
const struct lx_ch_type_name *lx_ch_type_name_find(struct lx_str name);

#endif
