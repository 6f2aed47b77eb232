#include "conf/word.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/utf8.h"

Test (word, nearest_is_the_one_that_was_meant)
{
	static const char *const known[] = { "cluster", "name", "state_dir", "control", NULL };
	static const char *const none[] = { NULL };
	cr_assert_str_eq (word_nearest ("nam", known), "name");
	cr_assert_str_eq (word_nearest ("state-dirr", known), "state_dir");
	cr_assert_str_eq (word_nearest ("contrl", known), "control");
	cr_assert_null (word_nearest ("http", known));
	cr_assert_null (word_nearest ("", known));
	cr_assert_null (word_nearest ("name", none));
}

Test (word, nearest_of_short_words_shares_something)
{
	static const char *const known[] = { "is", "for", NULL };
	cr_assert_null (word_nearest ("xy", known));
	cr_assert_str_eq (word_nearest ("fro", known), "for");
}

Test (word, quote_cuts_at_a_character_and_hides_control_characters)
{
	char out[WORD_QUOTED_MAX], text[200] = "";
	cr_assert_str_eq (word_quote ("a\n\x1b[1m\xff", out), "'a??[1m?'");
	for (int i = 0; i < 40; i++)
		strcat (text, "\xe2\x82\xac");
	word_quote (text, out);
	cr_assert (utf8_valid (out, strlen (out)));
	cr_assert_eq (strlen (out), 60 + 5, "twenty characters, dots and quotes");
	cr_assert_str_eq (word_quote ("", out), "''");
}
