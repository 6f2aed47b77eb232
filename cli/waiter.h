/* waiter.h - waiting for the next thing to happen to a command that runs on: something to read, a
 * signal that ends it, a reader that went away, or time. */

#ifndef CLI_WAITER_H
#define CLI_WAITER_H

#include <stdint.h>
#include <stdio.h>

typedef struct {
	int signals, out; /* descriptors; -1: none */
} waiter_t;

/* From here on SIGINT, SIGTERM and SIGHUP do not end the program but wake it. 0 or negative errno. */
int waiter_begin (waiter_t *self, FILE *out);
/* The signals do again what they did. */
void waiter_end (waiter_t *self);

typedef enum { WAITER_READABLE, WAITER_TIME, WAITER_SIGNAL, WAITER_READER_GONE } waiter_event_t;

/* Waits at most timeout_ns (negative: for ever) on fd, which may be -1. */
waiter_event_t waiter_wait (waiter_t *self, int fd, int64_t timeout_ns);

#endif
