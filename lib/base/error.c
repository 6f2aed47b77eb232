/* A message is built once, at the place that knows what was wrong, and prefixed on its way up by
 * whoever knows where. */

#include "base/error.h"

#include <stdio.h>
#include <string.h>

int error_set (err_t *err, int code, const char *format, ...)
{
	if (err) {
		va_list args;
		va_start (args, format);
		vsnprintf (err->text, sizeof err->text, format, args);
		va_end (args);
	}
	return code;
}

void error_prefix (err_t *err, const char *format, ...)
{
	if (!err)
		return;
	char old[ERROR_TEXT_MAX];
	memcpy (old, err->text, sizeof old);
	va_list args;
	va_start (args, format);
	int n = vsnprintf (err->text, sizeof err->text, format, args);
	va_end (args);
	size_t at = n < 0 ? 0 : (size_t) n;
	if (at < sizeof err->text - 1)
		snprintf (err->text + at, sizeof err->text - at, "%s", old);
}
