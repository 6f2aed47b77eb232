#include <criterion/criterion.h>

#include <string.h>

#include "agents/session.h"

static session_t session;
static char cluster[] = "demo", other[] = "other", collector[] = "c1";

static mono_t at (int64_t ms)
{
	return (mono_t){ 900 * NS_PER_S + ms * NS_PER_MS };
}

static void setup (void)
{
	session_init (&session, 77, at (0));
}
TestSuite (session, .init = setup);

static session_meaning_t welcome (uint64_t id, bool accepted, uint64_t number, mono_t now)
{
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__Welcome body = BELFRY__V1__WELCOME__INIT;
	body.cluster = cluster;
	body.collector = collector;
	body.accepted = accepted;
	*(accepted ? &body.incarnation : &body.next_incarnation) = number;
	control.id = id;
	control.body_case = BELFRY__V1__CONTROL__BODY_WELCOME;
	control.welcome = &body;
	return session_take (&session, &control, cluster, 3, now);
}

static session_meaning_t refused (uint64_t id, uint32_t retry_after_ms, mono_t now)
{
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__Refused body = BELFRY__V1__REFUSED__INIT;
	body.retry_after_ms = retry_after_ms;
	control.id = id;
	control.body_case = BELFRY__V1__CONTROL__BODY_REFUSED;
	control.refused = &body;
	return session_take (&session, &control, cluster, 3, now);
}

static session_meaning_t roster (uint64_t generation, size_t n, size_t key_size, mono_t now)
{
	static char node[] = "n2", address[] = "tcp://127.0.0.1:7704";
	uint8_t key[32] = { 0 };
	Belfry__V1__Roster__Target target = BELFRY__V1__ROSTER__TARGET__INIT;
	Belfry__V1__Roster__Target *targets[SESSION_TARGETS_MAX + 1];
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__Roster body = BELFRY__V1__ROSTER__INIT;
	target.node = node;
	target.address = address;
	target.probe_key = (ProtobufCBinaryData){ key_size, key };
	for (size_t i = 0; i < n; i++)
		targets[i] = &target;
	body.generation = generation;
	body.n_targets = n;
	body.targets = targets;
	control.body_case = BELFRY__V1__CONTROL__BODY_ROSTER;
	control.roster = &body;
	return session_take (&session, &control, cluster, 3, now);
}

static void be_welcomed (int64_t ms)
{
	cr_assert (session_step (&session, false, at (ms)) & SESSION_SEND_HELLO);
	cr_assert_eq (welcome (session.hello_id, true, 3, at (ms)), SESSION_WELCOMED);
}

Test (session, hello_goes_out_at_once_and_then_less_and_less_often)
{
	int64_t sent[20];
	size_t n = 0;
	for (int64_t ms = 0; ms < 30000; ms += 10) {
		if (session_step (&session, false, at (ms)) & SESSION_SEND_HELLO)
			sent[n++] = ms;
	}
	const int64_t wanted[] = { 0, 200, 600, 1400, 3000, 6200, 11200, 16200, 21200, 26200 };
	cr_assert_eq (n, sizeof wanted / sizeof wanted[0]);
	for (size_t i = 0; i < n; i++)
		cr_assert_eq (sent[i], wanted[i], "hello %zu at %lld", i, (long long) sent[i]);
}

Test (session, a_welcome_that_answers_our_hello_is_believed)
{
	be_welcomed (0);
	cr_assert (session.welcomed);
	cr_assert_str_eq (session.collector, "c1");
}

Test (session, a_welcome_recorded_earlier_is_stale)
{
	cr_assert_eq (welcome (0, true, 3, at (0)), SESSION_STALE, "before any hello");
	session_step (&session, false, at (0));
	uint64_t id = session.hello_id;
	cr_assert_eq (welcome (id + 1, true, 3, at (1)), SESSION_STALE);
	cr_assert_eq (welcome (id, true, 2, at (1)), SESSION_STALE, "an earlier incarnation's");
	cr_assert (!session.welcomed);
	cr_assert_eq (welcome (id, true, 3, at (2)), SESSION_WELCOMED);
	cr_assert_eq (welcome (id, true, 3, at (3)), SESSION_STALE, "twice");
}

