/* ch_settings.h: the pinned settings (settings_pinned.def), as one list for each query. */
#ifndef LX_CLICKHOUSE_CH_SETTINGS_H
#define LX_CLICKHOUSE_CH_SETTINGS_H

#include "clickhouse/clickhouse.h"

#define LX_CH_MAX_QUERY_SETTINGS 256 /* of one query's own, with its wishes */
#define LX_CH_USUAL_WISHES 3         /* of the client: log_comment, max_threads, priority */
#define LX_CH_MAX_REFUSED 16         /* wishes that are remembered as refused */

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
    char refused[LX_CH_MAX_REFUSED][96]; /* wishes, as "name=value" */
    size_t refused_count;
};

#define LX_CH_MAX_SETTINGS (LX_CH_PIN_COUNT + LX_CH_MAX_QUERY_SETTINGS + LX_CH_USUAL_WISHES)

/* What goes with a query: the pinned settings that `dialect` knows, the query's own, which win over
 * pinned ones of the same name, then wishes that were not refused: the query's, and of the client's
 * `usual` ones (with pinned ones only) those that the query has not. `list` has room for
 * LX_CH_MAX_SETTINGS; texts are borrowed. *wishes: how many of the list, at its end, are wishes. */
size_t lx_ch_settings_merge(const struct lx_ch_dialect *dialect, const struct lx_ch_query *query,
                            const struct lx_ch_setting *usual, size_t usual_count,
                            struct lx_ch_setting *list, size_t *wishes);
/* Remembers that this wish was refused; false where there is no room to. */
bool lx_ch_settings_refuse(struct lx_ch_dialect *dialect, const struct lx_ch_setting *wish);

/* The first of the settings whose name stands as a word in the text; NULL where none does. */
const char *lx_ch_settings_named_in(const struct lx_ch_setting *list, size_t count,
                                    struct lx_str text);
/* The pinned setting of that name; LX_CH_PIN_COUNT where there is none. */
size_t lx_ch_pinned_find(const char *name);

#endif
