#include <criterion/criterion.h>

#include "wire/sequence.h"

Test (sequence, increasing_counts_holes_and_refuses_what_is_not_newer)
{
	sequence_t s;
	sequence_init (&s, SEQUENCE_INCREASING);
	cr_assert_eq (sequence_lost (&s), 0);
	cr_assert_eq (sequence_note (&s, 10), 0);
	cr_assert_eq (sequence_note (&s, 11), 0);
	cr_assert_eq (sequence_note (&s, 11), SEQUENCE_E_SEEN);
	cr_assert_eq (sequence_note (&s, 9), SEQUENCE_E_SEEN);
	cr_assert_eq (sequence_note (&s, 15), 0);
	cr_assert_eq (sequence_lost (&s), 3);
	cr_assert_eq (sequence_note (&s, 13), SEQUENCE_E_SEEN);
	cr_assert_eq (sequence_lost (&s), 3);
}

Test (sequence, windowed_takes_each_once_in_any_order)
{
	sequence_t s;
	sequence_init (&s, SEQUENCE_WINDOWED);
	sequence_begin (&s, 1);
	cr_assert_eq (sequence_note (&s, 5), 0);
	cr_assert_eq (sequence_lost (&s), 4);
	cr_assert_eq (sequence_note (&s, 2), 0);
	cr_assert_eq (sequence_note (&s, 2), SEQUENCE_E_SEEN);
	cr_assert_eq (sequence_note (&s, 5), SEQUENCE_E_SEEN);
	cr_assert_eq (sequence_note (&s, 1), 0);
	cr_assert_eq (sequence_note (&s, 3), 0);
	cr_assert_eq (sequence_note (&s, 4), 0);
	cr_assert_eq (sequence_lost (&s), 0);
	cr_assert_eq (sequence_note (&s, 0), SEQUENCE_E_TOO_OLD);
}

Test (sequence, window_forgets_at_its_edge_and_not_before)
{
	sequence_t s;
	sequence_init (&s, SEQUENCE_WINDOWED);
	sequence_begin (&s, 1);
	cr_assert_eq (sequence_note (&s, 1 + SEQUENCE_WINDOW), 0);
	cr_assert_eq (sequence_note (&s, 1), SEQUENCE_E_TOO_OLD);
	cr_assert_eq (sequence_note (&s, 2), 0);
	cr_assert_eq (sequence_note (&s, 2), SEQUENCE_E_SEEN);
	/* A jump past the whole window leaves no stale bit behind. */
	cr_assert_eq (sequence_note (&s, 10 * SEQUENCE_WINDOW + 2), 0);
	cr_assert_eq (sequence_note (&s, 9 * SEQUENCE_WINDOW + 3), 0);
}

Test (sequence, a_bound_shows_a_lost_tail_until_it_arrives)
{
	sequence_t s;
	sequence_init (&s, SEQUENCE_WINDOWED);
	sequence_bind (&s, 7);
	cr_assert_eq (sequence_lost (&s), 0, "nothing known yet");
	sequence_begin (&s, 1);
	sequence_bind (&s, 3);
	cr_assert_eq (sequence_lost (&s), 3);
	for (uint64_t i = 1; i <= 3; i++)
		cr_assert_eq (sequence_note (&s, i), 0);
	cr_assert_eq (sequence_lost (&s), 0);
	sequence_bind (&s, 2);
	cr_assert_eq (sequence_lost (&s), 0);
}

Test (sequence, what_will_never_come_is_filled_also_beyond_the_window)
{
	sequence_t s;
	sequence_init (&s, SEQUENCE_WINDOWED);
	sequence_fill (&s, 1, 5);
	cr_assert_eq (sequence_lost (&s), 0, "nothing known yet");
	sequence_begin (&s, 1);
	cr_assert_eq (sequence_note (&s, 1), 0);
	const uint64_t last = 3 * SEQUENCE_WINDOW;
	cr_assert_eq (sequence_note (&s, last + 1), 0);
	cr_assert_eq (sequence_lost (&s), last - 1);
	sequence_fill (&s, 2, last);
	cr_assert_eq (sequence_lost (&s), 0);
	cr_assert_eq (sequence_note (&s, last), SEQUENCE_E_SEEN);
	/* Said twice, or about what is not known yet, it fills nothing more. */
	sequence_fill (&s, 1, last + 100);
	cr_assert_eq (sequence_lost (&s), 0);
	cr_assert_eq (sequence_note (&s, last + 3), 0);
	cr_assert_eq (sequence_lost (&s), 1);
	sequence_fill (&s, last + 2, last + 2);
	cr_assert_eq (sequence_lost (&s), 0);
	sequence_fill (&s, last + 2, last + 1);
	cr_assert_eq (sequence_lost (&s), 0);
}
