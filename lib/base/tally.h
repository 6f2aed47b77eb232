/* tally.h - how often each of many keys is held: a table of 64-bit hashes with a count each. The caller
 * hashes, with a key of its own where others choose what is hashed. Pure. One owner, not thread-safe. */

#ifndef BASE_TALLY_H
#define BASE_TALLY_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
	uint64_t *keys;
	uint32_t *counts; /* 0: the place is free */
	size_t n, places; /* places: 0 or a power of two */
	size_t max;
} tally_t;

enum { TALLY_E_FULL = 1, TALLY_E_NONE };

/* An empty one for at most max keys; it allocates nothing before the first. */
tally_t tally_of (size_t max);
void tally_free (tally_t *self);

/* One more of key. 0 with *ret, how many that makes; TALLY_E_FULL - a new key above max; -ENOMEM. */
int tally_add (tally_t *self, uint64_t key, uint32_t *ret);
/* One less. 0 with *ret, how many are left; TALLY_E_NONE - there was none. */
int tally_take (tally_t *self, uint64_t key, uint32_t *ret);
/* How many of key there are. */
uint32_t tally_count (const tally_t *self, uint64_t key);

#endif
