#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agents/probes/child.h"
#include "agents/probes/child_wire.h"
#include "agents/probes/health/mounts.h"
#include "agents/probes/persistence/store_wire.h"
#include "tests/unit/agents/tree.h"

/* The limit of every wait; time itself is the test's. */
#define LIMIT_NS (20 * NS_PER_S)

static child_t *child;
static mono_t now = { 1000 * NS_PER_S };
static _Alignas(max_align_t) char packet[CHILD_PACKET_MAX];

static void setup (void)
{
	cr_assert_eq (child_new (NULL, "test", &child), 0);
}
static void teardown (void)
{
	child_destroy (&child);
	cr_assert_null (child);
	child_destroy (&child);
}
TestSuite (child, .init = setup, .fini = teardown, .timeout = 60);

static int ask (const char *path)
{
	char body[128] = { 7, 0, 0, 0 };
	size_t size = 4 + (size_t) snprintf (body + 4, sizeof body - 4, "%s", path) + 1;
	return child_ask (child, now, CHILD_ASK_MOUNTS, body, size);
}

/* Packets until the last one; false when the limit passes or the child goes. */
static bool answered (mount_answer_t *ret, size_t *ret_n)
{
	mono_t until = mono_add (mono_now (), LIMIT_NS);
	uint16_t kind;
	size_t size;
	bool last = false;
	*ret_n = 0;
	while (!last && child_asked (child) && mono_since (until, mono_now ()) > 0) {
		child_wait (child, NS_PER_S);
		while (child_take (child, now, &kind, packet, &size, &last)) {
			if (size == sizeof *ret) {
				memcpy (ret, packet, size);
				(*ret_n)++;
			}
		}
	}
	return last;
}

static void start (void)
{
	child_step (child, now);
	cr_assert (child_ready (child), "%s", child_error (child));
}

/* Steps until what was killed is reaped, and its successor runs. */
static void restart (void)
{
	pid_t old = child_pid (child);
	mono_t until = mono_add (mono_now (), LIMIT_NS);
	while (child_pid (child) == old && mono_since (until, mono_now ()) > 0) {
		siginfo_t info;
		(void) waitid (P_PID, (id_t) old, &info, WEXITED | WNOWAIT);
		child_step (child, now);
	}
	cr_assert_neq (child_pid (child), old);
	now = mono_add (now, CHILD_BACKOFF_MAX_NS);
	start ();
}

Test (child, answers_a_request)
{
	mount_answer_t answer;
	size_t n;
	start ();
	cr_assert_eq (ask ("/"), 0);
	cr_assert (answered (&answer, &n));
	cr_assert_eq (n, 1);
	cr_assert_eq (answer.id, 7);
	cr_assert_eq (answer.error, 0);
	cr_assert_gt (answer.size_bytes, 0);
	cr_assert (child_ready (child));
	cr_assert_eq (child_counters (child)->starts, 1);
}

Test (child, says_what_the_kernel_says_of_a_path_that_is_not_there)
{
	mount_answer_t answer;
	size_t n;
	start ();
	cr_assert_eq (ask ("/nonexistent/belfry"), 0);
	cr_assert (answered (&answer, &n));
	cr_assert_eq (answer.error, ENOENT);
}

Test (child, one_request_is_in_flight)
{
	start ();
	cr_assert_eq (ask ("/"), 0);
	cr_assert_eq (ask ("/"), -EAGAIN);
	cr_assert_not (child_ready (child));
}

