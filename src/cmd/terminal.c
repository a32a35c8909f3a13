#include "cmd/terminal.h"

#include "base/alloc.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FOLD_INDENT 4

void lx_text_count(int64_t count, char text[LX_SHORT_TEXT])
{
    char digits[24];
    uint64_t magnitude = count < 0 ? 0 - (uint64_t)count : (uint64_t)count;
    int size = snprintf(digits, sizeof digits, "%llu", (unsigned long long)magnitude);
    char *to = text;
    if (count < 0)
        *to++ = '-';
    for (int i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = 0;
}

const char *lx_text_s(int64_t count)
{
    return count == 1 ? "" : "s";
}

void lx_text_bytes(int64_t bytes, char text[LX_SHORT_TEXT])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double value = (double)bytes;
    size_t unit = 0;
    while ((value >= 999.5 || value <= -999.5) && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1000;
        unit++;
    }
    int digits = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    snprintf(text, LX_SHORT_TEXT, "%.*f %s", digits, value, units[unit]);
}

void lx_text_duration(int64_t ms, char text[LX_SHORT_TEXT])
{
    if (ms < 1000)
        snprintf(text, LX_SHORT_TEXT, "%lld ms", (long long)ms);
    else if (ms < 60000)
        snprintf(text, LX_SHORT_TEXT, "%.1f s", (double)ms / 1000);
    else if (ms < 3600000)
        snprintf(text, LX_SHORT_TEXT, "%lld min %lld s", (long long)(ms / 60000),
                 (long long)(ms / 1000 % 60));
    else
        snprintf(text, LX_SHORT_TEXT, "%lld h %lld min", (long long)(ms / 3600000),
                 (long long)(ms / 60000 % 60));
}

