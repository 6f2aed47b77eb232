/* main.c - the simulator: `sim --seed 7 --nodes 8 --for 2m --faults heavy -v` repeats one run,
 * `--seeds 1..50` makes many. Exits 1 where an invariant broke, and says the seed, the moment and what
 * happened before. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sodium.h>

#include "agent.h"
#include "collector.h"
#include "hostile.h"
#include "judge.h"
#include "net.h"
#include "subscriber.h"
#include "world.h"

typedef struct {
	uint64_t first, last;
	world_options_t world;
	bool mixed; /* nodes, faults and the rest by the seed */
	bool twice; /* each seed twice: the same is published */
} options_t;

typedef struct {
	uint64_t runs, steps, messages, attempts, faults, replayed, deaths;
	int64_t virtual_ns, node_ns, slowest_ns;
} totals_t;

static int usage (const char *what)
{
	fprintf (stderr,
	        "sim: %s\n"
	        "usage: sim [--seed N | --seeds A..B] [--nodes 1..%d] [--for DURATION]\n"
	        "           [--faults none|light|heavy|storm|mixed] [--hostile] [--insecure] [--twice] "
	        "[-v]\n",
	        what, WORLD_NODES_MAX);
	return 2;
}

static bool number (const char *text, char end, uint64_t *ret, const char **rest)
{
	char *stop;
	errno = 0;
	unsigned long long value = strtoull (text, &stop, 10);
	if (stop == text || errno || *stop != end)
		return false;
	*ret = value;
	*rest = stop;
	return true;
}

static bool faults_parse (const char *text, options_t *out)
{
	static const char *const names[] = { "none", "light", "heavy", "storm" };
	out->mixed = strcmp (text, "mixed") == 0;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp (text, names[i]) == 0) {
			out->world.faults = (faults_t) i;
			return true;
		}
	}
	return out->mixed;
}

/* 0, or the exit status. */
static int options_parse (int argc, char **argv, options_t *out)
{
	const char *rest;
	uint64_t value;
	*out = (options_t){ .first = 1,
		.last = 1,
		.world = { .nodes = 6, .duration_ns = 120 * NS_PER_S, .faults = FAULTS_LIGHT } };
	for (int i = 1; i < argc; i++) {
		const char *name = argv[i], *text = i + 1 < argc ? argv[i + 1] : "";
		if (strcmp (name, "-v") == 0) {
			out->world.verbose = true;
		} else if (strcmp (name, "--hostile") == 0) {
			out->world.hostile = true;
		} else if (strcmp (name, "--insecure") == 0) {
			out->world.insecure = true;
		} else if (strcmp (name, "--twice") == 0) {
			out->twice = true;
		} else if (strcmp (name, "--seed") == 0) {
			if (!number (text, '\0', &out->first, &rest))
				return usage ("--seed takes a number");
			out->last = out->first;
			i++;
		} else if (strcmp (name, "--seeds") == 0) {
			if (!number (text, '.', &out->first, &rest) || strncmp (rest, "..", 2) != 0 ||
			        !number (rest + 2, '\0', &out->last, &rest) || out->last < out->first)
				return usage ("--seeds takes a range, as 1..50");
			i++;
		} else if (strcmp (name, "--nodes") == 0) {
			if (!number (text, '\0', &value, &rest) || value < 1 || value > WORLD_NODES_MAX)
				return usage ("--nodes is outside its range");
			out->world.nodes = (uint32_t) value;
			i++;
		} else if (strcmp (name, "--for") == 0) {
			if (duration_parse (text, &out->world.duration_ns) ||
			        out->world.duration_ns < 60 * NS_PER_S)
				return usage ("--for takes a duration of at least 60s");
			i++;
		} else if (strcmp (name, "--faults") == 0) {
			if (!faults_parse (text, out))
				return usage ("--faults is none, light, heavy, storm or mixed");
			i++;
		} else {
			return usage ("there is no such option");
		}
	}
	return 0;
}

