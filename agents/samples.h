/* samples.h - one probe's catalogue and the values of its present cycle (wire.md, "Catalogues").
 *
 * A probe walks its sources in the same order each cycle and puts one value a series. While the
 * walk meets the series of the last cycle in order nothing is hashed, copied or allocated: a put
 * is a comparison and a store. Where it differs, the catalogue is rebuilt from that position.
 * Pure: no I/O, clock, logging or globals. One owner, not thread-safe. */

#ifndef AGENTS_SAMPLES_H
#define AGENTS_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef enum { SAMPLE_GAUGE = 1, SAMPLE_COUNTER = 2 } sample_kind_t; /* MetricKind's numbers */

/* What a series is, apart from its labels. Static data of the probe: compared by address. */
typedef struct {
	const char *name; /* node_cpu_seconds_total */
	sample_kind_t kind;
	const char *unit; /* "seconds", "bytes", "ratio", "" */
} series_def_t;

enum { SAMPLES_LABELS_MAX = 8, SAMPLES_SERIES_MAX = 4096, SAMPLES_LABEL_VALUE_MAX = 255 };

typedef struct {
	const char *name;  /* static data of the probe */
	const char *value; /* any bytes; borrowed for the call; invalid UTF-8 and NUL are replaced */
} label_t;

typedef struct samples samples_t;

/* 0, or -ENOMEM with *ret untouched. */
int samples_new (samples_t **ret);
/* Frees and nulls. NULL-safe. */
void samples_destroy (samples_t **self_p);

/* Starts a cycle: the next put is the first series. */
void samples_begin (samples_t *self);

/* Puts the next series' value; labels may be NULL when n_labels is 0, in the order node_exporter
 * prints them. def: borrowed for ever. Past SAMPLES_SERIES_MAX or without memory the value is
 * left out and counted in samples_dropped. */
void samples_put (
        samples_t *self, const series_def_t *def, double value, const label_t *labels, size_t n_labels);

/* Ends the cycle. True when the catalogue is not the one of the cycle before. */
bool samples_end (samples_t *self);

/* After samples_end, valid until the next begin. */
size_t samples_count (const samples_t *self);
const double *samples_values (const samples_t *self);
uint64_t samples_hash (const samples_t *self); /* of names, kinds, units, labels, in order */
uint64_t samples_dropped (const samples_t *self);
/* One series of the catalogue; *ret_labels point into self. */
const series_def_t *samples_series (
        const samples_t *self, size_t i, const label_t **ret_labels, size_t *ret_n_labels);
/* Value of the series with that name and, where label is not NULL, that label; false when absent. */
bool samples_find (
        const samples_t *self, const char *name, const char *label, const char *value, double *ret_value);

#endif
