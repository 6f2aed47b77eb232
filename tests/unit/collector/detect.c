/* The detector: every row of its table, its deadlines to the tick, and what must not fool it. */

#include <criterion/criterion.h>
#include <stdlib.h>

#include "collector/detect/detector.h"

#define UNKNOWN BELFRY__V1__NODE_STATE__NODE_STATE_UNKNOWN
#define ALIVE BELFRY__V1__NODE_STATE__NODE_STATE_ALIVE
#define SUSPECT BELFRY__V1__NODE_STATE__NODE_STATE_SUSPECT
#define UNRESPONSIVE BELFRY__V1__NODE_STATE__NODE_STATE_UNRESPONSIVE
#define UNREACHABLE BELFRY__V1__NODE_STATE__NODE_STATE_UNREACHABLE
#define DOWN BELFRY__V1__NODE_STATE__NODE_STATE_DOWN
#define REJOINED BELFRY__V1__NODE_STATE__NODE_STATE_REJOINED
#define STOPPED BELFRY__V1__NODE_STATE__NODE_STATE_STOPPED
#define LEFT BELFRY__V1__NODE_STATE__NODE_STATE_LEFT
#define HOST BELFRY__V1__NODE_KIND__NODE_KIND_HOST
#define AGENT BELFRY__V1__NODE_KIND__NODE_KIND_AGENT

#define BEAT_NS (200 * NS_PER_MS)
#define TICK_NS (20 * NS_PER_MS)

static detector_t *detector;
static moment_t now;
static verdict_t verdicts[256];
static size_t n_verdicts;

static void on_verdict (void *arg, const verdict_t *verdict, moment_t at)
{
	(void) arg;
	cr_assert_eq (at.mono.ns, now.mono.ns);
	cr_assert_lt (n_verdicts, 256);
	verdicts[n_verdicts++] = *verdict;
}

static void setup (void)
{
	now = (moment_t){ { 10000 * NS_PER_S }, { INT64_C (1763973600) * NS_PER_S } };
	n_verdicts = 0;
	cr_assert_eq (detector_new (on_verdict, NULL, now, &detector), 0);
}

static void teardown (void)
{
	detector_destroy (&detector);
}

TestSuite (detect, .init = setup, .fini = teardown);

static void pass (int64_t ns)
{
	for (int64_t passed = 0; passed < ns; passed += TICK_NS) {
		now.mono.ns += TICK_NS;
		now.wall.ns += TICK_NS;
		detector_tick (detector, now);
	}
}

/* A beat of node, made age ago by a node whose clock began at 0. */
static void beat_of (uint32_t node, uint64_t incarnation, int descriptor, int64_t age_ns)
{
	const sign_t sign = { incarnation, (uint64_t) (now.mono.ns - age_ns), descriptor, true, BEAT_NS, 0 };
	cr_assert_eq (detector_heard (detector, node, &sign, now), 0);
}

static void beat (void)
{
	beat_of (0, 1, 7, 0);
}

static void live (int64_t ns)
{
	for (int64_t passed = 0; passed < ns; passed += BEAT_NS) {
		beat ();
		pass (BEAT_NS);
	}
}

static void last_is (Belfry__V1__NodeState from, Belfry__V1__NodeState to)
{
	cr_assert_gt (n_verdicts, 0);
	cr_assert_eq (verdicts[n_verdicts - 1].from, from, "from %d", (int) verdicts[n_verdicts - 1].from);
	cr_assert_eq (verdicts[n_verdicts - 1].to, to, "to %d", (int) verdicts[n_verdicts - 1].to);
	cr_assert_eq (detector_state (detector, 0), to);
}

static void state_is (Belfry__V1__NodeState state)
{
	cr_assert_eq (detector_state (detector, 0), state, "state %d", (int) detector_state (detector, 0));
}

static void testify (uint32_t witness, Belfry__V1__PeerState state, int64_t age_ns, int64_t acknowledged_ns)
{
	Belfry__V1__PeerObservation seen = BELFRY__V1__PEER_OBSERVATION__INIT;
	seen.state = state;
	seen.age_ns = (uint64_t) age_ns;
	seen.acknowledged_age_ns = (uint64_t) acknowledged_ns;
	cr_assert_eq (detector_testify (detector, 0, witness, &seen, now), 0);
}

/* Nodes 1..n live, as witnesses, while node 0 does what it does. */
static void pass_with_witnesses (uint32_t n, int64_t ns)
{
	for (int64_t passed = 0; passed < ns; passed += BEAT_NS) {
		for (uint32_t i = 1; i <= n; i++)
			beat_of (i, 1, 100 + (int) i, 0);
		pass (BEAT_NS);
	}
}

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

Test (detect, silence_is_suspect_after_five_beats_and_no_sooner_than_a_second)
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

