#include "help.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "net/actor.h"

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#endif

typedef struct {
	loop_t *loop;
	char trace[4096];
	size_t bytes;
	int fails_with;
	pthread_t thread;
	int go; /* commands wait for it when above 0 */
} body_t;

static void note (body_t *body, const char *what)
{
	strncat (body->trace, what, sizeof body->trace - strlen (body->trace) - 1);
}

static int start (void *self, loop_t *loop, err_t *err)
{
	body_t *body = self;
	body->loop = loop;
	body->thread = pthread_self ();
	note (body, "start ");
	return body->fails_with ? error_set (err, body->fails_with, "no such thing") : 0;
}

static void command (void *self, span_t bytes)
{
	body_t *body = self;
	if (body->go > 0) {
		struct pollfd item = { body->go, POLLIN, 0 };
		poll (&item, 1, LIMIT_MS);
	}
	body->bytes += bytes.size;
	if (span_is (bytes, "end yourself"))
		loop_stop (body->loop);
	else if (bytes.size < 64)
		note (body, "command ");
}

static void stop (void *self, loop_t *loop)
{
	body_t *body = self;
	cr_assert_eq (loop, body->loop);
	cr_assert (pthread_equal (body->thread, pthread_self ()));
	note (body, "stop ");
}

static const actor_body_t counting = { "counting", start, command, stop };

Test (actor, a_failed_start_is_its_error_and_is_cleaned_up)
{
	body_t body = { .fails_with = -EADDRINUSE };
	actor_t *actor = NULL;
	err_t err = { "" };
	cr_assert_eq (actor_new (&counting, &body, &actor, &err), -EADDRINUSE);
	cr_assert_null (actor);
	cr_assert_str_eq (err.text, "no such thing");
	cr_assert_str_eq (body.trace, "start stop ");
	cr_assert_eq (actor_new (&counting, &body, &actor, NULL), -EADDRINUSE);
	actor_destroy (&actor);
}

Test (actor, what_it_is_told_arrives_in_order_before_its_end)
{
	body_t body = { 0 };
	actor_t *actor = NULL;
	err_t err = { "" };
	cr_assert_eq (actor_new (&counting, &body, &actor, &err), 0, "%s", err.text);
	cr_assert_not (pthread_equal (body.thread, pthread_self ()));
	static char big[100000];
	cr_assert_eq (actor_tell (actor, span_str ("")), 0);
	cr_assert_eq (
	        actor_tell (actor, span_str ("$TERM")), 0, "czmq's own word is a command like any other");
	cr_assert_eq (actor_tell (actor, span_of (big, sizeof big)), 0);
	cr_assert_eq (actor_tell (actor, span_str ("last")), 0);
	actor_destroy (&actor);
	cr_assert_null (actor);
	cr_assert_str_eq (body.trace, "start command command command stop ");
	cr_assert_eq (body.bytes, 5 + sizeof big + 4);
}

/* Later than actor_destroy was called, on any but the slowest machine: there it shows less. */
static void *let_go (void *arg)
{
	poll (NULL, 0, 50);
	cr_assert_eq (write (*(const int *) arg, "", 1), 1);
	return NULL;
}

Test (actor, one_that_is_behind_is_eagain_and_still_ends_with_all_it_was_told)
{
	int go[2];
	cr_assert_eq (pipe (go), 0);
	body_t body = { .go = go[0] };
	actor_t *actor = NULL;
	err_t err = { "" };
	cr_assert_eq (actor_new (&counting, &body, &actor, &err), 0, "%s", err.text);
	size_t told = 0;
	int r;
	while ((r = actor_tell (actor, span_str ("x"))) == 0)
		told++;
	cr_assert_eq (r, -EAGAIN);
	cr_assert_geq (told, 1000);
	pthread_t thread;
	cr_assert_eq (pthread_create (&thread, NULL, let_go, &go[1]), 0);
	actor_destroy (&actor);
	pthread_join (thread, NULL);
	cr_assert_eq (body.bytes, told);
	close (go[0]);
	close (go[1]);
}

Test (actor, one_that_ended_by_itself_says_so_and_is_destroyed_like_any)
{
	body_t body = { 0 };
	actor_t *actor = NULL;
	err_t err = { "" };
	cr_assert_eq (actor_new (&counting, &body, &actor, &err), 0, "%s", err.text);
	struct pollfd item = { actor_descriptor (actor), POLLIN, 0 };
	cr_assert_eq (poll (&item, 1, 0), 0);
	cr_assert_eq (actor_tell (actor, span_str ("end yourself")), 0);
	cr_assert_eq (poll (&item, 1, LIMIT_MS), 1);
	actor_destroy (&actor);
	cr_assert_str_eq (body.trace, "start stop ");
}

Test (actor, leaves_the_signals_alone)
{
	struct sigaction before, after;
	sigaction (SIGTERM, NULL, &before);
	body_t body = { 0 };
	actor_t *actor = NULL;
	cr_assert_eq (actor_new (&counting, &body, &actor, NULL), 0);
	sigaction (SIGTERM, NULL, &after);
	cr_assert_eq (before.sa_handler, after.sa_handler);
	sigaction (SIGINT, NULL, &after);
	cr_assert_eq (after.sa_handler, SIG_DFL);
	actor_destroy (&actor);
}

Test (actor, a_thread_that_cannot_be_had_is_an_error_not_a_hang)
{
#ifdef UNDER_ASAN
	cr_skip_test ("ASan's shadow is beyond any limit of address space");
#else
	/* Enough for what we allocate, not for a stack. */
	unsigned long pages = 0;
	FILE *file = fopen ("/proc/self/statm", "r");
	cr_assert_not_null (file);
	cr_assert_eq (fscanf (file, "%lu", &pages), 1);
	fclose (file);
	rlim_t size = pages * (rlim_t) sysconf (_SC_PAGESIZE) + 2 * 1024 * 1024;
	struct rlimit little = { size, size };
	cr_assert_eq (setrlimit (RLIMIT_AS, &little), 0);
	body_t body = { 0 };
	actor_t *actor = NULL;
	err_t err = { "" };
	cr_assert_eq (actor_new (&counting, &body, &actor, &err), -EAGAIN);
	cr_assert_null (actor);
	cr_assert_not_null (strstr (err.text, "actor counting: cannot start its thread"), "%s", err.text);
	cr_assert_str_eq (body.trace, "");
#endif
}
