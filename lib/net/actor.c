/* A zactor whose thread runs a loop over its pipe and what its body opens.
 *
 * What czmq 4.2.1 leaves open is closed here: zactor_new never returns when pthread_create fails
 * (so a thread is tried first), its thread must answer before it can be used (so start's outcome
 * is written down and then answered), zactor_destroy does not wait when the pipe is full (so our
 * own end is told and waited for first), and zsys_init takes over SIGINT and SIGTERM (so it is
 * told not to). A command is two frames, the first empty; "$TERM" is czmq's own. */

#include "net/actor.h"
#include "net/link_internal.h"

#include <czmq.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

struct actor {
	actor_body_t body;
	void *self;
	zactor_t *zactor;
	loop_t *loop; /* the thread's until ended is posted */
	link_t *pipe; /* the thread's */
	sem_t ended;
	int ended_fd;
	_Atomic bool ending; /* actor_destroy asked for it */
	int started;         /* what start returned */
	err_t err;
};

/* Takes one message off the pipe. 0, or -EAGAIN. */
static int take_command (actor_t *self)
{
	frame_t frames[2] = { { .open = false }, { .open = false } };
	size_t n = 0;
	int r = link_receive (self->pipe, frames, 2, &n);
	if (r == 0 && n == 2 && frame_bytes (&frames[0]).size == 0)
		self->body.command (self->self, frame_bytes (&frames[1]));
	else if (r == 0 && span_is (frame_bytes (&frames[0]), "$TERM"))
		loop_stop (self->loop);
	frame_close (&frames[0]);
	frame_close (&frames[1]);
	return r;
}

static void pipe_ready (void *arg, link_t *link)
{
	(void) link;
	for (int i = 0; i < 64 && take_command (arg) == 0; i++)
		;
}

static void run (actor_t *self)
{
	int r = loop_run (self->loop);
	if (r == 0 && atomic_load (&self->ending)) {
		/* What was told before the end is done before the end. */
		while (take_command (self) == 0)
			;
		return;
	}
	uint64_t one = 1;
	ssize_t ignored = write (self->ended_fd, &one, sizeof one);
	(void) ignored;
}

static void actor_thread (zsock_t *pipe, void *arg)
{
	actor_t *self = arg;
	int r = link_borrow (zsock_resolve (pipe), &self->pipe);
	if (r == 0)
		r = loop_add_link (self->loop, self->pipe, pipe_ready, self);
	if (r != 0)
		error_set (
		        &self->err, r, "actor %s: cannot poll its pipe: %s", self->body.name, strerror (-r));
	else
		r = self->body.start (self->self, self->loop, &self->err);
	self->started = r;
	zsock_signal (pipe, 0);
	if (r == 0)
		run (self);
	if (self->body.stop)
		self->body.stop (self->self, self->loop);
	if (self->pipe) {
		loop_remove_link (self->loop, self->pipe);
		link_destroy (&self->pipe);
	}
	sem_post (&self->ended);
}

static void *nothing (void *arg)
{
	return arg;
}

/* zactor_new hangs for ever where this fails. */
static int try_thread (void)
{
	pthread_t thread;
	int code = pthread_create (&thread, NULL, nothing, NULL);
	if (code == 0)
		pthread_join (thread, NULL);
	return -code;
}

static void actor_free (actor_t *self)
{
	loop_destroy (&self->loop);
	if (self->ended_fd >= 0)
		close (self->ended_fd);
	sem_destroy (&self->ended);
	free (self);
}

int actor_new (const actor_body_t *body, void *self_arg, actor_t **ret, err_t *err)
{
	actor_t *self = calloc (1, sizeof *self);
	if (!self)
		return error_set (err, -ENOMEM, "actor %s: out of memory", body->name);
	self->body = *body;
	self->self = self_arg;
	sem_init (&self->ended, 0, 0);
	self->ended_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
	int r = self->ended_fd < 0 ? -errno : loop_new (&self->loop);
	if (r == 0)
		r = try_thread ();
	if (r != 0) {
		actor_free (self);
		return error_set (err, r, "actor %s: cannot start its thread: %s", body->name, strerror (-r));
	}
	zsys_handler_set (NULL);
	self->zactor = zactor_new (actor_thread, self);
	if (!self->zactor) {
		actor_free (self);
		return error_set (err, -ENOMEM, "actor %s: out of memory", body->name);
	}
	if (self->started != 0) {
		r = self->started;
		if (err)
			*err = self->err;
		actor_destroy (&self);
		return r;
	}
	*ret = self;
	return 0;
}

void actor_destroy (actor_t **self_p)
{
	actor_t *self = *self_p;
	if (!self)
		return;
	atomic_store (&self->ending, true);
	loop_stop (self->loop);
	while (sem_wait (&self->ended) != 0 && errno == EINTR)
		;
	zactor_destroy (&self->zactor);
	actor_free (self);
	*self_p = NULL;
}

int actor_tell (actor_t *self, span_t command)
{
	void *socket = zsock_resolve (self->zactor);
	if (zmq_send (socket, "", 0, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0)
		return zmq_failure ();
	return zmq_send (socket, command.data, command.size, ZMQ_DONTWAIT) < 0 ? zmq_failure () : 0;
}

int actor_descriptor (actor_t *self)
{
	return self->ended_fd;
}
