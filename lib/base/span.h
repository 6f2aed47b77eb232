/* span.h - a borrowed run of bytes inside somebody else's memory. Not terminated. */

#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct {
	const void *data;
	size_t size;
} span_t;

static inline span_t span_of (const void *data, size_t size)
{
	return (span_t){ data, size };
}
static inline span_t span_str (const char *text)
{
	return (span_t){ text, strlen (text) };
}
static inline bool span_equal (span_t a, span_t b)
{
	return a.size == b.size && (a.size == 0 || memcmp (a.data, b.data, a.size) == 0);
}
static inline bool span_is (span_t a, const char *text)
{
	return span_equal (a, span_str (text));
}

#endif
