#include "base/buffer.h"

#include <criterion/criterion.h>
#include <string.h>

static buffer_t buffer;

static void end (void)
{
	buffer_free (&buffer);
}

TestSuite (buffer, .fini = end);

Test (buffer, is_an_empty_string_before_the_first_append)
{
	cr_expect_str_eq (buffer_string (&buffer), "");
	cr_expect_eq (buffer_span (&buffer).size, 0);
	buffer_text (&buffer, "");
	buffer_append (&buffer, NULL, 0);
	cr_expect_str_eq (buffer_string (&buffer), "");
	buffer_free (&buffer);
	buffer_free (NULL);
}

Test (buffer, keeps_all_bytes_and_its_end)
{
	for (int i = 0; i < 5000; i++) {
		buffer_char (&buffer, (char) ('a' + i % 26));
		cr_assert_eq (buffer.data[buffer.size], '\0');
	}
	cr_assert_eq (buffer.size, 5000);
	for (size_t i = 0; i < 5000; i++)
		cr_assert_eq (buffer.data[i], (char) ('a' + i % 26));
	buffer_append (&buffer, "\0x", 2);
	cr_expect_eq (buffer.size, 5002);
	cr_expect_arr_eq (buffer.data + 5000, "\0x", 2);
}

/* At and around every power of two, where the terminator decides. */
Test (buffer, grows_at_its_edges)
{
	static char text[3000];
	memset (text, 'x', sizeof text);
	for (size_t n = 1; n < sizeof text; n++) {
		buffer_t one = BUFFER_INIT;
		buffer_append (&one, text, n);
		buffer_char (&one, 'y');
		cr_assert_eq (one.size, n + 1);
		cr_assert_eq (one.data[n], 'y');
		cr_assert_eq (one.data[n + 1], '\0');
		buffer_free (&one);
	}
}

Test (buffer, formats)
{
	buffer_printf (&buffer, "%s", "");
	buffer_printf (&buffer, "%d-%s", 12, "ab");
	for (int i = 0; i < 300; i++)
		buffer_printf (&buffer, "%c", 'x');
	cr_expect_eq (buffer.size, 305);
	cr_expect_eq (strncmp (buffer_string (&buffer), "12-abxxx", 8), 0);
}

Test (buffer, cuts_and_resets)
{
	buffer_text (&buffer, "abcdef");
	buffer_cut (&buffer, 10);
	cr_expect_str_eq (buffer_string (&buffer), "abcdef");
	buffer_cut (&buffer, 2);
	cr_expect_str_eq (buffer_string (&buffer), "ab");
	buffer_reset (&buffer);
	cr_expect_str_eq (buffer_string (&buffer), "");
	buffer_text (&buffer, "z");
	cr_expect_str_eq (buffer_string (&buffer), "z");
}

Test (buffer, remembers_what_it_could_not_take)
{
	buffer_text (&buffer, "ab");
	buffer_append (&buffer, "", BUFFER_SIZE_MAX);
	cr_expect (buffer_failed (&buffer));
	cr_expect_str_eq (buffer_string (&buffer), "ab");
	buffer_reset (&buffer);
	cr_expect_not (buffer_failed (&buffer));
}
