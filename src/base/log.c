#include "base/log.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/civil.h"
#include "base/limits.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static const char *const level_names[] = {"DEBUG", "INFO", "WARNING", "ERROR"};

static enum lx_status add_visible(struct lx_buf *line, struct lx_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        LX_TRY(lx_buf_byte(line, c < 0x20 || c == 0x7f ? ' ' : c));
    }
    return LX_OK;
}

static enum lx_status add_json_text(struct lx_buf *line, struct lx_str text)
{
    LX_TRY(lx_buf_byte(line, '"'));
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '"' || c == '\\')
            LX_TRY(lx_buf_byte(line, '\\'));
        if (c < 0x20 || c == 0x7f)
            LX_TRY(lx_buf_printf(line, "\\u%04x", c));
        else
            LX_TRY(lx_buf_byte(line, c));
    }
    return lx_buf_byte(line, '"');
}

static enum lx_status build(const struct lx_log *log, enum lx_log_level level, const char *logger,
                            struct lx_str message, struct lx_buf *line)
{
    char time[LX_TIME_TEXT];
    int64_t now = lx_clock_now(&log->clock);
    struct lx_buf clean = LX_BUF(LX_LOG_MAX_LINE * 4);
    enum lx_status status = lx_utf8_repair(&clean, message.ptr, message.len);
    if (status == LX_OK && log->json) {
        lx_time_iso(now, time);
        status = lx_buf_printf(
            line, "{\"timestamp\":\"%s\",\"level\":\"%s\",\"logger\":\"%s\",\"message\":", time,
            level_names[level], logger);
        if (status == LX_OK)
            status = add_json_text(line, lx_buf_view(&clean));
        if (status == LX_OK)
            status = lx_buf_text(line, "}\n");
    } else if (status == LX_OK) {
        lx_time_plain(now, time);
        status =
            lx_buf_printf(line, "%s,%03d | %-8s | %s | ", time,
                          (int)(now - lx_floor_div(now, 1000) * 1000), level_names[level], logger);
        if (status == LX_OK)
            status = add_visible(line, lx_buf_view(&clean));
        if (status == LX_OK)
            status = lx_buf_byte(line, '\n');
    }
    lx_buf_free(&clean);
    return status;
}

static void write_all(int fd, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t done = write(fd, bytes, size);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return; /* a log that cannot be written must not end the work it tells of */
        bytes += done;
        size -= (size_t)done;
    }
}

void lx_log_write(const struct lx_log *log, enum lx_log_level level, const char *logger,
                  const char *format, ...)
{
    if (log == NULL || log->fd < 0 || level < log->level)
        return;
    int error = errno;
    char message[LX_LOG_MAX_LINE];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (size < 0)
        size = 0;
    if ((size_t)size >= sizeof message)
        size = (int)sizeof message - 1;
    struct lx_buf line = LX_BUF(LX_LOG_MAX_LINE * 12);
    if (build(log, level, logger, (struct lx_str){message, (size_t)size}, &line) == LX_OK)
        write_all(log->fd, line.data, line.len);
    lx_buf_free(&line);
    errno = error;
}
