#include "help.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "net/loop.h"

static loop_t *loop (void)
{
	loop_t *made_loop = NULL;
	cr_assert_eq (loop_new (&made_loop), 0);
	return made_loop;
}

/* What the handlers of a test write down, in order. */
typedef struct {
	loop_t *loop;
	char trace[64];
	int fd, id;
	short revents;
	link_t *link;
	unsigned taken;
} notes_t;

static void note (notes_t *notes, char what)
{
	size_t at = strlen (notes->trace);
	if (at < sizeof notes->trace - 1)
		notes->trace[at] = what;
}

static void on_fd (void *arg, int fd, short revents)
{
	notes_t *notes = arg;
	(void) fd;
	notes->revents = revents;
	note (notes, 'f');
}

static void on_timer_a (void *arg, int id, moment_t now)
{
	(void) id;
	(void) now;
	note (arg, 'a');
}

static void on_timer_b (void *arg, int id, moment_t now)
{
	(void) id;
	(void) now;
	note (arg, 'b');
}

static void on_timer_stop (void *arg, int id, moment_t now)
{
	notes_t *notes = arg;
	(void) id;
	(void) now;
	note (notes, '.');
	loop_stop (notes->loop);
}

Test (loop, refuses_bad_arguments)
{
	loop_t *none = NULL;
	loop_destroy (&none);
	loop_t *l = loop ();
	cr_assert_eq (loop_add_fd (l, -1, POLLIN, on_fd, NULL), -EBADF);
	cr_assert_eq (loop_add_fd (l, 1000, POLLIN, on_fd, NULL), -EBADF);
	cr_assert_eq (loop_set_fd (l, 5, POLLIN), -ENOENT);
	loop_remove_fd (l, 5);
	loop_remove_fd (l, -1);
	loop_remove_timer (l, 12);
	cr_assert_eq (loop_add_timer (l, -1, 0, on_timer_a, NULL), -EINVAL);
	cr_assert_eq (loop_add_timer (l, 0, -1, on_timer_a, NULL), -EINVAL);
	int fd = eventfd (0, EFD_CLOEXEC);
	cr_assert_eq (loop_add_fd (l, fd, POLLIN, on_fd, NULL), 0);
	cr_assert_eq (loop_add_fd (l, fd, POLLIN, on_fd, NULL), -EEXIST);
	net_context_t *in = context ();
	link_t *link = made (in, LINK_SUBSCRIBER);
	cr_assert_eq (loop_add_link (l, link, NULL, NULL), 0);
	cr_assert_eq (loop_add_link (l, link, NULL, NULL), -EEXIST);
	loop_remove_link (l, link);
	loop_remove_link (l, link);
	link_destroy (&link);
	loop_destroy (&l);
	cr_assert_null (l);
	close (fd);
	net_context_destroy (&in);
}

Test (loop, a_turn_without_anything_returns_after_its_timeout)
{
	loop_t *l = loop ();
	mono_t before = mono_now ();
	cr_assert_eq (loop_turn (l, 20 * NS_PER_MS), 0);
	cr_assert_geq (mono_since (mono_now (), before), 19 * NS_PER_MS);
	cr_assert_eq (loop_turns (l), 1);
	loop_destroy (&l);
}

Test (loop, a_descriptor_is_level_triggered_and_follows_its_events)
{
	notes_t notes = { .loop = loop () };
	int fd = eventfd (1, EFD_CLOEXEC | EFD_NONBLOCK);
	cr_assert_eq (loop_add_fd (notes.loop, fd, POLLIN, on_fd, &notes), 0);
	loop_turn (notes.loop, 0);
	loop_turn (notes.loop, 0);
	cr_assert_str_eq (notes.trace, "ff", "what was not read is told again");
	cr_assert_eq (notes.revents, POLLIN);
	cr_assert_eq (loop_set_fd (notes.loop, fd, POLLIN | POLLOUT), 0);
	loop_turn (notes.loop, 0);
	cr_assert_eq (notes.revents, POLLIN | POLLOUT);
	cr_assert_eq (loop_set_fd (notes.loop, fd, 0), 0);
	loop_turn (notes.loop, 0);
	cr_assert_str_eq (notes.trace, "fff");
	loop_remove_fd (notes.loop, fd);
	cr_assert_eq (loop_add_fd (notes.loop, fd, POLLOUT, on_fd, &notes), 0, "again after its removal");
	loop_turn (notes.loop, 0);
	cr_assert_eq (notes.revents, POLLOUT);
	loop_remove_fd (notes.loop, fd);
	close (fd);
	loop_destroy (&notes.loop);
}