Test (detect, a_connections_end_is_suspect_at_once_and_down_after_300_ms_without_a_return)
{
	live (NS_PER_S);
	detector_disconnected (detector, 7, now);
	last_is (ALIVE, SUSPECT);
	pass (280 * NS_PER_MS);
	state_is (SUSPECT);
	pass (TICK_NS);
	last_is (SUSPECT, DOWN);
	cr_assert_eq (verdicts[n_verdicts - 1].kind, AGENT);
	cr_assert_eq (verdicts[n_verdicts - 1].n_sightings, 2);
	cr_assert_eq (verdicts[n_verdicts - 1].sightings[1].age_ns, 300 * NS_PER_MS);
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
	pass (400 * NS_PER_MS);
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
	pass (2 * NS_PER_S);
	state_is (SUSPECT);
	pass (120 * NS_PER_MS);
	state_is (DOWN);
}

Test (detect, the_end_of_a_descriptor_is_of_the_node_that_uses_it_now)
{
	beat_of (0, 1, 7, 0);
	detector_disconnected (detector, 7, now);
	beat_of (1, 1, 7, 0);
	pass (NS_PER_S - TICK_NS);
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
	pass (300 * NS_PER_MS);
	state_is (DOWN);
	/* However long the backlog took. */
	pass (NS_PER_S);
	beat_of (0, 1, 7, 1400 * NS_PER_MS);
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
	pass (400 * NS_PER_MS);
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
	pass (400 * NS_PER_MS);
	last_is (UNRESPONSIVE, DOWN);
	cr_assert_eq (verdicts[n_verdicts - 1].kind, AGENT);
}

Test (detect, a_connection_that_the_kernel_gave_up_was_a_hosts)
{
	live (NS_PER_S);
	pass (20 * NS_PER_S);
	detector_disconnected (detector, 7, now);
	pass (400 * NS_PER_MS);
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

Test (detect, one_refused_connect_confirms_an_end_at_once)
{
	pass_with_witnesses (2, NS_PER_S);
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

Test (detect, a_node_whose_kernel_acknowledges_is_unresponsive_within_a_second_or_so)
{
	pass_with_witnesses (2, NS_PER_S);
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

Test (detect, a_host_that_nobody_gets_anything_from_is_down_at_once_when_two_peers_say_so)
{
	pass_with_witnesses (2, NS_PER_S);
	beat ();
	pass_with_witnesses (2, 800 * NS_PER_MS);
	testify (1, BELFRY__V1__PEER_STATE__PEER_STATE_SILENT, 800 * NS_PER_MS, 800 * NS_PER_MS);
	testify (2, BELFRY__V1__PEER_STATE__PEER_STATE_SILENT, 900 * NS_PER_MS, 700 * NS_PER_MS);
	pass_with_witnesses (2, 200 * NS_PER_MS);
	last_is (SUSPECT, DOWN);
	cr_assert_eq (verdicts[n_verdicts - 1].kind, HOST);
	cr_assert_eq (verdicts[n_verdicts - 1].detection_ns, NS_PER_S);
}

Test (detect, a_witness_that_is_silent_itself_or_starved_does_not_count)
{
	pass_with_witnesses (2, NS_PER_S);
	beat ();
	pass (800 * NS_PER_MS);
	const sign_t starved = { 1, 1, 102, true, BEAT_NS, 900 * NS_PER_MS };
	cr_assert_eq (detector_heard (detector, 2, &starved, now), 0);
	testify (1, BELFRY__V1__PEER_STATE__PEER_STATE_SILENT, 800 * NS_PER_MS, 800 * NS_PER_MS);
	testify (2, BELFRY__V1__PEER_STATE__PEER_STATE_SILENT, 900 * NS_PER_MS, 800 * NS_PER_MS);
	pass (NS_PER_S);
	state_is (SUSPECT);
}

Test (detect, its_own_word_about_itself_counts_nothing)
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

Test (detect, a_goodbye_in_any_state_is_believed)
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

Test (detect, the_last_messages_after_a_goodbye_wake_nobody)
{
	live (NS_PER_S);
	goodbye (false);
	last_is (ALIVE, STOPPED);
	live (4 * NS_PER_S);
	detector_disconnected (detector, 7, now);
	pass (100 * NS_PER_S);
	state_is (STOPPED);
}

Test (detect, who_beats_on_long_after_its_goodbye_did_not_go)
{
	live (NS_PER_S);
	goodbye (false);
	live (DETECTOR_GOODBYE_NS);
	state_is (STOPPED);
	live (3 * BEAT_NS);
	state_is (ALIVE);
}

Test (detect, goodbyes_while_it_was_silent_or_down)
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

Test (detect, a_pause_of_the_collector_moves_every_deadline)
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
	cr_assert_eq (detector_state (detector, 1), DOWN);
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

Test (detect, a_late_tick_below_half_a_second_is_none)
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

Test (detect, flapping_is_damped_and_forgiven)
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
