/* Opening: the newest record and the head apart must agree. Where the database holds less, or SQLite refuses
 * it, another is built from every record that checks, wherever it lies in the database or its WAL; records
 * keep their offsets, and the chain shows what is missing. The damaged files stay under another name. */

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/aside.h"
#include "store/journal_internal.h"
#include "store/record.h"

enum { WINDOW = 16 * 1024 * 1024 };

static const char tables[] =
        "CREATE TABLE IF NOT EXISTS records (offset INTEGER PRIMARY KEY, node TEXT NOT NULL, subject TEXT,"
        " incarnation INTEGER NOT NULL, sequence INTEGER NOT NULL, channel INTEGER NOT NULL,"
        " severity INTEGER NOT NULL, time_ns INTEGER NOT NULL, body BLOB NOT NULL);"
        "CREATE UNIQUE INDEX IF NOT EXISTS records_once ON records (node, incarnation, sequence);"
        "CREATE INDEX IF NOT EXISTS records_node ON records (node, offset);"
        "CREATE INDEX IF NOT EXISTS records_subject ON records (subject, offset) WHERE subject IS NOT NULL;"
        "CREATE INDEX IF NOT EXISTS records_channel ON records (channel, offset);"
        "CREATE INDEX IF NOT EXISTS records_time ON records (time_ns);"
        "CREATE TABLE IF NOT EXISTS checkpoints (offset INTEGER PRIMARY KEY, body BLOB NOT NULL);"
        "CREATE TABLE IF NOT EXISTS states (key TEXT PRIMARY KEY, counter INTEGER NOT NULL, body BLOB NOT "
        "NULL);"
        "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value BLOB NOT NULL);";

static const char *const statements[] = {
#define X(name, sql) sql,
	JOURNAL_STATEMENTS (X)
#undef X
};

static int not_sound (const journal_t *self, err_t *err, const char *what)
{
	return error_set (err, -EBADMSG, "%s: %s", self->path, what);
}

static void statements_finalise (journal_t *self)
{
	for (int i = 0; i < JOURNAL_STATEMENT_COUNT; i++) {
		sqlite3_finalize (self->statements[i]);
		self->statements[i] = NULL;
	}
}

static int database_begin (journal_t *self, const char *path, err_t *err)
{
	int r = self->read_only ? database_look (self->vfs, path, &self->db, err)
	                        : database_open (self->vfs, path, &self->db, err);
	if (!r && !self->read_only)
		r = database_exec (&self->db, tables, err);
	for (int i = 0; i < JOURNAL_STATEMENT_COUNT && !r; i++)
		r = database_prepare (&self->db, statements[i], &self->statements[i], err);
	return r;
}

/* One number; the default where there is none. */
static int number_get (journal_t *self, const char *sql, uint64_t *ret, err_t *err)
{
	sqlite3_stmt *statement = NULL;
	int r = database_prepare (&self->db, sql, &statement, err);
	if (r)
		return r;
	int outcome = sqlite3_step (statement);
	*ret = outcome == SQLITE_ROW ? column_u64 (statement, 0) : 0;
	sqlite3_finalize (statement);
	return outcome == SQLITE_ROW || outcome == SQLITE_DONE
	               ? 0
	               : database_error (&self->db, outcome, err, "reading");
}

