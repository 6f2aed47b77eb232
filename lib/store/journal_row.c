/* Bodies are records (record.h) that say all that their columns say: a file that SQLite refuses is built
 * again from them. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/journal_internal.h"
#include "store/record.h"

void journal_row_pack (buffer_t *out, const journal_row_t *row)
{
	const mark_t *mark = &row->entry.mark;
	record_begin (out, RECORD_ENTRY);
	buffer_append (out, mark->journal, sizeof mark->journal);
	record_u64 (out, mark->offset);
	record_u64 (out, mark->previous_in_channel);
	record_u8 (out, mark->late);
	record_u64 (out, mark->received_ns);
	record_bytes (out, row->node);
	record_bytes (out, row->subject);
	record_u64 (out, row->incarnation);
	record_u64 (out, row->sequence);
	record_u64 (out, row->time_ns);
	record_u8 (out, (uint8_t) row->channel);
	record_u8 (out, (uint8_t) row->severity);
	record_bytes (out, row->entry.topic);
	record_bytes (out, row->entry.envelope);
	buffer_append (out, row->entry.hash, CHAIN_HASH_SIZE);
	record_end (out);
}

bool journal_row_parse (span_t body, journal_row_t *ret)
{
	record_kind_t kind;
	record_reader_t reader;
	if (!record_open (body, &kind, &reader) || kind != RECORD_ENTRY)
		return false;
	memset (ret, 0, sizeof *ret);
	mark_t *mark = &ret->entry.mark;
	record_take_fixed (&reader, mark->journal, sizeof mark->journal);
	mark->offset = record_take_u64 (&reader);
	mark->previous_in_channel = record_take_u64 (&reader);
	mark->late = record_take_u8 (&reader);
	mark->received_ns = record_take_u64 (&reader);
	ret->node = record_take_bytes (&reader);
	ret->subject = record_take_bytes (&reader);
	ret->incarnation = record_take_u64 (&reader);
	ret->sequence = record_take_u64 (&reader);
	ret->time_ns = record_take_u64 (&reader);
	ret->channel = (channel_t) record_take_u8 (&reader);
	ret->severity = (Belfry__V1__Severity) record_take_u8 (&reader);
	ret->entry.topic = record_take_bytes (&reader);
	ret->entry.envelope = record_take_bytes (&reader);
	record_take_fixed (&reader, ret->entry.hash, CHAIN_HASH_SIZE);
	return record_done (&reader) && mark->offset && mark->offset <= INT64_MAX &&
	       ret->channel < CHANNEL_COUNT && mark->previous_in_channel < mark->offset &&
	       ret->entry.topic.size && ret->node.size;
}

int journal_row_insert (journal_t *self, const journal_row_t *row, err_t *err)
{
	sqlite3_stmt *insert = self->statements[JOURNAL_INSERT], *span = self->statements[JOURNAL_SPAN_PUT];
	journal_row_pack (&self->buffer, row);
	if (buffer_failed (&self->buffer))
		return error_set (err, -ENOMEM, "out of memory");
	bind_u64 (insert, 1, row->entry.mark.offset);
	sqlite3_bind_text (insert, 2, row->node.data, (int) row->node.size, SQLITE_STATIC);
	if (row->subject.size)
		sqlite3_bind_text (insert, 3, row->subject.data, (int) row->subject.size, SQLITE_STATIC);
	else
		sqlite3_bind_null (insert, 3);
	bind_u64 (insert, 4, row->incarnation);
	bind_u64 (insert, 5, row->sequence);
	sqlite3_bind_int (insert, 6, (int) row->channel);
	sqlite3_bind_int (insert, 7, (int) row->severity);
	uint64_t time_ns = row->time_ns < INT64_MAX ? row->time_ns : INT64_MAX;
	bind_u64 (insert, 8, time_ns);
	sqlite3_bind_blob (insert, 9, self->buffer.data, (int) self->buffer.size, SQLITE_STATIC);
	int r = database_run (&self->db, insert, err);
	if (r || sqlite3_changes (self->db.handle) == 0)
		return r ? r : ROW_E_THERE;
	bind_u64 (span, 1, row->entry.mark.offset / JOURNAL_SPAN);
	bind_u64 (span, 2, time_ns);
	bind_u64 (span, 3, UINT64_C (1) << row->channel);
	sqlite3_bind_int (span, 4, (int) row->severity);
	return database_run (&self->db, span, err);
}

void journal_checkpoint_pack (buffer_t *out, const checkpoint_t *checkpoint)
{
	record_begin (out, RECORD_CHECKPOINT);
	buffer_append (out, checkpoint->journal, sizeof checkpoint->journal);
	record_u64 (out, checkpoint->offset);
	buffer_append (out, checkpoint->hash, sizeof checkpoint->hash);
	record_u64 (out, checkpoint->time_ns);
	buffer_append (out, checkpoint->public_key, sizeof checkpoint->public_key);
	buffer_append (out, checkpoint->signature, sizeof checkpoint->signature);
	record_end (out);
}

bool journal_checkpoint_parse (span_t body, checkpoint_t *ret)
{
	record_kind_t kind;
	record_reader_t reader;
	if (!record_open (body, &kind, &reader) || kind != RECORD_CHECKPOINT)
		return false;
	record_take_fixed (&reader, ret->journal, sizeof ret->journal);
	ret->offset = record_take_u64 (&reader);
	record_take_fixed (&reader, ret->hash, sizeof ret->hash);
	ret->time_ns = record_take_u64 (&reader);
	record_take_fixed (&reader, ret->public_key, sizeof ret->public_key);
	record_take_fixed (&reader, ret->signature, sizeof ret->signature);
	return record_done (&reader) && ret->offset && ret->offset <= INT64_MAX;
}

int journal_checkpoint_put (journal_t *self, const checkpoint_t *checkpoint, err_t *err)
{
	sqlite3_stmt *put = self->statements[JOURNAL_CHECKPOINT];
	journal_checkpoint_pack (&self->buffer, checkpoint);
	if (buffer_failed (&self->buffer))
		return error_set (err, -ENOMEM, "out of memory");
	bind_u64 (put, 1, checkpoint->offset);
	sqlite3_bind_blob (put, 2, self->buffer.data, (int) self->buffer.size, SQLITE_STATIC);
	return database_run (&self->db, put, err);
}

/* What was removed stays as an empty piece while so many others are written: a file that is built again from
 * what lies in it must not bring it back. */
