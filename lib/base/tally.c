/* Open addressing, at most half full; what leaves moves its followers back, so there are no gravestones. */

#include "base/tally.h"

#include <errno.h>
#include <stdlib.h>

enum { PLACES_FIRST = 8 };

tally_t tally_of (size_t max)
{
	return (tally_t){ .max = max };
}

void tally_free (tally_t *self)
{
	free (self->keys);
	free (self->counts);
	*self = tally_of (self->max);
}

/* The place that holds key, or the free one where it would go. Some are free. */
static size_t place_of (const tally_t *self, uint64_t key)
{
	size_t at = key & (self->places - 1);
	while (self->counts[at] && self->keys[at] != key)
		at = (at + 1) & (self->places - 1);
	return at;
}

static int grow (tally_t *self)
{
	tally_t wider = { .max = self->max, .places = self->places ? 2 * self->places : PLACES_FIRST };
	wider.keys = malloc (wider.places * sizeof *wider.keys);
	wider.counts = calloc (wider.places, sizeof *wider.counts);
	if (!wider.keys || !wider.counts) {
		tally_free (&wider);
		return -ENOMEM;
	}
	for (size_t i = 0; i < self->places; i++) {
		if (self->counts[i] == 0)
			continue;
		size_t at = place_of (&wider, self->keys[i]);
		wider.keys[at] = self->keys[i];
		wider.counts[at] = self->counts[i];
		wider.n++;
	}
	tally_free (self);
	*self = wider;
	return 0;
}

int tally_add (tally_t *self, uint64_t key, uint32_t *ret)
{
	size_t at = self->places ? place_of (self, key) : 0;
	if (self->places == 0 || self->counts[at] == 0) {
		if (self->n == self->max)
			return TALLY_E_FULL;
		if (2 * (self->n + 1) > self->places) {
			int r = grow (self);
			if (r)
				return r;
			at = place_of (self, key);
		}
		self->keys[at] = key;
		self->n++;
	}
	if (self->counts[at] < UINT32_MAX)
		self->counts[at]++;
	*ret = self->counts[at];
	return 0;
}

int tally_take (tally_t *self, uint64_t key, uint32_t *ret)
{
	size_t at = self->places ? place_of (self, key) : 0;
	if (self->places == 0 || self->counts[at] == 0)
		return TALLY_E_NONE;
	*ret = --self->counts[at];
	if (*ret > 0)
		return 0;
	self->n--;
	size_t mask = self->places - 1;
	for (size_t next = (at + 1) & mask; self->counts[next]; next = (next + 1) & mask) {
		/* It may move into the hole unless its own place lies behind the hole. */
		if (((next - self->keys[next]) & mask) < ((next - at) & mask))
			continue;
		self->keys[at] = self->keys[next];
		self->counts[at] = self->counts[next];
		self->counts[next] = 0;
		at = next;
	}
	return 0;
}

uint32_t tally_count (const tally_t *self, uint64_t key)
{
	return self->places ? self->counts[place_of (self, key)] : 0;
}
