#include "store/spool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "belfry/v1/event.pb-c.h"
#include "store/record.h"
#include "store/spool_internal.h"

enum { MARKED_ERAS = 8 };

/* Transactions: what fails leaves memory as it was. */

static int state_save (const spool_state_t *state, spool_state_t *ret)
{
	*ret = *state;
	ret->eras.items = malloc ((state->eras.n + 1) * sizeof (era_t));
	if (!ret->eras.items)
		return -ENOMEM;
	ret->eras.capacity = state->eras.n + 1;
	if (state->eras.n)
		memcpy (ret->eras.items, state->eras.items, state->eras.n * sizeof (era_t));
	return 0;
}

static int begin (spool_t *self, spool_state_t *saved, err_t *err)
{
	if (!self->db.handle)
		return error_set (err, -EIO, "%s: it is not open", self->path);
	int r = state_save (&self->now, saved);
	if (r)
		return error_set (err, r, "out of memory");
	r = database_exec (&self->db, "BEGIN IMMEDIATE", err);
	if (r)
		free (saved->eras.items);
	return r;
}

static int end (spool_t *self, spool_state_t *saved, int r, err_t *err)
{
	if (!r)
		r = database_exec (&self->db, "COMMIT", err);
	if (r) {
		if (!sqlite3_get_autocommit (self->db.handle))
			(void) database_exec (&self->db, "ROLLBACK", NULL);
		free (self->now.eras.items);
		self->now = *saved;
		return r;
	}
	free (saved->eras.items);
	return 0;
}

/* The newest eras, in a file of their own: what they were, and what was settled of them. */
int spool_mark_write (spool_t *self, bool sync)
{
	buffer_t value = BUFFER_INIT;
	const eras_t *eras = &self->now.eras;
	size_t first = eras->n > MARKED_ERAS ? eras->n - MARKED_ERAS : 0;
	for (size_t i = first; i < eras->n; i++) {
		const era_t *era = &eras->items[i];
		record_u64 (&value, era->incarnation);
		record_u64 (&value, era->boot_nonce);
		record_u64 (&value, era->newest);
		record_u64 (&value, era->settled);
	}
	int r = buffer_failed (&value) ? -ENOMEM : slots_write (self->mark, buffer_span (&value), sync);
	buffer_free (&value);
	return r;
}

/* Inside a transaction. */

static int era_write (spool_t *self, const era_t *era, err_t *err)
{
	sqlite3_stmt *put = spool_statement (self, SPOOL_ERA);
	bind_u64 (put, 1, era->incarnation);
	bind_u64 (put, 2, era->boot_nonce);
	bind_u64 (put, 3, era->newest);
	bind_u64 (put, 4, era->settled);
	return database_run (&self->db, put, err);
}

static int era_forget (spool_t *self, uint64_t incarnation, err_t *err)
{
	sqlite3_stmt *drop = spool_statement (self, SPOOL_ERA_DROP),
	             *positions = spool_statement (self, SPOOL_POSITIONS_DROP);
	bind_u64 (drop, 1, incarnation);
	bind_u64 (positions, 1, incarnation);
	int r = database_run (&self->db, drop, err);
	if (!r)
		r = database_run (&self->db, positions, err);
	if (!r)
		spool_era_remove (self, incarnation);
	return r;
}

static int settled_remove (spool_t *self, era_t *era, uint64_t settled, err_t *err)
{
	sqlite3_stmt *sum = spool_statement (self, SPOOL_SETTLE_SUM),
	             *delete = spool_statement (self, SPOOL_SETTLE);
	bind_u64 (sum, 1, era->incarnation);
	bind_u64 (sum, 2, settled);
	int outcome;
	while ((outcome = sqlite3_step (sum)) == SQLITE_ROW) {
		int priority = sqlite3_column_int (sum, 0);
		uint64_t rows = column_u64 (sum, 1);
		if (priority < 0 || priority >= SPOOL_KINDS)
			break;
		self->now.bytes[priority] -= column_u64 (sum, 2);
		self->now.rows -= rows;
		era->rows -= rows;
	}
	sqlite3_reset (sum);
	if (outcome != SQLITE_DONE)
		return outcome == SQLITE_ROW
		               ? error_set (err, -EBADMSG, "%s: a row of no priority", self->path)
		               : database_error (&self->db, outcome, err, "counting what is settled");
	bind_u64 (delete, 1, era->incarnation);
	bind_u64 (delete, 2, settled);
	return database_run (&self->db, delete, err);
}