static int meta_put (journal_t *self, const char *key, span_t value, err_t *err)
{
	sqlite3_stmt *put = NULL;
	int r = database_prepare (
	        &self->db, "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)", &put, err);
	if (r)
		return r;
	sqlite3_bind_text (put, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_blob (put, 2, value.data, (int) value.size, SQLITE_STATIC);
	r = database_run (&self->db, put, err);
	sqlite3_finalize (put);
	return r;
}

/* The journal's id: of the database, else of the head, else a new one. */
static int id_load (journal_t *self, err_t *err)
{
	sqlite3_stmt *get = NULL;
	int r = database_prepare (&self->db, "SELECT value FROM meta WHERE key = 'id'", &get, err);
	if (r)
		return r;
	int outcome = sqlite3_step (get);
	span_t value = outcome == SQLITE_ROW ? column_bytes (get, 0) : span_of (NULL, 0);
	bool found = value.size == sizeof self->id;
	if (found)
		memcpy (self->id, value.data, sizeof self->id);
	sqlite3_finalize (get);
	if (outcome != SQLITE_ROW && outcome != SQLITE_DONE)
		return database_error (&self->db, outcome, err, "reading its id");
	if (found || self->read_only) {
		self->has_id |= found;
		return 0;
	}
	if (!self->has_id)
		randombytes_buf (self->id, sizeof self->id);
	self->has_id = true;
	return meta_put (self, "id", span_of (self->id, sizeof self->id), err);
}

static int newest_load (journal_t *self, err_t *err)
{
	journal_now_t *now = &self->now;
	journal_row_t row;
	checkpoint_t checkpoint;
	int r;
	if ((r = number_get (self, "SELECT min(offset) FROM records", &now->first, err)) ||
	        (r = number_get (self, "SELECT max(offset) FROM records", &now->newest, err)) ||
	        (r = number_get (self, "SELECT count(*) FROM records", &now->records, err)) ||
	        (r = number_get (self, "SELECT max(counter) FROM states", &now->counter, err)) ||
	        (r = number_get (self, "SELECT max(offset) FROM checkpoints", &now->signed_offset, err)) ||
	        (r = number_get (
	                 self, "SELECT value FROM meta WHERE key = 'lost'", &self->lost_through, err)))
		return r;
	for (unsigned c = 0; c < CHANNEL_COUNT; c++) {
		char sql[96];
		snprintf (sql, sizeof sql, "SELECT max(offset) FROM records WHERE channel = %u", c);
		if ((r = number_get (self, sql, &now->channels[c], err)))
			return r;
	}
	if (now->newest) {
		sqlite3_stmt *at = self->statements[JOURNAL_AT];
		bind_u64 (at, 1, now->newest);
		bool checks = sqlite3_step (at) == SQLITE_ROW &&
		              journal_row_parse (column_bytes (at, 0), &row) &&
		              row.entry.mark.offset == now->newest &&
		              memcmp (row.entry.mark.journal, self->id, sizeof self->id) == 0;
		if (checks)
			memcpy (now->hash, row.entry.hash, sizeof now->hash);
		sqlite3_reset (at);
		if (!checks && !self->read_only)
			return not_sound (self, err, "its newest record does not check");
	}
	if (now->signed_offset &&
	        journal_checkpoints (self, now->signed_offset, now->signed_offset, &checkpoint, 1) == 1) {
		now->signed_ns = checkpoint.time_ns;
		/* All that was there is gone by retention: the chain goes on behind its anchor. */
		if (!now->newest) {
			now->newest = checkpoint.offset;
			memcpy (now->hash, checkpoint.hash, sizeof now->hash);
		}
	}
	return 0;
}

/* The head goes on where the file ends before it: its offsets are never given twice. */
static void head_take (journal_t *self, const checkpoint_t *head, span_t channels)
{
	record_reader_t reader = { channels.data, (const uint8_t *) channels.data + channels.size, false };
	self->now.newest = head->offset;
	memcpy (self->now.hash, head->hash, sizeof head->hash);
	for (unsigned c = 0; c < CHANNEL_COUNT; c++) {
		uint64_t offset = record_take_u64 (&reader);
		if (offset > self->now.channels[c] && offset <= head->offset)
			self->now.channels[c] = offset;
	}
}

int journal_load (journal_t *self, err_t *err)
{
	checkpoint_t head;
	span_t value = span_of ("", 0);
	memset (&self->now, 0, sizeof self->now);
	bool has_head = journal_head (self, &head) == 0 && checkpoint_verify (&head);
	if (has_head) {
		(void) slots_value (self->head, &value);
		self->head_newest = head.offset;
		memcpy (self->id, head.journal, sizeof self->id);
		self->has_id = true;
	}
	int r = database_begin (self, self->path, err);
	if (!r)
		r = id_load (self, err);
	if (!r)
		r = newest_load (self, err);
	if (r || !has_head || self->read_only || head.offset <= self->now.newest ||
	        memcmp (head.journal, self->id, sizeof self->id) != 0)
		return r;
	if (self->lost_through < head.offset)
		return not_sound (self, err, "it holds less than its head says");
	size_t channels = CHANNEL_COUNT * sizeof (uint64_t);
	head_take (self, &head, span_of ((const uint8_t *) value.data + value.size - channels, channels));
	return 0;
}

/* Healing. */

typedef struct {
	journal_t *journal;
	journal_report_t *report;
	err_t *err;
	int r;
} salvage_t;

static void on_found (void *arg, record_kind_t kind, span_t whole)
{
	salvage_t *self = arg;
	journal_t *journal = self->journal;
	journal_row_t row;
	checkpoint_t checkpoint;
	uint64_t counter;
	span_t key, value;
	char name[JOURNAL_STATE_KEY_MAX + 1];
	if (self->r)
		return;
	switch (kind) {
	case RECORD_ENTRY:
		if (!journal_row_parse (whole, &row) ||
		        (journal->has_id &&
		                memcmp (row.entry.mark.journal, journal->id, sizeof journal->id) != 0))
			return;
		self->r = journal_row_insert (journal, &row, self->err);
		if (!self->r)
			self->report->recovered += (uint64_t) sqlite3_changes (journal->db.handle);
		return;
	case RECORD_CHECKPOINT:
		if (journal_checkpoint_parse (whole, &checkpoint) && checkpoint_verify (&checkpoint) &&
		        (!journal->has_id ||
		                memcmp (checkpoint.journal, journal->id, sizeof journal->id) == 0))
			self->r = journal_checkpoint_put (journal, &checkpoint, self->err);
		return;
	case RECORD_STATE:
		if (!journal_state_parse (whole, &counter, &key, &value) || counter > INT64_MAX)
			return;
		snprintf (name, sizeof name, "%.*s", (int) key.size, (const char *) key.data);
		self->r = journal_state_put (journal, counter, name, value, self->err);
		return;
	default:
		return;
	}
}

static void on_window (void *arg, span_t bytes)
{
	record_scan (bytes, on_found, arg);
}

static int salvage (journal_t *self, const aside_t *names, journal_report_t *report, err_t *err)
{
	salvage_t arg = { self, report, err, 0 };
	int r = database_exec (&self->db, "BEGIN IMMEDIATE", err);
	if (!r)
		r = files_scan (self->vfs, self->path, WINDOW, RECORD_SIZE_MAX, on_window, &arg);
	if (!r)
		r = files_scan (self->vfs, names->wal, WINDOW, RECORD_SIZE_MAX, on_window, &arg);
	if (!r)
		r = arg.r;
	if (!r && self->has_id)
		r = meta_put (self, "id", span_of (self->id, sizeof self->id), err);
	return r ? r : database_exec (&self->db, "COMMIT", err);
}

/* What the head names and nothing holds is lost, and known to be from now on. */
static int loss_note (journal_t *self, journal_report_t *report, err_t *err)
{
	uint64_t newest = 0;
	int r = number_get (self, "SELECT max(offset) FROM records", &newest, err);
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
	statements_finalise (self);
	/* Open until its bytes were read: closed, it might throw its WAL away. */
	database_t damaged = self->db;
	self->db = (database_t){ NULL, NULL };
	if (damaged.handle)
		sqlite3_db_config (damaged.handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	int r = aside_begin (&names, err);
	if (!r)
		r = database_begin (self, names.fresh, err);
	if (!r)
		r = salvage (self, &names, report, err);
	if (!r)
		r = loss_note (self, report, err);
	if (!r)
		r = database_checkpoint (&self->db, err);
	statements_finalise (self);
	database_close (&self->db);
	database_close (&damaged);
	if (!r)
		r = aside_exchange (&names, err);
	if (!r)
		r = journal_load (self, err);
	if (r)
		return r;
	int n = snprintf (report->text, sizeof report->text,
	        "%.160s did not hold together: set aside as %.160s; %llu records were taken over", self->path,
	        names.damaged, (unsigned long long) report->recovered);
	if (report->lost_first && n > 0 && (size_t) n < sizeof report->text)
		snprintf (report->text + n, sizeof report->text - (size_t) n, ", %llu to %llu are lost",
		        (unsigned long long) report->lost_first, (unsigned long long) report->lost_last);
	return 0;
}

/* The key. */

static int key_mode_check (const journal_t *self, err_t *err)
{
	struct stat found;
	if (self->vfs)
		return 0;
	if (stat (self->key_path, &found) < 0)
		return error_set (err, -errno, "%s: %s", self->key_path, strerror (errno));
	if ((found.st_uid != geteuid () && found.st_uid != 0) || (found.st_mode & 077))
		return error_set (err, -EACCES, "%s: it must be this user's alone: chown and chmod 600",
		        self->key_path);
	return 0;
}

static int key_load (journal_t *self, wall_t now, journal_report_t *report, err_t *err)
{
	slots_t *file;
	span_t value;
	bool fresh = !files_exist (self->vfs, self->key_path);
	self->secret_key = sodium_malloc (CHAIN_SECRET_KEY_SIZE);
	if (!self->secret_key)
		return error_set (err, -ENOMEM, "out of memory");
	if (fresh && !self->vfs) {
		mode_t before = umask (077);
		int made = slots_open (self->vfs, self->key_path, false, &file, err);
		umask (before);
		if (made)
			return made;
	} else {
		int r = fresh ? 0 : key_mode_check (self, err);
		if (!r)
			r = slots_open (self->vfs, self->key_path, false, &file, err);
		if (r)
			return r;
	}
	(void) now;
	int r = 0;
	if (slots_value (file, &value) && value.size == CHAIN_SECRET_KEY_SIZE) {
		memcpy (self->secret_key, value.data, CHAIN_SECRET_KEY_SIZE);
		crypto_sign_ed25519_sk_to_pk (self->public_key, self->secret_key);
	} else {
		crypto_sign_keypair (self->public_key, self->secret_key);
		r = slots_write (file, span_of (self->secret_key, CHAIN_SECRET_KEY_SIZE), true);
		if (r)
			error_set (err, r, "%s: %s", self->key_path, strerror (-r));
		else if (!fresh && !report->text[0])
			snprintf (report->text, sizeof report->text,
			        "%.200s did not check: another key signs from now on", self->key_path);
	}
	slots_close (&file);
	return r;
}

static int names_take (journal_t *self, const journal_options_t *options, err_t *err)
{
	if (strlen (options->directory) > JOURNAL_PATH_MAX - 128)
		return error_set (err, -ENAMETOOLONG, "%s: the path is too long", options->directory);
	snprintf (self->path, sizeof self->path, "%s/journal.db", options->directory);
	snprintf (self->head_path, sizeof self->head_path, "%s/journal.head", options->directory);
	snprintf (self->key_path, sizeof self->key_path, "%s/journal.key", options->directory);
	self->read_only = options->read_only;
	self->retain_ns = options->retain_ns;
	self->retain_bytes = options->retain_bytes;
	if (options->vfs && !(self->vfs = strdup (options->vfs)))
		return error_set (err, -ENOMEM, "out of memory");
	return 0;
}

int journal_open (
        const journal_options_t *options, wall_t now, journal_t **ret, journal_report_t *report, err_t *err)
{
	aside_t names;
	journal_t *self = calloc (1, sizeof *self);
	memset (report, 0, sizeof *report);
	if (!self)
		return error_set (err, -ENOMEM, "out of memory");
	int r = names_take (self, options, err);
	if (!r && self->read_only && !files_exist (self->vfs, self->path))
		r = error_set (err, -ENOENT, "%s: there is no journal", self->path);
	if (!r)
		r = slots_open (self->vfs, self->head_path, self->read_only, &self->head, err);
	aside_names (&names, self->vfs, self->path, now);
	if (!r && !self->read_only)
		r = aside_finish (&names, err);
	if (!r)
		r = journal_load (self, err);
	if (r == -EBUSY)
		error_set (err, r, "%s: a collector uses it; ask that one", self->path);
	if (r == -EBADMSG && !self->read_only)
		r = journal_heal (self, now, report, err);
	if (!r && !self->read_only)
		r = key_load (self, now, report, err);
	if (r) {
		journal_close (&self, now);
		return r;
	}
	*ret = self;
	return 0;
}

void journal_close (journal_t **self_p, wall_t now)
{
	journal_t *self = *self_p;
	if (!self)
		return;
	if (self->db.handle && self->secret_key && !self->read_only) {
		checkpoint_t last;
		if (self->now.newest > self->now.signed_offset)
			(void) journal_sign (self, now, &last, NULL);
		(void) journal_head_write (self, now, true);
	}
	statements_finalise (self);
	database_close (&self->db);
	slots_close (&self->head);
	sodium_free (self->secret_key);
	buffer_free (&self->buffer);
	free (self->vfs);
	free (self);
	*self_p = NULL;
}
