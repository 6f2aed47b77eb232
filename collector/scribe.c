/* A job's fields are the worker's while it runs and the owner's otherwise; the worker's mutex hands them
 * over. */

#include "collector/scribe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "net/worker.h"

/* So many commits one after the other, and whoever else waits has a turn. */
enum { PEER_MAX = 64, TURN = 4 };
#define UPKEEP_NS NS_PER_S

/* One reading that waits; its strings lie behind it. */
typedef struct reading {
	struct reading *next;
	uint8_t peer[PEER_MAX];
	size_t peer_size;
	uint64_t id;
	core_reading_t asked;
	mono_t until; /* the asker's patience; INT64_MAX: it does not say */
	const char **prefixes;
} reading_t;

/* A page under way. The entries' spans are offsets into bytes until all of them are there. */
typedef struct {
	buffer_t bytes;
	journal_entry_t *entries;
	size_t n, room;
	bool failed; /* for want of memory */
	checkpoint_t *checkpoints;
	core_page_t out;
} page_t;

struct scribe {
	journal_t *journal;
	worker_t *worker;
	scribe_hooks_t hooks;
	journal_batch_t *batch; /* waits, or is under way; NULL: none */
	reading_t *first, **end;
	size_t n_readings;
	mono_t upkeep_due;
	unsigned turns; /* commits since anything else had one */
	/* Of the job under way. */
	reading_t *reading;
	page_t page;
	checkpoint_t checkpoint;
	int result;
	err_t err;
};

int scribe_new (const journal_options_t *options, loop_t *loop, const scribe_hooks_t *hooks, scribe_t **ret,
        journal_report_t *report, err_t *err)
{
	scribe_t *self = calloc (1, sizeof *self);
	if (!self)
		return error_set (err, -ENOMEM, "out of memory");
	self->hooks = *hooks;
	self->end = &self->first;
	self->page.bytes = BUFFER_INIT;
	int r = worker_new (loop, &self->worker);
	if (r)
		error_set (err, r, "out of memory");
	else
		r = journal_open (options, wall_now (), &self->journal, report, err);
	if (r) {
		scribe_destroy (&self, 0);
		return r;
	}
	*ret = self;
	return 0;
}

static void page_clear (page_t *self)
{
	buffer_free (&self->bytes);
	free (self->entries);
	free (self->checkpoints);
	*self = (page_t){ .bytes = BUFFER_INIT };
}

static void readings_clear (scribe_t *self)
{
	while (self->first) {
		reading_t *reading = self->first;
		self->first = reading->next;
		free (reading);
	}
}

bool scribe_destroy (scribe_t **self_p, int64_t patience_ns)
{
	scribe_t *self = *self_p;
	*self_p = NULL;
	if (!self)
		return true;
	readings_clear (self);
	if (!worker_destroy (&self->worker, patience_ns))
		return false;
	free (self->reading);
	page_clear (&self->page);
	journal_close (&self->journal, wall_now ());
	free (self);
	return true;
}

void scribe_figures (const scribe_t *self, journal_figures_t *ret)
{
	journal_figures (self->journal, ret);
}

int scribe_restore (scribe_t *self, journal_restore_fn *visit, void *arg, err_t *err)
{
	return journal_restore (self->journal, visit, arg, err);
}

void scribe_commit (scribe_t *self, journal_batch_t *batch)
{
	self->batch = batch;
}

bool scribe_commits (const scribe_t *self)
{
	return self->batch != NULL;
}

/* The reading with its strings in one piece. */
static reading_t *reading_new (const core_reading_t *asked)
{
	const journal_query_t *query = &asked->query;
	size_t size = sizeof (reading_t) + query->n_prefixes * sizeof (char *);
	size += query->node ? strlen (query->node) + 1 : 0;
	for (size_t i = 0; i < query->n_prefixes; i++)
		size += strlen (query->prefixes[i]) + 1;
	reading_t *self = calloc (1, size);
	if (!self)
		return NULL;
	self->asked = *asked;
	self->prefixes = (const char **) (self + 1);
	char *at = (char *) (self->prefixes + query->n_prefixes);
	for (size_t i = 0; i < query->n_prefixes; i++) {
		size_t n = strlen (query->prefixes[i]) + 1;
		self->prefixes[i] = memcpy (at, query->prefixes[i], n);
		at += n;
	}
	self->asked.query.prefixes = self->prefixes;
	if (query->node)
		self->asked.query.node = memcpy (at, query->node, strlen (query->node) + 1);
	return self;
}

int scribe_read (scribe_t *self, span_t peer, uint64_t id, const core_reading_t *asked, mono_t now)
{
	if (peer.size > PEER_MAX)
		return -EMSGSIZE;
	if (self->n_readings == SCRIBE_READINGS_MAX)
		return -EBUSY;
	reading_t *reading = reading_new (asked);
	if (!reading)
		return -ENOMEM;
	memcpy (reading->peer, peer.data, peer.size);
	reading->peer_size = peer.size;
	reading->id = id;
	reading->until = asked->deadline_ms ? mono_add (now, (int64_t) asked->deadline_ms * NS_PER_MS)
	                                    : (mono_t){ INT64_MAX };
	*self->end = reading;
	self->end = &reading->next;
	self->n_readings++;
	return 0;
}

/* Jobs, on the worker's thread. */

static void commit_job (void *arg)
{
	scribe_t *self = arg;
	self->result =
	        journal_commit (self->journal, self->batch, wall_now (), &self->checkpoint, &self->err);
}

static void upkeep_job (void *arg)
{
	scribe_t *self = arg;
	self->result = journal_tick (self->journal, wall_now (), &self->checkpoint, &self->err);
}