/* Wide: CJK, Hangul, full-width forms, most pictographs. None: combining marks, selectors. */
static size_t width_of(uint32_t c)
{
    if (c == 0xfe0f || c == 0x200d || (c >= 0x300 && c <= 0x36f) || (c >= 0x20d0 && c <= 0x20ff))
        return 0;
    if ((c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) ||
        (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) ||
        (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
        (c >= 0x1f300 && c <= 0x1faff) || (c >= 0x20000 && c <= 0x3fffd) || c == 0x2705 ||
        c == 0x274c)
        return 2;
    return 1;
}

size_t lx_text_width(struct lx_str text)
{
    size_t width = 0;
    for (size_t i = 0; i < text.len;) {
        unsigned char b = (unsigned char)text.ptr[i];
        size_t size = b < 0x80 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
        uint32_t c = size == 1 ? b : b & (0xffu >> (size + 1));
        for (size_t k = 1; k < size && i + k < text.len; k++)
            c = c << 6 | ((unsigned char)text.ptr[i + k] & 0x3f);
        if (c == 0x1b) { /* a colour: up to its 'm' */
            while (i < text.len && text.ptr[i] != 'm')
                i++;
            i++;
            continue;
        }
        width += width_of(c);
        i += size;
    }
    return width;
}

const char *lx_color(bool on, enum lx_color color)
{
    static const char *const sequences[] = {"\x1b[0m",  "\x1b[1m",  "\x1b[2m", "\x1b[31m",
                                            "\x1b[32m", "\x1b[33m", "\x1b[36m"};
    return on ? sequences[color] : "";
}

size_t lx_terminal_width(void)
{
    struct winsize size;
    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

void lx_table_init(struct lx_table *table, size_t columns)
{
    *table = (struct lx_table){.columns = columns};
}

void lx_table_add(struct lx_table *table, const char *format, ...)
{
    char cell[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(cell, sizeof cell, format, args);
    va_end(args);
    if (table->count == table->cap) {
        size_t cap = table->cap != 0 ? table->cap * 2 : 64;
        char **grown = lx_realloc(table->cells, cap * sizeof *grown);
        if (grown == NULL) {
            table->failed = true;
            return;
        }
        table->cells = grown;
        table->cap = cap;
    }
    /* What comes from outside must not act on the terminal. */
    struct lx_buf clean = LX_BUF(sizeof cell * 3);
    if (lx_utf8_repair(&clean, cell, strlen(cell)) != LX_OK || lx_buf_byte(&clean, 0) != LX_OK) {
        table->failed = true;
        lx_buf_free(&clean);
        return;
    }
    for (uint8_t *c = clean.data; *c != 0; c++)
        if (*c < 0x20 || *c == 0x7f)
            *c = ' ';
    table->cells[table->count++] = (char *)lx_buf_take(&clean, NULL);
}

static enum lx_status print_cell(const char *cell, size_t width, bool right, bool last,
                                 struct lx_buf *text)
{
    size_t used = lx_text_width(lx_str_of(cell));
    size_t pad = used < width ? width - used : 0;
    for (size_t i = 0; right && i < pad; i++)
        LX_TRY(lx_buf_byte(text, ' '));
    LX_TRY(lx_buf_text(text, cell));
    for (size_t i = 0; !right && !last && i < pad; i++)
        LX_TRY(lx_buf_byte(text, ' '));
    return last ? LX_OK : lx_buf_text(text, "  ");
}

/* How wide each column is, and on which line of a row it stands. */
struct layout {
    size_t *widths, *lines;
};

static void lay_out(const struct lx_table *table, size_t indent, struct layout *layout)
{
    size_t rows = table->count / table->columns, line = 0, at = indent;
    for (size_t i = 0; i < rows * table->columns; i++) {
        const char *cell = table->cells[i];
        size_t width = lx_text_width(lx_str_of(cell)) - (i < table->columns && cell[0] == '>');
        if (width > layout->widths[i % table->columns])
            layout->widths[i % table->columns] = width;
    }
    for (size_t c = 0; c < table->columns; c++) {
        bool first = c == 0 || layout->lines[c - 1] != line;
        size_t need = layout->widths[c] + (first ? 0 : 2);
        if (table->width > 0 && !first && at + need > table->width) {
            line++;
            at = indent + FOLD_INDENT;
            need = layout->widths[c];
        }
        layout->lines[c] = line;
        at += need;
    }
}

static enum lx_status put_blanks(struct lx_buf *text, size_t count)
{
    for (size_t i = 0; i < count; i++)
        LX_TRY(lx_buf_byte(text, ' '));
    return LX_OK;
}

static enum lx_status print_row(const struct lx_table *table, size_t row, size_t indent,
                                const struct layout *layout, struct lx_buf *text)
{
    LX_TRY(put_blanks(text, indent));
    for (size_t c = 0; c < table->columns; c++) {
        bool right = table->cells[c][0] == '>';
        bool last = c + 1 == table->columns || layout->lines[c + 1] != layout->lines[c];
        const char *cell = table->cells[row * table->columns + c];
        if (c > 0 && layout->lines[c] != layout->lines[c - 1]) {
            LX_TRY(lx_buf_byte(text, '\n'));
            LX_TRY(put_blanks(text, indent + FOLD_INDENT));
        }
        LX_TRY(print_cell(cell + (row == 0 && right), layout->widths[c], right, last, text));
    }
    return LX_OK;
}

enum lx_status lx_table_print(const struct lx_table *table, size_t indent, bool color,
                              struct lx_buf *text)
{
    size_t rows = table->count / table->columns;
    struct layout layout = {.widths = lx_calloc(table->columns, sizeof *layout.widths),
                            .lines = lx_calloc(table->columns, sizeof *layout.lines)};
    enum lx_status status = layout.widths != NULL && layout.lines != NULL ? LX_OK : LX_E_MEMORY;
    if (status == LX_OK)
        lay_out(table, indent, &layout);
    for (size_t row = 0; status == LX_OK && row < rows; row++) {
        if (row == 0)
            status = lx_buf_text(text, lx_color(color, LX_COLOR_BOLD));
        if (status == LX_OK)
            status = print_row(table, row, indent, &layout, text);
        if (status == LX_OK && row == 0)
            status = lx_buf_text(text, lx_color(color, LX_COLOR_NONE));
        if (status == LX_OK)
            status = lx_buf_byte(text, '\n');
    }
    lx_free(layout.widths);
    lx_free(layout.lines);
    return status;
}

void lx_table_free(struct lx_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        lx_free(table->cells[i]);
    lx_free(table->cells);
    *table = (struct lx_table){.columns = table->columns};
}

void lx_print(const struct lx_buf *text)
{
    if (text->len != 0)
        fwrite(text->data, 1, text->len, stdout);
    fflush(stdout);
}
