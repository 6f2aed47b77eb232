#include "agents/beat.h"

#define PERIOD_NS (BEAT_WINDOW_NS / (BEAT_SLOTS / 2))

void beat_init (beat_t *self, int64_t interval_ns, mono_t now)
{
	*self = (beat_t){ 0 };
	for (size_t i = 0; i < BEAT_SLOTS; i++)
		self->slots[i].period = INT64_MIN / 2;
	beat_set_interval (self, interval_ns, now);
}

void beat_set_interval (beat_t *self, int64_t interval_ns, mono_t now)
{
	self->interval_ns = interval_ns;
	self->due = mono_add (now, interval_ns);
}

int64_t beat_tick (beat_t *self, mono_t now)
{
	int64_t delay = mono_since (now, self->due);
	if (delay < 0)
		delay = 0;
	int64_t period = now.ns / PERIOD_NS;
	size_t i = (size_t) (period & (BEAT_SLOTS - 1));
	if (self->slots[i].period != period || self->slots[i].delay_ns < delay) {
		self->slots[i].period = period;
		self->slots[i].delay_ns = delay;
	}
	self->beats++;
	self->due = mono_add (self->due, (delay / self->interval_ns + 1) * self->interval_ns);
	return delay;
}

int64_t beat_worst_delay (const beat_t *self, mono_t now)
{
	int64_t oldest = (now.ns - BEAT_WINDOW_NS) / PERIOD_NS, worst = 0;
	for (size_t i = 0; i < BEAT_SLOTS; i++) {
		if (self->slots[i].period >= oldest && self->slots[i].delay_ns > worst)
			worst = self->slots[i].delay_ns;
	}
	/* A tick that is overdue right now counts as well: the delay is already there. */
	int64_t pending = mono_since (now, self->due);
	return pending > worst ? pending : worst;
}

int beat_add_loop (beat_t *self, const char *name)
{
	if (self->n_loops == BEAT_LOOPS_MAX)
		return -1;
	self->loops[self->n_loops].name = name;
	return (int) self->n_loops++;
}

void beat_note_loop (beat_t *self, int loop, uint64_t progress, bool idle)
{
	uint64_t *seen = &self->loops[loop].seen;
	uint64_t moved = progress - *seen;
	*seen = progress;
	self->loops[loop].counter += moved == 0 && idle ? 1 : moved;
}

uint64_t beat_loop_counter (const beat_t *self, int loop)
{
	return self->loops[loop].counter;
}

void beat_write (const beat_t *self, mono_t now, beat_storage_t *storage, Belfry__V1__Heartbeat *out)
{
	for (size_t i = 0; i < self->n_loops; i++) {
		union {
			const char *in;
			char *out;
		} name = { self->loops[i].name };
		belfry__v1__loop_progress__init (&storage->loops[i]);
		storage->loops[i].name = name.out;
		storage->loops[i].counter = self->loops[i].counter;
		storage->loop_pointers[i] = &storage->loops[i];
	}
	out->n_loops = self->n_loops;
	out->loops = storage->loop_pointers;
	out->scheduling_delay_ns = (uint64_t) beat_worst_delay (self, now);
	out->interval_ns = (uint64_t) self->interval_ns;
}
