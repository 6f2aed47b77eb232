/* A sorted list by insertion: cross-checks run after the walk, yet a person reads a file from its
 * top. Files keep the order in which they were first heard of. */

#include "conf/errors.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static size_t errors_place (const conf_errors_t *self, const char *file, size_t line)
{
	size_t end = self->n;
	while (end > 0 && strcmp (self->items[end - 1].file, file) != 0)
		end--;
	if (end == 0)
		return self->n;
	while (end > 0 && strcmp (self->items[end - 1].file, file) == 0 && self->items[end - 1].line > line)
		end--;
	return end;
}

void conf_errors_add (conf_errors_t *self, const char *file, size_t line, const char *format, ...)
{
	if (self->n == CONF_ERRORS_MAX) {
		self->more++;
		return;
	}
	char *text = NULL, *copy = strdup (file);
	va_list args;
	va_start (args, format);
	int size = vasprintf (&text, format, args);
	va_end (args);
	conf_error_t *items = realloc (self->items, (self->n + 1) * sizeof *items);
	if (items)
		self->items = items;
	if (!items || !copy || size < 0) {
		free (copy);
		if (size >= 0)
			free (text);
		self->more++;
		return;
	}
	size_t at = errors_place (self, file, line);
	memmove (items + at + 1, items + at, (self->n - at) * sizeof *items);
	items[at] = (conf_error_t){ copy, line, text };
	self->n++;
}

char *conf_errors_line (const conf_errors_t *self, size_t i, char *text, size_t size)
{
	const conf_error_t *item = &self->items[i];
	if (item->line)
		snprintf (text, size, "%s:%zu: %s", item->file, item->line, item->text);
	else
		snprintf (text, size, "%s: %s", item->file, item->text);
	return text;
}

void conf_errors_print (const conf_errors_t *self, FILE *out)
{
	for (size_t i = 0; i < self->n; i++) {
		const conf_error_t *item = &self->items[i];
		if (item->line)
			fprintf (out, "%s:%zu: %s\n", item->file, item->line, item->text);
		else
			fprintf (out, "%s: %s\n", item->file, item->text);
	}
	if (self->more)
		fprintf (out, "%zu more errors are not shown\n", self->more);
}

void conf_errors_clear (conf_errors_t *self)
{
	if (!self)
		return;
	for (size_t i = 0; i < self->n; i++) {
		free (self->items[i].file);
		free (self->items[i].text);
	}
	free (self->items);
	*self = (conf_errors_t){ 0 };
}
