/* Opening: the file is read once, row by row, and held against itself and against the mark. Where it does
 * not hold together another is built from every record that checks, wherever it lies in the database or
 * its WAL; what is missing then is a gap. The damaged files stay beside it under another name. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "store/files.h"
#include "store/record.h"
#include "store/spool_internal.h"

#define RAW_MAX ((size_t) 2 << 30)

static const char tables[] =
        "CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, incarnation INTEGER NOT NULL,"
        " sequence INTEGER NOT NULL, first INTEGER NOT NULL, priority INTEGER NOT NULL, size INTEGER NOT "
        "NULL,"
        " body BLOB NOT NULL);"
        "CREATE UNIQUE INDEX IF NOT EXISTS rows_place ON rows (incarnation, sequence);"
        "CREATE INDEX IF NOT EXISTS rows_priority ON rows (priority, incarnation, sequence);"
        "CREATE TABLE IF NOT EXISTS eras (incarnation INTEGER PRIMARY KEY, boot_nonce INTEGER NOT NULL,"
        " newest INTEGER NOT NULL, settled INTEGER NOT NULL);"
        "CREATE TABLE IF NOT EXISTS positions (collector TEXT NOT NULL, incarnation INTEGER NOT NULL,"
        " newest INTEGER NOT NULL, PRIMARY KEY (collector, incarnation)) WITHOUT ROWID;";

static const char *const statements[] = {
#define X(name, sql) sql,
	SPOOL_STATEMENTS (X)
#undef X
};

sqlite3_stmt *spool_statement (spool_t *self, spool_statement_t which)
{
	return self->statements[which];
}

void spool_unload (spool_t *self)
{
	for (int i = 0; i < SPOOL_STATEMENT_COUNT; i++) {
		sqlite3_finalize (self->statements[i]);
		self->statements[i] = NULL;
	}
	database_close (&self->db);
	self->now.rows = 0;
	self->now.eras.n = 0;
	memset (self->now.bytes, 0, sizeof self->now.bytes);
}

static int database_begin (spool_t *self, const char *path, err_t *err)
{
	int r = database_open (self->vfs, path, &self->db, err);
	if (!r)
		r = database_exec (&self->db, tables, err);
	for (int i = 0; i < SPOOL_STATEMENT_COUNT && !r; i++)
		r = database_prepare (&self->db, statements[i], &self->statements[i], err);
	return r;
}

static int not_sound (const spool_t *self, err_t *err, const char *what)
{
	return error_set (err, -EBADMSG, "%s: %s", self->path, what);
}

/* Runs sql and hands each row to take; 0, or the first failure. */
typedef int row_fn (spool_t *self, sqlite3_stmt *row, err_t *err);
static int each (spool_t *self, const char *sql, row_fn *take, err_t *err)
{
	sqlite3_stmt *statement = NULL;
	int r = database_prepare (&self->db, sql, &statement, err), outcome;
	while (!r && (outcome = sqlite3_step (statement)) != SQLITE_DONE) {
		if (outcome != SQLITE_ROW)
			r = database_error (&self->db, outcome, err, "reading what was kept");
		else
			r = take (self, statement, err);
	}
	sqlite3_finalize (statement);
	return r;
}

static int era_take (spool_t *self, sqlite3_stmt *row, err_t *err)
{
	uint64_t incarnation = column_u64 (row, 0), newest = column_u64 (row, 2),
	         settled = column_u64 (row, 3);
	if (incarnation == 0 || incarnation > INT64_MAX || newest > INT64_MAX || settled > newest)
		return not_sound (self, err, "an incarnation of no sense");
	era_t *era = spool_era_get (self, incarnation, column_u64 (row, 1));
	if (!era)
		return error_set (err, -ENOMEM, "out of memory");
	era->newest = newest;
	era->settled = settled;
	return 0;
}

