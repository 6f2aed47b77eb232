/* beat.h - what a heartbeat says of the agent itself (wire.md, "Classes, sequences, gaps"): how late
 * its main loop wakes, and whether each of its loops goes on.
 * Pure: no I/O, clock, logging or globals. One owner, not thread-safe. */

#ifndef AGENTS_BEAT_H
#define AGENTS_BEAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "belfry/v1/fabric.pb-c.h"

#define BEAT_WINDOW_NS (2 * NS_PER_S)

enum { BEAT_SLOTS = 32, BEAT_LOOPS_MAX = 4 };

typedef struct {
	int64_t interval_ns;
	mono_t due; /* the next tick */
	uint64_t beats;
	/* The worst delay of each sixteenth of the window; a slot is void once it left the window. */
	struct {
		int64_t period, delay_ns;
	} slots[BEAT_SLOTS];
	struct {
		const char *name;
		uint64_t seen, counter;
	} loops[BEAT_LOOPS_MAX];
	size_t n_loops;
} beat_t;

/* The first tick is due one interval after now. */
void beat_init (beat_t *self, int64_t interval_ns, mono_t now);
/* Another interval; the next tick is due one after now. */
void beat_set_interval (beat_t *self, int64_t interval_ns, mono_t now);

/* The loop woke at now for the tick that is due: notes the delay and makes the next one due, later
 * than now; ticks slept through are not made up for. Returns the delay, 0 when it came early. */
int64_t beat_tick (beat_t *self, mono_t now);
/* The worst delay of the last 2 s. */
int64_t beat_worst_delay (const beat_t *self, mono_t now);

/* Adds a loop to watch; name is borrowed for ever. Returns its number, or -1 beyond BEAT_LOOPS_MAX. */
int beat_add_loop (beat_t *self, const char *name);
/* What a loop has done so far, at each beat. A loop that sleeps because nothing is due (idle) goes
 * on by definition: its counter moves with the beats, so that only one that hangs stands still. */
void beat_note_loop (beat_t *self, int loop, uint64_t progress, bool idle);
uint64_t beat_loop_counter (const beat_t *self, int loop);

/* A heartbeat's own parts; its strings and loops are borrowed from storage and self. */
typedef struct {
	Belfry__V1__LoopProgress loops[BEAT_LOOPS_MAX];
	Belfry__V1__LoopProgress *loop_pointers[BEAT_LOOPS_MAX];
} beat_storage_t;
void beat_write (const beat_t *self, mono_t now, beat_storage_t *storage, Belfry__V1__Heartbeat *out);

#endif
