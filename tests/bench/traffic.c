/* Bytes lie in chunks that never move, so messages can be spans. Each node has a publisher of its own:
 * what is made here is what an agent would send. */

#include "traffic.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/borrow.h"
#include "wire/publisher.h"
#include "wire/topic.h"

enum { CHUNK = 4 * 1024 * 1024, KEY = 8 };

typedef struct chunk {
	struct chunk *next;
	size_t used;
	uint8_t bytes[CHUNK];
} chunk_t;

typedef struct {
	uint64_t key;
	size_t place; /* of the message, + 1 */
} slot_t;

struct traffic {
	publisher_t **publishers;
	char (*names)[TOPIC_NODE_MAX + 1];
	size_t n_nodes, n_values, node; /* the node that is speaking */
	chunk_t *chunks;
	traffic_message_t *messages;
	size_t n, room, bytes;
	slot_t *slots; /* a power of two */
	size_t n_slots;
	uint64_t incarnation, boot_nonce;
	size_t turn; /* through the mix */
};

static void die (const char *what, const char *why)
{
	fprintf (stderr, "bench: %s: %s\n", what, why);
	exit (EXIT_FAILURE);
}

static span_t keep (traffic_t *self, span_t bytes)
{
	chunk_t *chunk = self->chunks;
	if (!chunk || chunk->used + bytes.size > CHUNK) {
		chunk = malloc (sizeof *chunk);
		if (!chunk)
			die ("sealing", "out of memory");
		chunk->next = self->chunks;
		chunk->used = 0;
		self->chunks = chunk;
	}
	uint8_t *at = chunk->bytes + chunk->used;
	memcpy (at, bytes.data, bytes.size);
	chunk->used += bytes.size;
	return span_of (at, bytes.size);
}

static void on_emit (void *arg, span_t topic, span_t envelope)
{
	traffic_t *self = arg;
	if (self->n == self->room) {
		size_t room = self->room ? self->room * 2 : 4096;
		traffic_message_t *grown = realloc (self->messages, room * sizeof *grown);
		if (!grown)
			die ("sealing", "out of memory");
		self->messages = grown;
		self->room = room;
	}
	self->messages[self->n++] =
	        (traffic_message_t){ keep (self, topic), keep (self, envelope), (uint32_t) self->node };
	self->bytes += envelope.size;
}

int traffic_new (
        keyring_t *keyring, const char *cluster, size_t nodes, size_t values, traffic_t **ret, err_t *err)
{
	if (nodes == 0 || nodes > TRAFFIC_NODES_MAX || values == 0 || values > TRAFFIC_VALUES_MAX)
		return error_set (err, -EINVAL, "want 1..%d nodes and 1..%d values", TRAFFIC_NODES_MAX,
		        TRAFFIC_VALUES_MAX);
	traffic_t *self = calloc (1, sizeof *self);
	if (!self)
		return error_set (err, -ENOMEM, "out of memory");
	self->n_nodes = nodes;
	self->n_values = values;
	self->incarnation = 1;
	randombytes_buf (&self->boot_nonce, sizeof self->boot_nonce);
	self->publishers = calloc (nodes, sizeof (publisher_t *));
	self->names = calloc (nodes, sizeof *self->names);
	int r = self->publishers && self->names ? 0 : error_set (err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < nodes && !r; i++) {
		snprintf (self->names[i], sizeof self->names[i], "node-%zu", i);
		const publisher_options_t options = { cluster, self->names[i], self->incarnation,
			self->boot_nonce, mono_now (), keyring };
		r = publisher_new (&options, on_emit, self, &self->publishers[i], err);
	}
	if (r)
		traffic_destroy (&self);
	else
		*ret = self;
	return r;
}

void traffic_destroy (traffic_t **self_p)
{
	traffic_t *self = *self_p;
	if (!self)
		return;
	traffic_clear (self);
	for (size_t i = 0; self->publishers && i < self->n_nodes; i++)
		publisher_destroy (&self->publishers[i]);
	free (self->publishers);
	free (self->names);
	free (self->messages);
	free (self->slots);
	free (self);
	*self_p = NULL;
}

void traffic_clear (traffic_t *self)
{
	while (self->chunks) {
		chunk_t *next = self->chunks->next;
		free (self->chunks);
		self->chunks = next;
	}
	self->n = self->bytes = 0;
}

/* The events. */

static void say (traffic_t *self, Belfry__V1__Event *event, const char *source)
{
	err_t err = { "" };
	const publisher_note_t note = { .source = source };
	if (publisher_send (self->publishers[self->node], event, &note, moment_now (), &err))
		die ("sealing", err.text);
}

/* One series in ten is one that a shipped alert rule watches. */
static bool is_watched (size_t i)
{
	return i % 10 == 3;
}

