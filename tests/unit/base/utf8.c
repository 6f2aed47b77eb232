#include "base/utf8.h"

#include <criterion/criterion.h>
#include <string.h>

/* The edges of Unicode's table 3-7: first and last of each row, and what lies just outside. */
static const char *const good[] = { "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
	"\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf" };
static const char *const bad[] = { "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x7f", "\xe0\x9f\xbf",
	"\xe0\xa0", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff" };

Test (utf8, takes_every_well_formed_row)
{
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		size_t n = strlen (good[i]);
		cr_expect (utf8_valid (good[i], n), "row %zu", i);
		cr_expect_eq (utf8_character (good[i], n), n);
		cr_expect_eq (utf8_character (good[i], n - 1), 0, "row %zu cut", i);
	}
	cr_expect (utf8_valid ("", 0));
}

Test (utf8, refuses_what_lies_outside)
{
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		cr_expect_not (utf8_valid (bad[i], strlen (bad[i])), "row %zu", i);
		cr_expect_eq (utf8_character (bad[i], strlen (bad[i])), 0);
	}
	cr_expect_not (utf8_valid ("a\0b", 3));
}

Test (utf8, makes_valid_in_place)
{
	char text[] = "a\xff\xc3\xa4\xc3(\0z";
	utf8_make_valid (text, sizeof text - 1);
	cr_expect_str_eq (text, "a?\xc3\xa4?(?z");
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char copy[8];
		strcpy (copy, bad[i]);
		utf8_make_valid (copy, strlen (bad[i]));
		cr_expect (utf8_valid (copy, strlen (bad[i])));
	}
}
