#include "store/spool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/record.h"
#include "store/spool_internal.h"

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

int spool_begin (spool_t *self, spool_state_t *saved, err_t *err)
{
	int r = self->db.handle ? 0 : spool_start (self, &self->report, err);
	if (r)
		return r;
	r = state_save (&self->now, saved);
	if (r)
		return error_set (err, r, "out of memory");
	r = database_exec (&self->db, "BEGIN IMMEDIATE", err);
	if (r)
		free (saved->eras.items);
	return r;
}

int spool_end (spool_t *self, spool_state_t *saved, int r, err_t *err)
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

bool spool_healed (spool_t *self, int r)
{
	return r == -EBADMSG && spool_heal (self, &self->report, NULL) == 0;
}

bool spool_found (spool_t *self, spool_report_t *ret)
{
	if (!self->report.text[0])
		return false;
	*ret = self->report;
	memset (&self->report, 0, sizeof self->report);
	return true;
}

/* The mark. */

int spool_mark_write (spool_t *self, bool sync)
{
	buffer_t value = BUFFER_INIT;
	const eras_t *eras = &self->now.eras;
	spool_figures_t figures;
	spool_figures (self, &figures);
	record_u64 (&value, figures.oldest_incarnation);
	for (size_t i = eras->n > SPOOL_MARKED_ERAS ? eras->n - SPOOL_MARKED_ERAS : 0; i < eras->n; i++) {
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

bool spool_mark_read (const spool_t *self, spool_mark_t *ret)
{
	span_t value;
	memset (ret, 0, sizeof *ret);
	if (!slots_value (self->mark, &value))
		return false;
	record_reader_t reader = { value.data, (const uint8_t *) value.data + value.size, false };
	ret->oldest = record_take_u64 (&reader);
	for (; ret->n < SPOOL_MARKED_ERAS && reader.at < reader.end; ret->n++) {
		ret->eras[ret->n].incarnation = record_take_u64 (&reader);
		ret->eras[ret->n].boot_nonce = record_take_u64 (&reader);
		ret->eras[ret->n].newest = record_take_u64 (&reader);
		ret->eras[ret->n].settled = record_take_u64 (&reader);
		if (reader.failed || ret->eras[ret->n].incarnation == 0 ||
		        ret->eras[ret->n].incarnation > INT64_MAX || ret->eras[ret->n].newest > INT64_MAX ||
		        ret->eras[ret->n].settled > ret->eras[ret->n].newest)
			break;
	}
	/* All of it or nothing. */
	if (!record_done (&reader))
		memset (ret, 0, sizeof *ret);
	return record_done (&reader);
}

/* Inside a transaction. */

/* Positions into the file, what every collector has out of it. */
static int positions_write (spool_t *self, err_t *err)
{
	eras_t *eras = &self->now.eras;
	for (size_t i = 0; i < eras->n; i++) {
		era_t *era = &eras->items[i];
		if (!era->dirty)
			continue;
		era->dirty = false;
		uint64_t before = era->settled;
		spool_era_settle (self, era);
		int r = era->settled > before ? spool_rows_remove (self, era, era->settled, false, err) : 0;
		if (!r)
			r = spool_era_write (self, era, err);
		if (r)
			return r;
	}
	/* Of old incarnations with nothing left, the newest are remembered for the mark's sake. */
	for (size_t i = 0; i + SPOOL_MARKED_ERAS < eras->n;) {
		if (eras->items[i].rows) {
			i++;
			continue;
		}
		int r = spool_era_forget (self, eras->items[i].incarnation, err);
		if (r)
			return r;
	}
	return 0;
}

/* Calls. */

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

static int item_put (spool_t *self, const spool_item_t *item, wall_t now, err_t *err)
{
	era_t *era = spool_era_get (self, item->incarnation, item->boot_nonce);
	if (!era)
		return error_set (err, -ENOMEM, "out of memory");
	if (item->sequence <= era->newest || item->boot_nonce != era->boot_nonce)
		return error_set (err, -EINVAL,
		        "sequence %llu of incarnation %llu (%llx) does not follow %llu (%llx)",
		        (unsigned long long) item->sequence, (unsigned long long) item->incarnation,
		        (unsigned long long) item->boot_nonce, (unsigned long long) era->newest,
		        (unsigned long long) era->boot_nonce);
	/* Sequences that were never handed over are lost. */
	if (item->sequence > era->newest + 1) {
		int r = spool_gap (self, item->incarnation, era->newest + 1, item->sequence - 1,
		        BELFRY__V1__GAP_REASON__GAP_REASON_MEMORY, (uint64_t) now.ns, err);
		if (r)
			return r;
	}
	if (!spool_too_large (self, item))
		return spool_row_insert (self, item, err);
	self->now.dropped[item->priority]++;
	return spool_gap (self, item->incarnation, item->sequence, item->sequence,
	        BELFRY__V1__GAP_REASON__GAP_REASON_SPOOL_FULL, (uint64_t) now.ns, err);
}

static int commit_once (spool_t *self, const spool_item_t *items, size_t n, wall_t now, err_t *err)
{
	spool_state_t saved;
	int r = spool_begin (self, &saved, err);
	if (r)
		return r;
	for (size_t i = 0; i < n && !r; i++) {
		r = item_put (self, &items[i], now, err);
		if (!r && (i + 1 == n || items[i + 1].incarnation != items[i].incarnation))
			r = spool_era_write (self, spool_era (self, items[i].incarnation), err);
	}
	if (!r)
		r = spool_trim (self, now, err);
	if (!r)
		r = positions_write (self, err);
	if (!r)
		r = spool_eras_trim (self, err);
	return spool_end (self, &saved, r, err);
}

/* What was written is committed: its mark, and what the figures say of it. */
static void committed (spool_t *self)
{
	(void) spool_mark_write (self, false);
	if (spool_healed (self, spool_oldest_look (self, NULL)))
		(void) spool_oldest_look (self, NULL);
}

int spool_commit (spool_t *self, const spool_item_t *items, size_t n, wall_t now, err_t *err)
{
	self->at = now;
	int r = items_check (items, n, err);
	if (!r)
		r = commit_once (self, items, n, now, err);
	if (spool_healed (self, r))
		r = commit_once (self, items, n, now, err);
	if (r)
		return r;
	committed (self);
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

static int settle_once (spool_t *self, wall_t now, bool expire, err_t *err)
{
	spool_state_t saved;
	int r = spool_begin (self, &saved, err);
	if (r)
		return r;
	r = positions_write (self, err);
	if (!r && expire)
		r = spool_expire (self, now, err);
	return spool_end (self, &saved, r, err);
}

static bool positions_dirty (const spool_t *self)
{
	for (size_t i = 0; i < self->now.eras.n; i++) {
		if (self->now.eras.items[i].dirty)
			return true;
	}
	return false;
}

int spool_tick (spool_t *self, wall_t now, err_t *err)
{
	self->at = now;
	bool old = self->oldest_ns && now.ns > 0 && (uint64_t) now.ns > self->oldest_ns &&
	           (uint64_t) now.ns - self->oldest_ns > (uint64_t) self->age_max_ns;
	if (positions_dirty (self) || old || !self->db.handle) {
		int r = settle_once (self, now, old, err);
		if (spool_healed (self, r))
			r = settle_once (self, now, old, err);
		if (r)
			return r;
		committed (self);
	}
	int r = slots_sync (self->mark);
	return r ? error_set (err, r, "%s: %s", self->mark_path, strerror (-r)) : 0;
}

void spool_close (spool_t **self_p)
{
	spool_t *self = *self_p;
	if (!self)
		return;
	if (self->db.handle && self->known) {
		if (positions_dirty (self))
			(void) settle_once (self, self->at, false, NULL);
		(void) spool_mark_write (self, true);
	}
	spool_detach (self);
	slots_close (&self->mark);
	free (self->now.eras.items);
	for (size_t i = 0; i < self->n_collectors; i++)
		free (self->collectors[i]);
	free (self->vfs);
	buffer_free (&self->buffer);
	free (self);
	*self_p = NULL;
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
