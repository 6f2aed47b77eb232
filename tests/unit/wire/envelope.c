#include <criterion/criterion.h>
#include <stdlib.h>

#include "wire/envelope.h"

static const uint8_t good[] = { 0x08, 0x01, 0x10, 0x02, 0x1a, 0x03, 'a', 'b', 'c', 0x22, 0x20, 1, 2, 3, 4, 5,
	6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
	32 };

static refusal_t parse (const void *data, size_t size)
{
	/* A copy of exactly this size: a read past the end is the sanitizer's to find. */
	uint8_t *copy = calloc (1, size ? size : 1);
	envelope_t parsed;
	if (size)
		memcpy (copy, data, size);
	refusal_t r = envelope_parse (copy, size, &parsed);
	free (copy);
	return r;
}

#define PARSE(...) parse ((const uint8_t[]){ __VA_ARGS__ }, sizeof ((const uint8_t[]){ __VA_ARGS__ }))

Test (envelope, parses_a_signed_and_an_unsigned_one)
{
	envelope_t parsed;
	cr_assert_eq (envelope_parse (good, sizeof good, &parsed), REFUSAL_NONE);
	cr_assert_eq (parsed.version, 1);
	cr_assert_eq (parsed.key_epoch, 2);
	cr_assert (span_is (parsed.event, "abc"));
	cr_assert_eq (parsed.mac, good + 11);
	cr_assert_eq (
	        envelope_parse ((const uint8_t[]){ 0x08, 0x01, 0x1a, 0x01, 'x' }, 5, &parsed), REFUSAL_NONE);
	cr_assert_null (parsed.mac);
	cr_assert_eq (parsed.key_epoch, 0);
}

Test (envelope, refuses_every_truncation)
{
	for (size_t n = 0; n < sizeof good; n++) {
		refusal_t r = parse (good, n);
		/* Cut right behind the event it is a whole unsigned envelope, which the ingest refuses. */
		if (n == 9)
			cr_assert_eq (r, REFUSAL_NONE);
		else
			cr_assert_neq (r, REFUSAL_NONE, "%zu bytes", n);
	}
	cr_assert_eq (parse (good, 0), REFUSAL_TRUNCATED);
	cr_assert_eq (parse (good, 8), REFUSAL_TRUNCATED);
	cr_assert_eq (parse (good, 20), REFUSAL_TRUNCATED);
}

Test (envelope, refuses_another_version)
{
	cr_assert_eq (PARSE (0x08, 0x02, 0x1a, 0x01, 'x'), REFUSAL_VERSION);
	cr_assert_eq (PARSE (0x1a, 0x01, 'x'), REFUSAL_VERSION);
}

Test (envelope, refuses_what_is_not_canonical)
{
	cr_assert_eq (PARSE (0x08, 0x81, 0x00, 0x1a, 0x01, 'x'), REFUSAL_NON_CANONICAL, "padded version");
	cr_assert_eq (PARSE (0x08, 0x01, 0x08, 0x01, 0x1a, 0x01, 'x'), REFUSAL_NON_CANONICAL, "twice");
	cr_assert_eq (PARSE (0x1a, 0x01, 'x', 0x08, 0x01), REFUSAL_NON_CANONICAL, "descending");
	cr_assert_eq (
	        PARSE (0x08, 0x01, 0x1a, 0x01, 'x', 0x28, 0x01), REFUSAL_NON_CANONICAL, "unknown field");
	cr_assert_eq (PARSE (0x08, 0x01, 0x10, 0x00, 0x1a, 0x01, 'x'), REFUSAL_NON_CANONICAL, "zero epoch");
	cr_assert_eq (PARSE (0x08, 0x01, 0x1a, 0x00), REFUSAL_NON_CANONICAL, "empty event");
	cr_assert_eq (PARSE (0x08, 0x01, 0x1a, 0x81, 0x00, 'x'), REFUSAL_NON_CANONICAL, "padded length");
	cr_assert_eq (PARSE (0x08, 0x01, 0x1a, 0x01, 'x', 0x22, 0x01, 1), REFUSAL_NON_CANONICAL, "short MAC");
	cr_assert_eq (PARSE (0x08, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x1a, 0x01, 'x'), REFUSAL_NON_CANONICAL,
	        "wide version");
	cr_assert_eq (PARSE (0x8a, 0x00, 0x01), REFUSAL_NON_CANONICAL, "padded tag");
}

Test (envelope, refuses_a_length_beyond_the_frame)
{
	cr_assert_eq (PARSE (0x08, 0x01, 0x1a, 0x7f, 'x'), REFUSAL_TRUNCATED);
	cr_assert_eq (
	        PARSE (0x08, 0x01, 0x1a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 'x'),
	        REFUSAL_TRUNCATED, "2^64 - 1");
}

Test (envelope, refuses_above_256_KiB_and_takes_exactly_that)
{
	size_t size = ENVELOPE_SIZE_MAX;
	uint8_t *big = calloc (1, size + 1);
	size_t event = size - 6; /* two of version, one tag, three of length */
	memcpy (big,
	        (const uint8_t[]){ 0x08, 0x01, 0x1a, (uint8_t) (event | 0x80), (uint8_t) (event >> 7 | 0x80),
	                (uint8_t) (event >> 14) },
	        6);
	cr_assert_eq (parse (big, size), REFUSAL_NONE);
	cr_assert_eq (parse (big, size + 1), REFUSAL_OVERSIZED);
	free (big);
}

Test (envelope, no_single_byte_change_reads_outside_or_moves_the_event_outside)
{
	uint8_t bytes[sizeof good];
	for (size_t i = 0; i < sizeof good; i++) {
		for (unsigned v = 0; v < 256; v++) {
			memcpy (bytes, good, sizeof good);
			bytes[i] = (uint8_t) v;
			envelope_t parsed;
			if (envelope_parse (bytes, sizeof bytes, &parsed))
				continue;
			const uint8_t *event = parsed.event.data;
			cr_assert (event >= bytes && event + parsed.event.size <= bytes + sizeof bytes);
			cr_assert (!parsed.mac || parsed.mac + MAC_SIZE <= bytes + sizeof bytes);
		}
	}
}