Test (loop, a_hang_up_is_told)
{
	notes_t notes = { .loop = loop () };
	int ends[2];
	cr_assert_eq (pipe (ends), 0);
	cr_assert_eq (loop_add_fd (notes.loop, ends[0], POLLIN, on_fd, &notes), 0);
	close (ends[1]);
	loop_turn (notes.loop, -1);
	cr_assert (notes.revents & POLLHUP);
	loop_remove_fd (notes.loop, ends[0]);
	close (ends[0]);
	loop_destroy (&notes.loop);
}

/* Both of a pair are readable; whichever is first takes the other out, and a new descriptor gets its
 * number. */
typedef struct {
	loop_t *loop;
	int fds[2], calls, stale;
} pair_t;

static void must_not_run (void *arg, int fd, short revents)
{
	pair_t *pair = arg;
	(void) fd;
	(void) revents;
	pair->stale++;
}

static void take_out_the_other (void *arg, int fd, short revents)
{
	pair_t *pair = arg;
	(void) revents;
	pair->calls++;
	int other = pair->fds[pair->fds[0] == fd];
	loop_remove_fd (pair->loop, other);
	loop_remove_fd (pair->loop, fd);
	close (other);
	cr_assert_eq (eventfd (0, EFD_CLOEXEC), other, "the number is used again");
	cr_assert_eq (loop_add_fd (pair->loop, other, POLLIN, must_not_run, pair), 0);
}

Test (loop, what_a_handler_removed_gets_no_event_nor_does_its_number_s_next_owner)
{
	pair_t pair = { .loop = loop () };
	for (int i = 0; i < 2; i++) {
		pair.fds[i] = eventfd (1, EFD_CLOEXEC);
		cr_assert_eq (loop_add_fd (pair.loop, pair.fds[i], POLLIN, take_out_the_other, &pair), 0);
	}
	loop_turn (pair.loop, 0);
	loop_turn (pair.loop, 0);
	cr_assert_eq (pair.calls, 1);
	cr_assert_eq (pair.stale, 0);
	loop_destroy (&pair.loop);
	close (pair.fds[0]);
	close (pair.fds[1]);
}

Test (loop, timers_run_in_the_order_of_their_deadlines_then_of_their_making)
{
	notes_t notes = { .loop = loop () };
	cr_assert_gt (loop_add_timer (notes.loop, 20 * NS_PER_MS, 0, on_timer_stop, &notes), 0);
	cr_assert_gt (loop_add_timer (notes.loop, 10 * NS_PER_MS, 0, on_timer_b, &notes), 0);
	cr_assert_gt (loop_add_timer (notes.loop, 0, 0, on_timer_a, &notes), 0);
	cr_assert_gt (loop_add_timer (notes.loop, 0, 0, on_timer_b, &notes), 0);
	mono_t before = mono_now ();
	cr_assert_eq (loop_run (notes.loop), 0);
	cr_assert_str_eq (notes.trace, "abb.");
	cr_assert_geq (mono_since (mono_now (), before), 19 * NS_PER_MS);
	loop_destroy (&notes.loop);
}

static void remove_itself (void *arg, int id, moment_t now)
{
	notes_t *notes = arg;
	(void) now;
	cr_assert_eq (id, notes->id);
	note (notes, 'r');
	loop_remove_timer (notes->loop, id);
}

