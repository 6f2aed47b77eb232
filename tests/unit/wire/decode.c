#include "wire/decode.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "specimen.h"
#include "wire/render.h"

static arena_t *arena;

static void begin (void)
{
	cr_assert_eq (arena_new (64 * 1024, 4 << 20, &arena), 0);
}
static void end (void)
{
	arena_destroy (&arena);
}

TestSuite (decode, .init = begin, .fini = end);

static int refusal_of (const void *bytes, size_t size)
{
	Belfry__V1__Event *event;
	return decode_event (span_of (bytes, size), arena, &event);
}

Test (decode, takes_one_of_each)
{
	static uint8_t packed[8192];
	for (size_t i = 0; i < event_type_count (); i++) {
		const Belfry__V1__Event *event = specimen_event (arena, event_type_at (i));
		size_t size = belfry__v1__event__pack (event, packed);
		cr_expect_eq (refusal_of (packed, size), 0, "%s", event_type_at (i)->name);
	}
	cr_expect_eq (refusal_of ("", 0), 0);
}

Test (decode, refuses_bytes_that_end_inside_a_field)
{
	static uint8_t packed[8192];
	const Belfry__V1__Event *event = specimen_event (arena, event_type_at (0));
	size_t size = belfry__v1__event__pack (event, packed), whole = 0;
	for (size_t cut = 1; cut < size; cut++)
		whole += refusal_of (packed, cut) == 0;
	cr_expect_eq (whole, 1, "only between header and payload");
}

