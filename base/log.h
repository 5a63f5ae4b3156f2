/* The log for people: one line an event, an event word, then key=value. Leaves the durable log to wal/. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stddef.h>

#include "base/check.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* Process-wide, set before threads start; later calls of log_set_level are safe at any time. Lines go to stderr unless
 * log_open_file succeeded; log_open_file returns -1 with errno set. Reopening the same path (after rotation) is allowed. */
void log_set_level(enum log_level level);
int log_open_file(const char *path) MUST_USE;

/* One line: time, level, event, then the formatted key=value text. Never pass a secret. Values that came from a peer go
 * through log_quote. Thread-safe; a line longer than 2 KiB is cut. */
void log_write(enum log_level level, const char *event, const char *fmt, ...) PRINTF_LIKE(3, 4);

#define log_debug(event, ...) log_write(LOG_LEVEL_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...) log_write(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_warn(event, ...) log_write(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define log_error(event, ...) log_write(LOG_LEVEL_ERROR, event, __VA_ARGS__)

/* A peer's text made harmless: quotes, control bytes and non-ASCII escaped as \xNN, cut to fit. Returns `out`. */
const char *log_quote(char *out, size_t out_size, const void *text, size_t len);

#endif