Test (child, a_request_that_makes_no_sense_is_answered)
{
	static char large[CHILD_PACKET_MAX + 1];
	mount_answer_t answer;
	size_t n;
	start ();
	cr_assert_eq (child_ask (child, now, 99, NULL, 0), 0);
	cr_assert (answered (&answer, &n));
	cr_assert_eq (child_ask (child, now, CHILD_ASK_STORE, "x", 1), 0);
	cr_assert (answered (&answer, &n));
	cr_assert_eq (child_ask (child, now, CHILD_ASK_MOUNTS, "no terminator", 13), 0);
	cr_assert (answered (&answer, &n));
	cr_assert_eq (n, 0);
	cr_assert_eq (child_ask (child, now, CHILD_ASK_MOUNTS, large, sizeof large), -EMSGSIZE);
	cr_assert_eq (child_counters (child)->deaths, 0);
}

Test (child, has_nothing_of_the_agents)
{
	char path[64], text[4096];
	int secret = open ("/dev/zero", O_RDONLY); /* without CLOEXEC: the worst case */
	cr_assert_geq (secret, 0);
	cr_assert_eq (setenv ("BELFRY_SECRET", "x", 1), 0);
	sigset_t all;
	sigfillset (&all);
	cr_assert_eq (sigprocmask (SIG_BLOCK, &all, NULL), 0);
	start ();
	mount_answer_t answer;
	size_t n;
	cr_assert_eq (ask ("/"), 0);
	cr_assert (answered (&answer, &n), "it runs");
	for (int fd = 0; fd < 64; fd++) {
		snprintf (path, sizeof path, "/proc/%d/fd/%d", child_pid (child), fd);
		ssize_t size = readlink (path, text, sizeof text - 1);
		cr_assert_eq (size > 0, fd <= 3, "descriptor %d", fd);
		if (size <= 0)
			continue;
		text[size] = '\0';
		cr_assert (fd < 3 ? strcmp (text, "/dev/null") == 0 : strncmp (text, "socket:", 7) == 0, "%s",
		        text);
	}
	snprintf (path, sizeof path, "/proc/%d/environ", child_pid (child));
	int fd = open (path, O_RDONLY | O_CLOEXEC);
	ssize_t size = read (fd, text, sizeof text - 1);
	close (fd);
	cr_assert_geq (size, 0);
	cr_assert_null (memmem (text, (size_t) size, "BELFRY", 6));
	snprintf (path, sizeof path, "/proc/%d/status", child_pid (child));
	fd = open (path, O_RDONLY | O_CLOEXEC);
	size = read (fd, text, sizeof text - 1);
	close (fd);
	cr_assert_gt (size, 0);
	text[size] = '\0';
	cr_assert_not_null (strstr (text, "SigBlk:\t0000000000000000"), "%s", text);
	close (secret);
}

Test (child, one_that_hangs_is_counted_killed_and_replaced)
{
	mount_answer_t answer;
	size_t n;
	start ();
	pid_t pid = child_pid (child);
	cr_assert_eq (kill (pid, SIGSTOP), 0);
	cr_assert_eq (ask ("/"), 0);
	for (int i = 1; i <= 29; i++) {
		now = mono_add (now, NS_PER_S);
		mono_t before = mono_now ();
		child_step (child, now);
		cr_assert_lt (mono_since (mono_now (), before), NS_PER_S, "a step waits for nothing");
		cr_assert_eq (child_silent_ns (child, now), i * NS_PER_S);
		cr_assert_eq (child_pid (child), pid, "never more than one");
	}
	cr_assert_eq (child_counters (child)->kills, 0);
	now = mono_add (now, NS_PER_S);
	child_step (child, now);
	cr_assert_eq (child_counters (child)->kills, 1);
	cr_assert_not (child_ready (child));
	restart ();
	cr_assert_eq (child_silent_ns (child, now), 0);
	cr_assert_eq (ask ("/"), 0);
	cr_assert (answered (&answer, &n));
	cr_assert_eq (answer.error, 0);
	cr_assert_eq (child_counters (child)->starts, 2);
}

