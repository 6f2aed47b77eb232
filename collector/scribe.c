/* What a job reads and writes is the worker's while it runs: the batch, or `page` and the request at the
 * queue's head. Everything else is the loop's. */

#include "collector/scribe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/log.h"
#include "net/worker.h"

enum { PEER_MAX = 64 };

/* A reading that waits. Strings and prefixes follow it in its own memory. */
typedef struct request {
	struct request *next;
	uint8_t peer[PEER_MAX];
	size_t peer_size;
	uint64_t id;
	mono_t deadline; /* 0: none */
	bool chain;
	journal_query_t query;
	const char *prefixes[];
} request_t;

typedef enum { JOB_NONE, JOB_COMMIT, JOB_READ, JOB_TICK } job_t;

struct scribe {
	journal_t *journal;
	worker_t *worker;
	scribe_hooks_t hooks;
	journal_figures_t figures; /* at the start */
	job_t running;
	unsigned turns; /* commits since anything else had one */
	mono_t tick_due, tick_said;

	journal_batch_t *batch; /* waits or is under way */
	request_t *first, **last;
	size_t n_requests;

	/* Of the job. */
	int result;
	err_t err;
	checkpoint_t checkpoint;
	core_page_t page;
	journal_entry_t *entries;
	size_t room_entries;
	size_t *starts; /* of each entry's topic in bytes */
	buffer_t bytes;
	bool page_failed; /* for want of memory */
	checkpoint_t checkpoints[CORE_PAGE_CHECKPOINTS + 1];
};

int scribe_new (const journal_options_t *options, const scribe_hooks_t *hooks, loop_t *loop, scribe_t **ret,
        journal_report_t *report, err_t *err)
{
	scribe_t *self = calloc (1, sizeof *self);
	if (!self || worker_new (loop, &self->worker)) {
		free (self);
		return error_set (err, -ENOMEM, "out of memory");
	}
	self->hooks = *hooks;
	self->last = &self->first;
	self->tick_due = mono_now ();
	int r = journal_open (options, wall_now (), &self->journal, report, err);
	if (r) {
		scribe_destroy (&self);
		return r;
	}
	journal_figures (self->journal, &self->figures);
	*ret = self;
	return 0;
}

static void request_drop (scribe_t *self)
{
	request_t *request = self->first;
	self->first = request->next;
	if (!self->first)
		self->last = &self->first;
	self->n_requests--;
	free (request);
}

bool scribe_destroy (scribe_t **self_p)
{
	scribe_t *self = *self_p;
	*self_p = NULL;
	if (!self)
		return true;
	if (!worker_destroy (&self->worker, SCRIBE_PATIENCE_NS))
		return false;
	journal_close (&self->journal, wall_now ());
	while (self->first)
		request_drop (self);
	free (self->entries);
	free (self->starts);
	buffer_free (&self->bytes);
	free (self);
	return true;
}

const journal_figures_t *scribe_figures (const scribe_t *self)
{
	return &self->figures;
}

int scribe_restore (scribe_t *self, journal_restore_fn *visit, void *arg, err_t *err)
{
	return journal_restore (self->journal, visit, arg, err);
}

/* On the worker's thread. */

static void commit_work (void *arg)
{
	scribe_t *self = arg;
	self->result =
	        journal_commit (self->journal, self->batch, wall_now (), &self->checkpoint, &self->err);
}

static void tick_work (void *arg)
{
	scribe_t *self = arg;
	self->result = journal_tick (self->journal, wall_now (), &self->checkpoint, &self->err);
}

static bool entries_reserve (scribe_t *self)
{
	if (self->page.n < self->room_entries)
		return true;
	size_t room = self->room_entries ? self->room_entries * 2 : 256;
	journal_entry_t *entries = realloc (self->entries, room * sizeof *entries);
	if (entries)
		self->entries = entries;
	size_t *starts = realloc (self->starts, room * sizeof *starts);
	if (starts)
		self->starts = starts;
	if (!entries || !starts)
		return false;
	self->room_entries = room;
	return true;
}

