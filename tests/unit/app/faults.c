/* An application is never held up and never harmed, and what is lost is known: no agent, a slow one,
 * one that dies and comes back, no descriptors, garbage. */

#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "app/belfry.h"
#include "base/clock.h"
#include "fake_agent.h"

static fake_agent_t agent;
static belfry_t *app;
static int fd = -1;
static char why[256];

static void setup (void)
{
	fake_agent_make (&agent, true);
	app = belfry_open ("billing", NULL, agent.path);
	cr_assert_not_null (app);
	fd = fake_accept_hello (&agent, "billing", NULL);
}

static void teardown (void)
{
	belfry_close (&app);
	close (fd);
	fake_agent_clear (&agent);
}
TestSuite (faults, .init = setup, .fini = teardown);

static belfry_outcome_t say (void)
{
	return belfry_log (app, BELFRY_INFO, NULL, "hello");
}

/* The number of the next message. */
static uint64_t number_next (void)
{
	Belfry__V1__AppMessage *message = fake_receive (fd);
	cr_assert_not_null (message);
	uint64_t number = message->number;
	fake_free (message);
	return number;
}

/* Repeats until it holds, up to a limit that only a failure reaches. */
#define REPEAT_UNTIL(condition)                                                        \
	do {                                                                           \
		mono_t limit_ = mono_add (mono_now (), FAKE_LIMIT_MS * NS_PER_MS);     \
		bool held_ = false;                                                    \
		while (!(held_ = (condition)) && mono_since (limit_, mono_now ()) > 0) \
			poll (NULL, 0, 1);                                             \
		cr_assert (held_, #condition);                                         \
	} while (0)

Test (alone, without_an_agent_events_are_dropped_and_counted_and_errno_is_left_alone)
{
	fake_agent_make (&agent, false);
	errno = ERANGE;
	app = belfry_open ("billing", NULL, agent.path);
	cr_assert_not_null (app, "an agent that is not there yet is no failure");
	for (int i = 0; i < 5; i++)
		cr_assert_eq (say (), BELFRY_DROPPED);
	cr_assert_eq (belfry_flush (app, 1000), -ENOTCONN, "at once");
	belfry_disable (app);
	belfry_close (NULL);
	belfry_enable (app);
	cr_assert_eq (belfry_gauge (app, "", 1, NULL), BELFRY_INVALID);
	cr_assert_eq (errno, ERANGE);
	uint64_t queued, dropped;
	belfry_counts (app, &queued, &dropped);
	cr_assert_eq (queued, 0);
	cr_assert_eq (dropped, 6);
	cr_assert_eq (belfry_dropped (app, BELFRY_DROP_AGENT), 5);
	cr_assert_eq (belfry_flush (app, 0), -ENOTCONN);
	belfry_last_error (app, why, sizeof why);
	cr_assert_str_eq (why, "No such file or directory");
	errno = ERANGE;

	/* It comes: the hole is there to be seen. */
	fake_agent_listen (&agent);
	cr_assert_eq (belfry_flush (app, 0), -ETIMEDOUT);
	uint64_t hello = 9;
	fd = fake_accept_hello (&agent, "billing", &hello);
	cr_assert_eq (hello, 0);
	cr_assert_eq (number_next (), 6, "five are missing");
	cr_assert_eq (say (), BELFRY_QUEUED);
	cr_assert_eq (number_next (), 7);
	belfry_close (&app);
	close (fd);
	fake_agent_clear (&agent);
}

Test (alone, an_agent_that_comes_later_is_found_by_the_calls)
{
	fake_agent_make (&agent, false);
	app = belfry_open ("billing", NULL, agent.path);
	cr_assert_eq (say (), BELFRY_DROPPED);
	fake_agent_listen (&agent);
	REPEAT_UNTIL (say () == BELFRY_QUEUED);
	fd = fake_accept_hello (&agent, "billing", NULL);
	uint64_t dropped;
	belfry_counts (app, NULL, &dropped);
	cr_assert_eq (number_next (), dropped + 1);
	belfry_close (&app);
	close (fd);
	fake_agent_clear (&agent);
}

Test (faults, a_full_socket_drops_at_once_and_leaves_a_hole)
{
	uint64_t queued = 0;
	int64_t longest_ns = 0;
	cr_assert_eq (say (), BELFRY_QUEUED);
	mono_t before = mono_now ();
	while (say () == BELFRY_QUEUED) {
		mono_t now = mono_now ();
		longest_ns = mono_since (now, before) > longest_ns ? mono_since (now, before) : longest_ns;
		before = now;
		cr_assert_lt (++queued, 1000000, "the socket has no end");
	}
	cr_assert_lt (longest_ns, NS_PER_S, "nothing waited");
	cr_assert_eq (say (), BELFRY_DROPPED);
	cr_assert_eq (belfry_dropped (app, BELFRY_DROP_FULL), 2);
	cr_assert_eq (belfry_flush (app, 10), -ETIMEDOUT);
	uint64_t number = 0;
	while (fake_pending (fd)) {
		uint64_t next = number_next ();
		cr_assert_eq (next, number + 1);
		number = next;
	}
	cr_assert_eq (say (), BELFRY_QUEUED);
	cr_assert_eq (number_next (), number + 3, "two are missing, the flush that found no room is none");
}

Test (faults, an_agent_that_accepts_nobody_holds_up_nobody)
{
	mono_t before = mono_now ();
	belfry_t *apps[200] = { NULL };
	int dropped = 0;
	for (int i = 0; i < 200; i++) {
		apps[i] = belfry_open ("crowd", NULL, agent.path);
		cr_assert_not_null (apps[i]);
		dropped += belfry_log (apps[i], BELFRY_INFO, NULL, "x") == BELFRY_DROPPED;
	}
	cr_assert_gt (dropped, 0, "the queue of the listener is full");
	cr_assert_lt (mono_since (mono_now (), before), 5 * NS_PER_S);
	for (int i = 0; i < 200; i++)
		belfry_close (&apps[i]);
}

Test (faults, an_agent_that_is_killed_and_started_again_is_found_and_nobody_gets_a_signal)
{
	cr_assert_eq (say (), BELFRY_QUEUED);
	cr_assert_eq (number_next (), 1);
	signal (SIGPIPE, SIG_DFL);
	close (fd);
	fake_agent_die (&agent);
	cr_assert_eq (say (), BELFRY_DROPPED);
	fake_agent_listen (&agent);
	REPEAT_UNTIL (say () == BELFRY_QUEUED);
	uint64_t hello = 0, dropped;
	fd = fake_accept_hello (&agent, "billing", &hello);
	cr_assert_eq (hello, 1, "the last that a socket took");
	belfry_counts (app, NULL, &dropped);
	cr_assert_eq (number_next (), 1 + dropped + 1);
}

Test (faults, what_a_dead_agent_had_not_confirmed_is_said_by_the_next_flush)
{
	cr_assert_eq (say (), BELFRY_QUEUED);
	close (fd);
	fake_agent_die (&agent);
	fake_agent_listen (&agent);
	cr_assert_eq (belfry_flush (app, 0), -ECONNRESET);
	belfry_last_error (app, why, sizeof why);
	cr_assert_not_null (strstr (why, "confirmed"), "%s", why);
	fd = fake_accept_hello (&agent, "billing", NULL);
	uint64_t number = number_next ();
	fake_ack (fd, number, BELFRY__V1__APP_OUTCOME__APP_OUTCOME_QUEUED, "");
	cr_assert_eq (say (), BELFRY_QUEUED);
	number = number_next ();
	fake_ack (fd, number + 1, BELFRY__V1__APP_OUTCOME__APP_OUTCOME_QUEUED, "");
	cr_assert_eq (belfry_flush (app, FAKE_LIMIT_MS), 0, "once is enough");
	number_next ();
	close (fd);
	fake_agent_die (&agent);
	fake_agent_listen (&agent);
	fd = -1;
	cr_assert_eq (belfry_flush (app, 0), -ETIMEDOUT, "all of it was confirmed");
}

Test (faults, a_flush_waits_for_its_answer)
{
	cr_assert_eq (say (), BELFRY_QUEUED);
	number_next ();
	cr_assert_eq (belfry_flush (app, 0), -ETIMEDOUT);
	uint64_t number = number_next ();
	fake_ack (fd, number, BELFRY__V1__APP_OUTCOME__APP_OUTCOME_QUEUED, "");
	cr_assert_eq (belfry_flush (app, 0), -ETIMEDOUT, "the old answer is not this one's");
	number = number_next ();
	fake_ack (fd, number + 1, BELFRY__V1__APP_OUTCOME__APP_OUTCOME_COMMITTED, "");
	cr_assert_eq (belfry_flush (app, FAKE_LIMIT_MS), 0);
}

Test (faults, a_flush_tells_what_was_refused)
{
	static const struct {
		Belfry__V1__AppOutcome outcome;
		int r;
	} cases[] = {
		{ BELFRY__V1__APP_OUTCOME__APP_OUTCOME_REFUSED, -EPERM },
		{ BELFRY__V1__APP_OUTCOME__APP_OUTCOME_DROPPED, -EBADMSG },
	};
	for (size_t i = 0; i < 2; i++) {
		cr_assert_eq (say (), BELFRY_QUEUED);
		uint64_t number = number_next ();
		fake_ack (fd, number + 1, cases[i].outcome, "not\xff you");
		cr_assert_eq (belfry_flush (app, FAKE_LIMIT_MS), cases[i].r);
		belfry_last_error (app, why, sizeof why);
		cr_assert_str_eq (why, "not? you");
		number = number_next ();
		fake_ack (fd, number + 1, BELFRY__V1__APP_OUTCOME__APP_OUTCOME_QUEUED, "");
		cr_assert_eq (belfry_flush (app, FAKE_LIMIT_MS), 0, "said once");
		number_next ();
	}
}

Test (faults, the_agents_last_word_is_heard)
{
	cr_assert_eq (say (), BELFRY_QUEUED);
	fake_ack (fd, 0, BELFRY__V1__APP_OUTCOME__APP_OUTCOME_REFUSED, "the source is reserved");
	close (fd); /* with the event unread: a reset, yet what was said before it arrives */
	fd = -1;
	cr_assert_eq (belfry_flush (app, 0), -EPERM);
	belfry_last_error (app, why, sizeof why);
	cr_assert_str_eq (why, "the source is reserved");
}

Test (faults, what_the_agent_does_not_want_is_not_sent_until_it_does)
{
	fake_control (fd, true, BELFRY__V1__SEVERITY__SEVERITY_WARNING);
	cr_assert_eq (belfry_flush (app, 0), -ETIMEDOUT);
	number_next ();
	cr_assert_eq (say (), BELFRY_DISABLED);
	cr_assert_eq (belfry_gauge (app, "a", 1, NULL), BELFRY_DISABLED);
	cr_assert_eq (
	        belfry_audit (app, "ann", "drop", NULL, NULL), BELFRY_QUEUED, "no filter keeps it back");
	number_next ();
	cr_assert_eq (belfry_log (app, BELFRY_WARNING, NULL, "x"), BELFRY_QUEUED);
	number_next ();
	fake_control (fd, false, BELFRY__V1__SEVERITY__SEVERITY_UNSPECIFIED);
	cr_assert_eq (belfry_flush (app, 0), -ETIMEDOUT);
	number_next ();
	cr_assert_eq (belfry_log (app, BELFRY_CRITICAL, NULL, "x"), BELFRY_DISABLED);
	cr_assert_eq (belfry_audit (app, "ann", "drop", NULL, NULL), BELFRY_DISABLED);
	uint64_t dropped;
	belfry_counts (app, NULL, &dropped);
	cr_assert_eq (dropped, 0);

	/* It is heard although nothing is sent any more. */
	fake_control (fd, true, BELFRY__V1__SEVERITY__SEVERITY_UNSPECIFIED);
	REPEAT_UNTIL (say () == BELFRY_QUEUED);
}

Test (faults, what_a_dead_agent_did_not_want_the_next_one_may)
{
	fake_control (fd, false, BELFRY__V1__SEVERITY__SEVERITY_UNSPECIFIED);
	cr_assert_eq (belfry_flush (app, 0), -ETIMEDOUT);
	cr_assert_eq (say (), BELFRY_DISABLED);
	close (fd);
	fake_agent_die (&agent);
	fake_agent_listen (&agent);
	REPEAT_UNTIL (say () == BELFRY_QUEUED);
	fd = fake_accept_hello (&agent, "billing", NULL);
}

Test (faults, garbage_from_the_agent_does_nothing)
{
	static const char *const garbage[] = { "", "\xff", "\x08\x01\x2a\x7f", "hello",
		"\x08\x01\x2a\x02\x10\x63", "\x08\x01\x3a\x02\x10\x63" };
	char big[4000];
	memset (big, 'x', sizeof big);
	for (size_t i = 1; i < sizeof garbage / sizeof *garbage; i++)
		cr_assert_eq (send (fd, garbage[i], strlen (garbage[i]), 0), (ssize_t) strlen (garbage[i]));
	cr_assert_eq (send (fd, big, sizeof big, 0), (ssize_t) sizeof big);
	cr_assert_eq (belfry_flush (app, 0), -ETIMEDOUT);
	number_next ();
	(void) belfry_audit (app, "ann", "drop", NULL, NULL);
	(void) say ();
	cr_assert_neq (belfry_flush (app, 0), -ENOTCONN);
}

Test (faults, without_descriptors_events_are_dropped)
{
	struct rlimit limit, none;
	cr_assert_eq (getrlimit (RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	cr_assert_eq (setrlimit (RLIMIT_NOFILE, &none), 0);
	belfry_t *second = belfry_open ("second", NULL, agent.path);
	belfry_outcome_t outcome = second ? belfry_log (second, BELFRY_INFO, NULL, "x") : BELFRY_QUEUED;
	cr_assert_eq (setrlimit (RLIMIT_NOFILE, &limit), 0);
	cr_assert_not_null (second);
	cr_assert_eq (outcome, BELFRY_DROPPED);
	cr_assert_eq (belfry_flush (second, 0), -ETIMEDOUT, "and it is found as soon as there are some");
	belfry_close (&second);
}

static bool leads_to (int descriptor, const char *path)
{
	struct sockaddr_un at = { 0 };
	socklen_t size = sizeof at;
	return getpeername (descriptor, (struct sockaddr *) &at, &size) == 0 && at.sun_family == AF_UNIX &&
	       strcmp (at.sun_path, path) == 0;
}

Test (faults, a_host_that_closed_our_descriptor_and_reused_its_number_is_not_harmed)
{
	/* As daemons do: close everything, then open their own. */
	int ours = 3;
	while (ours < 256 && !leads_to (ours, agent.path))
		ours++;
	cr_assert_lt (ours, 256);
	int file = open ("/dev/null", O_WRONLY | O_CLOEXEC);
	cr_assert_eq (dup2 (file, ours), ours);
	close (file);
	(void) say ();
	belfry_close (&app);
	cr_assert_neq (fcntl (ours, F_GETFD), -1, "the host's file is still open");
	close (ours);
}