Test (session, another_clusters_welcome_is_wrong)
{
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__Welcome body = BELFRY__V1__WELCOME__INIT;
	session_step (&session, false, at (0));
	body.cluster = other;
	body.collector = collector;
	body.accepted = true;
	body.incarnation = 3;
	control.id = session.hello_id;
	control.body_case = BELFRY__V1__CONTROL__BODY_WELCOME;
	control.welcome = &body;
	cr_assert_eq (session_take (&session, &control, cluster, 3, at (1)), SESSION_WRONG);
	cr_assert (!session.welcomed);
}

Test (session, a_refused_incarnation_comes_back_with_the_next_at_once_but_not_for_ever)
{
	int64_t ms = 0;
	int hellos = 0;
	for (; ms < 2000; ms += 10) {
		if (session_step (&session, false, at (ms)) & SESSION_SEND_HELLO) {
			hellos++;
			cr_assert_eq (welcome (session.hello_id, false, 9, at (ms)), SESSION_SUPERSEDED);
		}
	}
	cr_assert_leq (hellos, 7, "%d hellos in 2 s", hellos);
	cr_assert_geq (hellos, 3);
	cr_assert (!session.welcomed);
	cr_assert (session_step (&session, false, at (10000)) & SESSION_SEND_HELLO);
	cr_assert_eq (welcome (session.hello_id, false, 3, at (10000)), SESSION_STALE,
	        "a number we have left already");
	cr_assert_eq (welcome (session.hello_id, false, 0, at (10000)), SESSION_WRONG);
	cr_assert_eq (welcome (session.hello_id, false, UINT64_MAX, at (10000)), SESSION_WRONG);
}

Test (session, reports_go_once_a_second_and_sooner_after_a_change)
{
	be_welcomed (0);
	int reports = 0;
	for (int64_t ms = 0; ms < 5000; ms += 10)
		reports += (session_step (&session, false, at (ms)) & SESSION_SEND_REPORT) != 0;
	cr_assert_eq (reports, 5);
	cr_assert_eq (session_step (&session, true, at (5000)), SESSION_SEND_REPORT | SESSION_SEND_HELLO);
	cr_assert_eq (session_step (&session, true, at (5010)), 0, "a storm of changes");
	cr_assert_eq (session_step (&session, true, at (5050)), SESSION_SEND_REPORT);
	cr_assert_eq (session_step (&session, false, at (5060)), 0);
}

Test (session, nothing_is_reported_to_who_did_not_welcome_us)
{
	for (int64_t ms = 0; ms < 5000; ms += 10)
		cr_assert_eq (session_step (&session, true, at (ms)) & SESSION_SEND_REPORT, 0);
}

Test (session, a_collector_that_falls_silent_is_asked_and_then_lost)
{
	be_welcomed (0);
	int64_t asked = 0, lost = 0;
	int losses = 0;
	for (int64_t ms = 10; ms < 30000; ms += 10) {
		unsigned out = session_step (&session, false, at (ms));
		if (out & SESSION_SEND_HELLO && !asked)
			asked = ms;
		if (out & SESSION_LOST) {
			lost = ms;
			losses++;
		}
	}
	cr_assert_eq (asked, 5000);
	cr_assert (lost > 7000 && lost <= 12000, "lost after %lld ms", (long long) lost);
	cr_assert_eq (losses, 1);
	cr_assert (!session.welcomed);
	be_welcomed (31200);
}

Test (session, one_that_goes_on_speaking_is_not_asked_again)
{
	be_welcomed (0);
	for (int64_t ms = 10; ms < 30000; ms += 10) {
		if (ms % 1000 == 0)
			cr_assert_eq (roster ((uint64_t) ms, 1, 32, at (ms)), SESSION_ROSTER);
		cr_assert_eq (session_step (&session, false, at (ms)) & SESSION_SEND_HELLO, 0, "at %lld",
		        (long long) ms);
	}
}