Test (decode, refuses_tags_and_wire_types_that_are_none)
{
	cr_expect_eq (refusal_of ("\x00\x01", 2), DECODE_E_MALFORMED, "field 0");
	cr_expect_eq (refusal_of ("\x0b\x0c", 2), DECODE_E_MALFORMED, "a group");
	cr_expect_eq (refusal_of ("\x0e\x01", 2), DECODE_E_MALFORMED, "wire type 6");
	cr_expect_eq (refusal_of ("\x08\x01", 2), DECODE_E_MALFORMED, "a header that is a number");
	cr_expect_eq (refusal_of ("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11), DECODE_E_MALFORMED);
	cr_expect_eq (refusal_of ("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11), DECODE_E_MALFORMED);
	cr_expect_eq (refusal_of ("\x0a\x02\x0a", 3), DECODE_E_MALFORMED);
}

/* Decoded, its node would be n1. */
/* Others read a tag as 32 bits: with more padding than that they see no message. */
Test (decode, refuses_a_tag_or_length_of_more_than_five_bytes)
{
	cr_expect_eq (refusal_of ("\x82\x81\x80\x80\x00\x00", 6), 0, "payload, its tag padded to five");
	cr_expect_eq (refusal_of ("\x82\x81\x80\x80\x80\x00\x00", 7), DECODE_E_MALFORMED);
	cr_expect_eq (refusal_of ("\x0a\x80\x80\x80\x80\x00", 6), 0, "header, its length padded to five");
	cr_expect_eq (refusal_of ("\x0a\x80\x80\x80\x80\x80\x00", 7), DECODE_E_MALFORMED);
}

Test (decode, refuses_a_nul_inside_a_string)
{
	static const char bytes[] = "\x0a\x06\x12\x04n1\0x";
	cr_expect_eq (refusal_of (bytes, sizeof bytes - 1), DECODE_E_NUL);
	cr_expect_eq (refusal_of ("\x0a\x06\x12\x04n1xx", 8), 0);
}

/* Decoded, the second would win, or be merged into the first. */
Test (decode, refuses_what_comes_twice)
{
	cr_expect_eq (refusal_of ("\x0a\x06\x12\x01n\x12\x01m", 8), DECODE_E_TWICE, "a string");
	cr_expect_eq (refusal_of ("\x0a\x00\x0a\x00", 4), DECODE_E_TWICE, "a header");
	cr_expect_eq (refusal_of ("\x82\x01\x00\x8a\x01\x00", 6), DECODE_E_TWICE, "a heartbeat and a gap");
	cr_expect_eq (refusal_of ("\x0a\x04\x6a\x00\x6a\x00", 6), 0, "labels may");
}

Test (decode, passes_over_what_it_does_not_know)
{
	/* Field 15 in all four wire types, then 2047. */
	static const char bytes[] = "\x78\x01\x79"
	                            "12345678\x7d"
	                            "1234\x7a\x02\0\0\xfa\x7f\x00\x78\x01";
	cr_expect_eq (refusal_of (bytes, sizeof bytes - 1), 0);
}

Test (decode, takes_fields_in_any_order_and_numbers_packed_or_not)
{
	cr_expect_eq (refusal_of ("\x82\x01\x00\x0a\x00", 5), 0, "payload before header");
	cr_expect_eq (refusal_of ("\x52\x02\x12\x00", 4), 0, "unknown 10");
	/* MetricBatch.values: packed, empty, single. */
	cr_expect_eq (refusal_of ("\xc2\x02\x02\x12\x00", 5), 0);
	cr_expect_eq (refusal_of ("\xc2\x02\x09\x11\0\0\0\0\0\0\0\0", 12), 0);
	cr_expect_eq (refusal_of ("\xc2\x02\x02\x10\x01", 5), DECODE_E_MALFORMED);
}

Test (decode, refuses_packed_numbers_that_end_inside_one)
{
	cr_expect_eq (refusal_of ("\xc2\x02\x09\x12\x07\0\0\0\0\0\0\0", 12), DECODE_E_MALFORMED,
	        "7 bytes of a double");
	cr_expect_eq (refusal_of ("\xc2\x02\x0a\x12\x08\0\0\0\0\0\0\0\0", 13), 0);
	/* Latency.histogram.counts */
	cr_expect_eq (refusal_of ("\xd2\x02\x06\x5a\x04\x12\x02\x01\xf8", 9), DECODE_E_MALFORMED);
	cr_expect_eq (refusal_of ("\xd2\x02\x06\x5a\x04\x12\x02\xf8\x01", 9), 0);
}

Test (decode, knows_no_foreign_message)
{
	ProtobufCMessageDescriptor foreign = { 0 };
	ProtobufCMessage *message;
	cr_expect_eq (decode_message (&foreign, span_of ("", 0), arena, &message), DECODE_E_MALFORMED);
}

/* Beside protobuf-c, which writes what it reads: equal bytes are an equal message. */
Test (decode, reads_one_of_each_as_protobuf_c_does)
{
	static uint8_t packed[8192], again[8192];
	for (size_t i = 0; i < event_type_count (); i++) {
		const char *name = event_type_at (i)->name;
		Belfry__V1__Event *event = specimen_event (arena, event_type_at (i));
		size_t size = belfry__v1__event__pack (event, packed);
		cr_assert_eq (decode_event (span_of (packed, size), arena, &event), 0, "%s", name);
		cr_assert_eq (belfry__v1__event__get_packed_size (event), size, "%s", name);
		belfry__v1__event__pack (event, again);
		cr_expect_arr_eq (again, packed, size, "%s", name);
	}
}

/* MetricBatch.values: one by one, packed, and others between: in the order in which they came. */
Test (decode, gathers_an_array_that_comes_in_pieces)
{
	static const char bytes[] = "\xc2\x02\x42"
	                            "\x11\0\0\0\0\0\0\xf0\x3f"                         /* 1 */
	                            "\x11\0\0\0\0\0\0\x00\x40"                         /* 2 */
	                            "\x09\x07\0\0\0\0\0\0\0"                           /* the hash */
	                            "\x11\0\0\0\0\0\0\x08\x40"                         /* 3 */
	                            "\x1a\x03\x0a\x01s"                                /* a sample */
	                            "\x12\x10\0\0\0\0\0\0\x10\x40\0\0\0\0\0\0\x14\x40" /* 4, 5 */
	                            "\x1a\x03\x0a\x01t"                                /* a sample */
	                            "\x12\x00";
	static const double wanted[] = { 1, 2, 3, 4, 5 };
	Belfry__V1__Event *event;
	cr_assert_eq (bytes[2], sizeof bytes - 1 - 3);
	cr_assert_eq (decode_event (span_of (bytes, sizeof bytes - 1), arena, &event), 0);
	const Belfry__V1__MetricBatch *batch = event->metric_batch;
	cr_assert_eq (batch->n_values, 5);
	cr_expect_arr_eq (batch->values, wanted, sizeof wanted);
	cr_assert_eq (batch->n_samples, 2);
	cr_expect_str_eq (batch->samples[0]->name, "s");
	cr_expect_str_eq (batch->samples[1]->name, "t");
	cr_expect_eq (batch->catalogue_hash, 7);
}

Test (decode, ends_at_the_arenas_cap)
{
	/* Labels and unknown fields in turn: each label is a run of its own. */
	static uint8_t hostile[64 * 1024];
	size_t size = 4;
	memcpy (hostile, "\x0a\x80\x80\x03", 4); /* a header of 48 KiB */
	for (; size < 4 + 48 * 1024; size += 4)
		memcpy (hostile + size, "\x6a\x00\x78\x01", 4);
	arena_t *small;
	Belfry__V1__Event *event;
	cr_assert_eq (arena_new (1024, 256 * 1024, &small), 0);
	cr_expect_eq (decode_event (span_of (hostile, size), small, &event), -ENOMEM);
	cr_expect (arena_exhausted (small));
	cr_expect_leq (arena_used (small), 256 * 1024);
	arena_destroy (&small);
}

static const char *json_of (buffer_t *out, const Belfry__V1__Event *event)
{
	buffer_reset (out);
	json_writer_t json = json_writer_on (out);
	render_json (&json, &event->base);
	return buffer_string (out);
}

/* Whatever bit is flipped, there is an answer; what is taken here, protobuf-c takes too, and reads the
 * same. */
Test (decode, agrees_with_protobuf_c_on_flipped_messages)
{
	static uint8_t packed[8192];
	buffer_t ours = BUFFER_INIT, theirs = BUFFER_INIT;
	size_t taken = 0, refused = 0;
	for (size_t t = 0; t < event_type_count (); t++) {
		arena_reset (arena);
		Belfry__V1__Event *event = specimen_event (arena, event_type_at (t));
		size_t size = belfry__v1__event__pack (event, packed);
		for (size_t bit = 0; bit < size * 8; bit++) {
			packed[bit / 8] ^= (uint8_t) (1u << (bit % 8));
			arena_reset (arena);
			if (decode_event (span_of (packed, size), arena, &event) == 0) {
				Belfry__V1__Event *other = belfry__v1__event__unpack (NULL, size, packed);
				cr_assert_not_null (other, "%s, bit %zu", event_type_at (t)->name, bit);
				cr_assert_str_eq (json_of (&ours, event), json_of (&theirs, other),
				        "%s, bit %zu", event_type_at (t)->name, bit);
				belfry__v1__event__free_unpacked (other, NULL);
				taken++;
			} else {
				refused++;
			}
			packed[bit / 8] ^= (uint8_t) (1u << (bit % 8));
		}
	}
	cr_expect_gt (taken, 1000);
	cr_expect_gt (refused, 1000);
	buffer_free (&ours);
	buffer_free (&theirs);
}
