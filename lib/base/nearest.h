/* nearest.h - how far a misspelt word is from a known one, for "did you mean". Pure. */

#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

#include <stddef.h>

#include "base/span.h"

/* Letters to insert, delete, replace or swap to make b of a, case ignored; words beyond 64 bytes are
 * SIZE_MAX apart. */
size_t nearest_distance (span_t a, span_t b);

/* Whether a word at that distance is worth proposing: a third of its letters, at least one. */
static inline size_t nearest_limit (span_t word)
{
	return word.size < 6 ? 1 + word.size / 3 : word.size / 3;
}

#endif
