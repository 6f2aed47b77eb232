#include "wire/arena.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <string.h>

#include "belfry/v1/event.pb-c.h"
#include "specimen.h"

static arena_t *arena;

static void end (void)
{
	arena_destroy (&arena);
}

TestSuite (arena, .fini = end);

Test (arena, is_not_made_without_room)
{
	cr_expect_eq (arena_new (0, 100, &arena), -EINVAL);
	cr_expect_eq (arena_new (200, 100, &arena), -EINVAL);
	cr_expect_eq (arena_new (1, SIZE_MAX, &arena), -EINVAL);
	cr_expect_null (arena);
}

Test (arena, destroy_nulls_and_takes_null)
{
	cr_assert_eq (arena_new (64, 64, &arena), 0);
	arena_destroy (&arena);
	cr_expect_null (arena);
	arena_destroy (&arena);
}

Test (arena, hands_out_what_does_not_overlap)
{
	unsigned char *parts[100];
	cr_assert_eq (arena_new (64, 100000, &arena), 0);
	for (size_t i = 0; i < 100; i++) {
		parts[i] = arena_alloc (arena, i * 3);
		cr_assert_not_null (parts[i]);
		cr_expect_eq ((uintptr_t) parts[i] % 8, 0);
		memset (parts[i], (int) i, i * 3);
	}
	for (size_t i = 0; i < 100; i++) {
		for (size_t j = 0; j < i * 3; j++)
			cr_assert_eq (parts[i][j], i);
	}
}

Test (arena, refuses_past_its_cap_and_says_so)
{
	cr_assert_eq (arena_new (64, 1024, &arena), 0);
	cr_expect_not_null (arena_alloc (arena, 1000));
	cr_expect_not (arena_exhausted (arena));
	cr_expect_null (arena_alloc (arena, 25));
	cr_expect (arena_exhausted (arena));
	cr_expect_not_null (arena_alloc (arena, 24));
	cr_expect_null (arena_alloc (arena, 0));
	cr_expect_null (arena_alloc (arena, SIZE_MAX));
	cr_expect_null (arena_alloc (arena, SIZE_MAX - 7));
	arena_reset (arena);
	cr_expect_not (arena_exhausted (arena));
	cr_expect_not_null (arena_alloc (arena, 1024));
}

/* However small the pieces that came before. */
Test (arena, gives_its_whole_cap_after_any_history)
{
	cr_assert_eq (arena_new (16, 8192, &arena), 0);
	for (size_t piece = 8; piece <= 4096; piece *= 2) {
		while (arena_alloc (arena, piece))
			;
		cr_expect_eq (arena_used (arena), 8192);
		arena_reset (arena);
	}
	cr_expect_not_null (arena_alloc (arena, 8192));
}

Test (arena, copies_text_with_its_end)
{
	cr_assert_eq (arena_new (16, 64, &arena), 0);
	cr_expect_str_eq (arena_copy (arena, span_of ("abcdef", 3)), "abc");
	cr_expect_str_eq (arena_copy (arena, span_of (NULL, 0)), "");
	cr_expect_null (arena_copy (arena, span_of ("", 64)));
}

static size_t pack (const Belfry__V1__Event *event, uint8_t *out, size_t size)
{
	cr_assert_leq (belfry__v1__event__get_packed_size (event), size);
	return belfry__v1__event__pack (event, out);
}

Test (arena, allocates_nothing_once_it_has_seen_the_largest)
{
	uint8_t packed[4096];
	cr_assert_eq (arena_new (64, 1 << 20, &arena), 0);
	size_t size = pack (specimen_event (arena, event_type_at (0)), packed, sizeof packed);
	for (int i = 0; i < 3; i++) {
		arena_reset (arena);
		cr_assert_not_null (belfry__v1__event__unpack (arena_allocator (arena), size, packed));
	}
	arena_reset (arena);
	struct mallinfo2 before = mallinfo2 ();
	for (int i = 0; i < 100; i++) {
		cr_assert_not_null (belfry__v1__event__unpack (arena_allocator (arena), size, packed));
		arena_reset (arena);
	}
	struct mallinfo2 after = mallinfo2 ();
	cr_expect_eq (before.uordblks, after.uordblks);
}

/* 128 KiB of two-byte fields ask for megabytes of bookkeeping: refused, cleanly, and the next one
 * passes. */
Test (arena, bounds_what_a_hostile_message_makes_of_itself)
{
	static uint8_t hostile[128 * 1024];
	for (size_t i = 0; i < sizeof hostile; i += 2) {
		hostile[i] = 0xf8 & 0x7f; /* field 15, varint: unknown */
		hostile[i + 1] = 1;
	}
	cr_assert_eq (arena_new (1024, 64 * 1024, &arena), 0);
	cr_expect_null (belfry__v1__event__unpack (arena_allocator (arena), sizeof hostile, hostile));
	cr_expect (arena_exhausted (arena));
	cr_expect_leq (arena_used (arena), 64 * 1024);

	uint8_t packed[4096];
	arena_reset (arena);
	size_t size = pack (specimen_event (arena, event_type_at (5)), packed, sizeof packed);
	arena_reset (arena);
	cr_expect_not_null (belfry__v1__event__unpack (arena_allocator (arena), size, packed));
}

/* Cut anywhere, flipped anywhere: a message or none, and no more than the cap. */
Test (arena, survives_truncated_and_flipped_messages)
{
	uint8_t packed[8192], broken[8192];
	cr_assert_eq (arena_new (1024, 256 * 1024, &arena), 0);
	for (size_t t = 0; t < event_type_count (); t++) {
		arena_reset (arena);
		size_t size = pack (specimen_event (arena, event_type_at (t)), packed, sizeof packed);
		for (size_t cut = 0; cut < size; cut++) {
			arena_reset (arena);
			(void) belfry__v1__event__unpack (arena_allocator (arena), cut, packed);
			memcpy (broken, packed, size);
			broken[cut] ^= (uint8_t) (1u << (cut % 8));
			arena_reset (arena);
			(void) belfry__v1__event__unpack (arena_allocator (arena), size, broken);
			cr_assert_leq (arena_used (arena), 256 * 1024);
		}
	}
}