/* Positions into the file, what every collector has out of it. */
static int positions_write (spool_t *self, err_t *err)
{
	eras_t *eras = &self->now.eras;
	for (size_t i = 0; i < eras->n; i++) {
		era_t *era = &eras->items[i];
		if (!era->dirty)
			continue;
		era->dirty = false;
		for (size_t c = 0; c < self->n_collectors; c++) {
			sqlite3_stmt *put = spool_statement (self, SPOOL_POSITION);
			sqlite3_bind_text (put, 1, self->collectors[c], -1, SQLITE_STATIC);
			bind_u64 (put, 2, era->incarnation);
			bind_u64 (put, 3, era->positions[c]);
			int r = database_run (&self->db, put, err);
			if (r)
				return r;
		}
		uint64_t before = era->settled;
		spool_era_settle (self, era);
		int r = era->settled > before ? settled_remove (self, era, era->settled, err) : 0;
		if (!r)
			r = era_write (self, era, err);
		if (r)
			return r;
	}
	/* Of old incarnations with nothing left, the newest are remembered for the mark's sake. */
	for (size_t i = 0; i + MARKED_ERAS < eras->n;) {
		int r = eras->items[i].rows == 0 ? era_forget (self, eras->items[i].incarnation, err) : 0;
		if (r)
			return r;
		if (i < eras->n && eras->items[i].rows)
			i++;
	}
	return 0;
}

/* Calls. */

/* The oldest event's time, once for each change. */
static void oldest_look (spool_t *self)
{
	spool_item_t item;
	sqlite3_stmt *oldest = spool_statement (self, SPOOL_OLDEST);
	self->oldest_ns = 0;
	if (!oldest || self->now.rows == 0)
		return;
	if (sqlite3_step (oldest) == SQLITE_ROW && spool_row_parse (column_bytes (oldest, 5), &item))
		self->oldest_ns = item.time_ns;
	sqlite3_reset (oldest);
}

/* A file that SQLite finds damaged under way is healed; what was being done is tried once more. */
static bool healed (spool_t *self, int r, wall_t now)
{
	spool_report_t report;
	return r == -EBADMSG && spool_heal (self, now, &report, NULL) == 0;
}

static int items_check (const spool_item_t *items, size_t n, err_t *err)
{
	for (size_t i = 0; i < n; i++) {
		const spool_item_t *item = &items[i];
		if (item->reason || item->incarnation == 0 || item->incarnation > INT64_MAX ||
		        item->sequence == 0 || item->sequence > INT64_MAX ||
		        item->priority >= SPOOL_PRIORITIES || item->event.size > SPOOL_EVENT_MAX ||
		        item->topic.size > 255)
			return error_set (
			        err, -EINVAL, "event %zu of the commit is none that a spool holds", i);
	}
	return 0;
}

static int commit_once (spool_t *self, const spool_item_t *items, size_t n, wall_t now, err_t *err)
{
	spool_state_t saved;
	int r = begin (self, &saved, err);
	if (r)
		return r;
	for (size_t i = 0; i < n && !r; i++) {
		era_t *era = spool_era_get (self, items[i].incarnation, items[i].boot_nonce);
		if (!era)
			r = error_set (err, -ENOMEM, "out of memory");
		/* A hole is named by whoever left it: sequences that were never handed over are lost. */
		else if (items[i].sequence > era->newest + 1)
			r = spool_gap (self, items[i].incarnation, era->newest + 1, items[i].sequence - 1,
			        BELFRY__V1__GAP_REASON__GAP_REASON_MEMORY, (uint64_t) now.ns, err);
		if (!r)
			r = spool_row_insert (self, &items[i], err);
		if (!r && (i + 1 == n || items[i + 1].incarnation != items[i].incarnation))
			r = era_write (self, spool_era (self, items[i].incarnation), err);
	}
	if (!r)
		r = spool_trim (self, now, err);
	if (!r)
		r = positions_write (self, err);
	return end (self, &saved, r, err);
}

