/* Where colour is right, and what never reaches a terminal raw. */

#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* A terminal of that width. */
static FILE *terminal (unsigned short columns, int *ret_master)
{
	int master = posix_openpt (O_RDWR | O_NOCTTY);
	cr_assert_geq (master, 0);
	cr_assert_eq (grantpt (master), 0);
	cr_assert_eq (unlockpt (master), 0);
	int slave = open (ptsname (master), O_RDWR | O_NOCTTY);
	cr_assert_geq (slave, 0);
	struct winsize size = { .ws_row = 24, .ws_col = columns };
	cr_assert_eq (ioctl (slave, TIOCSWINSZ, &size), 0);
	*ret_master = master;
	FILE *file = fdopen (slave, "w");
	cr_assert_not_null (file);
	return file;
}

static output_t output_on_terminal (unsigned short columns)
{
	int master;
	FILE *file = terminal (columns, &master);
	output_t output;
	output_init (&output, file, stderr);
	fclose (file);
	close (master);
	return output;
}

static void environment (const char *term, const char *no_color, const char *columns)
{
	unsetenv ("NO_COLOR");
	unsetenv ("COLUMNS");
	unsetenv ("TERM");
	if (term)
		setenv ("TERM", term, 1);
	if (no_color)
		setenv ("NO_COLOR", no_color, 1);
	if (columns)
		setenv ("COLUMNS", columns, 1);
}

Test (output, a_pipe_or_a_file_has_no_colour_and_no_width)
{
	environment ("xterm", NULL, "100");
	int ends[2];
	cr_assert_eq (pipe (ends), 0);
	FILE *file = fdopen (ends[1], "w");
	output_t output;
	output_init (&output, file, stderr);
	cr_assert (!output.colour);
	cr_assert_eq (output.columns, 0);
	cr_assert_str_eq (output_style (&output, STYLE_RED), "");
	cr_assert_str_eq (output_reset (&output, STYLE_RED), "");
	fclose (file);
	close (ends[0]);
	capture_t capture;
	capture_begin (&capture, 0, false);
	output_init (&output, capture.output.out, stderr);
	cr_assert_eq (output.columns, 0, "a stream without a descriptor is no terminal");
	capture_end (&capture);
}

Test (output, a_terminal_has_colour_unless_it_is_not_wanted)
{
	environment ("xterm", NULL, NULL);
	output_t output = output_on_terminal (120);
	cr_assert (output.colour);
	cr_assert_eq (output.columns, 120);
	cr_assert_str_eq (output_style (&output, STYLE_RED), "\033[31m");
	cr_assert_str_eq (output_reset (&output, STYLE_RED), "\033[0m");
	cr_assert_str_eq (output_reset (&output, STYLE_PLAIN), "");
	environment ("xterm", "1", NULL);
	cr_assert (!output_on_terminal (120).colour);
	environment ("xterm", "", NULL);
	cr_assert (output_on_terminal (120).colour, "an empty NO_COLOR says nothing");
	environment ("dumb", NULL, NULL);
	cr_assert (!output_on_terminal (120).colour);
	environment (NULL, NULL, NULL);
	cr_assert (!output_on_terminal (120).colour);
}

Test (output, the_width_is_the_terminals_or_COLUMNS_within_bounds)
{
	environment ("xterm", NULL, "60");
	cr_assert_eq (output_on_terminal (120).columns, 60);
	environment ("xterm", NULL, "nonsense");
	cr_assert_eq (output_on_terminal (120).columns, 120);
	environment ("xterm", NULL, NULL);
	cr_assert_eq (output_on_terminal (0).columns, 80);
	cr_assert_eq (output_on_terminal (10).columns, 40);
	environment ("xterm", NULL, "99999");
	cr_assert_eq (output_on_terminal (80).columns, 1000);
}

Test (output, every_severity_and_status_has_a_style_and_so_has_what_is_none)
{
	for (int i = -1; i < 8; i++) {
		cr_assert_leq (style_of_severity (i), STYLE_ALARM);
		cr_assert_leq (style_of_status (i), STYLE_ALARM);
	}
	cr_assert_eq (style_of_severity (5), STYLE_ALARM);
	cr_assert_eq (style_of_status (1), STYLE_GREEN);
	cr_assert_eq (style_of_status (3), STYLE_RED);
}

static void expect_clean (const char *text, const char *clean)
{
	buffer_t out = BUFFER_INIT;
	text_clean (&out, text);
	cr_assert_str_eq (buffer_string (&out), clean);
	buffer_free (&out);
}

Test (output, text_is_cleaned_of_what_steers)
{
	expect_clean ("", "");
	expect_clean ("plain, ümlaut, 日本", "plain, ümlaut, 日本");
	expect_clean ("\033]0;title\007", "\\x1b]0;title\\x07");
	expect_clean ("a\r\nb\x7f", "a\\x0d\\x0ab\\x7f");
	expect_clean ("\xc2\x9b"
	              "31m",
	        "\\xc2\\x9b31m"); /* CSI as one character */
	expect_clean ("\xe2\x80\xae"
	              "abc",
	        "\\xe2\\x80\\xaeabc");                    /* right-to-left override */
	expect_clean ("\xe2\x80\x8b", "\\xe2\\x80\\x8b"); /* zero width */
	expect_clean ("\xe2\x81\xa6", "\\xe2\\x81\\xa6"); /* isolate */
	expect_clean ("\xff\xc3", "\\xff\\xc3");
	cr_assert_eq (text_width ("日本"), 2);
}

Test (output, a_line_is_written_whole_or_its_failure_is_known)
{
	buffer_t line = BUFFER_INIT;
	capture_t capture;
	capture_begin (&capture, 0, false);
	buffer_text (&line, "one");
	cr_assert_eq (output_line (&capture.output, &line), 0);
	cr_assert_eq (line.size, 0);
	cr_assert_str_eq (capture_out (&capture), "one\n");
	line.failed = true;
	cr_assert_eq (output_line (&capture.output, &line), -ENOMEM);
	cr_assert (!buffer_failed (&line));
	capture_end (&capture);

	output_t full = { .out = fopen ("/dev/full", "w"), .err = stderr };
	cr_assert_not_null (full.out);
	setvbuf (full.out, NULL, _IONBF, 0);
	buffer_text (&line, "one");
	cr_assert_eq (output_line (&full, &line), -ENOSPC);
	fclose (full.out);
	buffer_free (&line);
}

Test (output, a_complaint_names_the_program_and_is_clean)
{
	capture_t capture;
	capture_begin (&capture, 0, false);
	output_complain (&capture.output, "no '%s'", "x\033");
	cr_assert_str_eq (capture_err (&capture), "belfry: no 'x\\x1b'\n");
	cr_assert_str_eq (capture_out (&capture), "");
	capture_end (&capture);
}
