#include <criterion/criterion.h>
#include <string.h>

#include "wire/ranges.h"

enum { LIMIT = 160 };

/* A bit a sequence: the plain truth that the ranges are held against. */
static void hold_against (const ranges_t *ranges, const bool *truth)
{
	uint64_t through = 0, newest = 0, missing = 0;
	for (uint64_t s = 1; s < LIMIT; s++) {
		cr_assert_eq (ranges_has (ranges, s), truth[s], "%lu", (unsigned long) s);
		if (truth[s])
			newest = s;
		if (truth[s] && through == s - 1)
			through = s;
		missing += !truth[s];
	}
	cr_assert_eq (ranges_through (ranges), through);
	cr_assert_eq (ranges_newest (ranges), newest);
	cr_assert_eq (ranges_missing (ranges, 1, LIMIT - 1), missing);
	for (uint32_t i = 1; i < ranges->n; i++)
		cr_assert_gt (ranges->items[i].first, ranges->items[i - 1].last + 1, "they do not touch");
	uint8_t packed[RANGES_PACKED_MAX];
	ranges_t read;
	size_t n = ranges_pack (ranges, packed);
	cr_assert (ranges_parse (span_of (packed, n), &read));
	cr_assert_eq (read.n, ranges->n);
	cr_assert_eq (memcmp (read.items, ranges->items, ranges->n * sizeof (range_t)), 0);
}

Test (ranges, are_the_set_that_was_put_in_whatever_the_order)
{
	uint64_t seed = 1;
	for (int run = 0; run < 2000; run++) {
		ranges_t ranges = { 0 };
		bool truth[LIMIT + 1] = { false };
		for (int i = 0; i < 60; i++) {
			seed = seed * UINT64_C (6364136223846793005) + 1442695040888963407u;
			uint64_t first = 1 + (seed >> 33) % (LIMIT - 1),
			         length = (seed >> 20) % 4 ? 0 : (seed >> 50) % 9;
			uint64_t last = first + length < LIMIT ? first + length : LIMIT - 1;
			if (length == 0) {
				bool seen = truth[first];
				cr_assert_eq (ranges_add (&ranges, first), seen ? RANGES_E_SEEN : 0);
				last = first;
			} else {
				cr_assert_eq (ranges_fill (&ranges, first, last), 0);
			}
			for (uint64_t s = first; s <= last; s++)
				truth[s] = true;
		}
		hold_against (&ranges, truth);
	}
}

Test (ranges, refuse_one_too_many_and_take_it_when_a_hole_closed)
{
	ranges_t ranges = { 0 };
	for (uint64_t i = 0; i < RANGES_MAX; i++)
		cr_assert_eq (ranges_add (&ranges, 1 + 2 * i), 0);
	ranges_t before = ranges;
	cr_assert_eq (ranges_add (&ranges, 1000), RANGES_E_FULL);
	cr_assert_eq (memcmp (&before, &ranges, sizeof ranges), 0, "nothing changed");
	cr_assert_eq (ranges_add (&ranges, 2), 0, "what joins two always has room");
	cr_assert_eq (ranges_add (&ranges, 1000), 0);
	cr_assert_eq (ranges_through (&ranges), 3);
	uint8_t packed[RANGES_PACKED_MAX];
	cr_assert_leq (ranges_pack (&ranges, packed), sizeof packed);
}

Test (ranges, hold_the_greatest_numbers)
{
	ranges_t ranges = { 0 }, read;
	uint8_t packed[RANGES_PACKED_MAX];
	cr_assert_eq (ranges_fill (&ranges, UINT64_MAX - 1, UINT64_MAX), 0);
	cr_assert_eq (ranges_add (&ranges, UINT64_MAX), RANGES_E_SEEN);
	cr_assert_eq (ranges_missing (&ranges, UINT64_MAX - 3, UINT64_MAX), 2);
	cr_assert (ranges_parse (span_of (packed, ranges_pack (&ranges, packed)), &read));
	cr_assert_eq (ranges_newest (&read), UINT64_MAX);
}

Test (ranges, refuse_bytes_that_are_none)
{
	ranges_t read;
	static const char *const wrong[] = { "\x01", "\x00\x01", "\x01\x00\x01\x00", "\x01\x00\x05",
		"\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" };
	static const size_t sizes[] = { 1, 2, 4, 3, 11 };
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		cr_expect_not (ranges_parse (span_of (wrong[i], sizes[i]), &read), "%zu", i);
		cr_expect_eq (read.n, 0);
	}
	cr_expect (ranges_parse (span_of ("", 0), &read));
}
