/* said.h - what the tests ask of a list of errors. */

#ifndef TESTS_UNIT_CONF_SAID_H
#define TESTS_UNIT_CONF_SAID_H

#include <criterion/criterion.h>
#include <string.h>

#include "conf/errors.h"

/* Whether one error's line has all of the words; up to three, the rest NULL. */
static inline bool said (const conf_errors_t *errors, const char *a, const char *b, const char *c)
{
	char line[2048];
	for (size_t i = 0; i < errors->n; i++) {
		conf_errors_line (errors, i, line, sizeof line);
		if (strstr (line, a) && (!b || strstr (line, b)) && (!c || strstr (line, c)))
			return true;
	}
	return false;
}

static inline const char *said_text (const char *text)
{
	return text ? text : "";
}

static inline char *said_all (const conf_errors_t *errors)
{
	static char all[16384];
	size_t at = 0;
	all[0] = '\0';
	for (size_t i = 0; i < errors->n && at < sizeof all - 2048; i++) {
		conf_errors_line (errors, i, all + at, sizeof all - at);
		at += strlen (all + at);
		strcpy (all + at++, "\n");
	}
	return all;
}

#define assert_says(errors, a, b, c)                                                                \
	cr_assert (said (errors, a, b, c), "nothing says '%s' '%s' '%s' in:\n%s", a, said_text (b), \
	        said_text (c), said_all (errors))
#define assert_quiet(errors) cr_assert (!conf_errors_any (errors), "unexpected:\n%s", said_all (errors))

#endif