static void add_another (void *arg, int id, moment_t now)
{
	notes_t *notes = arg;
	(void) id;
	(void) now;
	note (notes, '+');
	cr_assert_gt (loop_add_timer (notes->loop, 0, 0, add_another, notes), 0);
}

Test (loop, a_timer_may_remove_itself_and_add_others_without_holding_up_the_turn)
{
	notes_t notes = { .loop = loop () };
	notes.id = loop_add_timer (notes.loop, 0, 1, remove_itself, &notes);
	cr_assert_gt (notes.id, 0);
	cr_assert_gt (loop_add_timer (notes.loop, 0, 0, add_another, &notes), 0);
	cr_assert_eq (loop_turn (notes.loop, -1), 0);
	cr_assert_str_eq (notes.trace, "r+");
	cr_assert_eq (loop_turn (notes.loop, -1), 0);
	cr_assert_str_eq (notes.trace, "r++");
	loop_destroy (&notes.loop);
}

Test (loop, wake_from_another_thread_ends_the_wait)
{
	loop_t *l = loop ();
	pthread_t thread;
	cr_assert_eq (
	        pthread_create (&thread, NULL, (void *(*) (void *) ) (void (*) (void)) loop_wake, l), 0);
	cr_assert_eq (loop_turn (l, -1), 0);
	pthread_join (thread, NULL);
	mono_t before = mono_now ();
	cr_assert_eq (loop_turn (l, 20 * NS_PER_MS), 0);
	cr_assert_geq (mono_since (mono_now (), before), 19 * NS_PER_MS, "a wake ends one wait");
	loop_destroy (&l);
}

Test (loop, a_stop_before_the_run_counts_once)
{
	notes_t notes = { .loop = loop () };
	loop_stop (notes.loop);
	cr_assert_eq (loop_run (notes.loop), 0);
	loop_add_timer (notes.loop, 0, 0, on_timer_stop, &notes);
	cr_assert_eq (loop_run (notes.loop), 0);
	cr_assert_str_eq (notes.trace, ".");
	loop_destroy (&notes.loop);
}

static void on_signal (void *arg, int signo)
{
	notes_t *notes = arg;
	notes->id = signo;
	note (notes, 's');
	loop_stop (notes->loop);
}

Test (loop, sigterm_comes_through_the_loop_and_does_not_kill)
{
	loop_block_signals ();
	notes_t notes = { .loop = loop () };
	cr_assert_eq (loop_on_signals (notes.loop, on_signal, &notes), 0);
	cr_assert_eq (kill (getpid (), SIGTERM), 0);
	cr_assert_eq (loop_run (notes.loop), 0);
	cr_assert_eq (notes.id, SIGTERM);
	cr_assert_eq (raise (SIGPIPE), 0);
	cr_assert_eq (kill (getpid (), SIGHUP), 0);
	cr_assert_eq (loop_run (notes.loop), 0);
	cr_assert_eq (notes.id, SIGHUP);
	cr_assert_str_eq (notes.trace, "ss");
	loop_destroy (&notes.loop);
}

Test (loop, a_child_that_restores_signals_dies_of_them)
{
	loop_block_signals ();
	pid_t child = fork ();
	if (child == 0) {
		loop_restore_signals ();
		kill (getpid (), SIGTERM);
		_exit (0);
	}
	int status = 0;
	cr_assert_eq (waitpid (child, &status, 0), child);
	cr_assert (WIFSIGNALED (status) && WTERMSIG (status) == SIGTERM);
}

enum { BATCH = 256 };

static void take_batch (void *arg, link_t *link)
{
	notes_t *notes = arg;
	frame_t frames[2] = { { .open = false }, { .open = false } };
	size_t n = 0;
	note (notes, 'l');
	for (int i = 0; i < BATCH && link_receive (link, frames, 2, &n) == 0; i++)
		notes->taken++;
	frame_close (&frames[0]);
	frame_close (&frames[1]);
}

/* A server, and a client of it that has sent count messages. */
typedef struct {
	net_context_t *in;
	link_t *server, *client;
} line_t;

