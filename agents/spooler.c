#include "agents/spooler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/log.h"
#include "net/worker.h"

#define AGAIN_NS NS_PER_S
#define SAY_NS (60 * NS_PER_S)
#define TICK_NS NS_PER_S

enum { ACKS_MAX = 64, RENUMBERS_MAX = 16 };

typedef enum { JOB_NONE, JOB_OPEN, JOB_COMMIT, JOB_READ, JOB_RENUMBER, JOB_TICK } job_t;

/* Items with their bytes, so that they outlive the call that handed them over. */
typedef struct {
	size_t n;
	spool_item_t items[SPOOLER_BATCH_MAX];
	struct {
		size_t topic, event;
	} at[SPOOLER_BATCH_MAX];
	buffer_t bytes;
} parcel_t;

typedef struct {
	size_t collector;
	uint64_t incarnation, newest;
} ack_t;

struct spooler {
	loop_t *loop;
	outbox_t *outbox;
	spooler_hooks_t hooks;
	worker_t *worker;
	char *directory, *collectors[SPOOL_COLLECTORS_MAX];
	spool_options_t options;
	spool_t *spool; /* the worker's while a job runs */
	bool numbering, works;
	int gather; /* a timer; 0: none */
	mono_t again, renumber_again, tick_due, said_at;
	bool said;
	/* Wanted. */
	parcel_t batch;       /* numbered, not committed */
	uint64_t batch_first; /* the hold's number of its first */
	struct {
		bool wanted;
		size_t events, bytes;
	} reads[SPOOL_COLLECTORS_MAX];
	size_t next_read;
	ack_t acks[ACKS_MAX];
	size_t n_acks;
	uint64_t renumbers[RENUMBERS_MAX], to, to_nonce; /* which incarnations go under the present one */
	size_t n_renumbers;
	/* The job that runs: its own until done, and nothing else starts before its hooks have returned. */
	job_t job;
	struct {
		uint64_t from, to, boot_nonce;
	} renumber;
	size_t collector, read_events, read_bytes;
	parcel_t parcel; /* what was read */
	ack_t job_acks[ACKS_MAX];
	size_t n_job_acks;
	uint64_t next;
	spool_report_t report;
	int result;
	err_t err;
	spool_figures_t fresh;
	spooler_place_t fresh_oldest[SPOOL_COLLECTORS_MAX];
	/* As of the last job. */
	spool_figures_t figures;
	spooler_place_t oldest[SPOOL_COLLECTORS_MAX];
};

/* Parcels. */

static bool parcel_add (parcel_t *self, const spool_item_t *item)
{
	if (self->n == SPOOLER_BATCH_MAX)
		return false;
	self->items[self->n] = *item;
	self->at[self->n].topic = self->bytes.size;
	buffer_append (&self->bytes, item->topic.data, item->topic.size);
	self->at[self->n].event = self->bytes.size;
	buffer_append (&self->bytes, item->event.data, item->event.size);
	if (buffer_failed (&self->bytes))
		return false;
	self->n++;
	return true;
}

/* The bytes stay where they are from now on. */
static void parcel_close (parcel_t *self)
{
	for (size_t i = 0; i < self->n; i++) {
		self->items[i].topic.data = self->bytes.data + self->at[i].topic;
		self->items[i].event.data = self->bytes.data + self->at[i].event;
	}
}

static void parcel_clear (parcel_t *self)
{
	self->n = 0;
	buffer_reset (&self->bytes);
}

/* On the worker's thread. */

static int on_item (void *arg, const spool_item_t *item)
{
	spooler_t *self = arg;
	return !parcel_add (&self->parcel, item);
}

static void work_open (spooler_t *self)
{
	self->result = spool_open (&self->options, wall_now (), &self->spool, &self->report, &self->err);
}

