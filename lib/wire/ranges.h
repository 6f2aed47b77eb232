/* ranges.h - which sequences of one publisher's durable events are here, exactly: disjoint ranges, so
 * that what is sent again from the oldest on and what comes at the newest end meet without a window
 * that either could leave (wire.md, "Classes, sequences, gaps"). Pure. */

#ifndef WIRE_RANGES_H
#define WIRE_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

enum { RANGES_MAX = 64, RANGES_PACKED_MAX = 1 + RANGES_MAX * 20 };

typedef struct {
	uint64_t first, last; /* both in it */
} range_t;

/* Zeroed: nothing is here. Ascending, no two that touch. */
typedef struct {
	uint32_t n;
	range_t items[RANGES_MAX];
} ranges_t;

/* Outcomes that the caller handles. */
enum { RANGES_E_SEEN = 1, RANGES_E_FULL };

/* Adds one sequence, 1 or above. SEEN: it is here already. FULL: it would be one range too many; nothing
 * changed, and it may come again when the holes below have closed. */
int ranges_add (ranges_t *self, uint64_t sequence);
/* Adds first..last, whatever of it is here already. 0 or FULL. */
int ranges_fill (ranges_t *self, uint64_t first, uint64_t last);

bool ranges_has (const ranges_t *self, uint64_t sequence);
/* Whether all of first..last is here. */
bool ranges_cover (const ranges_t *self, uint64_t first, uint64_t last);
/* The greatest n of which all of 1..n is here; 0. */
uint64_t ranges_through (const ranges_t *self);
/* The greatest that is here; 0. */
uint64_t ranges_newest (const ranges_t *self);
/* How many of first..last are not here. */
uint64_t ranges_missing (const ranges_t *self, uint64_t first, uint64_t last);

/* Writes them; returns how many bytes. ranges_parse: false, with *ret zeroed, unless bytes are such. */
size_t ranges_pack (const ranges_t *self, uint8_t out[RANGES_PACKED_MAX]);
bool ranges_parse (span_t bytes, ranges_t *ret);

#endif