static world_options_t world_options (const options_t *options, uint64_t seed)
{
	world_options_t world = options->world;
	world.seed = seed;
	if (options->mixed) {
		world.nodes = 1 + (uint32_t) (seed * 7 % 12);
		world.faults = seed % 3 ? FAULTS_HEAVY : FAULTS_LIGHT;
		world.hostile = seed % 2;
		world.insecure = seed % 11 == 0;
	}
	return world;
}

static void failure_print (const world_t *world, const char *name, const char *text, int64_t at)
{
	const world_options_t *o = &world->options;
	static const char *const names[] = { "none", "light", "heavy", "storm" };
	if (!o->verbose)
		sim_trace_print (world->sim);
	printf ("FAILED after %.6f s: %s: %s\n", (double) at / 1e9, name, text);
	printf ("repeat it: --seed %" PRIu64 " --nodes %u --for %" PRId64 "s --faults %s%s%s -v\n", o->seed,
	        o->nodes, o->duration_ns / NS_PER_S, names[o->faults], o->hostile ? " --hostile" : "",
	        o->insecure ? " --insecure" : "");
}

static bool run (const world_options_t *options, totals_t *totals, uint64_t *ret_digest)
{
	world_t *world = world_new (options);
	world_run (world);
	const char *text;
	int64_t at;
	const char *name = sim_failure (world->sim, &text, &at);
	if (name)
		failure_print (world, name, text, at);
	*ret_digest = sim_digest_value (world->sim);
	totals->runs++;
	totals->steps += sim_steps (world->sim);
	totals->messages += net_counters (world->net)->delivered;
	totals->attempts += world->hostile ? hostile_attempts (world->hostile) : 0;
	totals->faults += world->faults;
	totals->replayed += subscriber_replayed (world->subscriber);
	totals->deaths += judge_deaths (world->judge);
	totals->virtual_ns += sim_now (world->sim);
	totals->node_ns += sim_now (world->sim) * options->nodes;
	if (judge_slowest_ns (world->judge) > totals->slowest_ns)
		totals->slowest_ns = judge_slowest_ns (world->judge);
	world_destroy (&world);
	return name == NULL;
}

int main (int argc, char **argv)
{
	options_t options;
	totals_t totals = { 0 };
	setvbuf (stdout, NULL, _IOLBF, 0);
	int r = options_parse (argc, argv, &options);
	if (r)
		return r;
	if (sodium_init () < 0)
		return 2;
	mono_t begun = mono_now ();
	uint64_t failed = 0, digests = 0;
	for (uint64_t seed = options.first; seed <= options.last; seed++) {
		const world_options_t world = world_options (&options, seed);
		uint64_t digest, again;
		bool good = run (&world, &totals, &digest);
		if (good && options.twice && run (&world, &totals, &again) && again != digest) {
			printf ("FAILED: seed %" PRIu64 " publishes %016" PRIx64 ", then %016" PRIx64 "\n",
			        seed, digest, again);
			good = false;
		}
		failed += !good;
		digests ^= digest;
	}
	double seconds = (double) mono_since (mono_now (), begun) / 1e9;
	printf ("%" PRIu64 " runs, %" PRIu64 " failed; %" PRIu64 " faults, %" PRIu64 " hostile acts, %" PRIu64
	        " messages, %" PRIu64 " steps; digest %016" PRIx64 "\n",
	        totals.runs, failed, totals.faults, totals.attempts, totals.messages, totals.steps, digests);
	printf ("%.0f s of virtual time in %.2f s, %.0f node-seconds a second; %" PRIu64
	        " deaths under steady eyes, the slowest verdict after %.3f s; %" PRIu64
	        " messages used up before, past a collector that began again\n",
	        (double) totals.virtual_ns / 1e9, seconds, (double) totals.node_ns / 1e9 / seconds,
	        totals.deaths, (double) totals.slowest_ns / 1e9, totals.replayed);
	return failed ? 1 : 0;
}
