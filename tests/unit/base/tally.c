/* A table of counted keys, held against a plain array. */

#include <criterion/criterion.h>

#include "base/tally.h"

enum { KEYS = 300 };

static tally_t tally;
static uint32_t n;

static void teardown (void)
{
	tally_free (&tally);
}
TestSuite (tally, .fini = teardown);

Test (tally, an_empty_one_holds_nothing)
{
	tally = tally_of (4);
	cr_assert_eq (tally_count (&tally, 7), 0);
	cr_assert_eq (tally_take (&tally, 7, &n), TALLY_E_NONE);
	cr_assert_eq (tally.n, 0);
}

Test (tally, counts_each_key_by_itself)
{
	tally = tally_of (4);
	cr_assert_eq (tally_add (&tally, 0, &n), 0);
	cr_assert_eq (tally_add (&tally, 8, &n), 0);
	cr_assert_eq (tally_add (&tally, 0, &n), 0);
	cr_assert_eq (n, 2);
	cr_assert_eq (tally_count (&tally, 8), 1);
	cr_assert_eq (tally.n, 2);
	cr_assert_eq (tally_take (&tally, 0, &n), 0);
	cr_assert_eq (n, 1);
	cr_assert_eq (tally_take (&tally, 0, &n), 0);
	cr_assert_eq (tally_take (&tally, 0, &n), TALLY_E_NONE);
	cr_assert_eq (tally.n, 1);
}

Test (tally, a_full_one_takes_more_of_what_it_has_and_nothing_new)
{
	tally = tally_of (2);
	cr_assert_eq (tally_add (&tally, 1, &n), 0);
	cr_assert_eq (tally_add (&tally, 2, &n), 0);
	cr_assert_eq (tally_add (&tally, 3, &n), TALLY_E_FULL);
	cr_assert_eq (tally_add (&tally, 2, &n), 0);
	cr_assert_eq (n, 2);
	cr_assert_eq (tally_count (&tally, 3), 0);
}

/* Keys that meet at few places, added and taken in an order without a pattern. */
Test (tally, agrees_with_an_array_however_keys_collide)
{
	uint32_t wanted[KEYS] = { 0 };
	uint64_t random = 1;
	tally = tally_of (KEYS);
	for (int i = 0; i < 200000; i++) {
		random = random * UINT64_C (6364136223846793005) + UINT64_C (1442695040888963407);
		unsigned key = (unsigned) (random >> 33) % KEYS;
		uint64_t hash = (uint64_t) key * 16 + (key % 3);
		if ((random >> 60) % 2 == 0) {
			cr_assert_eq (tally_add (&tally, hash, &n), 0);
			cr_assert_eq (n, ++wanted[key]);
		} else if (wanted[key] == 0) {
			cr_assert_eq (tally_take (&tally, hash, &n), TALLY_E_NONE);
		} else {
			cr_assert_eq (tally_take (&tally, hash, &n), 0);
			cr_assert_eq (n, --wanted[key]);
		}
	}
	size_t held = 0;
	for (unsigned key = 0; key < KEYS; key++) {
		cr_assert_eq (tally_count (&tally, (uint64_t) key * 16 + (key % 3)), wanted[key]);
		held += wanted[key] > 0;
	}
	cr_assert_eq (tally.n, held);
}
