/* Opening: the file is read once, row by row, and held against itself, against the mark, and against memory
 * where there was some. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/spool_internal.h"

static const char tables[] =
        "CREATE TABLE rows (id INTEGER PRIMARY KEY, incarnation INTEGER NOT NULL, sequence INTEGER NOT NULL,"
        " first INTEGER NOT NULL, priority INTEGER NOT NULL, size INTEGER NOT NULL, body BLOB NOT NULL);"
        "CREATE UNIQUE INDEX rows_place ON rows (incarnation, sequence);"
        "CREATE INDEX rows_priority ON rows (priority, incarnation, sequence);"
        "CREATE TABLE eras (incarnation INTEGER PRIMARY KEY, body BLOB NOT NULL);";

static const char *const statements[] = {
#define X(name, sql) sql,
	SPOOL_STATEMENTS (X)
#undef X
};

sqlite3_stmt *spool_statement (spool_t *self, spool_statement_t which)
{
	return self->statements[which];
}

void spool_detach (spool_t *self)
{
	for (int i = 0; i < SPOOL_STATEMENT_COUNT; i++) {
		sqlite3_finalize (self->statements[i]);
		self->statements[i] = NULL;
	}
	database_close (&self->db);
}

static int not_sound (const spool_t *self, err_t *err, const char *what)
{
	return error_set (err, -EBADMSG, "%s: %s", self->path, what);
}

/* Whether two statements give the same texts. */
static bool rows_equal (sqlite3_stmt *a, sqlite3_stmt *b, int columns)
{
	for (;;) {
		int in_a = sqlite3_step (a), in_b = sqlite3_step (b);
		if (in_a != in_b || in_a != SQLITE_ROW)
			return in_a == SQLITE_DONE && in_b == SQLITE_DONE;
		for (int c = 0; c < columns; c++) {
			if (!span_equal (column_bytes (a, c), column_bytes (b, c)))
				return false;
		}
	}
}

/* A file with no tables gets them; another's must be ours to the letter. */
static int schema_check (spool_t *self, err_t *err)
{
	static const char sql[] = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name";
	database_t ours = { NULL, NULL };
	sqlite3_stmt *found = NULL, *wanted = NULL;
	int r = database_prepare (&self->db, sql, &found, err);
	if (r)
		return r;
	int outcome = sqlite3_step (found);
	sqlite3_reset (found);
	if (outcome == SQLITE_DONE)
		r = database_exec (&self->db, tables, err);
	else if (outcome != SQLITE_ROW)
		r = database_error (&self->db, outcome, err, "reading its tables");
	else if (sqlite3_open_v2 (
	                 ":memory:", &ours.handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) ||
	         sqlite3_exec (ours.handle, tables, NULL, NULL, NULL) ||
	         sqlite3_prepare_v2 (ours.handle, sql, -1, &wanted, NULL))
		r = error_set (err, -ENOMEM, "out of memory");
	else if (!rows_equal (found, wanted, 4))
		r = not_sound (self, err, "its tables are not a spool's");
	sqlite3_finalize (found);
	sqlite3_finalize (wanted);
	database_close (&ours);
	return r;
}

int spool_attach (spool_t *self, const char *path, err_t *err)
{
	int r = database_open (self->vfs, path, &self->db, err);
	if (!r)
		r = schema_check (self, err);
	for (int i = 0; i < SPOOL_STATEMENT_COUNT && !r; i++)
		r = database_prepare (&self->db, statements[i], &self->statements[i], err);
	return r;
}

/* Runs sql and hands each row to take; 0, or the first failure. */
typedef int row_fn (spool_t *self, sqlite3_stmt *row, void *arg, err_t *err);
static int each (spool_t *self, const char *sql, row_fn *take, void *arg, err_t *err)
{
	sqlite3_stmt *statement = NULL;
	int r = database_prepare (&self->db, sql, &statement, err), outcome;
	while (!r && (outcome = sqlite3_step (statement)) != SQLITE_DONE) {
		if (outcome != SQLITE_ROW)
			r = database_error (&self->db, outcome, err, "reading what was kept");
		else
			r = take (self, statement, arg, err);
	}
	sqlite3_finalize (statement);
	return r;
}

