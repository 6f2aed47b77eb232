/* Two kinds of locks: the schedule's, held for moments only, and each probe's, held while it runs.
 * Nobody waits for the second but the probes' thread itself. */

#include "agents/probing.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { STACK_SIZE = 256 * 1024 };
/* How late the thread may be before it does not count as idle any more. */
#define IDLE_SLACK_NS (500 * NS_PER_MS)

typedef struct {
	pthread_mutex_t lock;
	probing_run_fn *run;
	void *probe;
	_Atomic bool fresh; /* its results were not looked at yet */
	_Atomic bool ran;
} item_t;

struct probing {
	pthread_t thread;
	bool started;
	pthread_mutex_t lock; /* schedule, stop, ended */
	pthread_cond_t changed;
	schedule_t *schedule;
	bool stop;
	bool ended;
	_Atomic bool busy;
	_Atomic uint64_t progress;
	_Atomic int64_t next_ns;
	size_t n;
	item_t items[SCHEDULE_PROBES_MAX];
};

int probing_new (const char *node, probing_t **ret)
{
	probing_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	int r = schedule_new (node, &self->schedule);
	if (r) {
		free (self);
		return r;
	}
	pthread_condattr_t attributes;
	pthread_condattr_init (&attributes);
	pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
	pthread_cond_init (&self->changed, &attributes);
	pthread_condattr_destroy (&attributes);
	pthread_mutex_init (&self->lock, NULL);
	atomic_store (&self->next_ns, INT64_MAX);
	*ret = self;
	return 0;
}

static struct timespec timespec_of (mono_t at)
{
	return (struct timespec){ .tv_sec = at.ns / NS_PER_S, .tv_nsec = at.ns % NS_PER_S };
}

/* With the schedule's lock held: waits until a probe is due or the schedule changed. */
static void wait_due (probing_t *self)
{
	mono_t next = schedule_next (self->schedule);
	atomic_store (&self->next_ns, next.ns);
	if (next.ns == INT64_MAX) {
		pthread_cond_wait (&self->changed, &self->lock);
	} else {
		struct timespec until = timespec_of (next);
		pthread_cond_timedwait (&self->changed, &self->lock, &until);
	}
}

static void *run (void *arg)
{
	probing_t *self = arg;
	pthread_mutex_lock (&self->lock);
	while (!self->stop) {
		mono_t now = mono_now ();
		int id = schedule_take (self->schedule, now);
		if (id == SCHEDULE_NONE) {
			wait_due (self);
			continue;
		}
		atomic_store (&self->busy, true);
		pthread_mutex_unlock (&self->lock);

		item_t *item = &self->items[id];
		pthread_mutex_lock (&item->lock);
		item->run (item->probe, now);
		atomic_store (&item->fresh, true);
		pthread_mutex_unlock (&item->lock);
		atomic_store (&item->ran, true);
		atomic_fetch_add (&self->progress, 1);

		pthread_mutex_lock (&self->lock);
		schedule_finish (self->schedule, id, mono_now ());
		atomic_store (&self->busy, false);
	}
	self->ended = true;
	pthread_cond_signal (&self->changed);
	pthread_mutex_unlock (&self->lock);
	return NULL;
}

int probing_add (
        probing_t *self, const char *name, int64_t interval_ns, probing_run_fn *run_probe, void *probe)
{
	int id = schedule_add (self->schedule, name, interval_ns, mono_now ());
	if (id < 0)
		return id;
	item_t *item = &self->items[id];
	pthread_mutex_init (&item->lock, NULL);
	item->run = run_probe;
	item->probe = probe;
	self->n++;
	return id;
}

int probing_start (probing_t *self)
{
	pthread_attr_t attributes;
	pthread_attr_init (&attributes);
	pthread_attr_setstacksize (&attributes, STACK_SIZE);
	int r = pthread_create (&self->thread, &attributes, run, self);
	pthread_attr_destroy (&attributes);
	self->started = r == 0;
	return -r;
}

bool probing_destroy (probing_t **self_p, int64_t patience_ns)
{
	probing_t *self = *self_p;
	if (!self)
		return true;
	*self_p = NULL;
	if (self->started) {
		pthread_mutex_lock (&self->lock);
		self->stop = true;
		pthread_cond_signal (&self->changed);
		struct timespec until = timespec_of (mono_add (mono_now (), patience_ns));
		while (!self->ended && pthread_cond_timedwait (&self->changed, &self->lock, &until) == 0)
			;
		bool ended = self->ended;
		pthread_mutex_unlock (&self->lock);
		if (!ended)
			return false;
		pthread_join (self->thread, NULL);
	}
	for (size_t i = 0; i < self->n; i++)
		pthread_mutex_destroy (&self->items[i].lock);
	pthread_cond_destroy (&self->changed);
	pthread_mutex_destroy (&self->lock);
	schedule_destroy (&self->schedule);
	free (self);
	return true;
}

int probing_set_interval (probing_t *self, int id, int64_t interval_ns)
{
	pthread_mutex_lock (&self->lock);
	int r = schedule_set_interval (self->schedule, id, interval_ns, mono_now ());
	pthread_cond_signal (&self->changed);
	pthread_mutex_unlock (&self->lock);
	return r;
}

void probing_set_enabled (probing_t *self, int id, bool enabled)
{
	pthread_mutex_lock (&self->lock);
	schedule_set_enabled (self->schedule, id, enabled, mono_now ());
	pthread_cond_signal (&self->changed);
	pthread_mutex_unlock (&self->lock);
}

void probing_probe (probing_t *self, int id, schedule_probe_t *ret)
{
	pthread_mutex_lock (&self->lock);
	*ret = *schedule_probe (self->schedule, id);
	pthread_mutex_unlock (&self->lock);
}

size_t probing_count (const probing_t *self)
{
	return self->n;
}

bool probing_look (probing_t *self, int id, probing_look_fn *look, void *arg)
{
	item_t *item = &self->items[id];
	if (!atomic_load (&item->ran) || pthread_mutex_trylock (&item->lock) != 0)
		return false;
	bool fresh = atomic_exchange (&item->fresh, false);
	if (fresh)
		look (arg, item->probe);
	pthread_mutex_unlock (&item->lock);
	return fresh;
}

void probing_again (probing_t *self)
{
	for (size_t i = 0; i < self->n; i++) {
		if (atomic_load (&self->items[i].ran))
			atomic_store (&self->items[i].fresh, true);
	}
}

bool probing_all_ran (probing_t *self)
{
	bool all = true;
	pthread_mutex_lock (&self->lock);
	for (size_t i = 0; i < self->n && all; i++)
		all = !schedule_probe (self->schedule, (int) i)->enabled || atomic_load (&self->items[i].ran);
	pthread_mutex_unlock (&self->lock);
	return all;
}

uint64_t probing_progress (const probing_t *self)
{
	return atomic_load (&self->progress);
}

bool probing_idle (const probing_t *self, mono_t now)
{
	return !atomic_load (&self->busy) && now.ns - IDLE_SLACK_NS < atomic_load (&self->next_ns);
}
