/* capture.h - what a command says, kept in memory: on a terminal of some width, or in a pipe. */

#ifndef TESTS_CLI_CAPTURE_H
#define TESTS_CLI_CAPTURE_H

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"

typedef struct {
	char *out, *err;
	size_t out_size, err_size;
	output_t output;
} capture_t;

/* columns 0: a pipe. */
static inline void capture_begin (capture_t *self, int columns, bool colour)
{
	memset (self, 0, sizeof *self);
	self->output.out = open_memstream (&self->out, &self->out_size);
	self->output.err = open_memstream (&self->err, &self->err_size);
	cr_assert (self->output.out && self->output.err);
	self->output.columns = columns;
	self->output.colour = colour;
}

/* What was said so far. */
static inline const char *capture_out (capture_t *self)
{
	fflush (self->output.out);
	return self->out;
}

static inline const char *capture_err (capture_t *self)
{
	fflush (self->output.err);
	return self->err;
}

static inline void capture_end (capture_t *self)
{
	fclose (self->output.out);
	fclose (self->output.err);
	free (self->out);
	free (self->err);
}

/* Runs `belfry` with these words, as in a pipe; what it said is in self->out and self->err then, until the
 * next run. Returns the exit status. */
static inline int capture_run (capture_t *self, size_t n, const char *const *words)
{
	static char program[] = "belfry";
	char *argv[24] = { program };
	cr_assert_lt (n, 23);
	for (size_t i = 0; i < n; i++)
		cr_assert_not_null (argv[i + 1] = strdup (words[i]));
	if (self->output.out)
		capture_end (self);
	capture_begin (self, 0, false);
	int status = belfry_run ((int) n + 1, argv, &self->output);
	for (size_t i = 0; i < n; i++)
		free (argv[i + 1]);
	capture_out (self);
	capture_err (self);
	return status;
}
#define RUN(...)                                                                           \
	capture_run (&capture, sizeof ((const char *[]){ __VA_ARGS__ }) / sizeof (char *), \
	        (const char *[]){ __VA_ARGS__ })

#define EXPECT_HAS(text, word) cr_assert (strstr (text, word), "'%s' is not in:\n%s", word, text)
#define EXPECT_LACKS(text, word) cr_assert (!strstr (text, word), "'%s' is in:\n%s", word, text)

/* No line is wider than width, none ends in a space, no control character but newlines and, where it is
 * coloured, ESC. */
static inline void expect_tidy (const char *text, size_t width, bool colour)
{
	for (const char *line = text; *line;) {
		size_t size = strcspn (line, "\n"), places = 0;
		cr_assert (
		        size == 0 || line[size - 1] != ' ', "a space at the end of '%.*s'", (int) size, line);
		for (size_t i = 0; i < size; i++) {
			unsigned char c = (unsigned char) line[i];
			cr_assert ((c >= 0x20 && c != 0x7f) || (colour && c == 0x1b),
			        "a control character %u", c);
			places += (c & 0xc0) != 0x80;
		}
		cr_assert (!width || places <= width, "%zu places: %.*s", places, (int) size, line);
		line += size + (line[size] == '\n');
	}
}

#endif
