/* Reading by offset, filtered. Each reading is bounded in rows that fit, in bytes, and in rows that are
 * looked at, so that no question holds the commits up for long. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/journal_internal.h"
#include "store/record.h"

enum { LIMIT_DEFAULT = 256, BYTES_DEFAULT = 512 * 1024, LOOKED_MAX = 20000 };

static bool prefix_fits (const journal_query_t *query, span_t topic)
{
	for (size_t i = 0; i < query->n_prefixes; i++) {
		span_t prefix = span_str (query->prefixes[i]);
		if (topic.size >= prefix.size && memcmp (topic.data, prefix.data, prefix.size) == 0)
			return true;
	}
	return query->n_prefixes == 0;
}

/* The channels, as bits, that topics of these prefixes may lie in. */
static uint64_t channels_of (const journal_query_t *query)
{
	uint64_t channels = query->n_prefixes ? 0 : UINT64_MAX >> 1;
	for (size_t i = 0; i < query->n_prefixes; i++) {
		const char *prefix = query->prefixes[i];
		size_t size = strcspn (prefix, "/");
		for (unsigned c = 0; c < CHANNEL_COUNT; c++) {
			const char *name = channel_name ((channel_t) c);
			if (strncmp (name, prefix, size) == 0 && (!prefix[size] || !name[size]))
				channels |= UINT64_C (1) << c;
		}
	}
	return channels;
}

typedef struct {
	journal_t *journal;
	const journal_query_t *query;
	journal_visit_fn *visit;
	void *arg;
	uint64_t until, channels, until_ns, next; /* next: the offset to go on with */
	size_t limit, bytes, looked, found;
	bool full; /* the answer, or the patience, is at its end */
} reading_t;

static bool columns_fit (const reading_t *self, sqlite3_stmt *row)
{
	uint64_t time_ns = column_u64 (row, 3);
	int channel = sqlite3_column_int (row, 1);
	return channel >= 0 && channel < CHANNEL_COUNT && (self->channels >> channel & 1) &&
	       sqlite3_column_int (row, 2) >= (int) self->query->severity_min &&
	       time_ns >= self->query->since_ns && time_ns <= self->until_ns;
}

static void row_take (reading_t *self, sqlite3_stmt *statement)
{
	uint64_t offset = column_u64 (statement, 0);
	journal_row_t row;
	self->looked++;
	if (!columns_fit (self, statement)) {
		self->next = offset + 1;
		return;
	}
	span_t body = column_bytes (statement, 4);
	if (self->found && body.size > self->bytes) {
		self->full = true;
		return;
	}
	self->next = offset + 1;
	if (!journal_row_parse (body, &row) || row.entry.mark.offset != offset) {
		/* It does not check: its place is shown, nothing of its content is believed. */
		memset (&row, 0, sizeof row);
		row.entry.mark.offset = offset;
		row.entry.topic = row.entry.envelope = span_of ("", 0);
	} else if (!prefix_fits (self->query, row.entry.topic)) {
		return;
	}
	self->bytes -= body.size < self->bytes ? body.size : self->bytes;
	self->full = self->visit (self->arg, &row.entry) || ++self->found == self->limit;
}

/* The rows of offsets first..last. */
static int rows_read (reading_t *self, uint64_t first, uint64_t last, err_t *err)
{
	journal_t *journal = self->journal;
	sqlite3_stmt *rows = journal->statements[self->query->node ? JOURNAL_READ_NODE : JOURNAL_READ];
	int outcome = SQLITE_DONE;
	bind_u64 (rows, 1, first);
	bind_u64 (rows, 2, last);
	if (self->query->node)
		sqlite3_bind_text (rows, 3, self->query->node, -1, SQLITE_STATIC);
	while (!self->full && (outcome = sqlite3_step (rows)) == SQLITE_ROW) {
		row_take (self, rows);
		self->full |= self->looked == LOOKED_MAX;
	}
	sqlite3_reset (rows);
	if (outcome != SQLITE_ROW && outcome != SQLITE_DONE)
		return database_error (&journal->db, outcome, err, "reading records");
	if (!self->full)
		self->next = last + 1;
	return 0;
}

/* The first span from that offset on in which something may fit; *ret false: there is none. */
static int span_find (reading_t *self, uint64_t *ret_span, bool *ret, err_t *err)
{
	sqlite3_stmt *span = self->journal->statements[JOURNAL_SPAN_NEXT];
	bind_u64 (span, 1, self->next / JOURNAL_SPAN);
	bind_u64 (span, 2, self->query->since_ns < INT64_MAX ? self->query->since_ns : INT64_MAX);
	bind_u64 (span, 3, self->until_ns);
	bind_u64 (span, 4, self->channels);
	sqlite3_bind_int (span, 5, (int) self->query->severity_min);
	int outcome = sqlite3_step (span);
	*ret = outcome == SQLITE_ROW;
	*ret_span = *ret ? column_u64 (span, 0) : 0;
	sqlite3_reset (span);
	return outcome == SQLITE_ROW || outcome == SQLITE_DONE
	               ? 0
	               : database_error (&self->journal->db, outcome, err, "reading spans");
}

