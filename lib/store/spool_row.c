/* A row is a record (record.h) that says its place, so that it is checked against its columns and found
 * again without them. */

#include <errno.h>
#include <stdlib.h>

#include "store/record.h"
#include "store/spool_internal.h"

void spool_row_pack (buffer_t *out, const spool_item_t *item)
{
	record_begin (out, item->reason ? RECORD_GAP : RECORD_EVENT);
	record_u64 (out, item->incarnation);
	record_u64 (out, item->boot_nonce);
	record_u64 (out, item->sequence);
	record_u8 (out, (uint8_t) item->priority);
	record_u64 (out, item->time_ns);
	if (item->reason) {
		record_u64 (out, item->first);
		record_u64 (out, item->count);
		record_u8 (out, (uint8_t) item->reason);
	} else {
		record_bytes (out, item->topic);
		record_bytes (out, item->event);
	}
	record_end (out);
}

uint64_t spool_row_size (const spool_item_t *item)
{
	return RECORD_HEAD_SIZE + 3 * 8 + 1 + 8 + 2 * 4 + item->topic.size + item->event.size +
	       RECORD_CHECKSUM_SIZE + SPOOL_ROW_OVERHEAD;
}

bool spool_row_parse (span_t body, spool_item_t *ret)
{
	record_kind_t kind;
	record_reader_t reader;
	spool_item_t item = { .incarnation = 0 };
	if (!record_open (body, &kind, &reader) || (kind != RECORD_EVENT && kind != RECORD_GAP))
		return false;
	item.incarnation = record_take_u64 (&reader);
	item.boot_nonce = record_take_u64 (&reader);
	item.first = item.last = item.sequence = record_take_u64 (&reader);
	item.priority = (spool_priority_t) record_take_u8 (&reader);
	item.time_ns = record_take_u64 (&reader);
	if (kind == RECORD_GAP) {
		item.first = record_take_u64 (&reader);
		item.count = record_take_u64 (&reader);
		item.reason = (Belfry__V1__GapReason) record_take_u8 (&reader);
	} else {
		item.topic = record_take_bytes (&reader);
		item.event = record_take_bytes (&reader);
	}
	if (!record_done (&reader) || item.incarnation == 0 || item.first == 0 || item.first > item.last ||
	        item.last > INT64_MAX || item.incarnation > INT64_MAX || item.priority >= SPOOL_PRIORITIES)
		return false;
	if (kind == RECORD_GAP &&
	        (!item.reason || item.count == 0 || item.count > item.last - item.first + 1))
		return false;
	*ret = item;
	return true;
}

int spool_row_insert (spool_t *self, const spool_item_t *item, err_t *err)
{
	sqlite3_stmt *insert = spool_statement (self, SPOOL_INSERT);
	era_t *era = spool_era (self, item->incarnation);
	int priority = item->reason ? SPOOL_GAP : (int) item->priority;
	spool_row_pack (&self->buffer, item);
	if (buffer_failed (&self->buffer) || !era)
		return error_set (err, -ENOMEM, "out of memory");
	uint64_t size = self->buffer.size + SPOOL_ROW_OVERHEAD;
	bind_u64 (insert, 1, item->incarnation);
	bind_u64 (insert, 2, item->sequence);
	bind_u64 (insert, 3, item->reason ? item->first : item->sequence);
	sqlite3_bind_int (insert, 4, priority);
	bind_u64 (insert, 5, size);
	sqlite3_bind_blob (insert, 6, self->buffer.data, (int) self->buffer.size, SQLITE_STATIC);
	int r = database_run (&self->db, insert, err);
	if (r)
		return r;
	self->now.bytes[priority] += size;
	self->now.rows++;
	era->rows++;
	if (era->newest < item->sequence)
		era->newest = item->sequence;
	return 0;
}

int spool_uncount (spool_t *self, era_t *era, int priority, uint64_t rows, uint64_t bytes, err_t *err)
{
	if (!era || priority < 0 || priority >= SPOOL_KINDS || rows > era->rows || rows > self->now.rows ||
	        bytes > self->now.bytes[priority])
		return error_set (err, -EBADMSG, "%s: rows that never were", self->path);
	self->now.bytes[priority] -= bytes;
	self->now.rows -= rows;
	era->rows -= rows;
	return 0;
}

int spool_row_delete (
        spool_t *self, uint64_t id, uint64_t incarnation, uint64_t size, int priority, err_t *err)
{
	sqlite3_stmt *delete = spool_statement (self, SPOOL_DELETE);
	bind_u64 (delete, 1, id);
	int r = database_run (&self->db, delete, err);
	return r ? r : spool_uncount (self, spool_era (self, incarnation), priority, 1, size, err);
}

