#include "detect_fixture.h"

#include <criterion/criterion.h>

detector_t *detector;
moment_t now;
verdict_t verdicts[VERDICTS_MAX];
size_t n_verdicts;

void on_verdict_keep (void *arg, const verdict_t *verdict, moment_t at)
{
	(void) arg;
	cr_assert_eq (at.mono.ns, now.mono.ns);
	cr_assert_lt (n_verdicts, VERDICTS_MAX);
	verdicts[n_verdicts++] = *verdict;
}

void detect_setup (void)
{
	now = (moment_t){ { 10000 * NS_PER_S }, { INT64_C (1763973600) * NS_PER_S } };
	n_verdicts = 0;
	cr_assert_eq (detector_new (on_verdict_keep, NULL, now, &detector), 0);
	/* It has run for a while. */
	for (int64_t ns = 0; ns < DETECTOR_SETTLE_NS; ns += TICK_NS) {
		now.mono.ns += TICK_NS;
		detector_tick (detector, now);
	}
}

void detect_teardown (void)
{
	detector_destroy (&detector);
}

void pass (int64_t ns)
{
	for (int64_t passed = 0; passed < ns; passed += TICK_NS) {
		now.mono.ns += TICK_NS;
		now.wall.ns += TICK_NS;
		detector_tick (detector, now);
	}
}

/* A beat of node, made age ago by a node whose clock began at 0. */
void beat_of (uint32_t node, uint64_t incarnation, int descriptor, int64_t age_ns)
{
	const sign_t sign = { incarnation, (uint64_t) (now.mono.ns - age_ns), descriptor, true, BEAT_NS, 0 };
	cr_assert_eq (detector_heard (detector, node, &sign, now), 0);
}

void beat (void)
{
	beat_of (0, 1, 7, 0);
}

void live (int64_t ns)
{
	for (int64_t passed = 0; passed < ns; passed += BEAT_NS) {
		beat ();
		pass (BEAT_NS);
	}
}

void last_is (Belfry__V1__NodeState from, Belfry__V1__NodeState to)
{
	cr_assert_gt (n_verdicts, 0);
	cr_assert_eq (verdicts[n_verdicts - 1].from, from, "from %d", (int) verdicts[n_verdicts - 1].from);
	cr_assert_eq (verdicts[n_verdicts - 1].to, to, "to %d", (int) verdicts[n_verdicts - 1].to);
	cr_assert_eq (detector_state (detector, 0), to);
}

void state_is (Belfry__V1__NodeState state)
{
	cr_assert_eq (detector_state (detector, 0), state, "state %d", (int) detector_state (detector, 0));
}

void testify (uint32_t witness, Belfry__V1__PeerState state, int64_t age_ns, int64_t acknowledged_ns)
{
	Belfry__V1__PeerObservation seen = BELFRY__V1__PEER_OBSERVATION__INIT;
	seen.state = state;
	seen.age_ns = (uint64_t) age_ns;
	seen.acknowledged_age_ns = (uint64_t) acknowledged_ns;
	cr_assert_eq (detector_testify (detector, 0, witness, &seen, now), 0);
}

/* Nodes 1..n live, as witnesses, while node 0 does what it does. */
void pass_with_witnesses (uint32_t n, int64_t ns)
{
	for (int64_t passed = 0; passed < ns; passed += BEAT_NS) {
		for (uint32_t i = 1; i <= n; i++)
			beat_of (i, 1, 100 + (int) i, 0);
		pass (BEAT_NS);
	}
}
