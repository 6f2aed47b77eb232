/* fuzz_mark.c - any bytes as a mark and as ranges of sequences. What is one is read as protobuf reads it,
 * and what is written again says the same. */

#include "expect.h"

#include <string.h>

#include "belfry/v1/envelope.pb-c.h"
#include "wire/mark.h"
#include "wire/ranges.h"

static void mark_check (span_t bytes)
{
	mark_t mark, again;
	uint8_t out[MARK_SIZE_MAX];
	if (!mark_parse (bytes, &mark))
		return;
	Belfry__V1__Mark *read = belfry__v1__mark__unpack (NULL, bytes.size, bytes.data);
	EXPECT (read && read->offset == mark.offset && read->previous_in_channel == mark.previous_in_channel);
	EXPECT (!!read->late == mark.late && read->received_ns == mark.received_ns);
	EXPECT (read->journal.len == sizeof mark.journal &&
	        memcmp (read->journal.data, mark.journal, sizeof mark.journal) == 0);
	belfry__v1__mark__free_unpacked (read, NULL);
	EXPECT (mark_parse (span_of (out, mark_pack (&mark, out)), &again));
	EXPECT (again.offset == mark.offset && again.received_ns == mark.received_ns);
}

static void ranges_check (span_t bytes)
{
	ranges_t ranges, again;
	uint8_t out[RANGES_PACKED_MAX];
	if (!ranges_parse (bytes, &ranges))
		return;
	EXPECT (ranges.n <= RANGES_MAX);
	for (uint32_t i = 0; i < ranges.n; i++) {
		const range_t *r = &ranges.items[i];
		EXPECT (r->first && r->first <= r->last);
		EXPECT (i == 0 || ranges.items[i - 1].last + 1 < r->first);
		EXPECT (ranges_cover (&ranges, r->first, r->last) &&
		        ranges_add (&ranges, r->last) == RANGES_E_SEEN);
		EXPECT (ranges_missing (&ranges, r->first, r->last) == 0);
	}
	size_t n = ranges_pack (&ranges, out);
	EXPECT (ranges_parse (span_of (out, n), &again) && again.n == ranges.n);
	/* Filled to the end they are one, or the first does not begin with 1. */
	if (ranges.n) {
		uint64_t newest = ranges_newest (&ranges);
		EXPECT (ranges_fill (&ranges, 1, newest) == 0);
		EXPECT (ranges.n == 1 && ranges_through (&ranges) == newest);
	}
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	span_t bytes = span_of (data + 1, size - 1);
	if (data[0] & 1)
		ranges_check (bytes);
	else
		mark_check (bytes);
	return 0;
}
