/* One allocation a catalogue: the struct, its series, the label pointers, then every string. The
 * digest is over the message packed again: canonical, so equal content has equal bytes. */

#include "collector/view/catalogue.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS_FIRST = 64 };

struct catalogues {
	catalogue_t **buckets;
	size_t n_buckets, n;
	size_t bytes, bytes_max;
	uint8_t *packed;
	size_t packed_size;
};

int catalogues_new (size_t bytes_max, catalogues_t **ret)
{
	catalogues_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	self->buckets = calloc (BUCKETS_FIRST, sizeof *self->buckets);
	if (!self->buckets) {
		free (self);
		return -ENOMEM;
	}
	self->n_buckets = BUCKETS_FIRST;
	self->bytes_max = bytes_max ? bytes_max : (size_t) 256 * 1024 * 1024;
	*ret = self;
	return 0;
}

void catalogues_destroy (catalogues_t **self_p)
{
	catalogues_t *self = *self_p;
	if (!self)
		return;
	for (size_t i = 0; i < self->n_buckets; i++) {
		for (catalogue_t *c = self->buckets[i], *next; c; c = next) {
			next = c->next;
			free (c->bound);
			free (c);
		}
	}
	free (self->buckets);
	free (self->packed);
	free (self);
	*self_p = NULL;
}

size_t catalogues_bytes (const catalogues_t *self)
{
	return self->bytes;
}

static size_t bucket_of (const uint8_t digest[32], size_t n_buckets)
{
	uint64_t head;
	memcpy (&head, digest, sizeof head);
	return (size_t) head & (n_buckets - 1);
}

/* A failure to grow only makes the chains longer. */
static void buckets_grow (catalogues_t *self)
{
	size_t n_buckets = self->n_buckets * 2;
	catalogue_t **buckets = calloc (n_buckets, sizeof *buckets);
	if (!buckets)
		return;
	for (size_t i = 0; i < self->n_buckets; i++) {
		for (catalogue_t *c = self->buckets[i], *next; c; c = next) {
			next = c->next;
			catalogue_t **at = &buckets[bucket_of (c->digest, n_buckets)];
			c->next = *at;
			*at = c;
		}
	}
	free (self->buckets);
	self->buckets = buckets;
	self->n_buckets = n_buckets;
}

static const char *text_put (char **at, const char *text)
{
	size_t size = strlen (text) + 1;
	const char *put = memcpy (*at, text, size);
	*at += size;
	return put;
}

/* Lays the message out behind the struct. */
static catalogue_t *catalogue_make (const Belfry__V1__Catalogue *message)
{
	size_t n_labels = 0, text = 0;
	for (size_t i = 0; i < message->n_series; i++) {
		const Belfry__V1__Series *s = message->series[i];
		text += strlen (s->name) + strlen (s->unit) + 2;
		n_labels += s->n_labels;
		for (size_t l = 0; l < s->n_labels; l++)
			text += strlen (s->labels[l]->key) + strlen (s->labels[l]->value) + 2;
	}
	size_t series_bytes = message->n_series * sizeof (series_t);
	size_t bytes = sizeof (catalogue_t) + series_bytes + 2 * n_labels * sizeof (char *) + text;
	catalogue_t *self = calloc (1, bytes);
	if (!self)
		return NULL;
	series_t *series = (series_t *) (void *) (self + 1);
	const char **labels = (const char **) (void *) (series + message->n_series);
	char *at = (char *) (labels + 2 * n_labels);
	for (size_t i = 0; i < message->n_series; i++) {
		const Belfry__V1__Series *s = message->series[i];
		series[i] = (series_t){ .name = text_put (&at, s->name),
			.unit = text_put (&at, s->unit),
			.labels = labels,
			.n_labels = (uint32_t) s->n_labels,
			.kind = s->kind,
			.start_ns = s->start_time_ns };
		for (size_t l = 0; l < s->n_labels; l++) {
			*labels++ = text_put (&at, s->labels[l]->key);
			*labels++ = text_put (&at, s->labels[l]->value);
		}
	}
	self->hash = message->hash;
	self->n = (uint32_t) message->n_series;
	self->series = series;
	self->bytes = bytes;
	return self;
}

int catalogues_hold (catalogues_t *self, const Belfry__V1__Catalogue *message, catalogue_t **ret)
{
	if (message->n_series > CATALOGUE_SERIES_MAX)
		return CATALOGUE_E_LIMIT;
	size_t size = belfry__v1__catalogue__get_packed_size (message);
	if (size > self->packed_size) {
		uint8_t *grown = realloc (self->packed, size);
		if (!grown)
			return -ENOMEM;
		self->packed = grown;
		self->packed_size = size;
	}
	belfry__v1__catalogue__pack (message, self->packed);
	uint8_t digest[32];
	crypto_generichash (digest, sizeof digest, self->packed, size, NULL, 0);
	for (catalogue_t *c = self->buckets[bucket_of (digest, self->n_buckets)]; c; c = c->next) {
		if (memcmp (c->digest, digest, sizeof digest) == 0) {
			c->holders++;
			*ret = c;
			return 0;
		}
	}
	if (self->bytes >= self->bytes_max)
		return CATALOGUE_E_LIMIT;
	catalogue_t *c = catalogue_make (message);
	if (!c)
		return -ENOMEM;
	if (self->n >= self->n_buckets * 2)
		buckets_grow (self);
	memcpy (c->digest, digest, sizeof digest);
	c->holders = 1;
	catalogue_t **at = &self->buckets[bucket_of (digest, self->n_buckets)];
	c->next = *at;
	*at = c;
	self->n++;
	self->bytes += c->bytes;
	*ret = c;
	return 0;
}

void catalogues_release (catalogues_t *self, catalogue_t **catalogue_p)
{
	catalogue_t *c = *catalogue_p;
	*catalogue_p = NULL;
	if (!c || --c->holders > 0)
		return;
	catalogue_t **at = &self->buckets[bucket_of (c->digest, self->n_buckets)];
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	self->n--;
	self->bytes -= c->bytes;
	free (c->bound);
	free (c);
}

const char *series_label (const series_t *series, const char *key)
{
	for (uint32_t i = 0; i < series->n_labels; i++) {
		if (strcmp (series->labels[2 * i], key) == 0)
			return series->labels[2 * i + 1];
	}
	return NULL;
}
