/* The detector: its witnesses, goodbyes, the collector's own pauses, and flapping. */

#include "detect_fixture.h"

#include <criterion/criterion.h>

TestSuite (witness, .init = detect_setup, .fini = detect_teardown);

Test (witness, silence_is_suspect_after_five_beats_and_no_sooner_than_a_second)
{
	live (NS_PER_S);
	beat ();
	pass (980 * NS_PER_MS);
	state_is (ALIVE);
	pass (TICK_NS);
	last_is (ALIVE, SUSPECT);
	cr_assert_eq (verdicts[1].detection_ns, NS_PER_S);
	cr_assert_eq (verdicts[1].sightings[0].witness, EVIDENCE_SELF);
	beat ();
	last_is (SUSPECT, ALIVE);
}

Test (witness, one_refused_connect_confirms_an_end_at_once)
{
	pass_with_witnesses (2, 4 * NS_PER_S);
	live (BEAT_NS);
	beat ();
	detector_disconnected (detector, 7, now);
	now.mono.ns += 2 * NS_PER_MS;
	testify (1, BELFRY__V1__PEER_STATE__PEER_STATE_REFUSED, 100 * NS_PER_MS, 100 * NS_PER_MS);
	pass (60 * NS_PER_MS);
	last_is (SUSPECT, DOWN);
	const verdict_t *verdict = &verdicts[n_verdicts - 1];
	cr_assert_eq (verdict->kind, AGENT);
	cr_assert_eq (verdict->n_sightings, 3);
	cr_assert_eq (verdict->sightings[2].witness, 1);
	cr_assert_str_eq (verdict->sightings[2].saw, "connect refused");
}

Test (witness, a_node_whose_kernel_acknowledges_is_unresponsive_within_a_second_or_so)
{
	pass_with_witnesses (2, 4 * NS_PER_S);
	beat ();
	pass_with_witnesses (2, 800 * NS_PER_MS);
	testify (1, BELFRY__V1__PEER_STATE__PEER_STATE_SILENT, 800 * NS_PER_MS, 20 * NS_PER_MS);
	pass_with_witnesses (2, 400 * NS_PER_MS);
	last_is (SUSPECT, UNRESPONSIVE);
	testify (1, BELFRY__V1__PEER_STATE__PEER_STATE_OK, 0, 0);
	pass (100 * NS_PER_MS);
	last_is (UNRESPONSIVE, UNREACHABLE);
	pass_with_witnesses (2, 4 * NS_PER_S);
	last_is (UNREACHABLE, UNRESPONSIVE);
}

Test (witness, a_host_that_nobody_gets_anything_from_is_down_at_once_when_two_peers_say_so)
{
	pass_with_witnesses (2, 4 * NS_PER_S);
	beat ();
	pass_with_witnesses (2, 800 * NS_PER_MS);
	testify (1, BELFRY__V1__PEER_STATE__PEER_STATE_SILENT, 800 * NS_PER_MS, 800 * NS_PER_MS);
	testify (2, BELFRY__V1__PEER_STATE__PEER_STATE_SILENT, 900 * NS_PER_MS, 700 * NS_PER_MS);
	pass_with_witnesses (2, 200 * NS_PER_MS);
	last_is (SUSPECT, DOWN);
	cr_assert_eq (verdicts[n_verdicts - 1].kind, HOST);
	cr_assert_eq (verdicts[n_verdicts - 1].detection_ns, NS_PER_S);
}

Test (witness, a_witness_that_is_silent_itself_or_starved_does_not_count)
{
	pass_with_witnesses (2, 4 * NS_PER_S);
	beat ();
	pass (800 * NS_PER_MS);
	const sign_t starved = { 1, 1, 102, true, BEAT_NS, 900 * NS_PER_MS };
	cr_assert_eq (detector_heard (detector, 2, &starved, now), 0);
	testify (1, BELFRY__V1__PEER_STATE__PEER_STATE_SILENT, 800 * NS_PER_MS, 800 * NS_PER_MS);
	testify (2, BELFRY__V1__PEER_STATE__PEER_STATE_SILENT, 900 * NS_PER_MS, 800 * NS_PER_MS);
	pass (NS_PER_S);
	state_is (SUSPECT);
}

Test (witness, its_own_word_about_itself_counts_nothing)
{
	live (NS_PER_S);
	testify (0, BELFRY__V1__PEER_STATE__PEER_STATE_REFUSED, 0, 0);
	detector_disconnected (detector, 7, now);
	pass (100 * NS_PER_MS);
	state_is (SUSPECT);
}

static void goodbye (bool for_good)
{
	cr_assert_eq (detector_goodbye (detector, 0, 1, for_good, now), 0);
}

