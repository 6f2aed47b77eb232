#include "net/worker.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

typedef enum { WORKER_IDLE, WORKER_RUNNING, WORKER_ENDED } state_t;
enum { STACK_SIZE = 256 * 1024 };

struct worker {
	loop_t *loop;
	int ended; /* an eventfd that the loop waits on; -1 without a loop */
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool has_thread;
	/* Below the mutex. */
	state_t state;
	bool ending;
	worker_job_fn *job;
	void *arg;
	/* The owner's. */
	worker_job_fn *done;
};

static void on_ended (void *arg, int fd, short revents)
{
	uint64_t count;
	(void) revents;
	(void) !read (fd, &count, sizeof count);
	worker_poll (arg);
}

static int listen_begin (worker_t *self)
{
	self->ended = self->loop ? eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
	if (!self->loop)
		return 0;
	int r = self->ended < 0 ? -errno : loop_add_fd (self->loop, self->ended, POLLIN, on_ended, self);
	if (r && self->ended >= 0)
		close (self->ended);
	return r;
}

int worker_new (loop_t *loop, worker_t **ret)
{
	worker_t *self = calloc (1, sizeof *self);
	pthread_condattr_t attributes;
	if (!self)
		return -ENOMEM;
	self->loop = loop;
	int r = listen_begin (self);
	if (r) {
		free (self);
		return r;
	}
	pthread_mutex_init (&self->mutex, NULL);
	pthread_condattr_init (&attributes);
	pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
	pthread_cond_init (&self->changed, &attributes);
	pthread_condattr_destroy (&attributes);
	*ret = self;
	return 0;
}

static void *run (void *arg)
{
	worker_t *self = arg;
	pthread_mutex_lock (&self->mutex);
	for (;;) {
		while (self->state != WORKER_RUNNING && !self->ending)
			pthread_cond_wait (&self->changed, &self->mutex);
		if (self->state != WORKER_RUNNING)
			break;
		pthread_mutex_unlock (&self->mutex);
		self->job (self->arg);
		pthread_mutex_lock (&self->mutex);
		self->state = WORKER_ENDED;
		pthread_cond_broadcast (&self->changed);
		if (self->ended >= 0)
			(void) !write (self->ended, &(uint64_t){ 1 }, sizeof (uint64_t));
	}
	pthread_mutex_unlock (&self->mutex);
	return NULL;
}

/* Until no job runs; mutex held. */
static bool wait_ended (worker_t *self, int64_t patience_ns)
{
	struct timespec until;
	clock_gettime (CLOCK_MONOTONIC, &until);
	int64_t ns = until.tv_nsec + patience_ns;
	until.tv_sec += (time_t) (ns / NS_PER_S);
	until.tv_nsec = (long) (ns % NS_PER_S);
	while (self->state == WORKER_RUNNING) {
		if (pthread_cond_timedwait (&self->changed, &self->mutex, &until) == ETIMEDOUT)
			break;
	}
	return self->state != WORKER_RUNNING;
}

bool worker_destroy (worker_t **self_p, int64_t patience_ns)
{
	worker_t *self = *self_p;
	*self_p = NULL;
	if (!self)
		return true;
	if (self->ended >= 0)
		loop_remove_fd (self->loop, self->ended);
	pthread_mutex_lock (&self->mutex);
	self->ending = true;
	pthread_cond_broadcast (&self->changed);
	bool ended = wait_ended (self, patience_ns);
	pthread_mutex_unlock (&self->mutex);
	if (!ended)
		return false;
	if (self->has_thread)
		pthread_join (self->thread, NULL);
	pthread_cond_destroy (&self->changed);
	pthread_mutex_destroy (&self->mutex);
	if (self->ended >= 0)
		close (self->ended);
	free (self);
	return true;
}

static int thread_start (worker_t *self)
{
	pthread_attr_t attributes;
	pthread_attr_init (&attributes);
	pthread_attr_setstacksize (&attributes, STACK_SIZE);
	int r = pthread_create (&self->thread, &attributes, run, self);
	pthread_attr_destroy (&attributes);
	self->has_thread = r == 0;
	return r ? -EAGAIN : 0;
}

int worker_run (worker_t *self, worker_job_fn *job, worker_job_fn *done, void *arg)
{
	if (worker_busy (self))
		return -EBUSY;
	if (!self->has_thread && thread_start (self))
		return -EAGAIN;
	self->done = done;
	pthread_mutex_lock (&self->mutex);
	self->job = job;
	self->arg = arg;
	self->state = WORKER_RUNNING;
	pthread_cond_broadcast (&self->changed);
	pthread_mutex_unlock (&self->mutex);
	return 0;
}

void worker_poll (worker_t *self)
{
	pthread_mutex_lock (&self->mutex);
	bool ended = self->state == WORKER_ENDED;
	if (ended)
		self->state = WORKER_IDLE;
	pthread_mutex_unlock (&self->mutex);
	if (ended)
		self->done (self->arg);
}

bool worker_busy (const worker_t *self)
{
	union {
		const worker_t *in;
		worker_t *out;
	} unlocked = { self };
	pthread_mutex_lock (&unlocked.out->mutex);
	bool busy = self->state != WORKER_IDLE;
	pthread_mutex_unlock (&unlocked.out->mutex);
	return busy;
}

bool worker_finish (worker_t *self, int64_t patience_ns)
{
	pthread_mutex_lock (&self->mutex);
	bool ended = wait_ended (self, patience_ns);
	pthread_mutex_unlock (&self->mutex);
	if (ended)
		worker_poll (self);
	return ended;
}
