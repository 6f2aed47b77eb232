/* timers.h - the loop's timers: a heap by deadline, equal deadlines in the order they were made.
 * No clock inside. One owner, not thread-safe. */

#ifndef NET_TIMERS_H
#define NET_TIMERS_H

#include <stddef.h>
#include <stdint.h>

#include "net/loop.h"

typedef struct {
	mono_t deadline;
	uint64_t order;
	int64_t every_ns;
	int id;
	loop_timer_fn *handler;
	void *arg;
} net_timer_t;

typedef struct {
	net_timer_t *heap;
	size_t count, room;
	uint64_t next_order;
	int last_id;
} timers_t;

void timers_clear (timers_t *self);
/* An id above 0, or -ENOMEM. */
int timers_add (timers_t *self, mono_t deadline, int64_t every_ns, loop_timer_fn *handler, void *arg);
/* An id that is not there is none. */
void timers_remove (timers_t *self, int id);
/* 0, or -ENOENT when there are none. */
int timers_next (const timers_t *self, mono_t *ret_deadline);
/* Runs what is due at now and was there when it was called. A periodic timer that missed beats
 * runs once and keeps its phase. */
void timers_run (timers_t *self, moment_t now);

#endif
