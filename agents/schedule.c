/* Slot k of a probe lies at phase + k x interval + jitter (k). Neighbours stay in order because the
 * jitter is below half an interval. `slot` is the number of the next one; everything else follows
 * from it, so nothing accumulates. */

#include "agents/schedule.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { JITTER_SHARE = 10 };

typedef struct {
	schedule_probe_t open;
	uint64_t seed;
	int64_t phase_ns, slot;
	mono_t taken;
} entry_t;

struct schedule {
	uint64_t seed;
	size_t n;
	entry_t entries[SCHEDULE_PROBES_MAX];
};

static uint64_t hash_text (uint64_t h, const char *text)
{
	for (; *text; text++)
		h = (h ^ (uint8_t) *text) * UINT64_C (1099511628211);
	return h;
}

/* splitmix64's finaliser: spreads neighbouring slots over all bits. */
static uint64_t mix (uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C (0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C (0x94d049bb133111eb);
	return x ^ x >> 31;
}

static mono_t slot_moment (const entry_t *e, int64_t slot)
{
	int64_t reach = e->open.interval_ns / JITTER_SHARE;
	uint64_t random = mix (e->seed + (uint64_t) slot * UINT64_C (0x9e3779b97f4a7c15));
	int64_t jitter = (int64_t) (random % (uint64_t) (2 * reach + 1)) - reach;
	return (mono_t){ e->phase_ns + slot * e->open.interval_ns + jitter };
}

static int64_t floor_div (int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* The first slot whose moment is later than `after`. */
static int64_t slot_after (const entry_t *e, mono_t after)
{
	int64_t slot = floor_div (after.ns - e->phase_ns, e->open.interval_ns) - 1;
	while (mono_since (slot_moment (e, slot), after) <= 0)
		slot++;
	return slot;
}

static void slot_set (entry_t *e, int64_t slot)
{
	e->slot = slot;
	e->open.due = slot_moment (e, slot);
}

static void grid_lay (entry_t *e, int64_t interval_ns)
{
	e->open.interval_ns = interval_ns;
	e->phase_ns = (int64_t) (mix (e->seed) % (uint64_t) interval_ns);
}

int schedule_new (const char *node, schedule_t **ret)
{
	schedule_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	self->seed = hash_text (UINT64_C (14695981039346656037), node);
	*ret = self;
	return 0;
}

void schedule_destroy (schedule_t **self_p)
{
	free (*self_p);
	*self_p = NULL;
}

static bool interval_valid (int64_t ns)
{
	return ns >= SCHEDULE_INTERVAL_MIN_NS && ns <= SCHEDULE_INTERVAL_MAX_NS;
}

int schedule_add (schedule_t *self, const char *name, int64_t interval_ns, mono_t now)
{
	size_t size = strlen (name);
	if (size == 0 || size >= SCHEDULE_NAME_MAX || !interval_valid (interval_ns) ||
	        schedule_find (self, name) != SCHEDULE_NONE)
		return -EINVAL;
	if (self->n == SCHEDULE_PROBES_MAX)
		return -ENOSPC;
	entry_t *e = &self->entries[self->n];
	*e = (entry_t){ .open.enabled = true };
	memcpy (e->open.name, name, size + 1);
	e->seed = hash_text (self->seed ^ '/', name);
	grid_lay (e, interval_ns);
	int64_t reach = interval_ns / JITTER_SHARE;
	if (reach > 100 * NS_PER_MS)
		reach = 100 * NS_PER_MS;
	e->open.due = mono_add (now, (int64_t) (mix (e->seed) % (uint64_t) (reach + 1)));
	/* The first run stands before the grid; the slot after it is at least half an interval away. */
	e->slot = slot_after (e, mono_add (e->open.due, interval_ns / 2)) - 1;
	return (int) self->n++;
}

int schedule_set_interval (schedule_t *self, int id, int64_t interval_ns, mono_t now)
{
	if (!interval_valid (interval_ns))
		return -EINVAL;
	entry_t *e = &self->entries[id];
	if (interval_ns == e->open.interval_ns)
		return 0;
	grid_lay (e, interval_ns);
	slot_set (e, slot_after (e, now));
	return 0;
}

void schedule_set_enabled (schedule_t *self, int id, bool enabled, mono_t now)
{
	entry_t *e = &self->entries[id];
	if (enabled && !e->open.enabled)
		slot_set (e, slot_after (e, now));
	e->open.enabled = enabled;
}

mono_t schedule_next (const schedule_t *self)
{
	mono_t next = { INT64_MAX };
	for (size_t i = 0; i < self->n; i++) {
		const schedule_probe_t *p = &self->entries[i].open;
		if (p->enabled && !p->running && p->due.ns < next.ns)
			next = p->due;
	}
	return next;
}

/* Moves to the first slot after now; returns how many were passed over on the way. */
static uint64_t slot_advance (entry_t *e, mono_t now)
{
	int64_t next = slot_after (e, now), before = e->slot;
	if (next <= before)
		next = before + 1;
	slot_set (e, next);
	return (uint64_t) (next - before - 1);
}

int schedule_take (schedule_t *self, mono_t now)
{
	entry_t *first = NULL;
	for (size_t i = 0; i < self->n; i++) {
		entry_t *e = &self->entries[i];
		if (e->open.enabled && !e->open.running && mono_since (now, e->open.due) >= 0 &&
		        (!first || e->open.due.ns < first->open.due.ns))
			first = e;
	}
	if (!first)
		return SCHEDULE_NONE;
	first->open.running = true;
	first->open.runs++;
	first->open.late_ns = mono_since (now, first->open.due);
	first->open.missed += slot_advance (first, now);
	first->taken = now;
	return (int) (first - self->entries);
}

void schedule_finish (schedule_t *self, int id, mono_t now)
{
	entry_t *e = &self->entries[id];
	e->open.running = false;
	e->open.took_ns = mono_since (now, e->taken);
	if (mono_since (now, e->open.due) >= 0)
		e->open.overruns += slot_advance (e, now) + 1;
}

size_t schedule_count (const schedule_t *self)
{
	return self->n;
}

const schedule_probe_t *schedule_probe (const schedule_t *self, int id)
{
	return &self->entries[id].open;
}

int schedule_find (const schedule_t *self, const char *name)
{
	for (size_t i = 0; i < self->n; i++) {
		if (strcmp (self->entries[i].open.name, name) == 0)
			return (int) i;
	}
	return SCHEDULE_NONE;
}
