/* limits.h: every limit that has a name, in one place. Reaching one is a status, never a crash. */
#ifndef LX_BASE_LIMITS_H
#define LX_BASE_LIMITS_H

#define LX_KIB ((size_t)1024)
#define LX_MIB ((size_t)1024 * 1024)
#define LX_GIB ((size_t)1024 * 1024 * 1024)

/* columns */
#define LX_MAX_COLUMNS 4096             /* of one table */
#define LX_MAX_COLUMN_HEAP (2 * LX_GIB) /* text bytes of one column of one batch */
#define LX_MAX_NAME 1024                /* of a column, table, object key */

/* logging */
#define LX_LOG_MAX_LINE 4096 /* of a message; longer ones are cut */

#endif