enum { REMOVED_KEPT = 4096 };

static void piece_pack (buffer_t *out, const journal_piece_t *piece)
{
	record_begin (out, RECORD_STATE);
	record_u64 (out, piece->counter);
	record_u64 (out, piece->newest);
	record_bytes (out, piece->key);
	record_bytes (out, piece->value);
	record_end (out);
}

bool journal_piece_parse (span_t body, journal_piece_t *ret)
{
	record_kind_t kind;
	record_reader_t reader;
	if (!record_open (body, &kind, &reader) || kind != RECORD_STATE)
		return false;
	ret->counter = record_take_u64 (&reader);
	ret->newest = record_take_u64 (&reader);
	ret->key = record_take_bytes (&reader);
	ret->value = record_take_bytes (&reader);
	return record_done (&reader) && ret->counter <= INT64_MAX && ret->newest <= INT64_MAX &&
	       ret->key.size && ret->key.size <= JOURNAL_STATE_KEY_MAX;
}

int journal_state_put (
        journal_t *self, uint64_t counter, uint64_t newest, const char *key, span_t value, err_t *err)
{
	sqlite3_stmt *put = self->statements[JOURNAL_STATE], *forget = self->statements[JOURNAL_STATE_FORGET];
	const journal_piece_t piece = { counter, newest, span_str (key), value };
	if (piece.key.size == 0 || piece.key.size > JOURNAL_STATE_KEY_MAX)
		return error_set (err, -EINVAL, "'%.32s' is no key of the collector's memory", key);
	piece_pack (&self->buffer, &piece);
	if (buffer_failed (&self->buffer))
		return error_set (err, -ENOMEM, "out of memory");
	sqlite3_bind_text (put, 1, key, (int) piece.key.size, SQLITE_STATIC);
	bind_u64 (put, 2, counter);
	sqlite3_bind_int (put, 3, value.size == 0);
	sqlite3_bind_blob (put, 4, self->buffer.data, (int) self->buffer.size, SQLITE_STATIC);
	int r = database_run (&self->db, put, err);
	if (r || value.size || counter < REMOVED_KEPT)
		return r;
	bind_u64 (forget, 1, counter - REMOVED_KEPT);
	return database_run (&self->db, forget, err);
}
