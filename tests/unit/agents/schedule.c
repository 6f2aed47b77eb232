#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>

#include "agents/schedule.h"

static schedule_t *schedule;

static void setup (void)
{
	cr_assert_eq (schedule_new ("n1", &schedule), 0);
}
static void teardown (void)
{
	schedule_destroy (&schedule);
}
TestSuite (schedule, .init = setup, .fini = teardown);

static mono_t at (int64_t ms)
{
	return (mono_t){ 1000 * NS_PER_S + ms * NS_PER_MS };
}

Test (schedule, a_probe_runs_soon_after_it_is_added)
{
	int id = schedule_add (schedule, "health", NS_PER_S, at (0));
	cr_assert_geq (id, 0);
	cr_assert_leq (mono_since (schedule_next (schedule), at (0)), 100 * NS_PER_MS);
	cr_assert_eq (schedule_take (schedule, at (100)), id);
	cr_assert (schedule_probe (schedule, id)->running);
	schedule_finish (schedule, id, at (101));
	cr_assert_eq (schedule_probe (schedule, id)->took_ns, NS_PER_MS);
}

Test (schedule, nothing_is_due_without_probes)
{
	cr_assert_eq (schedule_next (schedule).ns, INT64_MAX);
	cr_assert_eq (schedule_take (schedule, at (0)), SCHEDULE_NONE);
}

Test (schedule, a_thousand_runs_do_not_drift_and_keep_within_the_jitter)
{
	int id = schedule_add (schedule, "health", NS_PER_S, at (0));
	int64_t first = 0, previous = 0;
	bool moved = false;
	for (int i = 0; i < 1000; i++) {
		mono_t due = schedule_next (schedule);
		/* Always 30 ms late: lateness must not add up. */
		mono_t now = mono_add (due, 30 * NS_PER_MS);
		cr_assert_eq (schedule_take (schedule, now), id);
		schedule_finish (schedule, id, mono_add (now, NS_PER_MS));
		if (i == 1)
			first = due.ns;
		if (i > 1) {
			int64_t distance = due.ns - previous;
			cr_assert (distance >= 800 * NS_PER_MS && distance <= 1200 * NS_PER_MS,
			        "slot %d: %lld ns", i, (long long) distance);
			moved |= distance != NS_PER_S;
			int64_t off = due.ns - first - (i - 1) * NS_PER_S;
			cr_assert (off >= -200 * NS_PER_MS && off <= 200 * NS_PER_MS,
			        "slot %d is off by %lld ns", i, (long long) off);
		}
		previous = due.ns;
	}
	cr_assert (moved, "there is no jitter");
	cr_assert_eq (schedule_probe (schedule, id)->missed, 0);
	cr_assert_eq (schedule_probe (schedule, id)->overruns, 0);
}

Test (schedule, a_suspend_is_counted_and_not_made_up_for)
{
	int id = schedule_add (schedule, "health", NS_PER_S, at (0));
	cr_assert_eq (schedule_take (schedule, at (100)), id);
	schedule_finish (schedule, id, at (110));
	mono_t late = at (3600 * 1000);
	cr_assert_eq (schedule_take (schedule, late), id);
	schedule_finish (schedule, id, late);
	cr_assert_eq (schedule_take (schedule, late), SCHEDULE_NONE, "a storm of old slots");
	cr_assert_gt (mono_since (schedule_next (schedule), late), 0);
	cr_assert_leq (mono_since (schedule_next (schedule), late), 1200 * NS_PER_MS);
	cr_assert (schedule_probe (schedule, id)->missed >= 3596 &&
	           schedule_probe (schedule, id)->missed <= 3600);
}

Test (schedule, one_is_in_flight_and_its_overruns_are_counted)
{
	int id = schedule_add (schedule, "health", NS_PER_S, at (0));
	cr_assert_eq (schedule_take (schedule, at (100)), id);
	cr_assert_eq (schedule_take (schedule, at (5100)), SCHEDULE_NONE);
	cr_assert_eq (schedule_next (schedule).ns, INT64_MAX);
	schedule_finish (schedule, id, at (5100));
	uint64_t overruns = schedule_probe (schedule, id)->overruns;
	cr_assert (overruns >= 4 && overruns <= 5, "%d overruns", (int) overruns);
	cr_assert_gt (mono_since (schedule_next (schedule), at (5100)), 0);
}

