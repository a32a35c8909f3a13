/* log.h: one line an event, as text or JSON.
 *
 * Text: "2026-11-22 01:02:03,123 | INFO     | lynex.archiver | 📦 Found 10000 events to archive",
 * raw UTF-8, control characters made visible. JSON: {"timestamp","level","logger","message"}.
 * Whole lines by one write, so that threads and processes may share the stream. Thread-safe. */
#ifndef LX_BASE_LOG_H
#define LX_BASE_LOG_H

#include "base/clock.h"

enum lx_log_level { LX_LOG_DEBUG, LX_LOG_INFO, LX_LOG_WARNING, LX_LOG_ERROR };

struct lx_log {
    int fd;                  /* -1: nowhere */
    enum lx_log_level level; /* what is below is left out */
    bool json;
    struct lx_clock clock;
};

void lx_log_write(const struct lx_log *log, enum lx_log_level level, const char *logger,
                  const char *format, ...) LX_PRINTF(4, 5);

#endif
