/* log.h - what the programs say on stderr: one line each, with a level and the component.
 *
 * On a terminal: local time, colour. Elsewhere (journald, files): "<LEVEL> component: text"
 * with an RFC 3339 time unless JOURNAL_STREAM is set. Thread-safe; a line is one write. */

#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/error.h"

typedef enum { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR } log_level_t;

/* Lines below level are not written. Default LOG_LEVEL_INFO. */
void log_set_level (log_level_t level);
/* "debug", "info", "warning", "error". 0 or -EINVAL. */
int log_level_parse (const char *text, log_level_t *ret);

void log_write (log_level_t level, const char *component, const char *format, ...) PRINTF_LIKE (3, 4);

#define log_debug(...) log_write (LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...) log_write (LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warning(...) log_write (LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_error(...) log_write (LOG_LEVEL_ERROR, __VA_ARGS__)

#endif
