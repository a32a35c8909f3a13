/* rebuild_log.h: what proven files make true, as version 0 of a log. Private to rebuild. */
#ifndef LX_ARCHIVE_REBUILD_LOG_H
#define LX_ARCHIVE_REBUILD_LOG_H

#include "archive/rebuild.h"

/* Is the file listed? */
static inline bool lx_rebuild_lists(const struct lx_rebuild_file *file)
{
    return file->verdict == LX_REBUILD_PROVEN || file->verdict == LX_REBUILD_SHARED;
}

LX_MUST_CHECK enum lx_status lx_rebuild_write(const struct lx_rebuild_options *options,
                                              const struct lx_rebuild_report *report,
                                              struct lx_err *err);

#endif
