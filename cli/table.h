/* table.h - aligned columns for people. Widths follow the content; on a terminal that is too narrow
 * the least important columns are left out, then the last one is cut. In a pipe nothing is cut. No
 * spaces at a line's end. */

#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "cli/output.h"

enum { TABLE_COLUMNS_MAX = 16 };

typedef struct {
	const char *title;
	bool right; /* aligned */
	int drop;   /* 0: never left out; the greatest goes first */
} table_column_t;

typedef struct table table_t;

/* columns is borrowed. 0; -EINVAL above TABLE_COLUMNS_MAX; -ENOMEM. */
int table_new (const table_column_t *columns, size_t n, table_t **ret);
void table_destroy (table_t **self_p);

/* The next cell, row by row. The text is cleaned. Without memory the table prints what it has and
 * table_print returns -ENOMEM. */
void table_put (table_t *self, style_t style, const char *format, ...) PRINTF_LIKE (3, 4);

/* Prints titles and rows, each line behind indent spaces. 0 or -ENOMEM. */
int table_print (const table_t *self, const output_t *output, int indent);

#endif
