/* Healing: another database is built from every record that checks, wherever it lies in the damaged one or its
 * WAL. Records keep their offsets, and the chain shows what is missing. It takes the damaged one's name when
 * it is whole; that one stays under another. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store/aside.h"
#include "store/journal_internal.h"
#include "store/record.h"

enum { WINDOW = 16 * 1024 * 1024 };

typedef struct {
	journal_t *journal;
	uint64_t newest; /* of the records that are sound; pieces of the memory that know more are not */
	err_t *err;
	int r;
} salvage_t;

static bool is_ours (journal_t *self, const uint8_t id[MARK_JOURNAL_SIZE])
{
	if (!self->has_id) {
		self->has_id = true;
		memcpy (self->id, id, sizeof self->id);
	}
	return memcmp (self->id, id, sizeof self->id) == 0;
}

static void on_found (void *arg, record_kind_t kind, span_t whole)
{
	salvage_t *self = arg;
	journal_t *journal = self->journal;
	journal_row_t row;
	checkpoint_t checkpoint;
	if (self->r)
		return;
	switch (kind) {
	case RECORD_ENTRY:
		/* What retention let go may still lie in pages that are free. */
		if (!journal_row_parse (whole, &row) || row.entry.mark.offset < journal->head_first ||
		        !is_ours (journal, row.entry.mark.journal))
			return;
		self->r = journal_row_insert (journal, &row, self->err);
		if (self->r == ROW_E_THERE)
			self->r = 0;
		return;
	case RECORD_CHECKPOINT:
		if (journal_checkpoint_parse (whole, &checkpoint) && checkpoint_verify (&checkpoint) &&
		        checkpoint.offset + 1 >= journal->head_first && is_ours (journal, checkpoint.journal))
			self->r = journal_checkpoint_put (journal, &checkpoint, self->err);
		return;
	default:
		return;
	}
}

static void on_piece (void *arg, record_kind_t kind, span_t whole)
{
	salvage_t *self = arg;
	journal_piece_t piece;
	char name[JOURNAL_STATE_KEY_MAX + 1];
	if (self->r || kind != RECORD_STATE || !journal_piece_parse (whole, &piece) ||
	        piece.newest > self->newest)
		return;
	snprintf (name, sizeof name, "%.*s", (int) piece.key.size, (const char *) piece.key.data);
	self->r =
	        journal_state_put (self->journal, piece.counter, piece.newest, name, piece.value, self->err);
}

static void on_window (void *arg, span_t bytes)
{
	record_scan (bytes, on_found, arg);
}
static void on_window_pieces (void *arg, span_t bytes)
{
	record_scan (bytes, on_piece, arg);
}

/* Behind the head only what continues its chain: a commit that had just ended, not one that never did. */
static int tail_cut (journal_t *self, salvage_t *found, err_t *err)
{
	journal_head_t head;
	int r = journal_number (self, "SELECT max(offset) FROM records", &found->newest, err);
	if (r || !journal_head_take (self, &head))
		return r;
	uint8_t hash[CHAIN_HASH_SIZE];
	journal_row_t row;
	sqlite3_stmt *at = self->statements[JOURNAL_AT];
	uint64_t offset = head.checkpoint.offset;
	memcpy (hash, head.checkpoint.hash, sizeof hash);
	for (bool fits = true; fits;) {
		bind_u64 (at, 1, offset + 1);
		fits = sqlite3_step (at) == SQLITE_ROW && journal_row_parse (column_bytes (at, 0), &row);
		if (fits) {
			chain_hash (hash, &row.entry.mark, row.entry.topic, row.entry.envelope, hash);
			fits = memcmp (hash, row.entry.hash, sizeof hash) == 0;
		}
		sqlite3_reset (at);
		offset += fits;
	}
	found->newest = offset;
	char sql[160];
	snprintf (sql, sizeof sql,
	        "DELETE FROM records WHERE offset > %llu; DELETE FROM checkpoints WHERE offset > %llu",
	        (unsigned long long) offset, (unsigned long long) offset);
	return database_exec (&self->db, sql, err);
}

