#include <criterion/criterion.h>
#include <string.h>

#include "client/tape.h"

static tape_t tape;
static const bool all[CHANNEL_COUNT] = { true, true, true, true, true, true, true, true, true, true };

static tape_verdict_t mark (channel_t channel, uint64_t offset, uint64_t previous)
{
	mark_t m = { .offset = offset, .previous_in_channel = previous };
	return tape_mark (&tape, channel, &m);
}

/* As after a reading that found everything up to newest. */
static void caught_up (uint64_t newest)
{
	tape_begin (&tape, all, 1);
	cr_assert_eq (tape.from, 1);
	tape_read (&tape, newest + 1, true, newest);
	cr_assert_eq (tape.from, 0);
}

Test (tape, reads_first_and_takes_what_comes_meanwhile_with_it)
{
	tape_begin (&tape, all, 5);
	cr_expect_eq (mark (CHANNEL_AUDIT, 9, 8), TAPE_HOLE, "it is behind what is being read");
	cr_expect_eq (tape_record (&tape, CHANNEL_AUDIT, 4), TAPE_KNOWN, "before from");
	cr_expect_eq (tape_record (&tape, CHANNEL_AUDIT, 5), TAPE_NEW);
	tape_read (&tape, 6, false, 9);
	cr_expect_eq (tape.from, 6, "there is more");
	cr_expect_eq (tape_record (&tape, CHANNEL_AUDIT, 9), TAPE_NEW);
	tape_read (&tape, 10, true, 9);
	cr_expect_eq (tape.from, 0);
	cr_expect_eq (mark (CHANNEL_AUDIT, 9, 8), TAPE_KNOWN);
	cr_expect_eq (mark (CHANNEL_AUDIT, 10, 9), TAPE_NEW);
}

Test (tape, finds_a_hole_by_the_predecessor_in_the_channel)
{
	caught_up (10);
	cr_expect_eq (mark (CHANNEL_AUDIT, 12, 10), TAPE_NEW, "11 is another channel's");
	cr_expect_eq (mark (CHANNEL_AUDIT, 20, 15), TAPE_HOLE);
	cr_expect_eq (tape.from, 13);
	cr_expect_eq (tape.until, 20);
	cr_expect_eq (tape.repairs, 1);
	cr_expect_eq (mark (CHANNEL_SYSTEM, 21, 11), TAPE_HOLE, "read behind it");
	cr_expect_eq (tape.until, 21);
	cr_expect_eq (tape.repairs, 1);
	cr_expect_eq (tape_record (&tape, CHANNEL_AUDIT, 15), TAPE_NEW);
	cr_expect_eq (tape_record (&tape, CHANNEL_AUDIT, 20), TAPE_NEW);
	cr_expect_eq (tape_record (&tape, CHANNEL_SYSTEM, 21), TAPE_NEW);
	tape_read (&tape, 22, false, 30);
	cr_expect_eq (tape.from, 0, "what was missing is there");
	cr_expect_eq (mark (CHANNEL_AUDIT, 22, 20), TAPE_NEW);
}

Test (tape, gives_the_stream_time_before_it_believes_a_beat)
{
	mono_t now = { NS_PER_S };
	caught_up (10);
	tape_beat (&tape, CHANNEL_AUDIT, 10, now);
	tape_beat (&tape, CHANNEL_AUDIT, 14, now);
	cr_expect_eq (tape.from, 0);
	tape_beat (&tape, CHANNEL_AUDIT, 14, mono_add (now, TAPE_GRACE_NS - 1));
	cr_expect_eq (tape.from, 0);
	tape_beat (&tape, CHANNEL_AUDIT, 14, mono_add (now, TAPE_GRACE_NS));
	cr_expect_eq (tape.from, 11);
	cr_expect_eq (tape.until, 14);
}

Test (tape, knows_another_journal)
{
	mark_t m = { .offset = 3 };
	caught_up (2);
	cr_expect_eq (tape_mark (&tape, CHANNEL_AUDIT, &m), TAPE_NEW);
	m.journal[0] = 1;
	m.offset = 4;
	cr_expect_eq (tape_mark (&tape, CHANNEL_AUDIT, &m), TAPE_REPLACED);
}