static line_t line (int count)
{
	line_t made_line = { .in = context () };
	char endpoint[64];
	made_line.server = bound (made_line.in, LINK_CONTROL_SERVER, endpoint);
	made_line.client = connected (made_line.in, LINK_CONTROL_CLIENT, endpoint);
	mono_t deadline = limit ();
	for (int sent = 0; sent < count;) {
		if (send_text (made_line.client, "x") == 0)
			sent++;
		else
			poll (NULL, 0, 1);
		cr_assert (ms_left (deadline) > 0);
	}
	return made_line;
}

static void line_end (line_t *self)
{
	link_destroy (&self->client);
	link_destroy (&self->server);
	net_context_destroy (&self->in);
}

Test (loop, a_busy_link_starves_neither_links_nor_descriptors_nor_timers)
{
	line_t busy = line (1000), calm = line (1);
	notes_t of_busy = { .loop = loop () }, of_calm = { 0 }, of_fd = { 0 }, of_timer = { 0 };
	int fd = eventfd (1, EFD_CLOEXEC);
	cr_assert_eq (loop_add_link (of_busy.loop, busy.server, take_batch, &of_busy), 0);
	cr_assert_eq (loop_add_link (of_busy.loop, calm.server, take_batch, &of_calm), 0);
	cr_assert_eq (loop_add_fd (of_busy.loop, fd, POLLIN, on_fd, &of_fd), 0);
	/* Both lines are there when the turns begin to count. */
	mono_t deadline = limit ();
	while ((link_readable (busy.server) == 0 || link_readable (calm.server) == 0) &&
	        ms_left (deadline) > 0)
		poll (NULL, 0, 1);
	cr_assert_gt (loop_add_timer (of_busy.loop, 0, 1, on_timer_a, &of_timer), 0);
	cr_assert_eq (loop_turn (of_busy.loop, -1), 0);
	cr_assert_str_eq (of_busy.trace, "l");
	cr_assert_str_eq (of_calm.trace, "l");
	cr_assert_eq (of_calm.taken, 1);
	cr_assert_str_eq (of_fd.trace, "f");
	cr_assert_str_eq (of_timer.trace, "a");
	for (int turns = 1; of_busy.taken < 1000; turns++) {
		cr_assert (ms_left (deadline) > 0, "%u taken", of_busy.taken);
		cr_assert_eq (strlen (of_timer.trace), (size_t) (turns < 63 ? turns : 63));
		cr_assert_eq (loop_turn (of_busy.loop, -1), 0);
	}
	loop_remove_link (of_busy.loop, busy.server);
	loop_remove_link (of_busy.loop, calm.server);
	loop_destroy (&of_busy.loop);
	close (fd);
	line_end (&busy);
	line_end (&calm);
}

Test (loop, a_message_whose_edge_was_taken_elsewhere_is_not_slept_on)
{
	line_t one = line (1);
	notes_t notes = { .loop = loop () };
	cr_assert_eq (loop_add_link (notes.loop, one.server, take_batch, &notes), 0);
	/* Asking for its events takes the descriptor's edge, as any send on the link does. */
	mono_t deadline = limit ();
	while (link_readable (one.server) == 0 && ms_left (deadline) > 0)
		poll (NULL, 0, 1);
	struct pollfd item = { link_poll_descriptor (one.server), POLLIN, 0 };
	cr_assert_eq (poll (&item, 1, 0), 0);
	mono_t before = mono_now ();
	cr_assert_eq (loop_turn (notes.loop, LIMIT_MS * NS_PER_MS), 0);
	cr_assert_lt (mono_since (mono_now (), before), LIMIT_MS * NS_PER_MS / 2);
	cr_assert_eq (notes.taken, 1);
	loop_remove_link (notes.loop, one.server);
	loop_destroy (&notes.loop);
	line_end (&one);
}

/* A link that was asked and had nothing is not asked again until its descriptor tells, or something was
 * done to it: a send takes the descriptor's edge with it. */