Test (witness, a_goodbye_in_any_state_is_believed)
{
	goodbye (false);
	last_is (UNKNOWN, STOPPED);
	beat_of (0, 2, 7, now.mono.ns - 1);
	last_is (STOPPED, REJOINED);
	cr_assert_eq (detector_goodbye (detector, 0, 1, false, now), 0);
	state_is (REJOINED);
	cr_assert_eq (detector_goodbye (detector, 0, 2, false, now), 0);
	last_is (REJOINED, STOPPED);
	cr_assert_eq (detector_goodbye (detector, 0, 2, true, now), 0);
	last_is (STOPPED, LEFT);
	cr_assert_eq (detector_goodbye (detector, 0, 2, false, now), 0);
	state_is (LEFT);
	beat_of (0, 3, 7, now.mono.ns - 1);
	last_is (LEFT, REJOINED);
}

Test (witness, the_last_messages_after_a_goodbye_wake_nobody)
{
	live (NS_PER_S);
	goodbye (false);
	last_is (ALIVE, STOPPED);
	live (4 * NS_PER_S);
	detector_disconnected (detector, 7, now);
	pass (100 * NS_PER_S);
	state_is (STOPPED);
}

Test (witness, who_beats_on_long_after_its_goodbye_did_not_go)
{
	live (NS_PER_S);
	goodbye (false);
	live (DETECTOR_GOODBYE_NS);
	state_is (STOPPED);
	live (3 * BEAT_NS);
	state_is (ALIVE);
}

Test (witness, goodbyes_while_it_was_silent_or_down)
{
	live (NS_PER_S);
	pass (1100 * NS_PER_MS);
	goodbye (false);
	last_is (SUSPECT, STOPPED);
	beat_of (0, 2, 7, now.mono.ns - 1);
	pass (4 * NS_PER_S);
	state_is (UNRESPONSIVE);
	cr_assert_eq (detector_goodbye (detector, 0, 2, true, now), 0);
	last_is (UNRESPONSIVE, LEFT);
	beat_of (0, 3, 7, now.mono.ns - 1);
	detector_disconnected (detector, 7, now);
	pass (NS_PER_S);
	state_is (DOWN);
	cr_assert_eq (detector_goodbye (detector, 0, 3, false, now), 0);
	last_is (DOWN, STOPPED);
}

Test (witness, a_pause_of_the_collector_moves_every_deadline)
{
	live (NS_PER_S);
	beat_of (1, 1, 8, 0);
	detector_disconnected (detector, 8, now);
	beat ();
	now.mono.ns += 30 * NS_PER_S;
	detector_tick (detector, now);
	state_is (ALIVE);
	cr_assert_eq (detector_state (detector, 1), SUSPECT);
	cr_assert_eq (detector_paused_ns (detector), 30 * NS_PER_S);
	pass (980 * NS_PER_MS);
	state_is (ALIVE);
	pass (TICK_NS);
	state_is (SUSPECT);
	cr_assert_eq (detector_state (detector, 1), SUSPECT);
	pass (DETECTOR_SETTLE_NS - NS_PER_S);
	state_is (UNRESPONSIVE);
	cr_assert_eq (detector_state (detector, 1), DOWN);
}

Test (witness, a_collector_that_just_started_judges_nobody)
{
	detector_destroy (&detector);
	cr_assert_eq (detector_new (on_verdict_keep, NULL, now, &detector), 0);
	beat ();
	detector_disconnected (detector, 7, now);
	pass (DETECTOR_SETTLE_NS - TICK_NS);
	state_is (SUSPECT);
	pass (TICK_NS);
	state_is (DOWN);
}

Test (witness, a_late_tick_below_half_a_second_is_none)
{
	live (NS_PER_S);
	beat ();
	for (int i = 0; i < 2; i++) {
		now.mono.ns += DETECTOR_PAUSE_NS;
		detector_tick (detector, now);
	}
	state_is (SUSPECT);
	cr_assert_eq (detector_paused_ns (detector), 0);
}

Test (witness, flapping_is_damped_and_forgiven)
{
	int64_t patience = NS_PER_S;
	beat ();
	for (int i = 0; i < 5; i++) {
		pass (patience - TICK_NS);
		state_is (ALIVE);
		pass (TICK_NS);
		state_is (SUSPECT);
		beat ();
		state_is (ALIVE);
		if (i < DETECTOR_FLAPS_MAX)
			patience *= 2;
	}
	live (DETECTOR_FLAP_NS + NS_PER_S);
	beat ();
	pass (NS_PER_S);
	state_is (SUSPECT);
}
