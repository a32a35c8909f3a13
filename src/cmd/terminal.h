/* terminal.h: text for people: sizes, counts, tables, colours, one line of progress. */
#ifndef LX_CMD_TERMINAL_H
#define LX_CMD_TERMINAL_H

#include "base/buf.h"

#include <stdint.h>

#define LX_SHORT_TEXT 32

/* "1,234,567" */
void lx_text_count(int64_t count, char text[LX_SHORT_TEXT]);
/* What the plural of a regular noun ends with: "" for one, "s" for all others. */
const char *lx_text_s(int64_t count);
/* "12.3 MB" (decimal, three digits) */
void lx_text_bytes(int64_t bytes, char text[LX_SHORT_TEXT]);
/* "850 ms", "12.3 s", "4 min 5 s" */
void lx_text_duration(int64_t ms, char text[LX_SHORT_TEXT]);
/* Columns that the text takes on a terminal: UTF-8, wide and combining characters counted so. */
size_t lx_text_width(struct lx_str text);

enum lx_color {
    LX_COLOR_NONE,
    LX_COLOR_BOLD,
    LX_COLOR_DIM,
    LX_COLOR_RED,
    LX_COLOR_GREEN,
    LX_COLOR_YELLOW,
    LX_COLOR_CYAN
};
/* The escape sequence, or "" where there are no colours. */
const char *lx_color(bool on, enum lx_color color);

/* Columns of the terminal that stdout is; 0: it is none, or does not say. */
size_t lx_terminal_width(void);

/* A table: cells are added row by row, the first row is the head; printed with aligned columns.
 * Columns whose head starts with '>' are right-aligned (the '>' is not printed). Where a table is
 * wider than `width`, its rows take several lines: the columns that do not fit stand below,
 * indented, aligned in all rows. */
struct lx_table {
    size_t columns;
    size_t width; /* of the terminal; 0: any */
    char **cells;
    size_t count, cap;
    bool failed; /* out of memory: prints nothing wrong, but less */
};
void lx_table_init(struct lx_table *table, size_t columns);
void lx_table_add(struct lx_table *table, const char *format, ...) LX_PRINTF(2, 3);
/* `indent` blanks in front of each line; `color`: head in bold. */
LX_MUST_CHECK enum lx_status lx_table_print(const struct lx_table *table, size_t indent, bool color,
                                            struct lx_buf *text);
void lx_table_free(struct lx_table *table);

/* Writes all to stdout. */
void lx_print(const struct lx_buf *text);

#endif
