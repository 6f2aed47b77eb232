/* The detector: the rows of its table, its deadlines to the tick, connections and clocks. */

#include "detect_fixture.h"

#include <criterion/criterion.h>

TestSuite (detect, .init = detect_setup, .fini = detect_teardown);

Test (detect, a_node_that_nobody_spoke_of_is_unknown_for_ever)
{
	pass (100 * NS_PER_S);
	state_is (UNKNOWN);
	cr_assert_eq (detector_state (detector, 4711), UNKNOWN);
	cr_assert_eq (detector_expect (detector, 3, BEAT_NS), 0);
	pass (100 * NS_PER_S);
	cr_assert_eq (n_verdicts, 0);
}

Test (detect, the_first_message_makes_it_alive)
{
	const sign_t sign = { 1, 5, -1, false, 0, 0 };
	cr_assert_eq (detector_heard (detector, 0, &sign, now), 0);
	last_is (UNKNOWN, ALIVE);
	cr_assert_eq (verdicts[0].n_sightings, 0, "the node spoke itself");
	live (10 * NS_PER_S);
	cr_assert_eq (n_verdicts, 1);
}

Test (detect, rare_beats_get_more_patience)
{
	const sign_t sign = { 1, 5, 7, true, 2 * NS_PER_S, 0 };
	cr_assert_eq (detector_heard (detector, 0, &sign, now), 0);
	pass (10 * NS_PER_S - TICK_NS);
	state_is (ALIVE);
	pass (TICK_NS);
	state_is (SUSPECT);
}

Test (detect, intervals_that_nobody_can_mean_are_bounded)
{
	const sign_t zero = { 1, 5, 7, true, 0, 0 }, endless = { 1, 6, 7, true, UINT64_MAX, UINT64_MAX };
	cr_assert_eq (detector_heard (detector, 0, &zero, now), 0);
	pass (5 * NS_PER_S - TICK_NS);
	state_is (ALIVE);
	pass (TICK_NS);
	state_is (SUSPECT);
	cr_assert_eq (detector_heard (detector, 0, &endless, now), 0);
	pass ((DETECTOR_BEATS * DETECTOR_INTERVAL_MAX_NS + DETECTOR_DELAY_MAX_NS) * 2);
	cr_assert_neq (detector_state (detector, 0), ALIVE);
}

Test (detect, a_node_that_runs_late_gets_more_patience)
{
	const sign_t sign = { 1, 5, 7, true, BEAT_NS, 700 * NS_PER_MS };
	cr_assert_eq (detector_heard (detector, 0, &sign, now), 0);
	pass (1680 * NS_PER_MS);
	state_is (ALIVE);
	pass (TICK_NS);
	state_is (SUSPECT);
}

Test (detect, a_connections_end_is_suspect_at_once_and_down_after_a_second_without_a_return)
{
	live (NS_PER_S);
	detector_disconnected (detector, 7, now);
	last_is (ALIVE, SUSPECT);
	pass (980 * NS_PER_MS);
	state_is (SUSPECT);
	pass (TICK_NS);
	last_is (SUSPECT, DOWN);
	cr_assert_eq (verdicts[n_verdicts - 1].kind, AGENT);
	cr_assert_eq (verdicts[n_verdicts - 1].n_sightings, 2);
	cr_assert_eq (verdicts[n_verdicts - 1].sightings[1].age_ns, NS_PER_S);
	pass (100 * NS_PER_S);
	state_is (DOWN);
}

Test (detect, a_connection_that_comes_back_in_time_is_no_death)
{
	live (NS_PER_S);
	detector_disconnected (detector, 7, now);
	pass (200 * NS_PER_MS);
	beat_of (0, 1, 9, 0);
	last_is (SUSPECT, ALIVE);
	pass (800 * NS_PER_MS);
	state_is (ALIVE);
	detector_disconnected (detector, 7, now);
	state_is (ALIVE);
	detector_disconnected (detector, 9, now);
	state_is (SUSPECT);
}

Test (detect, who_beats_every_2_s_has_as_long_to_come_back)
{
	const sign_t sign = { 1, (uint64_t) now.mono.ns, 7, true, 2 * NS_PER_S, 0 };
	cr_assert_eq (detector_heard (detector, 0, &sign, now), 0);
	pass (100 * NS_PER_MS);
	detector_disconnected (detector, 7, now);
	pass (2780 * NS_PER_MS);
	state_is (SUSPECT);
	pass (TICK_NS);
	state_is (DOWN);
}

