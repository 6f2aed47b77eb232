/* A timer is moved on, or taken out, before its handler runs: so the handler may add and remove
 * any timer, its own too, by id. */

#include "net/timers.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>

static bool before (const net_timer_t *a, const net_timer_t *b)
{
	return a->deadline.ns != b->deadline.ns ? a->deadline.ns < b->deadline.ns : a->order < b->order;
}

static void rise (timers_t *self, size_t at)
{
	net_timer_t timer = self->heap[at];
	for (; at > 0 && before (&timer, &self->heap[(at - 1) / 2]); at = (at - 1) / 2)
		self->heap[at] = self->heap[(at - 1) / 2];
	self->heap[at] = timer;
}

static void sink (timers_t *self, size_t at)
{
	net_timer_t timer = self->heap[at];
	for (size_t child; (child = 2 * at + 1) < self->count; at = child) {
		if (child + 1 < self->count && before (&self->heap[child + 1], &self->heap[child]))
			child++;
		if (!before (&self->heap[child], &timer))
			break;
		self->heap[at] = self->heap[child];
	}
	self->heap[at] = timer;
}

static void take_out (timers_t *self, size_t at)
{
	self->count--;
	if (at == self->count)
		return;
	self->heap[at] = self->heap[self->count];
	sink (self, at);
	rise (self, at);
}

static size_t find (const timers_t *self, int id)
{
	size_t at = 0;
	while (at < self->count && self->heap[at].id != id)
		at++;
	return at;
}

void timers_clear (timers_t *self)
{
	free (self->heap);
	*self = (timers_t){ .heap = NULL };
}

int timers_add (timers_t *self, mono_t deadline, int64_t every_ns, loop_timer_fn *handler, void *arg)
{
	if (self->count == self->room) {
		size_t room = self->room ? self->room * 2 : 8;
		net_timer_t *heap = realloc (self->heap, room * sizeof *heap);
		if (!heap)
			return -ENOMEM;
		self->heap = heap;
		self->room = room;
	}
	do
		self->last_id = self->last_id == INT_MAX ? 1 : self->last_id + 1;
	while (find (self, self->last_id) < self->count);
	self->heap[self->count] =
	        (net_timer_t){ deadline, self->next_order++, every_ns, self->last_id, handler, arg };
	rise (self, self->count++);
	return self->last_id;
}

void timers_remove (timers_t *self, int id)
{
	size_t at = find (self, id);
	if (at < self->count)
		take_out (self, at);
}

int timers_next (const timers_t *self, mono_t *ret_deadline)
{
	if (self->count == 0)
		return -ENOENT;
	*ret_deadline = self->heap[0].deadline;
	return 0;
}

void timers_run (timers_t *self, moment_t now)
{
	uint64_t limit = self->next_order;
	while (self->count > 0 && self->heap[0].deadline.ns <= now.mono.ns && self->heap[0].order < limit) {
		net_timer_t timer = self->heap[0];
		if (timer.every_ns > 0) {
			int64_t behind = mono_since (now.mono, timer.deadline);
			self->heap[0].deadline =
			        mono_add (timer.deadline, (behind / timer.every_ns + 1) * timer.every_ns);
			sink (self, 0);
		} else {
			take_out (self, 0);
		}
		timer.handler (timer.arg, timer.id, now);
	}
}
