#include "conf/errors.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

Test (errors, an_empty_list_says_nothing)
{
	conf_errors_t errors = { 0 };
	cr_assert_not (conf_errors_any (&errors));
	conf_errors_clear (&errors);
	conf_errors_clear (NULL);
}

Test (errors, a_line_has_file_line_and_text)
{
	conf_errors_t errors = { 0 };
	char line[100], cut[8];
	conf_errors_add (&errors, "a.yaml", 7, "key '%s': wrong", "x");
	conf_errors_add (&errors, "BELFRY_STREAM", 0, "no");
	cr_assert_str_eq (conf_errors_line (&errors, 0, line, sizeof line), "a.yaml:7: key 'x': wrong");
	cr_assert_str_eq (conf_errors_line (&errors, 1, line, sizeof line), "BELFRY_STREAM: no");
	cr_assert_str_eq (conf_errors_line (&errors, 0, cut, sizeof cut), "a.yaml:");
	conf_errors_clear (&errors);
	cr_assert_not (conf_errors_any (&errors));
}

Test (errors, stand_in_the_order_of_their_lines_within_each_file)
{
	conf_errors_t errors = { 0 };
	const char *wanted[] = { "a:1: x", "a:2: first", "a:2: second", "a:5: x", "b:1: x", "b:9: x" };
	conf_errors_add (&errors, "a", 5, "x");
	conf_errors_add (&errors, "b", 9, "x");
	conf_errors_add (&errors, "a", 2, "first");
	conf_errors_add (&errors, "b", 1, "x");
	conf_errors_add (&errors, "a", 1, "x");
	conf_errors_add (&errors, "a", 2, "second");
	cr_assert_eq (errors.n, 6);
	for (size_t i = 0; i < 6; i++) {
		char line[100];
		cr_assert_str_eq (conf_errors_line (&errors, i, line, sizeof line), wanted[i]);
	}
	conf_errors_clear (&errors);
}

Test (errors, past_the_limit_are_counted)
{
	conf_errors_t errors = { 0 };
	for (int i = 0; i < CONF_ERRORS_MAX + 3; i++)
		conf_errors_add (&errors, "a", 1, "x");
	cr_assert_eq (errors.n, CONF_ERRORS_MAX);
	cr_assert_eq (errors.more, 3);
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream (&text, &size);
	conf_errors_print (&errors, out);
	fclose (out);
	cr_assert_not_null (strstr (text, "a:1: x\n3 more errors are not shown\n"));
	free (text);
	conf_errors_clear (&errors);
}