static int era_take (spool_t *self, sqlite3_stmt *row, void *arg, err_t *err)
{
	era_t read;
	(void) arg;
	if (!spool_era_parse (self, column_bytes (row, 1), &read) || read.incarnation != column_u64 (row, 0))
		return not_sound (self, err, "an incarnation does not check");
	era_t *era = spool_era_get (self, read.incarnation, read.boot_nonce);
	if (!era)
		return error_set (err, -ENOMEM, "out of memory");
	*era = read;
	return 0;
}

/* Where the walk over all rows is. */
typedef struct {
	era_t *era;
	uint64_t through;
} walk_t;

/* A row against its columns, and right behind the one before it. */
static int row_take (spool_t *self, sqlite3_stmt *row, void *arg, err_t *err)
{
	walk_t *walk = arg;
	spool_item_t item;
	span_t body = column_bytes (row, 5);
	uint64_t incarnation = column_u64 (row, 0);
	int priority = sqlite3_column_int (row, 3);
	if (!walk->era || walk->era->incarnation != incarnation) {
		if (walk->era && (incarnation < walk->era->incarnation || walk->through != walk->era->newest))
			return not_sound (self, err, "rows are missing");
		walk->era = spool_era (self, incarnation);
		walk->through = walk->era ? walk->era->settled : 0;
	}
	if (!walk->era || !spool_row_parse (body, &item) || item.incarnation != incarnation ||
	        item.sequence != column_u64 (row, 1) || item.first != column_u64 (row, 2) ||
	        priority != (item.reason ? SPOOL_GAP : (int) item.priority) ||
	        column_u64 (row, 4) != body.size + SPOOL_ROW_OVERHEAD)
		return not_sound (self, err, "a row does not check");
	if (item.first > walk->through + 1 || item.last <= walk->through)
		return not_sound (self, err, "rows are missing");
	walk->through = item.last;
	self->now.rows++;
	self->now.bytes[priority] += column_u64 (row, 4);
	walk->era->rows++;
	return 0;
}

static int rows_load (spool_t *self, err_t *err)
{
	walk_t walk = { NULL, 0 };
	int r = each (self,
	        "SELECT incarnation, sequence, first, priority, size, body FROM rows "
	        "ORDER BY incarnation, sequence",
	        row_take, &walk, err);
	if (!r && walk.era && walk.through != walk.era->newest)
		r = not_sound (self, err, "its newest rows are missing");
	for (size_t i = 0; i < self->now.eras.n && !r; i++) {
		const era_t *era = &self->now.eras.items[i];
		if (era->rows == 0 && era->settled < era->newest)
			r = not_sound (self, err, "rows are missing");
	}
	return r;
}

/* Somebody else says how far an incarnation went. */
static int claim_check (spool_t *self, uint64_t incarnation, uint64_t boot_nonce, uint64_t newest,
        uint64_t settled, err_t *err)
{
	era_t *era = spool_era_get (self, incarnation, boot_nonce);
	if (!era)
		return error_set (err, -ENOMEM, "out of memory");
	if (newest <= era->newest)
		return 0;
	if (settled < newest || era->rows)
		return not_sound (self, err, "it holds less than was committed");
	/* All of it was settled: nothing is missing but its number. */
	era->newest = era->settled = newest;
	for (size_t c = 0; c < self->n_collectors; c++)
		era->positions[c] = newest;
	return 0;
}

static int claims_check (spool_t *self, const spool_state_t *before, err_t *err)
{
	spool_mark_t mark;
	int r = 0;
	(void) spool_mark_read (self, &mark);
	for (size_t i = 0; i < mark.n && !r; i++)
		r = claim_check (self, mark.eras[i].incarnation, mark.eras[i].boot_nonce, mark.eras[i].newest,
		        mark.eras[i].settled, err);
	for (size_t i = 0; self->known && i < before->eras.n && !r; i++) {
		const era_t *was = &before->eras.items[i];
		r = claim_check (self, was->incarnation, was->boot_nonce, was->newest, was->settled, err);
		era_t *era = r ? NULL : spool_era (self, was->incarnation);
		for (size_t c = 0; era && c < self->n_collectors; c++) {
			if (era->positions[c] < was->positions[c])
				era->positions[c] = was->positions[c];
		}
	}
	return r;
}

