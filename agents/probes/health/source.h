/* source.h - a file of /proc or /sys, kept open and read anew each cycle, and how its text is scanned.
 *
 * One text_t serves all sources of a probe in turn: a text is valid until the next read. In the steady
 * state a read is one or two system calls and no allocation. A file that is missing costs an open()
 * every SOURCE_RETRY cycles and nothing else. Not thread-safe. */

#ifndef AGENTS_PROBES_HEALTH_SOURCE_H
#define AGENTS_PROBES_HEALTH_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SOURCE_RETRY = 60, SOURCE_TEXT_MAX = 4 << 20 };

/* What was read, terminated. Only whole lines count: what follows the last '\n' is cut off, be it a
 * file that was torn or one that passes SOURCE_TEXT_MAX. */
typedef struct {
	char *data;
	size_t size, capacity;
} text_t;

void text_free (text_t *self);

/* How a file of the kernel's gives itself, so that no read is wasted on finding its end. */
typedef enum {
	SOURCE_PIECES, /* record by record: read until nothing comes */
	SOURCE_WHOLE,  /* in one read, when the buffer is large enough */
	SOURCE_NUMBER  /* as WHOLE, and it is a line of numbers: the kernel clears as much memory as is asked
	                */
} source_kind_t;

typedef struct {
	int root;         /* directory that path is relative to; borrowed */
	const char *path; /* static data */
	source_kind_t kind;
	int fd;        /* -1: not there */
	unsigned wait; /* cycles until the next try to open it */
} source_t;

/* A source under the directory root; opened at its first read. */
source_t source_of (int root, const char *path, source_kind_t kind);
void source_close (source_t *self);
/* Reads it into text. False when it is not there, cannot be read, or has no whole line. */
bool source_read (source_t *self, text_t *text);
/* As source_read of a SOURCE_NUMBER, of a file that is opened and closed. */
bool source_read_once (int root, const char *path, text_t *text);

/* --- scanning a terminated text; each moves *p past what it took ------------------------------ */

/* The next line, terminated in place, or NULL at the end. *p: text_t.data at first. */
char *scan_line (char **p);
/* The next word between blanks, terminated in place; NULL when the line has no more. */
char *scan_word (char **p);
/* The next decimal number; false, *p unmoved, when there is none. Saturates. */
bool scan_u64 (char **p, uint64_t *ret);
/* As scan_u64, in hexadecimal without 0x. */
bool scan_hex (char **p, uint64_t *ret);
/* A decimal fraction without sign or exponent: "0.57". */
bool scan_fraction (char **p, double *ret);
/* Whether the text at *p begins with word; moves past it then. */
bool scan_is (char **p, const char *word);

#endif
