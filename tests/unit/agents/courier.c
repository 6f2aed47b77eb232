/* When what is not acknowledged goes again: each case is a story of steps in virtual time. */

#include <criterion/criterion.h>

#include "agents/courier.h"

enum { INCARNATION = 7, OLD = 5 };

static courier_t courier;
static mono_t now;

static void setup (void)
{
	courier_init (&courier);
	now = (mono_t){ 1000 * NS_PER_S };
}
TestSuite (courier, .init = setup);

static void pass (int64_t ms)
{
	now = mono_add (now, ms * NS_PER_MS);
}

static void welcome (uint64_t newest, bool older)
{
	courier_welcomed (&courier, INCARNATION, newest, older, 0, 0, now);
}

static void commit (uint64_t first, uint64_t last, bool sent)
{
	for (uint64_t i = first; i <= last; i++)
		courier_committed (&courier, INCARNATION, i, sent, now);
}

static void acknowledge (uint64_t newest)
{
	courier_acknowledged (&courier, INCARNATION, newest, 0, 0, now);
}

/* How many events are wanted now; 0: none. */
static size_t wanted (void)
{
	size_t events = 0, bytes = 0;
	return courier_step (&courier, now, &events, &bytes) ? events : 0;
}

static void resent (size_t n, uint64_t incarnation, uint64_t last)
{
	courier_read (&courier, COURIER_SENT, n, incarnation, last, now);
}

/* Milliseconds until something is wanted, by steps of ten; -1 when it is not within limit_ms. */
static int64_t wanted_after (int64_t limit_ms)
{
	for (int64_t ms = 0; ms <= limit_ms; ms += 10) {
		if (wanted ())
			return ms;
		pass (10);
	}
	return -1;
}

Test (courier, nothing_goes_before_a_welcome)
{
	commit (1, 3, false);
	cr_assert_eq (wanted_after (10000), -1);
}

Test (courier, what_was_sent_and_is_acknowledged_in_time_never_goes_again)
{
	welcome (0, false);
	for (uint64_t i = 1; i <= 200; i++) {
		commit (i, i, true);
		pass (20);
		cr_assert_eq (wanted (), 0);
		acknowledge (i);
	}
	cr_assert_eq (wanted_after (2000), -1);
	cr_assert_eq (courier.resends, 0);
}

Test (courier, what_is_lost_goes_again_after_200_ms)
{
	welcome (0, false);
	cr_assert_eq (wanted (), 0);
	commit (1, 1, true);
	cr_assert_eq (wanted_after (1000), 200);
}

Test (courier, slow_acknowledgements_are_given_four_times_their_time)
{
	welcome (0, false);
	for (uint64_t i = 1; i <= 50; i++) {
		commit (i, i, true);
		pass (150);
		acknowledge (i);
	}
	commit (51, 51, true);
	int64_t took = wanted_after (2000);
	cr_assert (took >= 580 && took <= 620, "%ld", (long) took);
}

Test (courier, what_was_committed_before_the_welcome_goes_at_once)
{
	commit (1, 10, false);
	welcome (4, false);
	cr_assert_eq (wanted (), 6, "the welcome says how far it is");
	cr_assert_eq (wanted (), 0, "one reading at a time");
}

Test (courier, older_incarnations_go_first_and_at_once)
{
	welcome (0, true);
	cr_assert_gt (wanted (), 0);
	resent (3, OLD, 3);
	courier_older (&courier, true, now);
	pass (5);
	courier_acknowledged (&courier, OLD, 3, 0, 0, now);
	cr_assert_gt (wanted (), 0, "all of it came: what is behind it goes at once");
	courier_read (&courier, COURIER_NOTHING, 0, 0, 0, now);
	courier_older (&courier, false, now);
	cr_assert_eq (wanted_after (10000), -1, "nothing is left");
}

Test (courier, a_drain_goes_on_with_each_acknowledgement_and_never_above_the_credit)
{
	commit (1, 1000, false);
	courier_welcomed (&courier, INCARNATION, 0, false, 100, 5000, now);
	size_t events = 0, bytes = 0;
	for (uint64_t through = 0; through < 1000; through += 100) {
		cr_assert (courier_step (&courier, now, &events, &bytes), "%lu", (unsigned long) through);
		cr_assert_eq (events, 100);
		cr_assert_eq (bytes, 5000);
		resent (100, INCARNATION, through + 100);
		cr_assert_eq (wanted (), 0, "not before the acknowledgement");
		pass (3);
		courier_acknowledged (&courier, INCARNATION, through + 100, 100, 5000, now);
	}
	cr_assert_eq (wanted_after (5000), -1);
	cr_assert_eq (courier.resent, 1000);
}

Test (courier, a_credit_beyond_our_own_bounds_is_not_used)
{
	commit (1, 1000, false);
	courier_welcomed (&courier, INCARNATION, 0, false, 100000, UINT32_MAX, now);
	size_t events = 0, bytes = 0;
	cr_assert (courier_step (&courier, now, &events, &bytes));
	cr_assert_eq (events, COURIER_EVENTS_MAX);
	cr_assert_eq (bytes, COURIER_BYTES_MAX);
}