int spool_commit (spool_t *self, const spool_item_t *items, size_t n, wall_t now, err_t *err)
{
	int r = items_check (items, n, err);
	if (!r)
		r = commit_once (self, items, n, now, err);
	if (healed (self, r, now))
		r = commit_once (self, items, n, now, err);
	if (r)
		return r;
	(void) spool_mark_write (self, false);
	oldest_look (self);
	return 0;
}

void spool_acknowledge (spool_t *self, size_t collector, uint64_t incarnation, uint64_t newest)
{
	era_t *era = spool_era (self, incarnation);
	if (collector >= self->n_collectors || !era)
		return;
	if (newest > era->newest)
		newest = era->newest;
	if (newest > era->positions[collector]) {
		era->positions[collector] = newest;
		era->dirty = true;
	}
}

int spool_tick (spool_t *self, wall_t now, err_t *err)
{
	bool dirty = false;
	for (size_t i = 0; i < self->now.eras.n; i++)
		dirty |= self->now.eras.items[i].dirty;
	bool old = self->oldest_ns && now.ns - (int64_t) self->oldest_ns > self->age_max_ns;
	if (dirty || old) {
		spool_state_t saved;
		int r = begin (self, &saved, err);
		if (r)
			return r;
		r = positions_write (self, err);
		if (!r && old)
			r = spool_expire (self, now, err);
		r = end (self, &saved, r, err);
		if (healed (self, r, now))
			r = 0;
		if (r)
			return r;
		oldest_look (self);
		(void) spool_mark_write (self, false);
	}
	int r = slots_sync (self->mark);
	return r ? error_set (err, r, "%s: %s", self->mark_path, strerror (-r)) : 0;
}

/* Reading. */

typedef struct {
	size_t left, bytes;
	bool any;
	spool_visit_fn *visit;
	void *arg;
} reading_t;

/* A row that does not check becomes a gap, and is read again as one. */
static int row_condemn (spool_t *self, uint64_t incarnation, uint64_t id, uint64_t first, uint64_t last,
        uint64_t size, int priority, err_t *err)
{
	spool_state_t saved;
	int r = begin (self, &saved, err);
	if (r)
		return r;
	r = spool_row_delete (self, id, incarnation, size, priority, err);
	if (!r)
		r = spool_gap (self, incarnation, first, last, BELFRY__V1__GAP_REASON__GAP_REASON_CORRUPT,
		        (uint64_t) wall_now ().ns, err);
	if (!r)
		self->now.corrupt++;
	return end (self, &saved, r, err);
}

/* 0: go on; 1: enough. */
static int era_read (spool_t *self, uint64_t incarnation, uint64_t sequence, reading_t *reading, err_t *err)
{
	sqlite3_stmt *behind = spool_statement (self, SPOOL_BEHIND);
	while (reading->left) {
		bind_u64 (behind, 1, incarnation);
		bind_u64 (behind, 2, sequence);
		int outcome = sqlite3_step (behind), r = 0;
		if (outcome != SQLITE_ROW) {
			sqlite3_reset (behind);
			return outcome == SQLITE_DONE ? 0
			                              : database_error (&self->db, outcome, err, "reading");
		}
		spool_item_t item;
		uint64_t at = column_u64 (behind, 4), first = column_u64 (behind, 5);
		if (!spool_row_parse (column_bytes (behind, 1), &item) || item.incarnation != incarnation ||
		        item.sequence != at || item.first != first) {
			uint64_t id = column_u64 (behind, 0), size = column_u64 (behind, 2);
			int priority = sqlite3_column_int (behind, 3);
			sqlite3_reset (behind);
			r = row_condemn (self, incarnation, id, first ? first : at, at, size, priority, err);
			if (r)
				return r;
			continue;
		}
		size_t size = item.event.size + item.topic.size + SPOOL_ROW_OVERHEAD;
		bool enough = reading->any && size > reading->bytes;
		if (!enough) {
			reading->bytes -= size < reading->bytes ? size : reading->bytes;
			reading->any = true;
			reading->left--;
			sequence = at;
			enough = reading->visit (reading->arg, &item) != 0;
		}
		sqlite3_reset (behind);
		if (enough)
			return 1;
	}
	return 1;
}

