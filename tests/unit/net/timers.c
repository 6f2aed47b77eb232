#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "net/timers.h"

static moment_t at (int64_t ns)
{
	return (moment_t){ { ns }, { 0 } };
}

enum { MANY = 500 };
typedef struct {
	timers_t timers;
	int64_t deadlines[MANY];
	int ran[MANY], runs;
} heap_t;
static heap_t heap;

static void note (void *arg, int id, moment_t now)
{
	size_t which = (size_t) ((int64_t *) arg - heap.deadlines);
	(void) id;
	(void) now;
	cr_assert_lt (heap.runs, MANY);
	heap.ran[heap.runs++] = (int) which;
}

Test (timers, none_is_enoent)
{
	timers_t timers = { .heap = NULL };
	mono_t deadline;
	cr_assert_eq (timers_next (&timers, &deadline), -ENOENT);
	timers_run (&timers, at (INT64_MAX));
	timers_remove (&timers, 1);
	timers_clear (&timers);
}

Test (timers, run_by_deadline_whatever_was_added_and_removed)
{
	unsigned seed = 7;
	int ids[MANY];
	for (size_t i = 0; i < MANY; i++) {
		seed = seed * 1103515245 + 12345;
		heap.deadlines[i] = (seed >> 16) % 100;
		ids[i] =
		        timers_add (&heap.timers, (mono_t){ heap.deadlines[i] }, 0, note, &heap.deadlines[i]);
		cr_assert_gt (ids[i], 0);
	}
	for (size_t i = 0; i < MANY; i += 3)
		timers_remove (&heap.timers, ids[i]);
	mono_t next;
	cr_assert_eq (timers_next (&heap.timers, &next), 0);
	cr_assert_eq (next.ns, 0);
	timers_run (&heap.timers, at (49));
	int half = heap.runs;
	timers_run (&heap.timers, at (99));
	cr_assert_eq (heap.runs, MANY - (MANY + 2) / 3);
	for (int i = 0; i < heap.runs; i++) {
		cr_assert (heap.ran[i] % 3 != 0, "a removed one ran");
		cr_assert_eq (heap.deadlines[heap.ran[i]] <= 49, i < half);
		if (i == 0)
			continue;
		int64_t before = heap.deadlines[heap.ran[i - 1]], now = heap.deadlines[heap.ran[i]];
		cr_assert (before < now || (before == now && heap.ran[i - 1] < heap.ran[i]));
	}
	timers_clear (&heap.timers);
}

Test (timers, a_periodic_one_that_missed_beats_runs_once_and_keeps_its_phase)
{
	cr_assert_gt (timers_add (&heap.timers, (mono_t){ 10 }, 10, note, heap.deadlines), 0);
	timers_run (&heap.timers, at (9));
	cr_assert_eq (heap.runs, 0);
	timers_run (&heap.timers, at (10));
	cr_assert_eq (heap.runs, 1);
	timers_run (&heap.timers, at (57));
	cr_assert_eq (heap.runs, 2);
	mono_t next;
	cr_assert_eq (timers_next (&heap.timers, &next), 0);
	cr_assert_eq (next.ns, 60);
	timers_clear (&heap.timers);
}

Test (timers, ids_that_wrapped_are_positive_and_not_in_use)
{
	int first = timers_add (&heap.timers, (mono_t){ 1 }, 0, note, heap.deadlines);
	cr_assert_eq (first, 1);
	heap.timers.last_id = INT_MAX;
	cr_assert_eq (timers_add (&heap.timers, (mono_t){ 1 }, 0, note, heap.deadlines), 2);
	timers_clear (&heap.timers);
}

static void add_a_late_one (void *arg, int id, moment_t now)
{
	note (arg, id, now);
	timers_add (&heap.timers, (mono_t){ now.mono.ns - 5 }, 0, add_a_late_one, arg);
}

Test (timers, one_that_a_handler_adds_waits_for_the_next_call)
{
	timers_add (&heap.timers, (mono_t){ 10 }, 0, add_a_late_one, heap.deadlines);
	timers_run (&heap.timers, at (10));
	cr_assert_eq (heap.runs, 1);
	timers_run (&heap.timers, at (10));
	cr_assert_eq (heap.runs, 2);
	timers_clear (&heap.timers);
}
