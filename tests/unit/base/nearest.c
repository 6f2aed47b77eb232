#include "base/nearest.h"

#include <criterion/criterion.h>
#include <stdint.h>

static size_t between (const char *a, const char *b)
{
	return nearest_distance (span_str (a), span_str (b));
}

Test (nearest, counts_letters_to_change)
{
	cr_expect_eq (between ("", ""), 0);
	cr_expect_eq (between ("state_dir", "state_dir"), 0);
	cr_expect_eq (between ("", "abc"), 3);
	cr_expect_eq (between ("statedir", "state_dir"), 1);
	cr_expect_eq (between ("state__dir", "state_dir"), 1);
	cr_expect_eq (between ("stade_dir", "state_dir"), 1);
	cr_expect_eq (between ("satte_dir", "state_dir"), 1, "neighbours swapped");
	cr_expect_eq (between ("State_Dir", "state_dir"), 0, "case ignored");
	cr_expect_eq (between ("kitten", "sitting"), 3);
	cr_expect_eq (between ("sitting", "kitten"), 3);
}

Test (nearest, leaves_long_words_alone)
{
	char longest[65] = { 0 }, longer[66] = { 0 };
	for (int i = 0; i < 65; i++) {
		longer[i] = 'x';
		if (i < 64)
			longest[i] = 'x';
	}
	cr_expect_eq (between (longest, longest), 0);
	cr_expect_eq (between (longest, longer), SIZE_MAX);
	cr_expect_eq (between (longer, longest), SIZE_MAX);
}
