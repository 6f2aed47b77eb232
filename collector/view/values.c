/* The slot that was used last is looked at first: a source with one catalogue never searches. Named
 * samples are found through a small index of positions; it is rebuilt when it fills or when samples
 * are forgotten, both rare. */

#include "collector/view/values.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void slot_drop (values_t *self, uint32_t i, catalogues_t *catalogues, size_t *bytes)
{
	values_slot_t *slot = &self->slots[i];
	catalogues_release (catalogues, &slot->catalogue);
	*bytes -= slot->room * sizeof *slot->values;
	free (slot->values);
	*slot = self->slots[--self->n_slots];
	self->recent = 0;
}

void values_clear (values_t *self, catalogues_t *catalogues)
{
	size_t bytes = SIZE_MAX;
	while (self->n_slots)
		slot_drop (self, 0, catalogues, &bytes);
	for (uint32_t i = 0; i < self->n_named; i++)
		free ((void *) (uintptr_t) self->named[i].series.labels);
	free (self->slots);
	free (self->named);
	free (self->index);
	memset (self, 0, sizeof *self);
}

static values_slot_t *slot_find (values_t *self, uint64_t hash)
{
	if (self->recent < self->n_slots && self->slots[self->recent].hash == hash)
		return &self->slots[self->recent];
	for (uint32_t i = 0; i < self->n_slots; i++) {
		if (self->slots[i].hash == hash) {
			self->recent = i;
			return &self->slots[i];
		}
	}
	return NULL;
}

/* A free slot, by dropping the one that was renewed longest ago where all are in use. */
static values_slot_t *slot_make (
        values_t *self, uint64_t hash, mono_t now, catalogues_t *catalogues, size_t *bytes, uint64_t *lost)
{
	if (!self->slots && !(self->slots = calloc (VALUES_SLOTS_MAX, sizeof *self->slots)))
		return NULL;
	if (self->n_slots == VALUES_SLOTS_MAX) {
		uint32_t oldest = 0;
		for (uint32_t i = 1; i < self->n_slots; i++) {
			if (self->slots[i].at.ns < self->slots[oldest].at.ns)
				oldest = i;
		}
		if (!self->slots[oldest].catalogue)
			*lost += self->slots[oldest].n;
		slot_drop (self, oldest, catalogues, bytes);
	}
	self->recent = self->n_slots;
	values_slot_t *slot = &self->slots[self->n_slots++];
	*slot = (values_slot_t){ .hash = hash, .at = now, .since = now };
	return slot;
}

static int packed_take (values_t *self, const Belfry__V1__MetricBatch *batch, mono_t now,
        catalogues_t *catalogues, size_t *bytes, uint64_t *lost)
{
	values_slot_t *slot = slot_find (self, batch->catalogue_hash);
	if (!slot && !(slot = slot_make (self, batch->catalogue_hash, now, catalogues, bytes, lost)))
		return -ENOMEM;
	if (slot->catalogue && slot->catalogue->n != batch->n_values) {
		*lost += batch->n_values;
		return VALUES_E_COUNT;
	}
	if (batch->n_values > slot->room) {
		size_t more = (batch->n_values - slot->room) * sizeof *slot->values;
		if (batch->n_values > CATALOGUE_SERIES_MAX || *bytes + more > VALUES_BYTES_MAX) {
			*lost += batch->n_values;
			return VALUES_E_LIMIT;
		}
		double *grown = realloc (slot->values, batch->n_values * sizeof *grown);
		if (!grown)
			return -ENOMEM;
		slot->values = grown;
		slot->room = (uint32_t) batch->n_values;
		*bytes += more;
	}
	if (!slot->catalogue)
		*lost += slot->n; /* the newest batch only is kept aside */
	if (batch->n_values)
		memcpy (slot->values, batch->values, batch->n_values * sizeof *slot->values);
	slot->n = (uint32_t) batch->n_values;
	slot->at = now;
	return slot->catalogue ? 0 : VALUES_E_UNKNOWN;
}

/* FNV-1a over name and labels with their terminators, so that no two splits agree. */
static uint64_t hash_text (uint64_t h, const char *text)
{
	for (;; text++) {
		h = (h ^ (unsigned char) *text) * UINT64_C (1099511628211);
		if (!*text)
			return h;
	}
}

