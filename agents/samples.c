/* A series is an entry of a flat array; its labels lie in one array and their texts in one buffer, both
 * in the series' order, so going back to series i is cutting three lengths. Texts are kept as offsets
 * while they grow and become pointers at the cycle's end. Each entry remembers the hash of the
 * catalogue up to itself: a rebuild from the middle goes on from there. */

#include "agents/samples.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/utf8.h"

enum { FIRST_CAPACITY = 512 };

typedef struct {
	const series_def_t *def;
	uint32_t first_label; /* in labels */
	uint32_t text_end;    /* of the texts of this and all before it */
	uint32_t n_labels;
	uint64_t hash; /* of the catalogue up to this series */
} entry_t;

/* Where a label's texts lie. What the probe gave is kept beside what is valid UTF-8 only where the two
 * differ: the next cycle gives the same invalid bytes again. */
typedef struct {
	uint32_t raw, valid;
} place_t;

struct samples {
	entry_t *entries;
	double *values;
	size_t n, capacity;
	size_t at; /* the next series of this cycle */
	bool changed, walked;
	label_t *labels;
	place_t *places;
	size_t n_labels, labels_capacity;
	buffer_t text;
	uint64_t dropped;
};

int samples_new (samples_t **ret)
{
	samples_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	self->walked = true;
	*ret = self;
	return 0;
}

void samples_destroy (samples_t **self_p)
{
	samples_t *self = *self_p;
	if (!self)
		return;
	free (self->entries);
	free (self->values);
	free (self->labels);
	free (self->places);
	buffer_free (&self->text);
	free (self);
	*self_p = NULL;
}

void samples_begin (samples_t *self)
{
	self->at = 0;
	self->changed = false;
	self->walked = false;
}

/* --- the catalogue ------------------------------------------------------------------------------ */

/* FNV-1a, which can go on from where it was. */
static const uint64_t hash_start = UINT64_C (0xcbf29ce484222325);

static uint64_t hash_bytes (uint64_t hash, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (unsigned char) text[i]) * UINT64_C (0x100000001b3);
	return hash;
}
/* With its terminator, so that "ab", "c" is not "a", "bc". */
static uint64_t hash_text (uint64_t hash, const char *text)
{
	return hash_bytes (hash, text, strlen (text) + 1);
}

static bool grow (void **array, size_t capacity, size_t size)
{
	void *bigger = realloc (*array, capacity * size);
	if (bigger)
		*array = bigger;
	return bigger != NULL;
}

static bool reserve (samples_t *self, size_t n_labels)
{
	if (self->n == self->capacity) {
		size_t capacity = self->capacity ? 2 * self->capacity : FIRST_CAPACITY;
		if (!grow ((void **) &self->entries, capacity, sizeof *self->entries) ||
		        !grow ((void **) &self->values, capacity, sizeof *self->values))
			return false;
		self->capacity = capacity;
	}
	if (self->n_labels + n_labels > self->labels_capacity) {
		size_t capacity = self->labels_capacity ? 2 * self->labels_capacity : 2 * FIRST_CAPACITY;
		if (!grow ((void **) &self->labels, capacity, sizeof *self->labels) ||
		        !grow ((void **) &self->places, capacity, sizeof *self->places))
			return false;
		self->labels_capacity = capacity;
	}
	return true;
}

/* Forgets the series from n on. */
static void cut (samples_t *self, size_t n)
{
	self->n = n;
	self->n_labels = n ? self->entries[n - 1].first_label + self->entries[n - 1].n_labels : 0;
	buffer_cut (&self->text, n ? self->entries[n - 1].text_end : 0);
}

static bool label_add (samples_t *self, const label_t *label)
{
	size_t size = strnlen (label->value, SAMPLES_LABEL_VALUE_MAX), raw = self->text.size, valid = raw;
	buffer_append (&self->text, label->value, size);
	buffer_char (&self->text, '\0');
	/* A character cut in two by the bound is not worth a replacement. */
	size_t whole = size;
	if (size == SAMPLES_LABEL_VALUE_MAX) {
		while (whole > size - 3 && ((unsigned char) label->value[whole] & 0xc0) == 0x80)
			whole--;
	}
	if (whole != size || !utf8_valid (label->value, size)) {
		valid = self->text.size;
		buffer_append (&self->text, label->value, whole);
		buffer_char (&self->text, '\0');
		if (!buffer_failed (&self->text))
			utf8_make_valid (self->text.data + valid, whole);
	}
	self->labels[self->n_labels].name = label->name;
	self->places[self->n_labels++] = (place_t){ (uint32_t) raw, (uint32_t) valid };
	return !buffer_failed (&self->text);
}

