/* The dispatch table. Help is made of the same tables that parse: nothing stands in one and not in the
 * other. */

#include "cli/commands.h"

#include "conf/word.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const command_t *const commands[] = { &command_tap, &command_status, &command_alerts, &command_events,
	&command_send, &command_check, &command_keygen, &command_version };
enum { N_COMMANDS = sizeof commands / sizeof *commands };

/* The interface names them; they come with later releases. */
static const char *const later[] = { "top", "ack", "silence", "maintenance", "persist", "toggle", "interval",
	"node", "incident", "drill" };
enum { N_LATER = sizeof later / sizeof *later };

enum { HELP_TEXT_COLUMN = 18, DEADLINE_DEFAULT_S = 3 };

typedef struct {
	const char *config, *stream, *control, *keyring, *curve, *server_key;
	int64_t timeout_ns;
	bool json, help;
} globals_t;

#define GLOBAL(member) offsetof (globals_t, member)
static const option_t global_options[] = {
	{ "config", "FILE", "a file with stream, control, keyring, socket", OPTION_TEXT, GLOBAL (config) },
	{ "stream", "ENDPOINT", "the collector's stream (tcp://127.0.0.1:7702)", OPTION_TEXT,
	        GLOBAL (stream) },
	{ "control", "ENDPOINT", "the collector's control (tcp://127.0.0.1:7703)", OPTION_TEXT,
	        GLOBAL (control) },
	{ "keyring", "FILE", "checks MACs; without one nothing is verified", OPTION_TEXT, GLOBAL (keyring) },
	{ "curve", "FILE", "the own CURVE key, as keygen curve makes it", OPTION_TEXT, GLOBAL (curve) },
	{ "server-key", "KEY", "the collector's public CURVE key", OPTION_TEXT, GLOBAL (server_key) },
	{ "timeout", "DURATION", "how long to wait for an answer (3s)", OPTION_DURATION,
	        GLOBAL (timeout_ns) },
	{ "json", NULL, "one JSON object a line", OPTION_FLAG, GLOBAL (json) },
	{ "help", NULL, "say what the command does", OPTION_FLAG, GLOBAL (help) },
};
enum { N_GLOBAL = sizeof global_options / sizeof *global_options };

size_t commands_count (void)
{
	return N_COMMANDS;
}
const command_t *commands_at (size_t i)
{
	return commands[i];
}
const option_t *commands_global_options (size_t *ret_n)
{
	*ret_n = N_GLOBAL;
	return global_options;
}

int usage_wrong (session_t *session, const char *command, const char *format, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list args;
	va_start (args, format);
	vsnprintf (text, sizeof text, format, args);
	va_end (args);
	output_complain (session->output, "%s", text);
	fprintf (session->output->err, "Try 'belfry %s%s--help'.\n", command ? command : "",
	        command ? " " : "");
	return USAGE_WRONG;
}

static void print_options (FILE *out, const option_t *options, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char left[64];
		snprintf (left, sizeof left, "--%s%s%s", options[i].name, options[i].value ? " " : "",
		        options[i].value ? options[i].value : "");
		fprintf (out, "  %-*s  %s\n", HELP_TEXT_COLUMN, left, options[i].help);
	}
}

static void print_help (FILE *out)
{
	fputs ("usage: belfry [--config FILE | --stream ENDPOINT --control ENDPOINT] COMMAND ...\n\n"
	       "Commands:\n",
	        out);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf (out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
	fputs ("  help       this, or what one command does: help COMMAND\n\n"
	       "Options of every command:\n",
	        out);
	print_options (out, global_options, N_GLOBAL);
	fputs ("\nEnvironment: BELFRY_STREAM, BELFRY_CONTROL, BELFRY_KEYRING, BELFRY_CURVE,\n"
	       "BELFRY_SERVER_KEY, BELFRY_SOCKET (the agent's). Exit status: 0 done, 1 the\n"
	       "answer is no, 2 wrong usage, 3 not reachable, 4 refused.\n",
	        out);
}

static void print_command_help (FILE *out, const command_t *command)
{
	fprintf (out, "usage: belfry %s%s%s\n\n%s\n", command->name, *command->synopsis ? " " : "",
	        command->synopsis, command->text);
	if (command->n_options) {
		fputs ("\nOptions:\n", out);
		print_options (out, command->options, command->n_options);
	}
	fputs ("\nBesides: --config, --stream, --control, --keyring, --curve, --server-key,\n"
	       "--timeout, --json; see 'belfry help'.\n",
	        out);
}

static const command_t *command_find (const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (strcmp (commands[i]->name, name) == 0)
			return commands[i];
	}
	return NULL;
}