Test (detect, the_end_of_a_descriptor_is_of_the_node_that_uses_it_now)
{
	beat_of (0, 1, 7, 0);
	detector_disconnected (detector, 7, now);
	beat_of (1, 1, 7, 0);
	pass (NS_PER_S - TICK_NS);
	beat_of (1, 1, 7, 0);
	pass (TICK_NS);
	detector_disconnected (detector, 7, now);
	cr_assert_eq (detector_state (detector, 0), DOWN);
	cr_assert_eq (detector_state (detector, 1), SUSPECT);
	detector_disconnected (detector, -1, now);
	detector_disconnected (detector, INT32_MAX, now);
}

Test (detect, nodes_over_one_connection_end_together)
{
	for (uint32_t i = 0; i < 4; i++)
		beat_of (i, 1, 7, 0);
	beat_of (1, 1, 500, 0);
	beat_of (3, 1, INT32_MAX, 0);
	detector_disconnected (detector, 7, now);
	cr_assert_eq (detector_state (detector, 0), SUSPECT);
	cr_assert_eq (detector_state (detector, 1), ALIVE);
	cr_assert_eq (detector_state (detector, 2), SUSPECT);
	cr_assert_eq (detector_state (detector, 3), ALIVE);
}

Test (detect, what_comes_out_of_a_dead_connections_buffer_is_no_life)
{
	live (NS_PER_S);
	detector_disconnected (detector, 7, now);
	/* Made before the end, read after it: by another message, and by a beat of the same descriptor. */
	const sign_t old = { 1, (uint64_t) (now.mono.ns - 50 * NS_PER_MS), -1, false, 0, 0 };
	cr_assert_eq (detector_heard (detector, 0, &old, now), 0);
	state_is (SUSPECT);
	pass (TICK_NS);
	beat_of (0, 1, 7, 60 * NS_PER_MS);
	state_is (SUSPECT);
	pass (NS_PER_S);
	state_is (DOWN);
	/* However long the backlog took. */
	pass (NS_PER_S);
	beat_of (0, 1, 7, 2100 * NS_PER_MS);
	state_is (DOWN);
	/* The same descriptor again, by a message that was made since. */
	beat_of (0, 1, 7, 0);
	state_is (REJOINED);
}

Test (detect, a_node_that_was_suspended_is_believed_after_a_while)
{
	live (NS_PER_S);
	detector_disconnected (detector, 7, now);
	/* Its clock lost an hour: everything that it says seems to be from before the end. */
	const sign_t slow = { 1, (uint64_t) (now.mono.ns - 3600 * NS_PER_S), 7, true, BEAT_NS, 0 };
	pass (DETECTOR_TAIL_NS);
	cr_assert_eq (detector_heard (detector, 0, &slow, now), 0);
	state_is (DOWN);
	pass (TICK_NS);
	cr_assert_eq (detector_heard (detector, 0, &slow, now), 0);
	state_is (REJOINED);
}

Test (detect, clocks_that_nobody_can_mean_overflow_nothing)
{
	const uint64_t clocks[] = { 0, UINT64_MAX, 1, INT64_MAX, UINT64_MAX / 2 + 2, 0 };
	for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
		const sign_t sign = { 1, clocks[i], 7, true, BEAT_NS, 0 };
		cr_assert_eq (detector_heard (detector, 0, &sign, now), 0);
		detector_disconnected (detector, 7, now);
		cr_assert_eq (detector_heard (detector, 0, &sign, now), 0);
		pass (DETECTOR_TAIL_NS + TICK_NS);
		cr_assert_eq (detector_heard (detector, 0, &sign, now), 0);
		cr_assert (detector_state (detector, 0) == ALIVE || detector_state (detector, 0) == REJOINED);
	}
}

Test (detect, what_is_back_is_rejoined_and_alive_with_its_next_beat)
{
	live (NS_PER_S);
	detector_disconnected (detector, 7, now);
	pass (NS_PER_S);
	state_is (DOWN);
	beat_of (0, 1, 8, 0);
	last_is (DOWN, REJOINED);
	const sign_t other = { 1, (uint64_t) now.mono.ns, -1, false, 0, 0 };
	cr_assert_eq (detector_heard (detector, 0, &other, now), 0);
	state_is (REJOINED);
	pass (BEAT_NS);
	beat_of (0, 1, 8, 0);
	last_is (REJOINED, ALIVE);
}

Test (detect, one_that_is_back_and_silent_again_is_suspect)
{
	live (NS_PER_S);
	detector_disconnected (detector, 7, now);
	pass (NS_PER_S);
	beat_of (0, 1, 8, 0);
	pass (NS_PER_S);
	last_is (REJOINED, SUSPECT);
	beat_of (0, 1, 8, 0);
	detector_disconnected (detector, 8, now);
	state_is (SUSPECT);
	pass (NS_PER_S);
	state_is (DOWN);
	beat_of (0, 1, 9, 0);
	detector_disconnected (detector, 9, now);
	last_is (REJOINED, SUSPECT);
}