static int read_once (spool_t *self, size_t collector, uint64_t incarnation, uint64_t sequence,
        reading_t *reading, err_t *err)
{
	int r = self->db.handle ? 0 : error_set (err, -EIO, "%s: it is not open", self->path);
	for (size_t i = 0; i < self->now.eras.n && !r; i++) {
		const era_t *era = &self->now.eras.items[i];
		if (era->incarnation < incarnation || era->rows == 0)
			continue;
		uint64_t from = era->positions[collector];
		if (from < era->settled && (era->incarnation > incarnation || sequence < era->settled)) {
			/* It came later than what all the others had: for it that is trimmed. */
			const spool_item_t gap = { .incarnation = era->incarnation,
				.boot_nonce = era->boot_nonce,
				.sequence = era->settled,
				.priority = SPOOL_AUDIT,
				.first = from + 1,
				.last = era->settled,
				.count = era->settled - from,
				.reason = BELFRY__V1__GAP_REASON__GAP_REASON_TRIMMED,
				.time_ns = self->oldest_ns };
			if (reading->left == 0)
				return 0;
			reading->left--;
			reading->any = true;
			if (reading->visit (reading->arg, &gap))
				return 0;
			from = era->settled;
		}
		if (era->incarnation == incarnation && sequence > from)
			from = sequence;
		r = era_read (self, era->incarnation, from, reading, err);
	}
	return r < 0 ? r : 0;
}

int spool_read (spool_t *self, size_t collector, uint64_t incarnation, uint64_t sequence, size_t max,
        size_t bytes, spool_visit_fn *visit, void *arg, err_t *err)
{
	reading_t reading = { max, bytes, false, visit, arg };
	if (collector >= self->n_collectors)
		return error_set (err, -EINVAL, "there is no collector %zu", collector);
	int r = read_once (self, collector, incarnation, sequence, &reading, err);
	/* Only where nothing was visited yet: nothing comes twice. */
	if (!reading.any && healed (self, r, wall_now ()))
		r = read_once (self, collector, incarnation, sequence, &reading, err);
	return r;
}

/* Another number. */

static int item_renumber (
        spool_item_t *item, uint64_t to, uint64_t nonce, uint64_t *next, uint8_t **ret, err_t *err)
{
	uint64_t length = item->reason ? item->last - item->first : 0;
	item->incarnation = to;
	item->boot_nonce = nonce;
	item->first = *next;
	item->sequence = item->last = *next + length;
	*next += length + 1;
	if (item->reason)
		return 0;
	Belfry__V1__Event *event = belfry__v1__event__unpack (NULL, item->event.size, item->event.data);
	if (!event || !event->header) {
		belfry__v1__event__free_unpacked (event, NULL);
		return error_set (err, -EBADMSG, "an event in the spool is none");
	}
	event->header->incarnation = to;
	event->header->boot_nonce = nonce;
	event->header->sequence = item->sequence;
	size_t size = belfry__v1__event__get_packed_size (event);
	*ret = malloc (size);
	if (*ret)
		item->event = span_of (*ret, belfry__v1__event__pack (event, *ret));
	belfry__v1__event__free_unpacked (event, NULL);
	return *ret ? 0 : error_set (err, -ENOMEM, "out of memory");
}

