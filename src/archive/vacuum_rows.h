/* vacuum_rows.h: are the rows of unlisted files archived elsewhere? Private to vacuum. */
#ifndef LX_ARCHIVE_VACUUM_ROWS_H
#define LX_ARCHIVE_VACUUM_ROWS_H

#include "archive/vacuum.h"

/* Looks at every item that is a file and to be taken: LX_VACUUM_ROWS where some of its rows are in
 * no listed file of its month, LX_VACUUM_UNREAD where they cannot be read. Memory is bounded by the
 * options; the listed files of such a month are read once for each such load. */
LX_MUST_CHECK enum lx_status lx_vacuum_compare_rows(const struct lx_vacuum_options *options,
                                                    struct lx_vacuum_report *report,
                                                    struct lx_err *err);

#endif