/* Eras: few, and what is asked for is the newest most often. */

static size_t era_place (const eras_t *eras, uint64_t incarnation)
{
	size_t i = eras->n;
	while (i > 0 && eras->items[i - 1].incarnation >= incarnation)
		i--;
	return i;
}

era_t *spool_era (const spool_t *self, uint64_t incarnation)
{
	const eras_t *eras = &self->now.eras;
	size_t i = era_place (eras, incarnation);
	return i < eras->n && eras->items[i].incarnation == incarnation ? &eras->items[i] : NULL;
}

era_t *spool_era_get (spool_t *self, uint64_t incarnation, uint64_t boot_nonce)
{
	era_t *found = spool_era (self, incarnation);
	if (found)
		return found;
	eras_t *eras = &self->now.eras;
	if (eras->n == eras->capacity) {
		size_t capacity = eras->capacity ? 2 * eras->capacity : 16;
		era_t *grown = realloc (eras->items, capacity * sizeof *grown);
		if (!grown)
			return NULL;
		eras->items = grown;
		eras->capacity = capacity;
	}
	size_t i = era_place (eras, incarnation);
	memmove (&eras->items[i + 1], &eras->items[i], (eras->n - i) * sizeof (era_t));
	eras->items[i] = (era_t){ .incarnation = incarnation, .boot_nonce = boot_nonce };
	eras->n++;
	return &eras->items[i];
}

void spool_era_remove (spool_t *self, uint64_t incarnation)
{
	eras_t *eras = &self->now.eras;
	size_t i = era_place (eras, incarnation);
	if (i == eras->n || eras->items[i].incarnation != incarnation)
		return;
	eras->n--;
	memmove (&eras->items[i], &eras->items[i + 1], (eras->n - i) * sizeof (era_t));
}

void spool_era_settle (const spool_t *self, era_t *era)
{
	uint64_t least = UINT64_MAX;
	for (size_t i = 0; i < self->n_collectors; i++)
		least = era->positions[i] < least ? era->positions[i] : least;
	/* Nobody acknowledges what was never committed. */
	least = least < era->newest ? least : era->newest;
	if (least > era->settled)
		era->settled = least;
}

/* A position that a bit flip raised would be an acknowledgement that nobody gave: it stands in a record. */
int spool_era_write (spool_t *self, const era_t *era, err_t *err)
{
	sqlite3_stmt *put = spool_statement (self, SPOOL_ERA);
	buffer_t *out = &self->buffer;
	record_begin (out, RECORD_ERA);
	record_u64 (out, era->incarnation);
	record_u64 (out, era->boot_nonce);
	record_u64 (out, era->newest);
	record_u64 (out, era->settled);
	record_u8 (out, (uint8_t) self->n_collectors);
	for (size_t c = 0; c < self->n_collectors; c++) {
		record_bytes (out, span_str (self->collectors[c]));
		record_u64 (out, era->positions[c]);
	}
	record_end (out);
	if (buffer_failed (out))
		return error_set (err, -ENOMEM, "out of memory");
	bind_u64 (put, 1, era->incarnation);
	sqlite3_bind_blob (put, 2, out->data, (int) out->size, SQLITE_STATIC);
	return database_run (&self->db, put, err);
}

bool spool_era_parse (const spool_t *self, span_t body, era_t *ret)
{
	record_kind_t kind;
	record_reader_t reader;
	era_t era = { .rows = 0 };
	if (!record_open (body, &kind, &reader) || kind != RECORD_ERA)
		return false;
	era.incarnation = record_take_u64 (&reader);
	era.boot_nonce = record_take_u64 (&reader);
	era.newest = record_take_u64 (&reader);
	era.settled = record_take_u64 (&reader);
	unsigned n = record_take_u8 (&reader);
	for (unsigned i = 0; i < n; i++) {
		span_t name = record_take_bytes (&reader);
		uint64_t position = record_take_u64 (&reader);
		for (size_t c = 0; c < self->n_collectors; c++) {
			if (span_is (name, self->collectors[c]))
				era.positions[c] = position < era.newest ? position : era.newest;
		}
	}
	if (!record_done (&reader) || era.incarnation == 0 || era.incarnation > INT64_MAX ||
	        era.newest > INT64_MAX || era.settled > era.newest)
		return false;
	*ret = era;
	return true;
}

int spool_era_forget (spool_t *self, uint64_t incarnation, err_t *err)
{
	sqlite3_stmt *drop = spool_statement (self, SPOOL_ERA_DROP);
	bind_u64 (drop, 1, incarnation);
	int r = database_run (&self->db, drop, err);
	if (!r)
		spool_era_remove (self, incarnation);
	return r;
}
