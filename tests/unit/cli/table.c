/* Columns as people see them. */

#include "capture.h"

#include <errno.h>

#include "cli/table.h"

static const table_column_t columns[] = { { "NAME", false, 0 }, { "SIZE", true, 1 }, { "NOTE", false, 2 },
	{ "TEXT", false, 0 } };
enum { COLUMNS = 4 };

static capture_t capture;
static table_t *table;

static void setup (void)
{
	cr_assert_eq (table_new (columns, COLUMNS, &table), 0);
}

static void teardown (void)
{
	table_destroy (&table);
	cr_assert_null (table);
	capture_end (&capture);
}
TestSuite (table, .init = setup, .fini = teardown);

static void row (const char *name, int size, const char *note, const char *text)
{
	table_put (table, STYLE_PLAIN, "%s", name);
	table_put (table, STYLE_PLAIN, "%d", size);
	table_put (table, STYLE_DIM, "%s", note);
	table_put (table, STYLE_PLAIN, "%s", text);
}

static const char *print (int width, int indent)
{
	capture_begin (&capture, width, false);
	cr_assert_eq (table_print (table, &capture.output, indent), 0);
	return capture_out (&capture);
}

Test (table, has_its_bounds)
{
	table_t *none = NULL;
	cr_assert_eq (table_new (columns, 0, &none), -EINVAL);
	cr_assert_eq (table_new (columns, TABLE_COLUMNS_MAX + 1, &none), -EINVAL);
	cr_assert_null (none);
	table_destroy (&none);
	cr_assert_str_eq (print (0, 0), "", "no rows, no titles");
}

Test (table, aligns_by_content)
{
	row ("a", 5, "x", "one");
	row ("longer", 12345, "", "two three");
	cr_assert_str_eq (print (0, 0), "NAME     SIZE  NOTE  TEXT\n"
	                                "a           5  x     one\n"
	                                "longer  12345        two three\n");
}

Test (table, leaves_out_a_column_in_which_nobody_said_anything)
{
	row ("a", 5, "", "one");
	row ("b", 6, "", "two");
	cr_assert_str_eq (print (0, 2), "  NAME  SIZE  TEXT\n"
	                                "  a        5  one\n"
	                                "  b        6  two\n");
}

Test (table, ends_no_line_in_spaces)
{
	row ("a", 5, "note", "");
	row ("b", 6, "", "");
	expect_tidy (print (0, 0), 0, false);
}

Test (table, on_a_narrow_terminal_leaves_out_what_matters_least_then_cuts)
{
	row ("node-1", 5, "acknowledged", "the quick brown fox jumps over the lazy dog");
	cr_assert_str_eq (print (80, 0),
	        "NAME    SIZE  NOTE          TEXT\n"
	        "node-1     5  acknowledged  the quick brown fox jumps over the lazy dog\n");
	capture_end (&capture);
	cr_assert_str_eq (print (60, 0), "NAME    SIZE  TEXT\n"
	                                 "node-1     5  the quick brown fox jumps over the lazy dog\n");
	capture_end (&capture);
	cr_assert_str_eq (print (40, 0), "NAME    TEXT\n"
	                                 "node-1  the quick brown fox jumps over …\n");
	capture_end (&capture);
	expect_tidy (print (44, 4), 44, false);
}

Test (table, cuts_at_a_character)
{
	row ("a", 1, "", "ééééééééééééééééééééééééééééééééééééééééééééé");
	expect_tidy (print (40, 0), 40, false);
	EXPECT_HAS (capture_out (&capture), "é…\n");
}

Test (table, in_a_pipe_nothing_is_cut)
{
	char text[3000];
	memset (text, 'x', sizeof text);
	text[sizeof text - 1] = '\0';
	row ("a", 1, "", text);
	EXPECT_HAS (print (0, 0), text);
}

Test (table, shows_what_would_drive_a_terminal)
{
	row ("a\033[2J", 1, "", "b\nc\td");
	const char *out = print (0, 0);
	EXPECT_HAS (out, "a\\x1b[2J");
	EXPECT_HAS (out, "b\\x0ac\\x09d");
	expect_tidy (out, 0, false);
}

Test (table, colours_a_cell_and_not_the_gap)
{
	table_put (table, STYLE_RED, "down");
	table_put (table, STYLE_PLAIN, "1");
	table_put (table, STYLE_PLAIN, "%s", "");
	table_put (table, STYLE_GREEN, "ok");
	capture_begin (&capture, 80, true);
	cr_assert_eq (table_print (table, &capture.output, 0), 0);
	EXPECT_HAS (capture_out (&capture), "\033[31mdown\033[0m     1  \033[32mok\033[0m\n");
	EXPECT_HAS (capture_out (&capture), "\033[1mNAME\033[0m");
}