Test (detect, another_incarnation_shows_a_death_that_nobody_saw)
{
	live (NS_PER_S);
	beat_of (0, 2, 8, now.mono.ns - 5); /* its clock begins anew */
	last_is (ALIVE, REJOINED);
	pass (BEAT_NS);
	beat_of (0, 2, 8, now.mono.ns - 6);
	last_is (REJOINED, ALIVE);
	/* Its end, read late, is the old connection's. */
	detector_disconnected (detector, 7, now);
	state_is (ALIVE);
	pass (NS_PER_S);
	state_is (SUSPECT);
	beat_of (0, 3, 8, now.mono.ns - 5);
	last_is (SUSPECT, REJOINED);
}

Test (detect, silence_on_a_connection_that_stands_is_unresponsive_and_never_down)
{
	live (NS_PER_S);
	beat ();
	pass (2980 * NS_PER_MS);
	state_is (SUSPECT);
	pass (TICK_NS + 40 * NS_PER_MS);
	last_is (SUSPECT, UNRESPONSIVE);
	pass (600 * NS_PER_S);
	state_is (UNRESPONSIVE);
	beat ();
	last_is (UNRESPONSIVE, REJOINED);
}

Test (detect, a_stopped_process_that_is_killed_died)
{
	live (NS_PER_S);
	pass (5 * NS_PER_S);
	state_is (UNRESPONSIVE);
	detector_disconnected (detector, 7, now);
	pass (NS_PER_S);
	last_is (UNRESPONSIVE, DOWN);
	cr_assert_eq (verdicts[n_verdicts - 1].kind, AGENT);
}

Test (detect, a_connection_that_the_kernel_gave_up_was_a_hosts)
{
	live (NS_PER_S);
	pass (20 * NS_PER_S);
	detector_disconnected (detector, 7, now);
	pass (NS_PER_S);
	last_is (UNRESPONSIVE, DOWN);
	cr_assert_eq (verdicts[n_verdicts - 1].kind, HOST);
}

Test (detect, without_a_connection_to_watch_silence_ends_after_30_s)
{
	const sign_t sign = { 1, 5, -1, true, BEAT_NS, 0 };
	cr_assert_eq (detector_heard (detector, 0, &sign, now), 0);
	pass (4 * NS_PER_S);
	state_is (UNRESPONSIVE);
	pass (25 * NS_PER_S);
	state_is (UNRESPONSIVE);
	pass (2 * NS_PER_S);
	last_is (UNRESPONSIVE, DOWN);
	cr_assert_eq (verdicts[n_verdicts - 1].kind, HOST);
}

Test (detect, an_end_that_came_before_anybody_knew_whose_it_was_is_remembered)
{
	const sign_t first = { 1, (uint64_t) now.mono.ns, -1, false, 0, 0 };
	cr_assert_eq (detector_heard (detector, 0, &first, now), 0);
	pass (400 * NS_PER_MS);
	detector_disconnected (detector, 7, now);
	beat_of (0, 1, 7, 100 * NS_PER_MS);
	pass (TICK_NS);
	last_is (ALIVE, SUSPECT);
	beat_of (0, 1, 7, 0);
	last_is (SUSPECT, ALIVE);
	/* The first word of all of a connection that just ended: only the next one says. */
	detector_disconnected (detector, 8, now);
	beat_of (1, 1, 8, 0);
	pass (TICK_NS);
	cr_assert_eq (detector_state (detector, 1), SUSPECT);
	beat_of (1, 1, 8, 0);
	cr_assert_eq (detector_state (detector, 1), ALIVE);
}

Test (detect, what_was_heard_before_the_pause_was_noticed_is_not_in_the_future)
{
	live (NS_PER_S);
	now.mono.ns += 30 * NS_PER_S;
	beat ();
	detector_tick (detector, now);
	pass (NS_PER_S);
	state_is (SUSPECT);
}

Test (detect, a_thousand_nodes_die_each_by_itself)
{
	enum { N = 1000 };
	for (uint32_t i = N; i-- > 0; n_verdicts = 0)
		beat_of (i, 1, (int) i, 0);
	for (uint32_t i = 0; i < N; i += 2, n_verdicts = 0)
		detector_disconnected (detector, (int) i, now);
	for (uint32_t i = 0; i < N; i++)
		cr_assert_eq (detector_state (detector, i), i % 2 ? ALIVE : SUSPECT);
}
