/* catalogue.h - what the values of a MetricBatch mean (wire.md, "Catalogues"): interned, so that
 * nodes of one make share their strings. Pure. One owner, not thread-safe.
 *
 * Two catalogues are one only when their bytes are: a node names its hash itself, and must not be
 * able to give a meaning to another node's values. */

#ifndef COLLECTOR_VIEW_CATALOGUE_H
#define COLLECTOR_VIEW_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "belfry/v1/fabric.pb-c.h"

typedef struct {
	const char *name, *unit;
	const char *const *labels; /* n_labels pairs: key, value */
	uint32_t n_labels;
	uint32_t kind;     /* Belfry__V1__MetricKind */
	uint64_t start_ns; /* counters: since when they count; 0 where unsaid */
} series_t;

/* What a reader noted about a position, so that it need not look at names again (alert/bind.h). */
typedef struct {
	uint32_t position, note;
} catalogue_bound_t;

typedef struct catalogue {
	uint64_t hash;
	uint32_t n;
	const series_t *series;
	/* The one reader's notes, malloc'ed by it and freed with the catalogue. */
	catalogue_bound_t *bound;
	uint32_t n_bound;
	uint64_t bound_generation; /* of its rules; 0: never bound */
	/* Inside catalogue.c. */
	struct catalogue *next;
	uint32_t holders;
	size_t bytes;
	uint8_t digest[32];
} catalogue_t;

typedef struct catalogues catalogues_t;

enum { CATALOGUE_SERIES_MAX = 16 * 1024 };

/* bytes_max: what all catalogues together may take; 0: 256 MiB. 0 or -ENOMEM. */
int catalogues_new (size_t bytes_max, catalogues_t **ret);
/* Frees and nulls, whoever still holds one. NULL-safe. */
void catalogues_destroy (catalogues_t **self_p);
size_t catalogues_bytes (const catalogues_t *self);

enum { CATALOGUE_E_LIMIT = 1 };

/* Puts the one with these bytes into *ret, made where there is none, and holds it. 0; -ENOMEM;
 * CATALOGUE_E_LIMIT - more than CATALOGUE_SERIES_MAX series, or the bytes are used up. */
int catalogues_hold (catalogues_t *self, const Belfry__V1__Catalogue *message, catalogue_t **ret);
/* Gives it back and nulls; the last holder frees it. NULL-safe. */
void catalogues_release (catalogues_t *self, catalogue_t **catalogue_p);

/* The series' value of that label, or NULL. */
const char *series_label (const series_t *series, const char *key);

#endif
