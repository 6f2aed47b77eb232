#include "collector/committer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

struct committer {
	view_t *view;
	const core_port_t *port;
	committer_hooks_t hooks;
	batch_t *gathering, *going; /* going: under way, or to be tried again */
	bool under_way, failed;
	/* What went out without a mark: the batch that goes; of those that gather, the first so many. */
	bool going_unmarked;
	size_t unmarked;
	mono_t asked_at, retry_at, failed_at, failure_said;
};

int committer_new (view_t *view, const core_port_t *port, const committer_hooks_t *hooks, committer_t **ret)
{
	committer_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	self->view = view;
	self->port = port;
	self->hooks = *hooks;
	if (batch_new (&self->gathering) || batch_new (&self->going)) {
		committer_destroy (&self);
		return -ENOMEM;
	}
	*ret = self;
	return 0;
}

void committer_destroy (committer_t **self_p)
{
	committer_t *self = *self_p;
	if (!self)
		return;
	batch_destroy (&self->gathering);
	batch_destroy (&self->going);
	free (self);
	*self_p = NULL;
}

static void waiting_count (committer_t *self)
{
	self->view->counters.journal_waiting = batch_count (self->gathering) + batch_count (self->going);
}

bool committer_room (committer_t *self, size_t bytes, bool own)
{
	return batch_reserve (self->gathering, bytes, own);
}

void committer_add (committer_t *self, const journal_record_t *record, const batch_entry_t *entry)
{
	batch_add (self->gathering, record, entry);
	waiting_count (self);
}

static void publish (
        committer_t *self, const journal_record_t *record, const batch_entry_t *entry, span_t mark)
{
	self->port->publish (self->port->arg, record->topic, record->envelope, mark);
	if (entry->node == BATCH_OWN)
		self->hooks.published (self->hooks.arg, record, entry);
}

static void publish_from (committer_t *self, batch_t *batch, size_t first)
{
	/* What a commit under way writes in a record is not looked at. */
	for (size_t i = first; i < batch_count (batch); i++) {
		batch_entry_t *entry = batch_entry (batch, i);
		if (!entry->published)
			publish (self, batch_record (batch, i), entry, span_of (NULL, 0));
		entry->published = true;
	}
}

/* People see what happens although the disk does not take it. */
static void publish_unmarked (committer_t *self)
{
	if (!self->going_unmarked)
		publish_from (self, self->going, 0);
	self->going_unmarked = true;
	publish_from (self, self->gathering, self->unmarked);
	self->unmarked = batch_count (self->gathering);
}

static void trouble_say (committer_t *self, const char *what, moment_t now)
{
	char text[ERROR_TEXT_MAX + 160];
	if (self->failure_said.ns && mono_since (now.mono, self->failure_said) < COMMITTER_SAY_NS)
		return;
	self->failure_said = now.mono;
	snprintf (text, sizeof text,
	        "the journal takes nothing: %s; %zu durable events wait, agents keep theirs until they are "
	        "acknowledged",
	        what, batch_count (self->going) + batch_count (self->gathering));
	self->port->say (self->port->arg, LOG_LEVEL_ERROR, text);
}

static void go (committer_t *self, moment_t now)
{
	self->under_way = true;
	self->asked_at = now.mono;
	self->port->commit (self->port->arg, batch_content (self->going));
}

void committer_flush (committer_t *self, bool memory, moment_t now)
{
	if (self->under_way) {
		if (mono_since (now.mono, self->asked_at) < COMMITTER_PATIENCE_NS)
			return;
		trouble_say (self, "a commit does not come to its end", now);
		publish_unmarked (self);
	} else if (self->failed) {
		publish_unmarked (self);
		if (now.mono.ns >= self->retry_at.ns)
			go (self, now);
	} else if (memory || batch_count (self->gathering)) {
		batch_t *batch = self->gathering;
		self->gathering = self->going;
		self->going = batch;
		self->unmarked = 0;
		self->going_unmarked = false;
		self->hooks.remember (self->hooks.arg, batch, now);
		go (self, now);
	}
}

/* Outcomes. */

static void failed (committer_t *self, const char *what, moment_t now)
{
	if (!self->failed)
		self->failed_at = now.mono;
	self->failed = true;
	self->retry_at = mono_add (now.mono, COMMITTER_RETRY_NS);
	self->view->counters.journal_failed++;
	trouble_say (self, what, now);
	publish_unmarked (self);
}

static account_t *account_of (
        const committer_t *self, const journal_record_t *record, const batch_entry_t *entry)
{
	if (entry->node == BATCH_OWN)
		return NULL;
	account_t *account =
	        ledger_account (&nodes_at (self->view->nodes, entry->node)->ledger, record->incarnation);
	return account && account->boot_nonce == entry->boot_nonce ? account : NULL;
}

static void record_done (committer_t *self, const journal_record_t *record, const batch_entry_t *entry)
{
	account_t *account = account_of (self, record, entry);
	if (account) {
		account->queued -= account->queued > 0;
		account_commit (account, record->sequence, record->sequence);
		if (entry->first)
			account_commit (account, entry->first, entry->last);
		account->touched = true;
	}
	if (record->known) {
		self->view->counters.journal_known++;
		return;
	}
	journal_view_t *journal = &self->view->journal;
	uint8_t bytes[MARK_SIZE_MAX];
	mark_t mark = { .offset = record->offset,
		.previous_in_channel = record->previous_in_channel,
		.late = record->late,
		.received_ns = record->received_ns };
	memcpy (mark.journal, journal->id, sizeof mark.journal);
	journal->newest = record->offset;
	journal->channels[record->channel] = record->offset;
	self->view->counters.journalled++;
	publish (self, record, entry, span_of (bytes, mark_pack (&mark, bytes)));
}

void committer_done (committer_t *self, int error, const char *text, moment_t now)
{
	self->under_way = false;
	if (error) {
		failed (self, text, now);
		return;
	}
	if (self->failure_said.ns) {
		mono_t since = self->failed ? self->failed_at : self->asked_at;
		char good[128];
		snprintf (good, sizeof good, "the journal works again, after %.1f s",
		        (double) mono_since (now.mono, since) / 1e9);
		self->port->say (self->port->arg, LOG_LEVEL_INFO, good);
		self->failure_said = (mono_t){ 0 };
	}
	self->failed = false;
	size_t n = batch_count (self->going);
	for (size_t i = 0; i < n; i++)
		record_done (self, batch_record (self->going, i), batch_entry (self->going, i));
	/* One word for each account, however much of it was in the batch. */
	for (size_t i = 0; i < n; i++) {
		const batch_entry_t *entry = batch_entry (self->going, i);
		account_t *account = account_of (self, batch_record (self->going, i), entry);
		if (!account || !account->touched)
			continue;
		account->touched = false;
		self->hooks.acknowledge (self->hooks.arg, nodes_at (self->view->nodes, entry->node), account);
	}
	batch_clear (self->going);
	waiting_count (self);
}
