#include <criterion/criterion.h>

#include "agents/beat.h"

static mono_t at (int64_t ms)
{
	return (mono_t){ 500 * NS_PER_S + ms * NS_PER_MS };
}

Test (heartbeat, a_tick_in_time_has_no_delay_and_the_next_is_an_interval_later)
{
	beat_t beat;
	beat_init (&beat, 200 * NS_PER_MS, at (0));
	cr_assert_eq (beat.due.ns, at (200).ns);
	cr_assert_eq (beat_tick (&beat, at (200)), 0);
	cr_assert_eq (beat.due.ns, at (400).ns);
	cr_assert_eq (beat_tick (&beat, at (390)), 0);
	cr_assert_eq (beat_worst_delay (&beat, at (390)), 0);
	cr_assert_eq (beat.beats, 2);
}

Test (heartbeat, a_late_tick_does_not_shift_the_grid_nor_bring_a_storm)
{
	beat_t beat;
	beat_init (&beat, 200 * NS_PER_MS, at (0));
	cr_assert_eq (beat_tick (&beat, at (250)), 50 * NS_PER_MS);
	cr_assert_eq (beat.due.ns, at (400).ns);
	cr_assert_eq (beat_tick (&beat, at (5090)), 4690 * NS_PER_MS);
	cr_assert_eq (beat.due.ns, at (5200).ns);
}

Test (heartbeat, the_worst_delay_is_said_for_two_seconds_and_then_forgotten)
{
	beat_t beat;
	beat_init (&beat, 200 * NS_PER_MS, at (0));
	beat_tick (&beat, at (270));
	for (int ms = 400; ms <= 2200; ms += 200) {
		beat_tick (&beat, at (ms + 5));
		cr_assert_eq (beat_worst_delay (&beat, at (ms + 5)), 70 * NS_PER_MS, "after %d ms", ms);
	}
	for (int ms = 2400; ms <= 3000; ms += 200)
		beat_tick (&beat, at (ms + 5));
	cr_assert_eq (beat_worst_delay (&beat, at (3005)), 5 * NS_PER_MS);
}

Test (heartbeat, a_delay_that_still_lasts_counts)
{
	beat_t beat;
	beat_init (&beat, 200 * NS_PER_MS, at (0));
	cr_assert_eq (beat_worst_delay (&beat, at (1200)), 1000 * NS_PER_MS);
}

Test (heartbeat, a_loop_that_sleeps_goes_on_and_one_that_hangs_stands_still)
{
	beat_t beat;
	beat_init (&beat, 200 * NS_PER_MS, at (0));
	int loop = beat_add_loop (&beat, "probes");
	beat_note_loop (&beat, loop, 3, true);
	cr_assert_eq (beat_loop_counter (&beat, loop), 3);
	beat_note_loop (&beat, loop, 3, true);
	cr_assert_eq (beat_loop_counter (&beat, loop), 4);
	beat_note_loop (&beat, loop, 3, false);
	beat_note_loop (&beat, loop, 3, false);
	cr_assert_eq (beat_loop_counter (&beat, loop), 4);
	beat_note_loop (&beat, loop, 5, false);
	cr_assert_eq (beat_loop_counter (&beat, loop), 6);
	for (int i = 1; i < BEAT_LOOPS_MAX; i++)
		cr_assert_eq (beat_add_loop (&beat, "x"), i);
	cr_assert_eq (beat_add_loop (&beat, "x"), -1);
}

Test (heartbeat, the_message_carries_what_was_noted)
{
	beat_t beat;
	beat_storage_t storage;
	Belfry__V1__Heartbeat out = BELFRY__V1__HEARTBEAT__INIT;
	beat_init (&beat, 200 * NS_PER_MS, at (0));
	beat_note_loop (&beat, beat_add_loop (&beat, "main"), 17, false);
	beat_note_loop (&beat, beat_add_loop (&beat, "probes"), 4, false);
	beat_tick (&beat, at (212));
	beat_write (&beat, at (212), &storage, &out);
	cr_assert_eq (out.interval_ns, 200 * NS_PER_MS);
	cr_assert_eq (out.scheduling_delay_ns, 12 * NS_PER_MS);
	cr_assert_eq (out.n_loops, 2);
	cr_assert_str_eq (out.loops[0]->name, "main");
	cr_assert_eq (out.loops[0]->counter, 17);
	cr_assert_str_eq (out.loops[1]->name, "probes");
}