static void work (void *arg)
{
	spooler_t *self = arg;
	size_t c = self->collector;
	self->result = 0;
	if (self->job == JOB_OPEN)
		work_open (self);
	if (!self->spool)
		return;
	for (size_t i = 0; i < self->n_job_acks; i++)
		spool_acknowledge (self->spool, self->job_acks[i].collector, self->job_acks[i].incarnation,
		        self->job_acks[i].newest);
	switch (self->job) {
	case JOB_OPEN:
		break;
	case JOB_COMMIT:
		self->result =
		        spool_commit (self->spool, self->batch.items, self->batch.n, wall_now (), &self->err);
		break;
	case JOB_READ:
		self->result = spool_read (
		        self->spool, c, 0, 0, self->read_events, self->read_bytes, on_item, self, &self->err);
		break;
	case JOB_RENUMBER:
		self->result = spool_renumber (self->spool, self->renumber.from, self->renumber.to,
		        self->renumber.boot_nonce, spool_newest (self->spool, self->renumber.to) + 1,
		        &self->next, &self->err);
		break;
	default:
		self->result = spool_tick (self->spool, wall_now (), &self->err);
	}
	(void) spool_found (self->spool, &self->report);
	spool_figures (self->spool, &self->fresh);
	for (size_t i = 0; i < self->options.n_collectors; i++)
		self->fresh_oldest[i].incarnation =
		        spool_oldest_incarnation (self->spool, i, &self->fresh_oldest[i].sequence);
}

/* On the loop's thread. */

static void failure_say (spooler_t *self, mono_t now)
{
	if (self->said && mono_since (now, self->said_at) < SAY_NS)
		return;
	self->said = true;
	self->said_at = now;
	log_error ("agent", "the spool takes nothing now: %s; durable events wait in memory, %zu of %d",
	        self->err.text, hold_count (outbox_hold (self->outbox)) + self->batch.n, HOLD_EVENTS_MAX);
}

static void well_say (spooler_t *self)
{
	if (self->said)
		log_info ("agent", "the spool takes events again");
	self->said = false;
}

static void start (spooler_t *self);

/* The number before the oldest that is held. */
static uint64_t held_before (const spooler_t *self)
{
	const hold_t *hold = outbox_hold (self->outbox);
	return hold_count (hold) ? hold_oldest_number (hold) - 1 : hold_newest_number (hold);
}

static void done_commit (spooler_t *self, mono_t now)
{
	if (self->result) {
		failure_say (self, now);
		self->again = mono_add (now, AGAIN_NS);
		return;
	}
	well_say (self);
	self->hooks.committed (self->hooks.arg, self->batch.items, self->batch.n, held_before (self));
	parcel_clear (&self->batch);
}

static void done_read (spooler_t *self, mono_t now)
{
	size_t c = self->collector;
	if (self->result)
		failure_say (self, now);
	self->reads[c].wanted = false;
	parcel_close (&self->parcel);
	self->hooks.read (self->hooks.arg, c, self->parcel.items, self->parcel.n, self->result);
	parcel_clear (&self->parcel);
}

/* One that can never be done is given up; the disk's refusal is not that. */
static void done_renumber (spooler_t *self, mono_t now)
{
	if (self->result)
		failure_say (self, now);
	if (self->result && self->result != -EINVAL) {
		self->renumber_again = mono_add (now, AGAIN_NS);
		return;
	}
	for (size_t i = 0; i < self->n_renumbers; i++) {
		if (self->renumbers[i] == self->renumber.from)
			self->renumbers[i--] = self->renumbers[--self->n_renumbers];
	}
	if (!self->result)
		self->hooks.renumbered (self->hooks.arg, self->renumber.to, self->next - 1);
}

static void done (void *arg)
{
	spooler_t *self = arg;
	mono_t now = mono_now ();
	self->figures = self->fresh;
	memcpy (self->oldest, self->fresh_oldest, sizeof self->oldest);
	if (self->report.text[0])
		self->hooks.said (self->hooks.arg, &self->report);
	switch (self->job) {
	case JOB_OPEN:
		self->works = self->result == 0;
		if (self->works)
			well_say (self);
		else
			failure_say (self, now);
		self->again = self->works ? now : mono_add (now, AGAIN_NS);
		break;
	case JOB_COMMIT:
		done_commit (self, now);
		break;
	case JOB_READ:
		done_read (self, now);
		break;
	case JOB_RENUMBER:
		done_renumber (self, now);
		break;
	default:
		if (self->result)
			failure_say (self, now);
	}
	self->job = JOB_NONE;
	start (self);
}

