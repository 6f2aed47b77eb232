#include "agents/worker.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { WORKER_IDLE, WORKER_RUNNING, WORKER_ENDED };
enum { STACK_SIZE = 128 * 1024, WAIT_MS = 2 };

struct worker {
	loop_t *loop;
	_Atomic int state;
	pthread_t thread; /* to be joined when it is not idle: it still wakes the loop after its end */
	worker_job_fn *job, *done;
	void *arg;
};

int worker_new (loop_t *loop, worker_t **ret)
{
	worker_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	self->loop = loop;
	*ret = self;
	return 0;
}

bool worker_destroy (worker_t **self_p, int64_t patience_ns)
{
	worker_t *self = *self_p;
	*self_p = NULL;
	if (!self)
		return true;
	mono_t until = mono_add (mono_now (), patience_ns);
	int state;
	while ((state = atomic_load (&self->state)) == WORKER_RUNNING && mono_since (until, mono_now ()) > 0)
		poll (NULL, 0, WAIT_MS);
	if (state == WORKER_RUNNING)
		return false;
	if (state == WORKER_ENDED)
		pthread_join (self->thread, NULL);
	free (self);
	return true;
}

static void *run (void *arg)
{
	worker_t *self = arg;
	self->job (self->arg);
	atomic_store (&self->state, WORKER_ENDED);
	loop_wake (self->loop);
	return NULL;
}

int worker_run (worker_t *self, worker_job_fn *job, worker_job_fn *done, void *arg)
{
	if (worker_busy (self))
		return -EBUSY;
	self->job = job;
	self->done = done;
	self->arg = arg;
	pthread_attr_t attributes;
	pthread_attr_init (&attributes);
	pthread_attr_setstacksize (&attributes, STACK_SIZE);
	atomic_store (&self->state, WORKER_RUNNING);
	int r = pthread_create (&self->thread, &attributes, run, self);
	pthread_attr_destroy (&attributes);
	if (r)
		atomic_store (&self->state, WORKER_IDLE);
	return r ? -EAGAIN : 0;
}

void worker_poll (worker_t *self)
{
	if (atomic_load (&self->state) != WORKER_ENDED)
		return;
	pthread_join (self->thread, NULL);
	atomic_store (&self->state, WORKER_IDLE);
	self->done (self->arg);
}

bool worker_busy (const worker_t *self)
{
	return atomic_load (&self->state) != WORKER_IDLE;
}