static int both_scan (journal_t *self, const aside_t *names, files_scan_fn *scan, salvage_t *arg, err_t *err)
{
	int r = files_scan (self->vfs, self->path, WINDOW, RECORD_SIZE_MAX, scan, arg);
	if (!r)
		r = files_scan (self->vfs, names->wal, WINDOW, RECORD_SIZE_MAX, scan, arg);
	return r ? error_set (err, r, "%s: cannot be read: %s", self->path, strerror (-r)) : arg->r;
}

static int salvage (journal_t *self, const aside_t *names, journal_report_t *report, err_t *err)
{
	salvage_t arg = { self, 0, err, 0 };
	int r = database_exec (&self->db, "BEGIN IMMEDIATE", err);
	if (!r)
		r = both_scan (self, names, on_window, &arg, err);
	if (!r)
		r = tail_cut (self, &arg, err);
	if (!r)
		r = both_scan (self, names, on_window_pieces, &arg, err);
	if (!r)
		r = journal_number (self, "SELECT count(*) FROM records", &report->recovered, err);
	if (!r && self->has_id)
		r = journal_meta_put (self, "id", span_of (self->id, sizeof self->id), err);
	return r ? r : database_exec (&self->db, "COMMIT", err);
}

/* What the head names and nothing holds is lost, and known to be from now on. */
static int loss_note (journal_t *self, journal_report_t *report, err_t *err)
{
	uint64_t newest = 0;
	int r = journal_number (self, "SELECT max(offset) FROM records", &newest, err);
	if (r || newest >= self->head_newest)
		return r;
	char sql[96];
	report->lost_first = newest + 1;
	report->lost_last = self->head_newest;
	snprintf (sql, sizeof sql, "INSERT OR REPLACE INTO meta (key, value) VALUES ('lost', %llu)",
	        (unsigned long long) self->head_newest);
	return database_exec (&self->db, sql, err);
}

int journal_heal (journal_t *self, wall_t now, journal_report_t *report, err_t *err)
{
	aside_t names;
	memset (report, 0, sizeof *report);
	aside_names (&names, self->vfs, self->path, now);
	journal_statements_close (self);
	/* Open until its bytes were read: closed, it might throw its WAL away. */
	database_t damaged = self->db;
	self->db = (database_t){ NULL, NULL };
	if (damaged.handle)
		sqlite3_db_config (damaged.handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	int r = aside_begin (&names, err);
	if (!r)
		r = journal_begin (self, names.fresh, err);
	if (!r)
		r = salvage (self, &names, report, err);
	if (!r)
		r = loss_note (self, report, err);
	journal_statements_close (self);
	if (!r)
		r = database_checkpoint (&self->db, err);
	database_close (&self->db);
	database_close (&damaged);
	if (!r)
		r = aside_exchange (&names, err);
	if (!r)
		r = journal_load (self, err);
	if (r) {
		journal_statements_close (self);
		database_close (&self->db);
		return r;
	}
	self->damaged = false;
	int n = snprintf (report->text, sizeof report->text,
	        "%.160s did not hold together: set aside as %.160s; %llu records were taken over", self->path,
	        names.damaged, (unsigned long long) report->recovered);
	uint64_t all = self->head_newest - (self->head_first ? self->head_first - 1 : 0);
	uint64_t between = all - (report->lost_first ? report->lost_last - report->lost_first + 1 : 0);
	if (self->head_newest && between > report->recovered && n > 0 && (size_t) n < sizeof report->text)
		n += snprintf (report->text + n, sizeof report->text - (size_t) n,
		        ", %llu between them are lost", (unsigned long long) (between - report->recovered));
	if (report->lost_first && n > 0 && (size_t) n < sizeof report->text)
		snprintf (report->text + n, sizeof report->text - (size_t) n, ", %llu to %llu are lost",
		        (unsigned long long) report->lost_first, (unsigned long long) report->lost_last);
	return 0;
}