static int position_take (spool_t *self, sqlite3_stmt *row, err_t *err)
{
	const char *name = (const char *) sqlite3_column_text (row, 0);
	era_t *era = spool_era (self, column_u64 (row, 1));
	uint64_t newest = column_u64 (row, 2);
	(void) err;
	for (size_t c = 0; name && era && c < self->n_collectors; c++) {
		if (strcmp (name, self->collectors[c]) == 0)
			era->positions[c] = newest < era->newest ? newest : era->newest;
	}
	return 0;
}

/* A row against its columns. */
static int row_take (spool_t *self, sqlite3_stmt *row, err_t *err)
{
	spool_item_t item;
	era_t *era = spool_era (self, column_u64 (row, 0));
	span_t body = column_bytes (row, 5);
	int priority = sqlite3_column_int (row, 3);
	if (!era || !spool_row_parse (body, &item) || item.incarnation != era->incarnation ||
	        item.sequence != column_u64 (row, 1) || item.first != column_u64 (row, 2) ||
	        priority != (item.reason ? SPOOL_GAP : (int) item.priority) ||
	        column_u64 (row, 4) != body.size + SPOOL_ROW_OVERHEAD)
		return not_sound (self, err, "a row does not check");
	self->now.rows++;
	self->now.bytes[priority] += column_u64 (row, 4);
	era->rows++;
	return 0;
}

/* Whether each era's rows are dense from what is settled to the newest. */
static int dense_check (spool_t *self, err_t *err)
{
	static const char sql[] =
	        "SELECT incarnation, first, sequence FROM rows ORDER BY incarnation, sequence";
	sqlite3_stmt *rows = NULL;
	int r = database_prepare (&self->db, sql, &rows, err), outcome = SQLITE_DONE;
	const era_t *era = NULL;
	uint64_t through = 0;
	while (!r && (outcome = sqlite3_step (rows)) == SQLITE_ROW) {
		uint64_t incarnation = column_u64 (rows, 0), first = column_u64 (rows, 1),
		         last = column_u64 (rows, 2);
		if (!era || era->incarnation != incarnation) {
			if (era && through != era->newest)
				r = not_sound (self, err, "its newest rows are missing");
			era = spool_era (self, incarnation);
			through = era ? era->settled : 0;
		}
		if (!era || first > through + 1 || last <= through)
			r = not_sound (self, err, "rows are missing");
		through = last;
	}
	sqlite3_finalize (rows);
	if (!r && outcome != SQLITE_DONE)
		return database_error (&self->db, outcome, err, "reading what was kept");
	if (!r && era && through != era->newest)
		r = not_sound (self, err, "its newest rows are missing");
	for (size_t i = 0; i < self->now.eras.n && !r; i++) {
		const era_t *e = &self->now.eras.items[i];
		if (e->rows == 0 && e->settled < e->newest)
			r = not_sound (self, err, "rows are missing");
	}
	return r;
}

/* What the file apart says of the newest eras. */
typedef struct {
	uint64_t incarnation, boot_nonce, newest, settled;
} marked_t;
enum { MARKED_MAX = SLOT_VALUE_MAX / 32 };

static size_t mark_read (const spool_t *self, marked_t out[MARKED_MAX])
{
	span_t value;
	size_t n = 0;
	if (!slots_value (self->mark, &value))
		return 0;
	record_reader_t reader = { value.data, (const uint8_t *) value.data + value.size, false };
	while (n < MARKED_MAX && reader.at < reader.end) {
		marked_t *m = &out[n];
		m->incarnation = record_take_u64 (&reader);
		m->boot_nonce = record_take_u64 (&reader);
		m->newest = record_take_u64 (&reader);
		m->settled = record_take_u64 (&reader);
		n += !reader.failed && m->incarnation && m->incarnation <= INT64_MAX &&
		     m->newest <= INT64_MAX && m->settled <= m->newest;
	}
	return n;
}

