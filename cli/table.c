#include "cli/table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GAP = 2 };

typedef struct {
	buffer_t text;
	style_t style;
} cell_t;

struct table {
	const table_column_t *columns;
	size_t n_columns, n_cells, room;
	cell_t *cells;
	bool no_memory;
};

int table_new (const table_column_t *columns, size_t n, table_t **ret)
{
	if (n == 0 || n > TABLE_COLUMNS_MAX)
		return -EINVAL;
	table_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	self->columns = columns;
	self->n_columns = n;
	*ret = self;
	return 0;
}

void table_destroy (table_t **self_p)
{
	table_t *self = *self_p;
	if (!self)
		return;
	for (size_t i = 0; i < self->n_cells; i++)
		buffer_free (&self->cells[i].text);
	free (self->cells);
	free (self);
	*self_p = NULL;
}

static bool room_make (table_t *self)
{
	if (self->n_cells < self->room)
		return true;
	size_t room = self->room ? self->room * 2 : 64;
	cell_t *grown = realloc (self->cells, room * sizeof *grown);
	if (!grown)
		return false;
	self->cells = grown;
	self->room = room;
	return true;
}

void table_put (table_t *self, style_t style, const char *format, ...)
{
	char *text = NULL;
	buffer_t clean = BUFFER_INIT;
	va_list args;
	va_start (args, format);
	int n = vasprintf (&text, format, args);
	va_end (args);
	if (n >= 0)
		text_clean (&clean, text);
	if (n >= 0 && !buffer_failed (&clean) && room_make (self)) {
		self->cells[self->n_cells++] = (cell_t){ clean, style };
	} else {
		self->no_memory = true;
		buffer_free (&clean);
	}
	if (n >= 0)
		free (text);
}

typedef struct {
	size_t width[TABLE_COLUMNS_MAX];
	bool shown[TABLE_COLUMNS_MAX];
	size_t last; /* the last column shown */
} layout_t;

static size_t layout_total (const table_t *self, const layout_t *layout)
{
	size_t total = 0;
	for (size_t c = 0; c < self->n_columns; c++)
		total += layout->shown[c] ? layout->width[c] + GAP : 0;
	return total > GAP ? total - GAP : 0;
}

static void layout_make (const table_t *self, size_t columns, layout_t *ret)
{
	for (size_t c = 0; c < self->n_columns; c++) {
		ret->width[c] = text_width (self->columns[c].title);
		ret->shown[c] = false;
	}
	/* A column in which nobody said anything says nothing. */
	for (size_t i = 0; i < self->n_cells; i++) {
		size_t c = i % self->n_columns, width = text_width (buffer_string (&self->cells[i].text));
		ret->width[c] = width > ret->width[c] ? width : ret->width[c];
		ret->shown[c] |= width > 0;
	}
	while (columns && layout_total (self, ret) > columns) {
		size_t victim = self->n_columns;
		for (size_t c = 0; c < self->n_columns; c++) {
			if (ret->shown[c] && self->columns[c].drop > 0 &&
			        (victim == self->n_columns ||
			                self->columns[c].drop > self->columns[victim].drop))
				victim = c;
		}
		if (victim == self->n_columns)
			break;
		ret->shown[victim] = false;
	}
	ret->last = 0;
	for (size_t c = 0; c < self->n_columns; c++) {
		if (ret->shown[c])
			ret->last = c;
	}
	size_t total = layout_total (self, ret), above = columns && total > columns ? total - columns : 0;
	if (above && ret->width[ret->last] > above + 8)
		ret->width[ret->last] -= above;
}

static void spaces (FILE *out, size_t n)
{
	while (n-- > 0)
		putc (' ', out);
}

/* At most width characters of text, an ellipsis where it was cut. Returns the width written. */
static size_t write_cut (FILE *out, const char *text, size_t width)
{
	size_t whole = text_width (text);
	if (whole <= width) {
		fputs (text, out);
		return whole;
	}
	const char *p = text;
	for (size_t n = 0; *p && n + 1 < width; n++) {
		do
			putc (*p++, out);
		while ((*p & 0xc0) == 0x80);
	}
	fputs ("…", out);
	return width;
}

static void row_print (
        const table_t *self, const output_t *output, const layout_t *layout, int indent, const cell_t *row)
{
	/* Spaces wait until something follows them. */
	size_t waiting = (size_t) indent;
	for (size_t c = 0; c < self->n_columns; c++) {
		if (!layout->shown[c])
			continue;
		const char *text = row ? buffer_string (&row[c].text) : self->columns[c].title;
		style_t style = row ? row[c].style : STYLE_BOLD;
		size_t width = text_width (text),
		       pad = width < layout->width[c] ? layout->width[c] - width : 0;
		if (width > 0) {
			spaces (output->out, waiting + (self->columns[c].right ? pad : 0));
			fputs (output_style (output, style), output->out);
			width = write_cut (output->out, text, layout->width[c]);
			fputs (output_reset (output, style), output->out);
			waiting = self->columns[c].right ? 0 : pad;
		} else {
			waiting += layout->width[c];
		}
		waiting += GAP;
	}
	putc ('\n', output->out);
}

int table_print (const table_t *self, const output_t *output, int indent)
{
	layout_t layout;
	layout_make (self, output->columns ? (size_t) (output->columns - indent) : 0, &layout);
	size_t rows = self->n_cells / self->n_columns;
	if (rows > 0)
		row_print (self, output, &layout, indent, NULL);
	for (size_t r = 0; r < rows; r++)
		row_print (self, output, &layout, indent, self->cells + r * self->n_columns);
	return self->no_memory ? -ENOMEM : 0;
}