static int on_entry (void *arg, const journal_entry_t *entry)
{
	scribe_t *self = arg;
	self->page_failed = !entries_reserve (self);
	if (self->page_failed)
		return -ENOMEM;
	self->starts[self->page.n] = self->bytes.size;
	self->entries[self->page.n++] = *entry;
	buffer_append (&self->bytes, entry->topic.data, entry->topic.size);
	buffer_append (&self->bytes, entry->envelope.data, entry->envelope.size);
	self->page_failed = buffer_failed (&self->bytes);
	return self->page_failed ? -ENOMEM : 0;
}

/* The hash before the first entry; the checkpoints of the entries, and the newest in the last page. */
static int chain_read (scribe_t *self)
{
	core_page_t *page = &self->page;
	int r = 0;
	if (page->n) {
		uint64_t first = self->entries[0].mark.offset, last = self->entries[page->n - 1].mark.offset;
		r = journal_hash (self->journal, first - 1, page->anchor);
		/* What stands before what retention left, or did not check: the reader will see that it does
		 * not fit. */
		if (r == -ENOENT)
			memset (page->anchor, 0, sizeof page->anchor);
		r = journal_checkpoints (
		        self->journal, first, last, self->checkpoints, CORE_PAGE_CHECKPOINTS);
		page->n_checkpoints = r > 0 ? (size_t) r : 0;
	}
	if (r >= 0 && page->last) {
		checkpoint_t *head = &self->checkpoints[page->n_checkpoints];
		uint64_t before = page->n_checkpoints ? head[-1].offset : 0;
		/* The head is signed too, and newer than the newest checkpoint. */
		if (journal_head (self->journal, head) == 0 && head->offset > before)
			page->n_checkpoints++;
	}
	return r < 0 ? r : 0;
}

static void read_work (void *arg)
{
	scribe_t *self = arg;
	const request_t *request = self->first;
	core_page_t *page = &self->page;
	memset (page, 0, sizeof *page);
	self->page_failed = false;
	buffer_reset (&self->bytes);
	self->result = journal_read (
	        self->journal, &request->query, on_entry, self, &page->next, &page->last, &self->err);
	if (!self->result && self->page_failed)
		self->result = -ENOMEM;
	if (!self->result && request->chain)
		self->result = chain_read (self);
	const uint8_t *base = (const uint8_t *) buffer_string (&self->bytes);
	for (size_t i = 0; i < page->n; i++) {
		journal_entry_t *entry = &self->entries[i];
		entry->topic.data = base + self->starts[i];
		entry->envelope.data = base + self->starts[i] + entry->topic.size;
	}
	page->entries = self->entries;
	page->checkpoints = self->checkpoints;
	journal_figures (self->journal, &page->figures);
}

/* On the loop's. */

static void commit_done (scribe_t *self, moment_t now)
{
	self->batch = NULL;
	self->hooks.committed (self->hooks.arg, self->result, self->err.text, now);
	if (!self->result && self->checkpoint.offset)
		self->hooks.checkpoint (self->hooks.arg, &self->checkpoint, now);
}

static void tick_done (scribe_t *self, moment_t now)
{
	if (!self->result && self->checkpoint.offset)
		self->hooks.checkpoint (self->hooks.arg, &self->checkpoint, now);
	if (!self->result || (self->tick_said.ns && mono_since (now.mono, self->tick_said) < 60 * NS_PER_S))
		return;
	self->tick_said = now.mono;
	log_error ("collector", "the journal's retention or checkpoint failed: %s", self->err.text);
}

static void read_done (scribe_t *self)
{
	request_t *request = self->first;
	const char *text = self->err.text[0] ? self->err.text : strerror (-self->result);
	self->hooks.read (self->hooks.arg, span_of (request->peer, request->peer_size), request->id,
	        request->chain, self->result, text, &self->page);
	request_drop (self);
}

