/* output.h - how the command speaks: plain text that is right in a pipe, colour on a terminal alone
 * (NO_COLOR respected), JSON one object a line. What came over the network is never given to a
 * terminal raw: control characters become visible. */

#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buffer.h"
#include "base/error.h"

typedef struct {
	FILE *out, *err;
	bool colour;
	int columns; /* of the terminal; 0: out is none, and nothing is cut to fit */
} output_t;

/* Finds out what out is: a terminal, how wide, coloured. COLUMNS overrides the width of one. */
void output_init (output_t *self, FILE *out, FILE *err);

typedef enum {
	STYLE_PLAIN,
	STYLE_DIM,
	STYLE_BOLD,
	STYLE_GREEN,
	STYLE_YELLOW,
	STYLE_RED,
	STYLE_ALARM
} style_t;

/* The escape sequence that begins style, or "" without colour; output_reset ends it. Static. */
const char *output_style (const output_t *self, style_t style);
const char *output_reset (const output_t *self, style_t style);

/* Severity's and Status' numbers of the schema. */
style_t style_of_severity (int severity);
style_t style_of_status (int status);

/* Appends text with control characters and marks that turn its direction made visible as \xHH, so that
 * nobody on the wire can drive the terminal. */
void text_clean (buffer_t *out, const char *text);
/* Places that UTF-8 text takes, one a character. */
size_t text_width (const char *text);

/* Writes the buffer's bytes and a newline, and empties it; does not flush. 0; -EPIPE and the like when out
 * cannot be written; -ENOMEM when the buffer has failed. */
int output_line (output_t *self, buffer_t *line);

/* "belfry: " and the sentence on err. */
void output_complain (output_t *self, const char *format, ...) PRINTF_LIKE (2, 3);

#endif
