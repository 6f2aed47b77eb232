/* bench-path: floods and paces the same sealed messages through each program under test in turn, within
 * one run, and prints what came of it as one JSON object. bench.py starts the programs. */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "figures.h"
#include "path.h"

enum { PATHS_MAX = 4, VALUES = 14, WORDS_MAX = 5 };

typedef struct {
	size_t nodes, messages, rounds, window, pace_rounds;
	double rate, pace_seconds;
	const char *cluster, *keyring;
} settings_t;

static void check (bool good, const char *what)
{
	if (good)
		return;
	fprintf (stderr, "bench-path: %s\n", what);
	exit (EXIT_FAILURE);
}

/* NAME,PID,IN,OUT[,CONTROL] */
static path_options_t parse_path (char *text)
{
	char *words[WORDS_MAX] = { NULL }, *save = NULL;
	size_t n = 0;
	for (char *w = strtok_r (text, ",", &save); w && n < WORDS_MAX; w = strtok_r (NULL, ",", &save))
		words[n++] = w;
	check (n >= 4, "a path is NAME,PID,IN,OUT[,CONTROL]");
	return (path_options_t){ words[0], (pid_t) atoi (words[1]), words[2], words[3], words[4] };
}

static void write_result (json_writer_t *json, const path_result_t *r)
{
	json_write_key_u64 (json, "sent", r->sent);
	json_write_key_u64 (json, "lost", r->sent - r->received);
	figures_write (json, "per_second", (double) r->received / r->seconds);
	figures_write (json, "cpu_ns_per_message", r->cpu_ns / (double) r->received);
}

/* One round: every path the same messages, in an order that turns with the round. */
static void flood_round (json_writer_t *json, const settings_t *settings, traffic_t *traffic, path_t **paths,
        size_t n, size_t round)
{
	traffic_clear (traffic);
	traffic_mix (traffic, settings->messages);
	json_write_begin_object (json);
	for (size_t i = 0; i < n; i++) {
		path_t *path = paths[round % 2 ? n - 1 - i : i];
		path_result_t result;
		path_flood (path, settings->window, &result);
		json_write_key (json, path_name (path));
		json_write_begin_object (json);
		write_result (json, &result);
		json_write_end_object (json);
	}
	json_write_end_object (json);
}

static void pace_round (json_writer_t *json, const settings_t *settings, traffic_t *traffic, path_t **paths,
        size_t n, size_t round)
{
	size_t messages = (size_t) (settings->rate * settings->pace_seconds);
	traffic_clear (traffic);
	traffic_mix (traffic, messages);
	traffic_index (traffic);
	double *ns = calloc (messages, sizeof *ns);
	check (ns != NULL, "out of memory");
	json_write_begin_object (json);
	for (size_t i = 0; i < n; i++) {
		path_t *path = paths[round % 2 ? n - 1 - i : i];
		path_result_t result;
		path_pace (path, settings->rate, ns, &result);
		json_write_key (json, path_name (path));
		json_write_begin_object (json);
		write_result (json, &result);
		if (result.received) {
			figures_write (json, "p50_us", figures_quantile (ns, result.received, 0.5) / 1e3);
			figures_write (json, "p90_us", figures_quantile (ns, result.received, 0.9) / 1e3);
			figures_write (json, "p99_us", figures_quantile (ns, result.received, 0.99) / 1e3);
			figures_write (json, "max_us", figures_quantile (ns, result.received, 1) / 1e3);
		}
		json_write_end_object (json);
	}
	json_write_end_object (json);
	free (ns);
}

typedef void round_fn (json_writer_t *json, const settings_t *settings, traffic_t *traffic, path_t **paths,
        size_t n, size_t round);

static void write_rounds (json_writer_t *json, const char *key, round_fn *one, size_t rounds,
        const settings_t *settings, traffic_t *traffic, path_t **paths, size_t n)
{
	json_write_key (json, key);
	json_write_begin_array (json);
	for (size_t i = 0; i < rounds; i++)
		one (json, settings, traffic, paths, n, i);
	json_write_end_array (json);
}