static void say_catalogue (traffic_t *self)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__Catalogue catalogue = BELFRY__V1__CATALOGUE__INIT;
	Belfry__V1__Series *series = calloc (self->n_values, sizeof *series);
	Belfry__V1__Series **list = calloc (self->n_values, sizeof (Belfry__V1__Series *));
	char (*texts)[24] = calloc (self->n_values, sizeof *texts);
	Belfry__V1__Label *own = calloc (self->n_values, sizeof *own);
	Belfry__V1__Label **own_list = calloc (self->n_values, sizeof (Belfry__V1__Label *));
	if (!series || !list || !texts || !own || !own_list)
		die ("sealing", "out of memory");
	for (size_t i = 0; i < self->n_values; i++) {
		bool watched = is_watched (i);
		snprintf (texts[i], sizeof texts[i], "%zu", i);
		belfry__v1__label__init (&own[i]);
		own[i].key = borrow (watched ? "mountpoint" : "cpu");
		own[i].value = texts[i];
		own_list[i] = &own[i];
		belfry__v1__series__init (&series[i]);
		series[i].name = borrow (watched ? "belfry_filesystem_used_ratio" : "node_cpu_seconds_total");
		series[i].kind = watched ? BELFRY__V1__METRIC_KIND__METRIC_KIND_GAUGE
		                         : BELFRY__V1__METRIC_KIND__METRIC_KIND_COUNTER;
		series[i].unit = borrow (watched ? "ratio" : "seconds");
		series[i].n_labels = 1;
		series[i].labels = &own_list[i];
		list[i] = &series[i];
	}
	catalogue.hash = self->n_values;
	catalogue.n_series = self->n_values;
	catalogue.series = list;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_CATALOGUE;
	event.catalogue = &catalogue;
	say (self, &event, NULL);
	free (own_list);
	free (own);
	free (texts);
	free (list);
	free (series);
}

static void say_beat (traffic_t *self)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__Heartbeat beat = BELFRY__V1__HEARTBEAT__INIT;
	publisher_t *publisher = self->publishers[self->node];
	beat.newest_volatile = publisher_newest_volatile (publisher);
	beat.newest_durable = publisher_newest_durable (publisher);
	beat.interval_ns = 200 * NS_PER_MS;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_HEARTBEAT;
	event.heartbeat = &beat;
	say (self, &event, NULL);
}

static void say_values (traffic_t *self)
{
	double values[TRAFFIC_VALUES_MAX];
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__MetricBatch batch = BELFRY__V1__METRIC_BATCH__INIT;
	for (size_t i = 0; i < self->n_values; i++)
		values[i] = is_watched (i) ? (double) (self->n % 90) / 100 : (double) (self->n + i) * 0.37;
	batch.catalogue_hash = self->n_values;
	batch.n_values = self->n_values;
	batch.values = values;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_METRIC_BATCH;
	event.metric_batch = &batch;
	say (self, &event, NULL);
}

static void say_check (traffic_t *self)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__CheckCompleted check = BELFRY__V1__CHECK_COMPLETED__INIT;
	check.check = borrow ("replication");
	check.result = BELFRY__V1__CHECK_RESULT__CHECK_RESULT_PASS;
	check.duration_ns = 1834211;
	check.message =
	        borrow ("replica db-2 follows 0.2 s behind, slot active, 3 of 3 replicas in sync, wal 12 kB");
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_CHECK_COMPLETED;
	event.check_completed = &check;
	say (self, &event, "postgres");
}

static void say_latency (traffic_t *self)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__Latency latency = BELFRY__V1__LATENCY__INIT;
	latency.operation = borrow ("SELECT orders by customer, newest first, of one warehouse");
	latency.sample_count = 48123;
	latency.min_ns = 81234;
	latency.max_ns = 91234567;
	latency.mean_ns = 412345;
	latency.p50_ns = 312345;
	latency.p90_ns = 812345;
	latency.p95_ns = 1412345;
	latency.p99_ns = 4412345;
	latency.p999_ns = 21412345;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_LATENCY;
	event.latency = &latency;
	say (self, &event, "postgres");
}

static void say_throughput (traffic_t *self)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__Throughput throughput = BELFRY__V1__THROUGHPUT__INIT;
	throughput.operation =
	        borrow ("INSERT into orders, with its order lines, of one warehouse, in one transaction");
	throughput.count = 40312;
	throughput.window_ns = 10 * NS_PER_S;
	throughput.rate_per_second = 4031.2;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_THROUGHPUT;
	event.throughput = &throughput;
	say (self, &event, "postgres");
}

static void say_resource (traffic_t *self)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__ResourceUsage usage = BELFRY__V1__RESOURCE_USAGE__INIT;
	usage.resource = BELFRY__V1__RESOURCE_KIND__RESOURCE_KIND_CONNECTIONS;
	usage.name = borrow ("the connection pool of the order service, primary database, read-write");
	usage.used = 118;
	usage.total = 200;
	usage.unit = borrow ("connections");
	usage.has_used_ratio_case = BELFRY__V1__RESOURCE_USAGE__HAS_USED_RATIO_USED_RATIO;
	usage.used_ratio = 0.59;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_RESOURCE_USAGE;
	event.resource_usage = &usage;
	say (self, &event, "orders");
}

