/* error.h - the error doctrine's helpers, and messages that a person can act on.
 *
 * 0 is success; a negative errno is fatal and forwarded unchanged; a positive outcome is
 * documented where it is returned and handled by the direct caller. */

#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdarg.h>
#include <stddef.h>

/* Outcome of a call whose result must not be ignored. */
#define MUST_CHECK __attribute__ ((warn_unused_result))
#define PRINTF_LIKE(fmt, first) __attribute__ ((format (printf, fmt, first)))

/* A bounded sentence saying what was wrong, where, and what would be right. Owned by the
 * caller, usually on the stack; always terminated; truncated at its end rather than grown. */
enum { ERROR_TEXT_MAX = 512 };
typedef struct {
	char text[ERROR_TEXT_MAX];
} err_t;

/* Writes the sentence; returns code, so that failing reads `return error_set (err, -EINVAL, ...)`.
 * err may be NULL. */
int error_set (err_t *err, int code, const char *format, ...) PRINTF_LIKE (3, 4);

/* Puts a prefix ("FILE:LINE: ") before what the sentence says already. NULL-safe. */
void error_prefix (err_t *err, const char *format, ...) PRINTF_LIKE (2, 3);

#endif
