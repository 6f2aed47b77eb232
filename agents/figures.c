#include "agents/figures.h"

#include <errno.h>
#include <stdlib.h>

#include "base/borrow.h"

static double *borrow_values (const double *values)
{
	union {
		const double *in;
		double *out;
	} u = { values };
	return u.out;
}

/* One block for a catalogue's messages and their pointers, in that order. */
typedef struct {
	Belfry__V1__Series *series, **series_p;
	Belfry__V1__Label *labels, **labels_p;
} pages_t;

static void *pages_make (size_t n, size_t n_labels, pages_t *ret)
{
	char *block = malloc (n * (sizeof *ret->series + sizeof *ret->series_p) +
	                      n_labels * (sizeof *ret->labels + sizeof *ret->labels_p) + 1);
	if (!block)
		return NULL;
	ret->series = (void *) block;
	ret->labels = (void *) (ret->series + n);
	ret->series_p = (void *) (ret->labels + n_labels);
	ret->labels_p = (void *) (ret->series_p + n);
	return block;
}

/* A hash names what it was made of: the counters' beginning is part of a series, so of the hash. */
static uint64_t hash_of (const figures_t *self, const samples_t *samples)
{
	uint64_t hash = samples_hash (samples) ^ (self->start_ns * UINT64_C (0x9e3779b97f4a7c15));
	return hash ? hash : 1;
}

static int catalogue_say (
        figures_t *self, const samples_t *samples, outbox_t *outbox, moment_t now, err_t *err)
{
	size_t n = samples_count (samples), n_labels = 0;
	for (size_t i = 0; i < n; i++) {
		const label_t *labels;
		size_t own;
		samples_series (samples, i, &labels, &own);
		n_labels += own;
	}
	pages_t pages;
	void *block = pages_make (n, n_labels, &pages);
	if (!block)
		return error_set (err, -ENOMEM, "out of memory");
	size_t at = 0;
	for (size_t i = 0; i < n; i++) {
		const label_t *labels;
		size_t own;
		const series_def_t *def = samples_series (samples, i, &labels, &own);
		Belfry__V1__Series *series = pages.series_p[i] = &pages.series[i];
		belfry__v1__series__init (series);
		series->name = borrow (def->name);
		series->kind = (Belfry__V1__MetricKind) def->kind;
		series->unit = borrow (def->unit);
		series->start_time_ns = def->kind == SAMPLE_COUNTER ? self->start_ns : 0;
		series->n_labels = own;
		series->labels = &pages.labels_p[at];
		for (size_t l = 0; l < own; l++, at++) {
			Belfry__V1__Label *label = pages.labels_p[at] = &pages.labels[at];
			belfry__v1__label__init (label);
			label->key = borrow (labels[l].name);
			label->value = borrow (labels[l].value);
		}
	}
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__Catalogue catalogue = BELFRY__V1__CATALOGUE__INIT;
	catalogue.hash = hash_of (self, samples);
	catalogue.n_series = n;
	catalogue.series = pages.series_p;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_CATALOGUE;
	event.catalogue = &catalogue;
	int r = outbox_send (outbox, &event, &(publisher_note_t){ .source = self->source }, now, err);
	free (block);
	if (r == 0) {
		self->said = catalogue.hash;
		self->said_at = now.mono;
	}
	return r;
}

int figures_say (figures_t *self, const samples_t *samples, outbox_t *outbox, moment_t now, err_t *err)
{
	if (samples_count (samples) == 0)
		return 0;
	/* Volatile: nothing is made of it while nobody hears. */
	if (!outbox_is_open (outbox))
		return OUTBOX_E_UNHEARD;
	int r = 0;
	if (self->said != hash_of (self, samples) ||
	        mono_since (now.mono, self->said_at) >= FIGURES_REPEAT_NS)
		r = catalogue_say (self, samples, outbox, now, err);
	if (r)
		return r;
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__MetricBatch batch = BELFRY__V1__METRIC_BATCH__INIT;
	batch.catalogue_hash = self->said;
	batch.n_values = samples_count (samples);
	batch.values = borrow_values (samples_values (samples));
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_METRIC_BATCH;
	event.metric_batch = &batch;
	return outbox_send (outbox, &event, &(publisher_note_t){ .source = self->source }, now, err);
}
