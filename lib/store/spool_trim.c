/* What is dropped becomes a gap in its place; two gaps that touch and have one reason are one. */

#include <errno.h>

#include "store/spool_internal.h"

static bool is_gap (span_t body, Belfry__V1__GapReason reason, spool_item_t *ret)
{
	return spool_row_parse (body, ret) && ret->reason == reason;
}

/* The gap of that reason that ends at last, or begins at first where last is 0, is taken into *gap and
 * its row removed. */
static int neighbour_take (
        spool_t *self, uint64_t incarnation, uint64_t first, uint64_t last, spool_item_t *gap, err_t *err)
{
	sqlite3_stmt *find = spool_statement (self, last ? SPOOL_AT : SPOOL_BEHIND);
	bind_u64 (find, 1, incarnation);
	bind_u64 (find, 2, last ? last : first - 1);
	spool_item_t other;
	int outcome = sqlite3_step (find);
	bool found = outcome == SQLITE_ROW && sqlite3_column_int (find, 3) == SPOOL_GAP &&
	             is_gap (column_bytes (find, 1), gap->reason, &other) && (last || other.first == first);
	uint64_t id = found ? column_u64 (find, 0) : 0, size = found ? column_u64 (find, 2) : 0;
	sqlite3_reset (find);
	if (outcome != SQLITE_ROW && outcome != SQLITE_DONE)
		return database_error (&self->db, outcome, err, "looking for a gap");
	if (!found)
		return 0;
	gap->count += other.count;
	if (other.first < gap->first)
		gap->first = other.first;
	if (other.last > gap->last)
		gap->sequence = gap->last = other.last;
	return spool_row_delete (self, id, incarnation, size, SPOOL_GAP, err);
}

int spool_gap (spool_t *self, uint64_t incarnation, uint64_t first, uint64_t last,
        Belfry__V1__GapReason reason, uint64_t time_ns, err_t *err)
{
	const era_t *era = spool_era (self, incarnation);
	spool_item_t gap = { .incarnation = incarnation,
		.boot_nonce = era ? era->boot_nonce : 0,
		.sequence = last,
		.priority = SPOOL_AUDIT,
		.time_ns = time_ns,
		.first = first,
		.last = last,
		.count = last - first + 1,
		.reason = reason };
	int r = first > 1 ? neighbour_take (self, incarnation, first, first - 1, &gap, err) : 0;
	if (!r)
		r = neighbour_take (self, incarnation, last + 1, 0, &gap, err);
	return r ? r : spool_row_insert (self, &gap, err);
}

static int row_drop (spool_t *self, uint64_t id, uint64_t incarnation, uint64_t sequence, uint64_t size,
        int priority, Belfry__V1__GapReason reason, wall_t now, err_t *err)
{
	int r = spool_row_delete (self, id, incarnation, size, priority, err);
	if (!r)
		r = spool_gap (self, incarnation, sequence, sequence, reason, (uint64_t) now.ns, err);
	if (!r)
		self->now.dropped[priority]++;
	return r;
}

/* The oldest of that priority. 1 when there is none. */
static int victim_drop (spool_t *self, int priority, wall_t now, err_t *err)
{
	sqlite3_stmt *victim = spool_statement (self, SPOOL_VICTIM);
	sqlite3_bind_int (victim, 1, priority);
	int outcome = sqlite3_step (victim);
	uint64_t id = column_u64 (victim, 0), incarnation = column_u64 (victim, 1),
	         sequence = column_u64 (victim, 2), size = column_u64 (victim, 3);
	sqlite3_reset (victim);
	if (outcome == SQLITE_DONE)
		return 1;
	if (outcome != SQLITE_ROW)
		return database_error (&self->db, outcome, err, "looking for what goes first");
	return row_drop (self, id, incarnation, sequence, size, priority,
	        BELFRY__V1__GAP_REASON__GAP_REASON_SPOOL_FULL, now, err);
}

/* The priority that must give way now; -1 when all fits. */
static int overfull (const spool_t *self)
{
	const uint64_t *bytes = self->now.bytes;
	uint64_t most = self->bytes_max, others = bytes[SPOOL_LOG] + bytes[SPOOL_ORDINARY];
	if (bytes[SPOOL_LOG] > most / 4)
		return SPOOL_LOG;
	bool full = others + bytes[SPOOL_AUDIT] + bytes[SPOOL_GAP] > most;
	if (!full && others <= most / 2)
		return -1;
	if (bytes[SPOOL_LOG])
		return SPOOL_LOG;
	if (bytes[SPOOL_ORDINARY])
		return SPOOL_ORDINARY;
	return bytes[SPOOL_AUDIT] ? SPOOL_AUDIT : -1;
}

int spool_trim (spool_t *self, wall_t now, err_t *err)
{
	for (int priority; (priority = overfull (self)) >= 0;) {
		int r = victim_drop (self, priority, now, err);
		if (r > 0)
			return error_set (
			        err, -EBADMSG, "%s: rows are missing that were counted", self->path);
		if (r)
			return r;
	}
	return 0;
}

enum { EXPIRE_MAX = 256 };

int spool_expire (spool_t *self, wall_t now, err_t *err)
{
	for (int i = 0; i < EXPIRE_MAX; i++) {
		sqlite3_stmt *oldest = spool_statement (self, SPOOL_OLDEST);
		spool_item_t item = { .time_ns = 0 };
		int outcome = sqlite3_step (oldest);
		bool checks = outcome == SQLITE_ROW && spool_row_parse (column_bytes (oldest, 5), &item);
		uint64_t id = column_u64 (oldest, 0), incarnation = column_u64 (oldest, 1),
		         sequence = column_u64 (oldest, 2), size = column_u64 (oldest, 3);
		int priority = sqlite3_column_int (oldest, 4);
		sqlite3_reset (oldest);
		if (outcome == SQLITE_DONE)
			return 0;
		if (outcome != SQLITE_ROW)
			return database_error (&self->db, outcome, err, "looking for what is too old");
		if (!checks || now.ns - (int64_t) item.time_ns <= self->age_max_ns)
			return 0;
		int r = row_drop (self, id, incarnation, sequence, size, priority,
		        BELFRY__V1__GAP_REASON__GAP_REASON_TOO_OLD, now, err);
		if (r)
			return r;
	}
	return 0;
}
