/* bench-core: what a message costs inside the collector, without a socket, on one core: the whole step,
 * and its parts one by one over the same messages. Prints one JSON object. */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json_writer.h"
#include "collector/core.h"
#include "conf/rule.h"
#include "wire/arena.h"
#include "wire/decode.h"
#include "wire/envelope.h"
#include "wire/validate.h"

#include "figures.h"
#include "traffic.h"

enum { NODES = 8, MIX_VALUES = 14, PACKED_VALUES = 100, ROUNDS_MAX = 101, FLUSH = 256 };

static const char keyring_text[] =
        "1 active secret 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";

typedef struct {
	core_t *core;
	keyring_t *keyring;
	rule_set_t *rules;
	traffic_t *traffic;
	uint64_t offset;
	bool asked;
} bench_t;

static void ignore_publish (void *arg, span_t topic, span_t envelope, span_t mark)
{
	(void) arg;
	(void) topic;
	(void) envelope;
	(void) mark;
}

/* A journal that takes everything at once: what durable events cost beside it. */
static void commit (void *arg, journal_batch_t *batch)
{
	bench_t *self = arg;
	for (size_t i = 0; i < batch->n_records; i++)
		batch->records[i].offset = ++self->offset;
	self->asked = true;
}

static void ignore_control (void *arg, span_t peer, span_t bytes)
{
	(void) arg;
	(void) peer;
	(void) bytes;
}

static int no_read (void *arg, span_t peer, uint64_t id, const core_reading_t *asked)
{
	(void) arg;
	(void) peer;
	(void) id;
	(void) asked;
	return -ENOTSUP;
}

static void on_say (void *arg, int level, const char *text)
{
	(void) arg;
	(void) level;
	fprintf (stderr, "bench-core: the core says: %s\n", text);
}

static void check (bool good, const char *what)
{
	if (good)
		return;
	fprintf (stderr, "bench-core: %s\n", what);
	exit (EXIT_FAILURE);
}

/* CPU time of this thread: what others do on the machine disturbs it least. */
static double cpu_ns (void)
{
	struct timespec ts;
	clock_gettime (CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double) ts.tv_sec * 1e9 + (double) ts.tv_nsec;
}

static void take_all (bench_t *self)
{
	moment_t now = moment_now ();
	for (size_t i = 0; i < traffic_count (self->traffic); i++) {
		const traffic_message_t *m = traffic_at (self->traffic, i);
		bool forward;
		check (core_take (self->core, m->topic, m->envelope, -1, now, &forward) == REFUSAL_NONE,
		        "the core refuses a message");
		if (i % FLUSH)
			continue;
		core_flush (self->core, now);
		if (self->asked)
			core_committed (self->core, 0, "", now);
		self->asked = false;
	}
}

static void begin (bench_t *self, size_t values)
{
	err_t err = { "" };
	const core_port_t port = { self, ignore_publish, ignore_control, commit, no_read, on_say };
	check (keyring_parse (keyring_text, sizeof keyring_text - 1, "keyring", &self->keyring, &err) == 0,
	        err.text);
	conf_errors_t errors = { 0 };
	check (rule_set_parse (NULL, 0, "shipped", &self->rules, &errors) == 0,
	        "the shipped rules do not load");
	const core_options_t options = { .cluster = "bench",
		.name = "c1",
		.version = "0",
		.incarnation = 1,
		.boot_nonce = 42,
		.keyring = self->keyring,
		.rules = self->rules };
	check (core_new (&options, &port, moment_now (), &self->core, &err) == 0, err.text);
	check (traffic_new (self->keyring, "bench", NODES, values, &self->traffic, &err) == 0, err.text);
	traffic_introduce (self->traffic);
	take_all (self);
}

static void end (bench_t *self)
{
	traffic_destroy (&self->traffic);
	core_destroy (&self->core);
	rule_set_destroy (&self->rules);
	keyring_destroy (&self->keyring);
}

/* The parts, each over the same messages, as ingest.c calls them. */

typedef struct {
	keyring_t *keyring;
	arena_t *arena;
} tools_t;

static span_t event_of (const traffic_message_t *m)
{
	envelope_t envelope;
	check (envelope_parse (m->envelope.data, m->envelope.size, &envelope) == REFUSAL_NONE, "no envelope");
	return envelope.event;
}

static void part_mac (tools_t *tools, const traffic_message_t *m)
{
	envelope_t envelope;
	uint8_t wanted[MAC_SIZE];
	char node[32];
	span_t name = span_of (node, (size_t) snprintf (node, sizeof node, "node-%u", (unsigned) m->node));
	const mac_key_t *key = keyring_node_key (tools->keyring, 1, name);
	check (envelope_parse (m->envelope.data, m->envelope.size, &envelope) == REFUSAL_NONE, "no envelope");
	mac_event (key, m->topic, envelope.event, wanted);
	check (mac_equal (wanted, envelope.mac), "a MAC that is none");
}