static uint64_t sample_hash (const Belfry__V1__Sample *sample)
{
	uint64_t h = hash_text (UINT64_C (14695981039346656037), sample->name);
	for (size_t i = 0; i < sample->n_labels; i++)
		h = hash_text (hash_text (h, sample->labels[i]->key), sample->labels[i]->value);
	return h;
}

static bool sample_is (const values_named_t *named, const Belfry__V1__Sample *sample)
{
	if (strcmp (named->series.name, sample->name) != 0 || named->series.n_labels != sample->n_labels)
		return false;
	for (size_t i = 0; i < sample->n_labels; i++) {
		if (strcmp (named->series.labels[2 * i], sample->labels[i]->key) != 0 ||
		        strcmp (named->series.labels[2 * i + 1], sample->labels[i]->value) != 0)
			return false;
	}
	return true;
}

/* The index has twice as many places as there is room for samples: a search always ends. */
static uint16_t *index_place (const values_t *self, uint64_t hash, const Belfry__V1__Sample *sample)
{
	uint32_t mask = self->room_named * 2 - 1;
	for (uint32_t i = (uint32_t) (hash ^ hash >> 32) & mask;; i = (i + 1) & mask) {
		uint16_t *place = &self->index[i];
		if (*place == 0 || (sample && self->named[*place - 1].hash == hash &&
		                           sample_is (&self->named[*place - 1], sample)))
			return place;
	}
}

static void index_fill (values_t *self)
{
	memset (self->index, 0, 2 * self->room_named * sizeof *self->index);
	for (uint32_t i = 0; i < self->n_named; i++)
		*index_place (self, self->named[i].hash, NULL) = (uint16_t) (i + 1);
}

static int named_grow (values_t *self)
{
	uint32_t room = self->room_named ? self->room_named * 2 : 16;
	values_named_t *named = realloc (self->named, room * sizeof *named);
	if (named)
		self->named = named;
	uint16_t *index = named ? realloc (self->index, 2 * room * sizeof *index) : NULL;
	if (!index)
		return -ENOMEM;
	self->index = index;
	self->room_named = room;
	index_fill (self);
	return 0;
}

static const char *text_put (char **at, const char *text)
{
	size_t size = strlen (text) + 1;
	const char *put = memcpy (*at, text, size);
	*at += size;
	return put;
}

/* One block: the label pointers (at least one, so that it is the block), then the strings. */
static int named_make (
        values_t *self, const Belfry__V1__Sample *sample, uint64_t hash, size_t *bytes, values_named_t **ret)
{
	size_t n_pointers = sample->n_labels ? 2 * sample->n_labels : 1;
	size_t size = n_pointers * sizeof (char *) + strlen (sample->name) + strlen (sample->unit) + 2;
	for (size_t i = 0; i < sample->n_labels; i++)
		size += strlen (sample->labels[i]->key) + strlen (sample->labels[i]->value) + 2;
	if (self->n_named == VALUES_NAMED_MAX || *bytes + size > VALUES_BYTES_MAX)
		return VALUES_E_LIMIT;
	if (self->n_named == self->room_named && named_grow (self))
		return -ENOMEM;
	const char **labels = calloc (1, size);
	if (!labels)
		return -ENOMEM;
	char *at = (char *) (labels + n_pointers);
	values_named_t *named = &self->named[self->n_named];
	*named = (values_named_t){ .hash = hash, .bytes = size };
	named->series = (series_t){ .name = text_put (&at, sample->name),
		.unit = text_put (&at, sample->unit),
		.labels = labels,
		.n_labels = (uint32_t) sample->n_labels };
	for (size_t i = 0; i < sample->n_labels; i++) {
		labels[2 * i] = text_put (&at, sample->labels[i]->key);
		labels[2 * i + 1] = text_put (&at, sample->labels[i]->value);
	}
	*index_place (self, hash, NULL) = (uint16_t) ++self->n_named;
	*bytes += size;
	*ret = named;
	return 0;
}

static int named_take (values_t *self, const Belfry__V1__Sample *sample, mono_t now, size_t *bytes)
{
	uint64_t hash = sample_hash (sample);
	uint16_t place = self->index ? *index_place (self, hash, sample) : 0;
	values_named_t *named = place ? &self->named[place - 1] : NULL;
	int r = named ? 0 : named_make (self, sample, hash, bytes, &named);
	if (r)
		return r;
	named->series.kind = sample->kind;
	named->series.start_ns = sample->start_time_ns;
	/* A histogram's one figure is its mean; its buckets go to those who read the stream. */
	named->value = sample->histogram && sample->histogram->count
	                       ? sample->histogram->sum / (double) sample->histogram->count
	                       : sample->value;
	named->at = now;
	return 0;
}