static void say_component (traffic_t *self)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__ComponentHealth health = BELFRY__V1__COMPONENT_HEALTH__INIT;
	health.component = borrow ("order-database");
	health.status = BELFRY__V1__STATUS__STATUS_HEALTHY;
	health.previous_status = BELFRY__V1__STATUS__STATUS_HEALTHY;
	health.since_ns = UINT64_C (1763973600000000000);
	health.details = borrow ("3 replicas, the farthest 0.2 s behind; 61 % of the connections in use");
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_COMPONENT_HEALTH;
	event.component_health = &health;
	say (self, &event, "postgres");
}

static void say_log (traffic_t *self)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__LogEntry entry = BELFRY__V1__LOG_ENTRY__INIT;
	entry.level = BELFRY__V1__SEVERITY__SEVERITY_INFO;
	entry.message = borrow ("order 8172331 accepted: 4 lines, 318.20 EUR, paid, to be shipped from Lyon");
	entry.logger = borrow ("orders.intake");
	entry.file = borrow ("intake.c");
	entry.line = 418;
	entry.pid = 2211;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_LOG_ENTRY;
	event.log_entry = &entry;
	say (self, &event, "orders");
}

static void say_access (traffic_t *self)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__AccessLog access = BELFRY__V1__ACCESS_LOG__INIT;
	access.actor = borrow ("m.rossi");
	access.resource = borrow ("/orders/8172331");
	access.action = borrow ("read");
	access.allowed = true;
	access.duration_ns = 3412345;
	access.source_address = borrow ("10.20.30.40");
	access.user_agent = borrow ("Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0");
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_ACCESS_LOG;
	event.access_log = &access;
	say (self, &event, "orders");
}

typedef void say_fn (traffic_t *self);

static void all (traffic_t *self, say_fn *one)
{
	for (self->node = 0; self->node < self->n_nodes; self->node++)
		one (self);
}

void traffic_introduce (traffic_t *self)
{
	all (self, say_catalogue);
	all (self, say_beat);
}

/* A turn of 32: half of it figures, one heartbeat, one durable event. */
void traffic_mix (traffic_t *self, size_t n)
{
	static say_fn *const turn[] = { say_values, say_check, say_values, say_latency, say_values, say_log,
		say_values, say_resource, say_values, say_throughput, say_values, say_component, say_values,
		say_log, say_values, say_access, say_values, say_check, say_values, say_latency, say_values,
		say_log, say_values, say_resource, say_values, say_throughput, say_values, say_component,
		say_values, say_log, say_values, say_beat };
	for (size_t i = 0; i < n; i++, self->turn++) {
		self->node = self->turn % self->n_nodes;
		turn[self->turn / self->n_nodes % (sizeof turn / sizeof *turn)](self);
	}
}

void traffic_packed (traffic_t *self, size_t n)
{
	for (size_t i = 0; i < n; i++, self->turn++) {
		self->node = self->turn % self->n_nodes;
		say_values (self);
	}
}

size_t traffic_count (const traffic_t *self)
{
	return self->n;
}
const traffic_message_t *traffic_at (const traffic_t *self, size_t i)
{
	return &self->messages[i];
}
double traffic_envelope_mean (const traffic_t *self)
{
	return self->n ? (double) self->bytes / (double) self->n : 0;
}

/* The MAC is an envelope's end, and as good as random. */
static uint64_t key_of (span_t envelope)
{
	uint64_t key;
	memcpy (&key, (const uint8_t *) envelope.data + envelope.size - KEY, sizeof key);
	return key;
}

void traffic_index (traffic_t *self)
{
	size_t n_slots = 1024;
	while (n_slots < self->n * 2)
		n_slots *= 2;
	free (self->slots);
	self->slots = calloc (n_slots, sizeof *self->slots);
	if (!self->slots)
		die ("indexing", "out of memory");
	self->n_slots = n_slots;
	for (size_t i = 0; i < self->n; i++) {
		uint64_t key = key_of (self->messages[i].envelope);
		size_t at = key & (n_slots - 1);
		while (self->slots[at].place)
			at = (at + 1) & (n_slots - 1);
		self->slots[at] = (slot_t){ key, i + 1 };
	}
}

size_t traffic_find (const traffic_t *self, span_t envelope)
{
	if (envelope.size < KEY)
		return self->n;
	uint64_t key = key_of (envelope);
	for (size_t at = key & (self->n_slots - 1); self->slots[at].place;
	        at = (at + 1) & (self->n_slots - 1)) {
		if (self->slots[at].key == key)
			return self->slots[at].place - 1;
	}
	return self->n;
}

const char *traffic_node (const traffic_t *self, size_t node)
{
	return self->names[node];
}
uint64_t traffic_incarnation (const traffic_t *self)
{
	return self->incarnation;
}
uint64_t traffic_boot_nonce (const traffic_t *self)
{
	return self->boot_nonce;
}
