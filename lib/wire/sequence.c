#include "wire/sequence.h"

#include <stdbool.h>
#include <string.h>

void sequence_init (sequence_t *self, sequence_rule_t rule)
{
	memset (self, 0, sizeof *self);
	self->rule = rule;
}

void sequence_begin (sequence_t *self, uint64_t first)
{
	if (self->first == 0 && first > 0) {
		self->first = first;
		self->newest = self->bound = first - 1;
	}
}

static bool bit_get (const sequence_t *self, uint64_t seq)
{
	uint64_t i = seq % SEQUENCE_WINDOW;
	return self->bits[i / 64] >> (i % 64) & 1;
}

static void bit_set (sequence_t *self, uint64_t seq)
{
	uint64_t i = seq % SEQUENCE_WINDOW;
	self->bits[i / 64] |= UINT64_C (1) << (i % 64);
}

static void bit_clear (sequence_t *self, uint64_t seq)
{
	uint64_t i = seq % SEQUENCE_WINDOW;
	self->bits[i / 64] &= ~(UINT64_C (1) << (i % 64));
}

int sequence_note (sequence_t *self, uint64_t seq)
{
	if (self->first == 0)
		sequence_begin (self, seq);
	if (seq > self->newest) {
		if (self->rule == SEQUENCE_WINDOWED) {
			if (seq - self->newest >= SEQUENCE_WINDOW) {
				memset (self->bits, 0, sizeof self->bits);
			} else {
				for (uint64_t s = self->newest + 1; s < seq; s++)
					bit_clear (self, s);
			}
			bit_set (self, seq);
		}
		self->newest = seq;
		self->received++;
		if (self->bound < seq)
			self->bound = seq;
		return 0;
	}
	if (self->rule == SEQUENCE_INCREASING)
		return SEQUENCE_E_SEEN;
	if (seq < self->first || self->newest - seq >= SEQUENCE_WINDOW)
		return SEQUENCE_E_TOO_OLD;
	if (bit_get (self, seq))
		return SEQUENCE_E_SEEN;
	bit_set (self, seq);
	self->received++;
	return 0;
}

void sequence_fill (sequence_t *self, uint64_t first, uint64_t last)
{
	if (first < self->first)
		first = self->first;
	if (last > self->newest)
		last = self->newest;
	if (self->first == 0 || first > last)
		return;
	uint64_t missing = sequence_lost (self), filled = 0;
	uint64_t window = self->newest >= SEQUENCE_WINDOW ? self->newest - SEQUENCE_WINDOW + 1 : 1;
	/* What left the window unseen is nowhere noted one by one; what never was sent did not arrive. */
	if (first < window) {
		filled = (last < window ? last + 1 : window) - first;
		first = window;
	}
	for (uint64_t s = first; s <= last; s++) {
		filled += !bit_get (self, s);
		bit_set (self, s);
	}
	self->received += filled < missing ? filled : missing;
}

void sequence_bind (sequence_t *self, uint64_t newest)
{
	if (self->first != 0 && newest > self->bound)
		self->bound = newest;
}

uint64_t sequence_lost (const sequence_t *self)
{
	if (self->first == 0)
		return 0;
	uint64_t sent = self->bound - self->first + 1;
	return sent - self->received;
}
