/* What is dropped becomes a gap in its place; two gaps that touch and have one reason are one. Gaps are not
 * dropped themselves: where they take too much, those that touch are one whatever their reasons. */

#include <errno.h>

#include "store/spool_internal.h"

/* A gap that touches: which ends at last, or begins at first where last is 0. It is taken into *gap and its
 * row removed. */
static int neighbour_take (
        spool_t *self, uint64_t incarnation, uint64_t first, uint64_t last, spool_item_t *gap, err_t *err)
{
	sqlite3_stmt *find = spool_statement (self, last ? SPOOL_AT : SPOOL_BEHIND);
	bind_u64 (find, 1, incarnation);
	bind_u64 (find, 2, last ? last : first - 1);
	spool_item_t other;
	bool any_reason = self->now.bytes[SPOOL_GAP] > self->bytes_max / 8;
	int outcome = sqlite3_step (find);
	bool found = outcome == SQLITE_ROW && sqlite3_column_int (find, 3) == SPOOL_GAP &&
	             spool_row_parse (column_bytes (find, 1), &other) && other.reason &&
	             (other.reason == gap->reason || any_reason) && (last || other.first == first);
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

/* The oldest row of a priority, which checks. 1 when there is none. */
typedef struct {
	uint64_t id, incarnation, sequence, size, time_ns;
} victim_t;
static int victim_find (spool_t *self, int priority, victim_t *ret, err_t *err)
{
	sqlite3_stmt *victim = spool_statement (self, SPOOL_VICTIM);
	spool_item_t item = { .time_ns = 0 };
	sqlite3_bind_int (victim, 1, priority);
	int outcome = sqlite3_step (victim), r = 0;
	*ret = (victim_t){ column_u64 (victim, 0), column_u64 (victim, 3), column_u64 (victim, 4),
		column_u64 (victim, 2), 0 };
	if (outcome == SQLITE_DONE)
		r = 1;
	else if (outcome != SQLITE_ROW)
		r = database_error (&self->db, outcome, err, "looking for the oldest");
	else if (!spool_row_parse (column_bytes (victim, 1), &item) || item.reason ||
	         item.incarnation != ret->incarnation || item.sequence != ret->sequence)
		r = error_set (err, -EBADMSG, "%s: a row does not check", self->path);
	sqlite3_reset (victim);
	ret->time_ns = item.time_ns;
	return r;
}

static int victim_drop (spool_t *self, const victim_t *victim, int priority, Belfry__V1__GapReason reason,
        wall_t now, err_t *err)
{
	int r = spool_row_delete (self, victim->id, victim->incarnation, victim->size, priority, err);
	if (!r)
		r = spool_gap (self, victim->incarnation, victim->sequence, victim->sequence, reason,
		        (uint64_t) now.ns, err);
	if (!r)
		self->now.dropped[priority]++;
	return r;
}

/* What a priority may have: LOG a quarter, with ORDINARY half, AUDIT all. */
static uint64_t share (const spool_t *self, spool_priority_t priority)
{
	return priority == SPOOL_LOG        ? self->bytes_max / 4
	       : priority == SPOOL_ORDINARY ? self->bytes_max / 2
	                                    : self->bytes_max;
}

bool spool_too_large (const spool_t *self, const spool_item_t *item)
{
	return spool_row_size (item) > share (self, item->priority);
}

/* The priority that must give way now; -1 when all fits. */
static int overfull (const spool_t *self)
{
	const uint64_t *bytes = self->now.bytes;
	uint64_t others = bytes[SPOOL_LOG] + bytes[SPOOL_ORDINARY];
	if (bytes[SPOOL_LOG] > share (self, SPOOL_LOG))
		return SPOOL_LOG;
	bool full = others + bytes[SPOOL_AUDIT] + bytes[SPOOL_GAP] > self->bytes_max;
	if (!full && others <= share (self, SPOOL_ORDINARY))
		return -1;
	if (bytes[SPOOL_LOG])
		return SPOOL_LOG;
	if (bytes[SPOOL_ORDINARY])
		return SPOOL_ORDINARY;
	return bytes[SPOOL_AUDIT] ? SPOOL_AUDIT : -1;
}

int spool_trim (spool_t *self, wall_t now, err_t *err)
{
	victim_t victim;
	for (int priority; (priority = overfull (self)) >= 0;) {
		int r = victim_find (self, priority, &victim, err);
		if (r > 0)
			r = error_set (err, -EBADMSG, "%s: rows are missing that were counted", self->path);
		if (!r)
			r = victim_drop (self, &victim, priority,
			        BELFRY__V1__GAP_REASON__GAP_REASON_SPOOL_FULL, now, err);
		if (r)
			return r;
	}
	return 0;
}

/* So many in one transaction. */
enum { EXPIRE_MAX = 1024 };

static bool too_old (const spool_t *self, wall_t now, uint64_t time_ns)
{
	return now.ns > 0 && time_ns < (uint64_t) now.ns &&
	       (uint64_t) now.ns - time_ns > (uint64_t) self->age_max_ns;
}

int spool_expire (spool_t *self, wall_t now, err_t *err)
{
	victim_t victim;
	unsigned n = 0;
	for (int priority = 0; priority < SPOOL_PRIORITIES; priority++) {
		for (; n < EXPIRE_MAX; n++) {
			int r = victim_find (self, priority, &victim, err);
			if (r < 0)
				return r;
			if (r > 0 || !too_old (self, now, victim.time_ns))
				break;
			r = victim_drop (self, &victim, priority, BELFRY__V1__GAP_REASON__GAP_REASON_TOO_OLD,
			        now, err);
			if (r)
				return r;
		}
	}
	return 0;
}

int spool_oldest_look (spool_t *self, err_t *err)
{
	uint64_t oldest = UINT64_MAX;
	victim_t victim;
	for (int priority = 0; priority < SPOOL_PRIORITIES; priority++) {
		int r = self->now.bytes[priority] ? victim_find (self, priority, &victim, err) : 1;
		if (r < 0)
			return r;
		if (r == 0 && victim.time_ns < oldest)
			oldest = victim.time_ns;
	}
	self->oldest_ns = oldest == UINT64_MAX ? 0 : oldest;
	return 0;
}

/* All rows up to through. */
int spool_rows_remove (spool_t *self, era_t *era, uint64_t through, bool dropped, err_t *err)
{
	sqlite3_stmt *sum = spool_statement (self, SPOOL_SETTLE_SUM),
	             *delete = spool_statement (self, SPOOL_SETTLE);
	int outcome = SQLITE_DONE, r = 0;
	bind_u64 (sum, 1, era->incarnation);
	bind_u64 (sum, 2, through);
	while (!r && (outcome = sqlite3_step (sum)) == SQLITE_ROW) {
		int priority = sqlite3_column_int (sum, 0);
		uint64_t rows = column_u64 (sum, 1);
		r = spool_uncount (self, era, priority, rows, column_u64 (sum, 2), err);
		if (!r && dropped && priority < SPOOL_PRIORITIES)
			self->now.dropped[priority] += rows;
	}
	sqlite3_reset (sum);
	if (!r && outcome != SQLITE_DONE)
		r = database_error (&self->db, outcome, err, "counting what goes");
	if (r)
		return r;
	bind_u64 (delete, 1, era->incarnation);
	bind_u64 (delete, 2, through);
	return database_run (&self->db, delete, err);
}

/* No gap can stand for another incarnation's: the figures alone tell of these. */
int spool_eras_trim (spool_t *self, err_t *err)
{
	while (self->now.eras.n > SPOOL_INCARNATIONS_MAX) {
		era_t *era = &self->now.eras.items[0];
		int r = spool_rows_remove (self, era, INT64_MAX, true, err);
		if (!r)
			r = spool_era_forget (self, era->incarnation, err);
		if (r)
			return r;
	}
	return 0;
}
