/* libbelfry and the agent's own inlet, each in its process: what one sends the other has, or counts as
 * missing, whatever happens to the agent meanwhile. */

#include <criterion/criterion.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agents/inlet.h"
#include "app/belfry.h"
#include "base/log.h"

enum { LIMIT_S = 20 };

/* Shared with the agent's process. */
typedef struct {
	_Atomic bool up, stop;
	_Atomic uint64_t accepted, lost, refused, changed;
} shared_t;

static char directory[64], path[108];
static shared_t *shared;
static pid_t agent;
static belfry_t *app;

static int take (void *arg, Belfry__V1__Event *event, const publisher_note_t *note, err_t *err)
{
	(void) arg;
	(void) err;
	(void) event;
	atomic_fetch_add (&shared->accepted, 1); /* here, for a kill may come before the turn is over */
	if (note->changed)
		atomic_fetch_add (&shared->changed, 1);
	return 0;
}

static void agent_run (void)
{
	loop_t *loop = NULL;
	inlet_t *inlet = NULL;
	err_t err = { "" };
	inlet_options_t options = { .path = path };
	log_set_level (LOG_LEVEL_ERROR);
	if (loop_new (&loop) || inlet_new (&options, loop, take, NULL, &inlet, &err)) {
		fprintf (stderr, "%s\n", err.text);
		_exit (1);
	}
	uint64_t lost = atomic_load (&shared->lost);
	atomic_store (&shared->up, true);
	while (!atomic_load (&shared->stop)) {
		if (loop_turn (loop, NS_PER_MS))
			_exit (2);
		const inlet_counters_t *counters = inlet_counters (inlet);
		atomic_store (&shared->lost, lost + counters->lost);
		atomic_store (&shared->refused,
		        counters->malformed + counters->invalid + counters->forbidden + counters->rate);
	}
	inlet_destroy (&inlet);
	loop_destroy (&loop);
	_exit (0);
}

static void agent_start (void)
{
	atomic_store (&shared->up, false);
	atomic_store (&shared->stop, false);
	agent = fork ();
	cr_assert_geq (agent, 0);
	if (agent == 0)
		agent_run ();
}

static void agent_end (int signo)
{
	if (signo)
		kill (agent, signo);
	else
		atomic_store (&shared->stop, true);
	waitpid (agent, NULL, 0);
	agent = 0;
}

/* Repeats until it holds, up to a limit that only a failure reaches. */
#define REPEAT_UNTIL(condition)                                                        \
	do {                                                                           \
		mono_t limit_ = mono_add (mono_now (), LIMIT_S * NS_PER_S);            \
		bool held_ = false;                                                    \
		while (!(held_ = (condition)) && mono_since (limit_, mono_now ()) > 0) \
			poll (NULL, 0, 1);                                             \
		cr_assert (held_, #condition);                                         \
	} while (0)

static void setup (void)
{
	snprintf (directory, sizeof directory, "/tmp/belfry-together-XXXXXX");
	cr_assert_not_null (mkdtemp (directory));
	snprintf (path, sizeof path, "%s/agent.sock", directory);
	shared = mmap (NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq (shared, MAP_FAILED);
	agent_start ();
	REPEAT_UNTIL (atomic_load (&shared->up));
	app = belfry_open ("billing", "1.2", path);
	cr_assert_not_null (app);
}

static void teardown (void)
{
	belfry_close (&app);
	if (agent)
		agent_end (0);
	munmap (shared, sizeof *shared);
	unlink (path);
	cr_assert_eq (rmdir (directory), 0);
}
TestSuite (together, .init = setup, .fini = teardown);

static belfry_outcome_t say (void)
{
	return belfry_log (app, BELFRY_INFO, NULL, "hello");
}

Test (together, every_call_is_let_in)
{
	belfry_sample_t samples[2] = { { .name = "a" }, { .name = "b_total", .counter = true } };
	cr_assert_eq (belfry_lifecycle (app, BELFRY_STARTED, NULL), BELFRY_QUEUED);
	for (int i = 0; i < 3; i++)
		cr_assert_eq (belfry_health (app, "queue", BELFRY_HEALTHY, NULL), BELFRY_QUEUED);
	cr_assert_eq (belfry_gauge (app, "queue_length", 3, NULL), BELFRY_QUEUED);
	cr_assert_eq (belfry_counter (app, "sent_total", 3, "", 0), BELFRY_QUEUED);
	cr_assert_eq (belfry_samples (app, samples, 2), BELFRY_QUEUED);
	cr_assert_eq (belfry_audit (app, "ann", "drop", "t", NULL), BELFRY_QUEUED);
	cr_assert_eq (belfry_log (app, BELFRY_CRITICAL, "db", "x"), BELFRY_QUEUED);
	int r = belfry_flush (app, LIMIT_S * 1000);
	char why[200];
	belfry_last_error (app, why, sizeof why);
	if (geteuid () == 0)
		cr_assert_eq (r, 0, "%s", why);
	else
		cr_assert_eq (r, -EPERM, "%s", why); /* audit is root's, where nobody else is named */
	REPEAT_UNTIL (atomic_load (&shared->accepted) + atomic_load (&shared->refused) == 9);
	cr_assert_eq (atomic_load (&shared->changed), 1, "one of three was a change");
	cr_assert_eq (atomic_load (&shared->lost), 0);
}

Test (together, nothing_is_lost_unseen_when_the_agent_is_killed_and_started_again)
{
	cr_assert_eq (say (), BELFRY_QUEUED);
	cr_assert_eq (belfry_flush (app, LIMIT_S * 1000), 0);
	agent_end (SIGKILL);
	uint64_t dropped = 0;
	for (int i = 0; i < 100; i++)
		dropped += say () == BELFRY_DROPPED;
	cr_assert_eq (dropped, 100);
	agent_start ();
	REPEAT_UNTIL (say () == BELFRY_QUEUED);
	cr_assert_eq (belfry_flush (app, LIMIT_S * 1000), 0);
	uint64_t queued;
	belfry_counts (app, &queued, &dropped);
	REPEAT_UNTIL (atomic_load (&shared->accepted) == queued);
	REPEAT_UNTIL (atomic_load (&shared->lost) == dropped);
}

Test (together, a_stopped_agent_holds_up_nobody_and_sees_the_hole_afterwards)
{
	cr_assert_eq (kill (agent, SIGSTOP), 0);
	uint64_t queued = 0, dropped = 0;
	mono_t before = mono_now ();
	while (dropped < 50 && queued < 1000000) {
		belfry_outcome_t outcome = say ();
		cr_assert (outcome == BELFRY_QUEUED || outcome == BELFRY_DROPPED);
		queued += outcome == BELFRY_QUEUED;
		dropped += outcome == BELFRY_DROPPED;
	}
	cr_assert_lt (mono_since (mono_now (), before), LIMIT_S * NS_PER_S);
	cr_assert_eq (dropped, 50);
	cr_assert_eq (belfry_flush (app, 20), -ETIMEDOUT);
	cr_assert_eq (kill (agent, SIGCONT), 0);
	REPEAT_UNTIL (say () == BELFRY_QUEUED);
	int r = belfry_flush (app, LIMIT_S * 1000);
	cr_assert (r == 0 || r == -EBADMSG, "%d", r); /* so many at once may pass the rate */
	belfry_counts (app, &queued, &dropped);
	REPEAT_UNTIL (atomic_load (&shared->accepted) + atomic_load (&shared->refused) == queued);
	REPEAT_UNTIL (atomic_load (&shared->lost) == dropped);
}