static int mark_check (spool_t *self, err_t *err)
{
	marked_t marked[MARKED_MAX];
	size_t n = mark_read (self, marked);
	for (size_t i = 0; i < n; i++) {
		const marked_t *m = &marked[i];
		era_t *era = spool_era_get (self, m->incarnation, m->boot_nonce);
		if (!era)
			return error_set (err, -ENOMEM, "out of memory");
		if (m->newest <= era->newest)
			continue;
		if (m->settled < m->newest)
			return not_sound (self, err, "it holds less than its mark says");
		/* All of it was settled: nothing is missing but its number. */
		if (era->rows == 0)
			era->newest = era->settled = m->newest;
	}
	return 0;
}

int spool_load (spool_t *self, err_t *err)
{
	int r = database_begin (self, self->path, err);
	if (!r)
		r = each (self, "SELECT incarnation, boot_nonce, newest, settled FROM eras", era_take, err);
	if (!r)
		r = each (self, "SELECT collector, incarnation, newest FROM positions", position_take, err);
	if (!r)
		r = each (self,
		        "SELECT incarnation, sequence, first, priority, size, body FROM rows "
		        "ORDER BY incarnation, sequence",
		        row_take, err);
	if (!r)
		r = dense_check (self, err);
	if (!r)
		r = mark_check (self, err);
	/* A collector that left the configuration may have been the last that was waited for. */
	for (size_t i = 0; i < self->now.eras.n && !r; i++)
		self->now.eras.items[i].dirty = true;
	return r;
}

/* Healing. */

typedef struct {
	spool_item_t *items; /* their spans point into the raw bytes */
	size_t n, capacity;
	bool failed;
} found_t;

static void on_found (void *arg, record_kind_t kind, span_t whole)
{
	found_t *self = arg;
	spool_item_t item;
	(void) kind;
	if (!spool_row_parse (whole, &item))
		return;
	if (self->n == self->capacity) {
		size_t capacity = self->capacity ? 2 * self->capacity : 1024;
		spool_item_t *grown = realloc (self->items, capacity * sizeof *grown);
		if (!grown) {
			self->failed = true;
			return;
		}
		self->items = grown;
		self->capacity = capacity;
	}
	self->items[self->n++] = item;
}

/* By place; of one place an event before a gap, of gaps the one that begins first. */
static int by_place (const void *a_p, const void *b_p)
{
	const spool_item_t *a = a_p, *b = b_p;
	if (a->incarnation != b->incarnation)
		return a->incarnation < b->incarnation ? -1 : 1;
	if (a->last != b->last)
		return a->last < b->last ? -1 : 1;
	if (!a->reason != !b->reason)
		return a->reason ? 1 : -1;
	return a->first < b->first ? -1 : a->first > b->first;
}

static const marked_t *marked_find (const marked_t *marked, size_t n, uint64_t incarnation)
{
	for (size_t i = 0; i < n; i++) {
		if (marked[i].incarnation == incarnation)
			return &marked[i];
	}
	return NULL;
}

static int missing_fill (spool_t *self, uint64_t incarnation, uint64_t first, uint64_t last, wall_t now,
        spool_report_t *report, err_t *err)
{
	if (first > last)
		return 0;
	report->missing += last - first + 1;
	return spool_gap (self, incarnation, first, last, BELFRY__V1__GAP_REASON__GAP_REASON_CORRUPT,
	        (uint64_t) now.ns, err);
}