Test (child, one_that_was_slow_answers_late)
{
	mount_answer_t answer;
	size_t n;
	start ();
	cr_assert_eq (kill (child_pid (child), SIGSTOP), 0);
	cr_assert_eq (ask ("/"), 0);
	now = mono_add (now, 20 * NS_PER_S);
	child_step (child, now);
	cr_assert_eq (kill (child_pid (child), SIGCONT), 0);
	cr_assert (answered (&answer, &n));
	cr_assert_eq (n, 1);
	cr_assert_eq (child_silent_ns (child, now), 0);
	cr_assert_eq (child_counters (child)->kills, 0);
}

Test (child, one_that_dies_comes_again_after_a_while)
{
	mount_answer_t answer;
	size_t n;
	start ();
	cr_assert_eq (kill (child_pid (child), SIGSEGV), 0);
	siginfo_t info;
	cr_assert_eq (waitid (P_PID, (id_t) child_pid (child), &info, WEXITED | WNOWAIT), 0);
	cr_assert_eq (ask ("/"), -EAGAIN, "it is seen when it is asked");
	child_step (child, now);
	cr_assert_eq (child_pid (child), 0);
	cr_assert_str_not_empty (child_error (child));
	now = mono_add (now, CHILD_BACKOFF_FIRST_NS - 1);
	child_step (child, now);
	cr_assert_eq (child_pid (child), 0, "not before its time");
	now = mono_add (now, 1);
	start ();
	cr_assert_eq (ask ("/"), 0);
	cr_assert (answered (&answer, &n));
	cr_assert_str_empty (child_error (child));
}

Test (child, a_program_that_is_not_there_is_tried_ever_more_seldom)
{
	child_t *none;
	cr_assert_eq (child_new ("/nonexistent/belfry-agent", "test", &none), 0);
	int64_t waits[] = { 0, 1, 2, 4, 8, 16, 32, 60, 60 };
	for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
		uint64_t failures = child_counters (none)->failures;
		if (waits[i]) {
			child_step (none, mono_add (now, waits[i] * NS_PER_S - 1));
			cr_assert_eq (child_counters (none)->failures, failures, "try %zu is early", i);
		}
		now = mono_add (now, waits[i] * NS_PER_S);
		child_step (none, now);
		cr_assert_eq (child_counters (none)->failures, failures + 1, "try %zu", i);
		cr_assert_not (child_ready (none));
	}
	cr_assert_not_null (strstr (child_error (none), "/nonexistent/belfry-agent"));
	cr_assert_not_null (strstr (child_error (none), strerror (ENOENT)));
	cr_assert_eq (child_counters (none)->starts, 0);
	child_destroy (&none);
}

Test (child, a_program_that_is_no_agent_is_said_to_end)
{
	child_t *wrong;
	cr_assert_eq (child_new ("/bin/false", "test", &wrong), 0);
	child_step (wrong, now);
	pid_t pid = child_pid (wrong);
	cr_assert_neq (pid, 0);
	siginfo_t info;
	cr_assert_eq (waitid (P_PID, (id_t) pid, &info, WEXITED | WNOWAIT), 0);
	uint16_t kind;
	size_t size;
	bool last;
	cr_assert_not (child_take (wrong, now, &kind, packet, &size, &last));
	child_step (wrong, now);
	cr_assert_not_null (strstr (child_error (wrong), "status 1"), "%s", child_error (wrong));
	child_destroy (&wrong);
}

Test (child, ends_with_its_socket)
{
	start ();
	pid_t pid = child_pid (child);
	int fd = (int) syscall (SYS_pidfd_open, pid, 0);
	cr_assert_geq (fd, 0);
	child_destroy (&child);
	errno = 0;
	cr_assert_eq (waitpid (pid, NULL, WNOHANG), -1, "it is reaped");
	cr_assert_eq (errno, ECHILD);
	close (fd);
}

