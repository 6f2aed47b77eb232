/* schedule.h - when each probe runs: its own interval on a grid of its own, jittered.
 *
 * A probe's k-th slot lies at phase + k x interval, moved by at most a tenth of the interval. The phase
 * and the jitter come from the names of node and probe: probes of many nodes do not run at once, and
 * a run can be repeated. The grid does not drift with lateness; slots that were slept through (a
 * suspend, a stopped process) are counted and not made up for. One in flight each.
 * Pure: no I/O, clock, logging or globals. One owner, not thread-safe. */

#ifndef AGENTS_SCHEDULE_H
#define AGENTS_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

enum { SCHEDULE_PROBES_MAX = 80, SCHEDULE_NAME_MAX = 64, SCHEDULE_NONE = -1 };
#define SCHEDULE_INTERVAL_MIN_NS (10 * NS_PER_MS)
#define SCHEDULE_INTERVAL_MAX_NS (7 * 86400 * NS_PER_S)

typedef struct schedule schedule_t;

typedef struct {
	char name[SCHEDULE_NAME_MAX];
	int64_t interval_ns;
	mono_t due; /* of its next slot */
	bool enabled, running;
	uint64_t runs;
	uint64_t overruns; /* slots that came while it still ran */
	uint64_t missed;   /* slots that nobody asked for in time: a suspend, a starved thread */
	int64_t late_ns;   /* of the last run against its slot */
	int64_t took_ns;   /* of the last run */
} schedule_probe_t;

/* 0, or -ENOMEM with *ret untouched. node: copied into the phases' seed. */
int schedule_new (const char *node, schedule_t **ret);
/* Frees and nulls. NULL-safe. */
void schedule_destroy (schedule_t **self_p);

/* Adds a probe; its first run is due within a tenth of the interval, at most 100 ms from now.
 * Its id, 0 or above; -EINVAL (interval outside the bounds, name empty, long or there already),
 * -ENOSPC beyond SCHEDULE_PROBES_MAX. */
int schedule_add (schedule_t *self, const char *name, int64_t interval_ns, mono_t now);

/* Another interval, from its next slot on, also while it runs. 0, or -EINVAL. */
int schedule_set_interval (schedule_t *self, int id, int64_t interval_ns, mono_t now);
/* A disabled probe has no slots; enabled again it is due at its next one. */
void schedule_set_enabled (schedule_t *self, int id, bool enabled, mono_t now);

/* When the next probe is due; {INT64_MAX} when none ever is. */
mono_t schedule_next (const schedule_t *self);
/* The probe that is due longest, now running; SCHEDULE_NONE when none is due. */
int schedule_take (schedule_t *self, mono_t now);
/* The probe that schedule_take gave is done. */
void schedule_finish (schedule_t *self, int id, mono_t now);

size_t schedule_count (const schedule_t *self);
/* Valid ids only. */
const schedule_probe_t *schedule_probe (const schedule_t *self, int id);
/* By name, or SCHEDULE_NONE. */
int schedule_find (const schedule_t *self, const char *name);

#endif
