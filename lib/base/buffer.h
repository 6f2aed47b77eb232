/* buffer.h - bytes that grow at their end. One owner, not thread-safe.
 *
 * Without memory an append is left out whole and remembered: write everything, then ask
 * buffer_failed once. Above BUFFER_SIZE_MAX is "without memory" too. */

#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/span.h"

#define BUFFER_SIZE_MAX ((size_t) 1 << 30)

typedef struct {
	char *data; /* terminated once something was appended; NULL before */
	size_t size;
	size_t capacity;
	bool failed;
} buffer_t;

#define BUFFER_INIT ((buffer_t){ 0 })

/* Frees the bytes; the buffer is as BUFFER_INIT then. NULL-safe. */
void buffer_free (buffer_t *self);
/* Forgets the bytes and the failure, keeps the memory. */
void buffer_reset (buffer_t *self);

void buffer_append (buffer_t *self, const void *data, size_t size);
void buffer_text (buffer_t *self, const char *text);
void buffer_char (buffer_t *self, char c);
void buffer_printf (buffer_t *self, const char *format, ...) PRINTF_LIKE (2, 3);

/* Cuts back to size bytes, at most what is there. */
void buffer_cut (buffer_t *self, size_t size);

/* Whether something was left out since the last reset. */
static inline bool buffer_failed (const buffer_t *self)
{
	return self->failed;
}
/* The bytes so far, borrowed until the next append; never NULL, terminated. */
static inline const char *buffer_string (const buffer_t *self)
{
	return self->data ? self->data : "";
}
static inline span_t buffer_span (const buffer_t *self)
{
	return span_of (buffer_string (self), self->size);
}

#endif