/* One incarnation: items[0..n) are its. */
static int era_rebuild (spool_t *self, const marked_t *mark, uint64_t incarnation, spool_item_t *items,
        size_t n, wall_t now, spool_report_t *report, err_t *err)
{
	era_t *era = spool_era_get (self, incarnation, mark ? mark->boot_nonce : n ? items[0].boot_nonce : 0);
	if (!era)
		return error_set (err, -ENOMEM, "out of memory");
	/* Without the mark nobody knows what was settled: what is here goes again, and the places before it
	 * were told or are told by nobody. */
	uint64_t through = mark ? mark->settled : n ? items[0].first - 1 : 0;
	int r = 0;
	era->newest = era->settled = through;
	for (size_t c = 0; c < self->n_collectors; c++)
		era->positions[c] = through;
	for (size_t i = 0; i < n && !r; i++) {
		spool_item_t item = items[i];
		if (item.last <= through)
			continue;
		if (item.first <= through)
			item.first = through + 1;
		r = missing_fill (self, incarnation, through + 1, item.first - 1, now, report, err);
		if (item.reason && item.count > item.last - item.first + 1)
			item.count = item.last - item.first + 1;
		if (!r)
			r = spool_row_insert (self, &item, err);
		through = item.last;
		report->recovered += !item.reason;
	}
	if (!r && mark)
		r = missing_fill (self, incarnation, through + 1, mark->newest, now, report, err);
	era = spool_era (self, incarnation);
	sqlite3_stmt *put = spool_statement (self, SPOOL_ERA);
	bind_u64 (put, 1, era->incarnation);
	bind_u64 (put, 2, era->boot_nonce);
	bind_u64 (put, 3, era->newest);
	bind_u64 (put, 4, era->settled);
	if (!r)
		r = database_run (&self->db, put, err);
	for (size_t c = 0; c < self->n_collectors && !r; c++) {
		sqlite3_stmt *position = spool_statement (self, SPOOL_POSITION);
		sqlite3_bind_text (position, 1, self->collectors[c], -1, SQLITE_STATIC);
		bind_u64 (position, 2, incarnation);
		bind_u64 (position, 3, era->positions[c]);
		r = database_run (&self->db, position, err);
	}
	return r;
}

static int rebuild (spool_t *self, found_t *found, wall_t now, spool_report_t *report, err_t *err)
{
	marked_t marked[MARKED_MAX];
	size_t n_marked = mark_read (self, marked);
	if (found->n)
		qsort (found->items, found->n, sizeof *found->items, by_place);
	int r = database_exec (&self->db, "BEGIN IMMEDIATE", err);
	for (size_t i = 0; i < found->n && !r;) {
		size_t n = 1;
		uint64_t incarnation = found->items[i].incarnation;
		while (i + n < found->n && found->items[i + n].incarnation == incarnation)
			n++;
		r = era_rebuild (self, marked_find (marked, n_marked, incarnation), incarnation,
		        &found->items[i], n, now, report, err);
		i += n;
	}
	for (size_t i = 0; i < n_marked && !r; i++) {
		if (!spool_era (self, marked[i].incarnation))
			r = era_rebuild (self, &marked[i], marked[i].incarnation, NULL, 0, now, report, err);
	}
	return r ? r : database_exec (&self->db, "COMMIT", err);
}

typedef struct {
	char damaged[SPOOL_PATH_MAX], damaged_wal[SPOOL_PATH_MAX], wal[SPOOL_PATH_MAX], fresh[SPOOL_PATH_MAX];
} names_t;

static void names_make (const spool_t *self, wall_t now, names_t *ret)
{
	char stamp[32];
	time_t seconds = (time_t) (now.ns / NS_PER_S);
	struct tm tm;
	gmtime_r (&seconds, &tm);
	strftime (stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm);
	const int path = SPOOL_PATH_MAX - 64;
	for (unsigned i = 0;; i++) {
		snprintf (ret->damaged, sizeof ret->damaged, "%.*s.corrupt-%s%s%.0u", path, self->path, stamp,
		        i ? "-" : "", i);
		if (!files_exist (self->vfs, ret->damaged) || i == 99)
			break;
	}
	snprintf (ret->damaged_wal, sizeof ret->damaged_wal, "%.*s-wal", SPOOL_PATH_MAX - 8, ret->damaged);
	snprintf (ret->wal, sizeof ret->wal, "%.*s-wal", path, self->path);
	snprintf (ret->fresh, sizeof ret->fresh, "%.*s.new", path, self->path);
}

/* The damaged files out of the way, the fresh one in: in an order in which a crash between two steps is
 * found by spool_open. */
static int exchange (spool_t *self, const names_t *names, err_t *err)
{
	int r = files_rename (self->vfs, self->path, names->damaged);
	if (r == -ENOENT)
		r = 0;
	if (!r && files_exist (self->vfs, names->wal))
		r = files_rename (self->vfs, names->wal, names->damaged_wal);
	if (!r)
		r = files_rename (self->vfs, names->fresh, self->path);
	return r ? error_set (err, r, "%s: cannot be set aside: %s", self->path, strerror (-r)) : 0;
}