static int on_numbered (void *arg, const spool_item_t *item)
{
	spooler_t *self = arg;
	if (!parcel_add (&self->batch, item))
		return -ENOMEM;
	return self->batch.n == SPOOLER_BATCH_MAX;
}

/* Numbers what is held; true when there is something to commit. */
static bool batch_make (spooler_t *self)
{
	if (self->batch.n == 0 && self->numbering && self->works && hold_count (outbox_hold (self->outbox))) {
		parcel_clear (&self->batch);
		self->batch_first = hold_oldest_number (outbox_hold (self->outbox));
		outbox_number (self->outbox, SPOOLER_BATCH_MAX, on_numbered, self);
		parcel_close (&self->batch);
	}
	return self->batch.n > 0;
}

static bool read_find (spooler_t *self)
{
	for (size_t i = 0; i < self->options.n_collectors; i++) {
		size_t c = (self->next_read + i) % self->options.n_collectors;
		if (self->reads[c].wanted) {
			self->collector = c;
			self->read_events = self->reads[c].events;
			self->read_bytes = self->reads[c].bytes;
			self->next_read = c + 1;
			return true;
		}
	}
	return false;
}

/* What is most urgent; a commit before all. Gathering goes on while something else runs. */
static job_t choose (spooler_t *self, mono_t now)
{
	bool again = mono_since (now, self->again) >= 0;
	if (!self->works)
		return again ? JOB_OPEN : JOB_NONE;
	if (self->n_renumbers && self->batch.n == 0 && mono_since (now, self->renumber_again) >= 0)
		return JOB_RENUMBER;
	bool full = hold_count (outbox_hold (self->outbox)) >= SPOOLER_GATHER_EVENTS;
	if (again && (self->batch.n || !self->gather || full) && batch_make (self))
		return JOB_COMMIT;
	if (read_find (self))
		return JOB_READ;
	if (mono_since (now, self->tick_due) >= 0)
		return JOB_TICK;
	return JOB_NONE;
}

static void start (spooler_t *self)
{
	mono_t now = mono_now ();
	if (self->job != JOB_NONE || worker_busy (self->worker))
		return;
	self->job = choose (self, now);
	if (self->job == JOB_NONE)
		return;
	if (self->job == JOB_TICK)
		self->tick_due = mono_add (now, TICK_NS);
	if (self->job == JOB_RENUMBER) {
		self->renumber.from = self->renumbers[0];
		self->renumber.to = self->to;
		self->renumber.boot_nonce = self->to_nonce;
	}
	self->n_job_acks = self->n_acks;
	memcpy (self->job_acks, self->acks, sizeof self->acks);
	self->n_acks = 0;
	self->report.text[0] = '\0';
	if (worker_run (self->worker, work, done, self))
		self->job = JOB_NONE; /* no thread now: again at the next step */
}

static void on_gathered (void *arg, int id, moment_t now)
{
	spooler_t *self = arg;
	(void) id;
	(void) now;
	self->gather = 0;
	start (self);
}

void spooler_nudge (spooler_t *self)
{
	if (!self->numbering || self->job == JOB_COMMIT || self->batch.n)
		return;
	if (hold_count (outbox_hold (self->outbox)) >= SPOOLER_GATHER_EVENTS) {
		start (self);
		return;
	}
	if (!self->gather && hold_count (outbox_hold (self->outbox))) {
		int id = loop_add_timer (self->loop, SPOOLER_GATHER_NS, 0, on_gathered, self);
		self->gather = id > 0 ? id : 0;
	}
}

void spooler_set_numbering (spooler_t *self, bool may)
{
	self->numbering = may;
	spooler_nudge (self);
}

void spooler_acknowledge (spooler_t *self, size_t collector, uint64_t incarnation, uint64_t newest)
{
	for (size_t i = 0; i < self->n_acks; i++) {
		ack_t *ack = &self->acks[i];
		if (ack->collector == collector && ack->incarnation == incarnation) {
			ack->newest = newest > ack->newest ? newest : ack->newest;
			return;
		}
	}
	/* One that finds no place is said again with the next. */
	if (self->n_acks < ACKS_MAX)
		self->acks[self->n_acks++] = (ack_t){ collector, incarnation, newest };
}

