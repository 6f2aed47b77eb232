/* The command line as a whole: help, what is misspelt, exit statuses. */

#include "capture.h"

#include <jansson.h>

static capture_t capture;

static void expect_help (const char *text)
{
	expect_tidy (text, 80, false);
	EXPECT_HAS (text, "usage: belfry");
}

Test (commands, without_one_the_help_goes_to_standard_error)
{
	cr_assert_eq (capture_run (&capture, 0, NULL), 2);
	cr_assert_str_eq (capture.out, "");
	expect_help (capture.err);
}

Test (commands, help_names_every_command_and_each_has_its_own)
{
	cr_assert_eq (RUN ("--help"), 0);
	expect_help (capture.out);
	char all[8192];
	snprintf (all, sizeof all, "%s", capture.out);
	for (size_t i = 0; i < commands_count (); i++) {
		const command_t *command = commands_at (i);
		EXPECT_HAS (all, command->name);
		EXPECT_HAS (all, command->summary);
		cr_assert_eq (RUN ("help", command->name), 0);
		expect_help (capture.out);
		char own[8192];
		snprintf (own, sizeof own, "%s", capture.out);
		for (size_t j = 0; j < command->n_options; j++)
			EXPECT_HAS (own, command->options[j].help);
		cr_assert_eq (RUN (command->name, "--help"), 0);
		cr_assert_str_eq (capture.out, own, "both ways are one");
	}
}

Test (commands, what_is_misspelt_is_named_with_the_nearest)
{
	cr_assert_eq (RUN ("tpa"), 2);
	EXPECT_HAS (capture.err, "did you mean 'tap'?");
	cr_assert_eq (RUN ("help", "statsu"), 2);
	EXPECT_HAS (capture.err, "did you mean 'status'?");
	cr_assert_eq (RUN ("status", "--nagois"), 2);
	EXPECT_HAS (capture.err, "did you mean '--nagios'?");
	EXPECT_HAS (capture.err, "Try 'belfry status --help'");
	cr_assert_eq (RUN ("--jsno", "status"), 2);
	EXPECT_HAS (capture.err, "did you mean '--json'?");
	cr_assert_eq (RUN ("xyzzy"), 2);
	EXPECT_HAS (capture.err, "unknown command 'xyzzy'");
	cr_assert_eq (RUN ("status", "n1", "n2"), 2);
	EXPECT_HAS (capture.err, "'n2' was given too");
	cr_assert_eq (RUN ("status", "--nagios", "--watch"), 2);
}

Test (commands, a_collector_that_is_not_there_is_exit_status_3)
{
	cr_assert_eq (RUN ("--control", "tcp://127.0.0.1:9", "--timeout", "100ms", "status"), 3);
	EXPECT_HAS (capture.err, "127.0.0.1:9");
	cr_assert_str_eq (capture.out, "");
	cr_assert_eq (RUN ("status", "--control", "tcp://127.0.0.1:9", "--timeout=100ms", "--nagios"), 3);
	EXPECT_HAS (capture.out, "BELFRY UNKNOWN - ");
}

Test (commands, an_endpoint_that_is_none_is_said)
{
	cr_assert_eq (RUN ("--control", "nonsense", "status"), 2);
	EXPECT_HAS (capture.err, "--control");
	EXPECT_HAS (capture.err, "nonsense");
}

Test (commands, version_in_both_forms)
{
	cr_assert_eq (RUN ("version"), 0);
	EXPECT_HAS (capture.out, "belfry " BELFRY_VERSION);
	cr_assert_eq (RUN ("version", "--json"), 0);
	json_t *object = json_loads (capture.out, 0, NULL);
	cr_assert_not_null (object, "%s", capture.out);
	cr_assert_str_eq (json_string_value (json_object_get (object, "version")), BELFRY_VERSION);
	json_decref (object);
	cr_assert_eq (RUN ("version", "x"), 2);
}

Test (commands, an_answer_that_cannot_be_written_is_no_answer)
{
	output_t full = { .out = fopen ("/dev/full", "w") };
	char *err = NULL;
	size_t size;
	full.err = open_memstream (&err, &size);
	char program[] = "belfry", version[] = "version", *argv[] = { program, version, NULL };
	cr_assert_eq (belfry_run (2, argv, &full), 1);
	fclose (full.out);
	fclose (full.err);
	EXPECT_HAS (err, "cannot write the answer");
	free (err);
}