static bool served (int fd, uint16_t kind, const void *body, size_t size)
{
	child_header_t header = { .kind = kind };
	memcpy (packet, &header, sizeof header);
	memcpy (packet + sizeof header, body, size);
	if (send (fd, packet, sizeof header + size, MSG_NOSIGNAL) < 0)
		return false;
	do {
		if (recv (fd, packet, sizeof packet, 0) < (ssize_t) sizeof header)
			return false;
		memcpy (&header, packet, sizeof header);
	} while (!header.last);
	return header.kind != 0;
}

/* Its side without the exec, so that what a sanitizer says of it is heard: a leak is a status too. */
Test (child, its_side_ends_with_status_0)
{
	static store_ask_t store = { .path = "/proc/self/task", .budget = { 1000, NS_PER_S, NS_PER_S } };
	int fds[2], status;
	tree_make ();
	strcpy (store.probe_path, tree_path ("probe"));
	cr_assert_eq (socketpair (AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	pid_t pid = fork ();
	if (pid == 0) {
		close (fds[0]);
		if (fds[1] != 3)
			dup2 (fds[1], 3);
		if (fds[1] != 3)
			close (fds[1]);
		exit (child_main (2, (char *[]){ (char[]){ "agent" }, (char[]){ CHILD_ARGUMENT }, NULL }));
	}
	close (fds[1]);
	cr_assert (served (fds[0], CHILD_ASK_MOUNTS, "\1\0\0\0/\0\2\0\0\0/nonexistent", 4 + 2 + 4 + 13));
	cr_assert (served (fds[0], CHILD_ASK_STORE, &store, sizeof store));
	store.budget.cpu_ns = 0;
	cr_assert (served (fds[0], CHILD_ASK_STORE, &store, sizeof store), "a walk is left under way");
	strcpy (store.path, "/nonexistent");
	strcpy (store.probe_path, "/nonexistent/probe");
	cr_assert (served (fds[0], CHILD_ASK_STORE, &store, sizeof store));
	cr_assert_not (served (fds[0], 99, "", 0));
	close (fds[0]);
	cr_assert_eq (waitpid (pid, &status, 0), pid);
	cr_assert (WIFEXITED (status) && WEXITSTATUS (status) == 0, "status %x", (unsigned) status);
	tree_remove ();
}

Test (child, typed_by_hand_it_says_so)
{
	int status;
	pid_t pid = fork ();
	if (pid == 0) {
		close (3);
		exit (child_main (2, (char *[]){ (char[]){ "agent" }, (char[]){ CHILD_ARGUMENT }, NULL }));
	}
	cr_assert_eq (waitpid (pid, &status, 0), pid);
	cr_assert (WIFEXITED (status) && WEXITSTATUS (status) == 2);
}

/* A parent that is killed says nothing and closes nothing; a child that is stopped reads nothing. */
Test (child, dies_with_its_parent_even_stopped)
{
	int pipes[2];
	cr_assert_eq (pipe (pipes), 0);
	pid_t parent = fork ();
	if (parent == 0) {
		child_t *grandchild = NULL;
		mount_answer_t answer;
		size_t n;
		if (child_new (NULL, "test", &grandchild) == 0) {
			child = grandchild;
			child_step (child, now);
			/* Once it answers it has said whose it is. */
			(void) ask ("/");
			(void) answered (&answer, &n);
			pid_t pid = child_pid (child);
			kill (pid, SIGSTOP);
			(void) !write (pipes[1], &pid, sizeof pid);
		}
		pause ();
		_exit (1);
	}
	pid_t pid = 0;
	cr_assert_eq (read (pipes[0], &pid, sizeof pid), (ssize_t) sizeof pid);
	int fd = (int) syscall (SYS_pidfd_open, pid, 0);
	cr_assert_geq (fd, 0);
	kill (parent, SIGKILL);
	waitpid (parent, NULL, 0);
	struct pollfd death = { .fd = fd, .events = POLLIN };
	cr_assert_eq (poll (&death, 1, 10000), 1, "it lives on");
	close (fd);
	close (pipes[0]);
	close (pipes[1]);
}