static int on_entry (void *arg, const journal_entry_t *entry)
{
	page_t *page = arg;
	if (page->n == page->room) {
		size_t room = page->room ? page->room * 2 : 64;
		journal_entry_t *grown = realloc (page->entries, room * sizeof *grown);
		page->failed = !grown;
		if (!grown)
			return -ENOMEM;
		page->entries = grown;
		page->room = room;
	}
	page->entries[page->n++] = *entry;
	buffer_append (&page->bytes, entry->topic.data, entry->topic.size);
	buffer_append (&page->bytes, entry->envelope.data, entry->envelope.size);
	page->failed = buffer_failed (&page->bytes);
	return page->failed ? -ENOMEM : 0;
}

static void entries_point (page_t *page)
{
	const uint8_t *at = buffer_span (&page->bytes).data;
	for (size_t i = 0; i < page->n; i++) {
		journal_entry_t *entry = &page->entries[i];
		entry->topic.data = at;
		entry->envelope.data = at + entry->topic.size;
		at += entry->topic.size + entry->envelope.size;
	}
}

/* The hash before the first entry, the checkpoints among them, and at the end the newest there is. */
static int chain_read (scribe_t *self, page_t *page)
{
	core_page_t *out = &page->out;
	page->checkpoints = calloc (SCRIBE_CHECKPOINTS_MAX + 1, sizeof *page->checkpoints);
	if (!page->checkpoints)
		return -ENOMEM;
	int n = 0;
	if (page->n) {
		uint64_t first = page->entries[0].mark.offset, last = page->entries[page->n - 1].mark.offset;
		int r = journal_hash (self->journal, first - 1, out->anchor);
		if (r)
			return r;
		n = journal_checkpoints (
		        self->journal, first, last, page->checkpoints, SCRIBE_CHECKPOINTS_MAX);
		if (n < 0)
			return n;
	}
	checkpoint_t head;
	if (out->last && journal_head (self->journal, &head) == 0 &&
	        (n == 0 || page->checkpoints[n - 1].offset != head.offset))
		page->checkpoints[n++] = head;
	out->checkpoints = page->checkpoints;
	out->n_checkpoints = (size_t) n;
	return 0;
}

static void read_job (void *arg)
{
	scribe_t *self = arg;
	page_t *page = &self->page;
	core_page_t *out = &page->out;
	const core_reading_t *asked = &self->reading->asked;
	int r = journal_read (
	        self->journal, &asked->query, on_entry, page, &out->next, &out->last, &self->err);
	if (!r && page->failed)
		r = error_set (&self->err, -ENOMEM, "out of memory");
	if (!r && asked->chain && (r = chain_read (self, page)))
		error_set (&self->err, r, "the journal's chain cannot be read: %s", strerror (-r));
	self->result = r;
	if (r)
		return;
	entries_point (page);
	out->entries = page->entries;
	out->n = page->n;
	journal_figures (self->journal, &out->figures);
}

/* Their ends, on the loop's. */

static void checkpoint_say (scribe_t *self)
{
	if (self->checkpoint.offset)
		self->hooks.checkpoint (self->hooks.arg, &self->checkpoint);
}

static void commit_done (void *arg)
{
	scribe_t *self = arg;
	self->batch = NULL;
	self->hooks.committed (self->hooks.arg, self->result, self->err.text);
	if (!self->result)
		checkpoint_say (self);
	scribe_poll (self, mono_now ());
}

static void upkeep_done (void *arg)
{
	scribe_t *self = arg;
	/* What the disk does not take now is tried again in a second; a commit will say it. */
	if (!self->result)
		checkpoint_say (self);
	scribe_poll (self, mono_now ());
}

static void read_done (void *arg)
{
	scribe_t *self = arg;
	reading_t *reading = self->reading;
	self->reading = NULL;
	self->hooks.read_done (self->hooks.arg, span_of (reading->peer, reading->peer_size), reading->id,
	        reading->asked.chain, self->result, self->err.text, &self->page.out);
	free (reading);
	page_clear (&self->page);
	scribe_poll (self, mono_now ());
}

static reading_t *reading_next (scribe_t *self)
{
	reading_t *reading = self->first;
	if (reading) {
		self->first = reading->next;
		self->n_readings--;
		if (!self->first)
			self->end = &self->first;
	}
	return reading;
}

static int start (scribe_t *self, worker_job_fn *job, worker_job_fn *done)
{
	self->checkpoint.offset = 0;
	self->result = 0;
	self->err.text[0] = '\0';
	int r = worker_run (self->worker, job, done, self);
	/* From here on what the job writes is the job's: it may have ended already. */
	if (r)
		self->result = error_set (&self->err, r, "no thread for the journal: %s", strerror (-r));
	return r;
}

static void next_reading (scribe_t *self, mono_t now)
{
	self->reading = reading_next (self);
	if (self->reading->until.ns >= now.ns && start (self, read_job, read_done) == 0)
		return;
	if (self->reading->until.ns < now.ns)
		self->result = error_set (&self->err, -ETIMEDOUT, "the journal was busy for too long");
	read_done (self);
}

void scribe_poll (scribe_t *self, mono_t now)
{
	worker_poll (self->worker);
	if (worker_busy (self->worker))
		return;
	bool upkeep = now.ns >= self->upkeep_due.ns;
	if (self->batch && (self->turns < TURN || (!self->first && !upkeep))) {
		self->turns++;
		if (start (self, commit_job, commit_done))
			commit_done (self);
	} else if (self->first) {
		self->turns = 0;
		next_reading (self, now);
	} else if (upkeep) {
		self->turns = 0;
		self->upkeep_due = mono_add (now, UPKEEP_NS);
		(void) start (self, upkeep_job, upkeep_done);
	}
}

bool scribe_finish (scribe_t *self, int64_t patience_ns)
{
	return worker_finish (self->worker, patience_ns);
}
