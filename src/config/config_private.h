/* config_private.h: what the files of the module share. */
#ifndef LX_CONFIG_CONFIG_PRIVATE_H
#define LX_CONFIG_CONFIG_PRIVATE_H

#include "config/config.h"

/* Texts that live as long as the configuration; erased when it goes, since some are secrets. */
struct lx_config_texts {
    char **list;
    size_t count, cap;
};

/* A copy that the configuration owns; NULL: no memory. */
char *lx_config_keep(struct lx_config *config, const char *text, size_t size);
char *lx_config_keep_buf(struct lx_config *config, const struct lx_buf *text);
LX_MUST_CHECK enum lx_status lx_config_note(struct lx_config *config, struct lx_err *err,
                                            const char *format, ...) LX_PRINTF(3, 4);

/* Reads a value's text into the field of the setting. err: what is wrong, without where. */
LX_MUST_CHECK enum lx_status lx_config_read_value(struct lx_config *config, enum lx_setting setting,
                                                  const char *text, struct lx_err *err);

/* A name that looks like one of ours and is none: then *nearest is the one that was meant, or NULL
 * where only the prefix is ours. False: leave it alone. `listed`: LYNEX_IGNORE. */
bool lx_config_lookalike(struct lx_str name, const char *listed, const char **nearest);
/* Edit distance, transpositions counted once; more than `most` is most + 1. */
unsigned lx_config_distance(struct lx_str a, struct lx_str b, unsigned most);

/* target and servers, out of the fields. */
LX_MUST_CHECK enum lx_status lx_config_resolve(struct lx_config *config, struct lx_err *err);

#endif