int spool_load (spool_t *self, err_t *err)
{
	spool_state_t before = self->now;
	/* Without its database's head SQLite would throw a WAL away. */
	int r = files_size (self->vfs, self->path) == 0 && files_size (self->vfs, self->wal_path) > 0
	                ? not_sound (self, err, "it is gone, its WAL is not")
	                : spool_attach (self, self->path, err);
	self->now.rows = 0;
	memset (self->now.bytes, 0, sizeof self->now.bytes);
	self->now.eras = (eras_t){ NULL, 0, 0 };
	if (!r)
		r = each (self, "SELECT incarnation, body FROM eras", era_take, NULL, err);
	if (!r)
		r = rows_load (self, err);
	if (!r)
		r = claims_check (self, &before, err);
	if (r) {
		free (self->now.eras.items);
		self->now = before;
		return r;
	}
	free (before.eras.items);
	self->known = true;
	/* A collector that left the configuration may have been the last that was waited for. */
	for (size_t i = 0; i < self->now.eras.n; i++)
		self->now.eras.items[i].dirty = true;
	return 0;
}

int spool_start (spool_t *self, spool_report_t *report, err_t *err)
{
	aside_t names;
	aside_names (&names, self->vfs, self->path, self->at);
	int r = aside_finish (&names, err);
	if (!r)
		r = spool_load (self, err);
	if (r == -EBADMSG)
		r = spool_heal (self, report, err);
	if (r)
		spool_detach (self);
	return r;
}

static int names_take (spool_t *self, const spool_options_t *options, err_t *err)
{
	if (strlen (options->directory) > SPOOL_PATH_MAX - 192)
		return error_set (err, -ENAMETOOLONG, "%s: the path is too long", options->directory);
	if (options->n_collectors == 0 || options->n_collectors > SPOOL_COLLECTORS_MAX)
		return error_set (err, -EINVAL, "a spool is for 1 to %d collectors", SPOOL_COLLECTORS_MAX);
	snprintf (self->path, sizeof self->path, "%s/spool.db", options->directory);
	snprintf (self->wal_path, sizeof self->wal_path, "%s/spool.db-wal", options->directory);
	snprintf (self->mark_path, sizeof self->mark_path, "%s/spool.mark", options->directory);
	self->n_collectors = options->n_collectors;
	self->bytes_max = options->bytes_max > 64 * 1024 ? options->bytes_max : 64 * 1024;
	self->age_max_ns = options->age_max_ns;
	if (options->vfs && !(self->vfs = strdup (options->vfs)))
		return error_set (err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < options->n_collectors; i++) {
		if (!(self->collectors[i] = strdup (options->collectors[i])))
			return error_set (err, -ENOMEM, "out of memory");
	}
	return 0;
}

int spool_open (const spool_options_t *options, wall_t now, spool_t **ret, spool_report_t *report, err_t *err)
{
	spool_t *self = calloc (1, sizeof *self);
	memset (report, 0, sizeof *report);
	if (!self)
		return error_set (err, -ENOMEM, "out of memory");
	self->at = now;
	int r = names_take (self, options, err);
	if (!r)
		r = slots_open (self->vfs, self->mark_path, false, &self->mark, err);
	if (!r)
		r = spool_start (self, report, err);
	if (!r)
		r = spool_oldest_look (self, err);
	if (!r)
		r = spool_tick (self, now, err);
	/* What waits can be sent from a full disk. */
	if (r == -ENOSPC && self->known)
		r = 0;
	if (r) {
		spool_close (&self);
		return r;
	}
	(void) spool_found (self, report);
	*ret = self;
	return 0;
}
