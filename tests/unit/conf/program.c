/* The daemons' command line, and what a reload says. */

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <getopt.h>
#include <string.h>

#include "conf/agent_config.h"
#include "conf/program.h"

static const program_about_t about = { "belfry-x", "x", "/etc/x.yaml", "Does x.\n", "SIGHUP reloads.\n" };

static bool options (program_options_t *ret, int *status, int argc, const char **argv)
{
	union {
		const char **in;
		char **out;
	} words = { argv };
	optind = 0;
	return program_options (&about, agent_config_table (), argc, words.out, ret, status);
}
#define OPTIONS(...)                                                                                  \
	options (&given, &status, (int) (sizeof ((const char *[]){ __VA_ARGS__ }) / sizeof (char *)), \
	        (const char *[]){ __VA_ARGS__, NULL })

Test (program, goes_on_with_a_file_and_a_check_or_without)
{
	program_options_t given;
	int status;
	cr_assert (OPTIONS ("belfry-x"));
	cr_assert_null (given.file);
	cr_assert_not (given.check);
	cr_assert (OPTIONS ("belfry-x", "--config", "y.yaml", "--check"));
	cr_assert_str_eq (given.file, "y.yaml");
	cr_assert (given.check);
}

Test (program, answers_help_with_every_key_and_ends, .init = cr_redirect_stdout)
{
	program_options_t given;
	int status;
	cr_assert_not (OPTIONS ("belfry-x", "--help"));
	cr_assert_eq (status, 0);
	fflush (stdout);
	FILE *shown = cr_get_redirected_stdout ();
	static char text[65536];
	text[fread (text, 1, sizeof text - 1, shown)] = '\0';
	for (const char *const *wanted = (const char *const[]){ "usage: belfry-x", "Does x.", "/etc/x.yaml",
	             "SIGHUP reloads.", "probes.health.interval", NULL };
	        *wanted; wanted++)
		cr_assert_not_null (strstr (text, *wanted), "no '%s'", *wanted);
}

Test (program, wrong_usage_ends_with_2_and_says_what_is_wrong, .init = cr_redirect_stderr)
{
	program_options_t given;
	int status;
	cr_assert_not (OPTIONS ("belfry-x", "--nonsense"));
	cr_assert_eq (status, 2);
	cr_assert_not (OPTIONS ("belfry-x", "stray"));
	cr_assert_eq (status, 2);
	fflush (stderr);
	char text[1024];
	text[fread (text, 1, sizeof text - 1, cr_get_redirected_stderr ())] = '\0';
	cr_assert_not_null (strstr (text, "nonsense"));
	cr_assert_not_null (strstr (text, "'stray'"));
}

static agent_config_t *parsed (const char *text)
{
	conf_errors_t errors = { 0 };
	agent_config_t *config = NULL;
	char whole[1024];
	int n = snprintf (whole, sizeof whole,
	        "cluster: demo\nstate_dir: ./n1\ncollectors: [{stream: \"tcp://127.0.0.1:1\", control: "
	        "\"tcp://127.0.0.1:2\"}]\nsecurity: {insecure: true}\n%s",
	        text);
	cr_assert_eq (agent_config_parse (whole, (size_t) n, "test", &config, &errors), 0);
	return config;
}

static void count (void *arg, const conf_difference_t *difference)
{
	cr_assert (difference->reloadable);
	++*(unsigned *) arg;
}

Test (program, a_change_is_taken_once_and_waits_until_the_restart)
{
	agent_config_t *started = parsed ("node: n1\n"), *second = parsed ("node: n2\nlog_level: debug\n"),
	               *third = parsed ("node: n2\nlog_level: debug\nprobes: {health: {interval: 3s}}\n");
	program_changes_t changes;
	unsigned taken = 0;
	program_changes (agent_config_table (), started, started, second, &changes, count, &taken);
	cr_assert_str_eq (changes.taken, "log_level");
	cr_assert_str_eq (changes.waiting, "node");
	cr_assert_eq (taken, 1);
	program_changes (agent_config_table (), started, second, third, &changes, count, &taken);
	cr_assert_str_eq (changes.taken, "probes.health.interval");
	cr_assert_str_eq (changes.waiting, "node", "it still waits");
	cr_assert_eq (taken, 2);
	agent_config_destroy (&started);
	agent_config_destroy (&second);
	agent_config_destroy (&third);
}
