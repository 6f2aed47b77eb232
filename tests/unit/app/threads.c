/* Threads and forks: whoever calls, whenever. A child that hangs is killed by its own alarm. */

#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/belfry.h"
#include "fake_agent.h"

enum { THREADS = 4, EVENTS = 2000, CHILDREN = 30, CHILD_LIMIT_S = 20 };

static fake_agent_t agent;
static belfry_t *app;
static int fd = -1;
static _Atomic bool stop;

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
TestSuite (threads, .init = setup, .fini = teardown);

static void *speak (void *arg)
{
	for (int i = 0; i < EVENTS; i++)
		belfry_log (arg, BELFRY_INFO, NULL, "x");
	return NULL;
}

static void *speak_on (void *arg)
{
	while (!atomic_load (&stop))
		belfry_log (arg, BELFRY_INFO, NULL, "x");
	return NULL;
}

static void *drain (void *arg)
{
	char bytes[4096];
	(void) arg;
	while (recv (fd, bytes, sizeof bytes, 0) > 0)
		continue;
	return NULL;
}

Test (threads, what_several_say_at_once_arrives_once_each)
{
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		cr_assert_eq (pthread_create (&threads[i], NULL, speak, app), 0);
	uint64_t queued, dropped, last = 0, received = 0;
	/* Numbers ascend; where the socket was full one is missing. */
	while (last + (uint64_t) 0 < THREADS * EVENTS) {
		if (!fake_pending (fd)) {
			belfry_counts (app, &queued, &dropped);
			if (queued + dropped == THREADS * EVENTS && !fake_pending (fd))
				break;
			continue;
		}
		Belfry__V1__AppMessage *message = fake_receive (fd);
		cr_assert_gt (message->number, last);
		last = message->number;
		received++;
		fake_free (message);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join (threads[i], NULL);
	belfry_counts (app, &queued, &dropped);
	cr_assert_eq (queued + dropped, THREADS * EVENTS);
	cr_assert_eq (received, queued);
}

Test (threads, a_flush_waits_while_others_speak)
{
	pthread_t speaker;
	cr_assert_eq (pthread_create (&speaker, NULL, speak_on, app), 0);
	pid_t child = fork (); /* the agent's end, answering */
	if (child == 0) {
		alarm (CHILD_LIMIT_S);
		for (;;) {
			Belfry__V1__AppMessage *message = fake_receive (fd);
			if (!message)
				_exit (0);
			if (message->body_case == BELFRY__V1__APP_MESSAGE__BODY_FLUSH)
				fake_ack (
				        fd, message->number, BELFRY__V1__APP_OUTCOME__APP_OUTCOME_QUEUED, "");
			fake_free (message);
		}
	}
	for (int i = 0; i < 20; i++)
		cr_assert_eq (belfry_flush (app, FAKE_LIMIT_MS), 0);
	atomic_store (&stop, true);
	pthread_join (speaker, NULL);
	kill (child, SIGKILL);
	waitpid (child, NULL, 0);
}

static int child_status (pid_t child)
{
	int status = -1;
	cr_assert_eq (waitpid (child, &status, 0), child);
	return status;
}

Test (threads, a_child_opens_its_own_and_leaves_the_parents_alone)
{
	cr_assert_eq (belfry_log (app, BELFRY_INFO, NULL, "parent"), BELFRY_QUEUED);
	pid_t child = fork ();
	if (child == 0) {
		uint64_t queued = 9;
		alarm (CHILD_LIMIT_S);
		belfry_counts (app, &queued, NULL);
		if (queued != 0 || belfry_log (app, BELFRY_INFO, NULL, "child") != BELFRY_QUEUED)
			_exit (1);
		belfry_close (&app);
		_exit (0);
	}
	cr_assert_eq (child_status (child), 0);
	uint64_t number = 9;
	int second = fake_accept_hello (&agent, "billing", &number);
	cr_assert_eq (number, 0, "its own count");
	Belfry__V1__AppMessage *message = fake_receive (second);
	cr_assert_eq (message->number, 1);
	cr_assert_str_eq (message->event->event->log_entry->message, "child");
	cr_assert_eq (message->event->event->log_entry->pid, (uint32_t) child);
	fake_free (message);
	cr_assert_null (fake_receive (second), "the child is gone");
	close (second);

	cr_assert_eq (belfry_log (app, BELFRY_INFO, NULL, "parent"), BELFRY_QUEUED);
	for (uint64_t i = 1; i <= 2; i++) {
		message = fake_receive (fd);
		cr_assert_not_null (message, "the parent's connection goes on");
		cr_assert_eq (message->number, i);
		cr_assert_str_eq (message->event->event->log_entry->message, "parent");
		fake_free (message);
	}
	cr_assert (!fake_pending (fd));
}

Test (threads, a_fork_while_another_thread_speaks_hangs_nobody)
{
	pthread_t speakers[2], drainer;
	cr_assert_eq (pthread_create (&drainer, NULL, drain, NULL), 0);
	for (int i = 0; i < 2; i++)
		cr_assert_eq (pthread_create (&speakers[i], NULL, speak_on, app), 0);
	for (int i = 0; i < CHILDREN; i++) {
		pid_t child = fork ();
		if (child == 0) {
			char text[64];
			alarm (CHILD_LIMIT_S);
			belfry_log (app, BELFRY_INFO, NULL, "child");
			belfry_last_error (app, text, sizeof text);
			belfry_flush (app, 0);
			belfry_close (&app);
			_exit (0);
		}
		cr_assert_eq (child_status (child), 0, "child %d", i);
	}
	atomic_store (&stop, true);
	for (int i = 0; i < 2; i++)
		pthread_join (speakers[i], NULL);
	shutdown (fd, SHUT_RDWR);
	pthread_join (drainer, NULL);
}

Test (threads, a_child_that_closed_all_and_reused_the_numbers_is_not_written_to)
{
	pid_t child = fork ();
	if (child == 0) {
		int pairs[8][2];
		char byte;
		alarm (CHILD_LIMIT_S);
		for (int i = 3; i < 64; i++)
			close (i);
		for (int i = 0; i < 8; i++) {
			if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pairs[i]) < 0)
				_exit (1);
		}
		belfry_log (app, BELFRY_INFO, NULL, "child");
		belfry_close (&app);
		for (int i = 0; i < 8; i++) {
			for (int j = 0; j < 2; j++) {
				if (recv (pairs[i][j], &byte, 1, 0) != -1 || errno != EAGAIN)
					_exit (2);
			}
		}
		_exit (0);
	}
	cr_assert_eq (child_status (child), 0);
}

Test (threads, a_cancelled_thread_leaves_no_lock_behind)
{
	pthread_t drainer;
	cr_assert_eq (pthread_create (&drainer, NULL, drain, NULL), 0);
	for (int i = 0; i < 50; i++) {
		pthread_t speaker;
		atomic_store (&stop, false);
		cr_assert_eq (pthread_create (&speaker, NULL, speak_on, app), 0);
		belfry_log (app, BELFRY_INFO, NULL, "x");
		pthread_cancel (speaker);
		atomic_store (&stop, true); /* it has no other point to be cancelled at */
		pthread_join (speaker, NULL);
		belfry_log (app, BELFRY_INFO, NULL, "x"); /* the test's time limit is the judge */
	}
	shutdown (fd, SHUT_RDWR);
	pthread_join (drainer, NULL);
}
