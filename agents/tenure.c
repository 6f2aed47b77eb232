#include "agents/tenure.h"

#include <errno.h>
#include <stdlib.h>

#include "net/worker.h"
#include "base/log.h"

/* A disk that takes longer hangs. */
#define PATIENCE_NS NS_PER_S

/* What the worker's thread does with the disk. */
typedef enum { JOB_NONE, JOB_ADVANCE, JOB_CONFIRM } job_t;

struct tenure {
	identity_t *identity;
	worker_t *worker;
	tenure_begun_fn *begun;
	void *arg;
	incarnation_t incarnation;
	job_t wanted, running;
	uint64_t wanted_at_least;
	/* The job's own while it runs. */
	uint64_t at_least;
	incarnation_t subject;
	int result;
	err_t err;
};

int tenure_new (
        loop_t *loop, const char *state_dir, tenure_begun_fn *begun, void *arg, tenure_t **ret, err_t *err)
{
	tenure_t *self = calloc (1, sizeof *self);
	if (!self)
		return error_set (err, -ENOMEM, "out of memory");
	self->begun = begun;
	self->arg = arg;
	err_t note = { "" }, full = { "" };
	int r = worker_new (loop, &self->worker);
	if (r)
		error_set (err, r, "out of memory");
	else
		r = identity_open (state_dir, &self->identity, &note, err);
	if (r) {
		tenure_destroy (&self);
		return r;
	}
	if (note.text[0])
		log_info ("agent", "%s", note.text);
	if (identity_advance (self->identity, 0, &self->incarnation, &full))
		log_error ("agent", "%s", full.text);
	*ret = self;
	return 0;
}

bool tenure_destroy (tenure_t **self_p)
{
	tenure_t *self = *self_p;
	if (!self)
		return true;
	if (!worker_destroy (&self->worker, PATIENCE_NS))
		return false;
	identity_destroy (&self->identity);
	free (self);
	*self_p = NULL;
	return true;
}

const incarnation_t *tenure_incarnation (const tenure_t *self)
{
	return &self->incarnation;
}

bool tenure_stands (const tenure_t *self)
{
	return self->wanted != JOB_ADVANCE && self->running != JOB_ADVANCE;
}

void tenure_accepted (tenure_t *self)
{
	if (!self->incarnation.certain && self->wanted == JOB_NONE && self->running == JOB_NONE)
		self->wanted = JOB_CONFIRM;
}

void tenure_superseded (tenure_t *self, uint64_t at_least)
{
	/* What is on its way already is enough. */
	if (self->running == JOB_ADVANCE && at_least <= self->at_least)
		return;
	self->wanted = JOB_ADVANCE;
	self->wanted_at_least = at_least;
}

/* On the worker's thread. */
static void work (void *arg)
{
	tenure_t *self = arg;
	if (self->running == JOB_ADVANCE)
		self->result = identity_advance (self->identity, self->at_least, &self->subject, &self->err);
	else
		self->result = identity_confirm (self->identity, &self->subject, &self->err);
}

static void done (void *arg)
{
	tenure_t *self = arg;
	job_t did = self->running;
	self->running = JOB_NONE;
	if (self->result)
		log_error ("agent", "%s", self->err.text);
	if (did == JOB_ADVANCE) {
		self->incarnation = self->subject;
		self->begun (self->arg, &self->incarnation);
	} else {
		/* It holds for this run, whatever the disk did not take for the next. */
		self->incarnation.certain = true;
		self->begun (self->arg, &self->incarnation);
	}
}

void tenure_finish (tenure_t *self, int64_t patience_ns)
{
	tenure_step (self);
	(void) worker_finish (self->worker, patience_ns);
}

void tenure_step (tenure_t *self)
{
	worker_poll (self->worker);
	if (self->wanted == JOB_NONE || self->running != JOB_NONE)
		return;
	self->running = self->wanted;
	self->at_least = self->wanted_at_least;
	self->subject = self->incarnation;
	if (worker_run (self->worker, work, done, self))
		self->running = JOB_NONE; /* no thread now: again at the next step */
	else
		self->wanted = JOB_NONE;
}
