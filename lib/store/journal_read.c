/* Reading by offset, filtered. Each reading is bounded in rows that fit, in bytes, and in rows that are
 * looked at, so that no question holds the commits up for long. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/journal_internal.h"
#include "store/record.h"

enum { LIMIT_DEFAULT = 256, BYTES_DEFAULT = 512 * 1024, LOOKED_MAX = 20000, SQL_MAX = 1024 };

static bool prefix_fits (const journal_query_t *query, span_t topic)
{
	for (size_t i = 0; i < query->n_prefixes; i++) {
		span_t prefix = span_str (query->prefixes[i]);
		if (topic.size >= prefix.size && memcmp (topic.data, prefix.data, prefix.size) == 0)
			return true;
	}
	return query->n_prefixes == 0;
}

/* The one channel that all prefixes lie in, or CHANNEL_COUNT. */
static channel_t channel_of (const journal_query_t *query)
{
	channel_t one = CHANNEL_COUNT;
	for (size_t i = 0; i < query->n_prefixes; i++) {
		const char *slash = strchr (query->prefixes[i], '/');
		channel_t channel;
		if (!slash ||
		        channel_parse (span_of (query->prefixes[i], (size_t) (slash - query->prefixes[i])),
		                &channel) ||
		        (one != CHANNEL_COUNT && one != channel))
			return CHANNEL_COUNT;
		one = channel;
	}
	return one;
}

/* What an index serves is asked of SQLite; the rest is looked at row by row. */
static void sql_make (const journal_query_t *query, bool has_channel, char sql[SQL_MAX])
{
	snprintf (sql, SQL_MAX,
	        "SELECT offset, time_ns, severity, body FROM records WHERE offset >= ?1 AND offset <= "
	        "?2%s%s%s%s",
	        query->node ? " AND (node = ?3 OR subject = ?3)" : "", has_channel ? " AND channel = ?4" : "",
	        query->since_ns ? " AND time_ns >= ?5" : "", " ORDER BY offset");
}

int journal_read (journal_t *self, const journal_query_t *query, journal_visit_fn *visit, void *arg,
        uint64_t *ret_next, bool *ret_last, err_t *err)
{
	char sql[SQL_MAX];
	sqlite3_stmt *rows = NULL;
	channel_t channel = channel_of (query);
	uint64_t until =
	        query->until_offset && query->until_offset < INT64_MAX ? query->until_offset : INT64_MAX;
	size_t limit = query->limit ? query->limit : LIMIT_DEFAULT,
	       bytes = query->bytes ? query->bytes : BYTES_DEFAULT;
	if (!self->db.handle)
		return error_set (err, -EIO, "%s: it is not open", self->path);
	*ret_next = query->from_offset ? query->from_offset : 1;
	*ret_last = false;
	sql_make (query, channel != CHANNEL_COUNT, sql);
	int r = database_prepare (&self->db, sql, &rows, err), outcome = SQLITE_ROW;
	if (r)
		return r;
	bind_u64 (rows, 1, *ret_next < INT64_MAX ? *ret_next : INT64_MAX);
	bind_u64 (rows, 2, until);
	if (query->node)
		sqlite3_bind_text (rows, 3, query->node, -1, SQLITE_STATIC);
	if (channel != CHANNEL_COUNT)
		sqlite3_bind_int (rows, 4, (int) channel);
	if (query->since_ns)
		bind_u64 (rows, 5, query->since_ns);
	size_t found = 0, looked = 0;
	while (limit && looked < LOOKED_MAX && (outcome = sqlite3_step (rows)) == SQLITE_ROW) {
		uint64_t offset = column_u64 (rows, 0), time_ns = column_u64 (rows, 1);
		span_t body = column_bytes (rows, 3);
		journal_row_t row;
		looked++;
		if (found && body.size > bytes)
			break;
		*ret_next = offset + 1;
		if ((query->until_ns && time_ns > query->until_ns) ||
		        sqlite3_column_int (rows, 2) < (int) query->severity_min)
			continue;
		if (!journal_row_parse (body, &row) || row.entry.mark.offset != offset) {
			/* It does not check: its place is shown, nothing of its content is believed. */
			memset (&row, 0, sizeof row);
			row.entry.mark.offset = offset;
			row.entry.topic = row.entry.envelope = span_of ("", 0);
		} else if (!prefix_fits (query, row.entry.topic)) {
			continue;
		}
		found++;
		limit--;
		bytes -= body.size < bytes ? body.size : bytes;
		if (visit (arg, &row.entry))
			break;
	}
	if (outcome == SQLITE_DONE)
		*ret_last = true;
	else if (outcome != SQLITE_ROW)
		r = database_error (&self->db, outcome, err, "reading records");
	sqlite3_finalize (rows);
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
	span_t value;
	size_t channels = CHANNEL_COUNT * sizeof (uint64_t);
	if (!slots_value (self->head, &value) || value.size < channels ||
	        !journal_checkpoint_parse (span_of (value.data, value.size - channels), ret))
		return -ENOENT;
	return 0;
}

int journal_restore (journal_t *self, journal_restore_fn *visit, void *arg, err_t *err)
{
	sqlite3_stmt *rows = NULL;
	int r = database_prepare (&self->db, "SELECT body FROM states", &rows, err), outcome = SQLITE_DONE;
	while (!r && (outcome = sqlite3_step (rows)) == SQLITE_ROW) {
		uint64_t counter;
		span_t key, value;
		char name[JOURNAL_STATE_KEY_MAX + 1];
		if (!journal_state_parse (column_bytes (rows, 0), &counter, &key, &value))
			continue;
		snprintf (name, sizeof name, "%.*s", (int) key.size, (const char *) key.data);
		visit (arg, name, value);
	}
	sqlite3_finalize (rows);
	return r                        ? r
	       : outcome == SQLITE_DONE ? 0
	                                : database_error (&self->db, outcome, err, "reading the memory");
}
