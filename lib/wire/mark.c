#include "wire/mark.h"

#include <string.h>

#include "wire/varint.h"

/* Fields 1 to 5, ascending, none at its zero: 18 + 11 + 11 + 2 + 9 bytes at most. */
static size_t number_put (uint8_t *out, uint8_t tag, uint64_t value)
{
	if (value == 0)
		return 0;
	out[0] = tag;
	return 1 + varint_put (out + 1, value);
}

size_t mark_pack (const mark_t *self, uint8_t out[MARK_SIZE_MAX])
{
	size_t n = 0;
	out[n++] = 1 << 3 | 2;
	out[n++] = MARK_JOURNAL_SIZE;
	memcpy (out + n, self->journal, MARK_JOURNAL_SIZE);
	n += MARK_JOURNAL_SIZE;
	n += number_put (out + n, 2 << 3, self->offset);
	n += number_put (out + n, 3 << 3, self->previous_in_channel);
	n += number_put (out + n, 4 << 3, self->late);
	if (self->received_ns) {
		out[n++] = 5 << 3 | 1;
		for (int i = 0; i < 8; i++)
			out[n++] = (uint8_t) (self->received_ns >> (8 * i));
	}
	return n;
}

static bool field_take (mark_t *self, uint64_t tag, const uint8_t **at, const uint8_t *end)
{
	uint64_t value;
	switch (tag) {
	case 1 << 3 | 2:
		if (varint_get (at, end, &value) || value != MARK_JOURNAL_SIZE ||
		        (size_t) (end - *at) < MARK_JOURNAL_SIZE)
			return false;
		memcpy (self->journal, *at, MARK_JOURNAL_SIZE);
		*at += MARK_JOURNAL_SIZE;
		return true;
	case 2 << 3:
		return varint_get (at, end, &self->offset) == 0;
	case 3 << 3:
		return varint_get (at, end, &self->previous_in_channel) == 0;
	case 4 << 3:
		if (varint_get (at, end, &value) || value > 1)
			return false;
		self->late = value == 1;
		return true;
	case 5 << 3 | 1:
		if (end - *at < 8)
			return false;
		self->received_ns = 0;
		for (int i = 0; i < 8; i++)
			self->received_ns |= (uint64_t) * (*at)++ << (8 * i);
		return true;
	default:
		return false;
	}
}

bool mark_parse (span_t bytes, mark_t *ret)
{
	mark_t mark = { .offset = 0 };
	const uint8_t *at = bytes.data, *end = at + bytes.size;
	uint64_t tag, before = 0;
	bool named = false;
	if (bytes.size == 0 || bytes.size > MARK_SIZE_MAX)
		return false;
	/* Ascending, each once: two readers see one mark. */
	for (; at < end; before = tag) {
		if (varint_get (&at, end, &tag) || tag <= before || !field_take (&mark, tag, &at, end))
			return false;
		named |= tag == (1 << 3 | 2);
	}
	if (!named || mark.offset <= mark.previous_in_channel)
		return false;
	*ret = mark;
	return true;
}
