#include "wire/scan.h"

#include <criterion/criterion.h>
#include <string.h>

#include "specimen.h"

static arena_t *arena;

static void begin (void)
{
	cr_assert_eq (arena_new (64 * 1024, 4 << 20, &arena), 0);
}
static void end (void)
{
	arena_destroy (&arena);
}

TestSuite (scan, .init = begin, .fini = end);

static int scan_event (const void *bytes, size_t size)
{
	return scan_message (&belfry__v1__event__descriptor, span_of (bytes, size));
}

Test (scan, takes_one_of_each)
{
	static uint8_t packed[8192];
	for (size_t i = 0; i < event_type_count (); i++) {
		const Belfry__V1__Event *event = specimen_event (arena, event_type_at (i));
		size_t size = belfry__v1__event__pack (event, packed);
		cr_expect_eq (scan_event (packed, size), 0, "%s", event_type_at (i)->name);
	}
	cr_expect_eq (scan_event ("", 0), 0);
}

Test (scan, refuses_bytes_that_end_inside_a_field)
{
	static uint8_t packed[8192];
	const Belfry__V1__Event *event = specimen_event (arena, event_type_at (0));
	size_t size = belfry__v1__event__pack (event, packed), whole = 0;
	for (size_t cut = 1; cut < size; cut++)
		whole += scan_event (packed, cut) == 0;
	cr_expect_eq (whole, 1, "only between header and payload");
}

Test (scan, refuses_tags_and_wire_types_that_are_none)
{
	cr_expect_eq (scan_event ("\x00\x01", 2), SCAN_E_MALFORMED, "field 0");
	cr_expect_eq (scan_event ("\x0b\x0c", 2), SCAN_E_MALFORMED, "a group");
	cr_expect_eq (scan_event ("\x0e\x01", 2), SCAN_E_MALFORMED, "wire type 6");
	cr_expect_eq (scan_event ("\x08\x01", 2), SCAN_E_MALFORMED, "a header that is a number");
	cr_expect_eq (scan_event ("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11), SCAN_E_MALFORMED);
	cr_expect_eq (scan_event ("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11), SCAN_E_MALFORMED);
	cr_expect_eq (scan_event ("\x0a\x02\x0a", 3), SCAN_E_MALFORMED);
}

/* Decoded, its node would be n1. */
Test (scan, refuses_a_nul_inside_a_string)
{
	static const char bytes[] = "\x0a\x06\x12\x04n1\0x";
	cr_expect_eq (scan_event (bytes, sizeof bytes - 1), SCAN_E_NUL);
	cr_expect_eq (scan_event ("\x0a\x06\x12\x04n1xx", 8), 0);
}

/* Decoded, the second would win, or be merged into the first. */
Test (scan, refuses_what_comes_twice)
{
	cr_expect_eq (scan_event ("\x0a\x06\x12\x01n\x12\x01m", 8), SCAN_E_TWICE, "a string");
	cr_expect_eq (scan_event ("\x0a\x00\x0a\x00", 4), SCAN_E_TWICE, "a header");
	cr_expect_eq (scan_event ("\x82\x01\x00\x8a\x01\x00", 6), SCAN_E_TWICE, "a heartbeat and a gap");
	cr_expect_eq (scan_event ("\x0a\x04\x6a\x00\x6a\x00", 6), 0, "labels may");
}

Test (scan, passes_over_what_it_does_not_know)
{
	/* Field 15 in all four wire types, then 2047. */
	static const char bytes[] = "\x78\x01\x79"
	                            "12345678\x7d"
	                            "1234\x7a\x02\0\0\xfa\x7f\x00\x78\x01";
	cr_expect_eq (scan_event (bytes, sizeof bytes - 1), 0);
}

Test (scan, takes_fields_in_any_order_and_numbers_packed_or_not)
{
	cr_expect_eq (scan_event ("\x82\x01\x00\x0a\x00", 5), 0, "payload before header");
	cr_expect_eq (scan_event ("\x52\x02\x12\x00", 4), 0, "unknown 10");
	/* MetricBatch.values: packed, empty, single. */
	cr_expect_eq (scan_event ("\xc2\x02\x02\x12\x00", 5), 0);
	cr_expect_eq (scan_event ("\xc2\x02\x09\x11\0\0\0\0\0\0\0\0", 12), 0);
	cr_expect_eq (scan_event ("\xc2\x02\x02\x10\x01", 5), SCAN_E_MALFORMED);
}

Test (scan, refuses_packed_numbers_that_end_inside_one)
{
	cr_expect_eq (scan_event ("\xc2\x02\x09\x12\x07\0\0\0\0\0\0\0", 12), SCAN_E_MALFORMED,
	        "7 bytes of a double");
	cr_expect_eq (scan_event ("\xc2\x02\x0a\x12\x08\0\0\0\0\0\0\0\0", 13), 0);
	/* Latency.histogram.counts */
	cr_expect_eq (scan_event ("\xd2\x02\x06\x5a\x04\x12\x02\x01\xf8", 9), SCAN_E_MALFORMED);
	cr_expect_eq (scan_event ("\xd2\x02\x06\x5a\x04\x12\x02\xf8\x01", 9), 0);
}

Test (scan, knows_no_foreign_message)
{
	ProtobufCMessageDescriptor foreign = { 0 };
	cr_expect_eq (scan_message (&foreign, span_of ("", 0)), SCAN_E_MALFORMED);
}

/* Whatever bit is flipped, there is an answer; what passes here and decodes has no hidden string. */
Test (scan, survives_flipped_messages)
{
	static uint8_t packed[8192];
	size_t passed = 0, refused = 0;
	for (size_t t = 0; t < event_type_count (); t++) {
		arena_reset (arena);
		const Belfry__V1__Event *event = specimen_event (arena, event_type_at (t));
		size_t size = belfry__v1__event__pack (event, packed);
		for (size_t bit = 0; bit < size * 8; bit++) {
			packed[bit / 8] ^= (uint8_t) (1u << (bit % 8));
			if (scan_event (packed, size))
				refused++;
			else
				passed++;
			packed[bit / 8] ^= (uint8_t) (1u << (bit % 8));
		}
	}
	cr_expect_gt (passed, 1000);
	cr_expect_gt (refused, 1000);
}
