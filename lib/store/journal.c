#include "store/journal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/journal_internal.h"
#include "store/record.h"

enum { TRIM_SEGMENTS = 12 };

static void checkpoint_fill (const journal_t *self, wall_t now, checkpoint_t *ret)
{
	memcpy (ret->journal, self->id, sizeof ret->journal);
	ret->offset = self->now.newest;
	memcpy (ret->hash, self->now.hash, sizeof ret->hash);
	ret->time_ns = (uint64_t) now.ns;
	memcpy (ret->public_key, self->public_key, sizeof ret->public_key);
	checkpoint_sign (ret, self->secret_key);
}

/* The head apart: who cuts the newest records off the file does not reach it, and who reaches both cannot
 * sign another. */
int journal_head_write (journal_t *self, wall_t now, bool sync)
{
	checkpoint_t head;
	buffer_t value = BUFFER_INIT;
	if (self->now.newest == 0)
		return 0;
	checkpoint_fill (self, now, &head);
	journal_checkpoint_pack (&value, &head);
	for (unsigned c = 0; c < CHANNEL_COUNT; c++)
		record_u64 (&value, self->now.channels[c]);
	record_u64 (&value, self->now.first);
	int r = buffer_failed (&value) ? -ENOMEM : slots_write (self->head, buffer_span (&value), sync);
	buffer_free (&value);
	if (!r)
		self->head_newest = head.offset;
	return r;
}

bool journal_head_take (const journal_t *self, journal_head_t *ret)
{
	span_t value;
	const size_t more = (CHANNEL_COUNT + 1) * sizeof (uint64_t);
	if (!slots_value (self->head, &value) || value.size < more ||
	        !journal_checkpoint_parse (span_of (value.data, value.size - more), &ret->checkpoint) ||
	        !checkpoint_verify (&ret->checkpoint))
		return false;
	const uint8_t *at = (const uint8_t *) value.data + value.size - more;
	record_reader_t reader = { at, at + more, false };
	for (unsigned c = 0; c < CHANNEL_COUNT; c++)
		ret->channels[c] = record_take_u64 (&reader);
	ret->first = record_take_u64 (&reader);
	return true;
}

int journal_sign (journal_t *self, wall_t now, checkpoint_t *ret, err_t *err)
{
	checkpoint_fill (self, now, ret);
	int r = journal_checkpoint_put (self, ret, err);
	if (!r) {
		self->now.signed_offset = ret->offset;
		self->now.signed_ns = ret->time_ns;
	}
	return r;
}

static int end (journal_t *self, const journal_now_t *saved, int r, err_t *err)
{
	if (!r)
		r = database_exec (&self->db, "COMMIT", err);
	if (r) {
		if (!sqlite3_get_autocommit (self->db.handle))
			(void) database_exec (&self->db, "ROLLBACK", NULL);
		self->now = *saved;
	}
	return r;
}

static int known_look (journal_t *self, journal_record_t *record, err_t *err)
{
	sqlite3_stmt *known = self->statements[JOURNAL_KNOWN];
	sqlite3_bind_text (known, 1, record->node, -1, SQLITE_STATIC);
	bind_u64 (known, 2, record->incarnation);
	bind_u64 (known, 3, record->sequence);
	int outcome = sqlite3_step (known);
	record->known = outcome == SQLITE_ROW;
	record->offset = record->known ? column_u64 (known, 0) : 0;
	sqlite3_reset (known);
	return outcome == SQLITE_ROW || outcome == SQLITE_DONE
	               ? 0
	               : database_error (&self->db, outcome, err, "looking up");
}

static int record_add (journal_t *self, journal_record_t *record, err_t *err)
{
	if (!record->node || !record->node[0] || record->channel >= CHANNEL_COUNT ||
	        record->topic.size == 0 || record->topic.size > 255 || record->incarnation > INT64_MAX ||
	        record->sequence > INT64_MAX)
		return error_set (err, -EINVAL, "a record of the commit is none that a journal holds");
	int r = known_look (self, record, err);
	if (r || record->known)
		return r;
	journal_now_t *now = &self->now;
	record->offset = now->newest + 1;
	record->previous_in_channel = now->channels[record->channel];
	journal_row_t row = { .node = span_str (record->node),
		.subject = span_str (record->subject_node ? record->subject_node : ""),
		.incarnation = record->incarnation,
		.sequence = record->sequence,
		.time_ns = record->time_ns,
		.channel = record->channel,
		.severity = record->severity };
	row.entry.mark = (mark_t){ .offset = record->offset,
		.previous_in_channel = record->previous_in_channel,
		.late = record->late,
		.received_ns = record->received_ns };
	memcpy (row.entry.mark.journal, self->id, MARK_JOURNAL_SIZE);
	row.entry.topic = record->topic;
	row.entry.envelope = record->envelope;
	chain_hash (now->hash, &row.entry.mark, record->topic, record->envelope, row.entry.hash);
	r = journal_row_insert (self, &row, err);
	if (r == ROW_E_THERE)
		r = error_set (err, -EBADMSG, "%s: offset %llu is taken", self->path,
		        (unsigned long long) record->offset);
	if (r)
		return r;
	memcpy (now->hash, row.entry.hash, sizeof now->hash);
	now->newest = record->offset;
	now->channels[record->channel] = record->offset;
	now->records++;
	if (!now->first)
		now->first = record->offset;
	return 0;
}