static bool append (samples_t *self, const series_def_t *def, const label_t *labels, size_t n_labels)
{
	if (self->n == SAMPLES_SERIES_MAX || !reserve (self, n_labels))
		return false;
	uint64_t hash = self->n ? self->entries[self->n - 1].hash : hash_start;
	char kind = (char) def->kind, count = (char) n_labels;
	hash = hash_bytes (hash_text (hash, def->name), &kind, 1);
	hash = hash_bytes (hash_text (hash, def->unit), &count, 1);
	uint32_t first = (uint32_t) self->n_labels;
	for (size_t i = 0; i < n_labels; i++) {
		if (!label_add (self, &labels[i])) {
			cut (self, self->n);
			self->text.failed = false;
			return false;
		}
		hash = hash_text (hash, labels[i].name);
		hash = hash_text (hash, self->text.data + self->places[self->n_labels - 1].valid);
	}
	self->entries[self->n++] =
	        (entry_t){ def, first, (uint32_t) self->text.size, (uint32_t) n_labels, hash };
	return true;
}

static bool entry_is (const samples_t *self, const entry_t *entry, const series_def_t *def,
        const label_t *labels, size_t n_labels)
{
	if (entry->def != def || entry->n_labels != n_labels)
		return false;
	for (size_t i = 0; i < n_labels; i++) {
		size_t k = entry->first_label + i;
		if (self->labels[k].name != labels[i].name ||
		        strncmp (self->text.data + self->places[k].raw, labels[i].value,
		                SAMPLES_LABEL_VALUE_MAX) != 0)
			return false;
	}
	return true;
}

void samples_put (
        samples_t *self, const series_def_t *def, double value, const label_t *labels, size_t n_labels)
{
	assert (n_labels <= SAMPLES_LABELS_MAX);
	if (self->at < self->n && !entry_is (self, &self->entries[self->at], def, labels, n_labels)) {
		cut (self, self->at);
		self->changed = true;
	}
	if (self->at == self->n) {
		if (!append (self, def, labels, n_labels)) {
			self->dropped++;
			return;
		}
		self->changed = true;
	}
	self->values[self->at++] = value;
}

bool samples_end (samples_t *self)
{
	if (self->at < self->n) {
		cut (self, self->at);
		self->changed = true;
	}
	if (self->changed) {
		for (size_t i = 0; i < self->n_labels; i++)
			self->labels[i].value = self->text.data + self->places[i].valid;
	}
	self->walked = true;
	return self->changed;
}

/* --- looking -------------------------------------------------------------------------------------- */

size_t samples_count (const samples_t *self)
{
	assert (self->walked);
	return self->n;
}

const double *samples_values (const samples_t *self)
{
	assert (self->walked);
	return self->values;
}

uint64_t samples_hash (const samples_t *self)
{
	assert (self->walked);
	/* MurmurHash3's finaliser: FNV leaves the upper bits poor. */
	uint64_t hash = self->n ? self->entries[self->n - 1].hash : hash_start;
	hash = (hash ^ hash >> 33) * UINT64_C (0xff51afd7ed558ccd);
	hash = (hash ^ hash >> 33) * UINT64_C (0xc4ceb9fe1a85ec53);
	hash ^= hash >> 33;
	return hash ? hash : 1;
}

uint64_t samples_dropped (const samples_t *self)
{
	return self->dropped;
}

const series_def_t *samples_series (
        const samples_t *self, size_t i, const label_t **ret_labels, size_t *ret_n_labels)
{
	assert (self->walked && i < self->n);
	*ret_labels = self->labels + self->entries[i].first_label;
	*ret_n_labels = self->entries[i].n_labels;
	return self->entries[i].def;
}

bool samples_find (
        const samples_t *self, const char *name, const char *label, const char *value, double *ret_value)
{
	for (size_t i = 0; i < self->n; i++) {
		const label_t *labels;
		size_t n_labels;
		if (strcmp (samples_series (self, i, &labels, &n_labels)->name, name) != 0)
			continue;
		bool found = !label;
		for (size_t k = 0; k < n_labels && !found; k++)
			found = strcmp (labels[k].name, label) == 0 && strcmp (labels[k].value, value) == 0;
		if (found) {
			*ret_value = self->values[i];
			return true;
		}
	}
	return false;
}