Test (session, a_greeting_goes_out_at_the_next_step)
{
	be_welcomed (0);
	cr_assert_eq (session_step (&session, false, at (100)) & SESSION_SEND_HELLO, 0);
	session_greet (&session, at (100));
	cr_assert (session_step (&session, false, at (100)) & SESSION_SEND_HELLO);
}

Test (session, an_older_roster_is_stale_until_the_collector_begins_again)
{
	cr_assert_eq (roster (1, 1, 32, at (0)), SESSION_STALE, "before any welcome");
	be_welcomed (0);
	cr_assert_eq (roster (5, 1, 32, at (1)), SESSION_ROSTER);
	cr_assert_eq (roster (5, 1, 32, at (2)), SESSION_ROSTER);
	cr_assert_eq (roster (4, 1, 32, at (3)), SESSION_STALE);
	session_greet (&session, at (4));
	be_welcomed (4);
	cr_assert_eq (roster (1, 1, 32, at (5)), SESSION_ROSTER);
}

Test (session, a_roster_beyond_its_bounds_is_wrong)
{
	be_welcomed (0);
	cr_assert_eq (roster (1, SESSION_TARGETS_MAX + 1, 32, at (0)), SESSION_WRONG);
	cr_assert_eq (roster (1, 1, 31, at (0)), SESSION_WRONG);
	cr_assert_eq (roster (1, SESSION_TARGETS_MAX, 0, at (0)), SESSION_ROSTER);
}

Test (session, a_refusal_ends_the_welcome_and_its_delay_is_kept)
{
	be_welcomed (0);
	cr_assert_eq (refused (1234, 0, at (100)), SESSION_REFUSED, "of a report: it knows us no more");
	cr_assert (!session.welcomed);
	cr_assert_eq (session_step (&session, false, at (100)), 0);
	cr_assert (session_step (&session, false, at (300)) & SESSION_SEND_HELLO);
	cr_assert_eq (refused (session.hello_id, 3000, at (300)), SESSION_REFUSED);
	cr_assert_eq (session_step (&session, false, at (3290)), 0);
	cr_assert (session_step (&session, false, at (3300)) & SESSION_SEND_HELLO);
	cr_assert_eq (refused (session.hello_id, UINT32_MAX, at (3300)), SESSION_REFUSED);
	cr_assert (session_step (&session, false, at (10000)) & SESSION_SEND_HELLO,
	        "nobody silences us for weeks");
}

Test (session, what_no_collector_sends_is_wrong)
{
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__Hello hello = BELFRY__V1__HELLO__INIT;
	Belfry__V1__Command command = BELFRY__V1__COMMAND__INIT;
	Belfry__V1__Ack ack = BELFRY__V1__ACK__INIT;
	cr_assert_eq (session_take (&session, &control, cluster, 3, at (0)), SESSION_WRONG, "no body");
	control.body_case = BELFRY__V1__CONTROL__BODY_HELLO;
	control.hello = &hello;
	cr_assert_eq (session_take (&session, &control, cluster, 3, at (0)), SESSION_WRONG);
	control.body_case = BELFRY__V1__CONTROL__BODY_COMMAND;
	control.command = &command;
	cr_assert_eq (
	        session_take (&session, &control, cluster, 3, at (0)), SESSION_STALE, "before any welcome");
	be_welcomed (0);
	cr_assert_eq (session_take (&session, &control, cluster, 3, at (0)), SESSION_COMMAND);
	control.body_case = BELFRY__V1__CONTROL__BODY_ACK;
	control.ack = &ack;
	cr_assert_eq (session_take (&session, &control, cluster, 3, at (0)), SESSION_ACKNOWLEDGED);
}

Test (session, the_next_step_is_known_in_advance)
{
	cr_assert_eq (session_next (&session).ns, at (0).ns);
	be_welcomed (0);
	session_step (&session, false, at (0));
	cr_assert_eq (session_next (&session).ns, at (1000).ns);
	cr_assert_neq (session_id (&session), session_id (&session));
}