static void run (const settings_t *settings, char **specs, size_t n)
{
	keyring_t *keyring;
	traffic_t *traffic;
	path_t *paths[PATHS_MAX] = { NULL };
	err_t err = { "" };
	check (keyring_load (settings->keyring, &keyring, &err) == 0, err.text);
	check (traffic_new (keyring, settings->cluster, settings->nodes, VALUES, &traffic, &err) == 0,
	        err.text);
	for (size_t i = 0; i < n; i++) {
		const path_options_t options = parse_path (specs[i]);
		check (path_new (&options, traffic, keyring, settings->cluster, settings->nodes, &paths[i],
		               &err) == 0,
		        err.text);
	}
	buffer_t out = BUFFER_INIT;
	json_writer_t json = json_writer_on (&out);
	json_write_begin_object (&json);
	write_rounds (&json, "flood", flood_round, settings->rounds, settings, traffic, paths, n);
	figures_write (&json, "envelope_bytes", traffic_envelope_mean (traffic));
	write_rounds (&json, "pace", pace_round, settings->pace_rounds, settings, traffic, paths, n);
	json_write_key_u64 (&json, "nodes", settings->nodes);
	json_write_key_u64 (&json, "window", settings->window);
	json_write_key_u64 (&json, "messages", settings->messages);
	figures_write (&json, "rate", settings->rate);
	json_write_end_object (&json);
	puts (buffer_string (&out));
	buffer_free (&out);
	for (size_t i = 0; i < n; i++)
		path_destroy (&paths[i]);
	traffic_destroy (&traffic);
	keyring_destroy (&keyring);
}

int main (int argc, char **argv)
{
	static const struct option options[] = { { "cluster", required_argument, NULL, 'c' },
		{ "keyring", required_argument, NULL, 'k' }, { "nodes", required_argument, NULL, 'n' },
		{ "messages", required_argument, NULL, 'm' }, { "rounds", required_argument, NULL, 'r' },
		{ "window", required_argument, NULL, 'w' }, { "rate", required_argument, NULL, 'R' },
		{ "pace-rounds", required_argument, NULL, 'p' },
		{ "pace-seconds", required_argument, NULL, 's' }, { 0 } };
	settings_t settings = { .nodes = 8,
		.messages = 200000,
		.rounds = 7,
		.window = 8192,
		.rate = 10000,
		.pace_rounds = 5,
		.pace_seconds = 2,
		.cluster = "bench" };
	for (int c; (c = getopt_long (argc, argv, "", options, NULL)) != -1;) {
		size_t number = optarg ? strtoul (optarg, NULL, 10) : 0;
		switch (c) {
		case 'c':
			settings.cluster = optarg;
			break;
		case 'k':
			settings.keyring = optarg;
			break;
		case 'n':
			settings.nodes = number;
			break;
		case 'm':
			settings.messages = number;
			break;
		case 'r':
			settings.rounds = number;
			break;
		case 'w':
			settings.window = number;
			break;
		case 'R':
			settings.rate = strtod (optarg, NULL);
			break;
		case 'p':
			settings.pace_rounds = number;
			break;
		case 's':
			settings.pace_seconds = strtod (optarg, NULL);
			break;
		default:
			return 2;
		}
	}
	size_t n = (size_t) (argc - optind);
	check (settings.keyring && n >= 1 && n <= PATHS_MAX && settings.nodes && settings.messages &&
	                settings.window > 1 && settings.rate > 0 && settings.pace_seconds > 0,
	        "usage: bench-path --keyring FILE [--cluster C] [--nodes N] [--messages N] [--rounds N] "
	        "[--window N] [--rate PER_SECOND] [--pace-rounds N] [--pace-seconds S] "
	        "NAME,PID,IN,OUT[,CONTROL]...");
	run (&settings, argv + optind, n);
	return 0;
}