Test (loop, a_message_whose_edge_a_send_took_is_not_slept_on)
{
	line_t one = line (1);
	notes_t notes = { .loop = loop () };
	cr_assert_eq (loop_add_link (notes.loop, one.client, take_batch, &notes), 0);
	cr_assert_eq (loop_turn (notes.loop, 0), 0);
	frame_t frames[2] = { { .open = false }, { .open = false } };
	size_t n = 0;
	cr_assert_eq (receive_within (one.server, frames, 2, &n, LIMIT_MS), 0);
	cr_assert_eq (link_forward (one.server, frames, n), 0);
	struct pollfd item = { link_poll_descriptor (one.client), POLLIN, 0 };
	cr_assert_eq (poll (&item, 1, LIMIT_MS), 1);
	cr_assert_eq (send_text (one.client, "y"), 0);
	cr_assert_eq (poll (&item, 1, 0), 0);
	mono_t before = mono_now ();
	for (int turns = 0; turns < 3 && notes.taken == 0; turns++)
		cr_assert_eq (loop_turn (notes.loop, LIMIT_MS * NS_PER_MS), 0);
	cr_assert_lt (mono_since (mono_now (), before), LIMIT_MS * NS_PER_MS / 2);
	cr_assert_eq (notes.taken, 1);
	loop_remove_link (notes.loop, one.client);
	loop_destroy (&notes.loop);
	line_end (&one);
}

static void remove_link (void *arg, link_t *link)
{
	notes_t *notes = arg;
	note (notes, 'x');
	loop_remove_link (notes->loop, link);
	loop_remove_link (notes->loop, notes->link);
}

Test (loop, a_link_may_remove_itself_and_the_one_whose_turn_is_next)
{
	line_t one = line (1), two = line (1);
	notes_t notes = { .loop = loop () }, of_other = { 0 };
	notes.link = two.server;
	mono_t deadline = limit ();
	while ((link_readable (one.server) == 0 || link_readable (two.server) == 0) && ms_left (deadline) > 0)
		poll (NULL, 0, 1);
	cr_assert_eq (loop_add_link (notes.loop, one.server, remove_link, &notes), 0);
	cr_assert_eq (loop_add_link (notes.loop, two.server, take_batch, &of_other), 0);
	cr_assert_eq (loop_turn (notes.loop, 0), 0);
	cr_assert_eq (loop_turn (notes.loop, 0), 0);
	cr_assert_str_eq (notes.trace, "x");
	cr_assert_str_eq (of_other.trace, "");
	link_destroy (&two.server);
	cr_assert_eq (
	        loop_add_link (notes.loop, one.server, take_batch, &notes), 0, "again after its removal");
	cr_assert_eq (loop_turn (notes.loop, 0), 0);
	cr_assert_eq (notes.taken, 1);
	loop_remove_link (notes.loop, one.server);
	loop_destroy (&notes.loop);
	line_end (&one);
	line_end (&two);
}

Test (loop, its_descriptor_is_readable_when_a_turn_has_something_to_do)
{
	line_t one = line (1);
	notes_t notes = { .loop = loop () };
	cr_assert_eq (loop_add_link (notes.loop, one.server, take_batch, &notes), 0);
	struct pollfd item = { loop_descriptor (notes.loop), POLLIN, 0 };
	mono_t deadline = limit ();
	while (notes.taken < 1 && ms_left (deadline) > 0)
		cr_assert_eq (loop_turn (notes.loop, 0), 0);
	while (poll (&item, 1, 0) == 1 && ms_left (deadline) > 0)
		cr_assert_eq (loop_turn (notes.loop, 0), 0);
	cr_assert_eq (send_text (one.client, "y"), 0);
	cr_assert_eq (poll (&item, 1, LIMIT_MS), 1);
	while (notes.taken < 2 && ms_left (deadline) > 0)
		cr_assert_eq (loop_turn (notes.loop, 0), 0);
	cr_assert_eq (notes.taken, 2);
	loop_remove_link (notes.loop, one.server);
	loop_destroy (&notes.loop);
	line_end (&one);
}
