/* probing.h - the thread that runs the probes by their schedule, apart from the one that beats.
 *
 * A probe's run holds that probe's lock; the main loop looks at results only when it can have the
 * lock at once, so a probe that hangs delays nobody. */

#ifndef AGENTS_PROBING_H
#define AGENTS_PROBING_H

#include <stdbool.h>

#include "agents/schedule.h"
#include "base/error.h"

typedef struct probing probing_t;

/* Runs one cycle of a probe, on the probes' thread; its results stay in self until the next. */
typedef void probing_run_fn (void *self, mono_t now);
/* Looks at a probe's results, on the caller's thread, which has the probe's lock for the call. */
typedef void probing_look_fn (void *arg, void *self);

/* 0, or -ENOMEM with *ret untouched. */
int probing_new (const char *node, probing_t **ret);
/* Ends the thread: waits patience_ns for a probe under way. True when it has ended and everything is
 * freed; false when a probe still hangs: then nothing is freed, and the process should end. NULL-safe. */
bool probing_destroy (probing_t **self_p, int64_t patience_ns);

/* Before probing_start. self is borrowed. As schedule_add. */
int probing_add (probing_t *self, const char *name, int64_t interval_ns, probing_run_fn *run, void *probe);
/* 0 or negative errno. */
int probing_start (probing_t *self);

/* While it runs. As the schedule's. */
int probing_set_interval (probing_t *self, int id, int64_t interval_ns);
void probing_set_enabled (probing_t *self, int id, bool enabled);
/* A copy of what the schedule says of one probe. */
void probing_probe (probing_t *self, int id, schedule_probe_t *ret);
size_t probing_count (const probing_t *self);

/* Calls look when the probe has run since the last look and is not running. False when not. */
bool probing_look (probing_t *self, int id, probing_look_fn *look, void *arg);
/* Every probe that ever ran counts as run anew: its results are looked at again. */
void probing_again (probing_t *self);
/* Whether every enabled probe has run at least once. */
bool probing_all_ran (probing_t *self);

/* For the heartbeat: runs so far, and whether the thread sleeps because nothing is due. */
uint64_t probing_progress (const probing_t *self);
bool probing_idle (const probing_t *self, mono_t now);

#endif
