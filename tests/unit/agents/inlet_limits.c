/* The applications' socket: who may come, how many, how much, and the file in its directory. */

#include "inlet_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534 };

TestSuite (inlet_limits, .init = inlet_setup, .fini = inlet_teardown);
TestSuite (inlet_file, .init = place_make, .fini = inlet_teardown);

/* A connection of another user's, handed over by a child: its credentials are fixed at connect. */
static int dial_as (uid_t uid)
{
	int pair[2];
	cr_assert_eq (chmod (path, 0666), 0);
	cr_assert_eq (socketpair (AF_UNIX, SOCK_STREAM, 0, pair), 0);
	pid_t child = fork ();
	char control[CMSG_SPACE (sizeof (int))] = { 0 }, byte = 0;
	struct iovec io = { &byte, 1 };
	struct msghdr message = { .msg_iov = &io, .msg_iovlen = 1 };
	message.msg_control = control;
	message.msg_controllen = sizeof control;
	if (child == 0) {
		if (setuid (uid) < 0)
			_exit (1);
		int fd = dial ();
		struct cmsghdr *head = CMSG_FIRSTHDR (&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN (sizeof fd);
		memcpy (CMSG_DATA (head), &fd, sizeof fd);
		_exit (sendmsg (pair[1], &message, 0) == 1 ? 0 : 2);
	}
	int status, fd = -1;
	cr_assert_eq (recvmsg (pair[0], &message, 0), 1);
	cr_assert_eq (waitpid (child, &status, 0), child);
	cr_assert_eq (status, 0);
	memcpy (&fd, CMSG_DATA (CMSG_FIRSTHDR (&message)), sizeof fd);
	close (pair[0]);
	close (pair[1]);
	return fd;
}

static bool not_root (const char *test)
{
	if (geteuid () == 0)
		return false;
	fprintf (stderr, "SKIPPED %s: needs root to be another user\n", test);
	return true;
}

Test (inlet_limits, audit_comes_from_root_and_from_the_uids_that_are_named)
{
	if (not_root ("audit_comes_from_root_and_from_the_uids_that_are_named"))
		cr_skip_test ("needs root");
	int root = guest ("billing"), nobody = dial_as (NOBODY);
	send_audit (root, 1);
	TURN_UNTIL (taken.n == 1);
	send_hello (nobody, "billing", 0);
	send_audit (nobody, 1);
	send_flush (nobody, 2);
	expect_ack (nobody, 2, BELFRY__V1__APP_OUTCOME__APP_OUTCOME_REFUSED, "audit_uids");
	cr_assert_eq (counters ()->forbidden, 1);
	cr_assert_eq (taken.n, 1);
	send_info (nobody, 3);
	TURN_UNTIL (taken.n == 2);
	cr_assert_eq (strtoul (taken.uid, NULL, 10), NOBODY, "other events it may send");

	uid_t uid = NOBODY;
	cr_assert_eq (inlet_set_audit_uids (inlet, &uid, 1), 0);
	send_audit (nobody, 4);
	TURN_UNTIL (taken.n == 3);
	cr_assert_eq (inlet_set_audit_uids (inlet, NULL, 0), 0);
	send_audit (nobody, 5);
	TURN_UNTIL (counters ()->forbidden == 2);
	close (root);
	close (nobody);
}

Test (inlet_limits, one_user_leaves_room_for_another)
{
	if (not_root ("one_user_leaves_room_for_another"))
		cr_skip_test ("needs root");
	int fds[INLET_CONNECTIONS_PER_UID];
	for (size_t i = 0; i < INLET_CONNECTIONS_PER_UID; i++) {
		fds[i] = guest ("crowd");
		TURN_UNTIL (counters ()->open == i + 1);
	}
	int more = dial ();
	expect_ack (more, 0, BELFRY__V1__APP_OUTCOME__APP_OUTCOME_REFUSED, "of one user");
	cr_assert_eq (counters ()->full, 1);
	int other = dial_as (NOBODY);
	send_hello (other, "billing", 0);
	send_info (other, 1);
	TURN_UNTIL (taken.n == 1);
	close (more);
	close (other);
	for (size_t i = 0; i < INLET_CONNECTIONS_PER_UID; i++)
		close (fds[i]);
	TURN_UNTIL (counters ()->open == 0);
}

Test (inlet_limits, whoever_says_no_hello_makes_room)
{
	if (not_root ("whoever_says_no_hello_makes_room"))
		cr_skip_test ("needs root");
	static int fds[INLET_CONNECTIONS_MAX];
	for (size_t i = 0; i < INLET_CONNECTIONS_MAX; i++) {
		/* Two users, so that neither has its share; the first of all stays mute. */
		fds[i] = i < INLET_CONNECTIONS_PER_UID - 1 ? dial () : dial_as (NOBODY);
		if (i > 0)
			send_hello (fds[i], "crowd", 0);
		TURN_UNTIL (counters ()->open == i + 1);
	}
	TURN_UNTIL (!at_end (fds[0]));
	for (size_t i = 1; i < INLET_CONNECTIONS_MAX; i++)
		belfry__v1__app_message__free_unpacked (
		        answer_next (fds[i], BELFRY__V1__APP_MESSAGE__BODY_CONTROL), NULL);
	int late = guest ("late");
	send_info (late, 1);
	TURN_UNTIL (taken.n == 1);
	cr_assert (at_end (fds[0]));
	cr_assert_eq (counters ()->mute, 1);
	cr_assert_eq (counters ()->open, INLET_CONNECTIONS_MAX);
	int more = dial ();
	expect_ack (more, 0, BELFRY__V1__APP_OUTCOME__APP_OUTCOME_REFUSED, "as many");
	cr_assert_eq (counters ()->full, 1);
	close (more);
	close (late);
	for (size_t i = 0; i < INLET_CONNECTIONS_MAX; i++)
		close (fds[i]);
}

Test (inlet_limits, a_connection_without_a_hello_is_closed_in_time)
{
	int mute = dial (), speaks = guest ("billing");
	mono_t before = mono_now ();
	TURN_UNTIL (at_end (mute));
	cr_assert_geq (mono_since (mono_now (), before), INLET_HELLO_NS);
	cr_assert_eq (counters ()->mute, 1);
	cr_assert_eq (counters ()->open, 1);
	cr_assert (!at_end (speaks));
	close (mute);
	close (speaks);
}

Test (inlet_limits, above_the_rate_events_are_refused_critical_ones_from_a_bucket_of_their_own)
{
	int fd = guest ("flood");
	uint64_t number = 0, critical;
	while (counters ()->rate == 0) {
		send_info (fd, ++number);
		cr_assert_eq (loop_turn (loop, 0), 0);
		cr_assert_lt (number, 1000000);
	}
	cr_assert_geq (taken.n, 2000, "a burst is let in");
	unsigned before = taken.n;
	for (critical = 0; critical < 100; critical++)
		send_log (fd, ++number, BELFRY__V1__SEVERITY__SEVERITY_CRITICAL, NULL);
	send_flush (fd, ++number);
	expect_ack (fd, number, BELFRY__V1__APP_OUTCOME__APP_OUTCOME_DROPPED, "1000 events");
	cr_assert_geq (taken.n, before + 100, "critical ones pass");
	uint64_t refused = counters ()->rate;
	while (counters ()->rate == refused) {
		send_log (fd, ++number, BELFRY__V1__SEVERITY__SEVERITY_CRITICAL, NULL);
		cr_assert_eq (loop_turn (loop, 0), 0);
		cr_assert_lt (number, 2000000, "critical ones have their bound");
	}
	/* Another application has its own. */
	int other = guest ("quiet");
	before = taken.n;
	send_info (other, 1);
	TURN_UNTIL (strcmp (taken.source, "quiet") == 0);
	cr_assert_eq (counters ()->lost, 0);
	close (fd);
	close (other);
}

Test (inlet_limits, a_turn_is_bounded_and_everybody_has_one)
{
	int loud = guest ("loud"), quiet = guest ("quiet");
	TURN_UNTIL (counters ()->open == 2);
	for (uint64_t i = 1; i <= 100; i++)
		send_info (loud, i);
	send_info (quiet, 1);
	unsigned most = 0;
	bool heard = false;
	for (int turns = 0; counters ()->accepted < 101; turns++) {
		unsigned before = taken.n;
		cr_assert_eq (loop_turn (loop, 0), 0);
		most = taken.n - before > most ? taken.n - before : most;
		if (!heard && strcmp (taken.source, "quiet") == 0)
			heard = true;
		cr_assert_lt (turns, 1000);
		if (turns == 3)
			cr_assert (counters ()->accepted < 101 && counters ()->accepted > 16,
			        "the loud one takes several turns");
	}
	cr_assert_leq (most, 2 * INLET_PACKETS_PER_TURN);
	close (loud);
	close (quiet);
}

Test (inlet_limits, without_descriptors_nobody_is_let_in_and_the_loop_does_not_spin)
{
	struct rlimit limit, none;
	int fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0), first = guest ("first");
	TURN_UNTIL (counters ()->open == 1);
	cr_assert_eq (getrlimit (RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 1;
	cr_assert_eq (setrlimit (RLIMIT_NOFILE, &none), 0);
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	memcpy (at.sun_path, path, strlen (path) + 1);
	int r = connect (fd, (struct sockaddr *) &at, sizeof at);
	uint64_t turns = loop_turns (loop);
	mono_t before = mono_now ();
	while (counters ()->full == 0 && mono_since (mono_now (), before) < LIMIT_S * NS_PER_S)
		r |= loop_turn (loop, NS_PER_MS);
	/* It looks again after a second; until then the loop sleeps. */
	r |= loop_turn (loop, 100 * NS_PER_MS);
	r |= loop_turn (loop, 100 * NS_PER_MS);
	int64_t slept = mono_since (mono_now (), before);
	cr_assert_eq (setrlimit (RLIMIT_NOFILE, &limit), 0);
	cr_assert_eq (r, 0);
	cr_assert_geq (
	        slept, 150 * NS_PER_MS, "%llu turns", (unsigned long long) (loop_turns (loop) - turns));
	cr_assert_eq (counters ()->full, 1);
	send_info (first, 1);
	TURN_UNTIL (taken.n == 1);
	TURN_UNTIL (counters ()->open == 2);
	close (fd);
	close (first);
}

Test (inlet_limits, what_is_wanted_is_said_now_and_to_those_who_come)
{
	int fd = guest ("billing");
	Belfry__V1__AppMessage *message = answer_next (fd, BELFRY__V1__APP_MESSAGE__BODY_CONTROL);
	cr_assert (message->control->enabled);
	belfry__v1__app_message__free_unpacked (message, NULL);
	inlet_set_wanted (inlet, false, BELFRY__V1__SEVERITY__SEVERITY_WARNING);
	int second = guest ("second");
	int fds[] = { fd, second };
	for (size_t i = 0; i < 2; i++) {
		message = answer_next (fds[i], BELFRY__V1__APP_MESSAGE__BODY_CONTROL);
		cr_assert (!message->control->enabled);
		cr_assert_eq (message->control->min_severity, BELFRY__V1__SEVERITY__SEVERITY_WARNING);
		belfry__v1__app_message__free_unpacked (message, NULL);
		close (fds[i]);
	}
}

Test (inlet_limits, an_application_that_reads_no_answers_holds_up_nobody)
{
	int fd = guest ("deaf");
	for (uint64_t i = 1; i <= 5000; i++) {
		send_flush (fd, i);
		cr_assert_eq (loop_turn (loop, 0), 0);
	}
	int other = guest ("billing");
	send_info (other, 1);
	TURN_UNTIL (taken.n == 1);
	close (fd);
	close (other);
	TURN_UNTIL (counters ()->open == 0);
}

Test (inlet_file, is_for_its_owner_and_group_alone)
{
	struct stat st;
	mode_t mask = umask (0);
	cr_assert_eq (inlet_open (), 0, "%s", err.text);
	umask (mask);
	cr_assert_eq (lstat (path, &st), 0);
	cr_assert (S_ISSOCK (st.st_mode));
	cr_assert_eq (st.st_mode & 07777, 0660, "%o", st.st_mode & 07777);
}

Test (inlet_file, one_that_a_crash_left_is_replaced)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	memcpy (at.sun_path, path, strlen (path) + 1);
	int fd = socket (AF_UNIX, SOCK_SEQPACKET, 0);
	cr_assert_eq (bind (fd, (struct sockaddr *) &at, sizeof at), 0);
	close (fd);
	cr_assert_eq (inlet_open (), 0, "%s", err.text);
	int guest_fd = guest ("billing");
	send_info (guest_fd, 1);
	TURN_UNTIL (taken.n == 1);
	close (guest_fd);
}

static void expect_refusal (int r, const char *word)
{
	cr_assert_eq (inlet_open (), r, "%s", err.text);
	cr_assert_null (inlet);
	cr_assert_not_null (strstr (err.text, word), "'%s' lacks '%s'", err.text, word);
	cr_assert_not_null (strstr (err.text, path), "'%s' names no path", err.text);
}

Test (inlet_file, a_living_agents_is_left_alone)
{
	static const int types[] = { SOCK_SEQPACKET, SOCK_STREAM };
	static const char *const words[] = { "another belfry-agent", "another program" };
	for (size_t i = 0; i < 2; i++) {
		struct sockaddr_un at = { .sun_family = AF_UNIX };
		memcpy (at.sun_path, path, strlen (path) + 1);
		int fd = socket (AF_UNIX, types[i], 0);
		cr_assert_eq (bind (fd, (struct sockaddr *) &at, sizeof at), 0);
		cr_assert_eq (listen (fd, 1), 0);
		expect_refusal (-EADDRINUSE, words[i]);
		cr_assert_eq (access (path, F_OK), 0, "it is still there");
		close (fd);
		unlink (path);
	}
}

Test (inlet_file, a_file_that_is_no_socket_is_left_alone)
{
	int fd = open (path, O_CREAT | O_WRONLY, 0600);
	cr_assert_eq (write (fd, "precious", 8), 8);
	close (fd);
	struct stat st;
	expect_refusal (-EEXIST, "no socket");
	cr_assert_eq (stat (path, &st), 0);
	cr_assert_eq (st.st_size, 8);
	unlink (path);
	cr_assert_eq (symlink ("/tmp", path), 0);
	expect_refusal (-EEXIST, "no socket");
	unlink (path);
}

Test (inlet_file, a_directory_that_is_not_there_or_not_ours_is_said)
{
	char before[108];
	snprintf (before, sizeof before, "%s", path);
	snprintf (path, sizeof path, "%s/none/agent.sock", directory);
	expect_refusal (-ENOENT, "directory that exists");
	snprintf (path, sizeof path, "%s", before);
	if (not_root ("a_directory_that_is_not_there_or_not_ours_is_said"))
		cr_skip_test ("needs root");
	pid_t child = fork ();
	if (child == 0) {
		if (setuid (NOBODY) < 0)
			_exit (1);
		_exit (inlet_open () == -EACCES && strstr (err.text, "may write") && strstr (err.text, path)
		                ? 0
		                : 2);
	}
	int status;
	cr_assert_eq (waitpid (child, &status, 0), child);
	cr_assert_eq (status, 0);
}

Test (inlet_file, an_abstract_an_empty_and_a_long_path_are_said)
{
	char before[108], longer[200];
	snprintf (before, sizeof before, "%s", path);
	snprintf (path, sizeof path, "@belfry");
	expect_refusal (-EINVAL, "abstract");
	path[0] = '\0';
	expect_refusal (-EINVAL, "path is wanted");
	snprintf (path, sizeof path, "%s", before);
	memset (longer, 'x', sizeof longer);
	longer[108] = '\0';
	inlet_options_t options = { .path = longer };
	cr_assert_eq (inlet_new (&options, loop, NULL, NULL, &inlet, &err), -ENAMETOOLONG);
	cr_assert_not_null (strstr (err.text, "107 bytes"), "%s", err.text);
}

Test (inlet_file, another_agents_file_under_the_same_name_is_not_removed)
{
	cr_assert_eq (inlet_open (), 0, "%s", err.text);
	cr_assert_eq (unlink (path), 0);
	int fd = open (path, O_CREAT | O_WRONLY, 0600);
	close (fd);
	inlet_destroy (&inlet);
	cr_assert_eq (access (path, F_OK), 0);
	unlink (path);
}

Test (inlet_file, closing_it_tells_the_applications)
{
	cr_assert_eq (inlet_open (), 0, "%s", err.text);
	int fd = guest ("billing");
	TURN_UNTIL (counters ()->open == 1);
	inlet_destroy (&inlet);
	cr_assert (at_end (fd));
	cr_assert_eq (access (path, F_OK), -1);
	close (fd);
}