/* What part_mac does beside the MAC: it is taken off again. */
static void part_key (tools_t *tools, const traffic_message_t *m)
{
	char node[32];
	span_t name = span_of (node, (size_t) snprintf (node, sizeof node, "node-%u", (unsigned) m->node));
	check (keyring_node_key (tools->keyring, 1, name) != NULL, "no key");
}

static Belfry__V1__Event *decoded (tools_t *tools, const traffic_message_t *m)
{
	Belfry__V1__Event *event;
	arena_reset (tools->arena);
	check (decode_event (event_of (m), tools->arena, &event) == 0, "no event");
	return event;
}

static void part_decode (tools_t *tools, const traffic_message_t *m)
{
	decoded (tools, m);
}

static void part_decode_validate (tools_t *tools, const traffic_message_t *m)
{
	check (event_validate (decoded (tools, m), NULL) == 0, "no valid event");
}

/* Part of a step, over every message of the round. Without `one` it is the step itself. */
typedef void part_fn (tools_t *tools, const traffic_message_t *m);

static double time_of (bench_t *self, tools_t *tools, part_fn *one)
{
	size_t n = traffic_count (self->traffic);
	double start = cpu_ns ();
	if (!one)
		take_all (self);
	for (size_t i = 0; one && i < n; i++)
		one (tools, traffic_at (self->traffic, i));
	return (cpu_ns () - start) / (double) n;
}

/* Whole and parts in turn in each round, on the same messages: what disturbs a round disturbs all. */
static double write_parts (
        json_writer_t *json, bench_t *self, void (*make) (traffic_t *, size_t), size_t n, size_t rounds)
{
	enum { WHOLE, MAC, DECODE, VALIDATE, REST, PARTS };
	static const char *const names[PARTS] = { "message_ns", "envelope_and_mac_ns", "decode_ns",
		"validate_ns", "lookup_sequence_view_ns" };
	double ns[PARTS][ROUNDS_MAX];
	tools_t tools = { .keyring = self->keyring };
	check (arena_new (ARENA_FIRST_DEFAULT, ARENA_CAP_DEFAULT, &tools.arena) == 0, "out of memory");
	for (size_t i = 0; i < rounds; i++) {
		traffic_clear (self->traffic);
		make (self->traffic, n);
		ns[WHOLE][i] = time_of (self, &tools, NULL);
		ns[MAC][i] = time_of (self, &tools, part_mac) - time_of (self, &tools, part_key);
		ns[DECODE][i] = time_of (self, &tools, part_decode);
		ns[VALIDATE][i] = time_of (self, &tools, part_decode_validate) - ns[DECODE][i];
		ns[REST][i] = ns[WHOLE][i];
		for (int k = MAC; k < REST; k++)
			ns[REST][i] -= ns[k][i];
	}
	arena_destroy (&tools.arena);
	figures_write (json, "envelope_bytes", traffic_envelope_mean (self->traffic));
	for (int k = WHOLE; k < PARTS; k++)
		figures_write (json, names[k], figures_median (ns[k], rounds));
	return figures_median (ns[WHOLE], rounds);
}

static void write_mix (json_writer_t *json, size_t n, size_t rounds)
{
	bench_t bench = { 0 };
	begin (&bench, MIX_VALUES);
	json_write_key (json, "mix");
	json_write_begin_object (json);
	double ns = write_parts (json, &bench, traffic_mix, n, rounds);
	figures_write (json, "messages_per_second_per_core", 1e9 / ns);
	json_write_end_object (json);
	end (&bench);
}

static void write_packed (json_writer_t *json, size_t n, size_t rounds)
{
	bench_t bench = { 0 };
	begin (&bench, PACKED_VALUES);
	json_write_key (json, "packed");
	json_write_begin_object (json);
	double ns = write_parts (json, &bench, traffic_packed, n, rounds);
	json_write_key_u64 (json, "samples_per_envelope", PACKED_VALUES);
	figures_write (json, "samples_per_second_per_core", 1e9 / ns * PACKED_VALUES);
	json_write_end_object (json);
	end (&bench);
}

int main (int argc, char **argv)
{
	static const struct option options[] = { { "messages", required_argument, NULL, 'm' },
		{ "rounds", required_argument, NULL, 'r' }, { 0 } };
	size_t messages = 20000, rounds = 21;
	for (int c; (c = getopt_long (argc, argv, "", options, NULL)) != -1;) {
		size_t value = optarg ? strtoul (optarg, NULL, 10) : 0;
		if (c == 'm' && value)
			messages = value;
		else if (c == 'r' && value && value <= ROUNDS_MAX)
			rounds = value;
		else {
			fprintf (stderr, "usage: bench-core [--messages N] [--rounds 1..%d]\n", ROUNDS_MAX);
			return 2;
		}
	}
	buffer_t out = BUFFER_INIT;
	json_writer_t json = json_writer_on (&out);
	json_write_begin_object (&json);
	write_mix (&json, messages, rounds);
	write_packed (&json, messages / 2 + 1, rounds);
	json_write_end_object (&json);
	puts (buffer_string (&out));
	buffer_free (&out);
	return 0;
}