Test (courier, what_nobody_acknowledges_goes_later_and_later_up_to_5_s)
{
	static const int64_t waits[] = { 200, 400, 800, 1600, 3200, 5000, 5000 };
	commit (1, 1, false);
	welcome (0, false);
	cr_assert_eq (wanted (), 1);
	resent (1, INCARNATION, 1);
	for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
		cr_assert_eq (wanted_after (20000), waits[i], "after %zu", i);
		resent (1, INCARNATION, 1);
	}
	pass (10);
	acknowledge (1);
	commit (2, 2, true);
	cr_assert_eq (wanted_after (20000), 200, "an answer ends the backing off");
}

Test (courier, what_cannot_be_sent_backs_off_too)
{
	commit (1, 1, false);
	welcome (0, false);
	static const int64_t waits[] = { 200, 400, 800, 1600, 3200, 5000, 5000 };
	cr_assert_eq (wanted (), 1);
	for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
		courier_read (&courier, COURIER_FAILED, 0, 0, 0, now);
		cr_assert_eq (wanted_after (20000), waits[i], "after %zu", i);
	}
}

Test (courier, an_acknowledgement_of_a_part_gives_the_rest_its_time)
{
	commit (1, 100, false);
	welcome (0, false);
	cr_assert_eq (wanted (), 100);
	resent (100, INCARNATION, 100);
	for (uint64_t part = 10; part < 100; part += 10) {
		pass (150);
		cr_assert_eq (wanted (), 0);
		acknowledge (part);
	}
	cr_assert_eq (wanted_after (2000), 200, "counted from the last word");
}

Test (courier, an_old_acknowledgement_changes_nothing)
{
	welcome (0, false);
	commit (1, 10, true);
	pass (10);
	acknowledge (10);
	acknowledge (4);
	acknowledge (0);
	cr_assert_eq (wanted_after (5000), -1);
	commit (11, 11, true);
	pass (100);
	acknowledge (10);
	pass (90);
	acknowledge (10);
	pass (10);
	cr_assert_eq (wanted (), 1, "words that bring nothing give no patience");
}

/* A collector that has what it was sent a tick later, and says so another tick later. */
Test (courier, one_lost_event_does_not_make_all_that_follow_go_twice)
{
	enum { TICKS = 1000, LOST = 50, NEVER = 2 * TICKS };
	int has[TICKS + 1] = { 0 };
	uint64_t through = 0;
	size_t again = 0;
	welcome (0, false);
	for (int tick = 1; tick < TICKS; tick++, pass (10)) {
		commit ((uint64_t) tick, (uint64_t) tick, true);
		has[tick] = tick == LOST ? NEVER : tick + 1;
		size_t n = wanted ();
		if (n) {
			uint64_t first = courier.acknowledged + 1, last = courier.acknowledged + n;
			last = last < (uint64_t) tick ? last : (uint64_t) tick;
			for (uint64_t i = first; i <= last; i++)
				has[i] = has[i] < tick + 1 ? has[i] : tick + 1;
			again += last - first + 1;
			resent (last - first + 1, INCARNATION, last);
		}
		while (through < (uint64_t) tick && has[through + 1] <= tick - 1)
			through++;
		acknowledge (through);
	}
	cr_assert_gt (again, 0, "it was lost");
	cr_assert_lt (again, 60, "%zu went again: what arrives on the stream is not sent twice", again);
	cr_assert_leq (courier.resends, 3, "%lu", (unsigned long) courier.resends);
}

Test (courier, a_collector_that_knows_less_than_the_spool_keeps_is_not_asked_for_ever)
{
	welcome (0, false);
	commit (1, 10, true);
	acknowledge (10);
	/* Another journal under its name: what was acknowledged before is gone from the spool. */
	courier_lost (&courier);
	welcome (0, false);
	cr_assert_gt (wanted (), 0);
	courier_read (&courier, COURIER_NOTHING, 0, 0, 0, now);
	cr_assert_eq (wanted_after (20000), -1, "the spool has nothing: nothing waits");
	cr_assert_not (courier_waits (&courier));
}

Test (courier, a_welcome_that_comes_again_disturbs_nothing)
{
	welcome (0, false);
	commit (1, 5, true);
	pass (100);
	welcome (2, false);
	cr_assert_eq (wanted (), 0, "what was sent has its time");
	pass (100);
	cr_assert_eq (wanted (), 3);
}

Test (courier, a_lost_collector_gets_nothing_and_a_new_welcome_begins_at_once)
{
	welcome (0, false);
	commit (1, 5, true);
	courier_lost (&courier);
	cr_assert_eq (wanted_after (10000), -1);
	welcome (3, false);
	cr_assert_eq (wanted (), 2);
}

Test (courier, a_reading_that_ends_after_the_loss_does_not_hold_the_next_welcome_up)
{
	commit (1, 5, false);
	welcome (0, false);
	cr_assert_eq (wanted (), 5);
	courier_lost (&courier);
	courier_read (&courier, COURIER_FAILED, 0, 0, 0, now);
	pass (1);
	welcome (0, false);
	cr_assert_eq (wanted (), 5);
}

Test (courier, another_incarnation_begins_its_count_anew)
{
	welcome (0, false);
	commit (1, 100, true);
	courier_committed (&courier, INCARNATION + 1, 3, false, now);
	courier_welcomed (&courier, INCARNATION + 1, 0, false, 0, 0, now);
	cr_assert_eq (wanted (), 3, "its own three, not the hundred of the one before");
}
