/* Opening: the newest record and the head apart must agree, and SQLite find its pages sound; else the journal
 * is healed (journal_heal.c). */

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/aside.h"
#include "store/journal_internal.h"

static const char tables[] =
        "CREATE TABLE IF NOT EXISTS records (offset INTEGER PRIMARY KEY, node TEXT NOT NULL, subject TEXT,"
        " incarnation INTEGER NOT NULL, sequence INTEGER NOT NULL, channel INTEGER NOT NULL,"
        " severity INTEGER NOT NULL, time_ns INTEGER NOT NULL, body BLOB NOT NULL);"
        "CREATE UNIQUE INDEX IF NOT EXISTS records_once ON records (node, incarnation, sequence);"
        "CREATE INDEX IF NOT EXISTS records_node ON records (node, offset);"
        "CREATE INDEX IF NOT EXISTS records_subject ON records (subject, offset) WHERE subject IS NOT NULL;"
        "CREATE TABLE IF NOT EXISTS spans (span INTEGER PRIMARY KEY, time_min INTEGER NOT NULL,"
        " time_max INTEGER NOT NULL, channels INTEGER NOT NULL, severity_max INTEGER NOT NULL);"
        "CREATE TABLE IF NOT EXISTS checkpoints (offset INTEGER PRIMARY KEY, body BLOB NOT NULL);"
        "CREATE TABLE IF NOT EXISTS states (key TEXT PRIMARY KEY, counter INTEGER NOT NULL,"
        " removed INTEGER NOT NULL, body BLOB NOT NULL);"
        "CREATE INDEX IF NOT EXISTS states_removed ON states (counter) WHERE removed;"
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

void journal_statements_close (journal_t *self)
{
	for (int i = 0; i < JOURNAL_STATEMENT_COUNT; i++) {
		sqlite3_finalize (self->statements[i]);
		self->statements[i] = NULL;
	}
}

int journal_begin (journal_t *self, const char *path, err_t *err)
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
int journal_number (journal_t *self, const char *sql, uint64_t *ret, err_t *err)
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

int journal_meta_put (journal_t *self, const char *key, span_t value, err_t *err)
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
	return journal_meta_put (self, "id", span_of (self->id, sizeof self->id), err);
}

static int newest_load (journal_t *self, err_t *err)
{
	journal_now_t *now = &self->now;
	journal_row_t row;
	checkpoint_t checkpoint;
	int r;
	if ((r = journal_number (self, "SELECT min(offset) FROM records", &now->first, err)) ||
	        (r = journal_number (self, "SELECT max(offset) FROM records", &now->newest, err)) ||
	        (r = journal_number (self, "SELECT count(*) FROM records", &now->records, err)) ||
	        (r = journal_number (self, "SELECT max(counter) FROM states", &now->counter, err)) ||
	        (r = journal_number (
	                 self, "SELECT max(offset) FROM checkpoints", &now->signed_offset, err)) ||
	        (r = journal_number (
	                 self, "SELECT value FROM meta WHERE key = 'lost'", &self->lost_through, err)))
		return r;
	for (unsigned c = 0; c < CHANNEL_COUNT; c++) {
		char sql[256];
		snprintf (sql, sizeof sql,
		        "SELECT max(offset) FROM records, (SELECT max(span) AS s FROM spans WHERE channels "
		        "& %u) WHERE offset BETWEEN s * %u AND s * %u + %u AND channel = %u",
		        1U << c, JOURNAL_SPAN, JOURNAL_SPAN, JOURNAL_SPAN - 1, c);
		if ((r = journal_number (self, sql, &now->channels[c], err)))
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

/* SQLite's own look at its pages. */
static int pages_check (journal_t *self, err_t *err)
{
	sqlite3_stmt *check = NULL;
	int r = database_prepare (&self->db, "PRAGMA quick_check(1)", &check, err);
	if (r)
		return r;
	int outcome = sqlite3_step (check);
	bool sound = outcome == SQLITE_ROW && span_is (column_bytes (check, 0), "ok");
	sqlite3_finalize (check);
	if (outcome != SQLITE_ROW)
		return database_error (&self->db, outcome, err, "checking its pages");
	return sound ? 0 : not_sound (self, err, "its pages do not hold together");
}

/* The head goes on where the file ends before it: its offsets are never given twice. Channels of which
 * retention left nothing have their newest there alone. */
static int head_join (journal_t *self, const journal_head_t *head, err_t *err)
{
	const checkpoint_t *newest = &head->checkpoint;
	if (memcmp (newest->journal, self->id, sizeof self->id) != 0)
		return 0;
	if (newest->offset > self->now.newest) {
		if (self->lost_through < newest->offset)
			return not_sound (self, err, "it holds less than its head says");
		self->now.newest = newest->offset;
		memcpy (self->now.hash, newest->hash, sizeof newest->hash);
	}
	for (unsigned c = 0; c < CHANNEL_COUNT; c++) {
		if (head->channels[c] > self->now.channels[c] && head->channels[c] <= newest->offset)
			self->now.channels[c] = head->channels[c];
	}
	return 0;
}

static int database_load (journal_t *self, err_t *err)
{
	journal_head_t head;
	char wal[JOURNAL_PATH_MAX + 8];
	bool has_head = journal_head_take (self, &head);
	memset (&self->now, 0, sizeof self->now);
	if (has_head) {
		self->head_newest = head.checkpoint.offset;
		self->head_first = head.first;
		memcpy (self->id, head.checkpoint.journal, sizeof self->id);
		self->has_id = true;
	}
	/* SQLite would throw the WAL of a missing file away. */
	snprintf (wal, sizeof wal, "%s-wal", self->path);
	if (!files_exist (self->vfs, self->path) && files_exist (self->vfs, wal))
		return not_sound (self, err, "it is missing, and its WAL is there");
	int r = journal_begin (self, self->path, err);
	if (!r && !self->read_only)
		r = pages_check (self, err);
	if (!r)
		r = id_load (self, err);
	if (!r)
		r = newest_load (self, err);
	return r || !has_head || self->read_only ? r : head_join (self, &head, err);
}

int journal_load (journal_t *self, err_t *err)
{
	int r = database_load (self, err);
	/* For healing it stays open. */
	if (r && r != -EBADMSG) {
		journal_statements_close (self);
		database_close (&self->db);
	}
	return r;
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
	journal_statements_close (self);
	database_close (&self->db);
	slots_close (&self->head);
	sodium_free (self->secret_key);
	buffer_free (&self->buffer);
	free (self->vfs);
	free (self);
	*self_p = NULL;
}