int values_batch (values_t *self, const Belfry__V1__MetricBatch *batch, mono_t now, catalogues_t *catalogues,
        size_t *bytes, uint64_t *lost)
{
	int outcome = 0;
	if (batch->n_values || batch->catalogue_hash)
		outcome = packed_take (self, batch, now, catalogues, bytes, lost);
	for (size_t i = 0; i < batch->n_samples && outcome >= 0; i++) {
		int r = named_take (self, batch->samples[i], now, bytes);
		if (r) {
			++*lost;
			outcome = r;
		}
	}
	return outcome;
}

int values_catalogue (values_t *self, catalogue_t *catalogue, mono_t now, catalogues_t *catalogues,
        size_t *bytes, uint64_t *lost)
{
	values_slot_t *slot = slot_find (self, catalogue->hash);
	if (slot && slot->catalogue == catalogue) {
		catalogues_release (catalogues, &catalogue);
		return 0;
	}
	if (!slot && !(slot = slot_make (self, catalogue->hash, now, catalogues, bytes, lost))) {
		catalogues_release (catalogues, &catalogue);
		return -ENOMEM;
	}
	bool fits = slot->n == 0 || slot->n == catalogue->n;
	catalogues_release (catalogues, &slot->catalogue);
	slot->catalogue = catalogue;
	if (!fits) {
		*lost += slot->n;
		slot->n = 0;
		return VALUES_E_COUNT;
	}
	return 0;
}

void values_expire (values_t *self, mono_t now, catalogues_t *catalogues, size_t *bytes, uint64_t *lost)
{
	for (uint32_t i = 0; i < self->n_slots;) {
		values_slot_t *slot = &self->slots[i];
		bool waited = !slot->catalogue && mono_since (now, slot->since) > VALUES_ASIDE_NS;
		if (waited)
			*lost += slot->n;
		if (waited || mono_since (now, slot->at) > VALUES_STALE_NS)
			slot_drop (self, i, catalogues, bytes);
		else
			i++;
	}
	uint32_t kept = 0;
	for (uint32_t i = 0; i < self->n_named; i++) {
		values_named_t *named = &self->named[i];
		if (mono_since (now, named->at) > VALUES_STALE_NS) {
			*bytes -= named->bytes;
			free ((void *) (uintptr_t) named->series.labels);
		} else {
			self->named[kept++] = *named;
		}
	}
	if (kept != self->n_named) {
		self->n_named = kept;
		index_fill (self);
	}
}

bool values_wait (const values_t *self)
{
	for (uint32_t i = 0; i < self->n_slots; i++) {
		if (!self->slots[i].catalogue)
			return true;
	}
	return false;
}

void values_visit (const values_t *self, values_visit_fn *visit, void *arg)
{
	for (uint32_t i = 0; i < self->n_slots; i++) {
		const values_slot_t *slot = &self->slots[i];
		for (uint32_t k = 0; slot->catalogue && k < slot->n; k++)
			visit (arg, &slot->catalogue->series[k], slot->values[k], slot->at);
	}
	for (uint32_t i = 0; i < self->n_named; i++)
		visit (arg, &self->named[i].series, self->named[i].value, self->named[i].at);
}

typedef struct {
	const char *name, *label, *value;
	double found;
	mono_t at;
	bool any;
} find_t;

static void find_visit (void *arg, const series_t *series, double value, mono_t at)
{
	find_t *find = arg;
	if (strcmp (series->name, find->name) != 0 || (find->any && at.ns <= find->at.ns))
		return;
	const char *label = find->label ? series_label (series, find->label) : NULL;
	if (find->label && (!label || strcmp (label, find->value) != 0))
		return;
	find->found = value;
	find->at = at;
	find->any = true;
}

bool values_find (const values_t *self, const char *name, const char *label, const char *value, double *ret)
{
	find_t find = { .name = name, .label = label, .value = value };
	values_visit (self, find_visit, &find);
	if (find.any)
		*ret = find.found;
	return find.any;
}
