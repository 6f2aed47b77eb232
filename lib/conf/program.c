#include "conf/program.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_USAGE = 2 };

static void help_print (const program_about_t *about, const conf_table_t *table)
{
	printf ("usage: %s [--config FILE] [--check]\n"
	        "\n"
	        "%s"
	        "\n"
	        "  -c, --config FILE  the configuration; default %s\n"
	        "      --check        say everything that is wrong with it, and end\n"
	        "  -h, --help         this text\n"
	        "      --version      the version\n"
	        "\n"
	        "%s"
	        "\n"
	        "Configuration:\n",
	        about->name, about->purpose, about->file, about->signals);
	conf_print_reference (table, CONF_REFERENCE_HELP, stdout);
}

bool program_options (const program_about_t *about, const conf_table_t *table, int argc, char **argv,
        program_options_t *ret, int *ret_status)
{
	enum { OPTION_CHECK = 1, OPTION_VERSION };
	static const struct option options[] = { { "config", required_argument, NULL, 'c' },
		{ "check", no_argument, NULL, OPTION_CHECK }, { "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, OPTION_VERSION }, { 0 } };
	*ret = (program_options_t){ 0 };
	*ret_status = EXIT_SUCCESS;
	for (int c; (c = getopt_long (argc, argv, "c:h", options, NULL)) != -1;) {
		switch (c) {
		case 'c':
			ret->file = optarg;
			break;
		case OPTION_CHECK:
			ret->check = true;
			break;
		case 'h':
			help_print (about, table);
			return false;
		case OPTION_VERSION:
			printf ("%s %s\n", about->name, BELFRY_VERSION);
			return false;
		default:
			fprintf (stderr, "try %s --help\n", about->name);
			*ret_status = EXIT_USAGE;
			return false;
		}
	}
	if (optind < argc) {
		fprintf (stderr, "%s takes no argument '%s'; try --help\n", about->name, argv[optind]);
		*ret_status = EXIT_USAGE;
		return false;
	}
	return true;
}

void program_errors_say (const program_about_t *about, const conf_errors_t *errors)
{
	char line[1024];
	for (size_t i = 0; i < errors->n; i++)
		log_error (about->component, "%s", conf_errors_line (errors, i, line, sizeof line));
	if (errors->more)
		log_error (about->component, "%zu more errors", errors->more);
}

typedef struct {
	char *out;
	bool reloadable; /* which differences count */
	conf_diff_fn *visit;
	void *arg;
} seek_t;

static void on_difference (void *arg, const conf_difference_t *difference)
{
	const seek_t *seek = arg;
	if (difference->reloadable != seek->reloadable)
		return;
	size_t size = strlen (seek->out);
	snprintf (seek->out + size, PROGRAM_KEYS_MAX - size, "%s%s", size ? ", " : "", difference->key);
	if (seek->visit)
		seek->visit (seek->arg, difference);
}

void program_changes (const conf_table_t *table, const void *started, const void *current, const void *new,
        program_changes_t *ret, conf_diff_fn *taken, void *arg)
{
	ret->taken[0] = ret->waiting[0] = '\0';
	conf_diff (table, current, new, on_difference, &(seek_t){ ret->taken, true, taken, arg });
	conf_diff (table, started, new, on_difference, &(seek_t){ ret->waiting, false, NULL, NULL });
}

void program_changes_say (const program_about_t *about, const char *what, const program_changes_t *changes)
{
	bool both = *what && changes->taken[0];
	log_info (about->component, "reloaded%s%s%s%s", *what || changes->taken[0] ? ": " : "", what,
	        both ? ", " : "", changes->taken);
	if (changes->waiting[0])
		log_warning (about->component, "these changes need a restart: %s", changes->waiting);
}
