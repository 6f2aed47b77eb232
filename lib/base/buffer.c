#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY_MIN = 256 };

/* Room for size bytes more and the terminator. */
static bool reserve (buffer_t *self, size_t size)
{
	if (size < self->capacity - self->size)
		return true;
	if (size >= BUFFER_SIZE_MAX - self->size) {
		self->failed = true;
		return false;
	}
	size_t capacity = self->capacity ? self->capacity : CAPACITY_MIN;
	while (capacity <= self->size + size)
		capacity *= 2;
	char *data = realloc (self->data, capacity);
	if (!data) {
		self->failed = true;
		return false;
	}
	self->data = data;
	self->capacity = capacity;
	return true;
}

void buffer_free (buffer_t *self)
{
	if (!self)
		return;
	free (self->data);
	*self = BUFFER_INIT;
}

void buffer_reset (buffer_t *self)
{
	buffer_cut (self, 0);
	self->failed = false;
}

void buffer_append (buffer_t *self, const void *data, size_t size)
{
	if (size == 0 || !reserve (self, size))
		return;
	memcpy (self->data + self->size, data, size);
	self->size += size;
	self->data[self->size] = '\0';
}

void buffer_text (buffer_t *self, const char *text)
{
	buffer_append (self, text, strlen (text));
}

void buffer_char (buffer_t *self, char c)
{
	buffer_append (self, &c, 1);
}

void buffer_printf (buffer_t *self, const char *format, ...)
{
	va_list args;
	va_start (args, format);
	int n = vsnprintf (NULL, 0, format, args);
	va_end (args);
	if (n < 0) {
		self->failed = true;
		return;
	}
	if (n == 0 || !reserve (self, (size_t) n))
		return;
	va_start (args, format);
	vsnprintf (self->data + self->size, (size_t) n + 1, format, args);
	va_end (args);
	self->size += (size_t) n;
}

void buffer_cut (buffer_t *self, size_t size)
{
	if (size >= self->size)
		return;
	self->size = size;
	self->data[size] = '\0';
}
