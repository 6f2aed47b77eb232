/* The probes' thread: it runs what is due, hands results over without waiting, and a probe that hangs
 * holds nobody. */

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "agents/probing.h"

typedef struct {
	_Atomic unsigned runs, looked;
	pthread_mutex_t *block; /* NULL: does not hang */
	_Atomic bool hangs;
} fake_t;

static probing_t *probing;

static void run (void *arg, mono_t now)
{
	fake_t *self = arg;
	(void) now;
	if (self->block) {
		atomic_store (&self->hangs, true);
		pthread_mutex_lock (self->block);
		pthread_mutex_unlock (self->block);
		atomic_store (&self->hangs, false);
	}
	atomic_fetch_add (&self->runs, 1);
}

static void look (void *arg, void *probe)
{
	fake_t *self = probe;
	cr_assert_eq (arg, &probing);
	atomic_fetch_add (&self->looked, 1);
}

#define UNTIL(condition)                                                     \
	do {                                                                 \
		mono_t limit_ = mono_add (mono_now (), 20 * NS_PER_S);       \
		while (!(condition) && mono_since (limit_, mono_now ()) > 0) \
			sched_yield ();                                      \
		cr_assert (condition);                                       \
	} while (0)

static int begin (fake_t *fake)
{
	cr_assert_eq (probing_new ("n1", &probing), 0);
	int id = probing_add (probing, "fake", 20 * NS_PER_MS, run, fake);
	cr_assert_geq (id, 0);
	cr_assert_not (probing_all_ran (probing));
	cr_assert_eq (probing_start (probing), 0);
	return id;
}

Test (probing, a_probe_runs_again_and_again_and_is_looked_at_once_each_run)
{
	fake_t fake = { 0 };
	int id = begin (&fake);
	UNTIL (atomic_load (&fake.runs) >= 3);
	cr_assert (probing_all_ran (probing));
	bool seen = false;
	UNTIL ((seen = seen || probing_look (probing, id, look, &probing)));
	probing_set_enabled (probing, id, false);
	unsigned runs;
	schedule_probe_t state;
	do {
		runs = atomic_load (&fake.runs);
		probing_look (probing, id, look, &probing);
		probing_probe (probing, id, &state);
	} while (state.running || runs != atomic_load (&fake.runs));
	cr_assert_not (probing_look (probing, id, look, &probing), "nothing new");
	unsigned looked = atomic_load (&fake.looked);
	probing_again (probing);
	cr_assert (probing_look (probing, id, look, &probing), "but it can be shown again");
	cr_assert_eq (atomic_load (&fake.looked), looked + 1);
	cr_assert (probing_destroy (&probing, 10 * NS_PER_S));
}

Test (probing, another_interval_counts_at_once)
{
	fake_t fake = { 0 };
	cr_assert_eq (probing_new ("n1", &probing), 0);
	int id = probing_add (probing, "slow", 3600 * NS_PER_S, run, &fake);
	cr_assert_eq (probing_start (probing), 0);
	UNTIL (atomic_load (&fake.runs) == 1);
	cr_assert_eq (probing_set_interval (probing, id, 10 * NS_PER_MS), 0);
	UNTIL (atomic_load (&fake.runs) >= 3);
	cr_assert_eq (probing_set_interval (probing, id, 0), -EINVAL);
	cr_assert (probing_destroy (&probing, 10 * NS_PER_S));
}

Test (probing, a_probe_that_hangs_holds_nobody)
{
	pthread_mutex_t block = PTHREAD_MUTEX_INITIALIZER;
	fake_t fake = { .block = &block };
	pthread_mutex_lock (&block);
	int id = begin (&fake);
	UNTIL (atomic_load (&fake.hangs));
	cr_assert_not (probing_look (probing, id, look, &probing));
	mono_t now = mono_now ();
	cr_assert_not (probing_idle (probing, now), "it counts as standing still");
	probing_t *left = probing;
	cr_assert_not (probing_destroy (&probing, 50 * NS_PER_MS), "it is left to itself");
	cr_assert_null (probing);
	pthread_mutex_unlock (&block);
	cr_assert (probing_destroy (&left, 10 * NS_PER_S), "and can be ended once it goes on");
}
