/* What goes to a collector, in order; and what goes under another number. A row that does not check heals the
 * file, and the reading goes on where it was. */

#include <errno.h>
#include <stdlib.h>

#include "belfry/v1/event.pb-c.h"
#include "store/spool_internal.h"

typedef struct {
	size_t collector, left, bytes;
	uint64_t incarnation, sequence; /* behind this */
	bool any, enough;
	spool_visit_fn *visit;
	void *arg;
} reading_t;

static void item_visit (reading_t *self, const spool_item_t *item)
{
	size_t size = item->event.size + item->topic.size + SPOOL_ROW_OVERHEAD;
	if (self->any && size > self->bytes) {
		self->enough = true;
		return;
	}
	self->bytes -= size < self->bytes ? size : self->bytes;
	self->any = true;
	self->incarnation = item->incarnation;
	self->sequence = item->sequence;
	self->enough = self->visit (self->arg, item) != 0 || --self->left == 0;
}

static int era_read (spool_t *self, const era_t *era, reading_t *reading, err_t *err)
{
	sqlite3_stmt *behind = spool_statement (self, SPOOL_BEHIND);
	uint64_t position = era->positions[reading->collector];
	while (!reading->enough) {
		uint64_t through = reading->incarnation == era->incarnation ? reading->sequence : 0;
		if (through < position)
			through = position;
		spool_item_t item = { .incarnation = era->incarnation,
			.boot_nonce = era->boot_nonce,
			.sequence = era->settled,
			.priority = SPOOL_AUDIT,
			.time_ns = self->oldest_ns,
			.first = through + 1,
			.last = era->settled,
			.count = era->settled - through,
			.reason = BELFRY__V1__GAP_REASON__GAP_REASON_TRIMMED };
		if (through < era->settled) {
			/* It came later than what all the others had: for it that is trimmed. */
			item_visit (reading, &item);
			continue;
		}
		bind_u64 (behind, 1, era->incarnation);
		bind_u64 (behind, 2, through);
		int outcome = sqlite3_step (behind), r = 0;
		bool none = outcome == SQLITE_DONE;
		if (outcome != SQLITE_ROW)
			r = none ? 0 : database_error (&self->db, outcome, err, "reading");
		else if (!spool_row_parse (column_bytes (behind, 1), &item) ||
		         item.incarnation != era->incarnation || item.sequence != column_u64 (behind, 4) ||
		         item.first != column_u64 (behind, 5) || item.first > through + 1)
			r = error_set (err, -EBADMSG, "%s: a row does not check", self->path);
		else {
			/* What of a gap is acknowledged is not said again. */
			if (item.reason && item.first <= through) {
				item.first = through + 1;
				if (item.count > item.last - item.first + 1)
					item.count = item.last - item.first + 1;
			}
			item_visit (reading, &item);
		}
		sqlite3_reset (behind);
		if (r || none)
			return r;
	}
	return 0;
}

static int read_once (spool_t *self, reading_t *reading, err_t *err)
{
	int r = self->db.handle ? 0 : spool_start (self, &self->report, err);
	for (size_t i = 0; i < self->now.eras.n && !r && !reading->enough; i++) {
		const era_t *era = &self->now.eras.items[i];
		if (era->incarnation >= reading->incarnation && era->rows)
			r = era_read (self, era, reading, err);
	}
	return r;
}

int spool_read (spool_t *self, size_t collector, uint64_t incarnation, uint64_t sequence, size_t max,
        size_t bytes, spool_visit_fn *visit, void *arg, err_t *err)
{
	reading_t reading = { collector, max, bytes, incarnation, sequence, false, max == 0, visit, arg };
	if (collector >= self->n_collectors)
		return error_set (err, -EINVAL, "there is no collector %zu", collector);
	int r = read_once (self, &reading, err);
	if (spool_healed (self, r))
		r = read_once (self, &reading, err);
	return r;
}

/* Another number. */

/* The event with that header; an event that cannot be read is a gap from here on. */
static int event_renumber (spool_item_t *item, uint8_t **ret, err_t *err)
{
	Belfry__V1__Event *event = belfry__v1__event__unpack (NULL, item->event.size, item->event.data);
	if (!event || !event->header) {
		belfry__v1__event__free_unpacked (event, NULL);
		item->reason = BELFRY__V1__GAP_REASON__GAP_REASON_CORRUPT;
		item->count = 1;
		return 0;
	}
	event->header->incarnation = item->incarnation;
	event->header->boot_nonce = item->boot_nonce;
	event->header->sequence = item->sequence;
	*ret = malloc (belfry__v1__event__get_packed_size (event) + 1);
	if (*ret)
		item->event = span_of (*ret, belfry__v1__event__pack (event, *ret));
	belfry__v1__event__free_unpacked (event, NULL);
	return *ret ? 0 : error_set (err, -ENOMEM, "out of memory");
}

/* Moves the first row of from. 1 when there is none. */
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
	else if (!spool_row_parse (buffer_span (&body), &item) || item.incarnation != from)
		r = error_set (err, -EBADMSG, "%s: a row does not check", self->path);
	else {
		uint64_t length = item.last - item.first;
		item.incarnation = to;
		item.boot_nonce = nonce;
		item.first = *next;
		item.sequence = item.last = *next + length;
		*next += length + 1;
		r = item.reason ? 0 : event_renumber (&item, &event, err);
	}
	if (!r)
		r = spool_row_delete (self, id, from, size, priority, err);
	if (!r)
		r = spool_row_insert (self, &item, err);
	free (event);
	buffer_free (&body);
	return r;
}

static int renumber_once (spool_t *self, uint64_t from, uint64_t to, uint64_t boot_nonce, uint64_t first,
        uint64_t *next, err_t *err)
{
	spool_state_t saved;
	int r = spool_begin (self, &saved, err);
	if (r)
		return r;
	era_t *era = spool_era_get (self, to, boot_nonce);
	*next = first;
	if (!era)
		r = error_set (err, -ENOMEM, "out of memory");
	else if (first != era->newest + 1 || boot_nonce != era->boot_nonce)
		r = error_set (err, -EINVAL, "sequence %llu (%llx) does not follow %llu (%llx)",
		        (unsigned long long) first, (unsigned long long) boot_nonce,
		        (unsigned long long) era->newest, (unsigned long long) era->boot_nonce);
	while (!r)
		r = row_move (self, from, to, boot_nonce, next, err);
	if (r == 1)
		r = spool_era_write (self, spool_era (self, to), err);
	/* It stays known as settled: what lies about of it in the file is nothing that waits. */
	era = spool_era (self, from);
	if (!r && era) {
		era->settled = era->newest;
		for (size_t c = 0; c < self->n_collectors; c++)
			era->positions[c] = era->newest;
		r = spool_era_write (self, era, err);
	}
	return spool_end (self, &saved, r, err);
}

int spool_renumber (spool_t *self, uint64_t from, uint64_t to, uint64_t boot_nonce, uint64_t first,
        uint64_t *ret_next, err_t *err)
{
	uint64_t next;
	if (from == to || to == 0 || to > INT64_MAX || first == 0)
		return error_set (err, -EINVAL, "incarnation %llu does not become %llu",
		        (unsigned long long) from, (unsigned long long) to);
	int r = renumber_once (self, from, to, boot_nonce, first, &next, err);
	if (spool_healed (self, r))
		r = renumber_once (self, from, to, boot_nonce, first, &next, err);
	if (r)
		return r;
	(void) spool_mark_write (self, false);
	*ret_next = next;
	return 0;
}
