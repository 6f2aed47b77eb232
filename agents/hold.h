/* hold.h - durable events in memory, in order, until the spool has them: some milliseconds, or as long as no
 * number may be used or the disk takes nothing. Bounded, and what it drops is counted.
 *
 * When it is full the lowest priority goes first, within it the oldest: logs, then lifecycle and all
 * the rest, audit and security last. An event that is itself the lowest is not let in.
 * Pure: no I/O, clock, logging or globals. One owner, not thread-safe. */

#ifndef AGENTS_HOLD_H
#define AGENTS_HOLD_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "store/spool.h"
#include "wire/publisher.h"

enum { HOLD_EVENTS_MAX = 4096, HOLD_BYTES_MAX = 4 * 1024 * 1024 };

/* It was full: this event, or one held before, was dropped. */
enum { HOLD_E_DROPPED = 1 };

typedef struct hold hold_t;

/* 0, or -ENOMEM with *ret untouched. */
int hold_new (hold_t **ret);
/* Frees and nulls. NULL-safe. */
void hold_destroy (hold_t **self_p);

/* Copies the event's payload and what stands in note (which may be NULL). 0; HOLD_E_DROPPED;
 * -EINVAL without a payload, -EMSGSIZE above HOLD_BYTES_MAX, -ENOMEM. */
int hold_put (hold_t *self, const Belfry__V1__Event *event, const publisher_note_t *note, moment_t now);

/* Takes at most max out in order, oldest first; event and note are borrowed for the call, in which nothing
 * is put. take ends it by returning not 0; that event stays. Returns how many were taken. */
typedef int hold_take_fn (void *arg, Belfry__V1__Event *event, const publisher_note_t *note,
        spool_priority_t priority, moment_t when);
size_t hold_take (hold_t *self, size_t max, hold_take_fn *take, void *arg);

size_t hold_count (const hold_t *self);
size_t hold_bytes (const hold_t *self);
/* When the oldest was put; {0} when it is empty. */
mono_t hold_oldest (const hold_t *self);
/* Events are numbered from 1 as they are put: the newest's number, dropped ones too; the oldest one's that
 * is held, 0 when it is empty. */
uint64_t hold_newest_number (const hold_t *self);
uint64_t hold_oldest_number (const hold_t *self);
/* Events dropped since the start. */
uint64_t hold_dropped (const hold_t *self);

#endif
