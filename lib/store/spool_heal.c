/* Healing: another database is built from every record that checks, wherever it lies in the damaged one or its
 * WAL. Raw bytes also hold what was removed and what was never committed, so how far each incarnation went, and
 * what was settled of it, is said by memory where the spool ran; else by the mark and by the records of
 * incarnations. Of a place an event is worth more than a gap; where neither is there, a gap says so. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/record.h"
#include "store/spool_internal.h"

#define RAW_MAX ((size_t) 2 << 30)

typedef struct {
	const spool_t *spool;
	spool_item_t *items; /* their spans point into the raw bytes */
	size_t n, capacity;
	eras_t eras; /* of records; in no order, some several times */
	bool failed;
} found_t;

/* Room for one more. */
static void *grown (void *items, size_t n, size_t *capacity, size_t size)
{
	if (n < *capacity)
		return items;
	size_t wanted = *capacity ? 2 * *capacity : 256;
	void *more = realloc (items, wanted * size);
	if (more)
		*capacity = wanted;
	return more;
}

static void on_found (void *arg, record_kind_t kind, span_t whole)
{
	found_t *self = arg;
	spool_item_t item;
	era_t era;
	if (kind == RECORD_ERA && spool_era_parse (self->spool, whole, &era)) {
		era_t *eras = grown (self->eras.items, self->eras.n, &self->eras.capacity, sizeof era);
		self->failed |= !eras;
		if (eras) {
			self->eras.items = eras;
			self->eras.items[self->eras.n++] = era;
		}
	}
	if (spool_row_parse (whole, &item)) {
		spool_item_t *items = grown (self->items, self->n, &self->capacity, sizeof item);
		self->failed |= !items;
		if (items) {
			self->items = items;
			self->items[self->n++] = item;
		}
	}
}

/* By incarnation; of one its events by sequence, then its gaps by where they begin. */
static int by_place (const void *a_p, const void *b_p)
{
	const spool_item_t *a = a_p, *b = b_p;
	if (a->incarnation != b->incarnation)
		return a->incarnation < b->incarnation ? -1 : 1;
	if (!a->reason != !b->reason)
		return a->reason ? 1 : -1;
	return a->first < b->first ? -1 : a->first > b->first;
}

/* Claims: the eras of self->now, whose rows are counted when they are inserted. */

/* Takes the greater of each. */
static int claim (spool_t *self, const era_t *said, err_t *err)
{
	era_t *era = spool_era_get (self, said->incarnation, said->boot_nonce);
	if (!era)
		return error_set (err, -ENOMEM, "out of memory");
	if (era->boot_nonce != said->boot_nonce)
		return 0;
	era->newest = said->newest > era->newest ? said->newest : era->newest;
	era->settled = said->settled > era->settled ? said->settled : era->settled;
	for (size_t c = 0; c < self->n_collectors; c++) {
		if (era->positions[c] < said->positions[c])
			era->positions[c] = said->positions[c];
	}
	return 0;
}

static int claims_make (spool_t *self, const spool_state_t *before, const found_t *found, err_t *err)
{
	spool_mark_t mark;
	int r = 0;
	for (size_t i = 0; self->known && i < before->eras.n && !r; i++)
		r = claim (self, &before->eras.items[i], err);
	if (self->known)
		return r;
	(void) spool_mark_read (self, &mark);
	for (size_t i = 0; i < mark.n && !r; i++) {
		const era_t era = { .incarnation = mark.eras[i].incarnation,
			.boot_nonce = mark.eras[i].boot_nonce,
			.newest = mark.eras[i].newest,
			.settled = mark.eras[i].settled };
		r = claim (self, &era, err);
	}
	/* What is older than all that waited was settled long ago. */
	uint64_t least = mark.oldest ? mark.oldest : mark.n ? mark.eras[mark.n - 1].incarnation : 0;
	for (size_t i = 0; i < found->eras.n && !r; i++) {
		if (found->eras.items[i].incarnation >= least)
			r = claim (self, &found->eras.items[i], err);
	}
	for (size_t i = 0; i < found->n && !r; i++) {
		const spool_item_t *item = &found->items[i];
		bool first = i == 0 || item[-1].incarnation != item->incarnation;
		era_t era = {
			.incarnation = item->incarnation, .boot_nonce = item->boot_nonce, .newest = item->last
		};
		/* Without any word on it: what is here goes again, and of the places before it nobody tells. */
		if (first && !spool_era (self, item->incarnation))
			era.settled = item->first - 1;
		if (item->incarnation >= least)
			r = claim (self, &era, err);
	}
	return r;
}

typedef struct {
	const spool_item_t *gaps, *best;
	size_t n, next;
	uint64_t missing;
} sweep_t;

/* first..last, of which there is no event: what gaps say of it, CORRUPT where none does. */
static int hole_fill (
        spool_t *self, const era_t *era, sweep_t *sweep, uint64_t first, uint64_t last, err_t *err)
{
	while (first <= last) {
		for (; sweep->next < sweep->n && sweep->gaps[sweep->next].first <= first; sweep->next++) {
			if (!sweep->best || sweep->gaps[sweep->next].last > sweep->best->last)
				sweep->best = &sweep->gaps[sweep->next];
		}
		uint64_t through = last;
		int r;
		if (sweep->best && sweep->best->last >= first) {
			spool_item_t gap = *sweep->best;
			through = gap.last < last ? gap.last : last;
			gap.boot_nonce = era->boot_nonce;
			gap.first = first;
			gap.sequence = gap.last = through;
			if (gap.count > through - first + 1)
				gap.count = through - first + 1;
			r = spool_row_insert (self, &gap, err);
		} else {
			if (sweep->next < sweep->n && sweep->gaps[sweep->next].first <= last)
				through = sweep->gaps[sweep->next].first - 1;
			sweep->missing += through - first + 1;
			r = spool_gap (self, era->incarnation, first, through,
			        BELFRY__V1__GAP_REASON__GAP_REASON_CORRUPT, (uint64_t) self->at.ns, err);
		}
		if (r)
			return r;
		first = through + 1;
	}
	return 0;
}