static int fresh_delete (spool_t *self, const names_t *names)
{
	char wal[SPOOL_PATH_MAX + 8];
	snprintf (wal, sizeof wal, "%s-wal", names->fresh);
	int r = files_delete (self->vfs, names->fresh);
	return r ? r : files_delete (self->vfs, wal);
}

int spool_heal (spool_t *self, wall_t now, spool_report_t *report, err_t *err)
{
	found_t found = { 0 };
	names_t names;
	void *raw[2] = { NULL, NULL };
	size_t sizes[2] = { 0, 0 };
	memset (report, 0, sizeof *report);
	names_make (self, now, &names);
	/* Before the database is closed, which may throw its WAL away. */
	(void) files_read (self->vfs, self->path, RAW_MAX, &raw[0], &sizes[0]);
	(void) files_read (self->vfs, names.wal, RAW_MAX, &raw[1], &sizes[1]);
	if (self->db.handle)
		sqlite3_db_config (self->db.handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	spool_unload (self);
	for (int i = 0; i < 2; i++)
		record_scan (span_of (raw[i], sizes[i]), on_found, &found);
	int r = found.failed ? error_set (err, -ENOMEM, "out of memory") : fresh_delete (self, &names);
	if (!r)
		r = database_begin (self, names.fresh, err);
	if (!r)
		r = rebuild (self, &found, now, report, err);
	spool_unload (self);
	if (!r)
		r = exchange (self, &names, err);
	if (!r)
		r = spool_load (self, err);
	free (found.items);
	free (raw[0]);
	free (raw[1]);
	if (r)
		return r;
	snprintf (report->text, sizeof report->text,
	        "%.200s did not hold together: set aside as %.200s; %llu events were taken over, %llu are "
	        "missing",
	        self->path, names.damaged, (unsigned long long) report->recovered,
	        (unsigned long long) report->missing);
	(void) spool_mark_write (self, true);
	return 0;
}

/* A crash inside exchange: the fresh file is whole, the old one is out of the way. */
static int exchange_finish (spool_t *self, wall_t now, err_t *err)
{
	names_t names;
	names_make (self, now, &names);
	if (files_exist (self->vfs, self->path))
		return fresh_delete (self, &names);
	if (files_exist (self->vfs, names.fresh))
		return exchange (self, &names, err);
	return 0;
}

static int names_take (spool_t *self, const spool_options_t *options, err_t *err)
{
	if (strlen (options->directory) > SPOOL_PATH_MAX - 128)
		return error_set (err, -ENAMETOOLONG, "%s: the path is too long", options->directory);
	if (options->n_collectors == 0 || options->n_collectors > SPOOL_COLLECTORS_MAX)
		return error_set (err, -EINVAL, "a spool is for 1 to %d collectors", SPOOL_COLLECTORS_MAX);
	snprintf (self->path, sizeof self->path, "%s/spool.db", options->directory);
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
	int r = names_take (self, options, err);
	if (!r)
		r = slots_open (self->vfs, self->mark_path, false, &self->mark, err);
	if (!r)
		r = exchange_finish (self, now, err);
	if (!r)
		r = spool_load (self, err);
	if (r == -EBADMSG)
		r = spool_heal (self, now, report, err);
	if (!r)
		r = spool_tick (self, now, err);
	if (r) {
		spool_close (&self);
		return r;
	}
	*ret = self;
	return 0;
}

void spool_close (spool_t **self_p)
{
	spool_t *self = *self_p;
	if (!self)
		return;
	if (self->db.handle && self->mark)
		(void) spool_mark_write (self, true);
	spool_unload (self);
	slots_close (&self->mark);
	free (self->now.eras.items);
	for (size_t i = 0; i < self->n_collectors; i++)
		free (self->collectors[i]);
	free (self->vfs);
	buffer_free (&self->buffer);
	free (self);
	*self_p = NULL;
}