/* Moves the first row behind sequence of from. 1 when there is none. */
static int row_move (spool_t *self, uint64_t from, uint64_t to, uint64_t nonce, uint64_t *next, err_t *err)
{
	sqlite3_stmt *behind = spool_statement (self, SPOOL_BEHIND);
	bind_u64 (behind, 1, from);
	bind_u64 (behind, 2, 0);
	int outcome = sqlite3_step (behind), r;
	if (outcome != SQLITE_ROW) {
		sqlite3_reset (behind);
		return outcome == SQLITE_DONE ? 1 : database_error (&self->db, outcome, err, "renumbering");
	}
	spool_item_t item;
	uint8_t *event = NULL;
	uint64_t id = column_u64 (behind, 0), size = column_u64 (behind, 2);
	int priority = sqlite3_column_int (behind, 3);
	buffer_t body = BUFFER_INIT;
	span_t bytes = column_bytes (behind, 1);
	buffer_append (&body, bytes.data, bytes.size);
	sqlite3_reset (behind);
	if (buffer_failed (&body))
		r = error_set (err, -ENOMEM, "out of memory");
	else if (!spool_row_parse (buffer_span (&body), &item))
		r = error_set (err, -EBADMSG, "%s: a row does not check", self->path);
	else
		r = item_renumber (&item, to, nonce, next, &event, err);
	if (!r)
		r = spool_row_delete (self, id, from, size, priority, err);
	if (!r)
		r = spool_row_insert (self, &item, err);
	free (event);
	buffer_free (&body);
	return r;
}

int spool_renumber (spool_t *self, uint64_t from, uint64_t to, uint64_t boot_nonce, uint64_t first,
        uint64_t *ret_next, err_t *err)
{
	spool_state_t saved;
	uint64_t next = first;
	if (from == to || to == 0 || to > INT64_MAX || first == 0)
		return error_set (err, -EINVAL, "incarnation %llu does not become %llu",
		        (unsigned long long) from, (unsigned long long) to);
	int r = begin (self, &saved, err);
	if (r)
		return r;
	era_t *era = spool_era_get (self, to, boot_nonce);
	if (!era)
		r = error_set (err, -ENOMEM, "out of memory");
	else if (first != era->newest + 1)
		r = error_set (
		        err, -EINVAL, "sequence %llu is not behind the newest", (unsigned long long) first);
	while (!r)
		r = row_move (self, from, to, boot_nonce, &next, err);
	if (r == 1)
		r = era_write (self, spool_era (self, to), err);
	if (!r && spool_era (self, from))
		r = era_forget (self, from, err);
	r = end (self, &saved, r, err);
	if (r)
		return r;
	(void) spool_mark_write (self, false);
	*ret_next = next;
	return 0;
}

/* Figures. */

void spool_figures (const spool_t *self, spool_figures_t *ret)
{
	*ret = (spool_figures_t){
		.events = self->now.rows, .oldest_ns = self->oldest_ns, .corrupt = self->now.corrupt
	};
	for (int i = 0; i < SPOOL_KINDS; i++)
		ret->bytes += self->now.bytes[i];
	for (int i = 0; i < SPOOL_PRIORITIES; i++)
		ret->dropped[i] = self->now.dropped[i];
	for (size_t i = 0; i < self->now.eras.n && !ret->oldest_incarnation; i++) {
		if (self->now.eras.items[i].rows)
			ret->oldest_incarnation = self->now.eras.items[i].incarnation;
	}
}

uint64_t spool_oldest_incarnation (const spool_t *self, size_t collector, uint64_t *ret_sequence)
{
	if (ret_sequence)
		*ret_sequence = 0;
	for (size_t i = 0; i < self->now.eras.n && collector < self->n_collectors; i++) {
		const era_t *era = &self->now.eras.items[i];
		if (!era->rows || era->positions[collector] >= era->newest)
			continue;
		if (ret_sequence)
			*ret_sequence = era->positions[collector] + 1;
		return era->incarnation;
	}
	return 0;
}

uint64_t spool_newest (const spool_t *self, uint64_t incarnation)
{
	const era_t *era = spool_era (self, incarnation);
	return era ? era->newest : 0;
}