/* One incarnation: items[0..n) are its. */
static int era_rebuild (
        spool_t *self, era_t *era, const spool_item_t *items, size_t n, spool_report_t *report, err_t *err)
{
	size_t events = 0;
	while (events < n && !items[events].reason)
		events++;
	sweep_t sweep = { items + events, NULL, n - events, 0, 0 };
	spool_era_settle (self, era);
	uint64_t through = era->settled;
	int r = 0;
	for (size_t i = 0; i < events && !r; i++) {
		if (items[i].last <= through || items[i].last > era->newest ||
		        items[i].boot_nonce != era->boot_nonce)
			continue;
		r = hole_fill (self, era, &sweep, through + 1, items[i].last - 1, err);
		if (!r)
			r = spool_row_insert (self, &items[i], err);
		through = items[i].last;
		report->recovered++;
	}
	if (!r)
		r = hole_fill (self, era, &sweep, through + 1, era->newest, err);
	report->missing += sweep.missing;
	for (size_t c = 0; c < self->n_collectors; c++) {
		if (era->positions[c] < era->settled)
			era->positions[c] = era->settled;
	}
	return r ? r : spool_era_write (self, era, err);
}

static int rebuild (spool_t *self, const found_t *found, spool_report_t *report, err_t *err)
{
	int r = database_exec (&self->db, "BEGIN IMMEDIATE", err);
	size_t at = 0;
	for (size_t i = 0; i < self->now.eras.n && !r; i++) {
		era_t *era = &self->now.eras.items[i];
		while (at < found->n && found->items[at].incarnation < era->incarnation)
			at++;
		size_t n = 0;
		while (at + n < found->n && found->items[at + n].incarnation == era->incarnation)
			n++;
		r = era_rebuild (self, era, found->items + at, n, report, err);
		at += n;
	}
	return r ? r : database_exec (&self->db, "COMMIT", err);
}

/* Into a fresh file, with a memory of its own; closed and durable when this returns 0. */
static int fresh_make (
        spool_t *self, const aside_t *names, const found_t *found, spool_report_t *report, err_t *err)
{
	const spool_state_t before = self->now;
	self->now.rows = 0;
	memset (self->now.bytes, 0, sizeof self->now.bytes);
	self->now.eras = (eras_t){ NULL, 0, 0 };
	int r = aside_begin (names, err);
	if (!r)
		r = spool_attach (self, names->fresh, err);
	if (!r)
		r = claims_make (self, &before, found, err);
	if (!r)
		r = rebuild (self, found, report, err);
	if (!r)
		r = database_checkpoint (&self->db, err);
	spool_detach (self);
	free (self->now.eras.items);
	self->now = before;
	return r;
}

/* What cannot be read is not there; what is no longer there for want of memory is. */
static int raw_read (const spool_t *self, const char *path, span_t *ret, err_t *err)
{
	void *bytes = NULL;
	size_t size = 0;
	int r = files_read (self->vfs, path, RAW_MAX, &bytes, &size);
	*ret = span_of (bytes, size);
	return r == -ENOMEM ? error_set (err, r, "%s: out of memory", path) : 0;
}

static void raw_free (span_t raw)
{
	union {
		const void *in;
		void *out;
	} bytes = { raw.data };
	free (bytes.out);
}

int spool_heal (spool_t *self, spool_report_t *report, err_t *err)
{
	found_t found = { .spool = self };
	spool_report_t said = { .recovered = 0 };
	aside_t names;
	span_t raw[2] = { { NULL, 0 }, { NULL, 0 } };
	aside_names (&names, self->vfs, self->path, self->at);
	/* Before the database is closed, which may throw its WAL away. */
	int r = raw_read (self, names.path, &raw[0], err);
	if (!r)
		r = raw_read (self, names.wal, &raw[1], err);
	if (self->db.handle)
		sqlite3_db_config (self->db.handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	spool_detach (self);
	for (int i = 0; i < 2 && !r; i++)
		record_scan (raw[i], on_found, &found);
	if (!r && found.failed)
		r = error_set (err, -ENOMEM, "out of memory");
	if (found.n)
		qsort (found.items, found.n, sizeof *found.items, by_place);
	if (!r)
		r = fresh_make (self, &names, &found, &said, err);
	free (found.items);
	free (found.eras.items);
	raw_free (raw[0]);
	raw_free (raw[1]);
	if (!r)
		r = aside_exchange (&names, err);
	if (!r)
		r = spool_load (self, err);
	if (r) {
		spool_detach (self);
		return r;
	}
	self->now.corrupt += said.missing;
	snprintf (said.text, sizeof said.text,
	        "%.200s did not hold together: set aside as %.200s; %llu events were taken over, %llu are "
	        "missing",
	        self->path, names.damaged, (unsigned long long) said.recovered,
	        (unsigned long long) said.missing);
	*report = said;
	(void) spool_mark_write (self, true);
	return 0;
}