static int spans_read (reading_t *self, bool *ret_last, err_t *err)
{
	uint64_t span;
	bool found = true;
	int r = 0;
	while (!r && !self->full && self->next <= self->until) {
		r = span_find (self, &span, &found, err);
		if (r || !found || span * JOURNAL_SPAN > self->until)
			break;
		uint64_t first = span * JOURNAL_SPAN, last = first + JOURNAL_SPAN - 1;
		r = rows_read (self, first > self->next ? first : self->next,
		        last < self->until ? last : self->until, err);
	}
	*ret_last = !r && !self->full;
	return r;
}

int journal_read (journal_t *self, const journal_query_t *query, journal_visit_fn *visit, void *arg,
        uint64_t *ret_next, bool *ret_last, err_t *err)
{
	reading_t reading = { .journal = self,
		.query = query,
		.visit = visit,
		.arg = arg,
		.until = self->now.newest,
		.channels = channels_of (query),
		.until_ns = query->until_ns && query->until_ns < INT64_MAX ? query->until_ns : INT64_MAX,
		.next = query->from_offset ? query->from_offset : 1,
		.limit = query->limit ? query->limit : LIMIT_DEFAULT,
		.bytes = query->bytes ? query->bytes : BYTES_DEFAULT };
	if (!self->db.handle)
		return error_set (err, -EIO, "%s: it is not open", self->path);
	if (query->until_offset && query->until_offset < reading.until)
		reading.until = query->until_offset;
	*ret_last = true;
	int r = 0;
	if (!query->node &&
	        (query->since_ns || query->until_ns || query->severity_min || query->n_prefixes)) {
		r = spans_read (&reading, ret_last, err);
	} else if (reading.next <= reading.until) {
		r = rows_read (&reading, reading.next, reading.until, err);
		*ret_last = !r && !reading.full;
	}
	/* All was looked at: what comes next is new. */
	if (!r && *ret_last && reading.next <= reading.until)
		reading.next = reading.until + 1;
	*ret_next = reading.next;
	self->damaged |= r == -EBADMSG && !self->read_only;
	return r;
}

int journal_checkpoints (journal_t *self, uint64_t first, uint64_t last, checkpoint_t *out, size_t max)
{
	sqlite3_stmt *rows = self->statements[JOURNAL_CHECKPOINTS];
	int n = 0, outcome = SQLITE_DONE;
	if (!self->db.handle)
		return -EIO;
	bind_u64 (rows, 1, first < INT64_MAX ? first : INT64_MAX);
	bind_u64 (rows, 2, last < INT64_MAX ? last : INT64_MAX);
	bind_u64 (rows, 3, max);
	while ((size_t) n < max && (outcome = sqlite3_step (rows)) == SQLITE_ROW) {
		/* One that does not check is shown as what it is: a signature that does not hold. */
		if (!journal_checkpoint_parse (column_bytes (rows, 0), &out[n]))
			memset (&out[n], 0, sizeof out[n]);
		n++;
	}
	sqlite3_reset (rows);
	return outcome == SQLITE_ROW || outcome == SQLITE_DONE ? n : -EIO;
}

int journal_hash (journal_t *self, uint64_t offset, uint8_t out[CHAIN_HASH_SIZE])
{
	checkpoint_t anchor;
	journal_row_t row;
	sqlite3_stmt *at = self->statements[JOURNAL_AT];
	if (offset == 0) {
		memset (out, 0, CHAIN_HASH_SIZE);
		return 0;
	}
	if (!self->db.handle)
		return -EIO;
	bind_u64 (at, 1, offset);
	bool found = sqlite3_step (at) == SQLITE_ROW && journal_row_parse (column_bytes (at, 0), &row);
	if (found)
		memcpy (out, row.entry.hash, CHAIN_HASH_SIZE);
	sqlite3_reset (at);
	if (!found && journal_checkpoints (self, offset, offset, &anchor, 1) == 1 &&
	        anchor.offset == offset) {
		memcpy (out, anchor.hash, CHAIN_HASH_SIZE);
		found = true;
	}
	return found ? 0 : -ENOENT;
}

int journal_head (journal_t *self, checkpoint_t *ret)
{
	journal_head_t head;
	if (!journal_head_take (self, &head))
		return -ENOENT;
	*ret = head.checkpoint;
	return 0;
}

int journal_restore (journal_t *self, journal_restore_fn *visit, void *arg, err_t *err)
{
	sqlite3_stmt *rows = NULL;
	int r = database_prepare (&self->db, "SELECT body FROM states WHERE NOT removed", &rows, err),
	    outcome = SQLITE_DONE;
	while (!r && (outcome = sqlite3_step (rows)) == SQLITE_ROW) {
		journal_piece_t piece;
		char name[JOURNAL_STATE_KEY_MAX + 1];
		if (!journal_piece_parse (column_bytes (rows, 0), &piece))
			continue;
		snprintf (name, sizeof name, "%.*s", (int) piece.key.size, (const char *) piece.key.data);
		visit (arg, name, piece.value);
	}
	sqlite3_finalize (rows);
	return r                        ? r
	       : outcome == SQLITE_DONE ? 0
	                                : database_error (&self->db, outcome, err, "reading the memory");
}
