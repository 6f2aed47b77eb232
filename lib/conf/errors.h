/* errors.h - everything that is wrong with a configuration, gathered and said at once.
 *
 * One line each: FILE:LINE: key 'x': what was wrong, and what would be right. Lines of one file
 * stand in the file's order. At most CONF_ERRORS_MAX are kept, the rest is counted. */

#ifndef CONF_ERRORS_H
#define CONF_ERRORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/error.h"

enum { CONF_ERRORS_MAX = 100 };

typedef struct {
	char *file;  /* as the user named it; "BELFRY_STREAM" or "--stream" where it is no file */
	size_t line; /* from 1; 0 where there is none */
	char *text;
} conf_error_t;

/* Starts as { 0 }; conf_errors_clear gives back what it holds. */
typedef struct {
	conf_error_t *items;
	size_t n;
	size_t more; /* errors past CONF_ERRORS_MAX, or that memory had no room for */
} conf_errors_t;

/* Copies the error to its place. Never fails: without memory it is counted in more. */
void conf_errors_add (conf_errors_t *self, const char *file, size_t line, const char *format, ...)
        PRINTF_LIKE (4, 5);

/* Whether anything was said or counted. */
static inline bool conf_errors_any (const conf_errors_t *self)
{
	return self->n > 0 || self->more > 0;
}

/* All of them, one a line, then how many more there are. */
void conf_errors_print (const conf_errors_t *self, FILE *out);

/* Error i as one line without a newline, for a log. Returns text. */
char *conf_errors_line (const conf_errors_t *self, size_t i, char *text, size_t size);

/* Frees what it holds; it is empty again. NULL-safe. */
void conf_errors_clear (conf_errors_t *self);

#endif
