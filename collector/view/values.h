/* values.h - the newest figures of one source of a node: packed values under their catalogues, held
 * as arrays by position, and named samples. Pure. One owner, not thread-safe.
 *
 * What arrives under a hash whose catalogue is not here yet is kept aside for VALUES_ASIDE_NS, the
 * newest batch only, and counted as lost after that (wire.md, "Catalogues"). */

#ifndef COLLECTOR_VIEW_VALUES_H
#define COLLECTOR_VIEW_VALUES_H

#include "base/clock.h"
#include "belfry/v1/metrics.pb-c.h"
#include "collector/view/catalogue.h"

#define VALUES_ASIDE_NS (120 * NS_PER_S)
#define VALUES_STALE_NS (300 * NS_PER_S) /* a slot or sample that nothing renewed is forgotten */

enum { VALUES_SLOTS_MAX = 16, VALUES_NAMED_MAX = 512, VALUES_BYTES_MAX = 512 * 1024 };

typedef struct {
	uint64_t hash;
	catalogue_t *catalogue; /* NULL: not known yet */
	double *values;
	uint32_t n, room;
	mono_t at, since; /* the newest batch; since when the catalogue has been missing */
} values_slot_t;

typedef struct {
	uint64_t hash;
	series_t series; /* its strings live in the one block at series.name */
	double value;
	mono_t at;
	size_t bytes;
	uint64_t bound_generation; /* the one reader's note, as in catalogue_t */
	uint32_t bound;
} values_named_t;

typedef struct {
	values_slot_t *slots;
	values_named_t *named;
	uint16_t *index; /* open addressing over named: position + 1 */
	uint32_t n_slots, n_named, room_named, recent;
} values_t;

/* Frees what it holds and empties it. */
void values_clear (values_t *self, catalogues_t *catalogues);

/* Outcomes of values_batch: the event stands, part of its values does not.
 * UNKNOWN - no catalogue has this hash: kept aside; COUNT - as many values as the catalogue has
 * series were due; LIMIT - above the bounds of this source or, by *bytes, of its node. */
enum { VALUES_E_UNKNOWN = 1, VALUES_E_COUNT, VALUES_E_LIMIT };

/* Takes a batch in. *bytes is what the node's values take, at most VALUES_BYTES_MAX, kept up to date;
 * *lost grows by the values that had to be left out. 0, VALUES_E_*, or -ENOMEM. */
int values_batch (values_t *self, const Belfry__V1__MetricBatch *batch, mono_t now, catalogues_t *catalogues,
        size_t *bytes, uint64_t *lost);
/* Takes over catalogue, which the caller held; gives it back where this source has it already. A
 * slot that waited gets its meaning. 0, VALUES_E_COUNT, VALUES_E_LIMIT, -ENOMEM. */
int values_catalogue (values_t *self, catalogue_t *catalogue, mono_t now, catalogues_t *catalogues,
        size_t *bytes, uint64_t *lost);
/* Forgets what nothing renewed; *lost grows by what waited too long. */
void values_expire (values_t *self, mono_t now, catalogues_t *catalogues, size_t *bytes, uint64_t *lost);

/* Whether values wait for a catalogue. */
bool values_wait (const values_t *self);

typedef void values_visit_fn (void *arg, const series_t *series, double value, mono_t at);
void values_visit (const values_t *self, values_visit_fn *visit, void *arg);
/* The freshest value of the series with that name and, where label is not NULL, label = value. */
bool values_find (const values_t *self, const char *name, const char *label, const char *value, double *ret);

#endif