static void done (void *arg)
{
	scribe_t *self = arg;
	job_t did = self->running;
	moment_t now = moment_now ();
	self->running = JOB_NONE;
	if (did == JOB_COMMIT)
		commit_done (self, now);
	else if (did == JOB_READ)
		read_done (self);
	else
		tick_done (self, now);
}

static job_t next_job (scribe_t *self, mono_t now)
{
	/* Whoever asked is gone. */
	while (self->first && self->first->deadline.ns && self->first->deadline.ns <= now.ns)
		request_drop (self);
	job_t other = self->tick_due.ns <= now.ns ? JOB_TICK : self->first ? JOB_READ : JOB_NONE;
	if (self->batch && (other == JOB_NONE || self->turns < SCRIBE_TURN))
		return JOB_COMMIT;
	return other;
}

static void begin (scribe_t *self)
{
	static worker_job_fn *const work[] = {
		[JOB_COMMIT] = commit_work, [JOB_READ] = read_work, [JOB_TICK] = tick_work
	};
	mono_t now = mono_now ();
	job_t job = next_job (self, now);
	if (job == JOB_NONE || worker_busy (self->worker))
		return;
	self->running = job;
	self->result = 0;
	self->err.text[0] = '\0';
	self->checkpoint.offset = 0;
	if (worker_run (self->worker, work[job], done, self)) {
		self->running = JOB_NONE; /* no thread now: again at the next step */
		return;
	}
	self->turns = job == JOB_COMMIT ? self->turns + 1 : 0;
	if (job == JOB_TICK)
		self->tick_due = mono_add (now, SCRIBE_TICK_NS);
}

void scribe_commit (scribe_t *self, journal_batch_t *batch)
{
	self->batch = batch;
	begin (self);
}

int scribe_read (scribe_t *self, span_t peer, uint64_t id, const core_reading_t *asked)
{
	size_t same = 0, size = asked->query.node ? strlen (asked->query.node) + 1 : 0;
	for (const request_t *r = self->first; r; r = r->next)
		same += span_equal (peer, span_of (r->peer, r->peer_size));
	if (self->n_requests == SCRIBE_READINGS_MAX || same == SCRIBE_PEER_READINGS_MAX ||
	        peer.size > PEER_MAX)
		return -EBUSY;
	const size_t n = asked->query.n_prefixes;
	for (size_t i = 0; i < n; i++)
		size += strlen (asked->query.prefixes[i]) + 1;
	request_t *request = malloc (sizeof *request + n * sizeof request->prefixes[0] + size);
	if (!request)
		return -ENOMEM;
	*request =
	        (request_t){ .peer_size = peer.size, .id = id, .chain = asked->chain, .query = asked->query };
	memcpy (request->peer, peer.data, peer.size);
	if (asked->deadline_ms)
		request->deadline = mono_add (mono_now (), asked->deadline_ms * NS_PER_MS);
	char *at = (char *) (request->prefixes + n);
	for (size_t i = 0; i < n; i++) {
		size = strlen (asked->query.prefixes[i]) + 1;
		request->prefixes[i] = memcpy (at, asked->query.prefixes[i], size);
		at += size;
	}
	request->query.prefixes = request->prefixes;
	if (asked->query.node)
		request->query.node = memcpy (at, asked->query.node, strlen (asked->query.node) + 1);
	*self->last = request;
	self->last = &request->next;
	self->n_requests++;
	begin (self);
	return 0;
}

void scribe_step (scribe_t *self)
{
	worker_poll (self->worker);
	begin (self);
}

bool scribe_finish (scribe_t *self)
{
	mono_t until = mono_add (mono_now (), SCRIBE_PATIENCE_NS);
	while (self->batch) {
		int64_t left = mono_since (until, mono_now ());
		begin (self);
		if (left <= 0 || !worker_finish (self->worker, left))
			return false;
	}
	return true;
}