Test (schedule, the_probe_that_is_due_longest_goes_first)
{
	int slow = schedule_add (schedule, "slow", 10 * NS_PER_S, at (0));
	int fast = schedule_add (schedule, "fast", 100 * NS_PER_MS, at (500));
	cr_assert_eq (schedule_take (schedule, at (1000)), slow);
	cr_assert_eq (schedule_take (schedule, at (1000)), fast);
}

Test (schedule, nodes_have_different_phases_and_a_node_always_the_same)
{
	int64_t due[3];
	const char *nodes[] = { "n1", "n2", "n1" };
	for (int i = 0; i < 3; i++) {
		schedule_t *s;
		cr_assert_eq (schedule_new (nodes[i], &s), 0);
		int id = schedule_add (s, "health", NS_PER_S, at (0));
		cr_assert_eq (schedule_take (s, at (200)), id);
		schedule_finish (s, id, at (200));
		due[i] = schedule_next (s).ns;
		schedule_destroy (&s);
		cr_assert_null (s);
	}
	cr_assert_neq (due[0], due[1]);
	cr_assert_eq (due[0], due[2]);
}

Test (schedule, an_interval_changes_while_the_probe_runs)
{
	int id = schedule_add (schedule, "health", 60 * NS_PER_S, at (0));
	cr_assert_eq (schedule_take (schedule, at (100)), id);
	cr_assert_eq (schedule_set_interval (schedule, id, NS_PER_S, at (150)), 0);
	schedule_finish (schedule, id, at (200));
	cr_assert_leq (mono_since (schedule_next (schedule), at (200)), 1200 * NS_PER_MS);
	cr_assert_eq (schedule_set_interval (schedule, id, 0, at (300)), -EINVAL);
	cr_assert_eq (schedule_set_interval (schedule, id, SCHEDULE_INTERVAL_MAX_NS + 1, at (300)), -EINVAL);
	cr_assert_eq (schedule_probe (schedule, id)->interval_ns, NS_PER_S);
}

Test (schedule, a_disabled_probe_has_no_slots_and_does_not_catch_up)
{
	int id = schedule_add (schedule, "health", NS_PER_S, at (0));
	schedule_set_enabled (schedule, id, false, at (0));
	cr_assert_eq (schedule_next (schedule).ns, INT64_MAX);
	cr_assert_eq (schedule_take (schedule, at (5000)), SCHEDULE_NONE);
	schedule_set_enabled (schedule, id, true, at (60000));
	cr_assert_gt (mono_since (schedule_next (schedule), at (60000)), 0);
	cr_assert_eq (schedule_take (schedule, at (61200)), id);
	cr_assert_leq (schedule_probe (schedule, id)->missed, 1);
}

Test (schedule, what_breaks_the_bounds_is_refused)
{
	char name[SCHEDULE_NAME_MAX + 1];
	cr_assert_eq (schedule_add (schedule, "", NS_PER_S, at (0)), -EINVAL);
	cr_assert_eq (schedule_add (schedule, "p", SCHEDULE_INTERVAL_MIN_NS - 1, at (0)), -EINVAL);
	memset (name, 'x', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	cr_assert_eq (schedule_add (schedule, name, NS_PER_S, at (0)), -EINVAL);
	for (int i = 0; i < SCHEDULE_PROBES_MAX; i++) {
		snprintf (name, sizeof name, "probe%d", i);
		cr_assert_eq (schedule_add (schedule, name, NS_PER_S, at (0)), i);
	}
	cr_assert_eq (schedule_add (schedule, "probe0", NS_PER_S, at (0)), -EINVAL);
	cr_assert_eq (schedule_add (schedule, "more", NS_PER_S, at (0)), -ENOSPC);
	cr_assert_eq (schedule_find (schedule, "probe7"), 7);
	cr_assert_eq (schedule_find (schedule, "more"), SCHEDULE_NONE);
	cr_assert_eq (schedule_count (schedule), SCHEDULE_PROBES_MAX);
}
