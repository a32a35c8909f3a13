/* ch_settings.h: the pinned settings (settings_pinned.def), as one list for each query. */
#ifndef LX_CLICKHOUSE_CH_SETTINGS_H
#define LX_CLICKHOUSE_CH_SETTINGS_H

#include "clickhouse/clickhouse.h"

#define LX_CH_MAX_QUERY_SETTINGS 256 /* of one query's own */

enum {
#define LX_CH_PIN(name, value, major, minor, why) LX_CH_PIN_##name,
#include "clickhouse/settings_pinned.def"
#undef LX_CH_PIN
    LX_CH_PIN_COUNT
};

struct lx_ch_pinned {
    const char *name, *value;
    unsigned major, minor;
};
extern const struct lx_ch_pinned lx_ch_pinned[LX_CH_PIN_COUNT];

/* "24.8.4.13-lts" as 2408; 0 where it is no version. */
unsigned lx_ch_version_number(struct lx_str text);

/* What a server takes: its version (0: not known, everything is tried), and what it has refused. */
struct lx_ch_dialect {
    unsigned version;
    bool unknown[LX_CH_PIN_COUNT];
};

/* The pinned settings that `dialect` knows, then the query's own, which win over pinned ones of the
 * same name. `list` has room for LX_CH_PIN_COUNT + query->setting_count; texts are borrowed. */
size_t lx_ch_settings_merge(const struct lx_ch_dialect *dialect, const struct lx_ch_query *query,
                            struct lx_ch_setting *list);

/* The first of the settings whose name stands as a word in the text; NULL where none does. */
const char *lx_ch_settings_named_in(const struct lx_ch_setting *list, size_t count,
                                    struct lx_str text);
/* The pinned setting of that name; LX_CH_PIN_COUNT where there is none. */
size_t lx_ch_pinned_find(const char *name);

#endif