void spooler_read (spooler_t *self, size_t collector, size_t events, size_t bytes)
{
	self->reads[collector].wanted = true;
	self->reads[collector].events = events < SPOOLER_BATCH_MAX ? events : SPOOLER_BATCH_MAX;
	self->reads[collector].bytes = bytes;
	start (self);
}

void spooler_renumber (spooler_t *self, uint64_t from, uint64_t to, uint64_t boot_nonce)
{
	self->to = to;
	self->to_nonce = boot_nonce;
	bool there = false;
	for (size_t i = 0; i < self->n_renumbers; i++)
		there |= self->renumbers[i] == from;
	/* One that finds no place is said again by its collector. */
	if (!there && self->n_renumbers < RENUMBERS_MAX)
		self->renumbers[self->n_renumbers++] = from;
	start (self);
}

void spooler_step (spooler_t *self, moment_t now)
{
	(void) now;
	/* Where nothing waits and nothing is new, the disk is left alone. */
	if (self->figures.events == 0 && self->n_acks == 0 && self->works && !self->batch.n)
		self->tick_due = mono_add (mono_now (), TICK_NS);
	start (self);
}

void spooler_finish (spooler_t *self, int64_t patience_ns)
{
	mono_t until = mono_add (mono_now (), patience_ns);
	if (self->gather)
		loop_remove_timer (self->loop, self->gather);
	self->gather = 0;
	while (self->works && self->numbering &&
	        (self->batch.n || hold_count (outbox_hold (self->outbox)) || self->job != JOB_NONE)) {
		start (self);
		int64_t left = mono_since (until, mono_now ());
		if (left <= 0 || self->job == JOB_NONE || !worker_finish (self->worker, left))
			return;
	}
}

static int options_copy (spooler_t *self, const spool_options_t *options)
{
	self->options = *options;
	self->directory = strdup (options->directory);
	self->options.directory = self->directory;
	if (!self->directory)
		return -ENOMEM;
	for (size_t i = 0; i < options->n_collectors; i++) {
		if (!(self->collectors[i] = strdup (options->collectors[i])))
			return -ENOMEM;
	}
	self->options.collectors = (const char *const *) self->collectors;
	return 0;
}

int spooler_new (loop_t *loop, const spool_options_t *options, outbox_t *outbox, const spooler_hooks_t *hooks,
        wall_t now, spooler_t **ret, err_t *err)
{
	spooler_t *self = calloc (1, sizeof *self);
	(void) now;
	if (!self)
		return error_set (err, -ENOMEM, "out of memory");
	self->loop = loop;
	self->outbox = outbox;
	self->hooks = *hooks;
	self->tick_due = self->again = self->renumber_again = mono_now ();
	int r = options_copy (self, options);
	if (!r)
		r = worker_new (loop, &self->worker);
	if (r) {
		spooler_destroy (&self, 0);
		return error_set (err, r, "the spool's thread cannot be had: %s", strerror (-r));
	}
	self->job = JOB_OPEN;
	work (self);
	*ret = self;
	done (self);
	return 0;
}

bool spooler_destroy (spooler_t **self_p, int64_t patience_ns)
{
	spooler_t *self = *self_p;
	if (!self)
		return true;
	if (self->gather)
		loop_remove_timer (self->loop, self->gather);
	self->gather = 0;
	if (!worker_destroy (&self->worker, patience_ns))
		return false;
	spool_close (&self->spool);
	buffer_free (&self->batch.bytes);
	buffer_free (&self->parcel.bytes);
	for (size_t i = 0; i < self->options.n_collectors; i++)
		free (self->collectors[i]);
	free (self->directory);
	free (self);
	*self_p = NULL;
	return true;
}

uint64_t spooler_settled (const spooler_t *self)
{
	return self->batch.n ? self->batch_first - 1 : held_before (self);
}

const spool_figures_t *spooler_figures (const spooler_t *self)
{
	return &self->figures;
}

spooler_place_t spooler_oldest (const spooler_t *self, size_t collector)
{
	return self->oldest[collector];
}

bool spooler_works (const spooler_t *self)
{
	return self->works;
}

bool spooler_busy (const spooler_t *self)
{
	return self->job != JOB_NONE;
}