static int commit_once (
        journal_t *self, journal_batch_t *batch, wall_t now, checkpoint_t *checkpoint, err_t *err)
{
	journal_now_t saved;
	checkpoint->offset = 0;
	/* Where healing failed before, the disk may take it now. */
	int r = self->db.handle ? 0 : journal_load (self, err);
	if (!r)
		r = database_exec (&self->db, "BEGIN IMMEDIATE", err);
	if (r)
		return r;
	saved = self->now;
	for (size_t i = 0; i < batch->n_records && !r; i++)
		r = record_add (self, &batch->records[i], err);
	for (size_t i = 0; i < batch->n_states && !r; i++)
		r = journal_state_put (self, ++self->now.counter, self->now.newest, batch->states[i].key,
		        batch->states[i].value, err);
	if (!r && self->now.newest - self->now.signed_offset >= JOURNAL_CHECKPOINT_RECORDS)
		r = journal_sign (self, now, checkpoint, err);
	r = end (self, &saved, r, err);
	if (r)
		checkpoint->offset = 0;
	return r;
}

int journal_commit (
        journal_t *self, journal_batch_t *batch, wall_t now, checkpoint_t *ret_checkpoint, err_t *err)
{
	checkpoint_t own;
	checkpoint_t *checkpoint = ret_checkpoint ? ret_checkpoint : &own;
	int r = commit_once (self, batch, now, checkpoint, err);
	journal_report_t report;
	if (r == -EBADMSG && journal_heal (self, now, &report, NULL) == 0)
		r = commit_once (self, batch, now, checkpoint, err);
	if (r)
		return r;
	(void) journal_head_write (self, now, checkpoint->offset != 0);
	return 0;
}

/* Retention: whole segments between checkpoints, the oldest first; the checkpoint at a segment's end stays
 * and anchors what follows. */

/* The end of the oldest segment, when it may go; 0. */
static uint64_t segment_old (journal_t *self, wall_t now)
{
	checkpoint_t checkpoint = { .offset = 0 };
	sqlite3_stmt *segment = self->statements[JOURNAL_SEGMENT];
	if (self->now.first == 0)
		return 0;
	bind_u64 (segment, 1, self->now.first - 1);
	bool found = sqlite3_step (segment) == SQLITE_ROW &&
	             journal_checkpoint_parse (column_bytes (segment, 1), &checkpoint);
	sqlite3_reset (segment);
	/* The newest stays: it is what continues. */
	if (!found || checkpoint.offset >= self->now.newest)
		return 0;
	bool old = self->retain_ns && now.ns - (int64_t) checkpoint.time_ns > self->retain_ns;
	bool large = self->retain_bytes && database_bytes (&self->db) > self->retain_bytes;
	return old || large ? checkpoint.offset : 0;
}

static int trim (journal_t *self, uint64_t offset, err_t *err)
{
	sqlite3_stmt *records = self->statements[JOURNAL_TRIM];
	sqlite3_stmt *checkpoints = self->statements[JOURNAL_TRIM_CHECKPOINTS];
	sqlite3_stmt *spans = self->statements[JOURNAL_TRIM_SPANS];
	bind_u64 (records, 1, offset);
	bind_u64 (checkpoints, 1, offset);
	bind_u64 (spans, 1, (offset + 1) / JOURNAL_SPAN);
	int r = database_run (&self->db, records, err);
	if (r)
		return r;
	self->now.records -= (uint64_t) sqlite3_changes (self->db.handle);
	self->now.first = offset + 1;
	r = database_run (&self->db, checkpoints, err);
	return r ? r : database_run (&self->db, spans, err);
}

int journal_tick (journal_t *self, wall_t now, checkpoint_t *ret_checkpoint, err_t *err)
{
	journal_now_t saved;
	checkpoint_t own;
	checkpoint_t *checkpoint = ret_checkpoint ? ret_checkpoint : &own;
	bool trimmed = false;
	int r;
	checkpoint->offset = 0;
	bool due = self->now.newest > self->now.signed_offset &&
	           now.ns - (int64_t) self->now.signed_ns >= JOURNAL_CHECKPOINT_NS;
	/* A reading met what does not hold together. */
	journal_report_t report;
	if (self->damaged && (r = journal_heal (self, now, &report, err)))
		return r;
	uint64_t old = self->db.handle ? segment_old (self, now) : 0;
	if (!due && !old)
		return 0;
	r = database_exec (&self->db, "BEGIN IMMEDIATE", err);
	if (r)
		return r;
	saved = self->now;
	if (due)
		r = journal_sign (self, now, checkpoint, err);
	/* More segments than come in a second, so that it never grows for want of time. */
	for (unsigned n = 0; !r && old && n < TRIM_SEGMENTS; n++) {
		r = trim (self, old, err);
		old = segment_old (self, now);
		trimmed = true;
	}
	r = end (self, &saved, r, err);
	if (r) {
		checkpoint->offset = 0;
		return r;
	}
	if (trimmed)
		(void) database_exec (&self->db, "PRAGMA incremental_vacuum(2048)", NULL);
	(void) journal_head_write (self, now, true);
	return 0;
}

void journal_figures (const journal_t *self, journal_figures_t *ret)
{
	union {
		const journal_t *in;
		journal_t *out;
	} open = { self };
	memset (ret, 0, sizeof *ret);
	memcpy (ret->id, self->id, sizeof ret->id);
	memcpy (ret->public_key, self->public_key, sizeof ret->public_key);
	ret->first = self->now.records ? self->now.first : 0;
	ret->newest = self->now.newest;
	memcpy (ret->channels, self->now.channels, sizeof ret->channels);
	ret->records = self->now.records;
	ret->bytes = self->db.handle ? database_bytes (&open.out->db) : 0;
}
