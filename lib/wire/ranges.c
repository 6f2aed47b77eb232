#include "wire/ranges.h"

#include <string.h>

#include "wire/varint.h"

/* The first range whose last is at or above sequence; n where there is none. */
static uint32_t place_of (const ranges_t *self, uint64_t sequence)
{
	/* What comes is newest most often. */
	if (self->n == 0 || self->items[self->n - 1].last < sequence)
		return self->n;
	uint32_t low = 0, high = self->n - 1;
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (self->items[middle].last < sequence)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int ranges_fill (ranges_t *self, uint64_t first, uint64_t last)
{
	/* from..to: the ranges that first..last touches, its neighbours with it. */
	uint32_t from = place_of (self, first > 1 ? first - 1 : first), to = from;
	while (to < self->n && self->items[to].first <= (last == UINT64_MAX ? last : last + 1))
		to++;
	if (from == to && self->n == RANGES_MAX)
		return RANGES_E_FULL;
	range_t merged = { first, last };
	if (from < to) {
		if (self->items[from].first < merged.first)
			merged.first = self->items[from].first;
		if (self->items[to - 1].last > merged.last)
			merged.last = self->items[to - 1].last;
	}
	memmove (&self->items[from + 1], &self->items[to], (self->n - to) * sizeof self->items[0]);
	self->items[from] = merged;
	self->n = self->n - (to - from) + 1;
	return 0;
}

int ranges_add (ranges_t *self, uint64_t sequence)
{
	return ranges_has (self, sequence) ? RANGES_E_SEEN : ranges_fill (self, sequence, sequence);
}

bool ranges_cover (const ranges_t *self, uint64_t first, uint64_t last)
{
	uint32_t i = place_of (self, first);
	return i < self->n && self->items[i].first <= first && self->items[i].last >= last;
}

bool ranges_has (const ranges_t *self, uint64_t sequence)
{
	return ranges_cover (self, sequence, sequence);
}

uint64_t ranges_through (const ranges_t *self)
{
	return self->n && self->items[0].first == 1 ? self->items[0].last : 0;
}

uint64_t ranges_newest (const ranges_t *self)
{
	return self->n ? self->items[self->n - 1].last : 0;
}

uint64_t ranges_missing (const ranges_t *self, uint64_t first, uint64_t last)
{
	if (first > last)
		return 0;
	uint64_t missing = last - first + 1;
	for (uint32_t i = place_of (self, first); i < self->n && self->items[i].first <= last; i++) {
		const range_t *r = &self->items[i];
		uint64_t from = r->first > first ? r->first : first, to = r->last < last ? r->last : last;
		missing -= to - from + 1;
	}
	return missing;
}

/* The distance to the first of each range from the last of the one before, then its length less one. */
size_t ranges_pack (const ranges_t *self, uint8_t out[RANGES_PACKED_MAX])
{
	size_t n = 0;
	uint64_t before = 0;
	for (uint32_t i = 0; i < self->n; i++) {
		const range_t *r = &self->items[i];
		n += varint_put (out + n, r->first - before);
		n += varint_put (out + n, r->last - r->first);
		before = r->last;
	}
	return n;
}

bool ranges_parse (span_t bytes, ranges_t *ret)
{
	const uint8_t *at = bytes.data, *end = at + bytes.size;
	uint64_t before = 0, distance, length;
	memset (ret, 0, sizeof *ret);
	while (at < end) {
		if (ret->n == RANGES_MAX || varint_get (&at, end, &distance) ||
		        varint_get (&at, end, &length) || distance < (ret->n ? 2 : 1) ||
		        distance > UINT64_MAX - before || length > UINT64_MAX - before - distance)
			goto wrong;
		ret->items[ret->n].first = before + distance;
		before = ret->items[ret->n].last = before + distance + length;
		ret->n++;
	}
	return true;
wrong:
	memset (ret, 0, sizeof *ret);
	return false;
}