static int command_unknown (session_t *session, const char *name)
{
	const char *names[N_COMMANDS + 2];
	for (size_t i = 0; i < N_LATER; i++) {
		if (strcmp (later[i], name) == 0) {
			output_complain (session->output, "'%s' is not in this release", name);
			return USAGE_WRONG;
		}
	}
	for (size_t i = 0; i < N_COMMANDS; i++)
		names[i] = commands[i]->name;
	names[N_COMMANDS] = "help";
	names[N_COMMANDS + 1] = NULL;
	const char *nearest = word_nearest (name, names);
	if (nearest)
		return usage_wrong (session, NULL, "unknown command '%s': did you mean '%s'?", name, nearest);
	return usage_wrong (session, NULL, "unknown command '%s'", name);
}

/* Flags before the file, the file before the environment, that before the defaults. */
static int config_load (session_t *session, const globals_t *globals)
{
	const struct {
		const char *key, *value, *origin;
	} flags[] = { { "stream", globals->stream, "--stream" }, { "control", globals->control, "--control" },
		{ "keyring", globals->keyring, "--keyring" }, { "curve", globals->curve, "--curve" },
		{ "server_key", globals->server_key, "--server-key" } };
	conf_errors_t errors = { 0 };
	cli_config_t *config = NULL;
	int r = cli_config_load (globals->config, &config, &errors);
	for (size_t i = 0; i < sizeof flags / sizeof *flags && !r; i++) {
		if (flags[i].value)
			r = cli_config_set (config, flags[i].key, flags[i].value, flags[i].origin, &errors);
	}
	if (r) {
		conf_errors_print (&errors, session->output->err);
		if (!conf_errors_any (&errors))
			output_complain (
			        session->output, "the configuration cannot be read: %s", strerror (-r));
		cli_config_destroy (&config);
	}
	conf_errors_clear (&errors);
	session->config = config;
	return r;
}

static int command_run (
        session_t *session, const command_t *command, globals_t *globals, int argc, char **argv)
{
	err_t err = { 0 };
	void *values = calloc (1, command->values_size ? command->values_size : 1);
	words_t words = { calloc ((size_t) argc + 1, sizeof *words.at), 0 };
	int status = ANSWER_NO;
	if (!values || !words.at) {
		output_complain (session->output, "out of memory");
		goto end;
	}
	if (command->defaults)
		memcpy (values, command->defaults, command->values_size);
	option_set_t sets[] = { { command->options, command->n_options, values },
		{ global_options, N_GLOBAL, globals } };
	int r = options_parse (sets, 2, argc, argv, false, &words, &err);
	session->json = globals->json;
	session->deadline_ns = globals->timeout_ns;
	if (r < 0) {
		status = usage_wrong (session, command->name, "%s: %s", command->name, err.text);
	} else if (globals->help) {
		print_command_help (session->output->out, command);
		status = DONE;
	} else if (!command->local && config_load (session, globals)) {
		status = USAGE_WRONG;
	} else {
		status = command->run (session, values, &words);
	}
	cli_config_destroy (&session->config);
end:
	free (words.at);
	free (values);
	return status;
}

static int help_run (session_t *session, int argc, char **argv)
{
	const command_t *command = argc > 0 ? command_find (argv[0]) : NULL;
	if (argc > 0 && !command && strcmp (argv[0], "help") != 0)
		return command_unknown (session, argv[0]);
	if (command)
		print_command_help (session->output->out, command);
	else
		print_help (session->output->out);
	return DONE;
}

int belfry_run (int argc, char **argv, output_t *output)
{
	session_t session = { .output = output };
	globals_t globals = { .timeout_ns = DEADLINE_DEFAULT_S * NS_PER_S };
	option_set_t set = { global_options, N_GLOBAL, &globals };
	words_t none = { NULL, 0 };
	err_t err = { 0 };
	int status, first = options_parse (&set, 1, argc - 1, argv + 1, true, &none, &err);
	argv += 1 + first;
	argc -= 1 + first;
	if (first < 0) {
		status = usage_wrong (&session, NULL, "%s", err.text);
	} else if (argc == 0 && globals.help) {
		print_help (output->out);
		status = DONE;
	} else if (argc == 0) {
		print_help (output->err);
		status = USAGE_WRONG;
	} else if (strcmp (argv[0], "help") == 0) {
		status = help_run (&session, argc - 1, argv + 1);
	} else {
		const command_t *command = command_find (argv[0]);
		status = command ? command_run (&session, command, &globals, argc - 1, argv + 1)
		                 : command_unknown (&session, argv[0]);
	}
	/* Who stopped reading has what it wanted; a full disk has not. */
	if (fflush (output->out) && errno != EPIPE && status == DONE) {
		output_complain (output, "cannot write the answer: %s", strerror (errno));
		status = ANSWER_NO;
	}
	return status;
}
